//! The thread of a member: it polls the client, follows what the coordinator says, commits, and closes the client
//! at last.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use forebay_batcher::{SourceNotice, Watermark};
use forebay_clients::{BrokerError, BrokerFailure};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::oneshot;

use super::context::{MemberContext, MemberHeard};
use super::ownership::{CommitAnswer, DueCommit, Ownership, StartedPartition};
use super::verdicts::{answer_of, fatal, refusal};
use super::{MemberOrder, MemberShared, ask};
use crate::kafka::failure::KafkaFailure;
use crate::kafka::group::GroupTerms;
use crate::kafka::note::{self, CommittedPlace};
use crate::kafka::partition::KafkaPartition;
use crate::kafka::place::KafkaPlace;
use crate::kafka::source::no_topic;
use crate::kafka::topics::TopicChoice;
use crate::source::{GroupEvent, Start};

/// What the mapping asks for waits no longer.
const TICK: Duration = Duration::from_millis(100);
/// The longest that a question to the brokers holds up what else the thread does.
const ASK_MAX: Duration = Duration::from_secs(1);
/// Brokers that were down are asked whether they are back this often.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// A question that was not answered is asked again after this long.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// The longest that a member that leaves waits for its last commit, and for the coordinator.
const LEAVE_STEP_MAX: Duration = Duration::from_secs(4);
/// Who may not be in the group comes again after this long.
const REFUSED_AGAIN: Duration = Duration::from_secs(5);
/// Whose instance id another took comes again after this long: each would put the other out at once.
const FENCED_AGAIN: Duration = Duration::from_secs(30);

pub(super) struct MemberOwner {
    /// Shared with the thread of a commit alone.
    consumer: Arc<BaseConsumer<MemberContext>>,
    shared: Arc<MemberShared>,
    group: String,
    topics: TopicChoice,
    ownership: Ownership,
    refresh_every: Duration,
    refresh_at: Instant,
    /// The names that are subscribed to.
    names: Vec<String>,
    /// When topics were looked for last.
    asked_at: Instant,
    /// When the group may be asked where it stands.
    ask_at: Instant,
    /// A topic that is not there.
    missing: Option<String>,
    /// The coordinator has answered.
    is_in: bool,
    /// What the mapping was told last of troubles.
    told: Option<Option<SourceNotice>>,
    /// Who waits for the member to leave, and until when it tells the group.
    leaving: Option<(oneshot::Sender<()>, Instant)>,
    stops: bool,
}

/// How a member ends.
enum MemberEnd {
    /// As it was asked to.
    Left(Option<oneshot::Sender<()>>),
    /// The group does not know it any more. It may join anew.
    Gone(KafkaFailure),
    /// It may not be in the group.
    Refused(KafkaFailure),
}

impl MemberOwner {
    pub(super) fn new(
        consumer: BaseConsumer<MemberContext>,
        shared: Arc<MemberShared>,
        group: &str,
        terms: &GroupTerms,
        topics: &TopicChoice,
    ) -> Self {
        let now = Instant::now();
        Self {
            consumer: Arc::new(consumer),
            shared,
            group: group.to_owned(),
            topics: topics.clone(),
            ownership: Ownership::new(terms.rebalance_timeout, now),
            refresh_every: terms.refresh_every,
            refresh_at: now,
            names: Vec::new(),
            asked_at: now,
            ask_at: now,
            missing: None,
            is_in: false,
            told: None,
            leaving: None,
            stops: false,
        }
    }

    pub(super) fn run(mut self) {
        let end = loop {
            match self.turn(Instant::now()) {
                Ok(()) => {}
                Err(end) => break end,
            }
        };
        self.consumer.context().close();
        if let Some(partitions) = self.ownership.take_revoked() {
            self.unassign(&partitions);
        }
        match end {
            MemberEnd::Left(answer) => {
                // Closing the client is what leaves the group.
                drop(self);
                if let Some(answer) = answer {
                    // Whoever asked may be gone.
                    let _unheard = answer.send(());
                }
            }
            MemberEnd::Gone(failure) => self.end_outside(failure, Duration::ZERO),
            MemberEnd::Refused(failure) => {
                let is_fenced = matches!(&failure, KafkaFailure::Told { kind: BrokerFailure::Fenced, .. });
                self.end_outside(failure, if is_fenced { FENCED_AGAIN } else { REFUSED_AGAIN });
            }
        }
    }

    fn turn(&mut self, now: Instant) -> Result<(), MemberEnd> {
        self.take_orders(now);
        self.subscribe(now).map_err(MemberEnd::Refused)?;
        self.hear()?;
        let now = Instant::now();
        // librdkafka may know before it says so, while partitions go back.
        if self.ownership.has_some() && self.consumer.assignment_lost() {
            self.ownership.handle_all_lost(now);
        }
        self.start_partitions(now);
        self.commit(now);
        if let Some(partitions) = self.ownership.poll_unassign(now) {
            self.unassign(&partitions);
        }
        let news = self.ownership.take_news();
        if !news.is_empty() {
            self.shared.tell(news.into_iter().map(Ok));
        }
        self.tell_trouble();
        self.may_leave(now)
    }

    fn take_orders(&mut self, now: Instant) {
        let orders = std::mem::take(&mut self.shared.lock().orders);
        for order in orders {
            match order {
                MemberOrder::Finished(track, at) => self.ownership.handle_finished(&track, at),
                MemberOrder::Drained(track) => self.ownership.handle_drained(&track),
                MemberOrder::Leave(answer) => {
                    self.ownership.leave();
                    self.leaving = Some((answer, now + LEAVE_STEP_MAX));
                }
                MemberOrder::Stop => self.stops = true,
            }
        }
    }

    fn may_leave(&mut self, now: Instant) -> Result<(), MemberEnd> {
        if let Some((answer, _)) = self.leaving.take_if(|it| self.ownership.is_told() || now >= it.1) {
            return Err(MemberEnd::Left(Some(answer)));
        }
        // Nobody listens any more.
        if self.stops && self.leaving.is_none() { Err(MemberEnd::Left(None)) } else { Ok(()) }
    }

    /// Subscribes to the topics by name. Which a pattern means is for us to say, as without a group.
    fn subscribe(&mut self, now: Instant) -> Result<(), KafkaFailure> {
        let is_down = self.consumer.context().brokers().trouble().is_some();
        // Nothing tells that brokers are back but their answer.
        if is_down {
            self.refresh_at = self.refresh_at.min(self.asked_at + PROBE_EVERY);
        }
        if now < self.refresh_at {
            return Ok(());
        }
        (self.asked_at, self.refresh_at) = (now, now + self.refresh_every);
        let names = match self.look() {
            Ok(names) => names,
            Err(error) => {
                tracing::debug!(group = self.group, %error, "topics could not be looked for");
                self.refresh_at = now + PROBE_EVERY;
                return Ok(());
            }
        };
        self.consumer.context().brokers().succeed();
        if names.is_empty() || names == self.names {
            return Ok(());
        }
        let subscribed = self.consumer.subscribe(&names.iter().map(String::as_str).collect::<Vec<_>>());
        subscribed.map_err(|error| ask::failure(&error))?;
        self.names = names;
        Ok(())
    }

    /// The topics that are meant; those that are there, where a pattern says which.
    fn look(&mut self) -> KafkaResult<Vec<String>> {
        let TopicChoice::Named(names) = &self.topics else {
            let told = self.consumer.fetch_metadata(None, ASK_MAX)?;
            let names = told.topics().iter().map(|it| it.name().to_owned());
            return Ok(names.filter(|it| self.topics.holds(it)).collect());
        };
        let mut missing = None;
        for name in names {
            let told = self.consumer.fetch_metadata(Some(name), ASK_MAX)?;
            let is_there = told.topics().iter().any(|it| it.name() == name && it.error().is_none());
            missing = missing.or_else(|| (!is_there).then(|| name.clone()));
        }
        self.missing = missing;
        Ok(names.clone())
    }

    /// What the mapping is to hear of troubles.
    fn tell_trouble(&mut self) {
        let failure = ask::heard_trouble(self.consumer.context().brokers());
        let trouble = failure.map(|it| it.on(&format!("group {}", self.group)));
        let missing = self.missing.as_ref().map(|it| no_topic("it is not there").on(&format!("topic {it}")));
        let told = trouble.or(missing).map(|it| it.to_notice());
        // All is well only when the coordinator has said so.
        if (self.is_in || told.is_some()) && self.told.as_ref() != Some(&told) {
            self.shared.tell([Ok(GroupEvent::Trouble(told.clone()))]);
            self.told = Some(told);
        }
    }

    /// Polls: no records come, for all that is assigned is paused.
    fn hear(&mut self) -> Result<(), MemberEnd> {
        let mut wait = TICK;
        while let Some(told) = self.consumer.poll(wait) {
            if let Some(refusal) = told.err().as_ref().and_then(refusal) {
                return Err(MemberEnd::Refused(refusal));
            }
            wait = Duration::ZERO;
        }
        let now = Instant::now();
        for heard in self.consumer.context().take() {
            match heard {
                MemberHeard::Assigned(partitions) => {
                    self.is_in = true;
                    self.assign(partitions).map_err(MemberEnd::Gone)?;
                }
                MemberHeard::Revoked(partitions) => self.ownership.handle_revoked(partitions, now),
                MemberHeard::Lost(partitions) => self.ownership.handle_lost(partitions, now),
                MemberHeard::Committed(told) => self.hear_commit(&told, now)?,
            }
        }
        match self.consumer.client().fatal_error() {
            Some((code, said)) => Err(MemberEnd::Refused(fatal(code, &said))),
            None => Ok(()),
        }
    }

    /// Takes partitions over. They are paused at once: others read them.
    fn assign(&mut self, partitions: Vec<KafkaPartition>) -> Result<(), KafkaFailure> {
        // An empty one is answered as well, or the coordinator waits for it.
        // With an offset, for librdkafka asks for one otherwise; it is read by nobody.
        let list = ask::list(partitions.iter().map(|it| (it, Offset::Offset(0))))?;
        self.consumer.incremental_assign(&list).map_err(|error| ask::failure(&error))?;
        if !partitions.is_empty() {
            self.consumer.pause(&list).map_err(|error| ask::failure(&error))?;
        }
        self.ownership.handle_assigned(partitions);
        Ok(())
    }

    fn unassign(&self, partitions: &[KafkaPartition]) {
        let list = ask::list(partitions.iter().map(|it| (it, Offset::Invalid)));
        let unassigned = list.map(|it| self.consumer.incremental_unassign(&it));
        if let Ok(Err(error)) = unassigned {
            tracing::debug!(group = self.group, %error, "partitions could not be given back");
        }
    }

    /// Asks where the group stands in what was assigned. It is asked until it is known: nothing starts by guess.
    fn start_partitions(&mut self, now: Instant) {
        let starting = self.ownership.starting();
        if starting.is_empty() || now < self.ask_at {
            return;
        }
        match self.committed(&starting) {
            Ok(committed) => {
                let before = committed.iter().flatten().map(|it| it.epoch).max();
                let epoch = note::next_epoch(before.unwrap_or(0));
                let start = |it: Option<CommittedPlace>| match it {
                    Some(it) => Start::Committed(it.at),
                    None => Start::Policy(Watermark::Origin(KafkaPlace::First.to_origin())),
                };
                let started = starting.into_iter().zip(committed);
                let started =
                    started.map(|(partition, it)| StartedPartition { partition, start: start(it), epoch });
                self.ownership.handle_started(started.collect());
            }
            Err(error) => {
                tracing::debug!(group = self.group, %error, "it is not known yet where the group stands");
                self.ask_at = Instant::now() + ASK_AGAIN;
            }
        }
    }

    fn committed(&self, partitions: &[KafkaPartition]) -> Result<Vec<Option<CommittedPlace>>, KafkaFailure> {
        let list = ask::list(partitions.iter().map(|it| (it, Offset::Invalid)))?;
        let told = self.consumer.committed_offsets(list, ASK_MAX).map_err(|error| ask::failure(&error))?;
        let place = |partition: &KafkaPartition| {
            let Some(element) = told.find_partition(&partition.topic, partition.number) else {
                return Err(ask::of_code(RDKafkaErrorCode::UnknownPartition));
            };
            element.error().map_err(|error| ask::failure(&error))?;
            Ok(match element.offset() {
                Offset::Offset(offset) => {
                    u64::try_from(offset).ok().map(|it| note::read(it, element.metadata()))
                }
                _ => None,
            })
        };
        partitions.iter().map(place).collect()
    }

    fn commit(&mut self, now: Instant) {
        let due = self.ownership.poll_commit(now);
        if due.is_empty() {
            return;
        }
        let sent = commit_list(&due).and_then(|it| self.send_commit(it));
        if let Err(error) = sent {
            tracing::debug!(group = self.group, %error, "a commit could not be sent");
            self.ownership.handle_commit_answer(CommitAnswer::Again, now);
        }
    }

    /// Commits on a thread that ends with the answer. It may be waited for as long as there is no coordinator, and the
    /// member must be polled meanwhile; of commits that are not waited for, the crate tells no answer.
    fn send_commit(&self, list: TopicPartitionList) -> Result<(), KafkaFailure> {
        let consumer = Arc::clone(&self.consumer);
        let commit = move || {
            let told = consumer.commit(&list, CommitMode::Sync);
            consumer.context().note(MemberHeard::Committed(told));
        };
        let started = thread::Builder::new().name("forebay-commits".to_owned()).spawn(commit);
        let error = |error| BrokerError::Client(format!("a thread cannot be started: {error}"));
        Ok(started.map(drop).map_err(error)?)
    }

    fn hear_commit(&mut self, told: &KafkaResult<()>, now: Instant) -> Result<(), MemberEnd> {
        let Err(error) = told else {
            self.ownership.handle_commit_answer(CommitAnswer::Taken, now);
            return Ok(());
        };
        tracing::debug!(group = self.group, %error, "a commit was not taken");
        let is_gone = self.ownership.handle_commit_answer(answer_of(error), now);
        if is_gone { Err(MemberEnd::Gone(ask::failure(error))) } else { Ok(()) }
    }

    /// It is not in the group any more: the mapping hears so at once, and comes again after a while.
    fn end_outside(mut self, failure: KafkaFailure, again: Duration) {
        let now = Instant::now();
        self.ownership.handle_all_lost(now);
        let error = failure.on(&format!("group {}", self.group));
        let news = self.ownership.take_news().into_iter().map(Ok);
        self.shared.tell(news.chain([Ok(GroupEvent::Trouble(Some(error.to_notice())))]));
        while now.elapsed() < again && !self.is_let_go() {
            let _nothing = self.consumer.poll(TICK);
        }
        self.shared.tell([Err(error)]);
    }

    /// Whether nobody waits for this member any more.
    fn is_let_go(&self) -> bool {
        let goes = |it: &MemberOrder| matches!(it, MemberOrder::Leave(_) | MemberOrder::Stop);
        self.shared.lock().orders.iter().any(goes)
    }
}

/// Whoever waits hears that the thread is gone.
impl Drop for MemberOwner {
    fn drop(&mut self) {
        self.consumer.context().close();
        self.shared.end();
    }
}

/// Offsets with their notes.
fn commit_list(due: &[DueCommit]) -> Result<TopicPartitionList, KafkaFailure> {
    let mut list = TopicPartitionList::with_capacity(due.len());
    for DueCommit { partition, at, epoch } in due {
        let Some(next) = KafkaPlace::of(at).and_then(KafkaPlace::next) else { continue };
        let mut element = list.add_partition(&partition.topic, partition.number);
        let offset = Offset::Offset(i64::try_from(next).unwrap_or(i64::MAX));
        element.set_offset(offset).map_err(|error| ask::failure(&error))?;
        element.set_metadata(note::write(at, *epoch));
    }
    Ok(list)
}
