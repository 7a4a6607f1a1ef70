//! Who is who in a cluster of the tests: an authority, the API server's certificate, an administrator's, and the key
//! that signs the tokens of service accounts.

use std::{
    fs::{self, DirBuilder},
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use anyhow::Result;
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use serde_json::json;

/// The group that RBAC lets do everything.
const ADMINISTRATORS: &str = "system:masters";

#[derive(Debug)]
pub(super) struct Credentials {
    dir: PathBuf,
    administrator: (String, String),
}

impl Credentials {
    /// New ones, as PEM files in a new directory.
    pub(super) fn new(dir: &Path) -> Result<Self> {
        DirBuilder::new().mode(0o700).create(dir)?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "the authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

        let server_key = KeyPair::generate()?;
        // The last is the first server's address in a simulated cloud, which passes on what comes to it.
        let names = ["127.0.0.1", "localhost", "127.81.0.1"].map(str::to_owned);
        let mut server = CertificateParams::new(names)?;
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server = server.signed_by(&server_key, &authority)?;

        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "administrator");
        params
            .distinguished_name
            .push(DnType::OrganizationName, ADMINISTRATORS);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let administrator = params.signed_by(&key, &authority)?;

        let accounts = KeyPair::generate()?;
        for (name, pem) in [
            ("authority.pem", authority.pem()),
            ("authority.key", authority.key().serialize_pem()),
            ("server.pem", server.pem()),
            ("server.key", server_key.serialize_pem()),
            ("accounts.key", accounts.serialize_pem()),
            ("accounts.pub", accounts.public_key_pem()),
        ] {
            fs::write(dir.join(name), pem)?;
        }
        Ok(Self {
            dir: dir.to_owned(),
            administrator: (administrator.pem(), key.serialize_pem()),
        })
    }

    /// Where a PEM file is.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The administrator's kubeconfig, which names no files (JSON, which is YAML).
    pub(super) fn kubeconfig(&self, address: SocketAddr) -> Result<String> {
        let encode = |pem: &str| BASE64.encode(pem);
        let (certificate, key) = &self.administrator;
        let authority = fs::read_to_string(self.file("authority.pem"))?;
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "administrator"}}],
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://{address}"),
                "certificate-authority-data": encode(&authority),
            }}],
            "users": [{"name": "administrator", "user": {
                "client-certificate-data": encode(certificate),
                "client-key-data": encode(key),
            }}],
        });
        Ok(kubeconfig.to_string())
    }
}
