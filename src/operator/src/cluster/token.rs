//! Tokens with which new servers join: Kubernetes' bootstrap tokens, one a server and good for an hour, so that what
//! stays in a server's user data is worth nothing later.
//! <https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/>

use std::fmt::Write as _;
use std::time::Duration;

use fleet_api::names::FLEET_LABEL;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, PostParams};
use rand::RngExt as _;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use super::connect::Cluster;
use super::error::ClusterError;

const NAMESPACE: &str = "kube-system";
const TYPE: &str = "bootstrap.kubernetes.io/token";
const PREFIX: &str = "bootstrap-token-";
/// Annotation of a token's Secret: the server that it was made for.
const SERVER: &str = "researchfleet.io/server";

/// How long a token is good: a server boots in minutes.
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// The `ConfigMap` with the certificate of the cluster's authority, in every namespace of every cluster.
const ROOT_CA: &str = "kube-root-ca.crt";

const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How a server joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joining {
    /// As an agent of k3s.
    K3s,
    /// With kubeadm.
    Kubeadm,
}

impl Joining {
    /// The group that may ask for a node's certificate.
    fn group(self) -> &'static str {
        match self {
            Self::K3s => "system:bootstrappers:k3s:default-node-token",
            Self::Kubeadm => "system:bootstrappers:kubeadm:default-node-token",
        }
    }
}

/// A token that the cluster knows.
#[derive(Debug)]
pub struct BootstrapToken {
    id: String,
    secret: SecretString,
}

impl BootstrapToken {
    fn new() -> Self {
        Self {
            id: random(6),
            secret: random(16).into(),
        }
    }

    /// Six characters, which are no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// As kubeadm takes it: `<id>.<secret>`.
    pub fn plain(&self) -> SecretString {
        format!("{}.{}", self.id, self.secret.expose_secret()).into()
    }

    /// As k3s takes it, with the digest of the cluster's authority, so that the server joins no other cluster:
    /// `K10<digest>::<id>.<secret>`. `authority` is what [`authority`] gives, byte for byte.
    pub fn secure(&self, authority: &str) -> Result<SecretString, ClusterError> {
        // Of a chain k3s takes another digest; a cluster that k3s has made itself has none.
        certificate(authority)?;
        let digest = hex(&Sha256::digest(authority));
        Ok(format!("K10{digest}::{}", self.plain().expose_secret()).into())
    }
}

/// Makes a token for a server of a fleet.
pub async fn create_token(
    cluster: &Cluster,
    fleet: &str,
    server: &str,
    joining: Joining,
) -> Result<BootstrapToken, ClusterError> {
    let token = BootstrapToken::new();
    let expires = Timestamp::now() + LIFETIME;
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(format!("{PREFIX}{}", token.id)),
            labels: Some([(FLEET_LABEL.to_owned(), fleet.to_owned())].into()),
            annotations: Some([(SERVER.to_owned(), server.to_owned())].into()),
            ..ObjectMeta::default()
        },
        type_: Some(TYPE.to_owned()),
        string_data: Some(
            [
                ("token-id", token.id.clone()),
                ("token-secret", token.secret.expose_secret().to_owned()),
                ("expiration", format!("{expires:.0}")),
                ("usage-bootstrap-authentication", "true".to_owned()),
                ("usage-bootstrap-signing", "true".to_owned()),
                ("auth-extra-groups", joining.group().to_owned()),
                (
                    "description",
                    format!("server {server} of the fleet {fleet} joins with it, once"),
                ),
            ]
            .map(|(key, value)| (key.to_owned(), value))
            .into(),
        ),
        ..Secret::default()
    };
    let created = secrets(cluster)
        .create(&PostParams::default(), &secret)
        .await;
    created.map_err(|error| cluster.failed("a bootstrap token", error))?;
    Ok(token)
}

/// Deletes the fleet's tokens that have expired, and those of servers that have joined. How many that were.
pub async fn delete_tokens(
    cluster: &Cluster,
    fleet: &str,
    joined: &[&str],
) -> Result<usize, ClusterError> {
    let secrets = secrets(cluster);
    let failed = |error| cluster.failed("the fleet's bootstrap tokens", error);
    let of_the_fleet = ListParams::default()
        .labels(&format!("{FLEET_LABEL}={fleet}"))
        .fields(&format!("type={TYPE}"));
    let mut deleted = 0;
    for secret in secrets.list(&of_the_fleet).await.map_err(failed)? {
        let server = secret.annotations().get(SERVER);
        let has_joined = server.is_some_and(|server| joined.contains(&server.as_str()));
        if !has_joined && !has_expired(&secret) {
            continue;
        }
        match secrets
            .delete(&secret.name_any(), &DeleteParams::default())
            .await
        {
            Ok(_) => deleted += 1,
            // The cluster deletes expired ones, too.
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(deleted)
}

/// A token whose time cannot be read is not known to be good.
fn has_expired(secret: &Secret) -> bool {
    let expiration = secret.data.as_ref().and_then(|data| data.get("expiration"));
    expiration
        .and_then(|time| str::from_utf8(&time.0).ok()?.parse::<Timestamp>().ok())
        .is_none_or(|time| time <= Timestamp::now())
}

/// The certificate of the cluster's authority (PEM), byte for byte as the cluster has it. A cluster that has just started
/// takes a moment to publish it.
pub async fn authority(cluster: &Cluster) -> Result<String, ClusterError> {
    let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), NAMESPACE);
    let what = format!("ConfigMap/{ROOT_CA}");
    let deadline = Instant::now() + PATIENCE;
    let map = loop {
        let map = maps.get_opt(ROOT_CA).await;
        match map.map_err(|error| cluster.failed(&what, error))? {
            Some(map) => break map,
            None if Instant::now() < deadline => sleep(LOOK_AGAIN).await,
            None => {
                let reason = format!("{what} is not there");
                return Err(ClusterError::Authority { reason });
            }
        }
    };
    let certificate = map.data.and_then(|mut data| data.remove("ca.crt"));
    certificate.ok_or_else(|| ClusterError::Authority {
        reason: format!("{what} has no `ca.crt`"),
    })
}

/// The authority as kubeadm is told it: `sha256:` and the digest of its public key.
/// <https://www.rfc-editor.org/rfc/rfc7469#section-2.4>
pub fn authority_hash(authority: &str) -> Result<String, ClusterError> {
    let unusable = |reason: String| ClusterError::Authority { reason };
    let mut store = RootCertStore::empty();
    store
        .add(certificate(authority)?)
        .map_err(|error| unusable(error.to_string()))?;
    let key = store.roots.first();
    let key = key.ok_or_else(|| unusable("it has no public key".to_owned()))?;
    let digest = Sha256::digest(sequence(&key.subject_public_key_info));
    Ok(format!("sha256:{}", hex(&digest)))
}

/// The one certificate that there is.
fn certificate(pem: &str) -> Result<CertificateDer<'static>, ClusterError> {
    let unusable = |reason: &str| ClusterError::Authority {
        reason: reason.to_owned(),
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let certificates = certificates.map_err(|error| unusable(&error.to_string()))?;
    match <[_; 1]>::try_from(certificates) {
        Ok([certificate]) => Ok(certificate),
        Err(found) => Err(unusable(&format!(
            "there are {} certificates where one is expected",
            found.len()
        ))),
    }
}

/// A DER SEQUENCE with this content, which the parser has taken out of its own.
fn sequence(content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = length.iter().position(|byte| *byte != 0);
    let length = &length[significant.unwrap_or(length.len() - 1)..];
    let mut der = vec![0x30];
    if content.len() > 127 {
        // A long length is told with how many bytes it takes, which are at most eight.
        der.push(0x80 | u8::try_from(length.len()).unwrap_or_default());
    }
    der.extend(length);
    der.extend(content);
    der
}

fn secrets(cluster: &Cluster) -> Api<Secret> {
    Api::namespaced(cluster.client(), NAMESPACE)
}

/// Lower-case letters and digits, as tokens have them.
fn random(length: usize) -> String {
    const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    let mut character = || char::from(ALPHABET[random.random_range(0..ALPHABET.len())]);
    (0..length).map(|_| character()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_tells_its_length_as_der_has_it() {
        for (length, head) in [
            (0, &[0x30, 0][..]),
            (127, &[0x30, 0x7f]),
            (128, &[0x30, 0x81, 0x80]),
            (294, &[0x30, 0x82, 0x01, 0x26]),
        ] {
            let der = sequence(&vec![7; length]);
            assert_eq!(der.len(), head.len() + length);
            assert!(der.starts_with(head), "{length}: {der:?}");
        }
    }

    #[test]
    fn tokens_look_as_the_cluster_wants_them_and_differ() {
        let (token, other) = (BootstrapToken::new(), BootstrapToken::new());
        let plain = token.plain();
        let (id, secret) = plain.expose_secret().split_once('.').unwrap();
        assert_eq!((id.len(), secret.len()), (6, 16));
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        assert!(id.chars().all(fits) && secret.chars().all(fits), "{id}");
        assert_ne!(plain.expose_secret(), other.plain().expose_secret());
    }
}
