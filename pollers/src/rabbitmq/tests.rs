//! Queues over a broker in memory: the contract, and what is ours alone.

use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use forebay_batcher::{
    Generation, OrderKey, Place, Position, Record, RecordId, Settle, Settled, Settlement, SourceNotice,
    TrackIdx, UnixMillis,
};
use forebay_models::channel::Closed;

use super::event::{RabbitFacts, RabbitFormat};
use super::fake::{PREFETCH, RabbitSubject};
use super::properties::{HeaderValue, Properties};
use crate::contract::{QueueSubject, check_channel, check_queue};
use crate::source::{Demand, EventFormat, Message, Queue, RawRecord};

fn subject() -> RabbitSubject {
    RabbitSubject::new(Some(PREFETCH), false)
}

fn queue(subject: &RabbitSubject) -> Arc<dyn Queue> {
    subject.source().queue().expect("it is a queue")
}

async fn receive(queue: &dyn Queue, n: u32) -> Vec<Message> {
    queue.receive(n, Duration::ZERO).await.expect("the broker works")
}

async fn settle(queue: &dyn Queue, messages: &[&Message], how: Settle) -> Vec<Settled> {
    let settlements = messages.iter().map(|it| Settlement { receipt: it.receipt.clone(), how }).collect();
    queue.settle(settlements).await.into_iter().map(|(_, settled)| settled).collect()
}

#[tokio::test(start_paused = true)]
async fn the_contract_of_queues_and_of_channels_holds() {
    check_queue(|| Box::new(subject())).await;
    check_queue(|| Box::new(RabbitSubject::new(Some(PREFETCH), true))).await;
    check_channel(|| Box::new(subject())).await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_acked_in_one_frame_where_nothing_below_it_is_owed() {
    let mut subject = subject();
    (0..6).for_each(|n| subject.send(&n.to_string(), None));
    let queue = queue(&subject);
    let held = receive(&*queue, 6).await;
    let [a, b, c, d, e, f] = &held[..] else { panic!("six came") };
    settle(&*queue, &[b, c], Settle::Delete).await;
    settle(&*queue, &[a], Settle::Delete).await;
    assert_eq!(settle(&*queue, &[d, e, f], Settle::Delete).await, [Settled::Done; 3]);
    assert_eq!(subject.broker.trouble().acks, [(2, false), (3, false), (1, false), (6, true)]);
    assert_eq!(subject.n_left(), 0);
    assert_eq!(settle(&*queue, &[a], Settle::Delete).await, [Settled::Lost], "an answer is given once");
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_channel_brought_is_never_acked_on_the_next_one() {
    let mut subject = subject();
    subject.send("a", None);
    subject.send("b", None);
    let queue = queue(&subject);
    let old = receive(&*queue, 10).await;
    subject.broker.close_all(Closed::TimedOut);
    let error = queue.receive(10, Duration::ZERO).await.expect_err("it has closed").to_notice();
    let SourceNotice::Down { error } = error else { panic!("it may come back: {error:?}") };
    assert!(
        error.code.is_some_and(|it| it.0 == "FB-0417") && error.text.contains("consumer timeout"),
        "{error:?}"
    );
    let new = receive(&*queue, 10).await;
    assert!(new.iter().all(|it| it.n_receives == Some(2)));
    // The tags are the same.
    let handles = |all: &[Message]| all.iter().map(|it| it.receipt.handle.clone()).collect::<Vec<_>>();
    assert_eq!(handles(&old), handles(&new));
    assert_eq!(settle(&*queue, &[&old[0], &new[1]], Settle::Delete).await, [Settled::Lost, Settled::Done]);
    assert_eq!(subject.n_left(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_who_wait_for_a_broker_that_is_down_ask_it_once() {
    let mut subject = subject();
    subject.set_broken(true);
    let queue = queue(&subject);
    let all = (0..5).map(|_| queue.receive(10, Duration::from_secs(1)));
    let failed = futures_util::future::join_all(all).await;
    assert!(failed.iter().all(Result::is_err));
    assert_eq!(subject.broker.trouble().n_opens, 1);
    assert!(queue.receive(10, Duration::ZERO).await.is_err());
    assert_eq!(subject.broker.trouble().n_opens, 2, "whoever asks later asks anew");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_missing_is_told_and_consumed_once_it_is_there() {
    let mut subject = subject();
    subject.broker.trouble().missing = vec![1];
    subject.send("a", None);
    let (queue, source) = (queue(&subject), subject.source());
    assert_eq!(receive(&*queue, 10).await.len(), 1, "the other one goes on");
    let note = source.note().expect("it is told");
    assert!(note.starts_with("queue bills: FB-0414: "), "{note}");
    assert!(queue.receive(10, Duration::from_secs(6)).await.expect("it works").is_empty());
    assert!(source.note().is_some());
    subject.broker.trouble().missing.clear();
    assert!(queue.receive(10, Duration::from_secs(6)).await.expect("it works").is_empty());
    assert_eq!(source.note(), None);
    assert_eq!(subject.broker.trouble().n_opens, 1, "on the same channel");
}

#[tokio::test(start_paused = true)]
async fn the_prefetch_follows_what_is_wanted() {
    let subject = RabbitSubject::new(None, false);
    let queue = queue(&subject);
    queue.handle_demand(Demand { records: 20, bytes: 64 << 20 });
    receive(&*queue, 10).await;
    queue.handle_demand(Demand { records: 35, bytes: 64 << 20 });
    queue.receive(10, Duration::from_secs(6)).await.expect("it works");
    queue.handle_demand(Demand { records: 200, bytes: 64 << 20 });
    queue.receive(10, Duration::from_secs(12)).await.expect("it works");
    assert_eq!(subject.broker.trouble().prefetches, [40, 400], "a little more or less is not worth it");
    assert_eq!(subject.broker.trouble().n_opens, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_refused_by_name_and_nothing_of_it_is_given_out() {
    let mut subject = subject();
    subject.broker.trouble().is_stream = true;
    subject.send("a", None);
    let error = queue(&subject).receive(10, Duration::ZERO).await.expect_err("it is a stream");
    assert_eq!(error.code().0, "FB-0421");
}

fn rendered(format: &RabbitFormat, facts: RabbitFacts, data: &[u8]) -> String {
    let message = Message {
        record: RawRecord {
            id: RecordId::new(b"1"),
            position: Position::new(b""),
            key: OrderKey::Free,
            arrival: UnixMillis(0),
            data: bytes::Bytes::copy_from_slice(data),
            facts: Arc::new(facts),
        },
        receipt: super::message::receipt(Generation(1), 1),
        receives_left: None,
        n_receives: None,
    };
    let mut out = Vec::new();
    format.renderer(false).render(&message.record, &mut out);
    String::from_utf8(out).expect("it is text")
}

/// The event of AWS's guide, from the same message.
fn sample() -> Properties {
    let text = |it: &str| HeaderValue::Text(it.as_bytes().to_vec());
    Properties {
        content_type: Some("text/plain".to_owned()),
        headers: Some(vec![
            ("header1".to_owned(), text("value1")),
            ("numberInHeader".to_owned(), HeaderValue::Integer(10)),
        ]),
        delivery_mode: Some(1),
        priority: Some(34),
        expiration: Some("60000".to_owned()),
        timestamp: Some(2_021),
        user_id: Some("AIDACKCEVSQ6C2EXAMPLE".to_owned()),
        ..Properties::default()
    }
}

#[test]
fn the_documented_event_is_made_byte_for_byte() {
    let arn = "arn:aws:mq:us-east-2:111122223333:broker:pizzaBroker:b-9bcfa592-423a-4942-879d-eb284b418fc8";
    let format = RabbitFormat::new(arn, &["pizzaQueue".to_owned()], "/");
    let section = format.section(0);
    let facts = RabbitFacts { section, redelivered: false, properties: sample(), delivery_id: None };
    let bytes = rendered(&format, facts, b"{\"timeout\":0}").into_bytes().into();
    let record = Record {
        id: RecordId::new(b"1"),
        place: Place::Track(TrackIdx(0), Position::number(1)),
        key: OrderKey::Free,
        arrival: UnixMillis(0),
        bytes,
        section,
    };
    let event = format.wrap(&[record]).concat();
    let manual = include_str!("../../../docs/sources/rabbitmq.md");
    let example = manual.split("```json\n").nth(1).and_then(|it| it.split("```").next()).unwrap();
    let example: String = example.lines().map(str::trim_start).collect();
    assert_eq!(String::from_utf8(event).unwrap(), example);
}

#[test]
fn every_kind_of_header_is_written_as_java_has_it() {
    let all = [
        ("a", HeaderValue::Null),
        ("b", HeaderValue::Bool(true)),
        ("c", HeaderValue::Integer(-1)),
        ("d", HeaderValue::Float(1.5)),
        ("e", HeaderValue::Float(f64::NAN)),
        ("f", HeaderValue::Decimal(2, 5)),
        ("g", HeaderValue::Text(vec![0xff, 0x00, 0x7f])),
        ("h", HeaderValue::Bytes(vec![0x80])),
        ("i", HeaderValue::Time(1_700_000_000)),
        ("j", HeaderValue::List(vec![HeaderValue::Integer(1), HeaderValue::Text(Vec::new())])),
        ("k", HeaderValue::Table(vec![("l".to_owned(), HeaderValue::Decimal(0, 7))])),
        ("m", HeaderValue::Time(u64::MAX)),
    ];
    let headers = all.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
    let format = RabbitFormat::new("amqp://b:1", &["q".to_owned()], "v");
    let facts = RabbitFacts {
        section: format.section(0),
        redelivered: true,
        properties: Properties { headers: Some(headers), ..Properties::default() },
        delivery_id: Some("3-17".to_owned()),
    };
    expect![[r#"{"basicProperties":{"contentType":null,"contentEncoding":null,"headers":{"a":null,"b":true,"c":-1,"d":1.5,"e":null,"f":0.05,"g":{"bytes":[-1,0,127]},"h":[-128],"i":"Nov 14, 2023, 10:13:20 PM","j":[1,{"bytes":[]}],"k":{"l":7},"m":18446744073709551615},"deliveryMode":null,"priority":null,"correlationId":null,"replyTo":null,"expiration":null,"messageId":null,"timestamp":null,"type":null,"userId":null,"appId":null,"clusterId":null,"bodySize":0},"redelivered":true,"data":"","deliveryId":"3-17"}"#]].assert_eq(&rendered(&format, facts, b""));
}
