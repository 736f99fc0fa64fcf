//! A world: one machine, its source, function, gate, destination, store and operator, driven by one stream of
//! choices.

mod actions;
mod decisions;
mod destination;
mod dispatch;
mod events;
mod function;
mod gate;
mod hands;
mod judge;
mod operator;
mod plans;
mod queue;
mod receives;
mod setup;
mod stall;
mod store;
mod stubborn;
mod tracks;
mod waits;

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_batcher::{Machine, Now, Plan, Rule, Tick, TrackIdx, UnixMillis, Why};

use crate::choices::Choices;
use crate::coverage::{Coverage, Point};
use crate::options::{Drawn, Options};
use crate::oracle::{Closing, Oracle, UNIX_START_MS, Violation, holds};
use crate::trace::{Keep, Trace};
use events::Events;

const STEPS_MAX: u64 = 400_000;
const SAME_TICK_MAX: u32 = 5_000;

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Faults are on.
    Safety,
    /// No more faults; all that is left must get done.
    Heal,
    /// All was done; a fresh record must go through.
    Fresh,
}

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// The rule that it broke.
    pub violation: Option<Violation>,
    /// Its choices.
    pub choices: Vec<u32>,
    /// Its options, in full.
    pub options: Drawn,
    /// Its trace's hash.
    pub hash: u64,
    /// Its trace, when it was asked for.
    pub lines: Vec<String>,
    /// What it reached.
    pub coverage: Coverage,
    /// Events and actions.
    pub n_steps: u64,
}

pub(crate) struct World {
    choices: Choices,
    options: Options,
    /// Poison alone decides what fails, and nothing was repeated but by crashes.
    pure: bool,
    trace: Trace,
    coverage: Coverage,
    oracle: Oracle,
    events: Events,
    machine: Option<Machine>,
    life: u32,
    plan: Arc<Plan>,
    now_us: u64,
    unix_step_ms: i64,
    phase: Phase,
    healed_us: u64,
    tracks: Vec<tracks::SourceTrack>,
    owners: BTreeMap<TrackIdx, tracks::Reader>,
    next_owner: u32,
    queue: queue::QueueSide,
    reads: BTreeMap<forebay_batcher::ReadId, tracks::OpenRead>,
    store: store::Store,
    gate: gate::Gate,
    destination_dead: bool,
    stall: stall::Stall,
    poison_healed: bool,
    crash_steps: Vec<u64>,
    n_steps: u64,
    n_extra_calls: u64,
    changed: bool,
    stubbornness: stubborn::Stubbornness,
    operator: decisions::Operator,
}

impl World {
    /// Runs a world to its end.
    pub(crate) fn run(choices: Choices, keep: Keep) -> Report {
        let mut world = Self::new(choices, keep);
        let violation = crate::panics::catch(|| world.live()).err();
        Report {
            violation,
            choices: world.choices.made(),
            options: Drawn::Plain(Box::new(world.options)),
            hash: world.trace.hash(),
            lines: world.trace.into_lines(),
            coverage: world.coverage,
            n_steps: world.n_steps,
        }
    }

    fn live(&mut self) -> Result<(), Violation> {
        let mut n_same_tick = 0;
        loop {
            self.drain()?;
            if self.is_over()? {
                return Ok(());
            }
            let timeout = self.machine.as_ref().and_then(Machine::poll_timeout);
            let timeout = timeout.map(|(tick, why)| (Tick(self.stall.at_the_earliest(tick.0)), why));
            let event = self.events.next_tick();
            let timeout_first = match (timeout, event) {
                (Some((tick, _)), Some(event)) => {
                    tick.0 < event || (tick.0 == event && self.stall.hears_timeouts_first(event))
                }
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => return Err(self.stuck("nothing will ever happen")),
            };
            let until_us = timeout.map_or(u64::MAX, |(tick, _)| tick.0).min(event.unwrap_or(u64::MAX));
            self.judge_the_wait(until_us)?;
            let before = self.now_us;
            if let (true, Some((tick, why))) = (timeout_first, timeout) {
                self.now_us = self.now_us.max(tick.0);
                if why == Why::Rate {
                    self.coverage.hit(Point::RateLimited);
                }
                self.trace
                    .note(&[1, self.now_us, why as u64], || format!("{:>12} timeout {why:?}", self.now_us));
                let now = self.now();
                if let Some(machine) = self.machine.as_mut() {
                    machine.handle_timeout(now);
                }
            } else if let Some((tick_us, event)) = self.events.pop() {
                self.now_us = self.now_us.max(tick_us);
                self.dispatch(event)?;
            }
            n_same_tick = if self.now_us == before { n_same_tick + 1 } else { 0 };
            holds(Rule::L1, n_same_tick < SAME_TICK_MAX, || {
                format!("time stands still at {} us", self.now_us)
            })?;
            self.step()?;
            holds(Rule::L1, self.n_steps < STEPS_MAX, || {
                format!("no end after {STEPS_MAX} steps; {}", self.whereabouts())
            })?;
        }
    }

    /// Executes all that the machine asks for.
    fn drain(&mut self) -> Result<(), Violation> {
        self.look_at_the_room();
        let mut n_actions = 0_u32;
        while let Some(action) = self.machine.as_mut().and_then(Machine::poll_action) {
            self.act(action)?;
            self.look_at_the_room();
            n_actions += 1;
            holds(Rule::L1, n_actions < 10_000, || "actions without end".to_owned())?;
            self.step()?;
        }
        self.finish_drain()
    }

    fn look_at_the_room(&mut self) {
        if self.machine.as_ref().is_some_and(|machine| machine.held_bytes() >= self.plan.held_bytes_max) {
            self.oracle.full_us = Some(self.now_us);
        }
    }

    /// One thing happened; a crash may be due.
    fn step(&mut self) -> Result<(), Violation> {
        self.n_steps += 1;
        if self.machine.is_some() && self.crash_steps.last().is_some_and(|at| *at <= self.n_steps) {
            self.crash_steps.pop();
            if self.phase == Phase::Safety {
                self.crash();
            }
        }
        Ok(())
    }

    fn now(&self) -> Now {
        Now { tick: Tick(self.now_us), unix: self.unix() }
    }

    fn unix(&self) -> UnixMillis {
        let since_start = i64::try_from(self.now_us / 1000).expect("simulated time is short");
        UnixMillis(UNIX_START_MS + since_start + self.unix_step_ms)
    }

    /// A fault of this kind strikes; only in the safety phase.
    fn strikes(&mut self, permille: u32, point: Point) -> bool {
        let strikes = self.phase == Phase::Safety && self.choices.chance(permille);
        if strikes {
            self.coverage.hit(point);
        }
        strikes
    }

    /// A tick between one and `max_ms` milliseconds from now.
    fn soon(&mut self, max_ms: u32) -> u64 {
        self.now_us + 1000 * u64::from(self.choices.between(1, max_ms.max(1)))
    }

    fn latency(&mut self) -> u64 {
        self.soon(self.options.latency_max_ms)
    }

    fn is_alive(&self, life: u32) -> bool {
        self.life == life && self.machine.is_some()
    }

    fn is_closing(&self) -> bool {
        self.oracle.closing != Closing::Open
    }
}
