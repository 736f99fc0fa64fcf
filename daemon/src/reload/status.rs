//! What became of the reloads since the start, for health and metrics.

use std::sync::Mutex;

use forebay_batcher::UnixMillis;

use super::outcome::ReloadOutcome;
use crate::lock::lock;

/// What became of the reloads since the start.
#[derive(Debug, Default)]
pub struct ReloadStatus {
    inner: Mutex<ReloadState>,
}

#[derive(Debug, Default)]
struct ReloadState {
    n_applied: u64,
    n_rejected: u64,
    rejection: Option<Rejection>,
}

/// The last reload was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// When.
    pub at: UnixMillis,
    /// Why, in one line with its code.
    pub message: String,
}

impl ReloadStatus {
    /// Another one has ended.
    pub fn note(&self, outcome: &ReloadOutcome, at: UnixMillis) {
        let mut inner = lock(&self.inner);
        match outcome {
            ReloadOutcome::Applied(_) => {
                inner.n_applied += 1;
                inner.rejection = None;
            }
            ReloadOutcome::Rejected(refused) => {
                inner.n_rejected += 1;
                inner.rejection = Some(Rejection { at, message: refused.message.clone() });
            }
        }
    }

    /// How many were applied and how many rejected.
    pub fn counts(&self) -> (u64, u64) {
        let inner = lock(&self.inner);
        (inner.n_applied, inner.n_rejected)
    }

    /// Why the config in use is not the one in the files; `None` when the last reload was applied.
    pub fn rejection(&self) -> Option<Rejection> {
        lock(&self.inner).rejection.clone()
    }
}
