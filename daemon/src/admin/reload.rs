//! Reads the config again when asked to, and answers when it is clear what became of it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::sync::oneshot;

use super::Shown;
use super::answer::{json, refused};
use crate::reload::ReloadOutcome;

/// 200 when the config holds, 422 when it was rejected, both with the outcome as JSON; 503 when the process
/// drains.
pub(super) async fn reload(State(shown): State<Shown>) -> Response {
    let (answer, told) = oneshot::channel();
    let is_sent = shown.reloads.requests.send(answer).await.is_ok();
    match told.await {
        Ok(outcome) if is_sent => {
            let status = match &outcome {
                ReloadOutcome::Applied(_) => StatusCode::OK,
                ReloadOutcome::Rejected(_) => StatusCode::UNPROCESSABLE_ENTITY,
            };
            (status, json(&outcome)).into_response()
        }
        // Whoever takes requests is gone: nothing is read any more.
        Ok(_) | Err(_) => refused(StatusCode::SERVICE_UNAVAILABLE, "the process is draining"),
    }
}
