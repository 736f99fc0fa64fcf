//! Places for what was given up on, one file each.

mod aws;
pub mod event_bus;
pub mod file;
pub mod function;
pub mod http;
pub mod kafka;
pub mod s3;
pub mod sns;
pub mod sqs;

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

pub use event_bus::EventBusDestination;
pub use file::{FileDestination, FileDestinations};
pub use function::FunctionDestination;
pub use http::HttpDestination;
pub use kafka::BrokerProducers;
pub use s3::S3Destination;
pub use sns::SnsDestination;
pub use sqs::SqsDestination;

/// The longest that one delivery may take, a wait for a slot of a function apart; after it the record counts
/// as not taken.
pub const DELIVERY_TIME_MAX: Duration = Duration::from_secs(30);

/// A destination cannot be made of its settings.
#[derive(Debug, thiserror::Error)]
#[error("its settings cannot be used")]
pub struct UnfitDestination {
    code: &'static str,
    #[source]
    cause: Box<dyn std::error::Error + Send + Sync>,
}

impl UnfitDestination {
    fn new(code: &'static str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { code, cause: cause.into() }
    }

    /// The page that explains it.
    pub fn code(&self) -> &'static str {
        self.code
    }
}

/// A failure record without its `payload`, for those that are too long.
fn without_payload(json: &Bytes) -> Bytes {
    match serde_json::from_slice(json) {
        Ok(Value::Object(mut record)) => {
            // Not `remove`, which would move the last member into the gap.
            record.shift_remove("payload");
            Value::Object(record).to_string().into()
        }
        Ok(_) | Err(_) => json.clone(),
    }
}
