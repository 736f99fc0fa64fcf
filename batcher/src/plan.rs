//! All limits that a machine obeys: the mapping's own and those of its source, function and process.
//! `config`'s types end here.

use std::num::NonZeroU32;
use std::time::Duration;

use forebay_config as config;

/// All limits that a machine obeys. The shell makes one from a `Mapping`, its source and its function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Grows with every change; written into checkpoints.
    pub generation: u64,
    /// When a batch closes.
    pub batch: BatchPlan,
    /// What follows a failure.
    pub retry: RetryPlan,
    /// Tumbling windows; refused by `Mapping::check` until a source offers them.
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
    /// Queues only: how receives run.
    pub queue: Option<QueuePlan>,
}

/// When a batch closes: at the first of these limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchPlan {
    /// The most records in one batch.
    pub records_max: NonZeroU32,
    /// The most bytes of one event, envelope included.
    pub bytes_max: u64,
    /// How long a batch may wait for more records, counted from its first one; zero sends what one read
    /// brought.
    pub window: Duration,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPlan {
    /// Retries after the first attempt; `None` retries without end.
    pub retries_max: Option<u32>,
    /// A record older than this is given up before it is tried; `None` never.
    pub record_age_max: Option<Duration>,
    /// Halve a failed batch before retrying it.
    pub bisect: bool,
    /// Read `batchItemFailures` in the function's answer.
    pub partial_responses: bool,
    /// Read what `batchItemFailures` asks for single records: `retryAfterSeconds` and `action`.
    pub item_actions: bool,
    /// Who brings a failed record back.
    pub redelivery: Redelivery,
    /// What becomes of records whose attempts or whose time are used up.
    pub on_exhausted: OnExhausted,
    /// Refusals of a destination after which its records are dropped and counted; `None` never drops.
    pub drop_after_destination_failures: Option<NonZeroU32>,
    /// Queues with groups: treat later messages of a group as failed when an earlier one failed.
    pub stop_group_at_first_failure: bool,
}

/// What becomes of records whose attempts or whose time are used up. Asked when that is so, and not before: a
/// batch in retry does not keep what it began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExhausted {
    /// They are given up: told to the destination, or discarded without one.
    GiveUp,
    /// They wait for an operator, and with them what stands behind them on their lanes. Tracks only: a queue
    /// has a redrive policy of its own.
    Pause,
}

/// Who brings a failed record back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redelivery {
    /// We keep it and try again.
    ByUs,
    /// Its queue hands it out again after its visibility has lapsed.
    BySource,
}

/// Tumbling windows with a state that the function carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowPlan {
    /// Length of one window.
    pub tumbling: Duration,
}

/// How much may be started in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatePlan {
    /// What is counted.
    pub unit: RateUnit,
    /// So many in a second, once the rate has grown.
    pub per_second: NonZeroU32,
    /// How long it grows from a tenth to all of it, after a start and after the function was throttled; zero
    /// for at once.
    pub ramp: Duration,
}

/// What a rate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateUnit {
    /// Records of the batches that start.
    Records,
    /// Attempts that start.
    Invocations,
}

impl From<&config::RatePlan> for RatePlan {
    fn from(plan: &config::RatePlan) -> Self {
        let config::RatePlan { unit, per_second, ramp } = *plan;
        let unit = match unit {
            config::RateUnit::Records => RateUnit::Records,
            config::RateUnit::Invocations => RateUnit::Invocations,
        };
        Self { unit, per_second, ramp }
    }
}

impl From<&config::BatchPlan> for BatchPlan {
    fn from(plan: &config::BatchPlan) -> Self {
        let config::BatchPlan { records_max, bytes_max, window } = plan.clone();
        Self { records_max, bytes_max, window }
    }
}

impl From<&config::RetryPlan> for RetryPlan {
    fn from(plan: &config::RetryPlan) -> Self {
        // Every member by name: one that config gets and the core does not know is an error here.
        let config::RetryPlan {
            retries_max,
            record_age_max,
            bisect,
            partial_responses,
            item_actions,
            redelivery,
            on_exhausted,
            drop_after_destination_failures,
            stop_group_at_first_failure,
        } = plan.clone();
        Self {
            retries_max,
            record_age_max,
            bisect,
            partial_responses,
            item_actions,
            redelivery: redelivery.into(),
            on_exhausted: on_exhausted.into(),
            drop_after_destination_failures,
            stop_group_at_first_failure,
        }
    }
}

impl From<config::OnExhausted> for OnExhausted {
    fn from(it: config::OnExhausted) -> Self {
        match it {
            config::OnExhausted::GiveUp => Self::GiveUp,
            config::OnExhausted::Pause => Self::Pause,
        }
    }
}

impl From<config::Redelivery> for Redelivery {
    fn from(redelivery: config::Redelivery) -> Self {
        match redelivery {
            config::Redelivery::ByUs => Self::ByUs,
            config::Redelivery::BySource => Self::BySource,
        }
    }
}

impl From<&config::WindowPlan> for WindowPlan {
    fn from(plan: &config::WindowPlan) -> Self {
        let config::WindowPlan { tumbling } = *plan;
        Self { tumbling }
    }
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
