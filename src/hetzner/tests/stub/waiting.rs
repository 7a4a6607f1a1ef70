//! Waiting for actions, over HTTP.

use std::time::Duration;

use fleet_hetzner::{Action, ActionError, Error, ErrorCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::bodies::action;
use crate::server::{Stub, error, ok};

fn in_a_minute() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

fn started(ids: &[i64]) -> Vec<Action> {
    ids.iter()
        .map(|id| serde_json::from_value(action(*id, "running")).unwrap())
        .collect()
}

fn actions(actions: &[Value]) -> crate::server::Reply {
    ok(&json!({ "actions": actions, "meta": { "pagination": { "next_page": null } } }))
}

#[tokio::test(start_paused = true)]
async fn until_all_are_done() {
    let stub = Stub::start([
        actions(&[action(1, "running"), action(2, "running")]),
        actions(&[action(1, "success"), action(2, "running")]),
        actions(&[action(2, "success")]),
    ])
    .await;
    let mut seen = Vec::new();
    let progress = |action: &Action| {
        seen.push(format!(
            "{} {} {}",
            action.id, action.status, action.progress
        ));
    };
    stub.client()
        .actions()
        .wait_with(&started(&[1, 2]), in_a_minute(), progress)
        .await
        .unwrap();
    assert_eq!(
        seen,
        [
            "1 running 30",
            "2 running 30",
            "1 success 100",
            "2 success 100"
        ],
        "only what is new"
    );
    assert_eq!(
        stub.lines(),
        [
            "GET /actions?id=1&id=2&per_page=50",
            "GET /actions?id=1&id=2&per_page=50",
            "GET /actions?id=2&per_page=50"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn several_waiters_share_a_request() {
    let stub = Stub::start([actions(&[
        action(1, "success"),
        action(2, "success"),
        action(3, "success"),
    ])])
    .await;
    let api = stub.client().actions();
    let (a, b) = (started(&[1, 2]), started(&[2, 3]));
    let (a, b) = tokio::join!(api.wait(&a, in_a_minute()), api.wait(&b, in_a_minute()));
    a.unwrap();
    b.unwrap();
    assert_eq!(stub.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_needs_no_request() {
    let stub = Stub::start([]).await;
    let api = stub.client().actions();
    let ended = |status| vec![serde_json::from_value::<Action>(action(1, status)).unwrap()];
    api.wait(&ended("success"), in_a_minute()).await.unwrap();
    assert!(api.wait(&ended("error"), in_a_minute()).await.is_err());
    api.wait(&[], in_a_minute()).await.unwrap();
    assert_eq!(stub.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failure() {
    let stub = Stub::start([actions(&[action(1, "error"), action(2, "running")])]).await;
    let failure = stub
        .client()
        .actions()
        .wait(&started(&[1, 2]), in_a_minute())
        .await
        .unwrap_err();
    assert_eq!(
        failure.to_string(),
        "create_server of server 42 failed: sold out (resource_unavailable)"
    );
    assert_eq!(failure.code(), Some(&ErrorCode::ResourceUnavailable));
    let ActionError::Failed { id, resources, .. } = &failure else {
        panic!("{failure}");
    };
    assert_eq!(
        (*id, resources[0].id, resources[0].kind.as_str()),
        (1, 42, "server")
    );
    assert!(Error::from(failure).is_out_of_stock());
}

#[tokio::test(start_paused = true)]
async fn an_action_that_the_api_does_not_know() {
    let stub = Stub::start([actions(&[action(1, "running")])]).await;
    let failure = stub
        .client()
        .actions()
        .wait(&started(&[1, 2]), in_a_minute())
        .await
        .unwrap_err();
    assert!(matches!(failure, ActionError::Missing { id: 2 }));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_tells_what_still_runs() {
    let stub = Stub::start([]).await;
    for _ in 0..20 {
        stub.then(actions(&[action(1, "success"), action(2, "running")]));
    }
    let failure = stub
        .client()
        .actions()
        .wait(&started(&[1, 2]), in_a_minute())
        .await
        .unwrap_err();
    assert_eq!(
        failure.to_string(),
        "not done in time: create_server of server 42 at 30 % (action 2)"
    );
    let ActionError::Deadline { running, source } = failure else {
        panic!("{failure}");
    };
    assert_eq!(
        (running.len(), running[0].id, source.is_none()),
        (1, 2, true)
    );
}

#[tokio::test(start_paused = true)]
async fn a_deadline_with_many_actions_is_short() {
    let stub = Stub::start([]).await;
    let many: Vec<i64> = (1..=50).collect();
    let now = Instant::now();
    let failure = stub
        .client()
        .actions()
        .wait(&started(&many), now)
        .await
        .unwrap_err();
    assert!(
        failure.to_string().ends_with("(action 5); and 45 more"),
        "{failure}"
    );
    let failure = stub
        .client()
        .actions()
        .wait(&started(&many[..5]), now)
        .await
        .unwrap_err();
    assert!(failure.to_string().ends_with("(action 5)"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_longer_than_the_deadline_is_told() {
    let stub = Stub::start([]).await;
    for _ in 0..100 {
        stub.then(error(502, "bad_gateway"));
    }
    let deadline = Instant::now() + Duration::from_mins(5);
    let failure = stub
        .client()
        .actions()
        .wait(&started(&[1]), deadline)
        .await
        .unwrap_err();
    let source = std::error::Error::source(&failure).unwrap().to_string();
    assert!(source.contains("bad_gateway"), "{source}");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_revoked_meanwhile() {
    let stub = Stub::start([error(401, "unauthorized")]).await;
    let failure = stub
        .client()
        .actions()
        .wait(&started(&[1]), in_a_minute())
        .await
        .unwrap_err();
    assert!(matches!(&failure, ActionError::Poll(error) if error.is_unauthorized()));
    assert_eq!(failure.to_string(), "failed to ask how far the actions are");
    assert_eq!(stub.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_restart() {
    let ids: Vec<i64> = (1..=51).collect();
    let running: Vec<Value> = ids.iter().map(|id| action(*id, "running")).collect();
    let stub = Stub::start([actions(&running[..50]), actions(&running[50..])]).await;
    let found = stub.client().actions().list(&ids).await.unwrap();
    assert_eq!((found.len(), stub.count()), (51, 2));
}
