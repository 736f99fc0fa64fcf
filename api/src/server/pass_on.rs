//! Calls of Lambda's API that are not about mappings, passed on to the endpoint that the config names.

use std::error::Error;

use axum::body::Body;
use axum::http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, VIA,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Request, Response, Uri};
use forebay_clients::{AwsRelay, RelayError, StreamBody, StreamError};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::bounds::{Bodies, PASSED_BYTES_MAX};
use super::guard::Payload;
use super::in_time::InTime;
use super::tokens;
use crate::error::{ApiError, ErrorType};

/// Headers that are about one connection, not about the call.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// The hash of a body, when a client sends it.
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// Where calls that are not about mappings go.
#[derive(Debug)]
pub struct PassOn {
    relay: Option<AwsRelay>,
    /// Names this process in `Via`, so that a call which comes back to it does not go round for ever.
    name: String,
}

impl PassOn {
    /// To whoever the relay reaches; `None` refuses all.
    pub fn new(relay: Option<AwsRelay>) -> Self {
        Self { relay, name: format!("1.1 forebay-{}", process_id()) }
    }

    /// Where to.
    pub fn endpoint(&self) -> Option<&str> {
        self.relay.as_ref().map(AwsRelay::endpoint)
    }

    /// Passes a call on; the answer's body is unread.
    pub(super) async fn pass(
        &self,
        parts: Parts,
        body: Payload,
        bodies: &Bodies,
    ) -> Result<Response<Body>, ApiError> {
        let Some(relay) = &self.relay else { return Err(no_endpoint(&parts.method, &parts.uri)) };
        if parts.headers.get_all(VIA).iter().any(|it| it.as_bytes() == self.name.as_bytes()) {
            let message = format!(
                "{} leads back here: aws.endpoints.lambda must name a server of Lambda, not this process",
                relay.endpoint()
            );
            return Err(ApiError::new(ErrorType::BadGateway, message));
        }
        // A signature covers the hash of the body: where the client brings none, the body is read for it.
        let (hash, body, memory) = match body {
            Payload::Unread(body) if relay.signs() => match sent_hash(&parts.headers) {
                Some(hash) => (Some(hash), body, None),
                None => {
                    let read = bodies.read(body, PASSED_BYTES_MAX).await?;
                    (Some(hash_of(&read.bytes)), Body::from(read.bytes), read.memory)
                }
            },
            Payload::Unread(body) => (None, body, None),
            Payload::Read(read) => {
                (relay.signs().then(|| hash_of(&read.bytes)), Body::from(read.bytes), read.memory)
            }
        };
        let request = self.request(parts, body);
        let sent = relay.send(request, hash).await;
        // The body went out with the request, and the answer is not kept.
        drop(memory);
        let (mut parts, body) = sent.map_err(|error| refusal(relay.endpoint(), &error))?.into_parts();
        remove_hops(&mut parts.headers);
        Ok(Response::from_parts(parts, Body::new(body)))
    }

    /// The call as it goes out: method, path, query, headers and body as they came, less what was about the
    /// connection.
    fn request(&self, parts: Parts, body: Body) -> Request<StreamBody> {
        let n_bytes = body.size_hint().exact();
        let mut request = Request::new(InTime::new(body).boxed_unsync());
        *request.method_mut() = parts.method;
        *request.uri_mut() = parts.uri;
        let mut headers = parts.headers;
        remove_hops(&mut headers);
        // The host is another one now, and whether to send the body was asked of us.
        for name in [HOST, EXPECT] {
            headers.remove(name);
        }
        if headers.get(AUTHORIZATION).is_some_and(|it| tokens::of_header(it.as_bytes()).is_some()) {
            // A token of ours is nobody else's.
            headers.remove(AUTHORIZATION);
        }
        if n_bytes.is_none() {
            headers.remove(CONTENT_LENGTH);
        }
        if let Ok(name) = HeaderValue::from_str(&self.name) {
            headers.append(VIA, name);
        }
        *request.headers_mut() = headers;
        request
    }
}

/// This process among all that could stand in a row.
fn process_id() -> Uuid {
    static ID: std::sync::OnceLock<Uuid> = std::sync::OnceLock::new();
    *ID.get_or_init(Uuid::new_v4)
}

fn remove_hops(headers: &mut HeaderMap) {
    // Before `connection` goes itself, which names them.
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|it| it.to_str().ok())
        .flat_map(|it| it.split(','))
        .filter_map(|it| it.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn hash_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The hash that a client says its body has. Nobody here checks it; the endpoint does.
fn sent_hash(headers: &HeaderMap) -> Option<String> {
    let hash = headers.get(CONTENT_SHA256)?.to_str().ok()?;
    let is_hash = hash.len() == 64 && hash.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    is_hash.then(|| hash.to_owned())
}

fn no_endpoint(method: &Method, uri: &Uri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    let message = format!(
        "Forebay answers the calls about event source mappings; {method} {path} is another call of Lambda, and no endpoint is configured to pass it on \
         to: write aws.endpoints.lambda"
    );
    ApiError::new(ErrorType::UnknownOperation, message)
}

fn refusal(endpoint: &str, error: &RelayError) -> ApiError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(it) = cause {
        text.push_str(&format!(": {it}"));
        cause = it.source();
    }
    let error_type = match error {
        RelayError::Stream(StreamError::NotSent(_)) | RelayError::Credentials(_) => ErrorType::Unavailable,
        RelayError::Stream(StreamError::NoAnswer(_)) => ErrorType::BadGateway,
        RelayError::Request(_) => ErrorType::BadRequest,
    };
    ApiError::new(
        error_type,
        format!("The call could not be passed on to Lambda's endpoint {endpoint}: {text}"),
    )
}

/// Whether a call is not passed on although nobody here answers it: its path would be one of the mapping API
/// for a server that reads paths more generously, which would make mappings behind our back; or it asks for a
/// page of `/v1/` that there is not.
pub(super) fn stays_here(path: &str) -> bool {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split(['/', '\\']) {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let is = |idx: usize, word: &str| segments.get(idx).is_some_and(|it| it.eq_ignore_ascii_case(word));
    is(1, "event-source-mappings") || is(0, "v1")
}
