//! Strict models of what sources read from, without IO: a file, a stream's track, a tree of shards, a queue
//! with visibility, SQS. For the simulator, the fakes and the test servers.

pub mod file;
pub mod queue;
pub mod shards;
pub mod sqs;
pub mod stream;
