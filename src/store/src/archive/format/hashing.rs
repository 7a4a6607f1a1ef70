//! The size and the SHA-256 of what is written or read.

use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

use crate::export::hex;

/// What tells one file from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// Bytes.
    pub size: u64,
    /// Lower-case hexadecimal digits, as `sha256sum` prints them.
    pub sha256: String,
}

impl FileFacts {
    /// Of everything that there is to read.
    pub fn of(mut reader: impl Read) -> io::Result<Self> {
        let mut hashing = Hashing::new(io::sink());
        io::copy(&mut reader, &mut hashing)?;
        Ok(hashing.finish().0)
    }
}

/// Passes everything on and counts and hashes it.
#[derive(Debug)]
pub struct Hashing<W> {
    output: W,
    size: u64,
    sha256: Sha256,
}

impl<W: Write> Hashing<W> {
    /// Nothing is written yet.
    pub fn new(output: W) -> Self {
        Self {
            output,
            size: 0,
            sha256: Sha256::new(),
        }
    }

    /// Bytes so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What was written, and where. Does not flush.
    pub fn finish(self) -> (FileFacts, W) {
        let facts = FileFacts {
            size: self.size,
            sha256: hex(&self.sha256.finalize()),
        };
        (facts, self.output)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.size += written as u64;
        self.sha256.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
