//! The event: `{"Numbers":[{"track":"track-0","number":7}]}`.

use std::sync::Arc;

use bytes::Bytes;
use forebay_batcher::{Record, RecordId};
use forebay_pollers::{EventFormat, RawRecord, Renderer, wrap_list, write_text};
use serde_json::value::RawValue;

/// How its records become an event.
pub(super) struct NumbersFormat;

const HEAD: &[u8] = b"{\"Numbers\":[";
const TAIL: &[u8] = b"]}";

impl EventFormat for NumbersFormat {
    fn renderer(&self, _has_window: bool) -> Arc<dyn Renderer> {
        Arc::new(NumbersRenderer)
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
        ("NumbersBatchInfo", serde_json::json!({ "batchSize": records.len() }))
    }
}

struct NumbersRenderer;

impl Renderer for NumbersRenderer {
    fn render(&self, record: &RawRecord, out: &mut Vec<u8>) {
        let label = record.facts.downcast_ref::<Arc<str>>().expect("the reader gives each record its label");
        out.extend_from_slice(b"{\"track\":");
        write_text(label, out);
        out.extend_from_slice(b",\"number\":");
        out.extend_from_slice(&record.data);
        out.push(b'}');
    }
}
