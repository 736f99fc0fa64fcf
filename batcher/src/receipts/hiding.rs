//! Messages stay hidden while they wait and run; a receipt that is void is forgotten.

use super::*;

impl Receipts {
    /// Hides for longer what lapses soon.
    pub(crate) fn extend_due(&mut self, cx: &mut Context) {
        let Some(visibility) = cx.plan.queue.as_ref().and_then(|queue| queue.visibility) else { return };
        // A little early for some saves a call of their own.
        let soon = cx.now.tick.after(visibility / 2 + visibility / 10);
        let mut due = Vec::new();
        for (_, receipt) in self.lapses.iter().take_while(|(until, _)| *until <= soon) {
            if self.held.get(receipt).is_some_and(|held| !held.is_extending && held.stage != Stage::Settling)
            {
                due.push(receipt.clone());
            }
        }
        if due.is_empty() {
            return;
        }
        for receipt in &due {
            if let Some(held) = self.held.get_mut(receipt) {
                held.is_extending = true;
            }
        }
        let id = ExtendId(cx.next_id());
        self.extends.insert(id, due.clone());
        cx.actions.push_back(Action::Extend(id, due, visibility));
    }

    /// The queue answered to an extension. These receipts are void.
    pub(crate) fn handle_extended(
        &mut self,
        id: ExtendId,
        answers: Vec<(Receipt, Extended)>,
        cx: &mut Context,
    ) -> LostReceipts {
        let Some(asked) = self.extends.remove(&id) else { return LostReceipts::default() };
        let answers: BTreeMap<Receipt, Extended> = answers.into_iter().collect();
        let (mut lost, mut has_failed) = (Vec::new(), false);
        for receipt in asked {
            if let Some(held) = self.held.get_mut(&receipt) {
                held.is_extending = false;
            }
            // A queue answers entry by entry; one that it does not mention was not extended.
            match answers.get(&receipt).copied().unwrap_or(Extended::Failed) {
                Extended::Until(until) => self.set_visible(&receipt, Some(until)),
                Extended::Failed => has_failed = true,
                Extended::Lost => lost.push(receipt),
            }
        }
        if let Some(visibility) =
            cx.plan.queue.as_ref().and_then(|queue| queue.visibility).filter(|_| has_failed)
        {
            // Ten tries fit into the half that is left, and a queue that fails is not asked in a circle.
            self.no_extension_until = cx.now.tick.after(visibility / 20);
        }
        self.lose_receipts(lost, cx)
    }

    /// Receipts are void: their messages are forgotten. All are before any batch run goes on, so that none
    /// settles a receipt that is void as well.
    pub(super) fn lose_receipts(&mut self, receipts: Vec<Receipt>, cx: &mut Context) -> LostReceipts {
        let mut lost = LostReceipts::default();
        for receipt in receipts {
            let Some(held) = self.forget(&receipt) else { continue };
            cx.counts.receipts_lost += 1;
            match held.stage {
                Stage::Waiting(seq) => lost.waiting.extend(self.take_waiting(seq).map(|it| it.record)),
                Stage::InRun => lost.is_in_run = true,
                Stage::Settling => {}
            }
        }
        lost
    }

    /// A channel died: all that it brought is void.
    pub(crate) fn handle_generation_lost(
        &mut self,
        generation: Generation,
        cx: &mut Context,
    ) -> LostReceipts {
        self.dead = self.dead.max(Some(generation));
        let gone: Vec<Receipt> =
            self.held.keys().filter(|receipt| receipt.generation == generation).cloned().collect();
        // A channel's receipts die with it; another channel would close on an ack of one that it does not
        // know.
        self.to_settle.retain(|it| it.receipt.generation != generation);
        self.failed.retain(|it| it.receipt.generation != generation);
        self.lose_receipts(gone, cx)
    }
}
