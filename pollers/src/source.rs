//! What a source is to the rest: a kind with a profile, settings without IO, a connection, readers, and four pure functions.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_batcher::{
    Fault, Gap, OrderKey, Origin, Position, Receipt, Record, RecordId, Section, Settled, Settlement, SourceNotice, UnixMillis, Watermark,
};
use forebay_clients::Clients;
use forebay_config::aws::AwsWords;
use forebay_config::settings::SettingSpec;
use forebay_config::{Code, Finding, Node, SourceProfile, StartingPosition};
use serde_json::value::RawValue;

use crate::places::{Backlog, PlaceError, Stand};

/// A boxed future, so that the traits stay object-safe without a macro.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One kind of source.
pub trait SourceKind: Send + Sync {
    /// What it can do; its `kind` is the word under `source:`.
    fn profile(&self) -> &'static SourceProfile;
    /// The settings under its word, for `explain`, the schema and the manual; `parse` takes ranges and defaults from them.
    fn settings(&self) -> &'static [SettingSpec];
    /// What it can do with these settings, where that differs (an SQS FIFO queue); its `kind` is the same.
    fn profile_of(&self, _settings: &Node) -> &'static SourceProfile {
        self.profile()
    }
    /// What Lambda's API says of each type of event source that it reads; none where AWS has no such source.
    fn aws_words(&self) -> &'static [&'static AwsWords] {
        &[]
    }
    /// Reads its settings, without IO. Findings name them from `source` on, such as `source.file.path`; `base` is the folder of the config
    /// file, for relative paths.
    ///
    /// # Errors
    /// All findings at once.
    fn parse(&self, settings: &Node, base: &std::path::Path) -> Result<Box<dyn SourceSettings>, Vec<Finding>>;
    /// Its fake, with a hand in it, for the suite that every source must pass.
    #[cfg(any(test, feature = "fakes"))]
    fn subject(&self) -> crate::contract::AnySubject;
}

/// Settings of a source that have been read.
pub trait SourceSettings: Send + Sync + std::fmt::Debug {
    /// Names what is read, for people and for sharing: two mappings with the same identity share one feed.
    fn identity(&self) -> String;
    /// The ARN of what is read, as far as the settings tell; region and account fill what they leave out. `None` for what has no ARN.
    fn arn(&self, _region: &str, _account: &str) -> Option<String> {
        None
    }
    /// The longest that one of its receives may wait, for queues; `None` where only the queue says.
    fn wait_max(&self) -> Option<Duration> {
        None
    }
    /// Connects, over the connections and with the credentials that all share. Cheap for sources that have nothing to connect to.
    fn connect<'a>(&'a self, clients: &'a Clients) -> BoxFuture<'a, Result<Arc<dyn Source>, SourceError>>;
}

/// The name of a track under which its checkpoint is kept: it holds the source's identity, so that a recreated one inherits nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackName(pub String);

/// What a mapping knows of a track that it was told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is read, or waits to be read.
    Open,
    /// It was read to its end.
    Ended,
}

/// The tracks that a mapping was told of: its list of tracks in the store, and what was discovered since. A source that names a track by
/// what it saw first (a file) finds its own names in it again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known(pub BTreeMap<TrackName, Standing>);

/// A track that the source has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackInfo {
    /// Its name in the store.
    pub name: TrackName,
    /// What people call it: a path, a shard id.
    pub label: String,
    /// Tracks that must be finished before this one starts (T-1).
    pub parents: Vec<TrackName>,
}

/// What a source has that a mapping was not told of.
#[derive(Debug, Default)]
pub struct Listing {
    /// The new tracks, in the order of their creation where the source knows it, else by label.
    pub tracks: Vec<TrackInfo>,
    /// Something else that should be there cannot be seen.
    pub trouble: Option<SourceError>,
}

/// A connected source.
pub trait Source: Send + Sync {
    /// What it is called by itself, where it is known only now and settings can name the same in several ways: sources of one name are one.
    /// Mappings share such a source, unless it is a queue that they compete for.
    fn name(&self) -> Option<&str> {
        None
    }
    /// What all must agree on who share it, as people read it; settings that differ in it cannot share. Those who compete need not agree, but
    /// nobody shares what others compete for.
    fn terms(&self) -> &str {
        ""
    }
    /// Tracks that exist now and that `known` does not hold.
    fn tracks<'a>(&'a self, known: &'a Known) -> BoxFuture<'a, Result<Listing, SourceError>>;
    /// Tracks that a mapping was told of and that are there: what people call them and which go before them. A source whose names are the
    /// same for all needs no more than its list.
    fn describe<'a>(&'a self, _known: &'a Known) -> BoxFuture<'a, Result<Vec<TrackInfo>, SourceError>> {
        static NONE: Known = Known(BTreeMap::new());
        let tracks = self.tracks(&NONE);
        Box::pin(async move { Ok(tracks.await?.tracks) })
    }
    /// How often `tracks` is asked again.
    fn rediscover_every(&self) -> Duration;
    /// Ends when `tracks` may have something new before that; never for a source that is not told. May be dropped without losing anything.
    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
    /// Where each track begins for a mapping that starts at `start`; asked once, before the mapping is Enabled.
    fn origins(&self, start: StartingPosition) -> BoxFuture<'_, Result<Vec<(TrackName, Origin)>, SourceError>>;
    /// Where a track begins that appeared after the mapping was made: its first record.
    fn first(&self) -> Origin;
    /// Where each track that `known` holds, and that the source still has, begins for `start`, under the names of `known`; and so for tracks
    /// that are new. A source whose names are the same for all needs no more than its `origins`.
    fn places<'a>(&'a self, _known: &'a Known, start: StartingPosition) -> BoxFuture<'a, Result<Vec<(TrackName, Origin)>, PlaceError>> {
        let origins = self.origins(start);
        Box::pin(async move { Ok(origins.await?) })
    }
    /// The bound in a track that an operator names, such as an offset, when a record may begin there.
    fn bound<'a>(&'a self, _track: &'a TrackName, _told: &'a str) -> BoxFuture<'a, Result<Watermark, PlaceError>> {
        Box::pin(async { Err(PlaceError::None("this kind of source has no positions that can be named".to_owned())) })
    }
    /// How much waits behind these places, tracks that the mapping was not told of included.
    fn backlog<'a>(&'a self, _stands: &'a [Stand]) -> BoxFuture<'a, Result<Backlog, SourceError>> {
        Box::pin(async { Ok(Backlog::default()) })
    }
    /// The end of a stretch that a checkpoint holds, both ends included, as this version writes positions: what the store kept may be older.
    fn end_of_stretch(&self, kept: Position) -> Position {
        kept
    }
    /// Opens a reader at a bound.
    fn open<'a>(&'a self, track: &'a TrackName, from: &'a Watermark) -> BoxFuture<'a, Result<Box<dyn Reader>, SourceError>>;
    /// How records become JSON for one mapping. Pure.
    fn renderer(&self) -> Arc<dyn Renderer>;
    /// The same for a mapping with or without a batching window, for sources whose event depends on that (SQS).
    fn renderer_for(&self, _has_window: bool) -> Arc<dyn Renderer> {
        self.renderer()
    }
    /// The queue, when the source is one; it has no tracks then.
    fn queue(&self) -> Option<Arc<dyn Queue>> {
        None
    }
    /// Each record is for one of the mappings that read it, as on AWS: it is a queue whose messages are not fanned out.
    fn is_competed_for(&self) -> bool {
        self.queue().is_some_and(|queue| !queue.facts().fans_out)
    }
    /// Bytes of an event around its records and the commas between them: an event of n records has these, theirs, and n − 1 more.
    fn envelope_bytes(&self) -> u64;
    /// The event of a batch as pieces to be sent one after the other.
    fn wrap(&self, batch: &[Record]) -> Vec<Bytes>;
    /// The name of a record from what a function reported under `itemIdentifier`.
    fn identify(&self, reported: &RawValue) -> Option<RecordId>;
    /// The member of a failure record that describes these records: its key, such as `FileBatchInfo`, and its value.
    fn batch_info(&self, records: &[Record]) -> (&'static str, serde_json::Value);
    /// The key that the record had in its source, for destinations that keep keys.
    fn original_key(&self, record: &Record) -> Option<Bytes>;
}

/// A queue whose messages are held by receipts. Several calls may be open at once. **A call that was sent is never dropped**: a message
/// that arrives where nobody waits any more would stay hidden from everybody.
pub trait Queue: Send + Sync {
    /// How it is received from.
    fn facts(&self) -> QueueFacts;
    /// Receives once; answers as soon as there is something, else when the wait is over. A message is hidden for the queue's visibility.
    fn receive(&self, records_max: u32, wait: Duration) -> BoxFuture<'_, Result<Vec<Message>, SourceError>>;
    /// Settles messages, with an answer for each.
    fn settle(&self, settlements: Vec<Settlement>) -> BoxFuture<'_, Vec<(Receipt, Settled)>>;
    /// Hides messages for `by` from now, with an answer for each.
    fn extend(&self, receipts: Vec<Receipt>, by: Duration) -> BoxFuture<'_, Vec<(Receipt, Hidden)>>;
}

/// How a queue is received from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFacts {
    /// The most messages that one receive may bring.
    pub receive_max: NonZeroU32,
    /// The longest that a receive may wait for messages.
    pub wait_max: Duration,
    /// How long a received message is hidden; `None` where receipts do not lapse by time.
    pub visibility: Option<Duration>,
    /// How long the queue itself hides messages that nobody extends, as an operator has set it.
    pub visibility_set: Option<Duration>,
    /// How long after it was left a message that failed is shown again; `None` when its visibility is over.
    pub retry_after: Option<Duration>,
    /// Whether mappings that read the queue in one process each get every message, which is deleted when all have finished it. Otherwise
    /// they compete for messages, as mappings on AWS do.
    pub fans_out: bool,
}

/// A message and what settles it.
#[derive(Debug, Clone)]
pub struct Message {
    /// What it says; its position has no meaning.
    pub record: RawRecord,
    /// What settles it.
    pub receipt: Receipt,
    /// How often the queue still gives it out before it takes it away to its dead letters; `None` where it never does.
    pub receives_left: Option<u32>,
    /// How often the queue has given it out, this time included; `None` where it does not say.
    pub n_receives: Option<u32>,
}

/// What became of hiding one message for longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// It took effect.
    Done,
    /// It did not, or nobody knows.
    Failed,
    /// The receipt is void.
    Lost,
}

/// Room for one raw read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The most records.
    pub records_max: u32,
    /// The most raw bytes; one record may go over it.
    pub bytes_max: u64,
    /// How long to wait when there is nothing.
    pub wait: Duration,
}

/// Reads one track or queue.
pub trait Reader: Send {
    /// Reads once. It answers as soon as it has records, has moved its bound or has ended; else when the wait is over. May be dropped
    /// while it waits without losing anything. After an error the reader is not used again.
    fn read(&mut self, room: Room) -> BoxFuture<'_, Result<RawRead, SourceError>>;
}

/// What a reader brought, before any mapping's filter.
#[derive(Debug, Clone, Default)]
pub struct RawRead {
    /// The records, in reading order.
    pub records: Vec<RawRecord>,
    /// A bound above all that was read and not above what is to come.
    pub passed: Option<Position>,
    /// The track has no more.
    pub ended: bool,
    /// The source had already dropped what was wanted.
    pub gap: Option<Gap>,
}

/// One record as the source gave it.
#[derive(Debug, Clone)]
pub struct RawRecord {
    /// What the function may call it.
    pub id: RecordId,
    /// Its place.
    pub position: Position,
    /// What orders it.
    pub key: OrderKey,
    /// When it reached the source.
    pub arrival: UnixMillis,
    /// Its data as it came.
    pub data: Bytes,
    /// What else the source's own renderer needs to know.
    pub facts: Arc<dyn Any + Send + Sync>,
}

impl RawRecord {
    /// What it takes in memory beside its place in a list.
    pub(crate) fn heap_bytes(&self) -> u64 {
        let key = match &self.key {
            OrderKey::Key(key) => key.len(),
            OrderKey::Free => 0,
        };
        (self.data.len() + key) as u64 + self.id.0.heap_bytes() + self.position.0.heap_bytes()
    }
}

/// Renders records as JSON for one mapping, and shows them to its filter. Pure.
pub trait Renderer: Send + Sync {
    /// Appends the record's JSON, as it stands in the event, to `out`.
    fn render(&self, record: &RawRecord, out: &mut Vec<u8>);
    /// As [`Renderer::render`], with an empty text where the data stands, for a filter that is handed the data beside it. A source whose
    /// profile names no data key renders all.
    fn render_without_data(&self, record: &RawRecord, out: &mut Vec<u8>) {
        self.render(record, out);
    }
    /// The data that a filter sees under the profile's `data_key`, decoded; `None` when the record has none.
    fn data<'a>(&self, record: &'a RawRecord) -> Option<Cow<'a, [u8]>> {
        Some(Cow::Borrowed(&record.data))
    }
    /// The part of the event that the record stands in.
    fn section(&self, _record: &RawRecord) -> Section {
        Section::default()
    }
}

/// Our side could not read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be reached or refuses for now.
    #[error("{what} cannot be read")]
    Down {
        /// What was read.
        what: String,
        /// The page that explains why; [`SourceError::DOWN`] where the cause has none of its own.
        code: Code,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It asks to slow down.
    #[error("{what} asks to slow down")]
    Throttled {
        /// What was read.
        what: String,
        /// When it asked to come back.
        retry_after: Option<Duration>,
    },
    /// The kept place does not belong to it any more.
    #[error("the kept position of {what} does not belong to it any more: {why}")]
    PositionLost {
        /// What was read.
        what: String,
        /// How one can tell.
        why: String,
    },
}

impl SourceError {
    /// A source that cannot be read, whyever.
    pub const DOWN: Code = Code("FB-0504");
    const POSITION_LOST: Code = Code("FB-0502");
    const DIED: Code = Code("FB-0501");

    /// What reads `what` panicked: it is asked again, as when it is down.
    pub(crate) fn died(what: &str, panic: String) -> Self {
        Self::Down { what: what.to_owned(), code: Self::DIED, cause: format!("what reads it {panic}").into() }
    }

    /// The page that explains it.
    pub fn code(&self) -> Code {
        match self {
            Self::Down { code, .. } => *code,
            Self::Throttled { .. } => Self::DOWN,
            Self::PositionLost { .. } => Self::POSITION_LOST,
        }
    }

    /// The same as the core is told it, the causes in the text.
    pub fn to_notice(&self) -> SourceNotice {
        match self {
            Self::Down { what, code, cause } => {
                let mut error = format!("{what} cannot be read: {cause}");
                let mut next = cause.source();
                while let Some(cause) = next {
                    error = format!("{error}: {cause}");
                    next = cause.source();
                }
                SourceNotice::Down { error: Fault::new(*code, error) }
            }
            Self::Throttled { retry_after, .. } => SourceNotice::Throttled { retry_after: *retry_after },
            Self::PositionLost { .. } => SourceNotice::PositionLost { error: self.to_string() },
        }
    }

    /// Whether it may heal by itself.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Down { .. } | Self::Throttled { .. } => true,
            Self::PositionLost { .. } => false,
        }
    }
}

/// The event of a batch whose records stand in one list: what is before it, the records with a comma between two, what is behind it. Nothing is
/// copied, and records that were rendered beside one another are one piece.
pub fn wrap_list(head: &'static [u8], batch: &[Record], tail: &'static [u8]) -> Vec<Bytes> {
    const COMMA: &[u8] = b",";
    let mut pieces = vec![Bytes::from_static(head)];
    let mut rest = batch.iter().map(|record| &record.bytes).peekable();
    while let Some(first) = rest.next() {
        let mut range = first.range();
        let has_comma = |end: usize| first.chunk().get(end) == Some(&b',');
        while let Some(next) = rest.next_if(|it| it.is_beside(first) && it.range().start == range.end + 1 && has_comma(range.end)) {
            range.end = next.range().end;
        }
        match rest.peek() {
            Some(_) if has_comma(range.end) => pieces.push(first.chunk().slice(range.start..range.end + 1)),
            Some(_) => pieces.extend([first.chunk().slice(range), Bytes::from_static(COMMA)]),
            None => pieces.push(first.chunk().slice(range)),
        }
    }
    pieces.push(Bytes::from_static(tail));
    pieces
}

#[cfg(test)]
mod tests {
    use forebay_batcher::{OrderKey, Place, Position, RecordId, Rendered, Section, TrackIdx, UnixMillis};

    use super::*;

    fn record(n_bytes: usize) -> Record {
        Record {
            id: RecordId::new(b"1"),
            place: Place::Track(TrackIdx(0), Position::number(1)),
            key: OrderKey::Free,
            arrival: UnixMillis(0),
            bytes: vec![b'x'; n_bytes].into(),
            section: Section::default(),
        }
    }

    /// Records of `texts` as they lie in one chunk with commas between them.
    fn rendered(texts: &[&str]) -> Vec<Record> {
        let chunk = Bytes::from(texts.join(","));
        let mut at = 0;
        let place = |text: &&str| {
            let range = at..at + text.len();
            at = range.end + 1;
            Record { bytes: Rendered::part(chunk.clone(), range), ..record(0) }
        };
        texts.iter().map(place).collect()
    }

    #[test]
    fn neighbours_are_one_piece_of_an_event_and_nothing_is_copied() {
        let pieces = |batch: &[Record]| wrap_list(b"[", batch, b"]");
        let texts = |batch: &[Record]| pieces(batch).iter().map(|it| String::from_utf8(it.to_vec()).unwrap()).collect::<Vec<_>>();
        let [a, b] = [rendered(&["1", "22", "333", "4"]), rendered(&["5", "6"])];
        assert_eq!(texts(&a), ["[", "1,22,333,4", "]"]);
        assert_eq!(pieces(&a)[1].as_ptr(), a[0].bytes.as_ptr(), "it is where it was rendered");
        let pick = |which: &[&Record]| which.iter().map(|it| Record::clone(it)).collect::<Vec<_>>();
        assert_eq!(texts(&pick(&[&a[0], &a[1], &b[0], &b[1], &a[3]])), ["[", "1,22,", "5,6", ",", "4", "]"]);
        assert_eq!(texts(&pick(&[&a[0], &a[2], &a[1]])), ["[", "1,", "333,", "22", "]"], "one that was left out parts them");
        assert_eq!(texts(&pick(&[&a[0], &a[0]])), ["[", "1,", "1", "]"]);
        assert_eq!(texts(&[]), ["[", "]"]);
        let beside = Record { bytes: Rendered::part(Bytes::from("7;8"), 0..1), ..record(0) };
        let other = Record { bytes: Rendered::part(beside.bytes.chunk().clone(), 2..3), ..record(0) };
        assert_eq!(texts(&[beside, other]), ["[", "7", ",", "8", "]"], "what lies between them is no comma");
    }
}
