//! A producer of librdkafka's on a thread of its own, shared by all who write to the same brokers as the same.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use forebay_clients::{BrokerAccess, BrokerContext, BrokerError, BrokerTrouble};
use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use tokio::sync::oneshot;

/// How often the thread looks whether anybody still needs its producer.
const TICK: Duration = Duration::from_millis(100);
/// Less than the longest delivery, so that what librdkafka says of a message comes before that is over.
const MESSAGE_TIME_MAX_MS: &str = "28000";
/// A topic that is not there counts as missing after this; one that was just made may take a moment.
const TOPIC_TIME_MAX_MS: &str = "10000";
/// What may be under way at once, in KB.
const UNDER_WAY_KB_MAX: &str = "65536";
/// What is too large is for the brokers to say; more than this has no room among what is under way, whatever they
/// say, and would be offered for ever.
const MESSAGE_BYTES_MAX: &str = "64000000";

/// Tells that the brokers have a message, or why not.
type Acknowledgement = oneshot::Sender<Result<(), RDKafkaErrorCode>>;

/// The producers that run, by brokers and who one is to them.
#[derive(Clone, Default)]
pub(super) struct RunningProducers(Arc<Mutex<BTreeMap<String, Weak<TopicProducer>>>>);

impl RunningProducers {
    /// How many have an owner.
    #[cfg(test)]
    pub(super) fn n_running(&self) -> usize {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.values().filter(|it| it.strong_count() > 0).count()
    }

    /// The one for these brokers; made where there is none, or none that is fit.
    pub(super) fn of(&self, access: &BrokerAccess) -> Result<Arc<TopicProducer>, BrokerError> {
        let digest = access.digest();
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(it) = running.get(&digest).and_then(Weak::upgrade).filter(|it| it.is_fit()) {
            return Ok(it);
        }
        // What nobody uses any more would else stay for the life of the process.
        running.retain(|_, it| it.strong_count() > 0);
        let made = TopicProducer::start(access)?;
        running.insert(digest, Arc::downgrade(&made));
        Ok(made)
    }
}

/// A message for a topic.
pub(super) struct TopicMessage<'a> {
    pub(super) topic: &'a str,
    pub(super) key: Option<&'a [u8]>,
    pub(super) headers: &'a [(String, Bytes)],
    pub(super) value: &'a [u8],
}

/// A producer that runs on a thread of its own until nobody has it any more.
pub(super) struct TopicProducer {
    producer: Arc<BaseProducer<ToBrokers>>,
    /// Whether the thread has ended.
    is_over: Arc<AtomicBool>,
}

impl TopicProducer {
    fn start(access: &BrokerAccess) -> Result<Arc<Self>, BrokerError> {
        let mut config = access.config();
        config.set("enable.idempotence", "true");
        config.set("message.timeout.ms", MESSAGE_TIME_MAX_MS);
        config.set("topic.metadata.propagation.max.ms", TOPIC_TIME_MAX_MS);
        config.set("queue.buffering.max.kbytes", UNDER_WAY_KB_MAX);
        config.set("message.max.bytes", MESSAGE_BYTES_MAX);
        // A key is in the partition where Kafka's own clients put it.
        config.set("partitioner", "murmur2_random");
        let context = ToBrokers(access.context());
        let producer =
            BaseProducer::from_config_and_context(&config, context).map_err(BrokerError::of_client)?;
        let (producer, is_over) = (Arc::new(producer), Arc::new(AtomicBool::new(false)));
        let shared = Arc::new(Self { producer: Arc::clone(&producer), is_over: Arc::clone(&is_over) });
        let owners = Arc::downgrade(&shared);
        let serve = move || {
            // However the thread ends: whoever comes next is given another producer.
            let _end = EndOfThread(is_over);
            serve_until_unowned(producer, &owners);
        };
        let thread = thread::Builder::new().name("forebay-brokers".to_owned()).spawn(serve);
        thread.map_err(|error| BrokerError::Client(format!("its thread cannot be started: {error}")))?;
        Ok(shared)
    }

    /// Whether it takes messages: one whose thread has ended does not, nor one that librdkafka has given up.
    pub(super) fn is_fit(&self) -> bool {
        !self.is_over.load(Ordering::Acquire) && self.producer.client().fatal_error().is_none()
    }

    /// Hands a message over; what comes back tells when the brokers have it.
    pub(super) fn send(
        &self,
        message: &TopicMessage<'_>,
    ) -> Result<oneshot::Receiver<Result<(), RDKafkaErrorCode>>, RDKafkaErrorCode> {
        let (acknowledge, acknowledged) = oneshot::channel();
        let mut record: BaseRecord<'_, [u8], [u8], Box<Acknowledgement>> =
            BaseRecord::with_opaque_to(message.topic, Box::new(acknowledge)).payload(message.value);
        record.key = message.key;
        let add = |headers: OwnedHeaders, (key, value): &(String, Bytes)| {
            headers.insert(Header { key, value: Some(&value[..]) })
        };
        record.headers =
            (!message.headers.is_empty()).then(|| message.headers.iter().fold(OwnedHeaders::new(), add));
        match self.producer.send(record) {
            Ok(()) => Ok(acknowledged),
            Err((error, _)) => Err(code_of(&error)),
        }
    }

    /// Why nothing gets to the brokers, as far as they or TLS said so.
    pub(super) fn trouble(&self) -> Option<BrokerTrouble> {
        self.producer.context().0.trouble()
    }

    /// Something got to the brokers.
    pub(super) fn succeed(&self) {
        self.producer.context().0.succeed();
    }
}

/// Serves a producer until nobody has it any more, and drops it: that may take a while, and so is never done by
/// a worker of tokio's.
fn serve_until_unowned(producer: Arc<BaseProducer<ToBrokers>>, owners: &Weak<TopicProducer>) {
    // The last of the owners may still be about to let go of it when its count says that it is gone.
    while owners.strong_count() > 0 || Arc::strong_count(&producer) > 1 {
        producer.poll(TICK);
    }
    drop(producer);
}

struct EndOfThread(Arc<AtomicBool>);

impl Drop for EndOfThread {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn code_of(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)
}

/// Hears of the client, and tells of each message what became of it.
struct ToBrokers(BrokerContext);

impl ClientContext for ToBrokers {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = BrokerContext::ENABLE_REFRESH_OAUTH_TOKEN;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.0.generate_oauth_token(config)
    }
}

impl ProducerContext for ToBrokers {
    type DeliveryOpaque = Box<Acknowledgement>;

    fn delivery(&self, result: &DeliveryResult<'_>, acknowledge: Box<Acknowledgement>) {
        let told = match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(code_of(error)),
        };
        // Nobody waits any more for a delivery that took too long.
        let _ = acknowledge.send(told);
    }
}
