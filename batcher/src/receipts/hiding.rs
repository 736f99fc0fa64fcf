//! Messages stay hidden while they wait and run; a receipt that is void is forgotten.

use super::*;

impl Machine {
    /// Hides for longer what lapses soon.
    pub(crate) fn extend_due(&mut self) {
        let Some(visibility) = self.plan.queue.as_ref().and_then(|queue| queue.visibility) else { return };
        // A little early for some saves a call of their own.
        let soon = self.now.tick.after(visibility / 2 + visibility / 10);
        let mut due = Vec::new();
        for (_, receipt) in self.receipts.lapses.iter().take_while(|(until, _)| *until <= soon) {
            if self.receipts.held.get(receipt).is_some_and(|held| !held.is_extending && held.stage != Stage::Settling) {
                due.push(receipt.clone());
            }
        }
        if due.is_empty() {
            return;
        }
        for receipt in &due {
            if let Some(held) = self.receipts.held.get_mut(receipt) {
                held.is_extending = true;
            }
        }
        let id = ExtendId(self.next_id());
        self.receipts.extends.insert(id, due.clone());
        self.actions.push_back(Action::Extend(id, due, visibility));
    }

    pub(crate) fn extended(&mut self, id: ExtendId, answers: Vec<(Receipt, Extended)>) {
        let Some(asked) = self.receipts.extends.remove(&id) else { return };
        let answers: BTreeMap<Receipt, Extended> = answers.into_iter().collect();
        for receipt in asked {
            if let Some(held) = self.receipts.held.get_mut(&receipt) {
                held.is_extending = false;
            }
            match answers.get(&receipt).copied().unwrap_or(Extended::Failed) {
                Extended::Until(until) => self.receipts.set_visible(&receipt, Some(until)),
                Extended::Failed => {}
                Extended::Lost => self.lose_receipt(&receipt),
            }
        }
    }

    /// A receipt is void: its message is forgotten.
    pub(super) fn lose(&mut self, record: &Record) {
        if let Place::Queue { receipt, .. } = &record.place {
            self.counts.receipts_lost += u64::from(self.receipts.forget(receipt).is_some());
        }
        self.give_room(std::slice::from_ref(record));
    }

    pub(super) fn lose_receipt(&mut self, receipt: &Receipt) {
        let Some(held) = self.receipts.forget(receipt) else { return };
        self.counts.receipts_lost += 1;
        match held.stage {
            Stage::Waiting(seq) => {
                if let Some(it) = self.take_waiting(seq) {
                    self.give_room(&[it.record]);
                }
            }
            Stage::InChain => {
                let holds = |chain: &Chain| {
                    chain.records().any(|record| matches!(&record.place, Place::Queue { receipt: it, .. } if it == receipt))
                };
                let chain = self.chains.iter().find(|(_, chain)| holds(chain)).map(|(id, _)| *id);
                if let Some(id) = chain {
                    self.drop_dead_records(id);
                }
            }
            Stage::Settling => {}
        }
    }

    pub(crate) fn lose_generation(&mut self, generation: Generation) {
        let gone: Vec<Receipt> = self.receipts.held.keys().filter(|receipt| receipt.generation == generation).cloned().collect();
        self.receipts.to_settle.retain(|it| it.receipt.generation != generation);
        self.receipts.failed.retain(|it| it.receipt.generation != generation);
        // All are forgotten before any chain goes on, so that none settles a receipt that is void as well.
        for receipt in gone {
            let Some(held) = self.receipts.forget(&receipt) else { continue };
            self.counts.receipts_lost += 1;
            if let Stage::Waiting(seq) = held.stage
                && let Some(it) = self.take_waiting(seq)
            {
                self.give_room(&[it.record]);
            }
        }
        let ids: Vec<ChainId> = self.chains.keys().copied().collect();
        for id in ids {
            if self.chains.get(&id).is_some_and(|chain| chain.records().any(|record| !self.is_alive(record))) {
                self.drop_dead_records(id);
            }
        }
    }
}
