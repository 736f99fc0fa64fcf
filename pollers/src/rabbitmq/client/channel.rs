//! A channel of lapin's that consumes: a task for each consumer moves what comes into one list.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_clients::caught::caught;
use forebay_clients::{AmqpError, AmqpFailure};
use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::convert::pushed;
use super::{answered, look, new_channel};
use crate::rabbitmq::broker::{PushedMessage, RabbitChannel};
use crate::source::BoxFuture;

/// A channel with its consumers. Dropped, it closes, and what it is owed comes again.
pub(super) struct LapinChannel {
    connection: Arc<Connection>,
    channel: Channel,
    queues: Arc<[String]>,
    inbox: Arc<ChannelInbox>,
    consumers: Mutex<Consumers>,
}

#[derive(Default)]
struct Consumers {
    /// What moves deliveries; aborted when it is dropped.
    tasks: JoinSet<()>,
    /// By queue: the consumer's tag.
    tags: BTreeMap<usize, ShortString>,
    /// Deliveries that may be owed, over all of them.
    prefetch: u16,
}

/// What was pushed and not taken; no more than the prefetch.
#[derive(Default)]
struct ChannelInbox {
    state: Mutex<ChannelInboxState>,
    /// There is something, or the channel has closed: for whoever takes, and for whoever waits for the end.
    has_more: Notify,
    has_closed: Notify,
}

#[derive(Default)]
struct ChannelInboxState {
    pushed: VecDeque<PushedMessage>,
    closed: Option<AmqpError>,
    /// Consumers that we have ended ourselves.
    ended: Vec<ShortString>,
}

impl ChannelInbox {
    /// Changed in whole steps.
    fn state(&self) -> MutexGuard<'_, ChannelInboxState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, it: PushedMessage) {
        self.state().pushed.push_back(it);
        self.has_more.notify_waiters();
    }

    /// The first reason stays.
    fn close(&self, why: AmqpError) {
        self.state().closed.get_or_insert(why);
        self.has_more.notify_waiters();
        self.has_closed.notify_waiters();
    }

    async fn closed(&self) -> AmqpError {
        loop {
            // Registered before it is looked: a notice in between is heard.
            let mut notified = std::pin::pin!(self.has_closed.notified());
            notified.as_mut().enable();
            if let Some(why) = self.state().closed.clone() {
                return why;
            }
            notified.await;
        }
    }

    async fn ready(&self) {
        let mut notified = std::pin::pin!(self.has_more.notified());
        notified.as_mut().enable();
        {
            let state = self.state();
            if state.closed.is_some() || !state.pushed.is_empty() {
                return;
            }
        }
        notified.await;
    }
}

/// Moves what a consumer is pushed until it ends; a panic of it ends the channel.
async fn watched_pump(consumer: Consumer, queue: usize, inbox: Arc<ChannelInbox>) {
    if let Err(panic) = caught(pump(consumer, queue, &inbox)).await {
        inbox.close(AmqpError::new(AmqpFailure::Other, format!("what moves its messages {panic}")));
    }
}

/// Moves what a consumer is pushed until it ends. A consumer that ends without an error was cancelled by the
/// broker, unless it was by us.
async fn pump(mut consumer: Consumer, queue: usize, inbox: &ChannelInbox) {
    let tag = consumer.tag();
    while let Some(delivery) = consumer.next().await {
        match delivery {
            Ok(delivery) => inbox.put(pushed(delivery, queue)),
            Err(error) => return inbox.close(AmqpError::of(&error)),
        }
    }
    let ended_by_us = {
        let mut state = inbox.state();
        let at = state.ended.iter().position(|it| *it == tag);
        at.map(|at| state.ended.swap_remove(at)).is_some()
    };
    if !ended_by_us {
        let said = format!("it ended the consumer {tag}");
        inbox.close(AmqpError::new(AmqpFailure::Cancelled, said));
    }
}

impl LapinChannel {
    pub(super) async fn open(
        connection: &Arc<Connection>,
        queues: Arc<[String]>,
        prefetch: u16,
    ) -> Result<Self, AmqpError> {
        let channel = new_channel(connection).await?;
        let consumers = Mutex::new(Consumers { prefetch, ..Consumers::default() });
        let (connection, inbox) = (Arc::clone(connection), Arc::default());
        Ok(Self { connection, channel, queues, inbox, consumers })
    }

    fn consumers(&self) -> MutexGuard<'_, Consumers> {
        self.consumers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to consume a queue that is there. Its consumer may be owed its part of all.
    pub(super) async fn consume(&self, queue: usize) -> Result<(), AmqpError> {
        let n_queues = u16::try_from(self.queues.len()).unwrap_or(u16::MAX);
        let share = (self.consumers().prefetch / n_queues).max(1);
        // For the consumers that follow it; newer brokers know no other way.
        answered(self.channel.basic_qos(share, BasicQosOptions { global: false })).await?;
        let name = ShortString::from(self.queues[queue].as_str());
        let (tag, options) = (ShortString::default(), BasicConsumeOptions::default());
        let consumer =
            answered(self.channel.basic_consume(name, tag, options, FieldTable::default())).await?;
        let mut consumers = self.consumers();
        // Of those that have ended nothing more is wanted.
        while consumers.tasks.try_join_next().is_some() {}
        consumers.tags.insert(queue, consumer.tag());
        consumers.tasks.spawn(watched_pump(consumer, queue, Arc::clone(&self.inbox)));
        Ok(())
    }

    /// Each consumer is replaced by another on the same channel: what it was owed stays.
    async fn resize(&self, prefetch: u16) -> Result<(), AmqpError> {
        let tags = {
            let mut consumers = self.consumers();
            consumers.prefetch = prefetch;
            std::mem::take(&mut consumers.tags)
        };
        for (queue, tag) in tags {
            self.inbox.state().ended.push(tag.clone());
            answered(self.channel.basic_cancel(tag, BasicCancelOptions::default())).await?;
            self.consume(queue).await?;
        }
        Ok(())
    }
}

impl RabbitChannel for LapinChannel {
    fn take(&self, n_max: usize) -> Result<Vec<PushedMessage>, AmqpError> {
        let mut state = self.inbox.state();
        if let Some(why) = &state.closed {
            return Err(why.clone());
        }
        let n = n_max.min(state.pushed.len());
        Ok(state.pushed.drain(..n).collect())
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.inbox.ready())
    }

    fn closed(&self) -> BoxFuture<'_, AmqpError> {
        Box::pin(self.inbox.closed())
    }

    fn ack(&self, tag: u64, multiple: bool) -> BoxFuture<'_, Result<(), AmqpError>> {
        Box::pin(async move { answered(self.channel.basic_ack(tag, BasicAckOptions { multiple })).await })
    }

    fn requeue(&self, tag: u64) -> BoxFuture<'_, Result<(), AmqpError>> {
        let options = BasicNackOptions { multiple: false, requeue: true };
        Box::pin(async move { answered(self.channel.basic_nack(tag, options)).await })
    }

    fn add(&self, queue: usize) -> BoxFuture<'_, Result<(), AmqpError>> {
        Box::pin(async move {
            look(&self.connection, &self.queues[queue]).await?;
            self.consume(queue).await
        })
    }

    fn resize(&self, prefetch: u16) -> BoxFuture<'_, Result<(), AmqpError>> {
        Box::pin(self.resize(prefetch))
    }
}
