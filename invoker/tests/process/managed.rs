//! Our bootstraps: handlers of Python and Node, and what their failures look like.

use forebay_config::function::Runtime;
use serde_json::json;

use super::support::Setup;

fn files(files: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    files.iter().map(|(name, text)| (*name, (*text).to_owned())).collect()
}

#[tokio::test]
async fn a_python_handler_gets_event_and_context() {
    let app = "
def handler(event, context):
    left = context.get_remaining_time_in_millis()
    return {'event': event, 'id': context.aws_request_id, 'name': context.function_name, 'version': context.function_version,
            'memory': context.memory_limit_in_mb, 'arn': context.invoked_function_arn, 'left': 25_000 < left <= 30_000}
";
    let host = Setup::python(app).start().await;
    let reply = host.invoke(r#"{"text": "é \ud83d\ude00", "n": [1.5, null]}"#).await;
    let expected = json!({
        "event": {"text": "é 😀", "n": [1.5, null]}, "id": reply.request_id, "name": "tested", "version": "$LATEST", "memory": "128",
        "arn": "arn:aws:lambda:eu-north-1:123456789012:function:tested", "left": true,
    });
    assert_eq!(super::support::payload(&reply), expected);
    host.stop().await;
}

#[tokio::test]
async fn handlers_are_told_where_their_batch_lies() {
    let python = "def handler(event, context): return context.client_context.custom";
    let node = "exports.handler = async (event, context) => context.clientContext.custom;";
    for setup in [Setup::python(python), Setup::node(node)] {
        let host = setup.start().await;
        let expected = json!({
            "Forebay-Mapping": "orders", "Forebay-Track": "logs/%C3%A4%20b.log", "Forebay-Lane": "0/4",
            "Forebay-First-Position": "0000000000000007", "Forebay-Last-Position": "0000000000000009",
        });
        assert_eq!(host.answer("{}").await, expected);
        host.stop().await;
    }
}

#[tokio::test]
async fn a_python_handler_that_fails_tells_how_and_stays_warm() {
    let app = "
import os
class Odd(Exception): pass
def fail(): raise Odd('boom é')
def handler(event, context):
    if event == 'fail': fail()
    if event == 'set': return {1, 2}
    return os.getpid()
";
    let host = Setup::python(app).start().await;
    let process = host.answer("1").await;
    let reply = host.invoke("\"fail\"").await;
    let error = super::support::payload(&reply);
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!("Odd"), &json!("boom é")));
    assert_eq!(error["requestId"], *reply.request_id);
    let trace: Vec<_> =
        error["stackTrace"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(trace.len(), 2, "{trace:?}");
    assert!(
        trace[0].contains("app.py\", line 6, in handler") && trace[1].contains("app.py\", line 4, in fail"),
        "{trace:?}"
    );
    let error = host.error("\"set\"").await;
    assert_eq!(error["errorType"], "Runtime.MarshalError");
    assert_eq!(
        error["errorMessage"],
        "Unable to marshal response: Object of type set is not JSON serializable"
    );
    assert_eq!(host.error("not json").await["errorType"], "Runtime.UnmarshalError");
    assert_eq!(host.answer("1").await, process);
    host.stop().await;
}

#[tokio::test]
async fn python_handlers_live_in_packages_too() {
    for handler in ["pkg/sub/mod.main", "pkg.sub.mod.main"] {
        let code = files(&[
            ("pkg/sub/mod.py", "from . import other\ndef main(event, context): return other.WORD"),
            ("pkg/sub/other.py", "WORD = 'found'"),
        ]);
        let host = Setup::new(Runtime::Python3, handler, code).start().await;
        assert_eq!(host.answer("{}").await, "found");
        host.stop().await;
    }
}

#[tokio::test]
async fn a_python_module_that_does_not_start_tells_why() {
    let cases = [
        (
            "import nowhere_to_be_found",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'nowhere_to_be_found'",
        ),
        ("def handler(:", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': "),
        ("other = 1", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("raise ValueError('no')", "ValueError", "no"),
    ];
    for (app, kind, message) in cases {
        let host = Setup::python(app).start().await;
        let error = host.error("{}").await;
        assert_eq!(error["errorType"], kind);
        assert!(error["errorMessage"].as_str().unwrap().starts_with(message), "{error}");
        assert_eq!(error["requestId"], "");
        host.stop().await;
    }
}

#[tokio::test]
async fn a_python_handler_that_leaves_is_an_exit_error() {
    let host = Setup::python("import sys\ndef handler(event, context): sys.exit(event)").start().await;
    let error = host.error("4").await;
    assert!(
        error["errorMessage"].as_str().unwrap().ends_with("Runtime exited with error: exit status 4"),
        "{error}"
    );
    host.stop().await;
}

const NODE_HANDLERS: &str = "
const context = (it) => ({ id: it.awsRequestId, name: it.functionName, version: it.functionVersion, memory: it.memoryLimitInMB,
  arn: it.invokedFunctionArn, left: it.getRemainingTimeInMillis() > 25000 && it.getRemainingTimeInMillis() <= 30000 });
const ways = {
  async promise(event, it) { return { event, ...context(it) }; },
  callback(event, it, callback) { setTimeout(() => callback(null, { event, ...context(it) }), 1); },
  impatient(event, it, callback) {
    it.callbackWaitsForEmptyEventLoop = false;
    
    setInterval(() => {}, 1000);
    callback(null, { event, ...context(it) });
  },
  succeed(event, it) { it.succeed({ event, ...context(it) }); },
};
exports.handler = (event, it, callback) => ways[event.way](event, it, callback);
";

#[tokio::test]
async fn node_handlers_answer_by_promise_by_callback_and_by_context() {
    let host = Setup::node(NODE_HANDLERS).start().await;
    for way in ["promise", "callback", "succeed", "impatient"] {
        let event = json!({"way": way, "text": "é 😀"});
        let reply = host.invoke(&event.to_string()).await;
        let expected = json!({
            "event": event, "id": reply.request_id, "name": "tested", "version": "$LATEST", "memory": "128",
            "arn": "arn:aws:lambda:eu-north-1:123456789012:function:tested", "left": true,
        });
        assert_eq!(super::support::payload(&reply), expected, "{way}");
    }
    host.stop().await;
}

#[tokio::test]
async fn a_node_handler_that_fails_tells_how_and_stays_warm() {
    let app = "
class Odd extends Error { constructor(text) { super(text); this.name = 'Odd'; } }
exports.handler = async (event) => {
  if (event === 'fail') throw new Odd('boom é');
  if (event === 'text') throw 'just text';
  if (event === 'big') return 10n;
  if (event === 'nothing') return;
  return process.pid;
};
";
    let host = Setup::node(app).start().await;
    let process = host.answer("1").await;
    let error = host.error("\"fail\"").await;
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!("Odd"), &json!("boom é")));
    let trace = error["trace"].as_array().unwrap();
    assert!(
        trace[0].as_str().unwrap().contains("boom é") && trace[1].as_str().unwrap().contains("app.js:4"),
        "{trace:?}"
    );
    assert_eq!(
        host.error("\"text\"").await,
        json!({"errorType": "string", "errorMessage": "just text", "trace": []})
    );
    assert_eq!(host.error("\"big\"").await["errorType"], "Runtime.MarshalError");
    assert_eq!(host.error("not json").await["errorType"], "Runtime.UnmarshalError");
    assert_eq!(host.answer("\"nothing\"").await, json!(null));
    assert_eq!(host.answer("1").await, process);
    host.stop().await;
}

#[tokio::test]
async fn a_node_error_that_nobody_catches_is_the_answer_and_the_end_of_the_process() {
    let app = "
exports.handler = (event, context, callback) => {
  if (event === 'throw') setTimeout(() => { throw new TypeError('later'); }, 1);
  else if (event === 'reject') setTimeout(() => { Promise.reject(new TypeError('later')); }, 1);
  else callback(null, process.pid);
};
";
    let host = Setup::node(app).start().await;
    let process = host.answer("1").await;
    let error = host.error("\"throw\"").await;
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!("TypeError"), &json!("later")));
    let after = host.answer("1").await;
    assert_ne!(after, process);
    let error = host.error("\"reject\"").await;
    assert_eq!(
        (&error["errorType"], &error["errorMessage"]),
        (&json!("Runtime.UnhandledPromiseRejection"), &json!("TypeError: later"))
    );
    assert_ne!(host.answer("1").await, after);
    host.stop().await;
}

#[tokio::test]
async fn node_modules_of_both_kinds_are_found() {
    let common = "exports.handler = async () => require('path').basename(__filename);";
    let module = "export const handler = async () => import.meta.url.split('/').pop();";
    let cases = [
        ("app.handler", files(&[("app.js", common)]), "app.js"),
        ("app.handler", files(&[("app.cjs", common)]), "app.cjs"),
        ("app.handler", files(&[("app.mjs", module)]), "app.mjs"),
        ("app.handler", files(&[("app.js", module), ("package.json", r#"{"type": "module"}"#)]), "app.js"),
        (
            "pkg/sub/idx.deep.handler",
            files(&[("pkg/sub/idx.js", "exports.deep = { handler: async () => 'deep' };")]),
            "deep",
        ),
        (
            "app.handler",
            files(&[("app.mjs", "export default { handler: async () => 'default' };")]),
            "default",
        ),
    ];
    for (handler, files, answer) in cases {
        let host = Setup::new(Runtime::Nodejs, handler, files).start().await;
        assert_eq!(host.answer("{}").await, answer);
        host.stop().await;
    }
}

#[tokio::test]
async fn a_node_module_that_does_not_start_tells_why() {
    let cases = [
        (
            "app.js",
            "require('nowhere-to-be-found')",
            "Runtime.ImportModuleError",
            "Error: Cannot find module 'nowhere-to-be-found'",
        ),
        (
            "app.mjs",
            "import 'nowhere-to-be-found'",
            "Runtime.ImportModuleError",
            "Error [ERR_MODULE_NOT_FOUND]: Cannot find package",
        ),
        ("app.js", "exports.handler = (", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        ("app.mjs", "export const handler = (", "Runtime.UserCodeSyntaxError", "SyntaxError: "),
        (
            "app.js",
            "exports.other = 1",
            "Runtime.HandlerNotFound",
            "app.handler is undefined or not exported",
        ),
        ("app.js", "throw new RangeError('no')", "RangeError", "no"),
    ];
    for (file, app, kind, message) in cases {
        let host = Setup::new(Runtime::Nodejs, "app.handler", files(&[(file, app)])).start().await;
        let error = host.error("{}").await;
        assert_eq!(error["errorType"], kind, "{error}");
        assert!(error["errorMessage"].as_str().unwrap().starts_with(message), "{error}");
        host.stop().await;
    }
}
