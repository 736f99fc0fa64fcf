//! One queue, several mappings: what one receive brings is given to each whose filter lets it through, and is
//! deleted when all have finished it.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_batcher::{
    ExtendId, Extended, Place, QueuePlace, Read, ReadOrder, Receipt, Settle, SettleId, Settled, Settlement,
};
use tokio::time::Instant;

use super::Actor;
use super::queue::{Called, extended, tell_left, tick};
use crate::feed::FeedEvent;
use crate::feed::ack_ledger::{Ack, Consumer, Wish};
use crate::feed::inbox::SubscriberId;
use crate::feed::serve::{FilledAnswer, Took};
use crate::feed::shared_queue::SharedQueue;
use crate::source::{Hidden, Message, SourceError};

/// A deletion that failed is asked again after this long.
const RETRY: Duration = Duration::from_secs(1);

impl Actor {
    pub(super) fn order_shared(&mut self, who: SubscriberId, order: ReadOrder) {
        if let Some(shared_queue) = &mut self.shared_queue {
            shared_queue.order(who, order, Instant::now());
        }
        self.settle_shared_queue();
    }

    /// Brings the shared queue to rest: what waits is given out, receives are sent for the other orders.
    pub(super) fn settle_shared_queue(&mut self) {
        let now = Instant::now();
        let Some(shared_queue) = &mut self.shared_queue else { return };
        for (who, order, mut read) in shared_queue.answers(now) {
            let Some(zero) = self.members.get(&who).map(|member| member.zero) else { continue };
            for record in &mut read.records {
                if let Place::Queue(place) = &mut record.place {
                    place.visible_until = self
                        .shared_queue
                        .as_ref()
                        .and_then(|shared_queue| shared_queue.hidden_until(&place.receipt))
                        .map(|it| tick(zero, it));
                }
            }
            self.tell(who, FeedEvent::Read(order.id, Ok(read)));
        }
        while !self.stops()
            && let Some((room, wait)) =
                self.shared_queue.as_mut().and_then(|shared_queue| shared_queue.next_receive(now))
        {
            self.call(|queue| {
                Box::pin(async move {
                    let sent = Instant::now();
                    Called::Shared { sent, result: queue.receive(room, wait).await }
                })
            });
        }
    }

    pub(super) fn received_shared(&mut self, sent: Instant, result: Result<Vec<Message>, SourceError>) {
        let Some(shared_queue) = &mut self.shared_queue else { return };
        shared_queue.look_at(Instant::now());
        let is_wanted = shared_queue.has_takers();
        self.note_receives_left(result.as_deref().unwrap_or_default());
        let messages = match result {
            Ok(messages) if !is_wanted => return self.hand_back(messages),
            Ok(messages) => messages,
            Err(error) => {
                let notice = error.to_notice();
                for (who, order) in
                    self.shared_queue.as_mut().map(SharedQueue::oldest_orders).unwrap_or_default()
                {
                    self.tell(who, FeedEvent::Read(order.id, Err(notice.clone())));
                }
                return self.settle_shared_queue();
            }
        };
        let asked = self.shared_queue.as_ref().map(SharedQueue::asked).unwrap_or_default();
        let settlements = messages.into_iter().filter_map(|it| self.distribute(&it, sent, &asked)).collect();
        self.conclude(settlements);
        self.settle_shared_queue();
    }

    /// Gives one message to those of the `asked` who want it.
    fn distribute(
        &mut self,
        message: &Message,
        sent: Instant,
        asked: &[(Consumer, Option<SubscriberId>)],
    ) -> Option<Settlement> {
        let visibility = self.queue.as_ref()?.facts().visibility;
        let receipt = message.receipt.clone();
        let shared_queue = self.shared_queue.as_mut()?;
        // It came again before its round was over: what waits of the old one is void.
        if let Some(old) = shared_queue.receipt_of(&message.record.id) {
            shared_queue.end_round(&old);
        }
        if let Some(visibility) = visibility {
            shared_queue.hide(&receipt, sent + visibility, Some(visibility));
        }
        let mut wishes = Vec::new();
        for (consumer, who) in asked {
            let member =
                who.and_then(|who| Some((who, self.members.get(&who).filter(|it| !it.events.is_closed())?)));
            let wish = match member {
                _ if shared_queue.ledger.has_finished(&message.record.id, consumer) => Wish::Wants,
                None => Wish::Absent,
                Some((who, member)) => {
                    let Message { receives_left, n_receives, .. } = *message;
                    let place = || {
                        let (receipt, visible_until) = (receipt.clone(), None);
                        Place::Queue(Box::new(QueuePlace {
                            receipt,
                            visible_until,
                            receives_left,
                            n_receives,
                        }))
                    };
                    match render(member, message, place) {
                        Ok(record) => shared_queue.give(who, record),
                        // It cannot have it for now: the message waits for it as for one that is not there.
                        Err(panic) => {
                            tell_left(&message.record.id, &panic);
                            Wish::Absent
                        }
                    }
                }
            };
            wishes.push((Consumer::clone(consumer), wish));
        }
        let settlement = shared_queue.ledger.begin(&message.record.id, receipt.clone(), wishes);
        tell_forgotten(shared_queue.ledger.n_forgotten());
        settlement
    }

    /// Does what the acks say. Leaving a message is nothing to do for some queues, so it is asked all the
    /// same.
    pub(super) fn conclude(&mut self, settlements: Vec<Settlement>) {
        if let Some(shared_queue) = &mut self.shared_queue {
            settlements.iter().for_each(|it| shared_queue.show(&it.receipt));
        }
        let (settlements, _) = self.hold_back(settlements);
        if settlements.is_empty() {
            return;
        }
        self.call(|queue| {
            Box::pin(async move {
                let answers = queue.settle(settlements.clone()).await;
                Called::Concluded(settlements, answers)
            })
        });
    }

    pub(super) fn concluded(&mut self, settlements: Vec<Settlement>, answers: Vec<(Receipt, Settled)>) {
        self.forget_receives_left(&answers);
        let Some(shared_queue) = &mut self.shared_queue else { return };
        let answers: BTreeMap<Receipt, Settled> = answers.into_iter().collect();
        for settlement in settlements.into_iter().filter(|it| it.how == Settle::Delete) {
            match answers.get(&settlement.receipt).copied().unwrap_or(Settled::Failed) {
                Settled::Done => shared_queue.ledger.forget(&settlement.receipt),
                Settled::Lost => shared_queue.ledger.lose(&settlement.receipt),
                Settled::Failed => {
                    shared_queue.failed.push(settlement);
                    shared_queue.retry_at.get_or_insert_with(|| Instant::now() + RETRY);
                }
            }
        }
    }

    /// Acks of a mapping; each is answered when it was counted.
    pub(super) fn settle_shared(&mut self, who: SubscriberId, id: SettleId, settlements: &[Settlement]) {
        let Some(shared_queue) = &mut self.shared_queue else { return };
        shared_queue.look_at(Instant::now());
        let consumer = shared_queue.consumer(who);
        let (mut answers, mut last) = (Vec::new(), Vec::new());
        for settlement in settlements {
            let ack =
                consumer.as_ref().map_or(Ack::Late, |consumer| shared_queue.ledger.ack(consumer, settlement));
            let answer = match ack {
                Ack::Counted(settlement) => {
                    last.extend(settlement);
                    Settled::Done
                }
                Ack::Late => Settled::Lost,
            };
            answers.push((settlement.receipt.clone(), answer));
        }
        self.tell(who, FeedEvent::Settled(id, answers));
        self.conclude(last);
    }

    /// Hides shared messages for longer; those whose round is over are lost.
    pub(super) fn extend_shared(
        &mut self,
        who: SubscriberId,
        id: ExtendId,
        receipts: Vec<Receipt>,
        by: Duration,
    ) {
        let Some(shared_queue) = &self.shared_queue else { return };
        let (out, over): (Vec<Receipt>, Vec<Receipt>) =
            receipts.into_iter().partition(|it| shared_queue.is_hidden(it));
        self.call(|queue| {
            Box::pin(async move {
                let until = Instant::now() + by;
                let mut answers = queue.extend(out, by).await;
                answers.extend(over.into_iter().map(|it| (it, Hidden::Lost)));
                Called::ExtendedShared { asked: Some((who, id)), until, answers }
            })
        });
    }

    pub(super) fn extended_shared(
        &mut self,
        asked: Option<(SubscriberId, ExtendId)>,
        until: Instant,
        answers: Vec<(Receipt, Hidden)>,
    ) {
        let Some(shared_queue) = &mut self.shared_queue else { return };
        for (receipt, hidden) in &answers {
            match hidden {
                Hidden::Done if shared_queue.is_hidden(receipt) => shared_queue.hide(receipt, until, None),
                Hidden::Done | Hidden::Failed => {}
                Hidden::Lost => {
                    shared_queue.end_round(receipt);
                    shared_queue.ledger.lose(receipt);
                }
            }
        }
        let Some((who, id)) = asked else { return };
        let Some(zero) = self.members.get(&who).map(|member| member.zero) else { return };
        let until = tick(zero, until);
        let answers: Vec<(Receipt, Extended)> =
            answers.into_iter().map(|(receipt, it)| (receipt, extended(it, until))).collect();
        self.tell(who, FeedEvent::Extended(id, answers));
    }

    pub(super) fn shared_queue_deadline(&self) -> Option<Instant> {
        self.shared_queue.as_ref().and_then(|shared_queue| shared_queue.deadline(Instant::now()))
    }

    /// What is due at the shared queue: orders whose wait is over, messages to hide for longer, deletions to
    /// ask again.
    pub(super) fn handle_shared_queue_deadline(&mut self, now: Instant) {
        let visibility = self.queue.as_ref().and_then(|queue| queue.facts().visibility);
        let Some(shared_queue) = &mut self.shared_queue else { return };
        if shared_queue.retry_at.is_some_and(|at| at <= now) {
            shared_queue.retry_at = None;
            let failed = std::mem::take(&mut shared_queue.failed);
            self.conclude(failed);
        }
        let Some(shared_queue) = &mut self.shared_queue else { return };
        if let Some(visibility) = visibility.filter(|_| shared_queue.extend_at.is_some_and(|at| at <= now)) {
            let due = shared_queue.due(now + visibility * 2 / 3);
            shared_queue.extend_at = Some(now + visibility / 3).filter(|_| shared_queue.has_pending());
            if !due.is_empty() {
                self.call(|queue| {
                    Box::pin(async move {
                        let until = Instant::now() + visibility;
                        Called::ExtendedShared {
                            asked: None,
                            until,
                            answers: queue.extend(due, visibility).await,
                        }
                    })
                });
            }
        }
        self.settle_shared_queue();
    }

    /// A mapping takes nothing more: all that it has ordered is over, and receives that were sent go on
    /// without it.
    pub(super) fn rest(&mut self, who: SubscriberId) {
        self.rest_receives(who);
        let Some(shared_queue) = &mut self.shared_queue else { return };
        let (orders, settlements) = shared_queue.rest(who, Instant::now());
        for order in orders {
            self.tell(who, FeedEvent::Read(order.id, Ok(Read::default())));
        }
        self.conclude(settlements);
    }

    pub(super) fn leave_shared_queue(&mut self, who: SubscriberId) {
        let settlements = self
            .shared_queue
            .as_mut()
            .map(|shared_queue| shared_queue.leave(who, Instant::now()))
            .unwrap_or_default();
        self.conclude(settlements);
    }
}

/// An ack that was forgotten makes a repeat: worth a word, not one each.
fn tell_forgotten(n: u64) {
    if n > 0 && n.is_multiple_of(10_000) {
        tracing::warn!(
            code = "FB-0220",
            n_messages = n,
            "acks on shared messages were forgotten; some are processed again"
        );
    }
}

/// The message as one mapping sees it; `None` when its filter does not let it through, the text of the panic
/// when that cannot be told.
fn render(
    member: &super::FeedConsumer,
    message: &Message,
    place: impl FnOnce() -> Place,
) -> Result<Option<forebay_batcher::Record>, String> {
    let id = forebay_batcher::ReadId(0);
    let order =
        ReadOrder { id, track: None, records_max: 1, bytes_max: u64::MAX, wait: Duration::ZERO, lanes: 1 };
    let mut answer = FilledAnswer::new(&order, member.renderer.as_ref(), member.filter.as_ref());
    let took = answer.take_contained(&message.record, place)?;
    debug_assert!(took != Took::NoRoom, "one record always has room");
    Ok(answer.finish(None, false).records.pop())
}
