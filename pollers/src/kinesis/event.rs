//! From records to the event that Lambda's functions know, byte for byte.
//!
//! `docs/sources/kinesis.md` shows an event; a test holds both to the same bytes.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use forebay_batcher::{OrderKey, Record, RecordId, UnixMillis};
use forebay_config::Arn;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::data::{BASE64, ENCRYPTED, decoded};
use crate::shards::{self, reported_record};
use crate::source::{EventFormat, RawRecord, Renderer, write_base64, write_number, write_text};

const HEAD: &[u8] = b"{\"Records\":[";
const TAIL: &[u8] = b"]}";

/// What all records of a shard have in common, as it stands in their JSON.
#[derive(Debug)]
pub(super) struct ShardFacts {
    /// From behind the time of arrival up to the sequence number in `eventID`.
    before_id: String,
    /// From there to the end.
    after_id: String,
    /// Their data is Base64 already, as it stands in their JSON.
    is_base64: bool,
}

impl ShardFacts {
    /// Of a shard of the stream of this ARN.
    pub(super) fn new(arn: &str, identity_arn: Option<&str>, shard: &str, facts_idx: usize) -> Self {
        let text = |it: &str| serde_json::Value::from(it).to_string();
        let encryption = if facts_idx & ENCRYPTED > 0 { ",\"encryptionType\":\"KMS\"" } else { "" };
        let shard = text(&format!("{shard}:"));
        // Its closing quote comes behind the sequence number.
        let shard = &shard[..shard.len() - 1];
        let before_id = format!(
            "{encryption}}},\"eventSource\":\"aws:kinesis\",\"eventVersion\":\"1.0\",\"eventID\":{shard}"
        );
        let parsed = Arn::parse(arn);
        let role = parsed.as_ref().map(|it| format!("arn:{}:iam::{}:role/forebay", it.partition, it.account));
        let identity = text(identity_arn.or(role.as_deref()).unwrap_or_default());
        let region = text(parsed.as_ref().map_or("", |it| &it.region));
        let arn = text(arn);
        let after_id = format!(
            "\",\"eventName\":\"aws:kinesis:record\",\"invokeIdentityArn\":{identity},\"awsRegion\":{region},\"eventSourceARN\":{arn}}}"
        );
        Self { before_id, after_id, is_base64: facts_idx & BASE64 > 0 }
    }
}

/// The event that Lambda's functions know.
pub(super) struct KinesisFormat;

impl EventFormat for KinesisFormat {
    fn renderer(&self, _has_window: bool) -> Arc<dyn Renderer> {
        Arc::new(KinesisRenderer)
    }

    fn envelope_bytes(&self) -> u64 {
        (HEAD.len() + TAIL.len()) as u64
    }

    fn wrap(&self, batch: &[Record]) -> Vec<Bytes> {
        crate::source::wrap_list(HEAD, batch, TAIL)
    }

    fn identify(&self, reported: &RawValue) -> Option<RecordId> {
        reported_record(reported)
    }

    fn batch_info(&self, records: &[Record]) -> (&'static str, serde_json::Value) {
        ("KinesisBatchInfo", batch_info(records))
    }

    fn original_key(&self, record: &Record) -> Option<Bytes> {
        match &record.key {
            OrderKey::Key(key) => Some(key.clone()),
            OrderKey::Free => None,
        }
    }
}

struct KinesisRenderer;

impl Renderer for KinesisRenderer {
    fn render(&self, record: &RawRecord, out: &mut Vec<u8>) {
        write(record, &record.data, out);
    }

    fn render_without_data(&self, record: &RawRecord, out: &mut Vec<u8>) {
        write(record, &[], out);
    }

    fn data<'a>(&self, record: &'a RawRecord) -> Option<Cow<'a, [u8]>> {
        if facts(record).is_base64 { decoded(&record.data) } else { Some(Cow::Borrowed(&record.data)) }
    }
}

fn facts(record: &RawRecord) -> &ShardFacts {
    let facts: &(dyn Any + Send + Sync) = record.facts.as_ref();
    facts.downcast_ref().expect("this source's reader made the record")
}

fn write(record: &RawRecord, data: &[u8], out: &mut Vec<u8>) {
    let ShardFacts { before_id, after_id, is_base64 } = facts(record);
    let key = match &record.key {
        OrderKey::Key(key) => std::str::from_utf8(key).expect("this source's reader made it of a text"),
        OrderKey::Free => "",
    };
    let number = record.id.0.as_slice();
    out.extend_from_slice(b"{\"kinesis\":{\"kinesisSchemaVersion\":\"1.0\",\"partitionKey\":");
    write_text(key, out);
    out.extend_from_slice(b",\"sequenceNumber\":\"");
    out.extend_from_slice(number);
    out.extend_from_slice(b"\",\"data\":\"");
    if *is_base64 {
        out.extend_from_slice(data);
    } else {
        write_base64(data, out);
    }
    out.extend_from_slice(b"\",\"approximateArrivalTimestamp\":");
    let UnixMillis(millis) = record.arrival;
    let millis = millis.max(0).unsigned_abs();
    write_number(millis / 1000, out);
    let digit = |place| b'0' + (millis / place % 10) as u8;
    out.extend_from_slice(&[b'.', digit(100), digit(10), digit(1)]);
    out.extend_from_slice(before_id.as_bytes());
    out.extend_from_slice(number);
    out.extend_from_slice(after_id.as_bytes());
}

/// The members of a rendered record that a failure record repeats.
#[derive(Deserialize)]
struct RenderedRecord {
    #[serde(rename = "eventID")]
    event_id: String,
    #[serde(rename = "eventSourceARN")]
    arn: String,
}

/// `KinesisBatchInfo` of a failure record.
fn batch_info(records: &[Record]) -> serde_json::Value {
    let Some(first) = records.first() else { return shards::batch_info(records, "", "", iso) };
    let RenderedRecord { event_id, arn } =
        serde_json::from_slice(&first.bytes).expect("this source rendered the record");
    let (shard, _) = event_id.rsplit_once(':').unwrap_or_default();
    shards::batch_info(records, &arn, shard, iso)
}

fn iso(record: &Record) -> String {
    let UnixMillis(at) = record.arrival;
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}
