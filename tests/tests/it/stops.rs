//! Clean stops: nothing lost, nothing repeated; a second signal quits now.

use std::collections::BTreeSet;

use forebay_tests::daemon::Daemon;
use forebay_tests::wait;

use crate::scene::{Scene, is_long};

#[test]
fn rolling_restarts_lose_and_repeat_nothing() {
    let n_restarts = if is_long() { 200 } else { 10 };
    let scene = Scene::new();
    scene.config("starting_position: TRIM_HORIZON\nbatch_size: 7");
    let mut n_lines = 0;
    for restart in 0..n_restarts {
        let daemon = Daemon::start(scene.folder());
        let text: String = (0..40).map(|n| format!("line {}\n", n_lines + n)).collect();
        scene.append("in/one", &text);
        n_lines += 40;
        // Stopped while lines wait and batches run.
        wait::until("some lines", || (scene.n_seen() >= n_lines - 40 + restart % 20).then_some(()));
        assert_eq!(daemon.stop().code(), Some(0));
    }
    let daemon = Daemon::start(scene.folder());
    wait::until("all lines", || (scene.n_seen() >= n_lines).then_some(()));
    assert!(daemon.stop().success());
    let seen = scene.seen();
    let distinct: BTreeSet<u64> = seen.iter().map(|it| it.offset).collect();
    assert_eq!(
        (seen.len(), distinct.len()),
        (n_lines, n_lines),
        "P4: none lost, none repeated after clean stops"
    );
}

#[test]
fn a_stop_awaits_what_runs_and_a_second_signal_does_not() {
    let scene = Scene::new();
    scene.write("code/app.py", "import os, pathlib, time\nHERE = pathlib.Path(__file__).resolve().parent.parent\ndef handler(event, context):\n    (HERE / 'started').touch()\n    while not (HERE / 'go').exists():\n        time.sleep(0.01)\n    (HERE / 'ended').touch()\n");
    scene.config("starting_position: TRIM_HORIZON");
    scene.append("in/one", "slow\n");
    let daemon = Daemon::start(scene.folder());
    wait::until("the invocation", || scene.path("started").exists().then_some(()));
    daemon.signal("TERM");
    wait::until("the drain in the log", || (n_drains(&daemon) == 1).then_some(()));
    scene.write("go", "");
    assert_eq!(daemon.wait().code(), Some(0));
    assert!(scene.path("ended").exists(), "the invocation that ran was awaited");

    for name in ["go", "started", "ended"] {
        std::fs::remove_file(scene.path(name)).expect("it was written");
    }
    scene.append("in/one", "slow again\n");
    let daemon = Daemon::start(scene.folder());
    wait::until("the invocation", || scene.path("started").exists().then_some(()));
    daemon.signal("TERM");
    // Two signals at once are one to the system: the second is sent when the first was heard.
    wait::until("the second drain in the log", || (n_drains(&daemon) == 2).then_some(()));
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(143), "a second signal quits now");
}

/// How often a daemon of this folder has begun to drain.
fn n_drains(daemon: &Daemon) -> usize {
    daemon.log().matches("draining:").count()
}

#[test]
fn latest_takes_what_was_written_after_it_was_enabled_and_only_that() {
    let scene = Scene::new();
    scene.append("in/old", "before 1\nbefore 2\n");
    scene.config("starting_position: LATEST");
    let daemon = Daemon::start(scene.folder());
    scene.append("in/old", "after 1\n");
    scene.append("in/new", "new 1\n");
    wait::until("both lines", || (scene.n_seen() == 2).then_some(()));
    // Written while nobody runs: the position is durable, so LATEST is not asked again.
    assert!(daemon.stop().success());
    scene.append("in/old", "while away\n");
    let daemon = Daemon::start(scene.folder());
    wait::until("the third line", || (scene.n_seen() == 3).then_some(()));
    assert!(daemon.stop().success());
    let mut bodies: Vec<String> = scene.seen().into_iter().map(|it| it.body).collect();
    bodies.sort();
    assert_eq!(bodies, ["after 1", "new 1", "while away"]);
}
