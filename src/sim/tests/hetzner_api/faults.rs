use std::time::Duration;

use fleet_sim::hetzner::{Fault, Limits, On};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::client::{ACTION, pass, server, start};

#[tokio::test(start_paused = true)]
async fn a_status_is_answered_before_anything_happens() {
    let (api, client) = start().await;
    for (status, code) in [
        (500, "server_error"),
        (502, "bad_gateway"),
        (503, "unavailable"),
        (504, "timeout"),
        (429, "rate_limit_exceeded"),
    ] {
        api.faults().answer(1, "POST", "/servers", status);
        client
            .post("/servers", server("one"))
            .await
            .refused(status, code);
    }
    assert!(api.state().servers.is_empty());
    client.post("/servers", server("one")).await.expect(201);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_lost_after_the_effect() {
    let (api, client) = start().await;
    api.faults().lose_answer(1, "POST", "/servers");
    let lost = client
        .try_send(Method::POST, "/servers", Some(server("one").to_string()))
        .await;
    assert!(lost.is_err_and(|error| error.is_request()));
    assert_eq!(
        client.get("/servers?name=one").await.expect(200)["servers"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    client
        .post("/servers", server("one"))
        .await
        .refused(409, "uniqueness_error");

    let on = On::new("POST", "/servers");
    api.faults().times(
        1,
        Fault::LoseAnswer {
            on,
            status: Some(504),
        },
    );
    client
        .post("/servers", server("two"))
        .await
        .refused(504, "timeout");
    assert_eq!(api.state().servers.len(), 2);
    let statuses: Vec<_> = api
        .requests()
        .iter()
        .map(|request| request.status)
        .collect();
    assert_eq!(statuses, [Some(201), Some(200), Some(409), Some(201)]);
}

#[tokio::test(start_paused = true)]
async fn only_an_answer_to_something_done_is_lost() {
    let (api, client) = start().await;
    api.faults().lose_answer(1, "POST", "/servers");
    client
        .post("/servers", json!({}))
        .await
        .refused(422, "invalid_input");
    let lost = client
        .try_send(Method::POST, "/servers", Some(server("one").to_string()))
        .await;
    assert!(lost.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_proxy_answers_with_a_page() {
    let (api, _client) = start().await;
    let on = On::new("*", "/**");
    api.faults().times(1, Fault::Page { on, status: 502 });
    let reply = reqwest::get(format!("{}/servers", api.endpoint()))
        .await
        .unwrap();
    assert_eq!(reply.status(), 502);
    assert!(reply.headers().get("ratelimit-limit").is_none());
    assert!(reply.text().await.unwrap().starts_with("<html>"));
}

#[tokio::test(start_paused = true)]
async fn some_requests_are_never_answered() {
    let (api, client) = start().await;
    api.faults().hang(1, "GET", "/servers/**");
    assert!(
        timeout(Duration::from_hours(1), client.get("/servers/5"))
            .await
            .is_err()
    );
    client.get("/servers/5").await.refused(404, "not_found");
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_gone_takes_its_connections_along() {
    let (api, client) = start().await;
    api.faults().hang(1, "GET", "/servers");
    let end = async move {
        while api.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        drop(api);
    };
    let (answer, ()) = tokio::join!(client.try_send(Method::GET, "/servers", None), end);
    assert!(answer.is_err());
}

#[tokio::test(start_paused = true)]
async fn stock_is_gone_though_the_catalogue_shows_some() {
    let (api, client) = start().await;
    api.faults().out_of_stock("cpx11", "ash");
    let available = |types: Value| {
        let locations = types["server_types"][0]["locations"]
            .as_array()
            .unwrap()
            .clone();
        locations
            .iter()
            .find(|location| location["name"] == "ash")
            .unwrap()["available"]
            .clone()
    };
    assert_eq!(
        available(client.get("/server_types?name=cpx11").await.expect(200)),
        true
    );
    let refused = client.post("/servers", server("one")).await;
    refused.refused(412, "resource_unavailable");
    assert_eq!(refused.body["error"]["message"], "error during placement");

    api.faults().clear();
    api.faults().location_disabled("ash");
    let refused = client.post("/servers", server("one")).await;
    assert_eq!(refused.body["error"]["message"], "server location disabled");

    api.faults().clear();
    api.faults().availability("cpx11", "ash", false);
    assert_eq!(
        available(client.get("/server_types?name=cpx11").await.expect(200)),
        false
    );
    client
        .post("/servers", server("one"))
        .await
        .refused(412, "resource_unavailable");

    api.faults().clear();
    api.faults().placement_error(1);
    client
        .post("/servers", server("one"))
        .await
        .refused(422, "placement_error");
    api.faults().availability("cx33", "nbg1", true);
    let mut sold_out = server("two");
    sold_out["server_type"] = json!("cx33");
    sold_out["location"] = json!("nbg1");
    client.post("/servers", sold_out).await.expect(201);
    let none = Limits {
        servers: 0,
        ..Limits::default()
    };
    api.faults().limits(none);
    client
        .post("/servers", server("three"))
        .await
        .refused(403, "resource_limit_exceeded");
    api.faults().clear();
    client.post("/servers", server("one")).await.expect(201);
}

#[tokio::test(start_paused = true)]
async fn actions_fail_or_take_long() {
    let (api, client) = start().await;
    api.faults()
        .fail_action(1, "create_server", "server_error", "no host took it");
    let made = client.post("/servers", server("one")).await.expect(201);
    pass(2 * ACTION).await;
    for id in [&made["action"]["id"], &made["next_actions"][0]["id"]] {
        let action = client.get(&format!("/actions/{id}")).await.expect(200)["action"].clone();
        assert_eq!(action["status"], "error");
        assert_eq!(
            action["error"],
            json!({"code": "server_error", "message": "no host took it"})
        );
    }
    let path = format!("/servers/{}", made["server"]["id"]);
    assert_eq!(
        client.get(&path).await.expect(200)["server"]["status"],
        "initializing"
    );
    client.delete(&path).await.expect(200);
    pass(ACTION).await;

    api.faults().slow_actions(3.0);
    let id = client.post("/servers", server("two")).await.expect(201)["server"]["id"]
        .as_i64()
        .unwrap();
    pass(5 * ACTION).await;
    assert_eq!(api.state().servers[&id].status, "starting");
    pass(ACTION).await;
    assert_eq!(api.state().servers[&id].status, "running");
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_the_api_can_be_wrong() {
    let (api, client) = start().await;
    let created = |made: Value| {
        made["server"]["created"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    let before = created(client.post("/servers", server("one")).await.expect(201));
    api.faults().skew_clock(-86400);
    let reply = client.post("/servers", server("two")).await;
    let date = reply.header("date").to_owned();
    let after = created(reply.expect(201));
    assert_eq!(before.as_second() - after.as_second(), 86400);
    assert_eq!(
        jiff::fmt::rfc2822::parse(&date.replace("GMT", "+0000"))
            .unwrap()
            .timestamp(),
        after
    );
}

#[tokio::test(start_paused = true)]
async fn faults_and_state_are_reached_over_http() {
    let (api, client) = start().await;
    let control = crate::client::Client::new(&format!("http://{}", api.address()), None);
    let fault = json!({"fault": "answer", "on": {"method": "GET", "path": "/servers"}, "status": 503, "times": 1});
    control.post("/sim/faults", fault).await.expect(204);
    client.get("/servers").await.refused(503, "unavailable");
    client.get("/servers").await.expect(200);
    control
        .post("/sim/faults", json!({"fault": "revoke_token"}))
        .await
        .expect(204);
    client.get("/servers").await.refused(401, "unauthorized");
    control.delete("/sim/faults").await.expect(204);

    let mut order = server("one");
    order["user_data"] = json!("#cloud-config");
    let id = client.post("/servers", order).await.expect(201)["server"]["id"].clone();
    let state = control.get("/sim/state").await.expect(200);
    let server = &state["servers"][id.to_string()];
    assert_eq!(server["user_data"], "#cloud-config");
    assert_eq!((&server["id"], &server["name"]), (&id, &json!("one")));
    assert_eq!(
        api.state()
            .server("one")
            .map(|server| json!(server.meta.id)),
        Some(id)
    );
    let bill = control.get("/sim/bill").await.expect(200);
    assert_eq!(bill["running"][0]["what"], "IPv4 address in ash");
    assert_eq!(
        control
            .get("/sim/requests")
            .await
            .expect(200)
            .as_array()
            .unwrap()
            .len(),
        4
    );
    control.delete("/sim/requests").await.expect(204);
    assert_eq!(control.get("/sim/requests").await.expect(200), json!([]));
    control.get("/elsewhere").await.refused(404, "not_found");
}
