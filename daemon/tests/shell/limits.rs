//! Rate limits: a mapping's own, and one of the function that its mappings share; and how much is read ahead.

use std::num::NonZeroU32;
use std::time::Duration;

use forebay_batcher::{RatePlan, RateUnit};
use forebay_config::FunctionName;
use tokio::time::Instant;

use crate::function::function;
use crate::world::{World, until};

fn one_a_second(unit: RateUnit) -> Option<RatePlan> {
    Some(RatePlan { unit, per_second: NonZeroU32::MIN, ramp: Duration::ZERO })
}

#[tokio::test(start_paused = true)]
async fn a_mapping_starts_no_more_than_its_rate_limit_says_and_tells_until_when_it_waits() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["1", "2", "3", "4", "5", "6", "7", "8"]);
    let mut order = world.order("m", &source, &function);
    order.plan.batch.records_max = NonZeroU32::new(2).unwrap();
    order.plan.rate = one_a_second(RateUnit::Records);
    let began = Instant::now();
    let running = world.run(order);
    let limited = running.track("a", "RateLimited").await;
    assert!(
        limited
            .sentence
            .contains("rate limited, by `rate_limit` of the mapping; the next invocation starts in"),
        "{limited:?}"
    );
    assert!(limited.until > limited.since, "{limited:?}");
    until("all was seen", || function.seen().len() == 8).await;
    // Each of the first three batches is paid for with two seconds, but for the tenth that may be made up
    // for.
    let took = began.elapsed();
    assert!((Duration::from_millis(5_900)..Duration::from_millis(6_100)).contains(&took), "{took:?}");
    assert_eq!(function.seen(), ["1", "2", "3", "4", "5", "6", "7", "8"]);
    assert_eq!(running.count("rate_limited"), 3);
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_function_is_started_no_more_often_than_its_rate_limit_says_and_why_names_it() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.append("a", &["1", "2", "3", "4"]);
    let mut order = world.order("m", &source, &function);
    order.plan.batch.records_max = NonZeroU32::MIN;
    world.gate.renew(&FunctionName::parse("m").unwrap(), 2, one_a_second(RateUnit::Invocations));
    let began = Instant::now();
    let running = world.run(order);
    let waiting = running.track("a", "WaitingForSlot").await;
    assert!(
        waiting.sentence.contains("`rate_limit` of its function lets the next invocation start in"),
        "{}",
        waiting.sentence
    );
    until("all was seen", || function.seen().len() == 4).await;
    let took = began.elapsed();
    assert!((Duration::from_millis(2_890)..Duration::from_millis(3_100)).contains(&took), "{took:?}");
    running.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_reads_are_counted_is_asked_for_many_records_however_small_the_batches() {
    let world = World::new();
    let (source, function) = (world.source(), function());
    source.set_waiting_min(700);
    let running = world.run(world.order("m", &source, &function));
    source.append("a", &["1"]);
    until("it was seen", || function.seen().len() == 1).await;
    assert_eq!(source.take_room_max(), 700);
    running.wiring.plan.send_modify(|plan| plan.batch.records_max = NonZeroU32::new(2).unwrap());
    source.append("a", &["2", "3", "4"]);
    until("the other plan is at work", || function.batches().iter().any(|it| it.len() == 2)).await;
    source.take_room_max();
    source.append("a", &["5"]);
    until("all was seen", || function.seen().len() == 5).await;
    until("it reads on", || source.take_room_max() == 700).await;
    running.close().await;
}
