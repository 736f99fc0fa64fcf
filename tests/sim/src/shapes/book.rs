//! What is true of each record, and the rules about what an engine asks for: judged by what function, store,
//! destination and source really did, and by what the engine was told.

use std::sync::Arc;

use forebay_batcher::{Checkpoint, Position, Rule, TrackIdx, Watermark};

use super::Rig;
use super::engine::{Engine, Holding};
use crate::oracle::{Violation, holds, is_finished_in};

/// A record and what the world did to it.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    /// The shard or partition; zero for a queue.
    pub(super) source: usize,
    pub(super) position: Position,
    pub(super) key: Option<u32>,
    /// The record of the same key before it, in this track or one that goes before it.
    pub(super) before: Option<u32>,
    /// It passes the filter and lies behind the starting position.
    pub(super) wanted: bool,
    pub(super) is_poison: bool,
    /// Retention took it, or the queue did.
    pub(super) gone: bool,
    /// A reader told that it is gone.
    pub(super) is_told_gone: bool,
    pub(super) n_done: u32,
    pub(super) n_taken: u32,
    pub(super) n_discarded: u32,
    /// Causes for which it may be done once more.
    pub(super) n_excuses: u32,
}

impl Fact {
    /// It has ended by one of the ways.
    pub(super) fn is_over(&self) -> bool {
        self.n_done + self.n_taken + self.n_discarded > 0
    }
}

/// All that is true in a world.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) facts: Vec<Fact>,
    /// Records of each shard or partition, in order.
    pub(super) by_source: Vec<Vec<u32>>,
    /// Something happened that may have been the last.
    pub(super) changed: bool,
}

impl Book {
    /// The numbers of records that nothing has ended, a few of them.
    pub(super) fn unfinished(&self) -> Vec<usize> {
        let open = |it: &Fact| it.wanted && !it.is_over() && !it.gone;
        (0..self.facts.len()).filter(|uid| open(&self.facts[*uid])).take(9).collect()
    }

    /// Records of a source that lie below a bound.
    pub(super) fn below(&self, source: usize, at: &Watermark) -> &[u32] {
        let all = &self.by_source[source];
        match at {
            Watermark::Origin(_) => &[],
            Watermark::At(at) => &all[..all.partition_point(|uid| self.facts[*uid as usize].position < *at)],
        }
    }

    /// An engine that has a track owes this record an end.
    fn is_open(&self, engine: &Engine, uid: u32) -> bool {
        let fact = &self.facts[uid as usize];
        let belief = engine.beliefs.get(uid as usize).cloned().unwrap_or_default();
        fact.wanted && !belief.finished && (belief.handed || !fact.gone)
    }

    /// W-1, N-3 and W-3: a commit passes no open record and nothing that was not read, forgets nothing that
    /// is finished, and none goes back.
    pub(super) fn judge_a_commit(
        &self,
        engine: &Engine,
        holding: &Holding,
        checkpoint: &Checkpoint,
    ) -> Result<(), Violation> {
        let what = |words: String| move || format!("track {}: {words}", holding.source);
        if let (Watermark::At(before), after) = (&holding.committed, &checkpoint.watermark) {
            let is_on = matches!(after, Watermark::At(after) if before <= after);
            holds(Rule::W1, is_on, what(format!("a commit goes back from {before:?} to {after:?}")))?;
        }
        if let Watermark::At(at) = &checkpoint.watermark {
            let is_read = holding.passed.as_ref().is_some_and(|passed| at <= passed);
            holds(Rule::W1, is_read, what(format!("a commit at {at:?} passes {:?}", holding.passed)))?;
        }
        let all = &self.by_source[holding.source];
        for uid in all.iter().skip(holding.first_open) {
            let fact = &self.facts[*uid as usize];
            let is_open = self.is_open(engine, *uid);
            let is_said = is_finished_in(checkpoint, &fact.position);
            holds(Rule::W1, !is_open || !is_said, what(format!("a commit says that {uid} is finished")))?;
            let is_held = engine.finished(*uid) && engine.beliefs[*uid as usize].handed;
            holds(Rule::N3, !is_held || !fact.wanted || is_said, what(format!("a commit forgets {uid}")))?;
        }
        Ok(())
    }

    /// W-5: what is told outward is durable and finished, and never goes back.
    pub(super) fn judge_what_is_durable(
        &self,
        engine: &Engine,
        holding: &Holding,
        synced: Option<&Checkpoint>,
        at: &Watermark,
    ) -> Result<(), Violation> {
        let source = holding.source;
        let is_on = match (&holding.told, at) {
            (Watermark::At(before), Watermark::At(after)) => before <= after,
            (Watermark::At(_), Watermark::Origin(_)) => false,
            (Watermark::Origin(_), _) => true,
        };
        holds(Rule::W5, is_on, || format!("track {source}: told {at:?} after {:?}", holding.told))?;
        let is_kept = synced.is_some_and(|it| match (&it.watermark, at) {
            (Watermark::At(kept), Watermark::At(at)) => at <= kept,
            (_, Watermark::Origin(_)) => true,
            (Watermark::Origin(_), Watermark::At(_)) => false,
        });
        // What the group had when it dealt the track is kept by the group.
        let is_given = holding.heard.is_none() && *at == holding.told;
        holds(Rule::W5, is_kept || is_given, || {
            format!("track {source}: {at:?} is told to be durable, which is {synced:?}")
        })?;
        let open = self.below(source, at).iter().find(|uid| self.is_open(engine, **uid));
        holds(Rule::W5, open.is_none(), || format!("track {source}: {at:?} is told beyond {open:?}"))
    }

    /// T-1: an end is told when all of the track is finished, and that is durable.
    pub(super) fn judge_an_end(
        &self,
        source: usize,
        is_ended: bool,
        synced: Option<&Checkpoint>,
    ) -> Result<(), Violation> {
        let is_kept = synced.is_some_and(|it| it.ended && it.slices.is_empty());
        let open = self.by_source[source].iter().find(|uid| {
            let fact = &self.facts[**uid as usize];
            fact.wanted && !fact.gone && !synced.is_some_and(|it| is_finished_in(it, &fact.position))
        });
        holds(Rule::T1, is_ended && is_kept && open.is_none(), || {
            format!("track {source} is told to have ended with {open:?} open; durable is {synced:?}")
        })
    }
}

impl Rig {
    /// A record comes into being; the caller gives it its place.
    pub(super) fn new_fact(&mut self, source: usize, key: Option<u32>, before: Option<u32>) -> u32 {
        let is_tame = self.stage != super::Stage::Faults;
        let (filtered, poison) = (self.options.filtered, self.options.poison);
        let wanted = is_tame || !self.draw().chance(filtered);
        let is_poison = !is_tame && self.draw().chance(poison);
        let uid = u32::try_from(self.book.facts.len()).expect("worlds are small");
        self.book.facts.push(Fact {
            source,
            position: Position::number(0),
            key,
            before,
            wanted,
            is_poison,
            gone: false,
            is_told_gone: false,
            n_done: 0,
            n_taken: 0,
            n_discarded: 0,
            n_excuses: 0,
        });
        while self.book.by_source.len() <= source {
            self.book.by_source.push(Vec::new());
        }
        self.book.by_source[source].push(uid);
        self.book.changed = true;
        uid
    }

    /// F-1, W-1, N-3: a commit of a track.
    pub(super) fn judge_a_commit(
        &mut self,
        at: usize,
        idx: TrackIdx,
        checkpoint: &Checkpoint,
    ) -> Result<(), Violation> {
        self.f1_the_engine_has_the_track(at, idx, "a commit")?;
        let engine = &mut self.engines[at];
        let Some(mut holding) = engine.holdings.remove(&idx) else { return Ok(()) };
        let all = &self.book.by_source[holding.source];
        while all.get(holding.first_open).is_some_and(|uid| {
            is_finished_in(checkpoint, &self.book.facts[*uid as usize].position)
                && !self.book.is_open(engine, *uid)
        }) {
            holding.first_open += 1;
        }
        let judged = self.book.judge_a_commit(engine, &holding, checkpoint);
        holding.committed.clone_from(&checkpoint.watermark);
        engine.holdings.insert(idx, holding);
        judged
    }

    /// F-1: after it was told of a newer owner an engine acts for that track no more.
    pub(super) fn f1_the_engine_has_the_track(
        &self,
        at: usize,
        idx: TrackIdx,
        what: &str,
    ) -> Result<(), Violation> {
        holds(Rule::F1, self.engines[at].holds_track(idx), || {
            format!("engine {at}: {what} for {idx:?}, which is another's")
        })
    }

    /// C-2: nothing begins on a track that was closed.
    pub(super) fn c2_the_track_is_not_closed(
        &self,
        at: usize,
        idx: TrackIdx,
        what: &str,
    ) -> Result<(), Violation> {
        let is_closed = self.engines[at].holdings.get(&idx).is_some_and(|it| it.closed_until_us.is_some());
        holds(Rule::C2, !is_closed, || format!("engine {at}: {what} begins on {idx:?}, which was closed"))
    }

    /// R-1, N-3 and D-2: what was kept of a track here and is not passed by its new start stays counted and
    /// finished. What was done and is not kept may be done once more.
    pub(super) fn judge_a_start(
        &mut self,
        source: usize,
        known: Option<&Arc<Checkpoint>>,
        from: &Checkpoint,
    ) -> Result<(), Violation> {
        let none: &[u32] = &[];
        let all = self.book.by_source.get(source).map_or(none, Vec::as_slice);
        for uid in all {
            let fact = &self.book.facts[*uid as usize];
            let is_finished = is_finished_in(from, &fact.position);
            let was = known.is_some_and(|it| is_finished_in(it, &fact.position));
            holds(Rule::N3, !was || is_finished || !fact.wanted || fact.gone, || {
                format!("track {source} starts from {from:?} and forgets record {uid}, kept in {known:?}")
            })?;
            let failures = |it: &Checkpoint| {
                let key = fact.key.map_or(forebay_batcher::OrderKey::Free, crate::oracle::order_key);
                let lane = forebay_batcher::lanes::lane_of(&key, &fact.position, it.lanes);
                let of = |slice: &&forebay_batcher::OpenSlice| {
                    slice.lane == lane && slice.first <= fact.position && fact.position <= slice.last
                };
                // What is given up is only told of: nothing of it is tried, whatever its count.
                let count = |it: &forebay_batcher::OpenSlice| match &it.given_up {
                    Some(_) => u32::MAX,
                    None => it.n_failures,
                };
                it.slices.iter().find(of).map_or(0, count)
            };
            let kept = known.filter(|_| !is_finished && fact.wanted).map_or(0, |it| failures(it));
            holds(Rule::R1, kept <= failures(from), || {
                format!("track {source} starts from {from:?} and forgets {kept} retries of record {uid}")
            })?;
        }
        for uid in all.iter().copied() {
            let fact = &mut self.book.facts[uid as usize];
            fact.n_excuses += u32::from(fact.n_done > 0 && !is_finished_in(from, &fact.position));
        }
        Ok(())
    }
}
