//! Records that name schemas, over a cluster and a registry in memory.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_batcher::{Condition, Watermark};
use forebay_config::EventRecordFormat;
use serde_json::{Value, json};

use super::event::EventChoice;
use super::fake::{FakeCluster, FakeKafkaSubject, WrittenRecord};
use super::schema_reading::SchemaReading;
use super::topics::TopicChoice;
use crate::contract::{check_endless, room};
use crate::schemas::shelf::{Shelf, ShelfMood};
use crate::source::{RawRecord, Reader, Room, Source, SourceError, TrackName};

/// A key that everything passes and a value with a name.
fn shelf() -> Arc<Shelf> {
    let shelf = Shelf::new();
    shelf.put(1, "JSON", "{}");
    shelf.put(2, "AVRO", r#"{"type":"record","name":"P","fields":[{"name":"name","type":"string"}]}"#);
    shelf
}

fn reading() -> SchemaReading {
    // The suite's keys are plain text.
    SchemaReading::by(shelf().decoder_of_values())
}

#[tokio::test(start_paused = true)]
async fn a_topic_whose_records_are_decoded_passes_the_suite_as_any_other() {
    check_endless(|| Box::new(FakeKafkaSubject::decoding(Some(reading)))).await;
}

fn framed(id: u32, payload: &[u8]) -> Option<Vec<u8>> {
    Some([&[0][..], &id.to_be_bytes(), payload].concat())
}

fn ann(value: Option<Vec<u8>>) -> WrittenRecord {
    WrittenRecord { value, ..WrittenRecord::default() }
}

/// A topic with these records, decoded by what stands on the shelf.
fn source(shelf: &Arc<Shelf>, format: EventRecordFormat, records: Vec<WrittenRecord>) -> Arc<dyn Source> {
    let cluster = FakeCluster::default();
    cluster.add_partition("t");
    records.into_iter().for_each(|it| cluster.with_log("t", 0, |log| log.write(it)));
    let schemas = Some(SchemaReading::by(shelf.decoder(format)));
    cluster.source_with(TopicChoice::Named(vec!["t".to_owned()]), EventChoice::default(), schemas, None)
}

async fn open(source: &dyn Source, from: Option<&Watermark>) -> Box<dyn Reader> {
    let tracks = source.tracks().unwrap();
    let first = Watermark::Origin(tracks.first());
    tracks.open(&TrackName("t-0".to_owned()), from.unwrap_or(&first)).await.unwrap()
}

fn rendered(source: &dyn Source, records: &[RawRecord]) -> Vec<Value> {
    let renderer = source.format().renderer(false);
    let render = |it: &RawRecord| {
        let mut bytes = Vec::new();
        renderer.render(it, &mut bytes);
        serde_json::from_slice(&bytes).unwrap()
    };
    records.iter().map(render).collect()
}

fn unreadable(source: &dyn Source, records: &[RawRecord]) -> Vec<Option<Condition>> {
    let renderer = source.format().renderer(false);
    records.iter().map(|it| renderer.section(it).unreadable).collect()
}

fn text(base64: &Value) -> String {
    String::from_utf8_lossy(&STANDARD.decode(base64.as_str().unwrap()).unwrap()).into_owned()
}

/// Reads until there are so many records, or ten times.
async fn read_all(reader: &mut dyn Reader, n: usize) -> Vec<RawRecord> {
    let mut records = Vec::new();
    for _ in 0..10 {
        if records.len() < n {
            records.extend(reader.read(room(10)).await.unwrap().records);
        }
    }
    records
}

const ANN: &[u8] = b"\x06ann";

#[tokio::test(start_paused = true)]
async fn both_sides_stand_decoded_in_the_event_with_what_they_were_decoded_by() {
    let whole = WrittenRecord {
        key: framed(1, b"7"),
        value: framed(2, ANN),
        headers: vec![("h".to_owned(), Some(vec![1]))],
    };
    let tombstone = WrittenRecord { key: framed(1, b"7"), ..WrittenRecord::default() };
    for (format, value) in
        [(EventRecordFormat::Json, r#"{"name":"ann"}"#), (EventRecordFormat::Source, "\x06ann")]
    {
        let source = source(&shelf(), format, vec![whole.clone(), tombstone.clone(), ann(framed(2, ANN))]);
        let records = open(&*source, None).await.read(room(10)).await.unwrap().records;
        let given = rendered(&*source, &records);
        assert_eq!((text(&given[0]["key"]), text(&given[0]["value"])), ("7".to_owned(), value.to_owned()));
        assert_eq!(given[0]["keySchemaMetadata"], json!({ "dataFormat": "JSON", "schemaId": "1" }));
        assert_eq!(given[0]["valueSchemaMetadata"], json!({ "dataFormat": "AVRO", "schemaId": "2" }));
        assert_eq!(given[0]["headers"], json!([{ "h": [1] }]));
        assert_eq!((&given[1]["value"], given[1].get("valueSchemaMetadata")), (&Value::Null, None));
        assert_eq!(given[1]["keySchemaMetadata"]["schemaId"], "1");
        assert_eq!((given[2].get("key"), given[2].get("keySchemaMetadata")), (None, None));
        let renderer = source.format().renderer(false);
        assert_eq!(&*renderer.data(&records[0]).unwrap(), br#"{"name":"ann"}"#, "filters see JSON");
        assert!(renderer.data(&records[1]).is_none());
        let mut without = Vec::new();
        renderer.render_without_data(&records[0], &mut without);
        let without: Value = serde_json::from_slice(&without).unwrap();
        assert_eq!((&without["value"], text(&without["key"])), (&json!(""), "7".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decoded_is_marked_and_stays_as_it_was_sent() {
    let plain = ann(Some(b"plain".to_vec()));
    let wrong_key =
        WrittenRecord { key: Some(b"plain".to_vec()), value: framed(2, ANN), headers: Vec::new() };
    let records = vec![ann(framed(2, ANN)), plain, ann(framed(9, b"x")), wrong_key, ann(framed(2, ANN))];
    let source = source(&shelf(), EventRecordFormat::Json, records);
    let records = read_all(&mut *open(&*source, None).await, 5).await;
    let [decoded, missing] = [Some(Condition::NotDecoded), Some(Condition::SchemaNotFound)];
    assert_eq!(unreadable(&*source, &records), [None, decoded, missing, decoded, None]);
    let given = rendered(&*source, &records);
    assert_eq!(text(&given[1]["value"]), "plain");
    assert_eq!(text(&given[2]["value"]), "\0\0\0\0\x09x");
    assert_eq!(
        (text(&given[3]["key"]), text(&given[3]["value"])),
        ("plain".to_owned(), "\0\0\0\0\x02\x06ann".to_owned())
    );
    assert!(given[1..4].iter().all(|it| it.get("valueSchemaMetadata").is_none()));
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_down_holds_what_it_is_needed_for_and_nothing_before_it() {
    let shelf = shelf();
    let records = [1, 1, 2, 1].map(|id| ann(framed(id, if id == 1 { b"7" } else { ANN }))).to_vec();
    let source = source(&shelf, EventRecordFormat::Json, records);
    // One schema is known, as most are.
    let first = open(&*source, None).await.read(room(1)).await.unwrap();
    assert_eq!((first.records.len(), shelf.n_asked()), (1, 1));
    shelf.set(ShelfMood::Down);
    let mut reader = open(&*source, None).await;
    let read = reader.read(room(10)).await.unwrap();
    assert_eq!(read.records.len(), 2, "what came before it");
    let error = reader.read(room(10)).await.expect_err("nothing passes it");
    let SourceError::Down { what, code, cause } = &error else { panic!("{error}") };
    assert_eq!((what.as_str(), code.0, shelf.n_asked()), ("t-0", "FB-0389", 2));
    assert!(cause.to_string().contains("the shelf gave no answer about schema 2: it is closed"), "{cause}");
    // It reads on behind what was given out, which is where the bound stands.
    shelf.set(ShelfMood::Up);
    let at = Watermark::At(read.passed.unwrap());
    let rest = read_all(&mut *open(&*source, Some(&at)).await, 2).await;
    let offsets: Vec<_> = rest.iter().map(|it| it.position.as_number()).collect();
    assert_eq!((offsets, unreadable(&*source, &rest)), (vec![Some(2), Some(3)], vec![None, None]));
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_lets_wait_is_asked_once_and_no_read_outlasts_its_wait() {
    let shelf = shelf();
    shelf.set(ShelfMood::Silent);
    let source = source(&shelf, EventRecordFormat::Json, vec![ann(framed(2, ANN))]);
    let mut reader = open(&*source, None).await;
    let wait = Duration::from_millis(700);
    for _ in 0..3 {
        let began = tokio::time::Instant::now();
        let read = reader.read(Room { wait, ..room(10) }).await.unwrap();
        assert_eq!((read.records.len(), read.passed, began.elapsed()), (0, None, wait));
    }
    // One that is dropped meanwhile takes nothing along.
    let dropped =
        tokio::time::timeout(Duration::from_millis(1), reader.read(Room { wait, ..room(10) })).await;
    assert!(dropped.is_err());
    shelf.set(ShelfMood::Up);
    assert_eq!(reader.read(room(10)).await.unwrap().records.len(), 1);
    assert_eq!(shelf.n_asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn records_that_become_long_are_given_out_in_as_many_reads_as_there_is_room() {
    let shelf = shelf();
    shelf.put(3, "AVRO", r#"{"type":"array","items":"null"}"#);
    // A thousand nulls in three bytes.
    let source = source(&shelf, EventRecordFormat::Json, vec![ann(framed(3, b"\xd0\x0f\0")); 6]);
    let mut reader = open(&*source, None).await;
    let mut counts = Vec::new();
    for _ in 0..3 {
        let read = reader.read(Room { bytes_max: 10_000, ..room(10) }).await.unwrap();
        assert!(read.records.iter().all(|it| it.data.len() == 5_001));
        let last = read.records.last().unwrap().position.as_number().unwrap();
        assert_eq!(read.passed.unwrap().as_number(), Some(last + 1));
        counts.push(read.records.len());
    }
    assert_eq!(counts, [2, 2, 2]);
}
