//! Streams that are trees of shards and are read by polls: what the kinds that have them share.
//!
//! A track is a shard of one stream, a position a sequence number (`place`). A kind brings its calls
//! (`ShardCalls`) and what is its own about records and about the end of a shard (`ShardTraits`); `reader`
//! reads a shard over both. `fake` is a stream in memory.

mod calls;
mod error;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
pub(crate) mod fake_push;
mod pace;
mod place;
mod pushed;
mod reader;
mod source;
mod stream;
#[cfg(test)]
pub(crate) mod suite;
mod told;
pub(crate) mod words;

#[allow(unused_imports, reason = "not every kind of source has records in parts")]
pub(crate) use calls::Part;
pub(crate) use calls::{
    IteratorAt, Page, Pushes, ShardCalls, ShardInfo, ShardRead, ShardRecord, ShardTraits, StreamDescription,
    SubscribeAt, Subscriptions, digits_with_zeros,
};
pub(crate) use error::{Complaint, Refusal, ShardError};
pub(crate) use pace::{Pace as ShardPace, Rate};
#[cfg(test)]
pub(crate) use place::behind as bound_behind;
pub(crate) use place::{PartsDone, ShardPlace};
pub(crate) use source::ShardSource;
pub(crate) use stream::{ShardStream, StreamFacts};
pub(crate) use told::{batch_info, reported_record};
