//! Calls on their way to the store's thread, and how a group of them is staged and answered.

use std::collections::BTreeMap;
use std::path::Path;

use tokio::sync::oneshot;

use super::database::Database;
use super::refusal::StoreRefusal;
use crate::ledger::{self, LedgerChange};
use crate::memory::seconds_now;
use crate::staged::{Staged, StagedRows};
use crate::store::{Epoch, KeptTrack, Lease, MappingId, StoreError, WriteNumber};

pub(super) type ReplyTo<T> = oneshot::Sender<Result<T, StoreError>>;

/// A call on its way to the thread.
#[derive(Debug)]
pub(super) enum StoreRequest {
    Write(Write),
    Load {
        lease: Lease,
        answer: ReplyTo<Option<Vec<KeptTrack>>>,
    },
    Notes {
        answer: ReplyTo<BTreeMap<MappingId, Vec<u8>>>,
    },
    Mappings {
        answer: ReplyTo<Vec<(MappingId, Epoch)>>,
    },
    Close {
        answer: ReplyTo<()>,
    },
    #[cfg(test)]
    BreakSeal,
    #[cfg(test)]
    Panic,
}

/// A call that writes.
#[derive(Debug)]
pub(super) enum Write {
    Acquire {
        mapping: MappingId,
        generation: Epoch,
        answer: ReplyTo<Lease>,
    },
    Change {
        lease: Lease,
        change: LedgerChange,
        answer: ReplyTo<()>,
    },
    /// Answered when it is written.
    Checkpoint {
        lease: Lease,
        change: LedgerChange,
        answer: ReplyTo<WriteNumber>,
    },
    /// `None` takes the note away.
    Note {
        mapping: MappingId,
        note: Option<Vec<u8>>,
        answer: ReplyTo<()>,
    },
}

impl Write {
    pub(super) fn refuse(self, why: &StoreRefusal, folder: &Path) {
        match self {
            Self::Acquire { answer, .. } => reply(answer, Err(why.error(folder))),
            Self::Checkpoint { answer, .. } => reply(answer, Err(why.error(folder))),
            Self::Change { answer, .. } | Self::Note { answer, .. } => reply(answer, Err(why.error(folder))),
        }
    }
}

/// A call whose write is staged.
pub(super) enum StagedCall {
    Lease(Lease, ReplyTo<Lease>),
    Done(ReplyTo<()>),
    Written(ReplyTo<WriteNumber>),
}

impl StagedCall {
    /// Its answer follows the sync.
    pub(super) fn wants_sync(&self) -> bool {
        match self {
            Self::Lease(..) | Self::Done(_) => true,
            Self::Written(_) => false,
        }
    }

    pub(super) fn settle(self, written: Result<WriteNumber, &StoreRefusal>, folder: &Path) {
        let error = written.err().map(|why| why.error(folder));
        match self {
            Self::Written(answer) => reply(answer, written.map_err(|why| why.error(folder))),
            Self::Lease(lease, answer) => reply(answer, error.map_or(Ok(lease), Err)),
            Self::Done(answer) => reply(answer, error.map_or(Ok(()), Err)),
        }
    }
}

/// Stages a group, each call over those before it; calls that are refused have their answer at once.
pub(super) fn stage(database: &Database, group: Vec<Write>) -> (Vec<StagedCall>, StagedRows) {
    let mut staged = Staged::over(database);
    let mut waiting = Vec::new();
    for write in group {
        match write {
            Write::Acquire { mapping, generation, answer } => {
                match ledger::acquire(&mut staged, &mapping, generation, seconds_now()) {
                    Ok(lease) => waiting.push(StagedCall::Lease(lease, answer)),
                    Err(error) => reply(answer, Err(error)),
                }
            }
            Write::Change { lease, change, answer } => match ledger::apply(&mut staged, &lease, change) {
                Ok(()) => waiting.push(StagedCall::Done(answer)),
                Err(error) => reply(answer, Err(error)),
            },
            Write::Checkpoint { lease, change, answer } => match ledger::apply(&mut staged, &lease, change) {
                Ok(()) => waiting.push(StagedCall::Written(answer)),
                Err(error) => reply(answer, Err(error)),
            },
            Write::Note { mapping, note, answer } => {
                // It needs no lease, so nothing can refuse it.
                ledger::note(&mut staged, mapping, note);
                waiting.push(StagedCall::Done(answer));
            }
        }
    }
    (waiting, staged.into_changes())
}

pub(super) fn reply<T>(answer: ReplyTo<T>, result: Result<T, StoreError>) {
    // Whoever does not wait any more takes nothing back.
    drop(answer.send(result));
}
