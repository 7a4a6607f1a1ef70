use std::io::{Cursor, Write};

use bytes::Bytes;
use parquet::file::metadata::{ParquetMetaDataReader, RowGroupMetaData};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::{Row, Source};

const FORMATS: [FileFormat; 2] = [FileFormat::Parquet, FileFormat::CsvGz];

fn written(format: FileFormat, rows: &[Row]) -> (Summary, Vec<u8>) {
    let mut writer = FileWriter::new(format, Vec::new()).unwrap();
    for row in rows {
        writer.push(row).unwrap();
    }
    writer.finish().unwrap()
}

/// Every row, or the first error.
fn read(
    format: FileFormat,
    bytes: &[u8],
    range: Option<std::ops::Range<i64>>,
) -> Result<Vec<Row>, FileError> {
    match format {
        FileFormat::Parquet => {
            read_parquet("the file", Bytes::copy_from_slice(bytes), range)?.collect()
        }
        FileFormat::CsvGz => read_csv_gz("the file", Cursor::new(bytes), range)?.collect(),
    }
}

fn digest(rows: &[Row]) -> String {
    let mut digest = RowDigest::default();
    for row in rows {
        digest.add(row);
    }
    digest.to_string()
}

/// A row like many others.
fn row(n: i64) -> Row {
    Row {
        client_id: if n % 3 == 0 { "ash" } else { "fsn1" }.into(),
        spool: "00".into(),
        seq: n,
        received_at: 1_790_812_800_000_000 + n * 1_000_000,
        username: format!("jpCxSv6L-LffYhyGL3LH4bLn1X{}", n % 17),
        query: format!("a song of {} – björk", n % 5),
        query_raw: (n % 11 == 0).then(|| b"a song \xff\x00".to_vec()),
        token: u32::try_from(n).unwrap().wrapping_mul(2_654_435_761),
        source: [
            Source::Parent,
            Source::Embedded,
            Source::Server,
            Source::Direct,
        ][usize::try_from(n % 4).unwrap()],
        branch_level: u32::try_from(n % 6).unwrap(),
        canary: n % 13 == 0,
    }
}

fn rows(count: i64) -> Vec<Row> {
    (1..=count).map(row).collect()
}

fn sorted(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_cached_key(|row| format!("{row:?}"));
    rows
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,30}",
        "[ -~\r\n\",;']{0,12}",
        // As Fernet makes them.
        "gAAAAAB[A-Za-z0-9_-]{90}==",
        Just(String::new()),
        Just("same".into()),
        Just("\u{0}é\u{10ffff}".into()),
        Just("x".repeat(70_000)),
    ]
}

fn any_time() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        Just(i64::MIN),
        Just(i64::MAX),
        Just(-1),
        Just(253_402_300_799_999_999),
        1_790_000_000_000_000..1_791_000_000_000_000_i64,
    ]
}

prop_compose! {
    fn any_row()(
        client_id in prop_oneof![Just("fsn1"), Just("ash"), Just("")],
        spool in prop_oneof![Just("00"), Just("ff")],
        (seq, received_at) in (any::<i64>(), any_time()),
        (username, query) in (any_text(), any_text()),
        query_raw in option::of(vec(any::<u8>(), 1..20)),
        (token, branch_level, canary) in (any::<u32>(), any::<u32>(), any::<bool>()),
        source in prop_oneof![
            Just(Source::Parent), Just(Source::Embedded), Just(Source::Server), Just(Source::Direct),
        ],
    ) -> Row {
        Row {
            client_id: client_id.into(), spool: spool.into(), seq, received_at, username, query,
            query_raw, token, source, branch_level, canary,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_row_comes_back(rows in vec(any_row(), 0..40)) {
        for format in FORMATS {
            let (summary, bytes) = written(format, &rows);
            prop_assert_eq!(&summary.file, &FileFacts::of(&bytes[..]).unwrap());
            prop_assert_eq!(summary.records, rows.len() as u64);
            prop_assert_eq!(summary.first_received_at, rows.iter().map(|row| row.received_at).min());
            prop_assert_eq!(summary.last_received_at, rows.iter().map(|row| row.received_at).max());
            let back = read(format, &bytes, None).unwrap();
            if format == FileFormat::CsvGz {
                prop_assert_eq!(&back, &rows, "in order");
            }
            prop_assert_eq!(sorted(back.clone()), sorted(rows.clone()));
            prop_assert_eq!(digest(&back), summary.digest);
        }
    }

    #[test]
    fn a_range_gives_just_its_rows(rows in vec(any_row(), 0..40), from in any_time(), to in any_time()) {
        let range = from.min(to)..from.max(to);
        let expected: Vec<_> =
            rows.iter().filter(|row| range.contains(&row.received_at)).cloned().collect();
        for format in FORMATS {
            let (_, bytes) = written(format, &rows);
            let found = read(format, &bytes, Some(range.clone())).unwrap();
            prop_assert_eq!(sorted(found), sorted(expected.clone()));
        }
    }

    #[test]
    fn the_digest_sees_any_change_and_no_order(
        mut rows in vec(any_row(), 1..10), other in any_row(), at in any::<prop::sample::Index>(),
    ) {
        let digest = |rows: &[Row]| {
            let mut digest = RowDigest::default();
            for row in rows {
                digest.add(row);
            }
            digest.to_string()
        };
        let before = digest(&rows);
        rows.reverse();
        prop_assert_eq!(&digest(&rows), &before);
        let place = at.index(rows.len());
        prop_assume!(rows[place] != other);
        rows[place] = other;
        prop_assert_ne!(&digest(&rows), &before);
    }
}

/// Made by a few lines of Python: programs of other people compute it, too.
#[test]
fn the_digest_never_changes() {
    let mut digest = RowDigest::default();
    assert_eq!(digest.to_string(), "0".repeat(32));
    digest.add(&row(11));
    assert_eq!(digest.to_string(), "2b0a5fc3da4eba9eb760f4f2451ce711");
    digest.add(&row(12));
    assert_eq!(digest.to_string(), "b6e4b927551a08c67760a3c4e4769386");
}

#[test]
fn the_summary_tells_clients_and_their_numbers() {
    for format in FORMATS {
        let (summary, _) = written(format, &rows(500));
        let clients: Vec<_> = summary
            .clients
            .iter()
            .map(|client| {
                (
                    &*client.client_id,
                    client.records,
                    client.first_seq,
                    client.last_seq,
                )
            })
            .collect();
        assert_eq!(clients, [("ash", 166, 3, 498), ("fsn1", 334, 1, 500)]);
    }
}

#[test]
fn files_of_other_kinds_are_told_apart() {
    let table = {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"a,b\r\n1,2\r\n").unwrap();
        gz.finish().unwrap()
    };
    let error = read(FileFormat::CsvGz, &table, None).unwrap_err();
    assert!(matches!(error, FileError::NotAnArchive { .. }), "{error}");
    for format in FORMATS {
        let other = if format == FileFormat::Parquet {
            FileFormat::CsvGz
        } else {
            FileFormat::Parquet
        };
        let (_, bytes) = written(other, &rows(5));
        let error = read(format, &bytes, None).unwrap_err();
        assert!(
            error.to_string().starts_with("the file is damaged at "),
            "{error}"
        );
        assert!(error.hint().is_some());
    }
    let export = include_bytes!("mod.rs");
    assert!(read(FileFormat::Parquet, export, None).is_err());
}

/// A file that was cut off anywhere is an error: the rows before the cut must not pass for all of them.
#[test]
fn a_truncated_file_is_an_error() {
    for format in FORMATS {
        let (_, bytes) = written(format, &rows(300));
        for length in (0..bytes.len()).step_by(7) {
            let error = read(format, &bytes[..length], None).unwrap_err();
            assert!(
                matches!(error, FileError::Damaged { .. }),
                "{format} {length}: {error}"
            );
        }
    }
}

/// Either the reader notices, or the digest does; where a byte does not matter, the rows are right.
#[test]
fn a_flipped_bit_is_noticed() {
    // The decoder's panics are expected here, and many.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic
            .location()
            .is_none_or(|at| !at.file().contains("/parquet-"))
        {
            report(panic);
        }
    }));
    for format in FORMATS {
        let (summary, bytes) = written(format, &rows(100));
        let expected = sorted(rows(100));
        let mut harmless = 0;
        for at in 0..bytes.len() {
            for bit in [1, 0x80] {
                let mut damaged = bytes.clone();
                damaged[at] ^= bit;
                match read(format, &damaged, None) {
                    Err(error) => assert!(error.hint().is_some()),
                    Ok(rows) if digest(&rows) != summary.digest => {}
                    Ok(rows) => {
                        assert_eq!(sorted(rows), expected, "{format}: byte {at}, bit {bit}");
                        harmless += 1;
                    }
                }
            }
        }
        assert!(
            harmless < bytes.len() / 2,
            "{format}: {harmless} changes made no difference"
        );
    }
}

/// Small compressed files can stand for huge ones.
#[test]
fn a_record_without_end_is_refused() {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let (_, bytes) = written(FileFormat::CsvGz, &[]);
    let mut header = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut header)
        .unwrap();
    gz.write_all(header.as_bytes()).unwrap();
    gz.write_all(b"\"").unwrap();
    for _ in 0..64 {
        gz.write_all(&vec![b'a'; 1 << 20]).unwrap();
    }
    let error = read(FileFormat::CsvGz, &gz.finish().unwrap(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the file is damaged at line 2: a record is longer than 33554432 bytes"
    );
}

/// Long queries end a group as many rows do.
#[test]
fn long_queries_do_not_pile_up() {
    let mut writer = ParquetWriter::new(Vec::new()).unwrap();
    let filler = "x".repeat(1 << 20);
    for n in 1..=100 {
        let mut row = row(n);
        row.query = format!("{n} {filler}");
        writer.push(&row).unwrap();
    }
    let (summary, bytes) = writer.finish().unwrap();
    assert_eq!(summary.records, 100);
    let groups = ParquetMetaDataReader::new()
        .parse_and_finish(&Bytes::from(bytes))
        .unwrap()
        .row_groups()
        .iter()
        .map(RowGroupMetaData::num_rows)
        .collect::<Vec<_>>();
    assert_eq!(groups, [40, 40, 20]);
}

#[test]
fn a_full_disk_is_told_as_such() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for format in FORMATS {
        let write = || {
            let mut writer = FileWriter::new(format, Full)?;
            for row in rows(10) {
                writer.push(&row)?;
            }
            writer.finish().map(drop)
        };
        match write() {
            Err(FileError::Write(source)) => {
                assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
            }
            other => panic!("{format}: {other:?}"),
        }
    }
}
