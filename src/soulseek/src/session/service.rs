//! What users who talk to us hear: who we are, and that we share nothing.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};

use super::peers::PeerConnection;
use crate::frame::{Frame, MAX_DISTRIBUTED, MAX_PEER};
use crate::messages::peer::{
    Compressed, FileSearchResponse, FolderContents, PeerMessage, SharedFileList, TransferResponse,
    UploadDenied, UserInfo,
};
use crate::obfuscation;
use crate::wire::{Reader, Text, Wire};

const NOT_SHARED: &str = "File not shared.";

/// What is answered. Nothing else is looked at: a list of files that nobody asked for costs memory.
const REQUESTS: [u32; 6] = [4, 8, 15, 36, 40, 43];
const USER_INFO_RESPONSE: u32 = 16;
/// A user may ask for this long; then they connect again.
const AT_MOST: Duration = Duration::from_mins(5);

/// The code in front of a message.
fn code(frame: &Frame) -> Option<u32> {
    u32::read(&mut Reader::new(frame.payload())).ok()
}

/// Answers one user until they close the connection, or say nothing for `idle`, or have had their time.
pub(super) async fn serve(
    mut connection: PeerConnection,
    own: &str,
    description: &str,
    idle: Duration,
) -> std::io::Result<()> {
    // Requests are short.
    connection.reader.set_limit(MAX_DISTRIBUTED);
    let start = Instant::now();
    while start.elapsed() < AT_MOST
        && let Ok(frame) = timeout(idle, connection.reader.next()).await
    {
        let Some(frame) = frame? else { break };
        if !code(&frame).is_some_and(|code| REQUESTS.contains(&code)) {
            continue;
        }
        let Ok(message) = PeerMessage::decode(&frame) else {
            continue;
        };
        if let Some(answer) = answer(message, own, description) {
            connection
                .writer
                .write_all(&on_wire(&answer, connection.obfuscated))
                .await?;
        }
    }
    Ok(())
}

/// Asks a user who they are.
pub(super) async fn user_info(mut connection: PeerConnection, idle: Duration) -> Option<UserInfo> {
    connection.reader.set_limit(MAX_PEER);
    let request = on_wire(&PeerMessage::UserInfoRequest, connection.obfuscated);
    connection.writer.write_all(&request).await.ok()?;
    loop {
        let frame = timeout(idle, connection.reader.next()).await.ok()?.ok()??;
        if code(&frame) == Some(USER_INFO_RESPONSE)
            && let Ok(PeerMessage::UserInfoResponse(info)) = PeerMessage::decode(&frame)
        {
            return Some(info);
        }
    }
}

fn on_wire(message: &PeerMessage, obfuscated: bool) -> Bytes {
    let frame = message.encode();
    if obfuscated {
        obfuscation::encode(rand::random(), &frame)
    } else {
        frame
    }
}

fn answer(message: PeerMessage, own: &str, description: &str) -> Option<PeerMessage> {
    Some(match message {
        PeerMessage::GetSharedFileList => PeerMessage::SharedFileList(Compressed(SharedFileList {
            directories: Vec::new(),
            unknown: Some(0),
            private: None,
        })),
        PeerMessage::FileSearchRequest(search) => {
            PeerMessage::FileSearchResponse(Compressed(FileSearchResponse {
                username: own.into(),
                token: search.token,
                results: Vec::new(),
                slot_free: false,
                speed: 0,
                queue_length: 0,
                unknown: Some(0),
                private: None,
            }))
        }
        PeerMessage::UserInfoRequest => PeerMessage::UserInfoResponse(UserInfo {
            description: description.into(),
            picture: None,
            upload_slots: 0,
            queue_size: 0,
            slots_free: false,
            permissions: None,
        }),
        PeerMessage::FolderContentsRequest(request) => {
            PeerMessage::FolderContentsResponse(Compressed(FolderContents {
                token: request.token,
                folder: request.folder,
                directories: Vec::new(),
            }))
        }
        PeerMessage::TransferRequest(request) => PeerMessage::TransferResponse(TransferResponse {
            token: request.token,
            outcome: Err(NOT_SHARED.into()),
        }),
        PeerMessage::QueueUpload(filename) => denied(filename),
        _ => return None,
    })
}

fn denied(filename: Text) -> PeerMessage {
    PeerMessage::UploadDenied(UploadDenied {
        filename,
        reason: NOT_SHARED.into(),
    })
}
