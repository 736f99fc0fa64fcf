//! The lanes of one track: what waits in each, which batch run holds it, and the sums that spare a walk over
//! all of them.

use std::collections::{BTreeSet, VecDeque};

use crate::assemble::bytes_in_batch;
use crate::batch_reason::BatchReason;
use crate::checkpoint::KeptWindow;
use crate::former::{Counted, Waiting};
use crate::hold::BatchRunId;
use crate::plan::WindowPlan;
use crate::record::{Position, Record};
use crate::time::{Now, Tick};
use crate::tumbling::Finale;

use super::tumbling::{Ends, Inside, LaneWindow, Progress};

/// The lanes of one track. What changes a lane goes through here, so that the sums are always those of the
/// lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// The batch runs that hold any of them, in the order in which they were made.
    holders: Vec<Holder>,
    /// Lanes with a batch that waits for a slot, by their first records; a track of one lane needs no order.
    ready: BTreeSet<(Position, u32)>,
    n_waiting: usize,
    n_held: u32,
    /// Lanes in which nothing waits and that no batch run holds.
    n_idle: u32,
    /// Tumbling windows that have begun.
    n_windows: u32,
}

/// One lane: records of some keys, strictly in order.
#[derive(Debug, Default)]
pub(super) struct Lane {
    waiting: VecDeque<Waiting>,
    waiting_bytes: u64,
    run: Option<BatchRunId>,
    /// Set while a fresh batch of it waits for a slot; [`Lanes::stand`] and [`Lanes::withdraw`] begin and end
    /// it.
    pub(super) ready: Option<(Tick, BatchReason)>,
    /// The deadline of its batching window, as the timers know it.
    pub(super) window_at: Option<Tick>,
    /// What of it is counted in the group, where batches mix tracks.
    pub(super) counted: Option<Counted>,
    /// It stands in the group's line.
    pub(super) is_in_line: bool,
    /// Its tumbling window, where there are any.
    window: Option<Box<LaneWindow>>,
}

#[derive(Debug)]
struct Holder {
    id: BatchRunId,
    n_lanes: u32,
    /// A checkpoint has something to say about it: it was tried, or given up.
    is_told: bool,
}

impl Lanes {
    pub(super) fn new(n_lanes: u32) -> Self {
        Self {
            lanes: (0..n_lanes).map(|_| Lane::default()).collect(),
            holders: Vec::new(),
            ready: BTreeSet::new(),
            n_waiting: 0,
            n_held: 0,
            n_idle: n_lanes,
            n_windows: 0,
        }
    }

    pub(super) fn n_lanes(&self) -> u32 {
        u32::try_from(self.lanes.len()).expect("lanes were made from a u32")
    }

    pub(super) fn get(&self, lane: u32) -> Option<&Lane> {
        self.lanes.get(lane as usize)
    }

    pub(super) fn get_mut(&mut self, lane: u32) -> Option<&mut Lane> {
        self.lanes.get_mut(lane as usize)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Lane> {
        self.lanes.iter()
    }

    /// How many records wait in all of them.
    pub(super) fn n_waiting(&self) -> usize {
        self.n_waiting
    }

    pub(super) fn is_any_held(&self) -> bool {
        self.n_held > 0
    }

    pub(super) fn is_any_idle(&self) -> bool {
        self.n_idle > 0
    }

    /// Nothing waits and nothing is held.
    pub(super) fn is_empty(&self) -> bool {
        self.n_waiting == 0 && self.n_held == 0
    }

    /// The batch runs that hold any of them, in the order in which they were made.
    pub(super) fn batch_runs(&self) -> impl ExactSizeIterator<Item = BatchRunId> {
        self.holders.iter().map(|it| it.id)
    }

    /// Those of which a checkpoint must speak.
    pub(super) fn told(&self) -> impl Iterator<Item = BatchRunId> {
        self.holders.iter().filter(|it| it.is_told).map(|it| it.id)
    }

    /// From now on a checkpoint must speak of this batch run.
    pub(super) fn tell(&mut self, id: BatchRunId) {
        if let Ok(at) = self.holder(id) {
            self.holders[at].is_told = true;
        }
    }

    /// A record waits in a lane.
    pub(super) fn push(&mut self, lane: u32, waiting: Waiting) {
        let unit = &mut self.lanes[lane as usize];
        self.n_idle -= u32::from(unit.is_idle());
        unit.waiting_bytes += bytes_in_batch(&waiting.record);
        if let Some(window) = &mut unit.window {
            window.note(&waiting.record);
            if unit.waiting.is_empty() && unit.ready.is_some() {
                // The end of a window stands where its lane has no record, and moves to its first.
                if self.ready.remove(&(lowest(), lane)) {
                    self.ready.extend(waiting.record.position().map(|place| (place.clone(), lane)));
                }
            }
        }
        unit.waiting.push_back(waiting);
        self.n_waiting += 1;
    }

    /// Takes the record that has waited longest in a lane.
    pub(super) fn pop(&mut self, lane: u32) -> Option<Waiting> {
        let unit = &mut self.lanes[lane as usize];
        let waiting = unit.waiting.pop_front()?;
        unit.waiting_bytes -= bytes_in_batch(&waiting.record);
        if let Some(window) = &mut unit.window {
            window.forget(&waiting.record);
        }
        if unit.waiting.is_empty() {
            // What comes next stands where the memory is warm, and not behind all that the line ever held.
            unit.waiting.clear();
        }
        self.n_idle += u32::from(unit.is_idle());
        self.n_waiting -= 1;
        Some(waiting)
    }

    /// A batch of a lane waits for a slot from now on.
    pub(super) fn stand(&mut self, lane: u32, since: Tick, why: BatchReason) {
        let is_alone = self.lanes.len() == 1;
        let unit = &mut self.lanes[lane as usize];
        unit.ready = Some((since, why));
        if !is_alone {
            self.ready.insert((unit.place(), lane));
        }
    }

    /// A batch of a lane waits for a slot no more: why it was closed, if it did wait.
    pub(super) fn withdraw(&mut self, lane: u32) -> Option<BatchReason> {
        let unit = &mut self.lanes[lane as usize];
        let (_, why) = unit.ready.take()?;
        if !self.ready.is_empty() {
            self.ready.remove(&(unit.place(), lane));
        }
        Some(why)
    }

    /// A batch, or the end of a window, waits for a slot.
    pub(super) fn is_any_ready(&self) -> bool {
        self.first_ready().is_some()
    }

    /// The lane whose batch is the next to have a slot: the one with the first record in reading order, so
    /// that as little as can be finishes ahead of what is open.
    pub(super) fn first_ready(&self) -> Option<u32> {
        match self.lanes.as_slice() {
            [only] => only.ready.map(|_| 0),
            _ => self.ready.first().map(|(_, lane)| *lane),
        }
    }

    /// O-2: a batch run takes a lane that no other has. Of a track that was stopped there is none.
    pub(super) fn hold(&mut self, lane: u32, id: BatchRunId) {
        let Some(unit) = self.lanes.get_mut(lane as usize) else { return };
        crate::rule!(O2, unit.run.is_none());
        self.n_idle -= u32::from(unit.is_idle());
        unit.run = Some(id);
        self.n_held += 1;
        match self.holder(id) {
            Ok(at) => self.holders[at].n_lanes += 1,
            Err(at) => self.holders.insert(at, Holder { id, n_lanes: 1, is_told: false }),
        }
    }

    /// A batch run lets go of a lane.
    pub(super) fn free(&mut self, lane: u32, id: BatchRunId) {
        let Some(unit) = self.lanes.get_mut(lane as usize) else { return };
        debug_assert!(unit.run == Some(id), "a lane is let go of by the run that holds it");
        unit.run = None;
        self.n_held -= 1;
        self.n_idle += u32::from(unit.is_idle());
        if let Ok(at) = self.holder(id) {
            self.holders[at].n_lanes -= 1;
            if self.holders[at].n_lanes == 0 {
                self.holders.remove(at);
            }
        }
    }

    fn holder(&self, id: BatchRunId) -> Result<usize, usize> {
        self.holders.binary_search_by_key(&id, |it| it.id)
    }

    /// Whether a tumbling window of any of them has begun.
    pub(super) fn is_any_window_open(&self) -> bool {
        self.n_windows > 0
    }

    /// A tumbling window of a former life.
    pub(super) fn restore_window(&mut self, kept: KeptWindow) {
        let Some(unit) = self.lanes.get_mut(kept.lane as usize) else { return };
        self.n_windows += u32::from(kept.open.is_some());
        unit.window = Some(Box::new(LaneWindow::restored(kept)));
    }

    /// What a checkpoint says of their tumbling windows.
    pub(super) fn windows(&self) -> Vec<KeptWindow> {
        (0..).zip(&self.lanes).filter_map(|(lane, unit)| unit.window.as_ref()?.kept(lane)).collect()
    }

    /// An attempt on a lane starts, and its tumbling window with it, where there is one.
    pub(super) fn begin_window(&mut self, lane: u32, records: &[Record], plan: Option<&WindowPlan>) {
        let Some(unit) = self.lanes.get_mut(lane as usize) else { return };
        if let Some(plan) = plan {
            unit.window.get_or_insert_default().choose_for(plan, records, unit.waiting.iter());
        }
        self.n_windows += u32::from(unit.window_mut().is_some_and(LaneWindow::begin));
    }

    /// The last invocation of a lane's tumbling window is over.
    pub(super) fn end_window(&mut self, lane: u32, finale: Finale) {
        let Some(window) = self.lanes.get_mut(lane as usize).and_then(Lane::window_mut) else { return };
        self.n_windows -= u32::from(window.is_begun());
        window.end(finale);
    }

    /// All that waits, lane by lane; the lanes are as new, as many as are wanted now.
    pub(super) fn replace(&mut self, n_lanes: u32) -> Vec<Lane> {
        std::mem::replace(self, Self::new(n_lanes)).lanes
    }
}

impl Lane {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.run.is_none()
    }

    pub(super) fn run(&self) -> Option<BatchRunId> {
        self.run
    }

    pub(super) fn first(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    /// Where its first record stands; before all others when none waits.
    fn place(&self) -> Position {
        self.first().and_then(|it| it.record.position()).map_or_else(lowest, Position::clone)
    }

    /// Its tumbling window, where there are any.
    pub(super) fn window(&self) -> Option<&LaneWindow> {
        self.window.as_deref()
    }

    /// The same.
    pub(super) fn window_mut(&mut self) -> Option<&mut LaneWindow> {
        self.window.as_deref_mut()
    }

    /// A lane that nothing holds is looked at: which tumbling window is what waits in, if there are any?
    pub(super) fn choose_window(&mut self, plan: Option<&WindowPlan>) {
        match plan {
            Some(plan) => {
                self.window.get_or_insert_default().choose(plan, self.waiting.iter());
            }
            None if self.window.as_ref().is_some_and(|it| !it.is_begun()) => self.window = None,
            None => {}
        }
    }

    /// What waits first is not in the tumbling window of the next batch.
    pub(super) fn is_cut_here(&self) -> bool {
        self.window.as_ref().is_some_and(|window| window.is_used_up())
    }

    /// What of it the next batch may take.
    pub(super) fn inside(&self, progress: Progress) -> Inside {
        match &self.window {
            Some(window) => window.inside(progress),
            None => Inside { n_records: self.n_waiting(), bytes: self.waiting_bytes, is_passed: false },
        }
    }

    /// Whether its tumbling window ends now.
    pub(super) fn ends(&self, progress: Progress, plan: Option<&WindowPlan>, now: Now) -> Ends {
        self.window.as_ref().map_or(Ends::Later, |window| window.ends(progress, plan, now))
    }

    pub(super) fn n_waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    pub(super) fn into_waiting(self) -> VecDeque<Waiting> {
        self.waiting
    }
}

/// Where nothing stands: before every place.
fn lowest() -> Position {
    Position::new(&[])
}
