//! The mapping API: calls, the checks that need nothing but the call, and answers.

mod answer;
mod call;
pub mod checks;
mod config;
mod parts;
mod request;
mod source;
mod unbuilt;

pub use answer::{FilterCriteriaError, Identity, MappingConfiguration, MappingList, TagList};
pub use call::{BODY_BYTES_MAX, Call, Operation};
pub use parts::{
    Destination, DestinationConfig, DocumentDbConfig, EpochMillis, Filter, FilterCriteria, LoggingConfig,
    ManagedKafkaConfig, MetricsConfig, ProvisionedPollerConfig, ScalingConfig, SchemaRegistryAccess,
    SchemaRegistryConfig, SchemaValidation, SelfManagedEventSource, SelfManagedKafkaConfig,
    SourceAccessConfiguration, StartingPosition,
};
pub use request::{CreateMapping, ListMappings, Settings, SourceSettings, UpdateMapping};
pub use unbuilt::known_sources;
