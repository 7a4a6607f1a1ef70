use serde_json::{Value, json};

use crate::client::{ACTION, Client, pass, server, start};

fn subnet(range: &str, zone: &str) -> Value {
    json!({"type": "cloud", "ip_range": range, "network_zone": zone})
}

async fn network(client: &Client) -> String {
    let network = client
        .make("network", json!({"name": "n", "ip_range": "10.0.0.0/16", "subnets": [subnet("10.0.1.0/24", "us-east")]}))
        .await;
    network["id"].to_string()
}

#[tokio::test(start_paused = true)]
async fn a_network_is_checked() {
    let (_api, client) = start().await;
    for (field, value) in [
        ("ip_range", json!("8.8.0.0/16")),
        ("ip_range", json!("10.0.0.0/25")),
        ("ip_range", json!("10.0.0.1/16")),
        ("ip_range", json!("10.0.0.0")),
        ("name", json!("")),
    ] {
        let mut body = json!({"name": "n", "ip_range": "10.0.0.0/16"});
        body[field] = value.clone();
        let reply = client.post("/networks", body).await;
        assert_eq!(
            (reply.status, reply.wrong_fields()),
            (422, vec![field]),
            "{value}"
        );
    }
    for subnets in [
        json!([subnet("10.1.0.0/24", "us-east")]),
        json!([subnet("10.0.0.0/31", "us-east")]),
        json!([subnet("10.0.0.0/24", "mars")]),
        json!([
            subnet("10.0.0.0/24", "us-east"),
            subnet("10.0.0.128/25", "us-east")
        ]),
    ] {
        let body = json!({"name": "n", "ip_range": "10.0.0.0/16", "subnets": subnets});
        client
            .post("/networks", body)
            .await
            .refused(422, "invalid_input");
    }
    let id = network(&client).await;
    let made = client.get(&format!("/networks/{id}")).await.expect(200)["network"].clone();
    assert_eq!(made["subnets"][0]["gateway"], "10.0.0.1");
    client
        .post("/networks", json!({"name": "n", "ip_range": "10.0.0.0/16"}))
        .await
        .refused(409, "uniqueness_error");
}

#[tokio::test(start_paused = true)]
async fn a_network_changes_one_step_at_a_time() {
    let (_api, client) = start().await;
    let id = network(&client).await;
    let path = format!("/networks/{id}/actions");
    // Without a range: the first /24 that is free.
    let body = json!({"type": "cloud", "network_zone": "eu-central"});
    client
        .post(&format!("{path}/add_subnet"), body.clone())
        .await
        .expect(201);
    client
        .post(&format!("{path}/add_subnet"), body.clone())
        .await
        .refused(409, "conflict");
    pass(ACTION).await;
    client.act(&format!("{path}/add_subnet"), body).await;
    let subnets =
        client.get(&format!("/networks/{id}")).await.expect(200)["network"]["subnets"].clone();
    assert_eq!(
        (&subnets[1]["ip_range"], &subnets[2]["ip_range"]),
        (&json!("10.0.0.0/24"), &json!("10.0.2.0/24"))
    );

    let route = json!({"destination": "10.100.1.0/24", "gateway": "10.0.1.7"});
    client
        .act(&format!("{path}/add_route"), route.clone())
        .await;
    client
        .post(&format!("{path}/add_route"), route.clone())
        .await
        .refused(422, "invalid_input");
    let outside = json!({"destination": "10.100.2.0/24", "gateway": "10.1.0.1"});
    client
        .post(&format!("{path}/add_route"), outside)
        .await
        .refused(422, "invalid_input");
    client
        .act(&format!("{path}/delete_route"), route.clone())
        .await;
    client
        .post(&format!("{path}/delete_route"), route)
        .await
        .refused(422, "invalid_input");
    client
        .act(
            &format!("{path}/delete_subnet"),
            json!({"ip_range": "10.0.2.0/24"}),
        )
        .await;

    client
        .act(
            &format!("{path}/change_ip_range"),
            json!({"ip_range": "10.0.0.0/15"}),
        )
        .await;
    client
        .post(
            &format!("{path}/change_ip_range"),
            json!({"ip_range": "10.0.0.0/16"}),
        )
        .await
        .refused(422, "invalid_input");
    client
        .act(
            &format!("{path}/change_protection"),
            json!({"delete": true}),
        )
        .await;
    client
        .delete(&format!("/networks/{id}"))
        .await
        .refused(423, "protected");
}

#[tokio::test(start_paused = true)]
async fn servers_get_addresses() {
    let (_api, client) = start().await;
    let id: i64 = network(&client).await.parse().unwrap();
    let mut order = server("one");
    order["networks"] = json!([id]);
    let made = client.post("/servers", order).await.expect(201);
    let commands: Vec<_> = made["next_actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| action["command"].clone())
        .collect();
    assert_eq!(commands, ["attach_to_network", "start_server"]);
    pass(3 * ACTION).await;
    let one = made["server"]["id"].clone();
    let net = client.get(&format!("/servers/{one}")).await.expect(200)["server"]["private_net"][0]
        .clone();
    assert_eq!(
        (&net["network"], &net["ip"], &net["alias_ips"]),
        (&json!(id), &json!("10.0.1.1"), &json!([]))
    );

    let two = client.running_server("two").await;
    let path = format!("/servers/{two}/actions");
    let attach = format!("{path}/attach_to_network");
    let refused: [(Value, &str); 5] = [
        (json!({"network": id, "ip": "10.0.1.1"}), "ip_not_available"),
        (
            json!({"network": id, "ip": "10.0.1.255"}),
            "ip_not_available",
        ),
        (
            json!({"network": id, "ip": "10.0.9.1"}),
            "no_subnet_available",
        ),
        (json!({"network": id, "ip": "nonsense"}), "invalid_input"),
        (json!({"network": 7}), "invalid_input"),
    ];
    for (body, code) in refused {
        client.post(&attach, body).await.refused(422, code);
    }
    client
        .act(&attach, json!({"network": id, "ip": "10.0.1.9"}))
        .await;
    client
        .post(&attach, json!({"network": id}))
        .await
        .refused(422, "server_already_attached");
    client
        .act(
            &format!("{path}/change_alias_ips"),
            json!({"network": id, "alias_ips": ["10.0.1.10"]}),
        )
        .await;

    let members = client
        .get(&format!("/networks/{id}/members"))
        .await
        .expect(200)["members"]
        .clone();
    assert_eq!(
        members[1],
        json!({
            "type": "server", "id": two, "ip": "10.0.1.9", "status": "ok",
            "alias_ips": ["10.0.1.10"], "subnet": "10.0.1.0/24",
        })
    );
    let filtered = format!("/networks/{id}/members?status=ok&subnet=10.0.1.0/24&sort=id:desc");
    let filtered = client.get(&filtered).await.expect(200)["members"].clone();
    assert_eq!(
        (&filtered[0]["id"], &filtered[1]["id"]),
        (&json!(two), &one)
    );
    let attaching = format!("/networks/{id}/members?status=attaching");
    assert_eq!(
        client.get(&attaching).await.expect(200)["members"],
        json!([])
    );
    let overlapping = json!({"name": "m", "ip_range": "10.0.0.0/8", "subnets": [subnet("10.9.0.0/24", "us-east")]});
    let overlapping = client.make("network", overlapping).await["id"].clone();
    client
        .post(&attach, json!({"network": overlapping}))
        .await
        .refused(422, "networks_overlap");

    let subnet = format!("/networks/{id}/actions/delete_subnet");
    client
        .post(&subnet, json!({"ip_range": "10.0.1.0/24"}))
        .await
        .refused(422, "resource_in_use");
    client
        .act(
            &format!("{path}/detach_from_network"),
            json!({"network": id}),
        )
        .await;
    client
        .post(
            &format!("{path}/detach_from_network"),
            json!({"network": id}),
        )
        .await
        .refused(422, "invalid_input");
    assert_eq!(
        client.get(&format!("/networks/{id}")).await.expect(200)["network"]["servers"],
        json!([one])
    );
    client.delete(&format!("/networks/{id}")).await.expect(204);
    assert_eq!(
        client.get(&format!("/servers/{one}")).await.expect(200)["server"]["private_net"],
        json!([])
    );
}

#[tokio::test(start_paused = true)]
async fn a_subnet_belongs_to_one_zone_and_a_network_takes_one_server_at_a_time() {
    let (_api, client) = start().await;
    let id: i64 = network(&client).await.parse().unwrap();
    let mut order = server("far");
    order["server_type"] = json!("cpx12");
    order["location"] = json!("sin");
    order["networks"] = json!([id]);
    client
        .post("/servers", order)
        .await
        .refused(422, "no_subnet_available");

    let one = client.running_server("one").await;
    let two = client.running_server("two").await;
    client
        .post(
            &format!("/servers/{one}/actions/attach_to_network"),
            json!({"network": id}),
        )
        .await
        .expect(201);
    client
        .post(
            &format!("/servers/{two}/actions/attach_to_network"),
            json!({"network": id}),
        )
        .await
        .refused(409, "conflict");
    client
        .delete(&format!("/networks/{id}"))
        .await
        .refused(409, "conflict");
}
