//! What is Kinesis's own about the records of a shard and about its end: aggregates, and LATEST by reading.

use std::any::Any;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::aggregate;
use super::choice::Choice;
use super::data::{self, BASE64, ENCRYPTED};
use super::error::KinesisError;
use super::event::{KinesisFormat, ShardFacts};
use crate::shards::{
    IteratorAt, Part, PartsDone, Rate, Refusal, ShardError, ShardPlace, ShardRecord, ShardStream,
    ShardTraits, StreamDescription, StreamFacts,
};
use crate::source::{BoxFuture, EventFormat};

/// Five calls a second are a shard's: with more readers one would wait longer than a second.
const READERS_MAX: NonZeroUsize = NonZeroUsize::new(5).expect("it is not zero");
/// The most records that one call may ask for.
const RECORDS_MAX: u32 = 10_000;
/// A shard allows five calls and two megabytes a second; a little less often, for clocks run apart.
const RATE: Rate = Rate { between: Duration::from_millis(210), bytes_per_second: Some(2_000_000.0) };
/// The end of a shard is looked for from so long ago on, the shortest that the server takes: longer ones are
/// for a clock that is fast. Times of arrival are exact to about a second.
const AGO_MS: [i64; 5] = [5_000, 60_000, 600_000, 3_600_000, 86_400_000];
/// Reads until the end of a shard is reached; what comes then was written meanwhile.
const READS_MAX: usize = 64;

/// How a stream is read.
pub(super) fn facts(what: String, choice: &Choice) -> StreamFacts {
    let poll_interval = choice.poll_interval;
    StreamFacts { what, readers_max: READERS_MAX, records_max: RECORDS_MAX, rate: RATE, poll_interval }
}

/// What an operator chose, as readers ask for it.
pub(super) struct KinesisTraits(pub(super) Choice);

impl ShardTraits for KinesisTraits {
    fn format(&self) -> &'static dyn EventFormat {
        &KinesisFormat
    }

    /// By what is set in a record's index.
    fn facts(&self, stream: &StreamDescription, shard: &str) -> Vec<Arc<dyn Any + Send + Sync>> {
        let identity_arn = self.0.identity_arn.as_deref();
        let facts = |idx| ShardFacts::new(&stream.arn, identity_arn, shard, idx);
        (0..=(ENCRYPTED | BASE64)).map(|idx| Arc::new(facts(idx)) as _).collect()
    }

    fn parts(&self, record: &ShardRecord, is_begun: bool) -> Option<Vec<Part>> {
        if self.0.deaggregates || is_begun {
            aggregate::split(&data::beginning_with(record, &aggregate::MAGIC)?)
        } else {
            None
        }
    }

    fn n_bytes(&self, record: &ShardRecord) -> usize {
        data::n_bytes(record) + record.key.len()
    }

    /// Data of an aggregate's records was put as it is.
    fn part_facts(&self, facts_idx: usize) -> usize {
        facts_idx & !BASE64
    }

    fn latest<'a>(
        &'a self,
        stream: &'a ShardStream,
        shard: &'a str,
    ) -> BoxFuture<'a, Result<ShardPlace, ShardError>> {
        Box::pin(latest(stream, shard))
    }

    fn unusable(&self, why: String) -> ShardError {
        KinesisError::Refused(why).into()
    }
}

/// The end of a shard as a place that lasts. An iterator at LATEST would be void after five minutes, and
/// this machine's time may be another than the server's. So the shard is read from a little while ago up
/// to its end: behind the last record that is there lies what is to come, whatever any clock says. Where
/// nothing is there, the time does: the server refuses one that it has not reached, so that whatever is
/// written from now on is later.
async fn latest(stream: &ShardStream, shard: &str) -> Result<ShardPlace, ShardError> {
    let (at, mut iterator) = a_while_ago(stream, shard).await?;
    let mut last = None;
    for _ in 0..READS_MAX {
        let answer = stream.read(shard, &iterator, RECORDS_MAX).await?;
        let is_at_end = answer.behind_ms.map_or(answer.records.is_empty(), |it| it == 0);
        last = answer.records.into_iter().next_back().map(|it| it.id).or(last);
        match answer.next {
            Some(next) if !is_at_end => iterator = next,
            Some(_) | None => break,
        }
    }
    match last {
        Some(last) => Ok(ShardPlace::At(stream.sequence_of(&last)?, PartsDone::Whole)),
        None => Ok(ShardPlace::Time(at)),
    }
}

/// An iterator at a time that the server has reached, and that time.
async fn a_while_ago(stream: &ShardStream, shard: &str) -> Result<(i64, String), ShardError> {
    let now_ms = stream.calls.now_ms();
    let mut refused = String::new();
    for ago in AGO_MS {
        let at = now_ms.saturating_sub(ago).max(0);
        match stream.calls.iterator(shard, IteratorAt::Time(at)).await {
            Err(error) if error.refusal == Refusal::NoPlace => refused = error.said,
            other => return other.map(|iterator| (at, iterator)),
        }
    }
    Err(KinesisError::Clock(refused).into())
}
