//! Looks at the headers of a column's pages before they are decoded.
//!
//! The decoder trusts the sizes and counts in them and reserves memory for them. A damaged header could ask for any
//! amount, and a failed reservation ends the process. The headers are in Thrift's compact protocol,
//! <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>; their fields are described in
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

/// The texts of a row group, the largest that a page can hold, are 40 MB and one text more.
const LARGEST_PAGE: usize = 64 << 20;

// PageType
const DATA_PAGE: i64 = 0;
const DICTIONARY_PAGE: i64 = 2;
// Encoding: what we write. All of them reserve memory by the number of values asked for.
const PLAIN: i64 = 0;
const RLE_DICTIONARY: i64 = 8;
const BYTE_STREAM_SPLIT: i64 = 9;

/// What matters of a page header.
#[derive(Debug, Default)]
struct Header {
    kind: i64,
    uncompressed: i64,
    compressed: i64,
    values: i64,
    encoding: i64,
}

/// Whether the pages fit together: `chunk` is the column, whole, with so many rows.
pub(super) fn check(chunk: &[u8], rows: usize) -> Result<(), &'static str> {
    let mut left = Compact(chunk);
    let mut values = 0;
    let mut has_dictionary = false;
    while !left.0.is_empty() {
        let header = left.header().ok_or("a page header cannot be read")?;
        let Header {
            kind,
            uncompressed,
            compressed,
            values: page_values,
            encoding,
        } = header;
        let compressed = usize::try_from(compressed).ok();
        left.0 = compressed
            .and_then(|compressed| left.0.get(compressed..))
            .ok_or("a page is longer than its column")?;
        let size = usize::try_from(uncompressed)
            .ok()
            .filter(|&size| size <= LARGEST_PAGE)
            .ok_or("a page is larger than any that we write")?;
        let count = usize::try_from(page_values).map_err(|_| "a page has less than no values")?;
        match (kind, encoding) {
            (DICTIONARY_PAGE, PLAIN) if !has_dictionary && values == 0 => {
                has_dictionary = true;
                // Each value takes 4 bytes at least.
                if count > rows || count > size / 4 {
                    return Err("a dictionary has more values than it can have");
                }
            }
            (DATA_PAGE, RLE_DICTIONARY) if has_dictionary => values += count,
            (DATA_PAGE, PLAIN | BYTE_STREAM_SPLIT) => values += count,
            _ => return Err("a page is of a kind that we do not write"),
        }
        if values > rows {
            break;
        }
    }
    if values == rows {
        Ok(())
    } else {
        Err("the pages do not have as many values as there are rows")
    }
}

/// Types of the compact protocol.
mod kind {
    pub(super) const STOP: u8 = 0;
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const STRUCT: u8 = 12;
}

/// What is left to read.
struct Compact<'b>(&'b [u8]);

impl Compact<'_> {
    fn header(&mut self) -> Option<Header> {
        let mut header = Header::default();
        let mut id = 0;
        loop {
            match self.field(&mut id)? {
                kind::STOP => return Some(header),
                kind::STRUCT => self.values(&mut header)?,
                other => {
                    let number = self.number(other)?;
                    match id {
                        1 => header.kind = number,
                        2 => header.uncompressed = number,
                        3 => header.compressed = number,
                        _ => {}
                    }
                }
            }
        }
    }

    /// `DataPageHeader` and `DictionaryPageHeader` both begin with the number of values and the encoding.
    fn values(&mut self, header: &mut Header) -> Option<()> {
        let mut id = 0;
        loop {
            match self.field(&mut id)? {
                kind::STOP => return Some(()),
                // The statistics of a page.
                kind::STRUCT => self.skip_struct()?,
                other => {
                    let number = self.number(other)?;
                    match id {
                        1 => header.values = number,
                        2 => header.encoding = number,
                        _ => {}
                    }
                }
            }
        }
    }

    /// A struct without structs in it.
    fn skip_struct(&mut self) -> Option<()> {
        let mut id = 0;
        loop {
            match self.field(&mut id)? {
                kind::STOP => return Some(()),
                other => self.number(other)?,
            };
        }
    }

    /// The type of the next field.
    fn field(&mut self, id: &mut i64) -> Option<u8> {
        let byte = self.byte()?;
        if byte == kind::STOP {
            return Some(kind::STOP);
        }
        *id = match byte >> 4 {
            0 => self.zigzag()?,
            delta => id.checked_add(delta.into())?,
        };
        Some(byte & 0x0f)
    }

    /// A number, or 0 for a text that is skipped.
    fn number(&mut self, kind: u8) -> Option<i64> {
        match kind {
            kind::TRUE => Some(1),
            kind::FALSE => Some(0),
            kind::BYTE => self.byte().map(i64::from),
            kind::I16..=kind::I64 => self.zigzag(),
            kind::DOUBLE => self.skip(8),
            kind::BINARY => {
                let length = self.varint()?;
                self.skip(usize::try_from(length).ok()?)
            }
            _ => None,
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn skip(&mut self, bytes: usize) -> Option<i64> {
        self.0 = self.0.get(bytes..)?;
        Some(0)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }
}
