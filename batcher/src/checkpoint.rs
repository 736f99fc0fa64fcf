//! The whole truth of a track, as bytes that a store keeps without looking inside.

mod codec;

use bytes::Bytes;

use crate::attempt::Reply;
use crate::condition::Condition;
use crate::record::{Origin, Position};
use crate::short::ShortBytes;
use crate::time::UnixMillis;
use crate::track_name::TrackName;
use crate::tumbling::{Finale, WindowSpan};

/// The bound of a track: everything strictly below it is finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watermark {
    /// Nothing was read yet; reading begins where the source's own bytes say.
    Origin(Origin),
    /// Everything strictly below this position is finished.
    At(Position),
}

impl Watermark {
    /// Its position; `None` while nothing was read yet.
    pub fn position(&self) -> Option<&Position> {
        match self {
            Self::Origin(_) => None,
            Self::At(position) => Some(position),
        }
    }
}

/// The whole truth of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Everything below is finished.
    pub watermark: Watermark,
    /// Finished stretches above the watermark, both ends included, ascending and apart.
    pub finished: Vec<(Position, Position)>,
    /// Slices that were tried and are open, in the order of their first positions.
    pub slices: Vec<OpenSlice>,
    /// The track has no more records.
    pub ended: bool,
    /// How many lanes the open slices' lanes are counted in.
    pub lanes: u32,
    /// The plan it was written under.
    pub plan_generation: u64,
    /// Its tumbling windows; `None` where there never was one.
    pub windows: Option<Box<Windows>>,
}

impl Checkpoint {
    /// The checkpoint of a track on which nothing was read yet.
    pub fn at_origin(origin: Origin) -> Self {
        Self {
            watermark: Watermark::Origin(origin),
            finished: Vec::new(),
            slices: Vec::new(),
            ended: false,
            lanes: 1,
            plan_generation: 0,
            windows: None,
        }
    }
}

/// A slice that was tried and is open. A slice that holds several lanes or tracks is written once for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSlice {
    /// Its lane; its records are those of `first..=last` on this lane that are not finished.
    pub lane: u32,
    /// Its first record.
    pub first: Position,
    /// Its last record.
    pub last: Position,
    /// Retries spent.
    pub n_failures: u32,
    /// Attempts that its records were part of.
    pub n_invokes: u32,
    /// Not tried again before this time of the wall clock, which is 0 where it need not wait; a jump of that
    /// clock shortens or lengthens it by at most the longest delay that the plan allows.
    pub not_before: UnixMillis,
    /// Its own limit of retries, from the plan that it was read under.
    pub retries_max: Option<u32>,
    /// Its own limit of age, in milliseconds.
    pub record_age_max_ms: Option<u64>,
    /// Its own setting.
    pub bisect: bool,
    /// An operator had it tried again: its limit of age does not hold before a retry is spent.
    pub is_age_pardoned: bool,
    /// Set when it was given up and its notice is not yet taken, or an operator has not decided yet.
    pub given_up: Option<Box<GivenUp>>,
    /// It has no records, and its places are empty: it ends the tumbling window of its lane.
    pub finale: Option<Finale>,
}

impl OpenSlice {
    /// The time of one that need not wait: long over, so that no jump of the clock makes it wait, and one byte
    /// of a checkpoint.
    pub(crate) const AT_ONCE: UnixMillis = UnixMillis(0);

    /// Its first record is its last.
    fn is_one_record(&self) -> bool {
        self.first == self.last
    }
}

/// The tumbling windows of a track, kept with what of it is finished: a state speaks of exactly that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Windows {
    /// When the newest that was read of the track reached its source: windows that end before are over.
    pub time: UnixMillis,
    /// Those of its lanes that have or had any, in order.
    pub lanes: Vec<KeptWindow>,
    /// Of a track that has ended: the one in which they go on.
    pub heir: Option<TrackName>,
}

/// The tumbling window of one lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptWindow {
    /// Which lane.
    pub lane: u32,
    /// The end of the last window that is over.
    pub floor: Option<UnixMillis>,
    /// The one that has begun.
    pub open: Option<OpenWindow>,
}

/// A tumbling window that has begun and is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenWindow {
    /// From when to when.
    pub span: WindowSpan,
    /// What the function carries: it speaks of the records of this window that are finished.
    pub state: Bytes,
    /// The state is too large: it is terminated early before anything else of this lane is tried.
    pub is_full: bool,
}

/// What a notice needs when it is sent again after a restart, or an operator when he decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// Why.
    pub condition: Condition,
    /// What the last attempt told, without its payload.
    pub reply: Option<Reply>,
    /// It waits for an operator, since then by the wall clock.
    pub paused_since: Option<UnixMillis>,
}

/// Bytes that are no checkpoint of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Written by newer code.
    #[error("checkpoint version {0} is newer than this program reads (it reads {newest})", newest = codec::VERSION)]
    Version(u8),
    /// It ends too early, goes on too long, or a member is out of range.
    #[error("checkpoint is malformed at byte {0}")]
    Malformed(usize),
}
