//! Shards of a server that is as strict as AWS: another reader takes up what a shard allows, and iterators die
//! between two reads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_models::shards::Limits;
use forebay_tests::daemon::Daemon;
use forebay_tests::function::lambda_of_nothing;
use forebay_tests::strict_streams::StrictStreams;
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::journal::{Journal, first_times_of};
use crate::scene::Scene;

const KEYS: usize = 4;
const N_ROUNDS: usize = 20;
/// Iterators live for less than the time between two reads of an idle shard.
const STRICT: Limits =
    Limits { iterator_ms: 200, calls_per_s: 5, records_max: 10, subscription_ms: 300_000, credits: 2 };

#[test]
fn a_stream_that_throttles_and_whose_iterators_die_is_read_whole_and_in_order() {
    let server = StrictStreams::start(STRICT);
    let call = |action: &str, body: Value| server.try_kinesis(action, &body).expect("it answers");
    assert_eq!(call("CreateStream", json!({ "StreamName": "orders", "ShardCount": 1 })).0, 200);
    let put = |key: usize, n: usize| {
        let data = STANDARD.encode(n.to_string());
        call("PutRecord", json!({ "StreamName": "orders", "PartitionKey": key.to_string(), "Data": data }));
    };
    let of = |record: &Value| {
        let text = |name: &str| record["kinesis"][name].as_str().expect("it is a text").to_owned();
        let n = STANDARD.decode(text("data")).expect("it is base64");
        (text("partitionKey"), String::from_utf8(n).expect("a text").parse().expect("a number"))
    };
    let other = Other {
        server: &server,
        code: "ProvisionedThroughputExceededException",
        begin: &|| {
            let ask = json!({ "StreamName": "orders", "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON" });
            iterator(call("GetShardIterator", ask))
        },
        read: &|it| call("GetRecords", json!({ "ShardIterator": it })).0 == 200,
    };
    read_whole("kinesis: { stream: orders }", &other, &put, &of);
}

#[test]
fn a_table_whose_stream_throttles_and_whose_iterators_die_is_read_whole_and_in_order() {
    let server = StrictStreams::start(STRICT);
    let call = |action: &str, body: Value| server.try_dynamodb(action, &body).expect("it answers");
    let made = call(
        "CreateTable",
        json!({
            "TableName": "orders",
            "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
        }),
    );
    assert_eq!(made.0, 200);
    let table: Value =
        serde_json::from_str(&call("DescribeTable", json!({ "TableName": "orders" })).1).expect("JSON");
    let arn = table["Table"]["LatestStreamArn"].clone();
    let put = |key: usize, n: usize| {
        let item = json!({ "pk": { "S": key.to_string() }, "n": { "N": n.to_string() } });
        call("PutItem", json!({ "TableName": "orders", "Item": item }));
    };
    let of = |record: &Value| {
        let item = &record["dynamodb"]["NewImage"];
        let text = |it: &Value| it.as_str().expect("it is a text").to_owned();
        (text(&item["pk"]["S"]), text(&item["n"]["N"]).parse().expect("a number"))
    };
    let other = Other {
        server: &server,
        code: "LimitExceededException",
        begin: &|| {
            let shard = "shardId-00000000000000000000-00000000";
            let ask = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
            iterator(call("GetShardIterator", ask))
        },
        read: &|it| call("GetRecords", json!({ "ShardIterator": it })).0 == 200,
    };
    read_whole("dynamodb: { table: orders }", &other, &put, &of);
}

fn iterator((status, answer): (u16, String)) -> String {
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).expect("it is JSON");
    answer["ShardIterator"].as_str().expect("there is one").to_owned()
}

/// Another reader of the shard.
struct Other<'a> {
    server: &'a StrictStreams,
    /// What the server says when it throttles.
    code: &'a str,
    begin: &'a dyn Fn() -> String,
    /// Whether a read was allowed.
    read: &'a dyn Fn(&str) -> bool,
}

impl Other<'_> {
    /// Takes up what the shard allows in this second; how often that was refused.
    fn take_all(&self) -> usize {
        let iterator = (self.begin)();
        while (self.read)(&iterator) {}
        1
    }
}

fn read_whole(
    source: &str,
    other: &Other<'_>,
    put: &dyn Fn(usize, usize),
    of: &dyn Fn(&Value) -> (String, usize),
) {
    let (scene, journal) = (Scene::new(), Journal::default());
    let function = journal.function();
    let (endpoint, lambda) = (other.server.endpoint(), lambda_of_nothing());
    scene.write(
        "forebay.yaml",
        &format!(
            "aws: {{ endpoints: {{ kinesis: \"{endpoint}\", dynamodb: \"{endpoint}\", lambda: \"{lambda}\" }}, region: us-east-1, access_key_id: \"000000000000\", secret_access_key: x }}\n\
             functions:\n  seen: {{ executor: {}, timeout: 10 }}\n\
             event_source_mappings:\n- {{ name: orders, source: {{ {source} }}, function_name: seen, starting_position: TRIM_HORIZON, parallelization_factor: 2 }}\n",
            function.executor()
        ),
    );
    let daemon = Daemon::start(scene.folder());
    let (mut n_written, mut n_refused) = (0, 0);
    wait::until("the daemon to be throttled and its iterators to die", || {
        if n_written < N_ROUNDS {
            (0..KEYS).for_each(|key| put(key, n_written));
            n_written += 1;
        }
        n_refused += other.take_all();
        let n_throttled = other.server.n_refused(other.code) - n_refused;
        (n_throttled >= 3 && other.server.n_refused("ExpiredIteratorException") >= 3).then_some(())
    });
    wait::until_count("records given", KEYS * n_written, || {
        first_times_of(journal.records().iter().map(of)).values().map(Vec::len).sum()
    });
    for (key, numbers) in first_times_of(journal.records().iter().map(of)) {
        assert!(numbers.iter().copied().eq(0..n_written), "{key} in order: {numbers:?}");
    }
    assert_eq!(journal.records().len(), KEYS * n_written, "nothing is given twice");
    let log = daemon.log();
    assert!(!log.contains("records were lost"), "{log}");
    assert_eq!(daemon.stop().code(), Some(0));
}
