//! What is tried together and how it ends: slices, outcomes, conditions.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::record::{Record, RecordId};

/// Records that are tried together, in order. Halves share their parent's records.
#[derive(Debug, Clone)]
pub struct Slice {
    records: Arc<[Record]>,
    range: std::ops::Range<usize>,
}

impl Slice {
    /// A slice of all of `records`.
    pub fn new(records: Vec<Record>) -> Self {
        let range = 0..records.len();
        Self { records: records.into(), range }
    }

    /// Its records.
    pub fn records(&self) -> &[Record] {
        &self.records[self.range.clone()]
    }

    /// How many records it has.
    pub fn n_records(&self) -> usize {
        self.range.len()
    }

    /// The part of it from `from` on and the part before, sharing the records.
    pub fn split_at(&self, at: usize) -> (Self, Self) {
        let middle = self.range.start + at.min(self.range.len());
        let part = |range| Self { records: Arc::clone(&self.records), range };
        (part(self.range.start..middle), part(middle..self.range.end))
    }
}

/// What the executor tells about one invocation, for notices and logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The id of the invocation.
    pub request_id: String,
    /// HTTP status of the invoke; 200 for function errors too; `None` when no answer came.
    pub status: Option<u16>,
    /// The version that ran, such as `$LATEST`.
    pub executed_version: Option<String>,
    /// `Unhandled` or `Handled` when the function failed by itself.
    pub function_error: Option<String>,
    /// The first line of what went wrong, for people.
    pub error: Option<String>,
    /// The function's answer, kept where a window state or a destination on success needs it.
    pub payload: Option<Bytes>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All records are done.
    Succeeded(Reply),
    /// The function named some records as failed. Every name is one of the slice's; see [`crate::response`].
    PartlyFailed {
        /// The names it gave.
        failed: Vec<RecordId>,
        /// What the executor told.
        reply: Reply,
    },
    /// The whole attempt failed: halved with bisect while more than one record is left, else a retry is spent.
    Failed {
        /// In which way.
        how: Failure,
        /// What the executor told.
        reply: Reply,
    },
    /// No byte of the request was accepted, or the platform said so: no retry is spent.
    NotReached {
        /// Why.
        why: NotReached,
        /// When the platform asked to come back.
        retry_after: Option<Duration>,
        /// What went wrong, for people.
        error: String,
    },
    /// Refused for size: halved without spending a retry; a single record is given up.
    TooLarge,
}

/// Ways in which a whole attempt fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// The function raised, timed out, crashed.
    FunctionError,
    /// Partial responses are on and the answer breaks their rules.
    InvalidResponse,
    /// The request was sent and no answer came.
    Unknown,
}

/// Why a function was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotReached {
    /// The function's concurrency or rate is used up.
    Throttled,
    /// The platform failed: 5xx, no connection, no process could be started.
    Platform,
    /// The function is gone, forbidden or wrongly configured.
    Config,
}

/// Why records were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// `RetryAttemptsExhausted`
    RetriesExhausted,
    /// `RecordAgeExceeded`
    AgeExceeded,
    /// `MaximumPayloadSizeExceeded`
    PayloadTooLarge,
}

impl Condition {
    /// The word that AWS writes into a failure record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RetriesExhausted => "RetryAttemptsExhausted",
            Self::AgeExceeded => "RecordAgeExceeded",
            Self::PayloadTooLarge => "MaximumPayloadSizeExceeded",
        }
    }
}
