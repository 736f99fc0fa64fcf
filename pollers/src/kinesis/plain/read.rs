//! Answers of Kinesis from their JSON. A member that is absent or `null` is the same, but no list holds `null`;
//! members that nobody knows are passed over; another type makes an answer that cannot be read.

use bytes::Bytes;
use forebay_clients::read_answer;
use serde::Deserialize;

use crate::kinesis::client::described;
use crate::kinesis::error::KinesisError;
use crate::shards::{Page, ShardInfo, StreamDescription, digits_with_zeros};

pub(in crate::kinesis) fn parsed<'a, T: Deserialize<'a>>(answer: &'a [u8]) -> Result<T, KinesisError> {
    read_answer(answer).map_err(unreadable)
}

pub(super) fn unreadable(why: String) -> KinesisError {
    KinesisError::Refused(format!("it cannot be read: {why}"))
}

/// Milliseconds of a time in epoch seconds; of a moment that nobody tells, 0.
pub(super) fn millis(seconds: Option<f64>) -> i64 {
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
    starting_sequence_number: Option<String>,
    ending_sequence_number: Option<String>,
}

/// A page of a listing.
pub(super) fn page(answer: &Bytes) -> Result<Page, KinesisError> {
    let answer: ListAnswer = parsed(answer)?;
    let shard = |it: WireShard| ShardInfo {
        id: it.shard_id.unwrap_or_default(),
        parents: it.parent_shard_id.into_iter().chain(it.adjacent_parent_shard_id).collect(),
        n_digits: it
            .sequence_number_range
            .as_ref()
            .and_then(|it| it.starting_sequence_number.as_deref())
            .map_or(0, digits_with_zeros),
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
