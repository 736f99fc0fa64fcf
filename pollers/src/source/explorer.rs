//! What operators ask of a source beside reading it: how much waits, where its tracks begin, whether a place
//! can be named.

use forebay_batcher::{Origin, Watermark};
use forebay_config::StartingPosition;

use super::{BoxFuture, Known, SourceError, Standing, TrackInfo, TrackName};

/// What operators ask of a source, and where its tracks begin. What is said here by default is true of a
/// queue, which has no tracks.
pub trait Explorer: Send + Sync {
    /// Tracks that a mapping was told of and that are there: what people call them and which go before them.
    fn describe<'a>(&'a self, _known: &'a Known) -> BoxFuture<'a, Result<Vec<TrackInfo>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    /// Where each track begins for a mapping that starts at `start`; asked once, before the mapping is
    /// Enabled.
    fn origins(
        &self,
        _start: StartingPosition,
    ) -> BoxFuture<'_, Result<Vec<(TrackName, Origin)>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    /// The same for a mapping by its name, which the source may know from before: a server may keep how far it
    /// was.
    fn origins_for<'a>(
        &'a self,
        _mapping: &'a str,
        start: StartingPosition,
    ) -> BoxFuture<'a, Result<Vec<(TrackName, Origin)>, SourceError>> {
        self.origins(start)
    }
    /// Where somebody put tracks of a mapping that did not run, by tools of the source's own; asked before it goes on
    /// from where it stood. Those that are left out go on as they stood.
    fn places_set<'a>(
        &'a self,
        _mapping: &'a str,
        _stands: &'a [Stand],
    ) -> BoxFuture<'a, Result<Vec<(TrackName, Watermark)>, SourceError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    /// Where each track that `known` holds, and that the source still has, begins for `start`, under the
    /// names of `known`; and so for tracks that are new.
    fn places<'a>(
        &'a self,
        _known: &'a Known,
        _start: StartingPosition,
    ) -> BoxFuture<'a, Result<Vec<(TrackName, Origin)>, PlaceError>> {
        Box::pin(async { Err(PlaceError::queue()) })
    }
    /// The bound in a track that an operator names, such as an offset, when a record may begin there.
    fn bound<'a>(
        &'a self,
        _track: &'a TrackName,
        _told: &'a str,
    ) -> BoxFuture<'a, Result<Watermark, PlaceError>> {
        Box::pin(async { Err(PlaceError::queue()) })
    }
    /// How much waits behind these places, tracks that the mapping was not told of included.
    fn backlog<'a>(&'a self, stands: &'a [Stand]) -> BoxFuture<'a, Result<Backlog, SourceError>>;
}

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
