//! DynamoDB Local on a free loopback port, and the few calls to DynamoDB that a test makes by itself: nothing
//! is shared with the code under test.
//!
//! Where it differs from AWS, so that no test relies on it: it throttles nobody, a stream has one open shard,
//! times of records are cut to the minute, its region is `ddblocal` and its numbers are small. At the first
//! record of a shard that has lost some it refuses, as AWS does only in a race.

use std::ops::Deref;

use serde_json::{Value, json};

use crate::java_server::{JavaServer, fetched};
use crate::ports::free_port;
use crate::{http, wait};

const FOLDER: &str = "dynamodb-local-2.6.1";

/// Calls to DynamoDB at a server.
#[derive(Debug, Clone)]
pub struct DynamoDbCalls {
    address: String,
}

/// A running server, ended with the test.
#[derive(Debug)]
pub struct DynamoDbLocal {
    _server: JavaServer,
    calls: DynamoDbCalls,
}

impl Deref for DynamoDbLocal {
    type Target = DynamoDbCalls;

    fn deref(&self) -> &DynamoDbCalls {
        &self.calls
    }
}

/// A shard: its id, its parent, and the numbers of its first and its last record.
#[derive(Debug, Clone)]
pub struct TableShard {
    /// Its id.
    pub id: String,
    /// The shard that it came from.
    pub parent: Option<String>,
    /// The number of its first record.
    pub first: u64,
    /// That of its last; `None` while it takes records.
    pub last: Option<u64>,
}

impl DynamoDbLocal {
    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When it was not fetched, naming the command.
    pub fn start() -> Self {
        let (folder, port) = (fetched(FOLDER), free_port());
        let (lib, classes) = (folder.join("lib"), folder.join("classes"));
        assert!(classes.exists(), "{} is missing: dev/servers.sh", classes.display());
        let server = JavaServer::start(128, |_| {
            vec![
                format!("-Dsqlite4java.library.path={}", lib.display()),
                "-cp".to_owned(),
                format!("{}:{}/*", classes.display(), lib.display()),
                "DynamoDbOnLoopback".to_owned(),
                "-inMemory".to_owned(),
                // Whatever region and key a call is signed with.
                "-sharedDb".to_owned(),
                "-disableTelemetry".to_owned(),
                "-port".to_owned(),
                port.to_string(),
            ]
        });
        let calls = DynamoDbCalls { address: format!("127.0.0.1:{port}") };
        wait::until_told(
            "DynamoDB Local",
            || calls.try_call("ListTables", &json!({})).filter(|(status, _)| *status == 200),
            || server.log(),
        );
        Self { _server: server, calls }
    }
}

impl DynamoDbCalls {
    /// Calls to another server that speaks DynamoDB.
    pub fn to(endpoint: &str) -> Self {
        Self { address: endpoint.trim_start_matches("http://").to_owned() }
    }

    /// Where they go.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a table of items with a text `pk` and a number `sk`, with a stream of both images; the stream's
    /// ARN.
    pub fn create(&self, table: &str) -> String {
        let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
        let attribute = |name: &str, kind: &str| json!({ "AttributeName": name, "AttributeType": kind });
        let ask = json!({
            "TableName": table,
            "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
            "AttributeDefinitions": [attribute("pk", "S"), attribute("sk", "N")],
            "BillingMode": "PAY_PER_REQUEST",
        });
        self.call("CreateTable", &ask);
        self.enable(table)
    }

    /// Switches a stream on; its ARN.
    pub fn enable(&self, table: &str) -> String {
        let stream = json!({ "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" });
        self.call("UpdateTable", &json!({ "TableName": table, "StreamSpecification": stream }));
        let told = self.call("DescribeTable", &json!({ "TableName": table }));
        text(&told["Table"]["LatestStreamArn"])
    }

    /// Switches the stream off.
    pub fn disable(&self, table: &str) {
        let stream = json!({ "StreamEnabled": false });
        self.call("UpdateTable", &json!({ "TableName": table, "StreamSpecification": stream }));
    }

    /// Puts an item with this key and this `n`.
    pub fn put(&self, table: &str, pk: &str, sk: usize, n: usize) {
        let item = json!({ "pk": { "S": pk }, "sk": { "N": sk.to_string() }, "n": { "N": n.to_string() } });
        self.call("PutItem", &json!({ "TableName": table, "Item": item }));
    }

    /// Closes every open shard of every stream; each has one child.
    pub fn roll_over(&self) {
        self.control(&json!({ "ACTION": { "S": "ROLLOVER" } }));
    }

    /// Lets hours pass for what the streams hold.
    pub fn age(&self, hours: u32) {
        self.control(&json!({ "ACTION": { "S": "DILATE_TIME" }, "HOURS": { "S": hours.to_string() } }));
    }

    fn control(&self, item: &Value) {
        self.call("PutItem", &json!({ "TableName": "[TEST_CONTROL]", "Item": item }));
    }

    /// The shards of a stream.
    pub fn shards(&self, stream: &str) -> Vec<TableShard> {
        let told = self.call("DescribeStream", &json!({ "StreamArn": stream }));
        let number = |it: &Value| it.as_str().map(|it| it.parse().expect("it is a number"));
        let shard = |it: &Value| TableShard {
            id: text(&it["ShardId"]),
            parent: it["ParentShardId"].as_str().map(str::to_owned),
            first: number(&it["SequenceNumberRange"]["StartingSequenceNumber"])
                .expect("it has a first number"),
            last: number(&it["SequenceNumberRange"]["EndingSequenceNumber"]),
        };
        told["StreamDescription"]["Shards"].as_array().expect("there is a list").iter().map(shard).collect()
    }

    /// One call.
    ///
    /// # Panics
    /// When it is refused.
    pub fn call(&self, action: &str, body: &Value) -> Value {
        let (status, answer) = self.try_call(action, body).expect("DynamoDB Local answers");
        assert_eq!(status, 200, "{action} {body}: {answer}");
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    /// One call, refused or not: its status and answer; `None` when nobody answers.
    pub fn try_call(&self, action: &str, body: &Value) -> Option<(u16, String)> {
        http::call_dynamodb(&self.address, action, &body.to_string())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
