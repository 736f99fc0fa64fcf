//! One value under a key: the readers of lists, maps and choices, and the findings about it.

use std::collections::BTreeMap;

use super::{Fields, suggest, words};
use crate::document::{DocumentKey, Node, SourceSpan, Value};
use crate::error::{Code, Finding, join};

/// One value under a key, on its way to a type. Each reader gives `None` and notes a finding when the value
/// is not of that type.
#[derive(Debug)]
pub struct Item<'n, 'f> {
    pub(super) node: &'n Node,
    pub(super) path: String,
    pub(super) aws_name: Option<String>,
    findings: &'f mut Vec<Finding>,
}

impl<'n, 'f> Item<'n, 'f> {
    /// A value, its path and where findings go.
    pub fn new(node: &'n Node, path: impl Into<String>, findings: &'f mut Vec<Finding>) -> Self {
        Self { node, path: path.into(), aws_name: None, findings }
    }

    /// Says findings about ranges and words as AWS does, with AWS's name of the member: `batchSize`.
    #[must_use]
    pub fn aws(mut self, name: impl Into<String>) -> Self {
        self.aws_name = Some(name.into());
        self
    }

    /// The value as it stands in the document.
    pub fn node(&self) -> &'n Node {
        self.node
    }

    /// Its place.
    pub fn place(&self) -> &'n SourceSpan {
        &self.node.place
    }

    /// Its path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Notes that the value is wrong. The message must not repeat a value that may be a secret.
    pub fn wrong(&mut self, code: Code, message: impl Into<String>, fix: Option<String>) {
        let mut finding = Finding::new(code, self.path.clone(), &self.node.place, message);
        finding.fix = fix;
        self.findings.push(finding);
    }

    /// Notes that a key of this map is wrong.
    pub fn wrong_key(
        &mut self,
        key: &DocumentKey,
        code: Code,
        message: impl Into<String>,
        fix: Option<String>,
    ) {
        let mut finding = Finding::new(code, join(&self.path, &key.name), &key.place, message);
        finding.fix = fix;
        self.findings.push(finding);
    }

    /// The same value again, for a second look after a reader has taken the first.
    pub fn again(&mut self) -> Item<'n, '_> {
        Item {
            node: self.node,
            path: self.path.clone(),
            aws_name: self.aws_name.clone(),
            findings: self.findings,
        }
    }

    /// Adds findings made elsewhere.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
    }

    /// Notes that the value is of another type, and gives `None`.
    pub(super) fn not(mut self, wanted: &str, fix: Option<&str>) -> Option<std::convert::Infallible> {
        let message = format!("must be {wanted}, not {}", kind(&self.node.value));
        self.wrong(Code::WRONG_TYPE, message, fix.map(str::to_owned));
        None
    }

    /// A nested map, read like any other; its unknown keys are findings too.
    pub fn fields<T>(self, read: impl FnOnce(&mut Fields<'n>) -> Option<T>) -> Option<T> {
        match Fields::read(self.node, self.path, read) {
            Ok(value) => Some(value),
            Err(findings) => {
                self.findings.extend(findings);
                None
            }
        }
    }

    /// A list, each element read by `read`; `None` when one of them cannot be read.
    pub fn list<T>(self, mut read: impl FnMut(Item<'n, '_>) -> Option<T>) -> Option<Vec<T>> {
        let Value::List(nodes) = &self.node.value else {
            self.not("a list", Some("write it as `[…]` or as lines that start with `-`"));
            return None;
        };
        // All are read before the first that fails ends it, so that each has its findings.
        let mut values = Vec::with_capacity(nodes.len());
        for (idx, node) in nodes.iter().enumerate() {
            values.push(read(Item {
                node,
                path: format!("{}[{idx}]", self.path),
                aws_name: self.aws_name.clone(),
                findings: self.findings,
            }));
        }
        values.into_iter().collect()
    }

    /// A list of texts, none of them empty.
    pub fn texts(self) -> Option<Vec<String>> {
        self.list(|it| it.text())
    }

    /// A map with keys of the operator's choice, each value read by `read`.
    pub fn entries<T>(
        self,
        mut read: impl FnMut(&'n DocumentKey, Item<'n, '_>) -> Option<T>,
    ) -> Option<BTreeMap<String, T>> {
        let Value::Map(entries) = &self.node.value else {
            self.not("a map", None);
            return None;
        };
        // All are read before the first that fails ends it, so that each has its findings.
        let mut values = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            let item = Item {
                node,
                path: join(&self.path, &key.name),
                aws_name: self.aws_name.clone(),
                findings: self.findings,
            };
            values.push(read(key, item).map(|value| (key.name.clone(), value)));
        }
        values.into_iter().collect()
    }

    /// A map of texts. A number is taken as it is written.
    pub fn text_map(self) -> Option<BTreeMap<String, String>> {
        self.entries(|_, it| match &it.node.value {
            // Ports and versions are mostly written without quotes; as text they are what was written.
            Value::Number(number) => Some(number.clone()),
            Value::Null
            | Value::Bool(_)
            | Value::String(_)
            | Value::Expanded(_)
            | Value::List(_)
            | Value::Map(_) => it.string(),
        })
    }

    /// An externally tagged choice, `{ file: {…} }`: exactly one of `known` is written, and `read` gets the
    /// word and what stands under it. A word with null beside another one is not written; one that stands
    /// alone is chosen, with no settings.
    pub fn choice<T>(
        mut self,
        known: &[&'static str],
        read: impl FnOnce(&'static str, Item<'n, '_>) -> Option<T>,
    ) -> Option<T> {
        let one_of = format!("exactly one of {}", words(known));
        let Value::Map(entries) = &self.node.value else {
            self.not(&format!("a map with {one_of}"), None);
            return None;
        };
        let is_written = |(key, node): &&(DocumentKey, Node)| {
            node.value != Value::Null || !known.contains(&key.name.as_str())
        };
        let mut written: Vec<_> = entries.iter().filter(is_written).collect();
        if written.is_empty() {
            written.extend(entries);
        }
        if let Some((second, _)) = written.get(1).copied() {
            let finding =
                Finding::new(Code::ONE_OF, self.path.clone(), &second.place, format!("must hold {one_of}"));
            self.findings.push(finding.fix("keep one of them"));
            return None;
        }
        let Some((key, node)) = written.first().copied() else {
            self.wrong(Code::ONE_OF, format!("must hold {one_of}"), None);
            return None;
        };
        let Some(word) = known.iter().find(|word| **word == key.name) else {
            let fix = suggest(&key.name, known)
                .map_or_else(|| format!("write {one_of}"), |word| format!("did you mean `{word}`?"));
            let message = format!("there is no `{}` here", key.name.escape_debug());
            self.findings.push(
                Finding::new(Code::UNKNOWN_SETTING, join(&self.path, &key.name), &key.place, message)
                    .fix(fix),
            );
            return None;
        };
        read(word, Item { node, path: join(&self.path, word), aws_name: None, findings: self.findings })
    }
}

/// The type of a value, for a sentence.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Expanded(_) => "what its placeholder gave",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::testing::{list, map, node, number, text};

    fn read<T>(node: &Node, read: impl FnOnce(Item<'_, '_>) -> Option<T>) -> Result<T, Vec<String>> {
        let mut findings = Vec::new();
        let value = read(Item::new(node, "it", &mut findings));
        value.ok_or_else(|| {
            findings
                .iter()
                .map(|it| format!("{}: {} ({})", it.path, it.message, it.fix.as_deref().unwrap_or("")))
                .collect()
        })
    }

    #[test]
    fn a_list_names_every_element_that_is_wrong() {
        let found = read(&list(&[text("a"), number("1"), text(""), text("b")]), |it| it.texts()).unwrap_err();
        assert_eq!(
            found,
            [
                "it[1]: must be text, not a number (write it in quotes)",
                "it[2]: must not be empty (write a value, or remove the setting)"
            ]
        );
        assert_eq!(read(&list(&[text("a"), text("b")]), |it| it.texts()).unwrap(), ["a", "b"]);
    }

    #[test]
    fn a_choice_takes_exactly_one_known_word() {
        let choose =
            |node: &Node| read(node, |it| it.choice(&["file", "http"], |word, it| Some((word, it.text()?))));
        assert_eq!(choose(&map(&[("file", text("x"))])).unwrap(), ("file", "x".to_owned()));
        assert_eq!(choose(&map(&[])).unwrap_err(), ["it: must hold exactly one of `file`, `http` ()"]);
        assert_eq!(
            choose(&map(&[("file", text("x")), ("http", text("y"))])).unwrap_err(),
            ["it: must hold exactly one of `file`, `http` (keep one of them)"]
        );
        assert_eq!(
            choose(&map(&[("flie", text("x"))])).unwrap_err(),
            ["it.flie: there is no `flie` here (did you mean `file`?)"]
        );
        assert_eq!(
            choose(&text("file")).unwrap_err(),
            ["it: must be a map with exactly one of `file`, `http`, not text ()"]
        );
        assert_eq!(
            choose(&map(&[("file", number("1"))])).unwrap_err(),
            ["it.file: must be text, not a number (write it in quotes)"]
        );
    }

    #[test]
    fn a_null_beside_the_chosen_word_is_not_written() {
        let choose = |node: &Node| {
            read(node, |it| it.choice(&["file", "http"], |word, it| Some((word, it.node().value.clone()))))
        };
        let null = || node(Value::Null);
        let x = || text("x");
        let chosen = Ok(("file", x().value));
        assert_eq!(choose(&map(&[("file", x()), ("http", null())])), chosen);
        assert_eq!(choose(&map(&[("http", null()), ("file", x())])), chosen);
        assert_eq!(
            choose(&map(&[("file", null())])),
            Ok(("file", Value::Null)),
            "a word alone is chosen, its settings commented out"
        );
        assert_eq!(
            choose(&map(&[("file", null()), ("http", null())])).unwrap_err(),
            ["it: must hold exactly one of `file`, `http` (keep one of them)"]
        );
        assert_eq!(
            choose(&map(&[("file", null()), ("htp", null())])).unwrap_err(),
            ["it.htp: there is no `htp` here (did you mean `http`?)"],
            "a slip is not passed over"
        );
        assert!(choose(&map(&[("file", x()), ("htp", null())])).is_err());
    }

    #[test]
    fn a_text_map_takes_numbers_as_written_and_refuses_the_rest() {
        let values = read(&map(&[("A", text("x")), ("B", number("010"))]), |it| it.text_map()).unwrap();
        assert_eq!(
            values.into_iter().collect::<Vec<_>>(),
            [("A".to_owned(), "x".to_owned()), ("B".to_owned(), "010".to_owned())]
        );
        let found = read(&map(&[("A", node(Value::Bool(true)))]), |it| it.text_map()).unwrap_err();
        assert_eq!(found, ["it.A: must be text, not true or false (write it in quotes)"]);
    }
}
