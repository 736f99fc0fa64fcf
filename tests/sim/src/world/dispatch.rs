//! What happens when an event is due.

use forebay_batcher::{Read, ReadId, SourceNotice};

use super::World;
use super::events::Event;
use crate::coverage::Point;
use crate::oracle::Violation;

impl World {
    /// Lets one event happen.
    pub(super) fn dispatch(&mut self, event: Event) -> Result<(), Violation> {
        self.trace.note(&[4, self.now_us], || format!("{:>12} {}", self.now_us, summary(&event)));
        let Some(event) = self.put_off(event) else { return Ok(()) };
        if !event.is_of_the_source() {
            self.oracle.stirred_us = self.oracle.stirred_us.max(self.now_us);
        }
        match event {
            Event::Append { n, .. } if self.oracle.is_queue => self.send(n),
            Event::Append { track, n } => self.append(track, n),
            Event::Control { track } => self.tracks[track].log.skip(),
            Event::Trim { track } => self.trim(track),
            Event::Compact { track } => self.compact(track),
            Event::EndTrack { track } => self.end_track(track),
            Event::Fence { track } => self.fence(track),
            Event::Regain { track } => self.regain(track),
            Event::LoseTrack { track } => self.lose_track(track),
            Event::Revoke { track } => self.revoke(track),
            Event::ChannelDies => self.channel_dies(),
            Event::QueueWakes => self.wake_queue(),
            Event::PoisonHeals => self.poison_healed = true,
            Event::ChangePlan => self.change_plan(),
            Event::ChangeLanes => self.change_lanes_all_the_same(),
            Event::Close => self.close(),
            Event::StopWaiting { life } => self.stop_waiting(life)?,
            Event::StopNow { life } => self.stop_now(life),
            Event::Start => self.start(),
            Event::StepClock => self.step_clock(),
            Event::Heal => self.heal(),
            Event::Decide => self.visit()?,
            Event::ReadAnswer { life, id } if self.oracle.is_queue => self.hand_out(life, id)?,
            Event::ReadAnswer { life, id } => self.answer_read(life, id),
            Event::ReadArrives { life, id, read } => self.arrive(life, id, *read)?,
            Event::ReadFails { life, id, notice } => self.fail_read(life, id, notice),
            Event::ReadAgain { life, id, read } => self.give_read(life, id, Ok(*read)),
            Event::SlotFree { life } if self.is_alive(life) => self.grant_slot()?,
            Event::GateOpens { life } if self.is_alive(life) => self.pump_gate(),
            Event::SlotFree { .. } | Event::GateOpens { .. } => {}
            Event::Answer { life, id, slice, outcome, done } => {
                self.answer(life, id, &slice, *outcome, &done)
            }
            Event::Delivered { life, id, answer, taken } => self.delivered(life, id, answer, &taken),
            Event::CommitLands { life, landing } => self.land(life, *landing),
            Event::StoreSyncs => self.sync(),
            Event::Committed { life, id, owner, answer } => self.committed(life, id, owner, answer),
            Event::SettleLands { life, id, settlements } => self.settle_lands(life, id, settlements),
            Event::Settled { life, id, answers } => self.settled(life, id, answers),
            Event::ExtendLands { life, id, receipts, span_us, sent_us } => {
                self.extend_lands(life, id, receipts, span_us, sent_us)?
            }
            Event::Extended { life, id, answers } => self.extended(life, id, answers),
            Event::Stall { seconds, timeouts_first } => self.stall(seconds, timeouts_first),
        }
        Ok(())
    }

    /// A read is answered with what there is.
    fn answer_read(&mut self, life: u32, id: ReadId) {
        if !self.is_alive(life) {
            return;
        }
        let Some(open) = self.reads.remove(&id) else { return };
        if let Some((owner, reader)) = &open.former {
            self.coverage.hit(Point::ReadForFormer);
            let read = self.read_in_vain(&open.order, *owner, reader);
            return self.give_read(life, id, Ok(read));
        }
        let Some(owner) = open.order.track else { return };
        if self.oracle.is_closed(owner)
            && let Some(reader) = self.owners.get(&owner).cloned()
        {
            let read = self.read_in_vain(&open.order, owner, &reader);
            self.oracle.hear_of_a_read(open.order.track);
            return self.give_read(life, id, Ok(read));
        }
        let read = self.read_from_track(&open.order, owner);
        if let Ok(read) = &read {
            let owner_lives = self.oracle.owners.get(&owner).is_some_and(|owner| !owner.over);
            // What a track brings after a close is read again by the next life.
            if owner_lives && !self.is_closing() {
                self.count_read(read);
            }
            self.double_read(life, id, read);
        }
        if read.is_ok() {
            self.oracle.hear_of_a_read(open.order.track);
        }
        self.give_read(life, id, read);
    }

    /// S-4: where messages came, the rate is what it was.
    pub(super) fn judge_receives(&self, brought: bool) -> Result<(), Violation> {
        match self.machine.as_ref().and_then(forebay_batcher::Machine::receives) {
            Some(receives) if brought && !self.is_closing() => {
                self.oracle.s4_the_rate_comes_back(receives, self.now_us)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What the machine must count when it is given this.
    pub(super) fn count_read(&mut self, read: &Read) {
        self.oracle.tally.gaps += u64::from(read.gap.is_some());
        self.oracle.tally.polled += read.records.len() as u64 + u64::from(read.n_filtered);
        self.oracle.tally.filtered_out += u64::from(read.n_filtered);
    }

    /// An answer may come twice.
    pub(super) fn double_read(&mut self, life: u32, id: ReadId, read: &Read) {
        if self.strikes(self.options.faults.doubled, Point::DoubledAnswer) {
            let at = self.soon(200);
            self.events.push(at, Event::ReadAgain { life, id, read: Box::new(read.clone()) });
        }
    }

    fn fail_read(&mut self, life: u32, id: ReadId, notice: SourceNotice) {
        let Some(open) = self.reads.get(&id).filter(|_| self.is_alive(life)) else { return };
        let owner = open.order.track;
        if open.former.is_some() {
            self.reads.remove(&id);
            return self.give_read(life, id, Err(notice));
        }
        self.queue.is_failing = true;
        self.reads.remove(&id);
        let asked_us = match &notice {
            SourceNotice::Throttled { retry_after } => {
                retry_after.map(|span| u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
            }
            SourceNotice::Down { .. } | SourceNotice::PositionLost { .. } => None,
        };
        self.oracle.hear_of_a_failed_read(owner, asked_us, self.now_us);
        if let (SourceNotice::PositionLost { .. }, Some(owner)) = (&notice, owner) {
            if let Some(owner) = self.oracle.owners.get_mut(&owner) {
                owner.position_lost = true;
                self.oracle.is_blurred |= self.oracle.mixes_tracks;
            }
            // An operator finds the position again.
            if let Some(reader) = self.owners.get(&owner) {
                let track = reader.source;
                let at = self.soon(5000);
                self.events.push(at, Event::LoseTrack { track });
            }
        }
        self.give_read(life, id, Err(notice));
    }

    pub(super) fn give_read(&mut self, life: u32, id: ReadId, read: Result<Read, SourceNotice>) {
        if !self.is_alive(life) {
            return;
        }
        self.trace.note(&[5, id.0, read.as_ref().map_or(9999, |read| read.records.len() as u64)], || {
            match &read {
                Ok(read) => format!(
                    "{:>12} read {} brings {} records, {} filtered, passed {:?}{}{}",
                    self.now_us,
                    id.0,
                    read.records.len(),
                    read.n_filtered,
                    read.passed,
                    if read.ended { ", ended" } else { "" },
                    if read.gap.is_some() { ", a gap" } else { "" }
                ),
                Err(notice) => format!("{:>12} read {} fails: {notice:?}", self.now_us, id.0),
            }
        });
        let now = self.now();
        if let Some(machine) = self.machine.as_mut() {
            machine.handle_read(id, read, now);
        }
    }
}

/// One line about an event.
fn summary(event: &Event) -> String {
    match event {
        Event::Answer { life, id, outcome, done, .. } => {
            let outcome = match &**outcome {
                forebay_batcher::Outcome::PartlyFailed { failed, asked, .. } => {
                    format!("PartlyFailed {failed:?} {asked:?}")
                }
                forebay_batcher::Outcome::Succeeded(_) => "Succeeded".to_owned(),
                forebay_batcher::Outcome::Failed { how, .. } => format!("Failed {how:?}"),
                forebay_batcher::Outcome::NotReached { why, retry_after, .. } => {
                    format!("NotReached {why:?} {retry_after:?}")
                }
                forebay_batcher::Outcome::TooLarge => "TooLarge".to_owned(),
            };
            format!("outcome {} of life {life}: {outcome}, done {done:?}", id.0)
        }
        Event::CommitLands { landing, .. } => format!("commit {} lands: {:?}", landing.id.0, landing.fate),
        Event::ReadAgain { id, .. } => format!("read {} is answered again", id.0),
        Event::ReadArrives { id, .. } => format!("read {} arrives", id.0),
        Event::Append { .. }
        | Event::Control { .. }
        | Event::Trim { .. }
        | Event::Compact { .. }
        | Event::EndTrack { .. }
        | Event::Fence { .. }
        | Event::Regain { .. }
        | Event::LoseTrack { .. }
        | Event::Revoke { .. }
        | Event::ChannelDies
        | Event::QueueWakes
        | Event::PoisonHeals
        | Event::ChangePlan
        | Event::ChangeLanes
        | Event::Close
        | Event::StopWaiting { .. }
        | Event::StopNow { .. }
        | Event::Start
        | Event::StepClock
        | Event::Heal
        | Event::Decide
        | Event::ReadAnswer { .. }
        | Event::ReadFails { .. }
        | Event::SlotFree { .. }
        | Event::GateOpens { .. }
        | Event::Delivered { .. }
        | Event::StoreSyncs
        | Event::Committed { .. }
        | Event::SettleLands { .. }
        | Event::Settled { .. }
        | Event::ExtendLands { .. }
        | Event::Extended { .. }
        | Event::Stall { .. } => format!("{event:?}"),
    }
}
