//! From messages to the event that Lambda's functions know, byte for byte.
//!
//! `docs/sources/rabbitmq.md` shows an event; a test holds both to the same bytes.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use forebay_batcher::{Record, RecordId, Section, UnixMillis};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::properties::{HeaderValue, Properties};
use crate::source::{EventFormat, RawRecord, Renderer, push_list, write_base64, write_number, write_text};

const TAIL: &[u8] = b"}}";
/// The member of a failure record that describes its records.
const BATCH_INFO: &str = "RabbitMQBatchInfo";
/// As a locale of Java's has it, in English: `Jan 1, 1970, 12:33:41 AM`.
const JAVA_DATE: &str = "%b %-d, %Y, %-I:%M:%S %p";

/// What the renderer needs beyond the body.
#[derive(Debug)]
pub(super) struct RabbitFacts {
    /// The part of an event that its queue's messages stand in.
    pub(super) section: Section,
    pub(super) redelivered: bool,
    pub(super) properties: Properties,
    /// The delivery's own name, where events show it.
    pub(super) delivery_id: Option<String>,
}

/// The event that Lambda's functions know.
pub(super) struct RabbitFormat {
    head: Bytes,
    source: String,
    /// What opens the list of each queue: `"orders::/":[`.
    opens: Vec<Bytes>,
    names: Vec<String>,
}

impl RabbitFormat {
    /// Of queues of one virtual host; `source` is what stands as the event source's ARN.
    pub(super) fn new(source: &str, queues: &[String], virtual_host: &str) -> Self {
        let head = format!(
            "{{\"eventSource\":\"aws:rmq\",\"eventSourceArn\":{},\"rmqMessagesByQueue\":{{",
            Value::from(source)
        );
        let names: Vec<String> = queues.iter().map(|it| format!("{it}::{virtual_host}")).collect();
        let opens = names.iter().map(|it| format!("{}:[", Value::from(it.as_str())).into()).collect();
        Self { head: head.into(), source: source.to_owned(), opens, names }
    }

    /// The part of an event that a queue's messages stand in.
    pub(super) fn section(&self, queue: usize) -> Section {
        let bytes = u16::try_from(self.opens[queue].len() + 1).expect("names have 255 bytes at most");
        let idx = u32::try_from(queue).expect("nobody names so many queues");
        Section { idx, bytes, unreadable: None }
    }
}

impl EventFormat for RabbitFormat {
    fn renderer(&self, _has_window: bool) -> Arc<dyn Renderer> {
        Arc::new(RabbitRenderer)
    }

    fn envelope_bytes(&self) -> u64 {
        (self.head.len() + TAIL.len()) as u64
    }

    fn wrap(&self, batch: &[Record]) -> Vec<Bytes> {
        let mut pieces = vec![self.head.clone()];
        let queues: BTreeSet<u32> = batch.iter().map(|it| it.section.idx).collect();
        let is_of_one = queues.len() < 2;
        for (idx, queue) in queues.into_iter().enumerate() {
            if idx > 0 {
                pieces.push(Bytes::from_static(b","));
            }
            pieces.push(self.opens[queue as usize].clone());
            if is_of_one {
                push_list(batch, &mut pieces);
            } else {
                // A key stands in an object once, however the messages of several queues came.
                let own: Vec<Record> = batch.iter().filter(|it| it.section.idx == queue).cloned().collect();
                push_list(&own, &mut pieces);
            }
            pieces.push(Bytes::from_static(b"]"));
        }
        pieces.push(Bytes::from_static(TAIL));
        pieces
    }

    /// A message's `messageId`, or its `deliveryId`.
    fn identify(&self, reported: &RawValue) -> Option<RecordId> {
        let text: String = serde_json::from_str(reported.get()).ok()?;
        (!text.is_empty()).then(|| RecordId::new(text.as_bytes()))
    }

    fn batch_info(&self, records: &[Record]) -> (&'static str, Value) {
        let mut queues = serde_json::Map::new();
        for (idx, name) in self.names.iter().enumerate() {
            let own: Vec<&Record> = records.iter().filter(|it| it.section.idx as usize == idx).collect();
            let (Some(first), Some(last)) = (own.first(), own.last()) else { continue };
            let id = |it: &Record| String::from_utf8_lossy(it.id.0.as_slice()).into_owned();
            let info = json!({
                "batchSize": own.len(),
                "firstMessageId": id(first),
                "lastMessageId": id(last),
                "firstMessageTimestamp": iso(first.arrival),
                "lastMessageTimestamp": iso(last.arrival),
            });
            queues.insert(name.clone(), info);
        }
        let info = json!({ "eventSourceArn": self.source, "batchSize": records.len(), "queues": queues });
        (BATCH_INFO, info)
    }
}

/// Renders messages of any queue: what is said of one stands beside it.
struct RabbitRenderer;

impl Renderer for RabbitRenderer {
    fn render(&self, record: &RawRecord, out: &mut Vec<u8>) {
        write(facts(record), &record.data, DataShown::Whole, out);
    }

    fn render_without_data(&self, record: &RawRecord, out: &mut Vec<u8>) {
        write(facts(record), &record.data, DataShown::LeftOut, out);
    }

    fn data<'a>(&self, record: &'a RawRecord) -> Option<Cow<'a, [u8]>> {
        Some(Cow::Borrowed(&record.data))
    }

    fn section(&self, record: &RawRecord) -> Section {
        facts(record).section
    }
}

/// What stands as the data.
enum DataShown {
    Whole,
    /// An empty text.
    LeftOut,
}

fn facts(record: &RawRecord) -> &RabbitFacts {
    let facts: &(dyn Any + Send + Sync) = record.facts.as_ref();
    facts.downcast_ref().expect("this source's queue made the record")
}

fn iso(UnixMillis(at): UnixMillis) -> String {
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

fn write(facts: &RabbitFacts, body: &[u8], data: DataShown, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"basicProperties\":");
    write_properties(&facts.properties, body.len(), out);
    out.extend_from_slice(b",\"redelivered\":");
    write_switch(facts.redelivered, out);
    out.extend_from_slice(b",\"data\":\"");
    match data {
        DataShown::Whole => write_base64(body, out),
        DataShown::LeftOut => {}
    }
    out.push(b'"');
    if let Some(id) = &facts.delivery_id {
        out.extend_from_slice(b",\"deliveryId\":");
        write_text(id, out);
    }
    out.push(b'}');
}

fn write_properties(it: &Properties, body_bytes: usize, out: &mut Vec<u8>) {
    let number = |it: Option<u8>, out: &mut Vec<u8>| match it {
        Some(it) => write_number(it.into(), out),
        None => out.extend_from_slice(b"null"),
    };
    out.extend_from_slice(b"{\"contentType\":");
    write_optional(it.content_type.as_deref(), out);
    out.extend_from_slice(b",\"contentEncoding\":");
    write_optional(it.content_encoding.as_deref(), out);
    out.extend_from_slice(b",\"headers\":");
    match &it.headers {
        Some(headers) => write_table(headers, out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"deliveryMode\":");
    number(it.delivery_mode, out);
    out.extend_from_slice(b",\"priority\":");
    number(it.priority, out);
    out.extend_from_slice(b",\"correlationId\":");
    write_optional(it.correlation_id.as_deref(), out);
    out.extend_from_slice(b",\"replyTo\":");
    write_optional(it.reply_to.as_deref(), out);
    out.extend_from_slice(b",\"expiration\":");
    write_optional(it.expiration.as_deref(), out);
    out.extend_from_slice(b",\"messageId\":");
    write_optional(it.message_id.as_deref(), out);
    out.extend_from_slice(b",\"timestamp\":");
    match it.timestamp {
        Some(seconds) => write_time(seconds, out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"type\":");
    write_optional(it.kind.as_deref(), out);
    out.extend_from_slice(b",\"userId\":");
    write_optional(it.user_id.as_deref(), out);
    out.extend_from_slice(b",\"appId\":");
    write_optional(it.app_id.as_deref(), out);
    out.extend_from_slice(b",\"clusterId\":");
    write_optional(it.cluster_id.as_deref(), out);
    out.extend_from_slice(b",\"bodySize\":");
    write_number(body_bytes as u64, out);
    out.push(b'}');
}

fn write_optional(text: Option<&str>, out: &mut Vec<u8>) {
    match text {
        Some(text) => write_text(text, out),
        None => out.extend_from_slice(b"null"),
    }
}

fn write_switch(is_on: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if is_on { b"true" } else { b"false" });
}

/// A time of which no calendar knows is given as its seconds.
fn write_time(seconds: u64, out: &mut Vec<u8>) {
    let at = i64::try_from(seconds).ok().and_then(|it| jiff::Timestamp::from_second(it).ok());
    match at {
        Some(at) => write_text(&at.strftime(JAVA_DATE).to_string(), out),
        None => write_number(seconds, out),
    }
}

fn write_table(table: &[(String, HeaderValue)], out: &mut Vec<u8>) {
    out.push(b'{');
    for (idx, (name, value)) in table.iter().enumerate() {
        if idx > 0 {
            out.push(b',');
        }
        write_text(name, out);
        out.push(b':');
        write_header(value, out);
    }
    out.push(b'}');
}

fn write_header(value: &HeaderValue, out: &mut Vec<u8>) {
    match value {
        HeaderValue::Null => out.extend_from_slice(b"null"),
        HeaderValue::Bool(it) => write_switch(*it, out),
        HeaderValue::Integer(it) => write!(out, "{it}").expect("a vector takes everything"),
        // What JSON cannot say is null.
        HeaderValue::Float(it) => {
            write!(out, "{}", json!(it)).expect("a vector takes everything");
        }
        HeaderValue::Decimal(scale, digits) => write_decimal(*scale, *digits, out),
        HeaderValue::Text(bytes) => {
            out.extend_from_slice(b"{\"bytes\":");
            write_signed(bytes, out);
            out.push(b'}');
        }
        HeaderValue::Bytes(bytes) => write_signed(bytes, out),
        HeaderValue::Time(seconds) => write_time(*seconds, out),
        HeaderValue::List(all) => {
            out.push(b'[');
            for (idx, it) in all.iter().enumerate() {
                if idx > 0 {
                    out.push(b',');
                }
                write_header(it, out);
            }
            out.push(b']');
        }
        HeaderValue::Table(table) => write_table(table, out),
    }
}

/// Java's bytes have a sign.
fn write_signed(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'[');
    for (idx, it) in bytes.iter().enumerate() {
        if idx > 0 {
            out.push(b',');
        }
        write!(out, "{}", it.cast_signed()).expect("a vector takes everything");
    }
    out.push(b']');
}

fn write_decimal(scale: u8, digits: u32, out: &mut Vec<u8>) {
    let (digits, scale) = (digits.to_string(), usize::from(scale));
    if scale == 0 {
        return out.extend_from_slice(digits.as_bytes());
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, part) = padded.split_at(padded.len() - scale);
    out.extend_from_slice(format!("{whole}.{part}").as_bytes());
}
