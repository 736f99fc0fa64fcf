//! What is said of records of a shard beside the event: by functions, and in failure records. Pure.

use forebay_batcher::{Record, RecordId};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// The name of a record, which is its sequence number exactly, from what a function reported. Records that
/// lie within one share it.
pub(crate) fn reported_record(reported: &RawValue) -> Option<RecordId> {
    let text: String = serde_json::from_str(reported.get()).ok()?;
    let is_number = !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    is_number.then(|| RecordId::new(text.as_bytes()))
}

/// What a failure record says of records of one shard; times of arrival as the kind writes them.
pub(crate) fn batch_info(
    records: &[Record],
    arn: &str,
    shard: &str,
    time: impl Fn(&Record) -> String,
) -> Value {
    let (Some(first), Some(last)) = (records.first(), records.last()) else {
        return json!({ "batchSize": 0 });
    };
    let number = |record: &Record| String::from_utf8_lossy(record.id.0.as_slice()).into_owned();
    json!({
        "shardId": shard,
        "startSequenceNumber": number(first),
        "endSequenceNumber": number(last),
        "approximateArrivalOfFirstRecord": time(first),
        "approximateArrivalOfLastRecord": time(last),
        "batchSize": records.len(),
        "streamArn": arn,
    })
}
