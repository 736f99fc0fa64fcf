//! SQS queues, standard and FIFO. `docs/sources/sqs.md` is the manual.
//!
//! `client` says which calls are made; `plain` makes them, or `sdk`, the only file that knows AWS's SDK;
//! `reader` receives, settles and extends over them; `fake` is a queue in memory.

mod client;
#[cfg(test)]
pub(crate) mod cost_tests;
mod digest;
mod error;
mod event;
#[cfg(any(test, feature = "fakes"))]
pub mod fake;
mod message;
mod plain;
mod reader;
mod sdk;
mod settings;
#[cfg(test)]
mod tests;
mod transport;
#[cfg(test)]
mod transport_tests;
mod words;

use std::path::Path;
use std::sync::Arc;

use forebay_config::aws::AwsWords;
use forebay_config::destination::SQS;
use forebay_config::profile::{FilterMismatch, Setting, SourceShape};
use forebay_config::settings::SettingSpec;
use forebay_config::{Finding, Node, Redelivery, SourceProfile};

use self::client::{Description, Sqs};
use self::error::SqsError;
use self::reader::{QueueChoice, SqsQueue};
use self::settings::SqsSettings;
use crate::source::{
    Backlog, BoxFuture, EventFormat, Explorer, Input, Queue, Source, SourceError, SourceKind, SourceSettings,
    Stand,
};

/// `source: { sqs: … }`
#[derive(Debug)]
pub struct SqsKind;

/// A larger batch of a standard queue needs a window.
const BATCH_SIZE_WITHOUT_WINDOW_MAX: u32 = 10;
/// A FIFO queue has no larger one.
const FIFO_BATCH_SIZE_MAX: u32 = 10;

static STANDARD: SourceProfile = SourceProfile {
    kind: "sqs",
    shape: SourceShape::Queue,
    batch_size_default: 10,
    batch_size_max: 10_000,
    window_ms_default: 0,
    batch_size_without_window_max: Some(BATCH_SIZE_WITHOUT_WINDOW_MAX),
    settings: &[
        Setting::BatchingWindow,
        Setting::RetryAttempts,
        Setting::RecordAge,
        Setting::ResponseTypes,
        Setting::OnFailure,
        Setting::MaximumConcurrency,
        Setting::ProvisionedPollers,
    ],
    data_key: Some("body"),
    filter_mismatch: FilterMismatch::Drop,
    plain_data_patterns: true,
    mixes_tracks: false,
    retries_to_destination: None,
    redelivery: Redelivery::BySource,
    concurrency_default: None,
    function_timeout_max: 900,
};

static FIFO: SourceProfile = SourceProfile {
    shape: SourceShape::GroupQueue,
    batch_size_max: FIFO_BATCH_SIZE_MAX,
    batch_size_without_window_max: None,
    settings: &[
        Setting::RetryAttempts,
        Setting::RecordAge,
        Setting::ResponseTypes,
        Setting::OnFailure,
        Setting::MaximumConcurrency,
        Setting::ProvisionedPollers,
    ],
    ..STANDARD
};

impl SourceKind for SqsKind {
    fn profile(&self) -> &'static SourceProfile {
        &STANDARD
    }

    fn settings(&self) -> &'static [SettingSpec] {
        &settings::SPECS
    }

    fn aws_words(&self) -> &'static [&'static AwsWords] {
        &words::ALL
    }

    fn profile_of(&self, settings: &Node) -> &'static SourceProfile {
        if settings::names_fifo(settings) { &FIFO } else { &STANDARD }
    }

    fn parse(&self, settings: &Node, base: &Path) -> Result<Box<dyn SourceSettings>, Vec<Finding>> {
        SqsSettings::parse(settings, base).map(|it| Box::new(it) as Box<dyn SourceSettings>)
    }
}

/// A queue that was found.
pub(crate) struct SqsSource {
    sqs: Arc<dyn Sqs>,
    what: String,
    queue: Arc<dyn Queue>,
    name: String,
    terms: String,
}

impl SqsSource {
    async fn connect(sqs: Arc<dyn Sqs>, settings: &SqsSettings, what: String) -> Result<Self, SourceError> {
        let description: Description = match sqs.describe().await {
            Ok(it) => it,
            Err(error) => return Err(error.on(&what)),
        };
        // AWS refuses such a queue, whatever a receive asks for.
        if description.visibility.is_zero() {
            return Err(SqsError::NoVisibility.on(&what));
        }
        // Mappings read the same when they call it by the same ARN at the same place.
        let place = settings.aws.endpoint_of(&SQS).unwrap_or("AWS");
        let name = format!("{} at {place}", description.arn);
        let terms = settings.terms();
        let choice = QueueChoice { fans_out: settings.fans_out, retry_after: settings.retry_after };
        let queue = SqsQueue::new(Arc::clone(&sqs), &description, choice, what.clone());
        Ok(Self { sqs, what, queue: Arc::new(queue), name, terms })
    }
}

impl Source for SqsSource {
    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn terms(&self) -> &str {
        &self.terms
    }

    fn input(&self) -> Input<'_> {
        Input::Queue(&self.queue)
    }

    fn format(&self) -> &dyn EventFormat {
        &event::SqsFormat
    }

    fn explorer(&self) -> &dyn Explorer {
        self
    }
}

impl Explorer for SqsSource {
    /// Messages that nobody has received; those in flight are claimed.
    fn backlog<'a>(&'a self, _stands: &'a [Stand]) -> BoxFuture<'a, Result<Backlog, SourceError>> {
        Box::pin(async {
            let n_visible = self.sqs.n_visible().await.map_err(|error| error.on(&self.what))?;
            Ok(Backlog { records: Some(n_visible), bytes: None })
        })
    }
}
