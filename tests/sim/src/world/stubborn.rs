//! What goes on failing after the heal: a hundred times in a row, while all that it does not hold back must
//! get done.

use forebay_batcher::lanes::lane_of;
use forebay_batcher::{OrderKey, Rule, SourceNotice};

use super::events::Event;
use super::{Phase, World};
use crate::coverage::Point;
use crate::options::Stubborn;
use crate::oracle::{Pause, Poison, RETRY_FIRST_MS, Truth, Violation, holds, order_key};

const N_FAILURES: u32 = 100;
/// When all others must be done, where they need no longer one after the other; and for how long it fails after
/// that.
const OTHERS_US: u64 = 700_000_000;
const LASTS_ON_US: u64 = 300_000_000;
/// So many attempts are thought of where nothing bounds them.
const ATTEMPTS: u32 = 8;

/// How far it has come.
#[derive(Debug, Default)]
pub(super) struct Stubbornness {
    /// It fails still.
    is_on: bool,
    n_failures: u32,
    /// When all others must be done.
    others_by_us: u64,
    /// The record that makes the function fail, or that is given up.
    victim: Option<u32>,
}

/// Nothing more is to come of a record.
fn is_done(truth: &Truth) -> bool {
    truth.n_done + truth.n_taken + truth.n_discarded > 0 || truth.gone || !truth.wanted
}

impl World {
    /// The heal: what is stubborn begins.
    pub(super) fn begin_stubbornness(&mut self) {
        self.stubbornness.is_on = self.options.stubborn != Stubborn::Nothing;
        if !self.stubbornness.is_on {
            return;
        }
        if let Stubborn::Record | Stubborn::Destination = self.options.stubborn {
            self.stubbornness.victim = self.send_victim();
        }
        for track in 0..self.tracks.len() {
            // What comes behind it, by other keys, on other tracks.
            for _ in 0..6 {
                self.append_or_send(track);
            }
        }
        self.stubbornness.others_by_us = self.healed_us + OTHERS_US.max(self.serial_us());
        let is_of_one = matches!(self.options.stubborn, Stubborn::Record | Stubborn::Destination);
        if self.options.lanes_change && is_of_one && !self.oracle.is_queue {
            for _ in 0..3 {
                let at = self.now_us + 1000 * u64::from(self.choices.latest().between(2000, 120_000));
                self.events.push(at, Event::ChangeLanes);
            }
        }
    }

    /// How long what is left takes at most: one record of a track after the other, as where all have one key, or
    /// one of all where no more may run at once.
    fn serial_us(&self) -> u64 {
        let n_attempts =
            self.plan.retry.retries_max.map_or(ATTEMPTS, |retries| retries.saturating_add(1)).min(ATTEMPTS);
        let attempt_us = 1000 * u64::from(self.options.latency_max_ms);
        let pauses = (1..n_attempts).map(|n| Pause::after(0, RETRY_FIRST_MS, n - 1).due_us);
        let poisoned_us = u64::from(n_attempts) * attempt_us + pauses.sum::<u64>();
        let takes_us = |uid: &u32| match &self.oracle.truths[*uid as usize] {
            it if is_done(it) => 0,
            it if it.poison == Poison::Harmless => attempt_us,
            _ => poisoned_us,
        };
        let of_tracks = self.oracle.by_track.iter().map(|uids| uids.iter().map(takes_us).sum::<u64>());
        let (longest, all) = of_tracks.fold((0, 0), |(longest, all), it| (it.max(longest), all + it));
        let at_once = self.plan.concurrency_max.map_or(u64::MAX, |it| u64::from(it.get()));
        longest.max(all / at_once)
    }

    pub(super) fn append_or_send(&mut self, track: usize) {
        if self.oracle.is_queue {
            self.send(1);
        } else if !self.tracks[track].log.is_ended() {
            self.append(track, 1);
        }
    }

    fn send_victim(&mut self) -> Option<u32> {
        let victim = u32::try_from(self.oracle.truths.len()).expect("worlds are small");
        self.append_or_send(self.stubborn_track()?);
        let truth = self.oracle.truths.get_mut(victim as usize)?;
        truth.poison = Poison::Stays;
        Some(victim)
    }

    /// The record that fails by itself.
    pub(super) fn victim(&self) -> Option<u32> {
        self.stubbornness.victim
    }

    /// The track on which it is.
    fn stubborn_track(&self) -> Option<usize> {
        (0..self.tracks.len())
            .find(|track| self.tracks[*track].started && !self.tracks[*track].log.is_ended())
    }

    /// A commit of this track fails.
    pub(super) fn is_stubborn_store(&mut self, track: usize) -> bool {
        self.options.stubborn == Stubborn::Store
            && self.stubborn_track() == Some(track)
            && self.fails_again(Point::StubbornStore)
    }

    /// A read fails.
    pub(super) fn is_stubborn_source(&mut self, track: Option<usize>) -> Option<SourceNotice> {
        let is_its = self.options.stubborn == Stubborn::Source
            && track.is_none_or(|track| self.stubborn_track() == Some(track));
        let fails = is_its && self.fails_again(Point::StubbornSource);
        fails.then(|| SourceNotice::Down { error: "no route for long".into() })
    }

    /// A notice is refused.
    pub(super) fn is_stubborn_destination(&mut self) -> bool {
        self.options.stubborn == Stubborn::Destination && self.fails_again(Point::StubbornDestination)
    }

    /// These records meet the one that makes the function fail.
    pub(super) fn meets_the_victim(&mut self, uids: &[u32]) {
        if self.stubbornness.victim.is_some_and(|victim| uids.contains(&victim))
            && self.options.stubborn == Stubborn::Record
            && !self.fails_again(Point::StubbornRecord)
            && let Some(victim) = self.stubbornness.victim
        {
            self.oracle.truths[victim as usize].poison = Poison::Harmless;
        }
    }

    /// Nothing is left that could fail once more: the world may end.
    pub(super) fn heal_by_now(&mut self) {
        let victim = self.stubbornness.victim.map(|victim| &self.oracle.truths[victim as usize]);
        if victim.is_some_and(|victim| victim.gone || victim.n_done + victim.n_taken > 0) {
            self.stubbornness.is_on = false;
        }
    }

    fn fails_again(&mut self, point: Point) -> bool {
        if !self.stubbornness.is_on || self.phase == Phase::Safety {
            return false;
        }
        self.stubbornness.n_failures += 1;
        if self.stubbornness.n_failures > N_FAILURES
            && self.now_us > self.stubbornness.others_by_us + LASTS_ON_US
        {
            self.stubbornness.is_on = false;
            self.coverage.hit(point);
            self.changed = true;
        }
        self.stubbornness.is_on
    }

    /// S-2: what fails for ever stops no other: by now all that it does not hold back is finished.
    pub(super) fn s2_all_others_are_done(&self) -> Result<(), Violation> {
        if !self.stubbornness.is_on || self.oracle.is_queue || self.now_us < self.stubbornness.others_by_us {
            return Ok(());
        }
        let Some(stubborn) = self.stubborn_track() else { return Ok(()) };
        for (track, uids) in
            self.oracle.by_track.iter().enumerate().filter(|(track, _)| self.tracks[*track].started)
        {
            for uid in uids {
                let truth = &self.oracle.truths[*uid as usize];
                holds(Rule::S2, is_done(truth) || self.is_held_back(*uid, track, stubborn), || {
                    format!(
                        "record {uid} of track {track} is not done, and {:?} has failed {} times; {}",
                        self.options.stubborn,
                        self.stubbornness.n_failures,
                        self.whereabouts()
                    )
                })?;
            }
        }
        Ok(())
    }

    /// It may wait for what is stubborn: on the same lane, or in a batch that fails as a whole.
    fn is_held_back(&self, uid: u32, track: usize, stubborn: usize) -> bool {
        let is_mixed = self.plan.mixes_tracks;
        match self.options.stubborn {
            Stubborn::Nothing => false,
            // A track whose commits fail takes no new work, and a batch of several tracks waits for all of
            // theirs.
            Stubborn::Store | Stubborn::Source => track == stubborn || is_mixed,
            // A partial answer keeps back all of its track behind the record that it names, on whatever lanes
            // of the batch.
            Stubborn::Record
                if is_mixed && (!self.plan.retry.bisect || self.plan.retry.partial_responses) =>
            {
                true
            }
            // The memory that one track holds is one for all; what of it others need they get.
            Stubborn::Record if self.options.cramped => is_mixed || track == stubborn,
            Stubborn::Record | Stubborn::Destination => {
                let lane = |uid: u32, n_lanes: u32| {
                    let truth = &self.oracle.truths[uid as usize];
                    lane_of(&truth.key.map_or(OrderKey::Free, order_key), &truth.position, n_lanes)
                };
                // Their number may not have changed yet, for something is in retry.
                let is_shared = |other: u32| {
                    self.oracle
                        .plans
                        .iter()
                        .any(|it| lane(other, it.lanes.get()) == lane(uid, it.lanes.get()))
                };
                // A destination that takes nothing holds back every lane that gave something up.
                self.options.stubborn == Stubborn::Destination
                    && self.oracle.by_track[track]
                        .iter()
                        .any(|other| is_shared(*other) && self.oracle.is_told(*other))
                    || track == stubborn && self.stubbornness.victim.is_some_and(is_shared)
            }
        }
    }
}
