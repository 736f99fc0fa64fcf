//! What is left of one batch: its slices and notices in order. A batch run holds its lanes until nothing is
//! left, so nothing overtakes it.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use crate::action::{AttemptId, NoticeId};
use crate::attempt::{AttemptedSlice, GivenUpSlice, Limits, NotReached, Slice};
use crate::batch_reason::BatchReason;
use crate::checkpoint::OpenSlice;
use crate::fault::Fault;
use crate::hold::{Hold, tracks_of};
use crate::record::{Place, Position, Record, TrackIdx};
use crate::time::Tick;
use crate::tumbling::Finale;

/// Room for as many steps is kept for the next batch run of a slot; most have one all their life.
const STEPS_KEPT_MAX: usize = 4;

/// What is left of one batch.
#[derive(Debug)]
pub(crate) struct BatchRun {
    pub(crate) steps: VecDeque<Step>,
    pub(crate) status: Status,
    pub(crate) limits: Limits,
    pub(crate) holds: Vec<Hold>,
    /// A track or a receipt of it was lost: what it has of them must be looked for.
    pub(crate) is_hit: bool,
    /// Tracks that were lost while it was out; what it has of them is not theirs any more, even where they
    /// came back.
    pub(crate) lost: BTreeSet<TrackIdx>,
    /// Groups of which a message was lost while the first step was out: unless that step ends them, they go
    /// back.
    pub(crate) stopped: BTreeSet<Bytes>,
    /// Its first failure, for people.
    pub(crate) failing_since: Option<Tick>,
    /// The function was not reached by its last attempt; so for people while a step of that attempt is left.
    pub(crate) not_reached: Option<(NotReached, Tick, Fault)>,
}

/// One thing to do for a batch run; the first must be done before the next.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) what: What,
    /// The machine's count of changes when this step came to be: it may go on when a checkpoint with this
    /// count is durable.
    pub(crate) mark: u64,
}

#[derive(Debug)]
pub(crate) enum What {
    /// A slice of a former life whose records are being read again.
    Filling(Box<Filling>),
    /// To be tried.
    Attempt(AttemptedSlice),
    /// Given up; its destination must have it first.
    GivenUp(GivenUpSlice),
}

/// A slice of a former life whose records are being read again.
#[derive(Debug)]
pub(crate) struct Filling {
    pub(crate) track: TrackIdx,
    pub(crate) slice: OpenSlice,
    pub(crate) not_before: Tick,
    pub(crate) records: Vec<Record>,
}

/// What the first step of a batch run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Status {
    /// Not looked at yet.
    New,
    /// For the records of a former life.
    Filling,
    /// For its checkpoint to be durable.
    Durable {
        /// Since when.
        since: Tick,
    },
    /// For an operator.
    Paused,
    /// For the end of its delay.
    Retry { until: Tick },
    /// For a slot.
    Ready { since: Tick },
    /// For the function.
    InFlight { id: AttemptId, since: Tick },
    /// For the destination.
    Delivering { id: NoticeId, since: Tick },
    /// For the end of the delay after a refusal.
    Redeliver { until: Tick, since: Tick, error: Fault },
}

impl BatchRun {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            steps: VecDeque::with_capacity(1),
            status: Status::New,
            limits,
            holds: Vec::new(),
            is_hit: false,
            lost: BTreeSet::new(),
            stopped: BTreeSet::new(),
            failing_since: None,
            not_reached: None,
        }
    }

    /// Makes it as new, but for its limits and the room that its steps have: what it held.
    pub(crate) fn clear(&mut self) -> Vec<Hold> {
        let Self { steps, status, limits: _, holds, is_hit, lost, stopped, failing_since, not_reached } =
            self;
        steps.clear();
        steps.shrink_to(STEPS_KEPT_MAX);
        (*status, *is_hit, *failing_since, *not_reached) = (Status::New, false, None, None);
        if !lost.is_empty() || !stopped.is_empty() {
            (*lost, *stopped) = (BTreeSet::new(), BTreeSet::new());
        }
        std::mem::take(holds)
    }

    /// Whether records of a former life are still missing.
    pub(crate) fn is_filling(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.what, What::Filling(_)))
    }

    /// The tracks of which it holds lanes, each once.
    pub(crate) fn tracks(&self) -> impl Iterator<Item = TrackIdx> + use<> {
        tracks_of(&self.holds)
    }

    /// The lane of a batch run that holds one, as all do whose batches do not mix tracks.
    pub(crate) fn lane(&self) -> Option<(TrackIdx, u32)> {
        match self.holds[..] {
            [Hold::Lane(idx, lane)] => Some((idx, lane)),
            _ => None,
        }
    }

    /// Splits what is tried next: the first so many records go before the others.
    pub(crate) fn split_first(&mut self, n_records: usize) {
        let Some(Step { what: What::Attempt(attempted), mark }) = self.steps.pop_front() else { return };
        let (first, rest) = attempted.slice.split_at(n_records);
        for slice in [rest, first] {
            self.steps.push_front(Step {
                what: What::Attempt(AttemptedSlice { slice, ..attempted.clone() }),
                mark,
            });
        }
    }

    /// The records of all its steps.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.steps.iter().flat_map(Step::records)
    }

    /// Takes the records that match out of its steps, in order; a step that has none left is gone.
    pub(crate) fn take_records(&mut self, mut matches: impl FnMut(&Record) -> bool) -> Vec<Record> {
        let mut taken = Vec::new();
        for step in &mut self.steps {
            let (out, kept): (Vec<Record>, Vec<Record>) =
                step.records().iter().cloned().partition(&mut matches);
            if out.is_empty() {
                continue;
            }
            taken.extend(out);
            match &mut step.what {
                What::Filling(filling) => filling.records = kept,
                What::Attempt(attempted) => attempted.slice = Slice::new(kept),
                What::GivenUp(given_up) => given_up.slice = Slice::new(kept),
            }
        }
        self.steps.retain(|step| matches!(step.what, What::Filling(_)) || !step.is_empty());
        taken
    }

    /// Whether a record of it is of a track that was lost.
    pub(crate) fn has_lost(&self, record: &Record) -> bool {
        matches!(record.place, Place::Track(idx, _) if self.lost.contains(&idx))
    }

    /// Whether its first step is with the function or the destination.
    pub(crate) fn is_out(&self) -> bool {
        matches!(self.status, Status::InFlight { .. } | Status::Delivering { .. })
    }

    /// How many of its records, the first ones, are with the function or the destination.
    pub(crate) fn n_out(&self) -> usize {
        self.steps.front().filter(|_| self.is_out()).map_or(0, |step| step.records().len())
    }

    /// Whether its first step was refused and waits to be told of again, whatever became of the other
    /// records.
    pub(crate) fn waits_after_refusal(&self) -> bool {
        let is_refused = matches!(self.steps.front(), Some(Step { what: What::GivenUp(given_up), .. }) if given_up.n_refused > 0);
        is_refused && matches!(self.status, Status::Redeliver { .. })
    }

    /// Why and since when the function is not reached; `None` once nothing is left that was to reach it.
    pub(crate) fn not_reached(&self) -> Option<&(NotReached, Tick, Fault)> {
        let is_it = |step: &Step| matches!(&step.what, What::Attempt(attempted) if attempted.why == BatchReason::NotReached);
        self.not_reached.as_ref().filter(|_| self.steps.iter().any(is_it))
    }

    /// Whether anything of it was tried or given up, so that order on its lanes depends on a memory of it.
    pub(crate) fn is_in_retry(&self) -> bool {
        self.steps.iter().any(|step| match &step.what {
            What::Filling(_) | What::GivenUp(_) => true,
            What::Attempt(attempted) => {
                attempted.n_failures > 0 || attempted.is_pardoned || self.failing_since.is_some()
            }
        })
    }
}

impl Step {
    /// Takes the records that match out of this step, as a step of the same kind and counts; `None` when
    /// there are none.
    pub(crate) fn take_part(&mut self, matches: impl Fn(&Record) -> bool) -> Option<Self> {
        let (out, kept): (Vec<Record>, Vec<Record>) = self.records().iter().cloned().partition(matches);
        if out.is_empty() {
            return None;
        }
        let what = match &mut self.what {
            What::Filling(_) => return None,
            What::Attempt(attempted) => {
                attempted.slice = Slice::new(kept);
                What::Attempt(AttemptedSlice { slice: Slice::new(out), ..attempted.clone() })
            }
            What::GivenUp(given_up) => {
                given_up.slice = Slice::new(kept);
                What::GivenUp(GivenUpSlice { slice: Slice::new(out), ..given_up.clone() })
            }
        };
        Some(Self { what, mark: self.mark })
    }

    /// Whether it is a slice of a former life with this place in it.
    pub(crate) fn waits_for(&self, idx: TrackIdx, lane: u32, position: &Position) -> bool {
        match &self.what {
            What::Filling(it) => {
                it.track == idx
                    && it.slice.lane == lane
                    && it.slice.first <= *position
                    && *position <= it.slice.last
            }
            What::Attempt(_) | What::GivenUp(_) => false,
        }
    }

    /// Nothing is left of it to be done.
    pub(crate) fn is_empty(&self) -> bool {
        self.records().is_empty() && self.finale().is_none()
    }

    /// How it ends the tumbling window of its lane, if that is what it does.
    pub(crate) fn finale(&self) -> Option<Finale> {
        match &self.what {
            What::Filling(filling) => filling.slice.finale,
            What::Attempt(attempted) => attempted.finale,
            What::GivenUp(given_up) => given_up.finale,
        }
    }

    pub(crate) fn records(&self) -> &[Record] {
        match &self.what {
            What::Filling(filling) => &filling.records,
            What::Attempt(attempted) => attempted.slice.records(),
            What::GivenUp(given_up) => given_up.slice.records(),
        }
    }
}
