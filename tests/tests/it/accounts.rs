//! Things of another account, called with a role of it. MiniStack checks signatures and permissions, and gives
//! a role only to who says its external id.

use forebay_tests::daemon::{self, Daemon};
use forebay_tests::ministack::{ACCOUNT, Key, MiniStack, REGION};
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::scene::Scene;

/// The account that the config calls its own; everything else is of [`ACCOUNT`].
const OURS: &str = "111111111111";

/// Fails with every event, and so hands it to the destination.
const CODE: &str = "def handler(event, context):\n    raise ValueError('poison')\n";

/// A stream, a function and a queue of another account, and a key that may do nothing but take roles.
struct Accounts {
    scene: Scene,
    stack: MiniStack,
    key: Key,
    stream: String,
    function: String,
    dead: String,
}

impl Accounts {
    fn new() -> Self {
        let stack = MiniStack::start();
        let (key, stream) = (stack.user("forebay", "sts:AssumeRole"), stack.stream("orders"));
        let (function, dead) = (stack.function("failing", CODE), stack.queue("dead", &json!({})));
        stack.kinesis(
            "PutRecord",
            &json!({ "StreamName": "orders", "PartitionKey": "k", "Data": "cG9pc29u" }),
        );
        Self { scene: Scene::new(), stack, key, stream, function, dead }
    }

    fn config(&self, accounts: &str) {
        let Key { id, secret, .. } = &self.key;
        let endpoint = self.stack.endpoint();
        let (stream, function) = (&self.stream, &self.function);
        self.scene.write(
            "forebay.yaml",
            &format!(
                "aws:\n  region: {REGION}\n  account_id: \"{OURS}\"\n  access_key_id: {id}\n  secret_access_key: {secret}\n  endpoint: \"{endpoint}\"\n  \
                 accounts: {accounts}\n\
                 event_source_mappings:\n  - name: orders\n    source: {{ kinesis: {{ stream: \"{stream}\", poll_interval: 0.25 }} }}\n    \
                 function_name: \"{function}\"\n    starting_position: TRIM_HORIZON\n    maximum_retry_attempts: 0\n    \
                 destination_config: {{ on_failure: {{ destination_arn: \"arn:aws:sqs:{REGION}:{ACCOUNT}:dead\" }} }}\n"
            ),
        );
    }

    fn await_told(&self, daemon: &Daemon, what: &str) {
        let log = || daemon.log();
        wait::until_told(what, || log().contains(what).then_some(()), log);
    }
}

#[test]
fn source_function_and_destination_of_another_account_are_called_with_its_role() {
    let it = Accounts::new();
    let role = it.stack.role_for("forebay", "our-id", "*");
    it.config(&format!(
        "{{ \"{ACCOUNT}\": {{ assume_role: {{ role_arn: \"{role}\", external_id: our-id }} }} }}"
    ));
    let daemon = Daemon::start(it.scene.folder());
    let taken = wait::until_told("the failure record", || it.stack.take(&it.dead).pop(), || daemon.log());
    let record: Value = serde_json::from_str(&taken).expect("JSON");
    assert_eq!(record["requestContext"]["functionArn"], json!(it.function), "{record}");
    assert_eq!(record["KinesisBatchInfo"]["streamArn"], json!(it.stream), "{record}");
    let log = daemon.log();
    assert!(!log.contains("AccessDenied") && !log.contains(&it.key.secret), "{log}");
    assert!(daemon.stop().success());
}

#[test]
fn a_role_that_is_not_given_is_asked_for_again_and_who_is_let_in_by_himself_needs_none() {
    let it = Accounts::new();
    // Another external id than the role's owner asks for.
    let role = it.stack.role_for("forebay", "our-id", "*");
    it.config(&format!(
        "{{ \"{ACCOUNT}\": {{ assume_role: {{ role_arn: \"{role}\", external_id: another }} }} }}"
    ));
    let daemon = Daemon::start(it.scene.folder());
    it.await_told(&daemon, &format!("did not give role {role}: 403 Forbidden: AccessDenied"));
    assert!(it.stack.take(&it.dead).is_empty());
    let why = || daemon::run(it.scene.folder(), &["why", "--data-dir", "data", "orders"]).1;
    let told =
        wait::until_told("a reason", || Some(why()).filter(|it| it.contains("did not give role")), why);
    for part in [
        "FB-0360",
        "there are no credentials for kinesis: the role's trust policy must",
        &role,
        "AccessDenied",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(daemon.stop().success());
    // The key itself may call nothing there.
    it.config(&format!("{{ \"{ACCOUNT}\": {{}} }}"));
    let daemon = Daemon::start(it.scene.folder());
    it.await_told(&daemon, "is not authorized to perform: kinesis:");
    it.stack.allow("User", "forebay", "*");
    wait::until_told("the failure record", || it.stack.take(&it.dead).pop(), || daemon.log());
    assert!(daemon.stop().success());
}

#[test]
fn an_account_that_nobody_has_written_of_is_refused_by_name_by_validate_a_start_and_the_api() {
    let scene = Scene::new();
    let aws = format!(
        "aws: {{ region: {REGION}, account_id: \"{OURS}\", access_key_id: a, secret_access_key: b, endpoint: \"http://127.0.0.1:1\" }}"
    );
    let stream = format!("arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/orders");
    let mapping = format!(
        "  - name: orders\n    source: {{ kinesis: {{ stream: \"{stream}\" }} }}\n    function_name: \"{ACCOUNT}:function:f\"\n    \
         starting_position: LATEST\n    destination_config: {{ on_failure: {{ destination_arn: \"arn:aws:sns:{REGION}:{ACCOUNT}:dead\" }} }}\n"
    );
    let functions = "functions:\n  f: { executor: { http: { url: \"http://127.0.0.1:1/\" } } }";
    scene.write("forebay.yaml", &format!("{aws}\n{functions}\nevent_source_mappings:\n{mapping}"));
    for command in
        [vec!["validate", "-c", "forebay.yaml"], vec!["run", "-c", "forebay.yaml", "--data-dir", "data"]]
    {
        let (code, out, told) = daemon::run(scene.folder(), &command);
        let said = format!("{out}{told}");
        assert_ne!(code, 0, "{command:?}");
        let line = format!("error[FB-0369]: account `{ACCOUNT}` is not known: `aws.account_id` is `{OURS}`");
        let fix = format!("write `aws.accounts.\"{ACCOUNT}\"` with its credentials");
        assert_eq!((said.matches(&line).count(), said.matches(&fix).count()), (3, 3), "{said}");
        for path in ["source", "function_name", "destination_config.on_failure"] {
            assert!(said.contains(&format!("^ {path}\n")), "{said}");
        }
    }
    scene.write("forebay.yaml", &format!("{aws}\n{functions}\nevent_source_mappings: []\n"));
    let daemon = Daemon::start(scene.folder());
    let theirs = |service: &str| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:x");
    for (member, value) in [
        ("EventSourceArn", json!(stream)),
        ("EventSourceArn", json!(theirs("sqs"))),
        ("FunctionName", json!(format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"))),
        ("FunctionName", json!(format!("{ACCOUNT}:function:f"))),
        ("DestinationConfig", json!({ "OnFailure": { "Destination": theirs("sns") } })),
        ("DestinationConfig", json!({ "OnFailure": { "Destination": theirs("sqs") } })),
    ] {
        let of_queue = value == json!(theirs("sqs"));
        let mut wanted = json!({ "EventSourceArn": stream.replace(ACCOUNT, OURS), "FunctionName": "f" });
        if !of_queue {
            wanted["StartingPosition"] = json!("LATEST");
        }
        wanted[member] = value;
        let (status, kind, text) = daemon.api().create(&wanted).refusal();
        assert_eq!((status, &*kind), (400, "InvalidParameterValueException"), "{wanted}: {text}");
        let named = format!("account `{ACCOUNT}` is not known: `aws.account_id` is `{OURS}` (FB-0369, ");
        assert!(text.contains(&named), "{wanted}: {text}");
    }
    assert!(daemon.stop().success());
}
