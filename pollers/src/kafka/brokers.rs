//! What a source needs of a cluster, whoever speaks to it: librdkafka (`client`) or a cluster in memory (`fake`).

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::Watermark;

use super::failure::KafkaFailure;
use super::group::GroupTerms;
use super::note::GroupOffset;
use super::page::PageBuilder;
use super::partition::KafkaPartition;
use super::topics::TopicChoice;
use crate::source::{BoxFuture, Membership};

/// Which offset is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OffsetAt {
    /// That of the first record that is there.
    First,
    /// The one behind the last record that may be read.
    End,
    /// That of the first record of this time or later, in epoch milliseconds; the end where there is none.
    Time(i64),
}

/// The topics of a cluster that are asked for.
#[derive(Debug, Clone)]
pub(super) enum TopicsAsked<'a> {
    /// These.
    Named(&'a [String]),
    /// All that one may see.
    All,
}

/// A topic as the cluster tells it.
#[derive(Debug)]
pub(super) struct ToldTopic {
    pub(super) name: Arc<str>,
    /// The numbers of its partitions, or why they cannot be told.
    pub(super) partitions: Result<Vec<i32>, KafkaFailure>,
}

/// What was asked of some partitions, in their order.
pub(super) type EachPartition<T> = Vec<Result<T, KafkaFailure>>;

/// A cluster.
pub(super) trait Brokers: Send + Sync {
    /// Topics and their partitions.
    fn topics<'a>(&'a self, asked: TopicsAsked<'a>) -> BoxFuture<'a, Result<Vec<ToldTopic>, KafkaFailure>>;
    /// Offsets of partitions.
    fn offsets<'a>(
        &'a self,
        partitions: &'a [KafkaPartition],
        at: OffsetAt,
    ) -> BoxFuture<'a, Result<EachPartition<u64>, KafkaFailure>>;
    /// What a group has committed; `None` where it has nothing.
    fn committed<'a>(
        &'a self,
        group: &'a str,
        partitions: &'a [KafkaPartition],
    ) -> BoxFuture<'a, Result<EachPartition<Option<GroupOffset>>, KafkaFailure>>;
    /// What is finished of a partition: its group is told soon, and only the last one counts.
    fn commit(&self, group: &str, partition: &KafkaPartition, at: &Watermark);
    /// Tells what was not told yet of a group, and forgets it. Ends when that is done, or has taken too long.
    fn leave<'a>(&'a self, group: &'a str) -> BoxFuture<'a, ()>;
    /// Commits offsets for a group that nobody is in; refused where somebody is.
    fn propose<'a>(
        &'a self,
        group: &'a str,
        offsets: Vec<(KafkaPartition, GroupOffset)>,
    ) -> BoxFuture<'a, Result<(), KafkaFailure>>;
    /// Joins a group as one of its members.
    fn join(
        &self,
        group: &str,
        terms: &GroupTerms,
        topics: &TopicChoice,
    ) -> Result<Arc<dyn Membership>, KafkaFailure>;
    /// Begins to fetch a partition.
    fn fetch<'a>(
        &'a self,
        partition: &'a KafkaPartition,
        offset: u64,
    ) -> BoxFuture<'a, Result<Box<dyn Fetch>, KafkaFailure>>;
}

/// A partition that is being fetched. Dropping it ends that.
pub(super) trait Fetch: Send + Sync {
    /// Takes records that are there into `page`, without waiting: as many, and about as many bytes.
    fn take(&mut self, records_max: u32, bytes_max: u64, page: &mut PageBuilder) -> Result<(), KafkaFailure>;
    /// Ends when there may be more, at the latest after `within`. May be dropped without losing anything.
    fn ready(&mut self, within: Duration) -> BoxFuture<'_, ()>;
    /// Why nothing comes, when that is known.
    fn trouble(&self) -> Option<KafkaFailure>;
}
