//! From messages to the event that Lambda's functions know: byte for byte, with the body as it came.
//!
//! `docs/sources/sqs.md` shows an event; a test holds both to the same bytes.

use std::any::Any;
use std::io::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use forebay_batcher::{Record, RecordId};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::digest;
use super::message::Details;
use crate::source::{EventFormat, RawRecord, Renderer, write_text};

const HEAD: &[u8] = b"{\"Records\":[";
const TAIL: &[u8] = b"]}";

/// Bytes of an event around its records and the commas between them.
pub(super) const ENVELOPE_BYTES: u64 = (HEAD.len() + TAIL.len()) as u64;

/// What the renderer needs beyond the body.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) handle: Bytes,
    pub(super) details: Details,
    pub(super) arn: Arc<str>,
    pub(super) region: Arc<str>,
}

/// Renders messages. AWS writes `md5OfMessageAttributes: null` for a message without attributes exactly when
/// the mapping has a window.
#[derive(Debug)]
pub(super) struct SqsRenderer {
    pub(super) has_window: bool,
}

impl Renderer for SqsRenderer {
    fn render(&self, record: &RawRecord, out: &mut Vec<u8>) {
        self.write(record, Data::Whole, out).expect("a vector takes everything");
    }

    fn render_without_data(&self, record: &RawRecord, out: &mut Vec<u8>) {
        self.write(record, Data::LeftOut, out).expect("a vector takes everything");
    }
}

/// The event that Lambda's functions know.
pub(super) struct SqsFormat;

impl EventFormat for SqsFormat {
    fn renderer(&self, has_window: bool) -> Arc<dyn Renderer> {
        Arc::new(SqsRenderer { has_window })
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
        ("SQSBatchInfo", batch_info(records))
    }
}

/// What stands as the body.
enum Data {
    Whole,
    /// An empty text.
    LeftOut,
}

impl SqsRenderer {
    fn write(&self, record: &RawRecord, data: Data, out: &mut Vec<u8>) -> std::io::Result<()> {
        // The feed carries them between two parts of this source without knowing what they are.
        let facts: &(dyn Any + Send + Sync) = record.facts.as_ref();
        let Facts { handle, details, arn, region } =
            facts.downcast_ref().expect("this source's reader made the record");
        out.extend_from_slice(b"{\"messageId\":");
        write_bytes(record.id.0.as_slice(), out);
        out.extend_from_slice(b",\"receiptHandle\":");
        write_bytes(handle, out);
        out.extend_from_slice(b",\"body\":");
        match data {
            Data::Whole => write_bytes(&record.data, out),
            Data::LeftOut => write_text("", out),
        }
        out.extend_from_slice(b",\"attributes\":{");
        for (idx, (name, value)) in details.system.iter().enumerate() {
            comma(out, idx);
            write_text(name, out);
            out.push(b':');
            write_text(value, out);
        }
        out.extend_from_slice(b"},\"messageAttributes\":{");
        for (idx, (name, it)) in details.attributes.iter().enumerate() {
            comma(out, idx);
            write_text(name, out);
            out.extend_from_slice(b":{");
            if let Some(value) = &it.text {
                out.extend_from_slice(b"\"stringValue\":");
                write_text(value, out);
                out.push(b',');
            }
            if let Some(value) = &it.binary {
                write!(out, "\"binaryValue\":\"{}\",", STANDARD.encode(value))?;
            }
            // SQS has no lists yet; the members are there all the same.
            out.extend_from_slice(b"\"stringListValues\":[],\"binaryListValues\":[],\"dataType\":");
            write_text(&it.data_type, out);
            out.push(b'}');
        }
        out.push(b'}');
        // What the queue told is passed on; a server that leaves it out is no reason for an event without it.
        match (&details.md5_of_attributes, details.attributes.is_empty()) {
            (Some(md5), false) => write!(out, ",\"md5OfMessageAttributes\":\"{md5}\"")?,
            (None, false) => {
                write!(out, ",\"md5OfMessageAttributes\":\"{}\"", digest::of_attributes(&details.attributes))?
            }
            (_, true) if self.has_window => out.extend_from_slice(b",\"md5OfMessageAttributes\":null"),
            (_, true) => {}
        }
        match &details.md5_of_body {
            Some(md5) => write!(out, ",\"md5OfBody\":\"{md5}\"")?,
            None => write!(out, ",\"md5OfBody\":\"{}\"", digest::of_body(&record.data))?,
        }
        out.extend_from_slice(b",\"eventSource\":\"aws:sqs\",\"eventSourceARN\":");
        write_text(arn, out);
        out.extend_from_slice(b",\"awsRegion\":");
        write_text(region, out);
        out.push(b'}');
        Ok(())
    }
}

/// Bytes that came as a text.
fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_text(std::str::from_utf8(bytes).expect("this source's reader made it of a text"), out);
}

fn comma(out: &mut Vec<u8>, idx: usize) {
    if idx > 0 {
        out.push(b',');
    }
}

/// The event of a batch.
pub(super) fn wrap(batch: &[Record]) -> Vec<Bytes> {
    crate::source::wrap_list(HEAD, batch, TAIL)
}

/// A message's name: its `messageId`, exactly.
pub(super) fn identify(reported: &RawValue) -> Option<RecordId> {
    let text: String = serde_json::from_str(reported.get()).ok()?;
    // An empty name is a mistake of the function, which AWS takes for a failure of the whole batch.
    (!text.is_empty()).then(|| RecordId::new(text.as_bytes()))
}

/// The members of a rendered record that a failure record repeats.
#[derive(Deserialize)]
struct RenderedMessage {
    #[serde(rename = "messageId")]
    message_id: String,
    #[serde(rename = "eventSourceARN")]
    arn: String,
}

/// `SQSBatchInfo` of a failure record: ours, for AWS has no destination for what came from a queue.
pub(super) fn batch_info(records: &[Record]) -> serde_json::Value {
    let rendered = |record: &Record| {
        serde_json::from_slice::<RenderedMessage>(&record.bytes).expect("this source rendered the record")
    };
    let (Some(first), Some(last)) = (records.first(), records.last()) else {
        return serde_json::json!({ "batchSize": 0 });
    };
    let (first, last) = (rendered(first), rendered(last));
    serde_json::json!({
        "queueArn": first.arn,
        "firstMessageId": first.message_id,
        "lastMessageId": last.message_id,
        "batchSize": records.len(),
    })
}
