//! Keeps one mapping alive: starts its task, starts it again after a death, with a growing delay, and says
//! so. Other mappings never notice.

use std::time::Duration;

use forebay_batcher::{Backoff, Close, Fault};
use forebay_invoker::GateSeat;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use crate::last_error::{ErrorOf, LastError};
use crate::mapping_task::{self, Jobs, Wiring};
use crate::registry::{Command, Entry, Lifecycle};
use crate::sentence::chain;
use forebay_clients::caught::caught;

/// A life this long was a good one: the next death counts as the first.
const GOOD_LIFE: Duration = Duration::from_secs(60);

/// Runs one mapping until it is closed.
pub async fn supervise(
    wiring: std::sync::Arc<Wiring>,
    entry: std::sync::Arc<Entry>,
    mut commands: mpsc::Receiver<Command>,
    mut seat: GateSeat,
) {
    let mut n_failures = 0;
    loop {
        let mut jobs = Jobs::default();
        let began = Instant::now();
        // In a box: a future that is handed on is kept once for each hand, and this one is large.
        let life =
            caught(Box::pin(mapping_task::live(&wiring, &entry, &mut commands, &mut seat, &mut jobs))).await;
        seat.want(0);
        if began.elapsed() >= GOOD_LIFE {
            n_failures = 0;
        }
        n_failures += 1;
        match life {
            Ok(Ok(())) => {
                info!(mapping = entry.name(), source = entry.source_kind(), "mapping closed");
                return;
            }
            Ok(Err(reason)) if !reason.is_death() => {
                let error = Fault { text: chain(&reason), code: reason.code() };
                warn!(
                    mapping = entry.name(),
                    source = entry.source_kind(),
                    n_failures,
                    error = error.text,
                    "mapping could not be started; tried again"
                );
                let of = if reason.is_source() { ErrorOf::Source } else { ErrorOf::Store };
                entry.note_error(LastError::new(of, "", &error, wiring.clock.now().unix));
                if reason.is_source() {
                    entry.set_last_result(
                        "PROBLEM: Connection error. Please check your event source connection configuration.",
                    );
                }
                entry.metrics().end_life();
                entry.set_lifecycle(Lifecycle::Enabling { error, n_failures });
            }
            Ok(Err(reason)) => {
                // The feed that ended is not handed to the next life.
                wiring.feeds.discard(&*wiring.source);
                died(&entry, chain(&reason), n_failures);
            }
            Err(panic) => died(&entry, panic, n_failures),
        }
        let next = Instant::now() + Backoff::LIFE.delay(n_failures.saturating_sub(1), 0);
        if finish_jobs(&mut jobs, &mut commands).await || wait(next, &mut commands).await {
            return;
        }
    }
}

fn died(entry: &Entry, error: String, n_failures: u32) {
    error!(
        code = "FB-0501",
        mapping = entry.name(),
        source = entry.source_kind(),
        n_failures,
        error,
        "mapping's task died and is started again"
    );
    entry.metrics().restarted();
    entry.set_lifecycle(Lifecycle::Restarting { error });
}

/// Waits for the jobs of a former life. What they bring is lost with it: their records are read again from
/// the last checkpoint. `true` when the mapping was closed meanwhile.
async fn finish_jobs(jobs: &mut Jobs, commands: &mut mpsc::Receiver<Command>) -> bool {
    let mut is_closed = false;
    while jobs.n_running() > 0 {
        tokio::select! {
            biased;
            how = closed(commands), if !is_closed => {
                is_closed = true;
                if how == Close::Abandon {
                    return true;
                }
            }
            done = jobs.next() => drop(done),
        }
    }
    is_closed
}

/// Waits until `next`; `true` when the mapping was closed meanwhile.
async fn wait(next: Instant, commands: &mut mpsc::Receiver<Command>) -> bool {
    tokio::select! {
        biased;
        _ = closed(commands) => true,
        () = sleep_until(next) => false,
    }
}

/// The next command to close. While no task runs, nobody answers for its tracks: such questions are dropped,
/// which tells the asker. Can be dropped without losing a close.
async fn closed(commands: &mut mpsc::Receiver<Command>) -> Close {
    loop {
        match commands.recv().await {
            Some(Command::Close(how)) => return how,
            Some(Command::State(_) | Command::Places(_) | Command::Paused(_) | Command::Decide(..)) => {}
            None => return Close::Finish,
        }
    }
}
