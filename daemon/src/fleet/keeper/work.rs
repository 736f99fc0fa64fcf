//! What may be under way for one mapping, each as a future that ends with what came of it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use forebay_checkpoints::{CheckpointStore, MappingId, StoreError};
use forebay_clients::caught::caught;
use forebay_invoker::GateSeat;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use crate::fleet::wired::Wired;
use crate::mapping_task::{self, Jobs, LifeError};
use crate::operator_request::{OperatorRequest, StoredPositions};
use crate::registry::{Command, Entry};

/// When a deletion that the store refused is tried again.
const ERASE_AGAIN: Duration = Duration::from_secs(1);

/// What is under way. Dropping it ends it where it stands.
pub(super) type UnderWay = BoxFuture<'static, Came>;

/// What one life hands to the next.
pub(super) struct Hands {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) seat: GateSeat,
    pub(super) jobs: Jobs,
}

/// What came of it.
pub(super) enum Came {
    /// A life ended: it was told to, it failed, or it panicked with this text.
    Ended(Hands, Result<Result<(), LifeError>, String>),
    JobsDone(Hands),
    /// The delay is over; before a life, with what it begins with.
    Due(Option<Hands>),
    Served(StoredPositions),
    Erased(Result<(), StoreError>),
}

/// One life, from its lease to its close or its death.
pub(super) fn life(wired: Arc<Wired>, entry: Arc<Entry>, mut hands: Hands) -> UnderWay {
    Box::pin(async move {
        let Hands { commands, seat, jobs } = &mut hands;
        // In a box: a future that is handed on is kept once for each hand, and this one is large.
        let ended = caught(Box::pin(mapping_task::live(&wired.wiring, &entry, commands, seat, jobs))).await;
        // A slot that is granted to nobody would be missing to other mappings.
        hands.seat.want(0);
        Came::Ended(hands, ended)
    })
}

/// Waits for the jobs of a life that failed. What they bring is lost with it: their records are read again
/// from the last checkpoint.
pub(super) fn jobs(mut hands: Hands) -> UnderWay {
    Box::pin(async move {
        while hands.jobs.n_running() > 0 {
            tokio::select! {
                biased;
                // A function that hangs may take its whole timeout; whoever asks meanwhile is answered at
                // once.
                () = turn_away(&mut hands.commands) => {}
                done = hands.jobs.next() => drop(done),
            }
        }
        Came::JobsDone(hands)
    })
}

/// The delay before the next life.
pub(super) fn delay(mut hands: Hands, until: Instant) -> UnderWay {
    Box::pin(async move {
        tokio::select! {
            biased;
            () = turn_away(&mut hands.commands) => {}
            () = sleep_until(until) => {}
        }
        Came::Due(Some(hands))
    })
}

/// While no task runs, nobody answers for its tracks: dropping such questions tells the asker. Never ends.
async fn turn_away(commands: &mut mpsc::Receiver<Command>) {
    while let Some(command) = commands.recv().await {
        drop(command);
    }
    pending().await
}

/// An operator's request, between two lives.
pub(super) fn request(mut places: StoredPositions, request: OperatorRequest) -> UnderWay {
    Box::pin(async move {
        places.run(request).await;
        Came::Served(places)
    })
}

/// All that the store kept of a mapping is taken away.
pub(super) fn erasing(store: Arc<dyn CheckpointStore>, id: MappingId) -> UnderWay {
    Box::pin(async move { Came::Erased(erase(&*store, &id).await) })
}

/// The moment before the store is asked again.
pub(super) fn erase_delay() -> UnderWay {
    Box::pin(async {
        sleep(ERASE_AGAIN).await;
        Came::Due(None)
    })
}

/// Takes all that the store kept of a mapping away, its note too.
pub(crate) async fn erase(store: &dyn CheckpointStore, id: &MappingId) -> Result<(), StoreError> {
    // A lease of its own: a write that a former life still has on its way is refused, and does not come
    // behind the removal.
    let lease = store.acquire(id).await?;
    store.remove(&lease).await
}
