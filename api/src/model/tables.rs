//! The tables: what AWS's members may be, but for our settings, whose rows say that.

use super::pattern::TextPattern;
use super::shape::{Member, ModelShape, may, must};

const MANY: usize = usize::MAX;

/// Without any constraint.
pub(super) static ANY: ModelShape = ModelShape::Text { min: 0, max: MANY, pattern: None };

const fn text(min: usize, max: usize, pattern: &'static TextPattern) -> ModelShape {
    ModelShape::Text { min, max, pattern: Some(pattern) }
}

static ARN_PATTERN: TextPattern = TextPattern::new(
    r"arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)",
);
static ARN: ModelShape = text(0, 10_000, &ARN_PATTERN);

static FUNCTION_NAME_PATTERN: TextPattern = TextPattern::new(
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?",
);
static FUNCTION_NAME: ModelShape = text(1, 256, &FUNCTION_NAME_PATTERN);

static KMS_KEY_PATTERN: TextPattern = TextPattern::new(r"(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()");
static KMS_KEY_ARN: ModelShape = text(0, 10_000, &KMS_KEY_PATTERN);

static URI_PATTERN: TextPattern = TextPattern::new(r"[ a-zA-Z0-9-\/*:_+=.@-]*");
static URI: ModelShape = text(1, 200, &URI_PATTERN);

/// The id of a mapping.
pub(crate) static UUID: ModelShape = ModelShape::Text { min: 36, max: 36, pattern: None };

static MAX_ITEMS: ModelShape = ModelShape::Integer { min: 1, max: 10_000 };

static ENDPOINT_PATTERN: TextPattern = TextPattern::new(
    r"(([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9\-]*[a-zA-Z0-9])\.)*([A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9\-]*[A-Za-z0-9]):[0-9]{1,5}",
);
static ENDPOINT: ModelShape = text(1, 300, &ENDPOINT_PATTERN);
static ENDPOINT_LIST: ModelShape = ModelShape::List { member: &ENDPOINT, min: 1, max: 10 };
static ENDPOINT_TYPE: ModelShape = ModelShape::Enum(&["KAFKA_BOOTSTRAP_SERVERS"]);
static ENDPOINTS: ModelShape = ModelShape::Map { key: &ENDPOINT_TYPE, value: &ENDPOINT_LIST, min: 1, max: 2 };
static SELF_MANAGED_EVENT_SOURCE: ModelShape = ModelShape::Structure(&[may("Endpoints", &ENDPOINTS)]);

static TOPIC_PATTERN: TextPattern = TextPattern::new(r"[^.]([a-zA-Z0-9\-_.]+)");
static TOPIC: ModelShape = text(1, 249, &TOPIC_PATTERN);
static TOPICS: ModelShape = ModelShape::List { member: &TOPIC, min: 1, max: 1 };
static ANYTHING_PATTERN: TextPattern = TextPattern::new(r"[\s\S]*");
static QUEUE: ModelShape = text(1, 1000, &ANYTHING_PATTERN);
static QUEUES: ModelShape = ModelShape::List { member: &QUEUE, min: 1, max: 1 };

static ACCESS_TYPE: ModelShape = ModelShape::Enum(&[
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
static ACCESS: ModelShape = ModelShape::Structure(&[may("Type", &ACCESS_TYPE), may("URI", &URI)]);
static ACCESSES: ModelShape = ModelShape::List { member: &ACCESS, min: 0, max: 23 };

static REGISTRY_URI_PATTERN: TextPattern = TextPattern::new(r"[a-zA-Z0-9-\/*:_+=.@-]*");
static REGISTRY_URI: ModelShape = text(1, 10_000, &REGISTRY_URI_PATTERN);
static RECORD_FORMAT: ModelShape = ModelShape::Enum(&["JSON", "SOURCE"]);
static REGISTRY_ACCESS_TYPE: ModelShape = ModelShape::Enum(&[
    "BASIC_AUTH",
    "CLIENT_CERTIFICATE_TLS_AUTH",
    "SERVER_ROOT_CA_CERTIFICATE",
    "OAUTHBEARER_AUTH",
]);
static REGISTRY_ACCESS: ModelShape =
    ModelShape::Structure(&[may("Type", &REGISTRY_ACCESS_TYPE), may("URI", &ARN)]);
static REGISTRY_ACCESSES: ModelShape = ModelShape::List { member: &REGISTRY_ACCESS, min: 0, max: MANY };
static VALIDATED: ModelShape = ModelShape::Enum(&["KEY", "VALUE"]);
static VALIDATION: ModelShape = ModelShape::Structure(&[may("Attribute", &VALIDATED)]);
static VALIDATIONS: ModelShape = ModelShape::List { member: &VALIDATION, min: 0, max: MANY };
static REGISTRY: ModelShape = ModelShape::Structure(&[
    may("AccessConfigs", &REGISTRY_ACCESSES),
    may("EventRecordFormat", &RECORD_FORMAT),
    may("SchemaRegistryURI", &REGISTRY_URI),
    may("SchemaValidationConfigs", &VALIDATIONS),
]);
static MANAGED_KAFKA: ModelShape =
    ModelShape::Structure(&[may("ConsumerGroupId", &URI), may("SchemaRegistryConfig", &REGISTRY)]);
static CONSUMPTION: ModelShape = ModelShape::Enum(&["Stream", "Queue"]);
static SELF_MANAGED_KAFKA: ModelShape = ModelShape::Structure(&[
    may("ConsumerGroupId", &URI),
    may("ConsumptionMode", &CONSUMPTION),
    may("SchemaRegistryConfig", &REGISTRY),
]);

static DESTINATION_PATTERN: TextPattern = TextPattern::new(
    r"$|kafka://([^.]([a-zA-Z0-9\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)",
);
static DESTINATION_ARN: ModelShape = text(0, 350, &DESTINATION_PATTERN);
static DESTINATION: ModelShape = ModelShape::Structure(&[may("Destination", &DESTINATION_ARN)]);

static DATABASE_PATTERN: TextPattern = TextPattern::new(r"[^ /\.$\x22]*");
static DATABASE: ModelShape = text(1, 63, &DATABASE_PATTERN);
static COLLECTION_PATTERN: TextPattern =
    TextPattern::refusing(r"(^(?!(system\x2e)))(^[_a-zA-Z0-9])([^$]*)", r"[_a-zA-Z0-9][^$]*", "system.");
static COLLECTION: ModelShape = text(1, 57, &COLLECTION_PATTERN);
static FULL_DOCUMENT: ModelShape = ModelShape::Enum(&["UpdateLookup", "Default"]);
static DOCUMENTS: ModelShape = ModelShape::Structure(&[
    may("CollectionName", &COLLECTION),
    may("DatabaseName", &DATABASE),
    may("FullDocument", &FULL_DOCUMENT),
]);

static FILTER_TEXT: ModelShape = text(0, 4096, &ANYTHING_PATTERN);

static METRIC: ModelShape = ModelShape::Enum(&["EventCount", "ErrorCount", "KafkaMetrics"]);
static METRICS: ModelShape = ModelShape::List { member: &METRIC, min: 0, max: 3 };
static METRICS_CONFIG: ModelShape = ModelShape::Structure(&[may("Metrics", &METRICS)]);
static LOG_LEVEL: ModelShape = ModelShape::Enum(&["DEBUG", "INFO", "WARN"]);
static LOGGING: ModelShape = ModelShape::Structure(&[may("SystemLogLevel", &LOG_LEVEL)]);

static POLLER_GROUP_PATTERN: TextPattern = TextPattern::new(r"[a-zA-Z0-9-_]*");
static POLLER_GROUP: ModelShape = text(0, 128, &POLLER_GROUP_PATTERN);

static TAG_PATTERN: TextPattern = TextPattern::new(r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)");
static TAG_KEY: ModelShape = text(1, 128, &TAG_PATTERN);
static TAG_VALUE: ModelShape = text(0, 256, &TAG_PATTERN);
static TAGS: ModelShape = ModelShape::Map { key: &TAG_KEY, value: &TAG_VALUE, min: 0, max: MANY };
/// `TagKeys` of UntagResource.
pub(crate) static TAG_KEYS: ModelShape = ModelShape::List { member: &TAG_KEY, min: 0, max: MANY };

/// As recorded; the models of the SDKs list other kinds of resource from release to release.
static TAGGABLE_PATTERN: TextPattern = TextPattern::new(
    r"arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:(function:[a-zA-Z0-9-_]+(:(\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)",
);
/// What may have tags.
pub(crate) static TAGGABLE: ModelShape = text(1, 10_000, &TAGGABLE_PATTERN);

/// A member of create that is no setting of ours, or a part of one that is.
pub(super) struct Other {
    /// Inside a structure with that before it.
    pub(super) path: &'static str,
    pub(super) shape: ModelShape,
    /// Only a create has it.
    pub(super) is_create_only: bool,
}

const fn both(path: &'static str, shape: ModelShape) -> Other {
    Other { path, shape, is_create_only: false }
}

const fn of_create(path: &'static str, shape: ModelShape) -> Other {
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
pub(super) static TEXTS: &[(&str, &ModelShape)] = &[
    ("DestinationConfig.OnFailure.Destination", &DESTINATION_ARN),
    ("FilterCriteria.Filters.Pattern", &FILTER_TEXT),
    ("FunctionName", &FUNCTION_NAME),
];

/// ListEventSourceMappingsRequest; all of it in the query.
pub(crate) static LIST: ModelShape = ModelShape::Structure(&LIST_MEMBERS);
static LIST_MEMBERS: [Member; 4] = [
    may("EventSourceArn", &ARN),
    may("FunctionName", &FUNCTION_NAME),
    may("Marker", &ANY),
    may("MaxItems", &MAX_ITEMS),
];

/// TagResourceRequest without the resource, which stands in the path.
pub(crate) static TAG: ModelShape = ModelShape::Structure(&TAG_MEMBERS);
static TAG_MEMBERS: [Member; 1] = [must("Tags", &TAGS)];
