//! `forebay state verify|show|repair`: what is inside a data folder and whether it is whole.

use std::path::Path;

use clap::{Args, Subcommand};
use forebay_batcher::{Checkpoint, Watermark};
use forebay_checkpoints::{StoreError, rocksdb};
use serde_json::{Value, json};

use super::{Folder, output};
use crate::exit::Exit;
use crate::positions::OpenBatch;
use crate::sentence::chain;
use crate::status::position;

#[derive(Debug, Args)]
pub(super) struct StateArgs {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// Read every row; exit 0 when all are whole, 1 when not.
    Verify(Folder),
    /// Print every mapping with its tracks and where they stand, as JSON.
    Show(Folder),
    /// Make a damaged folder open again with what can be read of it. Copy the folder before.
    Repair(Folder),
}

impl StateArgs {
    pub(super) fn execute(self) -> Exit {
        let (StateCommand::Verify(data) | StateCommand::Show(data) | StateCommand::Repair(data)) =
            &self.command;
        let folder = match data.choose() {
            Ok(folder) => folder,
            Err(exit) => return exit,
        };
        let done = match self.command {
            StateCommand::Verify(_) => verify(&folder),
            StateCommand::Show(_) => show(&folder),
            StateCommand::Repair(_) => repair(&folder),
        };
        match done {
            Ok(exit) => exit,
            Err(error) => {
                output::complain(Some(error.code()), chain(&error));
                if error.is_transient() { Exit::Temporary } else { Exit::Failed }
            }
        }
    }
}

fn verify(folder: &Path) -> Result<Exit, StoreError> {
    let Some(shown) = rocksdb::show(folder)? else { return Ok(nothing(folder)) };
    let mut faults: Vec<String> =
        shown.verified.faults.iter().map(|it| format!("{}: {}", it.row, it.why)).collect();
    // The store does not look inside a checkpoint; the core does.
    for (mapping, track, checkpoint) in checkpoints(&shown) {
        match checkpoint.map(Checkpoint::decode) {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                faults.push(format!("checkpoint of {track} of mapping {mapping}: {}", chain(&error)))
            }
            None => faults.push(format!("checkpoint of {track} of mapping {mapping}: it is missing")),
        }
    }
    for fault in &faults {
        output::print(fault);
    }
    let verified = &shown.verified;
    // Beside the report: the store may refuse to open though each of its rows is whole.
    if let Some(refusal) = &verified.refusal {
        output::complain(Some(refusal.code()), chain(refusal));
    }
    let whole = faults.is_empty() && verified.refusal.is_none();
    let judgement = if whole { "whole" } else { "damaged" };
    output::print(format!(
        "{}: {} rows, {} mappings, {judgement}",
        folder.display(),
        verified.n_rows,
        shown.mappings.len()
    ));
    Ok(if whole { Exit::Done } else { Exit::Failed })
}

fn checkpoints(shown: &rocksdb::StoreContents) -> impl Iterator<Item = (&str, &str, Option<&[u8]>)> {
    shown.mappings.iter().flat_map(|mapping| {
        mapping
            .tracks
            .iter()
            .map(|it| (mapping.mapping.0.as_str(), it.track.0.as_str(), it.checkpoint.as_deref()))
    })
}

fn show(folder: &Path) -> Result<Exit, StoreError> {
    let Some(shown) = rocksdb::show(folder)? else { return Ok(nothing(folder)) };
    let mappings: Vec<Value> = shown
        .mappings
        .iter()
        .map(|it| {
            let tracks: Vec<Value> =
                it.tracks.iter().map(|track| json!({"track": track.track.0, "checkpoint": told(track.checkpoint.as_deref())})).collect();
            json!({"mapping": it.mapping.0, "epoch": it.epoch.map(|epoch| epoch.0), "created": it.created, "tracks": tracks, "note": it.note.as_deref().map(noted)})
        })
        .collect();
    let whole = shown.verified.refusal.is_none() && shown.verified.faults.is_empty();
    let told = json!({"data_dir": folder.display().to_string(), "whole": whole, "mappings": mappings});
    output::print(serde_json::to_string_pretty(&told).expect("strings and numbers only, written to memory"));
    Ok(Exit::Done)
}

/// A note for people: what the daemon writes is JSON.
fn noted(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes)
        .unwrap_or_else(|_| json!({"unreadable": format!("{} bytes that are not JSON", bytes.len())}))
}

/// A checkpoint for people.
fn told(bytes: Option<&[u8]>) -> Value {
    let Some(bytes) = bytes else { return Value::Null };
    let checkpoint = match Checkpoint::decode(bytes) {
        Ok(checkpoint) => checkpoint,
        Err(error) => return json!({"unreadable": chain(&error)}),
    };
    let at = |it: &forebay_batcher::Position| position(&Watermark::At(it.clone()));
    let finished: Vec<Value> =
        checkpoint.finished.iter().map(|(first, last)| json!([at(first), at(last)])).collect();
    let slices: Vec<OpenBatch> = checkpoint.slices.iter().map(OpenBatch::of).collect();
    json!({
        "position": position(&checkpoint.watermark),
        "finished_above": finished,
        "open_batches": slices,
        "ended": checkpoint.ended,
        "lanes": checkpoint.lanes,
    })
}

fn repair(folder: &Path) -> Result<Exit, StoreError> {
    // Asked first, so that a folder which a slip of the hand names is not made.
    if let Ok(None) = rocksdb::show(folder) {
        return Ok(nothing(folder));
    }
    let repaired = rocksdb::repair(folder)?;
    let Some(refusal) = &repaired.refusal else {
        output::print(format!("{}: whole, nothing to mend", folder.display()));
        return Ok(Exit::Done);
    };
    output::print(format!("it did not open: {}", chain(refusal)));
    for fault in &repaired.dropped {
        output::print(format!("dropped {}: {}", fault.row, fault.why));
    }
    for (mapping, track) in &repaired.lost {
        output::print(format!("position lost: {} of mapping {} stays stopped", track.0, mapping.0));
    }
    let mappings: Vec<_> = repaired.mappings.iter().map(|it| it.0.as_str()).collect();
    output::print(format!("mended; known mappings: {}", mappings.join(", ")));
    Ok(Exit::Done)
}

fn nothing(folder: &Path) -> Exit {
    output::print(format!("{}: there is no state", folder.display()));
    Exit::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_no_state_repairing_makes_none() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("misspelt");
        assert_eq!(repair(&folder).unwrap(), Exit::Done);
        assert!(!folder.exists());
    }
}
