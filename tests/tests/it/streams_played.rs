//! Streams of any width and length, answered by the gate itself: many shards, long answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_tests::gate::{Call, Gate, Treatment};
use serde_json::{Value, json};

/// So many shards fit a page of Kinesis, and of DynamoDB.
const PAGES: (usize, usize) = (1_000, 100);
pub(crate) const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders";
const CONSUMER: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/orders/consumer/forebay:1700000000";
pub(crate) const TABLES: &str =
    "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2026-01-01T00:00:00.000";

/// How wide and how long.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    pub(crate) n_shards: usize,
    /// Of each shard.
    pub(crate) n_records: Arc<AtomicUsize>,
    /// Of each record.
    pub(crate) n_bytes: usize,
    /// The longest answer so far, in bytes.
    pub(crate) longest: Arc<AtomicUsize>,
}

/// A gate that is a stream of Kinesis and that of a table as well. Record `n` of shard `s` has the number
/// `1000 s + n`.
pub(crate) fn play(shape: Shape) -> Gate {
    Gate::of(move |call| shape.answer(call))
}

impl Shape {
    pub(crate) fn answer(&self, call: &Call) -> Treatment {
        let body = &call.body;
        let is_table = body["StreamArn"] == TABLES
            || body["ShardIterator"].as_str().is_some_and(|it| it.starts_with("table"));
        if call.operation == "SubscribeToShard" {
            return self.push(body);
        }
        let answer = match (call.operation.as_str(), is_table) {
            ("DescribeStreamSummary", _) => json!({ "StreamDescriptionSummary": {
                "StreamName": "orders", "StreamARN": STREAM, "StreamStatus": "ACTIVE", "StreamCreationTimestamp": 1_700_000_000.0,
                "RetentionPeriodHours": 24, "EnhancedMonitoring": [], "OpenShardCount": self.n_shards } }),
            ("DescribeStreamConsumer", _) => json!({ "ConsumerDescription": {
                "ConsumerName": "forebay", "ConsumerARN": CONSUMER, "ConsumerStatus": "ACTIVE", "StreamARN": STREAM,
                "ConsumerCreationTimestamp": 1_700_000_000.0 } }),
            ("DescribeTable", _) => json!({ "Table": { "LatestStreamArn": TABLES } }),
            ("ListShards", _) => self.page_of_a_stream(body),
            ("DescribeStream", _) => self.page_of_a_table(body),
            ("GetShardIterator", _) => json!({ "ShardIterator": self.iterator(body, is_table) }),
            ("GetRecords", _) => self.records(body, is_table),
            (other, _) => return Treatment::Refused(400, "UnknownOperationException", other.to_owned()),
        };
        let answer = answer.to_string();
        self.longest.fetch_max(answer.len(), Ordering::SeqCst);
        Treatment::Answered(answer)
    }

    fn page_of_a_stream(&self, body: &Value) -> Value {
        let begin = body["NextToken"].as_str().map_or(0, number);
        let end = self.n_shards.min(begin + PAGES.0);
        let shard = |it: usize| {
            json!({ "ShardId": shard_id(it), "HashKeyRange": { "StartingHashKey": "0", "EndingHashKey": "1" },
                    "SequenceNumberRange": { "StartingSequenceNumber": sequence(0) } })
        };
        let shards: Vec<Value> = (begin..end).map(shard).collect();
        match end < self.n_shards {
            true => json!({ "Shards": shards, "NextToken": end.to_string() }),
            false => json!({ "Shards": shards }),
        }
    }

    fn page_of_a_table(&self, body: &Value) -> Value {
        let begin = body["ExclusiveStartShardId"].as_str().map_or(0, |it| shard_of(it) + 1);
        let page = body["Limit"].as_u64().map_or(PAGES.1, |it| it as usize);
        let end = self.n_shards.min(begin + page);
        let shard = |it: usize| json!({ "ShardId": shard_id(it), "SequenceNumberRange": { "StartingSequenceNumber": sequence(0) } });
        let shards: Vec<Value> = (begin..end).map(shard).collect();
        let mut told = json!({ "StreamArn": TABLES, "StreamStatus": "ENABLED", "Shards": shards });
        if end < self.n_shards {
            told["LastEvaluatedShardId"] = shard_id(end - 1).into();
        }
        json!({ "StreamDescription": told })
    }

    fn iterator(&self, body: &Value, is_table: bool) -> String {
        let shard = shard_of(body["ShardId"].as_str().expect("an iterator is of a shard"));
        let at = body["StartingSequenceNumber"].as_str().or_else(|| body["SequenceNumber"].as_str());
        let n = match body["ShardIteratorType"].as_str() {
            Some("AT_SEQUENCE_NUMBER") => at.map_or(0, number) - number(&sequence(0)),
            Some("TRIM_HORIZON") => 0,
            other => panic!("nobody begins at {other:?}"),
        };
        iterator(is_table, shard, n)
    }

    fn records(&self, body: &Value, is_table: bool) -> Value {
        let text = body["ShardIterator"].as_str().expect("a read has an iterator");
        let mut parts = text.split(':').skip(1).map(number);
        let (shard, begin) = (parts.next().expect("a shard"), parts.next().expect("a place"));
        let n_max = body["Limit"].as_u64().map_or(1_000, |it| it as usize);
        let end = self.n_records.load(Ordering::SeqCst).min(begin + n_max);
        let record = |n: usize| if is_table { self.change(shard, n) } else { self.datum(shard, n) };
        let records: Vec<Value> = (begin..end).map(record).collect();
        let next = iterator(is_table, shard, end.max(begin));
        match is_table {
            true => json!({ "Records": records, "NextShardIterator": next }),
            false => json!({ "Records": records, "NextShardIterator": next, "MillisBehindLatest": 0 }),
        }
    }

    /// All that there is behind the place, in one push, and nothing that comes later.
    fn push(&self, body: &Value) -> Treatment {
        let shard = shard_of(body["ShardId"].as_str().expect("a subscription is to a shard"));
        let place = &body["StartingPosition"];
        let at = place["SequenceNumber"].as_str().map_or(0, |it| number(it) - number(&sequence(0)));
        let begin = match place["Type"].as_str() {
            Some("AFTER_SEQUENCE_NUMBER") => at + 1,
            Some("AT_SEQUENCE_NUMBER") => at,
            Some("TRIM_HORIZON") => 0,
            other => panic!("nobody begins at {other:?}"),
        };
        let end = self.n_records.load(Ordering::SeqCst).max(begin);
        let records: Vec<Value> = (begin..end).map(|it| self.datum(shard, it)).collect();
        let last = end.checked_sub(1).expect("a shard that is pushed has a record");
        let event = json!({
            "Records": records, "ContinuationSequenceNumber": sequence(last), "MillisBehindLatest": 0
        });
        let event = event.to_string();
        self.longest.fetch_max(event.len(), Ordering::SeqCst);
        Treatment::Pushed("SubscribeToShardEvent", vec![event])
    }

    fn datum(&self, shard: usize, n: usize) -> Value {
        let data = format!("{} {}", 1_000 * shard + n, "x".repeat(self.n_bytes));
        json!({ "SequenceNumber": sequence(n), "ApproximateArrivalTimestamp": 1_700_000_000.5, "Data": STANDARD.encode(data),
                "PartitionKey": format!("key {shard}") })
    }

    fn change(&self, shard: usize, n: usize) -> Value {
        let number = (1_000 * shard + n).to_string();
        let image =
            json!({ "pk": { "S": "k" }, "n": { "N": number }, "text": { "S": "x".repeat(self.n_bytes) } });
        json!({ "eventID": format!("{number:0>32}"), "eventName": "INSERT", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
                "awsRegion": "us-east-1",
                "dynamodb": { "ApproximateCreationDateTime": 1_700_000_000, "Keys": { "pk": { "S": number } }, "NewImage": image,
                              "SequenceNumber": sequence(n), "SizeBytes": self.n_bytes, "StreamViewType": "NEW_IMAGE" } })
    }
}

fn number(text: &str) -> usize {
    text.trim_start_matches('0').parse().unwrap_or(0)
}

/// Of the record with this index: a number of 22 digits.
fn sequence(n: usize) -> String {
    format!("{:022}", 1_000_000 + n)
}

fn shard_id(shard: usize) -> String {
    format!("shardId-{shard:012}")
}

fn shard_of(id: &str) -> usize {
    number(id.trim_start_matches("shardId-"))
}

fn iterator(is_table: bool, shard: usize, n: usize) -> String {
    format!("{}:{shard}:{n}", if is_table { "table" } else { "stream" })
}
