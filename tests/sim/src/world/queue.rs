//! The queue side: messages sent, settlements, extensions, channels that die. What is received is in
//! `receives`.

use forebay_batcher::{
    ExtendId, Extended, Generation, Lost, Receipt, Settle, SettleId, Settled, Settlement, Tick,
};
use forebay_models::queue::{Handle, Queue};

use super::World;
use super::events::Event;
use crate::coverage::Point;
use crate::oracle::{Violation, handle_number};

/// The queue and the channel that receipts belong to.
#[derive(Debug)]
pub(super) struct QueueSide {
    pub(super) queue: Queue<u32>,
    pub(super) generation: u32,
    pub(super) wakes_at: Option<u64>,
    /// Receives in a row that found it empty while nothing waited for more.
    pub(super) n_empty: u32,
    /// The last receive failed, so the next may wait.
    pub(super) is_failing: bool,
    /// The last receipt of each message.
    pub(super) receipts: Vec<Option<usize>>,
    /// The receipt whose message was handed out once more at once.
    pub(super) repeated: Option<Handle>,
}

impl QueueSide {
    pub(super) fn new(receives_max: Option<u32>) -> Self {
        Self {
            queue: Queue::new(receives_max),
            generation: 0,
            wakes_at: None,
            n_empty: 0,
            is_failing: false,
            receipts: Vec::new(),
            repeated: None,
        }
    }
}

impl World {
    /// Messages are sent.
    pub(super) fn send(&mut self, n: u32) {
        for _ in 0..n {
            let uid = self.new_record(0);
            let group = self.oracle.truths[uid as usize].key;
            self.queue.queue.send(uid, group);
        }
        self.wake_queue();
    }

    /// The machine settles.
    pub(super) fn settle(&mut self, id: SettleId, settlements: Vec<Settlement>) -> Result<(), Violation> {
        self.oracle.q1_a_receipt_is_settled_once_and_deleted_only_when_finished(&settlements)?;
        self.oracle.q7_what_failed_is_left(&settlements)?;
        if self.is_closing() {
            self.oracle.q5_nothing_is_shown_to_be_taken_away(self.reads.len(), &settlements)?;
        }
        let mut receipts = Vec::with_capacity(settlements.len());
        for settlement in &settlements {
            let at = handle_number(&settlement.receipt.handle);
            if self.queue.queue.honours(Handle(at as u64), self.now_us).is_err() {
                self.oracle.q3_what_is_held_stays_hidden(at, "is visible to others")?;
            }
            let entry = &mut self.oracle.entries[at];
            (entry.settling, entry.asked) = (true, true);
            let is_left = matches!(settlement.how, Settle::Leave | Settle::ShowAfter(_));
            entry.left |= is_left;
            if is_left {
                entry.left_us = entry.left_us.or(Some(self.now_us));
            }
            receipts.push(at);
        }
        let late = self.strikes(self.options.faults.settle_late, Point::SettleLate);
        let at = if late { self.as_late_as_a_visibility() } else { self.soon(50) };
        self.oracle.settles.insert(id, receipts);
        let life = self.life;
        self.events.push(at, Event::SettleLands { life, id, settlements });
        Ok(())
    }

    /// A settlement reaches the queue.
    pub(super) fn settle_lands(&mut self, life: u32, id: SettleId, settlements: Vec<Settlement>) {
        let mut answers = Vec::new();
        for Settlement { receipt, how } in settlements {
            let faults = self.options.faults.clone();
            let is_left_out = self.strikes(faults.left_out, Point::LeftOut);
            let answer = if self.strikes(faults.settle_failed, Point::DeleteFailed) {
                Settled::Failed
            } else {
                let applied = self.apply(&receipt, how);
                if applied == Settled::Done && self.strikes(faults.settle_unheard, Point::DeleteUnheard) {
                    Settled::Failed
                } else {
                    applied
                }
            };
            // Until it is asked again its message may lapse, as the machine believes or in truth.
            self.oracle.entries[handle_number(&receipt.handle)].excused |=
                is_left_out || answer == Settled::Failed;
            if !is_left_out {
                answers.push((receipt, answer));
            }
        }
        self.wake_queue();
        let at = self.soon(20);
        if self.strikes(self.options.faults.doubled, Point::DoubledAnswer) {
            let again = self.soon(200).max(at);
            self.events.push(again, Event::Settled { life, id, answers: answers.clone() });
        }
        self.events.push(at, Event::Settled { life, id, answers });
    }

    /// The machine hears of a settlement. Only the first answer counts.
    pub(super) fn settled(&mut self, life: u32, id: SettleId, answers: Vec<(Receipt, Settled)>) {
        if !self.is_alive(life) {
            return;
        }
        if let Some(asked) = self.oracle.settles.remove(&id) {
            for at in asked {
                let entry = &mut self.oracle.entries[at];
                entry.settling = false;
                entry.lost |= entry.void || entry.believed_most_us <= self.now_us;
            }
            for (receipt, answer) in &answers {
                let entry = &mut self.oracle.entries[handle_number(&receipt.handle)];
                match answer {
                    Settled::Done => {
                        entry.settled = true;
                        self.oracle.tally.deleted += u64::from(entry.finished);
                        self.oracle.tally.handed_back += u64::from(!entry.finished);
                    }
                    Settled::Lost => (entry.void, entry.lost) = (true, true),
                    Settled::Failed => {}
                }
            }
        }
        let now = self.now();
        if let Some(machine) = self.machine.as_mut() {
            machine.handle_settled(id, answers, now);
        }
    }

    /// The machine hides messages for longer.
    pub(super) fn extend(
        &mut self,
        id: ExtendId,
        receipts: Vec<Receipt>,
        span: std::time::Duration,
    ) -> Result<(), Violation> {
        for receipt in &receipts {
            self.oracle.q1_a_settled_receipt_rests(handle_number(&receipt.handle), "extended")?;
        }
        let late = self.strikes(self.options.faults.extend_late, Point::ExtendLate);
        let at = if late { self.as_late_as_a_visibility() } else { self.soon(50) };
        for receipt in receipts.iter().filter(|_| late) {
            self.oracle.entries[handle_number(&receipt.handle)].excused = true;
        }
        let span_us = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let (life, sent_us) = (self.life, self.now_us);
        self.events.push(at, Event::ExtendLands { life, id, receipts, span_us, sent_us });
        Ok(())
    }

    /// An extension reaches the queue.
    pub(super) fn extend_lands(
        &mut self,
        life: u32,
        id: ExtendId,
        receipts: Vec<Receipt>,
        span_us: u64,
        sent_us: u64,
    ) -> Result<(), Violation> {
        let faults = self.options.faults.clone();
        let late = self.strikes(faults.extend_late, Point::ExtendLate);
        let mut answers = Vec::new();
        for receipt in receipts {
            let entry = handle_number(&receipt.handle);
            let is_left_out = self.strikes(faults.left_out, Point::LeftOut);
            // Until it has lapsed: then the queue says so.
            let never = self.oracle.entries[entry].never_extended
                && self.queue.queue.honours(Handle(entry as u64), self.now_us).is_ok();
            let fails = never || self.strikes(faults.extend_failed, Point::ExtendFailed);
            let answer = if fails { Extended::Failed } else { self.hide(entry, span_us, sent_us)? };
            let is_unheard = matches!(answer, Extended::Until(_))
                && self.strikes(faults.extend_unheard, Point::ExtendUnheard);
            let answer = if is_unheard { Extended::Failed } else { answer };
            self.oracle.entries[entry].excused |= late || is_left_out || answer == Extended::Failed;
            if !is_left_out {
                answers.push((receipt, answer));
            }
        }
        let at = if late { self.as_late_as_a_visibility() } else { self.soon(20) };
        self.events.push(at, Event::Extended { life, id, answers });
        Ok(())
    }

    fn hide(&mut self, entry: usize, span_us: u64, sent_us: u64) -> Result<Extended, Violation> {
        if self.queue.queue.hide(Handle(entry as u64), self.now_us, span_us).is_ok() {
            return Ok(Extended::Until(Tick(sent_us + span_us)));
        }
        self.oracle.q3_what_is_held_stays_hidden(entry, "has lapsed")?;
        self.coverage.hit(Point::Lapsed);
        let mut flights = self.oracle.flights.values().filter(|flight| flight.entries.contains(&entry));
        let is_honoured =
            |other: &usize| self.queue.queue.honours(Handle(*other as u64), self.now_us).is_ok();
        if flights.any(|flight| flight.entries.iter().any(is_honoured)) {
            self.coverage.hit(Point::LapsedAlone);
        }
        Ok(Extended::Lost)
    }

    /// The machine hears of an extension.
    pub(super) fn extended(&mut self, life: u32, id: ExtendId, answers: Vec<(Receipt, Extended)>) {
        if !self.is_alive(life) {
            return;
        }
        for (receipt, answer) in &answers {
            let entry = &mut self.oracle.entries[handle_number(&receipt.handle)];
            match answer {
                Extended::Lost => (entry.void, entry.lost) = (true, entry.lost || !entry.asked),
                Extended::Until(until) => {
                    // What the machine believed to be lost it may have forgotten by now.
                    if entry.believed_us > self.now_us {
                        entry.believed_us = until.0;
                    }
                    entry.believed_most_us = entry.believed_most_us.max(until.0);
                }
                Extended::Failed => {}
            }
        }
        let now = self.now();
        if let Some(machine) = self.machine.as_mut() {
            machine.handle_extended(id, answers, now);
        }
    }

    /// The channel dies: all its receipts are void and its messages come again.
    pub(super) fn channel_dies(&mut self) {
        if self.visibility_us().is_some() {
            return;
        }
        self.coverage.hit(Point::ChannelDied);
        self.void_channel();
        let generation = Generation(self.queue.generation - 1);
        let now = self.now();
        if let Some(machine) = self.machine.as_mut() {
            machine.handle_lost(Lost::Generation(generation), now);
        }
        self.wake_queue();
    }

    /// Forgets the channel; with it goes what it held.
    pub(super) fn void_channel(&mut self) {
        for entry in &mut self.oracle.entries {
            entry.void |= entry.generation == self.queue.generation;
            entry.in_flight &= !entry.void;
        }
        self.queue.generation += 1;
        self.queue.queue.void_all();
    }

    /// How long a received message stays hidden.
    pub(super) fn visibility_us(&self) -> Option<u64> {
        let visibility = self.plan.queue.as_ref().and_then(|queue| queue.visibility);
        visibility.map(|span| u64::try_from(span.as_micros()).expect("visibility is short"))
    }

    fn apply(&mut self, receipt: &Receipt, how: Settle) -> Settled {
        if receipt.generation.0 != self.queue.generation {
            return Settled::Lost;
        }
        let handle = Handle(handle_number(&receipt.handle) as u64);
        let queue = &mut self.queue.queue;
        let applied = match how {
            Settle::Delete => queue.delete(handle, self.now_us).map(|idx| {
                let uid = queue.messages()[idx].value;
                self.oracle.truths[uid as usize].gone = true;
            }),
            Settle::Leave => match self.options.retry_after {
                Some(after) => {
                    self.coverage.hit(Point::RetryAfterLeft);
                    queue
                        .hide(handle, self.now_us, u64::try_from(after.as_micros()).expect("a short time"))
                        .map(|_| ())
                }
                None => Ok(()),
            },
            Settle::ShowAfter(wait) => {
                self.coverage.hit(Point::ShownAfter);
                queue
                    .hide(handle, self.now_us, u64::try_from(wait.as_micros()).expect("a short time"))
                    .map(|_| ())
            }
            Settle::Release | Settle::Nack => queue.hide(handle, self.now_us, 0).map(|_| ()),
        };
        applied.map_or(Settled::Lost, |()| Settled::Done)
    }
}
