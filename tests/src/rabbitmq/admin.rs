//! The management plugin: queues, users, virtual hosts, messages and what is known of connections.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{PASSWORD, USER};
use crate::wait;

/// Who manages a node.
#[derive(Debug, Clone)]
pub struct RabbitAdmin {
    address: String,
}

/// A message to be published.
#[derive(Debug, Clone, Default)]
pub struct RabbitMessage {
    /// Its body.
    pub body: Vec<u8>,
    /// Its properties, as the plugin names them: `message_id`, `headers` and so on.
    pub properties: Value,
}

impl RabbitMessage {
    /// A lasting message with a name.
    pub fn named(name: &str, body: &str) -> Self {
        let properties = json!({ "message_id": name, "delivery_mode": 2 });
        Self { body: body.as_bytes().to_vec(), properties }
    }
}

/// A connection to the plugin that is used again and again.
struct Kept(BufReader<TcpStream>);

impl Kept {
    fn open(address: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Self(BufReader::new(stream)))
    }

    fn ask(&mut self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let user = STANDARD.encode(format!("{USER}:{PASSWORD}"));
        let request = format!(
            "{method} /api/{path} HTTP/1.1\r\nHost: node\r\nAuthorization: Basic {user}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes()).ok()?;
        let mut line = String::new();
        self.0.read_line(&mut line).ok()?;
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let (mut length, mut is_chunked) = (0, false);
        loop {
            line.clear();
            self.0.read_line(&mut line).ok()?;
            let header = line.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(it) = header.strip_prefix("content-length:") {
                length = it.trim().parse().ok()?;
            }
            is_chunked |= header == "transfer-encoding: chunked";
        }
        let mut body = Vec::new();
        if is_chunked {
            loop {
                line.clear();
                self.0.read_line(&mut line).ok()?;
                let n = usize::from_str_radix(line.trim(), 16).ok()?;
                let mut chunk = vec![0; n + 2];
                self.0.read_exact(&mut chunk).ok()?;
                if n == 0 {
                    break;
                }
                body.extend_from_slice(&chunk[..n]);
            }
        } else {
            body.resize(length, 0);
            self.0.read_exact(&mut body).ok()?;
        }
        Some((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

/// A name within a path.
fn part(name: &str) -> String {
    name.bytes()
        .map(|it| if it.is_ascii_alphanumeric() { char::from(it).to_string() } else { format!("%{it:02X}") })
        .collect()
}

impl RabbitAdmin {
    pub(super) fn new(address: String) -> Self {
        Self { address }
    }

    /// What the plugin answers; `None` when nobody does.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Option<(u16, String)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        Kept::open(&self.address)?.ask(method, path, &body)
    }

    /// The same of a call that must work.
    fn call(&self, method: &str, path: &str, body: &Value) -> String {
        let (status, text) = self.ask(method, path, body).expect("the node answers");
        assert!((200..300).contains(&status), "{method} {path}: {status} {text}");
        text
    }

    /// The node is up and has no alarm.
    pub fn is_healthy(&self) -> bool {
        let answer = self.ask("GET", "health/checks/alarms", &Value::Null);
        answer.is_some_and(|(status, _)| status == 200)
    }

    /// Makes a lasting queue of a kind: `classic`, `quorum` or `stream`.
    pub fn declare(&self, queue: &str, kind: &str, mut arguments: Value) {
        arguments["x-queue-type"] = kind.into();
        let body = json!({ "durable": true, "arguments": arguments });
        self.call("PUT", &format!("queues/%2F/{}", part(queue)), &body);
    }

    /// Deletes a queue with what it holds.
    pub fn delete(&self, queue: &str) {
        self.call("DELETE", &format!("queues/%2F/{}", part(queue)), &Value::Null);
    }

    /// Makes a user that may read, write and configure the first virtual host, or has another password.
    pub fn put_user(&self, user: &str, password: &str) {
        self.call("PUT", &format!("users/{user}"), &json!({ "password": password, "tags": "" }));
        let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        self.call("PUT", &format!("permissions/%2F/{user}"), &all);
    }

    /// Makes a virtual host that the first user may use.
    pub fn put_virtual_host(&self, name: &str) {
        self.call("PUT", &format!("vhosts/{}", part(name)), &json!({}));
        let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        self.call("PUT", &format!("permissions/{}/{USER}", part(name)), &all);
    }

    /// Puts a message into a queue.
    pub fn publish(&self, queue: &str, message: &RabbitMessage) {
        self.publish_all(queue, std::slice::from_ref(message));
    }

    /// Puts messages into a queue, one after the other.
    pub fn publish_all(&self, queue: &str, messages: &[RabbitMessage]) {
        let mut kept = Kept::open(&self.address).expect("the node answers");
        for message in messages {
            let body = json!({
                "properties": message.properties, "routing_key": queue,
                "payload": STANDARD.encode(&message.body), "payload_encoding": "base64",
            });
            let answer = kept.ask("POST", "exchanges/%2F/amq.default/publish", &body.to_string());
            let (status, text) = answer.expect("the node answers");
            assert!(status == 200 && text.contains("true"), "{status} {text}");
        }
    }

    /// What is known of a queue.
    pub fn queue(&self, queue: &str) -> Value {
        let text = self.call("GET", &format!("queues/%2F/{}", part(queue)), &Value::Null);
        serde_json::from_str(&text).expect("it is JSON")
    }

    /// Messages that it holds, those that somebody was pushed and has not acked among them. Its numbers are
    /// renewed every few seconds.
    pub fn await_n_messages(&self, queue: &str, n: u64) {
        let count = || self.queue(queue)["messages"].as_u64();
        wait::until_told(
            "the count of a queue",
            || (count() == Some(n)).then_some(()),
            || format!("{:?}", count()),
        );
    }

    /// Waits until somebody consumes a queue.
    pub fn await_consumer(&self, queue: &str) {
        let has_one = || self.queue(queue)["consumers"].as_u64() > Some(0);
        wait::until("a consumer", || has_one().then_some(()));
    }

    /// Closes all connections of clients, as an operator does.
    pub fn close_connections(&self) -> usize {
        let text = self.call("GET", "connections", &Value::Null);
        let all: Vec<Value> = serde_json::from_str(&text).expect("it is a list");
        for it in &all {
            let name = it["name"].as_str().unwrap_or_default();
            let _ = self.ask("DELETE", &format!("connections/{}", part(name)), &Value::Null);
        }
        all.len()
    }
}
