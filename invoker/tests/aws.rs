//! The Lambda executor and the destinations SQS, SNS and EventBridge against a server on loopback: what they send, and
//! what each answer means.
#![allow(clippy::unwrap_used)] // a test

#[allow(dead_code, reason = "the tests of HTTP functions use more of it")]
mod server;

use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{NotReached, Reply, UnixMillis};
use forebay_clients::{Aws, Clients, HttpClients};
use forebay_config::aws::AwsPlace;
use forebay_config::destination::{BusName, EventBusTarget, QueueName, SnsTarget, SqsTarget};
use forebay_config::function::{LambdaName, LambdaSettings};
use forebay_config::{Arn, AwsCredentials, AwsKey, AwsSettings, ExecutorSettings, Function, FunctionName};
use forebay_invoker::destinations::{
    EventBusDestination, SnsDestination, SqsDestination, event_bus, sns, sqs,
};
use forebay_invoker::executors::http::ANSWER_BYTES_MAX;
use forebay_invoker::executors::lambda::LambdaExecutor;
use forebay_invoker::outcome::chain;
use forebay_invoker::{Destination, Event, Executor, FailureRecord, InvokeError};
use server::{Act, Seen, Server, answer, hand_off};

fn clients(address: &str) -> Clients {
    let key = AwsKey {
        access_key_id: "AKID".into(),
        secret_access_key: "s3cret".into(),
        session_token: Some("token".into()),
    };
    let other = AwsPlace { account: "210987654321".into(), region: None };
    let settings = AwsSettings {
        region: Some("eu-west-1".into()),
        account_id: Some("123456789012".into()),
        endpoint: Some(format!("http://{address}")),
        credentials: Some(AwsCredentials::Key(key)),
        accounts: [(other, AwsSettings::default())].into(),
        ..AwsSettings::default()
    };
    Clients { http: HttpClients::new(), aws: Aws::new(&settings, |_| None) }
}

async fn executor(address: &str, name: &str) -> LambdaExecutor {
    let (function, qualifier) = LambdaName::parse(name).unwrap();
    let settings = LambdaSettings { function, qualifier, aws: Box::default() };
    let function = Function {
        name: FunctionName::parse("resize").unwrap(),
        executor: ExecutorSettings::Lambda(settings.clone()),
        timeout: Duration::from_secs(3),
        concurrency: None,
        rate: None,
    };
    LambdaExecutor::new(&function, &settings, &clients(address)).await.unwrap()
}

async fn invoke(act: Act) -> (Result<Reply, InvokeError>, Server) {
    let server = Server::start([act]).await;
    let event = Event {
        pieces: ["{\"Records\":[", "1", "]}"].map(|piece| Bytes::from_static(piece.as_bytes())).into(),
        hand_off: None,
    };
    let result = executor(&server.address.to_string(), "f").await.invoke(event).await;
    (result, server)
}

fn header<'a>(seen: &'a Seen, name: &str) -> &'a str {
    let line = seen.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in {}", seen.head))
}

#[track_caller]
fn not_reached(result: Result<Reply, InvokeError>) -> (NotReached, Option<u64>, String) {
    match result {
        Err(InvokeError::NotReached { why, retry_after, cause, .. }) => {
            (why, retry_after.map(|it| it.as_secs()), cause.to_string())
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unknown(result: Result<Reply, InvokeError>) -> String {
    match result {
        Err(error @ InvokeError::Unknown { .. }) => chain(&error),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_invoke_is_a_signed_post_to_the_functions_path() {
    let act =
        Act::Answer(answer("200 OK", &["X-Amz-Executed-Version: 7", "x-amzn-RequestId: r-1"], "{\"a\":1}"));
    let (reply, server) = invoke(act).await;
    let seen = server.seen().remove(0);
    assert!(seen.head.starts_with("post /2015-03-31/functions/f/invocations http/1.1\r\n"), "{}", seen.head);
    assert_eq!(seen.body, b"{\"Records\":[1]}");
    assert_eq!(header(&seen, "x-amz-invocation-type"), "requestresponse");
    assert_eq!(header(&seen, "content-type"), "application/json");
    assert_eq!(header(&seen, "content-length"), "15");
    assert_eq!(header(&seen, "x-amz-security-token"), "token");
    let signed =
        "signedheaders=content-type;host;x-amz-date;x-amz-invocation-type;x-amz-security-token, signature=";
    let authorization = header(&seen, "authorization");
    assert!(
        authorization.contains(signed) && authorization.contains("/eu-west-1/lambda/aws4_request"),
        "{authorization}"
    );
    let reply = reply.unwrap();
    assert_eq!((reply.request_id.as_str(), reply.executed_version.as_deref()), ("r-1", Some("7")));
    assert_eq!(
        (reply.status, reply.function_error, reply.payload),
        (Some(200), None, Some("{\"a\":1}".into()))
    );
}

#[tokio::test]
async fn the_client_context_says_where_the_batch_lies_if_it_fits() {
    for (track, is_told) in [("shard-0", true), (&*"x".repeat(3_000), false)] {
        let server = Server::start([Act::Answer(answer("200 OK", &[], "{}"))]).await;
        let event = Event { hand_off: Some(hand_off(track)), ..Event::from(vec!["{}".into()]) };
        executor(&server.address.to_string(), "f").await.invoke(event).await.unwrap();
        let seen = server.seen().remove(0);
        // Heads are kept in lower case, which Base64 does not survive: its length and its being signed do.
        let context = seen.head.lines().find_map(|line| line.strip_prefix("x-amz-client-context: "));
        let told = context.map(str::len);
        let json = r#"{"custom":{"Forebay-Mapping":"orders","Forebay-Track":"shard-0","Forebay-Lane":"0/4","Forebay-First-Position":"0000000000000007","Forebay-Last-Position":"0000000000000009","Idempotency-Key":"0123456789abcdef0123456789abcdef"}}"#;
        assert_eq!(told, is_told.then_some(json.len().div_ceil(3) * 4), "{}", seen.head);
        let signed = header(&seen, "authorization").contains(";x-amz-client-context;");
        assert_eq!(signed, is_told, "{}", seen.head);
    }
}

#[tokio::test]
async fn every_form_of_a_name_has_its_path_and_its_arn() {
    let arn = "arn:aws:lambda:us-east-2:210987654321:function:f";
    for (name, path, function_arn) in [
        (
            "f:$LATEST",
            "f/invocations?qualifier=%24latest",
            "arn:aws:lambda:eu-west-1:123456789012:function:f:$LATEST",
        ),
        (
            "210987654321:function:f",
            "arn%3aaws%3alambda%3aeu-west-1%3a210987654321%3afunction%3af/invocations",
            "arn:aws:lambda:eu-west-1:210987654321:function:f",
        ),
        (arn, "arn%3aaws%3alambda%3aus-east-2%3a210987654321%3afunction%3af/invocations", arn),
        (
            &format!("{arn}:live"),
            "arn%3aaws%3alambda%3aus-east-2%3a210987654321%3afunction%3af/invocations?qualifier=live",
            &format!("{arn}:live"),
        ),
    ] {
        let server = Server::start([Act::Answer(answer("200 OK", &[], "{}"))]).await;
        let executor = executor(&server.address.to_string(), name).await;
        executor.invoke(Event::from(vec!["{}".into()])).await.unwrap();
        let head = server.seen().remove(0).head;
        assert!(
            head.starts_with(&format!("post /2015-03-31/functions/{path} http/1.1\r\n")),
            "{name}: {head}"
        );
        assert_eq!(executor.function_arn(), function_arn);
    }
}

#[tokio::test]
async fn a_failed_function_and_an_answer_that_is_too_long_are_function_errors() {
    let body = r#"{"errorType":"KeyError","errorMessage":"a"}"#;
    let reply =
        invoke(Act::Answer(answer("200 OK", &["X-Amz-Function-Error: Unhandled"], body))).await.0.unwrap();
    assert_eq!(
        (reply.function_error.as_deref(), reply.error.as_deref()),
        (Some("Unhandled"), Some("KeyError: a"))
    );
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", ANSWER_BYTES_MAX + 1);
    let reply = invoke(Act::AnswerAndClose(head.into_bytes())).await.0.unwrap();
    assert!(reply.error.unwrap().starts_with("Function.ResponseSizeTooLarge: "));
}

#[tokio::test]
async fn a_function_that_was_not_reached_says_in_which_way_and_spends_no_retry() {
    for (status, headers, why, after) in [
        (
            "429 Too Many Requests",
            vec!["x-amzn-ErrorType: TooManyRequestsException", "Retry-After: 7"],
            NotReached::Throttled,
            Some(7),
        ),
        ("500 Internal Server Error", vec!["x-amzn-ErrorType: ServiceException"], NotReached::Platform, None),
        ("502 Bad Gateway", vec!["x-amzn-ErrorType: ENILimitReachedException"], NotReached::Platform, None),
        ("503 Service Unavailable", vec![], NotReached::Platform, None),
        ("403 Forbidden", vec!["x-amzn-ErrorType: AccessDeniedException"], NotReached::Config, None),
        ("404 Not Found", vec!["x-amzn-ErrorType: ResourceNotFoundException"], NotReached::Config, None),
        ("409 Conflict", vec!["x-amzn-ErrorType: ResourceConflictException"], NotReached::Config, None),
        ("301 Moved Permanently", vec!["Location: http://127.0.0.1:1/"], NotReached::Config, None),
    ] {
        let (result, server) =
            invoke(Act::Answer(answer(status, &headers, r#"{"Type":"User","message":"because"}"#))).await;
        let (found, found_after, cause) = not_reached(result);
        assert_eq!((found, found_after, server.counts().requests), (why, after, 1), "{status}");
        assert!(cause.ends_with("because"), "{cause}");
    }
    let (result, _server) = invoke(Act::Answer(answer("413 Payload Too Large", &[], "{}"))).await;
    assert!(matches!(result, Err(InvokeError::TooLarge { .. })), "{result:?}");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_not_reached() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let result = executor(&address, "f").await.invoke(Event::from(vec!["{}".into()])).await;
    assert_eq!(not_reached(result).0, NotReached::Platform);
}

#[tokio::test]
async fn a_request_that_was_sent_and_not_answered_is_never_sent_again() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_vec();
    for act in [
        Act::Reset,
        Act::AnswerAndClose(cut),
        Act::Answer(b"SSH-2.0\r\n\r\n".to_vec()),
        Act::Answer(answer("202 Accepted", &[], "")),
    ] {
        let (result, server) = invoke(act.clone()).await;
        unknown(result);
        assert_eq!(server.counts().requests, 1, "{act:?}");
    }
}

#[tokio::test]
async fn an_answer_is_waited_for_ten_seconds_beyond_the_functions_timeout() {
    let server = Server::start([Act::Hang]).await;
    let executor = executor(&server.address.to_string(), "f").await;
    let invoked = tokio::spawn(async move {
        let result = executor.invoke(Event::from(vec!["{}".into()])).await;
        (result, tokio::time::Instant::now())
    });
    server.until(|counts| counts.requests == 1).await;
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let (result, ended) = invoked.await.unwrap();
    assert!(unknown(result).ends_with("no answer came in time"));
    let waited = ended - begun;
    assert!(waited > Duration::from_secs(12) && waited < Duration::from_millis(13_100), "{waited:?}");
}

async fn queue(address: &str) -> SqsDestination {
    let target = SqsTarget {
        queue: QueueName::Arn(Arn::parse("arn:aws:sqs:us-east-2:123456789012:dead").unwrap()),
        aws: Box::default(),
    };
    SqsDestination::new(&target, &clients(address)).await.unwrap()
}

async fn topic(address: &str) -> SnsDestination {
    let target = SnsTarget {
        topic: Arn::parse("arn:aws:sns:us-east-2:123456789012:dead").unwrap(),
        aws: Box::default(),
    };
    SnsDestination::new(&target, &clients(address)).await.unwrap()
}

const BUS: &str = "arn:aws:events:us-east-2:123456789012:event-bus/dead";
/// What a bus answers that is looked at.
const BUS_SEEN: &str = r#"{"Name":"dead","Arn":"arn:aws:events:us-east-2:123456789012:event-bus/dead"}"#;
/// What it answers when it took an event.
const EVENT_TAKEN: &str = r#"{"FailedEntryCount":0,"Entries":[{"EventId":"e-1"}]}"#;

async fn bus(address: &str, bus: BusName) -> EventBusDestination {
    EventBusDestination::new(&EventBusTarget::of(bus), &clients(address)).await.unwrap()
}

async fn bus_of_arn(address: &str) -> EventBusDestination {
    bus(address, BusName::Arn(Arn::parse(BUS).unwrap())).await
}

fn answers(all: &[(&str, &str)]) -> Vec<Act> {
    all.iter().map(|(status, body)| Act::Answer(answer(status, &[], body))).collect()
}

async fn deliver(destination: &dyn Destination, json: &str) -> Result<(), String> {
    let record = FailureRecord {
        json: Bytes::copy_from_slice(json.as_bytes()),
        original_key: None,
        headers: Vec::new(),
        shard: None,
        at: UnixMillis(1_700_000_000_999),
    };
    destination.deliver(record).await.map_err(|error| format!("{} {}", error.code, chain(&error)))
}

#[tokio::test]
async fn a_queue_has_a_record_when_it_says_so_with_the_right_md5() {
    // `{"a":"é"}`
    let taken = r#"{"MessageId":"m-1","MD5OfMessageBody":"@@"}"#;
    let md5 = "110df10b56b83299182f70164879d203";
    let acts = [
        answer("200 OK", &[], &taken.replace("@@", md5)),
        answer("200 OK", &[], &taken.replace("@@", "00000000000000000000000000000000")),
        answer("200 OK", &[], "{}"),
        answer("200 OK", &[], "<html>"),
        answer(
            "400 Bad Request",
            &[],
            r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}"#,
        ),
        answer("204 No Content", &[], ""),
    ];
    let server = Server::start(acts.map(Act::Answer)).await;
    let address = server.address.to_string();
    let queue = queue(&address).await;
    let json = "{\"a\":\"é\"}";
    assert_eq!(deliver(&queue, json).await, Ok(()));
    let seen = server.seen().remove(0);
    assert!(seen.head.starts_with("post / http/1.1\r\n"), "{}", seen.head);
    assert_eq!(header(&seen, "x-amz-target"), "amazonsqs.sendmessage");
    assert_eq!(header(&seen, "content-type"), "application/x-amz-json-1.0");
    assert!(header(&seen, "authorization").contains("/us-east-2/sqs/aws4_request"));
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({ "QueueUrl": format!("http://{address}/123456789012/dead"), "MessageBody": json })
    );
    let label = format!("destination queue http://{address}/123456789012/dead did not take a failure record");
    let mut refused = Vec::new();
    for _ in 1..6 {
        let error = deliver(&queue, json).await.unwrap_err();
        refused.push(
            error.strip_prefix(&format!("FB-0363 {label}: ")).unwrap_or_else(|| panic!("{error}")).to_owned(),
        );
    }
    assert_eq!(
        refused,
        [
            format!(
                "what it took is not what was sent: MD5 00000000000000000000000000000000 instead of {md5}"
            ),
            "it answered without a message id".to_owned(),
            "it answered without a message id".to_owned(),
            "it answered with status 400 Bad Request: QueueDoesNotExist: The specified queue does not exist."
                .to_owned(),
            "it answered with status 204 No Content: ".to_owned(),
        ]
    );
}

#[tokio::test]
async fn a_topic_has_a_record_when_it_answers_with_a_message_id() {
    let taken =
        "<PublishResponse><PublishResult><MessageId>m-1</MessageId></PublishResult></PublishResponse>";
    let error = "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>Topic does not exist</Message></Error></ErrorResponse>";
    let acts = [
        answer("200 OK", &[], taken),
        answer("200 OK", &[], "<PublishResponse><MessageId></MessageId></PublishResponse>"),
        answer("404 Not Found", &[], error),
        answer("503 Service Unavailable", &[], "busy"),
    ];
    let server = Server::start(acts.map(Act::Answer)).await;
    let topic = topic(&server.address.to_string()).await;
    assert_eq!(deliver(&topic, "{\"a\": \"é&=\"}").await, Ok(()));
    let seen = server.seen().remove(0);
    assert!(header(&seen, "authorization").contains("/us-east-2/sns/aws4_request"));
    assert_eq!(
        String::from_utf8(seen.body.clone()).unwrap(),
        "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aus-east-2%3A123456789012%3Adead&\
         Message=%7B%22a%22%3A%20%22%C3%A9%26%3D%22%7D"
    );
    for expected in [
        "it answered without a message id",
        "it answered with status 404 Not Found: NotFound: Topic does not exist",
        "it answered with status 503 Service Unavailable: busy",
    ] {
        let error = deliver(&topic, "{}").await.unwrap_err();
        assert!(error.starts_with("FB-0364 ") && error.ends_with(expected), "{error}");
    }
}

#[tokio::test]
async fn a_record_that_is_too_long_goes_without_its_payload_and_one_that_still_is_goes_nowhere() {
    let taken = "<MessageId>m-1</MessageId>";
    let server = Server::start([Act::Answer(answer("200 OK", &[], taken))]).await;
    let topic = topic(&server.address.to_string()).await;
    let with_payload =
        format!("{{\"version\":\"1.0\",\"payload\":\"{}\"}}", "x".repeat(sns::MESSAGE_BYTES_MAX));
    assert_eq!(deliver(&topic, &with_payload).await, Ok(()));
    assert!(server.seen()[0].body.ends_with(b"&Message=%7B%22version%22%3A%221.0%22%7D"));
    let without = format!("{{\"a\":\"{}\"}}", "x".repeat(sqs::MESSAGE_BYTES_MAX));
    for destination in [&topic as &dyn Destination, &queue(&server.address.to_string()).await] {
        assert!(deliver(destination, &without).await.unwrap_err().contains("without its payload"));
    }
    assert_eq!(server.counts().requests, 1);
}

#[tokio::test]
async fn a_bus_gets_a_record_as_the_detail_of_one_event() {
    let server = Server::start(answers(&[("200 OK", BUS_SEEN), ("200 OK", EVENT_TAKEN)])).await;
    let bus = bus_of_arn(&server.address.to_string()).await;
    assert_eq!(deliver(&bus, "{\"a\":\"é\\n\"}").await, Ok(()));
    assert_eq!(deliver(&bus, "{}").await, Ok(()), "a bus that was seen is not looked at again at once");
    let seen = server.seen();
    let detail_type = "Lambda Function Invocation Result - Failure";
    let entry = |detail: &str| {
        format!(
            r#"{{"Entries":[{{"Time":1700000000,"Source":"forebay","DetailType":"{detail_type}","Detail":"{detail}","EventBusName":"{BUS}"}}]}}"#
        )
    };
    let sent: Vec<_> = seen
        .iter()
        .map(|it| (header(it, "x-amz-target"), String::from_utf8(it.body.clone()).unwrap()))
        .collect();
    let expected = [
        ("awsevents.describeeventbus", format!(r#"{{"Name":"{BUS}"}}"#)),
        ("awsevents.putevents", entry(r#"{\"a\":\"é\\n\"}"#)),
        ("awsevents.putevents", entry("{}")),
    ];
    assert_eq!(sent, expected);
    for it in &seen {
        assert!(it.head.starts_with("post / http/1.1\r\n"), "{}", it.head);
        assert_eq!(header(it, "content-type"), "application/x-amz-json-1.1");
        assert!(header(it, "authorization").contains("/us-east-2/events/aws4_request"));
    }
}

#[tokio::test]
async fn a_bus_has_a_record_only_when_it_says_that_no_entry_failed() {
    let failed = |code: &str| {
        format!(r#"{{"FailedEntryCount":1,"Entries":[{{"ErrorCode":"{code}","ErrorMessage":"because"}}]}}"#)
    };
    let (throttled, malformed) = (failed("ThrottlingException"), failed("MalformedDetail"));
    let server = Server::start(answers(&[
        ("200 OK", BUS_SEEN),
        ("200 OK", &throttled),
        ("200 OK", &malformed),
        ("200 OK", r#"{"FailedEntryCount":1,"Entries":[{"EventId":"e-1"}]}"#),
        ("200 OK", r#"{"FailedEntryCount":0,"Entries":[]}"#),
        ("200 OK", "{}"),
        (
            "400 Bad Request",
            r#"{"__type":"com.amazonaws.events#ThrottlingException","message":"Rate exceeded"}"#,
        ),
        ("503 Service Unavailable", "busy"),
        ("200 OK", EVENT_TAKEN),
    ]))
    .await;
    let bus = bus_of_arn(&server.address.to_string()).await;
    for expected in [
        "the event was refused: ThrottlingException: because",
        "the event was refused: MalformedDetail: because",
        "it answered without the id of an event",
        "it answered without the id of an event",
        "it answered without the id of an event",
        "the event could not be put: it answered with status 400 Bad Request: ThrottlingException: Rate exceeded",
        "the event could not be put: it answered with status 503 Service Unavailable: busy",
    ] {
        let error = deliver(&bus, "{}").await.unwrap_err();
        assert_eq!(
            error,
            format!("FB-0370 destination event bus {BUS} did not take a failure record: {expected}")
        );
    }
    assert_eq!(deliver(&bus, "{}").await, Ok(()), "what was throttled is taken when it is offered again");
}

#[tokio::test]
async fn a_bus_that_is_not_there_gets_no_event_which_would_be_dropped() {
    let missing = r#"{"__type":"ResourceNotFoundException","message":"Event bus dead does not exist."}"#;
    let denied = r#"{"__type":"AccessDeniedException","Message":"events:DescribeEventBus"}"#;
    let (not_found, not_allowed) = (("400 Bad Request", missing), ("400 Bad Request", denied));
    let elsewhere = r#"{"Arn":"arn:aws:events:us-east-2:210987654321:event-bus/dead"}"#;
    let refused = "the bus could not be looked at: it answered with status 400 Bad Request: ";
    let cases = [
        // By its name alone.
        (vec![not_found], format!("{refused}ResourceNotFoundException: Event bus dead does not exist."), 1),
        // By its ARN, which a server may not know.
        (vec![not_allowed], format!("{refused}AccessDeniedException: events:DescribeEventBus"), 1),
        (vec![not_found, not_found], format!("{refused}ResourceNotFoundException: Event bus dead does not exist."), 2),
        (
            vec![not_found, ("200 OK", elsewhere)],
            "the bus was looked at, and the answer names arn:aws:events:us-east-2:210987654321:event-bus/dead as its ARN".to_owned(),
            2,
        ),
        (vec![("200 OK", "{}")], "the bus could not be looked at: it answered without an ARN".to_owned(), 1),
    ];
    for (n, (acts, expected, n_requests)) in cases.into_iter().enumerate() {
        let server = Server::start(answers(&acts)).await;
        let address = server.address.to_string();
        let bus = match n {
            0 => bus(&address, BusName::Bare("dead".to_owned())).await,
            _ => bus_of_arn(&address).await,
        };
        let error = deliver(&bus, "{}").await.unwrap_err();
        assert!(error.starts_with("FB-0370 ") && error.ends_with(&expected), "{error}");
        assert_eq!(server.counts().requests, n_requests, "{expected}");
    }
    // By its name, where its ARN is not known.
    let acts = [not_found, ("200 OK", BUS_SEEN), ("200 OK", EVENT_TAKEN)];
    let server = Server::start(answers(&acts)).await;
    let bus = bus_of_arn(&server.address.to_string()).await;
    assert_eq!(deliver(&bus, "{}").await, Ok(()));
    assert_eq!(server.seen()[1].body, br#"{"Name":"dead"}"#);
}

#[tokio::test]
async fn a_bus_that_was_deleted_is_missed_a_moment_later() {
    let missing = r#"{"__type":"ResourceNotFoundException","message":"gone"}"#;
    let acts = [("200 OK", BUS_SEEN), ("200 OK", EVENT_TAKEN), ("400 Bad Request", missing)];
    let server = Server::start(answers(&acts)).await;
    let bus = bus(&server.address.to_string(), BusName::Bare("dead".to_owned())).await;
    assert_eq!(deliver(&bus, "{}").await, Ok(()));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    let error = deliver(&bus, "{}").await.unwrap_err();
    let expected = "the bus could not be looked at: it answered with status 400 Bad Request: ResourceNotFoundException: gone";
    assert!(error.ends_with(expected), "{error}");
}

#[tokio::test]
async fn an_event_counts_its_time_source_and_type_and_one_that_is_too_long_goes_without_its_payload() {
    let server = Server::start(answers(&[("200 OK", BUS_SEEN), ("200 OK", EVENT_TAKEN)])).await;
    let bus = bus_of_arn(&server.address.to_string()).await;
    let n_bytes_max =
        256 * 1024 - 1 - 14 - "forebay".len() - "Lambda Function Invocation Result - Failure".len();
    assert_eq!(event_bus::ENTRY_BYTES_MAX, 262_143);
    let of =
        |key: &str, n: usize| format!("{{\"{key}\":\"{}\"}}", "x".repeat(n - "{\"payload\":\"\"}".len()));
    assert_eq!(deliver(&bus, &of("payload", n_bytes_max)).await, Ok(()));
    assert_eq!(deliver(&bus, &of("payload", n_bytes_max + 1)).await, Ok(()));
    let seen = server.seen();
    let detail = |n: usize| {
        let body: serde_json::Value = serde_json::from_slice(&seen[n].body).unwrap();
        body["Entries"][0]["Detail"].as_str().unwrap().to_owned()
    };
    assert_eq!((detail(1).len(), detail(2)), (n_bytes_max, "{}".to_owned()));
    let error = deliver(&bus, &of("another", n_bytes_max + 1)).await.unwrap_err();
    let n_bytes = n_bytes_max + 1;
    let expected =
        format!("the failure record has {n_bytes} bytes without its payload; {n_bytes_max} is the most");
    assert!(error.ends_with(&expected), "{error}");
    assert_eq!(server.counts().requests, 3, "what is too long is not sent");
}
