//! What a function's process is surrounded by: variables, file descriptors, folder, output.

use std::collections::BTreeMap;
use std::fs::File;

use forebay_invoker::executors::process::{LINE_BYTES_MAX, Stream};
use rustix::io::{FdFlags, fcntl_setfd};
use serde_json::{Value, json};

use super::support::Setup;

#[tokio::test]
async fn a_function_has_the_documented_variables_and_no_other_byte_for_byte() {
    let app = "
import os
def handler(event, context):
    return [open('/proc/self/environ', 'rb').read().decode(), os.getcwd(), os.getpgid(0) == os.getpid(), '%d.%d' % __import__('sys').version_info[:2]]
";
    let environment = [("MINE", "é = $HOME"), ("TZ", ":Europe/Oslo"), ("AWS_REGION", "mars-1")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let host = Setup { environment, ..Setup::python(app) }.start().await;
    let told = host.answer("{}").await;
    let folder = host.folder.path().canonicalize().unwrap();
    let variables = told[0].as_str().unwrap().trim_end_matches('\0');
    let variables: BTreeMap<_, _> = variables.split('\0').map(|it| it.split_once('=').unwrap()).collect();
    let log_stream = variables["AWS_LAMBDA_LOG_STREAM_NAME"];
    let runtime_api = variables["AWS_LAMBDA_RUNTIME_API"];
    let execution_env = format!("AWS_Lambda_python{}", told[3].as_str().unwrap());
    let expected = [
        ("AWS_DEFAULT_REGION", "eu-north-1"),
        ("AWS_EXECUTION_ENV", &execution_env),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_NAME", "tested"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/tested"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", log_stream),
        ("AWS_LAMBDA_RUNTIME_API", runtime_api),
        ("AWS_REGION", "mars-1"),
        ("AWS_XRAY_CONTEXT_MISSING", "LOG_ERROR"),
        ("LAMBDA_TASK_ROOT", folder.to_str().unwrap()),
        ("LANG", "en_US.UTF-8"),
        ("MINE", "é = $HOME"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("TZ", ":Europe/Oslo"),
        ("_HANDLER", "app.handler"),
    ];
    assert_eq!(variables, BTreeMap::from(expected));
    assert!(runtime_api.starts_with("127.0.0.1:"));
    let (date, random) = log_stream.split_once("/[$LATEST]").unwrap();
    assert_eq!((date.len(), random.len()), (10, 32), "{log_stream}");
    assert_eq!((told[1].as_str(), &told[2]), (folder.to_str(), &json!(true)));
    host.stop().await;
}

#[tokio::test]
async fn a_program_of_ones_own_has_no_execution_environment() {
    let host = Setup::provided("#!/bin/sh\necho \"told ${AWS_EXECUTION_ENV-none} $LAMBDA_TASK_ROOT\"\nread line && echo input\nexit 1\n")
        .start()
        .await;
    host.error("{}").await;
    let folder = host.folder.path().canonicalize().unwrap();
    host.lines.starting(&format!("told none {}", folder.display())).await;
    host.stop().await;
}

#[tokio::test]
async fn a_function_has_no_file_descriptor_but_the_first_three() {
    // As a careless parent of the daemon would leave it: open across exec.
    let leaked = File::open("/dev/null").unwrap();
    fcntl_setfd(&leaked, FdFlags::empty()).unwrap();
    let app = "
import os
def target(it):
    # The list's own descriptor is closed by now.
    try: return os.readlink('/proc/self/fd/' + it).partition(':')[0]
    except FileNotFoundError: return None
found = {it: target(it) for it in os.listdir('/proc/self/fd')}
def handler(event, context): return {it: at for it, at in found.items() if at}
";
    let host = Setup::python(app).start().await;
    // The socket is the bootstrap's own, to the Runtime API.
    assert_eq!(host.answer("{}").await, json!({"0": "/dev/null", "1": "pipe", "2": "pipe", "3": "socket"}));
    host.stop().await;
    drop(leaked);
}

#[tokio::test]
async fn output_is_logged_with_the_invocation_and_a_long_line_is_cut() {
    let app = "
import sys, logging
print('starting')
logging.getLogger().setLevel(logging.INFO)
def handler(event, context):
    print('to stdout', event)
    print('to stderr', event, file=sys.stderr)
    logging.info('logged %s', event)
    if event == 2: print('long' + 'x' * 1_000_000)
";
    let host = Setup::python(app).start().await;
    let first = host.invoke("1").await;
    // Without an id, unless it was read when the event was there already.
    let starting = host.lines.starting("starting").await.request_id;
    assert!(starting.is_none_or(|it| it == first.request_id));
    for (start, stream) in [("to stdout 1", Stream::Stdout), ("to stderr 1", Stream::Stderr)] {
        let line = host.lines.starting(start).await;
        assert_eq!(
            (line.request_id, line.stream, line.is_cut),
            (Some(first.request_id.clone()), stream, false)
        );
        assert_eq!(line.environment, "tested-1");
    }
    assert!(
        host.lines.starting("[INFO]\t").await.text.ends_with(&format!("Z\t{}\tlogged 1", first.request_id))
    );
    let second = host.invoke("2").await;
    assert_eq!(host.lines.starting("to stdout 2").await.request_id, Some(second.request_id));
    let long = host.lines.starting("longx").await;
    assert_eq!((long.text.len(), long.is_cut), (LINE_BYTES_MAX, true));
    host.stop().await;
}

#[tokio::test]
async fn output_without_end_holds_up_no_answer() {
    let app = "
import threading, sys
def flood():
    while True: print('flood ' * 1000)
threading.Thread(target=flood, daemon=True).start()
def handler(event, context): return event
";
    let host = Setup::python(app).start().await;
    for event in 0..20 {
        assert_eq!(host.answer(&event.to_string()).await, Value::from(event));
    }
    host.stop().await;
}
