//! What the machine was told, entered into the books.

use std::sync::Arc;

use forebay_batcher::{
    AttemptId, Checkpoint, CommitId, Committed, Condition, ItemAction, ItemActions, NoticeId, Outcome, Place,
    Record, RecordId, Redelivery, Slice, TrackIdx,
};

use super::ownership::CommitFailing;
use super::truth::{Limits, OURS_FIRST_MS, Pause, RETRY_FIRST_MS};
use super::{Oracle, handle_number};

/// What a life's counts must come to.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "the fields are those of the machine's counts")]
pub struct Tally {
    pub polled: u64,
    pub filtered_out: u64,
    pub skipped: u64,
    pub restored: u64,
    pub invoked: u64,
    pub invoked_first: u64,
    pub failed: u64,
    pub succeeded: u64,
    pub given_up_uninvoked: u64,
    pub dropped: u64,
    pub paused: u64,
    pub decided_skip: u64,
    pub decided_retry: u64,
    pub decided_send: u64,
    pub delivered: u64,
    pub delivery_failures: u64,
    pub deleted: u64,
    pub handed_back: u64,
    pub gaps: u64,
    pub halved: u64,
    pub retried: u64,
    pub not_reached: u64,
    pub committed: u64,
    pub windows_ended: u64,
    pub windows_terminated_early: u64,
    pub windows_given_up: u64,
}

/// How an outcome's records are treated next.
enum Verdict {
    Done,
    /// A retry was spent.
    Spent,
    /// Tried again without one: as a half.
    Split,
    /// The function was not reached.
    Untouched,
    /// Given up, for the function asked for it.
    Rejected,
}

/// How long the function asked one record to wait, and the longest that it asked of those that are tried
/// again with it.
#[derive(Clone, Copy, Default)]
struct Asked {
    own_us: Option<u64>,
    most_us: u64,
}

/// An attempt that ended, and what the machine knows of it.
struct Ended {
    entries: Vec<usize>,
    /// What belongs to a former ownership changes nothing in this one.
    alive: Vec<bool>,
    limits: Limits,
    now_us: u64,
}

impl Oracle {
    /// The machine hears of an outcome. The limits are those of the batch, whatever the plan says by now.
    pub(crate) fn hear_outcome(
        &mut self,
        id: AttemptId,
        slice: &Slice,
        outcome: &Outcome,
        now_us: u64,
    ) -> bool {
        let Some(flight) = self.flights.remove(&id) else { return false };
        self.hear_of_a_window(&flight, outcome, now_us);
        let alive: Vec<bool> = flight
            .entries
            .iter()
            .zip(&flight.owner_of)
            .map(|(entry, owner)| self.is_held(*entry, *owner))
            .collect();
        let first = flight.entries.iter().zip(&alive).find(|(_, alive)| **alive).map(|(entry, _)| *entry);
        // An attempt whose tracks were all lost is forgotten; one whose receipts were goes on, by the limits
        // that it was cut with.
        let first = first.or_else(|| flight.entries.first().copied().filter(|_| self.is_queue));
        self.is_unsure |= first.is_some_and(|first| self.entries[first].limits.is_none());
        let limits = first
            .and_then(|first| self.entries[first].limits)
            .unwrap_or_else(|| Limits::of(&self.plan().retry));
        let ended = Ended { entries: flight.entries, alive, limits, now_us };
        for (entry, alive) in ended.entries.iter().zip(&ended.alive) {
            self.entries[*entry].in_flight &= !alive;
        }
        self.hear_of_a_throttle(outcome, self.is_queue || ended.alive.contains(&true), now_us);
        if let Some(first) = first {
            self.hear_ended(&ended, first, slice, outcome);
        }
        if let (Outcome::Succeeded(_), false) = (outcome, self.is_queue) {
            let owners = flight.owner_of.iter().zip(&ended.alive).filter(|(_, alive)| **alive);
            self.unsaid.extend(owners.map(|(owner, _)| TrackIdx(*owner)));
        }
        if !matches!(outcome, Outcome::Succeeded(_)) {
            self.failed_us = Some(now_us);
        }
        true
    }

    fn hear_ended(&mut self, ended: &Ended, first: usize, slice: &Slice, outcome: &Outcome) {
        let n = ended.entries.len() as u64;
        let by_us = self.plan().retry.redelivery == Redelivery::ByUs;
        if !matches!(outcome, Outcome::NotReached { .. }) {
            self.tally.invoked += n;
            self.tally.invoked_first += if self.entries[first].tried == 0 { n } else { 0 };
        }
        match outcome {
            Outcome::Succeeded(_) => {
                self.tally.succeeded += n;
                self.enter_all(ended, &Verdict::Done);
            }
            Outcome::Failed { .. } => {
                self.tally.failed += n;
                let halves = ended.limits.bisect && n > 1;
                self.tally.halved += u64::from(halves);
                self.tally.retried += u64::from(!halves && by_us && !self.is_last_try(first, ended.limits));
                self.hear_of_leaving(ended, |_| true);
                self.enter_all(ended, if halves { &Verdict::Split } else { &Verdict::Spent });
            }
            Outcome::NotReached { .. } => {
                self.tally.not_reached += 1;
                // What its queue has taken back meanwhile was not reached either, and the rest of its batch
                // is told of as that.
                for entry in ended.entries.iter().filter(|_| self.is_queue) {
                    let held = &mut self.entries[*entry];
                    held.not_reached_us = held.not_reached_us.or(Some(ended.now_us));
                }
                self.enter_all(ended, &Verdict::Untouched);
            }
            Outcome::TooLarge => {
                self.tally.halved += u64::from(n > 1);
                self.entries[first].too_large |= n == 1;
                self.hear_of_leaving(ended, |_| n == 1);
                self.enter_all(ended, &Verdict::Split);
            }
            Outcome::PartlyFailed { failed, asked, .. } => {
                self.hear_partial(ended, first, slice, (failed, asked))
            }
        }
    }

    /// A partial answer: on a track everything from the lowest named record on is tried again, for a function
    /// may stop there; in queues what was named, and with the group guard what follows it in its group. What
    /// was rejected is given up and keeps nothing back.
    fn hear_partial(
        &mut self,
        ended: &Ended,
        first: usize,
        slice: &Slice,
        (failed, asked): (&[RecordId], &ItemActions),
    ) {
        let records = slice.records();
        let is_rejected = |record: &Record| asked.get(&record.id) == Some(&ItemAction::Reject);
        let named: Vec<bool> = records.iter().map(|record| failed.contains(&record.id)).collect();
        let fails: Vec<bool> =
            records.iter().zip(&named).map(|(record, named)| *named && !is_rejected(record)).collect();
        let is_behind: Vec<bool> =
            (0..named.len()).map(|at| self.is_behind_a_named_one(slice, &fails, at)).collect();
        // Behind one that failed the guard of a group counts all of it as failed.
        let rejected: Vec<bool> = (0..named.len())
            .map(|at| is_rejected(&records[at]) && !(self.is_queue && is_behind[at]))
            .collect();
        let stays: Vec<bool> =
            (0..named.len()).map(|at| !rejected[at] && (fails[at] || is_behind[at])).collect();
        let n_rest = stays.iter().filter(|stays| **stays).count();
        let by_us = self.plan().retry.redelivery == Redelivery::ByUs;
        let is_last_try = by_us && self.is_last_try(first, ended.limits);
        let splits = !self.is_queue && ended.limits.bisect && n_rest > 1 && is_last_try;
        self.tally.failed += named.iter().filter(|named| **named).count() as u64;
        self.tally.succeeded += (0..named.len()).filter(|at| !rejected[*at] && !stays[*at]).count() as u64;
        self.tally.retried += u64::from(by_us && !is_last_try && n_rest > 0);
        // With bisect the last try gives up the named record alone; the others go on as halves.
        let given_up = fails.iter().position(|fails| *fails);
        self.hear_of_leaving(ended, |at| stays[at]);
        let wait_us = |at: usize| match asked.get(&records[at].id) {
            Some(ItemAction::RetryAfter(wait)) => {
                Some(u64::try_from(wait.as_micros()).expect("a short time"))
            }
            Some(ItemAction::Reject) | None => None,
        };
        let most_us = (0..named.len()).filter(|at| stays[*at]).filter_map(wait_us).max().unwrap_or(0);
        for (at, entry) in ended.entries.iter().enumerate().filter(|(at, _)| ended.alive[*at]) {
            let verdict = match (stays[at], by_us) {
                (false, _) if rejected[at] => Verdict::Rejected,
                (false, _) => Verdict::Done,
                (true, true) if splits && given_up != Some(at) => Verdict::Split,
                (true, _) => Verdict::Spent,
            };
            self.enter(*entry, &verdict, ended, Asked { own_us: wait_us(at), most_us });
        }
    }

    /// What failed is left to a queue that redelivers by itself, whatever became of its receipt meanwhile.
    fn hear_of_leaving(&mut self, ended: &Ended, is_left: impl Fn(usize) -> bool) {
        if self.plan().retry.redelivery == Redelivery::BySource {
            for (_, entry) in ended.entries.iter().enumerate().filter(|(at, _)| is_left(*at)) {
                self.entries[*entry].left_us = Some(ended.now_us);
            }
        }
    }

    fn is_behind_a_named_one(&self, slice: &Slice, named: &[bool], at: usize) -> bool {
        let guards = self.plan().retry.stop_group_at_first_failure;
        slice.records().iter().zip(named).enumerate().any(|(other, (record, is_named))| {
            match (&record.place, &slice.records()[at].place) {
                (Place::Track(track, position), Place::Track(its, place)) => {
                    *is_named && track == its && position <= place
                }
                (Place::Queue(place), Place::Queue(its)) => {
                    let group = |receipt: &forebay_batcher::Receipt| {
                        self.truth_of(handle_number(&receipt.handle)).key
                    };
                    *is_named
                        && guards
                        && other < at
                        && group(&its.receipt).is_some()
                        && group(&place.receipt) == group(&its.receipt)
                }
                _ => false,
            }
        })
    }

    fn is_last_try(&self, entry: usize, limits: Limits) -> bool {
        limits.retries_max.is_some_and(|max| self.entries[entry].spent + 1 > max)
    }

    /// The machine hears of a commit; of one that was answered for good it has heard before.
    pub(crate) fn hear_committed(&mut self, track: TrackIdx, id: CommitId, answer: Committed, now_us: u64) {
        let is_open = self.commits.contains_key(&id);
        let Some(checkpoint) =
            self.commits.remove(&id).map(|it| it.1).or_else(|| self.unsynced.get(&(track, id)).cloned())
        else {
            return;
        };
        match answer {
            Committed::Written if is_open => drop(self.unsynced.insert((track, id), checkpoint)),
            Committed::Written => {}
            // A sync speaks for all that was written before it.
            Committed::Durable | Committed::Full | Committed::Failed
                if !is_open || answer == Committed::Durable =>
            {
                self.unsynced.retain(|(other, before), _| *other != track || *before > id);
                self.hear_of_the_last(track, checkpoint, answer, now_us);
            }
            Committed::Durable | Committed::Full | Committed::Failed => {
                self.hear_of_the_last(track, checkpoint, answer, now_us)
            }
            Committed::Fenced => {
                self.unsynced.retain(|(other, _), _| *other != track);
                self.hear_of_the_last(track, checkpoint, answer, now_us);
            }
        }
    }

    fn hear_of_the_last(
        &mut self,
        track: TrackIdx,
        checkpoint: Arc<Checkpoint>,
        answer: Committed,
        now_us: u64,
    ) {
        if answer == Committed::Fenced {
            self.end_ownership(track);
        }
        let Some(owner) = self.owners.get_mut(&track).filter(|owner| !owner.over && !owner.position_lost)
        else {
            return;
        };
        match answer {
            Committed::Durable => {
                self.tally.committed += 1;
                owner.heard = checkpoint;
                if owner.commit_failing.take().is_some() {
                    owner.commits_us = now_us;
                }
            }
            Committed::Full | Committed::Failed => {
                let (n, since_us) =
                    owner.commit_failing.map_or((0, now_us), |failing| (failing.n, failing.since_us));
                let pause = Pause::after(now_us, OURS_FIRST_MS, n);
                owner.commit_failing =
                    Some(CommitFailing { n: n + 1, since_us, is_full: answer == Committed::Full, pause });
            }
            Committed::Written | Committed::Fenced => {}
        }
    }

    /// The machine tells that it gave records up.
    pub(crate) fn hear_of_a_giving_up(&mut self, entries: &[usize], condition: Condition, now_us: u64) {
        self.stirred_us = now_us;
        self.has_expired |= condition == Condition::AgeExceeded;
        for entry in entries {
            let held = &mut self.entries[*entry];
            held.not_reached_us = None;
            if held.tried == 0 && !held.given_up && !held.uninvoked {
                held.uninvoked = true;
                self.tally.given_up_uninvoked += 1;
            }
        }
    }

    /// The machine hears whether a destination took a notice's records.
    pub(crate) fn hear_taken(&mut self, id: NoticeId, taken: bool, now_us: u64) -> bool {
        let Some(entries) = self.notices.remove(&id) else { return false };
        let n = entries.len() as u64;
        let mut any_held = self.is_queue;
        for (entry, owner) in entries {
            if !self.is_held(entry, owner) {
                continue;
            }
            any_held = true;
            let held = &mut self.entries[entry];
            held.noticing = false;
            held.finished |= taken;
            held.fixed |= taken;
            if !taken {
                held.refused_us = if held.n_refused == 0 { now_us } else { held.refused_us };
                held.pause = Pause::after(now_us, OURS_FIRST_MS, held.n_refused);
                held.n_refused += 1;
            }
        }
        self.tally.delivered += if taken && any_held { n } else { 0 };
        self.tally.delivery_failures += u64::from(!taken && any_held);
        true
    }

    /// The living machine still holds this record by that ownership (`u32::MAX` for a queue).
    fn is_held(&self, entry: usize, owner: u32) -> bool {
        let track_held = self.owners.get(&TrackIdx(owner)).is_some_and(|it| !it.over && !it.position_lost);
        if self.is_queue { !self.entries[entry].void } else { track_held }
    }

    fn enter_all(&mut self, ended: &Ended, verdict: &Verdict) {
        for (entry, _) in ended.entries.iter().zip(&ended.alive).filter(|(_, alive)| **alive) {
            self.enter(*entry, verdict, ended, Asked::default());
        }
    }

    fn enter(&mut self, entry: usize, verdict: &Verdict, ended: &Ended, asked: Asked) {
        let (now_us, is_last_try) = (ended.now_us, self.is_last_try(entry, ended.limits));
        let held = &mut self.entries[entry];
        held.pause = Pause::of(now_us, 0);
        match verdict {
            Verdict::Done => {}
            Verdict::Spent | Verdict::Split | Verdict::Rejected => {
                held.failed_us = held.failed_us.or(Some(now_us))
            }
            Verdict::Untouched => held.not_reached_us = held.not_reached_us.or(Some(now_us)),
        }
        held.asked_us = asked.own_us;
        held.not_reached_us = held.not_reached_us.filter(|_| matches!(verdict, Verdict::Untouched));
        match verdict {
            Verdict::Done => {
                held.finished = true;
                held.fixed = true;
            }
            Verdict::Spent => {
                if !is_last_try && held.limits.is_some() {
                    held.pause = Pause::after(now_us, RETRY_FIRST_MS, held.spent);
                    held.pause = held.pause.at_least(now_us, asked.own_us.unwrap_or(0), asked.most_us);
                }
                held.tried += 1;
                held.spent += 1;
                held.is_pardoned = false;
            }
            Verdict::Split => {
                held.tried += 1;
                held.pause = held.pause.at_least(now_us, asked.own_us.unwrap_or(0), asked.most_us);
            }
            Verdict::Rejected => {
                held.tried += 1;
                held.rejected = true;
            }
            Verdict::Untouched => {}
        }
    }
}
