//! The mapping API: calls, the checks that need nothing but the call, and answers.

mod answer;
mod call;
pub mod checks;
mod config;
mod parts;
mod request;
mod settings;
mod source;
mod unbuilt;

pub use answer::{FilterCriteriaError, MappingConfiguration, MappingIdentity, MappingList, TagList};
pub use call::{BODY_BYTES_MAX, Call, Operation};
pub use config::Named;
pub use parts::{EpochMillis, SelfManagedEventSource, StartingPositionMember};
pub use request::{CreateMapping, ListMappings, SourceMembers, UpdateMapping};
pub use settings::MappingSettings;
pub use unbuilt::known_sources;
