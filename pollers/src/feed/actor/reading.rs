//! Tracks are read: once for all who stand in a read.
//!
//! After everything that happens to a track, [`Actor::settle_track`] brings it to rest: orders are served
//! from what is held, raw reads are started for the rest.

use std::sync::Arc;
use std::time::Duration;

use forebay_batcher::{Fault, Read, ReadOrder, SourceNotice, TrackIdx, Watermark, heir_of};
use forebay_clients::caught::caught;
use tokio::time::Instant;

use super::{Actor, FeedRow, tracks_of};
use crate::feed::FeedEvent;
use crate::feed::inbox::SubscriberId;
use crate::feed::track::{FeedTrack, ReadLimits, ReadStart, StretchId, Taste};
use crate::source::{BoxFuture, RawRead, Reader, Room, Source, SourceError, Standing, TrackName};

/// How much longer than its wait an order may be open: the read that was started for it answers first where
/// it can.
const GRACE: Duration = Duration::from_millis(50);

impl Actor {
    pub(super) fn open(&mut self, who: SubscriberId, idx: TrackIdx, name: TrackName, from: Watermark) {
        let Some(member) = self.feed.members.get_mut(&who) else { return };
        member.known.0.insert(name.clone(), Standing::Open);
        // The number names another track from here on.
        if let Some(old) = member.tracks.insert(idx, name.clone()).filter(|old| *old != name) {
            self.unseat(who, &old);
        }
        let track = self.tracks.entry(name).or_default();
        // An order of the old place is over: its answer would be read as one of the new place.
        let answer = track.give_up(who);
        track.open(who, idx, from);
        if let Some((order, read)) = answer {
            self.feed.tell(who, FeedEvent::Read(order.id, Ok(read)));
        }
    }

    pub(super) fn read_track(&mut self, who: SubscriberId, order: ReadOrder) {
        let name = order.track.and_then(|idx| self.feed.members.get(&who)?.tracks.get(&idx).cloned());
        let Some((name, track)) = name.and_then(|name| self.tracks.get_mut(&name).map(|track| (name, track)))
        else {
            let error = Fault::new(SourceError::DOWN, "the read names no open track");
            return self.feed.tell(who, FeedEvent::Read(order.id, Err(SourceNotice::Down { error })));
        };
        let until = Instant::now() + order.wait;
        track.order(who, order, until);
        self.settle_track(&name);
    }

    pub(super) fn forget(&mut self, who: SubscriberId, idx: TrackIdx) {
        let name = self.feed.members.get_mut(&who).and_then(|member| member.tracks.remove(&idx));
        if let Some(name) = name {
            self.unseat(who, &name);
        }
    }

    pub(super) fn unseat(&mut self, who: SubscriberId, name: &TrackName) {
        let Some(track) = self.tracks.get_mut(name) else { return };
        let answer = track.give_up(who);
        track.seats.remove(&who);
        if let Some((order, read)) = answer {
            self.feed.tell(who, FeedEvent::Read(order.id, Ok(read)));
        }
        self.settle_track(name);
    }

    pub(super) fn handle_read(
        &mut self,
        name: &TrackName,
        stretch: StretchId,
        reader: Option<Box<dyn Reader>>,
        result: Result<RawRead, SourceError>,
    ) {
        if let Ok(read) = &result
            && !read.children.is_empty()
        {
            // Before the end of their parent: a mapping that hears of that knows who comes next.
            self.discover(&read.children.clone());
        }
        let Some(track) = self.tracks.get_mut(name) else { return };
        if let Ok(read) = &result {
            track.heir = heir_of(name, &read.children).or_else(|| track.heir.take());
        }
        match result {
            Ok(read) => {
                track.handle_read(stretch, reader, read);
                self.serve(name);
                self.answer_overdue(name, |track| track.overdue_at(stretch, Instant::now()));
            }
            Err(error) => {
                let notice = error.to_notice();
                for (who, order) in track.handle_failure(stretch, reader) {
                    self.feed.tell(who, FeedEvent::Read(order.id, Err(notice.clone())));
                }
            }
        }
        self.settle_track(name);
    }

    /// Brings a track to rest: what can be served is served, the rest is read for, what nobody needs is
    /// dropped.
    fn settle_track(&mut self, name: &TrackName) {
        self.serve(name);
        let Some(track) = self.tracks.get_mut(name) else { return };
        let limits =
            ReadLimits { raw_bytes_max: self.limits.raw_bytes_max, readers_max: self.facts.readers_max };
        for start in track.start(name, limits) {
            self.rows.push(read_row(Arc::clone(&self.source), start));
        }
        track.prune();
        // One alarm is enough, the earliest: what it does not serve sets the next.
        if let Some(alarm) =
            track.first_overdue().map(|at| at + GRACE).filter(|at| track.alarm.is_none_or(|old| *at < old))
        {
            track.alarm = Some(alarm);
            self.alarms.insert((alarm, name.clone()));
        }
        self.count_held(name);
        self.evict();
    }

    fn serve(&mut self, name: &TrackName) {
        let Some(track) = self.tracks.get_mut(name) else { return };
        let mut answers = Vec::new();
        for who in track.waiting() {
            let Some(member) = self.feed.members.get(&who) else { continue };
            let taste = Taste { renderer: member.renderer.as_ref(), filter: member.filter.as_ref() };
            answers.extend(track.serve(who, taste).map(|(order, read)| (who, order, read)));
        }
        for (who, order, read) in answers {
            let mut read = read;
            if let Ok(read) = read.as_mut()
                && read.ended
            {
                read.heir = self.tracks.get(name).and_then(|it| it.heir.clone());
                // From here on the track may be listed anew, as another that goes by its name.
                self.end(who, name);
            }
            let read = read.map_err(|panic| SourceError::died(&name.0, panic).to_notice());
            self.feed.tell(who, FeedEvent::Read(order.id, read));
        }
    }

    fn answer_overdue(
        &mut self,
        name: &TrackName,
        overdue: impl FnOnce(&mut FeedTrack) -> Vec<(SubscriberId, ReadOrder, Read)>,
    ) {
        for (who, order, read) in self.tracks.get_mut(name).map(|track| overdue(track)).unwrap_or_default() {
            self.feed.tell(who, FeedEvent::Read(order.id, Ok(read)));
        }
    }

    /// Brings the sum of held bytes up to date with one track, and drops the track when it is of no use.
    fn count_held(&mut self, name: &TrackName) {
        let Some(track) = self.tracks.get_mut(name) else { return };
        let now = track.held_bytes();
        self.held_bytes = self.held_bytes + now - std::mem::replace(&mut track.counted_bytes, now);
        if track.is_idle() {
            self.tracks.remove(name);
        }
    }

    /// Keeps what is held for those that lag within its limit: the fullest track gives first.
    fn evict(&mut self) {
        while self.held_bytes > self.limits.shared_bytes_max {
            let fullest = self.tracks.iter_mut().max_by_key(|(_, track)| track.evictable_bytes());
            let Some((name, track)) = fullest.filter(|(_, track)| track.evictable_bytes() > 0) else {
                return;
            };
            track.evict();
            track.prune();
            let name = name.clone();
            self.count_held(&name);
        }
    }

    fn end(&mut self, who: SubscriberId, name: &TrackName) {
        if let Some(standing) =
            self.feed.members.get_mut(&who).and_then(|member| member.known.0.get_mut(name))
        {
            *standing = Standing::Ended;
        }
    }

    /// Orders whose wait is over are answered with what there is.
    pub(super) fn handle_alarms(&mut self, now: Instant) {
        while let Some((at, name)) = self.alarms.first().filter(|(at, _)| *at <= now).cloned() {
            self.alarms.remove(&(at, name.clone()));
            // Of no use any more where the track is gone, or another alarm was set.
            if let Some(track) = self.tracks.get_mut(&name) {
                track.alarm = None;
                self.answer_overdue(&name, |track| track.overdue(at - GRACE));
                self.settle_track(&name);
            }
        }
    }

    /// The feed ends: open reads are answered with nothing.
    pub(super) fn answer_reads(&mut self) {
        for track in std::mem::take(&mut self.tracks).values_mut() {
            for who in track.waiting() {
                if let Some((order, read)) = track.give_up(who) {
                    self.feed.tell(who, FeedEvent::Read(order.id, Ok(read)));
                }
            }
        }
    }
}

fn read_row(source: Arc<dyn Source>, start: ReadStart) -> BoxFuture<'static, FeedRow> {
    Box::pin(async move {
        let ReadStart { track, stretch, reader, from, records_max, bytes_max, until } = start;
        let result = async {
            let mut reader = match reader {
                Some(reader) => reader,
                None => tracks_of(&*source)?.open(&track, &from).await?,
            };
            let wait = until.saturating_duration_since(Instant::now());
            let read = reader.read(Room { records_max, bytes_max, wait }).await;
            Ok((reader, read))
        };
        // What reads is foreign in part: its panic is an error of this track.
        let result = caught(result).await.unwrap_or_else(|panic| Err(SourceError::died(&track.0, panic)));
        let (reader, result) = match result {
            // Whoever asks too often has not lost its place.
            Ok((reader, read @ (Ok(_) | Err(SourceError::Throttled { .. })))) => (Some(reader), read),
            Ok((_, Err(error))) | Err(error) => (None, Err(error)),
        };
        FeedRow::Read(track, stretch, reader, result)
    })
}
