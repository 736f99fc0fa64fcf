//! What happened, as lines when somebody looks and as a hash always.

/// The trace of a run.
#[derive(Debug, Clone)]
pub struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
    n_lines_max: usize,
}

impl Trace {
    /// A trace that keeps its lines, or its hash only.
    pub fn new(keep: Keep) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            lines: matches!(keep, Keep::Lines).then(Vec::new),
            n_lines_max: 100_000,
        }
    }

    /// Notes one thing that happened: numbers for the hash, words for people.
    pub fn note(&mut self, numbers: &[u64], words: impl FnOnce() -> String) {
        for number in numbers {
            self.hash = (self.hash ^ number).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        }
        if let Some(lines) = self.lines.as_mut()
            && lines.len() < self.n_lines_max
        {
            lines.push(words());
        }
    }

    /// The hash so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines, when they were kept.
    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}

/// Whether a trace keeps its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The hash only: fast.
    Hash,
    /// Every line.
    Lines,
}
