//! All limits that a machine obeys: the mapping's own, which `config` reads, and those of its source, function
//! and process.

use std::num::NonZeroU32;
use std::time::Duration;

pub use forebay_config::plan::{
    BatchPlan, OnExhausted, RatePlan, RateUnit, Redelivery, RetryPlan, WindowPlan,
};

/// All limits that a machine obeys. The shell makes one from a `Mapping`, its source and its function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Grows with every change; written into checkpoints.
    pub generation: u64,
    /// When a batch closes.
    pub batch: BatchPlan,
    /// What follows a failure.
    pub retry: RetryPlan,
    /// Tumbling windows. Batches do not mix tracks where there are any.
    pub window: Option<WindowPlan>,
    /// Batches of one track that may run at once.
    pub lanes: NonZeroU32,
    /// Bytes of an event around its records.
    pub envelope_bytes: u64,
    /// A batch may hold records of several tracks.
    pub mixes_tracks: bool,
    /// Invocations of this mapping that may run at once: the least of its own limit and its function's, where
    /// known.
    pub concurrency_max: Option<NonZeroU32>,
    /// How much may be started in a second; `None` for as much as there are slots for.
    pub rate: Option<RatePlan>,
    /// Whether given-up records have a destination; without one they are discarded and counted.
    pub has_destination: bool,
    /// Bytes of records that this mapping may hold in memory.
    pub held_bytes_max: u64,
    /// Finished records that may lie ahead of a track's watermark; at it the track stops reading.
    pub ahead_max: u32,
    /// However small the batches, as many records may wait on a track: a read that brings few costs much for
    /// each.
    pub waiting_min: u32,
    /// A batch is durable as it was cut before it is tried, so that a repeat is the same batch. Only for
    /// tracks, where batches do not mix them and a function rejects no record amid others.
    pub durable_cuts: bool,
    /// Queues only: how receives run.
    pub queue: Option<QueuePlan>,
}

/// How a queue is received from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuePlan {
    /// The most messages that one receive may bring (SQS: 10).
    pub receive_max: NonZeroU32,
    /// The longest that a receive may wait for messages.
    pub wait_max: Duration,
    /// How long a received message stays hidden, and by how much an extension hides it again; `None` where
    /// receipts do not lapse by time.
    pub visibility: Option<Duration>,
    /// How long after it was left a message that failed is shown again; `None` when its visibility is over.
    pub retry_after: Option<Duration>,
    /// Receives that may run when there is work, before growth.
    pub pollers_start: NonZeroU32,
    /// The most receives at once.
    pub pollers_max: NonZeroU32,
    /// The fewest receives at once when idle.
    pub pollers_min: NonZeroU32,
    /// Receives by which the number grows in a minute while messages come.
    pub pollers_growth: NonZeroU32,
    /// The most batches that may be out or waiting at once, besides the mapping's own limit.
    pub batches_max: NonZeroU32,
}
