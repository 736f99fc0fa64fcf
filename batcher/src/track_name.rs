//! Tracks by name: what a source and the store call them, which go before which, and where a group that deals
//! them out has one begin.

use std::collections::{BTreeMap, BTreeSet};

use crate::checkpoint::Watermark;

/// The name of a track under which its checkpoint is kept: it holds the source's identity, so that a
/// recreated one inherits nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackName(pub String);

/// What a mapping knows of a track that it was told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is read, or waits to be read.
    Open,
    /// It was read to its end.
    Ended,
}

/// The tracks that a mapping was told of: its list of tracks in the store, and what was discovered since. A
/// source that names a track by what it saw first (a file) finds its own names in it again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known(pub BTreeMap<TrackName, Standing>);

impl Known {
    /// Whether every track that goes before this one was told of. A listing shows parents with their
    /// children, and what it does not show is gone. The end of one parent tells of a child alone: another
    /// parent of it may be there and not listed yet, so only the next listing says what has to be waited for
    /// (T-1).
    pub fn has_parents_of(&self, track: &TrackInfo) -> bool {
        track.parents.iter().all(|it| self.0.contains_key(it))
    }

    /// Has tracks wait whose parents nobody was told of. Such a parent began, ended and was taken by retention
    /// between two listings, and what came before it, which may still be tried, cannot be seen. It was taken
    /// earlier: so whatever is known and not listed any more goes before the track (T-1). `listed` is the
    /// whole listing that showed `tracks`.
    pub fn order_behind_unlisted(&self, tracks: &mut [TrackInfo], listed: &[TrackInfo]) {
        // Hardly any listing shows one, and a listing may be long.
        let mut orphans = tracks.iter_mut().filter(|it| !self.has_parents_of(it)).peekable();
        if orphans.peek().is_none() {
            return;
        }
        let listed: BTreeSet<&TrackName> = listed.iter().map(|it| &it.name).collect();
        for track in orphans {
            // A listing shows parents with their children: one that it shows is not unknown for long.
            let is_there = |it: &TrackName| self.0.contains_key(it) || listed.contains(it);
            if !track.parents.iter().all(is_there) {
                let unlisted = self.0.keys().filter(|it| !listed.contains(it));
                track.parents.extend(unlisted.cloned());
            }
        }
    }
}

/// A track that the source has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackInfo {
    /// Its name in the store.
    pub name: TrackName,
    /// What people call it: a path, a shard id.
    pub label: String,
    /// Tracks that must be finished before this one starts (T-1).
    pub parents: Vec<TrackName>,
}

/// The track in which the windows go on that are open at the end of another: the first of those that come
/// after it. One that comes after several goes on with those of the first of them: whichever of them tells of
/// it, and in whatever order, the answer is the same.
pub fn heir_of(track: &TrackName, after: &[TrackInfo]) -> Option<TrackName> {
    let is_its = |it: &&TrackInfo| it.parents.contains(track);
    let first = after.iter().filter(is_its).min_by(|a, b| a.name.cmp(&b.name))?;
    (first.parents.iter().min() == Some(track)).then(|| first.name.clone())
}

/// A track that a member was dealt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The track.
    pub track: TrackInfo,
    /// Where it begins.
    pub start: Start,
    /// The generation of this ownership: higher each time that the track is dealt out.
    pub epoch: u64,
}

/// Where a track that was dealt begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Where the group stands. Another member may have brought it there, so it outranks a place below it that
    /// was kept here.
    Committed(Watermark),
    /// The group has never committed the track: where the source's policy says, unless a place was kept.
    Policy(Watermark),
}
