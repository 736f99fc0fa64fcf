//! Event buses of EventBridge as destinations: MiniStack has a bus, and a rule of it that hands to a queue.

use forebay_tests::daemon::Daemon;
use forebay_tests::function::Answer;
use forebay_tests::ministack::{ACCOUNT, MiniStack, REGION};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::api_scene::await_state;
use crate::journal::Journal;
use crate::scene::Scene;

#[test]
fn a_failure_record_waits_for_its_bus_until_that_is_there_and_its_rule_hands_it_on() {
    let (scene, stack, journal) = (Scene::new(), MiniStack::start(), Journal::default());
    let function = journal.function_that(|_| Answer::Failed);
    let (key, stream) = (stack.user("forebay", "*"), stack.stream("orders"));
    stack.kinesis("PutRecord", &json!({ "StreamName": "orders", "PartitionKey": "k", "Data": "cG9pc29u" }));
    scene.write(
        "forebay.yaml",
        &format!(
            "aws: {{ region: {REGION}, access_key_id: {}, secret_access_key: {}, endpoint: \"{}\" }}\n\
             functions:\n  failing: {{ executor: {} }}\nevent_source_mappings: []\n",
            key.id,
            key.secret,
            stack.endpoint(),
            function.executor()
        ),
    );
    let daemon = Daemon::start(scene.folder());
    let api = daemon.api();
    let bus = format!("arn:aws:events:{REGION}:{ACCOUNT}:event-bus/dead.records");
    let wanted = json!({
        "EventSourceArn": stream, "FunctionName": "failing", "StartingPosition": "TRIM_HORIZON", "MaximumRetryAttempts": 0,
        "DestinationConfig": { "OnFailure": { "Destination": bus } },
    });
    let made = api.create(&wanted).expect(202);
    let uuid = made["UUID"].as_str().expect("a mapping has a UUID");
    await_state(&api, uuid, "Enabled");
    assert_eq!(api.get(uuid).json()["DestinationConfig"], wanted["DestinationConfig"]);

    // MiniStack takes an event for a bus that is not there, as AWS does, and drops it.
    let is_told =
        |line: &str| ["FB-0370", &bus, "ResourceNotFoundException"].iter().all(|it| line.contains(it));
    wait::until_told("the missing bus", || daemon.log().lines().any(is_told).then_some(()), || daemon.log());

    // A bus is there before its rule can be: nobody may put events meanwhile.
    stack.allow("User", "forebay", "kinesis:*");
    let queue = stack.queue("dead", &json!({}));
    stack.bus_to_queue("dead.records", &json!({ "source": ["forebay"] }), "dead");
    stack.allow("User", "forebay", "*");
    let taken = wait::until_told("the event", || stack.take(&queue).pop(), || daemon.log());
    let event: Value = serde_json::from_str(&taken).expect("an event is JSON");
    assert_eq!(event["source"], "forebay", "{event}");
    assert_eq!(event["detail-type"], "Lambda Function Invocation Result - Failure", "{event}");
    let record = &event["detail"];
    assert_eq!(record["requestContext"]["condition"], "RetryAttemptsExhausted", "{event}");
    assert_eq!(record["KinesisBatchInfo"]["streamArn"], json!(stream), "{event}");
    assert_eq!(record["KinesisBatchInfo"]["batchSize"], 1, "{event}");
    assert_eq!(journal.events().len(), 1, "what waits for its destination is not invoked again");
    assert!(daemon.stop().success());
    assert!(stack.take(&queue).is_empty(), "it was put once");
}
