//! Builds the destinations of the config file.

use std::sync::Arc;

use forebay_clients::Clients;
use forebay_config::brokers::BrokerSettings;
use forebay_config::destination::DestinationTarget;
use forebay_invoker::destinations::file::FileDestinations;
use forebay_invoker::destinations::function::FunctionDestination;
use forebay_invoker::destinations::http::HttpDestination;
use forebay_invoker::destinations::{
    BrokerProducers, EventBusDestination, S3Destination, SnsDestination, SqsDestination,
};
use forebay_invoker::{Destination, Gate};

use crate::build_error::BuildError;
use crate::functions::BuiltFunctions;
use crate::mapping_uuid::uuid_of;

/// What destinations are built of.
pub(crate) struct Destinations<'a> {
    /// Mappings that name one file share it.
    pub(crate) files: &'a FileDestinations,
    /// Mappings that write to the same brokers share a producer.
    pub(crate) producers: &'a BrokerProducers,
    pub(crate) clients: &'a Clients,
    pub(crate) functions: &'a BuiltFunctions,
    pub(crate) gate: &'a Arc<Gate>,
}

impl Destinations<'_> {
    /// The destination of one mapping; `of_source` are the brokers that its source reads from.
    pub(crate) async fn build(
        &self,
        mapping: &str,
        target: &DestinationTarget,
        of_source: Option<&BrokerSettings>,
    ) -> Result<Arc<dyn Destination>, BuildError> {
        Ok(match target {
            // Not made anew: two writers of one file would tear each other's lines.
            DestinationTarget::File(path) => self.files.destination(path),
            DestinationTarget::Http(settings) => {
                let built = HttpDestination::new(settings, &self.clients.http);
                Arc::new(built.map_err(|cause| BuildError::Endpoint {
                    who: format!("the destination of mapping {mapping}"),
                    cause,
                })?)
            }
            DestinationTarget::Sqs(target) => {
                let built = SqsDestination::new(target, self.clients).await;
                Arc::new(built.map_err(|cause| BuildError::Aws {
                    who: format!("the destination of mapping {mapping}"),
                    cause,
                })?)
            }
            DestinationTarget::Sns(target) => {
                let built = SnsDestination::new(target, self.clients).await;
                Arc::new(built.map_err(|cause| BuildError::Aws {
                    who: format!("the destination of mapping {mapping}"),
                    cause,
                })?)
            }
            DestinationTarget::S3(target) => {
                let built = S3Destination::new(target, uuid_of(mapping), self.clients).await;
                Arc::new(built.map_err(|cause| BuildError::Aws {
                    who: format!("the destination of mapping {mapping}"),
                    cause,
                })?)
            }
            DestinationTarget::EventBus(target) => {
                let built = EventBusDestination::new(target, self.clients).await;
                Arc::new(built.map_err(|cause| BuildError::Aws {
                    who: format!("the destination of mapping {mapping}"),
                    cause,
                })?)
            }
            DestinationTarget::Kafka(target) => {
                let built = self.producers.destination(target, of_source, self.clients).await;
                built.map_err(|cause| BuildError::Unfit {
                    who: format!("the destination of mapping {mapping}"),
                    cause,
                })?
            }
            DestinationTarget::Function(function) => {
                let executor = Arc::clone(&self.functions[function].executor);
                Arc::new(FunctionDestination::new(function.clone(), executor, Arc::clone(self.gate)))
            }
        })
    }
}
