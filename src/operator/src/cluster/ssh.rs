//! A command on a server, by the system's OpenSSH client: it knows the user's agent, keys and jump hosts.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::file::replace;

/// A connection that is made takes this long at most, in seconds.
const CONNECT_SECONDS: u32 = 10;
/// A command that is still running then is given up.
const PATIENCE: Duration = Duration::from_mins(1);
/// What `ssh` exits with when it is not the command that has failed.
const OWN_FAILURE: i32 = 255;

/// How a server is reached.
#[derive(Debug, Clone)]
pub struct Ssh {
    /// Where.
    pub address: IpAddr,
    /// On which port; 22 as a rule.
    pub port: u16,
    /// As whom; `root` on a server that was made by us.
    pub user: String,
    /// The file of a private key. Without one, the user's agent and the keys that `ssh` looks for by itself.
    pub identity: Option<PathBuf>,
    /// Where the keys of the fleet's servers are kept. A server that is not in there is trusted the first time and put
    /// there.
    pub known_hosts: PathBuf,
}

/// Why a command has not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SshError {
    /// There is no `ssh`.
    #[error("cannot run `ssh`")]
    NoClient(#[source] io::Error),
    /// A path that `ssh` cannot be given.
    #[error("ssh cannot use the path {}", path.display())]
    Path {
        /// Which.
        path: PathBuf,
    },
    /// The servers' keys cannot be kept.
    #[error("cannot make the directory of {}", path.display())]
    KnownHosts {
        /// The file that is to hold them.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The server's key is another than before.
    #[error("the server at {address} has another SSH key than the one that is known")]
    HostKey {
        /// Which server.
        address: IpAddr,
        /// Where the known key stands.
        known_hosts: PathBuf,
    },
    /// The server takes none of the keys.
    #[error("the server at {address} does not let `{user}` in: {reason}")]
    Denied {
        /// Which server.
        address: IpAddr,
        /// Who was refused.
        user: String,
        /// The key that was tried, if one was named.
        identity: Option<PathBuf>,
        /// What `ssh` says.
        reason: String,
    },
    /// No connection, or it broke off.
    #[error("cannot reach {address} port {port} by SSH: {reason}")]
    Unreachable {
        /// Which server.
        address: IpAddr,
        /// Which port.
        port: u16,
        /// What `ssh` says.
        reason: String,
    },
}

impl SshError {
    /// What a person does about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoClient(_) => Some(
                "install OpenSSH's client (on Debian and Ubuntu: apt install openssh-client)"
                    .to_owned(),
            ),
            Self::Path { .. } => {
                Some("use a path in UTF-8 without line breaks and `${`".to_owned())
            }
            Self::KnownHosts { .. } => {
                Some("choose a file in a directory that you may write to".to_owned())
            }
            Self::HostKey {
                address,
                known_hosts,
            } => Some(format!(
                "if the server was made anew or rebuilt, take the lines that begin with {address} or [{address}] out \
                 of {}; if not, somebody stands between you and it",
                known_hosts.display()
            )),
            Self::Denied { identity, .. } => Some(match identity {
                Some(identity) => format!(
                    "the public key of {} must stand under `sshKeys` in the spec; a key with a passphrase must be in \
                     the agent: ssh-add {0}",
                    identity.display()
                ),
                None => "the public part of one of your keys must stand under `sshKeys` in the spec; name another key \
                         with --identity, and put one with a passphrase into the agent with ssh-add"
                    .to_owned(),
            }),
            Self::Unreachable { .. } => Some(
                "look whether the server runs, and whether `allowFrom` in the spec has the address of this machine"
                    .to_owned(),
            ),
        }
    }
}

impl Ssh {
    /// Runs a script there. It is a constant: nothing that somebody else has written gets to a shell. `Ok` is what it
    /// said, also when it failed.
    pub(super) async fn run(&self, script: &'static str) -> Result<Output, SshError> {
        self.make_known_hosts()?;
        let mut command = Command::new("ssh");
        command
            .args(self.arguments()?)
            .arg("--")
            .arg(self.address.to_string())
            .arg(script)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let Ok(output) = timeout(PATIENCE, command.output()).await else {
            let reason = format!("no answer for {} seconds", PATIENCE.as_secs());
            return Err(self.unreachable(reason));
        };
        let output = output.map_err(SshError::NoClient)?;
        match output.status.code() {
            Some(OWN_FAILURE) | None => Err(self.failure(&output)),
            Some(_) => Ok(output),
        }
    }

    /// `ssh` itself would go on without remembering whom it has trusted.
    fn make_known_hosts(&self) -> Result<(), SshError> {
        let path = &self.known_hosts;
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.map_err(|source| SshError::KnownHosts {
            path: path.clone(),
            source,
        })
    }

    fn arguments(&self) -> Result<Vec<OsString>, SshError> {
        let mut arguments = Vec::new();
        let mut option = |option: String| {
            arguments.extend(["-o".into(), OsString::from(option)]);
        };
        let known_hosts = quoted(&self.known_hosts)?;
        option(format!("UserKnownHostsFile={known_hosts}"));
        option("GlobalKnownHostsFile=none".to_owned());
        option("StrictHostKeyChecking=accept-new".to_owned());
        // So that `forget_host` finds them.
        option("HashKnownHosts=no".to_owned());
        option("BatchMode=yes".to_owned());
        option(format!("ConnectTimeout={CONNECT_SECONDS}"));
        // A server that is gone in the middle is noticed in 15 seconds.
        option("ServerAliveInterval=5".to_owned());
        option("ServerAliveCountMax=3".to_owned());
        option("ForwardAgent=no".to_owned());
        option("ClearAllForwardings=yes".to_owned());
        option("RequestTTY=no".to_owned());
        // Another connection of the user's must not be what is used, and none stays behind.
        option("ControlPath=none".to_owned());
        option("LogLevel=ERROR".to_owned());
        if let Some(identity) = &self.identity {
            let identity = quoted(identity)?;
            option(format!("IdentityFile={identity}"));
            option("IdentitiesOnly=yes".to_owned());
        }
        arguments.extend(["-p".into(), self.port.to_string().into()]);
        arguments.extend(["-l".into(), self.user.clone().into()]);
        Ok(arguments)
    }

    fn failure(&self, output: &Output) -> SshError {
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = said.lines().map(str::trim).collect();
        let last = lines.iter().rev().find(|line| !line.is_empty());
        let last = last.map_or("it ended without a word", |line| *line);
        if said.contains("HOST IDENTIFICATION HAS CHANGED")
            || said.contains("Host key verification failed")
        {
            return SshError::HostKey {
                address: self.address,
                known_hosts: self.known_hosts.clone(),
            };
        }
        if last.contains("Permission denied") || last.contains("Too many authentication failures") {
            // A key that could not be read is told about in a line before.
            let about_a_key = |line: &&&str| line.contains("key") || line.contains("dentity file");
            let key = lines.iter().find(about_a_key);
            return SshError::Denied {
                address: self.address,
                user: self.user.clone(),
                identity: self.identity.clone(),
                reason: key.map_or(last, |line| *line).to_owned(),
            };
        }
        self.unreachable(last.to_owned())
    }

    fn unreachable(&self, reason: String) -> SshError {
        SshError::Unreachable {
            address: self.address,
            port: self.port,
            reason,
        }
    }
}

/// A path as a value in `ssh`'s configuration: it may have blanks, and `%` means something there.
fn quoted(path: &Path) -> Result<String, SshError> {
    let unusable = || SshError::Path {
        path: path.to_owned(),
    };
    let text = path.to_str().ok_or_else(unusable)?;
    if text.contains("${") || text.contains(char::is_control) {
        return Err(unusable());
    }
    let text = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%");
    Ok(format!("\"{text}\""))
}

/// Takes the key of a server that was made anew, or of which the address now is another's, out of the file, as
/// `ssh-keygen -R` does. Whether one was there.
pub fn forget_host(known_hosts: &Path, address: IpAddr, port: u16) -> io::Result<bool> {
    let text = match fs::read_to_string(known_hosts) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        text => text?,
    };
    let name = match port {
        22 => address.to_string(),
        _ => format!("[{address}]:{port}"),
    };
    let is_of_another = |line: &&str| {
        let names = line.split_whitespace().next().unwrap_or_default();
        !names.split(',').any(|found| found == name)
    };
    let kept: Vec<_> = text.lines().filter(is_of_another).collect();
    if kept.len() == text.lines().count() {
        return Ok(false);
    }
    let kept: String = kept.iter().flat_map(|line| [*line, "\n"]).collect();
    replace(known_hosts, kept.as_bytes())?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_one_value() {
        let quoted = |path: &str| quoted(Path::new(path));
        assert_eq!(quoted("/a b/50%").unwrap(), r#""/a b/50%%""#);
        assert_eq!(quoted(r#"/a"b\c"#).unwrap(), r#""/a\"b\\c""#);
        quoted("/${HOME}/x").unwrap_err();
        quoted("/a\nProxyCommand x").unwrap_err();
    }
}
