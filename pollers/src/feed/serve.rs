//! From raw reads to one subscriber's read: its own filter, then its own rendering, into an arena for each lane.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use forebay_batcher::{Place, Position, Read, ReadOrder, Record, lanes::lane_of};

use forebay_clients::caught;

use super::subscription::RecordFilter;
use crate::source::{RawRecord, Renderer};

/// Bytes after which an arena's chunk is closed, so that one slow record pins little more than itself.
const CHUNK_BYTES: usize = 256 << 10;

/// How far an answer got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Took {
    /// It is in the answer.
    Record,
    /// It was read past: it did not pass the filter.
    Filtered,
    /// There is no room for it; it stays for the next order.
    NoRoom,
}

/// An answer that is being filled.
pub(super) struct Answer<'a> {
    order: &'a ReadOrder,
    renderer: &'a dyn Renderer,
    filter: Option<&'a Arc<dyn RecordFilter>>,
    lanes: Vec<Arena>,
    drafts: Vec<Draft>,
    bytes: u64,
    n_filtered: u32,
}

/// A record whose bytes still lie in an open arena.
struct Draft {
    record: Record,
    lane: usize,
    chunk: usize,
    range: std::ops::Range<usize>,
}

#[derive(Default)]
struct Arena {
    closed: Vec<Bytes>,
    open: Vec<u8>,
}

impl<'a> Answer<'a> {
    pub(super) fn new(order: &'a ReadOrder, renderer: &'a dyn Renderer, filter: Option<&'a Arc<dyn RecordFilter>>) -> Self {
        let lanes = (0..order.lanes.max(1)).map(|_| Arena::default()).collect();
        Self { order, renderer, filter, lanes, drafts: Vec::new(), bytes: 0, n_filtered: 0 }
    }

    /// Reads past one record, or says that there is no room for it.
    pub(super) fn take(&mut self, raw: &RawRecord, place: impl FnOnce() -> Place) -> Took {
        if self.drafts.len() >= self.order.records_max.max(1) as usize {
            return Took::NoRoom;
        }
        let lane = lane_of(&raw.key, &raw.position, self.order.lanes) as usize;
        let arena = &mut self.lanes[lane];
        arena.close_if_full();
        let start = arena.open.len();
        self.renderer.render(raw, &mut arena.open);
        let rendered = &arena.open[start..];
        if let Some(filter) = self.filter {
            let data = if filter.needs_data() { self.renderer.data(raw) } else { None };
            if !filter.passes(rendered, data.as_deref()) {
                arena.open.truncate(start);
                self.n_filtered = self.n_filtered.saturating_add(1);
                return Took::Filtered;
            }
        }
        let n_bytes = rendered.len() as u64;
        if !self.drafts.is_empty() && self.bytes + n_bytes > self.order.bytes_max {
            arena.open.truncate(start);
            return Took::NoRoom;
        }
        self.bytes += n_bytes;
        let record = Record {
            id: raw.id.clone(),
            place: place(),
            key: raw.key.clone(),
            arrival: raw.arrival,
            bytes: Bytes::new(),
            section: self.renderer.section(raw),
        };
        self.drafts.push(Draft { record, lane, chunk: arena.closed.len(), range: start..arena.open.len() });
        Took::Record
    }

    /// As [`Answer::take`]; a panic of the renderer or the filter, which are foreign in part, is told and leaves the answer as it was.
    pub(super) fn take_contained(&mut self, raw: &RawRecord, place: impl FnOnce() -> Place) -> Result<Took, String> {
        let lane = lane_of(&raw.key, &raw.position, self.order.lanes) as usize;
        let n_closed = self.lanes[lane].closed.len();
        let start = self.lanes[lane].open.len();
        catch_unwind(AssertUnwindSafe(|| self.take(raw, place))).map_err(|panic| {
            let arena = &mut self.lanes[lane];
            // What was open may have been closed before the record was begun.
            arena.open.truncate(if arena.closed.len() == n_closed { start } else { 0 });
            caught::text(&*panic)
        })
    }

    /// The answer: the records as slices of their lanes' arenas.
    pub(super) fn finish(self, passed: Option<Position>, ended: bool) -> Read {
        let chunks: Vec<Vec<Bytes>> = self.lanes.into_iter().map(Arena::finish).collect();
        let place = |draft: Draft| Record { bytes: chunks[draft.lane][draft.chunk].slice(draft.range), ..draft.record };
        let records = self.drafts.into_iter().map(place).collect();
        Read { records, filtered: Vec::new(), n_filtered: self.n_filtered, passed, ended, gap: None }
    }
}

impl Arena {
    fn close_if_full(&mut self) {
        if self.open.len() >= CHUNK_BYTES {
            let full = std::mem::take(&mut self.open);
            self.closed.push(freeze(full));
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.closed.push(freeze(self.open));
        self.closed
    }
}

/// What a chunk pins is what it holds: capacity left over by growth is given back.
fn freeze(mut bytes: Vec<u8>) -> Bytes {
    bytes.shrink_to_fit();
    bytes.into()
}
