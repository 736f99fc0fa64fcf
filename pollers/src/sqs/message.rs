//! A message as its queue gives it, its attributes in the order in which Lambda shows them.

use std::borrow::Cow;

use bytes::Bytes;
use forebay_clients::AnswerText;

/// System attributes in Lambda's order; others follow by name.
pub(super) const SYSTEM: [&str; 9] = [
    "ApproximateReceiveCount",
    "AWSTraceHeader",
    "SentTimestamp",
    "SequenceNumber",
    "MessageGroupId",
    "SenderId",
    "MessageDeduplicationId",
    "ApproximateFirstReceiveTimestamp",
    "DeadLetterQueueSourceArn",
];

/// A message as the queue gives it.
#[derive(Debug, Clone, Default)]
pub(super) struct Received {
    pub(super) id: AnswerText,
    /// A text. It lives longer than the rest, and keeps nothing of that.
    pub(super) handle: Bytes,
    pub(super) body: AnswerText,
    pub(super) details: Details,
}

/// What it says beside its body.
#[derive(Debug, Clone, Default)]
pub(super) struct Details {
    pub(super) md5_of_body: Option<AnswerText>,
    pub(super) md5_of_attributes: Option<AnswerText>,
    pub(super) system: System,
    pub(super) attributes: Attributes,
}

/// System attributes in Lambda's order.
#[derive(Debug, Clone, Default)]
pub(super) struct System(Box<[(Cow<'static, str>, AnswerText)]>);

impl System {
    /// Attributes that stand in Lambda's order already.
    pub(super) fn in_order(all: impl Iterator<Item = (Cow<'static, str>, AnswerText)>) -> Self {
        Self(all.collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, value.as_str()))
    }
}

impl<N: AsRef<str>, V: Into<AnswerText>> FromIterator<(N, V)> for System {
    fn from_iter<T: IntoIterator<Item = (N, V)>>(all: T) -> Self {
        let mut all: Box<[_]> =
            all.into_iter().map(|(name, value)| (known(name.as_ref()), value.into())).collect();
        all.sort_unstable_by(|(a, _), (b, _)| rank(a).cmp(&rank(b)).then_with(|| a.cmp(b)));
        Self(all)
    }
}

/// The name without an allocation where it is one that SQS has long had.
fn known(name: &str) -> Cow<'static, str> {
    SYSTEM.iter().copied().find(|it| *it == name).map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed)
}

fn rank(name: &str) -> usize {
    SYSTEM.iter().position(|it| *it == name).unwrap_or(SYSTEM.len())
}

/// Message attributes by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes(Box<[(String, Attribute)]>);

/// A message attribute.
#[derive(Debug, Clone)]
pub(super) struct Attribute {
    pub(super) data_type: String,
    pub(super) text: Option<String>,
    pub(super) binary: Option<Vec<u8>>,
}

impl Attributes {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.0.iter().map(|(name, it)| (name.as_str(), it))
    }
}

impl FromIterator<(String, Attribute)> for Attributes {
    fn from_iter<T: IntoIterator<Item = (String, Attribute)>>(all: T) -> Self {
        let mut all: Box<[_]> = all.into_iter().collect();
        // The digest is over attributes by name, and Lambda writes them so.
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Self(all)
    }
}
