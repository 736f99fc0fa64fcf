//! When a track is read, and what becomes of what a read brought.

use super::*;

/// What finished stretches may take of a checkpoint before their track stops reading ahead; with all else it stays below 64 KiB.
const AHEAD_BYTES_MAX: usize = 48 << 10;

impl Machine {
    pub(crate) fn read_track(&mut self, idx: TrackIdx, read: Result<Read, SourceNotice>) {
        let now = self.now;
        let seed = self.seed_of(u64::from(idx.0));
        let is_closing = self.is_closing();
        let Some(track) = self.tracks.by_idx.get_mut(idx) else { return };
        track.reading = Reading::Idle;
        if !track.is_active() {
            return;
        }
        match read {
            // C-1, C-2: what comes after a close is read again by the next life.
            Ok(_) if is_closing || track.is_draining => {}
            Ok(read) => self.take_read(idx, read),
            Err(SourceNotice::PositionLost { error }) => self.stop_track(idx, TrackStatus::PositionLost { error }),
            Err(notice) => {
                let (n, since) = track.read_failing.map_or((0, now.tick), |(n, since)| (n + 1, since));
                let (error, asked) = describe(notice);
                let until = now.tick.after(asked.unwrap_or_else(|| ask_again_delay(n, seed)));
                track.read_failing = Some((n, since));
                track.reading = Reading::Backoff { until, since, error };
                self.timers.set(Timer::Reread(idx), Some(until));
            }
        }
        self.pump_track(idx);
    }

    pub(super) fn take_read(&mut self, idx: TrackIdx, read: Read) {
        let now = self.now.tick;
        self.counts.polled += read.records.len() as u64 + u64::from(read.n_filtered);
        self.counts.filtered_out += u64::from(read.n_filtered);
        self.counts.gaps += u64::from(read.gap.is_some());
        let Some(track) = self.tracks.by_idx.get_mut(idx) else { return };
        track.is_idle = read.records.is_empty();
        track.none_since = if track.is_idle { track.none_since } else { now };
        track.filtered.note(&read, now);
        track.read_failing = None;
        let before = track.passed.clone();
        let n_lanes = track.n_lanes();
        let is_refilling = !track.refilling.is_empty();
        let mut touched: Vec<u32> = Vec::new();
        for record in read.records {
            let Place::Track(_, position) = &record.place else { continue };
            let is_repeated = before.as_ref().is_some_and(|passed| position < passed);
            let at = track.restored.partition_point(|(_, last)| last < position);
            let is_finished = track.restored.get(at).is_some_and(|(first, _)| first <= position);
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
            self.held_bytes += record.held_bytes();
            if touched.last() != Some(&lane) {
                touched.push(lane);
            }
            let holder = track.lanes.get(lane).and_then(Lane::chain).filter(|_| is_refilling);
            let filling = holder.and_then(|id| self.chains.get_mut(id)).and_then(|chain| filling_for(chain, idx, lane, &position));
            match filling {
                Some(filling) => {
                    self.counts.restored += 1;
                    filling.records.push(record);
                }
                None => track.lanes.push(lane, Waiting { record, since: now }),
            }
        }
        if let Some(passed) = read.passed {
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
        touched.sort_unstable();
        touched.dedup();
        let chains = &self.chains;
        track.refilling.retain(|id| chains.get(*id).is_some_and(Chain::is_filling));
        let refilling = track.refilling.clone();
        for id in refilling {
            if self.chains.get(id).is_some_and(|chain| chain.status == Status::Filling) {
                self.advance(id);
            }
        }
        for lane in touched {
            self.touch_lane(idx, lane);
        }
    }

    /// Whether all records of this slice were read again.
    pub(crate) fn is_filled(&self, filling: &Filling) -> bool {
        self.tracks
            .by_idx
            .get(filling.track)
            .is_some_and(|track| track.is_at_end || track.passed.as_ref().is_some_and(|passed| *passed > filling.slice.last))
    }

    pub(super) fn order_read(&mut self, idx: TrackIdx) {
        if self.is_closing() {
            return;
        }
        let Some(track) = self.tracks.by_idx.get(idx) else { return };
        if !track.may_read() {
            return;
        }
        let must_read = self.is_filling(track);
        let n_waiting = track.lanes.n_waiting();
        let is_below = n_waiting < self.n_in_batches(track) || n_waiting <= self.plan.waiting_min as usize / 2;
        let starved_since = self.tracks.room.forget(idx);
        if !must_read && (!(is_below || track.lanes.is_any_idle()) || self.is_too_far_ahead(track)) {
            return;
        }
        // Beyond what waits a track reads for lanes that have nothing, and only once what was read leaves slots without work.
        if !must_read && !is_below && self.is_any_ready() {
            self.tracks.hungry.insert(idx);
            return;
        }
        let is_out_of_room = self.held_bytes >= self.plan.held_bytes_max && self.held_bytes > 0;
        if is_out_of_room && !must_read {
            self.wait_for_room(idx, starved_since.unwrap_or(self.now.tick));
            return;
        }
        self.send_read(idx, READ_WAIT_MAX);
    }

    /// Too many finished records lie ahead of the watermark, or they take too much of a checkpoint.
    pub(crate) fn is_too_far_ahead(&self, track: &Track) -> bool {
        track.open.n_finished_ahead() >= self.plan.ahead_max as usize || track.open.n_bytes_ahead() >= AHEAD_BYTES_MAX
    }

    /// Tracks that would read ahead do so once nothing that was read could start.
    pub(crate) fn feed_hungry(&mut self) {
        if !self.tracks.hungry.is_empty() && !self.is_any_ready() {
            let hungry = std::mem::take(&mut self.tracks.hungry);
            hungry.into_iter().for_each(|idx| self.order_read(idx));
        }
    }

    /// Two batches for each lane.
    fn n_in_batches(&self, track: &Track) -> usize {
        self.plan.batch.records_max.get().saturating_mul(2).saturating_mul(track.n_lanes()) as usize
    }

    pub(super) fn send_read(&mut self, idx: TrackIdx, wait: Duration) {
        let Some(track) = self.tracks.by_idx.get(idx) else { return };
        let room_bytes = self.plan.held_bytes_max.saturating_sub(self.held_bytes);
        let n_waiting_max = self.n_in_batches(track).max(self.plan.waiting_min as usize);
        let room = n_waiting_max.saturating_sub(track.lanes.n_waiting()).max(self.plan.batch.records_max.get() as usize);
        let bytes_max = if track.is_idle { READ_BYTES_IDLE } else { READ_BYTES_MAX };
        let id = ReadId(self.next_id());
        let track = self.tracks.by_idx.get_mut(idx).expect("it was there above");
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
        let chains = track.refilling.iter().filter_map(|id| self.chains.get(*id));
        chains.flat_map(|chain| &chain.steps).any(|step| matches!(&step.what, What::Filling(filling) if !self.is_filled(filling)))
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
