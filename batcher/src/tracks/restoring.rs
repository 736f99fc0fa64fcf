//! A track begins: from nothing, or from what a former life left open.

use super::*;

impl Machine {
    pub(crate) fn assign_track(&mut self, idx: TrackIdx, mut from: Checkpoint) {
        // W-2: the source dropped the records of a slice that lies below the watermark before they were read again.
        if let Watermark::At(watermark) = &from.watermark {
            from.slices.retain(|slice| slice.last >= *watermark);
        }
        let n_lanes = if from.slices.is_empty() { self.plan.lanes.get() } else { from.lanes };
        let mut track = Track::new(&from, n_lanes, self.now.tick);
        track.committing.durable = self.mark;
        let is_ended = from.ended;
        // What was read for a former life is not for this one.
        if let Some(Reading::Open(read)) = self.tracks.by_idx.get(idx).map(|former| &former.reading) {
            self.tracks.reads.remove(read);
        }
        self.tracks.draining.remove(&idx);
        self.tracks.by_idx.insert(idx, track);
        let mut slices = from.slices;
        slices.sort_by(|a, b| a.first.cmp(&b.first));
        for slice in slices {
            self.restore_slice(idx, slice);
        }
        if is_ended {
            self.actions.push_back(Action::Ended(idx));
            return;
        }
        for id in self.chains_of(idx) {
            self.advance(id);
        }
        self.pump_track(idx);
    }

    pub(super) fn restore_slice(&mut self, idx: TrackIdx, slice: OpenSlice) {
        let not_before = self.now.tick.after(delay_until(slice.not_before, self.now));
        let lane = slice.lane;
        let limits = crate::attempt::Limits {
            retries_max: slice.retries_max,
            record_age_max: slice.record_age_max_ms.map(Duration::from_millis),
            bisect: slice.bisect,
            ..crate::attempt::Limits::of(&self.plan.retry)
        };
        let Some(held) = self.lane_mut(idx, lane).map(|lane| lane.chain()) else { return };
        let id = match held {
            Some(id) => id,
            None => {
                let mut chain = Chain::new(limits);
                chain.failing_since = Some(self.now.tick);
                chain.holds.push(Hold::Lane(idx, lane));
                let id = self.add_chain(chain);
                let track = self.tracks.by_idx.get_mut(idx).expect("it was there above");
                track.lanes.hold(lane, id);
                track.lanes.tell(id);
                track.refilling.push(id);
                id
            }
        };
        let what = What::Filling(Filling { track: idx, slice, not_before, records: Vec::new() });
        self.chains.get_mut(id).expect("a lane's chain exists").steps.push_back(Step { what, mark: 0 });
    }
}

/// What is left of a delay that was kept as wall-clock time; a clock that jumped stretches it to the longest backoff at most.
fn delay_until(not_before: UnixMillis, now: Now) -> Duration {
    now.unix.age(not_before).min(crate::backoff::DELAY_MAX)
}
