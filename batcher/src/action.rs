//! All that the shell ever has to do, and the answers that it brings back.

use std::time::Duration;

use crate::attempt::{Reply, Slice};
use crate::batch_reason::BatchReason;
use crate::checkpoint::Watermark;
use crate::condition::Condition;
use crate::decision::Paused;
use crate::fault::Fault;
use crate::record::{Position, Receipt, Record, TrackIdx};
use crate::response::{Expected, ResponseTypes};
use crate::time::{Tick, UnixMillis};
use crate::track_name::TrackName;
use crate::tumbling::TumblingWindow;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);
    )*};
}

ids! {
    /// One read that is open.
    ReadId,
    /// One slot of the gate; the shell gives the numbers.
    SlotId,
    /// One attempt in flight.
    AttemptId,
    /// One notice on its way to a destination.
    NoticeId,
    /// One commit on its way to the store.
    CommitId,
    /// One settlement on its way to the queue.
    SettleId,
    /// One extension on its way to the queue.
    ExtendId,
    /// One decision of an operator; the shell gives the numbers.
    DecisionId,
}

/// All that the shell ever has to do. Every action but `Want`, `Return`, `Discarded`, `Paused`, `Decided`,
/// `Ended`, `Durable` and `Drained` comes back as an answer.
#[derive(Debug, Clone)]
pub enum Action {
    /// Read once; answered by `handle_read`.
    Read(ReadOrder),
    /// Slots that the machine could use now, in all. Replaces the last `Want`; zero withdraws; a slot granted
    /// lowers it by one.
    Want(u32),
    /// Invoke the function on a slot; answered by `handle_outcome`. A used slot ends with its outcome: the
    /// shell gives it back.
    Invoke(SlotId, Attempt),
    /// This slot is not needed; the shell gives it back.
    Return(SlotId),
    /// Hand a notice to the destination; answered by `handle_delivered`.
    Deliver(Notice),
    /// Records were given up with no destination to take them (or after it refused too often, where a setting
    /// says so).
    Discarded(Discard),
    /// The attempts or the time of records are used up, and they wait for an operator from here on; told
    /// once, not again after a restart.
    Paused(Paused),
    /// What was decided is durable. Of a track that is lost meanwhile nobody can tell, and nothing is told.
    Decided(DecisionId),
    /// Write a checkpoint; answered by `handle_committed`.
    Commit(CommitId, TrackIdx, crate::checkpoint::Checkpoint),
    /// Settle messages; answered by `handle_settled`.
    Settle(SettleId, Vec<Settlement>),
    /// Hide messages for this much longer; answered by `handle_extended`.
    Extend(ExtendId, Vec<Receipt>, Duration),
    /// The track is finished and that is durable: its children may start, its reader may close.
    Ended(TrackIdx),
    /// All records of the track below this are finished and that is durable, as it was not before: a source
    /// that keeps places of its own may be told.
    Durable(TrackIdx, Watermark),
    /// A track that was closed is let go: nothing of it begins, runs or is committed any more. What is
    /// durable of it reaches to here; it may be given to another owner, or assigned again.
    Drained(TrackIdx, Watermark),
}

/// What one read may bring and how long it may wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOrder {
    /// Names the answer.
    pub id: ReadId,
    /// Which track; `None` for a queue.
    pub track: Option<TrackIdx>,
    /// Room for records.
    pub records_max: u32,
    /// Room for rendered bytes; one record may go over it.
    pub bytes_max: u64,
    /// How long the read may wait when there is nothing; streams answer as soon as there is something.
    pub wait: Duration,
    /// How many lanes the track has, so that a renderer can keep an arena for each.
    pub lanes: u32,
}

/// What one read brought.
#[derive(Debug, Clone, Default)]
pub struct Read {
    /// The records that passed the filter, in reading order.
    pub records: Vec<Record>,
    /// Queues: the messages that did not pass; the machine settles them with delete.
    pub filtered: Vec<Receipt>,
    /// How many records did not pass the filter.
    pub n_filtered: u32,
    /// Tracks: a bound above all that was read, filtered and control records too, and not above what is to
    /// come; `None` when nothing was ever read.
    pub passed: Option<Position>,
    /// Tracks: when the newest of what was read reached the source, where something that did not pass the
    /// filter is newer than all records: it moves the time of tumbling windows.
    pub newest_arrival: Option<UnixMillis>,
    /// The track has no more.
    pub ended: bool,
    /// The first of the tracks that come after one that has ended, where it is known: tumbling windows may go
    /// on there.
    pub heir: Option<TrackName>,
    /// The source had already dropped what was wanted.
    pub gap: Option<Gap>,
}

/// A stretch of a track that the source dropped before it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Where reading should have gone on; `None` when that was an origin.
    pub from: Option<Position>,
    /// The first position that is still there.
    pub to: Position,
}

/// Why a read brought nothing. The machine shows it and reads again after a growing delay, except for
/// `PositionLost`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceNotice {
    /// The source cannot be reached or refuses for now.
    Down {
        /// What went wrong.
        error: Fault,
    },
    /// The source asks to slow down.
    Throttled {
        /// When it asked to come back.
        retry_after: Option<Duration>,
    },
    /// The place that we kept does not belong to this source any more: the track stops in a named state
    /// (P-1).
    PositionLost {
        /// What went wrong, for people.
        error: String,
    },
}

/// One invocation to make.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// Names the answer.
    pub id: AttemptId,
    /// The records.
    pub slice: Slice,
    /// Why this is tried now.
    pub why: BatchReason,
    /// How often these records were part of an attempt before.
    pub n_before: u32,
    /// Whether an answer may name what failed (`ReportBatchItemFailures`), as the plan said when the batch
    /// was cut.
    pub partial_responses: bool,
    /// Whether it may also ask for something for what failed (`batch_item_actions`).
    pub item_actions: bool,
    /// The tumbling window of its records, whose state its answer must give back.
    pub window: Option<Box<TumblingWindow>>,
    /// The lane that all its records are of; `None` where they are of several, or of a queue.
    pub lane: Option<BatchLane>,
}

/// A lane of a track, as an attempt on it is told: its records come in order, and none of another attempt on
/// the same lane runs meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLane {
    /// The track.
    pub track: TrackIdx,
    /// Which of its lanes, from zero on.
    pub lane: u32,
    /// How many lanes the track has. A record's lane follows from its key and this number.
    pub n_lanes: u32,
}

impl Attempt {
    /// What of the function's answer is read.
    pub fn expected(&self) -> Expected {
        let types = match (self.partial_responses, self.item_actions) {
            (false, _) => ResponseTypes::Nothing,
            (true, false) => ResponseTypes::ItemFailures,
            (true, true) => ResponseTypes::ItemActions,
        };
        Expected { types, state_bytes_max: self.window.as_ref().map(|it| it.state_bytes_max) }
    }
}

/// Records that were given up, for a destination.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Names the answer.
    pub id: NoticeId,
    /// Why they were given up.
    pub condition: Condition,
    /// The records.
    pub slice: Slice,
    /// `approximateInvokeCount`: attempts they were part of; an attempt refused for age counts.
    pub n_invokes: u32,
    /// What the last attempt told; `None` when they were never tried or the process forgot it.
    pub reply: Option<Reply>,
    /// Refusals of this notice so far.
    pub n_refused: u32,
    /// The tumbling window of the records, with its state as it is now; without records it is the window
    /// itself that was given up.
    pub window: Option<Box<TumblingWindow>>,
}

/// What became of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The destination has it.
    Taken,
    /// It has not, or nobody knows; the machine tries again after a growing delay.
    Refused {
        /// What went wrong.
        error: Fault,
    },
}

/// Records that are gone because a setting says so.
#[derive(Debug, Clone)]
pub struct Discard {
    /// Why they were given up.
    pub condition: Condition,
    /// The records.
    pub slice: Slice,
    /// Attempts they were part of.
    pub n_invokes: u32,
    /// What the last attempt told.
    pub reply: Option<Reply>,
    /// Without records: the tumbling window that was given up, with its state.
    pub window: Option<Box<TumblingWindow>>,
}

/// What the store answered to a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is kept, whatever becomes of the process, and a power cut may take it back: the answer for this
    /// commit or for a later one of its track follows the sync. The track's next commit may go.
    Written,
    /// It is on disk, and so is every commit of its track before it.
    Durable,
    /// Another owner has the track; no further action for it.
    Fenced,
    /// There is no room; asked again later, and no new work is taken meanwhile.
    Full,
    /// It failed; nobody knows whether it is on disk. Asked again later, and no new work is taken meanwhile.
    Failed,
}

/// How one message is settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The message.
    pub receipt: Receipt,
    /// What happens to it.
    pub how: Settle,
}

/// What happens to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Settle {
    /// It is finished.
    Delete,
    /// Its visibility is left to lapse.
    Leave,
    /// It is shown to others when this long has passed.
    ShowAfter(Duration),
    /// It is shown to others at once.
    Release,
    /// It is refused; the queue decides (requeue, dead letter).
    Nack,
}

/// What became of a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It took effect.
    Done,
    /// It did not, or nobody knows: asked again.
    Failed,
    /// The receipt is void.
    Lost,
}

/// What became of an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended {
    /// Hidden until this tick, counted from before the call was sent.
    Until(Tick),
    /// Not extended, or nobody knows: asked again.
    Failed,
    /// The receipt is void.
    Lost,
}

/// What was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// A track now belongs to another owner, or was taken away.
    Track(TrackIdx),
    /// A channel closed: its receipts are void.
    Generation(crate::record::Generation),
}

/// How a close ends what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// Attempts, notices and reads already sent are awaited, their results committed or settled; nothing new
    /// starts. A refused notice and a failed attempt stay in the checkpoint; receipts not finished are
    /// released.
    Finish,
    /// The same until this tick, then as `Abandon`.
    Within(Tick),
    /// No further action.
    Abandon,
}
