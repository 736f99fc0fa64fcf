//! Queues of a broker as a source.

use std::sync::Arc;

use forebay_clients::AmqpError;
use forebay_config::Code;

use super::broker::RabbitBroker;
use super::event::RabbitFormat;
use super::reader::{RabbitChoice, RabbitQueue};
use crate::source::{Backlog, BoxFuture, EventFormat, Explorer, Input, Queue, Source, SourceError, Stand};

/// Queues that are read together.
pub(super) struct RabbitSource {
    broker: Arc<dyn RabbitBroker>,
    format: Arc<RabbitFormat>,
    rabbit: Arc<RabbitQueue>,
    queue: Arc<dyn Queue>,
    what: String,
}

impl RabbitSource {
    pub(super) fn new(
        broker: Arc<dyn RabbitBroker>,
        format: RabbitFormat,
        choice: RabbitChoice,
        what: String,
    ) -> Self {
        let format = Arc::new(format);
        let rabbit = RabbitQueue::new(Arc::clone(&broker), Arc::clone(&format), choice, what.clone());
        let rabbit = Arc::new(rabbit);
        Self { broker, format, queue: Arc::clone(&rabbit) as Arc<dyn Queue>, rabbit, what }
    }
}

impl Source for RabbitSource {
    fn note(&self) -> Option<String> {
        self.rabbit.note()
    }

    fn input(&self) -> Input<'_> {
        Input::Queue(&self.queue)
    }

    fn format(&self) -> &dyn EventFormat {
        &*self.format
    }

    fn explorer(&self) -> &dyn Explorer {
        self
    }
}

impl Explorer for RabbitSource {
    /// Messages that were pushed to nobody; those that a reader holds are claimed.
    fn backlog<'a>(&'a self, _stands: &'a [Stand]) -> BoxFuture<'a, Result<Backlog, SourceError>> {
        Box::pin(async {
            let n_ready = self.broker.n_ready().await.map_err(|why| told(&self.what, why))?;
            Ok(Backlog { records: Some(n_ready), bytes: None })
        })
    }
}

/// What could not be read, and why.
pub(super) fn told(what: &str, why: AmqpError) -> SourceError {
    SourceError::Down { what: what.to_owned(), code: Code(why.kind.code()), cause: Box::new(why) }
}
