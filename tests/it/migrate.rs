//! `fleetd migrate`: killed at every step, by many at once, by an owner with few rights, and for other versions.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::Ipv4Addr,
    process::{Output, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use fleet_store::postgres::{self, Database, PostgresError};
use fleet_tests::{
    bins,
    pgbouncer::{self, PgBouncer},
    postgres::Postgres,
    region::{PASSWORD, Region},
    wire::{Action, Proxy, Side},
};
use futures_util::{StreamExt as _, stream};
use secrecy::SecretString;
use tokio::{
    process::Command,
    time::{Instant, sleep, timeout},
};

use crate::database_faults::{Relay, Session};

const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// For what is certain to happen.
const PATIENCE: Duration = Duration::from_mins(1);

fn migrate(url: &str) -> Command {
    let mut command = Command::new(bins::path("fleetd").unwrap());
    command
        .arg("migrate")
        .env("DATABASE_URL", url)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// What it says. Never the password.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains(PASSWORD), "{text}");
    text
}

async fn migrated(url: &str) -> Result<String> {
    let output = migrate(url).output().await?;
    let said = said(&output);
    ensure!(output.status.success(), "{said}");
    Ok(said)
}

async fn refused(url: &str) -> Result<String> {
    let output = migrate(url).output().await?;
    let said = said(&output);
    ensure!(!output.status.success(), "{said}");
    Ok(said)
}

/// Everything that is in a database, except its records.
async fn schema(server: &Postgres, url: &str) -> Result<String> {
    let output = Command::new(server.bin("pg_dump"))
        .args(["--schema-only", "-d", url])
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    // Newer versions write a random word at the begin and the end.
    let lines = text.lines().filter(|line| !line.starts_with('\\'));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

const VERSIONS: &str =
    "SELECT string_agg(version::text || success, ' ') FROM fleet._sqlx_migrations";

#[tokio::test]
async fn twice_is_fine_and_eight_at_once_are_fine() {
    let server = Postgres::start().await.unwrap();
    let twice = server.create_database("twice").await.unwrap();
    let many = server.create_database("many").await.unwrap();
    migrated(&twice).await.unwrap();
    let once = schema(&server, &twice).await.unwrap();
    assert!(once.contains("CREATE VIEW soulseek.searches"), "{once}");
    migrated(&twice).await.unwrap();
    assert_eq!(schema(&server, &twice).await.unwrap(), once);

    let running: Vec<_> = (0..8).map(|_| migrate(&many).spawn().unwrap()).collect();
    for child in running {
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
    assert_eq!(schema(&server, &many).await.unwrap(), once);
    assert_eq!(server.psql("many", VERSIONS).await.unwrap(), "1true");
}

/// Roles belong to the whole server: who migrates another database makes them, too.
#[tokio::test]
async fn the_databases_of_a_server_are_migrated_at_once() {
    let server = Postgres::start().await.unwrap();
    let mut running = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        let url = server.create_database(name).await.unwrap();
        running.push(url);
    }
    let running: Vec<_> = running
        .iter()
        .map(|url| migrate(url).spawn().unwrap())
        .collect();
    for child in running {
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{}", said(&output));
    }
    let expected = schema(&server, &server.url("a")).await.unwrap();
    assert!(expected.contains("TO fleet_writer"), "{expected}");
    for name in ["b", "c", "d", "e", "f"] {
        let found = schema(&server, &server.url(name)).await.unwrap();
        assert_eq!(found, expected, "{name}");
    }
}

/// Killed before the n-th message, for every n; the next run after it; the third goes through.
#[tokio::test]
async fn killed_at_every_message_it_leaves_nothing_half_done() {
    let server = Postgres::start().await.unwrap();
    let undisturbed = server.create_database("undisturbed").await.unwrap();
    migrated(&undisturbed).await.unwrap();
    let expected = schema(&server, &undisturbed).await.unwrap();
    let mut killed = 0;
    for number in 1.. {
        let name = format!("killed{number}");
        let url = server.create_database(&name).await.unwrap();
        let before = killed;
        for side in [Side::Before, Side::After] {
            let proxy = Proxy::start(server.address()).await.unwrap();
            let mut step = proxy.at(number, side, Action::Notify);
            let mut child = migrate(&proxy.url(&url)).spawn().unwrap();
            tokio::select! {
                reached = step.reached() => {
                    reached.unwrap();
                    child.kill().await.unwrap();
                    killed += 1;
                }
                ended = child.wait() => assert!(ended.unwrap().success()),
            }
        }
        migrated(&url).await.unwrap();
        assert_eq!(
            schema(&server, &url).await.unwrap(),
            expected,
            "message {number}"
        );
        assert_eq!(server.psql(&name, VERSIONS).await.unwrap(), "1true");
        server
            .psql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"))
            .await
            .unwrap();
        if killed == before {
            break;
        }
    }
    assert!(killed > 10, "killed {killed} times only");
}

/// As `fleetd migrate`, with less patience for a database that does not answer.
async fn impatient(url: &str) -> Result<Result<i64, PostgresError>> {
    let database = Database::parse(&SecretString::from(url))?.with_patience(Duration::from_secs(3));
    timeout(PATIENCE, postgres::migrate(&database))
        .await
        .context("it waits and waits")
}

/// That it gave up, and what it says then.
fn assert_gave_up(migrated: Result<i64, PostgresError>, when: &str) {
    let error = migrated.expect_err(when);
    assert!(
        error.to_string().contains("has not answered"),
        "{when}: {error}"
    );
    let hint = error.hint().unwrap();
    assert!(hint.contains("check the network between"), "{hint}");
}

/// Nothing passes from the n-th message on, for every n: it gives up, and nothing is half done.
#[tokio::test]
async fn frozen_at_any_message_it_gives_up() {
    let server = Postgres::start().await.unwrap();
    let url = server.create_database("rehearsal").await.unwrap();
    let proxy = Proxy::start(server.address()).await.unwrap();
    impatient(&proxy.url(&url)).await.unwrap().unwrap();
    let expected = schema(&server, &url).await.unwrap();
    let messages = proxy.kinds().trim_end_matches('X').len();
    assert!(messages > 10, "{}", proxy.kinds());

    let frozen = |number: usize| {
        let (server, expected) = (&server, &expected);
        async move {
            let url = server
                .create_database(&format!("frozen{number}"))
                .await
                .unwrap();
            let proxy = Proxy::start(server.address()).await.unwrap();
            let mut step = proxy.at(number, Side::After, Action::Freeze);
            let migrated = impatient(&proxy.url(&url)).await.unwrap();
            step.reached().await.unwrap();
            assert_gave_up(migrated, &format!("message {number} of {messages}"));
            drop(proxy);
            self::migrated(&url).await.unwrap();
            assert_eq!(
                schema(server, &url).await.unwrap(),
                *expected,
                "message {number}"
            );
        }
    };
    stream::iter(1..=messages)
        .for_each_concurrent(12, frozen)
        .await;
}

/// Only the way of its own connection is gone: the database answers everybody else. The server ends the session, which
/// would keep the next one out.
#[tokio::test]
async fn a_session_that_is_gone_without_a_word_is_given_up() {
    let server = Postgres::start().await.unwrap();
    let url = server.create_database("rehearsal").await.unwrap();
    let proxy = Proxy::start(server.address()).await.unwrap();
    migrated(&proxy.url(&url)).await.unwrap();
    let last = proxy.kinds().trim_end_matches('X').len();

    let url = server.create_database("fleet").await.unwrap();
    let proxy = Proxy::start(server.address()).await.unwrap();
    let mut step = proxy.at(last, Side::Before, Action::Freeze);
    let relay = Relay::start(Ipv4Addr::LOCALHOST, vec![proxy.address(), server.address()])
        .await
        .unwrap();
    let through = url.replace(&server.address().to_string(), &relay.address.to_string());
    let migrated = impatient(&through).await.unwrap();
    step.reached().await.unwrap();
    assert_gave_up(migrated, "the session is gone");
    self::migrated(&url).await.unwrap();
}

/// Somebody is in the way for longer than an answer may take: of the migration itself, or with one of his own.
#[tokio::test]
async fn a_long_migration_and_one_that_waits_for_another_are_not_given_up() {
    let server = Postgres::start().await.unwrap();
    let held_up = async |name: &str, by: &str| {
        let url = server.create_database(name).await.unwrap();
        let mut other = Session::start(&server, &url).await.unwrap();
        other.run("BEGIN").await.unwrap();
        other.run(by).await.unwrap();
        let proxy = Proxy::start(server.address()).await.unwrap();
        let through = proxy.url(&url);
        let go_on = async {
            let deadline = Instant::now() + PATIENCE;
            // It has looked twice whether the database is still there.
            while proxy.kinds().matches('^').count() < 3 {
                assert!(Instant::now() < deadline, "{name}: {}", proxy.kinds());
                sleep(LOOK_AGAIN).await;
            }
            other.run("ROLLBACK").await.unwrap();
        };
        let (migrated, ()) = tokio::join!(impatient(&through), go_on);
        migrated.unwrap().unwrap();
        assert_eq!(server.psql(name, VERSIONS).await.unwrap(), "1true");
    };
    tokio::join!(
        held_up("long", "CREATE SCHEMA soulseek"),
        held_up(
            "waiting",
            "SELECT pg_advisory_xact_lock(hashtext('fleet.migrate'))"
        ),
    );
}

#[tokio::test]
async fn an_owner_without_the_right_to_make_roles_does_everything_itself() {
    let server = Postgres::start().await.unwrap();
    let roles = format!("CREATE ROLE owner LOGIN PASSWORD '{PASSWORD}'");
    server.psql("postgres", &roles).await.unwrap();
    server
        .psql("postgres", "CREATE DATABASE owned OWNER owner")
        .await
        .unwrap();
    let url = server.url_as("owner", PASSWORD, "owned");
    let said = migrated(&url).await.unwrap();
    for role in ["fleet_writer", "fleet_reader", "fleet_archiver"] {
        assert!(said.contains(role), "{role} is not spoken of: {said}");
    }

    let mut region = Region::start("germany", &url).await.unwrap();
    region.record(100).await.unwrap();
    region.well().await.unwrap();
    region.finish(&server, "owned").await.unwrap();

    // Somebody who may makes the roles later: then they get their rights, and nothing is left to say.
    server
        .psql(
            "owned",
            "CREATE ROLE fleet_writer; CREATE ROLE fleet_reader; CREATE ROLE fleet_archiver",
        )
        .await
        .unwrap();
    let said = migrated(&url).await.unwrap();
    assert!(!said.contains("fleet_writer"), "{said}");
    let login = format!("CREATE ROLE france LOGIN PASSWORD '{PASSWORD}' IN ROLE fleet_writer");
    server.psql("owned", &login).await.unwrap();
    let url = server.url_as("france", PASSWORD, "owned");
    let mut region = Region::start("france", &url).await.unwrap();
    region.record(100).await.unwrap();
    region.well().await.unwrap();
    region.finish(&server, "owned").await.unwrap();

    let said = refused(&url).await.unwrap();
    assert!(said.contains("permission denied"), "{said}");
    assert!(said.contains("the owner to migrate"), "{said}");
}

#[tokio::test]
async fn other_versions_are_told_and_nothing_is_lost() {
    let server = Postgres::start().await.unwrap();
    let url = server.create_database("fleet").await.unwrap();
    let mut region = Region::start("germany", &url).await.unwrap();
    region.record(50).await.unwrap();
    let trouble = region.trouble("are older than this program").await.unwrap();
    assert!(trouble.contains("run `fleetd migrate`"), "{trouble}");
    migrated(&url).await.unwrap();
    region.well().await.unwrap();

    server
        .psql(
            "fleet",
            "INSERT INTO fleet._sqlx_migrations SELECT 9999, 'from the future', now(), true, '', 0",
        )
        .await
        .unwrap();
    let before = schema(&server, &url).await.unwrap();
    let said = refused(&url).await.unwrap();
    assert!(said.contains("are newer than this program"), "{said}");
    assert!(said.contains("9999"), "{said}");
    assert!(said.contains("use the newer version"), "{said}");
    assert_eq!(schema(&server, &url).await.unwrap(), before);
    // Who has a connection goes on; who makes one is told.
    server
        .psql(
            "fleet",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'research-fleet'",
        )
        .await
        .unwrap();
    region.record(50).await.unwrap();
    let trouble = region.trouble("are newer than this program").await.unwrap();
    assert!(trouble.contains("use the newer version"), "{trouble}");
    let status = region
        .until("to count them", |status| status.waiting == 50)
        .await;
    assert_eq!(status.unwrap().shipped, 50);
    server
        .psql(
            "fleet",
            "DELETE FROM fleet._sqlx_migrations WHERE version = 9999",
        )
        .await
        .unwrap();
    region.well().await.unwrap();
    region.finish(&server, "fleet").await.unwrap();
}

#[tokio::test]
async fn a_migration_that_was_changed_is_told() {
    let server = Postgres::start().await.unwrap();
    let url = server.create_database("fleet").await.unwrap();
    migrated(&url).await.unwrap();
    server
        .psql(
            "fleet",
            "UPDATE fleet._sqlx_migrations SET checksum = '\\x00'",
        )
        .await
        .unwrap();
    let said = refused(&url).await.unwrap();
    assert!(said.contains("migration 1"), "{said}");
}

/// All of it is one transaction in which nothing has a name, so that a pooler in transaction mode does no harm.
#[tokio::test]
async fn through_pgbouncer_it_works_and_leaves_nothing_behind() {
    let server = Postgres::start().await.unwrap();
    let url = server.create_database("fleet").await.unwrap();
    let options = pgbouncer::Options {
        pool_size: Some(1),
        ..pgbouncer::Options::default()
    };
    let pooler = PgBouncer::start_with(server.address(), options)
        .await
        .unwrap();
    migrated(&pooler.url("fleet")).await.unwrap();
    migrated(&pooler.url("fleet")).await.unwrap();
    let once = schema(&server, &url).await.unwrap();
    migrated(&url).await.unwrap();
    assert_eq!(schema(&server, &url).await.unwrap(), once);
    // The only connection of the pool is the one that was used.
    for left in [
        "pg_prepared_statements",
        "pg_locks WHERE locktype = 'advisory'",
    ] {
        let output = Command::new(server.bin("psql"))
            .args(["-XqAtd", &pooler.url("fleet"), "-c"])
            .arg(format!("SELECT count(*) FROM {left}"))
            .output()
            .await
            .unwrap();
        assert_eq!(said(&output).trim(), "0", "{left}");
    }
}

#[tokio::test]
async fn a_pooler_that_gives_each_statement_another_connection_is_told() {
    let server = Postgres::start().await.unwrap();
    let url = server.create_database("fleet").await.unwrap();
    let options = pgbouncer::Options {
        settings: vec![("pool_mode".to_owned(), "statement".to_owned())],
        ..pgbouncer::Options::default()
    };
    let pooler = PgBouncer::start_with(server.address(), options)
        .await
        .unwrap();
    for _ in 0..2 {
        let said = refused(&pooler.url("fleet")).await.unwrap();
        assert!(said.contains("shares connections"), "{said}");
        assert!(
            said.contains("the address of the database itself"),
            "{said}"
        );
    }
    let tables = "SELECT count(*) FROM pg_namespace WHERE nspname IN ('fleet', 'soulseek')";
    assert_eq!(server.psql("fleet", tables).await.unwrap(), "0");
    migrated(&url).await.unwrap();
    let mut region = Region::start("germany", &pooler.url("fleet"))
        .await
        .unwrap();
    region.record(10).await.unwrap();
    let trouble = region.trouble("shares connections").await.unwrap();
    assert!(
        trouble.contains("the address of the database itself"),
        "{trouble}"
    );
}

#[tokio::test]
async fn what_cannot_be_reached_is_told_without_the_password() {
    let server = Postgres::start().await.unwrap();
    let create = format!("CREATE ROLE someone LOGIN PASSWORD '{PASSWORD}x'");
    server.psql("postgres", &create).await.unwrap();
    let address = server.address();
    for (url, words) in [
        (
            server.url_as("someone", PASSWORD, "postgres"),
            "refuses the user `someone`",
        ),
        (
            format!("postgres://someone:{PASSWORD}x@{address}/nowhere"),
            "does not exist",
        ),
        (
            format!("postgres://someone:{PASSWORD}@127.0.0.1:1/x"),
            "cannot connect",
        ),
        (
            format!("mysql://someone:{PASSWORD}@127.0.0.1/x"),
            "not one of PostgreSQL",
        ),
        (
            format!("postgres://someone:{PASSWORD}@127.0.0.1/x?sslmode=perhaps"),
            "not one of PostgreSQL",
        ),
        (
            format!("postgres://someone@{address}/postgres?pasword={PASSWORD}"),
            "refuses the user",
        ),
        (String::new(), "not one of PostgreSQL"),
    ] {
        let said = refused(&url).await.unwrap();
        assert!(said.contains(words), "{said}");
        assert!(said.contains("hint"), "{said}");
    }
}

/// A database in another encoding takes some of the queries and not others.
#[tokio::test]
async fn an_encoding_that_cannot_hold_every_query_is_refused() {
    let server = Postgres::start().await.unwrap();
    server
        .psql(
            "postgres",
            "CREATE DATABASE old ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
        )
        .await
        .unwrap();
    let said = refused(&server.url("old")).await.unwrap();
    assert!(said.contains("LATIN1"), "{said}");
    assert!(said.contains("--encoding=UTF8"), "{said}");
}
