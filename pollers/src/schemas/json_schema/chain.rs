//! How far a check goes down for one value of a record, before it comes to a value within that one: a schema
//! may refer to others, which refer to others, and what checks records goes down with them.

use std::collections::BTreeMap;

use serde_json::Value;

/// A schema that goes further for one value is refused.
const CHAIN_MAX: usize = 200;

/// Keywords whose schemas look at the same value.
const SAME_VALUE: [&str; 8] = ["allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"];

/// The longest way of references and choices for one value, in all of these schemas: the first, then others
/// under their names. A reference that cannot be followed here counts as the longest that it could be.
pub(super) fn longest(schemas: &[(&str, &Value)]) -> Result<usize, String> {
    let mut chains = Chains { schemas, heights: BTreeMap::new() };
    let mut longest = 1;
    let mut open: Vec<(usize, &Value)> = schemas.iter().map(|(_, it)| *it).enumerate().collect();
    while let Some((document, value)) = open.pop() {
        longest = longest.max(chains.height(document, value, 1)?);
        match value {
            Value::Object(members) => open.extend(members.values().map(|it| (document, it))),
            Value::Array(items) => open.extend(items.iter().map(|it| (document, it))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    Ok(longest)
}

struct Chains<'s> {
    schemas: &'s [(&'s str, &'s Value)],
    /// By the address of a schema; zero while it is looked at, for what leads back to it ends there.
    heights: BTreeMap<usize, usize>,
}

impl<'s> Chains<'s> {
    fn height(&mut self, document: usize, schema: &'s Value, depth: usize) -> Result<usize, String> {
        if depth > CHAIN_MAX {
            return Err(format!(
                "it goes through more than {CHAIN_MAX} references and choices for one value"
            ));
        }
        let Value::Object(members) = schema else { return Ok(1) };
        let at = std::ptr::from_ref(schema).addr();
        if let Some(known) = self.heights.get(&at) {
            return Ok(*known);
        }
        self.heights.insert(at, 0);
        let mut highest = 0;
        for (keyword, value) in members {
            let below = match (keyword.as_str(), value) {
                ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(to)) => {
                    match self.target(document, to) {
                        Some((document, schema)) => self.height(document, schema, depth + 1)?,
                        None => CHAIN_MAX / 4,
                    }
                }
                (word, value) if SAME_VALUE.contains(&word) => self.highest_of(document, value, depth + 1)?,
                _ => 0,
            };
            highest = highest.max(below);
        }
        self.heights.insert(at, highest + 1);
        Ok(highest + 1)
    }

    /// Of one schema, or of several in a list or under names.
    fn highest_of(&mut self, document: usize, value: &'s Value, depth: usize) -> Result<usize, String> {
        let mut highest = self.height(document, value, depth)?;
        let within: Vec<&Value> = match value {
            Value::Array(items) => items.iter().collect(),
            Value::Object(members) => members.values().filter(|it| it.is_object()).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        };
        for schema in within {
            highest = highest.max(self.height(document, schema, depth)?);
        }
        Ok(highest)
    }

    /// What a reference leads to, by the name of another schema and a path within it.
    fn target(&self, document: usize, to: &str) -> Option<(usize, &'s Value)> {
        let (name, path) = to.split_once('#').unwrap_or((to, ""));
        let document = if name.is_empty() {
            document
        } else {
            self.schemas.iter().position(|(it, schema)| is_called(it, name) || has_id(schema, name))?
        };
        let path = path.replace("%24", "$").replace("%25", "%");
        self.schemas.get(document)?.1.pointer(&path).map(|it| (document, it))
    }
}

/// Whether a schema that is registered as `name` is what `uri` means: that, or with something before it.
pub(super) fn is_called(name: &str, uri: &str) -> bool {
    !name.is_empty()
        && uri.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with(['/', ':']))
}

fn has_id(schema: &Value, name: &str) -> bool {
    ["$id", "id"]
        .iter()
        .any(|it| schema.get(it).and_then(Value::as_str).is_some_and(|it| is_called(name, it)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_and_choices_are_counted_for_one_value() {
        let count = |schema: Value| longest(&[("", &schema)]);
        assert_eq!(count(json!(true)), Ok(1));
        assert_eq!(count(json!({ "properties": { "a": { "properties": { "b": {} } } } })), Ok(1));
        assert_eq!(count(json!({ "allOf": [{ "anyOf": [{ "not": {} }] }, {}] })), Ok(4));
        let through = json!({
            "properties": { "a": { "$ref": "#/$defs/a" } },
            "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "type": "string" } }
        });
        assert_eq!(count(through), Ok(3));
        let circle = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "allOf": [{ "$ref": "#" }] } } });
        assert_eq!(count(circle), Ok(3));
        assert_eq!(count(json!({ "$ref": "#somewhere" })), Ok(CHAIN_MAX / 4 + 1));
    }

    #[test]
    fn a_reference_to_another_schema_is_followed() {
        let (first, second) =
            (json!({ "$ref": "b.json#/$defs/x" }), json!({ "$defs": { "x": { "not": {} } } }));
        assert_eq!(longest(&[("", &first), ("b.json", &second)]), Ok(3));
        assert_eq!(longest(&[("", &first), ("http://r/b.json", &second)]), Ok(CHAIN_MAX / 4 + 1));
        assert!(is_called("b.json", "json-schema:///b.json") && !is_called("b.json", "http://r/ab.json"));
    }

    #[test]
    fn a_long_way_is_refused() {
        let chain = |n: usize| {
            let defs: serde_json::Map<String, Value> = (0..n)
                .map(|it| (format!("d{it}"), json!({ "$ref": format!("#/$defs/d{}", it + 1) })))
                .chain([(format!("d{n}"), json!({ "type": "string" }))])
                .collect();
            longest(&[("", &json!({ "$ref": "#/$defs/d0", "$defs": defs }))])
        };
        assert_eq!(chain(CHAIN_MAX - 2), Ok(CHAIN_MAX));
        assert!(chain(CHAIN_MAX - 1).unwrap_err().contains("more than"));
        assert!(chain(20_000).unwrap_err().contains("more than"));
    }
}
