//! Worlds of the other source shapes: a tree of shards that is pulled or pushed, a log with a group, a queue
//! behind channels. Several engines may run over one source, each with its machine and its table of tracks;
//! leases and generations say whose writes count.
//!
//! They are apart from [`crate::world`], which has one machine and judges it to the last number: here what
//! happens between engines is judged, and what a source of this shape may do.

mod act;
mod book;
mod channel;
mod engine;
mod events;
mod fate;
mod feeding;
mod function;
mod group;
mod judge;
mod options;
mod setup;
mod store;
mod tree;

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_batcher::{Now, Plan, Rule, Tick, UnixMillis};

use crate::Report;
use crate::choices::{Choices, Stream};
use crate::coverage::{Coverage, Point};
use crate::oracle::{UNIX_START_MS, Violation, holds};
use crate::trace::{Keep, Trace};
use engine::Engine;
use events::Event;
pub use options::{Shape, ShapeOptions};

const STEPS_MAX: u64 = 200_000;
const SAME_TICK_MAX: u32 = 5_000;
/// After the heal all is done within this time.
const DONE_WITHIN_US: u64 = 3_000_000_000;

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Faults are on.
    Faults,
    /// No more faults; all that is left must get done.
    Heal,
    /// All was done; a fresh record must go through.
    Fresh,
}

/// What is read from.
#[derive(Debug)]
enum Side {
    Tree(tree::TreeSide),
    Group(group::GroupSide),
    Channel(channel::ChannelSide),
}

/// A world of one shape.
struct Rig {
    choices: Choices,
    options: ShapeOptions,
    plan: Arc<Plan>,
    trace: Trace,
    coverage: Coverage,
    events: events::Due,
    now_us: u64,
    stage: Stage,
    healed_us: u64,
    n_steps: u64,
    engines: Vec<Engine>,
    /// Lives of all engines are counted together.
    n_lives: u32,
    stores: Vec<store::LeaseStore>,
    book: book::Book,
    side: Side,
}

/// Runs a world of this shape to its end.
pub(crate) fn run(mut choices: Choices, shape: Shape, keep: Keep) -> Report {
    let options = ShapeOptions::draw(shape, choices.shapes());
    let mut rig = Rig::new(choices, options, keep);
    let violation = crate::panics::catch(|| rig.live()).err();
    Report {
        violation,
        choices: rig.choices.made(),
        options: crate::options::Drawn::Shape(Box::new(rig.options)),
        hash: rig.trace.hash(),
        lines: rig.trace.into_lines(),
        coverage: rig.coverage,
        n_steps: rig.n_steps,
    }
}

impl Rig {
    fn live(&mut self) -> Result<(), Violation> {
        let mut n_same_tick = 0;
        loop {
            (0..self.engines.len()).try_for_each(|at| self.drain(at))?;
            if self.is_over()? {
                return Ok(());
            }
            let before = self.now_us;
            self.step_time()?;
            n_same_tick = if self.now_us == before { n_same_tick + 1 } else { 0 };
            holds(Rule::L1, n_same_tick < SAME_TICK_MAX, || {
                format!("time stands still at {} us; {}", self.now_us, self.whereabouts())
            })?;
            self.n_steps += 1;
            holds(Rule::L1, self.n_steps < STEPS_MAX, || {
                format!("no end after {STEPS_MAX} steps; {}", self.whereabouts())
            })?;
        }
    }

    /// The next event or timeout happens, whichever is first; an engine that stands still hears its timeouts
    /// later.
    fn step_time(&mut self) -> Result<(), Violation> {
        let timeouts = self.engines.iter().enumerate().filter_map(|(at, engine)| {
            let (tick, why) = engine.machine.as_ref()?.poll_timeout()?;
            Some((tick.0.max(engine.stalled_until_us), at, why))
        });
        let timeout = timeouts.min_by_key(|(tick, at, _)| (*tick, *at));
        match (timeout, self.events.next_tick()) {
            (Some((tick, at, why)), event) if event.is_none_or(|event| tick < event) => {
                self.now_us = self.now_us.max(tick);
                self.note(&[1, at as u64], |now| format!("{now:>12} engine {at}: timeout {why:?}"));
                let now = self.now();
                if let Some(machine) = self.engines[at].machine.as_mut() {
                    machine.handle_timeout(now);
                }
                Ok(())
            }
            (_, Some(_)) => {
                let Some((tick, event)) = self.events.pop() else { return Ok(()) };
                self.now_us = self.now_us.max(tick);
                self.dispatch(event)
            }
            (_, None) => Err(Violation {
                rule: Rule::L1,
                what: format!("nothing will ever happen; {}", self.whereabouts()),
            }),
        }
    }

    fn now(&self) -> Now {
        let since_ms = i64::try_from(self.now_us / 1000).expect("simulated time is short");
        Now { tick: Tick(self.now_us), unix: UnixMillis(UNIX_START_MS + since_ms) }
    }

    fn now_ms(&self) -> u64 {
        self.now_us / 1000
    }

    fn draw(&mut self) -> &mut Stream {
        self.choices.shapes()
    }

    /// A fault of this kind strikes; only while faults are on.
    fn strikes(&mut self, permille: u32, point: Point) -> bool {
        let strikes = self.stage == Stage::Faults && self.choices.shapes().chance(permille);
        if strikes {
            self.coverage.hit(point);
        }
        strikes
    }

    /// A tick between one and `max_ms` milliseconds from now.
    fn soon(&mut self, max_ms: u32) -> u64 {
        self.now_us + 1000 * u64::from(self.choices.shapes().between(1, max_ms.max(1)))
    }

    fn note(&mut self, numbers: &[u64], words: impl FnOnce(u64) -> String) {
        let now_us = self.now_us;
        let mut all = [now_us; 6];
        all[1..=numbers.len()].copy_from_slice(numbers);
        self.trace.note(&all[..=numbers.len()], || words(now_us));
    }

    fn at(&mut self, tick_us: u64, event: Event) {
        self.events.push(tick_us, event);
    }

    /// The engine lives the life that an answer is for.
    fn is_alive(&self, at: usize, life: u32) -> bool {
        self.engines[at].life == life && self.engines[at].machine.is_some()
    }

    /// Where each engine says it is, for a run that does not end.
    fn whereabouts(&self) -> String {
        let of = |engine: &Engine| match &engine.machine {
            None => "down".to_owned(),
            Some(machine) => {
                let states: BTreeMap<u32, String> =
                    engine.holdings.keys().map(|idx| (idx.0, format!("{:?}", machine.state(*idx)))).collect();
                format!("quiet {}, {} reads open, {states:?}", machine.is_quiet(), engine.reads.len())
            }
        };
        let engines: Vec<String> = self.engines.iter().map(of).collect();
        format!("now {} us, engines {engines:?}, unfinished {:?}", self.now_us, self.book.unfinished())
    }
}
