//! MSK's `GetBootstrapBrokers` on a free loopback port, for clusters that run elsewhere.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::json_server::{Answer, Answers};
use crate::loopback::{Listening, Request};

/// What it answers, and what it was asked.
#[derive(Debug)]
struct Told {
    brokers: Mutex<Value>,
    asked: Mutex<Vec<String>>,
}

/// The service. It ends with the test.
#[derive(Debug)]
pub struct MskServer {
    listening: Listening,
    told: Arc<Told>,
}

impl MskServer {
    /// Starts it; it answers this, such as `{ "bootstrapBrokerString": "host:port" }`.
    pub fn start(brokers: Value) -> Self {
        let told = Arc::new(Told { brokers: Mutex::new(brokers), asked: Mutex::default() });
        Self { listening: Listening::anywhere(Arc::clone(&told) as _), told }
    }

    /// Where it is, as `http://host:port`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.listening.address)
    }

    /// It answers this from here on.
    pub fn answer(&self, brokers: Value) {
        *self.told.brokers.lock().unwrap_or_else(PoisonError::into_inner) = brokers;
    }

    /// What it was asked: the first line of each request and what it was signed for, as `line | scope`.
    pub fn asked(&self) -> Vec<String> {
        self.told.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Answers for Told {
    fn answer(&self, request: &Request, _is_closed: &dyn Fn() -> bool) -> Option<Answer> {
        let line = request.head.lines().next().unwrap_or_default().to_owned();
        let asked = format!("{line} | {}", request.header("authorization").unwrap_or_default());
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        let brokers = self.brokers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (status, body) = match line.starts_with("GET /v1/clusters/") {
            true => (200, brokers),
            false => (404, json!({ "message": "no such path" })),
        };
        Some(Answer { status, query_error: None, body: body.to_string() })
    }
}
