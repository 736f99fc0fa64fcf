//! All deadlines of a machine, one per purpose, in one ordered set.

use std::collections::{BTreeMap, BTreeSet};

use crate::hold::BatchRunId;
use crate::record::TrackIdx;
use crate::state::Why;
use crate::time::Tick;

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A lane's batching window ends.
    LaneWindow(TrackIdx, u32),
    /// The batching window of all lanes together ends.
    GroupWindow,
    /// The queue's batching window ends.
    QueueWindow,
    /// A batch run's delay ends.
    Retry(BatchRunId),
    /// The delay after a refusal ends.
    Redeliver(BatchRunId),
    /// A track may be read again.
    Reread(TrackIdx),
    /// A queue may be received from again.
    Rereceive,
    /// A checkpoint may be written again.
    Recommit(TrackIdx),
    /// Messages must be hidden for longer.
    Visibility,
    /// Settlements that failed may be sent again.
    Resettle,
    /// The time to close is over.
    Close,
    /// The time to close a track is over.
    CloseTrack(TrackIdx),
    /// A track has waited long enough for memory.
    Guest,
    /// The rate limit lets something through again.
    Rate,
}

impl Timer {
    pub(crate) fn why(self) -> Why {
        match self {
            Self::LaneWindow(..) | Self::GroupWindow | Self::QueueWindow => Why::BatchWindow,
            Self::Retry(_) => Why::Retry,
            Self::Redeliver(_) => Why::Redeliver,
            Self::Reread(_) | Self::Rereceive => Why::Reread,
            Self::Recommit(_) => Why::Recommit,
            Self::Visibility => Why::Visibility,
            Self::Resettle => Why::Resettle,
            Self::Close | Self::CloseTrack(_) => Why::Close,
            Self::Guest => Why::Room,
            Self::Rate => Why::Rate,
        }
    }
}

/// All deadlines of a machine.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    at: BTreeMap<Timer, Tick>,
    order: BTreeSet<(Tick, Timer)>,
}

impl Timers {
    /// Sets, moves or clears a deadline.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Tick>) {
        let before = match at {
            Some(at) => self.at.insert(timer, at),
            None => self.at.remove(&timer),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, timer));
        }
        if let Some(at) = at {
            self.order.insert((at, timer));
        }
    }

    /// Whether a deadline is set.
    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.at.contains_key(&timer)
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<(Tick, Timer)> {
        self.order.first().copied()
    }

    /// Takes a deadline that has come.
    pub(crate) fn take_due(&mut self, now: Tick) -> Option<Timer> {
        let (at, timer) = self.next().filter(|(at, _)| *at <= now)?;
        self.order.remove(&(at, timer));
        self.at.remove(&timer);
        Some(timer)
    }

    pub(crate) fn clear(&mut self) {
        self.at.clear();
        self.order.clear();
    }
}
