//! From lines to the event: a record's JSON, the envelope, names that a function reports, and what a failure
//! record says.
//!
//! `docs/sources/file.md` describes the event with an example; a test holds both to the same bytes.

use std::any::Any;
use std::io::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use forebay_batcher::{Record, RecordId, UnixMillis};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::source::{Digits, EventFormat, RawRecord, Renderer, TrackName, write_number, write_text};

const HEAD: &[u8] = b"{\"Records\":[";
const TAIL: &[u8] = b"]}";

/// Bytes of an event around its records and the commas between them.
pub(super) const ENVELOPE_BYTES: u64 = (HEAD.len() + TAIL.len()) as u64;

/// What the records of one reader have in common, as JSON: what stands before a record's offset, each time.
#[derive(Debug, Clone)]
pub(super) struct FileFacts {
    /// Up to the offset with which the record's id ends.
    before_id: String,
    /// Up to the offset itself.
    before_offset: String,
}

impl FileFacts {
    pub(super) fn new(track: &TrackName, path: &str) -> Self {
        let path = serde_json::Value::from(path);
        Self {
            before_id: format!("{{\"eventID\":\"{}:", track.0),
            before_offset: format!("\",\"eventSource\":\"forebay:file\",\"path\":{path},\"offset\":\""),
        }
    }
}

/// What is said of a line that was longer than `line_bytes_max`.
#[derive(Debug)]
pub(super) struct Truncated {
    pub(super) file: Arc<FileFacts>,
    /// Its whole length without the line's end.
    pub(super) length: u64,
}

/// Renders lines.
#[derive(Debug)]
pub(super) struct FileRenderer;

impl Renderer for FileRenderer {
    fn render(&self, record: &RawRecord, out: &mut Vec<u8>) {
        render(record, &record.data, out).expect("a vector takes everything");
    }

    fn render_without_data(&self, record: &RawRecord, out: &mut Vec<u8>) {
        render(record, b"", out).expect("a vector takes everything");
    }
}

/// The event of a batch of lines.
pub(super) struct FileFormat;

impl EventFormat for FileFormat {
    fn renderer(&self, _has_window: bool) -> Arc<dyn Renderer> {
        Arc::new(FileRenderer)
    }

    fn envelope_bytes(&self) -> u64 {
        ENVELOPE_BYTES
    }

    fn wrap(&self, batch: &[Record]) -> Vec<Bytes> {
        wrap(batch)
    }

    fn identify(&self, reported: &RawValue) -> Option<RecordId> {
        identify(reported)
    }

    fn batch_info(&self, records: &[Record]) -> (&'static str, serde_json::Value) {
        ("FileBatchInfo", batch_info(records))
    }
}

/// Renders a record with this in place of its data, but for what is said of the data.
fn render(record: &RawRecord, data: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    let facts: &(dyn Any + Send + Sync) = record.facts.as_ref();
    let truncated = facts.downcast_ref::<Truncated>();
    let file = truncated.map(|it| it.file.as_ref()).or_else(|| facts.downcast_ref::<FileFacts>());
    let file = file.expect("this source's reader made the record");
    let offset = record.position.as_number().expect("this source's positions are offsets");
    let offset = Digits::of(offset);
    out.extend_from_slice(file.before_id.as_bytes());
    out.extend_from_slice(offset.as_slice());
    out.extend_from_slice(file.before_offset.as_bytes());
    out.extend_from_slice(offset.as_slice());
    out.extend_from_slice(b"\",\"body\":");
    match std::str::from_utf8(&record.data) {
        Ok(_) if data.is_empty() => out.extend_from_slice(b"\"\""),
        Ok(body) => write_text(body, out),
        Err(_) => write!(out, "\"{}\",\"bodyEncoding\":\"base64\"", STANDARD.encode(data))?,
    }
    if let Some(Truncated { length, .. }) = truncated {
        write!(out, ",\"truncated\":true,\"length\":{length}")?;
    }
    let UnixMillis(millis) = record.arrival;
    let millis = millis.max(0).unsigned_abs();
    out.extend_from_slice(b",\"approximateArrivalTimestamp\":");
    write_number(millis / 1000, out);
    let digit = |place| b'0' + (millis / place % 10) as u8;
    out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1), b'}']);
    Ok(())
}

/// The event of a batch.
pub(super) fn wrap(batch: &[Record]) -> Vec<Bytes> {
    crate::source::wrap_list(HEAD, batch, TAIL)
}

/// The name of the record at an offset.
pub(super) fn record_id(offset: u64) -> RecordId {
    RecordId::new(Digits::of(offset).as_slice())
}

/// A record's name: the offset as a JSON string, exactly as it was sent. A number is none.
pub(super) fn identify(reported: &RawValue) -> Option<RecordId> {
    let text: String = serde_json::from_str(reported.get()).ok()?;
    let offset: u64 = text.parse().ok()?;
    (offset.to_string() == text).then(|| record_id(offset))
}

/// The members of a rendered record that a failure record repeats.
#[derive(Deserialize)]
struct RenderedLine {
    #[serde(rename = "eventID")]
    event_id: String,
    path: String,
    offset: String,
}

/// `FileBatchInfo` of a failure record.
pub(super) fn batch_info(records: &[Record]) -> serde_json::Value {
    let rendered = |record: &Record| {
        serde_json::from_slice::<RenderedLine>(&record.bytes).expect("this source rendered the record")
    };
    let (Some(first), Some(last)) = (records.first(), records.last()) else {
        return serde_json::json!({ "batchSize": 0 });
    };
    let start = rendered(first);
    let track = start.event_id.rsplit_once(':').map_or("", |(track, _)| track);
    serde_json::json!({
        "path": start.path,
        "file": track,
        "startOffset": start.offset,
        "endOffset": rendered(last).offset,
        "approximateArrivalOfFirstRecord": iso(first.arrival),
        "approximateArrivalOfLastRecord": iso(last.arrival),
        "batchSize": records.len(),
    })
}

fn iso(at: UnixMillis) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use forebay_batcher::{OrderKey, Place, Position, Section, TrackIdx};

    use super::*;

    fn raw(offset: u64, data: &[u8], facts: Arc<dyn Any + Send + Sync>) -> RawRecord {
        RawRecord {
            id: record_id(offset),
            position: Position::number(offset),
            key: OrderKey::Free,
            arrival: UnixMillis(1_545_084_650_987),
            data: Bytes::copy_from_slice(data),
            facts,
        }
    }

    fn facts() -> Arc<FileFacts> {
        Arc::new(FileFacts::new(
            &TrackName("file-801-2a-175f-9-0123456789abcdef0123456789abcdef-0".into()),
            "/var/log/quakes.ndjson",
        ))
    }

    fn record(raw: &RawRecord) -> Record {
        let mut bytes = Vec::new();
        FileRenderer.render(raw, &mut bytes);
        let place = Place::Track(TrackIdx(0), raw.position.clone());
        Record {
            id: raw.id.clone(),
            place,
            key: raw.key.clone(),
            arrival: raw.arrival,
            bytes: bytes.into(),
            section: Section::default(),
        }
    }

    fn long() -> RawRecord {
        raw(77, b"The first bytes of a long line", Arc::new(Truncated { file: facts(), length: 4_000_000 }))
    }

    #[test]
    fn the_documented_event_is_made_byte_for_byte() {
        let lines = [
            raw(0, br#"{"mag":4.5,"place":"12 km W of \"Adak\""}"#, facts()),
            raw(43, b"caf\xe9", facts()),
            long(),
        ];
        let records: Vec<Record> = lines.iter().map(record).collect();
        let event: Vec<u8> = wrap(&records).concat();
        let manual = include_str!("../../../docs/sources/file.md");
        let example = manual
            .split("```json\n")
            .nth(1)
            .and_then(|it| it.split("```").next())
            .expect("the manual has an example");
        let compact: String = example.lines().map(str::trim_start).collect();
        assert_eq!(String::from_utf8(event).unwrap(), compact);
    }

    #[test]
    fn a_filter_sees_all_but_the_body_that_it_is_handed() {
        for raw in [raw(0, b"{\"a\":1}", facts()), raw(43, b"caf\xe9", facts()), long()] {
            let (mut whole, mut shown) = (Vec::new(), Vec::new());
            FileRenderer.render(&raw, &mut whole);
            FileRenderer.render_without_data(&raw, &mut shown);
            let mut expected: serde_json::Value = serde_json::from_slice(&whole).unwrap();
            assert_ne!(expected["body"], "");
            expected["body"] = "".into();
            assert_eq!(serde_json::from_slice::<serde_json::Value>(&shown).unwrap(), expected);
        }
    }

    #[test]
    fn the_documented_batch_info_is_made() {
        let records: Vec<Record> =
            [raw(0, b"a", facts()), raw(2, b"b", facts())].iter().map(record).collect();
        let manual = include_str!("../../../docs/sources/file.md");
        let example = manual
            .split("```json\n")
            .nth(2)
            .and_then(|it| it.split("```").next())
            .expect("the manual has an example");
        let documented: serde_json::Value = serde_json::from_str(example).unwrap();
        assert_eq!(batch_info(&records), documented["FileBatchInfo"]);
    }

    #[test]
    fn a_name_is_a_json_string_exactly_as_sent() {
        let identify = |json: &str| identify(&RawValue::from_string(json.to_owned()).unwrap());
        assert_eq!(identify("\"43\""), Some(record_id(43)));
        assert_eq!(identify("\"0\""), Some(record_id(0)));
        for bad in [
            "43",
            "\"043\"",
            "\"\"",
            "null",
            "\"+43\"",
            "\" 43\"",
            "[\"43\"]",
            "\"99999999999999999999999\"",
            "\"4a\"",
        ] {
            assert_eq!(identify(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_body_is_valid_json_and_says_how_to_get_its_bytes_back() {
        for body in [
            &b""[..],
            b"\0\x01\x1f\x7f",
            "\u{feff}\u{2028}\u{1f600}".as_bytes(),
            b"\xff\xfe",
            b"\\\"\t",
            &[0xc3],
        ] {
            let json: serde_json::Value =
                serde_json::from_slice(&record(&raw(5, body, facts())).bytes).unwrap();
            let text = json["body"].as_str().unwrap();
            let bytes = if json["bodyEncoding"] == "base64" {
                STANDARD.decode(text).unwrap()
            } else {
                text.as_bytes().to_vec()
            };
            assert_eq!(bytes, body);
        }
    }
}
