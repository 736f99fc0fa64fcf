//! What a message costs on its way from an answer to its record: allocations, and copies of its body.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use bytes::Bytes;
use forebay_batcher::{Read, ReadId, ReadOrder, Settle, SettleId, Settlement};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::client::{Answers, Ask, Description, EntryAnswer, Sqs};
use super::error::SqsError;
use super::message::Received;
use super::plain::read;
use super::reader::{QueueChoice, SqsQueue};
use super::sdk::received;
use super::{SqsSource, digest};
use crate::source::{BoxFuture, Known};
use crate::{Feed, FeedEvent, FeedLimits, Subscriber, Subscription};

/// One answer to a receive.
pub(crate) enum CostAnswer {
    /// As the SDK gives it.
    Sdk(Vec<Message>),
    /// As it comes.
    Plain(Bytes),
}

impl CostAnswer {
    fn received(self) -> Result<Vec<Received>, SqsError> {
        match self {
            Self::Sdk(messages) => Ok(messages.into_iter().map(received).collect()),
            Self::Plain(body) => read::messages(&body),
        }
    }
}

/// Answers that were not asked for yet; receives and deletions are asked for here.
struct Answered(Mutex<Vec<CostAnswer>>);

impl Sqs for Answered {
    fn describe(&self) -> BoxFuture<'_, Result<Description, SqsError>> {
        unreachable!("nobody connects")
    }
    fn n_visible(&self) -> BoxFuture<'_, Result<u64, SqsError>> {
        unreachable!("nobody counts")
    }
    fn receive(&self, _: Ask) -> BoxFuture<'_, Result<Vec<Received>, SqsError>> {
        let answer = self.0.lock().unwrap().pop();
        Box::pin(async move { answer.map_or_else(|| Ok(Vec::new()), CostAnswer::received) })
    }
    fn delete(&self, handles: Vec<Bytes>) -> BoxFuture<'_, Result<Answers, SqsError>> {
        Box::pin(async move { Ok(Answers::all(handles.len(), EntryAnswer::Done, None)) })
    }
    fn hide(&self, _: Vec<Bytes>, _: Duration) -> BoxFuture<'_, Result<Answers, SqsError>> {
        unreachable!("nothing is hidden for longer")
    }
}

/// A message as SQS gives it, its receipt handle as long as AWS makes them.
pub(crate) fn message(number: usize, body_bytes: usize) -> Message {
    let body = "b".repeat(body_bytes);
    // The SDK's texts have no room to grow.
    let exact = |text: String| text.into_boxed_str().into_string();
    Message::builder()
        .message_id(exact(format!("2e1424d4-f796-459a-8184-{number:012x}")))
        .receipt_handle(exact(format!("{number:0>400}")))
        .md5_of_body(exact(digest::of_body(body.as_bytes()).to_string()))
        .body(body)
        .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "1")
        .attributes(MessageSystemAttributeName::SentTimestamp, "1545082649183")
        .attributes(MessageSystemAttributeName::SenderId, "AIDAIENQZJOLO23YVJ4VO")
        .attributes(MessageSystemAttributeName::ApproximateFirstReceiveTimestamp, "1545082649185")
        .build()
}

const COMPETE: QueueChoice = QueueChoice { fans_out: false, retry_after: None };
const FAN_OUT: QueueChoice = QueueChoice { fans_out: true, retry_after: None };

fn source(answers: Vec<CostAnswer>, choice: QueueChoice) -> Arc<SqsSource> {
    let arn = "arn:aws:sqs:eu-north-1:123456789012:queue";
    let description =
        Description { arn: arn.to_owned(), visibility: Duration::from_secs(30), receives_max: Some(3) };
    let sqs: Arc<dyn Sqs> = Arc::new(Answered(Mutex::new(answers)));
    let queue = Arc::new(SqsQueue::new(Arc::clone(&sqs), &description, choice, "queue".to_owned()));
    Arc::new(SqsSource { sqs, what: "queue".to_owned(), queue, name: arn.to_owned(), terms: String::new() })
}

/// So many answers of ten messages each, as the SDK gives them.
pub(crate) fn answers(n: usize, body_bytes: usize) -> Vec<CostAnswer> {
    tens(n, body_bytes).map(CostAnswer::Sdk).collect()
}

/// The same as they come.
fn plain_answers(n: usize, body_bytes: usize) -> Vec<CostAnswer> {
    let json = |it: Message| {
        let attributes = it.attributes.into_iter().flatten();
        let attributes: serde_json::Map<_, _> =
            attributes.map(|(name, value)| (name.as_str().to_owned(), value.into())).collect();
        serde_json::json!({ "MessageId": it.message_id, "ReceiptHandle": it.receipt_handle,
            "MD5OfBody": it.md5_of_body, "Body": it.body, "Attributes": attributes })
    };
    let answer = |messages: Vec<Message>| {
        let messages: Vec<_> = messages.into_iter().map(json).collect();
        CostAnswer::Plain(serde_json::json!({ "Messages": messages }).to_string().into())
    };
    tens(n, body_bytes).map(answer).collect()
}

fn tens(n: usize, body_bytes: usize) -> impl Iterator<Item = Vec<Message>> {
    (0..n).map(move |ten| (0..10).map(|it| message(10 * ten + it, body_bytes)).collect())
}

/// What a feed makes of these answers, receive by receive, and the feed with what it keeps of them.
pub(crate) fn reads(answers: Vec<CostAnswer>) -> ((Runtime, Subscriber), Vec<Read>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (subscriber, reads) = runtime.block_on(async {
        let n = answers.len() as u64;
        let feed = Feed::start(source(answers, COMPETE), FeedLimits::default());
        let mut subscriber = subscribe(&feed);
        let mut reads = Vec::new();
        for id in 0..n {
            reads.push(read_next(&mut subscriber, id).await);
        }
        (subscriber, reads)
    });
    ((runtime, subscriber), reads)
}

fn subscribe(feed: &Feed) -> Subscriber {
    let (known, zero) = (Known::default(), Instant::now());
    feed.subscribe(Subscription {
        consumer: "m".into(),
        known,
        filter: None,
        has_window: false,
        zero,
        events_max: 16,
    })
}

async fn read_next(subscriber: &mut Subscriber, id: u64) -> Read {
    let (id, wait) = (ReadId(id), Duration::from_secs(1));
    subscriber.read(ReadOrder { id, track: None, records_max: 10, bytes_max: u64::MAX, wait, lanes: 1 });
    match subscriber.events.recv().await {
        Some(FeedEvent::Read(_, Ok(read))) => read,
        other => panic!("{other:?} instead of a read"),
    }
}

/// A mapping that is alone takes what these answers bring and finishes all of it.
fn finish_all(answers: Vec<CostAnswer>, choice: QueueChoice) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let n = answers.len() as u64;
        let feed = Feed::start(source(answers, choice), FeedLimits::default());
        let mut subscriber = subscribe(&feed);
        for id in 0..n {
            let read = read_next(&mut subscriber, id).await;
            let receipts = read.records.iter().map(|it| it.receipt().unwrap().clone());
            let delete = |receipt| Settlement { receipt, how: Settle::Delete };
            subscriber.settle(SettleId(id), receipts.map(delete).collect());
            match subscriber.events.recv().await {
                Some(FeedEvent::Settled(_, answers)) => assert_eq!(answers.len(), 10),
                other => panic!("{other:?} instead of a settlement"),
            }
        }
        feed.stop().await;
    });
}

#[test]
fn a_ledger_costs_a_mapping_that_is_alone_four_allocations_a_message_at_most() {
    let each = |choice: QueueChoice| {
        let count = |n| {
            let answers = plain_answers(n, 100);
            allocation_counter::measure(|| finish_all(answers, choice)).count_total
        };
        (count(101) - count(1)) as f64 / 1_000.0
    };
    let (competes, fans_out) = (each(COMPETE), each(FAN_OUT));
    assert!(fans_out - competes <= 4.0, "{fans_out} allocations a message instead of {competes}");
}

#[test]
fn a_message_takes_eight_allocations_at_most_from_an_answer_to_its_record() {
    for (transport, answers) in [("sdk", answers as fn(usize, usize) -> _), ("plain", plain_answers)] {
        let count = |n| {
            let answers = answers(n, 100);
            let mut read = None;
            let info = allocation_counter::measure(|| read = Some(reads(answers)));
            let (_feed, read) = read.unwrap();
            assert_eq!(read.iter().map(|it| it.records.len()).sum::<usize>(), 10 * n);
            info.count_total
        };
        let each = (count(101) - count(1)) as f64 / 1_000.0;
        assert!(each <= 8.0, "{transport}: {each} allocations a message");
    }
}

#[test]
fn the_body_of_a_message_is_held_once_on_its_way_to_its_record() {
    const BODY_BYTES: u64 = 100_000;
    let measured = |read: &mut dyn FnMut() -> ((Runtime, Subscriber), Vec<Read>)| {
        let mut kept = None;
        (allocation_counter::measure(|| kept = Some(read())), kept)
    };
    // Those of the SDK are made within, so that what is given up of them counts as free. An answer as it comes
    // is there before, beside the SDK's messages as well.
    let mut plain = Some(plain_answers(1, BODY_BYTES as usize));
    for (info, _kept) in [
        measured(&mut || reads(answers(1, BODY_BYTES as usize))),
        measured(&mut || reads(plain.take().unwrap())),
    ] {
        // Ten of them, and two more for the one that is being rendered: as it came, and its room that is cut
        // to size.
        let n_bodies = info.bytes_max as f64 / BODY_BYTES as f64;
        assert!(n_bodies < 12.5, "ten messages take the room of {n_bodies} at most");
    }
}
