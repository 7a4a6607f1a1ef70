//! What is wrong with a spec, and what is only doubtful.

use std::path::Path;

use fleet_api::names::KIND;
use fleet_api::{Credentials, Hetzner, Manifest, ManifestError, SecretError};
use fleet_collector::scheme;
use fleet_store::Pseudonymizer;
use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use super::locate::line;

/// What stands in examples and must not stay.
const PLACEHOLDER: &str = "change-me";

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// The field.
    pub(super) path: Option<String>,
    /// Where it stands, from 1.
    pub(super) line: Option<usize>,
    pub(super) message: String,
}

/// Whether the spec can be used all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Error,
    Warning,
}

/// Findings in one file's text.
#[derive(Debug)]
pub(super) struct Check<'t> {
    text: &'t str,
    pub(super) findings: Vec<Finding>,
}

impl<'t> Check<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            findings: Vec::new(),
        }
    }

    fn note(&mut self, severity: Severity, path: Option<&str>, message: impl Into<String>) {
        let message = message.into();
        let line = path.and_then(|path| line(self.text, KIND, path));
        let path = path.map(str::to_owned);
        let finding = Finding {
            severity,
            path,
            line,
            message,
        };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn error(&mut self, path: Option<&str>, message: impl Into<String>) {
        self.note(Severity::Error, path, message);
    }

    fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.note(Severity::Warning, Some(path), message);
    }

    /// Why the text is no spec. `origin` is what its errors begin with.
    pub(super) fn unreadable(&mut self, error: &ManifestError, origin: &str) {
        match error {
            ManifestError::Invalid { violations, .. } => {
                for violation in violations {
                    self.error(Some(&violation.path), &violation.message);
                }
            }
            ManifestError::UnknownField {
                kind,
                path,
                suggestion,
                ..
            } => {
                let guess = suggestion.map(|field| format!(", did you mean `{field}`?"));
                self.findings.push(Finding {
                    severity: Severity::Error,
                    path: Some(path.clone()),
                    line: line(self.text, kind, path),
                    message: format!("{kind} has no such field{}", guess.unwrap_or_default()),
                });
            }
            ManifestError::Document { problem, .. } => self.findings.push(Finding {
                severity: Severity::Error,
                path: None,
                line: told_line(problem),
                message: problem.clone(),
            }),
            other => {
                let message = other.to_string();
                let message = message
                    .strip_prefix(&format!("{origin}: "))
                    .unwrap_or(&message);
                self.error(None, message);
            }
        }
    }

    /// Looks at a spec that keeps to all rules.
    pub(super) fn spec(&mut self, manifest: &Manifest) {
        let spec = &manifest.collector.spec;
        for (index, region) in spec.regions.iter().enumerate() {
            let path = format!("spec.regions[{index}].credentialsSecretRef");
            if let Some(accounts) = self.secret(&path, manifest.accounts(Some(&region.name))) {
                let mut accounts = accounts.into_iter().map(|(_, account)| account);
                self.account(&path, accounts.next());
            }
        }
        // Accounts that are there are compared even where others are missing.
        if let Err(error @ SecretError::SameAccount { .. }) = manifest.accounts(None) {
            self.error(Some("spec.regions"), format!("{error}; {}", error.hint()));
        }
        let path = "spec.canary.credentialsSecretRef";
        if let Some(account) = self.secret(path, manifest.canary_account()) {
            self.account(path, account);
        }
        let path = "spec.privacy.keySecretRef";
        if let Some(Some(key)) = self.secret(path, manifest.privacy_key()) {
            if let Err(error) = Pseudonymizer::new(scheme(spec.privacy.username), &key) {
                self.error(Some(path), error.to_string());
            }
            self.values(path, &[("key", &key)]);
        }
        let path = "spec.database.external.urlSecretRef";
        if let Some(Some(url)) = self.secret(path, manifest.database_url()) {
            self.values(path, &[("url", &url)]);
        }
        let path = "spec.infrastructure.hetzner.tokenSecretRef";
        if let Some(Some(token)) = self.secret(path, manifest.hetzner_token()) {
            self.values(path, &[("token", &token)]);
        }
        if let Some(infrastructure) = &spec.infrastructure {
            self.hetzner(&infrastructure.hetzner);
        }
        for ignored in &manifest.ignored {
            self.warn("", format!("{ignored} in the file is of no use here"));
        }
    }

    /// A Secret that stands elsewhere is no mistake; one that is wrong is.
    fn secret<T>(&mut self, path: &str, found: Result<T, SecretError>) -> Option<T> {
        match found {
            Ok(found) => return Some(found),
            Err(SecretError::Missing { name, .. }) => {
                let message = format!(
                    "the Secret `{name}` is not in the file: put it there, or name --secrets-dir"
                );
                self.warn(path, message);
            }
            Err(error) => self.error(Some(path), format!("{error}; {}", error.hint())),
        }
        None
    }

    fn account(&mut self, path: &str, account: Option<Credentials>) {
        if let Some(Credentials { username, password }) = account {
            let values = [("username", &username.into()), ("password", &password)];
            self.values(path, &values);
        }
    }

    fn values(&mut self, path: &str, values: &[(&str, &SecretString)]) {
        let is_example = |value: &SecretString| value.expose_secret().contains(PLACEHOLDER);
        let examples = values.iter().filter(|(_, value)| is_example(value));
        let keys: Vec<_> = examples.map(|(key, _)| format!("`{key}`")).collect();
        if !keys.is_empty() {
            let keys = keys.join(" and ");
            let message = format!("{keys} in its Secret come from an example: write your own");
            self.warn(path, message);
        }
    }

    fn hetzner(&mut self, hetzner: &Hetzner) {
        if hetzner.ssh_keys.is_empty() {
            let message = "nobody can log in to the servers: write a public key, or the name of one in the project";
            self.warn("spec.infrastructure.hetzner.sshKeys", message);
        }
        let everyone = |range: &String| {
            range
                .parse()
                .is_ok_and(|range: IpNet| range.prefix_len() == 0)
        };
        if hetzner.allow_from.iter().any(everyone) {
            let message = "SSH and the Kubernetes API can be reached from everywhere: write your own addresses";
            self.warn("spec.infrastructure.hetzner.allowFrom", message);
        }
    }

    /// Secrets in a file that every user of the machine can read.
    pub(super) fn mode(&mut self, file: &Path, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        const READABLE_FOR_ALL: u32 = 0o004;
        let has_secrets = text.lines().any(|line| line.trim_end() == "kind: Secret");
        let mode = std::fs::metadata(file).map(|found| found.permissions().mode());
        if has_secrets && mode.is_ok_and(|mode| mode & READABLE_FOR_ALL != 0) {
            let message = format!(
                "every user of this machine can read the Secrets in it: chmod 600 {}",
                file.display()
            );
            self.note(Severity::Warning, None, message);
        }
    }
}

/// The line that the reader of YAML tells in its text.
fn told_line(problem: &str) -> Option<usize> {
    let (_, place) = problem.rsplit_once(" at line ")?;
    place
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}
