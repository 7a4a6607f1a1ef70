//! Messages on `P` connections, between two users. Codes are four bytes wide. The bodies of 5, 9 and
//! 37 are one zlib stream each (RFC 1950).

use std::io::{Read, Write};

use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::wire::{DecodeError, Reader, Text, Wire, messages, wire_struct};

/// The most that a compressed body may inflate to, in bytes.
pub const MAX_INFLATED: usize = 16 * 1024 * 1024;

messages! {
    /// A message between two users.
    pub enum PeerMessage: u32 {
        /// Asks for the list of shared files.
        4u32 => GetSharedFileList,
        /// The list of shared files.
        5u32 => SharedFileList(body: Compressed<SharedFileList>),
        /// A search of the receiver's files; obsolete.
        8u32 => FileSearchRequest(body: FileSearchRequest),
        /// Files that match a search.
        9u32 => FileSearchResponse(body: Compressed<FileSearchResponse>),
        /// Asks who the receiver is.
        15u32 => UserInfoRequest,
        /// Who the sender is.
        16u32 => UserInfoResponse(body: UserInfo),
        /// Asks for the files of a folder.
        36u32 => FolderContentsRequest(body: FolderContentsRequest),
        /// The files of a folder.
        37u32 => FolderContentsResponse(body: Compressed<FolderContents>),
        /// Offers or asks for a transfer.
        40u32 => TransferRequest(body: TransferRequest),
        /// Takes or refuses a transfer.
        41u32 => TransferResponse(body: TransferResponse),
        /// Asks to be put into the upload queue.
        43u32 => QueueUpload(filename: Text),
        /// A place in the upload queue.
        44u32 => PlaceInQueueResponse(body: PlaceInQueue),
        /// An upload has failed.
        46u32 => UploadFailed(filename: Text),
        /// An upload is refused.
        50u32 => UploadDenied(body: UploadDenied),
        /// Asks for the place in the upload queue.
        51u32 => PlaceInQueueRequest(filename: Text),
        /// Deprecated.
        52u32 => UploadQueueNotification,
    }
}

wire_struct! {
    /// One shared file.
    pub struct SharedFile {
        /// Always 1.
        pub code: u8,
        /// The name; folders are parted by backslashes.
        pub name: Text,
        /// Bytes.
        pub size: u64,
        /// Often empty.
        pub extension: Text,
        /// Bitrate and the like.
        pub attributes: Vec<Attribute>,
    }

    /// A property of a shared file.
    pub struct Attribute {
        /// 0 bitrate in kbit/s, 1 seconds, 2 variable bitrate, 4 sample rate, 5 bit depth.
        pub kind: u32,
        /// The value.
        pub value: u32,
    }

    /// A folder with its files.
    pub struct Directory {
        /// The name.
        pub name: Text,
        /// The files.
        pub files: Vec<SharedFile>,
    }

    /// All that a user shares. Programs leave fields away at the end.
    pub struct SharedFileList {
        /// For everyone.
        pub directories: Vec<Directory>,
        /// Always 0.
        pub unknown: Option<u32>,
        /// For friends only.
        pub private: Option<Vec<Directory>>,
    }

    /// A search of one user's files.
    pub struct FileSearchRequest {
        /// The searcher's number for it.
        pub token: u32,
        /// What.
        pub query: Text,
    }

    /// Files that match.
    pub struct FileSearchResponse {
        /// Whose files.
        pub username: Text,
        /// The searcher's number for the search.
        pub token: u32,
        /// The files.
        pub results: Vec<SharedFile>,
        /// Whether an upload could begin at once.
        pub slot_free: bool,
        /// Bytes a second.
        pub speed: u32,
        /// Uploads that wait.
        pub queue_length: u32,
        /// Always 0.
        pub unknown: Option<u32>,
        /// For friends only.
        pub private: Option<Vec<SharedFile>>,
    }

    /// Asks for a folder.
    pub struct FolderContentsRequest {
        /// Comes back in the answer.
        pub token: u32,
        /// The folder.
        pub folder: Text,
    }

    /// A folder's files.
    pub struct FolderContents {
        /// The token of the request.
        pub token: u32,
        /// The folder.
        pub folder: Text,
        /// The folder and those below it.
        pub directories: Vec<Directory>,
    }

    /// A place in the queue.
    pub struct PlaceInQueue {
        /// Which file.
        pub filename: Text,
        /// From 1.
        pub place: u32,
    }

    /// A refusal.
    pub struct UploadDenied {
        /// Which file.
        pub filename: Text,
        /// `File not shared.` and the like; the spelling matters.
        pub reason: Text,
    }
}

/// Who a user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    /// What the user says of themselves.
    pub description: Text,
    /// A picture, if there is one.
    pub picture: Option<Text>,
    /// Uploads at once.
    pub upload_slots: u32,
    /// Uploads that wait.
    pub queue_size: u32,
    /// Whether an upload could begin at once.
    pub slots_free: bool,
    /// 0 to 3; may be missing.
    pub permissions: Option<u32>,
}

impl Wire for UserInfo {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            description: Wire::read(reader)?,
            picture: if bool::read(reader)? {
                Some(Text::read(reader)?)
            } else {
                None
            },
            upload_slots: Wire::read(reader)?,
            queue_size: Wire::read(reader)?,
            slots_free: Wire::read(reader)?,
            permissions: Wire::read(reader)?,
        })
    }

    fn write(&self, out: &mut BytesMut) {
        self.description.write(out);
        self.picture.is_some().write(out);
        self.picture.write(out);
        self.upload_slots.write(out);
        self.queue_size.write(out);
        self.slots_free.write(out);
        self.permissions.write(out);
    }
}

const UPLOAD: u32 = 1;

/// A transfer that is offered (with a size) or asked for (without).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRequest {
    /// 0 download (obsolete), 1 upload.
    pub direction: u32,
    /// The number of the transfer.
    pub token: u32,
    /// Which file.
    pub filename: Text,
    /// Bytes; only with an upload.
    pub size: Option<u64>,
}

impl Wire for TransferRequest {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let direction = Wire::read(reader)?;
        Ok(Self {
            direction,
            token: Wire::read(reader)?,
            filename: Wire::read(reader)?,
            size: if direction == UPLOAD {
                Some(Wire::read(reader)?)
            } else {
                None
            },
        })
    }

    fn write(&self, out: &mut BytesMut) {
        self.direction.write(out);
        self.token.write(out);
        self.filename.write(out);
        self.size.write(out);
    }
}

/// Whether a transfer may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferResponse {
    /// The number of the transfer.
    pub token: u32,
    /// `Ok` with the size where the old way of downloading is used; `Err` with the reason.
    pub outcome: Result<Option<u64>, Text>,
}

impl Wire for TransferResponse {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            token: Wire::read(reader)?,
            outcome: if bool::read(reader)? {
                Ok(Wire::read(reader)?)
            } else {
                Err(Wire::read(reader)?)
            },
        })
    }

    fn write(&self, out: &mut BytesMut) {
        self.token.write(out);
        self.outcome.is_ok().write(out);
        match &self.outcome {
            Ok(size) => size.write(out),
            Err(reason) => reason.write(out),
        }
    }
}

/// A body that goes over the wire as one zlib stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compressed<T>(pub T);

impl<T: Wire> Wire for Compressed<T> {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let mut inflated = Vec::new();
        // One byte more than is allowed tells "exactly the limit" from "more".
        let cap = MAX_INFLATED as u64 + 1;
        ZlibDecoder::new(&reader.rest()[..])
            .take(cap)
            .read_to_end(&mut inflated)
            .ok()
            .filter(|&length| length <= MAX_INFLATED)
            .ok_or(DecodeError::Inflate {
                limit: MAX_INFLATED,
            })?;
        T::read(&mut Reader::new(Bytes::from(inflated))).map(Self)
    }

    fn write(&self, out: &mut BytesMut) {
        let mut plain = BytesMut::new();
        self.0.write(&mut plain);
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        // Writing to memory cannot fail; were it to, the body would be empty, which is also valid.
        let deflated = encoder
            .write_all(&plain)
            .and_then(|()| encoder.finish())
            .unwrap_or_default();
        out.extend_from_slice(&deflated);
    }
}
