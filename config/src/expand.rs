//! Fills `${…}` in the values of a document after it was read; never in keys, and never the text as a whole.
//!
//! | Written | Becomes |
//! | --- | --- |
//! | `${NAME}` | the environment variable; it is a finding when it is not set |
//! | `${NAME:-text}` | the variable, or `text` when it is not set or empty |
//! | `${file:path}` | what the file holds, without its last line break; a relative path is taken from the config file |
//! | `$${anything}` | `${anything}`, untouched |
//! | `$NAME`, `$LATEST`, `$or` | themselves: only braces make a placeholder |
//!
//! A value that held a placeholder is read as whatever type its setting has and is never shown in a message.
//! What a placeholder gave is not looked at again, so a variable cannot bring in another one.

use std::path::Path;

use crate::document::{DOCUMENT_BYTES_MAX, Document, Node, Value};
use crate::error::{Code, Finding, join};

/// Where values come from; this crate reads no variable and no file by itself.
pub trait Lookup {
    /// The value of an environment variable; `None` when it is not set or is no UTF-8.
    fn env(&self, name: &str) -> Option<String>;
    /// What a file holds.
    ///
    /// # Errors
    /// Why it cannot be read, as the end of a sentence: `permission denied`.
    fn file(&self, path: &Path) -> Result<String, String>;
}

impl Document {
    /// Fills the placeholders of all values.
    pub fn expand(&mut self, lookup: &dyn Lookup) -> Vec<Finding> {
        let mut walk = Expansion { lookup, base: &self.base, findings: Vec::new(), n_bytes: 0 };
        walk.node(&mut self.root, "");
        let findings = walk.findings;
        self.unfilled.extend(findings.iter().map(|it| it.place.clone()));
        findings
    }
}

struct Expansion<'a> {
    lookup: &'a dyn Lookup,
    base: &'a Path,
    findings: Vec<Finding>,
    n_bytes: usize,
}

impl Expansion<'_> {
    fn node(&mut self, node: &mut Node, path: &str) {
        match &mut node.value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Expanded(_) => {}
            Value::String(text) if text.contains("${") => match self.text(text) {
                Ok(value) => node.value = value,
                Err((message, fix)) => {
                    self.findings.push(Finding::new(Code::EXPANSION, path, &node.place, message).fix(fix))
                }
            },
            Value::String(_) => {}
            Value::List(nodes) => nodes
                .iter_mut()
                .enumerate()
                .for_each(|(idx, node)| self.node(node, &format!("{path}[{idx}]"))),
            Value::Map(entries) => {
                entries.iter_mut().for_each(|(key, node)| self.node(node, &join(path, &key.name)))
            }
        }
    }

    /// The value of a text, or what is wrong with its first bad placeholder and the fix.
    fn text(&mut self, text: &str) -> Result<Value, (String, String)> {
        let mut filled = String::new();
        let mut is_filled = false;
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                filled.push_str(&rest[..at - 1]);
                filled.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            filled.push_str(&rest[..at]);
            let Some(end) = rest[at..].find('}') else {
                return Err((
                    "a placeholder has no closing brace".to_owned(),
                    "close it with `}`, or write `$${` for the characters".to_owned(),
                ));
            };
            let value = self.placeholder(&rest[at + 2..at + end])?;
            // Over the whole document, which may name one large file many times.
            self.n_bytes += value.len();
            if self.n_bytes > DOCUMENT_BYTES_MAX {
                let message =
                    format!("the placeholders of this document give more than {DOCUMENT_BYTES_MAX} bytes");
                return Err((message, "keep large data out of the config".to_owned()));
            }
            filled.push_str(&value);
            is_filled = true;
            rest = &rest[at + end + 1..];
        }
        filled.push_str(rest);
        // Text that only had escapes is the document's own and may be shown.
        Ok(if is_filled { Value::Expanded(filled) } else { Value::String(filled) })
    }

    fn placeholder(&self, inner: &str) -> Result<String, (String, String)> {
        let shown: String = inner.chars().take(80).flat_map(char::escape_debug).collect();
        if let Some(path) = inner.strip_prefix("file:") {
            let fix = || "check the path and its permissions".to_owned();
            if path.is_empty() || path.contains('\0') {
                return Err((format!("`${{{shown}}}` names no file"), fix()));
            }
            let text = self
                .lookup
                .file(&self.base.join(path))
                .map_err(|reason| (format!("`${{{shown}}}` cannot be read: {reason}"), fix()))?;
            let line = text.strip_suffix('\n').map(|it| it.strip_suffix('\r').unwrap_or(it));
            return Ok(line.unwrap_or(&text).to_owned());
        }
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        let is_name = name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_')
            && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
        if !is_name {
            let fix = "write `${NAME}`, `${NAME:-default}` or `${file:path}`, or `$${` for the characters themselves";
            return Err((format!("`${{{shown}}}` is no placeholder"), fix.to_owned()));
        }
        // The first brace would end the outer one in the middle of it.
        if default.is_some_and(|it| it.contains("${")) {
            return Err((
                format!("`${{{shown}}}`: a default holds no placeholder"),
                "give the outer variable its value instead".to_owned(),
            ));
        }
        match (self.lookup.env(name), default) {
            // Set and empty is a value; only who gives a default wants another for it.
            (Some(value), None) => Ok(value),
            (Some(value), Some(_)) if !value.is_empty() => Ok(value),
            (Some(_) | None, Some(default)) => Ok(default.to_owned()),
            (None, None) => Err((
                format!("`${{{name}}}` is not set"),
                format!("set the environment variable, or write `${{{name}:-default}}`"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Format;

    struct Fake;

    impl Lookup for Fake {
        fn env(&self, name: &str) -> Option<String> {
            match name {
                "PORT" => Some("8080".to_owned()),
                "EMPTY" => Some(String::new()),
                "SLY" => Some("${PORT}".to_owned()),
                "BIG" => Some("x".repeat(3 << 20)),
                _ => None,
            }
        }
        fn file(&self, path: &Path) -> Result<String, String> {
            match path.to_str() {
                Some("/etc/forebay/token") => Ok("s3cret\r\n".to_owned()),
                Some(_) | None => Err("no such file".to_owned()),
            }
        }
    }

    fn expand(text: &str, format: Format) -> Result<Vec<Value>, Vec<String>> {
        let mut document = Document::parse("f", text, format, Path::new("/etc/forebay")).unwrap();
        let findings = document.expand(&Fake);
        if !findings.is_empty() {
            return Err(findings
                .into_iter()
                .map(|it| format!("{} {}:{} {}", it.path, it.place.line, it.place.column, it.message))
                .collect());
        }
        let Value::Map(entries) = document.root.value else { panic!("no map") };
        Ok(entries.into_iter().map(|(_, node)| node.value).collect())
    }

    #[test]
    fn placeholders_are_filled_in_all_three_languages_quoted_or_not() {
        let filled = vec![Value::Expanded("8080".to_owned()), Value::Expanded("http://h:8080/x".to_owned())];
        assert_eq!(expand("a: ${PORT}\nb: \"http://h:${PORT}/x\"\n", Format::Yaml), Ok(filled.clone()));
        assert_eq!(
            expand("{\"a\": \"${PORT}\", \"b\": \"http://h:${PORT}/x\"}", Format::Json),
            Ok(filled.clone())
        );
        assert_eq!(expand("a = '${PORT}'\nb = \"http://h:${PORT}/x\"\n", Format::Toml), Ok(filled));
    }

    #[test]
    fn only_braces_make_a_placeholder_and_two_dollars_escape_it() {
        let text = "a: arn:function:f:$LATEST\nb: '{\"$or\": 1}'\nc: $${PORT}\nd: $$${PORT}\ne: $PORT $$\nf: ${PORT}$${x}\n";
        let strings = ["arn:function:f:$LATEST", "{\"$or\": 1}", "${PORT}", "$${PORT}", "$PORT $$"]
            .map(|it| Value::String(it.to_owned()));
        let values = expand(text, Format::Yaml).unwrap();
        assert_eq!(values[..5], strings);
        assert_eq!(values[5], Value::Expanded("8080${x}".to_owned()));
    }

    #[test]
    fn a_default_stands_in_for_what_is_not_set_or_empty() {
        let values = expand(
            "a: ${NONE:-x}\nb: ${EMPTY:-y}\nc: '${PORT:-z}'\nd: '${NONE:-}'\ne: ${EMPTY}\n",
            Format::Yaml,
        )
        .unwrap();
        assert_eq!(values, ["x", "y", "8080", "", ""].map(|it| Value::Expanded(it.to_owned())));
    }

    #[test]
    fn a_file_gives_its_text_without_the_last_line_break() {
        assert_eq!(
            expand("a: ${file:token}\n", Format::Yaml),
            Ok(vec![Value::Expanded("s3cret".to_owned())])
        );
    }

    #[test]
    fn what_a_placeholder_gave_is_not_looked_at_again() {
        assert_eq!(expand("a: ${SLY}\n", Format::Yaml), Ok(vec![Value::Expanded("${PORT}".to_owned())]));
    }

    #[test]
    fn keys_are_never_filled() {
        assert_eq!(expand("${PORT}: 1\n", Format::Yaml), Ok(vec![Value::Number("1".to_owned())]));
    }

    #[test]
    fn all_bad_placeholders_are_named_and_no_value_is() {
        let text = "a: ${NONE}\nl: ['${file:gone}', '${a b}', '${', '${}', '${A:-${PORT}}', '${X:?no}']\nb: ${file:token}${NONE}\nc: ${BIG}${BIG}\n";
        let found = expand(text, Format::Yaml).unwrap_err();
        assert_eq!(
            found,
            [
                "a 1:4 `${NONE}` is not set",
                "l[0] 2:5 `${file:gone}` cannot be read: no such file",
                "l[1] 2:21 `${a b}` is no placeholder",
                "l[2] 2:31 a placeholder has no closing brace",
                "l[3] 2:37 `${}` is no placeholder",
                "l[4] 2:44 `${A:-${PORT}`: a default holds no placeholder",
                "l[5] 2:61 `${X:?no}` is no placeholder",
                "b 3:4 `${NONE}` is not set",
                "c 4:4 the placeholders of this document give more than 4194304 bytes",
            ]
        );
    }
}
