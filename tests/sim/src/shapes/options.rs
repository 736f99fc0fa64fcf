//! What kind of world a seed makes of a shape: how many engines, tracks and records, the plan, the faults.

use std::num::NonZeroU32;
use std::time::Duration;

use forebay_batcher::{BatchPlan, OnExhausted, Plan, QueuePlan, Redelivery, RetryPlan};
use forebay_models::shards::Limits;

use crate::choices::{Choices, Stream};

/// So many of a thousand seeds make a world of one of these shapes.
const SHAPED: u32 = 250;

/// The shape of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A tree of shards that readers ask with iterators.
    Tree,
    /// A tree of shards that push to who subscribes.
    Push,
    /// A log whose partitions a group deals out.
    Group,
    /// A queue behind channels.
    Channel,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 4] = [Self::Tree, Self::Push, Self::Group, Self::Channel];

    /// The shape of a run; `None` for a world of files or of a queue that is received from.
    pub fn draw(choices: &mut Choices) -> Option<Self> {
        let shapes = choices.shapes();
        shapes.chance(SHAPED).then(|| shapes.pick(&Self::ALL))
    }

    /// The shape that a command line names.
    pub fn of_word(word: &str) -> Option<Self> {
        let words = ["tree", "push", "group", "channel"];
        words.iter().position(|it| *it == word).map(|at| Self::ALL[at])
    }
}

/// How many of a thousand draws go wrong, or how many of a thousand chances of something are taken.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is named after its fault")]
pub struct ShapeFaults {
    pub function_error: u32,
    pub partial: u32,
    pub lost_answer: u32,
    pub not_reached: u32,
    pub slow: u32,
    pub refuse: u32,
    pub commit_failed: u32,
    pub commit_unheard: u32,
    pub commit_slow: u32,
    pub read_down: u32,
    pub kill: u32,
    pub stall: u32,
    pub close: u32,
    pub takeover: u32,
    pub split: u32,
    pub trim: u32,
    pub forget: u32,
    pub join_late: u32,
    pub expire: u32,
    pub grant_slow: u32,
    pub freeze: u32,
    pub channel_dies: u32,
    pub late_read: u32,
    pub settle_failed: u32,
    pub block: u32,
}

/// A world of a shape, in numbers.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "read with the fields' names; printed in full by a failing run")]
pub struct ShapeOptions {
    pub shape: Shape,
    pub n_engines: usize,
    pub n_tracks: u32,
    pub n_records: u32,
    pub n_keys: u32,
    pub filtered: u32,
    pub poison: u32,
    pub latest: bool,
    pub latency_max_ms: u32,
    pub safety_ms: u32,
    /// How often the store syncs what it has written; zero: each write.
    pub sync_every_ms: u32,
    pub page_max: u32,
    pub list_every_ms: u32,
    pub fetch_max: u32,
    pub iterator_ms: u32,
    pub calls_per_s: u32,
    pub subscription_ms: u32,
    pub push_max: u32,
    pub credits: u32,
    pub drain_ms: u32,
    pub poll_ms: u32,
    pub prefetch: u32,
    pub ack_timeout_ms: u32,
    pub acks_multiple: bool,
    pub faults: ShapeFaults,
    pub plan: Plan,
}

impl ShapeOptions {
    /// The options of a world; all zeros make a small, tame one.
    pub fn draw(shape: Shape, choices: &mut Stream) -> Self {
        let faults = ShapeFaults::draw(choices, shape);
        let plan = draw_plan(choices, shape);
        let n_records = choices.pick(&[4, 10, 25, 60, 120]);
        Self {
            shape,
            n_engines: match shape {
                Shape::Tree | Shape::Push => 1 + usize::from(faults.takeover > 0),
                Shape::Group => choices.between(1, 3) as usize,
                Shape::Channel => choices.between(1, 2) as usize,
            },
            n_tracks: choices.between(1, 4),
            n_records: choices.between(1, n_records),
            n_keys: choices.pick(&[2, 1, 0, 6]),
            filtered: choices.pick(&[0, 0, 100, 500]),
            poison: choices.pick(&[0, 0, 50, 200]),
            latest: matches!(shape, Shape::Tree | Shape::Push) && choices.chance(300),
            latency_max_ms: choices.pick(&[5, 60, 500, 3000]),
            safety_ms: choices.pick(&[3000, 10_000, 30_000]),
            sync_every_ms: choices.pick(&[0, 0, 200, 1500]),
            page_max: choices.pick(&[100, 1, 2, 5]),
            list_every_ms: choices.pick(&[5000, 500, 20_000]),
            fetch_max: choices.pick(&[100, 1, 3, 10]),
            iterator_ms: choices.pick(&[300_000, 1000, 5000]),
            calls_per_s: choices.pick(&[5, 1, 2]),
            subscription_ms: choices.pick(&[300_000, 2000, 10_000]),
            push_max: choices.pick(&[4, 1, 20]),
            credits: choices.pick(&[2, 1, 4]),
            drain_ms: choices.pick(&[5000, 300, 1000]),
            poll_ms: choices.pick(&[100, 20, 1000]),
            prefetch: choices.pick(&[30, 1, 3, 10]),
            ack_timeout_ms: choices.pick(&[1_800_000, 1_800_000, 20_000]),
            acks_multiple: choices.chance(400),
            faults,
            plan,
        }
    }

    /// The limits of the model of a tree.
    pub(super) fn tree_limits(&self) -> Limits {
        let records_max = if self.shape == Shape::Push { self.push_max } else { self.fetch_max };
        Limits {
            iterator_ms: u64::from(self.iterator_ms),
            calls_per_s: self.calls_per_s as usize,
            records_max: records_max as usize,
            subscription_ms: u64::from(self.subscription_ms),
            credits: self.credits as usize,
        }
    }
}

impl ShapeFaults {
    fn draw(choices: &mut Stream, shape: Shape) -> Self {
        let calm = !choices.chance(850);
        let mut draw = |applies: bool, intensities: &[u32]| {
            if calm || !applies || !choices.chance(350) { 0 } else { choices.pick(intensities) }
        };
        let channel = shape == Shape::Channel;
        let (tracks, group) = (!channel, shape == Shape::Group);
        let tree = tracks && !group;
        Self {
            function_error: draw(true, &[100, 400]),
            partial: draw(true, &[100, 400]),
            lost_answer: draw(true, &[50, 200]),
            not_reached: draw(true, &[50, 300]),
            slow: draw(true, &[50, 200]),
            refuse: draw(true, &[100, 500]),
            commit_failed: draw(tracks, &[50, 300]),
            commit_unheard: draw(tracks, &[50, 300]),
            commit_slow: draw(tracks, &[50, 300]),
            read_down: draw(true, &[20, 100]),
            kill: draw(true, &[500, 1000]),
            stall: draw(true, &[500, 1000]),
            close: draw(true, &[300, 800]),
            takeover: draw(tree, &[1000, 500]),
            split: draw(tree, &[1000, 600]) + if tree { 300 } else { 0 },
            trim: draw(tracks, &[500, 1000]),
            forget: draw(tree, &[1000]),
            join_late: draw(group, &[500, 1000]),
            expire: draw(group, &[500, 1000]),
            grant_slow: draw(group, &[100, 500]),
            freeze: draw(group, &[500]),
            channel_dies: draw(channel, &[500, 1000]),
            late_read: draw(channel, &[100, 400]),
            settle_failed: draw(channel, &[50, 200]),
            block: draw(channel, &[500]),
        }
    }
}

fn draw_plan(choices: &mut Stream, shape: Shape) -> Plan {
    let queue = shape == Shape::Channel;
    Plan {
        generation: 1,
        batch: BatchPlan {
            records_max: count(choices.pick(&[3, 1, 2, 5, 10, 50])),
            bytes_max: choices.pick(&[6_291_456, 600]),
            window: Duration::from_millis(choices.pick(&[0, 0, 200, 1000])),
        },
        retry: RetryPlan {
            retries_max: choices.pick(&[Some(1), Some(0), Some(3), None]),
            record_age_max: None,
            bisect: !queue && choices.chance(400),
            partial_responses: choices.chance(400),
            item_actions: false,
            redelivery: Redelivery::ByUs,
            on_exhausted: OnExhausted::GiveUp,
            drop_after_destination_failures: None,
            stop_group_at_first_failure: false,
        },
        window: None,
        lanes: count(if queue { 1 } else { choices.pick(&[1, 2, 4]) }),
        envelope_bytes: 14,
        mixes_tracks: shape == Shape::Group && choices.chance(500),
        concurrency_max: NonZeroU32::new(choices.pick(&[2, 1, 4, 8])),
        rate: None,
        has_destination: choices.chance(600),
        held_bytes_max: choices.pick(&[1 << 30, 3000, 20_000]),
        ahead_max: choices.pick(&[1000, 4, 20]),
        waiting_min: 0,
        durable_cuts: false,
        queue: queue.then(|| QueuePlan {
            receive_max: count(choices.pick(&[10, 1, 3])),
            wait_max: Duration::from_secs(choices.pick(&[20, 1])),
            visibility: None,
            retry_after: None,
            pollers_start: count(choices.pick(&[5, 1])),
            pollers_max: count(20),
            pollers_min: count(1),
            pollers_growth: count(300),
            batches_max: count(20),
        }),
    }
}

fn count(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).expect("counts are drawn from one on")
}
