//! What a mapping hands its destination: a failure record, rendered.

use std::slice;
use std::sync::Arc;

use forebay_batcher::{Notice, Record, UnixMillis};
use forebay_invoker::notice::{self, EventPayload, NoticeContext};
use forebay_invoker::{DeliveryError, Destination, FailureForm, FailureRecord};
use forebay_pollers::{LoneRecord, Source, iso_seconds};
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};

use crate::mapping_task::InWindow;

/// So many records of a notice are under way to a destination at once that takes them one by one.
const N_UNDER_WAY_MAX: usize = 256;

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
    /// The destination did not take them, or nobody knows. Of records that go one by one some may be there
    /// then, and come again with the others.
    pub async fn deliver(
        &self,
        notice: &Notice,
        in_window: Option<&InWindow>,
        source: &dyn Source,
        now: UnixMillis,
    ) -> Result<(), DeliveryError> {
        let records = notice.slice.records();
        let goes_alone = |it: &Record| source.format().alone(it).is_some();
        match self.destination.form() {
            FailureForm::EachRecord if records.first().is_some_and(goes_alone) => {
                let each: Vec<_> =
                    records.iter().map(|it| self.deliver_alone(notice, it, source, now)).collect();
                stream::iter(each).buffer_unordered(N_UNDER_WAY_MAX).try_for_each(|()| future::ok(())).await
            }
            form @ (FailureForm::Whole | FailureForm::EachRecord) => {
                self.deliver_whole(notice, in_window, source, form, now).await
            }
        }
    }

    /// One record as a batch of its own.
    async fn deliver_alone(
        &self,
        notice: &Notice,
        record: &Record,
        source: &dyn Source,
        now: UnixMillis,
    ) -> Result<(), DeliveryError> {
        let Some(LoneRecord { info, key, headers }) = source.format().alone(record) else { return Ok(()) };
        let event = self.include_payload.then(|| source.format().wrap(slice::from_ref(record)).concat());
        let context = NoticeContext {
            function_arn: &self.function_arn,
            batch_info: (info.0, &info.1),
            payload: event.as_deref().map(EventPayload::Object),
            now,
        };
        let json = notice::render(notice, &context);
        self.destination
            .deliver(FailureRecord { json, original_key: key, headers, shard: None, at: now })
            .await
    }

    /// All of them in one failure record.
    async fn deliver_whole(
        &self,
        notice: &Notice,
        in_window: Option<&InWindow>,
        source: &dyn Source,
        form: FailureForm,
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
        let event = self.include_payload.then(event);
        let context = NoticeContext {
            function_arn: &self.function_arn,
            batch_info: (key, &info),
            payload: event.as_deref().map(|it| match form {
                FailureForm::Whole => EventPayload::Text(it),
                FailureForm::EachRecord => EventPayload::Object(it),
            }),
            now,
        };
        let json = notice::render(notice, &context);
        // Sources with shards tell it in these words, whatever they call their batches.
        let shard = info["shardId"].as_str().map(str::to_owned);
        let original_key = records.first().and_then(|record| source.format().original_key(record));
        let record = FailureRecord { json, original_key, headers: Vec::new(), shard, at: now };
        self.destination.deliver(record).await
    }
}

/// What a failure record says of a window that was given up: it has no records that could tell.
fn describe_window(it: &InWindow, info: &mut serde_json::Value) {
    let span = it.window.span;
    info["shardId"] = it.facts.shard_id.clone().into();
    info["streamArn"] = it.facts.event_source_arn.clone().into();
    info["window"] = serde_json::json!({ "start": iso_seconds(span.start), "end": iso_seconds(span.end) });
}
