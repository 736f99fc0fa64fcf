//! Mappings compete for the messages of a queue, as they do on AWS: each makes its own receives, settlements
//! and extensions. What a receive brings for a subscriber that is gone is shown to others at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_batcher::{
    ExtendId, OrderKey, Place, QueuePlace, Read, ReadId, ReadOrder, Receipt, SettleId, Settled, Settlement,
    Tick,
};
use tokio::time::Instant;

use super::FeedEvent;
use super::consumer::FeedConsumer;
use super::context::FeedContext;
use super::inbox::SubscriberId;
use super::serve::{FilledAnswer, Took, tell_left};
use super::session::behind::Behind;
use super::session::calls::QueueCalls;
use super::session::{QueueSession, extended, tick};
use crate::source::{Hidden, Message, Queue, SourceError};

/// A call to the queue that came back.
enum Called {
    Received {
        who: SubscriberId,
        order: ReadOrder,
        sent: Instant,
        result: Result<Vec<Message>, SourceError>,
    },
    Settled(SubscriberId, SettleId, Vec<(Receipt, Settled)>),
    Extended {
        who: SubscriberId,
        id: ExtendId,
        until: Instant,
        answers: Vec<(Receipt, Hidden)>,
    },
    /// What nobody wanted was handed back, or will show itself.
    HandedBack(Vec<(Receipt, Settled)>),
}

/// The session of mappings that compete.
pub(super) struct Competing {
    calls: QueueCalls<Called>,
    seats: BTreeMap<SubscriberId, CompetingSeat>,
    behind: Behind,
    /// Receives that go on though nobody waits for them.
    n_behind: usize,
}

#[derive(Default)]
struct CompetingSeat {
    /// Its own receives that are open.
    receives: BTreeSet<ReadId>,
    /// It takes no messages any more and settles what it has.
    is_resting: bool,
}

impl Competing {
    pub(super) fn new(queue: Arc<dyn Queue>) -> Self {
        let (calls, seats) = (QueueCalls::new(queue), BTreeMap::new());
        Self { calls, seats, behind: Behind::default(), n_behind: 0 }
    }

    fn received(
        &mut self,
        feed: &mut FeedContext,
        who: SubscriberId,
        order: &ReadOrder,
        sent: Instant,
        result: Result<Vec<Message>, SourceError>,
    ) {
        self.behind.note(result.as_deref().unwrap_or_default());
        if !self.seats.get_mut(&who).is_some_and(|seat| seat.receives.remove(&order.id)) {
            self.n_behind -= 1;
            // Nobody asks why it failed, and what it might have brought shows itself.
            return self.hand_back(result.unwrap_or_default());
        }
        let Some(member) = feed.members.get(&who) else { return };
        let messages = match result {
            Ok(messages) => messages,
            Err(error) => return feed.tell(who, FeedEvent::Read(order.id, Err(error.to_notice()))),
        };
        // Its leave is on the way, and would find nobody to hand these back.
        if member.events.is_closed() {
            return self.hand_back(messages);
        }
        let visibility = self.calls.queue().facts().visibility;
        // From before it was sent: the queue counts from when it gave them, which nobody knows here.
        let visible_until = visibility.map(|span| tick(member.zero, sent + span));
        let read = read(member, order, messages, visible_until);
        feed.tell(who, FeedEvent::Read(order.id, Ok(read)));
    }

    /// Shows at once what nobody wants any more.
    fn hand_back(&mut self, messages: Vec<Message>) {
        let back = self.behind.hand_back(messages, self.n_behind);
        self.show(back);
    }

    fn show(&mut self, back: Vec<Settlement>) {
        if !back.is_empty() {
            // Whatever fails shows itself when its visibility is over.
            self.calls.send(|queue| async move { Called::HandedBack(queue.settle(back).await) });
        }
    }
}

impl QueueSession for Competing {
    fn join(&mut self, _feed: &FeedContext, who: SubscriberId) {
        self.seats.insert(who, CompetingSeat::default());
    }

    /// Sends a receive of the subscriber's own.
    fn order(&mut self, feed: &mut FeedContext, who: SubscriberId, order: ReadOrder) {
        let Some(seat) = self.seats.get_mut(&who) else { return };
        if feed.stops || seat.is_resting {
            return feed.tell(who, FeedEvent::Read(order.id, Ok(Read::default())));
        }
        seat.receives.insert(order.id);
        self.calls.send(|queue| async move {
            let sent = Instant::now();
            let result = queue.receive(order.records_max, order.wait).await;
            Called::Received { who, order, sent, result }
        });
    }

    fn settle(
        &mut self,
        feed: &mut FeedContext,
        who: SubscriberId,
        id: SettleId,
        settlements: Vec<Settlement>,
    ) {
        let (go, held) = self.behind.hold_back(settlements, self.n_behind);
        let held: Vec<(Receipt, Settled)> = held.into_iter().map(|it| (it, Settled::Done)).collect();
        if go.is_empty() {
            return feed.tell(who, FeedEvent::Settled(id, held));
        }
        self.calls.send(|queue| async move {
            let mut answers = queue.settle(go).await;
            answers.extend(held);
            Called::Settled(who, id, answers)
        });
    }

    fn extend(
        &mut self,
        _feed: &mut FeedContext,
        who: SubscriberId,
        id: ExtendId,
        receipts: Vec<Receipt>,
        by: Duration,
    ) {
        self.calls.send(|queue| async move {
            let until = Instant::now() + by;
            Called::Extended { who, id, until, answers: queue.extend(receipts, by).await }
        });
    }

    /// Its receives are answered for and go on without it.
    fn rest(&mut self, feed: &mut FeedContext, who: SubscriberId) {
        let Some(seat) = self.seats.get_mut(&who) else { return };
        seat.is_resting = true;
        let receives = std::mem::take(&mut seat.receives);
        self.n_behind += receives.len();
        for id in receives {
            feed.tell(who, FeedEvent::Read(id, Ok(Read::default())));
        }
    }

    fn leave(&mut self, _feed: &mut FeedContext, who: SubscriberId) {
        self.n_behind += self.seats.remove(&who).map_or(0, |seat| seat.receives.len());
    }

    fn poll_called(&mut self, task: &mut Context<'_>) -> Poll<()> {
        self.calls.poll(task)
    }

    fn handle_called(&mut self, feed: &mut FeedContext) {
        match self.calls.take() {
            Some(Called::Received { who, order, sent, result }) => {
                self.received(feed, who, &order, sent, result);
            }
            Some(Called::Settled(who, id, answers)) => {
                self.behind.forget(&answers);
                feed.tell(who, FeedEvent::Settled(id, answers));
            }
            Some(Called::Extended { who, id, until, answers }) => {
                let Some(zero) = feed.members.get(&who).map(|it| it.zero) else { return };
                feed.tell(who, FeedEvent::Extended(id, extended(answers, tick(zero, until))));
            }
            Some(Called::HandedBack(answers)) => self.behind.forget(&answers),
            None => {}
        }
        let back = self.behind.take_shown(self.n_behind);
        self.show(back);
    }

    fn n_calls(&self) -> usize {
        self.calls.n_open()
    }
}

/// What one receive is to one subscriber. Nothing is left out for want of room: the queue was asked for no
/// more than there is.
fn read(
    member: &FeedConsumer,
    order: &ReadOrder,
    messages: Vec<Message>,
    visible_until: Option<Tick>,
) -> Read {
    let order = ReadOrder { records_max: u32::MAX, bytes_max: u64::MAX, ..order.clone() };
    let data_bytes = messages.iter().map(|it| it.record.data.len()).sum();
    let answer = FilledAnswer::new(&order, member.renderer.as_ref(), member.filter.as_ref());
    let mut answer = answer.expecting(messages.len(), data_bytes);
    let (mut filtered, mut left) = (Vec::new(), Vec::new());
    for Message { record, receipt, receives_left, n_receives } in messages {
        // What came behind one that is left, of its group, would overtake it.
        if left.contains(&record.key) {
            continue;
        }
        let place = || {
            let receipt = receipt.clone();
            Place::Queue(Box::new(QueuePlace { receipt, visible_until, receives_left, n_receives }))
        };
        match answer.take_contained(&record, place) {
            Ok(Took::Filtered) => filtered.push(receipt),
            Ok(Took::Record | Took::NoRoom) => {}
            Err(panic) => {
                tell_left(&record.id, &panic);
                left.extend(Some(record.key).filter(|it| *it != OrderKey::Free));
            }
        }
    }
    Read { filtered, ..answer.finish(None, false) }
}
