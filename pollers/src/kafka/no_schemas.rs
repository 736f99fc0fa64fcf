//! Stands in for `schema_reading` in a binary without schema registries, whose settings refuse them.

use std::sync::Arc;

use forebay_clients::Clients;
use forebay_config::SchemaRegistrySettings;

use crate::source::{Reader, Renderer, SourceError};

/// There is none.
pub(super) enum NoSchemas {}

pub(super) use NoSchemas as SchemaReading;

impl NoSchemas {
    pub(super) async fn connect(
        _settings: &SchemaRegistrySettings,
        _clients: &Clients,
        what: &str,
    ) -> Result<Self, SourceError> {
        let cause = "schema registries are not built in".into();
        Err(SourceError::Down { what: what.to_owned(), code: SourceError::DOWN, cause })
    }

    pub(super) fn renderer() -> Arc<dyn Renderer> {
        unreachable!("nothing connects without them")
    }

    pub(super) fn reader(&self, _inner: Box<dyn Reader>, _partition: String) -> Box<dyn Reader> {
        match *self {}
    }
}
