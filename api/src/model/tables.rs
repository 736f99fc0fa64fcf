//! The tables: what AWS's members may be, but for our settings, whose rows say that.

use super::pattern::Pattern;
use super::shape::{Member, Shape, may, must};

const MANY: usize = usize::MAX;

/// Without any constraint.
pub(super) static ANY: Shape = Shape::Text { min: 0, max: MANY, pattern: None };

const fn text(min: usize, max: usize, pattern: &'static Pattern) -> Shape {
    Shape::Text { min, max, pattern: Some(pattern) }
}

static ARN_PATTERN: Pattern = Pattern::new(
    r"arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)",
);
static ARN: Shape = text(0, 10_000, &ARN_PATTERN);

static FUNCTION_NAME_PATTERN: Pattern = Pattern::new(
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?",
);
static FUNCTION_NAME: Shape = text(1, 256, &FUNCTION_NAME_PATTERN);

static KMS_KEY_PATTERN: Pattern = Pattern::new(r"(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()");
static KMS_KEY_ARN: Shape = text(0, 10_000, &KMS_KEY_PATTERN);

static URI_PATTERN: Pattern = Pattern::new(r"[ a-zA-Z0-9-\/*:_+=.@-]*");
static URI: Shape = text(1, 200, &URI_PATTERN);

/// The id of a mapping.
pub(crate) static UUID: Shape = Shape::Text { min: 36, max: 36, pattern: None };

static MAX_ITEMS: Shape = Shape::Integer { min: 1, max: 10_000 };

static ENDPOINT_PATTERN: Pattern = Pattern::new(
    r"(([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\-]*[a-zA-Z0-9])\.)*([A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9\-]*[A-Za-z0-9]):[0-9]{1,5}",
);
static ENDPOINT: Shape = text(1, 300, &ENDPOINT_PATTERN);
static ENDPOINT_LIST: Shape = Shape::List { member: &ENDPOINT, min: 1, max: 10 };
static ENDPOINT_TYPE: Shape = Shape::Enum(&["KAFKA_BOOTSTRAP_SERVERS"]);
static ENDPOINTS: Shape = Shape::Map { key: &ENDPOINT_TYPE, value: &ENDPOINT_LIST, min: 1, max: 2 };
static SELF_MANAGED_EVENT_SOURCE: Shape = Shape::Structure(&[may("Endpoints", &ENDPOINTS)]);

static TOPIC_PATTERN: Pattern = Pattern::new(r"[^.]([a-zA-Z0-9\-_.]+)");
static TOPIC: Shape = text(1, 249, &TOPIC_PATTERN);
static TOPICS: Shape = Shape::List { member: &TOPIC, min: 1, max: 1 };
static ANYTHING_PATTERN: Pattern = Pattern::new(r"[\s\S]*");
static QUEUE: Shape = text(1, 1000, &ANYTHING_PATTERN);
static QUEUES: Shape = Shape::List { member: &QUEUE, min: 1, max: 1 };

static ACCESS_TYPE: Shape = Shape::Enum(&[
    "BASIC_AUTH",
    "VPC_SUBNET",
    "VPC_SECURITY_GROUP",
    "SASL_SCRAM_512_AUTH",
    "SASL_SCRAM_256_AUTH",
    "VIRTUAL_HOST",
    "CLIENT_CERTIFICATE_TLS_AUTH",
    "SERVER_ROOT_CA_CERTIFICATE",
    "OAUTHBEARER_AUTH",
    "OAUTHBEARER_SCOPE",
    "OAUTHBEARER_AUDIENCE",
    "OAUTHBEARER_LOGICAL_CLUSTER",
    "OAUTHBEARER_IDENTITY_POOL",
    "IAM_AUTH",
    "IAM_OAUTHBEARER_AUTH",
]);
static ACCESS: Shape = Shape::Structure(&[may("Type", &ACCESS_TYPE), may("URI", &URI)]);
static ACCESSES: Shape = Shape::List { member: &ACCESS, min: 0, max: 23 };

static REGISTRY_URI_PATTERN: Pattern = Pattern::new(r"[a-zA-Z0-9-\/*:_+=.@-]*");
static REGISTRY_URI: Shape = text(1, 10_000, &REGISTRY_URI_PATTERN);
static RECORD_FORMAT: Shape = Shape::Enum(&["JSON", "SOURCE"]);
static REGISTRY_ACCESS_TYPE: Shape = Shape::Enum(&[
    "BASIC_AUTH",
    "CLIENT_CERTIFICATE_TLS_AUTH",
    "SERVER_ROOT_CA_CERTIFICATE",
    "OAUTHBEARER_AUTH",
]);
static REGISTRY_ACCESS: Shape = Shape::Structure(&[may("Type", &REGISTRY_ACCESS_TYPE), may("URI", &ARN)]);
static REGISTRY_ACCESSES: Shape = Shape::List { member: &REGISTRY_ACCESS, min: 0, max: MANY };
static VALIDATED: Shape = Shape::Enum(&["KEY", "VALUE"]);
static VALIDATION: Shape = Shape::Structure(&[may("Attribute", &VALIDATED)]);
static VALIDATIONS: Shape = Shape::List { member: &VALIDATION, min: 0, max: MANY };
static REGISTRY: Shape = Shape::Structure(&[
    may("AccessConfigs", &REGISTRY_ACCESSES),
    may("EventRecordFormat", &RECORD_FORMAT),
    may("SchemaRegistryURI", &REGISTRY_URI),
    may("SchemaValidationConfigs", &VALIDATIONS),
]);
static MANAGED_KAFKA: Shape =
    Shape::Structure(&[may("ConsumerGroupId", &URI), may("SchemaRegistryConfig", &REGISTRY)]);
static CONSUMPTION: Shape = Shape::Enum(&["Stream", "Queue"]);
static SELF_MANAGED_KAFKA: Shape = Shape::Structure(&[
    may("ConsumerGroupId", &URI),
    may("ConsumptionMode", &CONSUMPTION),
    may("SchemaRegistryConfig", &REGISTRY),
]);

static DESTINATION_PATTERN: Pattern = Pattern::new(
    r"$|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)",
);
static DESTINATION_ARN: Shape = text(0, 350, &DESTINATION_PATTERN);
static DESTINATION: Shape = Shape::Structure(&[may("Destination", &DESTINATION_ARN)]);

static DATABASE_PATTERN: Pattern = Pattern::new(r"[^ /\.$\x22]*");
static DATABASE: Shape = text(1, 63, &DATABASE_PATTERN);
static COLLECTION_PATTERN: Pattern =
    Pattern::refusing(r"(^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*)", r"[_a-zA-Z0-9][^$]*", "system.");
static COLLECTION: Shape = text(1, 57, &COLLECTION_PATTERN);
static FULL_DOCUMENT: Shape = Shape::Enum(&["UpdateLookup", "Default"]);
static DOCUMENTS: Shape = Shape::Structure(&[
    may("CollectionName", &COLLECTION),
    may("DatabaseName", &DATABASE),
    may("FullDocument", &FULL_DOCUMENT),
]);

static FILTER_TEXT: Shape = text(0, 4096, &ANYTHING_PATTERN);

static METRIC: Shape = Shape::Enum(&["EventCount", "ErrorCount", "KafkaMetrics"]);
static METRICS: Shape = Shape::List { member: &METRIC, min: 0, max: 3 };
static METRICS_CONFIG: Shape = Shape::Structure(&[may("Metrics", &METRICS)]);
static LOG_LEVEL: Shape = Shape::Enum(&["DEBUG", "INFO", "WARN"]);
static LOGGING: Shape = Shape::Structure(&[may("SystemLogLevel", &LOG_LEVEL)]);

static POLLER_GROUP_PATTERN: Pattern = Pattern::new(r"[a-zA-Z0-9-_]*");
static POLLER_GROUP: Shape = text(0, 128, &POLLER_GROUP_PATTERN);

static TAG_PATTERN: Pattern = Pattern::new(r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)");
static TAG_KEY: Shape = text(1, 128, &TAG_PATTERN);
static TAG_VALUE: Shape = text(0, 256, &TAG_PATTERN);
static TAGS: Shape = Shape::Map { key: &TAG_KEY, value: &TAG_VALUE, min: 0, max: MANY };
/// `TagKeys` of UntagResource.
pub(crate) static TAG_KEYS: Shape = Shape::List { member: &TAG_KEY, min: 0, max: MANY };

/// As recorded; the models of the SDKs list other kinds of resource from release to release.
static TAGGABLE_PATTERN: Pattern = Pattern::new(
    r"arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)",
);
/// What may have tags.
pub(crate) static TAGGABLE: Shape = text(1, 10_000, &TAGGABLE_PATTERN);

/// A member of create that is no setting of ours, or a part of one that is.
pub(super) struct Other {
    /// Inside a structure with that before it.
    pub(super) path: &'static str,
    pub(super) shape: Shape,
    /// Only a create has it.
    pub(super) is_create_only: bool,
}

const fn both(path: &'static str, shape: Shape) -> Other {
    Other { path, shape, is_create_only: false }
}

const fn of_create(path: &'static str, shape: Shape) -> Other {
    Other { path, shape, is_create_only: true }
}

/// The members of create and update beside our settings, whose rows say what they may be.
pub(super) static OTHERS: &[Other] = &[
    both("AmazonManagedKafkaEventSourceConfig", MANAGED_KAFKA),
    both("DestinationConfig.OnSuccess", DESTINATION),
    both("DocumentDBEventSourceConfig", DOCUMENTS),
    of_create("EventSourceArn", ARN),
    both("KMSKeyArn", KMS_KEY_ARN),
    both("LoggingConfig", LOGGING),
    both("MetricsConfig", METRICS_CONFIG),
    both("ProvisionedPollerConfig.PollerGroupName", POLLER_GROUP),
    of_create("Queues", QUEUES),
    of_create("SelfManagedEventSource", SELF_MANAGED_EVENT_SOURCE),
    both("SelfManagedKafkaEventSourceConfig", SELF_MANAGED_KAFKA),
    both("SourceAccessConfigurations", ACCESSES),
    of_create("Tags", TAGS),
    of_create("Topics", TOPICS),
];

/// What AWS's texts may be; a text of ours that is not here may be any.
pub(super) static TEXTS: &[(&str, &Shape)] = &[
    ("DestinationConfig.OnFailure.Destination", &DESTINATION_ARN),
    ("FilterCriteria.Filters.Pattern", &FILTER_TEXT),
    ("FunctionName", &FUNCTION_NAME),
];

/// ListEventSourceMappingsRequest; all of it in the query.
pub(crate) static LIST: Shape = Shape::Structure(&LIST_MEMBERS);
static LIST_MEMBERS: [Member; 4] = [
    may("EventSourceArn", &ARN),
    may("FunctionName", &FUNCTION_NAME),
    may("Marker", &ANY),
    may("MaxItems", &MAX_ITEMS),
];

/// TagResourceRequest without the resource, which stands in the path.
pub(crate) static TAG: Shape = Shape::Structure(&TAG_MEMBERS);
static TAG_MEMBERS: [Member; 1] = [must("Tags", &TAGS)];
