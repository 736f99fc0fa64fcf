//! The stretch of a file that is in memory: some bytes that were read before, then those that are to be cut
//! into lines.

use bytes::Bytes;

use super::evidence::TAIL_MAX;

/// Part of a file. What lies before the place where it is cut next is kept as far as a position's evidence
/// needs it.
#[derive(Default)]
pub(super) struct Window {
    bytes: Bytes,
    /// Where it is cut next.
    at: usize,
}

impl Window {
    /// What is still to be cut.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// The last bytes before the rest.
    pub(super) fn before(&self) -> &[u8] {
        &self.bytes[self.at.saturating_sub(TAIL_MAX)..self.at]
    }

    /// The last bytes of all.
    pub(super) fn tail(&self) -> &[u8] {
        &self.bytes[self.bytes.len().saturating_sub(TAIL_MAX)..]
    }

    /// Cuts the first `n` bytes off the rest.
    pub(super) fn take(&mut self, n: usize) -> Bytes {
        let taken = self.bytes.slice(self.at..self.at + n);
        self.at += n;
        taken
    }

    /// Adds what was read; its first `n_known` bytes lie before the end of what is here.
    pub(super) fn extend(&mut self, read: Vec<u8>, n_known: usize) {
        if self.rest().is_empty() {
            *self = Self { bytes: read.into(), at: n_known };
        } else {
            let at = self.before().len();
            let bytes = [self.before(), self.rest(), &read[n_known..]].concat().into();
            *self = Self { bytes, at };
        }
    }

    /// Gives the memory of what was cut free, when that is most of it.
    pub(super) fn shrink(&mut self) {
        let n_needed = self.before().len() + self.rest().len();
        if self.bytes.len() > 2 * n_needed {
            let at = self.before().len();
            *self = Self { bytes: Bytes::copy_from_slice(&self.bytes[self.at - at..]), at };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_before_a_cut_is_kept_over_reads_and_over_giving_memory_free() {
        let file: Vec<u8> = (0..2000_u32).map(|it| (it % 251) as u8).collect();
        let (mut window, mut end) = (Window::default(), 0);
        let mut at = 0;
        for (n_read, n_cut) in [(100, 40), (500, 560), (300, 0), (1, 301), (700, 3), (10, 707), (0, 0)] {
            let n_known = end.min(TAIL_MAX);
            window.extend(file[end - n_known..end + n_read].to_vec(), n_known);
            end += n_read;
            assert_eq!(window.take(n_cut), file[at..at + n_cut]);
            at += n_cut;
            window.shrink();
            assert_eq!(window.rest(), &file[at..end]);
            assert_eq!(window.before(), &file[at.saturating_sub(TAIL_MAX)..at]);
            assert!(file[..end].ends_with(window.tail()) && window.tail().len() >= end.min(TAIL_MAX));
        }
    }
}
