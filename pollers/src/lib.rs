//! Sources: kinds, readers, and the feed that reads once for many mappings. It never calls a function and
//! never writes a checkpoint.

pub mod catalog;
#[cfg(any(test, feature = "fakes"))]
pub mod contract;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod feed;
#[cfg(feature = "file")]
pub mod file;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "kinesis")]
pub mod kinesis;
#[cfg(test)]
mod played;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;
#[cfg(feature = "schemas")]
pub mod schemas;
#[cfg(any(feature = "dynamodb", feature = "kinesis"))]
mod shards;
pub mod source;
#[cfg(feature = "sqs")]
pub mod sqs;

pub use catalog::{AddError, aws_words, kinds, services, settings};
pub use feed::{Events, Feed, FeedEvent, FeedLimits, RecordFilter, Subscriber, Subscription, lets_through};
pub use source::*;
