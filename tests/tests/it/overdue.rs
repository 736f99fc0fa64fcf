//! A process whose own loop hangs ends within its time all the same, and its functions with it.

use std::fs::{self, File};
use std::sync::mpsc::channel;
use std::thread;

use forebay_tests::daemon::Daemon;
use forebay_tests::wait;

use crate::scene::Scene;

/// Starts a daemon that reads its config again from a pipe into which nobody writes, as from a mount that
/// hangs: its loop hears nothing more. Also the pipe's other end, and the id of a function's process.
fn hanging(scene: &Scene) -> (Daemon, File, u32) {
    scene.write(
        "code/app.py",
        "import os, pathlib\nPID = pathlib.Path(__file__).resolve().parent.parent / 'pid'\ndef handler(event, context):\n    PID.write_text(f'{os.getpid()}\\n')\n",
    );
    scene.config("starting_position: TRIM_HORIZON");
    let config = fs::read_to_string(scene.path("forebay.yaml")).expect("the config is there");
    scene.write("forebay.yaml", &format!("shutdown_grace: 1\n{config}"));
    scene.append("in/one", "line\n");
    let daemon = Daemon::start(scene.folder());
    let pid = wait::until("the function", || scene.whole_lines("pid").trim().parse().ok());
    fs::remove_file(scene.path("forebay.yaml")).expect("it was written");
    let made =
        std::process::Command::new("mkfifo").arg(scene.path("forebay.yaml")).status().expect("mkfifo runs");
    assert!(made.success());
    let (opened, opening) = channel();
    let path = scene.path("forebay.yaml");
    // Opened as soon as the daemon reads it.
    thread::spawn(move || opened.send(File::options().write(true).open(path)));
    daemon.signal("HUP");
    let pipe = wait::until("the reload", || opening.try_recv().ok()).expect("a pipe can be opened");
    (daemon, pipe, pid)
}

fn await_end_of(pid: u32) {
    let stat = format!("/proc/{pid}/stat");
    // One that nobody has reaped yet has ended, too.
    let is_gone = || {
        fs::read_to_string(&stat)
            .map_or(true, |it| it.rsplit(')').next().is_some_and(|it| it.starts_with(" Z")))
    };
    wait::until("the end of the function's process", || is_gone().then_some(()));
}

#[test]
fn a_hanging_process_ends_by_force_a_moment_after_its_grace() {
    let scene = Scene::new();
    let (daemon, _pipe, pid) = hanging(&scene);
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(70));
    let log = fs::read_to_string(scene.path("log")).expect("there is a log");
    assert!(log.contains("FB-0542"), "{log}");
    await_end_of(pid);
}

#[test]
fn a_second_signal_ends_a_hanging_process_whatever_its_grace() {
    let scene = Scene::new();
    let (daemon, _pipe, pid) = hanging(&scene);
    for name in ["TERM", "INT"] {
        daemon.signal(name);
    }
    let code = daemon.wait().code();
    assert!(matches!(code, Some(130 | 143)), "{code:?}");
    await_end_of(pid);
}
