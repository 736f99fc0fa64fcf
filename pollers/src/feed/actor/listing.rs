//! Which tracks there are: the source is listed for each subscriber, or once for all, and whoever does not
//! know a track hears of it.

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::SourceNotice;
use forebay_clients::caught::caught;
use tokio::time::Instant;

use super::{Actor, FeedRow, tracks_of};
use crate::feed::FeedEvent;
use crate::feed::consumer::FeedConsumer;
use crate::feed::inbox::SubscriberId;
use crate::source::{BoxFuture, Known, Listing, Source, SourceError, TrackInfo, Tracks};

impl Actor {
    pub(super) fn handle_changed(&mut self) {
        self.feed.members.values_mut().for_each(|it| it.list_soon());
        self.rows.push(changed_row(Arc::clone(&self.source)));
    }

    pub(super) fn list_due(&mut self, now: Instant) {
        let is_due = |member: &FeedConsumer| member.list_at.is_some_and(|at| at <= now);
        if !self.facts.lists_for_all {
            for (who, member) in self.feed.members.iter_mut().filter(|(_, member)| is_due(member)) {
                member.list_at = None;
                self.rows.push(list_row(Arc::clone(&self.source), *who, member.known.clone()));
            }
        } else if self.feed.members.values().any(|it| is_due(it)) {
            // One that is under way began before some of them came; they are given what it brings.
            self.feed.members.values_mut().for_each(|it| it.list_at = None);
            if !std::mem::replace(&mut self.lists_for_all, true) {
                self.rows.push(list_for_all_row(Arc::clone(&self.source)));
            }
        }
    }

    pub(super) fn handle_listing_for_all(&mut self, listing: Result<Listing, SourceError>) {
        self.lists_for_all = false;
        let Listing { tracks, trouble } = told(listing);
        let trouble = trouble.map(|error| error.to_notice());
        for who in self.feed.everybody() {
            self.take_listing(who, &tracks, trouble.clone());
        }
    }

    pub(super) fn handle_listing(&mut self, who: SubscriberId, listing: Result<Listing, SourceError>) {
        let Listing { tracks, trouble } = told(listing);
        self.take_listing(who, &tracks, trouble.map(|error| error.to_notice()));
    }

    /// Tells a subscriber what it does not know of a listing.
    fn take_listing(&mut self, who: SubscriberId, listed: &[TrackInfo], trouble: Option<SourceNotice>) {
        let Some(member) = self.feed.members.get_mut(&who) else { return };
        let is_due = std::mem::take(&mut member.lists_again);
        // The source changed while this listing ran: it may stand in it or not.
        let pause = |tracks: &dyn Tracks| if is_due { Duration::ZERO } else { tracks.rediscover_every() };
        member.list_at = self.source.tracks().map(|tracks| Instant::now() + pause(tracks));
        let mut new = member.take_new(listed, self.facts.lists_for_all);
        member.known.order_behind_unlisted(&mut new, listed);
        if !new.is_empty() {
            self.feed.tell(who, FeedEvent::Discovered(new));
        }
        self.feed.tell_trouble(who, trouble);
    }

    /// The end of a track told what comes after it. Where it cannot tell whether something else goes before
    /// that, a listing does (T-1).
    pub(super) fn discover(&mut self, found: &[TrackInfo]) {
        for who in self.feed.everybody() {
            let Some(member) = self.feed.members.get_mut(&who) else { continue };
            let (sure, unsure): (Vec<TrackInfo>, Vec<TrackInfo>) =
                found.iter().cloned().partition(|it| member.known.has_parents_of(it));
            if !unsure.is_empty() {
                member.list_soon();
            }
            let new = member.take_new(&sure, true);
            if !new.is_empty() {
                self.feed.tell(who, FeedEvent::Discovered(new));
            }
        }
    }
}

/// A listing; one that failed brings its trouble alone.
fn told(listing: Result<Listing, SourceError>) -> Listing {
    listing.unwrap_or_else(|error| Listing { tracks: Vec::new(), trouble: Some(error) })
}

fn list_row(source: Arc<dyn Source>, who: SubscriberId, known: Known) -> BoxFuture<'static, FeedRow> {
    Box::pin(async move {
        let listing = caught(async { tracks_of(&*source)?.list(&known).await }).await;
        FeedRow::Listed(
            who,
            listing.unwrap_or_else(|panic| Err(SourceError::died("the list of tracks", panic))),
        )
    })
}

fn list_for_all_row(source: Arc<dyn Source>) -> BoxFuture<'static, FeedRow> {
    Box::pin(async move {
        let listing = caught(async { tracks_of(&*source)?.list(&Known::default()).await }).await;
        FeedRow::ListedForAll(
            listing.unwrap_or_else(|panic| Err(SourceError::died("the list of tracks", panic))),
        )
    })
}

pub(super) fn changed_row(source: Arc<dyn Source>) -> BoxFuture<'static, FeedRow> {
    Box::pin(async move {
        match source.tracks() {
            Some(tracks) => tracks.changed().await,
            None => std::future::pending().await,
        }
        FeedRow::Changed
    })
}
