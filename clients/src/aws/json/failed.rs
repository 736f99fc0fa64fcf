//! What an answer says: that it worked, or why not, and whether trying again may help.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::retry::RetryCost;
use crate::aws::skew::TELLING_MS;
use crate::aws::{CallFailure, with_causes};
use crate::exchange::{BodyError, ExchangeError, coding_of, compressed};

/// Codes that ask to slow down.
const THROTTLES: [&str; 14] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "RequestThrottled",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
];
/// Codes that say that it took too long.
const TIMEOUTS: [&str; 2] = ["RequestTimeout", "RequestTimeoutException"];
/// Codes that a signature of another time may be refused with.
const OF_TIME: [&str; 5] = [
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "AuthFailure",
    "RequestTimeTooSkewed",
    "AccessDeniedException",
];
/// So much of an answer that is not understood is shown.
const SHOWN_CHARS: usize = 80;

/// A try that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) failure: CallFailure,
    /// How long the service asks to wait.
    pub(super) retry_after: Option<Duration>,
    cost: Option<RetryCost>,
    /// It was refused for the time of its signature, and its answer shows the right one.
    pub(super) is_clock_mended: bool,
}

impl Failed {
    /// Trying again would not help.
    pub(super) fn final_one(failure: CallFailure) -> Self {
        Self { failure, retry_after: None, cost: None, is_clock_mended: false }
    }

    /// There is no answer.
    pub(super) fn lost(error: &ExchangeError) -> Self {
        Self::without_answer(with_causes(error))
    }

    fn without_answer(text: String) -> Self {
        Self { cost: Some(RetryCost::Lost), ..Self::final_one(CallFailure::Unreachable(text)) }
    }

    /// What a retry costs; `None` where it would not help.
    pub(super) fn retry_cost(&self) -> Option<RetryCost> {
        self.cost
    }
}

/// The body of an answer that says that it worked. `skew` is how far the clocks are apart as it shows.
pub(super) fn judged(
    head: Parts,
    body: Result<Bytes, BodyError>,
    skew: Option<i64>,
) -> Result<Bytes, Failed> {
    let body = match body {
        Ok(body) => body,
        Err(error @ BodyError::TooLarge { .. }) => {
            return Err(Failed::final_one(CallFailure::Unusable(with_causes(&error))));
        }
        Err(error @ (BodyError::Broken(_) | BodyError::TimedOut)) => {
            return Err(Failed::without_answer(with_causes(&error)));
        }
    };
    if let Some(coding) = coding_of(&head) {
        return Err(of_answer(&head, skew, None, CallFailure::Unusable(compressed(coding))));
    }
    if head.status.is_success() {
        return Ok(body);
    }
    let told = told(&head.headers, &body);
    let (code, failure) = match told {
        Some((Some(code), message)) => {
            let text = format!("{code}: {}", message.as_deref().unwrap_or("no message"));
            (Some(code.clone()), CallFailure::Answered(code, text))
        }
        Some((None, message)) => {
            let message = message.as_deref().unwrap_or("no message");
            (None, CallFailure::Unusable(format!("the answer is {} without a code: {message}", head.status)))
        }
        None => (None, CallFailure::Unusable(not_understood(head.status, &body))),
    };
    Err(of_answer(&head, skew, code.as_deref(), failure))
}

fn of_answer(head: &Parts, skew: Option<i64>, code: Option<&str>, failure: CallFailure) -> Failed {
    let is = |codes: &[&str]| code.is_some_and(|it| codes.contains(&it));
    let is_transient = matches!(
        head.status,
        StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    );
    let is_clock_mended = is(&OF_TIME) && skew.is_some_and(|it| it.unsigned_abs() > TELLING_MS);
    let cost = if is(&THROTTLES) || is_clock_mended {
        Some(RetryCost::Asked)
    } else {
        (is_transient || is(&TIMEOUTS)).then_some(RetryCost::Lost)
    };
    let retry_after = head.headers.get("x-amz-retry-after").and_then(|it| it.to_str().ok()?.parse().ok());
    Failed { failure, cost, retry_after: retry_after.map(Duration::from_millis), is_clock_mended }
}

/// What is said of an error. Texts only: what is none says nothing.
#[derive(Deserialize)]
struct ErrorBody<'a> {
    #[serde(borrow, rename = "__type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow, rename = "Message")]
    capital: Option<&'a RawValue>,
    #[serde(borrow, rename = "errorMessage")]
    other: Option<&'a RawValue>,
}

/// Code and message; `None` when the body is not what a service says. A code stands in a header, or in the
/// body behind a namespace or before an address.
fn told(headers: &HeaderMap, body: &[u8]) -> Option<(Option<String>, Option<String>)> {
    // Without a body the header says it all.
    let body: ErrorBody<'_> = serde_json::from_slice(if body.is_empty() { b"{}" } else { body }).ok()?;
    let text = |it: Option<&RawValue>| serde_json::from_str::<String>(it?.get()).ok();
    let header = |name: &str| headers.get(name).and_then(|it| it.to_str().ok());
    let query = header("x-amzn-query-error").and_then(|it| it.split_once(';'));
    let code = match (query, header("x-amzn-errortype")) {
        (Some((code, _)), _) => Some(Cow::Borrowed(code)),
        (None, Some(kind)) => Some(Cow::Borrowed(bare(kind))),
        (None, None) => {
            text(body.code).or_else(|| text(body.kind)).map(|it| Cow::Owned(bare(&it).to_owned()))
        }
    };
    Some((code.map(Cow::into_owned), text(body.message.or(body.capital).or(body.other))))
}

/// `com.amazonaws.sqs#QueueDoesNotExist:http://…` without what stands around the name.
fn bare(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    code.split_once('#').map_or(code, |(_, code)| code)
}

fn not_understood(status: StatusCode, body: &[u8]) -> String {
    let begin: String = String::from_utf8_lossy(body).chars().take(SHOWN_CHARS).collect();
    format!("the answer is {status} and no error of the service: {begin:?}")
}
