//! Runs a function of Lambda: the event is sent as a signed Invoke, the answer is judged by its status and
//! the type of its error.
//!
//! | What happens | What it counts as | Spends a retry |
//! |---|---|---|
//! | 200 | success; with `ReportBatchItemFailures` the body is read | – |
//! | 200 with `X-Amz-Function-Error`: the function failed, ran out of time or memory, or did not start | function error | yes |
//! | 200 whose body is over 6,291,556 bytes | function error | yes |
//! | 200 whose body breaks off or is not complete in time or of which only the head came, any other 2xx | taken, and no answer | yes |
//! | 429; `TooManyRequestsException` and the other names of throttling at any status | not reached: throttled | no |
//! | 413; `RequestTooLargeException`, `RequestEntityTooLargeException` | too large: the batch is halved | no |
//! | 408, 410, 5xx; `ServiceException`, `EC2…`, `ENILimitReached…`, `KMS…`, `SubnetIPAddressLimitReached…`, `InvalidRuntime…`, `InvalidZipFile…`, `SnapStart…` | not reached: platform | no |
//! | 403, 404, 409 and every other 3xx (never followed) and 4xx: no permission, no such function, wrong signature | not reached: configuration | no |
//! | no connection: refused, unknown name, TLS, not in time | not reached: platform | no |
//! | a kept-alive connection closed before it took the request | sent again on a new connection | no |
//! | the connection breaks after the request was begun, or brings something that is not HTTP | taken, and no answer | yes |
//! | no answer within the function's timeout and 10 seconds | taken, and no answer | yes |
//!
//! The type of an error, `x-amzn-ErrorType` or `__type`, goes before its status. `Retry-After`, in seconds or
//! as a date, is honoured wherever the function was not reached. Whatever spends no retry slows the
//! function's gate: one probe at a time.

mod answer;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use forebay_batcher::Reply;
use forebay_clients::{AwsClient, AwsError, AwsTarget, Clients, ExchangeError, Limits};
use forebay_config::Function;
use forebay_config::function::{LAMBDA, LambdaSettings};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::http::ANSWER_BYTES_MAX;
use crate::executor::{BoxFuture, Event, Executor, InvokeError};
use crate::request_id;

/// How many invocations of a Lambda function run at once when its `reserved_concurrent_executions` is not
/// set: what an account has.
pub const CONCURRENCY_DEFAULT: u32 = 1_000;
/// Lambda stops a function at the function's timeout and answers a little later; so long is waited beyond it.
pub const ANSWER_TIME: Duration = Duration::from_secs(10);

const INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("x-amz-client-context");
/// The longest client context that Lambda takes, in bytes of Base64.
pub const CLIENT_CONTEXT_BYTES_MAX: usize = 3_583;
/// What a part of a path or a query holds as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A function of Lambda, or of a server that speaks its Invoke.
#[derive(Debug)]
pub struct LambdaExecutor {
    client: AwsClient,
    path: String,
    function: String,
    function_arn: String,
    time: Duration,
}

impl LambdaExecutor {
    /// Checks the settings and looks for credentials; the function is not called. Meant for start and reload.
    pub async fn new(
        function: &Function,
        settings: &LambdaSettings,
        clients: &Clients,
    ) -> Result<Self, AwsError> {
        let (region, account) = (settings.function.region(), settings.function.account());
        let target = AwsTarget { service: &LAMBDA, own: &settings.aws, region, account, endpoint: None };
        let client = clients.aws_client(target).await?;
        let mut function_arn = settings.function.arn(client.region(), clients.aws.account(&settings.aws));
        let mut path = format!(
            "/2015-03-31/functions/{}/invocations",
            utf8_percent_encode(&settings.function.wire(client.region()), ENCODED)
        );
        if let Some(qualifier) = &settings.qualifier {
            function_arn = format!("{function_arn}:{qualifier}");
            path = format!("{path}?Qualifier={}", utf8_percent_encode(qualifier, ENCODED));
        }
        Ok(Self {
            client,
            path,
            function: function.name.to_string(),
            function_arn,
            time: function.timeout.saturating_add(ANSWER_TIME),
        })
    }

    async fn send(&self, event: Event) -> Result<Reply, InvokeError> {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // An event that Lambda only queues would count as done before its function ran.
        headers.insert(INVOCATION_TYPE, HeaderValue::from_static("RequestResponse"));
        let context = event.hand_off.as_ref().map(|it| STANDARD.encode(it.client_context()));
        // Cut off it would say another thing; without it the function knows that nothing is said.
        if let Some(context) = context.filter(|it| it.len() <= CLIENT_CONTEXT_BYTES_MAX) {
            let value = HeaderValue::try_from(context).expect("Base64 is a header value");
            headers.insert(CLIENT_CONTEXT, value);
        }
        let limits = Limits { time: self.time, answer_bytes: ANSWER_BYTES_MAX };
        // Lambda makes the id; ours stands in where no answer brings it.
        let invocation =
            answer::LambdaInvocation { function: &self.function, request_id: request_id::next() };
        match self.client.post(&self.path, headers, event.pieces, limits).await {
            Ok(answer) => invocation.judge(answer, Timestamp::now()),
            Err(ExchangeError::NotSent(cause)) => Err(invocation.not_connected(cause)),
            Err(error @ (ExchangeError::NoAnswer(_) | ExchangeError::TimedOut)) => {
                Err(invocation.unknown(error.into()))
            }
        }
    }
}

impl Executor for LambdaExecutor {
    fn invoke(&self, event: Event) -> BoxFuture<'_, Result<Reply, InvokeError>> {
        Box::pin(self.send(event))
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
        let ours = rows(include_str!("lambda.rs"));
        assert_eq!(ours.len(), 14);
        assert_eq!(ours, rows(include_str!("../../../docs/functions/lambda.md")));
    }
}
