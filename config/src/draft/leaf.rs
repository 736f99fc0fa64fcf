//! One value of a document as the type that its row has. Ranges are for the judge, for the source may end
//! them sooner.

use std::path::Path;

use super::SettingValue;
use super::filters::FilterDraft;
use crate::destination::{DestinationSettings, read_function_name};
use crate::document::Value;
use crate::error::Code;
use crate::fields::{Item, decimal_millis};
use crate::rate::read_rate;
use crate::settings::{self, SettingSpec, Shape};
use crate::timestamp::epoch_millis;

/// Reads a value that is no group; `None` has its finding.
pub(super) fn read(spec: &SettingSpec, it: Item<'_, '_>, base: &Path) -> Option<SettingValue> {
    use SettingValue as V;
    match spec.path {
        path if path == settings::FUNCTION_NAME.path => return read_function_name(it).map(V::Function),
        path if path == settings::ON_FAILURE.path => {
            return DestinationSettings::read(it, base).map(|it| V::Destination(Box::new(it)));
        }
        path if path == settings::RATE_LIMIT.path => {
            return read_rate(it, &settings::RATE_SPECS).map(V::Rate);
        }
        path if path == settings::FILTER_CRITERIA.path => return FilterDraft::read(it).map(V::Filters),
        _ => {}
    }
    let pairs = |words: &[&'static str]| words.iter().map(|it| (*it, *it)).collect::<Vec<_>>();
    match spec.shape {
        Shape::Switch => it.bool().map(V::Switch),
        Shape::Integer { .. } => it.any_integer().map(|it| V::Integer(clamped(it))),
        Shape::Seconds { .. } => it.millis().map(|it| V::Millis(clamped(it))),
        Shape::Time => read_time(it).map(V::Time),
        Shape::Word(words) => it.word(&pairs(words)).map(V::Word),
        Shape::Words(words) => it.list(|it| it.word(&pairs(words))).map(V::Words),
        Shape::Text => it.text().map(V::Text),
        Shape::Path => it.file_path(base).map(V::Path),
        Shape::TextList => it.texts().map(V::Texts),
        Shape::Texts => it.text_map().map(V::TextMap),
        // The table's test reads every setting, so that a wrong pairing cannot leave the house.
        Shape::Group | Shape::Aws(_) | Shape::Choice | Shape::List | Shape::Named | Shape::Source => {
            unreachable!("{} is no single value", spec.path)
        }
    }
}

/// A number beyond all ranges stays beyond them.
fn clamped(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

fn read_time(mut it: Item<'_, '_>) -> Option<i64> {
    let millis = match &it.node().value {
        Value::Number(text) => decimal_millis(text),
        Value::String(text) => epoch_millis(text).map(|it| Ok(i128::from(it))),
        Value::Expanded(text) => {
            decimal_millis(text).or_else(|| epoch_millis(text).map(|it| Ok(i128::from(it))))
        }
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => None,
    };
    // Year 1 to year 9999, as RFC 3339 has them.
    let range = -62_135_596_800_000..=253_402_300_799_999;
    match millis {
        Some(Ok(millis)) if range.contains(&millis) => i64::try_from(millis).ok(),
        Some(Ok(_) | Err(_)) | None => {
            let fix = "write `2024-05-01T00:00:00Z`, or epoch seconds with three decimals at most";
            it.wrong(Code::NOT_ALLOWED, "must be a time", Some(fix.to_owned()));
            None
        }
    }
}
