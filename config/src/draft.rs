//! What is asked of one mapping, in a file or over the API: each setting as a value of its type, with its
//! origin. Nothing is judged here but types; [`Draft::check`] says what is wrong with the whole.

mod check;
mod filters;
mod judge;
mod leaf;
mod read;
mod request;
mod rules;
mod values;

use std::collections::BTreeMap;

use crate::document::SourceSpan;
use crate::error::Finding;
use crate::mapping::{MappingName, SourceRef};
use crate::profile::SourceProfile;
use crate::settings::{self, SettingSpec};

pub use values::{SettingValue, Values};

/// What is asked of one mapping. It comes from a file ([`Draft::read`]) or from a request
/// ([`Draft::of_request`]).
#[derive(Debug, Clone)]
pub struct Draft {
    /// The mapping in findings: `event_source_mappings[2]`.
    path: String,
    place: SourceSpan,
    is_map: bool,
    name: Option<MappingName>,
    source: Option<(SourceRef, &'static SourceProfile)>,
    /// By the path of its row.
    asked: BTreeMap<&'static str, RequestedSetting>,
    /// Keys that are no settings, what must stand there and does not, and what is wrong with name and source.
    findings: Vec<Finding>,
    /// Settings that a key which is none seems to mean.
    gaps: Vec<&'static str>,
}

/// One setting that is asked for.
#[derive(Debug, Clone)]
struct RequestedSetting {
    origin: SettingOrigin,
    /// What is wrong with it is told when the source obeys it at all.
    value: Result<SettingValue, Vec<Finding>>,
}

/// Where a setting is asked for.
#[derive(Debug, Clone)]
struct SettingOrigin {
    /// The setting in findings.
    path: String,
    /// Its key, or the request.
    key: SourceSpan,
    /// Its value, or the request.
    value: SourceSpan,
    /// The value as findings may show it.
    shown: String,
}

/// A function as a mapping names it.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub(crate) path: String,
    pub(crate) place: SourceSpan,
    pub(crate) name: String,
    /// As a finding may show it.
    pub(crate) shown: String,
}

impl Draft {
    /// What the source can do; `None` while it is not known.
    pub fn profile(&self) -> Option<&'static SourceProfile> {
        self.source.as_ref().map(|(_, profile)| *profile)
    }

    /// Where it is asked for.
    pub(crate) fn place(&self) -> &SourceSpan {
        &self.place
    }

    /// The function that it names.
    pub(crate) fn function(&self) -> Option<Reference> {
        let asked = self.asked(&settings::FUNCTION_NAME)?;
        let Ok(SettingValue::Function(name)) = &asked.value else { return None };
        let SettingOrigin { path, value: place, shown, .. } = asked.origin.clone();
        Some(Reference { path, place, name: name.to_string(), shown })
    }

    fn asked(&self, spec: &SettingSpec) -> Option<&RequestedSetting> {
        self.asked.get(spec.path)
    }
}

/// Settings that are read whole, with all that stands under them.
fn is_whole(spec: &SettingSpec) -> bool {
    let whole =
        [&settings::FUNCTION_NAME, &settings::ON_FAILURE, &settings::FILTER_CRITERIA, &settings::RATE_LIMIT];
    whole.iter().any(|it| it.path == spec.path)
}

/// The settings right under a path that stand in a draft by themselves; name and source stand beside them.
fn rows_under(parent: &str) -> impl Iterator<Item = &'static SettingSpec> {
    let apart = [settings::NAME.path, settings::SOURCE.path];
    settings::rows()
        .filter(move |it| it.path.rsplit_once('.').is_some_and(|(of, _)| of == parent))
        .filter(move |it| !apart.contains(&it.path))
}
