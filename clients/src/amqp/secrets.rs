//! The secrets of a block of brokers that speak AMQP, looked up.

use std::collections::BTreeMap;
use std::path::Path;

use forebay_config::brokers::{BrokerCertificate, BrokerRoots, BrokerTls};
use forebay_config::{AmqpSettings, SecretRef};
use rustls::ClientConfig;
use secrecy::{ExposeSecret as _, SecretString};

use super::error::AmqpAccessError;
use crate::secret::look_up;
use crate::{Clients, TlsExtras};

/// Secrets by their references.
pub(super) struct AmqpSecrets(BTreeMap<SecretRef, SecretString>);

impl AmqpSecrets {
    pub(super) async fn look_up(settings: &AmqpSettings, clients: &Clients) -> Result<Self, AmqpAccessError> {
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

    /// A text in a secret that is a JSON object.
    pub(super) fn member(
        &self,
        reference: &SecretRef,
        name: &'static str,
    ) -> Result<SecretString, AmqpAccessError> {
        let shape = |what| AmqpAccessError::SecretShape { reference: reference.to_string(), what };
        let secret = self.of(reference);
        let members: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(secret.expose_secret())
                // The error of the parser may repeat a part of it.
                .map_err(|_| shape("is no JSON object, as AWS keeps such secrets".to_owned()))?;
        let found = members.get(name).and_then(|it| it.as_str()).map(SecretString::from);
        found.ok_or_else(|| shape(format!("holds no `{name}`")))
    }

    /// TLS with what these settings trust and show besides.
    pub(super) fn tls(&self, tls: &BrokerTls, clients: &Clients) -> Result<ClientConfig, AmqpAccessError> {
        let mut extras = TlsExtras::default();
        let ca = match &tls.roots {
            Some(BrokerRoots::File(path)) => {
                extras.ca_file = Some(path);
                None
            }
            Some(BrokerRoots::Secret(reference)) => Some(self.certificate(reference)?),
            None => None,
        };
        let shown = match &tls.client {
            Some(BrokerCertificate::Files { certificate, key, .. }) => {
                Some((in_file(certificate)?, self.of(key)))
            }
            Some(BrokerCertificate::Secret(reference)) => {
                Some((self.member(reference, "certificate")?, self.member(reference, "privateKey")?))
            }
            None => None,
        };
        extras.ca = ca.as_ref().map(|it| it.expose_secret());
        extras.identity = shown.as_ref().map(|(it, key)| (it.expose_secret(), key.expose_secret()));
        Ok(clients.http.tls_with(extras, "what the broker's `tls` says")?)
    }

    /// PEM, or JSON whose `certificate` is that.
    fn certificate(&self, reference: &SecretRef) -> Result<SecretString, AmqpAccessError> {
        let secret = self.of(reference);
        if secret.expose_secret().trim_start().starts_with("-----") {
            return Ok(secret);
        }
        self.member(reference, "certificate")
    }
}

fn in_file(path: &Path) -> Result<SecretString, AmqpAccessError> {
    std::fs::read_to_string(path)
        .map(SecretString::from)
        .map_err(|cause| AmqpAccessError::File { path: path.to_owned(), cause })
}
