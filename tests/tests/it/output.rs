//! Commands whose results cannot be written say so and fail; a reader that had enough is no failure.

use std::fs::File;
use std::process::{Command, Stdio};

use forebay_tests::daemon::{Daemon, binary, run};

use crate::scene::Scene;

/// Every command that prints results; what it prints must be more than nothing.
const COMMANDS: &[&str] = &[
    "--help",
    "--version",
    "help validate",
    "validate -c forebay.yaml",
    "validate -c forebay.yaml --format json",
    "validate -c wrong.yaml",
    "explain -c forebay.yaml lines",
    "schema",
    "config defaults",
    "config manual",
    "state verify --data-dir resting",
    "state show --data-dir resting",
    "state repair --data-dir resting",
    "pattern test pattern.json event.json",
    "health --data-dir data",
    "why --data-dir data",
    "why --data-dir data --output json",
    "why --data-dir data lines",
    "decide lines --data-dir data",
    "reload --data-dir data",
    "mappings list --data-dir data",
    "mappings list --data-dir data --output json",
    "mappings get lines --data-dir data",
    "export -c forebay.yaml lines",
    "completions bash",
];

/// Runs a command with its results going to `out`: exit code and standard error.
fn run_onto(scene: &Scene, command: &str, out: Stdio) -> (i32, String) {
    let output = Command::new(binary())
        .args(command.split(' '))
        .current_dir(scene.folder())
        .stdin(Stdio::null())
        .stdout(out)
        .output();
    let output = output.expect("the binary runs");
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A running daemon, and a data folder that nobody uses.
fn started(scene: &Scene) -> Daemon {
    scene.write("pattern.json", "{\"body\": [\"x\"]}");
    scene.write("event.json", "{\"body\": \"x\"}");
    scene.write("wrong.yaml", "event_source_mappings: [{ name: a }]\n");
    scene.config("starting_position: TRIM_HORIZON");
    scene.append("in/one", "line\n");
    assert!(Daemon::start(scene.folder()).stop().success());
    std::fs::rename(scene.path("data"), scene.path("resting")).expect("a folder can be renamed");
    Daemon::start(scene.folder())
}

#[test]
fn every_command_prints_here() {
    let (_, help, _) = run(Scene::new().folder(), &["--help"]);
    let listed = help
        .split("Commands:")
        .nth(1)
        .and_then(|it| it.split("Options:").next())
        .expect("the help lists commands");
    // A command begins its line after two blanks, its description goes on after more.
    let names = listed
        .lines()
        .filter_map(|it| it.strip_prefix("  ")?.split(' ').next())
        .filter(|it| !it.is_empty() && *it != "run");
    for name in names {
        assert!(COMMANDS.iter().any(|it| it.split(' ').next() == Some(name)), "{name} is not in the table");
    }
}

#[test]
fn results_that_a_full_disk_does_not_take_are_a_failure_that_is_told() {
    let scene = Scene::new();
    let _daemon = started(&scene);
    for command in COMMANDS {
        let full = File::options().write(true).open("/dev/full").expect("the system has a full device");
        let (code, err) = run_onto(&scene, command, full.into());
        assert!(code != 0 && code != -1, "{command}: {code}");
        assert!(
            err.contains(
                "error[FB-0543]: the results could not be written to standard output: No space left"
            ),
            "{command}: {err:?}"
        );
    }
}

#[test]
fn a_reader_of_results_that_had_enough_is_no_failure() {
    let scene = Scene::new();
    let _daemon = started(&scene);
    for command in COMMANDS {
        let (reader, writer) = std::io::pipe().expect("a pipe can be made");
        drop(reader);
        let (code, err) = run_onto(&scene, command, writer.into());
        assert_eq!((code, err.as_str()), (if command.contains("wrong") { 78 } else { 0 }, ""), "{command}");
    }
}
