//! Mending a damaged store: what cannot be read is dropped by name, and a track without its checkpoint stays
//! on its mapping's list.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rocksdb::{DB, IteratorMode, WriteBatch, WriteOptions};

use super::database::nanoseconds_now;
use super::generation::{StoreGeneration, Sum};
use super::lock::FolderLock;
use super::logs;
use super::opening::{exists, open_error, options, path, rocks_error, scan_options};
use super::seal::{Promise, Seal};
use super::survey::{StoreFault, Survey, judge, survey, survey_rows};
use crate::row::{Name, Row};
use crate::store::{Epoch, MappingId, StoreError, TrackKey};

/// What mending a store did.
#[derive(Debug, Default)]
pub struct Repaired {
    /// Why the store did not open before; `None` when it was whole and nothing was done.
    pub refusal: Option<StoreError>,
    /// What could not be read and was dropped.
    pub dropped: Vec<StoreFault>,
    /// Tracks that are on a list without a checkpoint: they stop in the state `PositionLost` until an
    /// operator says where to begin.
    pub lost: Vec<(MappingId, TrackKey)>,
    /// The mappings that the store knows. One that is missing here begins at its starting position, like a
    /// new one.
    pub mappings: Vec<MappingId>,
}

/// Makes a damaged or older store open again, with what can be read of it. Checkpoints may be older than the
/// last acknowledged: their records repeat. Copy the folder before.
pub fn repair(folder: &Path) -> Result<Repaired, StoreError> {
    let name = folder.display().to_string();
    let _lock = FolderLock::take(folder)?;
    if !exists(folder) {
        return Err(StoreError::RolledBack {
            folder: name,
            why: "there is no database to mend; move the folder away to begin afresh".to_owned(),
        });
    }
    let (sealed, seal_fault) = match Seal::read(folder) {
        Ok(sealed) => (sealed, None),
        Err(error @ StoreError::Damaged { .. }) => (None, Some(error)),
        Err(error) => return Err(error),
    };
    let (readable, refusal) = match survey(folder, &mut |_, _| {}) {
        Ok(found) => (!found.cut_short, seal_fault.or_else(|| judge(folder, sealed, &found).err())),
        Err(error) => (false, Some(error)),
    };
    let Some(refusal) = refusal else { return Ok(Repaired::default()) };
    // Rows that are damaged by themselves are dropped one by one; only files that cannot be read need this.
    if !readable {
        logs::cut(folder)?;
        DB::repair(&options(), path(folder)).map_err(|error| open_error(folder, error))?;
    }
    let db = DB::open(&options(), path(folder)).map_err(|error| open_error(folder, error))?;
    let mut found = FoundRows::default();
    let mut survey = Survey::default();
    survey_rows(&db, folder, &mut survey, &mut |name, row| found.note(name, row));
    let (rows, mut repaired) = found.mend();
    repaired.refusal = Some(refusal);
    repaired.dropped = survey.faults;

    let mut sum = Sum::default();
    let mut batch = WriteBatch::default();
    // In one write all goes and what could be read comes back: cut off, it is the old store or the new.
    batch.delete_range(Vec::new(), behind_last(&db));
    for (name, row) in &rows {
        let value = row.encode(name);
        sum.add(&value);
        batch.put(name.key(), value);
    }
    let before = survey.generation.unwrap_or_default();
    let generation = StoreGeneration {
        // Another store from here on: no copy of the former database or seal fits beside it.
        born: nanoseconds_now(),
        opened: before.opened.max(sealed.map_or(0, |promise| promise.opened)) + 1,
        // Above both, so that neither of them looks newer than what stands here.
        n_writes: before.n_writes.max(sealed.map_or(0, |promise| promise.n_writes)) + 1,
        sum,
    };
    batch.put(Name::Generation.key(), generation.encode());
    let mut how = WriteOptions::default();
    how.set_sync(true);
    db.write_opt(batch, &how).map_err(|error| rocks_error(&name, "mended", error))?;
    // The seal comes last: it promises what is on disk already.
    drop(db);
    Seal::replace(
        folder,
        Promise { n_writes: generation.n_writes, opened: generation.opened, born: generation.born },
    )?;
    Ok(repaired)
}

/// The first key behind all that a database has; damage makes keys that no row has, and they may sort last.
fn behind_last(db: &DB) -> Vec<u8> {
    // Where the end cannot be read, this is behind all keys that a row can have.
    let Some(Ok((last, _))) = db.iterator_opt(IteratorMode::End, scan_options()).next() else {
        return vec![u8::MAX];
    };
    let mut key = last.into_vec();
    key.push(0);
    key
}

/// The rows of a damaged store by what they are about; `None` for one that cannot be read.
#[derive(Default)]
struct FoundRows {
    epoch_floor: Option<Row>,
    notes: BTreeMap<MappingId, Row>,
    mappings: BTreeMap<MappingId, Option<Row>>,
    listed: BTreeMap<(MappingId, TrackKey), Option<Row>>,
    checkpoints: BTreeMap<(MappingId, TrackKey), Option<Row>>,
}

impl FoundRows {
    fn note(&mut self, name: Name, row: Option<Row>) {
        match name {
            Name::Checkpoint(mapping, track) => drop(self.checkpoints.insert((mapping, track), row)),
            Name::Listed(mapping, track) => drop(self.listed.insert((mapping, track), row)),
            Name::Mapping(mapping) => drop(self.mappings.insert(mapping, row)),
            Name::Note(mapping) => self.notes.extend(row.map(|row| (mapping, row))),
            Name::EpochFloor => self.epoch_floor = row,
            Name::Generation => {}
        }
    }

    /// The rows that a store with this content has: every track that was seen is listed, every mapping that
    /// had a track is created.
    fn mend(self) -> (Vec<(Name, Row)>, Repaired) {
        let mut rows = Vec::new();
        let mut epochs: BTreeMap<MappingId, Epoch> = BTreeMap::new();
        let mut tracks = BTreeSet::new();
        for (mapping, row) in &self.mappings {
            epochs.insert(mapping.clone(), row.as_ref().map_or(Epoch(0), |row| row.epoch));
        }
        for ((mapping, track), row) in self.listed.iter().chain(&self.checkpoints) {
            let epoch = epochs.entry(mapping.clone()).or_insert(Epoch(0));
            // Where the mapping's own row is damaged, those of its tracks tell which epoch was granted
            // last.
            *epoch = (*epoch).max(row.as_ref().map_or(Epoch(0), |row| row.epoch));
            tracks.insert((mapping.clone(), track.clone()));
        }
        let with_tracks: BTreeSet<MappingId> = tracks.iter().map(|(mapping, _)| mapping.clone()).collect();
        let mut repaired = Repaired { mappings: epochs.keys().cloned().collect(), ..Repaired::default() };
        for (mapping, epoch) in epochs {
            let only_acquired = self
                .mappings
                .get(&mapping)
                .is_some_and(|row| row.as_ref().is_some_and(|row| row.body == [0]));
            // In doubt it was created: taken for a new one it would begin at its starting position and pass
            // records over.
            let body = vec![u8::from(with_tracks.contains(&mapping) || !only_acquired)];
            rows.push((Name::Mapping(mapping), Row { epoch, body }));
        }
        for (mapping, track) in tracks {
            let checkpoint = self.checkpoints.get(&(mapping.clone(), track.clone())).cloned().flatten();
            let epoch = checkpoint.as_ref().map_or(Epoch(0), |row| row.epoch);
            rows.push((Name::Listed(mapping.clone(), track.clone()), Row { epoch, body: Vec::new() }));
            match checkpoint {
                Some(row) => rows.push((Name::Checkpoint(mapping, track), row)),
                None => repaired.lost.push((mapping, track)),
            }
        }
        rows.extend(self.notes.into_iter().map(|(mapping, row)| (Name::Note(mapping), row)));
        rows.extend(self.epoch_floor.map(|row| (Name::EpochFloor, row)));
        (rows, repaired)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RocksOptions, RocksStore};
    use super::*;
    use crate::store::CheckpointStore;

    async fn open(folder: &Path) -> Result<RocksStore, StoreError> {
        RocksStore::open(RocksOptions::new(folder)).await
    }

    #[tokio::test]
    async fn a_key_that_no_row_has_is_dropped_wherever_it_sorts() {
        for key in [&b""[..], b"\x00", b"c", b"zz", b"\xff", b"\xff\xff\xff"] {
            let folder = tempfile::tempdir().unwrap();
            open(folder.path()).await.unwrap().close().await;
            let db = DB::open(&options(), path(folder.path())).unwrap();
            db.put(key, b"damaged").unwrap();
            drop(db);
            let refused = open(folder.path()).await.map(drop);
            assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{key:?}: {refused:?}");
            assert_eq!(repair(folder.path()).unwrap().dropped.len(), 1, "{key:?}");
            let mended =
                open(folder.path()).await.unwrap_or_else(|error| panic!("{key:?}, mended: {error:?}"));
            mended.close().await;
        }
    }
}
