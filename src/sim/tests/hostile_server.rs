//! Servers that end badly, played by hand: one that cuts logins off, one that kicks in the middle of a
//! flood and slams the door.

mod common;

use std::time::Duration;

use common::{PATIENCE, config_for, start};
use fleet_soulseek::frame::{FrameReader, MAX_SERVER};
use fleet_soulseek::messages::distributed::{SEARCH_IDENTIFIER, Search};
use fleet_soulseek::messages::server::{
    Embedded, LoginResponse, LoginSuccess, MessageUser, ServerResponse,
};
use fleet_soulseek::session::{Event, Refusal, Timing};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a loopback port")
}

fn search(token: u32) -> bytes::Bytes {
    let search = Search {
        identifier: SEARCH_IDENTIFIER,
        username: "anna".into(),
        token,
        query: "words".into(),
    };
    ServerResponse::Embedded(Embedded::search(&search)).encode()
}

/// Takes a login as a server does.
async fn welcome(listener: &TcpListener) -> TcpStream {
    let (stream, _) = timeout(PATIENCE, listener.accept())
        .await
        .expect("in time")
        .expect("a client");
    let mut reader = FrameReader::new(stream, MAX_SERVER);
    timeout(PATIENCE, reader.next())
        .await
        .expect("in time")
        .expect("whole")
        .expect("a login");
    let (mut stream, _) = reader.into_parts();
    let success = LoginSuccess {
        greeting: "hello".into(),
        address: None,
        password_hash: None,
        supporter: None,
    };
    let success = ServerResponse::Login(LoginResponse::Success(success)).encode();
    stream.write_all(&success).await.expect("it reads");
    stream
}

#[tokio::test]
async fn logins_that_are_cut_off_again_and_again_are_taken_for_a_ban() {
    let listener = listener().await;
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let mut node = start(config_for(address, "node", "x")).await;
    let mut waits = Vec::new();
    for _ in 0..3 {
        waits.push(
            node.wait(|event| match event {
                Event::Disconnected { reason, retry_in } => Some((reason, retry_in)),
                _ => None,
            })
            .await,
        );
    }
    assert!(
        waits[0].1 < Duration::from_secs(1) && waits[1].1 < Duration::from_secs(1),
        "{waits:?}"
    );
    assert_eq!(waits[2].1, Timing::default().banned);
    assert!(waits[2].0.contains("banned"), "{waits:?}");
}

/// The server sends searches and messages that must be acknowledged, then kicks, then closes without
/// reading our answers: our writes fail. Everything that it sent counts, the kick above all.
#[tokio::test]
async fn a_kick_behind_a_flood_is_heard_though_our_answers_are_lost() {
    // As many as the socket's buffer holds: all of them have arrived when the door is slammed.
    const SEARCHES: u32 = 500;
    let listener = listener().await;
    let mut node = start(config_for(
        listener.local_addr().expect("bound"),
        "node",
        "x",
    ))
    .await;
    let (closed, is_closed) = tokio::sync::oneshot::channel();
    let server = tokio::spawn(async move {
        let mut stream = welcome(&listener).await;
        let mut words = Vec::new();
        for token in 0..SEARCHES {
            words.extend(search(token));
            if token % 50 == 0 {
                let message = MessageUser {
                    id: token,
                    time: 0,
                    username: "server".into(),
                    text: "soon".into(),
                    new: None,
                };
                words.extend(ServerResponse::MessageUser(message).encode());
            }
        }
        words.extend(ServerResponse::Relogged.encode());
        stream.write_all(&words).await.expect("it reads");
        drop(stream);
        closed.send(()).expect("the test waits");
        // A second login would come to this.
        timeout(Duration::from_secs(2), listener.accept())
            .await
            .is_err()
    });
    // Nobody takes events before that, so that the answers are written to a closed door.
    timeout(PATIENCE, is_closed)
        .await
        .expect("in time")
        .expect("the server's part");
    let mut seen = 0;
    let refusal = node
        .wait(|event| match event {
            Event::Search(_) => {
                seen += 1;
                None
            }
            Event::Refused(refusal) => Some(refusal),
            _ => None,
        })
        .await;
    assert_eq!((refusal, seen), (Refusal::Relogged, SEARCHES));
    assert!(
        server.await.expect("the server's part"),
        "it must not log in again after a kick"
    );
}

/// Searches that were read when the end is asked for are reported before it.
#[tokio::test]
async fn what_was_read_before_the_end_is_reported() {
    let listener = listener().await;
    let mut node = start(config_for(
        listener.local_addr().expect("bound"),
        "node",
        "x",
    ))
    .await;
    let mut stream = welcome(&listener).await;
    node.connected().await;
    // One segment with many searches: the first shows that it has been read.
    let segment: Vec<u8> = (0..100).flat_map(search).collect();
    stream.write_all(&segment).await.expect("it reads");
    assert_eq!(node.search().await.0, 0);
    node.cancelled.cancel();
    let mut last = 0;
    while let Some(event) = timeout(PATIENCE, node.events.recv())
        .await
        .expect("it ends")
    {
        if let Event::Search(search) = event {
            last = search.token;
        }
    }
    assert_eq!(last, 99);
}
