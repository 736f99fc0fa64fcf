//! Where a mapping sends what it gave up on.

use std::path::PathBuf;

use crate::function::{FunctionName, HttpSettings};

/// Where a mapping sends what it gave up on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationSettings {
    /// What takes the failure record.
    pub target: DestinationTarget,
    /// Whether the failure record carries the event as an escaped JSON string under `payload`.
    pub include_payload: bool,
}

/// What takes a failure record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DestinationTarget {
    /// A file that gets one JSON line per failure record.
    File(PathBuf),
    /// An endpoint that gets the failure record as a POST.
    Http(HttpSettings),
    /// A function of the config file that gets the failure record as its event.
    Function(FunctionName),
}
