//! Why a pattern is refused, in the words of EventBridge where it has words for it.

use crate::error::Code;

/// Why a pattern is refused, and where. Its text is the reason alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PatternError {
    /// Why.
    pub reason: Reason,
    /// Bytes of the pattern before the place.
    pub offset: usize,
    /// Line of the place, from 1.
    pub line: u32,
    /// Column of the place, from 1, in characters.
    pub column: u32,
}

impl PatternError {
    /// A reason at a byte of the text.
    pub(super) fn new(reason: Reason, offset: usize, text: &str) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        Self { reason, offset, line: saturate(line), column: saturate(column) }
    }

    /// The code that the operator can look up.
    pub fn code(&self) -> Code {
        match self.reason {
            Reason::TooLong { .. }
            | Reason::TooDeep { .. }
            | Reason::TooManyCombinations { .. }
            | Reason::TooComplex => Code("FB-0151"),
            _ => Code("FB-0150"),
        }
    }
}

fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each text says it")]
pub enum Reason {
    // Limits.
    #[error("Pattern has {n_chars} characters, at most {max} are allowed")]
    TooLong { n_chars: usize, max: usize },
    #[error("Pattern is nested deeper than {max} levels")]
    TooDeep { max: usize },
    #[error("Pattern has {n} combinations of $or branches, at most {max} are allowed")]
    TooManyCombinations { n: u64, max: u64 },
    #[error(
        "Rule is too complex - try using fewer wildcard characters or fewer repeating character sequences after a wildcard character"
    )]
    TooComplex,
    // Shape.
    #[error("Pattern is not valid JSON")]
    Malformed,
    #[error("Filter is not an object")]
    NotAnObject,
    #[error("Empty objects are not allowed")]
    EmptyObject,
    #[error("Empty arrays are not allowed")]
    EmptyArray,
    #[error("\"{0}\" must be an object or an array")]
    NotObjectOrArray(String),
    #[error("Match value must be String, number, true, false, or null")]
    NotAMatchValue,
    // Matchers.
    #[error("Match expression name not found")]
    NoMatchType,
    #[error("Only one key allowed in match expression")]
    SecondKey,
    #[error("Unrecognized match type {0}")]
    UnknownMatchType(String),
    #[error("{0} match pattern must be a string")]
    NotAString(&'static str),
    #[error("{0} expression name not found")]
    NoAffixName(&'static str),
    #[error("Unsupported {name} pattern: {inner}")]
    UnsupportedAffix { name: &'static str, inner: String },
    #[error("exists match pattern must be either true or false.")]
    NotABool,
    #[error("Consecutive wildcard characters at pos {0}")]
    ConsecutiveStars(usize),
    #[error("Invalid escape character at pos {0}")]
    BadEscape(usize),
    // Numbers.
    #[error("Value of numeric must be an array.")]
    NumericNotAnArray,
    #[error("Invalid member in numeric match: {0}")]
    BadNumericMember(String),
    #[error("Unrecognized numeric range operator: {0}")]
    UnknownNumericOperator(String),
    #[error("Value of {0} must be numeric")]
    NotNumeric(&'static str),
    #[error("Bad value in numeric range: {0}")]
    BadRangeValue(String),
    #[error("Bad numeric range operator: {0}")]
    BadRangeOperator(String),
    #[error("Too many elements in numeric expression")]
    TooManyNumericElements,
    #[error("Too many terms in numeric range expression")]
    TooManyRangeTerms,
    #[error("Bottom must be less than top")]
    EmptyRange,
    // Anything but.
    #[error("Value of anything-but must be an array or single string/number value.")]
    NotAnythingBut,
    #[error("Anything-But expression name not found")]
    NoAnythingButName,
    #[error("Unsupported anything-but pattern: {0}")]
    UnsupportedAnythingBut(String),
    #[error("Inside anything but list, start|null|boolean is not supported.")]
    BadAnythingButValue,
    #[error("Inside anything but list, either all values are number or string, mixed type is not supported")]
    MixedAnythingBut,
    #[error("Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.")]
    BadIgnoreCaseValue,
    #[error("prefix/suffix match pattern must be a string")]
    BadAffixValue,
    #[error("wildcard match pattern must be a string")]
    BadWildcardValue,
    #[error("Null prefix/suffix not allowed")]
    EmptyAffix,
    // Addresses.
    #[error("Malformed CIDR, one '/' required")]
    CidrSlash,
    #[error("Malformed CIDR, mask bits must be an integer")]
    CidrMaskNotAnInteger,
    #[error("Malformed CIDR, mask bits must not be negative")]
    CidrMaskNegative,
    #[error("{family} mask bits must be at most {max}")]
    CidrMaskTooLarge { family: &'static str, max: u8 },
    #[error("Nonstandard IP address: {0}")]
    NonstandardAddress(String),
}
