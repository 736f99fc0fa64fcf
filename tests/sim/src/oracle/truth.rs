//! What is true about one record, and about one holding of it by the machine.

use forebay_batcher::{Place, Position, Record, UnixMillis};

use super::Oracle;

/// Whether a record makes the function fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Poison {
    /// It does not.
    Harmless,
    /// It does until the poison heals.
    Heals,
    /// It always does.
    Stays,
}

/// A record and what the world did to it.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    pub(crate) track: u32,
    pub(crate) idx: usize,
    pub(crate) position: Position,
    pub(crate) name: u64,
    pub(crate) key: Option<u32>,
    /// The record of the same key before it, in this track or its parents.
    pub(crate) before: Option<u32>,
    pub(crate) n_bytes: u32,
    pub(crate) arrival: UnixMillis,
    pub(crate) poison: Poison,
    /// It passes the filter and lies behind the starting position.
    pub(crate) wanted: bool,
    /// The source does not have it any more.
    pub(crate) gone: bool,
    pub(crate) n_done: u32,
    pub(crate) n_attempts: u32,
    pub(crate) n_taken: u32,
    pub(crate) n_discarded: u32,
}

/// A record as the living machine holds it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    pub(crate) uid: u32,
    /// It was handed to the machine.
    pub(crate) handed: bool,
    /// The machine was told of an end by one of the five ways, or its checkpoint holds one.
    pub(crate) finished: bool,
    /// It may not be tried again: the machine knows that it is finished.
    pub(crate) fixed: bool,
    /// Retries spent.
    pub(crate) spent: u32,
    /// Attempts that reached the function.
    pub(crate) tried: u32,
    pub(crate) in_flight: bool,
    pub(crate) noticing: bool,
    /// It alone was refused for size.
    pub(crate) too_large: bool,
    /// The checkpoint says that it was given up.
    pub(crate) given_up: bool,
    /// Queues: the life that received it, its channel, its settlements.
    pub(crate) life: u32,
    pub(crate) generation: u32,
    pub(crate) void: bool,
    pub(crate) settling: bool,
    pub(crate) settled: bool,
}

impl Oracle {
    /// The entry of a record that the machine names.
    pub(crate) fn entry_of(&self, record: &Record) -> usize {
        match &record.place {
            Place::Track(..) => uid_of(&record.bytes) as usize,
            Place::Queue { receipt, .. } => handle_number(&receipt.handle),
        }
    }

    /// The truth of an entry's record.
    pub(crate) fn truth_of(&self, entry: usize) -> &Truth {
        &self.truths[self.entries[entry].uid as usize]
    }
}

/// A record's rendered bytes begin with its number, so that what the function gets can be told apart.
pub(crate) fn uid_of(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().expect("every record has at least its number"))
}

/// A receipt handle is the number of its receive.
pub(crate) fn handle_number(handle: &[u8]) -> usize {
    u64::from_be_bytes(handle.try_into().expect("handles are numbers here")) as usize
}
