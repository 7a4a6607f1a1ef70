//! Reading: queries of people and exports, also while a collector writes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use fleet_store::{
    Filter, Format, Query, Reader, Record, Source, Spool, SpoolOptions, StoreError, Value, export,
};
use futures_util::TryStreamExt as _;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::RowAccessor as _;

/// 2023-11-14T22:13:20.000001Z
const START: i64 = 1_700_000_000_000_001;

fn records() -> Vec<Record> {
    let record = |n: u32, query: &str, raw: Option<&[u8]>, source| Record {
        received_at: START + i64::from(n) * 1_000_000,
        username: format!("pseudonym{n}"),
        query: query.into(),
        query_raw: raw.map(<[u8]>::to_vec),
        token: u32::MAX - n,
        source,
        branch_level: n,
        canary: n == 2,
    };
    vec![
        record(0, "björk ♫", None, Source::Parent),
        record(1, "a \"quoted\", one\nwith a line", None, Source::Embedded),
        record(2, "nul\u{2400}", Some(b"nul\0"), Source::Server),
        record(3, "", None, Source::Direct),
    ]
}

async fn write(dir: &Path) -> Spool {
    let spool = Spool::open(dir, SpoolOptions::default()).await.unwrap();
    let client = spool.client("falkenstein").await.unwrap();
    for record in records() {
        client.append(record).await.unwrap();
    }
    client
        .event("parent found", "level 3".into())
        .await
        .unwrap();
    client.flush().await.unwrap();
    spool
}

async fn all(query: &mut Query) -> Vec<Vec<Value>> {
    query.rows().try_collect().await.unwrap()
}

async fn exported(reader: &Reader, format: Format, filter: Filter) -> (u64, Vec<u8>) {
    let mut output = Vec::new();
    let count = export(reader, format, filter, &mut output).await.unwrap();
    (count, output)
}

/// The name that the spool gave itself.
async fn spool_name(reader: &Reader) -> String {
    let name = all(&mut reader.query("SELECT id FROM spool").await.unwrap()).await;
    let name = name[0][0].to_string();
    assert_eq!(name.len(), 32, "{name}");
    name
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[tokio::test]
async fn people_read_the_views_while_a_collector_writes() {
    let dir = tempfile::tempdir().unwrap();
    let spool = write(dir.path()).await;
    let reader = Reader::open(dir.path()).await.unwrap();

    let mut query = reader
        .query("SELECT * FROM searches ORDER BY seq LIMIT 1")
        .await
        .unwrap();
    let columns = [
        "client_id",
        "seq",
        "received_at",
        "timestamp",
        "username",
        "query",
        "token",
        "source",
        "branch_level",
        "query_raw",
        "canary",
    ];
    assert_eq!(query.columns(), columns);
    let instant = text("2023-11-14T22:13:20.000001Z");
    let row = vec![
        text("falkenstein"),
        Value::Int(1),
        instant.clone(),
        instant,
        text("pseudonym0"),
        text("björk ♫"),
        Value::Int(u32::MAX.into()),
        text("parent"),
        Value::Int(0),
        Value::Null,
        Value::Int(0),
    ];
    assert_eq!(all(&mut query).await, [row]);

    let sql = "SELECT source, query_raw, canary FROM soulseek.searches WHERE seq > 1 ORDER BY seq";
    let rows = all(&mut reader.query(sql).await.unwrap()).await;
    let raw = Value::Blob(b"nul\0".to_vec());
    assert_eq!(raw.to_string(), "6e756c00");
    assert_eq!(
        rows,
        [
            [text("embedded"), Value::Null, Value::Int(0)],
            [text("server"), raw, Value::Int(1)],
            [text("direct"), Value::Null, Value::Int(0)]
        ]
    );

    let rows = all(&mut reader
        .query("SELECT client_id, kind, detail, at FROM events")
        .await
        .unwrap())
    .await;
    assert_eq!(
        rows[0][..3],
        [text("falkenstein"), text("parent found"), text("level 3")]
    );
    let Value::Text(at) = &rows[0][3] else {
        panic!("{rows:?}")
    };
    assert!(
        at.parse::<jiff::Timestamp>().is_ok() && at.ends_with('Z') && at.len() == 27,
        "{at}"
    );

    let mut query = reader
        .query("SELECT 1.5 AS a, 'b' AS \"the b\" WHERE false")
        .await
        .unwrap();
    assert_eq!(query.columns(), ["a", "the b"]);
    assert!(all(&mut query).await.is_empty());
    spool.close().await.unwrap();
}

#[tokio::test]
async fn a_query_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path()).await.close().await.unwrap();
    let reader = Reader::open(dir.path()).await.unwrap();
    let other = dir.path().join("other.db");
    for sql in [
        "DELETE FROM search".to_owned(),
        "DELETE FROM soulseek.search RETURNING id".to_owned(),
        "PRAGMA query_only = OFF; DELETE FROM soulseek.search RETURNING id".to_owned(),
        "DROP TABLE search".to_owned(),
        "SELECT 1; SELECT 2, 3".to_owned(),
        format!(
            "ATTACH '{}' AS other; CREATE TABLE other.t (a); SELECT 1",
            other.display()
        ),
        "nonsense".to_owned(),
        String::new(),
    ] {
        let failed = match reader.query(&sql).await {
            Ok(mut query) => query
                .rows()
                .try_collect::<Vec<_>>()
                .await
                .map(drop)
                .unwrap_err(),
            Err(error) => error,
        };
        assert!(
            matches!(failed, StoreError::Query(_) | StoreError::NotAQuery),
            "{sql}: {failed:?}"
        );
    }
    assert!(!other.exists());
    assert_eq!(exported(&reader, Format::Csv, Filter::default()).await.0, 4);
}

#[tokio::test]
async fn jsonl_keeps_everything() {
    let dir = tempfile::tempdir().unwrap();
    let spool = write(dir.path()).await;
    let reader = Reader::open(dir.path()).await.unwrap();
    let (count, output) = exported(&reader, Format::Jsonl, Filter::default()).await;
    assert_eq!(count, 4);
    let lines: Vec<_> = std::str::from_utf8(&output).unwrap().lines().collect();
    assert_eq!(
        lines[0],
        format!(
            "{{\"client_id\":\"falkenstein\",\"spool\":\"{}\",\"seq\":1,\
             \"received_at\":\"2023-11-14T22:13:20.000001Z\",\"username\":\"pseudonym0\",\"query\":\"björk ♫\",\
             \"token\":4294967295,\"source\":\"parent\",\"branch_level\":0}}",
            spool_name(&reader).await
        )
    );
    let third: serde_json::Value = serde_json::from_str(lines[2]).unwrap();
    assert_eq!(third["query_raw"], "6e756c00");
    assert_eq!(third["query"], "nul\u{2400}");
    assert_eq!(
        (&third["source"], &third["canary"]),
        (&"server".into(), &true.into())
    );
    spool.close().await.unwrap();
}

#[tokio::test]
async fn csv_keeps_everything() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path()).await.close().await.unwrap();
    let reader = Reader::open(dir.path()).await.unwrap();
    let (_, output) = exported(&reader, Format::Csv, Filter::default()).await;
    let text = std::str::from_utf8(&output).unwrap();
    assert!(text.starts_with(
        "client_id,spool,seq,received_at,username,query,token,source,branch_level,query_raw,canary\r\n"
    ));
    let rows: Vec<csv::StringRecord> = csv::Reader::from_reader(&*output)
        .records()
        .map(Result::unwrap)
        .collect();
    assert_eq!(rows.len(), 4);
    let name = spool_name(&reader).await;
    for (row, record) in rows.iter().zip(records()) {
        assert_eq!(row[1], name);
        assert_eq!(row[5], record.query);
        assert_eq!(row[6], record.token.to_string());
        assert_eq!(row[7], *record.source.as_str());
        assert_eq!(row[10], record.canary.to_string());
    }
    assert_eq!(rows[2][9], *"6e756c00");
}

#[tokio::test]
async fn parquet_keeps_everything() {
    let dir = tempfile::tempdir().unwrap();
    let spool = write(dir.path()).await;
    let client = spool.client("ashburn").await.unwrap();
    // More than one row group by size.
    for n in 0..1500_u32 {
        let record = Record {
            token: n,
            query: "q".repeat(16 << 10),
            ..records().remove(0)
        };
        client.append(record).await.unwrap();
    }
    client.flush().await.unwrap();
    let reader = Reader::open(dir.path()).await.unwrap();
    let (count, output) = exported(&reader, Format::Parquet, Filter::default()).await;
    assert_eq!(count, 1504);
    assert!(output.len() < 1 << 20, "{}", output.len());

    let file = SerializedFileReader::new(bytes(&output)).unwrap();
    assert_eq!(file.metadata().num_row_groups(), 2);
    assert!(
        file.metadata()
            .row_groups()
            .iter()
            .all(|group| group.total_byte_size() < 20 << 20)
    );
    let rows: Vec<_> = file
        .get_row_iter(None)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(rows.len(), 1504);
    let name = spool_name(&reader).await;
    for (row, record) in rows.iter().zip(records()) {
        assert_eq!(row.get_string(0).unwrap(), "falkenstein");
        assert_eq!(row.get_string(1).unwrap(), &name);
        assert_eq!(row.get_timestamp_micros(3).unwrap(), record.received_at);
        assert_eq!(row.get_string(4).unwrap(), &record.username);
        assert_eq!(row.get_string(5).unwrap(), &record.query);
        assert_eq!(row.get_long(6).unwrap(), i64::from(record.token));
        assert_eq!(row.get_string(7).unwrap(), record.source.as_str());
        assert_eq!(
            row.get_int(8).unwrap(),
            i32::try_from(record.branch_level).unwrap()
        );
        let raw = row.get_bytes(9).ok().map(|bytes| bytes.data().to_vec());
        assert_eq!(raw, record.query_raw);
        assert_eq!(row.get_bool(10).unwrap(), record.canary);
    }
    assert_eq!(rows[1503].get_long(2).unwrap(), 1500);
    let schema = format!("{:?}", file.metadata().file_metadata().schema());
    assert!(schema.contains("Timestamp"), "{schema}");
    spool.close().await.unwrap();
}

fn bytes(output: &[u8]) -> impl parquet::file::reader::ChunkReader + 'static {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, output).unwrap();
    file
}

#[tokio::test]
async fn since_is_in_and_until_is_out() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path()).await.close().await.unwrap();
    let reader = Reader::open(dir.path()).await.unwrap();
    let at = |n: i64| Some(jiff::Timestamp::from_microsecond(START + n * 1_000_000).unwrap());
    let just_after = |n: i64| at(n).map(|moment| moment + jiff::SignedDuration::from_nanos(1));
    for (since, until, wanted) in [
        (None, None, 4),
        (at(1), None, 3),
        (None, at(1), 1),
        (at(1), at(3), 2),
        (just_after(1), None, 2),
        (None, just_after(1), 2),
        (at(9), None, 0),
    ] {
        let (count, _) = exported(&reader, Format::Jsonl, Filter { since, until }).await;
        assert_eq!(count, wanted, "{since:?} {until:?}");
    }
}

#[tokio::test]
async fn an_empty_store_exports_an_empty_file_of_each_form() {
    let dir = tempfile::tempdir().unwrap();
    Spool::open(dir.path(), SpoolOptions::default())
        .await
        .unwrap()
        .close()
        .await
        .unwrap();
    let reader = Reader::open(dir.path()).await.unwrap();
    for format in ["csv", "jsonl", "parquet"] {
        assert_eq!(
            exported(&reader, format.parse().unwrap(), Filter::default())
                .await
                .0,
            0
        );
    }
    assert!("xml".parse::<Format>().is_err());
}
