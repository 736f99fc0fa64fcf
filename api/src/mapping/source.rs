//! What kind of source a mapping names, and which parameters go with it.

use forebay_config::Arn;

use super::parts::StartingPosition;
use super::request::{CreateMapping, Settings, SourceSettings};
use crate::error::ApiError;

/// What kind of source a mapping names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceType {
    /// A queue of SQS.
    Sqs,
    /// A FIFO queue of SQS.
    SqsFifo,
    /// A stream of Kinesis, or a consumer of one.
    Kinesis,
    /// A stream of a table of DynamoDB.
    DynamoDb,
    /// A managed Kafka cluster.
    ManagedKafka,
    /// A Kafka cluster of one's own.
    SelfManagedKafka,
    /// A broker of ActiveMQ or RabbitMQ.
    Mq,
    /// A cluster of DocumentDB.
    DocumentDb,
}

impl SourceType {
    /// The kind that a create names; an error when it names none, or two.
    pub fn of(source: &SourceSettings) -> Result<Self, ApiError> {
        let unrecognised = || ApiError::invalid("Unrecognized event source.");
        match (&source.event_source_arn, &source.self_managed_event_source) {
            (None, Some(cluster)) if cluster.endpoints.is_some() => Ok(Self::SelfManagedKafka),
            (Some(arn), None) => Arn::parse(arn).and_then(|it| Self::of_arn(&it)).ok_or_else(unrecognised),
            (None, Some(_) | None) | (Some(_), Some(_)) => Err(unrecognised()),
        }
    }

    fn of_arn(arn: &Arn) -> Option<Self> {
        let resource = arn.resource.as_str();
        match arn.service.as_str() {
            "sqs" if resource.ends_with(".fifo") => Some(Self::SqsFifo),
            "sqs" => Some(Self::Sqs),
            "kinesis" if resource.starts_with("stream/") => Some(Self::Kinesis),
            "dynamodb" if resource.starts_with("table/") && resource.contains("/stream/") => Some(Self::DynamoDb),
            "kafka" if resource.starts_with("cluster/") => Some(Self::ManagedKafka),
            "mq" if resource.starts_with("broker:") => Some(Self::Mq),
            "rds" if resource.starts_with("cluster:") => Some(Self::DocumentDb),
            _ => None,
        }
    }

    /// Whether it is read in shards or partitions.
    pub fn is_stream(self) -> bool {
        match self {
            Self::Kinesis | Self::DynamoDb | Self::ManagedKafka | Self::SelfManagedKafka | Self::DocumentDb => true,
            Self::Sqs | Self::SqsFifo | Self::Mq => false,
        }
    }

    /// The reason of a state that the user brought about; AWS has two words for it.
    pub fn user_reason(self) -> &'static str {
        match self {
            Self::Kinesis | Self::DynamoDb => "User action",
            Self::Sqs | Self::SqsFifo | Self::ManagedKafka | Self::SelfManagedKafka | Self::Mq | Self::DocumentDb => "USER_INITIATED",
        }
    }

    fn is_queue(self) -> bool {
        matches!(self, Self::Sqs | Self::SqsFifo)
    }

    fn is_kafka(self) -> bool {
        matches!(self, Self::ManagedKafka | Self::SelfManagedKafka)
    }

    fn is_shards(self) -> bool {
        matches!(self, Self::Kinesis | Self::DynamoDb)
    }
}

/// A parameter that asks for something, and whether the source has it.
pub(super) type Asked = (&'static str, bool);

/// The parameters of a create that ask for something. Empty ones ask for nothing.
pub(super) fn asked_of_create(create: &CreateMapping, source: SourceType) -> Vec<Asked> {
    let it = &create.source;
    let has_position = source.is_stream();
    let mut asked = asked(&create.settings, source);
    let own = [
        ("Queues", it.queues.is_some(), source == SourceType::Mq),
        ("StartingPosition", it.starting_position.is_some(), has_position),
        ("StartingPositionTimestamp", it.starting_position_timestamp.is_some(), has_position),
        ("Topics", it.topics.is_some(), source.is_kafka()),
    ];
    asked.extend(own.into_iter().filter(|(_, is_asked, _)| *is_asked).map(|(name, _, fits)| (name, fits)));
    asked
}

/// The settings that ask for something. Empty ones ask for nothing.
pub(super) fn asked(it: &Settings, source: SourceType) -> Vec<Asked> {
    use SourceType as Of;
    let retries = source.is_shards() || source.is_kafka();
    let destinations = it.destination_config.as_ref().is_some_and(|it| it.on_failure.is_some() || it.on_success.is_some());
    let accesses = it.source_access_configurations.as_ref().is_some_and(|it| !it.is_empty());
    let filters = it.filter_criteria.as_ref().is_some_and(|it| it.filters.as_ref().is_some_and(|it| !it.is_empty()));
    let all = [
        ("AmazonManagedKafkaEventSourceConfig", it.amazon_managed_kafka_event_source_config.is_some(), source == Of::ManagedKafka),
        ("BisectBatchOnFunctionError", it.bisect_batch_on_function_error.is_some(), retries),
        ("DestinationConfig", destinations, retries),
        ("DocumentDBEventSourceConfig", it.document_db_event_source_config.is_some(), source == Of::DocumentDb),
        ("FilterCriteria", filters, source != Of::DocumentDb),
        (
            "FunctionResponseTypes",
            it.function_response_types.as_ref().is_some_and(|it| !it.is_empty()),
            source.is_queue() || source.is_shards() || source.is_kafka(),
        ),
        ("KMSKeyArn", it.kms_key_arn.as_ref().is_some_and(|it| !it.is_empty()), source != Of::DocumentDb),
        ("LoggingConfig", it.logging_config.as_ref().is_some_and(|it| it.system_log_level.is_some()), source.is_kafka()),
        ("MaximumRecordAgeInSeconds", it.maximum_record_age_in_seconds.is_some(), retries),
        ("MaximumRetryAttempts", it.maximum_retry_attempts.is_some(), retries),
        (
            "MetricsConfig",
            it.metrics_config.as_ref().is_some_and(|it| it.metrics.as_ref().is_some_and(|it| !it.is_empty())),
            source.is_queue() || source.is_shards() || source.is_kafka(),
        ),
        ("ParallelizationFactor", it.parallelization_factor.is_some(), source.is_shards()),
        (
            "ProvisionedPollerConfig",
            it.provisioned_poller_config.as_ref().is_some_and(|it| *it != <_>::default()),
            source.is_queue() || source.is_kafka(),
        ),
        ("ScalingConfig", it.scaling_config.as_ref().is_some_and(|it| it.maximum_concurrency.is_some()), source.is_queue()),
        ("SelfManagedKafkaEventSourceConfig", it.self_managed_kafka_event_source_config.is_some(), source == Of::SelfManagedKafka),
        ("SourceAccessConfigurations", accesses, source.is_kafka() || matches!(source, Of::Mq | Of::DocumentDb)),
        ("TumblingWindowInSeconds", it.tumbling_window_in_seconds.is_some(), source.is_shards()),
    ];
    all.into_iter().filter(|(_, is_asked, _)| *is_asked).map(|(name, _, fits)| (name, fits)).collect()
}

/// Whether a starting position goes with a source.
pub(super) fn has_position(source: SourceType, position: StartingPosition) -> bool {
    match position {
        StartingPosition::TrimHorizon | StartingPosition::Latest => source.is_stream(),
        StartingPosition::AtTimestamp => source.is_stream() && source != SourceType::DynamoDb,
    }
}
