//! What the runs stand on: the two ledgers, of which a mapping uses one, and what all machines share.

use std::sync::Arc;

use crate::context::Context;
use crate::plan::Plan;
use crate::receipts::Receipts;
use crate::record::{Place, Record};
use crate::tracks::Tracks;

/// The two ledgers and what all machines share.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) tracks: Tracks,
    pub(crate) receipts: Receipts,
    pub(crate) cx: Context,
}

impl Books {
    pub(crate) fn new(plan: Arc<Plan>, seed: u64) -> Self {
        Self { tracks: Tracks::default(), receipts: Receipts::new(&plan), cx: Context::new(plan, seed) }
    }

    /// Forgets all that was held.
    pub(crate) fn abandon(&mut self) {
        self.cx.abandon();
        self.tracks = Tracks::default();
        self.receipts = Receipts::new(&self.cx.plan);
    }

    /// Whether its ledger still has a record: its track is ours, or its receipt is.
    pub(crate) fn is_alive(&self, record: &Record) -> bool {
        match &record.place {
            Place::Track(idx, _) => self.tracks.is_active(*idx),
            Place::Queue(place) => self.receipts.is_held(&place.receipt),
        }
    }
}
