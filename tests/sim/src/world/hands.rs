//! Tracks change hands within one life of the machine: closed with time, given back, and what answers too
//! late.

use forebay_batcher::{Close, Rule, Tick, TrackIdx, Watermark};

use super::events::Event;
use super::{Phase, World};
use crate::coverage::Point;
use crate::oracle::{Violation, holds};

impl World {
    /// Draws when tracks are closed.
    pub(super) fn schedule_revocations(&mut self, permille: u32) {
        let (n_tracks, span_ms) = (self.options.n_tracks, self.options.safety_ms);
        for _ in 0..4 {
            let hands = self.choices.hands();
            if hands.chance(permille) {
                let span_ms = hands.pick(&[span_ms / 20, span_ms / 4, span_ms]);
                let (at_ms, track) = (hands.below(span_ms.max(1)), hands.below(n_tracks) as usize);
                self.events.push(self.now_us + 1000 * u64::from(at_ms), Event::Revoke { track });
            }
        }
    }

    /// Another process is to have the track: it is closed, how is drawn.
    pub(super) fn revoke(&mut self, track: usize) {
        let Some(owner) = self.owner_of(track).filter(|owner| !self.oracle.is_closed(*owner)) else { return };
        if self.machine.is_none()
            || self.is_closing()
            || self.tracks[track].finished
            || self.phase != Phase::Safety
        {
            return;
        }
        let span_ms = self.choices.hands().pick(&[3000, 100, 400, 20_000]);
        let until = Tick(self.now_us + 1000 * span_ms);
        let how = self.choices.hands().pick(&[
            Close::Within(until),
            Close::Finish,
            Close::Within(until),
            Close::Abandon,
        ]);
        self.coverage.hit(Point::TrackClosed);
        if self.oracle.runs(owner) {
            self.coverage.hit(Point::ClosedInFlight);
        }
        if self
            .oracle
            .handed_of(owner)
            .map(|uid| &self.oracle.entries[uid])
            .any(|it| it.tried > 0 && !it.finished && !it.in_flight)
        {
            self.coverage.hit(Point::ClosedInRetry);
        }
        // What is let go before it is durable is done again.
        self.n_extra_calls += self.n_wanted();
        self.trace
            .note(&[23, u64::from(owner.0)], || format!("{:>12} close {how:?} of {}", self.now_us, owner.0));
        self.oracle.close_track(
            owner,
            match how {
                Close::Finish => u64::MAX,
                Close::Within(until) => until.0,
                Close::Abandon => self.now_us,
            },
        );
        let now = self.now();
        if let Some(machine) = self.machine.as_mut() {
            machine.close_track(owner, how, now);
        }
        self.look_now();
    }

    /// The machine lets go of a track, which comes back some time later.
    pub(super) fn hear_of_a_drain(&mut self, owner: TrackIdx, reaches: &Watermark) -> Result<(), Violation> {
        let is_whole = self.oracle.c2_a_track_is_let_go_whole_or_at_its_time(owner, reaches, self.now_us)?;
        self.coverage.hit(if is_whole { Point::TrackDrained } else { Point::TrackCut });
        let reader = self.owners.remove(&owner);
        holds(Rule::C2, reader.is_some(), || format!("{owner:?} is let go twice"))?;
        self.oracle.end_ownership(owner);
        if let Some(reader) = reader {
            self.leave_reads_behind(owner, &reader);
            let at = self.now_us + 1000 * self.choices.hands().pick(&[1_u64, 0, 100, 3000]);
            self.events.push(at, Event::Regain { track: reader.source });
        }
        Ok(())
    }

    /// The number that a track gets: its own where it comes back in this life.
    pub(super) fn number_for(&mut self, source: usize) -> TrackIdx {
        let former = self.oracle.owners.iter().find(|(_, it)| it.source == source).map(|(owner, _)| *owner);
        if let Some(owner) = former.filter(|_| self.options.comes_back) {
            self.coverage.hit(Point::TrackCameBack);
            self.oracle.forget_ownership(owner);
            return owner;
        }
        self.next_owner += 1;
        TrackIdx(self.next_owner - 1)
    }

    /// Reads that an ownership had open answer all the same, to nobody.
    pub(super) fn leave_reads_behind(&mut self, owner: TrackIdx, reader: &super::tracks::Reader) {
        for read in self.reads.values_mut().filter(|read| read.order.track == Some(owner)) {
            read.order.track = None;
            read.former = Some((owner, reader.clone()));
        }
    }
}
