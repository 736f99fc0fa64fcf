//! One mapping's place in the fleet: a task that runs it as it was last told, and changes from one order to
//! the next in good order.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use forebay_batcher::{Close, Plan, Tick};
use forebay_checkpoints::{CheckpointStore, MappingId, StoreError};
use forebay_clients::caught::caught;
use forebay_config::FunctionName;
use forebay_invoker::Gate;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{error, warn};

use crate::compiled::Rest;
use crate::inspector::SourceInspector;
use crate::logs::Repeats;
use crate::mapping_task::Wiring;
use crate::operator_request::{
    NotStood, OperatorRequest, REQUESTS_MAX, Reposition, RepositionError, StoredPositions,
};
use crate::registry::{Calm, Command, Entry, Lifecycle, Registry};
use crate::sentence::chain;
use crate::supervisor::supervise;

/// When a deletion that the store refused is tried again.
const ERASE_AGAIN: Duration = Duration::from_secs(1);
/// After a panic the last order begins anew after this.
const AGAIN: Duration = Duration::from_secs(1);

/// What a mapping is told. Only the last order counts.
#[derive(Clone)]
pub(super) enum Order {
    /// Run like this; what runs otherwise ends in good order first.
    Run(Arc<Wired>),
    /// Be there and do nothing.
    Rest(Arc<MappingFacts>),
    /// Be gone; the positions stay in the store unless they are to be erased.
    Gone { erase: bool },
    /// End with the process.
    End(Close),
}

/// What people see of a mapping.
pub(super) struct MappingFacts {
    pub(super) name: String,
    pub(super) source_kind: &'static str,
    pub(super) source: String,
    pub(super) function: String,
    /// Why it does not run although it is enabled.
    pub(super) rest: Option<Rest>,
    /// How its source is looked at.
    pub(super) inspector: Arc<SourceInspector>,
}

/// A mapping ready to run.
pub(super) struct Wired {
    pub(super) facts: MappingFacts,
    pub(super) wiring: Arc<Wiring>,
    pub(super) function: FunctionName,
    pub(super) concurrency_max: Option<NonZeroU32>,
    /// The functions that it uses are not stopped while it runs.
    pub(super) _uses: Vec<TaskTrackerToken>,
}

/// What all mappings stand on.
pub(super) struct Ground {
    pub(super) registry: Arc<Registry>,
    pub(super) gate: Arc<Gate>,
    pub(super) store: Arc<dyn CheckpointStore>,
}

/// The way to a mapping's task.
pub(super) struct Post {
    orders: watch::Sender<Order>,
    is_gone: Arc<AtomicBool>,
}

/// What registers a mapping: what others see, and the far end of its commands.
type Registered = (Arc<Entry>, mpsc::Receiver<Command>);

impl Post {
    /// A place for a new mapping, which others see from here on; the future runs it until the end.
    pub(super) fn new(
        ground: &Arc<Ground>,
        order: Order,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, requests) = mpsc::channel(REQUESTS_MAX);
        let first = order.facts().map(|facts| register(ground, facts, &sender, None));
        let (orders, told) = watch::channel(order);
        let is_gone = Arc::new(AtomicBool::new(false));
        let keeper = Keeper {
            ground: Arc::clone(ground),
            told: Told { orders: told, requests, sender },
            first,
            former: None,
        };
        let run = keeper.keep_on(Arc::clone(&is_gone));
        (Self { orders, is_gone }, run)
    }

    /// Replaces what it was told last.
    pub(super) fn tell(&self, order: Order) {
        self.is_gone.store(false, Ordering::SeqCst);
        self.orders.send_replace(order);
    }

    /// Changes the limits of what it was told to run.
    pub(super) fn replan(&self, plan: Plan) {
        if let Order::Run(wired) = &*self.orders.borrow() {
            wired.wiring.plan.send_replace(plan);
        }
    }

    /// It was told to be gone and nothing of it is left.
    pub(super) fn is_gone(&self) -> bool {
        matches!(*self.orders.borrow(), Order::Gone { .. }) && self.is_gone.load(Ordering::SeqCst)
    }
}

impl Order {
    fn facts(&self) -> Option<&MappingFacts> {
        match self {
            Self::Run(wired) => Some(&wired.facts),
            Self::Rest(facts) => Some(facts),
            Self::Gone { .. } | Self::End(_) => None,
        }
    }

    /// How what runs ends for this order, and what it shows meanwhile.
    fn ending(&self) -> (Close, Lifecycle) {
        match self {
            Self::Run(_) => (Close::Finish, Lifecycle::Updating),
            Self::Rest(_) => (Close::Finish, Lifecycle::Disabling),
            Self::Gone { erase } => (Close::Finish, Lifecycle::Deleting { erased: *erase }),
            Self::End(how) => (*how, Lifecycle::Disabling),
        }
    }
}

/// What a keeper hears.
struct Told {
    orders: watch::Receiver<Order>,
    requests: mpsc::Receiver<Box<OperatorRequest>>,
    /// What is handed to those who have requests.
    sender: mpsc::Sender<Box<OperatorRequest>>,
}

/// A mapping's tracks are to be put elsewhere as soon as what runs has ended.
type Replay = (Reposition, oneshot::Sender<Result<(), RepositionError>>);

fn register(
    ground: &Ground,
    facts: &MappingFacts,
    requests: &mpsc::Sender<Box<OperatorRequest>>,
    former: Option<&Entry>,
) -> Registered {
    let (source, function) = (facts.source.clone(), facts.function.clone());
    let (entry, commands) = match former {
        Some(former) => former.after(facts.source_kind, source, function),
        None => Entry::new(&facts.name, facts.source_kind, source, function),
    };
    if former.is_some() {
        entry.set_lifecycle(Lifecycle::Updating);
    }
    entry.set_inspector(Arc::clone(&facts.inspector));
    entry.set_errands(requests.clone());
    ground.registry.insert(Arc::clone(&entry));
    (entry, commands)
}

/// What a mapping's task is made of, and goes on with after a panic.
struct Keeper {
    ground: Arc<Ground>,
    told: Told,
    /// What was registered before the task began.
    first: Option<Registered>,
    /// What others see of the mapping.
    former: Option<Arc<Entry>>,
}

impl Keeper {
    /// Follows the orders to the end. A panic is told where the mapping's state is, and the last order begins
    /// anew.
    async fn keep_on(mut self, is_gone: Arc<AtomicBool>) {
        loop {
            // In a box, beside which the task itself is small: its memory is kept as long as it may be asked
            // for its end.
            let kept = caught(Box::pin(keep(&mut self, &is_gone))).await;
            let Err(error) = kept else { return };
            let entry = self.former.as_ref().or_else(|| self.first.as_ref().map(|(entry, _)| entry));
            error!(
                code = "FB-0501",
                mapping = entry.map(|it| it.name()),
                error,
                "a mapping's keeper died and is started again"
            );
            if let Some(entry) = entry {
                entry.set_lifecycle(Lifecycle::Restarting { error });
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Follows the orders until told to end, or until nobody can give any.
async fn keep(keeper: &mut Keeper, is_gone: &AtomicBool) {
    let Keeper { ground, told, first, former } = keeper;
    loop {
        let order = told.orders.borrow_and_update().clone();
        let registered = order.facts().map(|facts| {
            first.take().unwrap_or_else(|| register(ground, facts, &told.sender, former.as_deref()))
        });
        match (order, registered) {
            (Order::Run(wired), Some((entry, commands))) => {
                *former = Some(Arc::clone(&entry));
                let replay = run(ground, &wired, Arc::clone(&entry), commands, told).await;
                // Where the process ends or the mapping goes meanwhile, the one who asked is told by the
                // answer's end.
                let goes_on = told.orders.borrow().facts().is_some();
                if let Some((reposition, answer)) = replay.filter(|_| goes_on) {
                    let _ = answer
                        .send(StoredPositions::new(&ground.store, entry.name()).put(reposition.places).await);
                }
            }
            (Order::Rest(facts), Some((entry, commands))) => {
                // Nobody answers for its tracks now, and whoever asks is told so at once.
                drop(commands);
                entry.set_lifecycle(match &facts.rest {
                    None => Lifecycle::Disabled,
                    Some(Rest::Paused) => Lifecycle::Paused,
                    Some(Rest::Unfit(error)) => Lifecycle::Unfit { error: error.clone() },
                });
                entry.set_calm(Calm::Still);
                let mut shelf = StoredPositions::new(&ground.store, entry.name());
                *former = Some(entry);
                if !rest(told, &mut shelf).await {
                    return;
                }
            }
            (Order::Gone { erase }, _) => {
                // One that was told to go before its task began has never lived.
                let gone = former.take().or_else(|| first.take().map(|(entry, _)| entry));
                if let Some(gone) = gone {
                    // Kept in its place while that goes on: whoever dies over it must find it again.
                    *former = Some(Arc::clone(&gone));
                    if erase && !erased(ground, &gone, &mut told.orders).await {
                        continue;
                    }
                    *former = None;
                    ground.registry.remove(gone.name());
                }
                is_gone.store(true, Ordering::SeqCst);
                if !be_gone(told).await {
                    return;
                }
            }
            (Order::End(_) | Order::Run(_) | Order::Rest(_), _) => return,
        }
    }
}

/// Runs requests until the next order has come; `false` when nobody can give one any more.
async fn rest(told: &mut Told, shelf: &mut StoredPositions) -> bool {
    loop {
        tokio::select! {
            biased;
            changed = told.orders.changed() => return changed.is_ok(),
            // It holds a sender itself, so there is always one.
            Some(operator_request) = told.requests.recv() => shelf.run(*operator_request).await,
        }
    }
}

/// Sends everybody away until the next order has come; `false` when nobody can give one any more.
async fn be_gone(told: &mut Told) -> bool {
    loop {
        tokio::select! {
            biased;
            changed = told.orders.changed() => return changed.is_ok(),
            // Whoever asked is told by the answer's end.
            Some(operator_request) = told.requests.recv() => drop(operator_request),
        }
    }
}

/// Runs one order until the next one has come, or tracks are to be put elsewhere, and what ran has ended.
async fn run(
    ground: &Ground,
    wired: &Wired,
    entry: Arc<Entry>,
    commands: mpsc::Receiver<Command>,
    told: &mut Told,
) -> Option<Replay> {
    let seat = ground.gate.join(&wired.function, wired.concurrency_max);
    let life = supervise(Arc::clone(&wired.wiring), Arc::clone(&entry), commands, seat);
    tokio::pin!(life);
    let mut is_heard = true;
    let mut replay: Option<Replay> = None;
    loop {
        let (how, farewell) = tokio::select! {
            biased;
            () = &mut life => break,
            // A later order may end it in another way: the process's end puts a limit to what still finishes.
            changed = told.orders.changed(), if is_heard => {
                is_heard = changed.is_ok();
                if is_heard { told.orders.borrow_and_update().ending() } else { (Close::Finish, Lifecycle::Deleting { erased: false }) }
            }
            Some(operator_request) = told.requests.recv() => match *operator_request {
                OperatorRequest::Reposition(reposition, answer) if reposition.replays && replay.is_none() => {
                    replay = Some((reposition, answer));
                    (Close::Finish, Lifecycle::Updating)
                }
                OperatorRequest::Reposition(reposition, answer) => {
                    let _ = answer.send(Err(if reposition.replays { RepositionError::NotNow } else { RepositionError::Runs }));
                    continue;
                }
                // The life tells it, not its keeper.
                OperatorRequest::Stood(answer) => {
                    let _ = answer.send(Err(NotStood::NotNow));
                    continue;
                }
            },
        };
        // The life goes on beside this, so there is always somebody who takes the command.
        tokio::select! {
            biased;
            () = &mut life => break,
            _ = entry.close_for(farewell, how) => {}
        }
    }
    entry.metrics().end_life();
    entry.set_calm(Calm::Still);
    wired.wiring.feeds.leave(&wired.wiring.source.identity(), entry.name());
    replay
}

/// Takes all that the store kept of a mapping away, as often as it takes; `false` when another order came
/// before that was done.
async fn erased(ground: &Ground, gone: &Entry, orders: &mut watch::Receiver<Order>) -> bool {
    let id = MappingId(gone.name().to_owned());
    gone.set_lifecycle(Lifecycle::Deleting { erased: true });
    let (began, mut repeats) = (Instant::now(), Repeats::default());
    loop {
        let refusal = match erase(&*ground.store, &id).await {
            Ok(()) => return true,
            Err(error) => error,
        };
        let error = chain(&refusal);
        if let Some(n_held_back) =
            repeats.allow(("erase", 0), &error.as_str().into(), Tick::default().after(began.elapsed()))
        {
            let code = refusal.code();
            warn!(
                code,
                mapping = id.0,
                error,
                n_held_back,
                "a deleted mapping's positions cannot be removed yet; tried again"
            );
        }
        tokio::select! {
            biased;
            _ = orders.changed() => return false,
            () = tokio::time::sleep(ERASE_AGAIN) => {}
        }
    }
}

/// Takes all that the store kept of a mapping away, its note too.
pub(crate) async fn erase(store: &dyn CheckpointStore, id: &MappingId) -> Result<(), StoreError> {
    let lease = store.acquire(id).await?;
    store.remove(&lease).await
}
