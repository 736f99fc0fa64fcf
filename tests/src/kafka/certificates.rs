//! A certificate authority of the test's own, and what it and others have signed, as PEM files.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// An authority that signs what a test needs.
#[derive(Debug)]
pub struct TestAuthority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A key and the certificate of its owner, in files.
#[derive(Debug, Clone)]
pub struct SignedFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key, in PKCS #8.
    pub key: PathBuf,
    /// The key, the certificate and that of the authority in one file, as Kafka reads it.
    pub store: PathBuf,
}

impl TestAuthority {
    /// One with this name.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).expect("it can be signed").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Its own certificate, which those who trust it are given.
    pub fn write(&self, path: &Path) -> PathBuf {
        std::fs::write(path, &self.pem).expect("a file can be written");
        path.to_owned()
    }

    /// Signs the key of `name`, for servers at `localhost` and for clients; the files stand in `folder`.
    pub fn sign(&self, folder: &Path, name: &str) -> SignedFiles {
        self.sign_until(folder, name, 2100)
    }

    /// The same with a certificate that has expired long ago.
    pub fn sign_expired(&self, folder: &Path, name: &str) -> SignedFiles {
        self.sign_until(folder, name, 2001)
    }

    fn sign_until(&self, folder: &Path, name: &str, year: i32) -> SignedFiles {
        let key = KeyPair::generate().expect("a key can be made");
        let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(hosts).expect("these are names of hosts");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).expect("it can be signed").pem();
        let key = key.serialize_pem();
        let write = |ending: &str, text: &str| {
            let path = folder.join(format!("{name}.{ending}"));
            std::fs::write(&path, text).expect("a file can be written");
            path
        };
        SignedFiles {
            store: write("store.pem", &format!("{key}{certificate}{}", self.pem)),
            certificate: write("crt", &certificate),
            key: write("key", &key),
        }
    }
}
