//! What the messages of one receive are to one mapping: each filtered and rendered as it sees them, before it
//! is given any.

use std::time::Duration;
use std::vec::IntoIter;

use forebay_batcher::{OrderKey, Place, QueuePlace, ReadId, ReadOrder, Record};

use super::ledger::AckLedger;
use super::round::Wish;
use super::seats::FanOutSeats;
use crate::feed::consumer::FeedConsumer;
use crate::feed::inbox::{Consumer, SubscriberId};
use crate::feed::serve::{FilledAnswer, Took, tell_left};
use crate::source::Message;

/// Asks for one lane and sets no limits: what there is room for is seen when it is given.
const ORDER: ReadOrder = ReadOrder {
    id: ReadId(0),
    track: None,
    records_max: u32::MAX,
    bytes_max: u64::MAX,
    wait: Duration::ZERO,
    lanes: 1,
};

/// The offers to one mapping, to be taken in the order of the messages.
pub(super) struct Offers {
    consumer: Consumer,
    who: Option<SubscriberId>,
    each: IntoIter<Offer>,
    /// Those of the messages that are offered.
    records: IntoIter<Record>,
}

/// What one message is to the mapping.
enum Offer {
    /// The next of the records.
    Rendered,
    Filtered,
    Finished,
    Left,
    /// There is nobody to be given it.
    Nobody,
}

impl Offers {
    /// Renders all that the mapping has not finished, if it is there.
    pub(super) fn of(
        messages: &[Message],
        ledger: &AckLedger,
        consumer: &Consumer,
        member: Option<(SubscriberId, &FeedConsumer)>,
    ) -> Self {
        // In one answer, as where mappings compete: neighbours can go out as one piece.
        let data_bytes = messages.iter().map(|it| it.record.data.len()).sum();
        let mut answer = member.map(|(_, it)| {
            FilledAnswer::new(&ORDER, it.renderer.as_ref(), it.filter.as_ref())
                .expecting(messages.len(), data_bytes)
        });
        let mut left = Vec::new();
        let mut offer = |message: &Message| match &mut answer {
            _ if ledger.has_finished(&message.record.id, consumer) => Offer::Finished,
            Some(answer) => render(answer, message, &mut left),
            None => Offer::Nobody,
        };
        let each: Vec<Offer> = messages.iter().map(&mut offer).collect();
        let records = answer.map(|it| it.finish(None, false).records).unwrap_or_default();
        Self {
            consumer: Consumer::clone(consumer),
            who: member.map(|(who, _)| who),
            each: each.into_iter(),
            records: records.into_iter(),
        }
    }

    /// Gives the mapping the next message, if it can have it.
    pub(super) fn give_next(&mut self, seats: &mut FanOutSeats) -> (Consumer, Wish) {
        let wish = match (self.each.next(), self.who) {
            (Some(Offer::Rendered), Some(who)) => seats.give(who, self.records.next()),
            (Some(Offer::Filtered), Some(who)) => seats.give(who, None),
            // The ledger leaves out who has finished a message.
            (Some(Offer::Finished), _) => Wish::Wants,
            (Some(Offer::Left), _) => Wish::Left,
            (Some(Offer::Rendered | Offer::Filtered | Offer::Nobody) | None, _) => Wish::Absent,
        };
        (Consumer::clone(&self.consumer), wish)
    }
}

/// Until when a message is hidden is filled in when it is given out.
fn render(answer: &mut FilledAnswer<'_>, message: &Message, left: &mut Vec<OrderKey>) -> Offer {
    let Message { record, receipt, receives_left, n_receives } = message;
    // What came behind one that is left, of its group, would overtake it.
    if left.contains(&record.key) {
        return Offer::Left;
    }
    let place = || {
        let (receipt, receives_left, n_receives) = (receipt.clone(), *receives_left, *n_receives);
        Place::Queue(Box::new(QueuePlace { receipt, visible_until: None, receives_left, n_receives }))
    };
    match answer.take_contained(record, place) {
        Ok(Took::Record | Took::NoRoom) => Offer::Rendered,
        Ok(Took::Filtered) => Offer::Filtered,
        Err(panic) => {
            tell_left(&record.id, &panic);
            left.extend(Some(record.key.clone()).filter(|it| *it != OrderKey::Free));
            Offer::Left
        }
    }
}
