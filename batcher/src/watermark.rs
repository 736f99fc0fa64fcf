//! The records of a track that were read and lie at or above its watermark: which are open, and which finished ahead of it.

use std::collections::VecDeque;

use crate::record::Position;

/// Records of a track in reading order, from the first open one on.
#[derive(Debug, Default)]
pub(crate) struct OpenRecords {
    entries: VecDeque<Entry>,
    n_finished: usize,
}

#[derive(Debug)]
struct Entry {
    position: Position,
    is_finished: bool,
}

impl OpenRecords {
    /// A record was read that is not finished.
    pub(crate) fn open(&mut self, position: Position) {
        debug_assert!(self.entries.back().is_none_or(|last| last.position < position), "byte order is reading order");
        self.entries.push_back(Entry { position, is_finished: false });
    }

    /// A record was read that was finished in a former life.
    pub(crate) fn pass(&mut self, position: Position) {
        if !self.entries.is_empty() {
            self.entries.push_back(Entry { position, is_finished: true });
            self.n_finished += 1;
        }
    }

    /// Finishes records, in ascending order of position. Positions that are not open are ignored.
    pub(crate) fn finish<'a>(&mut self, positions: impl Iterator<Item = &'a Position>) {
        let mut from = 0;
        for position in positions {
            let at = match self.entries.get(from) {
                Some(entry) if entry.position == *position => from,
                Some(_) | None => self.entries.partition_point(|entry| entry.position < *position),
            };
            if let Some(entry) = self.entries.get_mut(at).filter(|entry| entry.position == *position && !entry.is_finished) {
                entry.is_finished = true;
                self.n_finished += 1;
                from = at + 1;
            }
        }
        while self.entries.front().is_some_and(|entry| entry.is_finished) {
            self.entries.pop_front();
            self.n_finished -= 1;
        }
    }

    /// The position behind which nothing is open; `None` when nothing is open at all.
    pub(crate) fn first(&self) -> Option<&Position> {
        self.entries.front().map(|entry| &entry.position)
    }

    /// How many finished records lie ahead of the first open one.
    pub(crate) fn n_finished_ahead(&self) -> usize {
        self.n_finished
    }

    /// The finished stretches ahead of the first open record, both ends included.
    pub(crate) fn finished(&self) -> Vec<(Position, Position)> {
        let mut stretches: Vec<(Position, Position)> = Vec::new();
        if self.n_finished == 0 {
            return stretches;
        }
        let mut is_inside = false;
        for entry in &self.entries {
            match (entry.is_finished, is_inside) {
                (true, true) => stretches.last_mut().expect("a stretch was begun").1 = entry.position.clone(),
                (true, false) => stretches.push((entry.position.clone(), entry.position.clone())),
                (false, _) => {}
            }
            is_inside = entry.is_finished;
        }
        stretches
    }
}

/// Joins stretches that overlap; both lists ascend.
pub(crate) fn join(stretches: Vec<(Position, Position)>, more: &[(Position, Position)]) -> Vec<(Position, Position)> {
    if more.is_empty() {
        return stretches;
    }
    let mut all = stretches;
    all.extend(more.iter().cloned());
    all.sort();
    let mut joined: Vec<(Position, Position)> = Vec::with_capacity(all.len());
    for (first, last) in all {
        match joined.last_mut() {
            Some(before) if first <= before.1 => before.1 = before.1.clone().max(last),
            Some(_) | None => joined.push((first, last)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watermark_waits_for_the_lowest_open_record() {
        let mut records = OpenRecords::default();
        [1, 3, 4, 9, 10].into_iter().for_each(|n| records.open(Position::number(n)));
        records.finish([Position::number(3), Position::number(4), Position::number(10)].iter());
        assert_eq!(records.first(), Some(&Position::number(1)));
        assert_eq!(records.n_finished_ahead(), 3);
        assert_eq!(records.finished(), vec![(Position::number(3), Position::number(4)), (Position::number(10), Position::number(10))]);
        records.finish([Position::number(1)].iter());
        assert_eq!(records.first(), Some(&Position::number(9)));
        records.finish([Position::number(9), Position::number(77)].iter());
        assert_eq!((records.first(), records.n_finished_ahead()), (None, 0));
    }

    #[test]
    fn stretches_of_a_former_life_are_joined_with_those_of_this_one() {
        let at = Position::number;
        let joined = join(vec![(at(3), at(4)), (at(8), at(9))], &[(at(4), at(6)), (at(20), at(30))]);
        assert_eq!(joined, vec![(at(3), at(6)), (at(8), at(9)), (at(20), at(30))]);
    }
}
