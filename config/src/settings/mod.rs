//! Every setting, once: type, range, default, AWS's name, which sources obey it, and its page in the manual.
//!
//! The readers take ranges and defaults from here, and so do `explain`, the JSON schema, the manual, what
//! Lambda's API takes and shows, and the flags of `forebay mappings`. A test walks the table and holds the
//! readers to it.

mod api;
mod aws;
mod daemon;
mod explain;
mod function;
mod manual;
mod mapping;
mod member;
mod members;
mod reader;
mod schema;
#[cfg(feature = "added-row")]
pub mod testing;

pub use aws::{own_services, services};
pub use explain::{Explained, From, explain};
pub use manual::manual;
pub use member::{AwsMember, Flag};
pub use members::{AwsMembers, in_aws_words, in_config_words, is_nothing};
pub use schema::schema;

pub(crate) use api::*;
pub(crate) use aws::*;
pub(crate) use daemon::*;
pub(crate) use function::*;
pub(crate) use mapping::*;
pub(crate) use reader::{SettingsReader, named};

use crate::aws::{AwsScope, AwsService};
use crate::profile::{Setting, SourceProfile};

/// One setting.
#[derive(Debug, Clone)]
pub struct SettingSpec {
    /// Where it stands: `event_source_mappings[].batch_size`, `functions.*.timeout`.
    pub path: &'static str,
    /// What may be written.
    pub shape: Shape,
    /// What holds when nothing is written.
    pub default: DefaultValue,
    /// What Lambda's API says of it, where it has it.
    pub aws: Option<AwsMember>,
    /// Where the kind of source ends the range sooner.
    pub most: Option<fn(&SourceProfile) -> i64>,
    /// A mapping that runs takes another value over; with any other setting it begins anew.
    pub is_live: bool,
    /// What a source must be able to do for it; `None` for every source.
    pub needs: Option<Setting>,
    /// The manual: meaning, limits, why one would change it.
    pub text: &'static str,
}

/// What may be written under a setting.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// `true` or `false`.
    Switch,
    /// A whole number.
    Integer {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// A number of seconds, with fractions down to a millisecond.
    Seconds {
        /// The shortest, in milliseconds.
        min_ms: u64,
        /// The longest, in milliseconds.
        max_ms: u64,
    },
    /// Text.
    Text,
    /// A path; relative ones are taken from the config file.
    Path,
    /// A time: RFC 3339 text or epoch seconds.
    Time,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of these words.
    Words(&'static [&'static str]),
    /// A map of texts under names of the operator's choice.
    Texts,
    /// A list of texts.
    TextList,
    /// A map whose members are settings of their own.
    Group,
    /// An `aws:` block within a setting: those of the top level's settings that have a meaning there.
    Aws(AwsScope<'static>),
    /// A map with exactly one of its members.
    Choice,
    /// A list of maps.
    List,
    /// A map of maps under names of the operator's choice.
    Named,
    /// The kind of a source, and under it settings that the source reads.
    Source,
}

/// What holds when nothing is written.
#[derive(Debug, Clone, Copy)]
pub enum DefaultValue {
    /// It must be written.
    Required,
    /// It must be written where the source has it.
    RequiredWhereAllowed,
    /// Nothing; what that means.
    Absent(&'static str),
    /// A number.
    Integer(i64),
    /// A time in milliseconds.
    Millis(u64),
    /// On or off.
    Switch(bool),
    /// A word.
    Word(&'static str),
    /// These texts.
    Texts(&'static [&'static str]),
    /// What the source's profile says: a number, or for times milliseconds.
    OfSource(fn(&SourceProfile) -> i64),
}

impl SettingSpec {
    /// A setting without an AWS name that every source obeys.
    pub const fn new(path: &'static str, shape: Shape, default: DefaultValue, text: &'static str) -> Self {
        Self { path, shape, default, aws: None, most: None, is_live: false, needs: None, text }
    }

    /// Lambda's API has it too.
    #[must_use]
    pub const fn aws(mut self, member: AwsMember) -> Self {
        self.aws = Some(member);
        self
    }

    /// A mapping that runs takes another value over.
    const fn live(mut self) -> Self {
        self.is_live = true;
        self
    }

    /// The kind of source may end its range sooner.
    const fn most(mut self, most: fn(&SourceProfile) -> i64) -> Self {
        self.most = Some(most);
        self
    }

    const fn needs(mut self, setting: Setting) -> Self {
        self.needs = Some(setting);
        self
    }

    /// The key: the last part of the path.
    pub fn key(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, key)| key)
    }

    /// The services of AWS's that are called with it.
    pub fn services(&self) -> &'static [&'static AwsService] {
        if let Shape::Aws(scope) = self.shape { scope.services } else { &[] }
    }

    /// AWS's name as its validation errors have it: `batchSize`.
    pub(crate) fn aws_member(&self) -> Option<String> {
        let lower = |part: &str| {
            let mut chars = part.chars();
            chars
                .next()
                .map(|first| first.to_ascii_lowercase().to_string() + chars.as_str())
                .unwrap_or_default()
        };
        self.aws_name().map(|name| name.split('.').map(lower).collect::<Vec<_>>().join("."))
    }

    /// AWS's name: `ScalingConfig.MaximumConcurrency`.
    pub fn aws_name(&self) -> Option<&'static str> {
        self.aws.map(|it| it.name)
    }

    /// The default as it would be written; `None` when there is none.
    pub fn default_written(&self, profile: Option<&SourceProfile>) -> Option<String> {
        match (self.default, self.shape) {
            (DefaultValue::Required | DefaultValue::RequiredWhereAllowed | DefaultValue::Absent(_), _) => {
                None
            }
            (DefaultValue::Integer(value), _) => Some(value.to_string()),
            (DefaultValue::Millis(millis), _) => Some(seconds(millis)),
            (DefaultValue::Switch(value), _) => Some(value.to_string()),
            (DefaultValue::Word(word), _) => Some(word.to_owned()),
            (DefaultValue::Texts(texts), _) => Some(format!("{texts:?}")),
            (DefaultValue::OfSource(of), Shape::Seconds { .. }) => {
                profile.map(|it| seconds(of(it).unsigned_abs()))
            }
            (DefaultValue::OfSource(of), _) => profile.map(|it| of(it).to_string()),
        }
    }
}

/// All settings but those that kinds of source bring along, in the order of the manual.
pub fn all() -> impl Iterator<Item = &'static SettingSpec> {
    let others = [DAEMON_SETTINGS, API_SETTINGS, AWS_SETTINGS, FUNCTION_SETTINGS];
    others.into_iter().flatten().copied().flat_map(with_endpoints).chain(rows())
}

/// A setting; the group of endpoints with those of the services that the house calls.
fn with_endpoints(spec: &'static SettingSpec) -> impl Iterator<Item = &'static SettingSpec> {
    let services = (spec.path == AWS_ENDPOINTS.path).then(own_services).into_iter().flatten();
    std::iter::once(spec).chain(services.map(|it| &it.endpoint))
}

/// The settings of a mapping, in the order of the manual.
pub fn rows() -> impl Iterator<Item = &'static SettingSpec> {
    // A test adds a row, to see that a setting costs no more than that and one use.
    #[cfg(feature = "added-row")]
    let added = testing::added();
    #[cfg(not(feature = "added-row"))]
    let added = None;
    let with_below = |spec: &'static SettingSpec| std::iter::once(spec).chain(rows_below(spec));
    MAPPING_SETTINGS.iter().copied().flat_map(with_below).chain(added)
}

/// Milliseconds as seconds, without needless zeros.
pub(crate) fn seconds(millis: u64) -> String {
    match millis % 1000 {
        0 => (millis / 1000).to_string(),
        rest => format!("{}.{rest:03}", millis / 1000).trim_end_matches('0').to_owned(),
    }
}
