//! Parts a batch run: what needs no lane of its first step goes on by itself.

use std::collections::VecDeque;

use super::*;

impl Runs {
    /// S-2: takes what needs no lane of its first step out of a batch run, as a batch run of its own: a part
    /// of a mixed batch that fails for ever, or whose destination refuses it, stops no other lane. A
    /// checkpoint says the same before and after, for it is written by lanes.
    pub(super) fn part(&mut self, id: BatchRunId, books: &mut Books) -> Option<BatchRunId> {
        let run = self.batch_runs.get_mut(id).filter(|run| run.holds.len() > 1 && run.steps.len() > 1)?;
        let tracks = &books.tracks;
        let lane = |record: &Record| match &record.place {
            Place::Track(idx, position) => {
                Some(Hold::Lane(*idx, crate::lanes::lane_of(&record.key, position, tracks.n_lanes(*idx))))
            }
            Place::Queue { .. } => None,
        };
        let first: BTreeSet<Hold> = run.steps.front()?.records().iter().filter_map(lane).collect();
        let is_free = |record: &Record| lane(record).is_some_and(|lane| !first.contains(&lane));
        let steps: VecDeque<Step> =
            run.steps.iter_mut().skip(1).filter_map(|step| step.take_part(is_free)).collect();
        if steps.is_empty() {
            return None;
        }
        run.steps.retain(|step| matches!(step.what, What::Filling(_)) || !step.is_empty());
        let needed: BTreeSet<Hold> = steps.iter().flat_map(Step::records).filter_map(lane).collect();
        let (holds, kept) =
            std::mem::take(&mut run.holds).into_iter().partition(|hold| needed.contains(hold));
        run.holds = kept;
        let parted = BatchRun {
            steps,
            holds,
            failing_since: run.failing_since,
            not_reached: run.not_reached.clone(),
            ..BatchRun::new(run.limits.clone())
        };
        let lanes = parted.holds.clone();
        let parted = self.add_run(parted, books);
        for hold in lanes {
            if let Hold::Lane(idx, lane) = hold {
                books.tracks.pass_lane(idx, lane, id, parted);
            }
        }
        // A checkpoint that named the whole must name its parts, or what is parted would be forgotten by the
        // next one.
        self.tell_of(parted, books);
        Some(parted)
    }
}
