//! Protobuf records as JSON: schemas are compiled by `protox`, records decoded by `prost-reflect`, and their
//! JSON is written here, in one order and never deeper or longer than its limits.

mod files;
mod well_known;
mod written;

use prost_reflect::{DynamicMessage, FileDescriptor, MessageDescriptor};

use super::frame::Framing;
use super::json::JsonOut;
use super::registered::NamedText;
use super::wire::WireReader;

/// A schema whose records can be read.
#[derive(Debug)]
pub(super) struct ProtobufSchema {
    file: FileDescriptor,
    /// All messages of the file by their full names, those behind maps included, as Glue's library counts them.
    by_name: Vec<MessageDescriptor>,
}

impl ProtobufSchema {
    /// Compiles a schema and those that it imports. The error says why that cannot be done.
    pub(super) fn compile(text: &str, imports: &[NamedText]) -> Result<Self, String> {
        let file = files::compile(text, imports)?;
        let mut by_name = Vec::new();
        let mut open: Vec<MessageDescriptor> = file.messages().collect();
        while let Some(message) = open.pop() {
            open.extend(message.child_messages());
            by_name.push(message);
        }
        by_name.sort_by(|a, b| a.full_name().cmp(b.full_name()));
        if by_name.is_empty() {
            return Err("it defines no message".to_owned());
        }
        Ok(Self { file, by_name })
    }

    /// A record as JSON, by protobuf's own mapping: fields that are not set are left out, numbers of 64 bits are
    /// texts, bytes are base64. Fields are called as in the schema.
    pub(super) fn json(&self, framing: Framing, record: &[u8]) -> Result<Vec<u8>, String> {
        let mut reader = WireReader::new(record);
        let message = match framing {
            Framing::Confluent => self.by_path(&mut reader)?,
            Framing::Glue => self.by_number(&mut reader)?,
        };
        let message = DynamicMessage::decode(message, reader.rest())
            .map_err(|error| format!("it is no such message: {error}"))?;
        let mut out = JsonOut::default();
        written::message(&message, &mut out, 0)?;
        Ok(out.into_bytes())
    }

    /// Which message it is: a count, then the place among the file's messages, then in each the place among
    /// those within it. A count of none is the file's first. Messages behind maps are not counted, as in
    /// Confluent's own library for Java.
    fn by_path(&self, reader: &mut WireReader<'_>) -> Result<MessageDescriptor, String> {
        let n_steps = reader.length()?;
        let first = if n_steps == 0 { 0 } else { reader.length()? };
        let mut message = self.file.messages().nth(first);
        for _ in 1..n_steps {
            let place = reader.length()?;
            // Ends with the record: each step is at least one byte of it.
            message = message.and_then(|it| within(&it).nth(place));
        }
        message.ok_or_else(|| "it names a message that its schema does not have".to_owned())
    }

    /// Which message it is: its place among all of the file by their names.
    fn by_number(&self, reader: &mut WireReader<'_>) -> Result<MessageDescriptor, String> {
        let place = usize::try_from(reader.varint()?).ok();
        let message = place.and_then(|it| self.by_name.get(it));
        message.cloned().ok_or_else(|| "it names a message that its schema does not have".to_owned())
    }
}

/// The messages that are written within a message.
fn within(message: &MessageDescriptor) -> impl Iterator<Item = MessageDescriptor> {
    message.child_messages().filter(|it| !it.is_map_entry()).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
#[path = "protobuf_tests.rs"]
mod tests;
