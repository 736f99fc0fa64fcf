//! Topics of Kafka as destinations, and the producers that they share: one for each cluster and who one is to it.

#[cfg(feature = "kafka")]
mod producer;
#[cfg(feature = "kafka")]
mod topic;

use std::sync::Arc;

use forebay_clients::Clients;
use forebay_config::Code;
use forebay_config::brokers::BrokerSettings;
use forebay_config::destination::KafkaTarget;

#[cfg(feature = "kafka")]
use self::producer::RunningProducers;
#[cfg(feature = "kafka")]
use self::topic::KafkaDestination;
use super::UnfitDestination;
use crate::destination::Destination;

/// The producers of a process, for destinations that are topics: those who write to the same brokers as the
/// same share one. It runs until the last of them is gone.
#[derive(Default)]
pub struct BrokerProducers {
    #[cfg(feature = "kafka")]
    running: RunningProducers,
}

impl BrokerProducers {
    /// The destination of a target: at its own brokers, else at those of the mapping's source. Looks secrets up;
    /// no broker is called. Meant for start and reload, within a tokio runtime.
    ///
    /// # Errors
    /// A secret or a certificate that cannot be had; no brokers; or a build without Kafka.
    pub async fn destination(
        &self,
        target: &KafkaTarget,
        of_source: Option<&BrokerSettings>,
        clients: &Clients,
    ) -> Result<Arc<dyn Destination>, UnfitDestination> {
        let Some(brokers) = target.brokers.as_deref().or(of_source) else {
            return Err(UnfitDestination::new(
                Code::TOPIC_WITHOUT_BROKERS.0,
                "the mapping's source has no brokers",
            ));
        };
        self.at(&target.topic, brokers, clients).await
    }

    #[cfg(feature = "kafka")]
    async fn at(
        &self,
        topic: &str,
        brokers: &BrokerSettings,
        clients: &Clients,
    ) -> Result<Arc<dyn Destination>, UnfitDestination> {
        let access = forebay_clients::BrokerAccess::look_up(brokers, clients).await;
        let access = access.map_err(|error| UnfitDestination::new(error.code(), error))?;
        Ok(Arc::new(KafkaDestination::new(topic.to_owned(), access, self.running.clone())))
    }

    #[cfg(not(feature = "kafka"))]
    async fn at(
        &self,
        _topic: &str,
        _brokers: &BrokerSettings,
        _clients: &Clients,
    ) -> Result<Arc<dyn Destination>, UnfitDestination> {
        std::future::ready(Err(UnfitDestination::new(Code::NOT_BUILT_IN.0, "this build has no Kafka"))).await
    }
}

#[cfg(test)]
#[cfg(feature = "kafka")]
mod tests;
