//! The mappings as JSON: what each is doing, track by track.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::{Shown, json};
use crate::metrics::COUNTERS;
use crate::registry::Entry;
use crate::status::{TrackStatus, wall_time};

#[derive(Serialize)]
struct MappingJson<'a> {
    name: &'a str,
    source: &'a str,
    source_kind: &'a str,
    function_name: &'a str,
    state: &'static str,
    sentence: String,
    last_processing_result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

impl<'a> MappingJson<'a> {
    fn of(entry: &'a Entry) -> Self {
        let lifecycle = entry.lifecycle();
        Self {
            name: entry.name(),
            source: entry.source(),
            source_kind: entry.source_kind(),
            function_name: entry.function(),
            state: lifecycle.word(),
            sentence: lifecycle.to_string(),
            last_processing_result: entry.last_result(),
            trouble: entry.trouble(),
        }
    }
}

#[derive(Serialize)]
struct StatusJson<'a> {
    #[serde(flatten)]
    mapping: MappingJson<'a>,
    /// Absent while no task runs that could tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    tracks: Option<Vec<TrackStatus>>,
    counts: BTreeMap<&'static str, u64>,
    task_restarts: u64,
    in_flight_invokes: u64,
    held_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint_committed_at: Option<String>,
}

/// All mappings, by name.
pub(super) async fn list(State(shown): State<Shown>) -> Response {
    let entries = shown.registry.entries();
    let mappings: Vec<_> = entries.iter().map(|it| MappingJson::of(it)).collect();
    json(&BTreeMap::from([("mappings", mappings)]))
}

/// One mapping with its tracks.
pub(super) async fn status(State(shown): State<Shown>, Path(name): Path<String>) -> Response {
    let Some(entry) = shown.registry.entry(&name) else {
        let body = json(&BTreeMap::from([("message", "there is no such mapping")]));
        return (StatusCode::NOT_FOUND, body).into_response();
    };
    let tracks = entry.tracks().await;
    let values = entry.metrics().values();
    let gauges = entry.metrics().gauges();
    let status = StatusJson {
        mapping: MappingJson::of(&entry),
        tracks,
        counts: COUNTERS.iter().zip(values).map(|((name, ..), value)| (*name, value)).collect(),
        task_restarts: entry.metrics().n_restarts(),
        in_flight_invokes: gauges.n_in_flight,
        held_bytes: gauges.held_bytes,
        checkpoint_committed_at: gauges.committed_at.map(wall_time),
    };
    json(&status)
}
