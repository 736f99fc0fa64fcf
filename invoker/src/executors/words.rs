//! What an answer says, short enough for a log: error objects, first lines, headers of one word.

use bytes::Bytes;
use forebay_clients::{SHORT_CHARS_MAX, coding_of, compressed, shortened};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, StatusCode, Version};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// The platform answered in the function's stead.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(String);

impl Refused {
    pub(super) fn new(status: StatusCode, text: &str) -> Self {
        Self(if text.is_empty() { format!("status {status}") } else { format!("status {status}: {text}") })
    }
}

/// What an answer is called that [`has_end`] is not true of.
pub(super) const ONLY_A_HEAD: &str = "the connection ended behind the head of the answer";

/// Whether a body without a byte is over for another reason than the end of the connection, which is also
/// what a server that dies leaves.
pub(super) fn has_end(head: &Parts) -> bool {
    let says_close =
        || head.headers.get_all(CONNECTION).iter().any(|it| it.as_bytes().eq_ignore_ascii_case(b"close"));
    // HTTP/1.0 has no other end of a body than the connection's.
    head.version < Version::HTTP_11
        || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT)
        || [CONTENT_LENGTH, TRANSFER_ENCODING].into_iter().any(|it| head.headers.contains_key(it))
        || says_close()
}

/// A header of one short word; anything else is as good as none.
pub(super) fn word(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (1..=128).contains(&value.len()).then(|| value.to_owned())
}

/// What the answer of a function or a platform says went wrong.
pub(super) fn said_in(head: &Parts, body: &Bytes) -> String {
    match coding_of(head) {
        // A coding that is named but was not used leaves text that can be read.
        Some(coding) if std::str::from_utf8(body).is_err() => compressed(coding),
        Some(_) | None => said(body),
    }
}

/// Why a body that should be JSON cannot be read, where its head tells.
pub(super) fn unreadable(head: &Parts, body: &[u8]) -> Option<String> {
    coding_of(head).filter(|_| serde_json::from_slice::<IgnoredAny>(body).is_err()).map(compressed)
}

/// Lambda's error object, else the first line.
pub(super) fn said(body: &Bytes) -> String {
    #[derive(Deserialize)]
    struct ErrorObject {
        #[serde(rename = "errorType")]
        kind: Option<String>,
        #[serde(rename = "errorMessage")]
        message: String,
    }
    match serde_json::from_slice(body) {
        Ok(ErrorObject { kind: Some(kind), message }) => first_line(&format!("{kind}: {message}").into()),
        Ok(ErrorObject { kind: None, message }) => first_line(&message.into()),
        Err(_) => first_line(body),
    }
}

/// The first line of what a function said, short enough for a log.
fn first_line(body: &Bytes) -> String {
    // Cut before it is looked at, for a body may have megabytes; a character has four bytes at the most.
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * SHORT_CHARS_MAX)]);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    shortened(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_function_said_is_found_and_cut_to_one_short_line() {
        let said = |body: &'static str| said(&Bytes::from_static(body.as_bytes()));
        assert_eq!(
            said(r#"{"errorType":"ValueError","errorMessage":"bad\nline","stackTrace":[]}"#),
            "ValueError: bad"
        );
        assert_eq!(said("\n  <html>\u{7}\n<body>"), "<html>");
        assert_eq!(said(r#"{"errorMessage":7}"#), r#"{"errorMessage":7}"#);
        assert_eq!(first_line(&Bytes::from(vec![b'x'; 1 << 20])).len(), 256);
        assert_eq!(first_line(&Bytes::from(vec![0xff; 1 << 20])).chars().count(), 256);
    }
}
