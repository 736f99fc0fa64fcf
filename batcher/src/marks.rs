//! A line of marks, one bit each, that is looked at 64 at a time and forgets its beginning.

use std::collections::VecDeque;

const BITS: usize = 64;

/// A line of marks; beyond its end none is set.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    words: VecDeque<u64>,
    /// How many marks of the first word are forgotten.
    n_forgotten: usize,
}

impl Marks {
    pub(crate) fn is_set(&self, at: usize) -> bool {
        let at = at + self.n_forgotten;
        self.words.get(at / BITS).is_some_and(|word| word >> (at % BITS) & 1 == 1)
    }

    pub(crate) fn set(&mut self, at: usize) {
        let at = at + self.n_forgotten;
        if self.words.len() <= at / BITS {
            self.words.resize(at / BITS + 1, 0);
        }
        self.words[at / BITS] |= 1 << (at % BITS);
    }

    /// How many are set in a row from this one on.
    pub(crate) fn n_set_from(&self, at: usize) -> usize {
        self.n_zeros_from(at, |word| !word)
    }

    /// How many are not set in a row from this one on, as far as the line goes.
    pub(crate) fn n_clear_from(&self, at: usize) -> usize {
        self.n_zeros_from(at, |word| word)
    }

    fn n_zeros_from(&self, at: usize, word: impl Fn(u64) -> u64) -> usize {
        let begin = at + self.n_forgotten;
        let mut end = begin;
        while let Some(it) = self.words.get(end / BITS) {
            let rest = word(*it) >> (end % BITS);
            if rest != 0 {
                end += rest.trailing_zeros() as usize;
                break;
            }
            end = (end / BITS + 1) * BITS;
        }
        end - begin
    }

    /// Forgets the first marks; what follows them is the first.
    pub(crate) fn forget(&mut self, n: usize) {
        let n = n + self.n_forgotten;
        let n_words = (n / BITS).min(self.words.len());
        if n_words > 0 {
            self.words.drain(..n_words);
        }
        self.n_forgotten = if self.words.is_empty() { 0 } else { n - n_words * BITS };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_counted_over_the_ends_of_words_and_after_the_first_are_forgotten() {
        let mut marks = Marks::default();
        (60..200).for_each(|at| marks.set(at));
        assert_eq!(
            (marks.n_clear_from(0), marks.n_set_from(60), marks.is_set(59), marks.is_set(200)),
            (60, 140, false, false)
        );
        marks.forget(59);
        assert_eq!(
            (marks.n_clear_from(0), marks.n_set_from(1), marks.is_set(0), marks.is_set(141)),
            (1, 140, false, false)
        );
        marks.forget(100);
        assert_eq!(marks.n_set_from(0), 41);
        marks.forget(41);
        marks.set(2);
        assert_eq!((marks.n_clear_from(0), marks.n_set_from(2), marks.n_set_from(3)), (2, 1, 0));
    }
}
