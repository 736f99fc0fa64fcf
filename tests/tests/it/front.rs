//! Lambda's API of a running daemon: its listeners, its keys, what a reload changes of them, and where
//! secrets come from.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use forebay_tests::aws_tools::{AwsTools, Boto};
use forebay_tests::daemon::{Daemon, run};
use forebay_tests::http;
use forebay_tests::lambda_api::{LambdaApi, MAPPINGS};
use forebay_tests::ministack::MiniStack;
use forebay_tests::wait;
use serde_json::json;

use crate::aws_credentials::make_certificates;
use crate::scene::Scene;

/// Never shown, wherever it is looked for.
const SECRET: &str = "canary/secret+0123456789abcdefghijklmnop";
const TOKEN: &str = "fbt_canary-0123456789abcdef0123456789abcdef";
/// `printf %s "$TOKEN" | sha256sum`
const TOKEN_SHA256: &str = "05e2f9f18a55a7acfba822c4a0c6366b194b9c335d83276b9c94855e5e95f4ff";

fn api_of(daemon: &Daemon) -> String {
    fs::read_to_string(daemon.folder.join("data/api.addr")).expect("the API has an address").trim().to_owned()
}

fn write_secret(path: &Path, secret: &str, mode: u32) {
    fs::write(path, secret).expect("a file can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode can be set");
}

/// A daemon's config with one mapping that rests, and this besides.
fn config(scene: &Scene, more: &str) {
    scene.config("starting_position: TRIM_HORIZON\nenabled: false");
    scene.append("forebay.yaml", more);
}

fn keys(secret: &str) -> String {
    format!(
        "keys:\n  - {{ id: AKIDOPERATOR, role: operator, secret: \"{secret}\" }}\n  - {{ name: curl, role: reader, token_sha256: {TOKEN_SHA256} }}\n"
    )
}

fn boto(api: &str, id: &str, secret: &str) -> Boto {
    AwsTools::default().with_endpoint("LAMBDA", &format!("http://{api}")).with_key(id, secret).boto()
}

/// Status of a list with this `Authorization` header.
fn list(api: &str, authorization: &str) -> u16 {
    let line =
        if authorization.is_empty() { String::new() } else { format!("Authorization: {authorization}\r\n") };
    let request = format!("GET {MAPPINGS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{line}\r\n");
    LambdaApi::Tcp(api.to_owned()).exchange(request.as_bytes()).expect("it answers").status
}

#[test]
fn keys_are_asked_for_on_every_way_in_but_the_socket_and_never_shown() {
    let scene = Scene::new();
    write_secret(&scene.path("secret"), SECRET, 0o600);
    config(&scene, &keys("file:secret"));
    let daemon = Daemon::start_with(scene.folder(), &[("FOREBAY_LOG", "trace".to_owned())]);
    let api = api_of(&daemon);
    // boto3, as it signs.
    let mappings = boto(&api, "AKIDOPERATOR", SECRET)
        .call("lambda", "list_event_source_mappings", json!({}))
        .expect("the key is known");
    assert_eq!(mappings["EventSourceMappings"].as_array().map(Vec::len), Some(1), "{mappings}");
    for (id, secret) in [("AKIDOPERATOR", "wrong"), ("AKIDNOBODY", SECRET)] {
        let refused = boto(&api, id, secret)
            .call("lambda", "list_event_source_mappings", json!({}))
            .expect_err("it is refused");
        assert_eq!(
            (refused.code.as_str(), refused.status),
            ("InvalidSignatureException", 403),
            "{refused:?}"
        );
    }
    // A token, and nothing.
    assert_eq!(
        (list(&api, &format!("Bearer {TOKEN}")), list(&api, "Bearer fbt_other"), list(&api, "")),
        (200, 403, 403)
    );
    // The admin listener tells those who watch, and nobody else.
    assert_eq!(http::get(&daemon.admin, "/metrics").map(|it| it.0), Some(200));
    assert_eq!(http::get(&daemon.admin, "/v1/mappings").map(|it| it.0), Some(403));
    assert_eq!(http::get(&api, "/livez").map(|it| it.0), Some(200));
    assert_eq!(http::get(&api, "/metrics").map(|it| it.0), Some(403));
    // The socket is its owner's.
    let socket = scene.path("data/forebay.sock");
    assert_eq!(fs::metadata(&socket).expect("it stands").permissions().mode() & 0o7777, 0o600);
    let inside = LambdaApi::Unix(socket.clone());
    assert_eq!(inside.list("").status, 200);
    let (code, out, err) = run(scene.folder(), &["mappings", "list", "--data-dir", "data"]);
    assert!(code == 0 && out.contains("lines"), "{out} {err}");
    // A write leaves a line in the audit; what is secret stands nowhere.
    let refused = boto(&api, "AKIDOPERATOR", SECRET).call(
        "lambda",
        "delete_event_source_mapping",
        json!({ "UUID": "14e0db71-5d35-4eb5-b481-8945cf9d10c2" }),
    );
    assert_eq!(refused.expect_err("there is none").status, 404);
    let log = daemon.log();
    let audit = log
        .lines()
        .find(|it| it.contains("forebay::audit") && it.contains("lambda:DeleteEventSourceMapping"))
        .unwrap_or_default();
    for part in ["AKIDOPERATOR", "ResourceNotFoundException", "event-source-mapping:14e0db71", "404"] {
        assert!(audit.contains(part), "{part} in {audit:?}");
    }
    let shown =
        [log, daemon.metrics(), http::get(&api, "/readyz?verbose").map(|it| it.1).unwrap_or_default()]
            .concat();
    assert!(
        !shown.contains("canary"),
        "{}",
        shown.lines().find(|it| it.contains("canary")).unwrap_or_default()
    );
    assert!(daemon.stop().success());
    assert!(
        !socket.exists() && !scene.path("data/api.addr").exists(),
        "who looks for the process finds none"
    );
}

#[test]
fn a_reload_changes_keys_and_keeps_them_when_they_cannot_be_had() {
    let scene = Scene::new();
    write_secret(&scene.path("secret"), SECRET, 0o600);
    config(&scene, "");
    let daemon = Daemon::start(scene.folder());
    let api = api_of(&daemon);
    let reload = || run(scene.folder(), &["reload", "--data-dir", "data"]);
    assert_eq!(list(&api, ""), 200, "nobody is asked where there are no keys");
    config(&scene, &keys("file:secret"));
    assert_eq!(reload().0, 0);
    assert_eq!((list(&api, ""), list(&api, &format!("Bearer {TOKEN}"))), (403, 200));
    // A secret that others may read, or that is not there, is a reload rejected.
    fs::set_permissions(scene.path("secret"), fs::Permissions::from_mode(0o644))
        .expect("its mode can be set");
    let (code, out, err) = reload();
    assert!(code == 78 && [out, err].concat().contains("FB-0366"));
    config(&scene, &keys("file:nowhere"));
    let (code, out, err) = reload();
    assert!(code == 78 && [out, err].concat().contains("FB-0365"));
    assert_eq!((list(&api, ""), list(&api, &format!("Bearer {TOKEN}"))), (403, 200), "the former keys hold");
    config(&scene, "api: { listen: off }\n");
    let (code, out, err) = run(scene.folder(), &["reload", "--data-dir", "data"]);
    assert_eq!(code, 0, "--api-listen goes before the setting: {out} {err}");
    assert_eq!(list(&api, ""), 200);
}

#[test]
fn a_certificate_is_taken_anew_by_a_reload_and_a_broken_one_is_not() {
    let scene = Scene::new();
    let tls = "api: { tls: { cert_file: leaf.pem, key_file: leaf.key } }\n";
    let certify = |roots: &str| {
        make_certificates(scene.folder());
        fs::set_permissions(scene.path("leaf.key"), fs::Permissions::from_mode(0o600))
            .expect("its mode can be set");
        fs::copy(scene.path("roots.pem"), scene.path(roots)).expect("a file can be copied");
    };
    certify("first.pem");
    config(&scene, tls);
    let daemon = Daemon::start(scene.folder());
    let port =
        api_of(&daemon).rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("it has a port");
    let request = format!("GET {MAPPINGS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let status = |roots: &str| {
        http::exchange_over_tls(port, &scene.path(roots), &request)
            .and_then(|it| http::parse(&it))
            .map(|it| it.0)
    };
    assert_eq!(status("first.pem"), Some(200));
    certify("second.pem");
    assert_eq!((status("first.pem"), status("second.pem")), (Some(200), None), "nobody has reloaded");
    assert_eq!(run(scene.folder(), &["reload", "--data-dir", "data"]).0, 0);
    assert_eq!((status("first.pem"), status("second.pem")), (None, Some(200)));
    scene.write("leaf.pem", "no certificate");
    let (code, out, err) = run(scene.folder(), &["reload", "--data-dir", "data"]);
    assert!(code == 78 && [out, err].concat().contains("FB-0519"));
    assert_eq!(status("second.pem"), Some(200), "the former certificate stays in use");
    // Watched, it is taken anew by itself.
    config(&scene, &format!("{tls}watch_config: true\n"));
    certify("third.pem");
    assert_eq!(run(scene.folder(), &["reload", "--data-dir", "data"]).0, 0);
    certify("fourth.pem");
    wait::until("the fourth certificate", || (status("fourth.pem") == Some(200)).then_some(()));
    assert!(daemon.stop().success());
}

#[test]
fn the_socket_that_a_killed_process_left_is_replaced() {
    let scene = Scene::new();
    config(&scene, "");
    Daemon::start(scene.folder()).kill();
    assert!(scene.path("data/forebay.sock").exists());
    let daemon = Daemon::start(scene.folder());
    assert_eq!(LambdaApi::Unix(scene.path("data/forebay.sock")).list("").status, 200);
    daemon.kill();
}

#[test]
fn an_api_that_cannot_be_served_as_configured_keeps_the_process_from_starting() {
    let scene = Scene::new();
    let start = |more: &str, listen: &str| {
        config(&scene, more);
        let arguments = [
            "run",
            "-c",
            "forebay.yaml",
            "--data-dir",
            "data",
            "--admin-listen",
            "127.0.0.1:0",
            "--api-listen",
            listen,
        ];
        let (code, out, err) = run(scene.folder(), &arguments);
        (code, [out, err].concat())
    };
    let refused = |more: &str, listen: &str, exit: i32, code: &str, what: &str| {
        let (status, said) = start(more, listen);
        assert!(
            status == exit && said.contains(code) && said.contains(what) && !said.contains("canary"),
            "{status}: {said}"
        );
    };
    refused("", "0.0.0.0:0", 78, "FB-0517", "`keys` and `api.tls`");
    write_secret(&scene.path("secret"), SECRET, 0o600);
    refused(&keys("file:secret"), "0.0.0.0:0", 78, "FB-0517", "`api.tls`");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    refused("", &taken.local_addr().expect("it has an address").to_string(), 1, "FB-0520", "cannot stand on");
    write_secret(&scene.path("loose"), SECRET, 0o640);
    refused(&keys("file:loose"), "off", 78, "FB-0366", "0640");
    refused(&keys("env:FOREBAY_TEST_OF_NOTHING"), "off", 78, "FB-0365", "FOREBAY_TEST_OF_NOTHING");
    refused("api: { tls: { cert_file: secret, key_file: secret } }\n", "off", 78, "FB-0519", "certificate");
    refused(&keys(SECRET), "off", 78, "FB-0106", "must say where the secret is");
}

#[test]
fn secrets_come_from_secrets_manager_and_other_calls_go_to_lambda_signed_anew() {
    let server = MiniStack::start();
    let function =
        server.function("greet", "def handler(event, context):\n    return {'hello': event['name']}\n");
    let arn = server.secret("forebay/operator", SECRET);
    let user = server.user("forebay", "*");
    let scene = Scene::new();
    let aws = format!(
        "aws: {{ endpoint: \"{}\", access_key_id: {}, secret_access_key: {}, region: us-east-1 }}\nkeys: [{{ id: AKIDADMIN, role: admin, secret: \"{arn}\" }}]\n",
        server.endpoint(),
        user.id,
        user.secret
    );
    config(&scene, &aws);
    let daemon = Daemon::start(scene.folder());
    let api = api_of(&daemon);
    let mut boto = boto(&api, "AKIDADMIN", SECRET);
    let functions =
        boto.call("lambda", "list_functions", json!({})).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(functions["Functions"][0]["FunctionArn"], json!(function), "{functions}");
    let listed = boto.call("lambda", "list_event_source_mappings", json!({})).expect("the API answers it");
    assert_eq!(
        listed["EventSourceMappings"].as_array().map(Vec::len),
        Some(1),
        "those of this process, not of the endpoint: {listed}"
    );
    let tags = boto.call("lambda", "list_tags", json!({ "Resource": function }));
    assert!(tags.is_ok(), "{tags:?}");
    assert!(!daemon.log().contains("canary"));
    daemon.kill();
    // A secret that is not there keeps the process from starting, and the message says whom it asked.
    config(&scene, &aws.replace(&arn, &format!("{arn}x")));
    let (code, out, err) = run(
        scene.folder(),
        &[
            "run",
            "-c",
            "forebay.yaml",
            "--data-dir",
            "data",
            "--admin-listen",
            "127.0.0.1:0",
            "--api-listen",
            "off",
        ],
    );
    let said = [out, err].concat();
    assert!(
        code == 78
            && said.contains("FB-0367")
            && said.contains("ResourceNotFoundException")
            && said.contains(&server.endpoint()),
        "{code} {said}"
    );
}
