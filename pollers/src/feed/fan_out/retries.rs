//! Deletions that failed, and when they are asked again.

use std::time::Duration;

use forebay_batcher::{Generation, Settlement};
use tokio::time::Instant;

/// A deletion that failed is asked again after this long.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct FailedDeletions {
    failed: Vec<Settlement>,
    at: Option<Instant>,
}

impl FailedDeletions {
    pub(super) fn push(&mut self, settlement: Settlement, now: Instant) {
        self.failed.push(settlement);
        // From the first on: those that follow must not put it off.
        self.at.get_or_insert(now + RETRY);
    }

    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Settlement> {
        if self.at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.at = None;
        std::mem::take(&mut self.failed)
    }

    /// What was to be asked again of it is void.
    pub(super) fn lose(&mut self, generation: Generation) {
        self.failed.retain(|it| it.receipt.generation != generation);
    }
}
