//! Drafts: the rules between settings, which are told in our words and in AWS's, and what a request and a
//! file have in common.

use crate::common::check;
use forebay_config::settings::{AwsMembers, in_aws_words, in_config_words};
use forebay_config::{AwsStep, Draft};
use serde_json::{Value, json};

fn members(body: Value) -> AwsMembers {
    let Value::Object(members) = body else { panic!("{body} is no body") };
    members.into_iter().collect()
}

/// The messages for a mapping of a kind with further settings.
fn ours(kind: &str, more: &str) -> Vec<String> {
    let text = format!(
        "functions: {{ f: {{ executor: {{ http: {{ url: \"http://h\" }} }} }} }}\n\
         event_source_mappings:\n  - {{ name: m, source: {{ {kind}: {{ name: x }} }}, function_name: f, {more} }}\n"
    );
    check(&text).err().unwrap_or_default().into_iter().map(|it| it.message).collect()
}

#[test]
fn a_rule_between_settings_is_told_in_our_words_and_in_awss() {
    let rules = [
        (
            ("stream", "starting_position: LATEST, maximum_record_age_in_seconds: 59"),
            json!({ "MaximumRecordAgeInSeconds": 59 }),
            AwsStep::Parameters,
            "must be -1, or from 60 to 604800",
            "MaximumRecordAgeInSeconds must be -1 or at least 60, not 59",
        ),
        (
            (
                "queue",
                "scaling_config: { maximum_concurrency: 2 }, provisioned_poller_config: { minimum_pollers: 2 }",
            ),
            json!({ "ScalingConfig": { "MaximumConcurrency": 2 }, "ProvisionedPollerConfig": { "MinimumPollers": 2 } }),
            AwsStep::Parameters,
            "`scaling_config` and `provisioned_poller_config` exclude each other",
            "ScalingConfig and ProvisionedPollerConfig cannot be used together.",
        ),
        (
            ("queue", "provisioned_poller_config: { minimum_pollers: 5, maximum_pollers: 4 }"),
            json!({ "ProvisionedPollerConfig": { "MinimumPollers": 5, "MaximumPollers": 4 } }),
            AwsStep::Parameters,
            "`minimum_pollers` is more than `maximum_pollers`",
            "MinimumPollers cannot be greater than MaximumPollers.",
        ),
        (
            ("stream", "starting_position: AT_TIMESTAMP"),
            json!({ "StartingPosition": "AT_TIMESTAMP" }),
            AwsStep::Position,
            "`starting_position: AT_TIMESTAMP` needs `starting_position_timestamp`",
            "StartingPositionTimestamp is required when StartingPosition is AT_TIMESTAMP.",
        ),
        (
            ("stream", "starting_position: LATEST, starting_position_timestamp: 1"),
            json!({ "StartingPosition": "LATEST", "StartingPositionTimestamp": 1 }),
            AwsStep::Position,
            "a time has a meaning only with `starting_position: AT_TIMESTAMP`",
            "StartingPositionTimestamp goes with StartingPosition AT_TIMESTAMP only.",
        ),
        (
            ("queue", "filter_criteria: { filter: [{ pattern: \"{\" }] }"),
            json!({ "FilterCriteria": { "Filters": [{ "Pattern": "{" }] } }),
            AwsStep::Filters,
            "Invalid filter pattern definition.",
            "Invalid filter pattern definition.",
        ),
        (
            ("queue", "filter_criteria: { filter: [{}] }"),
            json!({ "FilterCriteria": { "Filters": [{}] } }),
            AwsStep::Filters,
            "`pattern` is missing",
            "Invalid filter pattern definition.",
        ),
    ];
    for ((kind, more), body, step, message, sentence) in rules {
        assert_eq!(ours(kind, more), [message], "{more}");
        let draft = Draft::of_members(&members(body.clone()));
        assert_eq!(draft.refusal(step).as_deref(), Some(sentence), "{body}");
        for other in [AwsStep::Parameters, AwsStep::Function, AwsStep::Position, AwsStep::Filters] {
            assert_eq!(draft.refusal(other).is_some(), other == step, "{body} in {other:?}");
        }
    }
}

#[test]
fn a_setting_that_asks_for_nothing_stays_out_of_a_config() {
    let asked = json!({
        "BatchSize": 5, "MaximumBatchingWindowInSeconds": 0, "TumblingWindowInSeconds": 0, "MaximumRetryAttempts": 0,
        "FunctionResponseTypes": [], "FilterCriteria": { "Filters": [] }, "ScalingConfig": {},
        "DestinationConfig": { "OnFailure": {} }, "KMSKeyArn": "",
    });
    assert_eq!(
        in_config_words(&members(asked)),
        json!({ "batch_size": 5, "maximum_retry_attempts": 0 }),
        "no retry is something to ask for"
    );
}

#[test]
fn what_is_asked_in_awss_words_is_shown_in_them_again() {
    let text = "functions: { f: { executor: { http: { url: \"http://h\" } } } }\n\
                event_source_mappings:\n  - name: m\n    source: { stream: { name: x } }\n    function_name: f\n    \
                starting_position: LATEST\n    batch_size: 5\n    maximum_batching_window_in_seconds: 0.5\n    \
                maximum_record_age_in_seconds: 60\n    filter_criteria: { filter: [ { pattern: '{\"a\":[1]}' } ] }\n    \
                destination_config: { on_failure: { destination_arn: \"arn:aws:sqs:eu-west-1:123456789012:q\" } }\n";
    let mapping = check(text).unwrap().mappings.remove(0);
    let shown = json!({
        "BatchSize": 5, "BisectBatchOnFunctionError": false,
        "DestinationConfig": { "OnFailure": { "Destination": "arn:aws:sqs:eu-west-1:123456789012:q" } },
        "FilterCriteria": { "Filters": [{ "Pattern": "{\"a\":[1]}" }] }, "FunctionResponseTypes": [],
        "MaximumBatchingWindowInSeconds": 1, "MaximumRecordAgeInSeconds": 60, "MaximumRetryAttempts": -1,
        "ParallelizationFactor": 1, "TumblingWindowInSeconds": 0,
    });
    assert_eq!(in_aws_words(&mapping), members(shown.clone()));
    let again = in_config_words(&members(shown));
    assert_eq!(
        again["destination_config"]["on_failure"]["destination_arn"],
        "arn:aws:sqs:eu-west-1:123456789012:q"
    );
    assert_eq!(again["filter_criteria"], json!({ "filter": [{ "pattern": "{\"a\":[1]}" }] }));
}
