//! A cluster in memory: logs with offsets that have holes, retention, topics that are made anew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use forebay_batcher::{Record, Watermark};
use forebay_clients::BrokerFailure;
use serde_json::{Value, json};

use super::brokers::{Brokers, EachPartition, Fetch, OffsetAt, ToldTopic, TopicsAsked};
use super::event::{EventChoice, KafkaFormat};
use super::failure::KafkaFailure;
use super::group::GroupTerms;
use super::note::GroupOffset;
use super::page::{GivenRecord, PageBuilder, TimeKind};
use super::partition::KafkaPartition;
use super::resets::ResetChoice;
use super::schema_reading::SchemaReading;
use super::source::{KafkaSource, no_topic};
use super::topics::TopicChoice;
use crate::contract::Subject;
use crate::source::{BoxFuture, Membership, Source};

/// The time of the first record, in epoch milliseconds; each has a second more than the one before it.
pub(super) const BEGAN_MS: i64 = 1_545_084_650_000;

/// A record that somebody wrote.
#[derive(Debug, Clone, Default)]
pub(super) struct WrittenRecord {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A partition's log.
#[derive(Debug, Clone, Default)]
pub(super) struct FakeLog {
    /// With their offsets and times.
    pub(super) records: Vec<(u64, i64, WrittenRecord)>,
    pub(super) first: u64,
    pub(super) end: u64,
}

impl FakeLog {
    pub(super) fn write(&mut self, written: WrittenRecord) {
        let at_ms = BEGAN_MS + i64::try_from(self.end).unwrap() * 1_000;
        self.records.push((self.end, at_ms, written));
        self.end += 1;
    }

    /// An offset that no reader ever sees, such as a mark of a transaction.
    pub(super) fn skip(&mut self) {
        self.end += 1;
    }

    /// Retention drops all below an offset.
    pub(super) fn trim(&mut self, first: u64) {
        self.first = first;
        self.records.retain(|(offset, ..)| *offset >= first);
    }
}

#[derive(Default)]
struct FakeClusterState {
    topics: BTreeMap<String, Vec<FakeLog>>,
    committed: BTreeMap<(String, KafkaPartition), GroupOffset>,
    left: Vec<String>,
    /// Members come first, and have committed this.
    members_first: Option<Vec<(KafkaPartition, u64)>>,
    is_broken: bool,
    n_asked: usize,
}

/// A cluster. Clones share it.
#[derive(Clone, Default)]
pub(super) struct FakeCluster(Arc<Mutex<FakeClusterState>>);

impl FakeCluster {
    fn state(&self) -> MutexGuard<'_, FakeClusterState> {
        self.0.lock().unwrap()
    }

    fn asked(&self) -> Result<MutexGuard<'_, FakeClusterState>, KafkaFailure> {
        let mut state = self.state();
        state.n_asked += 1;
        if state.is_broken {
            let said = "connection refused".to_owned();
            return Err(KafkaFailure::Told { kind: BrokerFailure::Down, said });
        }
        Ok(state)
    }

    /// The topic with one partition more; its number.
    pub(super) fn add_partition(&self, topic: &str) -> usize {
        let mut state = self.state();
        let logs = state.topics.entry(topic.to_owned()).or_default();
        logs.push(FakeLog::default());
        logs.len() - 1
    }

    /// Deletes a topic and makes it anew, with as many partitions.
    pub(super) fn make_anew(&self, topic: &str) {
        let mut state = self.state();
        let logs = state.topics.get_mut(topic).unwrap();
        logs.iter_mut().for_each(|log| *log = FakeLog::default());
    }

    pub(super) fn with_log<T>(
        &self,
        topic: &str,
        number: usize,
        change: impl FnOnce(&mut FakeLog) -> T,
    ) -> T {
        change(&mut self.state().topics.get_mut(topic).unwrap()[number])
    }

    pub(super) fn set_committed(&self, group: &str, partition: &KafkaPartition, next: u64) {
        let set = GroupOffset { next, note: String::new() };
        self.state().committed.insert((group.to_owned(), partition.clone()), set);
    }

    pub(super) fn committed_of(&self, group: &str, partition: &KafkaPartition) -> Option<u64> {
        self.state().committed.get(&(group.to_owned(), partition.clone())).map(|it| it.next)
    }

    /// The groups that were left.
    pub(super) fn left(&self) -> Vec<String> {
        self.state().left.clone()
    }

    /// Members of a group come before whoever commits next as none, and have committed this.
    pub(super) fn set_members_first(&self, offsets: Vec<(KafkaPartition, u64)>) {
        self.state().members_first = Some(offsets);
    }

    /// How often it was asked something.
    pub(super) fn n_asked(&self) -> usize {
        self.state().n_asked
    }

    /// Its topics as a source.
    pub(super) fn source(&self, topics: TopicChoice, event: EventChoice) -> Arc<dyn Source> {
        self.source_with(topics, event, None, None)
    }

    /// The same, for mappings that go on from what is kept here whatever groups say.
    pub(super) fn ignoring(&self, topics: TopicChoice) -> Arc<dyn Source> {
        let event = EventChoice::default();
        let format = KafkaFormat::new("b-1:9092,b-2:9092", event);
        Arc::new(KafkaSource { resets: ResetChoice::Ignored, ..self.plain_source(topics, format) })
    }

    /// The same with records that are decoded, or for mappings that are members of groups.
    pub(super) fn source_with(
        &self,
        topics: TopicChoice,
        event: EventChoice,
        schemas: Option<SchemaReading>,
        terms: Option<GroupTerms>,
    ) -> Arc<dyn Source> {
        let servers = "b-1:9092,b-2:9092";
        let format = match &schemas {
            Some(_) => KafkaFormat::rendering(servers, event, SchemaReading::renderer()),
            None => KafkaFormat::new(servers, event),
        };
        Arc::new(KafkaSource { schemas, terms, ..self.plain_source(topics, format) })
    }

    fn plain_source(&self, topics: TopicChoice, format: KafkaFormat) -> KafkaSource {
        KafkaSource {
            brokers: Arc::new(self.clone()),
            what: format!("topics {topics}"),
            topics,
            group: None,
            resets: ResetChoice::default(),
            schemas: None,
            terms: None,
            format,
        }
    }
}

impl FakeClusterState {
    fn log(&self, partition: &KafkaPartition) -> Result<&FakeLog, KafkaFailure> {
        let logs = self.topics.get(&*partition.topic);
        let log = logs.and_then(|it| it.get(usize::try_from(partition.number).ok()?));
        log.ok_or_else(|| no_topic("unknown topic or partition"))
    }
}

impl Brokers for FakeCluster {
    fn topics<'a>(&'a self, asked: TopicsAsked<'a>) -> BoxFuture<'a, Result<Vec<ToldTopic>, KafkaFailure>> {
        Box::pin(async move {
            let state = self.asked()?;
            let told = |name: &String, logs: &Vec<FakeLog>| ToldTopic {
                name: name.as_str().into(),
                partitions: Ok((0..logs.len()).map(|it| i32::try_from(it).unwrap()).collect()),
            };
            Ok(match asked {
                TopicsAsked::All => state.topics.iter().map(|(name, logs)| told(name, logs)).collect(),
                TopicsAsked::Named(names) => names
                    .iter()
                    .map(|name| match state.topics.get(name) {
                        Some(logs) => told(name, logs),
                        None => ToldTopic {
                            name: name.as_str().into(),
                            partitions: Err(no_topic("it is not there")),
                        },
                    })
                    .collect(),
            })
        })
    }

    fn offsets<'a>(
        &'a self,
        partitions: &'a [KafkaPartition],
        at: OffsetAt,
    ) -> BoxFuture<'a, Result<EachPartition<u64>, KafkaFailure>> {
        Box::pin(async move {
            let state = self.asked()?;
            let of = |log: &FakeLog| match at {
                OffsetAt::First => log.first,
                OffsetAt::End => log.end,
                OffsetAt::Time(at_ms) => {
                    log.records.iter().find(|(_, it, _)| *it >= at_ms).map_or(log.end, |(offset, ..)| *offset)
                }
            };
            Ok(partitions.iter().map(|it| state.log(it).map(of)).collect())
        })
    }

    fn committed<'a>(
        &'a self,
        group: &'a str,
        partitions: &'a [KafkaPartition],
    ) -> BoxFuture<'a, Result<EachPartition<Option<GroupOffset>>, KafkaFailure>> {
        Box::pin(async move {
            let state = self.asked()?;
            let of = |it: &KafkaPartition| state.committed.get(&(group.to_owned(), it.clone())).cloned();
            Ok(partitions.iter().map(|it| Ok(of(it))).collect())
        })
    }

    fn commit(&self, group: &str, partition: &KafkaPartition, at: &Watermark) {
        let following = GroupOffset::following(at).unwrap();
        self.state().committed.insert((group.to_owned(), partition.clone()), following);
    }

    fn propose<'a>(
        &'a self,
        group: &'a str,
        offsets: Vec<(KafkaPartition, GroupOffset)>,
    ) -> BoxFuture<'a, Result<(), KafkaFailure>> {
        Box::pin(async move {
            let mut state = self.asked()?;
            if let Some(taken) = state.members_first.take() {
                let of = |next| GroupOffset { next, note: String::new() };
                state
                    .committed
                    .extend(taken.into_iter().map(|(it, next)| ((group.to_owned(), it), of(next))));
                return Err(KafkaFailure::Told {
                    kind: BrokerFailure::Other,
                    said: "it has members".to_owned(),
                });
            }
            state.committed.extend(offsets.into_iter().map(|(it, next)| ((group.to_owned(), it), next)));
            Ok(())
        })
    }

    fn join(
        &self,
        _group: &str,
        _terms: &GroupTerms,
        _topics: &TopicChoice,
    ) -> Result<Arc<dyn Membership>, KafkaFailure> {
        let said = "nobody deals partitions out here".to_owned();
        Err(KafkaFailure::Told { kind: BrokerFailure::Other, said })
    }

    fn leave<'a>(&'a self, group: &'a str) -> BoxFuture<'a, ()> {
        self.state().left.push(group.to_owned());
        Box::pin(async {})
    }

    fn fetch<'a>(
        &'a self,
        partition: &'a KafkaPartition,
        offset: u64,
    ) -> BoxFuture<'a, Result<Box<dyn Fetch>, KafkaFailure>> {
        let (cluster, partition) = (self.clone(), partition.clone());
        Box::pin(async move { Ok(Box::new(FakeFetch { cluster, partition, offset }) as Box<dyn Fetch>) })
    }
}

struct FakeFetch {
    cluster: FakeCluster,
    partition: KafkaPartition,
    offset: u64,
}

impl Fetch for FakeFetch {
    fn take(&mut self, records_max: u32, bytes_max: u64, page: &mut PageBuilder) -> Result<(), KafkaFailure> {
        let state = self.cluster.asked()?;
        let log = state.log(&self.partition)?;
        if self.offset < log.first || self.offset > log.end {
            return Err(KafkaFailure::OutOfRange);
        }
        let from = self.offset;
        for (offset, at_ms, written) in log.records.iter().filter(|(offset, ..)| *offset >= from) {
            if page.n_records() >= records_max as usize || page.n_bytes() as u64 >= bytes_max {
                break;
            }
            let record = GivenRecord {
                offset: *offset,
                at_ms: *at_ms,
                time_kind: TimeKind::Create,
                key: written.key.as_deref(),
                value: written.value.as_deref(),
            };
            let headers = written.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref()));
            page.push(record, headers);
            self.offset = offset + 1;
        }
        Ok(())
    }

    fn ready(&mut self, within: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(within))
    }

    fn trouble(&self) -> Option<KafkaFailure> {
        None
    }
}

/// The cluster in the hands of the contract suite: one topic.
pub(super) struct FakeKafkaSubject {
    pub(super) cluster: FakeCluster,
    source: Arc<dyn Source>,
    written: Vec<Vec<Vec<u8>>>,
    /// How its records are decoded; they name schema 1 then.
    schemas: Option<fn() -> SchemaReading>,
}

/// Its name holds what a careless reader stumbles over.
pub(super) const TOPIC: &str = "orders-eu.1";

impl FakeKafkaSubject {
    pub(super) fn new() -> Self {
        Self::decoding(None)
    }

    pub(super) fn decoding(schemas: Option<fn() -> SchemaReading>) -> Self {
        let cluster = FakeCluster::default();
        Self { source: Self::connect(&cluster, schemas), cluster, written: Vec::new(), schemas }
    }

    fn connect(cluster: &FakeCluster, schemas: Option<fn() -> SchemaReading>) -> Arc<dyn Source> {
        let topics = TopicChoice::Named(vec![TOPIC.to_owned()]);
        cluster.source_with(topics, EventChoice::default(), schemas.map(|it| it()), None)
    }
}

impl Subject for FakeKafkaSubject {
    fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.source)
    }

    fn restart(&mut self) {
        self.source = Self::connect(&self.cluster, self.schemas);
    }

    fn add_track(&mut self) -> usize {
        self.written.push(Vec::new());
        self.cluster.add_partition(TOPIC)
    }

    fn append(&mut self, track: usize, n_records: usize) {
        for _ in 0..n_records {
            let number = self.written[track].len();
            let value = format!("\"value {number} of {track}\"").into_bytes();
            self.written[track].push(value.clone());
            let head = if self.schemas.is_some() { &[0, 0, 0, 0, 1][..] } else { &[] };
            let value = [head, &value].concat();
            let key = (!number.is_multiple_of(3)).then(|| format!("key {}", number % 3).into_bytes());
            let header = ("h\"1".to_owned(), (!number.is_multiple_of(2)).then(|| vec![200, number as u8]));
            self.cluster.with_log(TOPIC, track, |log| {
                log.write(WrittenRecord { key, value: Some(value), headers: vec![header] });
                if number % 5 == 4 {
                    log.skip();
                }
            });
        }
    }

    fn written(&self, track: usize) -> Vec<Vec<u8>> {
        self.written[track].clone()
    }

    fn end(&mut self, _track: usize) {
        unreachable!("a partition has no end");
    }

    fn reported(&self, record: &Record) -> String {
        let record: Value = serde_json::from_slice(&record.bytes).unwrap();
        let partition = format!("{}-{}", record["topic"].as_str().unwrap(), record["partition"]);
        json!({ "partition": partition, "offset": record["offset"] }).to_string()
    }

    fn set_broken(&mut self, is_broken: bool) {
        self.cluster.state().is_broken = is_broken;
    }
}
