//! Reads the filters of a mapping.

use crate::document::Value;
use crate::error::Code;
use crate::fields::Item;
use crate::pattern::{Filter, FilterRules, ParseOptions, Pattern};
use crate::profile::SourceProfile;
use crate::settings::{self, FILTERS_MAX, Reader};

/// AWS's sentence for every pattern that is wrong; the fix says what is wrong with this one.
const INVALID: &str = "Invalid filter pattern definition.";

/// Reads what stands under `filter_criteria`.
pub(super) fn read_filters(
    it: Item<'_, '_>,
    profile: Option<&'static SourceProfile>,
) -> Option<Vec<Pattern>> {
    it.fields(|fields| {
        let mut reader = Reader { fields, profile };
        let word =
            reader.written(&settings::COMPLEX_WILDCARDS, |it| it.word(&[("refuse", false), ("allow", true)]));
        let options = ParseOptions { allow_complex_wildcards: word.unwrap_or(false) };
        let filters = reader.written(&settings::FILTER, |mut it| {
            if let Value::List(nodes) = &it.node().value
                && nodes.len() > FILTERS_MAX
            {
                let message = format!("a mapping has {FILTERS_MAX} filters at most, not {}", nodes.len());
                it.wrong(
                    Code::NOT_ALLOWED,
                    message,
                    Some(
                        "put alternatives into one pattern: the values of a list are alternatives".to_owned(),
                    ),
                );
                return None;
            }
            it.list(|it| {
                it.fields(|fields| {
                    Reader { fields, profile }
                        .required(&settings::FILTER_PATTERN, |it| read_pattern(it, profile, options))
                })
            })
        });
        Some(filters.unwrap_or_default())
    })
}

fn read_pattern(
    mut it: Item<'_, '_>,
    profile: Option<&'static SourceProfile>,
    options: ParseOptions,
) -> Option<Pattern> {
    if let Value::Map(_) | Value::List(_) = it.node().value {
        it.wrong(
            Code::WRONG_TYPE,
            "a pattern is JSON text",
            Some("put the pattern in quotes: `pattern: '{\"body\": {…}}'`".to_owned()),
        );
        return None;
    }
    let text = it.again().string()?;
    let pattern = match Pattern::parse_with(&text, options) {
        Ok(pattern) => pattern,
        Err(error) => {
            let at = if error.line == 1 {
                format!("column {}", error.column)
            } else {
                format!("line {}, column {}", error.line, error.column)
            };
            let fix = match &it.node().value {
                // The reason may quote the pattern.
                Value::Expanded(_) => {
                    format!("look at {at} of what the placeholder gave, with `forebay pattern test`")
                }
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::List(_)
                | Value::Map(_) => {
                    format!("{error} ({at} of the pattern)")
                }
            };
            it.wrong(error.code(), INVALID, Some(fix));
            return None;
        }
    };
    if let Some(profile) = profile
        && let Err(error) = Filter::check(std::slice::from_ref(&pattern), FilterRules::from(profile))
    {
        it.wrong(error.code(), INVALID, Some(error.to_string()));
        return None;
    }
    Some(pattern)
}
