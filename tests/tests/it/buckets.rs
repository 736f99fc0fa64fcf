//! Buckets of S3 as destinations: what lies in them after records were given up, and what happens while they
//! take nothing. MiniStack has the buckets and checks signatures and permissions.

use std::collections::BTreeMap;

use forebay_tests::daemon::{self, Daemon};
use forebay_tests::function::{Answer, Function};
use forebay_tests::kinesis_local::{ACCOUNT, KinesisLocal};
use forebay_tests::ministack::{Key, MiniStack, REGION};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::api_scene::await_state;
use crate::journal::Journal;
use crate::scene::Scene;

/// The stream `orders`, which gives a poison record to a function that fails, and a server with buckets.
struct Buckets {
    scene: Scene,
    streams: KinesisLocal,
    stack: MiniStack,
    journal: Journal,
    function: Function,
}

impl Buckets {
    fn new() -> Self {
        let streams = KinesisLocal::start();
        streams.create("orders", 1);
        let journal = Journal::default();
        let function = journal.function_that(|_| Answer::Failed);
        Self { scene: Scene::new(), streams, stack: MiniStack::start(), journal, function }
    }

    /// The config of a mapping of the stream that hands to `destination` what failed twice, or of none.
    fn config(&self, s3: &Key, destination: Option<&str>) {
        let mapping = destination.map_or(String::new(), |it| {
            format!(
                "  - name: orders\n    source: {{ kinesis: {{ stream: orders, poll_interval: 0.25 }} }}\n    function_name: failing\n    \
                 starting_position: TRIM_HORIZON\n    maximum_retry_attempts: 1\n    destination_config: {{ on_failure: {{ {it} }} }}\n"
            )
        });
        self.scene.write(
            "forebay.yaml",
            &format!(
                "aws:\n  region: {REGION}\n  access_key_id: {}\n  secret_access_key: {}\n  endpoints: {{ kinesis: \"{}\", s3: \"{}\" }}\n\
                 functions:\n  failing: {{ executor: {} }}\nevent_source_mappings:{}\n{mapping}",
                s3.id,
                s3.secret,
                self.streams.endpoint(),
                self.stack.endpoint(),
                self.function.executor(),
                if mapping.is_empty() { " []" } else { "" },
            ),
        );
    }

    /// What lies in a bucket as soon as there is anything.
    fn await_objects(&self, bucket: &str, daemon: &Daemon) -> BTreeMap<String, String> {
        let objects = || Some(self.stack.objects(bucket)).filter(|it| !it.is_empty());
        wait::until_told("an object", objects, || daemon.log())
    }

    /// The one object of a bucket is the failure record of the one record of the stream.
    fn assert_object(
        &self,
        bucket: &str,
        daemon: &Daemon,
        mapping: &str,
        (shard, number): &(String, String),
    ) {
        let objects = self.await_objects(bucket, daemon);
        let (key, object) = objects.first_key_value().expect("there is one");
        assert_eq!(objects.len(), 1, "{objects:?}");
        let mut record: Value = serde_json::from_str(object).expect("an object is JSON");
        let event = self.journal.events().pop().expect("the function was called");

        // What differs from run to run is looked at by itself, and taken out of what is compared whole.
        let made = text(&record["timestamp"].take());
        let (day, time) = made.split_once('T').expect("it is a moment");
        let folder = format!("aws/lambda/{mapping}/{shard}/{}/{day}T", day.replace('-', "/"));
        let name = key.strip_prefix(&folder).unwrap_or_else(|| panic!("{key} is not in {folder}"));
        let (seconds, random) = name.split_once('-').expect("it has a random part");
        assert_eq!(seconds, time[.."00:00:00".len()].replace(':', "."), "{key} {made}");
        assert!(random.len() == 36 && random.split('-').map(str::len).eq([8, 4, 4, 4, 12]), "{key}");
        assert_eq!((made.len(), made.ends_with('Z')), (24, true), "{made}");
        assert_eq!(text(&record["requestContext"]["requestId"].take()).len(), 36);
        let payload = text(&record["payload"].take());
        assert_eq!(serde_json::from_str::<Value>(&payload).expect("the event as text"), event);
        let info = &mut record["KinesisBatchInfo"];
        let arrivals =
            ["First", "Last"].map(|it| text(&info[format!("approximateArrivalOf{it}Record")].take()));
        assert_eq!(arrivals[0], arrivals[1]);
        assert_eq!(arrivals[0].len(), 24, "in milliseconds: {arrivals:?}");

        let expected = json!({
            "requestContext": {
                "requestId": null,
                "functionArn": format!("arn:aws:lambda:{REGION}:000000000000:function:failing"),
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 2,
            },
            "responseContext": { "statusCode": 500, "executedVersion": "$LATEST", "functionError": "Unhandled" },
            "version": "1.0",
            "timestamp": null,
            "KinesisBatchInfo": {
                "shardId": shard,
                "startSequenceNumber": number,
                "endSequenceNumber": number,
                "approximateArrivalOfFirstRecord": null,
                "approximateArrivalOfLastRecord": null,
                "batchSize": 1,
                "streamArn": format!("arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/orders"),
            },
            "payload": null,
        });
        assert_eq!(record, expected, "{object}");
    }
}

fn text(it: &Value) -> String {
    it.as_str().unwrap_or_else(|| panic!("{it} is no text")).to_owned()
}

#[test]
fn a_failure_record_lies_in_its_bucket_with_the_whole_event_under_awss_key() {
    let it = Buckets::new();
    it.stack.bucket("dead.records");
    it.config(
        &it.stack.user("forebay", "s3:PutObject"),
        Some("destination_arn: \"arn:aws:s3:::dead.records\""),
    );
    let put = it.streams.put("orders", "key", "poison \"quoted\" \\ \u{e9}");
    let daemon = Daemon::start(it.scene.folder());
    let mappings = daemon.api().all();
    it.assert_object("dead.records", &daemon, &text(&mappings[0]["UUID"]), &put);
    assert!(daemon.stop().success());
}

#[test]
fn a_mapping_of_the_api_writes_to_the_bucket_that_its_maker_named() {
    let it = Buckets::new();
    it.stack.bucket("dead");
    it.config(&it.stack.user("forebay", "s3:PutObject"), None);
    let daemon = Daemon::start(it.scene.folder());
    let api = daemon.api();
    let stream = format!("arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/orders");
    let body = |bucket: &str| {
        json!({
            "EventSourceArn": stream, "FunctionName": "failing", "StartingPosition": "TRIM_HORIZON", "MaximumRetryAttempts": 1,
            "DestinationConfig": { "OnFailure": { "Destination": format!("arn:aws:s3:::{bucket}") } },
        })
    };
    let refused = api.create(&body("Dead")).refusal();
    assert_eq!((refused.0, &*refused.1), (400, "InvalidParameterValueException"), "{refused:?}");
    assert!(refused.2.contains("is no ARN of a bucket"), "{refused:?}");
    let made = api.create(&body("dead")).expect(202);
    let uuid = text(&made["UUID"]);
    assert_eq!(made["DestinationConfig"], body("dead")["DestinationConfig"]);
    await_state(&api, &uuid, "Enabled");
    let put = it.streams.put("orders", "key", "poison");
    it.assert_object("dead", &daemon, &uuid, &put);
    assert_eq!(api.get(&uuid).json()["DestinationConfig"], body("dead")["DestinationConfig"]);
    let export = ["export", &*uuid, "--data-dir", "data", "-c", "forebay.yaml"];
    let (code, exported, told) = daemon::run(it.scene.folder(), &export);
    assert!(code == 0 && exported.contains("arn:aws:s3:::dead"), "{code} {exported} {told}");
    assert!(daemon.stop().success());
}

#[test]
fn a_record_waits_for_its_bucket_until_that_is_there_and_may_be_written_to() {
    let it = Buckets::new();
    let key = it.stack.user("forebay", "s3:GetObject");
    it.config(&key, Some("s3: { bucket_arn: \"arn:aws:s3:::dead\" }"));
    let put = it.streams.put("orders", "key", "poison");
    let daemon = Daemon::start(it.scene.folder());
    let await_told = |what: &str| {
        let is_told = |line: &str| {
            ["FB-0368", "arn:aws:s3:::dead", "object aws/lambda/", what].iter().all(|it| line.contains(it))
        };
        wait::until_told(what, || daemon.log().lines().any(is_told).then_some(()), || daemon.log());
    };
    await_told("NoSuchBucket");
    it.stack.bucket("dead");
    await_told("AccessDenied");
    it.stack.allow("User", "forebay", "s3:PutObject");
    let shown = daemon.api().all();
    it.assert_object("dead", &daemon, &text(&shown[0]["UUID"]), &put);
    assert_eq!(it.journal.events().len(), 2, "what waits for its destination is not invoked again");
    assert!(daemon.stop().success());
}
