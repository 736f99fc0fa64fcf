//! Tracks that a group deals out: each subscriber is a member of its own, hears what the coordinator does,
//! and answers for what it has.

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{TrackIdx, Watermark};
use forebay_clients::caught::caught;

use super::{Actor, FeedRow};
use crate::feed::FeedEvent;
use crate::feed::inbox::SubscriberId;
use crate::source::{BoxFuture, GroupEvent, Membership, Source, SourceError, Standing, TrackName, Tracks};

/// A group that could not be joined is asked again after this long.
const JOIN_AGAIN: Duration = Duration::from_secs(1);

/// What came of a place in a group.
pub(super) enum Dealing {
    Joined(SubscriberId, Result<Arc<dyn Membership>, SourceError>),
    News(SubscriberId, Result<GroupEvent, SourceError>),
    Left,
}

impl Actor {
    pub(super) fn join_group(&mut self, who: SubscriberId) {
        self.join_after(who, Duration::ZERO);
    }

    fn join_after(&mut self, who: SubscriberId, wait: Duration) {
        if let Some(member) = self.feed.members.get(&who).filter(|_| !self.feed.stops) {
            self.rows.push(join_row(Arc::clone(&self.source), who, Arc::clone(&member.name), wait));
        }
    }

    pub(super) fn handle_dealing(&mut self, dealing: Dealing) {
        match dealing {
            Dealing::Joined(who, Ok(membership)) => self.handle_joined(who, membership),
            Dealing::Joined(who, Err(error)) => self.handle_outside(who, &error),
            Dealing::News(who, told) => self.handle_told(who, told),
            Dealing::Left => self.n_leaves -= 1,
        }
    }

    fn handle_joined(&mut self, who: SubscriberId, membership: Arc<dyn Membership>) {
        let stops = self.feed.stops;
        match self.feed.members.get_mut(&who).filter(|_| !stops) {
            Some(member) => {
                member.membership = Some(Arc::clone(&membership));
                self.rows.push(next_row(who, membership));
            }
            // It went while the group was being joined.
            None => self.send_leave(membership),
        }
    }

    /// It is not in the group: it tries again, and its mapping hears why nothing comes.
    fn handle_outside(&mut self, who: SubscriberId, error: &SourceError) {
        self.feed.tell_trouble(who, Some(error.to_notice()));
        let wait = match error {
            SourceError::Throttled { retry_after: Some(wait), .. } => *wait,
            SourceError::Throttled { .. } | SourceError::Down { .. } | SourceError::PositionLost { .. } => {
                JOIN_AGAIN
            }
        };
        self.join_after(who, wait);
    }

    fn handle_told(&mut self, who: SubscriberId, told: Result<GroupEvent, SourceError>) {
        let Some(member) = self.feed.members.get_mut(&who) else { return };
        let Some(membership) = member.membership.clone() else { return };
        match told {
            Ok(GroupEvent::Assigned(dealt)) => {
                member.known.0.extend(dealt.iter().map(|it| (it.track.name.clone(), Standing::Open)));
                // Whoever is assigned something is in the group.
                self.feed.tell_trouble(who, None);
                self.feed.tell(who, FeedEvent::Assigned(dealt));
            }
            Ok(GroupEvent::Revoking { tracks, within }) => {
                self.feed.tell(who, FeedEvent::Revoking(tracks, within));
            }
            Ok(GroupEvent::Lost(tracks)) => self.take_away(who, tracks),
            Ok(GroupEvent::Trouble(trouble)) => self.feed.tell_trouble(who, trouble),
            Err(error) => {
                // Whoever is outside has nothing: the group deals its tracks to others.
                member.membership = None;
                let all = member.tracks.values().cloned().collect();
                self.take_away(who, all);
                return self.handle_outside(who, &error);
            }
        }
        self.rows.push(next_row(who, membership));
    }

    /// Told before the open reads are answered: what they bring is nobody's.
    fn take_away(&mut self, who: SubscriberId, tracks: Vec<TrackName>) {
        let Some(member) = self.feed.members.get(&who) else { return };
        let open = member.tracks.iter().filter(|(_, name)| tracks.contains(name));
        let open: Vec<TrackIdx> = open.map(|(idx, _)| *idx).collect();
        self.feed.tell(who, FeedEvent::Taken(tracks));
        open.into_iter().for_each(|idx| self.forget(who, idx));
    }

    pub(super) fn tell_committed(&self, who: SubscriberId, name: &TrackName, at: &Watermark) {
        let Some(member) = self.feed.members.get(&who) else { return };
        match (&member.membership, self.source.tracks()) {
            (Some(membership), _) => membership.committed(name, at),
            (None, Some(tracks)) if self.facts.hears_commits => tracks.committed(&member.name, name, at),
            (None, _) => {}
        }
    }

    /// A subscriber is done with a track that the group wants back.
    pub(super) fn give_back(&mut self, who: SubscriberId, name: &TrackName) {
        let Some(member) = self.feed.members.get(&who) else { return };
        if let Some(membership) = &member.membership {
            membership.drained(name);
        }
        let open = member.tracks.iter().find(|(_, it)| *it == name).map(|(idx, _)| *idx);
        if let Some(idx) = open {
            self.forget(who, idx);
        }
    }

    pub(super) fn leave_group(&mut self, who: SubscriberId) {
        let Some(member) = self.feed.members.get_mut(&who) else { return };
        if let Some(membership) = member.membership.take() {
            self.send_leave(membership);
        } else if self.facts.hears_commits {
            let (source, name) = (Arc::clone(&self.source), Arc::clone(&member.name));
            self.n_leaves += 1;
            self.rows.push(Box::pin(async move {
                if let Some(tracks) = source.tracks() {
                    let _ = caught(tracks.leave(&name)).await;
                }
                FeedRow::Group(Dealing::Left)
            }));
        }
    }

    /// The feed waits for it before it ends: others would wait longer for the tracks.
    fn send_leave(&mut self, membership: Arc<dyn Membership>) {
        self.n_leaves += 1;
        self.rows.push(Box::pin(async move {
            // The place is gone either way; without a word to the group when the source's code panics.
            let _ = caught(membership.leave()).await;
            FeedRow::Group(Dealing::Left)
        }));
    }
}

fn join_row(
    source: Arc<dyn Source>,
    who: SubscriberId,
    mapping: Arc<str>,
    wait: Duration,
) -> BoxFuture<'static, FeedRow> {
    Box::pin(async move {
        tokio::time::sleep(wait).await;
        let join = async {
            match source.tracks().and_then(Tracks::group) {
                Some(group) => group.join(&mapping).await,
                None => std::future::pending().await,
            }
        };
        let joined = caught(join).await.unwrap_or_else(|panic| Err(SourceError::died("the group", panic)));
        FeedRow::Group(Dealing::Joined(who, joined))
    })
}

fn next_row(who: SubscriberId, membership: Arc<dyn Membership>) -> BoxFuture<'static, FeedRow> {
    Box::pin(async move {
        let told = caught(membership.next()).await;
        FeedRow::Group(Dealing::News(
            who,
            told.unwrap_or_else(|panic| Err(SourceError::died("the group", panic))),
        ))
    })
}
