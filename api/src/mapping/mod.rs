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

pub use answer::{FilterCriteriaError, Identity, MappingConfiguration, MappingList, TagList};
pub use call::{BODY_BYTES_MAX, Call, Operation};
pub use config::Named;
pub use parts::{EpochMillis, SelfManagedEventSource, StartingPosition};
pub use request::{CreateMapping, ListMappings, SourceSettings, UpdateMapping};
pub use settings::Settings;
pub use unbuilt::known_sources;
