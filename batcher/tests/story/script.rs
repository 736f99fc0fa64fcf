//! Runs a script of inputs against a machine and writes down what it answers.
//!
//! A line is one input: `assign`, `open`, `read r1 r2 …` (answers the open read; `r1/k` gives a key, `r1*40`
//! a size, `r1@-90` an arrival in seconds; `r1!` cannot be decoded, `r1?` names a schema that is not there), `slot`, `ok`, `fail`, `partly r2`, `throttle`, `large`, `taken`,
//! `refused`, `durable`, `full`, `fenced`, `settled`, `void`, `extended`, `lapsed m1`, `channel-dies`,
//! `+500ms`, `wall-500ms` (the wall clock alone is set back), `close`, `revoke`, `revoke 500ms`, `lost`, `crash`, `skip r1`,
//! `retry r1`, `send r1`, `list`, `gives S` (succeeds and gives back the state `S`). Answers go to the oldest open question of
//! their kind.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::*;

pub(crate) fn plan() -> Plan {
    Plan {
        generation: 1,
        batch: BatchPlan { records_max: count(3), bytes_max: 6_291_456, window: Duration::ZERO },
        retry: RetryPlan {
            retries_max: Some(1),
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
        lanes: count(1),
        envelope_bytes: 14,
        mixes_tracks: false,
        concurrency_max: None,
        rate: None,
        has_destination: true,
        held_bytes_max: 1 << 20,
        ahead_max: 100,
        waiting_min: 0,
        durable_cuts: false,
        queue: None,
    }
}

pub(crate) fn queue_plan(redelivery: Redelivery) -> Plan {
    let base = plan();
    Plan {
        retry: RetryPlan { redelivery, ..base.retry },
        concurrency_max: Some(count(2)),
        queue: Some(QueuePlan {
            receive_max: count(10),
            wait_max: Duration::from_secs(20),
            visibility: Some(Duration::from_secs(30)),
            retry_after: None,
            pollers_start: count(2),
            pollers_max: count(10),
            pollers_min: count(1),
            pollers_growth: count(300),
            batches_max: count(10),
        }),
        ..base
    }
}

pub(crate) fn count(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).expect("not zero")
}

pub(crate) fn check(plan: Plan, script: &str, want: &expect_test::Expect) {
    let mut stage = Stage::new(plan);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        stage.play(line);
    }
    want.assert_eq(&stage.log);
}

struct Stage {
    plan: Arc<Plan>,
    machine: Machine,
    now: Now,
    log: String,
    reads: VecDeque<ReadOrder>,
    attempts: VecDeque<AttemptId>,
    notices: VecDeque<NoticeId>,
    commits: VecDeque<(CommitId, Checkpoint)>,
    settles: VecDeque<(SettleId, Vec<Settlement>)>,
    extends: VecDeque<(ExtendId, Vec<Receipt>)>,
    durable: Checkpoint,
    n_slots: u64,
    n_decisions: u64,
}

impl Stage {
    fn new(plan: Plan) -> Self {
        let plan = Arc::new(plan);
        Self {
            machine: Machine::new(Arc::clone(&plan), 7),
            plan,
            now: Now { tick: Tick(1_000_000), unix: UnixMillis(1_000_000) },
            log: String::new(),
            reads: VecDeque::new(),
            attempts: VecDeque::new(),
            notices: VecDeque::new(),
            commits: VecDeque::new(),
            settles: VecDeque::new(),
            extends: VecDeque::new(),
            durable: Checkpoint::at_origin(Origin(ShortBytes::new(b""))),
            n_slots: 0,
            n_decisions: 0,
        }
    }

    fn play(&mut self, line: &str) {
        writeln!(self.log, "> {line}").expect("writing to a string");
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let now = self.now;
        match word {
            "assign" => self.machine.handle_assigned(TrackIdx(0), self.durable.clone(), now),
            "open" => self.machine.handle_opened(now),
            "read" => self.answer_read(rest),
            "down" => {
                let order = self.reads.pop_front().expect("a read is open");
                self.machine.handle_read(order.id, Err(SourceNotice::Down { error: rest.into() }), now);
            }
            "slot" => {
                self.n_slots += 1;
                self.machine.handle_slot(SlotId(self.n_slots), now);
            }
            "ok" => self.outcome(Outcome::Succeeded(Reply::default())),
            "gives" => {
                let state = Some(Bytes::copy_from_slice(rest.as_bytes()));
                self.outcome(Outcome::Succeeded(Reply { state, ..Reply::default() }));
            }
            "fail" => self.outcome(Outcome::Failed {
                how: Failure::FunctionError,
                reply: Reply { error: Some("boom".into()), ..Reply::default() },
            }),
            "partly" => {
                let failed = rest.split(' ').map(|it| RecordId::new(it.as_bytes())).collect();
                self.outcome(Outcome::PartlyFailed {
                    failed,
                    asked: ItemActions::new(),
                    reply: Reply::default(),
                });
            }
            "throttle" => self.outcome(Outcome::NotReached {
                why: NotReached::Throttled,
                retry_after: None,
                error: "429".into(),
            }),
            "large" => self.outcome(Outcome::TooLarge),
            "taken" => self.deliver(Delivery::Taken),
            "refused" => self.deliver(Delivery::Refused { error: "no".into() }),
            "durable" => self.commit(Committed::Durable),
            "full" => self.commit(Committed::Full),
            "fenced" => self.commit(Committed::Fenced),
            "settled" => {
                let (id, asked) = self.settles.pop_front().expect("a settlement is open");
                self.machine.handle_settled(
                    id,
                    asked.into_iter().map(|it| (it.receipt, Settled::Done)).collect(),
                    now,
                );
            }
            "unsettled" => {
                let (id, asked) = self.settles.pop_front().expect("a settlement is open");
                self.machine.handle_settled(
                    id,
                    asked.into_iter().map(|it| (it.receipt, Settled::Failed)).collect(),
                    now,
                );
            }
            "void" => {
                let (id, asked) = self.settles.pop_front().expect("a settlement is open");
                self.machine.handle_settled(
                    id,
                    asked.into_iter().map(|it| (it.receipt, Settled::Lost)).collect(),
                    now,
                );
            }
            "lapsed" => {
                let (id, asked) = self.extends.pop_front().expect("an extension is open");
                let until = now.tick.after(Duration::from_secs(30));
                let is_lapsed = |it: &Receipt| it.handle[1..] == *rest.as_bytes();
                let answer = |it: Receipt| {
                    if is_lapsed(&it) { (it, Extended::Lost) } else { (it, Extended::Until(until)) }
                };
                self.machine.handle_extended(id, asked.into_iter().map(answer).collect(), now);
            }
            "channel-dies" => self.machine.handle_lost(Lost::Generation(Generation(0)), now),
            "extended" => {
                let (id, asked) = self.extends.pop_front().expect("an extension is open");
                let until = now.tick.after(Duration::from_secs(30));
                self.machine.handle_extended(
                    id,
                    asked.into_iter().map(|it| (it, Extended::Until(until))).collect(),
                    now,
                );
            }
            "skip" => self.decide(Decision::Skip, rest),
            "retry" => self.decide(Decision::Retry, rest),
            "send" => self.decide(Decision::Send, rest),
            "list" => {
                for it in self.machine.paused() {
                    writeln!(
                        self.log,
                        "  {} waits since {}: {}",
                        names(it.slice.records()),
                        it.since.0,
                        it.error
                    )
                    .expect("writing to a string");
                }
            }
            "close" => self.machine.close(Close::Finish, now),
            "revoke" if rest.is_empty() => self.machine.close_track(TrackIdx(0), Close::Finish, now),
            "revoke" => {
                let span = Duration::from_millis(rest.trim_end_matches("ms").parse().expect("a time"));
                self.machine.close_track(TrackIdx(0), Close::Within(now.tick.after(span)), now);
            }
            "lost" => self.machine.handle_lost(Lost::Track(TrackIdx(0)), now),
            "lanes" => {
                let plan = Plan { lanes: count(rest.parse().expect("a number")), ..Plan::clone(&self.plan) };
                self.plan = Arc::new(plan);
                self.machine.handle_plan(Arc::clone(&self.plan), now);
            }
            "whole" => {
                let base = Plan::clone(&self.plan);
                self.plan =
                    Arc::new(Plan { retry: RetryPlan { partial_responses: false, ..base.retry }, ..base });
                self.machine.handle_plan(Arc::clone(&self.plan), now);
            }
            "crash" => {
                let fresh = Self {
                    durable: self.durable.clone(),
                    now,
                    n_slots: self.n_slots,
                    ..Self::new(Plan::clone(&self.plan))
                };
                let log = std::mem::take(&mut self.log);
                *self = Self { log, ..fresh };
            }
            "state" => {
                writeln!(self.log, "  {:?}", self.machine.state(TrackIdx(0))).expect("writing to a string")
            }
            "quiet" => {
                writeln!(self.log, "  quiet: {}", self.machine.is_quiet()).expect("writing to a string")
            }
            "held" => writeln!(self.log, "  held: {} bytes", self.machine.held_bytes())
                .expect("writing to a string"),
            _ if word.starts_with("wall-") => {
                let millis: i64 = word["wall-".len()..].trim_end_matches("ms").parse().expect("a time");
                self.now.unix.0 -= millis;
            }
            _ => {
                let millis: u64 = word
                    .trim_start_matches('+')
                    .trim_end_matches("ms")
                    .parse()
                    .expect("a known word or a time");
                self.now.tick = self.now.tick.after(Duration::from_millis(millis));
                self.now.unix.0 += i64::try_from(millis).expect("a short time");
                self.machine.handle_timeout(self.now);
            }
        }
        self.drain();
    }

    fn decide(&mut self, decision: Decision, first: &str) {
        self.n_decisions += 1;
        let first = Position::number(first[1..].parse().expect("a number"));
        let place = (TrackIdx(0), &first);
        let told = self.machine.handle_decision(DecisionId(self.n_decisions), place, decision, self.now);
        match told {
            Ok(n_records) => writeln!(self.log, "  taken: {n_records}"),
            Err(error) => writeln!(self.log, "  refused: {error}"),
        }
        .expect("writing to a string");
    }

    fn outcome(&mut self, outcome: Outcome) {
        let id = self.attempts.pop_front().expect("an attempt is open");
        self.machine.handle_outcome(id, outcome, self.now);
    }

    fn deliver(&mut self, answer: Delivery) {
        let id = self.notices.pop_front().expect("a notice is open");
        self.machine.handle_delivered(id, answer, self.now);
    }

    fn commit(&mut self, answer: Committed) {
        let (id, checkpoint) = self.commits.pop_front().expect("a commit is open");
        if answer == Committed::Durable {
            self.durable = checkpoint;
        }
        self.machine.handle_committed(id, answer, self.now);
    }

    fn answer_read(&mut self, rest: &str) {
        let order = self.reads.pop_front().expect("a read is open");
        let mut read = Read::default();
        for word in rest.split(' ').filter(|word| !word.is_empty()) {
            match word {
                "end" => read.ended = true,
                "filtered" => read.n_filtered += 1,
                word if word.starts_with("passed:") => {
                    read.passed = Some(Position::number(word[7..].parse().expect("a number")))
                }
                word => read.records.push(self.record(word, order.track)),
            }
        }
        if let Some(Place::Track(_, last)) = read.records.last().map(|it| &it.place) {
            let next = Position::number(last.as_number().expect("a number") + 1);
            read.passed = Some(read.passed.map_or_else(|| next.clone(), |it| it.max(next.clone())));
        }
        self.machine.handle_read(order.id, Ok(read), self.now);
    }

    fn record(&self, word: &str, track: Option<TrackIdx>) -> Record {
        let (word, unreadable) = match word.strip_suffix('!') {
            Some(word) => (word, Some(Condition::NotDecoded)),
            None => (word.trim_end_matches('?'), word.ends_with('?').then_some(Condition::SchemaNotFound)),
        };
        let (word, age) =
            word.split_once('@').map_or((word, 0), |(word, age)| (word, age.parse().expect("a number")));
        let (word, size) =
            word.split_once('*').map_or((word, 4), |(word, size)| (word, size.parse().expect("a number")));
        let (name, key) = word.split_once('/').map_or((word, None), |(name, key)| (name, Some(key)));
        let place = match track {
            Some(track) => Place::Track(track, Position::number(name[1..].parse().expect("a number"))),
            None => Place::Queue(Box::new(QueuePlace {
                receipt: Receipt {
                    handle: Bytes::copy_from_slice(format!("h{name}").as_bytes()),
                    generation: Generation(0),
                },
                visible_until: Some(self.now.tick.after(Duration::from_secs(30))),
                receives_left: None,
                n_receives: None,
            })),
        };
        let key = match (key, track) {
            (Some(key), _) => OrderKey::Key(Bytes::copy_from_slice(key.as_bytes())),
            (None, Some(_)) => OrderKey::Key(Bytes::new()),
            (None, None) => OrderKey::Free,
        };
        Record {
            id: RecordId::new(name.as_bytes()),
            place,
            key,
            arrival: UnixMillis(self.now.unix.0 + age * 1_000),
            bytes: vec![b'x'; size].into(),
            section: Section { unreadable, ..Section::default() },
        }
    }

    fn drain(&mut self) {
        while let Some(action) = self.machine.poll_action() {
            let line = self.describe(action);
            writeln!(self.log, "  {line}").expect("writing to a string");
        }
    }

    fn describe(&mut self, action: Action) -> String {
        match action {
            Action::Read(order) => {
                let line = match order.track {
                    Some(_) => "read".to_owned(),
                    None => format!("receive {} for {:?}", order.records_max, order.wait),
                };
                self.reads.push_back(order);
                line
            }
            Action::Want(n) => format!("want {n}"),
            Action::Invoke(slot, attempt) => {
                self.attempts.push_back(attempt.id);
                let how = if attempt.partial_responses { "" } else { ", whole" };
                let window = attempt.window.as_deref().map_or_else(String::new, told_window);
                format!(
                    "invoke {} on slot {} ({:?}, before {}{how}){window}",
                    names(attempt.slice.records()),
                    slot.0,
                    attempt.why,
                    attempt.n_before
                )
            }
            Action::Return(slot) => format!("return slot {}", slot.0),
            Action::Deliver(notice) => {
                self.notices.push_back(notice.id);
                format!(
                    "deliver {} {} after {} invokes",
                    names(notice.slice.records()),
                    notice.condition.as_str(),
                    notice.n_invokes
                )
            }
            Action::Discarded(it) => {
                format!(
                    "discard {} {} after {} invokes",
                    names(it.slice.records()),
                    it.condition.as_str(),
                    it.n_invokes
                )
            }
            Action::Paused(it) => {
                format!(
                    "paused {} {} after {} invokes",
                    names(it.slice.records()),
                    it.condition.as_str(),
                    it.n_invokes
                )
            }
            Action::Decided(id) => format!("decided {}", id.0),
            Action::Commit(id, _, checkpoint) => {
                let line = format!("commit {}", describe_checkpoint(&checkpoint));
                self.commits.push_back((id, checkpoint));
                line
            }
            Action::Settle(id, settlements) => {
                let words: Vec<String> = settlements
                    .iter()
                    .map(|it| format!("{:?} {}", it.how, String::from_utf8_lossy(&it.receipt.handle[1..])))
                    .collect();
                self.settles.push_back((id, settlements));
                format!("settle {}", words.join(", "))
            }
            Action::Extend(id, receipts, by) => {
                let line = format!("extend {} by {by:?}", receipts.len());
                self.extends.push_back((id, receipts));
                line
            }
            Action::Ended(_) => "ended".to_owned(),
            Action::Durable(_, reaches) => format!("durable {}", describe_watermark(&reaches)),
            Action::Drained(_, reaches) => format!("drained {}", describe_watermark(&reaches)),
        }
    }
}

fn names(records: &[Record]) -> String {
    records
        .iter()
        .map(|it| String::from_utf8_lossy(it.id.0.as_slice()).into_owned())
        .collect::<Vec<_>>()
        .join("+")
}

fn place(position: &Position) -> String {
    position.as_number().map_or_else(|| format!("{position:?}"), |n| n.to_string())
}

fn describe_watermark(it: &Watermark) -> String {
    match it {
        Watermark::Origin(_) => "origin".to_owned(),
        Watermark::At(position) => format!("at {}", place(position)),
    }
}

fn describe_checkpoint(it: &Checkpoint) -> String {
    let mut line = describe_watermark(&it.watermark);
    for (first, last) in &it.finished {
        write!(line, " done {}..{}", place(first), place(last)).expect("writing to a string");
    }
    for slice in &it.slices {
        let kind = match &slice.given_up {
            Some(it) if it.paused_since.is_some() => "paused",
            Some(_) => "given up",
            None if slice.is_age_pardoned => "pardoned",
            None => "open",
        };
        let (first, last) = (place(&slice.first), place(&slice.last));
        write!(
            line,
            " {kind} {first}..{last}#{} failures {} invokes {}",
            slice.lane, slice.n_failures, slice.n_invokes
        )
        .expect("writing");
    }
    if it.ended {
        line.push_str(" ended");
    }
    line
}

/// A tumbling window: its seconds, how it ends, what is carried.
fn told_window(it: &TumblingWindow) -> String {
    let end = match it.finale {
        None => "",
        Some(Finale::Ended) => " ends",
        Some(Finale::TerminatedEarly) => " ends early",
    };
    let state = String::from_utf8_lossy(&it.state);
    format!(" within {}..{}{end} with `{state}`", it.span.start.0 / 1000, it.span.end.0 / 1000)
}
