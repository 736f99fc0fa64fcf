//! Answers as JSON, refusals with a sentence and the page of the manual.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Why something was refused.
#[derive(Debug, Serialize)]
struct RefusalBody<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
}

/// A JSON answer.
pub(super) fn json(value: &impl Serialize) -> Response {
    let text = serde_json::to_string(value).expect("strings and numbers only, written to memory");
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}

/// A refusal with its reason.
pub(super) fn refused(status: StatusCode, message: &str) -> Response {
    (status, json(&RefusalBody { message, code: None })).into_response()
}

/// The same with the page of the manual.
pub(super) fn refused_with(status: StatusCode, code: &str, message: &str) -> Response {
    (status, json(&RefusalBody { message, code: Some(code) })).into_response()
}

/// There is no such mapping.
pub(super) fn no_mapping() -> Response {
    refused(StatusCode::NOT_FOUND, "there is no such mapping")
}
