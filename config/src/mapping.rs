//! A mapping that has been checked: what the program uses. Only `Draft::check` makes one.

use std::num::NonZeroU32;

use crate::destination::DestinationSettings;
use crate::document::{Node, SourceSpan};
use crate::draft::Values;
use crate::function::FunctionName;
use crate::pattern::Pattern;
use crate::plan::{BatchPlan, RatePlan, RetryPlan, WindowPlan};

/// The name of a mapping: unique in a daemon, 1 to 140 characters of `[a-zA-Z0-9-_.]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MappingName(pub(crate) String);

impl MappingName {
    /// The name, if it keeps the rule.
    pub fn parse(text: &str) -> Option<Self> {
        let is_name = !text.is_empty()
            && text.len() <= 140
            && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it));
        is_name.then(|| Self(text.to_owned()))
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for MappingName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a mapping starts to read when no position was ever kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartingPosition {
    /// The oldest record that the source still holds.
    TrimHorizon,
    /// Only what comes after the mapping was made; resolved into a durable position before it is Enabled.
    Latest,
    /// The first record at or after this time, in epoch milliseconds.
    AtTimestamp(i64),
}

/// The kind of a mapping's source and its settings, which the source's own folder reads.
#[derive(Debug, Clone)]
pub struct SourceRef {
    /// The word under `source:`.
    pub kind: String,
    /// What stands under that word.
    pub settings: Node,
}

/// How many readers of a source are kept: `provisioned_poller_config`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollerPlan {
    /// Readers that are always kept.
    pub min: NonZeroU32,
    /// The most readers.
    pub max: NonZeroU32,
}

/// One checked mapping.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Its name.
    pub name: MappingName,
    /// Where it is written.
    pub place: SourceSpan,
    /// Whether it runs.
    pub enabled: bool,
    /// Its source.
    pub source: SourceRef,
    /// The function that gets the batches; in a checked config one of its functions.
    pub function: FunctionName,
    /// The version or alias that the mapping asked of a function that has but one: failure records name it.
    pub function_qualifier: Option<String>,
    /// Where to start; `None` for sources without positions.
    pub starting_position: Option<StartingPosition>,
    /// When a batch closes.
    pub batch: BatchPlan,
    /// A batch is durable as it was cut before it is tried: `batch_identity: durable`.
    pub durable_cuts: bool,
    /// What follows a failure.
    pub retry: RetryPlan,
    /// Tumbling windows.
    pub window: Option<WindowPlan>,
    /// How many batches of one track may run at once: `parallelization_factor`.
    pub lanes: NonZeroU32,
    /// The most invocations of this mapping at once; `None` leaves it to the function.
    pub concurrency_max: Option<NonZeroU32>,
    /// How much it may start in a second; `None` for as much as there are slots for.
    pub rate: Option<RatePlan>,
    /// How many readers are kept; `None` leaves it to the source.
    pub pollers: Option<PollerPlan>,
    /// Filter patterns, ORed; empty lets everything through.
    pub filters: Vec<Pattern>,
    /// Takes what was given up on.
    pub on_failure: Option<DestinationSettings>,
    /// Its settings by their rows, defaults filled in: what is shown of it. What runs follows from the fields
    /// above.
    pub settings: Values,
}

impl Mapping {
    /// Whether both run in the same way: all settings but where they are written.
    pub fn runs_like(&self, other: &Self) -> bool {
        let Self {
            name,
            place: _,
            enabled,
            source,
            function,
            function_qualifier,
            starting_position,
            batch,
            durable_cuts,
            retry,
            window,
            lanes,
            concurrency_max,
            rate,
            pollers,
            filters,
            on_failure,
            settings,
        } = self;
        source.says_the_same(&other.source)
            && (name, enabled, function, function_qualifier, starting_position, batch, retry, window)
                == (
                    &other.name,
                    &other.enabled,
                    &other.function,
                    &other.function_qualifier,
                    &other.starting_position,
                    &other.batch,
                    &other.retry,
                    &other.window,
                )
            && (durable_cuts, lanes, concurrency_max, rate, pollers, filters, on_failure, settings)
                == (
                    &other.durable_cuts,
                    &other.lanes,
                    &other.concurrency_max,
                    &other.rate,
                    &other.pollers,
                    &other.filters,
                    &other.on_failure,
                    &other.settings,
                )
    }
}

impl SourceRef {
    /// Whether both name the same kind and settings, wherever they are written.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.kind == other.kind && self.settings.says_the_same(&other.settings)
    }
}
