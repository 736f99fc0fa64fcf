//! Messages of Protobuf as JSON, by protobuf's own mapping, with fields in the order of their numbers and maps
//! in the order of their keys: the same record is the same JSON each time.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, Kind, MapKey, Value};

use super::well_known;
use crate::schemas::json::{JsonOut, check_depth};

/// A message and what is within it.
pub(super) fn message(message: &DynamicMessage, out: &mut JsonOut, depth: usize) -> Result<(), String> {
    check_depth(depth)?;
    if well_known::write(message, out, depth)? {
        return Ok(());
    }
    out.raw(b"{")?;
    members(message, &mut true, out, depth)?;
    out.raw(b"}")
}

/// The fields of a message that are set, then its extensions.
pub(super) fn members(
    message: &DynamicMessage,
    is_first: &mut bool,
    out: &mut JsonOut,
    depth: usize,
) -> Result<(), String> {
    for (field, value) in message.fields() {
        out.next(is_first);
        out.text(field.name())?;
        out.raw(b":")?;
        let kind = field.kind();
        write(value, &kind, out, depth)?;
    }
    for (extension, value) in message.extensions() {
        out.next(is_first);
        out.text(extension.json_name())?;
        out.raw(b":")?;
        let kind = extension.kind();
        write(value, &kind, out, depth)?;
    }
    Ok(())
}

/// A value of a field of this kind.
pub(super) fn write(value: &Value, kind: &Kind, out: &mut JsonOut, depth: usize) -> Result<(), String> {
    match value {
        Value::Bool(it) => out.shown(it),
        Value::I32(it) => out.shown(it),
        Value::U32(it) => out.shown(it),
        // A reader that knows floating point only would lose digits of them.
        Value::I64(it) => out.shown(format_args!("\"{it}\"")),
        Value::U64(it) => out.shown(format_args!("\"{it}\"")),
        Value::F32(it) => out.short_float(*it),
        Value::F64(it) => out.float(*it),
        Value::String(it) => out.text(it),
        Value::Bytes(it) => out.text(&STANDARD.encode(it)),
        Value::EnumNumber(number) => symbol(*number, kind, out),
        Value::Message(it) => message(it, out, depth + 1),
        Value::List(items) => {
            out.raw(b"[")?;
            let mut is_first = true;
            for item in items {
                out.next(&mut is_first);
                write(item, kind, out, depth)?;
            }
            out.raw(b"]")
        }
        Value::Map(entries) => map(entries, kind, out, depth),
    }
}

fn map(entries: &HashMap<MapKey, Value>, kind: &Kind, out: &mut JsonOut, depth: usize) -> Result<(), String> {
    let Kind::Message(entry) = kind else { return Err("a map in it has no values".to_owned()) };
    let kind = entry.map_entry_value_field().kind();
    out.raw(b"{")?;
    let mut is_first = true;
    let sorted: BTreeMap<Cow<'_, str>, &Value> =
        entries.iter().map(|(key, value)| (key_text(key), value)).collect();
    for (key, value) in sorted {
        out.next(&mut is_first);
        out.text(&key)?;
        out.raw(b":")?;
        write(value, &kind, out, depth + 1)?;
    }
    out.raw(b"}")
}

fn key_text(key: &MapKey) -> Cow<'_, str> {
    match key {
        MapKey::Bool(it) => it.to_string().into(),
        MapKey::I32(it) => it.to_string().into(),
        MapKey::I64(it) => it.to_string().into(),
        MapKey::U32(it) => it.to_string().into(),
        MapKey::U64(it) => it.to_string().into(),
        MapKey::String(it) => it.into(),
    }
}

/// The name of an enum's value; its number where the schema has no name for it.
fn symbol(number: i32, kind: &Kind, out: &mut JsonOut) -> Result<(), String> {
    let Kind::Enum(known) = kind else { return out.shown(number) };
    if known.full_name() == "google.protobuf.NullValue" {
        return out.raw(b"null");
    }
    match known.get_value(number) {
        Some(value) => out.text(value.name()),
        None => out.shown(number),
    }
}
