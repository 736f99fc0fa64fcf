//! A registry in memory, for tests: it may be down, or keep who asks waiting.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use forebay_config::{EventRecordFormat, ValidatedSides};
use tokio::sync::watch;

use super::cache::SchemaCache;
use super::decoder::SchemaDecoder;
use super::frame::{Framing, SchemaId};
use super::registered::{RegisteredSchema, SchemaFormat};
use super::registry::{FetchError, SchemaRegistry};
use crate::source::BoxFuture;

/// What it does with who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShelfMood {
    /// It answers.
    Up,
    /// It refuses.
    Down,
    /// It lets wait.
    Silent,
}

/// Schemas by their ids.
pub(crate) struct Shelf {
    framing: Framing,
    schemas: Mutex<BTreeMap<SchemaId, (SchemaFormat, String)>>,
    mood: watch::Sender<ShelfMood>,
    n_asked: AtomicUsize,
}

impl Shelf {
    pub(super) fn of(framing: Framing, schemas: BTreeMap<SchemaId, (SchemaFormat, String)>) -> Arc<Self> {
        let mood = watch::Sender::new(ShelfMood::Up);
        Arc::new(Self { framing, schemas: Mutex::new(schemas), mood, n_asked: AtomicUsize::new(0) })
    }

    /// One with Confluent's numbers and nothing in it.
    pub(crate) fn new() -> Arc<Self> {
        Self::of(Framing::Confluent, BTreeMap::new())
    }

    /// Puts a schema there, in the format of this word.
    pub(crate) fn put(&self, id: u32, format: &str, text: &str) {
        let format = SchemaFormat::of(format).expect("it is AWS's word");
        self.schemas.lock().unwrap().insert(SchemaId::Number(id), (format, text.to_owned()));
    }

    pub(crate) fn set(&self, mood: ShelfMood) {
        self.mood.send_replace(mood);
    }

    pub(crate) fn n_asked(&self) -> usize {
        self.n_asked.load(Ordering::SeqCst)
    }

    /// A decoder of both sides by what stands here.
    pub(crate) fn decoder(self: &Arc<Self>, format: EventRecordFormat) -> SchemaDecoder {
        self.decoder_of(format, ValidatedSides { key: true, value: true })
    }

    /// One of values alone, to JSON.
    pub(crate) fn decoder_of_values(self: &Arc<Self>) -> SchemaDecoder {
        self.decoder_of(EventRecordFormat::Json, ValidatedSides { key: false, value: true })
    }

    pub(super) fn decoder_of(
        self: &Arc<Self>,
        format: EventRecordFormat,
        sides: ValidatedSides,
    ) -> SchemaDecoder {
        SchemaDecoder::over(SchemaCache::new(Arc::clone(self) as _), format, sides)
    }
}

impl SchemaRegistry for Shelf {
    fn name(&self) -> &str {
        "the shelf"
    }

    fn framing(&self) -> Framing {
        self.framing
    }

    fn fetch(&self, id: SchemaId) -> BoxFuture<'_, Result<RegisteredSchema, FetchError>> {
        Box::pin(async move {
            self.n_asked.fetch_add(1, Ordering::SeqCst);
            let mut mood = self.mood.subscribe();
            let mood = *mood.wait_for(|it| *it != ShelfMood::Silent).await.expect("its sender is here");
            if mood == ShelfMood::Down {
                return Err(FetchError::Down("it is closed".to_owned()));
            }
            let found = self.schemas.lock().unwrap().get(&id).cloned();
            let (format, text) = found.ok_or_else(|| FetchError::Missing("none".to_owned()))?;
            Ok(RegisteredSchema { format, text, references: Vec::new() })
        })
    }
}
