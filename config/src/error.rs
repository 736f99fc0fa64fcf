//! What is wrong with a document: findings with a code, a place and the fix.

use crate::document::Place;

/// The code of a kind of finding, such as `FB-0104`; each has a page under `docs/errors/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Code(pub &'static str);

/// One thing that is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of mistake.
    pub code: Code,
    /// The setting, as a path: `event_source_mappings[2].batch_size`.
    pub path: String,
    /// Where it stands.
    pub place: Place,
    /// What is wrong, in AWS's words where AWS has them; lower case, no full stop, otherwise.
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
}
