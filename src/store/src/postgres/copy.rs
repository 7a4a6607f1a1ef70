//! Rows in the binary form of COPY, <https://www.postgresql.org/docs/15/sql-copy.html#id-1.9.3.55.9.4>.

use std::time::Duration;

/// For the end of a connection.
pub(super) const GOODBYE: Duration = Duration::from_secs(2);

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: i16 = -1;

/// 2000-01-01T00:00:00Z in microseconds since 1970: PostgreSQL's zero.
const EPOCH: i64 = 946_684_800_000_000;
/// 0001-01-01T00:00:00Z and 9999-12-30T22:00:00Z in microseconds since 1970. A clock before the first has no
/// date that people could read; the last is the last moment that jiff knows, so that reports have a day for it.
const FIRST: i64 = -62_135_596_800_000_000;
const LAST: i64 = 253_402_207_200_000_000;

/// Microseconds since 1970 that have a date: what lies beyond the first and the last becomes that.
pub(crate) fn dated(micros: i64) -> i64 {
    micros.clamp(FIRST, LAST)
}

/// Rows for `COPY ... FROM STDIN (FORMAT binary)`.
#[derive(Debug)]
pub(crate) struct Rows(Vec<u8>);

impl Rows {
    pub(crate) fn new() -> Self {
        Self(HEADER.to_vec())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == HEADER.len()
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What there is so far, to be sent before the rest.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    /// All of it, with its end.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.extend(TRAILER.to_be_bytes());
        self.0
    }

    /// Begins a row of so many fields.
    pub(crate) fn row(&mut self, fields: i16) {
        self.0.extend(fields.to_be_bytes());
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Microseconds since 1970 as a `timestamptz`.
    pub(crate) fn time(&mut self, micros: i64) {
        self.i64(dated(micros) - EPOCH);
    }

    /// Bytes, or a text without U+0000; less than 2 GiB, which no record reaches.
    pub(crate) fn bytes(&mut self, value: &[u8]) {
        let length = i32::try_from(value.len()).unwrap_or(i32::MAX);
        self.0.extend(length.to_be_bytes());
        self.0.extend(value);
    }

    /// A text. The database knows none with U+0000: one such record would hold up all that come after it.
    pub(crate) fn text(&mut self, value: &str) {
        if value.contains('\0') {
            self.bytes(value.replace('\0', "\u{2400}").as_bytes());
        } else {
            self.bytes(value.as_bytes());
        }
    }

    pub(crate) fn null(&mut self) {
        self.0.extend((-1_i32).to_be_bytes());
    }
}

/// Reads what `COPY ... TO STDOUT (FORMAT binary)` sends, in whatever pieces it comes.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    buffer: Vec<u8>,
    /// Bytes of the buffer that were read.
    read: usize,
    begun: bool,
    ended: bool,
}

impl Decoder {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..std::mem::take(&mut self.read));
        self.buffer.extend(bytes);
    }

    /// The next row, if all of it is there.
    pub(crate) fn next_row(&mut self) -> Result<Option<Fields<'_>>, &'static str> {
        if !self.begun {
            if self.buffer.len() < HEADER.len() {
                return Ok(None);
            }
            if !self.buffer.starts_with(&HEADER[..11]) {
                return Err("the database sent no binary rows");
            }
            self.begun = true;
            self.read = HEADER.len();
        }
        let Some((count, mut rest)) = split(&self.buffer[self.read..]) else {
            return Ok(None);
        };
        let count = i16::from_be_bytes(count);
        if self.ended || count == TRAILER {
            self.ended = true;
            return Ok(None);
        }
        let mut fields = [None; FIELDS];
        let places = fields
            .get_mut(..usize::try_from(count).unwrap_or(usize::MAX))
            .ok_or("the database sent a row of another form")?;
        for field in places {
            let Some((length, after)) = split(rest) else {
                return Ok(None);
            };
            rest = after;
            if let Ok(length) = usize::try_from(i32::from_be_bytes(length)) {
                let Some((value, after)) = rest.split_at_checked(length) else {
                    return Ok(None);
                };
                *field = Some(value);
                rest = after;
            }
        }
        self.read = self.buffer.len() - rest.len();
        Ok(Some(Fields(fields)))
    }

    /// Whether the end came.
    pub(crate) fn finish(self) -> Result<(), &'static str> {
        if self.ended {
            Ok(())
        } else {
            Err("the database stopped in the middle of the rows")
        }
    }
}

fn split<const N: usize>(bytes: &[u8]) -> Option<([u8; N], &[u8])> {
    let (head, rest) = bytes.split_first_chunk()?;
    Some((*head, rest))
}

/// The most fields that a row has.
const FIELDS: usize = 8;

/// One row.
#[derive(Debug)]
pub(crate) struct Fields<'a>([Option<&'a [u8]>; FIELDS]);

impl Fields<'_> {
    /// The bytes of a field; none for NULL.
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        self.0.get(index).copied().flatten()
    }

    pub(crate) fn bytes(&self, index: usize) -> Result<&[u8], &'static str> {
        self.get(index)
            .ok_or("the database sent nothing where there is always something")
    }

    pub(crate) fn i16(&self, index: usize) -> Result<i16, &'static str> {
        self.number(index).map(i16::from_be_bytes)
    }

    pub(crate) fn i32(&self, index: usize) -> Result<i32, &'static str> {
        self.number(index).map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&self, index: usize) -> Result<i64, &'static str> {
        self.number(index).map(i64::from_be_bytes)
    }

    /// A `timestamptz` in microseconds since 1970.
    pub(crate) fn time(&self, index: usize) -> Result<i64, &'static str> {
        Ok(self.i64(index)?.saturating_add(EPOCH))
    }

    fn number<const N: usize>(&self, index: usize) -> Result<[u8; N], &'static str> {
        let bytes = self.bytes(index)?;
        bytes
            .try_into()
            .map_err(|_| "the database sent a number of another size")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_beyond_the_calendar_gets_its_first_or_last_moment() {
        let time = |micros| {
            let moment = jiff::Timestamp::from_microsecond(dated(micros)).unwrap();
            moment.to_string()
        };
        for micros in [i64::MIN, FIRST - 1, FIRST] {
            assert_eq!(time(micros), "0001-01-01T00:00:00Z");
        }
        for micros in [i64::MAX, 253_402_300_799_999_999, LAST + 1, LAST] {
            assert_eq!(time(micros), "9999-12-30T22:00:00Z");
        }
        assert_eq!(dated(FIRST + 1), FIRST + 1);
        assert_eq!(dated(LAST - 1), LAST - 1);
    }

    #[test]
    fn rows_are_read_in_whatever_pieces_they_come() {
        let mut rows = Rows::new();
        for number in 0..3_i64 {
            rows.row(4);
            rows.i64(number);
            rows.time(number - 1);
            rows.bytes(b"text");
            rows.null();
        }
        let sent = rows.finish();
        for size in [1, 7, 1000] {
            let mut decoder = Decoder::default();
            let mut seen = Vec::new();
            for piece in sent.chunks(size) {
                decoder.push(piece);
                while let Some(fields) = decoder.next_row().unwrap() {
                    assert_eq!(fields.bytes(2).unwrap(), b"text");
                    assert_eq!(fields.get(3), None);
                    seen.push((fields.i64(0).unwrap(), fields.time(1).unwrap()));
                }
            }
            assert_eq!(seen, [(0, -1), (1, 0), (2, 1)]);
            decoder.finish().unwrap();
        }
        let mut cut = Decoder::default();
        cut.push(&sent[..sent.len() - 3]);
        while cut.next_row().unwrap().is_some() {}
        assert!(cut.finish().is_err());
        let mut other = Decoder::default();
        other.push(b"1\ttext\t\\N\nand so on and so on");
        assert!(other.next_row().is_err());
    }
}
