//! The thread that owns a client of librdkafka: it assigns partitions and takes them away, hears of errors, sees
//! when the brokers are back, and drops the client at last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use forebay_clients::{BrokerAccess, BrokerContext, BrokerError, BrokerFailure};
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{ClientConfig, Message as _, TopicPartitionList};
use tokio::sync::{Notify, oneshot};

use super::ask;
use crate::kafka::failure::KafkaFailure;
use crate::kafka::partition::KafkaPartition;

pub(super) type KafkaConsumer = BaseConsumer<BrokerContext>;
pub(super) type KafkaQueue = PartitionQueue<BrokerContext>;

/// What is heard of errors waits no longer than this.
const TICK: Duration = Duration::from_millis(100);
/// Brokers that were down are asked whether they are back this often.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// The longest that such a question holds up what else the thread does.
const PROBE_MAX: Duration = Duration::from_millis(500);

/// A client and its thread. The thread ends soon after this is dropped, and nobody waits for it: closing a client
/// may take seconds.
pub(super) struct PartitionClient {
    consumer: Arc<KafkaConsumer>,
    shared: Arc<OwnerShared>,
    /// What is fetched, or about to be.
    reserved: Mutex<BTreeSet<KafkaPartition>>,
}

#[derive(Default)]
struct OwnerShared {
    state: Mutex<OwnerState>,
    bell: Condvar,
}

#[derive(Default)]
struct OwnerState {
    begins: Vec<BeginFetch>,
    ends: Vec<(KafkaPartition, KafkaQueue)>,
    stops: bool,
    /// The thread is gone, by a panic.
    has_ended: bool,
}

/// A partition that is to be fetched. One at most waits for each partition.
struct BeginFetch {
    partition: KafkaPartition,
    offset: u64,
    state: Arc<FetchState>,
    answer: oneshot::Sender<Result<KafkaQueue, KafkaFailure>>,
}

/// What the thread and a reader of a partition share.
#[derive(Debug, Default)]
pub(super) struct FetchState {
    /// Rings when the partition's queue is not empty any more.
    pub(super) bell: Notify,
    /// A record came another way than by the partition's queue: what is read from there has a hole.
    pub(super) is_spoiled: AtomicBool,
}

impl PartitionClient {
    pub(super) fn start(access: &BrokerAccess, config: ClientConfig) -> Result<Self, KafkaFailure> {
        let consumer: KafkaConsumer =
            config.create_with_context(access.context()).map_err(BrokerError::of_client)?;
        let (consumer, shared) = (Arc::new(consumer), Arc::new(OwnerShared::default()));
        let owner = PartitionOwner {
            consumer: Arc::clone(&consumer),
            shared: Arc::clone(&shared),
            fetched: BTreeMap::new(),
            probed: Instant::now(),
        };
        thread::Builder::new()
            .name("forebay-brokers".to_owned())
            .spawn(move || owner.run())
            .map_err(|error| BrokerError::Client(format!("its thread cannot be started: {error}")))?;
        Ok(Self { consumer, shared, reserved: Mutex::default() })
    }

    pub(super) fn consumer(&self) -> &KafkaConsumer {
        &self.consumer
    }

    /// Whether it fetches nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.reserved().is_empty()
    }

    /// Its thread is gone: it fetches nothing any more.
    pub(super) fn has_ended(&self) -> bool {
        self.shared.lock().has_ended
    }

    /// Counts a partition as fetched, if it is not.
    pub(super) fn reserve(&self, partition: &KafkaPartition) -> bool {
        self.reserved().insert(partition.clone())
    }

    /// A partition that was reserved is not fetched after all.
    pub(super) fn release(&self, partition: &KafkaPartition) {
        self.reserved().remove(partition);
    }

    /// Begins to fetch a partition that was reserved.
    pub(super) async fn begin(
        &self,
        partition: &KafkaPartition,
        offset: u64,
        state: &Arc<FetchState>,
    ) -> Result<KafkaQueue, KafkaFailure> {
        let (answer, answered) = oneshot::channel();
        let begin = BeginFetch { partition: partition.clone(), offset, state: Arc::clone(state), answer };
        {
            let mut state = self.shared.lock();
            // Where nobody takes it, the answer goes with it.
            if !state.has_ended {
                state.begins.push(begin);
            }
        }
        self.shared.bell.notify_one();
        answered.await.unwrap_or_else(|_| Err(refused("the thread of the client has ended")))
    }

    /// Ends fetching. The queue is dropped by the thread, for it may be the last that holds the client.
    pub(super) fn end(&self, partition: &KafkaPartition, queue: KafkaQueue) {
        self.shared.lock().ends.push((partition.clone(), queue));
        self.shared.bell.notify_one();
        // What is asked for from here on comes behind it.
        self.release(partition);
    }

    fn reserved(&self) -> MutexGuard<'_, BTreeSet<KafkaPartition>> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PartitionClient {
    fn drop(&mut self) {
        self.shared.lock().stops = true;
        self.shared.bell.notify_one();
    }
}

impl OwnerShared {
    fn lock(&self) -> MutexGuard<'_, OwnerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be done, as soon as there is something, or after a tick.
    fn take(&self) -> OwnerState {
        let is_idle = |state: &mut OwnerState| state.begins.is_empty() && state.ends.is_empty();
        let waited = self.bell.wait_timeout_while(self.lock(), TICK, is_idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let (begins, ends) = (std::mem::take(&mut state.begins), std::mem::take(&mut state.ends));
        OwnerState { begins, ends, stops: state.stops, has_ended: state.has_ended }
    }
}

/// What runs on the thread.
struct PartitionOwner {
    consumer: Arc<KafkaConsumer>,
    shared: Arc<OwnerShared>,
    fetched: BTreeMap<KafkaPartition, Arc<FetchState>>,
    /// When the brokers were last asked whether they are back.
    probed: Instant,
}

impl PartitionOwner {
    fn run(mut self) {
        loop {
            let OwnerState { begins, ends, stops, .. } = self.shared.take();
            if !ends.is_empty() {
                self.end_all(ends);
            }
            if !begins.is_empty() {
                self.begin_all(begins);
            }
            self.hear();
            self.probe();
            // Whoever still asks the brokers something holds it: it must be dropped here.
            if stops && Arc::strong_count(&self.consumer) == 1 {
                break;
            }
        }
    }

    /// Takes partitions away, in one assignment.
    fn end_all(&mut self, ends: Vec<(KafkaPartition, KafkaQueue)>) {
        let mut list = TopicPartitionList::with_capacity(ends.len());
        for (partition, _) in &ends {
            self.fetched.remove(partition);
            list.add_partition(&partition.topic, partition.number);
        }
        if let Err(error) = self.consumer.incremental_unassign(&list) {
            tracing::debug!(%error, "partitions could not be taken from a client");
        }
    }

    /// Adds partitions, in one assignment. Their queues are split off before it: what is fetched then goes there
    /// from the first record on.
    fn begin_all(&mut self, mut begins: Vec<BeginFetch>) {
        // Whoever asked may be gone, and have asked again.
        begins.retain(|it| !it.answer.is_closed());
        let mut split = Vec::with_capacity(begins.len());
        for begin in begins {
            let KafkaPartition { topic, number } = &begin.partition;
            match self.consumer.split_partition_queue(topic, *number) {
                Some(mut queue) => {
                    let state = Arc::clone(&begin.state);
                    queue.set_nonempty_callback(move || state.bell.notify_one());
                    split.push((begin, queue));
                }
                None => _ = begin.answer.send(Err(refused("the partition cannot be fetched"))),
            }
        }
        let assigned = self.assign(&split);
        let mut given_up = Vec::new();
        for (BeginFetch { partition, state, answer, .. }, queue) in split {
            match &assigned {
                Ok(()) => {
                    self.fetched.insert(partition.clone(), state);
                    // Whoever asked may be gone.
                    if let Err(Ok(queue)) = answer.send(Ok(queue)) {
                        given_up.push((partition, queue));
                    }
                }
                Err(error) => _ = answer.send(Err(refused(error))),
            }
        }
        if !given_up.is_empty() {
            self.end_all(given_up);
        }
    }

    /// Fetches these too; else why not, in few words.
    fn assign(&self, split: &[(BeginFetch, KafkaQueue)]) -> Result<(), String> {
        let list = ask::list(split.iter().map(|(it, _)| (&it.partition, ask::offset_at(it.offset))));
        let list = list.map_err(|error| ask::said(&error))?;
        self.consumer.incremental_assign(&list).map_err(|error| ask::said(&error))
    }

    /// Hears of errors, and serves what librdkafka wants served. Records come by the partitions' queues; one that
    /// comes here is missing there.
    fn hear(&self) {
        while let Some(heard) = self.consumer.poll(Duration::ZERO) {
            let Ok(record) = heard else { continue };
            let partition = KafkaPartition { topic: record.topic().into(), number: record.partition() };
            if let Some(state) = self.fetched.get(&partition) {
                state.is_spoiled.store(true, Ordering::SeqCst);
                state.bell.notify_one();
            }
        }
    }

    /// Nothing tells that brokers are back but their answer.
    fn probe(&mut self) {
        let Some(first) = self.fetched.keys().next() else { return };
        if self.consumer.context().trouble().is_none() || self.probed.elapsed() < PROBE_EVERY {
            return;
        }
        self.probed = Instant::now();
        if self.consumer.fetch_metadata(Some(&first.topic), PROBE_MAX).is_ok() {
            self.consumer.context().succeed();
        }
    }
}

/// Whoever waits for the thread hears that it is gone.
impl Drop for PartitionOwner {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.has_ended = true;
        state.begins.clear();
    }
}

fn refused(error: impl std::fmt::Display) -> KafkaFailure {
    KafkaFailure::Told { kind: BrokerFailure::Other, said: ask::said(&error) }
}
