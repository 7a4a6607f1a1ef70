//! The kubeconfig of a server that sets itself up: waited for, fetched by SSH, and kept in a file of the fleet's own.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use kube::config::Kubeconfig as Content;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep};

use super::file::replace;
use super::ssh::{Ssh, SshError};

/// The port of the API server.
const API_PORT: u16 = 6443;

/// What a server says about itself, in one go. The marks are those that cloud-init leaves.
const LOOK: &str = "\
if [ -e /run/fleet/failed ]; then
  cat /run/fleet/failed; tail -n 20 /var/log/cloud-init-output.log; exit 10
elif [ -e /run/fleet/ready ]; then
  cat /etc/rancher/k3s/k3s.yaml
else
  tail -n 1 /var/log/cloud-init-output.log 2>/dev/null; exit 11
fi";
const FAILED: i32 = 10;
const NOT_YET: i32 = 11;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// Why there is no kubeconfig.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KubeconfigError {
    /// The server cannot be asked.
    #[error(transparent)]
    Ssh(#[from] SshError),
    /// The server could not set itself up.
    #[error(
        "the server at {address} could not be set up: {}",
        paragraph(reason, log)
    )]
    SetUp {
        /// Which server.
        address: IpAddr,
        /// The step, and what went wrong with it.
        reason: String,
        /// The last lines of its log.
        log: Vec<String>,
    },
    /// The server is not ready in time.
    #[error("the server at {address} is not ready after {seconds} seconds{}", last.as_ref().map(|last| format!(": {last}")).unwrap_or_default())]
    Late {
        /// Which server.
        address: IpAddr,
        /// How long it was waited for.
        seconds: u64,
        /// The last line of its log, or why it could not be reached.
        last: Option<String>,
    },
    /// There is none, or it is not one.
    #[error("the server at {address} has no usable kubeconfig: {reason}")]
    Unusable {
        /// Which server.
        address: IpAddr,
        /// What is wrong.
        reason: String,
    },
    /// The file is there and is not the fleet's.
    #[error("{} is there and is not the kubeconfig of the fleet `{fleet}`", path.display())]
    OfAnother {
        /// The file.
        path: PathBuf,
        /// The fleet.
        fleet: String,
    },
    /// The file cannot be read or written.
    #[error("cannot keep the kubeconfig in {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl KubeconfigError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Ssh(error) => return error.hint(),
            Self::SetUp { address, .. } => {
                return Some(format!(
                    "`ssh root@{address} cat /var/log/cloud-init-output.log` shows all of it; delete the server and \
                     deploy again when the reason is gone"
                ));
            }
            Self::Late { address, .. } => {
                return Some(format!(
                    "run the command again to go on waiting; `ssh root@{address} cloud-init status --long` says how \
                     far it is"
                ));
            }
            Self::Unusable { .. } => "look on the server whether k3s runs: systemctl status k3s",
            Self::OfAnother { .. } => "name another file with --kubeconfig, or move this one away",
            Self::File { .. } => {
                "choose a file in a directory that is there and that you may write to"
            }
        };
        Some(hint.to_owned())
    }
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// The server does not answer yet, and why.
    ForSsh(String),
    /// The server sets itself up; the last line of its log.
    ForSetUp(String),
}

/// How an administrator reaches the cluster.
#[derive(Debug, Clone)]
pub struct Kubeconfig {
    fleet: String,
    server: String,
    text: SecretString,
}

/// Waits until the server has set itself up and fetches its kubeconfig. `progress` is told at each attempt what is
/// waited for. A wrong key, on either side, is not waited for.
pub async fn fetch(
    ssh: &Ssh,
    fleet: &str,
    patience: Duration,
    mut progress: impl FnMut(Waiting),
) -> Result<Kubeconfig, KubeconfigError> {
    let deadline = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        let waiting = match ssh.run(LOOK).await {
            Ok(output) => match output.status.code() {
                Some(NOT_YET) => Waiting::ForSetUp(lines(&output.stdout).pop().unwrap_or_default()),
                Some(FAILED) => return Err(set_up_failed(ssh.address, &output)),
                _ => return Kubeconfig::of(ssh.address, fleet, &output),
            },
            Err(SshError::Unreachable { reason, .. }) => Waiting::ForSsh(reason),
            Err(error) => return Err(error.into()),
        };
        progress(waiting.clone());
        if Instant::now() + pause > deadline {
            let (Waiting::ForSsh(last) | Waiting::ForSetUp(last)) = waiting;
            return Err(KubeconfigError::Late {
                address: ssh.address,
                seconds: patience.as_secs(),
                last: (!last.is_empty()).then_some(last),
            });
        }
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

fn set_up_failed(address: IpAddr, output: &Output) -> KubeconfigError {
    let mut lines = lines(&output.stdout).into_iter();
    KubeconfigError::SetUp {
        address,
        reason: lines
            .next()
            .unwrap_or_else(|| "it does not say why".to_owned()),
        log: lines.collect(),
    }
}

fn paragraph(head: &str, lines: &[String]) -> String {
    let mut text = head.to_owned();
    for line in lines {
        text.push_str("\n  ");
        text.push_str(line);
    }
    text
}

/// Fit for a terminal, whatever a program on the server has printed.
fn lines(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let lines = text.lines().map(str::trim_end);
    let printable = |line: &str| line.chars().filter(|c| !c.is_control()).collect();
    lines.map(printable).collect()
}

impl Kubeconfig {
    fn of(address: IpAddr, fleet: &str, output: &Output) -> Result<Self, KubeconfigError> {
        let unusable = |reason: String| KubeconfigError::Unusable { address, reason };
        if !output.status.success() {
            let said = lines(&output.stderr).pop();
            return Err(unusable(said.unwrap_or_else(|| output.status.to_string())));
        }
        let text = SecretString::from(String::from_utf8_lossy(&output.stdout).into_owned());
        let server = format!("https://{}", SocketAddr::new(address, API_PORT));
        let text = renamed(text.expose_secret(), fleet, &server);
        Ok(Self {
            fleet: fleet.to_owned(),
            text: text.map_err(|problem| unusable(problem.to_owned()))?,
            server,
        })
    }

    /// The YAML. Whoever has it may do everything in the cluster.
    pub fn text(&self) -> &SecretString {
        &self.text
    }

    /// The address of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Keeps it in a file that only its owner may read. A file that is there is replaced only if it is this fleet's;
    /// gives the address that stood there if it was another, as when the server was made anew.
    pub fn save(&self, path: &Path) -> Result<Option<String>, KubeconfigError> {
        let failed = |source| KubeconfigError::File {
            path: path.to_owned(),
            source,
        };
        let before = match fs::read_to_string(path) {
            Ok(text) => {
                let server = server_of(&text, &self.fleet);
                Some(server.ok_or_else(|| KubeconfigError::OfAnother {
                    path: path.to_owned(),
                    fleet: self.fleet.clone(),
                })?)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        replace(path, self.text.expose_secret().as_bytes()).map_err(failed)?;
        Ok(before.filter(|server| *server != self.server))
    }
}

/// With the address by which the server is reached from here instead of its own loopback, and the fleet's name instead
/// of `default`. The parser's own words would show what stands around an error, which is a key.
fn renamed(text: &str, fleet: &str, server: &str) -> Result<SecretString, &'static str> {
    let mut content = Content::from_yaml(text).map_err(|_| "it is not the YAML of one")?;
    let Content {
        clusters,
        auth_infos,
        contexts,
        current_context,
        ..
    } = &mut content;
    let ([cluster], [user], [context]) = (
        clusters.as_mut_slice(),
        auth_infos.as_mut_slice(),
        contexts.as_mut_slice(),
    ) else {
        return Err("it is not of one cluster, one user and one context");
    };
    fleet.clone_into(&mut cluster.name);
    fleet.clone_into(&mut user.name);
    fleet.clone_into(&mut context.name);
    let address = cluster.cluster.as_mut().ok_or("its cluster is empty")?;
    address.server = Some(server.to_owned());
    let context = context.context.as_mut().ok_or("its context is empty")?;
    fleet.clone_into(&mut context.cluster);
    context.user = Some(fleet.to_owned());
    *current_context = Some(fleet.to_owned());
    let text = serde_yaml::to_string(&content).map_err(|_| "it cannot be written again")?;
    Ok(text.into())
}

/// The address in a kubeconfig that is the fleet's and nobody else's.
fn server_of(text: &str, fleet: &str) -> Option<String> {
    let content = Content::from_yaml(text).ok()?;
    let [cluster] = content.clusters.as_slice() else {
        return None;
    };
    let is_the_fleets = cluster.name == fleet && content.current_context.as_deref() == Some(fleet);
    let server = cluster.cluster.as_ref()?.server.clone()?;
    is_the_fleets.then_some(server)
}
