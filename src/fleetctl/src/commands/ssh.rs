//! `fleetctl ssh` and `fleetctl logs`: OpenSSH, with the fleet's own list of host keys.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use fleet_api::names::CONTROL_PLANE;
use tokio::process::Command;

use crate::cli::cloud::{Access, FleetArgs, Logs, Ssh};
use crate::cloud::Cloud;
use crate::failure::Failure;
use crate::home::Home;

pub(crate) async fn run(arguments: Ssh) -> Result<ExitCode, Failure> {
    let Ssh {
        fleet,
        access,
        region,
        command,
    } = arguments;
    connect(&fleet, &access, &region, &command).await
}

/// The journal of a server: what it was told at its first boot, k3s, and what the kernel says.
pub(crate) async fn logs(arguments: Logs) -> Result<ExitCode, Failure> {
    let Logs {
        fleet,
        access,
        region,
        follow,
        lines,
    } = arguments;
    let mut command: Vec<String> = ["journalctl", "--no-pager", "--lines"]
        .map(str::to_owned)
        .into();
    command.push(lines.to_string());
    command.extend(follow.then(|| "--follow".to_owned()));
    connect(&fleet, &access, &region, &command).await
}

async fn connect(
    fleet: &FleetArgs,
    access: &Access,
    region: &str,
    command: &[String],
) -> Result<ExitCode, Failure> {
    let cloud = Cloud::open(fleet)?;
    let name = &cloud.wanted.fleet;
    let found = cloud.find().await?;
    let on_control_plane = cloud
        .manifest
        .collector
        .spec
        .regions
        .iter()
        .any(|known| known.name == region && known.location.is_none());
    let runs = if on_control_plane {
        CONTROL_PLANE
    } else {
        region
    };
    let server = found
        .servers
        .iter()
        .find(|server| server.name == format!("{name}-{runs}"));
    let Some(address) = server.and_then(fleet_hetzner::Server::ipv4) else {
        let known: Vec<&str> = found
            .servers
            .iter()
            .filter_map(|server| server.name.strip_prefix(&format!("{name}-")))
            .collect();
        return Err(Failure::wrong_command_line(
            anyhow::anyhow!("{name} has no server for `{region}`"),
            &format!("there are: {}", known.join(", ")),
        ));
    };
    let home = Home::of(name)?;
    let status = Command::new("ssh")
        .args(options(access.identity.as_deref(), &home.known_hosts()))
        .arg(format!("root@{address}"))
        .arg("--")
        .args(command)
        .status()
        .await
        .map_err(|error| {
            Failure::with_hint(
                error,
                "install OpenSSH's client; on Debian it is the package openssh-client",
            )
        })?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(u8::MAX)))
}

/// A host's key is taken when it is first seen, and has to stay the same.
fn options(identity: Option<&Path>, known_hosts: &Path) -> Vec<OsString> {
    let mut options: Vec<OsString> = vec![
        "-o".into(),
        "StrictHostKeyChecking=accept-new".into(),
        "-o".into(),
    ];
    let mut file = OsString::from("UserKnownHostsFile=");
    file.push(known_hosts);
    options.push(file);
    if let Some(identity) = identity {
        options.extend(["-i".into(), identity.into()]);
    }
    options
}
