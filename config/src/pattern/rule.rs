//! What a pattern says, once its grammar has been checked: fields, `$or` branches and matchers.

use core::net::IpAddr;

use super::cells::Interval;
use super::glob::Piece;
use super::number::Number;

/// One object of a pattern: all its parts must match.
#[derive(Debug, Clone)]
pub(super) struct PatternRule(pub(super) Vec<Part>);

/// One part of an object.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// A field and its matchers, of which one must match.
    Field(Field),
    /// An object under a name; its fields carry their whole path.
    Nested(PatternRule),
    /// Branches of `$or`, of which one must match.
    Or(Vec<PatternRule>),
}

/// A field of a pattern.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Names from the root. A name with dots counts as several: `a.b` is `b` under `a`.
    pub(super) path: Vec<String>,
    pub(super) matchers: Vec<Matcher>,
}

/// One matcher of a field.
#[derive(Debug, Clone)]
pub(super) enum Matcher {
    Null,
    Bool(bool),
    Text(Text),
    Number(Interval<Number>),
    Address(Interval<IpAddr>),
    /// `exists: true`
    Present,
    /// `exists: false`
    Absent,
    AnythingBut(Excluded),
}

/// A text to compare with; exact texts, prefixes and suffixes are texts with or without a star.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) glob: Vec<Piece>,
    /// Compare in lower case; `glob` is in lower case then.
    pub(super) ignores_case: bool,
}

/// What `anything-but` leaves out.
#[derive(Debug, Clone)]
pub(super) enum Excluded {
    Texts(Vec<Text>),
    Numbers(Vec<Number>),
}

/// Where the star of an affix stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Affix {
    None,
    Prefix,
    Suffix,
}

impl Affix {
    /// What it is called in a pattern.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "exact",
            Self::Prefix => "prefix",
            Self::Suffix => "suffix",
        }
    }

    /// What it is called where a sentence begins with it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::None => "Exact",
            Self::Prefix => "Prefix",
            Self::Suffix => "Suffix",
        }
    }
}

impl Text {
    /// The bytes of a text without a star.
    pub(super) fn literal(&self) -> Option<Vec<u8>> {
        let byte = |piece: &Piece| match piece {
            Piece::Byte(byte) => Some(*byte),
            Piece::Star => None,
        };
        self.glob.iter().map(byte).collect()
    }

    pub(super) fn exact(text: &str) -> Self {
        Self::affix(text, Affix::None)
    }

    pub(super) fn affix(text: &str, affix: Affix) -> Self {
        let mut glob: Vec<_> = text.bytes().map(Piece::Byte).collect();
        match affix {
            Affix::None => {}
            Affix::Prefix => glob.push(Piece::Star),
            Affix::Suffix => glob.insert(0, Piece::Star),
        }
        Self { glob, ignores_case: false }
    }

    pub(super) fn affix_ignoring_case(text: &str, affix: Affix) -> Self {
        // Letter by letter, as the texts of records are made small when they are tested.
        let lower: String = text.chars().flat_map(char::to_lowercase).collect();
        Self { ignores_case: true, ..Self::affix(&lower, affix) }
    }
}
