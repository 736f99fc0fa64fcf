//! What a checkpoint says, when it is written, and what follows the store's answer.

use super::batching::position;
use super::*;
use crate::attempt::Slice;

impl Committing {
    pub(super) fn new(reaches: Watermark) -> Self {
        Self { open: None, unsynced: Vec::new(), durable: 0, reaches, failing: None, last: None, waiting: Vec::new() }
    }

    /// How far what is finished is durable.
    pub(super) fn reaches(&self) -> &Watermark {
        &self.reaches
    }

    /// Every commit has had its last answer.
    pub(super) fn is_settled(&self) -> bool {
        self.open.is_none() && self.unsynced.is_empty()
    }

    /// The commits that an answer is about, its own last; none when it is not waited for. A sync speaks for all before it.
    fn hear(&mut self, id: CommitId, answer: Committed) -> Vec<Sent> {
        let Some(open) = self.open.take_if(|open| open.id == id) else {
            let at = self.unsynced.iter().position(|it| it.id == id).filter(|_| answer != Committed::Written);
            return at.map(|at| self.unsynced.drain(..=at).collect()).unwrap_or_default();
        };
        match answer {
            Committed::Written => {
                self.unsynced.push(open);
                Vec::new()
            }
            Committed::Durable => self.unsynced.drain(..).chain([open]).collect(),
            Committed::Fenced | Committed::Full | Committed::Failed => vec![open],
        }
    }
}

impl Machine {
    /// Finishes records of one track, in ascending order of position.
    pub(crate) fn finish_on_track(&mut self, idx: TrackIdx, records: &[Record]) {
        let Some(track) = self.tracks.by_idx.get_mut(idx).filter(|track| track.is_active()) else { return };
        let positions = records.iter().filter_map(|record| match &record.place {
            Place::Track(_, position) => Some(position),
            Place::Queue { .. } => None,
        });
        track.open.finish(positions);
        track.is_dirty = true;
    }

    pub(super) fn commit_if_due(&mut self, idx: TrackIdx) {
        let Some(track) = self.tracks.by_idx.get(idx) else { return };
        let is_due = track.has_news() && track.committing.open.is_none();
        if !is_due || track.committing.failing.is_some_and(|failing| failing.until > self.now.tick) {
            return;
        }
        let checkpoint = self.checkpoint_of(track);
        let id = CommitId(self.next_id());
        let mark = self.mark;
        let track = self.tracks.by_idx.get_mut(idx).expect("it was there above");
        if let Watermark::At(position) = &checkpoint.watermark {
            // W-1: no commit goes back.
            crate::rule!(W1, track.committing.last.as_ref().is_none_or(|last| last <= position));
            track.committing.last = Some(position.clone());
        }
        track.is_dirty = false;
        track.is_end_written = checkpoint.ended;
        track.committing.open = Some(Sent { id, mark, watermark: checkpoint.watermark.clone() });
        self.tracks.commits.insert(id, idx);
        self.actions.push_back(Action::Commit(id, idx, checkpoint));
    }

    /// The whole truth of a track.
    pub(super) fn checkpoint_of(&self, track: &Track) -> Checkpoint {
        let mut slices = Vec::new();
        for chain in track.lanes.told().filter_map(|id| self.chains.get(id)) {
            let places = (chain.steps.len() > 1).then(|| self.places_of(chain, track));
            for step in &chain.steps {
                self.open_slices(chain, step, track, places.as_ref(), &mut slices);
            }
        }
        slices.sort_by(|a: &OpenSlice, b| a.first.cmp(&b.first));
        Checkpoint {
            watermark: track.watermark(),
            finished: join(track.open.finished(), &track.restored),
            slices,
            ended: track.is_finished(),
            lanes: track.n_lanes(),
            plan_generation: self.plan.generation,
            window: None,
        }
    }

    /// Where the records of a chain stand on the lanes of a track, in reading order.
    fn places_of<'a>(&self, chain: &'a Chain, track: &Track) -> BTreeMap<u32, Vec<&'a Position>> {
        let mut places: BTreeMap<u32, Vec<&Position>> = BTreeMap::new();
        for record in chain.records() {
            if let Some((lane, position)) = self.lane_on(record, track) {
                places.entry(lane).or_default().push(position);
            }
        }
        places.values_mut().for_each(|places| places.sort_unstable());
        places
    }

    /// The lane and position of a record on this track; `None` on any other.
    fn lane_on<'a>(&self, record: &'a Record, track: &Track) -> Option<(u32, &'a Position)> {
        let Place::Track(idx, position) = &record.place else { return None };
        let is_its = self.tracks.by_idx.get(*idx).is_some_and(|it| std::ptr::eq(it, track));
        is_its.then(|| (lane_of(&record.key, position, track.n_lanes()), position))
    }

    /// What a step leaves open on this track. A slice holds all that is open from its first to its last record on its lane: where records of
    /// another step stand between, as with records that were too old among others that were not, it is written in parts.
    fn open_slices(
        &self,
        chain: &Chain,
        step: &Step,
        track: &Track,
        places: Option<&BTreeMap<u32, Vec<&Position>>>,
        out: &mut Vec<OpenSlice>,
    ) {
        let (slice, n_failures, n_invokes, not_before, given_up) = match &step.what {
            What::Filling(filling) if self.tracks.by_idx.get(filling.track).is_some_and(|it| std::ptr::eq(it, track)) => {
                out.push(filling.slice.clone());
                return;
            }
            What::Filling(_) => return,
            What::Try(tried) if tried.n_invokes == 0 => return,
            What::Try(tried) => (&tried.slice, tried.n_failures, tried.n_invokes, tried.not_before, None),
            What::Tell(told) => {
                let reply = told.reply.clone().map(|reply| crate::attempt::Reply { payload: None, ..reply });
                (&told.slice, 0, told.n_invokes, Tick::default(), Some(GivenUp { condition: told.condition, reply }))
            }
        };
        let wait = self.now.tick.until(not_before);
        let not_before = UnixMillis(self.now.unix.0.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)));
        let parts = self.parts_of(slice, chain, track, places).into_iter();
        out.extend(parts.map(|(lane, first, last)| OpenSlice {
            lane,
            first,
            last,
            n_failures,
            n_invokes,
            not_before,
            retries_max: chain.limits.retries_max,
            record_age_max_ms: chain.limits.record_age_max.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
            bisect: chain.limits.bisect,
            given_up: given_up.clone(),
        }));
    }

    /// The lanes of a slice on this track, and from where to where it stands on each.
    fn parts_of(
        &self,
        slice: &Slice,
        chain: &Chain,
        track: &Track,
        places: Option<&BTreeMap<u32, Vec<&Position>>>,
    ) -> Vec<(u32, Position, Position)> {
        if let (None, true, [Hold::Lane(_, lane)]) = (places, chain.lost.is_empty(), chain.holds.as_slice())
            && let Some(first) = slice.records().first().and_then(position)
            && let Some(last) = slice.records().last().and_then(position)
        {
            return vec![(*lane, first.clone(), last.clone())];
        }
        let mut parts: BTreeMap<u32, Vec<(Position, Position)>> = BTreeMap::new();
        for (lane, position) in slice.records().iter().filter_map(|record| self.lane_on(record, track)) {
            let is_next = |last: &Position| {
                let places = places.and_then(|places| places.get(&lane));
                places.is_none_or(|places| places.get(places.partition_point(|it| *it <= last)).is_none_or(|next| *next == position))
            };
            let parts = parts.entry(lane).or_default();
            match parts.last_mut() {
                Some((_, last)) if is_next(last) => *last = position.clone(),
                Some(_) | None => parts.push((position.clone(), position.clone())),
            }
        }
        let parts = parts.into_iter().flat_map(|(lane, parts)| parts.into_iter().map(move |(first, last)| (lane, first, last)));
        parts.collect()
    }

    pub(crate) fn committed(&mut self, idx: TrackIdx, id: CommitId, answer: Committed) {
        let now = self.now.tick;
        let seed = self.seed_of(u64::from(idx.0) ^ 0xc0);
        let Some(track) = self.tracks.by_idx.get_mut(idx) else { return };
        let is_open = track.committing.open.as_ref().is_some_and(|open| open.id == id);
        let heard = track.committing.hear(id, answer);
        for sent in &heard {
            self.tracks.commits.remove(&sent.id);
        }
        let Some(last) = heard.into_iter().last() else {
            // W-4: what is written lets the next one go, and nothing else follows from it.
            if is_open {
                self.pump_track(idx);
            }
            return;
        };
        match answer {
            Committed::Written => {}
            Committed::Durable => {
                self.counts.committed += 1;
                let was_failing = track.committing.failing.take().is_some();
                track.committing.durable = last.mark;
                if last.watermark != track.committing.reaches {
                    track.committing.reaches = last.watermark.clone();
                    self.actions.push_back(Action::Durable(idx, last.watermark));
                }
                // The last commit is the one that says it has ended.
                if track.is_end_written && !track.is_dirty && track.committing.is_settled() {
                    track.status = TrackStatus::Ended;
                    self.actions.push_back(Action::Ended(idx));
                }
                let n_lanes = if was_failing { track.n_lanes() } else { 0 };
                let waiting = std::mem::take(&mut track.committing.waiting);
                if was_failing {
                    self.timers.set(Timer::Recommit(idx), None);
                }
                for lane in 0..n_lanes {
                    self.touch_lane(idx, lane);
                }
                for id in waiting {
                    if self.chains.get(id).is_some_and(|chain| chain.status == Status::Durable) {
                        self.advance(id);
                    }
                }
            }
            Committed::Fenced => self.stop_track(idx, TrackStatus::Fenced),
            Committed::Full | Committed::Failed => {
                let (n, since) = track.committing.failing.map_or((0, now), |failing| (failing.n + 1, failing.since));
                let until = now.after(ask_again_delay(n, seed));
                track.committing.failing = Some(CommitFailing { is_full: answer == Committed::Full, since, n, until });
                track.is_dirty = true;
                let n_lanes = track.n_lanes();
                self.timers.set(Timer::Recommit(idx), Some(until));
                for lane in 0..n_lanes {
                    self.touch_lane(idx, lane);
                }
            }
        }
        self.pump_track(idx);
    }
}
