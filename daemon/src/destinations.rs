//! Builds the destinations of the config file.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_clients::Clients;
use forebay_config::FunctionName;
use forebay_config::destination::DestinationTarget;
use forebay_invoker::destinations::file::FileDestinations;
use forebay_invoker::destinations::function::FunctionDestination;
use forebay_invoker::destinations::http::HttpDestination;
use forebay_invoker::destinations::{SnsDestination, SqsDestination};
use forebay_invoker::{Destination, Executor, Gate};

use crate::app::BuildError;

/// Builds destinations; mappings that name one file share it.
pub(crate) struct Destinations {
    files: FileDestinations,
    clients: Arc<Clients>,
    executors: BTreeMap<FunctionName, Arc<dyn Executor>>,
    gate: Arc<Gate>,
}

impl Destinations {
    pub(crate) fn new(clients: Arc<Clients>, executors: BTreeMap<FunctionName, Arc<dyn Executor>>, gate: Arc<Gate>) -> Self {
        Self { files: FileDestinations::new(), clients, executors, gate }
    }

    /// The destination of one mapping.
    pub(crate) async fn build(&mut self, mapping: &str, target: &DestinationTarget) -> Result<Arc<dyn Destination>, BuildError> {
        Ok(match target {
            DestinationTarget::File(path) => self.files.destination(path),
            DestinationTarget::Http(settings) => {
                let built = HttpDestination::new(settings, &self.clients.http);
                Arc::new(built.map_err(|cause| BuildError::Endpoint { who: format!("the destination of mapping {mapping}"), cause })?)
            }
            DestinationTarget::Sqs(target) => {
                let built = SqsDestination::new(target, &self.clients).await;
                Arc::new(built.map_err(|cause| BuildError::Aws { who: format!("the destination of mapping {mapping}"), cause })?)
            }
            DestinationTarget::Sns(target) => {
                let built = SnsDestination::new(target, &self.clients).await;
                Arc::new(built.map_err(|cause| BuildError::Aws { who: format!("the destination of mapping {mapping}"), cause })?)
            }
            DestinationTarget::Function(function) => {
                let executor = Arc::clone(&self.executors[function]);
                Arc::new(FunctionDestination::new(function.clone(), executor, Arc::clone(&self.gate)))
            }
        })
    }
}
