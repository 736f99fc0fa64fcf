//! The config is read again while records flow: only what differs is touched, nothing is lost or repeated, a
//! mistake changes nothing and shows.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use forebay_tests::daemon::{Daemon, run};
use forebay_tests::ports::free_port;
use forebay_tests::{http, wait};
use serde_json::Value;

use crate::aws_credentials::make_certificates;
use crate::scene::Scene;

/// Writes down, in a file named after it, each record and the process that was given it.
const FUNCTION: &str = r#"
import os, pathlib, time

HERE = pathlib.Path(__file__).resolve().parent.parent
NAME = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
LABEL = os.environ.get("LABEL", "-")
OUT = os.open(HERE / ("out-" + NAME), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
TRIED = os.open(HERE / ("tried-" + NAME), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

def handler(event, context):
    records = event["Records"]
    os.write(TRIED, f'{len(records)}\n'.encode())
    while any("hold" in r["body"] for r in records) and not (HERE / "go").exists():
        time.sleep(0.01)
    if any("poison" in r["body"] for r in records):
        raise ValueError("poison")
    os.write(OUT, "".join(f'{os.getpid()}\t{LABEL}\t{len(records)}\t{r["body"]}\n' for r in records).encode())
"#;

/// One line that a function was given.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Given {
    pid: String,
    label: String,
    n_records: usize,
    body: String,
}

/// A scene with a config made of parts.
struct Parts {
    scene: Scene,
    functions: BTreeMap<&'static str, String>,
    mappings: BTreeMap<&'static str, String>,
    top: String,
}

impl Parts {
    /// Mappings by name, each from a folder of its name to a function of its name.
    fn new(names: &[&'static str]) -> Self {
        let scene = Scene::new();
        scene.write("code/app.py", FUNCTION);
        let mut parts =
            Self { scene, functions: BTreeMap::new(), mappings: BTreeMap::new(), top: String::new() };
        for name in names {
            parts.function(name, "");
            parts.mapping(name, "");
        }
        parts
    }

    fn function(&mut self, name: &'static str, label: &str) {
        let environment =
            if label.is_empty() { String::new() } else { format!(", environment: {{ LABEL: {label} }}") };
        let process = format!("{{ runtime: python3, handler: app.handler, code: ./code{environment} }}");
        self.functions
            .insert(name, format!("  {name}: {{ timeout: 30, executor: {{ process: {process} }} }}\n"));
    }

    fn mapping(&mut self, name: &'static str, more: &str) {
        fs::create_dir_all(self.scene.path(name)).expect("a folder can be made");
        let source = format!("{{ file: {{ path: \"{name}/*\" }} }}");
        let text = format!(
            "  - {{ name: {name}, source: {source}, function_name: {name}, starting_position: TRIM_HORIZON{more} }}\n"
        );
        self.mappings.insert(name, text);
    }

    fn text(&self) -> String {
        let functions: String = self.functions.values().cloned().collect();
        let mappings: String = self.mappings.values().cloned().collect();
        format!("{}functions:\n{functions}event_source_mappings:\n{mappings}", self.top)
    }

    fn write(&self) {
        self.scene.write("forebay.yaml", &self.text());
    }

    fn start(&self) -> Daemon {
        self.write();
        Daemon::start(self.scene.folder())
    }

    fn append(&self, name: &str, bodies: impl IntoIterator<Item = String>) {
        let text: String = bodies.into_iter().map(|it| it + "\n").collect();
        self.scene.append(&format!("{name}/one"), &text);
    }

    fn given(&self, name: &str) -> Vec<Given> {
        let text = self.scene.whole_lines(&format!("out-{name}"));
        text.lines()
            .map(|line| {
                let mut parts = line.splitn(4, '\t').map(str::to_owned);
                let mut part = || parts.next().unwrap_or_else(|| panic!("four parts in {line:?}"));
                Given {
                    pid: part(),
                    label: part(),
                    n_records: part().parse().expect("a number"),
                    body: part(),
                }
            })
            .collect()
    }

    fn bodies(&self, name: &str) -> Vec<String> {
        self.given(name).into_iter().map(|it| it.body).collect()
    }

    fn await_bodies(&self, name: &str, wanted: &[String]) {
        wait::until_told(
            &format!("all records of {name}"),
            || (self.bodies(name).len() >= wanted.len()).then_some(()),
            || format!("there were {:?}", self.bodies(name)),
        );
        assert_eq!(self.bodies(name), wanted, "each once and in order");
    }

    /// How many records each batch had that the function was given, done or not.
    fn tried(&self, name: &str) -> Vec<usize> {
        let text = self.scene.whole_lines(&format!("tried-{name}"));
        text.lines().map(|it| it.parse().expect("a number")).collect()
    }

    /// `forebay reload`: exit code and what it said.
    fn reload(&self) -> (i32, String) {
        let (code, out, err) = run(self.scene.folder(), &["reload", "--data-dir", "data"]);
        (code, out + &err)
    }
}

fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("line {n}")).collect()
}

/// Where a mapping stands, in Lambda's word; `None` when it is not there.
fn state(daemon: &Daemon, name: &str) -> Option<String> {
    let (status, body) = http::get(&daemon.admin, &format!("/v1/mappings/{name}/status"))?;
    let told: Value = serde_json::from_str(&body).ok()?;
    (status == 200).then(|| told["state"].as_str().unwrap_or_default().to_owned())
}

fn await_state(daemon: &Daemon, name: &str, wanted: Option<&str>) {
    let is_wanted = || (state(daemon, name).as_deref() == wanted).then_some(());
    wait::until_told(&format!("{name} to be {wanted:?}"), is_wanted, || {
        format!("it is {:?}", state(daemon, name))
    });
}

fn await_log(daemon: &Daemon, word: &str) {
    wait::until_told(
        &format!("{word} in the log"),
        || daemon.log().contains(word).then_some(()),
        || daemon.log(),
    );
}

fn count(daemon: &Daemon, outcome: &str) -> f64 {
    http::metric(&daemon.metrics(), "forebay_config_reloads", &format!("outcome=\"{outcome}\""))
}

#[test]
fn mappings_come_change_rest_and_go_while_others_run_undisturbed() {
    let mut parts = Parts::new(&["still", "other"]);
    let daemon = parts.start();
    for name in ["still", "other"] {
        parts.append(name, numbered(0..20));
        parts.await_bodies(name, &numbered(0..20));
    }
    let metric = |daemon: &Daemon, name: &str| {
        http::metric(&daemon.metrics(), "forebay_succeeded_event_count", &format!("mapping=\"{name}\""))
    };

    // Another batch size and another function for one, a new one beside; the third does not notice.
    parts.mapping("other", ", batch_size: 1");
    parts.function("other", "second");
    parts.function("late", "");
    parts.mapping("late", "");
    parts.append("late", numbered(0..5));
    parts.write();
    let (code, said) = parts.reload();
    assert_eq!((code, said.trim()), (0, "added: late; changed: other; functions: late, other; unchanged: 1"));
    parts.append("still", numbered(20..40));
    parts.append("other", numbered(20..40));
    parts.await_bodies("late", &numbered(0..5));
    parts.await_bodies("still", &numbered(0..40));
    parts.await_bodies("other", &numbered(0..40));
    let (still, other) = (parts.given("still"), parts.given("other"));
    assert!(still.iter().all(|it| it.pid == still[0].pid), "its process stayed: {still:?}");
    assert!(
        other[..20].iter().all(|it| it.label == "-") && other[20..].iter().all(|it| it.label == "second"),
        "{other:?}"
    );
    assert!(other[20..].iter().all(|it| it.n_records == 1), "the new batch size holds: {other:?}");
    wait::until("the counters of both lives", || (metric(&daemon, "other") >= 40.0).then_some(()));
    assert_eq!(metric(&daemon, "other"), 40.0, "a counter goes on over a change");
    wait::until("the former process to be gone", || {
        (!fs::exists(format!("/proc/{}", other[0].pid)).unwrap_or(true)).then_some(())
    });

    // Disabled, it takes nothing; enabled, it goes on where it stood.
    parts.mapping("other", ", batch_size: 1, enabled: false");
    parts.write();
    assert_eq!(parts.reload(), (0, "disabled: other; unchanged: 2\n".to_owned()));
    await_state(&daemon, "other", Some("Disabled"));
    parts.append("other", numbered(40..45));
    // Gone, its series go with it and its place is kept.
    parts.functions.remove("late");
    parts.mappings.remove("late");
    parts.write();
    assert_eq!(parts.reload(), (0, "removed: late; functions removed: late; unchanged: 2\n".to_owned()));
    await_state(&daemon, "late", None);
    assert!(!daemon.metrics().contains("mapping=\"late\""));
    parts.append("late", numbered(5..8));
    // There again, it goes on where it stood.
    parts.function("late", "");
    parts.mapping("late", "");
    parts.mapping("other", ", batch_size: 1");
    parts.write();
    assert_eq!(
        parts.reload(),
        (0, "added: late; enabled: other; functions: late; unchanged: 1\n".to_owned())
    );
    parts.await_bodies("other", &numbered(0..45));
    parts.await_bodies("late", &numbered(0..8));
    parts.append("still", numbered(40..41));
    parts.await_bodies("still", &numbered(0..41));
    assert_eq!(parts.given("still")[40].pid, still[0].pid);
    assert_eq!(parts.reload(), (0, "unchanged: 3\n".to_owned()));
    assert_eq!((count(&daemon, "applied"), count(&daemon, "rejected")), (5.0, 0.0));
    assert!(daemon.stop().success());
}

/// A mapping whose first batch, of two, runs until a file `go` is there; six more records wait.
fn held() -> (Parts, Daemon) {
    let mut parts = Parts::new(&["slow"]);
    parts.mapping("slow", ", batch_size: 2");
    let daemon = parts.start();
    parts.append("slow", ["hold 0".to_owned(), "hold 1".to_owned()]);
    wait::until("the batch to run", || (parts.tried("slow") == [2]).then_some(()));
    parts.append("slow", numbered(2..8));
    (parts, daemon)
}

#[test]
fn what_runs_ends_under_its_former_settings_and_the_reload_does_not_wait_for_it() {
    let (mut parts, daemon) = held();
    // Limits alone would not wait for what runs; a window changes what an event may look like.
    parts.mapping("slow", ", batch_size: 3, maximum_batching_window_in_seconds: 1");
    parts.write();
    assert_eq!(parts.reload(), (0, "changed: slow; unchanged: 0\n".to_owned()));
    await_state(&daemon, "slow", Some("Updating"));
    // A second change before the first has taken hold: only the last one counts.
    parts.mapping("slow", ", batch_size: 6, maximum_batching_window_in_seconds: 60");
    parts.write();
    assert_eq!(parts.reload(), (0, "changed: slow; unchanged: 0\n".to_owned()));
    assert_eq!(parts.tried("slow"), [2], "nothing begins beside what runs");
    parts.scene.write("go", "");
    let wanted: Vec<String> =
        ["hold 0".to_owned(), "hold 1".to_owned()].into_iter().chain(numbered(2..8)).collect();
    parts.await_bodies("slow", &wanted);
    assert_eq!(parts.tried("slow"), [2, 6]);
    await_state(&daemon, "slow", Some("Enabled"));
    assert!(daemon.stop().success());
}

#[test]
fn other_limits_hold_from_the_next_batch_on_while_the_mapping_goes_on() {
    let (mut parts, daemon) = held();
    parts.mapping("slow", ", batch_size: 3");
    parts.write();
    assert_eq!(parts.reload(), (0, "changed: slow; unchanged: 0\n".to_owned()));
    assert_eq!(state(&daemon, "slow").as_deref(), Some("Enabled"));
    parts.scene.write("go", "");
    let wanted: Vec<String> =
        ["hold 0".to_owned(), "hold 1".to_owned()].into_iter().chain(numbered(2..8)).collect();
    parts.await_bodies("slow", &wanted);
    let tried = parts.tried("slow");
    assert!(tried[0] == 2 && tried[1..].contains(&3) && tried[1..].iter().all(|it| *it <= 3), "{tried:?}");
    assert!(daemon.stop().success());
}

#[test]
fn the_end_of_the_process_waits_no_longer_for_a_mapping_that_is_being_changed() {
    let mut parts = Parts::new(&["stuck", "idle"]);
    let daemon = parts.start();
    parts.append("stuck", ["hold".to_owned()]);
    wait::until("the batch to run", || (parts.tried("stuck") == [1]).then_some(()));
    parts.mapping("stuck", ", batch_size: 3, maximum_batching_window_in_seconds: 1");
    parts.top = "shutdown_grace: 1\n".to_owned();
    parts.write();
    assert_eq!(parts.reload(), (0, "changed: stuck; unchanged: 1\n".to_owned()));
    await_state(&daemon, "stuck", Some("Updating"));
    assert_eq!(state(&daemon, "idle").as_deref(), Some("Enabled"));
    let began = Instant::now();
    assert!(daemon.stop().success());
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "the function has 30 s and the new grace is 1 s: {:?}",
        began.elapsed()
    );
    parts.scene.write("go", "");
    let daemon = Daemon::start(parts.scene.folder());
    parts.await_bodies("stuck", &["hold".to_owned()]);
    assert!(daemon.stop().success());
}

#[test]
fn a_batch_that_fails_keeps_the_limits_that_it_was_cut_with() {
    let mut parts = Parts::new(&["bad"]);
    let dead = "destination_config: { on_failure: { file: { path: dead.ndjson } } }";
    parts.mapping("bad", &format!(", batch_size: 2, maximum_retry_attempts: 4, {dead}"));
    let daemon = parts.start();
    parts.append("bad", ["poison 0".to_owned(), "poison 1".to_owned()]);
    wait::until("the first failure", || (!parts.tried("bad").is_empty()).then_some(()));
    parts.mapping("bad", &format!(", batch_size: 2, maximum_retry_attempts: 0, {dead}"));
    parts.write();
    assert_eq!(parts.reload(), (0, "changed: bad; unchanged: 0\n".to_owned()));
    wait::until("the first failure record", || (parts.scene.dead().len() == 1).then_some(()));
    assert_eq!(parts.tried("bad"), [2; 5], "four retries, as when it was cut");
    parts.append("bad", ["poison 2".to_owned(), "poison 3".to_owned()]);
    wait::until("the second failure record", || (parts.scene.dead().len() == 2).then_some(()));
    assert_eq!(parts.tried("bad"), [2; 6], "no retry, as it is written since");
    assert!(daemon.stop().success());
}

#[test]
fn a_config_that_is_wrong_changes_nothing_and_shows_everywhere_until_it_is_mended() {
    let mut parts = Parts::new(&["m"]);
    let daemon = parts.start();
    parts.append("m", numbered(0..3));
    parts.await_bodies("m", &numbered(0..3));
    let whole = parts.text();

    parts.mapping("m", ", batch_sise: 3");
    parts.write();
    let (code, said) = parts.reload();
    assert_eq!(code, 78, "{said}");
    assert!(
        said.contains("FB-0104") && said.contains("forebay.yaml:4:") && said.contains("error[FB-0514]"),
        "{said}"
    );
    let (status, page) = http::get(&daemon.admin, "/readyz?verbose").expect("it answers");
    assert_eq!(status, 200, "what runs goes on: {page}");
    assert!(page.contains("config [Rejected]") && page.contains("FB-0104: forebay.yaml:4:"), "{page}");
    assert_eq!(
        (http::metric(&daemon.metrics(), "forebay_config_rejected", ""), count(&daemon, "rejected")),
        (1.0, 1.0)
    );
    let log = daemon.log();
    assert!(log.contains("FB-0514") && log.contains("FB-0104"), "{log}");

    // What is well written and cannot be built, and what holds from the start, are refused as a whole too.
    parts.mapping("m", ", batch_size: 3");
    parts.functions.insert(
        "none",
        "  none: { executor: { process: { runtime: provided, code: nowhere } } }\n".to_owned(),
    );
    parts.write();
    let (code, said) = parts.reload();
    assert!(code == 78 && said.contains("error[FB-0301]"), "{code} {said}");
    parts.functions.remove("none");
    parts.top = "admin: { listen: \"127.0.0.1:1\" }\n".to_owned();
    parts.write();
    assert_eq!(parts.reload().0, 0, "--admin-listen goes before the setting, so it does not matter");
    parts.scene.write("forebay.yaml", "functions: [");
    daemon.signal("HUP");
    wait::until("the rejection", || (count(&daemon, "rejected") == 3.0).then_some(()));
    fs::remove_file(parts.scene.path("forebay.yaml")).expect("it is there");
    let (code, said) = parts.reload();
    assert!(code == 78 && said.contains("error[FB-0510]"), "{code} {said}");

    parts.append("m", numbered(3..6));
    parts.await_bodies("m", &numbered(0..6));
    parts.scene.write("forebay.yaml", &whole);
    daemon.signal("HUP");
    wait::until("the config to hold again", || {
        (http::metric(&daemon.metrics(), "forebay_config_rejected", "") == 0.0).then_some(())
    });
    assert!(!http::get(&daemon.admin, "/readyz?verbose").expect("it answers").1.contains("Rejected"));
    await_log(&daemon, "config reloaded");
    parts.append("m", numbered(6..9));
    parts.await_bodies("m", &numbered(0..9));
    let mut pids: Vec<_> = parts.given("m").into_iter().map(|it| it.pid).collect();
    pids.dedup();
    assert_eq!(pids.len(), 1, "its function never changed");
    assert!(daemon.stop().success());
}

#[test]
fn the_data_folder_stays_where_it_is_and_a_process_that_is_gone_is_told() {
    let mut parts = Parts::new(&["m"]);
    let (code, said) = parts.reload();
    assert!(code == 1 && said.contains("FB-0507"), "{code} {said}");
    parts.top = format!("data_dir: data\nadmin: {{ listen: \"127.0.0.1:{}\" }}\n", free_port());
    parts.write();
    let mut daemon = Daemon::spawn_alone(parts.scene.folder());
    let verbose = || run(parts.scene.folder(), &["health", "-c", "forebay.yaml"]);
    wait::until_told("readiness", || (verbose().0 == 0).then_some(()), || format!("{:?}", verbose()));
    daemon.assert_alive();
    parts.top = parts.top.replace("data_dir: data", "data_dir: other").replace("127.0.0.1", "[::1]");
    parts.write();
    let (code, said) = parts.reload();
    assert_eq!(code, 78, "{said}");
    assert!(
        said.contains("FB-0516") && said.contains("`data_dir`") && said.contains("`admin.listen`"),
        "{said}"
    );
    assert!(daemon.stop().success());
}

#[test]
fn a_watched_folder_follows_the_swap_of_a_link_and_tells_of_a_mistake_once() {
    let mut parts = Parts::new(&["m"]);
    parts.top = "watch_config: true\n".to_owned();
    // As Kubernetes lays a ConfigMap out: names lead through `..data` to a folder of one version.
    let version = |parts: &Parts, name: &str, label: &str| {
        let folder = parts.scene.path(&format!("etc/{name}"));
        fs::create_dir_all(&folder).expect("a folder can be made");
        let text = parts.text().replace("./code", &parts.scene.path("code").display().to_string());
        let text = text.replace("path: \"m/", &format!("path: \"{}/", parts.scene.path("m").display()));
        fs::write(folder.join("config.yaml"), text).expect("a file can be written");
        fs::write(folder.join("label"), label).expect("a file can be written");
        symlink(name, parts.scene.path("etc/..tmp")).expect("a link can be made");
        fs::rename(parts.scene.path("etc/..tmp"), parts.scene.path("etc/..data"))
            .expect("a link can be moved");
    };
    parts.function("m", "\"${file:label}\"");
    version(&parts, "..v1", "one");
    symlink("..data/config.yaml", parts.scene.path("etc/config.yaml")).expect("a link can be made");
    symlink("..data/label", parts.scene.path("etc/label")).expect("a link can be made");
    parts.scene.write("forebay.yaml", "{}\n");
    let daemon = Daemon::start_from(parts.scene.folder(), "etc");
    parts.append("m", numbered(0..3));
    parts.await_bodies("m", &numbered(0..3));

    version(&parts, "..v2", "two");
    wait::until_told("the new version", || (count(&daemon, "applied") == 1.0).then_some(()), || daemon.log());
    parts.append("m", numbered(3..6));
    parts.await_bodies("m", &numbered(0..6));
    let labels: Vec<_> = parts.given("m").into_iter().map(|it| it.label).collect();
    assert_eq!(labels, ["one", "one", "one", "two", "two", "two"], "what a placeholder names is part of it");

    parts.mapping("m", ", batch_size: nonsense");
    version(&parts, "..v3", "three");
    wait::until_told("the rejection", || (count(&daemon, "rejected") == 1.0).then_some(()), || daemon.log());
    parts.mapping("m", ", batch_size: 1");
    version(&parts, "..v4", "two");
    wait::until_told(
        "the mended version",
        || (count(&daemon, "applied") == 2.0).then_some(()),
        || daemon.log(),
    );
    assert_eq!(count(&daemon, "rejected"), 1.0, "a mistake is read once");
    assert_eq!(daemon.log().matches("reload rejected").count(), 1);
    parts.append("m", numbered(6..8));
    parts.await_bodies("m", &numbered(0..8));
    assert!(daemon.stop().success());
}

/// `code: ./current`, a link to one release after another.
#[test]
fn a_code_folder_that_is_a_link_is_followed_by_a_reload_and_its_former_release_may_go() {
    let mut parts = Parts::new(&["linked", "still"]);
    let release = |parts: &Parts, name: &str| {
        let code =
            FUNCTION.replace("LABEL = os.environ.get(\"LABEL\", \"-\")", &format!("LABEL = \"{name}\""));
        parts.scene.write(
            &format!("releases/{name}/app.py"),
            &code.replace(".parent.parent", ".parent.parent.parent"),
        );
    };
    let swap = |parts: &Parts, name: &str| {
        symlink(format!("releases/{name}"), parts.scene.path("next")).expect("a link can be made");
        fs::rename(parts.scene.path("next"), parts.scene.path("current")).expect("a link can be swapped");
    };
    release(&parts, "one");
    release(&parts, "two");
    swap(&parts, "one");
    let process = "{ runtime: python3, handler: app.handler, code: ./current, idle_ttl: 1 }";
    parts
        .functions
        .insert("linked", format!("  linked: {{ timeout: 30, executor: {{ process: {process} }} }}\n"));
    let daemon = parts.start();
    parts.append("linked", numbered(0..1));
    parts.await_bodies("linked", &numbered(0..1));
    assert_eq!(parts.reload(), (0, "unchanged: 2\n".to_owned()));

    swap(&parts, "two");
    assert_eq!(parts.reload(), (0, "changed: linked; functions: linked; unchanged: 1\n".to_owned()));
    parts.append("linked", numbered(1..2));
    parts.await_bodies("linked", &numbered(0..2));
    fs::remove_dir_all(parts.scene.path("releases/one")).expect("a release can go");
    let pid = parts.given("linked")[1].pid.clone();
    wait::until("the idle environment to be gone", || {
        (!fs::exists(format!("/proc/{pid}")).unwrap_or(true)).then_some(())
    });
    parts.append("linked", numbered(2..3));
    parts.await_bodies("linked", &numbered(0..3));
    assert_eq!(
        parts.given("linked").iter().map(|it| it.label.as_str()).collect::<Vec<_>>(),
        ["one", "two", "two"]
    );

    // Written in place, it is other code too; a release that is not there is refused and changes nothing.
    release(&parts, "two");
    parts.scene.append("releases/two/app.py", "LABEL = 'two again'\n");
    assert_eq!(parts.reload(), (0, "changed: linked; functions: linked; unchanged: 1\n".to_owned()));
    parts.append("linked", numbered(3..4));
    parts.await_bodies("linked", &numbered(0..4));
    assert_eq!(parts.given("linked")[3].label, "two again");
    swap(&parts, "three");
    let (code, said) = parts.reload();
    assert!(code == 78 && said.contains("FB-0301") && said.contains("/current"), "{code} {said}");
    assert!(daemon.stop().success());
}

#[test]
fn with_watch_config_a_link_to_other_code_is_followed_without_a_word() {
    let mut parts = Parts::new(&["linked"]);
    parts.top = "watch_config: true\n".to_owned();
    for name in ["one", "two"] {
        let code =
            FUNCTION.replace("LABEL = os.environ.get(\"LABEL\", \"-\")", &format!("LABEL = \"{name}\""));
        parts.scene.write(
            &format!("releases/{name}/app.py"),
            &code.replace(".parent.parent", ".parent.parent.parent"),
        );
    }
    symlink("releases/one", parts.scene.path("current")).expect("a link can be made");
    let process = "{ runtime: python3, handler: app.handler, code: ./current }";
    parts
        .functions
        .insert("linked", format!("  linked: {{ timeout: 30, executor: {{ process: {process} }} }}\n"));
    let daemon = parts.start();
    parts.append("linked", numbered(0..1));
    parts.await_bodies("linked", &numbered(0..1));
    symlink("releases/two", parts.scene.path("next")).expect("a link can be made");
    fs::rename(parts.scene.path("next"), parts.scene.path("current")).expect("a link can be swapped");
    await_log(&daemon, "changed: linked; functions: linked");
    parts.append("linked", numbered(1..2));
    parts.await_bodies("linked", &numbered(0..2));
    assert_eq!(parts.given("linked")[1].label, "two");
    assert!(daemon.stop().success());
}

/// The roots that a function trusts are read again when their file is another.
#[test]
fn a_ca_file_that_was_written_again_begins_what_trusts_it_anew() {
    let mut parts = Parts::new(&["trusting", "still"]);
    let another = |parts: &Parts| make_certificates(parts.scene.folder());
    another(&parts);
    let executor = "{ http: { url: \"https://127.0.0.1:1/\", ca_file: roots.pem } }";
    parts.functions.insert("trusting", format!("  trusting: {{ executor: {executor} }}\n"));
    let daemon = parts.start();
    assert_eq!(parts.reload(), (0, "unchanged: 2\n".to_owned()));
    another(&parts);
    let (code, said) = parts.reload();
    assert!(
        code == 0 && said.starts_with("changed: still, trusting; functions: still, trusting; "),
        "{code} {said}"
    );
    assert_eq!(parts.reload(), (0, "unchanged: 2\n".to_owned()));
    parts.scene.write("roots.pem", "no certificate");
    let (code, said) = parts.reload();
    assert!(code == 78 && said.contains("FB-0331") && said.contains("roots.pem"), "{code} {said}");
    assert!(daemon.stop().success());
}
