//! The scripts of docs/examples: a backup while a collector ships, and what comes back from it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use fleet_tests::{
    bins,
    postgres::Postgres,
    study::{Script, Study, arg, finish, output, said},
};
use tempfile::TempDir;
use tokio::process::Command;

fn script(server: &Postgres, name: &str) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/examples")
        .join(name);
    let mut command = Command::new(path);
    let programs = server.bin("pg_dump").parent().map(Path::to_owned).unwrap();
    let mut paths = vec![programs];
    paths.extend(
        std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect::<Vec<PathBuf>>(),
    );
    command
        .env("PATH", std::env::join_paths(paths).unwrap())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn a_backup_while_a_collector_ships_comes_back_as_it_was_counted() {
    let server = Postgres::start().await.unwrap();
    let study = Study::new(&server, "fleet").await.unwrap();
    let from = "2026-10-01T00:00:00Z";
    study.collect("north", from, 60_000, 5_000).await.unwrap();
    server
        .psql(
            "fleet",
            "CREATE ROLE keeper LOGIN SUPERUSER PASSWORD 'p@ss %word'",
        )
        .await
        .unwrap();
    let south = Script {
        from,
        pause_ms: 20,
        ..Script::new("south", 20_000)
    };
    let collector = south.start(&study.spool("south"), study.url()).unwrap();

    let dir = TempDir::new().unwrap();
    let backup = dir.path().join("backup");
    let url = server.url_as("keeper", "p%40ss%20%25word", "fleet");
    let done = output(script(&server, "backup.sh").args([&url, arg(&backup)]))
        .await
        .unwrap();
    assert!(done.status.success(), "{}", said(&done));
    finish(collector).await.unwrap();

    let new = server.create_database("restored").await.unwrap();
    let done = output(script(&server, "restore.sh").args([arg(&backup), &new]))
        .await
        .unwrap();
    assert!(done.status.success(), "{}", said(&done));
    // What was counted is consistent in itself: the cursors and the records are of one moment.
    let consistent = "SELECT bool_and(last_seq = n AND last_seq = counted) FROM (SELECT last_seq, \
        (SELECT count(*) FROM soulseek.search s WHERE s.client = c.client) AS n, \
        (SELECT sum(searches) FROM soulseek.day_count d WHERE d.client = c.client) AS counted \
        FROM soulseek.ingest_cursor c) AS cursors";
    assert_eq!(server.psql("restored", consistent).await.unwrap(), "t");
    let north = "SELECT count(*) FROM soulseek.searches WHERE client_id = 'north'";
    assert_eq!(server.psql("restored", north).await.unwrap(), "5000");

    // Permissions are not in a backup: they come with `fleetd migrate`, and are those of a new database.
    let migrated = Command::new(bins::path("fleetd").unwrap())
        .arg("migrate")
        .env("DATABASE_URL", &new)
        .output()
        .await
        .unwrap();
    assert!(migrated.status.success(), "{}", said(&migrated));
    let permissions = "SELECT string_agg(format('%s %s', proname, coalesce(proacl::text, 'everybody')), E'\\n' ORDER BY proname) \
        FROM pg_proc WHERE pronamespace = 'soulseek'::regnamespace";
    let of_new = server.psql("restored", permissions).await.unwrap();
    assert_eq!(of_new, server.psql("fleet", permissions).await.unwrap());
    assert!(!of_new.contains("everybody"), "{of_new}");

    // A second time it is not empty; and a backup without its counts is none.
    let again = output(script(&server, "restore.sh").args([arg(&backup), &new]))
        .await
        .unwrap();
    assert!(
        !again.status.success() && said(&again).contains("not empty"),
        "{}",
        said(&again)
    );
    let other = server.create_database("other").await.unwrap();
    let counts = std::fs::read_to_string(backup.join("counts")).unwrap();
    std::fs::write(backup.join("counts"), counts.replace("|5000", "|5001")).unwrap();
    let differs = output(script(&server, "restore.sh").args([arg(&backup), &other]))
        .await
        .unwrap();
    assert!(
        !differs.status.success() && said(&differs).contains("does not hold"),
        "{}",
        said(&differs)
    );
    std::fs::remove_file(backup.join("counts")).unwrap();
    let other = server.create_database("third").await.unwrap();
    let none = output(script(&server, "restore.sh").args([arg(&backup), &other]))
        .await
        .unwrap();
    assert!(
        !none.status.success() && said(&none).contains("not a complete backup"),
        "{}",
        said(&none)
    );
}
