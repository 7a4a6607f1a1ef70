//! What a new server is told to do at its first boot: `user_data` for cloud-init.
//!
//! The templates in `cloud-init/` hold nothing but `{{ name | tojson }}` and `{% include "file" %}`, so that the
//! Terraform module in `terraform/modules/user-data` renders the same files to the same bytes. What depends on the
//! machine (architecture, memory, address, instance id) is found out by scripts at boot. When all is done the machine
//! has a file `/run/fleet/ready`, otherwise `/run/fleet/failed` with the reason.

mod check;
mod role;
mod template;

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

pub use self::check::Problem;
pub use self::role::Role;
use self::template::{Values, versions};

/// Bytes of `user_data` that Hetzner accepts.
pub const MAX_BYTES: usize = 32 * 1024;

/// What stands for a one-hour secret where the digest is computed. Terraform has the same word.
const ONE_HOUR_SECRET: &str = "one-hour-secret";

/// What every machine is told, whatever its role.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Name of the server and of the node: a DNS label.
    pub name: String,
    /// TCP ports that the machine's own firewall lets in, besides 22 and what the role needs. The provider's firewall
    /// decides from where.
    pub tcp_ports_anywhere: Vec<u16>,
    /// The same for UDP.
    pub udp_ports_anywhere: Vec<u16>,
    /// Labels of the node.
    pub node_labels: BTreeMap<String, String>,
    /// Taints of the node: `key=value:Effect` or `key:Effect`.
    pub node_taints: Vec<String>,
    /// When the machine may reboot for a security update, `HH:MM` in UTC; never by itself without.
    pub reboot_at: Option<String>,
}

/// `user_data` that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The text. For a role that joins it holds a secret, which is good for an hour.
    pub text: SecretString,
    /// 16 hexadecimal digits of the SHA-256 of the text, with a fixed word in place of one-hour secrets: the same for
    /// the same wish, and fit for a label.
    pub digest: String,
}

/// `user_data` cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A value breaks the rules of those who read it.
    #[error("{what} {problem}")]
    Value {
        /// Which one. Never the value of a secret.
        what: String,
        /// What is wrong with it.
        problem: Problem,
    },
    /// More than [`MAX_BYTES`].
    #[error("the user data has {0} bytes, and {MAX_BYTES} are allowed")]
    TooLong(usize),
    /// The templates and this code do not fit together.
    #[error("cannot fill in the template")]
    Template(#[from] minijinja::Error),
    /// The pinned versions cannot be read.
    #[error("cannot read cloud-init/versions.json")]
    Versions(#[from] serde_json::Error),
}

/// The `user_data` of one machine.
pub fn render(host: &Host, role: &Role) -> Result<Rendered, RenderError> {
    check::host(host)?;
    check::role(role)?;
    let mut values = host_values(host);
    values.extend(versions()?);
    values.extend(role.values(host));
    let token = role.token().map(ExposeSecret::expose_secret);
    let text = template::fill(role.template(), &with_token(&values, token))?;
    if text.len() > MAX_BYTES {
        return Err(RenderError::TooLong(text.len()));
    }
    let wish = template::fill(
        role.template(),
        &with_token(&values, token.map(|_| ONE_HOUR_SECRET)),
    )?;
    Ok(Rendered {
        text: text.into(),
        digest: short_digest(&wish),
    })
}

/// The first 16 hexadecimal digits of the SHA-256.
fn short_digest(text: &str) -> String {
    let digest = Sha256::digest(text);
    let start = digest
        .iter()
        .take(8)
        .fold(0, |start: u64, byte| start << 8 | u64::from(*byte));
    format!("{start:016x}")
}

fn host_values(host: &Host) -> Values {
    let Host {
        name,
        tcp_ports_anywhere,
        udp_ports_anywhere,
        node_labels: _, // the roles of a cluster have them
        node_taints: _,
        reboot_at,
    } = host;
    Values::from([
        ("name", name.as_str().into()),
        ("tcp_ports", words(tcp_ports_anywhere).into()),
        ("udp_ports", words(udp_ports_anywhere).into()),
        ("reboot", reboot_at.is_some().to_string().into()),
        ("reboot_at", reboot_at.as_deref().unwrap_or("now").into()),
    ])
}

fn with_token(values: &Values, token: Option<&str>) -> Values {
    let mut values = values.clone();
    values.extend(token.map(|token| ("token", token.into())));
    values
}

fn words(ports: &[u16]) -> String {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    ports.join(" ")
}
