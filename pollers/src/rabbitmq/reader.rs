//! Receives and settles over one channel, and opens the next one when that has died.
//!
//! Nobody but a receive opens a channel: who wants nothing connects to nothing, and how often a broker that is
//! down is asked is the core's to say. That a channel died is heard by whoever asks what is lost.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_batcher::{Generation, Receipt, Settle, Settled, Settlement};
use forebay_clients::{AmqpError, AmqpFailure};
use forebay_config::Code;
use futures_util::future::join_all;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::time::Instant;

use super::broker::{PushedMessage, RabbitBroker};
use super::event::RabbitFormat;
use super::line::{LineState, OpenLine};
use super::message::{MessageChoice, tag_of};
use crate::source::{BoxFuture, Demand, Hidden, Message, Queue, QueueFacts, SourceError};

/// As many as the largest batch has.
const RECEIVE_MAX: NonZeroU32 = NonZeroU32::new(10_000).expect("it is not zero");
/// A receive costs nothing while it waits; that is how soon a changed plan is seen.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// How often queues that are missing are looked for, and the prefetch is looked at.
const TEND_EVERY: Duration = Duration::from_secs(5);

/// What an operator chose.
#[derive(Debug, Clone)]
pub(super) struct RabbitChoice {
    pub(super) queues: Vec<String>,
    pub(super) message: MessageChoice,
    /// The prefetch, where it is not to follow from what is wanted.
    pub(super) prefetch: Option<u16>,
}

/// The queues of one mapping, as one.
pub(super) struct RabbitQueue {
    broker: Arc<dyn RabbitBroker>,
    format: Arc<RabbitFormat>,
    choice: RabbitChoice,
    /// What is read, for people.
    what: String,
    state: Mutex<LineState>,
    /// A channel was opened or has died.
    changed: Notify,
    /// One opens, the others wait for that.
    opening: AsyncMutex<()>,
    /// Answers leave in the order in which the books were made.
    sending: AsyncMutex<()>,
}

impl RabbitQueue {
    pub(super) fn new(
        broker: Arc<dyn RabbitBroker>,
        format: Arc<RabbitFormat>,
        choice: RabbitChoice,
        what: String,
    ) -> Self {
        let (state, changed) = (Mutex::default(), Notify::new());
        let (opening, sending) = (AsyncMutex::default(), AsyncMutex::default());
        Self { broker, format, choice, what, state, changed, opening, sending }
    }

    /// What operators ought to know though messages come.
    pub(super) fn note(&self) -> Option<String> {
        let state = self.state();
        let missing =
            state.missing.iter().map(|(idx, why)| format!("queue {}: {why}", self.choice.queues[*idx]));
        let blocked = self.broker.is_blocked().then(|| {
            "FB-0422: the broker is short of memory or disk and takes nothing from whoever publishes"
                .to_owned()
        });
        let all: Vec<String> = missing.chain(blocked).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Books are changed in whole steps: what a panic leaves is still true.
    fn state(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The channel that is open, else a new one.
    async fn line(&self) -> Result<OpenLine, AmqpError> {
        let n_attempts = self.state().n_attempts;
        let _turn = self.opening.lock().await;
        let prefetch = {
            let state = self.state();
            if let Some(line) = state.open() {
                return Ok(line);
            }
            // Whoever waited for another's attempt does not make one of its own.
            if let Some(failure) = state.failure.clone().filter(|_| state.n_attempts > n_attempts) {
                return Err(failure);
            }
            self.wanted_prefetch(&state)
        };
        let opened = self.broker.open(prefetch).await;
        let mut state = self.state();
        state.n_attempts += 1;
        match opened {
            Ok(opened) => {
                for (idx, why) in &opened.missing {
                    self.tell_missing(*idx, why);
                }
                let line = state.handle_opened(opened, prefetch, Instant::now());
                drop(state);
                tracing::info!(queue = self.what, generation = line.generation.0, prefetch, "queue consumed");
                self.changed.notify_one();
                Ok(line)
            }
            Err(why) => {
                state.failure = Some(why.clone());
                Err(why)
            }
        }
    }

    fn wanted_prefetch(&self, state: &LineState) -> u16 {
        self.choice.prefetch.unwrap_or_else(|| state.wanted_prefetch())
    }

    fn tell_missing(&self, idx: usize, why: &AmqpError) {
        tracing::warn!(
            code = why.kind.code(),
            queue = self.choice.queues[idx],
            %why,
            "queue not consumed; looked for again"
        );
    }

    /// A channel has died: its receipts are void, and the next receive opens another.
    fn lose(&self, generation: Generation, why: &AmqpError) {
        if self.state().lose(generation) {
            tracing::warn!(
                code = why.kind.code(),
                queue = self.what,
                generation = generation.0,
                %why,
                "channel lost; what it brought and nobody has acked comes again"
            );
            self.changed.notify_one();
        }
    }

    fn told(&self, why: AmqpError) -> SourceError {
        SourceError::Down { what: self.what.clone(), code: Code(why.kind.code()), cause: Box::new(why) }
    }

    /// Once in a while: consumes queues that are there by now, and fits the prefetch to what is wanted.
    async fn tend(&self, line: &OpenLine) -> Result<(), AmqpError> {
        let (missing, prefetch) = {
            let mut state = self.state();
            let now = Instant::now();
            if state.tended.is_some_and(|it| now < it + TEND_EVERY) || !state.is_open(line.generation) {
                return Ok(());
            }
            state.tended = Some(now);
            let (has, wants) = (u32::from(state.prefetch), u32::from(self.wanted_prefetch(&state)));
            let is_off = wants >= 2 * has || 2 * wants <= has;
            let missing: Vec<usize> = state.missing.keys().copied().collect();
            (missing, is_off.then(|| self.wanted_prefetch(&state)))
        };
        for idx in missing {
            let added = line.channel.add(idx).await;
            let mut state = self.state();
            if state.is_open(line.generation) {
                match added {
                    Ok(()) => {
                        state.missing.remove(&idx);
                        tracing::info!(queue = self.choice.queues[idx], "queue consumed");
                    }
                    Err(why) => _ = state.missing.insert(idx, why),
                }
            }
        }
        if let Some(prefetch) = prefetch {
            line.channel.resize(prefetch).await?;
            self.state().prefetch = prefetch;
            tracing::debug!(queue = self.what, prefetch, "prefetch changed");
        }
        Ok(())
    }

    async fn receive_all(&self, n_max: usize, wait: Duration) -> Result<Vec<Message>, AmqpError> {
        let until = Instant::now() + wait;
        loop {
            let line = self.line().await?;
            let taken = match self.tend(&line).await {
                Ok(()) => line.channel.take(n_max).and_then(not_of_stream),
                Err(why) => Err(why),
            };
            match taken {
                Ok(pushed) if pushed.is_empty() => {}
                Ok(pushed) => {
                    let messages = self.give(&line, pushed);
                    if !messages.is_empty() {
                        return Ok(messages);
                    }
                }
                Err(why) => {
                    self.lose(line.generation, &why);
                    return Err(why);
                }
            }
            let now = Instant::now();
            if now >= until {
                return Ok(Vec::new());
            }
            tokio::select! {
                () = line.channel.ready() => {}
                () = tokio::time::sleep_until(until.min(now + TEND_EVERY)) => {}
            }
        }
    }

    /// Books what was pushed and makes messages of it; nothing, where its channel has died meanwhile.
    fn give(&self, line: &OpenLine, pushed: Vec<PushedMessage>) -> Vec<Message> {
        let mut state = self.state();
        if !state.is_open(line.generation) {
            return Vec::new();
        }
        state.give(pushed.iter().map(|it| (it.tag, (it.body.len() + it.properties.n_bytes()) as u64)));
        drop(state);
        let message = |it| self.choice.message.message(it, line.generation, &self.format);
        pushed.into_iter().map(message).collect()
    }

    async fn settle_all(&self, settlements: Vec<Settlement>) -> Vec<(Receipt, Settled)> {
        let _turn = self.sending.lock().await;
        let mut answers = Vec::with_capacity(settlements.len());
        let (mut acked, mut back) = (Vec::new(), Vec::new());
        let (line, plan) = {
            let mut state = self.state();
            let line = state.open();
            for Settlement { receipt, how } in settlements {
                // Under another channel the same tag is another message's, or nobody's, which would close it.
                let tag = tag_of(&receipt)
                    .filter(|tag| state.is_open(receipt.generation) && state.ledger.owes(*tag));
                match (tag, how) {
                    (None, _) => answers.push((receipt, Settled::Lost)),
                    (Some(tag), Settle::Delete) => acked.push((tag, receipt)),
                    // A queue has no time at which it shows a message: it comes at once.
                    (Some(tag), Settle::Leave | Settle::ShowAfter(_) | Settle::Release | Settle::Nack) => {
                        back.push((tag, receipt));
                    }
                }
            }
            let tags: BTreeSet<u64> = acked.iter().map(|(tag, _)| *tag).collect();
            let plan = state.ledger.ack(&tags);
            back.iter().for_each(|(tag, _)| _ = state.ledger.answer(*tag));
            (line, plan)
        };
        let Some(line) = line else { return answers };
        let together = plan.up_to.map(|tag| line.channel.ack(tag, true));
        let single = plan.single.iter().map(|tag| line.channel.ack(*tag, false));
        let requeued = back.iter().map(|(tag, _)| line.channel.requeue(*tag));
        let sent = join_all(together.into_iter().chain(single).chain(requeued)).await;
        let failure = sent.into_iter().find_map(Result::err);
        if let Some(why) = &failure {
            self.lose(line.generation, why);
        }
        // What was sent before a channel died may have been heard or not: the messages come again where not.
        let settled = if failure.is_some() { Settled::Lost } else { Settled::Done };
        answers.extend(acked.into_iter().chain(back).map(|(_, receipt)| (receipt, settled)));
        answers
    }

    fn hidden(&self, receipts: Vec<Receipt>) -> Vec<(Receipt, Hidden)> {
        let state = self.state();
        let is_owed = |it: &Receipt| {
            state.is_open(it.generation) && tag_of(it).is_some_and(|tag| state.ledger.owes(tag))
        };
        let hidden = |it: Receipt| {
            let hidden = if is_owed(&it) { Hidden::Done } else { Hidden::Lost };
            (it, hidden)
        };
        receipts.into_iter().map(hidden).collect()
    }
}

/// Streams are read by position: an ack would leave their messages where they are.
fn not_of_stream(pushed: Vec<PushedMessage>) -> Result<Vec<PushedMessage>, AmqpError> {
    match pushed.iter().any(|it| it.properties.is_of_stream()) {
        true => Err(AmqpError::new(AmqpFailure::Stream, "its messages have an `x-stream-offset`")),
        false => Ok(pushed),
    }
}

impl Queue for RabbitQueue {
    fn facts(&self) -> QueueFacts {
        QueueFacts {
            receive_max: RECEIVE_MAX,
            wait_max: WAIT_MAX,
            visibility: None,
            visibility_set: None,
            retry_after: None,
            fans_out: false,
        }
    }

    fn receive(&self, records_max: u32, wait: Duration) -> BoxFuture<'_, Result<Vec<Message>, SourceError>> {
        Box::pin(async move {
            let received = self.receive_all(records_max as usize, wait).await;
            received.map_err(|why| self.told(why))
        })
    }

    fn settle(&self, settlements: Vec<Settlement>) -> BoxFuture<'_, Vec<(Receipt, Settled)>> {
        Box::pin(self.settle_all(settlements))
    }

    fn extend(&self, receipts: Vec<Receipt>, _by: Duration) -> BoxFuture<'_, Vec<(Receipt, Hidden)>> {
        let answers = self.hidden(receipts);
        Box::pin(std::future::ready(answers))
    }

    fn lost(&self) -> BoxFuture<'_, Generation> {
        Box::pin(async move {
            loop {
                let open = {
                    let mut state = self.state();
                    if let Some(generation) = state.lost.pop_front() {
                        return generation;
                    }
                    state.open()
                };
                match open {
                    Some(line) => tokio::select! {
                        why = line.channel.closed() => self.lose(line.generation, &why),
                        () = self.changed.notified() => {}
                    },
                    None => self.changed.notified().await,
                }
            }
        })
    }

    fn handle_demand(&self, demand: Demand) {
        self.state().demand = Some(demand);
    }
}
