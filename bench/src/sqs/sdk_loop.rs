//! The least that the work can cost with AWS's SDK: receive ten, POST them as one event, delete them, in as
//! many tasks as Forebay has receives at first.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use bytes::Bytes;
use forebay_clients::{HttpClients, sdk_client};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::N_TASKS;
use super::event::{Shown, event};

type Http = hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>;

/// Runs until it is killed.
pub(crate) fn run(endpoint: &str, queue: &str, function: &str) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        let connections = HttpClients::new()
            .client(&endpoint.parse().expect("it is a URL"), None)
            .expect("nothing is read for http");
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(sdk_client(connections))
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("x", "x", None, None, "bench"))
            .endpoint_url(endpoint);
        let sqs = Client::from_conf(config.build());
        let http: Http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http();
        let tasks: Vec<_> = (0..N_TASKS)
            .map(|_| tokio::spawn(one(sqs.clone(), http.clone(), queue.into(), function.into())))
            .collect();
        for task in tasks {
            task.await.expect("a task runs until it is killed");
        }
    });
}

async fn one(sqs: Client, http: Http, queue: String, function: String) {
    loop {
        let receive =
            sqs.receive_message().queue_url(&queue).max_number_of_messages(10).wait_time_seconds(20);
        let receive = receive
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All");
        let messages = receive.send().await.expect("the queue answers").messages.unwrap_or_default();
        if messages.is_empty() {
            continue;
        }
        let post =
            Request::builder().method(Method::POST).uri(&function).header("Content-Type", "application/json");
        let post = post.body(Full::from(event(&messages))).expect("a request can be made");
        let answer = http.request(post).await.expect("the function answers");
        assert!(answer.status().is_success(), "{answer:?}");
        answer.into_body().collect().await.expect("the answer is whole");
        let mut delete = sqs.delete_message_batch().queue_url(&queue);
        for (idx, it) in messages.into_iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(idx.to_string())
                .set_receipt_handle(it.receipt_handle);
            delete = delete.entries(entry.build().expect("an entry has both"));
        }
        delete.send().await.expect("the queue answers");
    }
}

impl Shown for Message {
    fn texts(&self) -> [Option<&str>; 4] {
        [self.message_id(), self.receipt_handle(), self.body(), self.md5_of_body()]
    }

    fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().flatten().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
