//! The settings of a mapping, in Terraform's words.

use super::{AwsMember, DefaultValue as D, Flag, SettingSpec, Shape};
use crate::aws::AwsScope;
use crate::brokers::N_BROKER_SPECS;
use crate::destination::{EVENTS, S3, S3Addressing, SNS, SQS};
use crate::profile::Setting;
use crate::rate::RateSpecs;

/// The largest `parallelization_factor`. AWS stops at 10.
pub(crate) const PARALLELIZATION_FACTOR_MAX: u32 = 256;

/// The most filters of one mapping: AWS's raised quota.
pub(crate) const FILTERS_MAX: usize = 10;

pub(crate) static NAME: SettingSpec = SettingSpec::new(
    "event_source_mappings[].name",
    Shape::Text,
    D::Required,
    "The mapping's name, unique in a daemon: 1 to 140 letters, digits, `-`, `_` and `.`. Its checkpoint is kept under it.",
);
pub(crate) static ENABLED: SettingSpec = SettingSpec::new(
    "event_source_mappings[].enabled",
    Shape::Switch,
    D::Switch(true),
    "Whether the mapping runs. A mapping that is switched off keeps its position.",
)
.aws(AwsMember::new("Enabled").with_every_source().not_shown());
pub(crate) static SOURCE: SettingSpec = SettingSpec::new(
    "event_source_mappings[].source",
    Shape::Source,
    D::Required,
    "The kind of source and its settings: `{ file: { path: … } }`.",
);
pub(crate) static FUNCTION_NAME: SettingSpec = SettingSpec::new(
    "event_source_mappings[].function_name",
    Shape::Text,
    D::Required,
    "The function that gets the batches: a name under `functions:`, or `account:function:name` or an ARN, each with `:version` or `:alias` if you like. An ARN finds the function of that name under `functions:`, if its region and account are those of `aws` or `aws` names none; else it is called at Lambda, with what stands under `aws`.",
)
.aws(AwsMember::new("FunctionName").with_every_source().not_shown().flag(Flag { value: Some("NAME"), ..Flag::DERIVED }));
pub(crate) static BATCH_SIZE: SettingSpec = SettingSpec::new(
    "event_source_mappings[].batch_size",
    Shape::Integer { min: 1, max: 10_000 },
    D::OfSource(|it| it.batch_size_default as i64),
    "The most records in one batch. Larger batches cost fewer invocations; a failure then concerns more records. A batch never exceeds 6 MB, whatever this says.",
)
.live()
.aws(AwsMember::new("BatchSize").with_every_source())
.most(|it| i64::from(it.batch_size_max));
pub(crate) static BATCHING_WINDOW: SettingSpec = SettingSpec::new(
    "event_source_mappings[].maximum_batching_window_in_seconds",
    Shape::Seconds { min_ms: 0, max_ms: 300_000 },
    D::OfSource(|it| it.window_ms_default.cast_signed()),
    "Seconds that a batch may wait for more records, counted from its first one; `0` sends what one read brought. Fractions down to a millisecond are ours; AWS takes whole seconds.",
)
.live()
.aws(AwsMember::new("MaximumBatchingWindowInSeconds").with_every_source().zero_for_none())
.needs(Setting::BatchingWindow);
pub(crate) static STARTING_POSITION: SettingSpec = SettingSpec::new(
    "event_source_mappings[].starting_position",
    Shape::Word(&["LATEST", "AT_TIMESTAMP", "TRIM_HORIZON"]),
    D::RequiredWhereAllowed,
    "Where to begin when no position was ever kept: the oldest record, only what comes later, or a time. A kept position always goes first.",
)
.aws(AwsMember::new("StartingPosition").create_only().flag(Flag { value: Some("POSITION"), ..Flag::DERIVED }))
.needs(Setting::StartingPosition);
pub(crate) static STARTING_POSITION_TIMESTAMP: SettingSpec = SettingSpec::new(
    "event_source_mappings[].starting_position_timestamp",
    Shape::Time,
    D::Absent("required with `AT_TIMESTAMP`, refused without"),
    "The time for `starting_position: AT_TIMESTAMP`, as RFC 3339 text or epoch seconds.",
)
.aws(AwsMember::new("StartingPositionTimestamp").create_only())
.needs(Setting::AtTimestamp);
pub(crate) static PARALLELIZATION_FACTOR: SettingSpec = SettingSpec::new(
    "event_source_mappings[].parallelization_factor",
    Shape::Integer { min: 1, max: PARALLELIZATION_FACTOR_MAX as i64 },
    D::Integer(1),
    "How many batches of one shard may run at once; records of one key stay in order. More than 10 is ours; AWS stops there.",
)
.live()
.aws(AwsMember::new("ParallelizationFactor").of_streams().range(1, 10))
.needs(Setting::ParallelizationFactor);
pub(crate) static TUMBLING_WINDOW: SettingSpec = SettingSpec::new(
    "event_source_mappings[].tumbling_window_in_seconds",
    Shape::Integer { min: 0, max: 900 },
    D::Integer(0),
    "Length in seconds of a tumbling window over which the function carries a state; `0` for none. Each answer must hold `state`, an object: the next \
     invocation of the window gets it, and the last one, without records, ends the window.",
)
.aws(AwsMember::new("TumblingWindowInSeconds").of_streams().zero_for_none())
.needs(Setting::TumblingWindow);
pub(crate) static CARRIED_WINDOWS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].carry_windows_into_child_shards",
    Shape::Switch,
    D::Switch(false),
    "Whether a tumbling window that is open at the end of a shard goes on, with its state, in the first of the shards that come after it. Otherwise it ends with its shard, as on AWS: whoever splits a stream gets a window in two parts. Ours.",
)
.needs(Setting::TumblingWindow);
pub(crate) static RETRY_ATTEMPTS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].maximum_retry_attempts",
    Shape::Integer { min: -1, max: 10_000 },
    D::Integer(-1),
    "Retries of a failed batch after its first attempt; then it goes to the destination. `-1` retries without end and blocks its track meanwhile.",
)
.live()
.aws(AwsMember::new("MaximumRetryAttempts").of_streams())
.needs(Setting::RetryAttempts);
pub(crate) static RECORD_AGE: SettingSpec = SettingSpec::new(
    "event_source_mappings[].maximum_record_age_in_seconds",
    Shape::Integer { min: -1, max: 604_800 },
    D::Integer(-1),
    "Records older than this go to the destination without being tried: `-1` for never, or 60 to 604,800.",
)
.live()
.aws(AwsMember::new("MaximumRecordAgeInSeconds").of_streams())
.needs(Setting::RecordAge);
pub(crate) static BISECT: SettingSpec = SettingSpec::new(
    "event_source_mappings[].bisect_batch_on_function_error",
    Shape::Switch,
    D::Switch(false),
    "Halves a failed batch before it is retried, until the record that fails stands alone. Halving spends no retry.",
)
.live()
.aws(AwsMember::new("BisectBatchOnFunctionError").of_streams())
.needs(Setting::Bisect);
pub(crate) static RESPONSE_TYPES: SettingSpec = SettingSpec::new(
    "event_source_mappings[].function_response_types",
    Shape::Words(&["ReportBatchItemFailures"]),
    D::Absent("a batch succeeds or fails as a whole"),
    "With `ReportBatchItemFailures` the function's answer says which records failed.",
)
.live()
.aws(
    AwsMember::new("FunctionResponseTypes").shown_empty().flag(Flag { value: Some("TYPE"), ..Flag::DERIVED }),
)
.needs(Setting::ResponseTypes);
pub(crate) static DESTINATION_CONFIG: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config",
    Shape::Group,
    D::Absent("what was given up on is dropped and counted"),
    "Where the mapping sends what it gave up on.",
)
.aws(AwsMember::new("DestinationConfig"))
.needs(Setting::OnFailure);
pub(crate) static ON_FAILURE: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure",
    Shape::Group,
    D::Required,
    "One of `file`, `http`, `function`, `sqs`, `sns`, `s3`, `event_bus`, `kafka` and `destination_arn`. It gets a failure record for each batch that was given up.",
)
.aws(AwsMember::new("DestinationConfig.OnFailure"));
pub(crate) static INCLUDE_PAYLOAD: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.include_payload",
    Shape::Switch,
    D::Absent("`true` for a bucket of S3 and a topic of Kafka, as AWS has it, else `false`"),
    "Puts the event into the failure record under `payload`, so that nothing has to be read again: as an object to a topic of Kafka, as JSON text to all others.",
);
pub(crate) static FAILURE_FILE: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.file",
    Shape::Group,
    D::Absent("no file"),
    "A file that gets one JSON line for each failure record.",
);
pub(crate) static FAILURE_FILE_PATH: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.file.path",
    Shape::Path,
    D::Required,
    "The file; it is made when missing and only appended to.",
);
pub(crate) static FAILURE_HTTP: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.http",
    Shape::Group,
    D::Absent("no endpoint"),
    "An endpoint that gets the failure record as a POST.",
);
pub(crate) static FAILURE_URL: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.http.url",
    Shape::Text,
    D::Required,
    URL_TEXT,
);
pub(crate) static FAILURE_HEADERS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.http.headers",
    Shape::Texts,
    D::Absent("no headers of your own"),
    "Headers sent with every failure record.",
);
pub(crate) static FAILURE_CA_FILE: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.http.ca_file",
    Shape::Path,
    D::Absent("the machine's trusted roots only"),
    "A PEM file with roots to trust besides those of the machine.",
);
pub(crate) static FAILURE_FUNCTION: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.function",
    Shape::Group,
    D::Absent("no function"),
    "A function that gets the failure record as its event.",
);
pub(crate) static FAILURE_FUNCTION_NAME: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.function.function_name",
    Shape::Text,
    D::Required,
    "A name under `functions:`, or the ARN of a function of Lambda, as in `function_name` of the mapping.",
);
pub(crate) static FAILURE_SQS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.sqs",
    Shape::Group,
    D::Absent("no queue"),
    "A standard queue of SQS that gets the failure record as a message of 1 MiB at most; a longer record goes without its `payload`.",
);
pub(crate) static FAILURE_QUEUE_URL: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.sqs.queue_url",
    Shape::Text,
    D::Required,
    "The URL of the queue. FIFO queues are refused.",
);
/// The settings of `aws` that have a meaning for a queue that a URL names.
pub(crate) const FAILURE_SQS_SCOPE: AwsScope<'static> = AwsScope { services: &[&SQS], names_account: false };
pub(crate) static FAILURE_SQS_AWS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.sqs.aws",
    Shape::Aws(FAILURE_SQS_SCOPE),
    D::Absent("what stands under the top level's `aws`"),
    "What differs from the top level's `aws` for this queue.",
);
pub(crate) static FAILURE_SNS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.sns",
    Shape::Group,
    D::Absent("no topic"),
    "A standard topic of SNS that gets the failure record as a message of 256 KiB at most; a longer record goes without its `payload`.",
);
pub(crate) static FAILURE_TOPIC_ARN: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.sns.topic_arn",
    Shape::Text,
    D::Required,
    "The ARN of the topic. FIFO topics are refused.",
);
/// The settings of `aws` that have a meaning for a topic.
pub(crate) const FAILURE_SNS_SCOPE: AwsScope<'static> = AwsScope { services: &[&SNS], names_account: false };
pub(crate) static FAILURE_SNS_AWS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.sns.aws",
    Shape::Aws(FAILURE_SNS_SCOPE),
    D::Absent("what stands under the top level's `aws`"),
    "What differs from the top level's `aws` for this topic.",
);
pub(crate) static FAILURE_S3: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.s3",
    Shape::Group,
    D::Absent("no bucket"),
    "A bucket of S3 that gets the failure record as an object.",
);
pub(crate) static FAILURE_BUCKET_ARN: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.s3.bucket_arn",
    Shape::Text,
    D::Required,
    "The ARN of the bucket, `arn:aws:s3:::bucket`. An object's key is `aws/lambda/<UUID of the mapping>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<random UUID>`.",
);
pub(crate) static FAILURE_S3_ADDRESSING: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.s3.addressing",
    Shape::Word(&S3Addressing::WORDS),
    D::Absent("`path` where an endpoint is set or the bucket's name has dots, else `virtual_host`"),
    "Where the bucket's name stands: first in the path, or in front of the host.",
);
/// The settings of `aws` that have a meaning for a bucket.
pub(crate) const FAILURE_S3_SCOPE: AwsScope<'static> = AwsScope { services: &[&S3], names_account: false };
pub(crate) static FAILURE_S3_AWS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.s3.aws",
    Shape::Aws(FAILURE_S3_SCOPE),
    D::Absent("what stands under the top level's `aws`"),
    "What differs from the top level's `aws` for this bucket; `region` is that of the bucket.",
);
pub(crate) static FAILURE_BUS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.event_bus",
    Shape::Group,
    D::Absent("no event bus"),
    "An event bus of EventBridge that gets the failure record as the `detail` of an event of less than 256 KiB; a longer record goes without its `payload`. \
     What no rule of the bus matches EventBridge drops, unless an archive of the bus keeps it.",
);
pub(crate) static FAILURE_BUS_NAME: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.event_bus.bus",
    Shape::Text,
    D::Required,
    "The ARN of the bus, `arn:aws:events:region:account:event-bus/name`, or its name alone: one of the region and the account that are called. `default` is \
     the bus that each account has. The bus must be there and may be looked at (`events:DescribeEventBus`), because EventBridge takes events for a missing one and drops them.",
);
pub(crate) static FAILURE_BUS_SOURCE: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.event_bus.source",
    Shape::Text,
    D::Word("forebay"),
    "The `source` of each event, for the bus's rules: 256 characters at most, and not beginning with `aws.`.",
);
pub(crate) static FAILURE_BUS_DETAIL_TYPE: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.event_bus.detail_type",
    Shape::Text,
    D::Word("Lambda Function Invocation Result - Failure"),
    "The `detail-type` of each event, for the bus's rules: 128 characters at most. The default is what Lambda writes of asynchronous invocations that failed.",
);
/// The settings of `aws` that have a meaning for an event bus.
pub(crate) const FAILURE_BUS_SCOPE: AwsScope<'static> =
    AwsScope { services: &[&EVENTS], names_account: false };
pub(crate) static FAILURE_BUS_AWS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.event_bus.aws",
    Shape::Aws(FAILURE_BUS_SCOPE),
    D::Absent("what stands under the top level's `aws`"),
    "What differs from the top level's `aws` for this bus.",
);
pub(crate) static FAILURE_KAFKA: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.kafka",
    Shape::Group,
    D::Absent("no topic of Kafka"),
    "A topic of Kafka. Of a Kafka source it gets a message for each record that was given up, with the record's key and headers; of any other source one for each \
     failure record. A message that the brokers find too large, or of more than 64 MB, goes without its `payload`.",
);
pub(crate) static FAILURE_KAFKA_TOPIC: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.kafka.topic",
    Shape::Text,
    D::Required,
    "The topic's name. It must be there, and be none that the mapping reads.",
);
pub(crate) static FAILURE_KAFKA_BROKERS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.kafka.brokers",
    Shape::Group,
    D::Absent("those of the mapping's source, in the same way"),
    "Where the topic is. Must be written where the source is none of Kafka.",
);
/// What stands under `brokers`.
pub(crate) static FAILURE_KAFKA_BROKER_ROWS: [SettingSpec; N_BROKER_SPECS] =
    crate::broker_specs!("event_source_mappings[].destination_config.on_failure.kafka.brokers");

/// What stands under a setting and is the same wherever such a block stands.
pub(crate) fn rows_below(spec: &SettingSpec) -> &'static [SettingSpec] {
    if spec.path == FAILURE_KAFKA_BROKERS.path { &FAILURE_KAFKA_BROKER_ROWS } else { &[] }
}

pub(crate) static FAILURE_ARN: SettingSpec = SettingSpec::new(
    "event_source_mappings[].destination_config.on_failure.destination_arn",
    Shape::Text,
    D::Absent("not named by an ARN"),
    "The ARN of a standard SQS queue, an SNS topic, an S3 bucket or an event bus of EventBridge, or `kafka://topic` for a topic of the cluster that is read: the short form of \
     `sqs`, `sns`, `s3`, `event_bus` and `kafka`. The bus is ours.",
)
.aws(AwsMember::new("DestinationConfig.OnFailure.Destination").flag(Flag {
    name: Some("on-failure"),
    value: Some("ARN"),
    ..Flag::DERIVED
}));
pub(crate) static FILTER_CRITERIA: SettingSpec = SettingSpec::new(
    "event_source_mappings[].filter_criteria",
    Shape::Group,
    D::Absent("every record passes"),
    "Which records the function sees.",
)
.aws(AwsMember::new("FilterCriteria"));
pub(crate) static FILTER: SettingSpec = SettingSpec::new(
    "event_source_mappings[].filter_criteria.filter",
    Shape::List,
    D::Absent("every record passes"),
    "Up to 10 filters; a record passes when one of them matches.",
)
.aws(AwsMember::new("FilterCriteria.Filters"));
pub(crate) static FILTER_PATTERN: SettingSpec = SettingSpec::new(
    "event_source_mappings[].filter_criteria.filter[].pattern",
    Shape::Text,
    D::Required,
    "A filter pattern as JSON text, 4,096 characters at most.",
)
.aws(AwsMember::new("FilterCriteria.Filters.Pattern").flag(Flag {
    name: Some("filter"),
    value: Some("PATTERN"),
    none: Some("no-filters"),
}));
pub(crate) static COMPLEX_WILDCARDS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].filter_criteria.complex_wildcards",
    Shape::Word(&["refuse", "allow"]),
    D::Word("refuse"),
    "Whether a wildcard may have five stars or more. AWS refuses such a pattern as too complex; ours matches it in one pass.",
);
pub(crate) static SCALING_CONFIG: SettingSpec = SettingSpec::new(
    "event_source_mappings[].scaling_config",
    Shape::Group,
    D::Absent("the function's own limit holds"),
    "How far the mapping scales.",
)
.aws(AwsMember::new("ScalingConfig"))
.needs(Setting::MaximumConcurrency);
pub(crate) static MAXIMUM_CONCURRENCY: SettingSpec = SettingSpec::new(
    "event_source_mappings[].scaling_config.maximum_concurrency",
    Shape::Integer { min: 1, max: 1_000 },
    D::Absent("the function's own limit holds; one, where AWS runs one at a time"),
    "The most invocations of this mapping at once. `1` is ours; AWS begins at 2.",
)
.aws(
    AwsMember::new("ScalingConfig.MaximumConcurrency")
        .range(2, 1000)
        .flag(Flag { none: Some("no-maximum-concurrency"), ..Flag::DERIVED }),
);
pub(crate) static PROVISIONED_POLLERS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].provisioned_poller_config",
    Shape::Group,
    D::Absent("readers are scaled freely"),
    "How many readers are kept, at least and at most. Of a queue they are receives. Of tracks, such as the partitions of topics, all are always read: a reader stands for five batches there, as on AWS.",
)
.aws(AwsMember::new("ProvisionedPollerConfig"))
.needs(Setting::ProvisionedPollers);
pub(crate) static MINIMUM_POLLERS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].provisioned_poller_config.minimum_pollers",
    Shape::Integer { min: 1, max: 200 },
    D::Integer(1),
    "Readers that are always kept. Of tracks there are never fewer, for none waits to be read.",
)
.aws(AwsMember::new("ProvisionedPollerConfig.MinimumPollers"));
pub(crate) static MAXIMUM_POLLERS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].provisioned_poller_config.maximum_pollers",
    Shape::Integer { min: 1, max: 10_000 },
    D::Integer(200),
    "The most readers; not fewer than `minimum_pollers`. Of tracks: five times as many invocations of the mapping run at once at the most.",
)
.aws(AwsMember::new("ProvisionedPollerConfig.MaximumPollers"));
pub(crate) static DROP_AFTER: SettingSpec = SettingSpec::new(
    "event_source_mappings[].drop_after_destination_failures",
    Shape::Integer { min: 1, max: 1_000_000 },
    D::Absent("never: a track waits for its destination"),
    "After so many refusals of the destination the batch is dropped and counted, so that its track goes on. Ours.",
)
.live();
pub(crate) static FIFO_STOP: SettingSpec = SettingSpec::new(
    "event_source_mappings[].fifo_stop_at_first_failure",
    Shape::Switch,
    D::Switch(false),
    "For queues with ordered groups and `ReportBatchItemFailures`: later messages of a group count as failed when an earlier one failed, so that order holds even when the function forgets to report them. Ours.",
)
.live();

pub(crate) static ITEM_ACTIONS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].batch_item_actions",
    Shape::Switch,
    D::Switch(false),
    "With `ReportBatchItemFailures`: whether an entry of `batchItemFailures` may say what becomes of its record: `\"retryAfterSeconds\": n` (0 to 900) lets it wait so long before its next try, `\"action\": \"reject\"` gives it up at once. Without this setting such members are ignored, as on AWS. Ours.",
)
.live()
.needs(Setting::ResponseTypes);
pub(crate) static ON_EXHAUSTED: SettingSpec = SettingSpec::new(
    "event_source_mappings[].on_exhausted",
    Shape::Word(&["give_up", "pause"]),
    D::Word("give_up"),
    "What becomes of records whose attempts (`maximum_retry_attempts`) or whose time (`maximum_record_age_in_seconds`) are used up. `give_up`: they go to the destination, or are discarded without one. `pause`: they wait for an operator, also over a restart, and so does what comes after them on their lane; `forebay decide` skips them, has them tried again, or sends them to the destination. Not for queues, whose redrive policy ends what always fails. Ours.",
)
.live();
pub(crate) static BATCH_IDENTITY: SettingSpec = SettingSpec::new(
    "event_source_mappings[].batch_identity",
    Shape::Word(&["none", "durable"]),
    D::Word("none"),
    "Whether a batch has a name that a repeat of it has too. `none`: after a crash the records come again, cut into other batches maybe. `durable`: how a batch is cut is written down and synced before it is first tried, so a repeat holds the same records, and `Idempotency-Key` names it; each batch waits for one write of the store. A source whose batches mix tracks does not mix them then. Not for queues, which have no positions, and not with `batch_item_actions`. Ours.",
);
pub(crate) static RATE_LIMIT: SettingSpec = SettingSpec::new(
    "event_source_mappings[].rate_limit",
    Shape::Group,
    D::Absent("as fast as there are slots"),
    "How much the mapping may start in a second: its invocations wait for it, in order, and `why` says until when. Attempts after a failure count too. A function's own `rate_limit` is shared by its mappings. Ours.",
);
pub(crate) static RATE_RECORDS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].rate_limit.records_per_second",
    Shape::Integer { min: 1, max: 1_000_000 },
    D::Absent("records are not counted"),
    "The most records a second. A batch of more starts all the same, and what follows waits until it is paid for. Either this or `invocations_per_second`.",
);
pub(crate) static RATE_INVOCATIONS: SettingSpec = SettingSpec::new(
    "event_source_mappings[].rate_limit.invocations_per_second",
    Shape::Integer { min: 1, max: 100_000 },
    D::Absent("invocations are not counted"),
    "The most invocations a second, however many records they hold. They are spread evenly: what was not used of the last tenth of a second may be made up for.",
);
pub(crate) static RATE_RAMP: SettingSpec = SettingSpec::new(
    "event_source_mappings[].rate_limit.ramp_up_in_seconds",
    Shape::Seconds { min_ms: 0, max_ms: 3_600_000 },
    D::Millis(0),
    "Seconds in which the rate grows from a tenth of the limit to all of it, after the first invocation and again after each throttle; `0` for all of it at once.",
);

pub(crate) static RATE_SPECS: RateSpecs =
    RateSpecs { records: &RATE_RECORDS, invocations: &RATE_INVOCATIONS, ramp: &RATE_RAMP };

const URL_TEXT: &str = "Where to: `http://` or `https://`, without user, password and fragment.";

pub(crate) static MAPPING_SETTINGS: &[&SettingSpec] = &[
    &NAME,
    &ENABLED,
    &SOURCE,
    &FUNCTION_NAME,
    &BATCH_SIZE,
    &BATCHING_WINDOW,
    &STARTING_POSITION,
    &STARTING_POSITION_TIMESTAMP,
    &PARALLELIZATION_FACTOR,
    &TUMBLING_WINDOW,
    &CARRIED_WINDOWS,
    &RETRY_ATTEMPTS,
    &RECORD_AGE,
    &BISECT,
    &RESPONSE_TYPES,
    &DESTINATION_CONFIG,
    &ON_FAILURE,
    &INCLUDE_PAYLOAD,
    &FAILURE_FILE,
    &FAILURE_FILE_PATH,
    &FAILURE_HTTP,
    &FAILURE_URL,
    &FAILURE_HEADERS,
    &FAILURE_CA_FILE,
    &FAILURE_FUNCTION,
    &FAILURE_FUNCTION_NAME,
    &FAILURE_SQS,
    &FAILURE_QUEUE_URL,
    &FAILURE_SQS_AWS,
    &FAILURE_SNS,
    &FAILURE_TOPIC_ARN,
    &FAILURE_SNS_AWS,
    &FAILURE_S3,
    &FAILURE_BUCKET_ARN,
    &FAILURE_S3_ADDRESSING,
    &FAILURE_S3_AWS,
    &FAILURE_BUS,
    &FAILURE_BUS_NAME,
    &FAILURE_BUS_SOURCE,
    &FAILURE_BUS_DETAIL_TYPE,
    &FAILURE_BUS_AWS,
    &FAILURE_KAFKA,
    &FAILURE_KAFKA_TOPIC,
    &FAILURE_KAFKA_BROKERS,
    &FAILURE_ARN,
    &FILTER_CRITERIA,
    &FILTER,
    &FILTER_PATTERN,
    &COMPLEX_WILDCARDS,
    &SCALING_CONFIG,
    &MAXIMUM_CONCURRENCY,
    &PROVISIONED_POLLERS,
    &MINIMUM_POLLERS,
    &MAXIMUM_POLLERS,
    &DROP_AFTER,
    &FIFO_STOP,
    &ITEM_ACTIONS,
    &ON_EXHAUSTED,
    &BATCH_IDENTITY,
    &RATE_LIMIT,
    &RATE_RECORDS,
    &RATE_INVOCATIONS,
    &RATE_RAMP,
];
