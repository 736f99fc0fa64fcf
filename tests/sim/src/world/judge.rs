//! The end of a run: all is done, a fresh record goes through, and the books are right.

use forebay_batcher::{Position, Rule, TrackIdx, Watermark};

use super::{Phase, World};
use crate::oracle::{Violation, holds};

impl World {
    /// The run is over; or it breaks L-1.
    pub(super) fn is_over(&mut self) -> Result<bool, Violation> {
        if self.phase == Phase::Safety {
            return Ok(false);
        }
        let seconds = (self.now_us - self.healed_us) / 1_000_000;
        holds(Rule::L1, seconds < self.bound_seconds(), || {
            format!("not done {seconds} s after the heal; {}", self.whereabouts())
        })?;
        if !self.is_done() {
            return Ok(false);
        }
        if self.phase == Phase::Heal {
            self.phase = Phase::Fresh;
            self.send_fresh();
            return Ok(false);
        }
        self.judge()?;
        Ok(true)
    }

    /// One more record for each track, or for the queue.
    fn send_fresh(&mut self) {
        if self.oracle.is_queue {
            self.send(1);
            return;
        }
        for track in 0..self.tracks.len() {
            if !self.tracks[track].log.is_ended() {
                self.append(track, 1);
            }
        }
    }

    fn is_done(&mut self) -> bool {
        if self.machine.is_none() {
            return false;
        }
        self.heal_by_now();
        if self.oracle.is_queue {
            return self.queue.queue.n_waiting() == 0;
        }
        if !self.changed {
            return false;
        }
        self.changed = false;
        (0..self.tracks.len()).all(|track| self.is_track_done(track))
    }

    /// The durable checkpoint stands behind the last record, and nothing is open below.
    fn is_track_done(&self, track: usize) -> bool {
        let source = &self.tracks[track];
        if !source.started || (source.log.is_ended() && !source.finished) {
            return false;
        }
        let Some(durable) = &self.store.synced[track] else {
            // What another track left it is not kept of it before its first checkpoint.
            return source.log.items().is_empty() && !self.oracle.has_open_book(track);
        };
        let end = match &durable.watermark {
            Watermark::Origin(origin) => {
                forebay_models::stream::Log::<u32>::origin_idx(origin) >= source.log.items().len()
            }
            Watermark::At(watermark) => self.is_behind_all(track, watermark),
        };
        // Those that go on in another track are open there.
        let own = durable.windows.iter().filter(|it| it.heir.is_none());
        let is_any_open = own.flat_map(|it| &it.lanes).any(|it| it.open.is_some());
        end && durable.slices.is_empty() && durable.finished.is_empty() && !is_any_open
    }

    fn is_behind_all(&self, track: usize, watermark: &Position) -> bool {
        self.tracks[track].log.items().last().is_none_or(|last| last.position < *watermark)
    }

    fn judge(&mut self) -> Result<(), Violation> {
        let faults = &self.options.faults;
        let receives_get_lost = self.options.n_keys > 0
            || self.life > 1
            || faults.repeat
                + faults.extend_failed
                + faults.settle_failed
                + faults.settle_unheard
                + faults.channel_dies
                > 0
            || faults.receive_late
                + faults.receive_unheard
                + faults.extend_late
                + faults.extend_unheard
                + faults.extend_never
                > 0
            || faults.left_out + faults.stall + faults.settle_late > 0;
        self.oracle.w2_every_record_is_finished(receives_get_lost)?;
        self.oracle.e2_every_decision_is_told()?;
        self.oracle.a3_windows_sum_up_to_what_was_finished()?;
        if self.pure {
            self.oracle.r3_the_destination_gets_exactly_the_poison()?;
            self.oracle.r3_poison_costs_a_bounded_number_of_calls(self.n_extra_calls)?;
        }
        if let Some(machine) = &self.machine
            && self.oracle.flights.is_empty()
        {
            self.oracle.n5_the_counts_add_up(&machine.counts(), true)?;
            let is_sure = !self.oracle.is_queue || !self.oracle.holds_messages();
            holds(Rule::N1, machine.held_bytes() == 0 || !is_sure, || {
                format!("{} bytes are held, and all is done", machine.held_bytes())
            })?;
        }
        Ok(())
    }

    /// Five times the longest timer, and room for each record that is poison.
    fn bound_seconds(&self) -> u64 {
        let n_records = self.oracle.truths.len() as u64;
        let visibility = self.visibility_us().unwrap_or(0) / 1_000_000;
        let hidden = visibility.max(self.options.retry_after.map_or(0, |after| after.as_secs()));
        let per_record = 30 + 2 * hidden * u64::from(self.options.receives_max.unwrap_or(1));
        let stubborn = if self.options.stubborn == crate::options::Stubborn::Nothing { 0 } else { 10_000 };
        // With ramps and retries a record a second is a hundred of a slow one.
        let limited =
            if self.oracle.plans.iter().any(|plan| plan.rate.is_some()) { 100 * n_records } else { 0 };
        let asked = if self.oracle.plans.iter().any(|plan| plan.retry.item_actions) {
            1000 + 100 * n_records
        } else {
            0
        };
        // An operator has it tried again now and then, and takes his time each time.
        let decided = if self.options.decides_max_ms > 0 { 1000 + 100 * n_records } else { 0 };
        let windows = self.oracle.plans.iter().filter_map(|plan| plan.window.as_ref());
        // Lanes that change, and tracks that end, wait for one after the other.
        let windows = windows.map(|it| 10 * (it.tumbling + it.quiet).as_secs() + 600).max().unwrap_or(0);
        600 + windows + n_records * per_record + stubborn + limited + asked + decided
    }

    pub(super) fn stuck(&self, what: &str) -> Violation {
        Violation { rule: Rule::L1, what: format!("{what}; {}", self.whereabouts()) }
    }

    /// Where the machine says it is, for a run that does not end.
    pub(super) fn whereabouts(&self) -> String {
        let Some(machine) = &self.machine else { return "no machine runs".to_owned() };
        let owners: Vec<TrackIdx> =
            if self.oracle.is_queue { vec![TrackIdx(0)] } else { self.owners.keys().copied().collect() };
        let states: Vec<String> =
            owners.iter().map(|owner| format!("{}: {:?}", owner.0, machine.state(*owner))).collect();
        format!(
            "now {} us, wakes {:?}, quiet {}, {} reads open, {} messages wait, states {states:?}",
            self.now_us,
            machine.poll_timeout(),
            machine.is_quiet(),
            self.reads.len(),
            self.queue.queue.n_waiting()
        )
    }
}
