//! Topics of Kafka as destinations, over the real binary and a real broker: what lies in them after records were
//! given up, and what happens while they take nothing.

use forebay_tests::daemon::{self, Daemon};
use forebay_tests::kafka::{Kafka, KafkaClient, Taken};
use forebay_tests::wait;
use serde_json::Value;

use crate::scene::Scene;

/// A mapping of a file whose poison lines fail, and go to a topic.
fn config(scene: &Scene, on_failure: &str) {
    scene.config(&format!(
        "starting_position: TRIM_HORIZON\nbatch_size: 1\nmaximum_retry_attempts: 0\ndestination_config: {{ on_failure: {{ {on_failure} }} }}"
    ));
}

/// The messages of a topic as soon as there are so many.
fn await_messages(client: &KafkaClient, topic: &str, n: usize, daemon: &Daemon) -> Vec<Taken> {
    let messages = || Some(client.read(topic)).filter(|it| it.len() >= n);
    wait::until_told("messages of the topic", messages, || daemon.log())
}

fn value(taken: &Taken) -> Value {
    let bytes = taken.value.as_deref().expect("a message has a value");
    serde_json::from_slice(bytes).expect("a failure record is JSON")
}

#[test]
fn a_failure_record_waits_for_its_topic_and_for_the_brokers_and_has_its_event_as_an_object() {
    let (scene, mut kafka) = (Scene::new(), Kafka::start());
    let (client, topic) = (kafka.client(), "dead.lines");
    let brokers = format!("bootstrap_servers: [\"{}\"]", kafka.bootstrap());
    config(&scene, &format!("kafka: {{ topic: {topic}, brokers: {{ {brokers} }} }}"));
    scene.append("in/lines", "good\npoison\n");
    let daemon = Daemon::start(scene.folder());
    let is_told = |part: &str| {
        let is_in = |line: &str| ["FB-0394", "kafka://dead.lines", part].iter().all(|it| line.contains(it));
        wait::until_told(part, || daemon.log().lines().any(is_in).then_some(()), || daemon.log());
    };
    is_told("the brokers have no such topic");

    client.create_topic(topic, 1);
    let taken = await_messages(&client, topic, 1, &daemon);
    assert_eq!((taken.len(), taken[0].key.as_deref(), taken[0].headers.len()), (1, None, 0));
    let record = value(&taken[0]);
    assert_eq!(record["requestContext"]["condition"], "RetryAttemptsExhausted", "{record}");
    assert_eq!(record["FileBatchInfo"]["batchSize"], 1, "{record}");
    assert_eq!(record["payload"]["Records"][0]["body"], "poison", "an object, not its text: {record}");

    kafka.kill();
    scene.append("in/lines", "poison\ngood\n");
    // Nobody listens there any more.
    is_told("the brokers do not answer");
    kafka.restart();
    let taken = await_messages(&client, topic, 2, &daemon);
    assert_ne!(value(&taken[0])["FileBatchInfo"], value(&taken[1])["FileBatchInfo"]);
    assert!(daemon.stop().success());
}

#[test]
fn a_topic_without_brokers_is_refused_by_name() {
    let scene = Scene::new();
    let validate = |on_failure: &str| {
        config(&scene, on_failure);
        let (code, out, err) = daemon::run(scene.folder(), &["validate", "-c", "forebay.yaml"]);
        (code == 0, out + &err)
    };
    let (is_valid, said) =
        validate("kafka: { topic: dead, brokers: { bootstrap_servers: [\"127.0.0.1:9\"] } }");
    assert!(is_valid, "{said}");
    for on_failure in ["kafka: { topic: dead }", "destination_arn: \"kafka://dead\""] {
        let (is_valid, said) = validate(on_failure);
        assert!(!is_valid && said.contains("FB-0396"), "{said}");
    }
}
