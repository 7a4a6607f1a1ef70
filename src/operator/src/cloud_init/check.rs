//! What the readers of `user_data` (cloud-init, systemd, k3s, the kubelet) accept. `tojson` keeps every value in its
//! place whatever it is; here it is refused before a server is paid for that would not come up with it.

use std::fmt;

use secrecy::ExposeSecret as _;

use super::{Host, RenderError, Role};

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Not 1 to 63 of `a-z0-9-`, with `-` only inside.
    Name,
    /// Not `[domain/]name`, both as Kubernetes wants them.
    LabelKey,
    /// Not empty nor up to 63 of `A-Za-z0-9-_.`, with `-_.` only inside.
    LabelValue,
    /// Neither `key=value:Effect` nor `key:Effect`.
    Taint,
    /// Not `HH:MM`.
    TimeOfDay,
    /// Not a path below `/dev`.
    Device,
    /// Neither a domain name nor an address.
    DomainOrAddress,
    /// Not `https://HOST:PORT`.
    Url,
    /// Not `HOST:PORT`.
    Endpoint,
    /// Not of the form of such a token.
    Token,
    /// Not `sha256:` and 64 hexadecimal digits.
    CaHash,
    /// Not the name of a check.
    PreflightCheck,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "must be 1 to 63 of a-z, 0-9 and -, and begin and end with none of -",
            Self::LabelKey => "must be the key of a Kubernetes label",
            Self::LabelValue => "must be the value of a Kubernetes label",
            Self::Taint => {
                "must be key=value:Effect or key:Effect, with NoSchedule, PreferNoSchedule or NoExecute"
            }
            Self::TimeOfDay => "must be a time of day, HH:MM",
            Self::Device => "must be a path below /dev, of letters, digits and /_.:-",
            Self::DomainOrAddress => "must be a domain name or an IP address",
            Self::Url => "must be https://HOST:PORT",
            Self::Endpoint => "must be HOST:PORT",
            Self::Token => {
                "must be a bootstrap token, for k3s in the form K10<SHA-256 of the CA>::<id>.<secret>"
            }
            Self::CaHash => "must be sha256: and 64 hexadecimal digits",
            Self::PreflightCheck => "must be the name of a check of kubeadm, or all",
        })
    }
}

fn demand(holds: bool, what: impl Into<String>, problem: Problem) -> Result<(), RenderError> {
    let what = what.into();
    holds
        .then_some(())
        .ok_or(RenderError::Value { what, problem })
}

pub(super) fn host(host: &Host) -> Result<(), RenderError> {
    let Host {
        name,
        tcp_ports_anywhere: _, // any port is a port
        udp_ports_anywhere: _,
        node_labels,
        node_taints,
        reboot_at,
    } = host;
    demand(
        is_dns_label(name),
        format!("the name {name:?}"),
        Problem::Name,
    )?;
    for (key, value) in node_labels {
        let what = |part| format!("the {part} of the label {key:?}");
        demand(is_label_key(key), what("key"), Problem::LabelKey)?;
        demand(is_label_value(value), what("value"), Problem::LabelValue)?;
    }
    for taint in node_taints {
        demand(
            is_taint(taint),
            format!("the taint {taint:?}"),
            Problem::Taint,
        )?;
    }
    let at = reboot_at.as_deref().unwrap_or("00:00");
    demand(
        is_time_of_day(at),
        format!("the time of the reboot {at:?}"),
        Problem::TimeOfDay,
    )
}

pub(super) fn role(role: &Role) -> Result<(), RenderError> {
    match role {
        Role::Host => Ok(()),
        Role::K3sServer {
            data_device,
            tls_sans,
        } => {
            if let Some(device) = data_device {
                demand(
                    is_device(device),
                    format!("the data volume {device:?}"),
                    Problem::Device,
                )?;
            }
            tls_sans.iter().try_for_each(|san| {
                let what = format!("the name for the certificate {san:?}");
                demand(is_domain_or_address(san), what, Problem::DomainOrAddress)
            })
        }
        Role::K3sAgent { server, token } => {
            let host = server.strip_prefix("https://").unwrap_or_default();
            demand(
                is_endpoint(host),
                format!("the server {server:?}"),
                Problem::Url,
            )?;
            demand(
                is_k3s_token(token.expose_secret()),
                "the token",
                Problem::Token,
            )
        }
        Role::KubeadmNode {
            endpoint,
            token,
            ca_hash,
            ignore_preflight_errors,
        } => {
            demand(
                is_endpoint(endpoint),
                format!("the endpoint {endpoint:?}"),
                Problem::Endpoint,
            )?;
            demand(
                is_bootstrap_token(token.expose_secret()),
                "the token",
                Problem::Token,
            )?;
            let digest = ca_hash.strip_prefix("sha256:").unwrap_or_default();
            demand(
                is_sha256(digest),
                format!("the CA hash {ca_hash:?}"),
                Problem::CaHash,
            )?;
            ignore_preflight_errors.iter().try_for_each(|check| {
                let what = format!("the preflight error {check:?}");
                demand(is_preflight_check(check), what, Problem::PreflightCheck)
            })
        }
    }
}

/// 1 to `longest` bytes that `inner` allows, with a letter or a digit at both ends.
fn is_word(text: &str, longest: usize, inner: impl Fn(u8) -> bool) -> bool {
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= longest
        && ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|byte| inner(*byte))
}

fn is_dns_label(text: &str) -> bool {
    is_word(text, 63, |byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
    })
}

fn is_dns_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

fn is_label_name(text: &str) -> bool {
    is_word(text, 63, |byte| {
        byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
    })
}

fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((domain, name)) => is_dns_name(domain) && is_label_name(name),
        None => is_label_name(text),
    }
}

fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_label_name(text)
}

fn is_taint(text: &str) -> bool {
    let Some((label, effect)) = text.rsplit_once(':') else {
        return false;
    };
    let (key, value) = label.split_once('=').unwrap_or((label, ""));
    is_label_key(key)
        && is_label_value(value)
        && ["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect)
}

fn is_time_of_day(text: &str) -> bool {
    let number = |text: &str, below: u8| {
        text.len() == 2
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && text.parse::<u8>().is_ok_and(|number| number < below)
    };
    text.split_once(':')
        .is_some_and(|(hour, minute)| number(hour, 24) && number(minute, 60))
}

fn is_device(text: &str) -> bool {
    text.starts_with("/dev/")
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/_.:-".contains(&byte))
}

fn is_domain_or_address(text: &str) -> bool {
    is_dns_name(text) || text.parse::<std::net::IpAddr>().is_ok()
}

fn is_endpoint(text: &str) -> bool {
    let is_host = |host: &str| {
        let v6 = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        v6.map_or_else(
            || is_dns_name(host),
            |v6| v6.parse::<std::net::Ipv6Addr>().is_ok(),
        )
    };
    text.rsplit_once(':').is_some_and(|(host, port)| {
        is_host(host)
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok()
    })
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn is_bootstrap_token(text: &str) -> bool {
    let part = |text: &str, length: usize| {
        text.len() == length
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    text.split_once('.')
        .is_some_and(|(id, secret)| part(id, 6) && part(secret, 16))
}

fn is_k3s_token(text: &str) -> bool {
    text.strip_prefix("K10")
        .and_then(|rest| rest.split_once("::"))
        .is_some_and(|(ca, token)| is_sha256(ca) && is_bootstrap_token(token))
}

fn is_preflight_check(text: &str) -> bool {
    is_word(text, 253, |byte| {
        byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)
    })
}
