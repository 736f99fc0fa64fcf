//! What a checked mapping holds, and every range at its edge.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::common::{Variables, check, check_all};
use forebay_config::destination::DestinationTarget;
use forebay_config::function::{Runtime, Sandbox};
use forebay_config::{
    Config, ExecutorSettings, Mapping, OnExhausted, RatePlan, RateUnit, Redelivery, StartingPosition,
};

const FUNCTIONS: &str = "functions: { f: { executor: { http: { url: 'http://h' } } } }\n";

/// A config with one mapping of a kind and these settings.
fn mapping(kind: &str, settings: &str) -> Result<Mapping, Vec<String>> {
    let start = if matches!(kind, "stream" | "broker") && !settings.contains("starting_position:") {
        "    starting_position: LATEST\n"
    } else {
        ""
    };
    let settings: String = settings.lines().map(|line| format!("    {line}\n")).collect();
    let text = format!(
        "{FUNCTIONS}event_source_mappings:\n  - name: m\n    source: {{ {kind}: {{ name: x }} }}\n    function_name: f\n{start}{settings}"
    );
    match check(&text) {
        Ok(Config { mut mappings, .. }) => Ok(mappings.remove(0)),
        Err(findings) => Err(findings.into_iter().map(|it| it.message).collect()),
    }
}

#[test]
fn the_example_of_the_readme_is_read_in_all_three_languages() {
    let yaml = r#"
functions:
  summarise:
    executor: { process: { runtime: python3, handler: app.handler, code: ./code } }
    timeout: 30
    reserved_concurrent_executions: 2
event_source_mappings:
  - name: quakes
    source: { stream: { name: quakes } }
    function_name: summarise
    starting_position: TRIM_HORIZON
    batch_size: ${SIZE}
    maximum_batching_window_in_seconds: 0.5
    maximum_retry_attempts: 2
    bisect_batch_on_function_error: true
    function_response_types: [ReportBatchItemFailures]
    destination_config: { on_failure: { file: { path: dead.ndjson }, include_payload: true } }
    filter_criteria: { filter: [ { pattern: '{"data": {"mag": [{"numeric": [">", 5]}]}}' } ] }
"#;
    let toml = r#"
[functions.summarise]
timeout = 30
reserved_concurrent_executions = 2
executor.process = { runtime = "python3", handler = "app.handler", code = "./code" }
[[event_source_mappings]]
name = "quakes"
source.stream.name = "quakes"
function_name = "summarise"
starting_position = "TRIM_HORIZON"
batch_size = "${SIZE}"
maximum_batching_window_in_seconds = 0.5
maximum_retry_attempts = 2
bisect_batch_on_function_error = true
function_response_types = ["ReportBatchItemFailures"]
destination_config.on_failure = { file = { path = "dead.ndjson" }, include_payload = true }
filter_criteria.filter = [ { pattern = '{"data": {"mag": [{"numeric": [">", 5]}]}}' } ]
"#;
    let json = r#"{
  "functions": {"summarise": {
    "executor": {"process": {"runtime": "python3", "handler": "app.handler", "code": "./code"}},
    "timeout": 30, "reserved_concurrent_executions": 2}},
  "event_source_mappings": [{
    "name": "quakes", "source": {"stream": {"name": "quakes"}}, "function_name": "summarise", "starting_position": "TRIM_HORIZON",
    "batch_size": "${SIZE}", "maximum_batching_window_in_seconds": 5e-1, "maximum_retry_attempts": 2, "bisect_batch_on_function_error": true,
    "function_response_types": ["ReportBatchItemFailures"],
    "destination_config": {"on_failure": {"file": {"path": "dead.ndjson"}, "include_payload": true}},
    "filter_criteria": {"filter": [{"pattern": "{\"data\": {\"mag\": [{\"numeric\": [\">\", 5]}]}}"}]}}]
}"#;
    for (file, text) in [("f.yaml", yaml), ("f.toml", toml), ("f.json", json)] {
        let config = check_all(&[(file, text)], &Variables(&[("SIZE", "250")]))
            .unwrap_or_else(|it| panic!("{file}: {it:?}"));
        let function = config.functions.values().next().unwrap();
        let ExecutorSettings::Process(process) = &function.executor else { panic!("{function:?}") };
        assert_eq!(
            (process.runtime, process.handler.as_str(), process.sandbox),
            (Runtime::Python3, "app.handler", Sandbox::None)
        );
        assert_eq!(process.code.to_str(), Some("/base/./code"));
        assert_eq!((process.memory_size.get(), process.idle_ttl), (128, Duration::from_secs(600)));
        assert_eq!((function.timeout, function.concurrency), (Duration::from_secs(30), Some(2)));

        let mapping = &config.mappings[0];
        assert!(mapping.enabled);
        assert_eq!(
            (mapping.name.as_str(), mapping.source.kind.as_str(), mapping.function.as_str()),
            ("quakes", "stream", "summarise")
        );
        assert_eq!(mapping.starting_position, Some(StartingPosition::TrimHorizon));
        assert_eq!(
            (mapping.batch.records_max.get(), mapping.batch.bytes_max, mapping.batch.window),
            (250, 6_291_456, Duration::from_millis(500))
        );
        assert_eq!((mapping.retry.retries_max, mapping.retry.record_age_max), (Some(2), None));
        assert!(
            mapping.retry.bisect
                && mapping.retry.partial_responses
                && !mapping.retry.stop_group_at_first_failure
        );
        assert_eq!(
            (mapping.retry.redelivery, mapping.retry.drop_after_destination_failures),
            (Redelivery::ByUs, None)
        );
        assert_eq!((mapping.lanes.get(), mapping.concurrency_max, mapping.pollers), (1, None, None));
        assert!(mapping.window.is_none());
        assert_eq!(mapping.filters.len(), 1);
        let on_failure = mapping.on_failure.as_ref().unwrap();
        assert!(on_failure.include_payload);
        assert_eq!(on_failure.target, DestinationTarget::File("/base/dead.ndjson".into()));

        assert_eq!(config.settings.admin_listen.to_string(), "127.0.0.1:9470");
        assert_eq!(
            (config.settings.data_dir, config.settings.shutdown_grace),
            (None, Duration::from_secs(25))
        );
        assert_eq!(
            (config.settings.memory_budget_bytes, config.settings.memory_share_bytes),
            (256 << 20, None)
        );
    }
}

#[test]
fn the_defaults_of_a_mapping_are_those_of_its_source() {
    for (kind, size, window) in [("stream", 100, 0), ("queue", 10, 0), ("fifo", 10, 0), ("broker", 100, 500)]
    {
        let mapping = mapping(kind, "").unwrap();
        assert_eq!(
            (mapping.batch.records_max.get(), mapping.batch.window),
            (size, Duration::from_millis(window)),
            "{kind}"
        );
        assert_eq!(
            (mapping.retry.retries_max, mapping.retry.bisect, mapping.retry.partial_responses),
            (None, false, false)
        );
        let redelivery =
            if matches!(kind, "queue" | "fifo") { Redelivery::BySource } else { Redelivery::ByUs };
        assert_eq!(mapping.retry.redelivery, redelivery, "{kind}");
    }
}

#[test]
fn retries_without_end_and_a_destination_are_ten_where_the_source_says_so() {
    let dead = "destination_config: { on_failure: { file: { path: dead } } }\n";
    let retries = |kind: &str, more: &str| mapping(kind, &format!("{dead}{more}")).unwrap().retry.retries_max;
    assert_eq!((retries("broker", ""), retries("stream", "")), (Some(10), None));
    assert_eq!(retries("broker", "maximum_retry_attempts: 3"), Some(3));
    for limit in
        ["maximum_record_age_in_seconds: 60", "on_exhausted: pause\nmaximum_record_age_in_seconds: 60"]
    {
        assert_eq!(retries("broker", limit), None, "{limit}");
    }
    assert_eq!(
        mapping("broker", "").unwrap().retry.retries_max,
        None,
        "without a destination nothing is given up"
    );
}

#[test]
fn every_range_of_a_mapping_holds_at_its_edges() {
    let cases: &[(&str, &str, &[&str], &[&str])] = &[
        ("stream", "batch_size", &["1", "10000"], &["0", "10001", "-1", "1.5", "true", "'5'"]),
        ("fifo", "batch_size", &["1", "10"], &["0", "11"]),
        (
            "stream",
            "maximum_batching_window_in_seconds",
            &["0", "0.001", "300"],
            &["-0.001", "300.001", "0.0001"],
        ),
        ("stream", "parallelization_factor", &["1", "11", "256"], &["0", "257"]),
        ("stream", "tumbling_window_in_seconds", &["0", "900"], &["-1", "901", "0.5"]),
        ("stream", "maximum_retry_attempts", &["-1", "0", "10000"], &["-2", "10001"]),
        ("stream", "maximum_record_age_in_seconds", &["-1", "60", "604800"], &["-2", "0", "59", "604801"]),
        ("stream", "starting_position", &["LATEST", "TRIM_HORIZON"], &["latest", "AT_TIMESTAMP", "1"]),
        (
            "stream",
            "function_response_types",
            &["[]", "[ReportBatchItemFailures]"],
            &["[x]", "ReportBatchItemFailures", "[ReportBatchItemFailures, ReportBatchItemFailures]"],
        ),
        ("stream", "bisect_batch_on_function_error", &["true", "false"], &["yes", "1", "'true'"]),
        (
            "queue",
            "scaling_config",
            &["{ maximum_concurrency: 1 }", "{ maximum_concurrency: 1000 }", "{}"],
            &["{ maximum_concurrency: 0 }", "{ maximum_concurrency: 1001 }", "5"],
        ),
        (
            "queue",
            "provisioned_poller_config",
            &["{}", "{ minimum_pollers: 200 }", "{ minimum_pollers: 1, maximum_pollers: 10000 }"],
            &["{ minimum_pollers: 0 }", "{ minimum_pollers: 201 }", "{ maximum_pollers: 10001 }"],
        ),
        ("stream", "enabled", &["true", "false"], &["on", "0"]),
    ];
    for (kind, key, good, bad) in cases {
        for value in *good {
            mapping(kind, &format!("{key}: {value}"))
                .unwrap_or_else(|it| panic!("{kind} {key}: {value}: {it:?}"));
        }
        for value in *bad {
            let found = mapping(kind, &format!("{key}: {value}"))
                .err()
                .unwrap_or_else(|| panic!("{kind} {key}: {value} was taken"));
            assert_eq!(found.len(), 1, "{kind} {key}: {value}: {found:?}");
        }
    }
}

#[test]
fn a_large_batch_of_a_queue_needs_a_window() {
    let text =
        "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10";
    assert!(mapping("queue", "batch_size: 10").is_ok());
    assert_eq!(mapping("queue", "batch_size: 11").unwrap_err(), [text]);
    assert_eq!(
        mapping("queue", "batch_size: 11\nmaximum_batching_window_in_seconds: 0.999").unwrap_err(),
        [text]
    );
    assert!(mapping("queue", "batch_size: 11\nmaximum_batching_window_in_seconds: 1").is_ok());
    assert!(mapping("stream", "batch_size: 10000").is_ok());
}

#[test]
fn a_time_to_start_at_is_text_or_epoch_seconds() {
    let at = |time: &str| {
        mapping("stream", &format!("starting_position: AT_TIMESTAMP\nstarting_position_timestamp: {time}"))
            .map(|it| it.starting_position)
    };
    for time in ["1714521600", "1714521600.0", "2024-05-01T00:00:00Z", "'2024-05-01T02:00:00+02:00'"] {
        assert_eq!(at(time), Ok(Some(StartingPosition::AtTimestamp(1_714_521_600_000))), "{time}");
    }
    assert_eq!(at("1714521600.25"), Ok(Some(StartingPosition::AtTimestamp(1_714_521_600_250))));
    for time in ["yesterday", "true", "1e300", "0.0001", "99999999999999"] {
        assert_eq!(at(time).unwrap_err(), ["must be a time"], "{time}");
    }
}

#[test]
fn our_own_settings_are_read() {
    let mapping_ =
        mapping("stream", "drop_after_destination_failures: 3\ndestination_config: { on_failure: { function: { function_name: f } } }")
            .unwrap();
    assert_eq!(mapping_.retry.drop_after_destination_failures, NonZeroU32::new(3));
    assert!(
        matches!(mapping_.on_failure.unwrap().target, DestinationTarget::Function(name) if name.as_str() == "f")
    );
    let fifo = mapping(
        "fifo",
        "fifo_stop_at_first_failure: true\nfunction_response_types: [ReportBatchItemFailures]",
    )
    .unwrap();
    assert!(fifo.retry.stop_group_at_first_failure);
    for zero in ["0", "0.0"] {
        // So AWS shows a mapping of a FIFO queue.
        assert_eq!(
            mapping("fifo", &format!("maximum_batching_window_in_seconds: {zero}")).unwrap().batch.window,
            Duration::ZERO
        );
    }
    let limited =
        mapping("queue", "rate_limit: { invocations_per_second: 7, ramp_up_in_seconds: 1.5 }").unwrap();
    let ramp = Duration::from_millis(1500);
    assert_eq!(
        limited.rate,
        Some(RatePlan { unit: RateUnit::Invocations, per_second: NonZeroU32::new(7).unwrap(), ramp })
    );
    let asking =
        mapping("queue", "batch_item_actions: true\nfunction_response_types: [ReportBatchItemFailures]")
            .unwrap();
    assert!(asking.retry.item_actions && !limited.retry.item_actions);
    let pausing = mapping("stream", "maximum_retry_attempts: 3\non_exhausted: pause").unwrap();
    assert_eq!(
        (pausing.retry.on_exhausted, asking.retry.on_exhausted),
        (OnExhausted::Pause, OnExhausted::GiveUp)
    );
    let named = mapping("stream", "batch_identity: durable").unwrap();
    assert!(named.durable_cuts && !pausing.durable_cuts);
    let aging = mapping("stream", "maximum_record_age_in_seconds: 60\non_exhausted: pause").unwrap();
    assert_eq!(aging.retry.on_exhausted, OnExhausted::Pause);
    let queue = mapping("queue", "scaling_config: { maximum_concurrency: 1 }").unwrap();
    assert_eq!(queue.concurrency_max, NonZeroU32::new(1));
    let pollers =
        mapping("queue", "provisioned_poller_config: { minimum_pollers: 2 }").unwrap().pollers.unwrap();
    assert_eq!((pollers.min.get(), pollers.max.get()), (2, 200));
    let of_queue = mapping("queue", "provisioned_poller_config: { maximum_pollers: 3 }").unwrap();
    assert_eq!(of_queue.concurrency_max, None, "receives are counted, and not batches");
    let of_tracks = mapping("broker", "provisioned_poller_config: { maximum_pollers: 3 }").unwrap();
    assert_eq!(of_tracks.concurrency_max, NonZeroU32::new(15), "five batches for each poller");
    let stream = mapping(
        "stream",
        "tumbling_window_in_seconds: 30\nparallelization_factor: 12\nmaximum_record_age_in_seconds: 60",
    )
    .unwrap();
    let carried =
        mapping("stream", "tumbling_window_in_seconds: 30\ncarry_windows_into_child_shards: true").unwrap();
    assert_eq!(
        (carried.window.as_ref().unwrap().is_handed_over, stream.window.as_ref().unwrap().is_handed_over),
        (true, false)
    );
    assert_eq!((stream.window.unwrap().tumbling, stream.lanes.get()), (Duration::from_secs(30), 12));
    assert_eq!(stream.retry.record_age_max, Some(Duration::from_secs(60)));
}

#[test]
fn wildcards_of_five_stars_are_refused_unless_allowed() {
    let filters = |more: &str| {
        format!(
            "filter_criteria: {{ filter: [ {{ pattern: '{{\"a\": [{{\"wildcard\": \"*a*b*c*d*\"}}]}}' }} ]{more} }}"
        )
    };
    assert_eq!(mapping("stream", &filters("")).unwrap_err().len(), 1);
    assert_eq!(mapping("stream", &filters(", complex_wildcards: refuse")).unwrap_err().len(), 1);
    assert_eq!(mapping("stream", &filters(", complex_wildcards: allow")).unwrap().filters.len(), 1);
}

#[test]
fn filters_are_bounded_in_number_and_length() {
    let filters = |n: usize| {
        format!("filter_criteria: {{ filter: [{}] }}", vec!["{ pattern: '{\"a\": [1]}' }"; n].join(", "))
    };
    assert_eq!(mapping("stream", &filters(10)).unwrap().filters.len(), 10);
    assert_eq!(mapping("stream", &filters(11)).unwrap_err(), ["a mapping has 10 filters at most, not 11"]);
    assert!(mapping("stream", "filter_criteria: {}").unwrap().filters.is_empty());
    let long = |n: usize| {
        format!("filter_criteria: {{ filter: [ {{ pattern: '{{\"a\": [\"{}\"]}}' }} ] }}", "é".repeat(n - 11))
    };
    assert!(mapping("stream", &long(4096)).is_ok());
    assert_eq!(mapping("stream", &long(4097)).unwrap_err().len(), 1);
    for pattern in ["''", "'null'", "'\"x\"'", "'{'", "{ a: [1] }", "5"] {
        assert_eq!(
            mapping("stream", &format!("filter_criteria: {{ filter: [ {{ pattern: {pattern} }} ] }}"))
                .unwrap_err()
                .len(),
            1,
            "{pattern}"
        );
    }
}

#[test]
fn the_environment_of_a_function_is_bounded() {
    let with = |n: usize| {
        // {"AB":"…"} has nine bytes around the value.
        check(&format!(
            "functions: {{ f: {{ executor: {{ process: {{ runtime: provided, code: c, environment: {{ AB: '{}' }} }} }} }} }}\nevent_source_mappings: []\n",
            "x".repeat(n - 9)
        ))
    };
    assert!(with(4096).is_ok());
    assert!(with(4097).is_err());
}
