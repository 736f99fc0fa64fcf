//! The database: opened only when the seal and the sum of all rows agree with it, written in groups, and
//! synced with a group or later.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rocksdb::{DB, Direction, IteratorMode, WriteBatch, WriteOptions};

use super::generation::StoreGeneration;
use super::kept::{KeptRows, KnownValue};
use super::opening::{exists, open_error, options, path, rocks_error};
use super::seal::{Promise, Seal};
use super::survey;
use crate::row::Name;
use crate::staged::{Rows, StagedRows};
use crate::store::StoreError;

/// An open database with its seal.
pub(super) struct Database {
    folder: String,
    db: DB,
    generation: StoreGeneration,
    seal: Seal,
    kept: KeptRows,
}

/// When a group is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SyncWhen {
    /// Before the write returns, with all that was written before it.
    Now,
    /// With the next sync. A kill of the process takes nothing back, a power cut may.
    Later,
}

impl Database {
    /// Opens the database, or makes it in a folder that never had one. What is older or damaged is refused
    /// before anything is changed.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let found = match Seal::read(folder)? {
            // Sealed before there is a database: cut off in between, it opens as one that never took a
            // write.
            None if !exists(folder) => {
                Seal::replace(folder, Promise { n_writes: 0, opened: 0, born: nanoseconds_now() })?;
                None
            }
            sealed => survey::judged(folder, sealed)?,
        };
        let db = DB::open(&options(), path(folder)).map_err(|error| open_error(folder, error))?;
        let name = folder.display().to_string();
        let kept = db.get(Name::Generation.key()).map_err(|error| rocks_error(&name, "read", error))?;
        let generation = kept.map(|value| StoreGeneration::decode(&name, &value)).transpose()?;
        // What RocksDB changes on its way in would be vouched for by the sum of the next write.
        if generation != found {
            return Err(StoreError::RolledBack {
                folder: name,
                why: "opening the database changed it".to_owned(),
            });
        }
        let generation = match generation {
            Some(generation) => generation,
            // It was made and never written to: only the seal knows when.
            None => StoreGeneration {
                born: Seal::read(folder)?.map_or_else(nanoseconds_now, |promise| promise.born),
                ..StoreGeneration::default()
            },
        };
        let kept = KeptRows::read(&name, &db)?;
        let mut database = Self { folder: name, db, generation, seal: Seal::open(folder)?, kept };
        database.generation.opened += 1;
        database.write(&StagedRows::new(), SyncWhen::Now)?;
        Ok(database)
    }

    /// Writes a group, the generation row last. What is synced is noted in the seal, and both are on disk
    /// before anybody is told so.
    pub(super) fn write(&mut self, changes: &StagedRows, sync: SyncWhen) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        // A copy: a write that fails must leave the sum of what is on disk.
        let mut generation = self.generation;
        for (key, changed) in changes {
            if let Some(old) = self.kept.fingerprint(key) {
                generation.sum.take(old);
            }
            match changed {
                Some(new) => {
                    generation.sum.add(new);
                    batch.put(key, new);
                }
                None => batch.delete(key),
            }
        }
        generation.n_writes += 1;
        batch.put(Name::Generation.key(), generation.encode());
        let mut how = WriteOptions::default();
        how.set_sync(sync == SyncWhen::Now);
        self.db.write_opt(batch, &how).map_err(|error| rocks_error(&self.folder, "written", error))?;
        self.generation = generation;
        // Behind the write: what is known without asking must not run ahead of it.
        for (key, changed) in changes {
            match changed {
                Some(new) => self.kept.put(key, new),
                None => self.kept.delete(key),
            }
        }
        match sync {
            SyncWhen::Now => self.seal.note(&generation),
            // The seal counts what is on disk: ahead of it, a power cut would make the store refuse itself.
            SyncWhen::Later => Ok(()),
        }
    }

    /// Syncs all that was written, then notes it in the seal.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        self.db.flush_wal(true).map_err(|error| rocks_error(&self.folder, "written", error))?;
        self.seal.note(&self.generation)
    }

    /// From now on no sync can be noted.
    #[cfg(test)]
    pub(super) fn break_seal(&mut self) {
        self.seal.break_file();
    }

    /// Turns the log into tables, which keep one version of each row.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.db.flush().map_err(|error| rocks_error(&self.folder, "written", error))
    }
}

impl Rows for Database {
    fn folder(&self) -> &str {
        &self.folder
    }

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.kept.value(key) {
            KnownValue::Missing => Ok(None),
            KnownValue::Value(value) => Ok(Some(value.to_vec())),
            KnownValue::OnDisk => self.db.get(key).map_err(|error| rocks_error(&self.folder, "read", error)),
        }
    }

    fn under(&self, prefix: &[u8]) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, StoreError> {
        let mut rows = BTreeMap::new();
        for row in self.db.iterator(IteratorMode::From(prefix, Direction::Forward)) {
            let (key, value) = row.map_err(|error| rocks_error(&self.folder, "read", error))?;
            if !key.starts_with(prefix) {
                break;
            }
            rows.insert(key.into_vec(), value.into_vec());
        }
        Ok(rows)
    }
}

pub(super) fn nanoseconds_now() -> u64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX)
}
