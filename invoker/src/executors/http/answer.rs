//! From an HTTP answer to a reply: the table of the executor, row by row.

use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{NotReached, Reply};
use forebay_clients::{Answer, BodyError, BoxError};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use crate::executor::InvokeError;
use crate::executors::retry_after::retry_after;
use crate::executors::words::{ONLY_A_HEAD, Refused, has_end, said_in, unreadable, word};

/// One invocation, as far as its answer's meaning depends on it.
pub(super) struct HttpInvocation<'a> {
    pub(super) function: &'a str,
    pub(super) request_id: String,
    pub(super) timeout: Duration,
}

/// What a status stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Success,
    FunctionError,
    NotReached(NotReached),
    TooLarge,
}

fn verdict(status: StatusCode, headers: &HeaderMap) -> Verdict {
    match status.as_u16() {
        // So Lambda says that the function itself failed.
        200..=299 if headers.contains_key("x-amz-function-error") => Verdict::FunctionError,
        200..=299 => Verdict::Success,
        401 | 403 | 404 | 405 | 407 | 409 | 410 => Verdict::NotReached(NotReached::Config),
        413 => Verdict::TooLarge,
        429 => Verdict::NotReached(NotReached::Throttled),
        408 | 502 | 503 | 504 => Verdict::NotReached(NotReached::Platform),
        // Lambda's own service error, which never comes from a function.
        500 if headers.contains_key("x-amzn-errortype") => Verdict::NotReached(NotReached::Platform),
        _ => Verdict::FunctionError,
    }
}

impl HttpInvocation<'_> {
    /// `now` is asked where the answer may name a date.
    pub(super) fn judge(self, answer: Answer, now: impl FnOnce() -> Timestamp) -> Result<Reply, InvokeError> {
        let Answer { head, body } = answer;
        match verdict(head.status, &head.headers) {
            Verdict::Success => match body {
                // Of a connection that broke off behind the head nobody may make an empty success.
                Ok(body) if body.is_empty() && !has_end(&head) => Err(self.unknown(ONLY_A_HEAD.into())),
                Ok(body) => Ok(self.reply(&head, body)),
                Err(BodyError::TimedOut) => Ok(self.timed_out()),
                Err(error @ BodyError::TooLarge { .. }) => {
                    Ok(self.function_error(&head, None, format!("Function.ResponseSizeTooLarge: {error}")))
                }
                Err(error @ BodyError::Broken(_)) => Err(self.unknown(error.into())),
            },
            Verdict::FunctionError => {
                // The status alone says that it failed: a body that broke off takes only the text along.
                let body = body.ok();
                let error = body
                    .as_ref()
                    .map(|it| said_in(&head, it))
                    .filter(|text| !text.is_empty())
                    .unwrap_or_else(|| format!("status {}", head.status));
                Ok(self.function_error(&head, body, error))
            }
            Verdict::TooLarge => Err(InvokeError::TooLarge { function: self.function.to_owned() }),
            Verdict::NotReached(why) => Err(InvokeError::NotReached {
                function: self.function.to_owned(),
                why,
                code: InvokeError::NOT_REACHED,
                retry_after: retry_after(&head.headers, now()),
                cause: Refused::new(
                    head.status,
                    &body.as_ref().map(|it| said_in(&head, it)).unwrap_or_default(),
                )
                .into(),
            }),
        }
    }

    /// What Lambda answers for a function that is over its time.
    pub(super) fn timed_out(self) -> Reply {
        let error =
            format!("Sandbox.Timedout: Task timed out after {:.2} seconds", self.timeout.as_secs_f64());
        Reply {
            request_id: self.request_id,
            status: Some(200),
            executed_version: None,
            function_error: Some("Unhandled".to_owned()),
            error: Some(error),
            payload: None,
            state: None,
        }
    }

    pub(super) fn not_connected(self, cause: BoxError) -> InvokeError {
        let (function, code) = (self.function.to_owned(), InvokeError::NOT_REACHED);
        InvokeError::NotReached { function, why: NotReached::Platform, code, retry_after: None, cause }
    }

    pub(super) fn unknown(self, cause: BoxError) -> InvokeError {
        InvokeError::Unknown { function: self.function.to_owned(), request_id: self.request_id, cause }
    }

    fn function_error(self, head: &http::response::Parts, body: Option<Bytes>, error: String) -> Reply {
        let kind = word(&head.headers, "x-amz-function-error").unwrap_or_else(|| "Unhandled".to_owned());
        Reply {
            function_error: Some(kind),
            error: Some(error),
            payload: body,
            ..self.reply(head, Bytes::new())
        }
    }

    /// The facts of the head; a platform's own request id and version win over ours.
    fn reply(self, head: &http::response::Parts, body: Bytes) -> Reply {
        Reply {
            request_id: word(&head.headers, "x-amzn-requestid").unwrap_or(self.request_id),
            status: Some(head.status.as_u16()),
            executed_version: word(&head.headers, "x-amz-executed-version"),
            function_error: None,
            error: unreadable(head, &body),
            payload: Some(body),
            state: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn judged(status: u16, headers: &[(&'static str, &str)], body: Result<Bytes, BodyError>) -> String {
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let (head, ()) = response.body(()).unwrap().into_parts();
        let invocation = HttpInvocation {
            function: "resize",
            request_id: "ours".to_owned(),
            timeout: Duration::from_secs(3),
        };
        match invocation.judge(Answer { head, body }, || Timestamp::UNIX_EPOCH) {
            Ok(reply) => format!(
                "{} {:?} {} {}",
                reply.request_id,
                reply.status,
                reply.function_error.unwrap_or_else(|| "ok".to_owned()),
                reply.error.unwrap_or_default()
            ),
            Err(InvokeError::NotReached { why, retry_after, cause, .. }) => {
                format!("{why:?} {retry_after:?} {cause}")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_status_has_its_verdict() {
        let mut lines = Vec::new();
        for status in 200..600 {
            let verdict = format!("{:?}", verdict(StatusCode::from_u16(status).unwrap(), &HeaderMap::new()));
            match lines.last_mut() {
                Some((_, to, last)) if *last == verdict => *to = status,
                _ => lines.push((status, status, verdict)),
            }
        }
        let table: Vec<_> =
            lines.iter().map(|(from, to, verdict)| format!("{from}-{to} {verdict}")).collect();
        expect![[r#"
            200-299 Success
            300-400 FunctionError
            401-401 NotReached(Config)
            402-402 FunctionError
            403-405 NotReached(Config)
            406-406 FunctionError
            407-407 NotReached(Config)
            408-408 NotReached(Platform)
            409-410 NotReached(Config)
            411-412 FunctionError
            413-413 TooLarge
            414-428 FunctionError
            429-429 NotReached(Throttled)
            430-501 FunctionError
            502-504 NotReached(Platform)
            505-599 FunctionError"#]]
        .assert_eq(&table.join("\n"));
    }

    #[test]
    fn lambdas_own_headers_are_honoured() {
        let ok = |text: &'static str| Ok(Bytes::from_static(text.as_bytes()));
        let lines = [
            judged(200, &[("x-amzn-RequestId", "theirs")], ok("{}")),
            judged(200, &[("X-Amz-Function-Error", "Handled")], ok(r#"{"errorMessage":"no"}"#)),
            judged(200, &[("x-amzn-RequestId", "")], ok("{}")),
            judged(500, &[("x-amzn-ErrorType", "ServiceException")], ok("")),
            judged(500, &[], ok("")),
            judged(500, &[("content-encoding", "gzip")], Ok(Bytes::from_static(b"\x1f\x8b"))),
            judged(503, &[("content-encoding", "br")], Ok(Bytes::from_static(b"\xff"))),
            judged(500, &[("content-encoding", "utf-8")], ok("plain")),
            judged(200, &[("content-encoding", "gzip")], Ok(Bytes::from_static(b"\x1f\x8b"))),
            judged(200, &[("content-encoding", "gzip")], ok("{}")),
            judged(200, &[("content-encoding", "identity")], ok("no JSON")),
            judged(
                429,
                &[("retry-after", "3")],
                ok(r#"{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded"}"#),
            ),
            judged(200, &[], Err(BodyError::TooLarge { bytes_max: 3 })),
            judged(200, &[], Err(BodyError::TimedOut)),
            judged(200, &[], Err(BodyError::Broken("gone".into()))),
            judged(503, &[], Err(BodyError::Broken("gone".into()))),
        ];
        expect![[r#"
            theirs Some(200) ok 
            ours Some(200) Handled no
            ours Some(200) ok 
            Platform None status 500 Internal Server Error
            ours Some(500) Unhandled status 500 Internal Server Error
            ours Some(500) Unhandled the answer is compressed (Content-Encoding: gzip), which is not read: the request asked for identity; switch it off at the server
            Platform None status 503 Service Unavailable: the answer is compressed (Content-Encoding: br), which is not read: the request asked for identity; switch it off at the server
            ours Some(500) Unhandled plain
            ours Some(200) ok the answer is compressed (Content-Encoding: gzip), which is not read: the request asked for identity; switch it off at the server
            ours Some(200) ok 
            ours Some(200) ok 
            Throttled Some(3s) status 429 Too Many Requests: {"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded"}
            ours Some(200) Unhandled Function.ResponseSizeTooLarge: the answer has more than 3 bytes
            ours Some(200) Unhandled Sandbox.Timedout: Task timed out after 3.00 seconds
            function resize took the event and gave no answer
            Platform None status 503 Service Unavailable"#]]
        .assert_eq(&lines.join("\n"));
    }
}
