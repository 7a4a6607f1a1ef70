//! Certificates for tests of TLS: an authority, a server's certificate for this machine, and another authority that
//! has signed nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use tempfile::TempDir;

/// PEM files. They are gone with the value.
#[derive(Debug)]
pub struct Certificates {
    dir: TempDir,
    /// For `127.0.0.1` and `localhost`, signed by [`authority`](Self::authority).
    pub server: Certificate,
}

/// The PEM files of a server.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key (PKCS #8).
    pub key: PathBuf,
}

impl Certificates {
    /// New authorities and a new certificate.
    pub fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let authority =
            new_authority("the authority of a test", &dir.path().join("authority.pem"))?;
        new_authority("another authority", &dir.path().join("other-authority.pem"))?;

        let key = KeyPair::generate()?;
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
        let server = Certificate {
            certificate: dir.path().join("server.pem"),
            key: dir.path().join("server.key"),
        };
        fs::write(&server.certificate, certificate.pem())?;
        fs::write(&server.key, key.serialize_pem())?;
        Ok(Self { dir, server })
    }

    /// The certificate of the authority: who trusts this accepts the server.
    pub fn authority(&self) -> PathBuf {
        self.dir.path().join("authority.pem")
    }

    /// The certificate of an authority that has not signed the server's.
    pub fn other_authority(&self) -> PathBuf {
        self.dir.path().join("other-authority.pem")
    }
}

fn new_authority(name: &str, file: &Path) -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    fs::write(file, authority.pem())?;
    Ok(authority)
}
