//! Walks a JSON value along a shape: types first refuse it whole, constraints are all told at once, unknown
//! members are kept by name.

use serde_json::Value;

use super::shape::{Member, ModelShape};
use super::violation::Violations;
use crate::error::{ApiError, ErrorType};

/// What a walk found beside types that are right.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) violations: Violations,
    /// Members that the model does not have, by their path: `DestinationConfig.Other`.
    pub(crate) unknown: Vec<String>,
}

/// Walks a value; `place` is where it stands, empty for the request itself.
pub(crate) fn check(
    shape: &ModelShape,
    value: &Value,
    place: &str,
    checked: &mut Checked,
) -> Result<(), ApiError> {
    match (shape, value) {
        (ModelShape::Text { .. } | ModelShape::Enum(_), Value::String(text)) => {
            for constraint in text_constraints(shape, text) {
                checked.violations.add(text, place, &constraint);
            }
            Ok(())
        }
        (ModelShape::Integer { min, max }, Value::Number(number)) => {
            let number = whole(number).ok_or_else(|| mismatch("NUMBER_VALUE", "Integer"))?;
            if number < *min {
                checked.violations.add(
                    &number.to_string(),
                    place,
                    &format!("Member must have value greater than or equal to {min}"),
                );
            }
            if number > *max {
                checked.violations.add(
                    &number.to_string(),
                    place,
                    &format!("Member must have value less than or equal to {max}"),
                );
            }
            Ok(())
        }
        (ModelShape::Boolean, Value::Bool(_)) | (ModelShape::Timestamp, Value::Number(_)) => Ok(()),
        (ModelShape::List { member, min, max }, Value::Array(values)) => {
            let shown = || format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(", "));
            for constraint in length_constraints(values.len(), *min, *max) {
                checked.violations.add(&shown(), place, &constraint);
            }
            match member {
                ModelShape::Text { .. } | ModelShape::Enum(_) => {
                    check_texts(member, values, place, &shown, checked)
                }
                ModelShape::Structure(_)
                | ModelShape::Integer { .. }
                | ModelShape::Boolean
                | ModelShape::Timestamp
                | ModelShape::List { .. }
                | ModelShape::Map { .. } => {
                    for (idx, value) in values.iter().enumerate() {
                        let place = format!("{place}.{}.member", idx + 1);
                        match value {
                            Value::Null => checked.violations.add_null(&place),
                            value => check(member, value, &place, checked)?,
                        }
                    }
                    Ok(())
                }
            }
        }
        (ModelShape::Map { key, value, min, max }, Value::Object(entries)) => {
            let shown = format!(
                "{{{}}}",
                entries.iter().map(|(key, it)| format!("{key}={}", shown(it))).collect::<Vec<_>>().join(", ")
            );
            for constraint in length_constraints(entries.len(), *min, *max) {
                checked.violations.add(&shown, place, &constraint);
            }
            check_keys(key, entries.keys(), place, &shown, checked);
            check_values(value, entries, place, &shown, checked)
        }
        (ModelShape::Structure(members), Value::Object(entries)) => {
            check_members(members, entries, place, checked)?;
            let known = |name: &str| members.iter().any(|it| it.name == name);
            checked.unknown.extend(entries.keys().filter(|it| !known(it)).map(|it| unknown_name(place, it)));
            Ok(())
        }
        (
            ModelShape::Text { .. }
            | ModelShape::Enum(_)
            | ModelShape::Integer { .. }
            | ModelShape::Boolean
            | ModelShape::Timestamp
            | ModelShape::List { .. }
            | ModelShape::Map { .. }
            | ModelShape::Structure(_),
            value,
        ) => Err(wrong_type(shape, value)),
    }
}

fn check_members(
    members: &[Member],
    entries: &serde_json::Map<String, Value>,
    place: &str,
    checked: &mut Checked,
) -> Result<(), ApiError> {
    for member in members {
        let place = if place.is_empty() {
            decapitalised(member.name)
        } else {
            format!("{place}.{}", decapitalised(member.name))
        };
        match entries.get(member.name) {
            // A null is a member left out.
            None | Some(Value::Null) if member.required => checked.violations.add_null(&place),
            None | Some(Value::Null) => {}
            Some(value) => check(member.shape, value, &place, checked)?,
        }
    }
    Ok(())
}

/// The texts of a list: a violation shows the whole list.
fn check_texts(
    member: &ModelShape,
    values: &[Value],
    place: &str,
    shown: &dyn Fn() -> String,
    checked: &mut Checked,
) -> Result<(), ApiError> {
    let (mut has_null, mut has_wrong_text) = (false, false);
    for value in values {
        match value {
            Value::Null => has_null = true,
            Value::String(text) => has_wrong_text |= !text_constraints(member, text).is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                return Err(wrong_type(member, value));
            }
        }
    }
    // Of a list's texts AWS tells every constraint, those too that are kept.
    let mut constraints = if has_wrong_text { all_constraints(member) } else { Vec::new() };
    constraints.extend(has_null.then(|| "Member must not be null".to_owned()));
    if !constraints.is_empty() {
        checked.violations.add(
            &shown(),
            place,
            &format!("Member must satisfy constraint: [{}]", constraints.join(", ")),
        );
    }
    Ok(())
}

fn check_keys<'a>(
    shape: &ModelShape,
    keys: impl Iterator<Item = &'a String>,
    place: &str,
    shown: &str,
    checked: &mut Checked,
) {
    if keys.into_iter().any(|it| !text_constraints(shape, it).is_empty()) {
        checked.violations.add(
            shown,
            place,
            &format!("Map keys must satisfy constraint: [{}]", all_constraints(shape).join(", ")),
        );
    }
}

fn check_values(
    shape: &ModelShape,
    entries: &serde_json::Map<String, Value>,
    place: &str,
    shown: &str,
    checked: &mut Checked,
) -> Result<(), ApiError> {
    let mut is_violated = false;
    for (key, value) in entries {
        match (shape, value) {
            (_, Value::Null) => checked.violations.add_null(&format!("{place}.{key}.member")),
            (ModelShape::Text { .. } | ModelShape::Enum(_), Value::String(text)) => {
                is_violated |= !text_constraints(shape, text).is_empty()
            }
            (_, value) => check(shape, value, &format!("{place}.{key}.member"), checked)?,
        }
    }
    if is_violated {
        checked.violations.add(
            shown,
            place,
            &format!("Map value must satisfy constraint: [{}]", all_constraints(shape).join(", ")),
        );
    }
    Ok(())
}

/// The constraints that a text violates.
fn text_constraints(shape: &ModelShape, text: &str) -> Vec<String> {
    match shape {
        ModelShape::Enum(names) if names.contains(&text) => Vec::new(),
        ModelShape::Enum(_) => all_constraints(shape),
        ModelShape::Text { min, max, pattern } => {
            let mut violated = length_constraints(text.chars().count(), *min, *max);
            violated.extend(pattern.filter(|it| !it.matches(text)).map(|it| pattern_constraint(it.text)));
            violated
        }
        ModelShape::Integer { .. }
        | ModelShape::Boolean
        | ModelShape::Timestamp
        | ModelShape::List { .. }
        | ModelShape::Map { .. }
        | ModelShape::Structure(_) => Vec::new(),
    }
}

/// Every constraint of a text.
fn all_constraints(shape: &ModelShape) -> Vec<String> {
    match shape {
        ModelShape::Enum(names) => {
            vec![format!("Member must satisfy enum value set: [{}]", names.join(", "))]
        }
        ModelShape::Text { min, max, pattern } => {
            let mut all = vec![longer_than(*max), shorter_than(*min)];
            all.extend(pattern.map(|it| pattern_constraint(it.text)));
            all
        }
        ModelShape::Integer { .. }
        | ModelShape::Boolean
        | ModelShape::Timestamp
        | ModelShape::List { .. }
        | ModelShape::Map { .. }
        | ModelShape::Structure(_) => Vec::new(),
    }
}

fn length_constraints(n: usize, min: usize, max: usize) -> Vec<String> {
    let too_long = (n > max).then(|| longer_than(max));
    let too_short = (n < min).then(|| shorter_than(min));
    too_long.into_iter().chain(too_short).collect()
}

fn longer_than(max: usize) -> String {
    format!("Member must have length less than or equal to {max}")
}

fn shorter_than(min: usize) -> String {
    format!("Member must have length greater than or equal to {min}")
}

fn pattern_constraint(text: &str) -> String {
    format!("Member must satisfy regular expression pattern: {text}")
}

/// A number without a fraction.
fn whole(number: &serde_json::Number) -> Option<i64> {
    // What is beyond the type is beyond every range, and is told so.
    number.as_i64().or_else(|| number.is_u64().then_some(i64::MAX))
}

fn wrong_type(shape: &ModelShape, value: &Value) -> ApiError {
    let wanted = match shape {
        ModelShape::Text { .. } | ModelShape::Enum(_) => "String",
        ModelShape::Integer { .. } => "Integer",
        ModelShape::Boolean => "Boolean",
        ModelShape::Timestamp => "Timestamp",
        ModelShape::List { .. } => "List",
        ModelShape::Map { .. } => "Map",
        ModelShape::Structure(_) => "Structure",
    };
    match value {
        Value::Object(_) => serialization("Start of structure or map found where not expected."),
        Value::Array(_) => serialization("Start of list found where not expected."),
        Value::Null => mismatch("NULL_VALUE", wanted),
        Value::Bool(true) => mismatch("TRUE_VALUE", wanted),
        Value::Bool(false) => mismatch("FALSE_VALUE", wanted),
        Value::Number(_) => mismatch("NUMBER_VALUE", wanted),
        Value::String(_) => mismatch("STRING_VALUE", wanted),
    }
}

fn mismatch(found: &str, wanted: &str) -> ApiError {
    serialization(format!("{found} cannot be converted to {wanted}"))
}

fn serialization(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorType::Serialization, message)
}

/// A value as an error shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}

fn decapitalised(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// The way to an unknown member, in the words of the request.
fn unknown_name(place: &str, name: &str) -> String {
    // Numbers and `member` belong to the places of violations, not to the request.
    let parents =
        place.split('.').filter(|it| !it.is_empty() && *it != "member" && it.parse::<usize>().is_err());
    let capitalised =
        |it: &str| it.get(..1).map(str::to_uppercase).unwrap_or_default() + it.get(1..).unwrap_or_default();
    parents.map(capitalised).chain([name.to_owned()]).collect::<Vec<_>>().join(".")
}
