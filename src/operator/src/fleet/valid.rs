//! A fleet whose spec can be followed: the only thing that objects are built from.

use std::collections::BTreeMap;
use std::sync::Arc;

use fleet_api::conditions::reasons;
use fleet_api::names::USERNAME;
use fleet_api::{
    Archive, ArchiveDestination, Bucket, Canary, ExternalDatabase, ManagedDatabase, Manifest,
    Privacy, Region, Reports, ResearchCollector, SecretError, SecretRef, UpdatePolicy, Violation,
    validate as check_spec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource as _, ResourceExt as _};
use secrecy::SecretString;

use super::names;

/// The Secrets that were found: values, and a version that changes with them.
pub(crate) type Secrets = BTreeMap<String, FoundSecret>;

/// A Secret that was found.
#[derive(Debug, Clone, Default)]
pub(crate) struct FoundSecret {
    /// What is in it.
    pub(crate) values: BTreeMap<String, SecretString>,
    /// Which one it is, and which of its versions.
    pub(crate) version: String,
}

/// Why a spec cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    /// A Secret is missing, or does not hold what is needed.
    #[error("{0}; {hint}", hint = .0.hint())]
    Secret(#[from] SecretError),
    /// Rules are broken. The API server refuses that, so the object is older than the rules.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Rules(Vec<Violation>),
    /// Another namespace has a fleet of this name, and both would have servers.
    #[error(
        "the namespace {namespace} has an older fleet of this name: servers are found by it, so give this one another name"
    )]
    NameTaken {
        /// Which.
        namespace: String,
    },
    /// The object lacks what every object has.
    #[error("the object has no {0}")]
    Incomplete(&'static str),
}

impl Invalid {
    /// One word.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Secret(SecretError::Missing { .. } | SecretError::Key { .. }) => {
                reasons::SECRET_MISSING
            }
            _ => reasons::INVALID_SPEC,
        }
    }
}

/// A fleet whose spec can be followed.
#[derive(Debug, Clone)]
pub(crate) struct Fleet {
    /// Its name.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) namespace: String,
    /// For what belongs to it.
    pub(crate) owner: OwnerReference,
    /// What the spec says.
    pub(crate) collector: ResearchCollector,
    /// The image of collectors and jobs.
    pub(crate) image: String,
    /// Which versions of Secrets are there.
    pub(crate) versions: BTreeMap<String, String>,
}

/// What a fleet is checked against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    /// The Secrets that the spec names, as far as they are there.
    pub(crate) secrets: &'a Secrets,
    /// All fleets.
    pub(crate) others: &'a [Arc<ResearchCollector>],
    /// The image where the spec names none.
    pub(crate) image: &'a str,
}

impl Fleet {
    /// Checks a spec. Pure.
    pub(crate) fn validate(
        collector: &ResearchCollector,
        around: Around<'_>,
    ) -> Result<Self, Invalid> {
        let violations = check_spec(collector);
        if !violations.is_empty() {
            return Err(Invalid::Rules(violations));
        }
        let name = collector.name_any();
        let namespace = collector.namespace();
        let owner = collector.controller_owner_ref(&());
        let namespace = namespace.ok_or(Invalid::Incomplete("namespace"))?;
        let owner = owner.ok_or(Invalid::Incomplete("uid"))?;
        if let Some(other) = older_namesake(collector, around.others) {
            return Err(Invalid::NameTaken { namespace: other });
        }
        check_secrets(collector, around.secrets)?;
        let spec = &collector.spec;
        Ok(Self {
            image: spec
                .image
                .clone()
                .unwrap_or_else(|| around.image.to_owned()),
            versions: around
                .secrets
                .iter()
                .map(|(name, secret)| (name.clone(), secret.version.clone()))
                .collect(),
            name,
            namespace,
            owner,
            collector: collector.clone(),
        })
    }

    /// The regions.
    pub(crate) fn regions(&self) -> &[Region] {
        &self.collector.spec.regions
    }

    /// The database in the cluster, if there is to be one.
    pub(crate) fn managed(&self) -> Option<&ManagedDatabase> {
        self.collector.spec.database.as_ref()?.managed.as_ref()
    }

    /// Whether collectors reach the managed database through a pooler.
    pub(crate) fn pooled(&self) -> bool {
        self.managed()
            .is_some_and(|managed| managed.pooler.replicas > 0)
    }

    /// Somebody else's database.
    pub(crate) fn external(&self) -> Option<&ExternalDatabase> {
        self.collector.spec.database.as_ref()?.external.as_ref()
    }

    /// What is archived.
    pub(crate) fn archive(&self) -> Option<&Archive> {
        self.collector.spec.archive.as_ref()
    }

    /// The bucket for archives.
    pub(crate) fn bucket(&self) -> Option<&Bucket> {
        let ArchiveDestination { volume: _, s3 } = &self.archive()?.destination;
        s3.as_ref()
    }

    /// The figures that are kept.
    pub(crate) fn reports(&self) -> Option<&Reports> {
        self.collector.spec.reports.as_ref()
    }

    /// The canary.
    pub(crate) fn canary(&self) -> Option<&Canary> {
        self.collector.spec.canary.as_ref()
    }

    /// How the fleet changes.
    pub(crate) fn updates(&self) -> &UpdatePolicy {
        &self.collector.spec.update_policy
    }

    /// The Secret with the key of pseudonyms: one key for all regions, so that their pseudonyms are the same.
    pub(crate) fn privacy_secret(&self) -> SecretRef {
        let Privacy { key_secret_ref, .. } = &self.collector.spec.privacy;
        key_secret_ref.clone().unwrap_or_else(|| SecretRef {
            name: names::child(&self.name, "privacy"),
        })
    }

    /// The Secret with the URL that this part of the fleet connects to, if there is a database.
    pub(crate) fn database_secret(&self, role: DatabaseRole) -> Option<String> {
        match (self.managed(), self.external()) {
            (Some(_), _) => Some(names::child(
                &self.name,
                &format!("database-{}", role.as_str()),
            )),
            (None, Some(external)) => Some(external.url_secret_ref.name.clone()),
            (None, None) => None,
        }
    }

    /// The version of a Secret; one that the operator itself has made has none that matters.
    pub(crate) fn version(&self, secret: &str) -> &str {
        self.versions.get(secret).map_or("", String::as_str)
    }
}

/// Who connects to a managed database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DatabaseRole {
    /// Makes and changes the tables.
    Owner,
    /// Collectors: insert, read nothing.
    Writer,
    /// People.
    Reader,
    /// Archives and figures.
    Archiver,
}

impl DatabaseRole {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Owner, Self::Writer, Self::Reader, Self::Archiver];

    /// As it stands in names.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Writer => "writer",
            Self::Reader => "reader",
            Self::Archiver => "archiver",
        }
    }

    /// The name of the login.
    pub(crate) fn login(self) -> &'static str {
        match self {
            Self::Owner => "fleet_owner",
            Self::Writer => "collector",
            Self::Reader => "reader",
            Self::Archiver => "archiver",
        }
    }
}

/// The same checks as without a cluster, with the same words.
fn check_secrets(collector: &ResearchCollector, secrets: &Secrets) -> Result<(), SecretError> {
    let values = secrets
        .iter()
        .map(|(name, secret)| (name.clone(), secret.values.clone()));
    let manifest = Manifest::new(collector.clone(), values.collect());
    manifest.accounts(None)?;
    manifest.canary_account()?;
    manifest.privacy_key()?;
    manifest.database_url()?;
    manifest.hetzner_token()?;
    manifest.bucket_credentials()?;
    Ok(())
}

/// The namespace of an older fleet with the same name and servers.
fn older_namesake(
    collector: &ResearchCollector,
    others: &[Arc<ResearchCollector>],
) -> Option<String> {
    collector.spec.infrastructure.as_ref()?;
    let age = |fleet: &ResearchCollector| (fleet.creation_timestamp(), fleet.uid());
    let is_older = |other: &&Arc<ResearchCollector>| {
        other.spec.infrastructure.is_some()
            && other.name_any() == collector.name_any()
            && other.namespace() != collector.namespace()
            && age(other) < age(collector)
    };
    others.iter().find(is_older)?.namespace()
}

/// Keys of a Secret that a container gets: the name of an account is no secret to those who only mark its searches.
pub(crate) const ONLY_NAME: &[&str] = &[USERNAME];
