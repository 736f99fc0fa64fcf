//! What a read or a push brought, made of its JSON in one pass: a record is made where its JSON ends, and is moved
//! from there into the list that is handed on.
//!
//! Data is a part of the answer: that of all of its records goes when they are rendered. Names and keys stay with
//! the records, and keep nothing of the answer: they lie together by the few thousand bytes.

use std::fmt;

use bytes::Bytes;
use forebay_batcher::{RecordId, ShortArena};
use forebay_clients::{AnswerText, WireText, read_answer_with};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::plainly;
use super::read::{millis, unreadable};
use crate::kinesis::data::{BASE64, ENCRYPTED, is_base64};
use crate::kinesis::error::KinesisError;
use crate::shards::{ShardInfo, ShardRead, ShardRecord};

/// Keys that lie together: a record that stays long keeps so many bytes of others.
const KEYS_BYTES: usize = 4 << 10;

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "PascalCase")]
enum RecordMember {
    Records,
    NextShardIterator,
    ContinuationSequenceNumber,
    MillisBehindLatest,
    ChildShards,
    #[serde(other)]
    Other,
}

/// A record as it stands in an answer.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireRecord<'a> {
    #[serde(borrow)]
    pub(super) sequence_number: Option<WireText<'a>>,
    pub(super) approximate_arrival_timestamp: Option<f64>,
    #[serde(borrow)]
    pub(super) data: Option<WireText<'a>>,
    #[serde(borrow)]
    pub(super) partition_key: Option<WireText<'a>>,
    #[serde(borrow)]
    pub(super) encryption_type: Option<WireText<'a>>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WireChild {
    shard_id: Option<String>,
    parent_shards: Option<Vec<String>>,
}

/// What a read brought.
pub(in crate::kinesis) fn records(answer: &Bytes) -> Result<ShardRead, KinesisError> {
    RecordsAnswer::read(answer)?.told(|it| it.next.take())
}

/// What a push brought. Only what comes after a shard says that this was its end: some servers leave out the
/// number to go on behind while there is nothing.
pub(in crate::kinesis) fn pushed(event: &Bytes) -> Result<ShardRead, KinesisError> {
    RecordsAnswer::read(event)?.told(|it| {
        let is_end = it.children.as_ref().is_some_and(|it| !it.is_empty());
        (!is_end).then(|| it.continuation.take().unwrap_or_default())
    })
}

/// The members of an answer.
#[derive(Default)]
pub(super) struct RecordsAnswer {
    pub(super) records: MadeRecords,
    pub(super) next: Option<String>,
    pub(super) continuation: Option<String>,
    pub(super) behind_ms: Option<i64>,
    children: Option<Vec<WireChild>>,
}

impl RecordsAnswer {
    fn read(answer: &Bytes) -> Result<Self, KinesisError> {
        plainly::read(answer).map_or_else(|| Self::read_any(answer), Ok)
    }

    /// Reads an answer however it is written.
    pub(super) fn read_any(answer: &Bytes) -> Result<Self, KinesisError> {
        read_answer_with(answer, AnswerSeed(answer)).map_err(unreadable)
    }

    pub(super) fn told(
        mut self,
        next: impl FnOnce(&mut Self) -> Option<String>,
    ) -> Result<ShardRead, KinesisError> {
        let next = next(&mut self);
        let child = |it: WireChild| ShardInfo {
            id: it.shard_id.unwrap_or_default(),
            parents: it.parent_shards.unwrap_or_default(),
            is_closed: false,
            last: None,
            n_digits: 0,
        };
        Ok(ShardRead {
            records: self.records.finish()?,
            next,
            behind_ms: self.behind_ms,
            children: self.children.into_iter().flatten().map(child).collect(),
        })
    }
}

/// Reads an answer that lies in these bytes.
#[derive(Clone, Copy)]
struct AnswerSeed<'a>(&'a Bytes);

impl<'de> DeserializeSeed<'de> for AnswerSeed<'de> {
    type Value = RecordsAnswer;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<RecordsAnswer, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for AnswerSeed<'de> {
    type Value = RecordsAnswer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer with records")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RecordsAnswer, A::Error> {
        let mut read = RecordsAnswer::default();
        let (mut records, mut next, mut continuation, mut behind_ms, mut children) = Default::default();
        while let Some(member) = map.next_key()? {
            match member {
                RecordMember::Records => {
                    once(&mut records, "Records", map.next_value_seed(RecordsSeed(self.0))?)?
                }
                RecordMember::NextShardIterator => once(&mut next, "NextShardIterator", map.next_value()?)?,
                RecordMember::ContinuationSequenceNumber => {
                    once(&mut continuation, "ContinuationSequenceNumber", map.next_value()?)?;
                }
                RecordMember::MillisBehindLatest => {
                    once(&mut behind_ms, "MillisBehindLatest", map.next_value()?)?
                }
                RecordMember::ChildShards => once(&mut children, "ChildShards", map.next_value()?)?,
                RecordMember::Other => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        read.records = records.unwrap_or_default();
        read.next = next.flatten();
        read.continuation = continuation.flatten();
        read.behind_ms = behind_ms.flatten();
        read.children = children.flatten();
        Ok(read)
    }
}

fn once<T, E: Error>(place: &mut Option<T>, name: &'static str, value: T) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::duplicate_field(name)),
    }
}

/// Reads the list of records in an answer; `null` is one without any.
struct RecordsSeed<'a>(&'a Bytes);

impl<'de> DeserializeSeed<'de> for RecordsSeed<'de> {
    type Value = MadeRecords;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<MadeRecords, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for RecordsSeed<'de> {
    type Value = MadeRecords;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_none<E: Error>(self) -> Result<MadeRecords, E> {
        Ok(MadeRecords::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<MadeRecords, D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<MadeRecords, A::Error> {
        let mut made = MadeRecords::default();
        while let Some(record) = list.next_element()? {
            made.add(self.0, record);
        }
        Ok(made)
    }
}

/// Records that are being made. Names and keys are given to them a chunk at a time.
#[derive(Default)]
pub(super) struct MadeRecords {
    records: Vec<ShardRecord>,
    /// So many have their names and keys.
    n_named: usize,
    names: ShortArena,
    keys: Vec<u8>,
    /// Where each key ends.
    key_ends: Vec<usize>,
    /// The name of the first one whose data is not what it says.
    damaged: Option<String>,
}

impl MadeRecords {
    /// Takes a record that lies in this answer; false when its data is no Base64.
    pub(super) fn add(&mut self, answer: &Bytes, it: WireRecord<'_>) -> bool {
        let name = it.sequence_number.unwrap_or_default().0;
        let data = AnswerText::of(answer, it.data.unwrap_or_default()).into_bytes();
        if self.damaged.is_none() && !is_base64(&data) {
            self.damaged = Some(name.to_string());
        }
        let is_encrypted = it.encryption_type.is_some_and(|it| it.0 == "KMS");
        self.names.add(name.as_bytes());
        if self.keys.capacity() == 0 {
            self.keys.reserve(KEYS_BYTES);
        }
        self.keys.extend_from_slice(it.partition_key.unwrap_or_default().0.as_bytes());
        self.key_ends.push(self.keys.len());
        self.records.push(ShardRecord {
            id: RecordId::new(&[]),
            key: Bytes::new(),
            arrival_ms: millis(it.approximate_arrival_timestamp),
            data,
            facts_idx: BASE64 | if is_encrypted { ENCRYPTED } else { 0 },
        });
        if self.names.is_full() || self.keys.len() >= KEYS_BYTES {
            self.name();
        }
        self.damaged.is_none()
    }

    /// Gives names and keys to those that have none.
    fn name(&mut self) {
        let unnamed = &mut self.records[self.n_named..];
        let keys = Bytes::from(std::mem::take(&mut self.keys).into_boxed_slice());
        let mut begin = 0;
        for ((record, name), end) in unnamed.iter_mut().zip(self.names.take()).zip(self.key_ends.drain(..)) {
            record.id = RecordId(name);
            record.key = keys.slice(begin..end);
            begin = end;
        }
        self.n_named = self.records.len();
    }

    fn finish(mut self) -> Result<Vec<ShardRecord>, KinesisError> {
        self.name();
        match self.damaged {
            None => Ok(self.records),
            Some(name) => Err(KinesisError::Refused(format!("the data of record {name} is no Base64"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(records: &[Value]) -> Result<Vec<ShardRecord>, KinesisError> {
        let answer = json!({ "Records": records, "NextShardIterator": "next", "Of": ["no", "use"] });
        Ok(super::records(&answer.to_string().into())?.records)
    }

    #[test]
    fn each_record_has_its_own_name_and_key_wherever_their_chunks_end() {
        for n in [0, 1, 2, 72, 73, 200, 1_000] {
            let key = |it: usize| "é\n".repeat(it % 97);
            let number = |it: usize| format!("{it:0width$}", width = 1 + it * 7 % 129);
            let record =
                |it| json!({ "SequenceNumber": number(it), "PartitionKey": key(it), "Data": "AAAA" });
            let wire: Vec<Value> = (0..n).map(record).collect();
            let made = read(&wire).unwrap();
            assert_eq!(made.len(), n);
            for (idx, it) in made.iter().enumerate() {
                assert_eq!(it.id, RecordId::new(number(idx).as_bytes()), "record {idx} of {n}");
                assert_eq!(it.key, key(idx), "record {idx} of {n}");
                assert_eq!((&it.data[..], it.facts_idx), (&b"AAAA"[..], BASE64));
            }
        }
    }

    #[test]
    fn the_first_record_whose_data_is_no_base64_is_named() {
        let record = |number: &str, data: &str| json!({ "SequenceNumber": number, "Data": data });
        let Err(error) = read(&[record("1", "AAAA"), record("2", "A"), record("3", "=")]) else {
            panic!("it is refused");
        };
        assert!(error.to_string().contains("the data of record 2 is no Base64"), "{error}");
    }

    #[test]
    fn no_member_may_come_twice_and_null_is_none() {
        let read = |answer: &'static str| records(&Bytes::from_static(answer.as_bytes()));
        let none = read(r#"{"Records":null,"NextShardIterator":null,"MillisBehindLatest":null}"#).unwrap();
        assert_eq!((none.records.len(), none.next, none.behind_ms), (0, None, None));
        for twice in [r#"{"Records":[],"Records":[]}"#, r#"{"ChildShards":null,"ChildShards":[]}"#] {
            assert!(read(twice).is_err(), "{twice}");
        }
    }
}
