//! When a track is read, and what becomes of what a read brought.

use super::*;
use crate::former::Waiting;

/// What finished stretches may take of a checkpoint before their track stops reading ahead; with all else it
/// stays below 64 KiB.
const AHEAD_BYTES_MAX: usize = 48 << 10;

impl Tracks {
    /// The track that a read was ordered for; it is open no more.
    pub(crate) fn take_order(&mut self, id: ReadId) -> Option<TrackIdx> {
        self.reads.remove(&id)
    }

    /// A read of a track came back. `None`: of one that does not act any more.
    pub(crate) fn handle_read(
        &mut self,
        idx: TrackIdx,
        read: Result<Read, SourceNotice>,
        runs: &Runs,
        cx: &mut Context,
    ) -> Option<Effect> {
        let now = cx.now;
        let seed = cx.seed_of(u64::from(idx.0));
        let is_closing = cx.is_closing();
        let track = self.by_idx.get_mut(idx)?;
        track.reading = Reading::Idle;
        // Its answer closes the read all the same: a track that comes again must find none open.
        if !track.is_active() {
            return None;
        }
        let effect = match read {
            // C-1, C-2: what comes after a close is read again by the next life.
            Ok(_) if is_closing || track.is_draining => Effect::None,
            Ok(read) => self.take_read(idx, read, runs, cx),
            Err(SourceNotice::PositionLost { error }) => {
                self.stop_track(idx, TrackStatus::PositionLost { error }, runs, cx)
            }
            Err(notice) => {
                let (n, since) = track.read_failing.map_or((0, now.tick), |(n, since)| (n + 1, since));
                let (error, asked) = describe(notice);
                // Who throttles knows best when it will not; the delay of our own is for those who do not
                // say.
                let until = now.tick.after(asked.unwrap_or_else(|| ask_again_delay(n, seed)));
                track.read_failing = Some((n, since));
                track.reading = Reading::Backoff { until, since, error };
                cx.timers.set(Timer::Reread(idx), Some(until));
                Effect::None
            }
        };
        Some(effect)
    }

    /// A track that was down may be read again.
    pub(crate) fn read_again(&mut self, idx: TrackIdx, runs: &Runs, cx: &mut Context) {
        if let Some(track) = self.by_idx.get_mut(idx) {
            track.reading = Reading::Idle;
        }
        self.pump_track(idx, runs, cx);
    }

    fn take_read(&mut self, idx: TrackIdx, read: Read, runs: &Runs, cx: &mut Context) -> Effect {
        let now = cx.now.tick;
        cx.counts.polled += read.records.len() as u64 + u64::from(read.n_filtered);
        cx.counts.filtered_out += u64::from(read.n_filtered);
        cx.counts.gaps += u64::from(read.gap.is_some());
        let Some(track) = self.by_idx.get_mut(idx) else { return Effect::None };
        track.is_idle = read.records.is_empty();
        track.none_since = if track.is_idle { track.none_since } else { now };
        track.filtered.note(&read, now);
        track.read_failing = None;
        let in_windows = track.note_time(&read, cx);
        let before = track.passed.clone();
        let n_lanes = track.n_lanes();
        let is_refilling = !track.refilling.is_empty();
        // In place: what is taken leaves its place empty.
        let mut records: Vec<Option<Record>> = read.records.into_iter().map(Some).collect();
        let (mut fresh, mut refilled) = (Vec::with_capacity(records.len()), Vec::new());
        let mut touched: Vec<u32> = Vec::new();
        for (at, slot) in (0u32..).zip(&mut records) {
            let Some(record) = &*slot else { continue };
            let Place::Track(_, position) = &record.place else { continue };
            // A source may give again what it gave, after an iterator was renewed or a file looked at anew.
            let is_repeated = before.as_ref().is_some_and(|passed| position < passed);
            let stretch = track.restored.partition_point(|(_, last)| last < position);
            let is_finished = track.restored.get(stretch).is_some_and(|(first, _)| first <= position);
            if is_repeated || is_finished {
                cx.counts.skipped += 1;
                // What a former life finished ahead of its watermark is passed like a filtered record, so
                // that the watermark moves over it.
                if !is_repeated {
                    track.open.pass(position.clone());
                }
                continue;
            }
            let lane = lane_of(&record.key, position, n_lanes);
            track.open.open(position.clone());
            cx.held_bytes += record.held_bytes();
            // Only while slices are refilled is the question asked: it costs a search for each record.
            let holder = track.lanes.get(lane).and_then(Lane::run).filter(|_| is_refilling);
            match holder.filter(|id| runs.waits_for(*id, idx, lane, position)) {
                Some(id) => {
                    cx.counts.restored += 1;
                    touched.push(lane);
                    refilled.extend(slot.take().map(|record| (id, lane, record)));
                }
                None => fresh.push((lane, at)),
            }
        }
        // Lane by lane: what is written one behind the other costs a fraction of what is strewn over all of
        // them.
        if n_lanes > 1 {
            fresh.sort_unstable();
        }
        for (lane, at) in fresh {
            let Some(record) = records[at as usize].take() else { continue };
            track.lanes.push(lane, Waiting { record, since: now });
            if touched.last() != Some(&lane) {
                touched.push(lane);
            }
        }
        if let Some(passed) = read.passed {
            track.passed =
                Some(track.passed.take().map_or_else(|| passed.clone(), |before| before.max(passed.clone())));
        }
        // The source dropped what lies before: those slices' records will never come.
        if let Some(passed) = &track.passed {
            track.restored.retain(|(_, last)| last >= passed);
        }
        track.is_at_end |= read.ended;
        let is_handed_over = cx.plan.window.as_ref().is_some_and(|it| it.is_handed_over);
        if track.is_at_end && is_handed_over {
            track.heir = read.heir.or_else(|| track.heir.take());
        }
        // W-3: a track without open records stands at `passed`.
        track.is_dirty |= track.open.first().is_none() && track.passed != before;
        // No further record fills a batch, so no lane need wait for one.
        if track.is_at_end {
            touched.extend(0..n_lanes);
        }
        touched.extend(in_windows);
        touched.sort_unstable();
        touched.dedup();
        self.touched = touched;
        track.refilling.retain(|id| runs.is_filling(*id));
        Effect::Refilled { records: refilled, batch_runs: track.refilling.clone() }
    }

    /// Whether all records of a slice that ends there were read again; one without records ends nowhere.
    pub(crate) fn is_filled(&self, idx: TrackIdx, last: &Position) -> bool {
        self.by_idx.get(idx).is_some_and(|track| {
            last.0.as_slice().is_empty()
                // What has not come by the end of its track was dropped by the source.
                || track.is_at_end
                || track.passed.as_ref().is_some_and(|passed| *passed > *last)
        })
    }

    pub(super) fn order_read(&mut self, idx: TrackIdx, runs: &Runs, cx: &mut Context) {
        if cx.is_closing() {
            return;
        }
        let Some(track) = self.by_idx.get(idx) else { return };
        if !track.may_read() {
            return;
        }
        let must_read = self.is_filling(track, runs);
        let n_waiting = track.lanes.n_waiting();
        // A read that could bring a few records only is not worth its order.
        let n_in_batches = self.n_in_batches(track, cx);
        let is_below = n_waiting + (n_in_batches / 4).max(1) <= n_in_batches
            || n_waiting <= cx.plan.waiting_min as usize / 2;
        let starved_since = self.room.forget(idx);
        // Slices of a former life are read for regardless of all limits: their lanes stand still until they
        // have their records.
        if !must_read && (!(is_below || track.lanes.is_any_idle()) || self.is_too_far_ahead(track, cx)) {
            return;
        }
        // Beyond what waits a track reads for lanes that have nothing, and only once what was read leaves
        // slots without work.
        if !must_read && !is_below && cx.former.is_any_ready() {
            self.hungry.insert(idx);
            return;
        }
        // One record may be larger than all of the memory: what holds nothing may always read.
        let is_out_of_room = cx.held_bytes >= cx.plan.held_bytes_max && cx.held_bytes > 0;
        if is_out_of_room && !must_read {
            self.wait_for_room(idx, starved_since.unwrap_or(cx.now.tick), runs, cx);
            return;
        }
        let wait = track.read_wait(cx);
        self.send_read(idx, wait, cx);
    }

    /// Too many finished records lie ahead of the watermark, or they take too much of a checkpoint.
    pub(super) fn is_too_far_ahead(&self, track: &Track, cx: &Context) -> bool {
        track.open.n_finished_ahead() >= cx.plan.ahead_max as usize
            || track.open.n_bytes_ahead() >= AHEAD_BYTES_MAX
    }

    /// Tracks that would read ahead do so once nothing that was read could start.
    pub(crate) fn feed_hungry(&mut self, runs: &Runs, cx: &mut Context) {
        if !self.hungry.is_empty() && !cx.former.is_any_ready() {
            let hungry = std::mem::take(&mut self.hungry);
            hungry.into_iter().for_each(|idx| self.order_read(idx, runs, cx));
        }
    }

    /// Two batches for each lane.
    fn n_in_batches(&self, track: &Track, cx: &Context) -> usize {
        cx.plan.batch.records_max.get().saturating_mul(2).saturating_mul(track.n_lanes()) as usize
    }

    pub(super) fn send_read(&mut self, idx: TrackIdx, wait: Duration, cx: &mut Context) {
        let Some(track) = self.by_idx.get(idx) else { return };
        let room_bytes = cx.plan.held_bytes_max.saturating_sub(cx.held_bytes);
        let n_waiting_max = self.n_in_batches(track, cx).max(cx.plan.waiting_min as usize);
        let room = n_waiting_max
            .saturating_sub(track.lanes.n_waiting())
            .max(cx.plan.batch.records_max.get() as usize);
        // Thousands of quiet tracks each with a read open would otherwise be promised a megabyte apiece.
        let bytes_max = if track.is_idle { READ_BYTES_IDLE } else { READ_BYTES_MAX };
        let id = ReadId(cx.next_id());
        let track = self.by_idx.get_mut(idx).expect("it was there above");
        track.reading = Reading::Open(id);
        self.reads.insert(id, idx);
        cx.actions.push_back(Action::Read(ReadOrder {
            id,
            track: Some(idx),
            records_max: u32::try_from(room).unwrap_or(u32::MAX).min(READ_RECORDS_MAX),
            bytes_max: bytes_max.min(room_bytes.max(1)),
            wait,
            lanes: track.n_lanes(),
        }));
    }

    /// Slices of a former life lack records. One that has them all may stand so for long behind a slice that
    /// is being tried.
    pub(super) fn is_filling(&self, track: &Track, runs: &Runs) -> bool {
        track.refilling.iter().flat_map(|id| runs.missing(*id)).any(|(idx, last)| !self.is_filled(idx, last))
    }
}
