//! How much memory an archive takes: as much for a long month as for a short one. Alone in its process, whose heap is
//! counted.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use fleet_store::archive::{FileFormat, FileWriter, read_parquet};
use fleet_store::{Row, Source};
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Ten thousand of them fill a group of rows, and are 40 MiB.
const QUERY_BYTES: usize = 4096;
const MIB: usize = 1 << 20;

/// The peak of the heap while a file of so many rows is written and while it is read, in MiB.
fn peaks(rows: u32) -> [usize; 2] {
    let mut file = tempfile::tempfile().unwrap();
    let words = "words ".repeat(QUERY_BYTES / 6);
    let mut row = Row {
        client_id: "north".into(),
        spool: "5b".into(),
        seq: 0,
        received_at: 1_767_225_600_000_000,
        username: String::new(),
        query: String::new(),
        query_raw: None,
        token: 0,
        source: Source::Parent,
        branch_level: 1,
        canary: false,
    };
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let mut writer = FileWriter::new(FileFormat::Parquet, &mut file).unwrap();
    for n in 0..rows {
        row.seq += 1;
        row.received_at += 1_000_000;
        row.username = format!("user{}", n % 100);
        row.query = format!("{n} {words}");
        row.token = n;
        writer.push(&row).unwrap();
    }
    writer.finish().unwrap();
    let writing = (HEAP.peak_usage() - before) / MIB;

    HEAP.reset_peak_usage();
    let read = read_parquet("the file", file, None).unwrap();
    assert_eq!(read.map(Result::unwrap).count(), rows as usize);
    [writing, (HEAP.peak_usage() - before) / MIB]
}

#[test]
fn a_long_month_takes_no_more_memory_than_a_short_one() {
    // Two groups of rows, and six: 80 MiB of queries, and 240.
    let short = peaks(21_000);
    let long = peaks(63_000);
    for (short, long) in short.into_iter().zip(long) {
        assert!(long <= short + 1, "{short} MiB, then {long} MiB");
        // Of which 64 MiB are room for the rows of a group, which rows as long as these do not use.
        assert!(long < 256, "{long} MiB");
    }
}
