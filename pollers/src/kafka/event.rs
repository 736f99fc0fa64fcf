//! From records to the event that Lambda's functions know, byte for byte.
//!
//! `docs/sources/kafka.md` shows an event; a test holds both to the same bytes.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::slice;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use forebay_batcher::{OrderKey, Record, RecordId, Section, UnixMillis};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::page::{PageRow, RecordPage, TimeKind};
use super::partition::KafkaPartition;
use crate::source::{
    EventFormat, LoneRecord, RawRecord, Renderer, push_list, write_base64, write_number, write_text,
};

const TAIL: &[u8] = b"}}";
/// The member of a failure record that describes its records.
const BATCH_INFO: &str = "KafkaBatchInfo";
/// A record's name: the number of its section, its offset.
const ID_BYTES: usize = 12;

/// How a record without a value stands in the event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum NullValue {
    /// `"value":null`
    #[default]
    Null,
    /// Without the member.
    Absent,
}

/// What all records of a partition have in common.
#[derive(Debug)]
pub(super) struct PartitionFacts {
    /// The number of its section in the event.
    pub(super) section: u32,
    /// Nothing orders records without a key.
    pub(super) keyless_is_free: bool,
    null_value: NullValue,
    /// From the beginning of a record's JSON up to its offset.
    before_offset: Vec<u8>,
    /// What opens its section: `"topic-0":[`.
    opens: Bytes,
}

/// The partitions that were met, by number and by name. It only grows: a number is a partition for ever.
#[derive(Debug, Default)]
struct SectionTable {
    by_number: Vec<Arc<PartitionFacts>>,
    by_name: BTreeMap<String, u32>,
}

/// What an operator chose for the event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct EventChoice {
    /// The ARN of a cluster of MSK, whose events say so.
    pub(super) cluster_arn: Option<String>,
    pub(super) null_value: NullValue,
    pub(super) keyless_is_free: bool,
}

/// The event that Lambda's functions know.
pub(super) struct KafkaFormat {
    choice: EventChoice,
    servers: String,
    head: Bytes,
    sections: RwLock<SectionTable>,
    renderer: Arc<dyn Renderer>,
}

impl KafkaFormat {
    /// Of records that these brokers gave and that are rendered as they came.
    pub(super) fn new(servers: &str, choice: EventChoice) -> Self {
        Self::rendering(servers, choice, Arc::new(KafkaRenderer))
    }

    /// Of records that these brokers gave and that somebody made something else of.
    pub(super) fn rendering(servers: &str, choice: EventChoice, renderer: Arc<dyn Renderer>) -> Self {
        let text = |it: &str| Value::from(it).to_string();
        let named = match &choice.cluster_arn {
            Some(arn) => format!("\"eventSource\":\"aws:kafka\",\"eventSourceArn\":{}", text(arn)),
            None => "\"eventSource\":\"SelfManagedKafka\"".to_owned(),
        };
        let head = format!("{{{named},\"bootstrapServers\":{},\"records\":{{", text(servers));
        let sections = RwLock::default();
        Self { choice, servers: servers.to_owned(), head: head.into(), sections, renderer }
    }

    /// What all records of a partition have in common.
    pub(super) fn facts(&self, partition: &KafkaPartition) -> Arc<PartitionFacts> {
        let name = partition.to_string();
        let mut table = self.sections.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = table.by_name.get(&name) {
            return Arc::clone(&table.by_number[*number as usize]);
        }
        let section = u32::try_from(table.by_number.len()).expect("nobody has so many partitions");
        let text = |it: &str| Value::from(it).to_string();
        let facts = Arc::new(PartitionFacts {
            section,
            keyless_is_free: self.choice.keyless_is_free,
            null_value: self.choice.null_value,
            before_offset: format!(
                "{{\"topic\":{},\"partition\":{},\"offset\":",
                text(&partition.topic),
                partition.number
            )
            .into_bytes(),
            opens: format!("{}:[", text(&name)).into(),
        });
        table.by_name.insert(name, section);
        table.by_number.push(Arc::clone(&facts));
        facts
    }

    /// What is said of these records in a failure record, with what is said of each under `key`.
    fn info(&self, records: &[Record], key: &str, of_each: Value) -> Value {
        let payload_bytes: usize = self.wrap(records).iter().map(Bytes::len).sum();
        let mut info = json!({ "batchSize": records.len() });
        if let Some(arn) = &self.choice.cluster_arn {
            info["eventSourceArn"] = arn.as_str().into();
        }
        info["bootstrapServers"] = self.servers.as_str().into();
        info["payloadSize"] = payload_bytes.into();
        info[key] = of_each;
        info
    }

    fn section(&self, number: u32) -> Option<Arc<PartitionFacts>> {
        let table = self.sections.read().unwrap_or_else(PoisonError::into_inner);
        table.by_number.get(number as usize).cloned()
    }
}

impl EventFormat for KafkaFormat {
    fn renderer(&self, _has_window: bool) -> Arc<dyn Renderer> {
        Arc::clone(&self.renderer)
    }

    fn envelope_bytes(&self) -> u64 {
        (self.head.len() + TAIL.len()) as u64
    }

    fn wrap(&self, batch: &[Record]) -> Vec<Bytes> {
        let mut pieces = vec![self.head.clone()];
        let mut is_first = true;
        for list in batch.chunk_by(|one, other| one.section.idx == other.section.idx) {
            if let Some(facts) = list.first().and_then(|it| self.section(it.section.idx)) {
                if !std::mem::take(&mut is_first) {
                    pieces.push(Bytes::from_static(b","));
                }
                pieces.push(facts.opens.clone());
                push_list(list, &mut pieces);
                pieces.push(Bytes::from_static(b"]"));
            }
        }
        pieces.push(Bytes::from_static(TAIL));
        pieces
    }

    fn identify(&self, reported: &RawValue) -> Option<RecordId> {
        let reported: ReportedRecord<'_> = serde_json::from_str(reported.get()).ok()?;
        let table = self.sections.read().unwrap_or_else(PoisonError::into_inner);
        let section = table.by_name.get(&*reported.partition)?;
        Some(RecordId::new(&id_of(*section, reported.offset)))
    }

    fn batch_info(&self, records: &[Record]) -> (&'static str, Value) {
        let mut lists = serde_json::Map::new();
        for list in records.chunk_by(|one, other| one.section.idx == other.section.idx) {
            let (Some(first), Some(last)) = (list.first(), list.last()) else { continue };
            let facts = self.section(first.section.idx);
            let name = facts.map(|it| it.name()).unwrap_or_default();
            let info = json!({
                "firstRecordOffset": offset_of(first).to_string(),
                "lastRecordOffset": offset_of(last).to_string(),
                "firstRecordTimestamp": iso(first.arrival),
                "lastRecordTimestamp": iso(last.arrival),
            });
            lists.insert(name, info);
        }
        (BATCH_INFO, self.info(records, "recordsInfo", lists.into()))
    }

    fn alone(&self, record: &Record) -> Option<LoneRecord> {
        let about = json!({ "offset": offset_of(record).to_string(), "timestamp": iso(record.arrival) });
        let info = self.info(slice::from_ref(record), "recordInfo", about);
        let headers = RenderedOrigin::of(record).headers.into_iter().flatten();
        let headers = headers.map(|(name, value)| (name, value.into_iter().map(i8::cast_unsigned).collect()));
        Some(LoneRecord {
            info: (BATCH_INFO, info),
            key: self.original_key(record),
            headers: headers.collect(),
        })
    }

    /// What orders it, which no schema has decoded. Its JSON tells whether that is a key.
    fn original_key(&self, record: &Record) -> Option<Bytes> {
        match (&record.key, RenderedOrigin::of(record).key) {
            (OrderKey::Key(key), Some(_)) => Some(key.clone()),
            (OrderKey::Key(_) | OrderKey::Free, _) => None,
        }
    }
}

impl PartitionFacts {
    /// `topic-0`
    fn name(&self) -> String {
        let opens = self.opens.strip_suffix(b":[").unwrap_or_default();
        serde_json::from_slice(opens).unwrap_or_default()
    }
}

/// What a function says of a record that failed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportedRecord<'a> {
    #[serde(borrow)]
    partition: Cow<'a, str>,
    offset: u64,
}

/// What a record's JSON keeps of what it had beside its value.
#[derive(Deserialize)]
struct RenderedOrigin<'a> {
    #[serde(borrow)]
    key: Option<&'a RawValue>,
    /// A map for each header, for a name may stand there more than once.
    headers: Vec<BTreeMap<String, Vec<i8>>>,
}

impl<'a> RenderedOrigin<'a> {
    fn of(record: &'a Record) -> Self {
        serde_json::from_slice(&record.bytes).expect("this source rendered it")
    }
}

/// The name of a record.
pub(super) fn id_of(section: u32, offset: u64) -> [u8; ID_BYTES] {
    let mut id = [0; ID_BYTES];
    id[..4].copy_from_slice(&section.to_be_bytes());
    id[4..].copy_from_slice(&offset.to_be_bytes());
    id
}

fn offset_of(record: &Record) -> u64 {
    let id = record.id.0.as_slice();
    id.last_chunk().map_or(0, |it| u64::from_be_bytes(*it))
}

fn iso(UnixMillis(at): UnixMillis) -> String {
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

/// Renders records of any partition: what is said of one stands beside it.
struct KafkaRenderer;

impl Renderer for KafkaRenderer {
    fn render(&self, record: &RawRecord, out: &mut Vec<u8>) {
        let page = page(record);
        let row = row(page, record);
        write(page, row, page.value(row), out);
    }

    fn render_without_data(&self, record: &RawRecord, out: &mut Vec<u8>) {
        let page = page(record);
        let row = row(page, record);
        write(page, row, page.value(row).map(|_| &[][..]), out);
    }

    fn data<'a>(&self, record: &'a RawRecord) -> Option<Cow<'a, [u8]>> {
        let page = page(record);
        page.value(row(page, record)).map(Cow::Borrowed)
    }

    fn section(&self, record: &RawRecord) -> Section {
        section_of(&page(record).partition)
    }
}

fn page(record: &RawRecord) -> &RecordPage {
    let facts: &(dyn Any + Send + Sync) = record.facts.as_ref();
    facts.downcast_ref().expect("this source's reader made the record")
}

/// What is kept of a record in its page.
pub(super) fn row<'a>(page: &'a RecordPage, record: &RawRecord) -> &'a PageRow {
    page.row(record.position.as_number().expect("this source's positions are offsets"))
}

/// The section of all records of a partition.
pub(super) fn section_of(facts: &PartitionFacts) -> Section {
    let bytes = u16::try_from(facts.opens.len() + 1).expect("a topic's name has 249 characters at most");
    Section { idx: facts.section, bytes, unreadable: None }
}

fn write(page: &RecordPage, row: &PageRow, value: Option<&[u8]>, out: &mut Vec<u8>) {
    write_sides(page, row, [page.key(row), value], out);
    out.push(b'}');
}

/// A record's JSON with these as its key and its value, up to the brace that ends it.
pub(super) fn write_sides(
    page: &RecordPage,
    row: &PageRow,
    [key, value]: [Option<&[u8]>; 2],
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(&page.partition.before_offset);
    write_number(row.offset, out);
    out.extend_from_slice(b",\"timestamp\":");
    if row.at_ms < 0 {
        out.push(b'-');
    }
    write_number(row.at_ms.unsigned_abs(), out);
    out.extend_from_slice(match row.time_kind {
        TimeKind::Create => b",\"timestampType\":\"CREATE_TIME\"",
        TimeKind::LogAppend => b",\"timestampType\":\"LOG_APPEND_TIME\"",
        TimeKind::None => b",\"timestampType\":\"NO_TIMESTAMP_TYPE\"",
    });
    if let Some(key) = key {
        out.extend_from_slice(b",\"key\":\"");
        write_base64(key, out);
        out.push(b'"');
    }
    match (value, page.partition.null_value) {
        (Some(value), _) => {
            out.extend_from_slice(b",\"value\":\"");
            write_base64(value, out);
            out.push(b'"');
        }
        (None, NullValue::Null) => out.extend_from_slice(b",\"value\":null"),
        (None, NullValue::Absent) => {}
    }
    out.extend_from_slice(b",\"headers\":[");
    for (idx, (name, value)) in page.headers(row).enumerate() {
        out.extend_from_slice(if idx == 0 { b"{" } else { b",{" });
        write_text(&String::from_utf8_lossy(name), out);
        out.push(b':');
        write_signed(value.unwrap_or_default(), out);
        out.push(b'}');
    }
    out.push(b']');
}

/// Bytes as Java has them, from -128 to 127.
fn write_signed(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'[');
    for (idx, byte) in bytes.iter().enumerate() {
        if idx > 0 {
            out.push(b',');
        }
        let number = byte.cast_signed();
        if number < 0 {
            out.push(b'-');
        }
        write_number(u64::from(number.unsigned_abs()), out);
    }
    out.push(b']');
}
