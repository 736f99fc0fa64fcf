//! The secrets of a block of brokers, looked up, and what they are to librdkafka.

use forebay_config::brokers::{BrokerCertificate, BrokerRoots, BrokerSasl, BrokerUser};
use forebay_config::{BrokerSettings, SecretRef};
use secrecy::SecretString;

use super::error::BrokerError;
use crate::Clients;
use crate::secret_book::{NotAnObject, SecretBook};

/// Rows of a configuration of librdkafka's.
type BrokerRows = Vec<(&'static str, SecretString)>;

/// The secrets of such a block.
pub(super) struct BrokerSecrets(SecretBook);

impl BrokerSecrets {
    pub(super) async fn look_up(settings: &BrokerSettings, clients: &Clients) -> Result<Self, BrokerError> {
        Ok(Self(SecretBook::look_up(&settings.secrets(), clients).await?))
    }

    pub(super) fn of(&self, reference: &SecretRef) -> SecretString {
        self.0.of(reference)
    }

    /// What TLS needs.
    pub(super) fn of_tls(&self, settings: &BrokerSettings) -> Result<BrokerRows, BrokerError> {
        let Some(tls) = &settings.tls else { return Ok(Vec::new()) };
        let mut rows = Vec::new();
        match &tls.roots {
            Some(BrokerRoots::File(path)) => rows.push(("ssl.ca.pem", in_file(path)?)),
            Some(BrokerRoots::Secret(reference)) => {
                let pem = told(reference, self.0.certificate(reference))?;
                rows.push(("ssl.ca.pem", pem.ok_or_else(|| shape(reference, "holds no `certificate`"))?));
            }
            None => {}
        }
        match &tls.client {
            Some(BrokerCertificate::Files { certificate, key, key_password }) => {
                rows.push(("ssl.certificate.pem", in_file(certificate)?));
                rows.push(("ssl.key.pem", self.of(key)));
                rows.extend(key_password.as_ref().map(|it| ("ssl.key.password", self.of(it))));
            }
            Some(BrokerCertificate::Secret(reference)) => {
                rows.push((
                    "ssl.certificate.pem",
                    self.member(reference, "certificate", "holds no `certificate`")?,
                ));
                rows.push(("ssl.key.pem", self.member(reference, "privateKey", "holds no `privateKey`")?));
                rows.extend(
                    self.optional_member(reference, "privateKeyPassword")?.map(|it| ("ssl.key.password", it)),
                );
            }
            None => {}
        }
        Ok(rows)
    }

    /// What SASL needs, but for tokens.
    pub(super) fn of_sasl(&self, settings: &BrokerSettings) -> Result<BrokerRows, BrokerError> {
        Ok(match &settings.sasl {
            Some(BrokerSasl::Password(mechanism, user)) => {
                let (username, password) = match user {
                    BrokerUser::Named { username, password } => {
                        (SecretString::from(username.as_str()), self.of(password))
                    }
                    BrokerUser::Secret(reference) => (
                        self.member(reference, "username", "holds no `username`")?,
                        self.member(reference, "password", "holds no `password`")?,
                    ),
                };
                vec![
                    ("sasl.mechanism", SecretString::from(mechanism.name())),
                    ("sasl.username", username),
                    ("sasl.password", password),
                ]
            }
            Some(BrokerSasl::OAuth(_) | BrokerSasl::Iam(_)) => {
                vec![("sasl.mechanism", SecretString::from("OAUTHBEARER"))]
            }
            None => Vec::new(),
        })
    }

    /// A text in a secret that is a JSON object.
    fn member(
        &self,
        reference: &SecretRef,
        name: &str,
        missing: &'static str,
    ) -> Result<SecretString, BrokerError> {
        self.optional_member(reference, name)?.ok_or_else(|| shape(reference, missing))
    }

    fn optional_member(
        &self,
        reference: &SecretRef,
        name: &str,
    ) -> Result<Option<SecretString>, BrokerError> {
        told(reference, self.0.member(reference, name))
    }
}

fn told<T>(reference: &SecretRef, found: Result<T, NotAnObject>) -> Result<T, BrokerError> {
    found.map_err(|it| shape(reference, it.to_string()))
}

fn shape(reference: &SecretRef, what: impl Into<String>) -> BrokerError {
    BrokerError::SecretShape { reference: reference.to_string(), what: what.into() }
}

fn in_file(path: &std::path::Path) -> Result<SecretString, BrokerError> {
    std::fs::read_to_string(path)
        .map(SecretString::from)
        .map_err(|cause| BrokerError::File { path: path.to_owned(), cause })
}
