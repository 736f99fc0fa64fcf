//! What operators ask of a source beside reading it: how much waits, where its tracks begin, whether a place can be named.

use forebay_batcher::Watermark;

use crate::source::{Known, SourceError, Standing, TrackName};

/// Where a mapping stands in one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// Which track.
    pub track: TrackName,
    /// Everything strictly below it is finished.
    pub bound: Watermark,
    /// Whether it was read to its end.
    pub standing: Standing,
}

impl Stand {
    /// The tracks of these stands, as a source asks for them.
    pub fn known(stands: &[Self]) -> Known {
        Known(stands.iter().map(|it| (it.track.clone(), it.standing)).collect())
    }
}

/// How much waits for a mapping in its source; what the source cannot tell is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Records.
    pub records: Option<u64>,
    /// Bytes.
    pub bytes: Option<u64>,
}

/// A place cannot be told or named.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The source has no such place; the text says why, and what there is instead.
    #[error("{0}")]
    None(String),
    /// The source cannot be asked.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl PlaceError {
    /// A place of a queue, which has none.
    pub fn queue() -> Self {
        Self::None("a queue keeps no positions: what it gives out next is its own choice".to_owned())
    }
}
