//! The event of the fakes: a list of records with a name and their data as they came.

use std::sync::Arc;

use bytes::Bytes;
use forebay_batcher::{OrderKey, Position, Record, RecordId, UnixMillis};
use serde_json::value::RawValue;

use crate::source::{EventFormat, RawRecord, Renderer, wrap_list};

/// A record of a fake; its data is JSON.
pub(super) fn record(position: Position, name: u64, data: Bytes) -> RawRecord {
    RawRecord {
        id: RecordId::new(name.to_string().as_bytes()),
        position,
        key: OrderKey::Free,
        arrival: UnixMillis(0),
        data,
        facts: Arc::new(()),
    }
}

/// `{"Records":[{"id":"7","data":…}]}`.
pub(super) struct PlainFormat;

const HEAD: &[u8] = b"{\"Records\":[";
const TAIL: &[u8] = b"]}";

impl EventFormat for PlainFormat {
    fn renderer(&self, _has_window: bool) -> Arc<dyn Renderer> {
        Arc::new(PlainRenderer)
    }

    fn envelope_bytes(&self) -> u64 {
        (HEAD.len() + TAIL.len()) as u64
    }

    fn wrap(&self, batch: &[Record]) -> Vec<Bytes> {
        wrap_list(HEAD, batch, TAIL)
    }

    fn identify(&self, reported: &RawValue) -> Option<RecordId> {
        let name: String = serde_json::from_str(reported.get()).ok()?;
        (!name.is_empty()).then(|| RecordId::new(name.as_bytes()))
    }

    fn batch_info(&self, records: &[Record]) -> (&'static str, serde_json::Value) {
        ("FakeBatchInfo", serde_json::json!({ "batchSize": records.len() }))
    }
}

struct PlainRenderer;

impl Renderer for PlainRenderer {
    fn render(&self, record: &RawRecord, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":\"");
        out.extend_from_slice(record.id.0.as_slice());
        out.extend_from_slice(b"\",\"data\":");
        out.extend_from_slice(&record.data);
        out.push(b'}');
    }
}
