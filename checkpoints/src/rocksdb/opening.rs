//! How RocksDB is opened and read, where it keeps its files, and what its errors mean.

use std::path::{Path, PathBuf};

use rocksdb::{
    BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, ErrorKind, InfoLogger, LogLevel, Options,
    ReadOptions,
};

use super::room::says_full;
use crate::store::StoreError;

const WRITE_BUFFER_BYTES: usize = 4 << 20;
const LOG_BYTES_MAX: u64 = 16 << 20;
const CACHE_BYTES: usize = 4 << 20;
const MANIFEST_BYTES_MAX: usize = 1 << 20;

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
    // In a log that is used again one flipped bit can be read without end: see `logs.rs`.
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
    // By its words: the kind of an error does not tell a full disk from a broken one.
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
