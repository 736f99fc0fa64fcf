//! Where a mapping's tracks stand; to put them elsewhere while it rests; to replay, which does the same to
//! one that runs.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use forebay_config::StartingPosition;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::Shown;
use super::answer::{json, no_mapping, refused, refused_with};
use super::place::{Put, Target, TrackPlace, resolve, settled, start_of, stood};
use crate::operator_request::{Reposition, RepositionError};
use crate::positions::TrackPosition;
use crate::sentence::chain;
use crate::status::position;

/// What still runs may take longer; then the answer says that it goes on.
const REPLAY_WAIT_MAX: Duration = Duration::from_secs(30);

/// A body, or why it could not be read whole.
type Body = Result<Bytes, BytesRejection>;

#[derive(Serialize)]
struct PositionsJson {
    positions: Vec<TrackPosition>,
}

#[derive(Serialize)]
struct PutJson {
    positions: Vec<PutTrack>,
    sentence: &'static str,
}

/// A track that was put somewhere; without a position it was where the source has its first or last record.
#[derive(Serialize)]
struct PutTrack {
    track: String,
    label: String,
    position: Option<String>,
}

/// Either of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    positions: Option<Vec<TrackPlace>>,
    to: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplayRequest {
    from: ReplayFrom,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ReplayFrom {
    Start(String),
    Place(TrackPlace),
}

/// Every track's durable place. A queue has none.
pub(super) async fn show(State(shown): State<Shown>, Path(name): Path<String>) -> Response {
    let Some(entry) = settled(&shown, &name).await else { return no_mapping() };
    match stood(&entry).await {
        Ok(places) => json(&PositionsJson {
            positions: places.unwrap_or_default().iter().map(TrackPosition::of).collect(),
        }),
        Err(refusal) => refusal,
    }
}

/// Puts tracks elsewhere; 409 unless the mapping is paused or disabled.
pub(super) async fn set(State(shown): State<Shown>, Path(name): Path<String>, body: Body) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(error) => return unread(&error),
    };
    let target = match serde_json::from_slice(&body) {
        // An empty list would change nothing and call it a success.
        Ok(Wanted { positions: Some(places), to: None }) if !places.is_empty() => Target::Places(places),
        Ok(Wanted { positions: None, to: Some(to) }) => match start_of(&to) {
            Some(start) => Target::Start(start),
            None => {
                return refused(
                    StatusCode::BAD_REQUEST,
                    "`to` is TRIM_HORIZON, LATEST or a time such as 2026-07-01T12:00:00Z",
                );
            }
        },
        Ok(_) => {
            return refused(StatusCode::BAD_REQUEST, "say either `positions`, with a track each, or `to`");
        }
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    // Its keeper decides that again; asked here, what cannot be is refused before the source is asked for
    // places.
    let is_resting = settled(&shown, &name).await.map(|it| it.lifecycle().is_resting());
    match is_resting {
        Some(true) => reposition(&shown, &name, &target, false).await,
        Some(false) => failed(&RepositionError::Runs),
        None => no_mapping(),
    }
}

/// Puts tracks back and goes on; what runs is finished before.
pub(super) async fn replay(State(shown): State<Shown>, Path(name): Path<String>, body: Body) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(error) => return unread(&error),
    };
    let wrong = || {
        refused(
            StatusCode::BAD_REQUEST,
            "`from` is TRIM_HORIZON, a time such as 2026-07-01T12:00:00Z, or a track and its position",
        )
    };
    let target = match serde_json::from_slice(&body) {
        Ok(ReplayRequest { from: ReplayFrom::Place(place) }) => Target::Places(vec![place]),
        Ok(ReplayRequest { from: ReplayFrom::Start(from) }) => match start_of(&from) {
            Some(start @ (StartingPosition::TrimHorizon | StartingPosition::AtTimestamp(_))) => {
                Target::Start(start)
            }
            // From the latest on nothing is played again; it would pass over what waits.
            Some(StartingPosition::Latest) | None => return wrong(),
        },
        Err(_) => return wrong(),
    };
    reposition(&shown, &name, &target, true).await
}

fn unread(error: &BytesRejection) -> Response {
    refused(error.status(), &error.body_text())
}

async fn reposition(shown: &Shown, name: &str, target: &Target, replays: bool) -> Response {
    let Some(entry) = settled(shown, name).await else { return no_mapping() };
    let puts = match resolve(&entry, target).await {
        Ok(puts) => puts,
        Err(refusal) => return refusal,
    };
    let places = puts.iter().map(|it| (it.track.clone(), it.bound.clone())).collect();
    let told = |status, sentence| {
        let shown = |it: &Put| PutTrack {
            track: it.track.0.clone(),
            label: it.label.clone(),
            position: position(&it.bound),
        };
        (status, json(&PutJson { positions: puts.iter().map(shown).collect(), sentence })).into_response()
    };
    // Its keeper carries it out, whether this waits for it or not.
    match timeout(REPLAY_WAIT_MAX, entry.reposition(Reposition { places, replays })).await {
        Ok(Ok(())) if replays => told(StatusCode::OK, "The mapping goes on from these places."),
        Ok(Ok(())) => told(StatusCode::OK, "The mapping goes on from these places when it runs again."),
        Ok(Err(error)) => failed(&error),
        Err(_) => told(
            StatusCode::ACCEPTED,
            "The mapping still finishes what runs; then it goes on from these places.",
        ),
    }
}

fn failed(error: &RepositionError) -> Response {
    let message = chain(error);
    match error {
        RepositionError::Runs | RepositionError::NeverRan => {
            refused_with(StatusCode::CONFLICT, "FB-0527", &message)
        }
        RepositionError::NotNow => refused(StatusCode::SERVICE_UNAVAILABLE, &message),
        RepositionError::Store(error) => {
            refused_with(StatusCode::SERVICE_UNAVAILABLE, error.code(), &message)
        }
    }
}
