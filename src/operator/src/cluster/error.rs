//! What can go wrong with a cluster, and what a person does then.

use std::error::Error;

use kube::core::Status;

/// What can go wrong with a cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// The kubeconfig does not say how to reach a cluster.
    #[error("{origin} cannot be used: {reason}")]
    Kubeconfig {
        /// The file.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// No connection, or no answer.
    #[error("cannot reach the cluster at {server}: {reason}")]
    Unreachable {
        /// The API server.
        server: String,
        /// What the system says.
        reason: String,
    },
    /// Another server than the kubeconfig's.
    #[error("the cluster at {server} cannot be trusted: {reason}")]
    Untrusted {
        /// The API server.
        server: String,
        /// What is wrong with its certificate.
        reason: String,
    },
    /// The credentials are not known, or no longer.
    #[error("the cluster at {server} does not know the kubeconfig's user")]
    Unauthorized {
        /// The API server.
        server: String,
    },
    /// The user may not do this.
    #[error("the cluster does not allow it for {what}: {reason}")]
    Forbidden {
        /// Of which object.
        what: String,
        /// What the API server says.
        reason: String,
    },
    /// An object breaks a rule.
    #[error("the cluster refuses {what}: {}", reasons.join("\n  "))]
    Invalid {
        /// Which object.
        what: String,
        /// Every rule, as the API server says it.
        reasons: Vec<String>,
    },
    /// The namespace or the kind is not there.
    #[error("there is no place for {what}: {reason}")]
    NoPlace {
        /// For which object.
        what: String,
        /// What the API server says.
        reason: String,
    },
    /// The CRD was taken, but not into use.
    #[error("the cluster does not take {what} into use: {reason}")]
    NotEstablished {
        /// Which CRD.
        what: String,
        /// What its conditions say.
        reason: String,
    },
    /// The operator does not run in time.
    #[error("the operator does not run after {seconds} seconds: {reason}")]
    NoOperator {
        /// How long it was waited for.
        seconds: u64,
        /// What its Deployment says.
        reason: String,
    },
    /// Nodes that have not come, or are not ready.
    #[error("{} of the nodes are not ready after {seconds} seconds:\n  {}", missing.len(), missing.join("\n  "))]
    NodesMissing {
        /// How long they were waited for.
        seconds: u64,
        /// Their names, and why.
        missing: Vec<String>,
    },
    /// The collector is being deleted, but is still there.
    #[error("{what} is still there after {seconds} seconds: {reason}")]
    Remains {
        /// What should be gone.
        what: String,
        /// How long it was waited for.
        seconds: u64,
        /// What holds it.
        reason: String,
    },
    /// The certificates of the cluster's authority are not as they must be.
    #[error("the certificate of the cluster's authority cannot be used: {reason}")]
    Authority {
        /// What is wrong.
        reason: String,
    },
    /// Anything else that the API server, or the way to it, says.
    #[error("the cluster fails with {what}: {reason}")]
    Failed {
        /// With which object.
        what: String,
        /// What it says.
        reason: String,
    },
}

impl ClusterError {
    /// What it means that the API server answered so, or not at all.
    pub(super) fn of(server: &str, what: &str, error: kube::Error) -> Self {
        let server = server.to_owned();
        let what = what.to_owned();
        match error {
            kube::Error::Api(status) => Self::answered(server, what, *status),
            error => {
                let reason = last_cause(&error);
                if reason.contains("certificate") {
                    Self::Untrusted { server, reason }
                } else if is_about_the_way(&error) {
                    Self::Unreachable { server, reason }
                } else {
                    Self::Failed { what, reason }
                }
            }
        }
    }

    fn answered(server: String, what: String, status: Status) -> Self {
        let reason = status.message.clone();
        match status.code {
            401 => Self::Unauthorized { server },
            403 => Self::Forbidden { what, reason },
            404 => Self::NoPlace { what, reason },
            _ if status.is_invalid() => Self::Invalid {
                what,
                reasons: rules(status),
            },
            _ => Self::Failed { what, reason },
        }
    }

    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Kubeconfig { .. } => {
                "name the right file with --kubeconfig, and its context where it has several; \
                 `kubectl config get-contexts` shows them"
            }
            Self::Unreachable { .. } => {
                "look whether the server runs, and whether its firewall lets this machine reach the port; \
                 what was begun goes on when the command is run again"
            }
            Self::Untrusted { .. } => {
                "the kubeconfig is of another cluster, or of this one before it was made anew: get a new one"
            }
            Self::Unauthorized { .. } => {
                "the credentials in the kubeconfig have expired or are of another cluster: get a new one"
            }
            Self::Forbidden { .. } => {
                "use a kubeconfig of somebody who may do this; to install the operator that is a cluster-admin"
            }
            Self::Invalid { .. } => "correct what is named, and run the command again",
            Self::NoPlace { reason, .. } if reason.contains("namespaces") => {
                "make the namespace first: kubectl create namespace NAME"
            }
            Self::NoPlace { .. } => {
                "the CRD is not installed: `fleetctl deploy` does it, or kubectl apply -f crd/"
            }
            Self::NotEstablished { .. } => {
                "another CRD uses these names: `kubectl get crd` shows all"
            }
            Self::NoOperator { .. } => {
                "`kubectl -n research-fleet describe pods` and `kubectl -n research-fleet logs deployment/fleet-operator` \
                 say more"
            }
            Self::NodesMissing { .. } => {
                "on a server, /var/log/cloud-init-output.log says how it was set up, and `journalctl -u k3s-agent` \
                 how it joined; what was begun goes on when the command is run again"
            }
            Self::Remains { .. } => {
                "the operator takes away first what is outside of the cluster: look at its log, and run the command again"
            }
            Self::Authority { .. } | Self::Failed { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

/// Each broken rule with its field, if it is not one of the whole object.
fn rules(status: Status) -> Vec<String> {
    let causes = status.details.map(|details| details.causes);
    let rules: Vec<_> = causes
        .unwrap_or_default()
        .into_iter()
        // That other rules wait for these says nothing about the object.
        .filter(|cause| !cause.message.contains(NOT_CHECKED))
        .map(|cause| match cause.field.as_str() {
            "" | WHOLE => cause.message,
            field => format!("{field}: {}", cause.message),
        })
        .collect();
    if rules.is_empty() {
        vec![status.message]
    } else {
        rules
    }
}

/// What the API server writes for the field of a rule that is about the whole object.
const WHOLE: &str = "<nil>";
/// How it says that it has not looked at all rules.
const NOT_CHECKED: &str = "some validation rules were not checked";

/// The layers above it repeat each other.
fn last_cause(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

fn is_about_the_way(error: &kube::Error) -> bool {
    matches!(
        error,
        kube::Error::Service(_) | kube::Error::HyperError(_) | kube::Error::ReadEvents(_)
    )
}
