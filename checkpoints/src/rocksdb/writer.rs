//! The store's own thread: it answers all calls one after the other, groups writes, and brings the store back
//! when it went down.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep_until, timeout_at};

use super::RocksOptions;
use super::database::{Database, SyncWhen};
use super::lock::FolderLock;
use super::refusal::StoreRefusal;
use super::request::{ReplyTo, StagedCall, StoreRequest, Write, reply, stage};
use super::room::{folder_bytes, io_error, probe};
use crate::ledger;
use crate::staged::{Staged, StagedRows};
use crate::store::{StoreError, StoreHealth, Synced, WriteNumber};

/// A store that is down does not look for room more often than this, whatever it is told.
const PROBE_INTERVAL_MIN: Duration = Duration::from_millis(1);
/// How many calls share one sync at most.
const GROUP_MAX: usize = 256;
/// A store that is damaged comes back only when somebody mends it, and looking costs a walk over all rows.
const DAMAGED_PROBES: u32 = 30;
/// The least time between two writes that are not synced: what comes meanwhile is one write and wakes the
/// thread once.
const WRITE_PAUSE: Duration = Duration::from_millis(5);
/// After how many bytes written the folder is measured again.
const MEASURE_BYTES: u64 = 256 << 10;

pub(super) struct StoreWriter {
    options: RocksOptions,
    requests: mpsc::Receiver<StoreRequest>,
    health: watch::Sender<StoreHealth>,
    synced: watch::Sender<Synced>,
    /// `None` while the database cannot be opened.
    database: Option<Database>,
    n_written: WriteNumber,
    /// When what was written is synced; `None` when all of it is.
    sync_at: Option<Instant>,
    /// No write before this.
    rest_until: Option<Instant>,
    down: Option<Down>,
    measured: Measured,
    // The database is closed before the folder is given back.
    _lock: FolderLock,
}

/// The store takes no writes.
struct Down {
    why: StoreRefusal,
    /// RocksDB keeps an error of its log until it is opened again.
    reopen: bool,
    probe_at: Instant,
}

#[derive(Default)]
struct Measured {
    /// What was found last, and what was written since.
    folder_bytes: Option<u64>,
    since_bytes: u64,
}

impl StoreWriter {
    /// Takes the folder and opens the store; a full disk leaves it down.
    pub(super) fn open(
        options: RocksOptions,
        requests: mpsc::Receiver<StoreRequest>,
        health: watch::Sender<StoreHealth>,
        synced: watch::Sender<Synced>,
    ) -> Result<Self, StoreError> {
        let lock = FolderLock::take(&options.folder)?;
        let opened = Database::open(&options.folder);
        let mut writer = Self {
            options,
            requests,
            health,
            synced,
            database: None,
            n_written: WriteNumber(0),
            sync_at: None,
            rest_until: None,
            down: None,
            measured: Measured::default(),
            _lock: lock,
        };
        match opened {
            Ok(database) => writer.database = Some(database),
            Err(error @ StoreError::Full { .. }) => writer.go_down(&error, true),
            Err(error) => return Err(error),
        }
        Ok(writer)
    }

    /// Answers calls until the store is closed or dropped. A panic, of the database or of ours, takes the
    /// store down as a failing disk does: the callers that waited are told, and the database is opened again.
    pub(super) fn keep_running(&mut self) {
        while let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.run())) {
            let said = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            let cause = format!("its thread panicked: {}", said.unwrap_or("it did not say why"));
            tracing::error!(code = "FB-0501", folder = %self.options.folder.display(), error = cause, "the store's thread died and is started again");
            self.fail(cause.into());
        }
    }

    /// Nothing is known of the database any more.
    fn fail(&mut self, cause: Box<dyn std::error::Error + Send + Sync>) {
        let folder = self.options.folder.display().to_string();
        self.go_down(&StoreError::Io { folder, doing: "written", cause }, true);
    }

    pub(super) fn run(&mut self) {
        // One of its own, for its waits: the thread blocks in the database, which no other task may feel.
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            // Its health is the last that is heard of it.
            Err(error) => return self.fail(Box::new(error)),
        };
        let mut closed = None;
        while closed.is_none() {
            match runtime.block_on(self.next()) {
                NextWrite::Asked(request) => closed = self.answer(request),
                NextWrite::Due => self.come_back_if_due(),
                NextWrite::SyncDue => {}
                NextWrite::Dropped => break,
            }
            // After each answer: calls that come without a pause must not put the sync off.
            self.sync_if(|at| at <= Instant::now());
        }
        self.sync_if(|_| true);
        // Closed before it is told to be, for whoever hears that may open the folder.
        self.database = None;
        if let Some(answer) = closed {
            reply(answer, Ok(()));
        }
    }

    async fn next(&mut self) -> NextWrite {
        if let Some(until) = self.rest_until.take() {
            // It listens to nobody meanwhile, so that nobody wakes it.
            sleep_until(until.into()).await;
        }
        let due = self.down.as_ref().map(|down| (down.probe_at, NextWrite::Due)).into_iter();
        let due = due.chain(self.sync_at.map(|at| (at, NextWrite::SyncDue))).min_by_key(|(at, _)| *at);
        let asked = match due {
            Some((at, next)) => match timeout_at(at.into(), self.requests.recv()).await {
                Ok(asked) => asked,
                Err(_) => return next,
            },
            None => self.requests.recv().await,
        };
        asked.map_or(NextWrite::Dropped, NextWrite::Asked)
    }

    /// Syncs what was written when its time has come, and tells.
    fn sync_if(&mut self, is_due: impl FnOnce(Instant) -> bool) {
        if !self.sync_at.is_some_and(is_due) {
            return;
        }
        // It stays due until it is told how it ended: a failure must find what waited for it.
        match self.database.as_mut().map_or(Ok(()), Database::sync) {
            Ok(()) => self.tell_synced(),
            Err(error) => self.go_down(&error, true),
        }
    }

    /// All that was written is on disk.
    fn tell_synced(&mut self) {
        self.sync_at = None;
        let upto = self.n_written;
        self.synced.send_if_modified(|synced| std::mem::replace(&mut synced.upto, upto) != upto);
    }

    /// Answers a request and those that are waiting behind it, all their writes in one group.
    fn answer(&mut self, first: StoreRequest) -> Option<ReplyTo<()>> {
        // Calls may come so close that no wait for them ends by its time: a probe is due here as well.
        self.come_back_if_due();
        let mut group = Vec::new();
        let mut next = Some(first);
        while let Some(request) = next.take() {
            match request {
                StoreRequest::Write(write) => group.push(write),
                // Here and below: what was asked before a read is written before it.
                StoreRequest::Load { lease, answer } => {
                    self.write(std::mem::take(&mut group));
                    reply(answer, self.read(|staged| ledger::load(staged, &lease)));
                }
                StoreRequest::Notes { answer } => {
                    self.write(std::mem::take(&mut group));
                    reply(answer, self.read(ledger::notes));
                }
                StoreRequest::Mappings { answer } => {
                    self.write(std::mem::take(&mut group));
                    reply(answer, self.read(ledger::mappings));
                }
                StoreRequest::Close { answer } => {
                    self.write(group);
                    return Some(answer);
                }
                #[cfg(test)]
                StoreRequest::BreakSeal => _ = self.database.as_mut().map(Database::break_seal),
                #[cfg(test)]
                StoreRequest::Panic => panic!("the test wants the store's thread to die"),
            }
            if group.len() < GROUP_MAX {
                next = self.requests.try_recv().ok();
            }
        }
        self.write(group);
        None
    }

    fn read<T>(&self, read: impl FnOnce(&Staged<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match (&self.database, &self.down) {
            // A full store still reads.
            (Some(database), None | Some(Down { why: StoreRefusal::Full, .. })) => {
                read(&Staged::over(database))
            }
            (_, Some(down)) => Err(down.why.error(&self.options.folder)),
            (None, None) => unreachable!("without a database the store is down"),
        }
    }

    /// Stages each call over those before it, writes what they change at once, synced when one of them waits
    /// for that, and only then answers.
    fn write(&mut self, group: Vec<Write>) {
        if group.is_empty() {
            return;
        }
        let (waiting, changes) = match (&self.database, &self.down) {
            (Some(database), None) => stage(database, group),
            (_, Some(down)) => {
                return group.into_iter().for_each(|write| write.refuse(&down.why, &self.options.folder));
            }
            (None, None) => unreachable!("without a database the store is down"),
        };
        let is_synced = self.options.commit_interval.is_zero() || waiting.iter().any(StagedCall::wants_sync);
        let sync = if is_synced { SyncWhen::Now } else { SyncWhen::Later };
        // What changes nothing is as durable as what it found, which may wait for its sync still.
        let written = match (changes.is_empty(), sync, self.sync_at) {
            (true, SyncWhen::Later, _) | (true, SyncWhen::Now, None) => Ok(()),
            (true, SyncWhen::Now, Some(_)) | (false, ..) => self.write_changes(&changes, sync),
        };
        let refusal = written.err().map(|error| {
            // The limit is looked at before RocksDB is asked: then its handle is as good as before.
            if self.down.is_none() {
                self.go_down(&error, true);
            }
            StoreRefusal::of(&error)
        });
        for waiting in waiting {
            waiting.settle(refusal.as_ref().map_or(Ok(self.n_written), Err), &self.options.folder);
        }
    }

    fn write_changes(&mut self, changes: &StagedRows, sync: SyncWhen) -> Result<(), StoreError> {
        let group_bytes: usize =
            changes.iter().map(|(key, changed)| key.len() + changed.as_ref().map_or(0, Vec::len)).sum();
        let group_bytes = u64::try_from(group_bytes).unwrap_or(u64::MAX);
        // Asked first: RocksDB's own error for want of room would cost opening it anew.
        if !self.has_room(group_bytes)? {
            let full = StoreError::Full { folder: self.options.folder.display().to_string() };
            self.go_down(&full, false);
            return Err(full);
        }
        self.measured.since_bytes = self.measured.since_bytes.saturating_add(group_bytes);
        self.database.as_mut().map_or(Ok(()), |database| database.write(changes, sync))?;
        self.n_written.0 += 1;
        match sync {
            SyncWhen::Now => self.tell_synced(),
            SyncWhen::Later => {
                let now = Instant::now();
                // The first that waits sets the time; those behind it do not put it off.
                self.sync_at.get_or_insert(now + self.options.commit_interval);
                self.rest_until = Some(now + WRITE_PAUSE);
            }
        }
        Ok(())
    }

    /// Whether the folder may grow by so much. Before it says no, the log is made into tables, which are
    /// smaller.
    fn has_room(&mut self, group_bytes: u64) -> Result<bool, StoreError> {
        let Some(bytes_max) = self.options.bytes_max else { return Ok(true) };
        let fits = |folder_bytes: u64, since_bytes: u64| {
            folder_bytes.saturating_add(since_bytes).saturating_add(group_bytes) <= bytes_max
        };
        // Mostly the last measure will do: to walk the folder for each write costs more than the write.
        if let Some(known) = self.measured.folder_bytes
            && self.measured.since_bytes < MEASURE_BYTES
            && fits(known, self.measured.since_bytes)
        {
            return Ok(true);
        }
        if fits(self.measure()?, 0) {
            return Ok(true);
        }
        if let Some(database) = &self.database {
            database.flush()?;
        }
        Ok(fits(self.measure()?, 0))
    }

    fn measure(&mut self) -> Result<u64, StoreError> {
        let bytes = folder_bytes(&self.options.folder)
            .map_err(|error| io_error(&self.options.folder, "measured", error))?;
        self.measured = Measured { folder_bytes: Some(bytes), since_bytes: 0 };
        Ok(bytes)
    }

    /// Looks whether the store can take writes again.
    fn come_back_if_due(&mut self) {
        if self.down.as_ref().is_none_or(|down| down.probe_at > Instant::now()) {
            return;
        }
        match self.try_come_back() {
            Ok(()) => {
                tracing::info!(folder = %self.options.folder.display(), "the store takes writes again");
                self.down = None;
                self.health.send_replace(StoreHealth::Ok);
            }
            Err(error) => {
                // Whatever the probe failed for, a handle that was spent stays so.
                let reopen = self.down.as_ref().is_some_and(|down| down.reopen);
                self.go_down(&error, reopen);
            }
        }
    }

    fn try_come_back(&mut self) -> Result<(), StoreError> {
        if let Some(down) = &mut self.down
            && down.reopen
        {
            // Until the disk takes a write the old handle stays: it can still be read.
            probe(&self.options.folder)?;
            // RocksDB locks its folder, so the old handle goes before the new one comes.
            self.database = None;
            self.database = Some(Database::open(&self.options.folder)?);
            down.reopen = false;
        }
        if self.has_room(0)? {
            Ok(())
        } else {
            Err(StoreError::Full { folder: self.options.folder.display().to_string() })
        }
    }

    /// Nobody knows what of the last writes is on disk.
    fn lose_unsynced(&mut self, error: &StoreError) {
        if self.sync_at.take().is_some() {
            let error = Arc::new(StoreRefusal::of(error).error(&self.options.folder));
            self.synced.send_modify(|synced| synced.lost = Some((self.n_written, error)));
        }
    }

    fn go_down(&mut self, error: &StoreError, reopen: bool) {
        let why = StoreRefusal::of(error);
        let folder = self.options.folder.display();
        let before = self.health.borrow().clone();
        let health = match (&why, before) {
            // A probe that fails as the one before is no news: since when stays, and nothing is logged.
            (StoreRefusal::Full, StoreHealth::Full { since }) => StoreHealth::Full { since },
            (StoreRefusal::Full, StoreHealth::Ok | StoreHealth::Failing { .. }) => {
                tracing::warn!(%folder, "there is no room: no checkpoint is written until there is");
                StoreHealth::Full { since: SystemTime::now() }
            }
            (_, StoreHealth::Failing { since, .. }) => StoreHealth::Failing { since, error: why.text() },
            (_, StoreHealth::Ok | StoreHealth::Full { .. }) => {
                tracing::error!(%folder, error = %why.text(), "the store fails");
                StoreHealth::Failing { since: SystemTime::now(), error: why.text() }
            }
        };
        let probe_interval = self.options.probe_interval.max(PROBE_INTERVAL_MIN);
        let wait = match why {
            StoreRefusal::Full | StoreRefusal::Io { .. } => probe_interval,
            StoreRefusal::Damaged { .. } | StoreRefusal::RolledBack { .. } => probe_interval * DAMAGED_PROBES,
        };
        self.down = Some(Down { why, reopen, probe_at: Instant::now() + wait });
        self.health.send_if_modified(|kept| std::mem::replace(kept, health.clone()) != health);
        // After its health: whoever hears that a write is in doubt must not find the store well still.
        if reopen {
            self.lose_unsynced(error);
        }
    }
}

enum NextWrite {
    Asked(StoreRequest),
    Due,
    SyncDue,
    Dropped,
}
