//! Topics over a cluster in memory, and what settings and events say.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Place, Position, Record, TrackIdx, Watermark};
use forebay_config::document::{Document, Format};
use forebay_config::{Node, StartingPosition};
use futures_util::FutureExt as _;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::KafkaKind;
use super::event::{EventChoice, NullValue};
use super::fake::{BEGAN_MS, FakeCluster, FakeKafkaSubject, TOPIC, WrittenRecord};
use super::group::GroupTerms;
use super::partition::KafkaPartition;
use super::topics::TopicChoice;
use crate::contract::{check_endless, read_rest, room};
use crate::source::{
    Backlog, EventFormat, Known, PlaceError, RawRecord, Room, Source, SourceError, SourceKind,
    SourceSettings, Stand, Standing, TrackName,
};

#[tokio::test(start_paused = true)]
async fn a_topic_passes_the_suite_of_tracks_that_have_no_end() {
    check_endless(|| Box::new(FakeKafkaSubject::new())).await;
}

fn partition(topic: &str, number: i32) -> KafkaPartition {
    KafkaPartition { topic: topic.into(), number }
}

fn named(topic: &str) -> TopicChoice {
    TopicChoice::Named(vec![topic.to_owned()])
}

fn value(text: &str) -> WrittenRecord {
    WrittenRecord { value: Some(text.as_bytes().to_vec()), ..WrittenRecord::default() }
}

/// A cluster whose topic `t` has a partition with these values.
fn cluster(values: &[&str]) -> (FakeCluster, Arc<dyn Source>) {
    let cluster = FakeCluster::default();
    cluster.add_partition("t");
    values.iter().for_each(|it| cluster.with_log("t", 0, |log| log.write(value(it))));
    let source = cluster.source(named("t"), EventChoice::default());
    (cluster, source)
}

fn track() -> TrackName {
    TrackName("t-0".to_owned())
}

fn first(source: &dyn Source) -> Watermark {
    Watermark::Origin(source.tracks().unwrap().first())
}

fn texts(records: &[RawRecord]) -> Vec<String> {
    records.iter().map(|it| String::from_utf8_lossy(&it.data).into_owned()).collect()
}

/// Where a reader stands that has read all.
async fn behind_all(source: &dyn Source) -> Watermark {
    let mut reader = source.tracks().unwrap().open(&track(), &first(source)).await.unwrap();
    Watermark::At(reader.read(room(1_000)).await.unwrap().passed.unwrap())
}

async fn read_error(source: &dyn Source, from: &Watermark, wait: Duration) -> SourceError {
    let mut reader = source.tracks().unwrap().open(&track(), from).await.unwrap();
    reader.read(waiting(wait)).await.expect_err("it must not go on")
}

fn waiting(wait: Duration) -> Room {
    Room { wait, ..room(1_000) }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_was_made_anew_inherits_nothing_whether_it_is_shorter_as_long_or_longer() {
    for n_anew in [0, 1, 2, 3, 7] {
        let (cluster, source) = cluster(&["a", "b", "c"]);
        let behind = behind_all(source.as_ref()).await;
        cluster.make_anew("t");
        (0..n_anew).for_each(|it| cluster.with_log("t", 0, |log| log.write(value(&format!("other {it}")))));
        let error = read_error(source.as_ref(), &behind, Duration::from_secs(10)).await;
        assert!(matches!(&error, SourceError::PositionLost { .. }), "{n_anew}: {error}");
        assert!(error.to_string().contains("t-0") && error.to_string().contains("made anew"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_open_record_of_another_topic_is_seen_too() {
    let (cluster, source) = cluster(&["a", "b", "c"]);
    let read = read_rest(source.as_ref(), &track(), &first(source.as_ref())).await;
    let open = Watermark::At(read[1].position.clone());
    assert_eq!(texts(&read_rest(source.as_ref(), &track(), &open).await), ["b", "c"]);
    cluster.make_anew("t");
    ["a", "x", "c"].iter().for_each(|it| cluster.with_log("t", 0, |log| log.write(value(it))));
    let error = read_error(source.as_ref(), &open, Duration::ZERO).await;
    assert!(matches!(error, SourceError::PositionLost { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_retention_took_is_a_gap_and_reading_goes_on_at_what_is_there() {
    let (cluster, source) = cluster(&["a", "b", "c", "d", "e"]);
    let tracks = source.tracks().unwrap();
    let mut reader = tracks.open(&track(), &first(source.as_ref())).await.unwrap();
    let passed = reader.read(room(2)).await.unwrap().passed.unwrap();
    let at = Watermark::At(passed.clone());
    // The record before it may go: nothing that was wanted is missing.
    cluster.with_log("t", 0, |log| log.trim(2));
    let mut reader = tracks.open(&track(), &at).await.unwrap();
    let read = reader.read(room(1)).await.unwrap();
    assert_eq!((texts(&read.records), read.gap), (vec!["c".to_owned()], None));
    cluster.with_log("t", 0, |log| log.trim(4));
    let mut reader = tracks.open(&track(), &at).await.unwrap();
    let read = reader.read(room(10)).await.unwrap();
    assert_eq!(texts(&read.records), ["e"]);
    let gap = read.gap.expect("two records are gone");
    assert_eq!((gap.from, gap.to.as_number()), (Some(passed), Some(4)));
    // All may be gone: the gap is told without a record, once.
    cluster.with_log("t", 0, |log| log.trim(5));
    let mut reader = tracks.open(&track(), &at).await.unwrap();
    let read = reader.read(room(10)).await.unwrap();
    assert_eq!((read.records.len(), read.gap.map(|it| it.to.as_number())), (0, Some(Some(5))));
    assert_eq!(reader.read(room(10)).await.unwrap().gap, None);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_compaction_took_is_no_sign_of_another_topic() {
    let (cluster, source) = cluster(&["a", "b", "c"]);
    let behind = behind_all(source.as_ref()).await;
    cluster.with_log("t", 0, |log| log.records.retain(|(offset, ..)| *offset < 1));
    let mut reader = source.tracks().unwrap().open(&track(), &behind).await.unwrap();
    let read = reader.read(waiting(Duration::from_secs(10))).await.unwrap();
    assert_eq!((read.records.len(), read.passed), (0, behind.position().cloned()));
    cluster.with_log("t", 0, |log| log.write(value("d")));
    assert_eq!(texts(&reader.read(room(10)).await.unwrap().records), ["d"]);
}

#[tokio::test(start_paused = true)]
async fn a_partition_where_nothing_comes_is_looked_at_ever_more_seldom() {
    let (cluster, source) = cluster(&[]);
    let mut reader = source.tracks().unwrap().open(&track(), &first(source.as_ref())).await.unwrap();
    let before = cluster.n_asked();
    reader.read(waiting(Duration::from_secs(20))).await.unwrap();
    assert!((20..=30).contains(&(cluster.n_asked() - before)), "{}", cluster.n_asked() - before);
}

#[tokio::test(start_paused = true)]
async fn starting_positions_are_offsets_that_last() {
    let (cluster, source) = cluster(&["a", "b", "c"]);
    let second = StartingPosition::AtTimestamp(BEGAN_MS + 1);
    let late = StartingPosition::AtTimestamp(BEGAN_MS + 1_000_000);
    for (start, expected) in [
        (StartingPosition::TrimHorizon, vec!["a", "b", "c", "d"]),
        (StartingPosition::Latest, vec!["d"]),
        (second, vec!["b", "c", "d"]),
        (late, vec!["d"]),
    ] {
        let origins = source.explorer().origins_for("m", start).await.unwrap();
        let [(name, origin)] = <[_; 1]>::try_from(origins).unwrap();
        assert_eq!(name, track());
        cluster.with_log("t", 0, |log| log.write(value("d")));
        let read = read_rest(source.as_ref(), &name, &Watermark::Origin(origin)).await;
        assert_eq!(texts(&read), expected, "{start:?}");
        cluster.with_log("t", 0, |log| {
            log.records.pop();
            log.end -= 1;
        });
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_group_has_committed_goes_before_the_starting_position() {
    let (cluster, source) = cluster(&["a", "b", "c"]);
    cluster.add_partition("t");
    cluster.with_log("t", 1, |log| log.write(value("other")));
    cluster.set_committed("m", &partition("t", 0), 1);
    cluster.set_committed("another", &partition("t", 1), 0);
    let origins = source.explorer().origins_for("m", StartingPosition::Latest).await.unwrap();
    let mut read = Vec::new();
    for (name, origin) in origins {
        read.push(texts(&read_rest(source.as_ref(), &name, &Watermark::Origin(origin)).await));
    }
    assert_eq!(read, [vec!["b", "c"], vec![]]);
}

/// Where the group says that the only track goes on, which is kept at `kept`.
async fn set_place(source: &dyn Source, kept: &Watermark) -> Option<u64> {
    let stand = Stand { track: track(), bound: kept.clone(), standing: Standing::Open };
    let mut set = source.explorer().places_set("m", &[stand]).await.unwrap();
    let (name, place) = set.pop()?;
    assert_eq!(name, track());
    place.position().and_then(Position::as_number)
}

#[tokio::test(start_paused = true)]
async fn an_offset_that_somebody_set_for_the_group_is_taken_over_once() {
    let (cluster, source) = cluster(&["a", "b", "c"]);
    let it = source.as_ref();
    let all = behind_all(it).await;
    assert_eq!(set_place(it, &all).await, None, "the group has nothing");
    it.tracks().unwrap().committed("m", &track(), &first(it));
    it.tracks().unwrap().committed("m", &track(), &Watermark::At(Position::number(1)));
    assert_eq!(set_place(it, &all).await, None, "our own offset lags");
    cluster.set_committed("m", &partition("t", 0), 1);
    assert_eq!(set_place(it, &all).await, Some(1));
    assert_eq!(set_place(it, &all).await, Some(1), "it was not kept: whoever took it over was killed");
    let further = Watermark::At(Position::number(2));
    assert_eq!(set_place(it, &further).await, None, "it was kept, and more was finished");
    cluster.set_committed("m", &partition("t", 0), 1);
    cluster.set_members_first(Vec::new());
    assert_eq!(set_place(it, &all).await, None, "what members commit is not set by a tool");
    assert_eq!(set_place(it, &all).await, Some(1), "they are gone");
    assert_eq!(set_place(shared(&cluster).as_ref(), &all).await, None, "members follow their group anyway");
    let ignoring = cluster.ignoring(named("t"));
    cluster.set_committed("m", &partition("t", 0), 2);
    assert_eq!(set_place(ignoring.as_ref(), &all).await, None, "the setting says so");
}

#[tokio::test(start_paused = true)]
async fn what_a_mapping_began_with_is_no_offset_that_was_set_later() {
    let (cluster, source) = cluster(&["a", "b", "c"]);
    cluster.set_committed("m", &partition("t", 0), 1);
    source.explorer().origins_for("m", StartingPosition::Latest).await.unwrap();
    // It was killed before the group heard how far it was.
    assert_eq!(set_place(source.as_ref(), &behind_all(source.as_ref()).await).await, None);
    cluster.set_committed("m", &partition("t", 0), 0);
    assert_eq!(set_place(source.as_ref(), &behind_all(source.as_ref()).await).await, Some(0));
}

#[tokio::test(start_paused = true)]
async fn groups_hear_the_next_offset_of_what_is_durable() {
    let (cluster, source) = cluster(&["a", "b", "c"]);
    let tracks = source.tracks().unwrap();
    let committed = || cluster.committed_of("m", &partition("t", 0));
    tracks.committed("m", &track(), &first(source.as_ref()));
    assert_eq!(committed(), None, "nothing is finished yet");
    let read = read_rest(source.as_ref(), &track(), &first(source.as_ref())).await;
    tracks.committed("m", &track(), &Watermark::At(read[1].position.clone()));
    assert_eq!(committed(), Some(1), "the record at offset 1 is open");
    tracks.committed("m", &track(), &behind_all(source.as_ref()).await);
    assert_eq!(committed(), Some(3));
    tracks.leave("m").await;
    assert_eq!(cluster.left(), ["m"]);
}

#[tokio::test(start_paused = true)]
async fn a_pattern_means_whole_names_and_finds_topics_that_come() {
    let cluster = FakeCluster::default();
    ["orders-eu", "orders-us", "old-orders-eu", "__orders-x"]
        .iter()
        .for_each(|it| _ = cluster.add_partition(it));
    let source = cluster.source(TopicChoice::like("orders-.*|__.*").unwrap(), EventChoice::default());
    let tracks = source.tracks().unwrap();
    let listed = tracks.list(&Known::default()).await.unwrap();
    let labels: Vec<_> = listed.tracks.iter().map(|it| it.label.as_str()).collect();
    assert_eq!((labels, listed.trouble.is_none()), (vec!["orders-eu-0", "orders-us-0"], true));
    cluster.add_partition("orders-new");
    let known = Known(listed.tracks.into_iter().map(|it| (it.name, Standing::Open)).collect());
    let listed = tracks.list(&known).await.unwrap().tracks;
    assert_eq!(listed.iter().map(|it| it.label.as_str()).collect::<Vec<_>>(), ["orders-new-0"]);
    for wrong in ["(", "a)(b"] {
        assert!(TopicChoice::like(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_not_there_is_told_by_name_and_others_are_read() {
    let cluster = FakeCluster::default();
    cluster.add_partition("there");
    let choice = TopicChoice::Named(vec!["there".to_owned(), "missing".to_owned()]);
    let source = cluster.source(choice, EventChoice::default());
    let listing = source.tracks().unwrap().list(&Known::default()).await.unwrap();
    assert_eq!(listing.tracks.len(), 1);
    let trouble = listing.trouble.expect("one is missing");
    assert_eq!((trouble.code().0, trouble.to_string().as_str()), ("FB-0383", "topic missing cannot be read"));
    // Who wants the end of all waits for all: one that comes later would begin at its first record.
    assert!(source.explorer().origins(StartingPosition::Latest).await.is_err());
    assert_eq!(source.explorer().origins(StartingPosition::TrimHorizon).await.unwrap().len(), 1);
    let nothing = FakeCluster::default().source(TopicChoice::like("x.*").unwrap(), EventChoice::default());
    assert!(nothing.tracks().unwrap().list(&Known::default()).await.unwrap().trouble.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_counted_from_where_a_mapping_stands() {
    let (cluster, source) = cluster(&["a", "b", "c"]);
    cluster.add_partition("t");
    cluster.with_log("t", 1, |log| log.write(value("x")));
    let bound = behind_all(source.as_ref()).await;
    let stand = |bound| Stand { track: track(), bound, standing: Standing::Open };
    let records = async |stands: &[Stand]| source.explorer().backlog(stands).await.unwrap();
    assert_eq!(records(&[]).await, Backlog { records: Some(4), bytes: None });
    assert_eq!(records(&[stand(bound)]).await.records, Some(1));
    cluster.with_log("t", 0, |log| log.trim(2));
    assert_eq!(records(&[stand(first(source.as_ref()))]).await.records, Some(2));
}

#[tokio::test(start_paused = true)]
async fn an_operator_names_an_offset_between_the_ends() {
    let (cluster, source) = cluster(&["a", "b", "c"]);
    cluster.with_log("t", 0, |log| log.trim(1));
    let bound = async |told: &str| source.explorer().bound(&track(), told).await;
    for (told, left) in [("1", vec!["b", "c"]), ("2", vec!["c"]), ("3", vec![])] {
        assert_eq!(texts(&read_rest(source.as_ref(), &track(), &bound(told).await.unwrap()).await), left);
    }
    for wrong in ["0", "4", "-1", "b", ""] {
        assert!(matches!(bound(wrong).await, Err(PlaceError::None(_))), "{wrong}");
    }
}

/// Records of two topics, as they stand in an event of a batch.
async fn some_records(event: EventChoice) -> (Arc<dyn Source>, Vec<Record>) {
    let cluster = FakeCluster::default();
    for topic in ["orders", "returns"] {
        cluster.add_partition(topic);
    }
    let headers = vec![
        ("hello".to_owned(), Some(vec![104, 0xe9, 0x80])),
        ("none".to_owned(), None),
        ("hello".to_owned(), Some(Vec::new())),
    ];
    cluster.with_log("orders", 0, |log| {
        log.skip();
        log.write(WrittenRecord { key: Some(b"key".to_vec()), value: Some(b"{\"n\":1}".to_vec()), headers });
        log.write(WrittenRecord { key: None, value: None, headers: Vec::new() });
    });
    cluster.with_log("returns", 0, |log| log.write(value("")));
    let topics = TopicChoice::Named(vec!["orders".to_owned(), "returns".to_owned()]);
    let source = cluster.source(topics, event);
    let renderer = source.format().renderer(false);
    let mut records = Vec::new();
    for name in ["orders-0", "returns-0"] {
        for raw in read_rest(source.as_ref(), &TrackName(name.to_owned()), &first(source.as_ref())).await {
            let mut bytes = Vec::new();
            renderer.render(&raw, &mut bytes);
            records.push(Record {
                id: raw.id.clone(),
                place: Place::Track(TrackIdx(0), raw.position.clone()),
                key: raw.key.clone(),
                arrival: raw.arrival,
                bytes: bytes.into(),
                section: renderer.section(&raw),
            });
        }
    }
    (source, records)
}

fn event(source: &dyn Source, records: &[Record]) -> String {
    String::from_utf8(source.format().wrap(records).concat()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_documented_event_is_made_byte_for_byte() {
    let (source, records) = some_records(EventChoice::default()).await;
    let manual = include_str!("../../../docs/sources/kafka.md");
    let example = manual.split("```json\n").nth(1).and_then(|it| it.split("```").next()).unwrap();
    assert_eq!(event(source.as_ref(), &records), example.lines().map(str::trim_start).collect::<String>());
}

#[tokio::test(start_paused = true)]
async fn events_of_msk_say_so_and_tombstones_may_go_without_a_value() {
    let arn = "arn:aws:kafka:us-east-1:123456789012:cluster/mine/abc-1".to_owned();
    let choice =
        EventChoice { cluster_arn: Some(arn.clone()), null_value: NullValue::Absent, keyless_is_free: true };
    let (source, records) = some_records(choice).await;
    let event: Value = serde_json::from_str(&event(source.as_ref(), &records)).unwrap();
    assert_eq!(
        (&event["eventSource"], &event["eventSourceArn"]),
        (&"aws:kafka".into(), &arn.as_str().into())
    );
    assert_eq!(event["records"]["orders-0"][1].get("value"), None);
    assert_eq!(records[1].key, forebay_batcher::OrderKey::Free);
    let format: &dyn EventFormat = source.format();
    let keys: Vec<_> = records.iter().map(|it| format.original_key(it)).collect();
    assert_eq!(keys, [Some("key".into()), None, None]);
}

#[tokio::test(start_paused = true)]
async fn a_function_names_records_by_partition_and_offset() {
    let (source, records) = some_records(EventChoice::default()).await;
    let identify = |json: Value| source.format().identify(&RawValue::from_string(json.to_string()).unwrap());
    let of = |idx: usize| Some(records[idx].id.clone());
    assert_eq!(identify(json!({ "partition": "orders-0", "offset": 1 })), of(0));
    assert_eq!(identify(json!({ "partition": "orders-0", "offset": 2 })), of(1));
    assert_eq!(identify(json!({ "partition": "returns-0", "offset": 0 })), of(2));
    for wrong in [
        json!({ "partition": "orders-1", "offset": 1 }),
        json!({ "partition": "orders-0", "offset": "1" }),
        json!({ "partition": "orders-0", "offset": -1 }),
        json!({ "partition": "orders-0" }),
        json!("orders-0"),
    ] {
        assert_eq!(identify(wrong.clone()), None, "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_record_names_the_offsets_of_each_partition() {
    let (source, records) = some_records(EventChoice::default()).await;
    let (key, info) = source.format().batch_info(&records);
    let list = |first: &str, last: &str, from: &str, to: &str| json!({ "firstRecordOffset": first, "lastRecordOffset": last, "firstRecordTimestamp": from, "lastRecordTimestamp": to });
    let expected = json!({
        "batchSize": 3,
        "bootstrapServers": "b-1:9092,b-2:9092",
        "payloadSize": event(source.as_ref(), &records).len(),
        "recordsInfo": {
            "orders-0": list("1", "2", "2018-12-17T22:10:51.000Z", "2018-12-17T22:10:52.000Z"),
            "returns-0": list("0", "0", "2018-12-17T22:10:50.000Z", "2018-12-17T22:10:50.000Z"),
        },
    });
    assert_eq!((key, info), ("KafkaBatchInfo", expected));
}

#[tokio::test(start_paused = true)]
async fn a_record_alone_is_told_with_its_key_and_its_headers() {
    let (source, records) = some_records(EventChoice::default()).await;
    let format = source.format();
    let lone = format.alone(&records[0]).unwrap();
    let expected = json!({
        "batchSize": 1,
        "bootstrapServers": "b-1:9092,b-2:9092",
        "payloadSize": event(source.as_ref(), &records[..1]).len(),
        "recordInfo": { "offset": "1", "timestamp": "2018-12-17T22:10:51.000Z" },
    });
    assert_eq!(lone.info, ("KafkaBatchInfo", expected));
    assert_eq!(lone.key.as_deref(), Some(&b"key"[..]));
    let headers: Vec<(&str, &[u8])> =
        lone.headers.iter().map(|(name, it)| (name.as_str(), &it[..])).collect();
    assert_eq!(headers, [("hello", &b"h\xe9\x80"[..]), ("none", b""), ("hello", b"")]);
    let bare = format.alone(&records[1]).unwrap();
    assert_eq!((bare.key, bare.headers.len()), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn a_filter_sees_all_but_the_value_that_it_is_handed_and_a_tombstone_has_none() {
    let (cluster, source) = cluster(&["{\"n\":1}"]);
    cluster.with_log("t", 0, |log| log.write(WrittenRecord::default()));
    let raws = read_rest(source.as_ref(), &track(), &first(source.as_ref())).await;
    let renderer = source.format().renderer(false);
    let (mut whole, mut shown) = (Vec::new(), Vec::new());
    renderer.render(&raws[0], &mut whole);
    renderer.render_without_data(&raws[0], &mut shown);
    let mut expected: Value = serde_json::from_slice(&whole).unwrap();
    expected["value"] = "".into();
    assert_eq!(serde_json::from_slice::<Value>(&shown).unwrap(), expected);
    assert_eq!(renderer.data(&raws[0]).as_deref(), Some(&b"{\"n\":1}"[..]));
    assert_eq!(renderer.data(&raws[1]), None);
}

#[tokio::test(start_paused = true)]
async fn a_read_keeps_to_its_room_and_costs_no_allocation_per_record() {
    let cluster = FakeCluster::default();
    cluster.add_partition("t");
    let headers = || vec![("trace".to_owned(), Some(vec![7; 16]))];
    for _ in 0..4_000 {
        cluster.with_log("t", 0, |log| {
            log.write(WrittenRecord {
                key: Some(vec![1; 20]),
                value: Some(vec![b'v'; 1_024]),
                headers: headers(),
            });
        });
    }
    let source = cluster.source(named("t"), EventChoice::default());
    let mut reader = source.tracks().unwrap().open(&track(), &first(source.as_ref())).await.unwrap();
    assert_eq!(reader.read(room(7)).await.unwrap().records.len(), 7);
    let little = Room { bytes_max: 4_000, ..room(1_000) };
    assert_eq!(reader.read(little).await.unwrap().records.len(), 4, "the last one may go over the room");
    let mut count = |n| {
        let (future, mut read) = (reader.read(room(n)), None);
        let info = allocation_counter::measure(|| read = future.now_or_never());
        assert_eq!(read.expect("it need not wait").unwrap().records.len(), n as usize);
        info.count_total
    };
    let (_, few, many) = (count(10), count(10), count(900));
    assert!(many <= few + 20, "900 records take {many} allocations, 10 take {few}");
}

fn node(text: &str) -> Node {
    Document::parse("test", text, Format::Yaml, Path::new("/")).expect("it is YAML").root
}

fn parse(text: &str) -> Result<Box<dyn SourceSettings>, Vec<String>> {
    let parsed = KafkaKind.parse(&node(text), Path::new("/"));
    parsed.map_err(|findings| findings.iter().map(|it| format!("{} {}", it.code, it.message)).collect())
}

#[test]
fn settings_name_brokers_and_topics_and_differ_in_what_is_read() {
    let plain = "bootstrap_servers: ['b:9092']";
    let orders = format!("{plain}\ntopics: [orders]");
    let identity = |more: &str| parse(&format!("{orders}\n{more}")).unwrap().identity();
    assert!(identity("").starts_with("kafka:b:9092/orders "), "{}", identity(""));
    for more in [
        "consumer_group_id: g",
        "isolation_level: read_uncommitted",
        "offset_resets: ignored",
        "null_values: absent",
        "keyless_records: any_lane",
        "tls: {}",
        "sasl: { mechanism: PLAIN, username: u, password: 'env:P' }",
    ] {
        assert_ne!(identity(""), identity(more), "{more}");
    }
    let arn = "arn:aws:kafka:eu-west-1:123456789012:cluster/c/id";
    assert_eq!(parse(&format!("{orders}\ncluster_arn: {arn}")).unwrap().arn("x", "y").as_deref(), Some(arn));
    let code = |text: &str| parse(text).unwrap_err().iter().map(|it| it[..7].to_owned()).collect::<Vec<_>>();
    let asked = format!("topics: [orders]\ncluster_arn: {arn}");
    let identity_of = |text: &str| parse(text).unwrap().identity();
    assert!(identity_of(&asked).starts_with(&format!("kafka:{arn}/orders ")), "MSK is asked for the brokers");
    assert_ne!(identity_of(&asked), identity_of(&format!("{asked}\naws: {{ region: eu-west-1 }}")));
    for useless in [format!("{orders}\ncluster_arn: {arn}"), orders.clone()] {
        assert_eq!(code(&format!("{useless}\naws: {{ region: eu-west-1 }}")), ["FB-0106"], "{useless}");
    }
    assert_eq!(code("topics: [orders]"), ["FB-0107"]);
    assert_eq!(code(plain), ["FB-0108"]);
    assert_eq!(code(&format!("{orders}\ntopic_pattern: a")), ["FB-0108"]);
    for wrong in ["topics: ['a b']", "topics: []", "topics: ['..']", "topic_pattern: '('"] {
        assert_eq!(code(&format!("{plain}\n{wrong}")), ["FB-0385"], "{wrong}");
    }
    assert_eq!(code(&format!("{orders}\nconsumer_group_id: {}", "g".repeat(201))), ["FB-0385"]);
    assert_eq!(code(&format!("{orders}\ncluster_arn: arn:aws:sqs:e:1:q")), ["FB-0385"]);
    assert_eq!(code(&format!("{orders}\nnull_values: other")), ["FB-0106"]);
    assert_eq!(code(&format!("{orders}\ngroups: g")), ["FB-0104"]);
}

#[test]
fn a_group_is_obeyed_or_refused() {
    let plain = "bootstrap_servers: ['b:9092']\ntopics: [orders]";
    let identity = |more: &str| parse(&format!("{plain}\n{more}")).unwrap().identity();
    let code = |more: &str| {
        let found = parse(&format!("{plain}\n{more}")).unwrap_err();
        found.iter().map(|it| it[..7].to_owned()).collect::<Vec<_>>()
    };
    for more in ["group: {}", "group: { protocol: consumer }", "group: { instance_id: a.b-c_1 }"] {
        assert_ne!(identity(""), identity(more), "{more}");
    }
    assert_ne!(identity("group: {}"), identity("group: { session_timeout: 6 }"));
    assert_ne!(identity("group: {}"), identity("group: { rebalance_timeout: 6 }"));
    assert_eq!(identity("group: {}"), identity("group: { protocol: classic, session_timeout: 45 }"));
    assert_eq!(code("group: { protocol: consumer, session_timeout: 45 }"), ["FB-0399"]);
    for wrong in ["a b", "é"] {
        assert_eq!(code(&format!("group: {{ instance_id: '{wrong}' }}")), ["FB-0399"], "{wrong}");
    }
    assert_eq!(code("group: {}\noffset_resets: ignored"), ["FB-0431"]);
    assert_eq!(code("group: { heartbeat_interval: 3 }"), ["FB-0104"]);
    assert_eq!(code("group: { protocol: share }"), ["FB-0106"]);
    assert_eq!(code("group: { rebalance_timeout: 901 }").len(), 1);
}

/// A source whose mappings are members of their groups.
fn shared(cluster: &FakeCluster) -> Arc<dyn Source> {
    cluster.source_with(named("t"), EventChoice::default(), None, Some(GroupTerms::default()))
}

#[tokio::test]
async fn the_first_of_several_nodes_says_where_their_mapping_begins() {
    let (cluster, _) = cluster(&["a", "b", "c"]);
    let begins = |source: Arc<dyn Source>, start| async move {
        let origins = source.explorer().origins_for("m", start).await.unwrap();
        let [(_, origin)] = <[_; 1]>::try_from(origins).unwrap();
        let read = read_rest(source.as_ref(), &track(), &Watermark::Origin(origin)).await;
        texts(&read)
    };
    assert_eq!(begins(shared(&cluster), StartingPosition::TrimHorizon).await, ["a", "b", "c"]);
    assert_eq!(cluster.committed_of("m", &partition("t", 0)), None, "the first record is agreed on");
    assert_eq!(begins(shared(&cluster), StartingPosition::Latest).await.len(), 0);
    assert_eq!(cluster.committed_of("m", &partition("t", 0)), Some(3));
    cluster.with_log("t", 0, |log| log.write(value("d")));
    assert_eq!(begins(shared(&cluster), StartingPosition::Latest).await, ["d"], "and not at this one's end");
    assert_eq!(cluster.left(), ["m", "m", "m"], "no client stays for that");
}

#[tokio::test]
async fn who_comes_to_a_group_with_members_begins_where_they_do() {
    let (cluster, _) = cluster(&["a", "b", "c"]);
    cluster.set_members_first(vec![(partition("t", 0), 1)]);
    let origins = shared(&cluster).explorer().origins_for("m", StartingPosition::Latest).await.unwrap();
    let read = read_rest(shared(&cluster).as_ref(), &track(), &Watermark::Origin(origins[0].1.clone())).await;
    assert_eq!(texts(&read), ["b", "c"]);
}

#[test]
fn the_name_of_a_track_is_read_as_it_was_written() {
    let of = |text: &str| KafkaPartition::of_track(&TrackName(text.to_owned()));
    for (topic, number) in [("t", 0), (TOPIC, 17), ("a-1-", 3)] {
        assert_eq!(of(&partition(topic, number).track().0), Some(partition(topic, number)));
    }
    for wrong in ["t", "-1", "t-", "t-x", "t-1.5"] {
        assert_eq!(of(wrong), None, "{wrong}");
    }
}
