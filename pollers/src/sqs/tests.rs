//! The suite of queues over the fake, settings, and what errors become.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{OrderKey, Position, Receipt, RecordId, Settle, Settled, Settlement, UnixMillis};
use forebay_config::document::{DocumentKey, Value};
use forebay_config::profile::SourceShape;
use forebay_config::{Node, SourceSpan, StartingPosition};
use forebay_models::sqs::{Action, Fault};

use super::SqsKind;
use super::error::SqsError;
use super::event::{Facts, SqsRenderer, wrap};
use super::fake::FakeSubject;
use super::message::{Attribute, Details, Received};
use crate::contract::{QueueSubject, check_queue};
use crate::source::{Backlog, PlaceError};
use crate::source::{Hidden, Known, Message, RawRecord, Renderer, SourceKind, TrackName};

fn node(entries: &[(&str, &str)]) -> Node {
    let at = || SourceSpan { file: "test".into(), line: 1, column: 1, span: 0..0 };
    let entry = |(name, value): &(&str, &str)| {
        let quoted = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        let value = if let Some(text) = quoted {
            Value::String(text.to_owned())
        } else if value.parse::<u32>().is_ok() {
            Value::Number((*value).to_owned())
        } else {
            Value::String((*value).to_owned())
        };
        (DocumentKey { name: (*name).to_owned(), place: at() }, Node { value, place: at() })
    };
    Node { value: Value::Map(entries.iter().map(entry).collect()), place: at() }
}

/// Settings whose names hold a dot stand under `aws`.
fn parse(entries: &[(&str, &str)]) -> Result<String, Vec<String>> {
    let (aws, own): (Vec<_>, Vec<_>) = entries.iter().partition(|(name, _)| name.starts_with("aws."));
    let aws: Vec<_> = aws.iter().map(|(name, value)| (&name[4..], *value)).collect();
    let mut settings = node(&own);
    if let (Value::Map(entries), false) = (&mut settings.value, aws.is_empty()) {
        entries.push((DocumentKey { name: "aws".to_owned(), place: settings.place.clone() }, node(&aws)));
    }
    let told = |it: forebay_config::Finding| format!("{} {}: {}", it.code, it.path, it.message);
    let parsed = SqsKind.parse(&settings, std::path::Path::new("/etc"));
    parsed.map(|it| it.identity()).map_err(|found| found.into_iter().map(told).collect())
}

#[tokio::test(start_paused = true)]
async fn the_fake_passes_the_suite_of_queues() {
    check_queue(|| Box::new(FakeSubject::competed_for(None))).await;
    check_queue(|| Box::new(FakeSubject::new())).await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_message_is_left_to_the_queue_and_comes_again() {
    let mut subject = FakeSubject::new();
    subject.send("whole", None);
    subject.set_fault(Action::ReceiveMessage, Some(Fault::DamageBody));
    let queue = subject.source().queue().unwrap();
    assert!(queue.receive(10, Duration::ZERO).await.unwrap().is_empty());
    subject.set_fault(Action::ReceiveMessage, None);
    tokio::time::sleep(Duration::from_secs(31)).await;
    let again = queue.receive(10, Duration::from_secs(40)).await.unwrap();
    assert_eq!(again.iter().map(|it| &it.record.data[..]).collect::<Vec<_>>(), [b"whole"]);
}

#[tokio::test(start_paused = true)]
async fn no_message_is_hidden_for_longer_than_twelve_hours_from_its_receive_on() {
    let mut subject = FakeSubject::new();
    subject.send("a", None);
    let queue = subject.source().queue().unwrap();
    let [message] =
        <[Message; 1]>::try_from(queue.receive(10, Duration::ZERO).await.unwrap()).expect("one message");
    let hide = |seconds: u64| queue.extend(vec![message.receipt.clone()], Duration::from_secs(seconds));
    assert_eq!(hide(43_200).await[0].1, Hidden::Done);
    tokio::time::sleep(Duration::from_secs(43_190)).await;
    assert_eq!(hide(30).await[0].1, Hidden::Failed, "it is asked again, and is still held");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(hide(30).await[0].1, Hidden::Lost, "it is visible again");
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_group_overtakes_its_damaged_message() {
    let mut subject = FakeSubject::new();
    for (body, group) in [("a1", 1), ("b1", 2), ("a2", 1), ("b2", 2)] {
        subject.send(body, Some(group));
    }
    subject.set_fault(Action::ReceiveMessage, Some(Fault::DamageBody));
    let queue = subject.source().queue().unwrap();
    let bodies = |messages: Vec<Message>| {
        messages.iter().map(|it| String::from_utf8(it.record.data.to_vec()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(bodies(queue.receive(10, Duration::ZERO).await.unwrap()), ["b1", "b2"]);
    subject.set_fault(Action::ReceiveMessage, None);
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert!(bodies(queue.receive(10, Duration::ZERO).await.unwrap()).is_empty(), "its group waits for it");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bodies(queue.receive(10, Duration::ZERO).await.unwrap()), ["a1", "b1", "a2", "b2"]);
}

#[tokio::test(start_paused = true)]
async fn entries_that_the_queue_did_not_delete_are_asked_again_and_the_others_are_done() {
    let mut subject = FakeSubject::new();
    (0..25).for_each(|n| subject.send(&format!("message {n}"), None));
    let queue = subject.source().queue().unwrap();
    let mut receipts = Vec::new();
    for _ in 0..3 {
        receipts.extend(queue.receive(10, Duration::ZERO).await.unwrap().into_iter().map(|it| it.receipt));
    }
    subject.set_fault(Action::DeleteMessageBatch, Some(Fault::FailEvery(3)));
    let delete = |receipts: &[Receipt]| {
        receipts.iter().map(|it| Settlement { receipt: it.clone(), how: Settle::Delete }).collect()
    };
    let answers = queue.settle(delete(&receipts)).await;
    let failed: Vec<Receipt> =
        answers.iter().filter(|(_, it)| *it == Settled::Failed).map(|(it, _)| it.clone()).collect();
    assert_eq!((answers.len(), failed.len(), subject.n_left()), (25, 7, 7));
    subject.set_fault(Action::DeleteMessageBatch, None);
    assert!(queue.settle(delete(&failed)).await.iter().all(|(_, it)| *it == Settled::Done));
    assert_eq!(subject.n_left(), 0);
}

#[test]
fn mappings_of_a_queue_compete_unless_fan_out_is_written() {
    let plain = parse(&[("queue", "orders")]).unwrap();
    assert_eq!(parse(&[("queue", "orders"), ("share", "compete")]).as_deref(), Ok(plain.as_str()));
    assert_eq!(parse(&[("queue", "orders"), ("share", "fan_out")]), Ok(format!("{plain} share=fan_out")));
}

#[test]
fn settings_name_one_queue_and_secrets_are_not_shown() {
    let url = "https://sqs.eu-west-1.amazonaws.com/1/orders";
    let shown =
        parse(&[("queue_url", url), ("aws.access_key_id", "AKID"), ("aws.secret_access_key", "hush")])
            .unwrap();
    assert!(
        shown.starts_with(&format!("sqs:{url} ")) && !shown.contains("hush") && !shown.contains("AKID"),
        "{shown}"
    );
    let codes = |entries: &[(&str, &str)]| {
        parse(entries).unwrap_err().iter().map(|it| it[..7].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(codes(&[("queue_url", url), ("queue", "orders")]), ["FB-0217"]);
    assert_eq!(codes(&[("queue", url)]), ["FB-0217"]);
    assert_eq!(codes(&[("queue_url", "orders")]), ["FB-0217"]);
    assert_eq!(codes(&[("queue", "orders"), ("aws.endpoint", "localhost:9324")]), ["FB-0106"]);
    assert_eq!(codes(&[("queue", "orders"), ("aws.access_key_id", "AKID")]), ["FB-0107"]);
    assert_eq!(codes(&[("queue_url", url), ("aws.account_id", "\"123456789012\"")]), ["FB-0217"]);
    assert!(
        parse(&[("queue", "orders"), ("aws.account_id", "\"123456789012\"")])
            .unwrap()
            .contains("account_id=123456789012")
    );
    assert_eq!(codes(&[("queue", "orders"), ("endpoint", "http://localhost:9324")]), ["FB-0104"]);
    assert_eq!(parse(&[]).unwrap_err().len(), 1);
    assert_eq!(parse(&[("queue", "orders"), ("wait_time", "21")]).unwrap_err().len(), 1);
}

#[test]
fn a_fifo_queue_has_groups_ten_messages_and_no_window() {
    let fifo = SqsKind.profile_of(&node(&[("queue", "orders.fifo")]));
    let standard = SqsKind.profile_of(&node(&[("queue_url", "https://sqs.x/1/orders")]));
    assert_eq!((fifo.shape, fifo.batch_size_max, fifo.kind), (SourceShape::GroupQueue, 10, "sqs"));
    assert_eq!(
        (standard.shape, standard.batch_size_max, standard.batch_size_without_window_max),
        (SourceShape::Queue, 10_000, Some(10))
    );
}

#[test]
fn errors_say_what_to_do() {
    let text = |code: &str| SqsError::answered(code, code.to_owned()).to_string();
    assert!(text("AWS.SimpleQueueService.NonExistentQueue").starts_with("FB-0210"));
    assert!(text("QueueDoesNotExist").contains("The specified queue does not exist."));
    assert!(text("AccessDeniedException").starts_with("FB-0211"));
    assert!(text("InternalError").starts_with("FB-0213"));
    for code in [
        "InvalidSignatureException",
        "InvalidClientTokenId",
        "ExpiredToken",
        "MissingAuthenticationToken",
        "KmsAccessDenied",
    ] {
        assert!(text(code).starts_with("FB-0211"), "{code}");
    }
    for code in ["RequestThrottled", "ThrottlingException", "OverLimit", "KmsThrottled"] {
        assert!(matches!(SqsError::answered(code, String::new()), SqsError::Throttled), "{code}");
    }
}

fn raw(received: Received) -> RawRecord {
    RawRecord {
        id: RecordId::new(received.id.as_bytes()),
        position: Position::new(b""),
        key: OrderKey::Free,
        arrival: UnixMillis(1_545_082_649_183),
        data: received.body.into_bytes(),
        facts: Arc::new(Facts {
            handle: received.handle,
            details: received.details,
            arn: "arn:aws:sqs:us-east-2:123456789012:my-queue".into(),
            region: "us-east-2".into(),
        }),
    }
}

fn message(id: &str, body: &str) -> Received {
    let system = [
        ("ApproximateReceiveCount", "1"),
        ("SentTimestamp", "1545082649183"),
        ("SenderId", "AIDAIENQZJOLO23YVJ4VO"),
        ("ApproximateFirstReceiveTimestamp", "1545082649185"),
    ];
    Received {
        id: id.to_owned().into(),
        handle: "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a".into(),
        body: body.to_owned().into(),
        details: Details {
            md5_of_body: Some(super::digest::of_body(body.as_bytes()).to_string().into()),
            system: system.map(|(name, value)| (name, value.to_owned())).into_iter().collect(),
            ..Details::default()
        },
    }
}

#[test]
fn a_filter_sees_all_but_the_body_that_it_is_handed() {
    let raw = raw(message("a", "{\"a\":1}"));
    let (mut whole, mut shown) = (Vec::new(), Vec::new());
    SqsRenderer { has_window: true }.render(&raw, &mut whole);
    SqsRenderer { has_window: true }.render_without_data(&raw, &mut shown);
    let mut expected: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    assert_ne!(expected["body"], "");
    expected["body"] = "".into();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&shown).unwrap(), expected);
}

fn rendered(received: Received, has_window: bool) -> String {
    let mut bytes = Vec::new();
    SqsRenderer { has_window }.render(&raw(received), &mut bytes);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn the_documented_event_is_made_byte_for_byte() {
    let mut second = message("2e1424d4-f796-459a-8184-9c92662be6da", "{\"mag\": 4.50,\t\"n\":1e3}");
    let attribute = |data_type: &str, text: Option<&str>, binary: Option<&[u8]>| Attribute {
        data_type: data_type.to_owned(),
        text: text.map(str::to_owned),
        binary: binary.map(<[u8]>::to_vec),
    };
    second.details.attributes = [
        ("Title".to_owned(), attribute("String", Some("The Whistler"), None)),
        ("Cover".to_owned(), attribute("Binary.png", None, Some(&[0xff, 0xd8]))),
    ]
    .into_iter()
    .collect();
    second.details.md5_of_attributes =
        Some(super::digest::of_attributes(&second.details.attributes).to_string().into());
    let first = message("059f36b4-87a3-44ab-83d2-661975830a7d", "Test message.");
    let record = |received: Received| {
        let raw = raw(received);
        let mut bytes = Vec::new();
        SqsRenderer { has_window: false }.render(&raw, &mut bytes);
        let receipt = Receipt { handle: Bytes::new(), generation: forebay_batcher::Generation(0) };
        let place = forebay_batcher::Place::Queue(Box::new(forebay_batcher::QueuePlace {
            receipt,
            visible_until: None,
            receives_left: None,
            n_receives: None,
        }));
        let section = forebay_batcher::Section::default();
        forebay_batcher::Record {
            id: raw.id,
            place,
            key: raw.key,
            arrival: raw.arrival,
            bytes: bytes.into(),
            section,
        }
    };
    let event = String::from_utf8(wrap(&[record(first), record(second)]).concat()).unwrap();
    let manual = include_str!("../../../docs/sources/sqs.md");
    let example = manual
        .split("```json\n")
        .nth(1)
        .and_then(|it| it.split("```").next())
        .expect("the manual has an example");
    let compact: String = example.lines().map(str::trim_start).collect();
    assert_eq!(event, compact);
}

#[test]
fn the_digest_of_no_attributes_is_null_with_a_window_and_absent_without() {
    assert!(!rendered(message("a", "x"), false).contains("md5OfMessageAttributes"));
    assert!(
        rendered(message("a", "x"), true)
            .contains("\"messageAttributes\":{},\"md5OfMessageAttributes\":null,\"md5OfBody\"")
    );
}

#[test]
fn a_message_keeps_all_system_attributes_known_or_not() {
    let mut received = message("a", "x");
    let more = [
        ("ZNew", "later"),
        ("MessageGroupId", "7"),
        ("SequenceNumber", "18849496460467696128"),
        ("YNew", "too"),
    ];
    let more = more.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let known = received.details.system.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    received.details.system = known.chain(more).collect();
    let text = rendered(received, false);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let names: Vec<&str> = json["attributes"].as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SequenceNumber",
        "MessageGroupId",
        "SenderId",
        "ApproximateFirstReceiveTimestamp",
        "YNew",
        "ZNew",
    ];
    assert_eq!(names, expected);
}

#[tokio::test(start_paused = true)]
async fn the_backlog_is_what_nobody_has_received_and_a_queue_has_no_places() {
    let mut subject = FakeSubject::new();
    for body in ["a", "b", "c"] {
        subject.send(body, None);
    }
    let source = subject.source();
    assert_eq!(source.explorer().backlog(&[]).await.unwrap(), Backlog { records: Some(3), bytes: None });
    let taken = source.queue().unwrap().receive(2, Duration::ZERO).await.unwrap();
    assert_eq!(
        source.explorer().backlog(&[]).await.unwrap().records,
        Some(3 - taken.len() as u64),
        "what is in flight is claimed"
    );
    let track = TrackName("q".to_owned());
    assert!(matches!(source.explorer().bound(&track, "0").await, Err(PlaceError::None(_))));
    assert!(matches!(
        source.explorer().places(&Known::default(), StartingPosition::TrimHorizon).await,
        Err(PlaceError::None(_))
    ));
}
