//! Tracks that a group deals out to the mapping, wants back, or has taken.

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Assignment, Close, Lost, Revoking, TrackIdx, TrackName, Watermark};
use forebay_checkpoints::{Epoch, TrackKey};
use tracing::{info, warn};

use super::Life;
use super::jobs::{About, Done};
use super::refusals::GrantError;
use super::start::LifeError;

/// Of the time in which a track is to be given back, this part is left for the way of the answer.
const ANSWER_PART: u32 = 4;

impl Life<'_> {
    /// They start when the store has granted them under their generations.
    pub(super) fn hear_assigned(&mut self, dealt: Vec<Assignment>) {
        let labels: Vec<&str> = dealt.iter().map(|it| it.track.label.as_str()).collect();
        info!(mapping = self.entry.name(), tracks = labels.join(", "), "the group assigned tracks");
        // Before the store answers: what is asked back meanwhile must be known by then.
        self.tracks.dealt(&dealt);
        let (wiring, lease) = (Arc::clone(&self.wiring), self.lease.clone());
        self.jobs.start(About::Grant, async move {
            let grants =
                dealt.iter().map(|it| (TrackKey(it.track.name.0.clone()), Epoch(it.epoch))).collect();
            let granted = wiring.store.grant(&lease, grants).await;
            Done::Granted(dealt, granted.map_err(GrantError::Store))
        });
    }

    /// What was asked back meanwhile does not start.
    pub(super) fn hear_granted(
        &mut self,
        dealt: Vec<Assignment>,
        granted: Result<(), GrantError>,
    ) -> Result<(), LifeError> {
        match granted {
            Ok(()) => self.tracks.granted(dealt),
            // Also when one of them was dealt out anew meanwhile: our place in the group is out of date. The
            // next life joins the group again, and is dealt them again.
            Err(GrantError::Store(error)) => return Err(error.into()),
            Err(GrantError::Died(panic)) => return Err(LifeError::GrantDied(panic)),
        }
        Ok(())
    }

    /// Nothing new of them begins; what runs may end, then each is given back.
    pub(super) fn hear_revoking(&mut self, names: &[TrackName], within: Duration) {
        let Revoking { unstarted, held } = self.tracks.revoking(names);
        // Nothing of these was ever begun, so they can go at once.
        unstarted.into_iter().for_each(|it| self.subscriber.drained(it));
        let labels: Vec<&str> = held.iter().map(|it| self.tracks.label(*it)).collect();
        info!(
            mapping = self.entry.name(),
            tracks = labels.join(", "),
            within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
            "the group wants tracks back"
        );
        let now = self.wiring.clock.now();
        let until = now.tick.after(within - within / ANSWER_PART);
        for idx in held {
            self.machine.close_track(idx, Close::Within(until), now);
        }
    }

    /// Another member has them: what is not finished, it does again.
    pub(super) fn hear_taken(&mut self, names: &[TrackName]) {
        let now = self.wiring.clock.now();
        for idx in self.tracks.taken(names) {
            warn!(
                mapping = self.entry.name(),
                track = self.tracks.label(idx),
                "the group gave a track to another member; what was under way is done again there"
            );
            self.reads.retain(|_, track| *track != idx);
            self.machine.handle_lost(Lost::Track(idx), now);
        }
    }

    /// A group hears what is durable here, for another member begins there; and so does a source whose server
    /// shows how far its readers are.
    pub(super) fn tell_group(&self, idx: TrackIdx, at: Watermark) {
        if let Some(row) = self.tracks.row(idx).filter(|_| self.is_heard()) {
            self.subscriber.committed(row.name.clone(), at);
        }
    }

    /// Nothing of the track is under way any more.
    pub(super) fn give_back(&mut self, idx: TrackIdx) {
        if let Some(row) = self.tracks.row(idx) {
            info!(mapping = self.entry.name(), track = row.label, "track given back to the group");
            self.subscriber.drained(row.name.clone());
        }
        self.reads.retain(|_, track| *track != idx);
        self.tracks.away(idx);
    }

    fn is_heard(&self) -> bool {
        self.feed.source().tracks().is_some_and(|it| it.facts().hears_commits || it.group().is_some())
    }
}
