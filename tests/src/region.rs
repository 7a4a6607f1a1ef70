//! A region in the process of the test: a spool and its shipper, which a test watches while it does something to the
//! database.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fleet_store::{
    Record, ShipOptions, ShipStatus, Shipper, Source, Spool, SpoolClient, SpoolOptions,
    postgres::Database,
};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::postgres::Postgres;

/// How long a test waits. Far more than anything takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// 2026-10-01T00:00:00Z in microseconds since 1970: the first record. Each is a minute after the one before.
const FIRST: i64 = 1_790_812_800_000_000;
const MINUTE: i64 = 60_000_000;

/// What no message may show: the password of every role of these tests.
pub const PASSWORD: &str = "hunter2-of-the-test";

/// A spool that is shipped.
#[derive(Debug)]
pub struct Region {
    name: String,
    spool: Spool,
    client: SpoolClient,
    status: watch::Receiver<ShipStatus>,
    stop: CancellationToken,
    shipping: JoinHandle<()>,
    _dir: TempDir,
}

/// The options of a shipper, with short waits.
pub fn quick() -> ShipOptions {
    let mut options = ShipOptions::default();
    options.linger = Duration::from_millis(20);
    options.retry_min = Duration::from_millis(20);
    options.retry_max = Duration::from_millis(200);
    options.drain = PATIENCE;
    options
}

impl Region {
    /// Opens a new spool and begins to ship it.
    pub async fn start(name: &str, url: &str) -> Result<Self> {
        Self::start_with(name, url, quick()).await
    }

    /// The same with options of its own.
    pub async fn start_with(name: &str, url: &str, options: ShipOptions) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let database = Database::parse(&SecretString::from(url))?;
        let spool = Spool::open(dir.path(), SpoolOptions::default()).await?;
        let client = spool.client(name).await?;
        let shipper = Shipper::new(dir.path(), database, options);
        let status = shipper.status();
        let stop = CancellationToken::new();
        let shipping = tokio::spawn(shipper.run(spool.status(), stop.clone()));
        Ok(Self {
            name: name.to_owned(),
            spool,
            client,
            status,
            stop,
            shipping,
            _dir: dir,
        })
    }

    /// Records so many more; they are on the disk afterwards, whatever the database does.
    pub async fn record(&self, records: u64) -> Result<()> {
        let begin = self.client.durable() + 1;
        for seq in begin..begin + records {
            let record = record(&self.name, i64::try_from(seq)?);
            timeout(PATIENCE, self.client.append(record)).await??;
        }
        let durable = timeout(PATIENCE, self.client.flush()).await??;
        ensure!(durable == begin + records - 1, "{durable} records");
        Ok(())
    }

    /// Records something special.
    pub async fn record_query(&self, query: &str) -> Result<()> {
        let seq = i64::try_from(self.client.durable() + 1)?;
        let mut record = record(&self.name, seq);
        query.clone_into(&mut record.query);
        self.client.append(record).await?;
        self.client.event("tested", query.to_owned()).await?;
        self.client.flush().await?;
        Ok(())
    }

    /// Waits until the shipper's status is one like this; gives it.
    pub async fn until(
        &mut self,
        what: &str,
        is: impl Fn(&ShipStatus) -> bool,
    ) -> Result<ShipStatus> {
        let found = timeout(PATIENCE, self.status.wait_for(|status| is(status))).await;
        let found = found.map(|found| found.map(|status| status.clone()));
        let status = found.with_context(|| {
            format!("waited for {what}, and there is {:?}", self.status.borrow())
        })??;
        let text = format!("{status:?}");
        ensure!(!text.contains(PASSWORD), "the password is told: {text}");
        Ok(status)
    }

    /// Waits until the shipper tells of a trouble with these words; gives all of it.
    pub async fn trouble(&mut self, words: &str) -> Result<String> {
        let says = |status: &ShipStatus| {
            let trouble = status.trouble.as_ref();
            trouble.is_some_and(|trouble| trouble.contains(words))
        };
        let status = self.until(&format!("`{words}`"), says).await?;
        Ok(status.trouble.unwrap_or_default())
    }

    /// Waits until everything that was recorded has arrived and nothing is wrong.
    pub async fn well(&mut self) -> Result<ShipStatus> {
        let all = self.client.durable();
        self.until("all records to arrive", |status| {
            status.trouble.is_none() && status.waiting == 0 && status.shipped >= all
        })
        .await
    }

    /// How shipping is doing.
    pub fn status(&self) -> ShipStatus {
        self.status.borrow().clone()
    }

    /// Ends collection; waits until the rest is shipped; then every record is in the database once.
    pub async fn finish(self, server: &Postgres, database: &str) -> Result<()> {
        let records = self.client.durable();
        self.spool.close().await?;
        self.stop.cancel();
        timeout(2 * PATIENCE, self.shipping).await??;
        let status = self.status.borrow().clone();
        ensure!(status.waiting == 0, "{status:?}");
        assert_once(server, database, &self.name, records).await
    }
}

/// Every record of a client is there once, and what was counted agrees.
pub async fn assert_once(
    server: &Postgres,
    database: &str,
    client: &str,
    records: u64,
) -> Result<()> {
    let sql = format!(
        "SELECT count(*), count(DISTINCT seq), coalesce(sum(seq), 0), \
         count(*) FILTER (WHERE query <> client_id || ' record ' || seq), \
         (SELECT coalesce(sum(searches), 0) FROM soulseek.day_count JOIN soulseek.client ON id = client WHERE name = '{client}'), \
         (SELECT coalesce(sum(missing), 0) FROM soulseek.ingest_cursor JOIN soulseek.client ON id = client WHERE name = '{client}') \
         FROM soulseek.searches WHERE client_id = '{client}'"
    );
    let found = server.psql(database, &sql).await?;
    let sum = records * (records + 1) / 2;
    let expected = format!("{records}|{records}|{sum}|0|{records}|0");
    ensure!(
        found == expected,
        "{client}: {found} instead of {expected} (records, numbers, their sum, wrong ones, counted, missing)"
    );
    Ok(())
}

/// Each record says who it is.
fn record(client: &str, seq: i64) -> Record {
    Record {
        received_at: FIRST + (seq - 1) * MINUTE,
        username: "dXNlciBudW1iZXIgNw".to_owned(),
        query: format!("{client} record {seq}"),
        query_raw: None,
        token: 7,
        source: Source::Parent,
        branch_level: 3,
        canary: false,
    }
}
