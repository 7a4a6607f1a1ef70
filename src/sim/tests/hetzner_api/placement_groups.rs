use serde_json::json;

use crate::client::{ACTION, pass, server, start};

#[tokio::test(start_paused = true)]
async fn a_group_has_at_most_ten_servers() {
    let (_api, client) = start().await;
    let group = client
        .make("placement_group", json!({"name": "g", "type": "spread"}))
        .await["id"]
        .clone();
    let path = format!("/placement_groups/{group}");
    let order = |name: &str| {
        let mut order = server(name);
        order["placement_group"] = group.clone();
        order
    };
    let mut last = json!(null);
    for number in 0..10 {
        last = client.make("server", order(&format!("s{number}"))).await;
    }
    assert_eq!(last["placement_group"]["id"], group);
    client
        .post("/servers", order("one-more"))
        .await
        .refused(422, "placement_error");
    assert_eq!(
        client.get(&path).await.expect(200)["placement_group"]["servers"]
            .as_array()
            .unwrap()
            .len(),
        10
    );
    client.delete(&path).await.refused(422, "resource_in_use");
    pass(2 * ACTION).await;

    let actions = format!("/servers/{}/actions", last["id"]);
    client
        .act(&format!("{actions}/remove_from_placement_group"), json!({}))
        .await;
    client
        .post(&format!("{actions}/remove_from_placement_group"), json!({}))
        .await
        .refused(422, "invalid_input");
    let add = format!("{actions}/add_to_placement_group");
    client
        .post(&add, json!({"placement_group": group}))
        .await
        .refused(422, "server_not_stopped");
    client.act(&format!("{actions}/poweroff"), json!({})).await;
    client.act(&add, json!({"placement_group": group})).await;
    client
        .post(&add, json!({"placement_group": group}))
        .await
        .refused(422, "already_in_placement_group");
    client
        .post("/placement_groups", json!({"name": "h", "type": "pack"}))
        .await
        .refused(422, "invalid_input");
}
