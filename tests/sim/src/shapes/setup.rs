//! How a world of a shape begins: the source, and all that will happen to it and to the engines, drawn in one
//! go.

use std::sync::Arc;

use forebay_batcher::{Checkpoint, TrackName};
use forebay_models::channel::ChannelQueue;
use forebay_models::group::GroupLog;
use forebay_models::shards::ShardTree;
use forebay_models::stream::Style;

use super::book::Book;
use super::channel::ChannelSide;
use super::engine::Engine;
use super::events::{Due, Event};
use super::group::GroupSide;
use super::options::{Shape, ShapeOptions};
use super::store::{KeptRow, LeaseStore};
use super::tree::TreeSide;
use super::{Rig, Side, Stage};
use crate::choices::{Choices, Stream};
use crate::coverage::Coverage;
use crate::trace::{Keep, Trace};

/// The name of a track in the store.
pub(super) fn name_of(source: usize) -> TrackName {
    TrackName(format!("track-{source:04}"))
}

/// The track of a name.
pub(super) fn number_of(name: &TrackName) -> usize {
    name.0.rsplit('-').next().and_then(|it| it.parse().ok()).expect("names are made here")
}

impl Rig {
    pub(super) fn new(choices: Choices, options: ShapeOptions, keep: Keep) -> Self {
        let n_tracks = options.n_tracks as usize;
        let side = match options.shape {
            Shape::Tree | Shape::Push => {
                Side::Tree(TreeSide { tree: ShardTree::new(Style::Numbers, options.tree_limits()) })
            }
            Shape::Group => {
                Side::Group(GroupSide { group: GroupLog::new(n_tracks, u64::from(options.drain_ms)) })
            }
            Shape::Channel => {
                let queue = ChannelQueue::new(u64::from(options.ack_timeout_ms), None);
                Side::Channel(ChannelSide { queue, uids: Vec::new(), n_kept: 0 })
            }
        };
        // Members of a group keep their places each for itself; who takes a mapping over finds its places.
        let n_stores = if options.shape == Shape::Group { options.n_engines } else { 1 };
        let engines =
            (0..options.n_engines).map(|at| Engine { store: at % n_stores, ..Engine::default() }).collect();
        let mut rig = Self {
            choices,
            plan: Arc::new(options.plan.clone()),
            trace: Trace::new(keep),
            coverage: Coverage::default(),
            events: Due::default(),
            now_us: 1_000_000,
            stage: Stage::Faults,
            healed_us: 0,
            n_steps: 0,
            engines,
            n_lives: 0,
            stores: (0..n_stores).map(|_| LeaseStore::default()).collect(),
            book: Book { by_source: vec![Vec::new(); n_tracks], ..Book::default() },
            side,
            options,
        };
        rig.make_tracks();
        rig.schedule_records();
        rig.schedule_faults();
        rig.schedule_engines();
        let heal = rig.now_us + 1000 * u64::from(rig.options.safety_ms);
        rig.at(heal, Event::Heal);
        rig
    }

    fn make_tracks(&mut self) {
        let Side::Tree(side) = &mut self.side else { return };
        let n_tracks = self.options.n_tracks;
        let part = u128::MAX / u128::from(n_tracks);
        for track in 0..u128::from(n_tracks) {
            side.tree.add_root(part * track..=part * track + (part - 1));
        }
        // Some shards may have ended and have children before anybody reads.
        if self.draw().chance(300) {
            self.add_records(3);
            self.reshard();
        }
        if self.options.latest {
            self.add_records(4);
        }
        self.create();
    }

    /// The mapping's first list of tracks, with where each begins, is written in one go before it is Enabled
    /// (P-1).
    fn create(&mut self) {
        let listed = self.listed();
        let Side::Tree(side) = &self.side else { return };
        for track in listed {
            let source = number_of(&track.name);
            let log = &side.tree.shards()[source].log;
            let is_latest = self.options.latest;
            let origin = if is_latest { log.origin_latest() } else { log.origin_first() };
            let from = Some(Arc::new(Checkpoint::at_origin(origin)));
            let row = KeptRow { written: from.clone(), synced: from, generation: 0 };
            self.stores[0].rows.insert(track.name, row);
            for uid in self.book.by_source.get(source).into_iter().flatten().filter(|_| is_latest) {
                self.book.facts[*uid as usize].wanted = false;
            }
        }
        self.stores[0].is_created = true;
    }

    /// Records reach the source.
    pub(super) fn add_records(&mut self, n: u32) {
        match self.options.shape {
            Shape::Tree | Shape::Push => {
                let open = self.open_shards();
                let at = self.draw().below(u32::try_from(open.len()).expect("few shards")) as usize;
                self.put(open[at], n);
            }
            Shape::Group => {
                let n_partitions = u32::try_from(self.book.by_source.len()).expect("few partitions");
                let partition = self.draw().below(n_partitions) as usize;
                self.append_to(partition, n);
            }
            Shape::Channel => self.publish(n),
        }
    }

    fn schedule_records(&mut self) {
        let mut left = self.options.n_records;
        while left > 0 {
            let n = self.draw().pick(&[3, 1, 10, 30]).min(left);
            let tick = self.some_time();
            self.at(tick, Event::Append { n });
            left -= n;
        }
    }

    fn schedule_engines(&mut self) {
        let n_first = match self.options.shape {
            // One has the mapping; another takes it over.
            Shape::Tree | Shape::Push => 1,
            Shape::Group | Shape::Channel => self.options.n_engines,
        };
        for at in 0..n_first {
            let is_late = at > 0 && self.options.faults.join_late > 0;
            let tick = if is_late { self.some_time() } else { self.now_us };
            self.at(tick, Event::Start { at });
        }
    }

    fn schedule_faults(&mut self) {
        let faults = self.options.faults.clone();
        let n_engines = u32::try_from(self.options.n_engines).expect("few engines");
        let any = move |draw: &mut Stream| draw.below(n_engines) as usize;
        self.schedule(faults.kill, 3, |draw| Event::Kill { at: any(draw) });
        self.schedule(faults.stall, 2, |draw| Event::Stall {
            at: any(draw),
            ms: draw.pick(&[2000, 300, 15_000]),
        });
        self.schedule(faults.close, 1, |draw| Event::Close { at: any(draw) });
        self.schedule(faults.takeover, 2, |_| Event::Takeover);
        self.schedule(faults.split, 4, |_| Event::Split);
        self.schedule(faults.trim, 2, |_| Event::Trim);
        self.schedule(faults.forget, 2, |_| Event::Forget);
        self.schedule(faults.expire, 2, |draw| Event::Expire { at: any(draw) });
        self.schedule(faults.join_late, 1, |_| Event::Rebalance);
        if self.draw().chance(faults.freeze) {
            let (from, to) = (self.some_time(), self.some_time());
            self.at(from.min(to), Event::Freeze { is_frozen: true });
            self.at(from.max(to), Event::Freeze { is_frozen: false });
        }
        self.schedule(faults.channel_dies, 3, |draw| Event::ChannelDies { at: any(draw) });
        self.schedule(faults.channel_dies / 3, 1, |_| Event::Restart);
        if self.draw().chance(faults.block) {
            let (from, to) = (self.some_time(), self.some_time());
            self.at(from.min(to), Event::Block { is_blocked: true });
            self.at(from.max(to), Event::Block { is_blocked: false });
        }
    }

    fn schedule(&mut self, permille: u32, n: u32, mut event: impl FnMut(&mut Stream) -> Event) {
        for _ in 0..n {
            if self.draw().chance(permille) {
                let tick = self.some_time();
                let event = event(self.draw());
                self.at(tick, event);
            }
        }
    }

    /// A tick of the time in which faults are on; often an early one, when most happens.
    fn some_time(&mut self) -> u64 {
        let span_ms = self.options.safety_ms;
        let span_ms = self.draw().pick(&[span_ms / 10, span_ms / 3, span_ms]);
        self.now_us + 1000 * u64::from(self.draw().below(span_ms.max(1)))
    }
}
