//! A whole stack with streams: boto3 makes, changes, disables and deletes mappings of streams and tables over
//! Forebay's API; their functions are MiniStack's, and so is where failure records go.

use forebay_tests::aws_tools::{AwsTools, Boto};
use forebay_tests::daemon::Daemon;
use forebay_tests::kinesis_local::KinesisLocal;
use forebay_tests::lambda_api::LambdaApi;
use forebay_tests::ministack::{ACCOUNT, MiniStack, REGION};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::api_scene::{await_gone, await_state};
use crate::scene::Scene;

/// Writes down the number of each record, and raises where one of them is poison.
const CODE: &str = "import base64, os
def handler(event, context):
    lines = []
    for record in event['Records']:
        if 'kinesis' in record:
            lines.append(base64.b64decode(record['kinesis']['data']).decode())
        else:
            lines.append(record['dynamodb']['NewImage']['text']['S'])
    if any('poison' in it for it in lines):
        raise ValueError('poison')
    with open(os.environ['SEEN'], 'a') as seen:
        seen.write(''.join(it + '\\n' for it in lines))
    return {'batchItemFailures': []}
";

/// The stack, a daemon before it, and boto3.
struct Stack {
    scene: Scene,
    stack: MiniStack,
    kinesis: Option<KinesisLocal>,
    api: LambdaApi,
    boto: Boto,
    _daemon: Daemon,
}

/// What a mapping is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stream,
    Table,
}

impl Kind {
    fn batch_info(self) -> &'static str {
        match self {
            Self::Stream => "KinesisBatchInfo",
            Self::Table => "DDBStreamBatchInfo",
        }
    }
}

impl Stack {
    /// With streams of kinesis-local, or MiniStack's own.
    fn start(kinesis: Option<KinesisLocal>) -> Self {
        let (scene, stack) = (Scene::new(), MiniStack::start());
        let endpoint = stack.endpoint();
        let streams = kinesis.as_ref().map_or_else(|| endpoint.clone(), KinesisLocal::endpoint);
        scene.write(
            "forebay.yaml",
            &format!(
                "aws: {{ endpoint: \"{endpoint}\", endpoints: {{ kinesis: \"{streams}\" }}, region: {REGION}, access_key_id: test, secret_access_key: test }}\n\
                 event_source_mappings: []\n"
            ),
        );
        let daemon = Daemon::start(scene.folder());
        let api = daemon.api();
        let tools = AwsTools::default().with_key("test", "test").with_endpoint("LAMBDA", &api.url());
        let tools = tools.with_endpoint("KINESIS", &streams).with_endpoint("DYNAMODB", &endpoint);
        let boto = tools.boto();
        Self { scene, stack, kinesis, api, boto, _daemon: daemon }
    }

    fn call(&mut self, service: &str, call: &str, arguments: Value) -> Value {
        let told = format!("{call} {arguments}");
        self.boto.call(service, call, arguments).unwrap_or_else(|refused| panic!("{told}: {refused:?}"))
    }

    /// A new stream of one shard, or table with a stream; its ARN.
    fn make(&mut self, kind: Kind) -> String {
        let text = |it: &Value| it.as_str().expect("it has an ARN").to_owned();
        match (kind, &self.kinesis) {
            (Kind::Stream, Some(kinesis)) => kinesis.create("orders", 1),
            (Kind::Stream, None) => {
                self.call("kinesis", "create_stream", json!({ "StreamName": "orders", "ShardCount": 1 }));
                let told = self.call("kinesis", "describe_stream_summary", json!({ "StreamName": "orders" }));
                text(&told["StreamDescriptionSummary"]["StreamARN"])
            }
            (Kind::Table, _) => {
                let made = self.call(
                    "dynamodb",
                    "create_table",
                    json!({
                        "TableName": "orders", "BillingMode": "PAY_PER_REQUEST",
                        "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
                        "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
                        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" },
                    }),
                );
                text(&made["TableDescription"]["LatestStreamArn"])
            }
        }
    }

    fn put(&mut self, kind: Kind, text: &str) {
        match kind {
            Kind::Stream => {
                let record = json!({ "StreamName": "orders", "PartitionKey": "k", "Data": text });
                self.call("kinesis", "put_record", record);
            }
            Kind::Table => {
                let item = json!({ "pk": { "S": text }, "text": { "S": text } });
                self.call("dynamodb", "put_item", json!({ "TableName": "orders", "Item": item }));
            }
        }
    }

    /// A function that is deployed through Forebay; its ARN.
    fn deploy(&mut self, name: &str) -> String {
        let role = self.stack.role(name);
        let seen = self.scene.path(&format!("seen-by-{name}"));
        let made = self.boto.lambda(
            "create_function",
            json!({
                "FunctionName": name, "Runtime": "python3.11", "Handler": "app.handler", "Role": role, "Timeout": 10,
                "Code": { "ZipFile": { "$file": "app.py", "content": CODE } }, "Environment": { "Variables": { "SEEN": seen } },
            }),
        );
        made["FunctionArn"].as_str().expect("a function has an ARN").to_owned()
    }

    fn seen(&self, function: &str) -> Vec<String> {
        self.scene.whole_lines(&format!("seen-by-{function}")).lines().map(str::to_owned).collect()
    }

    fn await_seen(&self, function: &str, wanted: &[&str]) {
        let told = || format!("seen: {:?}; {:?}", self.seen(function), self.api.all());
        wait::until_told("records", || (self.seen(function).len() >= wanted.len()).then_some(()), told);
        assert_eq!(self.seen(function), wanted);
    }
}

#[test]
fn boto3_makes_changes_disables_and_deletes_mappings_of_a_stream_and_of_a_table() {
    let mut stack = Stack::start(Some(KinesisLocal::start()));
    for kind in [Kind::Stream, Kind::Table] {
        life_of_a_mapping(&mut stack, kind);
    }
}

#[test]
fn boto3_does_the_same_with_a_stream_of_ministack() {
    life_of_a_mapping(&mut Stack::start(None), Kind::Stream);
}

/// Everything that is done to a mapping, once.
fn life_of_a_mapping(it: &mut Stack, kind: Kind) {
    let function = if kind == Kind::Stream { "of-a-stream" } else { "of-a-table" };
    let function_arn = it.deploy(function);
    let arn = it.make(kind);
    let twice = it.deploy(&format!("{function}-2"));
    it.put(kind, "one");

    let asked = json!({ "EventSourceArn": arn, "FunctionName": function, "StartingPosition": "TRIM_HORIZON", "BatchSize": 3,
                        "ParallelizationFactor": 2, "MaximumRetryAttempts": 1, "Tags": { "team": "blue" } });
    let made = it.boto.lambda("create_event_source_mapping", asked);
    assert_eq!(made["ResponseMetadata"]["HTTPStatusCode"], 202, "{made}");
    for (name, wanted) in [
        ("EventSourceArn", json!(arn)),
        ("FunctionArn", json!(function_arn)),
        ("State", json!("Creating")),
        ("StateTransitionReason", json!("User action")),
        ("LastProcessingResult", json!("No records processed")),
        ("BatchSize", json!(3)),
        ("ParallelizationFactor", json!(2)),
        ("MaximumRetryAttempts", json!(1)),
        ("MaximumRecordAgeInSeconds", json!(-1)),
        ("BisectBatchOnFunctionError", json!(false)),
        ("TumblingWindowInSeconds", json!(0)),
        ("StartingPosition", json!("TRIM_HORIZON")),
        ("DestinationConfig", json!({ "OnFailure": {} })),
    ] {
        assert_eq!(made[name], wanted, "{name} of {made}");
    }
    let uuid = made["UUID"].as_str().expect("a mapping has an id").to_owned();
    await_state(&it.api, &uuid, "Enabled");
    it.await_seen(function, &["one"]);
    await_result(it, &uuid, "OK");
    let listed = it.boto.lambda("list_event_source_mappings", json!({ "EventSourceArn": arn }));
    assert_eq!(listed["EventSourceMappings"][0]["UUID"], json!(uuid), "{listed}");

    // Another function goes on where the first one was.
    let changed = it.boto.lambda(
        "update_event_source_mapping",
        json!({ "UUID": uuid, "BatchSize": 5, "FunctionName": twice, "BisectBatchOnFunctionError": true,
                "FunctionResponseTypes": ["ReportBatchItemFailures"] }),
    );
    assert_eq!((&changed["State"], &changed["BatchSize"]), (&json!("Updating"), &json!(5)), "{changed}");
    await_state(&it.api, &uuid, "Enabled");
    it.put(kind, "two");
    it.await_seen(&format!("{function}-2"), &["two"]);
    let back = json!({ "UUID": uuid, "FunctionName": function });
    it.boto.lambda("update_event_source_mapping", back);
    await_state(&it.api, &uuid, "Enabled");

    let off = it.boto.lambda("update_event_source_mapping", json!({ "UUID": uuid, "Enabled": false }));
    assert_eq!(off["State"], "Disabling", "{off}");
    await_state(&it.api, &uuid, "Disabled");
    it.put(kind, "while it is disabled");
    let on = it.boto.lambda("update_event_source_mapping", json!({ "UUID": uuid, "Enabled": true }));
    assert_eq!(on["State"], "Enabling", "{on}");
    it.await_seen(function, &["one", "while it is disabled"]);
    poison_of_eight(it, kind, &uuid, &arn, &function_arn);

    let gone = it.boto.lambda("delete_event_source_mapping", json!({ "UUID": uuid }));
    assert_eq!((&gone["State"], &gone["UUID"]), (&json!("Deleting"), &json!(uuid)), "{gone}");
    await_gone(&it.api, &uuid);
    let refused =
        it.boto.call("lambda", "get_event_source_mapping", json!({ "UUID": uuid })).expect_err("it is gone");
    assert_eq!((refused.status, refused.kind.as_str()), (404, "ResourceNotFoundException"), "{refused:?}");
    assert_eq!(it.stack.mappings(), json!([]), "ours are not passed on");
}

/// Eight records of one batch with one poison: the others are processed once, and its failure record is the one
/// that was recorded on AWS, field for field.
fn poison_of_eight(it: &mut Stack, kind: Kind, uuid: &str, arn: &str, function_arn: &str) {
    let name = format!("dead-{}", kind.batch_info().to_lowercase());
    let dead = it.stack.queue(&name, &json!({}));
    let to = json!({ "OnFailure": { "Destination": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}") } });
    it.boto.lambda(
        "update_event_source_mapping",
        json!({ "UUID": uuid, "Enabled": false, "BatchSize": 8, "ParallelizationFactor": 1, "DestinationConfig": to }),
    );
    await_state(&it.api, uuid, "Disabled");
    let texts = ["1", "2", "3", "4", "5", "poison", "7", "8"];
    texts.iter().for_each(|text| it.put(kind, text));
    it.boto.lambda("update_event_source_mapping", json!({ "UUID": uuid, "Enabled": true }));
    let told = || format!("{:?}", it.api.all());
    let taken = wait::until_told("the failure record", || it.stack.take(&dead).pop(), told);
    let function = function_arn.rsplit(':').next().expect("an ARN ends with a name");
    let seen = [&["one", "while it is disabled"], &texts[..5], &texts[6..]].concat();
    it.await_seen(function, &seen);
    let record: Value = serde_json::from_str(&taken).expect("JSON");
    let (context, info) = (&record["requestContext"], &record[kind.batch_info()]);
    assert_eq!(context["requestId"].as_str().map(str::len), Some(36), "{record}");
    let seconds = |it: &Value| it.as_str().map(str::len);
    // Milliseconds of a stream, seconds of a table.
    let wanted = if kind == Kind::Stream { Some(24) } else { Some(20) };
    assert_eq!(seconds(&info["approximateArrivalOfFirstRecord"]), wanted, "{record}");
    assert_eq!(seconds(&record["timestamp"]), Some(24), "{record}");
    let shard = info["shardId"].as_str().expect("it has a shard");
    assert!(shard.starts_with("shardId-"), "{record}");
    let number = info["startSequenceNumber"].as_str().expect("it has a number");
    assert!(number.bytes().all(|it| it.is_ascii_digit()), "{record}");
    let arrival = &info["approximateArrivalOfFirstRecord"];
    let expected = json!({
        // The batch of eight, its halves down to the one, and the retry.
        "requestContext": { "requestId": context["requestId"], "functionArn": function_arn,
                            "condition": "RetryAttemptsExhausted", "approximateInvokeCount": 5 },
        "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
        "version": "1.0",
        "timestamp": record["timestamp"],
        kind.batch_info(): { "shardId": shard, "startSequenceNumber": number, "endSequenceNumber": number,
                             "approximateArrivalOfFirstRecord": arrival, "approximateArrivalOfLastRecord": arrival,
                             "batchSize": 1, "streamArn": arn },
    });
    assert_eq!(taken, expected.to_string());
    assert_eq!(it.stack.take(&dead), Vec::<String>::new(), "there is one");
}

fn await_result(it: &Stack, uuid: &str, result: &str) {
    let now = || it.api.get(uuid).json();
    wait::until_told(
        result,
        || (now()["LastProcessingResult"] == result).then_some(()),
        || now().to_string(),
    );
}
