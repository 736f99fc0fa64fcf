//! Answers of Kinesis from their JSON. A member that is absent or `null` is the same, but no list holds `null`;
//! members that nobody knows are passed over; another type makes an answer that cannot be read.

use bytes::{Bytes, BytesMut};
use forebay_batcher::RecordId;
use forebay_clients::{AnswerText, WireText, read_answer};
use serde::Deserialize;

use crate::kinesis::client::described;
use crate::kinesis::data::{BASE64, ENCRYPTED, is_base64};
use crate::kinesis::error::KinesisError;
use crate::shards::{Page, ShardInfo, ShardRead, ShardRecord, StreamDescription};

pub(in crate::kinesis) fn parsed<'a, T: Deserialize<'a>>(answer: &'a [u8]) -> Result<T, KinesisError> {
    read_answer(answer).map_err(|why| KinesisError::Refused(format!("it cannot be read: {why}")))
}

/// Milliseconds of a time in epoch seconds; of a moment that nobody tells, 0.
fn millis(seconds: Option<f64>) -> i64 {
    // A value that is no time of this world becomes the nearest that a number holds.
    seconds.map_or(0, |it| (it * 1_000.0).round() as i64)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeAnswer {
    stream_description_summary: Option<Summary>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    #[serde(rename = "StreamARN")]
    arn: Option<String>,
    stream_creation_timestamp: Option<f64>,
}

/// What a stream says of itself.
pub(super) fn description(answer: &Bytes) -> Result<StreamDescription, KinesisError> {
    let told = parsed::<DescribeAnswer>(answer)?.stream_description_summary;
    let (arn, created) = told.map(|it| (it.arn, it.stream_creation_timestamp)).unwrap_or_default();
    described(arn.unwrap_or_default(), millis(created))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListAnswer {
    shards: Option<Vec<WireShard>>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireShard {
    shard_id: Option<String>,
    parent_shard_id: Option<String>,
    adjacent_parent_shard_id: Option<String>,
    sequence_number_range: Option<WireRange>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireRange {
    ending_sequence_number: Option<String>,
}

/// A page of a listing.
pub(super) fn page(answer: &Bytes) -> Result<Page, KinesisError> {
    let answer: ListAnswer = parsed(answer)?;
    let shard = |it: WireShard| ShardInfo {
        id: it.shard_id.unwrap_or_default(),
        parents: it.parent_shard_id.into_iter().chain(it.adjacent_parent_shard_id).collect(),
        is_closed: it.sequence_number_range.is_some_and(|it| it.ending_sequence_number.is_some()),
        // What it says there is no record's number.
        last: None,
    };
    let shards = answer.shards.into_iter().flatten().map(shard).collect();
    Ok(Page { shards, next: answer.next_token })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IteratorAnswer {
    shard_iterator: Option<String>,
}

/// An iterator.
pub(super) fn iterator(answer: &Bytes) -> Result<String, KinesisError> {
    let iterator = parsed::<IteratorAnswer>(answer)?.shard_iterator;
    iterator.ok_or_else(|| KinesisError::Refused("GetShardIterator gave no iterator".to_owned()))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RecordsAnswer<'a> {
    #[serde(borrow)]
    records: Option<Vec<WireRecord<'a>>>,
    next_shard_iterator: Option<String>,
    continuation_sequence_number: Option<String>,
    millis_behind_latest: Option<i64>,
    child_shards: Option<Vec<WireChild>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireRecord<'a> {
    #[serde(borrow)]
    sequence_number: Option<WireText<'a>>,
    approximate_arrival_timestamp: Option<f64>,
    #[serde(borrow)]
    data: Option<WireText<'a>>,
    #[serde(borrow)]
    partition_key: Option<WireText<'a>>,
    #[serde(borrow)]
    encryption_type: Option<WireText<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireChild {
    shard_id: Option<String>,
    parent_shards: Option<Vec<String>>,
}

/// Keys that lie together: a record that stays long keeps so many bytes of others.
const KEYS_BYTES: usize = 4 << 10;

/// What a read brought. Data is a part of the answer: that of all of its records goes when they are rendered.
/// Keys stay with the records, and keep nothing of the answer.
pub(super) fn records(answer: &Bytes) -> Result<ShardRead, KinesisError> {
    let read: RecordsAnswer<'_> = parsed(answer)?;
    read.told(answer, |it| it.next_shard_iterator.take())
}

/// What a push brought. Only what comes after a shard says that this was its end: some servers leave out the
/// number to go on behind while there is nothing.
pub(in crate::kinesis) fn pushed(event: &Bytes) -> Result<ShardRead, KinesisError> {
    let read: RecordsAnswer<'_> = parsed(event)?;
    read.told(event, |it| {
        let is_end = it.child_shards.as_ref().is_some_and(|it| !it.is_empty());
        (!is_end).then(|| it.continuation_sequence_number.take().unwrap_or_default())
    })
}

impl RecordsAnswer<'_> {
    fn told(
        mut self,
        answer: &Bytes,
        next: impl FnOnce(&mut Self) -> Option<String>,
    ) -> Result<ShardRead, KinesisError> {
        let (next, read) = (next(&mut self), self);
        let child = |it: WireChild| ShardInfo {
            id: it.shard_id.unwrap_or_default(),
            parents: it.parent_shards.unwrap_or_default(),
            is_closed: false,
            last: None,
        };
        let wire = read.records.unwrap_or_default();
        let mut records = Vec::with_capacity(wire.len());
        let mut keys = BytesMut::new();
        for it in wire {
            records.push(record(answer, it, &mut keys)?);
        }
        Ok(ShardRead {
            records,
            next,
            behind_ms: read.millis_behind_latest,
            children: read.child_shards.into_iter().flatten().map(child).collect(),
        })
    }
}

fn record(answer: &Bytes, it: WireRecord<'_>, keys: &mut BytesMut) -> Result<ShardRecord, KinesisError> {
    let sequence = it.sequence_number.unwrap_or_default().0;
    let data = AnswerText::of(answer, it.data.unwrap_or_default()).into_bytes();
    if !is_base64(&data) {
        return Err(KinesisError::Refused(format!("the data of record {sequence} is no Base64")));
    }
    let is_encrypted = it.encryption_type.is_some_and(|it| it.0 == "KMS");
    Ok(ShardRecord {
        id: RecordId::new(sequence.as_bytes()),
        key: kept(it.partition_key.unwrap_or_default().0.as_bytes(), keys),
        arrival_ms: millis(it.approximate_arrival_timestamp),
        data,
        facts_idx: BASE64 | if is_encrypted { ENCRYPTED } else { 0 },
    })
}

/// A copy of a key beside those before it.
fn kept(key: &[u8], keys: &mut BytesMut) -> Bytes {
    if keys.capacity() < key.len() {
        *keys = BytesMut::with_capacity(KEYS_BYTES.max(key.len()));
    }
    keys.extend_from_slice(key);
    keys.split().freeze()
}
