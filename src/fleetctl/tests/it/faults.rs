//! The network as it should not be: refused, kicked, banned, gone, and frames that nobody expects.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use fleet_sim::soulseek::{Options, Server};
use fleet_soulseek::frame;
use fleet_soulseek::messages::server::{FileSearch, ServerResponse};
use fleet_soulseek::wire::Text;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use crate::common::{Spec, listening, log_in, server, until};
use crate::{exported, queried, up};

const NORTH: &[&str] = &["north"];
const BOTH: &[&str] = &["north", "south"];

/// What the server must see of an account that was refused or kicked: no further login for longer than the
/// program waits before its first tries elsewhere.
const NO_FURTHER_LOGIN: Duration = Duration::from_secs(8);

#[tokio::test]
async fn a_wrong_password_ends_up_with_4() {
    let server = server().await;
    drop(log_in(&server, "acct-north", "the right one").await);
    let tmp = tempfile::tempdir().unwrap();
    let mut program = up(&Spec::new(&server, NORTH).text(), &tmp.path().join("data")).await;
    assert_eq!(program.ended().await, Some(4), "{}", program.stderr.text());
    let said = program.stderr.text();
    assert!(
        said.contains("error: region `north`: the server refused the login: INVALIDPASS"),
        "{said}"
    );
    assert!(
        said.contains("hint: check `username` and `password` in the Secret"),
        "{said}"
    );
    let refused = queried(
        &tmp.path().join("data"),
        "SELECT detail FROM events WHERE kind = 'refused'",
    )
    .await;
    assert_eq!(
        refused,
        [json!({ "detail": "the server refused the login: INVALIDPASS" })]
    );
}

#[tokio::test]
async fn the_other_region_goes_on_where_one_is_refused() {
    let server = server().await;
    drop(log_in(&server, "acct-north", "the right one").await);
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let mut program = up(&Spec::new(&server, BOTH).text(), &dir).await;
    let reason = program.readyz(503, "INVALIDPASS").await;
    assert!(
        reason.contains("\"north\"") && reason.contains("check `username`"),
        "{reason}"
    );
    listening(&server, &["acct-south"]).await;
    server.search("anna", 1, "for the south").await;
    program.committed(1).await;
    assert!(program.is_running());
    program.reaches("fleet_connected", "south", 1).await;
    assert_eq!(program.metric("fleet_connected", "north").await, 0);
    program.stop().await;
    let records = exported(&dir).await;
    assert_eq!(
        (records.len(), &records[0]["client_id"]),
        (1, &json!("south"))
    );
}

#[tokio::test]
async fn a_second_login_ends_up_with_4() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let mut program = up(&Spec::new(&server, NORTH).text(), &tmp.path().join("data")).await;
    listening(&server, &["acct-north"]).await;
    server.search("anna", 1, "before").await;
    program.committed(1).await;
    let _elsewhere = log_in(&server, "acct-north", "pass-north").await;
    assert_eq!(program.ended().await, Some(4), "{}", program.stderr.text());
    let said = program.stderr.text();
    assert!(
        said.contains("error: region `north`: the same account logged in elsewhere"),
        "{said}"
    );
    assert!(
        said.contains("hint: use one account for one collector"),
        "{said}"
    );
    assert_eq!(exported(&tmp.path().join("data")).await.len(), 1);
}

#[tokio::test]
async fn a_region_that_was_kicked_never_logs_in_again() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let mut program = up(&Spec::new(&server, BOTH).text(), &tmp.path().join("data")).await;
    listening(&server, &["acct-north", "acct-south"]).await;
    let mut elsewhere = log_in(&server, "acct-north", "pass-north").await;
    program
        .readyz(503, "the same account logged in elsewhere")
        .await;
    // A further login would make the server end this session.
    let mut heard = Vec::new();
    let ended = timeout(NO_FURTHER_LOGIN, elsewhere.read_to_end(&mut heard)).await;
    assert!(ended.is_err(), "the other session ended: {ended:?}");
    assert!(program.is_running());
    program.stop().await;
}

#[tokio::test]
async fn a_ban_is_waited_out_and_told() {
    let server = server().await;
    server.ban("acct-north");
    let tmp = tempfile::tempdir().unwrap();
    let mut program = up(&Spec::new(&server, NORTH).text(), &tmp.path().join("data")).await;
    program.readyz(503, "connecting to the server").await;
    let reason = program
        .readyz(503, "that is how it treats a banned account")
        .await;
    // Half an hour: each try makes a ban longer.
    assert!(reason.contains("next try in 17"), "{reason}");
    program
        .says("north: the server does not answer the login")
        .await;
    assert!(program.is_running());
    program.stop().await;
}

#[tokio::test]
async fn a_full_server_is_told_and_tried_again() {
    let server = server().await;
    server.set_full(true);
    let tmp = tempfile::tempdir().unwrap();
    let mut program = up(&Spec::new(&server, NORTH).text(), &tmp.path().join("data")).await;
    program
        .readyz(503, "the server is full; next try in 29")
        .await;
    program.stop().await;
}

#[tokio::test]
async fn what_the_operators_say_is_in_the_journal() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let mut program = up(&Spec::new(&server, NORTH).text(), &dir).await;
    listening(&server, &["acct-north"]).await;
    server.notice("acct-north", "You have been banned for 30 minutes.");
    program.says("You have been banned for 30 minutes.").await;
    program.stop().await;
    let notices = queried(
        &dir,
        "SELECT client_id, detail FROM events WHERE kind = 'notice'",
    )
    .await;
    assert_eq!(
        notices,
        [json!({ "client_id": "north", "detail": "You have been banned for 30 minutes." })]
    );
}

#[tokio::test]
async fn a_server_that_comes_back_is_recorded_again_and_the_gap_is_in_the_journal() {
    let first = server().await;
    let address = first.address();
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let mut program = up(&Spec::new(&first, NORTH).text(), &dir).await;
    listening(&first, &["acct-north"]).await;
    first.search("anna", 1, "before the gap").await;
    program.committed(1).await;
    drop(first);
    program.readyz(503, "next try in").await;
    let options = Options {
        listen: address,
        ..Options::default()
    };
    let again = Server::start(options).await.unwrap();
    listening(&again, &["acct-north"]).await;
    again.search("anna", 2, "after the gap").await;
    program.committed(2).await;
    program.readyz(200, "ready").await;
    program.stop().await;

    let queries: Vec<Value> = exported(&dir)
        .await
        .iter()
        .map(|record| record["query"].clone())
        .collect();
    assert_eq!(queries, ["before the gap", "after the gap"]);
    let kinds = queried(&dir, "SELECT kind FROM events ORDER BY at").await;
    let kinds: Vec<_> = kinds
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    let gap = ["started", "connected", "became root", "disconnected"];
    assert_eq!(kinds[..4], gap, "{kinds:?}");
    // While the server was away, tries may have failed.
    let back: Vec<_> = kinds[4..]
        .iter()
        .filter(|kind| **kind != "disconnected")
        .collect();
    assert_eq!(
        back,
        [&"connected", &"became root", &"stopped"],
        "{kinds:?}"
    );
    let between = "SELECT count(*) AS n FROM searches WHERE received_at BETWEEN \
                   (SELECT min(at) FROM events WHERE kind = 'disconnected') AND \
                   (SELECT max(at) FROM events WHERE kind = 'connected')";
    assert_eq!(queried(&dir, between).await, [json!({ "n": 0 })]);
}

/// A frame from the server: a code, and anything behind it.
fn raw(code: u32, body: &[u8]) -> Bytes {
    frame::build(|out| {
        out.put_u32_le(code);
        out.put_slice(body);
    })
}

fn direct(username: &[u8], token: u32, query: &[u8]) -> Bytes {
    let text = |bytes: &[u8]| Text::from(bytes.to_vec());
    ServerResponse::FileSearch(FileSearch {
        username: text(username),
        token,
        query: text(query),
    })
    .encode()
}

#[tokio::test]
async fn a_frame_that_nobody_expects_does_not_stop_the_search_after_it() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let mut program = up(&Spec::new(&server, NORTH).text(), &dir).await;
    listening(&server, &["acct-north"]).await;
    let embedded = |body: &[u8]| raw(93, body);
    let whole = direct(b"anna", 999, b"cut off");
    let mut empty_frame = BytesMut::new();
    empty_frame.put_u32_le(0);
    let mut endless_text = vec![3, 49, 0, 0, 0];
    endless_text.extend_from_slice(&u32::MAX.to_le_bytes());
    let odd = [
        raw(0xdead_beef, b"unknown"),
        raw(12_345, b""),
        raw(26, b""),
        // Search frames that end too early, the length in front being right.
        raw(26, &whole[8..whole.len() - 1]),
        raw(26, &whole[8..20]),
        embedded(b""),
        embedded(&[3]),
        embedded(&endless_text),
        embedded(&[7, 1, 2, 3]),
        // An address of a peer, a list of parents, and a compressed list, all broken.
        raw(18, &[0xff; 40]),
        raw(102, &[0xff; 8]),
        raw(64, &[0xff; 64]),
        raw(1, b"\x01"),
        empty_frame.freeze(),
        frame::build(|out| out.put_slice(&[26, 0])),
    ];
    for (token, frame) in (1..).zip(&odd) {
        server.send_raw("acct-north", frame.clone()).await;
        server.search("anna", token, "after an odd frame").await;
        program.committed(token.into()).await;
    }
    assert_eq!(program.metric("fleet_disconnects_total", "").await, 0);
    until("the odd frames are counted", async || {
        (program.metric("fleet_rejected_frames", "").await >= 5).then_some(())
    })
    .await;
    program.stop().await;
    let tokens: Vec<_> = exported(&dir)
        .await
        .iter()
        .map(|record| record["token"].as_u64().unwrap())
        .collect();
    assert_eq!(tokens, (1..=odd.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_frame_longer_than_allowed_costs_the_connection_and_no_more() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let mut program = up(&Spec::new(&server, NORTH).text(), &dir).await;
    listening(&server, &["acct-north"]).await;
    server.search("anna", 1, "before").await;
    program.committed(1).await;
    let before = program.metric("process_resident_memory_bytes", "").await;
    server
        .send_raw(
            "acct-north",
            Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 26, 0, 0, 0]),
        )
        .await;
    program.reaches("fleet_disconnects_total", "north", 1).await;
    let log = program.says("not connected to the server").await;
    assert!(log.contains("a frame of 4294967295 bytes"), "{log}");
    // The server may not have seen yet that the first connection is gone.
    program.says_times("logged in", 2).await;
    listening(&server, &["acct-north"]).await;
    server.search("anna", 2, "after").await;
    program.committed(2).await;
    let after = program.metric("process_resident_memory_bytes", "").await;
    assert!(
        after < before + (64 << 20),
        "no memory for what was only announced: {before} {after}"
    );
    program.stop().await;
    assert_eq!(exported(&dir).await.len(), 2);
}

#[tokio::test]
async fn the_bytes_of_every_query_can_be_had_again() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let mut program = up(&Spec::new(&server, NORTH).text(), &dir).await;
    listening(&server, &["acct-north"]).await;
    let long = vec![b'x'; 12_000];
    let queries: [(&[u8], &str, Option<&str>); 6] = [
        ("mötorhead".as_bytes(), "mötorhead", None),
        (b"mot\xf6rhead", "motörhead", Some("6d6f74f67268656164")),
        (b"a\0b", "a\u{2400}b", Some("610062")),
        (b"", "", None),
        (b"\r\n\t\x1b[31m", "\r\n\t\u{1b}[31m", None),
        (&long, std::str::from_utf8(&long).unwrap(), None),
    ];
    for (token, (query, _, _)) in (1..).zip(&queries) {
        // Names are bytes, too.
        server
            .send_raw("acct-north", direct(b"an\xf1a\0", token, query))
            .await;
    }
    program.committed(queries.len() as u64).await;
    program.stop().await;
    let records = exported(&dir).await;
    for (record, (_, query, raw)) in records.iter().zip(&queries) {
        assert_eq!(record["query"], *query);
        assert_eq!(
            record.get("query_raw").map(|raw| raw.as_str().unwrap()),
            *raw
        );
        assert_eq!(record["source"], "direct");
        assert_eq!(record["username"], records[0]["username"]);
    }
}

#[tokio::test]
async fn a_search_that_comes_twice_is_recorded_as_often_as_the_spec_says() {
    for (duplicates, kept) in [("", 2), ("duplicates: drop", 2), ("duplicates: keep", 4)] {
        let server = server().await;
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("data");
        let spec = Spec {
            soulseek: duplicates,
            ..Spec::new(&server, NORTH)
        };
        let mut program = up(&spec.text(), &dir).await;
        listening(&server, &["acct-north"]).await;
        for _ in 0..3 {
            server.search("anna", 1, "the same").await;
        }
        // Another user's search is another search, the words and the token notwithstanding.
        server.search("bert", 1, "the same").await;
        program.committed(kept).await;
        assert_eq!(
            program.metric("fleet_duplicates_total", "north").await,
            4 - kept
        );
        program.stop().await;
        assert_eq!(exported(&dir).await.len() as u64, kept, "{duplicates}");
    }
}
