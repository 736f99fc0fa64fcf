//! The HTTP executor and destination against a server on loopback that behaves in every way a server can:
//! each row of the executor's table.
#![allow(clippy::unwrap_used)] // a test

mod server;

use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{Failure, NotReached, Outcome, Reply, Slice, UnixMillis};
use forebay_clients::HttpClients;
use forebay_config::function::HttpSettings;
use forebay_config::{ExecutorSettings, Function, FunctionName};
use forebay_invoker::destinations::HttpDestination;
use forebay_invoker::executors::http::{ANSWER_BYTES_MAX, HttpExecutor};
use forebay_invoker::outcome::{chain, outcome_of};
use forebay_invoker::{Destination, Event, Executor, FailureRecord, InvokeError};
use server::{Act, Server, answer, hand_off};

const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:resize";

fn settings(url: &str) -> HttpSettings {
    HttpSettings {
        url: url.to_owned(),
        headers: [("X-Api-Key".to_owned(), "s3cret".to_owned())].into(),
        ca_file: None,
    }
}

fn executor(url: &str, timeout_ms: u64) -> HttpExecutor {
    let settings = settings(url);
    let function = Function {
        name: FunctionName::parse("resize").unwrap(),
        executor: ExecutorSettings::Http(settings.clone()),
        timeout: Duration::from_millis(timeout_ms),
        concurrency: None,
        rate: None,
    };
    HttpExecutor::new(&function, &settings, ARN.to_owned(), &HttpClients::new()).unwrap()
}

fn event(text: &str) -> Event {
    Event::from(vec![Bytes::copy_from_slice(text.as_bytes())])
}

async fn invoke_once(act: Act) -> (Result<Reply, InvokeError>, Server) {
    let server = Server::start([act]).await;
    let result = executor(&server.url(), 10_000).invoke(event("{}")).await;
    (result, server)
}

#[track_caller]
fn not_reached(result: Result<Reply, InvokeError>) -> (NotReached, Option<u64>) {
    match result {
        Err(InvokeError::NotReached { why, retry_after, .. }) => {
            (why, retry_after.map(|after| after.as_secs()))
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn function_error(result: Result<Reply, InvokeError>) -> String {
    let reply = result.unwrap();
    assert_eq!(reply.function_error.as_deref(), Some("Unhandled"), "{reply:?}");
    reply.error.unwrap()
}

#[track_caller]
fn unknown(result: Result<Reply, InvokeError>) -> String {
    match result {
        Err(error @ InvokeError::Unknown { .. }) => chain(&error),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_event_is_posted_piece_by_piece_with_the_facts_of_its_invocation() {
    let server =
        Server::start([Act::Answer(answer("200 OK", &["X-Amz-Executed-Version: 7"], "{\"a\":1}"))]).await;
    let event = Event {
        pieces: ["{\"Records\":[", "1", "", ",2", "]}"]
            .map(|piece| Bytes::from_static(piece.as_bytes()))
            .into(),
        hand_off: None,
    };
    let reply = executor(&server.url(), 3_000).invoke(event).await.unwrap();
    let seen = server.seen().remove(0);
    assert_eq!(seen.body, b"{\"Records\":[1,2]}");
    let header = |name: &str| {
        seen.head
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_else(|| panic!("{name}: {}", seen.head))
    };
    assert!(seen.head.starts_with("post /run?key=secret http/1.1\r\n"), "{}", seen.head);
    assert_eq!(header("content-type: "), "application/json");
    assert_eq!(header("content-length: "), "17");
    assert_eq!(header("accept-encoding: "), "identity");
    assert_eq!(header("x-api-key: "), "s3cret");
    assert_eq!(header("lambda-runtime-invoked-function-arn: "), ARN);
    assert_eq!(header("lambda-runtime-aws-request-id: "), reply.request_id);
    let deadline = header("lambda-runtime-deadline-ms: ").parse::<i64>().unwrap()
        - jiff::Timestamp::now().as_millisecond();
    assert!((0..=3_000).contains(&deadline), "{deadline}");
    assert_eq!(reply.status, Some(200));
    assert_eq!(
        (reply.executed_version.as_deref(), reply.function_error, reply.payload),
        (Some("7"), None, Some("{\"a\":1}".into()))
    );
}

#[tokio::test]
async fn the_headers_say_where_the_batch_lies_whatever_its_track_is_called() {
    let server = Server::start([Act::Answer(answer("200 OK", &[], "{}"))]).await;
    let event = Event { hand_off: Some(hand_off("logs/ä b.log")), ..event("{}") };
    executor(&server.url(), 3_000).invoke(event).await.unwrap();
    let head = server.seen().remove(0).head;
    for line in [
        "forebay-mapping: orders\r\n",
        "forebay-track: logs/%c3%a4%20b.log\r\n",
        "forebay-lane: 0/4\r\n",
        "forebay-first-position: 0000000000000007\r\n",
        "forebay-last-position: 0000000000000009\r\n",
        "idempotency-key: ",
    ] {
        assert!(head.contains(line), "{line:?} in {head}");
    }
}

#[tokio::test]
async fn a_connection_is_kept_and_used_again() {
    let server = Server::start([Act::Answer(answer("200 OK", &[], "{}"))]).await;
    let executor = executor(&server.url(), 10_000);
    for n in 0..50 {
        executor.invoke(event(&n.to_string())).await.unwrap();
    }
    assert_eq!((server.counts().connections, server.counts().requests), (1, 50));
}

#[tokio::test]
async fn an_answer_without_a_body_is_a_success() {
    for bytes in ["HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"] {
        let reply = invoke_once(Act::Answer(bytes.into())).await.0.unwrap();
        assert_eq!((reply.function_error, reply.payload), (None, Some(Bytes::new())));
    }
}

/// RFC 9112, 6.3: such a body is over when the connection is, and so is that of a server that died behind the
/// head.
#[tokio::test]
async fn an_answer_of_which_only_the_head_came_is_none() {
    let error = invoke_once(Act::AnswerAndClose("HTTP/1.1 200 OK\r\nserver: x\r\n\r\n".into())).await.0;
    assert!(unknown(error).contains("the connection ended behind the head of the answer"));
    for head in
        ["HTTP/1.0 200 OK\r\n", "HTTP/1.1 200 OK\r\nconnection: close\r\n", "HTTP/1.1 204 No Content\r\n"]
    {
        let reply = invoke_once(Act::AnswerAndClose(format!("{head}\r\n").into())).await.0.unwrap();
        assert_eq!((reply.function_error, reply.payload), (None, Some(Bytes::new())), "{head}");
    }
}

#[tokio::test]
async fn a_compressed_answer_is_named_as_such() {
    // What gzip makes of `{"batchItemFailures":[]}`.
    let mut bytes = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\n".to_vec();
    bytes.extend(b"\x1f\x8b\x08\x00\xff");
    let result = invoke_once(Act::Answer(bytes)).await.0;
    let outcome = outcome_of(
        result,
        forebay_batcher::response::ResponseTypes::ItemFailures,
        &Slice::new(Vec::new()),
        &|_| None,
    );
    let Outcome::Failed { how: Failure::InvalidResponse, reply } = outcome else { panic!("{outcome:?}") };
    assert!(reply.error.unwrap().starts_with("the answer is compressed (Content-Encoding: gzip)"));
    let mut bytes = b"HTTP/1.1 500 Oh\r\ncontent-encoding: br\r\ncontent-length: 1\r\n\r\n".to_vec();
    bytes.push(0xff);
    assert!(
        function_error(invoke_once(Act::Answer(bytes)).await.0)
            .starts_with("the answer is compressed (Content-Encoding: br)")
    );
}

#[tokio::test]
async fn an_interim_100_continue_is_passed_over() {
    let mut bytes = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
    bytes.extend(answer("200 OK", &[], "{}"));
    assert_eq!(invoke_once(Act::Answer(bytes)).await.0.unwrap().status, Some(200));
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_not_reached() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(not_reached(executor(&url, 10_000).invoke(event("{}")).await), (NotReached::Platform, None));
}

#[tokio::test]
async fn a_name_that_cannot_be_looked_up_is_not_reached() {
    let url = format!("http://{}.invalid/", "a".repeat(64));
    assert_eq!(not_reached(executor(&url, 10_000).invoke(event("{}")).await), (NotReached::Platform, None));
}

#[tokio::test]
async fn a_name_that_is_a_metadata_address_in_disguise_is_not_reached() {
    let error = executor("http://2852039166/latest/meta-data", 10_000).invoke(event("{}")).await.unwrap_err();
    assert!(matches!(error, InvokeError::NotReached { why: NotReached::Platform, .. }));
    assert!(chain(&error).contains("169.254.169.254, which nothing is ever sent to"), "{}", chain(&error));
}

#[tokio::test]
async fn a_connection_that_never_comes_about_is_not_reached() {
    // The queue of a listener that never accepts: once it is full, further connections wait.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address)).await
    {
        waiting.push(stream);
    }
    let error = executor(&format!("http://{address}/"), 100).invoke(event("{}")).await.unwrap_err();
    assert!(chain(&error).contains("no connection within 100ms"), "{}", chain(&error));
    assert_eq!(not_reached(Err(error)), (NotReached::Platform, None));
}

#[tokio::test]
async fn a_kept_connection_that_its_server_closed_is_replaced_without_a_trace() {
    let ok = answer("200 OK", &[], "{}");
    let server = Server::start([Act::AnswerAndClose(ok.clone()), Act::Answer(ok)]).await;
    let executor = executor(&server.url(), 10_000);
    executor.invoke(event("1")).await.unwrap();
    server.until(|counts| counts.closed == 1).await;
    executor.invoke(event("2")).await.unwrap();
    let bodies: Vec<_> = server.seen().into_iter().map(|seen| (seen.body, seen.connection)).collect();
    assert_eq!(bodies, [(b"1".to_vec(), 0), (b"2".to_vec(), 1)]);
}

#[tokio::test]
async fn a_request_that_a_kept_connection_has_taken_is_never_sent_again() {
    let ok = answer("200 OK", &[], "{}");
    for act in [Act::Reset, Act::AnswerAndClose(Vec::new())] {
        let server = Server::start([Act::Answer(ok.clone()), act, Act::Answer(ok.clone())]).await;
        let executor = executor(&server.url(), 10_000);
        executor.invoke(event("1")).await.unwrap();
        unknown(executor.invoke(event("2")).await);
        executor.invoke(event("3")).await.unwrap();
        let bodies: Vec<_> = server.seen().into_iter().map(|seen| seen.body).collect();
        assert_eq!(bodies, [b"1", b"2", b"3"]);
    }
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_of_the_request_leaves_it_unknown() {
    let server = Server::start([Act::ResetAfter(1_000)]).await;
    let event = Event::from(vec![Bytes::from(vec![b'1'; 64 << 10]); 64]);
    unknown(executor(&server.url(), 10_000).invoke(event).await);
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_leaves_it_unknown() {
    unknown(invoke_once(Act::Reset).await.0);
    unknown(invoke_once(Act::AnswerAndClose(Vec::new())).await.0);
    unknown(invoke_once(Act::AnswerAndClose(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec())).await.0);
}

#[tokio::test]
async fn half_an_answer_leaves_it_unknown_unless_its_status_says_enough() {
    let half = |status: &str| {
        Act::AnswerAndClose(format!("HTTP/1.1 {status}\r\ncontent-length: 100\r\n\r\n{{\"batch").into_bytes())
    };
    assert!(unknown(invoke_once(half("200 OK")).await.0).contains("broke off"));
    assert_eq!(not_reached(invoke_once(half("503 Busy")).await.0), (NotReached::Platform, None));
    assert_eq!(function_error(invoke_once(half("500 Oops")).await.0), "status 500 Internal Server Error");
}

#[tokio::test]
async fn a_function_over_its_time_has_failed_and_its_connection_is_closed() {
    for act in [Act::Hang, Act::AnswerAndHang(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}".to_vec())] {
        let server = Server::start([act]).await;
        let reply = executor(&server.url(), 150).invoke(event("{}")).await;
        assert_eq!(function_error(reply), "Sandbox.Timedout: Task timed out after 0.15 seconds");
        server.until(|counts| counts.closed == 1).await;
        assert_eq!(server.counts().requests, 1);
    }
}

#[tokio::test]
async fn an_answer_may_be_as_long_as_lambdas_and_not_a_byte_longer() {
    let fits =
        invoke_once(Act::Answer(answer("200 OK", &[], &"1".repeat(ANSWER_BYTES_MAX)))).await.0.unwrap();
    assert_eq!(fits.payload.map(|payload| payload.len()), Some(ANSWER_BYTES_MAX));
    let over = invoke_once(Act::Answer(answer("200 OK", &[], &"1".repeat(ANSWER_BYTES_MAX + 1)))).await.0;
    assert!(function_error(over).starts_with("Function.ResponseSizeTooLarge"));
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(65_536)).into_bytes();
    for head in [
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 104857600\r\n\r\n",
    ] {
        let (result, server) = invoke_once(Act::AnswerForEver(head.into(), chunk.clone())).await;
        assert!(function_error(result).starts_with("Function.ResponseSizeTooLarge"));
        server.until(|counts| counts.closed == 1).await;
    }
}

#[tokio::test]
async fn answers_that_are_not_http_are_as_good_as_none() {
    let garbage: [&[u8]; 6] = [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"HTTP/1.1 999999 What\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    ];
    for bytes in garbage {
        unknown(invoke_once(Act::AnswerAndClose(bytes.to_vec())).await.0);
    }
    let endless_head = Act::AnswerForEver(
        b"HTTP/1.1 200 OK\r\n".to_vec(),
        b"x-filler: 0123456789012345678901234567890123456789\r\n".to_vec(),
    );
    unknown(invoke_once(endless_head).await.0);
}

#[tokio::test]
async fn a_redirect_is_never_followed() {
    let elsewhere = Server::start([Act::Answer(answer("200 OK", &[], "{}"))]).await;
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let location = format!("location: {}", elsewhere.url());
        let error = function_error(invoke_once(Act::Answer(answer(status, &[&location], ""))).await.0);
        assert_eq!(error, format!("status {status}"));
    }
    assert_eq!(elsewhere.counts().connections, 0);
}

#[tokio::test]
async fn an_event_that_is_refused_for_its_size_is_too_large() {
    let result = invoke_once(Act::Answer(answer("413 Payload Too Large", &[], "no"))).await.0;
    assert!(matches!(result, Err(InvokeError::TooLarge { .. })), "{result:?}");
}

#[tokio::test]
async fn an_answer_that_comes_before_the_event_was_sent_counts() {
    let server = Server::start([Act::AnswerEarly(
        1_000,
        answer("413 Payload Too Large", &["connection: close"], "no"),
    )])
    .await;
    let event = Event::from(vec![Bytes::from(vec![b'1'; 64 << 10]); 90]);
    let result = executor(&server.url(), 10_000).invoke(event).await;
    assert!(matches!(result, Err(InvokeError::TooLarge { .. })), "{result:?}");
}

#[tokio::test]
async fn what_the_platform_refuses_is_not_reached_and_its_retry_after_is_kept() {
    let platform = NotReached::Platform;
    for (status, headers, expected) in [
        ("429 Too Many Requests", &["Retry-After: 17"][..], (NotReached::Throttled, Some(17))),
        ("429 Too Many Requests", &[], (NotReached::Throttled, None)),
        ("503 Service Unavailable", &["retry-after: Mon, 01 Jan 2001 00:00:00 GMT"], (platform, Some(0))),
        ("503 Service Unavailable", &["retry-after: tomorrow"], (platform, None)),
        ("502 Bad Gateway", &[], (platform, None)),
        ("504 Gateway Timeout", &[], (platform, None)),
        ("408 Request Timeout", &[], (platform, None)),
        ("500 Internal Server Error", &["x-amzn-ErrorType: ServiceException"], (platform, None)),
        ("401 Unauthorized", &[], (NotReached::Config, None)),
        ("403 Forbidden", &[], (NotReached::Config, None)),
        ("404 Not Found", &["retry-after: 60"], (NotReached::Config, Some(60))),
        ("409 Conflict", &[], (NotReached::Config, None)),
        ("410 Gone", &[], (NotReached::Config, None)),
    ] {
        assert_eq!(
            not_reached(invoke_once(Act::Answer(answer(status, headers, "{}"))).await.0),
            expected,
            "{status}"
        );
    }
}

#[tokio::test]
async fn what_the_function_itself_answers_badly_is_its_error() {
    let body = r#"{"errorType":"ValueError","errorMessage":"bad record"}"#;
    for status in [
        "500 Internal Server Error",
        "400 Bad Request",
        "422 Unprocessable Entity",
        "418 I'm a teapot",
        "501 Not Implemented",
    ] {
        assert_eq!(
            function_error(invoke_once(Act::Answer(answer(status, &[], body))).await.0),
            "ValueError: bad record"
        );
    }
    let unhandled = Act::Answer(answer("200 OK", &["X-Amz-Function-Error: Unhandled"], body));
    let reply = invoke_once(unhandled).await.0.unwrap();
    assert_eq!(
        (reply.status, reply.error.as_deref(), reply.payload.as_deref()),
        (Some(200), Some("ValueError: bad record"), Some(body.as_bytes()))
    );
}

#[tokio::test]
async fn one_hostile_function_does_not_slow_another() {
    let (hanging, quick) =
        (Server::start([Act::Hang]).await, Server::start([Act::Answer(answer("200 OK", &[], "{}"))]).await);
    let (slow, fast) = (executor(&hanging.url(), 60_000), executor(&quick.url(), 10_000));
    let mut stuck = std::pin::pin!(slow.invoke(event("{}")));
    let work = async {
        for _ in 0..200 {
            fast.invoke(event("{}")).await.unwrap();
        }
    };
    tokio::select! {
        result = &mut stuck => panic!("{result:?}"),
        () = work => {}
    }
    assert_eq!(quick.counts().requests, 200);
}

async fn deliver(act: Act) -> Result<(), String> {
    let server = Server::start([act]).await;
    let destination = HttpDestination::new(&settings(&server.url()), &HttpClients::new()).unwrap();
    let record = FailureRecord {
        json: Bytes::from_static(b"{\"version\":\"1.0\"}"),
        original_key: None,
        headers: Vec::new(),
        shard: None,
        at: UnixMillis(0),
    };
    let result = destination.deliver(record).await.map_err(|error| chain(&error));
    assert!(
        server.seen().iter().all(|seen| seen.body == b"{\"version\":\"1.0\"}"
            && seen.head.contains("content-type: application/json"))
    );
    result.map_err(|error| error.replace(&server.address.to_string(), "HOST"))
}

#[tokio::test]
async fn a_destination_has_the_record_when_it_says_2xx_and_only_then() {
    for taken in [
        answer("200 OK", &[], "thanks"),
        b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        answer("202 Accepted", &[], &"x".repeat(1 << 20)),
    ] {
        assert_eq!(deliver(Act::Answer(taken)).await, Ok(()));
    }
    for refused in [
        "301 Moved Permanently",
        "400 Bad Request",
        "413 Payload Too Large",
        "429 Too Many Requests",
        "500 Internal Server Error",
    ] {
        let error =
            deliver(Act::Answer(answer(refused, &["location: http://127.0.0.1:1/"], ""))).await.unwrap_err();
        assert_eq!(
            error,
            format!(
                "destination http://HOST/run did not take a failure record: it answered with status {refused}"
            )
        );
    }
    for broken in
        [Act::Reset, Act::AnswerAndClose(Vec::new()), Act::AnswerAndClose(b"no http\r\n\r\n".to_vec())]
    {
        let error = deliver(broken).await.unwrap_err();
        assert!(
            error.starts_with("destination http://HOST/run did not take a failure record: no answer"),
            "{error}"
        );
    }
}
