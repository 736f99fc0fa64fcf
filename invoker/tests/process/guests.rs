//! What a function does to the process that it shares with the bootstrap: names of the standard library
//! taken, globals replaced, variables cleared. The next event is served all the same, by the same process.

use std::process::Command;

use forebay_config::function::Runtime;
use serde_json::json;

use super::support::{Host, Setup};

/// The top-level modules of the machine's Python, without those in C that no file can hide.
fn standard_modules() -> Vec<String> {
    let ask = "import sys; print(*sorted(set(getattr(sys, 'stdlib_module_names', ['token', 'logging', 'string', 'types', 'json', 'ast'])) - set(sys.builtin_module_names)))";
    let output = Command::new("python3").args(["-c", ask]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

const PLAIN: &str = "
import os
def fail(text): raise ValueError(text)
def handler(event, context):
    if event == 'fail': fail('boom')
    if event == 'set': return {1}
    if event == 'Decimal':
        import decimal
        return decimal.Decimal('1.50')
    if event == 'log':
        import logging
        logging.warning('logged')
    return os.getpid()
";

/// The bootstrap can do all that it does.
async fn is_whole(host: &Host) {
    let process = host.answer("1").await;
    let error = host.error("\"fail\"").await;
    assert_eq!((&error["errorType"], &error["errorMessage"]), (&json!("ValueError"), &json!("boom")));
    let trace = error["stackTrace"].as_array().unwrap();
    assert_eq!(trace.len(), 2, "{trace:?}");
    assert!(trace[1].as_str().unwrap().contains("def fail(text): raise ValueError(text)"), "{trace:?}");
    assert_eq!(host.error("\"set\"").await["errorType"], "Runtime.MarshalError");
    assert_eq!(host.answer("\"Decimal\"").await, 1.5);
    assert_eq!(host.answer("\"log\"").await, process);
    host.lines.starting("[WARNING]\t").await;
}

#[tokio::test]
async fn files_named_like_modules_of_python_do_not_touch_the_bootstrap() {
    for ending in [".py", "/__init__.py"] {
        let mut setup = Setup::python(PLAIN);
        for name in standard_modules().into_iter().filter(|it| !it.starts_with('_')) {
            let text = format!("raise RuntimeError('the {name} of the function was imported')");
            setup.files.push((Box::leak(format!("{name}{ending}").into_boxed_str()), text));
        }
        let host = setup.start().await;
        is_whole(&host).await;
        host.stop().await;
    }
}

#[tokio::test]
async fn a_folder_of_pythonpath_hides_no_module_of_the_bootstrap_and_is_searched_for_the_functions_own() {
    let mut setup = Setup::python(&format!("import mine\n{PLAIN}"));
    for (name, text) in [
        ("lib/token.py", "raise RuntimeError"),
        ("lib/decimal.py", "raise RuntimeError"),
        ("lib/mine.py", ""),
    ] {
        setup.files.push((name, text.to_owned()));
    }
    // It is relative to the working directory, which is the code folder.
    setup.environment.insert("PYTHONPATH".to_owned(), "lib".to_owned());
    let host = setup.start().await;
    is_whole(&host).await;
    host.stop().await;
}

#[tokio::test]
async fn a_module_that_lambda_has_not_loaded_is_the_functions_own() {
    let app = "
import socket, selectors, select
def handler(event, context): return [socket.WHOSE, selectors.WHOSE, select.WHOSE]
";
    let mut setup = Setup::python(app);
    for name in ["socket.py", "selectors.py", "select.py"] {
        setup.files.push((name, "WHOSE = 'mine'".to_owned()));
    }
    let host = setup.start().await;
    assert_eq!(host.answer("0").await, json!(["mine", "mine", "mine"]));
    host.stop().await;
}

#[tokio::test]
async fn a_handlers_file_with_the_name_of_a_loaded_module_is_refused_by_that_name() {
    let code = vec![("token.py", "def handler(event, context): return 1".to_owned())];
    let host = Setup::new(Runtime::Python3, "token.handler", code).start().await;
    let error = host.error("{}").await;
    assert_eq!(error["errorType"], "Runtime.BuiltInModuleConflict");
    assert!(error["errorMessage"].as_str().unwrap().contains("give the file another name"), "{error}");
    host.stop().await;
}

#[tokio::test]
async fn whatever_a_python_function_wrecks_the_next_event_is_served_by_the_same_process() {
    let deeds = [
        "os.environ.clear()",
        "os.environ = None",
        "sys.path.clear()",
        "sys.stdout.close()",
        "sys.stdout = None",
        "sys.stderr.close()",
        "sys.stdout = sys.stderr = None",
        "os.close(1); os.close(2)",
        "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')",
        "builtins.print = builtins.len = builtins.str = builtins.isinstance = builtins.type = builtins.int = None",
        "json.loads = json.dumps = json.JSONDecoder = json.JSONEncoder = None",
        "time.time = traceback.format_list = traceback.extract_tb = os._exit = os.write = None",
        "logging.getLogger().handlers.clear(); logging.Logger.info = None",
        "sys.modules.clear()",
        "decimal.Decimal = None",
        "import socket; socket.setdefaulttimeout(0.001); socket.socket = None",
        "sys.setrecursionlimit(120)",
        "sys.excepthook = None; sys.exit = None",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "threading.Thread(target=threading.Event().wait, daemon=True).start()",
    ];
    for deed in deeds {
        let app = format!(
            "
import builtins, decimal, json, logging, os, signal, sys, threading, time, traceback
ValueError_ = ValueError
pid = os.getpid()
def handler(event, context):
    if event == 'wreck':
        {deed}
        return pid
    if event == 'fail': raise ValueError_('boom')
    if event == 'set': return {{1}}
    return [pid, event, context.function_name, context.get_remaining_time_in_millis() > 0]
"
        );
        let host = Setup::python(&app).start().await;
        let process = host.answer("\"wreck\"").await;
        assert_eq!(host.answer("[1.5]").await, json!([process, [1.5], "tested", true]), "{deed}");
        assert_eq!(host.error("\"fail\"").await["errorMessage"], "boom", "{deed}");
        assert_eq!(host.error("\"set\"").await["errorType"], "Runtime.MarshalError", "{deed}");
        assert_eq!(host.answer("2").await[0], process, "{deed}");
        host.stop().await;
    }
}

#[tokio::test]
async fn an_error_that_cannot_say_what_it_is_is_an_error_all_the_same() {
    let app = "
import os
class Odd(Exception):
    def __str__(self): raise KeyError('no text')
def handler(event, context):
    if event: raise Odd
    return os.getpid()
";
    let host = Setup::python(app).start().await;
    let process = host.answer("0").await;
    assert_eq!(host.error("1").await["errorType"], "Odd");
    assert_eq!(host.answer("0").await, process);
    host.stop().await;

    let app = "
class Odd extends Error { get message() { throw new Error('no text'); } }
exports.handler = async (event) => { if (event) throw new Odd(); return process.pid; };
";
    let host = Setup::node(app).start().await;
    let process = host.answer("0").await;
    assert_eq!(host.error("1").await["errorType"], "handled");
    assert_eq!(host.answer("0").await, process);
    host.stop().await;
}

#[tokio::test]
async fn whatever_a_node_function_wrecks_the_next_event_is_served_by_the_same_process() {
    let deeds = [
        "process.env = {};",
        "for (const name of Object.keys(process.env)) delete process.env[name];",
        "globalThis.JSON = {};",
        "JSON.stringify = JSON.parse = null;",
        "http.request = http.get = () => { throw new Error('patched'); }; http.Agent = http.globalAgent = null;",
        "console.error = console.log = () => { throw new Error('patched'); };",
        "globalThis.console = null;",
        "globalThis.Promise = globalThis.setImmediate = globalThis.Buffer = globalThis.Date = null;",
        "Date.now = null; Error.prepareStackTrace = () => 5;",
        "globalThis.Error = globalThis.SyntaxError = globalThis.String = globalThis.Math = globalThis.Number = null;",
        "process.exit = process.on = process.once = process.removeListener = null;",
        "fs.writeSync = fs.statSync = null; process.stderr.end(); process.stdout.end();",
        "fs.closeSync(2);",
        "fs.mkdirSync('gone'); process.chdir('gone'); fs.rmdirSync('../gone');",
        "process.removeAllListeners();",
        "globalThis.process = undefined;",
    ];
    for deed in deeds {
        let app = format!(
            "
const fs = require('fs'), http = require('http'), pid = process.pid, Fault = TypeError;
exports.handler = async (event, context) => {{
  if (event === 'wreck') {{ {deed} return pid; }}
  if (event === 'fail') throw new Fault('boom');
  if (event === 'big') return 10n;
  return [pid, event, context.functionName, context.getRemainingTimeInMillis() > 0];
}};
"
        );
        let host = Setup::node(&app).start().await;
        let process = host.answer("\"wreck\"").await;
        assert_eq!(host.answer("[1.5]").await, json!([process, [1.5], "tested", true]), "{deed}");
        assert_eq!(host.error("\"fail\"").await["errorMessage"], "boom", "{deed}");
        assert_eq!(host.error("\"big\"").await["errorType"], "Runtime.MarshalError", "{deed}");
        assert_eq!(host.answer("2").await[0], process, "{deed}");
        host.stop().await;
    }
}
