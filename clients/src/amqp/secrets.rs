//! The secrets of a block of brokers that speak AMQP, looked up.

use std::path::Path;

use forebay_config::brokers::{BrokerCertificate, BrokerRoots, BrokerTls};
use forebay_config::{AmqpSettings, SecretRef};
use rustls::ClientConfig;
use secrecy::{ExposeSecret as _, SecretString};

use super::error::AmqpAccessError;
use crate::secret_book::{NotAnObject, SecretBook};
use crate::{Clients, TlsExtras};

/// The secrets of such a block.
pub(super) struct AmqpSecrets(SecretBook);

impl AmqpSecrets {
    pub(super) async fn look_up(settings: &AmqpSettings, clients: &Clients) -> Result<Self, AmqpAccessError> {
        Ok(Self(SecretBook::look_up(&settings.secrets(), clients).await?))
    }

    pub(super) fn of(&self, reference: &SecretRef) -> SecretString {
        self.0.of(reference)
    }

    /// A text in a secret that is a JSON object.
    pub(super) fn member(
        &self,
        reference: &SecretRef,
        name: &'static str,
    ) -> Result<SecretString, AmqpAccessError> {
        named(reference, name, self.0.member(reference, name))
    }

    /// TLS with what these settings trust and show besides.
    pub(super) fn tls(&self, tls: &BrokerTls, clients: &Clients) -> Result<ClientConfig, AmqpAccessError> {
        let mut extras = TlsExtras::default();
        let ca = match &tls.roots {
            Some(BrokerRoots::File(path)) => {
                extras.ca_file = Some(path);
                None
            }
            Some(BrokerRoots::Secret(reference)) => {
                Some(named(reference, "certificate", self.0.certificate(reference))?)
            }
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
}

/// What a secret must hold by this name.
fn named(
    reference: &SecretRef,
    name: &str,
    found: Result<Option<SecretString>, NotAnObject>,
) -> Result<SecretString, AmqpAccessError> {
    let shape = |what| AmqpAccessError::SecretShape { reference: reference.to_string(), what };
    found.map_err(|it| shape(it.to_string()))?.ok_or_else(|| shape(format!("holds no `{name}`")))
}

fn in_file(path: &Path) -> Result<SecretString, AmqpAccessError> {
    std::fs::read_to_string(path)
        .map(SecretString::from)
        .map_err(|cause| AmqpAccessError::File { path: path.to_owned(), cause })
}
