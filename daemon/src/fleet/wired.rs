//! What a mapping is told, and what all mappings stand on.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use forebay_batcher::Close;
use forebay_checkpoints::CheckpointStore;
use forebay_config::FunctionName;
use forebay_invoker::Gate;
use forebay_lifecycle::DesiredState;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::compiled::Rest;
use crate::inspector::SourceInspector;
use crate::lock::lock;
use crate::mapping_task::Wiring;
use crate::registry::Registry;

/// What people see of a mapping.
pub struct MappingFacts {
    /// Its name.
    pub name: String,
    /// The word under `source:`.
    pub source_kind: &'static str,
    /// What people call its source.
    pub source: String,
    /// The function that gets its batches.
    pub function: String,
    /// Why it does not run although it is enabled.
    pub rest: Option<Rest>,
    /// How its source is looked at.
    pub inspector: Arc<SourceInspector>,
}

/// A mapping ready to run.
pub struct Wired {
    /// What people see of it.
    pub facts: MappingFacts,
    /// All that its task stands on.
    pub wiring: Arc<Wiring>,
    /// Whose slots it asks for.
    pub function: FunctionName,
    /// How many of them at once, where it says so itself.
    pub concurrency_max: Option<NonZeroU32>,
    /// The functions that it uses are not stopped while it runs.
    pub uses: Vec<TaskTrackerToken>,
}

/// How a mapping is to be there.
#[derive(Clone)]
pub enum How {
    /// It runs.
    Run(Arc<Wired>),
    /// It does nothing.
    Rest(Arc<MappingFacts>),
}

impl How {
    pub(super) fn facts(&self) -> &MappingFacts {
        match self {
            Self::Run(wired) => &wired.facts,
            Self::Rest(facts) => facts,
        }
    }

    /// The order to be there like this.
    pub fn order(self) -> DesiredState<Self> {
        match &self {
            Self::Run(_) => DesiredState::Run(self),
            Self::Rest(_) => DesiredState::Rest(self),
        }
    }
}

/// What all mappings stand on.
pub struct CommonGround {
    pub(super) registry: Arc<Registry>,
    pub(super) gate: Arc<Gate>,
    pub(super) store: Arc<dyn CheckpointStore>,
    /// Mappings that are gone and of which nothing is left, until somebody fetches them.
    vanished: Mutex<BTreeSet<String>>,
}

impl CommonGround {
    /// What all mappings of a process share.
    pub fn new(registry: Arc<Registry>, gate: Arc<Gate>, store: Arc<dyn CheckpointStore>) -> Arc<Self> {
        Arc::new(Self { registry, gate, store, vanished: Mutex::default() })
    }

    pub(super) fn vanish(&self, name: &str) {
        lock(&self.vanished).insert(name.to_owned());
    }

    /// Those that have gone since this was asked last.
    pub(super) fn take_vanished(&self) -> BTreeSet<String> {
        std::mem::take(&mut *lock(&self.vanished))
    }
}

/// What a keeper follows: only the last order counts.
#[derive(Clone)]
pub(super) struct LastDesired {
    pub(super) order: DesiredState<How>,
    /// How it ends with the process.
    pub(super) end: Close,
    /// How often it was told something.
    pub(super) n_told: u64,
}
