//! A certificate authority made at start, and the server certificate it signs.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

/// The names that every certificate has.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// TLS could not be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A certificate or its key could not be made, for example because a name is
    /// not valid in one.
    #[error("could not make a certificate")]
    MakeCertificate(#[from] rcgen::Error),
    /// rustls refused the certificate.
    #[error("could not serve the certificate")]
    ServeCertificate(#[from] rustls::Error),
}

/// What a TLS server needs.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// The certificate of the authority, for clients to trust.
    pub(crate) ca_pem: String,
}

/// Makes authority, certificate and server configuration; `names` are served in
/// addition to localhost and its addresses.
///
/// # Errors
///
/// See [`TlsError`].
pub(crate) fn build_tls(names: &[String]) -> Result<Tls, TlsError> {
    let authority = CertifiedIssuer::self_signed(authority_params()?, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let certificate = server_params(names)?.signed_by(&key, &authority)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        ca_pem: authority.pem(),
    })
}

fn authority_params() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "anyray-fakes authority");
    Ok(params)
}

fn server_params(names: &[String]) -> Result<CertificateParams, rcgen::Error> {
    let fixed = NAMES.into_iter().map(str::to_owned);
    let mut params =
        CertificateParams::new(fixed.chain(names.iter().cloned()).collect::<Vec<_>>())?;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
        .distinguished_name
        .push(DnType::CommonName, "anyray-fakes");
    Ok(params)
}
