//! A kind of source that a binary brings along is in everything that a user meets, and its folder is all that
//! says so.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use forebay_tests::daemon::{Daemon, run_program};
use forebay_tests::function::{Answer, Function};
use forebay_tests::{http, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_forebay-fake-kind");
const ARN: &str = "arn:aws:numbers:eu-west-1:123456789012:series/2x30";

/// The numbers that a function was given, by their track.
type Given = BTreeMap<String, Vec<u64>>;

/// A folder, a function that writes down what it is given, and a binary that knows `numbers`.
struct Scene {
    folder: TempDir,
    function: Function,
    given: Arc<Mutex<Given>>,
}

impl Scene {
    fn new() -> Self {
        let given = Arc::new(Mutex::new(Given::new()));
        let journal = Arc::clone(&given);
        let function = Function::start(move |event| {
            let mut journal = journal.lock().expect("nothing panics under this lock");
            for it in event["Numbers"].as_array().expect("an event has a list of numbers") {
                let track = it["track"].as_str().expect("a record has a track").to_owned();
                journal.entry(track).or_default().push(it["number"].as_u64().expect("it has a number"));
            }
            Answer::Done(String::new())
        });
        Self { folder: tempfile::tempdir().expect("a folder can be made"), function, given }
    }

    /// With the function and what else the config says.
    fn config(self, more: &str) -> Self {
        self.write("forebay.yaml", more);
        self
    }

    fn write(&self, name: &str, more: &str) {
        let executor = self.function.executor();
        let text = format!(
            "aws: {{ region: eu-west-1, account_id: \"123456789012\" }}\nfunctions:\n  seen: {{ executor: {executor}, timeout: 10 }}\n{more}"
        );
        fs::write(self.path().join(name), text).expect("a file can be written");
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, arguments: &str) -> (i32, String) {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let (code, out, err) = run_program(Path::new(PROGRAM), self.path(), &arguments);
        (code, out + &err)
    }

    /// What a command prints that succeeds.
    fn printed(&self, arguments: &str) -> String {
        let (code, text) = self.run(arguments);
        assert_eq!(code, 0, "{arguments}: {text}");
        text
    }

    /// The same as JSON.
    fn json(&self, arguments: &str) -> Value {
        let text = self.printed(arguments);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments}: {error} in {text}"))
    }

    fn start(&self) -> Daemon {
        Daemon::start_program(Path::new(PROGRAM), self.path())
    }

    fn given(&self) -> Given {
        self.given.lock().expect("nothing panics under this lock").clone()
    }

    /// Waits until each of these tracks was given up to this number, each number once and in order.
    fn await_all(&self, n_tracks: usize, up_to: u64) {
        let expected: Given =
            (0..n_tracks).map(|it| (format!("track-{it}"), (1..=up_to).collect())).collect();
        let state = || (self.given() == expected).then_some(());
        wait::until_told("all numbers", state, || format!("given: {:?}", self.given()));
    }
}

/// One mapping of the file, with more settings.
fn mapping(source: &str, more: &str) -> String {
    format!(
        "event_source_mappings:\n- name: counted\n  source: {{ numbers: {source} }}\n  function_name: seen\n  starting_position: TRIM_HORIZON\n{more}"
    )
}

#[test]
fn the_schema_the_defaults_and_the_manual_have_its_settings() {
    let scene = Scene::new().config("event_source_mappings: []\n");
    let schema = scene.json("schema");
    let numbers = &schema["properties"]["event_source_mappings"]["items"]["properties"]["source"]["properties"]
        ["numbers"];
    assert_eq!(numbers["required"], json!(["up_to"]), "{numbers}");
    assert_eq!(numbers["properties"]["tracks"]["default"], 1, "{numbers}");
    let defaults = scene.printed("config defaults");
    assert!(defaults.contains("event_source_mappings[].source.numbers.tracks: 1\n"), "{defaults}");
    let manual = scene.printed("config manual");
    let section = "## `event_source_mappings[].source.numbers.tracks`\n\nHow many tracks count beside each other.\n\n- Value: a whole number from 1 to 100\n- Default: `1`\n";
    assert!(manual.contains(section), "{manual}");
}

/// A service of numbers that answers with this one.
fn service_of(number: u64) -> Function {
    Function::start(move |_| Answer::Done(number.to_string()))
}

#[test]
fn the_service_that_it_calls_is_in_the_schema_the_manual_and_the_top_level_and_in_no_other_block() {
    let scene = Scene::new().config("event_source_mappings: []\n");
    let schema = scene.json("schema");
    let endpoints = |of: &Value| of["properties"]["aws"]["properties"]["endpoints"]["properties"].clone();
    assert!(endpoints(&schema)["numbers"].is_object(), "{}", endpoints(&schema));
    let sources =
        &schema["properties"]["event_source_mappings"]["items"]["properties"]["source"]["properties"];
    let of_kind = endpoints(&sources["numbers"]);
    // Beside its own that of STS, where roles are taken for it.
    let services: Vec<&String> = of_kind.as_object().expect("it has some").keys().collect();
    assert_eq!(services, ["numbers", "sts"], "{of_kind}");
    assert!(endpoints(&sources["sqs"])["numbers"].is_null());
    let manual = scene.printed("config manual");
    let default = "- Default: `aws.endpoint`, else `AWS_ENDPOINT_URL_NUMBERS`\n";
    let section = manual.split("## `aws.endpoints.numbers`").nth(1).expect("it has a section");
    assert!(section.split("\n## ").next().is_some_and(|it| it.contains(default)), "{section}");
}

#[test]
fn the_service_that_it_calls_is_called_where_the_config_or_the_environment_says() {
    let key = "access_key_id: a, secret_access_key: b";
    let near = service_of(7);
    let own = format!("{{ up_to: 30, aws: {{ {key}, endpoints: {{ numbers: \"{}\" }} }} }}", near.url());
    let scene = Scene::new().config(&mapping(&own, ""));
    let daemon = scene.start();
    scene.await_all(1, 7);
    assert!(daemon.stop().success());

    let far = service_of(9);
    let scene = Scene::new().config(&mapping(&format!("{{ up_to: 30, aws: {{ {key} }} }}"), ""));
    let variables = [("AWS_ENDPOINT_URL_NUMBERS", far.url())];
    let _daemon = Daemon::start_program_with(Path::new(PROGRAM), scene.path(), &variables);
    scene.await_all(1, 9);
}

#[test]
fn validate_takes_it_and_refuses_its_mistakes_at_their_place() {
    let scene = Scene::new().config(&mapping("{ tracks: 2, up_to: 30 }", ""));
    assert!(scene.printed("validate -c forebay.yaml").starts_with("ok: 1 function, 1 mapping"));

    scene.write("forebay.yaml", &mapping("{ tracks: 101, upto: 30 }", "  tumbling_window_in_seconds: 5\n"));
    let (code, text) = scene.run("validate -c forebay.yaml --format json");
    let findings: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
    let findings = findings.to_string();
    assert_eq!(code, 78, "{text}");
    for path in [
        "event_source_mappings[0].source.numbers.tracks",
        "event_source_mappings[0].source.numbers.upto",
        "event_source_mappings[0].tumbling_window_in_seconds",
    ] {
        assert!(findings.contains(&format!("\"{path}\"")), "{path} in {findings}");
    }
    let (_, drawn) = scene.run("validate -c forebay.yaml");
    assert!(drawn.contains("forebay.yaml:6:") && drawn.contains("did you mean `up_to`?"), "{drawn}");

    scene.write("forebay.yaml", &mapping("{}", "").replace("numbers", "number"));
    let (_, drawn) = scene.run("validate -c forebay.yaml");
    assert!(drawn.contains("numbers"), "it is told among the kinds that there are: {drawn}");
    let (code, text) = scene.run("pattern test --source nothing forebay.yaml forebay.yaml");
    assert!(code != 0 && text.contains("numbers"), "{text}");
}

#[test]
fn explain_says_what_its_settings_are_and_where_they_come_from() {
    let scene = Scene::new().config(&mapping("{ up_to: 30 }", ""));
    let told = scene.printed("explain counted -c forebay.yaml");
    let line = |path: &str| {
        let line = told.lines().find(|it| it.split("  ").next().is_some_and(|it| it.ends_with(path)));
        line.unwrap_or_else(|| panic!("{path} in {told}")).to_owned()
    };
    assert!(line("numbers.up_to").contains("30") && line("numbers.up_to").contains("forebay.yaml"), "{told}");
    assert!(line("numbers.tracks").contains("default"), "{told}");
    assert!(line("batch_size").contains("100"), "the kind's own: {told}");
}

#[test]
fn its_records_reach_a_function_once_each_over_a_restart_and_operators_see_it() {
    let scene = Scene::new().config(&mapping("{ tracks: 3, up_to: 2500 }", "  batch_size: 100\n"));
    let daemon = scene.start();
    scene.await_all(3, 2500);
    let status = || http::get(&daemon.admin, "/v1/mappings/counted/status").map(|(_, it)| it);
    let backlog = || http::get(&daemon.admin, "/v1/mappings/counted/backlog").map(|(_, it)| it);
    wait::until_told(
        "an empty backlog",
        || {
            let told: Value = serde_json::from_str(&backlog()?).ok()?;
            (told["records"] == 0 || told["backlog"]["records"] == 0).then_some(())
        },
        || format!("{:?}", backlog()),
    );
    let told: Value = serde_json::from_str(&status().expect("it answers")).expect("JSON");
    assert_eq!(told["source"], "numbers:3x2500", "{told}");
    let (code, positions) = http::get(&daemon.admin, "/v1/mappings/counted/positions").expect("it answers");
    assert!(code == 200 && positions.contains("track-2"), "{positions}");
    let why = scene.printed("why counted --data-dir data");
    assert!(why.contains("numbers:3x2500") && why.contains("track-1"), "{why}");
    assert!(daemon.log().contains("source.numbers.up_to=2500"), "{}", daemon.log());
    assert!(daemon.stop().success());
    let daemon = scene.start();
    wait::until("the mapping", || {
        let (_, told) = http::get(&daemon.admin, "/v1/mappings/counted/status")?;
        told.contains("numbers:3x2500").then_some(())
    });
    scene.await_all(3, 2500);
}

#[test]
fn lambdas_api_makes_shows_lists_changes_and_deletes_a_mapping_of_its_arn() {
    let scene = Scene::new().config("event_source_mappings: []\n");
    let daemon = scene.start();
    let api = daemon.api();
    let asked = json!({ "EventSourceArn": ARN, "FunctionName": "seen", "StartingPosition": "TRIM_HORIZON", "BatchSize": 7 });
    let made = api.create(&asked).expect(202);
    let uuid = made["UUID"].as_str().expect("a mapping has an id").to_owned();
    assert_eq!((&made["BatchSize"], &made["MaximumRetryAttempts"]), (&json!(7), &json!(-1)), "{made}");
    scene.await_all(2, 30);
    let enabled = |it: &Value| it["State"] == "Enabled";
    let seen = || api.get(&uuid).json();
    let now = wait::until_told("Enabled", || Some(seen()).filter(enabled), || seen().to_string());
    assert_eq!((&now["EventSourceArn"], &now["StartingPosition"]), (&json!(ARN), &json!("TRIM_HORIZON")));
    let listed = api.list(&format!("EventSourceArn={}", forebay_tests::lambda_api::percent(ARN))).expect(200);
    assert_eq!(listed["EventSourceMappings"][0]["UUID"], uuid, "{listed}");

    let twice = api.create(&asked).refusal();
    assert_eq!(twice.1, "ResourceConflictException", "{twice:?}");
    assert!(twice.2.starts_with(&format!("The series (\" {ARN} \") and function (\" seen \")")), "{twice:?}");
    let refused = api.create(&json!({ "EventSourceArn": ARN, "FunctionName": "seen", "StartingPosition": "LATEST", "TumblingWindowInSeconds": 5 }));
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("TumblingWindowInSeconds"), "{refused:?}");

    let changed = api.update(&uuid, &json!({ "BatchSize": 9 })).expect(202);
    assert_eq!(changed["BatchSize"], 9, "{changed}");
    api.delete(&uuid).expect(202);
    wait::until("its end", || (api.get(&uuid).status == 404).then_some(()));
}

#[test]
fn the_commands_make_show_change_and_delete_it() {
    let scene = Scene::new().config(&mapping("{ tracks: 2, up_to: 40 }", ""));
    let daemon = scene.start();
    let create =
        "mappings create --data-dir data --output json --function-name seen --starting-position LATEST";
    let made = scene.json(&format!("{create} --event-source-arn {ARN}"));
    let uuid = made["UUID"].as_str().expect("a mapping has an id").to_owned();
    let table = scene.printed("mappings list --data-dir data");
    assert!(table.contains(ARN) && table.contains("series/2x40") && table.contains("counted"), "{table}");
    let own = scene.json("mappings get counted --data-dir data --output json");
    assert_eq!(own["EventSourceArn"], "arn:aws:numbers:eu-west-1:123456789012:series/2x40", "{own}");
    let changed = scene.json(&format!("mappings update {uuid} --batch-size 5 --data-dir data --output json"));
    assert_eq!(changed["BatchSize"], 5, "{changed}");
    scene.printed(&format!("mappings delete {uuid} --data-dir data"));
    let api = daemon.api();
    wait::until("its end", || (api.get(&uuid).status == 404).then_some(()));
}

#[test]
fn what_is_exported_validates_and_runs() {
    let scene = Scene::new().config("event_source_mappings: []\n");
    let daemon = scene.start();
    // Disabled, so that what is given is given by the config that was exported.
    let asked = json!({ "EventSourceArn": ARN, "FunctionName": "seen", "StartingPosition": "TRIM_HORIZON", "BatchSize": 7,
                        "BisectBatchOnFunctionError": true, "Enabled": false });
    daemon.api().create(&asked).expect(202);
    let exported = scene.printed("export -c forebay.yaml --data-dir data");
    assert!(exported.contains("numbers:") && exported.contains("up_to: 30"), "{exported}");
    assert!(daemon.stop().success());
    assert_eq!(scene.given(), Given::new());

    fs::remove_dir_all(scene.path().join("data")).expect("the folder can be removed");
    let enabled = exported.replace("enabled: false", "enabled: true");
    assert_ne!(enabled, exported, "it says that it is disabled");
    scene.write("forebay.yaml", &enabled);
    assert!(scene.printed("validate -c forebay.yaml").starts_with("ok: 1 function, 1 mapping"));
    let _daemon = scene.start();
    scene.await_all(2, 30);
}
