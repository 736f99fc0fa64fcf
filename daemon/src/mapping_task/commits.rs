//! Commits: the store answers twice, when a checkpoint is written and when it is synced.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_batcher::{Checkpoint, CommitId, Committed, Fault, TrackIdx};
use forebay_checkpoints::{Epoch, TrackKey, WriteNumber};

use super::Life;
use super::jobs::{About, Done};
use super::refusals::RefusedCommit;

/// A checkpoint that is written and waits for its sync.
pub(super) struct Unsynced {
    number: WriteNumber,
    id: CommitId,
    track: TrackIdx,
    checkpoint: Box<Checkpoint>,
}

impl Life<'_> {
    pub(super) fn commit(&mut self, id: CommitId, track: TrackIdx, checkpoint: Checkpoint) {
        let Some(row) = self.tracks.row(track) else { return };
        let key = TrackKey(row.name.0.clone());
        // Under the generation that the track was dealt out with: the store refuses it once another member
        // has it.
        let (wiring, lease) = (Arc::clone(&self.wiring), self.lease.under(Epoch(row.generation)));
        self.jobs.start(About::Commit(id, track), async move {
            let written = wiring.store.write(&lease, &key, checkpoint.encode()).await;
            Done::Committed {
                id,
                track,
                checkpoint: Some(Box::new(checkpoint)),
                written: written.map_err(|error| RefusedCommit::of(&error)),
            }
        });
    }

    /// A checkpoint is written, or refused.
    pub(super) fn hear_written(
        &mut self,
        id: CommitId,
        track: TrackIdx,
        checkpoint: Option<Box<Checkpoint>>,
        written: Result<WriteNumber, RefusedCommit>,
    ) {
        match (written, checkpoint) {
            (Ok(number), Some(checkpoint)) => {
                self.unsynced.push(Unsynced { number, id, track, checkpoint });
                // Where each write is synced it is durable by now.
                if self.synced.borrow().of(number).is_some() {
                    self.hear_synced();
                } else {
                    self.answer_commit(id, track, Committed::Written, None);
                }
            }
            // Only a job that died brings no checkpoint, and that is an error.
            (Ok(_), None) => {}
            (Err(refused), _) => self.refuse_commit(id, track, &refused),
        }
    }

    /// The store has synced, or failed to. Of each track the machine hears of the newest checkpoint, which
    /// speaks for those before it.
    pub(super) fn hear_synced(&mut self) {
        let synced = self.synced.borrow_and_update().clone();
        let (told, waiting) =
            std::mem::take(&mut self.unsynced).into_iter().partition(|it| synced.of(it.number).is_some());
        self.unsynced = waiting;
        let told: Vec<Unsynced> = told;
        // Collected in the order written, so the newest of each track stays.
        let newest: BTreeMap<TrackIdx, Unsynced> = told.into_iter().map(|it| (it.track, it)).collect();
        for (track, Unsynced { number, id, checkpoint, .. }) in newest {
            match synced.of(number).expect("it was told apart above") {
                Ok(()) => {
                    self.tracks.committed(track, *checkpoint);
                    self.answer_commit(id, track, Committed::Durable, None);
                }
                Err(error) => self.refuse_commit(id, track, &RefusedCommit::of(&error)),
            }
        }
    }

    fn refuse_commit(&mut self, id: CommitId, track: TrackIdx, refused: &RefusedCommit) {
        self.is_fenced |= refused.takes_mapping;
        if let Some(generation) = refused.overtaken {
            self.tracks.fenced(track, generation.0);
        }
        self.answer_commit(id, track, refused.answer, Some(&refused.error));
    }

    fn answer_commit(&mut self, id: CommitId, track: TrackIdx, answer: Committed, error: Option<&Fault>) {
        let now = self.wiring.clock.now();
        let was_failing = self.store_failing;
        match answer {
            // What a refusal means for tracks is done by now.
            Committed::Written | Committed::Fenced => {}
            Committed::Durable => {
                self.store_failing = false;
                self.committed_at = Some(now.unix);
            }
            Committed::Full | Committed::Failed => self.store_failing = true,
        }
        if self.store_failing != was_failing {
            // Whether the process is healthy hangs on it.
            self.publish_at = now.tick;
        }
        self.tell_commit(track, answer, error);
        // All tracks go before the machine goes on with any: what it would begin is another owner's.
        if self.is_fenced && answer == Committed::Fenced {
            self.fence();
        }
        self.machine.handle_committed(id, answer, now);
    }
}
