//! Which topics are read: some by name, or those whose name is like a pattern.

use std::fmt;

use regex::Regex;

use super::brokers::TopicsAsked;

/// The most characters of a topic's name.
const NAME_CHARS_MAX: usize = 249;

/// Which topics are read.
#[derive(Debug, Clone)]
pub(super) enum TopicChoice {
    /// These.
    Named(Vec<String>),
    /// All whose whole name is like it.
    Like(Regex),
}

impl TopicChoice {
    /// A pattern, which stands for whole names; else what is wrong with it.
    pub(super) fn like(pattern: &str) -> Result<Self, String> {
        // As a whole first, or `a)(b` would be mended by what is put around it.
        Regex::new(pattern).map_err(|error| error.to_string())?;
        Regex::new(&format!("^(?:{pattern})$")).map(Self::Like).map_err(|error| error.to_string())
    }

    /// What the brokers are asked for.
    pub(super) fn asked(&self) -> TopicsAsked<'_> {
        match self {
            Self::Named(names) => TopicsAsked::Named(names),
            Self::Like(_) => TopicsAsked::All,
        }
    }

    /// Whether a topic is one of them. A pattern never means what is Kafka's own.
    pub(super) fn holds(&self, topic: &str) -> bool {
        match self {
            Self::Named(names) => names.iter().any(|it| it == topic),
            Self::Like(pattern) => !topic.starts_with("__") && pattern.is_match(topic),
        }
    }
}

impl fmt::Display for TopicChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(names) => f.write_str(&names.join(",")),
            Self::Like(pattern) => f.write_str(pattern.as_str()),
        }
    }
}

/// Whether a topic may be called so.
pub(super) fn is_topic(text: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || b"._-".contains(&it))
        && text != "."
        && text != ".."
}
