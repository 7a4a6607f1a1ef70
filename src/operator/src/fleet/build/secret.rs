//! Secrets that the operator makes. Those with passwords, keys and certificates are made once and never again; the
//! settings of the pooler follow from them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fleet_api::names::{KEY, PASSWORD, URL, USERNAME};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use rand::RngExt as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::database::DATABASE;
use super::database_claim;
use super::deployment::{SETTINGS_DIR, TLS_DIR};
use super::metadata::{lasting, metadata};
use super::pod::SECRETS_DIR;
use super::service::{DATABASE_PORT, POOLER_PORT};
use super::tls::certificates;
use crate::fleet::names::{Component, child, spool};
use crate::fleet::valid::{DatabaseRole, Fleet};

/// The login that the official image makes.
const SUPERUSER: &str = "postgres";
/// The file of the pooler's settings.
pub(super) const POOLER_SETTINGS: &str = "pgbouncer.ini";
const POOLER_USERS: &str = "userlist.txt";
const AUTHORITY: &str = "ca.crt";
/// Clients of the pooler. Connections to the database are few.
const CLIENTS: u32 = 1000;

/// What only the Secrets know that are made once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Credentials {
    /// Passwords by the name of the login.
    pub(crate) passwords: BTreeMap<String, SecretString>,
    /// The certificate of the database's authority (PEM).
    pub(crate) authority: String,
}

/// A Secret that is made once, and what there is only if it was there.
#[derive(Debug, Clone)]
pub(crate) struct Generated {
    /// The Secret.
    pub(crate) secret: Secret,
    /// The volume whose data needs it.
    pub(crate) volume: String,
}

/// Names of Secrets that are made once: they outlive the fleet, if its data does.
pub(crate) fn credential_names(fleet: &str) -> [String; 3] {
    [logins_name(fleet), tls_name(fleet), privacy_name(fleet)]
}

/// The Secret with the passwords of all logins.
pub(super) fn logins_name(fleet: &str) -> String {
    child(fleet, "database-logins")
}

/// The Secret with the database's certificate.
pub(super) fn tls_name(fleet: &str) -> String {
    child(fleet, "database-tls")
}

fn privacy_name(fleet: &str) -> String {
    child(fleet, "privacy")
}

/// All Secrets that have to be there and are made where they are not.
pub(crate) fn generated(fleet: &Fleet) -> Result<Vec<Generated>, rcgen::Error> {
    let mut generated = Vec::new();
    if fleet.collector.spec.privacy.key_secret_ref.is_none() {
        let name = privacy_name(&fleet.name);
        let first = fleet.regions().first();
        generated.push(Generated {
            secret: secret(
                fleet,
                name,
                Component::Collector,
                [(KEY.to_owned(), random())],
            ),
            volume: spool(&fleet.name, first.map_or("", |region| &region.name)),
        });
    }
    if fleet.managed().is_none() {
        return Ok(generated);
    }
    let component = Component::Database;
    let made = certificates(hosts(fleet))?;
    let tls = [
        (AUTHORITY.to_owned(), made.authority),
        ("tls.crt".to_owned(), made.certificate),
        ("tls.key".to_owned(), made.key.expose_secret().to_owned()),
    ];
    let logins = DatabaseRole::ALL.map(DatabaseRole::login).into_iter();
    let logins = logins.chain([SUPERUSER]);
    let logins = logins.map(|login| (login.to_owned(), random()));
    let names = [logins_name(&fleet.name), tls_name(&fleet.name)];
    let [logins_name, tls_name] = names;
    let secrets = [
        secret(fleet, logins_name, component, logins),
        secret(fleet, tls_name, component, tls),
    ];
    generated.extend(secrets.map(|secret| Generated {
        secret,
        volume: database_claim(&fleet.name),
    }));
    Ok(generated)
}

impl Credentials {
    /// Notes what is in a Secret that was made once.
    pub(crate) fn note(&mut self, fleet: &str, name: &str, values: BTreeMap<String, SecretString>) {
        if name == logins_name(fleet) {
            self.passwords = values;
        } else if name == tls_name(fleet) {
            let authority = values
                .get(AUTHORITY)
                .map(|pem| pem.expose_secret().to_owned());
            self.authority = authority.unwrap_or_default();
        }
    }

    fn password(&self, login: &str) -> &str {
        self.passwords
            .get(login)
            .map_or("", |password| password.expose_secret())
    }
}

/// For each login what its user needs: name, password, URL and certificate.
pub(super) fn logins(fleet: &Fleet, credentials: &Credentials) -> Vec<Secret> {
    let of = |role: DatabaseRole| {
        let name = fleet.database_secret(role).unwrap_or_default();
        let login = role.login();
        let values = [
            (USERNAME, login.to_owned()),
            (PASSWORD, credentials.password(login).to_owned()),
            (URL, url(fleet, role, &name, credentials.password(login))),
            (AUTHORITY, credentials.authority.clone()),
        ];
        Secret {
            metadata: metadata(fleet, name, Component::Database, None),
            data: Some(
                values
                    .map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes())))
                    .into(),
            ),
            ..Secret::default()
        }
    };
    DatabaseRole::ALL.map(of).into()
}

/// Writers go through the pooler; whoever keeps a transaction open for long does not.
fn url(fleet: &Fleet, role: DatabaseRole, secret: &str, password: &str) -> String {
    let (what, port) = if role == DatabaseRole::Writer && fleet.pooled() {
        ("pooler", POOLER_PORT)
    } else {
        ("database", DATABASE_PORT)
    };
    let host = format!("{}.{}.svc", child(&fleet.name, what), fleet.namespace);
    let login = role.login();
    format!(
        "postgres://{login}:{password}@{host}:{port}/{DATABASE}?sslmode=verify-full&sslrootcert={SECRETS_DIR}/{secret}/{AUTHORITY}"
    )
}

/// All names under which the database and the pooler are reached.
fn hosts(fleet: &Fleet) -> Vec<String> {
    let namespace = &fleet.namespace;
    let of = |what: &str| {
        let name = child(&fleet.name, what);
        [
            name.clone(),
            format!("{name}.{namespace}"),
            format!("{name}.{namespace}.svc"),
            format!("{name}.{namespace}.svc.cluster.local"),
        ]
    };
    ["database", "pooler"].into_iter().flat_map(of).collect()
}

fn secret(
    fleet: &Fleet,
    name: String,
    component: Component,
    values: impl IntoIterator<Item = (String, String)>,
) -> Secret {
    let values = values.into_iter();
    let values = values.map(|(key, value)| (key, ByteString(value.into_bytes())));
    Secret {
        metadata: lasting(fleet, name, component, None),
        data: Some(values.collect()),
        ..Secret::default()
    }
}

/// 256 bits as hexadecimal digits, which stand in URLs and scripts as they are.
fn random() -> String {
    let bytes: [u8; 32] = rand::rng().random();
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The settings of `PgBouncer`. <https://www.pgbouncer.org/config.html>
pub(super) fn pooler(fleet: &Fleet, credentials: &Credentials) -> Secret {
    let host = format!("{}.{}.svc", child(&fleet.name, "database"), fleet.namespace);
    let settings = format!(
        "[databases]\n\
         {DATABASE} = host={host} port={DATABASE_PORT} dbname={DATABASE}\n\
         [pgbouncer]\n\
         listen_addr = *\n\
         listen_port = {POOLER_PORT}\n\
         unix_socket_dir = /tmp\n\
         auth_type = scram-sha-256\n\
         auth_file = {SETTINGS_DIR}/{POOLER_USERS}\n\
         pool_mode = transaction\n\
         max_client_conn = {CLIENTS}\n\
         default_pool_size = 20\n\
         server_lifetime = 3600\n\
         client_tls_sslmode = require\n\
         client_tls_cert_file = {TLS_DIR}/tls.crt\n\
         client_tls_key_file = {TLS_DIR}/tls.key\n\
         server_tls_sslmode = verify-full\n\
         server_tls_ca_file = {TLS_DIR}/{AUTHORITY}\n"
    );
    let logins = DatabaseRole::ALL.map(DatabaseRole::login);
    let users = logins.map(|login| {
        format!(
            "\"{login}\" \"{}\"
",
            credentials.password(login)
        )
    });
    let users = users.concat();
    Secret {
        metadata: metadata(fleet, child(&fleet.name, "pooler"), Component::Pooler, None),
        // As `data`: of what once stood under `stringData` the API server forgets who has written it.
        data: Some(BTreeMap::from([
            (
                POOLER_SETTINGS.to_owned(),
                ByteString(settings.into_bytes()),
            ),
            (POOLER_USERS.to_owned(), ByteString(users.into_bytes())),
        ])),
        ..Secret::default()
    }
}
