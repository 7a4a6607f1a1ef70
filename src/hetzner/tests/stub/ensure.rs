//! Made once, whatever happens to the answers.

use fleet_hetzner::{CreateServer, CreateSshKey, Error, ErrorCode, Labels, Server, SshKey};
use serde_json::{Value, json};

use crate::bodies::{action, created_server, server, servers};
use crate::server::{Reply, Stub, error, json, ok};

fn wanted() -> CreateServer {
    CreateServer {
        name: "study-ash".to_owned(),
        server_type: "cpx11".into(),
        image: "debian-13".into(),
        labels: Labels::from([("fleet".to_owned(), "study".to_owned())]),
        ..CreateServer::default()
    }
}

fn ours(server: &Server) -> bool {
    server
        .labels
        .get("fleet")
        .is_some_and(|fleet| fleet == "study")
}

fn nothing() -> Reply {
    ok(&servers(&[]))
}

fn found(fleet: &str) -> Reply {
    ok(&servers(&[server(
        42,
        "study-ash",
        &json!({ "fleet": fleet }),
    )]))
}

fn running() -> Reply {
    ok(&json!({ "actions": [action(1, "running")] }))
}

const LOOK: &str = "GET /servers?name=study-ash&page=1&per_page=50";
const MAKE: &str = "POST /servers";
const ACTIONS: &str = "GET /servers/42/actions?status=running&per_page=50";

#[tokio::test(start_paused = true)]
async fn what_is_there_is_left_alone() {
    let stub = Stub::start([found("study")]).await;
    let ensured = stub
        .client()
        .servers()
        .ensure(&wanted(), ours)
        .await
        .unwrap();
    assert_eq!(
        (ensured.resource.id, ensured.created, ensured.actions.len()),
        (42, false, 0)
    );
    assert_eq!(stub.lines(), [LOOK]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_made() {
    let stub = Stub::start([nothing(), json(201, &created_server(42, "study-ash"))]).await;
    let ensured = stub
        .client()
        .servers()
        .ensure(&wanted(), ours)
        .await
        .unwrap();
    assert_eq!(
        (ensured.resource.id, ensured.created, ensured.actions.len()),
        (42, true, 2)
    );
    assert_eq!(stub.lines(), [LOOK, MAKE]);

    let stub = Stub::start([json(201, &created_server(42, "study-ash"))]).await;
    stub.client()
        .servers()
        .ensure_absent(&wanted(), ours)
        .await
        .unwrap();
    assert_eq!(
        stub.lines(),
        [MAKE],
        "whoever has just looked saves a request"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_after_its_effect() {
    for lost in [
        Reply::Lost,
        Reply::Silence,
        error(504, "timeout"),
        error(500, "server_error"),
        Reply::Answer(201, vec![], "{\"server\":".to_owned()),
        error(409, "uniqueness_error"),
    ] {
        let stub = Stub::start([lost, found("study"), running()]).await;
        let ensured = stub
            .client()
            .servers()
            .ensure_absent(&wanted(), ours)
            .await
            .unwrap();
        assert_eq!((ensured.resource.id, ensured.created), (42, false));
        assert_eq!(ensured.actions[0].id, 1, "there is something to wait for");
        assert_eq!(stub.lines(), [MAKE, LOOK, ACTIONS]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_comes_late() {
    let stub = Stub::start([
        Reply::Lost,
        nothing(),
        nothing(),
        nothing(),
        found("study"),
        running(),
    ])
    .await;
    let ensured = stub
        .client()
        .servers()
        .ensure_absent(&wanted(), ours)
        .await
        .unwrap();
    assert_eq!(ensured.resource.id, 42);
    assert_eq!(stub.lines(), [MAKE, LOOK, LOOK, LOOK, LOOK, ACTIONS]);
}

#[tokio::test(start_paused = true)]
async fn no_effect_at_all() {
    let none = || (0..5).map(|_| nothing());
    let stub = Stub::start([error(503, "unavailable")]).await;
    none().for_each(|reply| stub.then(reply));
    stub.then(json(201, &created_server(43, "study-ash")));
    let ensured = stub
        .client()
        .servers()
        .ensure_absent(&wanted(), ours)
        .await
        .unwrap();
    assert_eq!((ensured.resource.id, ensured.created), (43, true));
    assert_eq!(stub.lines(), [MAKE, LOOK, LOOK, LOOK, LOOK, LOOK, MAKE]);

    // It comes so late that the second attempt meets it.
    let stub = Stub::start([error(502, "bad_gateway")]).await;
    none().for_each(|reply| stub.then(reply));
    stub.then(error(409, "uniqueness_error"));
    stub.then(found("study"));
    stub.then(running());
    let ensured = stub
        .client()
        .servers()
        .ensure_absent(&wanted(), ours)
        .await
        .unwrap();
    assert_eq!(
        (ensured.resource.id, ensured.created, stub.count()),
        (42, false, 9)
    );

    // It never comes.
    let stub = Stub::start([]).await;
    for _ in 0..3 {
        stub.then(error(503, "unavailable"));
        none().for_each(|reply| stub.then(reply));
    }
    let failure = stub
        .client()
        .servers()
        .ensure_absent(&wanted(), ours)
        .await
        .unwrap_err();
    assert_eq!(
        (failure.code(), stub.count()),
        (Some(&ErrorCode::Unavailable), 18)
    );
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_not_adopted() {
    let stub = Stub::start([found("another")]).await;
    let failure = stub
        .client()
        .servers()
        .ensure(&wanted(), ours)
        .await
        .unwrap_err();
    assert!(
        matches!(&failure, Error::NameTaken { kind: "server", name, id: 42 } if name == "study-ash")
    );
    assert_eq!(
        failure.to_string(),
        "the server \"study-ash\" (id 42) exists and is not ours"
    );
    assert!(failure.is_name_taken() && !failure.retriable());

    let stub = Stub::start([error(409, "uniqueness_error"), found("another")]).await;
    let failure = stub
        .client()
        .servers()
        .ensure_absent(&wanted(), ours)
        .await
        .unwrap_err();
    assert!(matches!(failure, Error::NameTaken { .. }));
    assert_eq!(stub.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_same_key_under_another_name() {
    let stub = Stub::start([error(409, "uniqueness_error")]).await;
    for _ in 0..5 {
        stub.then(ok(&json!({ "ssh_keys": Vec::<Value>::new() })));
    }
    let key = CreateSshKey {
        name: "study".to_owned(),
        ..CreateSshKey::default()
    };
    let failure = stub
        .client()
        .ssh_keys()
        .ensure_absent(&key, |_: &SshKey| true)
        .await
        .unwrap_err();
    assert_eq!(failure.code(), Some(&ErrorCode::UniquenessError));
    assert_eq!(stub.count(), 6, "it is not tried again");
}

#[tokio::test(start_paused = true)]
async fn kinds_without_actions_are_not_asked_for_them() {
    let key = json!({ "id": 3, "name": "study", "created": "2026-11-26T15:00:00Z" });
    let stub = Stub::start([Reply::Lost, ok(&json!({ "ssh_keys": [key] }))]).await;
    let key = CreateSshKey {
        name: "study".to_owned(),
        ..CreateSshKey::default()
    };
    let ensured = stub
        .client()
        .ssh_keys()
        .ensure_absent(&key, |_: &SshKey| true)
        .await
        .unwrap();
    assert_eq!((ensured.resource.id, stub.count()), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn a_certain_refusal_is_not_looked_after() {
    for (status, code) in [
        (412, "resource_unavailable"),
        (422, "invalid_input"),
        (401, "unauthorized"),
    ] {
        let stub = Stub::start([error(status, code)]).await;
        let failure = stub
            .client()
            .servers()
            .ensure_absent(&wanted(), ours)
            .await
            .unwrap_err();
        assert_eq!(failure.code(), Some(&ErrorCode::from(code)));
        assert_eq!(failure.is_out_of_stock(), status == 412);
        assert_eq!(stub.count(), 1);
    }
}
