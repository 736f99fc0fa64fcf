//! What a checkpoint says, when it is written, and what follows the store's answer.

use super::*;
use crate::runs::Its;

impl Committing {
    pub(super) fn new(reaches: Watermark) -> Self {
        Self {
            open: None,
            unsynced: Vec::new(),
            durable: 0,
            reaches,
            failing: None,
            last: None,
            waiting: Vec::new(),
        }
    }

    /// Every commit has had its last answer.
    pub(super) fn is_settled(&self) -> bool {
        self.open.is_none() && self.unsynced.is_empty()
    }

    /// The open commit is written and waits for its sync; whether it was this one.
    fn handle_written(&mut self, id: CommitId) -> bool {
        let written = self.open.take_if(|open| open.id == id);
        let is_it = written.is_some();
        self.unsynced.extend(written);
        is_it
    }

    /// The commits that a last answer is about, its own last; none when it is not waited for. A sync speaks
    /// for all before it.
    fn hear(&mut self, id: CommitId, answer: Committed) -> Vec<Sent> {
        match self.open.take_if(|open| open.id == id) {
            Some(open) if answer == Committed::Durable => self.unsynced.drain(..).chain([open]).collect(),
            Some(open) => vec![open],
            None => {
                let at = self.unsynced.iter().position(|it| it.id == id);
                at.map(|at| self.unsynced.drain(..=at).collect()).unwrap_or_default()
            }
        }
    }
}

impl Tracks {
    /// Finishes records of one track, in ascending order of position.
    pub(crate) fn finish_on_track(&mut self, idx: TrackIdx, records: &[Record]) {
        let Some(track) = self.by_idx.get_mut(idx).filter(|track| track.is_active()) else { return };
        let positions = records.iter().filter_map(|record| match &record.place {
            Place::Track(_, position) => Some(position),
            Place::Queue { .. } => None,
        });
        track.open.finish(positions);
        track.is_dirty = true;
    }

    pub(super) fn commit_if_due(&mut self, idx: TrackIdx, runs: &Runs, cx: &mut Context) {
        let Some(track) = self.by_idx.get(idx) else { return };
        // One at a time until it is written: changes that come meanwhile share the next one.
        let is_due = track.has_news() && track.committing.open.is_none();
        if !is_due || track.committing.failing.is_some_and(|failing| failing.until > cx.now.tick) {
            return;
        }
        let checkpoint = self.checkpoint_of(idx, track, runs, cx);
        let id = CommitId(cx.next_id());
        // Before the answer is known: whatever changes from here on has a higher mark and waits for another
        // commit.
        let mark = cx.mark;
        let track = self.by_idx.get_mut(idx).expect("it was there above");
        if let Watermark::At(position) = &checkpoint.watermark {
            // W-1: no commit goes back.
            crate::rule!(W1, track.committing.last.as_ref().is_none_or(|last| last <= position));
            track.committing.last = Some(position.clone());
        }
        track.is_dirty = false;
        track.is_end_written = checkpoint.ended;
        track.committing.open = Some(Sent { id, mark, watermark: checkpoint.watermark.clone() });
        self.commits.insert(id, idx);
        cx.actions.push_back(Action::Commit(id, idx, checkpoint));
    }

    /// The whole truth of a track.
    fn checkpoint_of(&self, idx: TrackIdx, track: &Track, runs: &Runs, cx: &Context) -> Checkpoint {
        let mut slices = Vec::with_capacity(track.lanes.batch_runs().len());
        let its = Its { idx, n_lanes: track.n_lanes() };
        track.lanes.told().for_each(|id| runs.open_slices(id, its, cx, &mut slices));
        // A next life takes them up in reading order, whichever batch run each is of.
        slices.sort_by(|a: &OpenSlice, b| a.first.cmp(&b.first));
        Checkpoint {
            watermark: track.watermark(),
            finished: join(track.open.finished(), &track.restored),
            slices,
            ended: track.is_finished(),
            lanes: track.n_lanes(),
            plan_generation: cx.plan.generation,
            windows: track.kept_windows(),
        }
    }

    /// The track that a commit is of, while it has not had its last answer.
    pub(crate) fn track_of(&self, id: CommitId) -> Option<TrackIdx> {
        self.commits.get(&id).copied()
    }

    /// The store answered to a commit. `None`: to one that nobody waits for.
    pub(crate) fn handle_committed(
        &mut self,
        idx: TrackIdx,
        id: CommitId,
        answer: Committed,
        runs: &Runs,
        cx: &mut Context,
    ) -> Option<Effect> {
        let now = cx.now.tick;
        let seed = cx.seed_of(u64::from(idx.0) ^ 0xc0);
        let track = self.by_idx.get_mut(idx)?;
        if answer == Committed::Written {
            // W-4: the next one may go, and nothing else follows from it.
            return track.committing.handle_written(id).then_some(Effect::None);
        }
        let heard = track.committing.hear(id, answer);
        for sent in &heard {
            self.commits.remove(&sent.id);
        }
        let last = heard.into_iter().last()?;
        let effect = match answer {
            Committed::Written => Effect::None,
            Committed::Durable => {
                cx.counts.committed += 1;
                let was_failing = track.committing.failing.take().is_some();
                track.committing.durable = last.mark;
                // W-5
                if last.watermark != track.committing.reaches {
                    track.committing.reaches = last.watermark.clone();
                    cx.actions.push_back(Action::Durable(idx, last.watermark));
                }
                // The last commit is the one that says it has ended.
                if track.is_end_written && !track.is_dirty && track.committing.is_settled() {
                    track.status = TrackStatus::Ended;
                    cx.actions.push_back(Action::Ended(idx));
                }
                let n_lanes = if was_failing { track.n_lanes() } else { 0 };
                let waiting = std::mem::take(&mut track.committing.waiting);
                if was_failing {
                    cx.timers.set(Timer::Recommit(idx), None);
                }
                for lane in 0..n_lanes {
                    self.touch_lane(idx, lane, runs, cx);
                }
                Effect::Durable(waiting)
            }
            // Another owner writes for it by now: anything more of ours would be done twice.
            Committed::Fenced => self.stop_track(idx, TrackStatus::Fenced, runs, cx),
            Committed::Full | Committed::Failed => {
                let (n, since) =
                    track.committing.failing.map_or((0, now), |failing| (failing.n + 1, failing.since));
                let until = now.after(ask_again_delay(n, seed));
                track.committing.failing =
                    Some(CommitFailing { is_full: answer == Committed::Full, since, n, until });
                track.is_dirty = true;
                let n_lanes = track.n_lanes();
                cx.timers.set(Timer::Recommit(idx), Some(until));
                for lane in 0..n_lanes {
                    self.touch_lane(idx, lane, runs, cx);
                }
                Effect::None
            }
        };
        Some(effect)
    }
}
