//! Followed files with the real binary: odd names, links in a circle, more files than descriptors, fast
//! rotations, many idle mappings.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use forebay_tests::daemon::Daemon;
use forebay_tests::{http, wait};

use crate::scene::{Scene, is_long};

const TRIM: &str = "starting_position: TRIM_HORIZON";

fn bodies(scene: &Scene) -> Vec<String> {
    let mut bodies: Vec<String> = scene.seen().into_iter().map(|it| it.body).collect();
    bodies.sort();
    bodies
}

fn await_bodies(scene: &Scene, wanted: &[&str]) {
    wait::until_told(
        "all lines",
        || (bodies(scene) == wanted).then_some(()),
        || format!("{:?}", bodies(scene)),
    );
}

#[test]
fn a_name_that_is_no_utf_8_stops_nothing() {
    let scene = Scene::new();
    scene.config_of("in/*.log", TRIM);
    scene.append("in/a.log", "good\n");
    let daemon = Daemon::start(scene.folder());
    await_bodies(&scene, &["good"]);
    let odd = scene.path("in").join(OsStr::from_bytes(b"foto\xe9.jpg"));
    fs::write(&odd, "none of ours\n").expect("a file can be written");
    let also = scene.path("in").join(OsStr::from_bytes(b"caf\xe9.log"));
    fs::write(also, "odd\n").expect("a file can be written");
    scene.append("in/a.log", "more\n");
    await_bodies(&scene, &["good", "more", "odd"]);
    fs::remove_file(odd).expect("it is there");
    scene.append("in/a.log", "removed\n");
    await_bodies(&scene, &["good", "more", "odd", "removed"]);
    assert!(daemon.stop().success());
    let log = fs::read_to_string(scene.path("log")).expect("there is a log");
    assert!(!log.contains("panic") && !log.contains("\"WARN\""), "{log}");
}

#[test]
fn links_to_a_parent_are_walked_once_and_the_process_ends_when_told_to() {
    let scene = Scene::new();
    scene.config_of("in/**/*.log", TRIM);
    scene.write("in/a/x.log", "x\n");
    for link in ["in/a/up1", "in/a/up2"] {
        symlink("..", scene.path(link)).expect("a link can be made");
    }
    let daemon = Daemon::start(scene.folder());
    await_bodies(&scene, &["x"]);
    scene.write("in/b/y.log", "y\n");
    await_bodies(&scene, &["x", "y"]);
    assert!(daemon.stop().success());
}

#[test]
fn more_files_than_descriptors_are_all_read_and_the_process_answers() {
    let (n_files, limit) = if is_long() { (1_300, 512) } else { (300, 128) };
    let scene = Scene::new();
    scene.config(TRIM);
    for idx in 0..n_files {
        scene.write(&format!("in/{idx}"), &format!("line {idx}\n"));
    }
    let daemon = Daemon::start_limited(scene.folder(), limit);
    wait::until_count("all lines", n_files, || scene.n_seen());
    assert_eq!(http::get(&daemon.admin, "/livez").map(|it| it.0), Some(200));
    for idx in 0..n_files {
        scene.append(&format!("in/{idx}"), &format!("again {idx}\n"));
    }
    wait::until_count("the second lines", 2 * n_files, || scene.n_seen());
    assert!(daemon.stop().success());
    assert_eq!(scene.n_seen(), 2 * n_files, "none is lost and none comes twice");
}

#[test]
fn a_path_that_is_rotated_twice_in_one_instant_loses_no_file() {
    let scene = Scene::new();
    scene.config_of("in/app.log", TRIM);
    scene.append("in/app.log", "A\n");
    let daemon = Daemon::start(scene.folder());
    await_bodies(&scene, &["A"]);
    let rename =
        |from: &str, to: &str| fs::rename(scene.path(from), scene.path(to)).expect("a file can be renamed");
    rename("in/app.log", "in/app.log.1");
    scene.append("in/app.log", "B\n");
    rename("in/app.log.1", "in/app.log.2");
    rename("in/app.log", "in/app.log.1");
    scene.append("in/app.log", "C\n");
    await_bodies(&scene, &["A", "B", "C"]);
    assert!(daemon.stop().success());
}

#[test]
fn many_idle_mappings_share_their_threads() {
    let n_mappings = if is_long() { 1_000 } else { 100 };
    let scene = Scene::new();
    scene.config(TRIM);
    let config = fs::read_to_string(scene.path("forebay.yaml")).expect("it was written");
    let (head, _) = config.split_once("  - name").expect("it has a mapping");
    let mapping = |n: usize| {
        scene.append(&format!("in/{n}"), &format!("first {n}\n"));
        format!("  - {{ name: m{n}, source: {{ file: {{ path: in/{n} }} }}, function_name: seen, {TRIM} }}\n")
    };
    let mappings: String = (0..n_mappings).map(mapping).collect();
    scene.write("forebay.yaml", &format!("{head}{mappings}"));
    let daemon = Daemon::start(scene.folder());
    wait::until_count("all lines", n_mappings, || scene.n_seen());
    let threads = fs::read_dir(format!("/proc/{}/task", daemon.pid())).expect("it runs").flatten();
    let names: Vec<String> =
        threads.filter_map(|it| fs::read_to_string(it.path().join("comm")).ok()).collect();
    let n_files = names.iter().filter(|it| it.starts_with("forebay-files")).count();
    assert!((2..=9).contains(&n_files) && names.len() < 40, "{names:?}");
    for n in 0..n_mappings {
        scene.append(&format!("in/{n}"), "second\n");
    }
    wait::until_count("the second lines", 2 * n_mappings, || scene.n_seen());
    assert!(daemon.stop().success());
}
