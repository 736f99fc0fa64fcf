//! A row that a test adds, to see what follows from a row.

use std::sync::OnceLock;

use super::SettingSpec;

static ADDED: OnceLock<&'static SettingSpec> = OnceLock::new();

/// Adds a setting of mappings, for the whole process and before anything else looks at the rows.
///
/// # Panics
/// There is one already.
pub fn add_row(row: &'static SettingSpec) {
    assert!(ADDED.set(row).is_ok(), "one row is added at most");
}

/// The row that was added.
pub(super) fn added() -> Option<&'static SettingSpec> {
    ADDED.get().copied()
}
