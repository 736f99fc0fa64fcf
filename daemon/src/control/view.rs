//! Mappings of both owners as Lambda's API shows them.

use forebay_api::mapping::{
    Destination, DestinationConfig, EpochMillis, Filter, FilterCriteria, MappingConfiguration,
    ProvisionedPollerConfig, ScalingConfig, Settings, SourceSettings, StartingPosition,
};
use forebay_clients::Clients;
use forebay_config::destination::{DestinationTarget, QueueName};
use forebay_config::function::LambdaName;
use forebay_config::{Mapping, StartingPosition as Start, aws};
use sha2::{Digest, Sha256};

use super::note::Definition;
use crate::blueprint::MappingBlueprint;
use crate::registry::{Calm, Entry, Lifecycle};

/// A mapping that the API made, as it is now.
pub(super) fn of_definition(definition: &Definition, entry: Option<&Entry>) -> MappingConfiguration {
    let mut shown = definition.configuration.clone();
    show_state(&mut shown, entry, definition.enabled);
    if definition.deleting {
        "Deleting".clone_into(&mut shown.state);
    }
    shown
}

/// A mapping of the config file, as far as AWS has words for it.
pub(super) fn of_file(
    it: &MappingBlueprint,
    entry: Option<&Entry>,
    clients: &Clients,
    read_at: EpochMillis,
) -> MappingConfiguration {
    let (region, account) = (clients.aws.region(), clients.aws.common_account());
    let mapping = &it.mapping;
    let uuid = uuid_of(mapping.name.as_str());
    let mut shown = MappingConfiguration {
        event_source_mapping_arn: arn(region, account, &uuid),
        uuid,
        function_arn: function_arn(mapping, region, account),
        source: SourceSettings {
            event_source_arn: it.source.arn(region, account),
            starting_position: mapping.starting_position.map(|it| match it {
                Start::TrimHorizon => StartingPosition::TrimHorizon,
                Start::Latest => StartingPosition::Latest,
                Start::AtTimestamp(_) => StartingPosition::AtTimestamp,
            }),
            starting_position_timestamp: match mapping.starting_position {
                Some(Start::AtTimestamp(at)) => Some(EpochMillis(at)),
                Some(Start::TrimHorizon | Start::Latest) | None => None,
            },
            ..SourceSettings::default()
        },
        settings: settings(mapping),
        last_modified: read_at,
        last_processing_result: mapping.starting_position.map(|_| "No records processed".to_owned()),
        state: String::new(),
        state_transition_reason: "USER_INITIATED".to_owned(),
        filter_criteria_error: None,
    };
    show_state(&mut shown, entry, mapping.enabled);
    shown
}

/// The id under which the API shows a mapping of the config file: it follows from the name, so that it stays
/// the same.
pub(crate) fn uuid_of(name: &str) -> String {
    let digest = Sha256::digest(format!("forebay mapping {name}"));
    let bytes = digest.first_chunk::<16>().copied().unwrap_or_default();
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// The ARN of a mapping.
pub(super) fn arn(region: &str, account: &str, uuid: &str) -> String {
    format!("arn:{}:lambda:{region}:{account}:event-source-mapping:{uuid}", aws::partition_of(region))
}

fn function_arn(mapping: &Mapping, region: &str, account: &str) -> String {
    if mapping.function.is_arn() {
        return mapping.function.to_string();
    }
    let arn = LambdaName::Bare(mapping.function.to_string()).arn(region, account);
    mapping.function_qualifier.as_ref().map_or_else(|| arn.clone(), |it| format!("{arn}:{it}"))
}

/// State, reason and last result as they are now.
fn show_state(shown: &mut MappingConfiguration, entry: Option<&Entry>, is_enabled: bool) {
    let Some(entry) = entry else { return };
    let lifecycle = entry.lifecycle();
    let (state, reason) = match &lifecycle {
        Lifecycle::Creating if !is_enabled => ("Disabled", None),
        // What is left is to hand back what it had not begun with.
        Lifecycle::Disabling if entry.calm() == Calm::Still => ("Disabled", None),
        Lifecycle::Paused => ("Disabled", Some("Paused over /v1/; resume it there, or set Enabled")),
        Lifecycle::Unfit { .. } => ("Disabled", Some("ESM_CONFIG_NOT_VALID")),
        Lifecycle::Creating
        | Lifecycle::Enabling { .. }
        | Lifecycle::Enabled
        | Lifecycle::Restarting { .. }
        | Lifecycle::Disabled
        | Lifecycle::Disabling
        | Lifecycle::Updating
        | Lifecycle::Deleting { .. } => (lifecycle.word(), None),
    };
    state.clone_into(&mut shown.state);
    if let Some(reason) = reason {
        reason.clone_into(&mut shown.state_transition_reason);
    }
    if shown.last_processing_result.is_some() {
        shown.last_processing_result = Some(entry.last_result().to_owned());
    }
    shown.last_modified = shown.last_modified.max(EpochMillis(entry.changed_at().0));
}

/// The settings of a mapping of the config file that AWS has members for.
fn settings(it: &Mapping) -> Settings {
    let is_stream = it.starting_position.is_some();
    let of_stream = |value: i32| is_stream.then_some(value);
    let limit = |value: Option<i64>| i32::try_from(value.unwrap_or(-1)).unwrap_or(i32::MAX);
    let filters: Vec<_> =
        it.filters.iter().map(|it| Filter { pattern: Some(it.text().to_owned()) }).collect();
    let destination = it.on_failure.as_ref().map(|it| destination(&it.target));
    Settings {
        batch_size: Some(it.batch.records_max.get()),
        // AWS has whole seconds; what is begun counts.
        maximum_batching_window_in_seconds: u32::try_from(it.batch.window.as_millis().div_ceil(1000)).ok(),
        bisect_batch_on_function_error: is_stream.then_some(it.retry.bisect),
        destination_config: (is_stream || destination.is_some()).then(|| DestinationConfig {
            on_failure: Some(Destination { destination: destination.flatten() }),
            on_success: None,
        }),
        filter_criteria: (!filters.is_empty()).then_some(FilterCriteria { filters: Some(filters) }),
        function_response_types: Some(if it.retry.partial_responses {
            vec!["ReportBatchItemFailures".to_owned()]
        } else {
            Vec::new()
        }),
        maximum_record_age_in_seconds: of_stream(limit(
            it.retry.record_age_max.and_then(|it| i64::try_from(it.as_secs()).ok()),
        )),
        maximum_retry_attempts: of_stream(limit(it.retry.retries_max.map(i64::from))),
        parallelization_factor: is_stream.then(|| it.lanes.get()),
        tumbling_window_in_seconds: is_stream.then(|| {
            it.window.as_ref().map_or(0, |it| u32::try_from(it.tumbling.as_secs()).unwrap_or(u32::MAX))
        }),
        scaling_config: it.concurrency_max.map(|it| ScalingConfig { maximum_concurrency: Some(it.get()) }),
        provisioned_poller_config: it.pollers.map(|it| ProvisionedPollerConfig {
            minimum_pollers: Some(it.min.get()),
            maximum_pollers: Some(it.max.get()),
            poller_group_name: None,
        }),
        ..Settings::default()
    }
}

/// A destination's ARN; `None` for one that has none, such as a file.
fn destination(target: &DestinationTarget) -> Option<String> {
    match target {
        DestinationTarget::Sqs(target) => match &target.queue {
            QueueName::Arn(arn) => Some(arn.to_string()),
            QueueName::Url(_) => None,
        },
        DestinationTarget::Sns(target) => Some(target.topic.to_string()),
        DestinationTarget::File(_) | DestinationTarget::Http(_) | DestinationTarget::Function(_) => None,
    }
}
