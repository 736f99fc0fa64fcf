//! Topics of librdkafka's own mock of a cluster, which errs as it is told.

use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay_batcher::UnixMillis;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Headers as _, Message as _, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::Value;

use super::*;
use crate::destination::FailureRecord;

const TOPIC: &str = "dead";

/// A cluster of one broker with one topic of one partition.
fn cluster() -> MockCluster<'static, DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, 1, 1).unwrap();
    cluster
}

fn brokers(servers: &str) -> BrokerSettings {
    BrokerSettings { bootstrap_servers: vec![servers.to_owned()], cluster: None, tls: None, sasl: None }
}

async fn destination(producers: &BrokerProducers, servers: &str) -> Arc<dyn Destination> {
    let target = KafkaTarget { topic: TOPIC.to_owned(), brokers: None };
    producers.destination(&target, Some(&brokers(servers)), &Clients::default()).await.unwrap()
}

fn record(json: &'static str) -> FailureRecord {
    FailureRecord {
        json: Bytes::from_static(json.as_bytes()),
        original_key: None,
        headers: Vec::new(),
        shard: None,
        at: UnixMillis(0),
    }
}

async fn deliver(destination: &Arc<dyn Destination>, json: &'static str) -> Result<(), String> {
    destination.deliver(record(json)).await.map_err(|error| {
        let cause = error.cause.source().map(ToString::to_string).unwrap_or_default();
        format!("{} {error}: {} {cause}", error.code, error.cause)
    })
}

/// The first messages of the topic.
fn taken(servers: &str, n: usize) -> Vec<OwnedMessage> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set("group.id", "test").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut all = TopicPartitionList::new();
    all.add_partition_offset(TOPIC, 0, Offset::Beginning).unwrap();
    consumer.assign(&all).unwrap();
    let (mut taken, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(60));
    while taken.len() < n {
        assert!(Instant::now() < deadline, "only {taken:?}");
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            taken.push(message.unwrap().detach());
        }
    }
    taken
}

fn values(servers: &str, n: usize) -> Vec<String> {
    let text = |it: &OwnedMessage| String::from_utf8(it.payload().unwrap().to_vec()).unwrap();
    taken(servers, n).iter().map(text).collect()
}

#[tokio::test]
async fn a_message_has_the_key_the_headers_and_the_failure_record() {
    let cluster = cluster();
    let (producers, servers) = (BrokerProducers::default(), cluster.bootstrap_servers());
    let topic = destination(&producers, &servers).await;
    let headers = [("h", "1"), ("h", "\u{80}"), ("e", "")];
    let headers = headers.map(|(key, value)| (key.to_owned(), Bytes::from_static(value.as_bytes())));
    let keyed = FailureRecord {
        original_key: Some(Bytes::from_static(b"\x00key\xff")),
        headers: headers.to_vec(),
        ..record("{\"a\":1}")
    };
    topic.deliver(keyed).await.unwrap();
    deliver(&topic, "{\"a\":2}").await.unwrap();
    let taken = taken(&servers, 2);
    assert_eq!(taken[0].key(), Some(&b"\x00key\xff"[..]));
    assert_eq!(taken[0].payload(), Some(&b"{\"a\":1}"[..]));
    let given = taken[0].headers().unwrap().iter();
    let given: Vec<_> =
        given.map(|it| (it.key.to_owned(), Bytes::copy_from_slice(it.value.unwrap()))).collect();
    assert_eq!(given, headers);
    assert_eq!((taken[1].key(), taken[1].headers().map(|it| it.count())), (None, None));
    assert_eq!(topic.label(), "kafka://dead");
}

#[tokio::test]
async fn what_the_brokers_find_too_large_goes_without_its_payload() {
    let cluster = cluster();
    let (producers, servers) = (BrokerProducers::default(), cluster.bootstrap_servers());
    let topic = destination(&producers, &servers).await;
    let too_large = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::Produce, &[too_large]);
    deliver(&topic, "{\"version\":\"1.0\",\"payload\":{\"records\":{}},\"z\":1}").await.unwrap();
    assert_eq!(values(&servers, 1), ["{\"version\":\"1.0\",\"z\":1}"]);
    cluster.request_errors(RDKafkaApiKey::Produce, &[too_large, too_large]);
    assert_eq!(
        deliver(&topic, "{\"version\":\"1.0\",\"payload\":{}}").await.unwrap_err(),
        "FB-0395 destination kafka://dead did not take a failure record: the brokers find it too large: 17 bytes, without its payload "
    );
    // Nothing of that keeps the next one back.
    deliver(&topic, "{}").await.unwrap();
    let last: Value = serde_json::from_str(&values(&servers, 2)[1]).unwrap();
    assert_eq!(last, serde_json::json!({}));
}

#[tokio::test]
async fn what_has_no_room_among_all_that_is_under_way_goes_without_its_payload() {
    let cluster = cluster();
    let (producers, servers) = (BrokerProducers::default(), cluster.bootstrap_servers());
    let topic = destination(&producers, &servers).await;
    let payload = "x".repeat(70_000_000);
    let json = format!("{{\"version\":\"1.0\",\"payload\":\"{payload}\"}}").into();
    topic.deliver(FailureRecord { json, ..record("") }).await.unwrap();
    assert_eq!(values(&servers, 1), ["{\"version\":\"1.0\"}"]);
}

#[tokio::test]
async fn what_passes_is_tried_again_by_the_producer_and_a_refusal_is_told_at_once() {
    let cluster = cluster();
    let (producers, servers) = (BrokerProducers::default(), cluster.bootstrap_servers());
    let topic = destination(&producers, &servers).await;
    use RDKafkaRespErr as E;
    let passing = [E::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, E::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE];
    cluster.request_errors(RDKafkaApiKey::Produce, &passing);
    deliver(&topic, "{\"a\":1}").await.unwrap();
    cluster.request_errors(RDKafkaApiKey::Produce, &[E::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    let told = deliver(&topic, "{\"a\":2}").await.unwrap_err();
    assert!(told.starts_with("FB-0394 destination kafka://dead did not take a failure record: the brokers do not allow it to this user: "), "{told}");
    // librdkafka refuses by itself what comes before it has asked the brokers again; the core offers it again.
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(told) = deliver(&topic, "{\"a\":3}").await {
        assert!(Instant::now() < deadline, "{told}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        values(&servers, 2),
        ["{\"a\":1}", "{\"a\":3}"],
        "nothing is doubled, and what was refused is not there"
    );
}

#[tokio::test]
async fn those_who_write_to_the_same_brokers_share_a_producer_that_ends_with_the_last_of_them() {
    let (one, other) = (cluster(), cluster());
    let producers = BrokerProducers::default();
    let first = destination(&producers, &one.bootstrap_servers()).await;
    let second = destination(&producers, &one.bootstrap_servers()).await;
    let third = destination(&producers, &other.bootstrap_servers()).await;
    assert_eq!(producers.running.n_running(), 0, "a producer is made with the first message");
    for (n, topic) in [(1, &first), (1, &second), (2, &third)] {
        deliver(topic, "{}").await.unwrap();
        assert_eq!(producers.running.n_running(), n);
    }
    drop(first);
    deliver(&second, "{}").await.unwrap();
    drop((second, third));
    assert_eq!(producers.running.n_running(), 0);
}

#[tokio::test]
async fn without_brokers_there_is_no_destination() {
    let target = KafkaTarget { topic: TOPIC.to_owned(), brokers: None };
    let built = BrokerProducers::default().destination(&target, None, &Clients::default()).await;
    assert_eq!(built.err().map(|it| it.code()), Some("FB-0396"));
}
