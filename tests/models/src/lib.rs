//! Strict models of what sources read from, without IO: a file, a stream's track, a tree of shards, a log
//! with a group, a queue with visibility, a queue behind channels, SQS. For the simulator, the fakes and the
//! test servers.

pub mod channel;
pub mod file;
pub mod group;
pub mod queue;
pub mod shards;
pub mod sqs;
pub mod stream;
