//! From records to the event that Lambda's functions know, byte for byte.
//!
//! `docs/sources/dynamodb.md` shows an event; a test holds both to the same bytes.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use forebay_batcher::{OrderKey, Record, RecordId, UnixMillis};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::shards::{self, reported_record};
use crate::source::{EventFormat, RawRecord, Renderer, wrap_list};

const HEAD: &[u8] = b"{\"Records\":[";
const TAIL: &[u8] = b"]}";

/// How every record of a stream ends.
#[derive(Debug)]
pub(super) struct StreamFact(String);

impl StreamFact {
    pub(super) fn new(arn: &str) -> Self {
        Self(format!(",\"eventSourceARN\":{}}}", serde_json::Value::from(arn)))
    }
}

/// The event that Lambda's functions know.
pub(super) struct DynamoFormat;

impl EventFormat for DynamoFormat {
    fn renderer(&self, _has_window: bool) -> Arc<dyn Renderer> {
        Arc::new(DynamoRenderer)
    }

    fn envelope_bytes(&self) -> u64 {
        (HEAD.len() + TAIL.len()) as u64
    }

    fn wrap(&self, batch: &[Record]) -> Vec<Bytes> {
        wrap_list(HEAD, batch, TAIL)
    }

    fn identify(&self, reported: &RawValue) -> Option<RecordId> {
        reported_record(reported)
    }

    fn batch_info(&self, records: &[Record]) -> (&'static str, serde_json::Value) {
        ("DDBStreamBatchInfo", batch_info(records))
    }
}

struct DynamoRenderer;

impl Renderer for DynamoRenderer {
    fn render(&self, record: &RawRecord, out: &mut Vec<u8>) {
        let facts: &(dyn Any + Send + Sync) = record.facts.as_ref();
        let StreamFact(end) = facts.downcast_ref().expect("this source's reader made the record");
        out.extend_from_slice(&record.data);
        out.extend_from_slice(end.as_bytes());
    }

    /// A filter sees the change as it is delivered.
    fn data<'a>(&self, _record: &'a RawRecord) -> Option<Cow<'a, [u8]>> {
        None
    }
}

/// The member of a rendered record that a failure record repeats.
#[derive(Deserialize)]
struct RenderedChange {
    #[serde(rename = "eventSourceARN")]
    arn: String,
}

/// `DDBStreamBatchInfo` of a failure record.
fn batch_info(records: &[Record]) -> serde_json::Value {
    let Some(first) = records.first() else { return shards::batch_info(records, "", "", iso) };
    let RenderedChange { arn } =
        serde_json::from_slice(&first.bytes).expect("this source rendered the record");
    // Its order key begins with it.
    let shard = match &first.key {
        OrderKey::Key(key) => key.split(|it| *it == b'/').next().unwrap_or_default(),
        OrderKey::Free => &[],
    };
    shards::batch_info(records, &arn, &String::from_utf8_lossy(shard), iso)
}

/// Times are exact to a second.
fn iso(record: &Record) -> String {
    let UnixMillis(at) = record.arrival;
    let at = jiff::Timestamp::from_second(at.div_euclid(1_000)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.to_string()
}
