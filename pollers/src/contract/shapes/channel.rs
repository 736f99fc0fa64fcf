//! The strict queue behind channels as a source: deliveries are pushed under a prefetch, and a channel that
//! dies is opened anew. Time is tokio's.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{Generation, Position, Receipt, Settle, Settled, Settlement};
use forebay_models::channel::{ChannelId, ChannelQueue, Closed, Delivery};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::plain::{PlainFormat, record};
use crate::contract::{ChannelSubject, QueueSubject};
use crate::source::{
    Backlog, BoxFuture, EventFormat, Explorer, Hidden, Input, Message, Queue, QueueFacts, Source,
    SourceError, Stand,
};

/// Deliveries that may be owed an answer at once.
const PREFETCH: usize = 30;
/// As RabbitMQ has it: half an hour.
const ACK_TIMEOUT_MS: u64 = 1_800_000;
const POLL: Duration = Duration::from_millis(50);

/// A queue in memory behind a channel.
pub struct FakeChannel {
    queue: Arc<dyn Queue>,
    inner: Arc<ChannelQueueSource>,
}

struct ChannelQueueSource {
    broker: Mutex<ChannelQueue>,
    zero: Instant,
    state: Mutex<ChannelState>,
    is_lost: Notify,
}

/// What our side of the channel knows.
#[derive(Default)]
struct ChannelState {
    open: Option<ChannelId>,
    /// Tags that are owed an answer, with the channel that they are of.
    owed: BTreeMap<(ChannelId, u64), ()>,
    /// Channels that died and were not told of.
    lost: VecDeque<ChannelId>,
    is_broken: bool,
}

impl ChannelQueueSource {
    fn broker(&self) -> MutexGuard<'_, ChannelQueue> {
        self.broker.lock().expect("nothing panics under this lock")
    }

    fn state(&self) -> MutexGuard<'_, ChannelState> {
        self.state.lock().expect("nothing panics under this lock")
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.zero.elapsed().as_millis()).expect("tests are short")
    }

    /// A channel died: what it brought is void, and whoever waits hears so.
    fn lose(&self, state: &mut ChannelState, channel: ChannelId) {
        if state.open == Some(channel) {
            state.open = None;
            state.owed.retain(|(of, _), ()| *of != channel);
            state.lost.push_back(channel);
            self.is_lost.notify_one();
        }
    }

    /// What was pushed, up to so many.
    fn take(&self, records_max: u32) -> Result<Vec<Message>, SourceError> {
        let now_ms = self.now_ms();
        let (mut broker, mut state) = (self.broker(), self.state());
        if state.is_broken {
            return Err(down("it is not reached"));
        }
        let channel = *state.open.get_or_insert_with(|| broker.open(PREFETCH, now_ms));
        let mut messages = Vec::new();
        while messages.len() < records_max as usize {
            match broker.take(channel, now_ms) {
                Ok(Some(delivery)) => {
                    state.owed.insert((channel, delivery.tag), ());
                    messages.push(message(channel, delivery));
                }
                Ok(None) => break,
                Err(why) => {
                    self.lose(&mut state, channel);
                    return Err(down(match why {
                        Closed::Gone => "the connection was closed",
                        Closed::UnknownTag => "406: unknown delivery tag",
                        Closed::Cancelled => "the consumer was cancelled: the queue was deleted",
                        Closed::TimedOut => "a delivery was not answered in time",
                    }));
                }
            }
        }
        Ok(messages)
    }

    fn answer(&self, settlement: &Settlement) -> Settled {
        let now_ms = self.now_ms();
        let (mut broker, mut state) = (self.broker(), self.state());
        if state.is_broken {
            return Settled::Failed;
        }
        let Some((channel, tag)) = owed(&settlement.receipt) else { return Settled::Lost };
        // To answer for what is not owed would close the channel.
        if state.owed.remove(&(channel, tag)).is_none() {
            return Settled::Lost;
        }
        let answered = match settlement.how {
            Settle::Delete => broker.ack(channel, tag, false, now_ms),
            Settle::Leave | Settle::ShowAfter(_) | Settle::Release | Settle::Nack => {
                broker.nack(channel, tag, false, true, now_ms)
            }
        };
        match answered {
            Ok(()) => Settled::Done,
            Err(_) => {
                self.lose(&mut state, channel);
                Settled::Lost
            }
        }
    }
}

fn down(why: &str) -> SourceError {
    SourceError::Down { what: "the queue".to_owned(), code: SourceError::DOWN, cause: why.to_owned().into() }
}

fn message(channel: ChannelId, delivery: Delivery) -> Message {
    Message {
        record: record(Position::number(delivery.number), delivery.number, delivery.body),
        receipt: Receipt {
            handle: Bytes::copy_from_slice(&delivery.tag.to_be_bytes()),
            generation: Generation(channel.0),
        },
        receives_left: None,
        n_receives: Some(delivery.n_returns + 1),
    }
}

fn owed(receipt: &Receipt) -> Option<(ChannelId, u64)> {
    let tag = receipt.handle.as_ref().try_into().ok().map(u64::from_be_bytes)?;
    Some((ChannelId(receipt.generation.0), tag))
}

struct ChannelConsumer {
    source: Arc<ChannelQueueSource>,
    fans_out: bool,
}

impl Queue for ChannelConsumer {
    fn facts(&self) -> QueueFacts {
        QueueFacts {
            receive_max: std::num::NonZeroU32::MIN.saturating_add(9),
            wait_max: Duration::from_secs(20),
            visibility: None,
            visibility_set: None,
            retry_after: None,
            fans_out: self.fans_out,
        }
    }

    fn receive(&self, records_max: u32, wait: Duration) -> BoxFuture<'_, Result<Vec<Message>, SourceError>> {
        Box::pin(async move {
            let until = Instant::now() + wait;
            loop {
                let messages = self.source.take(records_max)?;
                if !messages.is_empty() || Instant::now() >= until {
                    return Ok(messages);
                }
                tokio::time::sleep_until(until.min(Instant::now() + POLL)).await;
            }
        })
    }

    fn settle(&self, settlements: Vec<Settlement>) -> BoxFuture<'_, Vec<(Receipt, Settled)>> {
        let answers = settlements
            .into_iter()
            .map(|it| (it.receipt.clone(), self.source.answer(&it)))
            .collect::<Vec<_>>();
        Box::pin(async move { answers })
    }

    /// A receipt does not lapse by time.
    fn extend(&self, receipts: Vec<Receipt>, _by: Duration) -> BoxFuture<'_, Vec<(Receipt, Hidden)>> {
        let state = self.source.state();
        let hidden = |receipt: &Receipt| match owed(receipt) {
            _ if state.is_broken => Hidden::Failed,
            Some(it) if state.owed.contains_key(&it) => Hidden::Done,
            Some(_) | None => Hidden::Lost,
        };
        let answers = receipts.iter().map(|it| (it.clone(), hidden(it))).collect::<Vec<_>>();
        Box::pin(async move { answers })
    }

    fn lost(&self) -> BoxFuture<'_, Generation> {
        Box::pin(async move {
            loop {
                let lost = self.source.state().lost.pop_front();
                if let Some(channel) = lost {
                    return Generation(channel.0);
                }
                self.source.is_lost.notified().await;
            }
        })
    }
}

impl Source for FakeChannel {
    fn input(&self) -> Input<'_> {
        Input::Queue(&self.queue)
    }
    fn format(&self) -> &dyn EventFormat {
        &PlainFormat
    }
    fn explorer(&self) -> &dyn Explorer {
        self
    }
}

impl Explorer for FakeChannel {
    fn backlog<'a>(&'a self, _stands: &'a [Stand]) -> BoxFuture<'a, Result<Backlog, SourceError>> {
        Box::pin(async {
            let n = self.inner.broker().n_left();
            Ok(Backlog { records: Some(n as u64), bytes: None })
        })
    }
}

/// The fake in the hands of the contract suite.
pub struct ChannelQueueSubject {
    source: Arc<dyn Source>,
    inner: Arc<ChannelQueueSource>,
}

impl ChannelQueueSubject {
    /// An empty queue that mappings compete for.
    pub fn competed_for() -> Self {
        Self::of(false)
    }

    fn of(fans_out: bool) -> Self {
        let inner = Arc::new(ChannelQueueSource {
            broker: Mutex::new(ChannelQueue::new(ACK_TIMEOUT_MS, None)),
            zero: Instant::now(),
            state: Mutex::default(),
            is_lost: Notify::new(),
        });
        let queue: Arc<dyn Queue> = Arc::new(ChannelConsumer { source: Arc::clone(&inner), fans_out });
        Self { source: Arc::new(FakeChannel { queue, inner: Arc::clone(&inner) }), inner }
    }
}

/// An empty queue whose messages all mappings get.
impl Default for ChannelQueueSubject {
    fn default() -> Self {
        Self::of(true)
    }
}

impl QueueSubject for ChannelQueueSubject {
    fn source(&self) -> Arc<dyn Source> {
        Arc::clone(&self.source)
    }

    fn send(&mut self, body: &str, _group: Option<u32>) {
        let json = serde_json::to_vec(body).expect("a text is JSON");
        let now_ms = self.inner.now_ms();
        self.inner.broker().publish(json.into(), now_ms).expect("publishers are not blocked");
    }

    fn n_left(&self) -> usize {
        self.inner.broker().n_left()
    }

    fn set_broken(&mut self, is_broken: bool) {
        self.inner.state().is_broken = is_broken;
    }

    fn has_groups(&self) -> bool {
        false
    }
}

impl ChannelSubject for ChannelQueueSubject {
    fn kill(&mut self) {
        let (now_ms, open) = (self.inner.now_ms(), self.inner.state().open);
        self.inner.broker().close_all(Closed::Gone, now_ms);
        if let Some(channel) = open {
            self.inner.lose(&mut self.inner.state(), channel);
        }
    }

    fn delete(&mut self) {
        let now_ms = self.inner.now_ms();
        self.inner.broker().close_all(Closed::Cancelled, now_ms);
    }

    fn n_owed_max(&self) -> usize {
        self.inner.broker().n_owed_max()
    }

    fn prefetch(&self) -> usize {
        PREFETCH
    }
}
