//! Reads a rate limit, of a mapping or of a function.

use std::num::NonZeroU32;

use crate::error::{Code, Finding};
use crate::fields::Item;
use crate::plan::{RatePlan, RateUnit};
use crate::settings::{SettingSpec, SettingsReader};

/// The settings of one rate limit.
pub(crate) struct RateSpecs {
    pub(crate) records: &'static SettingSpec,
    pub(crate) invocations: &'static SettingSpec,
    pub(crate) ramp: &'static SettingSpec,
}

pub(crate) fn read_rate(it: Item<'_, '_>, specs: &RateSpecs) -> Option<RatePlan> {
    it.fields(|fields| {
        let mut reader = SettingsReader { fields };
        let records = reader.integer(specs.records);
        let invocations = reader.integer(specs.invocations);
        let ramp = reader.seconds(specs.ramp);
        let has = [specs.records, specs.invocations].map(|spec| reader.fields.has(spec.key()));
        if has[0] == has[1] && reader.fields.is_map() {
            let message =
                format!("must hold exactly one of `{}`, `{}`", specs.records.key(), specs.invocations.key());
            let finding = Finding::new(Code::ONE_OF, reader.fields.path(), reader.fields.place(), message);
            let fix = if has[0] {
                "keep one of them".to_owned()
            } else {
                format!("say how many: `{}: 100`", specs.records.key())
            };
            reader.fields.push(finding.fix(fix));
        }
        let (unit, number) = match (records, invocations) {
            (Some(number), None) => (RateUnit::Records, number),
            (None, Some(number)) => (RateUnit::Invocations, number),
            (Some(_), Some(_)) | (None, None) => return None,
        };
        Some(RatePlan {
            unit,
            per_second: u32::try_from(number).ok().and_then(NonZeroU32::new)?,
            ramp: ramp?,
        })
    })
}
