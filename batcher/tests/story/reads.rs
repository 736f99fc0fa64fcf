//! How much a track is read at once.

use std::num::NonZeroU32;
use std::sync::Arc;

use forebay_batcher::*;

use crate::script::{count, plan};

fn now() -> Now {
    Now { tick: Tick(1), unix: UnixMillis(1_700_000_000_000) }
}

fn record(n: u64) -> Record {
    Record {
        id: RecordId::new(n.to_string().as_bytes()),
        place: Place::Track(TrackIdx(0), Position::number(n)),
        key: OrderKey::Free,
        arrival: UnixMillis(0),
        bytes: bytes::Bytes::from_static(b"x").into(),
        section: Section::default(),
    }
}

/// The read that the machine asks for, its other wishes aside; a batch that it sends succeeds, a commit is
/// durable.
fn next_read(machine: &mut Machine, n_invoked: &mut u64) -> Option<ReadOrder> {
    let mut read = None;
    while let Some(action) = machine.poll_action() {
        match action {
            Action::Read(order) => read = Some(order),
            Action::Commit(id, ..) => machine.handle_committed(id, Committed::Durable, now()),
            Action::Invoke(_, attempt) => {
                *n_invoked += 1;
                machine.handle_outcome(attempt.id, Outcome::Succeeded(Reply::default()), now());
            }
            _ => {}
        }
    }
    read
}

/// The first four reads of a track that always has more: how many batches were invoked before, and how many
/// records are asked for.
fn first_reads(plan: Plan) -> Vec<(u64, u32)> {
    let mut machine = Machine::new(Arc::new(plan), 1);
    machine.handle_assigned(TrackIdx(0), Checkpoint::at_origin(Origin(ShortBytes::new(b"first"))), now());
    let (mut n_invoked, mut n_read, mut n_slots) = (0, 0, 0);
    let mut orders = Vec::new();
    let mut open = next_read(&mut machine, &mut n_invoked);
    while orders.len() < 4 {
        if let Some(order) = open.take() {
            orders.push((n_invoked, order.records_max));
            let records = (n_read..n_read + u64::from(order.records_max)).map(record).collect();
            n_read += u64::from(order.records_max);
            machine.handle_read(
                order.id,
                Ok(Read { records, passed: Some(Position::number(n_read)), ..Read::default() }),
                now(),
            );
        } else {
            n_slots += 1;
            machine.handle_slot(SlotId(n_slots), now());
        }
        open = next_read(&mut machine, &mut n_invoked);
    }
    orders
}

#[test]
fn however_small_the_batches_a_track_is_read_in_stretches_of_fifty_records_at_least() {
    let batch = BatchPlan { records_max: NonZeroU32::MIN, ..plan().batch };
    let orders = first_reads(Plan { batch, waiting_min: 100, ..plan() });
    assert_eq!(orders, [(0, 100), (50, 50), (100, 50), (150, 50)]);
}

#[test]
fn a_track_of_many_lanes_is_read_when_a_quarter_of_what_may_wait_has_begun() {
    let batch = BatchPlan { records_max: NonZeroU32::MIN, ..plan().batch };
    let orders = first_reads(Plan { batch, lanes: count(16), ..plan() });
    assert_eq!(orders, [(0, 32), (8, 8), (16, 8), (24, 8)]);
}
