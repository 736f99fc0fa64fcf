//! Memory that tracks wait for: who would read but for want of it, and whose turn it is to read a little
//! beyond the limit.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// How long a track that holds nothing waits for memory before it reads without.
const STARVED_MAX: Duration = Duration::from_secs(1);
/// How long such a read may wait for records: others wait for its place.
const GUEST_WAIT_MAX: Duration = Duration::from_millis(20);
/// As many tracks read again at once when there is room again; the others a moment later, if there still is.
const WOKEN_MAX: usize = 64;

/// Tracks that would read but for want of memory.
#[derive(Debug, Default)]
pub(super) struct Room {
    since: BTreeMap<TrackIdx, Tick>,
    by_age: BTreeSet<(Tick, TrackIdx)>,
    /// Those of them that held nothing when they came.
    empty: BTreeSet<(Tick, TrackIdx)>,
    /// The one that read last although there was none.
    guest: Option<TrackIdx>,
}

impl Room {
    fn wait(&mut self, idx: TrackIdx, since: Tick, is_empty: bool) {
        self.since.insert(idx, since);
        self.by_age.insert((since, idx));
        if is_empty {
            self.empty.insert((since, idx));
        }
    }

    /// A track waits no more; since when it did.
    pub(super) fn forget(&mut self, idx: TrackIdx) -> Option<Tick> {
        let since = self.since.remove(&idx)?;
        self.by_age.remove(&(since, idx));
        self.empty.remove(&(since, idx));
        Some(since)
    }
}

impl Tracks {
    /// A track waits for memory, since it first did.
    pub(super) fn wait_for_room(&mut self, idx: TrackIdx, since: Tick, runs: &Runs, cx: &mut Context) {
        let is_empty = self.by_idx.get(idx).is_some_and(|track| track.lanes.is_empty());
        self.room.wait(idx, since, is_empty);
        self.choose_guest(runs, cx);
    }

    /// S-2: those that hold all of the memory, and may hold it for ever, stop no other: one track at a time
    /// that holds nothing may read a little beyond the limit, when it has waited a second, by turns.
    pub(crate) fn choose_guest(&mut self, runs: &Runs, cx: &mut Context) {
        if cx.is_closing() || self.is_guest_busy(runs) {
            return;
        }
        while let Some((since, idx)) = self.room.empty.first().copied() {
            if !self.by_idx.get(idx).is_some_and(|track| track.may_read() && track.lanes.is_empty()) {
                self.room.empty.remove(&(since, idx));
                continue;
            }
            let at = since.after(STARVED_MAX);
            if at > cx.now.tick {
                cx.timers.set(Timer::Guest, Some(at));
            } else {
                self.room.forget(idx);
                self.room.guest = Some(idx);
                self.send_read(idx, GUEST_WAIT_MAX, cx);
            }
            return;
        }
    }

    /// Whether the one that read last although there was no room still has what it read.
    fn is_guest_busy(&self, runs: &Runs) -> bool {
        let Some(idx) = self.room.guest else { return false };
        let Some(guest) = self.by_idx.get(idx) else { return false };
        // One that fails itself keeps what it has and makes place.
        let is_busy = !guest.lanes.is_empty() && !self.is_any_in_retry(idx, runs);
        guest.is_active() && (is_busy || matches!(guest.reading, Reading::Open(_)))
    }

    /// Gives room back; tracks that waited for it read again.
    pub(crate) fn give_room(&mut self, records: &[Record], runs: &Runs, cx: &mut Context) {
        cx.give_room(records);
        self.handle_room(runs, cx);
    }

    /// Room was given back.
    pub(crate) fn handle_room(&mut self, runs: &Runs, cx: &mut Context) {
        if cx.held_bytes < cx.plan.held_bytes_max {
            self.room.guest = None;
            self.wake_starved(runs, cx);
        }
    }

    /// Time is over for who waits for memory: there is some again, or one may read without.
    pub(crate) fn look_at_room(&mut self, runs: &Runs, cx: &mut Context) {
        if cx.held_bytes < cx.plan.held_bytes_max {
            self.wake_starved(runs, cx)
        } else {
            self.choose_guest(runs, cx)
        }
    }

    fn wake_starved(&mut self, runs: &Runs, cx: &mut Context) {
        let room = &self.room;
        let mut woken: Vec<TrackIdx> = room.by_age.iter().take(WOKEN_MAX).map(|(_, idx)| *idx).collect();
        if room.by_age.len() > WOKEN_MAX {
            cx.timers.set(Timer::Guest, Some(cx.now.tick));
        }
        woken.sort_unstable();
        woken.into_iter().for_each(|idx| self.order_read(idx, runs, cx));
    }
}
