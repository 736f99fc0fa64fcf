//! A record's JSON as a part of what it was rendered into, so that neighbours go out as one piece.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use bytes::Bytes;

static NOTHING: Bytes = Bytes::from_static(&[]);

/// A part of a chunk of bytes. Clones share the chunk.
#[derive(Clone, Default)]
pub struct Rendered {
    /// Behind one word, for records are moved often and their chunk is looked at once; `None` where they are
    /// part of nothing.
    chunk: Option<Arc<Bytes>>,
    /// Four bytes each, for there are many of them: a chunk is far below 4 GiB.
    start: u32,
    end: u32,
}

impl Rendered {
    /// The part of `chunk` in this range.
    ///
    /// # Panics
    /// When the chunk has no such range.
    pub fn part(chunk: Arc<Bytes>, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= chunk.len(), "{range:?} of {} bytes", chunk.len());
        let place = |at: usize| u32::try_from(at).expect("a chunk is far below 4 GiB");
        Self { start: place(range.start), end: place(range.end), chunk: Some(chunk) }
    }

    /// What it is a part of.
    pub fn chunk(&self) -> &Bytes {
        self.chunk.as_deref().unwrap_or(&NOTHING)
    }

    /// Which part.
    pub fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// How many bytes it has; their chunk is not looked at.
    pub fn n_bytes(&self) -> u64 {
        u64::from(self.end - self.start)
    }

    /// Whether both are parts of one chunk.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.chunk.as_ref().map(Arc::as_ptr) == other.chunk.as_ref().map(Arc::as_ptr)
    }
}

impl Deref for Rendered {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.chunk()[self.range()]
    }
}

impl From<Bytes> for Rendered {
    fn from(bytes: Bytes) -> Self {
        let n_bytes = bytes.len();
        Self::part(Arc::new(bytes), 0..n_bytes)
    }
}

impl From<Vec<u8>> for Rendered {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

/// Two that say the same are the same, wherever they lie.
impl PartialEq for Rendered {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Rendered {}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.chunk().slice(self.range()).fmt(f)
    }
}
