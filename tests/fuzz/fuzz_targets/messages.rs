//! One frame, read as every family of messages; what can be read must survive writing and reading.
#![no_main]

use fleet_soulseek::frame::{Frame, build};
use fleet_soulseek::messages::distributed::DistributedMessage;
use fleet_soulseek::messages::init::InitMessage;
use fleet_soulseek::messages::peer::PeerMessage;
use fleet_soulseek::messages::server::{ServerRequest, ServerResponse};
use libfuzzer_sys::fuzz_target;

macro_rules! stable {
    ($($message:ty),*; $frame:expr) => {$(
        if let Ok(message) = <$message>::decode(&$frame) {
            let again = Frame::from_bytes(message.encode()).expect("we write whole frames");
            assert_eq!(<$message>::decode(&again).as_ref(), Ok(&message));
        }
    )*};
}

fuzz_target!(|payload: &[u8]| {
    let frame = Frame::from_bytes(build(|out| out.extend_from_slice(payload))).expect("one frame");
    stable!(ServerRequest, ServerResponse, PeerMessage, DistributedMessage, InitMessage; frame);
});
