//! Reads a partition whose records name their schemas: what was fetched is decoded before it is given out, and a
//! schema that is not known is asked for once, while whatever came before it goes on.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Gap, Position};
use forebay_clients::Clients;
use forebay_config::SchemaRegistrySettings;
use tokio::time::timeout;

use super::decoded::{DecodedRenderer, decode, decode_now};
use super::place::behind;
use crate::schemas::{SchemaDecoder, SchemaError, SchemaFault};
use crate::source::{BoxFuture, RawRead, RawRecord, Reader, Renderer, Room, SourceError};

/// A registry is given this long at least before a read brings nothing; the next one goes on waiting for the same
/// answer.
const WAIT_MIN: Duration = Duration::from_millis(100);

/// How the records of a source are decoded.
pub(super) struct SchemaReading(Arc<SchemaDecoder>);

impl SchemaReading {
    /// By the registry that the settings name; it is asked when a record names a schema. `what` is the source.
    pub(super) async fn connect(
        settings: &SchemaRegistrySettings,
        clients: &Clients,
        what: &str,
    ) -> Result<Self, SourceError> {
        let variable = |name: &str| std::env::var(name).ok();
        let decoder = SchemaDecoder::connect(settings, variable, clients).await.map_err(|error| {
            SourceError::Down { what: what.to_owned(), code: error.code(), cause: error.into() }
        })?;
        Ok(Self(Arc::new(decoder)))
    }

    /// Renders what its readers read.
    pub(super) fn renderer() -> Arc<dyn Renderer> {
        Arc::new(DecodedRenderer)
    }

    /// A reader that decodes what another reads of a partition.
    pub(super) fn reader(&self, inner: Box<dyn Reader>, partition: String) -> Box<dyn Reader> {
        let decoder = Arc::clone(&self.0);
        Box::new(DecodingReader {
            inner,
            partition,
            decoder,
            waiting: VecDeque::new(),
            passed: None,
            gap: None,
        })
    }

    #[cfg(test)]
    pub(super) fn by(decoder: SchemaDecoder) -> Self {
        Self(Arc::new(decoder))
    }
}

struct DecodingReader {
    inner: Box<dyn Reader>,
    partition: String,
    decoder: Arc<SchemaDecoder>,
    /// What was read and is not decoded yet.
    waiting: VecDeque<RawRecord>,
    /// The bound behind all of it.
    passed: Option<Position>,
    /// What retention took before it.
    gap: Option<Gap>,
}

/// What is given out next.
#[derive(Default)]
struct DecodedPage {
    records: Vec<RawRecord>,
    n_bytes: u64,
    /// How many of them cannot be decoded, and where and why the first of those.
    n_faults: usize,
    fault: Option<(Position, SchemaFault)>,
}

impl DecodedPage {
    /// A record may become far longer than it was sent.
    fn has_room(&self, room: Room) -> bool {
        self.records.is_empty()
            || (self.records.len() < room.records_max as usize && self.n_bytes < room.bytes_max)
    }

    fn push(&mut self, (record, fault): (RawRecord, Option<SchemaFault>)) {
        self.n_bytes += record.heap_bytes();
        if let Some(fault) = fault {
            self.n_faults += 1;
            self.fault.get_or_insert_with(|| (record.position.clone(), fault));
        }
        self.records.push(record);
    }
}

impl DecodingReader {
    async fn read(&mut self, room: Room) -> Result<RawRead, SourceError> {
        if self.waiting.is_empty() {
            let read = self.inner.read(room).await?;
            if read.records.is_empty() {
                return Ok(read);
            }
            (self.waiting, self.passed, self.gap) = (read.records.into(), read.passed, read.gap);
        }
        let mut page = DecodedPage::default();
        while let Some(raw) = self.waiting.front().filter(|_| page.has_room(room)) {
            let decoded = match decode_now(&self.decoder, raw) {
                Some(decoded) => decoded,
                // What came before it does not wait for its schema.
                None if !page.records.is_empty() => break,
                None => match timeout(room.wait.max(WAIT_MIN), decode(&self.decoder, raw)).await {
                    Ok(decoded) => decoded.map_err(|error| self.down(error))?,
                    Err(_) => return Ok(RawRead::default()),
                },
            };
            self.waiting.pop_front();
            page.push(decoded);
        }
        self.tell(&page);
        let passed = match (self.waiting.is_empty(), page.records.last()) {
            (false, Some(last)) => Some(behind(&last.position)),
            (true, _) | (false, None) => self.passed.clone(),
        };
        Ok(RawRead { records: page.records, passed, gap: self.gap.take(), ..RawRead::default() })
    }

    /// The track waits, and reads the same record again.
    fn down(&self, error: SchemaError) -> SourceError {
        match error {
            SchemaError::Registry(down) => down.to_source_error(&self.partition),
            SchemaError::Record(fault) => {
                SourceError::Down { what: self.partition.clone(), code: fault.code, cause: fault.into() }
            }
        }
    }

    /// Once for what is given out together.
    fn tell(&self, page: &DecodedPage) {
        if let Some((position, fault)) = &page.fault {
            let (code, condition, n_records) = (fault.code.0, fault.condition.as_str(), page.n_faults);
            let (partition, offset) = (&self.partition, position.as_number());
            tracing::warn!(code, %partition, offset, n_records, condition, error = %fault, "records cannot be decoded; they are given up");
        }
    }
}

impl Reader for DecodingReader {
    fn read(&mut self, room: Room) -> BoxFuture<'_, Result<RawRead, SourceError>> {
        Box::pin(Self::read(self, room))
    }
}
