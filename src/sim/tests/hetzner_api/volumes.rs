use serde_json::{Value, json};

use crate::client::{ACTION, pass, server, start};

#[tokio::test(start_paused = true)]
async fn a_volume_lives_longer_than_its_server() {
    let (api, client) = start().await;
    let id = client.running_server("one").await;
    let made = client
        .post(
            "/volumes",
            json!({"name": "data", "size": 50, "server": id, "format": "ext4"}),
        )
        .await
        .expect(201);
    assert_eq!(
        (
            &made["volume"]["status"],
            &made["next_actions"][0]["command"]
        ),
        (&json!("creating"), &json!("attach_volume"))
    );
    let volume = made["volume"]["id"].as_i64().unwrap();
    let path = format!("/volumes/{volume}");
    pass(2 * ACTION).await;
    let attached = client.get(&path).await.expect(200)["volume"].clone();
    assert_eq!(
        (&attached["status"], &attached["server"], &attached["size"]),
        (&json!("available"), &json!(id), &json!(50))
    );
    assert_eq!(
        attached["linux_device"],
        format!("/dev/disk/by-id/scsi-0HC_Volume_{volume}")
    );
    assert_eq!(
        client.get(&format!("/servers/{id}")).await.expect(200)["server"]["volumes"],
        json!([volume])
    );
    assert_eq!(
        api.bill()
            .running
            .iter()
            .find(|item| item.kind == "volume")
            .unwrap()
            .monthly
            .to_string(),
        "2.86"
    );

    client.delete(&path).await.refused(422, "service_error");
    client
        .post(&format!("{path}/actions/attach"), json!({"server": id}))
        .await
        .refused(422, "volume_already_attached");
    client
        .act(&format!("{path}/actions/resize"), json!({"size": 100}))
        .await;
    client
        .post(&format!("{path}/actions/resize"), json!({"size": 100}))
        .await
        .refused(422, "invalid_input");
    assert_eq!(
        api.bill()
            .running
            .iter()
            .find(|item| item.kind == "volume")
            .unwrap()
            .monthly
            .to_string(),
        "5.72"
    );
    client
        .act(&format!("{path}/actions/detach"), json!({}))
        .await;
    client
        .act(&format!("{path}/actions/attach"), json!({"server": id}))
        .await;
    client.delete(&format!("/servers/{id}")).await.expect(200);
    pass(ACTION).await;
    assert_eq!(
        client.get(&path).await.expect(200)["volume"]["server"],
        Value::Null
    );
    client
        .act(
            &format!("{path}/actions/change_protection"),
            json!({"delete": true}),
        )
        .await;
    client.delete(&path).await.refused(423, "protected");
    client
        .act(
            &format!("{path}/actions/change_protection"),
            json!({"delete": false}),
        )
        .await;
    client.delete(&path).await.expect(204);
    assert!(api.bill().running.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_checked() {
    let (_api, client) = start().await;
    for (field, value) in [
        ("size", json!(9)),
        ("size", json!(10241)),
        ("size", json!("50")),
        ("name", json!("a/b")),
        ("name", json!("x".repeat(65))),
        ("format", json!("ntfs")),
        ("location", json!("mars")),
        ("location", json!(null)),
    ] {
        let mut body = json!({"name": "data", "size": 50, "location": "ash"});
        body[field] = value.clone();
        let reply = client.post("/volumes", body).await;
        assert_eq!(reply.wrong_fields()[0], field, "{value}");
    }
    let volume = client
        .make(
            "volume",
            json!({"name": "data", "size": 50, "location": "nbg1"}),
        )
        .await;
    pass(ACTION).await;
    let id = client.running_server("one").await;
    let attach = format!("/volumes/{}/actions/attach", volume["id"]);
    let elsewhere = client.post(&attach, json!({"server": id})).await;
    assert_eq!(elsewhere.wrong_fields(), ["server"]);
    let mut order = server("two");
    order["volumes"] = json!([volume["id"]]);
    assert_eq!(
        client.post("/servers", order).await.wrong_fields(),
        ["volumes"]
    );
    client
        .post(
            "/volumes",
            json!({"name": "data", "size": 50, "location": "ash"}),
        )
        .await
        .refused(409, "uniqueness_error");
}
