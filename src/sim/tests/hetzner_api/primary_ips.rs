use serde_json::{Value, json};

use crate::client::{ACTION, pass, server, start};

fn ipv4(name: &str) -> Value {
    json!({"name": name, "type": "ipv4", "location": "ash"})
}

#[tokio::test(start_paused = true)]
async fn an_address_is_kept_across_servers() {
    let (api, client) = start().await;
    let ip = client.make("primary_ip", ipv4("kept")).await;
    assert_eq!(
        (&ip["assignee_type"], &ip["assignee_id"], &ip["auto_delete"]),
        (&json!("unassigned"), &Value::Null, &json!(false))
    );
    let path = format!("/primary_ips/{}", ip["id"]);
    let mut order = server("one");
    order["public_net"] = json!({"enable_ipv4": true, "enable_ipv6": false, "ipv4": ip["id"]});
    let made = client.make("server", order.clone()).await;
    assert_eq!(made["public_net"]["ipv4"]["ip"], ip["ip"]);
    assert_eq!(made["public_net"]["ipv6"], Value::Null);
    order["name"] = json!("two");
    client
        .post("/servers", order.clone())
        .await
        .refused(422, "primary_ip_assigned");
    client
        .delete(&path)
        .await
        .refused(422, "must_be_unassigned");
    pass(2 * ACTION).await;

    client
        .delete(&format!("/servers/{}", made["id"]))
        .await
        .expect(200);
    pass(ACTION).await;
    let bill = api.bill();
    assert_eq!(
        (bill.running.len(), bill.running[0].name.as_str()),
        (1, "kept")
    );
    let again = client.make("server", order).await;
    assert_eq!(again["public_net"]["ipv4"]["ip"], ip["ip"]);
}

#[tokio::test(start_paused = true)]
async fn an_order_with_a_wrong_address_is_refused() {
    let (_api, client) = start().await;
    let ip = client.make("primary_ip", ipv4("a")).await;
    let mut order = server("one");
    order["public_net"] = json!({"enable_ipv4": true, "enable_ipv6": true, "ipv6": ip["id"]});
    client
        .post("/servers", order.clone())
        .await
        .refused(412, "primary_ip_version_mismatch");
    order["public_net"] = json!({"enable_ipv4": true, "enable_ipv6": true, "ipv4": ip["id"]});
    order["location"] = json!("hil");
    client
        .post("/servers", order)
        .await
        .refused(422, "primary_ip_datacenter_mismatch");
}

#[tokio::test(start_paused = true)]
async fn addresses_move_between_servers_that_are_off() {
    let (_api, client) = start().await;
    let mut order = server("one");
    order["public_net"] = json!({"enable_ipv4": false, "enable_ipv6": true});
    order["start_after_create"] = json!(false);
    let id = client.make("server", order).await["id"].clone();
    pass(ACTION).await;
    let ip = client.make("primary_ip", ipv4("a")).await;
    let path = format!("/primary_ips/{}/actions", ip["id"]);
    let to = json!({"assignee_type": "server", "assignee_id": id});
    client.act(&format!("{path}/assign"), to.clone()).await;
    client
        .post(&format!("{path}/assign"), to.clone())
        .await
        .refused(422, "primary_ip_already_assigned");
    let second = client.make("primary_ip", ipv4("b")).await;
    let assign_second = format!("/primary_ips/{}/actions/assign", second["id"]);
    client
        .post(&assign_second, to.clone())
        .await
        .refused(422, "server_has_ipv4");
    client
        .act(&format!("/servers/{id}/actions/poweron"), json!({}))
        .await;
    client
        .post(&format!("{path}/unassign"), json!({}))
        .await
        .refused(422, "server_not_stopped");
    client
        .post(&assign_second, to)
        .await
        .refused(422, "server_not_stopped");
    client
        .act(&format!("/servers/{id}/actions/poweroff"), json!({}))
        .await;
    client.act(&format!("{path}/unassign"), json!({})).await;

    client
        .act(
            &format!("{path}/change_protection"),
            json!({"delete": true}),
        )
        .await;
    client
        .delete(&format!("/primary_ips/{}", ip["id"]))
        .await
        .refused(423, "protected");
    assert_eq!(
        client
            .post(&format!("{path}/change_protection"), json!({}))
            .await
            .wrong_fields(),
        ["delete"]
    );
    let made = client
        .post(
            "/primary_ips",
            json!({"name": "c", "type": "ipv4", "assignee_type": "server", "assignee_id": id}),
        )
        .await
        .expect(201);
    assert_eq!(made["action"]["command"], "create_primary_ip");
    let neither = client
        .post("/primary_ips", json!({"name": "d", "type": "ipv4"}))
        .await;
    assert_eq!(neither.wrong_fields(), ["location"]);
}

#[tokio::test(start_paused = true)]
async fn addresses_have_names() {
    let (_api, client) = start().await;
    let id = client.running_server("one").await;
    let net =
        client.get(&format!("/servers/{id}")).await.expect(200)["server"]["public_net"].clone();
    let first = net["ipv4"]["dns_ptr"].clone();
    assert_eq!(first, "static.1.0.80.127.clients.example");
    let path = format!("/servers/{id}/actions/change_dns_ptr");
    client
        .act(
            &path,
            json!({"ip": net["ipv4"]["ip"], "dns_ptr": "one.example.org"}),
        )
        .await;
    client
        .act(
            &path,
            json!({"ip": "2001:db8:0:1::7", "dns_ptr": "six.example.org"}),
        )
        .await;
    let named =
        client.get(&format!("/servers/{id}")).await.expect(200)["server"]["public_net"].clone();
    assert_eq!(named["ipv4"]["dns_ptr"], "one.example.org");
    assert_eq!(
        named["ipv6"]["dns_ptr"],
        json!([{"ip": "2001:db8:0:1::7", "dns_ptr": "six.example.org"}])
    );
    client
        .act(&path, json!({"ip": net["ipv4"]["ip"], "dns_ptr": null}))
        .await;
    let reset =
        client.get(&format!("/servers/{id}")).await.expect(200)["server"]["public_net"].clone();
    assert_eq!(reset["ipv4"]["dns_ptr"], first);
    for ip in ["127.80.9.9", "2001:db8:0:2::7", "nonsense"] {
        client
            .post(&path, json!({"ip": ip, "dns_ptr": "x"}))
            .await
            .refused(422, "invalid_input");
    }
}
