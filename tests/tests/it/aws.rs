//! Queues, functions and topics of servers that speak like AWS: MiniStack, which checks signatures and
//! permissions, and ElasticMQ beside it. What MiniStack does otherwise than AWS stands in its helper.

use std::collections::BTreeMap;

use forebay_tests::daemon::{self, Daemon};
use forebay_tests::elasticmq::ElasticMq;
use forebay_tests::ministack::{ACCOUNT, Key, MiniStack, REGION};
use forebay_tests::{http, wait};
use serde_json::{Value, json};

use crate::scene::Scene;

/// Writes down every message with its receive count; what its body asks for happens.
const CODE: &str = r#"
import json, os

SEEN = os.open("@@/seen", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

def handler(event, context):
    lines, failed = "", []
    for r in event["Records"]:
        assert r["eventSource"] == "aws:sqs" and r["eventSourceARN"].startswith("arn:aws:sqs:us-east-1:000000000000:")
        n = r["attributes"]["ApproximateReceiveCount"]
        lines += f'{n}\t{r["body"]}\n'
        if "fails once" in r["body"] and n == "1":
            failed.append({"itemIdentifier": r["messageId"]})
    os.write(SEEN, lines.encode())
    if any("poison" in r["body"] for r in event["Records"]):
        raise ValueError("poison")
    return {"batchItemFailures": failed}
"#;

/// A folder, a server, and the key of a user of it.
pub(crate) struct World {
    pub(crate) scene: Scene,
    pub(crate) stack: MiniStack,
    key: Key,
}

impl World {
    pub(crate) fn new() -> Self {
        let (scene, stack) = (Scene::new(), MiniStack::start());
        let key = stack.user("forebay", "*");
        Self { scene, stack, key }
    }

    /// A function of Lambda that writes down what it sees; its ARN.
    pub(crate) fn function(&self, name: &str) -> String {
        self.stack.function(name, &CODE.replace("@@", &self.scene.folder().display().to_string()))
    }

    /// The settings of `aws:` with the user's key.
    pub(crate) fn aws(&self) -> String {
        format!(
            "endpoint: \"{}\", access_key_id: {}, secret_access_key: {}",
            self.stack.endpoint(),
            self.key.id,
            self.key.secret
        )
    }

    /// A config with one mapping of the queue `orders`.
    pub(crate) fn config(&self, aws: &str, function: &str, settings: &str) {
        let settings: String = settings.lines().map(|line| format!("    {}\n", line.trim())).collect();
        let text = format!(
            "aws: {{ {aws} }}\nevent_source_mappings:\n  - name: orders\n    source: {{ sqs: {{ queue: orders, wait_time: 1 }} }}\n    \
             function_name: \"{function}\"\n{settings}"
        );
        self.scene.write("forebay.yaml", &text);
    }

    /// Body and receive count of every message that the function was given.
    pub(crate) fn seen(&self) -> Vec<(String, u32)> {
        let text = self.scene.whole_lines("seen");
        let seen = |line: &str| {
            let (n, body) = line.split_once('\t').unwrap_or_else(|| panic!("two parts in {line:?}"));
            (body.to_owned(), n.parse().expect("a count is a number"))
        };
        text.lines().map(seen).collect()
    }

    /// Waits until the function was given so many messages.
    pub(crate) fn await_seen(&self, n: usize, daemon: &Daemon) {
        let told = || format!("{} were seen; the daemon's log:\n{}", self.seen().len(), daemon.log());
        wait::until_told(&format!("{n} messages"), || (self.seen().len() >= n).then_some(()), told);
    }

    /// Waits until this queue is empty.
    pub(crate) fn await_empty(&self, url: &str) {
        wait::until_told(
            "an empty queue",
            || (self.stack.counts(url) == (0, 0)).then_some(()),
            || format!("{:?}", self.stack.counts(url)),
        );
    }
}

pub(crate) fn plain(n: usize) -> Vec<(String, Option<String>)> {
    (0..n).map(|n| (format!("message {n}"), None)).collect()
}

/// Each came once and for the first time.
pub(crate) fn assert_once(seen: &[(String, u32)], n: usize) {
    let times: BTreeMap<_, usize> = seen.iter().fold(BTreeMap::new(), |mut times, (body, _)| {
        *times.entry(body).or_default() += 1;
        times
    });
    assert_eq!((times.len(), times.values().max()), (n, Some(&1)), "{seen:?}");
    assert!(seen.iter().all(|(_, n_receives)| *n_receives == 1), "{seen:?}");
}

#[test]
fn messages_of_one_server_reach_a_function_of_another_once() {
    let (world, queues) = (World::new(), ElasticMq::start());
    let arn = world.function("resize");
    let url = queues.create("orders", &json!({ "VisibilityTimeout": "30" }));
    queues.send(&url, &plain(100));
    let aws = format!("{}, endpoints: {{ sqs: \"{}\" }}", world.aws(), queues.endpoint());
    world.config(&aws, &format!("{arn}:live"), "");
    let daemon = Daemon::start(world.scene.folder());
    world.await_seen(100, &daemon);
    wait::until("an empty queue", || (queues.counts(&url) == (0, 0)).then_some(()));
    assert!(
        !daemon.log().contains("FB-0218"),
        "nobody knows the timeout of a function that is named by its ARN: {}",
        daemon.log()
    );
    assert!(daemon.stop().success());
    assert_once(&world.seen(), 100);
}

#[test]
fn messages_that_a_function_of_lambda_names_as_failed_come_again_alone() {
    let world = World::new();
    let arn = world.function("resize");
    let url = world.stack.queue("orders", &json!({ "VisibilityTimeout": "3" }));
    let messages: Vec<_> = (0..30)
        .map(|n| (format!("{n} {}", if n % 7 == 0 { "fails once" } else { "is fine" }), None))
        .collect();
    world.stack.send_messages(&url, &messages);
    world.config(&world.aws(), &arn, "function_response_types: [ReportBatchItemFailures]");
    let daemon = Daemon::start(world.scene.folder());
    world.await_seen(35, &daemon);
    world.await_empty(&url);
    assert!(daemon.stop().success());
    let mut times: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    world.seen().into_iter().for_each(|(body, n)| times.entry(body).or_default().push(n));
    assert_eq!(times.len(), 30);
    for (body, receives) in times {
        let expected: &[u32] = if body.contains("fails once") { &[1, 2] } else { &[1] };
        assert_eq!(receives, expected, "{body}");
    }
}

#[test]
fn a_function_that_is_throttled_spends_no_receive() {
    let world = World::new();
    let arn = world.function("resize");
    world.stack.reserve("resize", Some(0));
    let url = world.stack.queue("orders", &json!({ "VisibilityTimeout": "3" }));
    world.stack.send_messages(&url, &plain(10));
    world.config(&world.aws(), &arn, "");
    let daemon = Daemon::start(world.scene.folder());
    // Longer than the queue's visibility: what is held must be hidden anew.
    wait::until("throttles", || {
        (http::metric(&daemon.metrics(), "forebay_not_reached_invokes", "orders") >= 4.0).then_some(())
    });
    assert!(world.seen().is_empty());
    world.stack.reserve("resize", None);
    world.await_seen(10, &daemon);
    world.await_empty(&url);
    assert!(daemon.stop().success());
    assert_once(&world.seen(), 10);
}

/// The failure record of a poisoned message that was tried twice.
fn assert_record(record: &Value, function_arn: &str) {
    let context = &record["requestContext"];
    assert_eq!(context["functionArn"], function_arn, "{record}");
    assert_eq!(context["condition"], "RetryAttemptsExhausted", "{record}");
    assert_eq!(context["approximateInvokeCount"], 2, "{record}");
    assert_eq!(context["requestId"].as_str().map(str::len), Some(36), "{record}");
    assert_eq!(record["responseContext"]["statusCode"], 200, "{record}");
    assert_eq!(record["responseContext"]["functionError"], "Unhandled", "{record}");
    assert_eq!(record["responseContext"]["executedVersion"], "1", "{record}");
    assert_eq!(
        (&record["version"], record["timestamp"].as_str().map(str::len)),
        (&json!("1.0"), Some(24)),
        "{record}"
    );
    assert_eq!(record["SQSBatchInfo"]["batchSize"], 1, "{record}");
}

#[test]
fn what_a_function_of_lambda_cannot_take_arrives_at_a_queue_and_at_a_topic() {
    let world = World::new();
    let arn = format!("{}:live", world.function("resize"));
    let dead = world.stack.queue("dead", &json!({}));
    let (topic, subscribed) = world.stack.topic("alarms");
    let url = world.stack.queue("orders", &json!({ "VisibilityTimeout": "30" }));
    for (destination, at) in
        [(format!("arn:aws:sqs:{REGION}:{ACCOUNT}:dead"), &dead), (topic.clone(), &subscribed)]
    {
        let settings = format!(
            "batch_size: 1\nmaximum_retry_attempts: 1\ndestination_config: {{ on_failure: {{ destination_arn: \"{destination}\" }} }}"
        );
        world.config(&world.aws(), &arn, &settings);
        world.stack.send_messages(&url, &[("poison".to_owned(), None)]);
        let daemon = Daemon::start(world.scene.folder());
        let taken = wait::until_told("the failure record", || world.stack.take(at).pop(), || daemon.log());
        world.await_empty(&url);
        assert!(daemon.stop().success());
        let mut record: Value = serde_json::from_str(&taken).expect("JSON");
        if destination == topic {
            assert_eq!(
                (&record["Type"], &record["TopicArn"], &record["Subject"]),
                (&json!("Notification"), &json!(topic), &Value::Null)
            );
            record = serde_json::from_str(record["Message"].as_str().expect("a message")).expect("JSON");
        }
        assert_record(&record, &arn);
    }
}

#[test]
fn fifo_destinations_are_refused_before_anything_runs() {
    let scene = Scene::new();
    for target in [
        "destination_arn: \"arn:aws:sqs:us-east-1:000000000000:dead.fifo\"",
        "destination_arn: \"arn:aws:sns:us-east-1:000000000000:alarms.fifo\"",
        "sqs: { queue_url: \"http://127.0.0.1:1/000000000000/dead.fifo\" }",
    ] {
        scene.write(
            "forebay.yaml",
            &format!(
                "event_source_mappings:\n  - name: m\n    source: {{ sqs: {{ queue: q }} }}\n    function_name: \"{ACCOUNT}:function:f\"\n    \
                 destination_config: {{ on_failure: {{ {target} }} }}\n"
            ),
        );
        let (code, out, _) = daemon::run(scene.folder(), &["validate", "-c", "forebay.yaml"]);
        assert!(
            code != 0 && out.contains("FIFO queues and topics take no failure records"),
            "{target}: {code} {out}"
        );
    }
}

#[test]
fn a_second_opinion_on_queues_each_message_once_and_groups_in_order() {
    let world = World::new();
    let code = CODE.replace("@@", &world.scene.folder().display().to_string());
    world.scene.write("code/app.py", &code);
    let standard = world.stack.queue("orders", &json!({ "VisibilityTimeout": "30" }));
    let fifo = world.stack.queue("groups.fifo", &json!({ "FifoQueue": "true", "VisibilityTimeout": "30" }));
    world.stack.send_messages(&standard, &plain(300));
    let groups: Vec<_> =
        (0..200).map(|n| (format!("group {} {}", n % 20, n / 20), Some(format!("g{}", n % 20)))).collect();
    world.stack.send_messages(&fifo, &groups);
    let text = format!(
        "aws: {{ {} }}\nfunctions:\n  seen: {{ executor: {{ process: {{ runtime: python3, handler: app.handler, code: ./code }} }}, timeout: 10 }}\n\
         event_source_mappings:\n  - {{ name: orders, source: {{ sqs: {{ queue: orders, wait_time: 1 }} }}, function_name: seen }}\n  \
         - {{ name: groups, source: {{ sqs: {{ queue_url: \"{fifo}\", wait_time: 1 }} }}, function_name: \"seen:live\" }}\n",
        world.aws()
    );
    world.scene.write("forebay.yaml", &text);
    let daemon = Daemon::start(world.scene.folder());
    world.await_seen(500, &daemon);
    world.await_empty(&standard);
    world.await_empty(&fifo);
    assert!(daemon.stop().success());
    let seen = world.seen();
    assert_once(&seen, 500);
    let mut order: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (body, _) in seen.iter().filter(|(body, _)| body.starts_with("group")) {
        let mut parts = body.split(' ').skip(1);
        let group = parts.next().expect("a group").to_owned();
        order.entry(group).or_default().push(parts.next().and_then(|it| it.parse().ok()).expect("a number"));
    }
    assert_eq!(order.len(), 20);
    assert!(order.values().all(|it| *it == (0..10).collect::<Vec<_>>()), "{order:?}");
}
