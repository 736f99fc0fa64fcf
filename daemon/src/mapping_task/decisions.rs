//! An operator's decisions about what waits for him: carried out by the machine, answered when they are
//! durable.

use std::collections::BTreeMap;

use forebay_batcher::{DecisionId, Paused};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::Life;
use crate::decisions::{DecideError, DecisionWish, PausedBatch};

/// Who asked, and how many of his decisions are not durable yet.
struct PendingCaller {
    answer: oneshot::Sender<Result<Vec<PausedBatch>, DecideError>>,
    decided: Vec<PausedBatch>,
    n_open: usize,
}

/// Decisions that are carried out and not durable yet.
#[derive(Default)]
pub(super) struct Decisions {
    next_id: u64,
    asked: BTreeMap<u64, PendingCaller>,
    /// Each decision with who asked for it.
    by_id: BTreeMap<DecisionId, u64>,
}

impl Life<'_> {
    /// What waits for an operator.
    pub(super) fn paused(&self) -> Vec<PausedBatch> {
        self.machine.paused().iter().map(|it| self.paused_batch(it)).collect()
    }

    fn paused_batch(&self, paused: &Paused) -> PausedBatch {
        let name = self.tracks.row(paused.track).map_or("?", |row| &row.name.0);
        PausedBatch::of(paused, name, self.tracks.label(paused.track))
    }

    /// The attempts or the time of records are used up: they wait for an operator from here on.
    pub(super) fn tell_paused(&self, paused: &Paused) {
        let it = self.paused_batch(paused);
        let (mapping, source) = (self.entry.name(), self.entry.source_kind());
        warn!(
            code = "FB-0528",
            mapping,
            source,
            track = it.label,
            position = it.position,
            n_records = it.records,
            condition = it.condition,
            n_invokes = it.attempts,
            error = it.error,
            "records wait for an operator to decide, and so does what is behind them on their lane"
        );
    }

    /// Carries out what an operator wants of each batch that he names; the first that refuses ends it.
    pub(super) fn decide(
        &mut self,
        wish: &DecisionWish,
        answer: oneshot::Sender<Result<Vec<PausedBatch>, DecideError>>,
    ) {
        let wanted: Vec<(Paused, PausedBatch)> = self
            .machine
            .paused()
            .into_iter()
            .map(|it| {
                let batch = self.paused_batch(&it);
                (it, batch)
            })
            .filter(|(_, batch)| wish.is_about(batch))
            .collect();
        let mut asked = PendingCaller { answer, decided: Vec::new(), n_open: 0 };
        // Whoever is kept had at least one decision, which drew a number, so no two share one.
        let number = self.decisions.next_id;
        // Holds until something is carried out: what was decided cannot be taken back, so from then on the
        // answer tells it.
        let mut refusal = Some(DecideError::NothingWaits);
        for (paused, batch) in wanted {
            self.decisions.next_id += 1;
            let id = DecisionId(self.decisions.next_id);
            let (place, now) = ((paused.track, &paused.first), self.wiring.clock.now());
            match self.machine.handle_decision(id, place, wish.decision.into(), now) {
                Ok(n_records) => {
                    self.tell_decision(&batch, wish, n_records);
                    self.decisions.by_id.insert(id, number);
                    (asked.n_open, refusal) = (asked.n_open + 1, None);
                    asked.decided.push(batch);
                }
                Err(error) => {
                    // What was decided before it is told as it is.
                    refusal = refusal.map(|_| error.into());
                    break;
                }
            }
        }
        match refusal {
            // Whoever asked and went away does not mind.
            Some(error) => drop(asked.answer.send(Err(error))),
            None => drop(self.decisions.asked.insert(number, asked)),
        }
    }

    /// A decision is durable: whoever asked for it is answered when all of his are.
    pub(super) fn hear_decided(&mut self, id: DecisionId) {
        let Some(number) = self.decisions.by_id.remove(&id) else { return };
        let Some(asked) = self.decisions.asked.get_mut(&number) else { return };
        asked.n_open -= 1;
        // His batches may lie on several tracks, each with a commit of its own.
        if asked.n_open == 0
            && let Some(asked) = self.decisions.asked.remove(&number)
        {
            let _ = asked.answer.send(Ok(asked.decided));
        }
    }

    fn tell_decision(&self, batch: &PausedBatch, wish: &DecisionWish, n_records: usize) {
        let (mapping, source) = (self.entry.name(), self.entry.source_kind());
        info!(
            mapping,
            source,
            track = batch.label,
            position = batch.position,
            n_records,
            decision = ?wish.decision,
            "an operator decided about records that waited for him"
        );
    }
}
