//! The books of a queue that several mappings share: who is expected, what each has ordered, what waits for
//! it, what is hidden until when.
//!
//! It calls nothing; [`super::FanOut`] does.

use std::collections::BTreeSet;
use std::time::Duration;

use forebay_batcher::{Generation, ReadOrder, Receipt, Settle, Settlement};
use tokio::time::Instant;

use super::hidden::HiddenMessages;
use super::ledger::{AckLedger, LEDGER_MAX};
use super::retries::FailedDeletions;
use super::round::Ack;
use super::seats::FanOutSeats;
use crate::feed::inbox::{Consumer, SubscriberId};

/// Messages that may be out at once; at it nothing more is received.
const OPEN_MAX: usize = 20_000;
/// How long receiving waits for mappings that are expected: at first, and when one has left.
const PATIENCE: Duration = Duration::from_secs(2);

/// The books of a shared queue.
pub(super) struct SharedQueue {
    pub(super) ledger: AckLedger,
    pub(super) seats: FanOutSeats,
    pub(super) hidden: HiddenMessages,
    pub(super) retries: FailedDeletions,
    /// The mappings that are to finish every message, there or not.
    expected: BTreeSet<Consumer>,
    patient_until: Instant,
}

impl SharedQueue {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            ledger: AckLedger::new(LEDGER_MAX),
            seats: FanOutSeats::default(),
            hidden: HiddenMessages::default(),
            retries: FailedDeletions::default(),
            expected: BTreeSet::new(),
            patient_until: now + PATIENCE,
        }
    }

    pub(super) fn expect(&mut self, consumer: Consumer) {
        self.expected.insert(consumer);
    }

    pub(super) fn dismiss(&mut self, consumer: &Consumer) {
        self.expected.remove(consumer);
    }

    /// A mapping takes its seat; one that it left behind is cleared.
    pub(super) fn join(&mut self, who: SubscriberId, consumer: Consumer, now: Instant) -> Vec<Settlement> {
        // A life that began anew may be here before the old one's leave is: its acks would be the same
        // mapping's.
        let old = self.seats.of(&consumer);
        let settlements = old.map(|old| self.leave(old, now)).unwrap_or_default();
        self.expect(Consumer::clone(&consumer));
        self.seats.insert(who, consumer);
        settlements
    }

    /// A mapping leaves its seat: what it was given and has not settled may still run, and is left.
    pub(super) fn leave(&mut self, who: SubscriberId, now: Instant) -> Vec<Settlement> {
        let (_, mut settlements) = self.rest(who, now);
        if let Some(consumer) = self.seats.remove(who) {
            settlements.extend(self.ledger.leave(&consumer));
        }
        settlements
    }

    /// A mapping takes nothing more: its open orders are over, and what it was never given can be shown at
    /// once. It may come back, or all may be leaving: for a while nothing is received without it.
    pub(super) fn rest(&mut self, who: SubscriberId, now: Instant) -> (Vec<ReadOrder>, Vec<Settlement>) {
        let Some(consumer) = self.seats.consumer(who) else { return (Vec::new(), Vec::new()) };
        self.patient_until = now + PATIENCE;
        self.ledger.shows_missed = true;
        let (orders, unseen) = self.seats.rest(who);
        let mut settlements = Vec::new();
        for receipt in unseen {
            // An ack like any other: the others' rounds go on, and end as if it had handed the message back.
            let ack = self.ledger.ack(&consumer, &Settlement { receipt, how: Settle::Release });
            if let Ack::Counted(last) = ack {
                settlements.extend(last);
            }
        }
        (orders, settlements)
    }

    /// Who is asked about a message: each mapping that is expected, with its subscriber if it takes messages.
    pub(super) fn asked(&self) -> Vec<(Consumer, Option<SubscriberId>)> {
        let seated = |consumer: &Consumer| (Consumer::clone(consumer), self.seats.taker(consumer));
        self.expected.iter().map(seated).collect()
    }

    /// To be called before messages are given out or settled.
    pub(super) fn look_at(&mut self, now: Instant) {
        self.ledger.shows_missed = now < self.patient_until;
    }

    /// The next receive to send while so many are open: its room and its wait.
    pub(super) fn next_receive(&mut self, n_receives: usize, now: Instant) -> Option<(u32, Duration)> {
        if self.ledger.n_open() >= OPEN_MAX || self.seats.are_full() {
            return None;
        }
        // What comes without a mapping that is on its way comes again for it alone: a receive for nothing.
        if now < self.patient_until && self.asked().iter().any(|(_, who)| who.is_none()) {
            return None;
        }
        self.seats.next_receive(n_receives, now)
    }

    /// A round is over before all have acked: what waits under its receipt is nobody's.
    pub(super) fn end_round(&mut self, receipt: &Receipt) {
        self.hidden.show(receipt);
        self.seats.drop_waiting(receipt);
    }

    /// All rounds of a generation are over, and what was to be asked again of it is void.
    pub(super) fn lose_generation(&mut self, generation: Generation) {
        self.retries.lose(generation);
        for receipt in self.ledger.receipts_of(generation) {
            self.end_round(&receipt);
            self.ledger.lose(&receipt);
        }
    }

    /// What waits for mappings and is to be hidden for longer.
    pub(super) fn take_due(&mut self, now: Instant, visibility: Duration) -> Vec<Receipt> {
        self.hidden.take_due(now, visibility, self.seats.waiting())
    }

    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let orders = self.seats.first_overdue();
        // Whoever waits for a receive waits for the end of the patience too.
        let patience = Some(self.patient_until).filter(|it| *it > now && orders.is_some());
        [orders, patience, self.hidden.extend_at(), self.retries.at()].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use forebay_batcher::{
        OrderKey, Place, QueuePlace, ReadId, ReadOrder, Record, RecordId, Section, UnixMillis,
    };

    use crate::feed::fan_out::round::Wish;
    use crate::feed::fan_out::seats::PENDING_BYTES_MAX;

    use super::*;

    const BIG: usize = 1 << 20;

    fn message(n: u64, n_bytes: usize, key: OrderKey, receives_left: Option<u32>) -> Record {
        let receipt = Receipt { handle: n.to_string().into(), generation: Generation(0) };
        Record {
            id: RecordId::new(&n.to_be_bytes()),
            place: Place::Queue(Box::new(QueuePlace {
                receipt,
                visible_until: None,
                receives_left,
                n_receives: None,
            })),
            key,
            arrival: UnixMillis(0),
            bytes: vec![b'x'; n_bytes].into(),
            section: Section::default(),
        }
    }

    fn receipt(record: &Record) -> Receipt {
        record.receipt().expect("it is a message").clone()
    }

    fn order(shared_queue: &mut SharedQueue, who: SubscriberId, now: Instant) {
        let wait = Duration::from_secs(20);
        shared_queue.seats.order(
            who,
            ReadOrder { id: ReadId(1), track: None, records_max: 10, bytes_max: u64::MAX, wait, lanes: 1 },
            now,
        );
    }

    #[test]
    fn what_waited_for_mappings_that_were_answered_or_rest_does_not_stop_receiving() {
        let now = Instant::now();
        let mut shared_queue = SharedQueue::new(now);
        for n in 0..60 {
            let who = SubscriberId(n);
            shared_queue.join(who, "m".into(), now);
            let record = message(n, BIG, OrderKey::Free, None);
            let its = receipt(&record);
            assert_eq!(shared_queue.seats.give(who, Some(record)), Wish::Wants);
            match n % 3 {
                0 => order(&mut shared_queue, who, now),
                1 => shared_queue.end_round(&its),
                _ => _ = shared_queue.rest(who, now),
            }
            assert_eq!(shared_queue.seats.answers(now).len(), usize::from(n % 3 == 0));
            assert_eq!(shared_queue.seats.waiting().count(), 0);
        }
        let last = SubscriberId(60);
        shared_queue.join(last, "m".into(), now);
        order(&mut shared_queue, last, now);
        assert!(shared_queue.next_receive(0, now).is_some());
    }

    #[test]
    fn what_is_over_the_limit_is_refused_unless_it_could_be_overtaken_or_comes_no_more() {
        let now = Instant::now();
        let mut shared_queue = SharedQueue::new(now);
        let who = SubscriberId(1);
        shared_queue.join(who, "m".into(), now);
        for n in 0..PENDING_BYTES_MAX / BIG as u64 {
            assert_eq!(
                shared_queue.seats.give(who, Some(message(n, BIG, OrderKey::Free, None))),
                Wish::Wants
            );
        }
        let group = || OrderKey::Key("group".into());
        for (key, receives_left, wish) in [
            (OrderKey::Free, None, Wish::Absent),
            (OrderKey::Free, Some(2), Wish::Absent),
            (OrderKey::Free, Some(1), Wish::Wants),
            (group(), None, Wish::Wants),
            (group(), Some(2), Wish::Wants),
        ] {
            assert_eq!(shared_queue.seats.give(who, Some(message(99, 1, key, receives_left))), wish);
        }
    }

    #[test]
    fn after_a_mapping_rests_nothing_is_received_without_it_for_a_while() {
        let began = Instant::now();
        let now = began + 5 * PATIENCE;
        let mut shared_queue = SharedQueue::new(began);
        for (n, name) in [(1, "stays"), (2, "rests")] {
            shared_queue.join(SubscriberId(n), name.into(), began);
        }
        shared_queue.rest(SubscriberId(2), now);
        order(&mut shared_queue, SubscriberId(1), now);
        assert_eq!(shared_queue.next_receive(0, now + PATIENCE / 2), None);
        assert!(shared_queue.next_receive(0, now + PATIENCE).is_some());
    }
}
