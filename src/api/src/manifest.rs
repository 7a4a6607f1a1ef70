//! The YAML that people write and that `kubectl apply -f` takes: several documents, one of them the
//! `ResearchCollector`, Secrets beside it.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::collector::{Region, ResearchCollector, SecretRef};
use crate::names::{
    ACCESS_KEY_ID, GROUP, KEY, KIND, PASSWORD, SECRET_ACCESS_KEY, TOKEN, URL, USERNAME, VERSION,
};
use crate::rules::{Violation, validate};

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not YAML, or not what its kind needs.
    #[error("{origin}: {problem}")]
    Document {
        /// The file.
        origin: String,
        /// What is wrong, with line and column.
        problem: String,
    },
    /// A field that does not exist.
    #[error("{origin}: {kind} has no field `{path}`{}", suggestion.map(|field| format!(", did you mean `{field}`?")).unwrap_or_default())]
    UnknownField {
        /// The file.
        origin: String,
        /// Of which kind.
        kind: String,
        /// Where.
        path: String,
        /// A field that is written alike.
        suggestion: Option<&'static str>,
    },
    /// Not exactly one collector.
    #[error("{origin}: {found} documents of kind ResearchCollector where one is needed")]
    Count {
        /// The file.
        origin: String,
        /// How many there are.
        found: usize,
    },
    /// The collector's version is not one that this program knows.
    #[error("{origin}: apiVersion is {found}, this program knows {GROUP}/{VERSION}")]
    Version {
        /// The file.
        origin: String,
        /// What stands there.
        found: String,
    },
    /// The spec breaks rules.
    #[error("{origin}: {}", violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  "))]
    Invalid {
        /// The file.
        origin: String,
        /// Which.
        violations: Vec<Violation>,
    },
}

impl ManifestError {
    /// What a person does about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Document { .. } => {
                "the file is what `kubectl apply -f` takes: YAML documents parted by \
                                      `---`; docs/examples/soulseek.yaml is one that works"
                    .to_owned()
            }
            Self::UnknownField { .. } => {
                "`fleetctl crd` prints every field that there is".to_owned()
            }
            Self::Count { .. } => "keep one ResearchCollector in a file".to_owned(),
            Self::Version { .. } => format!("write `apiVersion: {GROUP}/{VERSION}`"),
            Self::Invalid { .. } => "correct the fields named above".to_owned(),
        }
    }
}

/// A Secret that is missing, or does not hold what is needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is no such Secret.
    #[error("{wanted_by} names the Secret `{name}`, which is not there")]
    Missing {
        /// The field that names it.
        wanted_by: String,
        /// Its name.
        name: String,
    },
    /// The Secret lacks a key.
    #[error("the Secret `{name}` has no `{key}`")]
    Key {
        /// The Secret.
        name: String,
        /// What it lacks.
        key: &'static str,
    },
    /// The name is not one that an account may have.
    #[error("the `username` in the Secret `{name}` is not one that an account may have")]
    Username {
        /// The Secret.
        name: String,
    },
    /// Two regions would use the same account.
    #[error("the regions `{first}` and `{second}` use the same account")]
    SameAccount {
        /// A region.
        first: String,
        /// Another.
        second: String,
    },
    /// The canary would use the account of a region.
    #[error("the canary uses the account of the region `{region}`")]
    CanaryAccount {
        /// The region.
        region: String,
    },
    /// The database's URL is not one.
    #[error("the `url` in the Secret `{name}` is not a postgres:// URL: {problem}")]
    Url {
        /// The Secret.
        name: String,
        /// What is wrong. Nothing of the URL, which holds a password, stands here.
        problem: String,
    },
}

impl SecretError {
    /// What a person does about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Missing { wanted_by, name } => {
                let why = if wanted_by == CANARY_FIELD {
                    "; every region needs its `username`, to mark the canary's searches"
                } else {
                    ""
                };
                format!(
                    "put a document `kind: Secret` with `metadata.name: {name}` into the same file, or a \
                     directory `{name}` with a file for each key below --secrets-dir{why}"
                )
            }
            Self::Key { name, key } => {
                format!("write `{key}` under `stringData` of the Secret `{name}`")
            }
            Self::Username { .. } => {
                "1 to 30 printable ASCII characters, no blank at either end".to_owned()
            }
            Self::SameAccount { .. } => {
                "give each region an account of its own: a second login ends the first \
                                         session"
                    .to_owned()
            }
            Self::CanaryAccount { .. } => {
                "give the canary an account of its own: a second login ends the first session"
                    .to_owned()
            }
            Self::Url { .. } => {
                "write postgres://user:password@host:5432/database, special characters of \
                                 the password as %XX, for example %40 for @"
                    .to_owned()
            }
        }
    }
}

/// The field that names the canary's Secret.
const CANARY_FIELD: &str = "spec.canary.credentialsSecretRef";

/// An account.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Its name.
    pub username: String,
    /// Its password.
    pub password: SecretString,
}

/// A collector with the Secrets that stand beside it.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The collector, which keeps to all rules.
    pub collector: ResearchCollector,
    /// Documents that are of no use here, as `Kind/name`.
    pub ignored: Vec<String>,
    secrets: HashMap<String, BTreeMap<String, SecretString>>,
}

/// Which kind a document is.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Head {
    api_version: String,
    kind: String,
    metadata: HeadMetadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HeadMetadata {
    name: String,
}

impl Manifest {
    /// Reads the file's text. `origin` is its name, for errors.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ManifestError> {
        let mut collectors = Vec::new();
        let mut secrets = HashMap::new();
        let mut ignored = Vec::new();
        let documents = serde_yaml::Deserializer::from_str(text);
        for (index, document) in documents.enumerate() {
            // An empty document has no head; `Option` takes it.
            let head = Option::<Head>::deserialize(document)
                .map_err(|error| head_problem(origin, &error))?;
            let Some(head) = head else { continue };
            match head.kind.as_str() {
                KIND if head.api_version == format!("{GROUP}/{VERSION}") => {
                    collectors.push(strict::<ResearchCollector>(
                        text, index, origin, KIND, problem,
                    )?);
                }
                KIND => {
                    return Err(ManifestError::Version {
                        origin: origin.to_owned(),
                        found: head.api_version,
                    });
                }
                "Secret" if head.api_version == "v1" => {
                    let secret: Secret = strict(text, index, origin, "Secret", secret_problem)?;
                    secrets.insert(head.metadata.name, values(secret));
                }
                _ => ignored.push(format!("{}/{}", head.kind, head.metadata.name)),
            }
        }
        let found = collectors.len();
        let (1, Some(collector)) = (found, collectors.pop()) else {
            return Err(ManifestError::Count {
                origin: origin.to_owned(),
                found,
            });
        };
        let violations = validate(&collector);
        if !violations.is_empty() {
            return Err(ManifestError::Invalid {
                origin: origin.to_owned(),
                violations,
            });
        }
        Ok(Self {
            collector,
            ignored,
            secrets,
        })
    }

    /// A collector and the Secrets that are there.
    pub fn new(
        collector: ResearchCollector,
        secrets: BTreeMap<String, BTreeMap<String, SecretString>>,
    ) -> Self {
        Self {
            collector,
            ignored: Vec::new(),
            secrets: secrets.into_iter().collect(),
        }
    }

    /// The collector's name.
    pub fn name(&self) -> &str {
        self.collector.metadata.name.as_deref().unwrap_or_default()
    }

    /// The Secrets beside the collector, by name.
    pub fn secrets(&self) -> BTreeMap<&str, &BTreeMap<String, SecretString>> {
        let secrets = self.secrets.iter();
        secrets
            .map(|(name, values)| (name.as_str(), values))
            .collect()
    }

    /// Adds a Secret that stands elsewhere, for example in a mounted directory.
    pub fn add_secret(&mut self, name: &str, values: BTreeMap<String, SecretString>) {
        self.secrets.insert(name.to_owned(), values);
    }

    /// The accounts of all regions, or of the one that is named, in their order. The Secrets of other
    /// regions need not be there.
    pub fn accounts(&self, only: Option<&str>) -> Result<Vec<(&Region, Credentials)>, SecretError> {
        let mut users: HashMap<String, &str> = HashMap::new();
        let mut accounts = Vec::new();
        for (index, region) in self.collector.spec.regions.iter().enumerate() {
            if only.is_some_and(|only| only != region.name) {
                continue;
            }
            let credentials = self.credentials(index, region)?;
            if let Some(first) = users.insert(credentials.username.clone(), &region.name) {
                let (first, second) = (first.to_owned(), region.name.clone());
                return Err(SecretError::SameAccount { first, second });
            }
            accounts.push((region, credentials));
        }
        Ok(accounts)
    }

    /// The account that sends canaries; `None` where the spec has none.
    pub fn canary_account(&self) -> Result<Option<Credentials>, SecretError> {
        let (Some(canary), Some(username)) = (&self.collector.spec.canary, self.canary_username()?)
        else {
            return Ok(None);
        };
        let reference = &canary.credentials_secret_ref;
        let password = self.value(reference, CANARY_FIELD, PASSWORD)?.clone();
        Ok(Some(Credentials { username, password }))
    }

    /// The name of the account that sends canaries, which every region must know to mark them. Regions
    /// whose Secrets are not here are not looked at.
    pub fn canary_username(&self) -> Result<Option<String>, SecretError> {
        let spec = &self.collector.spec;
        let Some(canary) = &spec.canary else {
            return Ok(None);
        };
        let username = self.username(&canary.credentials_secret_ref, CANARY_FIELD)?;
        let same = spec.regions.iter().find(|region| {
            let name = self.username(&region.credentials_secret_ref, "");
            name.is_ok_and(|name| name == username)
        });
        match same {
            Some(region) => Err(SecretError::CanaryAccount {
                region: region.name.clone(),
            }),
            None => Ok(Some(username)),
        }
    }

    /// The URL of the database; `None` where the local store is the database, as it is where the cluster would run one.
    pub fn database_url(&self) -> Result<Option<SecretString>, SecretError> {
        let database = self.collector.spec.database.as_ref();
        let Some(external) = database.and_then(|database| database.external.as_ref()) else {
            return Ok(None);
        };
        let reference = &external.url_secret_ref;
        let value = self.value(reference, "spec.database.external.urlSecretRef", URL)?;
        let url = value.expose_secret().trim();
        let problem = match Url::parse(url) {
            Ok(parsed) if is_postgres(&parsed) => return Ok(Some(url.into())),
            Ok(_) => "it does not begin with postgres://".to_owned(),
            Err(error) => error.to_string(),
        };
        let name = reference.name.clone();
        Err(SecretError::Url { name, problem })
    }

    fn credentials(&self, index: usize, region: &Region) -> Result<Credentials, SecretError> {
        let reference = &region.credentials_secret_ref;
        let wanted_by = format!("spec.regions[{index}].credentialsSecretRef");
        let username = self.username(reference, &wanted_by)?;
        let password = self.value(reference, &wanted_by, PASSWORD)?.clone();
        Ok(Credentials { username, password })
    }

    fn username(&self, reference: &SecretRef, wanted_by: &str) -> Result<String, SecretError> {
        let username = self.value(reference, wanted_by, USERNAME)?.expose_secret();
        if is_username(username) {
            Ok(username.to_owned())
        } else {
            let name = reference.name.clone();
            Err(SecretError::Username { name })
        }
    }

    /// The token of the Hetzner project; `None` where the spec names no Secret for it.
    pub fn hetzner_token(&self) -> Result<Option<SecretString>, SecretError> {
        let infrastructure = self.collector.spec.infrastructure.as_ref();
        let reference = infrastructure.and_then(|found| found.hetzner.token_secret_ref.as_ref());
        let Some(reference) = reference else {
            return Ok(None);
        };
        let field = "spec.infrastructure.hetzner.tokenSecretRef";
        Ok(Some(self.value(reference, field, TOKEN)?.clone()))
    }

    /// Who may use the bucket for archives, and what proves it; `None` where the spec names no bucket.
    pub fn bucket_credentials(&self) -> Result<Option<(SecretString, SecretString)>, SecretError> {
        let archive = self.collector.spec.archive.as_ref();
        let Some(bucket) = archive.and_then(|archive| archive.destination.s3.as_ref()) else {
            return Ok(None);
        };
        let field = "spec.archive.destination.s3.credentialsSecretRef";
        let value = |key| self.value(&bucket.credentials_secret_ref, field, key);
        let (id, key) = (value(ACCESS_KEY_ID)?, value(SECRET_ACCESS_KEY)?);
        Ok(Some((id.clone(), key.clone())))
    }

    /// The key that pseudonyms are made with; `None` where the spec names no Secret for it.
    pub fn privacy_key(&self) -> Result<Option<SecretString>, SecretError> {
        let Some(reference) = &self.collector.spec.privacy.key_secret_ref else {
            return Ok(None);
        };
        let key = self.value(reference, "spec.privacy.keySecretRef", KEY)?;
        Ok(Some(key.clone()))
    }

    fn value(
        &self,
        reference: &SecretRef,
        wanted_by: &str,
        key: &'static str,
    ) -> Result<&SecretString, SecretError> {
        let name = &reference.name;
        let secret = self.secrets.get(name).ok_or_else(|| SecretError::Missing {
            wanted_by: wanted_by.to_owned(),
            name: name.clone(),
        })?;
        secret.get(key).ok_or_else(|| SecretError::Key {
            name: name.clone(),
            key,
        })
    }
}

/// Reads one document again, typed, and refuses fields that do not exist.
fn strict<T: DeserializeOwned>(
    text: &str,
    index: usize,
    origin: &str,
    kind: &str,
    problem: fn(&str, &serde_yaml::Error) -> ManifestError,
) -> Result<T, ManifestError> {
    let document = serde_yaml::Deserializer::from_str(text)
        .nth(index)
        .ok_or_else(|| ManifestError::Document {
            origin: origin.to_owned(),
            problem: "ends too early".to_owned(),
        })?;
    let mut unknown = Vec::new();
    // `?` in a path stands for a field that may be missing; people do not write it.
    let mut note = |path: String| unknown.push(path.replace(".?", ""));
    let value = serde_ignored::deserialize(document, |path| note(path.to_string()))
        .map_err(|error| problem(origin, &error));
    // The head was read before; the types do not hold it.
    unknown.retain(|path| path != "apiVersion" && path != "kind");
    // A field that is misspelt explains one that is missing.
    match unknown.into_iter().next() {
        None => value,
        Some(path) => Err(ManifestError::UnknownField {
            origin: origin.to_owned(),
            kind: kind.to_owned(),
            suggestion: suggestion(&path),
            path,
        }),
    }
}

fn problem(origin: &str, error: &serde_yaml::Error) -> ManifestError {
    ManifestError::Document {
        origin: origin.to_owned(),
        problem: error.to_string(),
    }
}

/// What kind of document it is has not been read yet: it may be a Secret, so values are not quoted.
fn head_problem(origin: &str, error: &serde_yaml::Error) -> ManifestError {
    if error.to_string().contains("invalid") {
        unquoted(
            origin,
            error,
            "a document",
            "a value is not of the type that it should be",
        )
    } else {
        problem(origin, error)
    }
}

/// The parser quotes what it found, which in a Secret may be a part of one: only the place is told.
fn secret_problem(origin: &str, error: &serde_yaml::Error) -> ManifestError {
    let rule = "values under `stringData` are text, values under `data` are base64";
    unquoted(origin, error, "a Secret", rule)
}

fn unquoted(origin: &str, error: &serde_yaml::Error, what: &str, rule: &str) -> ManifestError {
    let place = error.location().map_or_else(String::new, |at| {
        format!(" at line {} column {}", at.line(), at.column())
    });
    let problem = format!("{what} cannot be read{place}: {rule}");
    ManifestError::Document {
        origin: origin.to_owned(),
        problem,
    }
}

/// A Secret's values; what stands under `stringData` wins, as in Kubernetes.
fn values(secret: Secret) -> BTreeMap<String, SecretString> {
    let plain = secret.string_data.unwrap_or_default();
    let encoded = secret.data.unwrap_or_default().into_iter();
    let encoded =
        encoded.map(|(key, ByteString(bytes))| (key, String::from_utf8_lossy(&bytes).into_owned()));
    encoded
        .chain(plain)
        .map(|(key, value)| (key, value.into()))
        .collect()
}

/// The two spellings that the database's own programs take.
fn is_postgres(url: &Url) -> bool {
    ["postgres", "postgresql"].contains(&url.scheme()) && url.has_authority()
}

fn is_username(name: &str) -> bool {
    (1..=30).contains(&name.len())
        && name.chars().all(|c| c == ' ' || c.is_ascii_graphic())
        && name.trim() == name
}

/// Every field that a spec may have.
const FIELDS: [&str; 34] = [
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "network",
    "soulseek",
    "server",
    "clientVersion",
    "duplicates",
    "regions",
    "credentialsSecretRef",
    "listen",
    "obfuscatedPort",
    "privacy",
    "keySecretRef",
    "canary",
    "perHour",
    "database",
    "external",
    "urlSecretRef",
    "location",
    "serverTypes",
    "infrastructure",
    "hetzner",
    "tokenSecretRef",
    "image",
    "sshKeys",
    "allowFrom",
    "controlPlane",
    "locations",
    "volumeGb",
    "placement",
    "ipRange",
    "port",
];

/// The field that is written most like the last part of the path.
fn suggestion(path: &str) -> Option<&'static str> {
    let last = path.rsplit('.').next()?.to_lowercase();
    let distance = |field: &&&str| distance(&last, &field.to_lowercase());
    FIELDS
        .iter()
        .min_by_key(distance)
        .filter(|field| distance(field) <= 2)
        .copied()
}

/// How many letters must be put in, taken out or changed.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
