//! Streams of a real server: shards that split and merge under load, the event, LATEST, Lambda's API.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_tests::daemon::{Daemon, run};
use forebay_tests::function::{Answer, Function, lambda_of_nothing};
use forebay_tests::kinesis_local::{ACCOUNT, KinesisLocal};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::api_scene::await_state;
use crate::journal::{Journal, first_times_of};
use crate::scene::{Scene, is_long};

/// One record that a function was given.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Given {
    shard: String,
    key: String,
    data: String,
}

/// A server, a folder, and functions that write down what they are given.
pub(crate) struct Streams {
    pub(crate) scene: Scene,
    pub(crate) server: KinesisLocal,
}

trait Gives {
    fn given(&self) -> Vec<Given>;
    fn await_data(&self, data: &str);
}

impl Gives for Journal {
    fn given(&self) -> Vec<Given> {
        self.records().into_iter().map(given).collect()
    }

    fn await_data(&self, data: &str) {
        self.await_record(data, |it| given(it.clone()).data == data);
    }
}

fn given(record: Value) -> Given {
    let text = |it: &Value| it.as_str().expect("it is a text").to_owned();
    let (shard, _) = record["eventID"].as_str().and_then(|it| it.split_once(':')).expect("it names a shard");
    let data = STANDARD.decode(text(&record["kinesis"]["data"])).expect("it is base64");
    Given {
        shard: shard.to_owned(),
        key: text(&record["kinesis"]["partitionKey"]),
        data: String::from_utf8(data).expect("it is a text"),
    }
}

impl Streams {
    pub(crate) fn new() -> Self {
        Self { scene: Scene::new(), server: KinesisLocal::start() }
    }

    /// Splits the widest shard of the stream `orders`, and merges the first two shards with every second call.
    fn reshard(&self, n_done: usize) {
        let mut open: Vec<_> = self.server.shards("orders").into_iter().filter(|it| it.is_open).collect();
        open.sort_by_key(|it| it.hash_keys);
        if n_done % 2 == 1 {
            return self.server.merge("orders", &open[0], &open[1]);
        }
        let widest = open.iter().max_by_key(|it| it.hash_keys.1 - it.hash_keys.0);
        self.server.split("orders", widest.expect("there is an open shard"));
    }

    pub(crate) fn config(&self, functions: &[(String, &Function)], mappings: &str) {
        let functions: String = functions
            .iter()
            .map(|(name, it)| format!("  {name}: {{ executor: {}, timeout: 10 }}\n", it.executor()))
            .collect();
        let (endpoint, lambda) = (self.server.endpoint(), lambda_of_nothing());
        self.scene.write(
            "forebay.yaml",
            &format!(
                "aws: {{ endpoints: {{ kinesis: \"{endpoint}\", lambda: \"{lambda}\" }}, region: us-east-1, access_key_id: \"{ACCOUNT}\", secret_access_key: x }}\n\
                 functions:\n{functions}event_source_mappings:{mappings}\n"
            ),
        );
    }
}

const KEYS: usize = 8;

/// Writes records of eight keys, each with a number of its own that goes up.
#[derive(Default)]
struct Writer {
    n_written: [usize; KEYS],
}

impl Writer {
    fn write(&mut self, server: &KinesisLocal, n_rounds: usize) {
        for _ in 0..n_rounds {
            for (key, n) in self.n_written.iter_mut().enumerate() {
                server.put("orders", &format!("key {key}"), &n.to_string());
                *n += 1;
            }
        }
    }

    /// Waits until all that was written was given.
    fn await_given(&self, journal: &Journal) {
        let goal: usize = self.n_written.iter().sum();
        wait::until_count("records given", goal, || {
            first_times(&journal.given()).values().map(Vec::len).sum()
        });
    }
}

/// The numbers of each key in the order in which they were given first.
fn first_times(given: &[Given]) -> BTreeMap<String, Vec<usize>> {
    first_times_of(given.iter().map(|it| (it.key.clone(), it.data.parse().expect("it is a number"))))
}

#[test]
fn a_stream_that_splits_and_merges_under_load_and_kills_loses_nothing_and_keeps_order() {
    splits_and_merges("poll_interval: 0.25");
}

#[test]
fn a_stream_that_is_pushed_splits_and_merges_under_load_and_kills_and_loses_nothing_and_keeps_order() {
    splits_and_merges("fan_out: { consumer_name: forebay }");
}

/// Shards split and merge in turn while records come and the process is killed.
fn splits_and_merges(how: &str) {
    let (n_reshards, kills_after) =
        if is_long() { (10, [2; 10].as_slice()) } else { (5, [0, 1, 0, 1, 1].as_slice()) };
    let it = Streams::new();
    it.server.create("orders", 2);
    let journal = Journal::default();
    let function = journal.function();
    it.config(
        &[("seen".to_owned(), &function)],
        &format!(
            "\n- {{ name: orders, source: {{ kinesis: {{ stream: orders, {how} }} }}, function_name: seen, \
             starting_position: TRIM_HORIZON, parallelization_factor: 4, batch_size: 7 }}"
        ),
    );
    let mut writer = Writer::default();
    writer.write(&it.server, 3);
    let mut daemon = Daemon::start(it.scene.folder());
    let mut log = String::new();
    for (n_done, n_kills) in kills_after.iter().enumerate().take(n_reshards) {
        writer.write(&it.server, 2);
        it.reshard(n_done);
        for _ in 0..*n_kills {
            writer.write(&it.server, 2);
            // Each life does something before it ends in the middle of it.
            let n_given = journal.records().len();
            writer.write(&it.server, 1);
            wait::until("records in this life", || (journal.records().len() > n_given).then_some(()));
            log.push_str(&daemon.log());
            daemon.kill();
            daemon = Daemon::start(it.scene.folder());
        }
    }
    writer.write(&it.server, 2);
    writer.await_given(&journal);
    let given = journal.given();
    for (key, numbers) in first_times(&given) {
        assert!(numbers.iter().copied().eq(0..numbers.len()), "{key} in order: {numbers:?}");
    }
    let shards = it.server.shards("orders");
    let n_merges = n_reshards / 2;
    let n_merged = shards.iter().filter(|it| it.parents.len() == 2).count();
    assert!((n_merged, shards.len()) == (n_merges, 2 + n_merges + 2 * (n_reshards - n_merges)), "{shards:?}");
    for child in &shards {
        let began = given.iter().position(|it| it.shard == child.id).unwrap_or(given.len());
        for parent in &child.parents {
            let late = given[began..].iter().find(|it| it.shard == *parent);
            assert_eq!(late, None, "{parent} is finished before {} begins", child.id);
        }
    }
    log.push_str(&daemon.log());
    assert!(!log.contains("records were lost") && !log.contains("FB-0246"), "{log}");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn an_event_of_a_stream_is_lambdas_own_byte_for_byte() {
    let it = Streams::new();
    let arn = it.server.create("orders", 1);
    let journal = Journal::default();
    let function = journal.function();
    it.config(
        &[("seen".to_owned(), &function)],
        &format!(
            "\n- {{ name: orders, source: {{ kinesis: {{ stream: \"{arn}\" }} }}, function_name: seen, starting_position: TRIM_HORIZON, \
             filter_criteria: {{ filter: [{{ pattern: '{{\"data\":{{\"n\":[1]}},\"kinesis\":{{\"partitionKey\":[\"k\"]}}}}' }}] }} }}"
        ),
    );
    it.server.put("orders", "k", "{\"n\":2}");
    let (shard, number) = it.server.put("orders", "k", "{\"n\":1}");
    it.server.put("orders", "other", "{\"n\":1}");
    let _daemon = Daemon::start(it.scene.folder());
    journal.await_data("{\"n\":1}");
    let at = json!({ "StreamName": "orders", "ShardId": shard, "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": number });
    let iterator = it.server.call("GetShardIterator", &at);
    let read = it.server.call("GetRecords", &json!({ "ShardIterator": iterator["ShardIterator"] }));
    let arrival = read["Records"][0]["ApproximateArrivalTimestamp"].as_f64().expect("it has arrived");
    let event = &journal.events()[0];
    let told =
        event["Records"][0]["kinesis"]["approximateArrivalTimestamp"].as_f64().expect("it is a number");
    assert!((arrival - told).abs() < 0.001, "{arrival} {told}");
    let expected = json!({ "Records": [{
        "kinesis": { "kinesisSchemaVersion": "1.0", "partitionKey": "k", "sequenceNumber": number,
                     "data": STANDARD.encode("{\"n\":1}"), "approximateArrivalTimestamp": told },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": format!("{shard}:{number}"),
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": format!("arn:aws:iam::{ACCOUNT}:role/forebay"),
        "awsRegion": "us-east-1",
        "eventSourceARN": arn,
    }] });
    assert_eq!(event.to_string(), expected.to_string());
}

#[test]
fn a_record_written_right_after_a_mapping_at_latest_is_enabled_is_delivered() {
    let it = Streams::new();
    let arn = it.server.create("orders", 1);
    let journals: Vec<Journal> = (0..if is_long() { 200 } else { 20 }).map(|_| Journal::default()).collect();
    let functions: Vec<Function> = journals.iter().map(Journal::function).collect();
    let named: Vec<_> = functions.iter().enumerate().map(|(idx, it)| (format!("f{idx}"), it)).collect();
    it.config(&named, " []");
    let daemon = Daemon::start(it.scene.folder());
    let api = daemon.socket();
    for (idx, journal) in journals.iter().enumerate() {
        it.server.put("orders", "k", &format!("before {idx}"));
        let made = api.create(&json!({ "EventSourceArn": arn, "FunctionName": format!("f{idx}"), "StartingPosition": "LATEST" }));
        let made = made.expect(202);
        let uuid = made["UUID"].as_str().expect("a mapping has an id");
        await_state(&api, uuid, "Enabled");
        it.server.put("orders", "k", &format!("after {idx}"));
        journal.await_data(&format!("after {idx}"));
        assert_eq!(journal.given()[0].data, format!("after {idx}"), "nothing older is given");
        api.delete(uuid).expect(202);
    }
}

#[test]
fn a_mapping_of_a_stream_is_made_changed_and_refused_over_lambdas_api_in_its_words() {
    let it = Streams::new();
    let arn = it.server.create("orders", 1);
    let journal = Journal::default();
    // Within a window every answer gives a state back.
    let function = journal.function_that(|_| Answer::Done("{\"state\":{}}".to_owned()));
    it.config(&[("seen".to_owned(), &function)], " []");
    let daemon = Daemon::start(it.scene.folder());
    let api = daemon.socket();
    let body = |more: Value| {
        let mut body =
            json!({ "EventSourceArn": arn, "FunctionName": "seen", "StartingPosition": "TRIM_HORIZON" });
        body.as_object_mut().expect("it is a map").extend(more.as_object().cloned().unwrap_or_default());
        body
    };
    let refused = |more: Value| {
        let (status, kind, message) = api.create(&body(more)).refusal();
        assert_eq!((status, kind.as_str()), (400, "InvalidParameterValueException"), "{message}");
        message
    };
    let missing = arn.replace("orders", "missing");
    assert_eq!(refused(json!({ "EventSourceArn": missing })), format!("Stream not found: {missing}"));
    let consumer = format!("{arn}/consumer/c:1");
    assert_eq!(refused(json!({ "EventSourceArn": consumer })), format!("Stream not found: {consumer}"));
    refused(json!({ "FilterCriteria": { "Filters": [{ "Pattern": "{\"data\":[\"x\"]}" }] } }));

    let asked = json!({ "ParallelizationFactor": 2, "BisectBatchOnFunctionError": true, "MaximumRetryAttempts": 3, "TumblingWindowInSeconds": 30 });
    let made = api.create(&body(asked)).expect(202);
    assert_eq!(
        (&made["State"], &made["LastProcessingResult"]),
        (&json!("Creating"), &json!("No records processed"))
    );
    let uuid = made["UUID"].as_str().expect("a mapping has an id");
    await_state(&api, uuid, "Enabled");
    it.server.put("orders", "k", "first");
    journal.await_data("first");
    let (status, kind, message) = api.create(&body(json!({}))).refusal();
    let twice = format!(
        "The event source arn (\" {arn} \") and function (\" seen \") provided mapping already exists. Please update or delete the existing mapping with UUID {uuid}"
    );
    assert_eq!((status, kind.as_str(), message), (409, "ResourceConflictException", twice));
    api.update(uuid, &json!({ "BatchSize": 5 })).expect(202);
    await_state(&api, uuid, "Enabled");
    it.server.put("orders", "k", "second");
    journal.await_data("second");
    let got = api.get(uuid).expect(200);
    assert_eq!((&got["BatchSize"], &got["TumblingWindowInSeconds"]), (&json!(5), &json!(30)));
    assert_eq!(journal.events()[0]["eventSourceARN"], json!(arn));
    let (status, kind, message) = api.update(uuid, &json!({ "TumblingWindowInSeconds": 901 })).refusal();
    assert_eq!((status, kind.as_str()), (400, "ValidationException"), "{message}");
    assert!(message.contains("Value '901' at 'tumblingWindowInSeconds'"), "{message}");
    api.update(uuid, &json!({ "TumblingWindowInSeconds": 0 })).expect(202);
    await_state(&api, uuid, "Enabled");
    assert_eq!(api.get(uuid).expect(200)["TumblingWindowInSeconds"], json!(0));
    api.delete(uuid).expect(202);
}

#[test]
fn a_mapping_of_a_consumer_is_made_over_lambdas_api_and_its_events_name_the_consumer() {
    let it = Streams::new();
    let stream = it.server.create("orders", 1);
    let registered =
        it.server.call("RegisterStreamConsumer", &json!({ "StreamARN": stream, "ConsumerName": "forebay" }));
    let consumer = &registered["Consumer"]["ConsumerARN"];
    let journal = Journal::default();
    let function = journal.function();
    it.config(&[("seen".to_owned(), &function)], " []");
    let daemon = Daemon::start(it.scene.folder());
    let api = daemon.socket();
    let body = json!({ "EventSourceArn": consumer, "FunctionName": "seen", "StartingPosition": "LATEST" });
    let made = api.create(&body).expect(202);
    let uuid = made["UUID"].as_str().expect("a mapping has an id");
    await_state(&api, uuid, "Enabled");
    assert_eq!(&api.get(uuid).expect(200)["EventSourceArn"], consumer);
    it.server.put("orders", "k", "first");
    journal.await_data("first");
    assert_eq!(&journal.records()[0]["eventSourceARN"], consumer);
    api.delete(uuid).expect(202);
}

#[test]
fn a_consumer_that_is_not_there_is_registered_and_told_of() {
    let it = Streams::new();
    it.server.create("orders", 1);
    let journal = Journal::default();
    let function = journal.function();
    it.config(
        &[("seen".to_owned(), &function)],
        "\n- { name: orders, source: { kinesis: { stream: orders, fan_out: { consumer_name: forebay } } }, function_name: seen, starting_position: TRIM_HORIZON }",
    );
    let daemon = Daemon::start(it.scene.folder());
    it.server.put("orders", "k", "first");
    journal.await_data("first");
    let stream = it.server.await_active("orders");
    let described =
        it.server.call("DescribeStreamConsumer", &json!({ "StreamARN": stream, "ConsumerName": "forebay" }));
    let arn = described["ConsumerDescription"]["ConsumerARN"].as_str().expect("it has an ARN");
    assert!(daemon.log().contains("registered the consumer of enhanced fan-out"), "{}", daemon.log());
    let (_, why, _) = run(it.scene.folder(), &["why", "--data-dir", "data", "orders"]);
    assert!(why.contains(&format!("note: {arn} was registered for it")), "{why}");
}
