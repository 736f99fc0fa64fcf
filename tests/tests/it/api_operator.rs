//! An operator who makes, changes, switches and deletes mappings at random while messages come: none is lost,
//! none is given to a mapping that was disabled or deleted, and nothing is left at the end.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use forebay_models::sqs::{Attributes, Sent};
use forebay_tests::daemon::{Daemon, run};
use forebay_tests::function::Function;
use forebay_tests::lambda_api::LambdaApi;
use forebay_tests::seed::Seed;
use forebay_tests::strict_sqs::StrictSqs;
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::api_scene::{Given, Journal, await_gone, slow_recorder};
use crate::scene::{Scene, is_long};

const N_QUEUES: usize = 6;
/// So long an invocation takes: there is always one running when a mapping is switched off.
const INVOCATION: Duration = Duration::from_millis(20);
/// The queue of the mapping that the config file has.
const STEADY: &str = "steady";

/// A mapping of the API that is there.
#[derive(Debug)]
struct Made {
    uuid: String,
    enabled: bool,
}

/// A time in which nothing may be given to a mapping.
#[derive(Debug)]
struct Off {
    queue: String,
    from: Instant,
    until: Option<Instant>,
    why: String,
}

struct World {
    scene: Scene,
    sqs: StrictSqs,
    function: Function,
    journal: Journal,
    made: Vec<Option<Made>>,
    offs: Vec<Off>,
    sent: BTreeSet<String>,
    seed: Seed,
    log: Vec<String>,
}

#[test]
fn a_random_operator_loses_no_message_and_leaves_nothing_behind() {
    let n_operations = if is_long() { 500 } else { 50 };
    let mut world = World::new();
    eprintln!("FOREBAY_OPERATOR_SEED={}", world.seed.seed());
    let daemon = Daemon::start(world.scene.folder());
    let api = daemon.api();
    // Once around, so that what stays open after a first use is there when it is counted.
    world.let_all_run(&api);
    (0..N_QUEUES).for_each(|idx| world.send(idx));
    world.await_all_given();
    world.delete_all(&api);
    let before = Held::by(&daemon);
    for _ in 0..n_operations {
        world.operate(&daemon, &api);
    }
    world.let_all_run(&api);
    world.await_all_given();
    world.delete_all(&api);
    world.assert_nothing_was_given_to_what_was_off();
    let uuids: Vec<Value> = api.all();
    assert_eq!(uuids.len(), 1, "only that of the config file is left: {uuids:?}");
    world.assert_nothing_is_left(&daemon, &before);
    assert!(daemon.stop().success());
}

impl World {
    fn new() -> Self {
        let journal = Journal::default();
        let sqs = StrictSqs::start();
        let queues: Vec<String> = (0..N_QUEUES).map(queue).chain([STEADY.to_owned()]).collect();
        for name in &queues {
            sqs.create(name, Attributes { visibility_s: 5, ..Attributes::default() });
        }
        let world = Self {
            scene: Scene::new(),
            sqs,
            function: slow_recorder(&journal, INVOCATION),
            journal,
            made: (0..N_QUEUES).map(|_| None).collect(),
            offs: Vec::new(),
            sent: BTreeSet::new(),
            seed: Seed::of_variable("FOREBAY_OPERATOR_SEED"),
            log: Vec::new(),
        };
        world.write_config(10);
        world
    }

    fn write_config(&self, batch_size: u64) {
        let executor = self.function.executor();
        let functions: String =
            (0..=N_QUEUES).map(|it| format!("  f{it}: {{ executor: {executor}, timeout: 2 }}\n")).collect();
        let endpoint = self.sqs.endpoint();
        self.scene.write(
            "forebay.yaml",
            &format!(
                "aws: {{ endpoint: \"{endpoint}\", region: us-east-1, access_key_id: x, secret_access_key: x }}\nfunctions:\n{functions}\
                 event_source_mappings:\n- {{ name: {STEADY}, source: {{ sqs: {{ queue: {STEADY} }} }}, function_name: f{N_QUEUES}, \
                 batch_size: {batch_size} }}\n"
            ),
        );
    }

    fn operate(&mut self, daemon: &Daemon, api: &LambdaApi) {
        let idx = self.seed.idx_below(N_QUEUES);
        self.send(idx);
        if self.seed.below(3) == 0 {
            self.send_to(STEADY);
        }
        let enabled = self.made[idx].as_ref().map(|it| it.enabled);
        match (self.seed.below(10), enabled) {
            (0, _) => self.reload(daemon),
            (_, None) => self.create(api, idx),
            (1..=3, Some(_)) => self.update(api, idx),
            (4..=7, Some(enabled)) => self.switch(api, idx, !enabled),
            (_, Some(_)) => self.delete(api, idx),
        }
    }

    fn create(&mut self, api: &LambdaApi, idx: usize) {
        self.end_of_off(idx);
        let enabled = self.seed.below(5) > 0;
        let mut asked = json!({ "EventSourceArn": format!("arn:aws:sqs:us-east-1:000000000000:{}", queue(idx)), "FunctionName": format!("f{idx}"),
                                "Enabled": enabled });
        self.draw_settings(&mut asked);
        let mapping = api.create(&asked).expect(202);
        let uuid = mapping["UUID"].as_str().expect("a mapping has an id").to_owned();
        self.note(format!("create {idx} {asked} {uuid}"));
        self.made[idx] = Some(Made { uuid, enabled });
        if !enabled {
            self.begin_off(idx, "created as disabled");
        }
    }

    fn update(&mut self, api: &LambdaApi, idx: usize) {
        let mut asked = json!({});
        self.draw_settings(&mut asked);
        let uuid = self.uuid(idx);
        api.update(&uuid, &asked).expect(202);
        self.note(format!("update {idx} {asked}"));
    }

    fn switch(&mut self, api: &LambdaApi, idx: usize, is_on: bool) {
        let uuid = self.uuid(idx);
        if is_on {
            self.end_of_off(idx);
        }
        api.update(&uuid, &json!({ "Enabled": is_on })).expect(202);
        self.note(format!("switch {idx} {is_on}"));
        if let Some(made) = &mut self.made[idx] {
            made.enabled = is_on;
        }
        if !is_on {
            self.begin_off(idx, "disabled");
        }
    }

    fn delete(&mut self, api: &LambdaApi, idx: usize) {
        let uuid = self.uuid(idx);
        self.end_of_off(idx);
        api.delete(&uuid).expect(202);
        self.begin_off(idx, "deleted");
        self.note(format!("delete {idx} {uuid}"));
        self.made[idx] = None;
    }

    /// Every queue has a mapping that is enabled.
    fn let_all_run(&mut self, api: &LambdaApi) {
        for idx in 0..N_QUEUES {
            if self.made[idx].is_none() {
                self.create(api, idx);
            }
            if self.made[idx].as_ref().is_some_and(|it| !it.enabled) {
                self.switch(api, idx, true);
            }
        }
    }

    fn delete_all(&mut self, api: &LambdaApi) {
        let there: Vec<(usize, String)> = self
            .made
            .iter()
            .enumerate()
            .filter_map(|(idx, it)| Some((idx, it.as_ref()?.uuid.clone())))
            .collect();
        there.iter().for_each(|(idx, _)| self.delete(api, *idx));
        // Together: each waits for what it runs.
        there.iter().for_each(|(_, uuid)| await_gone(api, uuid));
    }

    fn reload(&mut self, daemon: &Daemon) {
        let batch_size = 1 + self.seed.below(10);
        self.write_config(batch_size);
        let (code, out, err) = run(self.scene.folder(), &["reload", "--admin-listen", &daemon.admin]);
        assert_eq!(code, 0, "{out}{err}");
        self.note(format!("reload {batch_size}"));
    }

    /// Settings that a mapping of a queue may have in any combination drawn here.
    fn draw_settings(&mut self, asked: &mut Value) {
        asked["BatchSize"] = json!(1 + self.seed.below(10));
        if self.seed.below(2) == 0 {
            asked["MaximumBatchingWindowInSeconds"] = json!(self.seed.below(2));
        }
        if self.seed.below(3) == 0 {
            asked["ScalingConfig"] = json!({ "MaximumConcurrency": 2 + self.seed.below(4) });
        }
        if self.seed.below(4) == 0 {
            asked["FunctionResponseTypes"] = json!(["ReportBatchItemFailures"]);
        }
    }

    fn uuid(&self, idx: usize) -> String {
        self.made[idx].as_ref().expect("it is there").uuid.clone()
    }

    fn send(&mut self, idx: usize) {
        self.send_to(&queue(idx));
    }

    fn send_to(&mut self, queue: &str) {
        let bodies: Vec<String> =
            (0..1 + self.seed.below(20)).map(|n| format!("{queue} {} {n}", self.sent.len())).collect();
        self.sqs.send(queue, bodies.iter().map(|body| Sent { body: body.clone(), ..Sent::default() }));
        self.sent.extend(bodies);
    }

    fn begin_off(&mut self, idx: usize, why: &str) {
        let uuid = self.made[idx].as_ref().map_or("", |it| &it.uuid);
        let why = format!("{uuid} was {why}");
        self.offs.push(Off { queue: queue(idx), from: Instant::now(), until: None, why });
    }

    /// From here on the queue's messages may be given again; nothing is known of the time before the next
    /// end.
    fn end_of_off(&mut self, idx: usize) {
        let name = queue(idx);
        let now = Instant::now();
        self.offs
            .iter_mut()
            .filter(|it| it.queue == name && it.until.is_none())
            .for_each(|it| it.until = Some(now));
    }

    fn note(&mut self, what: String) {
        self.log.push(what);
    }

    fn given(&self) -> Vec<Given> {
        self.journal.lock().expect("nothing panics under this lock").clone()
    }

    /// Every message was given, and the queues are empty.
    fn await_all_given(&self) {
        let lost = || {
            let given: BTreeSet<String> = self.given().into_iter().map(|it| it.body).collect();
            self.sent.difference(&given).cloned().collect::<Vec<_>>()
        };
        let seen = || format!("not given: {:?}; the operator did:\n{}", lost(), self.log.join("\n"));
        wait::until_told("every message", || lost().is_empty().then_some(()), seen);
        let counts = || {
            (0..N_QUEUES)
                .map(queue)
                .chain([STEADY.to_owned()])
                .map(|it| self.sqs.counts(&it))
                .collect::<Vec<_>>()
        };
        let seen = || format!("{:?}; the operator did:\n{}", counts(), self.log.join("\n"));
        wait::until_told("empty queues", || counts().iter().all(|it| *it == (0, 0, 0)).then_some(()), seen);
    }

    fn assert_nothing_was_given_to_what_was_off(&self) {
        let given = self.given();
        let is_in = |off: &Off, it: &Given| {
            it.queue == off.queue && it.at > off.from && off.until.is_none_or(|until| it.at < until)
        };
        let wrong: Vec<_> = self
            .offs
            .iter()
            .flat_map(|off| {
                given.iter().filter(|it| is_in(off, it)).map(move |it| (&off.why, it.at - off.from, &it.body))
            })
            .collect();
        assert!(
            wrong.is_empty(),
            "given all the same: {wrong:?}; the operator did:\n{}",
            self.log.join("\n")
        );
        eprintln!("{} messages, {} times in which a mapping was off", self.sent.len(), self.offs.len());
    }

    fn assert_nothing_is_left(&self, daemon: &Daemon, before: &Held) {
        let (_, shown, _) = run(self.scene.folder(), &["state", "show", "--data-dir", "data"]);
        let state: Value = serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{error} in {shown}"));
        let kept = state["mappings"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|it| it["mapping"] != STEADY)
            .collect::<Vec<_>>();
        assert!(kept.is_empty(), "the store keeps {kept:?}");
        let metrics = daemon.metrics();
        let series: Vec<&str> = metrics
            .lines()
            .filter(|it| it.contains("mapping=\"") && !it.contains(&format!("mapping=\"{STEADY}\"")))
            .collect();
        assert!(series.is_empty(), "{series:#?}");
        // Connections that are kept for the next call end by themselves.
        let seen = || format!("{:?} before, {:?} now", before, Held::by(daemon));
        wait::until_told(
            "what was opened to be closed",
            || Held::by(daemon).is_within(before).then_some(()),
            seen,
        );
        eprintln!("{}", seen());
    }
}

/// What the process holds of the system.
#[derive(Debug)]
struct Held {
    n_files: usize,
    n_threads: usize,
    n_series: usize,
    n_tasks: usize,
}

/// Connections, threads and tasks that may be open for a while after what they were for.
const SLACK: usize = 8;

impl Held {
    fn by(daemon: &Daemon) -> Self {
        let proc = format!("/proc/{}", daemon.pid());
        let count =
            |folder: &str| fs::read_dir(format!("{proc}/{folder}")).expect("the process runs").count();
        let metrics = daemon.metrics();
        let n_series = metrics.lines().filter(|it| !it.starts_with('#')).count();
        let n_tasks = metrics
            .lines()
            .find_map(|it| it.strip_prefix("forebay_runtime_tasks "))
            .expect("it counts its tasks");
        Self {
            n_files: count("fd"),
            n_threads: count("task"),
            n_series,
            n_tasks: n_tasks.trim_end_matches(".0").parse().expect("a gauge of whole numbers"),
        }
    }

    fn is_within(&self, before: &Self) -> bool {
        let pairs = [
            (self.n_files, before.n_files),
            (self.n_threads, before.n_threads),
            (self.n_series, before.n_series),
            (self.n_tasks, before.n_tasks),
        ];
        pairs.iter().all(|(now, before)| *now <= before + SLACK)
    }
}

fn queue(idx: usize) -> String {
    format!("q{idx}")
}
