//! Stories of what a checkpoint keeps of a delay.

use std::sync::Arc;

use bytes::Bytes;
use forebay_batcher::*;

use crate::script::{count, plan};

#[test]
fn a_checkpoint_keeps_a_time_only_of_a_slice_that_must_wait() {
    let in_flight = kept_beside(Outcome::Succeeded(Reply::default()));
    assert_eq!(in_flight, [UnixMillis(0)], "what is with the function need not wait");
    let failed = Outcome::Failed { how: Failure::FunctionError, reply: Reply::default() };
    let kept = kept_beside(failed);
    assert_eq!(kept.len(), 2);
    assert_eq!(kept.iter().filter(|it| **it == UnixMillis(0)).count(), 1);
    assert_eq!(kept.iter().filter(|it| **it > NOW.unix).count(), 1, "a retry waits: {kept:?}");
}

const NOW: Now = Now { tick: Tick(1_000_000), unix: UnixMillis(1_000_000) };

/// The times that the checkpoint keeps which is written when one of two attempts of a track ends so.
fn kept_beside(outcome: Outcome) -> Vec<UnixMillis> {
    let batch = BatchPlan { records_max: count(1), ..plan().batch };
    let mut machine = Machine::new(Arc::new(Plan { lanes: count(16), batch, ..plan() }), 7);
    machine.handle_assigned(TrackIdx(0), Checkpoint::at_origin(Origin(ShortBytes::new(b""))), NOW);
    let mut attempts = Vec::new();
    let (mut has_read, mut n_slots) = (false, 0);
    let mut outcome = Some(outcome);
    loop {
        match machine.poll_action().expect("a checkpoint is written at last") {
            Action::Read(order) if !has_read => {
                has_read = true;
                let records = (0..8).map(record).collect();
                let passed = Some(Position::number(8));
                machine.handle_read(order.id, Ok(Read { records, passed, ..Read::default() }), NOW);
            }
            Action::Want(_) if n_slots == 0 => {
                for _ in 0..2 {
                    n_slots += 1;
                    machine.handle_slot(SlotId(n_slots), NOW);
                }
            }
            Action::Invoke(_, attempt) => {
                attempts.push(attempt.id);
                if attempts.len() == 2 {
                    machine.handle_outcome(attempts[0], outcome.take().expect("it ends once"), NOW);
                }
            }
            Action::Commit(_, _, checkpoint) => {
                return checkpoint.slices.iter().map(|it| it.not_before).collect();
            }
            Action::Read(_) | Action::Want(_) => {}
            other => panic!("no part of these stories: {other:?}"),
        }
    }
}

fn record(n: u64) -> Record {
    Record {
        id: RecordId::new(&n.to_be_bytes()),
        place: Place::Track(TrackIdx(0), Position::number(n)),
        key: OrderKey::Key(Bytes::from(format!("key-{n}"))),
        arrival: NOW.unix,
        bytes: vec![b'x'; 4].into(),
        section: Section::default(),
    }
}
