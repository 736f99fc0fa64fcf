//! The watchdog in a process of its own whose runtime hears nothing: this program again, told by a variable
//! to hang.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use forebay_daemon::exit::Exit;
use forebay_daemon::signals::Signals;
use forebay_daemon::watchdog::Watchdog;

const VARIABLE: &str = "FOREBAY_TEST_HANGS";

/// In the child: all workers and the loop itself wait for ever, and so does what runs at its end.
#[test]
fn child_that_hangs() {
    let Some(how) = std::env::var_os(VARIABLE) else { return };
    let watchdog = Watchdog::start(Duration::ZERO).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let _signals = Signals::listen().unwrap();
        watchdog.listen().unwrap();
        for _ in 0..2 {
            tokio::spawn(async { hang() });
        }
        // The parent waits for this line, which the harness's own output comes before.
        eprintln!("hanging");
        if how == "at its end" {
            watchdog.ends(Exit::Config);
        }
        hang()
    });
}

fn hang() {
    loop {
        std::thread::park();
    }
}

/// Starts the child and sends it signals once it hangs; its exit code.
fn code_of(how: &str, signals: &[&str]) -> Option<i32> {
    let me = std::env::current_exe().unwrap();
    let mut child = Command::new(me)
        .args(["--exact", "watchdog::child_that_hangs", "--nocapture"])
        .env(VARIABLE, how)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|it| it == "hanging"), "the child never came so far");
    for signal in signals {
        let sent =
            Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
    child.wait().unwrap().code()
}

#[test]
fn with_every_thread_of_the_runtime_blocked_a_signal_ends_the_process_after_its_grace() {
    assert_eq!(code_of("at work", &["TERM"]), Some(70));
}

#[test]
fn and_a_second_one_of_another_kind_ends_it_with_its_own_code() {
    let code = code_of("at work", &["TERM", "INT"]);
    assert!(matches!(code, Some(130 | 143)), "{code:?}");
}

#[test]
fn what_hangs_at_the_end_changes_no_exit_code() {
    assert_eq!(code_of("at its end", &[]), Some(78));
}
