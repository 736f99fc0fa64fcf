//! From a draft to what runs, or to all that is wrong with it.

use std::num::NonZeroU32;
use std::time::Duration;

use super::judge::Judge;
use super::{Draft, SettingValue, Values};
use crate::error::{AwsStep, Finding};
use crate::mapping::{Mapping, PollerPlan, StartingPosition};
use crate::plan::{BatchPlan, EVENT_BYTES_MAX, OnExhausted, Redelivery, RetryPlan, WindowPlan};
use crate::profile::{SourceProfile, SourceShape};
use crate::settings;

/// Batches of tracks that one poller may have out, as AWS documents it of Kafka's.
const POLLER_BATCHES: NonZeroU32 = NonZeroU32::new(5).expect("five is not zero");

/// How many batches the most pollers of tracks may have out; a queue's pollers are receives, and are counted where
/// these run.
fn batches_of_pollers(
    profile: &SourceProfile,
    pollers: Option<(NonZeroU32, NonZeroU32)>,
) -> Option<NonZeroU32> {
    let (_, max) = pollers.filter(|_| profile.shape == SourceShape::Tracks)?;
    Some(max.saturating_mul(POLLER_BATCHES))
}

impl Draft {
    /// The checked mapping. `profile` says what the source can do; while it is `None`, nothing is refused on
    /// its account.
    ///
    /// # Errors
    /// All that is wrong with it, in our words and, where Lambda's API has a sentence, in AWS's.
    pub fn check(&self, profile: Option<&'static SourceProfile>) -> Result<Mapping, Vec<Finding>> {
        let mut judge = Judge::new(self, profile);
        judge.findings.clone_from(&self.findings);
        judge.all();
        judge.rules();
        let filters = judge.filters();
        let destination = judge.values.take(&settings::ON_FAILURE);
        let function = judge.values.take(&settings::FUNCTION_NAME);
        let rate = judge.values.take(&settings::RATE_LIMIT);
        // Where a part of it is missing, that has its finding by now.
        let wanted = || {
            let SettingValue::Function(function) = function? else { return None };
            let (values, (source, _)) = (&judge.values, self.source.clone()?);
            let whole = |spec| values.integer(spec).and_then(non_zero);
            let pollers = whole(&settings::MINIMUM_POLLERS).zip(whole(&settings::MAXIMUM_POLLERS));
            let tumbling = whole(&settings::TUMBLING_WINDOW);
            Some(Mapping {
                name: self.name.clone()?,
                place: self.place.clone(),
                enabled: values.is_on(&settings::ENABLED),
                source,
                function,
                function_qualifier: None,
                starting_position: start(values),
                batch: BatchPlan {
                    records_max: whole(&settings::BATCH_SIZE)?,
                    bytes_max: EVENT_BYTES_MAX,
                    window: values.duration(&settings::BATCHING_WINDOW)?,
                },
                durable_cuts: values.word(&settings::BATCH_IDENTITY) == Some("durable"),
                retry: self.retry(
                    values,
                    profile?,
                    matches!(destination, Some(SettingValue::Destination(_))),
                ),
                window: tumbling.map(|it| WindowPlan {
                    is_handed_over: values.is_on(&settings::CARRIED_WINDOWS),
                    ..WindowPlan::of(Duration::from_secs(u64::from(it.get())))
                }),
                lanes: whole(&settings::PARALLELIZATION_FACTOR)?,
                concurrency_max: whole(&settings::MAXIMUM_CONCURRENCY)
                    .or(batches_of_pollers(profile?, pollers))
                    .or(profile?.concurrency_default),
                rate: if let Some(SettingValue::Rate(rate)) = rate { Some(rate) } else { None },
                pollers: pollers.map(|(min, max)| PollerPlan { min, max }),
                filters,
                on_failure: match destination {
                    Some(SettingValue::Destination(it)) => Some(*it),
                    Some(_) | None => None,
                },
                settings: values.clone(),
            })
        };
        match wanted() {
            Some(mapping) if judge.findings.is_empty() => Ok(mapping),
            Some(_) | None => Err(judge.findings),
        }
    }

    /// How Lambda's API refuses it in one step, whatever the source is; `None` when it does not.
    pub fn refusal(&self, step: AwsStep) -> Option<String> {
        let mut judge = Judge::new(self, None);
        judge.all();
        match step {
            AwsStep::Parameters => {
                judge.ages();
                judge.scale();
            }
            // Which functions there are is known to whoever checks the draft beside them.
            AwsStep::Function => {}
            AwsStep::Position => judge.starts(),
            AwsStep::Filters => drop(judge.filters()),
        }
        let mut refusals = judge.findings.into_iter().filter_map(|it| it.aws);
        refusals.find(|it| it.step == step).map(|it| it.sentence)
    }

    fn retry(&self, values: &Values, profile: &SourceProfile, has_destination: bool) -> RetryPlan {
        let (attempts, age) = (&settings::RETRY_ATTEMPTS, &settings::RECORD_AGE);
        // Who wrote when to give up wants us to count; else the queue counts, as on AWS.
        let counts_itself = self.asked(attempts).or_else(|| self.asked(age)).is_some();
        let seconds = values.integer(age).and_then(|it| u64::try_from(it).ok());
        let retries_max = values.integer(attempts).and_then(|it| u32::try_from(it).ok());
        // Who names a destination wants what always fails to reach it some day.
        let is_endless = seconds.is_none() && values.word(&settings::ON_EXHAUSTED) != Some("pause");
        let of_destination = profile.retries_to_destination.filter(|_| has_destination && is_endless);
        RetryPlan {
            retries_max: retries_max.or(of_destination),
            record_age_max: seconds.map(Duration::from_secs),
            bisect: values.is_on(&settings::BISECT),
            partial_responses: values.has_words(&settings::RESPONSE_TYPES),
            item_actions: values.is_on(&settings::ITEM_ACTIONS),
            redelivery: if counts_itself { Redelivery::ByUs } else { profile.redelivery },
            on_exhausted: match values.word(&settings::ON_EXHAUSTED) {
                Some("pause") => OnExhausted::Pause,
                Some(_) | None => OnExhausted::GiveUp,
            },
            drop_after_destination_failures: values.integer(&settings::DROP_AFTER).and_then(non_zero),
            stop_group_at_first_failure: values.is_on(&settings::FIFO_STOP),
        }
    }
}

fn start(values: &Values) -> Option<StartingPosition> {
    match values.word(&settings::STARTING_POSITION)? {
        "LATEST" => Some(StartingPosition::Latest),
        "TRIM_HORIZON" => Some(StartingPosition::TrimHorizon),
        _ => values.time(&settings::STARTING_POSITION_TIMESTAMP).map(StartingPosition::AtTimestamp),
    }
}

fn non_zero(value: i64) -> Option<NonZeroU32> {
    u32::try_from(value).ok().and_then(NonZeroU32::new)
}
