//! Which code calls a queue: our own, or AWS's SDK.

use std::sync::Arc;

use forebay_clients::{AwsAccess, Transport};

use super::client::Sqs;
use super::error::SqsError;
use super::plain::PlainSqs;
use super::sdk::SdkSqs;
use super::settings::Which;

/// Connects to a queue.
pub(super) async fn connect(
    which: &Which,
    owner: Option<&str>,
    access: AwsAccess,
    transport: Transport,
) -> Result<Arc<dyn Sqs>, SqsError> {
    Ok(match transport {
        Transport::Plain => Arc::new(PlainSqs::connect(which, owner, access).await?),
        Transport::Sdk => Arc::new(SdkSqs::connect(which, owner, access).await?),
    })
}
