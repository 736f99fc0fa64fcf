//! The limits of a mapping as types that are already sane: how records are batched, retried and windowed.

use std::num::NonZeroU32;
use std::time::Duration;

/// The largest event that a function is ever sent, in bytes: Lambda's limit for a synchronous call.
pub const EVENT_BYTES_MAX: u64 = 6_291_456;

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

/// How much may be started in a second: by a mapping, or of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatePlan {
    /// What is counted.
    pub unit: RateUnit,
    /// How many of them a second, once the ramp is over.
    pub per_second: NonZeroU32,
    /// How long the rate takes to grow from a tenth of it to all of it, after the first invocation and after
    /// a throttle; zero: it is all of it at once.
    pub ramp: Duration,
}

/// What a rate limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateUnit {
    /// Records, each as often as it is tried.
    Records,
    /// Invocations, whatever they hold.
    Invocations,
}

/// What becomes of records whose attempts or whose time are used up. Asked when that is so, and not before: a
/// batch in retry does not keep what it began with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExhausted {
    /// They go to the destination, or are discarded without one.
    GiveUp,
    /// They wait for an operator, and with them what stands behind them on their lanes. Tracks only: a queue
    /// has a redrive policy of its own.
    Pause,
}

/// Who brings a failed record back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redelivery {
    /// We keep it and try again: streams, files, and queues when asked.
    ByUs,
    /// The source hands it out again after its visibility has lapsed: SQS as AWS does it.
    BySource,
}

/// Tumbling windows with a state that the function carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowPlan {
    /// Length of one window, in whole seconds.
    pub tumbling: Duration,
    /// How long after its end a window is over although nothing came, once the source says that it has
    /// nothing.
    pub quiet: Duration,
    /// With a state of more bytes a window is terminated early.
    pub state_bytes_max: u64,
    /// What is open at the end of a track goes on in the first of those that come after it. Lambda's ends.
    pub is_handed_over: bool,
}

impl WindowPlan {
    /// Lambda's two minutes.
    pub const QUIET: Duration = Duration::from_secs(120);
    /// Lambda's one megabyte.
    pub const STATE_BYTES_MAX: u64 = 1 << 20;

    /// Windows of this length, ended as Lambda's are.
    pub fn of(tumbling: Duration) -> Self {
        Self { tumbling, quiet: Self::QUIET, state_bytes_max: Self::STATE_BYTES_MAX, is_handed_over: false }
    }
}
