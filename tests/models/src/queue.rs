//! A visibility queue: a receipt per receive, group locks, receive counts, redrive; as strict as SQS may be.

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
    /// Where it is.
    pub whereabouts: Whereabouts,
    latest: Option<Handle>,
}

/// The queue would not do it: the receipt is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Void;

/// A visibility queue.
#[derive(Debug, Clone)]
pub struct Queue<T> {
    messages: Vec<Message<T>>,
    waiting: BTreeSet<usize>,
    handles: BTreeMap<Handle, usize>,
    next_handle: u64,
    receives_max: Option<u32>,
}

impl<T> Queue<T> {
    /// A queue that takes a message away when it would be received once more than `receives_max`.
    pub fn new(receives_max: Option<u32>) -> Self {
        Self { messages: Vec::new(), waiting: BTreeSet::new(), handles: BTreeMap::new(), next_handle: 0, receives_max }
    }

    /// Sends a message.
    pub fn send(&mut self, value: T, group: Option<u32>) -> usize {
        let idx = self.messages.len();
        self.messages.push(Message { value, group, n_receives: 0, whereabouts: Whereabouts::Queued { visible_at: 0 }, latest: None });
        self.waiting.insert(idx);
        idx
    }

    /// All messages ever sent.
    pub fn messages(&self) -> &[Message<T>] {
        &self.messages
    }

    /// Messages that are neither deleted nor dead.
    pub fn n_waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Receives up to `n_max` messages and hides them for `visibility` ticks; `None` hides them until they are settled.
    pub fn receive(&mut self, now: u64, n_max: usize, visibility: Option<u64>) -> Vec<(usize, Handle)> {
        let until = visibility.map_or(u64::MAX, |span| now + span);
        let locked = self.locked_groups(now);
        let mut received = Vec::new();
        for idx in self.waiting.iter().copied().collect::<Vec<_>>() {
            if received.len() == n_max {
                break;
            }
            let group = self.messages[idx].group;
            if !self.is_visible(idx, now) || group.is_some_and(|group| locked.contains(&group)) {
                // A hidden message locks what comes after it in its group; one that this receive took does not.
                continue;
            }
            if self.receives_max.is_some_and(|max| self.messages[idx].n_receives >= max) {
                self.messages[idx].whereabouts = Whereabouts::Dead;
                self.waiting.remove(&idx);
                continue;
            }
            received.push((idx, self.hand_out(idx, until)));
        }
        received
    }

    /// Hands out a hidden message once more, as a queue that promises no more than at-least-once may. Its newest receipt counts.
    pub fn repeat(&mut self, idx: usize, now: u64, visibility: Option<u64>) -> Option<Handle> {
        let queued = self.waiting.contains(&idx) && self.messages[idx].group.is_none();
        queued.then(|| self.hand_out(idx, visibility.map_or(u64::MAX, |span| now + span)))
    }

    /// Deletes by receipt. A group's receipt is void once it has lapsed.
    pub fn delete(&mut self, handle: Handle, now: u64) -> Result<usize, Void> {
        let idx = self.holder(handle, now)?;
        self.messages[idx].whereabouts = Whereabouts::Deleted;
        self.waiting.remove(&idx);
        Ok(idx)
    }

    /// Hides for `span` ticks from now; zero shows the message at once.
    pub fn hide(&mut self, handle: Handle, now: u64, span: u64) -> Result<u64, Void> {
        let idx = self.holder(handle, now)?;
        if self.is_visible(idx, now) {
            return Err(Void);
        }
        let visible_at = now + span;
        self.messages[idx].whereabouts = Whereabouts::Queued { visible_at };
        Ok(visible_at)
    }

    /// A channel has died: shows all that is hidden and voids every receipt so far.
    pub fn void_all(&mut self) {
        for idx in &self.waiting {
            self.messages[*idx].whereabouts = Whereabouts::Queued { visible_at: 0 };
            self.messages[*idx].latest = None;
        }
    }

    /// The earliest tick at which a message that is hidden will be seen again.
    pub fn next_visible(&self, now: u64) -> Option<u64> {
        self.waiting
            .iter()
            .filter_map(|idx| match self.messages[*idx].whereabouts {
                Whereabouts::Queued { visible_at } if visible_at > now && visible_at < u64::MAX => Some(visible_at),
                Whereabouts::Queued { .. } | Whereabouts::Deleted | Whereabouts::Dead => None,
            })
            .min()
    }

    /// Some message could be received now.
    pub fn has_visible(&self, now: u64) -> bool {
        let locked = self.locked_groups(now);
        self.waiting.iter().any(|idx| self.is_visible(*idx, now) && self.messages[*idx].group.is_none_or(|group| !locked.contains(&group)))
    }

    /// The message of a receipt, valid or not.
    pub fn message_of(&self, handle: Handle) -> Option<usize> {
        self.handles.get(&handle).copied()
    }

    fn is_visible(&self, idx: usize, now: u64) -> bool {
        matches!(self.messages[idx].whereabouts, Whereabouts::Queued { visible_at } if visible_at <= now)
    }

    fn locked_groups(&self, now: u64) -> BTreeSet<u32> {
        self.waiting.iter().filter(|idx| !self.is_visible(**idx, now)).filter_map(|idx| self.messages[*idx].group).collect()
    }

    fn hand_out(&mut self, idx: usize, until: u64) -> Handle {
        let handle = Handle(self.next_handle);
        self.next_handle += 1;
        self.handles.insert(handle, idx);
        let message = &mut self.messages[idx];
        message.n_receives += 1;
        message.latest = Some(handle);
        message.whereabouts = Whereabouts::Queued { visible_at: until };
        handle
    }

    fn holder(&self, handle: Handle, now: u64) -> Result<usize, Void> {
        let idx = *self.handles.get(&handle).ok_or(Void)?;
        let message = &self.messages[idx];
        let lapsed = message.group.is_some() && self.is_visible(idx, now);
        let held = self.waiting.contains(&idx) && message.latest == Some(handle) && !lapsed;
        held.then_some(idx).ok_or(Void)
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
        assert_eq!((queue.delete(first, 31), queue.delete(second, 31)), (Err(Void), Ok(0)));
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
    fn redrive_takes_a_message_away_at_the_receive_after_the_last() {
        let mut queue = Queue::new(Some(1));
        queue.send((), None);
        assert_eq!(queue.receive(0, 9, Some(5)).len(), 1);
        assert!(queue.receive(5, 9, Some(5)).is_empty());
        assert_eq!(queue.messages()[0].whereabouts, Whereabouts::Dead);
    }

    #[test]
    fn hiding_works_only_on_what_is_hidden() {
        let mut queue = Queue::new(None);
        queue.send((), None);
        let [(_, handle)] = queue.receive(0, 9, Some(5))[..] else { panic!("one message") };
        assert_eq!(queue.hide(handle, 4, 5), Ok(9));
        assert_eq!(queue.hide(handle, 9, 5), Err(Void));
    }
}
