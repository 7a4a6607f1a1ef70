//! Passwords, keys and the names of users: where they must not be.

use fleet_sim::soulseek::Server;
use fleet_soulseek::messages::server::{
    FileSearch, ServerResponse, Stats, UserStats, UserStatus, login_hash,
};
use tokio::process::Command;

use crate::common::{Program, Spec, files, listening, log_in, secret, server};
use crate::fleetctl;

const ACCOUNT: &str = "AccountNorthQ7";
const PASSWORD: &str = "Pa55-word-Zebra-Quagga";
const KEY: &str = "Key-Okapi-Numbat-Tapir-Wombat";
const NAMES: [&str; 4] = [
    "Searcher-Axolotl",
    "Searcher-Ibex",
    "Searcher-Dugong",
    "Searcher-Kakapo",
];

/// Everything that must be nowhere.
fn needles() -> Vec<String> {
    let hashes = [
        login_hash(ACCOUNT.as_bytes(), PASSWORD.as_bytes()),
        login_hash(b"", PASSWORD.as_bytes()),
    ];
    let plain = [PASSWORD, KEY].into_iter().chain(NAMES).map(str::to_owned);
    plain.chain(hashes).collect()
}

fn assert_clean(what: &str, bytes: &[u8]) {
    for needle in needles() {
        // UTF-16 and the like would be another program's doing.
        let found = bytes
            .windows(needle.len())
            .position(|window| window.eq_ignore_ascii_case(needle.as_bytes()));
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(300)..bytes.len().min(at + 100)];
            panic!("{needle} is in {what}: {}", String::from_utf8_lossy(around));
        }
    }
}

fn assert_silent(program: &Program) {
    assert_clean("standard output", program.stdout.text().as_bytes());
    assert_clean("standard error", program.stderr.text().as_bytes());
}

fn spec(server: &Server, scheme: &str, key: &str) -> String {
    let spec = Spec {
        privacy: Some((scheme, "unused")),
        ..Spec::new(server, &["north"])
    };
    spec.collector()
        + &secret(
            "north",
            &format!("username: {ACCOUNT}, password: {PASSWORD}"),
        )
        + &secret("key", &format!("key: {key}"))
}

async fn search(server: &Server, token: u32) {
    for name in NAMES {
        server.search(name, token, "an innocent query").await;
    }
}

/// What the server may say that has names in it, beside searches.
fn gossip(server: &Server) {
    let stats = Stats {
        speed: 1,
        uploads: 1,
        unknown: 0,
        files: 1,
        folders: 1,
    };
    let status = UserStatus {
        username: NAMES[1].into(),
        status: 2,
        privileged: true,
    };
    for message in [
        ServerResponse::PrivilegedUsers(NAMES.map(Into::into).to_vec()),
        ServerResponse::GetUserStatus(status),
        ServerResponse::GetUserStats(UserStats {
            username: NAMES[2].into(),
            stats,
        }),
        ServerResponse::FileSearch(FileSearch {
            username: NAMES[3].into(),
            token: 9,
            query: "direct".into(),
        }),
    ] {
        server.send(ACCOUNT, &message);
    }
}

#[tokio::test]
async fn what_is_secret_is_in_no_log_and_no_file() {
    for scheme in ["siv", "fernet", "hmac"] {
        let server = server().await;
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("data");
        let mut program = start(&server, scheme, &dir);
        listening(&server, &[ACCOUNT]).await;
        search(&server, 1).await;
        program.committed(4).await;
        gossip(&server);
        // Private messages carry names, too, and only what the operators say is kept.
        log_in(&server, NAMES[0], "x").await;
        server
            .send_raw(
                ACCOUNT,
                bytes::Bytes::from_static(&[5, 0, 0, 0, 26, 0, 0, 0, 200]),
            )
            .await;
        server.disconnect(ACCOUNT);
        listening(&server, &[ACCOUNT]).await;
        search(&server, 2).await;
        program.committed(9).await;
        for (file, bytes) in files(&dir) {
            assert_clean(&file, &bytes);
        }
        let cmdline = std::fs::read(format!("/proc/{}/cmdline", program.pid())).unwrap();
        assert_clean("the command line", &cmdline);
        let environ = std::fs::read(format!("/proc/{}/environ", program.pid())).unwrap();
        assert_clean("the environment", &environ);
        assert_clean("/metrics", program.get("/metrics").await.1.as_bytes());
        assert_clean("/readyz", program.get("/readyz").await.1.as_bytes());
        let elsewhere = log_in(&server, ACCOUNT, PASSWORD).await;
        assert_eq!(program.ended().await, Some(4));
        drop(elsewhere);
        assert_silent(&program);
        assert!(
            !program.stderr.text().contains(ACCOUNT),
            "no account names, either"
        );
        assert!(
            program.stderr.text().contains("DEBUG"),
            "a talkative level is on"
        );
        for (file, bytes) in files(&dir) {
            assert_clean(&file, &bytes);
            assert!(!contains(&bytes, ACCOUNT), "{file}");
        }
    }
}

fn start(server: &Server, scheme: &str, dir: &std::path::Path) -> Program {
    let file = dir.with_extension("yaml");
    std::fs::write(&file, spec(server, scheme, KEY)).unwrap();
    let mut command = fleetctl();
    command
        .arg("up")
        .arg(file)
        .arg("--data-dir")
        .arg(dir)
        .args(["--listen", "127.0.0.1:0"]);
    command
        .env("FLEET_LOG", "trace")
        .env("RUST_BACKTRACE", "full");
    Program::start(command)
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_refused_login_does_not_tell_the_password() {
    let server = server().await;
    drop(log_in(&server, ACCOUNT, "another password").await);
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let mut program = start(&server, "siv", &dir);
    assert_eq!(program.ended().await, Some(4));
    assert_silent(&program);
    for (file, bytes) in files(&dir) {
        assert_clean(&file, &bytes);
    }
}

/// An error in the file must not quote what stands there.
#[tokio::test]
async fn an_error_in_the_file_does_not_quote_secrets() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let good = spec(&server, "siv", KEY);
    let in_a_list = format!("[{PASSWORD}, {KEY}]");
    let broken = [
        good.replace("stringData", "stringDatum"),
        good.replace("stringData", "data"),
        good.replace(
            &format!("{{ username: {ACCOUNT}, password: {PASSWORD} }}"),
            &in_a_list,
        ),
        good.replace(
            &format!("password: {PASSWORD}"),
            &format!("password: {{ {PASSWORD}: 1 }}"),
        ),
        good.replace(
            &format!("password: {PASSWORD}"),
            &format!("password: [{PASSWORD}]"),
        ),
        good.replace(
            &format!("password: {PASSWORD}"),
            &format!("pasword: {PASSWORD}"),
        ),
        good.replace(
            &format!("password: {PASSWORD} }}"),
            &format!("password: {PASSWORD}"),
        ),
        good.replace(
            &format!("password: {PASSWORD}"),
            &format!("password: \"{PASSWORD}"),
        ),
        good.replace(
            &format!("password: {PASSWORD}"),
            &format!("password: *{PASSWORD}"),
        ),
        good.replace(
            &format!("username: {ACCOUNT}"),
            &format!("username: \"{ACCOUNT} \""),
        ),
        good.replace(KEY, &KEY[..12]),
    ];
    for (index, text) in broken.iter().enumerate() {
        let file = tmp.path().join("spec.yaml");
        std::fs::write(&file, text).unwrap();
        let mut command: Command = fleetctl();
        command
            .arg("up")
            .arg(&file)
            .arg("--data-dir")
            .arg(tmp.path().join("data"))
            .env("FLEET_LOG", "trace");
        let (code, stdout, stderr) = crate::common::ended(&mut command).await;
        assert_eq!(code, Some(3), "{index}: {stderr}");
        assert!(
            stderr.contains("error: ") && stderr.contains("hint: "),
            "{index}: {stderr}"
        );
        assert_clean(
            &format!("what is said of file {index}"),
            (stdout + &stderr).as_bytes(),
        );
    }
    assert!(server.users().is_empty());
}
