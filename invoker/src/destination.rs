//! Takes what was given up on.

use bytes::Bytes;
use forebay_batcher::UnixMillis;

use crate::executor::BoxFuture;

/// A failure record, rendered.
#[derive(Debug, Clone)]
pub struct FailureRecord {
    /// Its JSON.
    pub json: Bytes,
    /// The key of the original record, where a destination keeps keys.
    pub original_key: Option<Bytes>,
    /// The headers of the original record, in order, where a destination keeps headers.
    pub headers: Vec<(String, Bytes)>,
    /// The shard of the records, where their source has shards.
    pub shard: Option<String>,
    /// When it was made.
    pub at: UnixMillis,
}

/// Takes what was given up on.
pub trait Destination: Send + Sync {
    /// Delivers once; `Ok` means that the destination has it for good. It always ends by itself.
    fn deliver(&self, record: FailureRecord) -> BoxFuture<'_, Result<(), DeliveryError>>;
    /// What people call it.
    fn label(&self) -> String;
    /// What it is to be given.
    fn form(&self) -> FailureForm {
        FailureForm::Whole
    }
}

/// What a destination is given of records that were given up together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureForm {
    /// One failure record, with the event as JSON text where it is wanted.
    Whole,
    /// A failure record for each record, with the event of that one as an object, where the source can tell of
    /// single records; else one for all of them.
    EachRecord,
}

/// A destination did not take a failure record, or nobody knows.
#[derive(Debug, thiserror::Error)]
#[error("destination {destination} did not take a failure record")]
pub struct DeliveryError {
    /// Which destination.
    pub destination: String,
    /// The page that explains it.
    pub code: &'static str,
    /// Why.
    #[source]
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}
