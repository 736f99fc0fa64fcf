//! The tumbling windows of a track: what its time is, what attempts are told, what a checkpoint says.

use bytes::Bytes;

use super::tumbling::LaneWindow;
use super::*;
use crate::assemble::bytes_in_batch;
use crate::checkpoint::Windows;
use crate::tumbling::{Finale, TumblingWindow};

impl Track {
    /// How far it has come, for its windows.
    pub(super) fn progress(&self) -> Progress {
        let is_handed_over = self.heir.is_some();
        Progress { time: self.time, quiet_at: self.quiet_at, is_at_end: self.is_at_end, is_handed_over }
    }

    /// What a checkpoint says of its windows; `None` where there never was one.
    pub(super) fn kept_windows(&self) -> Option<Box<Windows>> {
        let lanes = self.lanes.windows();
        let (time, _) = self.time.filter(|_| !lanes.is_empty())?;
        let heir = self.heir.clone().filter(|_| self.is_finished());
        Some(Box::new(Windows { time, lanes, heir }))
    }

    /// windows that are open at the end go on in another track, but for one that is about to end here: of a
    /// former life, with a state that is too large.
    pub(super) fn may_hand_over(&self) -> bool {
        self.heir.is_some() && !self.lanes.is_any_ready()
    }

    /// The windows of a former life.
    pub(super) fn restore_windows(&mut self, kept: Option<Box<Windows>>) {
        kept.into_iter().flat_map(|it| it.lanes).for_each(|it| self.lanes.restore_window(it));
    }

    /// The lanes of which a window has begun.
    pub(super) fn lanes_in_windows(&self) -> Vec<u32> {
        if !self.lanes.is_any_window_open() {
            return Vec::new();
        }
        let is_open = |lane: &Lane| lane.window().is_some_and(LaneWindow::is_begun);
        (0..).zip(self.lanes.iter()).filter(|(_, lane)| is_open(lane)).map(|(lane, _)| lane).collect()
    }

    /// A read moves the time of a track, by what the filter drops of it too, or says that there is nothing.
    /// Which lanes are to be looked at for that.
    pub(super) fn note_time(&mut self, read: &Read, cx: &Context) -> Vec<u32> {
        // Windows of a plan that had some are ended, also when the plan has none any more.
        if cx.plan.window.is_none() && !self.lanes.is_any_window_open() {
            return Vec::new();
        }
        let newest = read.records.iter().map(|it| it.arrival).max().max(read.newest_arrival);
        let is_newer = |newest: &UnixMillis| self.time.is_none_or(|(time, _)| *newest > time);
        if let Some(newest) = newest.filter(is_newer) {
            self.time = Some((newest, cx.now.tick));
        }
        // A read of filtered records only is not quiet: behind them there may be more.
        let is_quiet = read.records.is_empty() && read.n_filtered == 0;
        self.quiet_at = is_quiet.then_some(cx.now);
        self.lanes_in_windows()
    }

    /// How long a read may wait, so that it tells in time that the source had nothing where a window is to
    /// end.
    pub(super) fn read_wait(&self, cx: &Context) -> Duration {
        let Some(plan) = cx.plan.window.as_ref() else { return READ_WAIT_MAX };
        let progress = self.progress();
        let over_in = |lane: &Lane| lane.window()?.over_in(progress, plan.quiet, cx.now);
        let first = self.lanes.iter().filter_map(over_in).min().unwrap_or(READ_WAIT_MAX);
        first.clamp(READ_WAIT_MIN, READ_WAIT_MAX)
    }
}

impl Tracks {
    /// An attempt on a lane starts, and its tumbling window with it, where there is one.
    pub(crate) fn begin_window(&mut self, (idx, lane): (TrackIdx, u32), records: &[Record], cx: &Context) {
        if let Some(track) = self.by_idx.get_mut(idx) {
            track.lanes.begin_window(lane, records, cx.plan.window.as_ref());
        }
    }

    /// The tumbling window of a lane, as an attempt or a notice is told it; `None` where there is none.
    pub(crate) fn tumbling_window(
        &self,
        (idx, lane): (TrackIdx, u32),
        finale: Option<Finale>,
        cx: &Context,
    ) -> Option<Box<TumblingWindow>> {
        let window = self.by_idx.get(idx)?.lanes.get(lane)?.window()?;
        let state_bytes_max = cx.plan.batch.bytes_max.saturating_sub(cx.plan.envelope_bytes);
        window.told((idx, lane), finale, state_bytes_max).map(Box::new)
    }

    /// Whether the window of a lane is to be terminated early.
    pub(crate) fn is_window_full(&self, (idx, lane): (TrackIdx, u32)) -> bool {
        let lane = self.by_idx.get(idx).and_then(|track| track.lanes.get(lane));
        lane.and_then(Lane::window).is_some_and(LaneWindow::is_full)
    }

    /// Whether a window of a lane has begun and these records are not in it, but behind its end.
    pub(crate) fn is_window_passed(&self, (idx, lane): (TrackIdx, u32), records: &[Record]) -> bool {
        let Some(track) = self.by_idx.get(idx).filter(|track| track.lanes.is_any_window_open()) else {
            return false;
        };
        let open = track.lanes.get(lane).and_then(Lane::window).and_then(LaneWindow::open_span);
        open.is_some_and(|span| records.iter().any(|it| !span.takes(it.arrival)))
    }

    /// These records were cut to fit an event beside the state of their window, and do not any more.
    pub(crate) fn is_crowded_out(
        &self,
        (idx, lane): (TrackIdx, u32),
        records: &[Record],
        cx: &Context,
    ) -> bool {
        let lane = self.by_idx.get(idx).and_then(|track| track.lanes.get(lane));
        let state_bytes = lane.and_then(Lane::window).map_or(0, LaneWindow::state_bytes);
        let n_bytes: u64 = records.iter().map(bytes_in_batch).sum();
        state_bytes > 0 && cx.plan.envelope_bytes + n_bytes + state_bytes > cx.plan.batch.bytes_max + 1
    }

    /// Records of a lane's window are about to be finished by an answer that gave this back to be carried.
    pub(crate) fn carry_state(&mut self, (idx, lane): (TrackIdx, u32), state: Bytes, cx: &Context) {
        if let Some(window) = self.lane_mut(idx, lane).and_then(Lane::window_mut) {
            window.carry(state, cx.plan.window.as_ref());
        }
    }

    /// The last invocation of a lane's window is over, by success or because it was given up.
    pub(crate) fn end_tumbling_window(&mut self, (idx, lane): (TrackIdx, u32), finale: Finale) {
        if let Some(track) = self.by_idx.get_mut(idx) {
            track.lanes.end_window(lane, finale);
            track.is_dirty = true;
        }
    }
}
