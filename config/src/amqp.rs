//! How brokers that speak AMQP 0-9-1 are reached: where they are, TLS, and who one is to them. One block of
//! settings, wherever it stands; what stands beside it belongs to whoever asks.

mod read;
mod specs;
#[cfg(test)]
mod tests;

use crate::brokers::{BrokerTls, BrokerUser};
use crate::secret_ref::SecretRef;

/// How many rows [`amqp_specs`](crate::amqp_specs) has.
pub const N_AMQP_SPECS: usize = 11;
/// The virtual host that every broker begins with.
pub const VIRTUAL_HOST: &str = "/";

/// How brokers are reached. Secrets are references: what stands here tells nobody anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmqpSettings {
    /// `host:port` of the nodes of one broker, tried in turn: one at least.
    pub hosts: Vec<String>,
    /// The virtual host.
    pub virtual_host: String,
    /// `None` for plain text.
    pub tls: Option<BrokerTls>,
    /// Who one is to them; `None` for whom the client's certificate names.
    pub user: Option<BrokerUser>,
}

impl AmqpSettings {
    /// All secrets that it refers to.
    pub fn secrets(&self) -> Vec<&SecretRef> {
        self.tls.iter().flat_map(BrokerTls::secrets).chain(self.user.iter().map(BrokerUser::secret)).collect()
    }
}
