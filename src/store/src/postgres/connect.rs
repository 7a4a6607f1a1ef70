//! Where the database is, and how it is reached.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;
use tracing::subscriber::NoSubscriber;
use url::Url;

use super::migrate::{known_version, version};
use super::{PostgresError, copy};

/// For a connection, and for an answer to something small.
const PATIENCE: Duration = Duration::from_secs(20);

/// After this, and in all three times as long, the server asks whether the other end of a session is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Settings for a transaction whose session must not outlive us: when the other end is gone without a word, it would hold
/// its locks for as long as TCP believes in it, by default two hours. The session may have nothing to do for so long, or
/// for ever.
pub(crate) fn mortal(patience: Option<Duration>) -> String {
    let idle = patience.map_or(0, |patience| patience.as_millis().max(2));
    let keepalive = KEEPALIVE.as_secs();
    format!(
        "SET LOCAL idle_in_transaction_session_timeout = {idle}; \
         SET LOCAL tcp_keepalives_idle = {keepalive}; SET LOCAL tcp_keepalives_interval = {keepalive}; \
         SET LOCAL tcp_keepalives_count = 2"
    )
}

/// A PostgreSQL database, by its URL.
#[derive(Clone)]
pub struct Database {
    options: PgConnectOptions,
    /// The file with the authority's certificate.
    authority: Option<PathBuf>,
    /// For a connection, and for an answer to something small.
    patience: Duration,
}

/// The password is left out.
impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({})", self.address())
    }
}

impl Database {
    /// Reads `postgres://user:password@host:port/database?sslmode=...&sslrootcert=...`, as libpq has it.
    ///
    /// Where `sslmode` is not given and the database is not on this machine, the certificate is checked
    /// (`verify-full`), and a server without TLS is refused.
    pub fn parse(url: &SecretString) -> Result<Self, PostgresError> {
        let text = url.expose_secret().trim();
        if !(text.starts_with("postgres://") || text.starts_with("postgresql://")) {
            return Err(PostgresError::NotAUrl);
        }
        let url = Url::parse(text).map_err(|_| PostgresError::NotAUrl)?;
        let given = |names: &[&str]| {
            let mut parameters = url.query_pairs();
            parameters.find_map(|(name, value)| {
                names.contains(&name.as_ref()).then(|| value.into_owned())
            })
        };
        let authority = given(&["sslrootcert", "ssl-root-cert", "ssl-ca"]);

        // What the parser says, also in the log, may repeat the URL, and with it the password.
        let parse = || PgConnectOptions::from_str(text);
        let options = tracing::subscriber::with_default(NoSubscriber::default(), parse);
        let options = options.map_err(|_| PostgresError::NotAUrl)?;
        let mode = match options.get_ssl_mode() {
            _ if given(&["sslmode", "ssl-mode"]).is_none() && !local(&options) => {
                PgSslMode::VerifyFull
            }
            // As libpq has it: who names an authority wants it asked.
            PgSslMode::Require if authority.is_some() => PgSslMode::VerifyCa,
            mode => mode,
        };
        let options = options
            .ssl_mode(mode)
            .application_name("research-fleet")
            // A pooler refuses what it does not know.
            .extra_float_digits(None)
            .disable_statement_logging();
        Ok(Self {
            options,
            // It may stand in the URL itself.
            authority: authority
                .filter(|authority| !authority.contains("-----BEGIN"))
                .map(PathBuf::from),
            patience: PATIENCE,
        })
    }

    /// Waits for nothing small longer than this, nor than 20 seconds.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = self.patience.min(patience);
        self
    }

    /// How long is waited for something small.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// `host:port/database`, for messages.
    pub fn address(&self) -> String {
        let options = &self.options;
        let database = options.get_database().unwrap_or(options.get_username());
        match options.get_socket() {
            Some(socket) => format!("{}/{database}", socket.display()),
            None => format!("{}:{}/{database}", options.get_host(), options.get_port()),
        }
    }

    /// Connects, and looks whether the tables are those of this version.
    pub(crate) async fn connect(&self) -> Result<PgConnection, PostgresError> {
        let mut connection = self.connect_bare().await?;
        let found = self.answer(version(&mut connection)).await?;
        let known = known_version();
        match found {
            Some(found) if found == known => Ok(connection),
            Some(found) if found > known => Err(PostgresError::Newer {
                address: self.address(),
                found,
                known,
            }),
            found => Err(PostgresError::Older {
                address: self.address(),
                found: found.unwrap_or_default(),
                known,
            }),
        }
    }

    /// Connects to whatever is there.
    pub(crate) async fn connect_bare(&self) -> Result<PgConnection, PostgresError> {
        self.check_authority().await?;
        self.answer(self.options.connect()).await
    }

    /// A file that cannot be read would look like a socket that cannot.
    async fn check_authority(&self) -> Result<(), PostgresError> {
        use PgSslMode::{VerifyCa, VerifyFull};
        let (Some(file), VerifyCa | VerifyFull) = (&self.authority, self.options.get_ssl_mode())
        else {
            return Ok(());
        };
        match tokio::fs::read(file).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let text = format!("cannot read {}: {error}", file.display());
                Err(self.error(sqlx::Error::Tls(text.into())))
            }
        }
    }

    /// Says goodbye; whether anybody hears it does not matter.
    pub(crate) async fn disconnect(connection: PgConnection) {
        let _ = timeout(copy::GOODBYE, connection.close()).await;
    }

    /// Waits for something small, with an end to it.
    pub(crate) async fn answer<T>(
        &self,
        asked: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, PostgresError> {
        self.answer_within(self.patience, asked).await
    }

    /// Waits for something, with an end to it: a connection whose other end is gone says nothing for hours.
    pub(crate) async fn answer_within<T>(
        &self,
        patience: Duration,
        asked: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, PostgresError> {
        match timeout(patience, asked).await {
            Ok(answer) => answer.map_err(|source| self.error(source)),
            Err(_) => Err(self.silent(patience)),
        }
    }

    /// No answer in time.
    pub(crate) fn silent(&self, patience: Duration) -> PostgresError {
        PostgresError::Silent {
            address: self.address(),
            seconds: patience.as_secs(),
        }
    }

    /// Sorts a failure into the kinds that people treat differently.
    pub(crate) fn error(&self, source: sqlx::Error) -> PostgresError {
        PostgresError::of(self.address(), self.options.get_username(), source)
    }
}

/// Whether nobody can listen in between.
fn local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some()
        || host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Database, PostgresError> {
        Database::parse(&SecretString::from(url))
    }

    #[test]
    fn the_certificate_is_checked_unless_the_url_says_otherwise_or_the_database_is_here() {
        let mode = |url: &str| format!("{:?}", parse(url).unwrap().options.get_ssl_mode());
        assert_eq!(mode("postgres://u:p@db.example.org/d"), "VerifyFull");
        assert_eq!(mode("postgresql://u@10.0.0.3:6432/d"), "VerifyFull");
        assert_eq!(
            mode("postgres://u@db.example.org/d?sslmode=disable"),
            "Disable"
        );
        // Words of the password or of a name are not a setting.
        assert_eq!(
            mode("postgres://u:sslmode=disable@db.example.org/sslmode=disable"),
            "VerifyFull"
        );
        assert_eq!(
            mode("postgres://u@db.example.org/d?application_name=sslmode=disable"),
            "VerifyFull"
        );
        assert_eq!(
            mode("postgres://u@db.example.org/d?sslmode=require"),
            "Require"
        );
        assert_eq!(
            mode("postgres://u@db.example.org/d?sslrootcert=/ca.pem&sslmode=require"),
            "VerifyCa"
        );
        assert_eq!(mode("postgres://u@127.0.0.1:6432/d"), "Prefer");
        assert_eq!(mode("postgres://u@[::1]/d"), "Prefer");
        assert_eq!(mode("postgres://u@localhost/d"), "Prefer");
    }

    #[test]
    fn neither_debug_nor_errors_show_the_password() {
        let database = parse("postgres://u:hunter2@db.example.org/d").unwrap();
        assert_eq!(format!("{database:?}"), "Database(db.example.org:5432/d)");
        for bad in [
            "hunter2",
            "postgres://u:hunter2@:99999999/d",
            "mysql://u:hunter2@h/d",
        ] {
            let error = parse(bad).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"));
            assert!(error.hint().is_some());
        }
    }
}
