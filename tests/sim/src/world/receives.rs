//! Receives: what a queue hands out is hidden from then on, and arrives at once, late, twice or never.

use bytes::Bytes;
use forebay_batcher::{
    Generation, OrderKey, Place, QueuePlace, Read, ReadId, ReadOrder, Receipt, Record, Section, SourceNotice,
    Tick,
};
use forebay_models::queue::{Handle, Whereabouts};

use super::World;
use super::events::Event;
use super::tracks::{OpenRead, body};
use crate::coverage::Point;
use crate::oracle::{CALL_US, Entry, Violation, decimal, handle_number, name};

impl World {
    /// The machine receives.
    pub(super) fn receive(&mut self, order: ReadOrder) -> Result<(), Violation> {
        self.oracle.q6_an_empty_queue_is_asked_by_few(self.reads.len() + 1, self.queue.n_empty)?;
        self.oracle.g1_receives_keep_their_limits(self.reads.len() + 1, &order)?;
        self.oracle.s5_a_read_waits(None, self.now_us)?;
        let n_asked = self
            .reads
            .values()
            .filter(|read| !read.is_answered)
            .map(|read| u64::from(read.order.records_max))
            .sum();
        self.oracle.q6_no_more_is_received_than_can_start(n_asked, &order)?;
        let (life, id) = (self.life, order.id);
        // Where the platform fails, its queue does now and then too.
        if self.is_stubborn_source(None).is_some()
            || self.strikes(self.options.faults.platform / 4, Point::ReadDown)
        {
            let at = self.soon(20);
            let notice = SourceNotice::Down { error: "no route".into() };
            self.events.push(at, Event::ReadFails { life, id, notice });
            self.reads.insert(
                id,
                OpenRead { order, sent_us: self.now_us, parked: false, is_answered: true, former: None },
            );
            return Ok(());
        }
        let wait_us = u64::try_from(order.wait.as_micros()).unwrap_or(u64::MAX);
        self.events.push(self.now_us + wait_us.max(1000), Event::ReadAnswer { life, id });
        self.reads.insert(
            id,
            OpenRead { order, sent_us: self.now_us, parked: true, is_answered: false, former: None },
        );
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

    /// A queue answers a receive; what it hands out is hidden from here on, whenever it arrives, if it does.
    pub(super) fn hand_out(&mut self, life: u32, id: ReadId) -> Result<(), Violation> {
        if !self.is_alive(life) {
            return Ok(());
        }
        let Some(open) = self.reads.get_mut(&id).filter(|open| !open.is_answered) else { return Ok(()) };
        (open.parked, open.is_answered) = (false, true);
        let (order, sent_us) = (open.order.clone(), open.sent_us);
        let read = self.receive_now(&order, sent_us)?;
        let brings = !read.records.is_empty() || !read.filtered.is_empty();
        if brings && self.strikes(self.options.faults.receive_unheard, Point::ReceiveUnheard) {
            let at = self.soon(20);
            self.events.push(
                at,
                Event::ReadFails { life, id, notice: SourceNotice::Down { error: "no answer".into() } },
            );
            return Ok(());
        }
        let late = brings && self.strikes(self.options.faults.receive_late, Point::ReceiveLate);
        let at = if late { self.as_late_as_a_visibility() } else { self.now_us };
        let at = self.stall.at_the_earliest(at);
        if at > self.now_us {
            self.events.push(at, Event::ReadArrives { life, id, read: Box::new(read) });
        } else {
            self.arrive(life, id, read)?;
        }
        Ok(())
    }

    /// What a queue handed out reaches the machine.
    pub(super) fn arrive(&mut self, life: u32, id: ReadId, read: Read) -> Result<(), Violation> {
        if !self.is_alive(life) {
            return Ok(());
        }
        let Some(open) = self.reads.remove(&id) else { return Ok(()) };
        let believed_us = self.visibility_us().map_or(u64::MAX, |span| open.sent_us + span);
        let slack_us = self.visibility_us().map_or(0, |span| span / 10 + CALL_US);
        for receipt in read.records.iter().filter_map(Record::receipt).chain(&read.filtered) {
            let at = handle_number(&receipt.handle);
            (self.oracle.entries[at].handed, self.oracle.entries[at].handed_us) = (true, self.now_us);
            self.oracle.hold(at, believed_us, believed_us < self.now_us + slack_us);
        }
        let is_empty = read.records.is_empty() && read.filtered.is_empty();
        self.queue.n_empty =
            if is_empty && !self.oracle.holds_what_has_not_started() { self.queue.n_empty + 1 } else { 0 };
        self.queue.is_failing = false;
        self.count_read(&read);
        self.double_read(life, id, &read);
        self.oracle.hear_of_a_read(None);
        self.oracle.hear_of_messages(&read, self.now_us);
        self.give_read(life, id, Ok(read));
        self.judge_receives(!is_empty)
    }

    /// A tick up to a fifth beyond a visibility from now.
    pub(super) fn as_late_as_a_visibility(&mut self) -> u64 {
        let span_ms = self.visibility_us().unwrap_or(60_000_000) / 1000 * 6 / 5;
        self.soon(u32::try_from(span_ms).expect("visibility is short"))
    }

    /// What a receive brings.
    fn receive_now(&mut self, order: &ReadOrder, sent_us: u64) -> Result<Read, Violation> {
        let visibility = self.visibility_us();
        let mut got = self.queue.queue.receive(self.now_us, order.records_max as usize, visibility);
        for (idx, _) in &got {
            self.comes_again(*idx)?;
        }
        if let Some((first, handle)) = got.first().copied()
            && self.strikes(self.options.faults.repeat, Point::Repeated)
            && let Some(again) = self.queue.queue.repeat(first, self.now_us, visibility)
        {
            got.push((first, again));
            self.queue.repeated = Some(handle);
        }
        let mut read = Read::default();
        for (idx, handle) in got {
            let message = &self.queue.queue.messages()[idx];
            let (uid, n_receives) = (message.value, message.n_receives);
            let receives_left = self.options.receives_max.map(|max| max.saturating_sub(n_receives));
            let generation = self.queue.generation;
            let at = usize::try_from(handle.0).expect("few receives");
            assert_eq!(at, self.oracle.entries.len(), "handles are dense");
            let repeated = self.queue.repeated == Some(handle);
            let never_extended = self.strikes(self.options.faults.extend_never, Point::ExtendNever);
            let entry = Entry {
                uid,
                life: self.life,
                generation,
                repeated,
                never_extended,
                excused: repeated || never_extended,
                receives_left,
                ..Entry::default()
            };
            self.oracle.entries.push(entry);
            self.queue.receipts.resize(self.queue.receipts.len().max(idx + 1), None);
            self.queue.receipts[idx] = Some(at);
            let receipt = Receipt { handle: handle_text(handle), generation: Generation(generation) };
            let truth = &self.oracle.truths[uid as usize];
            if truth.wanted {
                let visible_until = visibility.map(|span| Tick(sent_us + span));
                read.records.push(Record {
                    id: name(truth.name),
                    place: Place::Queue(Box::new(QueuePlace {
                        receipt,
                        visible_until,
                        receives_left,
                        n_receives: Some(n_receives),
                    })),
                    key: truth.key.map_or(OrderKey::Free, crate::oracle::order_key),
                    arrival: truth.arrival,
                    bytes: body(uid, truth.n_bytes).into(),
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
        Ok(read)
    }

    /// A queue hands a message out that it may have handed out before.
    fn comes_again(&mut self, idx: usize) -> Result<(), Violation> {
        let Some(before) = self.queue.receipts.get(idx).copied().flatten() else { return Ok(()) };
        self.oracle.q3_what_is_held_stays_hidden(before, "comes again")?;
        if self.oracle.entries[before].in_flight {
            self.coverage.hit(Point::AgainWhileTried);
        }
        Ok(())
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

/// A receipt handle as the queue writes it.
fn handle_text(handle: Handle) -> Bytes {
    Bytes::copy_from_slice(decimal(handle.0, &mut [0; 40]))
}
