//! A whole stack: MiniStack has queues, functions and logs, Forebay has the mappings and is the only Lambda
//! endpoint that the tools know.

use forebay_tests::aws_tools::{AwsTools, Boto};
use forebay_tests::daemon::Daemon;
use forebay_tests::ministack::{ACCOUNT, MiniStack, REGION};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::api_scene::{await_gone, await_state};
use crate::scene::Scene;

/// It writes to a file: of what it prints MiniStack logs only what came in a quarter of a second.
const CODE: &str = "import os
def handler(event, context):
    with open(os.environ['SHIPPED'], 'a') as shipped:
        for record in event['Records']:
            print('shipped', record['body'])
            shipped.write(record['body'] + '\\n')
    return {}
";

#[test]
fn a_function_deployed_through_forebay_gets_messages_by_a_mapping_made_with_the_same_client() {
    let stack = MiniStack::start();
    let scene = Scene::new();
    let endpoint = stack.endpoint();
    scene.write(
        "forebay.yaml",
        &format!(
            "aws: {{ endpoint: \"{endpoint}\", region: {REGION}, access_key_id: test, secret_access_key: test }}\nevent_source_mappings: []\n"
        ),
    );
    let daemon = Daemon::start(scene.folder());
    let api = daemon.api();
    let tools = AwsTools::default().with_key("test", "test").with_endpoint("LAMBDA", &api.url());
    let tools = ["SQS", "IAM", "CLOUDWATCH_LOGS"]
        .iter()
        .fold(tools, |tools, service| tools.with_endpoint(service, &endpoint));
    let mut boto = tools.boto();

    // The function: made, looked at, called and listed through Forebay.
    let role = stack.role("shipper");
    let code = json!({ "ZipFile": { "$file": "app.py", "content": CODE } });
    let made = boto.lambda(
        "create_function",
        json!({
            "FunctionName": "ship", "Runtime": "python3.11", "Handler": "app.handler", "Role": role, "Timeout": 10, "Code": code,
            "Environment": { "Variables": { "SHIPPED": scene.path("shipped") } },
        }),
    );
    let function = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:ship");
    assert_eq!(made["FunctionArn"], json!(function), "{made}");
    let event = json!({ "Records": [{ "body": "by hand" }] }).to_string();
    let invoked = boto.lambda("invoke", json!({ "FunctionName": "ship", "Payload": event }));
    assert_eq!((&invoked["StatusCode"], &invoked["Payload"]), (&json!(200), &json!("{}")), "{invoked}");
    let listed = boto.lambda("list_functions", json!({}));
    assert_eq!(listed["Functions"][0]["FunctionName"], "ship", "{listed}");
    boto.lambda("tag_resource", json!({ "Resource": function, "Tags": { "team": "blue" } }));
    assert_eq!(boto.lambda("list_tags", json!({ "Resource": function }))["Tags"]["team"], "blue");

    // The queue and its mapping, with the same client.
    let url = stack.queue("orders", &json!({ "VisibilityTimeout": "30" }));
    let arn = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:orders");
    let mapping = boto.lambda(
        "create_event_source_mapping",
        json!({ "EventSourceArn": arn, "FunctionName": "ship", "BatchSize": 10 }),
    );
    assert_eq!(mapping["FunctionArn"], json!(function), "{mapping}");
    let uuid = mapping["UUID"].as_str().expect("a mapping has an id");
    await_state(&api, uuid, "Enabled");
    let bodies: Vec<String> = (0..30).map(|n| format!("order {n}")).collect();
    stack.send_messages(&url, &bodies.iter().map(|it| (it.clone(), None)).collect::<Vec<_>>());
    wait::until_told(
        "an empty queue",
        || (stack.counts(&url) == (0, 0)).then_some(()),
        || format!("{:?}", stack.counts(&url)),
    );
    let shipped = || scene.whole_lines("shipped").lines().map(str::to_owned).collect::<Vec<_>>();
    let is_shipped =
        |shipped: &[String]| bodies.iter().chain([&"by hand".to_owned()]).all(|it| shipped.contains(it));
    wait::until_told(
        "every order to be shipped",
        || is_shipped(&shipped()).then_some(()),
        || format!("{:?}", shipped()),
    );
    wait::until("a line of it in the logs", || {
        logged(&mut boto).iter().any(|line| line.contains("shipped ")).then_some(())
    });
    // MiniStack has no mapping: ours is not passed on.
    assert_eq!(stack.mappings(), json!([]));

    let refused =
        boto.call("lambda", "get_function", json!({ "FunctionName": "nobody" })).expect_err("there is none");
    assert_eq!((refused.status, refused.kind.as_str()), (404, "ResourceNotFoundException"), "{refused:?}");
    boto.lambda("delete_event_source_mapping", json!({ "UUID": uuid }));
    await_gone(&api, uuid);
    boto.lambda("delete_function", json!({ "FunctionName": "ship" }));
    assert_eq!(boto.lambda("list_functions", json!({}))["Functions"], json!([]));
}

fn logged(boto: &mut Boto) -> Vec<String> {
    let answer = boto.call("logs", "filter_log_events", json!({ "logGroupName": "/aws/lambda/ship" }));
    let lines = |it: &Value| {
        it["events"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| it["message"].as_str())
            .map(str::to_owned)
            .collect()
    };
    answer.map(|it| lines(&it)).unwrap_or_default()
}
