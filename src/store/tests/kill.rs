//! kill -9 in the middle of collecting: everything that was acknowledged is there, nothing is there twice.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(
    clippy::print_stdout,
    reason = "the child acknowledges on its standard output"
)]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fleet_store::{
    Filter, Format, Reader, Record, Source, Spool, SpoolClient, SpoolOptions, export,
};
use futures_util::TryStreamExt as _;

const DIR: &str = "FLEET_STORE_KILL_DIR";
const LAST: &str = "FLEET_STORE_KILL_LAST";
const RECORDS: u64 = 50_000;
const CLIENTS: [&str; 2] = ["falkenstein", "ashburn"];

/// Everything about the record `seq` of a client follows from its number.
fn record(client: &str, seq: u64) -> Record {
    let token = u32::try_from(seq).unwrap();
    Record {
        received_at: 1_700_000_000_000_000 + i64::from(token),
        username: format!("user-{client}-{}", seq % 97),
        query: format!("query {seq} of {client} ♫"),
        query_raw: seq.is_multiple_of(1000).then(|| seq.to_le_bytes().to_vec()),
        token,
        source: [
            Source::Parent,
            Source::Embedded,
            Source::Server,
            Source::Direct,
        ][token as usize % 4],
        branch_level: token % 11,
        canary: false,
    }
}

async fn collect(client: SpoolClient, name: &'static str, last: u64) {
    let durable = client.flush().await.unwrap();
    assert_eq!(durable, client.durable());
    client
        .event("started", format!("after {durable}"))
        .await
        .unwrap();
    let appending = async {
        for seq in durable + 1..=last {
            client.append(record(name, seq)).await.unwrap();
        }
    };
    let acknowledging = async {
        while client.durable() < last {
            let acknowledged = client.flush().await.unwrap();
            println!("ACK {name} {acknowledged}");
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(appending, acknowledging);
}

/// The process that is killed. Does nothing when the tests run as usual.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let last = std::env::var(LAST).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        // Small commits: more of them can be hit.
        let mut options = SpoolOptions::default();
        options.queue_entries = 256;
        options.batch_entries = 512;
        let spool = Spool::open(Path::new(&dir), options).await.unwrap();
        let mut tasks = Vec::new();
        for name in CLIENTS {
            tasks.push(tokio::spawn(collect(
                spool.client(name).await.unwrap(),
                name,
                last,
            )));
        }
        for task in tasks {
            task.await.unwrap();
        }
        spool.close().await.unwrap();
    });
}

/// Starts a process that goes on until every client has the record `last`.
fn start(dir: &Path, last: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(DIR, dir)
        .env(LAST, last.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads acknowledgements until there were `limit`; false when the child ends before.
fn read_acknowledged(
    child: &mut Child,
    limit: u64,
    acknowledged: &mut HashMap<String, u64>,
) -> bool {
    let mut lines = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        // The test runner writes its own words, and the pipe may end in the middle of a line.
        let Some((_, text)) = line.split_once("ACK ") else {
            continue;
        };
        let Some((name, seq)) = text.split_once(' ') else {
            continue;
        };
        let seq: u64 = seq.parse().unwrap();
        let known = acknowledged.entry(name.to_owned()).or_default();
        assert!(seq >= *known, "{name} went back from {known} to {seq}");
        *known = seq;
        lines += 1;
        if lines == limit {
            return true;
        }
    }
    false
}

async fn check(dir: &Path, acknowledged: &HashMap<String, u64>) -> HashMap<String, u64> {
    let reader = Reader::open(dir).await.unwrap();
    let mut output = Vec::new();
    export(&reader, Format::Jsonl, Filter::default(), &mut output)
        .await
        .unwrap();
    let mut found: HashMap<String, u64> = HashMap::new();
    for line in output
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let line: serde_json::Value = serde_json::from_slice(line).unwrap();
        let client = line["client_id"].as_str().unwrap();
        let seq = line["seq"].as_u64().unwrap();
        let last = found.entry(client.to_owned()).or_default();
        assert_eq!(seq, *last + 1, "{client} has a gap, or a record twice");
        *last = seq;
        let wanted = record(client, seq);
        assert_eq!(line["query"], wanted.query);
        assert_eq!(line["username"], wanted.username);
        assert_eq!(line["token"], wanted.token);
        assert_eq!(line["source"], wanted.source.as_str());
        assert_eq!(line["branch_level"], wanted.branch_level);
        assert_eq!(line.get("query_raw").is_some(), wanted.query_raw.is_some());
    }
    for (client, seq) in acknowledged {
        assert!(
            found.get(client).unwrap_or(&0) >= seq,
            "{client}: {seq} was acknowledged"
        );
    }
    found
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_and_nothing_is_there_twice() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("data");
    let mut acknowledged = HashMap::new();
    let mut last = RECORDS;
    let mut random = u64::from(std::process::id());
    for round in 0..6 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mut child = start(&dir, u64::MAX);
        let alive = read_acknowledged(&mut child, 1 + (random >> 33) % 12, &mut acknowledged);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            alive,
            "the child ended before it was killed, in round {round}"
        );
        let found = check(&dir, &acknowledged).await;
        last = found
            .into_values()
            .fold(last, |last, found| last.max(found + 1000));
    }
    let mut child = start(&dir, last);
    read_acknowledged(&mut child, u64::MAX, &mut acknowledged);
    assert!(child.wait().unwrap().success());
    assert_eq!(
        check(&dir, &acknowledged).await,
        CLIENTS.map(|name| (name.to_owned(), last)).into()
    );

    let mut starts = Reader::open(&dir)
        .await
        .unwrap()
        .query("SELECT * FROM events WHERE kind = 'started'")
        .await
        .unwrap();
    assert!(starts.rows().try_next().await.unwrap().is_some());
}
