//! What the operator wrote: a tree of values, each with its place, read from YAML, JSON or TOML.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Code, Finding};
use crate::parse::{Lines, json, toml, yaml};

/// The largest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 4 << 20;
/// The most maps and lists around one value.
pub const DEPTH_MAX: usize = 64;
/// The most values in one document, those that aliases repeat counted each time.
pub const NODES_MAX: usize = 500_000;

/// One document.
#[derive(Debug, Clone)]
pub struct Document {
    /// What it holds.
    pub root: Node,
    /// The folder from which its relative paths are taken.
    pub base: PathBuf,
    /// Values whose placeholders could not be filled.
    pub(crate) unfilled: Vec<SourceSpan>,
}

/// The language of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// YAML 1.2.
    Yaml,
    /// JSON.
    Json,
    /// TOML 1.
    Toml,
}

impl Format {
    /// Tells the format by the file's extension; what is neither `.json` nor `.toml` is taken for YAML.
    pub fn of_path(path: &Path) -> Self {
        match path.extension().and_then(|it| it.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("json") => Self::Json,
            Some("toml") => Self::Toml,
            Some(_) | None => Self::Yaml,
        }
    }
}

impl Document {
    /// Reads one document. `file` names it in findings, `base` is where its relative paths begin.
    ///
    /// # Errors
    /// All syntax errors and duplicate keys that were found.
    pub fn parse(file: &str, text: &str, format: Format, base: &Path) -> Result<Self, Vec<Finding>> {
        let lines = Lines::new(file, text);
        if text.len() > DOCUMENT_BYTES_MAX {
            let message = format!("the document has {} bytes; {DOCUMENT_BYTES_MAX} is the most", text.len());
            return Err(vec![
                Finding::new(Code::TOO_LARGE, "", &lines.place(0..0), message)
                    .fix("split it into several files"),
            ]);
        }
        if let Some(at) = text.find('\0') {
            return Err(vec![Finding::new(
                Code::SYNTAX,
                "",
                &lines.place(at..at + 1),
                "the document holds a NUL character",
            )]);
        }
        let root = match format {
            Format::Yaml => yaml::parse(&lines),
            Format::Json => json::parse(&lines),
            Format::Toml => toml::parse(&lines),
        }?;
        Ok(Self { root, base: base.to_owned(), unfilled: Vec::new() })
    }
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSpan {
    /// The file, `-` for standard input, `env:NAME` for a variable.
    pub file: Arc<str>,
    /// First line, from 1.
    pub line: u32,
    /// First column, from 1, in characters.
    pub column: u32,
    /// Bytes of the text that it covers; of a map or list over several lines, those on the first.
    pub span: std::ops::Range<usize>,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Its place.
    pub place: SourceSpan,
}

impl Node {
    /// A tree of a request; every value has the same place.
    pub(crate) fn of_json(value: &serde_json::Value, place: &SourceSpan) -> Self {
        use serde_json::Value as Json;
        let value = match value {
            Json::Null => Value::Null,
            Json::Bool(it) => Value::Bool(*it),
            Json::Number(it) => Value::Number(it.to_string()),
            Json::String(it) => Value::String(it.clone()),
            Json::Array(values) => Value::List(values.iter().map(|it| Self::of_json(it, place)).collect()),
            Json::Object(members) => {
                let entry = |(name, value): (&String, &Json)| {
                    (DocumentKey { name: name.clone(), place: place.clone() }, Self::of_json(value, place))
                };
                Value::Map(members.iter().map(entry).collect())
            }
        };
        Self { value, place: place.clone() }
    }

    /// Whether the same is written here and there, wherever that is. Keys count in the order written.
    pub fn says_the_same(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::List(here), Value::List(there)) => {
                here.len() == there.len()
                    && here.iter().zip(there).all(|(here, there)| here.says_the_same(there))
            }
            (Value::Map(here), Value::Map(there)) => {
                let is_same =
                    |((key, here), (other, there)): (&(DocumentKey, Self), &(DocumentKey, Self))| {
                        key.name == other.name && here.says_the_same(there)
                    };
                here.len() == there.len() && here.iter().zip(there).all(is_same)
            }
            (here, there) => here == there,
        }
    }
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
    Map(Vec<(DocumentKey, Node)>),
}

/// A key of a map and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentKey {
    /// The key.
    pub name: String,
    /// Its place.
    pub place: SourceSpan,
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
    use super::{DocumentKey, Node, SourceSpan, Value};

    /// A place that does not matter.
    pub(crate) fn place() -> SourceSpan {
        SourceSpan { file: "test".into(), line: 1, column: 1, span: 0..0 }
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
        let entry = |(name, node): &(&str, Node)| {
            (DocumentKey { name: (*name).to_owned(), place: place() }, node.clone())
        };
        node(Value::Map(entries.iter().map(entry).collect()))
    }
}
