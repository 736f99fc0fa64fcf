//! Regular expressions of the model: their text is part of an error, so it is kept as AWS writes it.

use std::sync::OnceLock;

use regex::Regex;

/// An expression that a whole text must match.
#[derive(Debug)]
pub(crate) struct TextPattern {
    /// As AWS writes it.
    pub(crate) text: &'static str,
    /// What stands for a look-ahead of the text, which our matcher does not have: the same without it, and
    /// the prefix that it refuses.
    without_look_ahead: Option<(&'static str, &'static str)>,
    compiled: OnceLock<Regex>,
}

impl TextPattern {
    pub(super) const fn new(text: &'static str) -> Self {
        Self { text, without_look_ahead: None, compiled: OnceLock::new() }
    }

    pub(super) const fn refusing(text: &'static str, rest: &'static str, prefix: &'static str) -> Self {
        Self { text, without_look_ahead: Some((rest, prefix)), compiled: OnceLock::new() }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let (expression, refused) = match self.without_look_ahead {
            Some((rest, prefix)) => (rest, Some(prefix)),
            None => (self.text, None),
        };
        // A digit is an ASCII digit for AWS, and the whole text must match: without brackets the ends would
        // belong to the outer alternatives only.
        let regex = self.compiled.get_or_init(|| {
            Regex::new(&format!("^(?:{})$", expression.replace(r"\d", "[0-9]")))
                .expect("a test compiles every expression of the tables")
        });
        refused.is_none_or(|it| !text.starts_with(it)) && regex.is_match(text)
    }
}
