//! Looks through the write-ahead logs before RocksDB does: one bit of a record's kind makes it one of a
//! reused log, and RocksDB reads such a record again and again without end. We let it reuse no log, so there
//! is none to be read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::opening::path;
use crate::store::StoreError;

/// A log is made of blocks; no part of a record crosses the end of one.
const BLOCK_BYTES: usize = 32 << 10;
/// Checksum, length and kind of a part of a record.
const HEADER_BYTES: usize = 4 + 2 + 1;
/// The kinds of parts in a log whose file was used before: whole, first, middle, last; sizes of timestamps;
/// what is said of the log before.
const OF_REUSED_LOGS: [u8; 6] = [5, 6, 7, 8, 11, 131];

/// Refuses a database with a log that RocksDB would not come to the end of.
pub(super) fn check(folder: &Path) -> Result<(), StoreError> {
    match first_endless(folder).map_err(|cause| unread(folder, cause))? {
        None => Ok(()),
        Some((log, at)) => Err(StoreError::Damaged {
            folder: folder.display().to_string(),
            row: format!("the log {} from byte {at} on", log.file_name().unwrap_or_default().display()),
            why: "a record is of a kind that is never written".to_owned(),
        }),
    }
}

/// Cuts the logs before what RocksDB would not come to the end of. What stands behind it is lost.
pub(super) fn cut(folder: &Path) -> Result<(), StoreError> {
    let cut = || -> io::Result<()> {
        while let Some((log, at)) = first_endless(folder)? {
            // One at a time: each cut takes away all that stands behind it in its log.
            OpenOptions::new().write(true).open(log)?.set_len(at)?;
        }
        Ok(())
    };
    cut().map_err(|cause| unread(folder, cause))
}

fn unread(folder: &Path, cause: io::Error) -> StoreError {
    StoreError::Io { folder: folder.display().to_string(), doing: "read", cause: cause.into() }
}

/// The first part of a record, by log and byte, that RocksDB would not come to the end of.
fn first_endless(folder: &Path) -> io::Result<Option<(PathBuf, u64)>> {
    let entries = match fs::read_dir(path(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut logs: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    logs.retain(|path| path.extension().is_some_and(|it| it == "log"));
    // In the order of their numbers, as RocksDB reads them.
    logs.sort();
    for log in logs {
        let file = match File::open(&log) {
            Ok(file) => file,
            // A process that uses the database is done with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if let Some(at) = endless_in(file)? {
            return Ok(Some((log, at)));
        }
    }
    Ok(None)
}

fn endless_in(mut log: impl Read) -> io::Result<Option<u64>> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    for before in (0u64..).step_by(BLOCK_BYTES) {
        block.clear();
        log.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
        match endless_in_block(&block) {
            BlockPart::Endless(at) => return Ok(Some(before + at as u64)),
            BlockPart::Over => return Ok(None),
            BlockPart::Whole if block.len() < BLOCK_BYTES => return Ok(None),
            BlockPart::Whole => {}
        }
    }
    Ok(None)
}

/// What stands in a block.
enum BlockPart {
    /// Parts of records up to its end, or to the end of the log.
    Whole,
    /// No part from here on: what follows was never written, or RocksDB stops at it by itself.
    Over,
    /// A part that RocksDB would not come to the end of.
    Endless(usize),
}

fn endless_in_block(block: &[u8]) -> BlockPart {
    let mut at = 0;
    // What is too short for a header at the end of a block is filling.
    while let Some(header) = block.get(at..at + HEADER_BYTES) {
        let n_bytes = usize::from(u16::from_le_bytes([header[4], header[5]]));
        match header[6] {
            kind if OF_REUSED_LOGS.contains(&kind) => return BlockPart::Endless(at),
            0 => return BlockPart::Over,
            _ => at += HEADER_BYTES + n_bytes,
        }
        if at > block.len() {
            return BlockPart::Over;
        }
    }
    BlockPart::Whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: u8, n_bytes: usize) -> Vec<u8> {
        let length = u16::try_from(n_bytes).unwrap().to_le_bytes();
        [&[0; 4][..], &length, &[kind], &vec![7; n_bytes]].concat()
    }

    #[test]
    fn a_part_of_a_reused_log_is_found_in_any_block_and_what_was_never_written_is_over() {
        let full = [part(1, 100), part(1, 0), part(2, BLOCK_BYTES - 3 * HEADER_BYTES - 100)].concat();
        assert_eq!(full.len(), BLOCK_BYTES);
        let endless = |log: &[&[u8]]| endless_in(&log.concat()[..]).unwrap();
        assert_eq!(endless(&[&full, &part(4, 10)]), None);
        assert_eq!(endless(&[&full, &part(4, 10), &part(5, 10)]), Some(BLOCK_BYTES as u64 + 17));
        assert_eq!(endless(&[&part(1, 3), &[0; 4096], &part(5, 10)]), None, "zeros were never written");
        assert_eq!(
            endless(&[&part(1, 3), &part(1, 60_000)[..99], &part(5, 10)]),
            None,
            "RocksDB stops at a length that leads out of its block"
        );
        assert_eq!(endless(&[&part(1, 3)[..9]]), None, "what a kill cut off");
        // Fewer bytes than a header are filled up with zeros.
        let filled = [part(1, BLOCK_BYTES - HEADER_BYTES - 5), vec![0; 5]].concat();
        assert_eq!(endless(&[&filled, &part(8, 1)]), Some(BLOCK_BYTES as u64));
        assert_eq!(endless(&[]), None);
    }
}
