//! Messages that wait, and the batches they make: no two batches share a group.

use super::*;

impl Machine {
    pub(super) fn put_waiting(&mut self, seq: u64, record: Record) {
        self.receipts.waiting_bytes += bytes_in_batch(&record);
        self.receipts.waiting.insert(seq, Waiting { record, since: self.now.tick });
    }

    pub(super) fn take_waiting(&mut self, seq: u64) -> Option<Waiting> {
        let waiting = self.receipts.waiting.remove(&seq)?;
        self.receipts.waiting_bytes -= bytes_in_batch(&waiting.record);
        Some(waiting)
    }

    /// How many batches of waiting messages are ready.
    pub(crate) fn n_pool_batches(&self) -> u32 {
        let n_free = self.n_free_messages();
        if n_free == 0 {
            return 0;
        }
        let records_max = self.plan.batch.records_max.get() as usize;
        let n_full =
            (n_free / records_max).max(usize::try_from(self.receipts.waiting_bytes / self.plan.batch.bytes_max.max(1)).unwrap_or(0));
        let has_part = !n_free.is_multiple_of(records_max) && self.is_window_over();
        u32::try_from(n_full + usize::from(has_part)).unwrap_or(u32::MAX).max(u32::from(has_part))
    }

    pub(super) fn n_free_messages(&self) -> usize {
        if self.receipts.groups.is_empty() {
            return self.receipts.waiting.len();
        }
        self.receipts.waiting.values().filter(|it| !self.is_group_held(&it.record)).count()
    }

    pub(super) fn is_group_held(&self, record: &Record) -> bool {
        group_of(record).is_some_and(|group| self.receipts.groups.contains_key(group))
    }

    pub(super) fn window_end(&self) -> Option<Tick> {
        let first = self.receipts.waiting.values().find(|it| !self.is_group_held(&it.record))?;
        Some(first.since.after(self.plan.batch.window))
    }

    pub(super) fn is_window_over(&self) -> bool {
        self.held_bytes >= self.plan.held_bytes_max || self.window_end().is_some_and(|end| end <= self.now.tick)
    }

    /// Takes the next batch of waiting messages: no two batches share a group.
    pub(crate) fn take_pool_batch(&mut self) -> Option<ChainId> {
        if self.n_pool_batches() == 0 {
            return None;
        }
        self.lose_lapsed_waiting();
        let mut filler = Filler::new(&self.plan);
        let (mut taken, mut why) = (Vec::new(), BatchReason::Window);
        for (seq, it) in &self.receipts.waiting {
            if self.is_group_held(&it.record) {
                continue;
            }
            if let Some(reason) = filler.refuses(&it.record) {
                why = reason;
                break;
            }
            filler.add(it.record.clone());
            taken.push(*seq);
            if filler.is_oversize() {
                break;
            }
        }
        if taken.len() == self.plan.batch.records_max.get() as usize {
            why = BatchReason::Count;
        }
        for seq in taken {
            self.take_waiting(seq);
        }
        if filler.is_empty() {
            return None;
        }
        let is_oversize = filler.is_oversize();
        self.counts.given_up_uninvoked += u64::from(is_oversize);
        let records = filler.into_records();
        let mut chain = Chain::new(Limits::of(&self.plan.retry));
        for record in &records {
            if let Place::Queue { receipt, .. } = &record.place
                && let Some(held) = self.receipts.held.get_mut(receipt)
            {
                held.stage = Stage::InChain;
            }
            if let Some(group) = group_of(record).filter(|group| !chain.holds.contains(&Hold::Group((*group).clone()))) {
                chain.holds.push(Hold::Group(group.clone()));
            }
        }
        let tried = Tried { slice: Slice::new(records), n_failures: 0, n_invokes: 0, why, not_before: Tick::default(), reply: None };
        let what = if is_oversize { What::Tell(tried.give_up(crate::attempt::Condition::PayloadTooLarge)) } else { What::Try(tried) };
        chain.steps.push_back(Step { what, mark: 0 });
        let holds = chain.holds.clone();
        let id = self.add_chain(chain);
        for hold in holds {
            if let Hold::Group(group) = hold {
                let before = self.receipts.groups.insert(group, id);
                // O-1: no group is in two batches.
                crate::rule!(O1, before.is_none());
            }
        }
        self.advance(id);
        Some(id)
    }

    pub(crate) fn release_group(&mut self, group: &Bytes) {
        self.receipts.groups.remove(group);
    }

    /// Forgets the messages of a batch about to start whose visibility has lapsed: they are another's by now. Whether there were any.
    pub(crate) fn forget_lapsed(&mut self, id: ChainId) -> bool {
        let now = self.now.tick;
        let Some(chain) = self.chains.get(&id) else { return false };
        let Some(Step { what: What::Try(tried), .. }) = chain.steps.front() else { return false };
        let slice = tried.slice.clone();
        let mut any = false;
        for record in slice.records() {
            let Place::Queue { receipt, .. } = &record.place else { continue };
            let is_lapsed = self.receipts.held.get(receipt).is_none_or(|held| held.visible_until.is_some_and(|until| until <= now));
            if is_lapsed {
                self.counts.receipts_lost += u64::from(self.receipts.forget(receipt).is_some());
                any = true;
            }
        }
        any
    }

    /// Waiting messages whose visibility has lapsed are another's by now.
    fn lose_lapsed_waiting(&mut self) {
        let now = self.now.tick;
        let is_waiting = |it: &Receipt| self.receipts.held.get(it).is_some_and(|held| matches!(held.stage, Stage::Waiting(_)));
        let lapsed = self.receipts.lapses.iter().take_while(|(until, _)| *until <= now).map(|(_, it)| it);
        let lapsed: Vec<Receipt> = lapsed.filter(|it| is_waiting(it)).cloned().collect();
        self.lose_receipts(lapsed);
    }

    /// O-1: these messages come again, so all that wait of their groups go back to their queue, and none overtakes them.
    pub(crate) fn send_groups_back(&mut self, gone: &[Record]) {
        let groups: BTreeSet<Bytes> = gone.iter().filter_map(group_of).cloned().collect();
        self.send_waiting_of_groups_back(&groups);
    }

    pub(super) fn send_waiting_of_groups_back(&mut self, groups: &BTreeSet<Bytes>) {
        if groups.is_empty() {
            return;
        }
        if self.is_closing() {
            return self.send_waiting_back();
        }
        let is_stopped = |it: &Waiting| group_of(&it.record).is_some_and(|group| groups.contains(group));
        let seqs: Vec<u64> = self.receipts.waiting.iter().filter(|(_, it)| is_stopped(it)).map(|(seq, _)| *seq).collect();
        let back: Vec<Record> = seqs.into_iter().filter_map(|seq| self.take_waiting(seq)).map(|it| it.record).collect();
        self.send_back(&back);
    }

    /// Messages that were not tried are shown to their queue's readers at once.
    pub(crate) fn send_back(&mut self, records: &[Record]) {
        self.settle_all(records, Settle::Release);
        self.give_room(records);
    }

    /// Messages held, for operators.
    pub(crate) fn n_messages_waiting(&self) -> usize {
        self.receipts.waiting.len()
    }
}
