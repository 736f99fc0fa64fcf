//! Messages of Google's whose JSON is no object of their fields: times, wrappers, free JSON, `Any`.

use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage, SerializeOptions, Value};

use super::written::{members, message as write_message, write as write_value};
use crate::schemas::json::JsonOut;

const PACKAGE: &str = "google.protobuf.";

/// Writes a message that has a JSON of its own; `false` for any other.
pub(super) fn write(message: &DynamicMessage, out: &mut JsonOut, depth: usize) -> Result<bool, String> {
    let descriptor = message.descriptor();
    let Some(name) = descriptor.full_name().strip_prefix(PACKAGE) else { return Ok(false) };
    match name {
        // Flat, so that the crate may write it.
        "Timestamp" | "Duration" | "FieldMask" => {
            let mut json = Vec::new();
            let mut serializer = serde_json::Serializer::new(&mut json);
            message
                .serialize_with_options(&mut serializer, &SerializeOptions::new())
                .map_err(|error| format!("a {name} in it is none: {error}"))?;
            out.raw(&json)?;
        }
        "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
        | "BoolValue" | "StringValue" | "BytesValue" | "Struct" | "ListValue" => {
            let field = descriptor.get_field(1).ok_or_else(|| unknown(name))?;
            let kind = field.kind();
            write_value(&message.get_field(&field), &kind, out, depth + 1)?;
        }
        "Value" => match message.fields().next() {
            Some((_, Value::F64(number))) if !number.is_finite() => {
                return Err("a Value in it is a number that JSON does not have".to_owned());
            }
            Some((field, value)) => {
                let kind = field.kind();
                write_value(value, &kind, out, depth + 1)?;
            }
            None => out.raw(b"null")?,
        },
        "Any" => any(message, &descriptor, out, depth)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn unknown(name: &str) -> String {
    format!("its schema has a {name} of its own")
}

/// A message under the name of its type. Each is one deeper, whatever it is within.
fn any(
    message: &DynamicMessage,
    descriptor: &MessageDescriptor,
    out: &mut JsonOut,
    depth: usize,
) -> Result<(), String> {
    let field =
        |number| descriptor.get_field(number).map(|it| message.get_field(&it)).ok_or_else(|| unknown("Any"));
    let (url, encoded) = (field(1)?, field(2)?);
    let (Some(url), Some(encoded)) = (url.as_str(), encoded.as_bytes()) else { return Err(unknown("Any")) };
    out.raw(b"{")?;
    if !url.is_empty() {
        let name = url.rsplit_once('/').map_or(url, |(_, name)| name);
        let inner = descriptor.parent_pool().get_message_by_name(name);
        let inner = inner.ok_or("an Any in it holds a message that its schema does not have")?;
        let inner = DynamicMessage::decode(inner, encoded.clone())
            .map_err(|error| format!("an Any in it is no such message: {error}"))?;
        out.raw(b"\"@type\":")?;
        out.text(url)?;
        let name = inner.descriptor();
        // What has a JSON of its own stands beside its type.
        if name.full_name().starts_with(PACKAGE) && has_own_json(name.full_name()) {
            out.raw(b",\"value\":")?;
            write_message(&inner, out, depth + 1)?;
        } else {
            super::super::json::check_depth(depth + 1)?;
            members(&inner, &mut false, out, depth + 1)?;
        }
    }
    out.raw(b"}")
}

fn has_own_json(full_name: &str) -> bool {
    const NAMES: [&str; 16] = [
        "Timestamp",
        "Duration",
        "FieldMask",
        "DoubleValue",
        "FloatValue",
        "Int64Value",
        "UInt64Value",
        "Int32Value",
        "UInt32Value",
        "BoolValue",
        "StringValue",
        "BytesValue",
        "Struct",
        "ListValue",
        "Value",
        "Any",
    ];
    full_name.strip_prefix(PACKAGE).is_some_and(|it| NAMES.contains(&it))
}
