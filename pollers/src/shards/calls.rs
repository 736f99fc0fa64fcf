//! What a kind brings along: the calls that its shards are read by, and what is its own about records and
//! about the end of a shard.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use forebay_batcher::RecordId;

use super::error::ShardError;
use super::place::ShardPlace;
use super::stream::ShardStream;
use crate::source::{BoxFuture, EventFormat};

/// What a stream says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamDescription {
    pub(crate) arn: String,
    /// What it is called here: one of the same name that was made anew is called otherwise.
    pub(crate) identity: String,
    /// It was switched off: what it holds can be read for a while, and nothing new comes.
    pub(crate) is_disabled: bool,
}

/// A shard as it is listed, or told at its parent's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShardInfo {
    pub(crate) id: String,
    pub(crate) parents: Vec<String>,
    /// It takes no more records.
    pub(crate) is_closed: bool,
    /// The number of its last record, where the server says that of a shard that is closed.
    pub(crate) last: Option<String>,
    /// How long its numbers are where the server writes zeros before them, else 0.
    pub(crate) n_digits: usize,
}

/// How long numbers are of which this is one, where zeros stand before it, else 0. AWS writes none; servers that
/// do may compare numbers as texts.
pub(crate) fn digits_with_zeros(number: &str) -> usize {
    if number.len() > 1 && number.starts_with('0') { number.len() } else { 0 }
}

/// A page of a listing.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) shards: Vec<ShardInfo>,
    /// What asks for the next one.
    pub(crate) next: Option<String>,
}

/// Where an iterator begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IteratorAt {
    First,
    /// Behind the last record.
    #[allow(dead_code, reason = "not every kind of source asks for it")]
    Latest,
    /// At the record of this sequence number.
    At(String),
    /// At this time, in epoch milliseconds.
    Time(i64),
}

/// Where a subscription begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SubscribeAt {
    Place(IteratorAt),
    /// Behind this sequence number, which need not be that of a record.
    Behind(String),
}

/// What one read brought.
#[derive(Debug)]
pub(crate) struct ShardRead {
    pub(crate) records: Vec<ShardRecord>,
    /// What reads on; `None` at the shard's end.
    pub(crate) next: Option<String>,
    /// How far behind the newest record of the shard it is; `None` where the server does not say.
    pub(crate) behind_ms: Option<i64>,
    /// At the end, what comes after it; empty where the server does not say.
    pub(crate) children: Vec<ShardInfo>,
}

/// A record as its shard gives it.
#[derive(Debug, Clone)]
pub(crate) struct ShardRecord {
    /// Its sequence number in digits, which is what a function may call it.
    pub(crate) id: RecordId,
    /// What orders it.
    pub(crate) key: Bytes,
    pub(crate) data: Bytes,
    pub(crate) arrival_ms: i64,
    /// Which of [`ShardTraits::facts`] is true of it.
    pub(crate) facts_idx: usize,
}

/// A record that lies within another with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) key: Bytes,
    pub(crate) data: Bytes,
}

/// The calls that a reader makes. None is tried again: who calls paces itself.
pub(crate) trait ShardCalls: Send + Sync {
    fn describe(&self) -> BoxFuture<'_, Result<StreamDescription, ShardError>>;
    /// Shards that are listed, from the first on or where the last page ended.
    fn list(&self, after: Option<String>) -> BoxFuture<'_, Result<Page, ShardError>>;
    fn iterator<'a>(&'a self, shard: &'a str, begin: IteratorAt)
    -> BoxFuture<'a, Result<String, ShardError>>;
    fn records<'a>(&'a self, iterator: &'a str, n_max: u32) -> BoxFuture<'a, Result<ShardRead, ShardError>>;
    /// What comes after a shard that was read to its end and did not tell; empty where only a listing says.
    fn children<'a>(&'a self, _shard: &'a str) -> BoxFuture<'a, Result<Vec<ShardInfo>, ShardError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    /// Who pushes the records of a shard, where they are not polled.
    fn subscriptions(&self) -> Option<&dyn Subscriptions> {
        None
    }
    /// What operators ought to know of how it is read.
    fn note(&self) -> Option<String> {
        None
    }
    /// The time in epoch milliseconds: the server's where its answers say it, else this machine's.
    fn now_ms(&self) -> i64;
}

/// Pushes shards to whoever subscribes to them.
pub(crate) trait Subscriptions: Send + Sync {
    /// A subscription that begins there, in its turn; it may take as long as a call. It is refused as
    /// [`Pushes::next`] is.
    fn subscribe<'a>(
        &'a self,
        shard: &'a str,
        begin: SubscribeAt,
    ) -> BoxFuture<'a, Result<Box<dyn Pushes>, ShardError>>;
}

/// What is pushed of one shard. Nothing is taken from the server that is not asked for, but for what a
/// connection holds. Dropping it ends the subscription.
pub(crate) trait Pushes: Send + Sync {
    /// The next push; `next` is the number behind which another subscription would go on, and is empty where
    /// the server does not say. May be dropped while it waits without losing anything.
    ///
    /// | it fails with | and the reader |
    /// |---|---|
    /// | [`super::Refusal::Expired`]: it is over | subscribes anew |
    /// | [`super::Refusal::Taken`]: it was not given, for another one is young | does so a little later |
    /// | anything else | tells it |
    fn next(&mut self) -> BoxFuture<'_, Result<ShardRead, ShardError>>;
}

/// What is a kind's own about its records and about the end of a shard.
pub(crate) trait ShardTraits: Send + Sync {
    /// How records become an event.
    fn format(&self) -> &'static dyn EventFormat;
    /// What records of a shard have in common; each says which of these is true of it.
    fn facts(&self, stream: &StreamDescription, shard: &str) -> Vec<Arc<dyn Any + Send + Sync>>;
    /// What orders a record within its shard.
    fn key(&self, _shard: &str, key: Bytes) -> Bytes {
        key
    }
    /// The records that a record holds when it is to be taken apart. One that `is_begun` was taken apart
    /// before.
    fn parts(&self, _record: &ShardRecord, _is_begun: bool) -> Option<Vec<Part>> {
        None
    }
    /// How many bytes of a record its shard counts.
    fn n_bytes(&self, record: &ShardRecord) -> usize {
        record.data.len() + record.key.len()
    }
    /// Which facts are true of the records that one of these holds.
    fn part_facts(&self, facts_idx: usize) -> usize {
        facts_idx
    }
    /// Where an open shard begins at LATEST: a place that lasts, whatever is written from the answer on lies
    /// behind it.
    fn latest<'a>(
        &'a self,
        stream: &'a ShardStream,
        shard: &'a str,
    ) -> BoxFuture<'a, Result<ShardPlace, ShardError>>;
    /// What is told of a stream that was switched off.
    fn disabled(&self) -> Option<ShardError> {
        None
    }
    /// An answer that cannot be used.
    fn unusable(&self, why: String) -> ShardError;
}
