//! kinesis-local on a free loopback port, and the few calls to Kinesis that a test makes by itself: nothing
//! is shared with the code under test.
//!
//! Where it differs from AWS, so that no test relies on it: it throttles nobody, an iterator that is none is
//! an error of its own, and the first shard of two ends one hash key earlier. A subscription outlives its five
//! minutes and its consumer, its refusal comes as its first message, one that was left is noticed after a second
//! or two, the end of a shard is never pushed, and a number that is no record's begins at the first record.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ports::free_port;
use crate::{http, wait};

/// It would listen on every interface: this makes every listener one of loopback before its program begins.
const LOOPBACK_JS: &str = include_str!("../servers/loopback.js");

/// What it does slowly by default, as AWS does.
const QUICK: [&str; 7] = [
    "CREATE_STREAM_DURATION",
    "DELETE_STREAM_DURATION",
    "SPLIT_SHARD_DURATION",
    "MERGE_SHARDS_DURATION",
    "UPDATE_SHARD_COUNT_DURATION",
    "REGISTER_STREAM_CONSUMER_DURATION",
    "DEREGISTER_STREAM_CONSUMER_DURATION",
];

/// The account of everything.
pub const ACCOUNT: &str = "000000000000";

/// A running server, ended with the test.
#[derive(Debug)]
pub struct KinesisLocal {
    child: Child,
    port: u16,
    folder: TempDir,
}

/// A shard: its id, its parents, whether it is open, and the range of its hash keys.
#[derive(Debug, Clone)]
pub struct Shard {
    /// Its id.
    pub id: String,
    /// The shards that it came from.
    pub parents: Vec<String>,
    /// It takes records.
    pub is_open: bool,
    /// The first and the last hash key.
    pub hash_keys: (u128, u128),
}

impl KinesisLocal {
    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When it was not fetched, naming the command.
    pub fn start() -> Self {
        let home = PathBuf::from(std::env::var_os("HOME").expect("a user has a home"));
        let package = home.join(".cache/forebay/servers/kinesis-local-0.6.2/node_modules/kinesis-local");
        assert!(package.exists(), "{} is missing: dev/servers.sh", package.display());
        let folder = tempfile::tempdir().expect("a folder can be made");
        let preload = folder.path().join("loopback.js");
        std::fs::write(&preload, LOOPBACK_JS).expect("a file can be written");
        let log = File::create(folder.path().join("log")).expect("a file can be made");
        let port = free_port();
        let child = Command::new("node")
            .arg("--require")
            .arg(&preload)
            .arg("main.js")
            // It reads its certificate from where it is started.
            .current_dir(&package)
            .env("KINESIS_MOCK_PLAIN_PORT", port.to_string())
            .env("KINESIS_MOCK_TLS_PORT", free_port().to_string())
            .env("AWS_ACCOUNT_ID", ACCOUNT)
            .env("SHARD_LIMIT", "200")
            .envs(QUICK.map(|it| (it, "20ms")))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file handle can be doubled"))
            .stderr(log)
            .spawn()
            .expect("node starts");
        let mut server = Self { child, port, folder };
        wait::until("kinesis-local", || {
            let ended = server.child.try_wait().expect("it can be waited for");
            assert!(ended.is_none(), "kinesis-local ended with {ended:?}: {}", server.log());
            http::get(&server.address(), "/healthcheck").filter(|(status, _)| *status == 200).map(|_| ())
        });
        server
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where its calls go.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Makes a stream of so many shards and waits until it can be used; its ARN.
    pub fn create(&self, stream: &str, n_shards: usize) -> String {
        self.call("CreateStream", &json!({ "StreamName": stream, "ShardCount": n_shards }));
        self.await_active(stream)
    }

    /// Waits until nothing about a stream is being changed; its ARN.
    pub fn await_active(&self, stream: &str) -> String {
        wait::until("an active stream", || {
            let told = self.call("DescribeStreamSummary", &json!({ "StreamName": stream }));
            let told = &told["StreamDescriptionSummary"];
            (told["StreamStatus"] == "ACTIVE").then(|| text(&told["StreamARN"]))
        })
    }

    /// Its shards.
    pub fn shards(&self, stream: &str) -> Vec<Shard> {
        let listed = self.call("ListShards", &json!({ "StreamName": stream }));
        let number = |it: &Value| text(it).parse().expect("a hash key is a number");
        let shard = |it: &Value| Shard {
            id: text(&it["ShardId"]),
            parents: ["ParentShardId", "AdjacentParentShardId"]
                .iter()
                .filter_map(|name| it[*name].as_str().map(str::to_owned))
                .collect(),
            is_open: it["SequenceNumberRange"]["EndingSequenceNumber"].is_null(),
            hash_keys: (
                number(&it["HashKeyRange"]["StartingHashKey"]),
                number(&it["HashKeyRange"]["EndingHashKey"]),
            ),
        };
        listed["Shards"].as_array().expect("there is a list").iter().map(shard).collect()
    }

    /// Splits a shard in its middle.
    pub fn split(&self, stream: &str, shard: &Shard) {
        let (low, high) = shard.hash_keys;
        let middle = (low + (high - low) / 2 + 1).to_string();
        let ask = json!({ "StreamName": stream, "ShardToSplit": shard.id, "NewStartingHashKey": middle });
        self.call("SplitShard", &ask);
        self.await_active(stream);
    }

    /// Merges two shards that lie beside one another.
    pub fn merge(&self, stream: &str, a: &Shard, b: &Shard) {
        let ask = json!({ "StreamName": stream, "ShardToMerge": a.id, "AdjacentShardToMerge": b.id });
        self.call("MergeShards", &ask);
        self.await_active(stream);
    }

    /// Writes a record; its shard and its sequence number.
    pub fn put(&self, stream: &str, key: &str, data: &str) -> (String, String) {
        let ask = json!({ "StreamName": stream, "PartitionKey": key, "Data": STANDARD.encode(data) });
        let answer = self.call("PutRecord", &ask);
        (text(&answer["ShardId"]), text(&answer["SequenceNumber"]))
    }

    /// One call.
    ///
    /// # Panics
    /// When it is refused.
    pub fn call(&self, action: &str, body: &Value) -> Value {
        let (status, answer) = self.try_call(action, body).expect("kinesis-local answers");
        assert_eq!(status, 200, "{action} {body}: {answer}");
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    /// One call, refused or not: its status and answer; `None` when nobody answers.
    pub fn try_call(&self, action: &str, body: &Value) -> Option<(u16, String)> {
        http::call_kinesis(&self.address(), action, &body.to_string())
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for KinesisLocal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
