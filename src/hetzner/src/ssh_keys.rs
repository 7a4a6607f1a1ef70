//! SSH keys (section "SSH Keys" of the reference).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::{Api, Filter, managed, name_and_labels, readable};
use crate::decode::nullable;
use crate::error::Error;
use crate::labels::{LabelSelector, Labels};

/// A public key that new servers may be given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SshKey {
    /// Its identifier.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// MD5 of the key, in pairs of hexadecimal digits.
    #[serde(default)]
    pub fingerprint: String,
    /// The key, as in `authorized_keys`.
    #[serde(default)]
    pub public_key: String,
    /// Its labels.
    #[serde(default, deserialize_with = "nullable")]
    pub labels: Labels,
    /// When it was stored.
    pub created: Timestamp,
}

/// What SSH keys are filtered by.
#[derive(Debug, Clone, Default)]
pub struct SshKeyFilter {
    /// The whole name.
    pub name: Option<String>,
    /// Requirements on labels.
    pub label_selector: Option<LabelSelector>,
    /// The whole fingerprint.
    pub fingerprint: Option<String>,
}

impl Filter for SshKeyFilter {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = name_and_labels(self.name.as_ref(), self.label_selector.as_ref());
        parameters.extend(self.fingerprint.clone().map(|text| ("fingerprint", text)));
        parameters
    }
}

/// What an SSH key is made from. The same key cannot be stored twice, whatever its name.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CreateSshKey {
    /// Its name.
    pub name: String,
    /// The key, as in `authorized_keys`.
    pub public_key: String,
    /// Its labels.
    pub labels: Labels,
}

readable!(SshKey, path: "ssh_keys", key: "ssh_key", filter: SshKeyFilter);
managed!(SshKey, from: CreateSshKey, kind: "SSH key", has_actions: false);

impl Api<SshKey> {
    /// The same key under whatever name, if it is stored: a project takes it only once.
    pub async fn by_public_key(&self, public_key: &str) -> Result<Option<SshKey>, Error> {
        let stored = self.list(&SshKeyFilter::default()).await?;
        Ok(stored
            .into_iter()
            .find(|key| is_same(&key.public_key, public_key)))
    }
}

/// Kind and key; what follows is a comment.
fn is_same(one: &str, other: &str) -> bool {
    one.split_whitespace()
        .take(2)
        .eq(other.split_whitespace().take(2))
}
