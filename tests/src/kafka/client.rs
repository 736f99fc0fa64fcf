//! What a test does with topics, records and groups of its own: over librdkafka, and with none of the code under
//! test.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, FromClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use crate::wait;

/// The longest that one call may take: a broker may have just come up, on a busy machine.
const CALL_TIME_MAX: Duration = Duration::from_secs(30);

/// Who calls a cluster: each call makes a connection of its own, unless it says otherwise.
#[derive(Debug, Clone)]
pub struct KafkaClient {
    config: ClientConfig,
}

/// The first offset of a partition that is there, and that of the next record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionEnds {
    /// The oldest record's.
    pub low: i64,
    /// One more than the newest record's.
    pub high: i64,
}

impl KafkaClient {
    /// Who calls the cluster at `bootstrap` without saying who that is.
    pub fn new(bootstrap: &str) -> Self {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap);
        // A broker that is down on purpose is no news.
        config.set_log_level(RDKafkaLogLevel::Critical);
        Self { config }
    }

    /// The same with a setting of librdkafka's.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.config.set(key, value);
        self
    }

    pub(super) fn config(&self) -> ClientConfig {
        self.config.clone()
    }

    /// Makes a topic, replicated as the cluster does it by default, and waits until its partitions are led.
    pub fn create_topic(&self, name: &str, n_partitions: i32) {
        self.create_topic_with(name, n_partitions, &[]);
    }

    /// The same with settings of its own.
    pub fn create_topic_with(&self, name: &str, n_partitions: i32, settings: &[(&str, &str)]) {
        let topic = NewTopic::new(name, n_partitions, TopicReplication::Fixed(-1));
        let topic = settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value));
        let made = block_on(self.admin().create_topics([&topic], &options()));
        one("the topic was made", name, made);
        self.await_leaders(name, n_partitions);
    }

    /// Removes a topic, and waits until nobody knows it.
    pub fn delete_topic(&self, name: &str) {
        let deleted = block_on(self.admin().delete_topics(&[name], &options()));
        one("the topic was removed", name, deleted);
        wait::until("the topic's end", || self.n_partitions(name).is_none().then_some(()));
    }

    /// Gives a topic more partitions, so that it has `n_partitions`, and waits until they are led.
    pub fn grow_topic(&self, name: &str, n_partitions: usize) {
        let wanted = NewPartitions::new(name, n_partitions);
        let grown = block_on(self.admin().create_partitions([&wanted], &options()));
        one("the topic was grown", name, grown);
        self.await_leaders(name, i32::try_from(n_partitions).expect("a test has few partitions"));
    }

    /// Removes the records of a partition in front of an offset.
    pub fn delete_records_before(&self, topic: &str, partition: i32, offset: i64) {
        let mut before = TopicPartitionList::new();
        before.add_partition_offset(topic, partition, Offset::Offset(offset)).expect("an offset is one");
        let deleted = block_on(self.admin().delete_records(&before, &options()));
        for it in deleted.expect("records can be removed").elements() {
            it.error().expect("records were removed");
        }
    }

    /// How many partitions a topic has; `None` for one that is not there.
    pub fn n_partitions(&self, topic: &str) -> Option<usize> {
        self.leaders(topic).map(|it| it.len())
    }

    /// The ids of the nodes that lead a topic's partitions, −1 for nobody; `None` for one that is not there.
    pub fn leaders(&self, topic: &str) -> Option<Vec<i32>> {
        let metadata = self.consumer().fetch_metadata(Some(topic), CALL_TIME_MAX).ok()?;
        let topic = metadata.topics().iter().find(|it| it.name() == topic)?;
        let mut partitions: Vec<_> = topic.partitions().iter().map(|it| (it.id(), it.leader())).collect();
        partitions.sort_unstable();
        let is_there = topic.error().is_none() && !partitions.is_empty();
        is_there.then(|| partitions.into_iter().map(|(_, leader)| leader).collect())
    }

    /// Waits until so many partitions of a topic are led by somebody.
    pub fn await_leaders(&self, topic: &str, n_partitions: i32) {
        let n_partitions = usize::try_from(n_partitions).expect("a topic has partitions");
        wait::until("the leaders of a topic", || {
            let leaders = self.leaders(topic)?;
            (leaders.len() == n_partitions && leaders.iter().all(|it| *it >= 0)).then_some(())
        });
    }

    /// Where each partition of a topic begins and ends.
    pub fn ends(&self, topic: &str) -> Vec<PartitionEnds> {
        let n_partitions = self.n_partitions(topic).unwrap_or_else(|| panic!("there is no topic {topic}"));
        let consumer = self.consumer();
        let ends = |partition: usize| {
            let partition = i32::try_from(partition).expect("a test has few partitions");
            let (low, high) = consumer
                .fetch_watermarks(topic, partition, CALL_TIME_MAX)
                .unwrap_or_else(|error| panic!("{topic}-{partition} tells no ends: {error}"));
            PartitionEnds { low, high }
        };
        (0..n_partitions).map(ends).collect()
    }

    /// The offsets that a group goes on with, by partition of a topic; `None` where it has committed none.
    pub fn committed(&self, group: &str, topic: &str) -> Vec<Option<i64>> {
        let n_partitions = self.n_partitions(topic).unwrap_or_else(|| panic!("there is no topic {topic}"));
        let mut asked = TopicPartitionList::new();
        let last = i32::try_from(n_partitions).expect("a test has few partitions") - 1;
        asked.add_partition_range(topic, 0, last);
        let told = self.member(group).committed_offsets(asked, CALL_TIME_MAX).expect("the group is known");
        let mut told: Vec<_> = told.elements().iter().map(|it| (it.partition(), it.offset())).collect();
        told.sort_unstable_by_key(|(partition, _)| *partition);
        let offset = |it: Offset| if let Offset::Offset(offset) = it { Some(offset) } else { None };
        told.into_iter().map(|(_, it)| offset(it)).collect()
    }

    /// Commits offsets for a group that nobody is in.
    pub fn commit(&self, group: &str, topic: &str, offsets: &[(i32, i64)]) {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in offsets {
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).expect("an offset is one");
        }
        self.member(group).commit(&list, CommitMode::Sync).expect("offsets are committed");
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        AdminClient::from_config(&self.config).expect("librdkafka takes the settings")
    }

    /// A consumer with the settings of this client.
    pub fn consumer(&self) -> BaseConsumer {
        self.config.create().expect("librdkafka takes the settings")
    }

    fn member(&self, group: &str) -> BaseConsumer {
        let mut config = self.config();
        config.set("group.id", group).set("enable.auto.commit", "false");
        config.create().expect("librdkafka takes the settings")
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(CALL_TIME_MAX)).request_timeout(Some(CALL_TIME_MAX))
}

/// The answer for the only topic that was asked for.
fn one(
    what: &str,
    topic: &str,
    answer: rdkafka::error::KafkaResult<Vec<Result<String, (String, RDKafkaErrorCode)>>>,
) {
    let answers = answer.unwrap_or_else(|error| panic!("{what}: {topic}: {error}"));
    assert!(answers.iter().all(Result::is_ok), "{what}: {topic}: {answers:?}");
}

/// Waits for what librdkafka's own threads end.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(it) => return it,
            Poll::Pending => thread::park(),
        }
    }
}
