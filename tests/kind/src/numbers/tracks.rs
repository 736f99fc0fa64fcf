//! Its tracks, and readers that count.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{OrderKey, Origin, Position, RecordId, ShortBytes, UnixMillis, Watermark};
use forebay_pollers::{
    BoxFuture, Known, Listing, RawRead, RawRecord, Reader, Room, SourceError, TrackInfo, TrackName, Tracks,
};

use super::NumbersSource;

/// The place of the first record.
pub(super) const FIRST: u64 = 1;

impl NumbersSource {
    /// Its tracks, by their order.
    pub(super) fn tracks(self) -> impl Iterator<Item = TrackInfo> {
        (0..self.n_tracks).map(move |track| {
            let name = format!("numbers up to {}/{track}", self.up_to);
            TrackInfo { name: TrackName(name), label: format!("track-{track}"), parents: Vec::new() }
        })
    }
}

/// Where a track begins: before this number.
pub(super) fn origin(next: u64) -> Origin {
    Origin(ShortBytes::new(&next.to_be_bytes()))
}

/// The number that is read next at a bound; `None` for a bound of something else.
pub(super) fn next_at(bound: &Watermark) -> Option<u64> {
    match bound {
        Watermark::Origin(Origin(it)) => Some(u64::from_be_bytes(it.as_slice().try_into().ok()?)),
        Watermark::At(it) => it.as_number(),
    }
}

impl Tracks for NumbersSource {
    fn list<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Listing, SourceError>> {
        let tracks = self.tracks().filter(|it| !known.0.contains_key(&it.name)).collect();
        Box::pin(async { Ok(Listing { tracks, trouble: None }) })
    }

    fn rediscover_every(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn first(&self) -> Origin {
        origin(FIRST)
    }

    fn open<'a>(
        &'a self,
        track: &'a TrackName,
        from: &'a Watermark,
    ) -> BoxFuture<'a, Result<Box<dyn Reader>, SourceError>> {
        let label = self.tracks().find(|it| it.name == *track).map(|it| it.label);
        let reader = label.zip(next_at(from)).map(|(label, next)| {
            let facts: Arc<str> = label.into();
            Box::new(NumbersReader { label: facts, next, up_to: self.up_to }) as Box<dyn Reader>
        });
        Box::pin(async move {
            reader.ok_or_else(|| SourceError::PositionLost {
                what: track.0.clone(),
                why: "it counts to another number".to_owned(),
            })
        })
    }
}

struct NumbersReader {
    label: Arc<str>,
    next: u64,
    up_to: u64,
}

impl Reader for NumbersReader {
    fn read(&mut self, room: Room) -> BoxFuture<'_, Result<RawRead, SourceError>> {
        let end = self.next.saturating_add(room.records_max.into()).min(self.up_to + 1).max(self.next);
        let records = (self.next..end).map(|number| record(&self.label, number)).collect();
        self.next = end;
        let read = RawRead {
            records,
            passed: Some(Position::number(end)),
            ended: end > self.up_to,
            ..RawRead::default()
        };
        Box::pin(async { Ok(read) })
    }
}

fn record(label: &Arc<str>, number: u64) -> RawRecord {
    RawRecord {
        id: RecordId::new(number.to_string().as_bytes()),
        position: Position::number(number),
        key: OrderKey::Key(Bytes::copy_from_slice(label.as_bytes())),
        arrival: UnixMillis(0),
        data: Bytes::from(number.to_string()),
        facts: Arc::new(Arc::clone(label)),
    }
}
