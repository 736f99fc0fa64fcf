//! The strict model of SQS as a client, in memory: for the suite of queues.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use forebay_models::sqs::{Action, Answered, Attributes, Fault, Refusal, Sent, Service};
use tokio::time::Instant;

use super::SqsSource;
use super::client::{Answers, Ask, Description, EntryAnswer, Sqs};
use super::digest;
use super::error::SqsError;
use super::message::{Attribute, Details, Received};
use super::reader::{QueueChoice, SqsQueue};
use crate::contract::QueueSubject;
use crate::source::{BoxFuture, Source};

const QUEUE: &str = "fake.fifo";
const VISIBILITY: Duration = Duration::from_secs(30);
/// What the suite breaks the queue with: it is not reached.
const BROKEN: &str = "broken";

/// A FIFO queue in memory; time is tokio's.
pub struct FakeQueue {
    service: Mutex<Service>,
    zero: Instant,
    /// Every answer comes so much later than what was asked for took effect.
    lag: Mutex<Duration>,
}

impl Default for FakeQueue {
    fn default() -> Self {
        let mut service = Service::new(1_545_082_649_183);
        let attributes = Attributes { visibility_s: VISIBILITY.as_secs(), ..Attributes::default() };
        service.create(QUEUE, attributes).expect("the queue can be made");
        Self { service: Mutex::new(service), zero: Instant::now(), lag: Mutex::default() }
    }
}

impl FakeQueue {
    fn lock(&self) -> MutexGuard<'_, Service> {
        self.service.lock().expect("nothing panics under this lock")
    }

    fn now(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_millis()).expect("tests are short")
    }

    async fn lag(&self) {
        let lag = *self.lag.lock().expect("nothing panics under this lock");
        if !lag.is_zero() {
            tokio::time::sleep(lag).await;
        }
    }

    fn take(&self, ask: Ask) -> Result<Vec<Received>, SqsError> {
        let (mut service, now) = (self.lock(), self.now());
        let struck = service.faults.strike(Action::ReceiveMessage);
        struck.refuse.clone().map_or(Ok(()), |it| Err(told(&it)))?;
        let (wait_s, visibility_s) = (Some(ask.wait.as_secs()), Some(ask.visibility.as_secs()));
        let ask = forebay_models::sqs::Ask { n_max: ask.records_max.into(), wait_s, visibility_s };
        let received = service.receive(QUEUE, ask, &struck, now).map_err(|it| told(&it))?;
        let show = |(idx, it): (usize, forebay_models::sqs::Received)| {
            let mut damaged = it.clone();
            if idx == 0 {
                damaged.damage(&struck);
            }
            let attribute = |it: forebay_models::sqs::Attribute| Attribute {
                data_type: it.data_type,
                text: it.text,
                binary: it.binary,
            };
            let attributes = damaged.attributes.into_iter().map(|(name, it)| (name, attribute(it))).collect();
            Received {
                id: it.id.into(),
                handle: it.handle.into(),
                body: damaged.body.into(),
                details: Details {
                    md5_of_body: Some(digest::of_body(it.body.as_bytes()).to_string().into()),
                    md5_of_attributes: None,
                    system: it.system.into_iter().collect(),
                    attributes,
                },
            }
        };
        Ok(received.into_iter().enumerate().map(show).collect())
    }
}

impl Sqs for FakeQueue {
    fn describe(&self) -> BoxFuture<'_, Result<Description, SqsError>> {
        Box::pin(async {
            Ok(Description { arn: Service::arn(QUEUE), visibility: VISIBILITY, receives_max: None })
        })
    }

    fn n_visible(&self) -> BoxFuture<'_, Result<u64, SqsError>> {
        Box::pin(async {
            let (visible, _, _) = self.lock().counts(QUEUE, self.now()).map_err(|it| told(&it))?;
            Ok(visible as u64)
        })
    }

    fn receive(&self, ask: Ask) -> BoxFuture<'_, Result<Vec<Received>, SqsError>> {
        Box::pin(async move {
            let until = Instant::now() + ask.wait;
            loop {
                let received = self.take(ask)?;
                if !received.is_empty() || Instant::now() >= until {
                    self.lag().await;
                    return Ok(received);
                }
                // A message may become visible while the poll waits; on a paused clock this takes no time.
                tokio::time::sleep_until(until.min(Instant::now() + Duration::from_millis(100))).await;
            }
        })
    }

    fn delete(&self, handles: Vec<Bytes>) -> BoxFuture<'_, Result<Answers, SqsError>> {
        let (mut service, now) = (self.lock(), self.now());
        let struck = service.faults.strike(Action::DeleteMessageBatch);
        let answers = match &struck.refuse {
            Some(refusal) => Err(refusal.clone()),
            None => service.delete_batch(QUEUE, numbered(handles), &struck, now),
        };
        Box::pin(async { heard(answers) })
    }

    fn hide(&self, handles: Vec<Bytes>, by: Duration) -> BoxFuture<'_, Result<Answers, SqsError>> {
        let (mut service, now) = (self.lock(), self.now());
        let struck = service.faults.strike(Action::ChangeMessageVisibilityBatch);
        let entries =
            numbered(handles).into_iter().map(|(id, handle)| (id, (handle, by.as_secs()))).collect();
        let answers = match &struck.refuse {
            Some(refusal) => Err(refusal.clone()),
            None => service.hide_batch(QUEUE, entries, &struck, now),
        };
        Box::pin(async {
            self.lag().await;
            heard(answers)
        })
    }
}

fn numbered(handles: Vec<Bytes>) -> Vec<(String, String)> {
    let text = |it: Bytes| String::from_utf8(it.into()).expect("a handle is a text");
    handles.into_iter().enumerate().map(|(idx, it)| (idx.to_string(), text(it))).collect()
}

fn told(refusal: &Refusal) -> SqsError {
    if refusal.code == BROKEN {
        return SqsError::Unreachable(refusal.message.clone());
    }
    SqsError::answered(&refusal.code, refusal.message.clone())
}

fn heard(answers: Result<Vec<Answered<()>>, Refusal>) -> Result<Answers, SqsError> {
    let answered = answers.map_err(|it| told(&it))?;
    let mut answers = Answers::all(answered.len(), EntryAnswer::Done, None);
    for (idx, it) in answered.into_iter().enumerate() {
        if let Err(refusal) = it.answer {
            answers.refuse(idx, &refusal.code, &refusal.message);
        }
    }
    Ok(answers)
}

/// A fake queue for the suite of queues.
pub struct FakeSubject {
    fake: Arc<FakeQueue>,
    source: Arc<dyn Source>,
    n_sent: u32,
}

impl FakeSubject {
    /// An empty queue.
    pub fn new() -> Self {
        Self::of(true, None)
    }

    /// An empty queue for which mappings compete, and which takes a message away after so many receives.
    pub fn competed_for(receives_max: Option<u32>) -> Self {
        Self::of(false, receives_max)
    }

    fn of(fans_out: bool, receives_max: Option<u32>) -> Self {
        let fake = Arc::new(FakeQueue::default());
        let description = Description { arn: Service::arn(QUEUE), visibility: VISIBILITY, receives_max };
        let sqs = Arc::clone(&fake) as Arc<dyn Sqs>;
        let (what, choice) = ("queue fake".to_owned(), QueueChoice { fans_out, retry_after: None });
        let queue = Arc::new(SqsQueue::new(Arc::clone(&sqs), &description, choice, what.clone()));
        let name = Service::arn(QUEUE);
        Self { fake, source: Arc::new(SqsSource { sqs, what, queue, name, terms: String::new() }), n_sent: 0 }
    }

    /// From now on receives and extensions answer so much later than they took effect.
    pub fn set_lag(&self, lag: Duration) {
        *self.fake.lag.lock().expect("nothing panics under this lock") = lag;
    }

    /// Messages that can be received now.
    pub fn n_visible(&self) -> usize {
        self.fake.lock().counts(QUEUE, self.fake.now()).expect("the queue is there").0
    }

    /// From now on calls go wrong this way, or do not any more.
    pub fn set_fault(&self, action: Action, fault: Option<Fault>) {
        let mut service = self.fake.lock();
        service.faults.clear();
        fault.into_iter().for_each(|it| service.faults.plant(Some(action), it, None));
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

    /// Every message of a FIFO queue has a group: one without has one of its own.
    fn send(&mut self, body: &str, group: Option<u32>) {
        self.n_sent += 1;
        let group = group.map_or_else(|| format!("alone {}", self.n_sent), |it| it.to_string());
        let sent =
            Sent { group: Some(group), deduplication: Some(self.n_sent.to_string()), ..Sent::plain(body) };
        self.fake.lock().send(QUEUE, sent, self.fake.now()).expect("the message is taken");
    }

    fn n_left(&self) -> usize {
        let (visible, in_flight, delayed) =
            self.fake.lock().counts(QUEUE, self.fake.now()).expect("the queue is there");
        visible + in_flight + delayed
    }

    fn set_broken(&mut self, is_broken: bool) {
        let mut service = self.fake.lock();
        service.faults.clear();
        if is_broken {
            service.faults.plant(None, Fault::Refuse(Refusal::of(BROKEN, "it is broken")), None);
        }
    }
}
