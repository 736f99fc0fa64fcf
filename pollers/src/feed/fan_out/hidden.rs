//! Until when the messages of open rounds are hidden.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forebay_batcher::Receipt;
use tokio::time::Instant;

#[derive(Default)]
pub(super) struct HiddenMessages {
    until: BTreeMap<Receipt, Instant>,
    /// When what waits for mappings is hidden for longer.
    extend_at: Option<Instant>,
}

impl HiddenMessages {
    /// A message came, and is hidden for the queue's visibility.
    pub(super) fn hide_received(&mut self, receipt: &Receipt, until: Instant, visibility: Duration) {
        self.until.insert(receipt.clone(), until);
        // A third of the visibility after it was sent: two more are left for a call that fails.
        self.extend_at.get_or_insert(until - visibility + visibility / 3);
    }

    /// A message was hidden until then, unless its round is over.
    pub(super) fn hide_longer(&mut self, receipt: &Receipt, until: Instant) {
        if let Some(old) = self.until.get_mut(receipt) {
            *old = until;
        }
    }

    /// It waits for nobody: it need not be hidden for longer.
    pub(super) fn show(&mut self, receipt: &Receipt) {
        self.until.remove(receipt);
    }

    pub(super) fn contains(&self, receipt: &Receipt) -> bool {
        self.until.contains_key(receipt)
    }

    pub(super) fn until(&self, receipt: &Receipt) -> Option<Instant> {
        self.until.get(receipt).copied()
    }

    pub(super) fn extend_at(&self) -> Option<Instant> {
        self.extend_at
    }

    /// When it is time: those that wait and have less than two thirds of a visibility left.
    pub(super) fn take_due<'a>(
        &mut self,
        now: Instant,
        visibility: Duration,
        waiting: impl Iterator<Item = &'a Receipt>,
    ) -> Vec<Receipt> {
        if self.extend_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        // It may wait for several.
        let waiting: BTreeSet<&Receipt> = waiting.collect();
        self.extend_at = Some(now + visibility / 3).filter(|_| !waiting.is_empty());
        let soon = now + visibility * 2 / 3;
        let is_due = |it: &&Receipt| self.until.get(*it).is_some_and(|until| *until <= soon);
        waiting.into_iter().filter(is_due).cloned().collect()
    }
}
