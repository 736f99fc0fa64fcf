//! What is DynamoDB's own about the records of a shard and about its end: keys of items, and LATEST by an
//! iterator and the server's time.

use std::any::Any;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::choice::WhichTable;
use super::error::DynamoError;
use super::event::{DynamoFormat, StreamFact};
use crate::shards::{
    IteratorAt, PartsDone, Rate, ShardError, ShardPlace, ShardStream, ShardTraits, StreamDescription,
    StreamFacts,
};
use crate::source::{BoxFuture, EventFormat};

/// More readers of a shard are throttled.
const READERS_MAX: NonZeroUsize = NonZeroUsize::new(2).expect("it is not zero");
/// The most records that one call may ask for.
const RECORDS_MAX: u32 = 1_000;
/// Five calls a second for each shard; a little less often, for clocks run apart.
const RATE: Rate = Rate { between: Duration::from_millis(210), bytes_per_second: None };
/// Times of records and of answers are cut to a second; DynamoDB Local cuts those of records to a minute.
const TIMES_ARE_EARLY_BY_MS: i64 = 120_000;

/// How a stream is read.
pub(super) fn facts(which: &WhichTable, poll_interval: Duration) -> StreamFacts {
    StreamFacts {
        what: format!("the stream of table {which}"),
        readers_max: READERS_MAX,
        records_max: RECORDS_MAX,
        rate: RATE,
        poll_interval,
    }
}

/// Nothing is chosen that would make a difference.
pub(super) struct DynamoTraits;

impl ShardTraits for DynamoTraits {
    fn format(&self) -> &'static dyn EventFormat {
        &DynamoFormat
    }

    fn facts(&self, stream: &StreamDescription, _shard: &str) -> Vec<Arc<dyn Any + Send + Sync>> {
        vec![Arc::new(StreamFact::new(&stream.arn))]
    }

    /// The shard before the item: a failure record names it, and nothing else of a record does.
    fn key(&self, shard: &str, item: Bytes) -> Bytes {
        [shard.as_bytes(), b"/", &item].concat().into()
    }

    /// The end of a shard, which has no place that lasts before something was read of it. So an iterator
    /// is taken there and kept with the server's time: it is good for 15 minutes, and whoever comes later
    /// begins at the first record of the shard and leaves out what is older. That may give a few records that
    /// are older than the start, never one too few.
    fn latest<'a>(
        &'a self,
        stream: &'a ShardStream,
        shard: &'a str,
    ) -> BoxFuture<'a, Result<ShardPlace, ShardError>> {
        Box::pin(async move {
            let iterator = stream.calls.iterator(shard, IteratorAt::Latest).await?;
            // The time of its answer, earlier by what times are cut: once it has expired, nothing behind it
            // may be left out.
            let at = stream.calls.now_ms() - TIMES_ARE_EARLY_BY_MS;
            // What is read now was written before the mapping is Enabled.
            let read = stream.read(shard, &iterator, RECORDS_MAX).await?;
            match (read.records.last(), read.next) {
                (Some(last), _) => Ok(ShardPlace::At(stream.sequence_of(&last.id)?, PartsDone::Whole)),
                (None, Some(next)) => Ok(ShardPlace::Since(at, next)),
                // It was closed while this was asked; what comes is its children's.
                (None, None) => Ok(ShardPlace::End),
            }
        })
    }

    fn disabled(&self) -> Option<ShardError> {
        Some(DynamoError::Disabled.into())
    }

    fn unusable(&self, why: String) -> ShardError {
        DynamoError::Refused(why).into()
    }
}
