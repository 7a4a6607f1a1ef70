//! `kill -9` while searches come in: what was said to be on the disk is there, once.

use std::collections::{BTreeMap, BTreeSet};

use fleet_sim::soulseek::Server;
use serde_json::Value;

use crate::common::{Spec, listening, server};
use crate::{exported, up};

const SEARCHES: u32 = 100_000;
const BOTH: &[&str] = &["north", "south"];
const ACCOUNTS: &[&str] = &["acct-north", "acct-south"];

#[tokio::test]
async fn what_was_committed_before_a_kill_is_there_and_nothing_twice() {
    let server = server().await;
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("data");
    let spec = Spec::new(&server, BOTH).text();
    let mut committed = 0;
    let mut found = 0;
    let mut sent = 0;
    for searches in [SEARCHES / 2, SEARCHES] {
        let mut program = up(&spec, &dir).await;
        listening(&server, ACCOUNTS).await;
        let flooding = async {
            while sent < searches {
                search(&server, sent).await;
                sent += 1;
            }
        };
        // Some are on the disk, more are on their way.
        let killing = async {
            program.committed(20_000).await;
            let reported = program.metric("fleet_spool_committed_total", "").await;
            program.kill().await;
            reported
        };
        let ((), reported) = tokio::join!(flooding, killing);
        committed += reported;
        found = complete(&exported(&dir).await);
        assert!(found >= committed, "{found} {committed}");
        // Records of this run beyond the last report are on the disk, too.
        committed = found;
    }
    let mut program = up(&spec, &dir).await;
    listening(&server, ACCOUNTS).await;
    search(&server, SEARCHES).await;
    program.committed(2).await;
    program.stop().await;
    assert_eq!(complete(&exported(&dir).await), found + 2);
}

async fn search(server: &Server, token: u32) {
    server
        .search(
            format!("user {}", token % 500).as_str(),
            token,
            format!("query {token}").as_str(),
        )
        .await;
}

/// Checks that each region's numbers have no gap and its searches are there once and whole; counts them.
fn complete(records: &[Value]) -> u64 {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for record in records {
        let region = record["client_id"].as_str().unwrap();
        let seq = last.entry(region).or_default();
        *seq += 1;
        assert_eq!(record["seq"], *seq, "{region} has a gap, or a record twice");
        let token = record["token"].as_u64().unwrap();
        assert!(
            seen.insert((region, token)),
            "{region} has the search {token} twice"
        );
        assert_eq!(record["query"], format!("query {token}"));
    }
    records.len() as u64
}
