//! A visibility queue: a receipt per receive, group locks, receive counts, delays, redrive; as strict as SQS
//! may be.
//!
//! Time is a number of ticks that the caller gives and that never goes back. What the calls are called and
//! refused with is `sqs`'s part.

use std::collections::{BTreeMap, BTreeSet};

/// The number of a receipt, unique per receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub u64);

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// It can be received from this tick on.
    Queued {
        /// Hidden until then.
        visible_at: u64,
    },
    /// It was deleted.
    Deleted,
    /// The redrive policy took it away.
    Dead,
}

/// A message.
#[derive(Debug, Clone)]
pub struct Message<T> {
    /// What it says.
    pub value: T,
    /// Its group: messages of one group come in order, and none while another is hidden.
    pub group: Option<u32>,
    /// How often it was received.
    pub n_receives: u32,
    /// When it was received first.
    pub first_received_at: Option<u64>,
    /// Where it is.
    pub whereabouts: Whereabouts,
    received_at: u64,
    latest: Option<Handle>,
}

/// Why a receipt is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Void {
    /// This queue never gave it.
    Unknown,
    /// Its message was deleted or taken away.
    Gone,
    /// Its message was received again, or its channel died.
    Superseded,
    /// Its message is visible again.
    Lapsed,
    /// Its message would be hidden for longer than is allowed from its receive on.
    TooLong,
}

/// What a queue allows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// A message is taken away when it would be received once more than this.
    pub receives_max: Option<u32>,
    /// How long a message may be hidden in all from its receive on.
    pub hidden_max: Option<u64>,
}

/// A visibility queue.
#[derive(Debug, Clone)]
pub struct Queue<T> {
    rules: Rules,
    messages: Vec<Message<T>>,
    /// Visible as of the last look at the clock.
    ready: BTreeSet<usize>,
    /// Hidden, by the tick at which each is visible again.
    hidden: BTreeSet<(u64, usize)>,
    /// Groups with hidden messages, and with how many.
    locks: BTreeMap<u32, usize>,
    handles: BTreeMap<Handle, usize>,
    next_handle: u64,
    fresh_dead: Vec<usize>,
}

impl<T> Queue<T> {
    /// A queue that takes a message away when it would be received once more than `receives_max`.
    pub fn new(receives_max: Option<u32>) -> Self {
        Self::with(Rules { receives_max, ..Rules::default() })
    }

    /// A queue with these rules.
    pub fn with(rules: Rules) -> Self {
        let (ready, hidden, locks) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        Self {
            rules,
            messages: Vec::new(),
            ready,
            hidden,
            locks,
            handles: BTreeMap::new(),
            next_handle: 0,
            fresh_dead: Vec::new(),
        }
    }

    /// From now on these rules hold.
    pub fn set_rules(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// Sends a message.
    pub fn send(&mut self, value: T, group: Option<u32>) -> usize {
        self.send_hidden(value, group, 0)
    }

    /// Sends a message that is hidden until a tick.
    pub fn send_hidden(&mut self, value: T, group: Option<u32>, visible_at: u64) -> usize {
        let (idx, whereabouts) = (self.messages.len(), Whereabouts::Deleted);
        self.messages.push(Message {
            value,
            group,
            n_receives: 0,
            first_received_at: None,
            whereabouts,
            received_at: 0,
            latest: None,
        });
        self.place(idx, visible_at);
        idx
    }

    /// A message that was received so often elsewhere comes here.
    pub fn take_over(&mut self, value: T, group: Option<u32>, n_receives: u32) -> usize {
        let idx = self.send(value, group);
        self.messages[idx].n_receives = n_receives;
        idx
    }

    /// All messages ever sent.
    pub fn messages(&self) -> &[Message<T>] {
        &self.messages
    }

    /// Messages that are neither deleted nor dead.
    pub fn n_waiting(&self) -> usize {
        self.ready.len() + self.hidden.len()
    }

    /// Messages that are visible, that are in flight, and that wait for their delay.
    pub fn counts(&mut self, now: u64) -> (usize, usize, usize) {
        self.advance(now);
        // Hidden without ever having been received: it waits for the delay that it was sent with.
        let n_delayed = self.hidden.iter().filter(|(_, idx)| self.messages[*idx].latest.is_none()).count();
        (self.ready.len(), self.hidden.len() - n_delayed, n_delayed)
    }

    /// Receives up to `n_max` messages and hides them for `visibility` ticks; `None` hides them until they
    /// are settled.
    pub fn receive(&mut self, now: u64, n_max: usize, visibility: Option<u64>) -> Vec<(usize, Handle)> {
        self.advance(now);
        let until = visibility.map_or(u64::MAX, |span| now + span);
        let (mut chosen, mut dead) = (Vec::new(), Vec::new());
        for idx in &self.ready {
            if chosen.len() == n_max {
                break;
            }
            let Message { group, n_receives, .. } = &self.messages[*idx];
            if group.is_some_and(|group| self.locks.contains_key(&group)) {
                // A hidden message locks its group; one that this receive takes does not.
                continue;
            }
            // As SQS does it: taken away when it would be received once more, and not when the last receive
            // lapses.
            if self.rules.receives_max.is_some_and(|max| *n_receives >= max) {
                dead.push(*idx);
            } else {
                chosen.push(*idx);
            }
        }
        for idx in dead {
            self.withdraw(idx, Whereabouts::Dead);
            self.fresh_dead.push(idx);
        }
        chosen.into_iter().map(|idx| (idx, self.hand_out(idx, now, until))).collect()
    }

    /// Hands out a hidden message once more, as a queue that promises no more than at-least-once may. Its
    /// newest receipt counts.
    pub fn repeat(&mut self, idx: usize, now: u64, visibility: Option<u64>) -> Option<Handle> {
        let Message { group, whereabouts, .. } = &self.messages[idx];
        // FIFO queues promise that no message is received while it is hidden.
        let may = group.is_none() && matches!(whereabouts, Whereabouts::Queued { .. });
        may.then(|| self.hand_out(idx, now, visibility.map_or(u64::MAX, |span| now + span)))
    }

    /// Deletes by receipt. A group's receipt is void once it has lapsed.
    pub fn delete(&mut self, handle: Handle, now: u64) -> Result<usize, Void> {
        let idx = self.holder(handle, now)?;
        self.withdraw(idx, Whereabouts::Deleted);
        Ok(idx)
    }

    /// Hides for `span` ticks from now; zero shows the message at once.
    pub fn hide(&mut self, handle: Handle, now: u64, span: u64) -> Result<u64, Void> {
        let idx = self.holder(handle, now)?;
        if self.ready.contains(&idx) {
            return Err(Void::Lapsed);
        }
        let visible_at = now + span;
        if self.rules.hidden_max.is_some_and(|max| visible_at > self.messages[idx].received_at + max) {
            return Err(Void::TooLong);
        }
        self.place(idx, visible_at);
        Ok(visible_at)
    }

    /// A channel has died: shows all that is hidden and voids every receipt so far.
    pub fn void_all(&mut self) {
        for (_, idx) in std::mem::take(&mut self.hidden) {
            self.place_ready(idx, 0);
        }
        self.locks.clear();
        for idx in &self.ready {
            // The receipt is void though its number is known: whoever settles by it must hear so.
            self.messages[*idx].latest = None;
        }
    }

    /// Deletes all that is there.
    pub fn purge(&mut self) {
        for idx in
            self.ready.iter().chain(self.hidden.iter().map(|(_, idx)| idx)).copied().collect::<Vec<_>>()
        {
            self.withdraw(idx, Whereabouts::Deleted);
        }
    }

    /// The messages that the redrive policy has taken away since this was asked last.
    pub fn take_dead(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.fresh_dead)
    }

    /// The earliest tick at which a message that is hidden will be seen again.
    pub fn next_visible(&self, now: u64) -> Option<u64> {
        self.hidden.iter().map(|(visible_at, _)| *visible_at).find(|it| *it > now).filter(|it| *it < u64::MAX)
    }

    /// Some message could be received now.
    pub fn has_visible(&mut self, now: u64) -> bool {
        self.advance(now);
        self.ready
            .iter()
            .any(|idx| self.messages[*idx].group.is_none_or(|group| !self.locks.contains_key(&group)))
    }

    /// The message of a receipt, valid or not.
    pub fn message_of(&self, handle: Handle) -> Option<usize> {
        self.handles.get(&handle).copied()
    }

    /// Until when the message of this receipt stays hidden for whoever has it; an error when the queue
    /// honours the receipt no more.
    pub fn honours(&self, handle: Handle, now: u64) -> Result<u64, Void> {
        let Message { whereabouts, latest, .. } =
            &self.messages[*self.handles.get(&handle).ok_or(Void::Unknown)?];
        match whereabouts {
            Whereabouts::Queued { .. } if *latest != Some(handle) => Err(Void::Superseded),
            Whereabouts::Queued { visible_at } if *visible_at > now => Ok(*visible_at),
            Whereabouts::Queued { .. } => Err(Void::Lapsed),
            Whereabouts::Deleted | Whereabouts::Dead => Err(Void::Gone),
        }
    }

    /// The receipt of a message's last receive, where its channel lives.
    pub fn latest(&self, idx: usize) -> Option<Handle> {
        self.messages[idx].latest
    }

    fn advance(&mut self, now: u64) {
        while let Some((visible_at, idx)) =
            self.hidden.first().copied().filter(|(visible_at, _)| *visible_at <= now)
        {
            self.unplace(idx);
            self.place_ready(idx, visible_at);
        }
    }

    /// Puts a message where its `visible_at` says. Tick zero is always over.
    fn place(&mut self, idx: usize, visible_at: u64) {
        self.unplace(idx);
        if visible_at == 0 {
            self.place_ready(idx, visible_at);
            return;
        }
        self.messages[idx].whereabouts = Whereabouts::Queued { visible_at };
        self.hidden.insert((visible_at, idx));
        if let Some(group) = self.messages[idx].group {
            *self.locks.entry(group).or_default() += 1;
        }
    }

    fn place_ready(&mut self, idx: usize, visible_at: u64) {
        self.messages[idx].whereabouts = Whereabouts::Queued { visible_at };
        self.ready.insert(idx);
    }

    fn unplace(&mut self, idx: usize) {
        self.ready.remove(&idx);
        let Message { whereabouts: Whereabouts::Queued { visible_at }, group, .. } = &self.messages[idx]
        else {
            return;
        };
        // Only what was hidden had a part in its group's lock; what was ready had none to give back.
        if self.hidden.remove(&(*visible_at, idx))
            && let Some(group) = group
            && let Some(n_hidden) = self.locks.get_mut(group)
        {
            *n_hidden -= 1;
            if *n_hidden == 0 {
                self.locks.remove(group);
            }
        }
    }

    fn withdraw(&mut self, idx: usize, to: Whereabouts) {
        self.unplace(idx);
        self.messages[idx].whereabouts = to;
    }

    fn hand_out(&mut self, idx: usize, now: u64, until: u64) -> Handle {
        let handle = Handle(self.next_handle);
        self.next_handle += 1;
        self.handles.insert(handle, idx);
        self.place(idx, until);
        let message = &mut self.messages[idx];
        message.n_receives += 1;
        message.first_received_at.get_or_insert(now);
        message.received_at = now;
        message.latest = Some(handle);
        handle
    }

    fn holder(&mut self, handle: Handle, now: u64) -> Result<usize, Void> {
        self.advance(now);
        let idx = *self.handles.get(&handle).ok_or(Void::Unknown)?;
        let Message { whereabouts, latest, group, .. } = &self.messages[idx];
        if !matches!(whereabouts, Whereabouts::Queued { .. }) {
            Err(Void::Gone)
        } else if *latest != Some(handle) {
            Err(Void::Superseded)
        // A standard queue still takes a receipt that has lapsed, as long as nobody received the message
        // since.
        } else if group.is_some() && self.ready.contains(&idx) {
            Err(Void::Lapsed)
        } else {
            Ok(idx)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_hidden_while_received_and_comes_again_when_that_lapses() {
        let mut queue = Queue::new(None);
        queue.send('a', None);
        let [(_, first)] = queue.receive(0, 9, Some(30))[..] else { panic!("one message") };
        assert!(queue.receive(29, 9, Some(30)).is_empty());
        let [(_, second)] = queue.receive(30, 9, Some(30))[..] else { panic!("the same again") };
        assert_eq!((queue.delete(first, 31), queue.delete(second, 31)), (Err(Void::Superseded), Ok(0)));
        assert_eq!(queue.delete(second, 32), Err(Void::Gone));
        assert_eq!(queue.delete(Handle(9), 32), Err(Void::Unknown));
        assert_eq!(queue.n_waiting(), 0);
    }

    #[test]
    fn a_group_gives_its_messages_in_order_and_waits_for_those_in_flight() {
        let mut queue = Queue::new(None);
        for group in [1, 1, 2, 1] {
            queue.send((), Some(group));
        }
        let first: Vec<_> = queue.receive(0, 2, Some(30)).into_iter().map(|(idx, _)| idx).collect();
        let second: Vec<_> = queue.receive(1, 9, Some(30)).into_iter().map(|(idx, _)| idx).collect();
        assert_eq!((first, second), (vec![0, 1], vec![2]));
        assert!(!queue.has_visible(2));
        assert_eq!(queue.next_visible(2), Some(30));
    }

    #[test]
    fn a_lapsed_receipt_deletes_a_message_without_a_group_and_none_of_a_group() {
        let mut queue = Queue::new(None);
        queue.send((), None);
        queue.send((), Some(1));
        let [(_, free), (_, grouped)] = queue.receive(0, 9, Some(5))[..] else { panic!("both") };
        assert_eq!((queue.delete(free, 5), queue.delete(grouped, 5)), (Ok(0), Err(Void::Lapsed)));
    }

    #[test]
    fn a_receipt_is_honoured_while_it_is_the_last_and_its_message_is_hidden() {
        let mut queue = Queue::new(None);
        let idx = queue.send((), None);
        let [(_, first)] = queue.receive(0, 9, Some(5))[..] else { panic!("one message") };
        assert_eq!((queue.honours(first, 4), queue.honours(first, 5)), (Ok(5), Err(Void::Lapsed)));
        let [(_, second)] = queue.receive(5, 9, Some(5))[..] else { panic!("the same again") };
        assert_eq!(
            (queue.honours(first, 6), queue.honours(second, 6), queue.latest(idx)),
            (Err(Void::Superseded), Ok(10), Some(second))
        );
        assert_eq!((queue.delete(second, 7), queue.honours(second, 7)), (Ok(0), Err(Void::Gone)));
    }

    #[test]
    fn redrive_takes_a_message_away_at_the_receive_after_the_last() {
        let mut queue = Queue::new(Some(1));
        queue.send((), None);
        assert_eq!(queue.receive(0, 9, Some(5)).len(), 1);
        assert!(queue.receive(5, 9, Some(5)).is_empty());
        assert_eq!(
            (queue.messages()[0].whereabouts, queue.take_dead(), queue.take_dead()),
            (Whereabouts::Dead, vec![0], vec![])
        );
    }

    #[test]
    fn hiding_works_only_on_what_is_hidden_and_only_so_long_from_its_receive_on() {
        let mut queue = Queue::with(Rules { hidden_max: Some(10), ..Rules::default() });
        queue.send((), None);
        let [(_, handle)] = queue.receive(1, 9, Some(5))[..] else { panic!("one message") };
        assert_eq!(queue.hide(handle, 4, 5), Ok(9));
        assert_eq!((queue.hide(handle, 8, 4), queue.hide(handle, 8, 3)), (Err(Void::TooLong), Ok(11)));
        assert_eq!(queue.hide(handle, 11, 5), Err(Void::Lapsed));
    }

    #[test]
    fn a_delayed_message_is_counted_apart_and_comes_when_its_delay_is_over() {
        let mut queue = Queue::new(None);
        queue.send_hidden('a', None, 7);
        queue.send('b', None);
        assert_eq!(queue.receive(0, 9, Some(30)).len(), 1);
        assert_eq!((queue.counts(6), queue.counts(7)), ((0, 1, 1), (1, 1, 0)));
    }
}
