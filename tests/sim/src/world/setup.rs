//! How a world begins: options first, then what will happen to it, drawn in one go.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_batcher::Checkpoint;
use forebay_models::stream::{Log, Style};

use super::events::{Event, Events};
use super::{Phase, World, gate, queue, stall, store, tracks};
use crate::choices::Choices;
use crate::coverage::{Coverage, Point};
use crate::options::{Kind, Options};
use crate::oracle::Oracle;
use crate::trace::{Keep, Trace};

impl World {
    /// A world made by these choices.
    pub(super) fn new(mut choices: Choices, keep: Keep) -> Self {
        let options = Options::draw(&mut choices);
        let plan = Arc::new(options.plan.clone());
        let is_queue = options.kind == Kind::Queue;
        let mut world = Self {
            pure: options.is_pure(),
            trace: Trace::new(keep),
            coverage: Coverage::default(),
            oracle: Oracle::new(Arc::clone(&plan), is_queue),
            events: Events::default(),
            machine: None,
            life: 0,
            plan,
            now_us: 1_000_000,
            unix_step_ms: 0,
            phase: Phase::Safety,
            healed_us: 0,
            tracks: Vec::new(),
            owners: BTreeMap::new(),
            next_owner: 0,
            queue: queue::QueueSide::new(options.receives_max),
            reads: BTreeMap::new(),
            store: store::Store::default(),
            gate: gate::Gate::default(),
            destination_dead: false,
            stall: stall::Stall::default(),
            poison_healed: false,
            crash_steps: Vec::new(),
            n_steps: 0,
            n_extra_calls: 0,
            changed: false,
            stubbornness: super::stubborn::Stubbornness::default(),
            operator: super::decisions::Operator::default(),
            choices,
            options,
        };
        world.oracle.lanes_vary = world.options.faults.plan_change > 0 || world.options.lanes_change;
        world.oracle.clock_steps = world.options.faults.clock_step > 0;
        if world.plan.window.is_some() {
            world.coverage.hit(Point::Windows);
        }
        world.make_source();
        world.schedule_records();
        world.schedule_faults();
        let at = world.now_us + 1000 * u64::from(world.options.safety_ms);
        world.events.push(at, Event::Heal);
        world.events.push(world.now_us, Event::Start);
        world
    }

    /// Adds a track, begun from its first record.
    pub(super) fn add_track(&mut self, parents: Vec<usize>) -> usize {
        let style = if self.options.aggregates { Style::Aggregates } else { Style::Numbers };
        let log = Log::new(style, 100);
        let last_of_key =
            parents.iter().flat_map(|parent| self.tracks[*parent].last_of_key.clone()).collect();
        let origin = log.origin_first();
        self.tracks.push(tracks::SourceTrack {
            log,
            origin,
            parents,
            started: false,
            finished: false,
            last_of_key,
        });
        self.oracle.by_track.push(Vec::new());
        self.store.add_track();
        self.tracks.len() - 1
    }

    fn make_source(&mut self) {
        if self.options.kind == Kind::Queue {
            // The model of the queue holds the messages; one empty track keeps what is common to both kinds.
            self.add_track(Vec::new());
            return;
        }
        for _ in 0..self.options.n_tracks {
            let track = self.add_track(Vec::new());
            self.tracks[track].started = true;
            if self.options.latest {
                let n = self.choices.between(0, 3);
                self.append(track, n);
                for uid in self.oracle.by_track[track].clone() {
                    self.oracle.truths[uid as usize].wanted = false;
                }
                self.tracks[track].last_of_key.clear();
                self.tracks[track].origin = self.tracks[track].log.origin_latest();
            }
            // Written in one go with the mapping's list of tracks, before it is enabled.
            let origin = Arc::new(Checkpoint::at_origin(self.tracks[track].origin.clone()));
            (self.store.written[track], self.store.synced[track]) = (Some(Arc::clone(&origin)), Some(origin));
        }
    }

    fn schedule_records(&mut self) {
        let mut left = if self.options.trickles { 0 } else { self.options.n_records };
        if self.options.trickles {
            self.schedule_trickle();
        }
        while left > 0 {
            let n = self.choices.pick(&[20, 5, 1, 60]).min(left);
            let track = self.choices.below(self.options.n_tracks) as usize;
            let at = self.some_time();
            self.events.push(at, Event::Append { track, n });
            left -= n;
        }
        for _ in 0..self.options.n_control {
            let track = self.choices.below(self.options.n_tracks) as usize;
            let at = self.some_time();
            self.events.push(at, Event::Control { track });
        }
        let at = self.some_time();
        self.events.push(at, Event::PoisonHeals);
    }

    /// One record after the other, over the whole of the safety phase.
    fn schedule_trickle(&mut self) {
        self.coverage.hit(Point::Trickle);
        let (n_tracks, span_ms) = (self.options.n_tracks, self.options.safety_ms);
        for _ in 0..self.options.n_records {
            let later = self.choices.later();
            let (track, at_ms) = (later.below(n_tracks) as usize, later.below(span_ms));
            self.events.push(self.now_us + 1000 * u64::from(at_ms), Event::Append { track, n: 1 });
        }
    }

    fn schedule_faults(&mut self) {
        let faults = self.options.faults.clone();
        let n_tracks = self.options.n_tracks;
        self.schedule(faults.trim, |choices| Event::Trim { track: choices.below(n_tracks) as usize });
        self.schedule(faults.compact, |choices| Event::Compact { track: choices.below(n_tracks) as usize });
        self.schedule(faults.end_track, |choices| Event::EndTrack {
            track: choices.below(n_tracks) as usize,
        });
        self.schedule(faults.fence, |choices| Event::Fence { track: choices.below(n_tracks) as usize });
        self.schedule(faults.lose_track, |choices| Event::LoseTrack {
            track: choices.below(n_tracks) as usize,
        });
        self.schedule_revocations(faults.revoke);
        self.schedule(faults.plan_change, |_| Event::ChangePlan);
        self.schedule(faults.close, |_| Event::Close);
        self.schedule(faults.clock_step, |_| Event::StepClock);
        self.schedule(faults.channel_dies, |_| Event::ChannelDies);
        self.schedule(faults.stall, |choices| Event::Stall {
            seconds: choices.between(5, 90),
            timeouts_first: choices.chance(300),
        });
        for _ in 0..3 {
            if self.choices.chance(faults.crash) {
                let within = self.choices.pick(&[2000, 20, 80, 300]);
                self.crash_steps.push(u64::from(within - self.choices.below(within)));
            }
        }
        self.crash_steps.sort_unstable_by(|one, other| other.cmp(one));
    }

    fn schedule(&mut self, permille: u32, mut event: impl FnMut(&mut Choices) -> Event) {
        for _ in 0..3 {
            if self.choices.chance(permille) {
                let at = self.some_time();
                let event = event(&mut self.choices);
                self.events.push(at, event);
            }
        }
    }

    /// A tick of the safety phase; often an early one, when most happens.
    fn some_time(&mut self) -> u64 {
        let span_ms = self.options.safety_ms;
        let span_ms = self.choices.pick(&[span_ms / 20, span_ms / 4, span_ms]);
        self.now_us + 1000 * u64::from(self.choices.below(span_ms.max(1)))
    }
}
