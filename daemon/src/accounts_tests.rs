//! Every place of a config where a thing of another account may be named: refused where nothing is written of that
//! account, else called with what is.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use forebay_batcher::UnixMillis;
use forebay_clients::{Aws, Clients};
use forebay_config::Format;
use forebay_invoker::destinations::BrokerProducers;
use forebay_invoker::destinations::file::FileDestinations;
use forebay_invoker::executor::Event;
use forebay_invoker::{FailureRecord, Gate};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::compiled::{self, CompiledConfig};
use crate::config_files::Loaded;
use crate::destinations::Destinations;
use crate::functions;

use super::*;

const THEIRS: &str = "222222222222";
const LAMBDA: &str = "arn:aws:lambda:us-west-2:222222222222:function:g";

/// Where a thing of [`THEIRS`] is named; what the mapping says, or the function `g` of Lambda; and its region.
fn places() -> Vec<(&'static str, Value, &'static str)> {
    let source = |it: Value| ("source", json!({ "source": it }), "us-west-2");
    let function = |name: &str, region| ("function_name", json!({ "function_name": name }), region);
    let target = |it: Value| {
        ("destination_config.on_failure", json!({ "destination_config": { "on_failure": it } }), "us-west-2")
    };
    let listed = |lambda: Value, region| ("functions.g.executor.lambda.function_name", lambda, region);
    let kinesis = |resource: &str| {
        let stream = format!("arn:aws:kinesis:us-west-2:{THEIRS}:{resource}");
        let mut place = source(json!({ "kinesis": { "stream": stream } }));
        place.1["starting_position"] = json!("LATEST");
        place
    };
    let dynamodb = |resource: &str| {
        let table = format!("arn:aws:dynamodb:us-west-2:{THEIRS}:{resource}");
        let mut place = source(json!({ "dynamodb": { "table": table } }));
        place.1["starting_position"] = json!("LATEST");
        place
    };
    let url = format!("https://sqs.us-west-2.amazonaws.com/{THEIRS}/q");
    let arn = |service: &str| format!("arn:aws:{service}:us-west-2:{THEIRS}:x");
    let bus = format!("arn:aws:events:us-west-2:{THEIRS}:event-bus/x");
    vec![
        kinesis("stream/s"),
        kinesis("stream/s/consumer/c:1"),
        dynamodb("table/table"),
        dynamodb("table/table/stream/2026-01-01T00:00:00.000"),
        source(json!({ "sqs": { "queue_url": url } })),
        source(json!({ "sqs": { "queue": "q", "aws": { "account_id": THEIRS, "region": "us-west-2" } } })),
        function(LAMBDA, "us-west-2"),
        function(&format!("{LAMBDA}:live"), "us-west-2"),
        function(&format!("{THEIRS}:function:g"), "eu-west-1"),
        listed(json!({ "function_name": LAMBDA }), "us-west-2"),
        listed(json!({ "function_name": "g", "aws": { "account_id": THEIRS } }), "eu-west-1"),
        target(json!({ "destination_arn": arn("sqs") })),
        target(json!({ "destination_arn": arn("sns") })),
        target(json!({ "sqs": { "queue_url": url } })),
        target(json!({ "sns": { "topic_arn": arn("sns") } })),
        target(json!({ "destination_arn": bus })),
        target(json!({ "event_bus": { "bus": bus } })),
        target(json!({ "function": { "function_name": LAMBDA } })),
    ]
}

/// A config of account `111111111111` with one mapping.
fn compiled(aws: &Value, path: &str, place: &Value) -> Result<CompiledConfig, Vec<Finding>> {
    let mut shared = json!({
        "region": "eu-west-1", "account_id": "111111111111", "access_key_id": "OURS", "secret_access_key": "s"
    });
    shared.as_object_mut().unwrap().extend(aws.as_object().unwrap().clone());
    let mut mapping = json!({ "name": "m", "function_name": "g", "source": { "sqs": { "queue": "ours" } } });
    let executor = if path.starts_with("functions") {
        json!({ "lambda": place })
    } else {
        mapping.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
        json!({ "http": { "url": "http://127.0.0.1:1/" } })
    };
    let functions = json!({ "g": { "executor": executor } });
    let config = json!({ "aws": shared, "functions": functions, "event_source_mappings": [mapping] });
    let loaded = Loaded::of_text("compiled.json", &config.to_string(), Format::Json);
    compiled::compile(loaded.check()?, &loaded)
}

#[test]
fn a_thing_of_an_account_that_is_not_known_is_refused_wherever_it_is_named() {
    for (path, place, region) in places() {
        let told = |aws: &Value| match compiled(aws, path, &place) {
            Ok(_) => Vec::new(),
            Err(findings) => {
                findings.into_iter().map(|it| format!("{} {}: {}", it.code.0, it.path, it.message)).collect()
            }
        };
        let expected =
            format!("FB-0369 {path}: account `{THEIRS}` is not known: `aws.account_id` is `111111111111`");
        assert_eq!(told(&json!({})), [expected], "{place}");
        let expected = format!(
            "FB-0369 {path}: account `{THEIRS}` is not known in region `{region}`: `aws.account_id` is `111111111111`"
        );
        let elsewhere = format!("{THEIRS}/ap-south-1");
        assert_eq!(told(&json!({ "accounts": { elsewhere: {} } })), [expected], "{place}");
        let there = format!("{THEIRS}/{region}");
        for accounts in [json!({ THEIRS: {} }), json!({ there: {} })] {
            assert_eq!(told(&json!({ "accounts": accounts })), Vec::<String>::new(), "{place}");
        }
    }
}

/// A server that refuses everything, and who called it: key and region of each signature.
async fn server() -> (String, Arc<Mutex<Vec<(String, String)>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let callers = Arc::<Mutex<Vec<_>>>::default();
    let seen = Arc::clone(&callers);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.windows(4).any(|it| it == b"\r\n\r\n") {
                assert_ne!(stream.read_buf(&mut request).await.unwrap(), 0);
            }
            let head = String::from_utf8_lossy(&request);
            let (_, scope) = head.split_once("Credential=").expect("it is signed");
            let mut scope = scope.split('/').map(str::to_owned);
            let (key, region) = (scope.next().unwrap(), scope.nth(1).unwrap());
            seen.lock().unwrap().push((key, region));
            let body = r#"{"__type":"ValidationException","message":"no"}"#;
            let answer = format!(
                "HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (endpoint, callers)
}

/// Calls what a mapping names.
async fn call(path: &str, compiled: &CompiledConfig) {
    let aws = Aws::new(&compiled.settings.aws, |_| None);
    let clients = Clients { aws, ..Clients::default() };
    let mapping = &compiled.mappings[0];
    let functions = functions::build(compiled.functions.values(), &clients).await.unwrap();
    match path {
        "source" => assert!(mapping.source.connect(&clients).await.is_err()),
        it if it.ends_with("function_name") => {
            let executor = &functions[&mapping.mapping.function].executor;
            assert!(
                executor
                    .invoke(Event { pieces: vec![Bytes::from_static(b"{}")], hand_off: None })
                    .await
                    .is_err()
            );
        }
        _ => {
            let (files, producers, gate) =
                (FileDestinations::new(), BrokerProducers::default(), Gate::new(1));
            functions.iter().for_each(|(name, it)| gate.renew(name, it.n_slots, it.function.rate));
            let destinations = Destinations {
                files: &files,
                producers: &producers,
                clients: &clients,
                functions: &functions,
                gate: &gate,
            };
            let target = &mapping.mapping.on_failure.as_ref().unwrap().target;
            let destination = destinations.build("m", target, None).await.unwrap();
            let json = Bytes::from_static(b"{}");
            let record = FailureRecord {
                json,
                original_key: None,
                headers: Vec::new(),
                shard: None,
                at: UnixMillis(0),
            };
            assert!(destination.deliver(record).await.is_err());
        }
    }
    functions::scrap(&functions).await;
}

#[tokio::test]
async fn a_thing_of_another_account_is_called_as_is_written_of_it_wherever_it_is_named() {
    let (endpoint, callers) = server().await;
    let key = |id: &str| json!({ "access_key_id": id, "secret_access_key": "s" });
    let there = format!("{THEIRS}/us-west-2");
    let aws = json!({ "endpoint": endpoint, "accounts": { THEIRS: key("THEIRS"), there: key("THERE") } });
    for (path, place, region) in places() {
        call(path, &compiled(&aws, path, &place).unwrap()).await;
        let expected = if region == "us-west-2" { "THERE" } else { "THEIRS" };
        let called: Vec<_> = std::mem::take(&mut *callers.lock().unwrap());
        assert!(!called.is_empty(), "{place}");
        for it in called {
            assert_eq!(it, (expected.to_owned(), region.to_owned()), "{place}");
        }
    }
}
