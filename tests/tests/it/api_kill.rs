//! Killed with -9 while mappings are made over the API: what was answered is there, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use forebay_tests::daemon::Daemon;
use forebay_tests::lambda_api::{LambdaApi, MAPPINGS};
use forebay_tests::seed::Seed;
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::api_scene::ApiScene;
use crate::scene::is_long;

const N_QUEUES: usize = 10;
const N_KILLS: usize = 4;
/// Timings do not gate, but a start that takes so long is stuck.
const READY_MAX: Duration = Duration::from_secs(30);

/// What a mapping is of: its queue and its function.
type Pair = (String, String);

#[test]
fn mappings_that_were_answered_survive_a_kill_and_none_is_there_twice() {
    let n_mappings = if is_long() { 1_000 } else { 100 };
    let scene = ApiScene::new("kill");
    let arns: Vec<String> = (0..N_QUEUES).map(|n| scene.queue(&n.to_string()).1).collect();
    scene.write_functions(n_mappings / N_QUEUES);
    let mut todo: Vec<Pair> = (0..n_mappings / N_QUEUES)
        .flat_map(|f| arns.iter().map(move |arn| (arn.clone(), format!("f{f}"))))
        .rev()
        .collect();
    let mut answered: BTreeMap<Pair, String> = BTreeMap::new();
    let mut seed = Seed::of_variable("FOREBAY_KILL_SEED");
    eprintln!("FOREBAY_KILL_SEED={}", seed.seed());
    let mut world = Some(scene.start());
    // After how many mappings it is killed, and how long making one takes.
    let mut kills: BTreeSet<usize> = (0..N_KILLS).map(|_| seed.idx_below(n_mappings)).collect();
    let mut create_micros = 1_000;
    while let (Some(pair), Some((_, api))) = (todo.pop(), &world) {
        // Before, while or after the call is answered.
        let kill_after =
            kills.remove(&answered.len()).then(|| Duration::from_micros(seed.below(2 * create_micros)));
        let asked = json!({ "EventSourceArn": pair.0, "FunctionName": pair.1 });
        let Some(kill_after) = kill_after else {
            let begun = Instant::now();
            let mapping = api.create(&asked).expect(202);
            create_micros = u64::try_from(begun.elapsed().as_micros()).expect("tests are short");
            answered.insert(pair, uuid(&mapping));
            continue;
        };
        let (daemon, api) = world.take().expect("it runs");
        let answer = std::thread::scope(|threads| {
            let asking = threads.spawn(|| api.try_send("POST", MAPPINGS, &asked.to_string()));
            let begun = Instant::now();
            while begun.elapsed() < kill_after && !asking.is_finished() {
                std::thread::yield_now();
            }
            daemon.kill();
            asking.join().expect("asking does not panic")
        });
        if let Some(answer) = answer {
            answered.insert(pair.clone(), uuid(&answer.expect(202)));
        }
        let (daemon, api) = start_again(&scene);
        let listed = listed(&api);
        let lost: Vec<_> = answered.iter().filter(|(pair, uuid)| listed.get(*pair) != Some(*uuid)).collect();
        assert!(lost.is_empty(), "lost: {lost:?}");
        let more: Vec<_> = listed.iter().filter(|(it, _)| !answered.contains_key(*it)).collect();
        assert!(
            more.iter().all(|(it, _)| **it == pair) && more.len() <= 1,
            "not answered, and not in flight: {more:?}"
        );
        match listed.get(&pair) {
            Some(uuid) => drop(answered.insert(pair, uuid.clone())),
            None => todo.push(pair),
        }
        world = Some((daemon, api));
    }
    let (daemon, _) = world.expect("it runs");
    daemon.kill();
    let (_daemon, api) = start_again(&scene);
    assert_eq!(listed(&api), answered);
    assert_eq!(answered.len(), n_mappings);
    let n_enabled = || api.all().iter().filter(|it| it["State"] == "Enabled").count();
    wait::until_count("all to run", n_mappings, n_enabled);
}

/// Starts it again and tells how long that took.
fn start_again(scene: &ApiScene) -> (Daemon, LambdaApi) {
    let begun = Instant::now();
    let (daemon, api) = scene.start();
    let took = begun.elapsed();
    eprintln!("ready after {took:?}");
    assert!(took < READY_MAX, "ready after {took:?}");
    (daemon, api)
}

/// All mappings by what they are of.
fn listed(api: &LambdaApi) -> BTreeMap<Pair, String> {
    let all = api.all();
    let pair = |it: &Value| {
        let text = |name: &str| it[name].as_str().expect("a mapping has a source and a function").to_owned();
        let function = text("FunctionArn").rsplit(':').next().unwrap_or_default().to_owned();
        (text("EventSourceArn"), function)
    };
    let pairs: BTreeMap<Pair, String> = all.iter().map(|it| (pair(it), uuid(it))).collect();
    let uuids: BTreeSet<&String> = pairs.values().collect();
    assert_eq!((pairs.len(), uuids.len()), (all.len(), all.len()), "one is there twice");
    pairs
}

fn uuid(mapping: &Value) -> String {
    mapping["UUID"].as_str().expect("a mapping has an id").to_owned()
}
