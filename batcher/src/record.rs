//! One record as the core sees it: its name, its place, its order and its rendered bytes.

use bytes::Bytes;

use crate::condition::Condition;
use crate::rendered::Rendered;
use crate::short::ShortBytes;
use crate::time::{Tick, UnixMillis};

/// The name of a record that a function may report in `batchItemFailures`. It may repeat (records of one
/// aggregate share a sequence number); the core compares it and never looks inside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub ShortBytes);

impl RecordId {
    /// A name from the source's own bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(ShortBytes::new(bytes))
    }
}

/// The place of a record in its track: the source's own bytes, unique in the track. **Byte order is reading
/// order.**
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub ShortBytes);

impl Position {
    /// The most bytes that a place may have; a checkpoint with a longer one is not read.
    pub const BYTES_MAX: usize = 4_096;

    /// A place from the source's own bytes, at most [`Position::BYTES_MAX`].
    pub fn new(bytes: &[u8]) -> Self {
        debug_assert!(bytes.len() <= Self::BYTES_MAX, "a place is a few bytes");
        Self(ShortBytes::new(bytes))
    }

    /// A place that is a number, such as an offset: big-endian, so that byte order is numeric order.
    pub fn number(number: u64) -> Self {
        Self::new(&number.to_be_bytes())
    }

    /// The same, followed by what the source tells the place apart by: the order is still that of the
    /// numbers.
    pub fn checked_number(number: u64, check: [u8; 4]) -> Self {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        bytes[8..].copy_from_slice(&check);
        Self::new(&bytes)
    }

    /// The bound right behind the record at `number`: above the record's own place, whichever of the two above
    /// it has, and below every place of the next number.
    pub fn behind_number(number: u64, check: [u8; 4]) -> Self {
        let mut bytes = [u8::MAX; 13];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        bytes[8..12].copy_from_slice(&check);
        Self::new(&bytes)
    }

    /// The number of a place made by [`Position::number`] or [`Position::checked_number`]; the next number, of
    /// a bound made by [`Position::behind_number`].
    pub fn as_number(&self) -> Option<u64> {
        let (number, check) = self.0.as_slice().split_first_chunk()?;
        let number = u64::from_be_bytes(*number);
        match check.len() {
            0 | 4 => Some(number),
            5 => number.checked_add(1),
            _ => None,
        }
    }
}

/// "Nothing read yet": the source's own bytes for where to begin. It sorts below every position of its track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(pub ShortBytes);

/// What orders a record within its track or queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OrderKey {
    /// Records of one key keep their order: a partition key, a FIFO group, or one constant key for a whole
    /// track.
    Key(Bytes),
    /// Nothing orders this record.
    Free,
}

/// A track of this mapping in this process: a shard, a partition, a file. The shell gives the numbers and
/// never uses one twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackIdx(pub u32);

/// A life of the channel or connection that receipts belong to; when it dies, all its receipts are void.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u32);

/// What a queue gave us to settle a message with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt {
    /// The queue's own bytes: a receipt handle, a delivery tag.
    pub handle: Bytes,
    /// The life of the channel that it belongs to.
    pub generation: Generation,
}

/// Where a record comes from, and what finishing it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On a track: finished when the checkpoint may pass it.
    Track(TrackIdx, Position),
    /// In a queue: finished when its receipt is settled. Boxed, so that records of tracks, which move far
    /// more often, are no larger for it.
    Queue(Box<QueuePlace>),
}

/// The place of a message in its queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuePlace {
    /// What settles it.
    pub receipt: Receipt,
    /// When the queue shows it to others again, counted from before the receive was sent; `None` for receipts
    /// that do not lapse by time.
    pub visible_until: Option<Tick>,
    /// How often the queue still gives the message out before it takes it away to its dead letters; `None`
    /// where it never does.
    pub receives_left: Option<u32>,
    /// How often the queue has given the message out, this time included, as it says; `None` where it does
    /// not.
    pub n_receives: Option<u32>,
}

/// Where a record stands in an event: in which part that records are kept under, such as Kafka's `topic-0`, or in
/// none; `Section::default()` where events have one list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Section {
    /// Which part; records of one part stand together in a batch.
    pub idx: u32,
    /// Bytes that the part itself adds to the event, counted once with its first record.
    pub bytes: u16,
    /// Why no function can be given the record; then it is given up untried. It stands here because there are
    /// many records, and this takes no place of its own.
    pub unreadable: Option<Condition>,
}

/// What a record on a track takes beside its bytes: itself, and its place among those that are open, with the
/// room that lists grow by.
const TRACK_RECORD_BYTES: u64 = 232;
/// What a message takes beside its bytes: itself, and its receipt in the books of what is held and when it
/// lapses. A node of a map is half empty when keys come in order.
const MESSAGE_BYTES: u64 = 800;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What the function may call it.
    pub id: RecordId,
    /// Where it comes from.
    pub place: Place,
    /// What orders it.
    pub key: OrderKey,
    /// When it reached the source, as the source says.
    pub arrival: UnixMillis,
    /// Its rendered JSON, as it stands in the event.
    pub bytes: Rendered,
    /// The part of the event it stands in.
    pub section: Section,
}

impl Record {
    /// Its rendered size in bytes.
    pub fn n_bytes(&self) -> u64 {
        self.bytes.n_bytes()
    }

    /// Its place on its track; `None` for a message of a queue.
    pub fn position(&self) -> Option<&Position> {
        match &self.place {
            Place::Track(_, position) => Some(position),
            Place::Queue { .. } => None,
        }
    }

    /// What settles it; `None` on a track.
    pub fn receipt(&self) -> Option<&Receipt> {
        match &self.place {
            Place::Queue(place) => Some(&place.receipt),
            Place::Track(..) => None,
        }
    }

    /// The group that orders a message; `None` for one that nothing orders, and on a track.
    pub(crate) fn group(&self) -> Option<&Bytes> {
        match (&self.place, &self.key) {
            (Place::Queue { .. }, OrderKey::Key(key)) => Some(key),
            (Place::Queue { .. }, OrderKey::Free) | (Place::Track(..), _) => None,
        }
    }

    /// What it takes in memory from its read to its end, with what is kept of it elsewhere: what a mapping's
    /// share is charged for.
    pub fn held_bytes(&self) -> u64 {
        let key = match &self.key {
            OrderKey::Key(key) => key.len() as u64,
            OrderKey::Free => 0,
        };
        let place = match &self.place {
            Place::Track(_, position) => TRACK_RECORD_BYTES + 2 * position.0.heap_bytes(),
            Place::Queue(place) => MESSAGE_BYTES + place.receipt.handle.len() as u64,
        };
        self.n_bytes() + self.id.0.heap_bytes() + key + place
    }
}
