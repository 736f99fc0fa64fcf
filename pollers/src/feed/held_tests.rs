//! What is charged for records that are held, beside what they really take: within a fifth, for small and for
//! large bodies.
#![cfg(all(feature = "file", feature = "sqs"))]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{
    Action, Attempt, BatchPlan, Checkpoint, Gap, Machine, Now, OnExhausted, Origin, Place, Plan, Position,
    QueuePlan, Read, ReadId, ReadOrder, Redelivery, RetryPlan, ShortBytes, SlotId, TrackIdx, Watermark,
};

use tokio::time::Instant;

use super::inbox::SubscriberId;
use super::serve::FilledAnswer;
use super::track::{FeedTrack, ReadLimits, Taste};
use crate::file::samples;
use crate::source::{BoxFuture, RawRead, Reader, Room, SourceError, TrackName};
use crate::sqs::cost_tests;

const TRACK: TrackIdx = TrackIdx(0);
const LIMITS: ReadLimits = ReadLimits { raw_bytes_max: u64::MAX, readers_max: None };

fn count(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

fn plan(queue: Option<QueuePlan>) -> Plan {
    Plan {
        generation: 1,
        batch: BatchPlan { records_max: count(10), bytes_max: 6 << 20, window: Duration::ZERO },
        retry: RetryPlan {
            retries_max: None,
            record_age_max: None,
            bisect: false,
            partial_responses: true,
            item_actions: false,
            redelivery: if queue.is_some() { Redelivery::BySource } else { Redelivery::ByUs },
            on_exhausted: OnExhausted::GiveUp,
            drop_after_destination_failures: None,
            stop_group_at_first_failure: false,
        },
        window: None,
        lanes: count(1),
        envelope_bytes: 14,
        mixes_tracks: false,
        concurrency_max: None,
        rate: None,
        has_destination: false,
        held_bytes_max: u64::MAX,
        ahead_max: 100_000,
        waiting_min: 100,
        durable_cuts: false,
        queue,
    }
}

fn queue_plan() -> QueuePlan {
    QueuePlan {
        receive_max: count(10),
        wait_max: Duration::from_secs(20),
        visibility: Some(Duration::from_secs(3_600)),
        retry_after: None,
        pollers_start: count(10),
        pollers_max: count(10),
        pollers_min: count(10),
        pollers_growth: count(300),
        batches_max: count(1_000_000),
    }
}

/// A machine that is given what it orders, and slots or none.
struct Life {
    machine: Machine,
    orders: Vec<ReadOrder>,
    attempts: Vec<Attempt>,
    n_slots: Option<u32>,
}

impl Life {
    fn new(queue: Option<QueuePlan>, has_slots: bool) -> Self {
        let is_queue = queue.is_some();
        let mut machine = Machine::new(Arc::new(plan(queue)), 7);
        if is_queue {
            machine.handle_opened(Now::default());
        } else {
            machine.handle_assigned(
                TRACK,
                Checkpoint::at_origin(Origin(ShortBytes::new(b""))),
                Now::default(),
            );
        }
        Self { machine, orders: Vec::new(), attempts: Vec::new(), n_slots: has_slots.then_some(0) }
    }

    fn order(&mut self) -> ReadId {
        self.act();
        self.orders.pop().expect("it reads on").id
    }

    fn act(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Read(order) => self.orders.push(order),
                Action::Invoke(_, attempt) => self.attempts.push(attempt),
                Action::Want(n) => {
                    if let Some(n_slots) = &mut self.n_slots {
                        for _ in 0..n {
                            *n_slots += 1;
                            self.machine.handle_slot(SlotId(u64::from(*n_slots)), Now::default());
                        }
                    }
                }
                Action::Commit(..) => {}
                other => panic!("{other:?} is not to be"),
            }
        }
    }

    fn take(&mut self, read: Read) {
        let id = self.order();
        self.machine.handle_read(id, Ok(read), Now::default());
        self.act();
    }
}

/// Lines of a file as the feed hands them to a mapping.
fn lines(first: usize, n: usize, line_bytes: usize) -> Read {
    let wait = Duration::ZERO;
    let order = ReadOrder {
        id: ReadId(0),
        track: Some(TRACK),
        records_max: 10_000,
        bytes_max: u64::MAX,
        wait,
        lanes: 1,
    };
    let renderer = samples::renderer();
    let mut answer = FilledAnswer::new(&order, renderer.as_ref(), None);
    for raw in samples::lines(first, n, line_bytes) {
        answer.take_contained(&raw, || Place::Track(TRACK, raw.position.clone())).unwrap();
    }
    answer.finish(Some(Position::checked_number(((first + n) * (line_bytes + 1)) as u64, *b"abcd")), false)
}

/// Bytes that are really held, and bytes that are charged.
fn held(life: &mut Life, read: impl FnOnce(&mut Life)) -> (u64, u64) {
    let info = allocation_counter::measure(|| read(life));
    (u64::try_from(info.bytes_current).unwrap(), life.machine.held_bytes())
}

#[track_caller]
fn check(what: &str, (real, charged): (u64, u64)) {
    let share = real as f64 / charged as f64;
    assert!((0.8..=1.2).contains(&share), "{what}: {real} bytes are held, and {charged} are charged");
}

#[test]
fn what_is_charged_for_a_record_is_within_a_fifth_of_what_it_takes() {
    for (body_bytes, n) in [(100, 400), (100, 1_000), (100, 1_500), (100, 3_000), (100_000, 50)] {
        for has_slots in [false, true] {
            let what = |source: &str| {
                format!("{n} records of {body_bytes} bytes of {source}, in flight: {has_slots}")
            };
            let file = held(&mut Life::new(None, has_slots), |life| life.take(lines(0, n, body_bytes)));
            check(&what("a file"), file);
            let mut feed = None;
            let queue = held(&mut Life::new(Some(queue_plan()), has_slots), |life| {
                let (it, reads) = cost_tests::reads(cost_tests::answers(n / 10, body_bytes));
                feed = Some(it);
                reads.into_iter().for_each(|read| life.take(read));
            });
            check(&what("a queue"), queue);
        }
    }
}

struct Nothing;

impl Reader for Nothing {
    fn read(&mut self, _: Room) -> BoxFuture<'_, Result<RawRead, SourceError>> {
        Box::pin(async { Ok(RawRead::default()) })
    }
}

#[test]
fn what_is_counted_for_a_mapping_that_lags_is_within_a_fifth_of_what_is_kept_for_it() {
    for (line_bytes, n) in [(100, 400), (100, 1_500), (100_000, 50)] {
        let mut track = FeedTrack::default();
        let origin = || Watermark::Origin(Origin(ShortBytes::new(b"")));
        let [fast, slow] = [1, 2].map(SubscriberId);
        [fast, slow].into_iter().for_each(|who| track.open(who, TRACK, origin()));
        let renderer = samples::renderer();
        let info = allocation_counter::measure(|| {
            for read in 0..3 {
                let wait = Duration::ZERO;
                let order = ReadOrder {
                    id: ReadId(0),
                    track: Some(TRACK),
                    records_max: 10_000,
                    bytes_max: u64::MAX,
                    wait,
                    lanes: 1,
                };
                track.order(fast, order, Instant::now());
                let start =
                    track.start(&TrackName("track".to_owned()), LIMITS).pop().expect("it is read for");
                let passed =
                    Some(Position::checked_number(((read + 1) * n * (line_bytes + 1)) as u64, *b"abcd"));
                let records = samples::lines(read * n, n, line_bytes);
                track.handle_read(
                    start.stretch,
                    Some(Box::new(Nothing)),
                    RawRead { records, passed, ..RawRead::default() },
                );
                let (_, served) = track
                    .serve(fast, Taste { renderer: renderer.as_ref(), filter: None })
                    .expect("it is served");
                assert_eq!(served.unwrap().records.len(), n);
                track.prune();
            }
        });
        check(
            &format!("{n} lines of {line_bytes} bytes, three times"),
            (u64::try_from(info.bytes_current).unwrap(), track.held_bytes()),
        );
    }
}

/// What a subscriber is told of a track whose raw reads are these.
fn told(reads: Vec<RawRead>) -> Vec<(usize, bool, bool)> {
    let mut track = FeedTrack::default();
    let who = SubscriberId(1);
    track.open(who, TRACK, Watermark::Origin(Origin(ShortBytes::new(b""))));
    let renderer = samples::renderer();
    let taste = || Taste { renderer: renderer.as_ref(), filter: None };
    let (mut told, mut reads) = (Vec::new(), reads.into_iter());
    loop {
        let wait = Duration::ZERO;
        let order =
            ReadOrder { id: ReadId(0), track: Some(TRACK), records_max: 9, bytes_max: 9_999, wait, lanes: 1 };
        track.order(who, order, Instant::now());
        let served = loop {
            if let Some((_, read)) = track.serve(who, taste()) {
                break read.expect("nothing panics");
            }
            let Some(read) = reads.next() else { return told };
            let start = track.start(&TrackName("track".to_owned()), LIMITS).pop().expect("it is read for");
            track.handle_read(start.stretch, Some(Box::new(Nothing)), read);
        };
        let ended = served.passed.is_none() || served.ended;
        told.push((served.records.len(), served.gap.is_some(), served.ended));
        if ended {
            return told;
        }
    }
}

#[test]
fn a_gap_is_told_also_where_nothing_comes_before_the_end_or_before_the_next_record() {
    let at = |n: u64| Position::checked_number(n, *b"abcd");
    let gap = || Some(Gap { from: None, to: at(0) });
    let empty = || RawRead { gap: gap(), ..RawRead::default() };
    let end = || RawRead { ended: true, ..RawRead::default() };
    let lines = || RawRead { records: samples::lines(0, 2, 10), passed: Some(at(22)), ..RawRead::default() };
    assert_eq!(told(vec![RawRead { ended: true, ..empty() }]), [(0, true, true)]);
    assert_eq!(told(vec![empty(), end()]), [(0, true, true)]);
    assert_eq!(told(vec![empty(), lines()]), [(2, true, false)]);
    let behind = RawRead { passed: Some(at(22)), gap: gap(), ended: true, ..RawRead::default() };
    assert_eq!(told(vec![lines(), behind]), [(2, false, false), (0, true, true)]);
}
