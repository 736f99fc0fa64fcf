//! The filters of a mapping: first their texts, then, when the source is known, patterns.

use super::judge::Judge;
use crate::document::{SourceSpan, Value};
use crate::error::{AwsStep, Code, Finding};
use crate::fields::Item;
use crate::pattern::{Filter, FilterRules, ParseOptions, Pattern};
use crate::settings::{self, FILTERS_MAX, SettingsReader};

/// AWS's sentence for every pattern that is wrong; the fix says what is wrong with this one.
const INVALID: &str = "Invalid filter pattern definition.";

/// What stands under `filter_criteria`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterDraft {
    options: ParseOptions,
    texts: Vec<PatternText>,
    /// Where the list is.
    path: String,
    place: SourceSpan,
}

/// A pattern as text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PatternText {
    text: String,
    path: String,
    place: SourceSpan,
    /// A placeholder gave it.
    is_secret: bool,
}

impl FilterDraft {
    /// Reads the texts.
    pub(super) fn read(it: Item<'_, '_>) -> Option<Self> {
        it.fields(|fields| {
            let mut reader = SettingsReader { fields };
            let word = reader
                .written(&settings::COMPLEX_WILDCARDS, |it| it.word(&[("refuse", false), ("allow", true)]));
            let options = ParseOptions { allow_complex_wildcards: word.unwrap_or(false) };
            let list = reader.written(&settings::FILTER, |it| {
                let (path, place) = (it.path().to_owned(), it.place().clone());
                let read = |it: Item<'_, '_>| {
                    it.fields(|fields| {
                        SettingsReader { fields }.required(&settings::FILTER_PATTERN, read_text)
                    })
                };
                Some((it.list(read)?, path, place))
            });
            let nothing = || (Vec::new(), String::new(), reader.fields.place().clone());
            let (texts, path, place) = list.unwrap_or_else(nothing);
            Some(Self { options, texts, path, place })
        })
    }
}

fn read_text(mut it: Item<'_, '_>) -> Option<PatternText> {
    if let Value::Map(_) | Value::List(_) = it.node().value {
        it.wrong(
            Code::WRONG_TYPE,
            "a pattern is JSON text",
            Some("put the pattern in quotes: `pattern: '{\"body\": {…}}'`".to_owned()),
        );
        return None;
    }
    let is_secret = matches!(it.node().value, Value::Expanded(_));
    let (path, place) = (it.path().to_owned(), it.place().clone());
    Some(PatternText { text: it.string()?, path, place, is_secret })
}

impl Judge<'_> {
    /// The patterns; those that are wrong have their findings.
    pub(super) fn filters(&mut self) -> Vec<Pattern> {
        let Some(super::SettingValue::Filters(filters)) = self.values.take(&settings::FILTER_CRITERIA) else {
            return Vec::new();
        };
        if filters.texts.len() > FILTERS_MAX {
            let message = format!("a mapping has {FILTERS_MAX} filters at most, not {}", filters.texts.len());
            let sentence = format!("FilterCriteria must have no more than {FILTERS_MAX} filters.");
            self.findings.push(
                Finding::new(Code::NOT_ALLOWED, filters.path, &filters.place, message)
                    .fix("put alternatives into one pattern: the values of a list are alternatives")
                    .aws(AwsStep::Filters, sentence),
            );
            return Vec::new();
        }
        filters.texts.iter().filter_map(|it| self.pattern(it, filters.options)).collect()
    }

    fn pattern(&mut self, it: &PatternText, options: ParseOptions) -> Option<Pattern> {
        let mut refuse = |code: Code, fix: String| {
            let finding = Finding::new(code, it.path.clone(), &it.place, INVALID).fix(fix);
            self.findings.push(finding.aws(AwsStep::Filters, INVALID));
        };
        let pattern = match Pattern::parse_with(&it.text, options) {
            Ok(pattern) => pattern,
            Err(error) => {
                let at = if error.line == 1 {
                    format!("column {}", error.column)
                } else {
                    format!("line {}, column {}", error.line, error.column)
                };
                // The reason may quote the pattern.
                let fix = match it.is_secret {
                    true => format!("look at {at} of what the placeholder gave, with `forebay pattern test`"),
                    false => format!("{error} ({at} of the pattern)"),
                };
                refuse(error.code(), fix);
                return None;
            }
        };
        if let Some(profile) = self.profile
            && let Err(error) = Filter::check(std::slice::from_ref(&pattern), FilterRules::from(profile))
        {
            refuse(error.code(), error.to_string());
            return None;
        }
        Some(pattern)
    }
}
