//! One ownership of a track by the living machine: what it began with, and what it was told since.

use forebay_batcher::lanes::lane_of;
use forebay_batcher::{Checkpoint, OrderKey, Position, Rule, TrackIdx, Watermark};

use super::truth::Entry;
use super::{Oracle, Violation, holds};

/// One ownership of a track.
#[derive(Debug)]
pub(crate) struct Ownership {
    pub(crate) source: usize,
    pub(crate) epoch: u64,
    /// The machine was told that it lost the track.
    pub(crate) over: bool,
    pub(crate) position_lost: bool,
    /// The bound above all that was handed over.
    pub(crate) passed: Option<Position>,
    pub(crate) committed: Watermark,
    /// Index in the source's list before which all are finished.
    pub(crate) first_open: usize,
}

impl Oracle {
    /// The machine gets a track: the checkpoint is all that it knows.
    pub(crate) fn assign(&mut self, track: TrackIdx, source: usize, epoch: u64, from: &Checkpoint) {
        for uid in self.by_track[source].clone() {
            let truth = &self.truths[uid as usize];
            let finished = is_finished_in(from, &truth.position);
            let slice = (!finished)
                .then(|| {
                    from.slices.iter().find(|slice| {
                        let key = truth.key.map_or(OrderKey::Free, order_key);
                        slice.first <= truth.position
                            && truth.position <= slice.last
                            && slice.lane == lane_of(&key, &truth.position, from.lanes)
                    })
                })
                .flatten();
            self.entries[uid as usize] = Entry {
                uid,
                finished,
                fixed: finished,
                spent: slice.map_or(0, |slice| slice.n_failures),
                tried: slice.map_or(0, |slice| slice.n_invokes),
                given_up: slice.is_some_and(|slice| slice.given_up.is_some()),
                ..Entry::default()
            };
        }
        let passed = match &from.watermark {
            Watermark::At(position) => Some(position.clone()),
            Watermark::Origin(_) => None,
        };
        let ownership =
            Ownership { source, epoch, over: false, position_lost: false, passed, committed: from.watermark.clone(), first_open: 0 };
        self.owners.insert(track, ownership);
    }

    /// The machine was told that the track is not its own any more.
    pub(crate) fn end_ownership(&mut self, track: TrackIdx) {
        if let Some(owner) = self.owners.get_mut(&track) {
            owner.over = true;
        }
    }

    /// F-1: after the machine was told of a newer owner it acts for that track no more. P-1: nor reads on from a place it does not have.
    pub(crate) fn f1_no_action_after_the_track_is_lost(&self, track: TrackIdx, what: &str) -> Result<(), Violation> {
        let over = self.owners.get(&track).is_none_or(|owner| owner.over);
        holds(Rule::F1, !over, || format!("{what} for {track:?}, which belongs to another owner"))
    }

    /// P-1: a track whose position was lost is not read until it is assigned again.
    pub(crate) fn p1_no_read_after_the_position_is_lost(&self, track: TrackIdx) -> Result<(), Violation> {
        let lost = self.owners.get(&track).is_some_and(|owner| owner.position_lost);
        holds(Rule::P1, !lost, || format!("a read of {track:?}, whose position was lost"))
    }
}

/// A checkpoint tells that the record at this place is finished.
pub(crate) fn is_finished_in(checkpoint: &Checkpoint, position: &Position) -> bool {
    let below = matches!(&checkpoint.watermark, Watermark::At(watermark) if position < watermark);
    below || checkpoint.finished.iter().any(|(first, last)| first <= position && position <= last)
}

/// The order key that the sources render for a key's number.
pub(crate) fn order_key(key: u32) -> OrderKey {
    // Decimal texts of mixed length, each the beginning of the next: what cuts keys short or pads them mistakes one for another.
    const DIGITS: &[u8; 32] = b"12345678901234567890123456789012";
    OrderKey::Key(bytes::Bytes::from_static(&DIGITS[..=key as usize % 32]))
}
