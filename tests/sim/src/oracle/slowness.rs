//! S-1, S-3, S-4, S-5: nothing waits that could go on, and nothing goes on too soon.

use forebay_batcher::lanes::lane_of;
use forebay_batcher::{CommitId, OrderKey, Read, Receives, Rule, TrackIdx};

use super::ownership::{CommitFailing, order_key};
use super::truth::{Entry, OURS_FIRST_MS, Pause};
use super::{Oracle, Ownership, Violation, holds};

const SECOND_US: u64 = 1_000_000;
const LANES_MAX: usize = 16;

/// What the machine asks for just now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    pub(crate) now_us: u64,
    /// Slots that it wants.
    pub(crate) want: u32,
    /// The gate would grant a slot at once.
    pub(crate) has_free_slot: bool,
}

/// What is known of a lane: what stands first on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Empty,
    /// A batch of it is out, or waits for something else than a slot.
    Busy,
    /// This should have been tried by then.
    Due(u64, u32),
}

impl Oracle {
    /// S-1: with a free slot nothing waits that could be tried: the machine wants a slot for each lane that
    /// has something due.
    pub(crate) fn s1_nothing_waits_beside_a_free_slot(&self, demand: Demand) -> Result<(), Violation> {
        if !demand.has_free_slot {
            return Ok(());
        }
        let mut n_due = 0;
        let mut worst = (u64::MAX, 0);
        let mut count = |due_us: u64, uid: u32| {
            let due_us = due_us.max(self.rate_opens_us());
            if due_us.saturating_add(SECOND_US) < demand.now_us {
                n_due += 1;
                worst = worst.min((due_us, uid));
            }
        };
        if self.is_queue {
            self.due_of_queue(demand.now_us).into_iter().for_each(|(due_us, uid)| count(due_us, uid));
        } else {
            let may_go_on = |owner: &Ownership| {
                !owner.over
                    && !owner.position_lost
                    && owner.closed_until_us.is_none()
                    && owner.commit_failing.is_none()
            };
            for (track, owner) in self.owners.iter().filter(|(_, owner)| may_go_on(owner)) {
                self.due_of_track(*track, owner, demand.now_us)
                    .into_iter()
                    .for_each(|(due_us, uid)| count(due_us, uid));
                let ends = self.ends_due(*track, owner, demand.now_us);
                ends.into_iter().for_each(|due_us| count(due_us, u32::MAX));
            }
        }
        // What is left of a mixed batch takes one slot for all of its lanes; within a rate limit one starts
        // after the other.
        let n_needed = if self.mixes_tracks || self.plan().rate.is_some() { n_due.min(1) } else { n_due };
        holds(Rule::S1, n_needed <= demand.want, || {
            let (due_us, uid) = worst;
            format!(
                "{n_due} batches could be tried, record {uid} since {due_us} us, and the machine wants {} slots",
                demand.want
            )
        })
    }

    /// When the first message that nothing holds back should have been tried. How they make batches is the
    /// machine's part.
    fn due_of_queue(&self, now_us: u64) -> Option<(u64, u32)> {
        let holds_group =
            |entry: &Entry| entry.begun && !entry.finished && !entry.asked && entry.life == self.life;
        let held = self.entries.iter().filter(|entry| {
            entry.life == self.life && entry.held && !entry.begun && is_open(entry) && !entry.asked
        });
        // One that has lapsed, as the machine knows or will find, is another's.
        let held = held.filter(|entry| !entry.lost && !entry.excused && entry.believed_us > now_us);
        let window_us = self.window_us();
        held.map(|entry| (entry, entry.handed_us + window_us))
            .find(|(entry, _)| {
                let group = self.truths[entry.uid as usize].key;
                group.is_none()
                    || !self
                        .entries
                        .iter()
                        .any(|other| holds_group(other) && self.truths[other.uid as usize].key == group)
            })
            .map(|(entry, due_us)| (due_us, entry.uid))
    }

    /// What stands first on each lane of a track and should have been tried by now. Of the numbers of lanes
    /// that it may have the one counts by which least is due.
    fn due_of_track(&self, track: TrackIdx, owner: &Ownership, now_us: u64) -> Vec<(u64, u32)> {
        let numbers = self.numbers_of_lanes(owner);
        if numbers.len() > 1 && self.plan().window.is_some() {
            // A window that has begun goes on, and what waits behind its end waits for the other lanes, too.
            return Vec::new();
        }
        // A fresh cut that is to last waits for the commit that says so.
        if self.plan().durable_cuts && self.is_commit_open(track) {
            return Vec::new();
        }
        let since_us = owner.commits_us.max(owner.filled_us);
        let Some(since_us) = (if numbers.len() == 1 {
            Some(since_us)
        } else {
            self.lanes_awake(owner).map(|at| at.max(since_us))
        }) else {
            return Vec::new();
        };
        let due = |n_lanes: &u32| {
            let mut due = self.due_by_lanes((track, owner), *n_lanes, since_us, now_us);
            due.retain(|(due_us, _)| due_us.saturating_add(SECOND_US) < now_us);
            due
        };
        numbers.iter().map(due).min_by_key(Vec::len).unwrap_or_default()
    }

    fn is_commit_open(&self, track: TrackIdx) -> bool {
        self.commits.values().any(|(of, _)| *of == track) || self.unsynced.keys().any(|(of, _)| *of == track)
    }

    /// The ends of windows that nothing holds back, and when they should have been tried.
    fn ends_due(&self, track: TrackIdx, owner: &Ownership, now_us: u64) -> Vec<u64> {
        let numbers = self.numbers_of_lanes(owner);
        if numbers.len() > 1 || self.is_filling(track) {
            return Vec::new();
        }
        self.due_windows((track, owner), owner.commits_us.max(owner.filled_us), now_us)
    }

    /// The numbers of lanes that a track may have.
    pub(super) fn numbers_of_lanes(&self, owner: &Ownership) -> Vec<u32> {
        let mut numbers = vec![owner.first_lanes];
        for plan in &self.plans[owner.first_plan..] {
            if !numbers.contains(&plan.lanes.get()) {
                numbers.push(plan.lanes.get());
            }
        }
        numbers
    }

    /// The first open records of the lanes of a track; none where nobody knows how many lanes it has.
    pub(super) fn firsts_of_lanes(&self, track: TrackIdx, owner: &Ownership) -> Vec<&Entry> {
        let numbers = self.numbers_of_lanes(owner);
        let [n_lanes] = numbers[..] else { return Vec::new() };
        let mut lanes = [false; LANES_MAX];
        let is_first = |uid: &usize| {
            let truth = &self.truths[*uid];
            let lane = lane_of(&truth.key.map_or(OrderKey::Free, order_key), &truth.position, n_lanes);
            !std::mem::replace(&mut lanes[lane as usize % LANES_MAX], true)
        };
        let open = self.handed_of(track).filter(|uid| !self.entries[*uid].finished);
        open.filter(is_first).map(|uid| &self.entries[uid]).collect()
    }

    /// Since when no lane waits for a change of their number: while something was tried and is open they go
    /// on as they are, and where nothing has begun they change at once. `None` while they may wait.
    fn lanes_awake(&self, owner: &Ownership) -> Option<u64> {
        let open = self.by_track[owner.source]
            .get(owner.first_open..)
            .unwrap_or_default()
            .iter()
            .map(|uid| &self.entries[*uid as usize]);
        let open = open.filter(|entry| !entry.finished && entry.handed);
        let in_retry = open.clone().filter_map(|entry| entry.failed_us).min();
        // What is left of a batch after its expired records were split off holds its lane, though nothing of
        // it has begun; so does what is cut and not durable yet.
        let may_be_split =
            self.plan().durable_cuts || self.plans.iter().any(|plan| plan.retry.record_age_max.is_some());
        in_retry.or_else(|| (!may_be_split && !open.clone().any(|entry| entry.begun)).then_some(0))
    }

    /// What stands first on each of so many lanes, and when it should have been tried.
    fn due_by_lanes(
        &self,
        (track, owner): (TrackIdx, &Ownership),
        n_lanes: u32,
        since_us: u64,
        now_us: u64,
    ) -> Vec<(u64, u32)> {
        let mut lanes = [Lane::Empty; LANES_MAX];
        let window_us = self.window_us();
        let is_filling = owner
            .restored_last
            .as_ref()
            .is_some_and(|last| owner.passed.as_ref().is_none_or(|passed| passed <= last));
        // W-4: a retry waits for the sync of its count, which the store does in its own time.
        let waits_for_sync = self.waits_for_sync(track);
        for uid in self.by_track[owner.source].get(owner.first_open..).unwrap_or_default() {
            let (entry, truth) = (&self.entries[*uid as usize], &self.truths[*uid as usize]);
            let is_missing = entry.restored && !entry.handed && !entry.finished && is_filling;
            if !is_missing && (!entry.handed || !is_open(entry)) {
                continue;
            }
            let key = truth.key.map_or(OrderKey::Free, order_key);
            let number = lane_of(&key, &truth.position, n_lanes);
            let lane = &mut lanes[number as usize % LANES_MAX];
            // What is given up goes to a destination first.
            let is_busy = self.waits_for_a_window(owner, number, truth)
                || self.may_be_given_up(entry, truth, now_us)
                || is_missing
                || entry.in_flight
                || entry.noticing
                || (entry.begun && waits_for_sync)
                // Where nobody knows the limits of a batch nobody knows its pauses.
                || (entry.begun && (is_filling || self.mixes_tracks || entry.limits.is_none()));
            *lane = match *lane {
                _ if is_busy => Lane::Busy,
                Lane::Empty if entry.begun => Lane::Due(entry.pause.due_us.max(since_us), *uid),
                Lane::Empty => Lane::Due((entry.handed_us + window_us).max(since_us), *uid),
                Lane::Due(due_us, uid) => Lane::Due(due_us, uid),
                Lane::Busy => Lane::Busy,
            };
        }
        let due = lanes
            .into_iter()
            .filter_map(|lane| if let Lane::Due(due_us, uid) = lane { Some((due_us, uid)) } else { None });
        due.collect()
    }

    /// A checkpoint of it is written and not synced.
    pub(super) fn waits_for_sync(&self, track: TrackIdx) -> bool {
        self.unsynced.range((track, CommitId(0))..).next().is_some_and(|((other, _), _)| *other == track)
    }

    pub(super) fn may_be_given_up(&self, entry: &Entry, truth: &super::Truth, now_us: u64) -> bool {
        let is_old = self.plans.iter().any(|plan| {
            let age_max =
                plan.retry.record_age_max.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
            age_max.is_some_and(|max| self.clock_steps || self.unix_of(now_us) - truth.arrival.0 > max)
        });
        let is_spent =
            entry.limits.is_some_and(|limits| limits.retries_max.is_some_and(|max| entry.spent > max));
        let is_large = self
            .plans
            .iter()
            .any(|plan| plan.envelope_bytes + u64::from(truth.n_bytes) + 12 > plan.batch.bytes_max);
        entry.rejected
            || is_old
            || is_spent
            || is_large
            || entry.too_large
            || entry.given_up
            || entry.n_refused > 0
    }

    /// The wall clock where it does not step.
    fn unix_of(&self, now_us: u64) -> i64 {
        super::UNIX_START_MS + i64::try_from(now_us / 1000).unwrap_or(0)
    }

    pub(super) fn window_us(&self) -> u64 {
        u64::try_from(self.plan().batch.window.as_micros()).expect("windows are short")
    }

    /// S-3: what failed is asked again: reads, commits, notices.
    pub(crate) fn s3_what_failed_is_asked_again(
        &self,
        now_us: u64,
        has_room: bool,
        is_read: impl Fn(Option<TrackIdx>) -> bool,
    ) -> Result<(), Violation> {
        let is_late = |pause: Pause| pause.due_us + SECOND_US < now_us;
        if let Some(pause) = self.receive_pause {
            holds(Rule::S3, !is_late(pause) || is_read(None) || self.holds_messages(), || {
                format!("{} receives failed and none follows", self.n_receive_failed)
            })?;
        }
        for (track, owner) in self.owners.iter().filter(|(_, owner)| !owner.over && !owner.position_lost) {
            if let Some(CommitFailing { n, pause, .. }) = owner.commit_failing {
                let is_open =
                    self.commits.values().any(|(other, _)| other == track) || self.waits_for_sync(*track);
                holds(Rule::S3, !is_late(pause) || is_open, || {
                    format!("{n} commits of {track:?} failed and none follows")
                })?;
            } else if let Some(pause) = owner.read_pause.filter(|_| owner.closed_until_us.is_none()) {
                let late = is_late(pause)
                    && owner.commits_us + SECOND_US < now_us
                    && has_room
                    && !self.has_open(*track);
                holds(Rule::S3, !late || is_read(Some(*track)), || {
                    format!("{} reads of {track:?} failed and none follows", owner.n_read_failed)
                })?;
            }
            // What is left of a batch of a closed track waits until that is let go.
            let is_closed =
                |other: &TrackIdx| (other == track || self.mixes_tracks) && self.is_closed(*other);
            if self.owners.keys().any(is_closed) {
                continue;
            }
            for uid in self.handed_of(*track) {
                let entry = &self.entries[uid];
                let is_waiting = entry.n_refused > 0
                    && !entry.noticing
                    && !entry.finished
                    && owner.commit_failing.is_none();
                let late = is_waiting && is_late(entry.pause) && owner.commits_us + SECOND_US < now_us;
                holds(Rule::S3, !late, || {
                    format!("record {uid} was refused {} times and is not told again", entry.n_refused)
                })?;
            }
        }
        Ok(())
    }

    /// S-5: nothing is tried or told again before its pause is over.
    pub(crate) fn s5_pauses_are_kept(
        &self,
        entries: &[usize],
        now_us: u64,
        what: &str,
    ) -> Result<(), Violation> {
        for entry in entries.iter().map(|entry| &self.entries[*entry]) {
            holds(Rule::S5, entry.pause.until_us <= now_us, || {
                format!(
                    "record {} is {what} again after {} failures, {} us too soon",
                    entry.uid,
                    entry.spent,
                    entry.pause.until_us - now_us
                )
            })?;
        }
        Ok(())
    }

    /// S-5: nothing is read before the pause after a failure is over.
    pub(crate) fn s5_a_read_waits(&self, track: Option<TrackIdx>, now_us: u64) -> Result<(), Violation> {
        let pause = match track {
            Some(track) => self.owners.get(&track).and_then(|owner| owner.read_pause),
            None => self.receive_pause,
        };
        holds(Rule::S5, pause.is_none_or(|pause| pause.until_us <= now_us), || {
            format!("a read of {track:?} within the pause {pause:?}")
        })
    }

    /// S-5: nothing is committed before the pause after a failure is over.
    pub(crate) fn s5_a_commit_waits(&self, track: TrackIdx, now_us: u64) -> Result<(), Violation> {
        let pause =
            self.owners.get(&track).and_then(|owner| owner.commit_failing).map(|failing| failing.pause);
        holds(Rule::S5, pause.is_none_or(|pause| pause.until_us <= now_us), || {
            format!("a commit of {track:?} within the pause {pause:?}")
        })
    }

    /// A read failed; the source may have asked for a time.
    pub(crate) fn hear_of_a_failed_read(
        &mut self,
        track: Option<TrackIdx>,
        asked_us: Option<u64>,
        now_us: u64,
    ) {
        let (n, pause) = match track.map(|track| self.owners.get_mut(&track)) {
            Some(Some(owner)) => {
                owner.read_failed_us = if owner.n_read_failed == 0 { now_us } else { owner.read_failed_us };
                (&mut owner.n_read_failed, &mut owner.read_pause)
            }
            Some(None) => return,
            None => {
                self.receive_failed_us =
                    if self.n_receive_failed == 0 { now_us } else { self.receive_failed_us };
                (&mut self.n_receive_failed, &mut self.receive_pause)
            }
        };
        *pause =
            Some(asked_us.map_or_else(
                || Pause::after(now_us, OURS_FIRST_MS, *n),
                |span_us| Pause::of(now_us, span_us),
            ));
        *n += 1;
    }

    /// A read brought something, if only nothing.
    pub(crate) fn hear_of_a_read(&mut self, track: Option<TrackIdx>) {
        match track.map(|track| self.owners.get_mut(&track)) {
            Some(Some(owner)) => (owner.n_read_failed, owner.read_pause) = (0, None),
            Some(None) => {}
            None => (self.n_receive_failed, self.receive_pause) = (0, None),
        }
    }

    /// A receive brought this, if only nothing.
    pub(crate) fn hear_of_messages(&mut self, read: &Read, now_us: u64) {
        note_what_came(read, now_us, &mut self.none_since_us, &mut self.filtered);
        // A message that the filter drops came as well.
        self.none_since_us = if read.filtered.is_empty() { self.none_since_us } else { now_us };
    }

    /// S-4: a second after the last failure, a receive that brings messages brings the rate back.
    pub(crate) fn s4_the_rate_comes_back(&self, receives: Receives, now_us: u64) -> Result<(), Violation> {
        let Some(queue) = &self.plan().queue else { return Ok(()) };
        let start = queue.pollers_start.min(queue.pollers_max).get() as usize;
        let is_over = self.failed_us.is_none_or(|at| at + SECOND_US <= now_us);
        holds(Rule::S4, !is_over || receives.n_max >= start, || {
            format!(
                "messages came, nothing fails, and {} receives may run where {start} did at first",
                receives.n_max
            )
        })
    }
}

/// Enters when something came last, and how much the filter has dropped since it let something through.
pub(crate) fn note_what_came(
    read: &Read,
    now_us: u64,
    none_since_us: &mut u64,
    filtered: &mut Option<(u64, u64)>,
) {
    if !read.records.is_empty() {
        (*none_since_us, *filtered) = (now_us, None);
    } else if read.n_filtered > 0 {
        let (n, since_us) = filtered.unwrap_or((0, now_us));
        *filtered = Some((n + u64::from(read.n_filtered), since_us));
    }
}

/// The machine owes it an end.
fn is_open(entry: &Entry) -> bool {
    !entry.finished && !entry.settled && !entry.void
}
