use serde_json::{Value, json};

use crate::client::{ACTION, pass, server, start, start_with};

#[tokio::test(start_paused = true)]
async fn a_server_is_made_step_by_step() {
    let (_api, client) = start().await;
    let made = client.post("/servers", server("one")).await.expect(201);
    let path = format!("/servers/{}", made["server"]["id"]);
    assert_eq!(made["server"]["status"], "initializing");
    assert_eq!(
        (
            &made["action"]["command"],
            &made["next_actions"][0]["command"]
        ),
        (&json!("create_server"), &json!("start_server"))
    );
    assert!(made["root_password"].is_string());
    assert!(made["server"]["id"].as_i64().unwrap() > i64::from(u32::MAX));

    pass(ACTION / 2).await;
    let action = client
        .get(&format!("/actions/{}", made["action"]["id"]))
        .await
        .expect(200)["action"]
        .clone();
    assert_eq!(
        (&action["status"], &action["progress"], &action["finished"]),
        (&json!("running"), &json!(50), &Value::Null)
    );
    pass(ACTION / 2).await;
    assert_eq!(
        client.get(&path).await.expect(200)["server"]["status"],
        "starting"
    );
    pass(ACTION).await;
    let server = client.get(&path).await.expect(200)["server"].clone();
    assert_eq!(
        (&server["status"], &server["locked"]),
        (&json!("running"), &json!(false))
    );
    assert_eq!(server["public_net"]["ipv4"]["ip"], "127.80.0.1");
    assert_eq!(server["public_net"]["ipv6"]["ip"], "2001:db8:0:1::/64");
    assert_eq!(server["server_type"]["name"], "cpx11");
    assert_eq!(server["primary_disk_size"].to_string(), "40");
    assert!(!server.to_string().contains("user_data"));

    let both = format!(
        "/actions?id={}&id={}&sort=id",
        made["action"]["id"], made["next_actions"][0]["id"]
    );
    let actions = client.get(&both).await.expect(200)["actions"].clone();
    assert!(
        actions
            .as_array()
            .unwrap()
            .iter()
            .all(|action| action["status"] == "success" && action["progress"] == 100)
    );
    assert_eq!(
        client.get(&format!("{path}/actions")).await.expect(200)["actions"],
        actions
    );
    client
        .get("/actions")
        .await
        .refused(410, "deprecated_api_endpoint");
    client.get("/actions/7").await.refused(404, "not_found");
}

#[tokio::test(start_paused = true)]
async fn ids_and_names_are_taken_for_each_other() {
    let (_api, client) = start().await;
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    let key = client
        .post("/ssh_keys", json!({"name": "key", "public_key": key}))
        .await
        .expect(201)["ssh_key"]["id"]
        .clone();
    let image = client
        .get("/images?name=debian-13&architecture=x86")
        .await
        .expect(200)["images"][0]["id"]
        .clone();
    let made = client
        .post("/servers", json!({
            "name": "one", "server_type": 22, "image": image, "location": "4", "ssh_keys": [key, key.to_string()],
        }))
        .await
        .expect(201);
    assert_eq!(made["server"]["location"]["name"], "ash");
    assert_eq!(made["root_password"], Value::Null);
    // An image of a name has the architecture of the server type.
    let arm =
        json!({"name": "two", "server_type": "cax11", "image": "debian-13", "location": "nbg1"});
    client
        .post("/servers", arm.clone())
        .await
        .refused(412, "resource_unavailable");
    let wrong = json!({"name": "two", "server_type": "cax21", "image": image, "location": "nbg1"});
    assert_eq!(
        client.post("/servers", wrong).await.wrong_fields(),
        ["image"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_order_is_checked_before_anything_is_made() {
    let (api, client) = start().await;
    let with = |field: &str, value: Value| {
        let mut order = server("one");
        order[field] = value;
        order
    };
    let nothing = client.post("/servers", json!({"labels": 3})).await;
    assert_eq!(
        nothing.wrong_fields(),
        ["name", "server_type", "image", "labels"]
    );
    for (field, value) in [
        ("name", json!("under_score")),
        ("name", json!("-a")),
        ("server_type", json!("cx1")),
        ("image", json!("debian-7")),
        ("location", json!("mars")),
        ("ssh_keys", json!(["nobody"])),
        ("user_data", json!("x".repeat(32 * 1024 + 1))),
        ("labels", json!({"a": "b c"})),
        ("start_after_create", json!("yes")),
    ] {
        let reply = client.post("/servers", with(field, value)).await;
        reply.refused(422, "invalid_input");
        assert_eq!(reply.wrong_fields(), [field]);
    }
    // Not offered there, offered no longer, and out of stock.
    for (server_type, location, status, code) in [
        ("cpx11", "nbg1", 422, "invalid_input"),
        ("cpx11", "sin", 422, "invalid_input"),
        ("cx33", "ash", 422, "invalid_input"),
        ("cx33", "nbg1", 412, "resource_unavailable"),
    ] {
        let mut order = with("server_type", json!(server_type));
        order["location"] = json!(location);
        client.post("/servers", order).await.refused(status, code);
    }
    let state = api.state();
    assert!(state.servers.is_empty() && state.primary_ips.is_empty() && state.actions.is_empty());
    assert!(api.bill().running.is_empty());

    client.post("/servers", server("one")).await.expect(201);
    client
        .post("/servers", server("one"))
        .await
        .refused(409, "uniqueness_error");
    client
        .post("/servers", with("unknown", json!(1)))
        .await
        .refused(409, "uniqueness_error");
}

#[tokio::test(start_paused = true)]
async fn a_server_is_locked_while_an_action_runs() {
    let (_api, client) = start().await;
    let made = client.post("/servers", server("one")).await.expect(201);
    let path = format!("/servers/{}", made["server"]["id"]);
    client.delete(&path).await.refused(423, "locked");
    client
        .post(&format!("{path}/actions/reboot"), json!({}))
        .await
        .refused(423, "locked");
    client
        .put(&path, json!({"labels": {"a": "b"}}))
        .await
        .expect(200);
    pass(2 * ACTION).await;
    client
        .post(&format!("{path}/actions/reboot"), json!({}))
        .await
        .expect(201);
    client
        .post(&format!("{path}/actions/poweroff"), json!({}))
        .await
        .refused(423, "locked");
}

#[tokio::test(start_paused = true)]
async fn power_goes_on_and_off() {
    let (api, client) = start().await;
    let id = client.running_server("one").await;
    let path = format!("/servers/{id}/actions");
    let status = || api.state().servers[&id].status;
    client.act(&format!("{path}/shutdown"), json!({})).await;
    assert_eq!(status(), "running");
    pass(ACTION).await;
    assert_eq!(status(), "off");
    client.act(&format!("{path}/poweron"), json!({})).await;
    assert_eq!(status(), "running");
    client.act(&format!("{path}/poweroff"), json!({})).await;
    assert_eq!(status(), "off");
    api.faults()
        .times(1, fleet_sim::hetzner::Fault::IgnoreShutdown);
    client.act(&format!("{path}/poweron"), json!({})).await;
    client.act(&format!("{path}/shutdown"), json!({})).await;
    pass(10 * ACTION).await;
    assert_eq!(status(), "running");
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_keeps_everything_but_the_disk() {
    let (api, client) = start().await;
    let mut order = server("one");
    order["user_data"] = json!("first");
    let made = client.post("/servers", order).await.expect(201);
    let id = made["server"]["id"].as_i64().unwrap();
    pass(2 * ACTION).await;
    let before = api.state().servers[&id].clone();

    let path = format!("/servers/{id}/actions/rebuild");
    client.act(&path, json!({"image": "ubuntu-26.04"})).await;
    assert_eq!(api.state().servers[&id].user_data, before.user_data);
    client
        .act(&path, json!({"image": "debian-12", "user_data": "second"}))
        .await;
    let after = api.state().servers[&id].clone();
    assert_eq!(
        after.user_data.map(|data| data.0),
        Some("second".to_owned())
    );
    assert_ne!(after.image, before.image);
    assert_eq!(after.status, "running");

    let protection = format!("/servers/{id}/actions/change_protection");
    client
        .act(&protection, json!({"delete": true, "rebuild": true}))
        .await;
    client
        .post(&path, json!({"image": "debian-12"}))
        .await
        .refused(423, "protected");
    client
        .delete(&format!("/servers/{id}"))
        .await
        .refused(423, "protected");
    client
        .post(&protection, json!({"delete": false}))
        .await
        .refused(422, "invalid_input");
    client
        .act(&protection, json!({"delete": false, "rebuild": false}))
        .await;
    client.delete(&format!("/servers/{id}")).await.expect(200);
}

#[tokio::test(start_paused = true)]
async fn another_type_needs_a_server_that_is_off() {
    let (api, client) = start().await;
    let id = client.running_server("one").await;
    let path = format!("/servers/{id}/actions/change_type");
    let to = |server_type: &str, upgrade_disk: bool| json!({"server_type": server_type, "upgrade_disk": upgrade_disk});
    client
        .post(&path, to("cpx21", false))
        .await
        .refused(422, "server_not_stopped");
    client
        .act(&format!("/servers/{id}/actions/poweroff"), json!({}))
        .await;
    client
        .post(&path, to("cpx11", false))
        .await
        .refused(422, "invalid_server_type");
    client.act(&path, to("cpx21", false)).await;
    assert_eq!(api.state().servers[&id].disk, 40);
    client.act(&path, to("cpx11", false)).await;
    client.act(&path, to("cpx21", true)).await;
    assert_eq!(api.state().servers[&id].disk, 80);
    client
        .post(&path, to("cpx11", false))
        .await
        .refused(422, "invalid_server_type");
    assert_eq!(
        client
            .post(&path, json!({"server_type": "cpx31"}))
            .await
            .wrong_fields(),
        ["upgrade_disk"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_server_takes_its_addresses_along() {
    let (api, client) = start().await;
    let id = client.running_server("one").await;
    assert_eq!(api.state().primary_ips.len(), 2);
    let action = client.delete(&format!("/servers/{id}")).await.expect(200)["action"].clone();
    assert_eq!(
        client.get(&format!("/servers/{id}")).await.expect(200)["server"]["status"],
        "deleting"
    );
    client
        .delete(&format!("/servers/{id}"))
        .await
        .refused(423, "locked");
    pass(ACTION).await;
    client
        .get(&format!("/servers/{id}"))
        .await
        .refused(404, "not_found");
    client
        .get(&format!("/servers/{id}/actions"))
        .await
        .refused(404, "not_found");
    assert_eq!(
        client
            .get(&format!("/actions/{}", action["id"]))
            .await
            .expect(200)["action"]["status"],
        "success"
    );
    assert!(api.state().primary_ips.is_empty());
    assert!(api.bill().running.is_empty());
    client.post("/servers", server("one")).await.expect(201);
}

#[tokio::test(start_paused = true)]
async fn no_more_servers_than_the_limit() {
    let (_api, client) = start_with(|options| options.limits.servers = 1).await;
    client.post("/servers", server("one")).await.expect(201);
    let reply = client.post("/servers", server("two")).await;
    reply.refused(403, "resource_limit_exceeded");
    assert_eq!(
        reply.body["error"]["details"]["limits"],
        json!([{"name": "server_limit"}])
    );
}
