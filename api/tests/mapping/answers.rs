//! What is answered about a mapping: the keys and values that were recorded for each kind of source.

use forebay_api::mapping::{EpochMillis, MappingConfiguration, MappingIdentity, MappingList, TagList};
use forebay_config::aws::AwsWords;
use serde_json::{Value, json};

use crate::{ID, NOW, QUEUE, STREAM, body, create, own_kafka, update};

const ARN: &str =
    "arn:aws:lambda:eu-west-1:123456789012:event-source-mapping:14e0db71-5d35-4eb5-b481-8945cf9d10c2";
const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:f";

pub(crate) fn identity() -> MappingIdentity<'static> {
    MappingIdentity { uuid: ID, arn: ARN, function_arn: FUNCTION }
}

fn created(body: &Value) -> (MappingConfiguration, &'static AwsWords) {
    let (create, source) = create(body).expect("the create is good");
    (MappingConfiguration::created(create, source, identity(), NOW), source)
}

fn shown(mapping: &MappingConfiguration) -> Value {
    serde_json::from_slice(&mapping.to_json()).expect("JSON")
}

/// The keys that every answer has, and those of one source.
fn with(more: Value) -> Value {
    let mut all = json!({ "UUID": ID, "EventSourceMappingArn": ARN, "FunctionArn": FUNCTION, "LastModified": 1_795_000_000.25, "State": "Creating" });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    all
}

#[test]
fn a_mapping_of_a_queue_shows_its_keys() {
    let wanted = json!({
        "BatchSize": 10, "EventSourceArn": QUEUE, "FunctionResponseTypes": [], "MaximumBatchingWindowInSeconds": 0,
        "StateTransitionReason": "USER_INITIATED",
    });
    assert_eq!(shown(&created(&body(QUEUE, json!({ "FilterCriteria": { "Filters": [] } }))).0), with(wanted));
    let disabled =
        created(&body(QUEUE, json!({ "Enabled": false, "ScalingConfig": { "MaximumConcurrency": 5 } }))).0;
    assert_eq!(
        (disabled.state.as_str(), &shown(&disabled)["ScalingConfig"]),
        ("Disabled", &json!({ "MaximumConcurrency": 5 }))
    );
}

#[test]
fn a_mapping_of_a_stream_shows_its_keys() {
    let wanted = json!({
        "BatchSize": 100, "BisectBatchOnFunctionError": false, "DestinationConfig": { "OnFailure": {} }, "EventSourceArn": STREAM,
        "FunctionResponseTypes": [], "LastProcessingResult": "No records processed", "MaximumBatchingWindowInSeconds": 0,
        "MaximumRecordAgeInSeconds": -1, "MaximumRetryAttempts": -1, "ParallelizationFactor": 1, "StartingPosition": "AT_TIMESTAMP",
        "StartingPositionTimestamp": 1_767_225_600.5, "StateTransitionReason": "User action", "TumblingWindowInSeconds": 0,
    });
    let asked = json!({ "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1_767_225_600.5, "Enabled": false });
    assert_eq!(shown(&created(&body(STREAM, asked)).0), with(wanted));
}

#[test]
fn a_mapping_of_kafka_of_ones_own_shows_its_keys() {
    let wanted = json!({
        "BatchSize": 100, "LastProcessingResult": "No records processed",
        "SelfManagedEventSource": { "Endpoints": { "KAFKA_BOOTSTRAP_SERVERS": ["b:9092"] } },
        "SelfManagedKafkaEventSourceConfig": { "ConsumerGroupId": ID }, "SourceAccessConfigurations": [{ "Type": "BASIC_AUTH", "URI": "x" }],
        "StartingPosition": "TRIM_HORIZON", "StateTransitionReason": "USER_INITIATED", "Topics": ["tt"],
    });
    let asked = json!({ "SourceAccessConfigurations": [{ "Type": "BASIC_AUTH", "URI": "x" }] });
    assert_eq!(shown(&created(&own_kafka(asked)).0), with(wanted));
}

#[test]
fn an_update_keeps_what_it_leaves_out_and_clears_what_it_gives_empty() {
    let filter = json!({ "Filters": [{ "Pattern": "{\"body\":[\"x\"]}" }] });
    let asked = json!({ "BatchSize": 5, "FilterCriteria": filter, "ScalingConfig": { "MaximumConcurrency": 5 }, "KMSKeyArn": "arn:aws:kms:x" });
    let (mut mapping, source) = created(&body(QUEUE, asked));
    let before = mapping.settings.clone();
    let now = EpochMillis(NOW.0 + 1);
    mapping.update(&update(&json!({ "BatchSize": 6, "ScalingConfig": null })).unwrap(), source, None, now);
    assert_eq!(
        (mapping.settings.integer("BatchSize"), mapping.settings.get("ScalingConfig")),
        (Some(6), before.get("ScalingConfig"))
    );
    assert_eq!((mapping.state.as_str(), mapping.last_modified), ("Updating", now));
    mapping.update(
        &update(&json!({ "FilterCriteria": {}, "ScalingConfig": {}, "KMSKeyArn": "" })).unwrap(),
        source,
        None,
        now,
    );
    let shown = shown(&mapping);
    assert!(
        ["FilterCriteria", "ScalingConfig", "KMSKeyArn"].iter().all(|it| shown.get(it).is_none()),
        "{shown}"
    );
    assert_eq!(shown["BatchSize"], 6);
    let (mut stream, source) = created(&body(STREAM, json!({ "StartingPosition": "LATEST" })));
    for (to, wanted) in
        [(QUEUE, json!({ "OnFailure": { "Destination": QUEUE } })), ("", json!({ "OnFailure": {} }))]
    {
        let body = json!({ "DestinationConfig": { "OnFailure": { "Destination": to } } });
        stream.update(&update(&body).unwrap(), source, None, now);
        assert_eq!(crate::answers::shown(&stream)["DestinationConfig"], wanted);
    }
}

#[test]
fn enabling_and_disabling_have_their_states_and_another_function_its_arn() {
    let (mut mapping, source) = created(&body(QUEUE, json!({})));
    let enabled = |mapping: &mut MappingConfiguration, body: Value, function: Option<&str>| {
        mapping.update(&update(&body).unwrap(), source, function.map(str::to_owned), NOW);
        mapping.state.clone()
    };
    "Enabled".clone_into(&mut mapping.state);
    assert_eq!(enabled(&mut mapping, json!({ "Enabled": true }), None), "Updating");
    assert_eq!(enabled(&mut mapping, json!({ "Enabled": false }), None), "Disabling");
    "Disabled".clone_into(&mut mapping.state);
    assert_eq!(enabled(&mut mapping, json!({ "BatchSize": 1 }), None), "Updating");
    "Disabled".clone_into(&mut mapping.state);
    assert_eq!(
        enabled(&mut mapping, json!({ "Enabled": true, "FunctionName": "g" }), Some("arn:g")),
        "Enabling"
    );
    assert_eq!(mapping.function_arn, "arn:g");
}

#[test]
fn a_page_without_a_next_one_has_no_marker() {
    let list = MappingList { next_marker: None, event_source_mappings: Vec::new() };
    assert_eq!(list.to_json(), br#"{"EventSourceMappings":[]}"#);
    let tags = TagList { tags: [("a".to_owned(), "b".to_owned())].into() };
    assert_eq!(tags.to_json(), br#"{"Tags":{"a":"b"}}"#);
}
