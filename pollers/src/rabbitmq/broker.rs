//! What the queue needs of a broker, whoever speaks to it: lapin (`client`) or a broker in memory (`fake`).

use std::sync::Arc;

use bytes::Bytes;
use forebay_clients::AmqpError;

use super::properties::Properties;
use crate::source::BoxFuture;

/// A message that was pushed.
#[derive(Debug, Clone)]
pub(super) struct PushedMessage {
    /// What its answer names; counted in its channel from 1.
    pub(super) tag: u64,
    /// Which of the source's queues it is of.
    pub(super) queue: usize,
    /// It was pushed before, to anybody.
    pub(super) redelivered: bool,
    pub(super) properties: Properties,
    pub(super) body: Bytes,
}

/// A channel that consumes, and the queues that could not be consumed.
pub(super) struct OpenedChannel {
    pub(super) channel: Arc<dyn RabbitChannel>,
    /// By their numbers, with the reason; not all of them.
    pub(super) missing: Vec<(usize, AmqpError)>,
}

/// A broker.
pub(super) trait RabbitBroker: Send + Sync {
    /// Opens a channel that consumes all queues that are there, each node of the broker asked once. So many
    /// deliveries may be owed an answer.
    fn open(&self, prefetch: u16) -> BoxFuture<'_, Result<OpenedChannel, AmqpError>>;
    /// How many messages wait in the queues and were pushed to nobody.
    fn n_ready(&self) -> BoxFuture<'_, Result<u64, AmqpError>>;
    /// The broker takes nothing more from whoever publishes, for want of memory or disk.
    fn is_blocked(&self) -> bool;
}

/// A channel that consumes. It ends when it is dropped.
pub(super) trait RabbitChannel: Send + Sync {
    /// Takes what was pushed, so many at the most, without waiting.
    ///
    /// # Errors
    /// Why the channel is closed: what it pushed is void.
    fn take(&self, n_max: usize) -> Result<Vec<PushedMessage>, AmqpError>;
    /// Ends when there may be something to take, or the channel has closed. May be dropped without losing
    /// anything.
    fn ready(&self) -> BoxFuture<'_, ()>;
    /// Ends when the channel has closed, with the reason. May be dropped without losing anything.
    fn closed(&self) -> BoxFuture<'_, AmqpError>;
    /// A delivery is done with; `multiple` takes those before it along. Ends when that was sent.
    fn ack(&self, tag: u64, multiple: bool) -> BoxFuture<'_, Result<(), AmqpError>>;
    /// A delivery is handed back, for anybody. Ends when that was sent.
    fn requeue(&self, tag: u64) -> BoxFuture<'_, Result<(), AmqpError>>;
    /// Begins to consume a queue that was missing.
    fn add(&self, queue: usize) -> BoxFuture<'_, Result<(), AmqpError>>;
    /// Lets another number of deliveries be owed from now on; what is owed stays so.
    fn resize(&self, prefetch: u16) -> BoxFuture<'_, Result<(), AmqpError>>;
}
