//! What the operator wrote: a tree of values, each with its place.

use std::sync::Arc;

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, `-` for standard input, `env:NAME` for a variable.
    pub file: Arc<str>,
    /// First line, from 1.
    pub line: u32,
    /// First column, from 1, in characters.
    pub column: u32,
    /// Bytes of the text that it covers.
    pub span: std::ops::Range<usize>,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Its place.
    pub place: Place,
}

/// A value of a document. Numbers keep their text, so that nothing is lost before a type is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing, `null` or `~`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as written.
    Number(String),
    /// Text.
    String(String),
    /// Text that came out of an expansion: it is read as whatever type the setting has.
    Expanded(String),
    /// A list.
    List(Vec<Node>),
    /// Keys in the order written, each with its place.
    Map(Vec<(Key, Node)>),
}

/// A key of a map and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The key.
    pub name: String,
    /// Its place.
    pub place: Place,
}
