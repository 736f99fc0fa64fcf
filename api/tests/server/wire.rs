//! A front on a socket, and requests in bytes.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use forebay_api::auth::{Key, Keys, Role, Rules, SecretString, Verifier};
use forebay_api::server::{
    Access, CallerRate, Front, Guard, Hosts, Listener, PassOn, Policy, Server, Tls, Token, Via,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::service::Fake;
use crate::signed::{self, Request};

/// Longer than anything here takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);
/// The canaries of the tests: none of them is ever shown.
pub(crate) const SECRET: &str = signed::SECRET;
pub(crate) const TOKEN: &str = "fbt_canary-0123456789abcdef0123456789abcdef";

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) guard: Guard,
    pub(crate) front: Front,
    pub(crate) service: Arc<Fake>,
    pub(crate) server: Server,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|it| it.split_once(": "));
        lines.filter(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub(crate) fn error_type(&self) -> &str {
        self.header("x-amzn-errortype").unwrap_or("-")
    }

    pub(crate) fn message(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let message = body.get("message").or_else(|| body.get("Message"));
        message.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Status and type of an error of AWS's shape.
    pub(crate) fn refusal(&self) -> (u16, String) {
        assert!(!self.message().is_empty(), "no message in {self:?}");
        assert!(self.header("x-amzn-requestid").is_some(), "no request id in {self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        (self.status, self.error_type().to_owned())
    }
}

pub(crate) fn policy(access: Access) -> Policy {
    Policy {
        account: "000000000000".to_owned(),
        access,
        hosts: Hosts::new(vec!["lambda.example.com".to_owned()]),
        rate: rate(1_000, 1_000),
    }
}

pub(crate) fn rate(requests_per_second: u32, requests_burst: u32) -> CallerRate {
    let number = |it| NonZeroU32::new(it).unwrap();
    CallerRate { requests_per_second: number(requests_per_second), requests_burst: number(requests_burst) }
}

/// AWS's key as operator, `READER` and `ADMIN` with the same secret, and a token of a reader.
pub(crate) fn keyed() -> Access {
    let mut keys = Keys::default();
    for (id, role) in [(signed::KEY_ID, Role::Operator), ("READER", Role::Reader), ("ADMIN", Role::Admin)] {
        keys.insert(
            id.to_owned(),
            Key { role, secret: SecretString::from(SECRET.to_owned()), session_token: None },
        );
    }
    let token = Token { name: "curl".to_owned(), role: Role::Reader, sha256: Sha256::digest(TOKEN).into() };
    Access::Keys { verifier: Verifier::new(Rules::lambda("eu-west-1"), keys), tokens: vec![token] }
}

impl World {
    pub(crate) async fn open() -> Self {
        Self::start(Access::Open, PassOn::new(None), Router::new()).await
    }

    pub(crate) async fn keyed() -> Self {
        Self::start(keyed(), PassOn::new(None), Router::new()).await
    }

    pub(crate) async fn start(access: Access, pass_on: PassOn, own: Router) -> Self {
        Self::start_with(Guard::new(policy(access)), pass_on, own).await
    }

    pub(crate) async fn start_with(guard: Guard, pass_on: PassOn, own: Router) -> Self {
        let service = Fake::new();
        let front = Front::new(guard.clone(), Arc::clone(&service) as _, pass_on);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Listener::Tcp(listener, Tls::default()).serve(Via::Api, front.router(own));
        Self { address, guard, front, service, server }
    }

    /// One request in bytes; the connection is closed after it.
    pub(crate) async fn raw(&self, request: &[u8]) -> Answer {
        let connection = TcpStream::connect(self.address).await.unwrap();
        exchange(connection, request).await
    }

    /// The same when the server may also close without a word, as it does with what is not HTTP at all.
    pub(crate) async fn raw_status(&self, request: &[u8]) -> Option<u16> {
        let connection = TcpStream::connect(self.address).await.unwrap();
        let answer = exchange_bytes(connection, request).await;
        (!answer.is_empty()).then(|| parse(&answer).status)
    }

    pub(crate) async fn send(&self, request: &Request) -> Answer {
        self.raw(&bytes_of(request)).await
    }

    pub(crate) async fn call(&self, method: &str, target: &str, body: &str) -> Answer {
        self.send(&Request::new(method, target, body)).await
    }

    /// What must still work whatever came before.
    pub(crate) async fn works(&self) {
        let answer = self.call("GET", crate::service::PATH, "").await;
        assert!(answer.status == 200 || answer.status == 403, "{answer:?}");
    }
}

/// As a client writes it, with a length where it has a body or could have one.
pub(crate) fn bytes_of(request: &Request) -> Vec<u8> {
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    let query = request.query.as_deref().map(|it| format!("?{}", text(it))).unwrap_or_default();
    let mut bytes =
        format!("{} {}{query} HTTP/1.1\r\n", text(&request.method), text(&request.path)).into_bytes();
    for (name, value) in &request.headers {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
    let has_length = request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    if !has_length {
        bytes.extend_from_slice(format!("content-length: {}\r\n", request.body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"connection: close\r\n\r\n");
    bytes.extend_from_slice(&request.body);
    bytes
}

/// As [`exchange_bytes`], taken apart.
pub(crate) async fn exchange(
    connection: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    request: &[u8],
) -> Answer {
    parse(&exchange_bytes(connection, request).await)
}

/// Writes a request and reads until the other end closes. That it closes before all was written is no
/// failure: it has heard enough.
async fn exchange_bytes(
    connection: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    request: &[u8],
) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(connection);
    let write = async {
        let _ = writer.write_all(request).await;
        let _ = writer.flush().await;
    };
    let read = async {
        let mut answer = Vec::new();
        let mut piece = vec![0; 65536];
        while let Ok(n) = reader.read(&mut piece).await {
            if n == 0 {
                break;
            }
            answer.extend_from_slice(&piece[..n]);
        }
        answer
    };
    let ((), answer) = timeout(LONG, async { tokio::join!(write, read) }).await.expect("an answer in time");
    answer
}

pub(crate) fn parse(answer: &[u8]) -> Answer {
    let end = answer
        .windows(4)
        .position(|it| it == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {}", String::from_utf8_lossy(answer)));
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status =
        head.get(9..12).and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("no status: {head}"));
    Answer { status, head, body: answer[end + 4..].to_vec() }
}

/// Signs for now.
pub(crate) fn sign(request: &Request) -> Request {
    signed::sign(request, "eu-west-1", None, false, SystemTime::now())
}

/// The same with another of the keys, which have one secret: the id is not part of what is signed.
pub(crate) fn sign_as(id: &str, request: &Request) -> Request {
    let mut request = sign(request);
    let (_, value) = request.headers.iter_mut().find(|(name, _)| name == "authorization").unwrap();
    *value = String::from_utf8(value.clone()).unwrap().replace(signed::KEY_ID, id).into_bytes();
    request
}

pub(crate) fn create_body(function: &str) -> String {
    format!("{{\"FunctionName\":\"{function}\",\"EventSourceArn\":\"arn:aws:sqs:eu-west-1:123456789012:q\"}}")
}
