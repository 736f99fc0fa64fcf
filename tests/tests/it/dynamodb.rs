//! Streams of tables of a real server: shards that roll over under load, records and iterators that expire,
//! the event, LATEST, a stream that is switched off, Lambda's API.

use std::collections::BTreeMap;
use std::ops::Deref;

use forebay_tests::daemon::Daemon;
use forebay_tests::dynamodb_local::{DynamoDbCalls, DynamoDbLocal, TableShard};
use forebay_tests::function::{Answer, Function, lambda_of_nothing};
use forebay_tests::ministack::MiniStack;
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::api_scene::await_state;
use crate::journal::{Journal, first_times_of};
use crate::scene::{Scene, is_long};

/// A server, a folder, and functions that write down what they are given.
struct Tables<S> {
    scene: Scene,
    server: S,
}

impl Tables<DynamoDbLocal> {
    fn new() -> Self {
        Self { scene: Scene::new(), server: DynamoDbLocal::start() }
    }
}

/// MiniStack, whose streams have one shard for ever and ARNs as AWS has them, which Lambda's API asks for.
struct ManyServices(DynamoDbCalls, #[expect(dead_code, reason = "it runs as long as this")] MiniStack);

impl Deref for ManyServices {
    type Target = DynamoDbCalls;

    fn deref(&self) -> &DynamoDbCalls {
        &self.0
    }
}

impl Tables<ManyServices> {
    fn with_arns_of_aws() -> Self {
        let server = MiniStack::start();
        let calls = DynamoDbCalls::to(&server.endpoint());
        Self { scene: Scene::new(), server: ManyServices(calls, server) }
    }
}

impl<S: Deref<Target = DynamoDbCalls>> Tables<S> {
    fn config(&self, functions: &[(String, &Function)], mappings: &str) {
        let functions: String = functions
            .iter()
            .map(|(name, it)| format!("  {name}: {{ executor: {}, timeout: 10 }}\n", it.executor()))
            .collect();
        let (endpoint, lambda) = (self.server.endpoint(), lambda_of_nothing());
        self.scene.write(
            "forebay.yaml",
            &format!(
                "aws: {{ endpoints: {{ dynamodb: \"{endpoint}\", lambda: \"{lambda}\" }}, region: us-east-1, access_key_id: \"000000000000\", secret_access_key: x }}\n\
                 functions:\n{functions}event_source_mappings:{mappings}\n"
            ),
        );
    }
}

const ITEMS: usize = 8;

/// Writes items, each with a number of its own that goes up.
#[derive(Default)]
struct Writer {
    n_written: [usize; ITEMS],
}

impl Writer {
    fn write(&mut self, server: &DynamoDbLocal, n_rounds: usize) {
        for _ in 0..n_rounds {
            for (item, n) in self.n_written.iter_mut().enumerate() {
                server.put("orders", "orders", item, *n);
                *n += 1;
            }
        }
    }

    /// Waits until all that was written was given.
    fn await_given(&self, journal: &Journal) {
        let goal: usize = self.n_written.iter().sum();
        wait::until_count("records given", goal, || {
            first_times(&journal.records()).values().map(Vec::len).sum()
        });
    }
}

fn first_times(records: &[Value]) -> BTreeMap<String, Vec<usize>> {
    first_times_of(records.iter().map(|it| (it["dynamodb"]["Keys"].to_string(), n_of(it))))
}

/// The `n` of a record's new image.
fn n_of(record: &Value) -> usize {
    let n = record["dynamodb"]["NewImage"]["n"]["N"].as_str();
    n.and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("{record} has no n"))
}

fn number_of(record: &Value) -> u64 {
    let number = record["dynamodb"]["SequenceNumber"].as_str().expect("it has a number");
    number.parse().expect("it is one")
}

/// Which shard a record was in.
fn shard_of(record: &Value, shards: &[TableShard]) -> usize {
    let number = number_of(record);
    let holds = |it: &TableShard| number >= it.first && it.last.is_none_or(|last| number <= last);
    shards.iter().position(holds).unwrap_or_else(|| panic!("{number} is in none of {shards:?}"))
}

const ORDERS: &str = "\n- { name: orders, source: { dynamodb: { table: orders, poll_interval: 0.25 } }, function_name: seen, \
                      starting_position: TRIM_HORIZON, parallelization_factor: 4, batch_size: 7 }";

#[test]
fn a_table_whose_shards_roll_over_under_load_and_kills_loses_nothing_and_keeps_order() {
    let it = Tables::new();
    let stream = it.server.create("orders");
    let journal = Journal::default();
    let function = journal.function();
    it.config(&[("seen".to_owned(), &function)], ORDERS);
    let mut writer = Writer::default();
    writer.write(&it.server, 5);
    let mut daemon = Daemon::start(it.scene.folder());
    for _ in 0..3 {
        writer.write(&it.server, 4);
        it.server.roll_over();
        // A shard that was closed before anything was written to it.
        it.server.roll_over();
        writer.write(&it.server, 4);
        // In the middle of it.
        daemon.kill();
        it.server.roll_over();
        writer.write(&it.server, 4);
        daemon = Daemon::start(it.scene.folder());
    }
    it.server.roll_over();
    writer.write(&it.server, 4);
    writer.await_given(&journal);
    let records = journal.records();
    for (item, numbers) in first_times(&records) {
        assert!(numbers.iter().copied().eq(0..numbers.len()), "{item} in order: {numbers:?}");
    }
    let shards = it.server.shards(&stream);
    assert_eq!(shards.iter().filter(|it| it.parent.is_some()).count(), 10, "{shards:?}");
    let places: Vec<usize> = records.iter().map(|it| shard_of(it, &shards)).collect();
    for (at, record) in records.iter().enumerate() {
        let is_again = records[..at].iter().any(|it| number_of(it) == number_of(record));
        let began_later = places[..at].iter().any(|it| *it > places[at]);
        assert!(is_again || !began_later, "{record} came after one of a later shard");
    }
    let log = daemon.log();
    assert!(!log.contains("records were lost"), "{log}");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn iterators_that_expire_cost_nothing_and_what_retention_took_is_told() {
    let it = Tables::new();
    it.server.create("orders");
    let journal = Journal::default();
    let function = journal.function();
    it.config(&[("seen".to_owned(), &function)], ORDERS);
    let mut writer = Writer::default();
    writer.write(&it.server, 2);
    let daemon = Daemon::start(it.scene.folder());
    writer.await_given(&journal);
    // Every iterator is older than 15 minutes then, and the shard has rolled over.
    it.server.age(5);
    writer.write(&it.server, 2);
    writer.await_given(&journal);
    let log = daemon.log();
    assert!(!log.contains("records were lost"), "{log}");
    daemon.kill();
    // What nobody has read is older than 24 hours when it is asked for.
    it.server.put("orders", "unread", 0, 0);
    it.server.roll_over();
    it.server.age(25);
    writer.write(&it.server, 1);
    let daemon = Daemon::start(it.scene.folder());
    writer.await_given(&journal);
    let log = daemon.log();
    assert!(log.contains("records were lost"), "{log}");
    assert!(journal.records().iter().all(|it| it["dynamodb"]["Keys"]["pk"]["S"] != "unread"));
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn events_of_a_table_are_lambdas_own_byte_for_byte() {
    let it = Tables::new();
    let stream = it.server.create("orders");
    let journal = Journal::default();
    let function = journal.function();
    it.config(
        &[("seen".to_owned(), &function)],
        &format!(
            "\n- {{ name: orders, source: {{ dynamodb: {{ table: \"{stream}\" }} }}, function_name: seen, starting_position: TRIM_HORIZON, \
             filter_criteria: {{ filter: [{{ pattern: '{{\"dynamodb\":{{\"Keys\":{{\"pk\":{{\"S\":[\"k\"]}}}}}}}}' }}] }} }}"
        ),
    );
    let item = json!({
        "pk": { "S": "k" }, "sk": { "N": "1" }, "text": { "S": "ü \"x\"" }, "raw": { "B": "AAEC/w==" },
        "many": { "SS": ["a", "b"] }, "numbers": { "NS": ["1.5", "2"] }, "raws": { "BS": ["AA=="] },
        "map": { "M": { "none": { "NULL": true }, "list": { "L": [{ "BOOL": false }, { "N": "10" }] } } },
    });
    let key = json!({ "pk": { "S": "k" }, "sk": { "N": "1" } });
    it.server.call("PutItem", &json!({ "TableName": "orders", "Item": item }));
    it.server.put("orders", "other", 1, 1);
    let update = json!({ "TableName": "orders", "Key": key, "UpdateExpression": "SET #t = :t",
        "ExpressionAttributeNames": { "#t": "text" }, "ExpressionAttributeValues": { ":t": { "S": "new" } } });
    it.server.call("UpdateItem", &update);
    it.server.call("DeleteItem", &json!({ "TableName": "orders", "Key": key }));
    let _daemon = Daemon::start(it.scene.folder());
    journal.await_record("a deletion", |it| it["eventName"] == "REMOVE");

    let shard = &it.server.shards(&stream)[0].id;
    let at = json!({ "StreamArn": stream, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
    let iterator = it.server.call("GetShardIterator", &at);
    let read = it.server.call("GetRecords", &json!({ "ShardIterator": iterator["ShardIterator"] }));
    let told = read["Records"].as_array().expect("there are records").iter();
    let expected: Vec<Value> = told
        .filter(|it| it["dynamodb"]["Keys"]["pk"]["S"] == "k")
        .map(|it| {
            let change = &it["dynamodb"];
            let mut shown = serde_json::Map::new();
            let seconds = change["ApproximateCreationDateTime"].as_f64().expect("it is a number");
            shown.insert("ApproximateCreationDateTime".to_owned(), json!(seconds));
            for name in ["Keys", "NewImage", "OldImage", "SequenceNumber", "SizeBytes", "StreamViewType"] {
                if let Some(value) = change.get(name) {
                    shown.insert(name.to_owned(), value.clone());
                }
            }
            json!({
                "eventID": it["eventID"], "eventName": it["eventName"], "eventVersion": "1.1",
                "eventSource": "aws:dynamodb", "awsRegion": it["awsRegion"], "dynamodb": shown, "eventSourceARN": stream,
            })
        })
        .collect();
    let names: Vec<_> = expected.iter().map(|it| it["eventName"].clone()).collect();
    assert_eq!(names, ["INSERT", "MODIFY", "REMOVE"]);
    assert_eq!(Value::from(journal.records()).to_string(), Value::from(expected).to_string());
}

#[test]
fn a_function_carries_a_state_over_tumbling_windows_of_a_table() {
    let it = Tables::new();
    let stream = it.server.create("orders");
    let journal = Journal::default();
    let function = journal.function_that(|event| {
        let before = event["state"]["n"].as_u64().unwrap_or(0);
        let n = before + event["Records"].as_array().map_or(0, Vec::len) as u64;
        Answer::Done(json!({ "state": { "n": n } }).to_string())
    });
    it.config(
        &[("count".to_owned(), &function)],
        &format!(
            "\n- {{ name: orders, source: {{ dynamodb: {{ table: \"{stream}\", poll_interval: 0.25 }} }}, function_name: count, \
             starting_position: TRIM_HORIZON, tumbling_window_in_seconds: 900 }}"
        ),
    );
    let _daemon = Daemon::start(it.scene.folder());
    let ends = || journal.events().into_iter().filter(|it| it["isFinalInvokeForWindow"] == json!(true));
    let summed_up = || ends().filter_map(|it| it["state"]["n"].as_u64()).sum::<u64>();
    for n in 1..=2 {
        for number in 0..3 {
            it.server.put("orders", "k", number, n);
        }
        wait::until("all is given", || (journal.records().len() == 3 * n).then_some(()));
        // With its shard a window ends, if it is not over before: a quarter of an hour may begin between two of these records.
        it.server.roll_over();
        wait::until("its windows are over", || (summed_up() == 3 * n as u64).then_some(()));
    }
    let shards: Vec<String> = it.server.shards(&stream).into_iter().map(|it| it.id).collect();
    // What was counted of a shard in windows that are over, and in the one that is open.
    let mut counted: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for event in journal.events() {
        let shard = event["shardId"].as_str().expect("it is a name").to_owned();
        assert!(shards.contains(&shard) && event["eventSourceARN"] == json!(stream), "{event}");
        let (over, open) = counted.entry(shard).or_default();
        assert_eq!(
            event["state"]["n"].as_u64().unwrap_or(0),
            *open,
            "the last answer's state comes: {event}"
        );
        *open += event["Records"].as_array().map_or(0, Vec::len) as u64;
        if event["isFinalInvokeForWindow"] == json!(true) {
            assert_eq!(event["Records"], json!([]), "an end brings no records");
            *over += std::mem::take(open);
        }
    }
    assert_eq!(counted.into_values().collect::<Vec<_>>(), [(3, 0), (3, 0)]);
}

#[test]
fn a_change_written_right_after_a_mapping_at_latest_is_enabled_is_delivered() {
    let it = Tables::with_arns_of_aws();
    let stream = it.server.create("orders");
    let journals: Vec<Journal> = (0..if is_long() { 200 } else { 20 }).map(|_| Journal::default()).collect();
    let functions: Vec<Function> = journals.iter().map(Journal::function).collect();
    let named: Vec<_> = functions.iter().enumerate().map(|(idx, it)| (format!("f{idx}"), it)).collect();
    it.config(&named, " []");
    let daemon = Daemon::start(it.scene.folder());
    let api = daemon.socket();
    for (idx, journal) in journals.iter().enumerate() {
        it.server.put("orders", "before", idx, idx);
        let made = api.create(&json!({ "EventSourceArn": stream, "FunctionName": format!("f{idx}"), "StartingPosition": "LATEST" }));
        let made = made.expect(202);
        let uuid = made["UUID"].as_str().expect("a mapping has an id");
        await_state(&api, uuid, "Enabled");
        it.server.put("orders", "after", idx, idx);
        let keys = json!({ "pk": { "S": "after" }, "sk": { "N": idx.to_string() } });
        journal.await_record("what was written after", |it| it["dynamodb"]["Keys"] == keys);
        assert_eq!(journal.records()[0]["dynamodb"]["Keys"], keys, "nothing older is given");
        api.delete(uuid).expect(202);
    }
}

#[test]
fn a_kill_right_after_a_mapping_at_latest_is_enabled_loses_nothing_and_gives_nothing_older() {
    let it = Tables::new();
    it.server.create("orders");
    let journal = Journal::default();
    let function = journal.function();
    it.config(&[("seen".to_owned(), &function)], &ORDERS.replace("TRIM_HORIZON", "LATEST"));
    it.server.put("orders", "before", 0, 0);
    let daemon = Daemon::start(it.scene.folder());
    let api = daemon.socket();
    wait::until("an enabled mapping", || (api.all().first()?["State"] == "Enabled").then_some(()));
    daemon.kill();
    it.server.put("orders", "after", 0, 0);
    let _daemon = Daemon::start(it.scene.folder());
    journal.await_record("after", |it| it["dynamodb"]["Keys"]["pk"]["S"] == "after");
    assert_eq!(journal.records().len(), 1, "{:?}", journal.records());
}

#[test]
fn a_stream_that_is_switched_off_and_on_again_is_another_and_read_from_its_first_record() {
    let it = Tables::new();
    let old = it.server.create("orders");
    let journal = Journal::default();
    let function = journal.function();
    it.config(&[("seen".to_owned(), &function)], ORDERS);
    it.server.put("orders", "old", 0, 0);
    it.server.disable("orders");
    let daemon = Daemon::start(it.scene.folder());
    let given = |pk: &'static str| journal.await_record(pk, |it| it["dynamodb"]["Keys"]["pk"]["S"] == pk);
    given("old");
    wait::until_told("FB-0257", || daemon.log().contains("FB-0257").then_some(()), || daemon.log());
    let new = it.server.enable("orders");
    assert_ne!(old, new);
    it.server.put("orders", "new", 0, 0);
    given("new");
}

#[test]
fn what_is_wrong_with_a_table_is_told_by_its_code_and_heals_by_itself() {
    let it = Tables::new();
    let journal = Journal::default();
    let function = journal.function();
    it.config(&[("seen".to_owned(), &function)], ORDERS);
    let daemon = Daemon::start(it.scene.folder());
    let told = |code: &'static str| {
        wait::until_told(code, || daemon.log().contains(code).then_some(()), || daemon.log());
    };
    told("FB-0250");
    let stream = it.server.create("orders");
    it.server.put("orders", "first", 0, 0);
    journal.await_record("the first", |it| it["dynamodb"]["Keys"]["pk"]["S"] == "first");
    assert_eq!(journal.records()[0]["eventSourceARN"], json!(stream));
    drop(it.server);
    told("FB-0252");
}

#[test]
fn a_mapping_of_a_table_is_made_changed_and_refused_over_lambdas_api_in_its_words() {
    let it = Tables::with_arns_of_aws();
    let stream = it.server.create("orders");
    let journal = Journal::default();
    let function = journal.function();
    it.config(&[("seen".to_owned(), &function)], " []");
    let daemon = Daemon::start(it.scene.folder());
    let api = daemon.socket();
    let body = |more: Value| {
        let mut body =
            json!({ "EventSourceArn": stream, "FunctionName": "seen", "StartingPosition": "TRIM_HORIZON" });
        body.as_object_mut().expect("it is a map").extend(more.as_object().cloned().unwrap_or_default());
        body
    };
    let refused = |more: Value| {
        let (status, kind, message) = api.create(&body(more)).refusal();
        assert_eq!((status, kind.as_str()), (400, "InvalidParameterValueException"), "{message}");
        message
    };
    let missing = stream.replace("orders", "missing");
    assert_eq!(refused(json!({ "EventSourceArn": missing })), format!("Stream not found: {missing}"));
    let table = stream.split("/stream/").next().expect("it begins with the table's ARN");
    assert_eq!(refused(json!({ "EventSourceArn": table })), "Unrecognized event source.");
    let at_time = json!({ "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1_700_000_000 });
    assert_eq!(refused(at_time), format!("Unsupported starting position for arn type: {stream}"));
    let plain = json!({ "FilterCriteria": { "Filters": [{ "Pattern": "{\"dynamodb\":[\"x\"]}" }] } });
    assert_eq!(refused(plain), "Invalid filter pattern definition.");

    let asked =
        json!({ "ParallelizationFactor": 2, "BisectBatchOnFunctionError": true, "MaximumRetryAttempts": 3 });
    let made = api.create(&body(asked)).expect(202);
    assert_eq!(
        (&made["State"], &made["LastProcessingResult"]),
        (&json!("Creating"), &json!("No records processed"))
    );
    let uuid = made["UUID"].as_str().expect("a mapping has an id");
    await_state(&api, uuid, "Enabled");
    let given = |pk: &'static str| {
        it.server.put("orders", pk, 0, 0);
        journal.await_record(pk, |it| it["dynamodb"]["Keys"]["pk"]["S"] == pk);
    };
    given("first");
    let (status, kind, message) = api.create(&body(json!({}))).refusal();
    let twice = format!(
        "The event source arn (\" {stream} \") and function (\" seen \") provided mapping already exists. Please update or delete the existing mapping with UUID {uuid}"
    );
    assert_eq!((status, kind.as_str(), message), (409, "ResourceConflictException", twice));
    api.update(uuid, &json!({ "BatchSize": 5 })).expect(202);
    await_state(&api, uuid, "Enabled");
    given("second");
    assert_eq!(api.get(uuid).expect(200)["BatchSize"], 5);
    api.delete(uuid).expect(202);
}
