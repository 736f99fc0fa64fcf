//! Does what the machine says: one arm for each action.

use std::sync::Arc;

use forebay_batcher::{
    Action, Attempt, Delivery, Fault, Notice, Record, SlotId, TrackIdx, TrackStart, unlisted,
};
use forebay_checkpoints::TrackKey;
use forebay_config::Code;
use forebay_invoker::{Event, HandOff, HandedBatch, outcome_of};
use forebay_pollers::{Known, Listing};
use serde_json::value::RawValue;
use tokio::time::Instant;
use tracing::info;

use super::jobs::{About, Done};
use super::{Life, Work};
use crate::sentence::chain;

impl Life<'_> {
    /// Starts the tracks that may start, then does what the machine wants until it wants nothing more.
    pub(super) fn act(&mut self) {
        self.start_tracks();
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Read(order) => {
                    self.reads.extend(order.track.map(|track| (order.id, track)));
                    self.subscriber.read(order);
                }
                Action::Want(n) => self.want(n),
                Action::Invoke(slot, attempt) => self.invoke(slot, attempt),
                Action::Return(slot) => {
                    if let Some(slot) = self.slots.remove(&slot) {
                        slot.unused();
                    }
                }
                Action::Deliver(notice) => self.deliver(notice),
                Action::Discarded(discard) => self.tell_discarded(&discard),
                Action::Paused(paused) => self.tell_paused(&paused),
                Action::Decided(id) => self.hear_decided(id),
                Action::Commit(id, track, checkpoint) => self.commit(id, track, checkpoint),
                Action::Settle(id, settlements) => self.subscriber.settle(id, settlements),
                Action::Extend(id, receipts, by) => self.subscriber.extend(id, receipts, by),
                Action::Ended(track) => self.end_track(track),
                Action::Durable(track, at) => self.tell_group(track, at),
                Action::Drained(track, _) => self.give_back(track),
            }
        }
    }

    fn start_tracks(&mut self) {
        if self.closing.is_some() || self.is_fenced {
            return;
        }
        for TrackStart { idx, name, from } in self.tracks.start() {
            let at = crate::status::position(&from.watermark);
            info!(
                mapping = self.entry.name(),
                source = self.entry.source_kind(),
                track = self.tracks.label(idx),
                at,
                "track started"
            );
            // The feed knows of the track before the machine can ask it to read there.
            self.subscriber.open(idx, name, from.watermark.clone());
            // Its group may stand behind what was kept here: a former life ended before it told.
            self.tell_group(idx, from.watermark.clone());
            self.machine.handle_assigned(idx, from, self.wiring.clock.now());
        }
    }

    /// Slots that are free are taken at once, without a turn of the loop for each.
    fn want(&mut self, n: u32) {
        self.seat.want(n);
        // Other limits are heard of before what a batch's end sets going.
        if n > 0 && !self.plans.has_changed().unwrap_or(false) {
            while let Some(slot) = self.seat.free() {
                self.hear_slot(slot);
            }
        }
    }

    fn invoke(&mut self, slot: SlotId, attempt: Attempt) {
        let mut slot = self.slots.remove(&slot).expect("the machine was granted the slots that it uses");
        // From here on the rate limit counts it; until then it grants no other slot.
        slot.begin(attempt.slice.n_records());
        let id = attempt.id;
        let work = Work::of(&attempt.slice, attempt.window.as_deref());
        let in_window = self.in_window(attempt.window.as_deref());
        let hand_off = self.hand_off(&attempt);
        self.tell_sent(&attempt, work);
        self.sent.insert(id, work);
        let (wiring, source) = (Arc::clone(&self.wiring), Arc::clone(self.feed.source()));
        // Gives the slot back with what the invocation told about the function.
        self.jobs.start(About::Invoke(id), async move {
            let pieces = source.format().wrap(attempt.slice.records());
            let pieces = match in_window {
                Some(window) => window.add_to(pieces),
                None => pieces,
            };
            let event = Event { pieces, hand_off };
            // Behind the rendering, which is no time of the function's.
            let began = Instant::now();
            let answer = wiring.executor.invoke(event).await;
            let identify = |reported: &RawValue| source.format().identify(reported);
            let outcome = outcome_of(answer, attempt.expected(), &attempt.slice, &identify);
            slot.settle(&outcome);
            Done::Invoked { id, outcome, took: Some(began.elapsed()) }
        });
    }

    /// What the function is told of where the batch lies; nothing where it lies in no lane.
    fn hand_off(&self, attempt: &Attempt) -> Option<HandOff> {
        let lane = attempt.lane?;
        let records = attempt.slice.records();
        let batch = HandedBatch {
            track: &self.tracks.row(lane.track)?.name.0,
            lane,
            n_records: records.len(),
            positions: records
                .first()
                .and_then(Record::position)
                .zip(records.last().and_then(Record::position)),
            window: attempt.window.as_deref(),
        };
        Some(self.hand_offs.tell(batch, self.plan.durable_cuts))
    }

    fn deliver(&mut self, notice: Notice) {
        let id = notice.id;
        self.noticed.insert(id, (Work::of(&notice.slice, notice.window.as_deref()), notice.condition));
        let in_window = self.in_window(notice.window.as_deref());
        let wiring = Arc::clone(&self.wiring);
        let source = Arc::clone(self.feed.source());
        self.jobs.start(About::Deliver(id), async move {
            let outbox = wiring.outbox.as_ref().expect("a plan without destination makes no notices");
            let answer =
                match outbox.deliver(&notice, in_window.as_ref(), &*source, wiring.clock.unix()).await {
                    Ok(()) => Delivery::Taken,
                    Err(error) => Delivery::Refused {
                        error: Fault::new(Code(error.code), format!("{} ({})", chain(&error), error.code)),
                    },
                };
            Done::Delivered { id, answer }
        });
    }

    /// Forgets the ended tracks that the source does not list any more.
    pub(super) fn forget(&mut self) {
        self.forget_at = None;
        let (wiring, lease) = (Arc::clone(&self.wiring), self.lease.clone());
        let source = Arc::clone(self.feed.source());
        let ended = self.tracks.ended_names();
        self.jobs.start(About::Forget, async move {
            // Told of no track, the source lists all that it has.
            let known = Known::default();
            let listing = match source.tracks() {
                Some(tracks) => tracks.list(&known).await,
                None => Ok(Listing::default()),
            };
            let gone = match listing {
                // What cannot be seen may still be there.
                Ok(Listing { tracks, trouble: None }) => unlisted(ended, &tracks),
                Ok(Listing { trouble: Some(_), .. }) | Err(_) => Vec::new(),
            };
            let keys: Vec<_> = gone.iter().map(|it| TrackKey(it.0.clone())).collect();
            // Refused, they stay on the list and are looked for again.
            let done = gone.is_empty() || wiring.store.forget(&lease, &keys).await.is_ok();
            Done::Forgotten(if done { gone } else { Vec::new() })
        });
    }

    fn end_track(&mut self, track: TrackIdx) {
        let label = self.tracks.label(track);
        info!(
            mapping = self.entry.name(),
            source = self.entry.source_kind(),
            track = label,
            "track ended; all its records are finished"
        );
        self.subscriber.forget(track);
        self.tracks.ended(track);
        if self.forget_at.is_none() {
            self.plan_forgetting();
        }
        // Its children may wait for nothing but that.
        self.start_tracks();
    }
}
