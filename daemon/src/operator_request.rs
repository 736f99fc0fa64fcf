//! What a mapping's keeper is asked beside its orders: where the tracks stand while nothing runs, and to put
//! them elsewhere.
//!
//! Whoever keeps a mapping is the only one that starts its lives, so between two lives nobody else writes its
//! positions.

use std::sync::Arc;

use forebay_batcher::{Checkpoint, Watermark};
use forebay_checkpoints::{CheckpointStore, KeptTrack, MappingId, StoreError, TrackKey};
use forebay_lifecycle::{OperatorAsk, RequestRefusal};
use forebay_pollers::TrackName;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tracing::info;

use crate::positions::{KeptPlace, checkpoint_at};
use crate::status::position;

/// Requests that may wait for a mapping's keeper.
pub const REQUESTS_MAX: usize = 16;

/// What a mapping's keeper is asked.
#[derive(Debug)]
pub enum OperatorRequest {
    /// Where the tracks stand; answered while the mapping rests. `None`: it never ran.
    Stood(oneshot::Sender<Result<Option<Vec<KeptPlace>>, NotStood>>),
    /// Put tracks at other places.
    Reposition(Reposition, oneshot::Sender<Result<(), RepositionError>>),
}

impl OperatorRequest {
    /// What is asked for, as the mapping's life tells such things apart.
    pub(crate) fn asked(&self) -> OperatorAsk {
        match self {
            Self::Stood(_) => OperatorAsk::Stood,
            Self::Reposition(reposition, _) if reposition.replays => OperatorAsk::Replay,
            Self::Reposition(..) => OperatorAsk::Put,
        }
    }

    /// Answers that it is not served. Whoever asked and went away does not mind.
    pub(crate) fn refuse(self, why: RequestRefusal) {
        match (self, why) {
            (Self::Stood(answer), RequestRefusal::Runs | RequestRefusal::NotNow) => {
                let _ = answer.send(Err(NotStood::NotNow));
            }
            (Self::Reposition(_, answer), RequestRefusal::Runs) => {
                let _ = answer.send(Err(RepositionError::Runs));
            }
            (Self::Reposition(_, answer), RequestRefusal::NotNow) => {
                let _ = answer.send(Err(RepositionError::NotNow));
            }
        }
    }
}

/// Tracks and where they are put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reposition {
    /// Each with its bound.
    pub places: Vec<(TrackName, Watermark)>,
    /// Whether a mapping that runs finishes what runs, is put there and goes on; else it must rest.
    pub replays: bool,
}

/// Nobody can tell where the tracks stand.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotStood {
    /// The mapping is being started, changed or ended.
    #[error("the mapping is being started, changed or ended: ask again")]
    NotNow,
    /// The store cannot.
    #[error(transparent)]
    Store(Arc<StoreError>),
}

/// The tracks were not put elsewhere.
#[derive(Debug, thiserror::Error)]
pub enum RepositionError {
    /// It runs.
    #[error("the mapping runs: pause it first, or use `replay`, which lets it finish what runs")]
    Runs,
    /// There is nothing to put elsewhere.
    #[error("the mapping has never run: its `starting_position` says where it begins")]
    NeverRan,
    /// The mapping is ended, changed or started.
    #[error("the mapping is being started, changed or ended: nothing was changed, ask again")]
    NotNow,
    /// The store cannot; some tracks may have been put elsewhere.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The positions of a mapping while nothing of it runs.
pub(crate) struct StoredPositions {
    store: Arc<dyn CheckpointStore>,
    id: MappingId,
    /// What was read; nobody else writes meanwhile.
    kept: Option<Option<Vec<KeptPlace>>>,
}

impl StoredPositions {
    pub(crate) fn new(store: &Arc<dyn CheckpointStore>, name: &str) -> Self {
        Self { store: Arc::clone(store), id: MappingId(name.to_owned()), kept: None }
    }

    /// Runs a request. Whoever asked and went away does not mind.
    pub(crate) async fn run(&mut self, operator_request: OperatorRequest) {
        match operator_request {
            OperatorRequest::Stood(answer) => {
                let _ = answer.send(self.stood().await.map_err(|error| NotStood::Store(Arc::new(error))));
            }
            OperatorRequest::Reposition(reposition, answer) => {
                let _ = answer.send(self.put(reposition.places).await);
            }
        }
    }

    async fn stood(&mut self) -> Result<Option<Vec<KeptPlace>>, StoreError> {
        if let Some(kept) = &self.kept {
            return Ok(kept.clone());
        }
        let lease = self.store.acquire(&self.id).await?;
        let rows = self.store.load(&lease).await?;
        let kept = rows.map(|rows| rows.into_iter().map(place).collect());
        self.kept = Some(kept);
        Ok(self.kept.clone().flatten())
    }

    /// Puts tracks at bounds; what was in retry or finished above is forgotten with the former places.
    async fn put(&mut self, places: Vec<(TrackName, Watermark)>) -> Result<(), RepositionError> {
        self.kept = None;
        let lease = self.store.acquire(&self.id).await?;
        // A row would pass for a mapping that was created, and its starting position would be forgotten.
        if self.store.load(&lease).await?.is_none() {
            return Err(RepositionError::NeverRan);
        }
        for (track, bound) in &places {
            info!(mapping = self.id.0, track = track.0, at = position(bound), "position set by hand");
        }
        // Side by side, so that they share their syncs.
        let mut commits = JoinSet::new();
        for (track, bound) in places {
            let (store, lease) = (Arc::clone(&self.store), lease.clone());
            commits.spawn(async move {
                store.commit(&lease, &TrackKey(track.0), checkpoint_at(bound).encode()).await
            });
        }
        commits.join_all().await.into_iter().collect::<Result<(), _>>()?;
        Ok(())
    }
}

/// What the store keeps of a track is its name; what people call it, the source knows.
fn place(row: KeptTrack) -> KeptPlace {
    let checkpoint = match row.checkpoint.as_deref().map(Checkpoint::decode) {
        Some(Ok(checkpoint)) => Ok(checkpoint),
        Some(Err(error)) => Err(format!("its checkpoint cannot be read: {}", crate::sentence::chain(&error))),
        None => Err("its checkpoint is missing".to_owned()),
    };
    KeptPlace { label: row.track.0.clone(), track: TrackName(row.track.0), checkpoint }
}
