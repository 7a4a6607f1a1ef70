use std::time::Duration;

use fleet_sim::hetzner::Rate;
use reqwest::Method;
use serde_json::json;

use crate::client::{ACTION, pass, server, start, start_with};

#[tokio::test(start_paused = true)]
async fn the_route_comes_first_then_the_token_then_the_method() {
    let (_api, client) = start_with(|options| options.read_token = Some("reader".to_owned())).await;
    let nobody = client.with_token(None);
    let stranger = client.with_token(Some("wrong"));
    let reader = client.with_token(Some("reader"));

    nobody.get("/nothing").await.refused(404, "not_found");
    nobody.get("/servers/abc").await.refused(404, "not_found");
    nobody.get("/servers").await.refused(401, "unauthorized");
    stranger.get("/servers").await.refused(401, "unauthorized");
    nobody.delete("/servers").await.refused(401, "unauthorized");
    client
        .delete("/servers")
        .await
        .refused(405, "method_not_allowed");
    reader.get("/servers").await.expect(200);
    reader
        .post("/servers", json!({}))
        .await
        .refused(403, "forbidden");
    client
        .post("/servers", json!({}))
        .await
        .refused(422, "invalid_input");
    client
        .get("/datacenters")
        .await
        .refused(410, "deprecated_api_endpoint");
    client
        .get("/datacenters/1")
        .await
        .refused(410, "deprecated_api_endpoint");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_json_is_refused_as_such() {
    let (_api, client) = start().await;
    for body in ["{", "[]", "\"text\""] {
        let reply = client
            .send(Method::POST, "/servers", Some(body.to_owned()))
            .await;
        reply.refused(400, "json_error");
    }
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_a_correlation_id_and_says_what_is_left() {
    let (_api, client) = start().await;
    let replies = [
        client.get("/servers").await,
        client.get("/nothing").await,
        client.with_token(None).get("/servers").await,
    ];
    let ids: std::collections::HashSet<_> = replies
        .iter()
        .map(|reply| reply.header("x-correlation-id"))
        .collect();
    assert_eq!(ids.len(), 3);
    // A route that is not there costs nothing; a request without a token does.
    let remaining: Vec<_> = replies
        .iter()
        .map(|reply| reply.header("ratelimit-remaining"))
        .collect();
    assert_eq!(remaining, ["3599", "3599", "3598"]);
    assert!(
        replies
            .iter()
            .all(|reply| reply.header("ratelimit-limit") == "3600")
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_bucket_is_refilled_all_the_time() {
    let (_api, client) = start_with(|options| options.rate = Rate { per_hour: 360 }).await;
    for _ in 0..360 {
        client.get("/locations/1").await.expect(200);
    }
    let reply = client.get("/locations/1").await;
    reply.refused(429, "rate_limit_exceeded");
    assert_eq!(
        reply.body["error"]["message"],
        "limit of 360 requests per hour reached"
    );
    assert_eq!(reply.header("ratelimit-remaining"), "0");
    pass(Duration::from_secs(9)).await;
    client
        .get("/locations/1")
        .await
        .refused(429, "rate_limit_exceeded");
    pass(Duration::from_secs(1)).await;
    client.get("/locations/1").await.expect(200);
    client
        .get("/locations/1")
        .await
        .refused(429, "rate_limit_exceeded");
}

#[tokio::test(start_paused = true)]
async fn requests_are_remembered_in_their_order() {
    let (api, client) = start().await;
    client.get("/servers?name=a&page=2").await.expect(200);
    client
        .post("/servers", json!({}))
        .await
        .refused(422, "invalid_input");
    let seen = api.requests();
    let seen: Vec<_> = seen
        .iter()
        .map(|request| {
            (
                request.method.as_str(),
                request.path.as_str(),
                request.query.as_str(),
                request.status,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("GET", "/servers", "name=a&page=2", Some(200)),
            ("POST", "/servers", "", Some(422)),
        ]
    );
    api.forget_requests();
    assert!(api.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn tokens_can_be_taken_away() {
    let (api, client) = start().await;
    api.faults().read_only_token();
    client.get("/servers").await.expect(200);
    client
        .post("/servers", server("one"))
        .await
        .refused(403, "forbidden");
    api.faults().revoke_token();
    client.get("/servers").await.refused(401, "unauthorized");
    api.faults().clear();
    client.post("/servers", server("one")).await.expect(201);
    pass(ACTION).await;
}

#[tokio::test(start_paused = true)]
async fn the_bucket_can_be_emptied() {
    let (api, client) = start().await;
    api.faults().empty_bucket();
    let reply = client.get("/servers").await;
    reply.refused(429, "rate_limit_exceeded");
    let now = jiff::Timestamp::now().as_second();
    let full: i64 = reply.header("ratelimit-reset").parse().unwrap();
    assert!(
        (3590..=3610).contains(&(full - now)),
        "full in {} s",
        full - now
    );
    pass(Duration::from_secs(2)).await;
    client.get("/servers").await.expect(200);
    client.get("/servers").await.expect(200);
    client
        .get("/servers")
        .await
        .refused(429, "rate_limit_exceeded");
}
