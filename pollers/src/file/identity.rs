//! Which file a track is: device, inode, time of birth and a fingerprint of its first bytes, written out as
//! the track's name.
//!
//! | What happens | What the names say |
//! |---|---|
//! | a young file grows | the fingerprint covers the bytes of the first sight only, and its length is part of the name: the same track |
//! | a file is renamed or linked | the same track, under its new path |
//! | an inode is used again | another time of birth, or other first bytes: another track |
//! | a file is truncated and written anew | the same inode, another life: another track |
//! | a file is empty, or holds less than 1 KiB and no whole line | no track yet: there is nothing to read, and nothing to tell it by |

use std::fmt::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::source::TrackName;

/// The fingerprint covers this many bytes of the file at the most.
pub(super) const HEAD_MAX: usize = 1024;

/// Where a file lies on its file system. The time of birth is zero where the file system does not tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileKey {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) birth: u64,
}

impl FileKey {
    /// Whether both may be the same file; an unknown birth fits any.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same_birth = self.birth == other.birth || self.birth == 0 || other.birth == 0;
        self.device == other.device && self.inode == other.inode && same_birth
    }

    /// All keys of this inode, whatever the birth.
    pub(super) fn births(&self) -> std::ops::RangeInclusive<Self> {
        Self { birth: 0, ..*self }..=Self { birth: u64::MAX, ..*self }
    }

    /// What the names of all tracks of this inode begin with.
    pub(super) fn prefix(&self) -> String {
        format!("file-{:x}-{:x}-", self.device, self.inode)
    }
}

/// Which file a track is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) key: FileKey,
    head_len: usize,
    head_hash: [u8; 16],
    /// Counts how often the file was truncated and written anew under our eyes.
    pub(super) life: u32,
    /// The path that it was first seen under, where files of one path follow one another in order.
    pub(super) line: Option<Line>,
}

/// All files that ever stood under one path, told apart from those of other paths by a hash of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line(u64);

impl Line {
    /// The line of a path.
    pub(super) fn of(path: &Path) -> Self {
        let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
        Self(digest.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
    }
}

impl Identity {
    /// The identity of a file whose first bytes at first sight are `head`.
    pub(super) fn new(key: FileKey, head: &[u8], life: u32) -> Self {
        let head = &head[..head.len().min(HEAD_MAX)];
        Self { key, head_len: head.len(), head_hash: hash(head), life, line: None }
    }

    /// The same in a line.
    pub(super) fn in_line(self, line: Option<Line>) -> Self {
        Self { line, ..self }
    }

    /// Whether a file that begins with `head` may be this one.
    pub(super) fn fits(&self, head: &[u8]) -> bool {
        head.get(..self.head_len).is_some_and(|head| hash(head) == self.head_hash)
    }

    /// The name of the track: `file-DEVICE-INODE-BIRTH-LENGTH-FINGERPRINT-LIFE`, all in hexadecimal, with
    /// `-LINE` behind it where there is one.
    pub(super) fn name(&self) -> TrackName {
        let mut name = self.key.prefix();
        write!(name, "{:x}-{:x}-", self.key.birth, self.head_len).expect("a string takes everything");
        name.push_str(&hex::encode(self.head_hash));
        write!(name, "-{:x}", self.life).expect("a string takes everything");
        if let Some(Line(line)) = self.line {
            write!(name, "-{line:016x}").expect("a string takes everything");
        }
        TrackName(name)
    }

    /// Reads a name.
    pub(super) fn parse(name: &TrackName) -> Option<Self> {
        let mut parts = name.0.strip_prefix("file-")?.split('-');
        let mut number = || u64::from_str_radix(parts.next()?, 16).ok();
        let key = FileKey { device: number()?, inode: number()?, birth: number()? };
        let head_len = usize::try_from(number()?).ok().filter(|len| *len <= HEAD_MAX)?;
        let mut head_hash = [0; 16];
        hex::decode_to_slice(parts.next()?, &mut head_hash).ok()?;
        let life = u32::from_str_radix(parts.next()?, 16).ok()?;
        let line = match parts.next() {
            Some(line) => Some(Line(u64::from_str_radix(line, 16).ok().filter(|_| line.len() == 16)?)),
            None => None,
        };
        parts.next().is_none().then_some(Self { key, head_len, head_hash, life, line })
    }
}

/// The first half of SHA-256: enough to tell files apart, and names stay short.
fn hash(bytes: &[u8]) -> [u8; 16] {
    let digest = Sha256::digest(bytes);
    std::array::from_fn(|idx| digest[idx])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: FileKey = FileKey { device: 0xfd01, inode: 12, birth: 99 };

    #[test]
    fn a_name_is_read_back_as_it_was_written() {
        for head in [&b"x"[..], b"one line\n", &[7; 4000]] {
            for line in [None, Some(Line::of(Path::new("/logs/app.log")))] {
                let identity = Identity::new(KEY, head, 3).in_line(line);
                assert_eq!(Identity::parse(&identity.name()).as_ref(), Some(&identity));
            }
            let identity = Identity::new(KEY, head, 3);
            assert!(identity.name().0.starts_with(&KEY.prefix()));
        }
        for bad in
            ["", "file-", "file-1-2-3-4-5-6", "shard-1", "file-1-2-3-ffff-00000000000000000000000000000000-0"]
        {
            assert_eq!(Identity::parse(&TrackName(bad.to_owned())), None, "{bad}");
        }
    }

    #[test]
    fn a_young_file_that_grows_keeps_its_identity_and_a_rewritten_one_does_not() {
        let young = Identity::new(KEY, b"one\n", 0);
        assert!(young.fits(b"one\n") && young.fits(b"one\ntwo\n"));
        assert!(!young.fits(b"on") && !young.fits(b"two\none\n"));
        let grown = Identity::new(KEY, &[b'a'; 2000], 0);
        assert!(grown.fits(&[b'a'; HEAD_MAX]) && !grown.fits(&[b'a'; HEAD_MAX - 1]));
    }

    #[test]
    fn an_inode_that_is_used_again_is_another_file_unless_its_birth_is_unknown() {
        assert!(!KEY.is_same(&FileKey { birth: 100, ..KEY }));
        assert!(KEY.is_same(&FileKey { birth: 0, ..KEY }));
        assert!(!KEY.is_same(&FileKey { inode: 13, ..KEY }));
    }
}
