//! A source of very many tracks whose records need no memory: record `n` of each track is the same for all,
//! its key one of a few.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{OrderKey, Origin, Position, Record, RecordId, ShortBytes, UnixMillis, Watermark};
use forebay_clients::Clients;
use forebay_config::StartingPosition;
use forebay_pollers::{
    Backlog, BoxFuture, EventFormat, Explorer, Input, Known, Listing, RawRead, RawRecord, Reader, Renderer,
    Room, Source, SourceError, SourceSettings, Stand, TrackInfo, TrackName, Tracks, source::wrap_list,
};
use serde_json::value::RawValue;
use tokio::sync::watch;

/// Tracks that all grow at once.
#[derive(Debug, Clone)]
pub(crate) struct Crowd(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    n_tracks: u32,
    n_keys: u64,
    /// Records of each track.
    length: watch::Sender<u64>,
    n_reads: AtomicU64,
}

impl Crowd {
    pub(crate) fn new(n_tracks: u32, n_keys: u64) -> Self {
        Self(Arc::new(Inner { n_tracks, n_keys, length: watch::Sender::new(0), n_reads: AtomicU64::new(0) }))
    }

    /// Appends so many records to each track.
    pub(crate) fn grow(&self, n: u64) {
        self.0.length.send_modify(|length| *length += n);
    }

    /// How often readers were asked.
    pub(crate) fn n_reads(&self) -> u64 {
        self.0.n_reads.load(Ordering::SeqCst)
    }
}

impl SourceSettings for Crowd {
    fn identity(&self) -> String {
        format!("crowd:{:p}", Arc::as_ptr(&self.0))
    }

    fn connect<'a>(&'a self, _clients: &'a Clients) -> BoxFuture<'a, Result<Arc<dyn Source>, SourceError>> {
        Box::pin(async move { Ok(Arc::new(self.clone()) as Arc<dyn Source>) })
    }
}

impl Source for Crowd {
    fn input(&self) -> Input<'_> {
        Input::Tracks(self)
    }

    fn format(&self) -> &dyn EventFormat {
        self
    }

    fn explorer(&self) -> &dyn Explorer {
        self
    }
}

impl Tracks for Crowd {
    fn list<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Listing, SourceError>> {
        let names = (0..self.0.n_tracks)
            .map(|n| TrackName(format!("{n:05}")))
            .filter(|name| !known.0.contains_key(name));
        let tracks =
            names.map(|name| TrackInfo { label: name.0.clone(), name, parents: Vec::new() }).collect();
        Box::pin(async move { Ok(Listing { tracks, trouble: None }) })
    }

    fn rediscover_every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    fn first(&self) -> Origin {
        Origin(ShortBytes::new(b""))
    }

    fn open<'a>(
        &'a self,
        _track: &'a TrackName,
        from: &'a Watermark,
    ) -> BoxFuture<'a, Result<Box<dyn Reader>, SourceError>> {
        let next = match from {
            Watermark::Origin(_) => 0,
            Watermark::At(position) => position.as_number().unwrap(),
        };
        Box::pin(async move {
            Ok(Box::new(CrowdReader { crowd: self.clone(), length: self.0.length.subscribe(), next })
                as Box<dyn Reader>)
        })
    }
}

impl Explorer for Crowd {
    fn origins(
        &self,
        _start: StartingPosition,
    ) -> BoxFuture<'_, Result<Vec<(TrackName, Origin)>, SourceError>> {
        Box::pin(async move {
            Ok((0..self.0.n_tracks).map(|n| (TrackName(format!("{n:05}")), self.first())).collect())
        })
    }

    fn backlog<'a>(&'a self, _stands: &'a [Stand]) -> BoxFuture<'a, Result<Backlog, SourceError>> {
        Box::pin(async { Ok(Backlog::default()) })
    }
}

impl EventFormat for Crowd {
    fn renderer(&self, _has_window: bool) -> Arc<dyn Renderer> {
        Arc::new(self.clone())
    }

    fn envelope_bytes(&self) -> u64 {
        "[]".len() as u64
    }

    fn wrap(&self, batch: &[Record]) -> Vec<Bytes> {
        wrap_list(b"[", batch, b"]")
    }

    fn identify(&self, _reported: &RawValue) -> Option<RecordId> {
        None
    }

    fn batch_info(&self, records: &[Record]) -> (&'static str, serde_json::Value) {
        ("CrowdBatchInfo", serde_json::json!({ "batchSize": records.len() }))
    }
}

impl Renderer for Crowd {
    fn render(&self, record: &RawRecord, out: &mut Vec<u8>) {
        out.extend_from_slice(&record.data);
    }
}

struct CrowdReader {
    crowd: Crowd,
    length: watch::Receiver<u64>,
    next: u64,
}

impl Reader for CrowdReader {
    fn read(&mut self, room: Room) -> BoxFuture<'_, Result<RawRead, SourceError>> {
        Box::pin(async move {
            self.crowd.0.n_reads.fetch_add(1, Ordering::SeqCst);
            let next = self.next;
            // Nothing came in time: it stands where it stood.
            let more = self.length.wait_for(|length| *length > next);
            let length = tokio::time::timeout(room.wait, more)
                .await
                .map_or(next, |length| *length.expect("the test holds the source"));
            let up_to = length.min(next + u64::from(room.records_max));
            let record = |n: u64| RawRecord {
                id: RecordId::new(&n.to_be_bytes()),
                position: Position::number(n),
                key: OrderKey::Key(Bytes::copy_from_slice(&(n % self.crowd.0.n_keys).to_be_bytes())),
                arrival: UnixMillis(0),
                data: Bytes::from_static(&[b'1'; 100]),
                facts: Arc::new(()) as Arc<dyn Any + Send + Sync>,
            };
            let records = (next..up_to).map(record).collect();
            self.next = up_to;
            Ok(RawRead { records, passed: Some(Position::number(up_to)), ..RawRead::default() })
        })
    }
}
