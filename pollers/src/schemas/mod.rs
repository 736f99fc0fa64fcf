//! Records that name their schema, decoded by what a registry keeps: Confluent's API or Glue's; Avro, Protobuf
//! and JSON Schema. It is no kind of source: whoever reads such records calls it for each key and value.

mod avro;
mod cache;
mod decoder;
mod fault;
mod frame;
mod json;
mod json_schema;
mod known;
mod protobuf;
mod registered;
mod registry;
#[cfg(test)]
pub(crate) mod shelf;
mod wire;

pub use decoder::{DecodedSide, RecordSide, SchemaDecoder};
pub use fault::{RegistryDown, SchemaError, SchemaFault};
pub use frame::SchemaId;
pub use registry::RegistryError;
