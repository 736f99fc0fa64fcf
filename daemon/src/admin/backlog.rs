//! How much waits for a mapping, as one number for whoever scales workers by it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use forebay_pollers::{Backlog, SourceError};
use serde::Serialize;
use tokio::time::timeout;

use super::Shown;
use super::answer::{json, no_mapping, refused, refused_with};
use super::place::{down, settled};
use crate::operator_request::NotStood;
use crate::registry::Entry;
use crate::sentence::chain;

/// How long a source may take to tell.
const WAIT_MAX: Duration = Duration::from_secs(10);

#[derive(Serialize)]
struct BacklogJson {
    backlog: u64,
    unit: &'static str,
    records: Option<u64>,
    bytes: Option<u64>,
}

/// Why there is no number.
pub(super) enum NoBacklog {
    /// Nobody can tell where it stands.
    Stood(NotStood),
    /// The source cannot be asked.
    Source(Arc<SourceError>),
}

/// How much waits behind what is durably finished.
pub(super) async fn ask(entry: &Arc<Entry>) -> Result<Backlog, NoBacklog> {
    let inspector = entry.inspector().ok_or(NoBacklog::Stood(NotStood::NotNow))?;
    // Behind what is durable and not behind what was read: what is held here is not done.
    let places = entry.stood().await.map_err(NoBacklog::Stood)?;
    inspector.backlog(places.as_deref()).await.map_err(NoBacklog::Source)
}

/// 200 with records where the source counts them, else with bytes; 501 where it counts neither, 503 when it
/// cannot be asked.
pub(super) async fn backlog(State(shown): State<Shown>, Path(name): Path<String>) -> Response {
    let Some(entry) = settled(&shown, &name).await else { return no_mapping() };
    match timeout(WAIT_MAX, ask(&entry)).await {
        // Records where both are known: whoever scales by the number thinks in those.
        Ok(Ok(Backlog { records: Some(n), bytes })) => {
            json(&BacklogJson { backlog: n, unit: "records", records: Some(n), bytes })
        }
        Ok(Ok(Backlog { records: None, bytes: Some(n) })) => {
            json(&BacklogJson { backlog: n, unit: "bytes", records: None, bytes: Some(n) })
        }
        Ok(Ok(Backlog { records: None, bytes: None })) => {
            let message =
                format!("a source of kind {} does not tell how much waits in it", entry.source_kind());
            refused_with(StatusCode::NOT_IMPLEMENTED, "FB-0525", &message)
        }
        Ok(Err(NoBacklog::Source(error))) => down(&error),
        Ok(Err(NoBacklog::Stood(error))) => refused(StatusCode::SERVICE_UNAVAILABLE, &chain(&error)),
        Err(_) => {
            refused_with(StatusCode::SERVICE_UNAVAILABLE, "FB-0504", "the source has not answered in time")
        }
    }
}
