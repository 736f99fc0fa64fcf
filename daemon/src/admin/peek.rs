//! A few records as the function would see them; nothing is consumed.

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use forebay_pollers::PlaceError;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::Shown;
use super::answer::{json, no_mapping, refused, refused_with};
use super::place::{down, settled, start_of, stood};
use crate::inspector::{Glimpse, PeekError, PeekFrom, Peeked, RECORDS_MAX};
use crate::operator_request::NotStood;
use crate::sentence::chain;

const N_DEFAULT: usize = 10;
/// How long the source may take.
const WAIT_MAX: Duration = Duration::from_secs(10);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PeekRequest {
    n: Option<usize>,
    track: Option<String>,
    from: Option<String>,
}

#[derive(Serialize)]
struct PeekJson {
    records: Vec<Peeked>,
}

/// 200 with the records; 501 for a queue, 422 for a place that there is not.
pub(super) async fn peek(
    State(shown): State<Shown>,
    Path(name): Path<String>,
    asked: Result<Query<PeekRequest>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let Query(PeekRequest { n, track, from }) = match asked {
        Ok(asked) => asked,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.body_text()),
    };
    let n = n.unwrap_or(N_DEFAULT);
    if !(1..=RECORDS_MAX).contains(&n) {
        return refused(StatusCode::BAD_REQUEST, &format!("`n` is 1 to {RECORDS_MAX}"));
    }
    let Some(entry) = settled(&shown, &name).await else { return no_mapping() };
    let Some(inspector) = entry.inspector() else {
        return refused(StatusCode::SERVICE_UNAVAILABLE, &NotStood::NotNow.to_string());
    };
    let places = match stood(&entry).await {
        Ok(places) => places,
        Err(refusal) => return refusal,
    };
    let from = match from {
        None => PeekFrom::Here,
        // What is neither a word nor a time is a position, which only the source can judge.
        Some(told) => start_of(&told).map_or(PeekFrom::Place(told), PeekFrom::Start),
    };
    let glimpse = Glimpse { n, track, from };
    match timeout(WAIT_MAX, inspector.peek(&places.unwrap_or_default(), &glimpse)).await {
        Ok(Ok(records)) => json(&PeekJson { records }),
        Ok(Err(error)) => {
            let message = chain(&error);
            match error {
                PeekError::Queue => refused_with(StatusCode::NOT_IMPLEMENTED, "FB-0525", &message),
                PeekError::NoTrack(_) => refused(StatusCode::NOT_FOUND, &message),
                PeekError::WhichTrack => refused(StatusCode::BAD_REQUEST, &message),
                PeekError::Place(PlaceError::None(_)) => {
                    refused_with(StatusCode::UNPROCESSABLE_ENTITY, "FB-0526", &message)
                }
                PeekError::Place(PlaceError::Source(error)) | PeekError::Source(error) => down(&error),
            }
        }
        Err(_) => {
            refused_with(StatusCode::SERVICE_UNAVAILABLE, "FB-0504", "the source has not answered in time")
        }
    }
}
