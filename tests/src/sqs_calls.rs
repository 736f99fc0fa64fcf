//! Calls to SQS that tests make by themselves, over whatever server's `call`: nothing is shared with the code
//! under test.

use serde_json::{Value, json};

/// Sends messages, ten a call, each with its group for a FIFO queue.
///
/// # Panics
/// When one is not taken.
pub fn send(call: impl Fn(&str, &Value) -> Value, url: &str, messages: &[(String, Option<String>)]) {
    for (n_call, ten) in messages.chunks(10).enumerate() {
        let entry = |(idx, (body, group)): (usize, &(String, Option<String>))| match group {
            Some(group) => json!({ "Id": idx.to_string(), "MessageBody": body, "MessageGroupId": group,
                                   "MessageDeduplicationId": format!("{n_call}-{idx}") }),
            None => json!({ "Id": idx.to_string(), "MessageBody": body }),
        };
        let entries: Vec<Value> = ten.iter().enumerate().map(entry).collect();
        let answer = call("SendMessageBatch", &json!({ "QueueUrl": url, "Entries": entries }));
        assert_eq!(answer["Successful"].as_array().map(Vec::len), Some(ten.len()), "{answer}");
    }
}

/// Messages that can be received now, and messages in flight.
///
/// # Panics
/// When the queue does not say.
pub fn counts(call: impl Fn(&str, &Value) -> Value, url: &str) -> (u64, u64) {
    let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
    let answer = call("GetQueueAttributes", &json!({ "QueueUrl": url, "AttributeNames": names }));
    let count =
        |name: &str| answer["Attributes"][name].as_str().and_then(|it| it.parse().ok()).expect("a count");
    (count(names[0]), count(names[1]))
}
