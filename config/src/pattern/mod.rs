//! Filter patterns: EventBridge's grammar and matching rules over a record's JSON, in one pass and bounded
//! work.
//!
//! | Limit | Bound | Beyond it |
//! | --- | --- | --- |
//! | text of a pattern | 4,096 characters | refused |
//! | nesting of a pattern; names in a path | 64; 128 | refused |
//! | combinations of `$or` branches | 1,000 | refused, as EventBridge does |
//! | stars in one wildcard | 4 | refused unless [`ParseOptions::allow_complex_wildcards`] |
//! | nesting of a record | none | any depth is read without recursion |
//!
//! Matching costs a few steps for each byte of the record, times the words that a row of alternatives has
//! (one for 64), and for texts one more step for each 32 bytes of the pattern at most: see
//! [`Pattern::steps_max`].

mod address;
mod bits;
mod cells;
mod error;
mod field;
mod filter;
mod glob;
mod grammar;
mod json;
mod matchers;
mod number;
mod program;
mod rule;
mod tree;
mod walk;

pub use error::{PatternError, Reason};
pub use filter::{Filter, FilterError, FilterRules};
pub use tree::Warning;

use program::Program;
use rule::PatternRule;
use walk::{DataPart, MatchInput};

/// The longest pattern, in characters.
pub const PATTERN_CHARS_MAX: usize = 4096;

/// The most rows of alternatives that are touched for one byte of a record.
const ROWS_A_BYTE: u64 = 12;

/// What is allowed beyond AWS's grammar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ParseOptions {
    /// Five stars or more in one wildcard, which AWS refuses as too complex; here they cost no more than
    /// others.
    pub allow_complex_wildcards: bool,
}

/// A pattern that has been checked and is ready to match. Two are equal when their texts are.
#[derive(Clone)]
pub struct Pattern {
    text: String,
    rule: PatternRule,
    program: Program,
    warnings: Vec<Warning>,
}

/// A record as a pattern sees it: its JSON, with one member replaced by the decoded data.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    record: &'a [u8],
    data: Option<(&'a str, &'a [u8])>,
}

impl<'a> View<'a> {
    /// The record as it stands.
    pub fn new(record: &'a [u8]) -> Self {
        Self { record, data: None }
    }

    /// The same with `data` as the member `key`: as JSON when it is an object or an array, else as a string.
    pub fn with_data(self, key: &'a str, data: &'a [u8]) -> Self {
        Self { data: Some((key, data)), ..self }
    }
}

impl Pattern {
    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Checks a pattern as AWS would.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Self::parse_with(text, ParseOptions::default())
    }

    /// Checks a pattern, with more allowed.
    pub fn parse_with(text: &str, options: ParseOptions) -> Result<Self, PatternError> {
        let n_chars = text.chars().count();
        if n_chars > PATTERN_CHARS_MAX {
            return Err(PatternError::new(Reason::TooLong { n_chars, max: PATTERN_CHARS_MAX }, 0, text));
        }
        let (json, warnings) = tree::parse(text)?;
        let rule = grammar::check(json, text, options)?;
        // Counted before they are expanded: a short text can name more than memory holds.
        let n = program::n_alternatives(&rule);
        if n > program::ALTERNATIVES_MAX {
            return Err(PatternError::new(
                Reason::TooManyCombinations { n, max: program::ALTERNATIVES_MAX },
                0,
                text,
            ));
        }
        let program = Program::new([&rule]);
        Ok(Self { text: text.to_owned(), rule, program, warnings })
    }

    /// What was accepted but is hardly meant: keys that stand twice.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Whether a record matches; one that is not a JSON object never does.
    pub fn matches(&self, view: &View<'_>) -> bool {
        self.matches_counted(view).0
    }

    /// The most steps that a record of so many bytes can take, whatever is in it.
    ///
    /// A byte is read at most twice (three times as text), and costs a step for each 32 bytes of the pattern
    /// at most, for the texts that it compares with. A row of alternatives has a word for each 64 of them,
    /// and a byte costs at most a few rows.
    pub fn steps_max(&self, record_bytes: usize) -> u64 {
        let (rows, texts) = (self.program.width as u64, (self.text.len() as u64).div_ceil(32));
        (record_bytes as u64 + self.text.len() as u64) * (4 + ROWS_A_BYTE * rows + texts)
    }

    /// Whether a record matches, with the work done in steps: bytes read and words of bits touched, within
    /// [`Self::steps_max`].
    pub fn matches_counted(&self, view: &View<'_>) -> (bool, u64) {
        let Ok(record) = std::str::from_utf8(view.record) else { return (false, 0) };
        let (data_key, data) = match view.data {
            None => ("", DataPart::AsDelivered),
            // Data that is no UTF-8 is none to a pattern.
            Some((key, bytes)) => (key, part(bytes).unwrap_or(DataPart::Nothing)),
        };
        let input = MatchInput { record, data_key, data, met: None };
        walk::run(&self.program, input)
            .map_or((false, 0), |answer| (answer.satisfied.iter().any(|&word| word != 0), answer.steps))
    }
}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// What data is: JSON when it is one object or array, else text; nothing when it is not UTF-8.
fn part(bytes: &[u8]) -> Option<DataPart<'_>> {
    let text = std::str::from_utf8(bytes).ok()?;
    Some(if json::is_container(text) { DataPart::Json(text) } else { DataPart::Text(text) })
}

/// Why `pattern test` has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TestError {
    /// The pattern is refused.
    #[error("event pattern is not valid: {0}")]
    Pattern(#[from] PatternError),
    /// The event cannot be read.
    #[error("event is not a JSON object")]
    Event,
}

/// Matches an event as it stands against a pattern, as `forebay pattern test` does.
pub fn explain(pattern: &str, event: &[u8], options: ParseOptions) -> Result<bool, TestError> {
    let pattern = Pattern::parse_with(pattern, options)?;
    let event = std::str::from_utf8(event).map_err(|_| TestError::Event)?;
    if !event.trim_start().starts_with('{') || !json::is_container(event) {
        return Err(TestError::Event);
    }
    Ok(pattern.matches(&View::new(event.as_bytes())))
}
