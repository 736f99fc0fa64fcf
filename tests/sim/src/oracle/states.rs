//! N-9: what the machine tells people about a track is so.

use forebay_batcher::{Machine, Rule, TrackIdx, TrackState};

use super::{Closing, Oracle, Ownership, Violation, holds};

impl Oracle {
    /// N-9: the state of each track that the living machine was given is so.
    pub(crate) fn n9_states_are_so(&self, machine: &Machine, now_us: u64) -> Result<(), Violation> {
        if self.is_queue || self.closing != Closing::Open {
            return Ok(());
        }
        for (track, owner) in &self.owners {
            let state = machine.state(*track);
            let is_so = self.is_so(*track, owner, &state, machine, now_us);
            holds(Rule::N9, is_so, || format!("{track:?} is said to be {state:?}, and is not: {owner:?}"))?;
        }
        Ok(())
    }

    fn is_so(&self, track: TrackIdx, owner: &Ownership, state: &TrackState, machine: &Machine, now_us: u64) -> bool {
        let is_alive = !owner.over && !owner.position_lost && !owner.told_ended;
        let open = || self.handed_of(track).map(|uid| &self.entries[uid]).filter(|entry| !entry.finished);
        let flights = || self.flights.values().filter(|flight| flight.owner_of.contains(&track.0));
        let is_calm = owner.commit_failing.is_none();
        match state {
            TrackState::Unknown => false,
            TrackState::Fenced | TrackState::Closed => owner.over,
            TrackState::PositionLost { .. } => owner.position_lost,
            TrackState::Ended => owner.told_ended,
            TrackState::StoreFailing { full, .. } => owner.commit_failing.is_some_and(|(_, is_full, _)| is_full == *full),
            TrackState::DestinationRefuses { n_refused, next, .. } => {
                let is_it = |entry: &super::Entry| {
                    entry.n_refused == *n_refused && !entry.noticing && entry.pause.until_us <= next.0 && next.0 <= entry.pause.due_us
                };
                is_alive && is_calm && (open().any(is_it) || self.mixes_tracks)
            }
            TrackState::NotReached { .. } => is_alive && is_calm && open().any(|entry| entry.begun),
            TrackState::Retrying { n_failures, next, .. } => {
                is_alive
                    && is_calm
                    && (self.mixes_tracks || open().any(|entry| entry.begun && !entry.in_flight && entry.spent == *n_failures))
                    && (next.0 == 0 || next.0 <= now_us + 60_000_000)
            }
            TrackState::Invoking { n_attempts, again, .. } => {
                let n = flights().count();
                let most = open().filter(|entry| entry.in_flight).map(|entry| entry.spent).max().unwrap_or(0);
                is_alive
                    && is_calm
                    && (self.mixes_tracks || *n_attempts as usize == n)
                    && (self.mixes_tracks || again.as_ref().map_or(0, |it| it.n_failures) == most)
            }
            TrackState::WaitingForSlot { .. } => is_alive && is_calm && flights().next().is_none() && open().any(|entry| !entry.in_flight),
            TrackState::Batching { until, n_records } => {
                let is_first = |entry: &super::Entry| !entry.begun && entry.handed_us + self.batch_window_us() == until.0;
                let n_fresh = open().filter(|entry| !entry.begun).count();
                is_alive
                    && is_calm
                    && flights().next().is_none()
                    && open().any(is_first)
                    && *n_records as usize <= n_fresh
                    && *n_records > 0
            }
            TrackState::TooFarAhead { n_ahead, .. } => {
                is_alive && is_calm && *n_ahead as usize == self.n_ahead(track) && *n_ahead >= self.plan().ahead_max
            }
            TrackState::OutOfRoom { held_bytes } => {
                is_alive && is_calm && *held_bytes == machine.held_bytes() && *held_bytes >= self.plan().held_bytes_max
            }
            TrackState::SourceDown { next, .. } => {
                is_alive && is_calm && owner.read_pause.is_some_and(|pause| pause.until_us <= next.0 && next.0 <= pause.due_us)
            }
            // Only queues hide.
            TrackState::Hidden { .. } => false,
            TrackState::AllFiltered { n_records, since } => {
                is_alive
                    && is_calm
                    && *n_records > 0
                    && since.0 <= now_us
                    && flights().next().is_none()
                    && (self.mixes_tracks || !self.waits_for_a_batch(track, now_us))
            }
            TrackState::NoRecords { .. } => {
                is_alive && is_calm && flights().next().is_none() && (self.mixes_tracks || !self.waits_for_a_batch(track, now_us))
            }
        }
    }

    /// A record that nothing gave up waits for its batch.
    fn waits_for_a_batch(&self, track: TrackIdx, now_us: u64) -> bool {
        let mut open = self.handed_of(track).filter(|uid| !self.entries[*uid].finished);
        let is_given_up = |uid: usize| self.entries[uid].begun || self.may_be_given_up(&self.entries[uid], &self.truths[uid], now_us);
        open.clone().next().is_some() && !open.any(is_given_up)
    }

    fn batch_window_us(&self) -> u64 {
        u64::try_from(self.plan().batch.window.as_micros()).expect("windows are short")
    }
}
