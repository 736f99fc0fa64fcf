//! The table of settings is true: each is documented, obeyed at its edges, in the schema, in the manual, and
//! explained.

use crate::common::{QUEUE_PROFILE, STREAM_PROFILE, STREAMS, check};
use expect_test::expect;
use forebay_config::settings::{self, DefaultValue, SettingSpec, Shape};
use forebay_config::{Document, Format};

/// A config in which only the setting at this path has the value: everything that it stands in is there.
fn config_with(path: &str, value: &str) -> String {
    let mut root = serde_json::json!({
        "functions": { "f": { "executor": { "http": { "url": "http://h" } } } },
        "event_source_mappings": [{ "name": "m", "source": { "stream": { "name": "x" } }, "function_name": "f", "starting_position": "LATEST" }],
    });
    let mapping = |root: &mut serde_json::Value, kind: &str| {
        root["event_source_mappings"][0] =
            serde_json::json!({ "name": "m", "source": { kind: { "name": "x" } }, "function_name": "f" });
    };
    if path.contains("scaling_config") || path.contains("provisioned_poller_config") {
        mapping(&mut root, "queue");
    }
    if path.contains("fifo_stop") {
        mapping(&mut root, "fifo");
        root["event_source_mappings"][0]["function_response_types"] =
            serde_json::json!(["ReportBatchItemFailures"]);
    }
    if path.contains("batch_item_actions") {
        root["event_source_mappings"][0]["function_response_types"] =
            serde_json::json!(["ReportBatchItemFailures"]);
    }
    if path.ends_with("carry_windows_into_child_shards") {
        root["event_source_mappings"][0]["tumbling_window_in_seconds"] = serde_json::json!(60);
    }
    if path.ends_with("on_exhausted") {
        root["event_source_mappings"][0]["maximum_retry_attempts"] = serde_json::json!(3);
    }
    if path.contains("drop_after") {
        root["event_source_mappings"][0]["destination_config"] =
            serde_json::json!({ "on_failure": { "file": { "path": "x" } } });
    }
    let rate = serde_json::json!({ "records_per_second": 5 });
    if path.ends_with("ramp_up_in_seconds") && path.starts_with("functions") {
        root["functions"]["f"]["rate_limit"] = rate;
    } else if path.ends_with("ramp_up_in_seconds") {
        root["event_source_mappings"][0]["rate_limit"] = rate;
    }
    if path.contains("starting_position_timestamp") {
        root["event_source_mappings"][0]["starting_position"] = serde_json::json!("AT_TIMESTAMP");
    }
    if path.contains("include_payload") || path.ends_with("on_failure") {
        root["event_source_mappings"][0]["destination_config"] =
            serde_json::json!({ "on_failure": { "file": { "path": "x" } } });
    }
    if path.contains("executor.process") {
        root["functions"]["f"]["executor"] =
            serde_json::json!({ "process": { "runtime": "python3", "handler": "a.b", "code": "c" } });
    }
    if path.contains("executor.lambda") {
        root["functions"]["f"]["executor"] = serde_json::json!({ "lambda": { "function_name": "f" } });
    }
    let on_failure = [
        ("on_failure.sqs", serde_json::json!({ "sqs": { "queue_url": "http://h/1/q" } })),
        ("on_failure.s3", serde_json::json!({ "s3": { "bucket_arn": "arn:aws:s3:::dead" } })),
        ("on_failure.event_bus", serde_json::json!({ "event_bus": { "bus": "failures" } })),
        (
            "on_failure.sns",
            serde_json::json!({ "sns": { "topic_arn": "arn:aws:sns:eu-west-1:123456789012:t" } }),
        ),
    ];
    if path.contains("on_failure.kafka") {
        let sasl = match value {
            "\"OAUTHBEARER\"" => {
                serde_json::json!({ "oauth": { "token_url": "http://h", "client_id": "c", "client_secret": "env:S" } })
            }
            "\"AWS_MSK_IAM\"" => serde_json::json!({}),
            _ => serde_json::json!({ "secret": "env:S" }),
        };
        let mut brokers = serde_json::json!({ "bootstrap_servers": ["h:1"] });
        if path.ends_with("sasl.mechanism") {
            brokers["sasl"] = sasl;
        }
        root["event_source_mappings"][0]["destination_config"] =
            serde_json::json!({ "on_failure": { "kafka": { "topic": "t", "brokers": brokers } } });
    }
    if let Some((_, target)) = on_failure.into_iter().find(|(part, _)| path.contains(part)) {
        root["event_source_mappings"][0]["destination_config"] = serde_json::json!({ "on_failure": target });
    }
    if path.contains("on_failure.http") {
        root["event_source_mappings"][0]["destination_config"] =
            serde_json::json!({ "on_failure": { "http": { "url": "http://h" } } });
    }
    if path == "keys[].name" || path.contains("token_sha256") {
        root["keys"] = serde_json::json!([{ "name": "n", "token_sha256": "0".repeat(64), "role": "admin" }]);
    } else if path.starts_with("keys[]") {
        root["keys"] = serde_json::json!([{ "id": "k", "secret": "env:K", "role": "admin" }]);
    }
    if path.starts_with("api.tls.") {
        root["api"]["tls"] = serde_json::json!({ "cert_file": "c", "key_file": "k" });
    }
    let mut at = &mut root;
    for part in path.split('.') {
        at = match part.strip_suffix("[]") {
            Some(key) => {
                if at[key].is_null() {
                    at[key] = serde_json::json!([{}]);
                }
                &mut at[key][0]
            }
            None if part == "*" => &mut at["f"],
            None => &mut at[part],
        };
    }
    *at = serde_json::json!("@@");
    let text = root.to_string();
    text.replace("\"@@\"", value)
}

fn found(spec: &SettingSpec, value: &str) -> Vec<String> {
    check(&config_with(spec.path, value))
        .err()
        .unwrap_or_default()
        .into_iter()
        .map(|it| format!("{}: {}", it.path, it.message))
        .collect()
}

#[test]
fn every_setting_is_documented() {
    for spec in settings::all() {
        assert!(spec.text.len() > 20 && spec.text.ends_with('.'), "{}", spec.path);
        if let DefaultValue::Absent(meaning) = spec.default {
            assert!(!meaning.is_empty(), "{}", spec.path);
        }
    }
    let mut paths: Vec<_> = settings::all().map(|it| it.path).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), settings::all().count(), "a path stands twice");
}

#[test]
fn every_setting_is_obeyed_at_the_edges_of_its_range() {
    let millis = |it: u64| format!("{}.{:03}", it / 1000, it % 1000);
    for spec in settings::all() {
        let (good, bad): (Vec<String>, Vec<String>) = match spec.shape {
            Shape::Integer { min, max } => {
                let good = if spec.path.ends_with("minimum_pollers") { vec![min] } else { vec![min, max] };
                // The smallest budget holds the smallest share, and no more.
                let good = if spec.path == "memory_share_mb" { vec![min] } else { good };
                let strings = |all: Vec<i64>| all.into_iter().map(|it| it.to_string()).collect();
                (strings(good), strings(vec![min - 1, max + 1]))
            }
            Shape::Seconds { min_ms, max_ms } => {
                let below = if min_ms == 0 { "-0.001".to_owned() } else { millis(min_ms - 1) };
                (vec![millis(min_ms), millis(max_ms)], vec![below, millis(max_ms + 1)])
            }
            Shape::Switch => {
                (vec!["true".to_owned(), "false".to_owned()], vec!["1".to_owned(), "\"yes\"".to_owned()])
            }
            Shape::Word(words) => {
                let is_good = |word: &&&str| **word != "AT_TIMESTAMP";
                (
                    words.iter().filter(is_good).map(|it| format!("\"{it}\"")).collect(),
                    vec!["\"wrong\"".to_owned(), "5".to_owned()],
                )
            }
            Shape::Words(words) => (
                vec![format!("[\"{}\"]", words[0]), "[]".to_owned()],
                vec!["[\"wrong\"]".to_owned(), "5".to_owned()],
            ),
            Shape::Text | Shape::Path => {
                (Vec::new(), vec!["5".to_owned(), "\"\"".to_owned(), "[]".to_owned()])
            }
            Shape::TextList if spec.path.ends_with("bootstrap_servers") => (
                vec!["[\"h:1\"]".to_owned(), "[\"[::1]:65535\", \"b.c:2\"]".to_owned()],
                vec!["5".to_owned(), "[]".to_owned(), "[\"h\"]".to_owned(), "[\"h:0\"]".to_owned()],
            ),
            Shape::TextList => (
                vec!["[]".to_owned(), "[\"a\"]".to_owned()],
                vec!["5".to_owned(), "[5]".to_owned(), "[\"\"]".to_owned()],
            ),
            Shape::Time => (
                vec!["5".to_owned(), "\"2024-01-01T00:00:00Z\"".to_owned()],
                vec!["\"soon\"".to_owned(), "true".to_owned()],
            ),
            Shape::Texts => (
                vec!["{}".to_owned(), "{\"AB\": \"c\"}".to_owned()],
                vec!["5".to_owned(), "{\"AB\": true}".to_owned()],
            ),
            Shape::Group | Shape::Aws(_) | Shape::Choice | Shape::Source => {
                (Vec::new(), vec!["5".to_owned(), "{\"zzzz\": 1}".to_owned()])
            }
            Shape::List => (vec!["[]".to_owned()], vec!["5".to_owned(), "{}".to_owned(), "[5]".to_owned()]),
            Shape::Named => (Vec::new(), vec!["5".to_owned(), "{\"a\": 5}".to_owned()]),
        };
        for value in good {
            assert_eq!(found(spec, &value), Vec::<String>::new(), "{} = {value}", spec.path);
        }
        for value in bad {
            assert!(!found(spec, &value).is_empty(), "{} = {value} was taken", spec.path);
        }
    }
}

#[test]
fn no_value_breaks_a_reader() {
    let long = format!("\"{}\"", "x".repeat(100_000));
    let deep = format!("{}1{}", "[".repeat(50), "]".repeat(50));
    let values = [
        "null",
        "true",
        "-0",
        "1e999999999",
        "-1e-999999999",
        "99999999999999999999999999999999999999999999",
        "0.0000000001",
        "\"\"",
        "\"\\u0000\"",
        "\"\\u202e\\ud83d\\ude00\"",
        "\"${\"",
        "\"1\"",
        "\"a.b\"",
        "\"http://[\"",
        "\"arn:aws:\"",
        "[]",
        "[null]",
        "[[]]",
        "{}",
        "{\"\": {}}",
        "{\"a\": null}",
        "{\"file\": 1}",
        "[{}, 1, null]",
        &long,
        &deep,
    ];
    for spec in settings::all() {
        for value in values {
            for finding in check(&config_with(spec.path, value)).err().unwrap_or_default() {
                assert!(finding.message.len() < 2_000, "{} = {value:.40}: {}", spec.path, finding.message);
            }
        }
    }
}

#[test]
fn a_setting_that_must_be_written_is_missed() {
    for spec in settings::all().filter(|it| matches!(it.default, DefaultValue::Required)) {
        assert!(!found(spec, "null").is_empty(), "{} was not missed", spec.path);
    }
}

#[test]
fn the_manual_has_a_section_for_every_setting_and_for_those_of_sources_where_they_stand() {
    let path = "event_source_mappings[].source.made_up.depth";
    let shape = Shape::Integer { min: 1, max: 9 };
    let own = SettingSpec::new(path, shape, DefaultValue::Integer(3), "How deep it goes.");
    let manual = settings::manual(&[own, STREAMS.endpoint.clone()]);
    let sections: Vec<&str> = manual.lines().filter_map(|it| it.strip_prefix("## ")).collect();
    let mut paths: Vec<String> = settings::all().map(|it| format!("`{}`", it.path)).collect();
    let source = paths.iter().position(|it| it == "`event_source_mappings[].source`").unwrap();
    paths.insert(source + 1, format!("`{path}`"));
    let endpoints = paths.iter().position(|it| it == "`aws.endpoints`").unwrap();
    paths.insert(endpoints + 1, "`aws.endpoints.streams`".to_owned());
    assert_eq!(sections, paths);
    assert!(manual.contains("How deep it goes.\n\n- Value: a whole number from 1 to 9\n- Default: `3`"));
}

#[test]
fn the_schema_has_every_setting() {
    let schema = settings::schema(&["file"], &[]);
    for spec in settings::all() {
        let mut at = &schema;
        for part in spec.path.split('.') {
            at = match part.strip_suffix("[]") {
                Some(key) => &at["properties"][key]["items"],
                None if part == "*" => &at["additionalProperties"],
                None => &at["properties"][part],
            };
        }
        assert_eq!(at["description"], spec.text, "{}", spec.path);
    }
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    let mapping = &schema["properties"]["event_source_mappings"]["items"];
    assert_eq!(mapping["required"], serde_json::json!(["name", "source", "function_name"]));
    assert_eq!(
        mapping["properties"]["source"]["properties"],
        serde_json::json!({ "file": { "type": "object", "description": "", "additionalProperties": false, "properties": {} } })
    );
    assert_eq!(
        mapping["properties"]["batch_size"]["anyOf"][0],
        serde_json::json!({ "type": "integer", "minimum": 1, "maximum": 10000 })
    );
    assert_eq!(
        schema["properties"]["functions"]["additionalProperties"]["required"],
        serde_json::json!(["executor"])
    );
}

#[test]
fn explain_says_where_every_value_comes_from() {
    let text = "name: m\nsource: { stream: { name: \"${X}\", login: a } }\nfunction_name: f\nbatch_size: 5\nstarting_position: LATEST\nfunction_response_types: [ReportBatchItemFailures]\n\
                destination_config:\n  on_failure: { file: { path: dead }, http: { url: \"http://a/b?key=hunter2\", headers: { x.y: hunter2 } } }\nfilter_criteria: { filter: [ { pattern: '{}' } ] }\n";
    let mut document = Document::parse("f.yaml", text, Format::Yaml, std::path::Path::new("")).unwrap();
    document.expand(&crate::common::Variables(&[("X", "hunter2")]));
    let show = |profile| {
        settings::explain(&document.root, profile, &[])
            .into_iter()
            .map(|it| format!("{} = {}  # {}\n", it.path, it.value, it.from))
            .collect::<String>()
    };
    expect![[r#"
        name = m  # f.yaml:1:7
        enabled = true  # default
        source.stream.name = (from a placeholder)  # f.yaml:2:27
        source.stream.login = a  # f.yaml:2:42
        function_name = f  # f.yaml:3:16
        batch_size = 5  # f.yaml:4:13
        maximum_batching_window_in_seconds = 0  # default of source kind stream
        starting_position = LATEST  # f.yaml:5:20
        starting_position_timestamp = -  # required with `AT_TIMESTAMP`, refused without
        parallelization_factor = 1  # default
        tumbling_window_in_seconds = 0  # default
        carry_windows_into_child_shards = false  # default
        maximum_retry_attempts = -1  # default
        maximum_record_age_in_seconds = -1  # default
        bisect_batch_on_function_error = false  # default
        function_response_types[0] = ReportBatchItemFailures  # f.yaml:6:27
        destination_config.on_failure.include_payload = -  # `true` for a bucket of S3 and a topic of Kafka, as AWS has it, else `false`
        destination_config.on_failure.file.path = dead  # f.yaml:8:31
        destination_config.on_failure.http.url = http://a/b?(secret)  # f.yaml:8:52
        destination_config.on_failure.http.headers.x.y = (secret)  # f.yaml:8:94
        destination_config.on_failure.http.ca_file = -  # the machine's trusted roots only
        destination_config.on_failure.destination_arn = -  # not named by an ARN
        filter_criteria.filter[0].pattern = {}  # f.yaml:9:41
        filter_criteria.complex_wildcards = refuse  # default
        drop_after_destination_failures = -  # never: a track waits for its destination
        batch_item_actions = false  # default
        on_exhausted = give_up  # default
        batch_identity = none  # default
        rate_limit = -  # as fast as there are slots
    "#]]
    .assert_eq(&show(&STREAM_PROFILE));
    assert!(show(&QUEUE_PROFILE).contains("provisioned_poller_config = -"));
    assert!(!show(&QUEUE_PROFILE).contains("maximum_retry_attempts"));
}
