//! A topic that gets each record that was given up as a message.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use forebay_clients::{BrokerAccess, BrokerError, BrokerFailure, BrokerTrouble};
use rdkafka::error::RDKafkaErrorCode;
use tokio::time::timeout;

use super::super::{DELIVERY_TIME_MAX, without_payload};
use super::producer::{RunningProducers, TopicMessage, TopicProducer};
use crate::destination::{DeliveryError, Destination, FailureForm, FailureRecord};
use crate::executor::BoxFuture;

/// How long a message waits for room among those that are under way before it is offered again.
const ROOM_DELAY: Duration = Duration::from_millis(10);

/// A topic. It has a message when all replicas that are in sync have it; the producer sends it again by itself
/// as long as that does not double it.
pub(super) struct KafkaDestination {
    topic: String,
    access: BrokerAccess,
    running: RunningProducers,
    producer: Mutex<Option<Arc<TopicProducer>>>,
}

/// A topic did not take a message, or nobody knows.
#[derive(Debug, thiserror::Error)]
enum TopicError {
    #[error("no producer can be made")]
    NoProducer(#[source] BrokerError),
    #[error("{}: {said}", .failure.sentence())]
    Refused { failure: BrokerFailure, said: String },
    #[error("the brokers did not acknowledge it within {DELIVERY_TIME_MAX:?}")]
    TimedOut,
    #[error("the brokers find it too large: {n_bytes} bytes, without its payload")]
    TooLarge { n_bytes: usize },
    #[error("the producer ended meanwhile")]
    Ended,
}

impl TopicError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoProducer(cause) => cause.code(),
            Self::TooLarge { .. } => "FB-0395",
            Self::Refused { .. } | Self::TimedOut | Self::Ended => "FB-0394",
        }
    }
}

impl KafkaDestination {
    pub(super) fn new(topic: String, access: BrokerAccess, running: RunningProducers) -> Self {
        Self { topic, access, running, producer: Mutex::default() }
    }

    async fn send(&self, record: FailureRecord) -> Result<(), TopicError> {
        let producer = self.producer().map_err(TopicError::NoProducer)?;
        let both = async {
            match self.put(&producer, &record, &record.json).await {
                // What is too large for the brokers is known to them alone.
                Err(RDKafkaErrorCode::MessageSizeTooLarge) => {
                    let bare = without_payload(&record.json);
                    self.put(&producer, &record, &bare).await.map_err(|code| (code, bare.len()))
                }
                sent => sent.map_err(|code| (code, record.json.len())),
            }
        };
        let sent =
            timeout(DELIVERY_TIME_MAX, both).await.unwrap_or(Err((RDKafkaErrorCode::MessageTimedOut, 0)));
        let Err((code, n_bytes)) = sent else {
            producer.succeed();
            return Ok(());
        };
        Err(match code {
            RDKafkaErrorCode::MessageSizeTooLarge => TopicError::TooLarge { n_bytes },
            RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight => TopicError::Ended,
            // Why they do not answer says more than that they do not.
            RDKafkaErrorCode::MessageTimedOut => match producer.trouble() {
                Some(BrokerTrouble { failure, said }) => TopicError::Refused { failure, said },
                None => TopicError::TimedOut,
            },
            code => TopicError::Refused { failure: BrokerFailure::of(code), said: code.to_string() },
        })
    }

    /// Hands a message over as soon as there is room for it, and waits until the brokers have it.
    async fn put(
        &self,
        producer: &TopicProducer,
        record: &FailureRecord,
        value: &Bytes,
    ) -> Result<(), RDKafkaErrorCode> {
        let message = TopicMessage {
            topic: &self.topic,
            key: record.original_key.as_deref(),
            headers: &record.headers,
            value,
        };
        loop {
            match producer.send(&message) {
                Ok(acknowledged) => {
                    return acknowledged.await.unwrap_or(Err(RDKafkaErrorCode::PurgeQueue));
                }
                Err(RDKafkaErrorCode::QueueFull) => tokio::time::sleep(ROOM_DELAY).await,
                Err(code) => return Err(code),
            }
        }
    }

    /// The producer that is shared; another where that one has ended.
    fn producer(&self) -> Result<Arc<TopicProducer>, BrokerError> {
        let mut mine = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(it) = mine.as_ref().filter(|it| it.is_fit()) {
            return Ok(Arc::clone(it));
        }
        let shared = self.running.of(&self.access)?;
        *mine = Some(Arc::clone(&shared));
        Ok(shared)
    }
}

impl Destination for KafkaDestination {
    fn deliver(&self, record: FailureRecord) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            let refused = |error: TopicError| DeliveryError {
                destination: self.label(),
                code: error.code(),
                cause: error.into(),
            };
            self.send(record).await.map_err(refused)
        })
    }

    fn label(&self) -> String {
        format!("kafka://{}", self.topic)
    }

    fn form(&self) -> FailureForm {
        FailureForm::EachRecord
    }
}
