//! What a fleet's objects are called, and the labels by which they are found again.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fleet_api::names::{FLEET_LABEL, REGION_LABEL};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use sha2::{Digest, Sha256};

/// Who has written a field, in the cluster's records, and the label of all that the operator makes.
pub(crate) const OPERATOR: &str = "fleet-operator";
/// The label that says so.
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The label of what an object is for.
pub(crate) const COMPONENT: &str = "app.kubernetes.io/component";

/// Annotation: the digest of a collector's pod template as the spec wants it.
pub(crate) const TEMPLATE: &str = "researchfleet.io/template";
/// Annotation: since when a collector has its template.
pub(crate) const UPDATED: &str = "researchfleet.io/updated";
/// Annotation of a pod: the digest of what it reads when it starts, so that it starts again when that changes.
pub(crate) const READS: &str = "researchfleet.io/reads";
/// What keeps a fleet until all that is outside of Kubernetes is gone.
pub(crate) const FINALIZER: &str = "researchfleet.io/operator";

/// Kubernetes adds up to eleven characters to the names of jobs and to a label of stateful pods.
const LONGEST: usize = 52;

/// What an object is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Component {
    /// Records what one region sees.
    Collector,
    /// `PostgreSQL`.
    Database,
    /// `PgBouncer`.
    Pooler,
    /// Brings the tables to this version.
    Migration,
    /// Puts months that are over into files.
    Archive,
    /// Keeps the figures of days.
    Report,
    /// Copies the database.
    Backup,
}

impl Component {
    /// As it stands in names and labels.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Collector => "collector",
            Self::Database => "database",
            Self::Pooler => "pooler",
            Self::Migration => "migration",
            Self::Archive => "archive",
            Self::Report => "report",
            Self::Backup => "backup",
        }
    }

    /// All labels of an object.
    pub(crate) fn labels(self, fleet: &str, region: Option<&str>) -> BTreeMap<String, String> {
        let mut labels = self.selector(fleet, region);
        labels.extend(owned([
            (MANAGED_BY, OPERATOR),
            ("app.kubernetes.io/name", "research-fleet"),
            ("app.kubernetes.io/part-of", "research-fleet"),
        ]));
        labels
    }

    /// The labels by which pods are chosen. They can never change.
    pub(crate) fn selector(self, fleet: &str, region: Option<&str>) -> BTreeMap<String, String> {
        let mut labels = owned([(FLEET_LABEL, fleet), (COMPONENT, self.as_str())]);
        labels.extend(region.map(|region| (REGION_LABEL.to_owned(), region.to_owned())));
        labels
    }

    /// Whether an object is for this, by its label.
    pub(crate) fn is_of<K: kube::Resource>(self, object: &K) -> bool {
        let labels = object.meta().labels.as_ref();
        let component = labels.and_then(|labels| labels.get(COMPONENT));
        component.is_some_and(|found| found == self.as_str())
    }

    /// The same as Kubernetes takes it.
    pub(crate) fn label_selector(self, fleet: &str, region: Option<&str>) -> LabelSelector {
        LabelSelector {
            match_labels: Some(self.selector(fleet, region)),
            match_expressions: None,
        }
    }
}

/// Labels or annotations.
pub(crate) fn owned<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// The name of a child: the fleet's and what it is. A name that is too long ends in a digest of the whole.
pub(crate) fn child(fleet: &str, what: &str) -> String {
    let name = format!("{fleet}-{what}");
    if name.len() <= LONGEST {
        return name;
    }
    let digest = digest(&[&name]);
    let kept = name[..LONGEST - 9].trim_end_matches('-');
    format!("{kept}-{}", &digest[..8])
}

/// The name of a region's collector.
pub(crate) fn collector(fleet: &str, region: &str) -> String {
    child(fleet, &format!("collector-{region}"))
}

/// The name of the volume of a region's spool.
pub(crate) fn spool(fleet: &str, region: &str) -> String {
    child(fleet, &format!("spool-{region}"))
}

/// A digest of texts, 16 hexadecimal digits.
pub(crate) fn digest(texts: &[&str]) -> String {
    let mut sha = Sha256::new();
    for text in texts {
        sha.update(text.len().to_be_bytes());
        sha.update(text.as_bytes());
    }
    sha.finalize()
        .iter()
        .take(8)
        .fold(String::new(), |mut hex, byte| {
            // Writing to a String does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stay_apart_and_fit() {
        let fleet = "f".repeat(49);
        let (one, two) = (collector(&fleet, "north"), collector(&fleet, "south"));
        assert_ne!(one, two);
        assert_eq!((one.len(), two.len()), (52, 52));
        assert_eq!(collector("study", "north"), "study-collector-north");
        let dashes = child(&"-".repeat(60), "x");
        assert!(!dashes.contains("--") || dashes.len() <= 52, "{dashes}");
    }

    #[test]
    fn a_digest_tells_texts_apart() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_eq!(digest(&["a"]).len(), 16);
    }
}
