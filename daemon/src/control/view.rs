//! Mappings of both owners as Lambda's API shows them.

use forebay_api::mapping::{EpochMillis, MappingConfiguration, SourceMembers, StartingPositionMember};
use forebay_clients::Clients;
use forebay_config::function::LambdaName;
use forebay_config::settings::in_aws_words;
use forebay_config::{Mapping, StartingPosition as Start, aws};
use sha2::{Digest, Sha256};

use super::note::Definition;
use crate::compiled::CompiledMapping;
use crate::registry::{Calm, Entry, Lifecycle};

/// A mapping that the API made, as it is now.
pub(super) fn of_definition(definition: &Definition, entry: Option<&Entry>) -> MappingConfiguration {
    let mut shown = definition.configuration.clone();
    show_state(&mut shown, entry, definition.enabled);
    if definition.deleting {
        "Deleting".clone_into(&mut shown.state);
    }
    shown
}

/// A mapping of the config file, as far as AWS has words for it.
pub(super) fn of_file(
    it: &CompiledMapping,
    entry: Option<&Entry>,
    clients: &Clients,
    read_at: EpochMillis,
) -> MappingConfiguration {
    let (region, account) = (clients.aws.region(), clients.aws.common_account());
    let mapping = &it.mapping;
    let uuid = uuid_of(mapping.name.as_str());
    let mut shown = MappingConfiguration {
        event_source_mapping_arn: arn(region, account, &uuid),
        uuid,
        function_arn: function_arn(mapping, region, account),
        source: SourceMembers {
            event_source_arn: it.source.arn(region, account),
            starting_position: mapping.starting_position.map(|it| match it {
                Start::TrimHorizon => StartingPositionMember::TrimHorizon,
                Start::Latest => StartingPositionMember::Latest,
                Start::AtTimestamp(_) => StartingPositionMember::AtTimestamp,
            }),
            starting_position_timestamp: match mapping.starting_position {
                Some(Start::AtTimestamp(at)) => Some(EpochMillis(at)),
                Some(Start::TrimHorizon | Start::Latest) | None => None,
            },
            ..SourceMembers::default()
        },
        settings: in_aws_words(mapping).into(),
        last_modified: read_at,
        last_processing_result: mapping.starting_position.map(|_| "No records processed".to_owned()),
        state: String::new(),
        state_transition_reason: "USER_INITIATED".to_owned(),
        filter_criteria_error: None,
    };
    show_state(&mut shown, entry, mapping.enabled);
    shown
}

/// The id under which the API shows a mapping of the config file: it follows from the name, so that it stays
/// the same.
pub(crate) fn uuid_of(name: &str) -> String {
    let digest = Sha256::digest(format!("forebay mapping {name}"));
    let bytes = digest.first_chunk::<16>().copied().unwrap_or_default();
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

/// The ARN of a mapping.
pub(super) fn arn(region: &str, account: &str, uuid: &str) -> String {
    format!("arn:{}:lambda:{region}:{account}:event-source-mapping:{uuid}", aws::partition_of(region))
}

fn function_arn(mapping: &Mapping, region: &str, account: &str) -> String {
    if mapping.function.is_arn() {
        return mapping.function.to_string();
    }
    let arn = LambdaName::Bare(mapping.function.to_string()).arn(region, account);
    mapping.function_qualifier.as_ref().map_or_else(|| arn.clone(), |it| format!("{arn}:{it}"))
}

/// State, reason and last result as they are now.
fn show_state(shown: &mut MappingConfiguration, entry: Option<&Entry>, is_enabled: bool) {
    let Some(entry) = entry else { return };
    let lifecycle = entry.lifecycle();
    let (state, reason) = match &lifecycle {
        Lifecycle::Creating if !is_enabled => ("Disabled", None),
        // What is left is to hand back what it had not begun with.
        Lifecycle::Disabling if entry.calm() == Calm::Still => ("Disabled", None),
        Lifecycle::Paused => ("Disabled", Some("Paused over /v1/; resume it there, or set Enabled")),
        Lifecycle::Unfit { .. } => ("Disabled", Some("ESM_CONFIG_NOT_VALID")),
        Lifecycle::Creating
        | Lifecycle::Enabling { .. }
        | Lifecycle::Enabled
        | Lifecycle::Restarting { .. }
        | Lifecycle::Disabled
        | Lifecycle::Disabling
        | Lifecycle::Updating
        | Lifecycle::Deleting { .. } => (lifecycle.word(), None),
    };
    state.clone_into(&mut shown.state);
    if let Some(reason) = reason {
        reason.clone_into(&mut shown.state_transition_reason);
    }
    if shown.last_processing_result.is_some() {
        shown.last_processing_result = Some(entry.last_result().to_owned());
    }
    shown.last_modified = shown.last_modified.max(EpochMillis(entry.changed_at().0));
}
