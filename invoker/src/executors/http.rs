//! Runs a function behind an HTTP endpoint: the event is POSTed, the answer is judged by its status.
//!
//! | What happens | What it counts as | Spends a retry |
//! |---|---|---|
//! | 2xx | success; with `ReportBatchItemFailures` the body is read | – |
//! | 2xx with `X-Amz-Function-Error` | function error | yes |
//! | 2xx whose body is over 6,291,556 bytes | function error | yes |
//! | 2xx whose body breaks off, or an HTTP/1.1 head behind which the connection ends unannounced | taken, and no answer | yes |
//! | 1xx that is not followed by an answer, 3xx (never followed) | function error | yes |
//! | 401, 403, 404, 405, 407, 409, 410 | not reached: configuration | no |
//! | 408, 502, 503, 504; 500 with `x-amzn-ErrorType` | not reached: platform | no |
//! | 413 | too large: the batch is halved | no |
//! | 429 | not reached: throttled | no |
//! | every other 4xx and 5xx | function error | yes |
//! | no connection: refused, unknown name, TLS, not in time | not reached: platform | no |
//! | a kept-alive connection closed before it took the request | sent again on a new connection | no |
//! | the connection breaks after the request was begun, or brings something that is not HTTP | taken, and no answer | yes |
//! | the function's timeout passes after the request was begun | function error | yes |
//!
//! `Retry-After`, in seconds or as a date, is honoured wherever the function was not reached. Whatever spends
//! no retry slows the function's gate: one probe at a time.

mod answer;

use std::time::Duration;

use forebay_batcher::Reply;
use forebay_clients::{ExchangeError, HttpClients, Limits};
use forebay_config::Function;
use forebay_config::function::HttpSettings;
use http::{HeaderName, HeaderValue};
use jiff::Timestamp;

use crate::endpoint::{Endpoint, EndpointError};
use crate::executor::{BoxFuture, Event, Executor, InvokeError};
use crate::hand_off::HandOff;
use crate::request_id;

/// How many invocations of an HTTP function run at once when its `reserved_concurrent_executions` is not set.
pub const CONCURRENCY_DEFAULT: u32 = 10;
/// The longest answer of a function, in bytes: Lambda's 6 MiB and 100 bytes.
pub const ANSWER_BYTES_MAX: usize = 6_291_556;

const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE_MS: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const FUNCTION_ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");

/// A function behind an HTTP endpoint.
#[derive(Debug)]
pub struct HttpExecutor {
    endpoint: Endpoint,
    function: String,
    function_arn: String,
    arn_header: HeaderValue,
    timeout: Duration,
}

impl HttpExecutor {
    /// Checks the settings; nothing is sent. Reads the CA file, so it is meant for start and reload.
    pub fn new(
        function: &Function,
        settings: &HttpSettings,
        function_arn: String,
        clients: &HttpClients,
    ) -> Result<Self, EndpointError> {
        let endpoint = Endpoint::new(settings, clients)?;
        let refused = |_| EndpointError::Header {
            endpoint: endpoint.label().to_owned(),
            name: FUNCTION_ARN.to_string(),
        };
        let arn_header = HeaderValue::from_str(&function_arn).map_err(refused)?;
        Ok(Self {
            endpoint,
            function: function.name.to_string(),
            function_arn,
            arn_header,
            timeout: function.timeout,
        })
    }

    async fn post(&self, event: Event) -> Result<Reply, InvokeError> {
        let request_id = request_id::next();
        let deadline_ms = Timestamp::now()
            .as_millisecond()
            .saturating_add(i64::try_from(self.timeout.as_millis()).unwrap_or(i64::MAX));
        let own = [
            (REQUEST_ID, HeaderValue::try_from(&request_id).expect("a UUID is a header value")),
            (DEADLINE_MS, HeaderValue::from(deadline_ms)),
            (FUNCTION_ARN, self.arn_header.clone()),
        ];
        let headers = own.into_iter().chain(event.hand_off.iter().flat_map(HandOff::headers));
        let limits = Limits { time: self.timeout, answer_bytes: ANSWER_BYTES_MAX };
        let invocation =
            answer::HttpInvocation { function: &self.function, request_id, timeout: self.timeout };
        match self.endpoint.post(headers, event.pieces, limits).await {
            Ok(answer) => invocation.judge(answer, Timestamp::now),
            Err(ExchangeError::NotSent(cause)) => Err(invocation.not_connected(cause)),
            Err(ExchangeError::NoAnswer(cause)) => Err(invocation.unknown(cause)),
            Err(ExchangeError::TimedOut) => Ok(invocation.timed_out()),
        }
    }
}

impl Executor for HttpExecutor {
    fn invoke(&self, event: Event) -> BoxFuture<'_, Result<Reply, InvokeError>> {
        Box::pin(self.post(event))
    }

    fn function_arn(&self) -> &str {
        &self.function_arn
    }

    /// Nothing runs between invocations but idle connections, which close with the client.
    fn stop(&self, _grace: Duration) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[cfg(test)]
mod tests {
    use crate::executors::rows;

    #[test]
    fn the_manual_has_the_table_of_this_file() {
        let ours = rows(include_str!("http.rs"));
        assert_eq!(ours.len(), 16);
        assert_eq!(ours, rows(include_str!("../../../docs/functions/http.md")));
    }
}
