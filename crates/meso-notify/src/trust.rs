//! Whom we believe over TLS.

use std::fmt;
use std::sync::Arc;

use lettre::transport::smtp::client::{CertificateStore, TlsParameters};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::NotifyError;

/// The certificates that another end's own must be signed by. No others count, those of the system
/// neither.
#[derive(Clone)]
pub struct Trust {
    pem: Arc<[u8]>,
    certificates: Arc<Vec<Certificate<'static>>>,
}

impl Trust {
    /// Reads certificates, PEM.
    ///
    /// # Errors
    ///
    /// [`NotifyError::NoCertificate`] where there is none, or one that cannot be read.
    pub fn parse(pem: &[u8]) -> Result<Trust, NotifyError> {
        let mut certificates = Vec::new();
        for item in parse_pem(pem) {
            match item {
                Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
                Ok(_) => {}
                Err(_) => return Err(NotifyError::NoCertificate),
            }
        }
        if certificates.is_empty() {
            return Err(NotifyError::NoCertificate);
        }
        Ok(Trust {
            pem: pem.into(),
            certificates: Arc::new(certificates),
        })
    }

    pub(crate) fn for_http(&self) -> TlsConfig {
        let provider = rustls::crypto::ring::default_provider();
        TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::clone(&self.certificates)))
            .unversioned_rustls_crypto_provider(Arc::new(provider))
            .build()
    }

    pub(crate) fn for_mail(&self, host: &str) -> Result<TlsParameters, NotifyError> {
        let unusable = |source| NotifyError::MailUnusable {
            server: host.to_owned(),
            source: Box::new(source),
        };
        let certificate = lettre::transport::smtp::client::Certificate::from_pem(&self.pem);
        TlsParameters::builder(host.to_owned())
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificate.map_err(unusable)?)
            .build_rustls()
            .map_err(unusable)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust({} certificates)", self.certificates.len())
    }
}
