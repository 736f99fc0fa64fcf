//! What is true about one record, and about one holding of it by the machine.

use forebay_batcher::{Now, OpenSlice, Place, Position, Record, RecordId, RetryPlan, UnixMillis};

use super::Oracle;

/// Whether a record makes the function fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poison {
    /// It does not.
    Harmless,
    /// It does until the poison heals.
    Heals,
    /// It always does.
    Stays,
}

/// A record and what the world did to it.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    pub(crate) track: u32,
    pub(crate) idx: usize,
    pub(crate) position: Position,
    pub(crate) name: u64,
    pub(crate) key: Option<u32>,
    /// The record of the same key before it, in this track or its parents.
    pub(crate) before: Option<u32>,
    pub(crate) n_bytes: u32,
    pub(crate) arrival: UnixMillis,
    pub(crate) poison: Poison,
    /// It passes the filter and lies behind the starting position.
    pub(crate) wanted: bool,
    /// The source does not have it any more.
    pub(crate) gone: bool,
    pub(crate) n_done: u32,
    pub(crate) n_attempts: u32,
    pub(crate) n_taken: u32,
    pub(crate) n_discarded: u32,
    /// Operators who skipped it.
    pub(crate) n_skipped: u32,
}

/// A record as the living machine holds it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) uid: u32,
    /// It was handed to the machine.
    pub(crate) handed: bool,
    /// The machine was told of an end by one of the five ways, or its checkpoint holds one.
    pub(crate) finished: bool,
    /// It may not be tried again: the machine knows that it is finished.
    pub(crate) fixed: bool,
    /// Retries spent.
    pub(crate) spent: u32,
    /// Attempts that reached the function.
    pub(crate) tried: u32,
    pub(crate) in_flight: bool,
    pub(crate) noticing: bool,
    /// It alone was refused for size.
    pub(crate) too_large: bool,
    /// The function rejected it.
    pub(crate) rejected: bool,
    /// How long the function asked it to wait when it failed last.
    pub(crate) asked_us: Option<u64>,
    /// The checkpoint says that it was given up.
    pub(crate) given_up: bool,
    /// It waits for an operator, since then by the wall clock: as the machine told, or its checkpoint.
    pub(crate) paused_since: Option<UnixMillis>,
    /// An operator sent it to the destination.
    pub(crate) is_sent: bool,
    /// An operator had it tried again, and no retry was spent since.
    pub(crate) is_pardoned: bool,
    /// When that was.
    pub(crate) retried_us: Option<u64>,
    /// Queues: the life that received it, its channel, its settlements.
    pub(crate) life: u32,
    pub(crate) generation: u32,
    pub(crate) void: bool,
    pub(crate) settling: bool,
    pub(crate) settled: bool,
    /// When it was handed to the machine.
    pub(crate) handed_us: u64,
    /// It was part of an attempt or a notice: of this life, or as its checkpoint says of a former one.
    pub(crate) begun: bool,
    /// It lies in a slice of a former life.
    pub(crate) restored: bool,
    /// The limits of its first attempt; `None` when it had none or nobody can tell.
    pub(crate) limits: Option<Limits>,
    /// When it may be tried or told again.
    pub(crate) pause: Pause,
    /// Refusals of its notice, and the first one's time.
    pub(crate) n_refused: u32,
    pub(crate) refused_us: u64,
    /// When an attempt of it failed first in this life; of a slice of a former life, when its track came.
    pub(crate) failed_us: Option<u64>,
    /// When it was left to its queue because it failed.
    pub(crate) left_us: Option<u64>,
    /// Since when its attempts have not reached the function.
    pub(crate) not_reached_us: Option<u64>,
    /// It was counted as given up without any attempt.
    pub(crate) uninvoked: bool,
    /// It has reached the machine.
    pub(crate) held: bool,
    /// The machine asked to settle it, whatever came of that.
    pub(crate) asked: bool,
    /// The machine asked to leave it hidden.
    pub(crate) left: bool,
    /// The machine was told, after its end, that the end did not take effect: the message comes again.
    pub(crate) lost: bool,
    /// Until when the machine believes that it is hidden at least, from all that it was told and may not have
    /// forgotten.
    pub(crate) believed_us: u64,
    /// Until when it can believe so at most.
    pub(crate) believed_most_us: u64,
    /// How often its message could be handed out once more, as it was told with it.
    pub(crate) receives_left: Option<u32>,
    /// The queue handed its message out again though nothing had lapsed.
    pub(crate) repeated: bool,
    /// Its extensions fail, all of them.
    pub(crate) never_extended: bool,
    /// Network, queue or process gave a cause for its lapse, or for what the machine believes of it wrongly.
    pub(crate) excused: bool,
}

/// The limits that stay with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) retries_max: Option<u32>,
    pub(crate) age_max_ms: Option<u64>,
    pub(crate) bisect: bool,
    pub(crate) partial: bool,
    pub(crate) actions: bool,
}

impl Limits {
    pub(crate) fn of(plan: &RetryPlan) -> Self {
        let age_max_ms =
            plan.record_age_max.map(|age| u64::try_from(age.as_millis()).expect("ages are short"));
        Self {
            retries_max: plan.retries_max,
            age_max_ms,
            bisect: plan.bisect,
            partial: plan.partial_responses,
            actions: plan.item_actions,
        }
    }
}

/// A pause: not before, and due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pause {
    pub(crate) until_us: u64,
    pub(crate) due_us: u64,
}

impl Pause {
    /// The pause from now on that follows the `n`-th failure in a row, from 0: doubled from `first_ms` to a
    /// minute, less a fifth at most.
    pub(crate) fn after(now_us: u64, first_ms: u64, n: u32) -> Self {
        let full_us = (1000 * first_ms).saturating_mul(1 << n.min(20)).min(60_000_000);
        Self { until_us: now_us + full_us / 5 * 4, due_us: now_us + full_us }
    }

    /// The same, and as long as was asked for: of it itself at least, of all that it is tried again with at
    /// most.
    pub(crate) fn at_least(self, now_us: u64, asked_us: u64, most_asked_us: u64) -> Self {
        Self {
            until_us: self.until_us.max(now_us + asked_us),
            due_us: self.due_us.max(now_us + most_asked_us),
        }
    }

    /// What is left of the pause that a checkpoint says.
    pub(crate) fn restored(slice: &OpenSlice, now: Now, wait_max_ms: u64) -> Self {
        let left_ms = u64::try_from(slice.not_before.0 - now.unix.0).unwrap_or(0).min(wait_max_ms);
        Self {
            until_us: now.tick.0 + (1000 * left_ms).saturating_sub(1000),
            due_us: now.tick.0 + 1000 * left_ms,
        }
    }

    /// Exactly this long.
    pub(crate) fn of(now_us: u64, span_us: u64) -> Self {
        Self { until_us: now_us + span_us, due_us: now_us + span_us }
    }
}

/// Before a failed batch is tried again for the first time, and before anything else is asked again.
pub(crate) const RETRY_FIRST_MS: u64 = 500;
pub(crate) const OURS_FIRST_MS: u64 = 200;

impl Oracle {
    /// The entry of a record that the machine names.
    pub(crate) fn entry_of(&self, record: &Record) -> usize {
        match &record.place {
            Place::Track(..) => uid_of(&record.bytes) as usize,
            Place::Queue(place) => handle_number(&place.receipt.handle),
        }
    }

    /// The truth of an entry's record.
    pub(crate) fn truth_of(&self, entry: usize) -> &Truth {
        &self.truths[self.entries[entry].uid as usize]
    }
}

/// A record's rendered bytes begin with its number, so that what the function gets can be told apart.
pub(crate) fn uid_of(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().expect("every record has at least its number"))
}

/// A receipt handle is the number of its receive as a decimal text, so that handles differ in length.
pub(crate) fn handle_number(handle: &[u8]) -> usize {
    handle.iter().fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}

/// A number as a decimal text, written into the end of `buffer`.
pub(crate) fn decimal(mut number: u64, buffer: &mut [u8; 40]) -> &[u8] {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + u8::try_from(number % 10).expect("a digit");
        number /= 10;
        if number == 0 {
            return &buffer[at..];
        }
    }
}

/// The name that a function calls a record by: a decimal text, mostly short; every fifth is longer than what
/// is kept in place.
pub(crate) fn name(number: u64) -> RecordId {
    let mut buffer = [b'0'; 40];
    let n = decimal(number, &mut buffer).len();
    if number % 5 != 4 {
        return RecordId::new(&buffer[40 - n..]);
    }
    let first = buffer.len() - n - 21;
    buffer[first] = b'9';
    RecordId::new(&buffer[first..])
}
