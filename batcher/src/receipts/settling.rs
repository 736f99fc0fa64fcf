//! How messages end: settled until it took effect, left to their queue, handed back.

use super::*;

impl Machine {
    /// Settles messages, those whose receipt is still ours.
    pub(crate) fn settle_all(&mut self, records: &[Record], how: Settle) {
        for record in records {
            let Place::Queue { receipt, .. } = &record.place else { continue };
            let Some(held) = self.receipts.held.get_mut(receipt) else {
                continue;
            };
            // at most one settlement of a receipt.
            if held.stage == Stage::Settling {
                continue;
            }
            held.stage = Stage::Settling;
            if let Some(until) = held.visible_until {
                self.receipts.lapses.remove(&(until, receipt.clone()));
            }
            let group = group_of(record).filter(|_| how == Settle::Delete).cloned();
            self.receipts.to_settle.push(Ending { receipt: receipt.clone(), how, group });
        }
    }

    /// Messages that failed and that their queue brings again; later messages of their groups go back too, so that none overtakes.
    pub(crate) fn leave(&mut self, left: &[Record], id: ChainId, error: &str) {
        if left.is_empty() {
            return;
        }
        self.note_left(left, error);
        if let (Some(scale), Some(queue)) = (&mut self.receipts.scale, &self.plan.queue) {
            scale.failed(queue, self.now.tick);
        }
        self.settle_all(left, Settle::Leave);
        self.give_room(left);
        let groups: BTreeSet<Bytes> = left.iter().filter_map(group_of).cloned().collect();
        self.take_groups_out(id, &groups);
        self.send_groups_back(left);
    }

    /// The groups of records whose receipts were lost while they were tried or told of: the queue has them again, so they come again, and
    /// what stands behind them must not overtake them.
    pub(crate) fn lost_groups(&self, records: &[Record]) -> BTreeSet<Bytes> {
        let now = self.now.tick;
        let is_lost = |record: &&Record| match &record.place {
            Place::Queue { receipt, .. } => {
                self.receipts.held.get(receipt).is_none_or(|held| held.visible_until.is_some_and(|until| until <= now))
            }
            Place::Track(..) => false,
        };
        records.iter().filter(is_lost).filter_map(group_of).cloned().collect()
    }

    /// sends back what stands behind a lost message of these groups, in this chain and among what waits.
    pub(crate) fn stop_groups(&mut self, id: ChainId, groups: &BTreeSet<Bytes>) {
        if !groups.is_empty() {
            self.take_groups_out(id, groups);
            self.send_waiting_of_groups_back(groups);
        }
    }

    fn take_groups_out(&mut self, id: ChainId, groups: &BTreeSet<Bytes>) {
        let Some(chain) = self.chains.get_mut(&id).filter(|_| !groups.is_empty()) else { return };
        let mut n_out = chain.n_out();
        let back = chain.take_records(|record| {
            let rests = n_out == 0;
            n_out = n_out.saturating_sub(1);
            rests && group_of(record).is_some_and(|group| groups.contains(group))
        });
        self.give_back(back);
        // S-1: what comes again of these groups need not wait for the rest of the batch.
        self.release_unneeded(id);
    }

    /// Messages of a batch that will not go on are shown to their queue's readers: at once, unless a close must wait for its receives.
    pub(crate) fn give_back(&mut self, records: Vec<Record>) {
        if !self.is_closing() {
            return self.send_back(&records);
        }
        for record in records {
            self.wait_again(record);
        }
        self.send_waiting_back();
    }

    pub(crate) fn settled(&mut self, id: SettleId, answers: Vec<(Receipt, Settled)>) {
        let Some(asked) = self.receipts.settles.remove(&id) else { return };
        let answers: BTreeMap<Receipt, Settled> = answers.into_iter().collect();
        let now = self.now.tick;
        let (mut has_failed, mut lost) = (false, BTreeSet::new());
        for settlement in asked {
            match answers.get(&settlement.receipt).copied().unwrap_or(Settled::Failed) {
                Settled::Done => {
                    self.receipts.forget(&settlement.receipt);
                    match settlement.how {
                        Settle::Delete => self.counts.deleted += 1,
                        Settle::Leave | Settle::Release | Settle::Nack => self.counts.handed_back += 1,
                    }
                }
                Settled::Lost => {
                    self.counts.receipts_lost += u64::from(self.receipts.forget(&settlement.receipt).is_some());
                    lost.extend(settlement.group);
                }
                Settled::Failed => {
                    let until = self.receipts.held.get(&settlement.receipt).map(|held| held.visible_until);
                    match until {
                        // It lapsed meanwhile: the queue has it again.
                        Some(Some(until)) if until <= now => {
                            self.counts.receipts_lost += u64::from(self.receipts.forget(&settlement.receipt).is_some());
                            lost.extend(settlement.group);
                        }
                        Some(_) => {
                            has_failed = true;
                            self.receipts.failed.push(settlement);
                        }
                        None => lost.extend(settlement.group),
                    }
                }
            }
        }
        self.groups_are_lost(&lost);
        if !has_failed {
            self.receipts.n_failed = 0;
        } else if !self.timers.is_set(Timer::Resettle) {
            // All that fails until then is sent again with it: many failures at once are one, and none puts the others off.
            let delay = ask_again_delay(self.receipts.n_failed, self.seed_of(0x5e));
            self.receipts.n_failed += 1;
            self.timers.set(Timer::Resettle, Some(now.after(delay)));
        }
    }

    /// messages that were finished could not be deleted in time and come again; what is held of their groups and has not started goes
    /// back, so that they are repeated before anything that follows them.
    fn groups_are_lost(&mut self, groups: &BTreeSet<Bytes>) {
        let chains: BTreeSet<ChainId> = groups.iter().filter_map(|group| self.receipts.groups.get(group)).copied().collect();
        self.send_waiting_of_groups_back(groups);
        for id in chains {
            self.take_groups_out(id, groups);
            if let Some(chain) = self.chains.get_mut(&id).filter(|chain| chain.is_out()) {
                // What is out runs on; if that does not end it, it goes back as well.
                chain.stopped.extend(groups.iter().cloned());
            } else if self.chains.get(&id).is_some_and(|chain| !chain.waits_after_refusal()) {
                self.look_again(id);
            }
        }
    }

    /// Sends again what failed, unless its receipt was lost meanwhile.
    pub(crate) fn resettle(&mut self) {
        let mut failed = std::mem::take(&mut self.receipts.failed);
        failed.retain(|it| self.receipts.held.contains_key(&it.receipt));
        self.receipts.to_settle.extend(failed);
    }

    /// What has not started goes back at once; what runs is awaited.
    pub(crate) fn close_queue(&mut self) {
        self.send_waiting_back();
        let ids: Vec<ChainId> = self.chains.keys().copied().collect();
        for id in ids {
            self.hand_back(id);
        }
        self.pump_queue();
    }

    /// Sends back what waits. Each receive that is still open may bring such a message once more: one that its queue would take away for
    /// that stays hidden until they are all answered.
    pub(super) fn send_waiting_back(&mut self) {
        let n_open = self.receipts.reads.len();
        let may_go = |record: &Record| match &record.place {
            Place::Queue { receives_left: Some(left), .. } => usize::try_from(*left).unwrap_or(usize::MAX) > n_open,
            Place::Queue { receives_left: None, .. } | Place::Track(..) => true,
        };
        let seqs: Vec<u64> =
            self.receipts.waiting.iter().filter(|(_, it)| n_open == 0 || may_go(&it.record)).map(|(seq, _)| *seq).collect();
        let back: Vec<Record> = seqs.into_iter().filter_map(|seq| self.take_waiting(seq)).map(|it| it.record).collect();
        self.send_back(&back);
    }

    /// gives back what is left of a queue's batch; of one whose first step is still out, the steps behind it.
    pub(crate) fn hand_back(&mut self, id: ChainId) {
        let Some(chain) = self.chains.get_mut(&id) else { return };
        if !chain.records().any(|it| matches!(it.place, Place::Queue { .. })) {
            return;
        }
        let is_out = chain.is_out();
        let mut n_out = chain.n_out();
        let records = chain.take_records(|_| {
            let rests = n_out == 0;
            n_out = n_out.saturating_sub(1);
            rests
        });
        self.give_back(records);
        if !is_out {
            self.advance(id);
        }
    }

    /// A message of a batch that will not go on waits as if it had just come.
    fn wait_again(&mut self, record: Record) {
        let Place::Queue { receipt, .. } = &record.place else { return };
        let seq = self.next_id();
        match self.receipts.held.get_mut(receipt) {
            Some(held) if held.stage == Stage::InChain => held.stage = Stage::Waiting(seq),
            Some(_) | None => return self.give_room(&[record]),
        }
        self.put_waiting(seq, record);
    }
}
