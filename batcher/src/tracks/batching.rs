//! When a lane has a batch, what goes into it, and how lanes change their number.

use super::*;
use crate::assemble::Filler;
use crate::former::Waiting;
use crate::plan::Plan;
use crate::tumbling::Finale;

use super::tumbling::{Ends, LaneWindow, Progress};

impl Tracks {
    /// Looks whether a lane has a batch that is ready, and when it will.
    pub(super) fn touch_lane(&mut self, idx: TrackIdx, lane: u32, runs: &Runs, cx: &mut Context) {
        self.touch_lanes(std::iter::once((idx, lane)), runs, cx);
    }

    /// The same for several lanes. Where batches mix tracks all of them are counted before the group is
    /// looked at.
    pub(super) fn touch_lanes(
        &mut self,
        lanes: impl Iterator<Item = (TrackIdx, u32)>,
        runs: &Runs,
        cx: &mut Context,
    ) {
        if cx.plan.mixes_tracks {
            lanes.for_each(|(idx, lane)| self.count_lane(idx, lane, runs, cx));
            cx.look_at_group();
        } else {
            lanes.for_each(|(idx, lane)| self.look_at_lane(idx, lane, runs, cx));
        }
    }

    fn look_at_lane(&mut self, idx: TrackIdx, lane: u32, runs: &Runs, cx: &mut Context) {
        let may_start = self.may_start(idx, runs, cx);
        let may_act = may_start || self.may_act(idx, cx);
        let Some(track) = self.by_idx.get_mut(idx) else { return };
        let progress = track.progress();
        let Some(unit) = track.lanes.get_mut(lane) else { return };
        let is_held = unit.run().is_some();
        if !is_held {
            unit.choose_window(cx.plan.window.as_ref());
        }
        let readiness = match unit.window_mut() {
            _ if is_held => Err(None),
            _ if may_start => readiness_of(unit, progress, cx),
            // Lanes that are to be others let go of what they carry.
            Some(window) if may_act && window.is_begun() => {
                window.set_finale(Some(Finale::TerminatedEarly));
                Ok(BatchReason::TumblingWindow)
            }
            Some(_) | None => Err(None),
        };
        let window_at = readiness.err().flatten();
        // Lanes are looked at far more often than their deadline moves, and the timers are two trees.
        if unit.window_at != window_at {
            unit.window_at = window_at;
            cx.timers.set(Timer::LaneWindow(idx, lane), window_at);
        }
        match readiness {
            // B-2: the reason is that of the batch as it is, which may have filled up or have another plan by
            // now.
            Ok(why) => match unit.ready {
                Some((since, _)) => unit.ready = Some((since, why)),
                None => {
                    track.lanes.stand(lane, cx.now.tick, why);
                    cx.former.stand(Ready::Track(idx));
                }
            },
            Err(_) => cx.former.withdraw(track.lanes.withdraw(lane).is_some()),
        }
    }

    /// Whether a fresh batch may begin with records of this track.
    fn may_start(&self, idx: TrackIdx, runs: &Runs, cx: &Context) -> bool {
        self.may_act(idx, cx) && (self.n_lanes(idx) == cx.plan.lanes.get() || self.is_any_in_retry(idx, runs))
    }

    /// Whether anything new may begin on this track.
    fn may_act(&self, idx: TrackIdx, cx: &Context) -> bool {
        let Some(track) = self.by_idx.get(idx) else { return false };
        track.is_active() && !track.is_draining && !cx.is_closing() && track.committing.failing.is_none()
    }

    /// Counts in the group what of a lane could start now.
    fn count_lane(&mut self, idx: TrackIdx, lane: u32, runs: &Runs, cx: &mut Context) {
        let may_start = self.may_start(idx, runs, cx);
        let Some(track) = self.by_idx.get_mut(idx) else { return };
        let is_ended = track.is_at_end;
        let Some(unit) = track.lanes.get_mut(lane) else { return };
        // O-1: what a batch run holds counts for nothing, or the group would promise slots that it cannot
        // use.
        let first = unit.first().filter(|_| may_start && unit.run().is_none());
        let now = first.map(|first| Counted {
            n_records: unit.n_waiting(),
            bytes: unit.waiting_bytes(),
            since: first.since,
            is_ended,
        });
        let before = std::mem::replace(&mut unit.counted, now);
        // Once in the line, however often it is counted: two turns would be twice another lane's share.
        if now.is_some() && !std::mem::replace(&mut unit.is_in_line, true) {
            cx.former.stand_in_line((idx, lane));
        }
        cx.former.count((idx, lane), before, now);
    }

    pub(super) fn is_any_in_retry(&self, idx: TrackIdx, runs: &Runs) -> bool {
        let Some(track) = self.by_idx.get(idx) else { return false };
        track.lanes.told().any(|id| runs.is_in_retry(id))
    }

    /// Takes the next fresh batch of a track: that of one of its lanes.
    pub(crate) fn take_batch(&mut self, idx: TrackIdx, cx: &mut Context) -> Option<Batch> {
        let lanes = &mut self.by_idx.get_mut(idx)?.lanes;
        let lane = lanes.first_ready()?;
        let why = lanes.withdraw(lane)?;
        cx.former.withdraw(true);
        let window = lanes.get_mut(lane).and_then(Lane::window_mut);
        let state_bytes = window.as_ref().map_or(0, |it| it.state_bytes());
        // The end of a window is an invocation of its own: what waits is of the next one.
        if let Some(finale) = window.and_then(LaneWindow::take_finale) {
            let holds = vec![Hold::Lane(idx, lane)];
            return Some(Batch { records: Vec::new(), holds, why, is_oversize: false, finale: Some(finale) });
        }
        let mut filler = Filler::new(&cx.plan, state_bytes);
        let mut holds = Vec::new();
        self.fill_from(idx, lane, &mut filler, &mut holds);
        batch_of(filler, holds, why)
    }

    /// Takes the next fresh batch of all lanes together, in the order in which they came to have something.
    pub(crate) fn take_group_batch(&mut self, cx: &mut Context) -> Option<Batch> {
        let (_, why) = cx.former.group_ready()?;
        let mut filler = Filler::new(&cx.plan, 0);
        let mut holds = Vec::new();
        while let Some((idx, lane)) = cx.former.next_lane() {
            let Some(unit) = self.lane_mut(idx, lane) else { continue };
            unit.is_in_line = false;
            // It was held or closed since it stood in the line.
            if unit.counted.is_none() {
                continue;
            }
            let is_any = self.fill_from(idx, lane, &mut filler, &mut holds);
            if filler.closed().is_some() || filler.is_oversize() {
                // Nothing of it went in, so its turn is not used; one that gave some is held by this batch.
                if !is_any && let Some(unit) = self.lane_mut(idx, lane) {
                    unit.is_in_line = true;
                    cx.former.keeps_turn((idx, lane));
                }
                break;
            }
        }
        // Together they may have had enough, and yet the next record did not fit.
        let why = filler.closed().unwrap_or(why);
        batch_of(filler, holds, why)
    }

    /// The window of a lane is over.
    pub(crate) fn end_window(&mut self, idx: TrackIdx, lane: u32, runs: &Runs, cx: &mut Context) {
        if let Some(unit) = self.lane_mut(idx, lane) {
            unit.window_at = None;
        }
        self.touch_lane(idx, lane, runs, cx);
    }

    /// Fills a batch from a lane, as far as it goes; whether any of its records went in.
    fn fill_from(&mut self, idx: TrackIdx, lane: u32, filler: &mut Filler, holds: &mut Vec<Hold>) -> bool {
        let Some(track) = self.by_idx.get_mut(idx) else { return false };
        let mut is_any = false;
        filler.expect(track.lanes.get(lane).map_or(0, Lane::n_waiting));
        while let Some(unit) = track.lanes.get(lane)
            && let Some(first) = unit.first()
        {
            // a batch crosses no end of a window.
            if unit.is_cut_here() || filler.closes_before(&first.record) {
                break;
            }
            let Waiting { record, .. } = track.lanes.pop(lane).expect("it was looked at");
            filler.add(record);
            is_any = true;
            if filler.is_oversize() {
                break;
            }
        }
        // O-2: a batch holds the lanes that it has records of, and no other, which would wait for nothing.
        if is_any {
            holds.push(Hold::Lane(idx, lane));
        }
        is_any
    }

    /// Lanes that wait for a change of their count go on as they are while something of the track is in
    /// retry.
    pub(super) fn wake_old_lanes(&mut self, idx: TrackIdx, runs: &Runs, cx: &mut Context) {
        let Some(n_lanes) = self.by_idx.get(idx).map(Track::n_lanes) else { return };
        if n_lanes != cx.plan.lanes.get() {
            (0..n_lanes).for_each(|lane| self.touch_lane(idx, lane, runs, cx));
        }
    }

    /// The lane count changes only when nothing of the track is in flight or in retry.
    pub(super) fn change_lanes(&mut self, idx: TrackIdx, runs: &Runs, cx: &mut Context) {
        let n_lanes = cx.plan.lanes.get();
        let Some(track) = self.by_idx.get_mut(idx) else { return };
        let is_in_use = track.lanes.is_any_held() || track.lanes.is_any_window_open();
        if track.n_lanes() == n_lanes || !track.is_active() || is_in_use {
            return;
        }
        let mut waiting: Vec<Waiting> = Vec::with_capacity(track.lanes.n_waiting());
        let old = track.lanes.replace(n_lanes);
        for (lane, unit) in (0u32..).zip(old) {
            cx.former.withdraw(unit.ready.is_some());
            cx.timers.set(Timer::LaneWindow(idx, lane), None);
            cx.former.count((idx, lane), unit.counted, None);
            waiting.extend(unit.into_waiting());
        }
        // A new lane takes from several old ones, and gives its records in reading order.
        waiting.sort_by(|a, b| a.record.position().cmp(&b.record.position()));
        for it in waiting {
            let lane = it.record.position().map_or(0, |position| lane_of(&it.record.key, position, n_lanes));
            track.lanes.push(lane, it);
        }
        for lane in 0..n_lanes {
            self.touch_lane(idx, lane, runs, cx);
        }
    }
}

fn batch_of(filler: Filler, holds: Vec<Hold>, why: BatchReason) -> Option<Batch> {
    let is_oversize = filler.is_oversize();
    (!filler.is_empty()).then(|| Batch {
        records: filler.into_records(),
        holds,
        why,
        is_oversize,
        finale: None,
    })
}

/// Whether a lane that nothing holds has a batch now and why, or when it will.
fn readiness_of(unit: &mut Lane, progress: Progress, cx: &Context) -> Result<BatchReason, Option<Tick>> {
    let plan = &cx.plan;
    let is_crowded = is_crowded_out(unit, plan);
    let ends = match unit.ends(progress, plan.window.as_ref(), cx.now) {
        Ends::At(_) | Ends::Later if is_crowded => Ends::Now(Finale::TerminatedEarly),
        ends => ends,
    };
    if let Some(window) = unit.window_mut() {
        window.set_finale(if let Ends::Now(finale) = ends { Some(finale) } else { None });
    }
    let inside = unit.inside(progress);
    let first = unit.first().filter(|_| inside.n_records > 0);
    match (ends, first) {
        (Ends::Now(_), _) => Ok(BatchReason::TumblingWindow),
        (Ends::At(at), None) => Err(Some(at)),
        (Ends::Later, None) => Err(None),
        (Ends::At(_) | Ends::Later, Some(first)) => {
            let closes = first.since.after(plan.batch.window);
            if inside.n_records >= plan.batch.records_max.get() as usize {
                Ok(BatchReason::Count)
            } else if plan.envelope_bytes + inside.bytes > plan.batch.bytes_max
                // Nothing more is read while the memory is full, so no more would come to wait for.
                || cx.held_bytes >= plan.held_bytes_max
            {
                Ok(BatchReason::Bytes)
            } else if progress.is_at_end {
                Ok(BatchReason::Ended)
            } else if inside.is_passed {
                Ok(BatchReason::TumblingWindow)
            } else if closes <= cx.now.tick {
                Ok(BatchReason::Window)
            } else {
                Err(Some(closes))
            }
        }
    }
}

/// What waits first would fit an event by itself, and does not beside the state of its window.
fn is_crowded_out(unit: &Lane, plan: &Plan) -> bool {
    let state_bytes = unit.window().filter(|it| !it.is_used_up()).map_or(0, LaneWindow::state_bytes);
    let fits = |record: &Record, state_bytes: u64| {
        plan.envelope_bytes + record.n_bytes() + state_bytes <= plan.batch.bytes_max
    };
    let first = unit.first().filter(|_| state_bytes > 0).map(|it| &it.record);
    first.is_some_and(|first| fits(first, 0) && !fits(first, state_bytes))
}
