//! `fleetd collect` as a container runs it, against the simulated server in this process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../fleetctl/tests/it/common.rs"]
#[expect(dead_code, reason = "the tests of fleetctl use more of it")]
mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{PATIENCE, Program, Spec, command, ended, files, listening, log_in, server, until};
use fleet_store::{Filter, Format, Reader, export};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

const BOTH: &[&str] = &["north", "south"];
const KEY: &str = "Key-Okapi-Numbat-Tapir-Wombat";
/// Longer than a session waits before its first tries elsewhere.
const NO_FURTHER_LOGIN: Duration = Duration::from_secs(8);

/// Makes something wrong.
type Spoil = fn(&Mounted);

/// A spec and its Secrets as Kubernetes mounts them.
struct Mounted {
    dir: TempDir,
}

impl Mounted {
    fn new(spec: &Spec<'_>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("spec.yaml"), spec.collector()).unwrap();
        let mounted = Self { dir };
        for region in spec.regions {
            mounted.secret(region, "username", &format!("acct-{region}"));
            mounted.secret(region, "password", &format!("Pass-Zebra-{region}"));
        }
        if spec.canary {
            mounted.secret("bird", "username", "acct-canary");
            mounted.secret("bird", "password", "Pass-Zebra-canary");
        }
        mounted.secret("key", "key", KEY);
        mounted
    }

    fn secret(&self, name: &str, key: &str, value: &str) {
        let dir = self.dir.path().join("secrets").join(name);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(key), value).unwrap();
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn collect(&self, more: &[&str]) -> Command {
        let mut fleetd = command(env!("CARGO_BIN_EXE_fleetd"));
        fleetd
            .arg("collect")
            .arg("-f")
            .arg(self.dir.path().join("spec.yaml"));
        fleetd.arg("--data-dir").arg(self.data());
        fleetd
            .arg("--secrets-dir")
            .arg(self.dir.path().join("secrets"));
        fleetd.args(["--listen", "127.0.0.1:0"]).args(more);
        fleetd
    }
}

async fn records(dir: &Path) -> Vec<Value> {
    let reader = Reader::open(dir).await.unwrap();
    let mut lines = Vec::new();
    export(&reader, Format::Jsonl, Filter::default(), &mut lines)
        .await
        .unwrap();
    let lines = String::from_utf8(lines).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn one_region_is_recorded_until_sigterm() {
    let server = server().await;
    let spec = Spec {
        privacy: Some(("siv", "unused")),
        ..Spec::new(&server, BOTH)
    };
    let mounted = Mounted::new(&spec);
    let mut program = Program::start(mounted.collect(&["--region", "south"]));
    listening(&server, &["acct-south"]).await;
    assert_eq!(program.get("/healthz").await.0, 200);
    program.readyz(503, "looking for a parent").await;
    server.search("Clear Name", 7, "one").await;
    program.committed(1).await;
    program.readyz(200, "ready").await;
    assert_eq!(
        server.users().len(),
        1,
        "the other region is another container's"
    );
    program.stop().await;
    let records = records(&mounted.data()).await;
    assert_eq!(
        (records.len(), records[0]["client_id"].as_str()),
        (1, Some("south"))
    );
    assert_eq!(program.stdout.text(), "");
    for line in program.stderr.all() {
        let line: Value = serde_json::from_str(&line).unwrap();
        assert!(
            line["timestamp"].is_string()
                && line["level"].is_string()
                && line["message"].is_string(),
            "{line}"
        );
    }
    assert!(!mounted.data().join("username.key").exists());
}

#[tokio::test]
async fn everything_can_come_from_the_environment() {
    let server = server().await;
    let spec = Spec {
        privacy: Some(("siv", "unused")),
        ..Spec::new(&server, BOTH)
    };
    let mounted = Mounted::new(&spec);
    let mut fleetd = command(env!("CARGO_BIN_EXE_fleetd"));
    fleetd
        .arg("collect")
        .arg("-f")
        .arg(mounted.dir.path().join("spec.yaml"));
    fleetd
        .env("FLEET_DATA_DIR", mounted.data())
        .env("FLEET_REGION", "north");
    fleetd.env("FLEET_SECRETS_DIR", mounted.dir.path().join("secrets"));
    let mut program = Program::start(fleetd);
    listening(&server, &["acct-north"]).await;
    assert_eq!(server.users().len(), 1);
    program.signal("INT").await;
    assert_eq!(program.ended().await, Some(0));
}

#[tokio::test]
async fn what_cannot_start_says_why_and_what_to_do() {
    let server = server().await;
    let spec = Spec {
        privacy: Some(("siv", "unused")),
        ..Spec::new(&server, BOTH)
    };
    let cases: [(&[&str], Spoil, &str, &str); 5] = [
        (
            &["--region", "east"],
            |_| {},
            "the spec has no region `east`",
            "spec.regions[].name",
        ),
        (
            &[],
            |mounted| std::fs::remove_dir_all(mounted.dir.path().join("secrets/north")).unwrap(),
            "names the Secret `north`",
            "--secrets-dir",
        ),
        (
            &[],
            |mounted| mounted.secret("key", "key", "short"),
            "has 5 bytes",
            "openssl rand",
        ),
        (
            &[],
            |mounted| std::fs::write(mounted.data(), "a file").unwrap(),
            "File exists",
            "check the disk",
        ),
        (
            &[],
            |mounted| std::fs::write(mounted.dir.path().join("spec.yaml"), "kind: X").unwrap(),
            "0 documents of kind ResearchCollector",
            "keep one",
        ),
    ];
    for (more, spoil, error, hint) in cases {
        let mounted = Mounted::new(&spec);
        spoil(&mounted);
        let (code, stdout, stderr) = ended(&mut mounted.collect(more)).await;
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        let said: Vec<Value> = stderr
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let [said] = &said[..] else {
            panic!("one line: {stderr}")
        };
        assert_eq!(said["level"], "ERROR");
        assert!(said["message"].as_str().unwrap().contains(error), "{said}");
        assert!(
            said["hint"].as_str().unwrap_or_default().contains(hint),
            "{said}"
        );
    }
    let mounted = Mounted::new(&spec);
    let (code, _, stderr) = ended(mounted.collect(&[]).env("FLEET_LOG", "fleet=nonsense")).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.starts_with("error: FLEET_LOG is not a log level") && stderr.contains("hint: "),
        "{stderr:?}"
    );
    assert!(server.users().is_empty());
}

/// The container of the first region sends; the others only mark, and need the account's name for it.
#[tokio::test]
async fn the_canary_is_in_one_container_and_its_name_in_all() {
    let server = server().await;
    let spec = Spec {
        privacy: Some(("siv", "unused")),
        canary: true,
        ..Spec::new(&server, BOTH)
    };
    let mounted = Mounted::new(&spec);
    let secrets = mounted.dir.path().join("secrets");
    std::fs::remove_file(secrets.join("bird/password")).unwrap();
    let mut second = Program::start(mounted.collect(&["--region", "south"]));
    listening(&server, &["acct-south"]).await;
    server
        .search("acct-canary", 1, "velmora tikusa 402917")
        .await;
    server.search("anna", 2, "something else").await;
    second.committed(2).await;
    assert_eq!(server.users().len(), 1, "the canary is another container's");
    second.stop().await;
    let marks: Vec<_> = records(&mounted.data())
        .await
        .iter()
        .map(|record| record["canary"].clone())
        .collect();
    assert_eq!(marks, [Value::Bool(true), Value::Null]);

    mounted.secret("bird", "password", "Pass-Zebra-canary");
    let mut first = Program::start(mounted.collect(&["--region", "north"]));
    until("the canary logs in", async || {
        let users = server.users();
        let canary = users.iter().any(|user| user.username == "acct-canary");
        canary.then_some(())
    })
    .await;
    first.stop().await;

    std::fs::remove_dir_all(secrets.join("bird")).unwrap();
    let (code, _, stderr) = ended(&mut mounted.collect(&["--region", "south"])).await;
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("spec.canary.credentialsSecretRef names the Secret `bird`")
            && stderr.contains("every region needs its `username`"),
        "{stderr}"
    );
}

#[tokio::test]
async fn a_refused_login_stays_alive_and_is_not_tried_again() {
    let server = server().await;
    let mut owner = log_in(&server, "acct-north", "the right one").await;
    let spec = Spec {
        privacy: Some(("siv", "unused")),
        ..Spec::new(&server, BOTH)
    };
    let mounted = Mounted::new(&spec);
    let mut program = Program::start(mounted.collect(&["--region", "north"]));
    let reason = program.readyz(503, "INVALIDPASS").await;
    assert!(
        reason.contains("check `username` and `password`"),
        "{reason}"
    );
    program
        .says("change the Secret or the spec, then restart")
        .await;
    // With the password that is right by now, a further login would end this session.
    drop(owner);
    server.disconnect("acct-north");
    mounted.secret("north", "password", "the right one");
    owner = log_in(&server, "acct-north", "the right one").await;
    let mut heard = Vec::new();
    let kicked = timeout(NO_FURTHER_LOGIN, owner.read_to_end(&mut heard)).await;
    assert!(kicked.is_err(), "{kicked:?}");
    let refusals = program
        .stderr
        .all()
        .iter()
        .filter(|line| line.contains("refused the login"))
        .count();
    assert_eq!(refusals, 1, "one login, one refusal");
    assert!(program.is_running());
    assert_eq!(program.get("/healthz").await, (200, "ok\n".to_owned()));
    program.readyz(503, "INVALIDPASS").await;
    program.stop().await;
}

#[tokio::test]
async fn a_collector_that_was_kicked_stays_alive_and_away() {
    let server = server().await;
    let spec = Spec {
        privacy: Some(("siv", "unused")),
        ..Spec::new(&server, BOTH)
    };
    let mounted = Mounted::new(&spec);
    let mut program = Program::start(mounted.collect(&["--region", "north"]));
    listening(&server, &["acct-north"]).await;
    server.search("anna", 1, "before").await;
    program.committed(1).await;
    let mut elsewhere = log_in(&server, "acct-north", "Pass-Zebra-north").await;
    program
        .readyz(503, "the same account logged in elsewhere")
        .await;
    let mut heard = Vec::new();
    let kicked = timeout(NO_FURTHER_LOGIN, elsewhere.read_to_end(&mut heard)).await;
    assert!(kicked.is_err(), "{kicked:?}");
    assert!(program.is_running());
    // The records can be read: the spool is closed in good order.
    assert_eq!(records(&mounted.data()).await.len(), 1);
    program.stop().await;
}

#[tokio::test]
async fn nothing_secret_is_told_at_any_level() {
    let server = server().await;
    let spec = Spec {
        privacy: Some(("siv", "unused")),
        canary: true,
        ..Spec::new(&server, BOTH)
    };
    let mounted = Mounted::new(&spec);
    let mut fleetd = mounted.collect(&[]);
    fleetd.env("FLEET_LOG", "trace");
    let mut program = Program::start(fleetd);
    listening(&server, &["acct-north", "acct-south"]).await;
    server
        .search("Searcher-Axolotl", 1, "an innocent query")
        .await;
    program.committed(2).await;
    server.disconnect("acct-north");
    program.reaches("fleet_disconnects_total", "north", 1).await;
    let kicking = log_in(&server, "acct-south", "Pass-Zebra-south").await;
    program.readyz(503, "logged in elsewhere").await;
    let cmdline = std::fs::read(format!("/proc/{}/cmdline", program.pid())).unwrap();
    program.stop().await;
    drop(kicking);
    let mut places = files(&mounted.data());
    places.push(("the logs".to_owned(), program.stderr.text().into_bytes()));
    places.push(("the command line".to_owned(), cmdline));
    for needle in ["Pass-Zebra", KEY, "Axolotl", "acct-"] {
        for (place, bytes) in &places {
            let found = bytes
                .windows(needle.len())
                .any(|window| window == needle.as_bytes());
            assert!(!found, "{needle} is in {place}");
        }
    }
    assert!(
        program.stderr.text().contains("DEBUG"),
        "a talkative level is on"
    );
}

/// A second process on the same volume, as while a pod is replaced.
#[tokio::test]
async fn a_second_collector_on_the_same_data_fails_and_does_not_log_in() {
    let server = server().await;
    let spec = Spec {
        privacy: Some(("siv", "unused")),
        ..Spec::new(&server, BOTH)
    };
    let mounted = Mounted::new(&spec);
    let mut first = Program::start(mounted.collect(&["--region", "north"]));
    listening(&server, &["acct-north"]).await;
    let second = timeout(
        PATIENCE,
        ended(&mut mounted.collect(&["--region", "north"])),
    )
    .await;
    let (code, _, stderr) = second.unwrap();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains("is in use by another collector") && stderr.contains("\"hint\""),
        "{stderr}"
    );
    server.search("anna", 1, "one").await;
    first.committed(1).await;
    first.stop().await;
}

/// Nobody knows which of the two is meant, and archiving deletes from it.
#[tokio::test]
async fn a_directory_beside_a_database_is_refused_and_the_variable_gives_way() {
    let dir = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| {
        let mut fleetd = command(env!("CARGO_BIN_EXE_fleetd"));
        fleetd
            .args(arguments)
            .env("DATABASE_URL", "postgres://me@127.0.0.1:1/study")
            .env("FLEET_DATA_DIR", dir.path());
        let (code, _, said) = ended(&mut fleetd).await;
        assert_eq!(code, Some(1), "{said}");
        said
    };
    let path = dir.path().to_str().unwrap();
    for arguments in [&["archive", "--destination", path][..], &["report"]] {
        let said = run(&[arguments, &["--data-dir", path]].concat()).await;
        assert!(said.contains("and a database is named, too"), "{said}");
        assert!(said.contains("leave --data-dir out"), "{said}");
        let said = run(arguments).await;
        assert!(said.contains("cannot connect to the database"), "{said}");
    }
}
