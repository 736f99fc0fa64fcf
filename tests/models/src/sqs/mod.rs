//! SQS as a model: queues by name, its calls with their limits and refusals, faults that a test plants. No
//! IO, no clock, no protocol.
//!
//! Time is in milliseconds that the caller gives. Long polls are the caller's: it receives again when
//! something may be visible.

mod faults;
mod limits;
mod refusal;
mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use faults::{Fault, Faults, Struck};
pub use limits::{IN_FLIGHT_MAX, MESSAGE_BYTES_MAX, VISIBILITY_MAX, WAIT_MAX};
pub use refusal::Refusal;
pub use service::Service;

use crate::queue::Whereabouts;

/// The calls that the model knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// `CreateQueue`
    CreateQueue,
    /// `DeleteQueue`
    DeleteQueue,
    /// `PurgeQueue`
    PurgeQueue,
    /// `ListQueues`
    ListQueues,
    /// `GetQueueUrl`
    GetQueueUrl,
    /// `GetQueueAttributes`
    GetQueueAttributes,
    /// `SetQueueAttributes`
    SetQueueAttributes,
    /// `SendMessage`
    SendMessage,
    /// `SendMessageBatch`
    SendMessageBatch,
    /// `ReceiveMessage`
    ReceiveMessage,
    /// `DeleteMessage`
    DeleteMessage,
    /// `DeleteMessageBatch`
    DeleteMessageBatch,
    /// `ChangeMessageVisibility`
    ChangeMessageVisibility,
    /// `ChangeMessageVisibilityBatch`
    ChangeMessageVisibilityBatch,
}

impl Action {
    const ALL: [Self; 14] = [
        Self::CreateQueue,
        Self::DeleteQueue,
        Self::PurgeQueue,
        Self::ListQueues,
        Self::GetQueueUrl,
        Self::GetQueueAttributes,
        Self::SetQueueAttributes,
        Self::SendMessage,
        Self::SendMessageBatch,
        Self::ReceiveMessage,
        Self::DeleteMessage,
        Self::DeleteMessageBatch,
        Self::ChangeMessageVisibility,
        Self::ChangeMessageVisibilityBatch,
    ];

    /// The action of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| format!("{it:?}") == name)
    }
}

/// What a queue was told to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Seconds that a received message is hidden.
    pub visibility_s: u64,
    /// Seconds that a message is delayed.
    pub delay_s: u64,
    /// Seconds that a receive waits that does not say.
    pub wait_s: u64,
    /// Whether a message without a deduplication id is deduplicated by its body.
    pub content_deduplication: bool,
    /// Where messages go that were received so often.
    pub redrive: Option<Redrive>,
    /// Messages that may be in flight.
    pub in_flight_max: usize,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            visibility_s: 30,
            delay_s: 0,
            wait_s: 0,
            content_deduplication: false,
            redrive: None,
            in_flight_max: IN_FLIGHT_MAX,
        }
    }
}

/// A redrive policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The name of the dead-letter queue.
    pub queue: String,
    /// Receives after which a message goes there.
    pub receives_max: u32,
}

/// A message attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// `String`, `Number` or `Binary`, and what stands after it.
    pub data_type: String,
    /// The value of a text or number.
    pub text: Option<String>,
    /// The value of bytes.
    pub binary: Option<Vec<u8>>,
}

/// A message as it is sent.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// Its body.
    pub body: String,
    /// Its attributes.
    pub attributes: BTreeMap<String, Attribute>,
    /// The trace header.
    pub trace: Option<String>,
    /// Its group.
    pub group: Option<String>,
    /// Its deduplication id.
    pub deduplication: Option<String>,
    /// Its own delay in seconds.
    pub delay_s: Option<u64>,
}

impl Sent {
    /// A message with nothing but a body.
    pub fn plain(body: &str) -> Self {
        Self { body: body.to_owned(), ..Self::default() }
    }

    /// Its size as SQS counts it: the body, and of each attribute its name, its type and its value.
    pub fn n_bytes(&self) -> usize {
        let value =
            |it: &Attribute| it.text.as_ref().map_or(0, String::len) + it.binary.as_ref().map_or(0, Vec::len);
        self.body.len()
            + self
                .attributes
                .iter()
                .map(|(name, it)| name.len() + it.data_type.len() + value(it))
                .sum::<usize>()
    }
}

/// What a queue answers a sent message with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The id of the message; that of the earlier one when it was a duplicate.
    pub id: String,
    /// Its number in a FIFO queue.
    pub sequence: Option<String>,
}

/// What became of one entry of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered<A> {
    /// The id of the entry.
    pub id: String,
    /// What it was answered with.
    pub answer: Result<A, Refusal>,
}

/// What a receive asks for.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Messages.
    pub n_max: u64,
    /// Seconds that it waits; `None`: as the queue says.
    pub wait_s: Option<u64>,
    /// Seconds that the messages are hidden; `None`: as the queue says.
    pub visibility_s: Option<u64>,
}

/// A message as it is received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its id.
    pub id: String,
    /// The receipt of this receive.
    pub handle: String,
    /// Its body.
    pub body: String,
    /// Its attributes.
    pub attributes: BTreeMap<String, Attribute>,
    /// What the queue itself says of it.
    pub system: BTreeMap<String, String>,
}

/// What became of a message: for assertions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// Its id.
    pub id: String,
    /// Its body.
    pub body: String,
    /// Its group.
    pub group: Option<String>,
    /// How often it was received.
    pub n_receives: u32,
    /// Where it is.
    pub whereabouts: Whereabouts,
}
