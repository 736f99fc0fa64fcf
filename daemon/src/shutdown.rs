//! The end of the process: what runs may finish within the grace time, then the store is closed; or all of it
//! ends now.

use std::time::Duration;

use forebay_batcher::Close;
use forebay_checkpoints::CheckpointStore;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::control::ControlHandle;
use crate::fleet::Fleet;

/// The last part of the grace time is kept for stopping functions and closing the store.
const CLOSING_MAX: Duration = Duration::from_secs(1);

/// Ends everything: polling stops at once, what runs may finish within `grace`, what is finished is committed.
pub async fn drain(control: &ControlHandle, store: &dyn CheckpointStore, clock: Clock, grace: Duration) {
    let until = Instant::now() + grace;
    match timeout_at(until, control.lock()).await {
        Ok(mut control) => drain_fleet(control.ending_fleet(), clock, grace, until).await,
        Err(_) => warn!(
            "a change that is under way does not end: mappings are left as they are; their records come again"
        ),
    }
    // It answers at once unless its disk does not.
    if timeout(CLOSING_MAX, store.close()).await.is_err() {
        warn!("the data folder does not take the end: what it has acknowledged is kept");
    }
    info!("drained");
}

async fn drain_fleet(fleet: &mut Fleet, clock: Clock, grace: Duration, until: Instant) {
    let work_until = grace.saturating_sub(CLOSING_MAX.min(grace / 10));
    fleet.end(Close::Within(clock.now().tick.after(work_until)));
    if timeout_at(until, fleet.ended()).await.is_err() {
        let n_open = fleet.n_tasks();
        warn!(
            n_open,
            "the grace time is over: mappings that have not ended are left; their records come again"
        );
        // A task that blocks its thread does not hear that it is over.
        let _ = timeout(CLOSING_MAX, fleet.abandon()).await;
    }
    // A long poll that is still open is awaited while there is time, for a shared one may outlive the
    // mappings that it was sent for; what it would bring later shows itself when its visibility is over.
    if timeout_at(until.max(Instant::now() + CLOSING_MAX), fleet.stop_feeds()).await.is_err() {
        warn!("a source is still being read: its messages come again when their visibility is over");
    }
}

/// Ends everything now: the functions' processes are killed; nothing is waited for but that.
pub async fn kill(control: &ControlHandle) {
    control.lock().await.ending_fleet().stop_functions(Duration::ZERO).await;
}
