//! What a source of tracks is to the rest: tracks that come and end, and readers at a bound.

use std::any::Any;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{
    Gap, Known, OrderKey, Origin, Position, RecordId, TrackInfo, TrackName, UnixMillis, Watermark,
};

use super::{BoxFuture, Group, SourceError, WindowFacts};

/// What a source has that a mapping was not told of.
#[derive(Debug, Default)]
pub struct Listing {
    /// The new tracks, in the order of their creation where the source knows it, else by label.
    pub tracks: Vec<TrackInfo>,
    /// Something else that should be there cannot be seen.
    pub trouble: Option<SourceError>,
}

/// How tracks are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TracksFacts {
    /// The most readers that one track may have at once, over all mappings; `None` for any number. Mappings
    /// that lag behind the others share what is left of it.
    pub readers_max: Option<NonZeroUsize>,
    /// What it lists is the same for every mapping: one listing serves all of them.
    pub lists_for_all: bool,
    /// Its readers are pushed to: a read may bring one push whole, whatever there is room for.
    pub pushes: bool,
    /// It is told what is durable ([`Tracks::committed`]), and when a mapping reads no more.
    pub hears_commits: bool,
    /// However small the batches, as many records of a track may wait: for a source whose reads are counted,
    /// or cost much. 0 where a read is as any other.
    pub waiting_min: u32,
}

/// The tracks of a source.
pub trait Tracks: Send + Sync {
    /// How they are read.
    fn facts(&self) -> TracksFacts {
        TracksFacts::default()
    }
    /// Tracks that exist now and that `known` does not hold.
    fn list<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Listing, SourceError>>;
    /// How often `list` is asked again.
    fn rediscover_every(&self) -> Duration;
    /// Ends when `list` may have something new before that; never for a source that is not told. May be
    /// dropped without losing anything.
    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
    /// Where a track begins that appeared after the mapping was made: its first record.
    fn first(&self) -> Origin;
    /// The end of a stretch that a checkpoint holds, both ends included, as this version writes positions:
    /// what the store kept may be older.
    fn end_of_stretch(&self, kept: Position) -> Position {
        kept
    }
    /// The group that deals the tracks out, where one does. Then nothing is discovered by `list`: a mapping
    /// has the tracks that it is assigned.
    fn group(&self) -> Option<&dyn Group> {
        None
    }
    /// Everything of a track below `at` is finished for a mapping, and that is durable here: a source whose
    /// server shows how far its readers are may tell it. Told often; only the last for a track counts. What a
    /// group deals out is told to its [`Membership`](super::Membership) instead.
    fn committed(&self, _mapping: &str, _track: &TrackName, _at: &Watermark) {}
    /// A mapping reads no more: what [`Tracks::committed`] was told last is passed on before this ends.
    fn leave<'a>(&'a self, _mapping: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
    /// What the event of a tumbling window says of a track; `None` for a source whose profile has no windows.
    fn window_facts(&self, _track: &TrackName) -> Option<WindowFacts> {
        None
    }
    /// Opens a reader at a bound.
    fn open<'a>(
        &'a self,
        track: &'a TrackName,
        from: &'a Watermark,
    ) -> BoxFuture<'a, Result<Box<dyn Reader>, SourceError>>;
}

/// Room for one raw read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The most records.
    pub records_max: u32,
    /// The most raw bytes; one record may go over it.
    pub bytes_max: u64,
    /// How long to wait when there is nothing.
    pub wait: Duration,
}

/// Reads one track or queue.
pub trait Reader: Send {
    /// Reads once. It answers as soon as it has records, has moved its bound or has ended; else when the wait
    /// is over. May be dropped while it waits without losing anything. After an error the reader is not used
    /// again, except for [`SourceError::Throttled`], which leaves it where it stood.
    fn read(&mut self, room: Room) -> BoxFuture<'_, Result<RawRead, SourceError>>;
}

/// What a reader brought, before any mapping's filter.
#[derive(Debug, Clone, Default)]
pub struct RawRead {
    /// The records, in reading order.
    pub records: Vec<RawRecord>,
    /// A bound above all that was read and not above what is to come.
    pub passed: Option<Position>,
    /// The track has no more.
    pub ended: bool,
    /// With the end: the tracks that come after this one, where the source tells them there. They name it
    /// among their parents.
    pub children: Vec<TrackInfo>,
    /// The source had already dropped what was wanted.
    pub gap: Option<Gap>,
}

/// One record as the source gave it.
#[derive(Debug, Clone)]
pub struct RawRecord {
    /// What the function may call it.
    pub id: RecordId,
    /// Its place.
    pub position: Position,
    /// What orders it.
    pub key: OrderKey,
    /// When it reached the source.
    pub arrival: UnixMillis,
    /// Its data as it came.
    pub data: Bytes,
    /// What else the source's own renderer needs to know.
    pub facts: Arc<dyn Any + Send + Sync>,
}

impl RawRecord {
    /// What it takes in memory beside its place in a list.
    pub(crate) fn heap_bytes(&self) -> u64 {
        let key = match &self.key {
            OrderKey::Key(key) => key.len(),
            OrderKey::Free => 0,
        };
        (self.data.len() + key) as u64 + self.id.0.heap_bytes() + self.position.0.heap_bytes()
    }
}
