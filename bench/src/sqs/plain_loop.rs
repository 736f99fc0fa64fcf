//! The least that the work can cost: receive ten, POST them as one event, delete them, in as many tasks as
//! Forebay has receives at first.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use bytes::Bytes;
use forebay_clients::{HttpClients, sdk_client};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

type Http = hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>;

const N_TASKS: usize = 5;

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

/// Lambda's event, written straight into bytes.
fn event(messages: &[Message]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024 * messages.len());
    for (idx, it) in messages.iter().enumerate() {
        out.extend_from_slice(if idx == 0 { br#"{"Records":[{"messageId":"# } else { br#",{"messageId":"# });
        text(&mut out, it.message_id.as_deref());
        out.extend_from_slice(br#","receiptHandle":"#);
        text(&mut out, it.receipt_handle.as_deref());
        out.extend_from_slice(br#","body":"#);
        text(&mut out, it.body.as_deref());
        out.extend_from_slice(br#","attributes":{"#);
        for (idx, (name, value)) in it.attributes.iter().flatten().enumerate() {
            out.extend_from_slice(if idx == 0 { b"" } else { b"," });
            text(&mut out, Some(name.as_str()));
            out.push(b':');
            text(&mut out, Some(value));
        }
        out.extend_from_slice(br#"},"messageAttributes":{},"md5OfBody":"#);
        text(&mut out, it.md5_of_body.as_deref());
        out.extend_from_slice(
            br#","eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:us-east-1:000000000000:bench","awsRegion":"us-east-1"}"#,
        );
    }
    out.extend_from_slice(b"]}");
    out
}

fn text(out: &mut Vec<u8>, text: Option<&str>) {
    serde_json::to_writer(out, &text).expect("a text can be written");
}
