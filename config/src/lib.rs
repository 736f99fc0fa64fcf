//! What a mapping says: documents with positions, checked settings, plans and filter patterns; no IO, no
//! clock.

pub mod address;
pub mod api;
pub mod aws;
pub mod brokers;
pub mod destination;
pub mod diagnostic;
pub mod document;
mod draft;
pub mod error;
pub mod expand;
pub mod fields;
pub mod file;
pub mod function;
pub mod header;
pub mod mapping;
mod parse;
pub mod pattern;
pub mod plan;
pub mod profile;
mod rate;
pub mod schema_registry;
pub mod secret_ref;
pub mod settings;
mod source;
mod timestamp;
pub mod url;

pub use api::{ApiKey, ApiSettings, KeyProof, KeyRole, TlsFiles};
pub use aws::{Arn, AwsCredentials, AwsKey, AwsScope, AwsSettings, QueueUrl};
pub use brokers::BrokerSettings;
pub use destination::DestinationSettings;
pub use document::{Document, DocumentKey, Format, Node, SourceSpan, Value};
pub use draft::{Draft, SettingValue, Values};
pub use error::{AwsRefusal, AwsStep, Code, Finding};
pub use expand::Lookup;
pub use fields::{Fields, Item};
pub use file::{Added, Config, Settings, mapping_node};
pub use function::{ExecutorSettings, Function, FunctionName};
pub use mapping::{Mapping, MappingName, PollerPlan, SourceRef, StartingPosition};
pub use pattern::{Filter, FilterRules, Pattern, PatternError};
pub use plan::{BatchPlan, OnExhausted, RatePlan, RateUnit, Redelivery, RetryPlan, WindowPlan};
pub use profile::SourceProfile;
pub use schema_registry::{EventRecordFormat, SchemaRegistryAt, SchemaRegistrySettings, ValidatedSides};
pub use secret_ref::{NoSecretRef, SecretRef};
pub use source::Sources;
