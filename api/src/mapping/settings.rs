//! The settings of a mapping in AWS's words: what a create asks for, an update changes and an answer shows.

use forebay_config::Draft;
use forebay_config::settings::{self, AwsMembers, is_nothing};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::model::{self, ModelShape};

/// The settings that a mapping is created with and that an update may change, as the model has them. What an
/// update leaves out stays; what it gives empty is cleared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MappingSettings(AwsMembers);

/// Members that are asked for even where they are empty.
const ASKED_EMPTY: [&str; 3] = [
    "AmazonManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig",
    "SelfManagedKafkaEventSourceConfig",
];
/// Of these an update changes single members.
const CHANGED_IN_PART: [&str; 2] =
    ["AmazonManagedKafkaEventSourceConfig", "SelfManagedKafkaEventSourceConfig"];
/// Members that say what a mapping is rather than how it runs; the answer has them elsewhere.
const APART: [&str; 2] = ["Enabled", "FunctionName"];
const DESTINATIONS: &str = "DestinationConfig";

impl MappingSettings {
    /// The members themselves.
    pub fn members(&self) -> &AwsMembers {
        &self.0
    }

    /// A value by its path: `ScalingConfig.MaximumConcurrency`.
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.0.get(path)
    }

    /// A whole number by its path.
    pub fn integer(&self, path: &str) -> Option<i64> {
        self.0.integer(path)
    }

    /// Puts a member in the place of what was there.
    pub fn put(&mut self, name: &str, value: Value) {
        self.0.put(name, value);
    }

    /// Takes a member away.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// What they ask for.
    pub fn draft(&self) -> Draft {
        Draft::of_members(&self.0)
    }

    /// The settings that ask for something and that do not go with every source. Empty ones ask for nothing.
    pub(super) fn asked(&self) -> impl Iterator<Item = &str> {
        let asks = |(name, value): &(&str, &Value)| {
            !goes_with_every_source(name) && (ASKED_EMPTY.contains(name) || !is_nothing(value))
        };
        self.0.iter().filter(asks).map(|(name, _)| name)
    }

    /// Puts what is said here over what stands. What is left out stays, what is given empty is cleared.
    pub(super) fn over(&self, standing: &mut Self) {
        for (name, value) in self.0.iter() {
            if name == DESTINATIONS {
                self.destination_over(standing);
            } else if CHANGED_IN_PART.contains(&name) {
                change_in_part(name, value, standing);
            } else if is_nothing(value) && !ASKED_EMPTY.contains(&name) && !is_shown_empty(name) {
                standing.remove(name);
            } else {
                standing.put(name, value.clone());
            }
        }
    }

    fn destination_over(&self, standing: &mut Self) {
        let to_failure = self.get("DestinationConfig.OnFailure.Destination").filter(|it| !is_nothing(it));
        let shown = to_failure.map_or_else(|| json!({}), |it| json!({ "Destination": it }));
        // A source that shows no destination at first shows none again.
        if to_failure.is_some() || standing.get(DESTINATIONS).is_some() {
            standing.put(DESTINATIONS, json!({ "OnFailure": shown }));
        }
    }
}

fn change_in_part(name: &str, value: &Value, standing: &mut MappingSettings) {
    let mut whole = standing.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    for (member, value) in value.as_object().into_iter().flatten() {
        match value.as_object().is_some_and(Map::is_empty) {
            true => drop(whole.remove(member)),
            false => drop(whole.insert(member.clone(), value.clone())),
        }
    }
    standing.put(name, tidy(Value::Object(whole)));
}

fn goes_with_every_source(name: &str) -> bool {
    settings::rows().filter_map(|it| it.aws).any(|it| it.name == name && it.goes_with_every_source)
}

fn is_shown_empty(name: &str) -> bool {
    settings::rows().filter_map(|it| it.aws).any(|it| it.name == name && it.is_shown_empty)
}

/// Whether the model has the member among the settings.
fn is_setting(name: &str) -> bool {
    let ModelShape::Structure(members) = &*model::UPDATE else { return false };
    !APART.contains(&name) && members.iter().any(|it| it.name == name)
}

/// A null is a member left out, and members stand in the order of their names.
fn tidy(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().filter(|(_, it)| !it.is_null()).collect();
            members.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(members.into_iter().map(|(name, it)| (name, tidy(it))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(tidy).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

impl From<AwsMembers> for MappingSettings {
    fn from(members: AwsMembers) -> Self {
        Self(members)
    }
}

impl Serialize for MappingSettings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}

impl<'de> Deserialize<'de> for MappingSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = Map::deserialize(deserializer)?.into_iter();
        // Flattened into a request it is handed all members that others leave: only settings are its own.
        let settings = members.filter(|(name, value)| is_setting(name) && !value.is_null());
        Ok(Self(settings.map(|(name, value)| (name, tidy(value))).collect()))
    }
}
