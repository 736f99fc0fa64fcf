//! One task for each mapping: drains the machine's actions, then waits for one piece of news and hands it in.
//! The only place that holds both a machine and its ports; the loop alone touches the machine, so there is no
//! lock.

mod act;
mod alarm;
mod commits;
mod decisions;
mod groups;
mod jobs;
mod news;
mod queue;
mod refusals;
mod start;
mod telemetry;
mod windows;
mod wiring;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{
    AttemptId, Close, Condition, Machine, NoticeId, Place, Plan, ReadId, Slice, SlotId, Tick, TrackIdx,
    TrackTable, TumblingWindow, UnixMillis,
};
use forebay_checkpoints::{Lease, Synced};
use forebay_invoker::{GateSeat, HandOffs, Slot};
use forebay_pollers::{Feed, FeedEvent, Subscriber};
use tokio::sync::{mpsc, watch};

pub(crate) use jobs::Jobs;
pub use start::LifeError;
pub use wiring::Wiring;

use crate::budget::Allowance;
use crate::lifecycle::{Calm, Lifecycle};
use crate::logs::Repeats;
use crate::registry::{Command, Entry};
use alarm::Alarm;
use commits::Unsynced;
use decisions::Decisions;
use jobs::Done;
pub use windows::InWindow;

/// How often counts and gauges are published while they change: a scrape in seconds needs no more.
const PUBLISH_EVERY: Duration = Duration::from_millis(100);
/// How often ended tracks are compared with what the source lists, at most.
const FORGET_EVERY_MIN: Duration = Duration::from_secs(60);

/// One life of a mapping: from its lease to its close. `Err` when it could not start or cannot go on; the
/// supervisor starts the next one.
///
/// # Errors
/// See [`LifeError`].
pub(crate) async fn live(
    wiring: &Arc<Wiring>,
    entry: &Arc<Entry>,
    commands: &mut mpsc::Receiver<Command>,
    seat: &mut GateSeat,
    jobs: &mut Jobs,
) -> Result<(), LifeError> {
    let started = tokio::select! {
        biased;
        // Nothing that a start does is half done when it is dropped: the store's writes are whole, and the
        // next start reads them.
        () = closed(commands) => return Ok(()),
        // In a box of its own: it is large, and a life that runs needs it no more.
        started = Box::pin(start::start(wiring)) => started?,
    };
    entry.set_lifecycle(Lifecycle::Enabled);
    // Another one for each life: engines that failed together must not come again together.
    let seed = uuid::Uuid::new_v4().as_u64_pair().0;
    let allowance = wiring.budget.allowance();
    let queue = started.feed.source().queue().map(|queue| queue.facts());
    let mut plans = wiring.plan.subscribe();
    // Marked as seen: what it begins with is no change.
    let own = plans.borrow_and_update().clone();
    let limits = queue::ReceiveLimits { concurrency_max: own.concurrency_max, pollers: wiring.pollers };
    let queue_plan = queue.map(|facts| queue::plan(&facts, wiring.source.wait_max(), limits));
    let envelope_bytes = windows::envelope_bytes(&own, &**started.feed.source());
    let waiting_min = started.feed.source().tracks().map_or(0, |tracks| tracks.facts().waiting_min);
    let (waiting_min, held_bytes_max) = (own.waiting_min.max(waiting_min), allowance.bytes());
    let plan = Plan { envelope_bytes, held_bytes_max, waiting_min, queue: queue_plan, ..own };
    let mut life = Box::new(Life {
        machine: Machine::new(Arc::new(plan.clone()), seed),
        plan,
        plans,
        allowance,
        wiring: Arc::clone(wiring),
        entry: Arc::clone(entry),
        lease: started.lease,
        feed: started.feed,
        subscriber: started.subscriber,
        tracks: started.tracks,
        hand_offs: HandOffs::of(&wiring.id.0),
        commands,
        seat,
        jobs,
        slots: BTreeMap::new(),
        reads: BTreeMap::new(),
        sent: BTreeMap::new(),
        noticed: BTreeMap::new(),
        repeats: Repeats::default(),
        unsynced: Vec::new(),
        decisions: Decisions::default(),
        synced: wiring.store.synced(),
        closing: None,
        forget_at: None,
        publish_at: Tick::default(),
        is_unpublished: true,
        calm: None,
        alarm: Alarm::new(wiring.clock),
        iterator_age_ms: 0,
        committed_at: None,
        store_failing: false,
        is_fenced: false,
    });
    if let Some(facts) = queue {
        queue::tell_visibility(&life.entry, &facts, wiring.function_timeout);
        queue::tell_trap(&life.entry, wiring);
        life.subscriber.demand(queue::demand(&life.plan));
        life.machine.handle_opened(wiring.clock.now());
    }
    life.run().await
}

async fn closed(commands: &mut mpsc::Receiver<Command>) {
    while let Some(command) = commands.recv().await {
        match command {
            Command::Close(_) => return,
            // Nobody can tell yet: dropping the question says so.
            Command::State(_) | Command::Places(_) | Command::Paused(_) | Command::Decide(..) => {}
        }
    }
}

struct Life<'a> {
    wiring: Arc<Wiring>,
    entry: Arc<Entry>,
    machine: Machine,
    plan: Plan,
    /// Brings limits that are to hold from the next batch on.
    plans: watch::Receiver<Plan>,
    allowance: Allowance,
    lease: Lease,
    feed: Feed,
    subscriber: Subscriber,
    tracks: TrackTable,
    hand_offs: HandOffs,
    commands: &'a mut mpsc::Receiver<Command>,
    seat: &'a mut GateSeat,
    jobs: &'a mut Jobs,
    slots: BTreeMap<SlotId, Slot>,
    /// Open reads, for the log.
    reads: BTreeMap<ReadId, TrackIdx>,
    /// Attempts in flight, for the log.
    sent: BTreeMap<AttemptId, Work>,
    /// Notices on their way, for the log.
    noticed: BTreeMap<NoticeId, (Work, Condition)>,
    repeats: Repeats,
    /// What an operator decided that is not durable yet.
    decisions: Decisions,
    /// Checkpoints that are written and not synced.
    unsynced: Vec<Unsynced>,
    synced: watch::Receiver<Synced>,
    closing: Option<Close>,
    /// When ended tracks are next compared with what the source lists; `None` while that runs and while none
    /// has ended.
    forget_at: Option<Tick>,
    /// Not before this are counts and gauges published again.
    publish_at: Tick,
    /// Something has happened since they were.
    is_unpublished: bool,
    /// What was said last of how far this life is from its end.
    calm: Option<Calm>,
    alarm: Alarm,
    iterator_age_ms: u64,
    committed_at: Option<UnixMillis>,
    store_failing: bool,
    /// Another owner has taken the mapping over: nothing of it goes on.
    is_fenced: bool,
}

/// What an attempt or a notice is about, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Work {
    track: Option<TrackIdx>,
    n_records: usize,
}

impl Work {
    fn of(slice: &Slice, window: Option<&TumblingWindow>) -> Self {
        let track = slice.records().first().and_then(|record| match record.place {
            Place::Track(idx, _) => Some(idx),
            Place::Queue { .. } => None,
        });
        // The end of a window has no record.
        Self { track: track.or_else(|| window.map(|it| it.track)), n_records: slice.n_records() }
    }
}

/// One piece of news for the loop.
enum News {
    Command(Option<Command>),
    Done(Done),
    Slot(Slot),
    Feed(Option<FeedEvent>),
    Synced,
    Due(Due),
    Replanned,
}

/// What the alarm is set for; of two at one tick the first is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Machine,
    Forget,
    Publish,
}

impl Life<'_> {
    /// In a box: a future keeps what it was given beside what it made of that, and a life is large.
    async fn run(mut self: Box<Self>) -> Result<(), LifeError> {
        self.plan_forgetting();
        loop {
            // First what the machine wants: it is not quiet before that is done.
            self.act();
            self.fit_allowance();
            self.tell_calm();
            if self.is_over() {
                if !self.is_quiet() {
                    self.tell_left();
                }
                return Ok(());
            }
            let now = self.wiring.clock.tick();
            self.publish_if_due(now);
            let news = self.next(now).await;
            self.is_unpublished = true;
            self.hear(news)?;
        }
    }

    /// Waits for one piece of news. Every arm can be dropped without losing anything: channels and the set of
    /// jobs keep what was not fetched, a slot not fetched stays with the gate, the alarm stays set.
    async fn next(&mut self, now: Tick) -> News {
        let due = self.next_due();
        // What is due goes first, so that a flood of other news cannot hold a deadline up.
        if let Some((_, due)) = due.filter(|(tick, _)| *tick <= now) {
            return News::Due(due);
        }
        self.alarm.set(due.map(|(tick, _)| tick));
        tokio::select! {
            biased;
            command = self.commands.recv() => News::Command(command),
            // Before what a batch's end sets going. The wiring holds the sender as long as this lives.
            Ok(()) = self.plans.changed() => News::Replanned,
            done = self.jobs.next() => News::Done(done),
            slot = self.seat.granted() => News::Slot(slot),
            event = self.subscriber.events.recv() => News::Feed(event),
            // The store lives as long as the wiring. Who waits for no sync is not woken by one.
            Ok(()) = self.synced.changed(), if !self.unsynced.is_empty() => News::Synced,
            () = self.alarm.rings() => News::Due(due.expect("it was set").1),
        }
    }

    /// What is due next, and when.
    fn next_due(&self) -> Option<(Tick, Due)> {
        let machine = self.machine.poll_timeout().map(|(tick, _why)| (tick, Due::Machine));
        // A life that closes begins nothing for its own sake.
        let forget = self.forget_at.filter(|_| self.closing.is_none()).map(|tick| (tick, Due::Forget));
        let publish = self.is_unpublished.then_some((self.publish_at, Due::Publish));
        machine.into_iter().chain(forget).chain(publish).min()
    }

    /// Looks at ended tracks again later, while there are any.
    fn plan_forgetting(&mut self) {
        let every = self.feed.source().tracks().map(|tracks| tracks.rediscover_every().max(FORGET_EVERY_MIN));
        self.forget_at =
            every.filter(|_| self.tracks.has_ended()).map(|every| self.wiring.clock.tick().after(every));
    }

    /// Goes on with other limits: new batches take them, batches in retry keep theirs.
    fn replan(&mut self) {
        let own = self.plans.borrow_and_update().clone();
        // What the source and the budget set stays, whatever the operator changes.
        let envelope_bytes = windows::envelope_bytes(&own, &**self.feed.source());
        let Plan { held_bytes_max, waiting_min, ref queue, .. } = self.plan;
        self.plan = Plan { envelope_bytes, held_bytes_max, waiting_min, queue: queue.clone(), ..own };
        if self.plan.queue.is_some() {
            self.subscriber.demand(queue::demand(&self.plan));
        }
        self.machine.handle_plan(Arc::new(self.plan.clone()), self.wiring.clock.now());
    }

    /// Borrows memory when the records held come near the allowance, and gives it back when they do not.
    fn fit_allowance(&mut self) {
        if self.allowance.fit(self.machine.held_bytes()) {
            self.plan.held_bytes_max = self.allowance.bytes();
            self.machine.handle_plan(Arc::new(self.plan.clone()), self.wiring.clock.now());
            // With more room reads may go at once.
            self.act();
        }
    }

    fn is_over(&self) -> bool {
        match self.closing {
            None => false,
            Some(Close::Abandon) => true,
            Some(Close::Finish) => self.is_quiet(),
            Some(Close::Within(until)) => self.is_quiet() || self.wiring.clock.tick() >= until,
        }
    }

    fn is_quiet(&self) -> bool {
        self.machine.is_quiet() && self.jobs.n_running() == 0
    }

    fn close(&mut self, how: Close) {
        self.entry.set_lifecycle(self.entry.farewell());
        self.closing = Some(how);
        self.machine.close(how, self.wiring.clock.now());
        // An open read is answered at once by a feed that is told to forget its track.
        for idx in self.tracks.open() {
            self.subscriber.forget(idx);
        }
        self.subscriber.rest();
    }
}

/// However a life ends, what it did is counted.
impl Drop for Life<'_> {
    fn drop(&mut self) {
        self.publish();
    }
}
