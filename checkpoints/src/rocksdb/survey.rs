//! Reading a store from the outside, without changing it: what is inside, and whether it is whole. It takes
//! no lock.

use std::collections::BTreeMap;
use std::path::Path;

use rocksdb::{DB, IteratorMode};

use super::generation::{StoreGeneration, Sum};
use super::logs;
use super::opening::{exists, open_error, options, path, scan_options};
use super::seal::{Promise, Seal};
use crate::row::{Name, Row};
use crate::staged::nameless;
use crate::store::{Epoch, KeptTrack, MappingId, StoreError, TrackKey};

/// How often a store is read again that does not seem whole: a process that uses it may take files away under
/// the reader.
const LIVE_TRIES: usize = 5;

/// One thing that is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFault {
    /// Which row, by name.
    pub row: String,
    /// How one can tell.
    pub why: String,
}

/// Whether a store is whole.
#[derive(Debug)]
pub struct StoreVerdict {
    /// How often it was opened.
    pub opened: u64,
    /// How many groups of writes it took.
    pub n_writes: u64,
    /// How many rows it holds.
    pub n_rows: u64,
    /// All that is damaged, by name.
    pub faults: Vec<StoreFault>,
    /// Why it would not open; `None` when it is whole.
    pub refusal: Option<StoreError>,
}

/// What is inside a store.
#[derive(Debug)]
pub struct StoreContents {
    /// Whether it is whole.
    pub verified: StoreVerdict,
    /// Its mappings, in the order of their ids, as far as they can be read.
    pub mappings: Vec<KeptMapping>,
}

/// One mapping in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptMapping {
    /// Which mapping.
    pub mapping: MappingId,
    /// The highest epoch granted; `None` when its row is damaged or missing, as that of a mapping with a note
    /// that nobody took over yet.
    pub epoch: Option<Epoch>,
    /// Whether it was created, and not only acquired.
    pub created: bool,
    /// Its tracks, in the order of their keys.
    pub tracks: Vec<KeptTrack>,
    /// Its note; `None` also when it cannot be read.
    pub note: Option<Vec<u8>>,
}

/// Whether the store in a folder is whole; `None` when there is no store. It works beside a process that uses
/// the store.
pub fn verify(folder: &Path) -> Result<Option<StoreVerdict>, StoreError> {
    Ok(show(folder)?.map(|shown| shown.verified))
}

/// What the store in a folder holds; `None` when there is no store. It works beside a process that uses the
/// store.
pub fn show(folder: &Path) -> Result<Option<StoreContents>, StoreError> {
    let mut shown = show_once(folder)?;
    // Only what looks broken is looked at again: a whole one cannot be so by chance.
    for _ in 1..LIVE_TRIES {
        match &shown {
            Some(it) if it.verified.refusal.is_some() => shown = show_once(folder)?,
            Some(_) | None => break,
        }
    }
    Ok(shown)
}

fn show_once(folder: &Path) -> Result<Option<StoreContents>, StoreError> {
    // The seal is read before the database, which may be ahead of it and never behind.
    let (sealed, seal_fault) = match Seal::read(folder) {
        Ok(None) if !exists(folder) => return Ok(None),
        Ok(sealed) => (sealed, None),
        Err(error @ StoreError::Damaged { .. }) => (None, Some(error)),
        Err(error) => return Err(error),
    };
    let mut mappings = Mappings::default();
    let (survey, unread) = match survey(folder, &mut |name, row| mappings.gather(name, row)) {
        Ok(survey) => (survey, None),
        Err(error) => (Survey::default(), Some(error)),
    };
    let refusal = seal_fault.or(unread).or_else(|| judge(folder, sealed, &survey).err());
    let generation = survey.generation.unwrap_or_default();
    let verified = StoreVerdict {
        opened: generation.opened,
        n_writes: generation.n_writes,
        n_rows: survey.sum.n_rows,
        faults: survey.faults,
        refusal,
    };
    Ok(Some(StoreContents { verified, mappings: mappings.finish() }))
}

/// What a walk over all rows found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) generation: Option<StoreGeneration>,
    pub(super) sum: Sum,
    pub(super) faults: Vec<StoreFault>,
    /// The walk did not come to its end.
    pub(super) cut_short: bool,
}

/// Walks over all rows of a database that it does not change; a row that cannot be read is visited without
/// its content.
pub(super) fn survey(folder: &Path, visit: &mut dyn FnMut(Name, Option<Row>)) -> Result<Survey, StoreError> {
    let mut survey = Survey::default();
    // No database was made here to its end; whether one should be is for the seal to say.
    if !path(folder).join("CURRENT").exists() {
        return Ok(survey);
    }
    logs::check(folder)?;
    let db =
        DB::open_for_read_only(&options(), path(folder), false).map_err(|error| open_error(folder, error))?;
    survey_rows(&db, folder, &mut survey, visit);
    Ok(survey)
}

pub(super) fn survey_rows(
    db: &DB,
    folder: &Path,
    survey: &mut Survey,
    visit: &mut dyn FnMut(Name, Option<Row>),
) {
    let mut last = "the first row".to_owned();
    for row in db.iterator_opt(IteratorMode::Start, scan_options()) {
        let (key, value) = match row {
            Ok(row) => row,
            Err(error) => {
                survey
                    .faults
                    .push(StoreFault { row: format!("what follows {last}"), why: error.into_string() });
                // What lies behind a block that cannot be read is not reached.
                survey.cut_short = true;
                return;
            }
        };
        let Some(name) = Name::parse(&key) else {
            survey.faults.push(StoreFault { row: nameless(&key), why: "its key cannot be read".to_owned() });
            continue;
        };
        last = name.to_string();
        if name == Name::Generation {
            match StoreGeneration::decode(&folder.display().to_string(), &value) {
                Ok(generation) => survey.generation = Some(generation),
                Err(StoreError::Damaged { row, why, .. }) => survey.faults.push(StoreFault { row, why }),
                Err(error) => survey.faults.push(StoreFault { row: last.clone(), why: error.to_string() }),
            }
            continue;
        }
        // Damaged or not: the sum is that of the rows as they stand.
        survey.sum.add(&value);
        match Row::decode(&name, &value) {
            Ok(row) => visit(name, Some(row)),
            Err(why) => {
                survey.faults.push(StoreFault { row: last.clone(), why });
                visit(name, None);
            }
        }
    }
}

/// Surveys a database and compares it with its seal; `None` when it never took a write.
pub(super) fn judged(folder: &Path, sealed: Option<Promise>) -> Result<Option<StoreGeneration>, StoreError> {
    judge(folder, sealed, &survey(folder, &mut |_, _| {})?)
}

/// Compares a database with its seal and with its own sum.
pub(super) fn judge(
    folder: &Path,
    sealed: Option<Promise>,
    survey: &Survey,
) -> Result<Option<StoreGeneration>, StoreError> {
    let damaged = |row: &str, why: &str| StoreError::Damaged {
        folder: folder.display().to_string(),
        row: row.to_owned(),
        why: why.to_owned(),
    };
    let rolled_back = |why: String| Err(StoreError::RolledBack { folder: folder.display().to_string(), why });
    // A damaged row is named first, for the sum says only that there is one.
    if let Some(fault) = survey.faults.first() {
        return Err(damaged(&fault.row, &fault.why));
    }
    let Some(sealed) = sealed else {
        return Err(damaged("the seal", "the file `seal` is missing"));
    };
    let Some(generation) = survey.generation else {
        return match (sealed.n_writes, survey.sum.n_rows) {
            (0, 0) => Ok(None),
            (n_writes, 0) => rolled_back(format!(
                "the database is missing or empty, and {n_writes} writes were acknowledged"
            )),
            _ => Err(damaged(&Name::Generation.to_string(), "it is missing")),
        };
    };
    if generation.born != sealed.born {
        return rolled_back("the database and the file `seal` are of two different stores".to_owned());
    }
    // More than sealed is well: the last write was synced, and its seal was cut off.
    if generation.n_writes < sealed.n_writes {
        return rolled_back(format!(
            "the database holds {} writes, and {} were acknowledged",
            generation.n_writes, sealed.n_writes
        ));
    }
    if generation.sum != survey.sum {
        return rolled_back(format!(
            "of its {} rows some are missing or older than the last write says",
            generation.sum.n_rows
        ));
    }
    Ok(Some(generation))
}

/// Mappings as they come together from rows of several kinds.
#[derive(Default)]
struct Mappings(BTreeMap<MappingId, GatheredMapping>);

#[derive(Default)]
struct GatheredMapping {
    epoch: Option<Epoch>,
    created: bool,
    tracks: BTreeMap<TrackKey, Option<Vec<u8>>>,
    note: Option<Vec<u8>>,
}

impl Mappings {
    fn gather(&mut self, name: Name, row: Option<Row>) {
        match name {
            Name::Checkpoint(mapping, track) => {
                drop(self.of(mapping).tracks.insert(track, row.map(|row| row.body)))
            }
            // Keys of checkpoints sort before those of lists, so one that is there already stays.
            Name::Listed(mapping, track) => drop(self.of(mapping).tracks.entry(track).or_insert(None)),
            Name::Mapping(mapping) => {
                let it = self.of(mapping);
                it.epoch = row.as_ref().map(|row| row.epoch);
                // One that cannot be read counts as created, as it does when it is mended.
                it.created = row.is_none_or(|row| row.body == [1]);
            }
            Name::Note(mapping) => self.of(mapping).note = row.map(|row| row.body),
            Name::EpochFloor | Name::Generation => {}
        }
    }

    fn finish(self) -> Vec<KeptMapping> {
        let kept = |(track, checkpoint)| KeptTrack { track, checkpoint };
        let finish = |(mapping, it): (MappingId, GatheredMapping)| KeptMapping {
            mapping,
            epoch: it.epoch,
            created: it.created,
            tracks: it.tracks.into_iter().map(kept).collect(),
            note: it.note,
        };
        self.0.into_iter().map(finish).collect()
    }

    fn of(&mut self, mapping: MappingId) -> &mut GatheredMapping {
        self.0.entry(mapping).or_default()
    }
}
