//! The trust store: the machine's roots, and per connection the roots of a PEM file besides.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

/// A trust store could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// FB-0331
    #[error("the certificates of {path} cannot be read")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: pem::Error,
    },
    /// FB-0331
    #[error("{path} holds no certificate that can be trusted")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// FB-0331
    #[error("this machine has no trusted root certificates (package ca-certificates), and no ca_file is set")]
    NoRoots,
    /// FB-0331
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

impl TlsError {
    /// The page that explains it.
    pub fn code(&self) -> &'static str {
        "FB-0331"
    }
}

/// The machine's roots, read once when they are first needed.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    native: OnceLock<RootCertStore>,
}

impl Trust {
    /// A client's TLS: the machine's roots and those of `ca_file`. `needed` says that a connection will use
    /// it, so it must trust someone.
    pub(crate) fn client_config(
        &self,
        ca_file: Option<&Path>,
        needed: bool,
    ) -> Result<ClientConfig, TlsError> {
        let mut roots = self.native.get_or_init(native_roots).clone();
        if let Some(path) = ca_file {
            add_file(&mut roots, path)?;
        }
        if needed && roots.is_empty() {
            return Err(TlsError::NoRoots);
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let versions = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?;
        Ok(versions.with_root_certificates(roots).with_no_client_auth())
    }
}

/// Roots that cannot be parsed are left out: one odd certificate of a machine must not stop everything.
fn native_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let broken = |cause| TlsError::CaFile { path: path.to_owned(), cause };
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(broken)?.collect::<Result<_, _>>().map_err(broken)?;
    let (n_added, n_ignored) = roots.add_parsable_certificates(certificates);
    if n_added == 0 || n_ignored > 0 {
        Err(TlsError::NoCertificate { path: path.to_owned() })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn refused(content: &[u8]) -> TlsError {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        Trust::default().client_config(Some(file.path()), true).expect_err("no certificate in it")
    }

    #[test]
    fn a_ca_file_without_a_certificate_is_refused_by_name() {
        assert!(matches!(refused(b""), TlsError::NoCertificate { .. }));
        assert!(matches!(refused(b"hello"), TlsError::NoCertificate { .. }));
        assert!(matches!(
            refused(b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"),
            TlsError::CaFile { .. }
        ));
        assert!(matches!(
            refused(b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n"),
            TlsError::NoCertificate { .. }
        ));
        let missing = Trust::default()
            .client_config(Some(Path::new("/nonexistent/ca.pem")), true)
            .expect_err("no such file");
        assert_eq!(missing.to_string(), "the certificates of /nonexistent/ca.pem cannot be read");
    }
}
