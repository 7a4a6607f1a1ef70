//! Many at once, and what a cloud does to us.

use std::time::Duration;

use fleet_hetzner::{ActionError, Error, Server, ServerFilter, ServerStatus};
use fleet_sim::hetzner::Fault;
use tokio::time::Instant;

use crate::life::{a_server, done, fleet, is_ours, start};

#[tokio::test(start_paused = true)]
async fn fifty_servers_at_once() {
    let (api, client) = start().await;
    let begin = Instant::now();
    let creations: Vec<_> = (0..50)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                let ensured = client
                    .servers()
                    .ensure_absent(&a_server(&format!("study-{n}")), is_ours)
                    .await;
                done(&client, ensured.unwrap().actions).await;
            })
        })
        .collect();
    for creation in creations {
        creation.await.unwrap();
    }
    let requests = api.requests();
    let sent = |method: &str| {
        requests
            .iter()
            .filter(|request| request.method == method)
            .count()
    };
    assert_eq!(sent("POST"), 50);
    // More ids than a request takes, because a start follows each creation: two requests a round.
    assert!(sent("GET") <= 16, "{} polls", sent("GET"));
    assert!(
        begin.elapsed() < Duration::from_secs(25),
        "{:?}",
        begin.elapsed()
    );
    let filter = ServerFilter {
        label_selector: Some(fleet()),
        status: vec![ServerStatus::Running],
        ..ServerFilter::default()
    };
    assert_eq!(client.servers().list(&filter).await.unwrap().len(), 50);
}

/// Every request that makes something loses its answer, once after its effect and once before it.
#[tokio::test(start_paused = true)]
async fn lost_answers_make_nothing_twice() {
    for status in [500, 502, 503, 504] {
        let (api, client) = start().await;
        api.faults().lose_answer(1, "POST", "/servers");
        let first = client
            .servers()
            .ensure(&a_server("one"), is_ours)
            .await
            .unwrap();
        assert!(!first.created && !first.actions.is_empty());
        api.faults().answer(1, "POST", "/servers", status);
        let second = client
            .servers()
            .ensure(&a_server("two"), is_ours)
            .await
            .unwrap();
        assert!(second.created);
        api.faults().hang(1, "POST", "/servers");
        let third = client
            .servers()
            .ensure(&a_server("three"), is_ours)
            .await
            .unwrap();
        assert!(third.created);
        done(
            &client,
            [first.actions, second.actions, third.actions].concat(),
        )
        .await;
        let servers: Vec<Server> = client
            .servers()
            .list(&ServerFilter::default())
            .await
            .unwrap();
        assert_eq!(servers.len(), 3, "status {status}");
        assert!(
            servers
                .iter()
                .all(|server| server.status == ServerStatus::Running)
        );
        api.faults().lose_answer(1, "DELETE", "/servers/*");
        assert_eq!(
            client.servers().delete(first.resource.id).await.unwrap(),
            None
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_stock() {
    let (api, client) = start().await;
    api.faults().out_of_stock("cpx11", "ash");
    let failure = client
        .servers()
        .ensure(&a_server("study-ash"), is_ours)
        .await
        .unwrap_err();
    assert!(
        failure.is_out_of_stock() && !failure.retriable(),
        "{failure}"
    );
    api.faults().clear();
    api.faults().fail_action(
        1,
        "create_server",
        "resource_unavailable",
        "sold out meanwhile",
    );
    let made = client
        .servers()
        .ensure(&a_server("study-ash"), is_ours)
        .await
        .unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    let failure = client
        .actions()
        .wait(&made.actions, deadline)
        .await
        .unwrap_err();
    assert!(
        matches!(&failure, ActionError::Failed { resources, .. } if resources[0].id == made.resource.id)
    );
    assert!(Error::from(failure).is_out_of_stock());
}

#[tokio::test(start_paused = true)]
async fn what_the_token_may_not() {
    let (api, client) = start().await;
    api.faults().times(1, Fault::ReadOnlyToken);
    let failure = client
        .servers()
        .create(&a_server("study-ash"))
        .await
        .unwrap_err();
    assert!(failure.is_forbidden(), "{failure}");
    assert!(failure.api().unwrap().correlation_id.is_some());
    api.faults().always(Fault::RevokeToken);
    let failure = client
        .servers()
        .list(&ServerFilter::default())
        .await
        .unwrap_err();
    assert!(
        failure.is_unauthorized() && failure.hint().is_some(),
        "{failure}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_bucket_is_waited_for() {
    let (api, client) = start().await;
    api.faults().times(1, Fault::EmptyBucket);
    let begin = Instant::now();
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let servers = client.servers();
            tokio::spawn(async move { servers.list(&ServerFilter::default()).await })
        })
        .collect();
    for one in waiting {
        one.await.unwrap().unwrap();
    }
    assert!(client.budget().refused > 0);
    assert!(
        begin.elapsed() < Duration::from_mins(1),
        "{:?}",
        begin.elapsed()
    );
    let refused = api
        .requests()
        .iter()
        .filter(|request| request.status == Some(429))
        .count();
    assert!(refused <= 20, "{refused} refusals");
}
