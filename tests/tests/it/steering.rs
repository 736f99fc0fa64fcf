//! An operator asks why nothing happens, looks at what comes next, pauses, puts positions elsewhere and
//! replays, over `/v1/` of a real daemon.

use std::fs;

use forebay_models::sqs::{Attributes, Sent};
use forebay_tests::daemon::{Daemon, run};
use forebay_tests::elasticmq::ElasticMq;
use forebay_tests::lambda_api::LambdaApi;
use forebay_tests::{http, wait};
use serde_json::{Value, json};

use crate::scene::Scene;
use crate::sqs_world::World;

const LINES: &str = "/v1/mappings/lines";

fn started(scene: &Scene, settings: &str) -> Daemon {
    scene.config(&format!("starting_position: TRIM_HORIZON\n{settings}"));
    Daemon::start(scene.folder())
}

fn lines(scene: &Scene, range: std::ops::Range<usize>) {
    let text: String = range.map(|n| format!("line {n}\n")).collect();
    scene.append("in/a.log", &text);
}

/// What the function was given, by the numbers of the lines.
fn seen(scene: &Scene) -> Vec<usize> {
    scene.seen().iter().filter_map(|it| it.body.strip_prefix("line ")?.parse().ok()).collect()
}

fn await_seen(scene: &Scene, wanted: &[usize]) {
    wait::until_told(
        "what was to be seen",
        || (seen(scene).len() >= wanted.len()).then_some(()),
        || format!("there was {:?}", seen(scene)),
    );
    assert_eq!(seen(scene), wanted);
}

fn ask(daemon: &Daemon, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = http::send(&daemon.admin, method, path, &body).expect("the daemon answers");
    (status, serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error} in {answer:?}")))
}

fn get(daemon: &Daemon, path: &str) -> Value {
    let (status, answer) = ask(daemon, "GET", path, &Value::Null);
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

fn post(daemon: &Daemon, path: &str) -> Value {
    let (status, answer) = ask(daemon, "POST", path, &Value::Null);
    assert_eq!(status, 200, "{path}: {answer}");
    answer
}

fn await_status(daemon: &Daemon, path: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let status = || get(daemon, &format!("{path}/status"));
    wait::until_told(what, || Some(status()).filter(|it| holds(it)), || status().to_string())
}

/// Waits until all that was read is durably finished.
fn await_backlog(daemon: &Daemon, path: &str, wanted: u64) {
    let backlog = || get(daemon, &format!("{path}/backlog"))["backlog"].as_u64();
    wait::until_told(
        &format!("a backlog of {wanted}"),
        || (backlog() == Some(wanted)).then_some(()),
        || format!("it is {:?}", backlog()),
    );
}

#[test]
fn a_paused_mapping_stays_paused_over_a_restart_and_goes_on_where_it_stood() {
    let scene = Scene::new();
    lines(&scene, 0..5);
    let daemon = started(&scene, "");
    await_seen(&scene, &[0, 1, 2, 3, 4]);
    assert_eq!(post(&daemon, &format!("{LINES}/pause"))["state"], "Paused");
    assert_eq!(post(&daemon, &format!("{LINES}/pause"))["state"], "Paused", "once more changes nothing");
    lines(&scene, 5..8);
    await_backlog(&daemon, LINES, 3 * 7);
    daemon.kill();
    let daemon = Daemon::start(scene.folder());
    let status = get(&daemon, &format!("{LINES}/status"));
    assert_eq!((&status["state"], &status["severity"]), (&"Paused".into(), &"waiting".into()), "{status}");
    await_backlog(&daemon, LINES, 3 * 7);
    let (code, told, _) = run(scene.folder(), &["why", "--data-dir", "data"]);
    assert!(
        code == 0 && told.starts_with("lines [Paused] Paused: nothing is read before it is resumed."),
        "{told}"
    );
    assert_eq!(seen(&scene).len(), 5, "nothing began");
    post(&daemon, &format!("{LINES}/resume"));
    await_seen(&scene, &[0, 1, 2, 3, 4, 5, 6, 7]);
    let (_, told, _) = run(scene.folder(), &["why", "--data-dir", "data"]);
    assert_eq!(told, "All mappings run.\n");
    daemon.stop();
}

#[test]
fn positions_are_set_at_rest_only_and_the_mapping_goes_on_exactly_there() {
    let scene = Scene::new();
    lines(&scene, 0..6);
    let daemon = started(&scene, "");
    let mut wanted: Vec<usize> = (0..6).collect();
    await_seen(&scene, &wanted);
    await_backlog(&daemon, LINES, 0);
    let label = scene.path("in/a.log").display().to_string();
    let positions = format!("{LINES}/positions");
    let place = |position: &str| json!({ "positions": [{ "track": label, "position": position }] });
    let (status, refusal) = ask(&daemon, "PUT", &positions, &place("28"));
    assert_eq!((status, &refusal["code"]), (409, &"FB-0527".into()), "{refusal}");
    post(&daemon, &format!("{LINES}/pause"));
    assert_eq!(get(&daemon, &positions)["positions"][0]["position"], "42");
    let (status, refusal) = ask(&daemon, "PUT", &positions, &place("30"));
    assert_eq!((status, &refusal["code"]), (422, &"FB-0526".into()), "{refusal}");
    assert!(
        refusal["message"].as_str().unwrap_or_default().ends_with("the one that holds it begins at 28"),
        "{refusal}"
    );
    let (status, told) = ask(&daemon, "PUT", &positions, &place("28"));
    assert_eq!((status, &told["positions"][0]["position"]), (200, &"28".into()), "{told}");
    assert_eq!(get(&daemon, &positions)["positions"][0]["position"], "28");
    // It is durable: the process that goes on is another one.
    daemon.kill();
    let daemon = Daemon::start(scene.folder());
    post(&daemon, &format!("{LINES}/resume"));
    wanted.extend(4..6);
    await_seen(&scene, &wanted);
    await_backlog(&daemon, LINES, 0);
    post(&daemon, &format!("{LINES}/pause"));
    lines(&scene, 6..9);
    let (status, told) = ask(&daemon, "PUT", &positions, &json!({ "to": "LATEST" }));
    assert_eq!(status, 200, "{told}");
    post(&daemon, &format!("{LINES}/resume"));
    await_backlog(&daemon, LINES, 0);
    lines(&scene, 9..10);
    wanted.push(9);
    await_seen(&scene, &wanted);
    for wrong in [
        json!({}),
        json!({ "to": "2026" }),
        json!({ "to": "LATEST", "positions": [] }),
        json!({ "from": "LATEST" }),
        json!([]),
    ] {
        assert_eq!(ask(&daemon, "PUT", &positions, &wrong).0, 400, "{wrong}");
    }
    daemon.stop();
}

#[test]
fn a_replay_of_a_running_mapping_finishes_what_runs_and_begins_exactly_where_it_was_told_to() {
    let scene = Scene::new();
    lines(&scene, 0..20);
    let daemon = started(&scene, "batch_size: 3");
    let mut wanted: Vec<usize> = (0..20).collect();
    await_seen(&scene, &wanted);
    await_backlog(&daemon, LINES, 0);
    let replay = format!("{LINES}/replay");
    let (status, told) = ask(&daemon, "POST", &replay, &json!({ "from": "TRIM_HORIZON" }));
    assert_eq!(status, 200, "{told}");
    wanted.extend(0..20);
    await_seen(&scene, &wanted);
    await_backlog(&daemon, LINES, 0);
    // The first ten lines have 7 bytes each.
    let track = scene.path("in/a.log").display().to_string();
    let (status, told) =
        ask(&daemon, "POST", &replay, &json!({ "from": { "track": track, "position": "56" } }));
    assert_eq!(status, 200, "{told}");
    wanted.extend(8..20);
    await_seen(&scene, &wanted);
    await_status(&daemon, LINES, "it to run again", |it| it["state"] == "Enabled");
    for wrong in [json!({ "from": "LATEST" }), json!({ "from": 7 }), json!({}), Value::Null] {
        assert_eq!(ask(&daemon, "POST", &replay, &wrong).0, 400, "{wrong}");
    }
    let (status, refusal) = ask(&daemon, "POST", &replay, &json!({ "from": "2026-07-01T12:00:00Z" }));
    assert!(
        status == 422 && refusal["message"].as_str().is_some_and(|it| it.contains("no times")),
        "{refusal}"
    );
    lines(&scene, 20..21);
    wanted.push(20);
    await_seen(&scene, &wanted);
    daemon.stop();
}

#[test]
fn a_replay_in_the_middle_of_things_repeats_from_the_first_line_and_loses_and_swaps_nothing() {
    let scene = Scene::new();
    lines(&scene, 0..1);
    let daemon = started(&scene, "batch_size: 5");
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| (1..400).for_each(|n| lines(&scene, n..n + 1)));
        wait::until_count("some lines", 20, || scene.n_seen());
        let (status, told) =
            ask(&daemon, "POST", &format!("{LINES}/replay"), &json!({ "from": "TRIM_HORIZON" }));
        assert_eq!(status, 200, "{told}");
        writing.join().expect("all is written");
    });
    let all: Vec<usize> = (0..400).collect();
    wait::until_told(
        "the last line",
        || seen(&scene).ends_with(&[399]).then_some(()),
        || format!("there was {:?}", seen(&scene)),
    );
    await_backlog(&daemon, LINES, 0);
    let seen = seen(&scene);
    let n_before = seen.len().checked_sub(all.len()).unwrap_or_else(|| panic!("some are missing: {seen:?}"));
    assert!(n_before >= 20, "{n_before}");
    assert_eq!((&seen[..n_before], &seen[n_before..]), (&all[..n_before], &all[..]));
    daemon.stop();
}

/// Waits while there is a file `hold`, then writes down what it was given.
const HOLDING: &str = r#"
import os, pathlib, time

HERE = pathlib.Path(__file__).resolve().parent.parent
SEEN = os.open(HERE / "seen", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

def handler(event, context):
    (HERE / "began").touch()
    while (HERE / "hold").exists():
        time.sleep(0.01)
    os.write(SEEN, "".join(f'{os.path.basename(r["path"])}\t{r["offset"]}\t{r["body"]}\n' for r in event["Records"]).encode())
"#;

fn holding(n_lines: usize) -> (Scene, Daemon) {
    let scene = Scene::new();
    scene.write("code/app.py", HOLDING);
    scene.write("hold", "");
    lines(&scene, 0..n_lines);
    let daemon = started(&scene, "batch_size: 2");
    wait::until("a batch to run", || scene.path("began").exists().then_some(()));
    (scene, daemon)
}

fn let_go(scene: &Scene) {
    fs::remove_file(scene.path("hold")).expect("the file can be removed");
}

#[test]
fn a_pause_is_answered_before_what_runs_is_finished_and_that_is_finished() {
    let (scene, daemon) = holding(4);
    let paused = post(&daemon, &format!("{LINES}/pause"));
    assert_eq!(paused["state"], "Disabling", "what runs is finished, however long it takes: {paused}");
    let_go(&scene);
    await_status(&daemon, LINES, "it to rest", |it| it["state"] == "Paused");
    assert_eq!(seen(&scene), [0, 1], "what ran was finished and nothing began");
    post(&daemon, &format!("{LINES}/resume"));
    await_seen(&scene, &[0, 1, 2, 3]);
    daemon.stop();
}

#[test]
fn a_replay_waits_for_the_batch_that_runs() {
    let (scene, daemon) = holding(4);
    let admin = daemon.admin.clone();
    let replaying = std::thread::spawn(move || {
        let body = json!({ "from": "TRIM_HORIZON" }).to_string();
        http::send(&admin, "POST", &format!("{LINES}/replay"), &body).expect("the daemon answers")
    });
    await_status(&daemon, LINES, "the replay to wait", |it| it["state"] == "Updating");
    assert!(seen(&scene).is_empty(), "nothing was finished yet");
    let_go(&scene);
    let (status, told) = replaying.join().expect("the thread ends");
    assert_eq!(status, 200, "{told}");
    // The batch that ran was finished, not sent twice at once; then all came again, from the first line.
    await_seen(&scene, &[0, 1, 0, 1, 2, 3]);
    await_backlog(&daemon, LINES, 0);
    daemon.stop();
}

#[test]
fn why_and_status_tell_a_failing_batch_and_peek_shows_it() {
    let scene = Scene::new();
    scene.append("in/a.log", "fine\npoison\nlater\n");
    let daemon = started(&scene, "batch_size: 1");
    let status = await_status(&daemon, LINES, "its retries to be told", |it| {
        it["why"].as_str().is_some_and(|why| why.contains("attempt 3 of it"))
    });
    assert_eq!(status["severity"], "trouble", "{status}");
    assert_eq!(
        (&status["last_error"]["of"], &status["tracks"][0]["state"]),
        (&"function".into(), &"Retrying".into()),
        "{status}"
    );
    assert!(status["last_error"]["message"].as_str().is_some_and(|it| it.contains("poison")), "{status}");
    await_backlog(&daemon, LINES, "poison\nlater\n".len() as u64);
    assert!(get(&daemon, &format!("{LINES}/status"))["lag"]["bytes"] == "poison\nlater\n".len());
    let (code, told, _) = run(scene.folder(), &["why", "lines", "--data-dir", "data"]);
    assert!(
        code == 0
            && told.contains("A batch has failed")
            && told.contains("what to do: Look at the function's error."),
        "{told}"
    );
    let (_, json, _) = run(scene.folder(), &["why", "lines", "--data-dir", "data", "--output", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&json).expect("it is JSON")["severity"], "trouble");
    let (code, _, complaint) = run(scene.folder(), &["why", "other", "--data-dir", "data"]);
    assert!(code == 1 && complaint.contains("there is no such mapping"), "{complaint}");
    let peeked = get(&daemon, &format!("{LINES}/peek?n=2"));
    let records: Vec<_> = peeked["records"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| (&it["position"], &it["record"]["body"]))
        .collect();
    assert_eq!(records, [(&"5".into(), &"poison".into()), (&"12".into(), &"later".into())], "{peeked}");
    let first = get(&daemon, &format!("{LINES}/peek?n=1&from=TRIM_HORIZON"));
    assert_eq!(first["records"][0]["record"]["body"], "fine");
    for wrong in ["n=0", "n=101", "n=x", "m=1"] {
        assert_eq!(ask(&daemon, "GET", &format!("{LINES}/peek?{wrong}"), &Value::Null).0, 400, "{wrong}");
    }
    daemon.stop();
}

#[test]
fn a_queue_tells_its_backlog_and_has_neither_positions_nor_anything_to_peek_at() {
    let world = World::new("waiting", Attributes::default(), "");
    let daemon = Daemon::start(world.scene.folder());
    let path = "/v1/mappings/messages";
    await_status(&daemon, path, "its receives", |it| {
        it["tracks"][0]["receives"]["open"].as_u64().is_some_and(|n| n > 0)
    });
    post(&daemon, &format!("{path}/pause"));
    world.server.send("waiting", (0..5).map(|n| Sent::plain(&format!("message {n}"))));
    await_backlog(&daemon, path, 5);
    let backlog = get(&daemon, &format!("{path}/backlog"));
    assert_eq!((&backlog["unit"], &backlog["records"]), (&"records".into(), &5.into()));
    assert_eq!(get(&daemon, &format!("{path}/positions"))["positions"], json!([]));
    for (method, page, body) in [
        ("GET", "peek", Value::Null),
        ("PUT", "positions", json!({ "to": "TRIM_HORIZON" })),
        ("POST", "replay", json!({ "from": "TRIM_HORIZON" })),
    ] {
        let (status, refusal) = ask(&daemon, method, &format!("{path}/{page}"), &body);
        assert_eq!((status, &refusal["code"]), (501, &"FB-0525".into()), "{refusal}");
    }
    assert!(
        !world.scene.path("seen").exists()
            || fs::read_to_string(world.scene.path("seen")).unwrap_or_default().is_empty()
    );
    post(&daemon, &format!("{path}/resume"));
    await_backlog(&daemon, path, 0);
    daemon.stop();
}

#[test]
fn a_queue_of_elasticmq_tells_its_backlog() {
    let (server, scene) = (ElasticMq::shared(), Scene::new());
    let url = server.create("steered", &json!({}));
    let source = format!(
        "{{ sqs: {{ queue_url: \"{url}\", wait_time: 1, aws: {{ endpoint: \"{}\", region: us-east-1, access_key_id: x, secret_access_key: x }} }} }}",
        server.endpoint()
    );
    scene.write(
        "forebay.yaml",
        &format!(
            "functions:\n  seen:\n    executor: {{ process: {{ runtime: python3, handler: app.handler, code: ./code }} }}\n    timeout: 25\n\
             event_source_mappings:\n  - {{ name: steered, source: {source}, function_name: seen, enabled: false }}\n"
        ),
    );
    let daemon = Daemon::start(scene.folder());
    let messages: Vec<_> = (0..7).map(|n| (format!("message {n}"), None)).collect();
    server.send(&url, &messages);
    await_backlog(&daemon, "/v1/mappings/steered", 7);
    daemon.stop();
}

#[test]
fn a_mapping_of_the_api_is_steered_by_its_uuid_and_stays_paused_over_a_restart() {
    let (server, scene) = (ElasticMq::shared(), Scene::new());
    let url = server.create("steered-by-uuid", &json!({ "VisibilityTimeout": "60" }));
    scene.write("code/app.py", BODIES);
    scene.write(
        "forebay.yaml",
        &format!(
            "aws: {{ region: us-east-1, account_id: \"000000000000\", endpoint: \"{}\", access_key_id: x, secret_access_key: x }}\n\
             functions:\n  seen:\n    executor: {{ process: {{ runtime: python3, handler: app.handler, code: ./code }} }}\n    timeout: 25\n\
             event_source_mappings: []\n",
            server.endpoint()
        ),
    );
    let arguments = [("FOREBAY_LOG", "info".to_owned())];
    let daemon = Daemon::start_with(scene.folder(), &arguments);
    let api = |daemon: &Daemon| LambdaApi::Unix(daemon.folder.join("data/forebay.sock"));
    let queue = "arn:aws:sqs:us-east-1:000000000000:steered-by-uuid";
    // It has never run, so no long poll of a former life takes a message.
    let made = api(&daemon)
        .create(&json!({ "EventSourceArn": queue, "FunctionName": "seen", "Enabled": false }))
        .expect(202);
    let uuid = made["UUID"].as_str().expect("it has a UUID").to_owned();
    let path = format!("/v1/mappings/{uuid}");
    let paused = post(&daemon, &format!("{path}/pause"));
    assert_eq!((&paused["state"], &paused["severity"]), (&"Paused".into(), &"waiting".into()), "{paused}");
    server.send(&url, &[("one".to_owned(), None), ("two".to_owned(), None)]);
    daemon.kill();
    let daemon = Daemon::start_with(scene.folder(), &arguments);
    assert_eq!(get(&daemon, &format!("{path}/status"))["state"], "Paused");
    await_backlog(&daemon, &path, 2);
    let (code, told, _) = run(scene.folder(), &["why", &uuid, "--data-dir", "data"]);
    assert!(code == 0 && told.starts_with(&format!("{uuid} [Paused]")), "{told}");
    post(&daemon, &format!("{path}/resume"));
    await_status(&daemon, &path, "it to be what it was", |it| it["state"] == "Disabled");
    api(&daemon).update(&uuid, &json!({ "Enabled": true })).expect(202);
    let bodies = || fs::read_to_string(scene.path("seen")).unwrap_or_default();
    wait::until_told(
        "both messages",
        || (bodies().lines().count() >= 2).then_some(()),
        || format!("there was {:?}", bodies()),
    );
    await_backlog(&daemon, &path, 0);
    daemon.kill();
}

/// Writes down the bodies of messages.
const BODIES: &str = r#"
import os, pathlib

HERE = pathlib.Path(__file__).resolve().parent.parent
SEEN = os.open(HERE / "seen", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

def handler(event, context):
    os.write(SEEN, "".join(r["body"] + "\n" for r in event["Records"]).encode())
"#;
