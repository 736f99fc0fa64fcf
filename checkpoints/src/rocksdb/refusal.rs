//! Why a store refuses: an error that can be given to many callers and told as one line.

use std::error::Error;
use std::iter;
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
            StoreError::Io { doing, cause, .. } => Self::Io { doing, cause: with_causes(cause.as_ref()) },
            // These are answers to one caller and take no store down; should one come here, it is told as
            // it is.
            StoreError::Fenced { .. }
            | StoreError::Overtaken { .. }
            | StoreError::InUse { .. }
            | StoreError::OutOfTurn { .. } => Self::Io { doing: "written", cause: with_causes(error) },
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

/// An error and its causes in one line; each once, for some repeat their cause in their own text.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in iter::successors(error.source(), |it| Error::source(*it)) {
        let more = cause.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the folder cannot be opened")]
    struct Outer(#[source] io::Error);

    #[test]
    fn every_cause_is_told_once() {
        let io = |cause| StoreError::Io { folder: "data".to_owned(), doing: "read", cause };
        let nested = io(Box::new(Outer(io::Error::other("the disk is gone"))));
        let why = StoreRefusal::of(&nested);
        assert_eq!(why.text(), "it cannot be read: the folder cannot be opened: the disk is gone");
        let StoreError::Io { cause, .. } = why.error(Path::new("data")) else { panic!("{why:?}") };
        assert_eq!(cause.to_string(), "the folder cannot be opened: the disk is gone");
        let repeated = io(Box::new(io::Error::other(io::Error::other("the disk is gone"))));
        assert_eq!(StoreRefusal::of(&repeated).text(), "it cannot be read: the disk is gone");
    }
}
