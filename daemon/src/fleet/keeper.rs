//! The shell around one mapping's life: does what its machine asks for, one thing at a time, and hands it what
//! came of that.

mod work;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Backoff, Close, Fault, Tick};
use forebay_checkpoints::{MappingId, StoreError};
use forebay_clients::caught::caught;
use forebay_lifecycle::{
    DesiredState, LifeEffect, LifeEnd, LifeNews, MappingLife, OperatorRequestId, Parting,
};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tracing::{error, info, warn};

pub(crate) use self::work::erase;
use self::work::{Came, Hands, UnderWay};
use super::wired::{CommonGround, How, LastDesired, MappingFacts, Wired};
use crate::compiled::Rest;
use crate::last_error::{ErrorOf, LastError};
use crate::lifecycle::{Calm, Lifecycle};
use crate::logs::Repeats;
use crate::mapping_task::{Jobs, LifeError};
use crate::operator_request::{OperatorRequest, REQUESTS_MAX, StoredPositions};
use crate::registry::{Command, Entry};
use crate::sentence::chain;

/// After a panic the last order begins anew after this.
const AGAIN: Duration = Duration::from_secs(1);
/// A life this long was a good one: the next death counts as the first.
const GOOD_LIFE: Duration = Duration::from_secs(60);

/// What registers a mapping: what others see, and the far end of its commands.
type Registered = (Arc<Entry>, mpsc::Receiver<Command>);

/// What keeps a mapping, and goes on with its last order after a panic.
pub(super) struct Keeper {
    name: String,
    ground: Arc<CommonGround>,
    told: watch::Receiver<LastDesired>,
    requests: mpsc::Receiver<Box<OperatorRequest>>,
    /// What is handed to those who have requests.
    sender: mpsc::Sender<Box<OperatorRequest>>,
    /// What was registered before the task began.
    first: Option<Registered>,
    /// What others see of the mapping.
    entry: Option<Arc<Entry>>,
    vanished: watch::Sender<u64>,
}

impl Keeper {
    pub(super) fn new(
        ground: &Arc<CommonGround>,
        name: &str,
        told: watch::Receiver<LastDesired>,
        vanished: watch::Sender<u64>,
    ) -> Self {
        let (sender, requests) = mpsc::channel(REQUESTS_MAX);
        let mut keeper = Self {
            name: name.to_owned(),
            ground: Arc::clone(ground),
            told,
            requests,
            sender,
            first: None,
            entry: None,
            vanished,
        };
        let order = keeper.told.borrow().order.clone();
        if let DesiredState::Run(how) | DesiredState::Rest(how) = order {
            // Not first in the task: whoever made the mapping finds it in the registry when its call is
            // answered.
            keeper.first = Some(keeper.register(how.facts()));
        }
        keeper
    }

    fn register(&self, facts: &MappingFacts) -> Registered {
        let (source, function) = (facts.source.clone(), facts.function.clone());
        let (entry, commands) = match &self.entry {
            Some(former) => former.after(facts.source_kind, source, function),
            None => Entry::new(&facts.name, facts.source_kind, source, function),
        };
        // It is no new one, and `Creating` would say so to whoever waits for the change.
        if self.entry.is_some() {
            entry.set_lifecycle(Lifecycle::Updating);
        }
        entry.set_inspector(Arc::clone(&facts.inspector));
        entry.set_requests(self.sender.clone());
        self.ground.registry.insert(Arc::clone(&entry));
        (entry, commands)
    }

    /// Keeps it to the end. A panic is told where the mapping's state is, and the last order begins anew.
    pub(super) async fn keep_on(mut self) {
        loop {
            // In a box, beside which the task itself is small: its memory is kept as long as it may be asked
            // for its end.
            let kept = caught(Box::pin(Keeping::new(&mut self).keep())).await;
            let Err(error) = kept else { return };
            error!(
                code = "FB-0501",
                mapping = self.name,
                error,
                "a mapping's keeper died and is started again"
            );
            let entry = self.entry.as_ref().or_else(|| self.first.as_ref().map(|(entry, _)| entry));
            if let Some(entry) = entry {
                entry.set_lifecycle(Lifecycle::Restarting { error });
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// One keeping: from an order to the end, or to a panic.
struct Keeping<'k> {
    keeper: &'k mut Keeper,
    life: MappingLife<How>,
    /// Which order the life follows.
    n_told: u64,
    /// How it ends with the process.
    end: Close,
    /// Somebody can give another order.
    is_heard: bool,
    /// What is under way; its end is a piece of news.
    work: Option<UnderWay>,
    /// How it is shown.
    shown: Option<How>,
    /// What the first life of what is shown takes its commands from.
    commands: Option<mpsc::Receiver<Command>>,
    /// What a life that failed left for the next one.
    hands: Option<Hands>,
    /// What the task is yet to be told.
    farewell: Option<(Lifecycle, Close)>,
    began: Instant,
    /// Why the last life failed, and when.
    failure: Option<(LifeFailure, Instant)>,
    asked: BTreeMap<OperatorRequestId, Box<OperatorRequest>>,
    n_asked: u64,
    places: Option<StoredPositions>,
    erasing: Erasing,
}

/// Why a life failed.
enum LifeFailure {
    NotStarted(LifeError),
    Died(String),
}

/// What the store said to being asked to erase.
struct Erasing {
    began: Instant,
    repeats: Repeats,
    refusal: Option<StoreError>,
}

/// What a keeping waits for.
enum KeeperNews {
    Came(Came),
    /// Another order; `None` when nobody can give one any more.
    Desired(Option<LastDesired>),
    Asked(Box<OperatorRequest>),
    /// The task was told to end.
    Parted,
}

impl<'k> Keeping<'k> {
    fn new(keeper: &'k mut Keeper) -> Self {
        let told = keeper.told.borrow_and_update().clone();
        if matches!(told.order, DesiredState::Gone { .. } | DesiredState::End) {
            // Told to go before it began: others see it all the same.
            keeper.entry = keeper.first.take().map(|(entry, _)| entry).or_else(|| keeper.entry.take());
        }
        let life = match keeper.entry {
            Some(_) => MappingLife::again(told.order),
            None => MappingLife::new(told.order),
        };
        let now = Instant::now();
        Self {
            keeper,
            life,
            n_told: told.n_told,
            end: told.end,
            is_heard: true,
            work: None,
            shown: None,
            commands: None,
            hands: None,
            farewell: None,
            began: now,
            failure: None,
            asked: BTreeMap::new(),
            n_asked: 0,
            places: None,
            erasing: Erasing { began: now, repeats: Repeats::default(), refusal: None },
        }
    }

    async fn keep(mut self) {
        loop {
            while let Some(effect) = self.life.poll_effect() {
                if self.act(effect).is_break() {
                    return;
                }
            }
            let heard = self.next().await;
            self.hear(heard);
        }
    }

    /// Waits for one thing. Every arm can be dropped without losing anything: what is under way stays, and
    /// channels keep what was not fetched.
    async fn next(&mut self) -> KeeperNews {
        let Self { keeper, work, farewell, life, is_heard, .. } = self;
        let Keeper { told, requests, entry, .. } = &mut **keeper;
        tokio::select! {
            biased;
            // First what has ended, or a task that is no more would be told to end.
            came = under_way(work) => KeeperNews::Came(came),
            // The task goes on beside this, so there is always somebody who takes the command.
            () = part(entry.as_deref(), farewell.clone()), if farewell.is_some() => KeeperNews::Parted,
            changed = told.changed(), if *is_heard => {
                KeeperNews::Desired(changed.is_ok().then(|| told.borrow_and_update().clone()))
            }
            // It holds a sender itself, so there is always one.
            Some(request) = requests.recv(), if life.takes_requests() => KeeperNews::Asked(request),
        }
    }

    fn hear(&mut self, heard: KeeperNews) {
        let news = match heard {
            KeeperNews::Came(came) => {
                self.work = None;
                self.hear_came(came)
            }
            KeeperNews::Desired(Some(told)) => {
                (self.n_told, self.end) = (told.n_told, told.end);
                LifeNews::Desired(told.order)
            }
            KeeperNews::Desired(None) => {
                // A closed channel would be ready at every turn.
                self.is_heard = false;
                LifeNews::Desired(DesiredState::End)
            }
            KeeperNews::Asked(request) => {
                let (id, asked) = (OperatorRequestId(self.n_asked), request.asked());
                self.n_asked += 1;
                self.asked.insert(id, request);
                LifeNews::Asked(id, asked)
            }
            KeeperNews::Parted => {
                self.farewell = None;
                return;
            }
        };
        self.life.handle(news);
    }

    fn hear_came(&mut self, came: Came) -> LifeNews<How> {
        match came {
            Came::Ended(_, Ok(Ok(()))) => {
                let source = self.keeper.entry.as_ref().map(|it| it.source_kind());
                info!(mapping = self.keeper.name, source, "mapping closed");
                LifeNews::Ended(LifeEnd::Closed)
            }
            Came::Ended(hands, Ok(Err(reason))) if !reason.is_death() => {
                self.hear_failed(hands, LifeFailure::NotStarted(reason))
            }
            Came::Ended(hands, Ok(Err(reason))) => {
                if let (LifeError::FeedEnded, Some(How::Run(wired))) = (&reason, &self.shown) {
                    // The feed that ended is not handed to the next life.
                    wired.wiring.feeds.discard(&*wired.wiring.source);
                }
                self.hear_failed(hands, LifeFailure::Died(chain(&reason)))
            }
            Came::Ended(hands, Err(panic)) => self.hear_failed(hands, LifeFailure::Died(panic)),
            Came::JobsDone(hands) => {
                self.hands = Some(hands);
                LifeNews::JobsDone
            }
            Came::Due(hands) => {
                self.hands = hands;
                LifeNews::Due
            }
            Came::Served(places) => {
                self.places = Some(places);
                LifeNews::Served
            }
            Came::Erased(Ok(())) => LifeNews::Erased,
            Came::Erased(Err(refusal)) => {
                self.erasing.refusal = Some(refusal);
                LifeNews::NotErased
            }
        }
    }

    fn hear_failed(&mut self, hands: Hands, failure: LifeFailure) -> LifeNews<How> {
        (self.hands, self.farewell) = (Some(hands), None);
        self.failure = Some((failure, Instant::now()));
        LifeNews::Ended(LifeEnd::Failed { was_good: self.began.elapsed() >= GOOD_LIFE })
    }

    /// Does what the life asks for; breaks where nothing follows any more.
    fn act(&mut self, effect: LifeEffect<How>) -> ControlFlow<()> {
        match effect {
            LifeEffect::Show(how) => self.show(how),
            LifeEffect::Start => self.start(),
            LifeEffect::Close(parting) => self.farewell = Some(self.farewell_of(parting)),
            LifeEffect::AwaitJobs { n_failures } => {
                self.tell_failure(n_failures);
                self.work = self.hands.take().map(work::jobs);
            }
            LifeEffect::Wait { n_failures } => {
                let failed_at = self.failure.as_ref().map_or_else(Instant::now, |(_, at)| *at);
                // From the failure on: the time that its jobs took to end is part of the delay.
                let until = failed_at + Backoff::LIFE.delay(n_failures.saturating_sub(1), 0);
                self.work = self.hands.take().map(|hands| work::delay(hands, until));
            }
            LifeEffect::StopWaiting => self.work = None,
            LifeEffect::Leave => self.leave(),
            LifeEffect::Rest => self.rest(),
            LifeEffect::Serve(id) => self.serve(id),
            LifeEffect::Refuse(id, why) => {
                if let Some(request) = self.asked.remove(&id) {
                    request.refuse(why);
                }
            }
            LifeEffect::Erase => self.erase(),
            LifeEffect::EraseLater => {
                self.tell_not_erased();
                self.work = Some(work::erase_delay());
            }
            LifeEffect::Remove => {
                (self.keeper.entry, self.shown) = (None, None);
                self.keeper.ground.registry.remove(&self.keeper.name);
            }
            LifeEffect::Vanished => {
                // By number: an order that came since is not carried out by this.
                self.keeper.vanished.send_replace(self.n_told);
                self.keeper.ground.vanish(&self.keeper.name);
            }
            LifeEffect::Over => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn show(&mut self, how: How) {
        let registered = self.keeper.first.take();
        let (entry, commands) = registered.unwrap_or_else(|| self.keeper.register(how.facts()));
        self.keeper.entry = Some(entry);
        // A life may have written positions since they were read for an operator.
        (self.commands, self.places, self.shown) = (Some(commands), None, Some(how));
    }

    fn start(&mut self) {
        let (Some(How::Run(wired)), Some(entry)) = (&self.shown, &self.keeper.entry) else { return };
        let hands = self.hands.take().or_else(|| {
            let seat = self.keeper.ground.gate.join(&wired.function, wired.concurrency_max);
            Some(Hands { commands: self.commands.take()?, seat, jobs: Jobs::default() })
        });
        self.began = Instant::now();
        self.work = hands.map(|hands| work::life(Arc::clone(wired), Arc::clone(entry), hands));
    }

    /// What the task shows once it was told to end, and how it ends.
    fn farewell_of(&self, parting: Parting) -> (Lifecycle, Close) {
        match parting {
            Parting::Change => (Lifecycle::Updating, Close::Finish),
            Parting::Rest => (Lifecycle::Disabling, Close::Finish),
            Parting::Gone { erase } => (Lifecycle::Deleting { erased: erase }, Close::Finish),
            Parting::End => (Lifecycle::Disabling, self.end),
        }
    }

    fn tell_failure(&mut self, n_failures: u32) {
        let (Some(How::Run(wired)), Some(entry)) = (&self.shown, &self.keeper.entry) else { return };
        match &self.failure {
            Some((LifeFailure::NotStarted(reason), _)) => tell_not_started(wired, entry, reason, n_failures),
            Some((LifeFailure::Died(error), _)) => tell_died(entry, error, n_failures),
            None => {}
        }
    }

    /// No life goes on: its seat, its place at the feed and what it showed are let go of.
    fn leave(&mut self) {
        (self.hands, self.commands, self.farewell, self.failure) = (None, None, None, None);
        let (Some(How::Run(wired)), Some(entry)) = (self.shown.take(), &self.keeper.entry) else { return };
        entry.metrics().end_life();
        entry.set_calm(Calm::Still);
        wired.wiring.feeds.leave(&wired.wiring.source.identity(), entry.name());
    }

    fn rest(&mut self) {
        // Nobody answers for its tracks now, and whoever asks is told so at once.
        self.commands = None;
        let (Some(How::Rest(facts)), Some(entry)) = (&self.shown, &self.keeper.entry) else { return };
        entry.set_lifecycle(match &facts.rest {
            None => Lifecycle::Disabled,
            Some(Rest::Paused) => Lifecycle::Paused,
            Some(Rest::Unfit(error)) => Lifecycle::Unfit { error: error.clone() },
        });
        entry.set_calm(Calm::Still);
    }

    fn serve(&mut self, id: OperatorRequestId) {
        let Keeper { ground, name, .. } = &*self.keeper;
        // While it rests nobody writes them, so what one request has read serves the next.
        let places = self.places.take().unwrap_or_else(|| StoredPositions::new(&ground.store, name));
        self.work = self.asked.remove(&id).map(|request| work::request(places, *request));
    }

    fn erase(&mut self) {
        if let Some(entry) = &self.keeper.entry {
            // One that rested had no life that could show it.
            entry.set_lifecycle(Lifecycle::Deleting { erased: true });
        }
        let Keeper { ground, name, .. } = &*self.keeper;
        self.work = Some(work::erasing(Arc::clone(&ground.store), MappingId(name.clone())));
    }

    fn tell_not_erased(&mut self) {
        let Erasing { began, repeats, refusal } = &mut self.erasing;
        let Some(refusal) = refusal.take() else { return };
        let error = chain(&refusal);
        let at = Tick::default().after(began.elapsed());
        if let Some(n_held_back) = repeats.allow(("erase", 0), &error.as_str().into(), at) {
            warn!(
                code = refusal.code(),
                mapping = self.keeper.name,
                error,
                n_held_back,
                "a deleted mapping's positions cannot be removed yet; tried again"
            );
        }
    }
}

/// The end of what is under way; never where nothing is.
async fn under_way(work: &mut Option<UnderWay>) -> Came {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

async fn part(entry: Option<&Entry>, farewell: Option<(Lifecycle, Close)>) {
    if let (Some(entry), Some((lifecycle, how))) = (entry, farewell) {
        entry.close_for(lifecycle, how).await;
    }
}

fn tell_not_started(wired: &Wired, entry: &Entry, reason: &LifeError, n_failures: u32) {
    let error = Fault { text: chain(reason), code: reason.code() };
    warn!(
        code = error.code.map(|it| it.0),
        mapping = entry.name(),
        source = entry.source_kind(),
        n_failures,
        error = error.text,
        "mapping could not be started; tried again"
    );
    let of = if reason.is_source() { ErrorOf::Source } else { ErrorOf::Store };
    entry.note_error(LastError::new(of, "", &error, wired.wiring.clock.now().unix));
    if reason.is_source() {
        // AWS's sentence to the letter: tools look for it.
        entry.set_last_result(
            "PROBLEM: Connection error. Please check your event source connection configuration.",
        );
    }
    entry.metrics().end_life();
    entry.set_lifecycle(Lifecycle::Enabling { error, n_failures });
}

fn tell_died(entry: &Entry, error: &str, n_failures: u32) {
    error!(
        code = "FB-0501",
        mapping = entry.name(),
        source = entry.source_kind(),
        n_failures,
        error,
        "mapping's task died and is started again"
    );
    entry.metrics().restarted();
    entry.set_lifecycle(Lifecycle::Restarting { error: error.to_owned() });
}
