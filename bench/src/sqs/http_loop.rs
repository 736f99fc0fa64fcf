//! The least that the work can cost over HTTP: the same loop, which writes the calls' JSON itself, borrows
//! what it reads, signs nothing, checks no digest and tries nothing again.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use super::N_TASKS;
use super::event::{Shown, event, text};

type Http = hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>;

#[derive(Deserialize)]
struct Received<'a> {
    #[serde(borrow, default, rename = "Messages")]
    messages: Vec<Borrowed<'a>>,
}

/// What the contest sends has nothing escaped, so that all of it can be borrowed.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Borrowed<'a> {
    message_id: &'a str,
    receipt_handle: &'a str,
    body: &'a str,
    #[serde(rename = "MD5OfBody")]
    md5_of_body: &'a str,
    #[serde(borrow)]
    attributes: BTreeMap<&'a str, &'a str>,
}

impl Shown for Borrowed<'_> {
    fn texts(&self) -> [Option<&str>; 4] {
        [self.message_id, self.receipt_handle, self.body, self.md5_of_body].map(Some)
    }

    fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (*name, *value))
    }
}

/// Runs until it is killed.
pub(crate) fn run(endpoint: &str, queue: &str, function: &str) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        let http: Http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http();
        let tasks: Vec<_> = (0..N_TASKS)
            .map(|_| tokio::spawn(one(http.clone(), endpoint.into(), queue.into(), function.into())))
            .collect();
        for task in tasks {
            task.await.expect("a task runs until it is killed");
        }
    });
}

async fn one(http: Http, endpoint: String, queue: String, function: String) {
    let receive = Bytes::from(format!(
        r#"{{"QueueUrl":"{queue}","MaxNumberOfMessages":10,"WaitTimeSeconds":20,"MessageSystemAttributeNames":["All"],"MessageAttributeNames":["All"]}}"#
    ));
    loop {
        let answer = call(&http, &endpoint, Some("ReceiveMessage"), receive.clone()).await;
        let received: Received<'_> = serde_json::from_slice(&answer).expect("the answer is whole");
        if received.messages.is_empty() {
            continue;
        }
        call(&http, &function, None, event(&received.messages).into()).await;
        let mut delete = format!(r#"{{"QueueUrl":"{queue}","Entries":["#).into_bytes();
        for (idx, it) in received.messages.iter().enumerate() {
            let comma = if idx == 0 { "" } else { "," };
            delete.extend_from_slice(format!(r#"{comma}{{"Id":"{idx}","ReceiptHandle":"#).as_bytes());
            text(&mut delete, Some(it.receipt_handle));
            delete.push(b'}');
        }
        delete.extend_from_slice(b"]}");
        call(&http, &endpoint, Some("DeleteMessageBatch"), delete.into()).await;
    }
}

async fn call(http: &Http, url: &str, action: Option<&str>, body: Bytes) -> Bytes {
    let mut request = Request::builder().method(Method::POST).uri(url);
    request = match action {
        Some(action) => request
            .header("Content-Type", "application/x-amz-json-1.0")
            .header("X-Amz-Target", format!("AmazonSQS.{action}")),
        None => request.header("Content-Type", "application/json"),
    };
    let request = request.body(Full::from(body)).expect("a request can be made");
    let answer = http.request(request).await.expect("it answers");
    assert!(answer.status().is_success(), "{answer:?}");
    answer.into_body().collect().await.expect("the answer is whole").to_bytes()
}
