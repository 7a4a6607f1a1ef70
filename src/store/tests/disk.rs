//! A real small file system that fills up, gets room again, and becomes read-only.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;

use fleet_store::{
    Filter, Format, Reader, Record, Source, Spool, SpoolOptions, StoreError, export,
};
use tokio::time::Duration;

const DIR: &str = "FLEET_STORE_DISK_DIR";
const RECORDS: u32 = 60_000;

fn mount(options: &str, dir: &Path) {
    let status = Command::new("mount")
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(dir)
        .status()
        .unwrap();
    assert!(status.success(), "mount -o {options}");
}

fn record(n: u32) -> Record {
    Record {
        received_at: 1_700_000_000_000_000 + i64::from(n),
        username: format!("pseudonym-{n}"),
        query: "a query of some length".into(),
        query_raw: None,
        token: n,
        source: Source::Parent,
        branch_level: 3,
        canary: false,
    }
}

async fn fill_and_recover(dir: &Path) {
    let options = SpoolOptions::default();
    let limit = u64::try_from(options.queue_entries + options.batch_entries).unwrap();
    let spool = Spool::open(dir, quick(options)).await.unwrap();
    let client = spool.client("a").await.unwrap();
    let mut status = spool.status();
    let writing = tokio::spawn(async move {
        for n in 0..RECORDS {
            client.append(record(n)).await.unwrap();
        }
        client.flush().await.unwrap()
    });
    let stalled = status
        .wait_for(|status| status.stalled.is_some())
        .await
        .unwrap()
        .clone();
    let reason = stalled.stalled.unwrap();
    assert!(reason.contains(&*dir.to_string_lossy()), "{reason}");
    assert!(reason.contains("space"), "{reason}");
    // It stays full for some tries; the bound holds all the time.
    for _ in 0..5 {
        status.changed().await.unwrap();
        let status = status.borrow_and_update();
        assert!(status.stalled.is_some());
        assert!(status.pending <= limit, "{status:?}");
    }
    mount("remount,size=64m", dir);
    assert_eq!(writing.await.unwrap(), u64::from(RECORDS));
    assert_eq!(status.borrow().stalled, None);
    spool.close().await.unwrap();
}

fn quick(mut options: SpoolOptions) -> SpoolOptions {
    options.retry = Duration::from_millis(20);
    options
}

async fn check(dir: &Path) {
    let reader = Reader::open(dir).await.unwrap();
    let mut output = Vec::new();
    export(&reader, Format::Jsonl, Filter::default(), &mut output)
        .await
        .unwrap();
    let tokens: Vec<u32> = output
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap())
        .map(|line| u32::try_from(line["token"].as_u64().unwrap()).unwrap())
        .collect();
    assert_eq!(tokens, (0..RECORDS).collect::<Vec<_>>());
}

/// Permissions do not stop root, a read-only file system does.
async fn read_only(dir: &Path) {
    mount("remount,ro", dir);
    let error = Spool::open(dir, SpoolOptions::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("mount"), "{error:?}");
    let error = Spool::open(&dir.join("new"), SpoolOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
}

/// The process with its own mounts. Does nothing when the tests run as usual.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let dir = Path::new(&dir);
    mount("size=2m", dir);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        fill_and_recover(dir).await;
        check(dir).await;
        read_only(dir).await;
    });
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}

#[test]
fn a_full_disk_holds_collection_up_and_loses_nothing() {
    let allowed = Command::new("unshare").args(["-rm", "true"]).output();
    if !allowed.as_ref().is_ok_and(|output| output.status.success()) {
        println!(
            "no file system of our own, so a full one is not tested: unshare -rm: {allowed:?}"
        );
        assert!(!is_root(), "root may do this");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .arg("-rm")
        .arg(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(DIR, dir.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat())
    );
}
