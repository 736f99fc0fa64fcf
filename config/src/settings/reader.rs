//! Reads settings as the table has them: range and default come from the spec. Settings of a mapping that
//! depend on its source are a [`Draft`](crate::draft::Draft) first.

use std::time::Duration;

use super::{DefaultValue, SettingSpec, Shape};
use crate::fields::{Fields, Item};

/// Reads the settings of one map by their specs.
pub(crate) struct SettingsReader<'f, 'n> {
    pub(crate) fields: &'f mut Fields<'n>,
}

impl<'n> SettingsReader<'_, 'n> {
    /// Reads a setting when it is written.
    pub(crate) fn written<T>(
        &mut self,
        spec: &'static SettingSpec,
        read: impl FnOnce(Item<'n, '_>) -> Option<T>,
    ) -> Option<T> {
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
        let (min, max) = integer_range(spec);
        let written = self.written(spec, |it| it.integer(min..=max));
        written.or_else(|| default_of(spec))
    }

    /// A time in the table's range; `None` when it is not written and has no default, or is wrong.
    pub(crate) fn seconds(&mut self, spec: &'static SettingSpec) -> Option<Duration> {
        let (min, max) = seconds_range(spec);
        let written = self.written(spec, |it| it.seconds(min..=max));
        written.or_else(|| default_of(spec).map(|millis| Duration::from_millis(millis.unsigned_abs())))
    }
}

fn default_of(spec: &SettingSpec) -> Option<i64> {
    match spec.default {
        DefaultValue::Integer(value) => Some(value),
        DefaultValue::Millis(millis) => Some(millis.cast_signed()),
        DefaultValue::Required
        | DefaultValue::RequiredWhereAllowed
        | DefaultValue::Absent(_)
        | DefaultValue::Switch(_)
        | DefaultValue::Word(_)
        | DefaultValue::Texts(_)
        | DefaultValue::OfSource(_) => None,
    }
}

/// The value under AWS's name, so that findings speak as AWS does.
pub(crate) fn named<'n, 'f>(spec: &SettingSpec, it: Item<'n, 'f>) -> Item<'n, 'f> {
    match spec.aws_member() {
        Some(name) => it.aws(name),
        None => it,
    }
}

fn integer_range(spec: &SettingSpec) -> (i64, i64) {
    // The table's test reads every setting, so that a wrong pairing cannot leave the house.
    let Shape::Integer { min, max } = spec.shape else { unreachable!("{} is no number", spec.path) };
    (min, max)
}

fn seconds_range(spec: &SettingSpec) -> (Duration, Duration) {
    let Shape::Seconds { min_ms, max_ms } = spec.shape else { unreachable!("{} is no time", spec.path) };
    (Duration::from_millis(min_ms), Duration::from_millis(max_ms))
}
