//! From an answer of Invoke to a reply: the table of the executor, row by row.

use bytes::Bytes;
use forebay_batcher::{NotReached, Reply};
use forebay_clients::{Answer, BodyError, BoxError};
use http::StatusCode;
use http::response::Parts;
use jiff::Timestamp;
use serde::Deserialize;

use crate::executor::InvokeError;
use crate::executors::retry_after::retry_after;
use crate::executors::words::{ONLY_A_HEAD, Refused, has_end, said, said_in, unreadable, word};

/// Types of errors that say "later", whatever their status.
const THROTTLED: [&str; 6] = [
    "TooManyRequestsException",
    "ThrottlingException",
    "ThrottledException",
    "Throttling",
    "RequestLimitExceeded",
    "RequestThrottledException",
];
const TOO_LARGE: [&str; 2] = ["RequestTooLargeException", "RequestEntityTooLargeException"];
/// How the types of errors begin that are the platform's own.
const PLATFORM: [&str; 8] = [
    "ServiceException",
    "EC2",
    "ENILimitReached",
    "KMS",
    "SubnetIPAddressLimitReached",
    "InvalidRuntime",
    "InvalidZipFile",
    "SnapStart",
];

/// One invocation, as far as its answer's meaning depends on it.
pub(super) struct LambdaInvocation<'a> {
    pub(super) function: &'a str,
    pub(super) request_id: String,
}

/// What Lambda says besides the status of an error.
#[derive(Deserialize, Default)]
struct ErrorBody {
    #[serde(rename = "__type")]
    kind: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
    #[serde(rename = "Reason")]
    reason: Option<String>,
}

impl LambdaInvocation<'_> {
    pub(super) fn judge(self, answer: Answer, now: Timestamp) -> Result<Reply, InvokeError> {
        let Answer { head, body } = answer;
        if head.status == StatusCode::OK {
            return self.ran(&head, body);
        }
        if head.status.is_success() {
            return Err(self.unknown(Refused::new(head.status, "Lambda answers an Invoke with 200").into()));
        }
        // Status and header judge it without the body, which only adds words.
        let body = body.unwrap_or_default();
        let error: ErrorBody = serde_json::from_slice(&body).unwrap_or_default();
        let kind = word(&head.headers, "x-amzn-errortype").or_else(|| error.kind.clone()).unwrap_or_default();
        let kind = bare(&kind);
        match why(head.status, kind) {
            None => Err(InvokeError::TooLarge { function: self.function.to_owned() }),
            Some(why) => Err(InvokeError::NotReached {
                function: self.function.to_owned(),
                why,
                code: InvokeError::NOT_REACHED,
                retry_after: retry_after(&head.headers, now),
                cause: Refused::new(head.status, &text(kind, &error, &head, &body)).into(),
            }),
        }
    }

    pub(super) fn not_connected(self, cause: BoxError) -> InvokeError {
        let (function, code) = (self.function.to_owned(), InvokeError::NOT_REACHED);
        InvokeError::NotReached { function, why: NotReached::Platform, code, retry_after: None, cause }
    }

    pub(super) fn unknown(self, cause: BoxError) -> InvokeError {
        InvokeError::Unknown { function: self.function.to_owned(), request_id: self.request_id, cause }
    }

    /// The function ran, or Lambda tried to run it.
    fn ran(self, head: &Parts, body: Result<Bytes, BodyError>) -> Result<Reply, InvokeError> {
        let failed = word(&head.headers, "x-amz-function-error");
        let (function_error, error, payload) = match (failed, body) {
            // Of a connection that broke off behind the head nobody may make an empty success.
            (None, Ok(body)) if body.is_empty() && !has_end(head) => {
                return Err(self.unknown(ONLY_A_HEAD.into()));
            }
            (None, Ok(body)) => (None, unreadable(head, &body), Some(body)),
            (Some(kind), Ok(body)) => (Some(kind), Some(said_in(head, &body)), Some(body)),
            (failed, Err(error @ BodyError::TooLarge { .. })) => (
                failed.or_else(|| Some("Unhandled".to_owned())),
                Some(format!("Function.ResponseSizeTooLarge: {error}")),
                None,
            ),
            // That it failed is known; what it said is not.
            (Some(kind), Err(error)) => (Some(kind), Some(error.to_string()), None),
            (None, Err(error)) => return Err(self.unknown(error.into())),
        };
        Ok(Reply {
            request_id: word(&head.headers, "x-amzn-requestid").unwrap_or(self.request_id),
            status: Some(head.status.as_u16()),
            executed_version: word(&head.headers, "x-amz-executed-version"),
            function_error,
            error,
            payload,
            state: None,
        })
    }
}

/// In which way the function was not reached; `None` when the event is too large.
fn why(status: StatusCode, kind: &str) -> Option<NotReached> {
    if TOO_LARGE.contains(&kind) {
        return None;
    }
    if THROTTLED.contains(&kind) {
        return Some(NotReached::Throttled);
    }
    if PLATFORM.iter().any(|it| kind.starts_with(it)) {
        return Some(NotReached::Platform);
    }
    match status.as_u16() {
        413 => None,
        429 => Some(NotReached::Throttled),
        408 | 410 | 500.. => Some(NotReached::Platform),
        _ => Some(NotReached::Config),
    }
}

/// The type without the namespace before it and the address behind it: `com.amazonaws.lambda#Name:http://…`.
fn bare(kind: &str) -> &str {
    let kind = kind.rsplit_once('#').map_or(kind, |(_, kind)| kind);
    kind.split(':').next().unwrap_or_default()
}

fn text(kind: &str, error: &ErrorBody, head: &Parts, body: &Bytes) -> String {
    let message = error.message.clone().map_or_else(|| said_in(head, body), |message| said(&message.into()));
    let reason = error.reason.as_deref().map(|reason| said(&Bytes::copy_from_slice(reason.as_bytes())));
    let parts = [Some(kind.to_owned()), reason, Some(message)];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn judged(
        status: u16,
        headers: &[(&'static str, &str)],
        body: Result<&'static str, BodyError>,
    ) -> String {
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let (head, ()) = response.body(()).unwrap().into_parts();
        let invocation = LambdaInvocation { function: "resize", request_id: "ours".to_owned() };
        match invocation.judge(Answer { head, body: body.map(Bytes::from) }, Timestamp::UNIX_EPOCH) {
            Ok(reply) => format!("{reply:?}"),
            Err(InvokeError::NotReached { why, retry_after, cause, .. }) => {
                format!("{why:?} {retry_after:?} {cause}")
            }
            Err(error) => crate::outcome::chain(&error),
        }
    }

    #[test]
    fn every_status_without_a_type_has_its_verdict() {
        let mut lines: Vec<(u16, u16, String)> = Vec::new();
        for status in 300..600 {
            let verdict = format!("{:?}", why(StatusCode::from_u16(status).unwrap(), ""));
            match lines.last_mut() {
                Some((_, to, last)) if *last == verdict => *to = status,
                _ => lines.push((status, status, verdict)),
            }
        }
        let table: Vec<_> =
            lines.iter().map(|(from, to, verdict)| format!("{from}-{to} {verdict}")).collect();
        expect![[r#"
            300-407 Some(Config)
            408-408 Some(Platform)
            409-409 Some(Config)
            410-410 Some(Platform)
            411-412 Some(Config)
            413-413 None
            414-428 Some(Config)
            429-429 Some(Throttled)
            430-499 Some(Config)
            500-599 Some(Platform)"#]]
        .assert_eq(&table.join("\n"));
    }

    #[test]
    fn every_type_has_its_verdict_whatever_its_status() {
        let cases = [
            (429, "TooManyRequestsException"),
            (400, "ThrottlingException"),
            (413, "RequestEntityTooLargeException"),
            (413, "RequestTooLargeException"),
            (500, "ServiceException"),
            (502, "EC2AccessDeniedException"),
            (502, "EC2ThrottledException"),
            (502, "EC2UnexpectedException"),
            (502, "ENILimitReachedException"),
            (502, "KMSAccessDeniedException"),
            (502, "KMSDisabledException"),
            (502, "SubnetIPAddressLimitReachedException"),
            (502, "InvalidRuntimeException"),
            (502, "InvalidZipFileException"),
            (400, "SnapStartException"),
            (409, "SnapStartNotReadyException"),
            (408, "SnapStartTimeoutException"),
            (408, "EFSMountTimeoutException"),
            (410, "EFSIOException"),
            (403, "AccessDeniedException"),
            (403, "InvalidSignatureException"),
            (400, "InvalidRequestContentException"),
            (404, "ResourceNotFoundException"),
            (409, "ResourceConflictException"),
        ];
        let table: Vec<_> = cases
            .iter()
            .map(|(status, kind)| {
                let header = judged(
                    *status,
                    &[("x-amzn-ErrorType", &format!("{kind}:http://internal.example/"))],
                    Ok(""),
                );
                assert_eq!(
                    why(
                        StatusCode::from_u16(*status).unwrap(),
                        bare(&format!("com.amazonaws.lambda#{kind}"))
                    ),
                    why(StatusCode::from_u16(*status).unwrap(), kind)
                );
                header
            })
            .collect();
        expect![[r#"
            Throttled None status 429 Too Many Requests: TooManyRequestsException
            Throttled None status 400 Bad Request: ThrottlingException
            the event is larger than function resize takes
            the event is larger than function resize takes
            Platform None status 500 Internal Server Error: ServiceException
            Platform None status 502 Bad Gateway: EC2AccessDeniedException
            Platform None status 502 Bad Gateway: EC2ThrottledException
            Platform None status 502 Bad Gateway: EC2UnexpectedException
            Platform None status 502 Bad Gateway: ENILimitReachedException
            Platform None status 502 Bad Gateway: KMSAccessDeniedException
            Platform None status 502 Bad Gateway: KMSDisabledException
            Platform None status 502 Bad Gateway: SubnetIPAddressLimitReachedException
            Platform None status 502 Bad Gateway: InvalidRuntimeException
            Platform None status 502 Bad Gateway: InvalidZipFileException
            Platform None status 400 Bad Request: SnapStartException
            Platform None status 409 Conflict: SnapStartNotReadyException
            Platform None status 408 Request Timeout: SnapStartTimeoutException
            Platform None status 408 Request Timeout: EFSMountTimeoutException
            Platform None status 410 Gone: EFSIOException
            Config None status 403 Forbidden: AccessDeniedException
            Config None status 403 Forbidden: InvalidSignatureException
            Config None status 400 Bad Request: InvalidRequestContentException
            Config None status 404 Not Found: ResourceNotFoundException
            Config None status 409 Conflict: ResourceConflictException"#]]
        .assert_eq(&table.join("\n"));
    }

    #[test]
    fn the_answer_of_a_function_that_ran_is_kept() {
        let lines = [
            judged(200, &[("x-amzn-RequestId", "theirs"), ("X-Amz-Executed-Version", "7")], Ok("{}")),
            judged(
                200,
                &[("X-Amz-Function-Error", "Unhandled")],
                Ok(r#"{"errorType":"KeyError","errorMessage":"a"}"#),
            ),
            judged(200, &[("X-Amz-Function-Error", "Handled")], Err(BodyError::TimedOut)),
            judged(200, &[], Err(BodyError::TooLarge { bytes_max: 3 })),
            judged(200, &[], Err(BodyError::TimedOut)),
            judged(200, &[], Err(BodyError::Broken("gone".into()))),
            judged(202, &[], Ok("")),
            judged(
                429,
                &[("retry-after", "3")],
                Ok(
                    r#"{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","message":"Rate Exceeded."}"#,
                ),
            ),
            judged(
                400,
                &[],
                Ok(
                    r#"{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"The security token is invalid."}"#,
                ),
            ),
            judged(
                404,
                &[("x-amzn-ErrorType", "ResourceNotFoundException")],
                Ok(r#"{"Type":"User","Message":"Function not found: f\nsecond line"}"#),
            ),
            judged(503, &[], Err(BodyError::Broken("gone".into()))),
        ];
        expect![[r#"
            Reply { request_id: "theirs", status: Some(200), executed_version: Some("7"), function_error: None, error: None, payload: Some(b"{}"), state: None }
            Reply { request_id: "ours", status: Some(200), executed_version: None, function_error: Some("Unhandled"), error: Some("KeyError: a"), payload: Some(b"{\"errorType\":\"KeyError\",\"errorMessage\":\"a\"}"), state: None }
            Reply { request_id: "ours", status: Some(200), executed_version: None, function_error: Some("Handled"), error: Some("the answer was not complete in time"), payload: None, state: None }
            Reply { request_id: "ours", status: Some(200), executed_version: None, function_error: Some("Unhandled"), error: Some("Function.ResponseSizeTooLarge: the answer has more than 3 bytes"), payload: None, state: None }
            function resize took the event and gave no answer: the answer was not complete in time
            function resize took the event and gave no answer: the answer broke off: gone
            function resize took the event and gave no answer: status 202 Accepted: Lambda answers an Invoke with 200
            Throttled Some(3s) status 429 Too Many Requests: ReservedFunctionConcurrentInvocationLimitExceeded: Rate Exceeded.
            Config None status 400 Bad Request: UnrecognizedClientException: The security token is invalid.
            Config None status 404 Not Found: ResourceNotFoundException: Function not found: f
            Platform None status 503 Service Unavailable"#]].assert_eq(&lines.join("\n"));
    }
}
