//! An authority, its certificates, and clients that trust it.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// A client's own certificates, its own first, and the key.
pub(crate) struct Own(
    pub(crate) Vec<CertificateDer<'static>>,
    pub(crate) PrivateKeyDer<'static>,
);

impl Authority {
    pub(crate) fn new(name: &str) -> Result<Self, Failure> {
        Ok(Self(CertifiedIssuer::self_signed(
            authority(name),
            KeyPair::generate()?,
        )?))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `localhost`, valid between the beginnings of two years.
    pub(crate) fn sign(&self, from: i32, to: i32) -> Result<Pair, Failure> {
        let mut params = CertificateParams::new(vec![NAME.to_owned()])?;
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
        let key = KeyPair::generate()?;
        Ok(Pair {
            certificate: params.signed_by(&key, &self.0)?.pem(),
            key: key.serialize_pem(),
        })
    }

    /// A client that trusts this authority and resumes nothing.
    pub(crate) fn client(&self, own: Option<Own>) -> Result<ClientConfig, Failure> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match own {
            Some(Own(chain, key)) => builder.with_client_auth_cert(chain, key)?,
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

impl Pair {
    pub(crate) fn der(&self) -> Result<CertificateDer<'static>, Failure> {
        Ok(CertificateDer::from_pem_slice(self.certificate.as_bytes())?)
    }

    pub(crate) fn own(&self) -> Result<Own, Failure> {
        Ok(Own(
            vec![self.der()?],
            PrivateKeyDer::from_pem_slice(self.key.as_bytes())?,
        ))
    }
}

/// A chain of `length` authorities, each signed by the next, of which nobody trusts the last; all have one name, so that
/// each could be anybody's issuer.
pub(crate) fn endless_chain(length: usize) -> Result<Own, Failure> {
    let key = KeyPair::generate()?;
    let own = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())?;
    let mut issuer = CertifiedIssuer::self_signed(authority("endless"), KeyPair::generate()?)?;
    let mut chain = vec![issuer.der().clone()];
    for _ in 2..length {
        issuer = CertifiedIssuer::signed_by(authority("endless"), KeyPair::generate()?, &issuer)?;
        chain.push(issuer.der().clone());
    }
    let leaf = CertificateParams::new(vec!["client".to_owned()])?.signed_by(&key, &issuer)?;
    chain.push(leaf.der().clone());
    chain.reverse();
    Ok(Own(chain, own))
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Whom clients ask for.
pub(crate) const NAME: &str = "localhost";
