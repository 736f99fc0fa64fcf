//! Stories over librdkafka itself and the brokers that it can play.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Position, Watermark};
use forebay_clients::Clients;
use forebay_config::StartingPosition;
use forebay_config::document::{Document, Format};
use rdkafka::ClientConfig;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::contract::room;
use crate::kafka::KafkaKind;
use crate::source::{
    Assignment, GroupEvent, Known, Membership, RawRead, RawRecord, Reader, Room, Source, SourceError,
    SourceKind as _, Stand, Standing, Start, TrackName,
};

/// Brokers that librdkafka plays, and a hand that writes.
struct PlayedBrokers {
    cluster: MockCluster<'static, DefaultProducerContext>,
    producer: BaseProducer,
}

const TOPIC: &str = "orders";

impl PlayedBrokers {
    fn new(n_partitions: i32) -> Self {
        let cluster = MockCluster::new(1).expect("brokers can be played");
        cluster.create_topic(TOPIC, n_partitions, 1).expect("a topic can be made");
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", cluster.bootstrap_servers()).set("linger.ms", "0");
        let producer = config.create().expect("a producer can be made");
        Self { cluster, producer }
    }

    fn write(&self, partition: i32, values: &[&str]) {
        for value in values {
            let headers = OwnedHeaders::new()
                .insert(Header { key: "h", value: Some(&[200, 1][..]) })
                .insert(Header { key: "none", value: None::<&[u8]> });
            let record = BaseRecord::to(TOPIC).partition(partition).key("key").payload(*value);
            self.producer.send(record.headers(headers)).expect("there is room");
        }
        self.producer.flush(Duration::from_secs(10)).expect("the brokers took it");
    }

    async fn source(&self, more: &str) -> Arc<dyn Source> {
        let servers = self.cluster.bootstrap_servers();
        source(&format!("{{ bootstrap_servers: ['{servers}'], topics: [{TOPIC}]{more} }}")).await
    }
}

async fn source(settings: &str) -> Arc<dyn Source> {
    let document = Document::parse("test", settings, Format::Yaml, Path::new("/")).expect("it is YAML");
    let settings = KafkaKind.parse(&document.root, Path::new("/")).expect("the settings are right");
    settings.connect(&Clients::default()).await.expect("nothing is asked yet")
}

fn track(number: i32) -> TrackName {
    TrackName(format!("{TOPIC}-{number}"))
}

fn first(source: &dyn Source) -> Watermark {
    Watermark::Origin(source.tracks().unwrap().first())
}

async fn open(source: &dyn Source, number: i32, from: &Watermark) -> Box<dyn Reader> {
    source.tracks().unwrap().open(&track(number), from).await.unwrap()
}

/// As many records, however many reads they take.
async fn take(reader: &mut dyn Reader, n_records: usize) -> (Vec<RawRecord>, Option<Position>) {
    let (mut records, mut passed): (Vec<RawRecord>, Option<Position>) = (Vec::new(), None);
    let all = async {
        while records.len() < n_records {
            let wait = Duration::from_secs(1);
            let read: RawRead = reader.read(Room { wait, ..room(3) }).await.expect("the brokers answer");
            records.extend(read.records);
            passed = read.passed;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("all of it comes");
    (records, passed)
}

fn texts(records: &[RawRecord]) -> Vec<String> {
    records.iter().map(|it| String::from_utf8_lossy(&it.data).into_owned()).collect()
}

#[tokio::test]
async fn partitions_are_read_in_order_by_readers_that_share_a_client_and_by_one_that_lags() {
    let brokers = PlayedBrokers::new(2);
    let values: Vec<String> = (0..50).map(|it| format!("value {it}")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    (0..2).for_each(|number| brokers.write(number, &values));
    let source = brokers.source("").await;
    let listed = source.tracks().unwrap().list(&Known::default()).await.unwrap();
    assert_eq!(listed.tracks.iter().map(|it| it.name.clone()).collect::<Vec<_>>(), [track(0), track(1)]);
    let from = first(source.as_ref());
    let mut readers =
        [open(&*source, 0, &from).await, open(&*source, 1, &from).await, open(&*source, 0, &from).await];
    let renderer = source.format().renderer(false);
    for reader in &mut readers {
        let (records, passed) = take(reader.as_mut(), 50).await;
        assert_eq!(texts(&records), values);
        assert_eq!(passed.and_then(|it| it.as_number()), Some(50));
        let mut json = Vec::new();
        renderer.render(&records[7], &mut json);
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!((&json["offset"], &json["key"]), (&7.into(), &"a2V5".into()));
        assert_eq!(json["headers"], serde_json::json!([{ "h": [-56, 1] }, { "none": [] }]));
    }
    // What comes later rings.
    brokers.write(1, &["late"]);
    assert_eq!(texts(&take(readers[1].as_mut(), 1).await.0), ["late"]);
}

#[tokio::test]
async fn latest_is_the_end_and_a_place_that_was_kept_goes_on_behind_its_record() {
    let brokers = PlayedBrokers::new(1);
    brokers.write(0, &["a", "b"]);
    let source = brokers.source("").await;
    let origins = source.explorer().origins_for("m", StartingPosition::Latest).await.unwrap();
    let [(name, origin)] = <[_; 1]>::try_from(origins).unwrap();
    brokers.write(0, &["c", "d"]);
    let mut reader = source.tracks().unwrap().open(&name, &Watermark::Origin(origin)).await.unwrap();
    let (records, passed): (Vec<RawRecord>, Option<Position>) = take(reader.as_mut(), 2).await;
    assert_eq!(texts(&records), ["c", "d"]);
    drop(reader);
    brokers.write(0, &["e"]);
    let mut reader = open(&*source, 0, &Watermark::At(passed.unwrap())).await;
    assert_eq!(texts(&take(reader.as_mut(), 1).await.0), ["e"]);
}

#[tokio::test]
async fn a_place_beyond_the_end_and_another_record_at_a_place_stop_by_name() {
    let brokers = PlayedBrokers::new(1);
    brokers.write(0, &["a", "b"]);
    let source = brokers.source("").await;
    for position in
        [Position::number(17), Position::behind_number(0, *b"else"), Position::behind_number(1, *b"else")]
    {
        let mut reader = open(&*source, 0, &Watermark::At(position)).await;
        let error = loop {
            match reader.read(Room { wait: Duration::from_secs(20), ..room(3) }).await {
                Ok(read) => assert_eq!(read.records.len(), 0),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, SourceError::PositionLost { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_group_hears_what_is_durable_and_a_new_mapping_begins_there() {
    let brokers = PlayedBrokers::new(1);
    brokers.write(0, &["a", "b", "c"]);
    let source = brokers.source(", consumer_group_id: mine").await;
    let tracks = source.tracks().unwrap();
    let mut reader = open(&*source, 0, &first(source.as_ref())).await;
    let (records, passed) = take(reader.as_mut(), 3).await;
    let stand = |bound| Stand { track: track(0), bound, standing: Standing::Open };
    let waiting =
        source.explorer().backlog(&[stand(Watermark::At(records[1].position.clone()))]).await.unwrap();
    assert_eq!(waiting.records, Some(2));
    let waiting = source.explorer().backlog(&[stand(Watermark::At(passed.unwrap()))]).await.unwrap();
    assert_eq!(waiting.records, Some(0));
    tracks.committed("m", &track(0), &Watermark::At(records[1].position.clone()));
    tracks.leave("m").await;
    let origins = source.explorer().origins_for("m", StartingPosition::Latest).await.unwrap();
    let mut reader = open(&*source, 0, &Watermark::Origin(origins[0].1.clone())).await;
    assert_eq!(texts(&take(reader.as_mut(), 2).await.0), ["b", "c"]);
}

#[tokio::test]
async fn brokers_that_are_down_are_told_and_reading_goes_on_when_they_are_back() {
    let brokers = PlayedBrokers::new(1);
    brokers.write(0, &["a"]);
    let source = brokers.source("").await;
    let mut reader = open(&*source, 0, &first(source.as_ref())).await;
    let (_, passed) = take(reader.as_mut(), 1).await;
    brokers.cluster.broker_down(1).unwrap();
    let error = loop {
        match reader.read(Room { wait: Duration::from_secs(1), ..room(3) }).await {
            Ok(read) => assert_eq!(read.records.len(), 0),
            Err(error) => break error,
        }
    };
    assert_eq!((error.code().0, error.is_transient()), ("FB-0380", true), "{error}");
    brokers.cluster.broker_up(1).unwrap();
    brokers.write(0, &["b"]);
    let back = async {
        loop {
            let mut reader = open(&*source, 0, &Watermark::At(passed.clone().unwrap())).await;
            match reader.read(Room { wait: Duration::from_secs(5), ..room(3) }).await {
                Ok(read) if read.records.is_empty() => {}
                Ok(read) => return read.records,
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        }
    };
    let records = tokio::time::timeout(Duration::from_secs(60), back).await.expect("they are back");
    assert_eq!(texts(&records), ["b"]);
}

#[tokio::test]
async fn a_topic_that_is_not_there_and_brokers_that_never_were_are_told_by_their_codes() {
    let brokers = PlayedBrokers::new(1);
    let servers = brokers.cluster.bootstrap_servers();
    let missing =
        source(&format!("{{ bootstrap_servers: ['{servers}'], topics: [{TOPIC}, missing] }}")).await;
    let listed = missing.tracks().unwrap().list(&Known::default()).await.unwrap();
    assert_eq!(listed.tracks.len(), 1);
    assert_eq!(listed.trouble.map(|it| it.code().0), Some("FB-0383"));
    let nobody = source(&format!("{{ bootstrap_servers: ['127.0.0.1:1'], topics: [{TOPIC}] }}")).await;
    let error = nobody.explorer().origins(StartingPosition::Latest).await.unwrap_err();
    assert_eq!((error.code().0, error.is_transient()), ("FB-0380", true), "{error}");
}

/// A member's place in the group of the mapping `m`, and what it has.
struct PlayedMember {
    membership: Arc<dyn Membership>,
    has: BTreeMap<TrackName, Assignment>,
    revoking: Vec<TrackName>,
    lost: Vec<TrackName>,
}

impl PlayedMember {
    async fn join(source: &dyn Source) -> Self {
        let group = source.tracks().and_then(|it| it.group()).expect("mappings are members of groups");
        let membership = group.join("m").await.expect("the brokers answer");
        Self { membership, has: BTreeMap::new(), revoking: Vec::new(), lost: Vec::new() }
    }

    /// Hears what comes until it is as it should be.
    async fn hear_until(&mut self, is_so: impl Fn(&Self) -> bool) {
        while !is_so(self) {
            let next = tokio::time::timeout(Duration::from_secs(60), self.membership.next()).await;
            match next.expect("it comes to be so").expect("it stays in the group") {
                GroupEvent::Assigned(dealt) => {
                    self.has.extend(dealt.into_iter().map(|it| (it.track.name.clone(), it)));
                }
                GroupEvent::Revoking { tracks, .. } => self.revoking.extend(tracks),
                GroupEvent::Lost(tracks) => {
                    tracks.iter().for_each(|it| assert!(self.has.remove(it).is_some(), "it had it"));
                    self.lost.extend(tracks);
                }
                GroupEvent::Trouble(trouble) => assert_eq!(trouble, None),
            }
        }
    }
}

#[tokio::test]
async fn a_member_begins_where_the_group_stands_and_joins_anew_where_it_was_missed() {
    let brokers = PlayedBrokers::new(2);
    let group = ", group: { session_timeout: 6, rebalance_timeout: 5 }";
    let source = brokers.source(group).await;
    let mut first = PlayedMember::join(&*source).await;
    first.hear_until(|it| it.has.len() == 2).await;
    assert!(first.has.values().all(|it| matches!(it.start, Start::Policy(_))), "nothing is committed");
    let at = Watermark::At(Position::behind_number(6, *b"seen"));
    first.membership.committed(&track(0), &at);
    first.membership.leave().await;
    // Who cannot be told where the group stands asks again.
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN;
    brokers.cluster.request_errors(RDKafkaApiKey::OffsetFetch, &[refused; 2]);
    let mut one = PlayedMember::join(&*source).await;
    one.hear_until(|it| it.has.len() == 2).await;
    assert_eq!(one.has[&track(0)].start, Start::Committed(at.clone()), "the place as it was kept");
    assert!(matches!(one.has[&track(1)].start, Start::Policy(_)));
    assert!(one.has[&track(0)].epoch > first.has[&track(0)].epoch);
    // The coordinator has missed it.
    let before = one.has[&track(0)].epoch;
    let unknown = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID;
    brokers.cluster.request_errors(RDKafkaApiKey::Heartbeat, &[unknown]);
    one.hear_until(|it| it.lost.len() == 2).await;
    one.hear_until(|it| it.has.len() == 2).await;
    assert!(one.has[&track(0)].epoch > before);
    // Another comes: one of two goes over, when it was given back.
    let mut two = PlayedMember::join(&*brokers.source(group).await).await;
    one.hear_until(|it| it.revoking.len() == 1).await;
    let given = one.revoking[0].clone();
    let further = Watermark::At(Position::behind_number(8, *b"more"));
    one.membership.committed(&given, &further);
    one.membership.drained(&given);
    two.hear_until(|it| it.has.len() == 1).await;
    assert_eq!(two.has[&given].start, Start::Committed(further));
    assert!(two.has[&given].epoch > one.has[&given].epoch);
}
