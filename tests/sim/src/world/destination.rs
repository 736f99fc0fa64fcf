//! The destination: takes, refuses, takes and is not heard, is dead until the heal.

use forebay_batcher::{Delivery, Discard, Notice, NoticeId, Rule, TumblingWindow};

use super::World;
use super::events::Event;
use crate::coverage::Point;
use crate::oracle::{Violation, holds};

impl World {
    /// The machine hands over what it gave up.
    pub(super) fn deliver(&mut self, notice: &Notice) -> Result<(), Violation> {
        self.oracle.c1_nothing_begins_after_a_close("a notice")?;
        if let Some(window) = notice.window.as_ref().filter(|_| notice.slice.n_records() == 0) {
            return self.deliver_a_window(notice, window);
        }
        let now = self.now();
        for record in notice.slice.records() {
            if let forebay_batcher::Place::Track(track, _) = &record.place {
                self.oracle.f1_no_action_after_the_track_is_lost(*track, "a notice")?;
                self.oracle.c2_nothing_begins_on_a_closed_track(*track, "a notice")?;
            }
        }
        self.oracle.w2_only_what_a_limit_gives_up_is_given_up(notice.condition, &notice.slice, now)?;
        self.oracle.e1_nothing_is_given_up_without_a_decision(notice.slice.records(), notice.condition)?;
        self.oracle.w2_a_notice_goes_to_a_destination_once_at_a_time(notice)?;
        self.oracle.n4_a_notice_leaves_after_its_checkpoint(notice)?;
        self.oracle.n6_a_notice_counts_right(notice)?;
        self.hit_condition(notice.condition);
        let entries: Vec<usize> =
            notice.slice.records().iter().map(|record| self.oracle.entry_of(record)).collect();
        let uids: Vec<u32> = entries.iter().map(|entry| self.oracle.entries[*entry].uid).collect();
        self.oracle.s5_pauses_are_kept(&entries, self.now_us, "told")?;
        if self.oracle.is_queue {
            self.oracle.q4_nothing_is_told_behind_a_lost_message(&entries)?;
        }
        self.oracle.hear_of_a_giving_up(&entries, notice.condition, self.now_us);
        for entry in &entries {
            let held = &mut self.oracle.entries[*entry];
            held.noticing = true;
            held.begun = true;
        }
        let owner_of = notice.slice.records().iter().map(|record| match &record.place {
            forebay_batcher::Place::Track(track, _) => track.0,
            forebay_batcher::Place::Queue { .. } => u32::MAX,
        });
        self.oracle.notices.insert(notice.id, entries.into_iter().zip(owner_of).collect());
        let slow = self.strikes(self.options.faults.slow_destination, Point::SlowDestination);
        let at = if slow { self.soon(20_000) } else { self.latency() };
        let (life, id) = (self.life, notice.id);
        let refused = || Delivery::Refused { error: "refused".into() };
        let faults = self.options.faults.clone();
        let (answer, taken) = if self.destination_dead || self.is_stubborn_destination() {
            (refused(), Vec::new())
        } else if self.strikes(faults.destination_dead, Point::DestinationDead) {
            self.destination_dead = true;
            (refused(), Vec::new())
        } else if self.strikes(faults.refuse, Point::Refused) {
            (refused(), Vec::new())
        } else if self.strikes(faults.taken_unheard, Point::TakenUnheard) {
            (refused(), uids)
        } else {
            (Delivery::Taken, uids)
        };
        if self.strikes(faults.doubled, Point::DoubledAnswer) {
            let again = at + self.latency() - self.now_us;
            self.events.push(again, Event::Delivered { life, id, answer: answer.clone(), taken: Vec::new() });
        }
        self.events.push(at, Event::Delivered { life, id, answer, taken });
        Ok(())
    }

    /// The machine hands over the end of a window that it gave up.
    fn deliver_a_window(&mut self, notice: &Notice, window: &TumblingWindow) -> Result<(), Violation> {
        self.oracle.f1_no_action_after_the_track_is_lost(window.track, "a notice")?;
        self.oracle.c2_nothing_begins_on_a_closed_track(window.track, "a notice")?;
        self.oracle.w2_a_window_is_given_up_by_a_limit(window, notice.condition)?;
        self.oracle.w2_a_notice_goes_to_a_destination_once_at_a_time(notice)?;
        self.oracle.n4_the_end_of_a_window_is_durable(window)?;
        self.coverage.hit(Point::WindowGivenUp);
        let in_window = self.oracle.tell_of_a_window(window, self.now_us);
        self.oracle.window_notices.extend(in_window.map(|it| (notice.id, it)));
        let is_refused = self.destination_dead || self.strikes(self.options.faults.refuse, Point::Refused);
        let answer = if is_refused { Delivery::Refused { error: "refused".into() } } else { Delivery::Taken };
        let (life, id, at) = (self.life, notice.id, self.latency());
        self.events.push(at, Event::Delivered { life, id, answer, taken: Vec::new() });
        Ok(())
    }

    /// The destination answered.
    pub(super) fn delivered(&mut self, life: u32, id: NoticeId, answer: Delivery, taken: &[u32]) {
        for uid in taken {
            self.oracle.truths[*uid as usize].n_taken += 1;
            self.oracle.taken_order.push(*uid);
        }
        if !self.is_alive(life) {
            return;
        }
        let told: Vec<usize> =
            self.oracle.notices.get(&id).into_iter().flatten().map(|(entry, _)| *entry).collect();
        if let Some(window) = self.oracle.window_notices.remove(&id) {
            if answer == Delivery::Taken {
                self.oracle.give_up_a_window(window);
            } else {
                self.oracle.refuse_a_window(window, self.now_us);
            }
        }
        self.oracle.hear_taken(id, answer == Delivery::Taken, self.now_us);
        if self.oracle.is_queue {
            self.oracle.lose_what_lapsed_meanwhile(&told, self.now_us);
        }
        let now = self.now();
        if let Some(machine) = self.machine.as_mut() {
            machine.handle_delivered(id, answer, now);
        }
    }

    /// The machine says that a setting discards records.
    pub(super) fn discard(&mut self, discard: &Discard) -> Result<(), Violation> {
        if let Some(window) = &discard.window {
            self.oracle.w2_a_window_is_given_up_by_a_limit(window, discard.condition)?;
            self.coverage.hit(Point::WindowGivenUp);
            let in_window = self.oracle.tell_of_a_window(window, self.now_us);
            let is_known = in_window.is_some_and(|it| self.oracle.give_up_a_window(it));
            // What stood behind the end waits for its slot from now on.
            self.oracle.stirred_us = self.oracle.stirred_us.max(self.now_us);
            return holds(Rule::A2, is_known, || "a window is discarded that is not open".to_owned());
        }
        let now = self.now();
        self.oracle.w2_only_what_a_limit_gives_up_is_given_up(discard.condition, &discard.slice, now)?;
        self.oracle.e1_nothing_is_given_up_without_a_decision(discard.slice.records(), discard.condition)?;
        self.oracle.w2_a_setting_discards(discard)?;
        self.oracle.n6_a_discard_counts_right(discard)?;
        let entries: Vec<usize> =
            discard.slice.records().iter().map(|record| self.oracle.entry_of(record)).collect();
        self.oracle.hear_of_a_giving_up(&entries, discard.condition, self.now_us);
        self.hit_condition(discard.condition);
        self.coverage.hit(Point::Discarded);
        for record in discard.slice.records() {
            let entry = self.oracle.entry_of(record);
            let held = &mut self.oracle.entries[entry];
            held.finished = true;
            held.fixed = true;
            let uid = held.uid as usize;
            self.oracle.truths[uid].n_discarded += 1;
            self.oracle.tally.dropped += 1;
        }
        Ok(())
    }

    fn hit_condition(&mut self, condition: forebay_batcher::Condition) {
        self.coverage.hit(match condition {
            forebay_batcher::Condition::RetriesExhausted => Point::RetriesExhausted,
            forebay_batcher::Condition::Rejected => Point::RejectedTold,
            forebay_batcher::Condition::AgeExceeded => Point::AgeExceeded,
            forebay_batcher::Condition::PayloadTooLarge => Point::Oversize,
            // No world has such records: the core's own stories do.
            forebay_batcher::Condition::SchemaNotFound | forebay_batcher::Condition::NotDecoded => return,
        });
    }
}
