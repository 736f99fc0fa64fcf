//! What an operator is told: all mistakes of a config at once, each with its place, code and fix.

use crate::common::{Variables, check, check_all, drawn, lines};
use expect_test::expect;
use forebay_config::diagnostic;
use proptest::prelude::*;

const TEN: &str = r#"functions:
  summarise:
    executor: { process: { runtime: python, handler: app, code: ./code } }
    timeout: 901
event_source_mappings:
  - name: quakes
    source: { stream: { nam: quakes } }
    function_name: sumarise
    starting_position: LATEST
    batchsize: 100
    maximum_batching_window_in_seconds: 301
    maximum_record_age_in_seconds: 30
    scaling_config: { maximum_concurrency: 5 }
    filter_criteria: { filter: [ { pattern: '["x"]' } ] }
    destination_config: { on_failure: { destination_arn: "kafka://dead here" } }
"#;

#[test]
fn ten_mistakes_in_one_file_are_all_named() {
    let findings = check(TEN).unwrap_err();
    assert_eq!(findings.len(), 10);
    expect![[r#"
        error[FB-0106]: 1 validation error detected: Value 'python' at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [python3, nodejs, provided]
         --> forebay.yaml:3:37
          |
        3 |     executor: { process: { runtime: python, handler: app, code: ./code } }
          |                                     ^^^^^^ functions.summarise.executor.process.runtime
          |
          = help: did you mean `python3`?

        error[FB-0106]: 1 validation error detected: Value '901' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900
         --> forebay.yaml:4:14
          |
        4 |     timeout: 901
          |              ^^^ functions.summarise.timeout
          |
          = help: choose from 1 to 900

        error[FB-0104]: there is no setting `nam`
         --> forebay.yaml:7:25
          |
        7 |     source: { stream: { nam: quakes } }
          |                         ^^^ event_source_mappings[0].source.stream.nam
          |
          = help: did you mean `name`?

        error[FB-0112]: Function does not exist: `sumarise`
         --> forebay.yaml:8:20
          |
        8 |     function_name: sumarise
          |                    ^^^^^^^^ event_source_mappings[0].function_name
          |
          = help: did you mean `summarise`?

        error[FB-0104]: there is no setting `batchsize`
          --> forebay.yaml:10:5
           |
        10 |     batchsize: 100
           |     ^^^^^^^^^ event_source_mappings[0].batchsize
           |
           = help: did you mean `batch_size`?

        error[FB-0106]: 1 validation error detected: Value '301' at 'maximumBatchingWindowInSeconds' failed to satisfy constraint: Member must have value less than or equal to 300
          --> forebay.yaml:11:41
           |
        11 |     maximum_batching_window_in_seconds: 301
           |                                         ^^^ event_source_mappings[0].maximum_batching_window_in_seconds
           |
           = help: choose from 0 to 300

        error[FB-0106]: must be -1, or from 60 to 604800
          --> forebay.yaml:12:36
           |
        12 |     maximum_record_age_in_seconds: 30
           |                                    ^^ event_source_mappings[0].maximum_record_age_in_seconds
           |
           = help: write `-1` for no limit, or at least 60

        error[FB-0109]: Unsupported ScalingConfig parameter for given event source mapping type.
          --> forebay.yaml:13:5
           |
        13 |     scaling_config: { maximum_concurrency: 5 }
           |     ^^^^^^^^^^^^^^ event_source_mappings[0].scaling_config
           |
           = help: remove `scaling_config`: a `stream` source cannot obey it

        error[FB-0150]: Invalid filter pattern definition.
          --> forebay.yaml:14:45
           |
        14 |     filter_criteria: { filter: [ { pattern: '["x"]' } ] }
           |                                             ^^^^^^^^ event_source_mappings[0].filter_criteria.filter[0].pattern
           |
           = help: Filter is not an object (column 1 of the pattern)

        error[FB-0106]: is no name of a topic of Kafka
          --> forebay.yaml:15:58
           |
        15 |     destination_config: { on_failure: { destination_arn: "kafka://dead here" } }
           |                                                          ^^^^^^^^^^^^^^^^^^^^ event_source_mappings[0].destination_config.on_failure.destination_arn
           |
           = help: write its name: 1 to 249 letters, digits, `.`, `_` and `-`

        10 mistakes
    "#]].assert_eq(&drawn(&[("forebay.yaml", TEN)], &findings));
}

#[test]
fn findings_are_also_json_and_annotations() {
    let text = "functions: {}\nevent_source_mappings:\n  - { name: a, source: { queue: { name: q } }, function_name: f, colour: 100% }\n";
    let findings = check(text).unwrap_err();
    expect![[r#"{"findings":[{"code":"FB-0112","path":"event_source_mappings[0].function_name","place":{"file":"forebay.yaml","line":3,"column":63,"span":[99,100]},"message":"Function does not exist: `f`","fix":"add it under `functions:`","also":null},{"code":"FB-0104","path":"event_source_mappings[0].colour","place":{"file":"forebay.yaml","line":3,"column":66,"span":[102,108]},"message":"there is no setting `colour`","fix":"known here: `name`, `source`, `enabled`, `function_name`, `batch_size`, `maximum_batching_window_in_seconds`, `starting_position`, `starting_position_timestamp`, `parallelization_factor`, `tumbling_window_in_seconds`, `carry_windows_into_child_shards`, `maximum_retry_attempts`, `maximum_record_age_in_seconds`, `bisect_batch_on_function_error`, `function_response_types`, `destination_config`, `filter_criteria`, `scaling_config`, `provisioned_poller_config`, `drop_after_destination_failures`, `fifo_stop_at_first_failure`, `batch_item_actions`, `on_exhausted`, `batch_identity`, `rate_limit`","also":null}]}"#]].assert_eq(&diagnostic::json(&findings));
    expect![[r#"
        ::error file=forebay.yaml,line=3,col=63,title=FB-0112::event_source_mappings[0].function_name: Function does not exist: `f`; add it under `functions:`
        ::error file=forebay.yaml,line=3,col=66,title=FB-0104::event_source_mappings[0].colour: there is no setting `colour`; known here: `name`, `source`, `enabled`, `function_name`, `batch_size`, `maximum_batching_window_in_seconds`, `starting_position`, `starting_position_timestamp`, `parallelization_factor`, `tumbling_window_in_seconds`, `carry_windows_into_child_shards`, `maximum_retry_attempts`, `maximum_record_age_in_seconds`, `bisect_batch_on_function_error`, `function_response_types`, `destination_config`, `filter_criteria`, `scaling_config`, `provisioned_poller_config`, `drop_after_destination_failures`, `fifo_stop_at_first_failure`, `batch_item_actions`, `on_exhausted`, `batch_identity`, `rate_limit`
    "#]]
    .assert_eq(&diagnostic::github(&findings));
}

#[test]
fn only_a_window_can_go_on_in_another_shard() {
    let text = r#"
functions: { f: { executor: { http: { url: "http://127.0.0.1:9" } } } }
event_source_mappings:
  - { name: a, source: { stream: { name: s } }, function_name: f, starting_position: LATEST, carry_windows_into_child_shards: true }
  - { name: b, source: { queue: { name: q } }, function_name: f, carry_windows_into_child_shards: true }
"#;
    expect![[r#"
        forebay.yaml:4:94 FB-0110 event_source_mappings[0].carry_windows_into_child_shards: there is no tumbling window that could go on (add `tumbling_window_in_seconds:`, or remove this setting)
        forebay.yaml:5:66 FB-0109 event_source_mappings[1].carry_windows_into_child_shards: Unsupported carry_windows_into_child_shards parameter for given event source mapping type. (remove `carry_windows_into_child_shards`: a `queue` source cannot obey it)
    "#]].assert_eq(&lines(&check(text).unwrap_err()));
}

#[test]
fn what_a_source_cannot_obey_is_refused_in_the_words_of_aws() {
    let text = r#"
functions: { f: { executor: { http: { url: "http://127.0.0.1:9" } } } }
event_source_mappings:
  - name: a
    source: { queue: { name: q } }
    function_name: f
    batch_size: 11
    starting_position: LATEST
    starting_position_timestamp: 5
    parallelization_factor: 2
    tumbling_window_in_seconds: 5
    maximum_retry_attempts: 1
    maximum_record_age_in_seconds: 60
    bisect_batch_on_function_error: false
    destination_config: { on_failure: { file: { path: x } } }
    fifo_stop_at_first_failure: true
  - name: b
    source: { fifo: { name: q } }
    function_name: f
    batch_size: 11
    maximum_batching_window_in_seconds: 1
    provisioned_poller_config: {}
    fifo_stop_at_first_failure: true
  - name: c
    source: { broker: { name: t } }
    function_name: f
    starting_position: AT_TIMESTAMP
    function_response_types: [ReportBatchItemFailures]
    scaling_config: { maximum_concurrency: 2 }
  - name: d
    source: { stream: { name: s } }
    function_name: f
  - name: e
    source: { stream: { name: s } }
    function_name: f
    starting_position: latest
  - name: f
    source: { strem: { name: s } }
    function_name: arn:aws:lambda:eu-west-1:123456789012:function:f
    event_source_arn: arn:aws:sqs:eu-west-1:123456789012:q
"#;
    expect![[r#"
        forebay.yaml:7:5 FB-0110 event_source_mappings[0].batch_size: Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10 (write `maximum_batching_window_in_seconds: 1` or more, or `batch_size: 10` or less)
        forebay.yaml:8:5 FB-0109 event_source_mappings[0].starting_position: Unsupported StartingPosition parameter for given event source mapping type. (remove `starting_position`: a `queue` source cannot obey it)
        forebay.yaml:9:5 FB-0109 event_source_mappings[0].starting_position_timestamp: Unsupported StartingPositionTimestamp parameter for given event source mapping type. (remove `starting_position_timestamp`: a `queue` source cannot obey it)
        forebay.yaml:10:5 FB-0109 event_source_mappings[0].parallelization_factor: Unsupported ParallelizationFactor parameter for given event source mapping type. (remove `parallelization_factor`: a `queue` source cannot obey it)
        forebay.yaml:11:5 FB-0109 event_source_mappings[0].tumbling_window_in_seconds: Unsupported TumblingWindowInSeconds parameter for given event source mapping type. (remove `tumbling_window_in_seconds`: a `queue` source cannot obey it)
        forebay.yaml:12:5 FB-0109 event_source_mappings[0].maximum_retry_attempts: Unsupported MaximumRetryAttempts parameter for given event source mapping type. (remove `maximum_retry_attempts`: a `queue` source cannot obey it)
        forebay.yaml:13:5 FB-0109 event_source_mappings[0].maximum_record_age_in_seconds: Unsupported MaximumRecordAgeInSeconds parameter for given event source mapping type. (remove `maximum_record_age_in_seconds`: a `queue` source cannot obey it)
        forebay.yaml:14:5 FB-0109 event_source_mappings[0].bisect_batch_on_function_error: Unsupported BisectBatchOnFunctionError parameter for given event source mapping type. (remove `bisect_batch_on_function_error`: a `queue` source cannot obey it)
        forebay.yaml:15:5 FB-0109 event_source_mappings[0].destination_config: Unsupported DestinationConfig parameter for given event source mapping type. (remove `destination_config`: a `queue` source cannot obey it)
        forebay.yaml:16:5 FB-0109 event_source_mappings[0].fifo_stop_at_first_failure: a `queue` source has no ordered groups of messages (remove it)
        forebay.yaml:20:17 FB-0106 event_source_mappings[1].batch_size: 1 validation error detected: Value '11' at 'batchSize' failed to satisfy constraint: Member must have value less than or equal to 10 (choose from 1 to 10)
        forebay.yaml:21:5 FB-0109 event_source_mappings[1].maximum_batching_window_in_seconds: Batching window is not supported for FIFO queues (remove `maximum_batching_window_in_seconds`: a `fifo` source cannot obey it)
        forebay.yaml:22:5 FB-0109 event_source_mappings[1].provisioned_poller_config: Unsupported ProvisionedPollerConfig parameter for given event source mapping type. (remove `provisioned_poller_config`: a `fifo` source cannot obey it)
        forebay.yaml:23:5 FB-0110 event_source_mappings[1].fifo_stop_at_first_failure: without partial responses a batch fails as a whole (add `function_response_types: [ReportBatchItemFailures]`, or remove this setting)
        forebay.yaml:24:5 FB-0107 event_source_mappings[2].starting_position_timestamp: `starting_position: AT_TIMESTAMP` needs `starting_position_timestamp` (add `starting_position_timestamp:`)
        forebay.yaml:27:5 FB-0109 event_source_mappings[2].starting_position: Unsupported starting position for arn type: broker (choose `TRIM_HORIZON` or `LATEST`)
        forebay.yaml:28:5 FB-0109 event_source_mappings[2].function_response_types: Unsupported FunctionResponseTypes parameter for given event source mapping type. (remove `function_response_types`: a `broker` source cannot obey it)
        forebay.yaml:29:5 FB-0109 event_source_mappings[2].scaling_config: Unsupported ScalingConfig parameter for given event source mapping type. (remove `scaling_config`: a `broker` source cannot obey it)
        forebay.yaml:30:5 FB-0107 event_source_mappings[3].starting_position: 1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null. (add `starting_position:`)
        forebay.yaml:36:24 FB-0106 event_source_mappings[4].starting_position: 1 validation error detected: Value 'latest' at 'startingPosition' failed to satisfy constraint: Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON] (did you mean `LATEST`?)
        forebay.yaml:38:15 FB-0113 event_source_mappings[5].source.strem: no source of kind `strem` is built in (did you mean `stream`? known kinds: `stream`, `queue`, `fifo`, `broker`)
        forebay.yaml:40:5 FB-0116 event_source_mappings[5].event_source_arn: `event_source_arn` has no meaning here (remove it: the source is written under `source:`)
    "#]].assert_eq(&lines(&check(text).unwrap_err()));
}

#[test]
fn a_mapping_that_a_placeholder_switches_off_needs_no_memory() {
    let text = r#"
functions:
  f: { executor: { http: { url: "http://127.0.0.1:9" } } }
event_source_mappings:
  - { name: a, source: { queue: { name: s } }, function_name: f }
  - { name: b, source: { queue: { name: s } }, function_name: f, enabled: "${RUNS}" }
memory_budget_mb: 64
memory_share_mb: 40
"#;
    let checked = |variables| check_all(&[("forebay.yaml", text)], &variables);
    assert_eq!(checked(Variables(&[("RUNS", "false")])).unwrap().mappings.len(), 2);
    expect![[r#"
        forebay.yaml:7:19 FB-0110 memory_budget_mb: 2 mappings with 40 MB each need more memory than the budget of 64 MB (write `memory_budget_mb: 80` or more)
    "#]].assert_eq(&lines(&checked(Variables(&[("RUNS", "true")])).unwrap_err()));
}

#[test]
fn settings_that_contradict_each_other_are_named() {
    let text = r#"
functions:
  f: { executor: { http: { url: "http://127.0.0.1:9" } }, timeout: 900 }
event_source_mappings:
  - { name: a, source: { broker: { name: s } }, function_name: f, starting_position: LATEST }
  - { name: b, source: { stream: { name: s } }, function_name: f, starting_position: LATEST, starting_position_timestamp: 5 }
  - { name: c, source: { stream: { name: s } }, function_name: f, starting_position: AT_TIMESTAMP }
  - { name: d, source: { stream: { name: s } }, function_name: f, starting_position: LATEST, drop_after_destination_failures: 3 }
  - { name: e, source: { queue: { name: s } }, function_name: f, scaling_config: { maximum_concurrency: 2 }, provisioned_poller_config: {} }
  - { name: f, source: { queue: { name: s } }, function_name: f, provisioned_poller_config: { minimum_pollers: 3, maximum_pollers: 2 } }
  - { name: g, source: { stream: { name: s } }, function_name: f, starting_position: LATEST, filter_criteria: { filter: [ { pattern: '{"data": ["x"]}' } ] } }
  - { name: h, source: { stream: { name: s } }, function_name: f, starting_position: LATEST, destination_config: { on_failure: { file: { path: x }, http: { url: "http://h" } } } }
  - { name: i, source: { stream: { name: s } }, function_name: f, starting_position: LATEST, destination_config: { on_success: { file: { path: x } } } }
  - { name: j, source: { stream: { name: s } }, function_name: f, starting_position: LATEST, destination_config: { on_failure: {} } }
  - { name: k, source: { queue: { name: s }, stream: { name: s } }, function_name: f }
memory_budget_mb: 64
memory_share_mb: 10
"#;
    expect![[r#"
        forebay.yaml:5:5 FB-0110 event_source_mappings[0].function_name: the function may run 900 s; with a `broker` source 840 s is the most (lower the function's `timeout` to 840)
        forebay.yaml:6:94 FB-0110 event_source_mappings[1].starting_position_timestamp: a time has a meaning only with `starting_position: AT_TIMESTAMP` (remove it, or write `starting_position: AT_TIMESTAMP`)
        forebay.yaml:7:5 FB-0107 event_source_mappings[2].starting_position_timestamp: `starting_position: AT_TIMESTAMP` needs `starting_position_timestamp` (add `starting_position_timestamp:`)
        forebay.yaml:8:94 FB-0110 event_source_mappings[3].drop_after_destination_failures: there is no destination that could refuse (add `destination_config:`, or remove this setting)
        forebay.yaml:9:66 FB-0110 event_source_mappings[4].scaling_config: `scaling_config` and `provisioned_poller_config` exclude each other (keep one of them)
        forebay.yaml:10:95 FB-0110 event_source_mappings[5].provisioned_poller_config.minimum_pollers: `minimum_pollers` is more than `maximum_pollers` (lower it, or raise `maximum_pollers`)
        forebay.yaml:11:134 FB-0152 event_source_mappings[6].filter_criteria.filter[0].pattern: Invalid filter pattern definition. ("data" must be an object: data of this source is matched as JSON only)
        forebay.yaml:12:149 FB-0108 event_source_mappings[7].destination_config.on_failure: must hold exactly one of `file`, `http`, `function`, `sqs`, `sns`, `s3`, `event_bus`, `kafka`, `destination_arn` (keep one of them)
        forebay.yaml:13:114 FB-0107 event_source_mappings[8].destination_config.on_failure: `on_failure` is missing (add `on_failure:`)
        forebay.yaml:13:116 FB-0116 event_source_mappings[8].destination_config.on_success: a mapping has no destination for what succeeded (remove it)
        forebay.yaml:14:128 FB-0108 event_source_mappings[9].destination_config.on_failure: must hold exactly one of `file`, `http`, `function`, `sqs`, `sns`, `s3`, `event_bus`, `kafka`, `destination_arn` (say where to: `file: { path: dead.ndjson }`)
        forebay.yaml:15:24 FB-0108 event_source_mappings[10].source: must name exactly one kind of source (known kinds: `stream`, `queue`, `fifo`, `broker`)
        forebay.yaml:16:19 FB-0110 memory_budget_mb: 11 mappings with 10 MB each need more memory than the budget of 64 MB (write `memory_budget_mb: 110` or more)
    "#]].assert_eq(&lines(&check(text).unwrap_err()));
}

#[test]
fn a_function_is_checked_as_thoroughly_as_a_mapping() {
    let text = r#"
functions:
  a: { executor: { process: { runtime: python3, handler: handler, code: "", sandbox: gvisor, memory_size: 127, idle_ttl: 0.5 } } }
  b:
    executor:
      process:
        runtime: nodejs
        handler: "a b.c"
        code: x
        environment: { AWS_LAMBDA_RUNTIME_API: x, _HANDLER: y, 1A: z, A: w, AB: true, AWS_REGION: eu, PORT: 8080 }
  c: { executor: { process: { runtime: provided, code: x, environment: { variables: { AB: c } } } } }
  d: { executor: { http: { url: "http://user:hunter2@h/", headers: { Host: x, "a b": c, X-A: "1", x-a: "2" } } } }
  e: { executor: { docker: { image: x } }, timeout: 0, reserved_concurrent_executions: -2 }
  f: { executor: { process: { runtime: python3, handler: a.b, code: x }, http: { url: "http://h" } }, timeout: "30" }
  "g h": {}
  i: { executor: { process: { runtime: python3, handler: a..b, code: x } } }
event_source_mappings: []
"#;
    let findings = lines(&check(text).unwrap_err());
    assert!(!findings.contains("hunter2"));
    expect![[r#"
        forebay.yaml:3:58 FB-0106 functions.a.executor.process.handler: a handler is written `file.function` (for a function `handler` in `app.py` or `app.js` write `app.handler`)
        forebay.yaml:3:73 FB-0106 functions.a.executor.process.code: must not be empty (write a value, or remove the setting)
        forebay.yaml:3:86 FB-0116 functions.a.executor.process.sandbox: this build runs functions as plain processes; no other sandbox than `none` is built in (write `none`, or run the daemon itself inside a container)
        forebay.yaml:3:107 FB-0106 functions.a.executor.process.memory_size: 1 validation error detected: Value '127' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128 (choose from 128 to 10240)
        forebay.yaml:3:122 FB-0106 functions.a.executor.process.idle_ttl: must be from 1 to 86400, not 0.5
        forebay.yaml:8:18 FB-0106 functions.b.executor.process.handler: a handler holds no white space (for a function `handler` in `app.py` or `app.js` write `app.handler`)
        forebay.yaml:10:24 FB-0115 functions.b.executor.process.environment.AWS_LAMBDA_RUNTIME_API: the variable `AWS_LAMBDA_RUNTIME_API` is set by the host of the Runtime API (choose another name)
        forebay.yaml:10:51 FB-0115 functions.b.executor.process.environment._HANDLER: the variable `_HANDLER` is set by the host of the Runtime API (choose another name)
        forebay.yaml:10:64 FB-0106 functions.b.executor.process.environment.1A: `1A` is no name for a variable (begin with a letter, then one or more letters, digits and `_`)
        forebay.yaml:10:71 FB-0106 functions.b.executor.process.environment.A: `A` is no name for a variable (begin with a letter, then one or more letters, digits and `_`)
        forebay.yaml:10:81 FB-0105 functions.b.executor.process.environment.AB: must be text, not true or false (write it in quotes)
        forebay.yaml:11:74 FB-0105 functions.c.executor.process.environment.variables: the variables stand directly under `environment` (remove the level `variables:`)
        forebay.yaml:12:33 FB-0106 functions.d.executor.http.url: a URL here carries no user and password (send them as a header: `authorization: ${file:…}`)
        forebay.yaml:12:70 FB-0106 functions.d.executor.http.headers.Host: the header `host` is set by the connection (remove it)
        forebay.yaml:12:79 FB-0106 functions.d.executor.http.headers.a b: `a b` is no name for a header (a name has letters, digits and `-`)
        forebay.yaml:12:99 FB-0102 functions.d.executor.http.headers.x-a: the header `x-a` is written twice (keep one of them)
        forebay.yaml:13:20 FB-0104 functions.e.executor.docker: there is no `docker` here (write exactly one of `process`, `http`, `lambda`)
        forebay.yaml:13:53 FB-0106 functions.e.timeout: 1 validation error detected: Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1 (choose from 1 to 900)
        forebay.yaml:13:88 FB-0106 functions.e.reserved_concurrent_executions: 1 validation error detected: Value '-2' at 'reservedConcurrentExecutions' failed to satisfy constraint: Member must have value greater than or equal to -1 (choose from -1 to 10000)
        forebay.yaml:14:74 FB-0108 functions.f.executor: must hold exactly one of `process`, `http`, `lambda` (keep one of them)
        forebay.yaml:14:112 FB-0105 functions.f.timeout: must be a whole number, not text
        forebay.yaml:15:3 FB-0106 functions.g h: a function's name has 1 to 64 letters, digits, `-` and `_`
        forebay.yaml:16:58 FB-0106 functions.i.executor.process.handler: a handler is written `file.function` (for a function `handler` in `app.py` or `app.js` write `app.handler`)
    "#]].assert_eq(&findings);
}

#[test]
fn several_files_add_up_and_a_name_given_twice_shows_both_places() {
    let one = "functions:\n  f: { executor: { http: { url: \"http://h\" } } }\ndata_dir: state\n";
    let two = "{\"event_source_mappings\": [{\"name\": \"m\", \"source\": {\"queue\": {\"name\": \"q\"}}, \"function_name\": \"f\"}]}";
    let config = check_all(&[("one.yaml", one), ("two.json", two)], &Variables(&[])).unwrap();
    assert_eq!((config.functions.len(), config.mappings.len()), (1, 1));
    assert_eq!(config.settings.data_dir.unwrap().to_str(), Some("/base/state"));

    let three = "data_dir = 'other'\n[functions.f.executor.http]\nurl = 'http://h'\n[[event_source_mappings]]\nname = 'm'\nfunction_name = 'f'\nsource.queue.name = 'q'\n";
    let texts = [("one.yaml", one), ("two.json", two), ("three.toml", three)];
    expect![[r#"
        error[FB-0111]: `data_dir` is written in two files
         --> three.toml:1:12
          |
        1 | data_dir = 'other'
          |            ^^^^^^^ data_dir
          |
         ::: one.yaml:3:11
          |
        3 | data_dir: state
          |           ----- first written here
          |
          = help: keep one of them

        error[FB-0111]: a second function is named `f`
         --> three.toml:2:12
          |
        2 | [functions.f.executor.http]
          |            ^ functions.f
          |
         ::: one.yaml:2:3
          |
        2 |   f: { executor: { http: { url: "http://h" } } }
          |   - first written here
          |
          = help: rename one of them

        error[FB-0111]: a second mapping is named `m`
         --> three.toml:5:8
          |
        5 | name = 'm'
          |        ^^^ event_source_mappings[0].name
          |
         ::: two.json:1:37
          |
        1 | {"event_source_mappings": [{"name": "m", "source": {"queue": {"name": "q"}}, "function_name": "f"}]}
          |                                     --- first written here
          |
          = help: rename one of them: checkpoints are kept under the name

        3 mistakes
    "#]]
    .assert_eq(&drawn(&texts, &check_all(&texts, &Variables(&[])).unwrap_err()));
}

#[test]
fn a_config_without_mappings_is_met_with_a_starter() {
    for text in ["", "# nothing yet\n", "functions: {}\n", "event_source_mappings:\n"] {
        let findings = check(text).unwrap_err();
        assert_eq!(findings.len(), 1, "{text:?}");
        assert_eq!(findings[0].code.0, "FB-0117");
        assert!(findings[0].fix.as_deref().unwrap().contains("event_source_mappings:\n  - name:"));
    }
    assert!(check("event_source_mappings: []\n").is_ok(), "an empty list is meant");
    assert_eq!(check("- a\n").unwrap_err()[0].code.0, "FB-0105");
}

#[test]
fn the_starter_that_is_proposed_is_a_good_config() {
    let fix = check("").unwrap_err().remove(0).fix.unwrap();
    let starter = fix
        .strip_prefix("begin with:\n")
        .unwrap()
        .replace("source: { file: { path:", "source: { stream: { name:");
    check(&starter).unwrap();
}

#[test]
fn a_secret_from_a_placeholder_is_in_no_finding() {
    let variables = Variables(&[("S", "hunter2"), ("/base/token", "hunter2\n"), ("P", "{\"hunter2\": 5}")]);
    let text = r#"
admin: { listen: "${S}" }
shutdown_grace: ${S}
functions:
  f: { executor: { http: { url: "http://${S}@h", headers: { a: "${file:token}\u0001" } } }, timeout: "${S}" }
  g: { executor: { process: { runtime: "${S}", handler: "${S} x", code: "${S}", sandbox: "${S}" } } }
event_source_mappings:
  - name: "${S} "
    enabled: ${S}
    source: { stream: { name: "${S}" } }
    function_name: "${S}"
    starting_position: "${S}"
    starting_position_timestamp: "${S}"
    batch_size: ${S}
    maximum_batching_window_in_seconds: ${S}
    function_response_types: ["${S}"]
    filter_criteria: { filter: [ { pattern: "${S}" }, { pattern: "${P}" } ] }
    destination_config: { on_failure: { function: { function_name: "${S}" }, include_payload: "${S}" } }
"#;
    let findings = check_all(&[("f.yaml", text)], &variables).unwrap_err();
    let told = drawn(&[("f.yaml", text)], &findings)
        + &diagnostic::json(&findings)
        + &diagnostic::github(&findings)
        + &format!("{findings:?}");
    assert!(!told.contains("hunter2"), "{told}");
    assert!(findings.len() >= 18, "{}", lines(&findings));
}

#[test]
fn an_unfilled_placeholder_is_one_mistake_beside_the_others() {
    let text = "event_source_mappings:\n  - name: m\n    source: { queue: { name: \"${A}\" } }\n    function_name: ${B}\n    batch_size: ${C}\n    colour: 1\n";
    let findings = check(text).unwrap_err();
    let codes: Vec<_> = findings.iter().map(|it| it.code.0).collect();
    assert_eq!(codes, ["FB-0114", "FB-0114", "FB-0114", "FB-0104"], "{}", lines(&findings));
    let text = text.replace("    colour: 1\n", "");
    assert_eq!(check(&text).unwrap_err().len(), 3);
}

#[test]
fn a_line_too_long_to_draw_is_named_by_its_place() {
    let text = format!("{{\"functions\": {{}}, {}\"colour\": 1}}", " ".repeat(500));
    let findings = check_all(&[("f.json", &text)], &Variables(&[])).unwrap_err();
    let drawn = drawn(&[("f.json", &text)], &findings);
    assert!(drawn.contains("f.json:1:519") && drawn.len() < 400, "{drawn}");
}

#[test]
fn a_config_with_very_many_mistakes_gives_a_bounded_answer() {
    let keys: String = (0..100_000).map(|n| format!("colour{n}: 1\n")).collect();
    let functions: String = (0..30_000).map(|n| format!("  f{n}: {{}}\n")).collect();
    let mapping =
        |n: usize| format!("  - {{ name: m{n}, source: {{ queue: {{ name: q }} }}, function_name: g{n} }}\n");
    let mappings: String = (0..30_000).map(mapping).collect();
    for text in [keys, format!("functions:\n{functions}"), format!("event_source_mappings:\n{mappings}")] {
        let findings = check(&text).unwrap_err();
        assert!((50..=1_100).contains(&findings.len()), "{}", findings.len());
        assert!(drawn(&[("forebay.yaml", &text)], &findings).len() < 1 << 20);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_to_a_config_breaks_its_check(at in 0..TEN.len(), n in 0..40usize, with in "[-:,{}\\[\\]\"'\\n a0é${}]{0,8}") {
        let from = TEN.floor_char_boundary(at);
        let to = TEN.floor_char_boundary((at + n).min(TEN.len())).max(from);
        let text = format!("{}{with}{}", &TEN[..from], &TEN[to..]);
        // TEN has ten mistakes; no single splice heals them all.
        let findings = check(&text).unwrap_err();
        for style in [diagnostic::Style::Plain, diagnostic::Style::Coloured] {
            let texts = [("forebay.yaml".to_owned(), text.clone())].into();
            prop_assert!(!diagnostic::draw(&findings, &texts, style).is_empty());
        }
        for finding in &findings {
            prop_assert!(finding.place.span.end <= text.len() && text.is_char_boundary(finding.place.span.start), "{finding:?}");
        }
    }
}

#[test]
fn a_listener_that_others_could_reach_is_a_mistake_of_the_config() {
    let check =
        |address: &str| check(&format!("admin: {{ listen: \"{address}\" }}\nevent_source_mappings: []\n"));
    for address in ["127.0.0.1:0", "127.8.9.10:9470", "[::1]:9470"] {
        assert_eq!(check(address).unwrap().settings.admin_listen.to_string(), address);
    }
    for address in ["0.0.0.0:9470", "[::]:9470", "192.168.1.2:9470", "localhost:9470", "127.0.0.1"] {
        let findings = check(address).unwrap_err();
        assert_eq!(
            (findings.len(), findings[0].code.0, &*findings[0].path),
            (1, "FB-0106", "admin.listen"),
            "{address}"
        );
    }
}

#[test]
fn what_is_used_up_pauses_only_where_it_can_be_used_up_and_no_queue_ends_it() {
    let text = r#"
functions:
  f: { executor: { http: { url: "http://127.0.0.1:9" } } }
event_source_mappings:
  - { name: a, source: { queue: { name: s } }, function_name: f, maximum_retry_attempts: 3, on_exhausted: pause }
  - { name: b, source: { fifo: { name: s } }, function_name: f, on_exhausted: pause }
  - { name: c, source: { stream: { name: s } }, function_name: f, starting_position: LATEST, on_exhausted: pause }
  - { name: d, source: { stream: { name: s } }, function_name: f, starting_position: LATEST, on_exhausted: wait }
  - { name: e, source: { queue: { name: s } }, function_name: f, on_exhausted: give_up }
"#;
    expect![[r#"
        forebay.yaml:5:66 FB-0109 event_source_mappings[0].maximum_retry_attempts: Unsupported MaximumRetryAttempts parameter for given event source mapping type. (remove `maximum_retry_attempts`: a `queue` source cannot obey it)
        forebay.yaml:5:93 FB-0109 event_source_mappings[0].on_exhausted: a `queue` source has a redrive policy that takes away what always fails: nothing of it waits for an operator (remove it, and give the queue a redrive policy)
        forebay.yaml:6:65 FB-0109 event_source_mappings[1].on_exhausted: a `fifo` source has a redrive policy that takes away what always fails: nothing of it waits for an operator (remove it, and give the queue a redrive policy)
        forebay.yaml:7:94 FB-0110 event_source_mappings[2].on_exhausted: records are tried without end, so nothing is ever used up and nothing would pause (add `maximum_retry_attempts` or `maximum_record_age_in_seconds`, or remove this setting)
        forebay.yaml:8:108 FB-0106 event_source_mappings[3].on_exhausted: must be one of `give_up`, `pause`
    "#]].assert_eq(&lines(&check(text).unwrap_err()));
}

#[test]
fn a_batch_is_named_only_where_it_has_positions() {
    let text = r#"
functions:
  f: { executor: { http: { url: "http://127.0.0.1:9" } } }
event_source_mappings:
  - { name: a, source: { queue: { name: s } }, function_name: f, batch_identity: durable }
  - { name: b, source: { fifo: { name: s } }, function_name: f, batch_identity: durable }
  - { name: c, source: { stream: { name: s } }, function_name: f, starting_position: LATEST, batch_identity: durable }
  - { name: d, source: { stream: { name: s } }, function_name: f, starting_position: LATEST, batch_identity: always }
  - { name: e, source: { queue: { name: s } }, function_name: f, batch_identity: none }
  - { name: g, source: { stream: { name: s } }, function_name: f, starting_position: LATEST, function_response_types: [ReportBatchItemFailures], batch_item_actions: true, batch_identity: durable }
"#;
    expect![[r#"
        forebay.yaml:5:66 FB-0109 event_source_mappings[0].batch_identity: a `queue` source has no positions by which a batch could be named: its messages come again in other batches (remove it, and tell messages apart by their ids)
        forebay.yaml:6:65 FB-0109 event_source_mappings[1].batch_identity: a `fifo` source has no positions by which a batch could be named: its messages come again in other batches (remove it, and tell messages apart by their ids)
        forebay.yaml:8:110 FB-0106 event_source_mappings[3].batch_identity: must be one of `none`, `durable`
        forebay.yaml:10:172 FB-0110 event_source_mappings[5].batch_identity: a record that a function rejects leaves a hole in its batch, which is another one then (remove `batch_item_actions`, or remove this setting)
    "#]].assert_eq(&lines(&check(text).unwrap_err()));
}

#[test]
fn a_rate_limit_counts_one_thing_and_item_actions_need_named_items() {
    let text = r#"
functions:
  f: { executor: { http: { url: "http://127.0.0.1:9" } }, rate_limit: { ramp_up_in_seconds: 5 } }
event_source_mappings:
  - { name: a, source: { queue: { name: s } }, function_name: f, rate_limit: { records_per_second: 5, invocations_per_second: 5 } }
  - { name: b, source: { queue: { name: s } }, function_name: f, rate_limit: { records_per_second: 0 } }
  - { name: c, source: { queue: { name: s } }, function_name: f, rate_limit: 5 }
  - { name: d, source: { queue: { name: s } }, function_name: f, batch_item_actions: true }
"#;
    expect![[r#"
        forebay.yaml:3:71 FB-0108 functions.f.rate_limit: must hold exactly one of `records_per_second`, `invocations_per_second` (say how many: `records_per_second: 100`)
        forebay.yaml:5:78 FB-0108 event_source_mappings[0].rate_limit: must hold exactly one of `records_per_second`, `invocations_per_second` (keep one of them)
        forebay.yaml:6:100 FB-0106 event_source_mappings[1].rate_limit.records_per_second: must be from 1 to 1000000, not 0
        forebay.yaml:7:78 FB-0105 event_source_mappings[2].rate_limit: must be a map of settings, not a number
        forebay.yaml:8:66 FB-0110 event_source_mappings[3].batch_item_actions: without partial responses the function names no record that it could ask something for (add `function_response_types: [ReportBatchItemFailures]`, or remove this setting)
    "#]].assert_eq(&lines(&check(text).unwrap_err()));
}
