//! What is repeated, how often, and what never is.

use std::time::Duration;

use fleet_hetzner::{CreateServer, Error, ErrorCode, Rule, ServerFilter};
use serde_json::json;
use tokio::time::Instant;

use crate::bodies::{action, created_server, server, servers};
use crate::server::{Reply, Stub, error, json, ok};

/// More than the client ever asks for.
const MANY: usize = 7;

/// Every error of the reference: status, code, and how often a GET and a creating POST are sent.
const ERRORS: [(u16, &str, usize, usize); 22] = [
    (400, "json_error", 1, 1),
    (401, "unauthorized", 1, 1),
    (403, "forbidden", 1, 1),
    (403, "maintenance", 1, 1),
    (403, "resource_limit_exceeded", 1, 1),
    (405, "method_not_allowed", 1, 1),
    (409, "uniqueness_error", 1, 1),
    (409, "conflict", MANY, MANY),
    (410, "deprecated_api_endpoint", 1, 1),
    (412, "resource_unavailable", 1, 1),
    (422, "invalid_input", 1, 1),
    (422, "service_error", 1, 1),
    (422, "unsupported_error", 1, 1),
    (422, "placement_error", 1, 1),
    (423, "locked", MANY, MANY),
    (423, "protected", 1, 1),
    (429, "rate_limit_exceeded", MANY, MANY),
    (500, "server_error", MANY, 1),
    (502, "bad_gateway", MANY, 1),
    (503, "unavailable", MANY, 1),
    (504, "timeout", MANY, 1),
    (418, "teapot", 1, 1),
];

#[tokio::test(start_paused = true)]
async fn the_table_of_errors() {
    let stub = Stub::start([]).await;
    let servers = stub.client().servers();
    let mut sent = 0;
    for (status, code, gets, posts) in ERRORS {
        // One request more would be answered with something else.
        (0..gets).for_each(|_| stub.then(error(status, code)));
        let failure = servers.get(1).await.unwrap_err();
        assert_eq!(failure.code(), Some(&ErrorCode::from(code)));
        sent += gets;
        assert_eq!(stub.count(), sent, "GET, {code}");

        (0..posts).for_each(|_| stub.then(error(status, code)));
        let failure = servers.create(&CreateServer::default()).await.unwrap_err();
        assert_eq!(failure.code(), Some(&ErrorCode::from(code)));
        sent += posts;
        assert_eq!(stub.count(), sent, "POST, {code}");
        assert_eq!(failure.is_uncertain(), status >= 500, "{code}");
        let passes = gets == MANY || code == "maintenance";
        assert_eq!(failure.retriable(), passes, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_when_it_works_again() {
    let stub = Stub::start([
        error(502, "bad_gateway"),
        Reply::Answer(503, vec![], "<html>".to_owned()),
        Reply::Lost,
        error(423, "locked"),
        ok(&servers(&[server(1, "a", &json!({}))])),
    ])
    .await;
    let start = Instant::now();
    let found = stub
        .client()
        .servers()
        .list(&ServerFilter::default())
        .await
        .unwrap();
    assert_eq!((found.len(), stub.count()), (1, 5));
    // 0.5, 2 (twice one, because it is unavailable), 2 and 4 seconds, and as much again by chance.
    let pauses = start.elapsed().as_secs_f64();
    assert!((8.5..17.1).contains(&pauses), "{pauses}");
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_out_of_order_gets_twice_the_time() {
    for (code, shortest) in [("bad_gateway", 31.5), ("unavailable", 63.)] {
        let stub = Stub::start((0..MANY).map(|_| error(500, code))).await;
        let start = Instant::now();
        stub.client().servers().get(1).await.unwrap_err();
        let pauses = start.elapsed().as_secs_f64();
        assert!(
            (shortest..shortest * 2.).contains(&pauses),
            "{code}: {pauses}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_not_waited_for_for_ever() {
    let stub = Stub::start([Reply::Silence, ok(&servers(&[]))]).await;
    let start = Instant::now();
    stub.client()
        .servers()
        .list(&ServerFilter::default())
        .await
        .unwrap();
    assert_eq!(stub.count(), 2);
    assert!(
        start.elapsed() >= Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );

    let stub = Stub::start([Reply::Silence]).await;
    let patience = Duration::from_secs(5);
    let client = stub.builder().timeout(patience).build().unwrap();
    let failure = client
        .servers()
        .create(&CreateServer::default())
        .await
        .unwrap_err();
    assert!(
        matches!(failure, Error::Transport { .. }) && failure.is_uncertain() && failure.retriable()
    );
    assert_eq!(failure.to_string(), "POST /servers got no answer");
    assert_eq!(stub.count(), 1, "it may have had its effect");
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_is_repeated() {
    let stub = Stub::start([]).await;
    let builder = stub.builder();
    drop(stub);
    let start = Instant::now();
    let client = builder.build().unwrap();
    let failure = client
        .servers()
        .create(&CreateServer::default())
        .await
        .unwrap_err();
    assert!(!failure.is_uncertain() && failure.retriable());
    assert!(failure.hint().unwrap().contains("endpoint"));
    assert_eq!(client.budget().calls, 4, "three times more");
    let pauses = start.elapsed().as_secs_f64();
    assert!((3.5..7.1).contains(&pauses), "{pauses}");
}

#[tokio::test(start_paused = true)]
async fn actions_are_repeated_if_twice_is_once() {
    let running = json!({ "action": action(1, "running"), "actions": [] });
    let stub = Stub::start([
        Reply::Lost,
        json(201, &running),
        error(500, "server_error"),
        json(201, &running),
    ])
    .await;
    stub.client().servers().power_on(1).await.unwrap();
    stub.client()
        .firewalls()
        .set_rules(1, &[] as &[Rule])
        .await
        .unwrap();
    assert_eq!(stub.count(), 4);

    let stub = Stub::start([
        Reply::Lost,
        error(504, "timeout"),
        error(423, "locked"),
        json(201, &running),
    ])
    .await;
    assert!(
        stub.client()
            .servers()
            .reset(1)
            .await
            .unwrap_err()
            .is_uncertain()
    );
    assert!(
        stub.client()
            .servers()
            .reboot(1)
            .await
            .unwrap_err()
            .is_uncertain()
    );
    stub.client().servers().reset(1).await.unwrap();
    assert_eq!(stub.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_whose_answer_was_lost() {
    let stub = Stub::start([Reply::Lost, error(404, "not_found")]).await;
    assert_eq!(stub.client().servers().delete(1).await.unwrap(), None);
    assert_eq!(stub.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_was_refused_for_the_moment() {
    let stub = Stub::start([
        error(429, "rate_limit_exceeded"),
        error(409, "conflict"),
        json(201, &created_server(42, "a")),
    ])
    .await;
    let created = stub
        .client()
        .servers()
        .create(&CreateServer::default())
        .await
        .unwrap();
    assert_eq!((created.resource.id, stub.count()), (42, 3));
}

/// `limit`, `remaining` and `reset` as the API sends them.
fn told(limit: u32, remaining: u32) -> Vec<(&'static str, String)> {
    vec![
        ("ratelimit-limit", limit.to_string()),
        ("ratelimit-remaining", remaining.to_string()),
        ("ratelimit-reset", "1795708800".to_owned()),
    ]
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_what_the_api_tells() {
    let stub = Stub::start([Reply::Answer(
        200,
        told(3600, 3599),
        servers(&[]).to_string(),
    )])
    .await;
    let client = stub.client();
    assert_eq!(client.budget().remaining, None);
    client
        .clone()
        .servers()
        .list(&ServerFilter::default())
        .await
        .unwrap();
    let budget = client.budget();
    assert_eq!(
        (budget.limit, budget.remaining, budget.calls),
        (3600, Some(3599), 1)
    );
    assert_eq!(budget.reset.unwrap().as_second(), 1_795_708_800);
}

#[tokio::test(start_paused = true)]
async fn all_clones_pause_together() {
    let refusal = json!({ "error": { "code": "rate_limit_exceeded", "message": "limit of 3600 requests per hour reached", "details": null } });
    let stub = Stub::start([Reply::Answer(429, told(3600, 0), refusal.to_string())]).await;
    for _ in 0..10 {
        stub.then(Reply::Answer(200, told(3600, 0), servers(&[]).to_string()));
    }
    let client = stub.client();
    let start = Instant::now();
    let list = || {
        let servers = client.clone().servers();
        tokio::spawn(async move {
            servers
                .list(&ServerFilter::default())
                .await
                .map(|_| Instant::now())
        })
    };
    let first = list();
    while client.budget().refused == 0 {
        tokio::task::yield_now().await;
    }
    let mut moments = Vec::new();
    for caller in [first]
        .into_iter()
        .chain((0..9).map(|_| list()))
        .collect::<Vec<_>>()
    {
        moments.push((caller.await.unwrap().unwrap() - start).as_secs());
    }
    moments.sort_unstable();
    assert_eq!(
        moments,
        (2..12).collect::<Vec<_>>(),
        "a pause, then one a second"
    );
    assert_eq!(stub.count(), 11);
}

#[tokio::test(start_paused = true)]
async fn the_token_goes_nowhere_else() {
    let elsewhere = Stub::start([]).await;
    let location = vec![("location", format!("{}/servers/1", elsewhere.endpoint))];
    let stub = Stub::start([Reply::Answer(307, location, String::new())]).await;
    assert!(stub.client().servers().get(1).await.is_err());
    assert_eq!((stub.count(), elsewhere.count()), (1, 0));
}
