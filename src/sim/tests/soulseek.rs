//! Our own session against the simulated server, in one process: no other program takes part.

mod common;

use std::net::Ipv4Addr;
use std::time::Duration;

use common::{PATIENCE, config, server_with, start, until};
use fleet_sim::soulseek::{Options, Server};
use fleet_soulseek::messages::server::{PossibleParent, ServerResponse};
use fleet_soulseek::session::{Event, Refusal, Source, Timing};
use tokio::time::timeout;

#[tokio::test]
async fn a_lone_node_is_root_and_a_slower_one_becomes_its_child() {
    let server = server_with(&[("fast", 1_000_000)]).await;
    let mut fast = start(config(&server, "fast", "x")).await;
    fast.connected().await;
    until("fast looks for a parent", || {
        server.users().iter().any(|user| user.wants_parent)
    })
    .await;
    server.search("anna", 1, "one").await;
    assert_eq!(fast.search().await, (1, Source::Server, 0));
    until("fast takes children", || {
        server.users().iter().any(|user| user.accepts_children)
    })
    .await;

    let mut slow = start(config(&server, "slow", "x")).await;
    slow.connected().await;
    let mut status = fast.handle.status();
    status
        .wait_for(|status| status.children == 1)
        .await
        .expect("slow connects to fast");
    server.search("anna", 2, "two").await;
    assert_eq!(fast.search().await, (2, Source::Server, 0));
    assert_eq!(slow.search().await, (2, Source::Parent, 1));
    until("slow tells its place", || {
        server
            .users()
            .iter()
            .any(|user| user.username == "slow" && user.root == "fast" && user.level == 1)
    })
    .await;

    // The parent goes: the child finds out and becomes a root itself.
    drop(fast);
    slow.wait(|event| matches!(event, Event::ParentLost { .. }).then_some(()))
        .await;
    server.disconnect("fast");
    until("slow looks again", || {
        server.users().iter().any(|user| user.wants_parent)
    })
    .await;
    server.search("anna", 3, "three").await;
    assert_eq!(slow.search().await, (3, Source::Server, 0));
}

#[tokio::test]
async fn a_parent_keeps_feeding_while_the_server_is_away() {
    let server = server_with(&[("fast", 1_000_000)]).await;
    let mut fast = start(config(&server, "fast", "x")).await;
    fast.connected().await;
    until("fast looks for a parent", || {
        server.users().iter().any(|user| user.wants_parent)
    })
    .await;
    server.search("anna", 1, "one").await;
    fast.search().await;
    let mut slow = start(config(&server, "slow", "x")).await;
    fast.handle
        .status()
        .wait_for(|status| status.children == 1)
        .await
        .expect("slow connects");
    server.search("anna", 2, "two").await;
    slow.search().await;

    server.disconnect("slow");
    slow.wait(|event| matches!(event, Event::Disconnected { .. }).then_some(()))
        .await;
    server.search("anna", 3, "three").await;
    assert_eq!(slow.search().await.0, 3);
    slow.connected().await;
    until("slow still has its place", || {
        server
            .users()
            .iter()
            .any(|user| user.username == "slow" && user.level == 1 && !user.wants_parent)
    })
    .await;
}

#[tokio::test]
async fn refused_logins_are_final() {
    let server = server_with(&[]).await;
    let mut first = start(config(&server, "anna", "right")).await;
    first.connected().await;
    for (name, password, reason) in [
        ("anna", "wrong", "INVALIDPASS"),
        ("anna", "", "EMPTYPASSWORD"),
        ("", "x", "INVALIDUSERNAME"),
        (" bert", "x", "INVALIDUSERNAME"),
    ] {
        let mut node = start(config(&server, name, password)).await;
        let refusal = node
            .wait(|event| {
                if let Event::Refused(refusal) = event {
                    Some(refusal)
                } else {
                    None
                }
            })
            .await;
        assert!(
            matches!(&refusal, Refusal::Login { reason: said, .. } if said == reason),
            "{refusal}"
        );
        assert!(
            timeout(PATIENCE, node.events.recv())
                .await
                .expect("the session ends")
                .is_none()
        );
    }
    assert!(first.handle.status().borrow().connected);
}

#[tokio::test]
async fn a_second_login_ends_the_first_session_for_good() {
    let server = server_with(&[]).await;
    let mut first = start(config(&server, "anna", "x")).await;
    first.connected().await;
    let mut second = start(config(&server, "anna", "x")).await;
    second.connected().await;
    let refusal = first
        .wait(|event| {
            if let Event::Refused(refusal) = event {
                Some(refusal)
            } else {
                None
            }
        })
        .await;
    assert_eq!(refusal, Refusal::Relogged);
    assert!(
        timeout(PATIENCE, first.events.recv())
            .await
            .expect("the session ends")
            .is_none()
    );
}

#[tokio::test]
async fn silence_after_the_login_is_taken_for_a_ban_and_waited_out() {
    let server = server_with(&[]).await;
    server.ban("anna");
    let mut config = config(&server, "anna", "x");
    config.timing.login = Duration::from_millis(100);
    let mut node = start(config).await;
    let (reason, retry_in) = node
        .wait(|event| match event {
            Event::Disconnected { reason, retry_in } => Some((reason, retry_in)),
            _ => None,
        })
        .await;
    assert!(reason.contains("banned"), "{reason}");
    assert_eq!(retry_in, Timing::default().banned);
}

#[tokio::test]
async fn a_full_server_is_tried_again_slowly() {
    let server = server_with(&[]).await;
    server.set_full(true);
    let mut node = start(config(&server, "anna", "x")).await;
    let retry_in = node
        .wait(|event| match event {
            Event::Disconnected { retry_in, .. } => Some(retry_in),
            _ => None,
        })
        .await;
    assert_eq!(retry_in, Timing::default().server_full);
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again() {
    let server = server_with(&[]).await;
    let address = server.address();
    let mut node = start(config(&server, "anna", "x")).await;
    node.connected().await;
    drop(server);
    node.wait(|event| matches!(event, Event::Disconnected { .. }).then_some(()))
        .await;
    let _server = Server::start(Options {
        listen: address,
        ..Options::default()
    })
    .await
    .expect("the port");
    node.connected().await;
}

#[tokio::test]
async fn users_are_found_and_say_who_they_are() {
    let server = server_with(&[]).await;
    let mut anna = start(config(&server, "anna", "x")).await;
    let mut bert = start(config(&server, "bert", "x")).await;
    anna.connected().await;
    bert.connected().await;
    until("bert has told his port", || {
        server
            .users()
            .iter()
            .any(|user| user.username == "bert" && user.port != 0)
    })
    .await;
    let port = bert.handle.status().borrow().listen_port;
    let address = anna
        .handle
        .peer_address("bert")
        .await
        .expect("bert is online");
    assert_eq!(address.port(), port);
    let info = anna.handle.user_info("bert").await.expect("bert answers");
    assert_eq!(info.description.decode(), "a test");
    assert_eq!(anna.handle.peer_address("nobody").await, None);
}

/// A session without a place in the tree searches and is heard, and is nobody's parent or root.
#[tokio::test]
async fn a_node_outside_the_tree_searches_and_takes_no_part() {
    let server = server_with(&[("outside", 1_000_000)]).await;
    let mut config = config(&server, "outside", "x");
    config.distributed = false;
    let mut outside = start(config).await;
    assert!(!outside.handle.search(1, "too early").await);
    outside.connected().await;
    let mut inside = start(common::config(&server, "inside", "x")).await;
    inside.connected().await;
    until("inside looks for a parent", || {
        server.users().iter().any(|user| user.wants_parent)
    })
    .await;
    assert!(outside.handle.search(7, "words for everybody").await);
    let heard = inside
        .wait(|event| match event {
            Event::Search(search) => Some(search),
            _ => None,
        })
        .await;
    assert_eq!((heard.token, heard.source), (7, Source::Server));
    assert_eq!(heard.username.decode(), "outside");
    assert_eq!(heard.query.decode(), "words for everybody");

    // Whatever the server says of the tree, nothing comes of it.
    server.pin_roots(&["outside"]);
    server.search("anna", 8, "for roots").await;
    let port = inside.handle.status().borrow().listen_port;
    server.send(
        "outside",
        &ServerResponse::PossibleParents(vec![PossibleParent {
            username: "inside".into(),
            address: Ipv4Addr::LOCALHOST,
            port: port.into(),
        }]),
    );
    server.send("outside", &ServerResponse::ResetDistributed);
    server.notice("outside", "the last word");
    let mut events = Vec::new();
    outside
        .wait(|event| {
            let is_last = matches!(event, Event::Notice(_));
            events.push(event);
            is_last.then_some(())
        })
        .await;
    assert_eq!(events.len(), 1, "{events:?}");
    let user = server
        .users()
        .into_iter()
        .find(|user| user.username == "outside")
        .expect("outside is online");
    assert!(!user.wants_parent && !user.accepts_children && user.port != 0);
    let status = inside.handle.status().borrow().clone();
    assert_eq!(status.children, 0);
}

#[tokio::test]
async fn notices_from_the_server_are_reported() {
    let server = server_with(&[]).await;
    let mut node = start(config(&server, "anna", "x")).await;
    node.connected().await;
    server.notice("anna", "You have been banned for 30 minutes.");
    let text = node
        .wait(|event| {
            if let Event::Notice(text) = event {
                Some(text)
            } else {
                None
            }
        })
        .await;
    assert_eq!(text, "You have been banned for 30 minutes.");
}
