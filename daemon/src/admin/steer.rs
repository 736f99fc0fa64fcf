//! Pauses a mapping, lets it go on, and tells what the API made in the words of a config file.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use forebay_pollers::BoxFuture;

use super::Shown;
use super::answer::{json, no_mapping, refused, refused_with};
use super::list::one;
use super::place::awaited;
use crate::control::{ChangeError, ControlHandle};
use crate::lifecycle::Lifecycle;
use crate::sentence::chain;

/// What is known of mappings beside what runs: whether they are paused, durably, and what the API made.
pub trait Steering: Send + Sync {
    /// The mapping finishes what runs and takes nothing new.
    fn pause<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), ChangeError>>;
    /// The mapping goes on from where it stood.
    fn resume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), ChangeError>>;
    /// A mapping that the API made in the words of a config file; `None` when the API made none of this name.
    fn exported<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<serde_json::Value>>;
}

impl Steering for ControlHandle {
    fn pause<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), ChangeError>> {
        Box::pin(Self::pause(self, name))
    }

    fn resume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), ChangeError>> {
        Box::pin(Self::resume(self, name))
    }

    fn exported<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<serde_json::Value>> {
        Box::pin(Self::exported(self, name))
    }
}

/// 200 with the mapping once that is durable; what runs may still be finished then. Pausing a paused mapping
/// changes nothing.
pub(super) async fn pause(State(shown): State<Shown>, Path(name): Path<String>) -> Response {
    if let Err(error) = shown.steering.pause(&name).await {
        return failed(&error);
    }
    // What runs may take longer; nothing begins any more.
    awaited(&shown, &name, |it| matches!(it, Lifecycle::Paused | Lifecycle::Unfit { .. })).await;
    one(&shown, &name).await
}

/// 200 with the mapping once that is durable.
pub(super) async fn resume(State(shown): State<Shown>, Path(name): Path<String>) -> Response {
    if let Err(error) = shown.steering.resume(&name).await {
        return failed(&error);
    }
    // A start that failed is an answer as well: it is tried again for as long as it takes.
    awaited(&shown, &name, |it| *it != Lifecycle::Paused && !it.is_passing()).await;
    one(&shown, &name).await
}

/// 200 with a mapping of the API in the words of a config file; those of the config file stand there.
pub(super) async fn config(State(shown): State<Shown>, Path(name): Path<String>) -> Response {
    let exported = shown.steering.exported(&name).await;
    exported.map_or_else(no_mapping, |it| json(&it))
}

fn failed(error: &ChangeError) -> Response {
    let message = chain(error);
    match error {
        ChangeError::Unknown => no_mapping(),
        ChangeError::Ending => refused(StatusCode::SERVICE_UNAVAILABLE, &message),
        ChangeError::Store(error) => refused_with(StatusCode::SERVICE_UNAVAILABLE, error.code(), &message),
        ChangeError::Build(error) => refused_with(StatusCode::UNPROCESSABLE_ENTITY, error.code(), &message),
        ChangeError::Unfit(_) => refused_with(StatusCode::UNPROCESSABLE_ENTITY, "FB-0537", &message),
    }
}
