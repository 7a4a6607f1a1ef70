use serde_json::{Value, json};

use crate::client::{ACTION, pass, server, start};

#[tokio::test(start_paused = true)]
async fn a_snapshot_makes_a_server() {
    let (api, client) = start().await;
    let id = client.running_server("one").await;
    let path = format!("/servers/{id}/actions/create_image");
    let made = client
        .post(
            &path,
            json!({"description": "golden", "labels": {"a": "b"}}),
        )
        .await
        .expect(201);
    let image = made["image"]["id"].clone();
    assert_eq!(
        (&made["image"]["status"], &made["image"]["name"]),
        (&json!("creating"), &Value::Null)
    );
    let from_it = |name: &str| {
        let mut order = server(name);
        order["image"] = image.clone();
        order
    };
    assert_eq!(
        client.post("/servers", from_it("two")).await.wrong_fields(),
        ["image"]
    );
    pass(ACTION).await;
    let found = client
        .get("/images?type=snapshot&label_selector=a")
        .await
        .expect(200)["images"]
        .clone();
    assert_eq!(
        (
            found.as_array().unwrap().len(),
            &found[0]["status"],
            &found[0]["image_size"]
        ),
        (1, &json!("available"), &json!(4))
    );
    assert_eq!(found[0]["created_from"], json!({"id": id, "name": "one"}));
    let two = client.make("server", from_it("two")).await;
    assert_eq!(two["image"]["id"], image);
    assert_eq!(
        api.bill()
            .running
            .iter()
            .find(|item| item.kind == "image")
            .unwrap()
            .monthly
            .to_string(),
        "0.0572"
    );

    let image_path = format!("/images/{image}");
    let changed = client
        .put(&image_path, json!({"description": "silver"}))
        .await
        .expect(200);
    assert_eq!(changed["image"]["description"], "silver");
    client
        .act(
            &format!("{image_path}/actions/change_protection"),
            json!({"delete": true}),
        )
        .await;
    client.delete(&image_path).await.refused(423, "protected");
    client
        .act(
            &format!("{image_path}/actions/change_protection"),
            json!({"delete": false}),
        )
        .await;
    client.delete(&image_path).await.expect(204);
    assert!(api.bill().running.iter().all(|item| item.kind != "image"));
}

#[tokio::test(start_paused = true)]
async fn backups_go_with_their_server_and_system_images_stay() {
    let (api, client) = start().await;
    let id = client.running_server("one").await;
    let path = format!("/servers/{id}/actions");
    client
        .post(&format!("{path}/create_image"), json!({"type": "backup"}))
        .await
        .refused(422, "invalid_input");
    client
        .act(&format!("{path}/enable_backup"), json!({}))
        .await;
    client
        .act(&format!("{path}/create_image"), json!({"type": "backup"}))
        .await;
    let bound = format!("/images?bound_to={id}");
    assert_eq!(
        client.get(&bound).await.expect(200)["images"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    client.delete(&format!("/servers/{id}")).await.expect(200);
    pass(ACTION).await;
    assert_eq!(client.get(&bound).await.expect(200)["images"], json!([]));

    let system = *api.state().images.keys().next().unwrap();
    client
        .delete(&format!("/images/{system}"))
        .await
        .refused(403, "forbidden");
    client
        .put(&format!("/images/{system}"), json!({"description": "x"}))
        .await
        .refused(403, "forbidden");
}
