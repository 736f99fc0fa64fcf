//! What a queue is to the rest: receives, settlements and extensions, each with its answers.

use std::num::NonZeroU32;
use std::time::Duration;

use forebay_batcher::{Generation, Receipt, Settled, Settlement};

use super::{BoxFuture, RawRecord, SourceError};

/// A queue whose messages are held by receipts. Several calls may be open at once. **A call that was sent is
/// never dropped**: a message that arrives where nobody waits any more would stay hidden from everybody.
pub trait Queue: Send + Sync {
    /// How it is received from.
    fn facts(&self) -> QueueFacts;
    /// Receives once; answers as soon as there is something, else when the wait is over. A message is hidden
    /// for the queue's visibility.
    fn receive(&self, records_max: u32, wait: Duration) -> BoxFuture<'_, Result<Vec<Message>, SourceError>>;
    /// Settles messages, with an answer for each.
    fn settle(&self, settlements: Vec<Settlement>) -> BoxFuture<'_, Vec<(Receipt, Settled)>>;
    /// Hides messages for `by` from now, with an answer for each.
    fn extend(&self, receipts: Vec<Receipt>, by: Duration) -> BoxFuture<'_, Vec<(Receipt, Hidden)>>;
    /// A generation whose receipts are void, each told once: the channel that brought them died, and its
    /// messages come again. Never for a queue whose receipts outlive a connection. May be dropped while it
    /// waits without losing anything.
    fn lost(&self) -> BoxFuture<'_, Generation> {
        Box::pin(std::future::pending())
    }
    /// How much those who read it can have out at once, told again when that changes: a queue that pushes
    /// needs to know how much to let come. Others are asked for what there is room for.
    fn handle_demand(&self, _demand: Demand) {}
}

/// How much of a queue can be out at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demand {
    /// Messages: those of all batches that may run at once.
    pub records: u64,
    /// Bytes that there is room for.
    pub bytes: u64,
}

impl std::iter::Sum for Demand {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, it| Self {
            records: sum.records.saturating_add(it.records),
            bytes: sum.bytes.saturating_add(it.bytes),
        })
    }
}

/// How a queue is received from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFacts {
    /// The most messages that one receive may bring.
    pub receive_max: NonZeroU32,
    /// The longest that a receive may wait for messages.
    pub wait_max: Duration,
    /// How long a received message is hidden; `None` where receipts do not lapse by time.
    pub visibility: Option<Duration>,
    /// How long the queue itself hides messages that nobody extends, as an operator has set it.
    pub visibility_set: Option<Duration>,
    /// How long after it was left a message that failed is shown again; `None` when its visibility is over.
    pub retry_after: Option<Duration>,
    /// Whether mappings that read the queue in one process each get every message, which is deleted when all
    /// have finished it. Otherwise they compete for messages, as mappings on AWS do.
    pub fans_out: bool,
}

/// A message and what settles it.
#[derive(Debug, Clone)]
pub struct Message {
    /// What it says; its position has no meaning.
    pub record: RawRecord,
    /// What settles it.
    pub receipt: Receipt,
    /// How often the queue still gives it out before it takes it away to its dead letters; `None` where it
    /// never does.
    pub receives_left: Option<u32>,
    /// How often the queue has given it out, this time included; `None` where it does not say.
    pub n_receives: Option<u32>,
}

/// What became of hiding one message for longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// It took effect.
    Done,
    /// It did not, or nobody knows.
    Failed,
    /// The receipt is void.
    Lost,
}
