//! Settings in the words of Lambda's API and in those of a config file, by their rows.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{FILTER_PATTERN, ON_FAILURE, SettingSpec, Shape, rows};
use crate::destination::{DestinationTarget, QueueName};
use crate::draft::SettingValue;
use crate::mapping::Mapping;

/// What stands before a setting's path within its mapping.
const PREFIX: &str = "event_source_mappings[].";

/// Members of Lambda's API by name, in the order in which answers have them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsMembers(BTreeMap<String, Value>);

impl AwsMembers {
    /// A value by its path: `ScalingConfig.MaximumConcurrency`.
    pub fn get(&self, path: &str) -> Option<&Value> {
        let mut parts = path.split('.');
        let first = self.0.get(parts.next()?)?;
        parts.try_fold(first, |it, part| it.get(part))
    }

    /// A number by its path.
    pub fn integer(&self, path: &str) -> Option<i64> {
        self.get(path)?.as_i64()
    }

    /// A text by its path.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.as_str()
    }

    /// Puts a value under its path; structures around it are made.
    pub fn put(&mut self, path: &str, value: Value) {
        match path.split_once('.') {
            None => drop(self.0.insert(path.to_owned(), value)),
            Some((first, rest)) => put(self.0.entry(first.to_owned()).or_insert(Value::Null), rest, value),
        }
    }

    /// Takes a whole member away.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// All members.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Value)> for AwsMembers {
    fn from_iter<T: IntoIterator<Item = (String, Value)>>(members: T) -> Self {
        Self(members.into_iter().collect())
    }
}

impl Extend<(String, Value)> for AwsMembers {
    fn extend<T: IntoIterator<Item = (String, Value)>>(&mut self, members: T) {
        self.0.extend(members);
    }
}

/// Whether a value asks for nothing: AWS's tools send such to take a setting away.
pub fn is_nothing(value: &Value) -> bool {
    let is_empty = |it: &Value| it.is_null() || it.as_array().is_some_and(Vec::is_empty);
    match value {
        Value::Object(members) => members.values().all(is_empty),
        Value::String(text) => text.is_empty(),
        Value::Null | Value::Array(_) => is_empty(value),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The settings that members ask for, in the words of a config file.
pub fn in_config_words(members: &AwsMembers) -> Value {
    let mut config = Value::Object(Map::new());
    for spec in rows().filter(|it| !matches!(it.shape, Shape::Group)) {
        let (Some(member), Some(path)) = (spec.aws, spec.path.strip_prefix(PREFIX)) else { continue };
        // What stands in items of a list comes with the list.
        let Some(value) = members.get(member.name).filter(|it| !is_nothing(it) && !path.contains("[]"))
        else {
            continue;
        };
        if member.is_none_at_zero && value.as_i64() == Some(0) {
            continue;
        }
        put(&mut config, path, items_in_config_words(spec, value));
    }
    config
}

/// The same of the items of a list; what is no list stays as it is.
fn items_in_config_words(spec: &SettingSpec, value: &Value) -> Value {
    let (Shape::List, Some(items), Some(of)) = (spec.shape, value.as_array(), spec.aws) else {
        return value.clone();
    };
    let inner = |it: &'static SettingSpec| {
        let key = it.path.strip_prefix(spec.path)?.strip_prefix("[].")?;
        Some((key, it.aws?.name.strip_prefix(of.name)?.strip_prefix('.')?))
    };
    let item = |item: &Value| {
        let members = rows().filter_map(inner).filter_map(|(key, name)| {
            Some((key.to_owned(), item.get(name).cloned().filter(|it| !it.is_null())?))
        });
        Value::Object(members.collect())
    };
    Value::Array(items.iter().map(item).collect())
}

fn put(at: &mut Value, path: &str, value: Value) {
    if !at.is_object() {
        *at = Value::Object(Map::new());
    }
    let Some(members) = at.as_object_mut() else { return };
    match path.split_once('.') {
        None => drop(members.insert(path.to_owned(), value)),
        Some((first, rest)) => put(members.entry(first).or_insert(Value::Null), rest, value),
    }
}

/// What Lambda's API shows of a checked mapping's settings, as far as it has members for them.
pub fn in_aws_words(mapping: &Mapping) -> AwsMembers {
    let mut shown = AwsMembers::default();
    let is_stream = mapping.starting_position.is_some();
    for spec in rows() {
        let Some(member) = spec.aws.filter(|it| it.is_shown && (is_stream || !it.is_of_streams)) else {
            continue;
        };
        match mapping.settings.of(spec).and_then(shown_value) {
            Some(value) => shown.put(member.name, value),
            None if member.is_shown_empty => shown.put(member.name, json!([])),
            None => {}
        }
    }
    if let Some(name) = ON_FAILURE.aws_name().filter(|_| is_stream || mapping.on_failure.is_some()) {
        let arn = mapping.on_failure.as_ref().and_then(|it| arn_of(&it.target));
        shown.put(name, arn.map_or_else(|| json!({}), |arn| json!({ "Destination": arn })));
    }
    if let Some((name, pattern)) = FILTER_PATTERN.aws_name().and_then(|it| it.rsplit_once('.'))
        && !mapping.filters.is_empty()
    {
        shown.put(name, mapping.filters.iter().map(|it| json!({ pattern: it.text() })).collect());
    }
    shown
}

/// A value as AWS writes it; `None` for a map, which is shown by its members, and for what a mapping holds
/// in fields of its own.
fn shown_value(value: &SettingValue) -> Option<Value> {
    match value {
        SettingValue::Switch(it) => Some(json!(it)),
        SettingValue::Integer(it) => Some(json!(it)),
        // AWS has whole seconds; what is begun counts.
        SettingValue::Millis(it) => Some(json!(it.unsigned_abs().div_ceil(1000))),
        SettingValue::Word(it) => Some(json!(it)),
        SettingValue::Words(it) => Some(json!(it)),
        SettingValue::Text(it) => Some(json!(it)),
        SettingValue::Texts(it) => Some(json!(it)),
        SettingValue::TextMap(it) => Some(json!(it)),
        SettingValue::Time(_)
        | SettingValue::Path(_)
        | SettingValue::Group
        | SettingValue::Function(_)
        | SettingValue::Destination(_)
        | SettingValue::Rate(_)
        | SettingValue::Filters(_) => None,
    }
}

/// A destination's ARN; `None` for one that has none, such as a file.
fn arn_of(target: &DestinationTarget) -> Option<String> {
    match target {
        DestinationTarget::Sqs(target) => match &target.queue {
            QueueName::Arn(arn) => Some(arn.to_string()),
            QueueName::Url(_) => None,
        },
        DestinationTarget::Sns(target) => Some(target.topic.to_string()),
        DestinationTarget::S3(target) => Some(target.bucket.to_string()),
        DestinationTarget::EventBus(target) => target.bus.arn().map(ToString::to_string),
        DestinationTarget::Kafka(target) => target.arn(),
        DestinationTarget::File(_) | DestinationTarget::Http(_) | DestinationTarget::Function(_) => None,
    }
}
