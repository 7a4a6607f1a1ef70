//! Bytes from a hostile network: no parser panics, reads past its frame, or holds more memory than has
//! arrived. The same checks run for longer as fuzz targets (`tests/fuzz`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use fleet_soulseek::frame::{Frame, FrameReader, MAX_DISTRIBUTED, build};
use fleet_soulseek::messages::distributed::DistributedMessage;
use fleet_soulseek::messages::init::InitMessage;
use fleet_soulseek::messages::peer::{MAX_INFLATED, PeerMessage};
use fleet_soulseek::messages::server::{ServerRequest, ServerResponse};
use proptest::prelude::*;

fn frame(payload: &[u8]) -> Frame {
    Frame::from_bytes(build(|out| out.extend_from_slice(payload))).unwrap()
}

/// Decodes, encodes and decodes again: the second reading must say the same as the first.
macro_rules! stable {
    ($message:ty, $frame:expr) => {
        if let Ok(message) = <$message>::decode(&$frame) {
            let again = Frame::from_bytes(message.encode()).unwrap();
            prop_assert_eq!(<$message>::decode(&again).unwrap(), message);
        }
    };
}

/// A code that exists, or any, and random bytes behind it.
fn coded(codes: &'static [u32], wide: bool) -> impl Strategy<Value = Vec<u8>> {
    let code = prop_oneof![prop::sample::select(codes), any::<u32>()];
    (code, prop::collection::vec(any::<u8>(), 0..200)).prop_map(move |(code, body)| {
        let code = code.to_le_bytes();
        let mut payload = if wide {
            code.to_vec()
        } else {
            code[..1].to_vec()
        };
        payload.extend(body);
        payload
    })
}

const SERVER: &[u32] = &[
    1, 2, 3, 5, 7, 18, 22, 26, 28, 35, 36, 41, 42, 64, 69, 71, 83, 84, 93, 100, 102, 104, 120, 121,
    126, 127, 130, 160, 1001,
];
const PEER: &[u32] = &[4, 5, 8, 9, 15, 16, 36, 37, 40, 41, 43, 44, 46, 50, 51];
const DISTRIBUTED: &[u32] = &[0, 3, 4, 5, 7, 93];

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn server_messages(payload in coded(SERVER, true)) {
        stable!(ServerRequest, frame(&payload));
        stable!(ServerResponse, frame(&payload));
    }

    #[test]
    fn peer_messages(payload in coded(PEER, true)) {
        stable!(PeerMessage, frame(&payload));
    }

    #[test]
    fn distributed_messages(payload in coded(DISTRIBUTED, false)) {
        stable!(DistributedMessage, frame(&payload));
    }

    #[test]
    fn init_messages(payload in coded(&[0, 1], false)) {
        stable!(InitMessage, frame(&payload));
    }

    #[test]
    fn streams(bytes in prop::collection::vec(any::<u8>(), 0..2000), obfuscated: bool) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let mut reader = FrameReader::new(&bytes[..], MAX_DISTRIBUTED);
            reader.set_obfuscated(obfuscated);
            let mut read = 0;
            while let Ok(Some(frame)) = reader.next().await {
                read += frame.into_bytes().len();
            }
            assert!(read <= bytes.len());
        });
    }
}

/// A few kilobytes that would inflate to more than is allowed are an error, not memory.
#[test]
fn a_zip_bomb_is_refused() {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(
        &mut std::io::Read::take(std::io::repeat(0), MAX_INFLATED as u64 + 1),
        &mut encoder,
    )
    .unwrap();
    let bomb: Bytes = encoder.finish().unwrap().into();
    assert!(bomb.len() < 32 * 1024);
    let mut payload = 5u32.to_le_bytes().to_vec();
    payload.extend_from_slice(&bomb);
    let error = PeerMessage::decode(&frame(&payload)).unwrap_err();
    assert!(error.to_string().contains("larger than"), "{error}");
}
