//! The certificate of a listener, which may change while the listener stands.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use forebay_clients::SecretError;
use forebay_clients::secret::check_mode;
use forebay_config::TlsFiles;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// FB-0519
    #[error("the PEM file {path} cannot be read")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: pem::Error,
    },
    /// FB-0519
    #[error("{path} holds no certificate")]
    Empty {
        /// Which file.
        path: PathBuf,
    },
    /// The code is that of the cause.
    #[error("the private key cannot be used")]
    Key(#[source] SecretError),
    /// FB-0519
    #[error("the certificate {path} and its key do not go together")]
    Pair {
        /// The file of the certificate.
        path: PathBuf,
        /// Why.
        #[source]
        cause: rustls::Error,
    },
}

impl CertificateError {
    /// The page that explains it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } | Self::Empty { .. } | Self::Pair { .. } => "FB-0519",
            Self::Key(cause) => cause.code(),
        }
    }
}

/// A certificate and its key, ready for TLS 1.2 and 1.3.
#[derive(Debug, Clone)]
pub struct Certificate(pub(super) Arc<ServerConfig>);

impl Certificate {
    /// Reads them. For start and reload.
    ///
    /// # Errors
    /// What cannot be used; others may have no right to the key.
    pub fn read(files: &TlsFiles) -> Result<Self, CertificateError> {
        let path = &files.cert_file;
        let broken = |path: &Path, cause| CertificateError::File { path: path.to_owned(), cause };
        let chain = CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|it| broken(path, it))?;
        if chain.is_empty() {
            return Err(CertificateError::Empty { path: path.clone() });
        }
        check_mode(&files.key_file).map_err(CertificateError::Key)?;
        let key = PrivateKeyDer::from_pem_file(&files.key_file).map_err(|it| broken(&files.key_file, it))?;
        let pair = |cause| CertificateError::Pair { path: path.clone(), cause };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let versions = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(pair)?;
        let mut config = versions.with_no_client_auth().with_single_cert(chain, key).map_err(pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

/// What new connections are met with: a certificate, or plain HTTP. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Tls(Arc<RwLock<Option<Certificate>>>);

impl Tls {
    /// Meets new connections with this from now on.
    pub fn set(&self, certificate: Option<Certificate>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = certificate;
    }

    pub(super) fn current(&self) -> Option<Certificate> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
