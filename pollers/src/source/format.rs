//! How records become an event, and what is said of them elsewhere. Pure.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use forebay_batcher::{Record, RecordId, Section};
use serde_json::value::RawValue;

use super::RawRecord;

/// How the records of a kind of source become an event, and what is said of them elsewhere. Pure.
pub trait EventFormat: Send + Sync {
    /// How records become JSON for a mapping with or without a batching window: some events depend on that
    /// (SQS).
    fn renderer(&self, has_window: bool) -> Arc<dyn Renderer>;
    /// Bytes of an event around its records and the commas between them: an event of n records has these,
    /// theirs, and n − 1 more.
    fn envelope_bytes(&self) -> u64;
    /// The event of a batch as pieces to be sent one after the other.
    fn wrap(&self, batch: &[Record]) -> Vec<Bytes>;
    /// The name of a record from what a function reported under `itemIdentifier`.
    fn identify(&self, reported: &RawValue) -> Option<RecordId>;
    /// The member of a failure record that describes these records: its key, such as `FileBatchInfo`, and its
    /// value.
    fn batch_info(&self, records: &[Record]) -> (&'static str, serde_json::Value);
    /// What is said of one record alone, for destinations that take records one by one; `None` where records
    /// are told of together only.
    fn alone(&self, _record: &Record) -> Option<LoneRecord> {
        None
    }
    /// The key that the record had in its source, for destinations that keep keys; most sources have none.
    fn original_key(&self, _record: &Record) -> Option<Bytes> {
        None
    }
}

/// A record for a destination that takes records one by one, and keeps what it had beside its value.
#[derive(Debug, Clone, PartialEq)]
pub struct LoneRecord {
    /// The member of a failure record that describes it: its key, and its value.
    pub info: (&'static str, serde_json::Value),
    /// Its key.
    pub key: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<(String, Bytes)>,
}

/// Renders records as JSON for one mapping, and shows them to its filter. Pure.
pub trait Renderer: Send + Sync {
    /// Appends the record's JSON, as it stands in the event, to `out`.
    fn render(&self, record: &RawRecord, out: &mut Vec<u8>);
    /// As [`Renderer::render`], with an empty text where the data stands, for a filter that is handed the
    /// data beside it. A source whose profile names no data key renders all.
    fn render_without_data(&self, record: &RawRecord, out: &mut Vec<u8>) {
        self.render(record, out);
    }
    /// The data that a filter sees under the profile's `data_key`, decoded; `None` when the record has none.
    fn data<'a>(&self, record: &'a RawRecord) -> Option<Cow<'a, [u8]>> {
        Some(Cow::Borrowed(&record.data))
    }
    /// The part of the event that the record stands in; or why it can stand in none: then no filter sees it, and it
    /// is rendered for its failure record alone.
    fn section(&self, _record: &RawRecord) -> Section {
        Section::default()
    }
}

/// The event of a batch whose records stand in one list: what is before it, the records with a comma between
/// two, what is behind it. Nothing is copied, and records that were rendered beside one another are one
/// piece.
pub fn wrap_list(head: &'static [u8], batch: &[Record], tail: &'static [u8]) -> Vec<Bytes> {
    let mut pieces = vec![Bytes::from_static(head)];
    push_list(batch, &mut pieces);
    pieces.push(Bytes::from_static(tail));
    pieces
}

/// The records of one list of an event with a comma between two, in the same way.
pub fn push_list(batch: &[Record], pieces: &mut Vec<Bytes>) {
    const COMMA: &[u8] = b",";
    let mut rest = batch.iter().map(|record| &record.bytes).peekable();
    while let Some(first) = rest.next() {
        let mut range = first.range();
        let has_comma = |end: usize| first.chunk().get(end) == Some(&b',');
        while let Some(next) = rest
            .next_if(|it| it.is_beside(first) && it.range().start == range.end + 1 && has_comma(range.end))
        {
            range.end = next.range().end;
        }
        match rest.peek() {
            Some(_) if has_comma(range.end) => pieces.push(first.chunk().slice(range.start..range.end + 1)),
            Some(_) => pieces.extend([first.chunk().slice(range), Bytes::from_static(COMMA)]),
            None => pieces.push(first.chunk().slice(range)),
        }
    }
}

#[cfg(test)]
mod tests {
    use forebay_batcher::{OrderKey, Place, Position, RecordId, Rendered, Section, TrackIdx, UnixMillis};

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

    /// Records of `texts` as they lie in one chunk with commas between them.
    fn rendered(texts: &[&str]) -> Vec<Record> {
        let chunk = Arc::new(Bytes::from(texts.join(",")));
        let mut at = 0;
        let place = |text: &&str| {
            let range = at..at + text.len();
            at = range.end + 1;
            Record { bytes: Rendered::part(Arc::clone(&chunk), range), ..record(0) }
        };
        texts.iter().map(place).collect()
    }

    #[test]
    fn neighbours_are_one_piece_of_an_event_and_nothing_is_copied() {
        let pieces = |batch: &[Record]| wrap_list(b"[", batch, b"]");
        let texts = |batch: &[Record]| {
            pieces(batch).iter().map(|it| String::from_utf8(it.to_vec()).unwrap()).collect::<Vec<_>>()
        };
        let [a, b] = [rendered(&["1", "22", "333", "4"]), rendered(&["5", "6"])];
        assert_eq!(texts(&a), ["[", "1,22,333,4", "]"]);
        assert_eq!(pieces(&a)[1].as_ptr(), a[0].bytes.as_ptr(), "it is where it was rendered");
        let pick = |which: &[&Record]| which.iter().copied().cloned().collect::<Vec<_>>();
        assert_eq!(texts(&pick(&[&a[0], &a[1], &b[0], &b[1], &a[3]])), ["[", "1,22,", "5,6", ",", "4", "]"]);
        assert_eq!(
            texts(&pick(&[&a[0], &a[2], &a[1]])),
            ["[", "1,", "333,", "22", "]"],
            "one that was left out parts them"
        );
        assert_eq!(texts(&pick(&[&a[0], &a[0]])), ["[", "1,", "1", "]"]);
        assert_eq!(texts(&[]), ["[", "]"]);
        let chunk = Arc::new(Bytes::from("7;8"));
        let beside = Record { bytes: Rendered::part(Arc::clone(&chunk), 0..1), ..record(0) };
        let other = Record { bytes: Rendered::part(chunk, 2..3), ..record(0) };
        assert_eq!(texts(&[beside, other]), ["[", "7", ",", "8", "]"], "what lies between them is no comma");
    }
}
