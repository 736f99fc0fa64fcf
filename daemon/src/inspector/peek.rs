//! A few records as the function would see them, read beside the mapping: nothing is consumed, no position
//! moves.

use std::time::Duration;

use forebay_batcher::Watermark;
use forebay_config::StartingPosition;
use forebay_pollers::{
    PlaceError, RawRecord, Renderer, Room, Source, SourceError, TrackName, Tracks, lets_through,
};
use serde::Serialize;
use serde_json::Value;

use super::{SourceInspector, known};
use crate::positions::KeptPlace;
use crate::status::{position, wall_time};

/// The most records of one look.
pub const RECORDS_MAX: usize = 100;
/// The most bytes of them as they came; the first one may go over it.
pub const BYTES_MAX: u64 = 1 << 20;
/// Reads of one track that brought nothing, one after the other, before the look goes on.
const EMPTY_READS_MAX: u32 = 3;

/// Where a look begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeekFrom {
    /// At what is not finished.
    Here,
    /// Where each track begins for this starting position.
    Start(StartingPosition),
    /// At a place in the one track.
    Place(String),
}

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Glimpse {
    /// How many records; never more than [`RECORDS_MAX`].
    pub n: usize,
    /// The name or label of a track; `None` for all, one after the other.
    pub track: Option<String>,
    /// Where it begins.
    pub from: PeekFrom,
}

/// One record.
#[derive(Debug, PartialEq, Serialize)]
pub struct Peeked {
    /// The name of its track in the store.
    pub track: String,
    /// What people call it.
    pub label: String,
    /// Its place.
    pub position: Option<String>,
    /// When it reached the source.
    pub arrival: String,
    /// Whether the mapping's filter lets it through.
    pub matches_filter: bool,
    /// As it stands in the function's event.
    pub record: Value,
}

/// Nothing can be looked at.
#[derive(Debug, thiserror::Error)]
pub enum PeekError {
    /// A queue gives a message by hiding it from others and counting a receive.
    #[error(
        "a queue's messages cannot be looked at without receiving them, which counts as a receive and hides them from the mapping"
    )]
    Queue,
    /// The mapping has no such track.
    #[error("there is no track {0:?} of this mapping")]
    NoTrack(String),
    /// A place without a track.
    #[error("a position is one of a track: name it with `track`")]
    WhichTrack,
    /// The place cannot be named.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The source cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
}

struct Begin {
    track: TrackName,
    label: String,
    bound: Watermark,
}

impl SourceInspector {
    /// Records from `places` on, where the mapping stands.
    ///
    /// # Errors
    /// See [`PeekError`].
    pub async fn peek(&self, places: &[KeptPlace], glimpse: &Glimpse) -> Result<Vec<Peeked>, PeekError> {
        let source = self.source().await?;
        let tracks = source.tracks().ok_or(PeekError::Queue)?;
        let begins = begins(&*source, tracks, places, glimpse).await?;
        let renderer = source.format().renderer(self.has_window);
        let n_max = glimpse.n.min(RECORDS_MAX);
        let (mut seen, mut n_bytes) = (Vec::new(), 0);
        for begin in begins {
            // A source may have thousands of tracks, each with a reader that costs a call.
            if seen.len() == n_max || n_bytes >= BYTES_MAX {
                break;
            }
            let mut reader = tracks.open(&begin.track, &begin.bound).await?;
            let mut n_empty = 0;
            while seen.len() < n_max && n_bytes < BYTES_MAX && n_empty < EMPTY_READS_MAX {
                let records_max = u32::try_from(n_max - seen.len()).unwrap_or(u32::MAX);
                let read = reader
                    .read(Room { records_max, bytes_max: BYTES_MAX - n_bytes, wait: Duration::ZERO })
                    .await?;
                // A page of a source may be empty with more behind it, so one that brings nothing is not the
                // end.
                n_empty = if read.records.is_empty() { n_empty + 1 } else { 0 };
                for record in read.records.iter().take(n_max - seen.len()) {
                    n_bytes += record.data.len() as u64;
                    // One that is larger than all may be comes alone.
                    if n_bytes > BYTES_MAX && !seen.is_empty() {
                        return Ok(seen);
                    }
                    seen.push(self.show(&begin, record, &*renderer));
                }
                if read.ended {
                    break;
                }
            }
        }
        Ok(seen)
    }

    fn show(&self, begin: &Begin, raw: &RawRecord, renderer: &dyn Renderer) -> Peeked {
        let mut bytes = Vec::new();
        renderer.render(raw, &mut bytes);
        let passes = |filter: &std::sync::Arc<dyn forebay_pollers::RecordFilter>| {
            let mut scratch = Vec::new();
            lets_through(filter.as_ref(), renderer, raw, &mut scratch)
        };
        Peeked {
            track: begin.track.0.clone(),
            label: begin.label.clone(),
            position: position(&Watermark::At(raw.position.clone())),
            arrival: wall_time(raw.arrival),
            matches_filter: self.filter.as_ref().is_none_or(passes),
            record: serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned())),
        }
    }
}

/// Where the look begins in each track, those included that the mapping was not told of yet.
async fn begins(
    source: &dyn Source,
    tracks: &dyn Tracks,
    places: &[KeptPlace],
    glimpse: &Glimpse,
) -> Result<Vec<Begin>, PeekError> {
    let known = known(places);
    let listed = tracks.list(&known).await?.tracks;
    // Behind the mapping's own: a track that it has not met begins with its first record, as it will for the
    // mapping.
    let new = listed.into_iter().map(|it| Begin {
        track: it.name,
        label: it.label,
        bound: Watermark::Origin(tracks.first()),
    });
    let kept = places.iter().filter_map(|it| {
        let bound = it.stand()?.bound;
        Some(Begin { track: it.track.clone(), label: it.label.clone(), bound })
    });
    let is_wanted =
        |it: &Begin| glimpse.track.as_ref().is_none_or(|name| *name == it.label || *name == it.track.0);
    let mut begins: Vec<Begin> = kept.chain(new).filter(is_wanted).collect();
    if let (Some(name), true) = (&glimpse.track, begins.is_empty()) {
        return Err(PeekError::NoTrack(name.clone()));
    }
    match &glimpse.from {
        PeekFrom::Here => {}
        PeekFrom::Start(start) => {
            let mut starts: std::collections::BTreeMap<_, _> =
                source.explorer().places(&known, *start).await?.into_iter().collect();
            begins.retain_mut(|it| {
                // The source has this track no more.
                starts.remove(&it.track).map(|origin| it.bound = Watermark::Origin(origin)).is_some()
            });
        }
        PeekFrom::Place(told) => match &mut begins[..] {
            [one] => one.bound = source.explorer().bound(&one.track, told).await?,
            _ => return Err(PeekError::WhichTrack),
        },
    }
    Ok(begins)
}
