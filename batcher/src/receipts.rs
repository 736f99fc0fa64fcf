//! The ledger of receipts: messages held by visibility, groups in order, credits for receives, settlements
//! until they took effect.

mod explain;
mod hiding;
mod left;
mod pool;
mod receiving;
mod settling;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use self::left::Left;
pub(crate) use self::settling::Leaving;
use crate::action::*;
use crate::assemble::{Filler, bytes_in_batch};
use crate::backoff::ask_again_delay;
use crate::batch_reason::BatchReason;
use crate::context::Context;
use crate::fault::Fault;
use crate::filtered::Filtered;
use crate::former::{Batch, Waiting};
use crate::hold::{BatchRunId, Hold};
use crate::items::{ItemActions, wait_of};
use crate::plan::{Plan, QueuePlan};
use crate::record::{Generation, Place, Receipt, Record};
use crate::runs::Runs;
use crate::scale::Scale;
use crate::time::Tick;
use crate::timers::Timer;
use crate::tracks::describe;

/// What a machine knows about its queue.
#[derive(Debug)]
pub(crate) struct Receipts {
    is_open: bool,
    /// Every message that we have a receipt for, until its settlement took effect.
    held: BTreeMap<Receipt, Held>,
    /// Messages by the tick at which they should be hidden for longer.
    lapses: BTreeSet<(Tick, Receipt)>,
    /// Messages that wait for a batch, in the order they came.
    waiting: BTreeMap<u64, Waiting>,
    waiting_bytes: u64,
    /// Groups that a batch run holds.
    groups: BTreeMap<Bytes, BatchRunId>,
    reads: BTreeMap<ReadId, Receive>,
    settles: BTreeMap<SettleId, Vec<Ending>>,
    to_settle: Vec<Ending>,
    /// Settlements that failed, to be sent again, and how often in a row one did.
    failed: Vec<Ending>,
    n_failed: u32,
    extends: BTreeMap<ExtendId, Vec<Receipt>>,
    /// An extension that failed is asked again a little later, not at once.
    no_extension_until: Tick,
    /// The last channel that died: what it brought and what only arrives now is void.
    dead: Option<Generation>,
    scale: Option<Scale>,
    failing: Option<Failing>,
    /// When a receive last brought messages, or the queue was opened.
    none_since: Tick,
    left: Left,
    filtered: Filtered,
}

#[derive(Debug)]
struct Held {
    visible_until: Option<Tick>,
    stage: Stage,
    is_extending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting(u64),
    InRun,
    Settling,
}

/// A settlement that has not taken effect yet, with the group that it stops when its receipt proves to be
/// lost.
#[derive(Debug, Clone)]
struct Ending {
    receipt: Receipt,
    how: Settle,
    group: Option<Bytes>,
}

#[derive(Debug)]
struct Receive {
    room: u32,
    fills: bool,
}

/// A queue that cannot be received from.
#[derive(Debug)]
struct Failing {
    since: Tick,
    until: Tick,
    n: u32,
    error: Fault,
}

/// Receipts that are void, as the runs must hear of it.
#[derive(Debug, Default)]
pub(crate) struct LostReceipts {
    /// Messages that waited for a batch.
    pub(crate) waiting: Vec<Record>,
    /// A batch run had one of them.
    pub(crate) is_in_run: bool,
}

impl Receipts {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            is_open: false,
            held: BTreeMap::new(),
            lapses: BTreeSet::new(),
            waiting: BTreeMap::new(),
            waiting_bytes: 0,
            groups: BTreeMap::new(),
            reads: BTreeMap::new(),
            settles: BTreeMap::new(),
            to_settle: Vec::new(),
            failed: Vec::new(),
            n_failed: 0,
            extends: BTreeMap::new(),
            no_extension_until: Tick::default(),
            dead: None,
            scale: plan.queue.as_ref().map(Scale::new),
            failing: None,
            none_since: Tick::default(),
            left: Left::default(),
            filtered: Filtered::default(),
        }
    }

    pub(crate) fn handle_plan(&mut self, plan: &Plan) {
        if self.scale.is_none() {
            self.scale = plan.queue.as_ref().map(Scale::new);
        }
    }

    /// Whether a receipt may still be acted on by the batch that has it.
    pub(crate) fn is_held(&self, receipt: &Receipt) -> bool {
        self.held.get(receipt).is_some_and(|held| held.stage != Stage::Settling)
    }

    /// Whether a message is ours and hidden as far as we know; what stands on a track always is.
    pub(crate) fn is_hidden(&self, record: &Record, now: Tick) -> bool {
        let Some(receipt) = record.receipt() else { return true };
        self.held.get(receipt).is_some_and(|held| {
            held.stage == Stage::InRun && held.visible_until.is_none_or(|until| until > now)
        })
    }

    /// Whether all that is held is on its way to its end.
    pub(crate) fn is_given_back(&self) -> bool {
        self.held.values().all(|held| held.stage == Stage::Settling)
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.reads.is_empty()
            && self.settles.is_empty()
            && self.to_settle.is_empty()
            && self.failed.is_empty()
            && self.extends.is_empty()
    }

    fn forget(&mut self, receipt: &Receipt) -> Option<Held> {
        let held = self.held.remove(receipt)?;
        if let Some(until) = held.visible_until {
            self.lapses.remove(&(until, receipt.clone()));
        }
        Some(held)
    }

    fn set_visible(&mut self, receipt: &Receipt, until: Option<Tick>) {
        let Some(held) = self.held.get_mut(receipt) else { return };
        if let Some(before) = std::mem::replace(&mut held.visible_until, until) {
            self.lapses.remove(&(before, receipt.clone()));
        }
        // What is being settled need not stay hidden: nobody acts on it any more.
        if let Some(until) = until.filter(|_| held.stage != Stage::Settling) {
            self.lapses.insert((until, receipt.clone()));
        }
    }
}

impl Receipts {
    /// A queue may be received from, from now on.
    pub(crate) fn handle_opened(&mut self, cx: &Context) {
        (self.is_open, self.none_since) = (true, cx.now.tick);
    }

    /// The function failed or was not reached: fewer receives.
    pub(crate) fn slow_down(&mut self, cx: &mut Context) {
        if let (Some(scale), Some(queue)) = (&mut self.scale, &cx.plan.queue) {
            scale.failed(queue, cx.now.tick);
        }
    }

    /// Receives, settles and extends where that is due.
    pub(crate) fn pump_queue(&mut self, runs: &Runs, cx: &mut Context) {
        let Some(queue) = cx.plan.queue.clone() else { return };
        if !self.to_settle.is_empty() {
            let endings = std::mem::take(&mut self.to_settle);
            let settlements =
                endings.iter().map(|it| Settlement { receipt: it.receipt.clone(), how: it.how }).collect();
            let id = SettleId(cx.next_id());
            self.settles.insert(id, endings);
            cx.actions.push_back(Action::Settle(id, settlements));
        }
        self.order_receives(&queue, runs, cx);
        let window = self.window_end(cx).filter(|end| *end > cx.now.tick);
        cx.timers.set(Timer::QueueWindow, window);
        let lapse = queue.visibility.and_then(|visibility| {
            let mut lapses = self.lapses.iter();
            let next =
                lapses.find(|(_, receipt)| self.held.get(receipt).is_some_and(|held| !held.is_extending))?;
            // Half of the time is left then for a call that fails to be made again.
            let early =
                Tick(next.0.0.saturating_sub(u64::try_from(visibility.as_micros() / 2).unwrap_or(u64::MAX)));
            Some(early.max(self.no_extension_until))
        });
        cx.timers.set(Timer::Visibility, lapse);
    }
}
