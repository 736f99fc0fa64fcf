//! One invocation from its event to its reply: a seat, a start where one is needed, the deadline.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use forebay_batcher::{NotReached, Reply};
use forebay_config::Code;
use forebay_config::function::ProcessSettings;
use forebay_config::plan::EVENT_BYTES_MAX;
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::answer::InvocationAnswer;
use super::environment::{Environment, EnvironmentGround, Fate, Site};
use super::error::ProcessError;
use super::pool::{EnvironmentLease, EnvironmentPool, NoSeat, PoolPlace, PoolSeat};
use super::state::{RuntimeStart, State, Turn, TurnEnd};
use super::variables::variables;
use crate::executor::{Event, InvokeError};
use crate::hand_off::HandOff;

/// How long a start may take before it is tried again within the turn.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// How much longer than the function's timeout an environment is waited for: one that hangs is ended and
/// replaced meanwhile.
const SEAT_SLACK: Duration = Duration::from_secs(5);
/// The shortest time an environment that answered is given to come back.
const RETURN_MIN: Duration = Duration::from_secs(1);
/// How many environments in a row may die before they fetch an event.
const DYING_MAX: usize = 16;

/// The invocations of one function.
pub(super) struct Turns {
    /// What the function is called in records and contexts.
    pub(super) arn: String,
    /// What its environments share.
    pub(super) ground: Arc<EnvironmentGround>,
    /// The operator's settings.
    pub(super) settings: ProcessSettings,
    /// How long an invocation may take.
    pub(super) timeout: Duration,
    /// The region.
    pub(super) region: String,
    /// The environments.
    pub(super) pool: Arc<EnvironmentPool>,
}

/// No environment could be started.
#[derive(Debug, thiserror::Error)]
enum EnvironmentStartError {
    /// The program is not what it was.
    #[error(transparent)]
    Program(#[from] ProcessError),
    /// The program is there and is none: no interpreter, another machine's format.
    #[error("FB-0305: the program cannot be executed")]
    Entrypoint(#[source] io::Error),
    /// The system has no process or port to give.
    #[error("FB-0311: no process could be started")]
    System(#[source] io::Error),
    /// The executor is being stopped.
    #[error(transparent)]
    Closed(#[from] NoSeat),
}

impl EnvironmentStartError {
    /// The page that explains it.
    fn code(&self) -> Code {
        match self {
            Self::Program(cause) => cause.code(),
            Self::Entrypoint(_) => Code("FB-0305"),
            Self::System(_) => Code("FB-0311"),
            Self::Closed(_) => InvokeError::NOT_REACHED,
        }
    }
}

/// How a turn in one environment went.
enum TurnOutcome {
    /// There is a reply.
    Answered(InvocationAnswer),
    /// The event is still to be fetched by somebody.
    NotTaken,
    /// The executor was stopped.
    Stopped,
}

impl Turns {
    /// Invokes once. It ends with the function's timeout; waiting for a seat (5 s more than the timeout), for
    /// a start (10 s) and, while starts fail, before each of two (10 s) comes on top.
    pub(super) async fn invoke(&self, event: Event) -> Result<Reply, InvokeError> {
        if event.n_bytes() as u64 > EVENT_BYTES_MAX {
            return Err(InvokeError::TooLarge { function: self.ground.function.clone() });
        }
        // One id, whichever environment takes the event in the end: it is one invocation.
        let request_id = Uuid::new_v4().to_string();
        // An environment that dies before it fetches the event costs the event nothing, so the next one
        // gets it; the bound is for a program whose every process does so.
        for _ in 0..DYING_MAX {
            let seat = match self.pool.take(self.timeout + SEAT_SLACK).await {
                Ok(seat) => seat,
                Err(NoSeat::Busy) => return Err(self.not_reached(NotReached::Throttled, NoSeat::Busy)),
                Err(NoSeat::Closed) => return Err(self.not_reached(NotReached::Platform, NoSeat::Closed)),
            };
            let tried = match seat {
                PoolSeat::Warm(lease) => {
                    // The function's time begins with its environment: the wait for a seat is not its
                    // doing.
                    self.run(lease, &event, &request_id, Instant::now() + self.timeout).await
                }
                PoolSeat::New(place) => self.start_and_run(place, &event, &request_id).await?,
            };
            match tried {
                TurnOutcome::Answered(answer) => return Ok(answer.into_reply(&request_id)),
                TurnOutcome::NotTaken => {}
                TurnOutcome::Stopped => {
                    let function = self.ground.function.clone();
                    return Err(InvokeError::Unknown { function, request_id, cause: NoSeat::Closed.into() });
                }
            }
        }
        Err(self.not_reached(
            NotReached::Platform,
            io::Error::other("environment after environment died before it fetched the event"),
        ))
    }

    /// The first start is outside of the deadline; one that fails is repeated inside, and its error is the
    /// function's.
    async fn start_and_run(
        &self,
        place: PoolPlace,
        event: &Event,
        request_id: &str,
    ) -> Result<TurnOutcome, InvokeError> {
        // Both starts have the one place, which is free when nothing is left of either.
        let place = Arc::new(place);
        self.await_next_start().await.map_err(|error| self.start_failed(error))?;
        let first = self.start(&place).await.map_err(|error| self.start_failed(error))?;
        let started = tokio::time::timeout(START_PATIENCE, first.environment().state.started()).await;
        if started == Ok(RuntimeStart::Ready) {
            self.pool.start_succeeded();
            return Ok(self.run(first, event, request_id, Instant::now() + self.timeout).await);
        }
        tracing::warn!(
            function = self.ground.function,
            code = "FB-0312",
            "a start failed; it is tried again within the invocation"
        );
        first.environment().end(Fate::Killed);
        drop(first);
        // Starts of other turns may have failed meanwhile; that wait is no time of the function either.
        self.await_next_start().await.map_err(|error| self.start_failed(error))?;
        let deadline = Instant::now() + self.timeout;
        let second = self.start(&place).await.map_err(|error| self.start_failed(error))?;
        let state = Arc::clone(&second.environment().state);
        let (tried, is_ready) = {
            let running = self.run(second, event, request_id, deadline);
            tokio::pin!(running);
            // The start is asked first: a function that answers at once has started as well.
            tokio::select! {
                biased;
                start = state.started() => (running.await, start == RuntimeStart::Ready),
                tried = &mut running => (tried, false),
            }
        };
        if is_ready {
            self.pool.start_succeeded();
        } else {
            self.pool.start_failed();
        }
        Ok(tried)
    }

    /// Waits while starts fail, until the next one may come.
    async fn await_next_start(&self) -> Result<(), EnvironmentStartError> {
        let Some(next_start) = self.pool.next_start() else { return Ok(()) };
        tokio::select! {
            () = tokio::time::sleep_until(next_start) => Ok(()),
            () = self.pool.closed() => Err(NoSeat::Closed.into()),
        }
    }

    async fn start(&self, place: &Arc<PoolPlace>) -> Result<EnvironmentLease, EnvironmentStartError> {
        if self.pool.is_closed() {
            return Err(NoSeat::Closed.into());
        }
        let spot = self.ground.launch.spot()?;
        let site = Site::open(spot).await.map_err(|error| self.of_the_system(error))?;
        let number = self.pool.number();
        // Weak: the pool holds the environment, and that this state.
        let pool = Arc::downgrade(&self.pool);
        let state = Arc::new(State::new(Box::new(move || {
            if let Some(pool) = pool.upgrade() {
                pool.returned(number);
            }
        })));
        let log_stream =
            format!("{}/[$LATEST]{}", Timestamp::now().strftime("%Y/%m/%d"), Uuid::new_v4().simple());
        let Self { ground, settings, region, .. } = self;
        let variables = variables(&ground.function, settings, &ground.launch, &site, region, &log_stream);
        let gone = EnvironmentRemoval { number, pool: Arc::clone(&self.pool), _place: Arc::clone(place) };
        let enter = |environment| self.pool.enter(environment);
        Environment::start(ground, number, state, site, variables, enter, gone).map_err(|error| {
            match error.raw_os_error() {
                Some(code) if is_of_the_program(code) => EnvironmentStartError::Entrypoint(error),
                Some(_) | None => self.of_the_system(error),
            }
        })
    }

    fn of_the_system(&self, error: io::Error) -> EnvironmentStartError {
        ProcessError::short(&self.ground.function, error)
            .map_or_else(EnvironmentStartError::System, EnvironmentStartError::Program)
    }

    async fn run(
        &self,
        lease: EnvironmentLease,
        event: &Event,
        request_id: &str,
        deadline: Instant,
    ) -> TurnOutcome {
        let (ended, end) = oneshot::channel();
        let head = self.head(event, request_id, deadline);
        lease.environment().state.assign(Turn {
            request_id: request_id.into(),
            event: event.clone(),
            head,
            ended,
        });
        match tokio::time::timeout_at(deadline, end).await {
            Ok(Ok(TurnEnd::Answered(answer))) => {
                // What it still does behind its answer has the rest of its time, and a second at least.
                lease.answered(deadline.max(Instant::now() + RETURN_MIN));
                TurnOutcome::Answered(answer)
            }
            // A sender that is dropped has told nothing, so the event was not fetched either.
            Ok(Ok(TurnEnd::NotTaken) | Err(_)) => TurnOutcome::NotTaken,
            Ok(Ok(TurnEnd::Stopped)) => TurnOutcome::Stopped,
            // The lease takes the environment with it.
            Err(_) => TurnOutcome::Answered(InvocationAnswer::timed_out(request_id, self.timeout)),
        }
    }

    fn head(&self, event: &Event, request_id: &str, deadline: Instant) -> HeaderMap {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let deadline = since_epoch + deadline.saturating_duration_since(Instant::now());
        let [root, parent] = [Uuid::new_v4().simple().to_string(), Uuid::new_v4().simple().to_string()];
        let trace = format!(
            "Root=1-{:08x}-{};Parent={};Sampled=0",
            since_epoch.as_secs(),
            &root[..24],
            &parent[..16]
        );
        let context = event.hand_off.as_ref().map(HandOff::client_context);
        let values = [
            ("content-type", "application/json"),
            ("lambda-runtime-aws-request-id", request_id),
            ("lambda-runtime-deadline-ms", &deadline.as_millis().to_string()),
            ("lambda-runtime-invoked-function-arn", &self.arn),
            ("lambda-runtime-trace-id", &trace),
        ];
        values
            .into_iter()
            .chain(context.as_deref().map(|it| ("lambda-runtime-client-context", it)))
            .filter_map(|(name, value)| {
                Some((http::HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
            })
            .collect()
    }

    fn start_failed(&self, error: EnvironmentStartError) -> InvokeError {
        let why = match &error {
            EnvironmentStartError::Program(it) if it.is_transient() => NotReached::Platform,
            EnvironmentStartError::Program(_) | EnvironmentStartError::Entrypoint(_) => NotReached::Config,
            EnvironmentStartError::System(_) | EnvironmentStartError::Closed(_) => NotReached::Platform,
        };
        self.not_reached_for(why, error.code(), error)
    }

    fn not_reached(
        &self,
        why: NotReached,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> InvokeError {
        self.not_reached_for(why, InvokeError::NOT_REACHED, cause)
    }

    fn not_reached_for(
        &self,
        why: NotReached,
        code: Code,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> InvokeError {
        InvokeError::NotReached {
            function: self.ground.function.clone(),
            why,
            code,
            retry_after: None,
            cause: cause.into(),
        }
    }
}

/// Whether an error of `exec` speaks of the program (missing, not allowed, no known format), not of the
/// system's resources.
fn is_of_the_program(code: i32) -> bool {
    use rustix::io::Errno;
    [
        Errno::NOENT,
        Errno::ACCESS,
        Errno::PERM,
        Errno::NOEXEC,
        Errno::NOTDIR,
        Errno::ISDIR,
        Errno::LOOP,
        Errno::TOOBIG,
    ]
    .into_iter()
    .any(|it| it.raw_os_error() == code)
}

/// Takes an environment off the list when nothing is left of it, then frees its place.
struct EnvironmentRemoval {
    number: u64,
    pool: Arc<EnvironmentPool>,
    _place: Arc<PoolPlace>,
}

impl Drop for EnvironmentRemoval {
    fn drop(&mut self) {
        self.pool.forget(self.number);
    }
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
