//! What kind of world a seed makes: source, plan and a subset of the fault kinds, each with its own
//! intensity.

mod beyond;
mod latest;
mod pauses;
mod windows;

use std::num::NonZeroU32;
use std::time::Duration;

use forebay_batcher::{BatchPlan, OnExhausted, Plan, QueuePlan, Redelivery, RetryPlan};

use crate::choices::Choices;
pub use crate::shapes::ShapeOptions;

pub(crate) use beyond::draw_rate;
pub(crate) use windows::draw_length;

/// Marks the length of a slow world: those drawn without it keep their meaning in kept lines.
const SLOW: u32 = 1_000_000;

/// How many of a thousand draws go wrong, for each kind of fault. Zero: this seed has none of it.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each field is named after its fault")]
pub struct Faults {
    pub function_error: u32,
    pub partial: u32,
    pub invalid: u32,
    pub lost_answer: u32,
    pub timeout_done: u32,
    pub late: u32,
    pub doubled: u32,
    pub throttle: u32,
    pub platform: u32,
    pub refuse: u32,
    pub taken_unheard: u32,
    pub destination_dead: u32,
    pub commit_failed: u32,
    pub commit_unheard: u32,
    pub store_full: u32,
    pub fence: u32,
    pub lose_track: u32,
    pub read_down: u32,
    pub read_throttle: u32,
    pub position_lost: u32,
    pub trim: u32,
    pub compact: u32,
    pub end_track: u32,
    pub crash: u32,
    pub plan_change: u32,
    pub close: u32,
    pub clock_step: u32,
    pub settle_failed: u32,
    pub settle_unheard: u32,
    pub extend_failed: u32,
    pub repeat: u32,
    pub channel_dies: u32,
    pub receive_late: u32,
    pub receive_unheard: u32,
    pub settle_late: u32,
    pub extend_late: u32,
    pub extend_unheard: u32,
    pub extend_never: u32,
    pub left_out: u32,
    pub stall: u32,
    pub slow_destination: u32,
    pub slow_function: u32,
    pub revoke: u32,
}

/// Which ledger the world exercises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Tracks of a stream.
    Tracks,
    /// A queue.
    Queue,
}

/// What goes on failing after the heal, a hundred times in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stubborn {
    /// Nothing.
    Nothing,
    /// One record makes the function fail.
    Record,
    /// The destination takes nothing.
    Destination,
    /// The store keeps nothing of one track.
    Store,
    /// One track, or the queue, cannot be read.
    Source,
}

/// What was drawn for a run.
#[derive(Debug, Clone)]
pub enum Drawn {
    /// A world of one machine over tracks or a queue.
    Plain(Box<Options>),
    /// A world of another shape.
    Shape(Box<ShapeOptions>),
}

/// A world in numbers.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "read with the fields' names; printed in full by a failing run")]
pub struct Options {
    pub kind: Kind,
    pub n_tracks: u32,
    pub n_records: u32,
    pub n_keys: u32,
    pub aggregates: bool,
    pub latest: bool,
    pub filtered: u32,
    pub poison: u32,
    pub poison_heals: bool,
    pub poison_names_itself: bool,
    pub old_records: u32,
    pub oversize: u32,
    pub function_bytes_max: Option<u64>,
    pub latency_max_ms: u32,
    pub safety_ms: u32,
    pub n_control: u32,
    pub receives_max: Option<u32>,
    pub asks: bool,
    pub trickles: bool,
    pub wild_plans: bool,
    pub cramped: bool,
    pub stubborn: Stubborn,
    /// The number of lanes changes over and over, also while something fails for ever.
    pub lanes_change: bool,
    /// When a message that failed is shown again; `None`: when its visibility is over.
    pub retry_after: Option<Duration>,
    /// How often the store syncs what it has written; zero: each write.
    pub sync_every_ms: u32,
    /// A track that comes back in one life of the machine has the number that it had.
    pub comes_back: bool,
    /// How long an operator takes at most to decide about what waits for him.
    pub decides_max_ms: u32,
    /// The operator changes his mind about what is to become of what is used up.
    pub pauses_change: bool,
    pub faults: Faults,
    pub plan: Plan,
}

impl Options {
    /// The options of a world; all zeros make a small, tame one.
    pub fn draw(choices: &mut Choices) -> Self {
        let kind = if choices.chance(350) { Kind::Queue } else { Kind::Tracks };
        let mut faults = Faults::draw(choices, kind);
        let mut plan = draw_plan(choices, kind);
        if plan.mixes_tracks && choices.chance(500) {
            // A batch of several tracks is worth most when one of them is lost.
            (faults.lose_track, faults.fence) = (1000, 1000);
        }
        let later = Later::draw(choices, kind, &mut plan, &mut faults);
        let n_records = choices.pick(&[3, 8, 15, 25, 40, 60, 120, 200]);
        let has_age = plan.retry.record_age_max.is_some();
        let limited = plan.batch.bytes_max < 100_000;
        let mut options = Self {
            kind,
            n_tracks: if kind == Kind::Tracks {
                choices.between(1, 4).max(if later.cramped { 2 } else { 1 })
            } else {
                1
            },
            n_records: choices.between(1, n_records),
            n_keys: choices.pick(&[1, 0, 2, 4, 12]),
            aggregates: kind == Kind::Tracks && choices.chance(250),
            latest: kind == Kind::Tracks && choices.chance(150),
            filtered: choices.pick(&[0, 0, 100, 400, 900]),
            poison: choices.pick(&[0, 20, 0, 80, 300]),
            poison_heals: choices.chance(300),
            poison_names_itself: choices.chance(500),
            old_records: if has_age { choices.pick(&[0, 100, 400]) } else { 0 },
            // A queue that redelivers by itself would bring it again for ever.
            oversize: if limited && plan.retry.redelivery == Redelivery::ByUs {
                choices.pick(&[0, 30])
            } else {
                0
            },
            function_bytes_max: if limited && choices.chance(250) {
                Some(plan.batch.bytes_max / 2)
            } else {
                None
            },
            latency_max_ms: choices.pick(&[5, 50, 400, 3000]),
            safety_ms: choices.pick(&[
                3000,
                10_000,
                30_000,
                90_000,
                SLOW + 3000,
                SLOW + 10_000,
                SLOW + 30_000,
                SLOW + 90_000,
            ]),
            n_control: if kind == Kind::Tracks { choices.pick(&[0, 3, 10]) } else { 0 },
            receives_max: if kind == Kind::Queue { choices.pick(&[None, Some(3), Some(6)]) } else { None },
            asks: later.asks,
            trickles: later.trickles,
            wild_plans: later.wild_plans,
            cramped: later.cramped,
            stubborn: later.stubborn,
            lanes_change: false,
            retry_after: None,
            sync_every_ms: 0,
            comes_back: false,
            decides_max_ms: 0,
            pauses_change: false,
            faults,
            plan,
        };
        if let Some(safety_ms) = options.safety_ms.checked_sub(SLOW) {
            options.safety_ms = safety_ms;
            options.draw_slowness(choices);
        }
        options.draw_latest(choices);
        options.draw_beyond(choices);
        if kind == Kind::Tracks {
            options.sync_every_ms = choices.power().pick(&[0, 50, 50, 600, 3000]);
            options.plan.waiting_min = choices.power().pick(&[0, 0, 10, 100]);
            options.draw_hands(choices);
            options.draw_pauses(choices);
            options.draw_windows(choices);
            options.draw_cuts(choices);
        }
        options
    }

    /// A world whose network and process may be as slow as a visibility lasts.
    fn draw_slowness(&mut self, choices: &mut Choices) {
        let is_queue = self.kind == Kind::Queue;
        // A receive whose answer was lost is made good by nothing but time.
        let lapses = self.plan.queue.as_ref().is_some_and(|queue| queue.visibility.is_some());
        let mut draw = |applies: bool, intensities: &[u32]| {
            if applies && choices.chance(300) { choices.pick(intensities) } else { 0 }
        };
        let faults = &mut self.faults;
        faults.receive_late = draw(is_queue, &[50, 300]);
        faults.receive_unheard = draw(is_queue && lapses, &[20, 100]);
        faults.settle_late = draw(is_queue && lapses, &[50, 300]);
        faults.extend_late = draw(is_queue, &[50, 300]);
        faults.extend_unheard = draw(is_queue, &[50, 300]);
        faults.extend_never = draw(is_queue, &[50, 300]);
        faults.left_out = draw(is_queue, &[50, 300]);
        faults.stall = draw(true, &[500, 1000]);
        faults.slow_destination = draw(true, &[100, 500]);
        faults.slow_function = draw(is_queue, &[100, 500]);
        if let Some(queue) = self.plan.queue.as_mut().filter(|_| lapses && choices.chance(600)) {
            let visibility = Duration::from_secs(choices.pick(&[10, 3]));
            // A machine counts from before it sent the receive, so a long poll may last a third of a
            // visibility and no more.
            (queue.visibility, queue.wait_max) = (Some(visibility), queue.wait_max.min(visibility / 3));
        }
        if lapses && choices.chance(300) {
            // A receive brings more of a group than a batch takes, and what a batch does lasts: much stands
            // behind each message.
            self.n_keys = choices.pick(&[2, 1, 4]);
            (self.plan.batch.records_max, self.plan.batch.bytes_max) = (count(choices.pick(&[10, 5])), 250);
            (self.faults.slow_function, self.faults.settle_late) =
                (choices.pick(&[300, 600]), choices.pick(&[300, 0]));
            self.faults.extend_never = choices.pick(&[0, 100]);
        }
        if is_queue && self.plan.retry.redelivery == Redelivery::BySource && choices.chance(400) {
            self.retry_after = Some(Duration::from_secs(choices.pick(&[1, 5, 40, 300])));
        }
    }

    /// A world whose tracks are closed for another owner and come back, as those of a consumer group.
    fn draw_hands(&mut self, choices: &mut Choices) {
        let hands = choices.hands();
        self.comes_back = hands.chance(500);
        let is_revoked = hands.chance(if self.plan.mixes_tracks { 400 } else { 150 });
        if is_revoked && self.stubborn == Stubborn::Nothing {
            self.faults.revoke = hands.pick(&[1000, 500]);
        }
        if self.plan.mixes_tracks && hands.chance(300) {
            // An attempt lasts until one of its tracks was lost, came back and was read again.
            (self.comes_back, self.latency_max_ms) = (true, 3000);
        }
    }

    /// Poison alone decides what fails: no chance, no time, no setting that drops.
    pub fn is_pure(&self) -> bool {
        let faults = &self.faults;
        let noise = faults.function_error
            + faults.partial
            + faults.invalid
            + faults.lost_answer
            + faults.timeout_done
            + faults.plan_change;
        let gone = faults.trim + faults.compact;
        noise == 0
            && gone == 0
            && !self.poison_heals
            && self.function_bytes_max.is_none()
            && self.oversize == 0
            && self.plan.retry.record_age_max.is_none()
            && self.plan.retry.retries_max.is_some()
            && self.plan.retry.bisect
            && !self.plan.retry.partial_responses
            && self.plan.has_destination
            && self.plan.retry.on_exhausted == OnExhausted::GiveUp
            && self.plan.retry.drop_after_destination_failures.is_none()
    }
}

/// What worlds learnt to choose later.
struct Later {
    asks: bool,
    trickles: bool,
    wild_plans: bool,
    cramped: bool,
    stubborn: Stubborn,
}

impl Later {
    /// Draws it, and makes plan and faults fit.
    fn draw(choices: &mut Choices, kind: Kind, plan: &mut Plan, faults: &mut Faults) -> Self {
        let tracks = kind == Kind::Tracks;
        let later = choices.later();
        let asks = later.chance(500);
        let trickles = later.chance(100);
        let wild_plans = later.chance(500);
        let cramped = tracks && later.chance(60);
        let stubborn = if later.chance(if cramped { 80 } else { 8 }) {
            later.pick(&[Stubborn::Record, Stubborn::Destination, Stubborn::Store, Stubborn::Source])
        } else {
            Stubborn::Nothing
        };
        if cramped {
            // Two tracks come back with open slices, and there is little memory for them.
            plan.held_bytes_max = later.pick(&[700, 300, 1500]);
            (faults.crash, faults.function_error) = (1000, faults.function_error.max(500));
        }
        let stubborn = if !tracks && stubborn == Stubborn::Store { Stubborn::Source } else { stubborn };
        match stubborn {
            Stubborn::Nothing => {}
            Stubborn::Record | Stubborn::Destination if plan.retry.redelivery == Redelivery::BySource => {
                return Self { asks, trickles, wild_plans, cramped, stubborn: Stubborn::Nothing };
            }
            Stubborn::Record => (plan.retry.retries_max, plan.retry.record_age_max) = (None, None),
            Stubborn::Destination => {
                plan.retry.retries_max = Some(plan.retry.retries_max.unwrap_or(0));
                (plan.has_destination, plan.retry.drop_after_destination_failures) = (true, None);
            }
            Stubborn::Store | Stubborn::Source => {}
        }
        if stubborn != Stubborn::Nothing {
            // What waits behind it must neither fill the memory nor lie too far ahead.
            let is_cramped = cramped && stubborn == Stubborn::Record;
            plan.held_bytes_max = if is_cramped { plan.held_bytes_max } else { 1 << 30 };
            plan.ahead_max = 1000;
            (faults.plan_change, faults.end_track) = (0, 0);
        }
        Self { asks, trickles, wild_plans, cramped, stubborn }
    }
}

impl Faults {
    fn draw(choices: &mut Choices, kind: Kind) -> Self {
        let calm = !choices.chance(850);
        let mut draw = |applies: bool, intensities: &[u32]| {
            if calm || !applies || !choices.chance(300) { 0 } else { choices.pick(intensities) }
        };
        let (tracks, queue) = (kind == Kind::Tracks, kind == Kind::Queue);
        Self {
            function_error: draw(true, &[30, 150, 500]),
            partial: draw(true, &[50, 200, 600]),
            invalid: draw(true, &[30, 200]),
            lost_answer: draw(true, &[30, 150]),
            timeout_done: draw(true, &[30, 150]),
            late: draw(true, &[20, 100]),
            doubled: draw(true, &[50, 300]),
            throttle: draw(true, &[50, 300, 700]),
            platform: draw(true, &[50, 300]),
            refuse: draw(true, &[100, 500]),
            taken_unheard: draw(true, &[100, 400]),
            destination_dead: draw(true, &[20, 200]),
            commit_failed: draw(tracks, &[50, 300]),
            commit_unheard: draw(tracks, &[50, 300]),
            store_full: draw(tracks, &[10, 50]),
            fence: draw(tracks, &[500, 1000]),
            lose_track: draw(tracks, &[500, 1000]),
            read_down: draw(tracks, &[20, 100]),
            read_throttle: draw(tracks, &[20, 100]),
            position_lost: draw(tracks, &[5, 20]),
            trim: draw(tracks, &[500, 1000]),
            compact: draw(tracks, &[500, 1000]),
            end_track: draw(tracks, &[500, 1000]),
            crash: draw(true, &[300, 600, 1000]),
            plan_change: draw(true, &[500, 1000]),
            close: draw(true, &[500, 1000]),
            clock_step: draw(true, &[500, 1000]),
            settle_failed: draw(queue, &[50, 300]),
            settle_unheard: draw(queue, &[50, 200]),
            extend_failed: draw(queue, &[50, 300]),
            repeat: draw(queue, &[20, 100]),
            channel_dies: draw(queue, &[500, 1000]),
            ..Self::default()
        }
    }
}

fn draw_plan(choices: &mut Choices, kind: Kind) -> Plan {
    let queue = kind == Kind::Queue;
    let has_destination = choices.chance(700);
    let redelivery = if queue && choices.chance(600) { Redelivery::BySource } else { Redelivery::ByUs };
    let visibility = if queue && (redelivery == Redelivery::BySource || choices.chance(600)) {
        Some(choices.pick(&[30, 60, 120]))
    } else {
        None
    };
    Plan {
        generation: 1,
        batch: BatchPlan {
            records_max: count(choices.pick(&[3, 1, 2, 5, 10, 50])),
            bytes_max: choices.pick(&[6_291_456, 400, 1200]),
            window: Duration::from_millis(choices.pick(&[0, 0, 200, 1000, 5000])),
        },
        retry: RetryPlan {
            retries_max: if redelivery == Redelivery::BySource {
                None
            } else {
                choices.pick(&[Some(1), Some(0), Some(2), Some(4), None])
            },
            record_age_max: if queue || !choices.chance(250) {
                None
            } else {
                Some(Duration::from_secs(choices.pick(&[60, 5, 600])))
            },
            bisect: !queue && choices.chance(500),
            partial_responses: choices.chance(400),
            item_actions: false,
            redelivery,
            on_exhausted: OnExhausted::GiveUp,
            drop_after_destination_failures: if choices.chance(150) {
                NonZeroU32::new(choices.between(1, 3))
            } else {
                None
            },
            stop_group_at_first_failure: queue && choices.chance(300),
        },
        window: None,
        lanes: count(if queue { 1 } else { choices.pick(&[1, 2, 4, 10]) }),
        envelope_bytes: 14,
        mixes_tracks: !queue && choices.chance(250),
        concurrency_max: if choices.chance(800) { NonZeroU32::new(choices.between(1, 6)) } else { None },
        rate: None,
        has_destination,
        held_bytes_max: choices.pick(&[1 << 30, 2000, 20_000]),
        ahead_max: choices.pick(&[1000, 4, 20]),
        waiting_min: 0,
        durable_cuts: false,
        queue: queue
            .then(|| QueuePlan {
                receive_max: count(choices.pick(&[10, 1, 3])),
                wait_max: Duration::from_secs(choices.pick(&[20, 1])),
                visibility: visibility.map(Duration::from_secs),
                retry_after: None,
                pollers_start: count(choices.pick(&[1, 5])),
                pollers_max: count(choices.pick(&[5, 20])),
                pollers_min: count(1),
                pollers_growth: count(300),
                batches_max: count(20),
            })
            .map(|queue: QueuePlan| QueuePlan { batches_max: queue.pollers_max, ..queue }),
    }
}

fn count(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).expect("counts are drawn from one on")
}
