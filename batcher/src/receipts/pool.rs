//! Messages that wait, and the batches they make: no two batches share a group.

use super::*;

impl Receipts {
    pub(super) fn put_waiting(&mut self, seq: u64, record: Record, cx: &Context) {
        self.waiting_bytes += bytes_in_batch(&record);
        self.waiting.insert(seq, Waiting { record, since: cx.now.tick });
    }

    pub(super) fn take_waiting(&mut self, seq: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&seq)?;
        self.waiting_bytes -= bytes_in_batch(&waiting.record);
        Some(waiting)
    }

    /// How many batches of waiting messages are ready.
    pub(crate) fn n_batches(&self, cx: &Context) -> u32 {
        let n_free = self.n_free_messages();
        if n_free == 0 {
            return 0;
        }
        let records_max = cx.plan.batch.records_max.get() as usize;
        // An estimate, by whichever limit closes more batches: a slot too many is returned.
        let n_full = (n_free / records_max)
            .max(usize::try_from(self.waiting_bytes / cx.plan.batch.bytes_max.max(1)).unwrap_or(0));
        let has_part = !n_free.is_multiple_of(records_max) && self.is_window_over(cx);
        u32::try_from(n_full + usize::from(has_part)).unwrap_or(u32::MAX).max(u32::from(has_part))
    }

    pub(super) fn n_free_messages(&self) -> usize {
        if self.groups.is_empty() {
            return self.waiting.len();
        }
        self.waiting.values().filter(|it| !self.is_group_held(&it.record)).count()
    }

    pub(super) fn is_group_held(&self, record: &Record) -> bool {
        record.group().is_some_and(|group| self.groups.contains_key(group))
    }

    pub(super) fn window_end(&self, cx: &Context) -> Option<Tick> {
        let first = self.waiting.values().find(|it| !self.is_group_held(&it.record))?;
        Some(first.since.after(cx.plan.batch.window))
    }

    pub(super) fn is_window_over(&self, cx: &Context) -> bool {
        cx.held_bytes >= cx.plan.held_bytes_max || self.window_end(cx).is_some_and(|end| end <= cx.now.tick)
    }

    /// Takes the next batch of waiting messages: no two batches share a group.
    pub(crate) fn take_batch(&mut self, cx: &mut Context) -> Option<Batch> {
        if self.n_batches(cx) == 0 {
            return None;
        }
        // before the batch is filled, for a message that lapsed while it waited may run elsewhere.
        self.lose_lapsed_waiting(cx);
        let mut filler = Filler::new(&cx.plan, 0);
        let (mut taken, mut why) = (Vec::new(), BatchReason::Window);
        for (seq, it) in &self.waiting {
            if self.is_group_held(&it.record) {
                continue;
            }
            if let Some(reason) = filler.refuses(&it.record) {
                why = reason;
                break;
            }
            filler.add(it.record.clone());
            taken.push(*seq);
            // What no event can hold is told of alone; filled on, others would share its fate.
            if filler.is_oversize() {
                break;
            }
        }
        if taken.len() == cx.plan.batch.records_max.get() as usize {
            why = BatchReason::Count;
        }
        for seq in taken {
            self.take_waiting(seq);
        }
        if filler.is_empty() {
            return None;
        }
        let is_oversize = filler.is_oversize();
        let records = filler.into_records();
        let mut holds = Vec::new();
        for record in &records {
            if let Some(receipt) = record.receipt()
                && let Some(held) = self.held.get_mut(receipt)
            {
                held.stage = Stage::InRun;
            }
            if let Some(group) =
                record.group().filter(|group| !holds.contains(&Hold::Group((*group).clone())))
            {
                holds.push(Hold::Group(group.clone()));
            }
        }
        Some(Batch { records, holds, why, is_oversize, finale: None })
    }

    /// A batch that was taken is a batch run from now on, which holds its groups.
    pub(crate) fn hold_batch(&mut self, id: BatchRunId, holds: &[Hold]) {
        for hold in holds {
            if let Hold::Group(group) = hold {
                let before = self.groups.insert(group.clone(), id);
                // O-1: no group is in two batches.
                crate::rule!(O1, before.is_none());
            }
        }
    }

    /// The batch run that holds a group.
    pub(crate) fn holder(&self, group: &Bytes) -> Option<BatchRunId> {
        self.groups.get(group).copied()
    }

    pub(crate) fn release_group(&mut self, group: &Bytes) {
        self.groups.remove(group);
    }

    /// Forgets the messages of a batch about to start whose visibility has lapsed: they are another's by now.
    /// Whether there were any.
    pub(crate) fn forget_lapsed(&mut self, records: &[Record], cx: &mut Context) -> bool {
        let now = cx.now.tick;
        let mut any = false;
        for record in records {
            let Some(receipt) = record.receipt() else { continue };
            let is_lapsed = self
                .held
                .get(receipt)
                .is_none_or(|held| held.visible_until.is_some_and(|until| until <= now));
            if is_lapsed {
                cx.counts.receipts_lost += u64::from(self.forget(receipt).is_some());
                any = true;
            }
        }
        any
    }

    /// Waiting messages whose visibility has lapsed are another's by now.
    fn lose_lapsed_waiting(&mut self, cx: &mut Context) {
        let now = cx.now.tick;
        let is_waiting =
            |it: &Receipt| self.held.get(it).is_some_and(|held| matches!(held.stage, Stage::Waiting(_)));
        let lapsed = self.lapses.iter().take_while(|(until, _)| *until <= now).map(|(_, it)| it);
        let lapsed: Vec<Receipt> = lapsed.filter(|it| is_waiting(it)).cloned().collect();
        let lost = self.lose_receipts(lapsed, cx);
        self.send_groups_back(&lost.waiting, cx);
        cx.give_room(&lost.waiting);
    }

    /// O-1: these messages come again, so all that wait of their groups go back to their queue, and none
    /// overtakes them.
    pub(crate) fn send_groups_back(&mut self, gone: &[Record], cx: &mut Context) {
        let groups: BTreeSet<Bytes> = gone.iter().filter_map(Record::group).cloned().collect();
        self.send_waiting_of_groups_back(&groups, cx);
    }

    pub(crate) fn send_waiting_of_groups_back(&mut self, groups: &BTreeSet<Bytes>, cx: &mut Context) {
        if groups.is_empty() {
            return;
        }
        if cx.is_closing() {
            return self.send_waiting_back(cx);
        }
        let is_stopped = |it: &Waiting| it.record.group().is_some_and(|group| groups.contains(group));
        let seqs: Vec<u64> =
            self.waiting.iter().filter(|(_, it)| is_stopped(it)).map(|(seq, _)| *seq).collect();
        let back: Vec<Record> =
            seqs.into_iter().filter_map(|seq| self.take_waiting(seq)).map(|it| it.record).collect();
        self.requeue(&back, cx);
    }

    /// Messages that were not tried are shown to their queue's readers at once.
    pub(crate) fn requeue(&mut self, records: &[Record], cx: &mut Context) {
        self.settle_all(records, Settle::Release);
        cx.give_room(records);
    }
}
