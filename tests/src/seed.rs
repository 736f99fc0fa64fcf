//! Numbers that look random and follow from a seed, so that a failure can be repeated.

use std::time::SystemTime;

/// A source of numbers.
#[derive(Debug, Clone)]
pub struct Seed {
    seed: u64,
    state: u64,
}

impl Seed {
    /// This seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// The seed that this variable holds, else a new one.
    pub fn of_variable(variable: &str) -> Self {
        let given = std::env::var(variable).ok().and_then(|it| it.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            u64::try_from(now.as_nanos() % 1_000_000_007).unwrap_or_default()
        });
        Self::new(seed)
    }

    /// What it began with; a test prints it with the variable.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        // splitmix64
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.state;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (it ^ (it >> 31)) % n.max(1)
    }

    /// An index of a list of so many.
    pub fn idx_below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).expect("lists are short");
        usize::try_from(self.below(n)).expect("lists are short")
    }

    /// One of these.
    ///
    /// # Panics
    /// When there is none.
    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.idx_below(all.len())]
    }
}
