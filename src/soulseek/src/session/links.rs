//! The connections of the distributed tree: one task that reads and one that writes for each.

use std::collections::HashMap;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::net;
use super::peers::PeerConnection;
use super::tree::LinkId;
use crate::frame::{Frame, MAX_DISTRIBUTED};

/// Frames that may wait for a child to read. A child that is slower than this is dropped: it must not
/// hold up the others.
const OUTBOX: usize = 1024;

/// What a connection of the tree delivers.
#[derive(Debug)]
pub(super) enum LinkInput {
    /// A frame, and when it was read.
    Frame(LinkId, Instant, Frame),
    /// The end.
    Closed(LinkId),
}

#[derive(Debug)]
struct Link {
    frames: mpsc::Sender<Bytes>,
    reading: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        // The writer ends by itself when its queue is gone, after what waits there is written.
        self.reading.abort();
    }
}

/// All connections of the tree.
#[derive(Debug)]
pub(super) struct Links {
    /// `None` after the end: then only the tasks that still read hold the channel open.
    inputs: Option<mpsc::Sender<LinkInput>>,
    /// Ends reading from the network; what has been read is still delivered.
    stop: CancellationToken,
    links: HashMap<LinkId, Link>,
    next: LinkId,
}

impl Links {
    pub(super) fn new(inputs: mpsc::Sender<LinkInput>, stop: CancellationToken) -> Self {
        Self {
            inputs: Some(inputs),
            stop,
            links: HashMap::new(),
            next: 0,
        }
    }

    /// Starts reading and writing a connection.
    pub(super) fn add(&mut self, connection: PeerConnection) -> LinkId {
        let id = self.next;
        self.next += 1;
        let PeerConnection {
            mut reader, writer, ..
        } = connection;
        reader.set_limit(MAX_DISTRIBUTED);
        let (frames, queue) = mpsc::channel(OUTBOX);
        tokio::spawn(net::write_frames(writer, queue));
        let (inputs, stop) = (self.inputs.clone(), self.stop.clone());
        let reading = tokio::spawn(async move {
            let Some(inputs) = inputs else { return };
            while let Some(Ok(Some(frame))) = stop.run_until_cancelled(reader.next()).await {
                if inputs
                    .send(LinkInput::Frame(id, Instant::now(), frame))
                    .await
                    .is_err()
                {
                    return;
                }
            }
            while let Ok(Some(frame)) = reader.buffered() {
                if inputs
                    .send(LinkInput::Frame(id, Instant::now(), frame))
                    .await
                    .is_err()
                {
                    return;
                }
            }
            let _ = inputs.send(LinkInput::Closed(id)).await;
        });
        self.links.insert(
            id,
            Link {
                frames,
                reading: reading.abort_handle(),
            },
        );
        id
    }

    /// Queues a frame. `false` where the other side does not read, or is gone.
    pub(super) fn send(&self, id: LinkId, frame: Bytes) -> bool {
        self.links
            .get(&id)
            .is_some_and(|link| link.frames.try_send(frame).is_ok())
    }

    /// No connection is added any more: what comes in ends with those that there are.
    pub(super) fn end(&mut self) {
        self.inputs = None;
    }

    /// Closes a connection.
    pub(super) fn close(&mut self, id: LinkId) {
        self.links.remove(&id);
    }
}
