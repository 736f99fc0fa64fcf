//! Receives, settles and extends: what the feed asks of a queue, in calls of ten.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{
    Generation, OrderKey, Position, Receipt, RecordId, Settle, Settled, Settlement, UnixMillis,
};
use futures_util::future::join_all;
use std::num::NonZeroU32;
use tokio::time::Instant;

use super::client::{Answers, Ask, Description, EntryAnswer, Sqs};
use super::event::Facts;
use super::message::Received;
use super::{digest, error::SqsError};
use crate::source::{BoxFuture, Hidden, Message, Queue, QueueFacts, RawRecord, SourceError};

/// Entries of one batch call, and messages of one receive.
const TEN: usize = 10;
/// Calls of one settlement or extension that run at once.
const CALLS_MAX: usize = 16;
/// Messages are hidden at least this long, so that there is time to hide them for longer.
const VISIBILITY_MIN: Duration = Duration::from_secs(3);
/// The longest that SQS lets a receive wait.
const WAIT_MAX: Duration = Duration::from_secs(20);
const SECOND: Duration = Duration::from_secs(1);
/// How often failed settlements are told.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What an operator chose for a queue.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct QueueChoice {
    pub(super) fans_out: bool,
    pub(super) retry_after: Option<Duration>,
}

/// A queue of SQS.
pub(super) struct SqsQueue {
    sqs: Arc<dyn Sqs>,
    arn: Arc<str>,
    region: Arc<str>,
    facts: QueueFacts,
    /// After so many receives of a message its queue takes it away.
    receives_max: Option<u32>,
    /// A message that failed is shown again after this long.
    retry_after: Option<Duration>,
    what: String,
    told: LastReports,
}

/// When failed settlements were told last, for each reason: once a minute is enough, for they are asked again
/// many times a second.
#[derive(Default)]
struct LastReports(Mutex<Vec<ReceiveReason>>);

struct ReceiveReason {
    why: String,
    told: Instant,
    n_held_back: u64,
}

/// So many reasons are told apart; what comes beyond within the time is counted with the one told longest
/// ago.
const REASONS_MAX: usize = 8;

impl LastReports {
    /// Whether to tell now, and how many were held back since it was told last.
    fn allow(&self, why: &str, now: Instant) -> Option<u64> {
        // Reasons are moved in and out whole: what a panic left is still a list of them.
        let mut reasons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = reasons.len() >= REASONS_MAX;
        let at = reasons.iter().position(|it| it.why == why).or_else(|| is_full.then_some(REASONS_MAX - 1));
        let mut n_held_back = 0;
        if let Some(at) = at {
            // It keeps its place: one that is held back must not push out one that was told.
            if now < reasons[at].told + TOLD_EVERY {
                reasons[at].n_held_back += 1;
                return None;
            }
            n_held_back = reasons.remove(at).n_held_back;
        }
        // Those told last stand first.
        reasons.insert(0, ReceiveReason { why: why.to_owned(), told: now, n_held_back: 0 });
        Some(n_held_back)
    }
}

impl SqsQueue {
    pub(super) fn new(
        sqs: Arc<dyn Sqs>,
        description: &Description,
        choice: QueueChoice,
        what: String,
    ) -> Self {
        let visibility = description.visibility.max(VISIBILITY_MIN);
        // Visibility counts from before a receive was sent, for nobody knows when the queue hid the message:
        // a long poll must leave most of it.
        let third = Duration::from_secs(visibility.as_secs() / 3).max(SECOND);
        let facts = QueueFacts {
            receive_max: NonZeroU32::new(10).expect("ten is not zero"),
            wait_max: WAIT_MAX.min(third),
            visibility: Some(visibility),
            visibility_set: Some(description.visibility),
            retry_after: choice.retry_after,
            fans_out: choice.fans_out,
        };
        // Lambda writes the queue's own region, which need not be the caller's.
        let region = description.arn.split(':').nth(3).unwrap_or_default().into();
        Self {
            sqs,
            arn: description.arn.as_str().into(),
            region,
            facts,
            receives_max: description.receives_max,
            retry_after: choice.retry_after,
            what,
            told: LastReports::default(),
        }
    }

    /// SQS waits in whole seconds; what is left of the wait is slept, so that an order never comes back early
    /// without a message.
    async fn receive(&self, records_max: u32, wait: Duration) -> Result<Vec<Message>, SourceError> {
        let until = Instant::now() + wait;
        let records_max = records_max.clamp(1, 10);
        let visibility = self.facts.visibility.unwrap_or(VISIBILITY_MIN);
        // Rounded down: a receive that outlasts its order keeps a message from others for nothing.
        let ask = Ask { records_max, wait: Duration::from_secs(wait.as_secs().min(20)), visibility };
        let received = self.sqs.receive(ask).await.map_err(|error| error.on(&self.what))?;
        if received.is_empty() {
            tokio::time::sleep_until(until).await;
        }
        Ok(self.whole(received))
    }

    /// A message whose digest is wrong is left to its queue: it comes again, and its redrive policy ends
    /// that. So is what came behind it of its group, which would overtake it.
    fn whole(&self, received: Vec<Received>) -> Vec<Message> {
        let (mut messages, mut left) = (Vec::with_capacity(received.len()), Vec::new());
        for it in received {
            let key = self.key(&it);
            if let Err(why) = check(&it) {
                let (queue, message_id) = (&self.what, it.id.as_str());
                tracing::warn!(
                    code = "FB-0216",
                    queue,
                    message_id,
                    why,
                    "message damaged on its way; left to the queue"
                );
                // `Free` lands here too and is never looked for: nothing overtakes where nothing has an order.
                left.push(key);
            } else if key == OrderKey::Free || !left.contains(&key) {
                messages.push(self.message(it, key));
            }
        }
        messages
    }

    /// The group of a message, where groups have an order.
    fn key(&self, received: &Received) -> OrderKey {
        // A standard queue takes a group as well, for its fairness; it keeps no order by it.
        match received.details.system.get("MessageGroupId").filter(|_| self.arn.ends_with(".fifo")) {
            Some(group) => OrderKey::Key(Bytes::copy_from_slice(group.as_bytes())),
            None => OrderKey::Free,
        }
    }

    fn message(&self, received: Received, key: OrderKey) -> Message {
        let Received { id, handle, body, details } = received;
        let arrival = UnixMillis(
            details.system.get("SentTimestamp").and_then(|it| it.parse().ok()).unwrap_or_default(),
        );
        let n_receives: Option<u32> =
            details.system.get("ApproximateReceiveCount").and_then(|it| it.parse().ok());
        // This receive is one of them; where SQS does not say how many there were it is the first.
        let receives_left = self.receives_max.map(|max| max.saturating_sub(n_receives.unwrap_or(1)));
        // Handles outlive connections, so all are of one generation.
        let receipt = Receipt { handle, generation: Generation(0) };
        let facts = Facts {
            handle: receipt.handle.clone(),
            details,
            arn: Arc::clone(&self.arn),
            region: Arc::clone(&self.region),
        };
        let record = RawRecord {
            id: RecordId::new(id.as_bytes()),
            position: Position::new(b""),
            key,
            arrival,
            data: body.into_bytes(),
            facts: Arc::new(facts),
        };
        Message { record, receipt, receives_left, n_receives }
    }

    /// One batch call; an error of the call as a whole is that of each entry.
    async fn delete(&self, receipts: Vec<Receipt>) -> Vec<(Receipt, EntryAnswer)> {
        let answers = self.sqs.delete(handles(&receipts)).await;
        self.pair(receipts, answers)
    }

    async fn hide(&self, receipts: Vec<Receipt>, by: Duration) -> Vec<(Receipt, EntryAnswer)> {
        let answers = self.sqs.hide(handles(&receipts), by).await;
        self.pair(receipts, answers)
    }

    /// A queue that is gone has taken its messages along: nothing is left to ask it for.
    fn pair(
        &self,
        receipts: Vec<Receipt>,
        answers: Result<Answers, SqsError>,
    ) -> Vec<(Receipt, EntryAnswer)> {
        let answers = answers.unwrap_or_else(|error| {
            let answer =
                if matches!(error, SqsError::NoQueue(_)) { EntryAnswer::Void } else { EntryAnswer::Failed };
            Answers::all(receipts.len(), answer, Some(error.to_string()))
        });
        // Once for the call: its entries mostly fail for one reason.
        if let Some(why) = answers.failure
            && let Some(n_held_back) = self.told.allow(&why, Instant::now())
        {
            tracing::warn!(
                code = "FB-0219",
                queue = self.what,
                why,
                n_held_back,
                "messages could not be deleted, shown or hidden for longer; asked again"
            );
        }
        // An entry that the answer leaves out is asked again: that does no harm, and taking it for done would.
        receipts
            .into_iter()
            .zip(answers.entries.into_iter().chain(std::iter::repeat(EntryAnswer::Failed)))
            .collect()
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Vec<(Receipt, Settled)> {
        let (mut delete, mut show, mut later, mut answers) =
            (Vec::new(), Vec::new(), BTreeMap::<_, Vec<_>>::new(), Vec::new());
        for Settlement { receipt, how } in settlements {
            match how {
                Settle::Delete => delete.push(receipt),
                Settle::Release | Settle::Nack => show.push(receipt),
                Settle::ShowAfter(wait) if wait.is_zero() => show.push(receipt),
                Settle::ShowAfter(wait) => later.entry(wait).or_default().push(receipt),
                Settle::Leave => match self.retry_after {
                    Some(wait) => later.entry(wait).or_default().push(receipt),
                    // As AWS does: its visibility lapses.
                    None => answers.push((receipt, Settled::Done)),
                },
            }
        }
        // Deletions first: they are what keeps a finished message from coming again.
        for calls in tens(delete).chunks(CALLS_MAX) {
            let done = join_all(calls.iter().map(|it| self.delete(it.clone()))).await;
            answers.extend(done.into_iter().flatten().map(settled));
        }
        for (wait, receipts) in later {
            for call in tens(receipts) {
                answers.extend(self.hide(call, wait).await.into_iter().map(settled));
            }
        }
        // One after the other and in order, for a group gives its messages in order.
        for call in tens(show) {
            answers.extend(self.hide(call, Duration::ZERO).await.into_iter().map(settled));
        }
        answers
    }

    async fn extend(&self, receipts: Vec<Receipt>, by: Duration) -> Vec<(Receipt, Hidden)> {
        let mut answers = Vec::new();
        for calls in tens(receipts).chunks(CALLS_MAX) {
            let done = join_all(calls.iter().map(|it| self.hide(it.clone(), by))).await;
            answers.extend(done.into_iter().flatten().map(|(receipt, answer)| (receipt, hidden(answer))));
        }
        answers
    }
}

impl Queue for SqsQueue {
    fn facts(&self) -> QueueFacts {
        self.facts
    }

    fn receive(&self, records_max: u32, wait: Duration) -> BoxFuture<'_, Result<Vec<Message>, SourceError>> {
        Box::pin(self.receive(records_max, wait))
    }

    fn settle(&self, settlements: Vec<Settlement>) -> BoxFuture<'_, Vec<(Receipt, Settled)>> {
        Box::pin(self.settle(settlements))
    }

    fn extend(&self, receipts: Vec<Receipt>, by: Duration) -> BoxFuture<'_, Vec<(Receipt, Hidden)>> {
        Box::pin(self.extend(receipts, by))
    }
}

fn check(received: &Received) -> Result<(), &'static str> {
    // It could never be settled, and would run again after each visibility.
    if received.handle.is_empty() {
        return Err("it has no receipt handle");
    }
    // Servers other than AWS leave digests out; what is there has to be right.
    let details = &received.details;
    if details.md5_of_body.as_deref().is_some_and(|it| !digest::of_body(received.body.as_bytes()).is(it)) {
        return Err("the MD5 of its body is another");
    }
    if details
        .md5_of_attributes
        .as_deref()
        .is_some_and(|it| !digest::of_attributes(&details.attributes).is(it))
    {
        return Err("the MD5 of its attributes is another");
    }
    Ok(())
}

fn handles(receipts: &[Receipt]) -> Vec<Bytes> {
    receipts.iter().map(|it| it.handle.clone()).collect()
}

fn tens(receipts: Vec<Receipt>) -> Vec<Vec<Receipt>> {
    receipts.chunks(TEN).map(<[Receipt]>::to_vec).collect()
}

fn settled((receipt, answer): (Receipt, EntryAnswer)) -> (Receipt, Settled) {
    let settled = match answer {
        EntryAnswer::Done => Settled::Done,
        EntryAnswer::Void => Settled::Lost,
        EntryAnswer::Failed => Settled::Failed,
    };
    (receipt, settled)
}

fn hidden(answer: EntryAnswer) -> Hidden {
    match answer {
        EntryAnswer::Done => Hidden::Done,
        EntryAnswer::Void => Hidden::Lost,
        EntryAnswer::Failed => Hidden::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_told_once_a_minute_with_its_count_and_their_number_is_bounded() {
        let (told, began) = (LastReports::default(), Instant::now());
        let allow = |why: &str, seconds: u64| told.allow(why, began + Duration::from_secs(seconds));
        assert_eq!(["a", "b", "a", "b", "a"].map(|why| allow(why, 0)), [Some(0), Some(0), None, None, None]);
        assert_eq!([allow("a", 60), allow("b", 61)], [Some(2), Some(1)]);
        let n_told = ('c'..='z').filter(|why| allow(&why.to_string(), 62).is_some()).count();
        assert_eq!(n_told, REASONS_MAX - 2);
        assert_eq!(told.0.lock().unwrap().len(), REASONS_MAX);
    }
}
