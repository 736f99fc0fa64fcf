//! The ledger of receipts: messages held by visibility, groups in order, credits for receives, settlements until they took effect.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::action::*;
use crate::assemble::{Filler, bytes_in_batch};
use crate::attempt::{Limits, Slice, Tried};
use crate::backoff::ask_again_delay;
use crate::chain::{Chain, ChainId, Hold, Step, What, group_of};
use crate::machine::Machine;
use crate::mutant::{Mutant, planted};
use crate::plan::{Plan, QueuePlan};
use crate::record::{Generation, Place, Receipt, Record};
use crate::scale::Scale;
use crate::time::Tick;
use crate::timers::Timer;
use crate::tracks::{RECORD_OVERHEAD_BYTES, Waiting, describe};

/// What a machine knows about its queue.
#[derive(Debug)]
pub(crate) struct Receipts {
    pub(crate) is_open: bool,
    /// Every message that we have a receipt for, until its settlement took effect.
    held: BTreeMap<Receipt, Held>,
    /// Messages by the tick at which they should be hidden for longer.
    lapses: BTreeSet<(Tick, Receipt)>,
    /// Messages that wait for a batch, in the order they came.
    pub(crate) waiting: BTreeMap<u64, Waiting>,
    waiting_bytes: u64,
    /// Groups that a chain holds.
    groups: BTreeMap<Bytes, ChainId>,
    reads: BTreeMap<ReadId, Receive>,
    settles: BTreeMap<SettleId, Vec<Settlement>>,
    to_settle: Vec<Settlement>,
    /// Settlements that failed, to be sent again, and how often in a row one did.
    failed: Vec<Settlement>,
    n_failed: u32,
    extends: BTreeMap<ExtendId, Vec<Receipt>>,
    pub(crate) scale: Option<Scale>,
    pub(crate) failing: Option<Failing>,
    pub(crate) idle_since: Option<Tick>,
}

#[derive(Debug)]
struct Held {
    visible_until: Option<Tick>,
    stage: Stage,
    is_extending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting(u64),
    InChain,
    Settling,
}

#[derive(Debug)]
struct Receive {
    room: u32,
    fills: bool,
}

/// A queue that cannot be received from.
#[derive(Debug)]
pub(crate) struct Failing {
    pub(crate) since: Tick,
    pub(crate) until: Tick,
    n: u32,
    pub(crate) error: String,
}

impl Receipts {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            is_open: false,
            held: BTreeMap::new(),
            lapses: BTreeSet::new(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            groups: BTreeMap::new(),
            reads: BTreeMap::new(),
            settles: BTreeMap::new(),
            to_settle: Vec::new(),
            failed: Vec::new(),
            n_failed: 0,
            extends: BTreeMap::new(),
            scale: plan.queue.as_ref().map(Scale::new),
            failing: None,
            idle_since: None,
        }
    }

    pub(crate) fn handle_plan(&mut self, plan: &Plan) {
        if self.scale.is_none() {
            self.scale = plan.queue.as_ref().map(Scale::new);
        }
    }

    /// Whether a receipt may still be acted on by the batch that has it.
    pub(crate) fn is_held(&self, receipt: &Receipt) -> bool {
        self.held.get(receipt).is_some_and(|held| held.stage != Stage::Settling)
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.reads.is_empty() && self.settles.is_empty() && self.to_settle.is_empty() && self.failed.is_empty() && self.extends.is_empty()
    }

    fn forget(&mut self, receipt: &Receipt) -> Option<Held> {
        let held = self.held.remove(receipt)?;
        if let Some(until) = held.visible_until {
            self.lapses.remove(&(until, receipt.clone()));
        }
        Some(held)
    }

    fn set_visible(&mut self, receipt: &Receipt, until: Option<Tick>) {
        let Some(held) = self.held.get_mut(receipt) else { return };
        if let Some(before) = std::mem::replace(&mut held.visible_until, until) {
            self.lapses.remove(&(before, receipt.clone()));
        }
        if let Some(until) = until.filter(|_| held.stage != Stage::Settling) {
            self.lapses.insert((until, receipt.clone()));
        }
    }
}

impl Machine {
    fn queue(&self) -> Option<QueuePlan> {
        self.plan.queue.clone()
    }

    pub(crate) fn received(&mut self, id: ReadId, read: Result<Read, SourceNotice>) {
        let (Some(queue), Some(receive)) = (self.queue(), self.receipts.reads.remove(&id)) else { return };
        let now = self.now.tick;
        match read {
            Ok(read) => {
                self.receipts.failing = None;
                self.timers.set(Timer::Rereceive, None);
                let is_empty = read.records.is_empty() && read.filtered.is_empty();
                if let Some(scale) = &mut self.receipts.scale {
                    match (is_empty, receive.fills) {
                        (true, false) => scale.was_empty(&queue),
                        (true, true) => {}
                        (false, _) => scale.brought(&queue, now),
                    }
                }
                self.receipts.idle_since = if is_empty { Some(self.receipts.idle_since.unwrap_or(now)) } else { None };
                self.hold(&queue, read);
            }
            Err(notice) => {
                let (error, asked) = describe(notice);
                let (n, since) = self.receipts.failing.as_ref().map_or((0, now), |failing| (failing.n + 1, failing.since));
                let until = now.after(asked.unwrap_or_else(|| ask_again_delay(n, self.seed_of(0x9e))));
                self.receipts.failing = Some(Failing { since, until, n, error });
                self.timers.set(Timer::Rereceive, Some(until));
            }
        }
        self.pump_queue();
    }

    fn hold(&mut self, queue: &QueuePlan, read: Read) {
        let now = self.now.tick;
        self.counts.polled += read.records.len() as u64 + u64::from(read.n_filtered);
        self.counts.filtered_out += u64::from(read.n_filtered);
        let guess = queue.visibility.map(|visibility| now.after(visibility));
        for receipt in read.filtered.into_iter().filter(|_| !planted(Mutant::KeepFiltered)) {
            self.receipts.held.insert(receipt.clone(), Held { visible_until: guess, stage: Stage::Settling, is_extending: false });
            self.receipts.to_settle.push(Settlement { receipt, how: Settle::Delete });
        }
        for record in read.records {
            let Place::Queue { receipt, visible_until } = &record.place else { continue };
            let (receipt, visible_until) = (receipt.clone(), *visible_until);
            let seq = self.next_id();
            self.receipts.held.insert(receipt.clone(), Held { visible_until: None, stage: Stage::Waiting(seq), is_extending: false });
            self.receipts.set_visible(&receipt, visible_until);
            self.held_bytes += record.n_bytes() + RECORD_OVERHEAD_BYTES;
            if self.is_closing() {
                // What cannot start goes back at once.
                self.settle_all(std::slice::from_ref(&record), Settle::Release);
                self.give_room(&[record]);
                continue;
            }
            self.receipts.waiting_bytes += bytes_in_batch(&record);
            self.receipts.waiting.insert(seq, Waiting { record, since: now });
        }
    }

    fn take_waiting(&mut self, seq: u64) -> Option<Waiting> {
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

    fn n_free_messages(&self) -> usize {
        if self.receipts.groups.is_empty() {
            return self.receipts.waiting.len();
        }
        self.receipts.waiting.values().filter(|it| !self.is_group_held(&it.record)).count()
    }

    fn is_group_held(&self, record: &Record) -> bool {
        !planted(Mutant::GroupsShared) && group_of(record).is_some_and(|group| self.receipts.groups.contains_key(group))
    }

    fn window_end(&self) -> Option<Tick> {
        let first = self.receipts.waiting.values().find(|it| !self.is_group_held(&it.record))?;
        Some(first.since.after(self.plan.batch.window))
    }

    fn is_window_over(&self) -> bool {
        self.held_bytes >= self.plan.held_bytes_max || self.window_end().is_some_and(|end| end <= self.now.tick)
    }

    /// Takes the next batch of waiting messages: no two batches share a group.
    pub(crate) fn take_pool_batch(&mut self) -> Option<ChainId> {
        if self.n_pool_batches() == 0 {
            return None;
        }
        let now = self.now.tick;
        let mut filler = Filler::new(&self.plan);
        let (mut taken, mut lapsed, mut why) = (Vec::new(), Vec::new(), BatchReason::Window);
        for (seq, it) in &self.receipts.waiting {
            if self.is_group_held(&it.record) {
                continue;
            }
            if is_lapsed(&self.receipts, &it.record, now) {
                lapsed.push(*seq);
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
        for seq in lapsed {
            if let Some(it) = self.take_waiting(seq) {
                self.lose(&it.record);
            }
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

    /// Messages of a batch about to start whose visibility has lapsed are another's by now.
    pub(crate) fn drop_lapsed(&mut self, id: ChainId) {
        let now = self.now.tick;
        let Some(chain) = self.chains.get(&id) else { return };
        let Some(Step { what: What::Try(tried), .. }) = chain.steps.front() else { return };
        let (lapsed, fresh): (Vec<Record>, Vec<Record>) =
            tried.slice.records().iter().cloned().partition(|it| is_lapsed(&self.receipts, it, now));
        if lapsed.is_empty() {
            return;
        }
        lapsed.iter().for_each(|record| self.lose(record));
        let Some(chain) = self.chains.get_mut(&id) else { return };
        if let Some(Step { what: What::Try(tried), .. }) = chain.steps.front_mut() {
            tried.slice = Slice::new(fresh);
        }
    }

    /// A receipt is void: its message is forgotten.
    fn lose(&mut self, record: &Record) {
        if let Place::Queue { receipt, .. } = &record.place {
            self.counts.receipts_lost += u64::from(self.receipts.forget(receipt).is_some());
        }
        self.give_room(std::slice::from_ref(record));
    }

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
            self.receipts.to_settle.push(Settlement { receipt: receipt.clone(), how });
        }
    }

    /// Messages that failed and that their queue brings again; later messages of their groups go back too, so that none overtakes.
    pub(crate) fn leave(&mut self, left: &[Record], id: ChainId) {
        if left.is_empty() {
            return;
        }
        if let (Some(scale), Some(queue)) = (&mut self.receipts.scale, &self.plan.queue) {
            scale.failed(queue, self.now.tick);
        }
        self.settle_all(left, if planted(Mutant::DeleteFailed) { Settle::Delete } else { Settle::Leave });
        self.give_room(left);
        let groups: BTreeSet<Bytes> = left.iter().filter_map(group_of).cloned().collect();
        if groups.is_empty() || planted(Mutant::GroupGoesOn) {
            return;
        }
        let is_stopped = |record: &Record| group_of(record).is_some_and(|group| groups.contains(group));
        let seqs: Vec<u64> = self.receipts.waiting.iter().filter(|(_, it)| is_stopped(&it.record)).map(|(seq, _)| *seq).collect();
        let mut back: Vec<Record> = seqs.into_iter().filter_map(|seq| self.take_waiting(seq)).map(|it| it.record).collect();
        if let Some(chain) = self.chains.get_mut(&id) {
            for step in &mut chain.steps {
                let (stopped, kept): (Vec<Record>, Vec<Record>) = step.records().iter().cloned().partition(is_stopped);
                if stopped.is_empty() {
                    continue;
                }
                back.extend(stopped);
                match &mut step.what {
                    What::Filling(it) => it.records = kept,
                    What::Try(it) => it.slice = Slice::new(kept),
                    What::Tell(it) => it.slice = Slice::new(kept),
                }
            }
            chain.steps.retain(|step| !step.records().is_empty());
        }
        self.settle_all(&back, Settle::Release);
        self.give_room(&back);
    }

    /// The function failed or was not reached: fewer receives.
    pub(crate) fn slow_down(&mut self) {
        if let (Some(scale), Some(queue)) = (&mut self.receipts.scale, &self.plan.queue) {
            scale.failed(queue, self.now.tick);
        }
    }

    pub(crate) fn settled(&mut self, id: SettleId, answers: Vec<(Receipt, Settled)>) {
        let Some(asked) = self.receipts.settles.remove(&id) else { return };
        let answers: BTreeMap<Receipt, Settled> = answers.into_iter().collect();
        let now = self.now.tick;
        let mut has_failed = false;
        for settlement in asked {
            match answers.get(&settlement.receipt).copied().unwrap_or(Settled::Failed) {
                Settled::Done => {
                    self.receipts.forget(&settlement.receipt);
                    match settlement.how {
                        Settle::Delete => self.counts.deleted += 1,
                        Settle::Leave | Settle::Release | Settle::Nack => self.counts.handed_back += 1,
                    }
                }
                Settled::Lost => self.counts.receipts_lost += u64::from(self.receipts.forget(&settlement.receipt).is_some()),
                Settled::Failed => {
                    let until = self.receipts.held.get(&settlement.receipt).map(|held| held.visible_until);
                    match until {
                        // It lapsed meanwhile: the queue has it again.
                        Some(Some(until)) if until <= now => {
                            self.counts.receipts_lost += u64::from(self.receipts.forget(&settlement.receipt).is_some());
                        }
                        Some(_) if planted(Mutant::SettledTwice) => {
                            self.receipts.forget(&settlement.receipt);
                        }
                        Some(_) => {
                            has_failed = true;
                            self.receipts.failed.push(settlement);
                        }
                        None => {}
                    }
                }
            }
        }
        if has_failed {
            let delay = ask_again_delay(self.receipts.n_failed, self.seed_of(0x5e));
            self.receipts.n_failed += 1;
            self.timers.set(Timer::Resettle, Some(now.after(delay)));
        } else {
            self.receipts.n_failed = 0;
        }
    }

    /// Sends again what failed.
    pub(crate) fn resettle(&mut self) {
        let failed = std::mem::take(&mut self.receipts.failed);
        self.receipts.to_settle.extend(failed);
    }

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

    fn lose_receipt(&mut self, receipt: &Receipt) {
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
        for receipt in gone {
            self.lose_receipt(&receipt);
        }
    }

    /// What has not started goes back at once; what runs is awaited.
    pub(crate) fn close_queue(&mut self) {
        let seqs: Vec<u64> = self.receipts.waiting.keys().copied().collect();
        let records: Vec<Record> = seqs.into_iter().filter_map(|seq| self.take_waiting(seq)).map(|it| it.record).collect();
        self.settle_all(&records, Settle::Release);
        self.give_room(&records);
        let ids: Vec<ChainId> = self.chains.keys().copied().collect();
        for id in ids {
            self.hand_back(id);
        }
        self.pump_queue();
    }

    /// Gives back what is left of a queue's batch, unless its first step is still out.
    pub(crate) fn hand_back(&mut self, id: ChainId) {
        use crate::chain::Status;
        let Some(chain) = self.chains.get_mut(&id) else { return };
        if matches!(chain.status, Status::InFlight { .. } | Status::Delivering { .. })
            || !chain.records().any(|it| matches!(it.place, Place::Queue { .. }))
        {
            return;
        }
        let records: Vec<Record> = chain.records().cloned().collect();
        chain.steps.clear();
        self.settle_all(&records, Settle::Release);
        self.give_room(&records);
        self.advance(id);
    }

    /// Receives, settles and extends where that is due.
    pub(crate) fn pump_queue(&mut self) {
        let Some(queue) = self.queue() else { return };
        if !self.receipts.to_settle.is_empty() {
            let settlements = std::mem::take(&mut self.receipts.to_settle);
            let id = SettleId(self.next_id());
            self.receipts.settles.insert(id, settlements.clone());
            self.actions.push_back(Action::Settle(id, settlements));
        }
        self.order_receives(&queue);
        let window = self.window_end().filter(|end| *end > self.now.tick);
        self.timers.set(Timer::QueueWindow, window);
        let lapse = queue.visibility.and_then(|visibility| {
            let mut lapses = self.receipts.lapses.iter();
            let next = lapses.find(|(_, receipt)| self.receipts.held.get(receipt).is_some_and(|held| !held.is_extending))?;
            let early = Tick(next.0.0.saturating_sub(u64::try_from(visibility.as_micros() / 2).unwrap_or(u64::MAX)));
            // An extension that failed is asked again a little later, not at once.
            Some(early.max(self.now.tick.after(visibility / 20)))
        });
        self.timers.set(Timer::Visibility, lapse);
    }

    /// A receive needs a credit, so that nothing is received that cannot start.
    fn order_receives(&mut self, queue: &QueuePlan) {
        let is_waiting_after_failure = self.receipts.failing.as_ref().is_some_and(|failing| failing.until > self.now.tick);
        if self.is_closing() || !self.receipts.is_open || is_waiting_after_failure {
            return;
        }
        let Some(n_reads_max) = self.receipts.scale.as_ref().map(|scale| scale.target(queue)) else { return };
        let credits_max = self.plan.concurrency_max.map_or(queue.pollers_max, |max| max.min(queue.pollers_max)).get() as usize;
        let batch = self.plan.batch.records_max.get() as usize;
        while self.receipts.reads.len() < n_reads_max && (self.held_bytes < self.plan.held_bytes_max || self.held_bytes == 0) {
            let n_waiting = self.receipts.waiting.len();
            let filling: usize = self.receipts.reads.values().filter(|it| it.fills).map(|it| it.room as usize).sum();
            let n_new = self.receipts.reads.values().filter(|it| !it.fills).count();
            let lack = if n_waiting.is_multiple_of(batch) { 0 } else { batch - n_waiting % batch };
            let left = self.window_end().map(|end| self.now.tick.until(end)).filter(|left| !left.is_zero());
            let (room, fills, wait) = match left {
                Some(left) if lack > filling => (lack - filling, true, left.min(queue.wait_max)),
                Some(_) | None if self.chains.len() + n_waiting.div_ceil(batch) + n_new < credits_max => (batch, false, queue.wait_max),
                Some(_) | None => return,
            };
            let room = u32::try_from(room).unwrap_or(u32::MAX).min(queue.receive_max.get());
            let id = ReadId(self.next_id());
            self.receipts.reads.insert(id, Receive { room, fills });
            self.actions.push_back(Action::Read(ReadOrder { id, track: None, records_max: room, bytes_max: u64::MAX, wait, lanes: 1 }));
        }
    }

    /// Messages held, for operators.
    pub(crate) fn n_messages_waiting(&self) -> usize {
        self.receipts.waiting.len()
    }
}

fn is_lapsed(receipts: &Receipts, record: &Record, now: Tick) -> bool {
    let Place::Queue { receipt, .. } = &record.place else { return false };
    match receipts.held.get(receipt) {
        Some(held) => held.visible_until.is_some_and(|until| until <= now),
        None => true,
    }
}
