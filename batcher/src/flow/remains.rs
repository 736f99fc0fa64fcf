//! What is left of a chain: records that were read again, records whose track or receipt is gone.

use super::*;

impl Machine {
    /// Turns the first steps whose records are all read again into what they were.
    pub(super) fn convert_filled(&mut self, id: ChainId) {
        let Some(chain) = self.chains.get(id) else { return };
        if !chain.is_filling() {
            return;
        }
        let filled: Vec<usize> = (0..)
            .zip(&chain.steps)
            .filter(|(_, step)| matches!(&step.what, What::Filling(it) if self.is_filled(it)))
            .map(|(at, _)| at)
            .collect();
        let chain = self.chains.get_mut(id).expect("it was there above");
        for at in filled {
            let step = &mut chain.steps[at];
            let What::Filling(filling) = &mut step.what else { continue };
            let slice = Slice::new(std::mem::take(&mut filling.records));
            let kept = &filling.slice;
            let given_up = kept.given_up.clone();
            let reply = given_up.as_ref().and_then(|it| it.reply.clone());
            let (n_failures, n_invokes, not_before) = (kept.n_failures, kept.n_invokes.max(1), filling.not_before);
            let tried = Tried { slice, n_failures, n_invokes, why: BatchReason::Retry, not_before, reply };
            step.what = match given_up {
                Some(it) => What::Tell(Told { n_invokes: kept.n_invokes, ..tried.give_up(it.condition) }),
                None => What::Try(tried),
            };
        }
        // W-2: what was not there any more when it was read again was dropped by its source or by a filter.
        let n_before = chain.steps.len();
        chain.steps.retain(|step| matches!(step.what, What::Filling(_)) || !step.records().is_empty());
        if chain.steps.len() < n_before {
            self.mark_chain_dirty(id);
        }
    }

    /// Takes away the first step's records whose track or receipt is gone.
    pub(super) fn drop_dead(&mut self, id: ChainId) {
        let Some(chain) = self.chains.get(id).filter(|chain| chain.is_hit) else { return };
        let is_dead = |record: &Record| chain.has_lost(record) || !self.is_alive(record);
        let Some(at) = chain.steps.iter().position(|step| step.records().iter().any(is_dead)) else { return };
        if matches!(chain.status, Status::InFlight { .. } | Status::Delivering { .. }) && at == 0 {
            return;
        }
        let mut dead = chain.records().map(is_dead).collect::<Vec<bool>>().into_iter();
        let mut gone = Vec::new();
        let chain = self.chains.get_mut(id).expect("it was there above");
        let taken = chain.take_records(|record| {
            if dead.next().unwrap_or_default() {
                gone.push(record.clone());
                return true;
            }
            // Behind a message that comes again none of its group goes on.
            group_of(record).is_some_and(|group| gone.iter().any(|it| group_of(it) == Some(group)))
        });
        let tracks = &self.tracks;
        let is_track_gone = |track: &TrackIdx| tracks.by_idx.get(*track).is_none_or(|track| !track.is_active());
        chain.steps.retain(|step| !matches!(&step.what, What::Filling(filling) if is_track_gone(&filling.track)));
        self.give_back(taken);
        self.send_groups_back(&gone);
    }

    /// A track is lost: its lanes are not this chain's any more, nor are its records.
    pub(crate) fn lose_records(&mut self, id: ChainId, idx: TrackIdx) {
        let Some(chain) = self.chains.get_mut(id) else { return };
        chain.lost.insert(idx);
        chain.holds.retain(|hold| !matches!(hold, Hold::Lane(it, _) if *it == idx));
    }

    /// A track or receipts died: their chains forget them.
    pub(crate) fn drop_dead_records(&mut self, id: ChainId) {
        let Some(chain) = self.chains.get_mut(id) else { return };
        chain.is_hit = true;
        let chain = self.chains.get(id).expect("it was there above");
        match chain.status {
            Status::InFlight { .. } | Status::Delivering { .. } if chain.records().any(|it| !chain.has_lost(it) && self.is_alive(it)) => {}
            // What comes again of a group waits until the attempt has ended: it runs on, whoever has the message by now.
            Status::InFlight { .. } | Status::Delivering { .. } if chain.records().any(|it| matches!(it.place, Place::Queue { .. })) => {}
            Status::InFlight { .. } | Status::Delivering { .. } => {
                let records: Vec<Record> = chain.records().cloned().collect();
                self.attempts.retain(|_, chain| *chain != id);
                self.notices.retain(|_, chain| *chain != id);
                self.give_room(&records);
                self.chains.get_mut(id).expect("it was there above").steps.clear();
                self.end_chain(id);
            }
            Status::New | Status::Filling | Status::Durable | Status::Retry { .. } | Status::Ready { .. } | Status::Redeliver { .. } => {
                let chain = self.chains.get_mut(id).expect("it was there above");
                let tracks = &self.tracks;
                chain.steps.retain(|step| match &step.what {
                    // One that holds records gives their room back first.
                    What::Filling(it) => !it.records.is_empty() || tracks.by_idx.get(it.track).is_some_and(|track| track.is_active()),
                    What::Try(_) | What::Tell(_) => true,
                });
                self.drop_dead(id);
                if !self.chains.get(id).is_some_and(Chain::waits_after_refusal) {
                    self.advance(id);
                }
            }
        }
    }

    pub(crate) fn is_alive(&self, record: &Record) -> bool {
        match &record.place {
            Place::Track(idx, _) => self.tracks.by_idx.get(*idx).is_some_and(|track| track.is_active()),
            Place::Queue { receipt, .. } => self.receipts.is_held(receipt),
        }
    }
}
