//! Runs a function as local processes that poll the Lambda Runtime API: started on demand, reused, ended when
//! idle.
//!
//! It isolates nothing (rung 0): the process runs as the daemon's user, in a process group of its own.
//! `docs/functions/process.md` is the operator's page.
//!
//! | what happens | what the caller gets |
//! | --- | --- |
//! | the function answers, or reports an error | its `Reply`; the environment stays |
//! | no answer by the deadline | `Sandbox.Timedout` at the deadline; the process group is killed behind it |
//! | the process ends | `Runtime.ExitError` at once |
//! | the process ended before it fetched the event | nothing: another environment takes the event |
//! | the start fails or takes 10 s | nothing: the start is tried again within the turn, under the function's timeout |
//! | … and fails again | the runtime's own error; further starts wait, 100 ms at first, 10 s at most |
//! | the program is gone | `NotReached(Config)` |
//! | no process or port can be had | `NotReached(Platform)` |
//! | all environments stay busy for 5 s more than the function's timeout | `NotReached(Throttled)` |

mod answer;
mod body;
mod environment;
mod error;
mod guard;
mod handler;
mod interpreters;
mod launch;
mod listener;
mod output;
mod peer;
mod pool;
mod state;
mod turn;
mod variables;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forebay_clients::caught::kept_alive;
use forebay_config::Function;
use forebay_config::function::ProcessSettings;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use self::environment::{EnvironmentGround, TERM_PATIENCE};
use self::guard::ProcessGuard;
use self::launch::Launch;
use self::pool::EnvironmentPool;
use self::turn::Turns;
use crate::executor::{BoxFuture, Event, Executor, InvokeError};

pub use self::error::ProcessError;
pub use self::interpreters::Interpreters;
pub use self::output::{FunctionLine, LINE_BYTES_MAX, LOG_TARGET, LogSink, Stream, TracingSink};

/// What the daemon tells all its functions.
#[derive(Clone)]
pub struct ProcessOptions {
    /// The region in ARNs, and in `AWS_REGION` where the function's own variables name none.
    pub region: String,
    /// The account in ARNs.
    pub account: String,
    /// The folder that a relative code folder starts from: the config file's.
    pub base: PathBuf,
    /// What the machine's interpreters said; shared by the functions of a daemon, so that each is asked once.
    pub interpreters: Arc<Interpreters>,
    /// Takes what functions print.
    pub log: Arc<dyn LogSink>,
}

/// Runs one function as local processes.
pub struct ProcessExecutor {
    turns: Turns,
    reaper: Mutex<Option<JoinHandle<()>>>,
}

impl ProcessExecutor {
    /// Finds the program and starts the guard; no environment yet. It must be called within a tokio runtime.
    ///
    /// From here on the daemon's file descriptors close when a program is started, those included that the
    /// daemon inherited: a function gets 0, 1 and 2 and nothing else.
    pub async fn new(
        function: &Function,
        settings: &ProcessSettings,
        options: ProcessOptions,
    ) -> Result<Self, ProcessError> {
        let name = function.name.as_str().to_owned();
        let launch = Launch::find(&name, settings, &options.base, &options.interpreters).await?;
        close_fds::set_fds_cloexec_threadsafe(3, &[]);
        // Behind that, so that the guard's shell gets none of the daemon's descriptors either.
        let guard =
            ProcessGuard::start().map_err(|cause| ProcessError::Guard { function: name.clone(), cause })?;
        let pool = EnvironmentPool::new(environments_max(function));
        let ProcessOptions { region, account, log, .. } = options;
        let reaper = reaper(&pool, settings.idle_ttl);
        let turns = Turns {
            arn: format!("arn:aws:lambda:{region}:{account}:function:{name}"),
            ground: Arc::new(EnvironmentGround {
                function: name,
                launch,
                guard,
                sink: log,
                tasks: TaskTracker::new(),
            }),
            settings: settings.clone(),
            timeout: function.timeout,
            region,
            pool,
        };
        Ok(Self { turns, reaper: Mutex::new(Some(reaper)) })
    }

    /// The most invocations at once, for the gate.
    pub fn environments_max(&self) -> usize {
        self.turns.pool.environments_max()
    }
}

/// The function's reserved concurrency; two environments per CPU where none is set.
fn environments_max(function: &Function) -> usize {
    let by_cpus = || std::thread::available_parallelism().map_or(2, |it| it.get() * 2);
    function.concurrency.map_or_else(by_cpus, |it| usize::try_from(it).unwrap_or(usize::MAX))
}

/// Ends environments that are idle, until the pool is closed.
fn reaper(pool: &Arc<EnvironmentPool>, idle_ttl: Duration) -> JoinHandle<()> {
    let pool = Arc::clone(pool);
    tokio::spawn(async move { kept_alive("the end of idle environments", || reap(&pool, idle_ttl)).await })
}

async fn reap(pool: &EnvironmentPool, idle_ttl: Duration) {
    loop {
        let next = pool.reap(idle_ttl);
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = pool.closed() => return,
        }
    }
}

impl Executor for ProcessExecutor {
    fn invoke(&self, event: Event) -> BoxFuture<'_, Result<forebay_batcher::Reply, InvokeError>> {
        Box::pin(self.turns.invoke(event))
    }

    fn function_arn(&self) -> &str {
        &self.turns.arn
    }

    fn is_current(&self) -> bool {
        self.turns.ground.launch.is_current()
    }

    fn stop(&self, grace: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let Turns { pool, ground, .. } = &self.turns;
            // The end of the grace is for the killing; but what is free gets its time to leave, as far as
            // the grace goes.
            let kill_at = Instant::now() + grace.saturating_sub(TERM_PATIENCE).max(TERM_PATIENCE.min(grace));
            pool.close();
            if tokio::time::timeout_at(kill_at, pool.emptied()).await.is_err() {
                pool.kill_all();
            }
            ground.tasks.close();
            ground.tasks.wait().await;
            // Behind all processes: should the daemon die before, the guard is what ends them.
            ground.guard.dismiss().await;
            let reaper = self.reaper.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(reaper) = reaper {
                drop(reaper.await);
            }
        })
    }
}

impl Drop for ProcessExecutor {
    fn drop(&mut self) {
        // Without a stop nothing is waited for, but nothing stays either.
        self.turns.pool.kill_all();
    }
}
