//! From raw reads to one subscriber's read: its own filter, then its own rendering, into an arena for each
//! lane.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use forebay_batcher::{
    Place, Position, Read, ReadOrder, Record, RecordId, Rendered, UnixMillis, lanes::lane_of,
};

use forebay_clients::caught;

use super::subscription::{RecordFilter, lets_through};
use crate::source::{RawRecord, Renderer};

/// Bytes of an arena's chunk, unless one record has more: it has a chunk of its own. So one slow record pins
/// little more than itself.
const CHUNK_BYTES: usize = 32 << 10;
/// What a lane's first chunk begins with at least; the next ones begin with all that a chunk has.
const CHUNK_BYTES_MIN: usize = 4 << 10;
/// What a record's JSON is guessed to have beside its data.
const FRAME_BYTES: usize = 1 << 10;

/// Places for so many records at most are made before they are seen to be wanted.
const DRAFTS_RESERVED_MAX: usize = 100;

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
pub(super) struct FilledAnswer<'a> {
    order: &'a ReadOrder,
    renderer: &'a dyn Renderer,
    filter: Option<&'a Arc<dyn RecordFilter>>,
    lanes: Vec<Arena>,
    drafts: Vec<UnsealedRecord>,
    bytes: u64,
    n_filtered: u32,
    /// When the newest of these reached the source.
    newest_filtered: Option<UnixMillis>,
    /// Bytes that a lane's first chunk begins with.
    first_chunk_bytes: usize,
    /// What a filter is shown.
    scratch: Vec<u8>,
}

/// A record whose bytes still lie in an open arena.
struct UnsealedRecord {
    record: Record,
    lane: usize,
    chunk: usize,
    range: std::ops::Range<usize>,
}

#[derive(Default)]
struct Arena {
    closed: Vec<Arc<Bytes>>,
    open: Vec<u8>,
}

impl<'a> FilledAnswer<'a> {
    pub(super) fn new(
        order: &'a ReadOrder,
        renderer: &'a dyn Renderer,
        filter: Option<&'a Arc<dyn RecordFilter>>,
    ) -> Self {
        let lanes = (0..order.lanes.max(1)).map(|_| Arena::default()).collect();
        Self {
            first_chunk_bytes: CHUNK_BYTES_MIN,
            order,
            renderer,
            filter,
            lanes,
            drafts: Vec::new(),
            bytes: 0,
            n_filtered: 0,
            newest_filtered: None,
            scratch: Vec::new(),
        }
    }

    /// As many records are to come, with so much data together: a lane's first chunk begins with room for its
    /// share of them.
    pub(super) fn expecting(mut self, n_records: usize, data_bytes: usize) -> Self {
        let guess = rendered_guess(data_bytes, n_records) / self.lanes.len();
        self.first_chunk_bytes = guess.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES);
        self.drafts.reserve(n_records.min(DRAFTS_RESERVED_MAX));
        self
    }

    /// Reads past one record, or says that there is no room for it.
    pub(super) fn take(&mut self, raw: &RawRecord, place: impl FnOnce() -> Place) -> Took {
        // Before the filter: it is asked again when there is room.
        if self.drafts.len() >= self.order.records_max.max(1) as usize {
            return Took::NoRoom;
        }
        let section = self.renderer.section(raw);
        // What no function can be given has nothing that a filter could be shown.
        if let Some(filter) = self.filter.filter(|_| section.unreadable.is_none())
            && !lets_through(filter.as_ref(), self.renderer, raw, &mut self.scratch)
        {
            self.n_filtered = self.n_filtered.saturating_add(1);
            self.newest_filtered = self.newest_filtered.max(Some(raw.arrival));
            return Took::Filtered;
        }
        let lane = lane_of(&raw.key, &raw.position, self.order.lanes) as usize;
        let arena = &mut self.lanes[lane];
        arena.make_room(raw.data.len(), self.first_chunk_bytes);
        let start = arena.open.len();
        self.renderer.render(raw, &mut arena.open);
        let n_bytes = (arena.open.len() - start) as u64;
        // The first always has room: a record larger than all orders would stop its track for ever.
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
            bytes: Rendered::default(),
            section,
        };
        self.drafts.push(UnsealedRecord {
            record,
            lane,
            chunk: arena.closed.len(),
            range: start..arena.open.len(),
        });
        // So that it and its neighbour can go out as one piece.
        arena.open.push(b',');
        Took::Record
    }

    /// As [`FilledAnswer::take`]; a panic of the renderer or the filter, which are foreign in part, is told and
    /// leaves the answer as it was.
    pub(super) fn take_contained(
        &mut self,
        raw: &RawRecord,
        place: impl FnOnce() -> Place,
    ) -> Result<Took, String> {
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

    /// The answer: the records as parts of their lanes' arenas.
    pub(super) fn finish(self, passed: Option<Position>, ended: bool) -> Read {
        let chunks: Vec<Vec<Arc<Bytes>>> = self.lanes.into_iter().map(Arena::finish).collect();
        let place = |draft: UnsealedRecord| Record {
            bytes: Rendered::part(Arc::clone(&chunks[draft.lane][draft.chunk]), draft.range),
            ..draft.record
        };
        let records = self.drafts.into_iter().map(place).collect();
        let (n_filtered, newest_arrival) = (self.n_filtered, self.newest_filtered);
        let (filtered, gap, heir) = Default::default();
        Read { records, filtered, n_filtered, newest_arrival, passed, ended, heir, gap }
    }
}

impl Arena {
    /// Room for a record with so much data.
    fn make_room(&mut self, data_bytes: usize, first_bytes: usize) {
        let guess = rendered_guess(data_bytes, 1);
        if !self.open.is_empty() && self.open.len() + guess > CHUNK_BYTES {
            let full = std::mem::take(&mut self.open);
            self.closed.push(freeze(full));
        }
        if self.open.capacity() == 0 {
            let is_first = self.closed.is_empty();
            self.open.reserve(guess.max(if is_first { first_bytes } else { CHUNK_BYTES }));
        }
    }

    fn finish(mut self) -> Vec<Arc<Bytes>> {
        self.closed.push(freeze(self.open));
        self.closed
    }
}

/// What renders or filters a message panicked: it shows itself when its visibility is over, and its queue's
/// own rules end that.
pub(super) fn tell_left(message: &RecordId, panic: &str) {
    tracing::warn!(code = "FB-0501", message_id = %String::from_utf8_lossy(message.0.as_slice()), error = panic, "a message could not be rendered; it is left to its queue");
}

/// What so many records are guessed to have as JSON: an eighth more than their data for what is escaped in
/// it.
const fn rendered_guess(data_bytes: usize, n_records: usize) -> usize {
    data_bytes + data_bytes / 8 + n_records * FRAME_BYTES
}

/// What a chunk pins is what it holds: capacity left over by growth is given back.
fn freeze(mut bytes: Vec<u8>) -> Arc<Bytes> {
    bytes.shrink_to_fit();
    Arc::new(bytes.into())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use forebay_batcher::{Condition, OrderKey, ReadId, Section, TrackIdx};

    use super::*;

    /// Counts what it renders: records as a whole, and without their data.
    #[derive(Default)]
    struct Counting([AtomicUsize; 2]);

    impl Renderer for Counting {
        fn render(&self, record: &RawRecord, out: &mut Vec<u8>) {
            self.0[0].fetch_add(1, Ordering::SeqCst);
            out.extend_from_slice(&record.data);
        }

        fn render_without_data(&self, _record: &RawRecord, out: &mut Vec<u8>) {
            self.0[1].fetch_add(1, Ordering::SeqCst);
            out.extend_from_slice(b"{}");
        }
    }

    /// Lets one record through, and looks at its data, at the rest, or at both.
    struct One {
        needs_data: bool,
        needs_metadata: bool,
        n_asked: AtomicUsize,
    }

    impl RecordFilter for One {
        fn needs_data(&self) -> bool {
            self.needs_data
        }

        fn needs_metadata(&self) -> bool {
            self.needs_metadata
        }

        fn passes(&self, metadata: &[u8], data: Option<&[u8]>) -> bool {
            assert_eq!((metadata, data.is_some()), (&b"{}"[..], self.needs_data));
            self.n_asked.fetch_add(1, Ordering::SeqCst) == 7
        }
    }

    fn raw(number: u64) -> RawRecord {
        RawRecord {
            id: RecordId::new(b"id"),
            position: Position::number(number),
            key: OrderKey::Free,
            arrival: UnixMillis(0),
            data: Bytes::from_static(b"\"data\""),
            facts: Arc::new(()),
        }
    }

    #[test]
    fn what_a_filter_drops_is_not_rendered_and_the_rest_only_where_it_is_looked_at() {
        let wait = std::time::Duration::ZERO;
        let order =
            ReadOrder { id: ReadId(0), track: None, records_max: 1_000, bytes_max: 1 << 20, wait, lanes: 3 };
        for (needs_data, needs_metadata, n_shown) in [(true, false, 0), (true, true, 100), (false, true, 100)]
        {
            let renderer = Counting::default();
            let filter: Arc<dyn RecordFilter> =
                Arc::new(One { needs_data, needs_metadata, n_asked: AtomicUsize::new(0) });
            let mut answer = FilledAnswer::new(&order, &renderer, Some(&filter));
            let raws: Vec<RawRecord> = (0..100).map(raw).collect();
            let took: Vec<Took> = raws
                .iter()
                .map(|it| answer.take(it, || Place::Track(TrackIdx(0), it.position.clone())))
                .collect();
            assert_eq!(took.iter().filter(|it| **it == Took::Record).count(), 1);
            let read = answer.finish(None, false);
            assert_eq!(
                (read.records.len(), read.n_filtered, &*read.records[0].bytes),
                (1, 99, &b"\"data\""[..])
            );
            assert_eq!(
                renderer.0.map(AtomicUsize::into_inner),
                [1, n_shown],
                "looks at data: {needs_data}, at the rest: {needs_metadata}"
            );
        }
    }

    /// No function can be given what it renders.
    struct Unreadable;

    impl Renderer for Unreadable {
        fn render(&self, record: &RawRecord, out: &mut Vec<u8>) {
            out.extend_from_slice(&record.data);
        }

        fn section(&self, _: &RawRecord) -> Section {
            Section { unreadable: Some(Condition::NotDecoded), ..Section::default() }
        }
    }

    #[test]
    fn what_no_function_can_be_given_no_filter_is_shown() {
        let filter: Arc<dyn RecordFilter> =
            Arc::new(One { needs_data: true, needs_metadata: false, n_asked: AtomicUsize::new(0) });
        let wait = std::time::Duration::ZERO;
        let order =
            ReadOrder { id: ReadId(0), track: None, records_max: 10, bytes_max: 1 << 20, wait, lanes: 1 };
        let mut answer = FilledAnswer::new(&order, &Unreadable, Some(&filter));
        assert_eq!(answer.take(&raw(1), || Place::Track(TrackIdx(0), Position::number(1))), Took::Record);
        let read = answer.finish(None, false);
        assert_eq!((read.n_filtered, read.records[0].section.unreadable), (0, Some(Condition::NotDecoded)));
    }
}
