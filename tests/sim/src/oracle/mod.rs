//! The oracle: every rule as a function over effects. It sees what function, store, destination and source
//! really did, and what the machine was told; never what the machine believes.

mod cuts;
mod effects;
mod hands;
mod hidden;
mod limits;
mod notices;
mod numbers;
mod order;
mod ownership;
mod pausing;
mod progress;
mod rate;
mod reasons;
mod receipts;
mod slowness;
mod states;
mod truth;
mod windows;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_batcher::{
    AttemptId, Checkpoint, CommitId, DecisionId, NoticeId, Plan, Rule, SettleId, SlotId, TrackIdx,
};

pub use effects::Tally;
pub(crate) use hands::FORMER;
pub(crate) use hidden::CALL_US;
pub(crate) use ownership::{Ownership, is_finished_in, order_key};
pub(crate) use slowness::{Demand, note_what_came};
pub(crate) use truth::{Entry, Pause, Poison, RETRY_FIRST_MS, Truth, decimal, handle_number, name};
pub(crate) use windows::{InWindow, state_of};

/// The wall clock at the beginning of every world.
pub(crate) const UNIX_START_MS: i64 = 1_700_000_000_000;

/// A rule that was broken, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub rule: Rule,
    /// What broke it.
    pub what: String,
}

/// Nothing when a rule holds.
pub(crate) fn holds(rule: Rule, it_does: bool, what: impl FnOnce() -> String) -> Result<(), Violation> {
    if it_does { Ok(()) } else { Err(Violation { rule, what: what() }) }
}

/// An attempt that runs for the living machine.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) entries: Vec<usize>,
    /// The track that each entry belongs to; `u32::MAX` for a queue.
    pub(crate) owner_of: Vec<u32>,
    pub(crate) lanes: Vec<(u32, u32)>,
    pub(crate) since_us: u64,
    /// The tumbling window that it is in.
    pub(crate) window: Option<InWindow>,
}

/// What the machine was told about closing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    Open,
    Ending,
    Abandoned,
}

/// All that is true in a world.
#[derive(Debug)]
pub(crate) struct Oracle {
    /// Records by their number.
    pub(crate) truths: Vec<Truth>,
    /// Tracks: one per record, at its number, reset with each ownership. Queues: one per receipt, at its
    /// handle.
    pub(crate) entries: Vec<Entry>,
    /// Records of each source track, in order.
    pub(crate) by_track: Vec<Vec<u32>>,
    pub(crate) owners: BTreeMap<TrackIdx, Ownership>,
    pub(crate) flights: BTreeMap<AttemptId, Flight>,
    pub(crate) notices: BTreeMap<NoticeId, Vec<(usize, u32)>>,
    pub(crate) commits: BTreeMap<CommitId, (TrackIdx, Arc<Checkpoint>)>,
    /// Commits of which the machine knows that they are written.
    pub(crate) unsynced: BTreeMap<(TrackIdx, CommitId), Arc<Checkpoint>>,
    /// Decisions that are carried out and not told to be durable.
    pub(crate) decisions: BTreeMap<DecisionId, pausing::Pending>,
    /// Tracks of which something was finished that no commit has said.
    pub(crate) unsaid: BTreeSet<TrackIdx>,
    /// Settlements that are open, with their receipts.
    pub(crate) settles: BTreeMap<SettleId, Vec<usize>>,
    pub(crate) slots: Vec<SlotId>,
    pub(crate) plans: Vec<Arc<Plan>>,
    pub(crate) closing: Closing,
    pub(crate) tally: Tally,
    pub(crate) is_queue: bool,
    pub(crate) lanes_vary: bool,
    pub(crate) clock_steps: bool,
    pub(crate) life: u32,
    /// The first receipt of the living machine.
    pub(crate) first_of_life: usize,
    pub(crate) n_calls: u64,
    pub(crate) taken_order: Vec<u32>,
    pub(crate) mixes_tracks: bool,
    /// A batch of several tracks may hold records of one that was lost: what the machine holds and counts of
    /// it is not known here.
    pub(crate) is_blurred: bool,
    /// A record was given up for its age in this life: what is left of its batch goes on under that batch's
    /// limits.
    pub(crate) has_expired: bool,
    /// An attempt ended of which nobody knows the limits.
    pub(crate) is_unsure: bool,
    /// A track was lost or let go in this life: what it had given up is told by its next owner.
    pub(crate) has_lost: bool,
    /// The plan changed in this life.
    pub(crate) plan_changed: bool,
    /// When the memory was used up last.
    pub(crate) full_us: Option<u64>,
    /// Failures in a row of a queue's receives.
    pub(crate) n_receive_failed: u32,
    pub(crate) receive_failed_us: u64,
    /// When a receive last brought messages, or the queue was opened.
    pub(crate) none_since_us: u64,
    /// Messages that the filter dropped since then, and since when that is so.
    pub(crate) filtered: Option<(u64, u64)>,
    pub(crate) receive_pause: Option<Pause>,
    /// When an attempt last ended otherwise than well.
    pub(crate) failed_us: Option<u64>,
    rate: rate::RateBook,
    /// What the windows of a track carried when a checkpoint was made.
    kept_books: Vec<(Arc<Checkpoint>, windows::Book)>,
    /// What those of tracks that have ended came to.
    pub(crate) ended_books: BTreeMap<usize, windows::Book>,
    /// Ends of windows that a destination is told of.
    pub(crate) window_notices: BTreeMap<NoticeId, InWindow>,
    /// When the machine last heard of anything but what its source has, or gave something up.
    pub(crate) stirred_us: u64,
}

impl Oracle {
    pub(crate) fn new(plan: Arc<Plan>, is_queue: bool) -> Self {
        Self {
            truths: Vec::new(),
            entries: Vec::new(),
            by_track: Vec::new(),
            owners: BTreeMap::new(),
            flights: BTreeMap::new(),
            notices: BTreeMap::new(),
            commits: BTreeMap::new(),
            unsynced: BTreeMap::new(),
            decisions: BTreeMap::new(),
            unsaid: BTreeSet::new(),
            settles: BTreeMap::new(),
            slots: Vec::new(),
            mixes_tracks: plan.mixes_tracks,
            plans: vec![plan],
            closing: Closing::Open,
            tally: Tally::default(),
            is_queue,
            lanes_vary: false,
            clock_steps: false,
            life: 0,
            first_of_life: 0,
            n_calls: 0,
            taken_order: Vec::new(),
            is_blurred: false,
            has_expired: false,
            is_unsure: false,
            has_lost: false,
            plan_changed: false,
            full_us: None,
            n_receive_failed: 0,
            receive_failed_us: 0,
            none_since_us: 0,
            filtered: None,
            receive_pause: None,
            failed_us: None,
            rate: rate::RateBook::default(),
            kept_books: Vec::new(),
            ended_books: BTreeMap::new(),
            window_notices: BTreeMap::new(),
            stirred_us: 0,
        }
    }

    /// A machine was made; whatever ran for the last one runs for nobody now.
    pub(crate) fn begin_life(&mut self, now_us: u64) {
        (self.none_since_us, self.filtered) = (now_us, None);
        self.life += 1;
        self.first_of_life = self.entries.len();
        self.owners.clear();
        self.flights.clear();
        self.notices.clear();
        self.window_notices.clear();
        self.commits.clear();
        self.unsynced.clear();
        self.decisions.clear();
        self.unsaid.clear();
        self.settles.clear();
        self.slots.clear();
        self.closing = Closing::Open;
        self.tally = Tally::default();
        (self.is_blurred, self.has_expired, self.is_unsure, self.has_lost, self.plan_changed) =
            (false, false, false, false, false);
        self.rate = rate::RateBook::default();
        (self.n_receive_failed, self.receive_pause, self.failed_us, self.full_us) = (0, None, None, None);
        for entry in &mut self.entries {
            entry.in_flight = false;
            entry.noticing = false;
        }
    }

    pub(crate) fn plan(&self) -> &Plan {
        self.plans.last().expect("a world begins with a plan")
    }
}
