//! Five clients of the Runtime API that others wrote, unchanged: awslambdaric, aws-lambda-ric,
//! `lambda_runtime`, aws-lambda-go and the one of Java.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::support::{Host, Setup, client, payload, root};

/// A client and how it tells things.
struct Client {
    code: PathBuf,
    handler: &'static str,
    folder: PathBuf,
    fail_type: &'static str,
    /// What a panic gives, where the language has one: the error's type, and whether the process survives it.
    panic: Option<(&'static str, bool)>,
    /// A handler whose start fails, and how it is told, where a client tells it.
    broken: Option<(&'static str, &'static str)>,
}

fn python() -> Client {
    Client {
        code: root().join("tests/clients/python"),
        handler: "app.handler",
        folder: client("awslambdaric-4.2.2"),
        fail_type: "ValueError",
        panic: None,
        broken: Some(("broken.handler", "RuntimeError")),
    }
}

fn nodejs() -> Client {
    Client {
        code: root().join("tests/clients/nodejs"),
        handler: "app.handler",
        folder: client("aws-lambda-ric-3.3.0"),
        fail_type: "TypeError",
        panic: None,
        broken: Some(("broken.handler", "Error")),
    }
}

fn rust() -> Client {
    let folder = client("lambda_runtime-1.5.0");
    let fail_type = "&alloc::boxed::Box<dyn core::error::Error + core::marker::Send + core::marker::Sync>";
    let panic = Some(("&alloc::boxed::Box<dyn core::any::Any + core::marker::Send>", true));
    Client { code: folder.join("code"), handler: "bootstrap", folder, fail_type, panic, broken: None }
}

fn go() -> Client {
    let folder = client("aws-lambda-go-1.55.1");
    Client {
        code: folder.join("code"),
        handler: "bootstrap",
        folder,
        fail_type: "errorString",
        panic: Some(("string", false)),
        broken: None,
    }
}

fn java() -> Client {
    Client {
        code: root().join("tests/clients/java"),
        handler: "App::handleRequest",
        folder: client("aws-lambda-java-2.10.1"),
        fail_type: "java.lang.IllegalStateException",
        panic: Some(("java.lang.StackOverflowError", false)),
        broken: Some(("Broken::handleRequest", "java.lang.IllegalStateException")),
    }
}

async fn start(client: &Client, handler: &'static str) -> Host {
    let environment = [("CLIENT".to_owned(), client.folder.to_str().unwrap().to_owned())].into();
    let setup = Setup {
        handler,
        environment,
        code: Some(client.code.clone()),
        timeout: Duration::from_secs(40),
        ..Setup::provided("")
    };
    setup.start().await
}

async fn check(client: Client) {
    let host = start(&client, client.handler).await;
    let call = |event: Value| {
        let host = &host;
        async move { host.answer(&event.to_string()).await }
    };

    // UTF-8 both ways, and the context.
    let reply = host.invoke(&json!({"text": "é 😀"}).to_string()).await;
    let answer = payload(&reply);
    assert_eq!(
        (&answer["text"], &answer["request_id"]),
        (&json!("é 😀"), &json!(reply.request_id)),
        "{answer}"
    );
    let process = answer["pid"].clone();

    // One environment for many events, over the connections it keeps.
    for n in 0..20 {
        let answer = call(json!({"text": n.to_string()})).await;
        assert_eq!((&answer["text"], &answer["pid"]), (&json!(n.to_string()), &process));
    }

    // An event at the limit.
    let empty = json!({"filler": ""}).to_string().len();
    let filler = "x".repeat(6_291_456 - empty);
    let answer = call(json!({ "filler": filler })).await;
    assert_eq!((&answer["n_bytes"], &answer["pid"]), (&json!(filler.len()), &process));

    // A handler that fails leaves the environment warm.
    let error = host.error(r#"{"do": "fail"}"#).await;
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!(client.fail_type), &json!("boom é")));
    assert_eq!(call(json!({"text": "again"})).await["pid"], process);

    if let Some((kind, survives)) = client.panic {
        let error = host.error(r#"{"do": "panic"}"#).await;
        assert_eq!(error["errorType"], kind, "{error}");
        assert!(error["errorMessage"].as_str().unwrap().contains("all is lost"), "{error}");
        assert_eq!(call(json!({"text": "again"})).await["pid"] == process, survives);
    }

    // A process that ends.
    let error = host.error(r#"{"do": "exit"}"#).await;
    assert_eq!(error["errorType"], "Runtime.ExitError");
    assert!(
        error["errorMessage"].as_str().unwrap().ends_with("Runtime exited with error: exit status 3"),
        "{error}"
    );
    assert_ne!(call(json!({"text": "again"})).await["pid"], process);
    host.stop().await;

    if let Some((handler, kind)) = client.broken {
        let host = start(&client, handler).await;
        let error = host.error("{}").await;
        assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!(kind), &json!("no start")));
        host.stop().await;
    }
}

#[tokio::test]
async fn awslambdaric_works_unchanged() {
    check(python()).await;
}

#[tokio::test]
async fn aws_lambda_ric_works_unchanged() {
    check(nodejs()).await;
}

#[tokio::test]
async fn lambda_runtime_works_unchanged() {
    check(rust()).await;
}

#[tokio::test]
async fn aws_lambda_go_works_unchanged() {
    check(go()).await;
}

#[tokio::test]
async fn aws_lambda_java_works_unchanged() {
    check(java()).await;
}

#[tokio::test]
async fn the_classes_of_aws_lambda_java_events_read_a_batch_of_a_queue_and_name_what_failed() {
    let message = |id: &str, body: &str| {
        json!({
            "messageId": id, "receiptHandle": "r", "body": body, "md5OfBody": "x", "eventSource": "aws:sqs", "awsRegion": "eu-north-1",
            "attributes": {"ApproximateReceiveCount": "2", "SentTimestamp": "1760000000000"}, "eventSourceARN": "arn:aws:sqs:eu-north-1:1:orders",
            "messageAttributes": {"kind": {"stringValue": "order", "stringListValues": [], "binaryListValues": [], "dataType": "String"}},
        })
    };
    let host = start(&java(), "Queue::handleRequest").await;
    let answer =
        host.answer(&json!({"Records": [message("m-1", "good é"), message("m-2", "bad")]}).to_string()).await;
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "m-2"}]}));
    host.lines.starting("message m-2 bad arn:aws:sqs:eu-north-1:1:orders 2 order").await;
    host.stop().await;
}

#[tokio::test]
async fn the_classes_of_aws_lambda_java_events_read_a_batch_of_a_stream_and_name_what_failed() {
    let record = |number: &str, data: &str| {
        json!({
            "kinesis": {
                "kinesisSchemaVersion": "1.0", "partitionKey": "key", "sequenceNumber": number, "data": data,
                "approximateArrivalTimestamp": 1_760_000_000.5,
            },
            "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": format!("shardId-000000000000:{number}"),
            "eventName": "aws:kinesis:record", "invokeIdentityArn": "arn:aws:iam::1:role/r", "awsRegion": "eu-north-1",
            "eventSourceARN": "arn:aws:kinesis:eu-north-1:1:stream/s",
        })
    };
    let host = start(&java(), "Stream::handleRequest").await;
    // In base64: good, bad.
    let answer =
        host.answer(&json!({"Records": [record("41", "Z29vZA=="), record("42", "YmFk")]}).to_string()).await;
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "42"}]}));
    host.lines.starting("record 42 bad key 1760000000500").await;
    host.stop().await;
}
