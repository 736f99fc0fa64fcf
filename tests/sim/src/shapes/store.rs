//! The store of one or more engines: a lease for the whole mapping, generations for tracks that a group
//! dealt, checkpoints that are written at once and synced later. A process that was killed leaves what is
//! written, and some of what it had sent still lands.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_batcher::{Checkpoint, CommitId, Committed, TrackIdx, TrackName};

use super::events::Event;
use super::{Rig, Stage};
use crate::coverage::Point;
use crate::oracle::Violation;

/// What is kept of one track.
#[derive(Debug, Clone, Default)]
pub(super) struct KeptRow {
    /// What a process finds; `None` for a track that was granted and never written.
    pub(super) written: Option<Arc<Checkpoint>>,
    pub(super) synced: Option<Arc<Checkpoint>>,
    /// The generation that it was granted under last.
    pub(super) generation: u64,
}

/// A store.
#[derive(Debug, Default)]
pub(super) struct LeaseStore {
    /// The lease of the mapping that was granted last.
    pub(super) lease: u64,
    pub(super) rows: BTreeMap<TrackName, KeptRow>,
    /// It holds the mapping's first list of tracks.
    pub(super) is_created: bool,
    /// Commits that wait for the next sync: the engine and its life, and the commit of a track.
    unsynced: Vec<(usize, u32, CommitId, TrackIdx)>,
    /// Something is written and not synced.
    is_unsynced: bool,
}

/// A commit on its way.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) store: usize,
    pub(super) at: usize,
    pub(super) life: u32,
    pub(super) id: CommitId,
    pub(super) idx: TrackIdx,
    pub(super) name: TrackName,
    pub(super) lease: u64,
    pub(super) generation: u64,
    pub(super) checkpoint: Arc<Checkpoint>,
    pub(super) fate: Fate,
}

/// What the store will do with a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Written,
    /// Failed and not written.
    Refused,
    /// Written, and the answer says failed.
    Unheard,
}

impl LeaseStore {
    /// Takes the mapping over.
    pub(super) fn acquire(&mut self) -> u64 {
        self.lease += 1;
        self.lease
    }

    /// Grants a track under a generation; refused when it was granted under a higher one, and when the
    /// mapping is another's.
    pub(super) fn grant(&mut self, lease: u64, name: &TrackName, generation: u64) -> bool {
        let row = self.rows.entry(name.clone()).or_default();
        let is_granted = lease == self.lease && row.generation <= generation;
        if is_granted {
            row.generation = generation;
        }
        is_granted
    }
}

impl Rig {
    /// The machine of an engine writes a checkpoint.
    pub(super) fn commit(
        &mut self,
        at: usize,
        id: CommitId,
        idx: TrackIdx,
        checkpoint: Checkpoint,
    ) -> Result<(), Violation> {
        self.judge_a_commit(at, idx, &checkpoint)?;
        let engine = &mut self.engines[at];
        let Some(row) = engine.table.row(idx) else { return Ok(()) };
        let (name, generation) = (row.name.clone(), row.generation);
        let checkpoint = Arc::new(checkpoint);
        engine.commits.insert(id, (idx, generation, Arc::clone(&checkpoint)));
        let (store, life, lease) = (engine.store, engine.life, engine.lease);
        let faults = self.options.faults.clone();
        let fate = if self.strikes(faults.commit_failed, Point::CommitFailed) {
            Fate::Refused
        } else if self.strikes(faults.commit_unheard, Point::CommitUnheard) {
            Fate::Unheard
        } else {
            Fate::Written
        };
        let is_slow = self.strikes(faults.commit_slow, Point::CommitSlow);
        let tick = self.soon(if is_slow { 3000 } else { 20 });
        let writing = Writing { store, at, life, id, idx, name, lease, generation, checkpoint, fate };
        self.at(tick, Event::Lands { writing: Box::new(writing) });
        Ok(())
    }

    /// A commit reaches the disk, or not. F-1: one of a former lease or generation never does.
    pub(super) fn land(&mut self, writing: Writing) {
        let Writing { store, at, life, id, idx, name, lease, generation, checkpoint, fate } = writing;
        if !self.is_alive(at, life) && self.draw().chance(500) {
            return;
        }
        let kept = &mut self.stores[store];
        let granted = kept.rows.get(&name).map_or(0, |row| row.generation);
        let (answer, takes_mapping) = if lease != kept.lease {
            self.coverage.hit(Point::LeaseTaken);
            (Committed::Fenced, true)
        } else if generation != granted {
            self.coverage.hit(Point::GenerationOvertaken);
            (Committed::Fenced, false)
        } else if fate == Fate::Refused {
            (Committed::Failed, false)
        } else {
            (self.write(store, (at, life, id, idx), name, checkpoint, fate), false)
        };
        let tick = self.soon(20);
        self.at(tick, Event::Committed { at, life, id, idx, answer, takes_mapping });
    }

    fn write(
        &mut self,
        store: usize,
        whose: (usize, u32, CommitId, TrackIdx),
        name: TrackName,
        checkpoint: Arc<Checkpoint>,
        fate: Fate,
    ) -> Committed {
        let every_ms = self.options.sync_every_ms;
        let kept = &mut self.stores[store];
        let is_first = !std::mem::replace(&mut kept.is_unsynced, every_ms > 0);
        let row = kept.rows.entry(name).or_default();
        row.written = Some(Arc::clone(&checkpoint));
        if every_ms == 0 {
            row.synced = Some(checkpoint);
        }
        self.book.changed = true;
        if is_first && every_ms > 0 {
            let tick = self.now_us + 1000 * u64::from(every_ms);
            self.at(tick, Event::Syncs { store });
        }
        match every_ms {
            _ if fate == Fate::Unheard => Committed::Failed,
            0 => Committed::Durable,
            _ => {
                self.stores[store].unsynced.push(whose);
                Committed::Written
            }
        }
    }

    /// All that was written is on disk; of each track the newest commit is answered.
    pub(super) fn sync(&mut self, store: usize) {
        let fails = self.stage == Stage::Faults && {
            let permille = self.options.faults.commit_failed;
            self.strikes(permille, Point::SyncFailed)
        };
        let kept = &mut self.stores[store];
        if !fails {
            kept.rows.values_mut().for_each(|row| row.synced.clone_from(&row.written));
        }
        kept.is_unsynced = fails;
        let waiting = std::mem::take(&mut kept.unsynced);
        let newest: BTreeMap<_, _> =
            waiting.into_iter().map(|(at, life, id, idx)| ((at, life, idx), id)).collect();
        self.book.changed = true;
        if fails {
            let tick = self.now_us + 1000 * u64::from(self.options.sync_every_ms);
            self.at(tick, Event::Syncs { store });
        }
        let answer = if fails { Committed::Failed } else { Committed::Durable };
        for ((at, life, idx), id) in newest {
            let tick = self.soon(10);
            self.at(tick, Event::Committed { at, life, id, idx, answer, takes_mapping: false });
        }
    }

    /// An engine hears of its commit, as the shell does: what the table and the machine are told.
    pub(super) fn committed(
        &mut self,
        (at, life): (usize, u32),
        id: CommitId,
        idx: TrackIdx,
        answer: Committed,
        takes_mapping: bool,
    ) {
        if !self.is_alive(at, life) {
            return;
        }
        let now = self.now();
        let engine = &mut self.engines[at];
        let sent = match answer {
            Committed::Written => engine.commits.get(&id).cloned(),
            Committed::Durable | Committed::Full | Committed::Failed | Committed::Fenced => {
                engine.commits.remove(&id)
            }
        };
        let Some((_, generation, checkpoint)) = sent else { return };
        match answer {
            Committed::Durable => {
                // A sync speaks for the commits of the track before it.
                engine.commits.retain(|before, (of, ..)| *of != idx || *before > id);
                engine.table.committed(idx, Checkpoint::clone(&checkpoint));
                if let Some(holding) = engine.holdings.get_mut(&idx).filter(|it| it.generation == generation)
                {
                    engine.known.insert(holding.source, Arc::clone(&checkpoint));
                    holding.heard = Some(checkpoint);
                }
            }
            Committed::Fenced if takes_mapping => engine.is_fenced = true,
            Committed::Fenced => {
                engine.table.fenced(idx, generation);
                engine.end_holding(idx, generation);
            }
            Committed::Written | Committed::Full | Committed::Failed => {}
        }
        if answer == Committed::Fenced && takes_mapping {
            self.fence(at);
        }
        if let Some(machine) = self.engines[at].machine.as_mut() {
            machine.handle_committed(id, answer, now);
        }
    }
}
