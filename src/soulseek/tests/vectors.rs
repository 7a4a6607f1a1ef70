//! Every vector is decoded, compared field by field, and encoded again. Compressed bodies are compared
//! inflated: two zlib libraries need not make the same bytes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use fleet_soulseek::frame::{Frame, FrameReader, build};
use fleet_soulseek::messages::distributed::{DistributedMessage, Search};
use fleet_soulseek::messages::file::{FileOffset, FileTransferInit};
use fleet_soulseek::messages::init::{ConnectionType, InitMessage};
use fleet_soulseek::messages::peer::PeerMessage;
use fleet_soulseek::messages::server::{
    Embedded, LoginResponse, ServerRequest, ServerResponse, Stats,
};
use fleet_soulseek::obfuscation;
use fleet_soulseek::wire::{DecodeError, Reader, Text, Wire};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

const VECTORS: &str = include_str!("vectors.json");

/// Vectors that hold what a reader must take and a writer must not make.
const READ_ONLY: [&str; 3] = [
    "peer_init_u64_token",
    "distrib_search_trailing_bytes",
    "embedded_unknown_code_trailing",
];

struct Vector {
    name: String,
    direction: String,
    fields: Map<String, Value>,
    bytes: Bytes,
    inflated: Option<Bytes>,
}

fn vectors() -> Vec<Vector> {
    let list: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    list.iter()
        .map(|vector| Vector {
            name: vector["name"].as_str().unwrap().to_owned(),
            direction: vector["direction"].as_str().unwrap().to_owned(),
            fields: vector["fields"].as_object().unwrap().clone(),
            bytes: unhex(vector["hex"].as_str().unwrap()),
            inflated: vector["inflated_hex"].as_str().map(unhex),
        })
        .collect()
}

fn unhex(text: &str) -> Bytes {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

/// What a decoded message says, under the names that the vectors use.
type Fields = Value;

fn text(text: &Text) -> Value {
    json!(text.decode())
}

fn texts(list: &[Text]) -> Value {
    list.iter().map(text).collect()
}

fn stats(stats: &Stats) -> Value {
    json!({
        "avg_speed": stats.speed, "uploads": stats.uploads,
        "shared_file_count": stats.files, "shared_folder_count": stats.folders,
    })
}

fn kind(kind: ConnectionType) -> &'static str {
    match kind {
        ConnectionType::Peer => "P",
        ConnectionType::File => "F",
        ConnectionType::Distributed => "D",
    }
}

fn search(search: &Search) -> Fields {
    json!({
        "identifier": search.identifier, "username": text(&search.username),
        "token": search.token, "query": text(&search.query),
        "query_bytes_hex": hex(search.query.as_bytes()),
    })
}

fn request(message: &ServerRequest) -> Fields {
    match message {
        ServerRequest::Login(login) => json!({
            "username": text(&login.username), "password": login.password.expose_secret(),
            "client_version": login.major_version, "md5hash": login.hash.expose_secret(),
            "minor_version": login.minor_version,
        }),
        ServerRequest::SetWaitPort(ports) => json!({
            "port": ports.port,
            "obfuscated_port_amount": ports.obfuscated.as_ref().map(|port| port.kind),
            "obfuscated_port": ports.obfuscated.as_ref().map(|port| port.port),
        }),
        ServerRequest::GetPeerAddress(username)
        | ServerRequest::WatchUser(username)
        | ServerRequest::GetUserStats(username)
        | ServerRequest::BranchRoot(username) => json!({ "username": text(username) }),
        ServerRequest::ConnectToPeer(body) => json!({
            "ticket": body.token, "username": text(&body.username), "typ": kind(body.connection_type),
        }),
        ServerRequest::MessageAcked(id) => json!({ "chat_id": id }),
        ServerRequest::FileSearch(body) | ServerRequest::WishlistSearch(body) => {
            json!({ "ticket": body.token, "query": text(&body.query) })
        }
        ServerRequest::SetStatus(status) => json!({ "status": status }),
        ServerRequest::ServerPing => json!({}),
        ServerRequest::SharedFoldersFiles(shared) => json!({
            "shared_folder_count": shared.folders, "shared_file_count": shared.files,
        }),
        ServerRequest::UserSearch(body) => json!({
            "username": text(&body.username), "ticket": body.token, "query": text(&body.query),
        }),
        ServerRequest::HaveNoParent(looking) => json!({ "enable": looking }),
        ServerRequest::AcceptChildren(accept) => json!({ "accept": accept }),
        ServerRequest::RoomSearch(body) => json!({
            "room": text(&body.room), "ticket": body.token, "query": text(&body.query),
        }),
        ServerRequest::SendUploadSpeed(speed) => json!({ "speed": speed }),
        ServerRequest::BranchLevel(level) => json!({ "level": level }),
        ServerRequest::CantConnectToPeer(body) => {
            json!({ "ticket": body.token, "username": text(&body.username) })
        }
        other => panic!("no vector should hold {other:?}"),
    }
}

fn response(message: &ServerResponse) -> Fields {
    match message {
        ServerResponse::Login(LoginResponse::Success(login)) => json!({
            "success": true, "greeting": text(&login.greeting), "ip": login.address,
            "md5hash": login.password_hash.as_ref().map(|hash| text(&hash.0)), "privileged": login.supporter,
            "reason": null,
        }),
        ServerResponse::Login(LoginResponse::Failure { reason, detail }) => json!({
            "success": false, "reason": text(reason), "detail": detail.as_ref().map(text),
        }),
        ServerResponse::GetPeerAddress(body) => json!({
            "username": text(&body.username), "ip": body.address, "port": body.port,
            "obfuscated_port_amount": body.obfuscation, "obfuscated_port": body.obfuscated_port,
        }),
        ServerResponse::WatchUser(body) => json!({
            "username": text(&body.username), "exists": body.found.is_some(),
            "status": body.found.as_ref().map(|found| found.status),
            "user_stats": body.found.as_ref().map(|found| stats(&found.stats)),
            "country_code": body.found.as_ref().and_then(|found| found.country.as_ref().map(text)),
        }),
        ServerResponse::GetUserStatus(body) => json!({
            "username": text(&body.username), "status": body.status, "privileged": body.privileged,
        }),
        ServerResponse::ConnectToPeer(body) => json!({
            "username": text(&body.username), "typ": kind(body.connection_type),
            "ip": body.address, "port": body.port, "ticket": body.token,
            "privileged": body.privileged, "obfuscated_port_amount": body.obfuscation,
            "obfuscated_port": body.obfuscated_port,
        }),
        ServerResponse::MessageUser(body) => json!({
            "chat_id": body.id, "timestamp": body.time, "username": text(&body.username),
            "message": text(&body.text), "is_direct": body.new,
        }),
        ServerResponse::FileSearch(body) => json!({
            "username": text(&body.username), "ticket": body.token, "query": text(&body.query),
        }),
        ServerResponse::GetUserStats(body) => json!({
            "username": text(&body.username), "user_stats": stats(&body.stats),
        }),
        ServerResponse::Relogged | ServerResponse::ResetDistributed => json!({}),
        ServerResponse::PrivilegedUsers(users) => json!({ "users": texts(users) }),
        ServerResponse::ParentMinSpeed(speed) => json!({ "speed": speed }),
        ServerResponse::ParentSpeedRatio(ratio) => json!({ "ratio": ratio }),
        ServerResponse::Embedded(body) => embedded(body.code, &body.body),
        ServerResponse::PossibleParents(list) => json!({
            "entries": list.iter().map(|parent| json!({
                "username": text(&parent.username), "ip": parent.address, "port": parent.port,
            })).collect::<Vec<_>>(),
        }),
        ServerResponse::WishlistInterval(seconds) => json!({ "interval": seconds }),
        ServerResponse::ExcludedSearchPhrases(phrases) => json!({ "phrases": texts(phrases) }),
        ServerResponse::CantConnectToPeer(token) => json!({ "ticket": token }),
        ServerResponse::Unknown { body, .. } => json!({ "payload_hex": hex(body) }),
        other => panic!("no vector should hold {other:?}"),
    }
}

fn embedded(code: u8, body: &Bytes) -> Fields {
    let mut fields = json!({ "distributed_code": code });
    if code == 3 {
        let found = search(&Search::read(&mut Reader::new(body.clone())).unwrap());
        fields
            .as_object_mut()
            .unwrap()
            .extend(found.as_object().unwrap().clone());
    } else {
        fields["body_hex"] = json!(hex(body));
    }
    fields
}

fn init(message: &InitMessage) -> Fields {
    match message {
        InitMessage::PierceFirewall(token) => json!({ "ticket": token }),
        InitMessage::PeerInit(init) => json!({
            "username": text(&init.username), "typ": kind(init.connection_type), "ticket": init.token,
        }),
        InitMessage::Unknown { .. } => panic!("no vector should hold {message:?}"),
    }
}

fn distributed(message: &DistributedMessage) -> Fields {
    match message {
        DistributedMessage::Ping(_) => json!({}),
        DistributedMessage::Search(found) => search(found),
        DistributedMessage::BranchLevel(level) => json!({ "level": level }),
        DistributedMessage::BranchRoot(root) => json!({ "username": text(root) }),
        DistributedMessage::ChildDepth(depth) => json!({ "depth": depth }),
        DistributedMessage::Embedded { code, body, .. } => embedded(*code, body),
        DistributedMessage::Unknown { .. } => panic!("no vector should hold {message:?}"),
    }
}

fn peer(message: &PeerMessage) -> Fields {
    match message {
        PeerMessage::GetSharedFileList => json!({ "ticket": null }),
        PeerMessage::UserInfoRequest => json!({}),
        PeerMessage::SharedFileList(list) => json!({
            "directories": list.0.directories.iter().map(|dir| text(&dir.name)).collect::<Vec<_>>(),
            "unknown": list.0.unknown, "locked_directories": null,
        }),
        PeerMessage::FileSearchResponse(body) => json!({
            "username": text(&body.0.username), "ticket": body.0.token,
            "results": body.0.results.iter().map(|file| json!({
                "unknown": file.code, "filename": text(&file.name), "filesize": file.size,
                "extension": text(&file.extension),
                "attributes": file.attributes.iter()
                    .map(|attribute| json!({ "key": attribute.kind, "value": attribute.value }))
                    .collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "has_slots_free": body.0.slot_free, "avg_speed": body.0.speed,
            "queue_size": body.0.queue_length, "unknown": body.0.unknown, "locked_results": null,
        }),
        PeerMessage::UserInfoResponse(body) => json!({
            "description": text(&body.description), "has_picture": body.picture.is_some(),
            "picture": null, "upload_slots": body.upload_slots, "queue_size": body.queue_size,
            "has_slots_free": body.slots_free, "upload_permissions": body.permissions,
        }),
        PeerMessage::QueueUpload(filename) => json!({ "filename": text(filename) }),
        PeerMessage::TransferRequest(body) => json!({
            "direction": body.direction, "ticket": body.token, "filename": text(&body.filename),
            "filesize": body.size,
        }),
        PeerMessage::TransferResponse(body) => json!({
            "ticket": body.token, "allowed": body.outcome.is_ok(), "filesize": null, "reason": null,
        }),
        PeerMessage::UploadDenied(body) => {
            json!({ "filename": text(&body.filename), "reason": text(&body.reason) })
        }
        other => panic!("no vector should hold {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat()
}

/// The same field goes by several names in the two programs that the vectors come from.
fn canonical(name: &str) -> &str {
    match name {
        "ticket" => "token",
        "unknown" => "identifier",
        "type" => "typ",
        other => other,
    }
}

fn compare(name: &str, wanted: &Map<String, Value>, found: &Fields) {
    let found: HashMap<_, _> = found
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (canonical(name), value))
        .collect();
    let mut compared = 0;
    for (field, value) in wanted {
        let field = canonical(field);
        match found.get(field) {
            Some(&ours) => assert_eq!(ours, value, "{name}: {field}"),
            // Remarks of the vector, not fields on the wire; and fields that are null there.
            None => assert!(
                value.is_null()
                    || matches!(
                        field,
                        "raw_query_hex" | "trailing_hex" | "query_hex" | "note"
                    ),
                "{name}: nothing was compared with {field} = {value}"
            ),
        }
        compared += 1;
    }
    assert_eq!(compared, wanted.len());
}

fn round_trip(vector: &Vector, encoded: &Bytes) {
    let name = &vector.name;
    if let Some(inflated) = &vector.inflated {
        // The code and the decoder stand in front of what is compressed: compare what we inflate.
        let ours = Frame::from_bytes(encoded.clone()).unwrap();
        assert_eq!(
            inflate(&ours.payload()[4..]),
            *inflated,
            "{name}: inflated bytes"
        );
    } else if !READ_ONLY.contains(&name.as_str()) {
        assert_eq!(hex(encoded), hex(&vector.bytes), "{name}: bytes");
    }
}

fn inflate(bytes: &[u8]) -> Bytes {
    let mut out = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(bytes), &mut out).unwrap();
    out.into()
}

#[test]
fn framed_vectors_decode_and_encode() {
    let mut seen = 0;
    for vector in vectors() {
        let name = vector.name.as_str();
        if name.starts_with("obfuscated") || vector.direction.starts_with("file") {
            continue;
        }
        seen += 1;
        let frame = Frame::from_bytes(vector.bytes.clone()).expect(name);
        if name == "distrib_search_truncated" {
            let error = DistributedMessage::decode(&frame).unwrap_err();
            assert_eq!(
                error,
                DecodeError::Truncated {
                    wanted: 100,
                    left: 4
                }
            );
            continue;
        }
        let (fields, encoded) = match vector.direction.as_str() {
            "client->server" => {
                let message = ServerRequest::decode(&frame).expect(name);
                (request(&message), message.encode())
            }
            "server->client" => {
                let message = ServerResponse::decode(&frame).expect(name);
                (response(&message), message.encode())
            }
            "peer-init" => {
                let message = InitMessage::decode(&frame).expect(name);
                (init(&message), message.encode())
            }
            "distributed(D)" => {
                let message = DistributedMessage::decode(&frame).expect(name);
                (distributed(&message), message.encode())
            }
            "peer(P)" => {
                let message = PeerMessage::decode(&frame).expect(name);
                (peer(&message), message.encode())
            }
            other => panic!("{name}: direction {other}"),
        };
        compare(name, &vector.fields, &fields);
        round_trip(&vector, &encoded);
    }
    assert_eq!(seen, 75, "and two of files and two of obfuscation: 79");
}

#[test]
fn file_vectors_decode_and_encode() {
    for vector in vectors()
        .into_iter()
        .filter(|vector| vector.direction.starts_with("file"))
    {
        let mut reader = Reader::new(vector.bytes.clone());
        let mut out = BytesMut::new();
        match vector.name.as_str() {
            "file_transfer_init" => {
                let message = FileTransferInit::read(&mut reader).unwrap();
                assert_eq!(json!(message.token), vector.fields["token"]);
                message.write(&mut out);
            }
            "file_offset" => {
                let message = FileOffset::read(&mut reader).unwrap();
                assert_eq!(json!(message.offset), vector.fields["offset"]);
                message.write(&mut out);
            }
            other => panic!("{other}"),
        }
        assert_eq!(out.freeze(), vector.bytes);
    }
}

#[tokio::test]
async fn obfuscated_vectors_decode_and_encode() {
    for vector in vectors()
        .into_iter()
        .filter(|vector| vector.name.starts_with("obfuscated"))
    {
        let key = unhex(vector.fields["key_hex"].as_str().unwrap());
        let plain = unhex(vector.fields["plain_hex"].as_str().unwrap());
        let key = u32::from_le_bytes(key[..].try_into().unwrap());
        assert_eq!(
            obfuscation::encode(key, &plain),
            vector.bytes,
            "{}",
            vector.name
        );
        let mut reader = FrameReader::new(&vector.bytes[..], 1024);
        reader.set_obfuscated(true);
        let frame = reader.next().await.unwrap().unwrap().into_bytes();
        assert_eq!(frame, plain[..frame.len()], "{}", vector.name);
    }
}

/// A search from the server is passed on with the same bytes under another code.
#[test]
fn an_embedded_search_becomes_a_distributed_one() {
    let vectors: HashMap<_, _> = vectors()
        .into_iter()
        .map(|vector| (vector.name.clone(), vector.bytes))
        .collect();
    let frame = Frame::from_bytes(vectors["embedded_search_from_server"].clone()).unwrap();
    let ServerResponse::Embedded(Embedded { body, .. }) = ServerResponse::decode(&frame).unwrap()
    else {
        panic!("not an embedded search")
    };
    let search = Search::read(&mut Reader::new(body)).unwrap();
    assert_eq!(
        DistributedMessage::Search(search).encode(),
        vectors["distrib_search"]
    );
}

#[test]
fn a_login_hides_its_secrets() {
    let login = fleet_soulseek::messages::server::Login::new("name", &"hunter2".into(), 177, 1);
    let shown = format!("{:?}", ServerRequest::Login(login.clone()));
    assert!(shown.contains("name"));
    assert!(
        !shown.contains("hunter2") && !shown.contains(login.hash.expose_secret()),
        "{shown}"
    );
}

#[test]
fn frames_are_built_with_their_length() {
    assert_eq!(
        build(|out| out.extend_from_slice(b"abc"))[..],
        *b"\x03\0\0\0abc"
    );
}
