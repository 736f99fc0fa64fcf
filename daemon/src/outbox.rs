//! What a mapping hands its destination: a failure record, rendered.

use std::sync::Arc;

use forebay_batcher::{Notice, UnixMillis};
use forebay_invoker::notice::{self, NoticeContext};
use forebay_invoker::{DeliveryError, Destination, FailureRecord};
use forebay_pollers::{Source, iso_seconds};

use crate::mapping_task::InWindow;

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
        in_window: Option<&InWindow>,
        source: &dyn Source,
        now: UnixMillis,
    ) -> Result<(), DeliveryError> {
        let records = notice.slice.records();
        let (key, mut info) = source.format().batch_info(records);
        // Records say themselves where they lie; only the last invocation of a window has none.
        if let Some(it) = in_window.filter(|_| records.is_empty()) {
            describe_window(it, &mut info);
        }
        let event = || {
            let event = source.format().wrap(records);
            match in_window {
                Some(window) => window.add_to(event).concat(),
                None => event.concat(),
            }
        };
        // Rendered only where it is sent: it may have megabytes.
        let payload = self.include_payload.then(event);
        let context = NoticeContext {
            function_arn: &self.function_arn,
            batch_info: (key, &info),
            payload: payload.as_deref(),
            now,
        };
        let json = notice::render(notice, &context);
        // Sources with shards tell it in these words, whatever they call their batches.
        let shard = info["shardId"].as_str().map(str::to_owned);
        let original_key = records.first().and_then(|record| source.format().original_key(record));
        self.destination.deliver(FailureRecord { json, original_key, shard, at: now }).await
    }
}

/// What a failure record says of a window that was given up: it has no records that could tell.
fn describe_window(it: &InWindow, info: &mut serde_json::Value) {
    let span = it.window.span;
    info["shardId"] = it.facts.shard_id.clone().into();
    info["streamArn"] = it.facts.event_source_arn.clone().into();
    info["window"] = serde_json::json!({ "start": iso_seconds(span.start), "end": iso_seconds(span.end) });
}
