//! The bodies of create and update. The members that both have are one structure.

use std::collections::BTreeMap;

use forebay_config::settings::AwsMembers;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::parts::{EpochMillis, SelfManagedEventSource, StartingPositionMember};
use super::settings::MappingSettings;

/// What names a source and where it starts; only a create says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "members are named and documented by AWS")]
pub struct SourceMembers {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_source_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queues: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_managed_event_source: Option<SelfManagedEventSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting_position: Option<StartingPositionMember>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting_position_timestamp: Option<EpochMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topics: Option<Vec<String>>,
}

impl SourceMembers {
    /// The members of both.
    pub(super) fn and(&self, settings: &MappingSettings) -> AwsMembers {
        let mut members = settings.members().clone();
        // A structure of texts and numbers is a JSON object.
        if let Ok(Value::Object(source)) = serde_json::to_value(self) {
            members.extend(source);
        }
        members
    }
}

/// CreateEventSourceMapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CreateMapping {
    /// A name, a partial or a full ARN, with a version or an alias or without.
    pub function_name: String,
    /// Whether it runs at once; it does where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Its tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
    /// Its source.
    #[serde(flatten)]
    pub source: SourceMembers,
    /// Its settings.
    #[serde(flatten)]
    pub settings: MappingSettings,
    /// Members that the API does not have; [`checks`](super::checks) refuse them.
    #[serde(skip)]
    pub unknown: Vec<String>,
}

/// UpdateEventSourceMapping.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct UpdateMapping {
    /// Another function; its position stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_name: Option<String>,
    /// Enables or disables it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The settings that change.
    #[serde(flatten)]
    pub settings: MappingSettings,
    /// Members that the API does not have; [`checks`](super::checks) refuse them.
    #[serde(skip)]
    pub unknown: Vec<String>,
}

/// ListEventSourceMappings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ListMappings {
    /// Only those of this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_source_arn: Option<String>,
    /// Only those of this function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_name: Option<String>,
    /// Where the page before ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
    /// At most so many; [`ListMappings::page_size`] bounds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_items: Option<u32>,
}

/// A page has no more, whatever was asked.
const PAGE_SIZE_MAX: u32 = 100;

impl ListMappings {
    /// How many mappings a page has.
    pub fn page_size(&self) -> usize {
        self.max_items.map_or(PAGE_SIZE_MAX, |it| it.min(PAGE_SIZE_MAX)) as usize
    }
}
