//! Hands news to the machine: one arm for each kind.

use forebay_batcher::{Close, Delivery, Fault, Lost, Now, Outcome, SourceNotice, TrackState};
use forebay_config::Code;
use forebay_invoker::Slot;
use forebay_pollers::{FeedEvent, TrackName};

use super::jobs::Done;
use super::start::LifeError;
use super::{Due, Life, News};
use crate::registry::Command;

impl Life<'_> {
    /// Hands one piece of news to the machine.
    pub(super) fn hear(&mut self, news: News) -> Result<(), LifeError> {
        let now = self.wiring.clock.now();
        match news {
            News::Command(Some(Command::Close(how))) => self.close(how),
            News::Command(Some(Command::State(answer))) => {
                // Whoever asked and went away does not mind.
                let _ = answer.send(self.statuses(now));
            }
            News::Command(Some(Command::Places(answer))) => {
                let _ = answer.send(self.kept());
            }
            News::Command(Some(Command::Paused(answer))) => {
                let _ = answer.send(self.paused());
            }
            News::Command(Some(Command::Decide(wish, answer))) => self.decide(&wish, answer),
            // Nobody can close the mapping any more: it ends as it would on a close.
            News::Command(None) => self.close(Close::Finish),
            News::Done(done) => self.hear_done(done, now)?,
            News::Slot(slot) => self.hear_slot(slot),
            News::Feed(Some(event)) => self.hear_feed(event, now),
            News::Feed(None) => return Err(LifeError::FeedEnded),
            News::Synced => self.hear_synced(),
            News::Due(Due::Machine) => self.machine.handle_timeout(now),
            News::Due(Due::Forget) => self.forget(),
            // Before it waits again.
            News::Due(Due::Publish) => {}
            News::Replanned => self.replan(),
        }
        Ok(())
    }

    pub(super) fn hear_slot(&mut self, slot: Slot) {
        let id = slot.id;
        self.slots.insert(id, slot);
        self.machine.handle_slot(id, self.wiring.clock.now());
    }

    fn hear_done(&mut self, done: Done, now: Now) -> Result<(), LifeError> {
        match done {
            Done::Invoked { id, outcome, took } => {
                self.tell_outcome(id, &outcome, took);
                self.entry.set_last_result(match outcome {
                    Outcome::Succeeded(_) => "OK",
                    Outcome::PartlyFailed { .. }
                    | Outcome::Failed { .. }
                    | Outcome::NotReached { .. }
                    | Outcome::TooLarge => "PROBLEM: Function call failed",
                });
                self.machine.handle_outcome(id, outcome, now);
            }
            Done::Delivered { id, answer } => {
                self.tell_delivery(id, &answer);
                // What a close leaves is offered again by the next life, so it is no result yet.
                if let (Delivery::Refused { .. }, None) = (&answer, &self.closing) {
                    self.entry.set_last_result("PROBLEM: Destination did not take a failure record");
                }
                self.machine.handle_delivered(id, answer, now);
            }
            Done::Committed { id, track, checkpoint, written } => {
                self.hear_written(id, track, checkpoint, written)
            }
            Done::Forgotten(names) => self.hear_forgotten(&names),
            Done::Granted(dealt, granted) => self.hear_granted(dealt, granted)?,
        }
        Ok(())
    }

    /// Another owner has the mapping, so with one track it has lost them all: none is read or invoked for any
    /// more.
    pub(super) fn fence(&mut self) {
        let now = self.wiring.clock.now();
        for idx in self.tracks.open() {
            // A refusal may have taken it before the mapping was known to be lost.
            if self.machine.state(idx) != TrackState::Fenced {
                self.machine.handle_lost(Lost::Track(idx), now);
            }
            self.subscriber.forget(idx);
        }
    }

    fn hear_forgotten(&mut self, names: &[TrackName]) {
        self.tracks.forgotten(names);
        if !names.is_empty() {
            self.tell_forgotten(names.len());
        }
        self.plan_forgetting();
    }

    fn hear_feed(&mut self, event: FeedEvent, now: Now) {
        match event {
            FeedEvent::Discovered(found) => {
                self.tell_discovered(&found);
                if let Some(tracks) = self.feed.source().tracks() {
                    // A track that comes up later begins with its first record, whatever the starting position
                    // says.
                    self.tracks.discovered(found, &tracks.first());
                }
            }
            FeedEvent::Read(id, read) => {
                let track = self.reads.remove(&id);
                self.tell_read(track, read.as_ref().err());
                if let Ok(Some(gap)) = read.as_ref().map(|it| it.gap.as_ref()) {
                    self.tell_gap(track, gap);
                }
                self.machine.handle_read(id, read, now);
            }
            FeedEvent::Settled(id, answers) => self.machine.handle_settled(id, answers, now),
            FeedEvent::Extended(id, answers) => self.machine.handle_extended(id, answers, now),
            FeedEvent::Assigned(dealt) => self.hear_assigned(dealt),
            FeedEvent::Revoking(tracks, within) => self.hear_revoking(&tracks, within),
            FeedEvent::Taken(tracks) => self.hear_taken(&tracks),
            FeedEvent::Lost(scope) => {
                // Nobody answers a read that was open there.
                self.reads.retain(|_, track| scope != Lost::Track(*track));
                self.machine.handle_lost(scope, now);
            }
            FeedEvent::Trouble(notice) => {
                let error = source_trouble(&notice);
                self.tell_trouble(&error);
                self.entry.set_trouble(Some(error));
            }
            FeedEvent::Healed => {
                self.tell_healed();
                self.entry.set_trouble(None);
            }
        }
    }
}

/// What a source said.
pub(super) fn source_trouble(notice: &SourceNotice) -> Fault {
    match notice {
        SourceNotice::Down { error } => error.clone(),
        SourceNotice::PositionLost { error } => Fault::new(Code("FB-0502"), error.as_str()),
        SourceNotice::Throttled { retry_after: Some(after) } => {
            format!("it asks to slow down for {}", crate::sentence::span(*after)).into()
        }
        SourceNotice::Throttled { retry_after: None } => "it asks to slow down".into(),
    }
}
