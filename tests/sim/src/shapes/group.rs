//! The log with a group: each engine is a member that polls what the coordinator did, tells it what is
//! durable, and answers for what it has, as the feed and the shell do.

use forebay_batcher::{
    Assignment, Close, Position, Revoking, Rule, Start, Tick, TrackIdx, TrackInfo, TrackName, TrackPhase,
    Watermark,
};
use forebay_models::group::{GroupLog, GroupNews};

use super::events::Event;
use super::setup::{name_of, number_of};
use super::{Rig, Side, Stage};
use crate::coverage::Point;
use crate::oracle::{Violation, holds};

/// Of the time in which a track is to be given back, this part is left for the way of the answer.
const ANSWER_PART: u64 = 4;

/// The log and its group.
#[derive(Debug)]
pub(super) struct GroupSide {
    pub(super) group: GroupLog,
}

impl Rig {
    pub(super) fn group(&mut self) -> Option<&mut GroupLog> {
        match &mut self.side {
            Side::Group(side) => Some(&mut side.group),
            Side::Tree(_) | Side::Channel(_) => None,
        }
    }

    /// Records go to one partition.
    pub(super) fn append_to(&mut self, partition: usize, n: u32) {
        for _ in 0..n {
            let key = self.draw_key();
            let own = self.book.by_source.get(partition).into_iter().flatten().rev();
            let before = own.copied().find(|uid| key.is_some() && self.book.facts[*uid as usize].key == key);
            let uid = self.new_fact(partition, key, before);
            let data = self.draw_body(uid);
            let Some(group) = self.group() else { return };
            group.append(partition, data);
            let log = &group.logs()[partition];
            let position = log.items()[log.items().len() - 1].position.clone();
            self.book.facts[uid as usize].position = position;
        }
        self.wake(Some(partition));
    }

    /// An engine asks its coordinator, now and then: which also tells it that the engine lives.
    pub(super) fn poll_group(&mut self, at: usize, life: u32) -> Result<(), Violation> {
        if !self.is_alive(at, life) {
            return Ok(());
        }
        self.send_offsets(at)?;
        let now_ms = self.now_ms();
        let Some(member) = self.engines[at].member else { return Ok(()) };
        let Some(group) = self.group() else { return Ok(()) };
        let told = group.poll(member, now_ms);
        let has_more = matches!(told, Ok(Some(_)));
        if let Ok(Some(told)) = told {
            self.note(&[50, at as u64], |now| format!("{now:>12} engine {at}: the group says {told:?}"));
            self.hear_the_group(at, told)?;
        }
        let poll_ms = if has_more { 1 } else { self.options.poll_ms };
        let tick = self.soon(poll_ms);
        self.at(tick, Event::Poll { at, life });
        Ok(())
    }

    fn hear_the_group(&mut self, at: usize, told: GroupNews) -> Result<(), Violation> {
        match told {
            GroupNews::Assigned { partition, epoch, committed } => {
                self.coverage.hit(Point::Rebalanced);
                let start = match committed {
                    Some(offset) => Start::Committed(Watermark::At(Position::number(offset))),
                    None => Start::Policy(Watermark::Origin(self.first())),
                };
                let name = name_of(partition);
                let track = TrackInfo { label: name.0.clone(), name, parents: Vec::new() };
                let dealt = Assignment { track, start, epoch };
                let engine = &mut self.engines[at];
                engine.dealt.insert(partition, epoch);
                engine.stood.insert(partition, committed);
                engine.offsets.remove(&partition);
                engine.table.dealt(std::slice::from_ref(&dealt));
                engine.grants.entry(partition).or_default().push_back(dealt);
                let life = engine.life;
                let is_slow = self.strikes(self.options.faults.grant_slow, Point::GrantSlow);
                let tick = if is_slow { self.soon(3000) } else { self.soon(5) };
                self.at(tick, Event::Granted { at, life, partition });
            }
            GroupNews::Revoking { partition, until_ms } => self.hear_a_revocation(at, partition, until_ms)?,
            GroupNews::Lost { partition } => {
                self.coverage.hit(Point::TakenAway);
                let engine = &mut self.engines[at];
                (_, _) = (engine.dealt.remove(&partition), engine.offsets.remove(&partition));
                for idx in engine.table.taken(&[name_of(partition)]) {
                    self.lose(at, idx);
                }
            }
        }
        Ok(())
    }

    /// The store grants a track under its generation, and then it starts. One that was dealt out anew since
    /// is refused: the place in the group is out of date, and the engine begins again.
    pub(super) fn granted(&mut self, at: usize, life: u32, partition: usize) {
        if !self.is_alive(at, life) {
            return;
        }
        let engine = &mut self.engines[at];
        let Some(dealt) = engine.grants.get_mut(&partition).and_then(std::collections::VecDeque::pop_front)
        else {
            return;
        };
        let (lease, store) = (engine.lease, engine.store);
        if self.stores[store].grant(lease, &dealt.track.name, dealt.epoch) {
            self.engines[at].table.granted(vec![dealt]);
        } else {
            self.kill(at);
        }
    }

    fn hear_a_revocation(&mut self, at: usize, partition: usize, until_ms: u64) -> Result<(), Violation> {
        let within_us = (1000 * until_ms).saturating_sub(self.now_us);
        let until_us = self.now_us + within_us - within_us / ANSWER_PART;
        let Revoking { unstarted, held } = self.engines[at].table.revoking(&[name_of(partition)]);
        for name in unstarted {
            self.coverage.hit(Point::RevokedUnstarted);
            self.give_back(at, &name)?;
        }
        let now = self.now();
        for idx in held {
            let engine = &mut self.engines[at];
            if let Some(holding) = engine.holdings.get_mut(&idx) {
                holding.closed_until_us = Some(until_us);
            }
            if let Some(machine) = engine.machine.as_mut() {
                machine.close_track(idx, Close::Within(Tick(until_us)), now);
            }
        }
        Ok(())
    }

    /// A machine let go of a track. C-2: nothing of it runs, or its time is over.
    pub(super) fn hear_of_a_drain(
        &mut self,
        at: usize,
        idx: TrackIdx,
        reaches: &Watermark,
    ) -> Result<(), Violation> {
        let engine = &self.engines[at];
        let is_waiting = engine.table.row(idx).is_some_and(|it| matches!(it.phase, TrackPhase::Waiting(_)));
        if is_waiting && !engine.holds_track(idx) {
            // It had not started.
            return self.let_go(at, idx);
        }
        self.f1_the_engine_has_the_track(at, idx, "a drain")?;
        let engine = &self.engines[at];
        let Some(holding) = engine.holdings.get(&idx) else { return Ok(()) };
        let until_us = holding.closed_until_us;
        holds(Rule::C2, until_us.is_some(), || format!("engine {at}: {idx:?} is let go and was not closed"))?;
        let all = &self.book.by_source.get(holding.source).map_or(&[][..], Vec::as_slice);
        let flying = all.iter().find(|uid| engine.belief_of(**uid).is_flying);
        let is_cut = until_us.is_some_and(|until| until <= self.now_us);
        holds(Rule::C2, is_cut || flying.is_none(), || {
            format!("engine {at}: {idx:?} is let go while record {flying:?} is tried")
        })?;
        self.judge_what_is_told(at, idx, reaches)?;
        self.coverage.hit(if is_cut { Point::TrackCut } else { Point::TrackDrained });
        self.let_go(at, idx)
    }

    /// The track is the engine's no more, and its group hears so.
    fn let_go(&mut self, at: usize, idx: TrackIdx) -> Result<(), Violation> {
        let engine = &mut self.engines[at];
        let (generation, name) = (
            engine.holdings.get(&idx).map_or(0, |it| it.generation),
            engine.table.row(idx).map(|row| row.name.clone()),
        );
        engine.end_holding(idx, generation);
        engine.table.away(idx);
        if let Some(name) = name {
            self.give_back(at, &name)?;
        }
        Ok(())
    }

    /// The group hears the last commits, then that a partition is given back.
    fn give_back(&mut self, at: usize, name: &TrackName) -> Result<(), Violation> {
        let (partition, now_ms) = (number_of(name), self.now_ms());
        self.send_offset(at, partition)?;
        let engine = &mut self.engines[at];
        let member = engine.member;
        engine.dealt.remove(&partition);
        if let (Some(member), Some(group)) = (member, self.group()) {
            // Too late is as good as lost, which the member hears.
            let _ = group.drained(member, partition, now_ms);
        }
        Ok(())
    }

    /// What is durable may be told to the group; the last of it counts.
    pub(super) fn tell_group(&mut self, at: usize, idx: TrackIdx, reaches: &Watermark) {
        let offset = reaches.position().and_then(Position::as_number);
        let engine = &mut self.engines[at];
        let Some(source) = engine.holdings.get(&idx).map(|it| it.source) else { return };
        if let (Some(offset), Some(epoch)) = (offset, engine.dealt.get(&source)) {
            engine.offsets.insert(source, (*epoch, offset));
        }
    }

    fn send_offsets(&mut self, at: usize) -> Result<(), Violation> {
        let partitions: Vec<usize> = self.engines[at].offsets.keys().copied().collect();
        partitions.into_iter().try_for_each(|it| self.send_offset(at, it))
    }

    /// W-5: where the group is told to stand everything below is finished, and it never goes back. What an
    /// engine sends that was fenced the group refuses.
    fn send_offset(&mut self, at: usize, partition: usize) -> Result<(), Violation> {
        let Some((epoch, offset)) = self.engines[at].offsets.remove(&partition) else { return Ok(()) };
        let member = self.engines[at].member;
        let Some((member, group)) = member.zip(self.group()) else { return Ok(()) };
        let before = group.committed(partition);
        if group.commit(member, partition, epoch, offset).is_err() {
            self.coverage.hit(Point::OffsetFenced);
            return Ok(());
        }
        self.book.changed = true;
        holds(Rule::W5, before.is_none_or(|before| before <= offset), || {
            format!("the group of partition {partition} goes back from {before:?} to {offset}")
        })?;
        let at = Watermark::At(Position::number(offset));
        let mut below =
            self.book.below(partition, &at).iter().map(|uid| (uid, &self.book.facts[*uid as usize]));
        let open = below.find(|(_, it)| it.wanted && !it.is_over() && !it.gone);
        holds(Rule::W5, open.is_none(), || {
            format!("the group of partition {partition} stands at {offset}, beyond {open:?}")
        })
    }

    /// An engine leaves and the others get its partitions, or joins again.
    pub(super) fn leave_group(&mut self, at: usize) -> Result<(), Violation> {
        let now_ms = self.now_ms();
        self.send_offsets(at)?;
        let member = self.engines[at].member.take();
        if let (Some(member), Some(group)) = (member, self.group()) {
            group.leave(member, now_ms);
        }
        Ok(())
    }

    pub(super) fn join_group(&mut self, at: usize) {
        let now_ms = self.now_ms();
        let Some(group) = self.group() else { return };
        let member = group.join(now_ms);
        let engine = &mut self.engines[at];
        engine.member = Some(member);
        let life = engine.life;
        let tick = self.soon(5);
        self.at(tick, Event::Poll { at, life });
    }

    /// The coordinator has not heard of an engine for too long.
    pub(super) fn expire(&mut self, at: usize) {
        let now_ms = self.now_ms();
        let member = self.engines[at].member;
        if let (Some(member), Some(group)) = (member, self.group()) {
            group.expire(member, now_ms);
            self.coverage.hit(Point::MemberExpired);
            self.note(&[51, at as u64], |now| format!("{now:>12} the group misses engine {at}"));
        }
    }

    /// Another partition comes.
    pub(super) fn rebalance(&mut self) {
        let now_ms = self.now_ms();
        if self.stage != Stage::Faults || self.book.by_source.len() > 8 {
            return;
        }
        if let Some(group) = self.group() {
            let partition = group.add_partition(now_ms);
            while self.book.by_source.len() <= partition {
                self.book.by_source.push(Vec::new());
            }
            self.append_to(partition, 2);
        }
    }

    /// The coordinator deals nothing out for a while.
    pub(super) fn freeze(&mut self, is_frozen: bool) {
        if let Some(group) = self.group() {
            group.freeze(is_frozen);
        }
    }
}
