//! As much of JSON Schema as `docs/openapi.yaml` uses. A keyword that is not known here is an error: nothing
//! stands there unchecked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Keywords that say nothing about what fits.
const REMARKS: [&str; 3] = ["description", "default", "format"];

/// The file whose parts refer to one another.
pub(crate) struct Schemas<'a> {
    file: &'a Value,
}

impl<'a> Schemas<'a> {
    pub(crate) fn new(file: &'a Value) -> Self {
        Self { file }
    }

    /// What a reference stands for; anything else stands for itself.
    pub(crate) fn resolve<'b>(&self, it: &'b Value) -> &'b Value
    where
        'a: 'b,
    {
        match it["$ref"].as_str() {
            Some(path) => {
                self.file.pointer(path.trim_start_matches('#')).unwrap_or_else(|| panic!("{path} is nowhere"))
            }
            None => it,
        }
    }
}

/// The members of an object, over all the schemas that it is made of.
#[derive(Default)]
struct Members<'a> {
    properties: BTreeMap<&'a str, &'a Value>,
    required: BTreeSet<&'a str>,
}

impl<'a> Members<'a> {
    fn gather(&mut self, schemas: &Schemas<'a>, schema: &'a Value) {
        let schema = schemas.resolve(schema);
        self.properties.extend(
            schema["properties"].as_object().into_iter().flatten().map(|(name, it)| (name.as_str(), it)),
        );
        self.required.extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
        schema["allOf"].as_array().into_iter().flatten().for_each(|it| self.gather(schemas, it));
    }
}

/// Whether `value` fits; why not.
pub(crate) fn check<'a>(schemas: &Schemas<'a>, schema: &'a Value, value: &Value) -> Result<(), String> {
    let schema = schemas.resolve(schema);
    for (keyword, rule) in schema.as_object().expect("a schema is an object") {
        let fits = match keyword.as_str() {
            "type" => is_of_type(rule, value),
            "enum" => rule.as_array().expect("a list").contains(value),
            "minimum" => value.as_f64().is_none_or(|it| it >= rule.as_f64().expect("a number")),
            "maximum" => value.as_f64().is_none_or(|it| it <= rule.as_f64().expect("a number")),
            "minItems" => {
                value.as_array().is_none_or(|it| it.len() as u64 >= rule.as_u64().expect("a count"))
            }
            "items" => {
                for (idx, it) in value.as_array().into_iter().flatten().enumerate() {
                    check(schemas, rule, it).map_err(|why| format!("[{idx}] {why}"))?;
                }
                true
            }
            "oneOf" => {
                let n = rule
                    .as_array()
                    .expect("a list")
                    .iter()
                    .filter(|it| check(schemas, it, value).is_ok())
                    .count();
                n == 1
            }
            "properties" | "required" | "allOf" | "additionalProperties" | "unevaluatedProperties" => true,
            other => {
                assert!(REMARKS.contains(&other), "the keyword {other} is not known here");
                true
            }
        };
        if !fits {
            return Err(format!("{value} does not fit {keyword}: {rule}"));
        }
    }
    check_members(schemas, schema, value)
}

fn is_of_type(rule: &Value, value: &Value) -> bool {
    match rule.as_array() {
        Some(any) => any.iter().any(|it| is_of_type(it, value)),
        None => match rule.as_str().expect("a type is a word") {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            "number" => value.is_number(),
            "integer" => value.is_i64() || value.is_u64(),
            other => panic!("the type {other} is not known here"),
        },
    }
}

fn check_members<'a>(schemas: &Schemas<'a>, schema: &'a Value, value: &Value) -> Result<(), String> {
    let Some(object) = value.as_object() else { return Ok(()) };
    let mut members = Members::default();
    members.gather(schemas, schema);
    if let Some(missing) = members.required.iter().find(|it| !object.contains_key(**it)) {
        return Err(format!("{missing} is missing"));
    }
    let others = &schema["additionalProperties"];
    let is_closed = *others == Value::Bool(false) || schema["unevaluatedProperties"] == Value::Bool(false);
    for (name, it) in object {
        match members.properties.get(name.as_str()) {
            Some(rule) => check(schemas, rule, it).map_err(|why| format!("{name}: {why}"))?,
            None if is_closed => return Err(format!("{name} is not known")),
            None if others.is_object() => {
                check(schemas, others, it).map_err(|why| format!("{name}: {why}"))?
            }
            None => {}
        }
    }
    Ok(())
}
