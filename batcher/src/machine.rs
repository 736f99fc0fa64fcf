//! One mapping in this process: takes news, asks the machine that owns what it is about, hands what follows
//! to the next, gives out actions.

use std::sync::Arc;

use crate::action::*;
use crate::attempt::Outcome;
use crate::books::Books;
use crate::checkpoint::Checkpoint;
use crate::decision::{Decision, Paused, Undecided};
use crate::former::Ready;
use crate::plan::Plan;
use crate::record::{Position, Receipt, TrackIdx};
use crate::runs::Runs;
use crate::state::{Counts, Receives, TrackState, Why};
use crate::time::{Now, Tick};
use crate::timers::Timer;
use crate::tracks::Effect;

/// One mapping in this process.
///
/// News comes in by `handle_*`, work goes out by [`Machine::poll_action`], which must be drained after every
/// call; then [`Machine::poll_timeout`] says when to call [`Machine::handle_timeout`]. Ticks never run
/// backwards between calls. Answers to unknown or answered ids are ignored, so that a late or doubled answer
/// harms nothing.
///
/// It decides nothing itself: the ledger of tracks, the ledger of receipts, the batch former and the runs own
/// their state, and what news of a ledger means for the runs is what its `handle_*` returned.
#[derive(Debug)]
pub struct Machine {
    runs: Runs,
    books: Books,
}

impl Machine {
    /// A machine without tracks. `seed` drives the jitter of its delays and nothing else.
    pub fn new(plan: Arc<Plan>, seed: u64) -> Self {
        Self { runs: Runs::default(), books: Books::new(plan, seed) }
    }

    /// A queue may be received from now on. Tracks need no such call: they start when they are assigned.
    pub fn handle_opened(&mut self, now: Now) {
        self.begin(now);
        self.books.receipts.handle_opened(&self.books.cx);
        self.pump_queue();
    }

    /// A track is ours from this checkpoint on. One that it has already stays as it is; one that was lost or
    /// closed, or that ended in any other way, begins anew, and late answers to its former life are ignored.
    pub fn handle_assigned(&mut self, track: TrackIdx, from: Checkpoint, now: Now) {
        self.begin(now);
        // An assignment that is told twice must not take back what was read since the first.
        if self.books.cx.is_closing() || self.books.tracks.is_active(track) {
            return;
        }
        let slices = self.books.tracks.handle_assigned(track, from, &mut self.books.cx);
        // O-1: what a former life left open takes its lanes before the track reads. The other way round a
        // fresh batch could start in front of older records of its keys.
        self.runs.restore(track, slices, &mut self.books);
        self.books.tracks.start(track, &self.runs, &mut self.books.cx);
    }

    /// A read came back.
    pub fn handle_read(&mut self, id: ReadId, read: Result<Read, SourceNotice>, now: Now) {
        self.begin(now);
        let Books { tracks, receipts, cx } = &mut self.books;
        if let Some(track) = tracks.take_order(id) {
            let effect = tracks.handle_read(track, read, &self.runs, cx);
            self.follow(track, effect);
        } else {
            receipts.handle_received(id, read, &self.runs, cx);
        }
    }

    /// The gate granted a slot. The machine answers with `Invoke` or `Return`.
    pub fn handle_slot(&mut self, slot: SlotId, now: Now) {
        self.begin(now);
        self.books.cx.former.handle_slot();
        let action = match self.next_attempt() {
            Some(attempt) => Action::Invoke(slot, attempt),
            None => Action::Return(slot),
        };
        self.books.cx.actions.push_back(action);
        self.pump_queue();
    }

    fn next_attempt(&mut self) -> Option<Attempt> {
        // C-1: nothing new begins after a close. G-2: nor before the rate limit lets it.
        while !self.books.cx.is_closing() && self.books.cx.rate_opens().is_none() {
            let Books { tracks, receipts, cx } = &mut self.books;
            let batch = match cx.former.next() {
                Some(Ready::BatchRun(id)) => {
                    let attempt = self.runs.begin(id, &mut self.books);
                    if attempt.is_some() {
                        return attempt;
                    }
                    // The line keeps entries whose turn is over; the slot is still there for the next one.
                    continue;
                }
                Some(Ready::Track(idx)) => tracks.take_batch(idx, cx),
                // Neither a group nor a queue's pool stands in the line: their batches are cut when a slot is
                // there, so that they hold all that came until then.
                None if cx.former.group_ready().is_some() => Some(tracks.take_group_batch(cx)?),
                None => Some(receipts.take_batch(cx)?),
            };
            let attempt = batch.and_then(|batch| self.runs.handle_batch(batch, &mut self.books));
            if attempt.is_some() {
                return attempt;
            }
        }
        None
    }

    /// An attempt ended.
    pub fn handle_outcome(&mut self, id: AttemptId, outcome: Outcome, now: Now) {
        self.begin(now);
        self.runs.handle_outcome(id, outcome, &mut self.books);
        self.pump_queue();
    }

    /// A destination answered.
    pub fn handle_delivered(&mut self, id: NoticeId, answer: Delivery, now: Now) {
        self.begin(now);
        self.runs.handle_delivered(id, answer, &mut self.books);
        self.pump_queue();
    }

    /// An operator decided about records that wait for him; they are named by their track and the first of
    /// them, as [`Machine::paused`] says. How many records it was. [`Action::Decided`] follows when it is
    /// durable.
    ///
    /// # Errors
    /// See [`Undecided`]; nothing was changed then.
    pub fn handle_decision(
        &mut self,
        id: DecisionId,
        (track, first): (TrackIdx, &Position),
        decision: Decision,
        now: Now,
    ) -> Result<usize, Undecided> {
        self.begin(now);
        self.runs.handle_decision(id, (track, first), decision, &mut self.books)
    }

    /// The store answered.
    pub fn handle_committed(&mut self, id: CommitId, answer: Committed, now: Now) {
        self.begin(now);
        let Books { tracks, cx, .. } = &mut self.books;
        if let Some(track) = tracks.track_of(id) {
            let effect = tracks.handle_committed(track, id, answer, &self.runs, cx);
            self.follow(track, effect);
        }
    }

    /// The queue answered to a settlement.
    pub fn handle_settled(&mut self, id: SettleId, answers: Vec<(Receipt, Settled)>, now: Now) {
        self.begin(now);
        let lost = self.books.receipts.handle_settled(id, answers, &mut self.books.cx);
        self.runs.handle_groups_lost(&lost, &mut self.books);
        self.pump_queue();
    }

    /// The queue answered to an extension.
    pub fn handle_extended(&mut self, id: ExtendId, answers: Vec<(Receipt, Extended)>, now: Now) {
        self.begin(now);
        let lost = self.books.receipts.handle_extended(id, answers, &mut self.books.cx);
        self.runs.handle_receipts_lost(lost, &mut self.books);
        self.pump_queue();
    }

    /// A track or a generation of receipts is gone.
    pub fn handle_lost(&mut self, scope: Lost, now: Now) {
        self.begin(now);
        let Books { tracks, receipts, cx } = &mut self.books;
        match scope {
            Lost::Track(track) => {
                let effect = tracks.handle_lost(track, &self.runs, cx);
                self.runs.handle_track(effect, &mut self.books);
            }
            Lost::Generation(generation) => {
                let lost = receipts.handle_generation_lost(generation, cx);
                self.runs.handle_receipts_lost(lost, &mut self.books);
            }
        }
        self.pump_queue();
    }

    /// A new plan: new slices take it, slices in retry keep theirs.
    pub fn handle_plan(&mut self, plan: Arc<Plan>, now: Now) {
        self.begin(now);
        let Books { tracks, receipts, cx } = &mut self.books;
        cx.plan = plan;
        tracks.handle_plan(&self.runs, cx);
        receipts.handle_plan(&cx.plan);
        self.pump_queue();
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        self.begin(now);
        while let Some(timer) = self.books.cx.timers.take_due(now.tick) {
            self.handle_timer(timer);
        }
        self.pump_queue();
    }

    fn handle_timer(&mut self, timer: Timer) {
        let Books { tracks, receipts, cx } = &mut self.books;
        match timer {
            Timer::LaneWindow(idx, lane) => tracks.end_window(idx, lane, &self.runs, cx),
            Timer::GroupWindow => cx.end_group_window(),
            Timer::Retry(id) | Timer::Redeliver(id) => self.runs.look_again(id, &mut self.books),
            Timer::Reread(idx) => tracks.read_again(idx, &self.runs, cx),
            Timer::Recommit(idx) => tracks.pump_track(idx, &self.runs, cx),
            Timer::Guest => tracks.look_at_room(&self.runs, cx),
            Timer::Visibility => receipts.extend_due(cx),
            Timer::Resettle => receipts.resettle(),
            // These only wake: the pump and the want that follow every call look at the time by themselves.
            Timer::QueueWindow | Timer::Rereceive | Timer::Rate => {}
            Timer::Close => self.abandon(),
            Timer::CloseTrack(track) => self.let_go(track),
        }
    }

    /// Ends one track, which others may have from then on: nothing new of it begins, what runs is awaited,
    /// and its last checkpoint is written and synced. Then, at the time of [`Close::Within`] or with
    /// [`Close::Abandon`] at once, it is let go, with whatever is not durable by then left to its next owner;
    /// [`Action::Drained`] tells so, once. What runs of it is not awaited after that. While a batch mixes its
    /// records with those of other tracks, what is left of that batch waits for it.
    ///
    /// A track that is not this process's any more is lost instead: [`Machine::handle_lost`].
    pub fn close_track(&mut self, track: TrackIdx, how: Close, now: Now) {
        self.begin(now);
        let Books { tracks, cx, .. } = &mut self.books;
        let until = match how {
            Close::Abandon => return self.let_go(track),
            Close::Finish => None,
            Close::Within(at) => Some(at),
        };
        // The track first, for the runs ask it whether they may go on; its pump last, for the checkpoint that
        // it writes says what became of them.
        tracks.handle_drain(track, until, &self.runs, cx);
        self.runs.handle_drain(track, &mut self.books);
        self.books.tracks.pump_track(track, &self.runs, &mut self.books.cx);
    }

    /// A track that was closed is let go as it stands.
    fn let_go(&mut self, track: TrackIdx) {
        let effect = self.books.tracks.let_go(track, &self.runs, &mut self.books.cx);
        self.runs.handle_track(effect, &mut self.books);
    }

    /// Ends everything. A single track ends by [`Machine::close_track`].
    pub fn close(&mut self, how: Close, now: Now) {
        self.begin(now);
        match how {
            Close::Abandon => self.abandon(),
            Close::Finish => self.close_all(),
            Close::Within(at) => {
                self.close_all();
                // Closed already or not, the time holds: an operator who stops gently may be in a hurry
                // later.
                self.books.cx.timers.set(Timer::Close, Some(at));
            }
        }
    }

    fn close_all(&mut self) {
        let Books { tracks, receipts, cx } = &mut self.books;
        if cx.close() {
            tracks.handle_close(&self.runs, cx);
            // What has not started goes back at once; what runs is awaited.
            receipts.send_waiting_back(cx);
            self.runs.handle_close(&mut self.books);
            self.pump_queue();
        }
    }

    fn abandon(&mut self) {
        self.runs = Runs::default();
        self.books.abandon();
    }

    /// What to do next; drain after every call.
    pub fn poll_action(&mut self) -> Option<Action> {
        let Books { tracks, cx, .. } = &mut self.books;
        if let Some(action) = cx.actions.pop_front() {
            return Some(action);
        }
        // Only when nothing else is left to do: until then a lane may become ready and make reading ahead
        // needless.
        tracks.feed_hungry(&self.runs, cx);
        // A drain ends by an outcome, a commit or a loss; whichever it was, a poll follows it.
        while let Some(track) = self.books.tracks.drained(&self.runs) {
            self.let_go(track);
        }
        let Books { receipts, cx, .. } = &mut self.books;
        if let Some(action) = cx.actions.pop_front() {
            return Some(action);
        }
        // Last, and once for all that a call changed: the gate hears no number that lasts for a step only.
        let n_pool = receipts.n_batches(cx);
        cx.want(n_pool).map(Action::Want)
    }

    /// When to call `handle_timeout`, and why.
    pub fn poll_timeout(&self) -> Option<(Tick, Why)> {
        self.books.cx.timers.next().map(|(at, timer)| (at, timer.why()))
    }

    /// No read, attempt, notice, commit, settlement or extension is open, and nothing waits to be written or
    /// settled.
    pub fn is_quiet(&self) -> bool {
        let Books { tracks, receipts, cx } = &self.books;
        let is_quiet =
            cx.actions.is_empty() && self.runs.is_quiet() && tracks.is_quiet() && receipts.is_quiet();
        crate::rule!(Q5, !is_quiet || !cx.is_closing() || receipts.is_given_back());
        is_quiet
    }

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        self.books.cx.counts
    }

    /// Bytes of records that it holds, with what each record costs beside them.
    pub fn held_bytes(&self) -> u64 {
        self.books.cx.held_bytes
    }

    /// Why nothing is happening on this track, or what is. A queue answers for every `TrackIdx`.
    pub fn state(&self, track: TrackIdx) -> TrackState {
        let Books { tracks, receipts, cx } = &self.books;
        let state = if cx.plan.queue.is_some() {
            receipts.state(&self.runs, cx)
        } else {
            tracks.state(track, &self.runs, cx)
        };
        cx.told_with_rate(state)
    }

    /// What waits for an operator, each with all that one decision is about.
    pub fn paused(&self) -> Vec<Paused> {
        self.runs.paused()
    }

    /// How much that is.
    pub fn n_paused(&self) -> usize {
        self.runs.n_paused()
    }

    /// The receives of the queue; `None` for tracks.
    pub fn receives(&self) -> Option<Receives> {
        self.books.receipts.receives(&self.books.cx)
    }

    fn begin(&mut self, now: Now) {
        debug_assert!(now.tick >= self.books.cx.now.tick, "ticks never run backwards");
        self.books.cx.now = now;
    }

    /// What news of a track means: the runs go on first, then the track does.
    fn follow(&mut self, track: TrackIdx, effect: Option<Effect>) {
        let Some(effect) = effect else { return };
        self.runs.handle_track(effect, &mut self.books);
        self.books.tracks.go_on(track, &self.runs, &mut self.books.cx);
    }

    fn pump_queue(&mut self) {
        self.books.receipts.pump_queue(&self.runs, &mut self.books.cx);
    }
}
