//! One environment: a process in a group of its own, the listener of its Runtime API, and the task that sees
//! it to its end.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::guard::ProcessGuard;
use super::launch::{Launch, Spot};
use super::listener::{Served, serve};
use super::output::{LogSink, OutputOrigin, Stream, read_lines};
use super::state::{Over, State};

/// How long a process may take to leave after SIGTERM.
pub(super) const TERM_PATIENCE: Duration = Duration::from_millis(300);
/// How long the output of a process that has ended is still read; only a descendant outside of its group can
/// hold it open.
const OUTPUT_PATIENCE: Duration = Duration::from_millis(500);

/// What is to become of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// It goes on.
    Lives,
    /// It is asked to leave, and killed when it does not.
    Retires,
    /// It is killed.
    Killed,
    /// It is killed because the executor stops: what it worked on is not answered.
    Stopped,
}

/// One environment.
pub(super) struct Environment {
    /// Unique in the executor; the order of starts.
    pub(super) number: u64,
    /// The states of its runtime.
    pub(super) state: Arc<State>,
    fate: watch::Sender<Fate>,
}

/// What all environments of a function share.
pub(super) struct EnvironmentGround {
    /// Which function.
    pub(super) function: String,
    /// The program.
    pub(super) launch: Launch,
    /// Ends the processes with the daemon.
    pub(super) guard: ProcessGuard,
    /// Takes the lines they print.
    pub(super) sink: Arc<dyn LogSink>,
    /// All tasks, so that they are joined.
    pub(super) tasks: TaskTracker,
}

/// What an environment is made of before its process runs.
pub(super) struct Site {
    /// Its listener.
    pub(super) listener: TcpListener,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Where its process is started.
    pub(super) spot: Spot,
}

impl Site {
    /// Listens on a free loopback port: before the process is there, since some clients ask once and give up.
    pub(super) async fn open(spot: Spot) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, spot })
    }
}

impl Environment {
    /// One that has no process yet.
    pub(super) fn new(number: u64, state: Arc<State>) -> Self {
        Self { number, state, fate: watch::Sender::new(Fate::Lives) }
    }

    /// What is to become of it.
    pub(super) fn fate(&self) -> Fate {
        *self.fate.borrow()
    }

    /// What is to become of it, and whatever is decided later.
    pub(super) fn subscribe(&self) -> watch::Receiver<Fate> {
        self.fate.subscribe()
    }

    /// Starts the process. `enter` makes it known before its end can be told; `gone` is dropped when nothing
    /// is left of it.
    pub(super) fn start<T>(
        ground: &Arc<EnvironmentGround>,
        number: u64,
        state: Arc<State>,
        site: Site,
        variables: BTreeMap<String, String>,
        enter: impl FnOnce(Arc<Self>) -> T,
        gone: impl Send + 'static,
    ) -> io::Result<T> {
        let mut command = Command::new(&site.spot.program);
        command
            .args(&ground.launch.arguments)
            .current_dir(&site.spot.folder)
            .env_clear()
            .envs(variables)
            // Its own group, so that what it starts ends with it.
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let process = child.id().ok_or_else(|| io::Error::other("the process has no id"))?;
        // Before all else: whatever becomes of the daemon from here on, the process ends with it.
        ground.guard.add(process);

        let over = CancellationToken::new();
        let environment = Arc::new(Self::new(number, state));
        let name = format!("{}-{number}", ground.function);
        let origin = Arc::new(OutputOrigin {
            function: ground.function.clone(),
            environment: name.clone(),
            state: Arc::clone(&environment.state),
            sink: Arc::clone(&ground.sink),
        });
        let outputs = TaskTracker::new();
        if let Some(stdout) = child.stdout.take() {
            outputs.spawn(until(over.clone(), read_lines(stdout, Stream::Stdout, Arc::clone(&origin))));
        }
        if let Some(stderr) = child.stderr.take() {
            outputs.spawn(until(over.clone(), read_lines(stderr, Stream::Stderr, origin)));
        }
        outputs.close();
        let served = Served {
            function: ground.function.clone(),
            environment: name.clone(),
            process,
            state: Arc::clone(&environment.state),
        };
        let serving = ground.tasks.spawn(serve(site.listener, site.address, Arc::new(served), over.clone()));
        tracing::debug!(function = ground.function, environment = name, process, "environment started");

        let entered = enter(Arc::clone(&environment));
        let keeper = environment;
        let keeper_ground = Arc::clone(ground);
        ground.tasks.spawn(async move {
            let ground = keeper_ground;
            let status = keeper.watch_over(&mut child, process).await;
            // Whatever the process left behind in its group goes with it.
            signal(process, Signal::KILL);
            ground.guard.remove(process);
            keeper.state.leave();
            over.cancel();
            // What was sent before the end still counts.
            drop(serving.await);
            keeper.state.close(if keeper.fate() == Fate::Stopped { Over::Stopped } else { Over::Exited(status) });
            // Its last lines are in the log before its place is free.
            outputs.wait().await;
            tracing::debug!(function = ground.function, environment = name, process, %status, "environment ended");
            drop(gone);
        });
        Ok(entered)
    }

    /// Decides its end; a milder one than before changes nothing.
    pub(super) fn end(&self, fate: Fate) {
        self.fate.send_if_modified(|it| {
            *it < fate && {
                *it = fate;
                true
            }
        });
    }

    async fn watch_over(&self, child: &mut Child, process: u32) -> ExitStatus {
        let mut fate = self.subscribe();
        tokio::select! {
            status = child.wait() => return settled(status),
            // The sender lives in `self`, so waiting ends with a fate.
            _ = fate.wait_for(|it| *it > Fate::Lives) => {}
        }
        if *fate.borrow_and_update() == Fate::Retires {
            signal(process, Signal::TERM);
            tokio::select! {
                status = child.wait() => return settled(status),
                // A harder fate in the meantime ends the patience.
                _ = fate.wait_for(|it| *it > Fate::Retires) => {}
                () = tokio::time::sleep(TERM_PATIENCE) => {}
            }
        }
        signal(process, Signal::KILL);
        settled(child.wait().await)
    }
}

/// A process whose status nobody can tell counts as killed.
fn settled(status: io::Result<ExitStatus>) -> ExitStatus {
    status.unwrap_or_else(|_| ExitStatus::from_raw(Signal::KILL.as_raw()))
}

/// Reads on for a moment after `over`.
async fn until(over: CancellationToken, reading: impl Future<Output = ()>) {
    let patience = async {
        over.cancelled().await;
        tokio::time::sleep(OUTPUT_PATIENCE).await;
    };
    tokio::select! {
        () = reading => {}
        () = patience => {}
    }
}

fn signal(group: u32, signal: Signal) {
    let Some(group) = i32::try_from(group).ok().and_then(Pid::from_raw) else { return };
    // A group without processes is what is wanted.
    let _ = kill_process_group(group, signal);
}
