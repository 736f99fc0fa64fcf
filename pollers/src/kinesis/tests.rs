//! Streams over the strict tree of shards, and what settings and events say.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{OrderKey, Place as RecordPlace, Record, Section, TrackIdx, Watermark};
use forebay_config::document::{Document, Format};
use forebay_config::{Node, StartingPosition};
use forebay_models::shards::{Limits, WhenTrimmed};
use serde_json::json;

use super::KinesisKind;
use super::aggregate::tests::aggregate;
use super::fake::{KinesisAccent, stream};
use crate::contract::{
    Subject, TreeSubject, a_throttled_reader_keeps_its_place, check, check_tree, read_rest,
};
use crate::shards::fake::FakeStreamSubject;
use crate::shards::suite::{
    all_readers_of_a_shard_together_call_no_more_often_than_it_allows, check_stream, first,
};
use crate::source::{RawRecord, SourceKind, SourceSettings};

/// Any number of calls, for suites that read anew at once.
fn free() -> Limits {
    Limits { calls_per_s: usize::MAX, ..Limits::default() }
}

fn subject(when_trimmed: WhenTrimmed) -> FakeStreamSubject {
    stream(free(), when_trimmed)
}

fn free_stream() -> FakeStreamSubject {
    subject(WhenTrimmed::Refuse)
}

#[tokio::test(start_paused = true)]
async fn a_stream_passes_the_suite_of_tracks_and_that_of_trees_whatever_it_says_of_what_it_dropped() {
    for when_trimmed in [WhenTrimmed::Refuse, WhenTrimmed::BeginLater] {
        check(|| Box::new(subject(when_trimmed))).await;
        check_tree(|| Box::new(subject(when_trimmed))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_iterator_survives_a_throttle() {
    let limits = Limits { calls_per_s: 2, ..Limits::default() };
    a_throttled_reader_keeps_its_place(Box::new(stream(limits, WhenTrimmed::Refuse))).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_read_as_every_tree_of_shards_is() {
    check_stream(free_stream).await;
    all_readers_of_a_shard_together_call_no_more_often_than_it_allows(stream(
        Limits::default(),
        WhenTrimmed::Refuse,
    ))
    .await;
}

#[tokio::test(start_paused = true)]
async fn latest_is_the_end_of_a_shard_whatever_this_machines_clock_says() {
    let hour = 3_600_000;
    for ahead_ms in [0, 4_000, 30_000, 2 * hour, -30_000, -2 * hour] {
        for n_before in [0, 3] {
            let mut subject = free_stream();
            tokio::time::sleep(Duration::from_secs(4 * 3_600)).await;
            subject.set_clock_ahead(ahead_ms);
            let track = subject.add_track();
            subject.append(track, n_before);
            let origins = subject.source().explorer().origins(StartingPosition::Latest).await.unwrap();
            subject.append(track, 2);
            let (name, origin) = origins.into_iter().next().unwrap();
            let read = read_rest(subject.source().as_ref(), &name, &Watermark::Origin(origin)).await;
            let written = subject.written(track).split_off(n_before);
            assert_eq!(read.iter().map(|it| it.data.to_vec()).collect::<Vec<_>>(), written, "{ahead_ms}");
        }
    }
    let mut subject = free_stream();
    subject.add_track();
    subject.set_clock_ahead(48 * hour);
    let error = subject.source().explorer().origins(StartingPosition::Latest).await.unwrap_err();
    assert_eq!(error.code().to_string(), "FB-0245");
}

#[tokio::test(start_paused = true)]
async fn a_start_at_a_time_reads_what_arrived_then_or_later() {
    let mut subject = free_stream();
    let track = subject.add_track();
    subject.append(track, 2);
    tokio::time::sleep(Duration::from_secs(10)).await;
    subject.append(track, 3);
    let start = StartingPosition::AtTimestamp(1_545_084_650_987 + 10_000);
    let origins = subject.source().explorer().origins(start).await.unwrap();
    let (name, origin) = origins.into_iter().next().unwrap();
    let read = read_rest(subject.source().as_ref(), &name, &Watermark::Origin(origin)).await;
    assert_eq!(read.iter().map(|it| it.data.to_vec()).collect::<Vec<_>>(), subject.written(track)[2..]);
}

#[tokio::test(start_paused = true)]
async fn data_that_came_as_base64_is_the_same_to_functions_and_filters() {
    let accent = Arc::new(KinesisAccent::default());
    let mut subject = FakeStreamSubject::new(Arc::clone(&accent) as _, free(), WhenTrimmed::Refuse);
    let track = subject.add_track();
    let packed = aggregate(&[("a", b"1"), ("b", b"22"), ("a", b"")]);
    let data = [Bytes::new(), "{}".into(), vec![0xf3, 0x89, 0x9a].into(), packed, vec![0xff; 1_000].into()];
    data.into_iter().for_each(|it| subject.put(track, it));
    let name = subject.name(track);
    for deaggregates in [false, true] {
        accent.0.store(deaggregates, Ordering::SeqCst);
        subject.restart();
        let source = subject.source();
        let renderer = source.format().renderer(false);
        let mut seen = Vec::new();
        for gives_base64 in [false, true] {
            accent.1.store(gives_base64, Ordering::SeqCst);
            let records = read_rest(source.as_ref(), &name, &first(source.as_ref())).await;
            let shown = records.iter().map(|it| {
                let mut rendered = Vec::new();
                renderer.render(it, &mut rendered);
                (String::from_utf8(rendered).unwrap(), renderer.data(it).unwrap().into_owned())
            });
            seen.push(shown.collect::<Vec<_>>());
        }
        assert_eq!(seen[0], seen[1]);
        assert_eq!(seen[0].len(), if deaggregates { 7 } else { 5 });
    }
}

#[tokio::test(start_paused = true)]
async fn aggregates_are_taken_apart_when_asked_for_and_resumed_within() {
    let accent = Arc::new(KinesisAccent::default());
    let mut subject = FakeStreamSubject::new(Arc::clone(&accent) as _, free(), WhenTrimmed::Refuse);
    let set_deaggregates = |subject: &mut FakeStreamSubject, deaggregates| {
        accent.0.store(deaggregates, Ordering::SeqCst);
        subject.restart();
    };
    let track = subject.add_track();
    let packed = aggregate(&[("a", b"1"), ("b", b"2"), ("a", b"3")]);
    let mut damaged = packed.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    subject.put(track, Bytes::from_static(b"0"));
    subject.put(track, packed.clone());
    subject.put(track, damaged.clone().into());
    let name = subject.name(track);
    let all = async |subject: &FakeStreamSubject, from: &Watermark| {
        let read = read_rest(subject.source().as_ref(), &name, from).await;
        read.into_iter().map(|it| (it.data, it.position)).collect::<Vec<_>>()
    };
    let begin = first(subject.source().as_ref());
    let whole = all(&subject, &begin).await;
    assert_eq!(
        whole.iter().map(|it| it.0.clone()).collect::<Vec<_>>(),
        [Bytes::from("0"), packed, damaged.into()]
    );
    set_deaggregates(&mut subject, true);
    let apart = all(&subject, &begin).await;
    assert_eq!(apart[..4].iter().map(|it| &it.0[..]).collect::<Vec<_>>(), [b"0", b"1", b"2", b"3"]);
    assert_eq!((apart.len(), &apart[4].0), (5, &whole[2].0), "a damaged one is one plain record");
    // Each place is resumed at, also when aggregates are left whole since.
    for deaggregates in [true, false] {
        set_deaggregates(&mut subject, deaggregates);
        for idx in 2..5 {
            let at = Watermark::At(apart[idx].1.clone());
            assert_eq!(all(&subject, &at).await, apart[idx..], "{deaggregates} {idx}");
        }
    }
    let source = subject.source();
    let keys: Vec<_> = read_rest(source.as_ref(), &name, &begin).await.into_iter().map(|it| it.key).collect();
    assert_eq!(keys.len(), 3);
    set_deaggregates(&mut subject, true);
    let read = read_rest(subject.source().as_ref(), &name, &begin).await;
    let key = |it: &'static str| OrderKey::Key(Bytes::from(it));
    assert_eq!(read[1..4].iter().map(|it| it.key.clone()).collect::<Vec<_>>(), ["a", "b", "a"].map(key));
}

async fn two_records() -> (FakeStreamSubject, Vec<Record>) {
    let mut subject = free_stream();
    let track = subject.add_track();
    subject.put(track, Bytes::from_static(b"Hello, this is a test."));
    tokio::time::sleep(Duration::from_millis(2_513)).await;
    subject.put(track, Bytes::from_static(b"{\"n\":1}"));
    let source = subject.source();
    let raws = read_rest(source.as_ref(), &subject.name(track), &first(source.as_ref())).await;
    let renderer = source.format().renderer(false);
    let render = |raw: RawRecord| {
        let mut bytes = Vec::new();
        renderer.render(&raw, &mut bytes);
        let place = RecordPlace::Track(TrackIdx(0), raw.position);
        let (id, key, arrival) = (raw.id, raw.key, raw.arrival);
        Record { id, place, key, arrival, bytes: bytes.into(), section: Section::default() }
    };
    (subject, raws.into_iter().map(render).collect())
}

#[tokio::test(start_paused = true)]
async fn the_documented_event_is_made_byte_for_byte() {
    let (subject, records) = two_records().await;
    let event = String::from_utf8(subject.source().format().wrap(&records).concat()).unwrap();
    let manual = include_str!("../../../docs/sources/kinesis.md");
    let example = manual.split("```json\n").nth(1).and_then(|it| it.split("```").next()).unwrap();
    assert_eq!(event, example.lines().map(str::trim_start).collect::<String>());
}

#[tokio::test(start_paused = true)]
async fn a_failure_record_names_shard_and_sequence_numbers() {
    let (subject, records) = two_records().await;
    let number = |n| format!("4959033827149025660855969253836157{n:022}");
    let (key, info) = subject.source().format().batch_info(&records);
    let expected = json!({
        "shardId": "shardId-000000000000",
        "startSequenceNumber": number(1),
        "endSequenceNumber": number(2),
        "approximateArrivalOfFirstRecord": "2018-12-17T22:10:50.987Z",
        "approximateArrivalOfLastRecord": "2018-12-17T22:10:53.500Z",
        "batchSize": 2,
        "streamArn": "arn:aws:kinesis:us-east-2:123456789012:stream/lambda-stream",
    });
    assert_eq!((key, info.to_string()), ("KinesisBatchInfo", expected.to_string()));
}

#[tokio::test(start_paused = true)]
async fn a_filter_sees_all_but_the_data_that_it_is_handed() {
    let mut subject = free_stream();
    let track = subject.add_track();
    subject.append(track, 1);
    let source = subject.source();
    let raw = read_rest(source.as_ref(), &subject.name(track), &first(source.as_ref())).await.remove(0);
    let renderer = source.format().renderer(false);
    let (mut whole, mut shown) = (Vec::new(), Vec::new());
    renderer.render(&raw, &mut whole);
    renderer.render_without_data(&raw, &mut shown);
    let mut expected: serde_json::Value = serde_json::from_slice(&whole).unwrap();
    expected["kinesis"]["data"] = "".into();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&shown).unwrap(), expected);
    assert_eq!(renderer.data(&raw).as_deref(), Some(&b"{\"shard\":0,\"n\":0}"[..]));
}

fn node(text: &str) -> Node {
    Document::parse("test", text, Format::Yaml, Path::new("/")).expect("it is YAML").root
}

fn parse(text: &str) -> Result<Box<dyn SourceSettings>, Vec<String>> {
    let parsed = KinesisKind.parse(&node(text), Path::new("/"));
    parsed.map_err(|findings| findings.iter().map(|it| format!("{} {}", it.code, it.message)).collect())
}

#[test]
fn settings_name_one_stream_and_secrets_are_not_shown() {
    let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/orders";
    let named = parse("stream: orders\naws: { access_key_id: AKID, secret_access_key: hush }").unwrap();
    assert!(!format!("{named:?}").contains("hush") && !format!("{named:?}").contains("AKID"), "{named:?}");
    assert_eq!(named.arn("eu-west-1", "123456789012").as_deref(), Some(arn));
    assert_eq!(parse(&format!("stream: {arn}")).unwrap().arn("x", "y").as_deref(), Some(arn));
    let code = |text: &str| parse(text).unwrap_err().iter().map(|it| it[..7].to_owned()).collect::<Vec<_>>();
    for wrong in
        ["a b", "arn:aws:sqs:eu-west-1:123456789012:orders", "arn:aws:kinesis:eu-west-1:123456789012:stream/"]
    {
        assert_eq!(code(&format!("stream: {wrong:?}")), ["FB-0244"], "{wrong}");
    }
    let consumer = format!("{arn}/consumer/c:1");
    assert_eq!(parse(&format!("stream: {consumer}")).unwrap().arn("x", "y"), Some(consumer.clone()));
    for wrong in ["c", "c:", ":1", "a b:1", "c:x"] {
        assert_eq!(code(&format!("stream: \"{arn}/consumer/{wrong}\"")), ["FB-0244"], "{wrong}");
    }
    let fan_out = "fan_out: { consumer_name: c }";
    assert_eq!(code(&format!("stream: {consumer}\n{fan_out}")), ["FB-0244"]);
    assert_eq!(code(&format!("stream: orders\n{fan_out}\npoll_interval: 1")), ["FB-0244"]);
    assert_eq!(code("stream: orders\nfan_out: { consumer_name: a b }"), ["FB-0244"]);
    assert_eq!(code("{}").len(), 1);
    assert_eq!(code("stream: orders\npoll_interval: 0.1").len(), 1);
    assert_eq!(code("stream: orders\nendpoint: http://h"), ["FB-0104"]);
    let differs = |more: &str| {
        let identity = |text: &str| parse(text).unwrap().identity();
        assert_ne!(identity("stream: orders"), identity(&format!("stream: orders\n{more}")));
    };
    [
        "fan_out: { consumer_name: c }",
        "poll_interval: 2",
        "deaggregate: true",
        "invoke_identity_arn: me",
        "aws: { region: eu-west-1 }",
    ]
    .iter()
    .for_each(|it| differs(it));
}
