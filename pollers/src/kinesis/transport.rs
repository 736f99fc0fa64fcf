//! Which code calls Kinesis: our own, or AWS's SDK.

use std::sync::Arc;

use forebay_clients::{AwsAccess, Transport};

use super::choice::WhichStream;
use super::error::KinesisError;
use super::plain::PlainKinesis;
use super::sdk::SdkKinesis;
use crate::shards::ShardCalls;

/// A client for a stream; nothing is called yet.
pub(super) fn connect(
    which: &WhichStream,
    access: AwsAccess,
    transport: Transport,
) -> Result<Arc<dyn ShardCalls>, KinesisError> {
    Ok(match transport {
        Transport::Plain => Arc::new(PlainKinesis::new(which, access)?),
        Transport::Sdk => Arc::new(SdkKinesis::new(which, access)),
    })
}
