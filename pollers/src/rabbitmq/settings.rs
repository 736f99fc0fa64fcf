//! What `source: { rabbitmq: … }` may say. These doc comments are the manual.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use forebay_clients::{AmqpAccess, Clients};
use forebay_config::settings::{DefaultValue, SettingSpec, Shape};
use forebay_config::{AmqpSettings, Arn, Code, Fields, Finding, Item, Node, amqp_specs};
use sha2::{Digest, Sha256};

use super::client::LapinBroker;
use super::event::RabbitFormat;
use super::message::MessageChoice;
use super::reader::RabbitChoice;
use super::source::RabbitSource;
use crate::source::{BoxFuture, Source, SourceError, SourceSettings};

/// A queue, a broker's ARN or another setting is not written as it must be.
const BAD_QUEUE: Code = Code("FB-0419");
/// AMQP writes a queue's name as a short string.
const QUEUE_BYTES_MAX: usize = 255;
/// Each has a consumer of its own.
const QUEUES_MAX: usize = 100;
const DELIVERY_IDS: &[&str] = &["absent", "present"];

/// The same for `explain`, the schema and the manual.
pub(super) static SPECS: LazyLock<Vec<SettingSpec>> = LazyLock::new(|| {
    let own = [
        SettingSpec::new(
            "event_source_mappings[].source.rabbitmq.queues",
            Shape::TextList,
            DefaultValue::Required,
            "The queues by name. One that is not there is told, and consumed once it is; nothing is declared here.",
        ),
        SettingSpec::new(
            "event_source_mappings[].source.rabbitmq.prefetch",
            Shape::Integer { min: 1, max: u16::MAX as i64 },
            DefaultValue::Absent(
                "twice `batch_size` for each batch that may run, within the mapping's memory",
            ),
            "Messages that the broker may have pushed here without an answer, over all queues.",
        ),
        SettingSpec::new(
            "event_source_mappings[].source.rabbitmq.delivery_ids",
            Shape::Word(DELIVERY_IDS),
            DefaultValue::Word(DELIVERY_IDS[0]),
            "What a function reports as `itemIdentifier`: with `absent` a message's `messageId`, which its publisher must set; with `present` the `deliveryId` that each message of the event has then. Ours.",
        ),
        SettingSpec::new(
            "event_source_mappings[].source.rabbitmq.broker_arn",
            Shape::Text,
            DefaultValue::Absent("events carry `amqp://` with `hosts`"),
            "The ARN of a broker of Amazon MQ, for `eventSourceArn` in events. Nothing is called with it.",
        ),
    ];
    amqp_specs!("event_source_mappings[].source.rabbitmq").into_iter().chain(own).collect()
});

/// Settings of the RabbitMQ source.
#[derive(Clone)]
pub(super) struct RabbitSettings {
    amqp: AmqpSettings,
    choice: RabbitChoice,
    broker_arn: Option<String>,
}

impl fmt::Debug for RabbitSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.identity())
    }
}

impl RabbitSettings {
    /// Reads them, without IO.
    pub(super) fn parse(settings: &Node, base: &Path) -> Result<Self, Vec<Finding>> {
        Fields::read(settings, "source.rabbitmq", |fields| {
            let amqp = AmqpSettings::read(fields, base);
            let queues = fields.required("queues", read_queues);
            let prefetch = fields.optional("prefetch", |it| it.integer(1..=u16::MAX));
            let delivery_ids = fields
                .optional("delivery_ids", |it| it.word(&[(DELIVERY_IDS[0], false), (DELIVERY_IDS[1], true)]));
            let broker_arn = fields.optional("broker_arn", read_arn);
            let message = MessageChoice { shows_delivery_ids: delivery_ids.unwrap_or_default() };
            Some(Self {
                amqp: amqp?,
                choice: RabbitChoice { queues: queues?, message, prefetch },
                broker_arn,
            })
        })
    }

    /// What stands as the event source's ARN.
    fn source_name(&self) -> String {
        self.broker_arn.clone().unwrap_or_else(|| format!("amqp://{}", self.amqp.hosts.join(",")))
    }
}

fn read_queues(mut it: Item<'_, '_>) -> Option<Vec<String>> {
    let queues = it.again().list(|mut it| {
        let text = it.again().text()?;
        if text.len() <= QUEUE_BYTES_MAX && !text.chars().any(char::is_control) {
            return Some(text);
        }
        it.wrong(BAD_QUEUE, "is no name of a queue", Some("write 1 to 255 bytes".to_owned()));
        None
    })?;
    let twice = queues.iter().enumerate().find(|(idx, it)| queues[..*idx].contains(it));
    let (wrong, fix) = match (queues.len(), twice) {
        (0, _) => ("names no queue".to_owned(), "write `[orders]`"),
        (1..=QUEUES_MAX, None) => return Some(queues),
        (_, Some((_, queue))) => (format!("names `{queue}` twice"), "keep one of them"),
        (_, None) => (format!("names more than {QUEUES_MAX} queues"), "write several mappings"),
    };
    it.wrong(BAD_QUEUE, wrong, Some(fix.to_owned()));
    None
}

fn read_arn(mut it: Item<'_, '_>) -> Option<String> {
    let text = it.again().text()?;
    if Arn::parse(&text).is_some_and(|it| it.service == "mq" && it.resource.starts_with("broker:")) {
        return Some(text);
    }
    let fix = "write `arn:aws:mq:region:account:broker:name:id`";
    it.wrong(BAD_QUEUE, "is no ARN of a broker of Amazon MQ", Some(fix.to_owned()));
    None
}

impl SourceSettings for RabbitSettings {
    fn identity(&self) -> String {
        let (hosts, vhost) = (self.amqp.hosts.join(","), &self.amqp.virtual_host);
        // How it is reached holds references to secrets and no secret; people need not read it.
        let rest = format!(
            "{:?} {:?} {:?} {:?}",
            self.amqp, self.choice.message, self.choice.prefetch, self.broker_arn
        );
        let digest = hex::encode(&Sha256::digest(rest)[..4]);
        format!("rabbitmq:{hosts} {vhost} {} {digest}", self.choice.queues.join(","))
    }

    fn arn(&self, _region: &str, _account: &str) -> Option<String> {
        self.broker_arn.clone()
    }

    /// Nothing is called: the first receive connects, and asks again where nobody answers.
    fn connect<'a>(&'a self, clients: &'a Clients) -> BoxFuture<'a, Result<Arc<dyn Source>, SourceError>> {
        Box::pin(async move {
            let what = match &self.choice.queues[..] {
                [one] => format!("queue {one}"),
                all => format!("queues {}", all.join(", ")),
            };
            let access = AmqpAccess::look_up(&self.amqp, clients).await.map_err(|error| {
                SourceError::Down { what: what.clone(), code: Code(error.code()), cause: error.into() }
            })?;
            let name = format!("forebay {}", self.choice.queues.join(", "));
            let broker = Arc::new(LapinBroker::new(access, &self.choice.queues, name));
            let format = RabbitFormat::new(&self.source_name(), &self.choice.queues, &self.amqp.virtual_host);
            Ok(Arc::new(RabbitSource::new(broker, format, self.choice.clone(), what)) as Arc<dyn Source>)
        })
    }
}
