use serde_json::json;

use crate::client::start;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f somebody";

#[tokio::test(start_paused = true)]
async fn a_key_is_made_found_renamed_and_deleted() {
    let (_api, client) = start().await;
    let made = client
        .post(
            "/ssh_keys",
            json!({"name": "one", "public_key": KEY, "labels": {"a": "b"}}),
        )
        .await
        .expect(201);
    let key = &made["ssh_key"];
    assert_eq!(
        key["fingerprint"],
        "0f:a2:0a:d7:38:3e:65:45:08:6b:63:84:1c:ff:dc:ba"
    );
    assert_eq!(key["public_key"], KEY);

    let by_fingerprint = format!(
        "/ssh_keys?fingerprint={}",
        key["fingerprint"].as_str().unwrap()
    );
    assert_eq!(
        client.get(&by_fingerprint).await.expect(200)["ssh_keys"][0],
        *key
    );
    assert_eq!(
        client
            .get("/ssh_keys?name=one&label_selector=a%3Db")
            .await
            .expect(200)["ssh_keys"][0],
        *key
    );
    assert_eq!(
        client.get("/ssh_keys?name=two").await.expect(200)["ssh_keys"],
        json!([])
    );

    let path = format!("/ssh_keys/{}", key["id"]);
    let renamed = client.put(&path, json!({"name": "two"})).await.expect(200);
    assert_eq!(
        (&renamed["ssh_key"]["name"], &renamed["ssh_key"]["labels"]),
        (&json!("two"), &json!({"a": "b"}))
    );
    let unlabelled = client.put(&path, json!({"labels": {}})).await.expect(200);
    assert_eq!(
        (
            &unlabelled["ssh_key"]["name"],
            &unlabelled["ssh_key"]["labels"]
        ),
        (&json!("two"), &json!({}))
    );

    assert_eq!(client.delete(&path).await.expect(204), json!(null));
    client.delete(&path).await.refused(404, "not_found");
    client.get(&path).await.refused(404, "not_found");
}

#[tokio::test(start_paused = true)]
async fn names_and_keys_are_unique_and_checked() {
    let (_api, client) = start().await;
    client
        .post("/ssh_keys", json!({"name": "one", "public_key": KEY}))
        .await
        .expect(201);
    let same_key = client
        .post(
            "/ssh_keys",
            json!({"name": "two", "public_key": KEY.replace("somebody", "else")}),
        )
        .await;
    same_key.refused(409, "uniqueness_error");
    assert_eq!(same_key.wrong_fields(), ["public_key"]);
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    let same_name = client
        .post("/ssh_keys", json!({"name": "one", "public_key": other}))
        .await;
    same_name.refused(409, "uniqueness_error");
    assert_eq!(same_name.wrong_fields(), ["name"]);

    let wrong = client
        .post("/ssh_keys", json!({"name": 1, "labels": {"a b": "c"}}))
        .await;
    wrong.refused(422, "invalid_input");
    assert_eq!(wrong.wrong_fields(), ["name", "public_key", "labels"]);
    let no_key = client
        .post(
            "/ssh_keys",
            json!({"name": "three", "public_key": "ssh-ed25519 AAAA"}),
        )
        .await;
    assert_eq!(no_key.wrong_fields(), ["public_key"]);

    let second = client
        .post("/ssh_keys", json!({"name": "three", "public_key": other}))
        .await
        .expect(201);
    let path = format!("/ssh_keys/{}", second["ssh_key"]["id"]);
    client
        .put(&path, json!({"name": "one"}))
        .await
        .refused(409, "uniqueness_error");
}
