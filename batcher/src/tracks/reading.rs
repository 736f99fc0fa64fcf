//! When a track is read, and what becomes of what a read brought.

use super::*;
use std::collections::BTreeSet;

impl Machine {
    pub(crate) fn read_track(&mut self, idx: TrackIdx, read: Result<Read, SourceNotice>) {
        let now = self.now;
        let seed = self.seed_of(u64::from(idx.0));
        let is_closing = self.is_closing();
        let Some(track) = self.tracks.by_idx.get_mut(&idx) else { return };
        track.reading = Reading::Idle;
        if !track.is_active() {
            return;
        }
        match read {
            // C-1: what comes after a close is read again by the next life.
            Ok(_) if track.is_closing || is_closing => {}
            Ok(read) => self.take_read(idx, read),
            Err(SourceNotice::PositionLost { error }) => self.stop_track(idx, TrackStatus::PositionLost { error }),
            Err(notice) => {
                let (n, since) = track.read_failing.map_or((0, now.tick), |(n, since)| (n + 1, since));
                let (error, asked) = describe(notice);
                let until = now.tick.after(asked.unwrap_or_else(|| ask_again_delay(n, seed)));
                track.read_failing = Some((n, since));
                track.reading = Reading::Backoff { until, since, error };
                self.timers.set(Timer::Reread(idx), Some(until).filter(|_| !planted(Mutant::DownForEver)));
            }
        }
        self.pump_track(idx);
    }

    pub(super) fn take_read(&mut self, idx: TrackIdx, read: Read) {
        let now = self.now.tick;
        self.counts.polled += read.records.len() as u64 + u64::from(read.n_filtered);
        self.counts.filtered_out += u64::from(read.n_filtered);
        self.counts.gaps += u64::from(read.gap.is_some());
        let Some(track) = self.tracks.by_idx.get_mut(&idx) else { return };
        track.idle_since = if read.records.is_empty() { Some(track.idle_since.unwrap_or(now)) } else { None };
        track.filtered.note(&read, now);
        track.read_failing = None;
        let before = track.passed.clone();
        let n_lanes = track.n_lanes();
        let mut touched = BTreeSet::new();
        let read_is_empty = read.records.is_empty();
        for record in read.records {
            let Place::Track(_, position) = &record.place else { continue };
            let is_repeated = before.as_ref().is_some_and(|passed| position < passed);
            let at = track.restored.partition_point(|(_, last)| last < position);
            let is_finished = track.restored.get(at).is_some_and(|(first, _)| first <= position && !planted(Mutant::ForgetFinished));
            if is_repeated || is_finished {
                self.counts.skipped += 1;
                if !is_repeated {
                    track.open.pass(position.clone());
                }
                continue;
            }
            let position = position.clone();
            let lane = lane_of(&record.key, &position, n_lanes);
            track.open.open(position.clone());
            self.held_bytes += record.n_bytes() + RECORD_OVERHEAD_BYTES;
            touched.insert(lane);
            let unit = &mut track.lanes[lane as usize];
            let filling = unit.chain.and_then(|id| self.chains.get_mut(&id)).and_then(|chain| filling_for(chain, idx, lane, &position));
            match filling {
                Some(filling) => {
                    self.counts.restored += 1;
                    filling.records.push(record);
                }
                None => {
                    unit.waiting_bytes += bytes_in_batch(&record);
                    unit.waiting.push_back(Waiting { record, since: now });
                    track.n_waiting += 1;
                }
            }
        }
        if let Some(passed) = read.passed.filter(|_| !read_is_empty || !planted(Mutant::FilteredKeepsBack)) {
            track.passed = Some(track.passed.take().map_or_else(|| passed.clone(), |before| before.max(passed.clone())));
        }
        // The source dropped what lies before: those slices' records will never come.
        if let Some(passed) = &track.passed {
            track.restored.retain(|(_, last)| last >= passed);
        }
        track.is_at_end |= read.ended;
        // W-3: a track without open records stands at `passed`.
        track.is_dirty |= track.open.first().is_none() && track.passed != before;
        if track.is_at_end {
            touched.extend(0..n_lanes);
        }
        for id in self.chains_of(idx) {
            if self.chains.get(&id).is_some_and(|chain| chain.status == Status::Filling) {
                self.advance(id);
            }
        }
        for lane in touched {
            self.touch_lane(idx, lane);
        }
    }

    /// Whether all records of this slice were read again.
    pub(crate) fn is_filled(&self, filling: &Filling) -> bool {
        if planted(Mutant::FillingIsFull) {
            return true;
        }
        self.tracks
            .by_idx
            .get(&filling.track)
            .is_some_and(|track| track.is_at_end || track.passed.as_ref().is_some_and(|passed| *passed > filling.slice.last))
    }

    pub(super) fn order_read(&mut self, idx: TrackIdx) {
        if self.is_closing() {
            return;
        }
        let Some(track) = self.tracks.by_idx.get(&idx) else { return };
        if !track.may_read() {
            return;
        }
        let must_read = self.is_filling(track);
        let starved_since = self.tracks.starved.remove(&idx);
        let is_hungry = track.n_waiting < self.n_in_batches(track)
            || track.n_waiting <= self.plan.waiting_min as usize / 2
            || track.lanes.iter().any(|lane| lane.waiting.is_empty() && lane.chain.is_none());
        if !must_read && (!is_hungry || track.open.n_finished_ahead() >= self.plan.ahead_max as usize) {
            return;
        }
        let is_out_of_room = self.held_bytes >= self.plan.held_bytes_max && self.held_bytes > 0;
        if is_out_of_room && !must_read {
            self.tracks.starved.insert(idx, starved_since.unwrap_or(self.now.tick));
            self.choose_guest();
            return;
        }
        self.send_read(idx, READ_WAIT_MAX);
    }

    /// Two batches for each lane.
    fn n_in_batches(&self, track: &Track) -> usize {
        self.plan.batch.records_max.get().saturating_mul(2).saturating_mul(track.n_lanes()) as usize
    }

    fn send_read(&mut self, idx: TrackIdx, wait: Duration) {
        let Some(track) = self.tracks.by_idx.get(&idx) else { return };
        let room_bytes = self.plan.held_bytes_max.saturating_sub(self.held_bytes);
        let n_waiting_max = self.n_in_batches(track).max(self.plan.waiting_min as usize);
        let room = n_waiting_max.saturating_sub(track.n_waiting).max(self.plan.batch.records_max.get() as usize);
        let bytes_max = if track.idle_since.is_some() { READ_BYTES_IDLE } else { READ_BYTES_MAX };
        let id = ReadId(self.next_id());
        let track = self.tracks.by_idx.get_mut(&idx).expect("it was there above");
        track.reading = Reading::Open(id);
        self.tracks.reads.insert(id, idx);
        self.actions.push_back(Action::Read(ReadOrder {
            id,
            track: Some(idx),
            records_max: u32::try_from(room).unwrap_or(u32::MAX).min(READ_RECORDS_MAX),
            bytes_max: bytes_max.min(room_bytes.max(1)),
            wait,
            lanes: track.n_lanes(),
        }));
    }

    /// Slices of a former life lack records. One that has them all may stand so for long behind a slice that is being tried.
    pub(super) fn is_filling(&self, track: &Track) -> bool {
        let chains = track.lanes.iter().filter_map(|lane| self.chains.get(&lane.chain?));
        chains.flat_map(|chain| &chain.steps).any(|step| matches!(&step.what, What::Filling(filling) if !self.is_filled(filling)))
    }

    /// S-2: those that hold all of the memory, and may hold it for ever, stop no other: one track at a time that holds nothing may read a
    /// little beyond the limit, when it has waited a second, by turns.
    pub(crate) fn choose_guest(&mut self) {
        if self.is_closing() {
            return;
        }
        let is_empty = |track: &Track| track.n_waiting == 0 && track.lanes.iter().all(|lane| lane.chain.is_none());
        let guest = self.tracks.guest.and_then(|idx| Some((idx, self.tracks.by_idx.get(&idx)?)));
        let is_taken = guest.is_some_and(|(idx, guest)| {
            // One that fails itself keeps what it has and makes place.
            let is_busy = !is_empty(guest) && !self.is_any_in_retry(idx);
            guest.is_active() && (is_busy || matches!(guest.reading, Reading::Open(_)))
        });
        if is_taken {
            return;
        }
        let may_read = |idx| self.tracks.by_idx.get(idx).is_some_and(|track| track.may_read() && is_empty(track));
        let starved = self.tracks.starved.iter().filter(|(idx, _)| may_read(idx));
        let next = starved.map(|(idx, since)| (since.after(STARVED_MAX), *idx)).min();
        match next {
            Some((at, idx)) if at <= self.now.tick => {
                self.tracks.starved.remove(&idx);
                self.tracks.guest = Some(idx);
                self.send_read(idx, GUEST_WAIT_MAX);
            }
            Some((at, _)) => self.timers.set(Timer::Guest, Some(at)),
            None => {}
        }
    }

    /// Gives room back; tracks that waited for it read again.
    pub(crate) fn give_room(&mut self, records: &[Record]) {
        let bytes: u64 = records.iter().map(|record| record.n_bytes() + RECORD_OVERHEAD_BYTES).sum();
        // N-1: nothing is given back that was not held.
        crate::rule!(N1, bytes <= self.held_bytes);
        self.held_bytes = self.held_bytes.saturating_sub(bytes);
        if self.held_bytes < self.plan.held_bytes_max {
            self.tracks.guest = None;
            let starved: Vec<TrackIdx> = self.tracks.starved.keys().copied().collect();
            starved.into_iter().for_each(|idx| self.order_read(idx));
        }
    }
}

fn filling_for<'a>(chain: &'a mut Chain, idx: TrackIdx, lane: u32, position: &Position) -> Option<&'a mut Filling> {
    chain.steps.iter_mut().find_map(|step| match &mut step.what {
        What::Filling(it) if it.track == idx && it.slice.lane == lane && it.slice.first <= *position && *position <= it.slice.last => {
            Some(it)
        }
        What::Filling(_) | What::Try(_) | What::Tell(_) => None,
    })
}
