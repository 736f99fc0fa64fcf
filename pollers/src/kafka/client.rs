//! Clusters over librdkafka, the only folder that knows it.
//!
//! All mappings that read from the same brokers as the same user share one client, and each partition is fetched
//! once; who reads a partition a second time, because it lags, has a client of its own. A client is owned by a
//! thread (`owner`), which alone assigns partitions, hears of errors and at last drops it: that may take long. What
//! asks the brokers something and waits (`ask`) does so on a thread that may block.

mod ask;
mod fetched;
mod groups;
mod member;
mod owner;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use forebay_batcher::Watermark;
use forebay_clients::BrokerAccess;
use rdkafka::ClientConfig;

use self::ask::ask;
use self::fetched::FetchedPartition;
use self::groups::GroupOffsets;
use self::owner::PartitionClient;
use super::brokers::{Brokers, EachPartition, Fetch, OffsetAt, ToldTopic, TopicsAsked};
use super::failure::KafkaFailure;
use super::group::GroupTerms;
use super::note::GroupOffset;
use super::partition::KafkaPartition;
use super::topics::TopicChoice;
use crate::source::{BoxFuture, Membership};

/// Which records of transactions are given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::kafka) enum Isolation {
    /// Those that were committed.
    #[default]
    Committed,
    /// All.
    Uncommitted,
}

impl Isolation {
    fn word(self) -> &'static str {
        match self {
            Self::Committed => "read_committed",
            Self::Uncommitted => "read_uncommitted",
        }
    }
}

/// Clusters by what reaches them.
type ClustersByAccess = BTreeMap<(String, Isolation), Weak<KafkaCluster>>;

/// Those that somebody reads from.
static CLUSTERS: LazyLock<Mutex<ClustersByAccess>> = LazyLock::new(Mutex::default);

/// Brokers that are read from as one user.
pub(in crate::kafka) struct KafkaCluster {
    access: BrokerAccess,
    isolation: Isolation,
    /// The first serves all; others are for those who lag. One whose partitions are all given up goes.
    clients: Mutex<Vec<Arc<PartitionClient>>>,
    groups: GroupOffsets,
}

impl KafkaCluster {
    /// The one that all share who reach the same brokers in the same way. Nothing is connected yet.
    pub(in crate::kafka) fn shared(access: &BrokerAccess, isolation: Isolation) -> Arc<Self> {
        let mut clusters = CLUSTERS.lock().unwrap_or_else(PoisonError::into_inner);
        clusters.retain(|_, it| it.strong_count() > 0);
        let key = (access.digest(), isolation);
        if let Some(cluster) = clusters.get(&key).and_then(Weak::upgrade) {
            return cluster;
        }
        let cluster = Arc::new(Self {
            access: access.clone(),
            isolation,
            clients: Mutex::default(),
            groups: GroupOffsets::new(access.clone()),
        });
        clusters.insert(key, Arc::downgrade(&cluster));
        cluster
    }

    /// The client that serves all.
    fn client(&self) -> Result<Arc<PartitionClient>, KafkaFailure> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|it| !it.has_ended());
        if let Some(first) = clients.first() {
            return Ok(Arc::clone(first));
        }
        let first = Arc::new(PartitionClient::start(&self.access, self.config())?);
        clients.push(Arc::clone(&first));
        Ok(first)
    }

    /// A client that does not fetch this partition: it counts as fetching it from here on.
    fn client_for(&self, partition: &KafkaPartition) -> Result<Arc<PartitionClient>, KafkaFailure> {
        self.client()?;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let mut idx = 0;
        // The first stays, whether it fetches something or not.
        clients.retain(|it| {
            idx += 1;
            idx == 1 || !it.is_idle()
        });
        if let Some(free) = clients.iter().find(|it| it.reserve(partition)) {
            return Ok(Arc::clone(free));
        }
        let another = Arc::new(PartitionClient::start(&self.access, self.config())?);
        another.reserve(partition);
        clients.push(Arc::clone(&another));
        Ok(another)
    }

    fn config(&self) -> ClientConfig {
        let mut config = self.access.config();
        config
            // An assignment needs the name of a group, which is asked for nothing here.
            .set("group.id", "forebay-reader")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Where a place is not there any more, the reader says what follows, and nobody else.
            .set("auto.offset.reset", "error")
            .set("isolation.level", self.isolation.word())
            // Per partition, whose queue is its own: what is fetched ahead lies here until a reader takes it, and with
            // many partitions that is most of the memory that a process has. One fetch more may be under way.
            .set("queued.max.messages.kbytes", "512")
            .set("fetch.message.max.bytes", "262144")
            .set("queued.min.messages", "5000")
            // A full queue is looked at again soon: the default of a second leaves readers without records.
            .set("fetch.queue.backoff.ms", "5")
            .set("fetch.error.backoff.ms", "100")
            // A cut network is seen before the default of a minute.
            .set("socket.timeout.ms", "20000")
            // New leaders are learnt of soon.
            .set("topic.metadata.refresh.interval.ms", "60000");
        config
    }
}

impl Brokers for KafkaCluster {
    fn topics<'a>(&'a self, asked: TopicsAsked<'a>) -> BoxFuture<'a, Result<Vec<ToldTopic>, KafkaFailure>> {
        Box::pin(async move {
            let client = self.client()?;
            let names = match asked {
                TopicsAsked::Named(names) => Some(names.to_vec()),
                TopicsAsked::All => None,
            };
            ask(client, move |consumer| ask::topics(consumer, names.as_deref())).await
        })
    }

    fn offsets<'a>(
        &'a self,
        partitions: &'a [KafkaPartition],
        at: OffsetAt,
    ) -> BoxFuture<'a, Result<EachPartition<u64>, KafkaFailure>> {
        Box::pin(async move {
            if partitions.is_empty() {
                return Ok(Vec::new());
            }
            let (client, partitions) = (self.client()?, partitions.to_vec());
            ask(client, move |consumer| ask::offsets(consumer, &partitions, at)).await
        })
    }

    fn committed<'a>(
        &'a self,
        group: &'a str,
        partitions: &'a [KafkaPartition],
    ) -> BoxFuture<'a, Result<EachPartition<Option<GroupOffset>>, KafkaFailure>> {
        Box::pin(self.groups.committed(group, partitions))
    }

    fn commit(&self, group: &str, partition: &KafkaPartition, at: &Watermark) {
        self.groups.commit(group, partition, at);
    }

    fn leave<'a>(&'a self, group: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(self.groups.leave(group))
    }

    fn propose<'a>(
        &'a self,
        group: &'a str,
        offsets: Vec<(KafkaPartition, GroupOffset)>,
    ) -> BoxFuture<'a, Result<(), KafkaFailure>> {
        Box::pin(self.groups.propose(group, offsets))
    }

    fn join(
        &self,
        group: &str,
        terms: &GroupTerms,
        topics: &TopicChoice,
    ) -> Result<Arc<dyn Membership>, KafkaFailure> {
        member::join(&self.access, group, terms, topics)
    }

    fn fetch<'a>(
        &'a self,
        partition: &'a KafkaPartition,
        offset: u64,
    ) -> BoxFuture<'a, Result<Box<dyn Fetch>, KafkaFailure>> {
        Box::pin(async move {
            let client = self.client_for(partition)?;
            let fetched = FetchedPartition::begin(client, partition, offset).await?;
            Ok(Box::new(fetched) as Box<dyn Fetch>)
        })
    }
}
