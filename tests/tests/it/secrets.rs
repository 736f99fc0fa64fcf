//! Two hundred secrets of every kind that a config can hold or name, and none of them anywhere that a person
//! or a program can look.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::Command;

use forebay_tests::aws_tools::AwsTools;
use forebay_tests::daemon::{Daemon, run_with};
use forebay_tests::lambda_api::{LambdaApi, MAPPINGS, percent};
use forebay_tests::ministack::MiniStack;
use forebay_tests::wait;
use serde_json::json;

use crate::scene::Scene;

/// What every secret of the test holds, and nothing else does.
const MARK: &str = "canary";
/// A key of an admin, without a session token, and a token of one.
const ADMIN: usize = 8;
const ADMIN_TOKEN: usize = 2;
/// The mappings of the config.
const NAMES: [&str; 5] = ["lines", "hook", "far", "near", "orders"];

/// Makes secrets, and gives them to the process in every way that there is.
struct Secrets<'s> {
    scene: &'s Scene,
    n_made: usize,
    variables: Vec<(String, String)>,
}

impl Secrets<'_> {
    /// One that is written into the config itself.
    fn literal(&mut self) -> String {
        self.n_made += 1;
        format!("{MARK}{:04}/hidden+0123456789abcdefghij", self.n_made)
    }

    /// One in a variable; its name.
    fn variable(&mut self) -> String {
        let secret = self.literal();
        let name = format!("FOREBAY_TEST_{}", self.n_made);
        self.variables.push((name.clone(), secret));
        name
    }

    /// One in a file of its owner; the file's name.
    fn file(&mut self) -> String {
        let secret = self.literal();
        let name = format!("given/{}", self.n_made);
        self.scene.write_secret(&name, &secret);
        name
    }

    /// One that a placeholder stands for: of a variable or of a file, in turns.
    fn placeholder(&mut self) -> String {
        if self.n_made.is_multiple_of(2) {
            format!("${{{}}}", self.variable())
        } else {
            format!("${{file:{}}}", self.file())
        }
    }

    /// Either.
    fn any(&mut self) -> String {
        if self.n_made.is_multiple_of(3) { self.literal() } else { self.placeholder() }
    }

    /// A map in one line with `n` of them.
    fn map(&mut self, prefix: &str, n: usize) -> String {
        let entries: Vec<String> = (0..n).map(|idx| format!("{prefix}{idx}: \"{}\"", self.any())).collect();
        format!("{{ {} }}", entries.join(", "))
    }

    /// Credentials that no server takes.
    fn credentials(&mut self) -> String {
        let (secret, token) = (self.any(), self.any());
        format!("access_key_id: AKIDNOBODY, secret_access_key: \"{secret}\", session_token: \"{token}\"")
    }

    fn variables(&self) -> Vec<(&str, String)> {
        let log = ("FOREBAY_LOG", "trace".to_owned());
        self.variables.iter().map(|(name, value)| (name.as_str(), value.clone())).chain([log]).collect()
    }
}

/// The keys: of variables, files and Secrets Manager, with session tokens and without, and bearer tokens.
/// Beside the text, the secret of [`ADMIN`].
fn keys(secrets: &mut Secrets<'_>, stack: &MiniStack, tokens: &[String]) -> (String, String) {
    let roles = ["reader", "operator", "admin"];
    let (mut text, mut admin) = ("keys:\n".to_owned(), String::new());
    for idx in 0..80 {
        let reference = |it: &mut Secrets<'_>| {
            if idx % 2 == 0 { format!("env:{}", it.variable()) } else { format!("file:{}", it.file()) }
        };
        let secret = match idx {
            1..=5 => {
                let secret = secrets.literal();
                stack.secret(&format!("forebay/{idx}"), &secret)
            }
            _ => reference(secrets),
        };
        if idx == ADMIN {
            admin = secrets.variables.last().expect("it is of a variable").1.clone();
        }
        let token =
            if idx % 2 == 1 { format!(", session_token: \"{}\"", reference(secrets)) } else { String::new() };
        text.push_str(&format!(
            "  - {{ id: AKID{idx}, role: {}, secret: \"{secret}\"{token} }}\n",
            roles[idx % 3]
        ));
    }
    for (idx, hash) in hashes(secrets.scene, tokens).iter().enumerate() {
        text.push_str(&format!(
            "  - {{ name: token{idx}, role: {}, token_sha256: {hash} }}\n",
            roles[idx % 3]
        ));
    }
    (text, admin)
}

/// As an operator makes them: `sha256sum`.
fn hashes(scene: &Scene, tokens: &[String]) -> Vec<String> {
    let names: Vec<String> = (0..tokens.len()).map(|idx| format!("hashed/{idx}")).collect();
    names.iter().zip(tokens).for_each(|(name, token)| scene.write(name, token));
    let output =
        Command::new("sha256sum").args(&names).current_dir(scene.folder()).output().expect("sha256sum runs");
    let text = String::from_utf8(output.stdout).expect("it is text");
    text.lines().map(|it| it.split(' ').next().unwrap_or_default().to_owned()).collect()
}

fn config(secrets: &mut Secrets<'_>, stack: &MiniStack, own: &str) -> String {
    let endpoint = stack.endpoint();
    let (environment, headers) = (secrets.map("V", 30), secrets.map("x-key-", 12));
    let (query, far, near, orders) =
        (secrets.placeholder(), secrets.credentials(), secrets.credentials(), secrets.credentials());
    let (dead_query, dead_headers) = (secrets.placeholder(), secrets.map("x-key-", 12));
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let of_file = "source: { file: { path: \"in/*\" } }, starting_position: TRIM_HORIZON, maximum_retry_attempts: 0, enabled: true";
    format!(
        "aws: {{ endpoint: \"{endpoint}\", region: us-east-1, {own} }}\n\
         functions:\n  \
           seen: {{ executor: {{ process: {{ runtime: python3, handler: app.handler, code: ./code, environment: {environment} }} }} }}\n  \
           hook: {{ executor: {{ http: {{ url: \"http://127.0.0.1:1/hook?key={query}\", headers: {headers} }} }} }}\n  \
           far: {{ executor: {{ lambda: {{ function_name: \"{arn}\", aws: {{ {far} }} }} }} }}\n\
         event_source_mappings:\n  \
         - {{ name: lines, function_name: seen, {of_file} }}\n  \
         - {{ name: hook, function_name: hook, {of_file}, destination_config: {{ on_failure: {{ http: {{ url: \"http://127.0.0.1:1/?key={dead_query}\", headers: {dead_headers} }} }} }} }}\n  \
         - {{ name: far, function_name: far, {of_file}, destination_config: {{ on_failure: {{ sqs: {{ queue_url: \"{endpoint}/000000000000/dead\", aws: {{ {near} }} }} }} }} }}\n  \
         - {{ name: near, function_name: hook, {of_file}, destination_config: {{ on_failure: {{ sns: {{ topic_arn: \"arn:aws:sns:us-east-1:000000000000:t\", aws: {{ {far} }} }} }} }} }}\n  \
         - {{ name: orders, function_name: seen, source: {{ sqs: {{ queue: orders, wait_time: 1, aws: {{ {orders} }} }} }} }}\n"
    )
}

/// All that was shown so far, each with where.
#[derive(Default)]
struct Shown(RefCell<Vec<(String, Vec<u8>)>>);

impl Shown {
    fn add(&self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.borrow_mut().push((place.into(), bytes.into()));
    }

    /// Every file of a folder, byte by byte.
    fn add_folder(&self, folder: &Path) {
        for entry in fs::read_dir(folder).expect("a folder can be read").flatten() {
            let (path, kind) = (entry.path(), entry.file_type().expect("it has a type"));
            if kind.is_dir() {
                self.add_folder(&path);
            } else if kind.is_file() {
                self.add(path.display().to_string(), fs::read(&path).expect("a file can be read"));
            }
        }
    }

    /// Where secrets are, with what stands around them.
    fn found(&self, marks: &[&str]) -> Vec<String> {
        let mut found = Vec::new();
        for (place, bytes) in &*self.0.borrow() {
            for mark in marks {
                let at = bytes.windows(mark.len()).position(|it| it.eq_ignore_ascii_case(mark.as_bytes()));
                if let Some(at) = at {
                    let around = &bytes[at.saturating_sub(200)..(at + 60).min(bytes.len())];
                    found.push(format!("{place}: …{}…", String::from_utf8_lossy(around)));
                }
            }
        }
        found
    }
}

/// Calls of the API and pages, by this way in and with these headers.
fn look(shown: &Shown, api: &LambdaApi, headers: &str) -> Vec<u16> {
    let ask = |method: &str, path: &str, body: &str| {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        let answer = api.exchange(request.as_bytes()).expect("it answers");
        shown.add(format!("{method} {path} of {api:?}"), format!("{:?} {}", answer.headers, answer.body));
        answer
    };
    let mut statuses = vec![ask("GET", MAPPINGS, "").status];
    for page in ["/metrics", "/readyz?verbose", "/v1/mappings", "/2015-03-31/functions", "/v1/nothing"] {
        statuses.push(ask("GET", page, "").status);
    }
    for name in NAMES {
        for page in ["status", "config", "backlog", "positions", "peek"] {
            statuses.push(ask("GET", &format!("/v1/mappings/{name}/{page}"), "").status);
        }
    }
    statuses
}

#[test]
fn none_of_two_hundred_secrets_is_shown_or_stored() {
    let (scene, stack) = (Scene::new(), MiniStack::start());
    let user = stack.user("forebay", "*");
    stack.queue("orders", &json!({}));
    let mut secrets = Secrets { scene: &scene, n_made: 0, variables: Vec::new() };
    let tokens: Vec<String> = (0..30).map(|_| format!("fbt_{}", secrets.literal())).collect();
    let own = format!("access_key_id: {}, secret_access_key: {}", user.id, user.secret);
    let (keys, admin) = keys(&mut secrets, &stack, &tokens);
    let text = keys + &config(&mut secrets, &stack, &own);
    scene.write("forebay.yaml", &text);
    assert!(secrets.n_made >= 200, "{} secrets", secrets.n_made);
    scene.append("in/a", "one\ntwo\n");
    let (variables, shown) = (secrets.variables(), Shown::default());

    let mut daemon = Daemon::spawn_with(scene.folder(), &variables);
    let data = scene.path("data");
    let socket = LambdaApi::Unix(data.join("forebay.sock"));
    let status = |name: &str| {
        socket.try_send("GET", &format!("/v1/mappings/{name}/status"), "").map_or(String::new(), |it| it.body)
    };
    wait::until_told(
        "records that were given and refused",
        || {
            daemon.assert_alive();
            let refused = |name: &&str| status(name).contains("\"last_error\":{");
            (scene.n_seen() == 2 && ["hook", "far", "orders"].iter().all(refused)).then_some(())
        },
        || format!("{} seen; {:?}", scene.n_seen(), NAMES.map(status)),
    );
    let address =
        fs::read_to_string(data.join("api.addr")).expect("the API has an address").trim().to_owned();
    let api = LambdaApi::Tcp(address.clone());

    // Clients: who signs, rightly and wrongly; who has a token, has another, and has it in the wrong place;
    // who has nothing.
    let tools = |secret: &str| {
        AwsTools::default()
            .with_endpoint("LAMBDA", &format!("http://{address}"))
            .with_key(&format!("AKID{ADMIN}"), secret)
    };
    let mut boto = tools(&admin).boto();
    let create = json!({ "FunctionName": "hook", "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:orders", "Enabled": false });
    let made = boto.call("lambda", "create_event_source_mapping", create.clone()).expect("it is made");
    shown.add("created", made.to_string());
    let uuid = made["UUID"].as_str().expect("it has one").to_owned();
    for call in ["get_event_source_mapping", "delete_event_source_mapping"] {
        shown.add(call, boto.call("lambda", call, json!({ "UUID": uuid })).expect("it is there").to_string());
    }
    let refused = tools(&format!("{admin}x")).boto().call("lambda", "list_event_source_mappings", json!({}));
    shown.add("a wrong signature", format!("{:?}", refused.expect_err("it is refused")));
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    assert_eq!(look(&shown, &api, &bearer(&tokens[ADMIN_TOKEN]))[..4], [200, 200, 200, 200]);
    assert_eq!(look(&shown, &socket, "")[..4], [200, 200, 200, 200]);
    for headers in [
        String::new(),
        bearer(&format!("{}x", tokens[ADMIN_TOKEN])),
        format!("X-Amz-Security-Token: {}\r\n", tokens[0]),
    ] {
        assert_eq!(look(&shown, &api, &headers)[0], 403);
    }
    let in_query = api.send(
        "GET",
        &format!("{MAPPINGS}?X-Amz-Security-Token={}&token={}", percent(&admin), tokens[1]),
        "",
    );
    shown.add("a token in the query", format!("{in_query:?}"));
    // A secret in place of its reference: what came is not kept, nor written to the log.
    let mut literal = create;
    literal["SourceAccessConfigurations"] = json!([{ "Type": "BASIC_AUTH", "URI": admin }]);
    assert_eq!(socket.create(&literal).status, 400);

    // Commands, and a config that is rejected.
    let written: Vec<&str> = text.split('"').filter(|it| it.starts_with(MARK)).collect();
    let commands = |shown: &Shown| {
        let folder = ["--data-dir", "data"];
        let mut all: Vec<Vec<&str>> = vec![
            vec!["validate", "-c", "forebay.yaml"],
            vec!["export", "-c", "forebay.yaml", "--data-dir", "data"],
        ];
        all.extend(NAMES.map(|name| vec!["explain", name, "-c", "forebay.yaml"]));
        all.extend(
            [
                vec!["why"],
                vec!["why", "hook"],
                vec!["mappings", "list"],
                vec!["mappings", "list", "--output", "json"],
                vec!["reload"],
            ]
            .map(|it| [it, folder.to_vec()].concat()),
        );
        for arguments in all {
            let (code, out, err) = run_with(scene.folder(), &variables, &arguments);
            // An export is the config's own words: what is written out there is written out.
            let out = if arguments[0] == "export" {
                written.iter().fold(out, |out, it| out.replace(it, ""))
            } else {
                out
            };
            shown.add(format!("forebay {} ({code})", arguments.join(" ")), [out, err].concat());
        }
    };
    commands(&shown);
    let codes = |shown: &Shown| {
        shown
            .0
            .borrow()
            .iter()
            .filter(|(place, _)| place.starts_with("forebay "))
            .map(|it| it.0.clone())
            .collect::<Vec<_>>()
    };
    let failed: Vec<String> = codes(&shown).into_iter().filter(|it| !it.ends_with("(0)")).collect();
    assert!(failed.iter().all(|it| it.starts_with("forebay why")), "{failed:?}");
    let broken = text
        .replace("role: admin", "role: root")
        .replace("wait_time: 1", "wait_time: long")
        .replace("runtime: python3", "runtime: cobol");
    let short = format!(
        "functions:\n  bad: {{ executor: {{ http: {{ url: \"ftp://a\", headers: {{ a: \"{}\" }} }} }} }}\n",
        written[0]
    );
    scene.write("forebay.yaml", &broken.replacen("functions:\n", &short, 1));
    commands(&shown);
    assert!(
        codes(&shown).iter().any(|it| it.starts_with("forebay reload") && it.ends_with("(78)")),
        "{:?}",
        codes(&shown)
    );
    scene.write("forebay.yaml", &text);

    let n_told =
        || daemon.log().lines().filter(|it| it.contains("\"mapping\":") && it.contains("\"state\":")).count();
    let before = n_told();
    daemon.signal("USR1");
    wait::until_count("the state of every mapping in the log", before + NAMES.len(), n_told);
    daemon.kill();
    shown.add_folder(&data);
    // What another process reads of it and writes at its end.
    let daemon = Daemon::spawn_with(scene.folder(), &variables);
    wait::until("the second process", || socket.try_send("GET", MAPPINGS, "").filter(|it| it.status == 200));
    shown.add("the log", daemon.log());
    assert!(daemon.stop().success());
    shown.add("the log at the end", fs::read(scene.path("log")).expect("it can be read"));
    shown.add_folder(&data);
    let found = shown.found(&[MARK, &user.secret]);
    assert!(found.is_empty(), "{} places:\n{}", found.len(), found.join("\n\n"));
}
