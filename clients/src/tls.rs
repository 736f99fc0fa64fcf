//! The trust store: the machine's roots, and per connection the roots of a PEM file besides.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
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
    #[error("{what} holds no certificate that can be trusted")]
    NoRoot {
        /// Whose it is.
        what: &'static str,
    },
    /// FB-0331. The text may hold a key, so nothing of it is repeated.
    #[error("{what} is no certificate with its key: {why}")]
    Identity {
        /// Whose it is.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// FB-0331
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// What one server is shown and trusted by besides what all share, as PEM text.
#[derive(Clone, Copy, Default)]
pub struct TlsExtras<'a> {
    /// A file with roots to trust.
    pub ca_file: Option<&'a Path>,
    /// Roots to trust.
    pub ca: Option<&'a str>,
    /// A certificate with its chain, and its key.
    pub identity: Option<(&'a str, &'a str)>,
}

/// The key is never shown.
impl std::fmt::Debug for TlsExtras<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsExtras").field("ca_file", &self.ca_file).finish_non_exhaustive()
    }
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
        self.client_config_with(TlsExtras { ca_file, ..TlsExtras::default() }, needed, "")
    }

    /// The same with what is shown and trusted besides; `what` is whose that is, for people.
    pub(crate) fn client_config_with(
        &self,
        extras: TlsExtras<'_>,
        needed: bool,
        what: &'static str,
    ) -> Result<ClientConfig, TlsError> {
        let mut roots = self.native.get_or_init(native_roots).clone();
        if let Some(path) = extras.ca_file {
            add_file(&mut roots, path)?;
        }
        if let Some(ca) = extras.ca {
            let certificates = CertificateDer::pem_slice_iter(ca.as_bytes()).collect::<Result<Vec<_>, _>>();
            let certificates = certificates.map_err(|_| TlsError::NoRoot { what })?;
            if !matches!(roots.add_parsable_certificates(certificates), (1.., 0)) {
                return Err(TlsError::NoRoot { what });
            }
        }
        if needed && roots.is_empty() {
            return Err(TlsError::NoRoots);
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let versions = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Setup)?;
        let trusting = versions.with_root_certificates(roots);
        match extras.identity {
            None => Ok(trusting.with_no_client_auth()),
            Some((certificate, key)) => {
                let (chain, key) = read_identity(certificate, key, what)?;
                let unfit =
                    |_| TlsError::Identity { what, why: "the key does not belong to the certificate" };
                trusting.with_client_auth_cert(chain, key).map_err(unfit)
            }
        }
    }
}

/// A certificate with its chain, and its key.
fn read_identity(
    certificate: &str,
    key: &str,
    what: &'static str,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let wrong = |why| TlsError::Identity { what, why };
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|_| wrong("the certificate is no PEM text"))?;
    if chain.is_empty() {
        return Err(wrong("there is no certificate in it"));
    }
    if key.contains("ENCRYPTED PRIVATE KEY") || key.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(wrong("the key is encrypted; decrypt it, `openssl pkey -in key.pem`"));
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| wrong("there is no key in it"))?;
    Ok((chain, key))
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

    #[test]
    fn a_certificate_is_shown_with_the_key_that_belongs_to_it_and_no_error_repeats_a_key() {
        let made = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
        let (certificate, key, other) =
            (made.cert.pem(), made.signing_key.serialize_pem(), other.signing_key.serialize_pem());
        let ca = certificate.clone();
        let shown = |certificate: &str, key: &str| {
            let extras = TlsExtras { ca: Some(&ca), identity: Some((certificate, key)), ca_file: None };
            let config = Trust::default().client_config_with(extras, true, "access.client_certificate");
            config.map(|it| it.client_auth_cert_resolver.has_certs()).map_err(|it| it.to_string())
        };
        assert_eq!(shown(&certificate, &key), Ok(true));
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        for (certificate, key, part) in [
            (&*certificate, &*other, "does not belong"),
            ("", &*key, "no certificate"),
            (&*certificate, "", "no key"),
            (&*certificate, &*encrypted, "encrypted"),
        ] {
            let error = shown(certificate, key).unwrap_err();
            assert!(error.starts_with("access.client_certificate is no") && error.contains(part), "{error}");
            assert!(!error.contains(&other[40..60]) && !error.contains("BEGIN"));
        }
        let extras = TlsExtras { ca: Some("hello"), ..TlsExtras::default() };
        let error = Trust::default().client_config_with(extras, true, "access.ca_certificate").unwrap_err();
        assert_eq!(error.to_string(), "access.ca_certificate holds no certificate that can be trusted");
    }
}
