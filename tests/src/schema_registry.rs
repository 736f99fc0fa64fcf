//! A schema registry with Confluent's API, Apicurio, on a free loopback port; and Powertools' consumer of Kafka
//! events beside the encoders of Avro and Protobuf for Python: nothing is shared with the code under test.
//!
//! Where it differs from Confluent's, so that no test relies on it:
//! - Its API stands below a path of its own.
//! - It always says `schemaType` and `references`.
//! - Its answers are `application/json`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;

use serde_json::{Value, json};

use crate::java_server::{JavaServer, fetched};
use crate::ports::free_port;
use crate::{http, wait};

/// Where Confluent's API stands.
const API: &str = "/apis/ccompat/v7";

/// A running registry, ended with the test.
#[derive(Debug)]
pub struct ApicurioServer {
    server: JavaServer,
    port: u16,
}

impl ApicurioServer {
    /// The one that tests share, each with subjects of names of its own. It ends with the process.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<ApicurioServer> = LazyLock::new(ApicurioServer::start);
        &SHARED
    }

    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When it was not fetched, naming the command.
    pub fn start() -> Self {
        let folder = fetched("apicurio-3.0.9");
        let port = free_port();
        let server = JavaServer::start(192, |_| {
            vec![
                // It listens on every interface otherwise.
                "-Dquarkus.http.host=127.0.0.1".to_owned(),
                format!("-Dquarkus.http.port={port}"),
                "-jar".to_owned(),
                folder.join("apicurio-registry-app-3.0.9-runner.jar").display().to_string(),
            ]
        });
        let server = Self { server, port };
        // It logs no line when it is ready.
        wait::until_told(
            "Apicurio",
            || {
                http::get(&server.address(), &format!("{API}/subjects"))
                    .filter(|(status, body)| *status == 200 && body == "[]")
            },
            || server.server.log(),
        );
        server
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What a registry's settings call its URL.
    pub fn url(&self) -> String {
        format!("http://{}{API}", self.address())
    }

    /// Registers a schema, with the names and subjects of those that it refers to; its id.
    ///
    /// # Panics
    /// When it is refused.
    pub fn register(&self, subject: &str, format: &str, text: &str, references: &[(&str, &str)]) -> u32 {
        let references: Vec<Value> = references
            .iter()
            .map(|(name, subject)| json!({ "name": name, "subject": subject, "version": 1 }))
            .collect();
        let body = json!({ "schemaType": format, "schema": text, "references": references });
        let path = format!("{API}/subjects/{subject}/versions");
        let (status, answer) =
            http::send(&self.address(), "POST", &path, &body.to_string()).expect("Apicurio answers");
        assert_eq!(status, 200, "{subject}: {answer}");
        let answer: Value = serde_json::from_str(&answer).expect("its answer is JSON");
        answer["id"].as_u64().and_then(|it| u32::try_from(it).ok()).expect("a schema has an id")
    }
}

/// A way to a registry that asks for a password, and may be closed.
#[derive(Debug)]
pub struct RegistryDoor {
    at: SocketAddr,
    state: Arc<DoorState>,
}

#[derive(Debug)]
struct DoorState {
    registry: String,
    /// The whole header.
    authorization: &'static str,
    is_open: AtomicBool,
    n_asked: AtomicUsize,
}

impl RegistryDoor {
    /// What it lets in, as a secret holds it.
    pub const PASSWORD: &'static str = "ann:hunter2";

    /// Listens on a free loopback port until the process ends; it is open.
    ///
    /// # Panics
    /// When no port is free.
    pub fn to(registry: &ApicurioServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let at = listener.local_addr().expect("it has an address");
        let state = Arc::new(DoorState {
            registry: registry.address(),
            authorization: "Basic YW5uOmh1bnRlcjI=",
            is_open: AtomicBool::new(true),
            n_asked: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&serving);
                thread::spawn(move || state.serve(stream));
            }
        });
        Self { at, state }
    }

    /// What a registry's settings call its URL.
    pub fn url(&self) -> String {
        format!("http://{}{API}", self.at)
    }

    /// Opens it, or closes it: then nobody is answered.
    pub fn set_open(&self, is_open: bool) {
        self.state.is_open.store(is_open, Ordering::SeqCst);
    }

    /// How many questions it has passed on.
    pub fn n_asked(&self) -> usize {
        self.state.n_asked.load(Ordering::SeqCst)
    }
}

impl DoorState {
    /// One question: each answer ends its connection.
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
        // All of them are read first: an answer that comes before is lost with its connection.
        let head: Vec<String> = lines.take_while(|it| !it.is_empty()).collect();
        let path = head.first()?.split(' ').nth(1)?;
        let is_it = |name: &str, value: &str| {
            name.eq_ignore_ascii_case("authorization") && value == self.authorization
        };
        let is_let_in =
            head.iter().filter_map(|it| it.split_once(": ")).any(|(name, value)| is_it(name, value));
        if !self.is_open.load(Ordering::SeqCst) {
            return None;
        }
        let (status, body) = if is_let_in {
            self.n_asked.fetch_add(1, Ordering::SeqCst);
            http::get(&self.registry, path)?
        } else {
            (401, "{\"error_code\":401,\"message\":\"Unauthorized\"}".to_owned())
        };
        let head =
            format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).ok()
    }
}

/// A record as producers with Confluent's serializers write it.
pub fn framed(id: u32, payload: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), payload].concat()
}

/// A message within a message within a message; `powertools.py` knows it too.
const PROTOBUF: &str = r#"syntax = "proto3";
package shop;
message Order {
  int64 order_id = 1;
  repeated Line order_lines = 2;
  message Line {
    string item_name = 1;
    Part first_part = 2;
    message Part {
      bool is_heavy = 1;
      uint64 big_number = 2;
      bytes raw_bytes = 3;
      repeated int32 part_ids = 4;
      Part sub_part = 5;
    }
  }
}
"#;

/// Records of all three formats, encoded by Python's own libraries, whose schemas a registry has.
#[derive(Debug)]
pub struct EncodedRecords {
    /// Avro, a message of Protobuf's, one that is defined within others, JSON Schema.
    pub records: [Vec<u8>; 4],
    avro: String,
}

impl EncodedRecords {
    /// Registers the schemas under subjects that begin with `name`.
    ///
    /// # Panics
    /// When Powertools was not fetched, naming the command.
    pub fn in_registry(registry: &ApicurioServer, name: &str) -> Self {
        let avro = json!({
            "type": "record", "name": "Order", "namespace": "shop", "fields": [
                { "name": "id", "type": "long" },
                { "name": "name", "type": "string" },
                { "name": "price", "type": "double" },
                { "name": "tags", "type": { "type": "array", "items": "string" } },
                { "name": "counts", "type": { "type": "map", "values": "int" } },
                { "name": "note", "type": ["null", "string"] },
                { "name": "color", "type": { "type": "enum", "name": "Color", "symbols": ["RED", "BLUE"] } },
                { "name": "next", "type": ["null", "Order"] }
            ]
        })
        .to_string();
        let json_schema =
            json!({ "type": "object", "required": ["id"], "properties": { "id": { "type": "integer" } } });
        let payloads = powertools(&json!({ "encode": { "avro": avro } }));
        let payload =
            |kind: &str| hex::decode(payloads[kind].as_str().expect("it is a text")).expect("it is in hex");
        let of = |kind: &str, schema: &str, payload: &[u8]| {
            framed(registry.register(&format!("{name}-{kind}"), kind, schema, &[]), payload)
        };
        let records = [
            of("AVRO", &avro, &payload("avro")),
            // The first message of its file.
            of("PROTOBUF", PROTOBUF, &[&[0][..], &payload("order")].concat()),
            // The path to Order.Line.Part: three places, each the first.
            of("PROTOBUF", PROTOBUF, &[&[6, 0, 0, 0][..], &payload("part")].concat()),
            of("JSON", &json_schema.to_string(), &payload("json")),
        ];
        Self { records, avro }
    }

    /// What Powertools' consumer gives a function of these records of an event in the form `SOURCE`, in their order.
    pub fn by_powertools(&self, of_event: &[Value]) -> Vec<Value> {
        let event = json!({ "eventSource": "SelfManagedKafka", "records": { "t-0": of_event } });
        let values = powertools(&json!({ "decode": { "event": event, "avro": self.avro } }));
        values.as_array().expect("it prints a list").clone()
    }
}

/// Runs `tests/servers/powertools.py` with this task; what it prints, as JSON.
///
/// # Panics
/// When Powertools was not fetched, naming the command, or the script fails.
fn powertools(task: &Value) -> Value {
    let home = PathBuf::from(std::env::var_os("HOME").expect("a user has a home"));
    let python = home.join(".cache/forebay/servers/aws-lambda-powertools-3.37.0/bin/python");
    assert!(python.exists(), "{} is missing: dev/servers.sh", python.display());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/servers/powertools.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(task.to_string().as_bytes()).expect("it reads its task");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}
