//! When a lane has a batch, what goes into it, and how lanes change their number.

use super::group::Counted;
use super::*;
use crate::assemble::Filler;
use crate::attempt::{Condition, Limits, Slice, Tried};

impl Machine {
    /// Looks whether a lane has a batch that is ready, and when it will.
    pub(crate) fn touch_lane(&mut self, idx: TrackIdx, lane: u32) {
        if self.plan.mixes_tracks {
            self.count_lane(idx, lane);
            self.look_at_group();
            return;
        }
        let is_out_of_room = self.held_bytes >= self.plan.held_bytes_max;
        let may_start = self.may_start(idx);
        let Some(track) = self.tracks.by_idx.get_mut(idx) else { return };
        let is_at_end = track.is_at_end;
        let Some(unit) = track.lanes.get_mut(lane) else { return };
        let readiness = match unit.first() {
            Some(first) if may_start && unit.chain().is_none() => {
                let closes = first.since.after(self.plan.batch.window);
                if unit.n_waiting() >= self.plan.batch.records_max.get() as usize {
                    Ok(BatchReason::Count)
                } else if self.plan.envelope_bytes + unit.waiting_bytes() > self.plan.batch.bytes_max || is_out_of_room {
                    Ok(BatchReason::Bytes)
                } else if is_at_end {
                    Ok(BatchReason::Ended)
                } else if closes <= self.now.tick {
                    Ok(BatchReason::Window)
                } else {
                    Err(Some(closes))
                }
            }
            Some(_) | None => Err(None),
        };
        let window_at = readiness.err().flatten();
        match readiness {
            // B-2: the reason is that of the batch as it is, which may have filled up or have another plan by now.
            Ok(why) => match unit.ready {
                Some((since, _)) => unit.ready = Some((since, why)),
                None => {
                    unit.ready = Some((self.now.tick, why));
                    self.ready.push_back(Ready::Lane(idx, lane));
                    self.n_ready += 1;
                }
            },
            Err(_) => self.n_ready -= u32::from(unit.ready.take().is_some()),
        }
        if unit.window_at != window_at {
            unit.window_at = window_at;
            self.timers.set(Timer::LaneWindow(idx, lane), window_at);
        }
    }

    /// Whether a fresh batch may begin with records of this track.
    fn may_start(&self, idx: TrackIdx) -> bool {
        let Some(track) = self.tracks.by_idx.get(idx) else { return false };
        track.is_active()
            && !track.is_draining
            && !self.is_closing()
            && track.committing.failing.is_none()
            && (track.n_lanes() == self.plan.lanes.get() || self.is_any_in_retry(idx))
    }

    /// Counts in the group what of a lane could start now.
    fn count_lane(&mut self, idx: TrackIdx, lane: u32) {
        let may_start = self.may_start(idx);
        let Some(track) = self.tracks.by_idx.get_mut(idx) else { return };
        let is_ended = track.is_at_end;
        let Some(unit) = track.lanes.get_mut(lane) else { return };
        let first = unit.first().filter(|_| may_start && unit.chain().is_none());
        let now = first.map(|first| Counted { n_records: unit.n_waiting(), bytes: unit.waiting_bytes(), since: first.since, is_ended });
        let before = std::mem::replace(&mut unit.counted, now);
        if now.is_some() && !std::mem::replace(&mut unit.is_in_line, true) {
            self.tracks.group.stand_in_line((idx, lane));
        }
        self.tracks.group.count((idx, lane), before, now);
    }

    /// Looks whether the group has a batch that is ready, and when it will.
    pub(crate) fn look_at_group(&mut self) {
        let is_out_of_room = self.held_bytes >= self.plan.held_bytes_max;
        let closes = self.tracks.group.look(&self.plan.batch, self.plan.envelope_bytes, is_out_of_room, self.now.tick);
        if self.tracks.group.window_at != closes {
            self.tracks.group.window_at = closes;
            self.timers.set(Timer::GroupWindow, closes);
        }
    }

    /// The window of all lanes together is over.
    pub(crate) fn end_group_window(&mut self) {
        self.tracks.group.window_at = None;
        self.look_at_group();
    }

    /// Whether anything could use a slot now.
    pub(crate) fn is_any_ready(&self) -> bool {
        self.n_ready > 0 || self.tracks.group.ready().is_some()
    }

    /// How many batches of all lanes together could use a slot now, where batches mix tracks.
    pub(crate) fn n_group_batches(&self) -> u32 {
        self.tracks.group.n_batches(&self.plan.batch)
    }

    pub(super) fn is_any_in_retry(&self, idx: TrackIdx) -> bool {
        let Some(track) = self.tracks.by_idx.get(idx) else { return false };
        track.lanes.told().any(|id| self.chains.get(id).is_some_and(Chain::is_in_retry))
    }

    /// Takes the next fresh batch of a lane: its chain, holding the lane.
    pub(crate) fn take_batch(&mut self, idx: TrackIdx, lane: u32) -> Option<ChainId> {
        let (_, why) = self.lane_mut(idx, lane)?.ready.take()?;
        self.n_ready -= 1;
        let mut filler = Filler::new(&self.plan);
        let mut holds = Vec::new();
        self.fill_from(idx, lane, &mut filler, &mut holds);
        self.add_batch(filler, holds, why)
    }

    /// Takes the next fresh batch of all lanes together, in the order in which they came to have something.
    pub(crate) fn take_group_batch(&mut self) -> Option<ChainId> {
        let (_, why) = self.tracks.group.ready()?;
        let mut filler = Filler::new(&self.plan);
        let mut holds = Vec::new();
        while let Some((idx, lane)) = self.tracks.group.next_lane() {
            let Some(unit) = self.lane_mut(idx, lane) else { continue };
            unit.is_in_line = false;
            if unit.counted.is_none() {
                continue;
            }
            let is_any = self.fill_from(idx, lane, &mut filler, &mut holds);
            if filler.closed().is_some() || filler.is_oversize() {
                if !is_any && let Some(unit) = self.lane_mut(idx, lane) {
                    unit.is_in_line = true;
                    self.tracks.group.keeps_turn((idx, lane));
                }
                break;
            }
        }
        // Together they may have had enough, and yet the next record did not fit.
        let why = filler.closed().unwrap_or(why);
        self.add_batch(filler, holds, why)
    }

    fn add_batch(&mut self, filler: Filler, holds: Vec<Hold>, why: BatchReason) -> Option<ChainId> {
        if filler.is_empty() {
            return None;
        }
        let is_oversize = filler.is_oversize();
        self.counts.given_up_uninvoked += u64::from(is_oversize);
        let slice = Slice::new(filler.into_records());
        let tried = Tried { slice, n_failures: 0, n_invokes: 0, why, not_before: Tick::default(), reply: None };
        let what = if is_oversize { What::Tell(tried.give_up(Condition::PayloadTooLarge)) } else { What::Try(tried) };
        self.mark += 1;
        let mut chain = Chain::new(Limits::of(&self.plan.retry));
        chain.steps.push_back(Step { what, mark: self.mark });
        chain.holds.clone_from(&holds);
        let id = self.add_chain(chain);
        let lanes = || holds.iter().filter_map(|hold| if let Hold::Lane(idx, lane) = hold { Some((*idx, *lane)) } else { None });
        for (idx, lane) in lanes() {
            let track = self.tracks.by_idx.get_mut(idx).expect("records were taken from it");
            track.lanes.hold(lane, id);
            track.is_dirty |= is_oversize;
        }
        if is_oversize {
            self.tell_of(id);
        }
        // All lanes are held before any track goes on.
        for (idx, lane) in lanes() {
            self.touch_lane(idx, lane);
            self.pump_track(idx);
        }
        Some(id)
    }

    /// Fills a batch from a lane, as far as it goes; whether any of its records went in.
    fn fill_from(&mut self, idx: TrackIdx, lane: u32, filler: &mut Filler, holds: &mut Vec<Hold>) -> bool {
        let Some(track) = self.tracks.by_idx.get_mut(idx) else { return false };
        let mut is_any = false;
        filler.expect(track.lanes.get(lane).map_or(0, Lane::n_waiting));
        while let Some(first) = track.lanes.get(lane).and_then(Lane::first) {
            if filler.closes_before(&first.record) {
                break;
            }
            let Waiting { record, .. } = track.lanes.pop(lane).expect("it was looked at");
            filler.add(record);
            is_any = true;
            if filler.is_oversize() {
                break;
            }
        }
        if is_any {
            holds.push(Hold::Lane(idx, lane));
        }
        is_any
    }

    /// Lanes that wait for a change of their count go on as they are while something of the track is in retry.
    pub(super) fn wake_old_lanes(&mut self, idx: TrackIdx) {
        let Some(n_lanes) = self.tracks.by_idx.get(idx).map(Track::n_lanes) else { return };
        if n_lanes != self.plan.lanes.get() {
            (0..n_lanes).for_each(|lane| self.touch_lane(idx, lane));
        }
    }

    /// The lane count changes only when nothing of the track is in flight or in retry.
    pub(super) fn change_lanes(&mut self, idx: TrackIdx) {
        let n_lanes = self.plan.lanes.get();
        let Some(track) = self.tracks.by_idx.get_mut(idx) else { return };
        if track.n_lanes() == n_lanes || !track.is_active() || track.lanes.is_any_held() {
            return;
        }
        let mut waiting: Vec<Waiting> = Vec::with_capacity(track.lanes.n_waiting());
        let old = track.lanes.replace(n_lanes);
        for (lane, unit) in (0u32..).zip(old) {
            self.n_ready -= u32::from(unit.ready.is_some());
            self.timers.set(Timer::LaneWindow(idx, lane), None);
            self.tracks.group.count((idx, lane), unit.counted, None);
            waiting.extend(unit.into_waiting());
        }
        waiting.sort_by(|a, b| position(&a.record).cmp(&position(&b.record)));
        for it in waiting {
            let lane = position(&it.record).map_or(0, |position| lane_of(&it.record.key, position, n_lanes));
            track.lanes.push(lane, it);
        }
        for lane in 0..n_lanes {
            self.touch_lane(idx, lane);
        }
    }
}

pub(super) fn position(record: &Record) -> Option<&Position> {
    match &record.place {
        Place::Track(_, position) => Some(position),
        Place::Queue { .. } => None,
    }
}
