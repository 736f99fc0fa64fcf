//! The strict tree of shards behind AWS JSON on a loopback port, as Kinesis and as tables with streams: it
//! throttles, lets iterators expire and answers with broken ones, which the real servers of the tests do not.
//!
//! `kinesis` and `dynamodb` turn calls into those of the tree and back. Signatures must be there; they are not
//! computed.

mod dynamodb;
mod kinesis;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use forebay_models::shards::{Limits, Refusal, ShardTree, WhenTrimmed};
use serde_json::{Value, json};

use self::dynamodb::Table;
use self::kinesis::Stream;
use crate::http;
use crate::json_server::{Answer, Answers};
use crate::loopback::{Listening, Request};

/// The account of everything.
const ACCOUNT: &str = "000000000000";
/// Where everything is.
const REGION: &str = "us-east-1";

/// A running server, ended with the test.
#[derive(Debug)]
pub struct StrictStreams {
    shared: Arc<Shared>,
    address: SocketAddr,
    _listening: Listening,
}

/// What a call ends with that is not done: the code and its words.
#[derive(Debug)]
struct Refused(String, String);

#[derive(Debug)]
struct Shared(Mutex<State>);

#[derive(Debug)]
struct State {
    limits: Limits,
    streams: BTreeMap<String, Stream>,
    tables: BTreeMap<String, Table>,
    /// How often a call was refused, by code.
    refused: BTreeMap<String, usize>,
}

impl StrictStreams {
    /// Starts it without streams and tables; each shard of what is made will have these limits.
    pub fn start(limits: Limits) -> Self {
        let (streams, tables, refused) = Default::default();
        let state = State { limits, streams, tables, refused };
        let shared = Arc::new(Shared(Mutex::new(state)));
        let listening =
            Listening::start(Arc::clone(&shared) as _, "127.0.0.1:0".parse().expect("an address"));
        Self { shared, address: listening.address, _listening: listening }
    }

    /// Where its calls go.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// One call to Kinesis, refused or not: its status and answer.
    pub fn try_kinesis(&self, action: &str, body: &Value) -> Option<(u16, String)> {
        http::call_kinesis(&self.address.to_string(), action, &body.to_string())
    }

    /// One call to DynamoDB or its streams, refused or not: its status and answer.
    pub fn try_dynamodb(&self, action: &str, body: &Value) -> Option<(u16, String)> {
        http::call_dynamodb(&self.address.to_string(), action, &body.to_string())
    }

    /// Works on the tree of a stream or of a table's stream.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn with_tree<T>(&self, name: &str, work: impl FnOnce(&mut ShardTree) -> T) -> T {
        let mut state = self.shared.lock();
        let State { streams, tables, .. } = &mut *state;
        let stream = streams.get_mut(name).map(|it| &mut it.tree);
        work(stream.or_else(|| tables.get_mut(name).map(|it| &mut it.tree)).expect("it was made"))
    }

    /// How many calls were refused with this code.
    pub fn n_refused(&self, code: &str) -> usize {
        self.shared.lock().refused.get(code).copied().unwrap_or_default()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics under this lock")
    }
}

impl Answers for Shared {
    fn answer(&self, request: &Request, _: &dyn Fn() -> bool) -> Option<Answer> {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let (api, action) = request.target().split_once('.').unwrap_or_default();
        let mut state = self.lock();
        let result = match (api, request.signed_for()) {
            (_, "") => {
                Err(refused("MissingAuthenticationTokenException", "Request is missing Authentication Token"))
            }
            ("Kinesis_20131202", "kinesis") => kinesis::act(&mut state, action, &body),
            ("DynamoDB_20120810" | "DynamoDBStreams_20120810", "dynamodb") => {
                dynamodb::act(&mut state, action, &body)
            }
            _ => Err(refused("UnknownOperationException", request.target())),
        };
        Some(match result {
            Ok(value) => Answer { status: 200, query_error: None, body: value.to_string() },
            Err(Refused(code, message)) => {
                *state.refused.entry(code.clone()).or_default() += 1;
                let body = json!({ "__type": code, "message": message }).to_string();
                Answer { status: 400, query_error: None, body }
            }
        })
    }
}

fn refused(code: &str, message: &str) -> Refused {
    Refused(code.to_owned(), message.to_owned())
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(since.as_millis()).expect("it is before the year 500,000,000")
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, Refused> {
    let missing = || refused("ValidationException", &format!("{name} must not be null"));
    body[name].as_str().ok_or_else(missing)
}

/// A number of the tree as a sequence number: in the order of the numbers, also by its text.
fn sequence(number: u64) -> String {
    format!("49590338271490256608559692538{number:027}")
}

fn number(sequence: &str) -> Option<u64> {
    sequence.strip_prefix("49590338271490256608559692538")?.parse().ok()
}

/// An iterator at what a call asks for: at a place of this kind, which a number of this name or a time tells.
fn begin(
    tree: &mut ShardTree,
    shard: usize,
    (kind, body): (&str, &Value),
    (when_trimmed, name): (WhenTrimmed, &str),
) -> Result<u64, Refusal> {
    let now_ms = now_ms();
    let number = || body[name].as_str().and_then(number).ok_or(Refusal::NoPlace);
    match kind {
        "TRIM_HORIZON" => tree.iterator_at_time(shard, 0, now_ms),
        "LATEST" => tree.iterator_at_latest(shard, now_ms),
        "AT_SEQUENCE_NUMBER" => tree.iterator_at_number(shard, number()?, when_trimmed, now_ms),
        "AFTER_SEQUENCE_NUMBER" => tree.iterator_behind_number(shard, number()?, now_ms),
        "AT_TIMESTAMP" => {
            let seconds = body["Timestamp"].as_f64().ok_or(Refusal::NoPlace)?;
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time of our days")]
            let at_ms = (seconds * 1_000.0).max(0.0) as u64;
            tree.iterator_at_time(shard, at_ms, now_ms)
        }
        _ => Err(Refusal::NoPlace),
    }
}
