//! What a value may be.

use super::pattern::TextPattern;

/// What a value may be. Lengths count characters, bounds are inclusive.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ModelShape {
    Text {
        min: usize,
        max: usize,
        pattern: Option<&'static TextPattern>,
    },
    /// One of these, in the order in which AWS lists them in an error.
    Enum(&'static [&'static str]),
    Integer {
        min: i64,
        max: i64,
    },
    Boolean,
    /// Seconds since 1970, with or without a fraction.
    Timestamp,
    List {
        member: &'static Self,
        min: usize,
        max: usize,
    },
    Map {
        key: &'static Self,
        value: &'static Self,
        min: usize,
        max: usize,
    },
    Structure(&'static [Member]),
}

/// A member of a structure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) shape: &'static ModelShape,
    pub(crate) required: bool,
}

/// A member that may be left out.
pub(super) const fn may(name: &'static str, shape: &'static ModelShape) -> Member {
    Member { name, shape, required: false }
}

/// A member that must be there.
pub(super) const fn must(name: &'static str, shape: &'static ModelShape) -> Member {
    Member { name, shape, required: true }
}
