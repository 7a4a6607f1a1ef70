//! The public keys of the person who types.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::failure::Failure;

/// What a public key begins with.
const ALGORITHMS: [&str; 3] = ["ssh-", "ecdsa-", "sk-"];
/// Names of files in the order in which they are preferred.
const USUAL: [&str; 3] = ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"];

/// A public key in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The file's name.
    pub(super) file: String,
    /// As OpenSSH writes it.
    pub(super) key: String,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let comment = self.key.splitn(3, ' ').nth(2).unwrap_or_default();
        write!(f, "{:<16} {comment}", self.file)
    }
}

/// The keys in `~/.ssh`, the usual ones first.
pub(super) fn found() -> Vec<Found> {
    std::env::home_dir().map_or_else(Vec::new, |home| found_in(&home.join(".ssh")))
}

fn found_in(dir: &Path) -> Vec<Found> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let key = |path: PathBuf| {
        let file = path.file_name()?.to_str()?.to_owned();
        let is_key = path.extension().is_some_and(|extension| extension == "pub");
        let key = is_key.then(|| fs::read_to_string(&path).ok()).flatten()?;
        let key = key.trim().to_owned();
        is_public(&key).then_some(Found { file, key })
    };
    let entries = entries.filter_map(Result::ok);
    let mut found: Vec<Found> = entries.filter_map(|entry| key(entry.path())).collect();
    let rank = |file: &str| USUAL.iter().position(|usual| *usual == file);
    found.sort_by_key(|found| (rank(&found.file).unwrap_or(USUAL.len()), found.file.clone()));
    found
}

/// What `--ssh-key` means: the content of a file, or what stands there.
pub(super) fn read(text: &str) -> Result<String, Failure> {
    let is_path = !is_public(text) && (text.contains('/') || Path::new(text).is_file());
    if !is_path {
        return Ok(text.to_owned());
    }
    let hint =
        "name a public key's file, which ends with .pub; `ssh-keygen -t ed25519` makes a key";
    let key = fs::read_to_string(text)
        .with_context(|| format!("cannot read the key in {text}"))
        .map_err(|error| Failure::wrong_command_line(error, hint))?;
    // A private key must not get any further.
    if is_public(key.trim()) {
        Ok(key.trim().to_owned())
    } else {
        let error = anyhow::anyhow!("{text} is no public key");
        Err(Failure::wrong_command_line(error, hint))
    }
}

fn is_public(text: &str) -> bool {
    let starts = |prefix: &&str| text.starts_with(*prefix);
    ALGORITHMS.iter().any(starts) && text.contains(' ') && !text.contains('\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_the_usual_one_first_and_a_private_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write("work.pub", "ssh-rsa AAAAwork anna@office\n");
        write("id_ed25519.pub", "ssh-ed25519 AAAAhome anna@home\n");
        write("id_ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----\n");
        write("notes.pub", "not a key\n");
        let found = found_in(dir.path());
        let files: Vec<_> = found.iter().map(|found| found.file.as_str()).collect();
        assert_eq!(files, ["id_ed25519.pub", "work.pub"]);
        assert_eq!(found[0].key, "ssh-ed25519 AAAAhome anna@home");
        assert_eq!(found[0].to_string(), "id_ed25519.pub   anna@home");

        let path = |name: &str| dir.path().join(name).display().to_string();
        let read_key = read(&path("work.pub"));
        assert_eq!(read_key.unwrap(), "ssh-rsa AAAAwork anna@office");
        assert!(read(&path("id_ed25519")).is_err());
        assert!(read(&path("missing.pub")).is_err());
        for text in ["ssh-ed25519 AAAA/slash anna", "anna-laptop"] {
            assert_eq!(read(text).unwrap(), text);
        }
    }
}
