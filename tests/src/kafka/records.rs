//! Records that a test writes to a topic and reads from one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, Headers as _, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};

use super::client::KafkaClient;
use crate::wait::PATIENCE;

/// A record that is to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// Where; `None` leaves it to the key.
    pub partition: Option<i32>,
    /// Its key; `None` for none.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// When it was made, in ms since 1970; `None` for now.
    pub timestamp: Option<i64>,
}

impl Sent {
    /// A record with a key and a value.
    pub fn of(key: &str, value: &str) -> Self {
        Self { key: Some(key.into()), value: Some(value.into()), ..Self::default() }
    }

    /// The same in a partition.
    #[must_use]
    pub fn to(self, partition: i32) -> Self {
        Self { partition: Some(partition), ..self }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, key: &str, value: Option<&[u8]>) -> Self {
        self.headers.push((key.to_owned(), value.map(<[u8]>::to_vec)));
        self
    }
}

/// A record as a topic gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Where.
    pub partition: i32,
    /// Its number there.
    pub offset: i64,
    /// Its key; `None` for none.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// In ms since 1970.
    pub timestamp: Option<i64>,
}

/// Where a record was put, partition and offset, or why it was not.
type PutResult = Result<(i32, i64), String>;

/// The same of each record of a call.
#[derive(Debug, Default)]
struct Places(Mutex<BTreeMap<usize, PutResult>>);

impl ClientContext for Places {}

impl ProducerContext for Places {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, idx: usize) {
        let place = match result {
            Ok(it) => Ok((it.partition(), it.offset())),
            Err((error, _)) => Err(error.to_string()),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(idx, place);
    }
}

impl KafkaClient {
    /// Writes records, each of them once, and waits until the cluster has all of them: partition and offset of
    /// each.
    ///
    /// # Panics
    /// When one is refused.
    pub fn send(&self, topic: &str, records: &[Sent]) -> Vec<(i32, i64)> {
        self.try_send(topic, records)
            .into_iter()
            .map(|it| it.unwrap_or_else(|error| panic!("{topic} takes no record: {error}")))
            .collect()
    }

    /// The same, telling which are refused and why.
    pub fn try_send(&self, topic: &str, records: &[Sent]) -> Vec<PutResult> {
        let producer = self.producer(&[]);
        write(&producer, topic, records);
        places(&producer)
    }

    /// Writes records in a transaction that is then committed.
    pub fn send_in_transaction(&self, id: &str, topic: &str, records: &[Sent]) {
        let producer = self.in_transaction(id, topic, records);
        producer.commit_transaction(PATIENCE).expect("a transaction can be committed");
    }

    /// Writes records in a transaction that is then aborted.
    pub fn send_and_abort(&self, id: &str, topic: &str, records: &[Sent]) {
        let producer = self.in_transaction(id, topic, records);
        producer.flush(PATIENCE).expect("the records are there before they are taken back");
        producer.abort_transaction(PATIENCE).expect("a transaction can be aborted");
    }

    fn in_transaction(&self, id: &str, topic: &str, records: &[Sent]) -> BaseProducer<Places> {
        let producer = self.producer(&[("transactional.id", id)]);
        producer.init_transactions(PATIENCE).expect("a transactional producer is known");
        producer.begin_transaction().expect("a transaction can begin");
        write(&producer, topic, records);
        producer
    }

    fn producer(&self, further: &[(&str, &str)]) -> BaseProducer<Places> {
        let mut config = self.config();
        config.set("enable.idempotence", "true").set("linger.ms", "5");
        // What is written stays in the test's order, and many partitions are filled alike.
        config.set("queue.buffering.max.messages", "1000000");
        for (key, value) in further {
            config.set(*key, *value);
        }
        BaseProducer::from_config_and_context(&config, Places::default())
            .expect("librdkafka takes the settings")
    }

    /// All records of a topic that are there, by partition and offset; none of a transaction that was aborted.
    ///
    /// # Panics
    /// When they are not read in time.
    pub fn read(&self, topic: &str) -> Vec<Taken> {
        let ends = self.ends(topic);
        let mut config = self.config();
        config.set("group.id", "reader-of-a-test").set("enable.auto.commit", "false");
        config.set("enable.partition.eof", "true").set("isolation.level", "read_committed");
        config.set("fetch.wait.max.ms", "50");
        let consumer: BaseConsumer = config.create().expect("librdkafka takes the settings");
        let mut all = TopicPartitionList::new();
        for (partition, ends) in (0..).zip(&ends) {
            all.add_partition_offset(topic, partition, Offset::Offset(ends.low)).expect("an offset is one");
        }
        consumer.assign(&all).expect("partitions can be assigned");
        let (mut taken, mut n_open) = (Vec::new(), ends.len());
        let deadline = Instant::now() + PATIENCE;
        while n_open > 0 {
            assert!(Instant::now() < deadline, "waited {PATIENCE:?} for the records of {topic}: {taken:?}");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(it)) => taken.push(taken_from(&it)),
                Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => n_open -= 1,
                Some(Err(error)) => panic!("{topic} gives no record: {error}"),
                None => {}
            }
        }
        taken.sort_unstable_by_key(|it| (it.partition, it.offset));
        taken
    }
}

/// Hands records over; those that find no room wait.
fn write(producer: &BaseProducer<Places>, topic: &str, records: &[Sent]) {
    for (idx, sent) in records.iter().enumerate() {
        let mut record: BaseRecord<'_, [u8], [u8], usize> = BaseRecord::with_opaque_to(topic, idx);
        record.partition = sent.partition;
        record.key = sent.key.as_deref();
        record.payload = sent.value.as_deref();
        record.timestamp = sent.timestamp;
        let add = |headers: OwnedHeaders, (key, value): &(String, Option<Vec<u8>>)| {
            headers.insert(Header { key, value: value.as_deref() })
        };
        record.headers =
            (!sent.headers.is_empty()).then(|| sent.headers.iter().fold(OwnedHeaders::new(), add));
        while let Err((error, same)) = producer.send(record) {
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => {
                    producer.poll(Duration::from_millis(10));
                    record = same;
                }
                _ => {
                    let mut places = producer.context().0.lock().unwrap_or_else(PoisonError::into_inner);
                    places.insert(idx, Err(error.to_string()));
                    break;
                }
            }
        }
        producer.poll(Duration::ZERO);
    }
}

/// Waits until each record is there or refused.
fn places(producer: &BaseProducer<Places>) -> Vec<PutResult> {
    producer.flush(PATIENCE).expect("all records are there or refused in time");
    let mut places = producer.context().0.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *places).into_values().collect()
}

fn taken_from(it: &rdkafka::message::BorrowedMessage<'_>) -> Taken {
    let headers = it.headers().into_iter().flat_map(|headers| headers.iter());
    Taken {
        partition: it.partition(),
        offset: it.offset(),
        key: it.key().map(<[u8]>::to_vec),
        value: it.payload().map(<[u8]>::to_vec),
        headers: headers.map(|it| (it.key.to_owned(), it.value.map(<[u8]>::to_vec))).collect(),
        timestamp: it.timestamp().to_millis(),
    }
}
