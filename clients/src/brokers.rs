//! Kafka's brokers for whoever reads from them or writes to them: settings with their secrets looked up, as a
//! configuration of librdkafka, and the context that its clients share.
//!
//! A client is made of [`BrokerAccess::config`], with what its owner sets besides, and of
//! [`BrokerAccess::context`]. Its main queue must be polled by a thread that is no worker of tokio's: tokens are
//! fetched there.

mod context;
mod error;
mod msk;
mod secrets;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use forebay_config::BrokerSettings;
use forebay_config::brokers::BrokerSasl;
use rdkafka::ClientConfig;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest, Sha256};

pub use context::{BrokerContext, BrokerTrouble};
pub use error::{BrokerError, BrokerFailure};

use self::secrets::BrokerSecrets;
use self::token::TokenSource;
use crate::Clients;

/// Brokers and all that is needed to reach them.
#[derive(Debug, Clone)]
pub struct BrokerAccess {
    servers: String,
    settings: Vec<(&'static str, SecretString)>,
    tokens: Option<Arc<TokenSource>>,
}

impl BrokerAccess {
    /// Looks the secrets up and reads the certificates; nothing is connected yet. Must be called within a tokio
    /// runtime, which fetches tokens later.
    ///
    /// # Errors
    /// A secret, a certificate or an access to AWS that cannot be had.
    pub async fn look_up(settings: &BrokerSettings, clients: &Clients) -> Result<Self, BrokerError> {
        let secrets = BrokerSecrets::look_up(settings, clients).await?;
        let protocol = match (settings.tls.is_some(), settings.sasl.is_some()) {
            (false, false) => "plaintext",
            (true, false) => "ssl",
            (false, true) => "sasl_plaintext",
            (true, true) => "sasl_ssl",
        };
        let mut known = vec![("security.protocol", SecretString::from(protocol))];
        known.extend(secrets.of_tls(settings)?);
        known.extend(secrets.of_sasl(settings)?);
        let tokens = match &settings.sasl {
            Some(BrokerSasl::OAuth(oauth)) => Some(TokenSource::oauth(oauth, &secrets, clients)?),
            Some(BrokerSasl::Iam(own)) => Some(TokenSource::iam(own, clients).await?),
            Some(BrokerSasl::Password(..)) | None => None,
        };
        let servers = match &settings.cluster {
            Some(cluster) => msk::ask(cluster, settings, clients).await?,
            None => settings.bootstrap_servers.join(","),
        };
        Ok(Self { servers, settings: known, tokens: tokens.map(Arc::new) })
    }

    /// Where the brokers are, as events name them: `host:port,host:port`.
    pub fn servers(&self) -> &str {
        &self.servers
    }

    /// The same for whoever connects to the same brokers as the same: a digest, of the secrets too.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        let mut add = |text: &str| {
            digest.update(text.len().to_be_bytes());
            digest.update(text.as_bytes());
        };
        add(&self.servers);
        for (name, value) in &self.settings {
            add(name);
            add(value.expose_secret());
        }
        if let Some(tokens) = &self.tokens {
            add(tokens.identity());
        }
        hex::encode(digest.finalize())
    }

    /// A configuration of librdkafka that reaches the brokers, and no more than that.
    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.servers);
        config.set("client.id", "forebay");
        config.set("socket.keepalive.enable", "true");
        // A broker that comes back is found soon.
        config.set("reconnect.backoff.max.ms", "2000");
        for (name, value) in &self.settings {
            config.set(*name, value.expose_secret());
        }
        config
    }

    /// What hears of a client's errors, and gives it tokens.
    pub fn context(&self) -> BrokerContext {
        BrokerContext::new(self.servers.clone(), self.tokens.clone())
    }
}
