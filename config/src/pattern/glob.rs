//! Texts with stars, all of a field at once: a bit for each place in each text, one pass over the value, no
//! backtracking.
//!
//! Prefixes, suffixes and wildcards are all texts with a star or more; texts without one are welcome too. The
//! cost is bytes of the value times words that are live, at most one word for 64 bytes of pattern; it does
//! not depend on where the stars stand.

use super::bits;

/// A piece of a text with stars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Piece {
    /// This byte.
    Byte(u8),
    /// Any run of bytes, the empty one too.
    Star,
}

/// Many texts with stars, each with the row of bits that it gives to a value that it matches.
#[derive(Debug, Clone, Default)]
pub(super) struct Globs {
    n_words: usize,
    /// For each byte value, the places that are reached by it.
    reached: Vec<u64>,
    /// The places where any byte may pass: there stands a star.
    stays: Vec<u64>,
    starts: Vec<u64>,
    /// The words of `starts` that are not zero: from, to.
    started: (usize, usize),
    ends: Vec<u64>,
    /// The rows, by the order of their end places.
    rows: Vec<(usize, Box<[u64]>)>,
}

/// What a pass needs, kept from value to value.
#[derive(Debug, Default)]
pub(super) struct GlobScratch {
    here: Vec<u64>,
    next: Vec<u64>,
}

impl Globs {
    pub(super) fn new(globs: impl IntoIterator<Item = (Vec<Piece>, Vec<u64>)>) -> Self {
        let globs: Vec<_> = globs.into_iter().collect();
        let n_bytes = |glob: &[Piece]| glob.iter().filter(|piece| matches!(piece, Piece::Byte(_))).count();
        // A place before each byte, and one behind the last.
        let n_places: usize = globs.iter().map(|(glob, _)| n_bytes(glob) + 1).sum();
        let n_words = n_places.div_ceil(64);
        let row = || vec![0; n_words];
        let (mut stays, mut starts, mut ends) = (row(), row(), row());
        let mut reached = if n_words == 0 { Vec::new() } else { vec![0; 256 * n_words] };
        let mut rows = Vec::with_capacity(globs.len());
        let mut place = 0;
        for (glob, given) in globs {
            bits::set(&mut starts, place);
            for piece in glob {
                match piece {
                    Piece::Byte(byte) => {
                        place += 1;
                        bits::set(&mut reached[usize::from(byte) * n_words..][..n_words], place);
                    }
                    // A star leads nowhere: any byte may pass at its place.
                    Piece::Star => bits::set(&mut stays, place),
                }
            }
            bits::set(&mut ends, place);
            // Places grow, so `or_ended` can search for them.
            rows.push((place, given.into()));
            place += 1;
        }
        let low = starts.iter().position(|&word| word != 0).unwrap_or(0);
        let high = starts.iter().rposition(|&word| word != 0).map_or(0, |word| word + 1);
        Self { n_words, reached, stays, starts, started: (low, high), ends, rows }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// `into |=` the rows of all texts that match; gives the words it touched.
    pub(super) fn or_matches(
        &self,
        value: impl Iterator<Item = u8>,
        scratch: &mut GlobScratch,
        into: &mut [u64],
    ) -> u64 {
        match self.n_words {
            0 => 0,
            1 => self.pass_narrow(value, into),
            _ => self.pass_wide(value, scratch, into),
        }
    }

    /// The rows of the texts that end at a live place of a word.
    fn or_ended(&self, word_idx: usize, live: u64, into: &mut [u64]) -> u64 {
        let mut steps = 0;
        for place in bits::ones(&[live & self.ends[word_idx]]) {
            let place = word_idx * 64 + place;
            let row =
                self.rows.binary_search_by_key(&place, |(end, _)| *end).expect("an end place has a row");
            bits::or(into, &self.rows[row].1);
            steps += into.len() as u64;
        }
        steps
    }

    /// All places fit one word.
    fn pass_narrow(&self, value: impl Iterator<Item = u8>, into: &mut [u64]) -> u64 {
        let (mut here, stays) = (self.starts[0], self.stays[0]);
        let mut steps = 1;
        for byte in value {
            // Each place goes on by its byte or stays at a star. The shift may leave one text for the next
            // one's start, but no byte reaches a start.
            here = (here << 1) & self.reached[usize::from(byte)] | here & stays;
            steps += 1;
            if here == 0 {
                return steps;
            }
        }
        steps + self.or_ended(0, here, into)
    }

    /// Places over several words; only the words between the lowest and the highest live place are touched.
    /// `here` and `next` hold one more word in front, always zero, from which the first one borrows its
    /// carry. Between passes, and outside of the live words, both are zero.
    fn pass_wide(&self, value: impl Iterator<Item = u8>, scratch: &mut GlobScratch, into: &mut [u64]) -> u64 {
        let GlobScratch { here, next } = scratch;
        // Never shorter: the two rows are lent to fields of all sizes and are zero beyond what is live.
        here.resize(here.len().max(self.n_words + 1), 0);
        next.resize(next.len().max(self.n_words + 1), 0);
        let (mut low, mut high) = self.started;
        here[low + 1..=high].copy_from_slice(&self.starts[low..high]);
        let mut steps = (high - low) as u64;
        for byte in value {
            // A place may carry into the word above the highest live one.
            high = (high + 1).min(self.n_words);
            let reached = &self.reached[usize::from(byte) * self.n_words..][low..high];
            let places = here[low + 1..=high].iter().zip(&here[low..high]);
            let tables = reached.iter().zip(&self.stays[low..high]);
            for ((next, (here, below)), (reached, stays)) in
                next[low + 1..=high].iter_mut().zip(places).zip(tables)
            {
                *next = (here << 1 | below >> 63) & reached | here & stays;
            }
            steps += (high - low) as u64;
            std::mem::swap(here, next);
            // Dead words are cleared in the other row as well: it has the places of the byte before.
            while high > low && here[high] == 0 {
                next[high] = 0;
                high -= 1;
            }
            while low < high && here[low + 1] == 0 {
                next[low + 1] = 0;
                low += 1;
            }
            if low == high {
                return steps;
            }
        }
        for word_idx in low..high {
            steps += self.or_ended(word_idx, here[word_idx + 1], into);
            // Given back as they were found: zero.
            here[word_idx + 1] = 0;
            next[word_idx + 1] = 0;
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    fn slow(glob: &[Piece], value: &[u8]) -> bool {
        match (glob.split_first(), value.split_first()) {
            (None, None) => true,
            (Some((Piece::Star, rest)), _) => {
                slow(rest, value) || value.split_first().is_some_and(|(_, value)| slow(glob, value))
            }
            (Some((Piece::Byte(byte), rest)), Some((first, value))) => byte == first && slow(rest, value),
            (None, Some(_)) | (Some((Piece::Byte(_), _)), None) => false,
        }
    }

    fn glob() -> impl Strategy<Value = Vec<Piece>> {
        let piece =
            prop_oneof![3 => Just(Piece::Byte(b'a')), 1 => Just(Piece::Byte(b'b')), 1 => Just(Piece::Star)];
        proptest::collection::vec(piece, 0..90).prop_map(|mut glob| {
            glob.dedup_by(|a, b| *a == Piece::Star && *b == Piece::Star);
            // The slow matcher backtracks.
            let mut n_stars = 0;
            glob.retain(|piece| {
                n_stars += usize::from(*piece == Piece::Star);
                *piece != Piece::Star || n_stars <= 3
            });
            glob
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn one_pass_agrees_with_backtracking(
            globs in proptest::collection::vec(glob(), 1..6), values in proptest::collection::vec("[ab]{0,40}", 1..4), pick in any::<prop::sample::Index>(),
        ) {
            let compiled = Globs::new(globs.iter().enumerate().map(|(idx, glob)| (glob.clone(), vec![1 << idx])));
            // A value that one of them matches, besides those drawn blindly.
            let hit: String = pick.get(&globs).iter().map(|piece| if let Piece::Byte(byte) = piece { char::from(*byte) } else { 'b' }).collect();
            let mut scratch = GlobScratch::default();
            for value in values.iter().chain([&hit]) {
                let expected = globs.iter().enumerate().fold(0, |row, (idx, glob)| row | u64::from(slow(glob, value.as_bytes())) << idx);
                let mut row = [0];
                compiled.or_matches(value.bytes(), &mut scratch, &mut row);
                prop_assert_eq!(row[0], expected, "{}", value);
            }
        }
    }
}
