//! C-2 and W-5: a track that is closed, and how far one is durable.

use forebay_batcher::{Rule, TrackIdx, Watermark};

use super::ownership::is_finished_in;
use super::{Oracle, Violation, holds};

/// Stands for the number of a track that an attempt or a notice had in a former life of that number.
pub(crate) const FORMER: u32 = u32::MAX - 1;

impl Oracle {
    /// A track is closed, with time until then.
    pub(crate) fn close_track(&mut self, track: TrackIdx, until_us: u64) {
        if let Some(owner) = self.owners.get_mut(&track) {
            owner.closed_until_us = Some(until_us);
        }
    }

    /// It was closed and is not let go yet.
    pub(crate) fn is_closed(&self, track: TrackIdx) -> bool {
        self.owners.get(&track).is_some_and(|owner| owner.closed_until_us.is_some() && !owner.over)
    }

    /// An attempt or a notice of it is out.
    pub(crate) fn runs(&self, track: TrackIdx) -> bool {
        self.flights.values().any(|flight| flight.owner_of.contains(&track.0))
            || self.notices.values().flatten().any(|(_, owner)| *owner == track.0)
    }

    /// C-2: nothing begins on a track that was closed.
    pub(crate) fn c2_nothing_begins_on_a_closed_track(
        &self,
        track: TrackIdx,
        what: &str,
    ) -> Result<(), Violation> {
        holds(Rule::C2, !self.is_closed(track), || format!("{what} of {track:?}, which was closed"))
    }

    /// C-2: a closed track is let go at its time at the latest.
    pub(crate) fn c2_a_closed_track_keeps_its_time(&self, now_us: u64) -> Result<(), Violation> {
        for (track, owner) in self.owners.iter().filter(|(_, owner)| !owner.over) {
            holds(Rule::C2, owner.closed_until_us.is_none_or(|until_us| now_us <= until_us), || {
                format!("{track:?} was to be let go at {:?} at the latest", owner.closed_until_us)
            })?;
        }
        Ok(())
    }

    /// C-2: before its time a closed track is let go only when nothing of it runs and all that it did is
    /// durable; whether that is so.
    pub(crate) fn c2_a_track_is_let_go_whole_or_at_its_time(
        &self,
        track: TrackIdx,
        reaches: &Watermark,
        now_us: u64,
    ) -> Result<bool, Violation> {
        let Some(owner) = self.owners.get(&track) else {
            return holds(Rule::C2, false, || format!("{track:?} is let go, which is not known"))
                .map(|()| false);
        };
        let until_us = owner.closed_until_us;
        holds(Rule::C2, until_us.is_some(), || format!("{track:?} is let go, and nobody closed it"))?;
        holds(Rule::W5, owner.over || *reaches == owner.heard.watermark, || {
            format!("{track:?} is let go as durable to {reaches:?}, which is {:?}", owner.heard.watermark)
        })?;
        let is_open = self.commits.values().any(|(other, _)| *other == track)
            || self.unsynced.keys().any(|(other, _)| *other == track);
        let is_kept = |uid: &u32| {
            let (entry, truth) = (&self.entries[*uid as usize], &self.truths[*uid as usize]);
            !entry.fixed || truth.gone || !truth.wanted || is_finished_in(&owner.heard, &truth.position)
        };
        let forgotten = self.by_track[owner.source].iter().find(|uid| !is_kept(uid));
        let is_whole = !self.runs(track) && !is_open && forgotten.is_none();
        let is_gone = owner.over || owner.position_lost;
        holds(Rule::C2, is_whole || is_gone || until_us.is_some_and(|until_us| until_us <= now_us), || {
            format!(
                "{track:?} is let go before its time: a commit is open {is_open}, it runs {}, forgets {forgotten:?}",
                self.runs(track)
            )
        })?;
        let is_counted = self.r1_a_checkpoint_holds_what_was_tried(track, &owner.heard);
        if is_gone || until_us.is_some_and(|until_us| until_us <= now_us) {
            return Ok(is_whole && is_counted.is_ok());
        }
        is_counted.map(|()| true)
    }

    /// W-5: what is told to be durable of a track is so, and lies ahead of what was told before.
    pub(crate) fn w5_what_is_told_is_durable(
        &mut self,
        track: TrackIdx,
        reaches: Watermark,
    ) -> Result<(), Violation> {
        self.f1_no_action_after_the_track_is_lost(track, "a durable watermark")?;
        let Some(owner) = self.owners.get_mut(&track) else { return Ok(()) };
        holds(Rule::W5, reaches == owner.heard.watermark, || {
            format!("{track:?} is told to be durable to {reaches:?}, and is to {:?}", owner.heard.watermark)
        })?;
        let goes_on = match (&owner.told, &reaches) {
            (Watermark::At(before), Watermark::At(after)) => before < after,
            (Watermark::Origin(_), Watermark::At(_)) => true,
            (_, Watermark::Origin(_)) => false,
        };
        holds(Rule::W5, goes_on, || {
            format!("{track:?} is told to be durable to {reaches:?} after {:?}", owner.told)
        })?;
        owner.told = reaches;
        Ok(())
    }

    /// W-5: how far a track is durable is told as soon as it is so.
    pub(crate) fn w5_what_is_durable_is_told(&self) -> Result<(), Violation> {
        for (track, owner) in self.owners.iter().filter(|(_, owner)| !owner.over && !owner.position_lost) {
            holds(Rule::W5, owner.told == owner.heard.watermark, || {
                format!(
                    "{track:?} is durable to {:?}, and nobody was told more than {:?}",
                    owner.heard.watermark, owner.told
                )
            })?;
        }
        Ok(())
    }

    /// The number of a track begins a new life: what a former one had out belongs to nobody.
    pub(crate) fn forget_ownership(&mut self, track: TrackIdx) {
        for flight in self.flights.values_mut() {
            flight.owner_of.iter_mut().filter(|owner| **owner == track.0).for_each(|owner| *owner = FORMER);
            flight.lanes.retain(|(owner, _)| *owner != track.0);
        }
        for (_, owner) in self.notices.values_mut().flatten().filter(|(_, owner)| *owner == track.0) {
            *owner = FORMER;
        }
        self.commits.retain(|_, (owner, _)| *owner != track);
        self.unsynced.retain(|(owner, _), _| *owner != track);
        self.unsaid.remove(&track);
    }
}
