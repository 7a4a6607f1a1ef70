//! File connections carry no frames: after the init message the uploader sends the token of the
//! transfer, the downloader sends the offset from which it wants the file, and the bytes follow.

use crate::wire::wire_struct;

wire_struct! {
    /// The first bytes from the uploader.
    pub struct FileTransferInit {
        /// The token of the [`TransferRequest`](super::peer::TransferRequest).
        pub token: u32,
    }

    /// The first bytes from the downloader.
    pub struct FileOffset {
        /// Bytes that the downloader has already.
        pub offset: u64,
    }
}
