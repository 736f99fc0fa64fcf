//! The operator and fate: the mapping closes, the process dies, tracks change hands, the wall clock steps.

use std::sync::Arc;

use forebay_batcher::{Close, Lost, Machine, Rule, Tick, TrackIdx};

use super::events::Event;
use super::{Phase, World};
use crate::coverage::Point;
use crate::oracle::{Closing, Poison, Violation, holds};

impl World {
    /// A process starts and gets every track that has not ended.
    pub(super) fn start(&mut self) {
        self.life += 1;
        (self.queue.is_failing, self.queue.n_empty) = (false, 0);
        self.oracle.begin_life(self.now_us);
        self.machine = Some(Machine::new(Arc::clone(&self.plan), u64::from(self.life)));
        self.owners.clear();
        self.reads.clear();
        self.stall_ends();
        self.gate_begins();
        if !self.oracle.is_queue {
            for source in 0..self.tracks.len() {
                let told_again = self.tracks[source].finished && self.choices.chance(200);
                if self.tracks[source].started && (!self.tracks[source].finished || told_again) {
                    self.assign(source);
                }
            }
            self.look_at_what_was_restored();
            return;
        }
        let now = self.now();
        if let Some(machine) = self.machine.as_mut() {
            machine.handle_opened(now);
        }
    }

    fn look_at_what_was_restored(&mut self) {
        let n_restored = self.oracle.owners.values().filter(|owner| owner.restored_last.is_some()).count();
        if self.options.cramped && n_restored > 1 {
            self.coverage.hit(Point::CrampedRestore);
        }
        let retry = &self.plan.retry;
        let mut slices = self.oracle.owners.values().flat_map(|owner| &owner.heard.slices);
        if slices.any(|slice| (slice.retries_max, slice.bisect) != (retry.retries_max, retry.bisect)) {
            self.coverage.hit(Point::RestoredLimits);
        }
    }

    /// The process dies. What it sent is on its way all the same.
    pub(super) fn crash(&mut self) {
        self.coverage.hit(Point::Crash);
        if !self.oracle.flights.is_empty() {
            self.coverage.hit(Point::CrashInFlight);
        }
        if !self.oracle.commits.is_empty() {
            self.coverage.hit(Point::CrashInCommit);
        }
        if !self.oracle.notices.is_empty() {
            self.coverage.hit(Point::CrashInNotice);
        }
        if self.is_in_retry() {
            self.coverage.hit(Point::CrashInRetry);
        }
        if self.oracle.anything_waits() {
            self.coverage.hit(Point::CrashInPause);
        }
        if self.oracle.carries_anything() {
            self.coverage.hit(Point::CrashInWindow);
        }
        self.trace.note(&[6, self.now_us], || format!("{:>12} CRASH", self.now_us));
        self.n_extra_calls += self.n_wanted();
        self.cut_power();
        self.stop();
    }

    /// The machine is gone; another starts soon.
    pub(super) fn stop(&mut self) {
        self.machine = None;
        self.stall_ends();
        if self.oracle.is_queue && self.visibility_us().is_none() {
            self.void_channel();
        }
        let at = self.soon(2000);
        self.events.push(at, Event::Start);
    }

    /// The machine is quiet after a close: what it finished is durable.
    pub(super) fn stop_cleanly(&mut self) -> Result<(), Violation> {
        self.trace.note(&[7, self.now_us], || format!("{:>12} closed and quiet", self.now_us));
        if let Some(machine) = &self.machine {
            self.oracle.n5_the_counts_add_up(&machine.counts(), false)?;
        }
        if self.oracle.is_queue {
            self.oracle.q5_nothing_stays_hidden_after_a_clean_stop(&self.queue.queue, self.now_us)?;
        }
        let faults = &self.options.faults;
        let store_works =
            faults.commit_failed + faults.commit_unheard + faults.store_full + faults.fence == 0;
        if !self.oracle.is_queue && store_works {
            self.oracle.d2_a_clean_stop_leaves_nothing_to_repeat(&self.store.synced)?;
        }
        self.stop();
        Ok(())
    }

    /// The mapping is closed; how is drawn.
    pub(super) fn close(&mut self) {
        if self.machine.is_none() || self.is_closing() || self.phase != Phase::Safety {
            return;
        }
        if self.is_in_retry() {
            self.coverage.hit(Point::CloseInRetry);
        }
        if !self.oracle.notices.is_empty() {
            self.coverage.hit(Point::NoticeAtStop);
        }
        if self.oracle.holds_what_has_not_started() {
            self.coverage.hit(Point::HeldAtStop);
        }
        let how = match self.choices.below(3) {
            0 => Close::Finish,
            1 => Close::Within(Tick(self.soon(5000))),
            _ => Close::Abandon,
        };
        self.oracle.closing = if how == Close::Abandon { Closing::Abandoned } else { Closing::Ending };
        self.coverage.hit(match how {
            Close::Finish => Point::CloseFinish,
            Close::Within(_) => Point::CloseWithin,
            Close::Abandon => Point::CloseAbandon,
        });
        if let Close::Abandon | Close::Within(_) = how {
            self.n_extra_calls += self.n_wanted();
        }
        self.trace.note(&[8, self.now_us], || format!("{:>12} close {how:?}", self.now_us));
        let (life, now) = (self.life, self.now());
        match how {
            Close::Finish => self.events.push(self.now_us + 400_000_000, Event::StopWaiting { life }),
            Close::Within(until) => self.events.push(until.0, Event::StopNow { life }),
            Close::Abandon => {}
        }
        if let Some(machine) = self.machine.as_mut() {
            machine.close(how, now);
        }
    }

    /// The time to close is over. C-1 and L-1: without a failing store a close ends in time.
    pub(super) fn stop_waiting(&mut self, life: u32) -> Result<(), Violation> {
        if !self.is_alive(life) {
            return Ok(());
        }
        let faults = &self.options.faults;
        // One that is stubborn fails from the heal on, which may come while this close waits.
        let is_stubborn = self.options.stubborn == crate::options::Stubborn::Store;
        let store_works =
            faults.commit_failed + faults.commit_unheard + faults.store_full == 0 && !is_stubborn;
        let settles =
            faults.settle_failed + faults.settle_unheard + faults.extend_failed + faults.left_out == 0;
        holds(Rule::L1, !store_works || !settles, || {
            format!("a close does not end; {}", self.whereabouts())
        })?;
        self.stop_now(life);
        Ok(())
    }

    /// The process ends whatever the machine still waits for.
    pub(super) fn stop_now(&mut self, life: u32) {
        if self.is_alive(life) {
            self.oracle.closing = Closing::Abandoned;
            self.stop();
        }
    }

    /// Wall time jumps.
    pub(super) fn step_clock(&mut self) {
        if self.phase != Phase::Safety {
            return;
        }
        let step_ms = self.choices.pick(&[1000, -1000, 3_600_000, -3_600_000, -864_000_000]);
        self.coverage.hit(if step_ms < 0 { Point::ClockBack } else { Point::ClockForward });
        self.unix_step_ms += step_ms;
    }

    /// Another owner takes a track, and this process does not know.
    pub(super) fn fence(&mut self, track: usize) {
        if self.phase == Phase::Safety && self.tracks[track].started && !self.tracks[track].finished {
            self.store.epochs[track] += 1;
            // What the store refuses from here on is done again: by the next life where this one closes
            // before it has the track again.
            self.n_extra_calls += self.n_wanted();
            let at = self.now_us + 1_000_000 + self.soon(8000) - self.now_us;
            self.events.push(at, Event::Regain { track });
        }
    }

    /// The track is ours again, by a new lease.
    pub(super) fn regain(&mut self, track: usize) {
        if self.machine.is_none() || self.is_closing() || self.tracks[track].finished {
            return;
        }
        self.n_extra_calls += self.n_wanted();
        if let Some(owner) = self.owner_of(track) {
            self.give_up(owner);
        }
        self.assign(track);
    }

    /// The process is told that a track is lost, and gets it again.
    pub(super) fn lose_track(&mut self, track: usize) {
        if self.machine.is_none()
            || self.is_closing()
            || !self.tracks[track].started
            || self.tracks[track].finished
        {
            return;
        }
        self.coverage.hit(Point::TrackLost);
        self.regain(track);
    }

    pub(super) fn give_up(&mut self, owner: TrackIdx) {
        if let Some(reader) = self.owners.remove(&owner).filter(|_| self.options.comes_back) {
            self.leave_reads_behind(owner, &reader);
        }
        self.oracle.end_ownership(owner);
        let now = self.now();
        if let Some(machine) = self.machine.as_mut() {
            machine.handle_lost(Lost::Track(owner), now);
        }
    }

    /// Retention drops what is old, read or not.
    pub(super) fn trim(&mut self, track: usize) {
        if self.phase != Phase::Safety {
            return;
        }
        let n_items = u32::try_from(self.tracks[track].log.items().len()).expect("worlds are small");
        let keep = self.choices.below(n_items + 1) as usize;
        let to = n_items as usize - keep;
        self.tracks[track].log.trim(to);
        self.mark_gone(track);
    }

    /// Compaction removes one record.
    pub(super) fn compact(&mut self, track: usize) {
        let n_items = u32::try_from(self.tracks[track].log.items().len()).expect("worlds are small");
        if self.phase == Phase::Safety && n_items > 0 {
            let idx = self.choices.below(n_items) as usize;
            self.tracks[track].log.compact(idx);
            self.coverage.hit(Point::Compacted);
            self.mark_gone(track);
        }
    }

    fn mark_gone(&mut self, track: usize) {
        let log = &self.tracks[track].log;
        for (idx, item) in log.items().iter().enumerate() {
            self.oracle.truths[item.value as usize].gone |= !log.is_kept(idx);
        }
    }

    /// A track takes no more records; its children do.
    pub(super) fn end_track(&mut self, track: usize) {
        if self.phase != Phase::Safety || self.tracks[track].log.is_ended() || self.tracks.len() > 12 {
            return;
        }
        self.coverage.hit(Point::TrackEnded);
        self.tracks[track].log.end();
        for _ in 0..self.choices.between(1, 2) {
            self.add_track(vec![track]);
        }
        self.changed = true;
        self.wake_track(track);
    }

    /// The machine tells that a track is finished: its children start.
    pub(super) fn hear_of_an_end(&mut self, owner: TrackIdx) -> Result<(), Violation> {
        self.oracle.f1_no_action_after_the_track_is_lost(owner, "an end")?;
        let Some(source) = self.owners.get(&owner).map(|reader| reader.source) else { return Ok(()) };
        let end = self.tracks[source].log.items().last().map(|item| item.position.clone());
        self.oracle.t1_an_end_is_told_when_it_is_durable(
            owner,
            self.store.synced[source].as_deref(),
            end.as_ref(),
        )?;
        holds(Rule::T1, self.tracks[source].log.is_ended(), || {
            format!("{owner:?} is told to have ended and has not")
        })?;
        self.tracks[source].finished = true;
        if let Some(owner) = self.oracle.owners.get_mut(&owner) {
            owner.told_ended = true;
        }
        self.oracle.a5_a_window_goes_on_in_the_heir(owner, source, self.store.synced[source].as_deref())?;
        self.changed = true;
        self.start_children();
        Ok(())
    }

    /// Starts every track whose parents have all ended.
    pub(super) fn start_children(&mut self) {
        for child in 0..self.tracks.len() {
            let ready = !self.tracks[child].started
                && self.tracks[child].parents.iter().all(|parent| self.tracks[*parent].finished);
            if ready {
                self.coverage.hit(Point::ChildStarted);
                self.assign(child);
            }
        }
    }

    /// All faults end; what cannot end by itself is healed.
    pub(super) fn heal(&mut self) {
        self.phase = Phase::Heal;
        self.healed_us = self.now_us;
        self.poison_healed = true;
        self.destination_dead = false;
        self.store.full_until_us = self.now_us;
        self.changed = true;
        self.begin_stubbornness();
        let endless = match self.plan.retry.redelivery {
            forebay_batcher::Redelivery::ByUs => {
                self.oracle.plans.iter().any(|plan| plan.retry.retries_max.is_none())
            }
            forebay_batcher::Redelivery::BySource => self.options.receives_max.is_none(),
        };
        if endless {
            let victim = self.victim();
            for (uid, truth) in (0_u32..).zip(&mut self.oracle.truths) {
                if truth.poison == Poison::Stays && victim != Some(uid) {
                    truth.poison = Poison::Heals;
                }
            }
        }
    }

    pub(super) fn n_wanted(&self) -> u64 {
        self.oracle.truths.iter().filter(|truth| truth.wanted).count() as u64
    }

    pub(super) fn is_in_retry(&self) -> bool {
        self.oracle.entries.iter().any(|entry| {
            entry.tried > 0 && !entry.finished && !entry.in_flight && !entry.void && !entry.settled
        })
    }
}
