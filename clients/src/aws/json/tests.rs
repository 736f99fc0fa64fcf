//! Calls against a server that answers by a script: what is sent, what is tried again, what is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use forebay_config::{AwsSettings, aws_service};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::aws::{Aws, AwsTarget};
use crate::http::HttpClients;

static QUEUES: AwsService = aws_service!("queues", "QUEUES", "Queues in JSON");
static DIALECT: JsonDialect =
    JsonDialect { service: &QUEUES, content_type: "application/x-amz-json-1.0", has_query_codes: true };
/// So that no test waits.
const AT_ONCE: &str = "x-amz-retry-after: 0\r\n";

/// Answers each request with the next answer, the last one for ever; an empty one closes the connection.
struct Script {
    client: JsonClient,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Script {
    async fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serve(stream, &answers, &seen).await;
            }
        });
        let settings = AwsSettings { endpoint: Some(endpoint), ..AwsSettings::default() };
        let variable = |name: &str| (name == "AWS_REGION").then(|| "r".to_owned());
        let target =
            AwsTarget { service: &QUEUES, own: &settings, region: None, account: None, endpoint: None };
        let mut access =
            Aws::new(&AwsSettings::default(), variable).prepare(target, &HttpClients::new()).await.unwrap();
        let key = Credentials::new("AKID", "secret", Some("token".into()), None, "test");
        access.credentials = KeptCredentials::new(key, "the test".to_owned());
        Self { client: JsonClient::new(access, DIALECT).unwrap(), requests }
    }

    async fn call(&self, tries: u32) -> Result<Bytes, CallFailure> {
        let limits = Limits { time: Duration::from_secs(20), answer_bytes: 1_000 };
        let body = Bytes::from_static(b"{\"a\":1}");
        self.client.call(JsonCall { target: "Queues.Ask", body, limits, tries }).await
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, answers: &[String], seen: &Mutex<Vec<String>>) {
    while let Some(request) = read(&mut stream).await {
        let answer = {
            let mut seen = seen.lock().unwrap();
            seen.push(request);
            answers[(seen.len() - 1).min(answers.len() - 1)].clone()
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
        if answer.is_empty() || answer.contains("connection: close") {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n{\"a\":1}") {
        if stream.read_buf(&mut text).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    String::from_utf8(text).ok()
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// What a call with three tries gives when each has this answer, and how many were sent.
async fn outcome(answer: String) -> (Result<Bytes, CallFailure>, usize) {
    let script = Script::start(vec![answer]).await;
    let result = script.call(3).await;
    (result, script.requests().len())
}

fn answered(code: &str, text: &str) -> Result<Bytes, CallFailure> {
    Err(CallFailure::Answered(code.to_owned(), format!("{code}: {text}")))
}

#[tokio::test]
async fn a_call_is_a_signed_post_with_the_operation_in_a_header() {
    let script = Script::start(vec![answer("200 OK", "", "{\"b\":2}")]).await;
    assert_eq!(script.call(3).await.unwrap(), "{\"b\":2}");
    let request = script.requests().remove(0);
    let host = script.client.host.to_str().unwrap();
    for line in [
        "POST / HTTP/1.1",
        &format!("host: {host}"),
        "content-type: application/x-amz-json-1.0",
        "x-amz-target: Queues.Ask",
        "x-amzn-query-mode: true",
        "x-amz-security-token: token",
        "accept-encoding: identity",
        "content-length: 7",
    ] {
        assert!(request.lines().any(|it| it.eq_ignore_ascii_case(line)), "{line} in {request}");
    }
    assert!(request.contains("AWS4-HMAC-SHA256 Credential=AKID/"), "{request}");
    assert!(!request.contains("secret"), "{request}");
    let names =
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target;x-amzn-query-mode";
    assert!(request.contains(names), "{request}");
}

#[tokio::test]
async fn a_body_in_chunks_is_a_body() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{\"b\r\n4\r\n\":2}\r\n0\r\n\r\n";
    assert_eq!(outcome(chunked.to_owned()).await, (Ok(Bytes::from_static(b"{\"b\":2}")), 1));
}

#[tokio::test]
async fn an_error_has_its_code_wherever_it_stands() {
    let refused = |headers: &str, body: &str| outcome(answer("400 Bad Request", headers, body));
    let body = r#"{"__type":"com.amazonaws.queues#NoQueue","message":"gone"}"#;
    assert_eq!(refused("", body).await, (answered("NoQueue", "gone"), 1));
    let query = "x-amzn-query-error: Queues.NonExistent;Sender\r\n";
    assert_eq!(refused(query, body).await, (answered("Queues.NonExistent", "gone"), 1));
    assert_eq!(
        refused("", r#"{"code":"Code","__type":"Type","Message":"x"}"#).await,
        (answered("Code", "x"), 1)
    );
    let kind = "x-amzn-errortype: Denied:http://h/\r\n";
    assert_eq!(refused(kind, "").await, (answered("Denied", "no message"), 1));
    assert_eq!(
        refused(kind, r#"{"message":3,"errorMessage":"y"}"#).await,
        (answered("Denied", "no message"), 1)
    );
}

#[tokio::test]
async fn what_is_no_answer_of_a_service_is_told_with_its_beginning() {
    let html = "<html>\u{1b}[31m".to_owned() + &"é".repeat(200);
    let (result, n) = outcome(answer("403 Forbidden", "", &html)).await;
    let Err(CallFailure::Unusable(text)) = result else { panic!("{result:?}") };
    assert!(
        text.starts_with("the answer is 403 Forbidden and no error of the service: \"<html>\\u{1b}[31mé"),
        "{text}"
    );
    assert!(text.chars().count() < 150, "{text}");
    assert_eq!(n, 1);
    for (answer, words) in [
        (answer("307 Temporary Redirect", "location: http://127.0.0.1:1/\r\n", ""), "307"),
        (answer("200 OK", "content-encoding: gzip\r\n", "\u{1f}"), "gzip"),
        (answer("200 OK", "", &"x".repeat(1_001)), "more than 1000 bytes"),
        (answer("400 Bad Request", "", "{}"), "without a code"),
    ] {
        let (result, n) = outcome(answer).await;
        assert!(matches!(&result, Err(CallFailure::Unusable(text)) if text.contains(words)), "{result:?}");
        assert_eq!(n, 1, "{words}");
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let throttled = answer("400 Bad Request", AT_ONCE, r#"{"__type":"ThrottlingException"}"#);
    assert_eq!(outcome(throttled.clone()).await, (answered("ThrottlingException", "no message"), 3));
    for status in ["500 x", "502 x", "503 x", "504 x"] {
        let (result, n) = outcome(answer(status, AT_ONCE, "<html>")).await;
        assert!(matches!(result, Err(CallFailure::Unusable(_))), "{result:?}");
        assert_eq!(n, 3, "{status}");
    }
    let script = Script::start(vec![throttled.clone(), throttled, answer("200 OK", "", "{}")]).await;
    assert_eq!(script.call(3).await.unwrap(), "{}");
    assert!(script.call(1).await.is_ok());
    assert_eq!(script.requests().len(), 4);
}

#[tokio::test]
async fn an_answer_that_does_not_come_or_breaks_off_is_tried_again() {
    let cut = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\n{\"b";
    for lost in [String::new(), cut.to_owned()] {
        let script = Script::start(vec![lost.clone(), answer("200 OK", "", "{}")]).await;
        assert_eq!(script.call(3).await.unwrap(), "{}");
        assert_eq!(script.requests().len(), 2);
        let script = Script::start(vec![lost]).await;
        let result = script.call(1).await;
        assert!(matches!(result, Err(CallFailure::Unreachable(_))), "{result:?}");
        assert_eq!(script.requests().len(), 1, "a call with one try is never sent twice");
    }
}

#[tokio::test]
async fn a_clock_that_is_off_is_corrected_by_the_answer_that_refuses_its_signature() {
    let refused = r#"{"__type":"InvalidSignatureException","message":"Signature expired"}"#;
    let date = |seconds: i64| {
        let then = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        format!("date: {}\r\n", then.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    };
    let answers = |seconds| {
        vec![
            answer("400 Bad Request", &(date(seconds) + AT_ONCE), refused),
            answer("200 OK", &date(seconds), "{}"),
        ]
    };
    let script = Script::start(answers(3_600)).await;
    assert_eq!(script.call(3).await.unwrap(), "{}");
    let signed: Vec<_> = script.requests().iter().map(|it| time_of(it)).collect();
    let apart = signed[1].duration_since(signed[0]).as_secs();
    assert!((3_590..=3_610).contains(&apart), "{signed:?}");
    script.call(1).await.unwrap();
    assert!(time_of(&script.requests()[2]) >= signed[1], "what was learned lasts");
    // At its first call as well, and where every call is tried once.
    let script = Script::start(answers(3_600)).await;
    assert_eq!(script.call(1).await.unwrap(), "{}");
    assert_eq!(script.requests().len(), 2);
    let still_refused = answers(3_600).remove(0);
    let script = Script::start(vec![still_refused]).await;
    assert_eq!(script.call(1).await, answered("InvalidSignatureException", "Signature expired"));
    assert_eq!(script.requests().len(), 2, "once, and not for ever");
    assert_eq!(script.call(1).await, answered("InvalidSignatureException", "Signature expired"));
    assert_eq!(script.requests().len(), 3, "what was signed with that time is refused for something else");
    let script = Script::start(answers(200)).await;
    assert_eq!(script.call(3).await, answered("InvalidSignatureException", "Signature expired"));
    assert_eq!(script.requests().len(), 1, "so little is no clock that is off");
}

fn time_of(request: &str) -> jiff::Timestamp {
    let value = request.lines().find_map(|it| it.strip_prefix("x-amz-date: ")).unwrap();
    let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", value).unwrap();
    jiff::tz::Offset::UTC.to_timestamp(civil).unwrap()
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_after_the_time_of_a_try() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut script = Script::start(vec![String::new()]).await;
    script.client.url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let limits = Limits { time: Duration::from_millis(50), answer_bytes: 1_000 };
    let call = JsonCall { target: "Queues.Ask", body: Bytes::from_static(b"{}"), limits, tries: 1 };
    let result = script.client.call(call).await;
    assert!(matches!(result, Err(CallFailure::Unreachable(_))), "{result:?}");
}

#[derive(Debug)]
struct Nobody;

impl ProvideCredentials for Nobody {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("nobody has some")))
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    let mut script = Script::start(vec![answer("200 OK", "", "{}")]).await;
    script.client.credentials = KeptCredentials::new(Nobody, "nobody".to_owned());
    let result = script.call(3).await;
    assert!(
        matches!(&result, Err(CallFailure::NoCredentials(text)) if text.contains("nobody")),
        "{result:?}"
    );
    assert_eq!(script.requests().len(), 0);
    let odd = Credentials::new("a\nb", "secret", None, None, "test");
    script.client.credentials = KeptCredentials::new(odd, "the test".to_owned());
    assert!(matches!(script.call(3).await, Err(CallFailure::NoCredentials(_))));
}
