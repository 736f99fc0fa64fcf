//! What is known of each row without asking the database: its fingerprint, which the sum of all rows needs at
//! every change, and the value of those rows that every commit looks at. Checkpoints and notes are read from
//! the database.

use std::collections::HashMap;

use rocksdb::{DB, IteratorMode};

use super::opening::{rocks_error, scan_options};
use crate::row::{Name, fingerprint};
use crate::store::StoreError;

/// All rows but the generation row: about 150 bytes for each track.
#[derive(Default)]
pub(super) struct KeptRows {
    rows: HashMap<Vec<u8>, KeptValues>,
}

struct KeptValues {
    fingerprint: u64,
    /// `None` where it is read from the database.
    value: Option<Vec<u8>>,
}

/// What is known of a row's value.
pub(super) enum KnownValue<'a> {
    Missing,
    Value(&'a [u8]),
    /// It is there, and the database has it.
    OnDisk,
}

impl KeptRows {
    pub(super) fn read(folder: &str, db: &DB) -> Result<Self, StoreError> {
        let mut kept = Self::default();
        for row in db.iterator_opt(IteratorMode::Start, scan_options()) {
            let (key, value) = row.map_err(|error| rocks_error(folder, "read", error))?;
            // It holds the sum and is no part of it.
            if *key != *Name::Generation.key() {
                kept.put(&key, &value);
            }
        }
        Ok(kept)
    }

    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) {
        let kept = KeptValues {
            fingerprint: fingerprint(value),
            value: (!Name::is_large(key)).then(|| value.to_vec()),
        };
        // Mostly it is there already, and its key need not be copied for each commit.
        match self.rows.get_mut(key) {
            Some(before) => *before = kept,
            None => drop(self.rows.insert(key.to_vec(), kept)),
        }
    }

    pub(super) fn delete(&mut self, key: &[u8]) {
        self.rows.remove(key);
    }

    pub(super) fn fingerprint(&self, key: &[u8]) -> Option<u64> {
        self.rows.get(key).map(|kept| kept.fingerprint)
    }

    pub(super) fn value(&self, key: &[u8]) -> KnownValue<'_> {
        match self.rows.get(key) {
            None => KnownValue::Missing,
            Some(KeptValues { value: Some(value), .. }) => KnownValue::Value(value),
            Some(KeptValues { value: None, .. }) => KnownValue::OnDisk,
        }
    }
}
