//! The records of a track that were read and lie at or above its watermark: which are open, and which
//! finished ahead of it, as stretches.

use std::collections::VecDeque;

use crate::marks::Marks;
use crate::record::Position;

/// Records of a track in reading order, from the first open one on.
#[derive(Debug, Default)]
pub(crate) struct OpenRecords {
    positions: VecDeque<Position>,
    /// Which of them are finished, counted from the first on.
    finished: Marks,
    n_finished: usize,
    n_stretches: usize,
}

impl OpenRecords {
    /// A record was read that is not finished.
    pub(crate) fn open(&mut self, position: Position) {
        debug_assert!(
            self.positions.back().is_none_or(|last| *last < position),
            "byte order is reading order"
        );
        self.positions.push_back(position);
    }

    /// A record was read that was finished in a former life.
    pub(crate) fn pass(&mut self, position: Position) {
        // With nothing open before it the watermark stands at `passed`, and that moves over it anyway.
        if !self.positions.is_empty() {
            self.positions.push_back(position);
            self.finish_ahead(self.positions.len() - 1);
        }
    }

    /// Finishes records, in ascending order of position. Positions that are not open are ignored.
    pub(crate) fn finish<'a>(&mut self, positions: impl Iterator<Item = &'a Position>) {
        let mut from = 0;
        for position in positions {
            let at = self.find(position, from);
            if self.positions.get(at).is_none_or(|it| it != position) || self.finished.is_set(at) {
                continue;
            }
            if at == 0 {
                self.finish_first();
                from = 0;
            } else {
                self.finish_ahead(at);
                from = at + 1;
            }
        }
    }

    /// Where a position stands, looked for from a place on near which it mostly is; behind the last when it
    /// is nowhere.
    fn find(&self, position: &Position, from: usize) -> usize {
        let is_below = |at: usize| self.positions.get(at).is_some_and(|it| it < position);
        if from > 0 && !is_below(from - 1) {
            return self.positions.partition_point(|it| it < position);
        }
        let (mut below, mut step) = (from, 1);
        while is_below(below + step - 1) {
            below += step;
            step *= 2;
        }
        // It stands between what is below and the first that is not.
        let mut above = below + step - 1;
        while below < above {
            let middle = below.midpoint(above);
            if is_below(middle) { below = middle + 1 } else { above = middle }
        }
        below
    }

    /// The first open record is finished, and with it the stretch behind it.
    fn finish_first(&mut self) {
        let n_behind = self.finished.n_set_from(1);
        // One by one: most often it is the first alone.
        (0..=n_behind).for_each(|_| drop(self.positions.pop_front()));
        self.finished.forget(n_behind + 1);
        self.n_finished -= n_behind;
        self.n_stretches -= usize::from(n_behind > 0);
    }

    fn finish_ahead(&mut self, at: usize) {
        let n_neighbours =
            usize::from(self.finished.is_set(at - 1)) + usize::from(self.finished.is_set(at + 1));
        self.finished.set(at);
        self.n_finished += 1;
        // It begins a stretch, goes on with one, or joins two.
        self.n_stretches = self.n_stretches + 1 - n_neighbours;
    }

    /// The position behind which nothing is open; `None` when nothing is open at all.
    pub(crate) fn first(&self) -> Option<&Position> {
        self.positions.front()
    }

    /// How many finished records lie ahead of the first open one.
    pub(crate) fn n_finished_ahead(&self) -> usize {
        self.n_finished
    }

    /// How many bytes the finished stretches take in a checkpoint at most.
    pub(crate) fn n_bytes_ahead(&self) -> usize {
        let position = self.positions.back().map_or(0, |it| it.0.as_slice().len());
        self.n_stretches * 2 * (position + 2)
    }

    /// The finished stretches ahead of the first open record, both ends included.
    pub(crate) fn finished(&self) -> Vec<(Position, Position)> {
        let mut stretches = Vec::with_capacity(self.n_stretches);
        let mut at = 0;
        while stretches.len() < self.n_stretches {
            at += self.finished.n_clear_from(at);
            let n = self.finished.n_set_from(at);
            stretches.push((self.positions[at].clone(), self.positions[at + n - 1].clone()));
            at += n;
        }
        stretches
    }
}

/// Joins stretches that overlap; both lists ascend.
pub(crate) fn join(
    stretches: Vec<(Position, Position)>,
    more: &[(Position, Position)],
) -> Vec<(Position, Position)> {
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
        assert_eq!(
            records.finished(),
            vec![(Position::number(3), Position::number(4)), (Position::number(10), Position::number(10))]
        );
        records.finish([Position::number(1)].iter());
        assert_eq!(records.first(), Some(&Position::number(9)));
        records.finish([Position::number(9), Position::number(77)].iter());
        assert_eq!((records.first(), records.n_finished_ahead()), (None, 0));
    }

    #[test]
    fn stretches_are_those_of_the_records_one_by_one_whatever_the_order_they_finish_in() {
        for seed in 0..200_u64 {
            let mut records = OpenRecords::default();
            let mut open: Vec<(u64, bool)> = Vec::new();
            let mut draw = seed;
            for n in 0..60 {
                draw = crate::backoff::mix(draw);
                match draw % 3 {
                    0 => {
                        records.open(Position::number(n));
                        open.push((n, false));
                    }
                    1 => {
                        records.pass(Position::number(n));
                        if !open.is_empty() {
                            open.push((n, true));
                        }
                    }
                    _ if open.is_empty() => {}
                    _ => {
                        let at = usize::try_from(draw >> 32).unwrap() % open.len();
                        records.finish([Position::number(open[at].0)].iter());
                        open[at].1 = true;
                    }
                }
                let n_done = open.iter().take_while(|(_, is_finished)| *is_finished).count();
                open.drain(..n_done);
                let stretches: Vec<(u64, u64)> = open
                    .chunk_by(|a, b| a.1 == b.1)
                    .filter(|part| part[0].1)
                    .map(|part| (part[0].0, part[part.len() - 1].0))
                    .collect();
                let told: Vec<(u64, u64)> = records
                    .finished()
                    .iter()
                    .map(|(a, b)| (a.as_number().unwrap(), b.as_number().unwrap()))
                    .collect();
                assert_eq!(told, stretches, "seed {seed}");
                assert_eq!(
                    records.first().and_then(Position::as_number),
                    open.first().map(|it| it.0),
                    "seed {seed}"
                );
                assert_eq!(records.n_finished_ahead(), open.iter().filter(|it| it.1).count(), "seed {seed}");
            }
        }
    }

    #[test]
    fn stretches_of_a_former_life_are_joined_with_those_of_this_one() {
        let at = Position::number;
        let joined = join(vec![(at(3), at(4)), (at(8), at(9))], &[(at(4), at(6)), (at(20), at(30))]);
        assert_eq!(joined, vec![(at(3), at(6)), (at(8), at(9)), (at(20), at(30))]);
    }
}
