//! Event buses of EventBridge as destinations.

use std::path::Path;

use super::DestinationTarget;
use crate::aws::{Arn, AwsService, AwsSettings};
use crate::error::Code;
use crate::fields::Item;
use crate::settings::{self, SettingSpec, SettingsReader};

/// The service of event buses.
pub static EVENTS: AwsService = crate::aws_service!("events", "EVENTBRIDGE", "EventBridge");

/// The longest name of a bus.
const BUS_NAME_CHARS_MAX: usize = 256;
/// The longest `source` of an event.
const EVENT_SOURCE_CHARS_MAX: usize = 256;
/// The longest `detail-type` of an event.
const EVENT_DETAIL_TYPE_CHARS_MAX: usize = 128;

/// An event bus that gets each failure record as an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBusTarget {
    /// Which bus.
    pub bus: BusName,
    /// The `source` of each event; EventBridge counts its bytes to those of the event.
    pub source: String,
    /// The `detail-type` of each event, counted as well.
    pub detail_type: String,
    /// What it is called with, where that differs.
    pub aws: Box<AwsSettings>,
}

impl EventBusTarget {
    /// A bus of which nothing but its name is said.
    pub fn of(bus: BusName) -> Self {
        let default = |spec: &SettingSpec| spec.default_written(None).unwrap_or_default();
        Self {
            bus,
            source: default(&settings::FAILURE_BUS_SOURCE),
            detail_type: default(&settings::FAILURE_BUS_DETAIL_TYPE),
            aws: Box::default(),
        }
    }
}

/// How a bus is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusName {
    /// By its name alone: one of the account and the region that are called.
    Bare(String),
    /// By its ARN, whose resource is `event-bus/name`.
    Arn(Arn),
}

impl BusName {
    /// The name alone.
    pub fn name(&self) -> &str {
        match self {
            Self::Bare(name) => name,
            Self::Arn(arn) => arn.resource.strip_prefix(PREFIX).unwrap_or(&arn.resource),
        }
    }

    /// The ARN, where the bus is named by it.
    pub fn arn(&self) -> Option<&Arn> {
        match self {
            Self::Bare(_) => None,
            Self::Arn(arn) => Some(arn),
        }
    }
}

/// As it is written, and as EventBridge takes it.
impl std::fmt::Display for BusName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bare(name) => f.write_str(name),
            Self::Arn(arn) => arn.fmt(f),
        }
    }
}

/// What stands in front of a bus's name in its ARN.
const PREFIX: &str = "event-bus/";

/// Whether this is the ARN of a bus that takes events.
pub(super) fn is_bus(arn: &Arn) -> bool {
    arn.service == "events" && arn.resource.strip_prefix(PREFIX).is_some_and(is_bus_name)
}

/// Reads what stands under `event_bus`.
pub(super) fn read_event_bus(it: Item<'_, '_>, base: &Path) -> Option<DestinationTarget> {
    it.fields(|fields| {
        let mut reader = SettingsReader { fields };
        let bus = reader.required(&settings::FAILURE_BUS_NAME, read_bus_name);
        let source = reader.written(&settings::FAILURE_BUS_SOURCE, read_source);
        let detail_type = reader.written(&settings::FAILURE_BUS_DETAIL_TYPE, read_detail_type);
        let aws: Box<AwsSettings> = reader
            .written(&settings::FAILURE_BUS_AWS, |it| {
                AwsSettings::read(it, settings::FAILURE_BUS_SCOPE, base)
            })
            .unwrap_or_default()
            .into();
        let bus = bus?;
        let region = bus.arn().map(|it| &*it.region);
        crate::aws::agree(&mut reader, &settings::FAILURE_BUS_AWS, &aws, region, None)?;
        let EventBusTarget { bus, source: source_default, detail_type: detail_type_default, .. } =
            EventBusTarget::of(bus);
        Some(DestinationTarget::EventBus(EventBusTarget {
            bus,
            source: source.unwrap_or(source_default),
            detail_type: detail_type.unwrap_or(detail_type_default),
            aws,
        }))
    })
}

fn read_bus_name(mut it: Item<'_, '_>) -> Option<BusName> {
    let text = it.again().text()?;
    if is_bus_name(&text) {
        return Some(BusName::Bare(text));
    }
    let arn = Arn::parse(&text).filter(is_bus);
    if arn.is_none() {
        let fix = "write `arn:aws:events:region:account:event-bus/name`, or the name alone: 1 to 256 letters, digits, `.`, `-` and `_`";
        it.wrong(Code::NOT_ALLOWED, "is neither the name nor the ARN of an event bus", Some(fix.to_owned()));
    }
    arn.map(BusName::Arn)
}

/// Buses of partners, whose names have a `/`, take events of their partners only.
fn is_bus_name(text: &str) -> bool {
    (1..=BUS_NAME_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric() || b".-_".contains(&it))
}

fn read_source(mut it: Item<'_, '_>) -> Option<String> {
    let text = read_short(it.again(), EVENT_SOURCE_CHARS_MAX)?;
    if text.starts_with("aws.") {
        let fix = "write another word in front";
        it.wrong(Code::NOT_ALLOWED, "EventBridge keeps `aws.` for AWS's own events", Some(fix.to_owned()));
        return None;
    }
    Some(text)
}

fn read_detail_type(it: Item<'_, '_>) -> Option<String> {
    read_short(it, EVENT_DETAIL_TYPE_CHARS_MAX)
}

fn read_short(mut it: Item<'_, '_>, chars_max: usize) -> Option<String> {
    let text = it.again().text()?;
    let n_chars = text.chars().count();
    if n_chars > chars_max || text.chars().any(char::is_control) {
        let fix = format!("write {chars_max} characters at most, none of them a control character");
        it.wrong(Code::NOT_ALLOWED, "is no word of an event", Some(fix));
        return None;
    }
    Some(text)
}
