//! A partition that a client fetches: its queue is looked at without waiting, and rings when it has something.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use forebay_clients::BrokerFailure;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _};
use rdkafka::{Message as _, Timestamp};
use tokio::time::timeout;

use super::ask;
use super::owner::{FetchState, KafkaQueue, PartitionClient};
use crate::kafka::brokers::Fetch;
use crate::kafka::failure::KafkaFailure;
use crate::kafka::page::{GivenRecord, PageBuilder, TimeKind};
use crate::kafka::partition::KafkaPartition;
use crate::source::BoxFuture;

/// A partition that a client fetches.
pub(super) struct FetchedPartition {
    reserved: Reserved,
    state: Arc<FetchState>,
    /// There until it is dropped.
    queue: Option<KafkaQueue>,
    /// It came behind records, which go first.
    failed: Option<KafkaFailure>,
}

/// A partition that counts as fetched until this is dropped.
struct Reserved {
    client: Arc<PartitionClient>,
    partition: KafkaPartition,
    is_begun: bool,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !self.is_begun {
            self.client.release(&self.partition);
        }
    }
}

impl FetchedPartition {
    /// Begins to fetch; the client counts the partition as fetched already.
    pub(super) async fn begin(
        client: Arc<PartitionClient>,
        partition: &KafkaPartition,
        offset: u64,
    ) -> Result<Self, KafkaFailure> {
        let mut reserved = Reserved { client, partition: partition.clone(), is_begun: false };
        let state = Arc::new(FetchState::default());
        let queue = reserved.client.begin(partition, offset, &state).await?;
        reserved.is_begun = true;
        Ok(Self { reserved, state, queue: Some(queue), failed: None })
    }
}

impl Fetch for FetchedPartition {
    fn take(&mut self, records_max: u32, bytes_max: u64, page: &mut PageBuilder) -> Result<(), KafkaFailure> {
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        let Some(queue) = &self.queue else { return Ok(()) };
        if self.state.is_spoiled.load(Ordering::SeqCst) {
            let said = "a record came before the partition was split off; it is fetched again".to_owned();
            return Err(KafkaFailure::Told { kind: BrokerFailure::Down, said });
        }
        let has_room = |page: &PageBuilder| {
            page.n_records() < records_max as usize && (page.n_bytes() as u64) < bytes_max
        };
        while has_room(page) {
            match queue.poll(Duration::ZERO) {
                None | Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Ok(message)) => push(&message, page),
                Some(Err(error)) if page.n_records() == 0 => return Err(failure(&error)),
                Some(Err(error)) => {
                    self.failed = Some(failure(&error));
                    break;
                }
            }
        }
        Ok(())
    }

    fn ready(&mut self, within: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // The bell keeps one ring, and may ring for what was taken: who hears it looks.
            let _elapsed = timeout(within, self.state.bell.notified()).await;
        })
    }

    fn trouble(&self) -> Option<KafkaFailure> {
        ask::trouble(self.reserved.client.consumer())
    }
}

impl Drop for FetchedPartition {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            self.reserved.client.end(&self.reserved.partition, queue);
        }
    }
}

/// Copies a record, once.
fn push(message: &BorrowedMessage<'_>, page: &mut PageBuilder) {
    let (at_ms, time_kind) = match message.timestamp() {
        Timestamp::CreateTime(at_ms) => (at_ms, TimeKind::Create),
        Timestamp::LogAppendTime(at_ms) => (at_ms, TimeKind::LogAppend),
        Timestamp::NotAvailable => (-1, TimeKind::None),
    };
    let offset = u64::try_from(message.offset()).expect("a record that was fetched has an offset");
    let record = GivenRecord { offset, at_ms, time_kind, key: message.key(), value: message.payload() };
    match message.headers() {
        Some(headers) => page.push(record, headers.iter().map(|it| (it.key.as_bytes(), it.value))),
        None => page.push(record, std::iter::empty()),
    }
}

fn failure(error: &KafkaError) -> KafkaFailure {
    use RDKafkaErrorCode as E;
    match error.rdkafka_error_code() {
        Some(E::AutoOffsetReset | E::OffsetOutOfRange) => KafkaFailure::OutOfRange,
        _ => ask::failure(error),
    }
}
