//! A disk that fills up while searches come in, and gets room again.

use std::collections::BTreeSet;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use crate::common::{Program, Spec, command, listening, server};
use crate::spool::may_mount;
use crate::{exported, queried};

/// What the spool accepts while the disk is full is bounded by its queue; this is more.
const SEARCHES: u32 = 60_000;

/// `fleetctl up` on a file system of its own. A line on standard input gives the file system more room; the next
/// one ends the program and copies what it wrote. With its process namespace everything in it ends.
const SCRIPT: &str = r#"
mount -t tmpfs -o size=3m tmpfs "$2" || exit 101
"$0" up "$1" --data-dir "$2" --listen 127.0.0.1:0 &
read -r room
mount -o remount,size=256m "$2" || exit 102
read -r end
kill -s TERM $!
wait $!
code=$?
cp "$2"/* "$3" || exit 103
exit $code
"#;

#[tokio::test]
async fn a_full_disk_is_told_once_and_costs_nothing_when_there_is_room_again() {
    if !may_mount().await {
        return;
    }
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let (file, dir, copy) = (
        tmp.path().join("spec.yaml"),
        tmp.path().join("data"),
        tmp.path().join("copy"),
    );
    std::fs::write(&file, Spec::new(&server, &["north"]).text()).unwrap();
    for dir in [&dir, &copy] {
        std::fs::create_dir(dir).unwrap();
    }
    let mut unshare = command("unshare");
    unshare.args(["-rm", "--pid", "--fork", "--kill-child", "sh", "-c", SCRIPT]);
    unshare
        .arg(env!("CARGO_BIN_EXE_fleetctl"))
        .args([&file, &dir, &copy])
        .stdin(Stdio::piped());
    let mut program = Program::start(unshare);
    listening(&server, &["acct-north"]).await;
    let flooding = tokio::spawn(async move {
        for token in 0..SEARCHES {
            let name = format!("user {}", token % 1000);
            server
                .search(name.as_str(), token, "words that fill a disk, bit by bit")
                .await;
        }
        server
    });

    let reason = program.readyz(503, "\"spool\"").await;
    let path = dir.join("soulseek.db");
    let full = format!("no room left to write {}; free some space", path.display());
    assert!(reason.contains(&full), "{reason}");
    assert_eq!(program.metric("fleet_spool_stalled", "").await, 1);
    assert_eq!(
        program.get("/healthz").await.0,
        200,
        "a restart would not help"
    );
    // A while later nothing more has been written, nothing was dropped, and nothing is said again and again.
    let committed = program.metric("fleet_spool_committed_total", "").await;
    let accepted = program.metric("fleet_searches_total", "").await;
    let pending = program.metric("fleet_spool_pending", "").await;
    assert!(
        accepted <= committed + 2 * 4096 + 1 && pending > 0,
        "{accepted} {committed} {pending}"
    );
    let errors = || {
        program
            .stderr
            .all()
            .iter()
            .filter(|line| line.contains("\"ERROR\""))
            .count()
    };
    assert_eq!(errors(), 1, "{}", program.stderr.text());

    program.stdin().write_all(b"room\n").await.unwrap();
    program.committed(SEARCHES.into()).await;
    let _server = flooding.await.unwrap();
    program.readyz(200, "ready").await;
    assert_eq!(program.metric("fleet_spool_stalled", "").await, 0);
    program
        .says("the spool writes again; nothing was lost")
        .await;
    assert_eq!(
        program.metric("fleet_disconnects_total", "").await,
        0,
        "the server has waited"
    );
    program.stdin().write_all(b"end\n").await.unwrap();
    assert_eq!(program.ended().await, Some(0), "{}", program.stderr.text());

    let records = exported(&copy).await;
    let tokens: BTreeSet<_> = records
        .iter()
        .map(|record| record["token"].as_u64().unwrap())
        .collect();
    assert_eq!(tokens, (0..SEARCHES.into()).collect());
    let last = queried(
        &copy,
        "SELECT count(*) AS n, max(seq) AS last FROM searches",
    )
    .await;
    assert_eq!(
        (&last[0]["n"], &last[0]["last"]),
        (&SEARCHES.into(), &SEARCHES.into())
    );
}

/// `fleetctl up` on a file system that stays full; a line on standard input ends the program.
const SCRIPT_FULL: &str = r#"
mount -t tmpfs -o size=3m tmpfs "$2" || exit 101
"$0" up "$1" --data-dir "$2" --listen 127.0.0.1:0 &
read -r end
kill -s TERM $!
wait $!
"#;

/// Everything waits for the disk then, and the program still ends, and says what that costs.
#[tokio::test]
async fn a_full_disk_does_not_keep_the_program_from_ending() {
    if !may_mount().await {
        return;
    }
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let (file, dir) = (tmp.path().join("spec.yaml"), tmp.path().join("data"));
    std::fs::write(&file, Spec::new(&server, &["north"]).text()).unwrap();
    std::fs::create_dir(&dir).unwrap();
    let mut unshare = command("unshare");
    unshare.args([
        "-rm",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        SCRIPT_FULL,
    ]);
    unshare
        .arg(env!("CARGO_BIN_EXE_fleetctl"))
        .args([&file, &dir])
        .stdin(Stdio::piped());
    let mut program = Program::start(unshare);
    listening(&server, &["acct-north"]).await;
    let flooding = tokio::spawn(async move {
        for token in 0..SEARCHES {
            server
                .search("anna", token, "words that fill a disk, bit by bit")
                .await;
        }
    });
    program.readyz(503, "\"spool\"").await;
    program.stdin().write_all(b"end\n").await.unwrap();
    assert_eq!(program.ended().await, Some(5), "{}", program.stderr.text());
    program
        .says("records could not be written before the end")
        .await;
    flooding.abort();
}
