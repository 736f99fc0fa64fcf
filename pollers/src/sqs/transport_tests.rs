//! Both transports beside each other: whatever a server answers, drawn from a seed, they ask alike and tell
//! alike.

use std::sync::Arc;
use std::time::Duration;

use forebay_clients::Transport;
use forebay_config::QueueUrl;
use forebay_config::destination::SQS;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::client::{Ask, Sqs};
use super::error::SqsError;
use super::settings::Which;
use super::transport::connect;
use crate::played::{self, Dice, Played, assert_none};

struct Both {
    played: Arc<Played>,
    clients: [Arc<dyn Sqs>; 2],
}

impl Both {
    /// The SDK's calls of one region share what they may spend on retries.
    async fn start(region: &str) -> Self {
        let (played, origin) = Played::start().await;
        let which = Which::Url(QueueUrl::parse(&format!("{origin}/000000000000/q")).unwrap());
        let client = async |transport| {
            let access = Played::access(&SQS, &origin, region).await;
            connect(&which, None, access, transport).await.unwrap()
        };
        let clients = [client(Transport::Plain).await, client(Transport::Sdk).await];
        Self { played, clients }
    }

    async fn difference(&self, call: &str, answer: &[u8]) -> Option<String> {
        self.played.play(answer);
        let [plain, sdk] = &self.clients;
        let plain = (outcome(&**plain, call).await, self.played.requests());
        let sdk = (outcome(&**sdk, call).await, self.played.requests());
        played::difference(call, answer, [plain, sdk])
    }
}

const CALLS: [&str; 5] = ["receive", "delete", "hide", "describe", "n_visible"];

/// Results whole, errors by what an operator is told and what the engine does.
async fn outcome(sqs: &dyn Sqs, call: &str) -> String {
    let told = |error: SqsError| match error {
        // The words are those of the code that found it.
        SqsError::Unreachable(_) | SqsError::Refused(_) => format!("{}", error.code()),
        other => format!("{other}"),
    };
    let handles = || (0..3).map(|n| format!("handle \"{n}\" é\n").into()).collect();
    let (wait, visibility) = (Duration::ZERO, Duration::from_secs(30));
    let ask = Ask { records_max: 10, wait, visibility };
    match call {
        "receive" => sqs.receive(ask).await.map_or_else(told, |it| format!("{it:?}")),
        "delete" => sqs.delete(handles()).await.map_or_else(told, |it| format!("{it:?}")),
        "hide" => sqs.hide(handles(), visibility).await.map_or_else(told, |it| format!("{it:?}")),
        "describe" => sqs.describe().await.map_or_else(told, |it| format!("{it:?}")),
        "n_visible" => sqs.n_visible().await.map_or_else(told, |it| format!("{it:?}")),
        _ => unreachable!("{call}"),
    }
}

const CODES: [&str; 11] = [
    "com.amazonaws.sqs#QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
    "AccessDeniedException",
    "ThrottlingException",
    "RequestThrottled",
    "OverLimit",
    "InvalidSignatureException:http://h/",
    "KmsDisabled",
    "InternalError",
    "RequestTimeout",
    "",
];

fn message(dice: &mut Dice, n: u64) -> Value {
    let names = [
        "SenderId",
        "ApproximateReceiveCount",
        "SentTimestamp",
        "MessageGroupId",
        "AWSTraceHeader",
        "New",
        "Odd\n",
    ];
    let mut system = Vec::new();
    for name in names {
        if dice.roll(2) == 0 {
            system.push((name, json!(dice.text())));
        }
    }
    let system = dice.object(system);
    let mut attributes = serde_json::Map::new();
    for n in 0..dice.roll(3) {
        let (text, base64) = (dice.text(), dice.pick(&["", "AA==", "/9g=", "AAEC", "!", "AA", "AB=="]));
        let mut members = vec![("DataType", json!(dice.pick(&["String", "Binary.png", "Number"])))];
        members.push(if dice.roll(2) == 0 {
            ("StringValue", json!(text))
        } else {
            ("BinaryValue", json!(base64))
        });
        let mut value = dice.object(members);
        // Nobody reads them, so nobody needs to see what they are.
        if dice.roll(3) == 0 {
            value["StringListValues"] = json!([]);
            value["BinaryListValues"] = json!([]);
        }
        attributes.insert(format!("a{n}"), value);
    }
    let members = vec![
        ("MessageId", json!(format!("id {n}"))),
        ("ReceiptHandle", json!(format!("handle {}", dice.text()))),
        ("MD5OfBody", json!("0123")),
        ("Body", json!(dice.text())),
        ("Attributes", system),
        ("MD5OfMessageAttributes", json!("4567")),
        ("MessageAttributes", Value::Object(attributes)),
    ];
    dice.object(members)
}

fn body(dice: &mut Dice, call: &str) -> Value {
    match call {
        "receive" => {
            let messages: Vec<Value> = (0..dice.roll(4)).map(|n| message(dice, n)).collect();
            let messages = messages.into_iter().flat_map(|it| dice.member(it)).collect::<Vec<_>>();
            dice.object(vec![("Messages", messages.into())])
        }
        "delete" | "hide" => {
            let ids = ["0", "1", "2", "3", "x", "", "-1", "0"];
            let (mut done, mut failed) = (Vec::new(), Vec::new());
            for _ in 0..dice.roll(5) {
                let id = json!(dice.pick(&ids));
                if dice.roll(2) == 0 {
                    done.push(dice.object(vec![("Id", id)]));
                } else {
                    let code =
                        dice.pick(&["ReceiptHandleIsInvalid", "InternalError", "InvalidParameterValue"]);
                    let message = dice.pick(&["The receipt handle has expired", "x", ""]);
                    let members = vec![("Id", id), ("Code", json!(code)), ("Message", json!(message))];
                    let mut entry = dice.object(members);
                    entry["SenderFault"] = json!(true);
                    failed.push(entry);
                }
            }
            dice.object(vec![("Successful", done.into()), ("Failed", failed.into())])
        }
        _ => {
            let number = dice.pick(&["30", "0", "-1", "x", "99999999999999999999"]);
            let policy = dice.pick(&[r#"{"maxReceiveCount":3}"#, r#"{"maxReceiveCount":"4"}"#, "x", "{}"]);
            let attributes = dice.object(vec![
                ("QueueArn", json!("arn:aws:sqs:r:000000000000:q")),
                ("VisibilityTimeout", json!(number)),
                ("RedrivePolicy", json!(policy)),
                ("ApproximateNumberOfMessages", json!(number)),
            ]);
            dice.object(vec![("Attributes", attributes)])
        }
    }
}

/// So many answers spend less than all that there is for retries.
const SEEDS_TOGETHER: u64 = 20;

#[tokio::test]
async fn both_transports_ask_and_tell_alike_whatever_is_answered() {
    let some = |first: u64| async move {
        let both = Both::start(&format!("seeds-from-{first}")).await;
        let mut differences = Vec::new();
        for seed in first..first + SEEDS_TOGETHER {
            let mut dice = Dice::of(seed);
            let call = dice.pick(&CALLS);
            let body = body(&mut dice, call);
            let answer = dice.answer(&body, &CODES);
            differences.extend(both.difference(call, &answer).await.map(|it| format!("seed {seed}, {it}")));
        }
        differences
    };
    // Most of the time is pauses before retries.
    let differences = join_all((1..=600).step_by(SEEDS_TOGETHER as usize).map(some)).await.concat();
    assert_none(&differences);
}

#[tokio::test]
async fn both_transports_take_what_is_no_http_for_no_answer() {
    let both = Both::start("none").await;
    for answer in
        [&b""[..], b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", b"HTTP/1.1 999"]
    {
        assert_eq!(both.difference("receive", answer).await, None);
    }
}

#[tokio::test]
async fn both_transports_read_ten_messages_of_a_mebibyte() {
    let both = Both::start("large").await;
    let body = "\u{e9}\n".repeat(350_000);
    let message = json!({ "MessageId": "i", "ReceiptHandle": "h", "Body": body });
    let answer = json!({ "Messages": vec![message; 10] }).to_string();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
    assert_eq!(both.difference("receive", answer.as_bytes()).await, None);
}
