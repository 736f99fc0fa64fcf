//! Many tracks at once, driven without a script: memory that is short for all of them, and batches that mix
//! them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use forebay_batcher::*;

use crate::script::{count, plan};

const N_TRACKS: u32 = 300;
const N_RECORDS: u64 = 5;

#[test]
fn where_memory_holds_a_few_records_of_hundreds_of_tracks_every_track_is_read_to_its_end() {
    for mixes_tracks in [false, true] {
        let done = run(&Plan { held_bytes_max: 20_000, ..crowd_plan(mixes_tracks) });
        assert_eq!(done.len(), N_TRACKS as usize, "mixed: {mixes_tracks}");
        assert!(done.values().all(|n| *n == N_RECORDS), "mixed: {mixes_tracks}, {done:?}");
    }
}

#[test]
fn records_of_many_tracks_fill_one_batch_and_ask_for_one_slot() {
    let mut machine = Machine::new(Arc::new(Plan { held_bytes_max: 1 << 30, ..crowd_plan(true) }), 7);
    for track in 0..100 {
        machine.handle_assigned(TrackIdx(track), Checkpoint::at_origin(Origin(ShortBytes::new(b""))), now(1));
    }
    let mut orders = Vec::new();
    while let Some(action) = machine.poll_action() {
        if let Action::Read(order) = action {
            orders.push(order);
        }
    }
    for order in orders {
        machine.handle_read(order.id, Ok(read(order.track.unwrap(), 0, 1)), now(2));
    }
    let mut want = 0;
    while let Some(action) = machine.poll_action() {
        if let Action::Want(n) = action {
            want = n;
        }
    }
    assert_eq!(want, 1);
    machine.handle_slot(SlotId(1), now(3));
    let n_records = std::iter::from_fn(|| machine.poll_action()).find_map(|action| {
        if let Action::Invoke(_, attempt) = action { Some(attempt.slice.n_records()) } else { None }
    });
    assert_eq!(n_records, Some(100));
}

/// How many records of each track a function finished that has two slots and always succeeds.
fn run(plan: &Plan) -> BTreeMap<TrackIdx, u64> {
    let mut machine = Machine::new(Arc::new(plan.clone()), 7);
    for track in 0..N_TRACKS {
        machine.handle_assigned(TrackIdx(track), Checkpoint::at_origin(Origin(ShortBytes::new(b""))), now(1));
    }
    let (mut tick, mut n_slots, mut want, mut next, mut done) = (1, 0, 0, BTreeMap::new(), BTreeMap::new());
    let mut open = Vec::new();
    for _ in 0..100_000 {
        tick += 1_000;
        let mut orders = Vec::new();
        while let Some(action) = machine.poll_action() {
            match action {
                Action::Read(order) => orders.push(order),
                Action::Want(n) => want = n,
                Action::Invoke(_, attempt) => open.push(attempt),
                Action::Commit(id, ..) => machine.handle_committed(id, Committed::Durable, now(tick)),
                _ => {}
            }
        }
        for order in orders {
            let track = order.track.expect("a read of tracks names one");
            let from = next.entry(track).or_insert(0);
            // A track that has no more keeps its read open.
            if *from < N_RECORDS {
                *from += 1;
                machine.handle_read(order.id, Ok(read(track, *from - 1, 1)), now(tick));
            }
        }
        if want > 0 && open.len() < 2 {
            (want, n_slots) = (want - 1, n_slots + 1);
            machine.handle_slot(SlotId(n_slots), now(tick));
        } else if let Some(attempt) = open.pop() {
            for record in attempt.slice.records() {
                let Place::Track(track, _) = record.place else { unreachable!("all are of tracks") };
                *done.entry(track).or_insert(0) += 1;
            }
            machine.handle_outcome(attempt.id, Outcome::Succeeded(Reply::default()), now(tick));
        } else if let Some((at, _)) = machine.poll_timeout() {
            tick = tick.max(at.0);
            machine.handle_timeout(now(tick));
        }
    }
    done
}

fn read(track: TrackIdx, from: u64, n: u64) -> Read {
    let record = |i: u64| Record {
        id: RecordId::new(&i.to_be_bytes()),
        place: Place::Track(track, Position::number(i)),
        key: OrderKey::Key(Bytes::new()),
        arrival: UnixMillis(0),
        bytes: vec![b'x'; 1_000].into(),
        section: Section::default(),
    };
    Read {
        records: (from..from + n).map(record).collect(),
        passed: Some(Position::number(from + n)),
        ..Read::default()
    }
}

fn now(tick: u64) -> Now {
    Now { tick: Tick(tick), unix: UnixMillis(0) }
}

fn crowd_plan(mixes_tracks: bool) -> Plan {
    let base = plan();
    Plan {
        batch: BatchPlan { records_max: count(100), ..base.batch },
        mixes_tracks,
        waiting_min: 100,
        ..base
    }
}
