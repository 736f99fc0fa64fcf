//! Which waiting records make the next batch: count and exact bytes.

use crate::batch_reason::BatchReason;
use crate::plan::Plan;
use crate::record::{Place, Position, Record, TrackIdx};

/// A batch being filled. Its size is that of the event: the envelope, each record, a comma between two, and a
/// section's own bytes once.
#[derive(Debug)]
pub(crate) struct Filler {
    records: Vec<Record>,
    /// The first section that it has, and all that it has, in order, once there is another.
    only_section: Option<u32>,
    sections: Vec<u32>,
    event_bytes: u64,
    records_max: usize,
    bytes_max: u64,
    /// Its records may come from several lanes and tracks.
    is_mixed: bool,
    closed: Option<BatchReason>,
}

impl Filler {
    /// `state_bytes`: of the event, what the state of a tumbling window takes.
    pub(crate) fn new(plan: &Plan, state_bytes: u64) -> Self {
        Self {
            records: Vec::new(),
            only_section: None,
            sections: Vec::new(),
            event_bytes: plan.envelope_bytes + state_bytes,
            records_max: plan.batch.records_max.get() as usize,
            bytes_max: plan.batch.bytes_max,
            is_mixed: plan.mixes_tracks,
            closed: None,
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

    /// Whether this record does not fit any more; the batch remembers why.
    pub(crate) fn closes_before(&mut self, record: &Record) -> bool {
        self.closed = self.refuses(record);
        self.closed.is_some()
    }

    /// Why no more went in; `None` as long as nothing was refused.
    pub(crate) fn closed(&self) -> Option<BatchReason> {
        self.closed.or_else(|| (self.records.len() >= self.records_max).then_some(BatchReason::Count))
    }

    pub(crate) fn add(&mut self, record: Record) {
        self.event_bytes += self.bytes_of(&record);
        match (self.only_section, self.section(&record)) {
            (None, _) => self.only_section = Some(record.section.idx),
            (Some(only), Err(_)) if self.sections.is_empty() => {
                self.sections.extend([only, record.section.idx]);
                self.sections.sort_unstable();
            }
            (Some(_), Err(at)) => self.sections.insert(at, record.section.idx),
            (Some(_), Ok(_)) => {}
        }
        self.records.push(record);
    }

    /// Makes place for as many more at once, as far as the batch may hold them.
    pub(crate) fn expect(&mut self, n_more: usize) {
        self.records.reserve(n_more.min(self.records_max.saturating_sub(self.records.len())));
    }

    /// Where the section of a record stands among those that the batch has, or would stand.
    fn section(&self, record: &Record) -> Result<usize, usize> {
        // Most have one, and need no list.
        if self.sections.is_empty() && self.only_section == Some(record.section.idx) {
            return Ok(0);
        }
        self.sections.binary_search(&record.section.idx)
    }

    /// Whether its only record is larger than an event may be.
    pub(crate) fn is_oversize(&self) -> bool {
        self.records.len() == 1 && self.event_bytes > self.bytes_max
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records, those of one section together, those of one track in reading order, and otherwise in the
    /// order they came.
    pub(crate) fn into_records(mut self) -> Vec<Record> {
        // B-1: a batch keeps its limits, unless it is a single record.
        crate::rule!(
            B1,
            self.records.len() == 1
                || (self.records.len() <= self.records_max && self.event_bytes <= self.bytes_max)
        );
        if self.is_mixed || self.sections.len() > 1 {
            // N-8: what a partial answer names as failed stands before all that is tried again with it, on
            // whatever lane it is.
            let place = |it: &Record| (it.section.idx, reading_order(it).map(|(idx, at)| (idx, at.clone())));
            if !self.records.is_sorted_by_key(|it| (it.section.idx, reading_order(it))) {
                // Places are sorted, and each record moves once.
                self.records.sort_by_cached_key(place);
            }
        }
        crate::rule!(N8, self.records.windows(2).all(|pair| !is_out_of_order(&pair[0], &pair[1])));
        self.records
    }

    fn bytes_of(&self, record: &Record) -> u64 {
        let comma = u64::from(!self.records.is_empty());
        let is_new_section = record.section.bytes > 0 && self.section(record).is_err();
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
