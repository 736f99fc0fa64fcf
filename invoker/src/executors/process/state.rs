//! The states of one runtime and the turn it works on: which call of the Runtime API is legal when. No
//! socket, no clock.

use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::{Notify, oneshot, watch};

use super::answer::InvocationAnswer;
use crate::executor::Event;

/// One invocation, as an environment gets it.
pub(super) struct Turn {
    /// The id of the invocation.
    pub(super) request_id: Arc<str>,
    /// What the function gets.
    pub(super) event: Event,
    /// The headers it comes with.
    pub(super) head: HeaderMap,
    /// Where its end is told.
    pub(super) ended: oneshot::Sender<TurnEnd>,
}

/// How a turn ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TurnEnd {
    /// There is an answer, the function's or the platform's.
    Answered(InvocationAnswer),
    /// The process went away before it had fetched the event: another environment can take it.
    NotTaken,
    /// The executor was stopped in the middle of it.
    Stopped,
}

/// How far the start of a runtime got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RuntimeStart {
    /// It has not asked for an event yet.
    Pending,
    /// It asked for its first event.
    Ready,
    /// It reported an error or went away.
    Failed,
}

/// Why the process is over.
#[derive(Debug, Clone, Copy)]
pub(super) enum Over {
    /// By itself, or by the system.
    Exited(ExitStatus),
    /// The executor stopped it.
    Stopped,
}

/// A call that is not legal now, in the words of the Runtime API.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The id is not the current one, or is answered already.
    InvalidRequestId,
    /// The runtime's state does not allow the call.
    InvalidStateTransition {
        /// Where it is.
        from: &'static str,
        /// Where the call leads.
        to: &'static str,
    },
}

/// Which of the two calls brings an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerCall {
    /// `response`
    Response,
    /// `error`
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EnvironmentPhase {
    Started,
    InitError,
    Ready,
    Running,
    Responding(AnswerCall),
    Answered,
    Closed,
}

impl EnvironmentPhase {
    fn name(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::InitError => "InitError",
            Self::Ready => "Ready",
            Self::Running => "Running",
            Self::Responding(AnswerCall::Response) => "InvocationResponse",
            Self::Responding(AnswerCall::Error) => "InvocationErrorResponse",
            Self::Answered => "RuntimeResponseSent",
            Self::Closed => "Exited",
        }
    }

    fn refuses(self, to: &'static str) -> Refusal {
        Refusal::InvalidStateTransition { from: self.name(), to }
    }
}

struct RuntimeInner {
    phase: EnvironmentPhase,
    /// The turn that is not answered yet; its event waits to be fetched in `Started`, `Ready` and `Answered`.
    turn: Option<Turn>,
    /// The id of the turn before, for lines that are read late.
    last_id: Option<Arc<str>>,
    /// Counts the calls of `next`: a newer one takes the place of one that waits, whose connection may be
    /// gone.
    n_next: u64,
    /// The process is gone, and what it sent before is still being read.
    is_leaving: bool,
}

/// The state of one runtime.
pub(super) struct State {
    inner: Mutex<RuntimeInner>,
    assigned: Notify,
    start: watch::Sender<RuntimeStart>,
    /// Told each time the runtime is back for its next event after an answer.
    returned: Box<dyn Fn() + Send + Sync>,
}

impl State {
    pub(super) fn new(returned: Box<dyn Fn() + Send + Sync>) -> Self {
        let inner = RuntimeInner {
            phase: EnvironmentPhase::Started,
            turn: None,
            last_id: None,
            n_next: 0,
            is_leaving: false,
        };
        Self {
            inner: Mutex::new(inner),
            assigned: Notify::new(),
            start: watch::Sender::new(RuntimeStart::Pending),
            returned,
        }
    }

    /// Gives the runtime its next event. The environment must be free; a process that is gone already ends
    /// the turn at once.
    pub(super) fn assign(&self, turn: Turn) {
        let mut inner = self.lock();
        match inner.phase {
            EnvironmentPhase::Closed | EnvironmentPhase::InitError => end(turn, TurnEnd::NotTaken),
            EnvironmentPhase::Started
            | EnvironmentPhase::Ready
            | EnvironmentPhase::Running
            | EnvironmentPhase::Responding(_)
            | EnvironmentPhase::Answered => {
                inner.turn = Some(turn);
                drop(inner);
                self.assigned.notify_waiters();
            }
        }
    }

    /// Waits until the start has succeeded or failed. Can be dropped without losing anything.
    pub(super) async fn started(&self) -> RuntimeStart {
        let mut start = self.start.subscribe();
        let settled = start.wait_for(|it| *it != RuntimeStart::Pending).await.map(|it| *it);
        settled.unwrap_or(RuntimeStart::Failed)
    }

    /// The id that a line of output belongs to.
    pub(super) fn request_id(&self) -> Option<Arc<str>> {
        let inner = self.lock();
        inner.turn.as_ref().map(|turn| Arc::clone(&turn.request_id)).or_else(|| inner.last_id.clone())
    }

    /// `next`: waits without limit for an event; an event that is not answered is given again. Can be dropped
    /// without losing anything.
    pub(super) async fn next(&self) -> Result<(HeaderMap, Event), Refusal> {
        let call = {
            let mut inner = self.lock();
            inner.n_next += 1;
            inner.n_next
        };
        // Wakes a former call that still waits: it finds itself overtaken and is refused.
        self.assigned.notify_waiters();
        loop {
            let assigned = self.assigned.notified();
            tokio::pin!(assigned);
            // Heard before the look, so that an event assigned in between wakes it.
            assigned.as_mut().enable();
            if let Some(handed_out) = self.poll_next(call)? {
                return Ok(handed_out);
            }
            assigned.await;
        }
    }

    fn poll_next(&self, call: u64) -> Result<Option<(HeaderMap, Event)>, Refusal> {
        let mut inner = self.lock();
        let before = inner.phase;
        if inner.is_leaving || inner.n_next != call {
            return Err(before.refuses("Ready"));
        }
        match before {
            // An answer that is being read may still fill the turn: its event must not be given out again.
            EnvironmentPhase::InitError | EnvironmentPhase::Responding(_) | EnvironmentPhase::Closed => {
                return Err(before.refuses("Ready"));
            }
            EnvironmentPhase::Started
            | EnvironmentPhase::Ready
            | EnvironmentPhase::Running
            | EnvironmentPhase::Answered => {}
        }
        // Lent, not taken: a runtime whose connection broke asks again and gets the same event.
        let handed_out = inner.turn.as_ref().map(|turn| (turn.head.clone(), turn.event.clone()));
        inner.phase = if handed_out.is_some() { EnvironmentPhase::Running } else { EnvironmentPhase::Ready };
        drop(inner);
        match before {
            EnvironmentPhase::Started => drop(self.start.send_replace(RuntimeStart::Ready)),
            EnvironmentPhase::Answered => (self.returned)(),
            EnvironmentPhase::Ready
            | EnvironmentPhase::Running
            | EnvironmentPhase::InitError
            | EnvironmentPhase::Responding(_)
            | EnvironmentPhase::Closed => {}
        }
        Ok(handed_out)
    }

    /// `response` or `error` begins: from here on the answer belongs to this call.
    pub(super) fn begin(self: &Arc<Self>, request_id: &str, call: AnswerCall) -> Result<Answering, Refusal> {
        let mut inner = self.lock();
        let to = EnvironmentPhase::Responding(call);
        let is_current = inner.turn.as_ref().is_some_and(|turn| *turn.request_id == *request_id);
        let is_last = inner.last_id.as_deref() == Some(request_id);
        match inner.phase {
            EnvironmentPhase::Running if is_current => {
                inner.phase = to;
                Ok(Answering { state: Arc::clone(self), request_id: request_id.to_owned(), is_over: false })
            }
            EnvironmentPhase::Responding(_) if is_current => Err(inner.phase.refuses(to.name())),
            // A second answer to the last event is out of turn; any other id is unknown.
            EnvironmentPhase::Ready if is_last => Err(inner.phase.refuses(to.name())),
            EnvironmentPhase::Started
            | EnvironmentPhase::InitError
            | EnvironmentPhase::Ready
            | EnvironmentPhase::Running
            | EnvironmentPhase::Responding(_)
            | EnvironmentPhase::Answered
            | EnvironmentPhase::Closed => Err(Refusal::InvalidRequestId),
        }
    }

    /// `init/error`: legal before the first `next` only.
    pub(super) fn init_error(&self, body: Bytes) -> Result<(), Refusal> {
        let mut inner = self.lock();
        if inner.phase != EnvironmentPhase::Started {
            return Err(inner.phase.refuses("InitError"));
        }
        inner.phase = EnvironmentPhase::InitError;
        // A turn waits here only where a first start had failed: this error is its answer.
        inner.end(TurnEnd::Answered(InvocationAnswer::Error(body)));
        drop(inner);
        self.start.send_replace(RuntimeStart::Failed);
        Ok(())
    }

    /// A call that only a snapshot's start may make.
    pub(super) fn restore(&self) -> Refusal {
        self.lock().phase.refuses("RestoreReady")
    }

    /// The process is gone: gives out no more, while what it sent before still counts.
    pub(super) fn leave(&self) {
        self.lock().is_leaving = true;
        self.assigned.notify_waiters();
    }

    /// Nothing more comes: ends the turn that is open, if any.
    pub(super) fn close(&self, over: Over) {
        let mut inner = self.lock();
        let before = std::mem::replace(&mut inner.phase, EnvironmentPhase::Closed);
        let end = match (over, before, inner.turn.as_ref()) {
            (Over::Stopped, ..) => TurnEnd::Stopped,
            // A start that fails is tried within the turn, so the turn ends with it.
            (
                Over::Exited(status),
                EnvironmentPhase::Started | EnvironmentPhase::Running | EnvironmentPhase::Responding(_),
                Some(turn),
            ) => TurnEnd::Answered(InvocationAnswer::exited(&turn.request_id, status)),
            // In `Ready` and `Answered` the event was not fetched yet, so it may go to another environment.
            (Over::Exited(_), ..) => TurnEnd::NotTaken,
        };
        inner.end(end);
        drop(inner);
        // Who waits for the start learns of the end; a start that had succeeded stays one.
        self.start.send_if_modified(|it| {
            *it == RuntimeStart::Pending && {
                *it = RuntimeStart::Failed;
                true
            }
        });
        self.assigned.notify_waiters();
    }

    fn finish(&self, request_id: &str, answer: InvocationAnswer, over: bool) {
        let mut inner = self.lock();
        // The turn may be over already: with the answer that was too large, or with the process.
        if inner.turn.as_ref().is_some_and(|turn| *turn.request_id == *request_id) {
            inner.end(TurnEnd::Answered(answer));
        }
        // `Closed` is the last phase, also for an answer that is read to its end behind it.
        if over && matches!(inner.phase, EnvironmentPhase::Responding(_)) {
            inner.phase = EnvironmentPhase::Answered;
        }
    }

    fn lock(&self) -> MutexGuard<'_, RuntimeInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RuntimeInner {
    fn end(&mut self, how: TurnEnd) {
        if let Some(turn) = self.turn.take() {
            self.last_id = Some(Arc::clone(&turn.request_id));
            end(turn, how);
        }
    }
}

fn end(turn: Turn, how: TurnEnd) {
    // Whoever waited may have gone, after its deadline for example.
    drop(turn.ended.send(how));
}

/// An answer that is being read. Dropped before it is complete, it counts as truncated.
pub(super) struct Answering {
    state: Arc<State>,
    request_id: String,
    is_over: bool,
}

impl Answering {
    /// The id of the invocation.
    pub(super) fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The answer is complete, and so is the call.
    pub(super) fn complete(mut self, answer: InvocationAnswer) {
        self.is_over = true;
        self.state.finish(&self.request_id, answer, true);
    }

    /// The answer is known, while the call's body is still being read.
    pub(super) fn settle(&self, answer: InvocationAnswer) {
        self.state.finish(&self.request_id, answer, false);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if !self.is_over {
            self.state.finish(&self.request_id, InvocationAnswer::truncated(&self.request_id), true);
        }
    }
}
