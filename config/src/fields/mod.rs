//! Reads the settings of one map and collects all that is wrong with them, unknown keys included; never stops
//! at the first.
//!
//! ```
//! # use forebay_config::{Fields, Finding, Node};
//! struct Settings { path: String, lines_max: u32 }
//!
//! fn read(node: &Node) -> Result<Settings, Vec<Finding>> {
//!     Fields::read(node, "source.file", |fields| {
//!         let path = fields.required("path", |it| it.text());
//!         let lines_max = fields.optional("lines_max", |it| it.integer(1..=10_000));
//!         Some(Settings { path: path?, lines_max: lines_max.unwrap_or(100) })
//!     })
//! }
//! ```
//!
//! Every taker is called before the first `?`, so that one mistake does not hide the next. A key whose value
//! is null counts as not written.

mod item;
mod number;
mod scalar;
mod suggest;

pub use item::Item;
pub(crate) use number::{decimal_millis, integer_of};
pub(crate) use scalar::{beyond, validation};
pub(crate) use suggest::suggest;

use crate::document::{DocumentKey, Node, SourceSpan, Value};
use crate::error::{Code, Finding, join};

/// The most unknown keys of one map that are named one by one.
const UNKNOWN_MAX: usize = 50;
/// The most words in one sentence.
const WORDS_MAX: usize = 50;

/// Reads the settings of one map.
#[derive(Debug)]
pub struct Fields<'n> {
    node: &'n Node,
    path: String,
    entries: &'n [(DocumentKey, Node)],
    is_map: bool,
    known: Vec<&'static str>,
    refused: Vec<&'static str>,
    findings: Vec<Finding>,
}

impl<'n> Fields<'n> {
    /// Starts on a map; null counts as an empty one, anything else is a finding. `path` names the map in
    /// findings.
    pub fn new(node: &'n Node, path: impl Into<String>) -> Self {
        let path = path.into();
        let (entries, is_map): (&[_], _) = match &node.value {
            Value::Map(entries) => (entries, true),
            // A key whose settings are all commented out has nothing behind it.
            Value::Null => (&[], true),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Expanded(_) | Value::List(_) => {
                (&[], false)
            }
        };
        let mut fields = Self {
            node,
            path,
            entries,
            is_map,
            known: Vec::new(),
            refused: Vec::new(),
            findings: Vec::new(),
        };
        if !is_map {
            let message = format!("must be a map of settings, not {}", item::kind(&node.value));
            fields.findings.push(Finding::new(Code::WRONG_TYPE, fields.path.clone(), &node.place, message));
        }
        fields
    }

    /// Reads a whole map: `read` takes the settings, then unknown keys are added to what was found.
    ///
    /// # Errors
    /// All findings; the value is given back only when there are none.
    pub fn read<T>(
        node: &'n Node,
        path: impl Into<String>,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Result<T, Vec<Finding>> {
        let mut fields = Self::new(node, path);
        let value = read(&mut fields);
        let findings = fields.finish();
        match value {
            Some(value) if findings.is_empty() => Ok(value),
            Some(_) | None => Err(findings),
        }
    }

    /// The path of this map.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The place of this map.
    pub fn place(&self) -> &'n SourceSpan {
        &self.node.place
    }

    /// Whether this is a map at all; when it is not, that is a finding already.
    pub fn is_map(&self) -> bool {
        self.is_map
    }

    /// Whether the key is written with something other than null. Makes the key known.
    pub fn has(&mut self, key: &'static str) -> bool {
        self.node(key).is_some()
    }

    /// What stands under the key, when it is not null. Makes the key known.
    pub fn node(&mut self, key: &'static str) -> Option<&'n Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// The key itself as written, for findings about the setting rather than its value. Makes the key known.
    pub fn key(&mut self, key: &'static str) -> Option<&'n DocumentKey> {
        self.entry(key).map(|(key, _)| key)
    }

    /// The key of a setting that others have and we refuse, with a finding of the caller's own; it is not
    /// named as known.
    pub fn refused(&mut self, key: &'static str) -> Option<&'n DocumentKey> {
        self.refused.push(key);
        self.entries.iter().map(|(it, _)| it).find(|it| it.name == key)
    }

    fn entry(&mut self, key: &'static str) -> Option<&'n (DocumentKey, Node)> {
        self.known.push(key);
        self.entries.iter().find(|(it, node)| it.name == key && node.value != Value::Null)
    }

    /// Reads a setting when it is written.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Item<'n, '_>) -> Option<T>,
    ) -> Option<T> {
        let node = self.node(key)?;
        read(Item::new(node, join(&self.path, key), &mut self.findings))
    }

    /// The same, told apart from one that is not written: `Some(None)` where nothing stands there, `None` where it
    /// is wrong.
    pub fn optional_checked<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Item<'n, '_>) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.has(key) { self.optional(key, read).map(Some) } else { Some(None) }
    }

    /// Reads a setting; its absence is a finding.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Item<'n, '_>) -> Option<T>,
    ) -> Option<T> {
        // What is no map has its own finding; that it lacks each key would only repeat it.
        if !self.has(key) && self.is_map {
            self.missing(key, format!("`{key}` is missing"));
            return None;
        }
        self.optional(key, read)
    }

    /// Notes that a setting is missing, in the given words.
    pub fn missing(&mut self, key: &'static str, message: impl Into<String>) {
        let path = join(&self.path, key);
        self.findings
            .push(Finding::new(Code::MISSING, path, &self.node.place, message).fix(format!("add `{key}:`")));
    }

    /// Adds a finding of the caller's own.
    pub fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Adds findings of the caller's own.
    pub fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
    }

    /// Ends the map: keys that no taker asked for are unknown settings.
    pub fn finish(self) -> Vec<Finding> {
        self.finish_with_gaps().0
    }

    /// The same, and the settings that an unknown key stands for: it is no second mistake that they are
    /// missing.
    pub(crate) fn finish_with_gaps(mut self) -> (Vec<Finding>, Vec<&'static str>) {
        let mut gaps = Vec::new();
        let is_unknown = |it: &&DocumentKey| {
            !self.known.contains(&it.name.as_str()) && !self.refused.contains(&it.name.as_str())
        };
        let unknown: Vec<&DocumentKey> = self.entries.iter().map(|(key, _)| key).filter(is_unknown).collect();
        // The file of another program may have thousands of them.
        if let Some(key) = unknown.get(UNKNOWN_MAX) {
            let message = format!("{} more settings from here on are unknown", unknown.len() - UNKNOWN_MAX);
            self.findings.push(Finding::new(Code::UNKNOWN_SETTING, self.path.clone(), &key.place, message));
        }
        for key in unknown.into_iter().take(UNKNOWN_MAX) {
            let fix = match suggest(&key.name, &self.known) {
                Some(known) => {
                    // The slip and the gap that it leaves are one mistake.
                    let gap = join(&self.path, known);
                    self.findings.retain(|it| it.code != Code::MISSING || it.path != gap);
                    gaps.push(known);
                    format!("did you mean `{known}`?")
                }
                None => format!("known here: {}", words(&self.known)),
            };
            let message = format!("there is no setting `{}`", key.name.escape_debug());
            self.findings.push(
                Finding::new(Code::UNKNOWN_SETTING, join(&self.path, &key.name), &key.place, message)
                    .fix(fix),
            );
        }
        (self.findings, gaps)
    }
}

/// The words in order, once each, for a sentence; of very many the first ones.
pub(crate) fn words(known: &[&str]) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for word in known {
        if seen.len() == WORDS_MAX {
            break;
        }
        if !seen.contains(word) {
            seen.push(word);
        }
    }
    seen.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::testing::{map, node, number, text};

    fn show(findings: &[Finding]) -> Vec<String> {
        findings
            .iter()
            .map(|it| {
                format!("{} {}: {} ({})", it.code, it.path, it.message, it.fix.as_deref().unwrap_or(""))
            })
            .collect()
    }

    #[test]
    fn all_findings_of_a_map_come_at_once() {
        let node = map(&[("path", number("7")), ("lines_maxx", number("3")), ("wait", number("-1"))]);
        let read = Fields::read(&node, "source.file", |fields| {
            let path = fields.required("path", |it| it.text());
            let lines = fields.optional("lines_max", |it| it.integer(1u32..=10));
            let wait = fields.optional("wait", |it| it.integer(0u32..=10));
            let url = fields.required("url", |it| it.text());
            Some((path?, lines, wait, url?))
        });
        assert_eq!(
            show(&read.unwrap_err()),
            [
                "FB-0105 source.file.path: must be text, not a number (write it in quotes)",
                "FB-0106 source.file.wait: must be from 0 to 10, not -1 ()",
                "FB-0107 source.file.url: `url` is missing (add `url:`)",
                "FB-0104 source.file.lines_maxx: there is no setting `lines_maxx` (did you mean `lines_max`?)",
            ]
        );
    }

    #[test]
    fn a_slip_in_a_required_key_is_one_mistake() {
        let node = map(&[("pth", text("x"))]);
        let read = Fields::read(&node, "", |fields| fields.required("path", |it| it.text()));
        assert_eq!(
            show(&read.unwrap_err()),
            ["FB-0104 pth: there is no setting `pth` (did you mean `path`?)"]
        );
    }

    #[test]
    fn very_many_unknown_keys_are_counted() {
        let keys: Vec<String> = (0..1000).map(|it| format!("colour{it}")).collect();
        let node = map(&keys.iter().map(|it| (it.as_str(), number("1"))).collect::<Vec<_>>());
        let found = Fields::read(&node, "", |fields| fields.required("path", |it| it.text())).unwrap_err();
        assert_eq!(found.len(), 52);
        assert!(found.iter().any(|it| it.message == "950 more settings from here on are unknown"));
    }

    #[test]
    fn a_null_counts_as_not_written() {
        let node = map(&[("path", node(Value::Null))]);
        let read = Fields::read(&node, "", |fields| Some(fields.optional("path", |it| it.text())));
        assert_eq!(read.unwrap(), None);
        let read = Fields::read(&node, "", |fields| fields.required("path", |it| it.text()));
        assert_eq!(show(&read.unwrap_err()), ["FB-0107 path: `path` is missing (add `path:`)"]);
    }

    #[test]
    fn a_value_that_is_no_map_is_one_finding() {
        let node = text("x");
        let read = Fields::read(&node, "source.file", |fields| fields.required("path", |it| it.text()));
        assert_eq!(show(&read.unwrap_err()), ["FB-0105 source.file: must be a map of settings, not text ()"]);
    }
}
