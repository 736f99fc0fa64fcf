//! What can go wrong between a record and its JSON: the record's own faults, and a registry that gives nothing.

use std::sync::Arc;

use forebay_batcher::Condition;
use forebay_config::Code;

use super::frame::SchemaId;
use crate::source::SourceError;

/// The registry gave no answer, or one that says nothing about the schema.
const NO_ANSWER: Code = Code("FB-0389");
const NOT_FOUND: Code = Code("FB-0391");
const NOT_DECODED: Code = Code("FB-0392");
const UNUSABLE: Code = Code("FB-0393");

/// A record cannot be decoded. It is cheap to copy: one is kept for each schema that is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct SchemaFault {
    /// What it is called in a failure record.
    pub condition: Condition,
    /// The page that explains it.
    pub code: Code,
    /// What is wrong; nothing of the record is repeated.
    text: Arc<str>,
}

impl SchemaFault {
    pub(super) fn not_found(registry: &str, id: SchemaId, why: &str) -> Self {
        let text = format!("{registry} has no schema {id}: {why}");
        Self { condition: Condition::SchemaNotFound, code: NOT_FOUND, text: text.into() }
    }

    pub(super) fn unusable(registry: &str, id: SchemaId, why: &str) -> Self {
        let text = format!("schema {id} of {registry} cannot be used: {why}");
        Self { condition: Condition::NotDecoded, code: UNUSABLE, text: text.into() }
    }

    pub(super) fn not_framed(side: &str, why: &str) -> Self {
        let text = format!("the {side} names no schema: {why}");
        Self { condition: Condition::NotDecoded, code: NOT_DECODED, text: text.into() }
    }

    pub(super) fn not_decoded(side: &str, id: SchemaId, why: &str) -> Self {
        let text = format!("the {side} cannot be decoded by schema {id}: {why}");
        Self { condition: Condition::NotDecoded, code: NOT_DECODED, text: text.into() }
    }
}

/// The registry gave no answer about a schema: not the record's fault, and whoever waits and asks again may
/// get it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{registry} gave no answer about schema {id}: {why}")]
pub struct RegistryDown {
    pub(super) registry: Arc<str>,
    pub(super) id: SchemaId,
    pub(super) why: Arc<str>,
}

impl RegistryDown {
    /// The page that explains it.
    pub fn code(&self) -> Code {
        NO_ANSWER
    }

    /// The same as an error of the source whose record it was, which waits and reads it again.
    pub fn to_source_error(&self, what: &str) -> SourceError {
        SourceError::Down { what: what.to_owned(), code: self.code(), cause: self.clone().into() }
    }
}

/// No JSON of a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// By its own fault: it is given up.
    #[error(transparent)]
    Record(#[from] SchemaFault),
    /// For now: it is read again later.
    #[error(transparent)]
    Registry(#[from] RegistryDown),
}

impl SchemaError {
    /// Whether the same record may be decoded later without anybody changing it.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Record(_) => false,
            Self::Registry(_) => true,
        }
    }
}
