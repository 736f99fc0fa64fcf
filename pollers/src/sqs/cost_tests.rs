//! What a message costs on its way from the SDK's answer to its record: allocations, and copies of its body.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use forebay_batcher::{Read, ReadId, ReadOrder};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::client::{Answers, Ask, Description, Sqs, received};
use super::error::SqsError;
use super::message::Received;
use super::reader::{QueueChoice, SqsQueue};
use super::{SqsSource, digest};
use crate::source::{BoxFuture, Known};
use crate::{Feed, FeedEvent, FeedLimits, Subscriber, Subscription};

/// Answers of the SDK that were not asked for yet; only receives are asked for here.
struct Answered(Mutex<Vec<Vec<Message>>>);

impl Sqs for Answered {
    fn describe(&self) -> BoxFuture<'_, Result<Description, SqsError>> {
        unreachable!("nobody connects")
    }
    fn n_visible(&self) -> BoxFuture<'_, Result<u64, SqsError>> {
        unreachable!("nobody counts")
    }
    fn receive(&self, _: Ask) -> BoxFuture<'_, Result<Vec<Received>, SqsError>> {
        let answer = self.0.lock().unwrap().pop().unwrap_or_default();
        Box::pin(async move { Ok(answer.into_iter().map(received).collect()) })
    }
    fn delete(&self, _: Vec<String>) -> BoxFuture<'_, Result<Answers, SqsError>> {
        unreachable!("nothing is finished")
    }
    fn hide(&self, _: Vec<String>, _: Duration) -> BoxFuture<'_, Result<Answers, SqsError>> {
        unreachable!("nothing is hidden for longer")
    }
}

/// A message as SQS gives it, its receipt handle as long as AWS makes them.
pub(crate) fn message(number: usize, body_bytes: usize) -> Message {
    let body = "b".repeat(body_bytes);
    Message::builder()
        .message_id(format!("2e1424d4-f796-459a-8184-{number:012x}"))
        .receipt_handle(format!("{number:0>400}"))
        .md5_of_body(digest::of_body(body.as_bytes()).to_string())
        .body(body)
        .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "1")
        .attributes(MessageSystemAttributeName::SentTimestamp, "1545082649183")
        .attributes(MessageSystemAttributeName::SenderId, "AIDAIENQZJOLO23YVJ4VO")
        .attributes(MessageSystemAttributeName::ApproximateFirstReceiveTimestamp, "1545082649185")
        .build()
}

fn source(answers: Vec<Vec<Message>>) -> Arc<SqsSource> {
    let arn = "arn:aws:sqs:eu-north-1:123456789012:queue";
    let description =
        Description { arn: arn.to_owned(), visibility: Duration::from_secs(30), receives_max: Some(3) };
    let sqs: Arc<dyn Sqs> = Arc::new(Answered(Mutex::new(answers)));
    let choice = QueueChoice { fans_out: false, retry_after: None };
    let queue = Arc::new(SqsQueue::new(Arc::clone(&sqs), &description, choice, "queue".to_owned()));
    Arc::new(SqsSource { sqs, what: "queue".to_owned(), queue, name: arn.to_owned(), terms: String::new() })
}

/// So many answers of ten messages each.
pub(crate) fn answers(n: usize, body_bytes: usize) -> Vec<Vec<Message>> {
    (0..n).map(|ten| (0..10).map(|it| message(10 * ten + it, body_bytes)).collect()).collect()
}

/// What a feed makes of these answers of the SDK, receive by receive, and the feed with what it keeps of
/// them.
pub(crate) fn reads(answers: Vec<Vec<Message>>) -> ((Runtime, Subscriber), Vec<Read>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (subscriber, reads) = runtime.block_on(async {
        let n = answers.len() as u64;
        let feed = Feed::start(source(answers), FeedLimits::default());
        let (known, zero) = (Known::default(), Instant::now());
        let subscription = Subscription {
            consumer: "m".into(),
            known,
            filter: None,
            has_window: false,
            zero,
            events_max: 16,
        };
        let mut subscriber = feed.subscribe(subscription);
        let mut reads = Vec::new();
        for id in (0..n).map(ReadId) {
            let wait = Duration::from_secs(1);
            subscriber.read(ReadOrder {
                id,
                track: None,
                records_max: 10,
                bytes_max: u64::MAX,
                wait,
                lanes: 1,
            });
            match subscriber.events.recv().await {
                Some(FeedEvent::Read(_, Ok(read))) => reads.push(read),
                other => panic!("{other:?} instead of a read"),
            }
        }
        (subscriber, reads)
    });
    ((runtime, subscriber), reads)
}

#[test]
fn a_message_takes_eight_allocations_at_most_from_the_answer_of_the_sdk_to_its_record() {
    let count = |n| {
        let answers = answers(n, 100);
        let mut read = None;
        let info = allocation_counter::measure(|| read = Some(reads(answers)));
        let (_feed, read) = read.unwrap();
        assert_eq!(read.iter().map(|it| it.records.len()).sum::<usize>(), 10 * n);
        info.count_total
    };
    let each = (count(101) - count(1)) as f64 / 1_000.0;
    assert!(each <= 8.0, "{each} allocations a message");
}

#[test]
fn the_body_of_a_message_is_held_once_on_its_way_to_its_record() {
    const BODY_BYTES: u64 = 100_000;
    let mut read = None;
    // The messages are made within, so that what is given up of them counts as free.
    let info = allocation_counter::measure(|| read = Some(reads(answers(1, BODY_BYTES as usize))));
    let n_bodies = info.bytes_max as f64 / BODY_BYTES as f64;
    // Ten of them, and two more for the one that is being rendered: as it came, and its room that is cut to
    // size.
    assert!(n_bodies < 12.5, "ten messages take the room of {n_bodies} at most");
    drop(read);
}
