//! Searches as people make them, the same ones in every run: the traffic of the simulated network, as frames.

use fleet_sim::soulseek::traffic::{Traffic, TrafficOptions};
use fleet_soulseek::{
    messages::{
        distributed::{DistributedMessage, SEARCH_IDENTIFIER, Search},
        server::{Embedded, ServerResponse},
    },
    wire::Text,
};

/// The connection that a frame is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the server to a branch root, code 93.
    Server,
    /// From the parent, code 3.
    Parent,
}

/// `count` searches on the wire, one frame behind the other. No two are the same: each has its own token, `first` and
/// the numbers that follow it.
pub(crate) fn frames(way: Way, first: u32, count: u32) -> Vec<u8> {
    let options = TrafficOptions {
        regions: 1,
        ..TrafficOptions::default()
    };
    let mut bytes = Vec::new();
    for (token, heard) in (first..first + count).zip(Traffic::new(options)) {
        let search = Search {
            identifier: SEARCH_IDENTIFIER,
            username: Text::from(&*heard.username),
            token,
            query: Text::from(&*heard.query),
        };
        let frame = match way {
            Way::Server => ServerResponse::Embedded(Embedded::search(&search)).encode(),
            Way::Parent => DistributedMessage::Search(search).encode(),
        };
        bytes.extend_from_slice(&frame);
    }
    bytes
}

/// Takes so many frames off the front.
pub(crate) fn take<'a>(frames: &mut &'a [u8], count: usize) -> &'a [u8] {
    let mut end = 0;
    for _ in 0..count {
        let Some(length) = frames[end..].first_chunk() else {
            break;
        };
        end += size_of::<u32>() + u32::from_le_bytes(*length) as usize;
    }
    let (taken, left) = frames.split_at(end);
    *frames = left;
    taken
}
