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
        let (mut lost, mut has_failed) = (Vec::new(), false);
        for receipt in asked {
            if let Some(held) = self.receipts.held.get_mut(&receipt) {
                held.is_extending = false;
            }
            match answers.get(&receipt).copied().unwrap_or(Extended::Failed) {
                Extended::Until(until) => self.receipts.set_visible(&receipt, Some(until)),
                Extended::Failed => has_failed = true,
                Extended::Lost => lost.push(receipt),
            }
        }
        if let Some(visibility) = self.plan.queue.as_ref().and_then(|queue| queue.visibility).filter(|_| has_failed) {
            self.receipts.no_extension_until = self.now.tick.after(visibility / 20);
        }
        self.lose_receipts(lost);
    }

    /// Receipts are void: their messages are forgotten, and what is held behind them in their groups goes back.
    pub(super) fn lose_receipts(&mut self, receipts: Vec<Receipt>) {
        let mut waiting = Vec::new();
        let mut is_in_chain = false;
        // All are forgotten before any chain goes on, so that none settles a receipt that is void as well.
        for receipt in receipts {
            let Some(held) = self.receipts.forget(&receipt) else { continue };
            self.counts.receipts_lost += 1;
            match held.stage {
                Stage::Waiting(seq) => waiting.extend(self.take_waiting(seq).map(|it| it.record)),
                Stage::InChain => is_in_chain = true,
                Stage::Settling => {}
            }
        }
        if is_in_chain {
            let is_hit = |chain: &Chain| chain.records().any(|record| !self.is_alive(record));
            let hit: Vec<ChainId> = self.chains.in_order().into_iter().filter(|(_, chain)| is_hit(chain)).map(|(id, _)| id).collect();
            for id in hit {
                self.drop_dead_records(id);
            }
        }
        self.send_groups_back(&waiting);
        self.give_room(&waiting);
    }

    pub(crate) fn lose_generation(&mut self, generation: Generation) {
        self.receipts.dead = self.receipts.dead.max(Some(generation));
        let gone: Vec<Receipt> = self.receipts.held.keys().filter(|receipt| receipt.generation == generation).cloned().collect();
        self.receipts.to_settle.retain(|it| it.receipt.generation != generation);
        self.receipts.failed.retain(|it| it.receipt.generation != generation);
        self.lose_receipts(gone);
    }
}
