//! Why nothing is happening: the state of a track or queue as an enum that makes a sentence.

use crate::attempt::NotReached;
use crate::batch_reason::BatchReason;
use crate::condition::Condition;
use crate::fault::Fault;
use crate::record::Position;
use crate::time::{Tick, UnixMillis};
use crate::tumbling::WindowSpan;

/// What a track (or a queue) is doing, or what it waits for. The first that applies, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackState {
    /// This machine does not know the track.
    Unknown,
    /// Another owner has it.
    Fenced,
    /// The kept position does not belong to the source any more; an operator must decide.
    PositionLost {
        /// What the source said.
        error: String,
    },
    /// All records are finished and the track has no more.
    Ended,
    /// Closed by command.
    Closed,
    /// The store takes no checkpoints, so no new work is taken.
    StoreFailing {
        /// There is no room, as opposed to another failure.
        full: bool,
        /// Since when.
        since: Tick,
    },
    /// Records used up their attempts or their time and wait for an operator; told of are those that wait
    /// longest.
    Paused {
        /// How many batches wait, each for a decision of its own.
        n_batches: u32,
        /// The lane of these.
        lane: u32,
        /// How many records they are.
        n_records: u32,
        /// The first and the last of them.
        range: (Position, Position),
        /// What is used up.
        condition: Condition,
        /// Attempts that they were part of.
        n_invokes: u32,
        /// Since when, by the wall clock, over restarts.
        since: UnixMillis,
        /// What was said last; empty when nothing was.
        error: String,
    },
    /// A destination does not take what was given up.
    DestinationRefuses {
        /// Refusals so far.
        n_refused: u32,
        /// The first of them.
        since: Tick,
        /// What it said last.
        error: Fault,
        /// When it is asked again.
        next: Tick,
    },
    /// The function could not be reached.
    NotReached {
        /// Why.
        why: NotReached,
        /// Since when.
        since: Tick,
        /// What was said last.
        error: Fault,
    },
    /// A batch failed and waits for its next try.
    Retrying {
        /// Retries spent.
        n_failures: u32,
        /// Its first failure.
        since: Tick,
        /// Its next try.
        next: Tick,
        /// What was said last.
        error: String,
    },
    /// Attempts are in flight.
    Invoking {
        /// How many.
        n_attempts: u32,
        /// The oldest one's start.
        since: Tick,
        /// The one that failed most often before; `None` when none did.
        again: Option<Again>,
    },
    /// A batch is ready and waits for a slot of its function.
    WaitingForSlot {
        /// Since when.
        since: Tick,
        /// Why it was closed.
        why: BatchReason,
    },
    /// A batch is cut and waits until its cut is durable ([`crate::Plan::durable_cuts`]).
    WritingBatch {
        /// Since when.
        since: Tick,
    },
    /// A batch is ready and the mapping's rate limit lets nothing through.
    RateLimited {
        /// Since when it is ready.
        since: Tick,
        /// When the next invocation may start.
        until: Tick,
    },
    /// A batch waits for more records.
    Batching {
        /// When its window ends.
        until: Tick,
        /// How many it has.
        n_records: u32,
    },
    /// Too many finished records lie ahead of the watermark; the blocking lane is named.
    TooFarAhead {
        /// The lane whose record holds the watermark.
        lane: u32,
        /// Finished records ahead.
        n_ahead: u32,
    },
    /// This mapping's memory is used up.
    OutOfRoom {
        /// Bytes held.
        held_bytes: u64,
    },
    /// The source cannot be read.
    SourceDown {
        /// Since when.
        since: Tick,
        /// When it is asked again.
        next: Tick,
        /// What it said last.
        error: Fault,
    },
    /// Messages failed and were left to their queue, which hides them; nothing else is to be done.
    Hidden {
        /// How many; beyond a thousand they are not counted.
        n_messages: u32,
        /// How often the one that comes next was given out, as its queue says.
        n_receives: Option<u32>,
        /// When that one failed.
        since: Tick,
        /// When it comes again; `None` where its queue does not tell.
        next: Option<Tick>,
        /// What was said of it.
        error: String,
    },
    /// Tumbling windows are open and wait for what comes or for their end; told of is the one that ends first.
    WindowOpen {
        /// On how many lanes.
        n_lanes: u32,
        /// From when to when it is.
        span: WindowSpan,
        /// When it is over, if nothing comes.
        over_at: Tick,
    },
    /// A read is open and the source has nothing; what was read last was all dropped by the filter.
    AllFiltered {
        /// How many in a row.
        n_records: u64,
        /// Since when none came through.
        since: Tick,
    },
    /// A read is open and the source has nothing.
    NoRecords {
        /// When records last came, or the track did.
        since: Tick,
    },
}

/// A batch that failed and is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// Retries spent.
    pub n_failures: u32,
    /// Its first failure.
    pub since: Tick,
    /// What was said last.
    pub error: String,
}

/// The receives of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receives {
    /// How many are open.
    pub n_open: usize,
    /// How many may be open at once, as things stand.
    pub n_max: usize,
}

/// Why the machine wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A batching window ends.
    BatchWindow,
    /// A failed batch may be tried again.
    Retry,
    /// A refused notice may be sent again.
    Redeliver,
    /// A source that was down may be read again.
    Reread,
    /// A commit that failed may be sent again.
    Recommit,
    /// Messages must be hidden for longer.
    Visibility,
    /// A settlement that failed may be sent again.
    Resettle,
    /// The time to close is over.
    Close,
    /// A track has waited long enough for memory.
    Room,
    /// The rate limit lets something through again.
    Rate,
}

/// What a machine has done since it was made. Sums obey the conservation laws of Lambda's metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records handed in by reads, filtered ones included: `PolledEventCount`.
    pub polled: u64,
    /// Records that passed no filter: `FilteredOutEventCount`.
    pub filtered_out: u64,
    /// Records that were already finished in a former life and came again.
    pub skipped: u64,
    /// Records of slices that were tried in a former life.
    pub restored: u64,
    /// Records in attempts that reached the function and ended, each attempt counted: `InvokedEventCount`.
    pub invoked: u64,
    /// Records in their first attempt, once it has reached the function and ended.
    pub invoked_first: u64,
    /// Records in attempts that failed: `FailedInvokeEventCount`.
    pub failed: u64,
    /// Records whose attempt succeeded.
    pub succeeded: u64,
    /// Records given up without any attempt.
    pub given_up_uninvoked: u64,
    /// Records discarded by a setting: `DroppedEventCount`.
    pub dropped: u64,
    /// Records that were paused because their attempts or their time were used up.
    pub paused: u64,
    /// Paused records that an operator finished as they are.
    pub decided_skip: u64,
    /// Paused records that an operator had tried again.
    pub decided_retry: u64,
    /// Paused records that an operator sent to the destination.
    pub decided_send: u64,
    /// Records taken by a destination: `OnFailureDestinationDeliveredEventCount`.
    pub delivered: u64,
    /// Refused deliveries: `DestinationDeliveryFailures`.
    pub delivery_failures: u64,
    /// Messages deleted from their queue after success, filter or delivery: `DeletedEventCount`.
    pub deleted: u64,
    /// Messages given back to their queue unfinished.
    pub handed_back: u64,
    /// Messages whose receipt became void while held.
    pub receipts_lost: u64,
    /// Stretches that the source had dropped before they were read.
    pub gaps: u64,
    /// Halvings of failed batches.
    pub halved: u64,
    /// Retries spent.
    pub retried: u64,
    /// Attempts that did not reach the function.
    pub not_reached: u64,
    /// Times that something could have been tried and waited for the rate limit.
    pub rate_limited: u64,
    /// Checkpoints that became durable.
    pub committed: u64,
    /// Tumbling windows whose last invocation succeeded.
    pub windows_ended: u64,
    /// Tumbling windows that were terminated early, for their state was too large.
    pub windows_terminated_early: u64,
    /// Last invocations of tumbling windows that were given up.
    pub windows_given_up: u64,
}
