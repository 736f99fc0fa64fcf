//! Tracks by their number: the shell counts them from zero on, so a look is an index.

use super::Track;
use crate::record::TrackIdx;

/// Tracks by their number.
#[derive(Debug, Default)]
pub(super) struct Table(Vec<Option<Box<Track>>>);

impl Table {
    pub(super) fn get(&self, idx: TrackIdx) -> Option<&Track> {
        self.0.get(idx.0 as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, idx: TrackIdx) -> Option<&mut Track> {
        self.0.get_mut(idx.0 as usize)?.as_deref_mut()
    }

    pub(super) fn insert(&mut self, idx: TrackIdx, track: Track) {
        let at = idx.0 as usize;
        if self.0.len() <= at {
            self.0.resize_with(at + 1, || None);
        }
        self.0[at] = Some(Box::new(track));
    }

    /// In the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TrackIdx, &Track)> {
        (0u32..).zip(&self.0).filter_map(|(at, track)| Some((TrackIdx(at), track.as_deref()?)))
    }
}
