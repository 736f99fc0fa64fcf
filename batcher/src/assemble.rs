//! Which waiting records make the next batch: count and exact bytes.

use crate::action::BatchReason;
use crate::plan::Plan;
use crate::record::{Place, Position, Record, Section, TrackIdx};

/// A batch being filled. Its size is that of the event: the envelope, each record, a comma between two, and a section's own bytes once.
#[derive(Debug)]
pub(crate) struct Filler {
    records: Vec<Record>,
    sections: Vec<Section>,
    event_bytes: u64,
    records_max: usize,
    bytes_max: u64,
    /// Its records may come from several lanes and tracks.
    is_mixed: bool,
}

impl Filler {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            records: Vec::new(),
            sections: Vec::new(),
            event_bytes: plan.envelope_bytes,
            records_max: plan.batch.records_max.get() as usize,
            bytes_max: plan.batch.bytes_max,
            is_mixed: plan.mixes_tracks,
        }
    }

    /// Why this record does not fit any more; `None` when it does. The first record always fits.
    pub(crate) fn refuses(&self, record: &Record) -> Option<BatchReason> {
        if self.records.len() >= self.records_max {
            Some(BatchReason::Count)
        } else if !self.records.is_empty() && self.event_bytes + self.bytes_of(record) > self.bytes_max {
            Some(BatchReason::Bytes)
        } else {
            None
        }
    }

    pub(crate) fn add(&mut self, record: Record) {
        self.event_bytes += self.bytes_of(&record);
        if !self.sections.iter().any(|section| section.idx == record.section.idx) {
            self.sections.push(record.section);
        }
        self.records.push(record);
    }

    /// Whether its only record is larger than an event may be.
    pub(crate) fn is_oversize(&self) -> bool {
        self.records.len() == 1 && self.event_bytes > self.bytes_max
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records, those of one section together, those of one track in reading order, and otherwise in the order they came.
    pub(crate) fn into_records(mut self) -> Vec<Record> {
        // B-1: a batch keeps its limits, unless it is a single record.
        crate::rule!(B1, self.records.len() == 1 || (self.records.len() <= self.records_max && self.event_bytes <= self.bytes_max));
        if self.is_mixed || self.sections.len() > 1 {
            // N-8: what a partial answer names as failed stands before all that is tried again with it, on whatever lane it is.
            self.records.sort_by(|a, b| (a.section.idx, reading_order(a)).cmp(&(b.section.idx, reading_order(b))));
        }
        crate::rule!(N8, self.records.windows(2).all(|pair| !is_out_of_order(&pair[0], &pair[1])));
        self.records
    }

    fn bytes_of(&self, record: &Record) -> u64 {
        let comma = u64::from(!self.records.is_empty());
        let is_new_section = !self.sections.iter().any(|section| section.idx == record.section.idx);
        record.n_bytes() + comma + if is_new_section { u64::from(record.section.bytes) } else { 0 }
    }
}

fn is_out_of_order(one: &Record, next: &Record) -> bool {
    matches!((&one.place, &next.place), (Place::Track(track, position), Place::Track(its, next)) if track == its && position >= next)
}

fn reading_order(record: &Record) -> Option<(TrackIdx, &Position)> {
    match &record.place {
        Place::Track(track, position) => Some((*track, position)),
        Place::Queue { .. } => None,
    }
}

/// The size that a record adds to a batch at most, for counting what waits.
pub(crate) fn bytes_in_batch(record: &Record) -> u64 {
    record.n_bytes() + 1
}
