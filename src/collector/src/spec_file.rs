//! Reading the spec and its Secrets from files.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use fleet_api::{Manifest, ManifestError};

/// The spec cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SpecFileError {
    /// The file is not there, or not for us.
    #[error("cannot read {origin}")]
    File {
        /// The file.
        origin: String,
        /// Why.
        source: io::Error,
    },
    /// The directory of Secrets is not there, or not for us.
    #[error("cannot read the Secrets in {}", dir.display())]
    Secrets {
        /// The directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file's content is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl SpecFileError {
    /// What a person does about it.
    pub fn hint(&self) -> String {
        match self {
            Self::File { .. } => "name a file like docs/examples/soulseek.yaml".to_owned(),
            Self::Secrets { .. } => {
                "the layout is DIR/<secret>/<key>, as Kubernetes mounts Secrets".to_owned()
            }
            Self::Manifest(error) => error.hint(),
        }
    }
}

/// Reads the spec (`-` is standard input), and Secrets from a directory laid out as Kubernetes mounts them.
pub fn read_spec(file: &Path, secrets_dir: Option<&Path>) -> Result<Manifest, SpecFileError> {
    let origin = file.display().to_string();
    let text = if origin == "-" {
        read_stdin()
    } else {
        fs::read_to_string(file)
    };
    let text = text.map_err(|source| SpecFileError::File {
        origin: origin.clone(),
        source,
    })?;
    let mut manifest = Manifest::parse(&text, &origin)?;
    if let Some(dir) = secrets_dir {
        add_secrets(&mut manifest, dir)?;
    }
    Ok(manifest)
}

/// Adds the Secrets in a directory laid out as Kubernetes mounts them.
pub fn add_secrets(manifest: &mut Manifest, dir: &Path) -> Result<(), SpecFileError> {
    read_secrets(manifest, dir).map_err(|source| SpecFileError::Secrets {
        dir: dir.to_owned(),
        source,
    })
}

fn read_stdin() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// A directory for each Secret, a file for each key. Hidden entries are Kubernetes' own links.
fn read_secrets(manifest: &mut Manifest, dir: &Path) -> io::Result<()> {
    for secret in visible(dir)? {
        let mut values = BTreeMap::new();
        for key in visible(&secret)? {
            let value = fs::read_to_string(&key)?;
            // An editor ends the file with a line break; no account has one in its password.
            values.insert(name(&key), value.trim_end_matches('\n').into());
        }
        manifest.add_secret(&name(&secret), values);
    }
    Ok(())
}

fn visible(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries: Result<Vec<_>, _> = fs::read_dir(dir)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect();
    Ok(entries?
        .into_iter()
        .filter(|path| !name(path).starts_with('.'))
        .collect())
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use secrecy::ExposeSecret;

    use super::*;

    const SPEC: &str = "
apiVersion: researchfleet.io/v1alpha1
kind: ResearchCollector
metadata: {name: tiny}
spec:
  network: soulseek
  regions: [{name: here, credentialsSecretRef: {name: account}}]
";

    /// Kubernetes mounts keys as links into a hidden directory that it swaps.
    #[test]
    fn mounted_secrets_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("spec.yaml");
        fs::write(&file, SPEC).unwrap();
        let secrets = dir.path().join("secrets");
        let account = secrets.join("account");
        fs::create_dir_all(account.join("..2026_11_21")).unwrap();
        fs::write(account.join("..2026_11_21/username"), "anna").unwrap();
        fs::write(account.join("..2026_11_21/password"), "pass word\n").unwrap();
        symlink("..2026_11_21", account.join("..data")).unwrap();
        symlink("..data/username", account.join("username")).unwrap();
        symlink("..data/password", account.join("password")).unwrap();

        let manifest = read_spec(&file, Some(&secrets)).unwrap();
        let accounts = manifest.accounts(None).unwrap();
        assert_eq!(accounts[0].1.username, "anna");
        assert_eq!(accounts[0].1.password.expose_secret(), "pass word");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = read_spec(Path::new("/does/not/exist.yaml"), None).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /does/not/exist.yaml");
    }
}
