//! Who may do what in the database: logins in each of the roles, and one in none.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use anyhow::Result;
use fleet_store::postgres::{self, Database};
use fleet_tests::{
    postgres::Postgres,
    region::{PASSWORD, Region, assert_once},
    study::fleetctl,
};
use secrecy::SecretString;
use tokio::process::Command;

/// The month of the records.
const MONTH: &str = "2026-10";

/// A database with records, and logins `writer`, `reader`, `archiver` and `stranger`.
async fn study() -> Result<Postgres> {
    let server = Postgres::start().await?;
    let url = server.create_database("fleet").await?;
    postgres::migrate(&Database::parse(&SecretString::from(url))?).await?;
    for (login, role) in [
        ("writer", "IN ROLE fleet_writer"),
        ("reader", "IN ROLE fleet_reader"),
        ("archiver", "IN ROLE fleet_archiver"),
        ("stranger", ""),
    ] {
        let create = format!("CREATE ROLE {login} LOGIN PASSWORD '{PASSWORD}' {role}");
        server.psql("fleet", &create).await?;
    }
    let url = server.url_as("writer", PASSWORD, "fleet");
    let mut region = Region::start("germany", &url).await?;
    region.record(3_000).await?;
    region.well().await?;
    region.finish(&server, "fleet").await?;
    Ok(server)
}

/// Runs SQL as a login; what it gives, or what the server says.
async fn run(server: &Postgres, login: &str, sql: &str) -> Result<String, String> {
    let output = Command::new(server.bin("psql"))
        .args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-d"])
        .args([&server.url_as(login, PASSWORD, "fleet"), "-c", sql])
        .output()
        .await
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// What the server says to somebody who may not.
const DENIED: [&str; 5] = [
    "permission denied",
    "must be owner",
    "cannot insert into view",
    "cannot update view",
    "cannot delete from view",
];

/// None of these statements is for this login.
async fn assert_denied(server: &Postgres, login: &str, statements: &[&str]) {
    for sql in statements {
        let error = run(server, login, sql).await;
        let error = error.expect_err(&format!("{login} may: {sql}"));
        assert!(
            DENIED.iter().any(|words| error.contains(words)),
            "{login}: {sql}: {error}"
        );
    }
}

/// What a login may do to which of these, as the server itself sees it.
async fn allowed(server: &Postgres, sql: &str) -> BTreeSet<String> {
    let found = server.psql("fleet", sql).await.unwrap();
    found.lines().map(str::to_owned).collect()
}

async fn tables(server: &Postgres, login: &str, privileges: &str) -> BTreeSet<String> {
    allowed(
        server,
        &format!(
            "SELECT oid::regclass FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f') \
             AND relnamespace IN ('soulseek'::regnamespace, 'fleet'::regnamespace) AND \
             (has_table_privilege('{login}', oid, '{privileges}') OR \
              '{privileges}' !~ 'DELETE|TRUNCATE|TRIGGER' AND has_any_column_privilege('{login}', oid, '{privileges}'))"
        ),
    )
    .await
}

async fn functions(server: &Postgres, login: &str) -> BTreeSet<String> {
    allowed(
        server,
        &format!(
            "SELECT proname FROM pg_proc WHERE pronamespace IN ('soulseek'::regnamespace, 'fleet'::regnamespace) \
             AND has_function_privilege('{login}', oid, 'EXECUTE') AND has_schema_privilege('{login}', pronamespace, 'USAGE')"
        ),
    )
    .await
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What nobody may do to the tables who is not their owner.
const FOR_OWNERS: &[&str] = &[
    "DROP TABLE soulseek.search_2026_10",
    "DROP TABLE soulseek.search",
    "DROP SCHEMA soulseek CASCADE",
    "ALTER TABLE soulseek.search DETACH PARTITION soulseek.search_2026_10",
    "ALTER TABLE soulseek.archives ADD COLUMN x int",
    "TRUNCATE soulseek.search",
    "TRUNCATE soulseek.search_2026_10",
    "TRUNCATE soulseek.archives",
    "DELETE FROM soulseek.search",
    "DELETE FROM soulseek.search_2026_10",
    "DELETE FROM soulseek.archives",
    "DELETE FROM soulseek.ingest_cursor",
    "UPDATE soulseek.search SET query = ''",
    "UPDATE soulseek.ingest_cursor SET last_seq = 0",
    "UPDATE soulseek.day_count SET searches = 0",
    "CREATE TABLE soulseek.mine (n int)",
    "CREATE FUNCTION soulseek.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE FUNCTION soulseek.month_table(month date) RETURNS text LANGUAGE sql AS $$ SELECT 'x' $$",
    "INSERT INTO fleet._sqlx_migrations SELECT 9999, '', now(), true, '', 0",
    "DELETE FROM fleet._sqlx_migrations",
    "SET ROLE postgres",
];

#[tokio::test]
async fn a_writer_brings_records_and_can_neither_read_nor_change_what_is_there() {
    let server = study().await.unwrap();
    assert_denied(&server, "writer", FOR_OWNERS).await;
    assert_denied(
        &server,
        "writer",
        &[
            "SELECT count(*) FROM soulseek.searches",
            "SELECT query FROM soulseek.search",
            "SELECT query FROM soulseek.search_2026_10",
            "SELECT count(*) FROM soulseek.events",
            "SELECT count(*) FROM soulseek.archives",
            "SELECT count(*) FROM soulseek.day_count",
            "SELECT name FROM soulseek.client",
            "COPY soulseek.search TO STDOUT",
            "INSERT INTO soulseek.search VALUES (1, '2026-10-01', 0, 1, 0, '', '') RETURNING query",
            "INSERT INTO soulseek.search_2026_10 VALUES (1, '2026-10-01', 0, 1, 0, '', '')",
            "INSERT INTO soulseek.archives (month, part, file_path) VALUES ('2026-10', 0, 'x')",
            "INSERT INTO soulseek.day_count VALUES ('2026-10-01', 1, 5)",
            "SELECT soulseek.detach_month('2026-10')",
            "SELECT soulseek.drop_detached('2026-10', 'detached_2026_10_1')",
        ],
    )
    .await;
    assert_eq!(
        tables(&server, "writer", "SELECT").await,
        set(&["fleet._sqlx_migrations"])
    );
    assert_eq!(
        tables(&server, "writer", "INSERT").await,
        set(&["soulseek.search", "soulseek.event"])
    );
    assert!(tables(&server, "writer", "UPDATE").await.is_empty());
    assert!(tables(&server, "writer", "DELETE").await.is_empty());
    assert_eq!(
        functions(&server, "writer").await,
        set(&["add_month", "register_client", "lock_cursor", "advance"])
    );
    assert_once(&server, "fleet", "germany", 3_000)
        .await
        .unwrap();
}

/// How far the only client is, and what was counted.
const CURSOR: &str = "SELECT last_seq, last_event, missing, (SELECT sum(searches) FROM soulseek.day_count) \
                      FROM soulseek.ingest_cursor";

#[tokio::test]
async fn a_writer_moves_its_cursor_over_what_it_brings_and_never_back() {
    let server = study().await.unwrap();
    let before = server.psql("fleet", CURSOR).await.unwrap();
    assert!(before.starts_with("3000|"), "{before}");
    for step in [
        // From somewhere else.
        "1, 2999, 3000, NULL, 0, 0, '{20727}', '{1}'",
        // More than was brought, or less.
        "1, 3000, 3010, NULL, 0, 0, '{20727}', '{1}'",
        "1, 3000, 3001, NULL, 0, 0, '{20727}', '{2}'",
        // Back.
        "1, 3000, 10, NULL, 0, 0, '{20727}', '{-2990}'",
        "1, 3000, 10, NULL, -2990, 0, '{}', '{}'",
        "1, 3000, 2999, NULL, 0, 0, '{20727, 20728}', '{5, -6}'",
        // On the spot, with counts that add up to nothing.
        "1, 3000, 3000, NULL, 0, 0, '{20727, 20728}', '{5, -5}'",
        "1, 3000, 3000, NULL, 5, 0, '{20727}', '{-5}'",
        "1, 3000, 3000, NULL, -5, 0, '{20727}', '{5}'",
        "1, 3000, NULL, NULL, 0, 0, '{}', '{}'",
        "1, 3000, 3001, NULL, NULL, 0, '{}', '{}'",
        "1, 3000, 3001, NULL, 0, 0, '{20727}', NULL",
        "1, 3000, 3001, NULL, 0, 0, '{20727, 20728}', '{1}'",
        "1, 3000, 3001, NULL, 0, 0, NULL, '{1}'",
        "NULL, 3000, 3001, NULL, 0, 0, '{20727}', '{1}'",
        "17, 0, 1, NULL, 0, 0, '{20727}', '{1}'",
    ] {
        let moved = run(
            &server,
            "writer",
            &format!("SELECT soulseek.advance({step})"),
        )
        .await;
        assert!(moved.is_err(), "the cursor went over {step}");
        assert_eq!(
            server.psql("fleet", CURSOR).await.unwrap(),
            before,
            "{step}"
        );
    }
    // The journal's cursor stays where it is when it is told to go back.
    run(
        &server,
        "writer",
        "SELECT soulseek.advance(1, 3000, 3000, NULL, 0, -7, '{}', '{}')",
    )
    .await
    .unwrap();
    assert_eq!(server.psql("fleet", CURSOR).await.unwrap(), before);
    run(
        &server,
        "writer",
        "SELECT soulseek.advance(1, 3000, 3005, NULL, 2, 0, '{20727, 20728}', '{1, 2}')",
    )
    .await
    .unwrap();
    let after = server.psql("fleet", CURSOR).await.unwrap();
    assert!(
        after.starts_with("3005|") && after.ends_with("|2|3003"),
        "{after}"
    );
}

/// The same name for the month of another time would keep the real month out.
#[tokio::test]
async fn a_writer_makes_no_month_that_stands_in_the_way_of_another() {
    let server = study().await.unwrap();
    for day in ["2031-05-01 BC", "infinity", "-infinity", "20311-05-01"] {
        let made = run(
            &server,
            "writer",
            &format!("SELECT soulseek.add_month('{day}')"),
        )
        .await;
        assert!(made.is_err(), "{day}: {made:?}");
    }
    assert!(
        run(&server, "writer", "SELECT soulseek.add_month(NULL)")
            .await
            .is_err()
    );
    for (day, made) in [
        ("2031-05-17", "t"),
        ("2031-05-01", "f"),
        ("0001-01-01", "t"),
        ("9999-12-31", "t"),
    ] {
        let found = run(
            &server,
            "writer",
            &format!("SELECT soulseek.add_month('{day}')"),
        )
        .await;
        assert_eq!(found.as_deref(), Ok(made), "{day}");
    }
    run(
        &server,
        "writer",
        "INSERT INTO soulseek.search VALUES (1, '2031-05-31T23:59:59.999999Z', 0, 1, 0, '', ''), \
         (2, '9999-12-31T23:59:59.999999Z', 0, 1, 0, '', ''), (3, '0001-01-01T00:00:00Z', 0, 1, 0, '', '')",
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_reader_reads_what_the_documentation_names_and_changes_nothing() {
    let server = study().await.unwrap();
    // The first cell of each row of the table "What is in it".
    let documented: BTreeSet<String> = include_str!("../../docs/database.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `soulseek.").map(|_| line))
        .flat_map(|line| line.split('|').nth(1).unwrap().split('`'))
        .filter(|name| name.starts_with("soulseek."))
        .map(str::to_owned)
        .collect();
    assert!(documented.len() > 5, "{documented:?}");
    let mut readable = tables(&server, "reader", "SELECT").await;
    // How a program sees whether the tables are its own version's.
    assert!(readable.remove("fleet._sqlx_migrations"));
    assert_eq!(readable, documented);
    for table in &documented {
        run(&server, "reader", &format!("SELECT * FROM {table} LIMIT 1"))
            .await
            .unwrap();
    }
    let count = "SELECT count(*), min(username), min(source) FROM soulseek.searches WHERE client_id = 'germany'";
    assert_eq!(
        run(&server, "reader", count).await.unwrap(),
        "3000|dXNlciBudW1iZXIgNw|parent"
    );
    for privilege in [
        "INSERT",
        "UPDATE",
        "DELETE",
        "TRUNCATE",
        "REFERENCES",
        "TRIGGER",
    ] {
        assert_eq!(
            tables(&server, "reader", privilege).await,
            set(&[]),
            "{privilege}"
        );
    }
    assert_eq!(functions(&server, "reader").await, set(&[]));
    assert_denied(&server, "reader", FOR_OWNERS).await;
    assert_denied(
        &server,
        "reader",
        &[
            "SELECT * FROM soulseek.search",
            "SELECT * FROM soulseek.search_2026_10",
            "INSERT INTO soulseek.searches (query) VALUES ('x')",
            "INSERT INTO soulseek.search VALUES (1, '2026-10-01', 0, 1, 0, '', '')",
            "UPDATE soulseek.searches SET query = ''",
            "DELETE FROM soulseek.searches",
            "SELECT soulseek.add_month('2031-01-01')",
            "SELECT soulseek.register_client('x', 'y')",
            "SELECT soulseek.lock_cursor(1)",
            "SELECT soulseek.advance(1, 3000, 3000, NULL, 0, 0, '{}', '{}')",
            "SELECT soulseek.detach_month('2026-10')",
        ],
    )
    .await;
}

/// What `fleetctl report` says to a login, which must get its report.
async fn report(server: &Postgres, login: &str) -> (String, String) {
    let url = server.url_as(login, PASSWORD, "fleet");
    let output = fleetctl(&["report", "--from", "2026-10-01", "--to", "2026-10-01"])
        .unwrap()
        .env("DATABASE_URL", url)
        .output()
        .await
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{login}: {stderr}");
    (stdout, stderr)
}

/// While a region collects there are always days whose figures are old.
#[tokio::test]
async fn a_reader_gets_the_report_of_what_others_have_computed() {
    let server = study().await.unwrap();
    let (stdout, stderr) = report(&server, "reader").await;
    assert!(stderr.contains("this user can only read"), "{stderr}");
    assert!(stdout.contains("no figures for 2026-10-01"), "{stdout}");
    let (_, stderr) = report(&server, "archiver").await;
    assert!(!stderr.contains("this user can only read"), "{stderr}");
    server
        .psql(
            "fleet",
            "UPDATE soulseek.day_count SET searches = searches + 1 WHERE day = '2026-10-02'",
        )
        .await
        .unwrap();
    let (stdout, stderr) = report(&server, "reader").await;
    assert!(stderr.contains("this user can only read"), "{stderr}");
    assert!(stdout.contains("searches recorded"), "{stdout}");
}

/// Notes an archive of the month as verified, as the archiver does.
async fn note_archive(server: &Postgres, records: u32) {
    let sql = format!(
        "INSERT INTO soulseek.archives (month, part, file_path) VALUES ('{MONTH}', 0, '/x'); \
         UPDATE soulseek.archives SET state = 'verified', record_count = {records}, sha256 = '', archived_at = now() \
         WHERE month = '{MONTH}'"
    );
    run(server, "archiver", &sql).await.unwrap();
}

const IN_OCTOBER: &str = "SELECT count(*) FROM soulseek.searches";

#[tokio::test]
async fn an_archiver_drops_only_what_is_in_a_verified_archive() {
    let server = study().await.unwrap();
    assert_denied(&server, "archiver", FOR_OWNERS).await;
    assert_eq!(
        functions(&server, "archiver").await,
        set(&[
            "add_month",
            "adopt",
            "detach_month",
            "drop_detached",
            "month_table",
            "register_client"
        ])
    );

    let refuses = async |sql: &str, words: &str| {
        let error = run(&server, "archiver", sql).await.unwrap_err();
        assert!(error.contains(words), "{sql}: {error}");
    };
    let detach = "SELECT soulseek.detach_month('2026-10')";
    refuses(detach, "has no verified archive").await;
    run(
        &server,
        "archiver",
        "INSERT INTO soulseek.archives (month, part, file_path) VALUES ('2026-10', 0, '/x')",
    )
    .await
    .unwrap();
    refuses(detach, "has no verified archive").await;
    run(
        &server,
        "archiver",
        "UPDATE soulseek.archives SET state = 'verified', record_count = 2999, sha256 = '', archived_at = now()",
    )
    .await
    .unwrap();
    let detached = run(&server, "archiver", detach).await.unwrap();
    assert!(detached.starts_with("detached_2026_10_"), "{detached}");
    assert_eq!(server.psql("fleet", IN_OCTOBER).await.unwrap(), "0");
    refuses(detach, "does not exist").await;
    let count = format!("SELECT count(*) FROM soulseek.{detached}");
    assert_eq!(run(&server, "archiver", &count).await.unwrap(), "3000");
    let drop = format!("SELECT soulseek.drop_detached('2026-10', '{detached}')");
    refuses(
        &drop,
        "holds 3000 records, the archives of 2026-10 hold 2999",
    )
    .await;
    refuses(
        &format!("SELECT soulseek.drop_detached('2026-11', '{detached}')"),
        "is not a detached table",
    )
    .await;
    assert_eq!(run(&server, "archiver", &count).await.unwrap(), "3000");

    run(
        &server,
        "archiver",
        "UPDATE soulseek.archives SET record_count = 3000",
    )
    .await
    .unwrap();
    assert_eq!(run(&server, "archiver", &drop).await.unwrap(), "3000");
    assert!(run(&server, "archiver", &count).await.is_err());
    assert_eq!(
        server
            .psql(
                "fleet",
                "SELECT deleted, deleted_at IS NOT NULL FROM soulseek.archives"
            )
            .await
            .unwrap(),
        "t|t"
    );
    refuses(&drop, "does not exist").await;
}

/// Files bring records with numbers of their own: at most one for each number, and none before those that are there.
#[tokio::test]
async fn an_archiver_adopts_only_counts_that_can_be() {
    let server = study().await.unwrap();
    let before = server.psql("fleet", CURSOR).await.unwrap();
    for (step, words) in [
        (
            "1, 3000, 3010, '{20727}', '{-5}'",
            "cannot have the records {-5} on the days {20727}",
        ),
        (
            "1, 3000, 3010, '{20727, 20728}', '{5, -5}'",
            "cannot have the records {5,-5}",
        ),
        (
            "1, 3000, 3010, '{20727}', '{0}'",
            "cannot have the records {0}",
        ),
        // More records than numbers, in the files and in all.
        (
            "1, 3000, 3010, '{20727}', '{3011}'",
            "with numbers up to 3010",
        ),
        (
            "1, 3000, 3010, '{20727}', '{11}'",
            "cannot have 3011 records with numbers up to 3010",
        ),
        (
            "1, 3000, 2000, '{20727}', '{1}'",
            "cannot have 3001 records with numbers up to 3000",
        ),
        (
            "1, 3000, 3010, '{20727, 20728}', '{9223372036854775807, 9223372036854775807}'",
            "with numbers up to 3010",
        ),
        ("1, 3000, -1, '{}', '{}'", "with numbers up to -1"),
        ("1, 3000, NULL, '{}', '{}'", "cannot have the records"),
        // Days without counts, counts without days.
        (
            "1, 3000, 3010, '{20727, 20728}', '{5}'",
            "on the days {20727,20728}",
        ),
        ("1, 3000, 3010, '{20727}', '{5, 5}'", "on the days {20727}"),
        ("1, 3000, 3010, NULL, '{5}'", "cannot have the records {5}"),
        (
            "1, 3000, 3010, '{20727}', NULL",
            "cannot have the records <NULL>",
        ),
        (
            "1, 3000, 3010, '{20727}', '{NULL}'",
            "cannot have the records {NULL}",
        ),
        // From where it does not stand.
        ("1, 2999, 3010, '{20727}', '{5}'", "does not stand at 2999"),
        ("1, 3020, 3010, '{20727}', '{5}'", "does not stand at 3020"),
        ("1, -1, 0, '{}', '{}'", "cannot have the records"),
        (
            "NULL, 3000, 3010, '{20727}', '{5}'",
            "does not stand at 3000",
        ),
        (
            "17, 0, 5, '{20727}', '{5}'",
            "client 17 does not stand at 0",
        ),
    ] {
        let sql = format!("SELECT soulseek.adopt({step})");
        let error = run(&server, "archiver", &sql).await.expect_err(step);
        assert!(error.contains(words), "{step}: {error}");
        assert_eq!(
            server.psql("fleet", CURSOR).await.unwrap(),
            before,
            "{step}"
        );
    }
    // One number is a record that is in no file.
    let step = "SELECT soulseek.adopt(1, 3000, 3010, '{20727, 20728}', '{4, 5}')";
    run(&server, "archiver", step).await.unwrap();
    let after = server.psql("fleet", CURSOR).await.unwrap();
    assert!(
        after.starts_with("3010|") && after.ends_with("|3009"),
        "{after}"
    );
}

#[tokio::test]
async fn names_that_are_no_names_drop_nothing() {
    let server = study().await.unwrap();
    note_archive(&server, 0).await;
    server
        .psql(
            "fleet",
            "CREATE TABLE soulseek.detached_2026_10_17 (LIKE soulseek.search); \
             CREATE TABLE soulseek.detached_2026_11_18 (LIKE soulseek.search); \
             CREATE TABLE public.detached_2026_10_19 (n int); CREATE TABLE public.victim (n int)",
        )
        .await
        .unwrap();
    let all = "SELECT string_agg(oid::regclass::text, ' ' ORDER BY oid) FROM pg_class WHERE relkind IN ('r', 'p')";
    let before = server.psql("fleet", all).await.unwrap();
    for names in [
        "NULL, 'day_figures'",
        "NULL, 'event'",
        "NULL, 'search_2026_11'",
        "NULL, 'detached_2026_10_17'",
        "'2026-10', NULL",
        "'2026-10', 'day_figures'",
        "'2026-10', 'search_2026_10'",
        "'2026-10', 'search'",
        "'2026-10', 'detached_2026_10_'",
        "'2026-10', 'detached_2026_11_18'",
        "'2026-10', 'detached_2026_10_19'",
        "'%', 'detached_2026_11_18'",
        "'____-__', 'detached_2026_11_18'",
        "'2026-1_', 'detached_2026_11_18'",
        "'2026', 'detached_2026_11_18'",
        "'', 'detached__'",
        "'2026-10', 'detached_2026_10_17; DROP TABLE public.victim'",
        "'2026-10', 'detached_2026_10_17\"; DROP TABLE public.victim; --'",
        "'2026-10', 'detached_2026_10_17 CASCADE'",
        "'2026-10', 'detached_2026_10_1\nX'",
        "'2026-10''; DROP TABLE public.victim; --', 'detached_2026_10_17'",
    ] {
        let dropped = run(
            &server,
            "archiver",
            &format!("SELECT soulseek.drop_detached({names})"),
        )
        .await;
        assert!(dropped.is_err(), "{names} dropped {dropped:?}");
    }
    for month in [
        "NULL",
        "''",
        "'2026-11'",
        "'2026-10-01'",
        "'2026-10'' --'",
        "'2026-10\"'",
        "'10/2026'",
        "'now'",
    ] {
        let detached = run(
            &server,
            "archiver",
            &format!("SELECT soulseek.detach_month({month})"),
        )
        .await;
        assert!(detached.is_err(), "{month} detached {detached:?}");
    }
    assert_eq!(server.psql("fleet", all).await.unwrap(), before);
    let month = run(
        &server,
        "archiver",
        "INSERT INTO soulseek.archives (month, part, file_path) VALUES ('2026-10''; --', 1, 'x')",
    )
    .await;
    assert!(month.is_err());
    // And this is the right one: it has no records, like its archive.
    let dropped = "SELECT soulseek.drop_detached('2026-10', 'detached_2026_10_17')";
    assert_eq!(run(&server, "archiver", dropped).await.unwrap(), "0");
}

#[tokio::test]
async fn an_archiver_and_a_stranger_see_nothing_else() {
    let server = study().await.unwrap();
    server
        .psql("fleet", "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.secret (n int); CREATE TABLE public.mine (n int)")
        .await
        .unwrap();
    for login in ["archiver", "stranger"] {
        assert_denied(&server, login, FOR_OWNERS).await;
        assert_denied(
            &server,
            login,
            &[
                "SELECT * FROM elsewhere.secret",
                "SELECT * FROM public.mine",
                "SELECT * FROM pg_authid",
            ],
        )
        .await;
    }
    assert_denied(
        &server,
        "stranger",
        &[
            "SELECT * FROM soulseek.searches",
            "SELECT * FROM fleet._sqlx_migrations",
            "SELECT soulseek.month_table('2026-10-01')",
            "SELECT soulseek.register_client('x', 'y')",
            "SELECT soulseek.add_month('2031-01-01')",
            "SELECT soulseek.detach_month('2026-10')",
        ],
    )
    .await;
    for privilege in [
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "TRUNCATE",
        "REFERENCES",
        "TRIGGER",
    ] {
        assert_eq!(
            tables(&server, "stranger", privilege).await,
            set(&[]),
            "{privilege}"
        );
    }
    assert_eq!(functions(&server, "stranger").await, set(&[]));

    let url = server.url_as("stranger", PASSWORD, "fleet");
    let mut region = Region::start("sealand", &url).await.unwrap();
    region.record(10).await.unwrap();
    let trouble = region.trouble("may not do this").await.unwrap();
    assert!(trouble.contains("fleet_writer to collect"), "{trouble}");
}

/// Functions that run with the owner's rights find their own tables, types and functions, whatever the caller has made.
#[tokio::test]
async fn nobody_slips_anything_under_the_owners_functions() {
    let server = study().await.unwrap();
    // As generous as PostgreSQL 14 was.
    server
        .psql("fleet", "GRANT CREATE ON SCHEMA public TO PUBLIC")
        .await
        .unwrap();
    note_archive(&server, 3_000).await;
    let traps = "
        CREATE FUNCTION public.trap() RETURNS void LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'trapped as %', current_user; END $$;
        CREATE FUNCTION public.date_trunc(text, date) RETURNS timestamptz LANGUAGE sql AS 'SELECT public.trap(); SELECT now()';
        CREATE FUNCTION public.date_trunc(text, timestamptz) RETURNS timestamptz LANGUAGE sql AS 'SELECT public.trap(); SELECT now()';
        CREATE FUNCTION public.to_char(date, text) RETURNS text LANGUAGE sql AS 'SELECT public.trap(); SELECT ''x''::text';
        CREATE FUNCTION public.to_regclass(text) RETURNS regclass LANGUAGE sql AS 'SELECT public.trap(); SELECT NULL::regclass';
        CREATE FUNCTION public.format(text, text) RETURNS text LANGUAGE sql AS 'SELECT public.trap(); SELECT ''x''::text';
        CREATE FUNCTION public.replace(text, text, text) RETURNS text LANGUAGE sql AS 'SELECT public.trap(); SELECT ''x''::text';
        CREATE FUNCTION public.greatest_of(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT public.trap(); SELECT 1::bigint';
        CREATE FUNCTION public.hashtext(text) RETURNS int LANGUAGE sql AS 'SELECT public.trap(); SELECT 1';
        CREATE FUNCTION public.plus(date, int) RETURNS date LANGUAGE sql AS 'SELECT public.trap(); SELECT now()::date';
        CREATE OPERATOR public.+ (LEFTARG = date, RIGHTARG = int, FUNCTION = public.plus);
        CREATE FUNCTION public.same(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT public.trap(); SELECT true';
        CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.same);
        CREATE OPERATOR public.~ (LEFTARG = text, RIGHTARG = text, FUNCTION = public.same);
        CREATE TEMP TABLE archives (month text, state text, deleted boolean, record_count bigint);
        CREATE TEMP TABLE ingest_cursor (client int, last_seq bigint, last_event bigint);
        CREATE TEMP TABLE client (id int, name text, spool text);
        CREATE TEMP TABLE search (n int);
        CREATE TEMP TABLE pg_roles (rolname text);
        CREATE TEMP TABLE pg_class (relname text);
        CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (public.trap() IS NULL);
        CREATE DOMAIN pg_temp.date AS pg_catalog.date CHECK (public.trap() IS NULL);
        SET search_path = public, pg_temp, soulseek, pg_catalog;";
    // Once is enough for what is not temporary.
    let mut made = false;
    let mut call = async |login: &str, sql: &str| {
        let traps = if made {
            let temporary = traps.find("CREATE TEMP").unwrap();
            &traps[temporary..]
        } else {
            traps
        };
        made = true;
        run(&server, login, &format!("SET client_min_messages = error; {traps} SET standard_conforming_strings = off; {sql}"))
            .await
    };
    let writer = [
        (
            "SELECT soulseek.add_month('2031-05-17'::pg_catalog.date)",
            "t",
        ),
        (
            "SELECT (soulseek.register_client('sealand', 'spool')).last_seq",
            "0",
        ),
        ("SELECT last_seq FROM soulseek.lock_cursor(1)", "3000"),
        (
            "SELECT soulseek.advance(1, 3000, 3001, NULL, 1, 0, '{}', '{}')",
            "",
        ),
    ];
    for (sql, expected) in writer {
        assert_eq!(call("writer", sql).await.as_deref(), Ok(expected), "{sql}");
    }
    assert_eq!(
        server
            .psql("fleet", "SELECT count(*) FROM soulseek.search_2031_05")
            .await
            .unwrap(),
        "0"
    );
    let detached = call("archiver", "SELECT soulseek.detach_month('2026-10')")
        .await
        .unwrap();
    let dropped = call(
        "archiver",
        &format!("SELECT soulseek.drop_detached('2026-10', '{detached}')"),
    )
    .await;
    assert_eq!(dropped.as_deref(), Ok("3000"));
}
