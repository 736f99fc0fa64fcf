//! What `source: { sqs: … }` may say. These doc comments are the manual.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forebay_config::document::Value;
use forebay_config::settings::{DefaultValue, SettingSpec, Shape};
use forebay_config::{Code, Fields, Finding, Node};

use super::error::SqsError;
use super::{SqsSource, client};
use crate::source::{BoxFuture, Source, SourceError, SourceSettings};

/// The queue, the endpoint or the region is not written as it must be.
const BAD_QUEUE: Code = Code("FB-0217");
const WAIT_SECONDS_MAX: u64 = 20;
const WAIT_MAX: Duration = Duration::from_secs(WAIT_SECONDS_MAX);
/// For queues on an endpoint of one's own, where it has no meaning but must be signed for.
const REGION: &str = "us-east-1";

/// The same for `explain`, the schema and the manual.
pub(super) static SPECS: [SettingSpec; 8] = [
    SettingSpec::new(
        "event_source_mappings[].source.sqs.queue_url",
        Shape::Text,
        DefaultValue::Absent("`queue` names it"),
        "The queue's URL. Its host is not called when there is an `endpoint`.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.sqs.queue",
        Shape::Text,
        DefaultValue::Absent("`queue_url` names it"),
        "The queue's name instead of its URL, which is asked for at start.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.sqs.endpoint",
        Shape::Text,
        DefaultValue::Absent("`AWS_ENDPOINT_URL_SQS`, `AWS_ENDPOINT_URL`, else AWS"),
        "Where calls go, with `http` or `https`.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.sqs.region",
        Shape::Text,
        DefaultValue::Absent("that of the URL, `AWS_REGION` or `AWS_DEFAULT_REGION`"),
        "The region that calls are signed for.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.sqs.access_key_id",
        Shape::Text,
        DefaultValue::Absent("`AWS_ACCESS_KEY_ID`"),
        "The id of the key that signs; together with `secret_access_key`.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.sqs.secret_access_key",
        Shape::Text,
        DefaultValue::Absent("`AWS_SECRET_ACCESS_KEY`"),
        "The key's secret: write `${file:…}` or `${NAME}`.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.sqs.session_token",
        Shape::Text,
        DefaultValue::Absent("`AWS_SESSION_TOKEN`"),
        "The token of temporary keys.",
    ),
    SettingSpec::new(
        "event_source_mappings[].source.sqs.wait_time",
        Shape::Integer { min: 1, max: WAIT_SECONDS_MAX.cast_signed() },
        DefaultValue::Integer(WAIT_SECONDS_MAX.cast_signed()),
        "Seconds that a receive waits for messages.",
    ),
];

/// Settings of the SQS source.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SqsSettings {
    /// `queue_url`, or `queue` with the queue's name: exactly one.
    pub(super) which: Which,
    /// `endpoint`, such as `http://127.0.0.1:9324`: where the calls go, whatever host the queue's URL names. Without it, AWS.
    pub(super) endpoint: Option<String>,
    /// `region`. Without it that of an AWS queue URL, then the environment variables `AWS_REGION` and `AWS_DEFAULT_REGION`; with an
    /// endpoint of one's own it may be missing.
    pub(super) region: Option<String>,
    /// `access_key_id`, `secret_access_key`, `session_token`. Without them the environment variables `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`; nothing else is asked.
    pub(super) keys: Option<Keys>,
    /// `wait_time`, whole seconds, 1 to 20, default 20: the longest long poll. A third of the queue's visibility timeout is a limit too.
    pub(super) wait: Duration,
}

/// Which queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Which {
    Url(String),
    Name(String),
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
}

/// What the settings and the environment say together.
pub(super) struct Resolved {
    pub(super) endpoint: Option<String>,
    pub(super) region: String,
    pub(super) key_id: String,
    pub(super) secret: String,
    pub(super) token: Option<String>,
}

impl fmt::Debug for SqsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identity())
    }
}

impl Which {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Url(text) | Self::Name(text) => text,
        }
    }
}

/// Whether the settings name a FIFO queue, as far as they can be read.
pub(super) fn names_fifo(settings: &Node) -> bool {
    let Value::Map(entries) = &settings.value else { return false };
    entries.iter().filter(|(key, _)| key.name == "queue_url" || key.name == "queue").any(|(_, node)| match &node.value {
        Value::String(text) | Value::Expanded(text) => text.ends_with(".fifo"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => false,
    })
}

impl SqsSettings {
    /// Reads them, without IO.
    pub(super) fn parse(settings: &Node) -> Result<Self, Vec<Finding>> {
        Fields::read(settings, "source.sqs", |fields| {
            let url = fields.optional("queue_url", |it| it.text());
            let name = fields.optional("queue", |it| it.text());
            let endpoint = fields.optional("endpoint", |it| it.text());
            let region = fields.optional("region", |it| it.text());
            let id = fields.optional("access_key_id", |it| it.text());
            let secret = fields.optional("secret_access_key", |it| it.text());
            let token = fields.optional("session_token", |it| it.text());
            let wait = fields.optional("wait_time", |it| it.integer(1..=WAIT_SECONDS_MAX));
            let which = read_which(fields, url, name);
            if endpoint.as_deref().is_some_and(|it| !is_http(it)) {
                wrong(fields, "endpoint", "`endpoint` must be a URL with http or https", "write `http://127.0.0.1:9324`");
            }
            let keys = match (id, secret) {
                (Some(id), Some(secret)) => Some(Keys { id, secret, token }),
                (None, None) if token.is_none() => None,
                (_, _) => {
                    let message = "`access_key_id` and `secret_access_key` belong together";
                    wrong(fields, "access_key_id", message, "write both, or none and set the environment variables");
                    None
                }
            };
            Some(Self { which: which?, endpoint, region, keys, wait: wait.map_or(WAIT_MAX, Duration::from_secs) })
        })
    }

    fn resolve(&self, env: impl Fn(&str) -> Option<String>) -> Result<Resolved, SqsError> {
        let env = |name: &str| env(name).filter(|it| !it.is_empty());
        let endpoint = self.endpoint.clone().or_else(|| env("AWS_ENDPOINT_URL_SQS")).or_else(|| env("AWS_ENDPOINT_URL"));
        let region = self.region.clone().or_else(|| region_of(self.which.text()));
        let region = region.or_else(|| env("AWS_REGION")).or_else(|| env("AWS_DEFAULT_REGION"));
        let region = region.or_else(|| endpoint.as_ref().map(|_| REGION.to_owned())).ok_or(SqsError::NotSet("region", "AWS_REGION"))?;
        let Keys { id, secret, token } = match &self.keys {
            Some(keys) => keys.clone(),
            None => Keys {
                id: env("AWS_ACCESS_KEY_ID").ok_or(SqsError::NotSet("access_key_id", "AWS_ACCESS_KEY_ID"))?,
                secret: env("AWS_SECRET_ACCESS_KEY").ok_or(SqsError::NotSet("secret_access_key", "AWS_SECRET_ACCESS_KEY"))?,
                token: env("AWS_SESSION_TOKEN"),
            },
        };
        Ok(Resolved { endpoint, region, key_id: id, secret, token })
    }
}

fn read_which(fields: &mut Fields<'_>, url: Option<String>, name: Option<String>) -> Option<Which> {
    match (url, name) {
        (Some(url), None) if is_http(&url) => Some(Which::Url(url)),
        (None, Some(name)) if !name.contains(['/', ':']) => Some(Which::Name(name)),
        (Some(_), None) => {
            let fix = "write `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`, or the name alone under `queue`";
            wrong(fields, "queue_url", "`queue_url` must be a URL with http or https", fix);
            None
        }
        (None, Some(_)) => {
            wrong(fields, "queue", "`queue` must be the name of a queue", "write a URL under `queue_url`");
            None
        }
        (Some(_), Some(_)) => {
            wrong(fields, "queue", "`queue` and `queue_url` exclude each other", "keep one of them");
            None
        }
        (None, None) => {
            // A value that could not be read was told already.
            if !fields.has("queue_url") && !fields.has("queue") && fields.is_map() {
                fields.missing("queue_url", "`queue_url` or `queue` is missing");
            }
            None
        }
    }
}

fn wrong(fields: &mut Fields<'_>, key: &'static str, message: &str, fix: &str) {
    let place = fields.node(key).map_or_else(|| fields.place().clone(), |it| it.place.clone());
    let finding = Finding::new(BAD_QUEUE, format!("{}.{key}", fields.path()), &place, message);
    fields.push(finding.fix(fix));
}

fn is_http(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}

/// `https://sqs.eu-central-1.amazonaws.com/…` tells its region.
fn region_of(url: &str) -> Option<String> {
    let host = url.split("://").nth(1)?.split('/').next()?;
    let rest = host.strip_prefix("sqs.")?;
    let (region, domain) = rest.split_once('.')?;
    domain.starts_with("amazonaws.").then(|| region.to_owned())
}

impl SourceSettings for SqsSettings {
    fn identity(&self) -> String {
        let mut text = format!("sqs:{}", self.which.text());
        for (name, value) in [("endpoint", &self.endpoint), ("region", &self.region)] {
            if let Some(value) = value {
                text = format!("{text} {name}={value}");
            }
        }
        if let Some(keys) = &self.keys {
            let digest = super::digest::of_body(&format!("{}\n{}", keys.id, keys.token.is_some()));
            text = format!("{text} credentials={}", &digest[..8]);
        }
        format!("{text} wait_time={}", self.wait.as_secs())
    }

    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Source>, SourceError>> {
        Box::pin(async move {
            let what = format!("queue {}", self.which.text());
            let sqs = async { client::connect(&self.which, self.resolve(|name| std::env::var(name).ok())?).await };
            let sqs = sqs.await.map_err(|error| error.on(&what))?;
            Ok(Arc::new(SqsSource::connect(sqs, self.wait, what).await?) as Arc<dyn Source>)
        })
    }
}
