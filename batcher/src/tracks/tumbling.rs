//! The tumbling window of a lane: what of that which waits is in it, what the function carries over it, when
//! it is over.

use std::time::Duration;

use bytes::Bytes;

use crate::assemble::bytes_in_batch;
use crate::checkpoint::{KeptWindow, OpenWindow};
use crate::former::Waiting;
use crate::plan::WindowPlan;
use crate::record::{Position, Record, TrackIdx};
use crate::time::{Now, Tick, UnixMillis};
use crate::tumbling::{Finale, TumblingWindow, WindowSpan};

/// The tumbling window of one lane.
#[derive(Debug, Default)]
pub(super) struct LaneWindow {
    /// The end of the last window that is over: none begins before.
    floor: Option<UnixMillis>,
    /// The window that has begun, or the one that the first record that waits would begin.
    current: Option<Current>,
    inside: Inside,
    /// A record of a later window waits.
    is_cut: bool,
    /// How the current one ends next, set while that waits for a slot.
    finale: Option<Finale>,
}

#[derive(Debug)]
struct Current {
    span: WindowSpan,
    /// An attempt within it has started.
    is_begun: bool,
    state: Bytes,
    /// The state is too large.
    is_full: bool,
    /// The record that would begin it.
    first: Option<Position>,
}

/// What of a lane's waiting records the next batch may take.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Inside {
    pub(super) n_records: usize,
    /// Their bytes, and in a window those of its state.
    pub(super) bytes: u64,
    /// Their window can get no more: time has passed its end.
    pub(super) is_passed: bool,
}

/// How far a track has come, for its windows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// When the newest that was read of it reached its source, and when that was read: the source's clock has
    /// come as far since then as ours.
    pub(super) time: Option<(UnixMillis, Tick)>,
    /// When its source last said that it has nothing, if nothing has come since.
    pub(super) quiet_at: Option<Now>,
    pub(super) is_at_end: bool,
    /// What is open at its end goes on in another track.
    pub(super) is_handed_over: bool,
}

/// Whether a window ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Now(Finale),
    /// No sooner than then, when nothing comes.
    At(Tick),
    /// When something comes, or the source says again that it has nothing.
    Later,
}

impl LaneWindow {
    /// One of a former life.
    pub(super) fn restored(kept: KeptWindow) -> Self {
        let open = |it: OpenWindow| {
            let OpenWindow { span, state, is_full } = it;
            Current { span, is_begun: true, state, is_full, first: None }
        };
        Self { floor: kept.floor, current: kept.open.map(open), ..Self::default() }
    }

    /// What a checkpoint says of it.
    pub(super) fn kept(&self, lane: u32) -> Option<KeptWindow> {
        let begun = self.current.as_ref().filter(|it| it.is_begun);
        let open = begun.map(|it| OpenWindow { span: it.span, state: it.state.clone(), is_full: it.is_full });
        (open.is_some() || self.floor.is_some()).then_some(KeptWindow { lane, floor: self.floor, open })
    }

    pub(super) fn is_begun(&self) -> bool {
        self.current.as_ref().is_some_and(|it| it.is_begun)
    }

    /// Its state is too large.
    pub(super) fn is_full(&self) -> bool {
        self.current.as_ref().is_some_and(|it| it.is_full)
    }

    /// Chooses the window of what waits anew, unless one has begun.
    pub(super) fn choose<'a>(
        &mut self,
        plan: &WindowPlan,
        waiting: impl Iterator<Item = &'a Waiting> + Clone,
    ) {
        // A window that has begun carries a state: what waits joins it or waits behind its end, and never
        // moves it.
        if self.is_begun() {
            return;
        }
        let Some(first) = waiting.clone().next().map(|it| &it.record) else {
            self.current = None;
            return;
        };
        let span = WindowSpan::of(first.arrival, plan.tumbling, self.floor);
        let is_same = |it: &Current| it.span == span && it.first.as_ref() == first.position();
        if !self.current.as_ref().is_some_and(is_same) {
            self.set(span, first.position().cloned(), waiting);
        }
    }

    /// Chooses the window of records that are about to be tried, where what waits has chosen none: those of a
    /// former life that nobody has tried yet.
    pub(super) fn choose_for<'a>(
        &mut self,
        plan: &WindowPlan,
        records: &[Record],
        waiting: impl Iterator<Item = &'a Waiting>,
    ) {
        let newest = records.iter().map(|it| it.arrival).max();
        if let Some(newest) = newest.filter(|_| self.current.is_none()) {
            self.set(WindowSpan::of(newest, plan.tumbling, self.floor), None, waiting);
        }
    }

    fn set<'a>(
        &mut self,
        span: WindowSpan,
        first: Option<Position>,
        waiting: impl Iterator<Item = &'a Waiting>,
    ) {
        self.current = Some(Current { span, is_begun: false, state: Bytes::new(), is_full: false, first });
        (self.inside, self.is_cut) = (Inside::default(), false);
        waiting.for_each(|it| self.note(&it.record));
    }

    /// A record waits behind all others.
    pub(super) fn note(&mut self, record: &Record) {
        let Some(current) = &self.current else { return };
        self.is_cut |= !current.span.takes(record.arrival);
        if !self.is_cut {
            self.inside.n_records += 1;
            self.inside.bytes += bytes_in_batch(record);
        }
    }

    /// The first record that waited was taken.
    pub(super) fn forget(&mut self, record: &Record) {
        self.inside.n_records = self.inside.n_records.saturating_sub(1);
        self.inside.bytes = self.inside.bytes.saturating_sub(bytes_in_batch(record));
    }

    /// What the next batch may take.
    pub(super) fn inside(&self, progress: Progress) -> Inside {
        let is_passed = self.is_cut || self.current.as_ref().is_some_and(|it| is_over(it, progress));
        Inside { is_passed, bytes: self.inside.bytes + self.state_bytes(), ..self.inside }
    }

    /// Nothing of what waits is in it any more.
    pub(super) fn is_used_up(&self) -> bool {
        self.inside.n_records == 0
    }

    /// The bytes that its state takes in an event.
    pub(super) fn state_bytes(&self) -> u64 {
        self.current.as_ref().map_or(0, |it| it.state.len() as u64)
    }

    /// Whether it ends now. One that has not begun does not end.
    pub(super) fn ends(&self, progress: Progress, plan: Option<&WindowPlan>, now: Now) -> Ends {
        let Some(current) = self.current.as_ref().filter(|it| it.is_begun) else { return Ends::Later };
        if current.is_full {
            return Ends::Now(Finale::TerminatedEarly);
        }
        // What waits within it is invoked first; its answer carries the state that the last invocation hands
        // over.
        if self.inside.n_records > 0 {
            return Ends::Later;
        }
        if self.is_cut {
            return Ends::Now(Finale::Ended);
        }
        // nothing more of it comes here, over or not: it goes on where the track does.
        if progress.is_at_end && progress.is_handed_over {
            return Ends::Later;
        }
        if is_over(current, progress) {
            return Ends::Now(Finale::Ended);
        }
        let quiet = plan.map_or(WindowPlan::QUIET, |it| it.quiet);
        let left = over_in(current, progress, quiet, now);
        if left > Duration::ZERO {
            return Ends::At(now.tick.after(left));
        }
        // Behind what was not read yet there may be more of the window.
        match progress.quiet_at {
            Some(at) if over_in(current, progress, quiet, at) == Duration::ZERO => Ends::Now(Finale::Ended),
            Some(_) | None => Ends::Later,
        }
    }

    /// How long it is until it is over, if nothing comes; `None` without a window.
    pub(super) fn over_in(&self, progress: Progress, quiet: Duration, now: Now) -> Option<Duration> {
        self.current.as_ref().map(|it| over_in(it, progress, quiet, now))
    }

    /// How it ends waits for a slot from now on, or does not any more.
    pub(super) fn set_finale(&mut self, finale: Option<Finale>) {
        self.finale = finale;
    }

    /// How it ends next, when that has got a slot.
    pub(super) fn take_finale(&mut self) -> Option<Finale> {
        self.finale.take()
    }

    /// An attempt within it starts; whether it begins by that.
    pub(super) fn begin(&mut self) -> bool {
        self.current.as_mut().is_some_and(|it| !std::mem::replace(&mut it.is_begun, true))
    }

    /// What an attempt or a notice is told of it.
    pub(super) fn told(
        &self,
        (track, lane): (TrackIdx, u32),
        finale: Option<Finale>,
        state_bytes_max: u64,
    ) -> Option<TumblingWindow> {
        let Current { span, state, .. } = self.current.as_ref()?;
        Some(TumblingWindow { track, lane, span: *span, state: state.clone(), finale, state_bytes_max })
    }

    /// From when to when it is, once it has begun.
    pub(super) fn open_span(&self) -> Option<WindowSpan> {
        self.current.as_ref().filter(|it| it.is_begun).map(|it| it.span)
    }

    /// Records of it were finished by an answer, which gave this back.
    pub(super) fn carry(&mut self, state: Bytes, plan: Option<&WindowPlan>) {
        let bytes_max = plan.map_or(WindowPlan::STATE_BYTES_MAX, |it| it.state_bytes_max);
        if let Some(current) = &mut self.current {
            // Kept although it is too large: the invocation that ends the window early hands it over.
            current.is_full = state.len() as u64 > bytes_max;
            current.state = state;
        }
    }

    /// Its last invocation is over. What comes of a window that was terminated early begins it anew.
    pub(super) fn end(&mut self, finale: Finale) {
        let Some(Current { span, .. }) = self.current.take() else { return };
        let floor = match finale {
            Finale::TerminatedEarly => span.start,
            Finale::Ended => span.end,
        };
        self.floor = self.floor.max(Some(floor));
        (self.inside, self.is_cut) = (Inside::default(), false);
    }
}

/// Nothing more of a window is to come.
fn is_over(current: &Current, progress: Progress) -> bool {
    progress.is_at_end || progress.time.is_some_and(|(time, _)| time >= current.span.end)
}

/// How long it is until a window is over, if nothing comes: by the wall clock, or by that of the source, as
/// far as its records tell, whichever comes there first. A wall clock that was set back keeps nothing open.
fn over_in(current: &Current, progress: Progress, quiet: Duration, now: Now) -> Duration {
    let quiet_ms = i64::try_from(quiet.as_millis()).unwrap_or(i64::MAX);
    let over_at = UnixMillis(current.span.end.0.saturating_add(quiet_ms));
    let by_source =
        progress.time.map(|(time, since)| time.age(over_at).saturating_sub(since.until(now.tick)));
    now.unix.age(over_at).min(by_source.unwrap_or(Duration::MAX))
}
