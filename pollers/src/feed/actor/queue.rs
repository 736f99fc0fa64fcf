//! Receives, settlements and extensions of a queue: each a call of its own, several open at once, none
//! dropped once sent.
//!
//! Where mappings do not share the queue, each makes its own receives, so they compete for its messages as
//! they do on AWS. What a receive brings for a subscriber that is gone is shown to others at once.

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{
    ExtendId, Extended, Generation, Lost, OrderKey, Place, QueuePlace, Read, ReadOrder, Receipt, RecordId,
    SettleId, Settled, Settlement, Tick,
};
use tokio::time::Instant;

use super::{Actor, FeedConsumer, FeedRow};
use crate::feed::FeedEvent;
use crate::feed::inbox::SubscriberId;
use crate::feed::serve::{FilledAnswer, Took};
use crate::source::{BoxFuture, Hidden, Message, Queue, SourceError};

/// A call to the queue that came back.
pub(super) enum Called {
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
    /// A receive for all who share the queue.
    Shared {
        sent: Instant,
        result: Result<Vec<Message>, SourceError>,
    },
    /// What the acks on shared messages said was asked of the queue.
    Concluded(Vec<Settlement>, Vec<(Receipt, Settled)>),
    /// Shared messages were hidden for longer, for a mapping or because they wait for one.
    ExtendedShared {
        asked: Option<(SubscriberId, ExtendId)>,
        until: Instant,
        answers: Vec<(Receipt, Hidden)>,
    },
    /// What nobody wanted was handed back, or will show itself.
    HandedBack(Vec<(Receipt, Settled)>),
}

impl Actor {
    pub(super) fn receive(&mut self, who: SubscriberId, order: ReadOrder) {
        let stops = self.stops();
        let Some(member) = self.members.get_mut(&who) else { return };
        if stops || member.is_resting {
            return self.tell(who, FeedEvent::Read(order.id, Ok(Read::default())));
        }
        member.receives.insert(order.id);
        self.call(|queue| {
            Box::pin(async move {
                let sent = Instant::now();
                let result = queue.receive(order.records_max, order.wait).await;
                Called::Received { who, order, sent, result }
            })
        });
    }

    pub(super) fn settle(&mut self, who: SubscriberId, id: SettleId, settlements: Vec<Settlement>) {
        if self.queue.is_none() {
            let answers = settlements.into_iter().map(|it| (it.receipt, Settled::Lost)).collect();
            return self.tell(who, FeedEvent::Settled(id, answers));
        }
        if self.shared_queue.is_some() {
            return self.settle_shared(who, id, &settlements);
        }
        self.settle_own(who, id, settlements);
    }

    pub(super) fn extend(&mut self, who: SubscriberId, id: ExtendId, receipts: Vec<Receipt>, by: Duration) {
        if self.queue.is_none() {
            let answers = receipts.into_iter().map(|it| (it, Extended::Lost)).collect();
            return self.tell(who, FeedEvent::Extended(id, answers));
        }
        if self.shared_queue.is_some() {
            return self.extend_shared(who, id, receipts, by);
        }
        self.call(|queue| {
            Box::pin(async move {
                let until = Instant::now() + by;
                Called::Extended { who, id, until, answers: queue.extend(receipts, by).await }
            })
        });
    }

    pub(super) fn call(&mut self, call: impl FnOnce(Arc<dyn Queue>) -> BoxFuture<'static, Called>) {
        let Some(queue) = &self.queue else { return };
        let called = call(Arc::clone(queue));
        self.n_calls += 1;
        self.rows.push(Box::pin(async move { FeedRow::Queue(called.await) }));
    }

    pub(super) fn handle_called(&mut self, called: Called) {
        self.n_calls -= 1;
        match called {
            Called::Received { who, order, sent, result } => self.received(who, &order, sent, result),
            Called::Settled(who, id, answers) => {
                self.forget_receives_left(&answers);
                self.tell(who, FeedEvent::Settled(id, answers));
            }
            Called::Extended { who, id, until, answers } => {
                let Some(member) = self.members.get(&who) else { return };
                let until = tick(member.zero, until);
                let answers =
                    answers.into_iter().map(|(receipt, hidden)| (receipt, extended(hidden, until))).collect();
                self.tell(who, FeedEvent::Extended(id, answers));
            }
            Called::Shared { sent, result } => {
                if let Some(shared_queue) = &mut self.shared_queue {
                    shared_queue.n_receives -= 1;
                }
                self.received_shared(sent, result);
            }
            Called::Concluded(settlements, answers) => self.concluded(settlements, answers),
            Called::ExtendedShared { asked, until, answers } => self.extended_shared(asked, until, answers),
            Called::HandedBack(answers) => self.forget_receives_left(&answers),
        }
        self.show_held_back();
    }

    fn received(
        &mut self,
        who: SubscriberId,
        order: &ReadOrder,
        sent: Instant,
        result: Result<Vec<Message>, SourceError>,
    ) {
        self.note_receives_left(result.as_deref().unwrap_or_default());
        let visibility = self.queue.as_ref().and_then(|queue| queue.facts().visibility);
        let Some(member) = self.members.get_mut(&who).filter(|member| member.receives.contains(&order.id))
        else {
            return self.received_behind(result);
        };
        member.receives.remove(&order.id);
        let messages = match result {
            Ok(messages) => messages,
            Err(error) => return self.tell(who, FeedEvent::Read(order.id, Err(error.to_notice()))),
        };
        if member.events.is_closed() {
            return self.hand_back(messages);
        }
        let visible_until = visibility.map(|span| tick(member.zero, sent + span));
        let read = read(member, order, messages, visible_until);
        self.tell(who, FeedEvent::Read(order.id, Ok(read)));
    }
}

impl Actor {
    /// Waits for the next generation of receipts that becomes void.
    pub(super) fn watch_generations(&self) {
        if let Some(queue) = self.queue.clone() {
            self.rows.push(Box::pin(async move { FeedRow::GenerationLost(queue.lost().await) }));
        }
    }

    /// What a channel brought is nobody's any more: acks that were given stay, for the messages come again.
    pub(super) fn handle_generation_lost(&mut self, generation: Generation) {
        if let Some(shared_queue) = &mut self.shared_queue {
            shared_queue.lose_generation(generation);
        }
        for who in self.members.keys().copied().collect::<Vec<_>>() {
            self.tell(who, FeedEvent::Lost(Lost::Generation(generation)));
        }
        self.watch_generations();
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

/// What renders or filters a message panicked: it shows itself when its visibility is over, and its queue's
/// own rules end that.
pub(super) fn tell_left(message: &RecordId, panic: &str) {
    tracing::warn!(code = "FB-0501", message_id = %String::from_utf8_lossy(message.0.as_slice()), error = panic, "a message could not be rendered; it is left to its queue");
}

pub(super) fn tick(zero: Instant, at: Instant) -> Tick {
    Tick::default().after(at.saturating_duration_since(zero))
}

pub(super) fn extended(hidden: Hidden, until: Tick) -> Extended {
    match hidden {
        Hidden::Done => Extended::Until(until),
        Hidden::Failed => Extended::Failed,
        Hidden::Lost => Extended::Lost,
    }
}
