//! What the core costs for each record: a machine on tracks that are never empty, with a function that always
//! succeeds.
//!
//! `core [ROW [RECORDS]]`: the CPU time of a row, or of all rows, in ns for each record, the making of
//! records left out. Under callgrind (`make bench-core`) one row is run with two numbers of records, and the
//! difference of instructions counts.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::*;

/// One kind of work.
struct Row {
    name: &'static str,
    n_tracks: u32,
    n_lanes: u32,
    batch: u32,
    mixes_tracks: bool,
    /// Records of one read.
    n_read: u64,
    n_slots: u32,
    n_records: u64,
    /// Attempts after which the store answers all that waits; 1: each is durable at once.
    lag: u64,
    /// The most that it may cost, in ns for each record on a quiet machine.
    target: u64,
}

const fn row(name: &'static str, n_tracks: u32, n_lanes: u32, batch: u32, mixes_tracks: bool) -> Row {
    Row {
        name,
        n_tracks,
        n_lanes,
        batch,
        mixes_tracks,
        n_read: 1_000,
        n_slots: 16,
        n_records: 1_000_000,
        lag: 200,
        target: 150,
    }
}

const ROWS: &[Row] = &[
    Row { n_slots: 4, ..row("16 tracks, batches of 100", 16, 1, 100, false) },
    Row { n_slots: 4, target: 220, ..row("16 tracks, batches of 10", 16, 1, 10, true) },
    Row { target: 800, n_records: 500_000, ..row("16 tracks, one by one", 16, 1, 1, false) },
    Row { n_slots: 40, target: 200, ..row("16 tracks of 10 lanes, batches of 100", 16, 10, 100, false) },
    Row {
        n_slots: 40,
        target: 250,
        ..row("16 tracks of 100 lanes, mixed, batches of 100", 16, 100, 100, true)
    },
    Row {
        n_slots: 100,
        target: 1_000,
        n_records: 500_000,
        ..row("16 tracks of 100 lanes, one by one", 16, 100, 1, false)
    },
    Row {
        n_slots: 100,
        target: 1_000,
        n_records: 500_000,
        lag: 1,
        ..row("16 tracks of 100 lanes, one by one, each durable at once", 16, 100, 1, false)
    },
    Row { n_read: 500, target: 200, ..row("1,000 tracks, batches of 100", 1_000, 1, 100, false) },
    Row { n_read: 500, target: 250, ..row("1,000 tracks, mixed, batches of 100", 1_000, 1, 100, true) },
    Row {
        n_read: 100,
        target: 300,
        n_records: 4_000_000,
        ..row("10,000 tracks, batches of 100", 10_000, 1, 100, false)
    },
    Row {
        n_read: 100,
        target: 300,
        n_records: 4_000_000,
        ..row("10,000 tracks, mixed, batches of 100", 10_000, 1, 100, true)
    },
    Row {
        n_read: 100,
        target: 400,
        n_records: 4_000_000,
        ..row("10,000 tracks of 10 lanes, mixed, batches of 100", 10_000, 10, 100, true)
    },
    Row {
        n_read: 1,
        target: 1_000,
        ..row("1,000 tracks of which each read brings one record, mixed", 1_000, 1, 100, true)
    },
];

const RECORD_BYTES: usize = 1_400;

/// Makes records: their bytes are parts of one arena, as a reader's are.
struct Maker {
    arena: Arc<Bytes>,
    keys: Vec<Bytes>,
    n_made: u64,
}

impl Maker {
    fn new() -> Self {
        let keys = (0..1_000).map(|i| Bytes::from(format!("key-{i:016}"))).collect();
        Self { arena: Arc::new(Bytes::from(vec![b'x'; 64 * RECORD_BYTES])), keys, n_made: 0 }
    }

    fn make(&mut self, track: TrackIdx, from: u64, n: u64) -> Vec<Record> {
        self.n_made += n;
        (from..from + n).map(|i| self.record(track, i)).collect()
    }

    /// What making and dropping one record costs, in ns.
    fn cost() -> u64 {
        let (mut maker, begun) = (Self::new(), cpu());
        for from in 0..2_000 {
            drop(std::hint::black_box(maker.make(TrackIdx(0), from * 500, 500)));
        }
        ns(cpu().saturating_sub(begun)) / maker.n_made
    }

    fn record(&self, track: TrackIdx, i: u64) -> Record {
        let mut id = [b'4'; 20];
        id[12..].copy_from_slice(&i.to_be_bytes());
        let at = usize::try_from(i % 64).unwrap_or(0) * RECORD_BYTES;
        let key = usize::try_from(i).unwrap_or(0) % self.keys.len();
        Record {
            id: RecordId::new(&id),
            place: Place::Track(track, Position::number(i)),
            key: OrderKey::Key(self.keys[key].clone()),
            arrival: UnixMillis(1_700_000_000_000),
            bytes: Rendered::part(Arc::clone(&self.arena), at..at + RECORD_BYTES),
            section: Section { idx: track.0, bytes: 20, unreadable: None },
        }
    }
}

/// The CPU time of this thread: what else runs on the machine does not count.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0))
}

/// A machine and the world around it: reads are answered at once, attempts in their order, commits after
/// `lag` attempts.
struct Bench<'a> {
    row: &'a Row,
    machine: Machine,
    maker: Maker,
    tick: u64,
    next: Vec<u64>,
    want: u32,
    n_granted: u32,
    n_slots: u64,
    open: VecDeque<(AttemptId, u64)>,
    commits: Vec<CommitId>,
    n_checkpoint_bytes: u64,
    n_done: u64,
    n_since: u64,
}

impl<'a> Bench<'a> {
    fn new(row: &'a Row) -> Self {
        let mut machine = Machine::new(Arc::new(plan(row)), 7);
        for track in 0..row.n_tracks {
            machine.handle_assigned(
                TrackIdx(track),
                Checkpoint::at_origin(Origin(ShortBytes::new(b""))),
                now(1),
            );
        }
        Self {
            row,
            machine,
            maker: Maker::new(),
            tick: 1,
            next: vec![0; row.n_tracks as usize],
            want: 0,
            n_granted: 0,
            n_slots: 0,
            open: VecDeque::new(),
            commits: Vec::new(),
            n_checkpoint_bytes: 0,
            n_done: 0,
            n_since: 0,
        }
    }

    fn run(&mut self, n_records: u64) {
        while self.n_done < n_records {
            self.tick += 10_000;
            let has_acted = self.drain();
            if self.want > 0 && self.n_granted < self.row.n_slots {
                self.grant();
            } else if let Some((id, n)) = self.open.pop_front() {
                self.end(id, n);
            } else if !has_acted {
                self.wait();
            }
        }
    }

    fn drain(&mut self) -> bool {
        let mut has_acted = false;
        while let Some(action) = self.machine.poll_action() {
            has_acted = true;
            match action {
                Action::Read(order) => self.read(&order),
                Action::Want(n) => self.want = n,
                Action::Invoke(_, attempt) => {
                    self.open.push_back((attempt.id, attempt.slice.n_records() as u64))
                }
                Action::Return(_) => self.n_granted -= 1,
                Action::Commit(id, _, checkpoint) => {
                    self.n_checkpoint_bytes += checkpoint.encode().len() as u64;
                    self.commits.push(id);
                }
                Action::Deliver(_)
                | Action::Discarded(_)
                | Action::Paused(_)
                | Action::Decided(_)
                | Action::Settle(..)
                | Action::Extend(..)
                | Action::Ended(_)
                | Action::Durable(..)
                | Action::Drained(..) => {}
            }
        }
        has_acted
    }

    fn read(&mut self, order: &ReadOrder) {
        let Some(track) = order.track else { return };
        let next = &mut self.next[track.0 as usize];
        let n = self.row.n_read.min(u64::from(order.records_max));
        let records = self.maker.make(track, *next, n);
        *next += n;
        let passed = Some(Position::number(*next));
        self.machine.handle_read(order.id, Ok(Read { records, passed, ..Read::default() }), now(self.tick));
    }

    fn grant(&mut self) {
        self.n_granted += 1;
        self.want -= 1;
        self.n_slots += 1;
        self.machine.handle_slot(SlotId(self.n_slots), now(self.tick));
    }

    fn end(&mut self, id: AttemptId, n: u64) {
        self.n_granted -= 1;
        self.n_done += n;
        self.n_since += 1;
        if self.n_since >= self.row.lag {
            self.n_since = 0;
            self.commit();
        }
        self.machine.handle_outcome(id, Outcome::Succeeded(Reply::default()), now(self.tick));
    }

    fn commit(&mut self) {
        for id in std::mem::take(&mut self.commits) {
            self.machine.handle_committed(id, Committed::Durable, now(self.tick));
        }
    }

    fn wait(&mut self) {
        self.commit();
        if let Some((at, _)) = self.machine.poll_timeout() {
            self.tick = self.tick.max(at.0);
            self.machine.handle_timeout(now(self.tick));
        }
    }
}

fn now(tick: u64) -> Now {
    Now { tick: Tick(tick), unix: UnixMillis(1_700_000_000_000 + i64::try_from(tick / 1_000).unwrap_or(0)) }
}

fn ns(it: Duration) -> u64 {
    u64::try_from(it.as_nanos()).unwrap_or(u64::MAX)
}

fn plan(row: &Row) -> Plan {
    let count = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
    Plan {
        generation: 1,
        batch: BatchPlan { records_max: count(row.batch), bytes_max: 6_291_456, window: Duration::ZERO },
        retry: RetryPlan {
            retries_max: None,
            record_age_max: None,
            bisect: false,
            partial_responses: true,
            item_actions: false,
            redelivery: Redelivery::ByUs,
            on_exhausted: OnExhausted::GiveUp,
            drop_after_destination_failures: None,
            stop_group_at_first_failure: false,
        },
        window: None,
        lanes: count(row.n_lanes),
        envelope_bytes: 14,
        mixes_tracks: row.mixes_tracks,
        concurrency_max: None,
        rate: None,
        has_destination: false,
        held_bytes_max: 4 << 30,
        ahead_max: 1_000_000,
        waiting_min: 100,
        durable_cuts: false,
        queue: None,
    }
}

fn main() {
    let args: Vec<u64> = std::env::args().skip(1).filter_map(|it| it.parse().ok()).collect();
    let chosen = args.first().copied();
    let cost_of_making = Maker::cost();
    for (_, row) in (0..).zip(ROWS).filter(|(n, _)| chosen.is_none_or(|it| it == *n)) {
        let mut bench = Bench::new(row);
        // What is paid once, such as the first read of each track, is no cost of a record.
        let n_warm = args.get(1).copied().unwrap_or(row.n_records / 4);
        bench.run(n_warm);
        let (begun, n_made, n_before, n_bytes) =
            (cpu(), bench.maker.n_made, bench.n_done, bench.n_checkpoint_bytes);
        if args.get(1).is_none() {
            bench.run(row.n_records);
        }
        let n = (bench.n_done - n_before).max(1);
        let spent = ns(cpu().saturating_sub(begun));
        let ns = spent.saturating_sub((bench.maker.n_made - n_made) * cost_of_making) / n;
        println!(
            "{:60} {ns:7} ns a record (at most {:5}), {:5} bytes of checkpoints",
            row.name,
            row.target,
            (bench.n_checkpoint_bytes - n_bytes) / n
        );
    }
}
