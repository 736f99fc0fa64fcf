//! What will happen, by tick; among events of one tick the one scheduled first comes first.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_batcher::{
    AttemptId, Checkpoint, CommitId, Committed, Delivery, ExtendId, Extended, NoticeId, Outcome, Read,
    ReadId, Receipt, SettleId, Settled, Settlement, Slice, SourceNotice, TrackIdx,
};

/// Something that will happen. What belongs to a machine carries the life of that machine.
#[derive(Debug)]
pub(crate) enum Event {
    /// Records reach the source.
    Append {
        track: usize,
        n: u32,
    },
    /// A control record, or a position that nobody will see.
    Control {
        track: usize,
    },
    Trim {
        track: usize,
    },
    Compact {
        track: usize,
    },
    EndTrack {
        track: usize,
    },
    Fence {
        track: usize,
    },
    Regain {
        track: usize,
    },
    LoseTrack {
        track: usize,
    },
    /// Another process is to have the track.
    Revoke {
        track: usize,
    },
    ChannelDies,
    QueueWakes,
    PoisonHeals,
    ChangePlan,
    /// Another number of lanes, though something fails for ever.
    ChangeLanes,
    Close,
    StopWaiting {
        life: u32,
    },
    StopNow {
        life: u32,
    },
    Start,
    StepClock,
    Heal,
    /// An operator looks at what waits for him.
    Decide,
    ReadAnswer {
        life: u32,
        id: ReadId,
    },
    /// What a queue handed out reaches the machine.
    ReadArrives {
        life: u32,
        id: ReadId,
        read: Box<Read>,
    },
    ReadFails {
        life: u32,
        id: ReadId,
        notice: SourceNotice,
    },
    ReadAgain {
        life: u32,
        id: ReadId,
        read: Box<Read>,
    },
    SlotFree {
        life: u32,
    },
    GateOpens {
        life: u32,
    },
    Answer {
        life: u32,
        id: AttemptId,
        slice: Slice,
        outcome: Box<Outcome>,
        done: Vec<u32>,
    },
    Delivered {
        life: u32,
        id: NoticeId,
        answer: Delivery,
        taken: Vec<u32>,
    },
    CommitLands {
        life: u32,
        landing: Box<Landing>,
    },
    /// The store syncs what it has written.
    StoreSyncs,
    Committed {
        life: u32,
        id: CommitId,
        owner: TrackIdx,
        answer: Committed,
    },
    SettleLands {
        life: u32,
        id: SettleId,
        settlements: Vec<Settlement>,
    },
    Settled {
        life: u32,
        id: SettleId,
        answers: Vec<(Receipt, Settled)>,
    },
    ExtendLands {
        life: u32,
        id: ExtendId,
        receipts: Vec<Receipt>,
        span_us: u64,
        sent_us: u64,
    },
    Extended {
        life: u32,
        id: ExtendId,
        answers: Vec<(Receipt, Extended)>,
    },
    /// The process stands still.
    Stall {
        seconds: u32,
        timeouts_first: bool,
    },
}

impl Event {
    /// It changes nothing but what the source has, or what the machine has read of it.
    pub(crate) fn is_of_the_source(&self) -> bool {
        matches!(
            self,
            Self::Append { .. }
                | Self::Control { .. }
                | Self::Trim { .. }
                | Self::Compact { .. }
                | Self::EndTrack { .. }
                | Self::ReadAnswer { .. }
                | Self::ReadArrives { .. }
                | Self::ReadFails { .. }
                | Self::ReadAgain { .. }
        )
    }
}

/// A commit on its way to the disk.
#[derive(Debug)]
pub(crate) struct Landing {
    pub(crate) id: CommitId,
    pub(crate) owner: TrackIdx,
    /// The source track, which the store knows it by.
    pub(crate) track: usize,
    pub(crate) epoch: u64,
    pub(crate) checkpoint: Arc<Checkpoint>,
    pub(crate) fate: Fate,
}

/// What the store will do with a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Written,
    /// Failed and not written.
    Refused,
    /// Written, and the answer says failed.
    Unheard,
    /// There is no room from now on, for a while.
    Full,
}

/// The queue of events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    at: BTreeMap<(u64, u64), Event>,
    n: u64,
}

impl Events {
    /// Schedules an event.
    pub(crate) fn push(&mut self, tick_us: u64, event: Event) {
        self.n += 1;
        self.at.insert((tick_us, self.n), event);
    }

    /// The tick of the next event.
    pub(crate) fn next_tick(&self) -> Option<u64> {
        self.at.first_key_value().map(|((tick, _), _)| *tick)
    }

    /// The next event and its tick.
    pub(crate) fn pop(&mut self) -> Option<(u64, Event)> {
        self.at.pop_first().map(|((tick, _), event)| (tick, event))
    }
}
