//! What happens when an event is due: engines start, are killed, stand still, take a mapping over, are
//! closed; and the heal.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_batcher::{Checkpoint, Close, Kept, Machine, Rule, TrackName, TrackTable};
use forebay_models::channel::Closed;

use super::events::Event;
use super::options::Shape;
use super::{Rig, Side, Stage};
use crate::coverage::Point;
use crate::oracle::{Violation, holds};

/// A close that did not end by itself ends after this time.
const CLOSE_WITHIN_US: u64 = 400_000_000;

impl Rig {
    /// Lets one event happen; what an engine would hear while it stands still it hears later.
    pub(super) fn dispatch(&mut self, event: Event) -> Result<(), Violation> {
        if let Some(at) = event.engine()
            && self.engines[at].stalled_until_us > self.now_us
        {
            let tick = self.engines[at].stalled_until_us;
            self.at(tick, event);
            return Ok(());
        }
        match event {
            Event::Append { n } => self.add_records(n),
            Event::Split => self.reshard(),
            Event::Trim => self.trim(),
            Event::Forget => self.forget_shards(),
            Event::Rebalance => self.rebalance(),
            Event::Expire { at } => self.expire(at),
            Event::Freeze { is_frozen } => self.freeze(is_frozen),
            Event::ChannelDies { at } => self.kill_channels(Some(at), Closed::Gone),
            Event::Restart => self.kill_channels(None, Closed::Cancelled),
            Event::Block { is_blocked } => self.block(is_blocked),
            Event::Kill { at } if self.stage == Stage::Faults => self.kill(at),
            Event::Stall { at, ms } => self.stall(at, ms),
            Event::Takeover => self.take_over(),
            Event::Close { at } => self.close(at),
            Event::StopNow { at, life } if self.is_alive(at, life) => {
                holds(Rule::L1, false, || format!("a close does not end; {}", self.whereabouts()))?;
            }
            Event::Kill { .. } | Event::StopNow { .. } => {}
            Event::Start { at } => self.start(at),
            Event::Heal => self.heal(),
            Event::List { at, life } => self.list(at, life),
            Event::Sweep { at, life } => self.sweep(at, life),
            Event::Poll { at, life } => self.poll_group(at, life)?,
            Event::Granted { at, life, partition } => self.granted(at, life, partition),
            Event::Look { at, life, id } => self.look(at, life, id)?,
            Event::Overdue { at, life, id } => self.overdue(at, life, id)?,
            Event::Arrives { at, life, id, read } => self.arrive(at, life, id, *read),
            Event::Lost { at, life, generation } => self.hear_of_a_lost_channel(at, life, generation),
            Event::SlotFree { at, life } => self.grant_slot(at, life),
            Event::GateOpens { at, life } if self.is_alive(at, life) => self.pump_gate(at),
            Event::GateOpens { .. } => {}
            Event::Answer { at, life, id, slice, outcome, done } => {
                self.answer((at, life), id, slice, outcome, done)?
            }
            Event::Delivered { at, life, id, answer, taken } => self.delivered((at, life), id, answer, taken),
            Event::Lands { writing } => self.land(*writing),
            Event::Syncs { store } => self.sync(store),
            Event::Committed { at, life, id, idx, answer, takes_mapping } => {
                self.committed((at, life), id, idx, answer, takes_mapping)
            }
            Event::SettleLands { at, life, id, settlements } => {
                self.settle_lands(at, life, id, settlements)?
            }
            Event::Settled { at, life, id, answers } => self.settled(at, life, id, answers),
        }
        self.n1_what_is_pushed_is_bounded()
    }

    /// A process starts: it takes the mapping's lease and finds what its store kept.
    pub(super) fn start(&mut self, at: usize) {
        if self.engines[at].machine.is_some() {
            return;
        }
        self.n_lives += 1;
        let life = self.n_lives;
        self.engines[at].begin(life);
        let store = self.engines[at].store;
        self.engines[at].lease = self.stores[store].acquire();
        self.note(&[2, at as u64, u64::from(life)], |now| {
            format!("{now:>12} engine {at} starts life {life}")
        });
        let is_group = self.options.shape == Shape::Group;
        let mut kept: BTreeMap<TrackName, Kept> = BTreeMap::new();
        for (name, row) in &self.stores[store].rows {
            let Some(written) = &row.written else { continue };
            let read =
                Checkpoint::decode(&written.encode()).expect("a checkpoint can be read as it was written");
            kept.insert(name.clone(), Kept::Checkpoint(Box::new(read)));
            self.engines[at].known.insert(super::setup::number_of(name), Arc::clone(written));
        }
        let mut table = TrackTable::new(kept);
        if is_group {
            table = table.dealt_out();
        }
        if let Side::Tree(_) = &self.side {
            table.describe(self.listed());
        }
        self.engines[at].table = table;
        let mut machine = Machine::new(Arc::clone(&self.plan), u64::from(life));
        if self.options.shape == Shape::Channel {
            machine.handle_opened(self.now());
        }
        self.engines[at].machine = Some(machine);
        match self.options.shape {
            Shape::Tree | Shape::Push => {
                let tick = self.soon(200);
                self.at(tick, Event::List { at, life });
                let tick = self.soon(5000);
                self.at(tick, Event::Sweep { at, life });
            }
            Shape::Group => self.join_group(at),
            Shape::Channel => {}
        }
    }

    /// The process dies. What it sent is on its way all the same.
    pub(super) fn kill(&mut self, at: usize) {
        if self.engines[at].machine.is_none() {
            return;
        }
        self.coverage.hit(Point::EngineKilled);
        self.note(&[6, at as u64], |now| format!("{now:>12} engine {at} is KILLED"));
        let member = self.engines[at].member;
        self.gone(at);
        // Its group misses it some time later, or hears of it when it joins again.
        if member.is_some() {
            self.engines[at].member = member;
            self.expire(at);
        }
        let tick = self.soon(3000);
        self.at(tick, Event::Start { at });
    }

    /// The process is gone: its subscriptions and channels with it.
    fn gone(&mut self, at: usize) {
        let readers = std::mem::take(&mut self.engines[at].readers);
        readers.into_values().for_each(|it| self.leave_subscription(it.subscription));
        self.drop_channel(at);
        self.engines[at].machine = None;
        self.engines[at].stalled_until_us = 0;
        self.book.changed = true;
    }

    /// The process stands still; nobody hears of it meanwhile.
    fn stall(&mut self, at: usize, ms: u32) {
        if self.stage == Stage::Faults && self.engines[at].machine.is_some() {
            self.coverage.hit(Point::Stalled);
            self.engines[at].stalled_until_us = self.now_us + 1000 * u64::from(ms);
            self.note(&[7, at as u64], |now| format!("{now:>12} engine {at} stands still for {ms} ms"));
        }
    }

    /// Another process takes the mapping, and the one that has it does not know.
    fn take_over(&mut self) {
        let Some(next) = (0..self.engines.len()).find(|it| self.engines[*it].machine.is_none()) else {
            return;
        };
        if self.stage == Stage::Faults && self.engines.len() > 1 {
            self.coverage.hit(Point::EngineTookOver);
            self.start(next);
            // Who was fenced ends some time later, when somebody sees to it.
            let former = (0..self.engines.len()).find(|it| *it != next);
            if let Some(at) = former {
                let tick = self.soon(10_000);
                self.at(tick, Event::Kill { at });
            }
        }
    }

    /// An engine is closed: what runs is awaited, then it ends and is started again.
    fn close(&mut self, at: usize) {
        let engine = &self.engines[at];
        if self.stage != Stage::Faults || engine.machine.is_none() || engine.is_closing || engine.is_fenced {
            return;
        }
        self.coverage.hit(Point::CloseFinish);
        self.note(&[8, at as u64], |now| format!("{now:>12} engine {at} is closed"));
        self.engines[at].is_closing = true;
        let (life, now) = (self.engines[at].life, self.now());
        let store_fails = self.options.faults.commit_failed + self.options.faults.commit_unheard > 0;
        if !store_fails && self.options.faults.settle_failed == 0 {
            self.at(self.now_us + CLOSE_WITHIN_US, Event::StopNow { at, life });
        }
        if let Some(machine) = self.engines[at].machine.as_mut() {
            machine.close(Close::Finish, now);
        }
    }

    /// A closed engine that is quiet ends. D-2: all that it finished is durable; Q-5: it owes nothing.
    pub(super) fn stop_when_quiet(&mut self, at: usize) -> Result<(), Violation> {
        let engine = &self.engines[at];
        if !engine.is_closing || !engine.machine.as_ref().is_some_and(Machine::is_quiet) {
            return Ok(());
        }
        self.note(&[9, at as u64], |now| format!("{now:>12} engine {at} is closed and quiet"));
        self.q5_nothing_is_owed(at)?;
        self.d2_a_clean_stop_keeps_what_is_finished(at)?;
        self.leave_group(at)?;
        self.gone(at);
        let tick = self.soon(2000);
        self.at(tick, Event::Start { at });
        Ok(())
    }

    fn d2_a_clean_stop_keeps_what_is_finished(&self, at: usize) -> Result<(), Violation> {
        let faults = &self.options.faults;
        if faults.commit_failed + faults.commit_unheard > 0 {
            return Ok(());
        }
        let engine = &self.engines[at];
        for holding in engine.holdings.values().filter(|it| !it.is_over && self.is_owner(at, it.source)) {
            let synced = self.synced(at, holding.source);
            for uid in self.book.by_source.get(holding.source).into_iter().flatten() {
                let fact = &self.book.facts[*uid as usize];
                let is_kept =
                    synced.as_ref().is_some_and(|it| crate::oracle::is_finished_in(it, &fact.position));
                // What a former life wrote its store syncs in its own time.
                let belief = engine.belief_of(*uid);
                let is_own = belief.finished && belief.handed && !belief.was_kept;
                let is_held = is_own && fact.wanted && !fact.gone;
                holds(Rule::D2, !is_held || is_kept, || {
                    format!("engine {at}: record {uid} is finished and a clean stop forgot it")
                })?;
            }
        }
        Ok(())
    }

    /// All faults end.
    fn heal(&mut self) {
        self.stage = Stage::Heal;
        self.healed_us = self.now_us;
        self.book.changed = true;
        self.freeze(false);
        self.block(false);
        self.note(&[60], |now| format!("{now:>12} all heals"));
        for at in 0..self.engines.len() {
            let engine = &mut self.engines[at];
            engine.stalled_until_us = engine.stalled_until_us.min(self.now_us);
            let is_wanted = match &self.side {
                Side::Tree(_) => self.engines.iter().all(|it| it.machine.is_none() || it.is_fenced),
                Side::Group(_) | Side::Channel(_) => true,
            };
            if self.engines[at].machine.is_none() && is_wanted {
                self.start(at);
            }
        }
    }
}
