//! The kinds of source that are built in, as the config must know them.

use std::path::Path;
use std::sync::LazyLock;

use forebay_api::mapping::known_sources;
use forebay_config::aws::{AwsService, AwsWords};
use forebay_config::{Finding, Node, SourceProfile, Sources};
use forebay_pollers::SourceKind;

/// The catalog of `pollers`.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn;

impl BuiltIn {
    /// One kind.
    pub fn kind(kind: &str) -> Option<&'static dyn SourceKind> {
        forebay_pollers::kinds().iter().copied().find(|it| it.profile().kind == kind)
    }

    /// What Lambda's API says of each type of event source that is known.
    pub fn aws_words() -> &'static [&'static AwsWords] {
        &AWS_WORDS
    }
}

/// What Lambda's API says of sources: first of those that are built in.
static AWS_WORDS: LazyLock<Vec<&'static AwsWords>> =
    LazyLock::new(|| known_sources(forebay_pollers::aws_words()));

impl Sources for BuiltIn {
    fn kinds(&self) -> Vec<&'static str> {
        forebay_pollers::kinds().iter().map(|it| it.profile().kind).collect()
    }

    fn profile(&self, kind: &str, settings: &Node) -> Option<&'static SourceProfile> {
        Self::kind(kind).map(|it| it.profile_of(settings))
    }

    fn services(&self) -> Vec<&'static AwsService> {
        forebay_pollers::services()
    }

    fn check(&self, kind: &str, settings: &Node, base: &Path) -> Vec<Finding> {
        let Some(known) = Self::kind(kind) else { return Vec::new() };
        let mut findings = known.parse(settings, base).err().unwrap_or_default();
        for it in &mut findings {
            // A source names its settings from `source` on; the config puts that before itself.
            if let Some(path) = it.path.strip_prefix("source.") {
                it.path = path.to_owned();
            }
        }
        findings
    }
}
