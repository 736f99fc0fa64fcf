//! The mappings as JSON: what each is doing and why, track by track.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use forebay_pollers::Backlog;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Shown;
use super::answer::{json, no_mapping};
use super::mapping_json::{Lag, MappingJson, WholeMappingJson};
use crate::registry::Entry;

/// A source that does not tell its backlog in this time leaves the lag out.
const LAG_WAIT_MAX: Duration = Duration::from_secs(2);

/// All mappings, by name.
pub(super) async fn all(State(shown): State<Shown>) -> Response {
    // All are asked at once: one that takes its time does not hold the others up.
    let mut asked = JoinSet::new();
    for (idx, entry) in shown.registry.entries().into_iter().enumerate() {
        asked.spawn(async move { (idx, MappingJson::of(&entry.whole_status().await)) });
    }
    let mappings: BTreeMap<usize, MappingJson> = asked.join_all().await.into_iter().collect();
    json(&BTreeMap::from([("mappings", mappings.into_values().collect::<Vec<_>>())]))
}

/// One mapping with its tracks.
pub(super) async fn status(State(shown): State<Shown>, Path(name): Path<String>) -> Response {
    let Some(entry) = shown.registry.entry(&name) else { return no_mapping() };
    let (status, now) = (entry.whole_status().await, shown.clock.now().unix);
    // A source that is down would be waited for.
    let is_down = status.told_tracks().iter().any(|it| it.state == "SourceDown");
    let lag = if is_down { None } else { lag(&entry).await };
    json(&WholeMappingJson::of(status, lag, now))
}

/// One mapping without its tracks.
pub(super) async fn one(shown: &Shown, name: &str) -> Response {
    match shown.registry.entry(name) {
        Some(entry) => json(&MappingJson::of(&entry.whole_status().await)),
        None => no_mapping(),
    }
}

async fn lag(entry: &Arc<Entry>) -> Option<Lag> {
    match timeout(LAG_WAIT_MAX, super::backlog::ask(entry)).await {
        Ok(Ok(Backlog { records: None, bytes: None }) | Err(_)) | Err(_) => None,
        Ok(Ok(Backlog { records, bytes })) => Some(Lag { records, bytes }),
    }
}
