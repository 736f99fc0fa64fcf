//! Files that the world treats badly, followed by a real daemon: written anew while nobody looked, and beside
//! what is no file.

use std::path::Path;
use std::process::Command;

use forebay_tests::daemon::Daemon;
use forebay_tests::{http, wait};

use crate::scene::Scene;

/// Something that is no file, and how it is made.
type Odd = (&'static str, fn(&Path));

fn rows(word: &str, n_rows: usize) -> String {
    (0..n_rows).map(|it| format!("{it:02},{word},0000{it:02}\n")).collect()
}

fn bodies(scene: &Scene) -> Vec<String> {
    scene.seen().into_iter().map(|it| it.body).collect()
}

fn await_bodies(scene: &Scene, n_bodies: usize) {
    wait::until_told(
        "the lines",
        || (scene.n_seen() >= n_bodies).then_some(()),
        || format!("there was {:?}", bodies(scene)),
    );
}

#[test]
fn a_file_written_anew_with_the_same_header_while_the_daemon_was_down_loses_no_row() {
    let scene = Scene::new();
    scene.config("starting_position: TRIM_HORIZON");
    scene.append("in/a.csv", "id,name,amount\n");
    let daemon = Daemon::start(scene.folder());
    await_bodies(&scene, 1);
    scene.append("in/a.csv", &rows("aaaa", 20));
    await_bodies(&scene, 21);
    assert!(daemon.stop().success());
    scene.write("in/a.csv", &format!("id,name,amount\n{}", rows("bbbb", 50)));
    let daemon = Daemon::start(scene.folder());
    await_bodies(&scene, 21 + 51);
    let wanted = format!("id,name,amount\n{}id,name,amount\n{}", rows("aaaa", 20), rows("bbbb", 50));
    assert_eq!(bodies(&scene), wanted.lines().collect::<Vec<_>>());
    assert!(daemon.log().contains("the bytes before the kept position have changed"), "{}", daemon.log());
    daemon.stop();
}

#[test]
fn a_row_that_was_in_flight_when_the_file_was_written_anew_is_not_taken_for_one_of_the_new_file() {
    let scene = Scene::new();
    scene.config("starting_position: TRIM_HORIZON\nmaximum_retry_attempts: -1");
    scene.append("in/a.csv", &format!("id,name,amount\n{}", rows("aaaa", 20)));
    let daemon = Daemon::start(scene.folder());
    await_bodies(&scene, 21);
    scene.append("in/a.csv", "poison\n");
    wait::until("an attempt of the poison", || bodies(&scene).iter().any(|it| it == "poison").then_some(()));
    let told =
        || http::get(&daemon.admin, "/v1/mappings/lines/backlog").map_or_else(String::new, |(_, body)| body);
    let n_bytes = || serde_json::from_str::<serde_json::Value>(&told()).ok()?["backlog"].as_u64();
    wait::until_told("all but the poison to be finished", || (n_bytes() == Some(7)).then_some(()), told);
    daemon.kill();
    let n_before = scene.n_seen();
    scene.write("in/a.csv", &format!("id,name,amount\n{}", rows("bbbb", 50)));
    let daemon = Daemon::start(scene.folder());
    await_bodies(&scene, n_before + 51);
    let seen = bodies(&scene).split_off(n_before);
    let wanted = format!("id,name,amount\n{}", rows("bbbb", 50));
    assert_eq!(seen, wanted.lines().collect::<Vec<_>>());
    daemon.stop();
}

#[test]
fn latest_runs_beside_what_is_no_file_and_archives_are_left_out() {
    let scene = Scene::new();
    scene.config("starting_position: LATEST");
    scene.append("in/a.log", "old\n");
    std::fs::write(scene.path("in/a.log.1.gz"), b"\x1f\x8b\x08\0old lines\n").expect("a file can be written");
    let odd: [Odd; 3] = [
        ("fifo", |it| assert!(Command::new("mkfifo").arg(it).status().expect("mkfifo runs").success())),
        ("loop", |it| std::os::unix::fs::symlink(it, it).expect("a link can be made")),
        ("socket", |it| drop(std::os::unix::net::UnixListener::bind(it).expect("a socket can be made"))),
    ];
    for (name, make) in odd {
        make(&scene.path(&format!("in/{name}")));
    }
    let daemon = Daemon::start(scene.folder());
    wait::until_told(
        "the mapping",
        || daemon.log().contains("mapping created").then_some(()),
        || daemon.log(),
    );
    scene.append("in/a.log", "new\n");
    await_bodies(&scene, 1);
    // One that is UTF-16 is told of, and read as it stands.
    let utf16: Vec<u8> = "\u{feff}wide\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(scene.path("in/wide.log"), utf16).expect("a file can be written");
    wait::until_told(
        "the word of UTF-16",
        || daemon.log().contains("file is UTF-16").then_some(()),
        || daemon.log(),
    );
    scene.append("in/a.log", "last\n");
    wait::until_told(
        "the last line",
        || bodies(&scene).contains(&"last".to_owned()).then_some(()),
        || format!("{:?}", bodies(&scene)),
    );
    assert!(bodies(&scene).iter().all(|it| it != "old" && !it.contains("lines")), "{:?}", bodies(&scene));
    let log = daemon.log();
    for (name, _) in odd {
        let told = log
            .lines()
            .filter(|line| line.contains("leaves this out") && line.contains(&format!("in/{name}")))
            .count();
        assert_eq!(told, 1, "{name} is told once: {log}");
    }
    daemon.stop();
}
