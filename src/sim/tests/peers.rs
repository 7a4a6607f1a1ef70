//! Other users, well-behaved and not, over raw sockets.

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use common::{Node, PATIENCE, config, server_with, start, until};
use fleet_sim::soulseek::Server;
use fleet_soulseek::frame::{Frame, FrameReader, MAX_PEER};
use fleet_soulseek::messages::distributed::{DistributedMessage, SEARCH_IDENTIFIER, Search};
use fleet_soulseek::messages::init::{ConnectionType, InitMessage, PeerInit};
use fleet_soulseek::messages::peer::PeerMessage;
use fleet_soulseek::messages::server::{PossibleParent, ServerResponse};
use fleet_soulseek::obfuscation;
use fleet_soulseek::session::Source;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const FAST: u32 = 1_000_000;

fn init(username: &str, connection_type: ConnectionType) -> Bytes {
    InitMessage::PeerInit(PeerInit {
        username: username.into(),
        connection_type,
        token: 0,
    })
    .encode()
}

fn search(token: u32) -> Bytes {
    DistributedMessage::Search(Search {
        identifier: SEARCH_IDENTIFIER,
        username: "anna".into(),
        token,
        query: "words".into(),
    })
    .encode()
}

/// A node that gets searches from the server and takes children.
async fn root(server: &Server) -> (Node, SocketAddr) {
    let mut node = start(config(server, "root", "x")).await;
    node.connected().await;
    until("it looks for a parent", || {
        server.users().iter().any(|user| user.wants_parent)
    })
    .await;
    server.search("anna", 1, "one").await;
    node.search().await;
    until("it takes children", || {
        server.users().iter().any(|user| user.accepts_children)
    })
    .await;
    let port = node.handle.status().borrow().listen_port;
    (node, (Ipv4Addr::LOCALHOST, port).into())
}

/// Reads until the other side closes.
async fn closes(mut stream: TcpStream) {
    let mut rest = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    // A reset is an end as well.
    assert!(read.is_ok(), "the connection stays open");
}

/// The candidate's port is wrong, so only the way round through the server works.
#[tokio::test]
async fn a_parent_that_cannot_be_dialled_is_asked_to_dial_us() {
    let server = server_with(&[("root", FAST)]).await;
    let (root, _) = root(&server).await;
    server.pin_candidates("slow", &[]);
    let mut slow = start(config(&server, "slow", "x")).await;
    slow.connected().await;
    until("slow is there", || {
        server
            .users()
            .iter()
            .any(|user| user.username == "slow" && user.port != 0)
    })
    .await;
    let nowhere = PossibleParent {
        username: "root".into(),
        address: Ipv4Addr::LOCALHOST,
        port: 1,
    };
    server.send("slow", &ServerResponse::PossibleParents(vec![nowhere]));
    root.handle
        .status()
        .wait_for(|status| status.children == 1)
        .await
        .expect("slow is a child");
    server.pin_roots(&["root"]);
    server.search("anna", 2, "two").await;
    assert_eq!(slow.search().await, (2, Source::Parent, 1));
}

/// The whole conversation on the obfuscated port is obfuscated; the answer is an empty share.
#[tokio::test]
async fn an_obfuscated_peer_is_answered_in_kind() {
    let server = server_with(&[]).await;
    let mut node = start(config(&server, "node", "x")).await;
    node.connected().await;
    let port = || server.users().first().and_then(|user| user.obfuscated_port);
    until("it has told its ports", || {
        port().is_some_and(|port| port != 0)
    })
    .await;
    let port = u16::try_from(port().expect("seen above")).expect("a port");
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .expect("it listens");
    for plain in [
        init("curious", ConnectionType::Peer),
        PeerMessage::GetSharedFileList.encode(),
    ] {
        stream
            .write_all(&obfuscation::encode(0x1234_5678, &plain))
            .await
            .expect("it reads");
    }
    let mut reader = FrameReader::new(stream, MAX_PEER);
    reader.set_obfuscated(true);
    let frame = timeout(PATIENCE, reader.next())
        .await
        .expect("in time")
        .expect("whole")
        .expect("one");
    let PeerMessage::SharedFileList(list) = PeerMessage::decode(&frame).expect("readable") else {
        panic!("not a share list")
    };
    assert!(list.0.directories.is_empty());
}

#[tokio::test]
async fn strangers_cannot_put_searches_into_the_record() {
    let server = server_with(&[("root", FAST)]).await;
    let (mut node, address) = root(&server).await;
    let mut stranger = TcpStream::connect(address).await.expect("it listens");
    stranger
        .write_all(&init("stranger", ConnectionType::Distributed))
        .await
        .expect("it reads");
    // It is taken as a child: level and root come first, in this order.
    let mut reader = FrameReader::new(stranger, MAX_PEER);
    let mut told = Vec::new();
    for _ in 0..2 {
        let frame = timeout(PATIENCE, reader.next())
            .await
            .expect("in time")
            .expect("whole")
            .expect("one");
        told.push(DistributedMessage::decode(&frame).expect("readable"));
    }
    let wanted = [
        DistributedMessage::BranchLevel(0),
        DistributedMessage::BranchRoot("root".into()),
    ];
    assert_eq!(told, wanted);
    let (mut stranger, _) = reader.into_parts();
    stranger.write_all(&search(666)).await.expect("it reads");
    closes(stranger).await;
    server.search("anna", 2, "two").await;
    assert_eq!(
        node.search().await.0,
        2,
        "the stranger's search is not there"
    );
}

/// Each of these ends its own connection and nothing else.
#[tokio::test]
async fn broken_first_frames_end_their_connection_only() {
    let server = server_with(&[("root", FAST)]).await;
    let (mut node, address) = root(&server).await;
    let own_name = init("root", ConnectionType::Distributed);
    let server_name = init("server", ConnectionType::Distributed);
    let no_name = init("", ConnectionType::Peer);
    let unknown_token = InitMessage::PierceFirewall(7).encode();
    let cases: [&[u8]; 8] = [
        b"\xff\xff\xff\x7fGET / HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x00",
        b"\x01\x00\x00\x00\x63",
        b"\x05\x00\x00\x00\x01\xff\xff\xff\xff",
        &own_name,
        &server_name,
        &no_name,
        &unknown_token,
    ];
    for case in cases {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream.write_all(case).await.expect("it reads");
        closes(stream).await;
    }
    server.search("anna", 2, "two").await;
    assert_eq!(node.search().await.0, 2);
}

#[tokio::test]
async fn a_first_frame_that_does_not_come_ends_the_connection() {
    let server = server_with(&[]).await;
    let mut config = config(&server, "node", "x");
    config.timing.handshake = Duration::from_millis(100);
    let mut node = start(config).await;
    node.connected().await;
    let port = node.handle.status().borrow().listen_port;
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .await
        .expect("it listens");
    closes(stream).await;
}

/// A child that reads nothing is dropped; the others, and the record, go on.
#[tokio::test]
async fn a_child_that_does_not_read_is_dropped() {
    let server = server_with(&[("root", FAST)]).await;
    let (mut node, address) = root(&server).await;
    let mut stuck = TcpStream::connect(address).await.expect("it listens");
    stuck
        .write_all(&init("stuck", ConnectionType::Distributed))
        .await
        .expect("it reads");
    node.handle
        .status()
        .wait_for(|status| status.children == 1)
        .await
        .expect("a child");
    let long = "x".repeat(200);
    let flood = async {
        for token in 2..200_000_u32 {
            server.search("anna", token, long.as_str()).await;
            if node.handle.status().borrow().children == 0 {
                return token;
            }
        }
        panic!("the child was never dropped");
    };
    let (sender, mut reading) = tokio::sync::oneshot::channel::<()>();
    let mut events = std::mem::replace(&mut node.events, tokio::sync::mpsc::channel(1).1);
    let drain = async {
        loop {
            tokio::select! {
                event = events.recv() => assert!(event.is_some(), "the session runs"),
                _ = &mut reading => return,
            }
        }
    };
    let flood = async {
        let sent = flood.await;
        drop(sender);
        sent
    };
    let (sent, ()) = timeout(PATIENCE, async { tokio::join!(flood, drain) })
        .await
        .expect("in time");
    assert!(sent > 1000, "its queue was used before: {sent}");
    drop(stuck);
}

/// Old roots pass the server's frame on as it came, in two shapes. Both count; children get a plain one.
#[tokio::test]
async fn both_shapes_of_an_embedded_search_are_understood() {
    let server = server_with(&[]).await;
    let mut node = start(config(&server, "node", "x")).await;
    node.connected().await;
    // A parent of our own making: it dials nobody, the node dials it.
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port");
    let port = listener.local_addr().expect("bound").port().into();
    let parent = PossibleParent {
        username: "old".into(),
        address: Ipv4Addr::LOCALHOST,
        port,
    };
    server.send("node", &ServerResponse::PossibleParents(vec![parent]));
    let (mut parent, _) = timeout(PATIENCE, listener.accept())
        .await
        .expect("in time")
        .expect("a child");
    for message in [
        DistributedMessage::BranchLevel(0),
        DistributedMessage::BranchRoot("old".into()),
    ] {
        parent.write_all(&message.encode()).await.expect("it reads");
    }
    let body = |token| {
        Frame::from_bytes(search(token))
            .expect("one frame")
            .payload()
            .slice(1..)
    };
    for (token, wide) in [(11, true), (12, false)] {
        let message = DistributedMessage::Embedded {
            code: 3,
            body: body(token),
            wide,
        };
        parent.write_all(&message.encode()).await.expect("it reads");
        assert_eq!(node.search().await, (token, Source::Embedded, 1));
    }
    // Identifiers other than 49 are ignored; the connection stays.
    let fake = Search {
        identifier: 0,
        username: "x".into(),
        token: 13,
        query: "x".into(),
    };
    parent
        .write_all(&DistributedMessage::Search(fake).encode())
        .await
        .expect("it reads");
    parent.write_all(&search(14)).await.expect("it reads");
    assert_eq!(node.search().await.0, 14);
}

/// Users who hold connections open take places from each other, not from the tree.
#[tokio::test]
async fn idle_users_do_not_crowd_out_children() {
    let server = server_with(&[("root", FAST)]).await;
    let (node, address) = root(&server).await;
    let mut idle = Vec::new();
    for number in 0..100 {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        stream
            .write_all(&init(&format!("idle-{number}"), ConnectionType::Peer))
            .await
            .expect("it reads");
        idle.push(stream);
    }
    // Those beyond the limit are closed.
    let mut byte = [0];
    let last = idle.last_mut().expect("a hundred");
    let read = timeout(PATIENCE, last.read(&mut byte))
        .await
        .expect("it is closed");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
    let mut child = TcpStream::connect(address).await.expect("it listens");
    child
        .write_all(&init("child", ConnectionType::Distributed))
        .await
        .expect("it reads");
    node.handle
        .status()
        .wait_for(|status| status.children == 1)
        .await
        .expect("a child");
}
