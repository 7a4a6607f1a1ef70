//! A database that is away, slow, silent, full, read-only, locked or not the right one: records wait in the spool, the
//! shipper says why, and in the end each of them is there once.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use fleet_store::postgres::{self, Database};
use fleet_tests::{
    certificates::Certificates,
    pgbouncer::{self, PgBouncer},
    postgres::{Options, Postgres},
    region::{PASSWORD, Region, quick},
    wire::{Action, Proxy, Side},
};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines, copy_bidirectional},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::{Instant, sleep},
};

const LOOK_AGAIN: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_mins(1);

/// Makes the database `fleet` with its tables, and the login `writer`; its URL.
async fn prepare(server: &Postgres) -> Result<String> {
    let url = server.create_database("fleet").await?;
    postgres::migrate(&Database::parse(&SecretString::from(url))?).await?;
    let writer = format!("CREATE ROLE writer LOGIN PASSWORD '{PASSWORD}' IN ROLE fleet_writer");
    server.psql("fleet", &writer).await?;
    Ok(server.url_as("writer", PASSWORD, "fleet"))
}

/// A server with a setting or two.
async fn server(settings: &[(&str, &str)]) -> Result<Postgres> {
    let settings = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Postgres::start_with(Options {
        settings,
        ..Options::default()
    })
    .await
}

/// Waits until a query of the superuser gives this.
async fn until(server: &Postgres, sql: &str, expected: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = server.psql("fleet", sql).await?;
        if found == expected {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{sql}: {found}, not {expected}");
        sleep(LOOK_AGAIN).await;
    }
}

/// Ends every connection of the shippers.
async fn disconnect(server: &Postgres) -> Result<()> {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'writer'";
    server.psql("postgres", sql).await.map(drop)
}

/// A psql that stays.
pub(crate) struct Session {
    _process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Session {
    pub(crate) async fn start(server: &Postgres, url: &str) -> Result<Self> {
        let mut process = Command::new(server.bin("psql"))
            .args(["-X", "-q", "-A", "-t", "-w", "-d", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut session = Self {
            input: process.stdin.take().context("no input")?,
            output: BufReader::new(process.stdout.take().context("no output")?).lines(),
            _process: process,
        };
        session.run("SELECT 1").await?;
        Ok(session)
    }

    /// Returns when it is done.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<()> {
        let text = format!("{sql};\n\\echo done\n");
        self.input.write_all(text.as_bytes()).await?;
        while self.output.next_line().await?.context("psql has ended")? != "done" {}
        Ok(())
    }
}

/// Passes each connection on, the first to the first of these, and so on; all others to the last.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Relay {
    pub(crate) async fn start(ip: impl Into<IpAddr>, targets: Vec<SocketAddr>) -> Result<Self> {
        let listener = TcpListener::bind((ip.into(), 0)).await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            for number in 0.. {
                let Ok((mut here, _)) = listener.accept().await else {
                    return;
                };
                let target = targets[number.min(targets.len() - 1)];
                tokio::spawn(async move {
                    let mut there = TcpStream::connect(target).await?;
                    copy_bidirectional(&mut here, &mut there).await
                });
            }
        });
        Ok(Self { address, task })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn a_server_that_is_away_for_a_while() {
    let mut server = Postgres::start().await.unwrap();
    let url = prepare(&server).await.unwrap();
    let mut region = Region::start("germany", &url).await.unwrap();
    region.record(500).await.unwrap();
    region.well().await.unwrap();
    server.stop().await.unwrap();
    region.record(2_000).await.unwrap();
    let trouble = region.trouble("cannot connect").await.unwrap();
    assert!(
        trouble.contains("check that the database runs"),
        "{trouble}"
    );
    region.record(2_000).await.unwrap();
    // It is known how much waits, though nobody can be asked.
    let status = region.until("to count them", |status| status.waiting == 4_000);
    assert_eq!(status.await.unwrap().shipped, 500);
    server.start_again().await.unwrap();
    region.well().await.unwrap();
    region.finish(&server, "fleet").await.unwrap();
}

/// The answer to the last COMMIT is lost: nothing is left to send, and so nothing else tells that all is well.
#[tokio::test]
async fn trouble_ends_with_the_connection_though_nothing_waits() {
    let server = Postgres::start().await.unwrap();
    let url = prepare(&server).await.unwrap();
    let proxy = Proxy::start(server.address()).await.unwrap();
    let mut region = Region::start("rehearsal", &proxy.url(&url)).await.unwrap();
    region.record(1).await.unwrap();
    region.well().await.unwrap();
    let kinds = proxy.kinds();
    let commit =
        kinds.find('d').unwrap() + kinds[kinds.find('d').unwrap()..].find('Q').unwrap() + 1;
    region.finish(&server, "fleet").await.unwrap();

    let proxy = Proxy::start(server.address()).await.unwrap();
    let mut step = proxy.at(commit, Side::After, Action::Cut);
    let mut region = Region::start("germany", &proxy.url(&url)).await.unwrap();
    region.record(1).await.unwrap();
    step.reached().await.unwrap();
    let status = region.until("trouble to have come and gone", |status| {
        status.failures > 0 && status.trouble.is_none() && status.waiting == 0
    });
    // It came with the connection that broke.
    assert_eq!(status.await.unwrap().shipped, 0);
    region.finish(&server, "fleet").await.unwrap();
}

/// What the database has acknowledged the spool has forgotten: so it must be on the database's disk, even where
/// somebody has allowed the server to be careless.
#[tokio::test]
async fn a_server_that_is_killed_loses_nothing_that_it_took() {
    let mut server = Postgres::start_with(Options {
        durable: true,
        settings: [("synchronous_commit", "off"), ("wal_writer_delay", "10000")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        ..Options::default()
    })
    .await
    .unwrap();
    let url = prepare(&server).await.unwrap();
    let mut region = Region::start("germany", &url).await.unwrap();
    for _ in 0..3 {
        region.record(300).await.unwrap();
        region.well().await.unwrap();
        server.kill().await.unwrap();
        region.record(300).await.unwrap();
        region.trouble("the database").await.unwrap();
        server.start_again().await.unwrap();
    }
    region.well().await.unwrap();
    region.finish(&server, "fleet").await.unwrap();
}

#[tokio::test]
async fn a_slow_way_makes_small_steps_and_all_arrives() {
    let server = Postgres::start().await.unwrap();
    let url = prepare(&server).await.unwrap();
    let proxy = Proxy::start(server.address()).await.unwrap();
    let mut options = quick();
    options.min_records = 100;
    options.target = Duration::from_millis(200);
    let mut region = Region::start_with("germany", &proxy.url(&url), options)
        .await
        .unwrap();
    region.record(100).await.unwrap();
    region.well().await.unwrap();
    proxy.delay(Duration::from_millis(100));
    region.record(600).await.unwrap();
    // The first may still be one that was made for a fast way.
    let mut shipped = 100;
    while shipped < 700 {
        let status = region
            .until("the next step", |status| status.shipped > shipped)
            .await
            .unwrap();
        assert!(status.last_batch_records <= 200, "{status:?}");
        assert!(
            shipped < 400 || status.last_batch_records <= 100,
            "{status:?}"
        );
        shipped = status.shipped;
    }
    proxy.delay(Duration::ZERO);
    region.finish(&server, "fleet").await.unwrap();
}

#[tokio::test]
async fn a_frozen_connection_is_given_up() {
    let server = Postgres::start().await.unwrap();
    let url = prepare(&server).await.unwrap();
    let proxy = Proxy::start(server.address()).await.unwrap();
    let mut options = quick();
    options.patience = Duration::from_secs(1);
    let mut region = Region::start_with("germany", &proxy.url(&url), options)
        .await
        .unwrap();
    region.record(100).await.unwrap();
    region.well().await.unwrap();
    proxy.freeze();
    region.record(2_000).await.unwrap();
    let trouble = region
        .trouble("has not answered for 1 second")
        .await
        .unwrap();
    assert!(trouble.contains("check the network between"), "{trouble}");
    region.record(2_000).await.unwrap();
    // A new connection gets no answer either.
    let before = region.status().failures;
    region
        .until("more failures", |status| status.failures > before + 1)
        .await
        .unwrap();
    proxy.release();
    region.well().await.unwrap();
    region.finish(&server, "fleet").await.unwrap();
}

/// The way breaks in a transaction, and the server does not learn of it: what its session holds must not hold up
/// the next one for the two hours after which TCP notices.
#[tokio::test]
async fn a_session_that_the_server_believes_in_does_not_stand_in_the_way_of_the_next() {
    let server = Postgres::start().await.unwrap();
    let url = prepare(&server).await.unwrap();
    // Which message begins the COPY: the last that goes out before its first data.
    let proxy = Proxy::start(server.address()).await.unwrap();
    let mut region = Region::start("rehearsal", &proxy.url(&url)).await.unwrap();
    region.record(10).await.unwrap();
    region.well().await.unwrap();
    let copy = proxy.kinds().find('d').unwrap();
    region.finish(&server, "fleet").await.unwrap();

    let proxy = Proxy::start(server.address()).await.unwrap();
    let mut step = proxy.at(copy, Side::Before, Action::Freeze);
    let relay = Relay::start(Ipv4Addr::LOCALHOST, vec![proxy.address(), server.address()])
        .await
        .unwrap();
    let url = url.replace(&server.address().to_string(), &relay.address.to_string());
    let mut options = quick();
    options.patience = Duration::from_secs(2);
    let mut region = Region::start_with("germany", &url, options).await.unwrap();
    region.record(10).await.unwrap();
    step.reached().await.unwrap();
    until(
        &server,
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'writer' AND state = 'idle in transaction'",
        "1",
    )
    .await
    .unwrap();
    region.trouble("the database").await.unwrap();
    region.well().await.unwrap();
    region.finish(&server, "fleet").await.unwrap();
    proxy.release();
}

#[tokio::test]
async fn a_database_that_can_only_be_read() {
    let server = Postgres::start().await.unwrap();
    let url = prepare(&server).await.unwrap();
    let mut region = Region::start("germany", &url).await.unwrap();
    region.record(100).await.unwrap();
    region.well().await.unwrap();
    let read_only = async |on: &str| {
        let sql = format!("ALTER DATABASE fleet SET default_transaction_read_only = {on}");
        server.psql("postgres", &sql).await.unwrap();
        disconnect(&server).await.unwrap();
    };
    read_only("on").await;
    region.record(2_000).await.unwrap();
    let trouble = region.trouble("can only be read").await.unwrap();
    assert!(trouble.contains("name the primary server"), "{trouble}");
    region.record(2_000).await.unwrap();
    assert_eq!(region.status().shipped, 100);
    read_only("off").await;
    region.well().await.unwrap();
    region.finish(&server, "fleet").await.unwrap();
}

/// A small file system of memory, as long as this is there.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount(megabytes: u32) -> Result<Self> {
        let dir = TempDir::new()?;
        let mounted = std::process::Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={megabytes}m,mode=0755"),
                "tmpfs",
            ])
            .arg(dir.path())
            .output()?;
        ensure!(
            mounted.status.success(),
            "{}",
            String::from_utf8_lossy(&mounted.stderr)
        );
        Ok(Self(dir))
    }

    /// Writes until there is no room.
    fn fill(&self) -> PathBuf {
        let filler = self.0.path().join("filler");
        let mut file = std::fs::File::create(&filler).unwrap();
        let block = vec![0; 4096];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("--lazy")
            .arg(self.0.path())
            .status();
    }
}

#[tokio::test]
async fn a_full_disk() {
    let disk = match SmallDisk::mount(128) {
        Ok(disk) => disk,
        Err(error) => {
            println!("skipped, no file system can be mounted here: {error}");
            return;
        }
    };
    let server = Postgres::start_with(Options {
        data_dir: Some(disk.0.path().join("data")),
        settings: [
            ("max_wal_size", "32MB"),
            ("min_wal_size", "32MB"),
            ("autovacuum", "off"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        ..Options::default()
    })
    .await
    .unwrap();
    let url = prepare(&server).await.unwrap();
    let mut region = Region::start("germany", &url).await.unwrap();
    region.record(1_000).await.unwrap();
    region.well().await.unwrap();
    // A new file of the log has room for all that follows: a server that cannot write it ends altogether.
    server
        .psql(
            "fleet",
            "CHECKPOINT; SELECT pg_switch_wal(); CREATE TABLE t (n int); CHECKPOINT",
        )
        .await
        .unwrap();
    let filler = disk.fill();
    region.record(5_000).await.unwrap();
    let trouble = region.trouble("is full").await.unwrap();
    assert!(trouble.contains("the disk of the database"), "{trouble}");
    assert!(
        trouble.contains("make room on the database's disk"),
        "{trouble}"
    );
    region.record(1_000).await.unwrap();
    std::fs::remove_file(filler).unwrap();
    region.well().await.unwrap();
    region.finish(&server, "fleet").await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_an_unknown_user_and_a_database_that_is_not_there() {
    let server = Postgres::start().await.unwrap();
    let url = prepare(&server).await.unwrap();
    let change = format!("ALTER ROLE writer PASSWORD '{PASSWORD} changed'");
    server.psql("fleet", &change).await.unwrap();
    let mut region = Region::start("germany", &url).await.unwrap();
    region.record(100).await.unwrap();
    let trouble = region.trouble("refuses the user `writer`").await.unwrap();
    assert!(
        trouble.contains("password authentication failed"),
        "{trouble}"
    );
    assert!(
        trouble.contains("check user, password and database name"),
        "{trouble}"
    );
    let change = format!("ALTER ROLE writer PASSWORD '{PASSWORD}'");
    server.psql("fleet", &change).await.unwrap();
    region.well().await.unwrap();
    region.finish(&server, "fleet").await.unwrap();

    let url = server.url_as("nobody", PASSWORD, "fleet");
    let mut region = Region::start("france", &url).await.unwrap();
    region.trouble("refuses the user `nobody`").await.unwrap();
    region.record(100).await.unwrap();
    let create = format!("CREATE ROLE nobody LOGIN PASSWORD '{PASSWORD}' IN ROLE fleet_writer");
    server.psql("fleet", &create).await.unwrap();
    region.well().await.unwrap();
    region.finish(&server, "fleet").await.unwrap();

    let url = server.url_as("writer", PASSWORD, "later");
    let mut region = Region::start("italy", &url).await.unwrap();
    let trouble = region
        .trouble("database \"later\" does not exist")
        .await
        .unwrap();
    assert!(
        trouble.contains("check user, password and database name"),
        "{trouble}"
    );
    region.record(100).await.unwrap();
    let url = server.create_database("later").await.unwrap();
    region.trouble("older than this program").await.unwrap();
    postgres::migrate(&Database::parse(&SecretString::from(url)).unwrap())
        .await
        .unwrap();
    region.well().await.unwrap();
    region.finish(&server, "later").await.unwrap();
}

#[tokio::test]
async fn too_many_connections() {
    let settings = [
        ("max_connections", "4"),
        ("superuser_reserved_connections", "2"),
    ];
    let server = server(&settings).await.unwrap();
    let url = prepare(&server).await.unwrap();
    let others = [
        Session::start(&server, &url).await.unwrap(),
        Session::start(&server, &url).await.unwrap(),
    ];
    let mut region = Region::start("germany", &url).await.unwrap();
    region.record(100).await.unwrap();
    let trouble = region
        .trouble("takes no connection at the moment")
        .await
        .unwrap();
    assert!(trouble.contains("raise max_connections"), "{trouble}");
    drop(others);
    region.well().await.unwrap();
    region.finish(&server, "fleet").await.unwrap();
}

#[tokio::test]
async fn a_locked_table_is_waited_for_and_told() {
    let server = Postgres::start().await.unwrap();
    let url = prepare(&server).await.unwrap();
    let mut patient = Region::start("germany", &url).await.unwrap();
    let mut options = quick();
    options.patience = Duration::from_secs(2);
    let mut impatient = Region::start_with("france", &url, options).await.unwrap();
    for region in [&mut patient, &mut impatient] {
        region.record(100).await.unwrap();
        region.well().await.unwrap();
    }
    let mut session = Session::start(&server, &server.url("fleet")).await.unwrap();
    session
        .run("BEGIN; LOCK TABLE soulseek.search IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    for region in [&patient, &impatient] {
        region.record(1_000).await.unwrap();
    }
    let trouble = impatient.trouble("somebody is in the way").await.unwrap();
    assert!(trouble.contains("pg_stat_activity"), "{trouble}");
    // Who gives up leaves nobody behind who waits on.
    let before = impatient.status().failures;
    impatient
        .until("more failures", |status| status.failures > before + 2)
        .await
        .unwrap();
    let waiting = "SELECT count(*) <= 2 FROM pg_stat_activity WHERE usename = 'writer' AND wait_event_type = 'Lock'";
    assert_eq!(server.psql("fleet", waiting).await.unwrap(), "t");
    for region in [&patient, &impatient] {
        region.record(1_000).await.unwrap();
    }
    session.run("COMMIT").await.unwrap();
    for mut region in [patient, impatient] {
        region.well().await.unwrap();
        region.finish(&server, "fleet").await.unwrap();
    }
}

#[tokio::test]
async fn a_pooler_that_is_away_and_a_server_behind_it_that_is() {
    let mut server = Postgres::start().await.unwrap();
    prepare(&server).await.unwrap();
    let mut pooler = PgBouncer::start_with(
        server.address(),
        pgbouncer::Options {
            roles: vec![("writer".to_owned(), PASSWORD.to_owned())],
            check_passwords: true,
            settings: [("server_login_retry", "1"), ("query_wait_timeout", "2")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            ..pgbouncer::Options::default()
        },
    )
    .await
    .unwrap();
    let url = pooler.url_as("writer", PASSWORD, "fleet");
    let mut region = Region::start("germany", &url).await.unwrap();
    region.record(1_000).await.unwrap();
    region.well().await.unwrap();
    pooler.stop().await.unwrap();
    region.record(1_000).await.unwrap();
    region.trouble("cannot connect").await.unwrap();
    pooler.start_again().await.unwrap();
    region.well().await.unwrap();

    server.stop().await.unwrap();
    region.record(1_000).await.unwrap();
    let trouble = region
        .trouble("takes no connection at the moment")
        .await
        .unwrap();
    assert!(trouble.contains("nothing is lost"), "{trouble}");
    server.start_again().await.unwrap();
    region.well().await.unwrap();

    for (url, words) in [
        (
            pooler.url_as("writer", "wrong", "fleet"),
            "refuses the user `writer`",
        ),
        (
            pooler.url_as("nobody", PASSWORD, "fleet"),
            "refuses the user `nobody`",
        ),
        (
            pooler.url_as("writer", PASSWORD, "nowhere"),
            "\"nowhere\" does not exist",
        ),
    ] {
        let mut other = Region::start("france", &url).await.unwrap();
        let trouble = other.trouble(words).await.unwrap();
        assert!(
            trouble.contains("check user, password and database name"),
            "{trouble}"
        );
    }
    region.finish(&server, "fleet").await.unwrap();
}

#[tokio::test]
async fn a_month_that_is_taken_away_while_its_records_still_come() {
    let server = Postgres::start().await.unwrap();
    let url = prepare(&server).await.unwrap();
    let mut region = Region::start("germany", &url).await.unwrap();
    region.record(2_000).await.unwrap();
    region.well().await.unwrap();
    let detach = "INSERT INTO soulseek.archives (month, part, file_path, state, record_count, sha256, archived_at) \
                  VALUES ('2026-10', 0, '/x', 'verified', 2000, '', now()); SELECT soulseek.detach_month('2026-10')";
    let detached = server.psql("fleet", detach).await.unwrap();
    region.record(2_000).await.unwrap();
    region.well().await.unwrap();
    let count = "SELECT count(*), min(seq) FROM soulseek.searches";
    assert_eq!(server.psql("fleet", count).await.unwrap(), "2000|2001");
    let drop = format!("SELECT soulseek.drop_detached('2026-10', '{detached}')");
    assert_eq!(server.psql("fleet", &drop).await.unwrap(), "2000");
    region.record(500).await.unwrap();
    region.well().await.unwrap();
    assert_eq!(server.psql("fleet", count).await.unwrap(), "2500|2001");
    let counted = "SELECT last_seq, missing, (SELECT sum(searches) FROM soulseek.day_count) FROM soulseek.ingest_cursor";
    assert_eq!(server.psql("fleet", counted).await.unwrap(), "4500|0|4500");
}

/// PostgreSQL has no text with U+0000. Nobody makes such a record; but a single one would hold up all others.
#[tokio::test]
async fn a_text_that_no_database_takes_holds_nothing_up() {
    let server = Postgres::start().await.unwrap();
    let url = prepare(&server).await.unwrap();
    let mut region = Region::start("germany", &url).await.unwrap();
    region.record_query("a\0b").await.unwrap();
    region.record(10).await.unwrap();
    region.well().await.unwrap();
    let found =
        "SELECT count(*), min(query), (SELECT detail FROM soulseek.events) FROM soulseek.searches";
    assert_eq!(
        server.psql("fleet", found).await.unwrap(),
        "11|a\u{2400}b|a\u{2400}b"
    );
}

/// The URL of a login with TLS.
fn tls(address: SocketAddr, mode: &str, authority: &Path) -> String {
    format!(
        "postgres://writer:{PASSWORD}@{address}/fleet?sslmode={mode}&sslrootcert={}",
        authority.display()
    )
}

#[tokio::test]
async fn a_certificate_is_checked_before_anything_is_sent() {
    let certificates = Certificates::new().unwrap();
    let server = Postgres::start_with(Options {
        certificate: Some(certificates.server.clone()),
        settings: vec![("log_connections".to_owned(), "on".to_owned())],
        ..Options::default()
    })
    .await
    .unwrap();
    prepare(&server).await.unwrap();
    let right = certificates.authority();
    // By this address the server has no certificate.
    let relay = Relay::start(Ipv4Addr::new(127, 0, 0, 2), vec![server.address()])
        .await
        .unwrap();
    let missing = right.with_file_name("missing.pem");
    for (url, words, hint) in [
        (
            tls(
                server.address(),
                "verify-full",
                &certificates.other_authority(),
            ),
            "UnknownIssuer",
            "sslrootcert=",
        ),
        (
            tls(
                server.address(),
                "verify-ca",
                &certificates.other_authority(),
            ),
            "UnknownIssuer",
            "sslrootcert=",
        ),
        // As libpq does it: an authority that is named is asked.
        (
            tls(server.address(), "require", &certificates.other_authority()),
            "UnknownIssuer",
            "sslrootcert=",
        ),
        (
            tls(relay.address, "verify-full", &right),
            "not valid for name",
            "sslrootcert=",
        ),
        (
            tls(server.address(), "verify-full", &missing),
            "missing.pem",
            "sslrootcert=",
        ),
        // The server speaks nothing but TLS.
        (
            tls(server.address(), "disable", &right),
            "refuses the user `writer`",
            "pg_hba.conf",
        ),
    ] {
        let mut region = Region::start("sealand", &url).await.unwrap();
        region.record(10).await.unwrap();
        let trouble = region.trouble(words).await.unwrap();
        assert!(trouble.contains(hint), "{trouble}");
        assert!(
            words.starts_with("refuses") || trouble.contains("cannot be trusted"),
            "{trouble}"
        );
        assert_eq!(region.status().shipped, 0);
    }
    let log = server.log();
    assert!(!log.contains("user=writer"), "{log}");

    for mode in ["verify-full", "verify-ca", "require"] {
        let mut region = Region::start(mode, &tls(server.address(), mode, &right))
            .await
            .unwrap();
        region.record(1_000).await.unwrap();
        region.well().await.unwrap();
        region.finish(&server, "fleet").await.unwrap();
    }
    let url = tls(relay.address, "verify-ca", &right);
    let mut region = Region::start("sealand", &url).await.unwrap();
    region.record(10).await.unwrap();
    region.well().await.unwrap();
    assert!(server.log().contains("user=writer"));
}

#[tokio::test]
async fn a_pooler_speaks_tls_and_a_server_without_it_is_refused() {
    let certificates = Certificates::new().unwrap();
    let server = Postgres::start().await.unwrap();
    prepare(&server).await.unwrap();
    let pooler = PgBouncer::start_with(
        server.address(),
        pgbouncer::Options {
            certificate: Some(certificates.server.clone()),
            roles: vec![("writer".to_owned(), PASSWORD.to_owned())],
            check_passwords: true,
            ..pgbouncer::Options::default()
        },
    )
    .await
    .unwrap();
    let right = certificates.authority();
    let mut region = Region::start("germany", &tls(pooler.address(), "verify-full", &right))
        .await
        .unwrap();
    region.record(1_000).await.unwrap();
    region.well().await.unwrap();
    region.finish(&server, "fleet").await.unwrap();
    let wrong = tls(
        pooler.address(),
        "verify-full",
        &certificates.other_authority(),
    );
    let mut region = Region::start("france", &wrong).await.unwrap();
    region.trouble("UnknownIssuer").await.unwrap();

    // Nothing of ours reaches a server without TLS, not even a name.
    let proxy = Proxy::start(server.address()).await.unwrap();
    for mode in ["verify-full", "verify-ca", "require"] {
        let mut region = Region::start("italy", &tls(proxy.address(), mode, &right))
            .await
            .unwrap();
        region.record(10).await.unwrap();
        let trouble = region.trouble("server does not support TLS").await.unwrap();
        assert!(trouble.contains("sslmode=disable"), "{trouble}");
    }
    assert_eq!(proxy.frontend_messages(), 0);
    let url = tls(proxy.address(), "disable", &right);
    let mut region = Region::start("spain", &url).await.unwrap();
    region.record(10).await.unwrap();
    region.well().await.unwrap();
    region.finish(&server, "fleet").await.unwrap();
}
