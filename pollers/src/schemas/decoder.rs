//! What a reader calls for the key and the value of each record.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use forebay_clients::Clients;
use forebay_config::{EventRecordFormat, SchemaRegistrySettings, ValidatedSides};

use super::cache::SchemaCache;
use super::fault::{SchemaError, SchemaFault};
use super::frame::{Framing, RecordFrame, unframed};
use super::known::KnownSchema;
use super::registry::{self, RegistryError};

/// One of the two that a record is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordSide {
    /// The key.
    Key,
    /// The value.
    Value,
}

impl RecordSide {
    fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
        }
    }
}

/// Decodes the sides of records that settings name, by the schemas of one registry. Shared by all that read
/// with the same settings: each schema is fetched once.
#[derive(Debug)]
pub struct SchemaDecoder {
    format: EventRecordFormat,
    validated: ValidatedSides,
    framing: Framing,
    schemas: SchemaCache,
}

/// A side of a record that was decoded.
#[derive(Debug, Clone)]
pub struct DecodedSide {
    schema: Arc<KnownSchema>,
    /// The JSON of what was encoded otherwise.
    json: Option<Bytes>,
    /// As it was encoded: a part of the record, unless that was compressed.
    payload: Bytes,
    format: EventRecordFormat,
}

impl DecodedSide {
    /// What filters see: JSON.
    pub fn json(&self) -> &Bytes {
        self.json.as_ref().unwrap_or(&self.payload)
    }

    /// What the function gets, in base64: JSON, or with `SOURCE` what the producer encoded without the header
    /// that names the schema. What follows the header is kept, such as the places that lead to a message of
    /// Protobuf's: AWS keeps it, and its clients take it away.
    pub fn delivered(&self) -> &Bytes {
        match self.format {
            EventRecordFormat::Json => self.json(),
            EventRecordFormat::Source => &self.payload,
        }
    }

    /// `keySchemaMetadata` or `valueSchemaMetadata`, as JSON: `{"dataFormat":"AVRO","schemaId":"1"}`.
    pub fn metadata(&self) -> &str {
        self.schema.metadata()
    }
}

impl SchemaDecoder {
    /// A decoder by the registry that the settings name. Looks secrets up and reads certificates; the registry
    /// is asked when a record names a schema. `variable` looks a variable of the environment up.
    ///
    /// # Errors
    /// What is missing or cannot be used.
    pub async fn connect(
        settings: &SchemaRegistrySettings,
        variable: impl Fn(&str) -> Option<String>,
        clients: &Clients,
    ) -> Result<Self, RegistryError> {
        let registry = registry::connect(&settings.registry, variable, clients).await?;
        let SchemaRegistrySettings { format, validated, .. } = *settings;
        Ok(Self::over(SchemaCache::new(registry), format, validated))
    }

    pub(super) fn over(schemas: SchemaCache, format: EventRecordFormat, validated: ValidatedSides) -> Self {
        Self { format, validated, framing: schemas.registry().framing(), schemas }
    }

    /// What it decodes by, for people.
    pub fn registry(&self) -> &str {
        self.schemas.registry().name()
    }

    /// A side without waiting, as almost every record is decoded; `None` when its schema must be fetched first:
    /// [`SchemaDecoder::decode`]. The inner `None` is a side that the settings do not name: it is passed on as
    /// it is. What is null has no schema and is not asked for.
    pub fn decode_now(
        &self,
        side: RecordSide,
        record: &Bytes,
    ) -> Option<Result<Option<DecodedSide>, SchemaFault>> {
        if !self.is_validated(side) {
            return Some(Ok(None));
        }
        let frame = match self.frame(side, record) {
            Ok(frame) => frame,
            Err(fault) => return Some(Err(fault)),
        };
        let decoded = self.schemas.known(frame.schema)?.and_then(|it| self.decoded(side, record, frame, it));
        Some(decoded.map(Some))
    }

    /// The same, and its schema is fetched when it is not known; this ends within the registry's own limits,
    /// ten seconds for each call. Dropping it loses nothing.
    ///
    /// # Errors
    /// The record's fault, or a registry that gives no answer.
    pub async fn decode(&self, side: RecordSide, record: &Bytes) -> Result<Option<DecodedSide>, SchemaError> {
        if !self.is_validated(side) {
            return Ok(None);
        }
        let frame = self.frame(side, record)?;
        let schema = self.schemas.schema(frame.schema).await?;
        Ok(Some(self.decoded(side, record, frame, schema)?))
    }

    fn is_validated(&self, side: RecordSide) -> bool {
        match side {
            RecordSide::Key => self.validated.key,
            RecordSide::Value => self.validated.value,
        }
    }

    fn frame<'a>(&self, side: RecordSide, record: &'a [u8]) -> Result<RecordFrame<'a>, SchemaFault> {
        unframed(self.framing, record).map_err(|why| SchemaFault::not_framed(side.word(), &why))
    }

    fn decoded(
        &self,
        side: RecordSide,
        record: &Bytes,
        frame: RecordFrame<'_>,
        schema: Arc<KnownSchema>,
    ) -> Result<DecodedSide, SchemaFault> {
        let RecordFrame { schema: id, payload } = frame;
        let json = schema.json(self.framing, &payload);
        let json = json.map_err(|why| SchemaFault::not_decoded(side.word(), id, &why))?.map(Bytes::from);
        let payload = match payload {
            Cow::Borrowed(part) => record.slice_ref(part),
            Cow::Owned(decompressed) => decompressed.into(),
        };
        Ok(DecodedSide { schema, json, payload, format: self.format })
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
