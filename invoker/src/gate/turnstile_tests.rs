//! The turnstile against its rules: by value at the edges, by chance as a whole.

use forebay_batcher::RateUnit;
use proptest::prelude::*;

use super::*;

const NOW: Tick = Tick(0);
const SECOND: u64 = 1_000_000;

fn seats(slots: u32, maxima: &[u32]) -> (Turnstile, Vec<SeatId>) {
    let mut turnstile = Turnstile::new(1);
    turnstile.limit(slots);
    let ids = maxima.iter().map(|max| turnstile.join(NonZeroU32::new(*max))).collect();
    (turnstile, ids)
}

fn want(turnstile: &mut Turnstile, id: SeatId, n: u32) {
    turnstile.want(id, n);
    turnstile.turn(NOW);
}

fn take(turnstile: &mut Turnstile, id: SeatId) -> Ticket {
    turnstile.take(id).expect("a slot is ready")
}

fn not_reached(retry_after: Option<u64>) -> SlotEnding {
    SlotEnding::NotReached { why: NotReached::Platform, retry_after: retry_after.map(Duration::from_secs) }
}

#[test]
fn slots_go_round_among_those_who_want_and_nobody_gets_more_than_it_wants_or_may() {
    let (mut turnstile, ids) = seats(6, &[0, 2, 0]);
    turnstile.want(ids[0], 9);
    turnstile.want(ids[1], 9);
    turnstile.want(ids[2], 1);
    assert_eq!(turnstile.turn(NOW), [ids[0], ids[1], ids[2], ids[0], ids[1], ids[0]]);
    assert_eq!((turnstile.in_use, turnstile.seats[&ids[1]].in_use), (6, 2));
}

#[test]
fn a_mapping_that_asks_for_much_first_does_not_starve_the_one_that_comes_later() {
    let (mut turnstile, ids) = seats(1, &[0, 0]);
    want(&mut turnstile, ids[0], 100);
    let mut ticket = take(&mut turnstile, ids[0]);
    turnstile.want(ids[1], 100);
    let mut order = Vec::new();
    for _ in 0..6 {
        turnstile.finish(ticket, SlotEnding::Reached, NOW);
        let granted = turnstile.turn(NOW)[0];
        order.push(granted);
        ticket = take(&mut turnstile, granted);
    }
    assert_eq!(order, [ids[1], ids[0], ids[1], ids[0], ids[1], ids[0]]);
}

#[test]
fn a_throttle_makes_the_rate_of_a_function_grow_anew() {
    let (mut turnstile, ids) = seats(9, &[0]);
    let limit = RatePlan {
        unit: RateUnit::Invocations,
        per_second: NonZeroU32::new(10).unwrap(),
        ramp: Duration::from_secs(10),
    };
    turnstile.rate(Some(limit));
    let start = |turnstile: &mut Turnstile, second: u64| {
        let now = Tick(second * SECOND);
        turnstile.want(ids[0], 1);
        assert_eq!(turnstile.turn(now), ids[..1]);
        let mut ticket = take(turnstile, ids[0]);
        turnstile.begin(&mut ticket, 1, now);
        (ticket, turnstile.rate_opens_at(now).map(|at| now.until(at).as_millis()))
    };
    let (first, opens) = start(&mut turnstile, 1);
    assert_eq!(opens, Some(900));
    turnstile.finish(first, SlotEnding::Reached, Tick(2 * SECOND));
    let (second, opens) = start(&mut turnstile, 20);
    assert_eq!(opens, None, "all of it");
    turnstile.finish(
        second,
        SlotEnding::NotReached { why: NotReached::Throttled, retry_after: None },
        Tick(30 * SECOND),
    );
    let (_, opens) = start(&mut turnstile, 32);
    assert_eq!(opens, Some(257));
}

#[test]
fn want_zero_withdraws_what_was_granted_and_not_picked_up() {
    let (mut turnstile, ids) = seats(2, &[0, 0]);
    want(&mut turnstile, ids[0], 2);
    want(&mut turnstile, ids[1], 2);
    want(&mut turnstile, ids[0], 0);
    assert_eq!(turnstile.take(ids[0]), None);
    assert!(turnstile.take(ids[1]).is_some() && turnstile.take(ids[1]).is_some());
}

#[test]
fn wanting_again_counts_what_is_ready_as_part_of_it() {
    let (mut turnstile, ids) = seats(9, &[0]);
    want(&mut turnstile, ids[0], 2);
    want(&mut turnstile, ids[0], 3);
    assert_eq!((turnstile.in_use, turnstile.state(NOW).waiting), (3, 0));
}

#[test]
fn a_lower_limit_takes_back_what_was_not_picked_up_and_holds_for_the_rest() {
    let (mut turnstile, ids) = seats(3, &[0]);
    want(&mut turnstile, ids[0], 3);
    let ticket = take(&mut turnstile, ids[0]);
    turnstile.limit(0);
    assert_eq!((turnstile.in_use, turnstile.take(ids[0])), (1, None));
    turnstile.finish(ticket, SlotEnding::Reached, NOW);
    assert!(turnstile.turn(NOW).is_empty());
    turnstile.limit(2);
    assert_eq!(turnstile.turn(NOW).len(), 2);
}

#[test]
fn one_probe_goes_after_the_pause_and_the_first_that_reaches_the_function_opens_all_slots() {
    let (mut turnstile, ids) = seats(4, &[0]);
    want(&mut turnstile, ids[0], 1);
    let ticket = take(&mut turnstile, ids[0]);
    turnstile.want(ids[0], 9);
    turnstile.finish(ticket, not_reached(Some(30)), NOW);
    assert_eq!(turnstile.turn(Tick(30 * SECOND - 1)), []);
    assert_eq!(turnstile.opens_at(NOW), Some(Tick(30 * SECOND)));
    let later = Tick(30 * SECOND);
    assert_eq!(turnstile.turn(later), [ids[0]], "one probe, not four");
    assert_eq!(turnstile.opens_at(later), None);
    let probe = take(&mut turnstile, ids[0]);
    turnstile.finish(probe, SlotEnding::Reached, later);
    assert_eq!(turnstile.turn(later).len(), 4);
    assert_eq!(turnstile.state(later).closed, None);
}

#[test]
fn the_pause_grows_with_every_probe_that_fails_and_starts_again_after_one_that_does_not() {
    let (mut turnstile, ids) = seats(1, &[0]);
    turnstile.want(ids[0], 1_000);
    let mut now = NOW;
    let mut pauses = Vec::new();
    for ending in [not_reached(None); 9].into_iter().chain([SlotEnding::Reached, not_reached(None)]) {
        turnstile.turn(now);
        let ticket = take(&mut turnstile, ids[0]);
        turnstile.finish(ticket, ending, now);
        let until = turnstile.opens_at(now).unwrap_or(now);
        pauses.push(now.until(until).as_secs_f64());
        now = until;
    }
    for (pause, whole) in pauses.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 0.0, 1.0]) {
        assert!((whole / 2.0..=whole).contains(pause), "{pauses:?}");
    }
}

#[test]
fn failures_of_attempts_begun_before_it_closed_do_not_lengthen_the_pause() {
    let (mut turnstile, ids) = seats(10, &[0]);
    want(&mut turnstile, ids[0], 10);
    let tickets: Vec<_> = (0..10).map(|_| take(&mut turnstile, ids[0])).collect();
    for ticket in tickets {
        turnstile.finish(ticket, not_reached(None), NOW);
    }
    assert_eq!(turnstile.state(NOW).closed.unwrap().n_failures, 1);
    assert!(turnstile.opens_at(NOW).unwrap() <= Tick(SECOND));
}

#[test]
fn an_earlier_attempt_that_ends_well_opens_it_unless_the_platform_asked_for_a_pause() {
    for (retry_after, opens) in [(None, true), (Some(5), false)] {
        let (mut turnstile, ids) = seats(2, &[0]);
        want(&mut turnstile, ids[0], 2);
        let (first, second) = (take(&mut turnstile, ids[0]), take(&mut turnstile, ids[0]));
        turnstile.finish(first, not_reached(retry_after), NOW);
        turnstile.finish(second, SlotEnding::Reached, NOW);
        assert_eq!(turnstile.state(NOW).closed.is_none(), opens);
    }
}

#[test]
fn the_longest_pause_that_an_earlier_attempt_was_asked_for_is_kept() {
    let (mut turnstile, ids) = seats(4, &[0]);
    want(&mut turnstile, ids[0], 4);
    let tickets: Vec<_> = (0..4).map(|_| take(&mut turnstile, ids[0])).collect();
    let endings = [not_reached(None), not_reached(Some(30)), not_reached(Some(5)), SlotEnding::Reached];
    for (ticket, ending) in tickets.into_iter().zip(endings) {
        turnstile.finish(ticket, ending, NOW);
    }
    assert_eq!(turnstile.opens_at(NOW), Some(Tick(30 * SECOND)));
}

#[test]
fn a_probe_that_nobody_uses_goes_to_the_next_who_wants() {
    let (mut turnstile, ids) = seats(1, &[0, 0]);
    want(&mut turnstile, ids[0], 1);
    let ticket = take(&mut turnstile, ids[0]);
    turnstile.finish(ticket, not_reached(Some(1)), NOW);
    let later = Tick(SECOND);
    turnstile.want(ids[0], 1);
    turnstile.want(ids[1], 1);
    assert_eq!(turnstile.turn(later), [ids[1]]);
    let probe = take(&mut turnstile, ids[1]);
    turnstile.finish(probe, SlotEnding::Unused, later);
    assert_eq!(turnstile.turn(later), [ids[0]]);
    turnstile.leave(ids[0]);
    assert!(
        turnstile.state(later).closed.is_some_and(|closed| !closed.probe_out),
        "a probe dies with its mapping"
    );
}

#[derive(Debug, Clone)]
enum Step {
    Limit(u32),
    Join(u32),
    Leave(usize),
    Want(usize, u32),
    Take(usize),
    Finish(usize, SlotEnding),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ending = prop_oneof![
        4 => Just(SlotEnding::Reached),
        1 => Just(SlotEnding::Unused),
        1 => Just(not_reached(None)),
        1 => (0_u64..40).prop_map(|after| not_reached(Some(after))),
    ];
    let step = prop_oneof![
        1 => (0_u32..6).prop_map(Step::Limit),
        1 => (0_u32..4).prop_map(Step::Join),
        1 => (0_usize..8).prop_map(Step::Leave),
        6 => (0_usize..8, 0_u32..6).prop_map(|(seat, n)| Step::Want(seat, n)),
        8 => (0_usize..8).prop_map(Step::Take),
        6 => (0_usize..8, ending).prop_map(|(ticket, ending)| Step::Finish(ticket, ending)),
        2 => (0_u64..30 * SECOND).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..120)
}

/// What must hold after every step.
fn check(turnstile: &Turnstile, n_out: usize, now: Tick) {
    let n_ready: u32 = turnstile.seats.values().map(|seat| seat.ready).sum();
    assert_eq!(
        turnstile.in_use as usize,
        n_out + n_ready as usize,
        "every slot is out or ready: {turnstile:?}"
    );
    for seat in turnstile.seats.values() {
        assert!(seat.in_use <= seat.max && seat.ready <= seat.in_use, "{turnstile:?}");
    }
    let open = turnstile.closed.as_ref().is_none_or(|closed| !closed.probe_out && closed.until <= now);
    let someone_waits = turnstile.seats.values().any(|seat| seat.wants > 0 && seat.in_use < seat.max);
    assert!(
        !(open && someone_waits && turnstile.in_use < turnstile.slots),
        "nobody waits at an open turnstile with room: {turnstile:?}"
    );
    if let Some(closed) = &turnstile.closed {
        assert!(n_ready <= u32::from(closed.probe_out), "only a probe is ready while closed: {turnstile:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn limits_hold_slots_come_back_and_nobody_is_forgotten(steps in steps()) {
        let (mut turnstile, mut ids) = seats(2, &[0, 2]);
        let mut out: Vec<Ticket> = Vec::new();
        let mut now = NOW;
        for step in steps {
            match step {
                Step::Limit(slots) => turnstile.limit(slots),
                Step::Join(max) => ids.push(turnstile.join(NonZeroU32::new(max))),
                Step::Leave(at) if !ids.is_empty() => { let id = ids.remove(at % ids.len()); turnstile.leave(id); }
                Step::Want(at, n) if !ids.is_empty() => turnstile.want(ids[at % ids.len()], n),
                Step::Take(at) if !ids.is_empty() => out.extend(turnstile.take(ids[at % ids.len()])),
                Step::Finish(at, ending) if !out.is_empty() => { let ticket = out.remove(at % out.len()); turnstile.finish(ticket, ending, now); }
                Step::Wait(micros) => now = Tick(now.0 + micros),
                Step::Leave(_) | Step::Want(..) | Step::Take(_) | Step::Finish(..) => {}
            }
            let before = turnstile.in_use;
            let granted = turnstile.turn(now);
            prop_assert!(granted.is_empty() || turnstile.in_use <= turnstile.slots, "granted above the limit");
            prop_assert_eq!(before as usize + granted.len(), turnstile.in_use as usize);
            check(&turnstile, out.len(), now);
        }
        // G-1: every slot comes back, and then everyone who wants one gets one.
        for ticket in out.drain(..) {
            turnstile.finish(ticket, SlotEnding::Reached, now);
        }
        ids.iter().for_each(|id| turnstile.want(*id, 0));
        prop_assert_eq!(turnstile.in_use, 0);
        turnstile.limit(1);
        now = Tick(now.0 + 3_600 * SECOND);
        ids.iter().for_each(|id| turnstile.want(*id, 1));
        let mut served = Vec::new();
        for _ in 0..ids.len() {
            for id in turnstile.turn(now) {
                served.push(id);
                let ticket = take(&mut turnstile, id);
                turnstile.finish(ticket, SlotEnding::Reached, now);
            }
        }
        served.sort_unstable();
        prop_assert_eq!(served, ids);
    }

    #[test]
    fn between_two_slots_of_one_mapping_every_other_that_wants_gets_one(n_seats in 2_usize..6, slots in 1_u32..4, picks in proptest::collection::vec(0_usize..4, 40)) {
        let (mut turnstile, ids) = seats(slots, &vec![0; n_seats]);
        ids.iter().for_each(|id| turnstile.want(*id, 1_000));
        let mut order = turnstile.turn(NOW);
        let mut out: Vec<Ticket> = order.clone().into_iter().map(|id| take(&mut turnstile, id)).collect();
        for pick in picks {
            let ticket = out.remove(pick % out.len());
            turnstile.finish(ticket, SlotEnding::Reached, NOW);
            let granted = turnstile.turn(NOW);
            prop_assert_eq!(granted.len(), 1);
            out.push(take(&mut turnstile, granted[0]));
            order.extend(granted);
        }
        for window in order.windows(n_seats) {
            let mut window = window.to_vec();
            window.sort_unstable();
            prop_assert_eq!(&window, &ids, "{:?}", order);
        }
    }
}
