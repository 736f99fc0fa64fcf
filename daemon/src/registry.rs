//! The mappings of this process: their life cycle, what they measure, and a way to talk to their tasks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_batcher::{Close, Fault, UnixMillis};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::clock::unix_now;
use crate::decisions::{DecideError, DecisionWish, PausedBatch};
use crate::inspector::SourceInspector;
use crate::last_error::LastError;
use crate::lifecycle::{Calm, Lifecycle};
use crate::lock::lock;
use crate::mapping_status::MappingStatus;
use crate::metrics::MappingMetrics;
use crate::operator_request::{NotStood, OperatorRequest, Reposition, RepositionError};
use crate::positions::KeptPlace;
use crate::status::TrackView;

/// How long a mapping's task may take to tell its state; it never waits for others while it answers.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// How long whoever ends a life waits until it has heard of it.
const HEARD_MAX: Duration = Duration::from_secs(5);
/// And then for what it is invoking: what still runs after that has begun long ago.
const STILL_MAX: Duration = Duration::from_millis(900);
/// Commands that may wait for a mapping's task.
pub const COMMANDS_MAX: usize = 16;

/// What a mapping's task can be told.
#[derive(Debug)]
pub enum Command {
    /// End, in this way.
    Close(Close),
    /// Tell the state of every track.
    State(oneshot::Sender<Vec<TrackView>>),
    /// Tell where every track durably stands.
    Places(oneshot::Sender<Vec<KeptPlace>>),
    /// Tell what waits for an operator.
    Paused(oneshot::Sender<Vec<PausedBatch>>),
    /// Carry out what an operator decided; answered with what it was about when that is durable.
    Decide(DecisionWish, oneshot::Sender<Result<Vec<PausedBatch>, DecideError>>),
}

/// One mapping.
#[derive(Debug)]
pub struct Entry {
    name: Arc<str>,
    source_kind: &'static str,
    source: String,
    function: String,
    lifecycle: Mutex<Lifecycle>,
    /// When it came to stand where it does, in milliseconds since 1970.
    changed_at: AtomicI64,
    last_result: Mutex<&'static str>,
    trouble: Mutex<Option<Fault>>,
    farewell: Mutex<Lifecycle>,
    last_error: Mutex<Option<LastError>>,
    inspector: Mutex<Option<Arc<SourceInspector>>>,
    requests: Mutex<Option<mpsc::Sender<Box<OperatorRequest>>>>,
    calm: watch::Sender<Calm>,
    metrics: Arc<MappingMetrics>,
    commands: mpsc::Sender<Command>,
}

impl Entry {
    /// A mapping of `source` (what people call it) for `function`, and the far end of its commands.
    pub fn new(
        name: &str,
        source_kind: &'static str,
        source: String,
        function: String,
    ) -> (Arc<Self>, mpsc::Receiver<Command>) {
        Self::make(name, source_kind, source, function, Arc::default())
    }

    /// The same mapping after a change: its counters go on, unless another kind of source labels them.
    pub fn after(
        &self,
        source_kind: &'static str,
        source: String,
        function: String,
    ) -> (Arc<Self>, mpsc::Receiver<Command>) {
        let metrics =
            // A series goes by its labels: under another kind it is another one and begins at zero.
            if source_kind == self.source_kind { Arc::clone(&self.metrics) } else { Arc::default() };
        let (entry, receiver) = Self::make(&self.name, source_kind, source, function, metrics);
        // What went wrong with it is not over because its settings are others.
        entry.set_last_result(self.last_result());
        (*lock(&entry.last_error)).clone_from(&self.last_error());
        (entry, receiver)
    }

    fn make(
        name: &str,
        source_kind: &'static str,
        source: String,
        function: String,
        metrics: Arc<MappingMetrics>,
    ) -> (Arc<Self>, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let entry = Self {
            name: name.into(),
            source_kind,
            source,
            function,
            lifecycle: Mutex::new(Lifecycle::Creating),
            changed_at: AtomicI64::default(),
            last_result: Mutex::new("No records processed"),
            trouble: Mutex::default(),
            farewell: Mutex::new(Lifecycle::Disabling),
            last_error: Mutex::default(),
            inspector: Mutex::default(),
            requests: Mutex::default(),
            calm: watch::Sender::new(Calm::Busy),
            metrics,
            commands,
        };
        (Arc::new(entry), receiver)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The word under `source:`.
    pub fn source_kind(&self) -> &'static str {
        self.source_kind
    }

    /// What people call its source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The function that gets its batches.
    pub fn function(&self) -> &str {
        &self.function
    }

    /// What it measures.
    pub fn metrics(&self) -> &MappingMetrics {
        &self.metrics
    }

    /// Where it stands.
    pub fn lifecycle(&self) -> Lifecycle {
        lock(&self.lifecycle).clone()
    }

    /// Says where it stands now.
    pub fn set_lifecycle(&self, lifecycle: Lifecycle) {
        let mut standing = lock(&self.lifecycle);
        // Another reason for the same state is no change of it.
        if standing.word() != lifecycle.word() {
            self.changed_at.store(unix_now().0, Ordering::Relaxed);
        }
        *standing = lifecycle;
    }

    /// When it came to stand where it does; the beginning of 1970 when it never changed.
    pub fn changed_at(&self) -> UnixMillis {
        UnixMillis(self.changed_at.load(Ordering::Relaxed))
    }

    /// Lambda's `LastProcessingResult`.
    pub fn last_result(&self) -> &'static str {
        *lock(&self.last_result)
    }

    /// Sets Lambda's `LastProcessingResult`.
    pub fn set_last_result(&self, result: &'static str) {
        *lock(&self.last_result) = result;
    }

    /// What hinders the mapping as a whole, such as tracks that cannot be listed.
    pub fn trouble(&self) -> Option<Fault> {
        lock(&self.trouble).clone()
    }

    /// Says what hinders the mapping as a whole; `None` when nothing does any more.
    pub fn set_trouble(&self, trouble: Option<Fault>) {
        *lock(&self.trouble) = trouble;
    }

    /// What went wrong last.
    pub fn last_error(&self) -> Option<LastError> {
        lock(&self.last_error).clone()
    }

    /// Something went wrong.
    pub fn note_error(&self, error: LastError) {
        *lock(&self.last_error) = Some(error);
    }

    /// How its source is looked at; `None` where nobody has said.
    pub fn inspector(&self) -> Option<Arc<SourceInspector>> {
        lock(&self.inspector).clone()
    }

    /// Says how its source is looked at.
    pub fn set_inspector(&self, inspector: Arc<SourceInspector>) {
        *lock(&self.inspector) = Some(inspector);
    }

    /// Tells its task to end. `false` when the task is gone already.
    pub async fn close(&self, how: Close) -> bool {
        self.commands.send(Command::Close(how)).await.is_ok()
    }

    /// Tells its task to end, and what it shows while it does. `false` when the task is gone already.
    pub async fn close_for(&self, farewell: Lifecycle, how: Close) -> bool {
        *lock(&self.farewell) = farewell;
        self.close(how).await
    }

    /// What it shows once it was told to end.
    pub fn farewell(&self) -> Lifecycle {
        lock(&self.farewell).clone()
    }

    /// Says how far this life is from its end.
    pub fn set_calm(&self, calm: Calm) {
        self.calm.send_if_modified(|it| std::mem::replace(it, calm) != calm);
    }

    /// How far this life is from its end.
    pub fn calm(&self) -> Calm {
        *self.calm.borrow()
    }

    /// Waits, once this life was told to end, until none of its invocations begins any more.
    pub async fn await_end_of_invocations(&self) {
        let mut calm = self.calm.subscribe();
        // The sender is its own, so waiting cannot fail; and late is as good as never, for the caller has a
        // client that waits.
        let _ = timeout(HEARD_MAX, calm.wait_for(|it| *it >= Calm::Closing)).await;
        let _ = timeout(STILL_MAX, calm.wait_for(|it| *it >= Calm::Still)).await;
    }

    /// All that is known of it without asking anybody: its tracks and its note are left out.
    pub fn status(&self) -> MappingStatus {
        MappingStatus {
            name: Arc::clone(&self.name),
            source_kind: self.source_kind,
            source: self.source.clone(),
            function: self.function.clone(),
            lifecycle: self.lifecycle(),
            calm: self.calm(),
            changed_at: self.changed_at(),
            last_result: self.last_result(),
            trouble: self.trouble(),
            note: None,
            last_error: self.last_error(),
            gauges: self.metrics.gauges(),
            counts: self.metrics.values(),
            n_restarts: self.metrics.n_restarts(),
            tracks: None,
        }
    }

    /// The same with its tracks, as its task tells of them, and its note. It takes as long as the task may
    /// take to answer, and longer the more mappings read the source.
    pub async fn whole_status(&self) -> MappingStatus {
        // Its task first: one that dies meanwhile is shown as what became of it, and never as running.
        let tracks = self.tracks().await;
        let note = self.inspector().and_then(|it| it.note(&self.name));
        MappingStatus { tracks, note, ..self.status() }
    }

    /// The state of every track; `None` while no task runs that could tell.
    pub async fn tracks(&self) -> Option<Vec<TrackView>> {
        self.ask(Command::State).await
    }

    /// Where every track durably stands; `None` while no task runs that could tell.
    pub async fn places(&self) -> Option<Vec<KeptPlace>> {
        self.ask(Command::Places).await
    }

    /// What waits for an operator; `None` while no task runs that could tell.
    pub async fn paused(&self) -> Option<Vec<PausedBatch>> {
        self.ask(Command::Paused).await
    }

    /// Has an operator's decision carried out. Ready when that is durable, with what it was about; it happens
    /// all the same when this is dropped.
    ///
    /// # Errors
    /// See [`DecideError`].
    pub async fn decide(&self, wish: DecisionWish) -> Result<Vec<PausedBatch>, DecideError> {
        if self.lifecycle().is_resting() {
            return Err(DecideError::Rests);
        }
        let (answer, told) = oneshot::channel();
        // Not waited for: a task that does not take commands would keep an operator for as long.
        self.commands.try_send(Command::Decide(wish, answer)).map_err(|_| DecideError::NotNow)?;
        told.await.unwrap_or(Err(DecideError::Unknown))
    }

    /// The way to whoever keeps the mapping, running or not.
    pub fn set_requests(&self, requests: mpsc::Sender<Box<OperatorRequest>>) {
        *lock(&self.requests) = Some(requests);
    }

    /// Where every track durably stands, whether the mapping runs or rests; `None` for one that never ran.
    ///
    /// # Errors
    /// Nobody can tell at this moment, or the store cannot.
    pub async fn stood(&self) -> Result<Option<Vec<KeptPlace>>, NotStood> {
        if !self.lifecycle().is_resting() {
            return self.places().await.map(Some).ok_or(NotStood::NotNow);
        }
        let (answer, told) = oneshot::channel();
        self.request(OperatorRequest::Stood(answer)).ok_or(NotStood::NotNow)?;
        told.await.unwrap_or(Err(NotStood::NotNow))
    }

    /// Puts tracks at other places. Ready when that is durable; it happens all the same when this is dropped.
    ///
    /// # Errors
    /// See [`RepositionError`].
    pub async fn reposition(&self, reposition: Reposition) -> Result<(), RepositionError> {
        let (answer, told) = oneshot::channel();
        self.request(OperatorRequest::Reposition(reposition, answer)).ok_or(RepositionError::NotNow)?;
        told.await.unwrap_or(Err(RepositionError::NotNow))
    }

    fn request(&self, operator_request: OperatorRequest) -> Option<()> {
        lock(&self.requests).as_ref()?.try_send(Box::new(operator_request)).ok()
    }

    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (answer, told) = oneshot::channel();
        // A task that is behind with its commands would not answer in time either.
        self.commands.try_send(question(answer)).ok()?;
        timeout(ANSWER_MAX, told).await.ok()?.ok()
    }
}

/// All mappings of this process.
#[derive(Debug, Default)]
pub struct Registry {
    entries: Mutex<BTreeMap<Arc<str>, Arc<Entry>>>,
    was_started: AtomicBool,
}

impl Registry {
    /// Takes a mapping in.
    pub fn insert(&self, entry: Arc<Entry>) {
        lock(&self.entries).insert(Arc::clone(&entry.name), entry);
    }

    /// Takes a mapping out; its series vanish with it.
    pub fn remove(&self, name: &str) {
        lock(&self.entries).remove(name);
    }

    /// One mapping.
    pub fn entry(&self, name: &str) -> Option<Arc<Entry>> {
        lock(&self.entries).get(name).cloned()
    }

    /// All mappings, by name.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        lock(&self.entries).values().cloned().collect()
    }

    /// Every mapping that the process began with has been tried once, successfully or not.
    pub fn is_started(&self) -> bool {
        // Once and for all: a mapping that is made later does not make the process one that starts.
        let is_started = self.was_started.load(Ordering::Relaxed)
            || self.entries().iter().all(|it| it.lifecycle() != Lifecycle::Creating);
        if is_started {
            self.was_started.store(true, Ordering::Relaxed);
        }
        is_started
    }

    /// Mappings whose checkpoints the data folder does not take.
    pub fn store_failing(&self) -> Vec<Arc<Entry>> {
        self.entries().into_iter().filter(|it| it.metrics.gauges().store_failing).collect()
    }
}
