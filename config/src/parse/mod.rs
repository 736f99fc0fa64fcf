//! The three languages of a document, each read into the same tree; depth, size and the number of findings
//! are bounded.

mod blanks;
pub(crate) mod json;
mod lines;
mod plain;
pub(crate) mod toml;
mod tree;
pub(crate) mod yaml;

pub(crate) use lines::Lines;

/// The most findings about one document's syntax; after that many, reading stops.
const SYNTAX_FINDINGS_MAX: usize = 20;
