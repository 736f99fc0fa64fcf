//! Where credentials come from and what happens without them, against a server that checks signatures and
//! permissions. The queue is read by AWS's SDK and the function called by our own signer: both must have
//! them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use forebay_tests::daemon::{self, Daemon};
use forebay_tests::ministack::{Key, MiniStack, REGION};
use forebay_tests::wait;
use serde_json::json;

use crate::aws::{World, assert_once, plain};

/// Sends three messages and waits until the function has them; it is given nothing else.
fn three_arrive(world: &World, daemon: &Daemon, url: &str) {
    let before = world.seen().len();
    world.stack.send_messages(url, &plain(3));
    world.await_seen(before + 3, daemon);
    world.await_empty(url);
    assert_once(&world.seen()[before..], 3);
}

fn variables(written: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    written.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

#[test]
fn credentials_come_from_the_environment_a_profile_a_program_or_a_web_identity() {
    let world = World::new();
    let (arn, url) =
        (world.function("resize"), world.stack.queue("orders", &json!({ "VisibilityTimeout": "30" })));
    let (Key { id, secret, .. }, endpoint) = (world.stack.user("other", "*"), world.stack.endpoint());
    world.scene.write("shared/credentials", &format!("[default]\naws_access_key_id = nobody\naws_secret_access_key = x\n[keys]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"));
    world.scene.write(
        "print.json",
        &json!({ "Version": 1, "AccessKeyId": id, "SecretAccessKey": secret }).to_string(),
    );
    let print = world.scene.path("print.json");
    world.scene.write(
        "shared/config",
        &format!(
            "[profile keys]\nregion = {REGION}\n[profile program]\ncredential_process = cat {}\n",
            print.display()
        ),
    );
    world.scene.write("token", "e30.eyJpc3MiOiJodHRwczovL3Rva2Vucy5leGFtcGxlIn0.signature");
    let path = |name: &str| world.scene.path(name).display().to_string();
    let files = [
        ("AWS_CONFIG_FILE", path("shared/config")),
        ("AWS_SHARED_CREDENTIALS_FILE", path("shared/credentials")),
    ];
    let nowhere = [("AWS_CONFIG_FILE", path("nowhere")), ("AWS_SHARED_CREDENTIALS_FILE", path("nowhere"))];
    let role = world.stack.role("forebay");
    let token = path("token");
    let written = format!("access_key_id: {id}, secret_access_key: {secret}, ");
    let cases = [
        (
            "a key goes before the environment's",
            written,
            variables(&[("AWS_ACCESS_KEY_ID", "nobody"), ("AWS_SECRET_ACCESS_KEY", "x")]),
        ),
        (
            "the environment goes before the files",
            String::new(),
            variables(&[("AWS_ACCESS_KEY_ID", &id), ("AWS_SECRET_ACCESS_KEY", &secret)]),
        ),
        (
            "a profile goes before the environment",
            "profile: keys, ".to_owned(),
            variables(&[("AWS_ACCESS_KEY_ID", "nobody"), ("AWS_SECRET_ACCESS_KEY", "x")]),
        ),
        ("the profile of the environment", String::new(), variables(&[("AWS_PROFILE", "keys")])),
        ("a program", "profile: program, ".to_owned(), Vec::new()),
        (
            "a web identity",
            String::new(),
            variables(&[
                ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
                ("AWS_ROLE_ARN", &role),
                ("AWS_ROLE_SESSION_NAME", "forebay"),
                ("AWS_ENDPOINT_URL_STS", &endpoint),
            ]),
        ),
    ];
    for (case, aws, mut variables) in cases {
        eprintln!("{case}");
        world.config(&format!("{aws}endpoint: \"{endpoint}\""), &arn, "");
        variables.extend(if case == "a web identity" { nowhere.clone() } else { files.clone() });
        let daemon = Daemon::start_with(world.scene.folder(), &variables);
        three_arrive(&world, &daemon, &url);
        assert!(daemon.stop().success(), "{case}");
    }
}

/// Gives credentials as a container's service and as a machine's metadata service do, each good for ten
/// seconds by what it says. Or accepts every connection and never answers.
struct Giver {
    address: SocketAddr,
    /// What is given from now on, and how often it was asked for.
    gives: Arc<Mutex<(Option<Key>, u32)>>,
}

impl Giver {
    fn start(key: Option<Key>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let gives = Arc::new(Mutex::new((key, 0)));
        let shared = Arc::clone(&gives);
        // It ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || answer(stream, &shared));
            }
        });
        Self { address, gives }
    }

    /// Gives another key from now on, with none asked for yet.
    fn give(&self, key: Key) {
        *self.gives.lock().expect("nobody panicked with it") = (Some(key), 0);
    }

    fn n_asked(&self) -> u32 {
        self.gives.lock().expect("nobody panicked with it").1
    }
}

fn answer(stream: TcpStream, gives: &Mutex<(Option<Key>, u32)>) {
    let mut reader = BufReader::new(&stream);
    let mut first = String::new();
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
        if first.is_empty() {
            first.clone_from(&line);
        }
        line.clear();
    }
    let mut gives = gives.lock().expect("nobody panicked with it");
    let Some(key) = gives.0.clone() else {
        drop(gives);
        // Never an answer: held until the other side gives up.
        let _ = reader.read_line(&mut line);
        return;
    };
    let path = first.split(' ').nth(1).unwrap_or_default();
    let body = if path.contains("/api/token") {
        "token".to_owned()
    } else if path.ends_with("/security-credentials/") || path.ends_with("/security-credentials") {
        "role".to_owned()
    } else {
        gives.1 += 1;
        let end =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970").as_secs()
                + 10;
        let end = Command::new("date")
            .args(["-u", "-d", &format!("@{end}"), "+%Y-%m-%dT%H:%M:%SZ"])
            .output()
            .expect("date runs");
        let end = String::from_utf8_lossy(&end.stdout).trim().to_owned();
        json!({ "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": end, "AccessKeyId": key.id, "SecretAccessKey": key.secret,
                "Token": key.token, "Expiration": end, "AccountId": "000000000000" })
        .to_string()
    };
    let _ = write!(
        &stream,
        "HTTP/1.1 200 OK\r\nConnection: close\r\nX-Aws-Ec2-Metadata-Token-Ttl-Seconds: 60\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
}

#[test]
fn credentials_of_a_container_or_a_machine_are_fetched_anew_before_they_end() {
    let world = World::new();
    let (arn, url) =
        (world.function("resize"), world.stack.queue("orders", &json!({ "VisibilityTimeout": "30" })));
    world.config(&format!("endpoint: \"{}\"", world.stack.endpoint()), &arn, "");
    let nowhere = world.scene.path("nowhere").display().to_string();
    for service in ["container", "machine"] {
        let (first, second) = (format!("first-{service}"), format!("second-{service}"));
        let giver = Giver::start(Some(world.stack.session(&world.stack.role(&first))));
        let mut variables =
            variables(&[("AWS_CONFIG_FILE", &nowhere), ("AWS_SHARED_CREDENTIALS_FILE", &nowhere)]);
        variables.push(match service {
            "container" => {
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{}/v2/credentials", giver.address))
            }
            _ => ("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{}/", giver.address)),
        });
        variables.push(("AWS_EC2_METADATA_DISABLED", (service == "container").to_string()));
        let daemon = Daemon::start_with(world.scene.folder(), &variables);
        three_arrive(&world, &daemon, &url);
        giver.give(world.stack.session(&world.stack.role(&second)));
        wait::until_told("a second fetch", || (giver.n_asked() > 0).then_some(()), || daemon.log());
        // What was fetched first is good for nothing from now on.
        world.stack.allow("Role", &first, "iam:ListUsers");
        three_arrive(&world, &daemon, &url);
        assert!(!daemon.log().contains("FB-0211"), "{}", daemon.log());
        assert!(daemon.stop().success(), "{service}");
    }
}

#[test]
fn a_wrong_key_is_told_by_its_code_and_a_right_that_is_missing_spends_no_receive() {
    let world = World::new();
    let (arn, url) =
        (world.function("resize"), world.stack.queue("orders", &json!({ "VisibilityTimeout": "5" })));
    let key = world.stack.user("reader", "");
    let endpoint = world.stack.endpoint();
    for (id, secret) in
        [(&key.id, "wrong"), (&"AKIANOBODY0000000000".to_owned(), "x"), (&key.id, &*key.secret)]
    {
        world.config(
            &format!("endpoint: \"{endpoint}\", access_key_id: {id}, secret_access_key: {secret}"),
            &arn,
            "",
        );
        let _ = std::fs::remove_file(world.scene.path("log"));
        let mut daemon = Daemon::spawn(world.scene.folder());
        wait::until_told(
            "the error in the log",
            || daemon.log().contains("FB-0211").then_some(()),
            || daemon.log(),
        );
        daemon.assert_alive();
        if secret == key.secret {
            // It may read the queue now, but not call the function.
            world.stack.allow("User", "reader", "sqs:*");
            world.stack.send_messages(&url, &plain(3));
            let told = "not authorized to perform: lambda:InvokeFunction";
            wait::until_told(
                "what the function says",
                || daemon.log().contains(told).then_some(()),
                || daemon.log(),
            );
            assert!(world.seen().is_empty());
            world.stack.allow("User", "reader", "*");
            world.await_seen(3, &daemon);
            world.await_empty(&url);
            assert_once(&world.seen(), 3);
        }
        assert!(daemon.stop().success());
    }
}

#[test]
fn without_credentials_it_says_where_it_looked_and_never_hangs() {
    let world = World::new();
    let arn = world.function("resize");
    let nowhere = world.scene.path("nowhere").display().to_string();
    let files = variables(&[("AWS_CONFIG_FILE", &nowhere), ("AWS_SHARED_CREDENTIALS_FILE", &nowhere)]);
    world.config(&format!("endpoint: \"{}\"", world.stack.endpoint()), &arn, "");
    // A function is needed to run at all: the daemon ends.
    let ended = Daemon::spawn_with(world.scene.folder(), &files).wait();
    let log = std::fs::read_to_string(world.scene.path("log")).expect("a log");
    assert!(
        !ended.success() && log.contains("FB-0360") && log.contains("AWS's shared files"),
        "{ended:?} {log}"
    );
    // A metadata service that takes every connection and never answers is not waited for, and may answer
    // later.
    let giver = Giver::start(None);
    let endpoint = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{}/", giver.address));
    let enabled = ("AWS_EC2_METADATA_DISABLED", "false".to_owned());
    let silent: Vec<_> = files.iter().cloned().chain([endpoint, enabled]).collect();
    let start = Instant::now();
    let daemon = Daemon::spawn_with(world.scene.folder(), &silent);
    let waited = wait::until_told(
        "the end of the wait",
        || {
            ["no credentials yet", "FB-0360"]
                .iter()
                .any(|it| daemon.log()[log.len()..].contains(it))
                .then(|| start.elapsed())
        },
        || daemon.log(),
    );
    assert!(waited < Duration::from_secs(30), "{waited:?}");
    let (code, out, err) = daemon::run(world.scene.folder(), &["validate", "-c", "forebay.yaml"]);
    assert_eq!(code, 0, "nothing is asked of anybody to validate a config: {out} {err}");
}

#[test]
fn a_queue_behind_tls_of_ones_own_is_trusted_by_ca_file_only() {
    let world = World::new();
    make_certificates(world.scene.folder());
    let behind_tls = MiniStack::start_with_tls(world.scene.folder());
    let url = behind_tls.queue("orders", &json!({}));
    behind_tls.send_messages(&url, &plain(3));
    let arn = world.function("resize");
    // Root's key is good at both.
    let sqs = format!(
        "endpoint: \"{}\", endpoints: {{ sqs: \"{}\" }}, access_key_id: test, secret_access_key: test",
        world.stack.endpoint(),
        behind_tls.endpoint()
    );
    world.config(&sqs, &arn, "");
    let daemon = Daemon::spawn(world.scene.folder());
    wait::until_told(
        "the error in the log",
        || daemon.log().contains("FB-0212").then_some(()),
        || daemon.log(),
    );
    assert!(daemon.log().contains("UnknownIssuer"), "{}", daemon.log());
    assert!(daemon.stop().success());
    world.config(&format!("{sqs}, ca_file: roots.pem"), &arn, "");
    let daemon = Daemon::start(world.scene.folder());
    world.await_seen(3, &daemon);
    wait::until("an empty queue", || (behind_tls.counts(&url) == (0, 0)).then_some(()));
    assert!(daemon.stop().success());
    assert_once(&world.seen(), 3);
}

/// An authority of one's own, and a certificate for `localhost` that it signed.
pub(crate) fn make_certificates(folder: &Path) {
    std::fs::write(folder.join("leaf.ext"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
        .expect("a file can be written");
    for arguments in [
        "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout roots.key -out roots.pem",
        "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout leaf.key -out leaf.csr",
        "x509 -req -in leaf.csr -CA roots.pem -CAkey roots.key -CAcreateserial -days 2 -extfile leaf.ext -out leaf.pem",
    ] {
        let made = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(folder)
            .output()
            .expect("openssl runs");
        assert!(made.status.success(), "{made:?}");
    }
}
