//! Messages that failed and were left to their queue, remembered for people until they come again: nothing is
//! decided by it.

use super::*;
use crate::record::RecordId;
use crate::state::TrackState;

/// As many are remembered; those that come again first make room.
const LEFT_MAX: usize = 1_000;
/// How long after it was to come again a message is waited for. One that its queue took away, or that another
/// reader has, never comes.
const GRACE: std::time::Duration = std::time::Duration::from_secs(60);

/// What failed and is hidden.
#[derive(Debug, Default)]
pub(super) struct Left(BTreeMap<RecordId, Failed>);

#[derive(Debug)]
struct Failed {
    since: Tick,
    next: Option<Tick>,
    n_receives: Option<u32>,
    error: String,
}

impl Left {
    fn note(&mut self, id: &RecordId, failed: Failed) {
        if self.0.len() < LEFT_MAX || self.0.contains_key(id) {
            self.0.insert(id.clone(), failed);
        }
    }

    /// A message came, or came again.
    pub(super) fn forget(&mut self, id: &RecordId) {
        self.0.remove(id);
    }

    /// Forgets what was waited for in vain.
    pub(super) fn forget_gone(&mut self, now: Tick) {
        self.0.retain(|_, it| !it.is_gone(now));
    }

    pub(super) fn state(&self, now: Tick) -> Option<TrackState> {
        let hidden = || self.0.values().filter(|it| !it.is_gone(now));
        let first = hidden().min_by_key(|it| (it.next.is_none(), it.next))?;
        Some(TrackState::Hidden {
            n_messages: u32::try_from(hidden().count()).unwrap_or(u32::MAX),
            n_receives: first.n_receives,
            since: first.since,
            next: first.next,
            error: first.error.clone(),
        })
    }
}

impl Failed {
    fn is_gone(&self, now: Tick) -> bool {
        self.next.unwrap_or(self.since).after(GRACE) < now
    }
}

impl Receipts {
    /// Remembers messages that failed and that their queue brings again.
    pub(super) fn note_left(&mut self, left: &[Record], leaving: Leaving<'_>, cx: &Context) {
        let now = cx.now.tick;
        let retry_after = cx.plan.queue.as_ref().and_then(|queue| queue.retry_after);
        for record in left {
            let Place::Queue(place) = &record.place else { continue };
            // It was hidden for longer since it came.
            let until = self.held.get(&place.receipt).map_or(place.visible_until, |held| held.visible_until);
            let next = wait_of(leaving.asked, record).or(retry_after).map(|it| now.after(it)).or(until);
            self.left.note(
                &record.id,
                Failed { since: now, next, n_receives: place.n_receives, error: leaving.error.to_owned() },
            );
        }
    }
}
