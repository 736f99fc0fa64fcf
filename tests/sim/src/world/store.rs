//! The store: a durable image per track and commits in flight; it fails before and after writing, fills up, and fences.

use std::sync::Arc;

use forebay_batcher::{Checkpoint, CommitId, Committed, Rule, TrackIdx};

use super::World;
use super::events::{Event, Fate, Landing};
use crate::coverage::Point;
use crate::oracle::{Violation, holds};

/// What is on disk.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// By source track.
    pub(super) durable: Vec<Option<Arc<Checkpoint>>>,
    pub(super) epochs: Vec<u64>,
    pub(super) full_until_us: u64,
}

impl World {
    /// The machine writes a checkpoint.
    pub(super) fn commit(&mut self, id: CommitId, owner: TrackIdx, checkpoint: Checkpoint) -> Result<(), Violation> {
        self.oracle.f1_no_action_after_the_track_is_lost(owner, "a commit")?;
        let open = self.oracle.commits.values().any(|(other, _)| *other == owner);
        holds(Rule::W1, !open, || format!("two commits of {owner:?} are open"))?;
        self.oracle.w1_no_commit_passes_an_open_record(owner, &checkpoint)?;
        self.oracle.w3_an_idle_track_stands_at_passed(owner, &checkpoint)?;
        self.oracle.r1_a_checkpoint_holds_what_was_tried(owner, &checkpoint)?;
        self.oracle.n3_no_commit_forgets_a_finished_record(owner, &checkpoint)?;
        self.oracle.n6_n7_slices_say_what_is_true(owner, &checkpoint, self.now())?;
        self.oracle.s5_a_commit_waits(owner, self.now_us)?;
        let checkpoint = Arc::new(checkpoint);
        self.oracle.commits.insert(id, (owner, Arc::clone(&checkpoint)));
        let (source, epoch) = self.oracle.owners.get(&owner).map_or((0, 0), |it| (it.source, it.epoch));
        let faults = self.options.faults.clone();
        let fate = if self.is_stubborn_store(source) {
            Fate::Refused
        } else if self.strikes(faults.store_full, Point::StoreFull) {
            Fate::Full
        } else if self.strikes(faults.commit_failed, Point::CommitFailed) {
            Fate::Refused
        } else if self.strikes(faults.commit_unheard, Point::CommitUnheard) {
            Fate::Unheard
        } else {
            Fate::Written
        };
        let at = self.soon(20);
        let life = self.life;
        let landing = Box::new(Landing { id, owner, track: source, epoch, checkpoint, fate });
        self.events.push(at, Event::CommitLands { life, landing });
        Ok(())
    }

    /// A commit reaches the disk, or not. One whose process died may still reach it.
    pub(super) fn land(&mut self, life: u32, landing: Landing) {
        let Landing { id, owner, track, epoch, checkpoint, fate } = landing;
        if !self.is_alive(life) && self.choices.chance(500) {
            return;
        }
        if fate == Fate::Full && self.phase == super::Phase::Safety {
            self.store.full_until_us = self.soon(15_000);
        }
        let answer = if epoch < self.store.epochs[track] {
            self.coverage.hit(Point::Fenced);
            Committed::Fenced
        } else if self.now_us < self.store.full_until_us {
            Committed::Full
        } else {
            match fate {
                Fate::Refused => Committed::Failed,
                Fate::Full => Committed::Full,
                Fate::Unheard | Fate::Written => {
                    self.store.durable[track] = Some(checkpoint);
                    self.changed = true;
                    if fate == Fate::Written { Committed::Durable } else { Committed::Failed }
                }
            }
        };
        let at = self.soon(20);
        self.events.push(at, Event::Committed { life, id, owner, answer });
        if self.strikes(self.options.faults.doubled, Point::DoubledAnswer) {
            let again = self.soon(200).max(at);
            self.events.push(again, Event::Committed { life, id, owner, answer });
        }
    }

    /// The store answers.
    pub(super) fn committed(&mut self, life: u32, id: CommitId, owner: TrackIdx, answer: Committed) {
        if !self.is_alive(life) {
            return;
        }
        if let Some((_, checkpoint)) = self.oracle.commits.remove(&id) {
            self.oracle.hear_committed(owner, checkpoint, answer, self.now_us);
        }
        if matches!(answer, Committed::Failed | Committed::Full) && self.gate_is_wanted() {
            self.coverage.hit(Point::ReadyAtFailure);
        }
        let now = self.now();
        if let Some(machine) = self.machine.as_mut() {
            machine.handle_committed(id, answer, now);
        }
    }
}
