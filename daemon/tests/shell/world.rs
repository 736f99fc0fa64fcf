//! Everything around mappings: gate, feeds, store, clock; and a way to wait for a state.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{BatchPlan, Close, OnExhausted, Plan, Redelivery, RetryPlan, UnixMillis};
use forebay_checkpoints::MappingId;
use forebay_config::{FunctionName, StartingPosition};
use forebay_daemon::budget::Budget;
use forebay_daemon::clock::Clock;
use forebay_daemon::feeds::Feeds;
use forebay_daemon::fleet::{CommonGround, How, MappingFacts, MappingHandle, Wired};
use forebay_daemon::inspector::SourceInspector;
use forebay_daemon::mapping_task::Wiring;
use forebay_daemon::outbox::Outbox;
use forebay_daemon::registry::{Entry, Registry};
use forebay_daemon::status::TrackView;
use forebay_invoker::{Executor, Gate};
use forebay_pollers::{RecordFilter, SourceSettings};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::function::{FakeDestination, FakeFunction};
use crate::source::FakeSource;
use crate::store::SpyStore;

/// A state that a test waits for comes within this time of the paused clock, or the test fails.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) registry: Arc<Registry>,
    pub(crate) store: Arc<SpyStore>,
    pub(crate) feeds: Arc<Feeds>,
    pub(crate) gate: Arc<Gate>,
    budget: Arc<Budget>,
}

/// What a mapping is made of, with what most tests want.
pub(crate) struct Order {
    pub(crate) name: &'static str,
    pub(crate) source: FakeSource,
    pub(crate) function: Arc<FakeFunction>,
    pub(crate) destination: Option<Arc<FakeDestination>>,
    pub(crate) start: StartingPosition,
    pub(crate) filter: Option<Arc<dyn RecordFilter>>,
    pub(crate) plan: Plan,
}

/// A mapping that runs.
pub(crate) struct Running {
    pub(crate) entry: Arc<Entry>,
    pub(crate) task: JoinHandle<()>,
    /// What it is wired to.
    pub(crate) wiring: Arc<Wiring>,
    pub(crate) handle: MappingHandle,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_budget(Budget::new(256 << 20, Some(16 << 20), 4).unwrap())
    }

    pub(crate) fn with_budget(budget: Arc<Budget>) -> Self {
        let registry = Arc::new(Registry::default());
        Self {
            clock: Clock::start_at(UnixMillis(1_700_000_000_000)),
            store: Arc::new(SpyStore::new(Arc::clone(&registry))),
            registry,
            feeds: Arc::default(),
            gate: Gate::new(1),
            budget,
        }
    }

    pub(crate) fn source(&self) -> FakeSource {
        FakeSource::new(self.clock)
    }

    pub(crate) fn order(
        &self,
        name: &'static str,
        source: &FakeSource,
        function: &Arc<FakeFunction>,
    ) -> Order {
        Order {
            name,
            source: source.clone(),
            function: Arc::clone(function),
            destination: None,
            start: StartingPosition::TrimHorizon,
            filter: None,
            plan: plan(),
        }
    }

    /// Starts a mapping. Its function, of the mapping's own name, has two slots.
    pub(crate) fn run(&self, order: Order) -> Running {
        let (source, function) = (Arc::new(order.source.clone()), Arc::clone(&order.function));
        self.run_with(order, source, function)
    }

    /// The same over another source, with another function.
    pub(crate) fn run_with(
        &self,
        order: Order,
        source: Arc<dyn SourceSettings>,
        executor: Arc<dyn Executor>,
    ) -> Running {
        let inspector = Arc::new(SourceInspector {
            source: Arc::clone(&source),
            feeds: Arc::clone(&self.feeds),
            filter: order.filter.clone(),
            has_window: !order.plan.batch.window.is_zero(),
            start: Some(order.start),
            told: tokio::sync::Mutex::default(),
        });
        let function = FunctionName::parse(order.name).unwrap();
        self.gate.limit(&function, 2);
        let arn = executor.function_arn().to_owned();
        let wiring = Arc::new(Wiring {
            id: MappingId(order.name.into()),
            function_timeout: Some(Duration::from_secs(3)),
            plan: watch::Sender::new(Plan { has_destination: order.destination.is_some(), ..order.plan }),
            budget: Arc::clone(&self.budget),
            start: Some(order.start),
            pollers: None,
            source,
            feeds: Arc::clone(&self.feeds),
            filter: order.filter,
            executor,
            outbox: order.destination.map(|it| Outbox::new(it, arn, false)),
            store: Arc::clone(&self.store) as _,
            clock: self.clock,
        });
        let facts = MappingFacts {
            name: order.name.into(),
            source_kind: "fake",
            source: "fake".into(),
            function: order.name.into(),
            rest: None,
            inspector,
        };
        let wired =
            Wired { facts, wiring: Arc::clone(&wiring), function, concurrency_max: None, uses: Vec::new() };
        let ground = CommonGround::new(
            Arc::clone(&self.registry),
            Arc::clone(&self.gate),
            Arc::clone(&self.store) as _,
        );
        let (handle, keep) = MappingHandle::new(&ground, order.name, How::Run(Arc::new(wired)).order());
        let entry = self.registry.entry(order.name).expect("it is seen from here on");
        Running { entry, task: tokio::spawn(keep), wiring, handle }
    }
}

impl Running {
    /// Ends it in good order.
    pub(crate) async fn close(self) {
        self.handle.end(Close::Finish);
        self.task.await.unwrap();
    }

    /// The value of an exported counter.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let at =
            forebay_daemon::metrics::COUNTERS.iter().position(|it| it.0 == name).expect("the counter exists");
        self.entry.metrics().values()[at]
    }

    /// Waits until a track is in a state, and returns it.
    pub(crate) async fn track(&self, label: &str, state: &str) -> TrackView {
        for _ in 0..12_000 {
            let tracks = self.entry.tracks().await.unwrap_or_default();
            if let Some(it) = tracks.iter().find(|it| it.label == label && it.state == state) {
                return it.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("track {label} never was {state}: {:?}", self.entry.tracks().await);
    }
}

/// Waits for a state.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let step = Duration::from_millis(10);
    for _ in 0..PATIENCE.as_millis() / step.as_millis() {
        if holds() {
            return;
        }
        // The paused clock jumps: this takes no time.
        tokio::time::sleep(step).await;
    }
    panic!("it never came to be that {what}");
}

fn plan() -> Plan {
    Plan {
        generation: 1,
        batch: BatchPlan {
            records_max: NonZeroU32::new(4).unwrap(),
            bytes_max: 6_291_456,
            window: Duration::ZERO,
        },
        retry: RetryPlan {
            retries_max: Some(2),
            record_age_max: None,
            bisect: true,
            partial_responses: true,
            item_actions: false,
            redelivery: Redelivery::ByUs,
            on_exhausted: OnExhausted::GiveUp,
            drop_after_destination_failures: None,
            stop_group_at_first_failure: false,
        },
        window: None,
        lanes: NonZeroU32::MIN,
        envelope_bytes: 0,
        mixes_tracks: false,
        concurrency_max: None,
        rate: None,
        has_destination: false,
        held_bytes_max: 0,
        ahead_max: 10_000,
        waiting_min: 100,
        durable_cuts: false,
        queue: None,
    }
}
