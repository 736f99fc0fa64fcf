//! Topics of Kafka as destinations.

use std::path::Path;

use super::DestinationTarget;
use crate::brokers::BrokerSettings;
use crate::error::Code;
use crate::fields::Item;
use crate::settings::{self, SettingsReader};

/// The longest name of a topic.
const TOPIC_CHARS_MAX: usize = 249;
/// What stands in front of a topic's name where AWS takes an ARN.
const PREFIX: &str = "kafka://";

/// A topic that gets each failure record as a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaTarget {
    /// Its name.
    pub topic: String,
    /// Where it is; `None` for the brokers of the mapping's source.
    pub brokers: Option<Box<BrokerSettings>>,
}

impl KafkaTarget {
    /// As AWS names it; `None` where that would not say at which brokers it is.
    pub fn arn(&self) -> Option<String> {
        self.brokers.is_none().then(|| format!("{PREFIX}{}", self.topic))
    }
}

/// Reads what stands under `kafka`.
pub(super) fn read_kafka(it: Item<'_, '_>, base: &Path) -> Option<DestinationTarget> {
    it.fields(|fields| {
        let mut reader = SettingsReader { fields };
        let topic = reader.required(&settings::FAILURE_KAFKA_TOPIC, |mut it| {
            let text = it.again().text()?;
            read_topic(&text, it)
        });
        let has_brokers = reader.fields.has(settings::FAILURE_KAFKA_BROKERS.key());
        let brokers = reader.written(&settings::FAILURE_KAFKA_BROKERS, |it| {
            it.fields(|fields| BrokerSettings::read(fields, base))
        });
        if has_brokers && brokers.is_none() {
            return None;
        }
        Some(DestinationTarget::Kafka(KafkaTarget { topic: topic?, brokers: brokers.map(Box::new) }))
    })
}

/// Reads a `destination_arn` that is a topic's; `None` for one that is not.
pub(super) fn read_topic_arn(text: &str, it: Item<'_, '_>) -> Option<Option<DestinationTarget>> {
    let topic = text.strip_prefix(PREFIX)?;
    let target = |topic| DestinationTarget::Kafka(KafkaTarget { topic, brokers: None });
    Some(read_topic(topic, it).map(target))
}

fn read_topic(text: &str, mut it: Item<'_, '_>) -> Option<String> {
    let is_allowed = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
    let is_topic = (1..=TOPIC_CHARS_MAX).contains(&text.len())
        && text.bytes().all(is_allowed)
        && !matches!(text, "." | "..");
    if !is_topic {
        let fix = "write its name: 1 to 249 letters, digits, `.`, `_` and `-`";
        it.wrong(Code::NOT_ALLOWED, "is no name of a topic of Kafka", Some(fix.to_owned()));
    }
    is_topic.then(|| text.to_owned())
}
