//! A function slower than its queue's visibility timeout: every message once.

use forebay_tests::daemon::Daemon;
use forebay_tests::wait;
use serde_json::json;

use crate::queues::{Queues, python};
use crate::scene::is_long;

/// Outlasts the visibility of its messages more than twice.
const APP: &str = r#"
import time
from journal import began, ended

def handler(event, context):
    began(event, context)
    time.sleep(8)
    return ended(context)
"#;

#[test]
fn a_function_slower_than_the_visibility_timeout_is_given_every_message_once() {
    let n = if is_long() { 400 } else { 40 };
    let queues = Queues::new();
    queues.scene.write("code/app.py", APP);
    let queue = queues.create("orders", json!({ "VisibilityTimeout": "3" }));
    let function = python("seen", "timeout: 20, reserved_concurrent_executions: 3");
    queues.config(&[function], &[queues.mapping("orders", &queue, 1, "function_name: seen")]);
    let bodies: Vec<String> = (0..n).map(|it| format!("order {it}")).collect();
    queue.send(&bodies);
    let daemon = Daemon::start(queues.scene.folder());
    let mut journal = queues.journal();
    wait::until("the word about the short visibility", || daemon.log().contains("FB-0218").then_some(()));
    journal.await_all(n, &queue, daemon);
    for (body, times) in journal.by_body() {
        let receives: Vec<u32> = times.iter().map(|(_, message)| message.n_receives).collect();
        assert_eq!(receives, [1], "{body}");
    }
}
