//! Topics of a cluster of MSK, made over the API: MSK is asked where its brokers are.

use forebay_tests::daemon::Daemon;
use forebay_tests::function::lambda_of_nothing;
use forebay_tests::http;
use forebay_tests::kafka::msk::MskServer;
use forebay_tests::kafka::{Kafka, Sent};
use forebay_tests::wait;
use serde_json::json;

use crate::api_scene::await_state;
use crate::journal::Journal;
use crate::kafka_world::{GivesTopics as _, Topics};

const CLUSTER: &str = "arn:aws:kafka:us-east-1:000000000000:cluster/c/12345678-1234-1234-1234-123456789012-1";

#[test]
fn topics_of_msk_are_read_at_the_brokers_that_it_names_and_events_say_whose_they_are() {
    let it = Topics::of(Kafka::shared());
    it.client.create_topic("managed", 1);
    it.client.send("managed", &[Sent::of("k", "first")]);
    // At first it has none that nobody may come to.
    let msk = MskServer::start(json!({ "bootstrapBrokerStringSaslIam": "elsewhere:9098" }));
    let journal = Journal::default();
    let function = journal.function();
    let (lambda, executor) = (lambda_of_nothing(), function.executor());
    it.scene.write(
        "forebay.yaml",
        &format!(
            "aws: {{ endpoints: {{ lambda: \"{lambda}\", kafka: \"{}\" }}, region: us-east-1, access_key_id: x, secret_access_key: x }}\n\
             functions:\n  seen: {{ executor: {executor}, timeout: 30 }}\nevent_source_mappings: []\n",
            msk.endpoint()
        ),
    );
    let daemon = Daemon::start(it.scene.folder());
    let api = daemon.socket();
    let asked = json!({
        "EventSourceArn": CLUSTER,
        "Topics": ["managed"],
        "FunctionName": "seen",
        "StartingPosition": "TRIM_HORIZON",
        "AmazonManagedKafkaEventSourceConfig": { "ConsumerGroupId": "managed-group" },
    });
    let made = api.create(&asked).expect(202);
    assert_eq!(
        (&made["EventSourceArn"], &made["AmazonManagedKafkaEventSourceConfig"]["ConsumerGroupId"]),
        (&json!(CLUSTER), &json!("managed-group"))
    );
    let uuid = made["UUID"].as_str().expect("a mapping has an id");
    let status = || http::get(&daemon.admin, "/readyz?verbose").map(|it| it.1).unwrap_or_default();
    let is_told = || {
        let told = status();
        (told.contains("SaslIam") && daemon.log().contains("FB-0433")).then_some(())
    };
    wait::until_told("it is told that MSK has no such brokers", is_told, || {
        format!("{} {}", status(), daemon.log())
    });
    msk.answer(json!({ "bootstrapBrokerString": it.bootstrap }));
    await_state(&api, uuid, "Enabled");
    journal.await_value("first");
    let event = &journal.events()[0];
    assert_eq!(
        (&event["eventSource"], &event["eventSourceArn"], &event["bootstrapServers"]),
        (&json!("aws:kafka"), &json!(CLUSTER), &json!(it.bootstrap))
    );
    let asked = msk.asked();
    let path = "GET /v1/clusters/arn%3Aaws%3Akafka%3Aus%2Deast%2D1%3A000000000000%3Acluster%2Fc%2F12345678%2D1234%2D1234%2D1234%2D123456789012%2D1/bootstrap-brokers";
    assert!(asked[0].starts_with(path) && asked[0].contains("/us-east-1/kafka/aws4_request"), "{asked:?}");
    let mut refused = asked_for("SERVER_ROOT_CA_CERTIFICATE");
    refused["EventSourceArn"] = json!(CLUSTER);
    let (status, _, text) = api.create(&refused).refusal();
    assert!(status == 400 && text.contains("SERVER_ROOT_CA_CERTIFICATE"), "{text}");
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(it.client.committed("managed-group", "managed")[0], Some(1));
}

fn asked_for(kind: &str) -> serde_json::Value {
    let secret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:it";
    json!({
        "Topics": ["others"],
        "FunctionName": "seen",
        "StartingPosition": "LATEST",
        "SourceAccessConfigurations": [{ "Type": kind, "URI": secret }],
    })
}
