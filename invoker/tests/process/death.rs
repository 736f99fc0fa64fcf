//! Deaths: of functions in the middle of an event, and of the daemon with functions running.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::support::{Setup, gone, payload};

#[tokio::test]
async fn a_function_that_dies_is_answered_at_once_and_the_next_event_is_served() {
    let app = "
import os, signal
def handler(event, context):
    match event:
        case 'kill': os.kill(os.getpid(), signal.SIGKILL)
        case 'segv': os.kill(os.getpid(), signal.SIGSEGV)
        case int(): os._exit(event)
    return 'served'
";
    let deaths = [
        ("\"kill\"", "Runtime exited with error: signal: killed"),
        ("\"segv\"", "Runtime exited with error: signal: segmentation fault"),
        ("0", "Runtime exited without providing a reason"),
        ("3", "Runtime exited with error: exit status 3"),
    ];
    let host = Setup::python(app).start().await;
    for round in 0..20 {
        let (event, text) = deaths[round % deaths.len()];
        let reply = host.invoke(event).await;
        let text = format!("RequestId: {} Error: {text}", reply.request_id);
        assert_eq!(payload(&reply), json!({"errorType": "Runtime.ExitError", "errorMessage": text}));
        assert_eq!(host.answer("[]").await, "served");
    }
    host.stop().await;
}

#[tokio::test]
async fn what_a_dead_function_leaves_behind_goes_with_it() {
    let app = "
import os, subprocess
def handler(event, context):
    open('child', 'w').write(str(subprocess.Popen(['sleep', '1000']).pid))
    os._exit(1)
";
    let host = Setup::python(app).start().await;
    assert_eq!(host.error("{}").await["errorType"], "Runtime.ExitError");
    let child = std::fs::read_to_string(host.path("child")).unwrap().parse().unwrap();
    gone(&[child]).await;
    host.stop().await;
}

#[tokio::test]
async fn half_an_answer_and_death_is_a_failure_and_the_next_event_is_served() {
    let app = "
it = Connection()
while True:
    id, event = it.next()
    if event == 'die':
        it.send(f'POST {BASE}invocation/{id}/response HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: 1000\\r\\n\\r\\nhalf')
        os._exit(1)
    it.answer(id, 'served')";
    let host = Setup::raw(app).start().await;
    for _ in 0..5 {
        assert_eq!(host.error("\"die\"").await["errorType"], "Runtime.TruncatedResponse");
        assert_eq!(host.answer("{}").await, "served");
    }
    host.stop().await;
}

#[tokio::test]
async fn an_answer_stands_when_the_runtime_dies_right_behind_it() {
    let app = "
it = Connection()
id, event = it.next()
body = json.dumps(event)
it.send(f'POST {BASE}invocation/{id}/{event[\"call\"]} HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: {len(body)}\\r\\n\\r\\n{body}')
os._exit(1)";
    let host = Setup::raw(app).start().await;
    for _ in 0..10 {
        assert_eq!(host.answer(r#"{"call": "response"}"#).await["call"], "response");
        let reply = host.invoke(r#"{"call": "error"}"#).await;
        assert_eq!(payload(&reply)["call"], "error");
    }
    host.stop().await;
}

/// Functions with a child each, which would run on for minutes.
fn family(runtime: &str) -> Setup {
    match runtime {
        "python3" => Setup::python(
            "
import os, subprocess
child = subprocess.Popen(['sleep', '1000'])
def handler(event, context): return [os.getpid(), child.pid]",
        ),
        "nodejs" => Setup::node(
            "
const child = require('child_process').spawn('sleep', ['1000']);
exports.handler = async () => [process.pid, child.pid];",
        ),
        // A program that never notices that its Runtime API is gone.
        "provided" => Setup::provided("#!/bin/sh\nsleep 1000 &\necho \"family $$ $!\"\nwait\n"),
        other => panic!("no such runtime: {other}"),
    }
}

/// Tells the child of the test below that it is the engine to be killed, and for which runtime.
const TESTED_RUNTIME: &str = "FOREBAY_TESTED_RUNTIME";

#[expect(clippy::print_stdout, reason = "the test that started it reads its output")]
async fn be_the_engine(runtime: &str) {
    let host = family(runtime).start().await;
    if runtime == "provided" {
        // Kept to the end: an invocation that is dropped takes its environment along.
        let invoking = host.try_invoke("{}");
        tokio::pin!(invoking);
        let line = host.lines.starting("family ");
        tokio::select! {
            line = line => println!("{}", line.text),
            left = &mut invoking => panic!("{left:?}"),
        }
        std::future::pending::<()>().await;
    }
    let family = host.answer("{}").await;
    println!("family {} {}", family[0], family[1]);
    std::future::pending().await
}

#[tokio::test]
async fn the_daemons_death_is_the_end_of_its_functions() {
    if let Ok(runtime) = std::env::var(TESTED_RUNTIME) {
        return be_the_engine(&runtime).await;
    }
    for runtime in ["python3", "nodejs", "provided"] {
        let mut engine = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "death::the_daemons_death_is_the_end_of_its_functions", "--nocapture"])
            .env(TESTED_RUNTIME, runtime)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(engine.stdout.take().unwrap()).lines();
        let family: Vec<u64> = loop {
            let line = lines.next_line().await.unwrap().expect("the engine tells its functions' processes");
            if let Some((_, ids)) = line.split_once("family ") {
                break ids.split(' ').map(|it| it.parse().unwrap()).collect();
            }
        };
        assert_eq!(family.len(), 2);
        assert!(family.iter().all(|it| super::support::is_running(*it)));
        // SIGKILL: the engine does nothing more.
        engine.kill().await.unwrap();
        let took = gone(&family).await;
        // The manual says a second; a busy machine gets more before the test fails.
        assert!(took <= Duration::from_secs(5), "{runtime}: {took:?}");
    }
}
