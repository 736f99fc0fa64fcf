//! What every part of a feed needs: its subscribers and how they are told, and what is waited for.

use std::collections::BTreeMap;

use forebay_batcher::SourceNotice;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::FeedEvent;
use super::consumer::FeedConsumer;
use super::inbox::SubscriberId;
use crate::source::BoxFuture;

/// Room for one event in a subscriber's channel; none when the channel is closed.
pub(super) struct RoomForEvent(SubscriberId, Option<mpsc::OwnedPermit<Box<FeedEvent>>>);

#[derive(Default)]
pub(super) struct FeedContext {
    /// In boxes, as all maps of large things here that mostly hold one: a node keeps places for eleven.
    pub(super) members: BTreeMap<SubscriberId, Box<FeedConsumer>>,
    /// Channels that are full, each waiting for room.
    pub(super) full: FuturesUnordered<BoxFuture<'static, RoomForEvent>>,
    /// Nothing is begun any more.
    pub(super) stops: bool,
}

impl FeedContext {
    /// Everybody who is there now.
    pub(super) fn everybody(&self) -> Vec<SubscriberId> {
        self.members.keys().copied().collect()
    }

    /// Sends an event, or keeps it until the channel has room; the order of events stays.
    pub(super) fn tell(&mut self, who: SubscriberId, event: FeedEvent) {
        let Some(member) = self.members.get_mut(&who) else { return };
        let event = Box::new(event);
        if !member.late.is_empty() {
            return member.late.push_back(event);
        }
        match member.events.try_send(event) {
            // A closed channel means that the subscriber is gone; its leave is on the way.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(event)) => {
                member.late.push_back(event);
                self.full.push(room(who, member.events.clone()));
            }
        }
    }

    /// Tells a subscriber what is wrong beside its reads, or that nothing is any more; once.
    pub(super) fn tell_trouble(&mut self, who: SubscriberId, trouble: Option<SourceNotice>) {
        let Some(member) = self.members.get_mut(&who).filter(|it| it.trouble != trouble) else { return };
        member.trouble.clone_from(&trouble);
        self.tell(who, trouble.map_or(FeedEvent::Healed, FeedEvent::Trouble));
    }

    /// A channel has room for one: the oldest that waits for it goes.
    pub(super) fn handle_room(&mut self, RoomForEvent(who, permit): RoomForEvent) {
        let Some(member) = self.members.get_mut(&who) else { return };
        let (Some(permit), Some(event)) = (permit, member.late.pop_front()) else { return };
        permit.send(event);
        if !member.late.is_empty() {
            self.full.push(room(who, member.events.clone()));
        }
    }
}

fn room(who: SubscriberId, events: mpsc::Sender<Box<FeedEvent>>) -> BoxFuture<'static, RoomForEvent> {
    Box::pin(async move { RoomForEvent(who, events.reserve_owned().await.ok()) })
}
