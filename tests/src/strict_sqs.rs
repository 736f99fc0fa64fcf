//! The strict model of SQS behind AWS JSON on a loopback port, with faults that a test plants and a journal
//! of every call.
//!
//! `wire` turns JSON into calls of the model and back. Signatures must be there; they are not computed.

mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use forebay_models::sqs::{Action, Attributes, Fate, Fault, Sent, Service};
use serde_json::Value;

use crate::json_server::{Answer, Answers};
use crate::loopback::{Listening, Request};

/// One call as it was answered.
#[derive(Debug, Clone)]
pub struct Call {
    /// What was asked for.
    pub action: Action,
    /// The name of the queue.
    pub queue: String,
    /// Milliseconds since the server was made, when the call came.
    pub at: u64,
    /// The request, bodies of messages left out.
    pub request: Value,
    /// The status of the answer; `None` when the answer was lost on purpose.
    pub status: Option<u16>,
    /// The code of a refusal.
    pub refused: Option<String>,
    /// Ids of the messages that a receive brought, each with its receive count.
    pub received: Vec<(String, u32)>,
    /// Entries of a batch that failed, each with its code.
    pub failed: Vec<(String, String)>,
}

/// A running server, ended with the test.
#[derive(Debug)]
pub struct StrictSqs {
    shared: Arc<Shared>,
    address: SocketAddr,
    listening: Option<Listening>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    zero: Instant,
}

#[derive(Debug)]
struct State {
    service: Service,
    journal: Vec<Call>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under this lock")
    }

    fn now(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_millis()).expect("tests are short")
    }
}

impl Answers for Shared {
    fn answer(&self, request: &Request, is_closed: &dyn Fn() -> bool) -> Option<Answer> {
        wire::answer(self, request, is_closed)
    }
}

impl StrictSqs {
    /// Starts it without queues.
    pub fn start() -> Self {
        Self::start_late(Duration::ZERO)
    }

    /// Starts it with a clock that is late by this: its messages are as old.
    pub fn start_late(by: Duration) -> Self {
        let epoch =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970")
                - by;
        let service =
            Service::new(u64::try_from(epoch.as_millis()).expect("it is before the year 500,000,000"));
        let state = Mutex::new(State { service, journal: Vec::new() });
        let shared = Arc::new(Shared { state, changed: Condvar::new(), zero: Instant::now() });
        let listening =
            Listening::start(Arc::clone(&shared) as _, "127.0.0.1:0".parse().expect("an address"));
        Self { shared, address: listening.address, listening: Some(listening) }
    }

    /// Where its calls go.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The URL of a queue, there or not.
    pub fn url(&self, queue: &str) -> String {
        format!("{}/000000000000/{queue}", self.endpoint())
    }

    /// One call over the wire, refused or not: its status and answer.
    pub fn try_call(&self, action: &str, body: &Value) -> Option<(u16, String)> {
        crate::http::call_sqs(&self.address.to_string(), action, &body.to_string())
    }

    /// Makes a queue.
    pub fn create(&self, queue: &str, attributes: Attributes) {
        self.with(|service, _| service.create(queue, attributes)).expect("the queue can be made");
    }

    /// Deletes a queue.
    pub fn delete_queue(&self, queue: &str) {
        self.with(|service, _| service.delete_queue(queue)).expect("the queue is there");
    }

    /// Sends messages.
    pub fn send(&self, queue: &str, messages: impl IntoIterator<Item = Sent>) {
        self.with(|service, now| {
            messages
                .into_iter()
                .for_each(|it| drop(service.send(queue, it, now).expect("the message is taken")))
        });
    }

    /// From now on calls of this action, or of all, go wrong this way: so often, or until
    /// [`StrictSqs::heal`].
    pub fn plant(&self, action: impl Into<Option<Action>>, fault: Fault, times: Option<u32>) {
        self.with(|service, _| service.faults.plant(action.into(), fault, times));
    }

    /// Takes all faults away.
    pub fn heal(&self) {
        self.with(|service, _| service.faults.clear());
    }

    /// Stops listening: connections are refused, and those that are open end. The queues stay.
    pub fn go_down(&mut self) {
        self.listening = None;
    }

    /// Listens again on the same port.
    pub fn come_up(&mut self) {
        self.listening = Some(Listening::start(Arc::clone(&self.shared) as _, self.address));
    }

    /// Messages that are visible, in flight and delayed; none of a queue that is not there.
    pub fn counts(&self, queue: &str) -> (usize, usize, usize) {
        self.with(|service, now| service.counts(queue, now)).unwrap_or_default()
    }

    /// What became of every message that a queue ever had.
    pub fn fates(&self, queue: &str) -> Vec<Fate> {
        self.with(|service, _| service.fates(queue))
    }

    /// Every call so far.
    pub fn journal(&self) -> Vec<Call> {
        self.shared.lock().journal.clone()
    }

    /// The calls of one action so far.
    pub fn calls(&self, action: Action) -> Vec<Call> {
        self.shared.lock().journal.iter().filter(|it| it.action == action).cloned().collect()
    }

    /// Works on the model itself, and lets every long poll look again.
    pub fn with<T>(&self, work: impl FnOnce(&mut Service, u64) -> T) -> T {
        let now = self.shared.now();
        let result = work(&mut self.shared.lock().service, now);
        self.shared.changed.notify_all();
        result
    }
}
