//! What an operator does: validate, look, ask why, verify the state.

use forebay_tests::daemon::{Daemon, run};
use forebay_tests::{http, wait};

use crate::scene::Scene;

#[test]
fn validate_names_ten_mistakes_with_their_places() {
    let scene = Scene::new();
    scene.write(
        "forebay.yaml",
        "functions:
  f:
    executor: { process: { runtime: cobol, handler: app.handler, code: ./code } }
    timeout: 901
  g:
    executor: { process: { runtime: python3, handler: app.handler, code: ./code, sandbox: namespace } }
event_source_mappings:
  - name: m
    source: { file: { path: \"in/*\" } }
    function_name: h
    starting_position: SOMEWHERE
    batch_sise: 10
    maximum_retry_attempts: 10001
    maximum_record_age_in_seconds: 59
    parallelization_factor: 2
    filter_criteria: { filter: [{ pattern: '{\"body\":[]}' }] }
    function_response_types: [ReportEverything]
",
    );
    let (code, out, err) = run(scene.folder(), &["validate", "-c", "forebay.yaml"]);
    let text = out + &err;
    assert_eq!(code, 78, "{text}");
    for (line, words) in [
        (3, "cobol"),
        (4, "timeout"),
        (6, "sandbox"),
        (10, "function"),
        (11, "starting"),
        (12, "batch_size"),
        (13, "etry"),
        (14, "ecord"),
        (15, "ParallelizationFactor"),
        (16, "Invalid filter pattern definition."),
        (17, "ReportEverything"),
    ] {
        assert!(text.contains(&format!("forebay.yaml:{line}:")), "line {line} is not named in:\n{text}");
        assert!(text.contains(words), "{words} is not named in:\n{text}");
    }
}

#[test]
fn without_a_config_it_says_how_to_begin() {
    let scene = Scene::new();
    let (code, out, err) = run(scene.folder(), &["run", "--data-dir", "data"]);
    let text = out + &err;
    assert_eq!(code, 78, "{text}");
    assert!(text.contains("event_source_mappings:") && text.contains("functions:"), "{text}");
}

#[test]
fn patterns_are_tried_from_the_command_line() {
    let scene = Scene::new();
    scene.write("pattern", r#"{"body":{"magnitude":[{"numeric":[">=",5]}]}}"#);
    scene.write("match", r#"{"body":{"magnitude":5.5}}"#);
    scene.write("other", r#"{"body":{"magnitude":4.5}}"#);
    scene.write("invalid", r#"{"body":[]}"#);
    assert_eq!(run(scene.folder(), &["pattern", "test", "pattern", "match"]).0, 0);
    assert_eq!(run(scene.folder(), &["pattern", "test", "pattern", "other"]).0, 1);
    let (code, out, err) = run(scene.folder(), &["pattern", "test", "invalid", "match"]);
    assert_eq!(code, 78);
    assert!((out + &err).contains("Empty arrays are not allowed"));
}

#[test]
fn it_tells_why_nothing_is_happening_and_what_is_in_its_state() {
    let scene = Scene::new();
    scene.config("starting_position: TRIM_HORIZON\nmaximum_retry_attempts: -1");
    scene.append("in/one", "poison\n");
    let daemon = Daemon::start(scene.folder());
    wait::until("the reason", || {
        let (_, page) = http::get(&daemon.admin, "/readyz?verbose")?;
        (page.contains("lines") && page.contains("A batch has failed")).then_some(())
    });
    let (_, status) = http::get(&daemon.admin, "/v1/mappings/lines/status").expect("the daemon answers");
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert!(
        status.to_string().contains("poison") || status.to_string().contains("ValueError"),
        "the last error is told: {status}"
    );

    let (code, out, err) = run(
        scene.folder(),
        &[
            "run",
            "-c",
            "forebay.yaml",
            "--data-dir",
            "data",
            "--admin-listen",
            "127.0.0.1:0",
            "--api-listen",
            "127.0.0.1:0",
        ],
    );
    assert_ne!(code, 0);
    assert!(
        (out + &err).contains(&daemon.pid().to_string()),
        "a second process is refused, naming the first"
    );
    daemon.kill();

    let (code, out, err) = run(scene.folder(), &["state", "verify", "--data-dir", "data"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, err) = run(scene.folder(), &["state", "show", "--data-dir", "data"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("lines"), "{out}");
    scene.write("moved.yaml", "data_dir: data\nevent_source_mappings: []\n");
    let (code, out, err) = run(scene.folder(), &["state", "show", "-c", "moved.yaml"]);
    assert!(code == 0 && out.contains("lines"), "the config's folder is looked into: {out}{err}");
    scene.write("broken.yaml", "data_dir: [data]\nevent_source_mappings: []\n");
    let (code, out, err) = run(scene.folder(), &["state", "show", "-c", "broken.yaml"]);
    assert!(
        code == 78 && err.contains("broken.yaml:1"),
        "a config that is wrong is no empty folder: {out}{err}"
    );
}

#[test]
fn explain_says_where_each_setting_came_from() {
    let scene = Scene::new();
    scene.config("starting_position: TRIM_HORIZON\nbatch_size: 7");
    let (code, out, err) = run(scene.folder(), &["explain", "lines", "-c", "forebay.yaml"]);
    assert_eq!(code, 0, "{out}{err}");
    let row = out
        .lines()
        .find(|line| line.contains("batch_size"))
        .unwrap_or_else(|| panic!("no batch_size in {out}"));
    assert!(row.contains('7') && row.contains("forebay.yaml:"), "{row}");
    let row = out
        .lines()
        .find(|line| line.contains("maximum_retry_attempts"))
        .unwrap_or_else(|| panic!("no retries in {out}"));
    assert!(row.contains("default"), "{row}");
}
