//! The books of a queue that several mappings share: who is expected, what each has ordered, what waits for
//! it, what is hidden until when.
//!
//! It calls nothing; `shared` does. A mapping that lags keeps nobody back: beyond [`PENDING_MAX`] messages or
//! [`PENDING_BYTES_MAX`] the queue keeps what it lacks, and it gets that when its visibility is over.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use forebay_batcher::{Generation, Place, Read, ReadOrder, Receipt, Record, RecordId, Settle, Settlement};
use tokio::time::Instant;

use super::ack_ledger::{Ack, AckLedger, Consumer, LEDGER_MAX, Wish};
use super::inbox::SubscriberId;

/// Messages that may wait for one mapping.
const PENDING_MAX: usize = 1_000;
/// Bytes of messages that may wait for mappings, over all; what must be kept may fill as much again before
/// receiving stops.
const PENDING_BYTES_MAX: u64 = 8 << 20;
/// Messages that may be out at once; at it nothing more is received.
const OPEN_MAX: usize = 20_000;
/// How long receiving waits for mappings that are expected: at first, and when one has left.
const PATIENCE: Duration = Duration::from_secs(2);
/// How much longer than its wait an order may be open: its receive answers first where it can.
const GRACE: Duration = Duration::from_millis(50);

/// The books of a shared queue.
pub(super) struct SharedQueue {
    pub(super) ledger: AckLedger,
    consumers: BTreeSet<Consumer>,
    seats: BTreeMap<SubscriberId, DeskSeat>,
    /// Bytes of what waits for mappings.
    pending_bytes: u64,
    /// Receives that were sent and are not answered.
    pub(super) n_receives: usize,
    patient_until: Instant,
    /// Until when the messages of open rounds are hidden.
    hidden: BTreeMap<Receipt, Instant>,
    /// When what waits for mappings is hidden for longer.
    pub(super) extend_at: Option<Instant>,
    /// Deletions that failed, and when they are asked again.
    pub(super) failed: Vec<Settlement>,
    pub(super) retry_at: Option<Instant>,
}

/// One mapping's place.
struct DeskSeat {
    consumer: Consumer,
    orders: VecDeque<OrderedRead>,
    pending: VecDeque<Record>,
    n_filtered: u32,
    /// It takes nothing more and settles what it has.
    is_resting: bool,
}

/// A read that a mapping has ordered.
struct OrderedRead {
    order: ReadOrder,
    until: Instant,
    /// A receive was sent since; another is worth while only as long as there is time left.
    is_tried: bool,
}

impl SharedQueue {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            ledger: AckLedger::new(LEDGER_MAX),
            consumers: BTreeSet::new(),
            seats: BTreeMap::new(),
            pending_bytes: 0,
            n_receives: 0,
            patient_until: now + PATIENCE,
            hidden: BTreeMap::new(),
            extend_at: None,
            failed: Vec::new(),
            retry_at: None,
        }
    }

    pub(super) fn expect(&mut self, consumer: Consumer) {
        self.consumers.insert(consumer);
    }

    pub(super) fn dismiss(&mut self, consumer: &Consumer) {
        self.consumers.remove(consumer);
    }

    /// A mapping takes its seat; one that it left behind is cleared.
    pub(super) fn join(&mut self, who: SubscriberId, consumer: Consumer, now: Instant) -> Vec<Settlement> {
        let old = self.seats.iter().find(|(_, seat)| seat.consumer == consumer).map(|(who, _)| *who);
        let settlements = old.map(|old| self.leave(old, now)).unwrap_or_default();
        self.expect(Consumer::clone(&consumer));
        self.seats.insert(
            who,
            DeskSeat {
                consumer,
                orders: VecDeque::new(),
                pending: VecDeque::new(),
                n_filtered: 0,
                is_resting: false,
            },
        );
        settlements
    }

    /// A mapping leaves its seat: what it was given and has not settled may still run, and is left.
    pub(super) fn leave(&mut self, who: SubscriberId, now: Instant) -> Vec<Settlement> {
        let (_, mut settlements) = self.rest(who, now);
        if let Some(seat) = self.seats.remove(&who) {
            settlements.extend(self.ledger.leave(&seat.consumer));
        }
        settlements
    }

    /// A mapping takes nothing more: its open orders are over, and what it was never given can be shown at
    /// once. It may come back, or all may be leaving: for a while nothing is received without it.
    pub(super) fn rest(&mut self, who: SubscriberId, now: Instant) -> (Vec<ReadOrder>, Vec<Settlement>) {
        let Some(seat) = self.seats.get_mut(&who) else { return (Vec::new(), Vec::new()) };
        self.patient_until = now + PATIENCE;
        self.ledger.shows_missed = true;
        seat.is_resting = true;
        let mut settlements = Vec::new();
        for record in seat.pending.drain(..) {
            self.pending_bytes -= record.held_bytes();
            let Place::Queue(place) = record.place else { continue };
            let receipt = place.receipt;
            if let Ack::Counted(last) =
                self.ledger.ack(&seat.consumer, &Settlement { receipt, how: Settle::Release })
            {
                settlements.extend(last);
            }
        }
        (seat.orders.drain(..).map(|it| it.order).collect(), settlements)
    }

    pub(super) fn consumer(&self, who: SubscriberId) -> Option<Consumer> {
        self.seats.get(&who).map(|seat| Consumer::clone(&seat.consumer))
    }

    /// Who is asked about a message: each mapping that is expected, with its subscriber if it is there.
    pub(super) fn asked(&self) -> Vec<(Consumer, Option<SubscriberId>)> {
        let is_there = |seat: &DeskSeat, consumer: &Consumer| seat.consumer == *consumer && !seat.is_resting;
        let who = |consumer: &Consumer| {
            self.seats.iter().find(|(_, seat)| is_there(seat, consumer)).map(|(who, _)| *who)
        };
        self.consumers.iter().map(|consumer| (Consumer::clone(consumer), who(consumer))).collect()
    }

    /// Somebody takes messages.
    pub(super) fn has_takers(&self) -> bool {
        self.seats.values().any(|seat| !seat.is_resting)
    }

    pub(super) fn order(&mut self, who: SubscriberId, order: ReadOrder, now: Instant) {
        if let Some(seat) = self.seats.get_mut(&who) {
            let until = now + order.wait;
            seat.orders.push_back(OrderedRead { order, until, is_tried: false });
        }
    }

    /// To be called before messages are given out or settled.
    pub(super) fn look_at(&mut self, now: Instant) {
        self.ledger.shows_missed = now < self.patient_until;
    }

    /// The next receive to send: as many run as the mapping with the most open orders has. Its room and its
    /// wait.
    pub(super) fn next_receive(&mut self, now: Instant) -> Option<(u32, Duration)> {
        let is_full = self.ledger.n_open() >= OPEN_MAX || self.pending_bytes >= 2 * PENDING_BYTES_MAX;
        if is_full || (now < self.patient_until && self.asked().iter().any(|(_, who)| who.is_none())) {
            return None;
        }
        let seat = self
            .seats
            .values_mut()
            .max_by_key(|seat| seat.orders.len())
            .filter(|seat| seat.orders.len() > self.n_receives)?;
        let order = seat.orders.iter_mut().find(|it| !it.is_tried || it.until > now)?;
        order.is_tried = true;
        self.n_receives += 1;
        Some((order.order.records_max, order.until.saturating_duration_since(now)))
    }

    /// Gives a message to one mapping: to be kept for it, or, when too much waits already, not now.
    pub(super) fn give(&mut self, who: SubscriberId, record: Option<Record>) -> Wish {
        let Some(seat) = self.seats.get_mut(&who) else { return Wish::Absent };
        let Some(record) = record else {
            seat.n_filtered = seat.n_filtered.saturating_add(1);
            return Wish::Filters;
        };
        let may_wait = match &record.place {
            Place::Queue(place) => place.receives_left.is_none_or(|left| left > 1),
            Place::Track(..) => false,
        };
        // A message of a group is always kept: the next of its group could overtake it.
        let is_full = seat.pending.len() >= PENDING_MAX || self.pending_bytes >= PENDING_BYTES_MAX;
        if is_full && may_wait && record.key == forebay_batcher::OrderKey::Free {
            return Wish::Absent;
        }
        self.pending_bytes += record.held_bytes();
        seat.pending.push_back(record);
        Wish::Wants
    }

    pub(super) fn hide(&mut self, receipt: &Receipt, until: Instant, visibility: Option<Duration>) {
        self.hidden.insert(receipt.clone(), until);
        if let Some(visibility) = visibility.filter(|_| self.extend_at.is_none()) {
            self.extend_at = Some(until - visibility + visibility / 3);
        }
    }

    pub(super) fn is_hidden(&self, receipt: &Receipt) -> bool {
        self.hidden.contains_key(receipt)
    }

    /// All have acked, so the message waits for nobody: it need not be hidden for longer.
    pub(super) fn show(&mut self, receipt: &Receipt) {
        self.hidden.remove(receipt);
    }

    /// A round is over before all have acked: what waits under its receipt is nobody's.
    pub(super) fn end_round(&mut self, receipt: &Receipt) {
        self.show(receipt);
        for seat in self.seats.values_mut() {
            seat.pending.retain(|it| {
                let is_over = it.receipt() == Some(receipt);
                self.pending_bytes -= if is_over { it.held_bytes() } else { 0 };
                !is_over
            });
        }
    }

    /// All rounds of a generation are over, and what was to be asked again of it is void.
    pub(super) fn lose_generation(&mut self, generation: Generation) {
        self.failed.retain(|it| it.receipt.generation != generation);
        for receipt in self.ledger.receipts_of(generation) {
            self.end_round(&receipt);
            self.ledger.lose(&receipt);
        }
    }

    /// The receipt of a message that is out, if it is.
    pub(super) fn receipt_of(&self, id: &RecordId) -> Option<Receipt> {
        self.ledger.receipt_of(id).cloned()
    }

    /// What waits for mappings and should be hidden for longer.
    pub(super) fn due(&self, soon: Instant) -> Vec<Receipt> {
        let waiting = self.seats.values().flat_map(|seat| &seat.pending);
        let receipts = waiting.filter_map(Record::receipt);
        let due: BTreeSet<&Receipt> =
            receipts.filter(|it| self.hidden.get(*it).is_some_and(|until| *until <= soon)).collect();
        due.into_iter().cloned().collect()
    }

    pub(super) fn has_pending(&self) -> bool {
        self.seats.values().any(|seat| !seat.pending.is_empty())
    }

    /// Answers that can be given now: orders for which something waits, and those whose wait is over.
    pub(super) fn answers(&mut self, now: Instant) -> Vec<(SubscriberId, ReadOrder, Read)> {
        let mut answers = Vec::new();
        for (who, seat) in &mut self.seats {
            while let Some(at) =
                seat.orders.iter().position(|it| !seat.pending.is_empty() || it.until + GRACE <= now)
            {
                let Some(OrderedRead { order, .. }) = seat.orders.remove(at) else { break };
                let n = seat.pending.len().min(order.records_max.max(1) as usize);
                let records: Vec<Record> = seat.pending.drain(..n).collect();
                self.pending_bytes -= records.iter().map(Record::held_bytes).sum::<u64>();
                let read =
                    Read { records, n_filtered: std::mem::take(&mut seat.n_filtered), ..Read::default() };
                answers.push((*who, order, read));
            }
        }
        answers
    }

    /// The oldest order of each mapping: a receive that failed is theirs.
    pub(super) fn oldest_orders(&mut self) -> Vec<(SubscriberId, ReadOrder)> {
        self.seats.iter_mut().filter_map(|(who, seat)| Some((*who, seat.orders.pop_front()?.order))).collect()
    }

    pub(super) fn all_orders(&mut self) -> Vec<(SubscriberId, ReadOrder)> {
        let orders = |(who, seat): (&SubscriberId, &mut DeskSeat)| {
            seat.orders.drain(..).map(|it| (*who, it.order)).collect::<Vec<_>>()
        };
        self.seats.iter_mut().flat_map(orders).collect()
    }

    pub(super) fn hidden_until(&self, receipt: &Receipt) -> Option<Instant> {
        self.hidden.get(receipt).copied()
    }

    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let orders = self.seats.values().flat_map(|seat| &seat.orders).map(|it| it.until + GRACE).min();
        let patience = Some(self.patient_until).filter(|it| *it > now && orders.is_some());
        [orders, patience, self.extend_at, self.retry_at].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use forebay_batcher::{OrderKey, QueuePlace, ReadId, Section, UnixMillis};

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
        shared_queue.order(
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
            assert_eq!(shared_queue.give(who, Some(record)), Wish::Wants);
            match n % 3 {
                0 => order(&mut shared_queue, who, now),
                1 => shared_queue.end_round(&its),
                _ => _ = shared_queue.rest(who, now),
            }
            assert_eq!(shared_queue.answers(now).len(), usize::from(n % 3 == 0));
            assert!(!shared_queue.has_pending());
        }
        let last = SubscriberId(60);
        shared_queue.join(last, "m".into(), now);
        order(&mut shared_queue, last, now);
        assert!(shared_queue.next_receive(now).is_some());
    }

    #[test]
    fn what_is_over_the_limit_is_refused_unless_it_could_be_overtaken_or_comes_no_more() {
        let now = Instant::now();
        let mut shared_queue = SharedQueue::new(now);
        let who = SubscriberId(1);
        shared_queue.join(who, "m".into(), now);
        for n in 0..PENDING_BYTES_MAX / BIG as u64 {
            assert_eq!(shared_queue.give(who, Some(message(n, BIG, OrderKey::Free, None))), Wish::Wants);
        }
        let group = || OrderKey::Key("group".into());
        for (key, receives_left, wish) in [
            (OrderKey::Free, None, Wish::Absent),
            (OrderKey::Free, Some(2), Wish::Absent),
            (OrderKey::Free, Some(1), Wish::Wants),
            (group(), None, Wish::Wants),
            (group(), Some(2), Wish::Wants),
        ] {
            assert_eq!(shared_queue.give(who, Some(message(99, 1, key, receives_left))), wish);
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
        assert_eq!(shared_queue.next_receive(now + PATIENCE / 2), None);
        assert!(shared_queue.next_receive(now + PATIENCE).is_some());
    }
}
