//! tumbling windows. The books say what each window of a lane carries by now, along the line of
//! checkpoints that the machine goes on from.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use forebay_batcher::{
    Attempt, Checkpoint, Condition, Finale, Now, Outcome, Read, Reply, Rule, TrackIdx, TumblingWindow,
    UnixMillis,
};

use super::ownership::order_key;
use super::truth::{OURS_FIRST_MS, Pause, RETRY_FIRST_MS};
use super::{Flight, Oracle, Ownership, Violation, holds};

/// From when to when, by the wall clock.
type Span = (i64, i64);

/// The tumbling windows of a track, and what went into those that are over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Book {
    pub(super) lanes: BTreeMap<u32, LaneBook>,
    /// Records that a last invocation was told of, with the window that it ended.
    ended: BTreeMap<u32, Span>,
    /// What is open goes on in another track.
    is_handed_over: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct LaneBook {
    /// The latest end of a window that is over.
    floor: Option<i64>,
    /// The end of the window that was over last: all that a lane knows which began anew since the latest.
    last_end: Option<i64>,
    pub(super) open: Option<OpenBook>,
}

/// A window that has begun.
#[derive(Debug, Clone)]
pub(super) struct OpenBook {
    pub(super) span: Span,
    /// The records that its state must hold, in order.
    carried: Vec<u32>,
    /// An attempt within it, or a notice of its end, is out.
    is_out: bool,
    /// Its end was tried, and has failed so often.
    pub(super) is_ending: bool,
    n_failed: u32,
    /// How often that may be, once it was tried.
    retries_max: Option<Option<u32>>,
    n_refused: u32,
    pause: Pause,
    /// When something last happened to it.
    touched_us: u64,
}

/// What an attempt in flight has to do with a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InWindow {
    pub(crate) track: TrackIdx,
    pub(crate) lane: u32,
    epoch: u64,
    pub(crate) finale: Option<Finale>,
}

/// What the function makes of records: their numbers, in order. The first four bytes say that it is an
/// object, so that not even the first state is empty.
pub(crate) fn state_of(before: &Bytes, more: impl Iterator<Item = u32>) -> Bytes {
    let mut state = if before.is_empty() { b"{\"\":".to_vec() } else { before.to_vec() };
    more.for_each(|uid| state.extend(uid.to_le_bytes()));
    state.into()
}

fn carried_by(state: &Bytes) -> Vec<u32> {
    let numbers = state.get(4..).unwrap_or_default().chunks_exact(4);
    numbers.map(|it| u32::from_le_bytes(it.try_into().expect("four bytes"))).collect()
}

impl Book {
    fn open(&mut self, lane: u32) -> Option<&mut OpenBook> {
        self.lanes.get_mut(&lane)?.open.as_mut()
    }

    fn end(&mut self, lane: u32, finale: Finale) {
        let Some(it) = self.lanes.get_mut(&lane) else { return };
        let Some(open) = it.open.take() else { return };
        self.ended.extend(open.carried.into_iter().map(|uid| (uid, open.span)));
        it.last_end = Some(if finale == Finale::Ended { open.span.1 } else { open.span.0 });
        it.floor = it.floor.max(it.last_end);
    }
}

impl Oracle {
    fn has_windows(&self) -> bool {
        self.plan().window.is_some()
    }

    /// The end of a window of this track was tried and is not over: what the track is at is that.
    pub(super) fn is_ending_a_window(&self, owner: &Ownership) -> bool {
        self.has_windows()
            && owner.book.lanes.values().any(|it| it.open.as_ref().is_some_and(|it| it.is_ending))
    }

    /// The end of the window of a record's lane was tried and is not over.
    pub(super) fn stands_behind_an_end(&self, owner: &Ownership, uid: usize) -> bool {
        let lane = self.lane_of(uid, self.plan().lanes.get());
        owner.book.lanes.get(&lane).is_some_and(|it| it.open.as_ref().is_some_and(|it| it.is_ending))
    }

    /// What stands first on a lane waits for the end of the window before its own, or of one whose state is
    /// too large.
    pub(super) fn waits_for_a_window(&self, owner: &Ownership, lane: u32, truth: &super::Truth) -> bool {
        let open = owner.book.lanes.get(&lane).and_then(|it| it.open.as_ref());
        let bytes_max = self.plan().window.as_ref().map_or(u64::MAX, |it| it.state_bytes_max);
        open.is_some_and(|open| {
            let n_bytes = 4 + 4 * open.carried.len() as u64;
            open.is_ending || truth.arrival.0 >= open.span.1 || n_bytes > bytes_max
        })
    }

    /// A window of what the machine has of this source has begun.
    pub(crate) fn has_open_book(&self, source: usize) -> bool {
        let owners = self.owners.values().filter(|it| it.source == source && !it.over && !it.position_lost);
        owners.flat_map(|it| it.book.lanes.values()).any(|it| it.open.is_some())
    }

    /// A window of this track has begun.
    pub(super) fn has_open_window(&self, owner: &Ownership) -> bool {
        self.has_windows() && owner.book.lanes.values().any(|it| it.open.is_some())
    }

    /// an attempt is in one window of its lane, holds records of no other, and carries what the records
    /// of that window that are finished left, or nothing.
    pub(crate) fn a1_an_attempt_carries_the_state_of_its_window(
        &mut self,
        attempt: &Attempt,
        entries: &[usize],
        now: Now,
    ) -> Result<Option<InWindow>, Violation> {
        let Some(window) = &attempt.window else {
            holds(Rule::A1, !self.has_windows(), || "an attempt outside all windows".to_owned())?;
            return Ok(None);
        };
        let (track, lane) = (window.track, window.lane);
        let span = (window.span.start.0, window.span.end.0);
        let Some(owner) = self.owners.get(&track) else { return Ok(None) };
        let book = owner.book.lanes.get(&lane).cloned().unwrap_or_default();
        let carried = book.open.as_ref().map_or(&[][..], |open| &open.carried);
        let is_same = carried_by(&window.state) == carried;
        holds(Rule::A1, is_same, || {
            format!(
                "the window {span:?} of lane {lane} of {track:?} carries records {:?} instead of {carried:?}",
                carried_by(&window.state)
            )
        })?;
        let uids: Vec<u32> = entries.iter().map(|entry| self.entries[*entry].uid).collect();
        match window.finale {
            None => self.a1_records_are_in_their_window((track, lane), &book, span, &uids)?,
            Some(finale) => self.a2_a_window_ends_when_it_is_over(window, finale, &book, now)?,
        }
        let epoch = owner.epoch;
        let retries_max = self.plan().retry.retries_max;
        let owner = self.owners.get_mut(&track).expect("it was there above");
        let open = owner.book.lanes.entry(lane).or_default().open.get_or_insert_with(|| OpenBook {
            span,
            carried: Vec::new(),
            is_out: true,
            is_ending: false,
            n_failed: 0,
            retries_max: None,
            n_refused: 0,
            pause: Pause::default(),
            touched_us: now.tick.0,
        });
        (open.is_out, open.is_ending, open.touched_us) = (true, window.finale.is_some(), now.tick.0);
        if open.is_ending {
            open.retries_max.get_or_insert(retries_max);
        }
        Ok(Some(InWindow { track, lane, epoch, finale: window.finale }))
    }

    fn a1_records_are_in_their_window(
        &self,
        (track, lane): (TrackIdx, u32),
        book: &LaneBook,
        span: Span,
        uids: &[u32],
    ) -> Result<(), Violation> {
        let owner = &self.owners[&track];
        for uid in uids {
            let arrival = self.truths[*uid as usize].arrival.0;
            holds(Rule::A1, arrival < span.1, || {
                format!(
                    "record {uid} of {arrival} is tried within the window {span:?} of lane {lane} of {track:?}"
                )
            })?;
            let is_known = book.open.as_ref().is_some_and(|open| open.carried.contains(uid));
            holds(Rule::A3, !is_known && !owner.book.ended.contains_key(uid), || {
                format!("record {uid} is tried again, and a state of {track:?} holds it")
            })?;
        }
        match &book.open {
            Some(open) => {
                holds(Rule::A1, open.span == span, || {
                    format!(
                        "an attempt of lane {lane} of {track:?} is within {span:?}, and {:?} is open",
                        open.span
                    )
                })?;
                let bytes_max =
                    self.plans.iter().filter_map(|plan| Some(plan.window.as_ref()?.state_bytes_max)).max();
                let n_bytes = 4 + 4 * open.carried.len() as u64;
                holds(Rule::A2, bytes_max.is_none_or(|max| n_bytes <= max || open.carried.is_empty()), || {
                    format!(
                        "the window {span:?} of lane {lane} of {track:?} goes on with a state of {n_bytes} bytes"
                    )
                })
            }
            None => {
                let arrival = |uid: &u32| self.truths[*uid as usize].arrival.0;
                let first = uids.first().map_or(0, arrival);
                // What was cut under another plan, or in a former life, and not tried, goes by its newest: the
                // record that began its window may be gone.
                let firsts = [first, uids.iter().map(arrival).max().unwrap_or(0)];
                let may_be_older = self.plans.len() > 1 || self.plans.iter().any(|plan| plan.durable_cuts);
                let is_its = |length_ms: i64| {
                    let begin = |at: i64| at.div_euclid(length_ms) * length_ms;
                    // Other lanes begin anew.
                    let floors = [book.floor, None, book.last_end];
                    let begins = |first: i64| {
                        floors[..=2 * usize::from(self.lanes_vary)].iter().any(|floor| {
                            let start = floor.map_or(begin(first), |floor| begin(first).max(floor));
                            span == (start, begin(start) + length_ms)
                        })
                    };
                    firsts[..=usize::from(may_be_older)].iter().any(|first| begins(*first))
                        || self.parted_before(owner, lane, uids).any(begins)
                };
                let windows = self.plans.iter().filter_map(|plan| plan.window.as_ref());
                let mut lengths = windows.map(|it| i64::try_from(it.tumbling.as_millis()).expect("short"));
                holds(Rule::A1, lengths.any(is_its), || {
                    format!("the window {span:?} of lane {lane} of {track:?} begins with a record of {first}")
                })
            }
        }
    }

    /// When the records reached their source that may have begun the window of a batch which was cut before it
    /// was tried: by then they were too old, and were parted off.
    fn parted_before<'a>(
        &'a self,
        owner: &'a Ownership,
        lane: u32,
        uids: &[u32],
    ) -> impl Iterator<Item = i64> + 'a {
        let may_be = self.plans.iter().any(|plan| plan.durable_cuts && plan.retry.record_age_max.is_some());
        let first = uids.first().copied().filter(|_| may_be);
        let of_track = first.map_or(&[][..], |_| &self.by_track[owner.source]);
        let before = of_track.iter().copied().take_while(move |uid| Some(*uid) != first);
        let is_parted = move |uid: &u32| {
            let entry = &self.entries[*uid as usize];
            let is_given_up = entry.given_up || entry.paused_since.is_some();
            is_given_up && self.lane_of(*uid as usize, self.plan().lanes.get()) == lane
        };
        before.filter(is_parted).map(|uid| self.truths[uid as usize].arrival.0)
    }

    /// a window ends once, with all that it carries, when all that was tried of it is finished and
    /// nothing of it waits, and not before it is over.
    fn a2_a_window_ends_when_it_is_over(
        &self,
        window: &TumblingWindow,
        finale: Finale,
        book: &LaneBook,
        now: Now,
    ) -> Result<(), Violation> {
        let (track, lane) = (window.track, window.lane);
        let owner = &self.owners[&track];
        let Some(open) = &book.open else {
            return holds(Rule::A2, false, || {
                format!("a window of lane {lane} of {track:?} ends that is not open")
            });
        };
        holds(Rule::A2, (window.span.start.0, window.span.end.0) == open.span, || {
            format!("the window {:?} of lane {lane} of {track:?} ends as {:?}", open.span, window.span)
        })?;
        holds(Rule::A2, !open.is_out, || {
            format!("a window of lane {lane} of {track:?} ends with an attempt out")
        })?;
        holds(Rule::S5, open.pause.until_us <= now.tick.0, || {
            format!("the end of a window of {track:?} is tried too soon after {} failures", open.n_failed)
        })?;
        let retries_max =
            self.plans.iter().map(|plan| plan.retry.retries_max).reduce(|most, max| Some(most?.max(max?)));
        holds(
            Rule::R1,
            retries_max.flatten().is_none_or(|max| open.n_failed <= max) || self.pauses(),
            || format!("the end of a window of {track:?} is tried after {} failures", open.n_failed),
        )?;
        if open.is_ending {
            // It was over when it was tried first.
            return Ok(());
        }
        if finale == Finale::TerminatedEarly {
            let bytes_max =
                self.plans.iter().filter_map(|plan| Some(plan.window.as_ref()?.state_bytes_max)).min();
            // Or what is next does not fit beside it.
            let mut plans = self.plans.iter();
            let is_crowded = plans.any(|plan| window.state.len() as u64 + 200 > plan.batch.bytes_max / 2);
            let is_large = bytes_max.is_some_and(|max| window.state.len() as u64 > max);
            let is_changing = self.numbers_of_lanes(owner).len() > 1;
            return holds(Rule::A2, is_large || is_crowded || is_changing, || {
                format!("a window of {track:?} is terminated early with {} bytes", window.state.len())
            });
        }
        if !self.lanes_vary {
            let n_lanes = self.plan().lanes.get();
            let open_records = self.handed_of(track).filter(|uid| !self.entries[*uid].finished);
            for uid in open_records.filter(|uid| self.lane_of(*uid, n_lanes) == lane) {
                let arrival = self.truths[uid].arrival.0;
                // One that was tried in a window of another length may be behind the end of this one.
                let is_left = arrival < open.span.1;
                // What stands behind a record of the next window is late for that.
                let is_first = self.firsts_of_lanes(track, owner).iter().any(|it| it.uid as usize == uid);
                holds(Rule::A2, !(is_left && is_first), || {
                    format!(
                        "the window {:?} of lane {lane} of {track:?} ends before record {uid} is finished",
                        open.span
                    )
                })?;
            }
        }
        let goes_on = owner.heir.is_some() && self.hands_over();
        let is_over =
            (owner.is_at_end && !goes_on) || owner.time.is_some_and(|(time, _)| time >= open.span.1);
        let quiet_ms =
            self.plans.iter().filter_map(|plan| Some(plan.window.as_ref()?.quiet.as_millis())).min();
        let over_ms = open.span.1 + i64::try_from(quiet_ms.unwrap_or(0)).expect("short");
        let is_quiet = owner.quiet.is_some_and(|at| {
            let by_source = owner
                .time
                .map(|(time, since_us)| time + (at.tick.0.saturating_sub(since_us) / 1000).cast_signed());
            // Ours is counted in microseconds, and begins within a millisecond.
            at.unix.0 >= over_ms || by_source.is_none_or(|time| time + 1 >= over_ms)
        });
        let is_cut = self.lanes_vary
            || self.firsts_of_lanes(track, owner).iter().any(|entry| {
                let uid = entry.uid as usize;
                self.lane_of(uid, self.plan().lanes.get()) == lane
                    && self.truths[uid].arrival.0 >= open.span.1
            });
        holds(Rule::A2, is_over || is_quiet || is_cut, || {
            format!(
                "the window {:?} of lane {lane} of {track:?} ends, and time is at {:?}, {:?}",
                open.span, owner.time, owner.quiet
            )
        })
    }

    fn pauses(&self) -> bool {
        self.plans.iter().any(|plan| plan.retry.on_exhausted == forebay_batcher::OnExhausted::Pause)
    }

    fn plan_pauses(&self) -> bool {
        self.plan().retry.on_exhausted == forebay_batcher::OnExhausted::Pause
    }

    pub(super) fn lane_of(&self, uid: usize, n_lanes: u32) -> u32 {
        let truth = &self.truths[uid];
        let key = truth.key.map_or(forebay_batcher::OrderKey::Free, order_key);
        forebay_batcher::lanes::lane_of(&key, &truth.position, n_lanes)
    }

    /// The machine heard of an attempt within a window.
    pub(super) fn hear_of_a_window(&mut self, flight: &Flight, outcome: &Outcome, now_us: u64) {
        let Some(InWindow { track, lane, epoch, finale }) = flight.window else { return };
        let pauses = self.plan_pauses();
        let is_its = |it: &&mut Ownership| it.epoch == epoch && !it.over && !it.position_lost;
        let Some(owner) = self.owners.get_mut(&track).filter(is_its) else { return };
        let Some(open) = owner.book.open(lane) else { return };
        (open.is_out, open.touched_us) = (false, now_us);
        match (finale, outcome) {
            (
                None,
                Outcome::Succeeded(Reply { state: Some(state), .. })
                | Outcome::PartlyFailed { reply: Reply { state: Some(state), .. }, .. },
            ) => {
                open.carried = carried_by(state);
            }
            (None, _) => {}
            (Some(finale), Outcome::Succeeded(_)) => {
                owner.book.end(lane, finale);
                self.tally.windows_ended += u64::from(finale == Finale::Ended);
                self.tally.windows_terminated_early += u64::from(finale == Finale::TerminatedEarly);
            }
            (Some(_), Outcome::NotReached { .. }) => self.tally.not_reached += 1,
            (Some(_), _) => {
                let is_last = !pauses && open.retries_max.flatten().is_some_and(|max| open.n_failed >= max);
                self.tally.retried += u64::from(!is_last);
                self.is_unsure |= self.plan_changed;
                open.pause = Pause::after(now_us, RETRY_FIRST_MS, open.n_failed);
                open.n_failed += 1;
            }
        }
    }

    /// W-2: the end of a window is given up only when a limit says so.
    pub(crate) fn w2_a_window_is_given_up_by_a_limit(
        &self,
        window: &TumblingWindow,
        condition: Condition,
    ) -> Result<(), Violation> {
        let Some(owner) = self.owners.get(&window.track) else { return Ok(()) };
        let open = owner.book.lanes.get(&window.lane).and_then(|it| it.open.as_ref());
        let least = self.plans.iter().filter_map(|plan| plan.retry.retries_max).min();
        let is_justified = open.is_some_and(|open| match condition {
            Condition::RetriesExhausted => least.is_some_and(|max| {
                open.n_failed > max || open.n_refused > 0 || owner.is_restored_given_up(window.lane)
            }),
            Condition::AgeExceeded
            | Condition::Rejected
            | Condition::PayloadTooLarge
            | Condition::SchemaNotFound
            | Condition::NotDecoded => false,
        });
        holds(Rule::W2, is_justified, || {
            format!("the end of a window of {:?} is given up as {condition:?}: {open:?}", window.track)
        })?;
        let carried = open.map_or(&[][..], |open| &open.carried);
        holds(Rule::A1, carried_by(&window.state) == carried, || {
            format!("a window of {:?} is given up with another state than it carries", window.track)
        })
    }

    /// N-4: it is durable that the end of a window was given up before a destination is told.
    pub(crate) fn n4_the_end_of_a_window_is_durable(&self, window: &TumblingWindow) -> Result<(), Violation> {
        let Some(owner) = self.owners.get(&window.track) else { return Ok(()) };
        holds(Rule::N4, owner.is_heard_given_up(window.lane), || {
            format!("a notice of a window of {:?} leaves before it is durable", window.track)
        })
    }

    /// A notice of the end of a window leaves.
    pub(crate) fn tell_of_a_window(&mut self, window: &TumblingWindow, now_us: u64) -> Option<InWindow> {
        let owner = self.owners.get_mut(&window.track)?;
        let (epoch, track, lane) = (owner.epoch, window.track, window.lane);
        let open = owner.book.open(lane)?;
        (open.is_out, open.is_ending, open.touched_us) = (true, true, now_us);
        Some(InWindow { track, lane, epoch, finale: window.finale })
    }

    /// The end of a window was given up: a destination has it, or a setting discards it.
    pub(crate) fn give_up_a_window(&mut self, it: InWindow) -> bool {
        let is_its = |owner: &&mut Ownership| owner.epoch == it.epoch && !owner.over && !owner.position_lost;
        let Some(owner) = self.owners.get_mut(&it.track).filter(is_its) else { return false };
        owner.book.end(it.lane, it.finale.unwrap_or(Finale::Ended));
        self.tally.windows_given_up += 1;
        true
    }

    /// A destination refused the end of a window.
    pub(crate) fn refuse_a_window(&mut self, it: InWindow, now_us: u64) {
        let is_its = |owner: &&mut Ownership| owner.epoch == it.epoch && !owner.over && !owner.position_lost;
        let Some(owner) = self.owners.get_mut(&it.track).filter(is_its) else { return };
        let Some(open) = owner.book.open(it.lane) else { return };
        (open.is_out, open.touched_us) = (false, now_us);
        open.pause = Pause::after(now_us, OURS_FIRST_MS, open.n_refused);
        open.n_refused += 1;
        self.tally.delivery_failures += 1;
    }

    /// a checkpoint keeps the state of each window with exactly what of it is finished.
    pub(crate) fn a3_a_checkpoint_keeps_what_is_carried(
        &mut self,
        track: TrackIdx,
        checkpoint: &Arc<Checkpoint>,
    ) -> Result<(), Violation> {
        let Some(owner) = self.owners.get_mut(&track) else { return Ok(()) };
        if self.plans.iter().all(|plan| plan.window.is_none()) {
            return Ok(());
        }
        let kept = |lane: u32| {
            let windows = checkpoint.windows.iter().flat_map(|it| &it.lanes);
            windows.filter(|it| it.lane == lane).find_map(|it| it.open.as_ref())
        };
        for (lane, open) in owner.book.lanes.iter().filter_map(|(lane, it)| Some((*lane, it.open.as_ref()?)))
        {
            let Some(kept) = kept(lane) else {
                return holds(Rule::A3, false, || {
                    format!("a checkpoint of {track:?} forgets the window {:?} of lane {lane}", open.span)
                });
            };
            let is_so =
                (kept.span.start.0, kept.span.end.0) == open.span && carried_by(&kept.state) == open.carried;
            holds(Rule::A3, is_so, || {
                format!(
                    "a checkpoint of {track:?} keeps {kept:?} of lane {lane}, and what is true is {open:?}"
                )
            })?;
        }
        let time = checkpoint.windows.as_ref().map(|it| it.time.0);
        holds(Rule::A2, time.is_none_or(|time| owner.time.is_some_and(|(its, _)| time == its)), || {
            format!("a checkpoint of {track:?} says that it is {time:?}, and it is {:?}", owner.time)
        })?;
        let n_open =
            checkpoint.windows.iter().flat_map(|it| &it.lanes).filter(|it| it.open.is_some()).count();
        let n_true = owner.book.lanes.values().filter(|it| it.open.is_some()).count();
        holds(Rule::A2, n_open == n_true, || {
            format!("a checkpoint of {track:?} keeps {n_open} windows open, and {n_true} are")
        })?;
        self.kept_books.push((Arc::clone(checkpoint), owner.book.clone()));
        Ok(())
    }

    /// What the machine goes on from, with a checkpoint.
    pub(super) fn book_of(&self, from: &Arc<Checkpoint>, now: Now) -> Book {
        let kept = self.kept_books.iter().rev().find(|(kept, _)| Arc::ptr_eq(kept, from));
        let mut book = kept.map(|(_, book)| book.clone()).unwrap_or_default();
        for it in book.lanes.values_mut().filter_map(|it| it.open.as_mut()) {
            (it.is_out, it.pause, it.n_refused) = (false, Pause::default(), 0);
            (it.is_ending, it.n_failed, it.retries_max) = (false, 0, None);
        }
        let finales = from.slices.iter().filter(|slice| slice.finale.is_some());
        for slice in finales {
            if let Some(open) = book.open(slice.lane) {
                (open.is_ending, open.n_failed) = (true, slice.n_failures);
                open.retries_max = Some(slice.retries_max);
                open.pause = Pause::restored(slice, now, 60_000);
            }
        }
        book
    }

    fn hands_over(&self) -> bool {
        self.plan().window.as_ref().is_some_and(|it| it.is_handed_over)
    }

    /// a track has ended: what its windows came to is what it is, but for those that go on in the track
    /// that the source named.
    pub(crate) fn a5_a_window_goes_on_in_the_heir(
        &mut self,
        track: TrackIdx,
        source: usize,
        durable: Option<&Checkpoint>,
    ) -> Result<(), Violation> {
        let Some(owner) = self.owners.get(&track) else { return Ok(()) };
        let windows = durable.and_then(|it| it.windows.as_ref());
        let heir = windows.and_then(|it| it.heir.as_ref());
        let named = owner.heir.as_ref().filter(|_| self.hands_over());
        // A life that begins with the end of its track knows it by the checkpoint alone.
        holds(Rule::A5, heir == named || owner.heir.is_none() || windows.is_none(), || {
            format!("the windows of {track:?} go on in {heir:?}, and the source named {named:?}")
        })?;
        let mut book = owner.book.clone();
        let is_open = book.lanes.values().any(|it| it.open.is_some());
        holds(Rule::A5, !is_open || heir.is_some(), || {
            format!("{track:?} has ended, windows of it are open, and no track goes on with them")
        })?;
        book.is_handed_over = heir.is_some();
        self.ended_books.insert(source, book);
        Ok(())
    }

    /// A track begins with the windows that another left it.
    pub(crate) fn inherit(&mut self, from: &Arc<Checkpoint>, before: usize) {
        let lanes = self.ended_books.get(&before).map(|book| book.lanes.clone()).unwrap_or_default();
        self.kept_books.push((Arc::clone(from), Book { lanes, ..Book::default() }));
    }

    /// A window that is open carries something.
    pub(crate) fn carries_anything(&self) -> bool {
        let books = self.owners.values().flat_map(|owner| owner.book.lanes.values());
        books.filter_map(|it| it.open.as_ref()).any(|it| !it.carried.is_empty())
    }

    /// When the ends of windows should have been tried, where nothing holds them back.
    pub(super) fn due_windows(
        &self,
        (track, owner): (TrackIdx, &Ownership),
        since_us: u64,
        now_us: u64,
    ) -> Vec<u64> {
        let mut due = Vec::new();
        if !self.has_windows() {
            return due;
        }
        let waits_for_sync = self.waits_for_sync(track);
        let n_lanes = self.plan().lanes.get();
        for (lane, open) in owner.book.lanes.iter().filter_map(|(lane, it)| Some((*lane, it.open.as_ref()?)))
        {
            let in_lane = || {
                self.handed_of(track)
                    .filter(|uid| !self.entries[*uid].finished && self.lane_of(*uid, n_lanes) == lane)
            };
            // where nothing waits behind it, it goes on in another track.
            let is_leaving =
                owner.is_at_end && owner.heir.is_some() && self.hands_over() && in_lane().next().is_none();
            let is_busy = open.is_out
                || is_leaving
                || open.n_refused > 0
                || (open.is_ending && waits_for_sync)
                || in_lane().any(|uid| {
                    // What is given up goes to a destination first.
                    let entry = &self.entries[uid];
                    entry.begun || self.may_be_given_up(entry, &self.truths[uid], now_us)
                })
                || in_lane().next().is_some_and(|uid| self.truths[uid].arrival.0 < open.span.1)
                || self.plan().retry.retries_max.is_some_and(|max| open.n_failed > max)
                || (open.is_ending && self.plan_changed);
            let Some((time, time_us)) = owner.time.filter(|_| !is_busy) else { continue };
            if time >= open.span.1 {
                due.push(time_us.max(open.touched_us).max(open.pause.due_us).max(since_us));
            }
        }
        due
    }

    /// all that a function finished within windows was told it at their ends, once; what is true is the
    /// source's own list.
    pub(crate) fn a3_windows_sum_up_to_what_was_finished(&self) -> Result<(), Violation> {
        if self.plans.iter().all(|plan| plan.window.is_none()) {
            return Ok(());
        }
        let is_any_stopped = self.owners.values().any(|owner| owner.position_lost);
        let living = self.owners.values().filter(|owner| !owner.over && !owner.position_lost);
        let living = living.filter(|owner| !owner.told_ended).map(|owner| (owner.source, &owner.book));
        let books: Vec<_> =
            living.chain(self.ended_books.iter().map(|(source, book)| (*source, book))).collect();
        // What went on in another track ended there.
        let ended: BTreeMap<u32, Span> = books.iter().flat_map(|(_, book)| book.ended.clone()).collect();
        for (source, book) in books {
            let open = book.lanes.values().filter_map(|it| it.open.as_ref());
            let open: Vec<_> = open.filter(|_| !book.is_handed_over).collect();
            holds(Rule::A4, open.is_empty(), || format!("windows are open, and all is done: {open:?}"))?;
            // What stopped the heir kept them from their ends.
            if book.is_handed_over && is_any_stopped {
                continue;
            }
            for uid in &self.by_track[source] {
                let truth = &self.truths[*uid as usize];
                let is_out = truth.n_taken + truth.n_discarded + truth.n_skipped > 0;
                if !truth.wanted || truth.gone || is_out {
                    continue;
                }
                let span = ended.get(uid);
                holds(Rule::A3, span.is_some(), || {
                    format!("record {uid} was finished, and no window that ended held it")
                })?;
                holds(Rule::A1, span.is_none_or(|span| truth.arrival.0 < span.1), || {
                    format!("record {uid} of {:?} is in the window {span:?}", truth.arrival)
                })?;
            }
        }
        Ok(())
    }
}

impl Ownership {
    /// A read moves the time of a track, or says that there is nothing.
    pub(crate) fn note_time(&mut self, read: &Read, newest: Option<UnixMillis>, now: Now) {
        if let Some(newest) = newest.filter(|newest| self.time.is_none_or(|(time, _)| newest.0 > time)) {
            self.time = Some((newest.0, now.tick.0));
        }
        self.quiet = (read.records.is_empty() && read.n_filtered == 0).then_some(now);
    }

    fn is_heard_given_up(&self, lane: u32) -> bool {
        let mut finales = self.heard.slices.iter().filter(|slice| slice.finale.is_some());
        finales.any(|slice| slice.lane == lane && slice.given_up.is_some())
    }

    fn is_restored_given_up(&self, lane: u32) -> bool {
        self.is_heard_given_up(lane)
    }
}
