//! Where the tracks of a mapping durably stand, as values and for operators.

use forebay_batcher::{Checkpoint, OpenSlice, Origin, Position, ShortBytes, Watermark};
use forebay_pollers::{Stand, Standing, TrackName};
use serde::Serialize;

use crate::status::{position, wall_time};

/// Where one track durably stands.
#[derive(Debug, Clone)]
pub struct KeptPlace {
    /// Its name in the store.
    pub track: TrackName,
    /// What people call it.
    pub label: String,
    /// The whole truth of it, or why it cannot be told.
    pub checkpoint: Result<Checkpoint, String>,
}

impl KeptPlace {
    /// The same as a source is asked with it; `None` for a track whose place is lost.
    pub fn stand(&self) -> Option<Stand> {
        // Nothing is guessed of a place that is lost: its backlog is left out.
        let checkpoint = self.checkpoint.as_ref().ok()?;
        Some(stand_at(&self.track, checkpoint))
    }
}

/// Where a track stands by its checkpoint.
pub(crate) fn stand_at(track: &TrackName, checkpoint: &Checkpoint) -> Stand {
    let standing = if checkpoint.ended { Standing::Ended } else { Standing::Open };
    Stand { track: track.clone(), bound: checkpoint.watermark.clone(), standing }
}

/// A track on which nothing but its bound is known.
pub(crate) fn checkpoint_at(bound: Watermark) -> Checkpoint {
    match bound {
        Watermark::Origin(origin) => Checkpoint::at_origin(origin),
        // Any origin does: the position takes its place.
        Watermark::At(position) => {
            let origin = Origin(ShortBytes::new(b""));
            Checkpoint { watermark: Watermark::At(position), ..Checkpoint::at_origin(origin) }
        }
    }
}

/// A place, as `/v1/` shows it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct TrackPosition {
    track: String,
    label: String,
    /// Everything strictly below is finished; `None` at the beginning, and when it is lost.
    position: Option<String>,
    ended: bool,
    finished_above: usize,
    in_retry: Vec<OpenBatch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<String>,
}

/// A batch that was tried and is open.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct OpenBatch {
    first: Option<String>,
    last: Option<String>,
    lane: u32,
    retries_spent: u32,
    attempts: u32,
    not_before: String,
    given_up: Option<&'static str>,
    /// It waits for an operator since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_since: Option<String>,
}

impl OpenBatch {
    /// As a checkpoint has it.
    pub fn of(slice: &OpenSlice) -> Self {
        let at = |it: &Position| position(&Watermark::At(it.clone()));
        Self {
            first: at(&slice.first),
            last: at(&slice.last),
            lane: slice.lane,
            retries_spent: slice.n_failures,
            attempts: slice.n_invokes,
            not_before: wall_time(slice.not_before),
            given_up: slice.given_up.as_ref().map(|it| it.condition.as_str()),
            paused_since: slice.given_up.as_ref().and_then(|it| it.paused_since).map(wall_time),
        }
    }
}

impl TrackPosition {
    /// As a mapping has it.
    pub fn of(place: &KeptPlace) -> Self {
        let (track, label) = (place.track.0.clone(), place.label.clone());
        match &place.checkpoint {
            Ok(it) => Self {
                track,
                label,
                position: position(&it.watermark),
                ended: it.ended,
                finished_above: it.finished.len(),
                in_retry: it.slices.iter().map(OpenBatch::of).collect(),
                lost: None,
            },
            Err(why) => Self {
                track,
                label,
                position: None,
                ended: false,
                finished_above: 0,
                in_retry: Vec::new(),
                lost: Some(why.clone()),
            },
        }
    }
}
