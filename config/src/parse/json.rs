//! JSON as RFC 8259 has it. It is not read as YAML, whose surrogate escapes, tabs and long keys differ.

use super::Lines;
use super::tree::{Stop, Tree};
use crate::document::{Node, Value};
use crate::error::{Code, Finding};

/// Reads a text as JSON.
pub(crate) fn parse(lines: &Lines<'_>) -> Result<Node, Vec<Finding>> {
    let at = if lines.text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut reader = JsonReader { tree: Tree::new(lines), at };
    // A stop has left its reason among the findings.
    let _reason_is_noted = reader.document();
    reader.tree.finish()
}

struct JsonReader<'l, 't> {
    tree: Tree<'l, 't>,
    at: usize,
}

impl JsonReader<'_, '_> {
    fn document(&mut self) -> Result<(), Stop> {
        if self.peek().is_none() {
            return Ok(());
        }
        self.value()?;
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.wrong("nothing may follow the value")),
        }
    }

    /// Reads one value; the tree refuses to open more than `DEPTH_MAX`, which bounds the recursion.
    fn value(&mut self) -> Result<(), Stop> {
        let next = self.peek();
        let start = self.at;
        let value = match next {
            Some(b'{') => return self.map(),
            Some(b'[') => return self.list(),
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(_) | None => self.literal()?,
        };
        let place = self.tree.lines.place(start..self.at);
        self.tree.value(Node { value, place })
    }

    fn map(&mut self) -> Result<(), Stop> {
        self.tree.open_map(self.at, 0)?;
        self.at += 1;
        if self.peek() != Some(b'}') {
            loop {
                self.key()?;
                self.value()?;
                if !self.more(b'}', "`,` or `}` is expected here")? {
                    break;
                }
            }
        }
        self.close()
    }

    fn list(&mut self) -> Result<(), Stop> {
        self.tree.open_list(self.at, 0)?;
        self.at += 1;
        if self.peek() != Some(b']') {
            loop {
                self.value()?;
                if !self.more(b']', "`,` or `]` is expected here")? {
                    break;
                }
            }
        }
        self.close()
    }

    fn close(&mut self) -> Result<(), Stop> {
        self.at += 1;
        self.tree.close(self.at).map(|_| ())
    }

    fn key(&mut self) -> Result<(), Stop> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong("a key in quotes is expected here"));
        }
        let start = self.at;
        let name = self.string()?;
        self.tree.key(name, start..self.at)?;
        if self.peek() != Some(b':') {
            return Err(self.wrong("`:` is expected here"));
        }
        self.at += 1;
        Ok(())
    }

    /// Whether a comma says that another element follows; otherwise the end must stand here.
    fn more(&mut self, closer: u8, expected: &str) -> Result<bool, Stop> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                if self.peek() == Some(closer) {
                    return Err(self.wrong("a comma stands before the end; remove it"));
                }
                Ok(true)
            }
            Some(it) if it == closer => Ok(false),
            Some(_) | None => Err(self.wrong(expected)),
        }
    }

    fn literal(&mut self) -> Result<Value, Stop> {
        let rest = &self.tree.lines.text[self.at..];
        let known = [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)];
        let Some((word, value)) = known.into_iter().find(|(word, _)| rest.starts_with(word)) else {
            return Err(self.wrong("a value is expected here"));
        };
        self.at += word.len();
        Ok(value)
    }

    fn string(&mut self) -> Result<String, Stop> {
        let rest = &self.tree.lines.text[self.at..];
        let mut is_escaped = false;
        // Only its end is looked for: what stands inside is for serde_json to judge.
        let end = rest.bytes().skip(1).position(|it| {
            let ends = it == b'"' && !is_escaped;
            is_escaped = it == b'\\' && !is_escaped;
            ends
        });
        let Some(end) = end else {
            return Err(self.wrong("this text has no closing quote"));
        };
        let quoted = &rest[..end + 2];
        match serde_json::from_str(quoted) {
            Ok(text) => {
                self.at += quoted.len();
                Ok(text)
            }
            Err(error) => {
                let reason = if error.is_eof() {
                    "it ends too early"
                } else {
                    "a control character or an escape that JSON does not know"
                };
                // To the end of the line: where a quote is missing the text would be half of the document.
                let span = self.at..self.at + quoted.find('\n').unwrap_or(quoted.len());
                Err(self.tree.stop(Code::SYNTAX, span, format!("this text is no JSON: {reason}")))
            }
        }
    }

    fn number(&mut self) -> Result<String, Stop> {
        let rest = &self.tree.lines.text[self.at..];
        let end = rest
            .find(|it: char| !matches!(it, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(rest.len());
        let text = &rest[..end];
        // A raw value keeps every digit and checks the grammar.
        if serde_json::from_str::<&serde_json::value::RawValue>(text).is_err() {
            return Err(self.tree.stop(Code::SYNTAX, self.at..self.at + end, "this number is no JSON"));
        }
        self.at += end;
        Ok(text.to_owned())
    }

    /// The next byte that is no white space; `at` stands on it.
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.tree.lines.text.as_bytes()[self.at..];
        let skipped =
            rest.iter().position(|it| !matches!(it, b' ' | b'\t' | b'\n' | b'\r')).unwrap_or(rest.len());
        self.at += skipped;
        rest.get(skipped).copied()
    }

    fn wrong(&mut self, message: &str) -> Stop {
        let message = if self.at == self.tree.lines.text.len() {
            "the document ends too early".to_owned()
        } else {
            message.to_owned()
        };
        self.tree.stop(Code::SYNTAX, self.at..self.at + 1, message)
    }
}
