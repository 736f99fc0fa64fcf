//! Stories of many tracks: who reads when another gives up its turn or its room.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use forebay_batcher::*;

use crate::script::{count, plan};

#[test]
fn tracks_that_would_read_ahead_do_so_once_nothing_that_was_read_waits_for_a_slot() {
    let mut crowd = Crowd::new(Plan { lanes: count(2), ..plan() }, 2);
    crowd.answer_read(0, 200, 4);
    crowd.answer_read(1, 200, 4);
    assert!(crowd.reading().is_empty(), "both have enough to do, all of it on one lane");
    crowd.slot();
    assert!(crowd.reading().is_empty(), "one batch still waits");
    crowd.slot();
    assert_eq!(crowd.reading(), [0, 1], "the other lanes have nothing");
}

#[test]
fn all_tracks_that_waited_for_memory_read_when_there_is_some_however_many_they_are() {
    let mut crowd = Crowd::new(Plan { held_bytes_max: 1_000, ..plan() }, 1);
    crowd.answer_read(0, 1, 2_000);
    (1..=200).for_each(|track| crowd.assign(track));
    assert!(crowd.reading().is_empty(), "one record takes all of the memory");
    crowd.slot();
    crowd.succeed();
    assert!(crowd.reading().len() < 200, "not all of them at once");
    // A moment later: no time passes, and each look wakes more.
    while crowd.machine.poll_timeout().is_some_and(|(at, _)| at <= crowd.now.tick) {
        crowd.machine.handle_timeout(crowd.now);
        crowd.drain();
    }
    assert_eq!(crowd.reading(), Vec::from_iter(0..=200));
}

#[test]
fn a_slice_below_the_watermark_lacks_no_record_and_its_track_waits_for_memory_as_any_other() {
    let mut crowd = Crowd::new(Plan { held_bytes_max: 1_000, ..plan() }, 1);
    crowd.answer_read(0, 1, 2_000);
    let slice = |at: u64| OpenSlice {
        lane: 0,
        first: Position::number(at),
        last: Position::number(at),
        n_failures: 1,
        n_invokes: 1,
        not_before: crowd.now.unix,
        retries_max: None,
        record_age_max_ms: None,
        bisect: false,
        is_age_pardoned: false,
        given_up: None,
        finale: None,
    };
    let from = |at: u64| Checkpoint {
        watermark: Watermark::At(Position::number(10)),
        slices: vec![slice(at)],
        ..at_origin()
    };
    let (below, at) = (from(9), from(10));
    crowd.assign_from(1, below);
    assert!(crowd.reading().is_empty(), "its source dropped what the slice had");
    crowd.assign_from(2, at);
    assert_eq!(crowd.reading(), [2], "what a slice lacks is read whatever is held");
}

fn at_origin() -> Checkpoint {
    Checkpoint::at_origin(Origin(ShortBytes::new(b"")))
}

/// A machine with tracks of which each answers by itself; the clock stands.
struct Crowd {
    machine: Machine,
    now: Now,
    reads: BTreeMap<u32, ReadId>,
    attempts: Vec<AttemptId>,
}

impl Crowd {
    fn new(plan: Plan, n_tracks: u32) -> Self {
        let now = Now { tick: Tick(1_000_000), unix: UnixMillis(1_000_000) };
        let mut crowd = Self {
            machine: Machine::new(Arc::new(plan), 7),
            now,
            reads: BTreeMap::new(),
            attempts: Vec::new(),
        };
        (0..n_tracks).for_each(|track| crowd.assign(track));
        crowd
    }

    fn assign(&mut self, track: u32) {
        self.assign_from(track, at_origin());
    }

    fn assign_from(&mut self, track: u32, from: Checkpoint) {
        self.machine.handle_assigned(TrackIdx(track), from, self.now);
        self.drain();
    }

    /// Answers a track's first read with so many records of one key.
    fn answer_read(&mut self, track: u32, n_records: u64, n_bytes: usize) {
        let record = |n: u64| Record {
            id: RecordId::new(&n.to_be_bytes()),
            place: Place::Track(TrackIdx(track), Position::number(n)),
            key: OrderKey::Key(Bytes::new()),
            arrival: self.now.unix,
            bytes: vec![b'x'; n_bytes].into(),
            section: Section::default(),
        };
        let read = Read {
            records: (0..n_records).map(record).collect(),
            passed: Some(Position::number(n_records)),
            ..Read::default()
        };
        let id = self.reads.remove(&track).expect("its read is open");
        self.machine.handle_read(id, Ok(read), self.now);
        self.drain();
    }

    fn slot(&mut self) {
        self.machine.handle_slot(SlotId(1), self.now);
        self.drain();
    }

    fn succeed(&mut self) {
        let id = self.attempts.pop().expect("an attempt is open");
        self.machine.handle_outcome(id, Outcome::Succeeded(Reply::default()), self.now);
        self.drain();
    }

    /// The tracks of which a read is open.
    fn reading(&self) -> Vec<u32> {
        self.reads.keys().copied().collect()
    }

    fn drain(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Read(ReadOrder { id, track: Some(track), .. }) => {
                    self.reads.insert(track.0, id);
                }
                Action::Invoke(_, attempt) => self.attempts.push(attempt.id),
                Action::Want(_) | Action::Commit(..) | Action::Durable(..) => {}
                other => panic!("no part of these stories: {other:?}"),
            }
        }
    }
}
