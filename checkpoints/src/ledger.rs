//! The rules that every store shares: who may write, and what a write changes. It stages changes and writes
//! nothing itself.

use std::collections::BTreeMap;

use crate::row::{Name, Row};
use crate::staged::Staged;
use crate::store::{Epoch, KeptTrack, Lease, MappingId, StoreError, TrackKey};

/// A change of one mapping's rows.
#[derive(Debug)]
pub(crate) enum LedgerChange {
    Create(Vec<(TrackKey, Vec<u8>)>),
    Grant(Vec<(TrackKey, Epoch)>),
    Commit(TrackKey, Vec<u8>),
    Forget(Vec<TrackKey>),
    Remove,
}

/// Grants an epoch above every one granted before, above the wall clock and above the source's own
/// generation.
pub(crate) fn acquire(
    staged: &mut Staged<'_>,
    mapping: &MappingId,
    generation: Epoch,
    now_seconds: u64,
) -> Result<Lease, StoreError> {
    let name = Name::Mapping(mapping.clone());
    let kept = staged.row(&name)?;
    let stored = match &kept {
        Some(row) => row.epoch,
        // One that was removed may come again: whoever held its former life must stay fenced.
        None => epoch_floor(staged)?,
    };
    // Above the wall clock, epochs grow even where the whole folder was brought back from a copy.
    let epoch = Epoch(stored.0.max(generation.0).max(now_seconds).saturating_add(1));
    let body = kept.map_or_else(|| vec![0], |row| row.body);
    staged.put(&name, &Row { epoch, body });
    Ok(Lease { mapping: mapping.clone(), epoch, generation: Epoch(0) })
}

/// The mapping's tracks; a track with a checkpoint counts as listed.
pub(crate) fn load(staged: &Staged<'_>, lease: &Lease) -> Result<Option<Vec<KeptTrack>>, StoreError> {
    if !is_created(&authorise(staged, lease)?) {
        return Ok(None);
    }
    Ok(Some(
        tracks(staged, &lease.mapping)?
            .into_iter()
            .map(|(track, checkpoint)| KeptTrack { track, checkpoint })
            .collect(),
    ))
}

/// Stages a change; when it fails, nothing is staged.
pub(crate) fn apply(staged: &mut Staged<'_>, lease: &Lease, change: LedgerChange) -> Result<(), StoreError> {
    let row = authorise(staged, lease)?;
    match change {
        LedgerChange::Create(tracks) => create(staged, lease, row, tracks),
        LedgerChange::Grant(tracks) => {
            must_be_created(lease, &row)?;
            // All are looked at before the first is staged: they are granted together or not at all.
            for (track, generation) in &tracks {
                let (_, granted) = granted(staged, lease, track)?;
                if granted > *generation {
                    return Err(overtaken(lease, track, granted, *generation));
                }
            }
            for (track, generation) in tracks {
                let body = generation.0.to_be_bytes().to_vec();
                staged.put(&listed(lease, &track), &Row { epoch: lease.epoch, body });
            }
            Ok(())
        }
        LedgerChange::Commit(track, checkpoint) => {
            must_be_created(lease, &row)?;
            let (is_listed, granted) = granted(staged, lease, &track)?;
            // A higher one is refused as well: what was not granted yet writes nothing.
            if granted != lease.generation {
                return Err(overtaken(lease, &track, granted, lease.generation));
            }
            // In the same write: a checkpoint of a track that is not listed could be lost without a trace.
            if !is_listed {
                staged.put(&listed(lease, &track), &Row { epoch: lease.epoch, body: Vec::new() });
            }
            staged.put(&kept(lease, &track), &Row { epoch: lease.epoch, body: checkpoint });
            Ok(())
        }
        LedgerChange::Forget(tracks) => {
            for track in &tracks {
                staged.delete(&listed(lease, track));
                staged.delete(&kept(lease, track));
            }
            Ok(())
        }
        LedgerChange::Remove => {
            // Where the mapping comes again, its epochs begin above this one.
            let floor = epoch_floor(staged)?.max(lease.epoch);
            for track in tracks(staged, &lease.mapping)?.keys() {
                staged.delete(&listed(lease, track));
                staged.delete(&kept(lease, track));
            }
            staged.delete(&Name::Note(lease.mapping.clone()));
            staged.delete(&Name::Mapping(lease.mapping.clone()));
            staged.put(&Name::EpochFloor, &Row { epoch: floor, body: Vec::new() });
            Ok(())
        }
    }
}

/// Stages a mapping's note in place of the one before, or without one its going.
pub(crate) fn note(staged: &mut Staged<'_>, mapping: MappingId, note: Option<Vec<u8>>) {
    let name = Name::Note(mapping);
    match note {
        // It belongs to no owner, so it has no epoch.
        Some(body) => staged.put(&name, &Row { epoch: Epoch(0), body }),
        None => staged.delete(&name),
    }
}

/// All notes.
pub(crate) fn notes(staged: &Staged<'_>) -> Result<BTreeMap<MappingId, Vec<u8>>, StoreError> {
    let rows = staged.under(&Name::notes())?;
    Ok(rows
        .into_iter()
        .filter_map(
            |(name, row)| if let Name::Note(mapping) = name { Some((mapping, row.body)) } else { None },
        )
        .collect())
}

/// All mappings with the highest epoch granted.
pub(crate) fn mappings(staged: &Staged<'_>) -> Result<Vec<(MappingId, Epoch)>, StoreError> {
    let rows = staged.under(&Name::mappings())?;
    Ok(rows
        .into_iter()
        .filter_map(
            |(name, row)| if let Name::Mapping(mapping) = name { Some((mapping, row.epoch)) } else { None },
        )
        .collect())
}

fn create(
    staged: &mut Staged<'_>,
    lease: &Lease,
    row: Row,
    new: Vec<(TrackKey, Vec<u8>)>,
) -> Result<(), StoreError> {
    if is_created(&row) {
        // The answer to the first try may have been lost: the same again is no mistake.
        let new: BTreeMap<_, _> =
            new.into_iter().map(|(track, checkpoint)| (track, Some(checkpoint))).collect();
        if tracks(staged, &lease.mapping)? == new {
            return Ok(());
        }
        return Err(StoreError::OutOfTurn {
            mapping: lease.mapping.clone(),
            why: "was created already, with other checkpoints",
        });
    }
    for (track, checkpoint) in new {
        staged.put(&listed(lease, &track), &Row { epoch: lease.epoch, body: Vec::new() });
        staged.put(&kept(lease, &track), &Row { epoch: lease.epoch, body: checkpoint });
    }
    staged.put(&Name::Mapping(lease.mapping.clone()), &Row { epoch: lease.epoch, body: vec![1] });
    Ok(())
}

fn must_be_created(lease: &Lease, row: &Row) -> Result<(), StoreError> {
    if is_created(row) {
        return Ok(());
    }
    Err(StoreError::OutOfTurn { mapping: lease.mapping.clone(), why: "is not created yet" })
}

/// Whether a track is on the list, and the generation that it was granted under last: zero for one that no
/// source deals out.
fn granted(staged: &Staged<'_>, lease: &Lease, track: &TrackKey) -> Result<(bool, Epoch), StoreError> {
    let row = staged.row(&listed(lease, track))?;
    // The row of a track that nobody deals out has no body, and so no generation.
    let generation = row.as_ref().and_then(|row| row.body.as_slice().try_into().ok()).map(u64::from_be_bytes);
    Ok((row.is_some(), Epoch(generation.unwrap_or(0))))
}

fn overtaken(lease: &Lease, track: &TrackKey, granted: Epoch, ours: Epoch) -> StoreError {
    StoreError::Overtaken { mapping: lease.mapping.clone(), track: track.clone(), granted, ours }
}

/// F-1: nothing is accepted under an epoch that is not the highest granted.
fn authorise(staged: &Staged<'_>, lease: &Lease) -> Result<Row, StoreError> {
    let row = staged.row(&Name::Mapping(lease.mapping.clone()))?;
    let granted = match &row {
        Some(row) => row.epoch,
        None => epoch_floor(staged)?,
    };
    match row {
        Some(row) if row.epoch == lease.epoch => Ok(row),
        Some(_) | None => {
            Err(StoreError::Fenced { mapping: lease.mapping.clone(), granted, ours: lease.epoch })
        }
    }
}

fn epoch_floor(staged: &Staged<'_>) -> Result<Epoch, StoreError> {
    Ok(staged.row(&Name::EpochFloor)?.map_or(Epoch(0), |row| row.epoch))
}

fn is_created(row: &Row) -> bool {
    row.body == [1]
}

fn tracks(
    staged: &Staged<'_>,
    mapping: &MappingId,
) -> Result<BTreeMap<TrackKey, Option<Vec<u8>>>, StoreError> {
    let mut tracks = BTreeMap::new();
    for (name, _) in staged.under(&Name::list_of(mapping))? {
        if let Name::Listed(_, track) = name {
            tracks.insert(track, None);
        }
    }
    for (name, row) in staged.under(&Name::checkpoints_of(mapping))? {
        if let Name::Checkpoint(_, track) = name {
            tracks.insert(track, Some(row.body));
        }
    }
    Ok(tracks)
}

fn listed(lease: &Lease, track: &TrackKey) -> Name {
    Name::Listed(lease.mapping.clone(), track.clone())
}

fn kept(lease: &Lease, track: &TrackKey) -> Name {
    Name::Checkpoint(lease.mapping.clone(), track.clone())
}
