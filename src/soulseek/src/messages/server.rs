//! Messages to and from the server. Codes are four bytes wide.

use std::fmt::{self, Write};
use std::net::Ipv4Addr;

use bytes::BytesMut;
use md5::{Digest, Md5};
use secrecy::{ExposeSecret, SecretString};

use super::distributed::Search;
use super::init::ConnectionType;
use crate::wire::{DecodeError, Reader, Text, Wire, messages, wire_struct};

messages! {
    /// What a client says to the server.
    pub enum ServerRequest: u32 {
        /// Must be the first message.
        1u32 => Login(body: Login),
        /// Where we listen for other peers.
        2u32 => SetWaitPort(body: SetWaitPort),
        /// Asks for a user's address.
        3u32 => GetPeerAddress(username: Text),
        /// Asks to be told of a user's status and figures.
        5u32 => WatchUser(username: Text),
        /// Ends [`Self::WatchUser`].
        6u32 => UnwatchUser(username: Text),
        /// Asks for a user's status.
        7u32 => GetUserStatus(username: Text),
        /// Asks that a user connect to us.
        18u32 => ConnectToPeer(body: ConnectToPeerRequest),
        /// A private message.
        22u32 => MessageUser(body: MessageUserRequest),
        /// A private message has arrived; without this it comes again at every login.
        23u32 => MessageAcked(id: u32),
        /// A search of the whole network.
        26u32 => FileSearch(body: FileSearchRequest),
        /// 1 away, 2 online.
        28u32 => SetStatus(status: i32),
        /// Keeps the connection alive.
        32u32 => ServerPing,
        /// How much we share.
        35u32 => SharedFoldersFiles(body: SharedFoldersFiles),
        /// Asks for a user's figures.
        36u32 => GetUserStats(username: Text),
        /// A search of one user's files.
        42u32 => UserSearch(body: UserSearch),
        /// Asks for the list of rooms.
        64u32 => RoomList,
        /// Whether we look for a parent in the distributed tree.
        71u32 => HaveNoParent(looking: bool),
        /// Asks how many seconds of privileges are left.
        92u32 => CheckPrivileges,
        /// Whether we take children in the distributed tree.
        100u32 => AcceptChildren(accept: bool),
        /// A search that is repeated by the client of its own accord.
        103u32 => WishlistSearch(body: FileSearchRequest),
        /// A search of the members of a room.
        120u32 => RoomSearch(body: RoomSearch),
        /// Bytes a second, after each upload.
        121u32 => SendUploadSpeed(speed: u32),
        /// Our distance from the root of our branch.
        126u32 => BranchLevel(level: u32),
        /// The name of the root of our branch.
        127u32 => BranchRoot(username: Text),
        /// We could not connect to a user who had asked for it.
        1001u32 => CantConnectToPeer(body: CantConnectToPeer),
    }
}

messages! {
    /// What the server says to a client.
    pub enum ServerResponse: u32 {
        /// The answer to the login.
        1u32 => Login(body: LoginResponse),
        /// A user's address; 0.0.0.0 and port 0 where the user is offline.
        3u32 => GetPeerAddress(body: PeerAddress),
        /// A user's status and figures.
        5u32 => WatchUser(body: WatchedUser),
        /// A user's status.
        7u32 => GetUserStatus(body: UserStatus),
        /// A user asks that we connect to them.
        18u32 => ConnectToPeer(body: ConnectToPeer),
        /// A private message. The server's own notices come from the user `server`.
        22u32 => MessageUser(body: MessageUser),
        /// A search that is aimed at us.
        26u32 => FileSearch(body: FileSearch),
        /// A user's figures.
        36u32 => GetUserStats(body: UserStats),
        /// The same account has logged in elsewhere; the server closes the connection.
        41u32 => Relogged,
        /// The rooms: names and members of public, owned and private rooms, and those we operate.
        64u32 => RoomList(body: RoomList),
        /// A notice to all.
        66u32 => AdminMessage(text: Text),
        /// Everyone with privileges.
        69u32 => PrivilegedUsers(usernames: Vec<Text>),
        /// Upload speed from which a user may have children, in KiB/s.
        83u32 => ParentMinSpeed(speed: u32),
        /// How much upload speed a child costs.
        84u32 => ParentSpeedRatio(ratio: u32),
        /// Seconds of privileges that are left.
        92u32 => CheckPrivileges(seconds: u32),
        /// A search for a branch root to pass on.
        93u32 => Embedded(body: Embedded),
        /// Users who may become our parent; at most ten.
        102u32 => PossibleParents(parents: Vec<PossibleParent>),
        /// Seconds between two wishlist searches.
        104u32 => WishlistInterval(seconds: u32),
        /// Drop parent and children and begin anew.
        130u32 => ResetDistributed,
        /// Files whose path holds one of these must not be offered.
        160u32 => ExcludedSearchPhrases(phrases: Vec<Text>),
        /// A user whom we asked to connect to us could not.
        1001u32 => CantConnectToPeer(token: u32),
    }
}

/// Name and password, with their MD5 as the protocol wants it.
#[derive(Clone)]
pub struct Login {
    /// The account's name.
    pub username: Text,
    /// The account's password; the protocol carries it in clear.
    pub password: SecretString,
    /// Tells programs apart. 157 is the official one, 160 Nicotine+; 179 and above get no searches.
    pub major_version: u32,
    /// Lower-case hex MD5 of name and password.
    pub hash: SecretString,
    /// Must not be 0: the server would never offer a parent.
    pub minor_version: u32,
}

impl Login {
    /// A login with the hash computed.
    pub fn new(
        username: &str,
        password: &SecretString,
        major_version: u32,
        minor_version: u32,
    ) -> Self {
        let hash = login_hash(username.as_bytes(), password.expose_secret().as_bytes());
        Self {
            username: username.into(),
            password: password.clone(),
            major_version,
            hash: hash.into(),
            minor_version,
        }
    }
}

/// Lower-case hex MD5 of the two after one another.
pub fn login_hash(username: &[u8], password: &[u8]) -> String {
    let digest = Md5::new()
        .chain_update(username)
        .chain_update(password)
        .finalize();
    hex(&digest)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Wire for Login {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            username: Wire::read(reader)?,
            password: read_secret(reader)?,
            major_version: Wire::read(reader)?,
            hash: read_secret(reader)?,
            minor_version: Wire::read(reader)?,
        })
    }

    fn write(&self, out: &mut BytesMut) {
        self.username.write(out);
        Text::from(self.password.expose_secret()).write(out);
        self.major_version.write(out);
        Text::from(self.hash.expose_secret()).write(out);
        self.minor_version.write(out);
    }
}

fn read_secret(reader: &mut Reader) -> Result<SecretString, DecodeError> {
    Ok(Text::read(reader)?.decode().into_owned().into())
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("username", &self.username)
            .field("major_version", &self.major_version)
            .field("minor_version", &self.minor_version)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Login {
    fn eq(&self, other: &Self) -> bool {
        self.username == other.username
            && self.password.expose_secret() == other.password.expose_secret()
            && self.major_version == other.major_version
            && self.hash.expose_secret() == other.hash.expose_secret()
            && self.minor_version == other.minor_version
    }
}

impl Eq for Login {}

/// A text that is not for logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub Text);

impl Wire for Hidden {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Wire::read(reader).map(Self)
    }

    fn write(&self, out: &mut BytesMut) {
        self.0.write(out);
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// The answer to a login. Very old servers leave fields away at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginResponse {
    /// We are in.
    Success(LoginSuccess),
    /// We are not.
    Failure {
        /// `INVALIDPASS` and the like.
        reason: Text,
        /// More, only with `INVALIDUSERNAME`.
        detail: Option<Text>,
    },
}

wire_struct! {
    /// What the server says of a login that it takes.
    pub struct LoginSuccess {
        /// The message of the day.
        pub greeting: Text,
        /// Our address as the server sees it.
        pub address: Option<Ipv4Addr>,
        /// Lower-case hex MD5 of the password.
        pub password_hash: Option<Hidden>,
        /// Whether the account has ever been given privileges.
        pub supporter: Option<bool>,
    }

    /// Where we listen.
    pub struct SetWaitPort {
        /// The plain port.
        pub port: u32,
        /// The obfuscated port, where one is offered.
        pub obfuscated: Option<ObfuscatedPort>,
    }

    /// An obfuscated port.
    pub struct ObfuscatedPort {
        /// 0 none, 1 rotated.
        pub kind: u32,
        /// The port.
        pub port: u32,
    }

    /// Where a user listens.
    pub struct PeerAddress {
        /// The user.
        pub username: Text,
        /// 0.0.0.0 where the user is offline.
        pub address: Ipv4Addr,
        /// 0 where the user is offline.
        pub port: u32,
        /// 0 none, 1 rotated.
        pub obfuscation: Option<u32>,
        /// The obfuscated port; sixteen bits here and thirty-two in [`ConnectToPeer`].
        pub obfuscated_port: Option<u16>,
    }

    /// A user's figures.
    pub struct Stats {
        /// Average upload speed in bytes a second.
        pub speed: u32,
        /// Uploads so far.
        pub uploads: u32,
        /// Not known.
        pub unknown: u32,
        /// Shared files.
        pub files: u32,
        /// Shared folders.
        pub folders: u32,
    }

    /// A user with figures.
    pub struct UserStats {
        /// The user.
        pub username: Text,
        /// The figures.
        pub stats: Stats,
    }

    /// A user's status.
    pub struct UserStatus {
        /// The user.
        pub username: Text,
        /// 0 offline, 1 away, 2 online.
        pub status: u32,
        /// Whether the user has privileges.
        pub privileged: bool,
    }

    /// Asks that a user connect to us.
    pub struct ConnectToPeerRequest {
        /// Comes back in `PierceFirewall`.
        pub token: u32,
        /// Whom we want.
        pub username: Text,
        /// What for.
        pub connection_type: ConnectionType,
    }

    /// A user asks that we connect to them.
    pub struct ConnectToPeer {
        /// Who asks.
        pub username: Text,
        /// What for.
        pub connection_type: ConnectionType,
        /// Where they listen.
        pub address: Ipv4Addr,
        /// Where they listen.
        pub port: u32,
        /// To send back in `PierceFirewall`.
        pub token: u32,
        /// Whether the user has privileges.
        pub privileged: bool,
        /// 0 none, 1 rotated.
        pub obfuscation: Option<u32>,
        /// The obfuscated port.
        pub obfuscated_port: Option<u32>,
    }

    /// We could not connect.
    pub struct CantConnectToPeer {
        /// The token of the request.
        pub token: u32,
        /// Who had asked.
        pub username: Text,
    }

    /// A private message to someone.
    pub struct MessageUserRequest {
        /// To whom.
        pub username: Text,
        /// What.
        pub text: Text,
    }

    /// A private message to us.
    pub struct MessageUser {
        /// To acknowledge.
        pub id: u32,
        /// Seconds since 1970.
        pub time: u32,
        /// From whom.
        pub username: Text,
        /// What.
        pub text: Text,
        /// Whether it is new, or was kept while we were offline.
        pub new: Option<bool>,
    }

    /// A search that we make.
    pub struct FileSearchRequest {
        /// Our number for it.
        pub token: u32,
        /// What.
        pub query: Text,
    }

    /// A search that is aimed at us.
    pub struct FileSearch {
        /// Who searches.
        pub username: Text,
        /// Their number for it.
        pub token: u32,
        /// What.
        pub query: Text,
    }

    /// How much we share.
    pub struct SharedFoldersFiles {
        /// Folders.
        pub folders: u32,
        /// Files.
        pub files: u32,
    }

    /// A search of one user.
    pub struct UserSearch {
        /// Whose files.
        pub username: Text,
        /// Our number for it.
        pub token: u32,
        /// What.
        pub query: Text,
    }

    /// A search of a room.
    pub struct RoomSearch {
        /// Whose members' files.
        pub room: Text,
        /// Our number for it.
        pub token: u32,
        /// What.
        pub query: Text,
    }

    /// A user who may become our parent.
    pub struct PossibleParent {
        /// The user.
        pub username: Text,
        /// Where they listen.
        pub address: Ipv4Addr,
        /// Where they listen.
        pub port: u32,
    }

    /// Names and numbers of members; seven lists.
    pub struct RoomList {
        /// Public rooms.
        pub names: Vec<Text>,
        /// Their members.
        pub counts: Vec<u32>,
        /// Private rooms that we own.
        pub owned: Vec<Text>,
        /// Their members.
        pub owned_counts: Vec<u32>,
        /// Private rooms that we are in.
        pub private: Vec<Text>,
        /// Their members.
        pub private_counts: Vec<u32>,
        /// Private rooms that we operate.
        pub operated: Vec<Text>,
    }
}

impl Wire for LoginResponse {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        if bool::read(reader)? {
            Ok(Self::Success(Wire::read(reader)?))
        } else {
            Ok(Self::Failure {
                reason: Wire::read(reader)?,
                detail: Wire::read(reader)?,
            })
        }
    }

    fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Success(success) => {
                true.write(out);
                success.write(out);
            }
            Self::Failure { reason, detail } => {
                false.write(out);
                reason.write(out);
                detail.write(out);
            }
        }
    }
}

/// A user who is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedUser {
    /// The user.
    pub username: Text,
    /// `None` where there is no such user.
    pub found: Option<FoundUser>,
}

/// A user who exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundUser {
    /// 0 offline, 1 away, 2 online.
    pub status: u32,
    /// The figures.
    pub stats: Stats,
    /// Two letters; may be missing.
    pub country: Option<Text>,
}

impl Wire for WatchedUser {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        let username = Wire::read(reader)?;
        let found = if bool::read(reader)? {
            Some(FoundUser {
                status: Wire::read(reader)?,
                stats: Wire::read(reader)?,
                country: Wire::read(reader)?,
            })
        } else {
            None
        };
        Ok(Self { username, found })
    }

    fn write(&self, out: &mut BytesMut) {
        self.username.write(out);
        self.found.is_some().write(out);
        if let Some(found) = &self.found {
            found.status.write(out);
            found.stats.write(out);
            found.country.write(out);
        }
    }
}

/// A distributed message inside a server message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Embedded {
    /// The distributed code. Only 3 (search) is ever sent.
    pub code: u8,
    /// The body of the distributed message.
    pub body: bytes::Bytes,
}

impl Embedded {
    /// A search, as the server sends it to branch roots.
    pub fn search(search: &Search) -> Self {
        let mut body = BytesMut::new();
        search.write(&mut body);
        Self {
            code: super::distributed::SEARCH,
            body: body.freeze(),
        }
    }
}

impl Wire for Embedded {
    fn read(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            code: Wire::read(reader)?,
            body: reader.rest(),
        })
    }

    fn write(&self, out: &mut BytesMut) {
        self.code.write(out);
        out.extend_from_slice(&self.body);
    }
}
