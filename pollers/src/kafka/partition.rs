//! A partition of a topic, and the name of its track.

use std::fmt;
use std::sync::Arc;

use crate::source::TrackName;

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct KafkaPartition {
    pub(super) topic: Arc<str>,
    pub(super) number: i32,
}

impl KafkaPartition {
    /// The partition that a track of this name is.
    pub(super) fn of_track(name: &TrackName) -> Option<Self> {
        // A topic's name may hold dashes.
        let (topic, number) = name.0.rsplit_once('-')?;
        let number = number.parse().ok().filter(|it| *it >= 0)?;
        (!topic.is_empty()).then(|| Self { topic: topic.into(), number })
    }

    /// The name of its track.
    pub(super) fn track(&self) -> TrackName {
        TrackName(self.to_string())
    }
}

/// As events name it.
impl fmt::Display for KafkaPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.number)
    }
}
