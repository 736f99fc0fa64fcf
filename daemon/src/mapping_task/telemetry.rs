//! Tells operators what happens: a log line for each decision, repeats held back, and the values of this
//! moment.

use std::time::Duration;

use forebay_batcher::{
    Attempt, AttemptId, Committed, Delivery, Discard, Fault, Gap, NoticeId, Now, Origin, Outcome, Position,
    ShortBytes, SourceNotice, Tick, TrackIdx, TrackPhase, TrackRow, TrackState, Watermark,
};
use forebay_pollers::TrackInfo;
use tracing::{debug, error, info, warn};

use super::news::source_trouble;
use super::{Life, PUBLISH_EVERY, Work};
use crate::last_error::{ErrorOf, LastError};
use crate::lifecycle::Calm;
use crate::metrics::Gauges;
use crate::positions::KeptPlace;
use crate::sentence::{FunctionGate, reason};
use crate::status::{TrackView, position};

const SOURCE: &str = "source";
const LISTING: &str = "listing";
const FUNCTION: &str = "function";
const REACH: &str = "reach";
const DESTINATION: &str = "destination";
const STORE: &str = "store";
/// Of what says nothing about itself.
static NO_FAULT: Fault = Fault { text: String::new(), code: None };

impl Life<'_> {
    fn note(&self, of: ErrorOf, track: Option<TrackIdx>, error: &Fault) {
        self.entry.note_error(LastError::new(of, self.label(track), error, self.wiring.clock.unix()));
    }

    fn label(&self, track: Option<TrackIdx>) -> &str {
        track.map_or("", |idx| self.tracks.label(idx))
    }

    pub(super) fn tell_sent(&mut self, attempt: &Attempt, work: Work) {
        // AWS's IteratorAge is that of a batch's last record.
        if let Some(last) = attempt.slice.records().last() {
            let age = last.arrival.age(self.wiring.clock.unix());
            self.iterator_age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        }
        let n_records = u32::try_from(work.n_records).unwrap_or(u32::MAX);
        self.entry.metrics().batch_records.observe(f64::from(n_records));
        let (mapping, source, track) = (self.entry.name(), self.entry.source_kind(), self.label(work.track));
        let why = reason(attempt.why);
        debug!(
            mapping,
            source,
            track,
            batch_id = attempt.id.0,
            n_records,
            n_before = attempt.n_before,
            why,
            "batch sent"
        );
    }

    pub(super) fn tell_outcome(&mut self, id: AttemptId, outcome: &Outcome, took: Option<Duration>) {
        let Some(work) = self.sent.remove(&id) else { return };
        let error = error_of(outcome, work);
        if let Some(error) = &error {
            self.note(ErrorOf::Function, work.track, error);
        }
        if let Some(took) = took {
            self.entry.metrics().invoked(took);
        }
        let now = self.wiring.clock.tick();
        let topic_of = |kind| (kind, work.track.map_or(0, |it| it.0));
        let allowed = match outcome {
            Outcome::Succeeded(_) => Some(0),
            Outcome::PartlyFailed { .. } | Outcome::Failed { .. } | Outcome::TooLarge => {
                self.repeats.allow(topic_of(FUNCTION), error.as_ref().unwrap_or(&NO_FAULT), now)
            }
            // All tracks wait for the same function: one line speaks for them.
            Outcome::NotReached { .. } => {
                self.repeats.allow((REACH, 0), error.as_ref().unwrap_or(&NO_FAULT), now)
            }
        };
        // Any answer, a failure too, says that the function is there.
        let reached_again = match outcome {
            Outcome::NotReached { .. } => None,
            Outcome::Succeeded(_)
            | Outcome::PartlyFailed { .. }
            | Outcome::Failed { .. }
            | Outcome::TooLarge => self.repeats.over((REACH, 0)),
        };
        let (mapping, source, track) = (self.entry.name(), self.entry.source_kind(), self.label(work.track));
        let (batch_id, n_records) = (id.0, work.n_records);
        let took_ms = took.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
        if let Some(n_held_back) = reached_again {
            info!(mapping, source, n_held_back, "function reached again");
        }
        let Some(n_held_back) = allowed else { return };
        match outcome {
            Outcome::Succeeded(reply) => {
                debug!(
                    mapping,
                    source,
                    track,
                    batch_id,
                    request_id = reply.request_id,
                    n_records,
                    took_ms,
                    "batch succeeded"
                )
            }
            Outcome::PartlyFailed { failed, reply, .. } => {
                let n_failed = failed.len();
                warn!(
                    mapping,
                    source,
                    track,
                    batch_id,
                    request_id = reply.request_id,
                    n_records,
                    n_failed,
                    n_held_back,
                    "batch failed in part"
                );
            }
            Outcome::Failed { how, reply } => {
                let error = reply.error.as_deref().unwrap_or("no error was told");
                warn!(
                    mapping,
                    source,
                    track,
                    batch_id,
                    request_id = reply.request_id,
                    n_records,
                    ?how,
                    error,
                    took_ms,
                    n_held_back,
                    "batch failed"
                );
            }
            Outcome::NotReached { why, error, .. } => {
                warn!(
                    mapping,
                    source,
                    track,
                    batch_id,
                    n_records,
                    ?why,
                    error = error.text,
                    n_held_back,
                    "function not reached; no retry is spent"
                );
            }
            Outcome::TooLarge => {
                warn!(mapping, source, track, batch_id, n_records, n_held_back, "batch refused for its size")
            }
        }
    }

    pub(super) fn tell_delivery(&mut self, id: NoticeId, answer: &Delivery) {
        let Some((work, condition)) = self.noticed.remove(&id) else { return };
        if let Delivery::Refused { error } = answer {
            self.note(ErrorOf::Destination, work.track, error);
        }
        let now = self.wiring.clock.tick();
        let topic = (DESTINATION, work.track.map_or(0, |it| it.0));
        let allowed = match answer {
            // Told each time: it is the last that is heard of these records.
            Delivery::Taken => self.repeats.over(topic).or(Some(0)),
            Delivery::Refused { error } => self.repeats.allow(topic, error, now),
        };
        let (mapping, source, track, n_records) =
            (self.entry.name(), self.entry.source_kind(), self.label(work.track), work.n_records);
        let destination = self.wiring.outbox.as_ref().map(crate::outbox::Outbox::label);
        let Some(n_held_back) = allowed else { return };
        match answer {
            Delivery::Taken => {
                let condition = condition.as_str();
                warn!(
                    mapping,
                    source,
                    track,
                    n_records,
                    condition,
                    destination,
                    "records given up; the destination has them"
                );
            }
            Delivery::Refused { error } => {
                warn!(
                    code = "FB-0503",
                    mapping,
                    source,
                    track,
                    n_records,
                    destination,
                    error = error.text,
                    n_held_back,
                    "destination refused a failure record"
                );
            }
        }
    }

    pub(super) fn tell_discarded(&self, discard: &Discard) {
        let work = Work::of(&discard.slice, discard.window.as_deref());
        let (mapping, source, track, n_records) =
            (self.entry.name(), self.entry.source_kind(), self.label(work.track), work.n_records);
        let request_id = discard.reply.as_ref().map(|it| it.request_id.as_str());
        let condition = discard.condition.as_str();
        warn!(
            mapping,
            source,
            track,
            n_records,
            condition,
            n_invokes = discard.n_invokes,
            request_id,
            "records discarded"
        );
    }

    pub(super) fn tell_commit(&mut self, track: TrackIdx, answer: Committed, error: Option<&Fault>) {
        if let Committed::Full | Committed::Failed | Committed::Fenced = answer {
            self.note(ErrorOf::Store, Some(track), &error.cloned().unwrap_or_else(|| "".into()));
        }
        let error = error.map(|it| it.text.as_str());
        let now = self.wiring.clock.tick();
        let allowed = match answer {
            Committed::Written => None,
            Committed::Durable => self.repeats.over((STORE, 0)),
            // All tracks share the folder: one line speaks for them.
            Committed::Full => self.repeats.allow((STORE, 0), &"full".into(), now),
            Committed::Failed => self.repeats.allow((STORE, 0), &error.unwrap_or_default().into(), now),
            Committed::Fenced => Some(0),
        };
        let (mapping, source, track) =
            (self.entry.name(), self.entry.source_kind(), self.tracks.label(track));
        let Some(n_held_back) = allowed else { return };
        match answer {
            Committed::Written => {}
            Committed::Durable => {
                info!(mapping, source, n_held_back, "the data folder takes checkpoints again")
            }
            Committed::Full => {
                error!(
                    code = "FB-0402",
                    mapping,
                    source,
                    track,
                    error,
                    n_held_back,
                    "checkpoint refused: no room; no new work is taken"
                )
            }
            Committed::Failed => {
                error!(
                    code = "FB-0405",
                    mapping, source, track, error, n_held_back, "checkpoint failed; no new work is taken"
                )
            }
            Committed::Fenced => error!(
                code = "FB-0401",
                mapping, source, track, error, "another owner has the mapping; the track stops"
            ),
        }
    }

    pub(super) fn tell_discovered(&self, found: &[TrackInfo]) {
        for it in found {
            debug!(
                mapping = self.entry.name(),
                source = self.entry.source_kind(),
                track = it.label,
                "track discovered"
            );
        }
    }

    /// Tracks are told one by one: a file that cannot be read says nothing about the one beside it, nor the
    /// other way round.
    pub(super) fn tell_read(&mut self, track: Option<TrackIdx>, trouble: Option<&SourceNotice>) {
        if let Some(notice) = trouble {
            self.note(ErrorOf::Source, track, &source_trouble(notice));
        }
        let now = self.wiring.clock.tick();
        let topic = (SOURCE, track.map_or(0, |it| it.0));
        let allowed = match trouble {
            None => self.repeats.over(topic),
            Some(SourceNotice::PositionLost { .. }) => Some(0),
            Some(notice @ (SourceNotice::Throttled { .. } | SourceNotice::Down { .. })) => {
                self.repeats.allow(topic, &source_trouble(notice), now)
            }
        };
        let Some(n_held_back) = allowed else { return };
        let (mapping, source, track) = (self.entry.name(), self.entry.source_kind(), self.label(track));
        match trouble {
            None => info!(mapping, source, track, n_held_back, "source readable again"),
            Some(notice @ SourceNotice::PositionLost { .. }) => {
                let error = source_trouble(notice).text;
                error!(
                    code = "FB-0502",
                    mapping, source, track, error, "position lost: the track stays stopped"
                );
            }
            Some(notice @ (SourceNotice::Down { .. } | SourceNotice::Throttled { .. })) => {
                let error = source_trouble(notice).text;
                warn!(
                    code = "FB-0504",
                    mapping, source, track, error, n_held_back, "source not readable; asked again"
                );
            }
        }
    }

    /// The source had dropped what was wanted: it is past help, so it shows as the last error.
    pub(super) fn tell_gap(&self, track: Option<TrackIdx>, gap: &Gap) {
        let at = |it: &Position| position(&Watermark::At(it.clone())).unwrap_or_default();
        let from = gap.from.as_ref().map_or_else(|| "where it stood".to_owned(), at);
        let error = format!(
            "position trimmed: the source had dropped what lay from {from} to {} before it was read",
            at(&gap.to)
        );
        let (mapping, source, track_label) = (self.entry.name(), self.entry.source_kind(), self.label(track));
        warn!(mapping, source, track = track_label, error, "records were lost in the source");
        self.note(ErrorOf::Source, track, &error.into());
    }

    pub(super) fn tell_trouble(&mut self, error: &Fault) {
        self.note(ErrorOf::Source, None, error);
        let Some(n_held_back) = self.repeats.allow((LISTING, 0), error, self.wiring.clock.tick()) else {
            return;
        };
        warn!(
            code = error.code.map_or("FB-0504", |it| it.0),
            mapping = self.entry.name(),
            source = self.entry.source_kind(),
            error = error.text,
            n_held_back,
            "the source's tracks cannot be listed; tried again"
        );
    }

    pub(super) fn tell_forgotten(&self, n_tracks: usize) {
        let (mapping, source) = (self.entry.name(), self.entry.source_kind());
        info!(
            mapping,
            source, n_tracks, "ended tracks that the source does not have any more were forgotten"
        );
    }

    pub(super) fn tell_left(&self) {
        let (mapping, source, n_in_flight) =
            (self.entry.name(), self.entry.source_kind(), self.jobs.n_invocations());
        warn!(
            mapping,
            source,
            n_in_flight,
            "the time to close is over: what still runs is left, and its records come again"
        );
    }

    pub(super) fn tell_healed(&mut self) {
        let n_held_back = self.repeats.over((LISTING, 0)).unwrap_or_default();
        info!(
            mapping = self.entry.name(),
            source = self.entry.source_kind(),
            n_held_back,
            "the source's tracks can be listed again"
        );
    }

    /// Publishes what has changed, if it is time to: the first change at once, those that follow it together.
    pub(super) fn publish_if_due(&mut self, now: Tick) {
        if self.is_unpublished && now >= self.publish_at {
            self.publish();
            self.is_unpublished = false;
            self.publish_at = now.after(PUBLISH_EVERY);
        }
    }

    /// Publishes the counts and the values of this moment.
    pub(super) fn publish(&self) {
        let gauges = Gauges {
            n_in_flight: self.jobs.n_invocations(),
            held_bytes: self.machine.held_bytes(),
            n_tracks: self.tracks.n_open(),
            n_paused: self.machine.n_paused() as u64,
            iterator_age_ms: self.iterator_age_ms,
            committed_at: self.committed_at,
            store_failing: self.store_failing,
        };
        self.entry.metrics().set(self.machine.counts(), gauges);
    }

    /// Says how far this life is from its end, where that has changed: whoever ends it waits for that.
    pub(super) fn tell_calm(&mut self) {
        let calm = match (self.closing, self.jobs.n_invocations()) {
            (None, _) => Calm::Busy,
            (Some(_), 0) => Calm::Still,
            (Some(_), _) => Calm::Closing,
        };
        // The loop comes by at each turn, and the entry is shared with whoever waits.
        if self.calm.replace(calm) != Some(calm) {
            self.entry.set_calm(calm);
        }
    }

    /// The state of every track.
    pub(super) fn statuses(&self, now: Now) -> Vec<TrackView> {
        let n_own = u32::try_from(self.jobs.n_invocations()).unwrap_or(u32::MAX);
        let gate = FunctionGate { state: Some(self.seat.state()), n_own };
        if self.plan.queue.is_some() {
            // A machine with a queue answers for it under any number.
            let state = self.machine.state(TrackIdx(0));
            // It keeps no position.
            let nowhere = Watermark::Origin(Origin(ShortBytes::new(b"")));
            let status = TrackView::new("queue", "queue", &state, &nowhere, &gate, now);
            return vec![status.with_receives(self.machine.receives())];
        }
        let status = |(idx, row): (TrackIdx, &TrackRow)| {
            let state = match &row.phase {
                // What has not begun never will: the other owner has it as well.
                TrackPhase::Waiting(_) | TrackPhase::Open if self.is_fenced => TrackState::Fenced,
                TrackPhase::Waiting(_) | TrackPhase::Away => TrackState::Unknown,
                TrackPhase::Open => self.machine.state(idx),
                TrackPhase::Lost(error) => TrackState::PositionLost { error: error.clone() },
                TrackPhase::Ended => TrackState::Ended,
            };
            TrackView::new(&row.name.0, &row.label, &state, &row.durable.watermark, &gate, now)
                .waiting_for(&self.tracks.waits_for(row))
        };
        // What a group has dealt to others is theirs to tell of.
        let own = self.tracks.rows().filter(|(_, row)| !matches!(row.phase, TrackPhase::Away));
        own.map(status).collect()
    }

    /// Where every track durably stands; none of a queue.
    pub(super) fn kept(&self) -> Vec<KeptPlace> {
        let place = |row: &TrackRow| KeptPlace {
            track: row.name.clone(),
            label: row.label.clone(),
            checkpoint: match &row.phase {
                TrackPhase::Lost(error) => Err(error.clone()),
                TrackPhase::Waiting(_) | TrackPhase::Away | TrackPhase::Open | TrackPhase::Ended => {
                    Ok(row.durable.clone())
                }
            },
        };
        self.tracks.rows().map(|(_, row)| place(row)).collect()
    }
}

/// What a function's outcome says went wrong.
fn error_of(outcome: &Outcome, work: Work) -> Option<Fault> {
    match outcome {
        Outcome::Succeeded(_) => None,
        Outcome::PartlyFailed { failed, .. } => {
            Some(format!("{} of {} records failed", failed.len(), work.n_records).into())
        }
        Outcome::Failed { reply, .. } => Some(reply.error.clone().unwrap_or_default().into()),
        Outcome::NotReached { error, .. } => Some(error.clone()),
        Outcome::TooLarge => {
            Some(format!("a batch of {} records was refused for its size", work.n_records).into())
        }
    }
}
