//! A collector without a network: it writes scripted records of a past month into a spool and ships them, with the
//! parts that a real collector uses. Killed and started again, it goes on where its spool ends.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;
use fleet_sim::soulseek::traffic::{Traffic, TrafficOptions};
use fleet_store::{
    Pseudonymizer, Record, Scheme, ShipOptions, Shipper, Source, Spool, SpoolOptions,
    postgres::Database,
};
use jiff::Timestamp;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
struct Arguments {
    /// The name under which it writes
    #[arg(long)]
    client: String,
    /// Directory of its spool
    #[arg(long)]
    data_dir: PathBuf,
    /// The time of the first record
    #[arg(long)]
    from: Timestamp,
    /// Records in all, of this and all earlier runs
    #[arg(long)]
    records: u64,
    /// Between one record and the next, in the time of the records
    #[arg(long, default_value_t = 1000)]
    step_ms: i64,
    /// What this one of three regions (0, 1 or 2) hears of a network, at its pace, instead of records that tell who
    /// they are
    #[arg(long)]
    hears: Option<u32>,
    /// Real time between two blocks of 200 records
    #[arg(long, default_value_t = 0)]
    pause_ms: u64,
    /// How long the database is waited for at the end
    #[arg(long, default_value_t = 120)]
    drain_s: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
    let database = Database::parse(&SecretString::from(url))?;
    let spool = Spool::open(&arguments.data_dir, SpoolOptions::default()).await?;
    let client = spool.client(&arguments.client).await?;
    let stop = CancellationToken::new();
    let mut options = ShipOptions::default();
    options.linger = Duration::from_millis(50);
    options.retry_max = Duration::from_secs(1);
    options.drain = Duration::from_secs(arguments.drain_s);
    let shipper = Shipper::new(&arguments.data_dir, database, options);
    let status = shipper.status();
    let shipping = tokio::spawn(shipper.run(spool.status(), stop.clone()));

    client.event("started", String::new()).await?;
    let first = client.durable();
    let mut heard = heard(&arguments)?.skip(usize::try_from(first)?);
    for seq in first + 1..=arguments.records {
        let record = match arguments.hears {
            Some(_) => heard.next().context("the traffic has ended")?,
            None => record(&arguments, seq)?,
        };
        client.append(record).await?;
        if arguments.pause_ms > 0 && seq % 200 == 0 {
            tokio::time::sleep(Duration::from_millis(arguments.pause_ms)).await;
        }
    }
    client.event("stopped", String::new()).await?;
    spool.close().await?;
    stop.cancel();
    shipping.await?;
    let status = status.borrow().clone();
    anyhow::ensure!(status.waiting == 0, "{status:?}");
    Ok(())
}

/// Each record says who it is: the query holds the client and the number.
fn record(arguments: &Arguments, seq: u64) -> Result<Record> {
    let number = i64::try_from(seq)?;
    Ok(Record {
        received_at: arguments.from.as_microsecond() + (number - 1) * arguments.step_ms * 1000,
        username: format!("dXNlciBudW1iZXIg{:08}", seq % 1000 * 7 % 100_000_000),
        query: format!("{} record {seq}", arguments.client),
        query_raw: seq.is_multiple_of(500).then(|| vec![0xff, 0x00]),
        token: u32::try_from(seq * 2_654_435_761 % (1 << 32))?,
        source: [
            Source::Parent,
            Source::Embedded,
            Source::Server,
            Source::Direct,
        ][usize::try_from(seq % 4)?],
        branch_level: u32::try_from(seq % 7)?,
        canary: false,
    })
}

/// The same for a region in every run.
fn heard(arguments: &Arguments) -> Result<impl Iterator<Item = Record> + use<>> {
    let region = arguments.hears.unwrap_or_default();
    let mut pseudonymizer = Pseudonymizer::new(Scheme::Siv, &"a key for scripted regions".into())?;
    let mut pseudonyms: HashMap<Arc<str>, String> = HashMap::new();
    let options = TrafficOptions {
        start_micros: arguments.from.as_microsecond(),
        regions: 3,
        ..TrafficOptions::default()
    };
    let heard = Traffic::new(options).filter(move |heard| heard.region == region);
    Ok(heard.map(move |heard| Record {
        received_at: heard.at_micros,
        username: pseudonyms
            .entry(heard.username)
            .or_insert_with_key(|name| pseudonymizer.pseudonym(name))
            .clone(),
        query: heard.query.to_string(),
        query_raw: None,
        token: heard.token,
        source: Source::Parent,
        branch_level: 3 + heard.region,
        canary: false,
    }))
}
