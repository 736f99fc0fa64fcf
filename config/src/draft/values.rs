//! Values of settings, by their rows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::filters::FilterDraft;
use crate::destination::DestinationSettings;
use crate::function::FunctionName;
use crate::plan::RatePlan;
use crate::settings::{self, SettingSpec};

/// A value of the type that its row has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingValue {
    /// `true` or `false`.
    Switch(bool),
    /// A whole number.
    Integer(i64),
    /// A length of time, in milliseconds.
    Millis(i64),
    /// A time, in milliseconds since 1970.
    Time(i64),
    /// One of the row's words.
    Word(&'static str),
    /// Some of the row's words.
    Words(Vec<&'static str>),
    /// Text.
    Text(String),
    /// A path, joined to where relative ones begin.
    Path(PathBuf),
    /// A list of texts.
    Texts(Vec<String>),
    /// Texts under names.
    TextMap(BTreeMap<String, String>),
    /// A map that is there; its members are settings of their own.
    Group,
    /// `function_name`
    Function(FunctionName),
    /// `on_failure`
    Destination(Box<DestinationSettings>),
    /// `rate_limit`
    Rate(RatePlan),
    /// `filter_criteria`
    Filters(FilterDraft),
}

/// The settings of one mapping, defaults filled in. A setting that is neither asked for nor has a default is
/// not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values(BTreeMap<&'static str, SettingValue>);

impl Values {
    /// The value of a setting.
    pub fn of(&self, spec: &SettingSpec) -> Option<&SettingValue> {
        self.0.get(spec.path)
    }

    /// Takes over what a mapping that runs can take over.
    pub fn take_live(&mut self, new: &Self) {
        for spec in settings::rows().filter(|it| it.is_live) {
            match new.of(spec) {
                Some(value) => drop(self.0.insert(spec.path, value.clone())),
                None => drop(self.0.remove(spec.path)),
            }
        }
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    pub(super) fn put(&mut self, spec: &'static SettingSpec, value: SettingValue) {
        self.0.insert(spec.path, value);
    }

    /// What the checked mapping holds in fields of its own is taken out.
    pub(super) fn take(&mut self, spec: &SettingSpec) -> Option<SettingValue> {
        self.0.remove(spec.path)
    }

    /// A number.
    pub fn integer(&self, spec: &SettingSpec) -> Option<i64> {
        if let Some(SettingValue::Integer(value)) = self.of(spec) { Some(*value) } else { None }
    }

    /// On, if it says so.
    pub fn is_on(&self, spec: &SettingSpec) -> bool {
        self.of(spec) == Some(&SettingValue::Switch(true))
    }

    /// A length of time.
    pub fn duration(&self, spec: &SettingSpec) -> Option<Duration> {
        let Some(SettingValue::Millis(millis)) = self.of(spec) else { return None };
        u64::try_from(*millis).ok().map(Duration::from_millis)
    }

    /// A time, in milliseconds since 1970.
    pub fn time(&self, spec: &SettingSpec) -> Option<i64> {
        if let Some(SettingValue::Time(at)) = self.of(spec) { Some(*at) } else { None }
    }

    /// A word.
    pub fn word(&self, spec: &SettingSpec) -> Option<&'static str> {
        if let Some(SettingValue::Word(word)) = self.of(spec) { Some(word) } else { None }
    }

    /// Whether a list of words names any.
    pub fn has_words(&self, spec: &SettingSpec) -> bool {
        matches!(self.of(spec), Some(SettingValue::Words(words)) if !words.is_empty())
    }
}
