//! A queue behind channels, as RabbitMQ keeps it: deliveries are pushed under a prefetch and owed an answer
//! by their tag; a channel that dies gives all of them back. As strict as the broker: an answer to what is
//! not owed closes the channel.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

/// A channel, as long as it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChannelId(pub u32);

/// Why a channel closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Its client or its connection went.
    Gone,
    /// It answered for a tag that is not owed: 406, unknown delivery tag.
    UnknownTag,
    /// The queue was deleted: its consumer was cancelled.
    Cancelled,
    /// A delivery was owed an answer for too long.
    TimedOut,
}

/// A message that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What its answer names; counted in its channel from 1.
    pub tag: u64,
    /// The message's number, the same each time it comes.
    pub number: u64,
    /// What it says.
    pub body: Bytes,
    /// It was pushed before.
    pub redelivered: bool,
    /// How often it came back, as a quorum queue counts.
    pub n_returns: u32,
}

#[derive(Debug, Clone)]
struct Message {
    number: u64,
    body: Bytes,
    n_returns: u32,
    redelivered: bool,
}

#[derive(Debug)]
struct Channel {
    prefetch: usize,
    next_tag: u64,
    owed: BTreeMap<u64, Owed>,
    pushed: VecDeque<Delivery>,
    closed: Option<Closed>,
}

#[derive(Debug)]
struct Owed {
    message: Message,
    since_ms: u64,
}

/// A queue and its channels.
#[derive(Debug)]
pub struct ChannelQueue {
    ready: VecDeque<Message>,
    channels: BTreeMap<ChannelId, Channel>,
    next_channel: u32,
    next_number: u64,
    /// A delivery may be owed for so long.
    ack_timeout_ms: u64,
    /// A message that came back more often is dead, as a quorum queue has it.
    returns_max: Option<u32>,
    dead: Vec<u64>,
    /// The broker is short of memory: it accepts nothing, and goes on to deliver.
    is_blocked: bool,
}

impl ChannelQueue {
    /// An empty queue. `returns_max` is a quorum queue's delivery limit.
    pub fn new(ack_timeout_ms: u64, returns_max: Option<u32>) -> Self {
        Self {
            ready: VecDeque::new(),
            channels: BTreeMap::new(),
            next_channel: 1,
            next_number: 1,
            ack_timeout_ms,
            returns_max,
            dead: Vec::new(),
            is_blocked: false,
        }
    }

    /// Accepts a message; `None` while publishers are blocked.
    pub fn publish(&mut self, body: Bytes, now_ms: u64) -> Option<u64> {
        if self.is_blocked {
            return None;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.ready.push_back(Message { number, body, n_returns: 0, redelivered: false });
        self.push_on(now_ms);
        Some(number)
    }

    /// Blocks publishers, or lets them go on. Consumers do not notice.
    pub fn block(&mut self, is_blocked: bool) {
        self.is_blocked = is_blocked;
    }

    /// Opens a channel that consumes, with no more than `prefetch` deliveries owed; 0 for no limit.
    pub fn open(&mut self, prefetch: usize, now_ms: u64) -> ChannelId {
        let id = ChannelId(self.next_channel);
        self.next_channel += 1;
        let (owed, pushed) = (BTreeMap::new(), VecDeque::new());
        self.channels.insert(id, Channel { prefetch, next_tag: 1, owed, pushed, closed: None });
        self.push_on(now_ms);
        id
    }

    /// The next delivery that was pushed to a channel and not taken.
    ///
    /// # Errors
    /// Why the channel is closed. What was pushed to it is void.
    pub fn take(&mut self, id: ChannelId, now_ms: u64) -> Result<Option<Delivery>, Closed> {
        self.time_out(now_ms);
        let channel = self.channels.get_mut(&id).ok_or(Closed::Gone)?;
        match channel.closed {
            Some(closed) => Err(closed),
            None => Ok(channel.pushed.pop_front()),
        }
    }

    /// A delivery is done with; `multiple` takes those before it along.
    ///
    /// # Errors
    /// The channel is closed, or is now, because nothing was owed under the tag.
    pub fn ack(&mut self, id: ChannelId, tag: u64, multiple: bool, now_ms: u64) -> Result<(), Closed> {
        self.answer(id, tag, multiple, now_ms)?;
        self.push_on(now_ms);
        Ok(())
    }

    /// A delivery is refused: it comes again at once, in its old place, or is dead.
    ///
    /// # Errors
    /// As [`ChannelQueue::ack`].
    pub fn nack(
        &mut self,
        id: ChannelId,
        tag: u64,
        multiple: bool,
        requeue: bool,
        now_ms: u64,
    ) -> Result<(), Closed> {
        let back = self.answer(id, tag, multiple, now_ms)?;
        match requeue {
            true => self.give_back(back),
            false => self.dead.extend(back.into_iter().map(|it| it.number)),
        }
        self.push_on(now_ms);
        Ok(())
    }

    /// Ends a channel: all that it was owed comes again.
    pub fn close(&mut self, id: ChannelId, why: Closed, now_ms: u64) {
        let Some(channel) = self.channels.get_mut(&id).filter(|it| it.closed.is_none()) else { return };
        channel.closed = Some(why);
        // What was pushed and not taken is among what is owed, and comes again with it.
        channel.pushed.clear();
        let back = std::mem::take(&mut channel.owed).into_values().map(|it| it.message).collect();
        self.give_back(back);
        self.push_on(now_ms);
    }

    /// Ends every channel, as a broker does that restarts; durable messages stay.
    pub fn close_all(&mut self, why: Closed, now_ms: u64) {
        let all: Vec<ChannelId> = self.channels.keys().copied().collect();
        all.into_iter().for_each(|id| self.close(id, why, now_ms));
    }

    /// Why a channel is closed; `None` while it is open.
    pub fn closed(&self, id: ChannelId) -> Option<Closed> {
        self.channels.get(&id).map_or(Some(Closed::Gone), |it| it.closed)
    }

    /// Messages that are neither answered nor dead.
    pub fn n_left(&self) -> usize {
        self.ready.len() + self.channels.values().map(|it| it.owed.len()).sum::<usize>()
    }

    /// The most that any channel is owed.
    pub fn n_owed_max(&self) -> usize {
        self.channels.values().map(|it| it.owed.len()).max().unwrap_or(0)
    }

    /// The numbers of those that are dead.
    pub fn dead(&self) -> &[u64] {
        &self.dead
    }

    /// Takes what an answer is about out of what is owed, in order.
    fn answer(
        &mut self,
        id: ChannelId,
        tag: u64,
        multiple: bool,
        now_ms: u64,
    ) -> Result<Vec<Message>, Closed> {
        self.time_out(now_ms);
        let channel = self.channels.get_mut(&id).ok_or(Closed::Gone)?;
        if let Some(closed) = channel.closed {
            return Err(closed);
        }
        if !channel.owed.contains_key(&tag) {
            // RabbitMQ closes the whole channel for it, so a client that answers twice loses all that it
            // holds.
            self.close(id, Closed::UnknownTag, now_ms);
            return Err(Closed::UnknownTag);
        }
        let tags: Vec<u64> = match multiple {
            true => channel.owed.range(..=tag).map(|it| *it.0).collect(),
            false => vec![tag],
        };
        Ok(tags.into_iter().filter_map(|it| channel.owed.remove(&it)).map(|it| it.message).collect())
    }

    /// What comes back stands before what was never pushed, in the order of its first coming.
    fn give_back(&mut self, messages: Vec<Message>) {
        for mut message in messages {
            (message.n_returns, message.redelivered) = (message.n_returns + 1, true);
            if self.returns_max.is_some_and(|max| message.n_returns > max) {
                self.dead.push(message.number);
                continue;
            }
            let at = self.ready.partition_point(|it| it.number < message.number);
            self.ready.insert(at, message);
        }
    }

    fn time_out(&mut self, now_ms: u64) {
        let is_late = |it: &Channel| {
            it.owed.values().any(|it| now_ms.saturating_sub(it.since_ms) > self.ack_timeout_ms)
        };
        let late: Vec<ChannelId> =
            self.channels.iter().filter(|(_, it)| is_late(it)).map(|(id, _)| *id).collect();
        late.into_iter().for_each(|id| self.close(id, Closed::TimedOut, now_ms));
    }

    /// Pushes what is ready to whoever may be owed more, in turn.
    fn push_on(&mut self, now_ms: u64) {
        loop {
            let mut is_pushed = false;
            for channel in self.channels.values_mut().filter(|it| it.closed.is_none()) {
                // Owed and not only pushed: the prefetch bounds what has no answer yet, taken or not.
                if channel.prefetch > 0 && channel.owed.len() >= channel.prefetch {
                    continue;
                }
                let Some(message) = self.ready.pop_front() else { return };
                let tag = channel.next_tag;
                channel.next_tag += 1;
                channel.pushed.push_back(Delivery {
                    tag,
                    number: message.number,
                    body: message.body.clone(),
                    redelivered: message.redelivered,
                    n_returns: message.n_returns,
                });
                channel.owed.insert(tag, Owed { message, since_ms: now_ms });
                is_pushed = true;
            }
            if !is_pushed {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(n: usize) -> ChannelQueue {
        let mut queue = ChannelQueue::new(1_800_000, Some(2));
        (0..n).for_each(|it| _ = queue.publish(Bytes::from(it.to_string()), 0));
        queue
    }

    fn take(queue: &mut ChannelQueue, channel: ChannelId) -> Vec<(u64, u64)> {
        std::iter::from_fn(|| queue.take(channel, 0).unwrap()).map(|it| (it.tag, it.number)).collect()
    }

    #[test]
    fn no_more_is_pushed_than_may_be_owed_and_multiple_answers_for_what_came_before() {
        let mut queue = queue(5);
        let channel = queue.open(3, 0);
        assert_eq!(take(&mut queue, channel), [(1, 1), (2, 2), (3, 3)]);
        queue.ack(channel, 2, true, 0).unwrap();
        assert_eq!(take(&mut queue, channel), [(4, 4), (5, 5)]);
        assert_eq!((queue.n_left(), queue.n_owed_max()), (3, 3));
        assert_eq!(queue.ack(channel, 1, false, 0), Err(Closed::UnknownTag));
        assert_eq!(queue.take(channel, 0), Err(Closed::UnknownTag), "which closed it");
        assert_eq!(queue.n_left(), 3, "and gave back what it was owed");
    }

    #[test]
    fn what_a_dead_channel_was_owed_comes_again_in_its_old_place_and_too_often_is_dead() {
        let mut queue = queue(3);
        for _ in 0..3 {
            let channel = queue.open(2, 0);
            assert_eq!(take(&mut queue, channel), [(1, 1), (2, 2)]);
            queue.close(channel, Closed::Gone, 0);
        }
        let channel = queue.open(2, 0);
        assert_eq!(take(&mut queue, channel), [(1, 3)]);
        assert_eq!(queue.dead(), [1, 2]);
        queue.nack(channel, 1, false, false, 0).unwrap();
        assert_eq!((queue.dead().len(), queue.n_left()), (3, 0));
    }

    #[test]
    fn a_delivery_that_is_owed_for_too_long_closes_its_channel_and_blocking_stops_publishers_alone() {
        let mut queue = queue(1);
        let channel = queue.open(0, 0);
        queue.block(true);
        assert_eq!(queue.publish(Bytes::new(), 0), None);
        assert_eq!(take(&mut queue, channel), [(1, 1)]);
        assert_eq!(queue.ack(channel, 1, false, 1_800_001), Err(Closed::TimedOut));
        assert_eq!(queue.closed(channel), Some(Closed::TimedOut));
    }
}
