//! N-1 to N-7: sums, limits that must hold at each step, and what is told of them.

use forebay_batcher::lanes::lane_of;
use forebay_batcher::{
    Attempt, Checkpoint, Condition, Counts, Discard, Notice, Now, OrderKey, Place, ReadOrder, Record, Rule,
    TrackIdx,
};

use super::ownership::{is_finished_in, order_key};
use super::truth::{Limits, Truth, name};
use super::{Closing, Oracle, Violation, holds};

/// What a record of a track and a message cost beside their bytes, names and receipts.
const TRACK_RECORD_BYTES: u64 = 232;
const MESSAGE_BYTES: u64 = 800;
/// Names that are longer lie elsewhere.
const NAME_BYTES_MAX: usize = 20;

impl Oracle {
    /// N-1: held bytes are the sum of what is held.
    pub(crate) fn n1_held_bytes_are_the_sum(&self, held_bytes: u64, now_us: u64) -> Result<(), Violation> {
        if self.closing != Closing::Open || self.is_blurred {
            return Ok(());
        }
        let sum = if self.is_queue {
            // A receipt that is void, or has lapsed, may still be in an attempt.
            let visibility = self.plan().queue.as_ref().and_then(|queue| queue.visibility);
            let lapses_us =
                visibility.map_or(u64::MAX, |span| u64::try_from(span.as_micros()).unwrap_or(u64::MAX));
            let of_life = || self.entries.iter().filter(|entry| entry.life == self.life && entry.held);
            let is_sure = of_life().all(|entry| {
                let lapses_us = entry.believed_us.min(entry.handed_us.saturating_add(lapses_us / 2));
                !entry.void && (entry.asked || (!entry.lost && !entry.excused && lapses_us > now_us))
            });
            let all =
                self.entries.iter().enumerate().filter(|(_, entry)| entry.life == self.life && entry.held);
            let held = all.filter(|(_, entry)| !entry.asked && !entry.finished);
            // A receipt's handle is its number in decimal.
            let handle = |number: usize| number.checked_ilog10().map_or(1, |it| u64::from(it) + 1);
            let sum = held
                .map(|(number, entry)| self.record_bytes(entry.uid, None) + MESSAGE_BYTES + handle(number))
                .sum();
            if is_sure { sum } else { held_bytes }
        } else {
            let owners = self.owners.values().filter(|owner| !owner.over && !owner.position_lost);
            let uids = owners
                .flat_map(|owner| self.by_track[owner.source].get(owner.first_open..).unwrap_or_default());
            let held = uids
                .filter(|uid| self.entries[**uid as usize].handed && !self.entries[**uid as usize].finished);
            let track = |uid: u32| self.truths[uid as usize].track;
            held.map(|uid| self.record_bytes(*uid, Some(track(*uid))) + TRACK_RECORD_BYTES).sum()
        };
        holds(Rule::N1, held_bytes == sum, || {
            format!("the machine says that it holds {held_bytes} bytes, which are {sum}")
        })
    }

    /// The bytes of a record, its order key and its name; on a track the name is made of both numbers.
    fn record_bytes(&self, uid: u32, track: Option<u32>) -> u64 {
        let truth = &self.truths[uid as usize];
        let name = name(track.map_or(truth.name, |track| truth.name * 64 + u64::from(track)));
        let name_bytes = Some(name.0.as_slice().len()).filter(|n| *n > NAME_BYTES_MAX).unwrap_or_default();
        let key_bytes = match truth.key.map_or(OrderKey::Free, order_key) {
            OrderKey::Key(key) => key.len(),
            OrderKey::Free => 0,
        };
        u64::from(truth.n_bytes.max(4)) + (name_bytes + key_bytes) as u64
    }

    /// N-1 and N-2: a track is read only where there is room for it, in memory and ahead of its watermark.
    pub(crate) fn n1_n2_a_read_has_room(
        &self,
        owner: TrackIdx,
        order: &ReadOrder,
        held_bytes: u64,
    ) -> Result<(), Violation> {
        let room = self.plan().held_bytes_max.saturating_sub(held_bytes);
        holds(Rule::N1, order.bytes_max <= room.max(1), || {
            format!("a read of {} bytes where there is room for {room}", order.bytes_max)
        })?;
        let is_filling = self.is_filling(owner);
        let holds_nothing = self.handed_of(owner).all(|uid| self.entries[uid].finished);
        holds(Rule::N1, room > 0 || holds_nothing || is_filling, || {
            format!("a read of {owner:?} beyond the limit: {held_bytes} bytes are held")
        })?;
        let is_short = order.wait.as_secs() < 1;
        holds(Rule::S2, room > 0 || is_filling || is_short, || {
            format!(
                "a read of {owner:?} beyond the limit keeps its place from the others for {:?}",
                order.wait
            )
        })?;
        let n_ahead = self.n_ahead(owner);
        let ahead_max = self.plan().ahead_max as usize;
        holds(Rule::N2, is_filling || n_ahead < ahead_max, || {
            format!("a read of {owner:?}, where {n_ahead} finished records lie ahead")
        })
    }

    /// Slices of a former life were not read to their ends yet.
    pub(crate) fn is_filling(&self, owner: TrackIdx) -> bool {
        let it = self.owners.get(&owner);
        it.is_some_and(|it| {
            it.restored_last
                .as_ref()
                .is_some_and(|last| it.passed.as_ref().is_none_or(|passed| passed <= last))
        })
    }

    /// Finished records above the first open one that were handed over in this ownership.
    pub(super) fn n_ahead(&self, owner: TrackIdx) -> usize {
        let mut handed = self.handed_of(owner).skip_while(|uid| self.entries[*uid].finished);
        handed.by_ref().filter(|uid| self.entries[*uid].finished).count()
    }

    /// Records of a track that were handed over in this ownership, in order, from about the first open one
    /// on.
    pub(crate) fn handed_of(&self, owner: TrackIdx) -> impl Iterator<Item = usize> + Clone + '_ {
        let owner = self.owners.get(&owner);
        let uids = owner
            .map(|owner| self.by_track[owner.source].get(owner.first_open..).unwrap_or_default())
            .unwrap_or_default();
        uids.iter().map(|uid| *uid as usize).filter(|uid| self.entries[*uid].handed)
    }

    /// It was given up and is not finished.
    pub(crate) fn is_told(&self, uid: u32) -> bool {
        let entry = &self.entries[uid as usize];
        !entry.finished && (entry.noticing || entry.n_refused > 0)
    }

    /// The machine has messages, if only copies of those that were deleted by another receipt.
    pub(crate) fn holds_messages(&self) -> bool {
        self.entries.iter().any(|entry| entry.life == self.life && entry.held && !entry.asked)
    }

    /// The machine has an open record of this track.
    pub(crate) fn has_open(&self, owner: TrackIdx) -> bool {
        self.handed_of(owner).any(|uid| !self.entries[uid].finished)
    }

    /// N-3: no commit forgets a finished record. One that the source dropped cannot come again, one that
    /// nobody wants no further than to the filter.
    pub(crate) fn n3_no_commit_forgets_a_finished_record(
        &self,
        track: TrackIdx,
        checkpoint: &Checkpoint,
    ) -> Result<(), Violation> {
        let Some(owner) = self.owners.get(&track) else { return Ok(()) };
        let uids = &self.by_track[owner.source];
        let counts = |uid: &&u32| {
            let (entry, truth) = (&self.entries[**uid as usize], &self.truths[**uid as usize]);
            entry.fixed && truth.wanted && !truth.gone
        };
        let (below, above) = uids.split_at(owner.first_open.min(uids.len()));
        for uid in below.iter().rev().find(counts).into_iter().chain(above.iter().filter(counts)) {
            let kept = is_finished_in(checkpoint, &self.truths[*uid as usize].position);
            holds(Rule::N3, kept, || format!("a commit of {track:?} forgets that record {uid} is finished"))?;
        }
        Ok(())
    }

    /// N-6, N-7, S-5: the slices of a checkpoint say what is true of their records, and none takes in a
    /// record that is not its own.
    pub(crate) fn n6_n7_slices_say_what_is_true(
        &self,
        track: TrackIdx,
        checkpoint: &Checkpoint,
        now: Now,
    ) -> Result<(), Violation> {
        if checkpoint.slices.is_empty() {
            return Ok(());
        }
        for uid in self.handed_of(track).filter(|uid| !self.entries[*uid].finished) {
            let (entry, truth) = (&self.entries[uid], &self.truths[uid]);
            let Some(slice) = slice_of(checkpoint, truth) else { continue };
            self.e1_a_checkpoint_says_what_waits(uid, slice)?;
            if let Some(given_up) = &slice.given_up {
                holds(Rule::W2, self.is_justified(uid, given_up.condition, None, now), || {
                    format!("a checkpoint of {track:?} gives up record {uid}, which no limit does")
                })?;
                let n = u32::from(given_up.condition == Condition::AgeExceeded && !entry.given_up);
                holds(Rule::N6, slice.n_invokes == entry.tried + n, || {
                    format!(
                        "a checkpoint says that given-up record {uid} was tried {} times, not {}",
                        slice.n_invokes,
                        entry.tried + n
                    )
                })?;
                continue;
            }
            if entry.in_flight {
                continue;
            }
            holds(Rule::N6, slice.n_failures == entry.spent && slice.n_invokes == entry.tried, || {
                format!(
                    "a checkpoint says that record {uid} was tried {} times and spent {}, not {} and {}",
                    slice.n_invokes, slice.n_failures, entry.tried, entry.spent
                )
            })?;
            let limits = entry.limits.map(|it| (it.retries_max, it.age_max_ms, it.bisect));
            let kept = (slice.retries_max, slice.record_age_max_ms, slice.bisect);
            holds(Rule::N7, limits.is_none_or(|limits| limits == kept), || {
                format!("a checkpoint says that record {uid} has the limits {kept:?}, not {limits:?}")
            })?;
            let wait_ms = i64::try_from(entry.pause.until_us.saturating_sub(now.tick.0) / 1000).unwrap_or(0);
            let is_kept = wait_ms == 0 || self.clock_steps || slice.not_before.0 - now.unix.0 >= wait_ms - 1;
            holds(Rule::S5, is_kept, || {
                format!(
                    "a checkpoint says that record {uid} may be tried in {} ms, not {wait_ms}",
                    slice.not_before.0 - now.unix.0
                )
            })?;
        }
        Ok(())
    }

    /// N-4: a notice leaves only after the checkpoint that says given up is durable, on each of its tracks,
    /// and the machine knows it.
    pub(crate) fn n4_a_notice_leaves_after_its_checkpoint(&self, notice: &Notice) -> Result<(), Violation> {
        for record in notice.slice.records() {
            let Place::Track(track, _) = &record.place else { continue };
            let Some(owner) = self.owners.get(track) else { continue };
            let truth = &self.truths[self.entry_of(record)];
            let is_kept = slice_of(&owner.heard, truth).is_some_and(|slice| {
                let given_up = slice.given_up.as_ref();
                given_up.is_some_and(|it| it.condition == notice.condition && it.paused_since.is_none())
            });
            holds(Rule::N4, is_kept, || {
                format!(
                    "a notice of record {} leaves before it is durable that it was given up",
                    self.entry_of(record)
                )
            })?;
        }
        Ok(())
    }

    /// N-6: a notice says how often its records were tried and refused, and one that was refused too often is
    /// dropped.
    pub(crate) fn n6_a_notice_counts_right(&self, notice: &Notice) -> Result<(), Violation> {
        self.n6_attempts(notice.slice.records(), notice.condition, notice.n_invokes)?;
        let drop_after = self.plan().retry.drop_after_destination_failures;
        for record in notice.slice.records() {
            let entry = &self.entries[self.entry_of(record)];
            holds(Rule::N6, notice.n_refused == entry.n_refused, || {
                format!(
                    "a notice of record {} says {} refusals of {}",
                    entry.uid, notice.n_refused, entry.n_refused
                )
            })?;
            holds(Rule::N6, drop_after.is_none_or(|max| entry.n_refused < max.get()), || {
                format!(
                    "record {} is told a destination after {} refusals of at most {drop_after:?}",
                    entry.uid, entry.n_refused
                )
            })?;
        }
        Ok(())
    }

    /// N-6: what is discarded although there is a destination was refused so often as the setting says.
    pub(crate) fn n6_a_discard_counts_right(&self, discard: &Discard) -> Result<(), Violation> {
        self.n6_attempts(discard.slice.records(), discard.condition, discard.n_invokes)?;
        let Some(max) =
            self.plan().retry.drop_after_destination_failures.filter(|_| self.plan().has_destination)
        else {
            return Ok(());
        };
        for record in discard.slice.records() {
            let entry = &self.entries[self.entry_of(record)];
            holds(Rule::N6, entry.n_refused == max.get(), || {
                format!("record {} is discarded after {} refusals of {max}", entry.uid, entry.n_refused)
            })?;
        }
        Ok(())
    }

    /// An attempt that was refused for age counts, once.
    fn n6_attempts(&self, records: &[Record], condition: Condition, n_invokes: u32) -> Result<(), Violation> {
        for record in records {
            let entry = &self.entries[self.entry_of(record)];
            let n = entry.tried + u32::from(condition == Condition::AgeExceeded && !entry.given_up);
            holds(Rule::N6, entry.void || n_invokes == n, || {
                format!("record {} was tried {n} times and {n_invokes} are told", entry.uid)
            })?;
        }
        Ok(())
    }

    /// N-6 and N-7: an attempt says how often its records were tried, and keeps the limits of its batch.
    pub(crate) fn n6_n7_an_attempt_is_what_it_says(
        &self,
        attempt: &Attempt,
        entries: &[usize],
    ) -> Result<(), Violation> {
        for entry in entries {
            let held = &self.entries[*entry];
            holds(Rule::N6, attempt.n_before == held.tried, || {
                format!(
                    "an attempt says that record {} was tried {} times, not {}",
                    held.uid, attempt.n_before, held.tried
                )
            })?;
            let partial = held.limits.map(|limits| limits.partial);
            let actions = held.limits.map(|limits| limits.actions);
            holds(Rule::N7, actions.is_none_or(|actions| actions == attempt.item_actions), || {
                format!(
                    "a batch in retry takes up what is asked for single records {} on its way",
                    attempt.item_actions
                )
            })?;
            holds(Rule::N7, partial.is_none_or(|partial| partial == attempt.partial_responses), || {
                format!("a batch in retry takes up partial answers {} on its way", attempt.partial_responses)
            })?;
            let same = held.limits == self.entries[entries[0]].limits;
            holds(Rule::N7, same, || format!("record {} is tried with one of other limits", held.uid))?;
        }
        Ok(())
    }

    /// The limits of a batch that is tried for the first time; `None` where it may have been cut under an
    /// older plan.
    pub(crate) fn limits_of_a_fresh_batch(&self) -> Option<Limits> {
        // A cut that is to last waits for its commit, under the plan that it was cut by.
        let is_cut_before = self.plan().durable_cuts;
        let may_be_older = self.plan_changed
            && (self.is_queue || is_cut_before || self.has_expired || self.is_parted_by_age());
        (!may_be_older).then(|| Limits::of(&self.plan().retry))
    }

    /// N-8: an attempt holds the records of a track in reading order.
    pub(crate) fn n8_an_attempt_is_in_reading_order(&self, attempt: &Attempt) -> Result<(), Violation> {
        let records = attempt.slice.records();
        for (at, record) in records.iter().enumerate().skip(1) {
            let Place::Track(track, position) = &record.place else { return Ok(()) };
            let before = records[..at].iter().rev().find_map(|other| match &other.place {
                Place::Track(its, position) if its == track => Some(position),
                Place::Track(..) | Place::Queue { .. } => None,
            });
            holds(Rule::N8, before.is_none_or(|before| before < position), || {
                format!("{position:?} of {track:?} stands behind {before:?} in an attempt")
            })?;
        }
        Ok(())
    }

    /// N-5: counts that the machine and the world must agree on, whatever happened.
    pub(crate) fn n5_the_counts_add_up(&self, counts: &Counts, is_end: bool) -> Result<(), Violation> {
        if self.closing == Closing::Abandoned {
            return Ok(());
        }
        let tally = &self.tally;
        let exact = [
            ("polled", counts.polled, tally.polled),
            ("filtered_out", counts.filtered_out, tally.filtered_out),
            ("skipped", counts.skipped, tally.skipped),
            ("restored", counts.restored, tally.restored),
            ("dropped", counts.dropped, tally.dropped),
            ("paused", counts.paused, tally.paused),
            ("decided_skip", counts.decided_skip, tally.decided_skip),
            ("decided_retry", counts.decided_retry, tally.decided_retry),
            ("decided_send", counts.decided_send, tally.decided_send),
            ("gaps", counts.gaps, tally.gaps),
            ("committed", counts.committed, tally.committed),
            ("deleted", counts.deleted, tally.deleted),
            ("handed_back", counts.handed_back, tally.handed_back),
            ("windows_ended", counts.windows_ended, tally.windows_ended),
            ("windows_terminated_early", counts.windows_terminated_early, tally.windows_terminated_early),
            ("windows_given_up", counts.windows_given_up, tally.windows_given_up),
        ];
        for (name, machine, world) in exact {
            holds(Rule::N5, machine == world, || {
                format!("the machine counts {name} = {machine}, the world {world}")
            })?;
        }
        let blurred = [
            ("invoked", counts.invoked, tally.invoked),
            ("invoked_first", counts.invoked_first, tally.invoked_first),
            ("failed", counts.failed, tally.failed),
            ("not_reached", counts.not_reached, tally.not_reached),
            ("succeeded", counts.succeeded, tally.succeeded),
            ("delivered", counts.delivered, tally.delivered),
            ("delivery_failures", counts.delivery_failures, tally.delivery_failures),
        ];
        for (name, machine, world) in blurred {
            let agree = machine == world || (self.is_blurred && machine > world);
            holds(Rule::N5, agree, || format!("the machine counts {name} = {machine}, the world {world}"))?;
        }
        let limited = [("halved", counts.halved, tally.halved), ("retried", counts.retried, tally.retried)];
        for (name, machine, world) in limited {
            let agree = machine == world || self.is_unsure || (self.is_blurred && machine > world);
            holds(Rule::N5, agree, || format!("the machine counts {name} = {machine}, the world {world}"))?;
        }
        // What was given up last may not have been told yet, and what a lost track gave up never is.
        let (machine, world) = (counts.given_up_uninvoked, tally.given_up_uninvoked);
        let is_sure = is_end
            && !self.has_lost
            && self.owners.values().all(|owner| !owner.position_lost)
            && !self.is_queue;
        holds(Rule::N5, machine == world || (!is_sure && machine > world), || {
            format!("the machine counts given_up_uninvoked = {machine}, the world {world}")
        })
    }
}

/// The slice of a checkpoint that a record lies in.
pub(super) fn slice_of<'a>(
    checkpoint: &'a Checkpoint,
    truth: &Truth,
) -> Option<&'a forebay_batcher::OpenSlice> {
    let mut slices = checkpoint
        .slices
        .iter()
        .filter(|slice| slice.first <= truth.position && truth.position <= slice.last)
        .peekable();
    slices.peek()?;
    let key = truth.key.map_or(OrderKey::Free, order_key);
    let lane = lane_of(&key, &truth.position, checkpoint.lanes);
    slices.find(|slice| slice.lane == lane)
}
