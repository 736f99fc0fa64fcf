//! The mappings as JSON: what each is doing and why, track by track.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use forebay_pollers::Backlog;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Shown;
use super::answer::{json, no_mapping};
use crate::last_error::LastError;
use crate::metrics::COUNTERS;
use crate::registry::Entry;
use crate::status::{TrackView, wall_time};
use crate::why::Why;

/// A source that does not tell its backlog in this time leaves the lag out.
const LAG_WAIT_MAX: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct MappingJson {
    name: String,
    source: String,
    source_kind: &'static str,
    function_name: String,
    state: &'static str,
    sentence: String,
    #[serde(flatten)]
    why: Why,
    last_processing_result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

impl MappingJson {
    fn of(entry: &Entry, tracks: Option<&[TrackView]>) -> Self {
        let (lifecycle, trouble) = (entry.lifecycle(), entry.trouble());
        Self {
            name: entry.name().to_owned(),
            source: entry.source().to_owned(),
            source_kind: entry.source_kind(),
            function_name: entry.function().to_owned(),
            state: lifecycle.word(),
            sentence: lifecycle.to_string(),
            why: Why::of(&lifecycle, trouble.as_ref(), tracks)
                .with_note(entry.inspector().and_then(|it| it.trap(entry.name()))),
            last_processing_result: entry.last_result(),
            trouble: trouble.map(|it| it.text),
        }
    }
}

/// How much waits in the source.
#[derive(Serialize)]
struct Lag {
    records: Option<u64>,
    bytes: Option<u64>,
}

#[derive(Serialize)]
struct StatusJson {
    #[serde(flatten)]
    mapping: MappingJson,
    /// Absent while no task runs that could tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    tracks: Option<Vec<TrackView>>,
    lag: Option<Lag>,
    iterator_age_milliseconds: u64,
    checkpoint_age_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint_committed_at: Option<String>,
    in_flight_invokes: u64,
    held_bytes: u64,
    last_error: Option<LastError>,
    counts: BTreeMap<&'static str, u64>,
    task_restarts: u64,
}

/// All mappings, by name.
pub(super) async fn all(State(shown): State<Shown>) -> Response {
    // All are asked at once: one that takes its time does not hold the others up.
    let mut asked = JoinSet::new();
    for (idx, entry) in shown.registry.entries().into_iter().enumerate() {
        asked.spawn(async move {
            let tracks = entry.tracks().await;
            (idx, MappingJson::of(&entry, tracks.as_deref()))
        });
    }
    let mappings: BTreeMap<usize, MappingJson> = asked.join_all().await.into_iter().collect();
    json(&BTreeMap::from([("mappings", mappings.into_values().collect::<Vec<_>>())]))
}

/// One mapping with its tracks.
pub(super) async fn status(State(shown): State<Shown>, Path(name): Path<String>) -> Response {
    let Some(entry) = shown.registry.entry(&name) else { return no_mapping() };
    let tracks = entry.tracks().await;
    // A source that is down would be waited for.
    let is_down = tracks.iter().flatten().any(|it| it.state == "SourceDown");
    let lag = if is_down { None } else { lag(&entry).await };
    let (values, gauges) = (entry.metrics().values(), entry.metrics().gauges());
    let now = shown.clock.now().unix;
    json(&StatusJson {
        mapping: MappingJson::of(&entry, tracks.as_deref()),
        tracks,
        lag,
        iterator_age_milliseconds: gauges.iterator_age_ms,
        checkpoint_age_seconds: gauges.committed_at.map(|at| at.age(now).as_secs_f64()),
        checkpoint_committed_at: gauges.committed_at.map(wall_time),
        in_flight_invokes: gauges.n_in_flight,
        held_bytes: gauges.held_bytes,
        last_error: entry.last_error(),
        counts: COUNTERS.iter().zip(values).map(|((name, ..), value)| (*name, value)).collect(),
        task_restarts: entry.metrics().n_restarts(),
    })
}

/// One mapping without its tracks.
pub(super) async fn one(shown: &Shown, name: &str) -> Response {
    match shown.registry.entry(name) {
        Some(entry) => json(&MappingJson::of(&entry, entry.tracks().await.as_deref())),
        None => no_mapping(),
    }
}

async fn lag(entry: &Arc<Entry>) -> Option<Lag> {
    match timeout(LAG_WAIT_MAX, super::backlog::ask(entry)).await {
        Ok(Ok(Backlog { records: None, bytes: None }) | Err(_)) | Err(_) => None,
        Ok(Ok(Backlog { records, bytes })) => Some(Lag { records, bytes }),
    }
}
