//! What of a mapping waits for an operator, and what he decides about it.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::time::timeout;

use super::Shown;
use super::answer::{json, no_mapping, refused, refused_with};
use super::place::settled;
use crate::decisions::{DecideError, DecisionWish, PausedBatch, Word};

/// A data folder that takes no checkpoint may take longer; then the answer says so.
const DECIDE_WAIT_MAX: Duration = Duration::from_secs(10);

#[derive(Serialize)]
struct PausedJson {
    paused: Vec<PausedBatch>,
}

#[derive(Serialize)]
struct DecidedJson {
    decided: Vec<PausedBatch>,
    sentence: &'static str,
}

/// 200 with what waits; none while the mapping rests or its records are not read again yet.
pub(super) async fn paused(State(shown): State<Shown>, Path(name): Path<String>) -> Response {
    let Some(entry) = settled(&shown, &name).await else { return no_mapping() };
    match entry.paused().await {
        Some(paused) => json(&PausedJson { paused }),
        None if entry.lifecycle().is_resting() => failed(&DecideError::Rests),
        None => failed(&DecideError::NotNow),
    }
}

/// 200 with what was decided about once that is durable; 202 when the data folder takes its time.
pub(super) async fn decide(
    State(shown): State<Shown>,
    Path(name): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(error) => return refused(error.status(), &error.body_text()),
    };
    let wish: DecisionWish = match serde_json::from_slice(&body) {
        Ok(wish) => wish,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if let Some(mistake) = wish.mistake() {
        return refused(StatusCode::BAD_REQUEST, mistake);
    }
    let Some(entry) = settled(&shown, &name).await else { return no_mapping() };
    let sentence = match wish.decision {
        Word::Skip => "These records are finished as they are, and what waited behind them goes on.",
        Word::Retry => "These records are tried again, with a fresh count of attempts.",
        Word::Send => {
            "These records go to the destination, and what waited behind them goes on once it has them."
        }
    };
    match timeout(DECIDE_WAIT_MAX, entry.decide(wish)).await {
        Ok(Ok(decided)) => json(&DecidedJson { decided, sentence }),
        Ok(Err(error)) => failed(&error),
        Err(_) => {
            // The task has the wish, and dropping the question takes nothing back.
            let sentence = "It is carried out; the data folder has not kept it yet.";
            (StatusCode::ACCEPTED, json(&DecidedJson { decided: Vec::new(), sentence })).into_response()
        }
    }
}

fn failed(error: &DecideError) -> Response {
    let message = error.to_string();
    match error {
        DecideError::NothingWaits | DecideError::NoDestination | DecideError::Rests => {
            refused_with(StatusCode::CONFLICT, "FB-0529", &message)
        }
        DecideError::NotNow | DecideError::Unknown => refused(StatusCode::SERVICE_UNAVAILABLE, &message),
    }
}
