//! Each error text that needs nothing but the request, and which of two errors is told.

use forebay_api::error::{ApiError, ErrorType};
use forebay_api::mapping::{MappingConfiguration, Operation, checks};
use forebay_config::aws::words::AwsNamed;
use serde_json::{Value, json};

use crate::{CLUSTER, ID, PATH, QUEUE, STREAM, TABLE, body, create, own_kafka, update};

fn check(body: &Value, error_type: ErrorType, message: &str) {
    let error = create(body).expect_err("the create is refused");
    assert_eq!((error.error_type, error.message.as_str()), (error_type, message), "{body}");
}

fn check_invalid(body: &Value, message: &str) {
    check(body, ErrorType::InvalidParameterValue, message);
}

fn check_violation(body: &Value, message: &str) {
    check(body, ErrorType::Validation, &format!("1 validation error detected: {message}"));
}

#[test]
fn sqs_batch_above_ten_needs_a_window_on_create_and_on_update() {
    let text =
        "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10";
    check_invalid(&body(QUEUE, json!({ "BatchSize": 11 })), text);
    check_invalid(&body(QUEUE, json!({ "BatchSize": 11, "MaximumBatchingWindowInSeconds": 0 })), text);
    let (with_window, source) =
        create(&body(QUEUE, json!({ "BatchSize": 11, "MaximumBatchingWindowInSeconds": 1 }))).unwrap();
    assert!(create(&body(QUEUE, json!({ "BatchSize": 10 }))).is_ok());
    let update =
        |body: Value| checks::parameters_of_update(&update(&body).unwrap(), source, &with_window.settings);
    assert_eq!(update(json!({ "MaximumBatchingWindowInSeconds": 0 })), Err(ApiError::invalid(text)));
    assert_eq!(update(json!({ "MaximumBatchingWindowInSeconds": 0, "BatchSize": 10 })), Ok(()));
}

#[test]
fn no_source_is_recognised() {
    for body in [
        json!({ "FunctionName": "f" }),
        json!({ "FunctionName": "f", "SelfManagedEventSource": {} }),
        body("arn:aws:sns:eu-west-1:123456789012:t", json!({})),
        body("arn:aws:dynamodb:eu-west-1:123456789012:table/t", json!({})),
    ] {
        check_invalid(&body, "Unrecognized event source.");
    }
}

#[test]
fn a_parameter_that_is_not_for_the_source_is_refused_by_name() {
    let text = |name: &str| format!("Unsupported {name} parameter for given event source mapping type.");
    let to = json!({ "OnFailure": { "Destination": QUEUE } });
    check_invalid(&body(QUEUE, json!({ "DestinationConfig": to })), &text("DestinationConfig"));
    for (name, value) in [
        ("ParallelizationFactor", json!(2)),
        ("StartingPosition", json!("LATEST")),
        ("StartingPositionTimestamp", json!(1)),
        ("MaximumRetryAttempts", json!(1)),
        ("MaximumRecordAgeInSeconds", json!(60)),
        ("BisectBatchOnFunctionError", json!(true)),
        ("TumblingWindowInSeconds", json!(1)),
        ("Topics", json!(["tt"])),
        ("Queues", json!(["q"])),
        ("SourceAccessConfigurations", json!([{ "Type": "BASIC_AUTH", "URI": "x" }])),
        ("LoggingConfig", json!({ "SystemLogLevel": "INFO" })),
        ("DocumentDBEventSourceConfig", json!({ "DatabaseName": "d" })),
        ("AmazonManagedKafkaEventSourceConfig", json!({ "ConsumerGroupId": "g" })),
        ("SelfManagedKafkaEventSourceConfig", json!({ "ConsumerGroupId": "g" })),
        ("SomethingNew", json!(1)),
    ] {
        check_invalid(&body(QUEUE, json!({ name: value })), &text(name));
    }
    let latest = |more: Value| {
        let mut body = body(STREAM, json!({ "StartingPosition": "LATEST" }));
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    check_invalid(&latest(json!({ "ScalingConfig": { "MaximumConcurrency": 2 } })), &text("ScalingConfig"));
    check_invalid(
        &latest(json!({ "ProvisionedPollerConfig": { "MinimumPollers": 2 } })),
        &text("ProvisionedPollerConfig"),
    );
    let inner = json!({ "DestinationConfig": { "OnFailure": { "Destination": QUEUE, "Other": 1 } } });
    check_invalid(&latest(inner), &text("DestinationConfig.OnFailure.Other"));
    for metric in ["ErrorCount", "KafkaMetrics"] {
        let metrics = json!({ "MetricsConfig": { "Metrics": ["EventCount", metric] } });
        check_invalid(&body(QUEUE, metrics), &text(&format!("MetricsConfig.Metrics {metric}")));
    }
    assert!(create(&body(QUEUE, json!({ "MetricsConfig": { "Metrics": ["EventCount"] } }))).is_ok());
    // What is empty asks for nothing.
    assert!(
        create(&body(
            QUEUE,
            json!({ "DestinationConfig": {}, "SourceAccessConfigurations": [], "KMSKeyArn": "" })
        ))
        .is_ok()
    );
}

#[test]
fn a_stream_needs_a_starting_position() {
    let text = "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.";
    for arn in [STREAM, TABLE] {
        check_invalid(&body(arn, json!({})), text);
    }
    check_invalid(&body(CLUSTER, json!({ "Topics": ["tt"] })), text);
    let at_time = json!({ "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1 });
    check_invalid(
        &body(TABLE, at_time.clone()),
        &format!("Unsupported starting position for arn type: {TABLE}"),
    );
    assert!(create(&body(STREAM, at_time)).is_ok());
    for more in [
        json!({ "StartingPosition": "AT_TIMESTAMP" }),
        json!({ "StartingPosition": "LATEST", "StartingPositionTimestamp": 1 }),
        json!({ "StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1_795_000_001 }),
    ] {
        assert!(create(&body(STREAM, more.clone())).is_err(), "{more}");
    }
}

#[test]
fn a_value_outside_of_its_set_is_told_as_recorded() {
    let text = "Value 'invalid' at 'startingPosition' failed to satisfy constraint: Member must satisfy enum value set: \
                [LATEST, AT_TIMESTAMP, TRIM_HORIZON]";
    check_violation(&body(STREAM, json!({ "StartingPosition": "invalid" })), text);
    let error = create(&body(STREAM, json!({ "StartingPosition": "invalid" }))).unwrap_err();
    let body: Value = serde_json::from_slice(&error.body()).unwrap();
    assert_eq!(body, json!({ "message": format!("1 validation error detected: {text}") }), "it has no Type");
}

#[test]
fn ranges_are_told_with_their_bound() {
    let text = |value: &str, at: &str, bound: &str| {
        format!("Value '{value}' at '{at}' failed to satisfy constraint: Member must have {bound}")
    };
    for (more, wanted) in [
        (json!({ "BatchSize": 0 }), text("0", "batchSize", "value greater than or equal to 1")),
        (json!({ "BatchSize": 10_001 }), text("10001", "batchSize", "value less than or equal to 10000")),
        (
            json!({ "MaximumBatchingWindowInSeconds": 301 }),
            text("301", "maximumBatchingWindowInSeconds", "value less than or equal to 300"),
        ),
        (
            json!({ "ScalingConfig": { "MaximumConcurrency": 1 } }),
            text("1", "scalingConfig.maximumConcurrency", "value greater than or equal to 2"),
        ),
        (
            json!({ "FunctionName": "f".repeat(257) }),
            text(&"f".repeat(257), "functionName", "length less than or equal to 256"),
        ),
    ] {
        check_violation(&body(QUEUE, more), &wanted);
    }
    let long = "x".repeat(4097);
    let more = json!({ "FilterCriteria": { "Filters": [{ "Pattern": "{}" }, { "Pattern": long }] } });
    check_violation(
        &body(QUEUE, more),
        &text(&long, "filterCriteria.filters.2.member.pattern", "length less than or equal to 4096"),
    );
    check_violation(
        &body(QUEUE, json!({ "FunctionResponseTypes": ["x"] })),
        "Value '[x]' at 'functionResponseTypes' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum \
         value set: [ReportBatchItemFailures]]",
    );
    let error = create(&body(QUEUE, json!({ "Tags": { "": "x", "k": "é*" } }))).unwrap_err();
    let keys = "Value '{=x, k=é*}' at 'tags' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less \
                than or equal to 128, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: ";
    assert!(error.message.starts_with(&format!("2 validation errors detected: {keys}")), "{error}");
    assert!(
        error.message.contains(
            "Map value must satisfy constraint: [Member must have length less than or equal to 256, "
        ),
        "{error}"
    );
}

#[test]
fn a_null_and_a_wrong_text_in_one_list_are_both_told_in_either_order() {
    for (list, shown) in [(json!([null, "x"]), "[null, x]"), (json!(["x", null, null]), "[x, null, null]")] {
        let wanted = format!(
            "Value '{shown}' at 'functionResponseTypes' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy \
             enum value set: [ReportBatchItemFailures], Member must not be null]"
        );
        let error = create(&body(QUEUE, json!({ "FunctionResponseTypes": list }))).unwrap_err();
        assert!(error.message.ends_with(&wanted), "{error}");
    }
}

#[test]
fn several_violations_are_told_at_once() {
    let error = create(&json!({ "EventSourceArn": QUEUE, "BatchSize": 0, "Topics": [] })).unwrap_err();
    assert_eq!(
        error.message,
        "3 validation errors detected: Value '0' at 'batchSize' failed to satisfy constraint: Member must have value greater than or equal \
         to 1; Value null at 'functionName' failed to satisfy constraint: Member must not be null; Value '[]' at 'topics' failed to satisfy \
         constraint: Member must have length greater than or equal to 1"
    );
}

#[test]
fn an_invalid_filter_is_refused_in_every_form() {
    let with = |pattern: Value| body(QUEUE, json!({ "FilterCriteria": { "Filters": [pattern] } }));
    for pattern in ["not json", "[]", "{\"a\": 1}", "", "{\"body\": [{\"unknown\": 1}]}"] {
        check_invalid(&with(json!({ "Pattern": pattern })), "Invalid filter pattern definition.");
    }
    check_invalid(&with(json!({})), "Invalid filter pattern definition.");
    assert!(create(&with(json!({ "Pattern": "{\"body\": {\"a\": [1]}}" }))).is_ok());
    let many = |n: usize| {
        body(QUEUE, json!({ "FilterCriteria": { "Filters": vec![json!({ "Pattern": "{\"a\":[1]}" }); n] } }))
    };
    assert!(create(&many(10)).is_ok() && create(&many(11)).is_err());
}

#[test]
fn kafka_of_ones_own_needs_access_and_topics() {
    check_invalid(&own_kafka(json!({})), "Required 'sourceAccessConfigurations' parameter is missing.");
    let (_, source) = create(&own_kafka(json!({ "SourceAccessConfigurations": [] }))).unwrap();
    assert!(matches!(source.named, AwsNamed::Servers));
    check_invalid(
        &body(CLUSTER, json!({ "StartingPosition": "LATEST" })),
        "Required 'topics' parameter is missing.",
    );
}

#[test]
fn a_fifo_queue_has_no_window_and_ten_records() {
    let fifo = format!("{QUEUE}.fifo");
    check_invalid(
        &body(&fifo, json!({ "MaximumBatchingWindowInSeconds": 1 })),
        "Batching window is not supported for FIFO queues",
    );
    assert!(
        create(&body(&fifo, json!({ "BatchSize": 11 }))).is_err()
            && create(&body(&fifo, json!({ "BatchSize": 10 }))).is_ok()
    );
}

#[test]
fn settings_that_exclude_each_other_are_refused() {
    for more in [
        json!({ "ScalingConfig": { "MaximumConcurrency": 2 }, "ProvisionedPollerConfig": { "MinimumPollers": 2 } }),
        json!({ "ProvisionedPollerConfig": { "MinimumPollers": 5, "MaximumPollers": 4 } }),
        json!({ "ProvisionedPollerConfig": { "MinimumPollers": 1 } }),
        json!({ "ProvisionedPollerConfig": { "PollerGroupName": "g" } }),
    ] {
        assert!(create(&body(QUEUE, more.clone())).is_err(), "{more}");
    }
    let stream = |more: Value| {
        create(&body(STREAM, json!({ "StartingPosition": "LATEST", "MaximumRecordAgeInSeconds": more })))
    };
    assert!(
        stream(json!(59)).is_err()
            && stream(json!(0)).is_err()
            && stream(json!(60)).is_ok()
            && stream(json!(-1)).is_ok()
    );
    let success = json!({ "StartingPosition": "LATEST", "DestinationConfig": { "OnSuccess": { "Destination": QUEUE } } });
    assert!(create(&body(STREAM, success)).is_err());
}

/// The order of checks, by requests that fail two of them.
#[test]
fn the_earlier_check_is_told() {
    let both = body("arn:aws:sns:eu-west-1:123456789012:t", json!({ "BatchSize": 0 }));
    assert_eq!(create(&both).unwrap_err().error_type, ErrorType::Validation, "1 before 2");
    let both = body("arn:aws:sns:eu-west-1:123456789012:t", json!({ "Other": 1 }));
    check_invalid(&both, "Unrecognized event source.");
    let both = body(STREAM, json!({ "ScalingConfig": { "MaximumConcurrency": 2 } }));
    check_invalid(&both, "Unsupported ScalingConfig parameter for given event source mapping type.");
    let both = body(STREAM, json!({ "FilterCriteria": { "Filters": [{ "Pattern": "x" }] } }));
    assert!(create(&both).unwrap_err().message.contains("'startingPosition'"), "5 before 6");
}

#[test]
fn an_unknown_id_and_a_malformed_arn_are_told_as_recorded() {
    let error = Operation::find("GET", &format!("{PATH}/abc")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "ValidationException: 1 validation error detected: Value 'abc' at 'uUID' failed to satisfy constraint: Member must have length \
         greater than or equal to 36"
    );
    assert_eq!(ApiError::no_mapping().status(), 404);
    let error = Operation::find("GET", "/2017-03-31/tags/arn%3Aaws%3Asomething").unwrap_err();
    assert_eq!(error.error_type, ErrorType::Validation);
    let text = "1 validation error detected: Value 'arn:aws:something' at 'resource' failed to satisfy constraint: Member must satisfy \
                regular expression pattern: arn:(aws[a-zA-Z-]*):lambda:(eusc-)?";
    assert!(
        error.message.starts_with(text) && error.message.ends_with("|capacity-provider:[a-zA-Z0-9-_]+)"),
        "{error}"
    );
}

#[test]
fn an_update_cannot_change_what_only_a_create_says() {
    let (_, queue) = create(&body(QUEUE, json!({}))).unwrap();
    for name in ["EventSourceArn", "Topics", "Queues", "StartingPosition", "SelfManagedEventSource", "Tags"] {
        let update = update(&json!({ name: "x" })).unwrap();
        let error = checks::parameters_of_update(&update, queue, &<_>::default()).unwrap_err();
        assert_eq!(
            error.message,
            format!("Unsupported {name} parameter for given event source mapping type.")
        );
    }
    let (create, source) = create(&own_kafka(json!({ "SourceAccessConfigurations": [] }))).unwrap();
    let identity = crate::answers::identity();
    let mapping = MappingConfiguration::created(create, source, identity, crate::NOW);
    let check = |group: &str| {
        let update =
            update(&json!({ "SelfManagedKafkaEventSourceConfig": { "ConsumerGroupId": group } })).unwrap();
        checks::parameters_of_update(&update, source, &mapping.settings)
    };
    assert!(check(ID).is_ok(), "the same group may be said again");
    assert!(check("another").is_err());
}
