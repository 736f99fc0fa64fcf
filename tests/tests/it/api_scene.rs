//! A daemon with functions and without mappings, queues of ElasticMQ beside it, and what its functions were
//! given.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use forebay_tests::daemon::Daemon;
use forebay_tests::elasticmq::ElasticMq;
use forebay_tests::function::{Answer, Function, lambda_of_nothing};
use forebay_tests::lambda_api::LambdaApi;
use forebay_tests::wait;
use serde_json::{Value, json};

use crate::scene::Scene;

/// One record that a function was given.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// When the invocation came to the function.
    pub(crate) at: Instant,
    /// The name of the queue.
    pub(crate) queue: String,
    /// What the message says.
    pub(crate) body: String,
}

/// Keeps what functions were given.
pub(crate) type Journal = Arc<Mutex<Vec<Given>>>;

/// The scene; the daemon is started by the test.
pub(crate) struct ApiScene {
    pub(crate) scene: Scene,
    pub(crate) sqs: &'static ElasticMq,
    journal: Journal,
    /// Begins the names of its queues: the server is shared.
    prefix: &'static str,
    function: Function,
}

impl ApiScene {
    /// With the functions `seen` and `other`, each of which answers at once.
    pub(crate) fn new(prefix: &'static str) -> Self {
        let journal = Journal::default();
        let it = Self {
            scene: Scene::new(),
            sqs: ElasticMq::shared(),
            function: recorder(&journal),
            journal,
            prefix,
        };
        it.write_config("");
        it
    }

    /// Writes the config, with more at its end.
    pub(crate) fn write_config(&self, more: &str) {
        self.write_config_with(&["seen", "other"].map(str::to_owned), more);
    }

    /// The same with the functions `f0`, `f1` and so on.
    pub(crate) fn write_functions(&self, n: usize) {
        self.write_config_with(&(0..n).map(|it| format!("f{it}")).collect::<Vec<_>>(), "");
    }

    fn write_config_with(&self, functions: &[String], more: &str) {
        let (endpoint, lambda, executor) =
            (self.sqs.endpoint(), lambda_of_nothing(), self.function.executor());
        let functions: String =
            functions.iter().map(|it| format!("  {it}: {{ executor: {executor}, timeout: 10 }}\n")).collect();
        let mappings =
            if more.contains("event_source_mappings:") { "" } else { "event_source_mappings: []\n" };
        let config = format!(
            "aws: {{ endpoints: {{ sqs: \"{endpoint}\", lambda: \"{lambda}\" }}, region: us-east-1, access_key_id: x, secret_access_key: x }}\nmemory_budget_mb: 10000\nfunctions:\n\
             {functions}{mappings}{more}"
        );
        self.scene.write("forebay.yaml", &config);
    }

    pub(crate) fn start(&self) -> (Daemon, LambdaApi) {
        let daemon = Daemon::start(self.scene.folder());
        let api = daemon.api();
        (daemon, api)
    }

    /// A new queue; its URL and its ARN.
    pub(crate) fn queue(&self, name: &str) -> (String, String) {
        self.queue_with(name, &json!({ "VisibilityTimeout": "30" }))
    }

    pub(crate) fn queue_with(&self, name: &str, attributes: &Value) -> (String, String) {
        let name = format!("{}-{name}", self.prefix);
        let url = self.sqs.create(&name, attributes);
        (url, format!("arn:aws:sqs:us-east-1:000000000000:{name}"))
    }

    pub(crate) fn send(&self, url: &str, body: &str) {
        self.sqs.send(url, &[(body.to_owned(), None)]);
    }

    pub(crate) fn given(&self) -> Vec<Given> {
        self.journal.lock().expect("nothing panics under this lock").clone()
    }

    pub(crate) fn await_given(&self, body: &str) {
        let seen = || format!("given: {:?}", self.given());
        wait::until_told(body, || self.given().iter().any(|it| it.body == body).then_some(()), seen);
    }
}

/// A function that writes down what it is given and succeeds.
pub(crate) fn recorder(journal: &Journal) -> Function {
    slow_recorder(journal, Duration::ZERO)
}

/// The same, and each invocation takes so long.
pub(crate) fn slow_recorder(journal: &Journal, invocation: Duration) -> Function {
    let journal = Arc::clone(journal);
    Function::start(move |event| {
        let at = Instant::now();
        let text = |it: &Value| it.as_str().expect("a record has a body and a source").to_owned();
        let given = |it: &Value| {
            let arn = text(&it["eventSourceARN"]);
            Given {
                at,
                queue: arn.rsplit(':').next().unwrap_or_default().to_owned(),
                body: text(&it["body"]),
            }
        };
        let given = event["Records"].as_array().into_iter().flatten().map(given);
        journal.lock().expect("nothing panics under this lock").extend(given);
        std::thread::park_timeout(invocation);
        Answer::Done(String::new())
    })
}

/// Waits until a mapping is in a state; what it is then.
pub(crate) fn await_state(api: &LambdaApi, uuid: &str, state: &str) -> Value {
    let now = || api.get(uuid).json();
    wait::until_told(state, || Some(now()).filter(|it| it["State"] == state), || now().to_string())
}

/// Waits until a mapping is gone.
pub(crate) fn await_gone(api: &LambdaApi, uuid: &str) {
    wait::until_told(
        "the mapping's end",
        || (api.get(uuid).status == 404).then_some(()),
        || api.get(uuid).body,
    );
}
