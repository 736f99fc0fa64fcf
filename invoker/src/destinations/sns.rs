//! A topic of SNS that gets each failure record as a message.

use forebay_clients::{AwsClient, AwsError, AwsTarget, Clients};
use forebay_config::destination::{SNS, SnsTarget};
use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::aws::{AwsDeliveryError, call, message};
use crate::destination::{DeliveryError, Destination, FailureRecord};
use crate::executor::BoxFuture;

/// The longest message of a topic.
pub const MESSAGE_BYTES_MAX: usize = 262_144;

/// What a form holds as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A standard topic. It has a record when it answers with a message id.
#[derive(Debug)]
pub struct SnsDestination {
    client: AwsClient,
    topic_arn: String,
}

impl SnsDestination {
    /// Checks the settings and looks for credentials; the topic is not called. Meant for start and reload.
    pub async fn new(target: &SnsTarget, clients: &Clients) -> Result<Self, AwsError> {
        let service =
            AwsTarget { service: &SNS, own: &target.aws, region: Some(&target.topic.region), endpoint: None };
        Ok(Self { client: clients.aws_client(service).await?, topic_arn: target.topic.to_string() })
    }

    async fn publish(&self, record: FailureRecord) -> Result<(), AwsDeliveryError> {
        let text = message(&record.json, MESSAGE_BYTES_MAX)?;
        let encoded = |text| utf8_percent_encode(text, ENCODED);
        let body = format!(
            "Action=Publish&Version=2010-03-31&TopicArn={}&Message={}",
            encoded(&self.topic_arn),
            encoded(&text)
        );
        let answer = call(
            &self.client,
            "application/x-www-form-urlencoded; charset=utf-8",
            HeaderMap::new(),
            body,
            said,
        )
        .await?;
        match element(&answer, "MessageId") {
            Some(id) if !id.trim().is_empty() => Ok(()),
            Some(_) | None => Err(AwsDeliveryError::NoMessageId),
        }
    }
}

impl Destination for SnsDestination {
    fn deliver(&self, record: FailureRecord) -> BoxFuture<'_, Result<(), DeliveryError>> {
        Box::pin(async move {
            let refused = |error: AwsDeliveryError| DeliveryError {
                destination: self.label(),
                code: "FB-0364",
                cause: error.into(),
            };
            self.publish(record).await.map_err(refused)
        })
    }

    fn label(&self) -> String {
        format!("topic {}", self.topic_arn)
    }
}

/// The code and the message of an error, else the whole answer.
fn said(answer: &str) -> String {
    match (element(answer, "Code").map(unescaped), element(answer, "Message").map(unescaped)) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code,
        (None, _) => answer.to_owned(),
    }
}

/// What the first element of this name holds. Answers of the query protocol are flat, and these elements have
/// no attributes.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

/// A text of XML as it is meant; what is no entity stays as it stands.
fn unescaped(mut xml: &str) -> String {
    let mut text = String::with_capacity(xml.len());
    while let Some((before, rest)) = xml.split_once('&') {
        text.push_str(before);
        let known = rest.split_once(';').and_then(|(name, rest)| Some((entity(name)?, rest)));
        let (meant, rest) = known.unwrap_or(('&', rest));
        text.push(meant);
        xml = rest;
    }
    text + xml
}

/// What an entity of this name stands for.
fn entity(name: &str) -> Option<char> {
    let code = match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => name.strip_prefix('#')?,
    };
    let code = match code.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => code.parse(),
    };
    code.ok().and_then(char::from_u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_without_the_entities_of_xml() {
        let answer = "<ErrorResponse><Error><Code>InvalidParameter</Code>\
            <Message>&lt;b&gt; &amp;lt; &quot;x&apos;s&quot; &#233;&#x20AC; &unknown; &#xD800; 5 & 6</Message></Error></ErrorResponse>";
        assert_eq!(
            said(answer),
            "InvalidParameter: <b> &lt; \"x's\" \u{e9}\u{20ac} &unknown; &#xD800; 5 & 6"
        );
        assert_eq!(
            said("<html>&amp;</html>"),
            "<html>&amp;</html>",
            "what is no such error is told as it is"
        );
    }
}
