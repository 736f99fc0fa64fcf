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
#[derive(Clone, PartialEq)]
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

/// What an expansion gave may be a secret and is not shown.
impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bool(value) => f.debug_tuple("Bool").field(value).finish(),
            Self::Number(text) => f.debug_tuple("Number").field(text).finish(),
            Self::String(text) => f.debug_tuple("String").field(text).finish(),
            Self::Expanded(_) => f.write_str("Expanded(..)"),
            Self::List(nodes) => f.debug_tuple("List").field(nodes).finish(),
            Self::Map(entries) => f.debug_tuple("Map").field(entries).finish(),
        }
    }
}

/// Trees without a document, for tests.
#[cfg(test)]
pub(crate) mod testing {
    use super::{Key, Node, Place, Value};

    /// A place that does not matter.
    pub(crate) fn place() -> Place {
        Place { file: "test".into(), line: 1, column: 1, span: 0..0 }
    }

    pub(crate) fn node(value: Value) -> Node {
        Node { value, place: place() }
    }

    pub(crate) fn text(text: &str) -> Node {
        node(Value::String(text.to_owned()))
    }

    pub(crate) fn number(text: &str) -> Node {
        node(Value::Number(text.to_owned()))
    }

    pub(crate) fn list(nodes: &[Node]) -> Node {
        node(Value::List(nodes.to_vec()))
    }

    pub(crate) fn map(entries: &[(&str, Node)]) -> Node {
        let entry = |(name, node): &(&str, Node)| (Key { name: (*name).to_owned(), place: place() }, node.clone());
        node(Value::Map(entries.iter().map(entry).collect()))
    }
}
