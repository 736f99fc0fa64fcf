//! The broker by lapin: one connection, on it one channel that consumes, and short-lived ones that look.
//!
//! A question that a broker answers with an error closes the channel that it came by. So a queue is looked for on
//! a channel of its own before it is consumed.

mod channel;
mod convert;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forebay_clients::{AmqpAccess, AmqpError};
use lapin::options::QueueDeclareOptions;
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection};

use self::channel::LapinChannel;
use super::broker::{OpenedChannel, RabbitBroker};
use crate::source::BoxFuture;

/// The longest that a question to a broker may take whose connection stands.
const ANSWER_MAX: Duration = Duration::from_secs(15);

/// A broker and its queues.
pub(super) struct LapinBroker {
    access: AmqpAccess,
    queues: Arc<[String]>,
    /// What the broker shows of the connection.
    name: String,
    /// Which of its nodes is asked next.
    next_host: AtomicUsize,
    connection: Mutex<Option<Arc<Connection>>>,
}

impl LapinBroker {
    pub(super) fn new(access: AmqpAccess, queues: &[String], name: String) -> Self {
        let (next_host, connection) = (AtomicUsize::new(0), Mutex::default());
        Self { access, queues: queues.into(), name, next_host, connection }
    }

    fn standing(&self) -> Option<Arc<Connection>> {
        // It is moved in and out whole.
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        connection.clone().filter(|it| it.status().connected())
    }

    /// The connection that stands, else one to the first node that takes it, each asked once.
    async fn connection(&self) -> Result<Arc<Connection>, AmqpError> {
        if let Some(connection) = self.standing() {
            return Ok(connection);
        }
        let mut failure = None;
        for _ in 0..self.access.n_hosts() {
            let nth = self.next_host.fetch_add(1, Ordering::Relaxed);
            match self.access.connect(nth, &self.name).await {
                Ok(connection) => {
                    let connection = Arc::new(connection);
                    let mut kept = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
                    *kept = Some(Arc::clone(&connection));
                    tracing::info!(host = self.access.host(nth), "connected to the broker");
                    return Ok(connection);
                }
                Err(why) => failure = Some(failure.unwrap_or(why)),
            }
        }
        Err(failure.unwrap_or_else(|| AmqpError::down("no host is named")))
    }

    async fn open(&self, prefetch: u16) -> Result<OpenedChannel, AmqpError> {
        let connection = self.connection().await?;
        let mut missing = Vec::new();
        // One that is there may be refused all the same, which closes the channel: it is left out of the next.
        for _ in 0..=self.queues.len() {
            let is_in = |idx: &usize| missing.iter().all(|(it, _)| it != idx);
            let wanted: Vec<usize> = (0..self.queues.len()).filter(is_in).collect();
            let channel = LapinChannel::open(&connection, Arc::clone(&self.queues), prefetch).await?;
            let mut refused = None;
            for queue in wanted {
                match look(&connection, &self.queues[queue]).await {
                    Ok(_) => {}
                    Err(why) => {
                        missing.push((queue, why));
                        continue;
                    }
                }
                if let Err(why) = channel.consume(queue).await {
                    refused = Some((queue, why));
                    break;
                }
            }
            match refused {
                Some(refused) => missing.push(refused),
                None if missing.len() < self.queues.len() => {
                    return Ok(OpenedChannel { channel: Arc::new(channel), missing });
                }
                None => break,
            }
        }
        Err(missing.into_iter().next().map_or_else(|| AmqpError::down("no queue is named"), |(_, why)| why))
    }
}

impl RabbitBroker for LapinBroker {
    fn open(&self, prefetch: u16) -> BoxFuture<'_, Result<OpenedChannel, AmqpError>> {
        Box::pin(self.open(prefetch))
    }

    fn n_ready(&self) -> BoxFuture<'_, Result<u64, AmqpError>> {
        Box::pin(async {
            let connection = self.connection().await?;
            let mut n = 0;
            for queue in &*self.queues {
                n += u64::from(look(&connection, queue).await?);
            }
            Ok(n)
        })
    }

    fn is_blocked(&self) -> bool {
        self.standing().is_some_and(|it| it.status().blocked())
    }
}

/// How many messages wait in a queue, which must be there.
async fn look(connection: &Connection, queue: &str) -> Result<u32, AmqpError> {
    let channel = new_channel(connection).await?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let name = ShortString::from(queue);
    let declared = answered(channel.queue_declare(name, passive, FieldTable::default())).await?;
    Ok(declared.message_count())
}

async fn new_channel(connection: &Connection) -> Result<Channel, AmqpError> {
    answered(connection.create_channel()).await
}

/// A question with its answer, within the time.
async fn answered<T>(question: impl Future<Output = lapin::Result<T>>) -> Result<T, AmqpError> {
    match tokio::time::timeout(ANSWER_MAX, question).await {
        Ok(answer) => answer.map_err(|error| AmqpError::of(&error)),
        Err(_) => Err(AmqpError::down("it does not answer")),
    }
}
