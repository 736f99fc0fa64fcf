//! ElasticMQ on a free loopback port, and the few calls to SQS that a test makes by itself: nothing is shared
//! with the code under test.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::java_server::{JavaServer, fetched};
use crate::ports::free_port;
use crate::{sqs_calls, wait};

/// A running server, ended with the test.
#[derive(Debug)]
pub struct ElasticMq {
    server: JavaServer,
    port: u16,
}

/// A message as the queue gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What it says.
    pub body: String,
    /// How often the queue has given it, this time included.
    pub n_receives: u32,
    /// What deletes it.
    pub handle: String,
}

impl ElasticMq {
    /// The one that tests share, each with queues of names of its own. It ends with the process.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<ElasticMq> = LazyLock::new(ElasticMq::start);
        &SHARED
    }

    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When it was not fetched, naming the command.
    pub fn start() -> Self {
        Self::start_with_heap(192)
    }

    /// The same with a heap for more messages than a few thousand.
    ///
    /// # Panics
    /// When it was not fetched, naming the command.
    pub fn start_with_heap(heap_mb: u32) -> Self {
        let lib = fetched("elasticmq-1.7.1").join("lib");
        let port = free_port();
        let config = format!(
            "include classpath(\"application.conf\")\n\
             node-address {{ protocol = http, host = \"127.0.0.1\", port = {port}, context-path = \"\" }}\n\
             rest-sqs {{ enabled = true, bind-port = {port}, bind-hostname = \"127.0.0.1\", sqs-limits = strict }}\n\
             rest-stats {{ enabled = false }}\n\
             generate-node-address = false\n\
             aws {{ region = \"us-east-1\", accountId = \"000000000000\" }}\n\
             pekko.http.server.request-timeout = 25 s\n\
             queues {{ }}\n"
        );
        let server = JavaServer::start(heap_mb, |folder| {
            let path = folder.join("elasticmq.conf");
            std::fs::write(&path, config).expect("a file can be written");
            vec![
                format!("-Dconfig.file={}", path.display()),
                "-cp".to_owned(),
                format!("{}/*", lib.display()),
                "org.elasticmq.server.Main".to_owned(),
            ]
        });
        let server = Self { server, port };
        wait::until("ElasticMQ", || {
            server.try_call("ListQueues", &json!({})).filter(|(status, _)| *status == 200)
        });
        server
    }

    /// Where its calls go.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Makes a queue with these attributes; its URL.
    pub fn create(&self, name: &str, attributes: &Value) -> String {
        let answer = self.call("CreateQueue", &json!({ "QueueName": name, "Attributes": attributes }));
        answer["QueueUrl"].as_str().expect("a queue has a URL").to_owned()
    }

    /// Sends messages, ten a call. Each with its group, for FIFO queues.
    pub fn send(&self, url: &str, messages: &[(String, Option<String>)]) {
        sqs_calls::send(|action, body| self.call(action, body), url, messages);
    }

    /// Messages that can be received now, and messages in flight.
    pub fn counts(&self, url: &str) -> (u64, u64) {
        sqs_calls::counts(|action, body| self.call(action, body), url)
    }

    /// Receives up to ten messages that can be received now, without waiting for others.
    pub fn receive(&self, url: &str) -> Vec<Received> {
        let names = ["ApproximateReceiveCount"];
        let ask = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0, "MessageSystemAttributeNames": names });
        let answer = self.call("ReceiveMessage", &ask);
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("no text in {answer}")).to_owned();
        let received = |it: &Value| Received {
            body: text(&it["Body"]),
            n_receives: text(&it["Attributes"][names[0]]).parse().expect("a count is a number"),
            handle: text(&it["ReceiptHandle"]),
        };
        answer["Messages"].as_array().into_iter().flatten().map(received).collect()
    }

    /// Deletes up to ten messages.
    pub fn delete(&self, url: &str, messages: &[Received]) {
        let entry =
            |(idx, it): (usize, &Received)| json!({ "Id": idx.to_string(), "ReceiptHandle": it.handle });
        let entries: Vec<Value> = messages.iter().enumerate().map(entry).collect();
        let answer = self.call("DeleteMessageBatch", &json!({ "QueueUrl": url, "Entries": entries }));
        assert_eq!(answer["Successful"].as_array().map(Vec::len), Some(messages.len()), "{answer}");
    }

    /// One call.
    ///
    /// # Panics
    /// When it is refused.
    pub fn call(&self, action: &str, body: &Value) -> Value {
        let (status, answer) = self.try_call(action, body).expect("ElasticMQ answers");
        assert_eq!(status, 200, "{action}: {answer}");
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    }

    /// One call, refused or not: its status and answer.
    pub fn try_call(&self, action: &str, body: &Value) -> Option<(u16, String)> {
        crate::http::call_sqs(&format!("127.0.0.1:{}", self.port), action, &body.to_string())
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.server.log()
    }
}
