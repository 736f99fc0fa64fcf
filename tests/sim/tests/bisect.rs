//! Bisect, exhaustively: for every set of poison among twelve records the destination gets exactly the
//! poison, in order, at few calls.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{
    Action, BatchPlan, Checkpoint, Committed, Condition, Delivery, Failure, Machine, Now, OnExhausted,
    OrderKey, Origin, Outcome, Place, Plan, Position, Read, Record, RecordId, Redelivery, Reply, RetryPlan,
    Section, ShortBytes, Tick, TrackIdx, UnixMillis, Watermark,
};

const N_RECORDS: u32 = 12;

#[test]
fn r3_every_set_of_poison_among_twelve_records_is_isolated() {
    for poison in 0_u32..1 << N_RECORDS {
        check(poison, N_RECORDS, 1);
    }
}

#[test]
fn r3_single_and_double_poison_is_isolated_among_up_to_thirty_two_records() {
    for n in 1..=32 {
        for one in 0..n {
            for other in one..n {
                check(1 << one | 1 << other, n, 0);
            }
        }
    }
}

/// Runs one batch of `n` records, of which the bits of `poison` fail, to its end.
fn check(poison: u32, n: u32, retries_max: u32) {
    let is_poison = |record: &Record| poison >> position(record) & 1 == 1;
    let mut machine = Machine::new(Arc::new(plan(n, retries_max)), 7);
    let (mut tick, mut slot, mut n_calls) = (1, 0, 0_u32);
    let (mut taken, mut done, mut durable) = (Vec::new(), Vec::new(), None);
    let mut is_read = false;
    let now = |tick| Now {
        tick: Tick(tick),
        unix: UnixMillis(1_700_000_000_000 + i64::try_from(tick / 1000).expect("simulated time is short")),
    };
    machine.handle_assigned(TrackIdx(0), Checkpoint::at_origin(Origin(ShortBytes::new(b""))), now(tick));
    loop {
        while let Some(action) = machine.poll_action() {
            match action {
                Action::Read(order) if !is_read => {
                    is_read = true;
                    let records = (0..n).map(record).collect();
                    let read =
                        Read { records, passed: Some(Position::number(u64::from(n))), ..Read::default() };
                    machine.handle_read(order.id, Ok(read), now(tick));
                }
                Action::Want(n_slots) => {
                    for _ in 0..n_slots {
                        slot += 1;
                        machine.handle_slot(forebay_batcher::SlotId(slot), now(tick));
                    }
                }
                Action::Invoke(_, attempt) => {
                    n_calls += 1;
                    let outcome = if attempt.slice.records().iter().any(is_poison) {
                        Outcome::Failed { how: Failure::FunctionError, reply: Reply::default() }
                    } else {
                        done.extend(attempt.slice.records().iter().map(position));
                        Outcome::Succeeded(Reply::default())
                    };
                    machine.handle_outcome(attempt.id, outcome, now(tick));
                }
                Action::Deliver(notice) => {
                    assert_eq!(notice.condition, Condition::RetriesExhausted);
                    taken.extend(notice.slice.records().iter().map(position));
                    machine.handle_delivered(notice.id, Delivery::Taken, now(tick));
                }
                Action::Commit(id, _, checkpoint) => {
                    durable = Some(checkpoint.watermark);
                    machine.handle_committed(id, Committed::Durable, now(tick));
                }
                Action::Read(_) | Action::Return(_) | Action::Durable(..) => {}
                other => panic!("nobody asked for {other:?}"),
            }
        }
        let Some((due, _)) = machine.poll_timeout() else { break };
        tick = tick.max(due.0);
        machine.handle_timeout(now(tick));
    }
    let all = |wanted: u32| (0..n).filter(|at| (poison >> at & 1) == wanted).collect::<Vec<_>>();
    assert_eq!((taken, done), (all(1), all(0)), "poison {poison:b} of {n}");
    assert_eq!(durable, Some(Watermark::At(Position::number(u64::from(n)))));
    let per_poison = 2.0 * f64::from(n).log2().ceil() + f64::from(retries_max + 1);
    let most = f64::from(poison.count_ones()) * per_poison + 1.0;
    assert!(f64::from(n_calls) <= most, "poison {poison:b} of {n}: {n_calls} calls, more than {most}");
}

fn position(record: &Record) -> u32 {
    let Place::Track(_, position) = &record.place else { panic!("only tracks here") };
    position.as_number().and_then(|at| u32::try_from(at).ok()).expect("positions are small numbers")
}

fn record(at: u32) -> Record {
    Record {
        id: RecordId::new(&at.to_be_bytes()),
        place: Place::Track(TrackIdx(0), Position::number(u64::from(at))),
        key: OrderKey::Key(bytes::Bytes::from_static(b"k")),
        arrival: UnixMillis(1_700_000_000_000),
        bytes: bytes::Bytes::from_static(b"{}").into(),
        section: Section::default(),
    }
}

fn plan(n: u32, retries_max: u32) -> Plan {
    Plan {
        generation: 1,
        batch: BatchPlan {
            records_max: NonZeroU32::new(n).expect("at least one record"),
            bytes_max: 6_291_456,
            window: Duration::ZERO,
        },
        retry: RetryPlan {
            retries_max: Some(retries_max),
            record_age_max: None,
            bisect: true,
            partial_responses: false,
            item_actions: false,
            redelivery: Redelivery::ByUs,
            on_exhausted: OnExhausted::GiveUp,
            drop_after_destination_failures: None,
            stop_group_at_first_failure: false,
        },
        window: None,
        lanes: NonZeroU32::MIN,
        envelope_bytes: 14,
        mixes_tracks: false,
        concurrency_max: None,
        rate: None,
        has_destination: true,
        held_bytes_max: 1 << 20,
        ahead_max: 1000,
        waiting_min: 0,
        durable_cuts: false,
        queue: None,
    }
}
