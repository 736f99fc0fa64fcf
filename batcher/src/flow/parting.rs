//! Parts a chain: what needs no lane of its first step goes on by itself.

use std::collections::VecDeque;

use super::*;

impl Runs {
    /// S-2: takes what needs no lane of its first step out of a chain, as a chain of its own: a part of a
    /// mixed batch that fails for ever, or whose destination refuses it, stops no other lane. A checkpoint
    /// says the same before and after, for it is written by lanes.
    pub(super) fn part(&mut self, id: ChainId, books: &mut Books) -> Option<ChainId> {
        let chain = self.chains.get_mut(id).filter(|chain| chain.holds.len() > 1 && chain.steps.len() > 1)?;
        let tracks = &books.tracks;
        let lane = |record: &Record| match &record.place {
            Place::Track(idx, position) => {
                Some(Hold::Lane(*idx, crate::lanes::lane_of(&record.key, position, tracks.n_lanes(*idx))))
            }
            Place::Queue { .. } => None,
        };
        let first: BTreeSet<Hold> = chain.steps.front()?.records().iter().filter_map(lane).collect();
        let is_free = |record: &Record| lane(record).is_some_and(|lane| !first.contains(&lane));
        let steps: VecDeque<Step> =
            chain.steps.iter_mut().skip(1).filter_map(|step| step.take_part(is_free)).collect();
        if steps.is_empty() {
            return None;
        }
        chain.steps.retain(|step| matches!(step.what, What::Filling(_)) || !step.records().is_empty());
        let needed: BTreeSet<Hold> = steps.iter().flat_map(Step::records).filter_map(lane).collect();
        let (holds, kept) =
            std::mem::take(&mut chain.holds).into_iter().partition(|hold| needed.contains(hold));
        chain.holds = kept;
        let parted = Chain {
            steps,
            holds,
            failing_since: chain.failing_since,
            not_reached: chain.not_reached.clone(),
            ..Chain::new(chain.limits.clone())
        };
        let lanes = parted.holds.clone();
        let parted = self.add_chain(parted, books);
        for hold in lanes {
            if let Hold::Lane(idx, lane) = hold {
                books.tracks.pass_lane(idx, lane, id, parted);
            }
        }
        self.tell_of(parted, books);
        Some(parted)
    }
}
