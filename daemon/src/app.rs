//! The process: builds functions, destinations and mappings from a checked config, runs them, drains them.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Close, Plan};
use forebay_checkpoints::{CheckpointStore, MappingId};
use forebay_clients::{Aws, AwsError, Clients, HttpClients};
use forebay_config::{FunctionName, Mapping, SourceProfile};
use forebay_invoker::executors::process::ProcessError;
use forebay_invoker::{EndpointError, Executor, Gate};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::{error, info, warn};

use crate::blueprint::Blueprint;
use crate::budget::{Budget, BudgetTooSmall};
use crate::clock::Clock;
use crate::destinations::Destinations;
use crate::feeds::Feeds;
use crate::functions;
use crate::mapping_task::Wiring;
use crate::outbox::Outbox;
use crate::registry::{Entry, Lifecycle, Registry};
use crate::supervisor::supervise;

/// Finished records that may lie ahead of a track's watermark before its reading stops.
const AHEAD_MAX: u32 = 100_000;
/// The last part of the grace time is kept for stopping functions and closing the store.
const CLOSING_MAX: Duration = Duration::from_secs(1);

/// The process cannot be built from its config.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An endpoint's settings cannot be used.
    #[error("{who} cannot be built")]
    Endpoint {
        /// Which function or destination.
        who: String,
        /// Why.
        #[source]
        cause: EndpointError,
    },
    /// A service of AWS cannot be called with these settings.
    #[error("{who} cannot be built")]
    Aws {
        /// Which function or destination.
        who: String,
        /// Why.
        #[source]
        cause: AwsError,
    },
    /// A function's program cannot be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Some functions cannot be built; none is missing here.
    #[error("{} of the functions cannot be run", .0.len())]
    Functions(Vec<Self>),
    /// The memory does not suffice.
    #[error(transparent)]
    Memory(#[from] BudgetTooSmall),
}

impl BuildError {
    /// The code that an operator looks up.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Endpoint { cause, .. } => cause.code(),
            Self::Aws { cause, .. } => cause.code(),
            Self::Process(it) => it.code().0,
            Self::Functions(all) => all.first().map_or("FB-0513", Self::code),
            Self::Memory(_) => "FB-0515",
        }
    }
}

/// All that runs.
pub struct App {
    registry: Arc<Registry>,
    feeds: Arc<Feeds>,
    store: Arc<dyn CheckpointStore>,
    executors: BTreeMap<FunctionName, Arc<dyn Executor>>,
    tasks: JoinSet<()>,
    clock: Clock,
}

impl App {
    /// Builds everything and starts the mappings that are enabled.
    ///
    /// # Errors
    /// See [`BuildError`]; nothing was started then.
    pub async fn start(blueprint: Blueprint, store: Arc<dyn CheckpointStore>, clock: Clock) -> Result<Self, BuildError> {
        let gate = Gate::new(uuid::Uuid::new_v4().as_u64_pair().0);
        let aws = Aws::new(&blueprint.settings.aws, |name| std::env::var(name).ok());
        let clients = Arc::new(Clients { http: HttpClients::new(), aws });
        let functions = functions::build(&blueprint.functions, &clients).await?;
        for (name, function) in &functions {
            gate.limit(name, function.n_slots);
        }
        let executors: BTreeMap<_, _> = functions.iter().map(|(name, it)| (name.clone(), Arc::clone(&it.executor))).collect();
        let enabled = blueprint.mappings.iter().filter(|it| it.mapping.enabled).count();
        let budget = Budget::new(blueprint.settings.memory_budget_bytes, blueprint.settings.memory_share_bytes, enabled)?;
        let mut destinations = Destinations::new(Arc::clone(&clients), executors.clone(), Arc::clone(&gate));
        let feeds = Arc::new(Feeds::new(clients));
        let registry = Arc::new(Registry::default());
        let mut ready = Vec::new();
        for it in blueprint.mappings {
            let mapping = &it.mapping;
            let name = mapping.name.as_str();
            let (entry, commands) = Entry::new(name, it.profile.kind, it.source.identity(), mapping.function.to_string());
            registry.insert(Arc::clone(&entry));
            if !mapping.enabled {
                entry.set_lifecycle(Lifecycle::Disabled);
                continue;
            }
            feeds.expect(&*it.source, name);
            let executor = Arc::clone(&executors[&mapping.function]);
            let outbox = match &mapping.on_failure {
                Some(settings) => {
                    let destination = destinations.build(name, &settings.target).await?;
                    let arn = match &mapping.function_qualifier {
                        Some(qualifier) => format!("{}:{qualifier}", executor.function_arn()),
                        None => executor.function_arn().to_owned(),
                    };
                    Some(Outbox::new(destination, arn, settings.include_payload))
                }
                None => None,
            };
            let seat = gate.join(&mapping.function, mapping.concurrency_max);
            let n_slots = functions[&mapping.function].n_slots;
            let wiring = Wiring {
                id: MappingId(name.to_owned()),
                plan: plan(mapping, it.profile, n_slots, outbox.is_some()),
                budget: Arc::clone(&budget),
                start: mapping.starting_position,
                pollers: mapping.pollers,
                source: it.source,
                feeds: Arc::clone(&feeds),
                filter: it.filter,
                function_timeout: (!mapping.function.is_arn()).then_some(functions[&mapping.function].timeout),
                executor,
                outbox,
                store: Arc::clone(&store),
                clock,
            };
            ready.push((Arc::new(wiring), entry, commands, seat));
        }
        let mut tasks = JoinSet::new();
        for (wiring, entry, commands, seat) in ready {
            tasks.spawn(supervise(wiring, entry, commands, seat));
        }
        Ok(Self { registry, feeds, store, executors, tasks, clock })
    }

    /// The mappings.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Ends everything: polling stops at once, what runs may finish within `grace`, what is finished is committed.
    pub async fn drain(&mut self, grace: Duration) {
        let until = Instant::now() + grace;
        let work_until = grace.saturating_sub(CLOSING_MAX.min(grace / 10));
        let close = Close::Within(self.clock.now().tick.after(work_until));
        for entry in self.registry.entries() {
            // A mapping without a task has nothing to end.
            let _ = entry.close(close).await;
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout_at(until, all).await.is_err() {
            let n_open = self.tasks.len();
            warn!(n_open, "the grace time is over: mappings that have not ended are left; their records come again");
            self.tasks.shutdown().await;
        }
        self.stop_executors(until.saturating_duration_since(Instant::now())).await;
        // A long poll that is still open is awaited while there is time, for a shared one may outlive the mappings that it was sent for; what
        // it would bring later shows itself when its visibility is over.
        if timeout_at(until.max(Instant::now() + CLOSING_MAX), self.feeds.stop()).await.is_err() {
            warn!("a source is still being read: its messages come again when their visibility is over");
        }
        self.store.close().await;
        info!("drained");
    }

    /// Ends everything now: the functions' processes are killed; nothing is waited for but that.
    pub async fn kill(&self) {
        self.stop_executors(Duration::ZERO).await;
    }

    async fn stop_executors(&self, grace: Duration) {
        let mut stops = JoinSet::new();
        for executor in self.executors.values() {
            let executor = Arc::clone(executor);
            stops.spawn(async move { executor.stop(grace).await });
        }
        while let Some(stopped) = stops.join_next().await {
            if let Err(error) = stopped {
                error!(%error, "a function could not be stopped");
            }
        }
    }

    /// Writes the state of every track to the log.
    pub async fn dump(&self) {
        for entry in self.registry.entries() {
            let lifecycle = entry.lifecycle();
            let (mapping, source) = (entry.name(), entry.source_kind());
            info!(mapping, source, state = lifecycle.word(), "{lifecycle}");
            for track in entry.tracks().await.unwrap_or_default() {
                info!(mapping, source, track = track.label, state = track.state, position = track.position, "{}", track.sentence);
            }
        }
    }
}

fn plan(mapping: &Mapping, profile: &SourceProfile, n_slots: u32, has_destination: bool) -> Plan {
    let function = NonZeroU32::new(n_slots);
    let concurrency_max = match (mapping.concurrency_max, function) {
        (Some(own), Some(function)) => Some(own.min(function)),
        (own, function) => own.or(function),
    };
    Plan {
        generation: 1,
        batch: mapping.batch.clone(),
        retry: mapping.retry.clone(),
        window: mapping.window.clone(),
        lanes: mapping.lanes,
        // The source's own number comes with its connection.
        envelope_bytes: 0,
        mixes_tracks: profile.mixes_tracks,
        concurrency_max,
        has_destination,
        // The mapping's allowance comes with its task.
        held_bytes_max: 0,
        ahead_max: AHEAD_MAX,
        queue: None,
    }
}
