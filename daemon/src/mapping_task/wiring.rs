//! All that one mapping is wired to.

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::Plan;
use forebay_checkpoints::{CheckpointStore, MappingId};
use forebay_config::{PollerPlan, StartingPosition};
use forebay_invoker::Executor;
use forebay_pollers::{RecordFilter, SourceSettings};
use tokio::sync::watch;

use crate::budget::Budget;
use crate::clock::Clock;
use crate::feeds::Feeds;
use crate::outbox::Outbox;

/// All that one mapping is wired to, life after life.
pub struct Wiring {
    /// Its identity in the store.
    pub id: MappingId,
    /// Its limits, which may change while it lives; those that the source and the budget set are filled in by
    /// the life.
    pub plan: watch::Sender<Plan>,
    /// The memory of the process, of which it has its share.
    pub budget: Arc<Budget>,
    /// Where it starts when no position was ever kept; `None` for sources without positions.
    pub start: Option<StartingPosition>,
    /// How many receives its queue keeps, where the operator says so.
    pub pollers: Option<PollerPlan>,
    /// What it reads.
    pub source: Arc<dyn SourceSettings>,
    /// The feeds of the process, of which it shares its source's.
    pub feeds: Arc<Feeds>,
    /// Which records it wants; `None` for all.
    pub filter: Option<Arc<dyn RecordFilter>>,
    /// How long its function may run, where that is known.
    pub function_timeout: Option<Duration>,
    /// Runs its function.
    pub executor: Arc<dyn Executor>,
    /// Takes what was given up on; `None` discards it, counted and logged.
    pub outbox: Option<Outbox>,
    /// Keeps its places.
    pub store: Arc<dyn CheckpointStore>,
    /// The clocks.
    pub clock: Clock,
}
