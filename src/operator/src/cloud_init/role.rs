//! What a machine is for.

use secrecy::SecretString;

use super::Host;
use super::template::Values;

/// What a machine is for.
#[derive(Clone, Debug)]
pub enum Role {
    /// A hardened machine without a cluster.
    Host,
    /// The server of a k3s cluster, with `SQLite`. It makes its token itself.
    K3sServer {
        /// Path of the volume that keeps the cluster when the machine is rebuilt, such as
        /// `/dev/disk/by-id/scsi-0HC_Volume_1`. It is formatted only when it is blank.
        data_device: Option<String>,
        /// Names and addresses for the certificate, besides the public address, which the machine finds out itself.
        tls_sans: Vec<String>,
    },
    /// An agent of a k3s cluster.
    K3sAgent {
        /// `https://ADDRESS:6443`.
        server: String,
        /// `K10<SHA-256 of the CA>::<id>.<secret>`, a bootstrap token that is good for an hour.
        token: SecretString,
    },
    /// A node of a cluster that was made with kubeadm. The image must have kubelet, kubeadm and a container runtime.
    KubeadmNode {
        /// `ADDRESS:6443`.
        endpoint: String,
        /// `<id>.<secret>`, a bootstrap token that is good for an hour.
        token: SecretString,
        /// `sha256:` and the digest of the CA's public key.
        ca_hash: String,
        /// Names of checks, or `all`.
        ignore_preflight_errors: Vec<String>,
    },
}

impl Role {
    pub(super) fn template(&self) -> &'static str {
        match self {
            Self::Host => "host.yaml.j2",
            Self::K3sServer { .. } => "k3s-server.yaml.j2",
            Self::K3sAgent { .. } => "k3s-agent.yaml.j2",
            Self::KubeadmNode { .. } => "kubeadm-node.yaml.j2",
        }
    }

    pub(super) fn token(&self) -> Option<&SecretString> {
        match self {
            Self::Host | Self::K3sServer { .. } => None,
            Self::K3sAgent { token, .. } | Self::KubeadmNode { token, .. } => Some(token),
        }
    }

    /// What the template wants to know, without the token.
    pub(super) fn values(&self, host: &Host) -> Values {
        let labels: Vec<String> = host
            .node_labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let taints = host.node_taints.clone();
        match self {
            Self::Host => Values::new(),
            Self::K3sServer {
                data_device,
                tls_sans,
            } => {
                let mut sans = vec!["@public-ipv4@".to_owned()];
                sans.extend_from_slice(tls_sans);
                Values::from([
                    ("node_labels", labels.into()),
                    ("node_taints", taints.into()),
                    (
                        "data_device",
                        data_device.as_deref().unwrap_or_default().into(),
                    ),
                    ("tls_sans", sans.into()),
                ])
            }
            Self::K3sAgent { server, token: _ } => Values::from([
                ("node_labels", labels.into()),
                ("node_taints", taints.into()),
                ("server", server.as_str().into()),
            ]),
            Self::KubeadmNode {
                endpoint,
                token: _,
                ca_hash,
                ignore_preflight_errors,
            } => Values::from([
                ("kubelet_labels", labels.join(",").into()),
                ("kubelet_taints", taints.join(",").into()),
                ("endpoint", endpoint.as_str().into()),
                ("ca_hash", ca_hash.as_str().into()),
                (
                    "ignore_preflight_errors",
                    ignore_preflight_errors.clone().into(),
                ),
            ]),
        }
    }
}
