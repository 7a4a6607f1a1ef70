//! How the columns `username` and `origin` of `soulseek.search` hold more than they seem to. The view `searches` has
//! the same rules in SQL.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Source;

/// Source and canary, as the spool has them.
const SOURCE_BITS: i64 = 0b111;
const TEXT: i16 = 0b1000;
const LEVEL_SHIFT: u32 = 4;
const LEVEL_MAX: i64 = 2047;

/// A pseudonym as the database holds it: base64 as the bytes that it stands for, a quarter shorter.
#[derive(Debug)]
pub(crate) struct Username<'a> {
    pub(crate) bytes: Cow<'a, [u8]>,
    /// Whether the bytes are the text itself, because it is not base64 without padding.
    pub(crate) is_text: bool,
}

impl<'a> Username<'a> {
    pub(crate) fn pack(pseudonym: &'a str) -> Self {
        // Strict: what it takes, it gives back.
        match URL_SAFE_NO_PAD.decode(pseudonym) {
            Ok(bytes) => Self {
                bytes: bytes.into(),
                is_text: false,
            },
            Err(_) => Self {
                bytes: pseudonym.as_bytes().into(),
                is_text: true,
            },
        }
    }
}

pub(crate) fn origin(source: i64, username_is_text: bool, branch_level: i64) -> i16 {
    let level = branch_level.clamp(0, LEVEL_MAX) << LEVEL_SHIFT;
    let packed = (source & SOURCE_BITS) | level;
    i16::try_from(packed).unwrap_or_default() | if username_is_text { TEXT } else { 0 }
}

/// What `origin` holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) source: Source,
    pub(crate) canary: bool,
    pub(crate) branch_level: u32,
    username_is_text: bool,
}

impl Origin {
    pub(crate) fn unpack(origin: i16) -> Self {
        Self {
            source: Source::of_code(i64::from(origin)),
            canary: origin & 0b100 != 0,
            branch_level: u32::try_from(origin >> LEVEL_SHIFT).unwrap_or_default(),
            username_is_text: origin & TEXT != 0,
        }
    }

    pub(crate) fn username(&self, bytes: &[u8]) -> String {
        if self.username_is_text {
            String::from_utf8_lossy(bytes).into_owned()
        } else {
            URL_SAFE_NO_PAD.encode(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_comes_back(
            username in "[-_A-Za-z0-9=]{0,60}|.{0,20}", source in 0_i64..8, level in 0_i64..2048,
        ) {
            let packed = Username::pack(&username);
            let origin = Origin::unpack(origin(source, packed.is_text, level));
            prop_assert_eq!(origin.username(&packed.bytes), username);
            prop_assert_eq!(origin.source.code(), source & 3);
            prop_assert_eq!(origin.canary, source >= 4);
            prop_assert_eq!(i64::from(origin.branch_level), level);
        }
    }

    #[test]
    fn a_level_that_no_tree_has_is_cut() {
        assert_eq!(
            Origin::unpack(origin(1, false, i64::MAX)).branch_level,
            2047
        );
    }
}
