//! Cuts that last: what is tried is what a checkpoint says.

use forebay_batcher::{Attempt, BatchLane, Position, Rule};

use super::{Oracle, Violation, holds};

impl Oracle {
    /// B-3: an attempt holds a slice that is durable, whole, so that whoever repeats it repeats the same.
    pub(crate) fn b3_a_cut_is_durable_before_it_is_tried(&self, attempt: &Attempt) -> Result<(), Violation> {
        let records = attempt.slice.records();
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(()) };
        if !self.plan().durable_cuts {
            return Ok(());
        }
        let Some(of) = attempt.lane else {
            return holds(Rule::B3, false, || format!("attempt {} is of no lane", attempt.id.0));
        };
        let Some(owner) = self.owners.get(&of.track) else { return Ok(()) };
        let (first, last) = (first.position(), last.position());
        let mut slices = owner.heard.slices.iter().filter(|it| it.lane == of.lane);
        let is_kept = slices.any(|it| {
            let is_in = Some(&it.first) <= first && last <= Some(&it.last);
            is_in && !self.is_any_left_out(attempt, of, (&it.first, &it.last))
        });
        holds(Rule::B3, is_kept, || {
            let kept = &owner.heard.slices;
            format!(
                "{first:?}..={last:?} is tried on lane {} of {:?}, of which {kept:?} is durable",
                of.lane, of.track
            )
        })
    }

    /// Whether a record of a lane that lies between these places is open, and not in an attempt.
    fn is_any_left_out(
        &self,
        attempt: &Attempt,
        of: BatchLane,
        (first, last): (&Position, &Position),
    ) -> bool {
        let is_tried = |uid: usize| {
            let mut tried = attempt.slice.records().iter();
            tried.any(|it| it.position() == Some(&self.truths[uid].position))
        };
        let mut open = self.handed_of(of.track).filter(|uid| !self.entries[*uid].finished);
        open.any(|uid| {
            let truth = &self.truths[uid];
            let is_between = *first <= truth.position && truth.position <= *last;
            is_between && !truth.gone && self.lane_of(uid, of.n_lanes) == of.lane && !is_tried(uid)
        })
    }
}
