//! What the mapping API refuses, in AWS's words: a test for each text, named after what brings it about.

use forebay_tests::daemon::Daemon;
use forebay_tests::lambda_api::{Answer, LambdaApi};
use serde_json::{Value, json};

use crate::api_scene::ApiScene;

const INVALID: &str = "InvalidParameterValueException";
const KINESIS: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/clicks";
const DYNAMODB: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2026-01-01T00:00:00.000";

struct World {
    scene: ApiScene,
    api: LambdaApi,
    arn: String,
    _daemon: Daemon,
}

impl World {
    fn new(name: &'static str) -> Self {
        let scene = ApiScene::new(name);
        let (_, arn) = scene.queue("q");
        let (daemon, api) = scene.start();
        Self { scene, api, arn, _daemon: daemon }
    }

    /// A create of a mapping of the queue that would work, but for what differs.
    fn create(&self, differs: Value) -> Answer {
        self.api.create(&over(json!({ "EventSourceArn": self.arn, "FunctionName": "seen" }), differs))
    }

    fn made(&self) -> String {
        let mapping = self.create(json!({})).expect(202);
        mapping["UUID"].as_str().expect("a mapping has an id").to_owned()
    }
}

/// Lays members over others; null takes one away.
fn over(mut body: Value, differs: Value) -> Value {
    let Value::Object(differs) = differs else { panic!("{differs}") };
    for (name, value) in differs {
        match value {
            Value::Null => drop(body.as_object_mut().expect("an object").remove(&name)),
            value => body[name] = value,
        }
    }
    body
}

/// A refusal with AWS's type, its text and the members that its body has.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, error: &str, text: &str) {
    assert_eq!(answer.refusal(), (status, error.to_owned(), text.to_owned()), "{answer:?}");
    let member = if error == "ResourceNotFoundException" { "Message" } else { "message" };
    let body = match error {
        "ValidationException" => json!({ member: text }),
        _ => json!({ "Type": "User", member: text }),
    };
    assert_eq!(answer.json(), body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.header("x-amzn-requestid").is_some_and(|it| it.len() == 36), "{answer:?}");
}

#[track_caller]
fn assert_invalid(answer: &Answer, text: &str) {
    assert_refused(answer, 400, INVALID, text);
}

#[test]
fn a_batch_size_above_10_with_window_0_in_create_and_update() {
    let world = World::new("errors-window");
    let text =
        "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10";
    assert_invalid(&world.create(json!({ "BatchSize": 11 })), text);
    let uuid = world.made();
    assert_invalid(&world.api.update(&uuid, &json!({ "BatchSize": 11 })), text);
    world.api.update(&uuid, &json!({ "BatchSize": 11, "MaximumBatchingWindowInSeconds": 1 })).expect(202);
    assert_invalid(&world.api.update(&uuid, &json!({ "MaximumBatchingWindowInSeconds": 0 })), text);
}

#[test]
fn neither_an_event_source_arn_nor_a_self_managed_source() {
    let world = World::new("errors-source");
    assert_invalid(&world.create(json!({ "EventSourceArn": null })), "Unrecognized event source.");
    let topic = "arn:aws:sns:us-east-1:000000000000:t";
    assert_invalid(&world.create(json!({ "EventSourceArn": topic })), "Unrecognized event source.");
}

#[test]
fn an_unknown_function() {
    let world = World::new("errors-function");
    assert_invalid(&world.create(json!({ "FunctionName": "nobody" })), "Function does not exist");
    let uuid = world.made();
    assert_invalid(&world.api.update(&uuid, &json!({ "FunctionName": "nobody" })), "Function does not exist");
}

#[test]
fn a_destination_config_on_a_queue() {
    let world = World::new("errors-destination");
    let destination = json!({ "OnFailure": { "Destination": "arn:aws:sqs:us-east-1:000000000000:dead" } });
    let text = "Unsupported DestinationConfig parameter for given event source mapping type.";
    assert_invalid(&world.create(json!({ "DestinationConfig": destination })), text);
    let uuid = world.made();
    assert_invalid(&world.api.update(&uuid, &json!({ "DestinationConfig": destination })), text);
}

#[test]
fn any_other_parameter_that_is_not_for_this_source() {
    let world = World::new("errors-parameter");
    for (name, value) in [
        ("ParallelizationFactor", json!(2)),
        ("BisectBatchOnFunctionError", json!(true)),
        ("MaximumRetryAttempts", json!(3)),
        ("MaximumRecordAgeInSeconds", json!(60)),
        ("TumblingWindowInSeconds", json!(10)),
        ("StartingPosition", json!("LATEST")),
        ("Topics", json!(["clicks"])),
        ("Queues", json!(["orders"])),
    ] {
        let text = format!("Unsupported {name} parameter for given event source mapping type.");
        assert_invalid(&world.create(json!({ name: value })), &text);
    }
}

#[test]
fn a_missing_starting_position() {
    let world = World::new("errors-position");
    let text = "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.";
    assert_invalid(&world.create(json!({ "EventSourceArn": KINESIS })), text);
}

#[test]
fn a_starting_position_that_is_none() {
    let world = World::new("errors-enum");
    let text = "1 validation error detected: Value 'invalid' at 'startingPosition' failed to satisfy constraint: Member must satisfy enum \
                value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]";
    let answer = world.create(json!({ "EventSourceArn": KINESIS, "StartingPosition": "invalid" }));
    assert_refused(&answer, 400, "ValidationException", text);
}

#[test]
fn at_timestamp_on_a_stream_of_dynamodb() {
    let world = World::new("errors-timestamp");
    let asked = json!({ "EventSourceArn": DYNAMODB, "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1_700_000_000 });
    assert_invalid(&world.create(asked), &format!("Unsupported starting position for arn type: {DYNAMODB}"));
}

#[test]
fn a_missing_queue() {
    let world = World::new("errors-queue");
    let text = "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The \
                specified queue does not exist.";
    assert_invalid(
        &world.create(json!({ "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:errors-nowhere" })),
        text,
    );
}

#[test]
fn an_invalid_filter_pattern_in_all_forms() {
    let world = World::new("errors-filter");
    let uuid = world.made();
    for pattern in [
        "",
        "not json",
        "[]",
        "{\"body\": \"x\"}",
        "{\"body\": [{\"prefix\": 1}]}",
        "{\"body\": []}",
        "{\"body\": {}}",
    ] {
        let filters = json!({ "FilterCriteria": { "Filters": [{ "Pattern": pattern }] } });
        assert_invalid(
            &world.create(over(json!({ "FunctionName": "other" }), filters.clone())),
            "Invalid filter pattern definition.",
        );
        assert_invalid(&world.api.update(&uuid, &filters), "Invalid filter pattern definition.");
    }
}

#[test]
fn self_managed_kafka_without_access_configuration() {
    let world = World::new("errors-kafka");
    let servers = json!({ "Endpoints": { "KAFKA_BOOTSTRAP_SERVERS": ["127.0.0.1:9092"] } });
    let asked = json!({ "EventSourceArn": null, "SelfManagedEventSource": servers, "Topics": ["clicks"] });
    assert_invalid(&world.create(asked), "Required 'sourceAccessConfigurations' parameter is missing.");
}

#[test]
fn a_visibility_below_the_functions_timeout_in_create_and_update() {
    let world = World::new("errors-visibility");
    let (_, short) = world.scene.queue_with("short", &json!({ "VisibilityTimeout": "5" }));
    let text = "Queue visibility timeout: 5 seconds is less than Function timeout: 10 seconds";
    assert_invalid(&world.create(json!({ "EventSourceArn": short })), text);
    let (url, arn) = world.scene.queue("shortened");
    let made = world.create(json!({ "EventSourceArn": arn })).expect(202);
    world
        .scene
        .sqs
        .call("SetQueueAttributes", &json!({ "QueueUrl": url, "Attributes": { "VisibilityTimeout": "5" } }));
    let uuid = made["UUID"].as_str().expect("a mapping has an id");
    assert_invalid(&world.api.update(uuid, &json!({ "FunctionName": "other" })), text);
}

#[test]
fn a_window_on_a_fifo_queue() {
    let world = World::new("errors-fifo");
    let (_, arn) =
        world.scene.queue_with("q.fifo", &json!({ "FifoQueue": "true", "VisibilityTimeout": "30" }));
    let asked = json!({ "EventSourceArn": arn, "MaximumBatchingWindowInSeconds": 1 });
    assert_invalid(&world.create(asked), "Batching window is not supported for FIFO queues");
}

#[test]
fn values_beyond_their_range() {
    let world = World::new("errors-range");
    let at_least = |n: i64| format!("Member must have value greater than or equal to {n}");
    let at_most = |n: i64| format!("Member must have value less than or equal to {n}");
    for (name, member, value, constraint) in [
        ("BatchSize", "batchSize", 0, at_least(1)),
        ("BatchSize", "batchSize", 10_001, at_most(10_000)),
        ("MaximumBatchingWindowInSeconds", "maximumBatchingWindowInSeconds", -1, at_least(0)),
        ("MaximumBatchingWindowInSeconds", "maximumBatchingWindowInSeconds", 301, at_most(300)),
        ("ParallelizationFactor", "parallelizationFactor", 11, at_most(10)),
        ("MaximumRetryAttempts", "maximumRetryAttempts", -2, at_least(-1)),
    ] {
        let text = format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {constraint}"
        );
        assert_refused(&world.create(json!({ name: value })), 400, "ValidationException", &text);
    }
}

#[test]
fn a_second_mapping_of_a_queue_to_a_function() {
    let world = World::new("errors-twice");
    let uuid = world.made();
    let text = format!(
        "An event source mapping with SQS arn (\" {} \") and function (\" seen \") already exists. Please update or delete the existing \
         mapping with UUID {uuid}",
        world.arn
    );
    assert_refused(&world.create(json!({})), 409, "ResourceConflictException", &text);
    world.create(json!({ "FunctionName": "other" })).expect(202);
}

#[test]
fn an_unknown_uuid() {
    let world = World::new("errors-uuid");
    let uuid = "00000000-0000-4000-8000-000000000000";
    for answer in
        [world.api.get(uuid), world.api.update(uuid, &json!({ "BatchSize": 1 })), world.api.delete(uuid)]
    {
        assert_refused(
            &answer,
            404,
            "ResourceNotFoundException",
            "The resource you requested does not exist.",
        );
    }
}

#[test]
fn tags_of_an_unknown_mapping() {
    let world = World::new("errors-tags");
    let arn =
        "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:00000000-0000-4000-8000-000000000000";
    for answer in
        [world.api.tags(arn), world.api.tag(arn, &json!({ "a": "b" })), world.api.untag(arn, &["a"])]
    {
        assert_refused(
            &answer,
            404,
            "ResourceNotFoundException",
            &format!("Event source mapping not found: {arn}"),
        );
    }
}

#[test]
fn a_malformed_arn_of_tags() {
    let world = World::new("errors-tag-arn");
    let answer = world.api.tags("arn:aws:lambda:nowhere");
    let (status, error, text) = answer.refusal();
    assert_eq!((status, error.as_str()), (400, "ValidationException"), "{answer:?}");
    let opening = "1 validation error detected: Value 'arn:aws:lambda:nowhere' at 'resource' failed to satisfy constraint: Member must satisfy \
                   regular expression pattern: arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:(";
    assert!(text.starts_with(opening), "{text}");
}

#[test]
fn a_source_that_is_not_built_in() {
    let world = World::new("errors-built-in");
    let broker = "arn:aws:mq:us-east-1:000000000000:broker:b:b-12345678-1234-1234-1234-123456789012";
    let documents = "arn:aws:rds:us-east-1:000000000000:cluster:c";
    let horizon = json!({ "StartingPosition": "TRIM_HORIZON" });
    for (asked, what) in [
        (over(json!({ "EventSourceArn": documents }), horizon), "DocumentDB change streams"),
        (json!({ "EventSourceArn": broker, "Queues": ["orders"] }), "Amazon MQ queues"),
    ] {
        assert_invalid(
            &world.create(asked),
            &format!("{what} are not built into this event source mapping engine."),
        );
    }
    assert_eq!(world.api.all(), Vec::<Value>::new());
}

#[test]
fn a_mapping_of_the_config_file() {
    let scene = ApiScene::new("errors-file");
    let (_, arn) = scene.queue("q");
    scene.write_config("event_source_mappings:\n- { name: mine, source: { sqs: { queue: errors-file-q } }, function_name: seen }\n");
    let (_daemon, api) = scene.start();
    let mappings = api.all();
    let [mine] = &mappings[..] else { panic!("{mappings:?}") };
    assert_eq!(mine["EventSourceArn"], json!(arn));
    let uuid = mine["UUID"].as_str().expect("a mapping has an id");
    for answer in [api.update(uuid, &json!({ "BatchSize": 1 })), api.delete(uuid)] {
        let (status, error, text) = answer.refusal();
        assert_eq!((status, error.as_str()), (409, "ResourceConflictException"), "{answer:?}");
        assert!(text.contains("mine") && text.contains("forebay.yaml:7"), "{text}");
    }
    // Nobody else's mapping may take its place.
    let answer = api.create(&json!({ "EventSourceArn": arn, "FunctionName": "seen" }));
    assert_eq!(answer.refusal().0, 409, "{answer:?}");
}
