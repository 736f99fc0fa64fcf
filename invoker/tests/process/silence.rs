//! Ways in which a function can end without an answer: each is a failure, for a success would delete its
//! messages.

use forebay_config::function::Runtime;
use serde_json::{Value, json};

use super::support::{Host, Setup};

/// How a function that says nothing is told: by the text behind the request id.
async fn silent(host: &Host, way: &str) -> (String, String) {
    let error = host.error(&json!(way).to_string()).await;
    let text = |name: &str| error[name].as_str().unwrap().to_owned();
    let message = text("errorMessage");
    (
        text("errorType"),
        message.split_once(" Error: ").map_or_else(|| message.clone(), |(_, text)| text.to_owned()),
    )
}

#[tokio::test]
async fn a_python_function_that_ends_without_an_answer_has_failed() {
    let app = "
import os, signal, sys, threading, _thread
def leave_beside(): os._exit(0)
async def later(): return 1
def items(): yield 1
def handler(event, context):
    if event == 'sys.exit': sys.exit()
    if event == 'sys.exit 0': sys.exit(0)
    if event == 'SystemExit': raise SystemExit
    if event == 'os._exit': os._exit(0)
    if event == 'thread': threading.Thread(target=leave_beside).start(); threading.Event().wait()
    if event == 'exec': os.execvp('true', ['true'])
    if event == 'term': os.kill(os.getpid(), signal.SIGTERM); threading.Event().wait()
    if event == 'interrupt': raise KeyboardInterrupt
    if event == 'coroutine': return later()
    if event == 'generator': return items()
    return 'served'
";
    let host = Setup::python(app).start().await;
    let exit = |text: &str| ("Runtime.ExitError".to_owned(), text.to_owned());
    for way in ["sys.exit", "sys.exit 0", "SystemExit", "os._exit", "thread", "exec"] {
        assert_eq!(silent(&host, way).await, exit("Runtime exited without providing a reason"), "{way}");
        assert_eq!(host.answer("0").await, "served", "{way}");
    }
    for (way, text) in [("term", "signal: terminated"), ("interrupt", "signal: interrupt")] {
        assert_eq!(silent(&host, way).await, exit(&format!("Runtime exited with error: {text}")), "{way}");
    }
    for way in ["coroutine", "generator"] {
        assert_eq!(silent(&host, way).await.0, "Runtime.MarshalError", "{way}");
    }
    host.stop().await;
}

const NODE_SILENCE: &str = "
const ways = {
  async 'never settled'() { await new Promise(() => {}); },
  'a promise without end'() { return new Promise(() => {}); },
  'a thenable without end'() { return { then() {} }; },
  async 'after some work'() { await new Promise((resolve) => setTimeout(resolve, 5)); await new Promise(() => {}); },
  async 'exit'() { process.exit(); },
  async 'exit 0'() { process.exit(0); },
  async 'exit at the end'() { process.once('beforeExit', () => process.exit(0)); await new Promise(() => {}); },
  async 'nobody listens'() { process.removeAllListeners('beforeExit'); await new Promise(() => {}); },
  'a callback and nobody listens'(event, context, callback) { process.removeAllListeners('beforeExit'); },
  async 'a function'() { return () => 1; },
  async 'a symbol'() { return Symbol('s'); },
  async 'no JSON of its own'() { return { toJSON() {} }; },
};
exports.handler = (event, context, callback) => event === 0 ? callback(null, process.pid) : ways[event](event, context, callback);
";

#[tokio::test]
async fn a_node_function_that_ends_without_an_answer_has_failed() {
    let host = Setup::node(NODE_SILENCE).start().await;
    let mut process = host.answer("0").await;
    for way in ["never settled", "a promise without end", "a thenable without end", "after some work"] {
        let (kind, text) = silent(&host, way).await;
        assert_eq!(kind, "Runtime.NodeJsExit", "{way}");
        assert!(text.contains("promise was never settled"), "{text}");
        let next = host.answer("0").await;
        assert_ne!(
            next,
            std::mem::replace(&mut process, next.clone()),
            "what it waits for in vain ends with it"
        );
    }
    for way in ["exit", "exit 0", "exit at the end", "nobody listens", "a callback and nobody listens"] {
        let told = silent(&host, way).await;
        assert_eq!(
            (told.0.as_str(), told.1.as_str()),
            ("Runtime.ExitError", "Runtime exited without providing a reason"),
            "{way}"
        );
    }
    for way in ["a function", "a symbol", "no JSON of its own"] {
        let (kind, text) = silent(&host, way).await;
        assert_eq!(kind, "Runtime.MarshalError", "{way}");
        assert!(text.starts_with("Unable to stringify response body: "), "{text}");
    }
    host.stop().await;
}

/// As Lambda's own client answers, up to Node 22.
#[tokio::test]
async fn a_node_handler_with_a_callback_answers_null_when_it_calls_nobody_and_the_first_answer_stands() {
    let app = "
const named = { batchItemFailures: [{ itemIdentifier: '1' }] };
const ways = {
  'nothing'() {},
  'a value'() { return named; },
  async 'callback, then promise'(event, context, callback) { callback(null, named); },
  async 'callback, then rejection'(event, context, callback) { callback(null, named); throw new Error('late'); },
  'callback, then throw'(event, context, callback) { callback(null, named); throw new Error('late'); },
  'callback twice'(event, context, callback) { callback(null, named); callback(null, 2); },
  'callback, then error'(event, context, callback) { callback(null, named); callback(new Error('late')); },
  'callback, then done'(event, context, callback) { callback(null, named); context.done(null, 2); },
  async 'succeed and wait without end'(event, context) { context.succeed(named); await new Promise(() => {}); },
  async 'callback and wait without end'(event, context, callback) { callback(null, named); await new Promise(() => {}); },
  async 'settled at the very end'() { return new Promise((resolve) => process.once('beforeExit', () => resolve(named))); },
};
exports.handler = (event, context, callback) => ways[event](event, context, callback);
";
    let host = Setup::node(app).start().await;
    for way in ["nothing", "a value"] {
        assert_eq!(host.answer(&json!(way).to_string()).await, Value::Null, "{way}");
    }
    for way in [
        "callback, then promise",
        "callback, then rejection",
        "callback, then throw",
        "callback twice",
        "callback, then error",
        "callback, then done",
        "succeed and wait without end",
        "callback and wait without end",
        "settled at the very end",
    ] {
        assert_eq!(
            host.answer(&json!(way).to_string()).await,
            json!({"batchItemFailures": [{"itemIdentifier": "1"}]}),
            "{way}"
        );
    }
    host.stop().await;
}

#[tokio::test]
async fn a_listener_of_the_functions_own_for_the_end_of_the_loop_stays() {
    let app = "
let n = 0;
process.on('beforeExit', () => { n += 1; });
exports.handler = (event, context, callback) => event ? callback(null, n) : undefined;
";
    let host = Setup::node(app).start().await;
    for _ in 0..3 {
        host.answer("0").await;
    }
    assert!(host.answer("1").await.as_u64().unwrap() >= 3);
    host.stop().await;
}

#[tokio::test]
async fn a_program_of_ones_own_that_ends_without_an_answer_has_failed() {
    let after = [
        "os._exit(0)",
        "it.socket.close(); it.file.close(); os._exit(0)",
        "it.send(f'POST {BASE}invocation/{id}/response HTTP/1.1\\r\\nhost: x\\r\\n'); os._exit(0)",
        "it.send(f'POST {BASE}invocation/{id}/response HTTP/1.1\\r\\nhost: x\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n3\\r\\nabc\\r\\n'); os._exit(0)",
    ];
    for end in after {
        let host = Setup::raw(&format!("it = Connection()\nid, _ = it.next()\n{end}")).start().await;
        let error = host.error("{}").await;
        assert!(
            ["Runtime.ExitError", "Runtime.TruncatedResponse"]
                .contains(&error["errorType"].as_str().unwrap()),
            "{end}: {error}"
        );
        host.stop().await;
    }
    let never = Setup { runtime: Runtime::Provided, ..Setup::provided("#!/bin/sh\nexit 0\n") }.start().await;
    assert_eq!(never.error("{}").await["errorType"], "Runtime.ExitError");
    never.stop().await;
}
