//! One ownership of a track by the living machine: what it began with, and what it was told since.

use std::sync::Arc;

use forebay_batcher::lanes::lane_of;
use forebay_batcher::{Checkpoint, Now, OrderKey, Position, Rule, TrackIdx, TrackName, Watermark};

use super::truth::{Entry, Limits, Pause};
use super::{Oracle, Violation, holds};

/// Commits of a track that fail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommitFailing {
    /// Failures in a row, and the first one's time.
    pub(crate) n: u32,
    pub(crate) since_us: u64,
    /// The last said that there is no room.
    pub(crate) is_full: bool,
    /// When they may go on.
    pub(crate) pause: Pause,
}

/// One ownership of a track.
#[derive(Debug)]
pub(crate) struct Ownership {
    pub(crate) source: usize,
    pub(crate) epoch: u64,
    /// The machine was told that it lost the track.
    pub(crate) over: bool,
    pub(crate) position_lost: bool,
    /// It was closed, with time until then.
    pub(crate) closed_until_us: Option<u64>,
    /// How far it was told to be durable.
    pub(crate) told: Watermark,
    /// The bound above all that was handed over.
    pub(crate) passed: Option<Position>,
    pub(crate) committed: Watermark,
    /// Index in the source's list before which all are finished.
    pub(crate) first_open: usize,
    /// The checkpoint that the machine knows to be durable.
    pub(crate) heard: Arc<Checkpoint>,
    /// The last place of a slice of a former life: until it was read, reading goes on whatever else holds it
    /// back.
    pub(crate) restored_last: Option<Position>,
    /// When all slices of a former life were read.
    pub(crate) filled_us: u64,
    pub(crate) commit_failing: Option<CommitFailing>,
    /// When its commits last began to work.
    pub(crate) commits_us: u64,
    /// Failures in a row of its reads, and the first one's time.
    pub(crate) n_read_failed: u32,
    pub(crate) read_failed_us: u64,
    pub(crate) read_pause: Option<Pause>,
    /// When a read last brought records, or the track came.
    pub(crate) none_since_us: u64,
    /// Records that the filter dropped since, in how many that is so, and since when.
    pub(crate) filtered: Option<(u64, u64)>,
    /// A read said that there is no more.
    pub(crate) is_at_end: bool,
    /// Numbers of lanes that it may have: that of its checkpoint's slices, and the plan's since it came.
    pub(crate) first_lanes: u32,
    pub(crate) first_plan: usize,
    /// The machine told that it has ended.
    pub(crate) told_ended: bool,
    /// The track in which its windows go on, as the source has named it.
    pub(crate) heir: Option<TrackName>,
    /// Its tumbling windows.
    pub(super) book: super::windows::Book,
    /// When the newest that was handed over reached the source, and when it was handed over.
    pub(crate) time: Option<(i64, u64)>,
    /// When a read last brought nothing at all, if nothing has come since.
    pub(crate) quiet: Option<Now>,
}

impl Oracle {
    /// The machine gets a track: the checkpoint is all that it knows.
    pub(crate) fn assign(
        &mut self,
        track: TrackIdx,
        source: usize,
        epoch: u64,
        from: &Arc<Checkpoint>,
        now: Now,
    ) {
        let (partial, actions) = (self.plan().retry.partial_responses, self.plan().retry.item_actions);
        let wait_max_ms = if actions { 900_000 } else { 60_000 };
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
            let given_up = slice.and_then(|slice| slice.given_up.as_ref());
            self.entries[uid as usize] = Entry {
                uid,
                finished,
                fixed: finished,
                spent: slice.map_or(0, |slice| slice.n_failures),
                tried: slice.map_or(0, |slice| slice.n_invokes),
                given_up: slice.is_some_and(|slice| slice.given_up.is_some()),
                paused_since: given_up.and_then(|it| it.paused_since),
                // Where all that is used up waits only a decision gives it up.
                is_sent: given_up
                    .is_some_and(|it| it.paused_since.is_none() && self.is_of_operator(it.condition)),
                is_pardoned: slice.is_some_and(|slice| slice.is_age_pardoned),
                begun: slice.is_some(),
                restored: slice.is_some(),
                failed_us: slice.filter(|slice| slice.n_invokes > 0).map(|_| now.tick.0),
                limits: slice.map(|slice| Limits {
                    retries_max: slice.retries_max,
                    age_max_ms: slice.record_age_max_ms,
                    bisect: slice.bisect,
                    partial,
                    actions,
                }),
                pause: slice
                    .filter(|slice| slice.given_up.is_none())
                    .map_or_else(Pause::default, |slice| Pause::restored(slice, now, wait_max_ms)),
                ..Entry::default()
            };
        }
        let has_open = from.windows.iter().flat_map(|it| &it.lanes).any(|it| it.open.is_some());
        let passed = match &from.watermark {
            Watermark::At(position) => Some(position.clone()),
            Watermark::Origin(_) => None,
        };
        let ownership = Ownership {
            source,
            epoch,
            over: false,
            position_lost: false,
            closed_until_us: None,
            told: from.watermark.clone(),
            passed,
            committed: from.watermark.clone(),
            first_open: 0,
            heard: Arc::clone(from),
            restored_last: from
                .slices
                .iter()
                .filter(|slice| slice.finale.is_none())
                .map(|slice| slice.last.clone())
                .max(),
            filled_us: now.tick.0,
            commit_failing: None,
            commits_us: now.tick.0,
            n_read_failed: 0,
            read_failed_us: 0,
            read_pause: None,
            none_since_us: now.tick.0,
            filtered: None,
            is_at_end: from.ended,
            first_lanes: if from.slices.is_empty() && !has_open {
                self.plan().lanes.get()
            } else {
                from.lanes
            },
            first_plan: self.plans.len() - 1,
            told_ended: false,
            heir: from.windows.as_ref().and_then(|it| it.heir.clone()),
            book: self.book_of(from, now),
            time: from.windows.as_ref().map(|it| (it.time.0, now.tick.0)),
            quiet: None,
        };
        self.owners.insert(track, ownership);
    }

    /// The machine was told that the track is not its own any more.
    pub(crate) fn end_ownership(&mut self, track: TrackIdx) {
        self.forget_decisions(track);
        if let Some(owner) = self.owners.get_mut(&track) {
            self.is_blurred |= !owner.over && self.mixes_tracks;
            owner.over = true;
            self.has_lost = true;
        }
    }

    /// F-1: after the machine was told of a newer owner it acts for that track no more. P-1: nor reads on
    /// from a place it does not have.
    pub(crate) fn f1_no_action_after_the_track_is_lost(
        &self,
        track: TrackIdx,
        what: &str,
    ) -> Result<(), Violation> {
        let over = self.owners.get(&track).is_none_or(|owner| owner.over);
        holds(Rule::F1, !over, || format!("{what} for {track:?}, which belongs to another owner"))
    }

    /// F-2: while its store fails a track takes no new work.
    pub(crate) fn f2_a_failing_store_takes_no_new_work(
        &self,
        track: TrackIdx,
        what: &str,
    ) -> Result<(), Violation> {
        let failing = self.owners.get(&track).and_then(|owner| owner.commit_failing);
        holds(Rule::F2, failing.is_none(), || format!("{what} of {track:?}, whose commits fail: {failing:?}"))
    }

    /// F-2: nothing is tried for the first time while the store of its track fails. What is left of a batch
    /// after its expired records were split off was taken before.
    pub(crate) fn f2_a_failing_store_begins_nothing(
        &self,
        entries: &[usize],
        owner_of: &[u32],
    ) -> Result<(), Violation> {
        if self.plans.iter().any(|plan| plan.retry.record_age_max.is_some()) {
            return Ok(());
        }
        let mut fresh = entries.iter().zip(owner_of).filter(|(entry, _)| !self.entries[**entry].begun);
        fresh.try_for_each(|(_, owner)| {
            self.f2_a_failing_store_takes_no_new_work(TrackIdx(*owner), "a first attempt")
        })
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
    // Decimal texts of mixed length, each the beginning of the next: what cuts keys short or pads them
    // mistakes one for another.
    const DIGITS: &[u8; 32] = b"12345678901234567890123456789012";
    OrderKey::Key(bytes::Bytes::from_static(&DIGITS[..=key as usize % 32]))
}
