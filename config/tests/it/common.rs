//! Sources and documents for the tests of whole configs.

use std::collections::BTreeMap;
use std::path::Path;

use forebay_config::aws::AwsService;
use forebay_config::destination::SQS;
use forebay_config::profile::{FilterMismatch, Setting, SourceShape};
use forebay_config::{
    Config, Document, Fields, Finding, Format, Lookup, Node, Redelivery, SourceProfile, Sources, aws_service,
    diagnostic,
};

const STREAM: &[Setting] = &[
    Setting::BatchingWindow,
    Setting::StartingPosition,
    Setting::AtTimestamp,
    Setting::ParallelizationFactor,
    Setting::TumblingWindow,
    Setting::RetryAttempts,
    Setting::RecordAge,
    Setting::Bisect,
    Setting::ResponseTypes,
    Setting::OnFailure,
];

const BASE: SourceProfile = SourceProfile {
    kind: "stream",
    shape: SourceShape::Tracks,
    batch_size_default: 100,
    batch_size_max: 10_000,
    window_ms_default: 0,
    batch_size_without_window_max: None,
    settings: STREAM,
    data_key: Some("data"),
    filter_mismatch: FilterMismatch::Drop,
    plain_data_patterns: false,
    mixes_tracks: false,
    retries_to_destination: None,
    redelivery: Redelivery::ByUs,
    concurrency_default: None,
    function_timeout_max: 900,
};

/// Obeys all that a stream can do.
pub(crate) static STREAM_PROFILE: SourceProfile = BASE;
/// A standard queue.
pub(crate) static QUEUE_PROFILE: SourceProfile = SourceProfile {
    kind: "queue",
    shape: SourceShape::Queue,
    batch_size_default: 10,
    batch_size_without_window_max: Some(10),
    settings: &[
        Setting::BatchingWindow,
        Setting::ResponseTypes,
        Setting::MaximumConcurrency,
        Setting::ProvisionedPollers,
    ],
    data_key: Some("body"),
    plain_data_patterns: true,
    redelivery: Redelivery::BySource,
    ..BASE
};
/// A queue with ordered groups.
pub(crate) static FIFO_PROFILE: SourceProfile = SourceProfile {
    kind: "fifo",
    shape: SourceShape::GroupQueue,
    batch_size_default: 10,
    batch_size_max: 10,
    settings: &[Setting::ResponseTypes, Setting::MaximumConcurrency],
    ..QUEUE_PROFILE
};
/// A broker with a shorter time for functions and a window of half a second, without `AT_TIMESTAMP`.
pub(crate) static BROKER_PROFILE: SourceProfile = SourceProfile {
    kind: "broker",
    window_ms_default: 500,
    settings: &[
        Setting::BatchingWindow,
        Setting::StartingPosition,
        Setting::RetryAttempts,
        Setting::RecordAge,
        Setting::OnFailure,
        Setting::ProvisionedPollers,
    ],
    retries_to_destination: Some(10),
    function_timeout_max: 840,
    ..BASE
};

/// What the kind `stream` calls.
pub(crate) static STREAMS: AwsService = aws_service!("streams", "STREAMS", "Streams in JSON");

pub(crate) struct Fakes;

impl Sources for Fakes {
    fn kinds(&self) -> Vec<&'static str> {
        vec!["stream", "queue", "fifo", "broker"]
    }
    fn profile(&self, kind: &str, _settings: &Node) -> Option<&'static SourceProfile> {
        [&STREAM_PROFILE, &QUEUE_PROFILE, &FIFO_PROFILE, &BROKER_PROFILE]
            .into_iter()
            .find(|it| it.kind == kind)
    }
    fn services(&self) -> Vec<&'static AwsService> {
        vec![&SQS, &STREAMS]
    }
    fn check(&self, kind: &str, settings: &Node, _base: &Path) -> Vec<Finding> {
        Fields::read(settings, kind, |fields| fields.required("name", |it| it.text()))
            .err()
            .unwrap_or_default()
    }
}

pub(crate) struct Variables(pub(crate) &'static [(&'static str, &'static str)]);

impl Lookup for Variables {
    fn env(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
    }
    fn file(&self, path: &Path) -> Result<String, String> {
        self.env(path.to_str().unwrap_or_default()).ok_or_else(|| "no such file".to_owned())
    }
}

/// Reads and checks documents; the base of all is `/base`.
pub(crate) fn check_all(texts: &[(&str, &str)], variables: &Variables) -> Result<Config, Vec<Finding>> {
    let mut documents = Vec::new();
    let mut findings = Vec::new();
    for (file, text) in texts {
        match Document::parse(file, text, Format::of_path(Path::new(file)), Path::new("/base")) {
            Ok(mut document) => {
                findings.extend(document.expand(variables));
                documents.push(document);
            }
            Err(found) => findings.extend(found),
        }
    }
    if documents.len() < texts.len() {
        return Err(findings);
    }
    match Config::check(&documents, &Fakes) {
        Ok(config) => {
            assert!(findings.is_empty(), "a config with unfilled placeholders was taken");
            Ok(config)
        }
        Err(more) => Err(findings.into_iter().chain(more).collect()),
    }
}

pub(crate) fn check(text: &str) -> Result<Config, Vec<Finding>> {
    check_all(&[("forebay.yaml", text)], &Variables(&[]))
}

/// One line a finding.
pub(crate) fn lines(findings: &[Finding]) -> String {
    let line = |it: &Finding| {
        let fix = it.fix.as_deref().map(|fix| format!(" ({fix})")).unwrap_or_default();
        format!(
            "{}:{}:{} {} {}: {}{fix}\n",
            it.place.file, it.place.line, it.place.column, it.code, it.path, it.message
        )
    };
    findings.iter().map(line).collect()
}

/// The findings as drawn over their texts.
pub(crate) fn drawn(texts: &[(&str, &str)], findings: &[Finding]) -> String {
    let texts: BTreeMap<String, String> =
        texts.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect();
    diagnostic::draw(findings, &texts, diagnostic::Style::Plain)
}
