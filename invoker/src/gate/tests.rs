//! The gate as tasks see it, on tokio's paused clock.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use forebay_batcher::RateUnit;

use super::*;

fn function() -> FunctionName {
    FunctionName::parse("resize").unwrap()
}

fn gate(slots: u32) -> Arc<Gate> {
    let gate = Gate::new(7);
    gate.limit(&function(), slots);
    gate
}

/// The slot that is ready now, without waiting.
fn ready(seat: &mut GateSeat) -> Option<Slot> {
    match pin!(seat.granted()).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(slot) => Some(slot),
        Poll::Pending => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_seat_gets_the_slot_that_another_drops() {
    let gate = gate(1);
    let (mut first, mut second) = (gate.join(&function(), None), gate.join(&function(), None));
    first.want(1);
    let slot = first.granted().await;
    second.want(1);
    let waiting = tokio::spawn(async move { second.granted().await.id });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    let id = slot.id;
    drop(slot);
    assert_ne!(waiting.await.unwrap(), id, "numbers are unique");
    assert_eq!(gate.state(&function()).in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_loses_nothing() {
    let gate = gate(1);
    let mut seat = gate.join(&function(), None);
    let mut other = gate.join(&function(), None);
    other.want(1);
    let held = other.granted().await;
    seat.want(1);
    for _ in 0..3 {
        assert!(ready(&mut seat).is_none());
    }
    drop(held);
    assert!(ready(&mut seat).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_slot_comes_back_when_its_task_panics_and_when_its_seat_is_gone() {
    let gate = gate(2);
    let mut seat = gate.join(&function(), None);
    seat.want(2);
    let (first, second) = (seat.granted().await, seat.granted().await);
    let panicked = tokio::spawn(async move {
        let _held = first;
        panic!("on purpose");
    });
    assert!(panicked.await.is_err());
    drop(seat);
    assert_eq!(gate.state(&function()).in_use, 1);
    drop(second);
    assert_eq!(gate.state(&function()).in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_rises_at_run_time_wakes_who_waits() {
    let gate = gate(0);
    let mut seat = gate.join(&function(), None);
    seat.want(1);
    let waiting = tokio::spawn(async move { seat.granted().await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    gate.limit(&function(), 1);
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_closed_gate_lets_one_probe_through_when_the_platform_said_so() {
    let gate = gate(3);
    let mut seat = gate.join(&function(), None);
    seat.want(3);
    seat.granted().await.not_reached(NotReached::Throttled, Some(Duration::from_secs(20)));
    seat.want(3);
    let closed = gate.state(&function()).closed.unwrap();
    assert_eq!(
        (closed.why, closed.probe_in, closed.probe_out),
        (NotReached::Throttled, Duration::from_secs(20), false)
    );
    let start = Instant::now();
    let probe = seat.granted().await;
    assert!((20_000..20_010).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert!(ready(&mut seat).is_none(), "one probe at a time");
    drop(probe);
    let all = (seat.granted().await, seat.granted().await);
    assert_eq!(
        gate.state(&function()),
        GateState { slots: 3, in_use: 2, waiting: 0, rate_opens_in: None, closed: None }
    );
    drop(all);
}

#[tokio::test(start_paused = true)]
async fn who_waited_before_the_gate_closed_gets_the_probe_when_the_pause_ends() {
    let gate = gate(1);
    let (mut first, mut second) = (gate.join(&function(), None), gate.join(&function(), None));
    first.want(1);
    second.want(1);
    let slot = first.granted().await;
    let start = Instant::now();
    let waiting = tokio::spawn(async move {
        let slot =
            tokio::time::timeout(Duration::from_secs(3_600), second.granted()).await.expect("the probe");
        (start.elapsed().as_secs(), slot)
    });
    tokio::task::yield_now().await;
    slot.not_reached(NotReached::Platform, Some(Duration::from_secs(5)));
    assert_eq!(waiting.await.unwrap().0, 5);
}

#[tokio::test(start_paused = true)]
async fn an_outcome_settles_its_slot() {
    let gate = gate(1);
    let mut seat = gate.join(&function(), None);
    seat.want(1);
    let outcome = Outcome::NotReached { why: NotReached::Config, retry_after: None, error: "gone".into() };
    seat.granted().await.settle(&outcome);
    assert_eq!(gate.state(&function()).closed.unwrap().why, NotReached::Config);
    seat.want(1);
    seat.granted().await.settle(&Outcome::TooLarge);
    assert_eq!(gate.state(&function()).closed, None);
}

#[tokio::test(start_paused = true)]
async fn a_seat_that_waits_for_nothing_sleeps_through_a_closed_gate() {
    let gate = gate(1);
    let mut seat = gate.join(&function(), None);
    seat.want(1);
    seat.granted().await.not_reached(NotReached::Platform, None);
    let idle = tokio::time::timeout(Duration::from_secs(3_600), seat.granted()).await;
    assert!(idle.is_err());
}

#[tokio::test]
async fn many_tasks_on_few_slots_all_come_through_and_never_too_many_at_once() {
    let gate = gate(3);
    let running = Arc::new(AtomicU64::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for max in [None, NonZeroU32::new(1), NonZeroU32::new(2), None, None] {
        let (mut seat, running) = (gate.join(&function(), max), Arc::clone(&running));
        tasks.spawn(async move {
            for turn in 0..200 {
                seat.want(1 + turn % 3);
                let slot = seat.granted().await;
                assert!(running.fetch_add(1, Ordering::SeqCst) < 3);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
                drop(slot);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(
        gate.state(&function()),
        GateState { slots: 3, in_use: 0, waiting: 0, rate_opens_in: None, closed: None }
    );
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_run_in_another_way_has_all_its_slots_and_no_delay() {
    let gate = gate(1);
    let mut former = gate.join(&function(), None);
    former.want(2);
    former.granted().await.not_reached(NotReached::Throttled, Some(Duration::from_secs(600)));
    gate.renew(&function(), 2, None);
    let mut seat = gate.join(&function(), None);
    seat.want(3);
    let slots = (ready(&mut seat), ready(&mut seat));
    assert!(slots.0.is_some() && slots.1.is_some() && ready(&mut seat).is_none());
    assert!(ready(&mut former).is_none(), "who still has the former one waits for that");
    gate.forget(&function());
    assert_eq!(gate.state(&function()).in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn mappings_of_a_limited_function_start_in_turn_as_often_as_the_limit_says() {
    let gate = Gate::new(7);
    // A second has passed, so that what may be made up for is known.
    tokio::time::advance(Duration::from_secs(1)).await;
    gate.renew(&function(), 100, Some(per_second(RateUnit::Invocations, 5)));
    let mut seats: Vec<GateSeat> = (0..3).map(|_| gate.join(&function(), None)).collect();
    seats.iter().for_each(|seat| seat.want(4));
    let began = Instant::now();
    let tasks = seats.drain(..).enumerate().map(|(at, mut seat)| {
        tokio::spawn(async move {
            let mut starts = Vec::new();
            for _ in 0..4 {
                let mut slot = seat.granted().await;
                slot.begin(1_000);
                starts.push((began.elapsed().as_millis(), at));
                drop(slot);
            }
            starts
        })
    });
    let mut starts = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        starts.extend(task.await.unwrap());
    }
    starts.sort_unstable();
    let order: Vec<usize> = starts.iter().map(|(_, at)| *at).collect();
    assert_eq!(order, [0, 1, 2].repeat(4), "{starts:?}");
    for (n, (at, _)) in (0_u128..).zip(&starts) {
        // The first is caught up with by a tenth of a second.
        let due = (200 * n).saturating_sub(100);
        assert!((due..due + 10).contains(at), "start {n} at {at} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_was_not_used_costs_nothing_of_the_rate_and_one_that_was_is_paid_for_by_its_records() {
    let gate = Gate::new(7);
    tokio::time::advance(Duration::from_secs(1)).await;
    gate.renew(&function(), 100, Some(per_second(RateUnit::Records, 100)));
    let mut seat = gate.join(&function(), None);
    seat.want(10);
    for _ in 0..5 {
        seat.granted().await.unused();
        seat.want(10);
    }
    let mut slot = seat.granted().await;
    assert!(ready(&mut seat).is_none(), "how much it takes is not known yet");
    slot.begin(250);
    assert!(ready(&mut seat).is_none());
    assert_eq!(gate.state(&function()).rate_opens_in, Some(Duration::from_millis(2_400)));
    let began = Instant::now();
    let next = seat.granted().await;
    let waited = began.elapsed();
    assert!((Duration::from_millis(2_400)..Duration::from_millis(2_410)).contains(&waited), "{waited:?}");
    drop((slot, next));
}

fn per_second(unit: RateUnit, n: u32) -> RatePlan {
    RatePlan { unit, per_second: NonZeroU32::new(n).unwrap(), ramp: Duration::ZERO }
}
