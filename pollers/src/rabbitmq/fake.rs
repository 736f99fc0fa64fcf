//! A broker in memory, over the strict queue of the models. Time is tokio's.

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use forebay_clients::{AmqpError, AmqpFailure};
use forebay_models::channel::{ChannelId, ChannelQueue, Closed, Delivery};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::broker::{OpenedChannel, PushedMessage, RabbitBroker, RabbitChannel};
use super::event::RabbitFormat;
use super::message::MessageChoice;
use super::properties::{HeaderValue, Properties};
use super::reader::RabbitChoice;
use super::source::RabbitSource;
use crate::contract::{ChannelSubject, QueueSubject};
use crate::source::{BoxFuture, Source};

/// Deliveries that may be owed an answer at once.
pub(super) const PREFETCH: u16 = 30;
/// As RabbitMQ has it: half an hour.
const ACK_TIMEOUT_MS: u64 = 1_800_000;

/// A broker in memory; clones are the same.
#[derive(Clone)]
pub(super) struct FakeBroker(Arc<FakeRabbit>);

struct FakeRabbit {
    queue: Mutex<ChannelQueue>,
    zero: Instant,
    trouble: Mutex<FakeTrouble>,
    changed: Notify,
}

/// What is wrong with it.
#[derive(Default)]
pub(super) struct FakeTrouble {
    /// Nobody is connected.
    pub(super) is_broken: bool,
    /// Attempts to open a channel, and acks: all below the tag, or alone.
    pub(super) n_opens: usize,
    pub(super) prefetches: Vec<u16>,
    pub(super) acks: Vec<(u64, bool)>,
    /// Queues that are not there, by number.
    pub(super) missing: Vec<usize>,
    pub(super) is_stream: bool,
}

impl FakeBroker {
    pub(super) fn new() -> Self {
        Self(Arc::new(FakeRabbit {
            queue: Mutex::new(ChannelQueue::new(ACK_TIMEOUT_MS, None)),
            zero: Instant::now(),
            trouble: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, ChannelQueue> {
        self.0.queue.lock().expect("nothing panics under this lock")
    }

    pub(super) fn trouble(&self) -> MutexGuard<'_, FakeTrouble> {
        self.0.trouble.lock().expect("nothing panics under this lock")
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.0.zero.elapsed().as_millis()).expect("tests are short")
    }

    pub(super) fn send(&self, body: &str) {
        let now_ms = self.now_ms();
        let body = Bytes::copy_from_slice(body.as_bytes());
        self.queue().publish(body, now_ms).expect("publishers are not blocked");
        self.0.changed.notify_waiters();
    }

    pub(super) fn close_all(&self, why: Closed) {
        let now_ms = self.now_ms();
        self.queue().close_all(why, now_ms);
        self.0.changed.notify_waiters();
    }
}

struct FakeRabbitChannel {
    broker: FakeBroker,
    id: ChannelId,
}

impl Drop for FakeRabbitChannel {
    fn drop(&mut self) {
        let now_ms = self.broker.now_ms();
        self.broker.queue().close(self.id, Closed::Gone, now_ms);
    }
}

impl FakeRabbitChannel {
    fn check(&self) -> Result<(), AmqpError> {
        if self.broker.trouble().is_broken {
            self.broker.close_all(Closed::Gone);
            return Err(AmqpError::down("it is not reached"));
        }
        Ok(())
    }

    fn pushed(&self, it: Delivery) -> PushedMessage {
        let mut headers = vec![("x-delivery-count".to_owned(), HeaderValue::Integer(it.n_returns.into()))];
        if self.broker.trouble().is_stream {
            headers.push(("x-stream-offset".to_owned(), HeaderValue::Integer(7)));
        }
        let properties = Properties {
            message_id: Some(format!("m{}", it.number)),
            headers: Some(headers),
            ..Properties::default()
        };
        PushedMessage { tag: it.tag, queue: 0, redelivered: it.redelivered, properties, body: it.body }
    }
}

/// What the broker says of a channel that it closed.
fn closed(why: Closed) -> AmqpError {
    match why {
        Closed::Gone => AmqpError::down("the connection was closed"),
        Closed::UnknownTag => {
            AmqpError::new(AmqpFailure::Other, "PRECONDITION_FAILED - unknown delivery tag")
        }
        Closed::Cancelled => AmqpError::new(AmqpFailure::Cancelled, "it ended the consumer"),
        Closed::TimedOut => AmqpError::new(AmqpFailure::Unanswered, "delivery acknowledgement timed out"),
    }
}

impl RabbitChannel for FakeRabbitChannel {
    fn take(&self, n_max: usize) -> Result<Vec<PushedMessage>, AmqpError> {
        self.check()?;
        let now_ms = self.broker.now_ms();
        let mut all = Vec::new();
        while all.len() < n_max {
            let taken = self.broker.queue().take(self.id, now_ms).map_err(closed)?;
            let Some(delivery) = taken else { break };
            all.push(self.pushed(delivery));
        }
        Ok(all)
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.broker.0.changed.notified())
    }

    fn closed(&self) -> BoxFuture<'_, AmqpError> {
        Box::pin(async move {
            loop {
                let mut changed = std::pin::pin!(self.broker.0.changed.notified());
                changed.as_mut().enable();
                let why = self.broker.queue().closed(self.id);
                if let Some(why) = why {
                    return closed(why);
                }
                changed.await;
            }
        })
    }

    fn ack(&self, tag: u64, multiple: bool) -> BoxFuture<'_, Result<(), AmqpError>> {
        Box::pin(async move {
            self.check()?;
            self.broker.trouble().acks.push((tag, multiple));
            let now_ms = self.broker.now_ms();
            let answered = self.broker.queue().ack(self.id, tag, multiple, now_ms);
            answered.map_err(closed)
        })
    }

    fn requeue(&self, tag: u64) -> BoxFuture<'_, Result<(), AmqpError>> {
        Box::pin(async move {
            self.check()?;
            let now_ms = self.broker.now_ms();
            let answered = self.broker.queue().nack(self.id, tag, false, true, now_ms);
            answered.map_err(closed)
        })
    }

    fn add(&self, queue: usize) -> BoxFuture<'_, Result<(), AmqpError>> {
        Box::pin(async move {
            match self.broker.trouble().missing.contains(&queue) {
                true => Err(no_queue()),
                false => Ok(()),
            }
        })
    }

    fn resize(&self, prefetch: u16) -> BoxFuture<'_, Result<(), AmqpError>> {
        self.broker.trouble().prefetches.push(prefetch);
        Box::pin(std::future::ready(Ok(())))
    }
}

fn no_queue() -> AmqpError {
    AmqpError::new(AmqpFailure::NoQueue, "NOT_FOUND - no queue")
}

impl RabbitBroker for FakeBroker {
    fn open(&self, prefetch: u16) -> BoxFuture<'_, Result<OpenedChannel, AmqpError>> {
        Box::pin(async move {
            // A broker takes its time.
            tokio::task::yield_now().await;
            let missing: Vec<(usize, AmqpError)> = {
                let mut trouble = self.trouble();
                trouble.n_opens += 1;
                if trouble.is_broken {
                    return Err(AmqpError::down("it is not reached"));
                }
                trouble.prefetches.push(prefetch);
                trouble.missing.iter().map(|it| (*it, no_queue())).collect()
            };
            let now_ms = self.now_ms();
            let id = self.queue().open(prefetch.into(), now_ms);
            let channel = Arc::new(FakeRabbitChannel { broker: self.clone(), id });
            Ok(OpenedChannel { channel, missing })
        })
    }

    fn n_ready(&self) -> BoxFuture<'_, Result<u64, AmqpError>> {
        Box::pin(async { Ok(self.queue().n_left() as u64) })
    }

    fn is_blocked(&self) -> bool {
        false
    }
}

/// A broker in the hands of the contract suite.
pub(super) struct RabbitSubject {
    pub(super) broker: FakeBroker,
    source: Arc<dyn Source>,
}

impl RabbitSubject {
    pub(super) fn new(prefetch: Option<u16>, shows_delivery_ids: bool) -> Self {
        let broker = FakeBroker::new();
        let queues = vec!["orders".to_owned(), "bills".to_owned()];
        let format = RabbitFormat::new("amqp://b:5672", &queues, "/");
        let choice = RabbitChoice { queues, prefetch, message: MessageChoice { shows_delivery_ids } };
        let source = RabbitSource::new(Arc::new(broker.clone()), format, choice, "queue orders".to_owned());
        Self { broker, source: Arc::new(source) }
    }
}

impl QueueSubject for RabbitSubject {
    fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.source)
    }

    fn send(&mut self, body: &str, _group: Option<u32>) {
        self.broker.send(body);
    }

    fn n_left(&self) -> usize {
        self.broker.queue().n_left()
    }

    fn set_broken(&mut self, is_broken: bool) {
        self.broker.trouble().is_broken = is_broken;
    }

    fn has_groups(&self) -> bool {
        false
    }
}

impl ChannelSubject for RabbitSubject {
    fn kill(&mut self) {
        self.broker.close_all(Closed::Gone);
    }

    fn delete(&mut self) {
        self.broker.close_all(Closed::Cancelled);
    }

    fn n_owed_max(&self) -> usize {
        self.broker.queue().n_owed_max()
    }

    fn prefetch(&self) -> usize {
        PREFETCH.into()
    }
}
