//! Functions of Lambda, queues and topics as destinations, and what they are called with.

use crate::common::{STREAMS, Variables, check, check_all, lines};
use expect_test::expect;
use forebay_config::aws::{NamedAccount, STS};
use forebay_config::destination::{DestinationTarget, QueueName, SNS, SQS};
use forebay_config::function::{LAMBDA, LambdaName};
use forebay_config::{Arn, AwsCredentials, AwsSettings, Config, ExecutorSettings};

fn config(top: &str, lambda: &str, on_failure: &str) -> String {
    format!(
        "{top}\nfunctions:\n  f: {{ executor: {{ lambda: {lambda} }} }}\nevent_source_mappings:\n  - name: m\n    \
         source: {{ stream: {{ name: x }} }}\n    function_name: f\n    starting_position: LATEST\n    \
         destination_config: {{ on_failure: {on_failure} }}\n"
    )
}

fn target(config: Config) -> DestinationTarget {
    config.mappings.into_iter().next().unwrap().on_failure.unwrap().target
}

#[test]
fn a_lambda_function_takes_its_place_from_its_own_settings() {
    let top = "aws: { region: eu-west-1, account_id: \"123456789012\", endpoint: \"http://127.0.0.1:4566/\", access_key_id: key, \
               secret_access_key: \"${SECRET}\", session_token: token, ca_file: roots.pem, endpoints: { sqs: \"http://127.0.0.1:9324/\" } }";
    let lambda = "{ function_name: \"f:live\", qualifier: live, aws: { region: eu-west-2, endpoint: \"https://h:1\", profile: p, ca_file: own.pem } }";
    let text = config(top, lambda, "{ destination_arn: \"arn:aws:sqs:eu-west-1:123456789012:dead\" }");
    let config = check_all(&[("forebay.yaml", &text)], &Variables(&[("SECRET", "s3cret")])).unwrap();
    let aws = &config.settings.aws;
    assert_eq!(aws.endpoint.as_deref(), Some("http://127.0.0.1:4566"));
    assert_eq!(aws.ca_file.as_deref(), Some(std::path::Path::new("/base/roots.pem")));
    assert_eq!(
        (aws.endpoint_of(&SQS), aws.endpoint_of(&SNS)),
        (Some("http://127.0.0.1:9324"), Some("http://127.0.0.1:4566"))
    );
    let Some(AwsCredentials::Key(credentials)) = &aws.credentials else { panic!("no key") };
    assert_eq!(
        (credentials.secret_access_key.as_str(), credentials.session_token.as_deref()),
        ("s3cret", Some("token"))
    );
    assert!(!format!("{aws:?}").contains("s3cret") && !format!("{aws:?}").contains("\"token\""), "{aws:?}");
    let ExecutorSettings::Lambda(lambda) = &config.functions.values().next().unwrap().executor else {
        panic!("no Lambda")
    };
    assert_eq!(
        (&lambda.function, lambda.qualifier.as_deref()),
        (&LambdaName::Bare("f".to_owned()), Some("live"))
    );
    let both = lambda.aws.over(aws);
    assert_eq!((both.region.as_deref(), both.endpoint_of(&LAMBDA)), (Some("eu-west-2"), Some("https://h:1")));
    assert_eq!(
        (both.credentials, both.account_id.as_deref()),
        (Some(AwsCredentials::Profile("p".to_owned())), Some("123456789012"))
    );
    assert_eq!(both.ca_file.as_deref(), Some(std::path::Path::new("/base/own.pem")));
    let DestinationTarget::Sqs(sqs) = target(config) else { panic!("no queue") };
    assert_eq!(sqs.queue, QueueName::Arn(Arn::parse("arn:aws:sqs:eu-west-1:123456789012:dead").unwrap()));
}

#[test]
fn a_topic_is_named_in_full_or_by_its_arn_alone() {
    let topic = "arn:aws:sns:eu-west-1:123456789012:dead";
    for on_failure in
        [format!("{{ sns: {{ topic_arn: \"{topic}\" }} }}"), format!("{{ destination_arn: \"{topic}\" }}")]
    {
        let DestinationTarget::Sns(sns) =
            target(check(&config("", "{ function_name: f }", &on_failure)).unwrap())
        else {
            panic!("no topic")
        };
        assert_eq!(sns.topic.to_string(), topic);
    }
    let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/dead";
    let on_failure = format!("{{ sqs: {{ queue_url: \"{url}\" }} }}");
    let DestinationTarget::Sqs(sqs) =
        target(check(&config("", "{ function_name: f }", &on_failure)).unwrap())
    else {
        panic!("no queue")
    };
    assert_eq!(sqs.queue, QueueName::Url(forebay_config::QueueUrl::parse(url).unwrap()));
}

#[test]
fn a_bus_is_named_alone_or_by_its_arn_and_says_where_its_events_come_from() {
    let arn = "arn:aws:events:eu-west-1:123456789012:event-bus/dead.records";
    let read = |on_failure: &str| {
        let config = check(&config("", "{ function_name: f }", on_failure)).unwrap();
        let on_failure = config.mappings.into_iter().next().unwrap().on_failure.unwrap();
        assert!(!on_failure.include_payload);
        let DestinationTarget::EventBus(it) = on_failure.target else { panic!("no bus") };
        (it.bus.to_string(), it.bus.name().to_owned(), it.source, it.detail_type)
    };
    let expected = |bus: &str, name: &str, source: &str, detail_type: &str| {
        (bus.to_owned(), name.to_owned(), source.to_owned(), detail_type.to_owned())
    };
    let failure = "Lambda Function Invocation Result - Failure";
    for on_failure in
        [format!("{{ event_bus: {{ bus: \"{arn}\" }} }}"), format!("{{ destination_arn: \"{arn}\" }}")]
    {
        assert_eq!(read(&on_failure), expected(arn, "dead.records", "forebay", failure));
    }
    let alone = "{ event_bus: { bus: default, source: orders, detail_type: Given up } }";
    assert_eq!(read(alone), expected("default", "default", "orders", "Given up"));
    for (key, n) in [("bus", 256), ("source", 256), ("detail_type", 128)] {
        let checked = |n: usize| {
            let bus = if key == "bus" { "" } else { "bus: x, " };
            let on_failure = format!("{{ event_bus: {{ {bus}{key}: {} }} }}", "x".repeat(n));
            check(&config("", "{ function_name: f }", &on_failure)).is_ok()
        };
        assert_eq!((checked(n), checked(n + 1)), (true, false), "{key}");
    }
}

#[test]
fn a_topic_of_kafka_is_named_with_its_brokers_or_is_at_those_of_the_source() {
    let read = |on_failure: &str| {
        let config = check(&config("", "{ function_name: f }", on_failure)).unwrap();
        let on_failure = config.mappings.into_iter().next().unwrap().on_failure.unwrap();
        let DestinationTarget::Kafka(it) = on_failure.target else { panic!("no topic") };
        let servers = it.brokers.as_ref().map(|it| it.bootstrap_servers.join(","));
        (it.topic.clone(), servers, it.arn(), on_failure.include_payload)
    };
    let dead = |servers: Option<&str>, arn: Option<&str>, include_payload| {
        ("dead.records".to_owned(), servers.map(str::to_owned), arn.map(str::to_owned), include_payload)
    };
    let arn = Some("kafka://dead.records");
    assert_eq!(read("{ kafka: { topic: dead.records } }"), dead(None, arn, true), "as AWS has it");
    assert_eq!(read("{ destination_arn: \"kafka://dead.records\" }"), dead(None, arn, true));
    let elsewhere = "{ include_payload: false, kafka: { topic: dead.records, brokers: { bootstrap_servers: [\"a:1\", \"b:2\"] } } }";
    // Its name alone would mean another topic.
    assert_eq!(read(elsewhere), dead(Some("a:1,b:2"), None, false));
    for n in [249, 250] {
        let on_failure = format!("{{ destination_arn: \"kafka://{}\" }}", "x".repeat(n));
        assert_eq!(check(&config("", "{ function_name: f }", &on_failure)).is_ok(), n == 249);
    }
}

#[test]
fn what_cannot_be_called_is_refused_with_the_fix() {
    let f = "{ function_name: f }";
    let file = "{ file: { path: x } }";
    let cases = [
        ("aws: { region: EU }", f, file),
        ("aws: { account_id: \"1\" }", f, file),
        ("aws: { access_key_id: a }", f, file),
        ("aws: { session_token: t }", f, file),
        ("aws: { access_key_id: \"a b\", secret_access_key: c }", f, file),
        ("aws: { endpoint: \"http://h/path\" }", f, file),
        ("aws: { endpoint: \"h:1\" }", f, file),
        ("aws: { endpoints: { sqs: h, queues: \"http://h\" } }", f, file),
        ("aws: { profile: p, access_key_id: a, secret_access_key: b }", f, file),
        ("", "{ function_name: f, aws: { regoin: us-east-1, access_key_id: a } }", file),
        ("", "{ function_name: \"1:function:f\", aws: { endpoints: { sqs: \"http://h\" } } }", file),
        ("", "{ function_name: \"123456789012:function:f\", aws: { account_id: \"210987654321\" } }", file),
        ("", f, "{ sqs: { queue_url: \"http://h/1/q\", aws: { account_id: \"123456789012\" } } }"),
        ("", "{ function_name: \"a/b\" }", file),
        ("", "{ function_name: \"f:1\", qualifier: \"2\" }", file),
        ("", "{ function_name: f, qualifier: \"$HEAD\" }", file),
        (
            "",
            "{ function_name: \"arn:aws:lambda:eu-west-1:123456789012:function:f\", aws: { region: us-east-1 } }",
            file,
        ),
        ("", f, "{ destination_arn: \"arn:aws:sqs:eu-west-1:123456789012:dead.fifo\" }"),
        ("", f, "{ destination_arn: \"arn:aws:sns:eu-west-1:123456789012:dead.fifo\" }"),
        ("", f, "{ destination_arn: \"arn:aws:s3:::Bucket\" }"),
        ("", f, "{ destination_arn: \"kafka://dead letters\" }"),
        ("", f, "{ s3: { bucket_arn: dead } }"),
        ("", f, "{ s3: { bucket_arn: \"arn:aws:s3:::dead\", addressing: virtual } }"),
        ("", f, "{ destination_arn: \"arn:aws:lambda:eu-west-1:123456789012:function:f\" }"),
        ("", f, "{ sqs: { queue_url: \"http://h/1/dead.fifo\" } }"),
        ("", f, "{ sqs: { queue_url: \"http://h\" } }"),
        ("", f, "{ sqs: { queue_url: \"http://h/1/a?b=c\" } }"),
        ("", f, "{ sns: { topic_arn: \"arn:aws:sqs:eu-west-1:123456789012:dead\" } }"),
        (
            "",
            f,
            "{ sns: { topic_arn: \"arn:aws:sns:eu-west-1:123456789012:dead\", aws: { region: us-east-1 } } }",
        ),
        ("", f, "{ event_bus: {} }"),
        ("", f, "{ event_bus: { bus: \"aws.partner/x\" } }"),
        ("", f, "{ event_bus: { bus: \"arn:aws:events:eu-west-1:123456789012:rule/x\" } }"),
        ("", f, "{ event_bus: { bus: x, source: aws.lambda, detail_type: \"a\\nb\" } }"),
        (
            "",
            f,
            "{ event_bus: { bus: x, aws: { account_id: \"123456789012\", endpoints: { sqs: \"http://h\" } } } }",
        ),
        (
            "",
            f,
            "{ event_bus: { bus: \"arn:aws:events:eu-west-1:123456789012:event-bus/x\", aws: { region: us-east-1 } } }",
        ),
        ("", f, "{ destination_arn: \"arn:aws:events:eu-west-1:123456789012:event-bus/a/b\" }"),
        ("", f, "{ event_bus: { bus: x }, s3: { bucket_arn: \"arn:aws:s3:::dead\" } }"),
        ("", f, "{ file: { path: x }, destination_arn: \"arn:aws:sqs:eu-west-1:123456789012:dead\" }"),
    ];
    let found: String = cases
        .iter()
        .map(|(top, lambda, target)| lines(&check(&config(top, lambda, target)).unwrap_err()))
        .collect();
    expect![[r#"
        forebay.yaml:1:16 FB-0106 aws.region: a region has lower-case letters, digits and `-` (write it like `eu-west-1`)
        forebay.yaml:1:20 FB-0106 aws.account_id: an account has twelve digits (write it in quotes: `"123456789012"`)
        forebay.yaml:1:6 FB-0107 aws.secret_access_key: credentials are whole or not there: `secret_access_key` is missing (add `secret_access_key:`)
        forebay.yaml:1:6 FB-0107 aws.access_key_id: credentials are whole or not there: `access_key_id` is missing (add `access_key_id:`)
        forebay.yaml:1:6 FB-0107 aws.secret_access_key: credentials are whole or not there: `secret_access_key` is missing (add `secret_access_key:`)
        forebay.yaml:1:23 FB-0106 aws.access_key_id: credentials hold printable ASCII without white space only (copy them again)
        forebay.yaml:1:18 FB-0106 aws.endpoint: an endpoint has no path and no query (write `http://host:port`)
        forebay.yaml:1:18 FB-0106 aws.endpoint: must begin with `http://` or `https://` (write the whole URL)
        forebay.yaml:1:26 FB-0106 aws.endpoints.sqs: must begin with `http://` or `https://` (write the whole URL)
        forebay.yaml:1:29 FB-0104 aws.endpoints.queues: there is no setting `queues` (known here: `lambda`, `secretsmanager`, `events`, `s3`, `sns`, `sqs`, `sts`, `streams`)
        forebay.yaml:1:8 FB-0110 aws.profile: a profile and an access key exclude each other (keep one of them)
        forebay.yaml:3:53 FB-0107 functions.f.executor.lambda.aws.secret_access_key: credentials are whole or not there: `secret_access_key` is missing (add `secret_access_key:`)
        forebay.yaml:3:55 FB-0104 functions.f.executor.lambda.aws.regoin: there is no setting `regoin` (did you mean `region`?)
        forebay.yaml:3:45 FB-0106 functions.f.executor.lambda.function_name: is no name of a Lambda function (write `name`, `name:qualifier`, `account:function:name` or an ARN; the bare name has up to 64 letters, digits, `-` and `_`)
        forebay.yaml:3:81 FB-0104 functions.f.executor.lambda.aws.endpoints.sqs: there is no setting `sqs` (did you mean `sts`?)
        forebay.yaml:3:77 FB-0110 functions.f.executor.lambda.aws.account_id: the name is of account `123456789012`, not of `210987654321` (remove it: the name says it)
        forebay.yaml:9:82 FB-0104 event_source_mappings[0].destination_config.on_failure.sqs.aws.account_id: there is no setting `account_id` (known here: `region`, `endpoint`, `endpoints`, `access_key_id`, `secret_access_key`, `session_token`, `profile`, `assume_role`, `ca_file`)
        forebay.yaml:3:45 FB-0106 functions.f.executor.lambda.function_name: is no name of a Lambda function (write `name`, `name:qualifier`, `account:function:name` or an ARN; the bare name has up to 64 letters, digits, `-` and `_`)
        forebay.yaml:3:52 FB-0110 functions.f.executor.lambda.qualifier: The derived qualifier from the function name does not match the specified qualifier. (write it in one of the two places)
        forebay.yaml:3:59 FB-0106 functions.f.executor.lambda.qualifier: is no version and no alias (write a number in quotes, an alias or `$LATEST`)
        forebay.yaml:3:102 FB-0110 functions.f.executor.lambda.aws.region: Functions from 'eu-west-1' are not reachable in this region ('us-east-1') (remove it: the name says it)
        forebay.yaml:9:58 FB-0106 event_source_mappings[0].destination_config.on_failure.destination_arn: FIFO queues and topics take no failure records (write a standard one: failure records come from many groups and need no order)
        forebay.yaml:9:58 FB-0106 event_source_mappings[0].destination_config.on_failure.destination_arn: FIFO queues and topics take no failure records (write a standard one: failure records come from many groups and need no order)
        forebay.yaml:9:58 FB-0106 event_source_mappings[0].destination_config.on_failure.destination_arn: is no ARN of a bucket (write `arn:aws:s3:::bucket`; a bucket's name has 3 to 63 lower-case letters, digits, `-` and `.`)
        forebay.yaml:9:58 FB-0106 event_source_mappings[0].destination_config.on_failure.destination_arn: is no name of a topic of Kafka (write its name: 1 to 249 letters, digits, `.`, `_` and `-`)
        forebay.yaml:9:59 FB-0106 event_source_mappings[0].destination_config.on_failure.s3.bucket_arn: is no ARN of a bucket (write `arn:aws:s3:::bucket`; a bucket's name has 3 to 63 lower-case letters, digits, `-` and `.`)
        forebay.yaml:9:92 FB-0106 event_source_mappings[0].destination_config.on_failure.s3.addressing: must be one of `path`, `virtual_host` (did you mean `virtual_host`?)
        forebay.yaml:9:58 FB-0106 event_source_mappings[0].destination_config.on_failure.destination_arn: is no ARN of a queue, a topic, a bucket or an event bus, and no topic of Kafka (write `arn:aws:sqs:region:account:queue`, `arn:aws:sns:region:account:topic`, `arn:aws:s3:::bucket`, `arn:aws:events:region:account:event-bus/name` or `kafka://topic`)
        forebay.yaml:9:59 FB-0106 event_source_mappings[0].destination_config.on_failure.sqs.queue_url: FIFO queues and topics take no failure records (write a standard one: failure records come from many groups and need no order)
        forebay.yaml:9:59 FB-0106 event_source_mappings[0].destination_config.on_failure.sqs.queue_url: is no URL of a queue (write `https://sqs.eu-west-1.amazonaws.com/123456789012/queue`)
        forebay.yaml:9:59 FB-0106 event_source_mappings[0].destination_config.on_failure.sqs.queue_url: is no URL of a queue (write `https://sqs.eu-west-1.amazonaws.com/123456789012/queue`)
        forebay.yaml:9:59 FB-0106 event_source_mappings[0].destination_config.on_failure.sns.topic_arn: is no ARN of a topic (write `arn:aws:sns:region:account:topic`)
        forebay.yaml:9:107 FB-0110 event_source_mappings[0].destination_config.on_failure.sns.aws.region: the ARN is of region `eu-west-1`, not of `us-east-1` (remove it: the name says it)
        forebay.yaml:9:52 FB-0107 event_source_mappings[0].destination_config.on_failure.event_bus.bus: `bus` is missing (add `bus:`)
        forebay.yaml:9:59 FB-0106 event_source_mappings[0].destination_config.on_failure.event_bus.bus: is neither the name nor the ARN of an event bus (write `arn:aws:events:region:account:event-bus/name`, or the name alone: 1 to 256 letters, digits, `.`, `-` and `_`)
        forebay.yaml:9:59 FB-0106 event_source_mappings[0].destination_config.on_failure.event_bus.bus: is neither the name nor the ARN of an event bus (write `arn:aws:events:region:account:event-bus/name`, or the name alone: 1 to 256 letters, digits, `.`, `-` and `_`)
        forebay.yaml:9:70 FB-0106 event_source_mappings[0].destination_config.on_failure.event_bus.source: EventBridge keeps `aws.` for AWS's own events (write another word in front)
        forebay.yaml:9:95 FB-0106 event_source_mappings[0].destination_config.on_failure.event_bus.detail_type: is no word of an event (write 128 characters at most, none of them a control character)
        forebay.yaml:9:69 FB-0104 event_source_mappings[0].destination_config.on_failure.event_bus.aws.account_id: there is no setting `account_id` (known here: `region`, `endpoint`, `endpoints`, `access_key_id`, `secret_access_key`, `session_token`, `profile`, `assume_role`, `ca_file`)
        forebay.yaml:9:110 FB-0104 event_source_mappings[0].destination_config.on_failure.event_bus.aws.endpoints.sqs: there is no setting `sqs` (did you mean `sts`?)
        forebay.yaml:9:117 FB-0110 event_source_mappings[0].destination_config.on_failure.event_bus.aws.region: the ARN is of region `eu-west-1`, not of `us-east-1` (remove it: the name says it)
        forebay.yaml:9:58 FB-0106 event_source_mappings[0].destination_config.on_failure.destination_arn: is no ARN of a queue, a topic, a bucket or an event bus, and no topic of Kafka (write `arn:aws:sqs:region:account:queue`, `arn:aws:sns:region:account:topic`, `arn:aws:s3:::bucket`, `arn:aws:events:region:account:event-bus/name` or `kafka://topic`)
        forebay.yaml:9:41 FB-0108 event_source_mappings[0].destination_config.on_failure: must hold exactly one of `file`, `http`, `function`, `sqs`, `sns`, `s3`, `event_bus`, `kafka`, `destination_arn` (keep one of them)
        forebay.yaml:9:60 FB-0108 event_source_mappings[0].destination_config.on_failure: must hold exactly one of `file`, `http`, `function`, `sqs`, `sns`, `s3`, `event_bus`, `kafka`, `destination_arn` (keep one of them)
    "#]].assert_eq(&found);
}

/// A config whose mapping and destination name functions like this.
fn naming(top: &str, mapping: &str, destination: &str) -> String {
    format!(
        "{top}\nfunctions:\n  f: {{ executor: {{ http: {{ url: \"http://h\" }} }} }}\n  g: {{ executor: {{ lambda: {{ function_name: \"g:7\" }} }} }}\n\
         event_source_mappings:\n  - name: m\n    source: {{ stream: {{ name: x }} }}\n    function_name: \"{mapping}\"\n    starting_position: LATEST\n    \
         destination_config: {{ on_failure: {{ function: {{ function_name: \"{destination}\" }} }} }}\n"
    )
}

#[test]
fn a_service_that_only_a_source_calls_has_its_endpoint_at_the_top_level_and_under_that_source_alone() {
    let endpoint = |service: &str| format!("{{ {service}: \"http://127.0.0.1:1/\" }}");
    let top = format!("aws: {{ endpoints: {} }}", endpoint("streams"));
    let file = "{ file: { path: x } }";
    let read = check(&config(&top, "{ function_name: f }", file)).unwrap();
    assert_eq!(read.settings.aws.endpoint_of(&STREAMS), Some("http://127.0.0.1:1"));
    let lambda = format!("{{ function_name: f, aws: {{ endpoints: {} }} }}", endpoint("streams"));
    let found = lines(&check(&config("", &lambda, file)).unwrap_err());
    assert!(found.contains("there is no setting `streams` (known here: `lambda`, `sts`)"), "{found}");
}

#[test]
fn a_mapping_may_name_a_function_by_its_arn_which_is_one_of_the_file_or_of_lambda() {
    let here = "aws: { region: eu-west-1, account_id: \"123456789012\" }";
    let cases = [
        ("", "f"),
        ("", "f:$LATEST"),
        ("", "f:live"),
        ("", "g:7"),
        ("", "210987654321:function:f:2"),
        (here, "123456789012:function:f"),
        (here, "210987654321:function:f:2"),
        (here, "arn:aws:lambda:eu-west-1:123456789012:function:f:live"),
        (here, "arn:aws:lambda:us-east-1:123456789012:function:f:live"),
        (here, "arn:aws:lambda:eu-west-1:123456789012:function:other"),
    ];
    let shown: String = cases
        .iter()
        .map(|(top, name)| {
            let config = check(&naming(top, name, name)).unwrap();
            let mapping = &config.mappings[0];
            let Some(DestinationTarget::Function(destination)) =
                mapping.on_failure.as_ref().map(|it| &it.target)
            else {
                panic!("no function")
            };
            assert_eq!(*destination, mapping.function);
            let called = match &config.functions[&mapping.function].executor {
                ExecutorSettings::Lambda(lambda) => {
                    format!("Lambda {} {:?}", lambda.function.wire("REGION"), lambda.qualifier)
                }
                ExecutorSettings::Http(_) | ExecutorSettings::Process(_) => "here".to_owned(),
            };
            format!("{name} -> {} {:?}: {called}\n", mapping.function, mapping.function_qualifier)
        })
        .collect();
    expect![[r#"
        f -> f None: here
        f:$LATEST -> f Some("$LATEST"): here
        f:live -> f Some("live"): here
        g:7 -> g None: Lambda g Some("7")
        210987654321:function:f:2 -> f Some("2"): here
        123456789012:function:f -> f None: here
        210987654321:function:f:2 -> 210987654321:function:f:2 None: Lambda arn:aws:lambda:REGION:210987654321:function:f Some("2")
        arn:aws:lambda:eu-west-1:123456789012:function:f:live -> f Some("live"): here
        arn:aws:lambda:us-east-1:123456789012:function:f:live -> arn:aws:lambda:us-east-1:123456789012:function:f:live None: Lambda arn:aws:lambda:us-east-1:123456789012:function:f Some("live")
        arn:aws:lambda:eu-west-1:123456789012:function:other -> arn:aws:lambda:eu-west-1:123456789012:function:other None: Lambda arn:aws:lambda:eu-west-1:123456789012:function:other None
    "#]].assert_eq(&shown);
}

#[test]
fn what_is_no_name_of_a_function_is_refused_in_awss_words_and_a_slip_is_never_a_call() {
    let long = format!("arn:aws:lambda:eu-west-1:123456789012:function:{}", "x".repeat(220));
    let cases = [
        "ff",
        "ff:live",
        "f:",
        "f:$HEAD",
        "a/b",
        "arn:aws:lambda:eu-west-1:123456789012:function:",
        "arn:aws:sqs:eu-west-1:123456789012:f",
        &long,
        "g:8",
    ];
    let found: String = cases.iter().map(|name| lines(&check(&naming("", name, "f")).unwrap_err())).collect();
    expect![[r#"
        forebay.yaml:8:20 FB-0112 event_source_mappings[0].function_name: Function does not exist: `ff` (known functions: `f`, `g`)
        forebay.yaml:8:20 FB-0112 event_source_mappings[0].function_name: Function does not exist: `ff:live` (known functions: `f`, `g`)
        forebay.yaml:8:20 FB-0106 event_source_mappings[0].function_name: 1 validation error detected: Value 'f:' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))? (write the name of a function under `functions:`, of 64 letters, digits, `-` and `_` at most, or the ARN of a function of Lambda)
        forebay.yaml:8:20 FB-0106 event_source_mappings[0].function_name: 1 validation error detected: Value 'f:$HEAD' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))? (write the name of a function under `functions:`, of 64 letters, digits, `-` and `_` at most, or the ARN of a function of Lambda)
        forebay.yaml:8:20 FB-0106 event_source_mappings[0].function_name: 1 validation error detected: Value 'a/b' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))? (write the name of a function under `functions:`, of 64 letters, digits, `-` and `_` at most, or the ARN of a function of Lambda)
        forebay.yaml:8:20 FB-0106 event_source_mappings[0].function_name: 1 validation error detected: Value 'arn:aws:lambda:eu-west-1:123456789012:function:' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))? (write the name of a function under `functions:`, of 64 letters, digits, `-` and `_` at most, or the ARN of a function of Lambda)
        forebay.yaml:8:20 FB-0106 event_source_mappings[0].function_name: 1 validation error detected: Value 'arn:aws:sqs:eu-west-1:123456789012:f' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))? (write the name of a function under `functions:`, of 64 letters, digits, `-` and `_` at most, or the ARN of a function of Lambda)
        forebay.yaml:8:20 FB-0106 event_source_mappings[0].function_name: 1 validation error detected: Value 'arn:aws:lambda:eu-west-1:123456789012:fu' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 256 (write the name of a function under `functions:`, of 64 letters, digits, `-` and `_` at most, or the ARN of a function of Lambda)
        forebay.yaml:8:20 FB-0110 event_source_mappings[0].function_name: The derived qualifier from the function name does not match the specified qualifier. (write the version or alias under the function, as `qualifier` of its `lambda`)
    "#]].assert_eq(&found);
}

#[test]
fn accounts_and_their_regions_are_called_with_what_is_written_of_them() {
    let top = "aws: { account_id: \"123456789012\", region: eu-west-1, accounts: { \"210987654321\": { assume_role: { role_arn: \"arn:aws:iam::210987654321:role/a/b\" }, endpoints: { sts: \"http://sts:1\" } }, \"210987654321/us-east-1\": { endpoint: \"http://there:1\" }, \"333333333333\": } }";
    let aws = check(&config(top, "{ function_name: f }", "{ file: { path: x } }")).unwrap().settings.aws;
    let nothing = AwsSettings::default();
    let named = |account, region| NamedAccount { account, region, own: &nothing };
    let of_account = aws.of_account(named("210987654321", None)).unwrap();
    let role = of_account.assume_role.clone().unwrap();
    assert_eq!(
        (&*role.role_arn, role.external_id.as_deref(), &*role.session_name),
        ("arn:aws:iam::210987654321:role/a/b", None, "forebay")
    );
    assert_eq!((of_account.endpoint_of(&STS), of_account.endpoint_of(&SQS)), (Some("http://sts:1"), None));
    let of_region = aws.of_account(named("210987654321", Some("us-east-1"))).unwrap();
    assert_eq!((of_region.endpoint_of(&SQS), &of_region.assume_role), (Some("http://there:1"), &Some(role)));
    assert!(aws.of_account(named("123456789012", None)).is_none());
}

#[test]
fn a_thing_of_another_account_is_known_by_an_entry_for_its_region_or_by_what_stands_beside_its_name() {
    let top = "aws: { account_id: \"111111111111\", region: eu-west-1, accounts: { \"222222222222\": {}, \"333333333333/us-east-1\": {}, \"444444444444\": { region: us-west-2 }, \"444444444444/us-west-2\": { endpoint: \"http://there:1\" } } }";
    let aws = check(&config(top, "{ function_name: f }", "{ file: { path: x } }")).unwrap().settings.aws;
    let nothing = AwsSettings::default();
    let told = |aws: &AwsSettings, account, region, own: &AwsSettings| {
        let checked = aws.check_account(NamedAccount { account, region, own });
        checked.err().map(|it| format!("{it}; {}", it.fix()))
    };
    for (account, region) in [
        ("111111111111", Some("us-east-1")),
        ("222222222222", None),
        ("222222222222", Some("us-east-1")),
        ("333333333333", Some("us-east-1")),
        ("444444444444", Some("eu-west-1")),
    ] {
        assert_eq!(told(&aws, account, region, &nothing), None, "{account} {region:?}");
    }
    let of_region = "account `333333333333` is not known in region `eu-west-1`: `aws.account_id` is `111111111111`; write `aws.accounts.\"333333333333/eu-west-1\"` \
                     with its credentials or its `assume_role`, or with `{}` if those that all share are meant";
    assert_eq!(told(&aws, "333333333333", Some("eu-west-1"), &nothing).as_deref(), Some(of_region));
    assert_eq!(told(&aws, "333333333333", None, &nothing).as_deref(), Some(of_region), "its region is ours");
    let unknown = told(&aws, "555555555555", Some("us-east-1"), &nothing).unwrap();
    assert!(unknown.starts_with("account `555555555555` is not known: `aws.account_id`"), "{unknown}");
    let credentials = Some(AwsCredentials::Profile("p".to_owned()));
    let own = AwsSettings { credentials, ..nothing.clone() };
    assert_eq!(told(&aws, "555555555555", None, &own), None);
    // Where the region is left to the daemon's surroundings any entry may be the one.
    let elsewhere = AwsSettings { region: None, ..aws.clone() };
    assert_eq!(told(&elsewhere, "333333333333", None, &nothing), None);
    assert_eq!(told(&nothing, "555555555555", None, &nothing), None, "one's own is not known");
    // The account's own region leads to the entry of that region.
    let of_account = aws.of_account(NamedAccount { account: "444444444444", region: None, own: &nothing });
    assert_eq!(of_account.unwrap().endpoint_of(&SQS), Some("http://there:1"));
}

#[test]
fn mistakes_in_accounts_and_roles_are_named() {
    let (f, file) = ("{ function_name: f }", "{ file: { path: x } }");
    let cases = [
        ("aws: { account_id: \"111111111111\", accounts: { \"1\": {} } }", f),
        ("aws: { account_id: \"111111111111\", accounts: { \"123456789012/EU\": {} } }", f),
        (
            "aws: { account_id: \"111111111111\", accounts: { \"123456789012\": { account_id: \"123456789012\" } } }",
            f,
        ),
        ("aws: { account_id: \"111111111111\", accounts: { \"123456789012\": { access_key_id: a } } }", f),
        (
            "aws: { account_id: \"111111111111\", accounts: { \"123456789012/eu-west-1\": { region: eu-west-1 } } }",
            f,
        ),
        ("aws: { accounts: { \"123456789012\": {} } }", f),
        ("aws: { account_id: 5, accounts: { \"123456789012\": {} } }", f),
        ("aws: { account_id: \"111111111111\" }", "{ function_name: \"123456789012:function:f\" }"),
        (
            "aws: { account_id: \"111111111111\" }",
            "{ function_name: f, aws: { account_id: \"123456789012\" } }",
        ),
        ("aws: { assume_role: { external_id: abc } }", f),
        ("aws: { assume_role: { role_arn: \"arn:aws:iam::123456789012:user/u\" } }", f),
        ("aws: { assume_role: { role_arn: \"arn:aws:iam::123456789012:role/r\", external_id: \"a b\" } }", f),
        ("aws: { assume_role: { role_arn: \"arn:aws:iam::123456789012:role/r\", session_name: s } }", f),
        ("", "{ function_name: f, aws: { accounts: {} } }"),
    ];
    let found: String =
        cases.iter().map(|(top, lambda)| lines(&check(&config(top, lambda, file)).unwrap_err())).collect();
    expect![[r#"
        forebay.yaml:1:48 FB-0106 aws.accounts.1: is no account and no region of one (write `"123456789012"` or `"123456789012/eu-west-1"`)
        forebay.yaml:1:48 FB-0106 aws.accounts.123456789012/EU: is no account and no region of one (write `"123456789012"` or `"123456789012/eu-west-1"`)
        forebay.yaml:1:66 FB-0104 aws.accounts.123456789012.account_id: there is no setting `account_id` (known here: `region`, `endpoint`, `endpoints`, `access_key_id`, `secret_access_key`, `session_token`, `profile`, `assume_role`, `ca_file`)
        forebay.yaml:1:64 FB-0107 aws.accounts.123456789012.secret_access_key: credentials are whole or not there: `secret_access_key` is missing (add `secret_access_key:`)
        forebay.yaml:1:74 FB-0110 aws.accounts.123456789012/eu-west-1.region: the entry is that of a region already (remove it)
        forebay.yaml:1:6 FB-0107 aws.account_id: without `account_id` nobody can tell which account is another (add `account_id:`)
        forebay.yaml:1:20 FB-0105 aws.account_id: must be text, not a number (write it in quotes)
        forebay.yaml:3:3 FB-0369 functions.f.executor.lambda.function_name: account `123456789012` is not known: `aws.account_id` is `111111111111` (write `aws.accounts."123456789012"` with its credentials or its `assume_role`, or with `{}` if those that all share are meant)
        forebay.yaml:3:3 FB-0369 functions.f.executor.lambda.function_name: account `123456789012` is not known: `aws.account_id` is `111111111111` (write `aws.accounts."123456789012"` with its credentials or its `assume_role`, or with `{}` if those that all share are meant)
        forebay.yaml:1:21 FB-0107 aws.assume_role.role_arn: `role_arn` is missing (add `role_arn:`)
        forebay.yaml:1:33 FB-0106 aws.assume_role.role_arn: is no ARN of a role (write `arn:aws:iam::123456789012:role/name`)
        forebay.yaml:1:82 FB-0106 aws.assume_role.external_id: is no external id (copy it again: 2 to 1,224 letters, digits and `_+=,.@:/-`)
        forebay.yaml:1:83 FB-0106 aws.assume_role.session_name: is no name of a session (write 2 to 64 letters, digits and `_+=,.@-`)
        forebay.yaml:3:55 FB-0104 functions.f.executor.lambda.aws.accounts: there is no setting `accounts` (did you mean `account_id`?)
    "#]].assert_eq(&found);
}
