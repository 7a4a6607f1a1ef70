//! `fleetctl archive` with a spool that is the database itself: what it says, and its exit codes.

use std::fs;
use std::path::PathBuf;

use fleet_store::{Record, Source, Spool, SpoolOptions};
use insta::assert_snapshot;
use tempfile::TempDir;

use crate::cli::{failure, fleetctl, result};

/// A data directory with five searches of October 2025, and an empty directory for files.
struct Study {
    dir: TempDir,
}

impl Study {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("files")).unwrap();
        let spool = Spool::open(&dir.path().join("data"), SpoolOptions::default())
            .await
            .unwrap();
        let client = spool.client("north").await.unwrap();
        let first: jiff::Timestamp = "2025-10-30T00:00:00Z".parse().unwrap();
        for number in 0..5 {
            let record = Record {
                received_at: first.as_microsecond() + number * 43_200_000_000,
                username: "dXNlcg".to_owned(),
                query: format!("query {number}"),
                query_raw: None,
                token: 7,
                source: Source::Parent,
                branch_level: 2,
                canary: false,
            };
            client.append(record).await.unwrap();
        }
        spool.close().await.unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("files/searches_2025-10.parquet")
    }

    fn args(&self, args: &[&str]) -> Vec<String> {
        let data = ["--data-dir".to_owned(), self.path("data")];
        let args = ["archive"].iter().chain(args).map(ToString::to_string);
        args.chain(data).collect()
    }

    /// Without what differs from run to run.
    fn plain(&self, text: &str) -> String {
        let text = text.replace(&self.path(""), "DIR/");
        let words = text.split_inclusive([' ', ',', '\n']);
        words
            .map(|word| match word.trim_end_matches([' ', ',', '\n']) {
                time if time.starts_with("20") && time.ends_with('Z') => word.replace(time, "TIME"),
                bytes if bytes.len() == 4 && bytes.parse::<u32>().is_ok() => {
                    word.replace(bytes, "SIZE")
                }
                _ => word.to_owned(),
            })
            .collect()
    }

    fn result(&self, args: &[&str]) -> String {
        let args = self.args(args);
        self.plain(&result(
            &args.iter().map(String::as_str).collect::<Vec<_>>(),
        ))
    }

    /// Standard output of a command that has something to say to people, too.
    fn told(&self, args: &[&str]) -> String {
        let args = self.args(args);
        let output = fleetctl(&args.iter().map(String::as_str).collect::<Vec<_>>())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        self.plain(&String::from_utf8(output.stdout).unwrap())
    }

    fn failure(&self, code: i32, args: &[&str]) -> String {
        let args = self.args(args);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        self.plain(&failure(code, &args))
    }

    fn run(&self, more: &[&str]) -> String {
        let files = self.path("files");
        let args = ["run", "--destination", &files, "-o", "csv"];
        self.result(&[&args, more].concat())
    }
}

#[tokio::test]
async fn a_month_goes_into_a_file_and_comes_back() {
    let study = Study::new().await;
    assert_snapshot!(study.run(&["--dry-run"]), @"");
    assert_snapshot!(study.run(&[]), @"");
    assert_snapshot!(study.result(&["ls", "-o", "csv"]), @"");
    assert_snapshot!(study.result(&["verify", "-o", "csv"]), @"");
    assert_snapshot!(study.result(&["export", "--month", "2025-10", "--format", "csv", "--since", "2025-10-31"]), @"");
    assert_snapshot!(study.told(&["restore", "--month", "2025-10", "--dry-run"]), @"");
    assert_snapshot!(study.told(&["restore", "--month", "2025-10"]), @"");
    assert_snapshot!(study.run(&[]), @"");
    assert_snapshot!(study.run(&["--month", "2025-10"]), @"");
}

#[tokio::test]
async fn what_cannot_be_done_is_told_with_its_exit_code() {
    let study = Study::new().await;
    let files = study.path("files");
    assert_snapshot!(study.failure(1, &["run", "--month", "2999-01", "--destination", &files]), @"");
    assert_snapshot!(study.failure(5, &["run", "--destination", &study.path("none")]), @"");
    assert_snapshot!(study.failure(1, &["restore", "--month", "2025-10"]), @"");
    assert_snapshot!(study.failure(1, &["restore", "--month", "2025-10", "--from", &files]), @"");
    assert_snapshot!(study.failure(1, &["export", "--month", "2025-10"]), @"");
    let nothing = failure(5, &["archive", "ls", "--data-dir", &study.path("none")]);
    assert_snapshot!(study.plain(&nothing), @"");
}

#[tokio::test]
async fn a_file_that_is_not_right_is_6() {
    let study = Study::new().await;
    study.run(&[]);
    let mut bytes = fs::read(study.file()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(study.file(), bytes).unwrap();
    assert_snapshot!(study.failure(6, &["restore", "--month", "2025-10"]), @"");
    let args = study.args(&["verify", "-o", "csv"]);
    let output = fleetctl(&args.iter().map(String::as_str).collect::<Vec<_>>())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(6));
    assert_snapshot!(study.plain(std::str::from_utf8(&output.stdout).unwrap()), @"");
    assert_snapshot!(study.plain(std::str::from_utf8(&output.stderr).unwrap()), @"");
    fs::remove_file(study.file()).unwrap();
    assert_snapshot!(study.result(&["ls", "-o", "csv"]), @"");
    assert_snapshot!(study.failure(6, &["restore", "--month", "2025-10"]), @"");
}

/// The URL of a database comes from the environment or the spec, and its password is never shown.
#[test]
fn a_database_that_cannot_be_reached_is_5() {
    let with = |url: &str, code: i32| {
        let output = fleetctl(&["archive", "ls"])
            .env("DATABASE_URL", url)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(
            !said.contains("hunter2") && said.contains("hint:"),
            "{said}"
        );
    };
    with("postgres://me:hunter2@127.0.0.1:1/study", 5);
    with("mysql://me:hunter2@127.0.0.1:1/study", 3);
}
