//! What the store keeps of a mapping beside its positions: whether it is paused, and, for one that the API
//! made, all that it is.

use std::collections::BTreeMap;

use forebay_api::mapping::MappingConfiguration;
use forebay_checkpoints::MappingId;
use serde::{Deserialize, Serialize};

/// The version that is written; a later one is not guessed at.
const VERSION: u32 = 1;

/// A mapping that the API made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    /// What was asked for, with AWS's defaults. Its state is the one that the last change brought about.
    pub(crate) configuration: MappingConfiguration,
    /// Whether it is to run.
    pub(crate) enabled: bool,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, String>,
    /// It was deleted, and what it left is being cleared away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) deleting: bool,
}

impl Definition {
    pub(crate) fn uuid(&self) -> &str {
        &self.configuration.uuid
    }
}

/// What the store keeps of one mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note {
    version: u32,
    /// Somebody paused it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) paused: bool,
    /// What the API made; a mapping of the config file has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) definition: Option<Definition>,
}

/// A note cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("what the data folder keeps of mapping {} cannot be read: {why}", .mapping.0)]
pub struct NoteError {
    mapping: MappingId,
    why: String,
}

impl Note {
    /// A note of a mapping.
    pub(crate) fn new(paused: bool, definition: Option<Definition>) -> Self {
        Self { version: VERSION, paused, definition }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers can be written as JSON")
    }

    pub(crate) fn decode(mapping: &MappingId, bytes: &[u8]) -> Result<Self, NoteError> {
        let wrong = |why: String| NoteError { mapping: mapping.clone(), why };
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        // Before anything else: a later version may have other members, and this is what says so.
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            version => {
                let version = version.map_or_else(|| "no version".to_owned(), |it| format!("version {it}"));
                return Err(wrong(format!("it is of {version}, and this program reads version {VERSION}")));
            }
        }
        serde_json::from_value(value).map_err(|error| wrong(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back_as_it_was_and_one_of_a_later_version_is_refused() {
        let id = MappingId("m".to_owned());
        let note = Note::new(true, None);
        assert_eq!(Note::decode(&id, &note.encode()).unwrap(), note);
        let later = Note { version: 2, ..note };
        let error = Note::decode(&id, &later.encode()).unwrap_err().to_string();
        assert_eq!(
            error,
            "what the data folder keeps of mapping m cannot be read: it is of version 2, and this program reads version 1"
        );
        assert!(Note::decode(&id, b"{").is_err());
    }
}
