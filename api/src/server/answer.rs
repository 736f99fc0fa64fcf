//! Answers over HTTP.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};

use super::request_id::RequestId;
use crate::error::ApiError;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// An error, as AWS's clients read it.
pub fn of_error(error: &ApiError) -> Response<Body> {
    let mut response = Response::new(Body::from(error.body()));
    *response.status_mut() =
        StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in error.headers() {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// A value as JSON; nothing at all where the status says that there is none.
pub(super) fn of_json(status: u16, body: Vec<u8>) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let is_empty = status == StatusCode::NO_CONTENT;
    let mut response = Response::new(if is_empty { Body::empty() } else { Body::from(body) });
    *response.status_mut() = status;
    if !is_empty {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

/// Gives an answer its id, where the endpoint behind has not given it one.
pub(super) fn with_id(mut response: Response<Body>, id: RequestId) -> Response<Body> {
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().entry(REQUEST_ID).or_insert(id);
    }
    response
}
