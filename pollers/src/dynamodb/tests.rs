//! Streams of tables over the strict tree of shards, and what settings and events say.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{Place as RecordPlace, Record, Section, TrackIdx, Watermark};
use forebay_config::document::{Document, Format};
use forebay_config::pattern::{Filter, FilterRules, Pattern};
use forebay_config::{Node, StartingPosition};
use forebay_models::shards::Limits;
use serde_json::{Value, json};

use super::fake::stream;
use super::{DynamoKind, PROFILE, wire};
use crate::contract::{
    Subject, TreeSubject, a_throttled_reader_keeps_its_place, check, check_tree, read_rest, room,
};
use crate::shards::fake::FakeStreamSubject;
use crate::shards::suite::{
    all_readers_of_a_shard_together_call_no_more_often_than_it_allows, check_stream, first,
};
use crate::source::{Known, RawRecord, SourceKind, SourceSettings};

const QUARTER: Duration = Duration::from_secs(900);

fn limits() -> Limits {
    Limits { iterator_ms: 900_000, records_max: 1_000, ..Limits::default() }
}

fn free_stream() -> FakeStreamSubject {
    stream(Limits { calls_per_s: usize::MAX, ..limits() })
}

#[tokio::test(start_paused = true)]
async fn a_stream_passes_the_suite_of_tracks_and_that_of_trees() {
    check(|| Box::new(free_stream())).await;
    check_tree(|| Box::new(free_stream())).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_read_as_every_tree_of_shards_is() {
    check_stream(free_stream).await;
    all_readers_of_a_shard_together_call_no_more_often_than_it_allows(stream(limits())).await;
}

#[tokio::test(start_paused = true)]
async fn an_iterator_survives_a_throttle() {
    a_throttled_reader_keeps_its_place(Box::new(stream(Limits { calls_per_s: 2, ..limits() }))).await;
}

fn data(records: &[RawRecord]) -> Vec<Vec<u8>> {
    records.iter().map(|it| it.data.to_vec()).collect()
}

/// Records of long ago, of just now, and of after a mapping was made at LATEST; where that begins.
async fn at_latest() -> (FakeStreamSubject, usize, Watermark) {
    let mut subject = free_stream();
    let track = subject.add_track();
    subject.append(track, 3);
    tokio::time::sleep(QUARTER).await;
    subject.append(track, 2);
    let origins = subject.source().explorer().origins(StartingPosition::Latest).await.unwrap();
    subject.append(track, 4);
    let (_, origin) = origins.into_iter().next().unwrap();
    (subject, track, Watermark::Origin(origin))
}

#[tokio::test(start_paused = true)]
async fn latest_gives_what_comes_after_it_also_after_a_restart_within_a_quarter_of_an_hour() {
    let (mut subject, track, latest) = at_latest().await;
    for _ in 0..2 {
        let read = read_rest(subject.source().as_ref(), &subject.name(track), &latest).await;
        assert_eq!(data(&read), subject.written(track)[5..]);
        tokio::time::sleep(QUARTER - Duration::from_secs(60)).await;
        subject.restart();
    }
}

#[tokio::test(start_paused = true)]
async fn latest_loses_nothing_after_its_iterator_has_expired_and_leaves_out_what_is_long_before() {
    let (mut subject, track, latest) = at_latest().await;
    let name = subject.name(track);
    let resting = subject.source();
    let mut reader = resting.tracks().unwrap().open(&name, &latest).await.unwrap();
    tokio::time::sleep(QUARTER * 2).await;
    subject.append(track, 1);
    subject.restart();
    let read = read_rest(subject.source().as_ref(), &name, &latest).await;
    assert_eq!(data(&read), subject.written(track)[3..], "those of just before may come");
    assert_eq!(data(&reader.read(room(100)).await.unwrap().records), subject.written(track)[3..]);
}

#[tokio::test(start_paused = true)]
async fn latest_of_a_shard_that_was_empty_is_where_reading_goes_on() {
    let mut subject = free_stream();
    let track = subject.add_track();
    let origins = subject.source().explorer().origins(StartingPosition::Latest).await.unwrap();
    let latest = Watermark::Origin(origins.into_iter().next().unwrap().1);
    subject.append(track, 2);
    subject.trim(track, 1);
    let source = subject.source();
    let mut reader = source.tracks().unwrap().open(&subject.name(track), &latest).await.unwrap();
    let read = reader.read(room(100)).await.unwrap();
    assert!(read.gap.is_some(), "what retention took of a mapping that waits is told");
    assert_eq!(data(&read.records), subject.written(track)[1..]);
}

#[tokio::test(start_paused = true)]
async fn a_shard_whose_records_are_all_gone_ends_while_it_is_still_listed() {
    let mut subject = free_stream();
    let track = subject.add_track();
    subject.append(track, 4);
    let (source, name) = (subject.source(), subject.name(track));
    let tracks = source.tracks().unwrap();
    let mut reader = tracks.open(&name, &first(source.as_ref())).await.unwrap();
    let passed = reader.read(room(2)).await.unwrap().passed.unwrap();
    let whole = read_rest(source.as_ref(), &name, &Watermark::At(passed.clone())).await;
    let [child, _] = subject.split(track);
    subject.empty(track);
    let open = async |at: &Watermark| {
        let read = tracks.open(&name, at).await.unwrap().read(room(9)).await.unwrap();
        assert!(read.ended && read.records.is_empty(), "{read:?}");
        assert_eq!(read.children[0].name, subject.name(child));
        read.gap.is_some()
    };
    assert!(open(&Watermark::At(passed)).await, "two were not read");
    assert!(open(&first(source.as_ref())).await, "none was read");
    let last = crate::shards::bound_behind(&whole.last().unwrap().position);
    assert!(!open(&Watermark::At(last)).await, "all of them were read");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_switched_off_says_so_and_is_read_to_its_end() {
    let mut subject = free_stream();
    let track = subject.add_track();
    subject.append(track, 2);
    subject.end(track);
    subject.disable();
    let source = subject.source();
    let listed = source.tracks().unwrap().list(&Known::default()).await.unwrap();
    assert_eq!(listed.trouble.map(|it| it.code().to_string()).as_deref(), Some("FB-0257"));
    assert_eq!(read_rest(source.as_ref(), &listed.tracks[0].name, &first(source.as_ref())).await.len(), 2);
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
    let manual = include_str!("../../../docs/sources/dynamodb.md");
    let example = manual.split("```json\n").nth(1).and_then(|it| it.split("```").next()).unwrap();
    assert_eq!(event, example.lines().map(str::trim_start).collect::<String>());
}

#[tokio::test(start_paused = true)]
async fn a_failure_record_names_shard_and_sequence_numbers() {
    let (subject, records) = two_records().await;
    let number = |n| format!("1110000000{n:022}");
    let (key, info) = subject.source().format().batch_info(&records);
    let expected = json!({
        "shardId": "shardId-000000000000",
        "startSequenceNumber": number(1),
        "endSequenceNumber": number(2),
        "approximateArrivalOfFirstRecord": "2018-12-17T22:10:50Z",
        "approximateArrivalOfLastRecord": "2018-12-17T22:10:53Z",
        "batchSize": 2,
        "streamArn": "arn:aws:dynamodb:us-east-2:123456789012:table/orders/stream/2018-12-17T22:10:50.001",
    });
    assert_eq!((key, info.to_string()), ("DDBStreamBatchInfo", expected.to_string()));
}

/// An answer with one record, of which this differs.
fn answer(change: Value, more: Value) -> String {
    let mut record = json!({
        "eventID": "c81e728d9d4c2f636f067f89cc14862c", "eventName": "REMOVE", "eventVersion": "1.1",
        "eventSource": "aws:dynamodb", "awsRegion": "us-east-2",
        "dynamodb": {
            "ApproximateCreationDateTime": 1_479_499_740, "Keys": { "id": { "N": "101" } },
            "SequenceNumber": "4421584500000000017450439091", "SizeBytes": 38, "StreamViewType": "KEYS_ONLY",
        },
    });
    let extend = |value: &mut Value, more: Value| {
        value.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    };
    extend(&mut record["dynamodb"], change);
    extend(&mut record, more);
    json!({ "Records": [record] }).to_string()
}

fn rendered(answer: &str) -> Value {
    let record = wire::read(answer.as_bytes()).expect("it can be read").records.pop().expect("there is one");
    let text = format!("{}}}", std::str::from_utf8(&record.data).unwrap());
    serde_json::from_str(&text).expect("it is JSON")
}

#[test]
fn a_deletion_by_time_to_live_names_who_did_it_as_lambda_spells_it() {
    let identity = json!({ "userIdentity": { "PrincipalId": "dynamodb.amazonaws.com", "Type": "Service" } });
    let record = rendered(&answer(json!({}), identity));
    assert_eq!(
        record["userIdentity"].to_string(),
        r#"{"type":"Service","principalId":"dynamodb.amazonaws.com"}"#
    );
    assert_eq!(rendered(&answer(json!({}), json!({})))["userIdentity"], Value::Null);
}

#[test]
fn values_of_every_type_are_handed_on_as_the_stream_has_them() {
    let text = r#"{"z":{"S":"\u00e9 \"x\" /"},"n":{"N":"12345678901234567890.10"},"b":{"B":"AAEC/w=="},"ss":{"SS":["b","a"]},"ns":{"NS":["1","1e2"]},"bs":{"BS":["AA=="]},"m":{"M":{"x":{"NULL":true},"a":{"L":[{"BOOL":false},{"M":{}}]}}}}"#;
    let answer = answer(json!({ "NewImage": "%", "OldImage": {} }), json!({})).replace("\"%\"", text);
    let record = wire::read(answer.as_bytes()).unwrap().records.pop().unwrap();
    let told = String::from_utf8(record.data.to_vec()).unwrap();
    assert!(told.contains(&format!(",\"NewImage\":{text},\"OldImage\":{{}},\"SequenceNumber\"")), "{told}");
    assert!(told.contains("\"ApproximateCreationDateTime\":1479499740.0,"), "{told}");
    assert_eq!(record.arrival_ms, 1_479_499_740_000);
    let exact = answer.replace("1479499740", "1.4794997405E9");
    let record = wire::read(exact.as_bytes()).unwrap().records.pop().unwrap();
    assert!(String::from_utf8_lossy(&record.data).contains(":1479499740.5,"));
}

#[test]
fn the_key_of_an_item_is_the_same_whatever_order_its_attributes_come_in() {
    let key = |keys: &str| {
        let answer = answer(json!({ "Keys": "%" }), json!({})).replace("\"%\"", keys);
        wire::read(answer.as_bytes()).unwrap().records.pop().unwrap().key
    };
    let one = key(r#"{"pk":{"S":"a\u0062"},"sk":{"N":"1"}}"#);
    assert_eq!(one, key(r#"{ "sk": {"N":"1"}, "pk": {"S":"ab"} }"#));
    for other in [
        r#"{"pk":{"S":"ab"},"sk":{"N":"2"}}"#,
        r#"{"pk":{"S":"ab"},"sk":{"S":"1"}}"#,
        r#"{"pk":{"S":"a"},"sk":{"N":"1"}}"#,
    ] {
        assert_ne!(one, key(other));
    }
}

#[test]
fn a_hostile_answer_is_refused_whole() {
    for wrong in ["", "{", "[]", "{\"Records\":[{}]}", "{\"Records\":{}}", "{\"Records\":[null]}"] {
        assert!(wire::read(wrong.as_bytes()).is_err(), "{wrong}");
    }
    let keys = answer(json!({ "Keys": [] }), json!({}));
    assert!(wire::read(keys.as_bytes()).is_err());
    assert!(wire::read(b"{\"NextShardIterator\":null}").unwrap().next.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_filter_sees_the_change_as_it_is_delivered_and_what_stands_beside_it() {
    let (_, records) = two_records().await;
    let passes = |pattern: Value| {
        let pattern = Pattern::parse(&pattern.to_string()).unwrap();
        let filter =
            Filter::new(&[pattern], FilterRules::from(&PROFILE)).map_err(|it| it.code().to_string())?;
        Ok::<_, String>(filter.passes(&records[0].bytes, None))
    };
    let of_change = |it: Value| json!({ "dynamodb": it });
    assert_eq!(passes(json!({ "eventName": ["INSERT"], "eventSource": ["aws:dynamodb"] })), Ok(true));
    assert_eq!(passes(json!({ "eventName": ["REMOVE"] })), Ok(false));
    assert_eq!(
        passes(of_change(json!({ "NewImage": { "value": { "S": [{ "prefix": "Hello" }] } } }))),
        Ok(true)
    );
    assert_eq!(passes(of_change(json!({ "Keys": { "id": { "N": ["0"] } } }))), Ok(true));
    assert_eq!(passes(of_change(json!({ "Keys": { "id": { "N": [{ "numeric": ["=", 0] }] } } }))), Ok(false));
    assert_eq!(
        passes(of_change(
            json!({ "ApproximateCreationDateTime": [{ "numeric": [">", 1_545_084_650 - 1] }] })
        )),
        Ok(true)
    );
    assert_eq!(passes(json!({ "userIdentity": { "type": ["Service"] } })), Ok(false));
    assert_eq!(passes(of_change(json!(["x"]))), Err("FB-0152".to_owned()));
}

fn node(text: &str) -> Node {
    Document::parse("test", text, Format::Yaml, Path::new("/")).expect("it is YAML").root
}

fn parse(text: &str) -> Result<Box<dyn SourceSettings>, Vec<String>> {
    let parsed = DynamoKind.parse(&node(text), Path::new("/"));
    parsed.map_err(|findings| findings.iter().map(|it| format!("{} {}", it.code, it.message)).collect())
}

#[test]
fn settings_name_one_table_and_secrets_are_not_shown() {
    let table = "arn:aws:dynamodb:eu-west-1:123456789012:table/orders";
    let stream = format!("{table}/stream/2015-05-11T21:21:33.291");
    let named = parse("table: orders\naws: { access_key_id: AKID, secret_access_key: hush }").unwrap();
    assert!(!format!("{named:?}").contains("hush") && !format!("{named:?}").contains("AKID"), "{named:?}");
    assert_eq!(named.arn("eu-west-1", "123456789012"), None, "its stream is not known yet");
    assert_eq!(parse(&format!("table: {table}")).unwrap().arn("x", "y"), None);
    assert_eq!(parse(&format!("table: {stream}")).unwrap().arn("x", "y").as_deref(), Some(stream.as_str()));
    let code = |text: &str| parse(text).unwrap_err().iter().map(|it| it[..7].to_owned()).collect::<Vec<_>>();
    let long = "t".repeat(256);
    let index = format!("{table}/index/by-name");
    let no_label = format!("{table}/stream/");
    for wrong in
        ["ab", "a b c", &long, "arn:aws:kinesis:eu-west-1:123456789012:stream/orders", &index, &no_label]
    {
        assert_eq!(code(&format!("table: {wrong:?}")), ["FB-0254"], "{wrong}");
    }
    assert_eq!(code("{}").len(), 1);
    assert_eq!(code("table: orders\npoll_interval: 0.1").len(), 1);
    assert_eq!(code("table: orders\nstream: orders"), ["FB-0104"]);
    let differs = |more: &str| {
        let identity = |text: &str| parse(text).unwrap().identity();
        assert_ne!(identity("table: orders"), identity(&format!("table: orders\n{more}")));
    };
    ["poll_interval: 2", "aws: { region: eu-west-1 }"].iter().for_each(|it| differs(it));
}
