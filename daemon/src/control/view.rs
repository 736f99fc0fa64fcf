//! Mappings of both owners as Lambda's API shows them.

use forebay_api::mapping::{EpochMillis, MappingConfiguration, SourceMembers, StartingPositionMember};
use forebay_clients::Clients;
use forebay_config::function::LambdaName;
use forebay_config::settings::in_aws_words;
use forebay_config::{Mapping, StartingPosition as Start, aws};

use super::note::Definition;
use crate::compiled::CompiledMapping;
use crate::lifecycle::{Calm, Lifecycle};
use crate::mapping_status::MappingStatus;
use crate::mapping_uuid::uuid_of_written;

/// A mapping that the API made, as it is now.
pub(super) fn of_definition(definition: &Definition, status: Option<&MappingStatus>) -> MappingConfiguration {
    let mut shown = definition.configuration.clone();
    show_state(&mut shown, status, definition.enabled);
    if definition.deleting {
        "Deleting".clone_into(&mut shown.state);
    }
    shown
}

/// A mapping of the config file, as far as AWS has words for it.
pub(super) fn of_file(
    it: &CompiledMapping,
    status: Option<&MappingStatus>,
    clients: &Clients,
    read_at: EpochMillis,
) -> MappingConfiguration {
    let (region, account) = (clients.aws.region(), clients.aws.common_account());
    let mapping = &it.mapping;
    let uuid = uuid_of_written(mapping.name.as_str());
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
    show_state(&mut shown, status, mapping.enabled);
    shown
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
fn show_state(shown: &mut MappingConfiguration, status: Option<&MappingStatus>, is_enabled: bool) {
    let Some(status) = status else { return };
    let lifecycle = &status.lifecycle;
    let (state, reason) = match lifecycle {
        Lifecycle::Creating if !is_enabled => ("Disabled", None),
        // What is left is to hand back what it had not begun with.
        Lifecycle::Disabling if status.calm == Calm::Still => ("Disabled", None),
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
        shown.last_processing_result = Some(status.last_result.to_owned());
    }
    shown.last_modified = shown.last_modified.max(EpochMillis(status.changed_at.0));
}

#[cfg(test)]
mod tests {
    use forebay_batcher::UnixMillis;
    use serde_json::json;

    use super::*;

    /// State and reason of one that stands like this, whose last change was switching it on.
    fn shown(lifecycle: Lifecycle, calm: Calm) -> (String, String) {
        let shown = of_definition(&definition(true), Some(&standing(lifecycle, calm)));
        (shown.state, shown.state_transition_reason)
    }

    fn definition(enabled: bool) -> Definition {
        let configuration = serde_json::from_value(json!({
            "UUID": "u", "EventSourceMappingArn": "a", "FunctionArn": "f", "EventSourceArn": "s", "LastModified": 0.0,
            "LastProcessingResult": "No records processed", "State": "Creating", "StateTransitionReason": "USER_INITIATED",
        }));
        Definition {
            configuration: configuration.unwrap(),
            enabled,
            tags: Default::default(),
            deleting: false,
        }
    }

    fn standing(lifecycle: Lifecycle, calm: Calm) -> MappingStatus {
        MappingStatus { lifecycle, calm, ..MappingStatus::fresh() }
    }

    #[test]
    fn a_mapping_stands_in_lambdas_words_and_where_it_has_none_rests() {
        let error = || "no route".into();
        let own = "USER_INITIATED";
        for (lifecycle, state, reason) in [
            (Lifecycle::Creating, "Creating", own),
            (Lifecycle::Enabling { error: error(), n_failures: 1 }, "Enabling", own),
            (Lifecycle::Enabled, "Enabled", own),
            (Lifecycle::Restarting { error: String::new() }, "Enabling", own),
            (Lifecycle::Disabled, "Disabled", own),
            (Lifecycle::Disabling, "Disabling", own),
            (Lifecycle::Updating, "Updating", own),
            (Lifecycle::Deleting { erased: true }, "Deleting", own),
            (Lifecycle::Paused, "Disabled", "Paused over /v1/; resume it there, or set Enabled"),
            (Lifecycle::Unfit { error: error() }, "Disabled", "ESM_CONFIG_NOT_VALID"),
        ] {
            assert_eq!(shown(lifecycle, Calm::Closing), (state.to_owned(), reason.to_owned()));
        }
    }

    #[test]
    fn one_that_was_switched_off_is_shown_so_once_none_of_its_invocations_runs() {
        assert_eq!(shown(Lifecycle::Disabling, Calm::Still).0, "Disabled");
        let never_on = of_definition(&definition(false), Some(&standing(Lifecycle::Creating, Calm::Busy)));
        assert_eq!(never_on.state, "Disabled");
    }

    #[test]
    fn the_last_result_and_change_of_what_runs_are_shown_and_those_of_the_definition_without_it() {
        let status = MappingStatus {
            last_result: "OK",
            changed_at: UnixMillis(1_500),
            ..standing(Lifecycle::Enabled, Calm::Busy)
        };
        let told = of_definition(&definition(true), Some(&status));
        assert_eq!(told.last_processing_result.as_deref(), Some("OK"));
        assert_eq!(told.last_modified, EpochMillis(1_500));
        let mut of_queue = definition(true);
        of_queue.configuration.last_processing_result = None;
        assert_eq!(of_definition(&of_queue, Some(&status)).last_processing_result, None);
        assert_eq!(of_definition(&definition(true), None), definition(true).configuration);
        let deleted = Definition { deleting: true, ..definition(true) };
        assert_eq!(of_definition(&deleted, Some(&status)).state, "Deleting");
    }
}
