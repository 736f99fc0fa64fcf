//! A schema that was fetched, ready to decode records by.

use std::panic::{AssertUnwindSafe, catch_unwind};

use forebay_clients::caught;

use super::avro::AvroSchema;
use super::frame::{Framing, SchemaId};
use super::json_schema::JsonSchema;
use super::protobuf::ProtobufSchema;
use super::registered::{RegisteredSchema, SchemaFormat};

/// A schema that records are decoded by.
#[derive(Debug)]
pub(super) struct KnownSchema {
    decoder: FormatDecoder,
    metadata: String,
}

#[derive(Debug)]
enum FormatDecoder {
    Avro(AvroSchema),
    Protobuf(ProtobufSchema),
    Json(JsonSchema),
}

impl KnownSchema {
    /// Makes a registered schema ready. The error says why it cannot be used.
    pub(super) fn new(id: SchemaId, registered: &RegisteredSchema) -> Result<Self, String> {
        let RegisteredSchema { format, text, references } = registered;
        let decoder = contained(|| match format {
            SchemaFormat::Avro => AvroSchema::parse(text, references).map(FormatDecoder::Avro),
            SchemaFormat::Protobuf => ProtobufSchema::compile(text, references).map(FormatDecoder::Protobuf),
            SchemaFormat::Json => JsonSchema::parse(text, references).map(FormatDecoder::Json),
        })?;
        // Neither the word nor the id holds anything that JSON escapes.
        let metadata = format!("{{\"dataFormat\":\"{}\",\"schemaId\":\"{id}\"}}", format.word());
        Ok(Self { decoder, metadata })
    }

    /// A record as JSON; `None` where it is that already. The error says why it cannot be decoded and repeats
    /// nothing of it.
    pub(super) fn json(&self, framing: Framing, payload: &[u8]) -> Result<Option<Vec<u8>>, String> {
        contained(|| match &self.decoder {
            FormatDecoder::Avro(it) => it.json(payload).map(Some),
            FormatDecoder::Protobuf(it) => it.json(framing, payload).map(Some),
            FormatDecoder::Json(it) => it.check(payload).map(|()| None),
        })
    }

    /// `{"dataFormat":"AVRO","schemaId":"1"}`
    pub(super) fn metadata(&self) -> &str {
        &self.metadata
    }
}

/// A record that makes a decoder panic is the fault of that record, and takes nothing else along.
fn contained<T>(decode: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|panic| Err(format!("what decodes it {}", caught::text(&*panic))))
}
