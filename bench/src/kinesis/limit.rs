//! The least that the work can cost: signed calls over one connection, answers whose texts are borrowed, events
//! POSTed over another, one after the other in one thread. It keeps no place, retries nothing, and reads shard
//! after shard up to its end.

use std::io::Read as _;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::signed::DaySigner;
use super::wire::STREAM;
use crate::http::KeptConnection;
use crate::pairs::rest_until;
use crate::poster::Poster;

/// Records that a read asks for.
const READ_RECORDS: usize = 1_000;
/// A shard allows five calls a second; a little less often, as Forebay has it.
const BETWEEN: Duration = Duration::from_millis(210);

/// What the contest sends has nothing escaped, so that all of it can be borrowed.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReadAnswer<'a> {
    millis_behind_latest: u64,
    next_shard_iterator: &'a str,
    #[serde(borrow)]
    records: Vec<BorrowedRecord<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BorrowedRecord<'a> {
    approximate_arrival_timestamp: f64,
    data: &'a str,
    partition_key: &'a str,
    sequence_number: &'a str,
}

struct Calls {
    connection: KeptConnection,
    signer: DaySigner,
}

impl Calls {
    fn call(&mut self, action: &str, body: &[u8]) -> &[u8] {
        let headers = self.signer.headers(action, body);
        self.connection.post(&headers, body)
    }

    fn told(&mut self, action: &str, body: &Value) -> Value {
        serde_json::from_slice(self.call(action, body.to_string().as_bytes())).expect("an answer is JSON")
    }
}

/// Reads all shards to their ends, then waits for the end of its input: whoever started it reads its time
/// first.
pub(crate) fn run(kinesis: &str, function: &str, batch: usize) {
    let mut calls = Calls { connection: KeptConnection::new(kinesis), signer: DaySigner::new(kinesis) };
    let mut poster = Poster::new(function, batch);
    let listed = calls.told("ListShards", &json!({ "StreamName": STREAM }));
    let mut shards = Vec::new();
    for shard in listed["Shards"].as_array().expect("there is a list") {
        let id = text(&shard["ShardId"]);
        let ask = json!({ "StreamName": STREAM, "ShardId": id, "ShardIteratorType": "TRIM_HORIZON" });
        let iterator = text(&calls.told("GetShardIterator", &ask)["ShardIterator"]);
        shards.push((ShardEnds::of(&id), iterator, Instant::now()));
    }
    while !shards.is_empty() {
        shards.retain_mut(|(ends, iterator, next)| {
            rest_until(*next);
            *next = Instant::now() + BETWEEN;
            let ask = format!("{{\"ShardIterator\":\"{iterator}\",\"Limit\":{READ_RECORDS}}}");
            let answer = calls.call("GetRecords", ask.as_bytes());
            let answer: ReadAnswer<'_> = serde_json::from_slice(answer).expect("an answer is JSON");
            answer.records.iter().for_each(|it| poster.add(|event| ends.render(it, event)));
            // A batch is of one shard.
            poster.send();
            answer.next_shard_iterator.clone_into(iterator);
            answer.millis_behind_latest > 0
        });
    }
    std::io::stdin().read_to_end(&mut Vec::new()).expect("its input ends");
}

/// What the records of a shard have in common, as their JSON ends.
struct ShardEnds {
    before_id: String,
    after_id: String,
}

impl ShardEnds {
    fn of(shard: &str) -> Self {
        Self {
            before_id: format!(
                "}},\"eventSource\":\"aws:kinesis\",\"eventVersion\":\"1.0\",\"eventID\":\"{shard}:"
            ),
            after_id: format!(
                "\",\"eventName\":\"aws:kinesis:record\",\"invokeIdentityArn\":\"arn:aws:iam::000000000000:role/forebay\",\
                 \"awsRegion\":\"us-east-1\",\"eventSourceARN\":\"arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}\"}}"
            ),
        }
    }

    fn render(&self, record: &BorrowedRecord<'_>, event: &mut Vec<u8>) {
        let BorrowedRecord { approximate_arrival_timestamp, data, partition_key, sequence_number } = record;
        event.extend_from_slice(b"{\"kinesis\":{\"kinesisSchemaVersion\":\"1.0\",\"partitionKey\":");
        serde_json::to_writer(&mut *event, partition_key).expect("a vector takes everything");
        let millis = (approximate_arrival_timestamp * 1_000.0).round() as u64;
        let arrival = format!("{}.{:03}", millis / 1_000, millis % 1_000);
        for text in [
            ",\"sequenceNumber\":\"",
            sequence_number,
            "\",\"data\":\"",
            data,
            "\",\"approximateArrivalTimestamp\":",
            &arrival,
            &self.before_id,
            sequence_number,
            &self.after_id,
        ] {
            event.extend_from_slice(text.as_bytes());
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("it is a text").to_owned()
}
