//! What an invocation gave: the function's own answer, or the one that the platform makes in its place.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::Reply;
use serde_json::{Value, json};

/// The largest answer, in bytes: 6 MiB and 100.
pub(super) const ANSWER_BYTES_MAX: usize = 6_291_556;
/// How much of an error's first line is kept for people, in characters.
const ERROR_CHARS_MAX: usize = 300;

/// What an invocation gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InvocationAnswer {
    /// What the function returned.
    Response(Bytes),
    /// The error that the function, its runtime or the platform reported, as JSON.
    Error(Bytes),
}

impl InvocationAnswer {
    /// An error that the platform makes.
    fn fault(kind: &str, request_id: &str, text: &str) -> Self {
        // In the order that AWS writes, whatever order the JSON library keeps.
        let message = Value::from(format!("RequestId: {request_id} Error: {text}"));
        Self::Error(format!(r#"{{"errorType":"{kind}","errorMessage":{message}}}"#).into())
    }

    /// The process is gone without an answer.
    pub(super) fn exited(request_id: &str, status: ExitStatus) -> Self {
        let text = match (status.code(), status.signal()) {
            // A runtime that ends well has not answered either.
            (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
            (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
            (None, signal) => {
                format!("Runtime exited with error: signal: {}", signal_name(signal.unwrap_or(0)))
            }
        };
        Self::fault("Runtime.ExitError", request_id, &text)
    }

    /// No answer came in time.
    pub(super) fn timed_out(request_id: &str, timeout: Duration) -> Self {
        Self::fault(
            "Sandbox.Timedout",
            request_id,
            &format!("Task timed out after {:.2} seconds", timeout.as_secs_f64()),
        )
    }

    /// The answer broke off.
    pub(super) fn truncated(request_id: &str) -> Self {
        Self::fault("Runtime.TruncatedResponse", request_id, "HTTP request detected as truncated")
    }

    /// The answer came in a mode that nobody knows.
    pub(super) fn unknown_mode(request_id: &str) -> Self {
        Self::fault("Runtime.InvalidResponseModeHeader", request_id, "Invalid function response mode")
    }

    /// The answer is larger than [`ANSWER_BYTES_MAX`].
    pub(super) fn too_large() -> Self {
        let text = format!(
            "Response payload size exceeded maximum allowed payload size ({ANSWER_BYTES_MAX} bytes)."
        );
        Self::Error(
            json!({ "errorMessage": text, "errorType": "Function.ResponseSizeTooLarge" }).to_string().into(),
        )
    }

    /// The same, as the executor's caller gets it.
    pub(super) fn into_reply(self, request_id: &str) -> Reply {
        let (function_error, error, payload) = match self {
            Self::Response(payload) => (None, None, payload),
            Self::Error(payload) => (Some("Unhandled".to_owned()), Some(first_line(&payload)), payload),
        };
        Reply {
            request_id: request_id.to_owned(),
            // Lambda answers a failed function with 200 as well.
            status: Some(200),
            executed_version: Some("$LATEST".to_owned()),
            function_error,
            error,
            payload: Some(payload),
            state: None,
        }
    }
}

/// `Type: message` of an error payload, its first line, for people.
fn first_line(payload: &[u8]) -> String {
    let said: Option<Value> = serde_json::from_slice(payload).ok();
    let field = |name: &str| {
        said.as_ref().and_then(|it| it.get(name)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let text = match (field("errorType"), field("errorMessage")) {
        (kind, message) if kind.is_empty() && message.is_empty() => {
            String::from_utf8_lossy(payload).into_owned()
        }
        (kind, message) if kind.is_empty() => message,
        (kind, message) if message.is_empty() => kind,
        (kind, message) => format!("{kind}: {message}"),
    };
    text.lines().next().unwrap_or_default().chars().take(ERROR_CHARS_MAX).collect()
}

/// A signal as Go's `os` package, and so AWS, calls it.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: InvocationAnswer) -> String {
        match answer {
            InvocationAnswer::Response(it) | InvocationAnswer::Error(it) => {
                String::from_utf8(it.to_vec()).unwrap()
            }
        }
    }

    #[test]
    fn an_exit_is_told_in_the_words_of_aws() {
        let cases = [
            (0, "Runtime exited without providing a reason"),
            (3 << 8, "Runtime exited with error: exit status 3"),
            (9, "Runtime exited with error: signal: killed"),
            (11, "Runtime exited with error: signal: segmentation fault"),
            (34, "Runtime exited with error: signal: signal 34"),
        ];
        for (raw, words) in cases {
            assert_eq!(
                text(InvocationAnswer::exited("r-1", ExitStatus::from_raw(raw))),
                format!(
                    r#"{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: r-1 Error: {words}"}}"#
                )
            );
        }
    }

    #[test]
    fn a_timeout_names_its_seconds_with_two_digits() {
        assert_eq!(
            text(InvocationAnswer::timed_out("r-1", Duration::from_secs(1))),
            r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: r-1 Error: Task timed out after 1.00 seconds"}"#
        );
    }

    #[test]
    fn people_get_the_first_line_of_an_error() {
        let cases = [
            (r#"{"errorType":"ValueError","errorMessage":"one\ntwo"}"#, "ValueError: one"),
            (r#"{"errorMessage":"one"}"#, "one"),
            (r#"{"errorType":"E"}"#, "E"),
            ("not JSON\nat all", "not JSON"),
            ("", ""),
        ];
        for (payload, line) in cases {
            assert_eq!(first_line(payload.as_bytes()), line);
        }
    }

    #[test]
    fn a_reply_of_a_failure_is_unhandled_and_of_a_success_is_not() {
        let reply = InvocationAnswer::Response("null".into()).into_reply("r-1");
        assert_eq!((reply.status, reply.function_error, reply.error), (Some(200), None, None));
        let reply = InvocationAnswer::too_large().into_reply("r-1");
        assert_eq!((reply.status, reply.function_error.as_deref()), (Some(200), Some("Unhandled")));
        assert_eq!(reply.executed_version.as_deref(), Some("$LATEST"));
    }
}
