//! What a mapping hands its destination: a failure record, rendered.

use std::sync::Arc;

use forebay_batcher::{Notice, UnixMillis};
use forebay_invoker::notice::{self, NoticeContext};
use forebay_invoker::{DeliveryError, Destination, FailureRecord};
use forebay_pollers::Source;

/// A mapping's way to its destination.
#[derive(Clone)]
pub struct Outbox {
    destination: Arc<dyn Destination>,
    function_arn: String,
    include_payload: bool,
}

impl Outbox {
    /// A way to `destination` for records that `function_arn` did not take.
    pub fn new(destination: Arc<dyn Destination>, function_arn: String, include_payload: bool) -> Self {
        Self { destination, function_arn, include_payload }
    }

    /// What people call the destination.
    pub fn label(&self) -> String {
        self.destination.label()
    }

    /// Hands the records of a notice over.
    ///
    /// # Errors
    /// The destination did not take them, or nobody knows.
    pub async fn deliver(
        &self,
        notice: &Notice,
        source: &dyn Source,
        now: UnixMillis,
    ) -> Result<(), DeliveryError> {
        let records = notice.slice.records();
        let (key, info) = source.format().batch_info(records);
        let payload = self.include_payload.then(|| source.format().wrap(records).concat());
        let context = NoticeContext {
            function_arn: &self.function_arn,
            batch_info: (key, &info),
            payload: payload.as_deref(),
            now,
        };
        let json = notice::render(notice, &context);
        let original_key = records.first().and_then(|record| source.format().original_key(record));
        self.destination.deliver(FailureRecord { json, original_key }).await
    }
}
