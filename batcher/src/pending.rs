//! What is waited for, by ids that only grow: an answer finds it by one search in a line, and who waits makes
//! no node of a tree.

use std::collections::VecDeque;

/// What is waited for, in the order in which it was sent out.
#[derive(Debug)]
pub(crate) struct Pending<K, V> {
    /// In the order of their ids; those that were answered while an older one was not have no value.
    line: VecDeque<(K, Option<V>)>,
    n_open: usize,
}

impl<K, V> Default for Pending<K, V> {
    fn default() -> Self {
        Self { line: VecDeque::new(), n_open: 0 }
    }
}

impl<K: Ord + Copy, V> Pending<K, V> {
    pub(crate) fn is_empty(&self) -> bool {
        self.n_open == 0
    }

    /// `id` is above all that were inserted before.
    pub(crate) fn insert(&mut self, id: K, value: V) {
        debug_assert!(self.line.back().is_none_or(|(last, _)| *last < id), "ids only grow");
        self.line.push_back((id, Some(value)));
        self.n_open += 1;
    }

    pub(crate) fn get(&self, id: &K) -> Option<&V> {
        let at = self.line.binary_search_by(|(it, _)| it.cmp(id)).ok()?;
        self.line[at].1.as_ref()
    }

    pub(crate) fn remove(&mut self, id: &K) -> Option<V> {
        let at = self.line.binary_search_by(|(it, _)| it.cmp(id)).ok()?;
        let value = self.line[at].1.take()?;
        self.n_open -= 1;
        self.tidy();
        Some(value)
    }

    /// Keeps those for which this is so.
    pub(crate) fn retain(&mut self, mut keeps: impl FnMut(&K, &V) -> bool) {
        self.line.retain(|(id, value)| value.as_ref().is_some_and(|value| keeps(id, value)));
        self.n_open = self.line.len();
    }

    /// What was answered is let go of: at the beginning at once, behind one that waits for long when it is
    /// most of the line.
    fn tidy(&mut self) {
        while self.line.front().is_some_and(|(_, value)| value.is_none()) {
            self.line.pop_front();
        }
        // At most as many are kept in vain as are open, so a search stays short and the sweep costs little
        // each.
        if self.line.len() > 2 * self.n_open + 16 {
            self.line.retain(|(_, value)| value.is_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_once_in_whatever_order_the_answers_come() {
        let mut pending = Pending::default();
        (0..50).for_each(|id| pending.insert(id, id * 10));
        for id in (0..50).rev().filter(|id| id % 3 > 0).chain((0..50).filter(|id| id % 3 == 0)) {
            assert_eq!((pending.get(&id).copied(), pending.remove(&id)), (Some(id * 10), Some(id * 10)));
            assert_eq!((pending.get(&id).copied(), pending.remove(&id)), (None, None));
        }
        assert!(pending.is_empty() && pending.line.is_empty());
    }

    #[test]
    fn behind_one_that_is_never_answered_no_more_is_kept_than_is_open() {
        let mut pending = Pending::default();
        pending.insert(0, ());
        for id in 1..10_000 {
            pending.insert(id, ());
            pending.remove(&id);
        }
        assert!(pending.line.len() < 20 && pending.get(&0).is_some());
        (10_000..10_010).for_each(|id| pending.insert(id, ()));
        pending.retain(|id, ()| id % 2 == 0);
        assert_eq!((pending.n_open, pending.get(&10_001), pending.get(&10_002)), (6, None, Some(&())));
    }
}
