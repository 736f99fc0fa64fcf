//! JSON records, checked against a schema in JSON Schema. They are passed on as they are.

mod chain;

use std::error::Error;

use jsonschema::{Retrieve, Uri, Validator};
use serde_json::Value;

use super::json::DEPTH_MAX;
use super::registered::NamedText;

/// So many steps down, of values within values and for each of references and choices, fit into half of the
/// stack that a thread has.
const STEPS_MAX: usize = 1_000;

/// A schema that records are checked against.
#[derive(Debug)]
pub(super) struct JsonSchema {
    validator: Validator,
    /// How deep records may be nested.
    depth_max: usize,
}

impl JsonSchema {
    /// Parses a schema and those that it refers to. The error says why that cannot be done.
    pub(super) fn parse(text: &str, references: &[NamedText]) -> Result<Self, String> {
        let read = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
        let schema = read(text)?;
        let mut others = Vec::with_capacity(references.len());
        for it in references {
            others
                .push((it.name.clone(), read(&it.text).map_err(|error| format!("`{}`: {error}", it.name))?));
        }
        let named = others.iter().map(|(name, it)| (name.as_str(), it));
        let chain = chain::longest(&std::iter::once(("", &schema)).chain(named).collect::<Vec<_>>())?;
        let depth_max = DEPTH_MAX.min(STEPS_MAX / chain);
        let validator = jsonschema::options()
            .with_retriever(References(others))
            .build(&schema)
            .map_err(|error| error.to_string())?;
        Ok(Self { validator, depth_max })
    }

    /// Refuses a record that is no JSON or does not fit. What the error says names places of the record and
    /// the schema, and no value.
    pub(super) fn check(&self, record: &[u8]) -> Result<(), String> {
        let value: Value = serde_json::from_slice(record).map_err(|error| {
            format!("it is no JSON: {} in line {}, column {}", category(&error), error.line(), error.column())
        })?;
        if depth(&value) > self.depth_max {
            return Err(format!("it is nested deeper than {}, the most with this schema", self.depth_max));
        }
        match self.validator.validate(&value) {
            Ok(()) => Ok(()),
            Err(error) => {
                let (at, rule) = (error.instance_path(), error.schema_path());
                Err(format!("it does not fit its schema: `{at}` breaks the rule at `{rule}`"))
            }
        }
    }
}

/// What is wrong with a text that is no JSON, in words that repeat nothing of it.
fn category(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Data => "it is not well formed",
    }
}

/// How deep values are within each other. What reads JSON ends far above what this could go down.
fn depth(value: &Value) -> usize {
    let within = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return 0,
    };
    within.unwrap_or(0) + 1
}

/// The schemas that a registry gave along, and no others: nothing is fetched while a schema is read.
struct References(Vec<(String, Value)>);

impl Retrieve for References {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn Error + Send + Sync>> {
        let known = self.0.iter().find(|(name, _)| chain::is_called(name, uri.as_str()));
        known.map(|(_, it)| it.clone()).ok_or_else(|| "no reference of the schema is called so".into())
    }
}

#[cfg(test)]
#[path = "json_schema_tests.rs"]
mod tests;
