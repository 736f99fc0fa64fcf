//! Kinesis's calls and answers as they stand on the wire.

use forebay_models::shards::{Refusal, ShardTree, WhenTrimmed};
use serde_json::{Value, json};

use crate::http::header;

/// The stream's name.
pub(super) const STREAM: &str = "bench";
/// Sequence numbers have 56 digits, as AWS's; these are the first of all of them.
pub(super) const NUMBER_BEGINS: &str = "4959033827149025660855969253836157000000";
const NUMBER_DIGITS: usize = 16;

pub(super) fn is_signed(head: &[u8]) -> bool {
    header(head, "authorization")
        .is_some_and(|it| it.contains("AWS4-HMAC-SHA256") && it.contains("/kinesis/aws4_request"))
}

pub(super) fn action(head: &[u8]) -> &str {
    header(head, "x-amz-target").and_then(|it| it.strip_prefix("Kinesis_20131202.")).expect("it is a call")
}

/// Appends a whole answer.
///
/// # Panics
/// When it would refuse, and when nobody here makes such a call.
pub(super) fn answer(tree: &mut ShardTree, action: &str, body: &[u8], now_ms: u64, out: &mut Vec<u8>) {
    let asked: Value = serde_json::from_slice(body).expect("a call is JSON");
    let mut answer = Vec::new();
    match action {
        "DescribeStreamSummary" => {
            let arn = format!("arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}");
            let told = json!({ "StreamARN": arn, "StreamName": STREAM, "StreamStatus": "ACTIVE", "StreamCreationTimestamp": 1.7e9 });
            write(&json!({ "StreamDescriptionSummary": told }), &mut answer);
        }
        "ListShards" => {
            let shard = |it| json!({ "ShardId": shard_id(it), "SequenceNumberRange": { "StartingSequenceNumber": number(0) } });
            let shards: Vec<Value> = (0..tree.shards().len()).map(shard).collect();
            write(&json!({ "Shards": shards }), &mut answer);
        }
        "GetShardIterator" => {
            let iterator = begin(tree, &asked, now_ms).expect("it is a place in the stream");
            write(&json!({ "ShardIterator": iterator_text(iterator) }), &mut answer);
        }
        "GetRecords" => records(tree, &asked, now_ms, &mut answer),
        other => panic!("nobody calls {other} here"),
    }
    out.extend_from_slice(
        format!("HTTP/1.1 200 OK\r\nx-amzn-RequestId: 00000000-0000-0000-0000-000000000000\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n", answer.len())
            .as_bytes(),
    );
    out.extend_from_slice(&answer);
}

fn begin(tree: &mut ShardTree, asked: &Value, now_ms: u64) -> Result<u64, Refusal> {
    let shard = last_number(&asked["ShardId"], 12) as usize;
    match asked["ShardIteratorType"].as_str() {
        Some("TRIM_HORIZON") => tree.iterator_at_time(shard, 0, now_ms),
        Some("AT_SEQUENCE_NUMBER") => {
            let number = last_number(&asked["StartingSequenceNumber"], NUMBER_DIGITS);
            tree.iterator_at_number(shard, number, WhenTrimmed::Refuse, now_ms)
        }
        Some(_) | None => panic!("nobody begins like this here: {asked}"),
    }
}

fn records(tree: &mut ShardTree, asked: &Value, now_ms: u64, out: &mut Vec<u8>) {
    let iterator = last_number(&asked["ShardIterator"], 20);
    let shard = tree.shard_of(iterator).expect("the iterator was given out");
    let n_max = asked["Limit"].as_u64().and_then(|it| usize::try_from(it).ok()).unwrap_or(usize::MAX);
    let batch = tree.read(iterator, n_max, now_ms).expect("nobody comes too often");
    let shard = &tree.shards()[shard];
    let behind_ms = if batch.is_behind { 1_000 } else { 0 };
    let next = iterator_text(batch.next.expect("no shard ends"));
    out.extend_from_slice(
        format!("{{\"MillisBehindLatest\":{behind_ms},\"NextShardIterator\":\"{next}\",\"Records\":[")
            .as_bytes(),
    );
    for (nth, idx) in batch.items.into_iter().enumerate() {
        let (item, at) = (&shard.log.items()[idx], shard.arrivals_ms[idx]);
        let comma = if nth == 0 { "" } else { "," };
        // As Java writes such a number.
        let (first, rest) = (at / 1_000_000_000_000, at % 1_000_000_000_000);
        let before = format!("{comma}{{\"ApproximateArrivalTimestamp\":{first}.{rest:012}E9,\"Data\":\"");
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(&item.value);
        let behind = format!(
            "\",\"PartitionKey\":\"key {}\",\"SequenceNumber\":\"{}\"}}",
            item.name % 1_000,
            number(item.name)
        );
        out.extend_from_slice(behind.as_bytes());
    }
    out.extend_from_slice(b"]}");
}

fn write(value: &Value, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("a vector takes everything");
}

fn shard_id(shard: usize) -> String {
    format!("shardId-{shard:012}")
}

fn number(name: u64) -> String {
    format!("{NUMBER_BEGINS}{name:0NUMBER_DIGITS$}")
}

/// As long as AWS's are.
fn iterator_text(iterator: u64) -> String {
    format!("{}{iterator:020}", "A".repeat(204))
}

/// The number that a text of ours ends with.
fn last_number(text: &Value, n_digits: usize) -> u64 {
    let text = text.as_str().expect("it is a text");
    text[text.len() - n_digits..].parse().expect("it ends with a number")
}
