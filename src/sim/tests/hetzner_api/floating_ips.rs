use serde_json::{Value, json};

use crate::client::{ACTION, pass, start};

#[tokio::test(start_paused = true)]
async fn an_address_floats_from_server_to_server() {
    let (api, client) = start().await;
    let one = client.running_server("one").await;
    let two = client.running_server("two").await;
    let made = client
        .post("/floating_ips", json!({"type": "ipv4", "server": one}))
        .await
        .expect(201);
    assert_eq!(made["action"]["command"], "assign_floating_ip");
    let id = made["floating_ip"]["id"].as_i64().unwrap();
    let path = format!("/floating_ips/{id}");
    pass(ACTION).await;
    assert_eq!(
        client.get(&path).await.expect(200)["floating_ip"]["server"],
        json!(one)
    );
    assert_eq!(
        client.get(&format!("/servers/{one}")).await.expect(200)["server"]["public_net"]["floating_ips"],
        json!([id])
    );
    client
        .post(&format!("{path}/actions/assign"), json!({"server": two}))
        .await
        .refused(422, "floating_ip_assigned");
    client
        .delete(&path)
        .await
        .refused(422, "must_be_unassigned");
    client
        .act(&format!("{path}/actions/unassign"), json!({}))
        .await;
    client
        .act(&format!("{path}/actions/assign"), json!({"server": two}))
        .await;
    client.delete(&format!("/servers/{two}")).await.expect(200);
    pass(ACTION).await;
    assert_eq!(
        client.get(&path).await.expect(200)["floating_ip"]["server"],
        Value::Null
    );

    let renamed = client
        .put(&path, json!({"name": "f", "description": "ours"}))
        .await
        .expect(200)["floating_ip"]
        .clone();
    assert_eq!(
        (&renamed["name"], &renamed["description"]),
        (&json!("f"), &json!("ours"))
    );
    assert_eq!(
        api.bill()
            .running
            .iter()
            .filter(|item| item.kind == "floating_ip")
            .count(),
        1
    );
    client.delete(&path).await.expect(204);
    assert_eq!(
        api.bill()
            .running
            .iter()
            .filter(|item| item.kind == "floating_ip")
            .count(),
        0
    );
    let nowhere = client.post("/floating_ips", json!({"type": "ipv4"})).await;
    assert_eq!(nowhere.wrong_fields(), ["home_location"]);
}
