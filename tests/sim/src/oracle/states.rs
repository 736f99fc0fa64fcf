//! N-9: what the machine tells people about a track is so.

use forebay_batcher::{Again, Machine, Position, Rule, TrackIdx, TrackState};

use super::{Closing, Entry, Oracle, Ownership, Violation, holds};

/// How long after its time a message that failed is waited for, and how long a machine may hear nothing
/// meanwhile.
const GRACE_US: u64 = 130_000_000;

impl Oracle {
    /// N-9: the state of each track that the living machine was given is so.
    pub(crate) fn n9_states_are_so(&self, machine: &Machine, now_us: u64) -> Result<(), Violation> {
        if self.closing != Closing::Open {
            return Ok(());
        }
        if self.is_queue {
            let state = machine.state(TrackIdx(0));
            let is_so = self
                .but_for_the_rate(&state, machine, now_us)
                .is_some_and(|state| self.is_so_of_queue(&state, now_us));
            return holds(Rule::N9, is_so, || format!("the queue is said to be {state:?}, and is not"));
        }
        for (track, owner) in &self.owners {
            let state = machine.state(*track);
            let plain = self.but_for_the_rate(&state, machine, now_us);
            let is_so = plain.is_some_and(|state| self.is_so(*track, owner, &state, machine, now_us));
            self.n9_what_waits_is_said(*track, owner, &state)?;
            if self.is_ending_a_window(owner) && state != TrackState::Unknown {
                // What the track is at is the end of a window, of which no record tells.
                continue;
            }
            holds(Rule::N9, is_so, || format!("{track:?} is said to be {state:?}, and is not: {owner:?}"))?;
        }
        Ok(())
    }

    fn is_so(
        &self,
        track: TrackIdx,
        owner: &Ownership,
        state: &TrackState,
        machine: &Machine,
        now_us: u64,
    ) -> bool {
        let is_alive = !owner.over && !owner.position_lost && !owner.told_ended;
        let open = || self.handed_of(track).map(|uid| &self.entries[uid]).filter(|entry| !entry.finished);
        let flights = || self.flights.values().filter(|flight| flight.owner_of.contains(&track.0));
        let is_calm = owner.commit_failing.is_none();
        // A batch of several tracks is told of on each of them, whichever its first records are of.
        let told = || {
            let tracks = self.owners.keys().filter(move |it| self.mixes_tracks || **it == track);
            tracks
                .flat_map(|it| self.handed_of(*it))
                .map(|uid| &self.entries[uid])
                .filter(|entry| !entry.finished)
        };
        match state {
            TrackState::Unknown => false,
            TrackState::Fenced => owner.over,
            TrackState::Closed => owner.over || owner.closed_until_us.is_some(),
            TrackState::PositionLost { .. } => owner.position_lost,
            TrackState::Ended => owner.told_ended,
            TrackState::StoreFailing { full, since } => {
                owner.commit_failing.is_some_and(|it| it.is_full == *full && it.since_us == since.0)
            }
            TrackState::DestinationRefuses { n_refused, since, next, .. } => {
                let is_it = |entry: &Entry| {
                    let is_due = entry.pause.until_us <= next.0 && next.0 <= entry.pause.due_us;
                    entry.n_refused == *n_refused && entry.refused_us == since.0 && !entry.noticing && is_due
                };
                is_alive && is_calm && told().any(is_it)
            }
            TrackState::Paused { n_batches, since, n_invokes, range: (first, last), .. } => {
                let waits_at = |place: &Position| {
                    told().any(|entry| {
                        entry.paused_since == Some(*since)
                            && entry.tried == *n_invokes
                            && self.truths[entry.uid as usize].position == *place
                    })
                };
                is_alive
                    && is_calm
                    && *n_batches > 0
                    && waits_at(first)
                    && waits_at(last)
                    && (self.mixes_tracks || first <= last)
            }
            TrackState::NotReached { since, .. } => {
                // A part of the same batch may have reached it meanwhile.
                let is_since = |at: u64| at == since.0 || (self.is_parted_by_age() && at <= since.0);
                is_alive && is_calm && told().any(|entry| entry.not_reached_us.is_some_and(is_since))
            }
            TrackState::Retrying { n_failures, since, next, .. } => {
                // Of what an operator had tried again it may be the first failure before or after.
                let is_since = |entry: &Entry| {
                    entry.failed_us == Some(since.0)
                        || entry.retried_us.is_some_and(|at| since.0 <= entry.failed_us.unwrap_or(at).max(at))
                };
                let is_it = |entry: &Entry| {
                    entry.begun && !entry.in_flight && entry.spent == *n_failures && is_since(entry)
                };
                is_alive
                    && is_calm
                    && told().any(is_it)
                    && (next.0 == 0 || next.0 <= now_us + self.longest_retry_us())
            }
            TrackState::Invoking { n_attempts, since, again } => {
                let n = flights().count();
                let first_us = flights().map(|flight| flight.since_us).min();
                let most = open().filter(|entry| entry.in_flight).map(|entry| entry.spent).max().unwrap_or(0);
                let is_again = |it: &Again| {
                    told().any(|entry| {
                        let is_since = entry.failed_us == Some(it.since.0)
                            || entry.retried_us.is_some_and(|_| it.since.0 <= now_us);
                        entry.in_flight && entry.spent == it.n_failures && is_since
                    })
                };
                is_alive
                    && is_calm
                    && again.as_ref().is_none_or(is_again)
                    && (self.mixes_tracks || *n_attempts as usize == n && first_us == Some(since.0))
                    && (self.mixes_tracks || again.as_ref().map_or(0, |it| it.n_failures) == most)
            }
            // What waits may be the end of a window, of which no record tells.
            TrackState::WaitingForSlot { .. } if self.has_open_window(owner) => is_alive && is_calm,
            TrackState::WindowOpen { .. } => {
                is_alive && is_calm && self.has_open_window(owner) && flights().next().is_none()
            }
            TrackState::WaitingForSlot { since, .. } => {
                is_alive
                    && is_calm
                    && flights().next().is_none()
                    && open().any(|entry| !entry.in_flight)
                    && since.0 <= now_us
                    && told().any(|entry| !entry.in_flight && entry.handed_us <= since.0)
                    && (self.mixes_tracks || since.0 <= self.waits_since_at_the_latest(track, owner))
            }
            TrackState::WritingBatch { since } => {
                is_alive
                    && is_calm
                    && self.plan().durable_cuts
                    && flights().next().is_none()
                    && open().any(|entry| !entry.in_flight)
                    && since.0 <= now_us
            }
            TrackState::Batching { until, n_records } => {
                let is_first = |entry: &Entry| !entry.begun && entry.handed_us + self.window_us() == until.0;
                let n_fresh = open().filter(|entry| !entry.begun).count();
                is_alive
                    && is_calm
                    && flights().next().is_none()
                    && open().any(is_first)
                    && *n_records as usize <= n_fresh
                    && *n_records > 0
            }
            TrackState::TooFarAhead { n_ahead, .. } => {
                is_alive
                    && is_calm
                    && *n_ahead as usize == self.n_ahead(track)
                    && *n_ahead >= self.plan().ahead_max
            }
            TrackState::OutOfRoom { held_bytes } => {
                is_alive
                    && is_calm
                    && *held_bytes == machine.held_bytes()
                    && *held_bytes >= self.plan().held_bytes_max
            }
            TrackState::SourceDown { since, next, .. } => {
                is_alive
                    && is_calm
                    && owner.read_failed_us == since.0
                    && owner
                        .read_pause
                        .is_some_and(|pause| pause.until_us <= next.0 && next.0 <= pause.due_us)
            }
            // It was judged by what it waits for.
            TrackState::RateLimited { .. } => false,
            // Only queues hide.
            TrackState::Hidden { .. } => false,
            TrackState::AllFiltered { n_records, since } => {
                is_alive
                    && is_calm
                    && owner.filtered == Some((*n_records, since.0))
                    && flights().next().is_none()
                    && (self.mixes_tracks || !self.waits_for_a_batch(track, now_us))
            }
            TrackState::NoRecords { since } => {
                let is_none = owner.filtered.is_none() && owner.none_since_us == since.0;
                is_alive
                    && is_calm
                    && is_none
                    && flights().next().is_none()
                    && (self.mixes_tracks || !self.waits_for_a_batch(track, now_us))
            }
        }
    }

    /// When at the latest something of a track began to wait for a slot, if it does: a window or a pause
    /// ended, or whatever else than a read happened last.
    fn waits_since_at_the_latest(&self, track: TrackIdx, owner: &Ownership) -> u64 {
        let firsts = self.firsts_of_lanes(track, owner);
        // What is told of a former life, or is given up, waits for more than a pause.
        let ripe = firsts
            .iter()
            .map(|entry| if !entry.begun { entry.handed_us + self.window_us() } else { entry.pause.due_us });
        // Where nobody knows the limits of a batch nobody knows its pauses.
        let is_known = |entry: &&Entry| !entry.restored && (!entry.begun || entry.limits.is_some());
        let is_known = !firsts.is_empty() && firsts.iter().all(is_known) && !self.has_expired;
        if is_known { ripe.max().unwrap_or(u64::MAX).max(self.stirred_us) } else { u64::MAX }
    }

    /// The longest that a retry may wait: a minute, or what a function may ask for.
    fn longest_retry_us(&self) -> u64 {
        if self.plans.iter().any(|plan| plan.retry.item_actions) { 900_000_000 } else { 60_000_000 }
    }

    /// A record that nothing gave up waits for its batch.
    fn waits_for_a_batch(&self, track: TrackIdx, now_us: u64) -> bool {
        let mut open = self.handed_of(track).filter(|uid| !self.entries[*uid].finished);
        let is_given_up = |uid: usize| {
            self.entries[uid].begun || self.may_be_given_up(&self.entries[uid], &self.truths[uid], now_us)
        };
        open.clone().next().is_some() && !open.any(is_given_up)
    }

    /// The same for a queue, whose messages lapse as the machine believes: judged is what it was told itself.
    fn is_so_of_queue(&self, state: &TrackState, now_us: u64) -> bool {
        let is_void = self.entries.iter().any(|entry| entry.life == self.life && entry.void);
        match state {
            TrackState::Hidden { n_messages, since, next, .. } => {
                let hidden = || self.hidden(now_us);
                let is_it = |entry: &Entry| {
                    entry.left_us == Some(since.0) && next.is_none_or(|next| next.0 <= shown_us(entry))
                };
                is_void || (hidden().any(is_it) && *n_messages as usize <= hidden().count())
            }
            // What a channel that died had on its way is not counted.
            TrackState::AllFiltered { n_records, since } => {
                is_void || self.filtered == Some((*n_records, since.0))
            }
            TrackState::NoRecords { since } => {
                self.none_since_us == since.0 && (is_void || self.filtered.is_none())
            }
            TrackState::SourceDown { since, next, .. } => {
                self.receive_failed_us == since.0
                    && self.receive_pause.is_some_and(|it| it.until_us <= next.0 && next.0 <= it.due_us)
            }
            TrackState::NotReached { since, .. } => {
                self.of_life().any(|entry| entry.not_reached_us == Some(since.0))
            }
            TrackState::DestinationRefuses { n_refused, since, .. } => {
                self.of_life().any(|entry| entry.n_refused == *n_refused && entry.refused_us == since.0)
            }
            TrackState::Retrying { n_failures, since, .. } => {
                self.of_life().any(|entry| entry.spent == *n_failures && entry.failed_us == Some(since.0))
            }
            TrackState::Invoking { since, .. } => {
                self.flights.values().map(|flight| flight.since_us).min() == Some(since.0)
            }
            TrackState::WaitingForSlot { since, .. } => {
                let is_it = |entry: &Entry| {
                    if entry.begun { entry.handed_us <= since.0 } else { entry.handed_us == since.0 }
                };
                since.0 <= now_us && self.of_life().any(|entry| !entry.asked && is_it(entry))
            }
            TrackState::Batching { .. } => self.of_life().any(|entry| !entry.asked),
            TrackState::Unknown
            | TrackState::Fenced
            | TrackState::Closed
            | TrackState::Ended
            | TrackState::PositionLost { .. }
            | TrackState::StoreFailing { .. }
            | TrackState::Paused { .. }
            | TrackState::TooFarAhead { .. }
            | TrackState::WindowOpen { .. }
            | TrackState::OutOfRoom { .. }
            | TrackState::WritingBatch { .. }
            | TrackState::RateLimited { .. } => false,
        }
    }

    /// Messages that failed in this life, did not come again, and may still do so.
    fn hidden(&self, now_us: u64) -> impl Iterator<Item = &Entry> {
        let of_life = &self.entries[self.first_of_life..];
        let is_last = move |at: usize, entry: &Entry| {
            let came =
                |other: &Entry| other.uid == entry.uid && other.held && Some(other.handed_us) > entry.left_us;
            !of_life[at + 1..].iter().any(came)
        };
        let comes_again = move |entry: &Entry| {
            let next_us = if shown_us(entry) == u64::MAX { entry.left_us } else { Some(shown_us(entry)) };
            entry.left_us.is_some() && next_us.is_some_and(|next_us| next_us + GRACE_US >= now_us)
        };
        of_life
            .iter()
            .enumerate()
            .filter(move |(at, entry)| comes_again(entry) && is_last(*at, entry))
            .map(|(_, entry)| entry)
    }

    fn of_life(&self) -> impl Iterator<Item = &Entry> {
        self.entries[self.first_of_life..].iter().filter(|entry| entry.held)
    }
}

/// When a message that was left is shown again at the latest: when its visibility ends, or when the function
/// asked for it.
fn shown_us(entry: &Entry) -> u64 {
    let asked_us = entry.left_us.zip(entry.asked_us).map_or(0, |(left_us, asked_us)| left_us + asked_us);
    if asked_us > 0 { asked_us.max(entry.believed_most_us) } else { entry.believed_most_us }
}
