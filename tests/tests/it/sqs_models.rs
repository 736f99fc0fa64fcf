//! The strict model of SQS against ElasticMQ: random scripts get the same answers from both, but where
//! ElasticMQ is known to differ from AWS.

use std::collections::{BTreeMap, BTreeSet};

use forebay_tests::elasticmq::ElasticMq;
use forebay_tests::strict_sqs::StrictSqs;
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::model_answers::ModelAnswer;
use crate::scene::is_long;

const STEPS: usize = 40;

/// What ElasticMQ does otherwise than AWS. Scripts keep off these places; the second test holds the list
/// true.
///
/// | Place | ElasticMQ 1.7.1 | AWS, and the model |
/// |---|---|---|
/// | a batch without entries | done | `EmptyBatchRequest` |
/// | `VisibilityTimeout` above 43,200 | done | `InvalidParameterValue` |
/// | deleting what was deleted | `ReceiptHandleIsInvalid` | done |
/// | deleting by an older receipt of a standard queue | `ReceiptHandleIsInvalid` | done, and the message stays |
/// | hiding what was deleted | `ReceiptHandleIsInvalid` | `InvalidParameterValue` |
/// | a group's first message shown while its second is in flight | given | held back |
///
/// What is out of its range has code `InvalidAttributeValue` there and `InvalidParameterValue` here: only the
/// status is compared. A dead letter has a new deduplication id there. Not checked, for ElasticMQ cannot do
/// it: permissions, throttling, `OverLimit`, damaged answers, partial failures by the server's fault,
/// messages handed out twice. Error codes are compared without their namespace, sequence numbers and senders
/// not at all.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("empty batch", "200", "400 EmptyBatchRequest"),
    ("too long", "200", "400 InvalidParameterValue"),
    ("deleted twice", "400 ReceiptHandleIsInvalid", "200"),
    ("deleted by an older receipt", "400 ReceiptHandleIsInvalid", "200"),
    ("hidden after delete", "400 ReceiptHandleIsInvalid", "400 InvalidParameterValue"),
    ("first of a group while its second is in flight", "1 messages", "0 messages"),
];

#[test]
fn random_scripts_get_the_same_answers_from_the_model_and_from_elasticmq() {
    let n_scripts = if is_long() { 200 } else { 20 };
    let (strict, elastic) = (StrictSqs::start(), ElasticMq::start());
    let (mut n_received, mut n_dead, mut n_refused) = (0, 0, 0);
    for seed in 1..=n_scripts {
        let mut script = Script::new(&strict, &elastic, seed);
        for _ in 0..STEPS {
            script.step();
        }
        if seed % 5 == 0 {
            script.lapse();
        }
        script.finish();
        n_received += script.n_received;
        n_dead += script.n_dead;
        n_refused += script.n_refused;
    }
    // The scripts do what they are for.
    assert!(
        n_received > n_scripts * 10 && n_dead > n_scripts / 4 && n_refused > n_scripts,
        "{n_received} {n_dead} {n_refused}"
    );
}

#[test]
fn elasticmq_differs_from_aws_where_the_list_says_so() {
    let (strict, elastic) = (StrictSqs::start(), ElasticMq::start());
    let both = Both { strict: &strict, elastic: &elastic };
    both.create("differences", &json!({}));
    let mut found = BTreeMap::new();
    let mut note = |place: &str, answers: [ModelAnswer; 2]| {
        let [strict, elastic] = answers.map(|it| it.shown());
        found.insert(place.to_owned(), (elastic, strict));
    };
    note("empty batch", both.call("DeleteMessageBatch", "differences", |_| json!({ "Entries": [] })));
    let receive = |hidden: u64| {
        both.call("SendMessage", "differences", |_| json!({ "MessageBody": "a" }));
        let answers = both.call("ReceiveMessage", "differences", |_| json!({ "VisibilityTimeout": hidden }));
        answers
            .map(|it| it.value["Messages"][0]["ReceiptHandle"].as_str().expect("a message came").to_owned())
    };
    let first = receive(30);
    let by = |handles: &[String; 2], more: &Value| {
        let handles = handles.clone();
        let more = more.clone();
        move |side: usize| {
            let mut body = more.clone();
            body["ReceiptHandle"] = json!(handles[side]);
            body
        }
    };
    note(
        "too long",
        both.call(
            "ChangeMessageVisibility",
            "differences",
            by(&first, &json!({ "VisibilityTimeout": 43_201 })),
        ),
    );
    both.call("DeleteMessage", "differences", by(&first, &json!({})));
    note("deleted twice", both.call("DeleteMessage", "differences", by(&first, &json!({}))));
    note(
        "hidden after delete",
        both.call("ChangeMessageVisibility", "differences", by(&first, &json!({ "VisibilityTimeout": 1 }))),
    );
    let older = receive(0);
    both.call("ReceiveMessage", "differences", |_| json!({ "VisibilityTimeout": 30 }));
    note("deleted by an older receipt", both.call("DeleteMessage", "differences", by(&older, &json!({}))));
    both.create("differences.fifo", &json!({ "FifoQueue": "true" }));
    for body in ["a", "b"] {
        let message = json!({ "MessageBody": body, "MessageGroupId": "g", "MessageDeduplicationId": body });
        both.call("SendMessage", "differences.fifo", |_| message.clone());
    }
    let two = both.call(
        "ReceiveMessage",
        "differences.fifo",
        |_| json!({ "MaxNumberOfMessages": 2, "VisibilityTimeout": 30 }),
    );
    let firsts = two.map(|it| it.value["Messages"][0]["ReceiptHandle"].clone());
    both.call(
        "ChangeMessageVisibility",
        "differences.fifo",
        |side| json!({ "ReceiptHandle": firsts[side], "VisibilityTimeout": 0 }),
    );
    let [strict, elastic] = both
        .call("ReceiveMessage", "differences.fifo", |_| json!({ "MaxNumberOfMessages": 2 }))
        .map(|it| format!("{} messages", it.value["Messages"].as_array().map_or(0, Vec::len)));
    found.insert("first of a group while its second is in flight".to_owned(), (elastic, strict));
    let expected = DIFFERENCES
        .iter()
        .map(|(place, elastic, strict)| ((*place).to_owned(), ((*elastic).to_owned(), (*strict).to_owned())));
    assert_eq!(found, expected.collect::<BTreeMap<_, _>>());
}

/// Both servers, called alike: the model first.
struct Both<'a> {
    strict: &'a StrictSqs,
    elastic: &'a ElasticMq,
}

impl Both<'_> {
    fn create(&self, name: &str, attributes: &Value) {
        let body = json!({ "QueueName": name, "Attributes": attributes });
        let answers =
            [self.strict.try_call("CreateQueue", &body), self.elastic.try_call("CreateQueue", &body)];
        assert!(answers.iter().flatten().filter(|(status, _)| *status == 200).count() == 2, "{answers:?}");
    }

    fn call(&self, action: &str, queue: &str, body: impl Fn(usize) -> Value) -> [ModelAnswer; 2] {
        let ask = |side: usize| {
            let mut body = body(side);
            body["QueueUrl"] = json!(if side == 0 {
                self.strict.url(queue)
            } else {
                format!("{}/000000000000/{queue}", self.elastic.endpoint())
            });
            let answer = if side == 0 {
                self.strict.try_call(action, &body)
            } else {
                self.elastic.try_call(action, &body)
            };
            let side = ["the model", "ElasticMQ"][side];
            ModelAnswer::of(answer.unwrap_or_else(|| panic!("no answer to {action} from {side}")))
        };
        [ask(0), ask(1)]
    }
}

/// A queue pair with its dead-letter queue, and what a script holds of it.
struct Script<'a> {
    both: Both<'a>,
    seed: u64,
    draw: u64,
    queue: String,
    is_fifo: bool,
    n_sent: u64,
    /// Receipts of messages in flight, by body.
    held: BTreeMap<String, [String; 2]>,
    n_waiting: usize,
    n_received: u64,
    n_dead: u64,
    n_refused: u64,
    log: Vec<String>,
}

impl<'a> Script<'a> {
    fn new(strict: &'a StrictSqs, elastic: &'a ElasticMq, seed: u64) -> Self {
        let both = Both { strict, elastic };
        let is_fifo = seed.is_multiple_of(2);
        let (queue, dead) = if is_fifo {
            (format!("q{seed}.fifo"), format!("d{seed}.fifo"))
        } else {
            (format!("q{seed}"), format!("d{seed}"))
        };
        let policy = json!({ "deadLetterTargetArn": format!("arn:aws:sqs:us-east-1:000000000000:{dead}"), "maxReceiveCount": 3 });
        let mut attributes = json!({ "VisibilityTimeout": "300", "RedrivePolicy": policy.to_string() });
        let mut of_dead = json!({});
        if is_fifo {
            attributes["FifoQueue"] = json!("true");
            of_dead["FifoQueue"] = json!("true");
        }
        both.create(&dead, &of_dead);
        both.create(&queue, &attributes);
        let (held, log) = (BTreeMap::new(), Vec::new());
        Self {
            both,
            seed,
            draw: seed,
            queue,
            is_fifo,
            n_sent: 0,
            held,
            n_waiting: 0,
            n_received: 0,
            n_dead: 0,
            n_refused: 0,
            log,
        }
    }

    fn below(&mut self, n: u64) -> u64 {
        // SplitMix64: every seed is a good one.
        self.draw = self.draw.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.draw;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (it ^ (it >> 31)) % n
    }

    fn step(&mut self) {
        match self.below(10) {
            0..=2 if self.n_waiting < 10 => self.send(),
            3..=5 => self.receive(300),
            6 => self.receive(0),
            7 => self.settle("DeleteMessage"),
            8 => self.settle("ChangeMessageVisibility"),
            _ => self.wrong(),
        }
    }

    fn send(&mut self) {
        let room = 10 - self.n_waiting as u64;
        let n = 1 + self.below(room.min(4));
        let entries: Vec<Value> = (0..n).map(|idx| self.entry(idx)).collect();
        let answers = self.call("SendMessageBatch", move |_| json!({ "Entries": entries }));
        let seen = |it: &ModelAnswer| {
            let digests = |it: &Value| {
                (it["Id"].clone(), it["MD5OfMessageBody"].clone(), it["MD5OfMessageAttributes"].clone())
            };
            it.value["Successful"].as_array().map(|it| it.iter().map(digests).collect::<Vec<_>>())
        };
        assert_eq!(seen(&answers[0]), seen(&answers[1]), "{}", self.told());
        self.n_waiting += usize::try_from(n).expect("it is small");
    }

    fn entry(&mut self, idx: u64) -> Value {
        self.n_sent += 1;
        let body = format!("body {} \u{20ac}", self.n_sent);
        let mut entry = json!({ "Id": idx.to_string(), "MessageBody": body });
        if self.is_fifo {
            entry["MessageGroupId"] = json!(format!("g{}", self.below(3)));
            entry["MessageDeduplicationId"] = json!(self.n_sent.to_string());
        }
        if self.below(3) == 0 {
            entry["MessageAttributes"] = json!({
                "Title": { "DataType": "String", "StringValue": "The Whistler" },
                "N": { "DataType": "Number", "StringValue": self.n_sent.to_string() },
                "Bytes": { "DataType": "Binary.x", "BinaryValue": "/9g=" },
            });
        }
        entry
    }

    fn receive(&mut self, visibility: u64) {
        let queue = self.queue.clone();
        let messages = self.receive_from(&queue, visibility);
        self.n_received += messages.len() as u64;
        if visibility > 0 {
            self.held.extend(messages);
        }
    }

    /// Receives all that is there, compares it, and gives the receipts by body.
    fn receive_from(&mut self, queue: &str, visibility: u64) -> BTreeMap<String, [String; 2]> {
        let ask = json!({ "MaxNumberOfMessages": 10, "VisibilityTimeout": visibility, "MessageSystemAttributeNames": ["All"],
                          "MessageAttributeNames": ["All"] });
        self.log.push(format!("ReceiveMessage {visibility} of {queue}"));
        let answers = self.both.call("ReceiveMessage", queue, move |_| ask.clone());
        let seen = answers.each_ref().map(|it| {
            let mut messages: Vec<Vec<String>> =
                it.value["Messages"].as_array().into_iter().flatten().map(facts).collect();
            if !self.is_fifo {
                messages.sort();
            }
            // Groups have no order among each other.
            messages.sort_by_key(|it| it[0].clone());
            messages
        });
        assert_eq!((answers[0].status, &seen[0]), (answers[1].status, &seen[1]), "{}", self.told());
        let receipts = answers.map(|it| {
            let text = |it: &Value, name: &str| it[name].as_str().unwrap_or_default().to_owned();
            let pair = |it: &Value| (text(it, "Body"), text(it, "ReceiptHandle"));
            it.value["Messages"].as_array().into_iter().flatten().map(pair).collect::<BTreeMap<_, _>>()
        });
        let [strict, elastic] = receipts;
        strict
            .into_iter()
            .zip(elastic)
            .map(|((body, strict), (_, elastic))| (body, [strict, elastic]))
            .collect()
    }

    /// Settles one message, or all that are held in one batch, now and then with a receipt that is none.
    fn settle(&mut self, action: &str) {
        let is_delete = action == "DeleteMessage";
        let visibility = if self.below(2) == 0 { 0 } else { 600 };
        // Whoever shows one message of a group and holds another meets a difference.
        let only_all = !is_delete && visibility == 0 && self.is_fifo;
        let n = if !only_all && self.below(2) == 0 { 1 } else { self.held.len() };
        let chosen: Vec<String> = self.held.keys().take(n).cloned().collect();
        if chosen.is_empty() {
            return;
        }
        let mut handles: Vec<[String; 2]> = chosen.iter().map(|body| self.held[body].clone()).collect();
        if handles.len() < 10 && self.below(4) == 0 {
            handles.push(["nonsense".to_owned(), "nonsense".to_owned()]);
        }
        let answers = self.call(&format!("{action}Batch"), move |side| {
            let entry = |(idx, handles): (usize, &[String; 2])| {
                let mut entry = json!({ "Id": idx.to_string(), "ReceiptHandle": handles[side] });
                if !is_delete {
                    entry["VisibilityTimeout"] = json!(visibility);
                }
                entry
            };
            json!({ "Entries": handles.iter().enumerate().map(entry).collect::<Vec<_>>() })
        });
        let seen = answers.map(|it| {
            let ids = |name: &str| -> BTreeSet<String> {
                let entries = it.value[name].as_array().into_iter().flatten();
                entries.map(|it| format!("{} {}", it["Id"], it["Code"])).collect()
            };
            (ids("Successful"), ids("Failed"))
        });
        assert_eq!(seen[0], seen[1], "{}", self.told());
        if is_delete {
            self.n_waiting -= chosen.len();
        }
        if is_delete || visibility == 0 {
            self.held.retain(|body, _| !chosen.contains(body));
        }
    }

    /// A call that both refuse alike.
    fn wrong(&mut self) {
        let eleven: Vec<Value> =
            (0..11).map(|idx| json!({ "Id": idx.to_string(), "ReceiptHandle": "x" })).collect();
        let twice: Vec<Value> = (0..2).map(|_| json!({ "Id": "same", "ReceiptHandle": "x" })).collect();
        let (action, body) = match self.below(20) {
            0..=3 => ("ReceiveMessage", json!({ "MaxNumberOfMessages": 11 })),
            4..=6 => ("ReceiveMessage", json!({ "WaitTimeSeconds": 21 })),
            7..=9 => ("DeleteMessageBatch", json!({ "Entries": eleven })),
            10..=12 => ("DeleteMessageBatch", json!({ "Entries": twice })),
            13..=15 => ("DeleteMessage", json!({ "ReceiptHandle": "nonsense" })),
            16 => (
                "SendMessage",
                json!({ "MessageBody": "x".repeat((1 << 20) + 1), "MessageGroupId": "g", "MessageDeduplicationId": "d" }),
            ),
            _ => (
                "SendMessage",
                json!({ "MessageBody": "late", "DelaySeconds": 901, "MessageGroupId": "g", "MessageDeduplicationId": "d" }),
            ),
        };
        let answers = self.both.call(action, &self.queue, |_| body.clone());
        self.n_refused += 1;
        self.log.push(format!("wrong {action} {}", answers[0].shown()));
        assert_eq!(answers[0].status, 400, "{}", self.told());
        assert_eq!(answers[1].status, 400, "{}", self.told());
        if action == "DeleteMessageBatch" || action == "DeleteMessage" {
            assert_eq!(answers[0].shown(), answers[1].shown(), "{}", self.told());
        }
    }

    /// Everything that is hidden becomes visible by time alone.
    fn lapse(&mut self) {
        let held: Vec<[String; 2]> = self.held.values().cloned().collect();
        if held.is_empty() {
            return;
        }
        self.call("ChangeMessageVisibilityBatch", move |side| {
            let entry =
                |(idx, it): (usize, &[String; 2])| json!({ "Id": idx.to_string(), "ReceiptHandle": it[side], "VisibilityTimeout": 1 });
            json!({ "Entries": held.iter().enumerate().map(entry).collect::<Vec<_>>() })
        });
        self.held.clear();
        let names = json!({ "AttributeNames": ["ApproximateNumberOfMessagesNotVisible"] });
        wait::until("all to lapse", || {
            let answers = self.both.call("GetQueueAttributes", &self.queue, |_| names.clone());
            answers
                .iter()
                .all(|it| it.value["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "0")
                .then_some(())
        });
    }

    /// What is left, and what went to the dead-letter queue, is the same.
    fn finish(&mut self) {
        for _ in 0..4 {
            self.receive(0);
        }
        let dead = self.queue.replacen('q', "d", 1);
        self.n_dead = self.receive_from(&dead, 0).len() as u64;
        let names = json!({ "AttributeNames": ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] });
        let [strict, elastic] =
            self.call("GetQueueAttributes", move |_| names.clone()).map(|it| it.value["Attributes"].clone());
        assert_eq!(strict, elastic, "{}", self.told());
    }

    fn call(&mut self, action: &str, body: impl Fn(usize) -> Value) -> [ModelAnswer; 2] {
        self.log.push(format!("{action} {}", body(0)));
        let answers = self.both.call(action, &self.queue, body);
        assert_eq!(
            (answers[0].status, answers[1].status),
            (200, 200),
            "{} {} {}",
            answers[0].value,
            answers[1].value,
            self.told()
        );
        answers
    }

    fn told(&self) -> String {
        format!("seed {}, after:\n{}", self.seed, self.log.join("\n"))
    }
}

/// All of a message that both must say alike: its group first.
fn facts(message: &Value) -> Vec<String> {
    let system = |name: &str| message["Attributes"][name].to_string();
    let mut attributes: Vec<String> = message["MessageAttributes"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, it)| format!("{name} {} {} {}", it["DataType"], it["StringValue"], it["BinaryValue"]))
        .collect();
    attributes.sort();
    let source = system("DeadLetterQueueSourceArn");
    vec![
        system("MessageGroupId"),
        message["Body"].to_string(),
        message["MD5OfBody"].to_string(),
        message["MD5OfMessageAttributes"].to_string(),
        system("ApproximateReceiveCount"),
        if source == "null" { system("MessageDeduplicationId") } else { String::new() },
        source,
        attributes.concat(),
    ]
}
