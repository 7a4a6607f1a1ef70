//! `fleetctl up`: what the server sends is in the store, and everything about the program around it.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use fleet_sim::soulseek::Server;
use jiff::Timestamp;
use tokio::io::AsyncWriteExt;

use crate::common::{Program, Spec, listening, log_in, secret, server, until};
use crate::{exported, fleetctl, queried, up};

const NORTH: &[&str] = &["north"];
const BOTH: &[&str] = &["north", "south"];
const KEY: &str = "a key that is long enough";

#[tokio::test]
async fn two_regions_record_every_search_once_and_export_gives_them() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let spec = Spec {
        privacy: Some(("siv", KEY)),
        ..Spec::new(&server, BOTH)
    };
    let before = Timestamp::now();
    let mut program = up(&spec.text(), &dir).await;
    listening(&server, &["acct-north", "acct-south"]).await;
    for (token, query) in [
        (7, "first"),
        (u32::MAX, "東京 ♫ \"quoted\", \\ and\nbroken"),
        (0, ""),
    ] {
        server.search("Clear Name", token, query).await;
    }
    server.search("other", 7, "first").await;
    program.committed(8).await;
    program.stop().await;
    let after = Timestamp::now();
    assert!(
        program.stderr.text().contains("recorded 8 searches in"),
        "{}",
        program.stderr.text()
    );

    let records = exported(&dir).await;
    assert_eq!(records.len(), 8);
    for region in BOTH {
        let of_region: Vec<_> = records
            .iter()
            .filter(|record| record["client_id"] == *region)
            .collect();
        let seen: Vec<_> = of_region
            .iter()
            .map(|record| {
                let text = |field: &str| record[field].as_str().unwrap().to_owned();
                (
                    record["seq"].as_u64().unwrap(),
                    record["token"].as_u64().unwrap(),
                    text("query"),
                    text("source"),
                )
            })
            .collect();
        let expected = [
            (1, 7, "first"),
            (2, u64::from(u32::MAX), "東京 ♫ \"quoted\", \\ and\nbroken"),
            (3, 0, ""),
            (4, 7, "first"),
        ];
        assert_eq!(
            seen,
            expected.map(|(seq, token, query)| (seq, token, query.to_owned(), "server".to_owned()))
        );
        for record in &of_region {
            let text = record["received_at"].as_str().unwrap();
            let at: Timestamp = text.parse().unwrap();
            assert!(before <= at && at <= after, "{before} {at} {after}");
            // RFC 3339 in UTC with microseconds: sorts as text.
            assert_eq!((text.len(), &text[19..20], &text[26..]), (27, ".", "Z"));
        }
    }
    // One user has one pseudonym in all regions, and no other user has it.
    let pseudonym = |index: usize| records[index]["username"].as_str().unwrap();
    let mut names: Vec<_> = (0..8).map(pseudonym).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(
        names
            .iter()
            .all(|name| !name.contains("Clear") && *name != "other")
    );

    let file = dir.with_extension("yaml");
    let mut reveal = fleetctl();
    reveal.arg("reveal").arg("-f").arg(&file).args(&names);
    let (code, mut revealed, stderr) = crate::common::ended(&mut reveal).await;
    assert_eq!(code, Some(0), "{stderr}");
    if revealed.starts_with("other") {
        revealed = revealed.lines().rev().collect::<Vec<_>>().join("\n") + "\n";
    }
    assert_eq!(revealed, "Clear Name\nother\n");

    // The way that `up` names at its end works.
    let mut export = fleetctl();
    export
        .arg("export")
        .arg("-f")
        .arg(&file)
        .arg("--data-dir")
        .arg(&dir);
    let (code, text, stderr) = crate::common::ended(&mut export).await;
    assert_eq!((code, text.lines().count()), (Some(0), 8), "{stderr}");
    let kinds = queried(
        &dir,
        "SELECT client_id, kind FROM events WHERE kind IN ('started', 'stopped')",
    )
    .await;
    assert_eq!(kinds.len(), 4, "{kinds:?}");
}

#[tokio::test]
async fn an_interrupt_writes_what_was_taken() {
    drains_on("INT").await;
}

#[tokio::test]
async fn a_termination_writes_what_was_taken() {
    drains_on("TERM").await;
}

/// Searches come in faster than they are written when the signal arrives.
async fn drains_on(signal: &str) {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let mut program = up(&Spec::new(&server, BOTH).text(), &dir).await;
    listening(&server, &["acct-north", "acct-south"]).await;
    let flooding = tokio::spawn(flood(server, 0));
    program.committed(1000).await;
    let acknowledged = program.metric("fleet_searches_total", "").await;
    program.signal(signal).await;
    assert_eq!(program.ended().await, Some(0), "{}", program.stderr.text());
    flooding.abort();

    let log = program.stderr.text();
    let (_, count) = log.split_once("recorded ").unwrap();
    let recorded: u64 = count.split(' ').next().unwrap().parse().unwrap();
    assert!(
        recorded >= acknowledged && acknowledged >= 1000,
        "{recorded} {acknowledged}"
    );
    let counted = queried(
        &dir,
        "SELECT client_id, count(*) AS n, min(seq) AS a, max(seq) AS z FROM searches GROUP BY 1",
    );
    let counted = counted.await;
    let mut total = 0;
    for region in &counted {
        assert_eq!(
            (&region["a"], &region["z"]),
            (&1.into(), &region["n"]),
            "{region}"
        );
        total += region["n"].as_u64().unwrap();
    }
    assert_eq!((counted.len(), total), (2, recorded));
    let stopped = queried(&dir, "SELECT * FROM events WHERE kind = 'stopped'").await;
    assert_eq!(stopped.len(), 2, "{stopped:?}");
}

/// Searches as fast as they are taken, until it is aborted.
async fn flood(server: Server, first: u32) {
    for token in first.. {
        server
            .search(
                format!("user {}", token % 100).as_str(),
                token,
                "a flood of searches",
            )
            .await;
        // While nobody listens, nothing else would let the rest of the test run.
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_demo_shows_that_searches_come_in() {
    let tmp = tempfile::tempdir().unwrap();
    let mut command = fleetctl();
    command
        .args(["up", "--demo", "--for", "3", "--data-dir"])
        .arg(tmp.path());
    let (code, stdout, stderr) = crate::common::ended(&mut command).await;
    assert_eq!(code, Some(0), "{stderr}");
    for region in ["north", "south"] {
        let recorded: Vec<u64> = stdout
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{region}: ")))
            .map(|line| {
                let (before, _) = line.split_once(" recorded").unwrap();
                before.rsplit_once(' ').unwrap().1.parse().unwrap()
            })
            .collect();
        assert!(recorded.len() >= 2, "{stdout}");
        assert!(
            recorded.is_sorted() && recorded.first() < recorded.last(),
            "{stdout}"
        );
    }
    let dir = tmp.path().join("demo");
    let next = format!(
        "next: fleetctl export --data-dir {} (scripted searches, not real ones)",
        dir.display()
    );
    assert!(stderr.contains(&next), "{stderr}");
    assert!(!exported(&dir).await.is_empty());
}

#[tokio::test]
async fn a_spec_comes_from_standard_input() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let mut command = fleetctl();
    command
        .args(["up", "-", "--data-dir"])
        .arg(tmp.path())
        .args(["--listen", "127.0.0.1:0"]);
    command.stdin(Stdio::piped());
    let mut program = Program::start(command);
    program
        .stdin()
        .write_all(Spec::new(&server, NORTH).text().as_bytes())
        .await
        .unwrap();
    program.close_stdin();
    listening(&server, &["acct-north"]).await;
    server.search("anna", 1, "by standard input").await;
    program.committed(1).await;
    program.stop().await;
    assert_eq!(exported(tmp.path()).await[0]["query"], "by standard input");
    // What it says to do next can be done: nobody would type the spec again.
    let next = program.says("next: fleetctl export").await;
    assert!(!next.contains("-f -"), "{next}");
}

#[tokio::test]
async fn secrets_come_from_a_directory() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let (dir, secrets) = (tmp.path().join("data"), tmp.path().join("secrets"));
    for (file, value) in [
        ("north/username", "acct-north\n"),
        ("north/password", "from a file\n"),
        ("key/key", KEY),
    ] {
        let file = secrets.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, value).unwrap();
    }
    let spec = Spec {
        privacy: Some(("hmac", KEY)),
        ..Spec::new(&server, NORTH)
    };
    let file = tmp.path().join("spec.yaml");
    std::fs::write(&file, spec.collector()).unwrap();
    let mut command = fleetctl();
    command
        .arg("up")
        .arg(&file)
        .arg("--data-dir")
        .arg(&dir)
        .args(["--listen", "127.0.0.1:0"]);
    command.arg("--secrets-dir").arg(&secrets);
    let mut program = Program::start(command);
    listening(&server, &["acct-north"]).await;
    server.search("anna", 1, "one").await;
    program.committed(1).await;
    program.stop().await;
    assert!(
        !dir.join("username.key").exists(),
        "the key comes from the Secret"
    );
}

#[tokio::test]
async fn a_key_is_made_for_its_owner_only_and_used_again() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let mut keys = Vec::new();
    for round in 1..=2 {
        let mut program = up(&Spec::new(&server, NORTH).text(), &dir).await;
        listening(&server, &["acct-north"]).await;
        server.search("anna", round, "one").await;
        program.committed(1).await;
        program.stop().await;
        let key = dir.join("username.key");
        assert_eq!(
            std::fs::metadata(&key).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert_eq!(program.stderr.text().contains("made a key"), round == 1);
        keys.push(std::fs::read(key).unwrap());
        until("the account is free", async || {
            server.users().is_empty().then_some(())
        })
        .await;
    }
    assert_eq!(keys[0], keys[1]);
    let records = exported(&dir).await;
    assert_eq!(records[0]["username"], records[1]["username"]);
    assert_eq!(
        (&records[0]["seq"], &records[1]["seq"]),
        (&1.into(), &2.into())
    );
}

#[tokio::test]
async fn readiness_follows_the_searches() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let mut program = up(&Spec::new(&server, BOTH).text(), &dir).await;
    listening(&server, &["acct-north", "acct-south"]).await;
    assert_eq!(program.get("/healthz").await, (200, "ok\n".to_owned()));
    let body = program
        .readyz(503, "\"north\":\"looking for a parent in the search tree\"")
        .await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["ready"], false);
    program.reaches("fleet_connected", "south", 1).await;
    assert_eq!(program.metric("fleet_fed", "").await, 0);

    server.search("anna", 1, "one").await;
    program.readyz(200, "ready").await;
    program.reaches("fleet_fed", "", 2).await;
    assert_eq!(
        program
            .metric(
                "fleet_searches_total",
                r#"client_id="north",source="server""#
            )
            .await,
        1
    );
    assert_eq!(program.metric("fleet_searches_total", "parent").await, 0);

    server.disconnect("acct-north");
    let body = program.readyz(503, "next try in").await;
    assert!(
        body.contains("the server closed the connection") && !body.contains("south"),
        "{body}"
    );
    assert_eq!(program.get("/healthz").await.0, 200);
    assert_eq!(program.metric("fleet_disconnects_total", "north").await, 1);
    assert_eq!(program.get("/nothing").await.0, 404);

    listening(&server, &["acct-north", "acct-south"]).await;
    server.search("anna", 2, "two").await;
    program.readyz(200, "ready").await;
    program.stop().await;
}

#[tokio::test]
async fn a_document_of_another_kind_is_named_and_left_out() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let mut spec = Spec::new(&server, NORTH).text();
    spec += "---\napiVersion: v1\nkind: Namespace\nmetadata: { name: research }\n";
    spec += &secret("unused", "password: nobody needs it");
    let mut program = up(&spec, &tmp.path().join("data")).await;
    program
        .says("Namespace/research in the file is of no use here")
        .await;
    program.stop().await;
}

#[tokio::test]
async fn a_database_has_a_line_that_says_what_waits_and_why() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let spec = Spec::new(&server, NORTH).text().replace(
        "  regions:\n",
        "  database: { external: { urlSecretRef: { name: database } } }\n  regions:\n",
    );
    let url = secret(
        "database",
        "url: \"postgres://north:hidden@127.0.0.1:1/study\"",
    );
    let mut program = up(&(spec + &url), &tmp.path().join("data")).await;
    program.says("database: 0 shipped, 0 waiting").await;
    listening(&server, &["acct-north"]).await;
    server.search("anna", 1, "one").await;
    let line =
        "database: 0 shipped, 1 waiting; stalled: cannot connect to the database 127.0.0.1:1/study";
    program.says(line).await;
    program.stop().await;
    let said = program.stdout.text() + &program.stderr.text();
    assert!(!said.contains("hidden"), "{said}");
}

#[tokio::test]
async fn a_canary_has_a_line_and_a_metric_and_its_refusal_stops_nothing() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let spec = Spec {
        canary: true,
        ..Spec::new(&server, NORTH)
    };
    let mut program = up(&spec.text(), &tmp.path().join("data")).await;
    listening(&server, &["acct-north"]).await;
    program.says("canary: 0 sent").await;
    let metrics = program.get("/metrics").await.1;
    assert!(
        metrics.contains("\nfleet_canaries_sent_total "),
        "{metrics}"
    );
    until("the canary is there, outside the tree", async || {
        let users = server.users();
        let canary = users.iter().find(|user| user.username == "acct-canary")?;
        (canary.port != 0 && !canary.wants_parent).then_some(())
    })
    .await;
    // Another program takes its account away. The region goes on.
    let _elsewhere = log_in(&server, "acct-canary", "pass-canary").await;
    program
        .says("the canary sends no searches: the same account logged in elsewhere")
        .await;
    server.search("anna", 1, "one").await;
    program.readyz(200, "ready").await;
    program.stop().await;
    let stdout = program.stdout.text();
    assert!(
        stdout.contains("sent; the same account logged in elsewhere"),
        "{stdout}"
    );
}
