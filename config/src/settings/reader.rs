//! Reads settings as the table has them: range and default come from the spec, and what the source cannot do
//! is refused.

use std::time::Duration;

use super::{DefaultValue, SettingSpec, Shape};
use crate::document::{Node, Value};
use crate::error::{Code, Finding, join};
use crate::fields::{Fields, Item};
use crate::profile::{SourceProfile, SourceShape};

/// Reads the settings of one map by their specs.
pub(crate) struct Reader<'f, 'n> {
    pub(crate) fields: &'f mut Fields<'n>,
    /// `None` while the kind of source is not known; then nothing is refused on its account.
    pub(crate) profile: Option<&'static SourceProfile>,
}

impl<'n> Reader<'_, 'n> {
    /// Reads a setting when it is written and the source obeys it.
    pub(crate) fn written<T>(
        &mut self,
        spec: &'static SettingSpec,
        read: impl FnOnce(Item<'n, '_>) -> Option<T>,
    ) -> Option<T> {
        if !self.is_obeyed(spec) {
            return None;
        }
        self.fields.optional(spec.key(), |it| read(named(spec, it)))
    }

    /// Reads a setting that must be written.
    pub(crate) fn required<T>(
        &mut self,
        spec: &'static SettingSpec,
        read: impl FnOnce(Item<'n, '_>) -> Option<T>,
    ) -> Option<T> {
        self.fields.required(spec.key(), |it| read(named(spec, it)))
    }

    /// On or off, by default what the table says.
    pub(crate) fn switch(&mut self, spec: &'static SettingSpec) -> bool {
        let written = self.written(spec, |it| it.bool());
        written.unwrap_or(matches!(spec.default, DefaultValue::Switch(true)))
    }

    /// A number in the table's range; `None` when it is not written and has no default, or is wrong.
    pub(crate) fn integer(&mut self, spec: &'static SettingSpec) -> Option<i64> {
        self.integer_up_to(spec, i64::MAX)
    }

    /// A number in the table's range, whose end the source lowers.
    pub(crate) fn integer_up_to(&mut self, spec: &'static SettingSpec, most: i64) -> Option<i64> {
        let (min, max) = integer_range(spec);
        let written = self.written(spec, |it| it.integer(min..=max.min(most)));
        written.or_else(|| self.default_of(spec))
    }

    /// A time in the table's range; `None` when it is not written and has no default, or is wrong.
    pub(crate) fn seconds(&mut self, spec: &'static SettingSpec) -> Option<Duration> {
        let (min, max) = seconds_range(spec);
        let written = self.written(spec, |it| it.seconds(min..=max));
        written.or_else(|| self.default_of(spec).map(|millis| Duration::from_millis(millis.unsigned_abs())))
    }

    fn default_of(&self, spec: &SettingSpec) -> Option<i64> {
        match spec.default {
            DefaultValue::Integer(value) => Some(value),
            DefaultValue::Millis(millis) => Some(millis.cast_signed()),
            DefaultValue::OfSource(of) => self.profile.map(of),
            DefaultValue::Required
            | DefaultValue::RequiredWhereAllowed
            | DefaultValue::Absent(_)
            | DefaultValue::Switch(_)
            | DefaultValue::Word(_)
            | DefaultValue::Texts(_) => None,
        }
    }

    /// Whether the source obeys the setting; a finding when it does not and the setting is written.
    pub(crate) fn is_obeyed(&mut self, spec: &'static SettingSpec) -> bool {
        let (Some(needed), Some(profile)) = (spec.needs, self.profile) else { return true };
        if profile.settings.contains(&needed) {
            return true;
        }
        let is_window_of_groups =
            spec.key() == super::BATCHING_WINDOW.key() && profile.shape == SourceShape::GroupQueue;
        if is_window_of_groups && self.fields.node(spec.key()).is_some_and(is_zero) {
            // AWS shows it so for such a mapping: no window, which is what a FIFO queue has.
            return false;
        }
        if let Some(key) = self.fields.key(spec.key()) {
            let message = if is_window_of_groups {
                "Batching window is not supported for FIFO queues".to_owned()
            } else {
                format!(
                    "Unsupported {} parameter for given event source mapping type.",
                    spec.aws_parameter().unwrap_or_else(|| spec.key())
                )
            };
            let path = join(self.fields.path(), spec.key());
            let fix = format!("remove `{}`: a `{}` source cannot obey it", spec.key(), profile.kind);
            self.fields.push(Finding::new(Code::UNSUPPORTED, path, &key.place, message).fix(fix));
        }
        false
    }
}

fn is_zero(node: &Node) -> bool {
    matches!(&node.value, Value::Number(text) | Value::Expanded(text) if text.parse::<f64>() == Ok(0.0))
}

/// The value under AWS's name, so that findings speak as AWS does.
pub(crate) fn named<'n, 'f>(spec: &SettingSpec, it: Item<'n, 'f>) -> Item<'n, 'f> {
    match spec.aws_member() {
        Some(name) => it.aws(name),
        None => it,
    }
}

pub(crate) fn integer_range(spec: &SettingSpec) -> (i64, i64) {
    // The table's test reads every setting, so that a wrong pairing cannot leave the house.
    let Shape::Integer { min, max } = spec.shape else { unreachable!("{} is no number", spec.path) };
    (min, max)
}

fn seconds_range(spec: &SettingSpec) -> (Duration, Duration) {
    let Shape::Seconds { min_ms, max_ms } = spec.shape else { unreachable!("{} is no time", spec.path) };
    (Duration::from_millis(min_ms), Duration::from_millis(max_ms))
}
