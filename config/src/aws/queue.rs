//! Queues of SQS by their URL, taken apart: the server, and what a URL at AWS tells of region and account.

use std::fmt;

use super::arn::is_account;
use super::{is_region, is_resource};
use crate::url::{self, UrlMistake};

/// The most characters of a queue's name.
pub const QUEUE_NAME_CHARS_MAX: usize = 80;

/// The URL of a queue: a server, then a path that ends in the queue's name.
#[derive(Clone, PartialEq, Eq)]
pub struct QueueUrl {
    text: String,
    /// Bytes of scheme, host and port.
    origin_bytes: usize,
    region: Option<String>,
}

/// What is wrong with the URL of a queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueUrlMistake {
    /// It is no URL that can be called.
    #[error(transparent)]
    Url(#[from] UrlMistake),
    /// It is one, of something else.
    #[error("is no URL of a queue")]
    NoQueue,
}

impl QueueUrlMistake {
    /// What to do about it.
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Url(mistake) => mistake.fix(),
            Self::NoQueue => "write `https://sqs.eu-west-1.amazonaws.com/123456789012/queue`",
        }
    }
}

impl QueueUrl {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, QueueUrlMistake> {
        let uri = url::parse(text)?;
        let (path, name) = uri.path().rsplit_once('/').ok_or(QueueUrlMistake::NoQueue)?;
        if uri.query().is_some() || !is_queue_name(name) {
            return Err(QueueUrlMistake::NoQueue);
        }
        let origin_bytes = text.len() - path.len() - 1 - name.len();
        Ok(Self { text: text.to_owned(), origin_bytes, region: uri.host().and_then(region_of) })
    }

    /// The URL as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &str {
        &self.text[..self.origin_bytes]
    }

    /// The region that it tells, at AWS.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// The account before the name.
    pub fn account(&self) -> Option<&str> {
        self.text[self.origin_bytes..].rsplit('/').nth(1).filter(|it| is_account(it))
    }

    /// The same where the server is AWS's; others put into that place what they like.
    pub fn account_at_aws(&self) -> Option<&str> {
        self.region.as_ref().and_then(|_| self.account())
    }

    /// The queue's name.
    pub fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it is a FIFO queue.
    pub fn is_fifo(&self) -> bool {
        self.text.ends_with(".fifo")
    }
}

impl fmt::Display for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// Whether SQS takes it for the name of a queue.
pub fn is_queue_name(text: &str) -> bool {
    is_resource(text, QUEUE_NAME_CHARS_MAX)
}

/// Hosts of AWS's, and none that only begins or ends like them:
///
/// | | |
/// |---|---|
/// | `sqs.REGION`, `sqs-fips.REGION` | before `.amazonaws.com`, in China `.amazonaws.com.cn` |
/// | `ID.sqs.REGION.vpce` | the same, in a network of one's own |
/// | `REGION.queue`, `queue` in us-east-1 | the same, of old |
/// | `sqs.REGION` | before `.api.aws` |
fn region_of(host: &str) -> Option<String> {
    let host = host.to_ascii_lowercase();
    let region = match host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))
    {
        Some("queue") => "us-east-1",
        Some(rest) => {
            let in_network = || Some(rest.strip_suffix(".vpce")?.rsplit_once(".sqs.")?.1);
            let plain = rest.strip_prefix("sqs.").or_else(|| rest.strip_prefix("sqs-fips."));
            plain.or_else(|| rest.strip_suffix(".queue")).or_else(in_network)?
        }
        None => host.strip_suffix(".api.aws")?.strip_prefix("sqs.")?,
    };
    is_region(region).then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_tells_server_region_account_and_name() {
        let at_aws = "https://sqs.eu-west-1.amazonaws.com";
        for (url, origin, region, account, name) in [
            (
                "https://sqs.eu-west-1.amazonaws.com/123456789012/dead",
                at_aws,
                Some("eu-west-1"),
                Some("123456789012"),
                "dead",
            ),
            (
                "https://sqs.cn-north-1.amazonaws.com.cn/1/q.fifo",
                "https://sqs.cn-north-1.amazonaws.com.cn",
                Some("cn-north-1"),
                None,
                "q.fifo",
            ),
            (
                "http://127.0.0.1:9324/000000000000/orders",
                "http://127.0.0.1:9324",
                None,
                Some("000000000000"),
                "orders",
            ),
            ("http://[::1]:9324/queue/orders", "http://[::1]:9324", None, None, "orders"),
            ("http://h/a_b-1", "http://h", None, None, "a_b-1"),
            (
                "https://sqs.eu-west-1.amazonaws.evil.example/123456789012/q",
                "https://sqs.eu-west-1.amazonaws.evil.example",
                None,
                Some("123456789012"),
                "q",
            ),
            ("https://sqs.a.b.amazonaws.com/1/q", "https://sqs.a.b.amazonaws.com", None, None, "q"),
            (
                "https://sqs.eu-west-1.amazonaws.com.evil.example/1/q",
                "https://sqs.eu-west-1.amazonaws.com.evil.example",
                None,
                None,
                "q",
            ),
        ] {
            let it = QueueUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(
                (it.origin(), it.region(), it.account(), it.name()),
                (origin, region, account, name),
                "{url}"
            );
            assert_eq!((it.to_string().as_str(), it.is_fifo()), (url, url.ends_with(".fifo")));
        }
        for (host, region) in [
            ("sqs-fips.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("vpce-0a1b-c.sqs.eu-west-1.vpce.amazonaws.com", Some("eu-west-1")),
            ("eu-west-1.queue.amazonaws.com", Some("eu-west-1")),
            ("queue.amazonaws.com", Some("us-east-1")),
            ("SQS.eu-west-1.api.aws", Some("eu-west-1")),
            ("sqs.eu-west-1.vpce.amazonaws.com", None),
            ("x.sqs.eu-west-1.amazonaws.com", None),
            ("sns.eu-west-1.api.aws", None),
            ("queue.evil-amazonaws.com", None),
        ] {
            let it = QueueUrl::parse(&format!("https://{host}/123456789012/q")).unwrap();
            assert_eq!((it.region(), it.account_at_aws().is_some()), (region, region.is_some()), "{host}");
        }
        let long = format!("http://h/1/{}", "x".repeat(81));
        for url in [
            "http://h",
            "http://h/",
            "http://h/1/",
            "http://h/1/q?a=b",
            "http://h/1/a.b",
            "http://h/1/a%20b",
            &long,
        ] {
            assert_eq!(QueueUrl::parse(url), Err(QueueUrlMistake::NoQueue), "{url}");
        }
        assert_eq!(QueueUrl::parse("sqs.x/1/q"), Err(QueueUrlMistake::Url(UrlMistake::Scheme)));
    }
}
