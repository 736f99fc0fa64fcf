//! The filters of one mapping: several patterns, of which one must match, and what happens when data and
//! pattern differ in kind.

use crate::error::Code;
use crate::profile::{FilterMismatch, SourceProfile};

use super::program::Program;
use super::walk::{self, DataPart, MatchInput};
use super::{Pattern, part};

/// What a source's filters do, as its profile says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilterRules {
    /// The member that is matched decoded.
    pub data_key: Option<&'static str>,
    /// What follows when data and pattern differ in kind.
    pub mismatch: FilterMismatch,
    /// Whether an array may stand directly under the data key, to match plain text.
    pub plain_data_patterns: bool,
}

impl From<&SourceProfile> for FilterRules {
    fn from(profile: &SourceProfile) -> Self {
        Self {
            data_key: profile.data_key,
            mismatch: profile.filter_mismatch,
            plain_data_patterns: profile.plain_data_patterns,
        }
    }
}

/// A valid pattern that this source cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// An array directly under the data key of a source whose data is JSON or dropped.
    #[error("\"{data_key}\" must be an object: data of this source is matched as JSON only")]
    PlainPattern {
        /// Which of the patterns, from 0.
        pattern_idx: usize,
        /// The data key.
        data_key: &'static str,
    },
}

impl FilterError {
    /// The code that the operator can look up.
    pub fn code(&self) -> Code {
        match self {
            Self::PlainPattern { .. } => Code("FB-0152"),
        }
    }
}

/// The filters of one mapping, run as one program: a record is read once however many patterns there are.
///
/// What happens with a pattern for the data key, by what the data is:
///
/// | Data | Pattern for JSON (object) | Pattern for plain text (array) |
/// | --- | --- | --- |
/// | JSON: one object or array | matched | mismatch |
/// | other text | mismatch | matched |
/// | not UTF-8, or none (a tombstone) | mismatch | mismatch |
///
/// At a mismatch [`FilterMismatch::Drop`] fails that alternative and [`FilterMismatch::MetadataOnly`] leaves
/// its data part out. A source with `Drop` that hands in no data is matched as delivered.
#[derive(Clone)]
pub struct Filter {
    rules: FilterRules,
    program: Program,
    /// The node of the data key, when a pattern has one.
    data_node: Option<usize>,
    /// A pattern looks at another member than the data.
    needs_metadata: bool,
    is_empty: bool,
}

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Filter")
            .field("rules", &self.rules)
            .field("is_empty", &self.is_empty)
            .finish_non_exhaustive()
    }
}

impl Filter {
    /// Puts patterns together for a source; none lets everything through.
    pub fn new(patterns: &[Pattern], rules: FilterRules) -> Result<Self, FilterError> {
        Self::check(patterns, rules)?;
        let program = Program::new(patterns.iter().map(|pattern| &pattern.rule));
        let data_node = rules.data_key.and_then(|key| program.descend(0, key));
        let root = &program.nodes[0];
        let needs_metadata =
            root.test.is_some() || root.children.iter().any(|(name, _)| Some(&**name) != rules.data_key);
        Ok(Self { rules, program, data_node, needs_metadata, is_empty: patterns.is_empty() })
    }

    /// Refuses patterns that the source cannot have.
    pub fn check(patterns: &[Pattern], rules: FilterRules) -> Result<(), FilterError> {
        let Some(data_key) = rules.data_key.filter(|_| !rules.plain_data_patterns) else { return Ok(()) };
        let is_plain = |pattern: &Pattern| {
            let program = &pattern.program;
            program.descend(0, data_key).is_some_and(|node| program.nodes[node].test.is_some())
        };
        match patterns.iter().position(is_plain) {
            Some(pattern_idx) => Err(FilterError::PlainPattern { pattern_idx, data_key }),
            None => Ok(()),
        }
    }

    /// Whether any pattern looks at the data; when none does, it need not be decoded.
    pub fn needs_data(&self) -> bool {
        self.data_node.is_some()
    }

    /// Whether any pattern looks at another member than the data; when none does and there is data, the
    /// record may be handed in as `{}`.
    pub fn needs_metadata(&self) -> bool {
        self.needs_metadata
    }

    /// Whether a record passes: its JSON as it would be delivered, and the decoded bytes of its data key.
    /// What stands under the data key in the JSON is looked at only where there is no data beside it.
    pub fn passes(&self, record: &[u8], data: Option<&[u8]>) -> bool {
        self.passes_counted(record, data).0
    }

    /// The same, with the work done in steps, as [`Pattern::matches_counted`] counts them.
    pub fn passes_counted(&self, record: &[u8], data: Option<&[u8]>) -> (bool, u64) {
        if self.is_empty {
            return (true, 0);
        }
        let Ok(record) = std::str::from_utf8(record) else { return (false, 0) };
        let Some(node) = self.data_node else {
            return self
                .run(MatchInput { record, data_key: "", data: DataPart::AsDelivered, met: None }, &[]);
        };
        let (own, below, total) =
            (self.program.needs.own(node), self.program.needs.below(node), self.program.needs.total(node));
        // JSON has no answer for those that ask for text at the key itself, text none for those that ask
        // for members below it.
        let (data, mismatched) = match (data.map(part), self.rules.mismatch) {
            (None, FilterMismatch::Drop) => (DataPart::AsDelivered, &[][..]),
            (None, FilterMismatch::MetadataOnly) | (Some(None), _) => (DataPart::Nothing, total),
            (Some(Some(data @ DataPart::Json(_))), _) => (data, own),
            (Some(Some(data)), _) => (data, below),
        };
        let input = MatchInput { record, data_key: self.rules.data_key.unwrap_or_default(), data, met: None };
        match self.rules.mismatch {
            FilterMismatch::Drop => self.run(input, mismatched),
            // What the data cannot answer is left to the other members.
            FilterMismatch::MetadataOnly => self.run(MatchInput { met: Some(mismatched), ..input }, &[]),
        }
    }

    /// Runs the program and looks for an alternative that is satisfied and not failed already.
    fn run(&self, input: MatchInput<'_>, failed: &[u64]) -> (bool, u64) {
        let Ok(answer) = walk::run(&self.program, input) else { return (false, 0) };
        // Where nothing can have failed no row is given.
        let failed = failed.iter().chain(std::iter::repeat(&0));
        let is_match =
            answer.satisfied.iter().zip(failed).any(|(satisfied, failed)| satisfied & !failed != 0);
        (is_match, answer.steps)
    }
}
