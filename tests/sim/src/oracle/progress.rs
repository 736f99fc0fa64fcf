//! W-1, W-3, W-4, T-1 and the end of W-2: what a commit may say, and when it goes.

use std::sync::Arc;

use forebay_batcher::{Checkpoint, Position, Rule, TrackIdx, Watermark};

use super::{Oracle, Violation, holds};

impl Oracle {
    /// W-1: no commit passes an open record, and none goes back. P-1: nor to "nothing read yet".
    pub(crate) fn w1_no_commit_passes_an_open_record(
        &mut self,
        track: TrackIdx,
        checkpoint: &Checkpoint,
    ) -> Result<(), Violation> {
        let Some(owner) = self.owners.get(&track) else { return Ok(()) };
        match (&owner.committed, &checkpoint.watermark) {
            (Watermark::At(before), Watermark::At(after)) => {
                holds(Rule::W1, before <= after, || {
                    format!("the watermark of {track:?} goes back from {before:?} to {after:?}")
                })?;
            }
            (Watermark::At(_), Watermark::Origin(_)) => {
                holds(Rule::P1, false, || format!("{track:?} goes back to its origin"))?;
            }
            (Watermark::Origin(_), Watermark::At(_) | Watermark::Origin(_)) => {}
        }
        let source = &self.by_track[owner.source];
        let mut at = owner.first_open;
        while source.get(at).is_some_and(|uid| !self.is_open(*uid)) {
            at += 1;
        }
        if let Watermark::At(watermark) = &checkpoint.watermark {
            let open = source.get(at).map(|uid| &self.truths[*uid as usize].position);
            holds(Rule::W1, open.is_none_or(|open| watermark <= open), || {
                format!("a commit of {track:?} at {watermark:?} passes record {} at {open:?}", source[at])
            })?;
            let beyond = owner.passed.as_ref().is_none_or(|passed| watermark <= passed);
            holds(Rule::W1, beyond, || {
                format!("a commit of {track:?} at {watermark:?} passes what was read, {:?}", owner.passed)
            })?;
        }
        let mut last_end: Option<&Position> = None;
        for (first, last) in &checkpoint.finished {
            let apart = last_end.is_none_or(|end| end < first) && first <= last;
            holds(Rule::W1, apart, || format!("finished ranges of {track:?} overlap at {first:?}"))?;
            last_end = Some(last);
            let from = source.partition_point(|uid| self.truths[*uid as usize].position < *first);
            for uid in source[from..].iter().take_while(|uid| self.truths[**uid as usize].position <= *last) {
                holds(Rule::W1, !self.is_open(*uid), || {
                    format!("a finished range of {track:?} holds record {uid}, which is open")
                })?;
            }
        }
        let owner = self.owners.get_mut(&track).expect("found above");
        owner.first_open = at;
        owner.committed = checkpoint.watermark.clone();
        Ok(())
    }

    /// W-3: a track without open records stands at `passed`.
    pub(crate) fn w3_an_idle_track_stands_at_passed(
        &self,
        track: TrackIdx,
        checkpoint: &Checkpoint,
    ) -> Result<(), Violation> {
        let Some(owner) = self.owners.get(&track) else { return Ok(()) };
        let Some(passed) = &owner.passed else { return Ok(()) };
        let source = &self.by_track[owner.source];
        let seen = source[owner.first_open..]
            .iter()
            .take_while(|uid| self.truths[**uid as usize].position < *passed);
        let open = seen.into_iter().any(|uid| self.is_open(*uid));
        let there = matches!(&checkpoint.watermark, Watermark::At(watermark) if watermark == passed);
        holds(Rule::W3, open || there, || {
            format!("{track:?} has no open record and stands at {:?} below {passed:?}", checkpoint.watermark)
        })
    }

    /// W-4: what is finished goes to the store at once, or when the commit before is written. A store that
    /// fails has its pauses.
    pub(crate) fn w4_what_is_finished_is_on_its_way(&self) -> Result<(), Violation> {
        for track in &self.unsaid {
            let waits = self
                .owners
                .get(track)
                .is_none_or(|owner| owner.over || owner.position_lost || owner.commit_failing.is_some())
                || self.commits.values().any(|(other, _)| other == track);
            holds(Rule::W4, waits, || {
                format!("records of {track:?} are finished, no commit of it is open, and none says so")
            })?;
        }
        Ok(())
    }

    /// T-1: a track is told to have ended when that is durable, so that its children may start.
    pub(crate) fn t1_an_end_is_told_when_it_is_durable(
        &self,
        track: TrackIdx,
        durable: Option<&Checkpoint>,
        end: Option<&Position>,
    ) -> Result<(), Violation> {
        let Some(owner) = self.owners.get(&track) else { return Ok(()) };
        let done = durable.is_some_and(|it| it.ended && it.slices.is_empty())
            && self.by_track[owner.source].iter().all(|uid| {
                let truth = &self.truths[*uid as usize];
                !truth.wanted
                    || truth.gone
                    || durable.is_some_and(|it| super::ownership::is_finished_in(it, &truth.position))
            });
        holds(Rule::T1, done, || {
            format!("{track:?} is told to have ended at {end:?}; durable is {durable:?}")
        })
    }

    /// D-2: after a clean stop all that was finished is durable, so that nothing is repeated.
    pub(crate) fn d2_a_clean_stop_leaves_nothing_to_repeat(
        &self,
        durable: &[Option<Arc<Checkpoint>>],
    ) -> Result<(), Violation> {
        for owner in self.owners.values().filter(|owner| !owner.over && !owner.position_lost) {
            let Some(checkpoint) = durable[owner.source].as_ref() else { continue };
            for uid in &self.by_track[owner.source] {
                let entry = &self.entries[*uid as usize];
                let truth = &self.truths[*uid as usize];
                // A record that the source dropped since cannot come again, so no checkpoint need remember
                // it; one that nobody wants comes to the filter again and no further.
                let kept = !entry.fixed
                    || truth.gone
                    || !truth.wanted
                    || super::ownership::is_finished_in(checkpoint, &truth.position);
                holds(Rule::D2, kept, || format!("record {uid} is finished and a clean stop forgot it"))?;
            }
        }
        Ok(())
    }

    /// W-2: at the end every record is finished by one of the six ways. What a queue's redrive takes away
    /// was tried at least, unless something lost receives on the way.
    pub(crate) fn w2_every_record_is_finished(&self, receives_get_lost: bool) -> Result<(), Violation> {
        for (uid, truth) in self.truths.iter().enumerate().filter(|(_, truth)| truth.wanted) {
            let by_source = truth.gone && (!self.is_queue || receives_get_lost || truth.n_attempts > 0);
            let finished =
                truth.n_done + truth.n_taken + truth.n_discarded + truth.n_skipped > 0 || by_source;
            holds(Rule::W2, finished, || format!("record {uid} is finished by nothing: {truth:?}"))?;
        }
        Ok(())
    }

    /// The living machine owes this record an end.
    fn is_open(&self, uid: u32) -> bool {
        let truth = &self.truths[uid as usize];
        let entry = &self.entries[uid as usize];
        truth.wanted && !entry.finished && (entry.handed || !truth.gone)
    }
}
