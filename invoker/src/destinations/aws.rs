//! What the destinations of AWS's services have in common: how long a message may be, and how a call ends.

use bytes::Bytes;
use forebay_clients::{Answer, AwsClient, ExchangeError, Limits, coding_of, compressed, shortened};
use http::header::CONTENT_TYPE;
use http::response::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;

use super::{DELIVERY_TIME_MAX, without_payload};

/// So much of an answer is read; it is a few hundred bytes.
pub(super) const ANSWER_BYTES_MAX: usize = 65_536;

/// A service did not take a failure record, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub(super) enum AwsDeliveryError {
    #[error("the failure record has {n_bytes} bytes without its payload; {n_bytes_max} is the most")]
    TooLarge { n_bytes: usize, n_bytes_max: usize },
    #[error("no answer")]
    NoAnswer(#[source] ExchangeError),
    #[error("it answered with status {status}: {said}")]
    Refused { status: StatusCode, said: String },
    #[error("it answered without a message id")]
    NoMessageId,
    #[error("it answered without an ARN")]
    NoArn,
    #[error("what it took is not what was sent: MD5 {theirs} instead of {ours}")]
    Garbled { ours: String, theirs: String },
}

/// The record as a message: what services refuse in text is escaped, and a record that is too long goes
/// without its payload.
pub(super) fn message(json: &Bytes, n_bytes_max: usize) -> Result<String, AwsDeliveryError> {
    let text = String::from_utf8_lossy(json);
    // Both stand in strings only, where an escape means the same.
    let text = text.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff");
    if text.len() <= n_bytes_max {
        return Ok(text);
    }
    let bare = without_payload(&text.into());
    if bare.len() <= n_bytes_max {
        Ok(String::from_utf8_lossy(&bare).into_owned())
    } else {
        Err(AwsDeliveryError::TooLarge { n_bytes: bare.len(), n_bytes_max })
    }
}

/// Posts to the root of a service; the body of an answer with status 200.
pub(super) async fn call(
    client: &AwsClient,
    content_type: &'static str,
    mut headers: HeaderMap,
    body: String,
    said: fn(&str) -> String,
) -> Result<String, AwsDeliveryError> {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let limits = Limits { time: DELIVERY_TIME_MAX, answer_bytes: ANSWER_BYTES_MAX };
    let answer =
        client.post("/", headers, vec![body.into()], limits).await.map_err(AwsDeliveryError::NoAnswer)?;
    let Answer { head, body } = answer;
    // A success without its body has no message id, and so is refused by who looks for it.
    let body = body.unwrap_or_default();
    if head.status == StatusCode::OK && unread_coding(&head, &body).is_none() {
        return Ok(String::from_utf8_lossy(&body).into_owned());
    }
    Err(AwsDeliveryError::Refused { status: head.status, said: refusal(&head, &body, said) })
}

/// What an answer says that is no success, short and in one line.
pub(super) fn refusal(head: &Parts, body: &[u8], said: fn(&str) -> String) -> String {
    let text = match unread_coding(head, body) {
        Some(coding) => compressed(coding),
        None => said(&String::from_utf8_lossy(body)),
    };
    shortened(&text)
}

/// The type and the message of an error in AWS JSON, else the whole answer.
pub(super) fn said_in_json(answer: &str) -> String {
    #[derive(Deserialize)]
    struct ErrorBody {
        #[serde(rename = "__type")]
        kind: String,
        #[serde(default, alias = "Message")]
        message: String,
    }
    match serde_json::from_str(answer) {
        Ok(ErrorBody { kind, message }) => {
            format!("{}: {message}", kind.rsplit('#').next().unwrap_or_default())
        }
        Err(_) => answer.to_owned(),
    }
}

/// How a body is compressed that nobody asked to be.
fn unread_coding<'a>(head: &'a Parts, body: &[u8]) -> Option<&'a str> {
    coding_of(head).filter(|_| std::str::from_utf8(body).is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_too_long_goes_without_its_payload_and_keeps_its_order() {
        let json =
            Bytes::from(format!("{{\"version\":\"1.0\",\"payload\":\"{}\",\"a\":1}}", "x".repeat(100)));
        assert_eq!(message(&json, 1_000).unwrap().as_bytes(), json);
        assert_eq!(message(&json, 50).unwrap(), "{\"version\":\"1.0\",\"a\":1}");
        let error = message(&json, 10).unwrap_err();
        assert_eq!(error.to_string(), "the failure record has 23 bytes without its payload; 10 is the most");
        assert!(message(&Bytes::from_static(b"{\"version\":\"1.0\"}"), 10).is_err());
    }

    #[test]
    fn characters_that_no_message_may_hold_are_escaped() {
        let json = Bytes::from("{\"payload\":\"a\u{ffff}\u{fffe}\u{1f600}\"}");
        assert_eq!(message(&json, 100).unwrap(), "{\"payload\":\"a\\uffff\\ufffe\u{1f600}\"}");
    }
}
