use serde_json::{Value, json};

use crate::client::{ACTION, Client, pass, server, start};

fn ssh() -> Value {
    json!({"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["0.0.0.0/0", "::/0"]})
}

fn on_server(id: i64) -> Value {
    json!({"type": "server", "server": {"id": id}})
}

fn on_label(selector: &str) -> Value {
    json!({"type": "label_selector", "label_selector": {"selector": selector}})
}

async fn firewalls_of(client: &Client, server: i64) -> Value {
    client.get(&format!("/servers/{server}")).await.expect(200)["server"]["public_net"]["firewalls"]
        .clone()
}

#[tokio::test(start_paused = true)]
async fn rules_are_checked_one_by_one() {
    let (_api, client) = start().await;
    let mut wrong = vec![ssh(); 8];
    wrong[0]["port"] = Value::Null;
    wrong[1]["port"] = json!("70000");
    wrong[2]["source_ips"] = json!([]);
    wrong[3]["source_ips"] = json!(["10.0.0.1/8"]);
    wrong[4]["protocol"] = json!("icmp");
    wrong[5]["direction"] = json!("up");
    wrong[6]["destination_ips"] = json!(["10.0.0.0/8"]);
    wrong[7]["description"] = json!("x".repeat(256));
    let reply = client
        .post("/firewalls", json!({"name": "f", "rules": wrong}))
        .await;
    reply.refused(422, "invalid_input");
    assert_eq!(
        reply.wrong_fields(),
        [
            "rules.0.port",
            "rules.1.port",
            "rules.2.source_ips",
            "rules.3.source_ips",
            "rules.4.port",
            "rules.5.direction",
            "rules.6.destination_ips",
            "rules.7.description",
        ]
    );
    let many = client
        .post("/firewalls", json!({"name": "f", "rules": vec![ssh(); 51]}))
        .await;
    assert_eq!(many.wrong_fields(), ["rules"]);
    let made = client
        .post("/firewalls", json!({"name": "f", "rules": [ssh()]}))
        .await
        .expect(201);
    assert_eq!(made["firewall"]["rules"][0]["port"], "22");
    assert_eq!(made["firewall"]["rules"][0]["destination_ips"], json!([]));
    client
        .post("/firewalls", json!({"name": "f"}))
        .await
        .refused(409, "uniqueness_error");
}

#[tokio::test(start_paused = true)]
async fn a_firewall_is_applied_to_a_server_and_removed() {
    let (_api, client) = start().await;
    let id = client.running_server("one").await;
    let firewall = client
        .make("firewall", json!({"name": "f", "rules": [ssh()]}))
        .await;
    let path = format!("/firewalls/{}", firewall["id"]);
    let apply = format!("{path}/actions/apply_to_resources");
    let body = json!({"apply_to": [on_server(id)]});
    let actions = client.post(&apply, body.clone()).await.expect(201)["actions"].clone();
    assert_eq!(
        (actions.as_array().unwrap().len(), &actions[0]["command"]),
        (1, &json!("apply_firewall"))
    );
    client
        .post(&apply, body.clone())
        .await
        .refused(422, "firewall_already_applied");
    client.delete(&path).await.refused(422, "resource_in_use");
    pass(ACTION).await;
    assert_eq!(
        firewalls_of(&client, id).await,
        json!([{"id": firewall["id"], "status": "applied"}])
    );
    assert_eq!(
        client.get(&path).await.expect(200)["firewall"]["applied_to"],
        json!([on_server(id)])
    );
    client
        .post(&apply, body)
        .await
        .refused(422, "firewall_already_applied");
    client
        .post(&apply, json!({"apply_to": [on_server(7)]}))
        .await
        .refused(404, "firewall_resource_not_found");
    client.delete(&path).await.refused(422, "resource_in_use");

    let set = client
        .post(&format!("{path}/actions/set_rules"), json!({"rules": []}))
        .await
        .expect(201);
    let commands: Vec<_> = set["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| action["command"].clone())
        .collect();
    assert_eq!(commands, ["set_firewall_rules", "apply_firewall"]);
    assert_eq!(firewalls_of(&client, id).await[0]["status"], "pending");
    pass(ACTION).await;
    assert_eq!(
        client.get(&path).await.expect(200)["firewall"]["rules"],
        json!([])
    );

    let remove = format!("{path}/actions/remove_from_resources");
    let body = json!({"remove_from": [on_server(id)]});
    client.post(&remove, body.clone()).await.expect(201);
    pass(ACTION).await;
    assert_eq!(firewalls_of(&client, id).await, json!([]));
    client
        .post(&remove, body)
        .await
        .refused(404, "firewall_resource_not_found");
    client.delete(&path).await.expect(204);
}

#[tokio::test(start_paused = true)]
async fn a_selector_finds_servers_after_a_while() {
    let (_api, client) = start().await;
    let mut order = server("one");
    order["labels"] = json!({"role": "db"});
    let one = client.make("server", order).await["id"].as_i64().unwrap();
    let two = client.running_server("two").await;
    let made = client
        .post(
            "/firewalls",
            json!({"name": "f", "apply_to": [on_label("role=db")]}),
        )
        .await
        .expect(201);
    let id = made["firewall"]["id"].clone();
    pass(ACTION).await;
    assert_eq!(
        firewalls_of(&client, one).await,
        json!([]),
        "labels are followed later"
    );
    pass(ACTION).await;
    assert_eq!(
        firewalls_of(&client, one).await,
        json!([{"id": id, "status": "applied"}])
    );
    assert_eq!(firewalls_of(&client, two).await, json!([]));

    client
        .put(&format!("/servers/{one}"), json!({"labels": {}}))
        .await
        .expect(200);
    client
        .put(
            &format!("/servers/{two}"),
            json!({"labels": {"role": "db"}}),
        )
        .await
        .expect(200);
    assert_eq!(firewalls_of(&client, two).await, json!([]));
    pass(ACTION).await;
    let path = format!("/firewalls/{id}");
    let applied = client.get(&path).await.expect(200)["firewall"]["applied_to"].clone();
    assert_eq!(applied[0]["applied_to_resources"], json!([on_server(two)]));
    assert_eq!(firewalls_of(&client, one).await, json!([]));

    let remove = format!("{path}/actions/remove_from_resources");
    client
        .post(&remove, json!({"remove_from": [on_server(two)]}))
        .await
        .refused(422, "firewall_managed_by_label_selector");
    client
        .post(&remove, json!({"remove_from": [on_label("role=db")]}))
        .await
        .expect(201);
    client.delete(&path).await.refused(422, "resource_in_use");
    pass(ACTION).await;
    client.delete(&path).await.expect(204);
}

#[tokio::test(start_paused = true)]
async fn a_server_can_have_firewalls_from_the_beginning() {
    let (_api, client) = start().await;
    let mut firewalls = Vec::new();
    for number in 0..6 {
        let firewall = client
            .make("firewall", json!({"name": format!("f{number}")}))
            .await;
        firewalls.push(firewall["id"].as_i64().unwrap());
    }
    let mut order = server("one");
    order["firewalls"] = firewalls[..5]
        .iter()
        .map(|id| json!({"firewall": id}))
        .collect();
    let id = client.make("server", order).await["id"].as_i64().unwrap();
    assert_eq!(
        firewalls_of(&client, id).await[4],
        json!({"id": firewalls[4], "status": "pending"})
    );
    pass(2 * ACTION).await;
    assert_eq!(
        firewalls_of(&client, id).await[4],
        json!({"id": firewalls[4], "status": "applied"})
    );
    let sixth = format!("/firewalls/{}/actions/apply_to_resources", firewalls[5]);
    client
        .post(&sixth, json!({"apply_to": [on_server(id)]}))
        .await
        .refused(403, "resource_limit_exceeded");

    client.delete(&format!("/servers/{id}")).await.expect(200);
    pass(ACTION).await;
    client
        .delete(&format!("/firewalls/{}", firewalls[0]))
        .await
        .expect(204);

    let mut hidden = server("hidden");
    hidden["public_net"] = json!({"enable_ipv4": false, "enable_ipv6": false});
    let hidden = client.make("server", hidden).await["id"].as_i64().unwrap();
    client
        .post(&sixth, json!({"apply_to": [on_server(hidden)]}))
        .await
        .refused(422, "private_net_only_server");
    let unknown = client
        .post(
            "/firewalls",
            json!({"name": "g", "apply_to": [on_server(7)]}),
        )
        .await;
    unknown.refused(422, "firewall_resource_not_found");
}
