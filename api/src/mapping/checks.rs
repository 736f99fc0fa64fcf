//! The checks of create and update that need nothing but the call, in the order in which AWS makes them.
//!
//! | order | check | here |
//! | --- | --- | --- |
//! | 1 | members keep the model | [`Operation::read`](super::Operation::read) |
//! | 2, 3 | the source is recognised, the parameters go with it | [`parameters_of_create`], [`parameters_of_update`] |
//! | 4 | the function exists | the caller, with [`no_function`] |
//! | 5, 6 | the starting position, the filters | [`position_and_filters`], [`filters`] |
//! | 7, 8 | the source exists, no mapping is there twice | the caller |

use forebay_config::Pattern;
use forebay_config::aws::words::{AwsLimits, AwsWords};

use super::parts::{EpochMillis, FilterCriteria, StartingPosition};
use super::request::{CreateMapping, Settings, UpdateMapping};
use super::source::{asked, asked_of_create, has_position};
use crate::error::{ApiError, ErrorType};

const FILTERS_MAX: usize = 10;
const RECORD_AGE_MIN: i32 = 60;

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
        "sourceAccessConfigurations" => create.settings.source_access_configurations.is_none(),
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
    standing: &Settings,
) -> Result<(), ApiError> {
    refuse_unknown(&update.unknown)?;
    refuse_unfit(&asked(&update.settings), source)?;
    refuse_create_only(&update.settings, standing)?;
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
    match (it.starting_position == Some(StartingPosition::AtTimestamp), it.starting_position_timestamp) {
        (true, None) => {
            return Err(ApiError::invalid(
                "StartingPositionTimestamp is required when StartingPosition is AT_TIMESTAMP.",
            ));
        }
        (true, Some(at)) if at > now => {
            return Err(ApiError::invalid("StartingPositionTimestamp cannot be in the future."));
        }
        (false, Some(_)) => {
            return Err(ApiError::invalid(
                "StartingPositionTimestamp goes with StartingPosition AT_TIMESTAMP only.",
            ));
        }
        (true, Some(_)) | (false, None) => {}
    }
    filters(create.settings.filter_criteria.as_ref())
}

/// Checks that every filter can be read.
pub fn filters(criteria: Option<&FilterCriteria>) -> Result<(), ApiError> {
    let filters = criteria.and_then(|it| it.filters.as_deref()).unwrap_or_default();
    if filters.len() > FILTERS_MAX {
        return Err(ApiError::invalid(format!(
            "FilterCriteria must have no more than {FILTERS_MAX} filters."
        )));
    }
    let is_valid = |pattern: Option<&str>| pattern.is_some_and(|it| Pattern::parse(it).is_ok());
    match filters.iter().all(|it| is_valid(it.pattern.as_deref())) {
        true => Ok(()),
        false => Err(ApiError::invalid("Invalid filter pattern definition.")),
    }
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

fn refuse_unfit(asked: &[&'static str], source: &AwsWords) -> Result<(), ApiError> {
    asked.iter().find(|name| !source.has(name)).map_or(Ok(()), |name| Err(unsupported(name)))
}

/// Members inside a structure that an update may repeat but not change.
fn refuse_create_only(update: &Settings, standing: &Settings) -> Result<(), ApiError> {
    let differs = |new: Option<&String>, old: Option<&String>| new.is_some() && new != old;
    let managed = |it: &Settings| {
        it.amazon_managed_kafka_event_source_config.clone().unwrap_or_default().consumer_group_id
    };
    let own = |it: &Settings| it.self_managed_kafka_event_source_config.clone().unwrap_or_default();
    let hosts = |it: &Settings| {
        let all = it.source_access_configurations.iter().flatten();
        all.filter(|it| it.access_type.as_deref() == Some("VIRTUAL_HOST"))
            .map(|it| it.uri.clone())
            .collect::<Vec<_>>()
    };
    let changed = if differs(managed(update).as_ref(), managed(standing).as_ref())
        || differs(own(update).consumer_group_id.as_ref(), own(standing).consumer_group_id.as_ref())
    {
        "ConsumerGroupId"
    } else if differs(own(update).consumption_mode.as_ref(), own(standing).consumption_mode.as_ref()) {
        "ConsumptionMode"
    } else if update.source_access_configurations.is_some() && hosts(update) != hosts(standing) {
        "VIRTUAL_HOST"
    } else {
        return Ok(());
    };
    Err(ApiError::invalid(format!("{changed} cannot be changed after the event source mapping was created.")))
}

/// Settings that exclude or need each other.
fn together(it: &Settings, source: &AwsWords) -> Result<(), ApiError> {
    let limits = AwsLimits {
        batch_size: it.batch_size.unwrap_or(1),
        window_seconds: it.maximum_batching_window_in_seconds.unwrap_or(0),
    };
    let refuse = |text: &str| Err(ApiError::invalid(text));
    if let Some(text) = (source.limits)(&limits) {
        return refuse(text);
    }
    if let Some(age) = it.maximum_record_age_in_seconds.filter(|it| (0..RECORD_AGE_MIN).contains(it)) {
        return refuse(&format!(
            "MaximumRecordAgeInSeconds must be -1 or at least {RECORD_AGE_MIN}, not {age}"
        ));
    }
    let has_concurrency = it.scaling_config.as_ref().is_some_and(|it| it.maximum_concurrency.is_some());
    let pollers = it.provisioned_poller_config.clone().unwrap_or_default();
    if has_concurrency && pollers != <_>::default() {
        return refuse("ScalingConfig and ProvisionedPollerConfig cannot be used together.");
    }
    if matches!((pollers.minimum_pollers, pollers.maximum_pollers), (Some(min), Some(max)) if min > max) {
        return refuse("MinimumPollers cannot be greater than MaximumPollers.");
    }
    let mut metrics = it.metrics_config.iter().flat_map(|it| it.metrics.iter().flatten());
    if let Some(metric) = metrics.find(|it| !source.metrics.contains(&it.as_str())) {
        return Err(unsupported(&format!("MetricsConfig.Metrics {metric}")));
    }
    let of_group = "ProvisionedPollerConfig.PollerGroupName";
    if pollers.poller_group_name.is_some_and(|it| !it.is_empty()) && !source.has(of_group) {
        return Err(unsupported(of_group));
    }
    if [pollers.minimum_pollers, pollers.maximum_pollers]
        .into_iter()
        .flatten()
        .any(|it| it < source.pollers_min)
    {
        return refuse(&format!(
            "MinimumPollers and MaximumPollers of a queue must be at least {}.",
            source.pollers_min
        ));
    }
    let to_success = it
        .destination_config
        .as_ref()
        .and_then(|it| it.on_success.as_ref())
        .and_then(|it| it.destination.as_ref());
    match to_success.is_some_and(|it| !it.is_empty()) {
        true => Err(unsupported("DestinationConfig.OnSuccess")),
        false => Ok(()),
    }
}
