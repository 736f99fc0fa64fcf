//! The name of a batch run, and what only one may hold: lanes of tracks, groups of a queue.

use bytes::Bytes;

use crate::record::TrackIdx;

/// Names a batch run; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BatchRunId {
    pub(crate) number: u64,
    pub(crate) slot: u32,
}

/// What only one batch run may hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Hold {
    /// A lane of a track.
    Lane(TrackIdx, u32),
    /// A group of a queue.
    Group(Bytes),
}

/// The tracks of which lanes are held, each once.
pub(crate) fn tracks_of(holds: &[Hold]) -> impl Iterator<Item = TrackIdx> + use<> {
    if let [Hold::Lane(idx, _)] = holds {
        return Some(*idx).into_iter().chain(Vec::new());
    }
    let mut tracks = lanes_of(holds).map(|(idx, _)| idx);
    // Most hold lanes of one track, and need no list.
    let first = tracks.next();
    let mut others: Vec<TrackIdx> = tracks.filter(|idx| Some(*idx) != first).collect();
    if !others.is_empty() {
        others.extend(first);
        others.sort_unstable();
        others.dedup();
    }
    first.filter(|_| others.is_empty()).into_iter().chain(others)
}

/// The lanes that are held.
pub(crate) fn lanes_of(holds: &[Hold]) -> impl Iterator<Item = (TrackIdx, u32)> {
    holds.iter().filter_map(|hold| match hold {
        Hold::Lane(idx, lane) => Some((*idx, *lane)),
        Hold::Group(_) => None,
    })
}
