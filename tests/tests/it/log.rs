//! A log that nobody takes: its reader went away, does not read, or its file may not grow. Work goes on and
//! the process ends when told to.

use std::fs::File;
use std::io::{BufRead as _, BufReader, PipeReader};
use std::os::fd::OwnedFd;
use std::process::Command;

use forebay_tests::daemon::Daemon;
use forebay_tests::{http, wait};

use crate::scene::Scene;

/// A function that prints `n` characters at each call and writes down what it saw.
fn scene_with_a_function_that_prints(n: usize) -> Scene {
    let scene = Scene::new();
    let code = std::fs::read_to_string(scene.path("code/app.py")).expect("the scene has a function");
    let printing = format!(
        "def handler(event, context):\n    for start in range(0, {n}, 8000):\n        print('x' * min(8000, {n} - start))\n"
    );
    scene.write("code/app.py", &code.replace("def handler(event, context):\n", &printing));
    scene.config("starting_position: TRIM_HORIZON\nbatch_size: 1");
    scene
}

fn started_into_a_pipe(scene: &Scene) -> (PipeReader, Daemon) {
    let (reader, writer) = std::io::pipe().expect("a pipe can be made");
    (reader, Daemon::start_writing_to(scene.folder(), File::from(OwnedFd::from(writer))))
}

fn lines(n: usize) -> String {
    (0..n).map(|n| format!("line {n}\n")).collect()
}

/// A counter of the process.
fn count(daemon: &Daemon, name: &str) -> u64 {
    let metrics = daemon.metrics();
    let line = metrics.lines().find_map(|it| it.strip_prefix(&format!("forebay_{name}_total ")));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().expect("a counter is a number")
}

#[test]
fn a_log_reader_that_goes_away_ends_nothing() {
    let scene = scene_with_a_function_that_prints(10);
    scene.append("in/one", "first\n");
    let (reader, mut daemon) = started_into_a_pipe(&scene);
    wait::until("the first line", || (scene.n_seen() == 1).then_some(()));
    drop(reader);
    scene.append("in/one", &lines(20));
    wait::until("all lines", || {
        daemon.assert_alive();
        (scene.n_seen() == 21).then_some(())
    });
    wait::until("a count of failed writes", || (count(&daemon, "log_write_failures") > 0).then_some(()));
    let (_, verbose) = http::get(&daemon.admin, "/readyz?verbose").expect("it answers");
    assert!(verbose.starts_with("ok\n") && verbose.contains("log [Failing] FB-0541"), "{verbose}");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_log_that_nobody_reads_stops_neither_the_work_nor_the_end() {
    let scene = scene_with_a_function_that_prints(1_000);
    scene.append("in/one", &lines(300));
    // Kept open and never read: what a pipe holds is a fifth of what is printed.
    let (_reader, daemon) = started_into_a_pipe(&scene);
    wait::until_count("all lines", 300, || scene.n_seen());
    assert_eq!(count(&daemon, "log_lines_dropped"), 0, "all of it waits");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn what_a_full_log_has_no_room_for_is_dropped_counted_and_told_when_it_is_read_again() {
    let scene = scene_with_a_function_that_prints(1_000_000);
    scene.append("in/one", &lines(8));
    let (reader, daemon) = started_into_a_pipe(&scene);
    wait::until_count("all lines", 8, || scene.n_seen());
    wait::until("a count of dropped lines", || (count(&daemon, "log_lines_dropped") > 0).then_some(()));
    let mut lines = BufReader::new(reader).lines().map(|it| {
        let line = it.expect("the log is UTF-8");
        serde_json::from_str::<serde_json::Value>(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    });
    let told = lines.find(|it| it["code"] == "FB-0541").expect("the log goes on");
    assert!(
        told["message"]
            .as_str()
            .is_some_and(|it| it.contains("lines that functions printed were dropped here")),
        "{told}"
    );
    assert!(
        told["n"].as_u64().is_some_and(|it| (1..=count(&daemon, "log_lines_dropped")).contains(&it)),
        "{told}"
    );
    daemon.signal("TERM");
    assert!(lines.any(|it| it["message"] == "drained"), "what comes behind it is whole too");
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn a_log_that_may_not_grow_any_more_ends_nothing() {
    let scene = scene_with_a_function_that_prints(10);
    scene.append("in/one", "first\n");
    let mut daemon = Daemon::start(scene.folder());
    wait::until("the first line", || (scene.n_seen() == 1).then_some(()));
    let limit = |bytes: &str| {
        let status = Command::new("prlimit")
            .args(["--pid", &daemon.pid().to_string(), &format!("--fsize={bytes}:unlimited")])
            .status();
        assert!(status.expect("prlimit runs").success());
    };
    limit("1");
    daemon.signal("USR1");
    wait::until("a count of failed writes", || (count(&daemon, "log_write_failures") > 0).then_some(()));
    limit("unlimited");
    daemon.assert_alive();
    wait::until("a word about it in the log", || daemon.log().contains("FB-0541").then_some(()));
    scene.append("in/one", "second\n");
    wait::until("the second line", || (scene.n_seen() == 2).then_some(()));
    assert_eq!(daemon.stop().code(), Some(0));
}
