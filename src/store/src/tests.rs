//! Tests that break the disk under the writer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use futures_util::FutureExt as _;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::task::unconstrained;
use tokio::time::Duration;

use crate::{
    Filter, Format, Reader, Record, Source, Spool, SpoolClient, SpoolOptions, StoreError, export,
};

/// Faults that a test switches on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// The most pages that the database may have; 0 is no limit.
    pages: Arc<AtomicU32>,
    /// The next commit succeeds and is reported as failed.
    lose_answer: Arc<AtomicBool>,
}

impl Faults {
    pub(crate) fn limit_pages(&self, options: SqliteConnectOptions) -> SqliteConnectOptions {
        match self.pages.load(Ordering::SeqCst) {
            0 => options,
            pages => options.pragma("max_page_count", pages.to_string()),
        }
    }

    pub(crate) fn lose_answer(&self) -> Result<(), sqlx::Error> {
        if self.lose_answer.swap(false, Ordering::SeqCst) {
            Err(sqlx::Error::WorkerCrashed)
        } else {
            Ok(())
        }
    }
}

fn options() -> SpoolOptions {
    SpoolOptions {
        linger: Duration::from_millis(1),
        retry: Duration::from_millis(5),
        ..SpoolOptions::default()
    }
}

fn record(n: u32, query: &str) -> Record {
    Record {
        received_at: 1_700_000_000_000_000 + i64::from(n),
        username: format!("pseudonym-{n}"),
        query: query.to_owned(),
        query_raw: None,
        token: n,
        source: Source::Parent,
        branch_level: 3,
        canary: false,
    }
}

async fn tokens(dir: &Path) -> Vec<u64> {
    let reader = Reader::open(dir).await.unwrap();
    let mut output = Vec::new();
    export(&reader, Format::Jsonl, Filter::default(), &mut output)
        .await
        .unwrap();
    let lines = String::from_utf8(output).unwrap();
    lines
        .lines()
        .map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                line["seq"].as_u64().unwrap(),
                line["token"].as_u64().unwrap() + 1,
                "seq has no gap"
            );
            line["token"].as_u64().unwrap()
        })
        .collect()
}

/// A writer that never gets out of a failure must fail the test, not hold it up.
async fn flush(client: &SpoolClient) -> u64 {
    let flushed = tokio::time::timeout(Duration::from_mins(1), client.flush()).await;
    flushed.expect("the spool writes again").unwrap()
}

/// Appends until the spool takes no more at the moment.
fn append_until_full(client: &SpoolClient, query: &str) -> u32 {
    let mut accepted = 0;
    while unconstrained(client.append(record(accepted, query)))
        .now_or_never()
        .is_some()
    {
        accepted += 1;
    }
    accepted
}

#[tokio::test]
async fn a_full_disk_stalls_and_goes_on_without_a_loss() {
    let dir = tempfile::tempdir().unwrap();
    let options = options();
    let faults = options.faults.clone();
    faults.pages.store(20, Ordering::SeqCst);
    let spool = Spool::open(dir.path(), options).await.unwrap();
    let client = spool.client("a").await.unwrap();
    let mut status = spool.status();
    let writing = tokio::spawn(async move {
        for n in 0..20_000 {
            client
                .append(record(n, "a query of some length"))
                .await
                .unwrap();
        }
        client.flush().await.unwrap()
    });

    let stalled = status
        .wait_for(|status| status.stalled.is_some())
        .await
        .unwrap()
        .clone();
    let reason = stalled.stalled.unwrap();
    assert!(reason.contains("no room left"), "{reason}");
    assert!(reason.contains(&*dir.path().to_string_lossy()), "{reason}");
    assert!(reason.contains("free some space"), "{reason}");
    assert!(stalled.pending > 0);

    faults.pages.store(1_000_000, Ordering::SeqCst);
    assert_eq!(writing.await.unwrap(), 20_000);
    assert_eq!(status.borrow().stalled, None);
    assert_eq!(status.borrow().committed, 20_000);
    spool.close().await.unwrap();
    assert_eq!(tokens(dir.path()).await, (0..20_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_not_written_twice() {
    let dir = tempfile::tempdir().unwrap();
    let options = options();
    let faults = options.faults.clone();
    let spool = Spool::open(dir.path(), options).await.unwrap();
    let client = spool.client("a").await.unwrap();
    for n in 0..600 {
        if n % 100 == 0 {
            client.event("started", n.to_string()).await.unwrap();
            faults.lose_answer.store(true, Ordering::SeqCst);
        }
        client.append(record(n, "q")).await.unwrap();
        if n % 50 == 0 {
            assert_eq!(flush(&client).await, u64::from(n) + 1);
        }
    }
    assert!(!faults.lose_answer.load(Ordering::SeqCst));
    // Only an event: the sequence numbers say nothing about it.
    faults.lose_answer.store(true, Ordering::SeqCst);
    client.event("connected", String::new()).await.unwrap();
    flush(&client).await;
    spool.close().await.unwrap();

    assert_eq!(tokens(dir.path()).await, (0..600).collect::<Vec<_>>());
    let mut events = Reader::open(dir.path())
        .await
        .unwrap()
        .query("SELECT count(*) FROM events")
        .await
        .unwrap();
    let row = futures_util::TryStreamExt::try_next(&mut events.rows())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(row, [crate::Value::Int(7)]);
}

#[tokio::test]
async fn memory_is_bounded_while_nothing_can_be_written() {
    for query in ["q".to_owned(), "q".repeat(16 << 10)] {
        let dir = tempfile::tempdir().unwrap();
        let options = SpoolOptions {
            retry: Duration::from_hours(1),
            close_patience: Duration::ZERO,
            ..options()
        };
        let faults = options.faults.clone();
        let bytes = options.queue_bytes as usize;
        let entries = options.queue_entries + options.batch_entries;
        let spool = Spool::open(dir.path(), options).await.unwrap();
        let client = spool.client("a").await.unwrap();
        // The first commit fails, and the next try is far away.
        faults.lose_answer.store(true, Ordering::SeqCst);
        client.append(record(0, &query)).await.unwrap();
        let mut status = spool.status();
        status
            .wait_for(|status| status.stalled.is_some())
            .await
            .unwrap();

        let accepted = append_until_full(&client, &query) as usize;
        assert!(accepted > 100, "{accepted}");
        assert!(accepted <= entries, "{accepted}");
        assert!(accepted * query.len() <= bytes, "{accepted}");
        // Dropped appends gave back what they had taken.
        assert_eq!(append_until_full(&client, &query), 0);
        drop(spool);
    }
}

#[tokio::test]
async fn closing_on_a_full_disk_ends_and_says_what_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let options = SpoolOptions {
        close_patience: Duration::from_millis(20),
        ..options()
    };
    options.faults.pages.store(16, Ordering::SeqCst);
    let spool = Spool::open(dir.path(), options).await.unwrap();
    let client = spool.client("a").await.unwrap();
    // More than the file takes, and fewer than the queue does: none of them waits.
    for n in 0..2_000 {
        client
            .append(record(n, "a query of some length"))
            .await
            .unwrap();
    }
    let mut status = spool.status();
    status
        .wait_for(|status| status.stalled.is_some())
        .await
        .unwrap();
    let committed = status.borrow().committed;
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.flush().await }
    });
    match spool.close().await {
        Err(error @ StoreError::Undrained { waiting, .. }) => {
            assert_eq!(waiting + committed, 2_000);
            assert!(error.to_string().contains("no room left"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert!(waiting.await.unwrap().is_err());
    assert!(client.append(record(0, "q")).await.is_err());
}
