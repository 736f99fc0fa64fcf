//! Twelve records of a track, any one or two of which always fail: halving finds exactly those, whichever they
//! are.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_batcher::*;

use crate::script::{count, plan};

const N_RECORDS: u64 = 12;
const RETRIES_MAX: u32 = 2;

#[test]
fn of_twelve_records_any_one_or_two_that_fail_are_given_up_alone_and_the_others_are_processed_once() {
    let pairs = (1..=N_RECORDS).flat_map(|a| (a..=N_RECORDS).map(move |b| [a, b]));
    for poison in pairs {
        let run = Run::of(&poison);
        let good: Vec<u64> = (1..=N_RECORDS).filter(|it| !poison.contains(it)).collect();
        assert_eq!(run.processed, good, "processed with poison in {poison:?}");
        assert_eq!(run.given_up, expected(&poison), "given up with poison in {poison:?}");
        assert_eq!(run.durable.watermark, Watermark::At(Position::number(N_RECORDS + 1)), "{poison:?}");
        assert!(run.durable.slices.is_empty(), "{poison:?}: {:?}", run.durable);
    }
}

/// How often each poison record is tried: once with each part of the batch that it is in, down to itself, and
/// the retries alone. Worked out by itself, with nothing of the machine.
fn expected(poison: &[u64]) -> BTreeMap<u64, u32> {
    let attempts = |record: u64| {
        let (mut low, mut high, mut n) = (1, N_RECORDS + 1, 1);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            (low, high) = if record < middle { (low, middle) } else { (middle, high) };
            n += 1;
        }
        n + RETRIES_MAX
    };
    poison.iter().map(|it| (*it, attempts(*it))).collect()
}

/// What became of the records.
struct Run {
    processed: Vec<u64>,
    given_up: BTreeMap<u64, u32>,
    durable: Checkpoint,
}

impl Run {
    fn of(poison: &[u64]) -> Self {
        let base = plan();
        let retry = RetryPlan { bisect: true, retries_max: Some(RETRIES_MAX), ..base.retry };
        let batch = BatchPlan { records_max: count(12), ..base.batch };
        let mut machine = Machine::new(Arc::new(Plan { retry, batch, ..base }), 7);
        let mut now = Now { tick: Tick(1_000_000), unix: UnixMillis(1_000_000) };
        let origin = Checkpoint::at_origin(Origin(ShortBytes::new(b"")));
        let mut run = Self { processed: vec![], given_up: BTreeMap::new(), durable: origin.clone() };
        machine.handle_assigned(TrackIdx(0), origin, now);
        let (mut n_reads, mut n_slots) = (0, 0);
        loop {
            match machine.poll_action() {
                Some(Action::Read(order)) if n_reads == 0 => {
                    n_reads += 1;
                    machine.handle_read(order.id, Ok(twelve(now)), now);
                }
                // What comes after them is not there yet.
                Some(Action::Read(_)) => {}
                Some(Action::Want(n)) => {
                    for _ in 0..n {
                        n_slots += 1;
                        machine.handle_slot(SlotId(n_slots), now);
                    }
                }
                Some(Action::Invoke(_, attempt)) => {
                    let tried = numbers(&attempt.slice);
                    let has_poison = tried.iter().any(|it| poison.contains(it));
                    machine.handle_outcome(attempt.id, outcome(has_poison), now);
                    if !has_poison {
                        run.processed.extend(tried);
                    }
                }
                Some(Action::Deliver(notice)) => {
                    assert_eq!(notice.condition, Condition::RetriesExhausted);
                    let [record] = numbers(&notice.slice)[..] else { panic!("not alone: {notice:?}") };
                    assert_eq!(run.given_up.insert(record, notice.n_invokes), None, "{record} twice");
                    machine.handle_delivered(notice.id, Delivery::Taken, now);
                }
                Some(Action::Commit(id, _, checkpoint)) => {
                    run.durable = checkpoint;
                    machine.handle_committed(id, Committed::Durable, now);
                }
                Some(Action::Durable(..) | Action::Return(_)) => {}
                Some(other) => panic!("nobody asked for {other:?}"),
                None => match machine.poll_timeout() {
                    Some((next, _)) if run.processed.len() + run.given_up.len() < 12 => {
                        now.tick = next;
                        machine.handle_timeout(now);
                    }
                    Some(_) | None => return run,
                },
            }
        }
    }
}

fn twelve(now: Now) -> Read {
    let record = |n: u64| Record {
        id: RecordId::new(n.to_string().as_bytes()),
        place: Place::Track(TrackIdx(0), Position::number(n)),
        key: OrderKey::Key(bytes::Bytes::new()),
        arrival: now.unix,
        bytes: b"{}".to_vec().into(),
        section: Section::default(),
    };
    let passed = Some(Position::number(N_RECORDS + 1));
    Read { records: (1..=N_RECORDS).map(record).collect(), passed, ..Read::default() }
}

fn numbers(slice: &Slice) -> Vec<u64> {
    let number =
        |it: &Record| std::str::from_utf8(it.id.0.as_slice()).expect("a text").parse().expect("a number");
    slice.records().iter().map(number).collect()
}

fn outcome(has_failed: bool) -> Outcome {
    match has_failed {
        true => Outcome::Failed { how: Failure::FunctionError, reply: Reply::default() },
        false => Outcome::Succeeded(Reply::default()),
    }
}
