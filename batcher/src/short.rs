//! Opaque bytes that are mostly short: names and positions of records, kept without an allocation up to 20
//! bytes, and with one for many of them where a source gives many at once.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

const INLINE_MAX: usize = 20;

/// Opaque bytes, compared byte by byte. Kept in place up to 20 bytes, on the heap above: alone, or beside others
/// ([`ShortArena`]).
#[derive(Clone)]
pub struct ShortBytes(Repr);

/// What stands in place is copied as three words: a length that is no length says that the bytes are
/// elsewhere, so that no tag is written beside them.
#[derive(Clone)]
enum Repr {
    Inline(Inline),
    /// Shared, so that a copy takes no allocation: a name goes from what was read to its record.
    Heap(Arc<[u8]>),
    /// A part of a chunk, behind one word: two would reach into the place of the length.
    Part {
        chunk: Arc<Vec<u8>>,
        start: u32,
        end: u32,
    },
}

/// Bytes in place; those that are not used are zero.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Inline {
    bytes: [u8; INLINE_MAX],
    len: Len,
}

macro_rules! lengths {
    ($($name:ident),*) => {
        /// How many of the bytes in place are used. Four bytes wide, so that what stands beside it is made of
        /// whole words: three or seven bytes are copied by two overlapping moves, which no load can follow at
        /// once.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u32)]
        enum Len {$($name),*}

        impl Len {
            const ALL: [Self; INLINE_MAX + 1] = [$(Self::$name),*];
        }
    };
}

lengths!(L0, L1, L2, L3, L4, L5, L6, L7, L8, L9, L10, L11, L12, L13, L14, L15, L16, L17, L18, L19, L20);

const _: () = assert!(size_of::<ShortBytes>() == 24, "a length has room to say that there is none");

impl ShortBytes {
    /// Copies `from`.
    pub fn new(from: &[u8]) -> Self {
        Self::in_place(from).unwrap_or_else(|| Self(Repr::Heap(from.into())))
    }

    fn in_place(from: &[u8]) -> Option<Self> {
        let len = Len::ALL.get(from.len())?;
        let mut bytes = [0; INLINE_MAX];
        bytes[..from.len()].copy_from_slice(from);
        Some(Self(Repr::Inline(Inline { bytes, len: *len })))
    }

    /// What they take beside their own place. A part counts for itself, and keeps its chunk.
    pub fn heap_bytes(&self) -> u64 {
        match &self.0 {
            Repr::Inline(_) => 0,
            Repr::Heap(bytes) => bytes.len() as u64,
            Repr::Part { start, end, .. } => u64::from(end - start),
        }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(it) => &it.bytes[..it.len as usize],
            Repr::Heap(bytes) => bytes,
            Repr::Part { chunk, start, end } => &chunk[*start as usize..*end as usize],
        }
    }
}

/// Makes [`ShortBytes`] that lie beside one another: those of a read come together and mostly go together, and so
/// take one allocation for many where each would take one.
#[derive(Debug, Default)]
pub struct ShortArena {
    bytes: Vec<u8>,
    /// Where each that was added ends.
    ends: Vec<u32>,
}

impl ShortArena {
    /// One that stays when all others are gone keeps about so many bytes of theirs.
    const CHUNK_BYTES: usize = 4 << 10;

    /// Takes a copy.
    pub fn add(&mut self, bytes: &[u8]) {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(Self::CHUNK_BYTES);
        }
        self.bytes.extend_from_slice(bytes);
        self.ends.push(u32::try_from(self.bytes.len()).expect("names are far below 4 GiB"));
    }

    /// Whether it has a chunk full, which is to be taken.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= Self::CHUNK_BYTES - Self::CHUNK_BYTES / 32
    }

    /// All that were added since the last time, in their order.
    pub fn take(&mut self) -> impl Iterator<Item = ShortBytes> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.shrink_to_fit();
        let (chunk, mut start) = (Arc::new(bytes), 0);
        self.ends.drain(..).map(move |end| {
            let range = std::mem::replace(&mut start, end)..end;
            let (start, end) = (range.start, range.end);
            ShortBytes::in_place(&chunk[start as usize..end as usize])
                .unwrap_or_else(|| ShortBytes(Repr::Part { chunk: Arc::clone(&chunk), start, end }))
        })
    }
}

impl PartialEq for ShortBytes {
    fn eq(&self, other: &Self) -> bool {
        count();
        match (&self.0, &other.0) {
            (Repr::Inline(ours), Repr::Inline(theirs)) => ours == theirs,
            _ => self.as_slice() == other.as_slice(),
        }
    }
}

impl Eq for ShortBytes {}

impl PartialOrd for ShortBytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ShortBytes {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        count();
        match (&self.0, &other.0) {
            // What is not used is zero, so that a shorter one differs from a longer one by its length alone,
            // if at all.
            (Repr::Inline(one), Repr::Inline(other)) => {
                let (ours, theirs) = (words(&one.bytes), words(&other.bytes));
                // Most are decided by their first eight bytes.
                if ours.0 == theirs.0 {
                    ours.cmp(&theirs).then(one.len.cmp(&other.len))
                } else {
                    ours.0.cmp(&theirs.0)
                }
            }
            _ => self.as_slice().cmp(other.as_slice()),
        }
    }
}

/// The same order as that of the bytes, in three comparisons.
#[inline]
fn words(bytes: &[u8; INLINE_MAX]) -> (u64, u64, u64) {
    let word = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    (word(0), word(8), word(INLINE_MAX - 8))
}

/// Tests count comparisons, to see work that grows with the square of a batch.
#[cfg(test)]
mod counted {
    use std::cell::Cell;

    thread_local! {
        static N: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count() {
        N.set(N.get() + 1);
    }

    /// How many names and positions this thread has compared so far.
    pub(crate) fn n_compared() -> usize {
        N.get()
    }
}

#[cfg(test)]
use counted::count;
#[cfg(test)]
pub(crate) use counted::n_compared;

#[cfg(not(test))]
const fn count() {}

impl Hash for ShortBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl fmt::Debug for ShortBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.as_slice() {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl ShortBytes {
        fn chunk(&self) -> Option<*const Vec<u8>> {
            match &self.0 {
                Repr::Part { chunk, .. } => Some(Arc::as_ptr(chunk)),
                Repr::Inline(_) | Repr::Heap(_) => None,
            }
        }
    }

    #[test]
    fn order_and_equality_do_not_depend_on_where_the_bytes_live() {
        let short = ShortBytes::new(&[7; INLINE_MAX]);
        let long = ShortBytes::new(&[7; INLINE_MAX + 1]);
        assert!(short < long);
        assert_eq!(long.as_slice().len(), INLINE_MAX + 1);
        assert_eq!([short.heap_bytes(), long.heap_bytes()], [0, INLINE_MAX as u64 + 1]);
        assert_eq!(short, ShortBytes::new(short.as_slice()));
        assert!(ShortBytes::new(b"b") > ShortBytes::new(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    }

    #[test]
    fn what_lies_beside_others_is_as_if_it_lay_alone() {
        let mut arena = ShortArena::default();
        let mut texts: Vec<Vec<u8>> = (0..200_u8).map(|it| vec![it; usize::from(it)]).collect();
        texts.push(vec![1; 3 * ShortArena::CHUNK_BYTES]);
        let mut made = Vec::new();
        for text in &texts {
            arena.add(text);
            if arena.is_full() {
                made.extend(arena.take());
            }
        }
        made.extend(arena.take());
        assert_eq!(arena.take().count(), 0, "what was taken is gone");
        assert_eq!(made, texts.iter().map(|it| ShortBytes::new(it)).collect::<Vec<_>>());
        for (it, text) in made.iter().zip(&texts) {
            assert_eq!((it.as_slice(), it.heap_bytes()), (&text[..], ShortBytes::new(text).heap_bytes()));
        }
        let chunks: std::collections::BTreeSet<_> = made.iter().filter_map(ShortBytes::chunk).collect();
        let n_bytes: usize = texts.iter().map(Vec::len).sum();
        assert!(chunks.len() <= n_bytes / ShortArena::CHUNK_BYTES + 1, "{} chunks", chunks.len());
    }
}
