//! What the store refused, or who died asking it.

use forebay_batcher::{Committed, Fault};
use forebay_checkpoints::{Epoch, StoreError};
use forebay_config::Code;

use crate::sentence::chain;

/// Why tracks were not granted.
#[derive(Debug)]
pub(crate) enum GrantError {
    /// The store refused.
    Store(StoreError),
    /// What asked it died; the text of the panic.
    Died(String),
}

/// A store's refusal, for the machine and for people.
#[derive(Debug)]
pub(crate) struct RefusedCommit {
    pub(crate) answer: Committed,
    pub(crate) error: Fault,
    /// Another owner has the whole mapping.
    pub(crate) takes_mapping: bool,
    /// The generation that was overtaken: the source dealt the track out anew since.
    pub(crate) overtaken: Option<Epoch>,
}

impl RefusedCommit {
    pub(super) fn of(error: &StoreError) -> Self {
        let answer = match error {
            StoreError::Fenced { .. } | StoreError::Overtaken { .. } => Committed::Fenced,
            StoreError::Full { .. } => Committed::Full,
            StoreError::Damaged { .. }
            | StoreError::RolledBack { .. }
            | StoreError::InUse { .. }
            | StoreError::Io { .. }
            | StoreError::OutOfTurn { .. } => Committed::Failed,
        };
        // A lease is the whole mapping's, a generation one track's.
        let takes_mapping = matches!(error, StoreError::Fenced { .. });
        let overtaken = match error {
            StoreError::Overtaken { ours, .. } => Some(*ours),
            StoreError::Fenced { .. }
            | StoreError::Full { .. }
            | StoreError::Damaged { .. }
            | StoreError::RolledBack { .. }
            | StoreError::InUse { .. }
            | StoreError::Io { .. }
            | StoreError::OutOfTurn { .. } => None,
        };
        Self { answer, error: Fault::new(Code(error.code()), chain(error)), takes_mapping, overtaken }
    }
}
