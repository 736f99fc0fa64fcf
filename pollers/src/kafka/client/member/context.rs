//! What hears of a member's client. The coordinator's wishes are written down where librdkafka tells them, and
//! followed by the thread that polls: waiting there would be waiting for itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use forebay_clients::BrokerContext;
use rdkafka::TopicPartitionList;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;

use crate::kafka::partition::KafkaPartition;

/// What librdkafka told.
#[derive(Debug)]
pub(super) enum MemberHeard {
    Assigned(Vec<KafkaPartition>),
    /// They are wanted back.
    Revoked(Vec<KafkaPartition>),
    /// They may be others' already.
    Lost(Vec<KafkaPartition>),
    /// The answer to a commit, from the thread that waited for it.
    Committed(KafkaResult<()>),
}

/// Writes down what is told; the rest is as for any client of these brokers.
pub(super) struct MemberContext {
    brokers: BrokerContext,
    heard: Mutex<Vec<MemberHeard>>,
    /// The client is being dropped: nobody else answers any more.
    is_closing: AtomicBool,
}

impl MemberContext {
    pub(super) fn new(brokers: BrokerContext) -> Self {
        Self { brokers, heard: Mutex::default(), is_closing: AtomicBool::new(false) }
    }

    pub(super) fn brokers(&self) -> &BrokerContext {
        &self.brokers
    }

    pub(super) fn take(&self) -> Vec<MemberHeard> {
        std::mem::take(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From here on partitions are given up as soon as they are wanted back.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::SeqCst);
    }

    pub(super) fn note(&self, heard: MemberHeard) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(heard);
    }
}

impl ClientContext for MemberContext {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = BrokerContext::ENABLE_REFRESH_OAUTH_TOKEN;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.brokers.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.brokers.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.brokers.generate_oauth_token(config)
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, told: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if self.is_closing.load(Ordering::SeqCst) {
            let is_assigned = told == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
            let done = match is_assigned {
                true => consumer.incremental_assign(list),
                false => consumer.incremental_unassign(list),
            };
            if let Err(error) = done {
                tracing::debug!(%error, "a member that goes could not give its partitions back");
            }
            return;
        }
        let partition = |it: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| KafkaPartition {
            topic: it.topic().into(),
            number: it.partition(),
        };
        let partitions = list.elements().iter().map(partition).collect();
        if told == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.note(MemberHeard::Assigned(partitions));
        } else if consumer.assignment_lost() {
            self.note(MemberHeard::Lost(partitions));
        } else {
            self.note(MemberHeard::Revoked(partitions));
        }
    }
}
