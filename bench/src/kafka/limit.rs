//! The least that the work can cost: librdkafka's poll, record by record, rendered by hand into an event, POSTed over
//! four connections of which each waits for its own answer. It keeps no place and retries nothing.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::{N_CONNECTIONS, N_PARTITIONS};
use crate::http::KeptConnection;

const TAIL: &[u8] = b"]}}";
const POLL: Duration = Duration::from_millis(100);

/// Reads a topic up to its ends, then waits for the end of its input: whoever started it reads its time first.
pub(crate) fn run(brokers: &str, topic: &str, function: &str, batch: usize) {
    let consumer = consumer(brokers, topic, Offset::Beginning);
    let mut event = OpenEvent::new(brokers, function, batch);
    let mut n_open = N_PARTITIONS;
    while n_open > 0 {
        match consumer.poll(POLL) {
            Some(Ok(record)) => event.add(&record),
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) => n_open -= 1,
            Some(Err(error)) => panic!("{topic} gives no record: {error}"),
            None => {}
        }
    }
    event.end();
    std::io::stdin().read_to_end(&mut Vec::new()).expect("its input ends");
}

/// Passes on what is written to a topic from now on, as soon as it comes, until it is killed.
pub(crate) fn follow(brokers: &str, topic: &str, function: &str, batch: usize) {
    let consumer = consumer(brokers, topic, Offset::End);
    let mut event = OpenEvent::new(brokers, function, batch);
    loop {
        // What has come so far goes before anything is waited for.
        let polled = consumer.poll(Duration::ZERO).or_else(|| {
            event.send();
            consumer.poll(POLL)
        });
        match polled {
            Some(Ok(record)) => event.add(&record),
            Some(Err(rdkafka::error::KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(error)) => panic!("{topic} gives no record: {error}"),
        }
    }
}

fn consumer(brokers: &str, topic: &str, at: Offset) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "limit")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        // Its default of a second holds small batches back.
        .set("fetch.queue.backoff.ms", "2")
        .create()
        .expect("librdkafka takes the settings");
    let mut all = TopicPartitionList::new();
    for partition in (0..).take(N_PARTITIONS) {
        all.add_partition_offset(topic, partition, at).expect("an offset is one");
    }
    consumer.assign(&all).expect("partitions can be assigned");
    consumer
}

/// An event that is being filled with records of one partition, and where it goes.
struct OpenEvent {
    before: String,
    batch: usize,
    partition: Option<i32>,
    n_records: usize,
    text: Vec<u8>,
    connections: Vec<WaitingConnection>,
    next: usize,
}

/// A connection, and whether it owes an answer.
struct WaitingConnection {
    connection: KeptConnection,
    waits: bool,
}

impl WaitingConnection {
    fn settle(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.connection.receive();
        }
    }
}

impl OpenEvent {
    fn new(brokers: &str, function: &str, batch: usize) -> Self {
        let connect = || WaitingConnection { connection: KeptConnection::new(function), waits: false };
        Self {
            before: format!(
                "{{\"eventSource\":\"SelfManagedKafka\",\"bootstrapServers\":\"{brokers}\",\"records\":{{"
            ),
            batch,
            partition: None,
            n_records: 0,
            text: Vec::new(),
            connections: std::iter::repeat_with(connect).take(N_CONNECTIONS).collect(),
            next: 0,
        }
    }

    fn add(&mut self, record: &BorrowedMessage<'_>) {
        if self.partition != Some(record.partition()) {
            self.send();
            self.partition = Some(record.partition());
        }
        if self.n_records == 0 {
            self.text.extend_from_slice(self.before.as_bytes());
            write!(self.text, "\"{}-{}\":[", record.topic(), record.partition()).expect("a vector takes it");
        } else {
            self.text.push(b',');
        }
        render(record, &mut self.text);
        self.n_records += 1;
        if self.n_records == self.batch {
            self.send();
        }
    }

    /// Sends what is there, if anything is, over the connection that has waited longest.
    fn send(&mut self) {
        if self.n_records == 0 {
            return;
        }
        self.text.extend_from_slice(TAIL);
        let to = &mut self.connections[self.next];
        to.settle();
        to.connection.send("content-type: application/json\r\n", &self.text);
        to.waits = true;
        self.next = (self.next + 1) % self.connections.len();
        self.text.clear();
        self.n_records = 0;
    }

    fn end(&mut self) {
        self.send();
        self.connections.iter_mut().for_each(WaitingConnection::settle);
    }
}

fn render(record: &BorrowedMessage<'_>, event: &mut Vec<u8>) {
    let at = record.timestamp().to_millis().unwrap_or_default();
    write!(
        event,
        "{{\"topic\":\"{}\",\"partition\":{},\"offset\":{},\"timestamp\":{at},\"timestampType\":\"CREATE_TIME\",\"key\":\"",
        record.topic(),
        record.partition(),
        record.offset()
    )
    .expect("a vector takes everything");
    base64_simd::STANDARD.encode_append(record.key().unwrap_or_default(), event);
    event.extend_from_slice(b"\",\"value\":\"");
    base64_simd::STANDARD.encode_append(record.payload().unwrap_or_default(), event);
    event.extend_from_slice(b"\",\"headers\":[]}");
}
