//! TOML 1: the tables of a document in the order written; its dates and times become text.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Lines, SYNTAX_FINDINGS_MAX};
use crate::document::{DEPTH_MAX, DocumentKey, NODES_MAX, Node, Value};
use crate::error::{Code, Finding};

/// Reads a text as TOML.
pub(crate) fn parse(lines: &Lines<'_>) -> Result<Node, Vec<Finding>> {
    let text = lines.text.strip_prefix('\u{feff}').unwrap_or(lines.text);
    let mut reader = TomlReader { lines, skipped: lines.text.len() - text.len(), n_nodes: 0 };
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(errors.iter().take(SYNTAX_FINDINGS_MAX).map(|error| reader.error(error)).collect());
    }
    let span = table.span();
    reader.table(table.get_ref(), span, 0).map_err(|finding| vec![*finding])
}

struct TomlReader<'l, 't> {
    lines: &'l Lines<'t>,
    skipped: usize,
    n_nodes: usize,
}

impl TomlReader<'_, '_> {
    fn error(&self, error: &toml::de::Error) -> Finding {
        let at = self.moved(error.span().unwrap_or(0..0));
        // The parser tells these apart by its words only.
        let (code, message) = match error.message() {
            "duplicate key" => (Code::DUPLICATE_KEY, "this key is written twice in its table".to_owned()),
            it if it.contains("recurs") => {
                (Code::TOO_LARGE, "too many tables and lists stand inside one another".to_owned())
            }
            it => (Code::SYNTAX, format!("this is no TOML: {it}")),
        };
        Finding::new(code, "", &self.lines.place(at), message)
    }

    fn moved(&self, span: Range<usize>) -> Range<usize> {
        span.start + self.skipped..span.end + self.skipped
    }

    fn node(&mut self, value: &Spanned<DeValue<'_>>, depth: usize) -> Result<Node, Box<Finding>> {
        let span = value.span();
        let value = match value.get_ref() {
            DeValue::String(text) => Value::String(text.clone().into_owned()),
            DeValue::Integer(number) => Value::Number(number.to_string()),
            DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Datetime(time) => Value::String(time.to_string()),
            DeValue::Array(values) => {
                self.open(&span, depth)?;
                Value::List(values.iter().map(|value| self.node(value, depth + 1)).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => return self.table(table, span, depth),
        };
        self.made(value, span)
    }

    fn table(&mut self, table: &DeTable<'_>, span: Range<usize>, depth: usize) -> Result<Node, Box<Finding>> {
        self.open(&span, depth)?;
        let mut written: Vec<(&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)> = table.iter().collect();
        // The parser sorts by name; mappings run, and findings come, in the order written.
        written.sort_by_key(|(key, _)| key.span().start);
        let mut entries = Vec::with_capacity(written.len());
        for (key, value) in written {
            let place = self.lines.place(self.moved(key.span()));
            entries.push((
                DocumentKey { name: key.get_ref().clone().into_owned(), place },
                self.node(value, depth + 1)?,
            ));
        }
        self.made(Value::Map(entries), span)
    }

    fn open(&self, span: &Range<usize>, depth: usize) -> Result<(), Box<Finding>> {
        if depth < DEPTH_MAX {
            return Ok(());
        }
        let message = format!("more than {DEPTH_MAX} tables and lists stand inside one another");
        Err(Box::new(Finding::new(
            Code::TOO_LARGE,
            "",
            &self.lines.first_line(self.moved(span.clone())),
            message,
        )))
    }

    fn made(&mut self, value: Value, span: Range<usize>) -> Result<Node, Box<Finding>> {
        let place = self.lines.first_line(self.moved(span));
        self.n_nodes += 1;
        if self.n_nodes > NODES_MAX {
            let message = format!("the document holds more than {NODES_MAX} values");
            return Err(Box::new(Finding::new(Code::TOO_LARGE, "", &place, message)));
        }
        Ok(Node { value, place })
    }
}
