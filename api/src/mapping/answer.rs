//! What is answered about a mapping, and how a create and an update make it.

use std::collections::BTreeMap;

use forebay_config::aws::words::AwsWords;
use serde::{Deserialize, Serialize};

use super::parts::{EpochMillis, StartingPositionMember};
use super::request::{CreateMapping, SourceMembers, UpdateMapping};
use super::settings::MappingSettings;

/// EventSourceMappingConfiguration: all that the API shows of a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MappingConfiguration {
    /// Its id.
    #[serde(rename = "UUID")]
    pub uuid: String,
    /// Its ARN.
    pub event_source_mapping_arn: String,
    /// Its function, with the qualifier that was asked for.
    pub function_arn: String,
    /// Its source.
    #[serde(flatten)]
    pub source: SourceMembers,
    /// Its settings, with the defaults that AWS shows for this kind of source.
    #[serde(flatten)]
    pub settings: MappingSettings,
    /// When it changed last, its state too.
    pub last_modified: EpochMillis,
    /// How its last batch ended; queues have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_processing_result: Option<String>,
    /// Creating, Enabled, Disabling and so on.
    pub state: String,
    /// Who or what brought it there.
    pub state_transition_reason: String,
    /// Why its filters cannot be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_criteria_error: Option<FilterCriteriaError>,
}

/// Why filters cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FilterCriteriaError {
    /// The type of an error of the key service.
    pub error_code: String,
    /// Its text.
    pub message: String,
}

/// A page of mappings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MappingList {
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_marker: Option<String>,
    /// The mappings of this page.
    pub event_source_mappings: Vec<MappingConfiguration>,
}

/// The tags of a mapping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TagList {
    /// Keys to values.
    pub tags: BTreeMap<String, String>,
}

/// What the daemon knows of a mapping that is made.
#[derive(Debug, Clone, Copy)]
pub struct MappingIdentity<'a> {
    /// The id that it gets.
    pub uuid: &'a str,
    /// The ARN that it gets.
    pub arn: &'a str,
    /// The ARN of the function that was found.
    pub function_arn: &'a str,
}

impl MappingConfiguration {
    /// The mapping that a checked create makes: its defaults filled in, its state the first one.
    pub fn created(
        create: CreateMapping,
        source: &AwsWords,
        identity: MappingIdentity<'_>,
        now: EpochMillis,
    ) -> Self {
        let CreateMapping { enabled, source: mut place, settings: asked, .. } = create;
        let mut settings = defaults(source, identity.uuid);
        asked.over(&mut settings);
        if source.starts.is_some_and(|it| it.first_is_default) {
            place.starting_position = place.starting_position.or(Some(StartingPositionMember::TrimHorizon));
        }
        // Recorded for queues; streams are Creating first and Disabled then.
        let state = if source.is_queue && enabled == Some(false) { "Disabled" } else { "Creating" };
        Self {
            uuid: identity.uuid.to_owned(),
            event_source_mapping_arn: identity.arn.to_owned(),
            function_arn: identity.function_arn.to_owned(),
            source: place,
            settings,
            last_modified: now,
            last_processing_result: (!source.is_queue).then(|| "No records processed".to_owned()),
            state: state.to_owned(),
            state_transition_reason: source.user_reason.to_owned(),
            filter_criteria_error: None,
        }
    }

    /// Makes it what a checked update asks for. `function_arn` is that of the function the update names, if
    /// it names one.
    pub fn update(
        &mut self,
        update: &UpdateMapping,
        source: &AwsWords,
        function_arn: Option<String>,
        now: EpochMillis,
    ) {
        update.settings.over(&mut self.settings);
        if let Some(function_arn) = function_arn {
            self.function_arn = function_arn;
        }
        let is_off = matches!(self.state.as_str(), "Disabled" | "Disabling");
        self.state = match update.enabled {
            Some(true) if is_off => "Enabling",
            Some(false) if !is_off => "Disabling",
            Some(true | false) | None => "Updating",
        }
        .to_owned();
        source.user_reason.clone_into(&mut self.state_transition_reason);
        self.last_modified = now;
    }

    /// The JSON that is answered.
    pub fn to_json(&self) -> Vec<u8> {
        to_json(self)
    }
}

impl MappingList {
    /// The JSON that is answered.
    pub fn to_json(&self) -> Vec<u8> {
        to_json(self)
    }
}

impl TagList {
    /// The JSON that is answered.
    pub fn to_json(&self) -> Vec<u8> {
        to_json(self)
    }
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and numbers can be written as JSON")
}

/// What AWS shows of a mapping that asks for nothing.
fn defaults(source: &AwsWords, uuid: &str) -> MappingSettings {
    // A kind's words are code: a test reads the defaults of each.
    serde_json::from_value((source.defaults)(uuid)).expect("defaults are settings")
}
