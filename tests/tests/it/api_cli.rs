//! The aws CLI, and the commands of our own, against a running process.

use forebay_tests::aws_tools::AwsTools;
use forebay_tests::daemon::{Daemon, run};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::api_scene::{ApiScene, await_gone, await_state};

#[test]
fn the_aws_cli_makes_shows_changes_and_deletes_a_mapping() {
    let scene = ApiScene::new("awscli");
    let (url, arn) = scene.queue("q");
    let (_daemon, api) = scene.start();
    let tools = AwsTools::default().with_endpoint("LAMBDA", &api.url()).with_key("any", "key");
    let lambda = |arguments: &[&str]| tools.aws(&[&["lambda"], arguments].concat());

    let made = lambda(&[
        "create-event-source-mapping",
        "--event-source-arn",
        &arn,
        "--function-name",
        "seen",
        "--batch-size",
        "5",
    ])
    .json();
    let uuid = made["UUID"].as_str().expect("a mapping has an id");
    assert_eq!((&made["BatchSize"], &made["State"]), (&json!(5), &json!("Creating")), "{made}");
    let listed = lambda(&["list-event-source-mappings", "--event-source-arn", &arn]).json();
    assert_eq!(listed["EventSourceMappings"][0]["UUID"], uuid, "{listed}");
    scene.send(&url, "one");
    scene.await_given("one");
    let off = lambda(&["update-event-source-mapping", "--uuid", uuid, "--no-enabled"]).json();
    assert_eq!(off["State"], "Disabling", "{off}");
    await_state(&api, uuid, "Disabled");
    let got = lambda(&["get-event-source-mapping", "--uuid", uuid]).json();
    assert_eq!((&got["State"], &got["BatchSize"]), (&json!("Disabled"), &json!(5)), "{got}");
    let gone = lambda(&["delete-event-source-mapping", "--uuid", uuid]).json();
    assert_eq!(gone["State"], "Deleting", "{gone}");
    await_gone(&api, uuid);
    let refused = lambda(&["get-event-source-mapping", "--uuid", uuid]);
    assert!(refused.code != 0 && refused.err.contains("(ResourceNotFoundException)"), "{refused:?}");
    assert!(refused.err.contains("The resource you requested does not exist."), "{refused:?}");
}

#[test]
fn the_aws_cli_signs_with_a_key_or_is_refused() {
    let scene = ApiScene::new("awscli-keys");
    scene.scene.write_secret("admin.key", "admins secret");
    scene.write_config("keys: [{ role: admin, id: AKIDADMIN, secret: \"file:admin.key\" }]\n");
    let (_, arn) = scene.queue("q");
    let (_daemon, api) = scene.start();
    let tools = || AwsTools::default().with_endpoint("LAMBDA", &api.url());
    let create = [
        "lambda",
        "create-event-source-mapping",
        "--event-source-arn",
        &arn,
        "--function-name",
        "seen",
        "--no-enabled",
    ];
    let signed = tools().with_key("AKIDADMIN", "admins secret").aws(&create).json();
    assert_eq!(signed["State"], "Disabled", "{signed}");
    let refused = tools().aws(&create);
    assert!(refused.code != 0 && refused.err.contains("MissingAuthenticationToken"), "{refused:?}");
    let arn = signed["EventSourceMappingArn"].as_str().expect("a mapping has an ARN");
    let tagged = tools().with_key("AKIDADMIN", "admins secret").aws(&[
        "lambda",
        "tag-resource",
        "--resource",
        arn,
        "--tags",
        "team=blue",
    ]);
    assert_eq!(tagged.code, 0, "{tagged:?}");
    let tags = tools()
        .with_key("AKIDADMIN", "admins secret")
        .aws(&["lambda", "list-tags", "--resource", arn])
        .json();
    assert_eq!(tags["Tags"], json!({ "team": "blue" }));
}

/// Runs `forebay` in the folder of the scene; its exit code and what it printed, complaints last.
fn forebay(scene: &ApiScene, arguments: &[&str]) -> (i32, String) {
    let (code, out, err) = run(scene.scene.folder(), arguments);
    (code, out + &err)
}

/// The same with JSON that succeeds.
fn forebay_json(scene: &ApiScene, arguments: &[&str]) -> Value {
    let (code, out, err) =
        run(scene.scene.folder(), &[arguments, &["--data-dir", "data", "--output", "json"]].concat());
    assert_eq!(code, 0, "{arguments:?}: {out}{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error} in {out}"))
}

#[test]
fn forebay_mappings_makes_shows_changes_and_deletes_over_the_socket() {
    let scene = ApiScene::new("cli");
    let (url, arn) = scene.queue("q");
    scene.queue("mine");
    scene.write_config("event_source_mappings:\n- { name: mine, source: { sqs: { queue: cli-mine } }, function_name: other }\n");
    let (_daemon, api) = scene.start();

    let flags = [
        "--event-source-arn",
        &arn,
        "--function-name",
        "seen",
        "--batch-size",
        "3",
        "--filter",
        r#"{"body": [{"anything-but": ["no"]}]}"#,
    ];
    let made = forebay_json(&scene, &[&["mappings", "create"], &flags[..]].concat());
    let uuid = made["UUID"].as_str().expect("a mapping has an id");
    assert_eq!((&made["BatchSize"], &made["State"]), (&json!(3), &json!("Creating")), "{made}");
    await_state(&api, uuid, "Enabled");
    scene.send(&url, "yes");
    scene.await_given("yes");

    let (code, table) = forebay(&scene, &["mappings", "list", "--data-dir", "data"]);
    assert_eq!(code, 0, "{table}");
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines.len() == 3 && lines[0].starts_with("UUID"), "{table}");
    assert!(
        lines
            .iter()
            .any(|it| it.contains(uuid) && it.contains(" - ") && it.contains(&arn) && it.contains("seen")),
        "{table}"
    );
    assert!(lines.iter().any(|it| it.contains(" mine ") && it.contains("other")), "{table}");

    // By its name in the config, where it belongs to the file.
    let mine = forebay_json(&scene, &["mappings", "get", "mine"]);
    assert_eq!(mine["EventSourceArn"], "arn:aws:sqs:us-east-1:000000000000:cli-mine", "{mine}");
    let (code, text) = forebay(&scene, &["mappings", "disable", "mine", "--data-dir", "data"]);
    assert!(code == 1 && text.contains("FB-0530") && text.contains("forebay.yaml:7"), "{code} {text}");

    let off = forebay_json(&scene, &["mappings", "disable", uuid]);
    assert_eq!(off["State"], "Disabling", "{off}");
    await_state(&api, uuid, "Disabled");
    scene.scene.write("body.json", r#"{"BatchSize": 7}"#);
    forebay_json(&scene, &["mappings", "update", uuid, "--json", "body.json", "--no-filters"]);
    let got = await_state(&api, uuid, "Disabled");
    assert!(got["BatchSize"] == 7 && got["FilterCriteria"].is_null(), "{got}");
    forebay_json(&scene, &["mappings", "enable", uuid]);
    await_state(&api, uuid, "Enabled");
    scene.send(&url, "no");
    scene.await_given("no");

    let (code, text) =
        forebay(&scene, &["mappings", "update", uuid, "--batch-size", "0", "--data-dir", "data"]);
    assert!(
        code == 78 && text.contains("Member must have value greater than or equal to 1"),
        "{code} {text}"
    );
    let (code, text) = forebay(&scene, &["mappings", "delete", uuid, "--data-dir", "data"]);
    assert!(code == 0 && text.contains(uuid) && text.contains("Deleting"), "{code} {text}");
    await_gone(&api, uuid);
    let (code, text) = forebay(&scene, &["mappings", "get", uuid, "--data-dir", "data"]);
    assert!(code == 1 && text.contains("The resource you requested does not exist."), "{code} {text}");
}

#[test]
fn what_is_exported_is_accepted_and_runs_in_place_of_what_the_api_made() {
    let scene = ApiScene::new("export");
    let (url, arn) = scene.queue("q");
    scene.queue("mine");
    let file = "event_source_mappings:\n- { name: mine, source: { sqs: { queue: export-mine } }, function_name: other, batch_size: \"${SIZE:-4}\" }\n";
    scene.write_config(file);
    let (daemon, api) = scene.start();
    let pattern = r#"{"body": [{"anything-but": ["${HOME}", "$"]}]}"#;
    let asked = json!({ "EventSourceArn": arn, "FunctionName": "seen", "BatchSize": 20, "MaximumBatchingWindowInSeconds": 2,
                        "ScalingConfig": { "MaximumConcurrency": 5 }, "FunctionResponseTypes": ["ReportBatchItemFailures"],
                        "FilterCriteria": { "Filters": [{ "Pattern": pattern }] } });
    let made = api.create(&asked).expect(202);
    let uuid = made["UUID"].as_str().expect("a mapping has an id");
    await_state(&api, uuid, "Enabled");

    let (code, text) = forebay(&scene, &["export", "--data-dir", "data", "-c", "forebay.yaml"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("${SIZE:-4}") && text.contains(uuid) && text.contains("$${HOME}"), "{text}");

    // Only the one of the API, in a file of its own beside the config.
    let (code, exported) = forebay(&scene, &["export", uuid, "--data-dir", "data", "-c", "forebay.yaml"]);
    assert!(code == 0 && !exported.contains("mine"), "{exported}");
    scene.scene.write("conf/exported.yaml", &exported);
    scene.scene.write(
        "conf/forebay.yaml",
        &std::fs::read_to_string(scene.scene.path("forebay.yaml")).expect("the config is there"),
    );
    let (code, text) = forebay(&scene, &["validate", "-c", "conf"]);
    assert_eq!(code, 0, "{text}");

    // What ran for the API and what runs for the file show the same.
    let before = api.get(uuid).expect(200);
    api.delete(uuid).expect(202);
    await_gone(&api, uuid);
    drop(daemon);
    let daemon = Daemon::start_from(scene.scene.folder(), "conf");
    let api = daemon.api();
    let mappings = wait::until("both mappings", || Some(api.all()).filter(|it| it.len() == 2));
    let after = mappings.iter().find(|it| it["EventSourceArn"] == json!(arn)).expect("it is listed");
    let settings = [
        "BatchSize",
        "MaximumBatchingWindowInSeconds",
        "ScalingConfig",
        "FunctionResponseTypes",
        "FilterCriteria",
        "FunctionArn",
    ];
    for name in settings {
        assert_eq!(before[name], after[name], "{name}");
    }
    scene.send(&url, "through the file");
    scene.await_given("through the file");
}

#[test]
fn without_a_process_the_commands_say_so() {
    let scene = ApiScene::new("cli-nobody");
    for command in [&["mappings", "list"][..], &["export"]] {
        let (code, text) = forebay(&scene, &[command, &["--data-dir", "data"]].concat());
        assert!(
            code == 1 && text.contains("FB-0507") && text.contains("does not answer"),
            "{command:?}: {code} {text}"
        );
    }
}
