//! Places as people write them: where a source begins, a time, a position of one track.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use forebay_batcher::Watermark;
use forebay_config::StartingPosition;
use forebay_pollers::{PlaceError, SourceError, TrackName};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::Shown;
use super::answer::{refused, refused_with};
use crate::inspector::known;
use crate::lifecycle::Lifecycle;
use crate::operator_request::NotStood;
use crate::positions::KeptPlace;
use crate::registry::Entry;
use crate::sentence::chain;

/// How long a change of state is waited for, and how often it is looked at.
const SETTLE_MAX: Duration = Duration::from_millis(900);
const SETTLE_STEP: Duration = Duration::from_millis(10);

/// A position of one track.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrackPlace {
    /// Its name or label.
    pub(super) track: String,
    pub(super) position: String,
}

/// Where tracks are to be put.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// All of them where the source says.
    Start(StartingPosition),
    /// Some of them, each at its own.
    Places(Vec<TrackPlace>),
}

/// A track, what people call it, and where it is to be put.
pub(super) struct Put {
    pub(super) track: TrackName,
    pub(super) label: String,
    pub(super) bound: Watermark,
}

/// `TRIM_HORIZON`, `LATEST`, or a time such as `2026-07-01T12:00:00Z`.
pub(super) fn start_of(told: &str) -> Option<StartingPosition> {
    match told {
        "TRIM_HORIZON" => Some(StartingPosition::TrimHorizon),
        "LATEST" => Some(StartingPosition::Latest),
        _ => Some(StartingPosition::AtTimestamp(told.parse::<jiff::Timestamp>().ok()?.as_millisecond())),
    }
}

/// The mapping once it has come to stand, or as it is when that takes longer; `None` when there is none.
pub(super) async fn settled(shown: &Shown, name: &str) -> Option<Arc<Entry>> {
    awaited(shown, name, |it| !it.is_passing()).await
}

/// The mapping once this holds of it, or as it is when that takes longer; `None` when there is none.
pub(super) async fn awaited(
    shown: &Shown,
    name: &str,
    holds: impl Fn(&Lifecycle) -> bool,
) -> Option<Arc<Entry>> {
    let until = Instant::now() + SETTLE_MAX;
    loop {
        // Another entry stands in its place after each change.
        let entry = shown.registry.entry(name)?;
        if holds(&entry.lifecycle()) || Instant::now() >= until {
            return Some(entry);
        }
        sleep(SETTLE_STEP).await;
    }
}

/// Where the tracks of a mapping stand, with what people call them, or why nobody can tell.
pub(super) async fn stood(entry: &Entry) -> Result<Option<Vec<KeptPlace>>, Response> {
    let places = match entry.stood().await {
        Ok(places) => places,
        Err(NotStood::Store(error)) => {
            return Err(refused_with(StatusCode::SERVICE_UNAVAILABLE, error.code(), &chain(&*error)));
        }
        Err(error @ NotStood::NotNow) => {
            return Err(refused(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()));
        }
    };
    Ok(match (places, entry.inspector()) {
        // One that runs was told its labels by the source; the store keeps names only.
        (Some(places), Some(inspector)) if entry.lifecycle().is_resting() => {
            Some(inspector.describe(places).await)
        }
        (places, _) => places,
    })
}

/// What a target means for a mapping now. Nothing was changed when it is refused.
pub(super) async fn resolve(entry: &Entry, target: &Target) -> Result<Vec<Put>, Response> {
    let unready = || refused(StatusCode::SERVICE_UNAVAILABLE, &NotStood::NotNow.to_string());
    let inspector = entry.inspector().ok_or_else(unready)?;
    let source = inspector.source().await.map_err(|error| down(&error))?;
    if source.queue().is_some() {
        return Err(no_place(PlaceError::queue(), StatusCode::NOT_IMPLEMENTED, "FB-0525"));
    }
    let places = stood(entry).await?.unwrap_or_default();
    let label = |track: &TrackName| {
        places.iter().find(|it| it.track == *track).map_or_else(|| track.0.clone(), |it| it.label.clone())
    };
    let refuse = |error| no_place(error, StatusCode::UNPROCESSABLE_ENTITY, "FB-0526");
    match target {
        Target::Start(start) => {
            let origins = source.explorer().places(&known(&places), *start).await.map_err(refuse)?;
            Ok(origins
                .into_iter()
                .map(|(track, origin)| Put { label: label(&track), track, bound: Watermark::Origin(origin) })
                .collect())
        }
        Target::Places(wanted) => {
            let mut puts = Vec::new();
            for TrackPlace { track: name, position } in wanted {
                // People write what they were shown, programs what the store calls it.
                let Some(place) = places.iter().find(|it| it.label == *name || it.track.0 == *name) else {
                    return Err(refused(
                        StatusCode::NOT_FOUND,
                        &format!("there is no track {name:?} of this mapping"),
                    ));
                };
                let bound = source.explorer().bound(&place.track, position).await.map_err(refuse)?;
                puts.push(Put { track: place.track.clone(), label: place.label.clone(), bound });
            }
            Ok(puts)
        }
    }
}

fn no_place(error: PlaceError, status: StatusCode, code: &str) -> Response {
    match error {
        PlaceError::None(why) => refused_with(status, code, &why),
        PlaceError::Source(error) => down(&error),
    }
}

/// The source cannot be asked.
pub(super) fn down(error: &SourceError) -> Response {
    let message = chain(error);
    refused_with(StatusCode::SERVICE_UNAVAILABLE, error.code().0, &message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_a_word_or_a_time_with_its_zone() {
        assert_eq!(start_of("TRIM_HORIZON"), Some(StartingPosition::TrimHorizon));
        assert_eq!(start_of("LATEST"), Some(StartingPosition::Latest));
        assert_eq!(start_of("1970-01-01T01:00:01.5+01:00"), Some(StartingPosition::AtTimestamp(1_500)));
        for other in ["latest", "4096", "2026-07-01", "2026-07-01T12:00:00", ""] {
            assert_eq!(start_of(other), None, "{other}");
        }
    }
}
