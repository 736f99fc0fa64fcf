//! Moves what a batch takes of several lanes, each record once: tracks in their order, and of one track what its
//! lanes give in reading order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;
use crate::assemble::Filler;

/// What a batch takes of one lane: its first records.
#[derive(Debug)]
pub(super) struct Share {
    /// Where its first record stands in an event.
    section: u32,
    idx: TrackIdx,
    lane: u32,
    n_records: usize,
}

impl Share {
    /// As many records of a lane as fit, which are counted; `None` when none does.
    pub(super) fn of(idx: TrackIdx, lane: u32, unit: &Lane, filler: &mut Filler) -> Option<Self> {
        let mut share = Self { section: unit.first()?.record.section.idx, idx, lane, n_records: 0 };
        for waiting in unit.iter() {
            if filler.is_oversize() || filler.closes_before(&waiting.record) {
                break;
            }
            filler.count(&waiting.record);
            share.n_records += 1;
        }
        (share.n_records > 0).then_some(share)
    }

    /// What the batch holds for it.
    pub(super) fn hold(&self) -> Hold {
        Hold::Lane(self.idx, self.lane)
    }
}

impl Tracks {
    /// Puts what was counted into the batch.
    pub(super) fn take_shares(&mut self, mut shares: Vec<Share>, filler: &mut Filler) {
        filler.expect_counted();
        shares.sort_by_key(|it| (it.section, it.idx));
        for of_one_track in shares.chunk_by(|a, b| a.idx == b.idx) {
            let Some(track) = self.by_idx.get_mut(of_one_track[0].idx) else { continue };
            match of_one_track {
                [share] => (0..share.n_records).for_each(|_| put_first(&mut track.lanes, share.lane, filler)),
                several => merge(&mut track.lanes, several, filler),
            }
        }
    }
}

/// Several lanes of one track: the next record is the first in reading order of those that are first of a lane.
fn merge(lanes: &mut Lanes, shares: &[Share], filler: &mut Filler) {
    let place = |lanes: &Lanes, lane: u32| lanes.get(lane)?.first()?.record.position().cloned();
    let mut firsts: BinaryHeap<Reverse<(Option<Position>, u32, usize)>> =
        shares.iter().map(|it| Reverse((place(lanes, it.lane), it.lane, it.n_records))).collect();
    while let Some(mut first) = firsts.peek_mut() {
        let Reverse((position, lane, n_left)) = &mut *first;
        put_first(lanes, *lane, filler);
        *n_left -= 1;
        if *n_left == 0 {
            std::collections::binary_heap::PeekMut::pop(first);
        } else {
            *position = place(lanes, *lane);
        }
    }
}

fn put_first(lanes: &mut Lanes, lane: u32, filler: &mut Filler) {
    let waiting = lanes.pop(lane).expect("it was counted");
    filler.put(waiting.record);
}
