//! The structures inside requests and answers, in AWS's words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Seconds since 1970, as AWS writes times. Kept as milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EpochMillis(pub i64);

impl Serialize for EpochMillis {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of the next 200,000 years fit")]
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 1000.0)
    }
}

impl<'de> Deserialize<'de> for EpochMillis {
    #[expect(clippy::cast_possible_truncation, reason = "a cast of a float ends at the bounds")]
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(|seconds| Self((seconds * 1000.0).round() as i64))
    }
}

/// Where a new mapping starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StartingPositionMember {
    /// At the first record that is there.
    TrimHorizon,
    /// Behind the last.
    Latest,
    /// At a time.
    AtTimestamp,
}

/// Declares a structure of optional members that is left out of JSON where it has none.
macro_rules! structure {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        pub struct $name {
            $($(#[$member_doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $member: Option<$type>,)*
        }
    };
}

structure! {
    /// Where a cluster of one's own is.
    SelfManagedEventSource {
        /// `KAFKA_BOOTSTRAP_SERVERS` to a list of `host:port`.
        endpoints: BTreeMap<String, Vec<String>>,
    }
}
