//! The checks of create and update that need nothing but the call, in the order in which AWS makes them.
//!
//! | order | check | here |
//! | --- | --- | --- |
//! | 1 | members keep the model | [`Operation::read`](super::Operation::read) |
//! | 2, 3 | the source is recognised, the parameters go with it | [`parameters_of_create`], [`parameters_of_update`] |
//! | 4 | the function exists | the caller, with [`no_function`] |
//! | 5, 6 | the starting position, the filters | [`position_and_filters`], [`filters`] |
//! | 7, 8 | the source exists, no mapping is there twice | the caller |

use forebay_config::aws::words::{AwsLimits, AwsWords};
use forebay_config::settings::is_nothing;
use forebay_config::{AwsStep, Draft};
use serde_json::Value;

use super::parts::{EpochMillis, StartingPositionMember};
use super::request::{CreateMapping, UpdateMapping};
use super::settings::MappingSettings;
use super::source::{asked_of_create, has_position};
use crate::error::{ApiError, ErrorType};

/// The function that a call names is not there.
pub fn no_function() -> ApiError {
    ApiError::invalid("Function does not exist")
}

/// Recognises the source of a create among those that are known, and checks that every parameter goes with
/// it, and with the others.
pub fn parameters_of_create(
    create: &CreateMapping,
    known: &[&'static AwsWords],
) -> Result<&'static AwsWords, ApiError> {
    let source = create.source.words(known)?;
    refuse_unknown(&create.unknown)?;
    refuse_unfit(&asked_of_create(create), source)?;
    let is_missing = |name: &&&str| match **name {
        "queues" => create.source.queues.is_none(),
        "topics" => create.source.topics.is_none(),
        "sourceAccessConfigurations" => create.settings.get("SourceAccessConfigurations").is_none(),
        _ => false,
    };
    if let Some(name) = source.required.iter().find(is_missing) {
        return Err(ApiError::invalid(format!("Required '{name}' parameter is missing.")));
    }
    together(&create.settings, source)?;
    Ok(source)
}

/// Checks an update of a mapping that has this source and these settings.
pub fn parameters_of_update(
    update: &UpdateMapping,
    source: &AwsWords,
    standing: &MappingSettings,
) -> Result<(), ApiError> {
    refuse_unknown(&update.unknown)?;
    refuse_unfit(&update.settings.asked().collect::<Vec<_>>(), source)?;
    refuse_create_only(&update.settings, standing)?;
    // Judged as it will stand: what is asked may not go with what is left as it was.
    let mut settings = standing.clone();
    update.settings.over(&mut settings);
    together(&settings, source)
}

/// Checks where a create starts, and its filters.
pub fn position_and_filters(
    create: &CreateMapping,
    source: &AwsWords,
    now: EpochMillis,
) -> Result<(), ApiError> {
    let it = &create.source;
    match it.starting_position {
        None if source.starts.is_some_and(|it| !it.first_is_default) => return Err(no_position()),
        Some(position) if !has_position(source, position) => {
            let arn = it.event_source_arn.as_deref().unwrap_or_default();
            return Err(ApiError::invalid(format!("Unsupported starting position for arn type: {arn}")));
        }
        None | Some(_) => {}
    }
    let is_at_time = it.starting_position == Some(StartingPositionMember::AtTimestamp);
    if is_at_time && it.starting_position_timestamp.is_some_and(|at| at > now) {
        return Err(ApiError::invalid("StartingPositionTimestamp cannot be in the future."));
    }
    refused(&Draft::of_members(&it.and(&create.settings)), AwsStep::Position)?;
    filters(&create.settings)
}

/// Checks that every filter can be read.
pub fn filters(settings: &MappingSettings) -> Result<(), ApiError> {
    refused(&settings.draft(), AwsStep::Filters)
}

/// What the rules of the settings say, whatever the source is.
fn refused(draft: &Draft, step: AwsStep) -> Result<(), ApiError> {
    draft.refusal(step).map_or(Ok(()), |sentence| Err(ApiError::invalid(sentence)))
}

fn no_position() -> ApiError {
    // Recorded with a full stop at its end, unlike the violations of the model.
    let text = "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.";
    ApiError::new(ErrorType::InvalidParameterValue, text)
}

fn unsupported(name: &str) -> ApiError {
    ApiError::invalid(format!("Unsupported {name} parameter for given event source mapping type."))
}

/// AWS lets members pass that it does not know. We refuse them: a setting is obeyed or refused.
fn refuse_unknown(unknown: &[String]) -> Result<(), ApiError> {
    unknown.first().map_or(Ok(()), |name| Err(unsupported(name)))
}

fn refuse_unfit(asked: &[&str], source: &AwsWords) -> Result<(), ApiError> {
    asked.iter().find(|name| !source.has(name)).map_or(Ok(()), |name| Err(unsupported(name)))
}

/// Members inside a structure that an update may repeat but not change.
fn refuse_create_only(update: &MappingSettings, standing: &MappingSettings) -> Result<(), ApiError> {
    // The same again changes nothing, and tools send all that they know.
    let differs = |path: &str| update.get(path).is_some() && update.get(path) != standing.get(path);
    let changed = if differs("AmazonManagedKafkaEventSourceConfig.ConsumerGroupId")
        || differs("SelfManagedKafkaEventSourceConfig.ConsumerGroupId")
    {
        "ConsumerGroupId"
    } else if differs("SelfManagedKafkaEventSourceConfig.ConsumptionMode") {
        "ConsumptionMode"
    } else if update.get(ACCESSES).is_some() && hosts(update) != hosts(standing) {
        "VIRTUAL_HOST"
    } else {
        return Ok(());
    };
    Err(ApiError::invalid(format!("{changed} cannot be changed after the event source mapping was created.")))
}

/// The names of virtual hosts by which a broker is reached.
fn hosts(it: &MappingSettings) -> Vec<Option<&Value>> {
    let all = it.get(ACCESSES).and_then(Value::as_array).into_iter().flatten();
    all.filter(|it| it["Type"] == "VIRTUAL_HOST").map(|it| it.get("URI")).collect()
}

const ACCESSES: &str = "SourceAccessConfigurations";

/// Settings that exclude or need each other.
fn together(it: &MappingSettings, source: &AwsWords) -> Result<(), ApiError> {
    let number = |path: &str| it.integer(path).and_then(|it| u32::try_from(it).ok());
    // What is not said breaks no limit.
    let limits = AwsLimits {
        batch_size: number("BatchSize").unwrap_or(1),
        window_seconds: number("MaximumBatchingWindowInSeconds").unwrap_or(0),
    };
    if let Some(text) = (source.limits)(&limits) {
        return Err(ApiError::invalid(text));
    }
    refused(&it.draft(), AwsStep::Parameters)?;
    let mut metrics = it.get("MetricsConfig.Metrics").and_then(Value::as_array).into_iter().flatten();
    let mut metrics = metrics.by_ref().filter_map(Value::as_str);
    if let Some(metric) = metrics.find(|it| !source.metrics.contains(it)) {
        return Err(unsupported(&format!("MetricsConfig.Metrics {metric}")));
    }
    let of_group = "ProvisionedPollerConfig.PollerGroupName";
    // What does not go with a source is refused by structures; of this one a single member does not.
    if it.get(of_group).is_some_and(|it| !is_nothing(it)) && !source.has(of_group) {
        return Err(unsupported(of_group));
    }
    let pollers = ["ProvisionedPollerConfig.MinimumPollers", "ProvisionedPollerConfig.MaximumPollers"];
    if pollers.into_iter().filter_map(number).any(|it| it < source.pollers_min) {
        return Err(ApiError::invalid(format!(
            "MinimumPollers and MaximumPollers of a queue must be at least {}.",
            source.pollers_min
        )));
    }
    match it.get("DestinationConfig.OnSuccess.Destination").is_some_and(|it| !is_nothing(it)) {
        true => Err(unsupported("DestinationConfig.OnSuccess")),
        false => Ok(()),
    }
}
