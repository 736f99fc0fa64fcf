//! When a lane has a batch, what goes into it, and how lanes change their number.

use super::*;

impl Machine {
    /// Looks whether a lane has a batch that is ready, and when it will.
    pub(crate) fn touch_lane(&mut self, idx: TrackIdx, lane: u32) {
        let is_out_of_room = self.held_bytes >= self.plan.held_bytes_max;
        let is_closing = self.is_closing();
        let Some(track) = self.tracks.by_idx.get(&idx) else { return };
        let Some(unit) = track.lanes.get(lane as usize) else { return };
        let may_start = unit.chain.is_none() && track.is_active() && !is_closing && track.committing.failing.is_none();
        let is_changing_lanes = track.n_lanes() != self.plan.lanes.get() && !self.is_any_in_retry(idx);
        let readiness = match unit.waiting.front() {
            Some(first) if may_start && !is_changing_lanes => {
                let closes = first.since.after(self.plan.batch.window);
                if unit.waiting.len() >= self.plan.batch.records_max.get() as usize {
                    Ok(BatchReason::Count)
                } else if self.plan.envelope_bytes + unit.waiting_bytes > self.plan.batch.bytes_max || is_out_of_room {
                    Ok(BatchReason::Bytes)
                } else if track.is_at_end {
                    Ok(BatchReason::Ended)
                } else if closes <= self.now.tick {
                    Ok(BatchReason::Window)
                } else {
                    Err(Some(closes))
                }
            }
            Some(_) | None => Err(None),
        };
        let timer = Timer::LaneWindow(idx, lane);
        let since = self.now.tick;
        let unit = self.lane_mut(idx, lane).expect("it was there above");
        match readiness {
            Ok(why) => {
                let before = unit.ready.replace((since, why));
                match before {
                    // B-2: the reason is that of the batch as it is, which may have filled up or have another plan by now.
                    Some((since, _)) => unit.ready = Some((since, why)),
                    None => {
                        self.ready.push_back(Ready::Lane(idx, lane));
                        self.n_ready += 1;
                    }
                }
                self.timers.set(timer, None);
            }
            Err(at) => {
                if unit.ready.take().is_some() {
                    self.n_ready -= 1;
                }
                self.timers.set(timer, at);
            }
        }
    }

    pub(super) fn is_any_in_retry(&self, idx: TrackIdx) -> bool {
        self.chains_of(idx).iter().any(|id| self.chains.get(id).is_some_and(Chain::is_in_retry))
    }

    /// Takes the next fresh batch of a lane: its chain, holding the lane. Records that the plan lets it mix in come from other free lanes.
    pub(crate) fn take_batch(&mut self, idx: TrackIdx, lane: u32) -> Option<ChainId> {
        let (_, why) = self.lane_mut(idx, lane)?.ready.take()?;
        self.n_ready -= 1;
        let mut filler = crate::assemble::Filler::new(&self.plan);
        let mut chain = Chain::new(crate::attempt::Limits::of(&self.plan.retry));
        self.fill_from(idx, lane, &mut filler, &mut chain);
        if self.plan.mixes_tracks {
            for (idx, lane) in self.free_lanes_after(idx) {
                self.fill_from(idx, lane, &mut filler, &mut chain);
            }
        }
        if filler.is_empty() {
            return None;
        }
        let is_oversize = filler.is_oversize();
        self.counts.given_up_uninvoked += u64::from(is_oversize);
        let slice = crate::attempt::Slice::new(filler.into_records());
        let tried = crate::attempt::Tried { slice, n_failures: 0, n_invokes: 0, why, not_before: Tick::default(), reply: None };
        let what = if is_oversize { What::Tell(tried.give_up(crate::attempt::Condition::PayloadTooLarge)) } else { What::Try(tried) };
        self.mark += 1;
        chain.steps.push_back(Step { what, mark: self.mark });
        let holds = chain.holds.clone();
        let id = self.add_chain(chain);
        let lanes = || holds.iter().filter_map(|hold| if let Hold::Lane(idx, lane) = hold { Some((*idx, *lane)) } else { None });
        for (idx, lane) in lanes() {
            let unit = self.lane_mut(idx, lane).expect("records were taken from it");
            // O-2: no lane is held twice.
            crate::rule!(O2, unit.chain.is_none());
            unit.chain = Some(id);
            if is_oversize {
                self.mark_dirty(idx);
            }
        }
        // All lanes are held before any track goes on.
        for (idx, lane) in lanes() {
            self.touch_lane(idx, lane);
            self.pump_track(idx);
        }
        Some(id)
    }

    pub(super) fn fill_from(&mut self, idx: TrackIdx, lane: u32, filler: &mut crate::assemble::Filler, chain: &mut Chain) {
        let Some(track) = self.tracks.by_idx.get_mut(&idx) else { return };
        let unit = &mut track.lanes[lane as usize];
        let mut n_taken = 0;
        while let Some(first) = unit.waiting.front() {
            if filler.refuses(&first.record).is_some() {
                break;
            }
            let Waiting { record, .. } = unit.waiting.pop_front().expect("it was looked at");
            unit.waiting_bytes -= bytes_in_batch(&record);
            filler.add(record);
            n_taken += 1;
            if filler.is_oversize() {
                break;
            }
        }
        track.n_waiting -= n_taken;
        if n_taken > 0 {
            chain.holds.push(Hold::Lane(idx, lane));
        }
    }

    pub(super) fn free_lanes_after(&self, idx: TrackIdx) -> Vec<(TrackIdx, u32)> {
        let (below, above): (Vec<_>, Vec<_>) = self
            .tracks
            .by_idx
            .iter()
            .filter(|(_, track)| track.is_active() && track.committing.failing.is_none())
            .flat_map(|(it, track)| (0u32..).zip(&track.lanes).map(move |(lane, unit)| (*it, lane, unit)))
            .filter(|(_, _, unit)| unit.chain.is_none() && !unit.waiting.is_empty())
            .map(|(it, lane, _)| (it, lane))
            .partition(|(it, _)| *it <= idx);
        above.into_iter().chain(below).collect()
    }

    /// Lanes that wait for a change of their count go on as they are while something of the track is in retry.
    pub(super) fn wake_old_lanes(&mut self, idx: TrackIdx) {
        let Some(n_lanes) = self.tracks.by_idx.get(&idx).map(Track::n_lanes) else { return };
        if n_lanes != self.plan.lanes.get() {
            (0..n_lanes).for_each(|lane| self.touch_lane(idx, lane));
        }
    }

    /// The lane count changes only when nothing of the track is in flight or in retry.
    pub(super) fn change_lanes(&mut self, idx: TrackIdx) {
        let n_lanes = self.plan.lanes.get();
        let Some(track) = self.tracks.by_idx.get_mut(&idx) else { return };
        if track.n_lanes() == n_lanes || !track.is_active() || track.lanes.iter().any(|lane| lane.chain.is_some()) {
            return;
        }
        let old = std::mem::replace(&mut track.lanes, (0..n_lanes).map(|_| Lane::default()).collect());
        let mut waiting: Vec<Waiting> = Vec::with_capacity(track.n_waiting);
        for (lane, unit) in (0u32..).zip(old) {
            self.n_ready -= u32::from(unit.ready.is_some());
            self.timers.set(Timer::LaneWindow(idx, lane), None);
            waiting.extend(unit.waiting);
        }
        waiting.sort_by(|a, b| position(&a.record).cmp(&position(&b.record)));
        for it in waiting {
            let lane = position(&it.record).map_or(0, |position| lane_of(&it.record.key, position, n_lanes));
            let unit = &mut track.lanes[lane as usize];
            unit.waiting_bytes += bytes_in_batch(&it.record);
            unit.waiting.push_back(it);
        }
        for lane in 0..n_lanes {
            self.touch_lane(idx, lane);
        }
    }
}

fn position(record: &Record) -> Option<&Position> {
    match &record.place {
        Place::Track(_, position) => Some(position),
        Place::Queue { .. } => None,
    }
}
