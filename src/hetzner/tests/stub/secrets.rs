//! Secrets are sent, and otherwise nowhere to be seen.

use std::error::Error as _;
use std::fmt::Debug;

use fleet_hetzner::{Client, CreateServer, Error, Rebuild};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::bodies::{action, created_server};
use crate::server::{Reply, Stub, TOKEN, error, json};

fn assert_hidden(thing: &impl Debug) {
    let shown = format!("{thing:?} {thing:#?}");
    for secret in [TOKEN, "hunter2", "join-token"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

fn all_sources(error: &Error) -> String {
    let mut texts = vec![format!("{error} {error:?}")];
    let mut source = error.source();
    while let Some(cause) = source {
        texts.push(format!("{cause} {cause:?}"));
        source = cause.source();
    }
    texts.join(" ")
}

#[tokio::test(start_paused = true)]
async fn in_no_error() {
    let stub = Stub::start([
        error(401, "unauthorized"),
        Reply::Silence,
        Reply::Lost,
        Reply::Answer(200, vec![], "{}".to_owned()),
    ])
    .await;
    let client = stub.client();
    let wanted = CreateServer {
        user_data: Some("join-token".into()),
        ..CreateServer::default()
    };
    assert_hidden(&wanted);
    assert_hidden(&client);
    assert_hidden(&client.servers());
    assert_hidden(&stub.builder());
    for _ in 0..4 {
        let failure = client.servers().create(&wanted).await.unwrap_err();
        assert_hidden(&all_sources(&failure));
        assert!(!failure.to_string().contains(&stub.endpoint));
    }
    assert_eq!(stub.count(), 4);
}

#[tokio::test]
async fn a_password_is_for_who_asks() {
    let mut body = created_server(42, "a");
    body["root_password"] = json!("hunter2");
    let rebuilt = json!({ "action": action(1, "running"), "root_password": "hunter2" });
    let stub = Stub::start([json(201, &body), json(201, &rebuilt)]).await;
    let created = stub
        .client()
        .servers()
        .create(&CreateServer::default())
        .await
        .unwrap();
    assert_hidden(&created);
    assert_eq!(created.root_password.unwrap().expose_secret(), "hunter2");
    let rebuild = Rebuild {
        user_data: Some("join-token".into()),
        ..Rebuild::default()
    };
    assert_hidden(&rebuild);
    let rebuilt = stub.client().servers().rebuild(42, &rebuild).await.unwrap();
    assert_hidden(&rebuilt);
    assert_eq!(rebuilt.root_password.unwrap().expose_secret(), "hunter2");
    assert_eq!(stub.requests()[1].body["user_data"], "join-token");
}

#[test]
fn what_cannot_be_a_client_is_told() {
    for token in ["", "two words", "line\nbreak", "naïve"] {
        let failure = Client::builder(token.into()).build().unwrap_err();
        assert!(matches!(failure, Error::Token));
        assert!(!failure.to_string().contains("words") && failure.hint().is_some());
    }
    for endpoint in [
        "",
        "api.hetzner.cloud",
        "ftp://api.hetzner.cloud",
        "http://",
        "mailto:a@b",
    ] {
        let failure = Client::builder(TOKEN.into())
            .endpoint(endpoint)
            .build()
            .unwrap_err();
        assert!(matches!(failure, Error::Endpoint { .. }), "{endpoint}");
    }
    Client::builder(TOKEN.into()).build().unwrap();
}
