//! Long polls that are open keep nobody waiting: a mapping is changed and deleted while they are, and what
//! they bring is shown at once.

use forebay_models::sqs::{Action, Attributes, Sent};
use forebay_tests::daemon::Daemon;
use forebay_tests::strict_sqs::StrictSqs;
use forebay_tests::{http, wait};
use serde_json::{Value, json};

use crate::api_scene::{Journal, await_gone, recorder};
use crate::scene::Scene;

const QUEUE: &str = "orders";
/// A long poll lasts at most a third of it, and at most 20 s.
const VISIBILITY_S: u64 = 600;

/// Answers of long polls that were ever given.
fn n_answered(sqs: &StrictSqs) -> usize {
    sqs.calls(Action::ReceiveMessage).len()
}

fn status(daemon: &Daemon, uuid: &str) -> Value {
    let (_, body) = http::get(&daemon.admin, &format!("/v1/mappings/{uuid}/status")).unwrap_or_default();
    serde_json::from_str(&body).unwrap_or_default()
}

/// Waits until the mapping invokes this function and its long polls are open.
fn await_polls(daemon: &Daemon, uuid: &str, function: &str) {
    let is_there = |it: &Value| {
        it["state"] == "Enabled"
            && it["function_name"] == function
            && it["tracks"][0]["receives"]["open"].as_u64() >= Some(1)
    };
    wait::until_told(
        "open long polls",
        || is_there(&status(daemon, uuid)).then_some(()),
        || status(daemon, uuid).to_string(),
    );
}

#[test]
fn an_update_and_a_delete_do_not_wait_for_long_polls_and_what_these_bring_is_shown_at_once() {
    let (old, new) = (Journal::default(), Journal::default());
    let (first, second) = (recorder(&old), recorder(&new));
    let sqs = StrictSqs::start();
    sqs.create(QUEUE, Attributes { visibility_s: VISIBILITY_S, ..Attributes::default() });
    let scene = Scene::new();
    scene.write(
        "forebay.yaml",
        &format!(
            "aws: {{ endpoint: \"{}\", region: us-east-1, access_key_id: x, secret_access_key: x }}\nfunctions:\n  first: {{ executor: {}, \
             timeout: 10 }}\n  second: {{ executor: {}, timeout: 10 }}\nevent_source_mappings: []\n",
            sqs.endpoint(),
            first.executor(),
            second.executor()
        ),
    );
    let daemon = Daemon::start(scene.folder());
    let api = daemon.api();
    let arn = format!("arn:aws:sqs:us-east-1:000000000000:{QUEUE}");
    let mapping = api.create(&json!({ "EventSourceArn": arn, "FunctionName": "first" })).expect(202);
    let uuid = mapping["UUID"].as_str().expect("a mapping has an id").to_owned();
    await_polls(&daemon, &uuid, "first");

    // Another function is another life of the mapping.
    api.update(&uuid, &json!({ "FunctionName": "second" })).expect(202);
    await_polls(&daemon, &uuid, "second");
    assert_eq!(n_answered(&sqs), 0, "the polls of the former life are still open");

    api.delete(&uuid).expect(202);
    await_gone(&api, &uuid);
    assert_eq!(n_answered(&sqs), 0, "all polls are still open");

    // Each poll that is open may bring it, and shows it again at once.
    sqs.send(QUEUE, [Sent::plain("for whoever comes next")]);
    wait::until("a poll that brings it", || (n_answered(&sqs) >= 1).then_some(()));
    wait::until_told(
        "a message that everybody can see",
        || (sqs.counts(QUEUE) == (1, 0, 0)).then_some(()),
        || format!("{:?}", sqs.counts(QUEUE)),
    );
    assert!(
        old.lock().expect("no holder panics").is_empty() && new.lock().expect("no holder panics").is_empty()
    );
    assert!(daemon.stop().success());
}
