//! How a life of a mapping begins: its lease, what was kept, and, the first time, where every track begins,
//! written before it is Enabled.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_batcher::{Checkpoint, Kept, Position, TrackTable};
use forebay_checkpoints::{KeptTrack, Lease, StoreError, TrackKey};
use forebay_config::Code;
use forebay_pollers::{Feed, Source, SourceError, Stand, Subscriber, Subscription, TrackName};
use tokio::task::JoinSet;
use tracing::{error, info};

use super::wiring::Wiring;
use crate::positions::{checkpoint_at, stand_at};
use crate::status::position;

/// Events that may wait for a mapping's loop; what has no room waits in the feed.
const EVENTS_MAX: usize = 64;

/// Why a life of a mapping could not begin or ended before it was closed.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// Its source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Its places cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The feed that it shares has ended.
    #[error("the feed of its source ended")]
    FeedEnded,
    /// What asked the store for tracks that the group dealt panicked; the text of the panic.
    #[error("what asks the store for tracks that the group assigned {0}")]
    GrantDied(String),
}

impl LifeError {
    /// The life had begun: it died, as opposed to not starting.
    pub fn is_death(&self) -> bool {
        match self {
            Self::Source(_) | Self::Store(_) => false,
            Self::FeedEnded | Self::GrantDied(_) => true,
        }
    }

    /// The page that explains it, where there is one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Source(cause) => Some(cause.code()),
            Self::Store(cause) => Some(Code(cause.code())),
            Self::FeedEnded | Self::GrantDied(_) => None,
        }
    }

    /// The source is the trouble.
    pub fn is_source(&self) -> bool {
        match self {
            Self::Source(_) | Self::FeedEnded => true,
            Self::Store(_) | Self::GrantDied(_) => false,
        }
    }
}

/// What a life begins with.
pub(super) struct Started {
    pub(super) lease: Lease,
    pub(super) feed: Feed,
    pub(super) subscriber: Subscriber,
    pub(super) tracks: TrackTable,
}

/// Takes the mapping over and finds out where its tracks stand. A mapping that was never created here is
/// created, durably, before this returns (P-1); one that was goes on from what was kept, whatever its
/// starting position says.
pub(super) async fn start(wiring: &Wiring) -> Result<Started, LifeError> {
    // First of all: whatever a former life still has on its way is refused from here on.
    let lease = wiring.store.acquire(&wiring.id).await?;
    let kept = wiring.store.load(&lease).await?;
    let feed = wiring.feeds.join(&*wiring.source, &wiring.id.0).await?;
    let kept = match kept {
        Some(rows) => {
            let kept = rows.into_iter().map(|row| resume(wiring, feed.source().as_ref(), row)).collect();
            follow_others(wiring, &lease, &feed, kept).await?
        }
        None => create(wiring, &lease, &feed).await?,
    };
    let mut tracks = TrackTable::new(kept);
    if feed.source().tracks().is_some_and(|it| it.group().is_some()) {
        tracks = tracks.dealt_out();
    }
    // What the store keeps of a track is its name; what people call it and which tracks go before it, the
    // source knows.
    tracks.describe(feed.source().explorer().describe(&tracks.known()).await?);
    let subscription = Subscription {
        consumer: wiring.id.0.as_str().into(),
        known: tracks.known(),
        filter: wiring.filter.clone(),
        has_window: !wiring.plan.borrow().batch.window.is_zero(),
        zero: wiring.clock.zero(),
        events_max: EVENTS_MAX,
    };
    let subscriber = feed.subscribe(subscription);
    Ok(Started { lease, feed, subscriber, tracks })
}

async fn create(wiring: &Wiring, lease: &Lease, feed: &Feed) -> Result<BTreeMap<TrackName, Kept>, LifeError> {
    let origins = match wiring.start {
        Some(start) => feed.source().explorer().origins_for(&wiring.id.0, start).await?,
        // A source without positions has no track to write down.
        None => Vec::new(),
    };
    let checkpoints: BTreeMap<_, _> =
        origins.into_iter().map(|(name, origin)| (name, Checkpoint::at_origin(origin))).collect();
    let rows = checkpoints
        .iter()
        .map(|(name, checkpoint)| (TrackKey(name.0.clone()), checkpoint.encode()))
        .collect();
    // All in one write: after a crash in between, the tracks that are missing would pass for new ones.
    wiring.store.create(lease, rows).await?;
    info!(mapping = wiring.id.0, n_tracks = checkpoints.len(), "mapping created");
    Ok(checkpoints
        .into_iter()
        .map(|(name, checkpoint)| (name, Kept::Checkpoint(Box::new(checkpoint))))
        .collect())
}

/// What the store kept of a track; without a checkpoint that can be read it is lost and never starts afresh
/// (P-1).
fn resume(wiring: &Wiring, source: &dyn Source, row: KeptTrack) -> (TrackName, Kept) {
    let track = TrackName(row.track.0);
    let kept = match row.checkpoint.as_deref().map(Checkpoint::decode) {
        Some(Ok(checkpoint)) => {
            Kept::Checkpoint(Box::new(as_written_today(checkpoint, |end| match source.tracks() {
                Some(tracks) => tracks.end_of_stretch(end),
                None => end,
            })))
        }
        Some(Err(error)) => {
            Kept::Lost(format!("its checkpoint cannot be read: {}", crate::sentence::chain(&error)))
        }
        None => Kept::Lost("its checkpoint is missing".into()),
    };
    if let Kept::Lost(why) = &kept {
        error!(
            code = "FB-0502",
            mapping = wiring.id.0,
            track = track.0,
            why,
            "position lost: the track stays stopped"
        );
    }
    (track, kept)
}

/// Goes on where others have put tracks meanwhile, with the source's own tools; durably, before anything runs.
async fn follow_others(
    wiring: &Wiring,
    lease: &Lease,
    feed: &Feed,
    mut kept: BTreeMap<TrackName, Kept>,
) -> Result<BTreeMap<TrackName, Kept>, LifeError> {
    let stand = |(track, kept): (&TrackName, &Kept)| match kept {
        Kept::Checkpoint(checkpoint) => Some(stand_at(track, checkpoint)),
        // What is lost stays so until somebody says here where it goes on.
        Kept::Lost(_) => None,
    };
    let stands: Vec<Stand> = kept.iter().filter_map(stand).collect();
    let places = feed.source().explorer().places_set(&wiring.id.0, &stands).await?;
    // Side by side, so that they share their syncs.
    let mut commits = JoinSet::new();
    for (track, bound) in places {
        let was = stands.iter().find(|it| it.track == track).and_then(|it| position(&it.bound));
        info!(
            code = "FB-0432",
            mapping = wiring.id.0,
            track = track.0,
            was,
            at = position(&bound),
            "position taken over from the source, where it was set"
        );
        let checkpoint = checkpoint_at(bound);
        let (store, lease, bytes) = (Arc::clone(&wiring.store), lease.clone(), checkpoint.encode());
        let key = TrackKey(track.0.clone());
        commits.spawn(async move { store.commit(&lease, &key, bytes).await });
        kept.insert(track, Kept::Checkpoint(Box::new(checkpoint)));
    }
    commits.join_all().await.into_iter().collect::<Result<(), _>>()?;
    Ok(kept)
}

/// A checkpoint with the ends of its stretches as the source writes positions today.
fn as_written_today(mut kept: Checkpoint, end_of_stretch: impl Fn(Position) -> Position) -> Checkpoint {
    let finished = kept.finished.iter_mut().map(|(_, last)| last);
    for last in finished.chain(kept.slices.iter_mut().map(|slice| &mut slice.last)) {
        *last = end_of_stretch(last.clone());
    }
    kept
}

#[cfg(test)]
mod tests {
    use forebay_batcher::{OpenSlice, Origin, ShortBytes, UnixMillis};

    use super::*;

    #[test]
    fn the_ends_of_kept_stretches_are_shown_to_the_source_and_nothing_else() {
        let at = Position::number;
        let slice = OpenSlice {
            lane: 0,
            first: at(3),
            last: at(3),
            n_failures: 1,
            n_invokes: 1,
            not_before: UnixMillis(0),
            retries_max: None,
            record_age_max_ms: None,
            bisect: false,
            is_age_pardoned: false,
            given_up: None,
            finale: None,
        };
        let kept = |slice_last: Position, last: Position| Checkpoint {
            slices: vec![OpenSlice { last: slice_last, ..slice.clone() }],
            finished: vec![(at(5), last)],
            ..Checkpoint::at_origin(Origin(ShortBytes::new(b"")))
        };
        let later = |end: Position| Position::checked_number(end.as_number().unwrap_or(0), [u8::MAX; 4]);
        assert_eq!(as_written_today(kept(at(3), at(5)), later), kept(later(at(3)), later(at(5))));
    }
}
