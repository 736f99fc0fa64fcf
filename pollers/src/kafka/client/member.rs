//! A place in a consumer group: a client of its own with a thread that polls it. The client joins the group and
//! commits, and fetches nothing; partitions are read as any others.

mod context;
mod owner;
mod ownership;
mod verdicts;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use forebay_batcher::Watermark;
use forebay_clients::{BrokerAccess, BrokerError};
use rdkafka::ClientConfig;
use tokio::sync::{Notify, oneshot};

use self::context::MemberContext;
use self::owner::MemberOwner;
use super::ask;
use crate::kafka::failure::KafkaFailure;
use crate::kafka::group::{GroupProtocol, GroupTerms};
use crate::kafka::topics::TopicChoice;
use crate::source::{BoxFuture, GroupEvent, Membership, SourceError, TrackName};

/// The longest that the end of a mapping waits for its group.
const LEAVE_MAX: Duration = Duration::from_secs(10);
/// A heartbeat comes at least this often.
const HEARTBEAT_MAX: Duration = Duration::from_secs(3);
/// What the coordinator waits for a member beyond the time in which it gives partitions back.
const POLL_SLACK: Duration = Duration::from_secs(5);

/// Joins a group. Ends when the client is made; what the coordinator says comes later.
pub(super) fn join(
    access: &BrokerAccess,
    group: &str,
    terms: &GroupTerms,
    topics: &TopicChoice,
) -> Result<Arc<dyn Membership>, KafkaFailure> {
    let context = MemberContext::new(access.context());
    let consumer = config(access, group, terms).create_with_context(context);
    let consumer = consumer.map_err(BrokerError::of_client)?;
    let shared = Arc::new(MemberShared::default());
    let owner = MemberOwner::new(consumer, Arc::clone(&shared), group, terms, topics);
    thread::Builder::new()
        .name("forebay-members".to_owned())
        .spawn(move || owner.run())
        .map_err(|error| BrokerError::Client(format!("its thread cannot be started: {error}")))?;
    Ok(Arc::new(KafkaMember { shared }))
}

fn config(access: &BrokerAccess, group: &str, terms: &GroupTerms) -> ClientConfig {
    let millis = |it: Duration| it.as_millis().to_string();
    let mut config = access.config();
    // The coordinator waits as long for a member in a rebalance; and the thread polls far more often.
    let patience = (terms.rebalance_timeout + POLL_SLACK).max(terms.session_timeout);
    config
        .set("group.id", group)
        .set("group.protocol", terms.protocol.word())
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("max.poll.interval.ms", millis(patience))
        // Partitions that are made later are found as soon as without a group.
        .set("topic.metadata.refresh.interval.ms", millis(terms.refresh_every));
    if let Some(instance) = &terms.instance_id {
        config.set("group.instance.id", instance);
    }
    match terms.protocol {
        GroupProtocol::Classic => {
            config
                .set("partition.assignment.strategy", "cooperative-sticky")
                .set("session.timeout.ms", millis(terms.session_timeout))
                .set("heartbeat.interval.ms", millis(HEARTBEAT_MAX.min(terms.session_timeout / 3)));
        }
        // These three are the brokers' there.
        GroupProtocol::Consumer => {}
    }
    config
}

/// A member and its thread, which ends soon after this is dropped; nobody waits for it.
struct KafkaMember {
    shared: Arc<MemberShared>,
}

#[derive(Default)]
struct MemberShared {
    state: Mutex<MemberState>,
    /// Rings when there is news.
    bell: Notify,
}

#[derive(Default)]
struct MemberState {
    /// In the order given. The thread takes them ten times a second.
    orders: Vec<MemberOrder>,
    news: VecDeque<Result<GroupEvent, SourceError>>,
    has_ended: bool,
}

/// What the mapping asks for.
enum MemberOrder {
    Finished(TrackName, Watermark),
    Drained(TrackName),
    Leave(oneshot::Sender<()>),
    Stop,
}

impl MemberShared {
    fn lock(&self) -> MutexGuard<'_, MemberState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self, order: MemberOrder) {
        let mut state = self.lock();
        // With the thread everything that waits for an answer is gone, too.
        if !state.has_ended {
            state.orders.push(order);
        }
    }

    fn tell(&self, news: impl IntoIterator<Item = Result<GroupEvent, SourceError>>) {
        self.lock().news.extend(news);
        self.bell.notify_one();
    }

    fn end(&self) {
        let mut state = self.lock();
        state.has_ended = true;
        state.orders.clear();
        drop(state);
        self.bell.notify_one();
    }
}

impl Membership for KafkaMember {
    fn next(&self) -> BoxFuture<'_, Result<GroupEvent, SourceError>> {
        Box::pin(async move {
            loop {
                {
                    let mut state = self.shared.lock();
                    if let Some(news) = state.news.pop_front() {
                        return news;
                    }
                    if state.has_ended {
                        return Err(SourceError::died("the group", "its thread has ended".to_owned()));
                    }
                }
                // The bell keeps one ring.
                self.shared.bell.notified().await;
            }
        })
    }

    fn committed(&self, track: &TrackName, at: &Watermark) {
        self.shared.order(MemberOrder::Finished(track.clone(), at.clone()));
    }

    fn drained(&self, track: &TrackName) {
        self.shared.order(MemberOrder::Drained(track.clone()));
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            self.shared.order(MemberOrder::Leave(answer));
            // What the group was not told is done again by whoever gets the partitions.
            let _told_or_not = tokio::time::timeout(LEAVE_MAX, answered).await;
        })
    }
}

impl Drop for KafkaMember {
    fn drop(&mut self) {
        self.shared.order(MemberOrder::Stop);
    }
}
