//! `docs/openapi.yaml` against the process: every page stands there and no other, examples and real answers
//! fit the schemas.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use forebay_batcher::OnExhausted;
use forebay_config::document::Value as Written;
use forebay_config::{Document, Format, Node};
use forebay_daemon::admin::routes::ROUTES;
use forebay_daemon::lifecycle::Lifecycle;
use forebay_daemon::operator_request::{NotStood, OperatorRequest, RepositionError};
use forebay_daemon::registry::Entry;
use forebay_daemon::reload::ReloadOutcome;
use serde_json::{Value, json};

use crate::admin::{Listening, listening_to};
use crate::function::function;
use crate::schema::{Schemas, check};
use crate::world::World;

fn file() -> Value {
    let package = std::env::var("CARGO_MANIFEST_DIR").expect("cargo tells a test its package");
    let text = std::fs::read_to_string(format!("{package}/../docs/openapi.yaml")).unwrap();
    let document = Document::parse("openapi.yaml", &text, Format::Yaml, Path::new("/")).unwrap();
    plain(&document.root)
}

fn plain(node: &Node) -> Value {
    match &node.value {
        Written::Null => Value::Null,
        Written::Bool(it) => json!(it),
        Written::Number(it) => serde_json::from_str(it).unwrap(),
        Written::String(it) | Written::Expanded(it) => json!(it),
        Written::List(items) => items.iter().map(plain).collect(),
        Written::Map(members) => members.iter().map(|(key, it)| (key.name.clone(), plain(it))).collect(),
    }
}

/// One answer that is documented.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Answer {
    method: String,
    path: String,
    status: String,
}

/// The schemas of all JSON answers.
fn answers(file: &Value, schemas: &Schemas<'_>) -> BTreeMap<Answer, Value> {
    let mut all = BTreeMap::new();
    for (path, methods) in file["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let content = schemas.resolve(response)["content"]["application/json"].clone();
                if let Some(schema) = content.get("schema") {
                    let answer =
                        Answer { method: method.to_uppercase(), path: path.clone(), status: status.clone() };
                    all.insert(answer, schema.clone());
                }
            }
        }
    }
    all
}

#[test]
fn every_page_stands_in_the_file_with_what_it_asks_for_and_no_other_does() {
    let file = file();
    let documented: BTreeMap<(String, String), Option<String>> = file["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().iter().map(move |(method, it)| (path, method, it))
        })
        .map(|(path, method, it)| {
            ((method.to_uppercase(), path.clone()), it["x-action"].as_str().map(str::to_owned))
        })
        .collect();
    let real: BTreeMap<_, _> = ROUTES
        .iter()
        .map(|it| ((it.method.to_string(), it.path.to_owned()), it.action.map(|it| it.name().to_owned())))
        .collect();
    assert_eq!(documented, real);
    let ids: BTreeSet<_> = file["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|methods| methods.as_object().unwrap().values())
        .map(|it| it["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), ROUTES.len(), "each has an id of its own");
}

#[test]
fn every_example_fits_its_schema() {
    let file = file();
    let schemas = Schemas::new(&file);
    let mut n_checked = 0;
    let mut walk = vec![("".to_owned(), &file)];
    while let Some((place, it)) = walk.pop() {
        if let (Some(schema), Some(example)) = (it.get("schema"), it.get("example")) {
            check(&schemas, schema, example).unwrap_or_else(|why| panic!("{place}: {why}"));
            n_checked += 1;
        }
        match it {
            Value::Object(members) => {
                walk.extend(members.iter().map(|(name, it)| (format!("{place}/{name}"), it)))
            }
            Value::Array(items) => walk.extend(items.iter().map(|it| (place.clone(), it))),
            _ => {}
        }
    }
    assert!(n_checked >= 12, "{n_checked}");
}

#[test]
fn a_schema_refuses_what_does_not_fit() {
    let file = file();
    let schemas = Schemas::new(&file);
    let backlog = json!({ "$ref": "#/components/schemas/Backlog" });
    let good = json!({ "backlog": 1, "unit": "bytes", "records": null, "bytes": 1 });
    assert_eq!(check(&schemas, &backlog, &good), Ok(()));
    for (member, value) in
        [("backlog", json!(-1)), ("unit", json!("lines")), ("records", json!("1")), ("more", json!(1))]
    {
        let mut bad = good.clone();
        bad[member] = value;
        assert!(check(&schemas, &backlog, &bad).is_err(), "{bad}");
    }
    let mapping = json!({ "$ref": "#/components/schemas/Mapping" });
    let mut whole =
        file["components"]["responses"]["Mapping"]["content"]["application/json"]["example"].clone();
    assert_eq!(check(&schemas, &mapping, &whole), Ok(()));
    whole["more"] = json!(1);
    assert!(check(&schemas, &mapping, &whole).is_err());
    assert!(check(&schemas, &mapping, &json!({ "name": "m" })).is_err());
}

/// Keeps a mapping that rests: it has one track and takes what it is told.
fn keep(entry: &Entry) -> tokio::task::JoinHandle<()> {
    let (sender, mut requests) = tokio::sync::mpsc::channel(4);
    entry.set_requests(sender);
    tokio::spawn(async move {
        while let Some(operator_request) = requests.recv().await {
            match *operator_request {
                OperatorRequest::Stood(answer) => drop(answer.send(Err(NotStood::NotNow))),
                OperatorRequest::Reposition(reposition, answer) if reposition.replays => {
                    drop(answer.send(Ok(())))
                }
                OperatorRequest::Reposition(_, answer) => drop(answer.send(Err(RepositionError::Runs))),
            }
        }
    })
}

struct Heard {
    listening: Listening,
    heard: BTreeMap<Answer, Vec<Value>>,
}

impl Heard {
    async fn ask_as_a_page(&mut self, method: &str, template: &str, name: &str) -> u16 {
        self.send(method, template, name, "", "origin: http://example.com\r\n", "{}").await
    }

    async fn ask(&mut self, method: &str, template: &str, name: &str, query: &str, body: &str) -> u16 {
        self.send(method, template, name, query, "", body).await
    }

    async fn send(
        &mut self,
        method: &str,
        template: &str,
        name: &str,
        query: &str,
        header: &str,
        body: &str,
    ) -> u16 {
        let path = template.replace("{name}", name);
        let request = format!(
            "{method} {path}{query} HTTP/1.1\r\nhost: localhost\r\n{header}content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let (status, answer) = self.listening.ask(&request).await;
        let answer = serde_json::from_str(&answer)
            .unwrap_or_else(|error| panic!("{error} in {answer:?} to {method} {path}"));
        let key = Answer { method: method.to_owned(), path: template.to_owned(), status: status.to_string() };
        self.heard.entry(key).or_default().push(answer);
        status
    }
}

#[tokio::test]
async fn real_answers_fit_their_schemas_and_every_good_one_was_heard() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["1", "hang", "2"]);
    source.append("b", &["poison"]);
    let mut order = world.order("m", &source, &function);
    order.plan.batch.records_max = 1.try_into().unwrap();
    order.plan.retry.retries_max = None;
    let running = world.run(order);
    running.track("b", "Retrying").await;
    running.track("a", "Invoking").await;
    let failing = world.source();
    failing.append("c", &["poison"]);
    let mut order = world.order("p", &failing, &function);
    order.plan.retry.retries_max = Some(0);
    order.plan.retry.on_exhausted = OnExhausted::Pause;
    let waiting = world.run(order);
    waiting.track("c", "AwaitsDecision").await;
    let keeper = keep(&running.entry);
    let (resting, _) = Entry::new("resting", "fake", "fake".into(), "f".into());
    resting.set_lifecycle(Lifecycle::Paused);
    world.registry.insert(Arc::clone(&resting));
    let mut it = Heard { listening: listening_to(Arc::clone(&world.registry)).await, heard: BTreeMap::new() };
    let mapping = |page: &str| format!("/v1/mappings/{{name}}/{page}");
    it.ask("GET", "/v1/mappings", "", "", "").await;
    for page in ["status", "backlog", "positions", "peek"] {
        assert_eq!(it.ask("GET", &mapping(page), "m", "", "").await, 200, "{page}");
        assert_eq!(it.ask("GET", &mapping(page), "other", "", "").await, 404, "{page}");
    }
    assert_eq!(it.ask("GET", &mapping("config"), "made", "", "").await, 200);
    assert_eq!(
        it.ask("GET", &mapping("config"), "m", "", "").await,
        404,
        "one of the config file stands there"
    );
    it.ask("GET", &mapping("status"), "resting", "", "").await;
    assert_eq!(it.ask("GET", &mapping("peek"), "m", "?n=0", "").await, 400);
    assert_eq!(it.ask("GET", &mapping("peek"), "m", "?track=a&from=77", "").await, 422);
    assert_eq!(it.ask("POST", &mapping("replay"), "m", "", r#"{"from":"TRIM_HORIZON"}"#).await, 200);
    assert_eq!(it.ask("POST", &mapping("replay"), "m", "", "[").await, 400);
    assert_eq!(it.ask("PUT", &mapping("positions"), "m", "", r#"{"to":"LATEST"}"#).await, 409);
    assert_eq!(it.ask("POST", &mapping("pause"), "m", "", "").await, 200);
    assert_eq!(it.ask("POST", &mapping("resume"), "m", "", "").await, 503);
    for (name, status) in [("p", 200), ("other", 404), ("resting", 409)] {
        assert_eq!(it.ask("GET", &mapping("paused"), name, "", "").await, status, "{name}");
    }
    let skip = r#"{"decision":"skip","all":true}"#;
    for (name, status) in [("other", 404), ("resting", 409), ("m", 409), ("p", 200), ("p", 409)] {
        assert_eq!(it.ask("POST", &mapping("decide"), name, "", skip).await, status, "{name}");
    }
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let long = format!("{{\"to\":\"{}\"}}", "x".repeat(3 << 20));
    for (method, page, wrong) in
        [("PUT", "positions", "positions"), ("POST", "replay", "from"), ("POST", "decide", "decision")]
    {
        let nulls = format!("{{\"{wrong}\":null}}");
        let numbers = format!("{{\"{wrong}\":[1,{{}}]}}");
        for body in ["", "null", "\u{1}\u{7f}", "{\"to\":{},\"from\":[]}", &deep, &nulls, &numbers] {
            assert_eq!(it.ask(method, &mapping(page), "m", "", body).await, 400, "{page} {body:.40}");
        }
        assert_eq!(it.ask(method, &mapping(page), "m", "", &long).await, 413, "{page}");
        assert_eq!(
            it.ask(method, &mapping(page), "..%2Fm", "", "{\"to\":\"LATEST\",\"from\":\"TRIM_HORIZON\"}")
                .await,
            400,
            "{page}"
        );
        assert_eq!(it.ask_as_a_page(method, &mapping(page), "m").await, 403, "{page}");
    }
    assert_eq!(it.ask("GET", &mapping("status"), "..%2F..%2Fv1", "", "").await, 404);
    let mut asked = std::mem::replace(&mut it.listening.asked, tokio::sync::mpsc::channel(1).1);
    let answering = tokio::spawn(async move {
        asked.recv().await.unwrap().send(ReloadOutcome::Applied(Default::default())).unwrap();
        let detail = json!({ "code": "FB-0107", "place": "f:1:1", "message": "no" });
        let rejected = json!({ "outcome": "rejected", "code": "FB-0107", "message": "no", "details": [detail], "drawn": "" });
        asked.recv().await.unwrap().send(serde_json::from_value(rejected).unwrap()).unwrap();
    });
    assert_eq!(it.ask("POST", "/v1/reload", "", "", "").await, 200);
    assert_eq!(it.ask("POST", "/v1/reload", "", "", "").await, 422);
    answering.await.unwrap();
    let file = file();
    let schemas = Schemas::new(&file);
    let documented = answers(&file, &schemas);
    for (answer, bodies) in &it.heard {
        let schema = documented.get(answer).unwrap_or_else(|| panic!("{answer:?} is not documented"));
        for body in bodies {
            check(&schemas, schema, body).unwrap_or_else(|why| panic!("{answer:?}: {why} in {body}"));
        }
    }
    let heard: Vec<&Value> = it.heard.keys().map(|it| &documented[it]).collect();
    let unheard: Vec<_> = documented
        .iter()
        .filter(|(it, schema)| it.status.starts_with('2') && !heard.contains(schema))
        .collect();
    assert!(unheard.is_empty(), "{unheard:?}");
    it.listening.admin.stop().await;
    keeper.abort();
    function.release();
    running.close().await;
    waiting.close().await;
}
