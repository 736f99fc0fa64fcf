//! Records as a reader of a file makes them, for tests of others: lines that share the window they were cut
//! from.

use std::sync::Arc;

use bytes::Bytes;
use forebay_batcher::{OrderKey, Position, UnixMillis};

use super::event::{FileFacts, FileRenderer, record_id};
use crate::source::{RawRecord, Renderer, TrackName};

/// So many lines of this length, from this number on.
pub(crate) fn lines(first: usize, n: usize, line_bytes: usize) -> Vec<RawRecord> {
    let window = Bytes::from([vec![b'x'; line_bytes], vec![b'\n']].concat().repeat(n));
    let track = TrackName("file-801-2a-175f-9-0123456789abcdef0123456789abcdef-0".to_owned());
    let facts = Arc::new(FileFacts::new(&track, "/var/log/service/requests.log"));
    let line = |idx: usize| {
        let start = idx * (line_bytes + 1);
        let offset = ((first + idx) * (line_bytes + 1)) as u64;
        RawRecord {
            id: record_id(offset),
            position: Position::checked_number(offset, *b"abcd"),
            key: OrderKey::Key(Bytes::from_static(b"file")),
            arrival: UnixMillis(1_545_082_649_183),
            data: window.slice(start..start + line_bytes),
            facts: Arc::clone(&facts) as _,
        }
    };
    (0..n).map(line).collect()
}

pub(crate) fn renderer() -> Arc<dyn Renderer> {
    Arc::new(FileRenderer)
}
