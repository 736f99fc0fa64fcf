//! Opaque bytes that are mostly short: names and positions of records, kept without an allocation up to 20
//! bytes.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

const INLINE_MAX: usize = 20;

/// Opaque bytes, compared byte by byte. Kept in place up to 20 bytes, on the heap above.
#[derive(Clone)]
pub struct ShortBytes(Repr);

/// What stands in place is copied as three words: a length that is no length says that the bytes are
/// elsewhere, so that no tag is written beside them.
#[derive(Clone)]
enum Repr {
    Inline(Inline),
    /// Shared, so that a copy takes no allocation: a name goes from what was read to its record.
    Heap(Arc<[u8]>),
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
        match Len::ALL.get(from.len()) {
            Some(len) => {
                let mut bytes = [0; INLINE_MAX];
                bytes[..from.len()].copy_from_slice(from);
                Self(Repr::Inline(Inline { bytes, len: *len }))
            }
            None => Self(Repr::Heap(from.into())),
        }
    }

    /// What they take beside their own place.
    pub fn heap_bytes(&self) -> u64 {
        match &self.0 {
            Repr::Inline(_) => 0,
            Repr::Heap(bytes) => bytes.len() as u64,
        }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(it) => &it.bytes[..it.len as usize],
            Repr::Heap(bytes) => bytes,
        }
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
}
