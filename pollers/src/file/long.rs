//! A line that is longer than its record may be: its first bytes, and how many follow.

use bytes::Bytes;

/// The beginning of an over-long line whose end was not found yet.
pub(super) struct Long {
    pub(super) kept: Bytes,
    n_skipped: u64,
    last: u8,
}

impl Long {
    /// A line that begins with these bytes.
    pub(super) fn new(kept: Bytes) -> Self {
        Self { kept, n_skipped: 0, last: 0 }
    }

    /// These bytes follow.
    pub(super) fn skip(&mut self, bytes: &[u8]) {
        self.last = bytes.last().copied().unwrap_or(self.last);
        self.n_skipped += bytes.len() as u64;
    }

    /// A line that may be over-long, and the bytes that were read of it last: what is kept, what is beyond,
    /// how many bytes it has.
    pub(super) fn join(long: Option<Self>, rest: Bytes) -> (Bytes, u64, u64) {
        let Some(mut long) = long else {
            let n_bytes = rest.len() as u64;
            return (rest, 0, n_bytes);
        };
        long.skip(&rest);
        let n_bytes = long.n_bytes();
        (long.kept, long.n_skipped - u64::from(long.last == b'\r'), n_bytes)
    }

    /// How many bytes of it were read.
    pub(super) fn n_bytes(&self) -> u64 {
        self.kept.len() as u64 + self.n_skipped
    }
}
