//! Certificates of a managed database: an authority of its own, whose key nobody keeps.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use secrecy::SecretString;

/// What the database shows, and what clients check it with. PEM.
#[derive(Debug, Clone)]
pub(crate) struct Certificates {
    /// The authority's certificate.
    pub(crate) authority: String,
    /// The database's certificate.
    pub(crate) certificate: String,
    /// Its key.
    pub(crate) key: SecretString,
}

/// Certificates for these names. They do not expire in the life of a study; the fleet's Secret can be deleted for new
/// ones.
pub(crate) fn certificates(names: Vec<String>) -> Result<Certificates, rcgen::Error> {
    let (first, last) = (date_time_ymd(2020, 1, 1), date_time_ymd(2120, 1, 1));
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority
        .distinguished_name
        .push(DnType::CommonName, "research fleet database authority");
    (authority.not_before, authority.not_after) = (first, last);
    let authority_certificate = authority.self_signed(&authority_key)?;

    let key = KeyPair::generate()?;
    let mut server = CertificateParams::new(names)?;
    server
        .distinguished_name
        .push(DnType::CommonName, "research fleet database");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (server.not_before, server.not_after) = (first, last);
    let issuer = Issuer::new(authority, authority_key);
    let certificate = server.signed_by(&key, &issuer)?;
    Ok(Certificates {
        authority: authority_certificate.pem(),
        certificate: certificate.pem(),
        key: key.serialize_pem().into(),
    })
}
