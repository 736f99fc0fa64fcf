//! One mapping in this process: all its tracks or receipts, what is in flight, and what must be done next.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::action::*;
use crate::attempt::Outcome;
use crate::backoff::mix;
use crate::chain::{ChainId, Status};
use crate::chains::Chains;
use crate::checkpoint::Checkpoint;
use crate::plan::Plan;
use crate::receipts::Receipts;
use crate::record::{Receipt, TrackIdx};
use crate::state::{Counts, Why};
use crate::time::{Now, Tick};
use crate::timers::{Timer, Timers};
use crate::tracks::{Track, Tracks};

/// One mapping in this process.
///
/// News comes in by `handle_*`, work goes out by [`Machine::poll_action`], which must be drained after every call; then
/// [`Machine::poll_timeout`] says when to call [`Machine::handle_timeout`]. Ticks never run backwards between calls. Answers to unknown or
/// answered ids are ignored, so that a late or doubled answer harms nothing.
#[derive(Debug)]
pub struct Machine {
    pub(crate) plan: Arc<Plan>,
    seed: u64,
    pub(crate) now: Now,
    pub(crate) actions: VecDeque<Action>,
    pub(crate) timers: Timers,
    pub(crate) chains: Chains,
    pub(crate) attempts: BTreeMap<AttemptId, ChainId>,
    pub(crate) notices: BTreeMap<NoticeId, ChainId>,
    /// What could use a slot, oldest first; entries that are no longer so are skipped.
    pub(crate) ready: VecDeque<Ready>,
    /// How many entries of `ready` are so; batches of a queue's pool are counted apart.
    pub(crate) n_ready: u32,
    /// What the gate was told and has not granted yet.
    told_want: u32,
    pub(crate) next_id: u64,
    /// Grows with every change that a checkpoint must say.
    pub(crate) mark: u64,
    closing: Closing,
    pub(crate) counts: Counts,
    pub(crate) held_bytes: u64,
    pub(crate) tracks: Tracks,
    pub(crate) receipts: Receipts,
}

/// Something that could use a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    /// A slice that was tried before.
    Chain(ChainId),
    /// A fresh batch of a lane.
    Lane(TrackIdx, u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    Open,
    Finishing,
    Abandoned,
}

impl Machine {
    /// A machine without tracks. `seed` drives the jitter of its delays and nothing else.
    pub fn new(plan: Arc<Plan>, seed: u64) -> Self {
        Self {
            receipts: Receipts::new(&plan),
            plan,
            seed,
            now: Now::default(),
            actions: VecDeque::new(),
            timers: Timers::default(),
            chains: Chains::default(),
            attempts: BTreeMap::new(),
            notices: BTreeMap::new(),
            ready: VecDeque::new(),
            n_ready: 0,
            told_want: 0,
            next_id: 1,
            mark: 1,
            closing: Closing::Open,
            counts: Counts::default(),
            held_bytes: 0,
            tracks: Tracks::default(),
        }
    }

    /// A queue may be received from now on. Tracks need no such call: they start when they are assigned.
    pub fn handle_opened(&mut self, now: Now) {
        self.begin(now);
        (self.receipts.is_open, self.receipts.none_since) = (true, now.tick);
        self.pump_queue();
    }

    /// A track is ours from this checkpoint on. One that it has already stays as it is; one that was lost or closed, or that ended in any other
    /// way, begins anew, and late answers to its former life are ignored.
    pub fn handle_assigned(&mut self, track: TrackIdx, from: Checkpoint, now: Now) {
        self.begin(now);
        if !self.is_closing() && !self.tracks.by_idx.get(track).is_some_and(Track::is_active) {
            self.assign_track(track, from);
        }
    }

    /// A read came back.
    pub fn handle_read(&mut self, id: ReadId, read: Result<Read, SourceNotice>, now: Now) {
        self.begin(now);
        if let Some(idx) = self.tracks.reads.remove(&id) {
            self.read_track(idx, read);
        } else {
            self.received(id, read);
        }
    }

    /// The gate granted a slot. The machine answers with `Invoke` or `Return`.
    pub fn handle_slot(&mut self, slot: SlotId, now: Now) {
        self.begin(now);
        self.told_want = self.told_want.saturating_sub(1);
        let action = match self.next_attempt() {
            Some(attempt) => Action::Invoke(slot, attempt),
            None => Action::Return(slot),
        };
        self.actions.push_back(action);
        self.pump_queue();
    }

    fn next_attempt(&mut self) -> Option<Attempt> {
        // C-1: nothing new begins after a close.
        while !self.is_closing() {
            let id = match self.ready.pop_front() {
                Some(Ready::Chain(id)) if self.is_ready(id) => Some(id),
                Some(Ready::Chain(_)) => None,
                Some(Ready::Lane(idx, lane)) => {
                    let id = self.take_batch(idx, lane);
                    if let Some(id) = id {
                        self.advance(id);
                    }
                    id.filter(|id| self.is_ready(*id))
                }
                None if self.tracks.group.ready().is_some() => {
                    let id = self.take_group_batch()?;
                    self.advance(id);
                    Some(id).filter(|id| self.is_ready(*id))
                }
                None => Some(self.take_pool_batch()?).filter(|id| self.is_ready(*id)),
            };
            if let Some(attempt) = id.and_then(|id| self.start(id)) {
                return Some(attempt);
            }
        }
        None
    }

    fn is_ready(&self, id: ChainId) -> bool {
        self.chains.get(id).is_some_and(|chain| matches!(chain.status, Status::Ready { .. }))
    }

    /// An attempt ended.
    pub fn handle_outcome(&mut self, id: AttemptId, outcome: Outcome, now: Now) {
        self.begin(now);
        if let Some(chain) = self.attempts.remove(&id) {
            self.end_attempt(chain, outcome);
        }
        self.pump_queue();
    }

    /// A destination answered.
    pub fn handle_delivered(&mut self, id: NoticeId, answer: Delivery, now: Now) {
        self.begin(now);
        if let Some(chain) = self.notices.remove(&id) {
            self.delivered(chain, answer);
        }
        self.pump_queue();
    }

    /// The store answered.
    pub fn handle_committed(&mut self, id: CommitId, answer: Committed, now: Now) {
        self.begin(now);
        if let Some(idx) = self.tracks.commits.get(&id).copied() {
            self.committed(idx, id, answer);
        }
    }

    /// The queue answered to a settlement.
    pub fn handle_settled(&mut self, id: SettleId, answers: Vec<(Receipt, Settled)>, now: Now) {
        self.begin(now);
        self.settled(id, answers);
        self.pump_queue();
    }

    /// The queue answered to an extension.
    pub fn handle_extended(&mut self, id: ExtendId, answers: Vec<(Receipt, Extended)>, now: Now) {
        self.begin(now);
        self.extended(id, answers);
        self.pump_queue();
    }

    /// A track or a generation of receipts is gone.
    pub fn handle_lost(&mut self, scope: Lost, now: Now) {
        self.begin(now);
        match scope {
            Lost::Track(idx) => self.lose_track(idx),
            Lost::Generation(generation) => self.lose_generation(generation),
        }
        self.pump_queue();
    }

    /// A new plan: new slices take it, slices in retry keep theirs.
    pub fn handle_plan(&mut self, plan: Arc<Plan>, now: Now) {
        self.begin(now);
        self.plan = plan;
        for (idx, n_lanes) in self.lanes_of_tracks() {
            for lane in 0..n_lanes {
                self.touch_lane(idx, lane);
            }
            self.pump_track(idx);
        }
        self.receipts.handle_plan(&self.plan);
        self.pump_queue();
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        self.begin(now);
        while let Some(timer) = self.timers.take_due(self.now.tick) {
            match timer {
                Timer::LaneWindow(idx, lane) => {
                    if let Some(unit) = self.lane_mut(idx, lane) {
                        unit.window_at = None;
                    }
                    self.touch_lane(idx, lane);
                }
                Timer::Retry(id) | Timer::Redeliver(id) => self.look_again(id),
                Timer::Reread(idx) => {
                    if let Some(track) = self.tracks.by_idx.get_mut(idx) {
                        track.reading = crate::tracks::Reading::Idle;
                    }
                    self.pump_track(idx);
                }
                Timer::Recommit(idx) => self.pump_track(idx),
                Timer::Visibility => self.extend_due(),
                Timer::Resettle => self.resettle(),
                Timer::QueueWindow | Timer::Rereceive => {}
                Timer::Close => self.abandon(),
                Timer::CloseTrack(idx) => self.let_go(idx),
                Timer::Guest => self.look_at_room(),
                Timer::GroupWindow => self.end_group_window(),
            }
        }
        self.pump_queue();
    }

    /// Ends one track, which others may have from then on: nothing new of it begins, what runs is awaited, and its last checkpoint is written
    /// and synced. Then, at the time of [`Close::Within`] or with [`Close::Abandon`] at once, it is let go, with whatever is not durable by then
    /// left to its next owner; [`Action::Drained`] tells so, once. What runs of it is not awaited after that. While a batch mixes its records with
    /// those of other tracks, what is left of that batch waits for it.
    ///
    /// A track that is not this process's any more is lost instead: [`Machine::handle_lost`].
    pub fn close_track(&mut self, track: TrackIdx, how: Close, now: Now) {
        self.begin(now);
        match how {
            Close::Abandon => self.let_go(track),
            Close::Finish => self.drain_track(track, None),
            Close::Within(at) => self.drain_track(track, Some(at)),
        }
    }

    /// Ends everything. A single track ends by [`Machine::close_track`].
    pub fn close(&mut self, how: Close, now: Now) {
        self.begin(now);
        match how {
            Close::Abandon => self.abandon(),
            Close::Finish => self.close_all(),
            Close::Within(at) => {
                self.close_all();
                self.timers.set(Timer::Close, Some(at));
            }
        }
    }

    fn lanes_of_tracks(&self) -> Vec<(TrackIdx, u32)> {
        self.tracks.by_idx.iter().map(|(idx, track)| (idx, track.n_lanes())).collect()
    }

    fn close_all(&mut self) {
        if self.closing == Closing::Open {
            self.closing = Closing::Finishing;
            for (idx, n_lanes) in self.lanes_of_tracks() {
                (0..n_lanes).for_each(|lane| self.touch_lane(idx, lane));
            }
            self.close_queue();
        }
    }

    fn abandon(&mut self) {
        self.closing = Closing::Abandoned;
        self.told_want = 0;
        self.actions.clear();
        self.timers.clear();
        self.ready.clear();
        self.n_ready = 0;
        self.chains = Chains::default();
        self.attempts.clear();
        self.notices.clear();
        self.tracks = Tracks::default();
        self.receipts = Receipts::new(&self.plan);
        self.held_bytes = 0;
    }

    /// What to do next; drain after every call.
    pub fn poll_action(&mut self) -> Option<Action> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        self.feed_hungry();
        self.end_drains();
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        let want = if self.is_closing() { 0 } else { self.n_ready + self.n_pool_batches() + self.n_group_batches() };
        if want == self.told_want {
            return None;
        }
        self.told_want = want;
        Some(Action::Want(want))
    }

    /// When to call `handle_timeout`, and why.
    pub fn poll_timeout(&self) -> Option<(Tick, Why)> {
        self.timers.next().map(|(at, timer)| (at, timer.why()))
    }

    /// No read, attempt, notice, commit, settlement or extension is open, and nothing waits to be written or settled.
    pub fn is_quiet(&self) -> bool {
        let is_quiet = self.actions.is_empty()
            && self.attempts.is_empty()
            && self.notices.is_empty()
            && self.tracks.by_idx.iter().all(|(_, track)| track.is_quiet())
            && self.tracks.draining.is_empty()
            && self.receipts.is_quiet();
        crate::rule!(Q5, !is_quiet || !self.is_closing() || self.receipts.is_given_back());
        is_quiet
    }

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes of records that it holds, with what each record costs beside them.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    fn begin(&mut self, now: Now) {
        debug_assert!(now.tick >= self.now.tick, "ticks never run backwards");
        self.now = now;
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing != Closing::Open
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    pub(crate) fn seed_of(&self, what: u64) -> u64 {
        mix(self.seed ^ what.rotate_left(32))
    }
}
