//! The mappings of a shared queue that are there: what each has ordered, and what waits for it.
//!
//! A mapping that lags keeps nobody back: beyond [`PENDING_MAX`] messages or [`PENDING_BYTES_MAX`] the queue
//! keeps what it lacks, and it gets that when its visibility is over.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use forebay_batcher::{OrderKey, Place, Read, ReadOrder, Receipt, Record};
use tokio::time::Instant;

use super::round::Wish;
use crate::feed::inbox::{Consumer, SubscriberId};

/// Messages that may wait for one mapping.
const PENDING_MAX: usize = 1_000;
/// Bytes of messages that may wait for mappings, over all; what must be kept may fill as much again before
/// receiving stops.
pub(super) const PENDING_BYTES_MAX: u64 = 8 << 20;
/// How much longer than its wait an order may be open: its receive answers first where it can.
const GRACE: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct FanOutSeats {
    by_id: BTreeMap<SubscriberId, FanOutSeat>,
    /// Bytes of what waits for mappings.
    pending_bytes: u64,
}

/// One mapping's place.
struct FanOutSeat {
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

impl FanOutSeats {
    pub(super) fn insert(&mut self, who: SubscriberId, consumer: Consumer) {
        let (orders, pending) = (VecDeque::new(), VecDeque::new());
        self.by_id.insert(who, FanOutSeat { consumer, orders, pending, n_filtered: 0, is_resting: false });
    }

    /// Takes the seat of a mapping that rests away.
    pub(super) fn remove(&mut self, who: SubscriberId) -> Option<Consumer> {
        self.by_id.remove(&who).map(|seat| seat.consumer)
    }

    /// The seat of a mapping, if it is there.
    pub(super) fn of(&self, consumer: &Consumer) -> Option<SubscriberId> {
        self.by_id.iter().find(|(_, seat)| seat.consumer == *consumer).map(|(who, _)| *who)
    }

    /// The same, if it takes messages.
    pub(super) fn taker(&self, consumer: &Consumer) -> Option<SubscriberId> {
        let takes = |seat: &FanOutSeat| seat.consumer == *consumer && !seat.is_resting;
        self.by_id.iter().find(|(_, seat)| takes(seat)).map(|(who, _)| *who)
    }

    /// Somebody takes messages.
    pub(super) fn has_takers(&self) -> bool {
        self.by_id.values().any(|seat| !seat.is_resting)
    }

    pub(super) fn consumer(&self, who: SubscriberId) -> Option<Consumer> {
        self.by_id.get(&who).map(|seat| Consumer::clone(&seat.consumer))
    }

    pub(super) fn order(&mut self, who: SubscriberId, order: ReadOrder, now: Instant) {
        if let Some(seat) = self.by_id.get_mut(&who) {
            let until = now + order.wait;
            seat.orders.push_back(OrderedRead { order, until, is_tried: false });
        }
    }

    /// A mapping takes nothing more: its open orders, and the receipts of what it was never given.
    pub(super) fn rest(&mut self, who: SubscriberId) -> (Vec<ReadOrder>, Vec<Receipt>) {
        let Some(seat) = self.by_id.get_mut(&who) else { return (Vec::new(), Vec::new()) };
        seat.is_resting = true;
        let mut unseen = Vec::new();
        for record in seat.pending.drain(..) {
            self.pending_bytes -= record.held_bytes();
            unseen.extend(record.receipt().cloned());
        }
        (seat.orders.drain(..).map(|it| it.order).collect(), unseen)
    }

    /// Gives a message to one mapping: to be kept for it, or, when too much waits already, not now.
    pub(super) fn give(&mut self, who: SubscriberId, record: Option<Record>) -> Wish {
        let Some(seat) = self.by_id.get_mut(&who) else { return Wish::Absent };
        let Some(record) = record else {
            seat.n_filtered = seat.n_filtered.saturating_add(1);
            return Wish::Filters;
        };
        // At its last receive a message that is refused would die untried.
        let may_wait = match &record.place {
            Place::Queue(place) => place.receives_left.is_none_or(|left| left > 1),
            Place::Track(..) => false,
        };
        // A message of a group is always kept: the next of its group could overtake it.
        let is_full = seat.pending.len() >= PENDING_MAX || self.pending_bytes >= PENDING_BYTES_MAX;
        if is_full && may_wait && record.key == OrderKey::Free {
            return Wish::Absent;
        }
        self.pending_bytes += record.held_bytes();
        seat.pending.push_back(record);
        Wish::Wants
    }

    /// What waits under a receipt is nobody's.
    pub(super) fn drop_waiting(&mut self, receipt: &Receipt) {
        for seat in self.by_id.values_mut() {
            seat.pending.retain(|it| {
                let is_over = it.receipt() == Some(receipt);
                self.pending_bytes -= if is_over { it.held_bytes() } else { 0 };
                !is_over
            });
        }
    }

    /// So much waits that receiving stops, whatever it would bring.
    pub(super) fn are_full(&self) -> bool {
        self.pending_bytes >= 2 * PENDING_BYTES_MAX
    }

    /// The receipts of what waits for mappings; one may come several times.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Receipt> {
        self.by_id.values().flat_map(|seat| &seat.pending).filter_map(Record::receipt)
    }

    /// The next receive to send while so many are open, with its room and its wait: as many run as the mapping
    /// with the most open orders has.
    pub(super) fn next_receive(&mut self, n_receives: usize, now: Instant) -> Option<(u32, Duration)> {
        let busiest = self.by_id.values_mut().max_by_key(|seat| seat.orders.len());
        let seat = busiest.filter(|seat| seat.orders.len() > n_receives)?;
        let order = seat.orders.iter_mut().find(|it| !it.is_tried || it.until > now)?;
        order.is_tried = true;
        Some((order.order.records_max, order.until.saturating_duration_since(now)))
    }

    /// Answers that can be given now: orders for which something waits, and those whose wait is over.
    pub(super) fn answers(&mut self, now: Instant) -> Vec<(SubscriberId, ReadOrder, Read)> {
        let mut answers = Vec::new();
        for (who, seat) in &mut self.by_id {
            while let Some(at) =
                seat.orders.iter().position(|it| !seat.pending.is_empty() || it.until + GRACE <= now)
            {
                let Some(OrderedRead { order, .. }) = seat.orders.remove(at) else { break };
                let n = seat.pending.len().min(order.records_max.max(1) as usize);
                let records: Vec<Record> = seat.pending.drain(..n).collect();
                self.pending_bytes -= records.iter().map(Record::held_bytes).sum::<u64>();
                // With the first answer: how many were filtered is told once, whichever order it stands in.
                let n_filtered = std::mem::take(&mut seat.n_filtered);
                answers.push((*who, order, Read { records, n_filtered, ..Read::default() }));
            }
        }
        answers
    }

    /// Takes the oldest order of each mapping.
    pub(super) fn take_oldest_orders(&mut self) -> Vec<(SubscriberId, ReadOrder)> {
        self.by_id.iter_mut().filter_map(|(who, seat)| Some((*who, seat.orders.pop_front()?.order))).collect()
    }

    pub(super) fn take_all_orders(&mut self) -> Vec<(SubscriberId, ReadOrder)> {
        let orders = |(who, seat): (&SubscriberId, &mut FanOutSeat)| {
            seat.orders.drain(..).map(|it| (*who, it.order)).collect::<Vec<_>>()
        };
        self.by_id.iter_mut().flat_map(orders).collect()
    }

    /// When the first order is to be answered whatever comes.
    pub(super) fn first_overdue(&self) -> Option<Instant> {
        self.by_id.values().flat_map(|seat| &seat.orders).map(|it| it.until + GRACE).min()
    }
}
