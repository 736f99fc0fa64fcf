//! One engine: a process with a machine, its table of tracks, and what it believes, as far as it was told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use forebay_batcher::{
    AttemptId, Checkpoint, CommitId, Machine, NoticeId, Position, ReadId, ReadOrder, SettleId, TrackIdx,
    TrackTable, Watermark,
};
use forebay_models::channel::ChannelId;
use forebay_models::group::MemberId;
use forebay_models::stream::Cursor;

/// A track in the hands of an engine, for one ownership.
#[derive(Debug)]
pub(super) struct Holding {
    /// The shard or partition.
    pub(super) source: usize,
    /// The generation under which a group dealt it; zero where none does.
    pub(super) generation: u64,
    /// The machine was told that it is another's, or let it go.
    pub(super) is_over: bool,
    /// It was closed, with time until then.
    pub(super) closed_until_us: Option<u64>,
    /// The bound above all that was handed over.
    pub(super) passed: Option<Position>,
    pub(super) committed: Watermark,
    /// How far it was told to be durable.
    pub(super) told: Watermark,
    /// What the machine knows to be durable in this ownership.
    pub(super) heard: Option<Arc<Checkpoint>>,
    /// The last place of a slice of a former ownership.
    pub(super) restored_last: Option<Position>,
    /// Index in the source's list before which all are finished.
    pub(super) first_open: usize,
}

/// A reader of a track.
#[derive(Debug)]
pub(super) struct TrackReader {
    pub(super) source: usize,
    /// Behind all that was given out.
    pub(super) at: Watermark,
    pub(super) iterator: Option<u64>,
    pub(super) subscription: Option<u64>,
    /// Groups: its place in the log.
    pub(super) cursor: Option<Cursor>,
    /// What was fetched or pushed and not given out: indexes into the log.
    pub(super) rest: VecDeque<usize>,
    /// The end, once it was fetched: the shards that come after it.
    pub(super) children: Option<Vec<usize>>,
    pub(super) gap: Option<forebay_batcher::Gap>,
    /// The bound that a fetch told, once all of it is given out.
    pub(super) passed: Option<Position>,
}

/// A read that is open.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) order: ReadOrder,
    pub(super) until_us: u64,
    /// Its answer is on its way.
    pub(super) is_answered: bool,
    /// Nothing is there; it waits.
    pub(super) is_parked: bool,
    /// It was sent for an ownership that is over since.
    pub(super) is_former: bool,
}

/// Under what a machine has a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// A track, in the ownership of this generation.
    Track(TrackIdx, u64),
    /// The receipt of this number.
    Receipt(usize),
}

/// An attempt that runs.
#[derive(Debug)]
pub(super) struct Trying {
    pub(super) uids: Vec<u32>,
    /// Whose each record is.
    pub(super) of: Vec<Whose>,
}

/// What an engine believes of a record, and holds of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Belief {
    pub(super) handed: bool,
    pub(super) finished: bool,
    /// It was finished by a former life, as the store knew when this one began.
    pub(super) was_kept: bool,
    pub(super) is_flying: bool,
    pub(super) is_noticed: bool,
}

/// A receipt as the machine holds it.
#[derive(Debug, Clone)]
pub(super) struct Slip {
    pub(super) generation: u32,
    pub(super) tag: u64,
    /// The machine has it.
    pub(super) is_handed: bool,
    pub(super) finished: bool,
    pub(super) flying: bool,
    pub(super) settling: bool,
    pub(super) settled: bool,
    /// The machine was told that its channel died.
    pub(super) is_void: bool,
    /// A notice of it has left and was not taken: the machine has it for that, whatever became of its channel.
    pub(super) is_told: bool,
}

/// One engine.
#[derive(Debug, Default)]
pub(super) struct Engine {
    pub(super) machine: Option<Machine>,
    pub(super) life: u32,
    /// Which store it keeps its places in.
    pub(super) store: usize,
    /// The lease of this life.
    pub(super) lease: u64,
    /// It heard that another has the mapping.
    pub(super) is_fenced: bool,
    /// It was closed and ends when it is quiet.
    pub(super) is_closing: bool,
    pub(super) stalled_until_us: u64,
    pub(super) table: TrackTable,
    pub(super) holdings: BTreeMap<TrackIdx, Holding>,
    pub(super) readers: BTreeMap<TrackIdx, TrackReader>,
    pub(super) reads: BTreeMap<ReadId, Asked>,
    pub(super) flights: BTreeMap<AttemptId, Trying>,
    pub(super) notices: BTreeMap<NoticeId, Vec<(u32, Whose)>>,
    pub(super) commits: BTreeMap<CommitId, (TrackIdx, u64, Arc<Checkpoint>)>,
    /// Tracks: by the record's number.
    pub(super) beliefs: Vec<Belief>,
    pub(super) want: u32,
    pub(super) n_coming: u32,
    pub(super) n_out: u32,
    pub(super) next_slot: u64,
    pub(super) shut_until_us: u64,
    pub(super) is_probing: bool,
    pub(super) n_gaps: u64,
    /// What is durable of each shard or partition, as the engine was told.
    pub(super) known: BTreeMap<usize, Arc<Checkpoint>>,
    /// It joined the group as this member.
    pub(super) member: Option<MemberId>,
    /// Partitions that the group dealt it, as its client knows.
    pub(super) dealt: BTreeMap<usize, u64>,
    /// Where the group stood when it dealt each.
    pub(super) stood: BTreeMap<usize, Option<u64>>,
    /// Offsets that the group has not heard, with their generations.
    pub(super) offsets: BTreeMap<usize, (u64, u64)>,
    /// Grants on their way.
    pub(super) grants: BTreeMap<usize, VecDeque<forebay_batcher::Assignment>>,
    pub(super) channel: Option<ChannelId>,
    /// Tags that are owed an answer.
    pub(super) owed: BTreeSet<(u32, u64)>,
    /// Receipts by their number, which is their handle.
    pub(super) slips: Vec<Slip>,
    pub(super) settles: BTreeMap<SettleId, Vec<usize>>,
}

impl Engine {
    /// The belief of a record.
    pub(super) fn belief(&mut self, uid: u32) -> &mut Belief {
        let at = uid as usize;
        if self.beliefs.len() <= at {
            self.beliefs.resize(at + 1, Belief::default());
        }
        &mut self.beliefs[at]
    }

    /// The same, to look at.
    pub(super) fn belief_of(&self, uid: u32) -> Belief {
        self.beliefs.get(uid as usize).cloned().unwrap_or_default()
    }

    /// What was asked for a former ownership of this number answers to nobody.
    pub(super) fn end_former(&mut self, idx: TrackIdx) {
        let open = self.reads.values_mut().filter(|it| it.order.track == Some(idx));
        open.for_each(|it| it.is_former = true);
    }

    /// Whether the engine believes a record finished.
    pub(super) fn finished(&self, uid: u32) -> bool {
        self.beliefs.get(uid as usize).is_some_and(|it| it.finished)
    }

    /// The machine has a track of this number that is not over.
    pub(super) fn holds_track(&self, idx: TrackIdx) -> bool {
        self.holdings.get(&idx).is_some_and(|it| !it.is_over)
    }

    /// An ownership is over; what it had open answers to nobody.
    pub(super) fn end_holding(&mut self, idx: TrackIdx, generation: u64) {
        if let Some(holding) = self.holdings.get_mut(&idx).filter(|it| it.generation == generation) {
            holding.is_over = true;
            self.readers.remove(&idx);
            self.end_former(idx);
        }
    }

    /// A new process in the place of the old one: nothing is left but who it is.
    pub(super) fn begin(&mut self, life: u32) {
        let (store, next_slot) = (self.store, self.next_slot);
        *self = Self { life, store, next_slot, ..Self::default() };
    }
}
