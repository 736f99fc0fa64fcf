//! What is tried together and how it ends: slices, outcomes, and what follows an outcome.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::batch_reason::BatchReason;
use crate::condition::Condition;
use crate::fault::Fault;
use crate::items::{ItemActions, is_rejected, longest_wait};
use crate::plan::{Redelivery, RetryPlan};
use crate::record::{OrderKey, Place, Record, RecordId};
use crate::time::{Tick, UnixMillis};
use crate::tumbling::Finale;

/// Records that are tried together, in order. Halves share their parent's records.
#[derive(Debug, Clone)]
pub struct Slice {
    records: Arc<Vec<Record>>,
    range: std::ops::Range<usize>,
}

impl Slice {
    /// A slice of all of `records`.
    pub fn new(records: Vec<Record>) -> Self {
        let range = 0..records.len();
        Self { records: Arc::new(records), range }
    }

    /// Its records.
    pub fn records(&self) -> &[Record] {
        &self.records[self.range.clone()]
    }

    /// How many records it has.
    pub fn n_records(&self) -> usize {
        self.range.len()
    }

    /// The part of it before `at` and the part from `at` on, sharing the records.
    pub fn split_at(&self, at: usize) -> (Self, Self) {
        let middle = self.range.start + at.min(self.range.len());
        let part = |range| Self { records: Arc::clone(&self.records), range };
        (part(self.range.start..middle), part(middle..self.range.end))
    }
}

/// What the executor tells about one invocation, for notices and logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The id of the invocation.
    pub request_id: String,
    /// HTTP status of the invoke; 200 for function errors too; `None` when no answer came.
    pub status: Option<u16>,
    /// The version that ran, such as `$LATEST`.
    pub executed_version: Option<String>,
    /// `Unhandled` or `Handled` when the function failed by itself.
    pub function_error: Option<String>,
    /// The first line of what went wrong, for people; of an answer without a `function_error`, why it cannot
    /// be read.
    pub error: Option<String>,
    /// The function's answer.
    pub payload: Option<Bytes>,
    /// What it gave back to be carried over its tumbling window, where one was asked for.
    pub state: Option<Bytes>,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All records are done.
    Succeeded(Reply),
    /// The function named some records as failed. Every name is one of the slice's; see [`crate::response`].
    PartlyFailed {
        /// The names it gave.
        failed: Vec<RecordId>,
        /// What it asks for some of them; empty unless the plan lets it ask.
        asked: ItemActions,
        /// What the executor told.
        reply: Reply,
    },
    /// The whole attempt failed: halved with bisect while more than one record is left, else a retry is
    /// spent.
    Failed {
        /// In which way.
        how: Failure,
        /// What the executor told.
        reply: Reply,
    },
    /// No byte of the request was accepted, or the platform said so: no retry is spent.
    NotReached {
        /// Why.
        why: NotReached,
        /// When the platform asked to come back.
        retry_after: Option<Duration>,
        /// What went wrong.
        error: Fault,
    },
    /// Refused for size: halved without spending a retry; a single record is given up.
    TooLarge,
}

/// How many records of a slice an answer named.
pub(crate) fn n_named(slice: &Slice, failed: &[RecordId]) -> u64 {
    let failed: BTreeSet<&RecordId> = failed.iter().collect();
    slice.records().iter().filter(|record| failed.contains(&record.id)).count() as u64
}

/// Ways in which a whole attempt fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// The function raised, timed out, crashed.
    FunctionError,
    /// Partial responses are on and the answer breaks their rules.
    InvalidResponse,
    /// The request was sent and no answer came.
    Unknown,
}

/// Why a function was not reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotReached {
    /// The function's concurrency or rate is used up.
    Throttled,
    /// The platform failed: 5xx, no connection, no process could be started.
    Platform,
    /// The function is gone, forbidden or wrongly configured.
    Config,
}

/// The limits that a batch was read under; they stay with it whatever the plan becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) retries_max: Option<u32>,
    pub(crate) record_age_max: Option<Duration>,
    pub(crate) bisect: bool,
    pub(crate) partial_responses: bool,
    pub(crate) item_actions: bool,
    pub(crate) redelivery: Redelivery,
    pub(crate) stop_group_at_first_failure: bool,
}

impl Limits {
    pub(crate) fn of(plan: &RetryPlan) -> Self {
        Self {
            retries_max: plan.retries_max,
            record_age_max: plan.record_age_max,
            bisect: plan.bisect,
            partial_responses: plan.partial_responses,
            item_actions: plan.item_actions,
            redelivery: plan.redelivery,
            stop_group_at_first_failure: plan.stop_group_at_first_failure,
        }
    }

    fn is_exhausted(&self, n_failures: u32) -> bool {
        self.retries_max.is_some_and(|max| n_failures > max)
    }
}

/// A slice on its way through attempts.
#[derive(Debug, Clone)]
pub(crate) struct AttemptedSlice {
    pub(crate) slice: Slice,
    /// Retries spent, the failed attempt that is to be retried included.
    pub(crate) n_failures: u32,
    /// Attempts that its records were part of.
    pub(crate) n_invokes: u32,
    pub(crate) why: BatchReason,
    pub(crate) not_before: Tick,
    /// How long the function asked it to wait before it is tried again.
    pub(crate) asked_wait: Duration,
    /// An operator had it tried again: the limit of age does not hold before a retry is spent.
    pub(crate) is_pardoned: bool,
    /// What the last attempt told; most have none, so it takes no place of its own.
    pub(crate) reply: Option<Box<Reply>>,
    /// It has no records: it ends the tumbling window of its lane.
    pub(crate) finale: Option<Finale>,
}

impl AttemptedSlice {
    pub(crate) fn part(&self, slice: Slice, why: BatchReason) -> Self {
        let (not_before, asked_wait) = (Tick::default(), Duration::ZERO);
        Self {
            slice,
            n_failures: self.n_failures,
            n_invokes: self.n_invokes,
            why,
            not_before,
            asked_wait,
            is_pardoned: self.is_pardoned,
            reply: self.reply.clone(),
            finale: self.finale,
        }
    }

    pub(crate) fn give_up(self, condition: Condition) -> GivenUpSlice {
        GivenUpSlice {
            slice: self.slice,
            condition,
            n_invokes: self.n_invokes,
            reply: self.reply,
            paused: None,
            n_refused: 0,
            refused_since: None,
            finale: self.finale,
        }
    }
}

/// That a slice waits for an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pause {
    /// Since when, by the wall clock.
    pub(crate) since: UnixMillis,
    /// The shell was told, in this life or in a former one.
    pub(crate) is_told: bool,
}

/// A slice that was given up and waits until its destination has it, or until an operator has decided.
#[derive(Debug, Clone)]
pub(crate) struct GivenUpSlice {
    pub(crate) slice: Slice,
    pub(crate) condition: Condition,
    pub(crate) n_invokes: u32,
    pub(crate) reply: Option<Box<Reply>>,
    /// It waits for an operator: no destination hears of it.
    pub(crate) paused: Option<Pause>,
    pub(crate) n_refused: u32,
    /// The first refusal.
    pub(crate) refused_since: Option<Tick>,
    /// It has no records: it ends the tumbling window of its lane.
    pub(crate) finale: Option<Finale>,
}

/// What follows an outcome.
#[derive(Debug)]
pub(crate) struct Next {
    /// Records that are finished.
    pub(crate) done: Option<Slice>,
    /// Messages that their queue brings again.
    pub(crate) left: Option<Slice>,
    /// What was asked for some of them.
    pub(crate) asked: ItemActions,
    /// What takes the slice's place, in order.
    pub(crate) then: Vec<Then>,
}

#[derive(Debug)]
pub(crate) enum Then {
    /// Tried again after a delay; a retry was spent.
    Again(AttemptedSlice),
    /// Tried again at once; none was spent.
    Half(AttemptedSlice),
    /// Tried again as soon as the function can be reached.
    NotReached(AttemptedSlice),
    /// Given up.
    GivenUp(GivenUpSlice),
}

/// Decides what follows. With bisect a failed slice of more than one record is halved (the first half is the
/// smaller) and no retry is spent; partial answers split exactly at the failed record.
pub(crate) fn next(mut attempted: AttemptedSlice, outcome: Outcome, limits: &Limits) -> Next {
    let nothing = || Next { done: None, left: None, asked: ItemActions::new(), then: Vec::new() };
    match outcome {
        Outcome::Succeeded(_) => Next { done: Some(attempted.slice), ..nothing() },
        Outcome::NotReached { .. } => {
            // not reaching the function spends nothing, and it is no attempt.
            attempted.n_invokes -= 1;
            attempted.why = BatchReason::NotReached;
            Next { then: vec![Then::NotReached(attempted)], ..nothing() }
        }
        // With or without bisect: as a whole it can never succeed, and the function has not failed.
        Outcome::TooLarge if attempted.slice.n_records() > 1 => {
            Next { then: halves(&attempted), ..nothing() }
        }
        Outcome::TooLarge => {
            Next { then: vec![Then::GivenUp(attempted.give_up(Condition::PayloadTooLarge))], ..nothing() }
        }
        Outcome::Failed { reply, .. } => {
            attempted.reply = Some(Box::new(reply));
            match limits.redelivery {
                // The queue counts receives and has a redrive policy; a retry of ours would be one that it
                // does not count.
                Redelivery::BySource => Next { left: Some(attempted.slice), ..nothing() },
                Redelivery::ByUs if limits.bisect && attempted.slice.n_records() > 1 => {
                    Next { then: halves(&attempted), ..nothing() }
                }
                Redelivery::ByUs => Next { then: vec![spend(attempted, limits)], ..nothing() },
            }
        }
        Outcome::PartlyFailed { failed, asked, reply } => {
            attempted.reply = Some(Box::new(reply));
            let failed: BTreeSet<&RecordId> = failed.iter().collect();
            let Parts { done, rejected, rest } = split_partial(&attempted.slice, &failed, &asked, limits);
            let done = Some(done).filter(|done| done.n_records() > 0);
            let rejected = Some(rejected).filter(|rejected| rejected.n_records() > 0);
            let given_up = rejected.map(|slice| {
                Then::GivenUp(attempted.part(slice, BatchReason::Half).give_up(Condition::Rejected))
            });
            match limits.redelivery {
                Redelivery::BySource => {
                    Next { done, left: Some(rest), asked, then: given_up.into_iter().collect() }
                }
                Redelivery::ByUs => {
                    attempted.slice = rest;
                    // What was rejected is told of first: nothing of the rest need wait for its retries to
                    // end.
                    let then = given_up
                        .into_iter()
                        .chain(after_partial(attempted, &failed, &asked, limits))
                        .collect();
                    Next { done, then, ..nothing() }
                }
            }
        }
    }
}

fn halves(attempted: &AttemptedSlice) -> Vec<Then> {
    let (first, second) = attempted.slice.split_at(attempted.slice.n_records() / 2);
    [first, second].map(|half| Then::Half(attempted.part(half, BatchReason::Half))).into()
}

fn spend(mut attempted: AttemptedSlice, limits: &Limits) -> Then {
    attempted.n_failures += 1;
    // the pardon was for one attempt.
    attempted.is_pardoned = false;
    attempted.why = BatchReason::Retry;
    if limits.is_exhausted(attempted.n_failures) {
        Then::GivenUp(attempted.give_up(Condition::RetriesExhausted))
    } else {
        Then::Again(attempted)
    }
}

/// The remainder of a partial answer. When its retries are used up, bisect gives up the named record alone
/// and tries the others once more, as a half: healthy neighbours are not discarded with it (P10 of the
/// promises).
fn after_partial(
    mut attempted: AttemptedSlice,
    failed: &BTreeSet<&RecordId>,
    asked: &ItemActions,
    limits: &Limits,
) -> Vec<Then> {
    if attempted.slice.n_records() == 0 {
        return Vec::new();
    }
    attempted.asked_wait = longest_wait(asked, attempted.slice.records());
    let is_last_try = limits.is_exhausted(attempted.n_failures + 1);
    let on_track = attempted.slice.records().iter().all(|record| matches!(record.place, Place::Track(..)));
    if !(is_last_try && on_track && limits.bisect && attempted.slice.n_records() > 1) {
        return vec![spend(attempted, limits)];
    }
    let named = attempted.slice.records().iter().position(|record| failed.contains(&record.id)).unwrap_or(0);
    let (before, from_named) = attempted.slice.split_at(named);
    let (named, after) = from_named.split_at(1);
    let parts =
        [(before, false), (named, true), (after, false)].into_iter().filter(|(part, _)| part.n_records() > 0);
    parts
        .map(|(part, is_named)| {
            let asked_wait = longest_wait(asked, part.records());
            let part = AttemptedSlice { asked_wait, ..attempted.part(part, BatchReason::Half) };
            if is_named { Then::GivenUp(part.give_up(Condition::RetriesExhausted)) } else { Then::Half(part) }
        })
        .collect()
}

/// What a partial answer makes of a slice.
struct Parts {
    done: Slice,
    rejected: Slice,
    /// What is to be tried again.
    rest: Slice,
}

/// Splits a slice by the names that failed: on a track everything from its lowest failed record on stays; in
/// queues only what was named, and with the group guard what follows it in its group. What is rejected is
/// neither and keeps nothing back, unless the guard counts it as failed behind another.
fn split_partial(slice: &Slice, failed: &BTreeSet<&RecordId>, asked: &ItemActions, limits: &Limits) -> Parts {
    let records = slice.records();
    let track = |record: &Record| if let Place::Track(track, _) = record.place { Some(track) } else { None };
    let first = records.first().and_then(track);
    if asked.is_empty() && first.is_some() && records.iter().all(|record| track(record) == first) {
        let (done, rest) = slice
            .split_at(records.iter().position(|record| failed.contains(&record.id)).unwrap_or(records.len()));
        // What is done is not kept in memory by what may fail for long.
        return Parts { done, rejected: Slice::new(Vec::new()), rest: Slice::new(rest.records().to_vec()) };
    }
    let mut stopped = BTreeSet::new();
    let (mut done, mut rejected, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        let unit = match (&record.place, &record.key) {
            (Place::Track(track, _), _) => Some((track.0, None)),
            (Place::Queue { .. }, OrderKey::Key(key)) if limits.stop_group_at_first_failure => {
                Some((0, Some(key)))
            }
            (Place::Queue { .. }, _) => None,
        };
        let is_stopped = unit.is_some_and(|unit| stopped.contains(&unit));
        // The guard holds for a queue's groups: nothing of one is finished, not even by rejection, before
        // what failed ahead of it.
        if is_rejected(asked, record) && (!is_stopped || track(record).is_some()) {
            rejected.push(record.clone());
        } else if failed.contains(&record.id) || is_stopped {
            stopped.extend(unit);
            rest.push(record.clone());
        } else {
            done.push(record.clone());
        }
    }
    Parts { done: Slice::new(done), rejected: Slice::new(rejected), rest: Slice::new(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::ItemAction;
    use crate::record::{Position, Section, TrackIdx};
    use crate::time::UnixMillis;

    #[test]
    fn a_failed_batch_is_halved_before_a_retry_is_spent() {
        check("1234", "fail", "bisect", "half 12, half 34");
        check("12345", "fail", "bisect", "half 12, half 345");
        check("1", "fail", "bisect", "again 1 (1)");
        check("12", "fail", "", "again 12 (1)");
    }

    #[test]
    fn the_last_retry_gives_up() {
        check("12", "fail", "last", "gave up 12");
        check("1", "large", "bisect", "gave up 1");
        check("123", "large", "last", "half 1, half 23");
    }

    #[test]
    fn a_partial_answer_keeps_everything_from_the_lowest_failure_on() {
        check("12345", "3", "", "done 12; again 345 (1)");
        check("12345", "42", "bisect", "done 1; again 2345 (1)");
        check("12345", "3", "last", "done 12; gave up 345");
    }

    #[test]
    fn bisect_gives_up_only_the_named_record_when_retries_are_used_up() {
        check("12345", "3", "last bisect", "done 12; gave up 3, half 45");
        check("5", "5", "last bisect", "gave up 5");
    }

    #[test]
    fn what_is_rejected_is_given_up_at_once_and_keeps_nothing_back() {
        check("12345", "3!", "", "done 1245; rejected 3");
        check("12345", "2!4", "", "done 13; rejected 2, again 45 (1)");
        check("12345", "24!5!", "", "done 1; rejected 45, again 23 (1)");
        check("12345", "23!", "last bisect", "done 1; rejected 3, gave up 2, half 45");
        check("1", "1!", "bisect", "rejected 1");
    }

    #[test]
    fn a_slice_waits_as_long_as_was_asked_for_any_of_its_records() {
        check("12345", "3~", "", "done 12; again 345 (1) after 60 s");
        check("12345", "24~", "", "done 1; again 2345 (1) after 60 s");
        check("12345", "23~", "last bisect", "done 1; gave up 2, half 345 after 60 s");
    }

    #[test]
    fn not_reaching_the_function_spends_nothing() {
        check("12", "throttle", "last bisect", "not reached 12");
    }

    /// Compared, not timed.
    #[test]
    fn a_partial_answer_that_names_every_record_of_the_largest_batch_takes_no_square_of_comparisons() {
        let n_records = 10_000;
        let record = |n: u64| Record {
            id: RecordId::new(n.to_string().as_bytes()),
            place: Place::Track(TrackIdx(0), Position::number(n)),
            key: OrderKey::Key(Bytes::new()),
            arrival: UnixMillis(0),
            bytes: crate::Rendered::default(),
            section: Section::default(),
        };
        let slice = Slice::new((0..n_records).map(record).collect());
        let failed: Vec<RecordId> = (0..n_records).rev().map(|n| record(n).id).collect();
        for (redelivery, bisect, retries_max) in
            [(Redelivery::ByUs, true, 0), (Redelivery::ByUs, false, 9), (Redelivery::BySource, false, 0)]
        {
            let attempted = AttemptedSlice {
                slice: slice.clone(),
                n_failures: 0,
                n_invokes: 1,
                why: BatchReason::Count,
                not_before: Tick(0),
                asked_wait: Duration::ZERO,
                is_pardoned: false,
                reply: None,
                finale: None,
            };
            let limits = Limits {
                retries_max: Some(retries_max),
                record_age_max: None,
                bisect,
                partial_responses: true,
                item_actions: false,
                redelivery,
                stop_group_at_first_failure: false,
            };
            let before = crate::short::n_compared();
            assert_eq!(n_named(&slice, &failed), n_records);
            next(
                attempted,
                Outcome::PartlyFailed {
                    failed: failed.clone(),
                    asked: ItemActions::new(),
                    reply: Reply::default(),
                },
                &limits,
            );
            let n = crate::short::n_compared() - before;
            assert!(n < 100 * n_records as usize, "{n} comparisons for {n_records} records");
        }
    }

    fn check(records: &str, answer: &str, settings: &str, want: &str) {
        let record = |name: char| Record {
            id: RecordId::new(name.to_string().as_bytes()),
            place: Place::Track(TrackIdx(0), Position::number(u64::from(name))),
            key: OrderKey::Key(Bytes::new()),
            arrival: UnixMillis(0),
            bytes: crate::Rendered::default(),
            section: Section::default(),
        };
        let n_failures = if settings.contains("last") { 2 } else { 0 };
        let slice = Slice::new(records.chars().map(record).collect());
        let attempted = AttemptedSlice {
            slice,
            n_failures,
            n_invokes: 3,
            why: BatchReason::Count,
            not_before: Tick(0),
            asked_wait: Duration::ZERO,
            is_pardoned: false,
            reply: None,
            finale: None,
        };
        let limits = Limits {
            retries_max: Some(2),
            record_age_max: None,
            bisect: settings.contains("bisect"),
            partial_responses: true,
            item_actions: true,
            redelivery: Redelivery::ByUs,
            stop_group_at_first_failure: false,
        };
        let reply = Reply::default();
        let outcome = match answer {
            "fail" => Outcome::Failed { how: Failure::FunctionError, reply },
            "large" => Outcome::TooLarge,
            "throttle" => {
                Outcome::NotReached { why: NotReached::Throttled, retry_after: None, error: "".into() }
            }
            // A name, what is asked for it after it: `!` to reject it, `~` to wait for a minute.
            names => {
                let mut failed: Vec<RecordId> = Vec::new();
                let mut asked = ItemActions::new();
                for it in names.chars() {
                    let action = match it {
                        '!' => ItemAction::Reject,
                        '~' => ItemAction::RetryAfter(Duration::from_secs(60)),
                        name => {
                            failed.push(record(name).id);
                            continue;
                        }
                    };
                    asked.insert(failed.last().expect("a name stands before it").clone(), action);
                }
                Outcome::PartlyFailed { failed, asked, reply }
            }
        };
        let next = next(attempted, outcome, &limits);
        let names = |records: &[Record]| {
            records
                .iter()
                .map(|it| String::from_utf8_lossy(it.id.0.as_slice()).into_owned())
                .collect::<String>()
        };
        let after = |it: &AttemptedSlice| {
            if it.asked_wait.is_zero() {
                String::new()
            } else {
                format!(" after {} s", it.asked_wait.as_secs())
            }
        };
        let then: Vec<String> = next
            .then
            .iter()
            .map(|then| match then {
                Then::Again(it) => {
                    format!("again {} ({}){}", names(it.slice.records()), it.n_failures, after(it))
                }
                Then::Half(it) => format!("half {}{}", names(it.slice.records()), after(it)),
                Then::NotReached(it) => format!("not reached {}", names(it.slice.records())),
                Then::GivenUp(it) if it.condition == Condition::Rejected => {
                    format!("rejected {}", names(it.slice.records()))
                }
                Then::GivenUp(it) => format!("gave up {}", names(it.slice.records())),
            })
            .collect();
        let done = next.done.map_or_else(String::new, |done| format!("done {}; ", names(done.records())));
        assert_eq!(format!("{done}{}", then.join(", ")), want);
    }
}
