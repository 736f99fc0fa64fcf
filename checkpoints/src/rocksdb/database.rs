//! The database: opened only when the seal and the sum of all rows agree with it, written in groups, and
//! synced with a group or later.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, DBRecoveryMode, Direction, ErrorKind, InfoLogger,
    IteratorMode, LogLevel, Options, ReadOptions, WriteBatch, WriteOptions,
};

use super::generation::StoreGeneration;
use super::kept::{KeptRows, KnownValue};
use super::room::says_full;
use super::seal::{Promise, Seal};
use super::survey;
use crate::row::Name;
use crate::staged::{Rows, StagedRows};
use crate::store::StoreError;

const WRITE_BUFFER_BYTES: usize = 4 << 20;
const LOG_BYTES_MAX: u64 = 16 << 20;
const CACHE_BYTES: usize = 4 << 20;
const MANIFEST_BYTES_MAX: usize = 1 << 20;

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
        if generation != found {
            return Err(StoreError::RolledBack {
                folder: name,
                why: "opening the database changed it".to_owned(),
            });
        }
        let generation = match generation {
            Some(generation) => generation,
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
        for (key, changed) in changes {
            match changed {
                Some(new) => self.kept.put(key, new),
                None => self.kept.delete(key),
            }
        }
        match sync {
            SyncWhen::Now => self.seal.note(&generation),
            SyncWhen::Later => Ok(()),
        }
    }

    /// Syncs all that was written, then notes it in the seal.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        self.db.flush_wal(true).map_err(|error| rocks_error(&self.folder, "written", error))?;
        self.seal.note(&self.generation)
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

/// Where RocksDB keeps its files.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("db")
}

/// Whether there is anything of a database.
pub(super) fn exists(folder: &Path) -> bool {
    path(folder).read_dir().is_ok_and(|mut entries| entries.next().is_some())
}

/// Small in memory, strict in checking. Its info log goes to ours, so that no file of it can fill the disk.
pub(super) fn options() -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
    let mut options = Options::default();
    options.create_if_missing(true);
    // The log is read up to the first record that does not read. After a power cut that is one of those
    // written since the last sync, whose pages reach the disk in any order; where it is an earlier one, the
    // database holds less than the seal says, and is refused.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_recycle_log_file_num(0);
    options.set_paranoid_checks(true);
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(2);
    options.set_max_total_wal_size(LOG_BYTES_MAX);
    options.set_max_manifest_file_size(MANIFEST_BYTES_MAX);
    options.set_max_background_jobs(2);
    options.set_max_open_files(256);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Warn, |level, line| match level {
        LogLevel::Error | LogLevel::Fatal => tracing::warn!(target: "rocksdb", "{}", line.trim_end()),
        LogLevel::Debug | LogLevel::Info | LogLevel::Warn | LogLevel::Header => {
            tracing::debug!(target: "rocksdb", "{}", line.trim_end())
        }
    }));
    options
}

/// How all rows are read in one go.
pub(super) fn scan_options() -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    options.fill_cache(false);
    options
}

/// An error of an open database.
pub(super) fn rocks_error(folder: &str, doing: &'static str, error: rocksdb::Error) -> StoreError {
    if says_full(error.as_ref()) {
        return StoreError::Full { folder: folder.to_owned() };
    }
    match error.kind() {
        ErrorKind::Corruption => database_damaged(folder, error.into_string()),
        _ => StoreError::Io { folder: folder.to_owned(), doing, cause: error.into() },
    }
}

/// An error of opening: files that are missing or do not fit together are damage too.
pub(super) fn open_error(folder: &Path, error: rocksdb::Error) -> StoreError {
    let name = folder.display().to_string();
    let missing = error.kind() == ErrorKind::IOError && error.as_ref().contains("No such file");
    match error.kind() {
        ErrorKind::InvalidArgument | ErrorKind::NotSupported | ErrorKind::NotFound => {
            database_damaged(&name, error.into_string())
        }
        _ if missing => database_damaged(&name, error.into_string()),
        _ => rocks_error(&name, "opened", error),
    }
}

fn database_damaged(folder: &str, why: String) -> StoreError {
    StoreError::Damaged { folder: folder.to_owned(), row: "the database".to_owned(), why }
}

pub(super) fn nanoseconds_now() -> u64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX)
}
