//! Fakes of the shapes that sources come in beside those of the kinds that are built in: a tree of shards
//! read by pull and by push, tracks that a group deals out, and a queue behind a channel that dies.

mod channel;
mod group;
mod plain;
mod shards;
#[cfg(test)]
mod tests;

pub use self::channel::{ChannelQueueSubject, FakeChannel};
pub use self::group::{FakeGroup, GroupLogSubject};
pub use self::shards::{FakeShards, ShardSubject, Way};
