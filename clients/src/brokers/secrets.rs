//! The secrets of a block of brokers, looked up, and what they are to librdkafka.

use std::collections::BTreeMap;

use forebay_config::brokers::{BrokerCertificate, BrokerRoots, BrokerSasl, BrokerUser};
use forebay_config::{BrokerSettings, SecretRef};
use secrecy::{ExposeSecret as _, SecretString};

use super::error::BrokerError;
use crate::Clients;
use crate::secret::look_up;

/// Rows of a configuration of librdkafka's.
type BrokerRows = Vec<(&'static str, SecretString)>;

/// Secrets by their references.
pub(super) struct BrokerSecrets(BTreeMap<SecretRef, SecretString>);

impl BrokerSecrets {
    pub(super) async fn look_up(settings: &BrokerSettings, clients: &Clients) -> Result<Self, BrokerError> {
        let mut found = BTreeMap::new();
        for reference in settings.secrets() {
            let secret = look_up(reference, |name| std::env::var(name).ok(), clients).await?;
            found.insert(reference.clone(), secret);
        }
        Ok(Self(found))
    }

    pub(super) fn of(&self, reference: &SecretRef) -> SecretString {
        self.0.get(reference).cloned().expect("all secrets of the settings were looked up")
    }

    /// What TLS needs.
    pub(super) fn of_tls(&self, settings: &BrokerSettings) -> Result<BrokerRows, BrokerError> {
        let Some(tls) = &settings.tls else { return Ok(Vec::new()) };
        let mut rows = Vec::new();
        match &tls.roots {
            Some(BrokerRoots::File(path)) => rows.push(("ssl.ca.pem", in_file(path)?)),
            Some(BrokerRoots::Secret(reference)) => {
                let secret = self.of(reference);
                let is_pem = secret.expose_secret().trim_start().starts_with("-----");
                let pem = if is_pem {
                    secret
                } else {
                    self.member(reference, "certificate", "holds no `certificate`")?
                };
                rows.push(("ssl.ca.pem", pem));
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
        let found = self.optional_member(reference, name)?;
        found.ok_or_else(|| BrokerError::SecretShape { reference: reference.to_string(), what: missing })
    }

    fn optional_member(
        &self,
        reference: &SecretRef,
        name: &str,
    ) -> Result<Option<SecretString>, BrokerError> {
        let secret = self.of(reference);
        let members: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(secret.expose_secret())
                // The error of the parser may repeat a part of it.
                .map_err(|_| BrokerError::SecretShape {
                    reference: reference.to_string(),
                    what: "is no JSON object, as AWS keeps such secrets",
                })?;
        Ok(members.get(name).and_then(|it| it.as_str()).map(SecretString::from))
    }
}

fn in_file(path: &std::path::Path) -> Result<SecretString, BrokerError> {
    std::fs::read_to_string(path)
        .map(SecretString::from)
        .map_err(|cause| BrokerError::File { path: path.to_owned(), cause })
}
