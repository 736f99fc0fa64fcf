//! Queues of a real broker, a folder, and functions that write down what they are given of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_tests::daemon::{Daemon, run as daemon_run};
use forebay_tests::function::{Answer, Function, lambda_of_nothing};
use forebay_tests::rabbitmq::{PASSWORD, RabbitMessage, USER};
use forebay_tests::wait;
use serde_json::Value;

use crate::scene::Scene;

/// A folder beside a broker.
pub(crate) struct Queues {
    pub(crate) scene: Scene,
    host: String,
}

impl Queues {
    pub(crate) fn at(host: String) -> Self {
        let scene = Scene::new();
        scene.write_secret("password", PASSWORD);
        Self { scene, host }
    }

    /// What stands under `source` for these queues, as `[a, b]`, and more.
    pub(crate) fn source(&self, queues: &str, more: &str) -> String {
        self.source_as(USER, queues, more)
    }

    /// The same as another user.
    pub(crate) fn source_as(&self, user: &str, queues: &str, more: &str) -> String {
        let host = &self.host;
        format!(
            "rabbitmq: {{ hosts: [\"{host}\"], username: {user}, password: \"file:password\", queues: {queues}{more} }}"
        )
    }

    /// Writes the config: one function `seen`, and one mapping `it` of this source with more settings.
    pub(crate) fn config(&self, function: &Function, source: &str, more: &str) {
        let (executor, lambda) = (function.executor(), lambda_of_nothing());
        self.scene.write(
            "forebay.yaml",
            &format!(
                "aws: {{ endpoints: {{ lambda: \"{lambda}\" }}, region: us-east-1, access_key_id: x, secret_access_key: x }}\n\
                 functions:\n  seen: {{ executor: {executor}, timeout: 30 }}\nevent_source_mappings:\n\
                 - {{ name: it, source: {{ {source} }}, function_name: seen{more} }}\n"
            ),
        );
    }

    /// Waits until `forebay why` says this.
    pub(crate) fn await_why(&self, daemon: &Daemon, part: &str) {
        let why = || daemon_run(self.scene.folder(), &["why", "--data-dir", "data", "it"]).1;
        let told = || format!("{}\n{}", why(), daemon.log());
        wait::until_told(part, || why().contains(part).then_some(()), told);
    }
}

/// The messages of an event: the queue with its virtual host, and the message.
pub(crate) fn given_by(event: &Value) -> Vec<(String, Value)> {
    let queues = event["rmqMessagesByQueue"].as_object().into_iter().flatten();
    let all = queues.flat_map(|(queue, messages)| {
        messages.as_array().into_iter().flatten().map(|it| (queue.clone(), it.clone()))
    });
    all.collect()
}

/// The text that a message holds.
pub(crate) fn text_of(message: &Value) -> String {
    let data = message["data"].as_str().expect("a message has data");
    String::from_utf8(STANDARD.decode(data).expect("it is Base64")).expect("it is text")
}

/// How often each message was given, by its `messageId`.
#[derive(Clone, Default)]
pub(crate) struct Counts(Arc<Mutex<BTreeMap<String, usize>>>);

impl Counts {
    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.lock().expect("nothing panics under this lock")
    }

    /// A function that counts, and answers so.
    pub(crate) fn function(&self, answer: impl Fn(&Value) -> Answer + Send + Sync + 'static) -> Function {
        let counts = self.clone();
        Function::start(move |event| {
            for (_, message) in given_by(event) {
                let id = message["basicProperties"]["messageId"].as_str().unwrap_or_default().to_owned();
                *counts.counts().entry(id).or_default() += 1;
            }
            answer(event)
        })
    }

    pub(crate) fn n_first(&self) -> usize {
        self.counts().len()
    }

    pub(crate) fn of(&self, id: &str) -> usize {
        self.counts().get(id).copied().unwrap_or_default()
    }

    /// How often messages were given beyond the first time.
    pub(crate) fn n_repeats(&self) -> usize {
        self.counts().values().map(|n| n - 1).sum()
    }
}

/// Messages `from` to `to`, each with its number as name and body.
pub(crate) fn numbered(from: usize, to: usize) -> Vec<RabbitMessage> {
    (from..to).map(|n| RabbitMessage::named(&n.to_string(), &n.to_string())).collect()
}

/// A function that is done with everything.
pub(crate) fn done(_: &Value) -> Answer {
    Answer::Done(String::new())
}
