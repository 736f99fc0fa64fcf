//! How often its queue still gives each message that is out.

use std::collections::BTreeMap;

use forebay_batcher::Receipt;

/// Of so many messages that are out it is known; the oldest are forgotten.
const KNOWN_MAX: usize = 20_000;

/// How often its queue still gives each message that is out; empty where it never takes one away.
#[derive(Default)]
pub(super) struct ReceivesLeft {
    by_receipt: BTreeMap<Receipt, (u64, u32)>,
    by_age: BTreeMap<u64, Receipt>,
    next: u64,
}

impl ReceivesLeft {
    pub(super) fn insert(&mut self, receipt: &Receipt, left: u32) {
        self.remove(receipt);
        self.next += 1;
        self.by_receipt.insert(receipt.clone(), (self.next, left));
        self.by_age.insert(self.next, receipt.clone());
        // A mapping that never settles must not fill memory; one that is forgotten is shown at once.
        if self.by_age.len() > KNOWN_MAX
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.by_receipt.remove(&oldest);
        }
    }

    pub(super) fn of(&self, receipt: &Receipt) -> Option<u32> {
        self.by_receipt.get(receipt).map(|(_, left)| *left)
    }

    pub(super) fn remove(&mut self, receipt: &Receipt) {
        if let Some((age, _)) = self.by_receipt.remove(receipt) {
            self.by_age.remove(&age);
        }
    }
}
