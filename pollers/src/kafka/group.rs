//! Group mode: how a mapping is a member of its consumer group, as the settings say it.

use std::time::Duration;

use forebay_config::settings::{DefaultValue, SettingSpec, Shape};
use forebay_config::{Code, Item};

/// What cannot be obeyed together.
const BAD_GROUP: Code = Code("FB-0399");
const PROTOCOLS: &[&str] = &["classic", "consumer"];
const INSTANCE_CHARS_MAX: usize = 200;
const SESSION: Duration = Duration::from_secs(45);
const SESSION_MIN: Duration = Duration::from_secs(1);
const SESSION_MAX: Duration = Duration::from_secs(3_600);
const REBALANCE: Duration = Duration::from_secs(60);
const REBALANCE_MIN: Duration = Duration::from_secs(1);
const REBALANCE_MAX: Duration = Duration::from_secs(900);
/// Partitions and topics are looked for this often.
const REFRESH_EVERY: Duration = Duration::from_secs(30);

/// By which protocol a member speaks with the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum GroupProtocol {
    /// The members share out, cooperative and sticky.
    #[default]
    Classic,
    /// The broker shares out (KIP-848).
    Consumer,
}

impl GroupProtocol {
    /// As librdkafka and Kafka call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Classic => PROTOCOLS[0],
            Self::Consumer => PROTOCOLS[1],
        }
    }
}

/// How a mapping is a member of its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupTerms {
    pub(super) protocol: GroupProtocol,
    /// The name of a static member.
    pub(super) instance_id: Option<String>,
    /// After so long without a word the coordinator takes a member's partitions away. The brokers say it for the
    /// protocol `consumer`.
    pub(super) session_timeout: Duration,
    /// How long a member may take to give partitions back.
    pub(super) rebalance_timeout: Duration,
    pub(super) refresh_every: Duration,
}

impl Default for GroupTerms {
    fn default() -> Self {
        Self {
            protocol: GroupProtocol::default(),
            instance_id: None,
            session_timeout: SESSION,
            rebalance_timeout: REBALANCE,
            refresh_every: REFRESH_EVERY,
        }
    }
}

/// The rows of the settings.
pub(super) fn specs() -> [SettingSpec; 5] {
    let millis = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
    [
        SettingSpec::new(
            "event_source_mappings[].source.kafka.group",
            Shape::Group,
            DefaultValue::Absent("all partitions are read here"),
            "Several nodes share the partitions: the mapping is a member of its consumer group and reads what the group assigns to it. Write the same on each node; `{}` will do. The group's committed offsets go before what another node kept.",
        ),
        SettingSpec::new(
            "event_source_mappings[].source.kafka.group.protocol",
            Shape::Word(PROTOCOLS),
            DefaultValue::Word(PROTOCOLS[0]),
            "`classic`: the members share out, by `cooperative-sticky`. `consumer`: the brokers do (KIP-848, from Kafka 4.0 on), and say session, heartbeat and assignor themselves. All members of a group speak the same.",
        ),
        SettingSpec::new(
            "event_source_mappings[].source.kafka.group.instance_id",
            Shape::Text,
            DefaultValue::Absent("a member of its own each time"),
            "The name of a static member, another one on each node (`group.instance.id`), such as `${HOSTNAME}`. Who comes back by it within the session has its partitions again and nobody else had them; who stays away holds them back as long.",
        ),
        SettingSpec::new(
            "event_source_mappings[].source.kafka.group.session_timeout",
            Shape::Seconds { min_ms: millis(SESSION_MIN), max_ms: millis(SESSION_MAX) },
            DefaultValue::Millis(millis(SESSION)),
            "After so long without a word of a node its partitions go to others. The brokers have limits for it (`group.min.session.timeout.ms`, `group.max.session.timeout.ms`). Not with `protocol: consumer`.",
        ),
        SettingSpec::new(
            "event_source_mappings[].source.kafka.group.rebalance_timeout",
            Shape::Seconds { min_ms: millis(REBALANCE_MIN), max_ms: millis(REBALANCE_MAX) },
            DefaultValue::Millis(millis(REBALANCE)),
            "How long what is under way of a partition may take to end before it goes to another node. What takes longer is done again there.",
        ),
    ]
}

/// Reads the block.
pub(super) fn read(it: Item<'_, '_>) -> Option<GroupTerms> {
    it.fields(|fields| {
        let protocol = fields.optional("protocol", |it| {
            it.word(&[(PROTOCOLS[0], GroupProtocol::Classic), (PROTOCOLS[1], GroupProtocol::Consumer)])
        });
        let protocol = protocol.unwrap_or_default();
        let instance_id = fields.optional("instance_id", read_instance);
        let session = fields.optional("session_timeout", |mut it| {
            if protocol == GroupProtocol::Consumer {
                let fix = "leave it out, or write `protocol: classic`; the brokers have `group.consumer.session.timeout.ms`";
                it.wrong(BAD_GROUP, "is the brokers' to say with `protocol: consumer`", Some(fix.to_owned()));
                return None;
            }
            it.seconds(SESSION_MIN..=SESSION_MAX)
        });
        let rebalance =
            fields.optional("rebalance_timeout", |it| it.seconds(REBALANCE_MIN..=REBALANCE_MAX));
        Some(GroupTerms {
            protocol,
            instance_id,
            session_timeout: session.unwrap_or(SESSION),
            rebalance_timeout: rebalance.unwrap_or(REBALANCE),
            ..GroupTerms::default()
        })
    })
}

fn read_instance(mut it: Item<'_, '_>) -> Option<String> {
    let text = it.again().text()?;
    let is_plain = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
    // Kafka judges it as the name of a topic.
    if (1..=INSTANCE_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_plain) {
        return Some(text);
    }
    let fix = "write 1 to 200 letters, digits, `_`, `.` and `-`";
    it.wrong(BAD_GROUP, "is no id of a member", Some(fix.to_owned()));
    None
}
