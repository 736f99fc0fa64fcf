//! Reads the filters of a mapping.

use crate::document::Value;
use crate::error::Code;
use crate::fields::Item;
use crate::pattern::Pattern;
use crate::profile::SourceProfile;
use crate::settings::{self, FILTERS_MAX, PATTERN_CHARS_MAX, Reader};

/// AWS's sentence for every pattern that is wrong; the fix says what is wrong with this one.
const INVALID: &str = "Invalid filter pattern definition.";

/// Reads what stands under `filter_criteria`.
pub(super) fn read_filters(it: Item<'_, '_>, profile: Option<&'static SourceProfile>) -> Option<Vec<Pattern>> {
    it.fields(|fields| {
        let mut reader = Reader { fields, profile };
        let filters = reader.written(&settings::FILTER, |mut it| {
            if let Value::List(nodes) = &it.node().value
                && nodes.len() > FILTERS_MAX
            {
                let message = format!("a mapping has {FILTERS_MAX} filters at most, not {}", nodes.len());
                it.wrong(
                    Code::NOT_ALLOWED,
                    message,
                    Some("put alternatives into one pattern: the values of a list are alternatives".to_owned()),
                );
                return None;
            }
            it.list(|it| it.fields(|fields| Reader { fields, profile }.required(&settings::FILTER_PATTERN, |it| read_pattern(it, profile))))
        });
        Some(filters.unwrap_or_default())
    })
}

fn read_pattern(mut it: Item<'_, '_>, profile: Option<&'static SourceProfile>) -> Option<Pattern> {
    if let Value::Map(_) | Value::List(_) = it.node().value {
        it.wrong(Code::WRONG_TYPE, "a pattern is JSON text", Some("put the pattern in quotes: `pattern: '{\"body\": {…}}'`".to_owned()));
        return None;
    }
    let text = it.again().string()?;
    let n_chars = text.chars().count();
    if n_chars > PATTERN_CHARS_MAX {
        it.wrong(Code::NOT_ALLOWED, format!("a pattern has {PATTERN_CHARS_MAX} characters at most, not {n_chars}"), None);
        return None;
    }
    let pattern = match Pattern::parse(&text) {
        Ok(pattern) => pattern,
        Err(error) => {
            it.wrong(error.code(), INVALID, Some(error.to_string()));
            return None;
        }
    };
    if let Some(profile) = profile
        && let Some(key) = profile.data_key
        && !profile.plain_data_patterns
        && is_plain(&text, key)
    {
        let fix = format!("`{key}` of a `{}` source is matched as JSON: write an object under it, not a list", profile.kind);
        it.wrong(Code::NOT_ALLOWED, INVALID, Some(fix));
        return None;
    }
    Some(pattern)
}

/// Whether the pattern wants plain text: a list directly under the data key.
fn is_plain(pattern: &str, key: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(pattern).is_ok_and(|it| it.get(key).is_some_and(serde_json::Value::is_array))
}
