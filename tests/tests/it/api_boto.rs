//! boto3, unchanged, against the mapping API: unsigned, signed where nobody asks for it, signed where keys
//! are asked for.

use forebay_tests::aws_tools::{AwsTools, Boto, Refused};
use serde_json::{Value, json};

use crate::api_scene::{ApiScene, await_gone, await_state};

/// The one queue that keeps an order.
const FIFO: usize = 2;
const KEYS: &str = "keys:\n- { role: admin, id: AKIDADMIN, secret: \"file:admin.key\" }\n- { role: reader, id: AKIDREADER, secret: \"file:reader.key\" }\n";

#[test]
fn boto3_without_a_key_makes_shows_changes_and_deletes_mappings() {
    let scene = ApiScene::new("boto-unsigned");
    life_of_mappings(&scene, AwsTools::default());
}

#[test]
fn boto3_with_any_key_does_the_same_where_nobody_asks_for_one() {
    let scene = ApiScene::new("boto-any");
    life_of_mappings(&scene, AwsTools::default().with_key("whatever", "no secret of ours"));
}

#[test]
fn boto3_with_its_key_does_the_same_where_keys_are_asked_for() {
    let scene = ApiScene::new("boto-keys");
    write_keys(&scene);
    life_of_mappings(&scene, AwsTools::default().with_key("AKIDADMIN", "admins secret"));
}

#[test]
fn boto3_without_a_key_with_a_wrong_one_or_with_too_small_a_role_is_refused() {
    let scene = ApiScene::new("boto-refused");
    write_keys(&scene);
    let (_, arn) = scene.queue("q");
    let (_daemon, api) = scene.start();
    let tools = || AwsTools::default().with_endpoint("LAMBDA", &api.url());
    let create = |boto: &mut Boto| {
        boto.call(
            "lambda",
            "create_event_source_mapping",
            json!({ "EventSourceArn": arn, "FunctionName": "seen" }),
        )
    };
    let told = |refused: Refused| (refused.status, refused.code);

    let none = create(&mut tools().boto()).expect_err("it has no key");
    assert_eq!(told(none), (403, "MissingAuthenticationTokenException".to_owned()));
    let wrong =
        create(&mut tools().with_key("AKIDADMIN", "readers secret").boto()).expect_err("its secret is wrong");
    assert_eq!(told(wrong), (403, "InvalidSignatureException".to_owned()));
    let unknown = create(&mut tools().with_key("AKIDNOBODY", "x").boto()).expect_err("nobody knows its key");
    assert_eq!(told(unknown), (403, "InvalidSignatureException".to_owned()));
    let mut reader = tools().with_key("AKIDREADER", "readers secret").boto();
    assert_eq!(
        told(create(&mut reader).expect_err("it may only read")),
        (403, "AccessDeniedException".to_owned())
    );
    assert_eq!(reader.lambda("list_event_source_mappings", json!({}))["EventSourceMappings"], json!([]));
}

fn write_keys(scene: &ApiScene) {
    scene.scene.write_secret("admin.key", "admins secret\n");
    scene.scene.write_secret("reader.key", "readers secret\n");
    scene.write_config(KEYS);
}

/// Everything that is done to mappings, once.
fn life_of_mappings(scene: &ApiScene, tools: AwsTools) {
    let fifo = json!({ "FifoQueue": "true", "VisibilityTimeout": "30" });
    let queue =
        |n: usize| if n == FIFO { scene.queue_with("2.fifo", &fifo) } else { scene.queue(&n.to_string()) };
    let queues: Vec<(String, String)> = (0..12).map(queue).collect();
    // The test looks through the socket, which asks for no key.
    let (daemon, api) = scene.start();
    let socket = daemon.socket();
    let mut boto = tools.with_endpoint("LAMBDA", &api.url()).boto();

    let mut uuids = Vec::new();
    for (idx, (_, arn)) in queues.iter().enumerate() {
        let function = if idx < 7 { "seen" } else { "arn:aws:lambda:us-east-1:000000000000:function:other" };
        let asked = json!({ "EventSourceArn": arn, "FunctionName": function, "BatchSize": idx + 1,
                            "MaximumBatchingWindowInSeconds": u32::from(idx != FIFO),
                            "Enabled": idx != 3, "Tags": { "n": idx.to_string() } });
        let made = boto.lambda("create_event_source_mapping", asked);
        assert_eq!(made["ResponseMetadata"]["HTTPStatusCode"], 202, "{made}");
        assert_eq!((&made["BatchSize"], &made["EventSourceArn"]), (&json!(idx + 1), &json!(arn)), "{made}");
        assert_eq!(made["State"], if idx == 3 { "Disabled" } else { "Creating" }, "{made}");
        uuids.push(made["UUID"].as_str().expect("a mapping has an id").to_owned());
    }
    pages_of_mappings(&mut boto, &queues, &uuids);

    // It runs.
    await_state(&socket, &uuids[0], "Enabled");
    scene.send(&queues[0].0, "for the first");
    scene.await_given("for the first");
    scene.sqs.send(&queues[FIFO].0, &[("for the one in order".to_owned(), Some("group".to_owned()))]);
    scene.await_given("for the one in order");

    // A change, twice around.
    let changed = boto.lambda(
        "update_event_source_mapping",
        json!({ "UUID": uuids[0], "BatchSize": 5, "MaximumBatchingWindowInSeconds": 0 }),
    );
    assert_eq!((&changed["State"], &changed["BatchSize"]), (&json!("Updating"), &json!(5)), "{changed}");
    let got = boto.lambda("get_event_source_mapping", json!({ "UUID": uuids[0] }));
    assert_eq!((&got["BatchSize"], &got["MaximumBatchingWindowInSeconds"]), (&json!(5), &json!(0)), "{got}");

    let off = boto.lambda("update_event_source_mapping", json!({ "UUID": uuids[0], "Enabled": false }));
    assert_eq!(off["State"], "Disabling", "{off}");
    scene.send(&queues[0].0, "while it is disabled");
    scene.send(&queues[1].0, "for the second");
    scene.await_given("for the second");
    assert!(scene.given().iter().all(|it| it.body != "while it is disabled"), "{:?}", scene.given());
    let on = boto.lambda("update_event_source_mapping", json!({ "UUID": uuids[0], "Enabled": true }));
    assert_eq!(on["State"], "Enabling", "{on}");
    scene.await_given("while it is disabled");

    tags_of_a_mapping(&mut boto, &uuids[1]);

    for uuid in &uuids {
        let gone = boto.lambda("delete_event_source_mapping", json!({ "UUID": uuid }));
        assert_eq!((&gone["State"], &gone["UUID"]), (&json!("Deleting"), &json!(uuid)), "{gone}");
    }
    // Together: each waits for the receive that is open.
    uuids.iter().for_each(|it| await_gone(&socket, it));
    let refused =
        boto.call("lambda", "get_event_source_mapping", json!({ "UUID": uuids[0] })).expect_err("it is gone");
    assert_eq!((refused.status, refused.kind.as_str()), (404, "ResourceNotFoundException"), "{refused:?}");
    assert_eq!(refused.message, "The resource you requested does not exist.");
    drop(daemon);
}

fn pages_of_mappings(boto: &mut Boto, queues: &[(String, String)], uuids: &[String]) {
    let of_pages = |pages: &[Value]| -> Vec<String> {
        let mappings = pages
            .iter()
            .flat_map(|page| page["EventSourceMappings"].as_array().expect("a page has mappings"));
        let mut uuids: Vec<String> =
            mappings.map(|it| it["UUID"].as_str().expect("a mapping has an id").to_owned()).collect();
        uuids.sort();
        uuids
    };
    let sorted = |uuids: &[String]| {
        let mut uuids = uuids.to_vec();
        uuids.sort();
        uuids
    };
    let mut list = |filter: Value| {
        boto.pages("lambda", "list_event_source_mappings", 5, filter).expect("a list is answered")
    };
    let pages = list(json!({}));
    let sizes: Vec<usize> =
        pages.iter().map(|page| page["EventSourceMappings"].as_array().map_or(0, Vec::len)).collect();
    assert_eq!(sizes, [5, 5, 2]);
    assert_eq!(of_pages(&pages), sorted(uuids), "each once");
    assert_eq!(of_pages(&list(json!({ "FunctionName": "seen" }))), sorted(&uuids[..7]));
    assert_eq!(
        of_pages(&list(json!({ "FunctionName": "000000000000:function:other" }))),
        sorted(&uuids[7..])
    );
    assert_eq!(of_pages(&list(json!({ "EventSourceArn": queues[4].1 }))), uuids[4..5]);
    assert_eq!(of_pages(&list(json!({ "FunctionName": "nobody" }))), [""; 0]);
}

fn tags_of_a_mapping(boto: &mut Boto, uuid: &str) {
    let arn =
        boto.lambda("get_event_source_mapping", json!({ "UUID": uuid }))["EventSourceMappingArn"].clone();
    let tags = |boto: &mut Boto| boto.lambda("list_tags", json!({ "Resource": arn }))["Tags"].clone();
    assert_eq!(tags(boto), json!({ "n": "1" }));
    let tagged = boto.lambda("tag_resource", json!({ "Resource": arn, "Tags": { "team": "a b/ü" } }));
    assert_eq!(tagged["ResponseMetadata"]["HTTPStatusCode"], 204);
    assert_eq!(tags(boto), json!({ "n": "1", "team": "a b/ü" }));
    boto.lambda("untag_resource", json!({ "Resource": arn, "TagKeys": ["n", "not there"] }));
    assert_eq!(tags(boto), json!({ "team": "a b/ü" }));
}
