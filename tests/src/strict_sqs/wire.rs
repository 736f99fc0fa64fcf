//! AWS JSON to calls of the model and back, as the SDKs speak it; long polls wait here.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_models::sqs::{
    Action, Answered, Ask, Attribute, Attributes, Received, Redrive, Refusal, Sent, Service, Struck, Taken,
};
use md5::{Digest as _, Md5};
use serde_json::{Map, Value, json};

use super::{Call, Shared};
use crate::json_server::Answer;
use crate::loopback::Request;

/// The answer; `None` when it is lost.
pub(super) fn answer(shared: &Shared, request: &Request, is_closed: &dyn Fn() -> bool) -> Option<Answer> {
    let at = shared.now();
    let name = request.target().strip_prefix("AmazonSQS.").unwrap_or_default();
    let Some(action) = Action::named(name) else {
        let refusal =
            Refusal::of("InvalidAction", format!("The action {name} is not valid for this endpoint."));
        return Some(refused(&refusal));
    };
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let queue = name_of(&body);
    let struck = shared.lock().service.faults.strike(action);
    let result = match &struck.refuse {
        Some(refusal) => Err(refusal.clone()),
        None if request.signed_for() != "sqs" => Err(Refusal::bad_signature()),
        None => act(shared, action, &queue, &body, &struck, is_closed),
    };
    shared.changed.notify_all();
    if struck.late > 0 {
        std::thread::park_timeout(Duration::from_millis(struck.late));
    }
    let mut call = Call {
        action,
        queue,
        at,
        request: without_bodies(body),
        status: None,
        refused: None,
        received: Vec::new(),
        failed: Vec::new(),
    };
    let answer = match result {
        Ok(value) => {
            note(&mut call, &value);
            Answer { status: 200, query_error: None, body: value.to_string() }
        }
        Err(refusal) => {
            call.refused = Some(refusal.code.clone());
            refused(&refusal)
        }
    };
    call.status = (!struck.unheard).then_some(answer.status);
    shared.lock().journal.push(call);
    (!struck.unheard).then_some(answer)
}

fn refused(refusal: &Refusal) -> Answer {
    let whose = if refusal.is_senders_fault() { "Sender" } else { "Receiver" };
    let body = json!({ "__type": refusal.kind, "message": refusal.message }).to_string();
    Answer { status: refusal.status, query_error: Some(format!("{};{whose}", refusal.code)), body }
}

fn act(
    shared: &Shared,
    action: Action,
    queue: &str,
    body: &Value,
    struck: &Struck,
    is_closed: &dyn Fn() -> bool,
) -> Result<Value, Refusal> {
    if action == Action::ReceiveMessage {
        return receive(shared, queue, body, struck, is_closed);
    }
    let (mut state, now) = (shared.lock(), shared.now());
    let service = &mut state.service;
    match action {
        Action::CreateQueue => {
            service.create(queue, attributes(&body["Attributes"], Attributes::default())?)?;
            Ok(json!({ "QueueUrl": url(queue) }))
        }
        Action::DeleteQueue => service.delete_queue(queue).map(|()| json!({})),
        Action::PurgeQueue => service.purge(queue).map(|()| json!({})),
        Action::ListQueues => {
            Ok(json!({ "QueueUrls": service.names().iter().map(|it| url(it)).collect::<Vec<_>>() }))
        }
        Action::GetQueueUrl => service.attributes(queue).map(|_| json!({ "QueueUrl": url(queue) })),
        Action::GetQueueAttributes => describe(service, queue, body, now),
        Action::SetQueueAttributes => {
            let before = service.attributes(queue)?.clone();
            service.set_attributes(queue, attributes(&body["Attributes"], before)?).map(|()| json!({}))
        }
        Action::SendMessage => {
            let sent = sent(body)?;
            service.send(queue, sent.clone(), now).map(|it| told(&sent, &it))
        }
        Action::SendMessageBatch => {
            let sents: Vec<(String, Sent)> = entries(body, sent)?;
            let answers = service.send_batch(queue, sents.clone(), struck, now)?;
            Ok(batch(answers, |idx, it| told(&sents[idx].1, &it)))
        }
        Action::DeleteMessage => {
            service.delete(queue, &text(body, "ReceiptHandle")?, now).map(|()| json!({}))
        }
        Action::DeleteMessageBatch => {
            let handles = entries(body, |it| text(it, "ReceiptHandle"))?;
            Ok(batch(service.delete_batch(queue, handles, struck, now)?, |_, ()| json!({})))
        }
        Action::ChangeMessageVisibility => {
            let seconds =
                number(body, "VisibilityTimeout").ok_or_else(|| Refusal::missing("VisibilityTimeout"))?;
            service.hide(queue, &text(body, "ReceiptHandle")?, seconds, now).map(|()| json!({}))
        }
        Action::ChangeMessageVisibilityBatch => {
            let handles = entries(body, |it| {
                Ok((text(it, "ReceiptHandle")?, number(it, "VisibilityTimeout").unwrap_or(0)))
            })?;
            Ok(batch(service.hide_batch(queue, handles, struck, now)?, |_, ()| json!({})))
        }
        Action::ReceiveMessage => unreachable!("it waits, and was answered above"),
    }
}

/// Receives until there is something, the wait is over, or the server ends.
fn receive(
    shared: &Shared,
    queue: &str,
    body: &Value,
    struck: &Struck,
    is_closed: &dyn Fn() -> bool,
) -> Result<Value, Refusal> {
    let ask = Ask {
        n_max: number(body, "MaxNumberOfMessages").unwrap_or(1),
        wait_s: number(body, "WaitTimeSeconds"),
        visibility_s: number(body, "VisibilityTimeout"),
    };
    let mut state = shared.lock();
    let wait_s = ask.wait_s.unwrap_or(state.service.attributes(queue)?.wait_s);
    let until = shared.now() + wait_s * 1_000;
    loop {
        let now = shared.now();
        let mut received = state.service.receive(queue, ask, struck, now)?;
        if !received.is_empty() || now >= until || is_closed() {
            let digests: Vec<(String, Option<String>)> =
                received.iter().map(|it| (of_body(&it.body), of_attributes(&it.attributes))).collect();
            received.iter_mut().take(1).for_each(|it| it.damage(struck));
            let messages: Vec<Value> =
                received.iter().zip(digests).map(|(it, digests)| message(it, body, digests)).collect();
            return Ok(if messages.is_empty() { json!({}) } else { json!({ "Messages": messages }) });
        }
        // Whoever sends or deletes wakes it; what becomes visible by itself is known; a server that ends is
        // looked for now and then.
        let next = state.service.next_visible(queue, now).map_or(until, |it| it.min(until));
        let span = Duration::from_millis((next - now).clamp(1, 200));
        state = shared.changed.wait_timeout(state, span).expect("nothing panics under this lock").0;
    }
}

/// A message as asked for: system and message attributes only when they are named.
fn message(it: &Received, body: &Value, (of_body, of_attributes): (String, Option<String>)) -> Value {
    let asks = |member: &str, name: &str| {
        let names = body[member].as_array();
        names.is_some_and(|names| names.iter().any(|it| it == "All" || it == ".*" || it == name))
    };
    let asks_system = |name: &str| asks("MessageSystemAttributeNames", name) || asks("AttributeNames", name);
    let system: Map<String, Value> = it
        .system
        .iter()
        .filter(|(name, _)| asks_system(name))
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let mut message =
        json!({ "MessageId": it.id, "ReceiptHandle": it.handle, "MD5OfBody": of_body, "Body": it.body });
    if !system.is_empty() {
        message["Attributes"] = Value::Object(system);
    }
    let wanted: Map<String, Value> = it
        .attributes
        .iter()
        .filter(|(name, _)| asks("MessageAttributeNames", name))
        .map(|(name, it)| {
            let mut value = json!({ "DataType": it.data_type });
            if let Some(text) = &it.text {
                value["StringValue"] = json!(text);
            }
            if let Some(binary) = &it.binary {
                value["BinaryValue"] = json!(STANDARD.encode(binary));
            }
            (name.clone(), value)
        })
        .collect();
    if !wanted.is_empty() {
        message["MessageAttributes"] = Value::Object(wanted);
        message["MD5OfMessageAttributes"] = json!(of_attributes.unwrap_or_else(|| "00".repeat(16)));
    }
    message
}

fn describe(service: &mut Service, queue: &str, body: &Value, now: u64) -> Result<Value, Refusal> {
    let (visible, in_flight, delayed) = service.counts(queue, now)?;
    let it = service.attributes(queue)?;
    let mut all = vec![
        ("QueueArn", Service::arn(queue)),
        ("VisibilityTimeout", it.visibility_s.to_string()),
        ("DelaySeconds", it.delay_s.to_string()),
        ("ReceiveMessageWaitTimeSeconds", it.wait_s.to_string()),
        ("MaximumMessageSize", forebay_models::sqs::MESSAGE_BYTES_MAX.to_string()),
        ("ApproximateNumberOfMessages", visible.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", in_flight.to_string()),
        ("ApproximateNumberOfMessagesDelayed", delayed.to_string()),
    ];
    if queue.ends_with(".fifo") {
        all.push(("FifoQueue", "true".to_owned()));
        all.push(("ContentBasedDeduplication", it.content_deduplication.to_string()));
    }
    if let Some(Redrive { queue, receives_max }) = &it.redrive {
        all.push((
            "RedrivePolicy",
            json!({ "deadLetterTargetArn": Service::arn(queue), "maxReceiveCount": receives_max })
                .to_string(),
        ));
    }
    let names = body["AttributeNames"].as_array().cloned().unwrap_or_default();
    let asked = |name: &str| names.iter().any(|it| it == "All" || it == name);
    let some: Map<String, Value> = all
        .into_iter()
        .filter(|(name, _)| asked(name))
        .map(|(name, it)| (name.to_owned(), json!(it)))
        .collect();
    Ok(json!({ "Attributes": some }))
}

fn attributes(written: &Value, mut to: Attributes) -> Result<Attributes, Refusal> {
    for (name, value) in written.as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        let wrong =
            || Refusal::of("InvalidAttributeValue", format!("Invalid value for the parameter {name}."));
        let number = || text.parse::<u64>().map_err(|_| wrong());
        match name.as_str() {
            "VisibilityTimeout" => to.visibility_s = number()?,
            "DelaySeconds" => to.delay_s = number()?,
            "ReceiveMessageWaitTimeSeconds" => to.wait_s = number()?,
            "FifoQueue" if text == "true" => {}
            "ContentBasedDeduplication" => to.content_deduplication = text == "true",
            "RedrivePolicy" => {
                let policy: Value = serde_json::from_str(text).map_err(|_| wrong())?;
                let count = &policy["maxReceiveCount"];
                let count = count.as_u64().or_else(|| count.as_str()?.parse().ok());
                let arn = policy["deadLetterTargetArn"].as_str().and_then(|it| it.rsplit(':').next());
                let (Some(queue), Some(receives_max)) = (arn, count.and_then(|it| u32::try_from(it).ok()))
                else {
                    return Err(wrong());
                };
                to.redrive = Some(Redrive { queue: queue.to_owned(), receives_max });
            }
            _ => return Err(Refusal::of("InvalidAttributeName", format!("Unknown Attribute {name}."))),
        }
    }
    Ok(to)
}

fn sent(entry: &Value) -> Result<Sent, Refusal> {
    let mut attributes = BTreeMap::new();
    for (name, it) in entry["MessageAttributes"].as_object().into_iter().flatten() {
        let binary = it["BinaryValue"].as_str().map(|it| STANDARD.decode(it));
        let binary = binary
            .transpose()
            .map_err(|_| Refusal::of("InvalidParameterValue", format!("{name} is no base64.")))?;
        let text = it["StringValue"].as_str().map(str::to_owned);
        attributes.insert(name.clone(), Attribute { data_type: text_or_empty(it, "DataType"), text, binary });
    }
    let optional = |name: &str| entry[name].as_str().map(str::to_owned);
    Ok(Sent {
        body: text_or_empty(entry, "MessageBody"),
        attributes,
        trace: entry["MessageSystemAttributes"]["AWSTraceHeader"]["StringValue"].as_str().map(str::to_owned),
        group: optional("MessageGroupId"),
        deduplication: optional("MessageDeduplicationId"),
        delay_s: number(entry, "DelaySeconds"),
    })
}

fn told(sent: &Sent, taken: &Taken) -> Value {
    let mut value = json!({ "MessageId": taken.id, "MD5OfMessageBody": of_body(&sent.body) });
    if let Some(md5) = of_attributes(&sent.attributes) {
        value["MD5OfMessageAttributes"] = json!(md5);
    }
    if let Some(sequence) = &taken.sequence {
        value["SequenceNumber"] = json!(sequence);
    }
    value
}

fn entries<T>(
    body: &Value,
    read: impl Fn(&Value) -> Result<T, Refusal>,
) -> Result<Vec<(String, T)>, Refusal> {
    body["Entries"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| Ok((text_or_empty(it, "Id"), read(it)?)))
        .collect()
}

fn batch<A>(answers: Vec<Answered<A>>, show: impl Fn(usize, A) -> Value) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (idx, Answered { id, answer }) in answers.into_iter().enumerate() {
        match answer {
            Ok(it) => {
                let mut value = show(idx, it);
                value["Id"] = json!(id);
                successful.push(value);
            }
            Err(it) => {
                failed.push(json!({ "Id": id, "SenderFault": it.is_senders_fault(), "Code": it.code, "Message": it.message }));
            }
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}

fn name_of(body: &Value) -> String {
    let url = body["QueueUrl"].as_str().and_then(|it| it.rsplit('/').next());
    url.or_else(|| body["QueueName"].as_str()).unwrap_or_default().to_owned()
}

/// A server behind a moving port gives URLs without one; calls go to the endpoint.
fn url(queue: &str) -> String {
    format!("http://sqs.us-east-1.localhost/000000000000/{queue}")
}

fn text(body: &Value, name: &str) -> Result<String, Refusal> {
    body[name].as_str().map(str::to_owned).ok_or_else(|| Refusal::missing(name))
}

fn text_or_empty(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

fn number(body: &Value, name: &str) -> Option<u64> {
    // What is negative is out of every range.
    body[name].as_i64().map(|it| u64::try_from(it).unwrap_or(u64::MAX))
}

fn without_bodies(mut body: Value) -> Value {
    if let Some(object) = body.as_object_mut() {
        object.remove("MessageBody");
    }
    for entry in body["Entries"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        entry.remove("MessageBody");
    }
    body
}

fn note(call: &mut Call, answer: &Value) {
    let text = |it: &Value, name: &str| text_or_empty(it, name);
    for it in answer["Messages"].as_array().into_iter().flatten() {
        let count =
            it["Attributes"]["ApproximateReceiveCount"].as_str().and_then(|it| it.parse().ok()).unwrap_or(0);
        call.received.push((text(it, "MessageId"), count));
    }
    for it in answer["Failed"].as_array().into_iter().flatten() {
        call.failed.push((text(it, "Id"), text(it, "Code")));
    }
}

fn of_body(body: &str) -> String {
    hex::encode(Md5::digest(body.as_bytes()))
}

/// Names in order; of each its name, its type, how its value travels and the value, all with their lengths.
fn of_attributes(attributes: &BTreeMap<String, Attribute>) -> Option<String> {
    let mut bytes = Vec::new();
    let mut push = |kind: Option<u8>, part: &[u8]| {
        bytes.extend(kind);
        bytes.extend_from_slice(&u32::try_from(part.len()).expect("it is short").to_be_bytes());
        bytes.extend_from_slice(part);
    };
    for (name, Attribute { data_type, text, binary }) in attributes {
        push(None, name.as_bytes());
        push(None, data_type.as_bytes());
        match binary {
            Some(binary) => push(Some(2), binary),
            None => push(Some(1), text.as_deref().unwrap_or_default().as_bytes()),
        }
    }
    (!attributes.is_empty()).then(|| hex::encode(Md5::digest(&bytes)))
}
