//! What a mapping says: documents with positions, checked settings, plans and filter patterns; no IO, no clock.

pub mod destination;
pub mod document;
pub mod error;
pub mod fields;
pub mod function;
pub mod mapping;
pub mod pattern;
pub mod plan;
pub mod profile;

pub use destination::DestinationSettings;
pub use document::{Key, Node, Place, Value};
pub use error::{Code, Finding};
pub use fields::{Fields, Item};
pub use function::{Executor, Function, FunctionName};
pub use mapping::{Mapping, MappingName, SourceRef, StartingPosition};
pub use pattern::{Filter, FilterRules, Pattern, PatternError};
pub use plan::{BatchPlan, Redelivery, RetryPlan, WindowPlan};
pub use profile::SourceProfile;
