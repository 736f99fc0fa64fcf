//! Pushes of the stream in memory, with the manners of servers that were met.

use std::sync::Arc;
use std::time::Duration;

use forebay_models::shards::{Batch, Refusal};
use tokio::time::{Instant, sleep};

use super::calls::{Pushes, ShardRead, SubscribeAt, Subscriptions};
use super::error::ShardError;
use super::fake::{FakeStream, number_of};
use crate::source::BoxFuture;

/// The consumer that every reader is.
const CONSUMER: &str = "consumer";
/// An empty push comes this often.
const KEPT_ALIVE_EVERY: Duration = Duration::from_secs(5);
/// How often it is looked for something to push.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How a server pushes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PushManners {
    /// It does not hear of a subscriber that goes: the next one is refused for five seconds.
    pub(crate) hears_no_end: bool,
    /// A refusal comes as the first message of a subscription that was given.
    pub(crate) refuses_within: bool,
    /// It never tells the end of a shard, and pushes nothing for ever.
    pub(crate) tells_no_end: bool,
    /// Pushes break off so often: each connection gives one push and ends.
    pub(crate) breaks_off: bool,
    /// Another program always has the shard.
    pub(crate) is_taken: bool,
    /// How often somebody subscribed or tried to.
    pub(crate) n_subscribed: usize,
}

/// What is pushed to one subscriber.
struct FakePushes {
    fake: Arc<FakeStream>,
    shard: usize,
    /// The subscription, or why there is none.
    id: Result<u64, Refusal>,
    heard: Instant,
    has_begun: bool,
}

impl FakeStream {
    fn subscribe_at(&self, shard: &str, begin: &SubscribeAt) -> Result<FakePushes, ShardError> {
        let (mut state, now_ms) = (self.working()?, self.now());
        let (shard, from) = match begin {
            SubscribeAt::Place(begin) => self.place(&state, shard, begin, now_ms)?,
            SubscribeAt::Behind(text) => {
                let shard = number_of(shard, state.tree.shards().len());
                let shard = shard.ok_or_else(|| self.told(Refusal::NoShard))?;
                let number = self.accent.number(text).ok_or_else(|| self.told(Refusal::NoPlace))?;
                (shard, state.tree.behind_number(shard, number).map_err(|it| self.told(it))?)
            }
        };
        state.push.n_subscribed += 1;
        if state.push.is_taken {
            return Err(self.told(Refusal::Subscribed));
        }
        let id = state.tree.subscribe(CONSUMER, shard, &from, now_ms);
        if let Err(refusal) = id
            && !state.push.refuses_within
        {
            return Err(self.told(refusal));
        }
        Ok(FakePushes { fake: self.me(), shard, id, heard: Instant::now(), has_begun: false })
    }
}

impl Subscriptions for FakeStream {
    fn subscribe<'a>(
        &'a self,
        shard: &'a str,
        begin: SubscribeAt,
    ) -> BoxFuture<'a, Result<Box<dyn Pushes>, ShardError>> {
        Box::pin(async move { Ok(Box::new(self.subscribe_at(shard, &begin)?) as Box<dyn Pushes>) })
    }
}

impl FakePushes {
    /// A push, or nothing while there is none.
    fn take(&mut self) -> Result<Option<ShardRead>, ShardError> {
        let fake = Arc::clone(&self.fake);
        let id = self.id.map_err(|it| fake.told(it))?;
        let mut state = fake.lock();
        if state.is_broken() || (state.push.breaks_off && self.has_begun) {
            return Err(fake.told(Refusal::SubscriptionEnded));
        }
        let is_silent = self.heard.elapsed() >= KEPT_ALIVE_EVERY;
        let quiet = || Batch {
            items: Vec::new(),
            passed: None,
            gap: None,
            children: None,
            next: None,
            is_behind: false,
        };
        let batch = match state.tree.take_push(id, fake.now()) {
            Ok(Some(batch)) => batch,
            Ok(None) if is_silent => quiet(),
            Ok(None) => return Ok(None),
            // All of the shard was pushed.
            Err(_) if state.push.tells_no_end && state.tree.shards()[self.shard].log.is_ended() => {
                if !is_silent {
                    return Ok(None);
                }
                quiet()
            }
            Err(refusal) => return Err(fake.told(refusal)),
        };
        (self.heard, self.has_begun) = (Instant::now(), true);
        let (tree, tells_no_end) = (&state.tree, state.push.tells_no_end);
        let shard = &tree.shards()[self.shard];
        let last = batch.items.last().map_or_else(|| tree.last_number(), |it| shard.log.items()[*it].name);
        let children = batch.children.filter(|_| !tells_no_end);
        Ok(Some(ShardRead {
            records: batch.items.into_iter().map(|it| fake.record(shard, it)).collect(),
            next: children.is_none().then(|| fake.accent.sequence(last)),
            behind_ms: Some(if batch.is_behind { 1_000 } else { 0 }),
            children: children.unwrap_or_default().into_iter().map(|it| fake.info(tree, it)).collect(),
        }))
    }
}

impl Pushes for FakePushes {
    fn next(&mut self) -> BoxFuture<'_, Result<ShardRead, ShardError>> {
        Box::pin(async {
            loop {
                match self.take()? {
                    Some(read) => return Ok(read),
                    None => sleep(LOOK_EVERY).await,
                }
            }
        })
    }
}

impl Drop for FakePushes {
    fn drop(&mut self) {
        let mut state = self.fake.lock();
        if let Ok(id) = self.id
            && !state.push.hears_no_end
        {
            state.tree.unsubscribe(id);
        }
    }
}
