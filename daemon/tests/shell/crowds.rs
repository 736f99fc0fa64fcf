//! Ten thousand tracks of one mapping: what they cost at rest, and what a record costs in their midst.
//! Measured in allocations and reads, which are the same on every machine.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use forebay_batcher::{BatchPlan, Plan, Reply};
use forebay_daemon::budget::Budget;
use forebay_invoker::executor::BoxFuture;
use forebay_invoker::{Event, Executor, InvokeError};
use tokio::runtime::Runtime;

use crate::crowd::Crowd;
use crate::function::function;
use crate::world::{Order, Running, World, until};

const N_LANES: u32 = 10;
/// The most records of a batch.
const BATCH: u32 = 100;
/// How long the tracks rest while it is measured.
const REST: Duration = Duration::from_secs(600);

/// Counts records and batches, keeps nothing, succeeds at once.
#[derive(Debug, Default)]
struct Counter {
    n_records: AtomicU64,
    n_batches: AtomicU64,
}

impl Executor for Counter {
    fn invoke(&self, event: Event) -> BoxFuture<'_, Result<Reply, InvokeError>> {
        let n_commas = event.pieces.iter().flatten().filter(|byte| **byte == b',').count() as u64;
        self.n_records.fetch_add(n_commas + 1, Ordering::SeqCst);
        self.n_batches.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(Reply::default()) })
    }

    fn function_arn(&self) -> &str {
        "arn:aws:lambda:us-east-1:000000000000:function:counter"
    }

    fn stop(&self, _grace: Duration) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// What one crowd cost.
struct Cost {
    /// Reads and allocations of each track in the time of rest.
    rest: [f64; 2],
    /// Of each record its allocations and the bytes that they asked for, and records of each batch, in the
    /// first round and in the last.
    rounds: [[f64; 3]; 2],
    /// Bytes that each track holds after the first round, and after the last.
    held: [f64; 2],
}

/// Runs a mapping over so many tracks: a rest, then rounds in which each lane of each track gets a record, a
/// rest after each.
fn cost_of(n_tracks: u32) -> Cost {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let (mut rest, mut rounds, mut held) = ([0.0; 2], [[0.0; 3]; 2], [0.0; 2]);
    let start = measure(|| {
        let (world, crowd, counter) = (
            runtime.block_on(async { World::with_budget(budget()) }),
            crowd(n_tracks),
            Arc::<Counter>::default(),
        );
        let running = runtime.block_on(async { start(&world, &crowd, &counter) });
        runtime.block_on(until("all tracks are read", || crowd.n_reads() >= u64::from(n_tracks)));
        let of_track = |n: u64| n as f64 / f64::from(n_tracks);
        let n_reads = crowd.n_reads();
        let idle = measure(|| runtime.block_on(async { tokio::time::sleep(REST).await }));
        rest = [of_track(crowd.n_reads() - n_reads), of_track(idle.count_total)];
        let mut grown = 0;
        for round in 0..2 {
            let info = round_of(&runtime, &world, &running, (&crowd, &counter), u64::from(n_tracks));
            grown += info.bytes_current;
            let n_batches = counter.n_batches.swap(0, Ordering::SeqCst);
            let n_records = counter.n_records.swap(0, Ordering::SeqCst) as f64;
            let at = usize::from(round > 0);
            let [n_allocations, n_bytes] =
                [info.count_total, info.bytes_total].map(|it| it as f64 / n_records);
            rounds[at] = [n_allocations, n_bytes, n_records / n_batches as f64];
            held[at] = grown as f64 / f64::from(n_tracks);
        }
        runtime.block_on(running.close());
    });
    assert!(start.count_total > 0, "the allocator counts");
    Cost { rest, rounds, held }
}

/// One record for each lane of each track, and the time until that is synced.
fn round_of(
    runtime: &Runtime,
    world: &World,
    running: &Running,
    (crowd, counter): (&Crowd, &Counter),
    n_tracks: u64,
) -> AllocationInfo {
    let n_records = n_tracks * u64::from(N_LANES);
    let before = running.count("succeeded_event_count");
    measure(|| {
        crowd.grow(u64::from(N_LANES));
        let is_done = || running.count("succeeded_event_count") == before + n_records;
        runtime.block_on(until("all records are finished", is_done));
        runtime.block_on(async { tokio::time::sleep(Duration::from_secs(60)).await });
        world.store.forget_asked();
        assert_eq!(counter.n_records.load(Ordering::SeqCst), n_records, "each is sent once");
        assert_eq!(running.entry.metrics().gauges().held_bytes, 0);
    })
}

fn crowd(n_tracks: u32) -> Crowd {
    Crowd::new(n_tracks, u64::from(N_LANES))
}

fn budget() -> Arc<Budget> {
    Budget::new(64 << 20, Some(64 << 20), 1).unwrap()
}

fn start(world: &World, crowd: &Crowd, counter: &Arc<Counter>) -> Running {
    // What the crowd and the counter stand in for.
    let (source, function) = (world.source(), function());
    let order = world.order("m", &source, &function);
    // Long enough for the records of several tracks to meet in a batch.
    let window = Duration::from_secs(1);
    let batch = BatchPlan { records_max: NonZeroU32::new(BATCH).unwrap(), window, ..order.plan.batch };
    let plan =
        Plan { batch, lanes: NonZeroU32::new(N_LANES).unwrap(), mixes_tracks: true, ..order.plan.clone() };
    world.run_with(Order { plan, ..order }, Arc::new(crowd.clone()), Arc::clone(counter) as _)
}

#[test]
fn among_ten_thousand_tracks_of_ten_lanes_a_record_costs_what_it_costs_among_a_hundred_and_rest_costs_next_to_nothing()
 {
    let (few, many) = (cost_of(100), cost_of(10_000));
    for cost in [&few, &many] {
        let Cost { rest: [n_reads, n_allocations], rounds: [first, last], held } = cost;
        println!(
            "rest {n_reads:.1} reads, {n_allocations:.1} allocations; {first:.2?}, {last:.2?} allocations, bytes, batch; {held:.0?} bytes held"
        );
        assert!(*n_reads <= 40.0, "{n_reads} reads of a track at rest");
        assert!(*n_allocations <= 40.0 * n_reads, "{n_allocations} allocations of a track at rest");
        assert!(
            last[0] <= first[0] * 1.1,
            "a record costs {first:?} in the first round and {last:?} in the last"
        );
        // So little that 64 bytes forgotten with each read of a track are seen; a tenth of what it holds
        // would have hidden them.
        assert!(held[1] <= held[0] + 32.0, "a track holds {held:?} bytes");
    }
    // A list of all tracks is one allocation: made with each read it shows in the bytes, five times as many.
    for (what, at) in [("allocations", 0), ("bytes", 1)] {
        let [few, many] = [&few, &many].map(|cost| cost.rounds[1][at]);
        assert!(many <= few * 1.2, "{few} and {many} {what} a record");
    }
    assert!(many.rounds[1][2] >= 0.9 * f64::from(BATCH), "batches of {} records", many.rounds[1][2]);
    assert!(many.held[1] <= few.held[1] * 1.2 + 16.0, "{:?} and {:?} bytes a track", few.held, many.held);
}
