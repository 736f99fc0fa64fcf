//! A queue in memory with the rules of SQS, and a hand in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use forebay_models::queue::{Handle, Queue as Model};
use tokio::time::Instant;

use super::SqsSource;
use super::client::{Ask, Description, EntryAnswer, Received, Sqs};
use super::digest;
use super::error::SqsError;
use super::reader::SqsQueue;
use crate::contract::QueueSubject;
use crate::source::{BoxFuture, Source};

const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:fake";
const VISIBILITY: Duration = Duration::from_secs(30);

/// A queue in memory; time is tokio's.
pub struct FakeQueue {
    state: Mutex<State>,
    zero: Instant,
}

struct State {
    model: Model<String>,
    is_broken: bool,
    damages: bool,
}

impl Default for FakeQueue {
    fn default() -> Self {
        let state = State { model: Model::new(None), is_broken: false, damages: false };
        Self { state: Mutex::new(state), zero: Instant::now() }
    }
}

impl FakeQueue {
    fn lock(&self) -> Result<MutexGuard<'_, State>, SqsError> {
        let state = self.state.lock().expect("nothing panics under this lock");
        if state.is_broken { Err(SqsError::Unreachable("it is broken".to_owned())) } else { Ok(state) }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_millis()).expect("tests are short")
    }

    fn take(&self, ask: Ask) -> Result<Vec<Received>, SqsError> {
        let now = self.now();
        let mut state = self.lock()?;
        let n = ask.records_max as usize;
        let taken = state.model.receive(now, n, Some(millis(ask.visibility)));
        let damage = if state.damages { "x" } else { "" };
        let received = taken.into_iter().map(|(idx, handle)| {
            let message = &state.model.messages()[idx];
            let mut system = BTreeMap::from([
                ("ApproximateReceiveCount".to_owned(), message.n_receives.to_string()),
                ("SentTimestamp".to_owned(), "1545082649183".to_owned()),
            ]);
            if let Some(group) = message.group {
                system.insert("MessageGroupId".to_owned(), group.to_string());
            }
            Received {
                id: format!("message-{idx}"),
                handle: handle.0.to_string(),
                md5_of_body: Some(digest::of_body(&message.value)),
                body: format!("{}{damage}", message.value),
                system,
                ..Received::default()
            }
        });
        Ok(received.collect())
    }

    fn each(&self, handles: Vec<String>, act: impl Fn(&mut Model<String>, Handle, u64) -> bool) -> Result<Vec<EntryAnswer>, SqsError> {
        let now = self.now();
        let mut state = self.lock()?;
        assert!(handles.len() <= 10, "SQS takes ten entries at most");
        let act = |handle: String| match handle.parse().map(Handle) {
            Ok(handle) if act(&mut state.model, handle, now) => EntryAnswer::Done,
            Ok(_) | Err(_) => EntryAnswer::Void,
        };
        Ok(handles.into_iter().map(act).collect())
    }
}

impl Sqs for FakeQueue {
    fn describe(&self) -> BoxFuture<'_, Result<Description, SqsError>> {
        let description = self.lock().map(|_| Description { arn: ARN.to_owned(), visibility: VISIBILITY, receives_max: None });
        Box::pin(async { description })
    }

    fn receive(&self, ask: Ask) -> BoxFuture<'_, Result<Vec<Received>, SqsError>> {
        Box::pin(async move {
            let until = Instant::now() + ask.wait;
            loop {
                let received = self.take(ask)?;
                if !received.is_empty() || Instant::now() >= until {
                    return Ok(received);
                }
                // A message may become visible while the poll waits; on a paused clock this takes no time.
                tokio::time::sleep_until(until.min(Instant::now() + Duration::from_millis(100))).await;
            }
        })
    }

    fn delete(&self, handles: Vec<String>) -> BoxFuture<'_, Result<Vec<EntryAnswer>, SqsError>> {
        let answers = self.each(handles, |model, handle, now| model.delete(handle, now).is_ok());
        Box::pin(async { answers })
    }

    fn hide(&self, handles: Vec<String>, by: Duration) -> BoxFuture<'_, Result<Vec<EntryAnswer>, SqsError>> {
        let answers = self.each(handles, |model, handle, now| model.hide(handle, now, millis(by)).is_ok());
        Box::pin(async { answers })
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A fake queue for the suite of queues.
pub struct FakeSubject {
    fake: Arc<FakeQueue>,
    source: Arc<dyn Source>,
}

impl FakeSubject {
    /// An empty queue.
    pub fn new() -> Self {
        let fake = Arc::new(FakeQueue::default());
        let description = Description { arn: format!("{ARN}.fifo"), visibility: VISIBILITY, receives_max: None };
        let sqs = Arc::clone(&fake) as Arc<dyn Sqs>;
        let queue = SqsQueue::new(sqs, &description, Duration::from_secs(20), "queue fake".to_owned());
        Self { fake, source: Arc::new(SqsSource { queue: Arc::new(queue) }) }
    }

    /// From now on bodies arrive damaged, or do not any more.
    pub fn set_damages(&self, damages: bool) {
        self.fake.state.lock().expect("nothing panics under this lock").damages = damages;
    }
}

impl Default for FakeSubject {
    fn default() -> Self {
        Self::new()
    }
}

impl QueueSubject for FakeSubject {
    fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.source)
    }

    fn send(&mut self, body: &str, group: Option<u32>) {
        self.fake.state.lock().expect("nothing panics under this lock").model.send(body.to_owned(), group);
    }

    fn n_left(&self) -> usize {
        self.fake.state.lock().expect("nothing panics under this lock").model.n_waiting()
    }

    fn set_broken(&mut self, is_broken: bool) {
        self.fake.state.lock().expect("nothing panics under this lock").is_broken = is_broken;
    }
}
