//! An hour of records over tumbling windows, with a kill in the middle of every window: what the function
//! carried to the ends of windows is what was written, summed up outside.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::response::read_reply;
use forebay_batcher::{
    Action, Attempt, AttemptId, BatchPlan, Checkpoint, CommitId, Committed, Failure, Finale, Machine, Now,
    OnExhausted, OrderKey, Origin, Outcome, Place, Plan, Position, Read, ReadId, Record, RecordId,
    Redelivery, Reply, RetryPlan, Section, ShortBytes, SlotId, Tick, TrackIdx, UnixMillis, Watermark,
    WindowPlan,
};
use forebay_sim::choices::Choices;

/// A full hour of 2023.
const HOUR_BEGAN_MS: i64 = 1_699_999_200_000;
const HOUR_MS: u64 = 3_600_000;
const N_SHARDS: u32 = 3;
const N_LANES: u32 = 4;
const N_KEYS: u32 = 9;
/// Nothing is written to the first shard for so long: its windows end by the clock.
const SILENCE_MS: std::ops::Range<u64> = 1_500_000..1_710_000;

#[test]
fn a_tumbling_sum_over_an_hour_with_a_kill_in_every_window_equals_the_sum_outside() {
    for (seed, length_s) in [(1, 30), (2, 60), (3, 60), (4, 300), (5, 300), (6, 900)] {
        let mut hour = Hour::new(seed, length_s);
        hour.live();
        let told = format!("windows of {length_s} s, seed {seed}");
        assert_eq!(hour.sums_told(), hour.sums_outside(), "{told}");
        let n_windows = HOUR_MS / (length_s * 1_000);
        let n_killed = hour.killed.len() as u64;
        assert_eq!(n_killed, n_windows, "a kill in each: {told}");
        let n_carried = hour.killed.values().filter(|carries| **carries).count() as u64;
        assert!(10 * n_carried >= 9 * n_windows, "{n_carried} of {n_windows} kills left a state: {told}");
    }
}

/// What will happen; what belongs to a process names its life.
enum Due {
    Write { shard: usize },
    ReadIsBack { life: u64, id: ReadId, shard: usize, n_max: u32 },
    Answer { life: u64, id: AttemptId, outcome: Outcome },
    Lands { life: u64, id: CommitId, shard: usize, checkpoint: Checkpoint },
    Committed { life: u64, id: CommitId },
    Kill,
    Start,
}

/// A record as its shard keeps it.
struct Written {
    key: u32,
    number: u64,
    arrival: UnixMillis,
}

/// A shard, what is durable of it, and where it is read.
struct Shard {
    records: Vec<Written>,
    durable: Checkpoint,
    next: usize,
    waiting: Option<(ReadId, u32)>,
    is_over: bool,
}

/// The window of a lane, by its shard, its lane and its start.
type WindowOfLane = (u32, u32, i64);
/// A sum and how many it is of.
type Sum = (u64, u64);

/// The hour: one process after the other, over the same shards.
struct Hour {
    choices: Choices,
    length_ms: u64,
    plan: Arc<Plan>,
    machine: Option<Machine>,
    life: u64,
    n_slots: u64,
    now_us: u64,
    due: BTreeMap<(u64, u64), Due>,
    n_due: u64,
    shards: Vec<Shard>,
    /// What the function was told at the ends of windows.
    ends: BTreeMap<WindowOfLane, Sum>,
    /// The windows in which the process was killed, by their starts, and whether a state was kept then.
    killed: BTreeMap<u64, bool>,
}

impl Hour {
    fn new(seed: u64, length_s: u64) -> Self {
        let shard = || Shard {
            records: Vec::new(),
            durable: Checkpoint::at_origin(Origin(ShortBytes::new(b""))),
            next: 0,
            waiting: None,
            is_over: false,
        };
        let mut hour = Self {
            choices: Choices::seeded(seed),
            length_ms: length_s * 1_000,
            plan: Arc::new(plan(Duration::from_secs(length_s))),
            machine: None,
            life: 0,
            n_slots: 0,
            now_us: 0,
            due: BTreeMap::new(),
            n_due: 0,
            shards: (0..N_SHARDS).map(|_| shard()).collect(),
            ends: BTreeMap::new(),
            killed: BTreeMap::new(),
        };
        hour.at_ms(0, Due::Start);
        hour.write_all();
        for start in (0..HOUR_MS).step_by(hour.length_ms as usize) {
            let half = hour.length_ms / 2;
            let within = u64::from(hour.choices.below(half as u32));
            hour.at_ms(start + hour.length_ms / 4 + within, Due::Kill);
        }
        hour
    }

    fn write_all(&mut self) {
        for shard in 0..self.shards.len() {
            let mut at = 0;
            loop {
                at += u64::from(self.choices.between(200, 3_000));
                if shard == 0 && SILENCE_MS.contains(&at) {
                    at = SILENCE_MS.end;
                }
                if at >= HOUR_MS {
                    break;
                }
                self.at_ms(at, Due::Write { shard });
            }
        }
    }

    fn at_ms(&mut self, ms: u64, due: Due) {
        self.n_due += 1;
        self.due.insert((1_000 * ms, self.n_due), due);
    }

    fn soon(&mut self, ms_max: u32, due: Due) {
        let ms = self.now_us / 1_000 + u64::from(self.choices.between(1, ms_max));
        self.at_ms(ms, due);
    }

    fn now(&self) -> Now {
        let ms = i64::try_from(self.now_us / 1_000).expect("it is an hour");
        Now { tick: Tick(1_000_000 + self.now_us), unix: UnixMillis(HOUR_BEGAN_MS + ms) }
    }

    /// Until all shards are finished.
    fn live(&mut self) {
        for _ in 0..2_000_000 {
            while let Some(action) = self.machine.as_mut().and_then(Machine::poll_action) {
                self.act(action);
            }
            if self.shards.iter().all(|it| it.is_over) {
                return;
            }
            let timeout = self.machine.as_ref().and_then(Machine::poll_timeout);
            let timeout_us = timeout.map(|(tick, _)| tick.0.saturating_sub(1_000_000));
            let due_us = self.due.first_key_value().map(|((at, _), _)| *at);
            match (timeout_us, due_us) {
                (Some(at), due) if due.is_none_or(|due| at < due) => {
                    self.now_us = self.now_us.max(at);
                    let now = self.now();
                    self.machine.as_mut().expect("it has a timeout").handle_timeout(now);
                }
                (_, Some(_)) => {
                    let ((at, _), due) = self.due.pop_first().expect("it was there above");
                    self.now_us = self.now_us.max(at);
                    self.happen(due);
                }
                (_, None) => panic!("nothing will ever happen"),
            }
        }
        panic!("the hour has no end");
    }

    fn act(&mut self, action: Action) {
        let life = self.life;
        match action {
            Action::Read(order) => {
                let shard = order.track.expect("only shards here").0 as usize;
                self.shards[shard].waiting = Some((order.id, order.records_max));
                let back = Due::ReadIsBack { life, id: order.id, shard, n_max: order.records_max };
                if self.shards[shard].next < self.shards[shard].records.len() {
                    self.soon(200, back);
                } else {
                    let wait = u64::try_from(order.wait.as_millis()).expect("waits are short");
                    self.at_ms(self.now_us / 1_000 + wait.max(1), back);
                }
            }
            Action::Want(n) => {
                for _ in 0..n {
                    self.n_slots += 1;
                    let now = self.now();
                    let machine = self.machine.as_mut().expect("it asked");
                    machine.handle_slot(SlotId(self.n_slots), now);
                }
            }
            Action::Invoke(_, attempt) => {
                let (id, outcome) = (attempt.id, self.invoke(&attempt));
                self.soon(1_500, Due::Answer { life, id, outcome });
            }
            Action::Commit(id, track, checkpoint) => {
                self.soon(40, Due::Lands { life, id, shard: track.0 as usize, checkpoint });
            }
            Action::Ended(track) => self.shards[track.0 as usize].is_over = true,
            Action::Return(_) | Action::Durable(..) => {}
            other => panic!("nobody asked for {other:?}"),
        }
    }

    /// The function: it adds numbers to what it carried, and now and then it fails.
    fn invoke(&mut self, attempt: &Attempt) -> Outcome {
        let window = attempt.window.as_deref().expect("every attempt is in a window");
        if self.choices.chance(40) {
            let reply = Reply { function_error: Some("Unhandled".to_owned()), ..Reply::default() };
            return Outcome::Failed { how: Failure::FunctionError, reply };
        }
        let number = |it: &Record| text(&it.bytes).parse::<u64>().expect("a record is a number");
        let (sum, n) = carried(&window.state);
        let sum: Sum =
            attempt.slice.records().iter().map(number).fold((sum, n), |(sum, n), it| (sum + it, n + 1));
        if let Some(finale) = window.finale {
            assert_eq!(finale, Finale::Ended, "no state is too large");
            let of = (window.track.0, window.lane, window.span.start.0);
            // After a kill an end may come again, and says the same.
            let before = self.ends.insert(of, sum);
            assert!(before.is_none_or(|it| it == sum), "{of:?} ended with {before:?}, and with {sum:?}");
        }
        let answer = format!("{{\"state\":{{\"sum\":{},\"n\":{}}}}}", sum.0, sum.1);
        let reply = Reply { payload: Some(answer.into()), ..Reply::default() };
        read_reply(reply, attempt.expected(), &attempt.slice, &|_| None)
    }

    fn happen(&mut self, due: Due) {
        let now = self.now();
        let is_of_now = |life: u64, hour: &Self| life == hour.life && hour.machine.is_some();
        match due {
            Due::Write { shard } => self.write(shard),
            Due::ReadIsBack { life, id, shard, n_max } if is_of_now(life, self) => {
                if self.shards[shard].waiting.take_if(|(it, _)| *it == id).is_some() {
                    let read = self.read(shard, n_max as usize);
                    self.machine.as_mut().expect("it lives").handle_read(id, Ok(read), now);
                }
            }
            Due::Answer { life, id, outcome } if is_of_now(life, self) => {
                self.machine.as_mut().expect("it lives").handle_outcome(id, outcome, now);
            }
            Due::Lands { life, id, shard, checkpoint } => {
                // One whose process died is on disk or not; never after its next process has begun.
                let is_alive = is_of_now(life, self);
                if is_alive || (life == self.life && self.choices.chance(500)) {
                    self.shards[shard].durable = checkpoint;
                    self.soon(20, Due::Committed { life, id });
                }
            }
            Due::Committed { life, id } if is_of_now(life, self) => {
                self.machine.as_mut().expect("it lives").handle_committed(id, Committed::Durable, now);
            }
            Due::Kill => self.kill(),
            Due::Start => self.start(),
            Due::ReadIsBack { .. } | Due::Answer { .. } | Due::Committed { .. } => {}
        }
    }

    fn write(&mut self, shard: usize) {
        let (key, number) = (self.choices.below(N_KEYS), u64::from(self.choices.between(1, 1_000)));
        let arrival = self.now().unix;
        self.shards[shard].records.push(Written { key, number, arrival });
        if let Some((id, n_max)) = self.shards[shard].waiting {
            let life = self.life;
            self.soon(200, Due::ReadIsBack { life, id, shard, n_max });
        }
    }

    fn read(&mut self, shard: usize, n_max: usize) -> Read {
        let is_closed = self.now_us >= 1_000 * HOUR_MS;
        let it = &mut self.shards[shard];
        let begin = it.next;
        it.next = it.records.len().min(begin + n_max);
        let record = |at: usize| Record {
            id: RecordId::new(at.to_string().as_bytes()),
            place: Place::Track(TrackIdx(shard as u32), Position::number(at as u64)),
            key: OrderKey::Key(Bytes::from(it.records[at].key.to_string())),
            arrival: it.records[at].arrival,
            bytes: it.records[at].number.to_string().into_bytes().into(),
            section: Section::default(),
        };
        Read {
            records: (begin..it.next).map(record).collect(),
            passed: Some(Position::number(it.next as u64)),
            ended: is_closed && it.next == it.records.len(),
            ..Read::default()
        }
    }

    fn kill(&mut self) {
        let now_ms = self.now_us / 1_000;
        let lanes =
            self.shards.iter().filter_map(|it| it.durable.windows.as_deref()).flat_map(|it| &it.lanes);
        let begin = HOUR_BEGAN_MS + i64::try_from(now_ms - now_ms % self.length_ms).expect("it is an hour");
        let carries = |it: &&forebay_batcher::KeptWindow| {
            it.open.as_ref().is_some_and(|it| it.span.start.0 == begin && !it.state.is_empty())
        };
        let is_kept = lanes.filter(carries).count() > 0;
        self.killed.insert(now_ms - now_ms % self.length_ms, is_kept);
        self.machine = None;
        self.soon(2_000, Due::Start);
    }

    fn start(&mut self) {
        self.life += 1;
        let now = self.now();
        let mut machine = Machine::new(Arc::clone(&self.plan), self.life);
        for (idx, shard) in (0..).zip(&mut self.shards).filter(|(_, it)| !it.is_over) {
            shard.next = match &shard.durable.watermark {
                Watermark::Origin(_) => 0,
                Watermark::At(at) => at.as_number().expect("positions are numbers") as usize,
            };
            shard.waiting = None;
            let kept = Checkpoint::decode(&shard.durable.encode()).expect("it reads as it was written");
            machine.handle_assigned(TrackIdx(idx), kept, now);
        }
        self.machine = Some(machine);
    }

    /// The sums that windows ended with, over all lanes of a shard.
    fn sums_told(&self) -> BTreeMap<(u32, i64), Sum> {
        let ends = self.ends.iter().map(|((shard, _, start), sum)| ((*shard, *start), *sum));
        added(ends)
    }

    /// The same by the records alone.
    fn sums_outside(&self) -> BTreeMap<(u32, i64), Sum> {
        let length_ms = self.length_ms as i64;
        let of_shard = |(shard, it): (u32, &Shard)| {
            let sum = |it: &Written| ((shard, it.arrival.0 / length_ms * length_ms), (it.number, 1));
            it.records.iter().map(sum).collect::<Vec<_>>()
        };
        added((0..).zip(&self.shards).flat_map(of_shard))
    }
}

fn added(sums: impl Iterator<Item = ((u32, i64), Sum)>) -> BTreeMap<(u32, i64), Sum> {
    sums.fold(BTreeMap::new(), |mut all, (of, (sum, n))| {
        let it = all.entry(of).or_insert((0, 0));
        *it = (it.0 + sum, it.1 + n);
        all
    })
}

/// What a state says, which is `{"sum":…,"n":…}`, or nothing yet.
fn carried(state: &Bytes) -> Sum {
    let numbers = text(state).split(|it: char| !it.is_ascii_digit()).filter(|it| !it.is_empty());
    let numbers: Vec<u64> = numbers.map(|it| it.parse().expect("digits")).collect();
    match numbers[..] {
        [] => (0, 0),
        [sum, n] => (sum, n),
        _ => panic!("{state:?} is no state of this function"),
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("all here is text")
}

fn plan(length: Duration) -> Plan {
    Plan {
        generation: 1,
        batch: BatchPlan {
            records_max: NonZeroU32::new(10).expect("not zero"),
            bytes_max: 6_291_456,
            window: Duration::ZERO,
        },
        durable_cuts: false,
        retry: RetryPlan {
            retries_max: None,
            record_age_max: None,
            bisect: true,
            partial_responses: false,
            item_actions: false,
            redelivery: Redelivery::ByUs,
            on_exhausted: OnExhausted::GiveUp,
            drop_after_destination_failures: None,
            stop_group_at_first_failure: false,
        },
        window: Some(WindowPlan::of(length)),
        lanes: NonZeroU32::new(N_LANES).expect("not zero"),
        envelope_bytes: 14,
        mixes_tracks: false,
        concurrency_max: None,
        rate: None,
        has_destination: false,
        held_bytes_max: 1 << 20,
        ahead_max: 1_000,
        waiting_min: 0,
        queue: None,
    }
}
