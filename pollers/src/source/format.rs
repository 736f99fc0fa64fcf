//! How records become an event, and what is said of them elsewhere. Pure.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use forebay_batcher::{Record, RecordId, Section};
use serde_json::value::RawValue;

use super::RawRecord;

/// How the records of a kind of source become an event, and what is said of them elsewhere. Pure.
pub trait EventFormat: Send + Sync {
    /// How records become JSON for a mapping with or without a batching window: some events depend on that (SQS).
    fn renderer(&self, has_window: bool) -> Arc<dyn Renderer>;
    /// Bytes of an event around its records and the commas between them: an event of n records has these, theirs, and n − 1 more.
    fn envelope_bytes(&self) -> u64;
    /// The event of a batch as pieces to be sent one after the other.
    fn wrap(&self, batch: &[Record]) -> Vec<Bytes>;
    /// The name of a record from what a function reported under `itemIdentifier`.
    fn identify(&self, reported: &RawValue) -> Option<RecordId>;
    /// The member of a failure record that describes these records: its key, such as `FileBatchInfo`, and its value.
    fn batch_info(&self, records: &[Record]) -> (&'static str, serde_json::Value);
    /// The key that the record had in its source, for destinations that keep keys; most sources have none.
    fn original_key(&self, _record: &Record) -> Option<Bytes> {
        None
    }
}

/// Renders records as JSON for one mapping, and shows them to its filter. Pure.
pub trait Renderer: Send + Sync {
    /// Appends the record's JSON, as it stands in the event, to `out`.
    fn render(&self, record: &RawRecord, out: &mut Vec<u8>);
    /// As [`Renderer::render`], with an empty text where the data stands, for a filter that is handed the data beside it. A source whose
    /// profile names no data key renders all.
    fn render_without_data(&self, record: &RawRecord, out: &mut Vec<u8>) {
        self.render(record, out);
    }
    /// The data that a filter sees under the profile's `data_key`, decoded; `None` when the record has none.
    fn data<'a>(&self, record: &'a RawRecord) -> Option<Cow<'a, [u8]>> {
        Some(Cow::Borrowed(&record.data))
    }
    /// The part of the event that the record stands in.
    fn section(&self, _record: &RawRecord) -> Section {
        Section::default()
    }
}

/// From this size on a record is a piece of its own. Below it a copy is cheaper than what each further piece costs on its way to the socket.
const PIECE_BYTES_MIN: usize = 16 << 10;

/// The event of a batch whose records stand in one list: what is before it, the records with a comma between two, what is behind it.
pub fn wrap_list(head: &'static [u8], batch: &[Record], tail: &'static [u8]) -> Vec<Bytes> {
    let n_small: usize = batch.iter().map(|record| record.bytes.len()).filter(|n_bytes| *n_bytes < PIECE_BYTES_MIN).sum();
    let mut pieces = Vec::new();
    let mut joined = BytesMut::with_capacity(head.len() + n_small + batch.len() + tail.len());
    joined.extend_from_slice(head);
    for (idx, record) in batch.iter().enumerate() {
        if idx > 0 {
            joined.extend_from_slice(b",");
        }
        if record.bytes.len() < PIECE_BYTES_MIN {
            joined.extend_from_slice(&record.bytes);
        } else {
            pieces.extend([joined.split().freeze(), record.bytes.clone()]);
        }
    }
    joined.extend_from_slice(tail);
    pieces.push(joined.freeze());
    pieces
}

#[cfg(test)]
mod tests {
    use forebay_batcher::{OrderKey, Place, Position, RecordId, Section, TrackIdx, UnixMillis};

    use super::*;

    fn record(n_bytes: usize) -> Record {
        Record {
            id: RecordId::new(b"1"),
            place: Place::Track(TrackIdx(0), Position::number(1)),
            key: OrderKey::Free,
            arrival: UnixMillis(0),
            bytes: vec![b'x'; n_bytes].into(),
            section: Section::default(),
        }
    }

    #[test]
    fn small_records_are_one_piece_of_an_event_and_large_ones_are_not_copied() {
        let small: Vec<Record> = (0..100).map(|_| record(1_000)).collect();
        let pieces = wrap_list(b"[", &small, b"]");
        assert_eq!((pieces.len(), pieces[0].len()), (1, 2 + 100 * 1_000 + 99));
        let mixed = [record(3), record(PIECE_BYTES_MIN), record(2), record(PIECE_BYTES_MIN - 1), record(PIECE_BYTES_MIN)];
        let pieces = wrap_list(b"[", &mixed, b"]");
        assert_eq!(pieces.iter().map(Bytes::len).collect::<Vec<_>>(), [5, PIECE_BYTES_MIN, PIECE_BYTES_MIN + 4, PIECE_BYTES_MIN, 1]);
        assert!(
            pieces[1].as_ptr() == mixed[1].bytes.as_ptr() && pieces[3].as_ptr() == mixed[4].bytes.as_ptr(),
            "they are the records' own"
        );
        let expected: Vec<&[u8]> = mixed.iter().map(|record| &record.bytes[..]).collect();
        assert_eq!(pieces.concat(), [&b"["[..], &expected.join(&b','), b"]"].concat());
        assert_eq!(wrap_list(b"[", &[], b"]").concat(), b"[]");
    }
}
