//! A stream of bytes, plain and obfuscated: frames come out, or an error.
#![no_main]

use bytes::BytesMut;
use fleet_soulseek::frame::{MAX_DISTRIBUTED, split};
use fleet_soulseek::obfuscation;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut buffer = BytesMut::from(bytes);
    while let Ok(Some(frame)) = split(&mut buffer, MAX_DISTRIBUTED) {
        assert!(frame.into_bytes().len() <= bytes.len());
    }
    let mut buffer = BytesMut::from(bytes);
    while let Ok(Some(frame)) = obfuscation::split(&mut buffer, MAX_DISTRIBUTED) {
        assert!(frame.into_bytes().len() <= bytes.len());
    }
});
