//! What groups are told: the offsets that mappings have finished, every few seconds, by a client for each group.
//! Nobody here is a member of a group (`member` is); the group's tools show the offsets, and a later start may read them.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use forebay_batcher::Watermark;
use forebay_clients::{BrokerAccess, BrokerError, BrokerFailure};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer as _};
use tokio::sync::oneshot;

use super::ask;
use super::owner::KafkaConsumer;
use crate::kafka::brokers::EachPartition;
use crate::kafka::failure::KafkaFailure;
use crate::kafka::note::GroupOffset;
use crate::kafka::partition::KafkaPartition;

/// How often groups are told.
const TELL_EVERY: Duration = Duration::from_secs(3);
/// What clients want served waits no longer.
const TICK: Duration = Duration::from_millis(500);
/// The longest that a new client waits for what it wants served first.
const FIRST_POLL: Duration = Duration::from_millis(100);
/// The longest that the end of a mapping waits for its group to be told.
const LEAVE_MAX: Duration = Duration::from_secs(5);

/// Offsets by partition.
type Offsets = BTreeMap<KafkaPartition, GroupOffset>;
/// What is finished, by partition.
type Finished = BTreeMap<KafkaPartition, Watermark>;

/// The groups of a cluster, and the thread that tells them, once there is something to tell.
pub(super) struct GroupOffsets {
    access: BrokerAccess,
    shared: Arc<GroupShared>,
}

#[derive(Default)]
struct GroupShared {
    state: Mutex<GroupState>,
    bell: Condvar,
}

#[derive(Default)]
struct GroupState {
    /// What is to be told.
    untold: BTreeMap<String, Finished>,
    questions: Vec<GroupQuestion>,
    runs: bool,
    stops: bool,
}

/// What is asked of the thread.
enum GroupQuestion {
    Committed {
        group: String,
        partitions: Vec<KafkaPartition>,
        answer: oneshot::Sender<Result<EachPartition<Option<GroupOffset>>, KafkaFailure>>,
    },
    Propose {
        group: String,
        offsets: Offsets,
        answer: oneshot::Sender<Result<(), KafkaFailure>>,
    },
    Leave {
        group: String,
        answer: oneshot::Sender<()>,
    },
}

impl GroupOffsets {
    pub(super) fn new(access: BrokerAccess) -> Self {
        Self { access, shared: Arc::default() }
    }

    pub(super) fn commit(&self, group: &str, partition: &KafkaPartition, at: &Watermark) {
        let mut state = self.shared.lock();
        let finished = match state.untold.get_mut(group) {
            Some(finished) => finished,
            None => state.untold.entry(group.to_owned()).or_default(),
        };
        finished.insert(partition.clone(), at.clone());
        drop(state);
        if let Err(error) = self.run() {
            tracing::warn!(code = "FB-0386", group, %error, "a group cannot be told how far its mapping is");
        }
    }

    pub(super) async fn committed(
        &self,
        group: &str,
        partitions: &[KafkaPartition],
    ) -> Result<EachPartition<Option<GroupOffset>>, KafkaFailure> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        self.run()?;
        let (answer, answered) = oneshot::channel();
        let (group, partitions) = (group.to_owned(), partitions.to_vec());
        self.ask(GroupQuestion::Committed { group, partitions, answer });
        answered.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Commits at once.
    pub(super) async fn propose(
        &self,
        group: &str,
        offsets: Vec<(KafkaPartition, GroupOffset)>,
    ) -> Result<(), KafkaFailure> {
        self.run()?;
        let (answer, answered) = oneshot::channel();
        let (group, offsets) = (group.to_owned(), offsets.into_iter().collect());
        self.ask(GroupQuestion::Propose { group, offsets, answer });
        answered.await.unwrap_or_else(|_| Err(ended()))
    }

    pub(super) async fn leave(&self, group: &str) {
        if !self.shared.lock().runs {
            return;
        }
        let (answer, answered) = oneshot::channel();
        self.ask(GroupQuestion::Leave { group: group.to_owned(), answer });
        // What the group was not told, it is told when the mapping is there again.
        let _told_or_not = tokio::time::timeout(LEAVE_MAX, answered).await;
    }

    fn ask(&self, question: GroupQuestion) {
        self.shared.lock().questions.push(question);
        self.shared.bell.notify_one();
    }

    fn run(&self) -> Result<(), KafkaFailure> {
        let mut state = self.shared.lock();
        if state.runs {
            return Ok(());
        }
        let (access, shared) = (self.access.clone(), Arc::clone(&self.shared));
        let teller =
            GroupTeller { access, shared, clients: BTreeMap::new(), tell_at: Instant::now() + TELL_EVERY };
        thread::Builder::new()
            .name("forebay-groups".to_owned())
            .spawn(move || teller.run())
            .map_err(|error| BrokerError::Client(format!("its thread cannot be started: {error}")))?;
        state.runs = true;
        Ok(())
    }
}

impl Drop for GroupOffsets {
    fn drop(&mut self) {
        self.shared.lock().stops = true;
        self.shared.bell.notify_one();
    }
}

impl GroupShared {
    fn lock(&self) -> MutexGuard<'_, GroupState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn questions(&self) -> (Vec<GroupQuestion>, bool) {
        let is_idle = |state: &mut GroupState| state.questions.is_empty() && !state.stops;
        let waited = self.bell.wait_timeout_while(self.lock(), TICK, is_idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut state.questions), state.stops)
    }
}

/// It begins anew when something is to be told.
impl Drop for GroupTeller {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.runs = false;
        state.questions.clear();
    }
}

/// A group's client, and whether it was told last time.
struct GroupClient {
    consumer: KafkaConsumer,
    is_failing: bool,
}

/// What runs on the thread; it owns the clients.
struct GroupTeller {
    access: BrokerAccess,
    shared: Arc<GroupShared>,
    clients: BTreeMap<String, GroupClient>,
    tell_at: Instant,
}

impl GroupTeller {
    fn run(mut self) {
        loop {
            let (questions, stops) = self.shared.questions();
            for question in questions {
                self.answer(question);
            }
            if stops || Instant::now() >= self.tell_at {
                self.tell_all();
                self.tell_at = Instant::now() + TELL_EVERY;
            }
            for client in self.clients.values() {
                // Errors are heard by the context; a client that is assigned nothing has no records.
                while client.consumer.poll(Duration::ZERO).is_some() {}
            }
            if stops {
                return;
            }
        }
    }

    fn answer(&mut self, question: GroupQuestion) {
        match question {
            GroupQuestion::Committed { group, partitions, answer } => {
                let told = self.client(&group).and_then(|it| ask::committed(&it.consumer, &partitions));
                // Whoever asked may be gone.
                let _unheard = answer.send(told);
            }
            GroupQuestion::Propose { group, offsets, answer } => {
                let told = self.client(&group).and_then(|it| commit(&it.consumer, &offsets));
                let _unheard = answer.send(told);
            }
            GroupQuestion::Leave { group, answer } => {
                let untold = self.shared.lock().untold.remove(&group);
                if let Some(finished) = untold {
                    self.tell(&group, finished);
                }
                self.clients.remove(&group);
                let _unheard = answer.send(());
            }
        }
    }

    fn tell_all(&mut self) {
        let untold = std::mem::take(&mut self.shared.lock().untold);
        for (group, finished) in untold {
            self.tell(&group, finished);
        }
    }

    /// What could not be told is told with what comes next.
    fn tell(&mut self, group: &str, finished: Finished) {
        let following = |(partition, at): (&KafkaPartition, &Watermark)| {
            Some((partition.clone(), GroupOffset::following(at)?))
        };
        let offsets: Offsets = finished.iter().filter_map(following).collect();
        let told = self.client(group).and_then(|it| commit(&it.consumer, &offsets));
        let was_failing = self.clients.get(group).is_some_and(|it| it.is_failing);
        if let Some(client) = self.clients.get_mut(group) {
            client.is_failing = told.is_err();
        }
        let Err(error) = told else {
            if was_failing {
                tracing::info!(group, "the group is told again how far its mapping is");
            }
            return;
        };
        if !was_failing {
            tracing::warn!(code = "FB-0386", group, %error, "a group cannot be told how far its mapping is");
        }
        let mut state = self.shared.lock();
        let untold = state.untold.entry(group.to_owned()).or_default();
        for (partition, at) in finished {
            untold.entry(partition).or_insert(at);
        }
    }

    fn client(&mut self, group: &str) -> Result<&GroupClient, KafkaFailure> {
        if !self.clients.contains_key(group) {
            let mut config = self.access.config();
            config.set("group.id", group).set("enable.auto.commit", "false");
            let consumer: KafkaConsumer =
                config.create_with_context(self.access.context()).map_err(BrokerError::of_client)?;
            // A token is fetched when that is asked for here, and nothing is connected without it.
            let _nothing = consumer.poll(FIRST_POLL);
            self.clients.insert(group.to_owned(), GroupClient { consumer, is_failing: false });
        }
        Ok(&self.clients[group])
    }
}

fn ended() -> KafkaFailure {
    let said = "the thread of the groups has ended".to_owned();
    KafkaFailure::Told { kind: BrokerFailure::Other, said }
}

fn commit(consumer: &KafkaConsumer, offsets: &Offsets) -> Result<(), KafkaFailure> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (partition, offset) in offsets {
        let mut element = list.add_partition(&partition.topic, partition.number);
        element.set_offset(ask::offset_at(offset.next)).map_err(|error| ask::failure(&error))?;
        element.set_metadata(&offset.note);
    }
    consumer.commit(&list, CommitMode::Sync).map_err(|error| ask::failure(&error))
}
