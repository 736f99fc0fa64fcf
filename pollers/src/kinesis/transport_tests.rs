//! Both transports beside each other: whatever a server answers, drawn from a seed, they ask alike and tell
//! alike.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use forebay_clients::Transport;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::choice::WhichStream;
use super::client::KINESIS;
use super::data::{self, ENCRYPTED};
use super::transport::connect;
use crate::played::{self, Dice, Played, assert_none};
use crate::shards::{IteratorAt, ShardCalls, ShardError, ShardRead, ShardRecord};

struct Both {
    played: Arc<Played>,
    clients: [Arc<dyn ShardCalls>; 2],
}

impl Both {
    async fn start(stream: &str) -> Self {
        let (played, origin) = Played::start().await;
        let which = WhichStream::parse(stream).unwrap();
        let client = async |transport| {
            connect(&which.0, Played::access(&KINESIS, &origin, "r").await, transport).unwrap()
        };
        let clients = [client(Transport::Plain).await, client(Transport::Sdk).await];
        Self { played, clients }
    }

    async fn difference(&self, call: &str, answer: &[u8]) -> Option<String> {
        self.played.play(answer);
        let [plain, sdk] = &self.clients;
        let plain = (outcome(&**plain, call).await, self.played.requests());
        let sdk = (outcome(&**sdk, call).await, self.played.requests());
        played::difference(call, answer, [plain, sdk])
    }
}

const CALLS: [&str; 7] = ["describe", "list", "list on", "first", "at", "time", "records"];
const CODES: [&str; 11] = [
    "ResourceNotFoundException",
    "com.amazonaws.kinesis#ExpiredIteratorException",
    "InvalidArgumentException",
    "ProvisionedThroughputExceededException",
    "LimitExceededException",
    "AccessDeniedException:http://h/",
    "KMSThrottlingException",
    "InvalidSignatureException",
    "RequestExpired",
    "InternalFailure",
    "",
];

/// Results whole, errors by what an operator is told and what the engine does.
async fn outcome(kinesis: &dyn ShardCalls, call: &str) -> String {
    let told = |error: ShardError| {
        let (refusal, told) = (error.refusal, error.to_string());
        // Else the words are those of the code that found it.
        let n_shown = if told.starts_with("FB-0242") || told.starts_with("FB-0243") { 7 } else { told.len() };
        format!("{refusal:?} {}", &told[..n_shown])
    };
    match call {
        "describe" => kinesis.describe().await.map_or_else(told, |it| format!("{it:?}")),
        "list" => kinesis.list(None).await.map_or_else(told, |it| format!("{it:?}")),
        "list on" => kinesis.list(Some("token \"x\"".into())).await.map_or_else(told, |it| format!("{it:?}")),
        "records" => kinesis.records("iterator/+=", 500).await.map_or_else(told, shown),
        _ => {
            let begin = match call {
                "first" => IteratorAt::First,
                "at" => IteratorAt::At("4951".to_owned()),
                _ => IteratorAt::Time(1_545_084_650_070),
            };
            kinesis.iterator("shardId-000000000001", begin).await.unwrap_or_else(told)
        }
    }
}

/// Data as it was put, however it is held.
fn shown(read: ShardRead) -> String {
    let record = |it: &ShardRecord| {
        let data = data::beginning_with(it, b"");
        format!(
            "{} {} {data:?} {} {} {}\n",
            String::from_utf8_lossy(it.id.0.as_slice()),
            String::from_utf8_lossy(&it.key),
            data::n_bytes(it),
            it.arrival_ms,
            it.facts_idx & ENCRYPTED
        )
    };
    let records: String = read.records.iter().map(record).collect();
    format!("{records}{:?} {:?} {:?}", read.next, read.behind_ms, read.children)
}

fn body(dice: &mut Dice, call: &str) -> Value {
    match call {
        "describe" => {
            let made = time(dice);
            let mut summary = dice.object(vec![
                ("StreamARN", json!("arn:aws:kinesis:r:000000000000:stream/s")),
                ("StreamCreationTimestamp", made),
            ]);
            summary["StreamStatus"] = json!("ACTIVE");
            dice.object(vec![("StreamDescriptionSummary", summary)])
        }
        "list" | "list on" => {
            let shards: Vec<Value> = (0..dice.roll(4)).map(|n| shard(dice, n)).collect();
            let next = json!(dice.text());
            dice.object(vec![("Shards", shards.into()), ("NextToken", next)])
        }
        "records" => {
            let records: Vec<Value> = (0..dice.roll(4)).map(|n| record(dice, n)).collect();
            let children: Vec<Value> = (0..dice.roll(2)).map(|n| child(dice, n)).collect();
            let (next, behind) = (json!(dice.text()), json!(dice.roll(5_000)));
            dice.object(vec![
                ("Records", records.into()),
                ("NextShardIterator", next),
                ("MillisBehindLatest", behind),
                ("ChildShards", children.into()),
            ])
        }
        _ => {
            let iterator = json!(dice.text());
            dice.object(vec![("ShardIterator", iterator)])
        }
    }
}

fn time(dice: &mut Dice) -> Value {
    let millis = 1_545_084_650_000 + dice.roll(5_000);
    match dice.roll(3) {
        0 => json!(millis / 1_000),
        1 => serde_json::from_str(&format!("{}E9", millis as f64 / 1e12)).unwrap(),
        _ => json!(millis as f64 / 1e3),
    }
}

fn shard(dice: &mut Dice, n: u64) -> Value {
    let range = vec![("StartingSequenceNumber", json!("1")), ("EndingSequenceNumber", json!("2"))];
    let range = dice.object(range);
    let mut shard = dice.object(vec![
        ("ShardId", json!(format!("shardId-{n}"))),
        ("ParentShardId", json!("shardId-8")),
        ("AdjacentParentShardId", json!("shardId-9")),
    ]);
    // What is wrong within it is read by the SDK, and by nobody else.
    if range.is_object() && range["StartingSequenceNumber"].is_string() {
        shard["SequenceNumberRange"] = range;
    }
    shard["HashKeyRange"] = json!({ "StartingHashKey": "0", "EndingHashKey": "1" });
    shard
}

fn child(dice: &mut Dice, n: u64) -> Value {
    let mut child = dice.object(vec![
        ("ShardId", json!(format!("shardId-{n}"))),
        ("ParentShards", json!(["shardId-8", "shardId-9"])),
    ]);
    child["HashKeyRange"] = json!({ "StartingHashKey": "0", "EndingHashKey": "1" });
    child
}

fn record(dice: &mut Dice, n: u64) -> Value {
    let data = match dice.roll(12) {
        0 => dice.pick(&["!", "AA", "AB==", "AA=A", "A===", "AA\n=="]).to_owned(),
        _ => STANDARD.encode(dice.text()),
    };
    let (time, key, kind) = (time(dice), json!(dice.text()), json!(dice.pick(&["KMS", "NONE", "Other"])));
    dice.object(vec![
        ("SequenceNumber", json!(format!("4951{n}"))),
        ("ApproximateArrivalTimestamp", time),
        ("Data", json!(data)),
        ("PartitionKey", key),
        ("EncryptionType", kind),
    ])
}

#[tokio::test]
async fn both_transports_ask_and_tell_alike_whatever_is_answered() {
    let some = |first: u64| async move {
        // Every other one by its ARN.
        let name = if first % 100 == 1 { "s" } else { "arn:aws:kinesis:r:000000000000:stream/s" };
        let both = Both::start(name).await;
        let mut differences = Vec::new();
        for seed in first..first + 50 {
            // The SDK reads no `null` where a member must be, and nobody sends one.
            let mut dice = Dice::of(seed).without_nulls();
            let call = dice.pick(&CALLS);
            let body = body(&mut dice, call);
            let answer = dice.answer(&body, &CODES);
            differences.extend(both.difference(call, &answer).await.map(|it| format!("seed {seed}, {it}")));
        }
        differences
    };
    assert_none(&join_all((1..=1_000).step_by(50).map(some)).await.concat());
}

#[tokio::test]
async fn both_transports_read_ten_megabytes() {
    let both = Both::start("s").await;
    let data = STANDARD.encode(vec![7; 1 << 20]);
    let record = json!({ "SequenceNumber": "1", "PartitionKey": "k", "Data": data });
    let answer = json!({ "Records": vec![record; 10], "MillisBehindLatest": 0 }).to_string();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
    assert_eq!(both.difference("records", answer.as_bytes()).await, None);
}
