//! The store: what is written of each track, what of it is synced, and commits in flight; it fails before and
//! after writing and at its sync, fills up, and fences. A kill leaves what is written, a power cut what is
//! synced and some of the writes after it, in their order.

use std::sync::Arc;

use forebay_batcher::{Checkpoint, CommitId, Committed, Rule, TrackIdx};

use super::World;
use super::events::{Event, Fate, Landing};
use crate::coverage::Point;
use crate::oracle::{Violation, holds};

/// What is kept, by source track.
#[derive(Debug, Default)]
pub(super) struct Store {
    /// What a process finds.
    pub(super) written: Vec<Option<Arc<Checkpoint>>>,
    /// What a power cut leaves at least.
    pub(super) synced: Vec<Option<Arc<Checkpoint>>>,
    pub(super) epochs: Vec<u64>,
    pub(super) full_until_us: u64,
    /// Writes since the last sync, in their order.
    unsynced: Vec<Unsynced>,
    /// Nothing reaches the disk of what a life up to this one sent.
    cut: u32,
}

/// A write that waits for its sync.
#[derive(Debug)]
struct Unsynced {
    track: usize,
    /// `None` once a grant has synced it.
    checkpoint: Option<Arc<Checkpoint>>,
    /// Who waits for it: a life, the commit and the ownership; nobody where the answer was lost.
    waiting: Option<(u32, CommitId, TrackIdx)>,
}

impl Store {
    /// A track that nothing is kept of.
    pub(super) fn add_track(&mut self) {
        self.written.push(None);
        self.synced.push(None);
        self.epochs.push(0);
    }

    /// A new owner: the grant is synced, and all that was written before it.
    pub(super) fn grant(&mut self, track: usize) {
        self.epochs[track] += 1;
        self.synced.clone_from(&self.written);
        self.unsynced.iter_mut().for_each(|write| write.checkpoint = None);
    }

    /// The power fails: this many of the writes since the last sync are on disk.
    fn cut_power(&mut self, n_left: usize, life: u32) {
        self.written.clone_from(&self.synced);
        for write in self.unsynced.drain(..).take(n_left).filter(|write| write.checkpoint.is_some()) {
            self.written[write.track] = write.checkpoint;
        }
        self.synced.clone_from(&self.written);
        self.cut = life;
    }
}

impl World {
    /// The machine writes a checkpoint.
    pub(super) fn commit(
        &mut self,
        id: CommitId,
        owner: TrackIdx,
        checkpoint: Checkpoint,
    ) -> Result<(), Violation> {
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
        self.oracle.a3_a_checkpoint_keeps_what_is_carried(owner, &checkpoint)?;
        self.oracle.commits.insert(id, (owner, Arc::clone(&checkpoint)));
        self.oracle.unsaid.remove(&owner);
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
        if life <= self.store.cut || (!self.is_alive(life) && self.choices.chance(500)) {
            return;
        }
        if fate == Fate::Full && self.phase == super::Phase::Safety {
            self.store.full_until_us = self.soon(15_000);
        }
        let answer = if epoch < self.store.epochs[track] {
            self.coverage.hit(Point::Fenced);
            // What came after the fence is done again, too.
            self.n_extra_calls += self.n_wanted();
            Committed::Fenced
        } else if self.now_us < self.store.full_until_us {
            Committed::Full
        } else {
            match fate {
                Fate::Refused => Committed::Failed,
                Fate::Full => Committed::Full,
                Fate::Unheard | Fate::Written => {
                    let is_heard = fate == Fate::Written;
                    self.write(Unsynced {
                        track,
                        checkpoint: Some(checkpoint),
                        waiting: is_heard.then_some((life, id, owner)),
                    });
                    match self.options.sync_every_ms {
                        _ if !is_heard => Committed::Failed,
                        0 => Committed::Durable,
                        _ => Committed::Written,
                    }
                }
            }
        };
        let at = self.soon(20);
        self.answer_commit(at, life, id, owner, answer);
    }

    fn answer_commit(&mut self, at: u64, life: u32, id: CommitId, owner: TrackIdx, answer: Committed) {
        self.events.push(at, Event::Committed { life, id, owner, answer });
        if self.strikes(self.options.faults.doubled, Point::DoubledAnswer) {
            let again = self.soon(200).max(at);
            self.events.push(again, Event::Committed { life, id, owner, answer });
        }
    }

    /// A write is there for whoever reads; the first one since a sync brings the next.
    fn write(&mut self, write: Unsynced) {
        self.store.written[write.track].clone_from(&write.checkpoint);
        self.changed = true;
        match self.options.sync_every_ms {
            0 => self.store.synced[write.track] = write.checkpoint,
            every_ms => {
                if self.store.unsynced.is_empty() {
                    self.events.push(self.now_us + 1000 * u64::from(every_ms), Event::StoreSyncs);
                }
                self.store.unsynced.push(write);
            }
        }
    }

    /// All that was written is synced, or nobody knows; of each track the newest commit is answered.
    pub(super) fn sync(&mut self) {
        if self.store.unsynced.is_empty() {
            return;
        }
        let fails = self.options.sync_every_ms > 0 && self.phase == super::Phase::Safety && {
            let permille = self.options.faults.commit_failed;
            self.choices.power().chance(permille)
        };
        if fails {
            self.coverage.hit(Point::SyncFailed);
        } else {
            self.store.synced.clone_from(&self.store.written);
            self.changed = true;
        }
        let mut newest = std::collections::BTreeMap::new();
        for write in &mut self.store.unsynced {
            newest.extend(write.waiting.take().map(|(life, id, owner)| ((life, owner), id)));
        }
        if fails {
            let at = 1000 * u64::from(self.options.sync_every_ms);
            self.events.push(self.now_us + at, Event::StoreSyncs);
        } else {
            self.store.unsynced.clear();
        }
        for ((life, owner), id) in newest {
            let at = self.now_us + 1000 * u64::from(self.choices.power().between(1, 20));
            self.answer_commit(
                at,
                life,
                id,
                owner,
                if fails { Committed::Failed } else { Committed::Durable },
            );
        }
    }

    /// The process died; did the power fail with it?
    pub(super) fn cut_power(&mut self) {
        if self.options.sync_every_ms == 0 || !self.choices.power().chance(400) {
            return;
        }
        let n_writes = self.store.unsynced.len();
        let n_left =
            self.choices.power().below(u32::try_from(n_writes).expect("worlds are small") + 1) as usize;
        self.coverage.hit(Point::PowerCut);
        if n_left < n_writes {
            self.coverage.hit(Point::UnsyncedLost);
        }
        self.trace.note(&[20, n_left as u64], || {
            format!("{:>12} POWER CUT, {n_left} of {n_writes} unsynced writes are left", self.now_us)
        });
        self.store.cut_power(n_left, self.life);
        self.changed = true;
    }

    /// The store answers.
    pub(super) fn committed(&mut self, life: u32, id: CommitId, owner: TrackIdx, answer: Committed) {
        if !self.is_alive(life) {
            return;
        }
        self.oracle.hear_committed(owner, id, answer, self.now_us);
        if matches!(answer, Committed::Failed | Committed::Full) && self.gate_is_wanted() {
            self.coverage.hit(Point::ReadyAtFailure);
        }
        let now = self.now();
        if let Some(machine) = self.machine.as_mut() {
            machine.handle_committed(id, answer, now);
        }
    }
}
