//! The JSON schema of a config file, draft 7, for editors.

use crate::aws::AwsScope;
use serde_json::{Map, Value, json};

use super::{AWS_ACCOUNT, AWS_ACCOUNTS, AWS_SETTINGS, DefaultValue, SettingSpec, Shape, all, seconds};

/// The schema. `kinds` are the sources that are built in; `of_sources` are the settings that they bring
/// along.
pub fn schema(kinds: &[&str], of_sources: &[SettingSpec]) -> Value {
    let mut root = map_schema("A Forebay config file.");
    root["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    for spec in all().map(|it| -> &SettingSpec { it }).chain(of_sources) {
        let parts: Vec<&str> = spec.path.split('.').collect();
        insert(&mut root, &parts, spec, kinds);
    }
    let aws = &mut root["properties"]["aws"];
    let mut of_account = aws.clone();
    if let Some(properties) = of_account["properties"].as_object_mut() {
        properties.retain(|key, _| ![AWS_ACCOUNT.key(), AWS_ACCOUNTS.key()].contains(&key.as_str()));
    }
    aws["properties"][AWS_ACCOUNTS.key()]["additionalProperties"] = of_account;
    root
}

fn map_schema(text: &str) -> Value {
    json!({ "type": "object", "description": text, "additionalProperties": false, "properties": {} })
}

/// Puts a setting into the schema of the map that holds it; the table names a map before its members.
fn insert(parent: &mut Value, parts: &[&str], spec: &SettingSpec, kinds: &[&str]) {
    let [part, rest @ ..] = parts else { return };
    if *part == "*" {
        return insert(&mut parent["additionalProperties"], rest, spec, kinds);
    }
    let (key, is_list) = part.strip_suffix("[]").map_or((*part, false), |key| (key, true));
    if rest.is_empty() {
        parent["properties"][key] = of(spec, kinds);
        let is_one_of = parent.get("maxProperties").is_some();
        // Several files make one config: no key of the top level is required in each.
        let is_top = !spec.path.contains('.');
        if matches!(spec.default, DefaultValue::Required) && !is_one_of && !is_top {
            let required = parent.as_object_mut().map(|it| it.entry("required").or_insert_with(|| json!([])));
            if let Some(Value::Array(names)) = required {
                names.push(json!(key));
            }
        }
        return;
    }
    let child = &mut parent["properties"][key];
    insert(if is_list { &mut child["items"] } else { child }, rest, spec, kinds);
}

fn of(spec: &SettingSpec, kinds: &[&str]) -> Value {
    let mut schema = match spec.shape {
        Shape::Switch => or_placeholder(json!({ "type": "boolean" })),
        Shape::Integer { min, max } => {
            or_placeholder(json!({ "type": "integer", "minimum": min, "maximum": max }))
        }
        Shape::Seconds { min_ms, max_ms } => or_placeholder(
            json!({ "type": "number", "minimum": number(&seconds(min_ms)), "maximum": number(&seconds(max_ms)) }),
        ),
        Shape::Text | Shape::Path => json!({ "type": "string", "minLength": 1 }),
        Shape::Time => json!({ "type": ["string", "number"] }),
        Shape::Word(words) => or_placeholder(json!({ "enum": words })),
        Shape::Words(words) => json!({ "type": "array", "items": or_placeholder(json!({ "enum": words })) }),
        Shape::Texts => json!({ "type": "object", "additionalProperties": { "type": ["string", "number"] } }),
        Shape::TextList => json!({ "type": "array", "items": { "type": "string", "minLength": 1 } }),
        Shape::Group => map_schema(""),
        Shape::Aws(scope) => aws_block(scope),
        Shape::Choice => {
            let mut map = map_schema("");
            map["minProperties"] = json!(1);
            map["maxProperties"] = json!(1);
            map
        }
        Shape::List => json!({ "type": "array", "items": map_schema("") }),
        Shape::Named => json!({ "type": "object", "additionalProperties": map_schema("") }),
        Shape::Source => {
            let properties: Map<String, Value> =
                kinds.iter().map(|kind| ((*kind).to_owned(), map_schema(""))).collect();
            json!({ "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false, "properties": properties })
        }
    };
    schema["description"] = json!(spec.text);
    match spec.default {
        DefaultValue::Integer(value) => schema["default"] = json!(value),
        DefaultValue::Millis(millis) => schema["default"] = number(&seconds(millis)),
        DefaultValue::Switch(value) => schema["default"] = json!(value),
        DefaultValue::Word(word) => schema["default"] = json!(word),
        DefaultValue::Texts(texts) => schema["default"] = json!(texts),
        DefaultValue::Required
        | DefaultValue::RequiredWhereAllowed
        | DefaultValue::Absent(_)
        | DefaultValue::OfSource(_) => {}
    }
    schema
}

/// The map under the top level's `aws`, as far as it has a meaning in a scope.
fn aws_block(scope: AwsScope<'_>) -> Value {
    let mut root = map_schema("");
    let has_meaning = |it: &&SettingSpec| {
        it.path != AWS_ACCOUNTS.path && (scope.names_account || it.path != AWS_ACCOUNT.path)
    };
    let endpoints = scope.services().map(|it| &it.endpoint);
    for spec in AWS_SETTINGS.iter().copied().filter(has_meaning).chain(endpoints) {
        insert(&mut root, &spec.path.split('.').collect::<Vec<_>>(), spec, &[]);
    }
    root["properties"]["aws"].take()
}

/// Any scalar may be a placeholder.
fn or_placeholder(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "string", "pattern": "\\$\\{" }] })
}

fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}
