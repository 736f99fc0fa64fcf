//! Why a store refuses: an error that can be given to many callers and told as one line.

use std::path::Path;

use crate::store::StoreError;

/// Why the store takes no writes.
#[derive(Debug, Clone)]
pub(super) enum StoreRefusal {
    Full,
    Damaged { row: String, why: String },
    RolledBack { why: String },
    Io { doing: &'static str, cause: String },
}

impl StoreRefusal {
    pub(super) fn of(error: &StoreError) -> Self {
        match error {
            StoreError::Full { .. } => Self::Full,
            StoreError::Damaged { row, why, .. } => Self::Damaged { row: row.clone(), why: why.clone() },
            StoreError::RolledBack { why, .. } => Self::RolledBack { why: why.clone() },
            StoreError::Io { doing, cause, .. } => Self::Io { doing, cause: cause.to_string() },
            // These are answers to one caller and take no store down; should one come here, it is told as
            // it is.
            StoreError::Fenced { .. }
            | StoreError::Overtaken { .. }
            | StoreError::InUse { .. }
            | StoreError::OutOfTurn { .. } => Self::Io { doing: "written", cause: error.to_string() },
        }
    }

    pub(super) fn error(&self, folder: &Path) -> StoreError {
        let folder = folder.display().to_string();
        match self.clone() {
            Self::Full => StoreError::Full { folder },
            Self::Damaged { row, why } => StoreError::Damaged { folder, row, why },
            Self::RolledBack { why } => StoreError::RolledBack { folder, why },
            Self::Io { doing, cause } => StoreError::Io { folder, doing, cause: cause.into() },
        }
    }

    pub(super) fn text(&self) -> String {
        match self {
            Self::Full => "there is no room left".to_owned(),
            Self::Damaged { row, why } => format!("{row} is damaged: {why}"),
            Self::RolledBack { why } => format!("it is older than what was acknowledged: {why}"),
            Self::Io { doing, cause } => format!("it cannot be {doing}: {cause}"),
        }
    }
}
