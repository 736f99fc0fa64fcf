//! Which source a mapping names, and which parameters go with it: by the words that each kind of source
//! brings along.

use forebay_config::Arn;
use forebay_config::aws::words::{AwsNamed, AwsWords};

use super::parts::StartingPosition;
use super::request::{CreateMapping, Settings, SourceSettings};
use crate::error::ApiError;

impl SourceSettings {
    /// The words of the source that it names, among those that are known.
    ///
    /// # Errors
    /// It names none that is known, or two.
    pub fn words(&self, known: &[&'static AwsWords]) -> Result<&'static AwsWords, ApiError> {
        let found = match (&self.event_source_arn, &self.self_managed_event_source) {
            (None, Some(cluster)) if cluster.endpoints.is_some() => {
                known.iter().find(|it| matches!(it.named, AwsNamed::Servers))
            }
            (Some(arn), None) => Arn::parse(arn).and_then(|arn| known.iter().find(|it| it.claims(&arn))),
            (None, Some(_) | None) | (Some(_), Some(_)) => None,
        };
        found.copied().ok_or_else(|| ApiError::invalid("Unrecognized event source."))
    }
}

/// The parameters of a create that ask for something. Empty ones ask for nothing.
pub(super) fn asked_of_create(create: &CreateMapping) -> Vec<&'static str> {
    let it = &create.source;
    let mut asked = asked(&create.settings);
    let own = [
        ("Queues", it.queues.is_some()),
        ("StartingPosition", it.starting_position.is_some()),
        ("StartingPositionTimestamp", it.starting_position_timestamp.is_some()),
        ("Topics", it.topics.is_some()),
    ];
    asked.extend(named(&own));
    asked
}

/// The settings that ask for something and that do not go with every source. Empty ones ask for nothing.
pub(super) fn asked(it: &Settings) -> Vec<&'static str> {
    let destinations =
        it.destination_config.as_ref().is_some_and(|it| it.on_failure.is_some() || it.on_success.is_some());
    let accesses = it.source_access_configurations.as_ref().is_some_and(|it| !it.is_empty());
    let filters =
        it.filter_criteria.as_ref().is_some_and(|it| it.filters.as_ref().is_some_and(|it| !it.is_empty()));
    let metrics =
        it.metrics_config.as_ref().is_some_and(|it| it.metrics.as_ref().is_some_and(|it| !it.is_empty()));
    let all = [
        ("AmazonManagedKafkaEventSourceConfig", it.amazon_managed_kafka_event_source_config.is_some()),
        ("BisectBatchOnFunctionError", it.bisect_batch_on_function_error.is_some()),
        ("DestinationConfig", destinations),
        ("DocumentDBEventSourceConfig", it.document_db_event_source_config.is_some()),
        ("FilterCriteria", filters),
        ("FunctionResponseTypes", it.function_response_types.as_ref().is_some_and(|it| !it.is_empty())),
        ("KMSKeyArn", it.kms_key_arn.as_ref().is_some_and(|it| !it.is_empty())),
        ("LoggingConfig", it.logging_config.as_ref().is_some_and(|it| it.system_log_level.is_some())),
        ("MaximumRecordAgeInSeconds", it.maximum_record_age_in_seconds.is_some()),
        ("MaximumRetryAttempts", it.maximum_retry_attempts.is_some()),
        ("MetricsConfig", metrics),
        ("ParallelizationFactor", it.parallelization_factor.is_some()),
        (
            "ProvisionedPollerConfig",
            it.provisioned_poller_config.as_ref().is_some_and(|it| *it != <_>::default()),
        ),
        ("ScalingConfig", it.scaling_config.as_ref().is_some_and(|it| it.maximum_concurrency.is_some())),
        ("SelfManagedKafkaEventSourceConfig", it.self_managed_kafka_event_source_config.is_some()),
        ("SourceAccessConfigurations", accesses),
        ("TumblingWindowInSeconds", it.tumbling_window_in_seconds.is_some()),
    ];
    named(&all)
}

fn named(parameters: &[(&'static str, bool)]) -> Vec<&'static str> {
    parameters.iter().filter(|(_, is_asked)| *is_asked).map(|(name, _)| *name).collect()
}

/// Whether a starting position goes with a source.
pub(super) fn has_position(source: &AwsWords, position: StartingPosition) -> bool {
    match position {
        StartingPosition::TrimHorizon | StartingPosition::Latest => source.starts.is_some(),
        StartingPosition::AtTimestamp => source.starts.is_some_and(|it| it.at_timestamp),
    }
}
