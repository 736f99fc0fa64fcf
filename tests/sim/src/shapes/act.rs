//! What a machine asks for, carried out for its engine, and the parts of the shell that stand between both:
//! tracks that start, end, are lost and given back.

use std::sync::Arc;

use forebay_batcher::{Action, Checkpoint, Lost, Origin, ReadOrder, Rule, TrackIdx, TrackStart, Watermark};

use super::engine::{Asked, Belief, Holding, TrackReader};
use super::events::Event;
use super::{Rig, Side};
use crate::coverage::Point;
use crate::oracle::{Violation, holds, is_finished_in};

impl Rig {
    /// Starts the tracks that may start and carries out all that an engine's machine asks for. A process that
    /// stands still does nothing.
    pub(super) fn drain(&mut self, at: usize) -> Result<(), Violation> {
        if self.engines[at].machine.is_none() || self.engines[at].stalled_until_us > self.now_us {
            return Ok(());
        }
        self.start_tracks(at)?;
        let mut n_actions = 0;
        while let Some(action) =
            self.engines[at].machine.as_mut().and_then(forebay_batcher::Machine::poll_action)
        {
            self.act(at, action)?;
            n_actions += 1;
            holds(Rule::L1, n_actions < 10_000, || "actions without end".to_owned())?;
        }
        self.stop_when_quiet(at)
    }

    fn act(&mut self, at: usize, action: Action) -> Result<(), Violation> {
        match action {
            Action::Read(order) => {
                self.note(&[10, at as u64, order.id.0, u64::from(order.records_max)], |now| {
                    format!("{now:>12}   {at} -> {order:?}")
                });
                self.read(at, order)
            }
            Action::Want(n) => {
                self.note(&[11, at as u64, u64::from(n)], |now| format!("{now:>12}   {at} -> want {n}"));
                self.engines[at].want = n;
                self.pump_gate(at);
                Ok(())
            }
            Action::Invoke(_, attempt) => {
                let n_records = attempt.slice.n_records() as u64;
                self.note(&[12, at as u64, attempt.id.0, n_records], |now| {
                    let uids: Vec<u32> =
                        attempt.slice.records().iter().map(super::function::uid_of).collect();
                    format!("{now:>12}   {at} -> invoke {} {:?} {uids:?}", attempt.id.0, attempt.why)
                });
                self.invoke(at, &attempt)
            }
            Action::Return(_) => {
                self.engines[at].n_out -= 1;
                self.pump_gate(at);
                Ok(())
            }
            Action::Deliver(notice) => {
                self.note(&[14, at as u64, notice.id.0], |now| {
                    let uids: Vec<u32> = notice.slice.records().iter().map(super::function::uid_of).collect();
                    format!("{now:>12}   {at} -> deliver {} {:?} {uids:?}", notice.id.0, notice.condition)
                });
                self.deliver(at, &notice)
            }
            Action::Discarded(discard) => self.discard(at, &discard),
            // No plan of these worlds lets anything wait for an operator.
            Action::Paused(_) | Action::Decided(_) => {
                holds(Rule::E1, false, || format!("engine {at}: something waits for nobody"))
            }
            Action::Commit(id, idx, checkpoint) => {
                self.note(&[16, at as u64, id.0, u64::from(idx.0)], |now| {
                    format!(
                        "{now:>12}   {at} -> commit {} of {}: {:?} finished {:?} slices {} ended {}",
                        id.0,
                        idx.0,
                        checkpoint.watermark,
                        checkpoint.finished,
                        checkpoint.slices.len(),
                        checkpoint.ended
                    )
                });
                self.commit(at, id, idx, checkpoint)
            }
            Action::Settle(id, settlements) => {
                self.note(&[17, at as u64, id.0, settlements.len() as u64], |now| {
                    format!("{now:>12}   {at} -> settle {} {settlements:?}", id.0)
                });
                self.settle(at, id, settlements)
            }
            Action::Extend(_, receipts, _) => holds(Rule::Q3, false, || {
                format!("engine {at}: {receipts:?} are hidden for longer, which never lapse")
            }),
            Action::Ended(idx) => {
                self.note(&[19, at as u64, u64::from(idx.0)], |now| {
                    format!("{now:>12}   {at} -> ended {}", idx.0)
                });
                self.hear_of_an_end(at, idx)
            }
            Action::Durable(idx, reaches) => {
                self.note(&[21, at as u64, u64::from(idx.0)], |now| {
                    format!("{now:>12}   {at} -> durable {}: {reaches:?}", idx.0)
                });
                self.hear_of_a_durable_bound(at, idx, &reaches)
            }
            Action::Drained(idx, reaches) => {
                self.note(&[22, at as u64, u64::from(idx.0)], |now| {
                    format!("{now:>12}   {at} -> drained {}: {reaches:?}", idx.0)
                });
                self.hear_of_a_drain(at, idx, &reaches)
            }
        }
    }

    /// Tracks start that may: after their parents, where they were kept or are dealt to begin.
    fn start_tracks(&mut self, at: usize) -> Result<(), Violation> {
        let engine = &mut self.engines[at];
        if engine.is_closing || engine.is_fenced {
            return Ok(());
        }
        for TrackStart { idx, name, from } in engine.table.start() {
            self.start_track(at, idx, super::setup::number_of(&name), from)?;
        }
        Ok(())
    }

    fn start_track(
        &mut self,
        at: usize,
        idx: TrackIdx,
        source: usize,
        from: Checkpoint,
    ) -> Result<(), Violation> {
        self.judge_where_it_starts(at, source, &from)?;
        let known = self.engines[at].known.get(&source).cloned();
        self.judge_a_start(source, known.as_ref(), &from)?;
        let generation = self.engines[at].table.row(idx).map_or(0, |row| row.generation);
        self.note(&[3, at as u64, u64::from(idx.0), source as u64], |now| {
            format!(
                "{now:>12} engine {at} starts {} = track {source} of generation {generation} from {from:?}",
                idx.0
            )
        });
        let now = self.now();
        let uids = self.book.by_source.get(source).cloned().unwrap_or_default();
        let engine = &mut self.engines[at];
        for uid in uids {
            let finished = is_finished_in(&from, &self.book.facts[uid as usize].position);
            *engine.belief(uid) = Belief { finished, was_kept: finished, ..Belief::default() };
        }
        engine.end_former(idx);
        engine.known.insert(source, Arc::new(from.clone()));
        engine.holdings.insert(
            idx,
            Holding {
                source,
                generation,
                is_over: false,
                closed_until_us: None,
                passed: from.watermark.position().cloned(),
                committed: from.watermark.clone(),
                told: from.watermark.clone(),
                heard: None,
                restored_last: from.slices.iter().map(|it| it.last.clone()).max(),
                first_open: 0,
            },
        );
        engine.readers.insert(idx, TrackReader::new(source, from.watermark.clone()));
        // Its group may stand behind what was kept here.
        self.tell_group(at, idx, &from.watermark);
        let engine = &mut self.engines[at];
        if let Some(machine) = engine.machine.as_mut() {
            // What is kept are bytes.
            let kept =
                Checkpoint::decode(&from.encode()).expect("a checkpoint can be read as it was written");
            machine.handle_assigned(idx, kept, now);
        }
        Ok(())
    }

    /// T-1 and P-1: a child starts after all its parents and at its first record, unless it was read before;
    /// a partition no earlier than where its group stands.
    fn judge_where_it_starts(
        &mut self,
        at: usize,
        source: usize,
        from: &Checkpoint,
    ) -> Result<(), Violation> {
        if let Side::Group(_) = &self.side {
            let committed = self.engines[at].stood.get(&source).copied().flatten();
            let starts = from.watermark.position().and_then(forebay_batcher::Position::as_number);
            return holds(Rule::P1, committed <= starts, || {
                format!("partition {source} starts at {starts:?}, and its group stands at {committed:?}")
            });
        }
        let Side::Tree(side) = &self.side else { return Ok(()) };
        let parents = side.tree.shards()[source].parents.clone();
        for parent in &parents {
            let open = self.book.by_source.get(*parent).into_iter().flatten().find(|uid| {
                let fact = &self.book.facts[**uid as usize];
                fact.wanted && !fact.gone && !fact.is_over()
            });
            holds(Rule::T1, open.is_none(), || {
                format!("shard {source} starts, and record {open:?} of its parent {parent} is not finished")
            })?;
        }
        let kept = self.stores[self.engines[at].store].rows.get(&super::setup::name_of(source));
        // An engine that does not know yet that another took over may start what that one has forgotten.
        let was_kept = self.engines[at].known.contains_key(&source);
        let is_kept = was_kept || kept.is_some_and(|it| it.written.is_some());
        let is_first = from.watermark == Watermark::Origin(self.first());
        holds(Rule::P1, is_kept || is_first, || {
            format!("shard {source} was never read and starts at {:?}", from.watermark)
        })?;
        if !parents.is_empty() {
            self.coverage.hit(if self.options.latest { Point::LatestChild } else { Point::ChildStarted });
        }
        Ok(())
    }

    /// The first record of any track.
    pub(super) fn first(&self) -> Origin {
        Origin(forebay_batcher::ShortBytes::new(b"first"))
    }

    /// A machine reads a track or receives.
    fn read(&mut self, at: usize, order: ReadOrder) -> Result<(), Violation> {
        if let Some(idx) = order.track {
            if self.engines[at].is_fenced {
                // Its feed knows of no track any more.
                return Ok(());
            }
            self.f1_the_engine_has_the_track(at, idx, "a read")?;
            self.c2_the_track_is_not_closed(at, idx, "a read")?;
            self.n1_a_read_has_room(at, idx, &order)?;
        }
        let (life, id) = (self.engines[at].life, order.id);
        let wait_us = u64::try_from(order.wait.as_micros()).unwrap_or(u64::MAX).clamp(1000, 60_000_000);
        let until_us = self.now_us + wait_us;
        self.engines[at]
            .reads
            .insert(id, Asked { order, until_us, is_answered: false, is_parked: false, is_former: false });
        let tick = self.soon(20);
        self.at(tick, Event::Look { at, life, id });
        Ok(())
    }

    /// N-1: nothing is read beyond the memory, but for a track that has nothing and for the slices of a
    /// former life.
    fn n1_a_read_has_room(&self, at: usize, idx: TrackIdx, order: &ReadOrder) -> Result<(), Violation> {
        let engine = &self.engines[at];
        let held = engine.machine.as_ref().map_or(0, forebay_batcher::Machine::held_bytes);
        let room = self.plan.held_bytes_max.saturating_sub(held);
        let Some(holding) = engine.holdings.get(&idx) else { return Ok(()) };
        let is_filling = holding
            .restored_last
            .as_ref()
            .is_some_and(|last| holding.passed.as_ref().is_none_or(|passed| passed <= last));
        let has = |uid: &u32| engine.beliefs.get(*uid as usize).is_some_and(|it| it.handed && !it.finished);
        let all = self.book.by_source.get(holding.source).map_or(&[][..], |it| &it[holding.first_open..]);
        let holds_nothing = !all.iter().any(has);
        holds(Rule::N1, order.bytes_max <= room.max(1) && (room > 0 || is_filling || holds_nothing), || {
            format!("engine {at}: a read of {idx:?} of {} bytes, and {held} are held", order.bytes_max)
        })
    }

    /// A track was read to its end and all of it is finished: its children may start.
    fn hear_of_an_end(&mut self, at: usize, idx: TrackIdx) -> Result<(), Violation> {
        self.f1_the_engine_has_the_track(at, idx, "an end")?;
        let Some(holding) = self.engines[at].holdings.get(&idx) else { return Ok(()) };
        let (source, generation) = (holding.source, holding.generation);
        let synced = self.synced(at, source);
        let is_ended = match &self.side {
            Side::Tree(side) => side.tree.shards()[source].log.is_ended(),
            Side::Group(_) | Side::Channel(_) => false,
        };
        // A former owner's end may be known, and forgotten, by the one that has the lease.
        if self.has_lease(at) {
            self.book.judge_an_end(source, is_ended, synced.as_deref())?;
        }
        if self.book.by_source.get(source).is_none_or(Vec::is_empty) {
            self.coverage.hit(Point::EmptyShardEnded);
        }
        self.engines[at].end_holding(idx, generation);
        self.engines[at].table.ended(idx);
        self.book.changed = true;
        self.start_tracks(at)
    }

    /// Whether the lease of an engine is the last that its store granted.
    pub(super) fn has_lease(&self, at: usize) -> bool {
        self.engines[at].lease == self.stores[self.engines[at].store].lease
    }

    /// What a store has on disk of a track.
    pub(super) fn synced(&self, at: usize, source: usize) -> Option<Arc<Checkpoint>> {
        let rows = &self.stores[self.engines[at].store].rows;
        rows.get(&super::setup::name_of(source)).and_then(|it| it.synced.clone())
    }

    fn hear_of_a_durable_bound(
        &mut self,
        at: usize,
        idx: TrackIdx,
        reaches: &Watermark,
    ) -> Result<(), Violation> {
        self.f1_the_engine_has_the_track(at, idx, "a durable bound")?;
        self.judge_what_is_told(at, idx, reaches)?;
        self.tell_group(at, idx, reaches);
        Ok(())
    }

    pub(super) fn judge_what_is_told(
        &mut self,
        at: usize,
        idx: TrackIdx,
        reaches: &Watermark,
    ) -> Result<(), Violation> {
        let Some(holding) = self.engines[at].holdings.get(&idx) else { return Ok(()) };
        if !self.has_lease(at) {
            return Ok(());
        }
        let synced = self.synced(at, holding.source);
        self.book.judge_what_is_durable(&self.engines[at], holding, synced.as_deref(), reaches)?;
        if let Some(holding) = self.engines[at].holdings.get_mut(&idx) {
            holding.told.clone_from(reaches);
        }
        Ok(())
    }

    /// The machine hears that a track is another's.
    pub(super) fn lose(&mut self, at: usize, idx: TrackIdx) {
        let generation = self.engines[at].holdings.get(&idx).map_or(0, |it| it.generation);
        self.engines[at].end_holding(idx, generation);
        let now = self.now();
        if let Some(machine) = self.engines[at].machine.as_mut() {
            machine.handle_lost(Lost::Track(idx), now);
        }
    }

    /// Another has the mapping: with it all tracks are lost.
    pub(super) fn fence(&mut self, at: usize) {
        self.coverage.hit(Point::ZombieFenced);
        for idx in self.engines[at].table.open() {
            self.lose(at, idx);
        }
    }
}

impl TrackReader {
    /// A reader at a bound.
    pub(super) fn new(source: usize, at: Watermark) -> Self {
        let (rest, passed) = (std::collections::VecDeque::new(), at.position().cloned());
        Self {
            source,
            at,
            iterator: None,
            subscription: None,
            cursor: None,
            rest,
            children: None,
            gap: None,
            passed,
        }
    }
}
