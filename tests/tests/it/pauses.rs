//! What used up its attempts waits for an operator of a real daemon, over a kill, until he decides.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use forebay_tests::daemon::{Daemon, run};
use forebay_tests::function::{Answer, Function};
use forebay_tests::{http, wait};
use serde_json::{Value, json};

use crate::scene::Scene;

const LINES: &str = "/v1/mappings/lines";

/// A function that fails for what is bad, with what it was given in the order given.
struct Given {
    lines: Arc<Mutex<Vec<String>>>,
    is_mended: Arc<Mutex<bool>>,
    function: Function,
}

impl Given {
    fn start() -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let is_mended = Arc::<Mutex<bool>>::default();
        let function = Function::start({
            let (lines, is_mended) = (Arc::clone(&lines), Arc::clone(&is_mended));
            move |event| {
                let bodies = event["Records"].as_array().into_iter().flatten();
                let bodies: Vec<String> =
                    bodies.filter_map(|it| it["body"].as_str().map(str::to_owned)).collect();
                let is_bad = bodies.iter().any(|it| it.starts_with("bad"))
                    && !*is_mended.lock().expect("nobody dies over it");
                lines.lock().expect("nobody dies over it").extend(bodies);
                if is_bad { Answer::Failed } else { Answer::Done("{}".into()) }
            }
        });
        Self { lines, is_mended, function }
    }

    fn n_of(&self, line: &str) -> usize {
        self.lines.lock().expect("nobody dies over it").iter().filter(|it| *it == line).count()
    }

    fn await_line(&self, line: &str) {
        wait::until_told(
            &format!("{line:?} given to the function"),
            || (self.n_of(line) > 0).then_some(()),
            || format!("it was given {:?}", self.lines.lock().expect("nobody dies over it")),
        );
    }
}

/// One line a batch, one retry, and what is used up waits.
fn configured(scene: &Scene, given: &Given, more: &str) {
    scene.write(
        "forebay.yaml",
        &format!(
            "functions:\n  f:\n    executor: {}\n\
             event_source_mappings:\n  - name: lines\n    source: {{ file: {{ path: \"in/*\" }} }}\n    function_name: f\n    \
             starting_position: TRIM_HORIZON\n    batch_size: 1\n    maximum_retry_attempts: 1\n    on_exhausted: pause\n{more}",
            given.function.executor()
        ),
    );
}

fn ask(daemon: &Daemon, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = http::send(&daemon.admin, method, path, &body).expect("the daemon answers");
    (status, serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error} in {answer:?}")))
}

fn decide(daemon: &Daemon, body: &Value) -> (u16, Value) {
    ask(daemon, "POST", &format!("{LINES}/decide"), body)
}

fn paused(daemon: &Daemon) -> Vec<Value> {
    let (status, answer) = ask(daemon, "GET", &format!("{LINES}/paused"), &Value::Null);
    assert!(status == 200 || status == 503, "{status}: {answer}");
    answer["paused"].as_array().cloned().unwrap_or_default()
}

/// Waits until so much waits; by the positions of what does.
fn await_paused(daemon: &Daemon, n: usize) -> BTreeMap<String, Value> {
    let list = wait::until_told(
        &format!("{n} batches that wait"),
        || Some(paused(daemon)).filter(|it| it.len() == n),
        || format!("there were {:?}", paused(daemon)),
    );
    let position = |it: &Value| it["position"].as_str().expect("each has its place").to_owned();
    list.into_iter().map(|it| (position(&it), it)).collect()
}

/// Counts are published a moment after what they count.
fn await_count(daemon: &Daemon, name: &str, n: f64) {
    let metric = || http::metric(&daemon.metrics(), &format!("forebay_{name}"), "mapping=\"lines\"");
    wait::until(&format!("{name} of {n}"), || (metric() == n).then_some(()));
}

#[test]
fn what_always_fails_waits_over_a_kill_and_goes_on_as_an_operator_decides() {
    let (scene, given) = (Scene::new(), Given::start());
    configured(&scene, &given, "");
    scene.append("in/a.log", "one\nbad two\nthree\n");
    scene.append("in/b.log", "good\n");
    let daemon = Daemon::start(scene.folder());
    let waiting = await_paused(&daemon, 1);
    let batch = &waiting["4"];
    assert_eq!((&batch["records"], &batch["attempts"]), (&json!(1), &json!(2)), "{batch}");
    assert_eq!(batch["condition"], "RetryAttemptsExhausted");
    let since = batch["since"].clone();
    given.await_line("good");
    assert_eq!((given.n_of("bad two"), given.n_of("three")), (2, 0), "what is behind it waits");
    await_count(&daemon, "paused_batches", 1.0);
    assert!(daemon.log().contains("FB-0528"), "{}", daemon.log());
    daemon.kill();

    let daemon = Daemon::start(scene.folder());
    let waiting = await_paused(&daemon, 1);
    assert_eq!((&waiting["4"]["since"], &waiting["4"]["attempts"]), (&since, &json!(2)));
    let (_, told, _) = run(scene.folder(), &["why", "lines", "--data-dir", "data"]);
    for part in ["1 record at 4 in lane 0 is out of attempts", "waits for an operator", "forebay decide"] {
        assert!(told.contains(part), "{part:?} in {told}");
    }
    let track = waiting["4"]["track"].clone();
    let (status, answer) = decide(&daemon, &json!({ "decision": "skip", "track": track, "position": "0" }));
    assert_eq!((status, &answer["code"]), (409, &json!("FB-0529")), "{answer}");
    let (status, answer) = decide(&daemon, &json!({ "decision": "send", "all": true }));
    assert_eq!((status, &answer["code"]), (409, &json!("FB-0529")), "there is no destination: {answer}");
    let (status, answer) = decide(&daemon, &json!({ "decision": "skip" }));
    assert_eq!(status, 400, "{answer}");
    assert_eq!((given.n_of("bad two"), given.n_of("three")), (2, 0), "nothing has changed");

    let (code, told, error) =
        run(scene.folder(), &["decide", "lines", "retry", "--all", "--data-dir", "data"]);
    assert!(code == 0 && told.contains("tried again"), "{code} {told} {error}");
    wait::until("two more attempts", || (given.n_of("bad two") == 4).then_some(()));
    await_paused(&daemon, 1);
    let (code, told, error) = run(scene.folder(), &["decide", "lines", "--data-dir", "data"]);
    assert!(code == 0 && told.contains("--position 4:"), "{code} {told} {error}");
    let label = waiting["4"]["label"].as_str().expect("a track has a label").to_owned();
    let (code, _, error) = run(
        scene.folder(),
        &["decide", "lines", "skip", "--track", &label, "--position", "4", "--data-dir", "data"],
    );
    assert_eq!(code, 0, "{error}");
    // What was answered is durable.
    daemon.kill();
    let daemon = Daemon::start(scene.folder());
    given.await_line("three");
    await_paused(&daemon, 0);
    assert_eq!(given.n_of("bad two"), 4, "it was skipped");
    let (code, told, _) = run(scene.folder(), &["decide", "lines", "--data-dir", "data"]);
    assert_eq!((code, told.as_str()), (0, "Nothing of lines waits for a decision.\n"));
    daemon.stop();
}

#[test]
fn what_waits_is_sent_to_the_destination_or_tried_again_when_the_function_is_mended() {
    let (scene, given) = (Scene::new(), Given::start());
    configured(&scene, &given, "    destination_config: { on_failure: { file: { path: dead.ndjson } } }\n");
    scene.append("in/a.log", "bad one\nbad two\nend\n");
    let daemon = Daemon::start(scene.folder());
    await_paused(&daemon, 1);
    assert_eq!(scene.dead().len(), 0, "nothing is told before somebody decides");
    let (status, answer) = decide(&daemon, &json!({ "decision": "send", "all": true }));
    assert_eq!((status, answer["decided"].as_array().map(Vec::len)), (200, Some(1)), "{answer}");
    wait::until("the failure record", || (scene.dead().len() == 1).then_some(()));
    let waiting = await_paused(&daemon, 1);
    assert!(waiting.contains_key("8"), "the next that fails waits: {waiting:?}");
    *given.is_mended.lock().expect("nobody dies over it") = true;
    let (status, answer) = decide(&daemon, &json!({ "decision": "retry", "all": true }));
    assert_eq!(status, 200, "{answer}");
    given.await_line("end");
    assert_eq!((given.n_of("bad one"), given.n_of("bad two")), (2, 3));
    assert_eq!(scene.dead().len(), 1);
    await_paused(&daemon, 0);
    await_count(&daemon, "decided_send_event_count_total", 1.0);
    await_count(&daemon, "decided_retry_event_count_total", 1.0);
    await_count(&daemon, "paused_event_count_total", 2.0);
    let (status, answer) = ask(&daemon, "POST", &format!("{LINES}/pause"), &Value::Null);
    assert_eq!(status, 200, "{answer}");
    let (status, answer) = decide(&daemon, &json!({ "decision": "skip", "all": true }));
    assert_eq!((status, &answer["code"]), (409, &json!("FB-0529")), "a mapping that rests: {answer}");
    daemon.stop();
}
