//! What can go wrong with the database, and what a person does then.

use std::io;

use crate::error::with_causes;

/// What can go wrong with the database. `address` is `host:port/database`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The URL cannot be read. It is not shown, for it holds a password.
    #[error("the database's url is not one of PostgreSQL")]
    NotAUrl,
    /// No connection.
    #[error("cannot connect to the database {address}")]
    Unreachable {
        /// Which database.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// No secure connection.
    #[error("the database {address} cannot be trusted")]
    Tls {
        /// Which database.
        address: String,
        /// What is wrong with its certificate, or with the authority's file.
        source: sqlx::Error,
    },
    /// The password or the user is wrong.
    #[error("the database {address} refuses the user `{user}`: {reason}")]
    Refused {
        /// Which database.
        address: String,
        /// The user.
        user: String,
        /// What the database says.
        reason: String,
    },
    /// The user may not do this.
    #[error("the user `{user}` may not do this in the database {address}: {reason}")]
    Forbidden {
        /// Which database.
        address: String,
        /// The user.
        user: String,
        /// What the database says.
        reason: String,
    },
    /// No answer in time.
    #[error("the database {address} has not answered for {seconds} seconds")]
    Silent {
        /// Which database.
        address: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A server that takes no changes.
    #[error("the database {address} can only be read at the moment")]
    ReadOnly {
        /// Which database.
        address: String,
    },
    /// No room.
    #[error("the disk of the database {address} is full")]
    Full {
        /// Which database.
        address: String,
        /// What the database says.
        reason: String,
    },
    /// Going up or down, or too many connections.
    #[error("the database {address} takes no connection at the moment: {reason}")]
    Busy {
        /// Which database.
        address: String,
        /// What the database says.
        reason: String,
    },
    /// Somebody else holds what is needed.
    #[error("somebody is in the way in the database {address}: {reason}")]
    Locked {
        /// Which database.
        address: String,
        /// What the database says.
        reason: String,
    },
    /// The tables are not there, or older.
    #[error(
        "the tables of the database {address} are older than this program (schema {found}, needed {known})"
    )]
    Older {
        /// Which database.
        address: String,
        /// The version found; 0 where there are no tables.
        found: i64,
        /// The version of this program.
        known: i64,
    },
    /// The tables are newer.
    #[error(
        "the tables of the database {address} are newer than this program (schema {found}, known up to {known})"
    )]
    Newer {
        /// Which database.
        address: String,
        /// The version found.
        found: i64,
        /// The version of this program.
        known: i64,
    },
    /// An encoding without all the letters there are.
    #[error("the database {address} has the encoding {encoding}, which cannot hold every query")]
    Encoding {
        /// Which database.
        address: String,
        /// Its encoding.
        encoding: String,
    },
    /// A pooler mixed up what belongs to different connections.
    #[error(
        "something between here and the database {address} shares connections in a way that does not work for this: {reason}"
    )]
    Pooler {
        /// Which database.
        address: String,
        /// What the database says.
        reason: String,
    },
    /// Anything else.
    #[error("the database {address} failed: {reason}")]
    Other {
        /// Which database.
        address: String,
        /// What it says, with its code; or what the program that speaks to it says.
        reason: String,
    },
}

impl PostgresError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotAUrl => {
                "write postgres://user:password@host:5432/database, with special characters of the password percent-encoded"
            }
            Self::Unreachable { .. } => {
                "check that the database runs, its host and port, and the firewall"
            }
            Self::Tls { .. } => {
                "name the authority's certificate with sslrootcert=/path/ca.pem, or write sslmode=disable in the url where nobody can listen in between"
            }
            Self::Refused { .. } => {
                "check user, password and database name in the url, and the server's pg_hba.conf"
            }
            Self::Forbidden { .. } => {
                "use a user with the role that this needs: fleet_writer to collect, fleet_archiver to archive, the owner to migrate"
            }
            Self::Silent { .. } => {
                "check the network between, and what the database is busy with: SELECT * FROM pg_stat_activity"
            }
            Self::ReadOnly { .. } => {
                "name the primary server, not a standby; nothing is lost meanwhile"
            }
            Self::Full { .. } => {
                "make room on the database's disk: `fleetd archive` moves whole months out; nothing is lost meanwhile"
            }
            Self::Busy { .. } => {
                "wait, or raise max_connections, or put PgBouncer between; nothing is lost meanwhile"
            }
            Self::Locked { .. } => {
                "end the transaction that is in the way: SELECT pid, state, query FROM pg_stat_activity WHERE xact_start < now() - interval '1 minute'"
            }
            Self::Older { .. } => "run `fleetd migrate` of this version first",
            Self::Newer { .. } => {
                "use the newer version of this program; nothing is lost meanwhile"
            }
            Self::Encoding { .. } => {
                "make a new one: createdb --encoding=UTF8 --template=template0 NAME"
            }
            Self::Pooler { .. } => "give the address of the database itself, not of the pooler",
            Self::Other { .. } => {
                "try again; if it stays, the server's own log says more about it, at the same time"
            }
        };
        Some(hint.to_owned())
    }

    /// One line with the causes and the hint, for a status or a log.
    pub(crate) fn in_full(&self) -> String {
        let text = with_causes(self);
        match self.hint() {
            Some(hint) => format!("{text}; {hint}"),
            None => text,
        }
    }

    /// By the SQLSTATE, <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
    pub(super) fn of(address: String, user: &str, source: sqlx::Error) -> Self {
        let user = user.to_owned();
        let source = match source {
            sqlx::Error::Io(source) if !is_about_tls(&source) => {
                return Self::Unreachable { address, source };
            }
            sqlx::Error::Io(_) | sqlx::Error::Tls(_) => return Self::Tls { address, source },
            other => other,
        };
        let Some(error) = source.as_database_error() else {
            let reason = with_causes(&source);
            return Self::Other { address, reason };
        };
        let code = error.code().unwrap_or_default().into_owned();
        // Only this: sqlx adds the line of the server's source and says it once more as its own cause.
        let reason = error.message().to_owned();
        match code.as_str() {
            "28000" | "28P01" | "3D000" => Self::Refused {
                address,
                user,
                reason,
            },
            "42501" => Self::Forbidden {
                address,
                user,
                reason,
            },
            "25006" => Self::ReadOnly { address },
            "53100" => Self::Full { address, reason },
            "53300" | "57P01" | "57P02" | "57P03" => Self::Busy { address, reason },
            "55P03" | "40P01" => Self::Locked { address, reason },
            "42P05" | "26000" => Self::Pooler { address, reason },
            // PgBouncer's own words have a code that says nothing.
            "08P01" => match of_pgbouncer(&reason) {
                Some(Pgbouncer::Refuses) => Self::Refused {
                    address,
                    user,
                    reason,
                },
                Some(Pgbouncer::IsBusy) => Self::Busy { address, reason },
                Some(Pgbouncer::SharesTooMuch) => Self::Pooler { address, reason },
                None => Self::Other { address, reason },
            },
            code => Self::Other {
                address,
                reason: format!("{reason} (SQLSTATE {code})"),
            },
        }
    }
}

/// Whether it is the certificate that is wrong: such a failure of a handshake comes as one of the socket.
fn is_about_tls(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(<dyn std::error::Error + Send + Sync + 'static>::is::<rustls::Error>)
}

/// What a pooler means.
enum Pgbouncer {
    Refuses,
    IsBusy,
    SharesTooMuch,
}

/// By its words, <https://github.com/pgbouncer/pgbouncer/tree/master/src>. What the server has said to it comes first: it
/// is repeated with the words "server login has been failing".
fn of_pgbouncer(words: &str) -> Option<Pgbouncer> {
    let has = |some: &[&str]| some.iter().any(|part| words.contains(part));
    if has(&[
        "authentication failed",
        "no such user",
        "no such database",
        "does not exist",
    ]) {
        Some(Pgbouncer::Refuses)
    } else if has(&["pooling mode"]) {
        Some(Pgbouncer::SharesTooMuch)
    } else if has(&["server", "timeout", "no more connections", "shutting down"]) {
        Some(Pgbouncer::IsBusy)
    } else {
        None
    }
}
