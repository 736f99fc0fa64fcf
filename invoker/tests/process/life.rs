//! The life of environments: started on demand, reused, timed out, reaped, stopped.

use std::fs;
use std::time::{Duration, Instant};

use forebay_batcher::NotReached;
use forebay_invoker::{Executor, InvokeError};
use serde_json::{Value, json};

use super::support::{Host, Setup, eventually, gone, is_running, payload};

/// Starts a child that outlives its parent unless somebody ends the group, and tells both processes.
const FAMILY: &str = "
import os, subprocess, time
child = subprocess.Popen(['sleep', '1000'])
def handler(event, context):
    if event == 'wait':
        open('waiting', 'w').close()
        time.sleep(1000)
    return [os.getpid(), child.pid]
";

fn ids(value: &Value) -> Vec<u64> {
    value.as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).collect()
}

#[tokio::test]
async fn one_environment_serves_one_invocation_after_the_other() {
    let host = Setup::python("import os\ndef handler(event, context): return os.getpid()").start().await;
    let first = host.answer("{}").await;
    for _ in 0..50 {
        assert_eq!(host.answer("{}").await, first);
    }
    host.stop().await;
}

/// Each invocation ends when as many run as its event says.
const MEETING: &str = "
import os, time
def handler(event, context):
    open(f'met-{os.getpid()}', 'w').close()
    while len([it for it in os.listdir('.') if it.startswith('met-')]) < event: time.sleep(0.002)
    return os.getpid()
";

#[tokio::test]
async fn as_many_environments_run_as_are_needed_and_no_more() {
    let host = Setup { concurrency: Some(3), ..Setup::python(MEETING) }.start().await;
    let (one, two, three) = tokio::join!(host.answer("3"), host.answer("3"), host.answer("3"));
    assert!(one != two && two != three && one != three);
    // Another one is not needed, and not started.
    for _ in 0..10 {
        assert!([&one, &two, &three].contains(&&host.answer("1").await));
    }
    host.stop().await;
}

#[tokio::test]
async fn the_concurrency_is_never_exceeded_and_the_rest_waits() {
    let app = "
import os, time
def handler(event, context):
    fd = os.open('busy', os.O_CREAT | os.O_EXCL)
    time.sleep(0.02)
    os.close(fd)
    os.unlink('busy')
";
    let host = Setup::python(app).start().await;
    let all = tokio::join!(host.answer("1"), host.answer("2"), host.answer("3"), host.answer("4"));
    assert_eq!(all, (json!(null), json!(null), json!(null), json!(null)));
    host.stop().await;
}

#[tokio::test]
async fn a_function_without_concurrency_is_throttled_at_once() {
    let host = Setup { concurrency: Some(0), ..Setup::python("handler = print") }.start().await;
    let refused = host.try_invoke("{}").await;
    assert!(
        matches!(refused, Err(InvokeError::NotReached { why: NotReached::Throttled, .. })),
        "{refused:?}"
    );
    host.stop().await;
}

#[tokio::test]
async fn a_timeout_is_answered_at_the_deadline_and_takes_the_whole_group() {
    let host = Setup { timeout: Duration::from_secs(1), ..Setup::python(FAMILY) }.start().await;
    let family = ids(&host.answer("{}").await);
    let start = Instant::now();
    let reply = host.invoke("\"wait\"").await;
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    let text = format!("RequestId: {} Error: Task timed out after 1.00 seconds", reply.request_id);
    assert_eq!(payload(&reply), json!({"errorType": "Sandbox.Timedout", "errorMessage": text}));
    gone(&family).await;
    assert_ne!(ids(&host.answer("{}").await), family);
    host.stop().await;
}

#[tokio::test]
async fn an_idle_environment_is_ended_after_its_time_and_with_sigterm_first() {
    let app = "
import os, signal, sys
def leave(*_):
    open('left', 'w').close()
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
def handler(event, context): return os.getpid()
";
    let host = Setup { idle_ttl: Duration::from_millis(300), ..Setup::python(app) }.start().await;
    let first = host.answer("{}").await;
    gone(&[first.as_u64().unwrap()]).await;
    assert!(host.path("left").exists());
    assert_ne!(host.answer("{}").await, first);
    host.stop().await;
}

#[tokio::test]
async fn a_start_that_takes_too_long_is_tried_again_within_the_invocation() {
    let app = "
import os, time
if not os.path.exists('tried'):
    open('tried', 'w').close()
    time.sleep(1000)
def handler(event, context): return 'served'
";
    let host = Setup::python(app).start().await;
    let start = Instant::now();
    assert_eq!(host.answer("{}").await, "served");
    assert!(start.elapsed() >= Duration::from_secs(10), "{:?}", start.elapsed());
    host.stop().await;
}

#[tokio::test]
async fn a_start_that_fails_is_tried_twice_and_later_ones_wait() {
    let host = Setup::provided("#!/bin/sh\nprintf x >>starts\nexit 1\n").start().await;
    let start = Instant::now();
    for n_invocations in 1..=4 {
        assert_eq!(host.error("{}").await["errorType"], "Runtime.ExitError");
        assert_eq!(fs::read(host.path("starts")).unwrap().len(), 2 * n_invocations);
    }
    // 100, 200 and 400 ms before the second, the third and the fourth.
    assert!(start.elapsed() >= Duration::from_millis(700), "{:?}", start.elapsed());
    host.stop().await;
}

#[tokio::test]
async fn a_runtime_that_leaves_before_its_first_event_is_an_exit_error() {
    for (status, text) in
        [(0, "Runtime exited without providing a reason"), (7, "Runtime exited with error: exit status 7")]
    {
        let host = Setup::provided(&format!("#!/bin/sh\nexit {status}\n")).start().await;
        let reply = host.invoke("{}").await;
        let text = format!("RequestId: {} Error: {text}", reply.request_id);
        assert_eq!(payload(&reply), json!({"errorType": "Runtime.ExitError", "errorMessage": text}));
        host.stop().await;
    }
}

#[tokio::test]
async fn a_program_that_is_taken_away_is_not_reached_and_works_again_when_it_is_back() {
    let host = Setup::python("def handler(event, context): return 'served'").start().await;
    let code = fs::read(host.path("app.py")).unwrap();
    fs::remove_file(host.path("app.py")).unwrap();
    let refused = host.try_invoke("{}").await;
    assert!(matches!(refused, Err(InvokeError::NotReached { why: NotReached::Config, .. })), "{refused:?}");
    fs::write(host.path("app.py"), code).unwrap();
    assert_eq!(host.answer("{}").await, "served");
    host.stop().await;
}

#[tokio::test]
async fn a_file_that_is_no_program_is_not_reached() {
    for bootstrap in ["\u{7f}ELF and nothing more", "#!/nowhere/interpreter\n"] {
        let host = Setup::provided(bootstrap).start().await;
        let refused = host.try_invoke("{}").await;
        assert!(
            matches!(refused, Err(InvokeError::NotReached { why: NotReached::Config, .. })),
            "{refused:?}"
        );
        host.stop().await;
    }
}

#[tokio::test]
async fn what_a_function_lacks_is_found_before_the_first_event() {
    let cases = [
        (Setup { handler: "other.handler", ..Setup::python("") }, "FB-0302"),
        (Setup { handler: "handler", ..Setup::python("") }, "FB-0302"),
        (Setup { handler: "other.handler", ..Setup::node("") }, "FB-0302"),
        (Setup { code: Some("nowhere".into()), ..Setup::python("") }, "FB-0301"),
        (
            Setup { files: vec![("readme", String::new())], handler: "absent", ..Setup::provided("") },
            "FB-0305",
        ),
    ];
    for (setup, code) in cases {
        let Err(error) = setup.try_start().await else { panic!("{code} is expected") };
        assert_eq!(error.code().0, code, "{error}");
        assert!(error.to_string().starts_with(code), "{error}");
    }
}

#[tokio::test]
async fn an_event_over_6_mib_is_not_sent_and_one_at_the_limit_is() {
    let host = Setup::python("def handler(event, context): return len(event)").start().await;
    let event = |n_bytes: usize| format!("\"{}\"", "x".repeat(n_bytes - 2));
    assert!(matches!(host.try_invoke(&event(6_291_457)).await, Err(InvokeError::TooLarge { .. })));
    assert_eq!(host.answer(&event(6_291_456)).await, 6_291_454);
    host.stop().await;
}

#[tokio::test]
async fn a_runtime_that_answers_and_hangs_is_replaced_at_its_deadline() {
    let app = "
it = Connection()
id, _ = it.next()
it.answer(id, os.getpid())
import time; time.sleep(1000)";
    let host = Setup { timeout: Duration::from_secs(2), ..Setup::raw(app) }.start().await;
    let first = host.answer("{}").await;
    assert_ne!(host.answer("{}").await, first);
    assert!(!is_running(first.as_u64().unwrap()));
    host.stop().await;
}

#[tokio::test]
async fn a_stop_leaves_no_process_behind_and_takes_no_more() {
    let host = Setup { concurrency: Some(2), ..Setup::python(FAMILY) }.start().await;
    let family = ids(&host.answer("{}").await);
    host.stop().await;
    assert!(!family.iter().any(|it| is_running(*it)));
    assert!(processes_in(&host).is_empty());
    let refused = host.try_invoke("{}").await;
    assert!(matches!(refused, Err(InvokeError::NotReached { why: NotReached::Platform, .. })), "{refused:?}");
    // A second stop has nothing to do.
    host.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_what_runs_as_long_as_it_may_and_then_nobody_knows() {
    let host = Setup::python(FAMILY).start().await;
    let family = ids(&host.answer("{}").await);
    let start = Instant::now();
    let (left, ()) = tokio::join!(host.try_invoke("\"wait\""), async {
        eventually("the handler", || host.path("waiting").exists().then_some(())).await;
        host.executor.stop(Duration::from_millis(900)).await;
    });
    assert!(matches!(left, Err(InvokeError::Unknown { .. })), "{left:?}");
    assert!(start.elapsed() >= Duration::from_millis(600), "{:?}", start.elapsed());
    assert!(!family.iter().any(|it| is_running(*it)));
}

#[tokio::test]
async fn an_invocation_that_ends_within_the_grace_is_answered() {
    let app = "
import time
def handler(event, context):
    open('running', 'w').close()
    time.sleep(0.3)
    return 'served'
";
    let host = Setup::python(app).start().await;
    let (reply, ()) = tokio::join!(host.answer("{}"), async {
        eventually("the handler", || host.path("running").exists().then_some(())).await;
        host.stop().await;
    });
    assert_eq!(reply, "served");
}

#[tokio::test]
async fn an_executor_that_is_dropped_takes_its_processes_along() {
    let host = Setup::python(FAMILY).start().await;
    let family = ids(&host.answer("{}").await);
    drop(host);
    gone(&family).await;
}

#[tokio::test]
async fn an_invocation_that_is_dropped_frees_its_place() {
    let host = Setup::python(FAMILY).start().await;
    let family = ids(&host.answer("{}").await);
    drop(tokio::time::timeout(Duration::from_millis(50), host.try_invoke("\"wait\"")).await);
    gone(&family).await;
    assert_ne!(ids(&host.answer("{}").await), family);
    host.stop().await;
}

/// The processes that run in the function's folder.
fn processes_in(host: &Host) -> Vec<u64> {
    let folder = host.folder.path().canonicalize().unwrap();
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok());
    processes
        .filter(|it: &u64| fs::read_link(format!("/proc/{it}/cwd")).is_ok_and(|it| it == folder))
        .collect()
}
