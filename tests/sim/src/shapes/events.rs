//! What will happen in a world of several engines, by tick and then by order of scheduling.

use std::collections::BTreeMap;

use forebay_batcher::{
    AttemptId, CommitId, Committed, Delivery, NoticeId, Outcome, Read, ReadId, Receipt, SettleId, Settled,
    Settlement, Slice, TrackIdx,
};

use super::store::Writing;

/// Something that will happen: to the source, to an engine (its number, and the life that it is meant for),
/// or to the store.
#[derive(Debug)]
#[allow(missing_docs, reason = "each is named after what it brings")]
pub(super) enum Event {
    Append { n: u32 },
    Split,
    Trim,
    Forget,
    Rebalance,
    Expire { at: usize },
    Freeze { is_frozen: bool },
    ChannelDies { at: usize },
    Restart,
    Block { is_blocked: bool },
    Kill { at: usize },
    Stall { at: usize, ms: u32 },
    Takeover,
    Close { at: usize },
    StopNow { at: usize, life: u32 },
    Start { at: usize },
    Heal,
    List { at: usize, life: u32 },
    Sweep { at: usize, life: u32 },
    Poll { at: usize, life: u32 },
    Granted { at: usize, life: u32, partition: usize },
    Look { at: usize, life: u32, id: ReadId },
    Overdue { at: usize, life: u32, id: ReadId },
    Arrives { at: usize, life: u32, id: ReadId, read: Box<Read> },
    Lost { at: usize, life: u32, generation: u32 },
    SlotFree { at: usize, life: u32 },
    GateOpens { at: usize, life: u32 },
    Answer { at: usize, life: u32, id: AttemptId, slice: Slice, outcome: Box<Outcome>, done: Vec<u32> },
    Delivered { at: usize, life: u32, id: NoticeId, answer: Delivery, taken: Vec<u32> },
    Lands { writing: Box<Writing> },
    Syncs { store: usize },
    Committed { at: usize, life: u32, id: CommitId, idx: TrackIdx, answer: Committed, takes_mapping: bool },
    SettleLands { at: usize, life: u32, id: SettleId, settlements: Vec<Settlement> },
    Settled { at: usize, life: u32, id: SettleId, answers: Vec<(Receipt, Settled)> },
}

impl Event {
    /// The engine that must run for it to happen; the source, the store and fate wait for nobody.
    pub(super) fn engine(&self) -> Option<usize> {
        match self {
            Self::List { at, .. }
            | Self::Sweep { at, .. }
            // Whoever stands still hears that it is to end when it goes on.
            | Self::Close { at }
            | Self::Poll { at, .. }
            | Self::Granted { at, .. }
            | Self::Look { at, .. }
            | Self::Overdue { at, .. }
            | Self::Arrives { at, .. }
            | Self::Lost { at, .. }
            | Self::SlotFree { at, .. }
            | Self::GateOpens { at, .. }
            | Self::Committed { at, .. }
            | Self::Settled { at, .. } => Some(*at),
            Self::Append { .. }
            | Self::Split
            | Self::Trim
            | Self::Forget
            | Self::Rebalance
            | Self::Expire { .. }
            | Self::Freeze { .. }
            | Self::ChannelDies { .. }
            | Self::Restart
            | Self::Block { .. }
            | Self::Kill { .. }
            | Self::Stall { .. }
            | Self::Takeover
            | Self::StopNow { .. }
            | Self::Start { .. }
            | Self::Heal
            | Self::Answer { .. }
            | Self::Delivered { .. }
            | Self::Lands { .. }
            | Self::Syncs { .. }
            | Self::SettleLands { .. } => None,
        }
    }
}

/// The queue of events.
#[derive(Debug, Default)]
pub(super) struct Due {
    at: BTreeMap<(u64, u64), Event>,
    n: u64,
}

impl Due {
    /// Schedules an event.
    pub(super) fn push(&mut self, tick_us: u64, event: Event) {
        self.n += 1;
        self.at.insert((tick_us, self.n), event);
    }

    /// The tick of the next event.
    pub(super) fn next_tick(&self) -> Option<u64> {
        self.at.first_key_value().map(|((tick, _), _)| *tick)
    }

    /// The next event and its tick.
    pub(super) fn pop(&mut self) -> Option<(u64, Event)> {
        self.at.pop_first().map(|((tick, _), event)| (tick, event))
    }
}
