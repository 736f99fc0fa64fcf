//! Places for what was given up on, one file each.

mod aws;
pub mod event_bus;
pub mod file;
pub mod function;
pub mod http;
pub mod s3;
pub mod sns;
pub mod sqs;

use std::time::Duration;

pub use event_bus::EventBusDestination;
pub use file::{FileDestination, FileDestinations};
pub use function::FunctionDestination;
pub use http::HttpDestination;
pub use s3::S3Destination;
pub use sns::SnsDestination;
pub use sqs::SqsDestination;

/// The longest that one delivery may take, a wait for a slot of a function apart; after it the record counts
/// as not taken.
pub const DELIVERY_TIME_MAX: Duration = Duration::from_secs(30);
