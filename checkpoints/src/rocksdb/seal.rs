//! The seal: a small file beside the database that says which store it is and how many writes were
//! acknowledged at least.
//!
//! Two slots are written in turn, each with its checksum, so that a torn write leaves the other. The database
//! is always written first: it may be ahead of the seal and never behind.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::generation::StoreGeneration;
use super::room::io_error;
use crate::store::StoreError;

const MAGIC: [u8; 8] = *b"FBSEAL\0\x01";
const SLOT_BYTES: usize = 36;
const SLOT_OFFSETS: [u64; 2] = [0, 4096];

/// What the seal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Promise {
    /// How many writes were acknowledged at least; zero when the store was never opened to its end.
    pub(super) n_writes: u64,
    /// How often the store was opened.
    pub(super) opened: u64,
    /// Which store it is.
    pub(super) born: u64,
}

/// The seal of an open store.
#[derive(Debug)]
pub(super) struct Seal {
    folder: PathBuf,
    file: File,
    next_slot: usize,
}

impl Seal {
    /// Reads the seal; `None` when there is no such file.
    pub(super) fn read(folder: &Path) -> Result<Option<Promise>, StoreError> {
        let bytes = match fs::read(path(folder)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(folder, "read", error)),
        };
        slots(&bytes).into_iter().flatten().max().map(Some).ok_or_else(|| StoreError::Damaged {
            folder: folder.display().to_string(),
            row: "the seal".to_owned(),
            why: "none of its two slots has a matching checksum".to_owned(),
        })
    }

    /// Makes the seal, or replaces it whole.
    pub(super) fn replace(folder: &Path, promise: Promise) -> Result<(), StoreError> {
        let made = folder.join("seal.new");
        let make = || {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&made)?;
            let mut bytes =
                vec![0; usize::try_from(SLOT_OFFSETS[1]).expect("a page's offset fits") + SLOT_BYTES];
            bytes[..SLOT_BYTES].copy_from_slice(&encode(promise));
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&made, path(folder))?;
            // The new name is durable only with its folder.
            File::open(folder)?.sync_all()
        };
        make().map_err(|error| io_error(folder, "sealed", error))
    }

    /// Opens the seal for writing; both slots are written anew by the next two promises, the older one first.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let failed = |error| io_error(folder, "sealed", error);
        let file = OpenOptions::new().read(true).write(true).open(path(folder)).map_err(failed)?;
        let [first, second] = slots(&fs::read(path(folder)).map_err(failed)?);
        let next_slot = usize::from(first > second);
        Ok(Self { folder: folder.to_owned(), file, next_slot })
    }

    /// The file takes no writes any more.
    #[cfg(test)]
    pub(super) fn break_file(&mut self) {
        self.file = File::open(path(&self.folder)).expect("the seal is there");
    }

    /// Notes a write that the database has synced, and syncs the note: only now may the write be
    /// acknowledged.
    pub(super) fn note(&mut self, generation: &StoreGeneration) -> Result<(), StoreError> {
        let promise =
            Promise { n_writes: generation.n_writes, opened: generation.opened, born: generation.born };
        let written = self
            .file
            .write_all_at(&encode(promise), SLOT_OFFSETS[self.next_slot])
            .and_then(|()| self.file.sync_data());
        written.map_err(|error| io_error(&self.folder, "sealed", error))?;
        // Only behind a success: a slot that may be torn is written once more, and the other stays good.
        self.next_slot = 1 - self.next_slot;
        Ok(())
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("seal")
}

fn encode(promise: Promise) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(&MAGIC);
    slot[8..16].copy_from_slice(&promise.n_writes.to_be_bytes());
    slot[16..24].copy_from_slice(&promise.opened.to_be_bytes());
    slot[24..32].copy_from_slice(&promise.born.to_be_bytes());
    let checksum = crc32fast::hash(&slot[..32]);
    slot[32..].copy_from_slice(&checksum.to_be_bytes());
    slot
}

fn slots(bytes: &[u8]) -> [Option<Promise>; 2] {
    SLOT_OFFSETS.map(|offset| {
        let slot = bytes.get(usize::try_from(offset).ok()?..)?.first_chunk::<SLOT_BYTES>()?;
        let number = |at: usize| slot[at..].first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
        let promise = Promise { n_writes: number(8)?, opened: number(16)?, born: number(24)? };
        // Made anew it must be the same, magic and checksum included.
        (encode(promise) == *slot).then_some(promise)
    })
}
