//! What a kind of source can do, so that a setting it cannot obey is refused and never ignored.

use std::num::NonZeroU32;

use crate::plan::Redelivery;

/// What a kind of source can do. Each source declares one as a constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceProfile {
    /// The word under `source:`, such as `file`.
    pub kind: &'static str,
    /// Tracks with positions, or a queue with receipts.
    pub shape: SourceShape,
    /// `batch_size` when none is written.
    pub batch_size_default: u32,
    /// The largest `batch_size` allowed.
    pub batch_size_max: u32,
    /// `maximum_batching_window_in_seconds` when none is written, in milliseconds.
    pub window_ms_default: u64,
    /// A batch above this many records needs a window; `None` for no such rule (SQS: 10).
    pub batch_size_without_window_max: Option<u32>,
    /// Which settings apply; all others are refused.
    pub settings: &'static [Setting],
    /// The member of a record that a filter sees decoded (`body`, `data`, `value`); `None` for as it stands.
    pub data_key: Option<&'static str>,
    /// What a filter does when data and pattern differ in kind (JSON against plain text).
    pub filter_mismatch: FilterMismatch,
    /// A pattern may be an array directly under the data key, to match plain text (SQS, Kafka, MQ).
    pub plain_data_patterns: bool,
    /// A batch may hold records of several tracks (Kafka partitions).
    pub mixes_tracks: bool,
    /// The retries of a mapping that has a destination for failures and no limit of its own; `None` for no such rule
    /// (Kafka: 10, AWS's guide to its retries).
    pub retries_to_destination: Option<u32>,
    /// Who brings a failed record back to a mapping that does not say when to give up.
    pub redelivery: Redelivery,
    /// Invocations at once of a mapping that names no limit; `None` for as many as its function has (RabbitMQ: 1,
    /// as on AWS).
    pub concurrency_default: Option<NonZeroU32>,
    /// Longest function timeout that AWS allows with this source, in seconds.
    pub function_timeout_max: u32,
}

/// How a source keeps a reader's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceShape {
    /// Ordered tracks with positions that we keep: files, shards, partitions.
    Tracks,
    /// A queue whose messages are held by receipts.
    Queue,
    /// A queue with ordered groups (SQS FIFO).
    GroupQueue,
}

/// What happens to a record whose data is not of the pattern's kind (`esm-behaviour` 7.3 of AWS's guides).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterMismatch {
    /// The record is filtered out: SQS, Kinesis, files.
    Drop,
    /// The data part of the pattern is left out and the rest decides: Kafka, MQ.
    MetadataOnly,
}

/// A setting that only some kinds of source obey. `batch_size`, `enabled`, `filter_criteria` and
/// `function_name` belong to every source and are not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// `maximum_batching_window_in_seconds`
    BatchingWindow,
    /// `starting_position`, required where it is allowed.
    StartingPosition,
    /// `starting_position: AT_TIMESTAMP`
    AtTimestamp,
    /// `parallelization_factor`
    ParallelizationFactor,
    /// `tumbling_window_in_seconds`
    TumblingWindow,
    /// `maximum_retry_attempts`
    RetryAttempts,
    /// `maximum_record_age_in_seconds`
    RecordAge,
    /// `bisect_batch_on_function_error`
    Bisect,
    /// `function_response_types`
    ResponseTypes,
    /// `destination_config`
    OnFailure,
    /// `scaling_config`
    MaximumConcurrency,
    /// `provisioned_poller_config`
    ProvisionedPollers,
}
