//! What opening says about everything that can be wrong with a data directory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use fleet_store::{
    DATABASE_FILE, Filter, Format, Reader, Record, Source, Spool, SpoolOptions, StoreError, Value,
    export,
};
use futures_util::TryStreamExt as _;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};

async fn open(dir: &Path) -> Result<Spool, StoreError> {
    Spool::open(dir, SpoolOptions::default()).await
}

fn record(n: u32) -> Record {
    Record {
        received_at: 0,
        username: "p".into(),
        query: "q".repeat(100),
        query_raw: None,
        token: n,
        source: Source::Direct,
        branch_level: 0,
        canary: false,
    }
}

async fn fill(dir: &Path, count: u32) {
    let spool = open(dir).await.unwrap();
    let client = spool.client("a").await.unwrap();
    for n in 0..count {
        client.append(record(n)).await.unwrap();
    }
    spool.close().await.unwrap();
}

#[tokio::test]
async fn the_directory_is_made_for_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("deep/data");
    open(&dir).await.unwrap().close().await.unwrap();
    assert_eq!(
        std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let files: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(
        files.len(),
        2,
        "the log is folded in when the spool is closed: {files:?}"
    );
}

#[tokio::test]
async fn a_second_collector_is_kept_out_until_the_first_ends() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).await.unwrap();
    let error = open(dir.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains(&format!("process {}", std::process::id())),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("--data-dir"));
    first.close().await.unwrap();
    open(dir.path()).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_client_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 10).await;
    let spool = open(dir.path()).await.unwrap();
    let client = spool.client("a").await.unwrap();
    let again = spool.client("a").await.unwrap();
    let other = spool.client("b").await.unwrap();
    assert_eq!(client.durable(), 10);
    client.append(record(10)).await.unwrap();
    again.append(record(11)).await.unwrap();
    other.append(record(0)).await.unwrap();
    assert_eq!(client.flush().await, Ok(12));
    assert_eq!(other.flush().await, Ok(1));
    spool.close().await.unwrap();
    assert!(client.append(record(12)).await.is_err());
    assert!(client.event("stopped", String::new()).await.is_err());
    assert!(client.flush().await.is_err());
}

#[tokio::test]
async fn a_dropped_spool_drains_in_the_background() {
    let dir = tempfile::tempdir().unwrap();
    let spool = open(dir.path()).await.unwrap();
    let client = spool.client("a").await.unwrap();
    client.append(record(0)).await.unwrap();
    let mut status = spool.status();
    drop(spool);
    // The status ends with the writer.
    while status.changed().await.is_ok() {}
    assert_eq!(client.durable(), 1);
    assert!(client.append(record(1)).await.is_err());
    open(dir.path()).await.unwrap().close().await.unwrap();
}

/// The file as the first version of this program made it, with a row of each source.
async fn first_version(dir: &Path) {
    let migrations = tempfile::tempdir().unwrap();
    let first = "0001_spool.sql";
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/sqlite");
    std::fs::copy(source.join(first), migrations.path().join(first)).unwrap();
    let options = SqliteConnectOptions::new()
        .filename(dir.join(DATABASE_FILE))
        .create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    let migrator = Migrator::new(migrations.path()).await.unwrap();
    migrator
        .run_direct(None, &mut connection, false)
        .await
        .unwrap();
    for sql in [
        "INSERT INTO client (id, name, last_seq) VALUES (1, 'a', 4)",
        "INSERT INTO search (client, seq, received_at, username, query, token, source, branch_level)
         SELECT 1, value + 1, value, 'p', 'q', value, value, 0 FROM json_each('[0, 1, 2, 3]')",
    ] {
        sqlx::query(sql).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_file_of_the_first_version_is_read_and_written() {
    let dir = tempfile::tempdir().unwrap();
    first_version(dir.path()).await;
    let mut output = Vec::new();
    let reader = Reader::open(dir.path()).await.unwrap();
    let exported = export(&reader, Format::Csv, Filter::default(), &mut output).await;
    assert_eq!(exported.unwrap(), 4);

    let spool = open(dir.path()).await.unwrap();
    let client = spool.client("a").await.unwrap();
    let canary = Record {
        canary: true,
        ..record(4)
    };
    client.append(canary).await.unwrap();
    assert_eq!(client.flush().await, Ok(5));
    spool.close().await.unwrap();
    let sql = "SELECT source, canary FROM searches ORDER BY seq";
    let mut query = reader.query(sql).await.unwrap();
    let rows: Vec<_> = query.rows().try_collect().await.unwrap();
    let expected = [
        ("parent", 0),
        ("embedded", 0),
        ("server", 0),
        ("direct", 0),
        ("direct", 1),
    ];
    assert_eq!(
        rows,
        expected.map(|(source, canary)| vec![Value::Text(source.into()), Value::Int(canary)])
    );
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 1).await;
    let file = dir.path().join(DATABASE_FILE);
    let mut connection = SqliteConnection::connect(file.to_str().unwrap())
        .await
        .unwrap();
    sqlx::query("INSERT INTO _sqlx_migrations VALUES (9999, 'later', '', true, x'00', 0)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    for error in [
        open(dir.path()).await.unwrap_err(),
        Reader::open(dir.path()).await.unwrap_err(),
    ] {
        assert!(
            matches!(error, StoreError::Newer { found: 9999, .. }),
            "{error:?}"
        );
        assert!(error.hint().unwrap().contains("newer version"));
        assert!(error.to_string().contains(DATABASE_FILE));
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(DATABASE_FILE);
    let text = "this is a letter to a friend, and no database at all. ".repeat(100);
    std::fs::write(&file, &text).unwrap();
    for error in [
        open(dir.path()).await.unwrap_err(),
        Reader::open(dir.path()).await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::NotAStore { .. }), "{error:?}");
        assert!(error.hint().is_some());
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[tokio::test]
async fn a_damaged_file_is_reported_and_not_written() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), 1000).await;
    let file = dir.path().join(DATABASE_FILE);
    let mut bytes = std::fs::read(&file).unwrap();
    // Everything but the header, as a broken disk might do.
    bytes[100..].fill(0x5a);
    std::fs::write(&file, &bytes).unwrap();
    for error in [
        open(dir.path()).await.unwrap_err(),
        Reader::open(dir.path()).await.unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        assert!(error.hint().unwrap().contains(".recover"));
    }
}

#[tokio::test]
async fn nothing_to_read_says_how_to_collect() {
    let dir = tempfile::tempdir().unwrap();
    let error = Reader::open(dir.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error:?}");
    let hint = format!(
        "run fleetctl up FILE --data-dir {} first",
        dir.path().display()
    );
    assert_eq!(error.hint(), Some(hint));
}

#[tokio::test]
async fn a_file_in_place_of_the_directory_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = open(&file).await.unwrap_err();
    assert!(
        error.to_string().contains(&*file.to_string_lossy()),
        "{error}"
    );
}
