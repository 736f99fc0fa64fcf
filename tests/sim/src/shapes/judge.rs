//! The end of a run: all is done, a fresh record goes through, and what was counted is so.

use forebay_batcher::{Machine, Position, Rule, Watermark};

use super::options::Shape;
use super::setup::name_of;
use super::{DONE_WITHIN_US, Rig, Side, Stage};
use crate::oracle::{Violation, holds};

impl Rig {
    /// The run is over; or it breaks L-1.
    pub(super) fn is_over(&mut self) -> Result<bool, Violation> {
        if self.stage == Stage::Faults {
            return Ok(false);
        }
        holds(Rule::L1, self.now_us - self.healed_us < DONE_WITHIN_US, || {
            format!("not done in time after the heal; {}", self.whereabouts())
        })?;
        if !std::mem::take(&mut self.book.changed) || !self.is_done() {
            return Ok(false);
        }
        if self.stage == Stage::Heal {
            self.stage = Stage::Fresh;
            self.send_fresh();
            return Ok(false);
        }
        self.judge()?;
        Ok(true)
    }

    /// One more record for each track, or for the queue.
    fn send_fresh(&mut self) {
        match self.options.shape {
            Shape::Tree | Shape::Push => self.open_shards().into_iter().for_each(|it| self.put(it, 1)),
            Shape::Group => (0..self.book.by_source.len()).for_each(|it| self.append_to(it, 1)),
            Shape::Channel => self.publish(1),
        }
    }

    fn is_done(&self) -> bool {
        match &self.side {
            Side::Channel(side) => side.queue.n_left() == 0,
            Side::Tree(_) => {
                self.unfinished_shards().is_empty()
                    && self.book_is_done(|rig, source| {
                        rig.stores[0]
                            .rows
                            .get(&name_of(source))
                            .and_then(|it| it.synced.as_ref())
                            .map(|it| it.watermark.clone())
                    })
            }
            Side::Group(_) => self.book_is_done(|rig, source| match &rig.side {
                Side::Group(side) => {
                    side.group.committed(source).map(|it| Watermark::At(Position::number(it)))
                }
                Side::Tree(_) | Side::Channel(_) => None,
            }),
        }
    }

    /// Nothing is open, and what is durable stands behind the last record of every track.
    fn book_is_done(&self, stands: impl Fn(&Self, usize) -> Option<Watermark>) -> bool {
        let is_open = |uid: &u32| {
            let fact = &self.book.facts[*uid as usize];
            fact.wanted && !fact.is_over() && !(fact.gone && fact.is_told_gone)
        };
        self.book.by_source.iter().enumerate().all(|(source, uids)| {
            let is_gone = match &self.side {
                Side::Tree(side) => side.tree.shards().get(source).is_some_and(|it| it.is_gone),
                Side::Group(_) | Side::Channel(_) => false,
            };
            let last = uids.iter().rev().find(|uid| self.book.facts[**uid as usize].wanted);
            let is_behind = last.is_none_or(|uid| {
                let end = &self.book.facts[*uid as usize].position;
                matches!(stands(self, source), Some(Watermark::At(at)) if at > *end)
            });
            is_gone || (is_behind && !uids.iter().any(is_open))
        })
    }

    fn judge(&mut self) -> Result<(), Violation> {
        for (uid, fact) in self.book.facts.iter().enumerate().filter(|(_, it)| it.wanted) {
            holds(Rule::W2, fact.is_over() || fact.gone, || {
                format!("record {uid} is finished by nothing: {fact:?}")
            })?;
        }
        for (at, engine) in self.engines.iter().enumerate() {
            let Some(machine) = engine.machine.as_ref().filter(|_| !engine.is_fenced) else { continue };
            let n_gaps = machine.counts().gaps;
            holds(Rule::N5, n_gaps == engine.n_gaps, || {
                format!("engine {at} counts {n_gaps} gaps, and {} were told", engine.n_gaps)
            })?;
            let is_idle = engine.flights.is_empty()
                && engine.slips.iter().all(|it| it.settled || (it.is_void && !it.is_told) || !it.is_handed);
            let has_all = engine.holdings.values().all(|it| it.is_over || self.is_owner(at, it.source));
            holds(Rule::N1, !is_idle || !has_all || Machine::held_bytes(machine) == 0, || {
                format!("engine {at} holds {} bytes, and all is done", machine.held_bytes())
            })?;
        }
        Ok(())
    }
}
