//! Data directories that cannot be used, and two programs that want the same one.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor};
use tokio::process::Command;

use crate::common::{PATIENCE, Spec, command, ended, listening, server};
use crate::{exported, fleetctl, up};

const NORTH: &[&str] = &["north"];

#[tokio::test]
async fn a_second_program_on_the_same_directory_is_5_and_harms_nothing() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let mut first = up(&Spec::new(&server, NORTH).text(), &dir).await;
    listening(&server, &["acct-north"]).await;
    let file = dir.with_extension("yaml");
    let (code, _, said) = ended(fleetctl().arg("up").arg(file).arg("--data-dir").arg(&dir)).await;
    assert_eq!(code, Some(5), "{said}");
    let lock = dir.join("soulseek.lock");
    let wanted = format!(
        "error: {} is in use by another collector (process {})",
        lock.display(),
        first.pid()
    );
    assert!(said.contains(&wanted), "{said}");
    assert!(
        said.contains("hint: stop the other collector, or give this one its own --data-dir"),
        "{said}"
    );
    // It has not logged in, either: the first one is still there, and records. It can be read at the same time.
    server.search("anna", 1, "one").await;
    first.committed(1).await;
    assert_eq!(exported(&dir).await.len(), 1);
    first.stop().await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_5() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let spec = tmp.path().join("spec.yaml");
    for privacy in [None, Some(("siv", "a key that is long enough"))] {
        std::fs::write(
            &spec,
            Spec {
                privacy,
                ..Spec::new(&server, NORTH)
            }
            .text(),
        )
        .unwrap();
        let below_a_file = spec.join("data");
        let (code, _, said) = ended(
            fleetctl()
                .arg("up")
                .arg(&spec)
                .arg("--data-dir")
                .arg(&below_a_file),
        )
        .await;
        assert_eq!(code, Some(5), "{said}");
        assert!(
            said.contains("error: ") && said.contains("hint: "),
            "{said}"
        );
        assert!(
            said.contains(below_a_file.to_str().unwrap()) && said.contains("Not a directory"),
            "{said}"
        );
    }
    assert!(
        server.users().is_empty(),
        "nobody logs in who cannot record"
    );
}

#[tokio::test]
async fn a_directory_that_is_read_only_is_5() {
    if !may_mount().await {
        return;
    }
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    std::fs::create_dir(&dir).unwrap();
    let spec = tmp.path().join("spec.yaml");
    for privacy in [None, Some(("siv", "a key that is long enough"))] {
        std::fs::write(
            &spec,
            Spec {
                privacy,
                ..Spec::new(&server, NORTH)
            }
            .text(),
        )
        .unwrap();
        let mut unshare = command("unshare");
        // Permissions do not stop root, a read-only mount does.
        let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && exec \"$0\" up \"$2\" --data-dir \"$1\"";
        unshare
            .args(["-rm", "sh", "-c", script, env!("CARGO_BIN_EXE_fleetctl")])
            .arg(&dir)
            .arg(&spec);
        let (code, _, said) = ended(&mut unshare).await;
        assert_eq!(code, Some(5), "{said}");
        assert!(
            said.contains("error: ") && said.contains("hint: "),
            "{said}"
        );
        assert!(
            said.contains(dir.to_str().unwrap()) && said.to_lowercase().contains("read-only"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_5_and_stays_as_it_is() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let mut program = up(&Spec::new(&server, NORTH).text(), &dir).await;
    listening(&server, &["acct-north"]).await;
    program.stop().await;
    let database = dir.join("soulseek.db");
    let mut connection = SqliteConnectOptions::new()
        .filename(&database)
        .connect()
        .await
        .unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (99990101000000, 'of the future', 1, x'00', 1)";
    connection.execute(newer).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    let before = std::fs::read(&database).unwrap();

    let data_dir = ["--data-dir", dir.to_str().unwrap()];
    let mut start = fleetctl();
    start
        .arg("up")
        .arg(dir.with_extension("yaml"))
        .args(data_dir);
    let mut export = fleetctl();
    export.arg("export").args(data_dir);
    for command in [&mut start, &mut export] {
        let (code, _, said) = ended(command).await;
        assert_eq!(code, Some(5), "{said}");
        assert!(
            said.contains("was written by a newer version of this program (schema 99990101000000"),
            "{said}"
        );
        assert!(
            said.contains("hint: use the newer version of this program"),
            "{said}"
        );
    }
    assert_eq!(std::fs::read(&database).unwrap(), before);
}

/// Whether there can be file systems of our own. Where we are root there must be.
#[expect(
    clippy::print_stdout,
    reason = "whoever reads the test's output sees why it did nothing"
)]
pub(crate) async fn may_mount() -> bool {
    let mut unshare = Command::new("unshare");
    let allowed = tokio::time::timeout(PATIENCE, unshare.args(["-rm", "true"]).output())
        .await
        .unwrap();
    if allowed.as_ref().is_ok_and(|output| output.status.success()) {
        return true;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let root = status.lines().any(|line| line.starts_with("Uid:\t0\t"));
    assert!(!root, "root may do this: {allowed:?}");
    println!("no file system of our own, so this is not tested: unshare -rm: {allowed:?}");
    false
}
