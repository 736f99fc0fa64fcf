//! The queue side: receives, settlements, extensions, channels that die.

use bytes::Bytes;
use forebay_batcher::{
    ExtendId, Extended, Generation, Lost, OrderKey, Place, Read, ReadOrder, Receipt, Record, RecordId, Section, Settle, SettleId, Settled,
    Settlement, SourceNotice, Tick,
};
use forebay_models::queue::{Handle, Queue, Whereabouts};

use super::World;
use super::events::Event;
use super::tracks::{OpenRead, body};
use crate::coverage::Point;
use crate::oracle::{Entry, Violation, handle_number};

/// The queue and the channel that receipts belong to.
#[derive(Debug)]
pub(super) struct QueueSide {
    pub(super) queue: Queue<u32>,
    pub(super) generation: u32,
    wakes_at: Option<u64>,
}

impl QueueSide {
    pub(super) fn new(receives_max: Option<u32>) -> Self {
        Self { queue: Queue::new(receives_max), generation: 0, wakes_at: None }
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

    /// The machine receives.
    pub(super) fn receive(&mut self, order: ReadOrder) -> Result<(), Violation> {
        self.oracle.g1_receives_keep_their_limits(self.reads.len() + 1, &order)?;
        let (life, id) = (self.life, order.id);
        // Where the platform fails, its queue does now and then too.
        if self.strikes(self.options.faults.platform / 4, Point::ReadDown) {
            let at = self.soon(20);
            let notice = SourceNotice::Down { error: "no route".into() };
            self.events.push(at, Event::ReadFails { life, id, notice });
            self.reads.insert(id, OpenRead { order, sent_us: self.now_us, parked: false });
            return Ok(());
        }
        let wait_us = u64::try_from(order.wait.as_micros()).unwrap_or(u64::MAX);
        self.events.push(self.now_us + wait_us.max(1000), Event::ReadAnswer { life, id });
        self.reads.insert(id, OpenRead { order, sent_us: self.now_us, parked: true });
        self.wake_queue();
        Ok(())
    }

    /// Lets a receive that waits have what is visible, or looks again when something will be.
    pub(super) fn wake_queue(&mut self) {
        let Some(id) = self.reads.iter().find(|(_, read)| read.parked).map(|(id, _)| *id) else { return };
        if self.queue.queue.has_visible(self.now_us) {
            self.unpark(id);
        } else if let Some(at) = self.queue.queue.next_visible(self.now_us)
            && self.queue.wakes_at.is_none_or(|known| known <= self.now_us || at < known)
        {
            self.queue.wakes_at = Some(at);
            self.events.push(at, Event::QueueWakes);
        }
    }

    /// What a receive brings.
    pub(super) fn receive_now(&mut self, order: &ReadOrder, sent_us: u64) -> Read {
        let visibility = self.visibility_us();
        let mut got = self.queue.queue.receive(self.now_us, order.records_max as usize, visibility);
        if let Some((first, _)) = got.first().copied()
            && self.strikes(self.options.faults.repeat, Point::Repeated)
            && let Some(handle) = self.queue.queue.repeat(first, self.now_us, visibility)
        {
            got.push((first, handle));
        }
        let mut read = Read::default();
        for (idx, handle) in got {
            let message = &self.queue.queue.messages()[idx];
            let (uid, n_receives) = (message.value, message.n_receives);
            let receives_left = self.options.receives_max.map(|max| max.saturating_sub(n_receives));
            let generation = self.queue.generation;
            let entry = Entry { uid, handed: true, life: self.life, generation, ..Entry::default() };
            let at = usize::try_from(handle.0).expect("few receives");
            assert_eq!(at, self.oracle.entries.len(), "handles are dense");
            self.oracle.entries.push(entry);
            let receipt = Receipt { handle: Bytes::copy_from_slice(&handle.0.to_be_bytes()), generation: Generation(generation) };
            let truth = &self.oracle.truths[uid as usize];
            if truth.wanted {
                let visible_until = visibility.map(|span| Tick(sent_us + span));
                read.records.push(Record {
                    id: RecordId::new(&truth.name.to_be_bytes()),
                    place: Place::Queue { receipt, visible_until, receives_left, n_receives: Some(n_receives) },
                    key: truth.key.map_or(OrderKey::Free, crate::oracle::order_key),
                    arrival: truth.arrival,
                    bytes: body(uid, truth.n_bytes),
                    section: Section::default(),
                });
            } else {
                self.oracle.entries[at].finished = true;
                read.filtered.push(receipt);
                read.n_filtered += 1;
            }
        }
        self.note_the_dead();
        self.wake_queue();
        read
    }

    /// The machine settles.
    pub(super) fn settle(&mut self, id: SettleId, settlements: Vec<Settlement>) -> Result<(), Violation> {
        self.oracle.q1_a_receipt_is_settled_once_and_deleted_only_when_finished(&settlements)?;
        for settlement in &settlements {
            self.oracle.entries[handle_number(&settlement.receipt.handle)].settling = true;
        }
        self.oracle.settles.insert(id);
        let at = self.soon(50);
        let life = self.life;
        self.events.push(at, Event::SettleLands { life, id, settlements });
        Ok(())
    }

    /// A settlement reaches the queue.
    pub(super) fn settle_lands(&mut self, life: u32, id: SettleId, settlements: Vec<Settlement>) {
        let mut answers = Vec::new();
        for Settlement { receipt, how } in settlements {
            let faults = self.options.faults.clone();
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
            answers.push((receipt, answer));
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
        if self.oracle.settles.remove(&id) {
            for (receipt, answer) in &answers {
                let entry = &mut self.oracle.entries[handle_number(&receipt.handle)];
                entry.settling = false;
                match answer {
                    Settled::Done => {
                        entry.settled = true;
                        self.oracle.tally.deleted += u64::from(entry.finished);
                    }
                    Settled::Lost => entry.void = true,
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
    pub(super) fn extend(&mut self, id: ExtendId, receipts: Vec<Receipt>, span: std::time::Duration) -> Result<(), Violation> {
        for receipt in &receipts {
            self.oracle.q1_a_settled_receipt_rests(handle_number(&receipt.handle), "extended")?;
        }
        let at = self.soon(50);
        let span_us = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let (life, sent_us) = (self.life, self.now_us);
        self.events.push(at, Event::ExtendLands { life, id, receipts, span_us, sent_us });
        Ok(())
    }

    /// An extension reaches the queue.
    pub(super) fn extend_lands(&mut self, life: u32, id: ExtendId, receipts: Vec<Receipt>, span_us: u64, sent_us: u64) {
        let mut answers = Vec::new();
        for receipt in receipts {
            let answer = if self.strikes(self.options.faults.extend_failed, Point::ExtendFailed) {
                Extended::Failed
            } else {
                let handle = Handle(handle_number(&receipt.handle) as u64);
                match self.queue.queue.hide(handle, self.now_us, span_us) {
                    Ok(_) => Extended::Until(Tick(sent_us + span_us)),
                    Err(_) => {
                        self.coverage.hit(Point::Lapsed);
                        Extended::Lost
                    }
                }
            };
            answers.push((receipt, answer));
        }
        let at = self.soon(20);
        self.events.push(at, Event::Extended { life, id, answers });
    }

    /// The machine hears of an extension.
    pub(super) fn extended(&mut self, life: u32, id: ExtendId, answers: Vec<(Receipt, Extended)>) {
        if !self.is_alive(life) {
            return;
        }
        for (receipt, answer) in &answers {
            if *answer == Extended::Lost {
                self.oracle.entries[handle_number(&receipt.handle)].void = true;
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
            Settle::Leave => Ok(()),
            Settle::Release | Settle::Nack => queue.hide(handle, self.now_us, 0).map(|_| ()),
        };
        applied.map_or(Settled::Lost, |()| Settled::Done)
    }

    fn note_the_dead(&mut self) {
        for message in self.queue.queue.messages() {
            let truth = &mut self.oracle.truths[message.value as usize];
            if message.whereabouts == Whereabouts::Dead && !truth.gone {
                truth.gone = true;
                self.coverage.hit(Point::DeadLettered);
            }
        }
    }
}
